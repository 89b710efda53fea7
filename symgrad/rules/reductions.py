"""Reductions and what goes with them, one row each.

Where the largest entry occurs several times, max and min share the cotangent equally among them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from symgrad.graph.node import Node, apply, reduce_sum
from symgrad.rules import entries
from symgrad.rules.moves import CUMSUM, backwards
from symgrad.rules.ranges import Range
from symgrad.rules.row import KEEPDIMS, MATRIX, ArrayFunction, Example, axes, put_back, reduced
from symgrad.rules.row import axis as one_axis

Array = Any  # an object array of mpmath numbers
ROWWISE: Example = ((("n", "d"),), {"axis": 1})


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
        image=lambda x: x, entry=entries.of_reduction,
    ),
    ArrayFunction(
        "min", ("x",), reduced, _share, (axes(), KEEPDIMS), value=_reduce(np.min),
        numpy="np.min(x, axis=axis, keepdims=keepdims)", analytic=False, kink=_TIES.format("small"), latex=r"\min",
        symbol="m", source="Danskin (1967)", statement="the cotangent goes to the smallest entry", example=ROWWISE,
        image=lambda x: x, entry=entries.of_reduction,
    ),
    ArrayFunction(
        "cumprod", ("x",), lambda x, axis: x,
        lambda c, y, x, axis: (backwards(CUMSUM(backwards(c * y, axis), axis=axis), axis) / x,), (one_axis(None),),
        value=lambda m, x, axis: np.cumprod(x, axis), numpy="np.cumprod(x, axis=axis)", domain="no entry is 0",
        kink="where an entry is 0, as the rule divides by the entries", latex=r"\operatorname{cumprod}", symbol="p",
        source="product rule", statement="an entry enters all products from its place on", example=ROWWISE,
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
        log="log_softmax", latex=r"\operatorname{softmax}", symbol="s", source="Bishop (2006), eq. 4.106",
        statement="dy_i/dx_j = y_i*(delta_ij - y_j)", example=MATRIX, entry=entries.of_normalised,
        image=Range(0, 1, at_high=True),
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
