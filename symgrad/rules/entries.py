"""How an entry of an array function reads in entries of its operands; a row without such a fact is printed whole.

Each takes the place of the entry, the operands and the options, and returns a term of index notation.
"""

from __future__ import annotations

from typing import Any

from symgrad.graph.index_form import (
    FIRST,
    Along,
    At,
    Delta,
    Holds,
    Index,
    Letter,
    Order,
    Sum,
    Term,
    at,
    places,
    product,
)
from symgrad.graph.node import Node
from symgrad.shapes import Dim, normalise_axes

Place = tuple[Index, ...]


def of_index(place: Place, x: Node, subscript: tuple[Any, ...]) -> Term | None:
    """An entry of x[subscript] is one of x."""
    left = list(place)
    out: list[Index] = []
    for k, dim in enumerate(x.shape):
        item = subscript[k] if k < len(subscript) else (None, None, None)
        if not isinstance(item, tuple):
            out.append(Index((), item))
            continue
        start, stop, step = item[0], item[1], item[2] or 1
        here = left.pop(0)
        if step == -1 and start is None and stop is None:
            out.append(here.moved(dim - 1, -1))
        elif step > 0:
            out.append(here.moved(start or 0, step))
        else:
            return None
    return At(x, tuple(out))


def of_pad(place: Place, x: Node, widths: tuple[tuple[Dim, Dim], ...], gaps: tuple[int, ...]) -> Term | None:
    """An entry inside is one of x, an entry of the border is 0."""
    if any(gaps):
        return None
    orders: list[Order] = []
    deltas: list[Delta] = []
    inner = []
    for i, (before, after), dim in zip(place, widths, x.shape):
        if dim == 1:
            inner.append(FIRST)
            deltas += [Delta(Index((), before), i)] if before != 0 or after != 0 else []
            continue
        inner.append(i.moved(-before) if before != 0 else i)
        low, high = ((Index((), before),), ("<=",)) if before != 0 else ((), ())
        if after != 0:
            orders.append(Order((*low, i, Index((), before + dim)), (*high, "<")))
        elif before != 0:
            orders.append(Order((*low, i), high))
    return product(*deltas, *([Holds(tuple(orders))] if orders else []), At(x, tuple(inner)))


def of_cumsum(place: Place, x: Node, axis: int) -> Term:
    """An entry is the sum of those up to its place."""
    k = Letter(x.shape[axis])
    return Sum((k,), (At(x, (*place[:axis], at(k), *place[axis + 1:])),), (Order((at(k), place[axis]), ("<=",)),))


def of_take(place: Place, x: Node, idx: Node, axis: int) -> Term:
    """An entry is that of x in the row that idx names."""
    end = axis + idx.rank
    return At(x, (*place[:axis], at(At(idx, place[axis:end])), *place[end:]))


def of_scatter_add(place: Place, x: Node, idx: Node, n: Dim, axis: int) -> Term:  # noqa: ARG001  # an option of the row
    """An entry is the sum of those that idx sends to its place."""
    letters = tuple(Letter(d) for d in idx.shape)
    here = places(letters)
    return Sum(letters, (Delta(at(At(idx, here)), place[axis]), At(x, (*place[:axis], *here, *place[axis + 1:]))))


def of_one_hot(place: Place, idx: Node, k: Dim) -> Term:  # noqa: ARG001  # an option of the row
    """An entry is 1 in the column that idx names."""
    return product(Delta(at(At(idx, place[:-1])), place[-1]))


def of_reduction(place: Place, x: Node, axis: Any, keepdims: bool) -> Term:
    """An entry is the function of those along the axis."""
    gone = normalise_axes(axis, x.rank, "the operand")
    left = list(place)
    inner: list[Index] = []
    letters = []
    for k, dim in enumerate(x.shape):
        if k in gone:
            letters.append(Letter(dim))
            inner.append(at(letters[-1]))
            if keepdims:
                left.pop(0)
        else:
            inner.append(left.pop(0))
    return Along(tuple(letters), At(x, tuple(inner)))


def of_normalised(place: Place, x: Node, axis: Any) -> Term:
    """An entry is the function along the axis, at its place there."""
    axes = normalise_axes(axis, x.rank, "the operand")
    letters = {k: Letter(x.shape[k]) for k in axes}
    inner = tuple(at(letters[k]) if k in letters else i for k, i in enumerate(place))
    return Along(tuple(letters.values()), At(x, inner), tuple(place[k] for k in axes))


def of_pick(place: Place, x: Node, *idx: Node, axis: int) -> Term:
    """An entry is that of x at the places that the indices name."""
    end = axis + idx[0].rank
    return At(x, (*place[:axis], *(at(At(i, place[axis:end])) for i in idx), *place[end:]))


def of_take_along(place: Place, x: Node, idx: Node, axis: int) -> Term:
    """An entry is that of x at the place along the axis that the index there names."""
    return At(x, (*place[:axis], at(At(idx, place)), *place[axis + 1:]))


def of_windows(place: Place, x: Node, sizes: tuple[Dim, ...], axis: tuple[int, ...], stride: Any,
               dilation: Any) -> Term:
    """An entry of a window is the one of x that lies so far behind the start of the window."""
    many = len(sizes)
    strides, dilations = (s if isinstance(s, tuple) else (s,) * many for s in (stride, dilation))
    out = list(place[:x.rank])
    for k, a in enumerate(axis):
        start, behind = place[a].moved(0, strides[k]), place[x.rank + k].moved(0, dilations[k])
        out[a] = Index((*start.terms, *behind.terms), start.plus + behind.plus)
    return At(x, tuple(out))
