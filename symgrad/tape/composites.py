"""Functions that are spelled with others, so that their derivatives come for free: one line of the table each.

A line is called with what the user passed to NumPy, with at least one traced value in it, and calls NumPy again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symgrad.errors import NoRule
from symgrad.tape.arrays import choose, logsumexp, vector_norm
from symgrad.tape.einsum import einsum, labels
from symgrad.tape.linalg import eigh, logabsdet, svd
from symgrad.tape.moves import (
    array_split,
    at_least,
    axes_of,
    broadcast_arrays,
    diag,
    diff,
    expand_dims,
    flip,
    join,
    median,
    moveaxis,
    pad,
    ravel,
    rearrangement,
    rot90,
    sort,
    split,
    squeeze,
    stack,
    swapaxes,
    triangle,
    window,
)
from symgrad.tape.rows import Array, Axis, plain

# Products


def dot(a: Array, b: Array) -> Array:
    """np.dot in its four cases."""
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return np.multiply(a, b)
    return np.matmul(a, b) if np.ndim(b) <= 2 else np.tensordot(a, b, (-1, -2))


def tensordot(a: Array, b: Array, axes: Any = 2) -> Array:
    """Bring the summed axes together and multiply two matrices."""
    if isinstance(axes, (int, np.integer)):
        axes = (range(np.ndim(a) - int(axes), np.ndim(a)), range(int(axes)))
    a_axes, b_axes = (axes_of(given, np.ndim(x)) for given, x in zip(axes, (a, b), strict=True))
    a_free = [i for i in range(np.ndim(a)) if i not in a_axes]
    b_free = [i for i in range(np.ndim(b)) if i not in b_axes]
    a_sizes, b_sizes = [np.shape(a)[i] for i in a_axes], [np.shape(b)[i] for i in b_axes]
    if a_sizes != b_sizes:
        raise ValueError(f"tensordot sums axes of sizes {a_sizes} and {b_sizes}; they must be equal.")
    rows, columns = [np.shape(a)[i] for i in a_free], [np.shape(b)[i] for i in b_free]
    left = np.reshape(np.transpose(a, [*a_free, *a_axes]), (math.prod(rows), math.prod(a_sizes)))
    right = np.reshape(np.transpose(b, [*b_axes, *b_free]), (math.prod(a_sizes), math.prod(columns)))
    return np.reshape(left @ right, (*rows, *columns))


def inner(a: Array, b: Array) -> Array:
    """Sum over the last axis of both."""
    return np.multiply(a, b) if np.ndim(a) == 0 or np.ndim(b) == 0 else np.tensordot(a, b, (-1, -1))


def kron(a: Array, b: Array) -> Array:
    """The outer product with each pair of axes merged."""
    n = max(np.ndim(a), np.ndim(b))
    a, b = (np.reshape(x, (1,) * (n - np.ndim(x)) + np.shape(x)) for x in (a, b))
    left = np.reshape(a, [size for p in np.shape(a) for size in (p, 1)])
    right = np.reshape(b, [size for q in np.shape(b) for size in (1, q)])
    return np.reshape(left * right, [p * q for p, q in zip(np.shape(a), np.shape(b), strict=True)])


def cross(a: Array, b: Array, *, axis: int = -1) -> Array:
    """The vector product of three components."""
    a, b = np.moveaxis(a, axis, -1), np.moveaxis(b, axis, -1)
    if np.shape(a)[-1] != 3 or np.shape(b)[-1] != 3:
        raise NoRule("np.cross has a rule for vectors of three components only. Write a[0]*b[1] - a[1]*b[0] for two.")
    after, before = [1, 2, 0], [2, 0, 1]
    return np.moveaxis(a[..., after] * b[..., before] - a[..., before] * b[..., after], -1, axis)


def einsum_of(subscripts: Any, *operands: Array, optimize: Any = False) -> Array:
    """Write the labels out, and pass the operands as one sequence."""
    inputs, output = labels(subscripts, [np.ndim(x) for x in operands])
    return einsum(operands, inputs, output, optimize=optimize)


def polyval(p: Array, x: Array) -> Array:
    """Horner's scheme, the highest coefficient first."""
    y = np.zeros_like(x)
    for coefficient in p:
        y = y * x + coefficient
    return y


def cumprod(a: Array, axis: int | None = None) -> Array:
    """The running products one after the other: right with zeros as well."""
    flat, along_axis = (np.ravel(a), 0) if axis is None else (a, axis)
    running = [window(flat, along_axis, 0, 1)]
    for i in range(1, np.shape(flat)[along_axis]):
        running.append(running[-1] * window(flat, along_axis, i, i + 1))
    return np.concatenate(running, axis=along_axis)


# Averages, conditions, norms


def average(a: Array, axis: Axis = None, weights: Array = None, *, keepdims: bool = False) -> Array:
    """A weighted mean; weights of one axis lie along `axis`."""
    if weights is None:
        return np.mean(a, axis=axis, keepdims=keepdims)
    if np.shape(weights) != np.shape(a):
        if not isinstance(axis, int):
            raise NoRule("np.average with weights of another shape than a needs one axis on the tape, as in axis=0.")
        weights = np.reshape(weights, [-1 if i == axis % np.ndim(a) else 1 for i in range(np.ndim(a))])
        weights = np.broadcast_to(weights, np.shape(a))
    return np.sum(a * weights, axis=axis, keepdims=keepdims) / np.sum(weights, axis=axis, keepdims=keepdims)


def clip(a: Array, a_min: Array = None, a_max: Array = None, *, min: Array = None, max: Array = None) -> Array:
    """maximum and minimum, each where its bound is given."""
    low, high = a_min if min is None else min, a_max if max is None else max
    raised = a if low is None else np.maximum(a, low)
    return np.positive(raised) if high is None else np.minimum(raised, high)


def where(condition: Array, *branches: Array) -> Array:
    """The condition has no derivative; only the branches are traced."""
    return choose(plain(condition), *branches) if branches else np.nonzero(plain(condition))


def select(condlist: Sequence[Array], choicelist: Sequence[Array], default: Array = 0) -> Array:
    """The first condition that holds decides: nested `where`, the last one innermost."""
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        default = np.where(condition, choice, default)
    return default


def nan_to_num(x: Array, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Array:
    """Replaced entries are constants."""
    value = plain(x)
    return np.where(np.isfinite(value), x, np.nan_to_num(value, nan=nan, posinf=posinf, neginf=neginf))


def norm(x: Array, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Array:
    """np.linalg.norm in its cases."""
    two_axes = np.ndim(x) == 2 if axis is None and ord is not None else isinstance(axis, tuple) and len(axis) == 2
    over = axes_of(axis, np.ndim(x)) if two_axes else axis
    if ord is None or (two_axes and ord == "fro"):
        return vector_norm(x, over, keepdims=keepdims)
    if two_axes and ord in (1, -1, np.inf, -np.inf):
        rows, columns = over if abs(ord) == 1 else over[::-1]  # type: ignore[index,misc]  # a pair, as axes_of says
        sums = np.sum(np.abs(x), axis=rows, keepdims=True)
        extreme = np.max if ord > 0 else np.min
        y = extreme(sums, axis=columns, keepdims=True)
        return y if keepdims else np.squeeze(y, axis=over)
    if two_axes or not isinstance(ord, (int, float)) or (axis is None and np.ndim(x) != 1):
        raise NoRule(
            f"np.linalg.norm with ord={ord!r} of an array of {np.ndim(x)} axes has no rule on the tape. "
            "Use ord=None or 'fro' for the square root of the sum of squares, 1 or inf for the sums of a matrix."
        )
    if ord in (np.inf, -np.inf):
        return (np.max if ord > 0 else np.min)(np.abs(x), axis=axis, keepdims=keepdims)
    if ord == 0:
        return np.linalg.norm(plain(x), 0, axis, keepdims)  # a count, constant wherever it has a derivative
    return vector_norm(x, axis, p=None if ord == 2 else float(ord), keepdims=keepdims)


def vector_norm_of(x: Array, *, axis: int | None = None, ord: float = 2, keepdims: bool = False) -> Array:
    """np.linalg.vector_norm: over everything unless an axis is given."""
    if axis is not None:
        return norm(x, ord, axis, keepdims)
    y = norm(np.ravel(x), ord)
    return np.reshape(y, (1,) * np.ndim(x)) if keepdims else y


def matrix_power(a: Array, n: int) -> Array:
    """Repeated squaring."""
    if n == 0:
        return np.broadcast_to(np.eye(np.shape(a)[-1], dtype=a.dtype), np.shape(a))
    factor = np.linalg.inv(a) if n < 0 else a
    y = None
    for bit in reversed(f"{abs(n):b}"):
        if bit == "1":
            y = factor if y is None else y @ factor
        factor = factor @ factor
    return y


def outer(ufunc: np.ufunc, a: Array, b: Array) -> Array:
    """ufunc.outer: the axes of b behind those of a."""
    return ufunc(np.reshape(a, np.shape(a) + (1,) * np.ndim(b)), b)


# fmt: off
COMPOSITES: dict[Callable[..., Any], Callable[..., Any]] = {
    # shapes
    np.squeeze:          squeeze,
    np.expand_dims:      expand_dims,
    np.moveaxis:         moveaxis,
    np.swapaxes:         swapaxes,
    np.matrix_transpose: lambda x: np.swapaxes(x, -1, -2),
    np.ravel:            ravel,
    np.broadcast_arrays: broadcast_arrays,
    np.atleast_1d:       at_least(1),
    np.atleast_2d:       at_least(2),
    np.atleast_3d:       at_least(3),
    np.copy:             lambda a: a[...],
    # entries moved about
    np.flip:             flip,
    np.fliplr:           lambda m: np.flip(m, 1),
    np.flipud:           lambda m: np.flip(m, 0),
    np.rot90:            rot90,
    np.tile:             rearrangement(np.tile),
    np.repeat:           rearrangement(np.repeat),
    np.roll:             rearrangement(np.roll),
    np.take:             rearrangement(np.take),
    np.take_along_axis:  rearrangement(np.take_along_axis),
    np.lib.stride_tricks.sliding_window_view: rearrangement(np.lib.stride_tricks.sliding_window_view),
    np.compress:         lambda condition, a, axis=None: rearrangement(lambda p: np.compress(condition, p, axis))(a),
    np.delete:           rearrangement(np.delete),
    np.resize:           rearrangement(np.resize),
    np.diagonal:         rearrangement(np.diagonal),
    np.diag:             diag,
    np.diagflat:         lambda v, k=0: np.diag(np.ravel(v), k),
    np.trace:            lambda a, offset=0, axis1=0, axis2=1: np.sum(np.diagonal(a, offset, axis1, axis2), axis=-1),
    np.pad:              pad,
    np.split:            split,
    np.array_split:      array_split,
    np.vsplit:           lambda ary, cuts: np.split(ary, cuts, 0),
    np.hsplit:           lambda ary, cuts: np.split(ary, cuts, 0 if np.ndim(ary) == 1 else 1),
    np.dsplit:           lambda ary, cuts: np.split(ary, cuts, 2),
    np.stack:            stack,
    np.vstack:           join(0, np.atleast_2d),
    np.hstack:           join(1, np.atleast_1d),
    np.dstack:           join(2, np.atleast_3d),
    np.column_stack:     lambda tup: np.concatenate([x if np.ndim(x) > 1 else np.reshape(x, (-1, 1)) for x in tup], 1),
    np.append:           lambda arr, values, axis=None: np.concatenate([arr, values], axis),
    np.triu:             triangle(np.triu),
    np.tril:             triangle(np.tril),
    np.sort:             sort,
    np.median:           median,
    # reductions
    np.amax:             lambda a, axis=None, *, keepdims=False: np.max(a, axis, keepdims=keepdims),
    np.amin:             lambda a, axis=None, *, keepdims=False: np.min(a, axis, keepdims=keepdims),
    np.ptp:              lambda a, axis=None, *, keepdims=False: np.max(a, axis, keepdims=keepdims)
                         - np.min(a, axis, keepdims=keepdims),
    np.average:          average,
    np.nansum:           lambda a, axis=None, *, keepdims=False: np.sum(np.where(np.isnan(a), 0, a), axis,
                                                                        keepdims=keepdims),
    np.nanmean:          lambda a, axis=None, *, keepdims=False: np.nansum(a, axis, keepdims=keepdims)
                         / np.sum(~np.isnan(a), axis, keepdims=keepdims),
    np.diff:             diff,
    np.cumprod:          cumprod,
    # conditions
    np.clip:             clip,
    np.where:            where,
    np.select:           select,
    np.nan_to_num:       nan_to_num,
    np.divmod:           lambda a, b: (np.floor_divide(a, b), np.remainder(a, b)),
    # products
    np.dot:              dot,
    np.vdot:             lambda a, b: np.dot(np.ravel(a), np.ravel(b)),
    np.inner:            inner,
    np.outer:            lambda a, b: np.multiply(np.reshape(a, (-1, 1)), np.reshape(b, (1, -1))),
    np.tensordot:        tensordot,
    np.kron:             kron,
    np.cross:            cross,
    np.einsum:           einsum_of,
    np.polyval:          polyval,
    # linear algebra
    np.linalg.norm:             norm,
    np.linalg.vector_norm:      vector_norm_of,
    np.linalg.slogdet:          lambda a: np.linalg.slogdet(plain(a))._replace(logabsdet=logabsdet(a)),
    np.linalg.eigh:             eigh,
    np.linalg.svd:              svd,
    np.linalg.matrix_power:     matrix_power,
    np.linalg.matrix_transpose: lambda x: np.swapaxes(x, -1, -2),
    np.linalg.matmul:           np.matmul,
    np.linalg.outer:            np.outer,
    np.linalg.trace:            lambda x, *, offset=0: np.trace(x, offset, -2, -1),
    np.linalg.diagonal:         lambda x, *, offset=0: np.diagonal(x, offset, -2, -1),
    np.linalg.tensordot:        lambda a, b, *, axes=2: np.tensordot(a, b, axes),
    np.linalg.vecdot:           lambda a, b, *, axis=-1: np.sum(a * b, axis=axis),
}

# Functions that the oldest supported NumPy does not have yet.
NEWER: dict[str, Callable[..., Any]] = {
    "vecdot": lambda a, b, *, axis=-1: np.sum(a * b, axis=axis),
    "matvec": lambda a, b: np.einsum("...ij,...j->...i", a, b),
    "vecmat": lambda a, b: np.einsum("...i,...ij->...j", a, b),
}
COMPOSITES |= {getattr(np, name): spelling for name, spelling in NEWER.items() if hasattr(np, name)}

# What a method of a ufunc is called as a function; note that `reduce` and `accumulate` work along axis 0 by default.
METHODS: dict[tuple[np.ufunc, str], Callable[..., Any]] = {
    (np.add, "reduce"): lambda a, axis=0, *, keepdims=False: np.sum(a, axis=axis, keepdims=keepdims),
    (np.multiply, "reduce"): lambda a, axis=0, *, keepdims=False: np.prod(a, axis=axis, keepdims=keepdims),
    (np.maximum, "reduce"): lambda a, axis=0, *, keepdims=False: np.max(a, axis=axis, keepdims=keepdims),
    (np.minimum, "reduce"): lambda a, axis=0, *, keepdims=False: np.min(a, axis=axis, keepdims=keepdims),
    (np.logaddexp, "reduce"): lambda a, axis=0, *, keepdims=False: logsumexp(a, axis, keepdims=keepdims),
    (np.add, "accumulate"): lambda a, axis=0: np.cumsum(a, axis=axis),
    (np.multiply, "accumulate"): lambda a, axis=0: np.cumprod(a, axis=axis),
}

# Their derivative is 0 wherever it exists, so their results leave the tape as plain arrays.
CONSTANT: frozenset[Callable[..., Any]] = frozenset({
    np.greater, np.greater_equal, np.less, np.less_equal, np.equal, np.not_equal, np.isnan, np.isfinite, np.isinf,
    np.signbit, np.logical_and, np.logical_or, np.logical_not, np.logical_xor, np.isclose, np.allclose, np.array_equal,
    np.floor, np.ceil, np.trunc, np.rint, np.round, np.fix, np.floor_divide, np.spacing,
    np.argmax, np.argmin, np.nanargmax, np.nanargmin, np.argsort, np.argpartition, np.argwhere, np.nonzero,
    np.flatnonzero, np.searchsorted, np.digitize, np.any, np.all, np.count_nonzero, np.lexsort,
    np.shape, np.ndim, np.size, np.zeros_like, np.ones_like, np.empty_like, np.full_like, np.result_type,
    np.can_cast, np.common_type, np.min_scalar_type, np.iscomplexobj, np.isrealobj, np.isreal, np.may_share_memory,
    np.shares_memory, np.array_repr, np.array_str, np.array2string, np.triu_indices_from, np.tril_indices_from,
    np.diag_indices_from, np.linalg.matrix_rank,
})
# fmt: on
