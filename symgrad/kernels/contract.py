"""Einsum to array operations: views, matrix products, sums, products; np.einsum only where nothing simpler fits.

A term is a value with one label an axis; None labels an axis of size 1 that carries no index.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from symgrad.errors import NotExpressible
from symgrad.kernels.plan import BOOL, PYTHON, Signed, Val, Values, broadcast_shapes, nominal, number
from symgrad.shapes import Dim, size_of

Labels: TypeAlias = "tuple[int | None, ...]"
Term: TypeAlias = "tuple[Val, Labels]"

SHORT = 8  # entries along an axis
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def lower_einsum(values: Values, attr: tuple[Any, ...], args: Sequence[Signed]) -> Signed:
    """Return the value of an einsum node whose arguments are the given signed values."""
    ins, out, sizes = attr
    sign = 1
    factors: list[Val] = []
    terms: list[Term] = []
    claimed: set[int] = set()  # size-1 indices that one term already carries
    for labels, (v, s) in zip(ins, args):
        sign *= s
        if v.kind == PYTHON or not v.shape:
            factors.append(v)
            continue
        own: list[int | None] = []
        for label, dim in zip(labels[len(labels) - len(v.shape):], v.shape):
            if dim != 1:
                own.append(label)
            elif sizes[label] == 1 and label in out and label not in claimed:
                claimed.add(label)
                own.append(label)
            else:
                own.append(None)
        terms.append((v, tuple(own)))
    carried = {x for _, own in terms for x in own}
    factors += [  # sums of equal terms
        values.dim(sizes[label]) for label in dict.fromkeys(x for labels in ins for x in labels)
        if label not in out and label not in carried and sizes[label] != 1
    ]
    unique = list(dict.fromkeys(out))
    target: Labels = tuple(x if x in carried else None for x in unique)
    result, factors = _product(values, terms, target, factors)
    for f in factors:
        result = _times(values, result, f)
    return _deltas(values, result, unique, out, sizes), sign


def _times(values: Values, v: Val, factor: Val) -> Val:
    return values.plus(values.mul((v, 1), (factor, 1)))  # a factor of -1 is a sign


def _product(values: Values, terms: list[Term], target: Labels, factors: list[Val]) -> tuple[Val, list[Val]]:
    """Return the contraction of the terms, axes ordered as the target, and the factors that are still to be applied."""
    keep = {x for x in target if x is not None}
    terms = [_diagonal(values, t) for t in terms]
    if not terms:
        one = values.const(1)
        return one, factors
    if len(terms) > 1:
        terms = [_drop_lonely(values, k, terms, keep) for k in range(len(terms))]
    out_shape = broadcast_shapes([_spread(t, target) for t in terms])
    if factors and len(terms) > 1:
        small = min(range(len(terms)), key=lambda k: nominal(terms[k][0].shape))
        if nominal(terms[small][0].shape) < nominal(out_shape):  # scale the smallest array
            v, labels = terms[small]
            for f in factors:
                v = _times(values, v, f)
            terms[small], factors = (v, labels), []
    while len(terms) > 2:
        i, j = _cheapest_pair(terms, keep)
        rest = [t for k, t in enumerate(terms) if k not in (i, j)]
        needed = keep | {x for _, labels in rest for x in labels if x is not None}
        a, b = terms[i], terms[j]
        order = tuple(x for x in dict.fromkeys(a[1] + b[1]) if x in needed)
        terms = [*rest, _pair(values, a, b, order, needed)]
    final = _pair(values, terms[0], terms[1], target, keep) if len(terms) == 2 else _sum(values, terms[0], target)
    return align(values, final, target), factors


def _spread(term: Term, target: Labels) -> tuple[Dim, ...]:
    v, labels = term
    return tuple(v.shape[labels.index(x)] if x is not None and x in labels else 1 for x in target)


def _diagonal(values: Values, term: Term) -> Term:
    """Return the term with a label that it carries twice read along its diagonal."""
    v, labels = term
    kept = tuple(dict.fromkeys(x for x in labels if x is not None))
    if len(kept) == sum(x is not None for x in labels):
        return term
    letters = iter(LETTERS)
    name: dict[Any, str] = {x: next(letters) for x in kept}
    spec = "".join(name[x] if x is not None else next(letters) for x in labels) + "->" + "".join(name[x] for x in kept)
    ones = [k for k, x in enumerate(labels) if x is None]
    if ones:  # np.einsum would sum them into a copy; dropping them first keeps a view
        v = _view(values, v, tuple(k for k in range(len(labels)) if k not in ones))
        spec = "".join(name[x] for x in labels if x is not None) + "->" + "".join(name[x] for x in kept)
    shape = tuple(term[0].shape[labels.index(x)] for x in kept)
    return values.make("diagonal", (v,), (spec,), shape, v.kind), kept


def _drop_lonely(values: Values, k: int, terms: list[Term], keep: set[int]) -> Term:
    """Return term k summed over the labels that nobody else carries and the result does not keep."""
    labels = terms[k][1]
    others = {x for j, (_, own) in enumerate(terms) if j != k for x in own}
    lonely = {x for x in labels if x is not None and x not in keep and x not in others}
    return _sum(values, terms[k], tuple(x for x in labels if x not in lonely)) if lonely else terms[k]


def _sum(values: Values, term: Term, target: Labels) -> Term:
    """Return the term summed over the labels that the target lacks."""
    gone = tuple(k for k, x in enumerate(term[1]) if x is not None and x not in target)
    if not gone:
        return term
    v, labels = values.floats(term[0]), term[1]
    same_places = len(target) == len(labels) and all(
        t == x or (t is None and k in gone) for k, (t, x) in enumerate(zip(target, labels))
    )
    if same_places:
        shape = tuple(1 if k in gone else d for k, d in enumerate(v.shape))
        rest = tuple(None if k in gone else x for k, x in enumerate(labels))
        bare = values.known("sum", (v,), (gone, False), tuple(d for k, d in enumerate(v.shape) if k not in gone))
        if bare is not None:  # the same sum, its axes left out
            left = iter(range(len(bare.shape)))
            return _view(values, bare, tuple(-1 if k in gone else next(left) for k in range(len(labels)))), rest
        return values.make("sum", (v,), (gone, True), shape), rest
    if not any(x is not None and x in target for x in labels):
        gone = tuple(range(len(labels)))  # axes of size 1 go along
    shape = tuple(d for k, d in enumerate(v.shape) if k not in gone)
    return values.make("sum", (v,), (gone, False), shape), tuple(x for k, x in enumerate(labels) if k not in gone)


def _cheapest_pair(terms: list[Term], keep: set[int]) -> tuple[int, int]:
    best: tuple[float, float, int, int] | None = None
    for i in range(len(terms)):
        for j in range(i + 1, len(terms)):
            rest = {x for k, (_, labels) in enumerate(terms) if k not in (i, j) for x in labels}
            dims = {x: d for k in (i, j) for x, d in zip(terms[k][1], terms[k][0].shape) if x is not None}
            result = nominal(tuple(d for x, d in dims.items() if x in rest or x in keep))
            # only then the work: a result that shrinks beats one that grows
            growth = result - nominal(terms[i][0].shape) - nominal(terms[j][0].shape)
            score = (growth, nominal(tuple(dims.values())), i, j)
            best = score if best is None or score < best else best
    assert best is not None
    return best[2], best[3]


def _pair(values: Values, a: Term, b: Term, target: Labels, keep: set[int]) -> Term:
    """Return the product of two terms summed over their shared labels outside `keep`."""
    la, lb = set(a[1]) - {None}, set(b[1]) - {None}
    shared = [x for x in a[1] if x is not None and x in lb]
    batch = [x for x in shared if x in keep]
    gone = [x for x in shared if x not in keep]
    free_a = [x for x in a[1] if x is not None and x not in lb]
    free_b = [x for x in b[1] if x is not None and x not in la]
    if not gone:
        x, y = align(values, a, target), align(values, b, target)
        v = values.mul((x, 1), (y, 1))[0]
        return v, target[len(target) - len(v.shape):]
    a, b = (values.floats(a[0]), a[1]), (values.floats(b[0]), b[1])
    if len(gone) == 1 and len(free_a) <= 1 and len(free_b) <= 1 and (not batch or (free_a and free_b)):
        wanted = [x for x in target if x in (*free_a, *free_b)]
        if free_b and wanted and wanted[0] == free_b[0]:  # (A B)^T = B^T A^T: the axes come out in order
            a, b, free_a, free_b = b, a, free_b, free_a
        x = align(values, a, (*batch, *free_a, *gone), exact=True)
        y = align(values, b, (*batch, *gone, *free_b), exact=True)
        shape = (*x.shape[:len(batch)], *(x.shape[-2:-1] if free_a else ()), *(y.shape[-1:] if free_b else ()))
        return values.make("matmul", (x, y), (), shape), (*batch, *free_a, *free_b)
    if not values.plain and ((free_a and free_b) or not batch):
        return _merged(values, a, b, target, batch, gone)
    order_a = tuple(i for i in a[1] if i is not None)
    order_b = tuple(i for i in b[1] if i is not None)
    x, y = align(values, a, order_a, exact=True), align(values, b, order_b, exact=True)
    dims = dict(zip(order_a, x.shape)) | dict(zip(order_b, y.shape))
    out = tuple(i for i in target if i is not None) if set(target) - {None} == set(batch + free_a + free_b) \
        else (*batch, *free_a, *free_b)
    if len(dims) > len(LETTERS):
        raise NotExpressible(f"a product over {len(dims)} indices: NumPy's einsum has letters for {len(LETTERS)}")
    letter = dict(zip(dims, LETTERS))
    left, right, result = ("".join(letter[i] for i in own) for own in (order_a, order_b, out))
    spec = f"{left},{right}->{result}"
    return values.make("einsum", (x, y), (spec,), tuple(dims[i] for i in out)), out


def _merged(values: Values, a: Term, b: Term, target: Labels, batch: list[int], gone: list[int]) -> Term:
    """Return the product of two terms as one of matrices: several axes are read as rows, several as columns."""
    free_a = [x for x in a[1] if x is not None and x not in b[1]]
    free_b = [x for x in b[1] if x is not None and x not in a[1]]
    if not free_a and not free_b:
        x, y = (align(values, t, tuple(gone), exact=True) for t in (a, b))
        return values.make("vdot", (x, y), (), ()), ()
    larger = max((a, b), key=lambda t: nominal(t[0].shape))[1]
    gone = sorted(gone, key=larger.index)  # so that a large array is read the same way each time
    if free_a and free_b:
        dims = {x: nominal((d,)) for t in (a, b) for x, d in zip(t[1], t[0].shape)}
        last = next(x for x in reversed(target) if x in (*free_a, *free_b))
        others = free_b if last in free_a else free_a
        # the axis that runs fastest in the result does so here, unless it is so short that loops over it are slow
        if (last in free_a) != (dims[last] < SHORT < dims[others[-1]]):
            a, b, free_a, free_b = b, a, free_b, free_a
    x, y = _matrix(values, a, batch, free_a, gone), _matrix(values, b, batch, gone, free_b)
    lead = len(batch)
    shape = (*x.shape[:lead], *(x.shape[-2:-1] if free_a else ()), *(y.shape[-1:] if free_b else ()))
    made = values.make("matmul", (x, y), (), shape)
    sizes = {x: d for t in (a, b) for x, d in zip(t[1], t[0].shape)}
    out = (*batch, *free_a, *free_b)
    full = tuple(sizes[x] for x in out)
    return (made if shape == full else values.make("merge", (made,), (), full)), out


def _matrix(values: Values, term: Term, batch: list[int], rows: list[int], columns: list[int]) -> Val:
    """Return the term as matrices, one for each entry of the batch; what was read so before is read transposed."""
    if not rows or not columns:
        return _read(values, term, batch, [g for g in (rows, columns) if g])
    order = [x for x in term[1] if x is not None and x not in batch]
    dims = dict(zip(term[1], term[0].shape))
    reach = nominal((dims[rows[-1]],)) - nominal((dims[columns[-1]],))
    # a copy is made along its last axis, and a long one is copied fastest
    turned = order != rows + columns and (
        order == columns + rows or reach > 0 or (reach == 0 and order.index(rows[0]) > order.index(columns[0])))
    made = _read(values, term, batch, [columns, rows] if turned else [rows, columns])
    lead = len(batch)
    return _view(values, made, (*range(lead), lead + 1, lead)) if turned else made


def _read(values: Values, term: Term, batch: list[int], groups: list[list[int]]) -> Val:
    """Return the term with each group of axes read as one, in one order wherever the same axes are grouped."""
    place = {x: k for k, x in enumerate(term[1])}
    x = align(values, term, (*batch, *(label for g in groups for label in g)), exact=True)
    if all(len(g) == 1 for g in groups):
        return x
    shape = (*x.shape[:len(batch)], *(size_of(tuple(term[0].shape[place[label]] for label in g)) for g in groups))
    return values.make("merge", (x,), (), shape)


def align(values: Values, term: Term, target: Labels, exact: bool = False) -> Val:
    """Return the term's value viewed with the target's axes; missing labels become axes of size 1.

    Without `exact` axes of size 1 may be missing on the left, since NumPy's broadcasting supplies them.
    """
    v, labels = term
    if v.kind == PYTHON:
        return v
    if not exact:
        if len(labels) <= len(target) and labels == tuple(
            x if x in labels else None for x in target[len(target) - len(labels):]
        ) and all(x is None or x not in labels for x in target[:len(target) - len(labels)]):
            return v
        while target and (target[0] is None or target[0] not in labels):
            target = target[1:]
    spare = [k for k, x in enumerate(labels) if x is None]
    pattern: list[int] = []
    for x in target:
        if x is not None and x in labels:
            pattern.append(labels.index(x))
        else:
            pattern.append(spare.pop(0) if spare else -1)
    return _view(values, v, tuple(pattern))


def _view(values: Values, v: Val, pattern: tuple[int, ...]) -> Val:
    """Return the view whose axis k is axis pattern[k] of `v`, a new one where that is -1; unused axes have size 1."""
    if pattern == tuple(range(len(v.shape))):
        return v
    if v.op == "view":  # a view of a view is one view
        inner = v.attr[0]
        pattern = tuple(-1 if k < 0 else inner[k] for k in pattern)
        v = v.args[0]
        if pattern == tuple(range(len(v.shape))):
            return v
    return values.make("view", (v,), (pattern,), tuple(1 if k < 0 else v.shape[k] for k in pattern), v.kind)


def _deltas(values: Values, v: Val, unique: list[int], out: Sequence[int], sizes: Sequence[Dim]) -> Val:
    """Return the value with its axes laid along the diagonals of a larger array where `out` repeats an index."""
    if len(unique) == len(out):
        return v
    place = {x: out.index(x) for x in unique}
    narrow = v
    wide: Labels = tuple(x if place[x] == k else None for k, x in enumerate(out))
    if v.kind != PYTHON:
        v = align(values, (v, tuple(unique)[len(unique) - len(v.shape):]), wide)
    if not values.plain and not (v.kind == PYTHON and number(v) == 1):
        letters = dict(zip(unique, LETTERS))
        spec = f"{''.join(letters[x] for x in out)}->{''.join(letters[x] for x in unique)}"
        return values.spread(narrow, spec, tuple(sizes[x] for x in out))
    mask: Val | None = None
    for k, x in enumerate(out):
        if place[x] != k:
            eye = values.make("eye", (), (sizes[x],), (sizes[x], sizes[x]), BOOL)
            own = align(values, (eye, (place[x], k)), tuple(j if j in (place[x], k) else None for j in range(len(out))))
            mask = own if mask is None else values.mul((mask, 1), (own, 1))[0]
    assert mask is not None
    return values.where(mask, (v, 1), (values.const(0), 1))[0]
