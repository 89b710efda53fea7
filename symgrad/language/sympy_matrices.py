"""Matrices that SymPy has a class of its own for, in both directions: blocks, slices, diagonals, Kronecker products."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, TypeAlias

import sympy as sp
from sympy.matrices.expressions.matexpr import MatrixElement
from sympy.matrices.expressions.slice import MatrixSlice

from symgrad.errors import LimitExceeded, NoRule
from symgrad.graph import node as nodes
from symgrad.graph.node import Node, apply, const, einsum
from symgrad.language.matrices import kron
from symgrad.language.subscript import subscript
from symgrad.rules.arrays import BY_NAME
from symgrad.shapes import Dim, as_dim

MAX_ENTRIES = 256  # of a matrix written entry by entry

Entered: TypeAlias = "tuple[Sequence[Any], Callable[[Sequence[Node]], Node]]"
CONCATENATE = BY_NAME["concatenate"]


# --- SymPy to nodes ---------------------------------------------------------------------------------------------------


def kronecker(obj: Any) -> Entered:
    """A Kronecker product of two matrices or more."""
    return obj.args, lambda a: reduce(kron, a)


def diagonal_matrix(obj: Any) -> Entered:
    """DiagMatrix of a column or a row, DiagonalMatrix of a square matrix."""
    def build(a: Sequence[Node]) -> Node:
        labels = "ij" if a[0].shape[1] == 1 else "ji" if a[0].shape[0] == 1 else "ii"
        return einsum([labels], a, "ii")

    return (obj.args[0],), build


def diagonal_of(obj: Any) -> Entered:
    """The diagonal of a matrix, as a column."""
    return (obj.arg,), lambda a: einsum(["ii"], a, "ij", {"j": 1})


def sliced(obj: Any) -> Entered:
    """A[a:b:c, d:e:f]."""
    keys = [tuple(_whole(v) for v in part) for part in (obj.rowslice, obj.colslice)]
    return (obj.parent,), lambda a: subscript(a[0], keys)


def entry(obj: Any) -> Entered:
    """A[i, j] with whole numbers or sizes."""
    if obj.parent.shape == (1, 1):
        return (obj.parent,), lambda a: nodes.reduce_sum(a[0])
    i, j = (_whole(v) for v in obj.args[1:])
    return (obj.parent,), lambda a: subscript(a[0], [i, j])


def _whole(value: Any) -> Dim:
    return int(value) if value.is_Integer else as_dim(value)


def blocks(obj: Any) -> Entered:
    """A matrix of blocks, joined along its rows and then along its columns."""
    rows, columns = obj.blockshape

    def build(a: Sequence[Node]) -> Node:
        return _joined([_joined(a[k * columns:(k + 1) * columns], 1) for k in range(rows)], 0)

    return [obj.blocks[i, j] for i in range(rows) for j in range(columns)], build


def block_diagonal(obj: Any) -> Entered:
    """Square blocks along the diagonal, zeros elsewhere."""
    def build(a: Sequence[Node]) -> Node:
        return _joined([_joined([x if k == i else const(0, (a[i].shape[0], x.shape[1])) for k, x in enumerate(a)], 1)
                        for i in range(len(a))], 0)

    return obj.args, build


def explicit(obj: Any) -> Entered:
    """A matrix written entry by entry. Raises: LimitExceeded, NoRule for one without entries."""
    rows, columns = obj.shape
    if rows * columns > MAX_ENTRIES:
        raise LimitExceeded(f"an explicit matrix of shape {obj.shape} is beyond the limit of {MAX_ENTRIES} entries. "
                            f"Declare a MatrixSymbol of that shape and give its numbers when the result is evaluated")
    if not rows * columns:
        raise NoRule(f"a matrix of shape {obj.shape} has no entries; sizes are at least 1")

    def build(a: Sequence[Node]) -> Node:
        wide = [nodes.broadcast_to(x, (1, 1)) for x in a]
        return _joined([_joined(wide[k * columns:(k + 1) * columns], 1) for k in range(rows)], 0)

    return list(obj), build


def _joined(parts: Sequence[Node], axis: int) -> Node:
    return parts[0] if len(parts) == 1 else CONCATENATE(*parts, axis=axis)


def logic(obj: Any) -> Entered:
    """And, Or, Not of conditions, as 0 and 1."""
    def build(a: Sequence[Node]) -> Node:
        if isinstance(obj, sp.Not):
            return 1 - a[0]
        return reduce(lambda x, y: x * y if isinstance(obj, sp.And) else apply("maximum", x, y), a)

    return sorted(obj.args, key=sp.default_sort_key), build


def branches(obj: Any) -> Entered:
    """Piecewise: the first branch whose condition holds. Raises: NoRule without a last branch for all the rest."""
    last, rest = obj.args[-1], obj.args[:-1]
    if last[1] != sp.true or not rest:
        raise NoRule("Piecewise has a rule where its last branch has the condition True; what is its value elsewhere?")
    if len(rest) == 1 and rest[0][0] == 1 and last[0] == 0:
        return (rest[0][1],), lambda a: a[0]

    def build(a: Sequence[Node]) -> Node:
        out = a[-1]
        for k in reversed(range(0, len(a) - 1, 2)):
            out = apply("where", a[k], a[k + 1], out)
        return out

    return [x for value, test in rest for x in (test, value)] + [last[0]], build


ENTER: dict[type, Callable[[Any], Entered]] = {
    sp.KroneckerProduct: kronecker, sp.DiagMatrix: diagonal_matrix, sp.DiagonalMatrix: diagonal_matrix,
    sp.DiagonalOf: diagonal_of, MatrixSlice: sliced, MatrixElement: entry, sp.BlockMatrix: blocks,
    sp.BlockDiagMatrix: block_diagonal, sp.MatrixBase: explicit, sp.And: logic, sp.Or: logic, sp.Not: logic,
    sp.Piecewise: branches, sp.Adjoint: lambda obj: ((obj.arg,), lambda a: nodes.transpose(a[0])),
    sp.DotProduct: lambda obj: (obj.args, lambda a: nodes.reduce_sum(_column(a[0]) * _column(a[1]))),
}


def _column(x: Node) -> Node:
    return x if x.shape[1] == 1 else nodes.transpose(x)


# --- nodes to SymPy ---------------------------------------------------------------------------------------------------

Written: TypeAlias = "tuple[tuple[Node, ...], Callable[..., Any]]"


def written(node: Node, dim: Callable[[Dim], Any]) -> Written | None:
    """Return the operands of a matrix and what makes it of theirs, where SymPy has a class for it."""
    if node.op == "einsum" and len(node.args) == 1 and node.args[0].rank == 2:
        return _diagonal(node)
    if node.op != "array":
        return None
    pairs = dict(node.attr[1:])
    if node.attr[0] == "index" and node.args[0].rank == 2:
        return _index(node, pairs["[]"], dim)
    if node.attr[0] == "concatenate" and node.rank == 2:
        across = pairs.get("axis", 0) == 1
        return node.args, lambda *a: _block(a, across)
    if node.attr[0] == "reshape" and node.args[0].op == "einsum" and len(node.args[0].args) == 2:
        a, b = node.args[0].args
        if a.rank == b.rank == 2 and kron(a, b) is node:
            return (a, b), sp.KroneckerProduct
    return None


def _block(parts: Sequence[Any], across: bool) -> Any:
    """Return matrices side by side, or below each other; what is written entry by entry stays so."""
    if all(isinstance(x, sp.MatrixBase) for x in parts):
        return sp.ImmutableMatrix.hstack(*parts) if across else sp.ImmutableMatrix.vstack(*parts)
    return sp.BlockMatrix([list(parts)] if across else [[x] for x in parts])


def _diagonal(node: Node) -> Written | None:
    (labels,), out, _ = node.attr
    if len(out) != 2:
        return None
    if labels[0] == labels[1]:
        if out == labels:
            return node.args, sp.DiagonalMatrix
        return (node.args, sp.DiagonalOf) if out[0] == labels[0] and node.shape[1] == 1 else None
    thin = labels[1] if out[0] == labels[0] else labels[0]
    if out[0] == out[1] and out[0] in labels and node.args[0].shape[labels.index(thin)] == 1:
        return node.args, sp.DiagMatrix
    return None


def _index(node: Node, items: Sequence[Any], dim: Callable[[Dim], Any]) -> Written | None:
    parent = node.args[0]
    full = [*items, *[(0, d, 1) for d in parent.shape[len(items):]]]
    if all(isinstance(i, tuple) for i in full):
        keys = []
        for (start, stop, step), size in zip(full, parent.shape):
            if isinstance(step, int) and step < 1:
                return None
            keys.append((dim(0 if start is None else start), dim(size if stop is None else stop), step))
        return (parent,), lambda a: MatrixSlice(a, *keys)
    if not any(isinstance(i, tuple) for i in full):
        return (parent,), lambda a: MatrixElement(a, *map(dim, full))
    return None
