"""Entries chosen by whole numbers, one row each: lookups with their transposes, and where the largest entry stands.

An operand of whole numbers has no derivative; neither has a function whose values are whole numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symgrad.errors import ShapeError
from symgrad.graph.node import Node, broadcast_to
from symgrad.rules import entries
from symgrad.rules.row import KEEPDIMS, ArrayFunction, Example, Option, axis, reduced
from symgrad.shapes import Dim, Shape, as_dim, show

Array = Any  # an object array of mpmath numbers, or of integers for linear functions


def _integers(idx: Array) -> Any:
    return np.vectorize(int, otypes=[int])(idx) if idx.size else idx.astype(int)


def _zeros(shape: tuple[int, ...], like: Array) -> Array:
    return np.full(shape, 0 * like.flat[0], dtype=object)


# --- along one axis or several beside each other ----------------------------------------------------------------------


def _picked(x: Shape, *idx: Shape, axis: int) -> Shape:
    if any(i != idx[0] for i in idx):
        raise ShapeError(f"the indices have the shapes {', '.join(map(show, idx))}; one shape is expected")
    if not 0 <= axis <= len(x) - len(idx):
        raise ShapeError(f"{len(idx)} indices from axis {axis} on are too many for {show(x)}")
    return (*x[:axis], *idx[0], *x[axis + len(idx):])


def _placed(c: Shape, *idx: Shape, sizes: Shape, axis: int) -> Shape:
    if any(i != idx[0] for i in idx) or c[axis:axis + len(idx[0])] != idx[0]:
        raise ShapeError(f"the indices of shape {', '.join(map(show, idx))} do not fit the axes from {axis} on")
    if len(sizes) != len(idx):
        raise ShapeError(f"{len(idx)} indices need {len(idx)} sizes, got {show(sizes)}")
    return (*c[:axis], *sizes, *c[axis + len(idx[0]):])


def _order(rank: int, count: int, axis: int) -> tuple[int, ...]:
    """Return the axes with `count` of them from `axis` on in front."""
    first = range(axis, axis + count)
    return (*first, *(k for k in range(rank) if k not in first))


def _back(rank: int, count: int, axis: int) -> tuple[int, ...]:
    """Return the axes such that the first `count` go to `axis`."""
    order = _order(rank, count, axis)
    return tuple(order.index(k) for k in range(rank))


def _place_value(_m: Any, c: Array, *idx: Array, sizes: tuple[int, ...], axis: int) -> Array:
    where = [_integers(i) for i in idx]
    rank = idx[0].ndim
    moved = np.transpose(c, _order(c.ndim, rank, axis))
    out = _zeros((*sizes, *moved.shape[rank:]), c)
    for k in np.ndindex(idx[0].shape):
        at = tuple(w[k] for w in where)
        out[at] = out[at] + moved[k]
    return np.transpose(out, _back(out.ndim, len(sizes), axis))


def _place_names(c: Shape, *idx: Shape, sizes: Shape, axis: int) -> dict[str, Any]:
    rank, many = len(idx[0]), len(idx)
    made: dict[str, Any] = {"order": _order(len(c), rank, axis), "rank": rank,
                            "places": _order(len(c) - rank + many, many, axis),
                            "back": _back(len(c) - rank + many, many, axis)}
    for k, n in enumerate(sizes):
        made.update({f"n_{k}": n, f"lead_{k}": (*[1] * k, n, *[1] * (many - 1 - k + rank))})
    return made


def _place_numpy(names: Sequence[str]) -> str:
    x, *idx = names
    return (f"out = np.zeros(shape, dtype=dtype)\nnp.add.at(np.transpose(out, places), "
            f"({''.join(f'{i}.astype(np.intp), ' for i in idx)}), np.transpose({x}, order))")


def _place_plain(names: Sequence[str]) -> str:
    """A product with the array of 0 and 1 that says which entry goes where, as nothing may be written into."""
    x, *idx = names
    hot = " * ".join(f"(np.reshape(np.arange(n_{k}), lead_{k}) == {i} % n_{k})" for k, i in enumerate(idx))
    return f"np.transpose(np.tensordot({hot} * 1.0, np.transpose({x}, order), rank), back)"


TAKE: ArrayFunction = ArrayFunction(
    "take", ("x", "idx"), lambda x, idx, axis: _picked(x, idx, axis=axis),
    lambda c, y, x, idx, axis: (SCATTER_ADD(c, idx, n=x.shape[axis], axis=axis), None), (axis(),),
    value=lambda m, x, idx, axis: np.take(x, _integers(idx), axis),
    numpy="np.take(x, idx.astype(np.intp), axis=axis)", linear=True, indices=lambda x, idx, axis: {1: x[axis]},
    latex=r"\operatorname{take}", source="linearity: cotangents of equal indices add",
    statement="rows that are taken several times add their cotangents",
    example=((("v", "d"), ("n",)), {"axis": 0}), entry=entries.of_take,
)
SCATTER_ADD: ArrayFunction = ArrayFunction(
    "scatter_add", ("x", "idx"), lambda x, idx, n, axis: _placed(x, idx, sizes=(n,), axis=axis),
    lambda c, y, x, idx, n, axis: (TAKE(c, idx, axis=axis), None),
    (Option("n", "Size"), Option("axis", "Place", 0, "axis")),
    value=lambda m, x, idx, n, axis: _place_value(m, x, idx, sizes=(n,), axis=axis),
    numpy=_place_numpy(["x", "idx"]), plain=_place_plain(["x", "idx"]),
    names=lambda x, idx, n, axis: _place_names(x, idx, sizes=(n,), axis=axis), linear=True,
    indices=lambda x, idx, n, axis: {1: n}, latex=r"\operatorname{scatter\_add}",
    source="linearity: the transpose of take", statement="each entry goes to one place",
    example=((("n", "d"), ("n",)), {"n": 2 * as_dim("n"), "axis": 0}), entry=entries.of_scatter_add,
)


def _count(idx: Sequence[Shape]) -> range:
    return range(1, len(idx) + 1)


def _numbered(idx: Sequence[Shape]) -> list[str]:
    return ["x0", *(f"x{k}" for k in _count(idx))]


PICK: ArrayFunction = ArrayFunction(
    "pick", ("x",), _picked,
    lambda c, y, x, *idx, axis: (PLACE(c, *idx, sizes=x.shape[axis:axis + len(idx)], axis=axis), *[None] * len(idx)),
    (Option("axis", "Place", key="[*]"),),
    value=lambda m, x, *idx, axis: x[(*[slice(None)] * axis, *map(_integers, idx))],
    numpy=lambda x, *idx, axis: f"x0[{', '.join([':'] * axis + [f'x{k}.astype(np.intp)' for k in _count(idx)])}]",
    linear=True, listed=True,
    indices=lambda x, *idx, axis: {k: x[axis + k - 1] for k in _count(idx)}, latex="{0}",
    source="linearity: cotangents of equal indices add",
    statement="entries that are picked several times add their cotangents",
    example=((("n", "d"), (4,), (4,)), {"axis": 0}), entry=entries.of_pick,
)
PLACE: ArrayFunction = ArrayFunction(
    "place_add", ("x",), _placed, lambda c, y, x, *idx, sizes, axis: (PICK(c, *idx, axis=axis), *[None] * len(idx)),
    (Option("sizes", "Sizes"), Option("axis", "Place", 0, "axis")), value=_place_value,
    numpy=lambda x, *idx, sizes, axis: _place_numpy(_numbered(idx)),
    plain=lambda x, *idx, sizes, axis: _place_plain(_numbered(idx)), names=_place_names, linear=True,
    listed=True, indices=lambda x, *idx, sizes, axis: {k: sizes[k - 1] for k in _count(idx)},
    latex=r"\operatorname{place\_add}", source="linearity: the transpose of picking entries",
    statement="each entry goes to one place",
    example=(((4, "d"), (4,), (4,)), {"sizes": (5, 6), "axis": 0}),
)

# --- one index an entry, along an axis --------------------------------------------------------------------------------


def _beside(x: Shape, idx: Shape, axis: int) -> None:
    if len(x) != len(idx) or any(a != b for k, (a, b) in enumerate(zip(x, idx)) if k != axis):
        raise ShapeError(f"the array {show(x)} and the indices {show(idx)} differ in other axes than axis {axis}")


def _along(x: Shape, idx: Shape, axis: int) -> Shape:
    _beside(x, idx, axis)
    return (*x[:axis], idx[axis], *x[axis + 1:])


def _scattered(x: Shape, idx: Shape, n: Dim, axis: int) -> Shape:
    if x != idx:
        raise ShapeError(f"the array {show(x)} and the indices {show(idx)} have one shape")
    return (*x[:axis], n, *x[axis + 1:])


def _scatter_along_value(_m: Any, x: Array, idx: Array, n: int, axis: int) -> Array:
    out = _zeros((*x.shape[:axis], n, *x.shape[axis + 1:]), x)
    for k in np.ndindex(x.shape):
        at = (*k[:axis], int(idx[k]), *k[axis + 1:])
        out[at] = out[at] + x[k]
    return out


def _scatter_along_source(x: Shape, _idx: Shape, axis: int, **_: Any) -> str:
    if x[axis] == 1:  # no entry meets another one
        return "out = np.zeros(shape, dtype=dtype)\nnp.put_along_axis(out, idx.astype(np.intp), x, axis)"
    grid = [f"np.reshape(np.arange(m_{k}), lead_{k})" if k != axis else "idx.astype(np.intp)" for k in range(len(x))]
    return f"out = np.zeros(shape, dtype=dtype)\nnp.add.at(out, ({''.join(f'{g}, ' for g in grid)}), x)"


def _scatter_along_names(x: Shape, _idx: Shape, n: Dim, axis: int) -> dict[str, Any]:
    made: dict[str, Any] = {"behind": axis + 1, "n_0": n, "hot": (*[1] * axis, n, *[1] * (len(x) - axis))}
    for k, m in enumerate(x):
        made.update({f"m_{k}": m, f"lead_{k}": tuple(m if j == k else 1 for j in range(len(x)))})
    return made


def _repeated(idx: Node, lead: Shape) -> Node:
    """Return the indices once for each of many arrays."""
    return broadcast_to(idx, (*lead, *idx.shape))


TAKE_ALONG: ArrayFunction = ArrayFunction(
    "take_along_axis", ("x", "idx"), _along,
    lambda c, y, x, idx, axis: (SCATTER_ALONG(c, idx, n=x.shape[axis], axis=axis), None), (axis(),),
    value=lambda m, x, idx, axis: np.take_along_axis(x, _integers(idx), axis),
    numpy="np.take_along_axis(x, idx.astype(np.intp), axis=axis)", linear=True,
    indices=lambda x, idx, axis: {1: x[axis]}, latex=r"\operatorname{take\_along}",
    source="linearity: cotangents of equal indices add", statement="each entry goes back to where it was taken",
    batch=lambda lead, many, x, idx, axis: TAKE_ALONG(many[0], _repeated(idx, lead), axis=axis + len(lead)),
    example=((("n", "d"), ("n", 4)), {"axis": 1}), entry=entries.of_take_along,
)
SCATTER_ALONG: ArrayFunction = ArrayFunction(
    "scatter_along_axis", ("x", "idx"), _scattered,
    lambda c, y, x, idx, n, axis: (TAKE_ALONG(c, idx, axis=axis), None), (Option("n", "Size"), axis()),
    value=_scatter_along_value, numpy=_scatter_along_source,
    plain="np.sum(np.expand_dims(x, axis) * (np.expand_dims(idx, axis) % n_0 == np.reshape(np.arange(n_0), hot)), "
          "axis=behind)",
    names=_scatter_along_names, linear=True, indices=lambda x, idx, n, axis: {1: n},
    batch=lambda lead, many, x, idx, n, axis: SCATTER_ALONG(
        many[0], _repeated(idx, lead), n=n, axis=axis + len(lead)),
    latex=r"\operatorname{scatter\_along}", source="linearity: the transpose of take_along_axis",
    statement="each entry goes to one place", example=((("n", 4), ("n", 4)), {"n": 6, "axis": 1}),
)

# --- whole numbers ----------------------------------------------------------------------------------------------------


def _one_hot_value(m: Any, idx: Array, k: int) -> Array:
    where = _integers(idx)
    if where.size and where.min() < 0:
        raise IndexError(f"index {where.min()} is below 0")
    return np.eye(k, dtype=int).astype(object)[where] * m.mpf(1)


ONE_HOT = ArrayFunction(
    "one_hot", ("idx",), lambda idx, k: (*idx, k), lambda c, y, idx, k: (None,), (Option("k", "Size"),),
    value=_one_hot_value,
    numpy="out = np.zeros(shape, dtype=dtype)\n"  # what is below 0 is out of range and does not count from the end
          "np.put_along_axis(out, np.where(idx < 0, k, idx).astype(np.intp)[..., None], 1, -1)",
    plain="(idx[..., None] == np.arange(k)) * 1.0", indices=lambda idx, k: {0: k}, wraps=False,
    whole=True,
    latex=r"\operatorname{onehot}", source="a constant of whole numbers", total=lambda idx, k: len(idx),
    example=((("n",),), {"k": 4}),
    entry=entries.of_one_hot,
)


ROWS: Example = ((("n", "d"),), {"axis": 1})


def _placing(name: str, function: Callable[..., Any], what: str) -> ArrayFunction:
    return ArrayFunction(
        name, ("x",), reduced, lambda c, y, x, axis, keepdims: (None,), (axis(None), KEEPDIMS),
        value=lambda m, x, axis, keepdims: function(x, axis=axis, keepdims=keepdims),
        numpy=f"np.{name}(x, axis=axis, keepdims=keepdims)", whole=True, analytic=False,
        kink=f"where two entries are equally {what}; the first of them is named",
        latex=rf"\operatorname{{{name[:3]}\,{name[3:]}}}", symbol="i", source="its values are whole numbers",
        statement="steps from one whole number to the next have no derivative", example=ROWS,
    )


ARGSORT = ArrayFunction(
    "argsort", ("x",), lambda x, axis: x, lambda c, y, x, axis: (None,), (axis(None),),
    value=lambda m, x, axis: np.argsort(x, axis, kind="stable"),
    numpy="np.argsort(x, axis=axis, kind='stable')", whole=True, analytic=False,
    kink="where two entries are equal; they keep their order", latex=r"\operatorname{arg\,sort}", symbol="i",
    source="its values are whole numbers", statement="steps from one whole number to the next have no derivative",
    example=ROWS,
)
ARANGE = ArrayFunction(
    "arange", (), lambda n: (n,), lambda c, y, n: (), (Option("n", "Size"),),
    value=lambda m, n: np.arange(n), numpy="np.arange(n)",
    linear=True, whole=True, latex=r"\operatorname{arange}", source="a constant", example=((), {"n": 4}),
)

INDEXING: tuple[ArrayFunction, ...] = (
    TAKE, SCATTER_ADD, PICK, PLACE, TAKE_ALONG, SCATTER_ALONG, ONE_HOT,
    _placing("argmax", np.argmax, "large"), _placing("argmin", np.argmin, "small"), ARGSORT, ARANGE,
)

