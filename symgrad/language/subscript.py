"""Indexing and slicing: what stands between the brackets becomes one node of the row `index`, None a new axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symgrad.errors import ShapeError
from symgrad.graph import node as nodes
from symgrad.graph.node import Node, describe
from symgrad.rules.arrays import BACKWARDS, INDEX, WHOLE
from symgrad.shapes import Dim, as_sympy, show


def subscript(x: Node, items: Sequence[Any], what: str = "") -> Node:
    """Return x[items]: an item is a size (one entry), a triple (start, stop, step), or None for a new axis.

    Formula: y[..., i, ...] = x[..., start + step*i, ...].
    Shapes: as NumPy's basic indexing; negative integers count from the end.
    Raises: ShapeError for too many items and for indices out of range.
    """
    what = what or describe(x)
    given = sum(item is not None for item in items)
    if given > x.rank:
        raise ShapeError(f"{given} indices for {what}, which has shape {show(x.shape)}")
    picked: list[Any] = []
    out: list[Any] = []  # axes of the result, by their numbers in x
    for item in items:
        if item is None:
            out.append(("new", len(out)))
            continue
        axis = len(picked)
        one, keeps = _item(item, x.shape[axis], f"{what} {show(x.shape)}, axis {axis}")
        if one == 0 and x.shape[axis] == 1:
            one = WHOLE  # summed over its one entry
        picked.append(one)
        if keeps:
            out.append(axis)
    out += range(len(picked), x.rank)
    left = [k for k in range(x.rank) if k >= len(picked) or isinstance(picked[k], tuple)]
    while picked and picked[-1] == WHOLE:
        picked.pop()
    if picked:
        x = INDEX(x, subscript=tuple(picked))
    return nodes.einsum([left], [x], out, {label: 1 for label in out if isinstance(label, tuple)})


def _item(item: Any, dim: Dim, where: str) -> tuple[Any, bool]:
    """Return an item with its bounds counted from the start, and whether it keeps the axis."""
    if not isinstance(item, tuple):
        at = dim + item if isinstance(item, int) and item < 0 else item
        if _negative(at) or _negative(dim - 1 - at):
            raise ShapeError(f"the index {item} is out of range for {where}")
        return at, False
    start, stop, step = item
    if step == -1 and start is None and stop is None:
        return BACKWARDS, True
    step = 1 if step is None else step
    if not isinstance(step, int) or step < 1:
        raise ShapeError(f"the step {step} of a slice is no positive integer; [::-1] alone turns an axis round")
    first, last = _bound(start, dim, 0), _bound(stop, dim, dim)
    if first == 0 and last == dim and step == 1:
        return WHOLE, True
    if _negative(last - first - 1):
        raise ShapeError(f"the slice {start}:{stop} of {where} is empty; a size is at least 1")
    return (first, last, step), True


def _bound(value: Any, dim: Dim, default: Dim) -> Dim:
    if value is None:
        return default
    at = dim + value if isinstance(value, int) and value < 0 else value
    if _negative(at):
        return 0
    return dim if _negative(dim - at) else at


def _negative(size: Any) -> bool:
    return bool(as_sympy(size).is_negative)  # a slice may end before its start, so a size may be below 0 here
