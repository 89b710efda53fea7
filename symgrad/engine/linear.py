"""Where a gradient is linear in its variable: X.T @ (X @ w - y) = 0 says (X.T @ X) @ w = X.T @ y.

The gradient is taken apart into terms with one factor w or none; the other factors of a term, summed over the indices
that are not of w, are the entries of a matrix. Nothing is solved here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from symgrad.engine.simplify import Simplifier
from symgrad.engine.tidy import negate, plus
from symgrad.errors import NotExpressible
from symgrad.graph.node import Node, const, einsum, make, topological
from symgrad.graph.text import to_text
from symgrad.shapes import Dim, show


@dataclass(frozen=True)
class Linear:
    """The equation matrix @ w = rhs; `left` is false where it reads w @ matrix = rhs."""

    matrix: Node
    rhs: Node
    left: bool

    def value(self, w: Node) -> Node:
        """Return the left-hand side."""
        return self.matrix @ w if self.left else w @ self.matrix


@dataclass(frozen=True)
class _Term:
    sign: int
    factors: tuple[tuple[Node, tuple[int, ...]], ...]


def linear_equation(gradient: Node, w: Node, names: Mapping[Node, str], forward: Sequence[Node]) -> Linear:
    """Return the equation that says where a gradient is zero. Raises: NotExpressible where it is not linear in w."""
    given = {n: s for n, s in names.items() if w not in topological([n])}
    sizes: dict[int, Dim] = dict(enumerate(gradient.shape))
    idx = tuple(range(gradient.rank))
    terms = _terms(gradient, idx, w, sizes)
    if gradient.rank not in (1, 2):
        raise NotExpressible(f"an equation in matrices needs a vector or a matrix; {w.name} has shape {show(w.shape)}")
    free = [t for t in terms if not any(n is w for n, _ in t.factors)]
    held = [t for t in terms if any(n is w for n, _ in t.factors)]
    if not held or any(sum(n is w for n, _ in t.factors) > 1 for t in held):
        raise NotExpressible(f"the gradient is not linear in {w.name}: {to_text(gradient, given)}")
    passing = [_passing(t, w, idx, sizes) for t in held]
    if w.rank == 1 or all(1 in p for p in passing):
        axis, left = 0, True
    elif all(0 in p for p in passing):
        axis, left = 1, False
    else:
        raise NotExpressible(f"no one matrix stands beside {w.name} in {to_text(gradient, given)}")
    size = w.shape[axis]
    matrix, rhs = const(0, (size, size)), const(0, gradient.shape)
    for t in held:
        (labels,) = (lab for n, lab in t.factors if n is w)
        gone = {x for k, x in enumerate(labels) if k != axis} | {x for k, x in enumerate(idx) if k != axis}
        found = [_without(n, lab, gone) for n, lab in t.factors if n is not w]
        rest = [f for f in found if f is not None]
        out = (idx[axis], labels[axis]) if left else (labels[axis], idx[axis])
        matrix = _add(matrix, t.sign, _product(rest, out, sizes))
    for t in free:
        rhs = _add(rhs, -t.sign, _product(t.factors, idx, sizes))
    simplifier = Simplifier(given, [n for n in forward if w not in topological([n])])
    matrix, rhs = simplifier.shorten(matrix).node, simplifier.shorten(rhs).node
    scale = simplifier.factor(matrix)
    return Linear(simplifier.divided(matrix, scale), simplifier.divided(rhs, scale), left)


def _add(total: Node, sign: int, term: Node) -> Node:
    return plus(total, term if sign > 0 else negate(term))


def _product(factors: Sequence[tuple[Node, tuple[int, ...]]], out: tuple[int, ...], sizes: Mapping[int, Dim]) -> Node:
    return einsum([lab for _, lab in factors], [n for n, _ in factors], out, sizes)


def _passing(t: _Term, w: Node, idx: tuple[int, ...], sizes: Mapping[int, Dim]) -> set[int]:
    """Return the axes of w that stand in the output as they are and that no other factor carries."""
    (labels,) = (lab for n, lab in t.factors if n is w)
    others = [(n, lab) for n, lab in t.factors if n is not w]
    return {
        k for k, x in enumerate(labels)
        if len(idx) == len(labels) and (sizes[x] == 1 or x == idx[k])
        and all(_without(n, lab, {x, idx[k]}) is not None for n, lab in others)
    }


def _without(node: Node, labels: tuple[int, ...], gone: set[int]) -> tuple[Node, tuple[int, ...]] | None:
    """Return a factor without axes along which it is constant, None where it is not; an axis of size 1 is dropped."""
    axes = [k for k, x in enumerate(labels) if x in gone]
    if not axes:
        return node, labels
    left = tuple(x for x in labels if x not in gone)
    shape = tuple(d for k, d in enumerate(node.shape) if k not in axes)
    if node.op in ("const", "size"):
        return make(node.op, (), node.attr, shape), left
    if all(node.shape[k] == 1 for k in axes):
        return einsum([range(node.rank)], [node], [k for k in range(node.rank) if k not in axes]), left
    if node.op == "einsum" and len(set(node.attr[1])) == node.rank:
        ins, out, sizes = node.attr
        if not any(out[k] in lab for k in axes for lab in ins):
            return einsum(ins, node.args, [x for k, x in enumerate(out) if k not in axes], dict(enumerate(sizes))), left
    if node.is_elementwise and node.args:
        parts = [_without(a, labels, gone) for a in node.args]
        if all(p is not None for p in parts):
            return make(node.op, tuple(p[0] for p in parts if p is not None), node.attr, shape), left
    return None


def _terms(root: Node, idx: tuple[int, ...], w: Node, sizes: dict[int, Dim]) -> list[_Term]:
    """Return the terms of a node, each a product of factors at their indices."""
    order = topological([root])
    holds = {w}
    for n in order:
        if any(a in holds for a in n.args):
            holds.add(n)
    # from the outside in: a product that is not multiplied out yet is a sign and a list of factors
    done: list[_Term] = []
    work = [_Term(1, ((root, idx),))]
    while work:
        t = work.pop()
        k = next((k for k, (n, _) in enumerate(t.factors) if n in holds and n is not w), None)
        if k is None:
            done.append(t)
            continue
        n, lab = t.factors[k]
        before, after = t.factors[:k], t.factors[k + 1:]
        if n.op in ("add", "sub"):
            work.append(_Term(t.sign * (1 if n.op == "add" else -1), (*before, (n.args[1], lab), *after)))
            work.append(_Term(t.sign, (*before, (n.args[0], lab), *after)))
        elif n.op == "neg":
            work.append(_Term(-t.sign, (*before, (n.args[0], lab), *after)))
        elif n.op == "mul":
            work.append(_Term(t.sign, (*before, *((a, lab) for a in n.args), *after)))
        elif n.op == "div" and n.args[1] not in holds:
            over = make("div", (const(1, n.shape), n.args[1]), (), n.shape)
            work.append(_Term(t.sign, (*before, (n.args[0], lab), (over, lab), *after)))
        elif n.op == "einsum" and len(set(n.attr[1])) == len(n.attr[1]):
            ins, out, dims = n.attr
            where = dict(zip(out, lab))
            for x, d in enumerate(dims):
                if x not in where:
                    where[x] = len(sizes)
                    sizes[where[x]] = d
            inner = tuple((a, tuple(where[x] for x in labels)) for a, labels in zip(n.args, ins))
            work.append(_Term(t.sign, (*before, *inner, *after)))
        else:
            raise NotExpressible(f"the gradient is not linear in {w.name}: it holds {to_text(n)}")
    return done
