"""Functions of arrays that stand for their graphs, such as var and norm; none has a derivative of its own."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import TypeAlias

from symgrad.errors import ShapeError
from symgrad.graph.node import Node, apply, describe, einsum, reduce_mean, reduce_sum, size
from symgrad.language.convolution import CONVOLUTIONS
from symgrad.language.rearranged import REARRANGED
from symgrad.rules.arrays import BY_NAME
from symgrad.shapes import normalise_axes, show, size_of

Axis: TypeAlias = "int | tuple[int, ...] | None"
Flag: TypeAlias = bool
Nodes: TypeAlias = "tuple[Node, ...]"
Order: TypeAlias = "int | str"


def _var(x: Node, *, axis: Axis = None, ddof: Axis = 0, keepdims: Flag = False) -> Node:
    square = (x - reduce_mean(x, axis, True)) ** 2
    if ddof == 0:
        return reduce_mean(square, axis, keepdims)
    if not isinstance(ddof, int):
        raise ShapeError(f"var: ddof is an integer, not {ddof}")
    count = size_of(tuple(x.shape[k] for k in normalise_axes(axis, x.rank, describe(x))))
    return reduce_sum(square, axis, keepdims) / size(count - ddof)


def _std(x: Node, *, axis: Axis = None, ddof: Axis = 0, keepdims: Flag = False) -> Node:
    return apply("sqrt", _var(x, axis=axis, ddof=ddof, keepdims=keepdims))


def _norm(x: Node, ord: Order = 2, *, axis: Axis = None, keepdims: Flag = False) -> Node:
    if ord in (2, "fro"):
        return apply("sqrt", reduce_sum(x**2, axis, keepdims))
    size_ = apply("abs", x)
    if ord == 1:
        return reduce_sum(size_, axis, keepdims)
    if ord == "inf":
        return BY_NAME["max"](size_, axis=axis, keepdims=keepdims)
    if ord in ("nuc", "spectral"):
        if x.rank < 2 or axis is not None or keepdims:
            raise ShapeError(f"norm: the {ord} norm is that of a matrix, or of each matrix of a batch: give an operand "
                             f"of at least 2 axes, and no axis; {describe(x)} has shape {show(x.shape)}")
        values = BY_NAME["svdvals"](x)
        return reduce_sum(values, -1) if ord == "nuc" else BY_NAME["max"](values, axis=values.rank - 1)
    if isinstance(ord, int) and ord > 2:
        return reduce_sum(size_**ord, axis, keepdims) ** Fraction(1, ord)
    raise ShapeError(f"norm: ord is 1, 2, a larger integer, inf, \"fro\", or \"nuc\" and \"spectral\" of a matrix, "
                     f"not {ord!r}")


def _stack(arrays: Nodes, *, axis: Axis = 0) -> Node:
    first = arrays[0]
    if not isinstance(axis, int) or not -first.rank - 1 <= axis <= first.rank:
        raise ShapeError(f"stack: axis {axis} is out of range for operands of {first.rank} axes")
    if any(a.shape != first.shape for a in arrays):
        raise ShapeError(f"stack: the operands have shapes {', '.join(show(a.shape) for a in arrays)}, which differ")
    place = axis % (first.rank + 1)
    out = [*range(place), "new", *range(place, first.rank)]
    wide = [einsum([range(first.rank)], [a], out, {"new": 1}) for a in arrays]
    return BY_NAME["concatenate"](*wide, axis=place)


def _cross(a: Node, b: Node) -> Node:
    for x in (a, b):
        if not x.rank or x.shape[-1] != 3:
            raise ShapeError(f"cross takes vectors of 3 entries along the last axis; {describe(x)} has shape "
                             f"{show(x.shape)}")

    def turned(x: Node, by: int) -> Node:
        whole = [(None, None, None)] * (x.rank - 1)
        parts = [BY_NAME["index"](x, subscript=(*whole, s)) for s in ((by, 3, 1), (0, by, 1))]
        return BY_NAME["concatenate"](*parts, axis=x.rank - 1)

    return turned(a, 1) * turned(b, 2) - turned(a, 2) * turned(b, 1)


COMPOSED: dict[str, Callable[..., Node]] = {
    "cross": _cross, "var": _var, "std": _std, "norm": _norm, "stack": _stack,
    **CONVOLUTIONS, **REARRANGED,
}
