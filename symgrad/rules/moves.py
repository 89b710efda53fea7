"""Functions that move entries about, one row each: subscripts, padding, windows, shapes, running sums.

Each is linear, so its pullback is its transpose, written with the other rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from symgrad.errors import ShapeError
from symgrad.graph.node import Node, einsum
from symgrad.rules import entries
from symgrad.rules.row import ArrayFunction, Option, axis
from symgrad.rules.windows import FOLD, WINDOWS
from symgrad.shapes import Dim, Shape, as_dim, fits_always, show, size_of

Array = Any  # an object array of mpmath numbers, or of integers for linear functions
WHOLE = (None, None, None)
BACKWARDS = (None, None, -1)

# --- subscripts -------------------------------------------------------------------------------------------------------


def taken(start: Any, stop: Any, step: int) -> Dim:
    """Return how many entries start:stop:step takes, (stop - start)/step rounded up."""
    length = stop - start
    if isinstance(length, (int, sp.Integer)):
        return max(0, -(-int(length) // step))
    if step == 1:
        return length
    left, even = sp.expand(length).as_coeff_Add()  # n names the step divides, and a number
    exact = even / step
    if not (exact.is_integer and left.is_Integer):
        raise ShapeError(f"how many entries {start}:{stop}:{step} takes depends on the sizes; give a step that "
                         f"divides {even}")
    made: Dim = as_dim(exact - (-int(left) // step))
    return made


def _index_shape(x: Shape, subscript: tuple[Any, ...]) -> Shape:
    out: list[Dim] = []
    for item, dim in zip(subscript, x):
        if item in (WHOLE, BACKWARDS):
            out.append(dim)
            continue
        if any(fits_always(room) is False for room in _index_rooms((dim,), (item,))):
            what = f"slice {item[0]}:{item[1]}" if isinstance(item, tuple) else f"index {item}"
            raise ShapeError(f"the {what} is out of range for an axis of size {dim}")
        if isinstance(item, tuple):
            out.append(taken(*item))
    return (*out, *x[len(subscript):])


def _index_pullback(c: Node, _y: Node, x: Node, subscript: tuple[Any, ...]) -> tuple[Node | None, ...]:
    items = (*subscript, *[WHOLE] * (x.rank - len(subscript)))
    kept = [k for k, item in enumerate(items) if isinstance(item, tuple)]
    wide = einsum([kept], [c], range(x.rank), {k: 1 for k in range(x.rank) if k not in kept})
    if BACKWARDS in items:
        wide = INDEX(wide, subscript=tuple(item if item == BACKWARDS else WHOLE for item in items))
    widths: list[tuple[Any, Any]] = []
    gaps: list[int] = []
    for item, dim, have in zip(items, x.shape, wide.shape):
        start, _, step = item if isinstance(item, tuple) else (item, item + 1, 1)
        if start is None:
            start, step = 0, 1
        widths.append((start, dim - start - (have - 1) * step - 1))
        gaps.append(step - 1)
    if not any(a != 0 or b != 0 for a, b in widths) and not any(gaps):
        return (wide,)
    return (PAD(wide, widths=tuple(widths), gaps=tuple(gaps) if any(gaps) else ()),)


def _index_rooms(x: Shape, subscript: tuple[Any, ...]) -> list[Dim]:
    """Return how far the first and the last entry lie inside each axis."""
    out: list[Dim] = []
    for item, dim in zip(subscript, x):
        if item not in (WHOLE, BACKWARDS):
            start, stop, step = item if isinstance(item, tuple) else (item, item + 1, 1)
            out += [start, dim - 1 - start, dim - 1 - start - (taken(start, stop, step) - 1) * step]
    return out


def _key(subscript: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(slice(*i) if isinstance(i, tuple) else i for i in subscript)


def _pad_key(widths: tuple[Any, ...], gaps: tuple[int, ...], inner: Shape) -> tuple[Any, ...]:
    steps = gaps or (0,) * len(widths)
    return tuple((a, a + (d - 1) * (g + 1) + 1, g + 1) for (a, _), g, d in zip(widths, steps, inner))


def _pad_shape(x: Shape, widths: tuple[Any, ...], gaps: tuple[int, ...]) -> Shape:
    if len(widths) != len(x) or any(len(w) != 2 for w in widths) or (gaps and len(gaps) != len(x)):
        raise ShapeError(f"one pair of widths an axis is expected, such as {((1, 1),) * len(x)}")
    for pair in widths:
        for w in pair:
            if fits_always(w) is False:
                raise ShapeError(f"a width of padding cannot be negative, got {w}")
    steps = gaps or (0,) * len(x)
    return tuple(a + (d - 1) * (g + 1) + 1 + b for (a, b), g, d in zip(widths, steps, x))


def _pad_names(x: Shape, widths: tuple[Any, ...], gaps: tuple[int, ...]) -> dict[str, Any]:
    steps = tuple(g + 1 for g in gaps)
    return {
        "inner": _pad_key(widths, gaps, x), "apart": tuple(n for d in x for n in (d, 1)),
        "between": tuple(w for g in gaps for w in ((0, 0), (0, g))), "joined": tuple(d * k for d, k in zip(x, steps)),
        "cut": tuple((0, (d - 1) * k + 1, 1) for d, k in zip(x, steps)),
    }


# every entry gets its gap behind it; the last gap is cut off
_PAD_APART = "np.pad(np.reshape(np.pad(np.reshape(x, apart), between), joined)[cut], widths)"


def _pad_value(_m: Any, x: Array, widths: Any, gaps: Any) -> Array:
    out = np.full(_pad_shape(x.shape, widths, gaps), 0 * x.flat[0], dtype=object)
    out[_key(_pad_key(widths, gaps, x.shape))] = x
    return out


INDEX: ArrayFunction = ArrayFunction(
    "index", ("x",), _index_shape, _index_pullback,
    (Option("subscript", "Key", key="[]"),), value=lambda m, x, subscript: x[_key(subscript)],
    numpy="x[subscript]", rooms=_index_rooms, view=True, linear=True, latex="{0}",
    source="linearity: what is left out has the cotangent 0",
    statement="an entry that is left out counts 0",
    example=((("n", "d"),), {"subscript": (WHOLE, (1, as_dim("d"), 1))}), entry=entries.of_index,
)
PAD: ArrayFunction = ArrayFunction(
    "pad", ("x",), _pad_shape,
    lambda c, y, x, widths, gaps: (INDEX(c, subscript=_pad_key(widths, gaps, x.shape)),),
    (Option("widths", "Pairs"), Option("gaps", "Sizes", (), "gaps")), value=_pad_value,
    numpy="out = np.zeros(shape, dtype=dtype)\nout[inner] = x",
    plain=lambda x, widths, gaps: _PAD_APART if gaps else "np.pad(x, widths)", names=_pad_names, linear=True,
    rooms=lambda x, widths, gaps: [w for pair in widths for w in pair],
    latex=r"\operatorname{pad}",
    source="linearity: the zeros around depend on nothing", statement="the entries inside are passed on",
    example=((("n", "d"),), {"widths": ((1, 2), (0, 3))}), entry=entries.of_pad,
)

# --- shapes -----------------------------------------------------------------------------------------------------------


def _reshaped(x: Shape, shape: Shape) -> Shape:
    if sp.expand(size_of(x) - size_of(shape)) != 0:
        raise ShapeError(f"{show(x)} has {size_of(x)} entries, {show(shape)} has {size_of(shape)}")
    return shape


def _joined(*shapes: Shape, axis: int) -> Shape:
    first = shapes[0]
    for s in shapes:
        if len(s) != len(first) or any(a != b for k, (a, b) in enumerate(zip(s, first)) if k != axis):
            raise ShapeError(f"the operands differ in other axes than axis {axis}")
    total: Dim = 0
    for s in shapes:
        total = total + s[axis]
    return (*first[:axis], total, *first[axis + 1:])


def _split(c: Node, _y: Node, *parts: Node, axis: int) -> tuple[Node | None, ...]:
    out: list[Node | None] = []
    start: Dim = 0
    for p in parts:
        stop = start + p.shape[axis]
        out.append(INDEX(c, subscript=(*[WHOLE] * axis, (start, stop, 1))) if len(parts) > 1 else c)
        start = stop
    return tuple(out)


def backwards(x: Node, along: int) -> Node:
    """Return x turned round along an axis."""
    return INDEX(x, subscript=(*[WHOLE] * along, BACKWARDS))


MOVES: tuple[ArrayFunction, ...] = (
    INDEX, PAD, WINDOWS, FOLD,
    ArrayFunction(
        "reshape", ("x",), _reshaped, lambda c, y, x, shape: (RESHAPE(c, shape=x.shape),),
        (Option("shape", "Sizes"),), value=lambda m, x, shape: x.reshape(shape), numpy="np.reshape(x, shape)",
        view=True, linear=True, latex=r"\operatorname{reshape}", source="linearity", image=lambda x: x,
        statement="the same entries in another shape",
        example=((("n", "d"),), {"shape": (as_dim("d") * as_dim("n"),)}),
    ),
    ArrayFunction(
        "concatenate", ("x",), _joined, _split, (axis(0),), value=lambda m, *parts, axis: np.concatenate(parts, axis),
        numpy="np.concatenate(x, axis=axis)", linear=True, listed=True, latex=r"\operatorname{concatenate}",
        source="linearity", statement="each part takes its share of the cotangent",
        example=((("n", "d"), ("n", "k")), {"axis": 1}),
    ),
    ArrayFunction(
        "cumsum", ("x",), lambda x, axis: x,
        lambda c, y, x, axis: (backwards(CUMSUM(backwards(c, axis), axis=axis), axis),), (axis(None),),
        value=lambda m, x, axis: np.cumsum(x, axis), numpy="np.cumsum(x, axis=axis)", linear=True,
        latex=r"\operatorname{cumsum}", source="linearity: the sum runs backwards",
        statement="an entry enters all sums from its place on",
        example=((("n", "d"),), {"axis": 1}), entry=entries.of_cumsum,
    ),
)
RESHAPE: ArrayFunction = MOVES[4]
CONCATENATE: ArrayFunction = MOVES[5]
CUMSUM: ArrayFunction = MOVES[6]
