"""Einstein sums in NumPy's words: which operator or function writes an einsum node, and with what operands.

`numpy_form` names the outermost operator only; its operands are nodes again, possibly new ones, so a printer that
follows them never meets an einsum it cannot write. What no operator writes is spelt as an einsum string.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from dataclasses import dataclass

from symgrad.graph.node import Node, einsum, make, reduce_sum, transpose
from symgrad.shapes import Dim, Shape


@dataclass(frozen=True)
class Form:
    """How one node is written: `kind` of writing, the operands, and what else the writing needs.

    kind: 'matmul' (a, b); 'T' (x,); 'sum' (x,) with (axes or None, keepdims); 'trace', 'diag', 'outer' by name;
    'wide' (x,) with the indexing text that lines x up, broadcasting doing the rest; 'eye' with (dim,);
    'same' (x,): written as x is; 'einsum' with (spec, eyes and ones to append).
    """

    kind: str
    args: tuple[Node, ...]
    extra: tuple[object, ...] = ()


def numpy_form(node: Node, stands: Callable[[Node], bool] = lambda n: False) -> Form:
    """Return how NumPy writes this einsum node; what `stands` as a name is not written the other way round."""
    ins, out, sizes = node.attr
    fresh = [i for i in dict.fromkeys(out) if not any(i in labels for labels in ins)]
    if not node.args:
        if len(out) == 2 and out[0] == out[1]:
            return Form("eye", (), (sizes[out[0]],))
        return _spelt(node)
    if len(node.args) == 1:
        return _of_one(node, ins[0], out, sizes)
    if len(set(out)) < len(out) or any(len(set(labels)) < len(labels) for labels in ins):
        return _spelt(node)
    if fresh:
        inner = einsum(ins, node.args, [i for i in out if i not in fresh], dict(enumerate(sizes)))
        return Form("same", (einsum([[i for i in out if i not in fresh]], [inner], out, dict(enumerate(sizes))),))
    alone = _summed_alone(node, ins, out)
    if alone is not None:
        return alone
    scalars = [a for a, labels in zip(node.args, ins) if not labels]
    if scalars:
        rest = [k for k, labels in enumerate(ins) if labels]
        body = einsum([ins[k] for k in rest], [node.args[k] for k in rest], out) if rest else None
        for s in scalars:
            body = s if body is None else _times(s, body)
        assert body is not None
        return Form("same", (body,))
    return _of_two(node, ins, out, sizes, stands) if len(node.args) == 2 else _of_many(node, ins, out)


def _times(scalar: Node, body: Node) -> Node:
    wide = einsum([[]], [scalar], range(body.rank), dict(enumerate(body.shape)))
    return make("mul", (wide, body), (), body.shape)


def _summed_alone(node: Node, ins: tuple[tuple[int, ...], ...], out: tuple[int, ...]) -> Form | None:
    """Sum first over an index that only one operand has."""
    for k, labels in enumerate(ins):
        others = {i for j, other in enumerate(ins) if j != k for i in other}
        axes = [a for a, i in enumerate(labels) if i not in others and i not in out]
        if axes:
            args = list(node.args)
            args[k] = reduce_sum(args[k], axes)
            new = list(ins)
            new[k] = tuple(i for a, i in enumerate(labels) if a not in axes)
            return Form("same", (einsum(new, args, out),))
    return None


def _of_one(node: Node, a: tuple[int, ...], o: tuple[int, ...], sizes: tuple[Dim, ...]) -> Form:
    (x,) = node.args
    if len(set(a)) < len(a):
        if len(a) == 2 and len(o) == 0:
            return Form("trace", (x,))
        if len(a) == 2 and o == a[:1]:
            return Form("diag", (x,))
        kept = tuple(i for i in o if i in a)
        if len(kept) == len(o) or len(set(o)) < len(o):
            return _spelt(node)
        return Form("same", (einsum([kept], [einsum([a], [x], kept)], o, dict(enumerate(sizes))),))
    if not a and len(set(o)) < len(o):
        return Form("same", (_times(x, einsum([], [], o, dict(enumerate(sizes)))),))
    if len(set(o)) < len(o):
        return Form("diag", (x,)) if len(a) == 1 and o == (a[0], a[0]) else _spelt(node)
    if sorted(a) == sorted(o):
        return Form("T", (x,)) if o == a[::-1] else _spelt(node)
    gone = tuple(k for k, i in enumerate(a) if i not in o)
    fresh = [i for i in o if i not in a]
    kept = tuple(i for i in a if i in o)
    if tuple(i for i in o if i in a) != kept:
        return _spelt(node)
    every = None if len(gone) == len(a) else gone
    if not fresh:
        return Form("sum", (x,), (every, False))
    if len(a) == len(o) and all(i == j or (i not in o and j not in a and sizes[j] == 1) for i, j in zip(a, o)):
        return Form("sum", (x,), (every, True))
    lined_up = len(a) <= len(o) and all(i == j or (i not in o and sizes[i] == 1 and j not in a)
                                        for i, j in zip(a[::-1], o[::-1]))
    if lined_up:
        return Form("wide", (x,), ("", x.shape))
    if not gone:
        start = next(k for k, i in enumerate(o) if i in a)
        index = ", ".join(":" if i in a else "None" for i in o[start:])
        shape: Shape = tuple(sizes[i] if i in a else 1 for i in o[start:])
        return Form("wide", (x,), (f"[{index}]", shape))
    inner = reduce_sum(x, gone)
    return Form("same", (einsum([kept], [inner], o, dict(enumerate(sizes))),))


def _flip(x: Node, straight: bool, stands: Callable[[Node], bool]) -> Node:
    if straight or (x.op == "einsum" and x.rank == 2 and len(set(x.attr[1])) == 1):  # a diagonal matrix
        return x
    if x.op == "einsum" and x.rank == 2 and len(x.args) > 1 and not stands(x):
        ins, out, sizes = x.attr  # (A @ B).T is B.T @ A.T
        return einsum(ins, x.args, out[::-1], dict(enumerate(sizes)))
    if x.op == "einsum" and x.rank == 2 and x.attr[:2] == (((0, 1),), (1, 0)):
        return x.args[0]
    return transpose(x)


def _of_two(node: Node, ins: tuple[tuple[int, ...], ...], out: tuple[int, ...], sizes: tuple[Dim, ...],
            stands: Callable[[Node], bool]) -> Form:
    (a, b), (x, y) = ins, node.args
    shared = [i for i in a if i in b and i not in out]
    if len(a) == len(b) == 1 and len(out) == 2:
        return Form("outer", (x, y) if out == (a[0], b[0]) else (y, x))
    if len(shared) == 1 and len(a) <= 2 and len(b) <= 2 and len(out) == len(a) + len(b) - 2:
        k = shared[0]
        # x @ A as its author wrote it; what arrives from above, and products, follow their matrix: A.T @ (p - y)
        follows = b[-1] == k or x.op in ("bar", "pull", "mul", "div", "neg")
        if (len(out) == 2 and out[0] in b) or (len(a) == 1 and len(b) == 2 and follows):
            (a, x), (b, y) = (b, y), (a, x)
        left = x if len(a) == 1 else _flip(x, a[1] == k, stands)
        right = y if len(b) == 1 else _flip(y, b[0] == k, stands)
        return Form("matmul", (left, right))
    lead = out[:-2]
    if len(shared) == 1 and a[:-2] == lead and b[:-2] in (lead, ()) and a[-1] == b[-2:-1][0:1][0] == shared[0] \
            and out[-2:] == (a[-2], b[-1]) and len(b) >= 2:
        return Form("matmul", (x, y))
    joint = list(out) + [i for i in dict.fromkeys(a + b) if i not in out]
    if sorted(joint) == sorted(a) and [i for i in a if i in out] == list(out):
        joint = list(a)
    if len(joint) <= 2:
        dims = dict(enumerate(sizes))
        wide = [einsum([labels], [arg], joint, dims) for labels, arg in zip(ins, node.args)]
        product = make("mul", wide, (), tuple(sizes[i] for i in joint))
        return Form("same", (einsum([joint], [product], out),))
    return _spelt(node)


def _of_many(node: Node, ins: tuple[tuple[int, ...], ...], out: tuple[int, ...]) -> Form:
    """A chain of matrix products from left to right, where the operands are such a chain; X.T @ diag(s) @ X is one."""
    ins, args = _vectors_as_diagonals(node, ins, out)
    place = {i: [k for k, labels in enumerate(ins) if i in labels] for i in dict.fromkeys(sum(ins, ()))}
    if any(len(labels) > 2 for labels in ins) or len(out) > 2:
        return _spelt(node)
    if any(len(where) != (1 if i in out else 2) for i, where in place.items()):
        return _spelt(node)
    ends = [k for k, labels in enumerate(ins) if sum(len(place[i]) == 2 for i in labels) == 1]
    if len(ends) != 2:
        return _spelt(node)
    start = next((k for k in ends if len(out) == 2 and out[0] in ins[k]), None)
    if start is None:
        start = next((k for k in ends if len(out) == 1 and out[0] in ins[k]), ends[0])
    chain = [start]
    while len(chain) < len(ins):
        step = next((k for i in ins[chain[-1]] for k in place[i] if k not in chain), None)
        if step is None:
            return _spelt(node)
        chain.append(step)
    made, labels = args[chain[0]], ins[chain[0]]
    for k in chain[1:-1]:
        new = [i for i in labels if i not in ins[k]] + [i for i in ins[k] if i not in labels]
        made, labels = einsum([labels, ins[k]], [made, args[k]], new), tuple(new)
    last = chain[-1]
    return Form("same", (einsum([labels, ins[last]], [made, args[last]], out),))


def _vectors_as_diagonals(node: Node, ins: tuple[tuple[int, ...], ...],
                          out: tuple[int, ...]) -> tuple[tuple[tuple[int, ...], ...], tuple[Node, ...]]:
    """Return the operands with a vector over an index that links two matrices as the diagonal matrix between them."""
    new, args = list(ins), list(node.args)
    for k, labels in enumerate(ins):
        links = [j for j, own in enumerate(ins) if j != k and set(own) & set(labels)]
        matrices = len(links) == 2 and all(len(new[j]) == 2 for j in links)
        if len(labels) == 1 and labels[0] not in out and matrices:
            other = -1 - k  # an index of its own
            args[k] = einsum([labels], [node.args[k]], [labels[0], labels[0]])
            new[k] = (labels[0], other)
            new[links[1]] = tuple(other if i == labels[0] else i for i in new[links[1]])
    return tuple(new), tuple(args)


def _spelt(node: Node) -> Form:
    """An einsum string; deltas become operands `eye(n)`, broadcasts operands `ones((n,))`."""
    ins, out, sizes = node.attr
    letters = string.ascii_lowercase[8:] + string.ascii_lowercase[:8] + string.ascii_uppercase
    used = len(sizes)
    specs = ["".join(letters[i] for i in labels) for labels in ins]
    more: list[tuple[str, Dim]] = []
    written = ""
    for position, i in enumerate(out):
        label = letters[i]
        if i in out[:position]:
            label, used = letters[used], used + 1
            specs.append(letters[i] + label)
            more.append(("eye", sizes[i]))
        elif not any(i in labels for labels in ins) and out.count(i) == 1:
            specs.append(label)
            more.append(("ones", sizes[i]))
        written += label
    return Form("einsum", node.args, (f"{','.join(specs)}->{written}", tuple(more)))
