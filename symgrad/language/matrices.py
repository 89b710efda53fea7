"""Functions of matrices that stand for their graphs: diagonals, Kronecker products, powers. None has a derivative."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from symgrad.errors import ShapeError
from symgrad.graph.node import Node, describe, einsum, identity, matmul
from symgrad.rules.arrays import BY_NAME
from symgrad.rules.linalg import eye_like, square
from symgrad.shapes import Dim, show

Size: TypeAlias = "Dim"
Axis: TypeAlias = "int | tuple[int, ...] | None"


def _rank(name: str, x: Node, rank: int) -> None:
    if x.rank != rank:
        what = "a vector (1 axis)" if rank == 1 else f"an operand of {rank} axes"
        raise ShapeError(f"{name} takes {what}; {describe(x)} has shape {show(x.shape)}")


def _is_square(name: str, x: Node) -> None:
    if x.shape[-1] != x.shape[-2]:
        raise ShapeError(f"{name} takes a square matrix; {describe(x)} has shape {show(x.shape)}, the sizes "
                         f"{x.shape[-2]} and {x.shape[-1]} differ. A slice such as X[:k, :k] is square")


def trace(x: Node) -> Node:
    _rank("trace", x, 2)
    _is_square("trace", x)
    return einsum(["ii"], [x], "")


def diag(x: Node) -> Node:
    if x.rank == 1:
        return einsum(["i"], [x], "ii")
    if x.rank != 2:
        raise ShapeError(f"diag takes a vector, whose diagonal matrix it makes, or a matrix, whose diagonal it reads; "
                         f"{describe(x)} has shape {show(x.shape)}")
    _is_square("diag", x)
    return einsum(["ii"], [x], "i")


def outer(a: Node, b: Node) -> Node:
    _rank("outer", a, 1)
    _rank("outer", b, 1)
    return einsum(["i", "j"], [a, b], "ij")


def eye(n: Size) -> Node:
    return identity(n)


def kron(a: Node, b: Node) -> Node:
    """The matrix of the blocks a_ij * b, as a product with four axes that is reshaped."""
    rank = max(a.rank, b.rank)
    if not 1 <= rank <= 2:
        raise ShapeError(f"kron takes vectors or matrices; {describe(a)} has shape {show(a.shape)}, {describe(b)} has "
                         f"shape {show(b.shape)}. einsum writes products of arrays with more axes")
    ins = [[(side, k) for k in range(rank - x.rank, rank)] for side, x in (("a", a), ("b", b))]
    inner = [pair for k in range(rank) for pair in (("a", k), ("b", k)) if pair in ins[0] or pair in ins[1]]
    shape = tuple((a.shape[k - rank + a.rank] if ("a", k) in ins[0] else 1)
                  * (b.shape[k - rank + b.rank] if ("b", k) in ins[1] else 1) for k in range(rank))
    return BY_NAME["reshape"](einsum(ins, [a, b], inner), shape=shape)


def matrix_power(x: Node, n: Axis) -> Node:
    """Squares and their products, the inverse for a negative power, the identity for 0."""
    square(x.shape)
    if isinstance(n, bool) or not isinstance(n, int):
        raise ShapeError(f"matrix_power takes an integer for the power, not {n!r}; the root of a symmetric matrix is "
                         f"made of eigvalsh and eigvecsh")
    if n == 0:
        return eye_like(x)
    base = BY_NAME["inv"](x) if n < 0 else x
    out: Node | None = None
    for k, bit in enumerate(reversed(f"{abs(n):b}")):
        base = matmul(base, base) if k else base
        if bit == "1":
            out = base if out is None else matmul(out, base)
    assert out is not None  # the leading bit is 1
    return out


def slogdet(x: Node) -> Node:
    """The sign and the logarithm of the absolute value of the determinant, [0] and [1] of the result."""
    parts = [BY_NAME["signdet"](x), BY_NAME["logdet"](x)]
    wide = [einsum([range(p.rank)], [p], ["new", *range(p.rank)], {"new": 1}) for p in parts]
    return BY_NAME["concatenate"](*wide, axis=0)


MATRICES: dict[str, Callable[..., Node]] = {
    "trace": trace, "diag": diag, "outer": outer, "eye": eye, "kron": kron, "matrix_power": matrix_power,
    "slogdet": slogdet,
}
