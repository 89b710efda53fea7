"""Terms of a linear map: products of factors read at indices, with deltas, and the way back to nodes.

A factor keeps the indices that it depends on and no others; it meets another factor only where an index that both carry
is summed, or where the result is laid out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

from symgrad.engine.factors import Factor, Labels, Number, kept
from symgrad.engine.tidy import is_const, negate, plus, tidy, times
from symgrad.graph.node import Node, broadcast_to, const, einsum
from symgrad.shapes import Dim, Shape

Shorten: TypeAlias = "Callable[[Node], Node]"


@dataclass(frozen=True)
class Term:
    """number * product of factors; `out` has one label an axis, and axes that share a label make a delta."""

    out: Labels
    factors: tuple[Factor, ...] = ()
    number: Number = 1

    @property
    def used(self) -> frozenset[Any]:
        """The labels that the factors carry; along the others nothing varies."""
        return frozenset(x for _, labels in self.factors for x in labels)


def term(out: Labels, factors: Iterable[Factor], number: Number) -> Term:
    """Return a term with its labels numbered in the order of the axes, factors over the same indices multiplied."""
    place: dict[Any, int] = {}
    for x in out:
        place.setdefault(x, len(place))
    met = merged([(n, tuple(place[x] for x in labels)) for n, labels in factors])
    for n, _ in met:
        if is_const(n, 0):
            return Term(tuple(place[x] for x in out), (), 0)
    return Term(tuple(place[x] for x in out), tuple(met), number)


def scaled(t: Term, number: Number) -> Term:
    return Term(t.out, t.factors, t.number * number)


def merged(factors: Iterable[Factor]) -> list[Factor]:
    """Return the factors with those over the same indices multiplied entry by entry, diagonals taken."""
    out: dict[frozenset[Any], Factor] = {}
    for n, labels in factors:
        own = tuple(dict.fromkeys(labels))
        node = einsum([labels], [n], own) if len(own) < len(labels) else n
        key = frozenset(own)
        if key not in out:
            out[key] = (node, own)
            continue
        first, order = out[key]
        second = einsum([own], [node], order)
        if first.op == "div" and is_const(first.args[0], 1):
            first, second = second, first
        out[key] = (times(first, second), order)
    return list(out.values())


def contracted(factors: Sequence[Factor], gone: Sequence[Any]) -> list[Factor]:
    """Return the factors, those that share an index that is summed in one einsum."""
    groups: list[tuple[set[Any], list[Factor]]] = []
    rest: list[Factor] = []
    for f in factors:
        held = {x for x in f[1] if x in gone}
        if not held:
            rest.append(f)
            continue
        joined = [g for g in groups if g[0] & held]
        groups = [g for g in groups if not g[0] & held]
        groups.append((held.union(*(g[0] for g in joined)), [*(x for g in joined for x in g[1]), f]))
    for summed, found in groups:
        free = tuple(dict.fromkeys(x for _, labels in found for x in labels if x not in summed))
        rest.append((einsum([labels for _, labels in found], [n for n, _ in found], free), free))
    return rest


def addable(a: Term, b: Term) -> bool:
    """Whether the sum of two terms with the same indices is no larger an array than what the factors hold."""
    common = [f for f in a.factors if f in b.factors]
    left, right = ([f for f in t.factors if f not in common] for t in (a, b))
    whole = max(len(a.used), 1)
    if whole <= 2:
        return True  # sums of matrices read well
    axes = {x for _, labels in (*left, *right) for x in labels}
    return len(axes) < whole or any(len(labels) == whole for _, labels in (*left, *right))


def added(a: Term, b: Term, sizes: dict[Any, Dim]) -> Term | None:
    """Return the sum of two terms with the same deltas and indices, what they share in front; None where it is 0."""
    common = [f for f in a.factors if f in b.factors]
    left, right = ([f for f in t.factors if f not in common] for t in (a, b))
    if not left and not right:
        number = a.number + b.number
        return Term(a.out, a.factors, number) if number != 0 else None
    axes = tuple(dict.fromkeys(x for _, labels in (*left, *right) for x in labels))
    shape = tuple(sizes[x] for x in axes)
    front: Number = a.number if abs(a.number) == abs(b.number) else 1
    parts = []
    for t, factors in ((a, left), (b, right)):
        body = _product(factors, axes, sizes)
        n = _ratio(t.number, front)
        parts.append(negate(body) if n == -1 else times(const(n, shape), body) if n != 1 else body)
    return term(a.out, [*common, (plus(parts[0], parts[1]), axes)], front)


def _product(factors: Sequence[Factor], axes: Labels, sizes: dict[Any, Dim]) -> Node:
    """Return the product of factors as one array over the given distinct indices."""
    scalars = [n for n, labels in factors if not labels]
    arrays = [f for f in factors if f[1]]
    wide = {x: sizes[x] for x in axes}
    if not arrays:
        body = const(1, tuple(sizes[x] for x in axes))
    elif len(arrays) == 1:
        body = _turned(*arrays[0], axes, wide)
    else:
        body = einsum([labels for _, labels in arrays], [n for n, _ in arrays], axes, wide)
    for s in scalars:
        body = _times_scalar(body, s)
    return body


def _turned(node: Node, labels: Labels, axes: Labels, sizes: dict[Any, Dim]) -> Node:
    """Return the node with its axes in another order; a sum takes that order itself."""
    if labels == axes or node.op != "einsum" or len(kept(node)) < node.rank:
        return einsum([labels], [node], axes, sizes)
    where: dict[Any, Any] = dict(zip(node.attr[1], labels))
    inner = [[where.get(i, ("sum", i)) for i in own] for own in node.attr[0]]
    return einsum(inner, node.args, axes, sizes)


def _times_scalar(body: Node, s: Node) -> Node:
    if s.op == "div" and is_const(s.args[0], 1):
        return times(body, tidy("div", (const(1, body.shape), broadcast_to(s.args[1], body.shape)), (), body.shape))
    return times(broadcast_to(s, body.shape), body)


def _operands(node: Node, labels: Labels) -> list[Factor]:
    """Return the operands of a sum over more than two free indices; other factors stay as they are."""
    if node.op != "einsum" or node.rank < 3 or len(kept(node)) < node.rank:
        return [(node, labels)]
    where: dict[int, Any] = dict(zip(node.attr[1], labels))
    for own in node.attr[0]:
        for i in own:
            where.setdefault(i, object())  # a summed index is no other sum's
    return [(a, tuple(where[i] for i in own)) for a, own in zip(node.args, node.attr[0])]


def total(terms: Sequence[Term], shape: Shape, axes: Sequence[int] | None = None,
          shorten: Shorten | None = None) -> Node:
    """Return the sum of the terms, which have the given shape, with its axes in the order of `axes`.

    Axes of size 1 may be left out. What all terms share, numbers and scalars, stands in front. `shorten` is asked for a
    shorter form of what stands between the deltas.
    """
    kept = list(range(len(shape)) if axes is None else axes)
    small = tuple(shape[k] for k in kept)
    terms = [t for t in terms if t.number != 0]
    if not terms:
        return const(0, small)
    shared = [f for f in terms[0].factors if not f[1] and all(f in t.factors for t in terms)]
    number: Any = 1
    if len({abs(t.number) for t in terms}) == 1:
        number = abs(terms[0].number)
    if len(terms) == 1 and len(kept) <= 2 and len({terms[0].out[k] for k in kept}) == len(kept):
        shared, number = [], 1  # without a delta the whole product has a shorter form
    if all(t.number < 0 for t in terms):
        number = -number
    out: Node | None = None
    for t in sorted(terms, key=lambda t: bool(t.number / number < 0)):
        sizes = dict(zip(t.out, shape))
        rest = [f for f in t.factors if f not in shared]
        labels = tuple(t.out[k] for k in kept)
        n = _ratio(t.number, number)
        size = n if n > 0 else -n
        body = _laid_out(rest, labels, sizes, size, shorten)
        out = body if out is None and n > 0 else negate(body) if out is None else \
            plus(out, body) if n > 0 else tidy("sub", (out, body), (), small)
    assert out is not None
    for s, _ in shared:
        out = _times_scalar(out, s)
    return negate(out) if number == -1 else out if number == 1 else times(const(_tidy(number), small), out)


def _ratio(a: Number, b: Number) -> Number:
    return a / b if isinstance(a, float) or isinstance(b, float) else _tidy(Fraction(a) / Fraction(b))


def _tidy(number: Number) -> Number:
    return int(number) if isinstance(number, Fraction) and number.denominator == 1 else number


def _laid_out(factors: Sequence[Factor], labels: Labels, sizes: dict[Any, Dim], number: Number,
              shorten: Shorten | None) -> Node:
    """Return number * product of factors with its axes laid along the labels, deltas where one comes twice."""
    used = {x for _, own in factors for x in own}
    free = tuple(x for x in dict.fromkeys(labels) if x in used)
    shape = tuple(sizes[x] for x in labels)
    if shorten is not None and len(free) > 2:
        factors = [(shorten(n) if len(own) < 3 else n, own) for n, own in factors]
    if len(free) > 2:
        factors = [f for factor in factors for f in _operands(*factor)]
    body = _product(factors, free, sizes)
    if number != 1:
        body = times(const(_tidy(number), body.shape), body)
    if shorten is not None and len(free) <= 2:
        body = shorten(body)
    if len(free) > 2 and body.op == "einsum" and len(set(body.attr[1])) == body.rank:
        # one sum with its deltas reads better than a sum within a sum
        ins, out, dims = body.attr
        label = dict(zip(out, free))
        inner = [[label.get(i, ("sum", i)) for i in one] for one in ins]
        return einsum(inner, body.args, labels, sizes | {("sum", i): d for i, d in enumerate(dims)})
    if free == labels:
        return body
    if body.op == "einsum" and len(body.args) == 1 and sorted(body.attr[0][0]) == sorted(body.attr[1]):
        # a transposition: its operand as it is, laid out along the labels in its own order
        where = dict(zip(body.attr[1], free))
        body, free = body.args[0], tuple(where[i] for i in body.attr[0][0])
    if len(set(labels)) == len(labels):
        return einsum([free], [body], labels, sizes) if body.op not in ("const", "size") else broadcast_to(body, shape)
    if is_const(body, 1):
        return einsum([], [], labels, sizes)
    return einsum([free], [body], labels, sizes)
