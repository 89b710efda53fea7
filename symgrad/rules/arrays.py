"""Functions of whole arrays, one row each: shape, pullback, definition, value, NumPy spelling.

Adding a function is adding a row; no other file changes. A pullback is written in the cotangent c, the output y and the
operands. Where the largest entry occurs several times, max and min share the cotangent equally among them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from symgrad.errors import NoRule, ShapeError, suggest
from symgrad.graph.node import Node, apply, broadcast_to, einsum, reduce_sum
from symgrad.rules import entries
from symgrad.rules.linalg import LINALG
from symgrad.rules.row import KEEPDIMS, MATRIX, ArrayFunction, Example, Option, axes, axis, put_back, reduced
from symgrad.rules.spectral import SPECTRAL
from symgrad.shapes import Dim, Shape, as_dim, show, size_of

Array = Any  # an object array of mpmath numbers, or of integers for linear functions
WHOLE = (None, None, None)
BACKWARDS = (None, None, -1)
ROWWISE: Example = ((("n", "d"),), {"axis": 1})

# --- subscripts -------------------------------------------------------------------------------------------------------


def _count(start: Any, stop: Any, step: int) -> Dim:
    """Return how many entries start:stop:step takes."""
    length = stop - start
    if isinstance(length, int):
        return max(0, -(-length // step))
    if step == 1:
        return length
    exact = sp.expand(length) / step
    if not exact.is_integer:
        raise ShapeError(f"how many entries {start}:{stop}:{step} takes depends on the sizes; give a step that "
                         f"divides {length}")
    return exact


def _index_shape(x: Shape, subscript: tuple[Any, ...]) -> Shape:
    out: list[Dim] = []
    for item, dim in zip(subscript, x):
        if item in (WHOLE, BACKWARDS):
            out.append(dim)
        elif isinstance(item, tuple):
            out.append(_count(*item))
        elif isinstance(item, int) and isinstance(dim, int) and item >= dim:
            raise ShapeError(f"the index {item} is out of range for an axis of size {dim}")
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


def _fits(x: Shape, subscript: tuple[Any, ...]) -> bool:
    """Return whether every slice lies inside its axis whatever the sizes are; NumPy would cut it short."""
    ends = [(dim - item[1]) for item, dim in zip(subscript, x) if isinstance(item, tuple) and item[1] is not None]
    return all(e >= 0 if isinstance(e, int) else bool(e.is_nonnegative) for e in ends)


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
            if isinstance(w, int) and w < 0:
                raise ShapeError(f"a width of padding cannot be negative, got {w}")
    steps = gaps or (0,) * len(x)
    return tuple(a + (d - 1) * (g + 1) + 1 + b for (a, b), g, d in zip(widths, steps, x))


def _pad_value(_m: Any, x: Array, widths: Any, gaps: Any) -> Array:
    out = np.full(_pad_shape(x.shape, widths, gaps), 0 * x.flat[0], dtype=object)
    out[_key(_pad_key(widths, gaps, x.shape))] = x
    return out


INDEX: ArrayFunction = ArrayFunction(
    "index", ("x",), _index_shape, _index_pullback,
    (Option("subscript", "Key", key="[]"),), value=lambda m, x, subscript: x[_key(subscript)],
    numpy=lambda x, subscript: "x[subscript]" if _fits(x, subscript) else "np.reshape(x[subscript], shape)",
    view=True, linear=True, latex="{0}", source="linearity: what is left out has the cotangent 0",
    statement="an entry that is left out counts 0",
    example=((("n", "d"),), {"subscript": (WHOLE, (1, as_dim("d"), 1))}), entry=entries.of_index,
)
PAD: ArrayFunction = ArrayFunction(
    "pad", ("x",), _pad_shape,
    lambda c, y, x, widths, gaps: (INDEX(c, subscript=_pad_key(widths, gaps, x.shape)),),
    (Option("widths", "Pairs"), Option("gaps", "Sizes", (), "gaps")), value=_pad_value,
    numpy="out = np.zeros(shape, dtype=dtype)\nout[inner] = x", plain="np.pad(x, widths)",
    names=lambda x, widths, gaps: {"inner": _pad_key(widths, gaps, x)}, linear=True, latex=r"\operatorname{pad}",
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


def _backwards(x: Node, along: int) -> Node:
    return INDEX(x, subscript=(*[WHOLE] * along, BACKWARDS))


MOVES: tuple[ArrayFunction, ...] = (
    INDEX, PAD,
    ArrayFunction(
        "reshape", ("x",), _reshaped, lambda c, y, x, shape: (RESHAPE(c, shape=x.shape),),
        (Option("shape", "Sizes"),), value=lambda m, x, shape: x.reshape(shape), numpy="np.reshape(x, shape)",
        view=True, linear=True, latex=r"\operatorname{reshape}", source="linearity",
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
        lambda c, y, x, axis: (_backwards(CUMSUM(_backwards(c, axis), axis=axis), axis),), (axis(None),),
        value=lambda m, x, axis: np.cumsum(x, axis), numpy="np.cumsum(x, axis=axis)", linear=True,
        latex=r"\operatorname{cumsum}", source="linearity: the sum runs backwards",
        statement="an entry enters all sums from its place on",
        example=((("n", "d"),), {"axis": 1}), entry=entries.of_cumsum,
    ),
)
RESHAPE: ArrayFunction = MOVES[2]
CUMSUM: ArrayFunction = MOVES[4]

# --- by index ---------------------------------------------------------------------------------------------------------


def _integers(idx: Array) -> Any:
    return np.vectorize(int, otypes=[int])(idx) if idx.size else idx.astype(int)


def _scatter_shape(c: Shape, idx: Shape, n: Dim, axis: int) -> Shape:
    if c[axis:axis + len(idx)] != idx:
        raise ShapeError(f"the indices of shape {show(idx)} do not fit the axes from {axis} on")
    return (*c[:axis], n, *c[axis + len(idx):])


def _scatter_value(_m: Any, c: Array, idx: Array, n: int, axis: int) -> Array:
    where = _integers(idx)
    moved = np.transpose(c, _scatter_order(c.ndim, idx.ndim, axis))
    out = np.full((n, *moved.shape[idx.ndim:]), 0 * c.flat[0], dtype=object)
    for k in np.ndindex(idx.shape):
        out[where[k]] = out[where[k]] + moved[k]
    return np.moveaxis(out, 0, axis)


def _scatter_order(rank: int, indices: int, axis: int) -> tuple[int, ...]:
    picked = range(axis, axis + indices)
    return (*picked, *(k for k in range(rank) if k not in picked))


TAKE: ArrayFunction = ArrayFunction(
    "take", ("x", "idx"), lambda x, idx, axis: (*x[:axis], *idx, *x[axis + 1:]),
    lambda c, y, x, idx, axis: (SCATTER_ADD(c, idx, n=x.shape[axis], axis=axis), None), (axis(),),
    value=lambda m, x, idx, axis: np.take(x, _integers(idx), axis),
    numpy="np.take(x, idx.astype(np.intp), axis=axis)", linear=True, indices=lambda x, idx, axis: {1: x[axis]},
    latex=r"\operatorname{take}", source="linearity: cotangents of equal indices add",
    statement="rows that are taken several times add their cotangents",
    example=((("v", "d"), ("n",)), {"axis": 0}), entry=entries.of_take,
)
SCATTER_ADD: ArrayFunction = ArrayFunction(
    "scatter_add", ("x", "idx"), _scatter_shape, lambda c, y, x, idx, n, axis: (TAKE(c, idx, axis=axis), None),
    (Option("n", "Size"), Option("axis", "Place", 0, "axis")), value=_scatter_value,
    numpy="out = np.zeros(shape, dtype=dtype)\n"
          "np.add.at(np.moveaxis(out, axis, 0), idx.astype(np.intp), np.transpose(x, order))",
    names=lambda x, idx, n, axis: {"order": _scatter_order(len(x), len(idx), axis)}, linear=True,
    indices=lambda x, idx, n, axis: {1: n}, latex=r"\operatorname{scatter\_add}",
    source="linearity: the transpose of take", statement="each entry goes to one place",
    example=((("n", "d"), ("n",)), {"n": 2 * as_dim("n"), "axis": 0}), entry=entries.of_scatter_add,
)
ONE_HOT = ArrayFunction(
    "one_hot", ("idx",), lambda idx, k: (*idx, k), lambda c, y, idx, k: (None,), (Option("k", "Size"),),
    value=lambda m, idx, k: np.eye(k, dtype=int).astype(object)[_integers(idx)] * m.mpf(1),
    numpy="(idx[..., None] == np.arange(k)).astype(dtype)", indices=lambda idx, k: {0: k},
    latex=r"\operatorname{onehot}", source="a constant of integers",
    example=((("n",),), {"k": 4}), entry=entries.of_one_hot,
)

# --- reductions -------------------------------------------------------------------------------------------------------


def _keep(c: Node, x: Node, axis: Any, keepdims: bool) -> Node:
    return broadcast_to(put_back(c, x, axis, keepdims), x.shape)


def _share(c: Node, y: Node, x: Node, axis: Any, keepdims: bool) -> tuple[Node | None, ...]:
    largest = apply("eq", x, put_back(y, x, axis, keepdims))
    return (put_back(c, x, axis, keepdims) * largest / reduce_sum(largest, axis, True),)


def _reduce(function: Any) -> Any:
    def value(_m: Any, x: Array, axis: Any, keepdims: bool) -> Array:
        return np.asarray(function(x, axis=axis, keepdims=keepdims), dtype=object)

    return value


def _max(x: Node, axis: Any) -> Node:
    return MAX(x, axis=axis, keepdims=True)


def _exp_sum(x: Node, axis: Any, keepdims: bool = False) -> Node:
    return reduce_sum(apply("exp", x), axis, keepdims)


def _logsumexp_machine(x: Node, axis: Any, keepdims: bool) -> Node:
    m = _max(x, axis)
    inner = apply("log", _exp_sum(x - m, axis, keepdims))
    return inner + (m if keepdims else reduce_sum(m, axis))


def _softmax_machine(x: Node, axis: Any) -> Node:
    shifted = x - _max(x, axis)
    return apply("exp", shifted) / _exp_sum(shifted, axis, True)


def _log_softmax_machine(x: Node, axis: Any) -> Node:
    shifted = x - _max(x, axis)
    return shifted - apply("log", _exp_sum(shifted, axis, True))


_TIES = "where two entries are equally {}; there the cotangent is shared equally"
REDUCTIONS: tuple[ArrayFunction, ...] = (
    ArrayFunction(
        "max", ("x",), reduced, _share, (axes(), KEEPDIMS), value=_reduce(np.max),
        numpy="np.max(x, axis=axis, keepdims=keepdims)", analytic=False, kink=_TIES.format("large"), latex=r"\max",
        symbol="m", source="Danskin (1967)", statement="the cotangent goes to the largest entry", example=ROWWISE,
        entry=entries.of_reduction,
    ),
    ArrayFunction(
        "min", ("x",), reduced, _share, (axes(), KEEPDIMS), value=_reduce(np.min),
        numpy="np.min(x, axis=axis, keepdims=keepdims)", analytic=False, kink=_TIES.format("small"), latex=r"\min",
        symbol="m", source="Danskin (1967)", statement="the cotangent goes to the smallest entry", example=ROWWISE,
        entry=entries.of_reduction,
    ),
    ArrayFunction(
        "prod", ("x",), reduced,
        lambda c, y, x, axis, keepdims: (put_back(c, x, axis, keepdims) * put_back(y, x, axis, keepdims) / x,),
        (axes(), KEEPDIMS), value=_reduce(np.prod), numpy="np.prod(x, axis=axis, keepdims=keepdims)",
        domain="no entry is 0", kink="where an entry is 0, as the rule divides by the entries", latex=r"\prod",
        symbol="p", source="product rule", statement="the product of the other entries is y/x",
        example=ROWWISE,
        entry=entries.of_reduction,
    ),
    ArrayFunction(
        "logsumexp", ("x",), reduced,
        lambda c, y, x, axis, keepdims: (put_back(c, x, axis, keepdims) * SOFTMAX(x, axis=axis),), (axes(), KEEPDIMS),
        definition=lambda x, axis, keepdims: apply("log", _exp_sum(x, axis, keepdims)), machine=_logsumexp_machine,
        latex=r"\operatorname{logsumexp}", symbol="l", source="Bishop (2006), section 4.3.4",
        statement="the gradient of logsumexp is softmax", example=ROWWISE,
        entry=entries.of_reduction,
    ),
    ArrayFunction(
        "softmax", ("x",), lambda x, axis: x,
        lambda c, y, x, axis: (y * (c - reduce_sum(c * y, axis, True)),), (axes(-1),),
        definition=lambda x, axis: apply("exp", x) / _exp_sum(x, axis, True), machine=_softmax_machine,
        latex=r"\operatorname{softmax}", symbol="s", source="Bishop (2006), eq. 4.106",
        statement="dy_i/dx_j = y_i*(delta_ij - y_j)", example=MATRIX, entry=entries.of_normalised,
    ),
    ArrayFunction(
        "log_softmax", ("x",), lambda x, axis: x,
        lambda c, y, x, axis: (c - SOFTMAX(x, axis=axis) * reduce_sum(c, axis, True),), (axes(-1),),
        definition=lambda x, axis: x - apply("log", _exp_sum(x, axis, True)), machine=_log_softmax_machine,
        latex=r"\operatorname{log\,softmax}", symbol="l", source="Bishop (2006), eq. 4.106",
        statement="dy_i/dx_j = delta_ij - softmax(x)_j", example=MATRIX, entry=entries.of_normalised,
    ),
)
MAX: ArrayFunction = REDUCTIONS[0]
SOFTMAX: ArrayFunction = REDUCTIONS[4]

ARRAY_FUNCTIONS: tuple[ArrayFunction, ...] = (*MOVES, TAKE, SCATTER_ADD, ONE_HOT, *REDUCTIONS, *LINALG, *SPECTRAL)
BY_NAME: dict[str, ArrayFunction] = {name: f for f in ARRAY_FUNCTIONS for name in (f.name, *f.aliases)}


def array_row(node: Node) -> ArrayFunction:
    """Return the row of an `array` node."""
    name = node.attr[0]
    if name not in BY_NAME:
        raise NoRule(f"no row for the array function {name!r}; add one to symgrad/rules/arrays.py."
                     f"{suggest(name, BY_NAME)}")
    return BY_NAME[name]
