"""The rules of reductions and of everything that moves entries about or contracts them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from symgrad.tape.einsum import einsum, pull_einsum, push_einsum
from symgrad.tape.elementwise import along, softly
from symgrad.tape.rows import APPLY, Array, Axis, Operand, Row, fit, kept, primitive, reduction, row

# Functions of ours: what NumPy offers only as syntax, as a method, or as one form of a function with several.


@primitive
def index(x: Array, key: Any) -> Array:
    """x[key]."""
    return x[key]


@primitive
def cast(x: Array, dtype: npt.DTypeLike) -> Array:
    """x in another floating dtype."""
    return np.asarray(x).astype(dtype)


@primitive
def choose(condition: Array, a: Array, b: Array) -> Array:
    """np.where with its three arguments; the condition is a plain array."""
    return np.where(condition, a, b)


@primitive
def vector_norm(x: Array, axis: Axis = None, *, p: float | None = None, keepdims: bool = False) -> Array:
    """sum(|x|**p)**(1/p) over one axis or over everything; without p the Euclidean norm, over two axes as well."""
    if axis is not None:
        return np.linalg.norm(x, p, axis, keepdims)
    y = np.linalg.norm(np.ravel(x), p)
    return kept(y, x, axis, False) if keepdims else y


@primitive
def logsumexp(x: Array, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """log(sum(exp(x))), shifted by the maximum so that nothing overflows."""
    top = np.max(x, axis=axis, keepdims=True)
    shift = np.where(np.isfinite(top), top, 0).astype(np.result_type(x), copy=False)
    y = np.log(np.sum(np.exp(x - shift), axis=axis, keepdims=True)) + shift
    return y if keepdims else np.squeeze(y, axis=axis)[()]


# Weights dy/dx of the reductions; y comes with its reduced axes kept.


def share(y: Array, x: Array, axis: Axis = None) -> Array:
    """Split the derivative of max or min equally among the entries that attain it."""
    hit = np.equal(x, y)
    return hit / np.sum(hit, axis=axis, keepdims=True)


def product_of_others(y: Array, x: Array, axis: Axis = None) -> Array:
    """For each entry the product of all others, without dividing, so that zeros are no exception."""
    axes = tuple(range(np.ndim(x))) if axis is None else (axis,) if isinstance(axis, int) else tuple(axis)
    last = tuple(range(-len(axes), 0))
    moved = np.moveaxis(np.asarray(x), axes, last)
    flat = moved.reshape(*moved.shape[: moved.ndim - len(axes)], -1)
    return np.moveaxis((before(flat) * before(flat[..., ::-1])[..., ::-1]).reshape(moved.shape), last, axes)


def before(x: Array) -> Array:
    """The product of all entries to the left, along the last axis."""
    return np.cumprod(np.concatenate([np.ones_like(x[..., :1]), x[..., :-1]], axis=-1), axis=-1)


def centred(x: Array, axis: Axis, ddof: float) -> Array:
    """(x - mean) / (n - ddof)."""
    mean = np.mean(x, axis=axis, keepdims=True)
    return (x - mean) / (np.size(x) / np.size(mean) - ddof)


def by_var(y: Array, x: Array, axis: Axis = None, *, ddof: float = 0) -> Array:
    """2 (x - mean) / (n - ddof)."""
    return 2.0 * centred(x, axis, ddof)


def by_std(y: Array, x: Array, axis: Axis = None, *, ddof: float = 0) -> Array:
    """(x - mean) / ((n - ddof) y); 0 where all entries are equal, the minimum of the deviation."""
    return np.where(np.equal(y, 0), 0.0, centred(x, axis, ddof) / y)


def by_norm(y: Array, x: Array, axis: Axis = None, *, p: float | None = None) -> Array:
    """sign(x) (|x| / y)^(p-1), which is x / y for the Euclidean norm."""
    u = along(x, y)
    return u if p is None else np.sign(u) * np.power(np.abs(u), p - 1.0)


# Pullbacks that do not fit on a line.


def pull_sum(y_bar: Array, y: Array, a: Array, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """Every entry of a had the weight one."""
    return np.broadcast_to(kept(y_bar, a, axis, keepdims), np.shape(a))


def pull_mean(y_bar: Array, y: Array, a: Array, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """Every entry of a had the weight 1/n."""
    return pull_sum(y_bar / (np.size(a) / np.size(y)), y, a, axis, keepdims=keepdims)


def pull_cumsum(y_bar: Array, y: Array, a: Array, axis: int | None = None) -> Array:
    """An entry of a is in every later sum: the cumulative sum of y_bar from behind."""
    along_axis = 0 if axis is None else axis
    behind = np.flip(np.cumsum(np.flip(y_bar, along_axis), axis=along_axis), along_axis)
    return np.reshape(behind, np.shape(a))


def pull_index(y_bar: Array, y: Array, x: Array, key: Any) -> Array:
    """Put y_bar back where y was read; an entry that was read twice gets both."""
    x_bar = np.zeros(np.shape(x), np.result_type(y_bar))
    parts = key if isinstance(key, tuple) else (key,)
    if all(isinstance(p, (int, np.integer, slice)) or p is None or p is Ellipsis for p in parts):
        x_bar[key] = y_bar  # a basic key reads no entry twice
    else:
        np.add.at(x_bar, key, y_bar)
    return x_bar


def pull_transpose(y_bar: Array, y: Array, a: Array, axes: Sequence[int] | None = None) -> Array:
    """The inverse permutation."""
    return np.transpose(y_bar, None if axes is None else np.argsort([i % np.ndim(a) for i in axes]))


def pull_concatenate(y_bar: Array, y: Array, k: int, arrays: Sequence[Array], axis: int | None = 0) -> Array:
    """Cut the k-th piece out."""
    if axis is None:
        start = sum(np.size(x) for x in arrays[:k])
        return np.reshape(y_bar[start : start + np.size(arrays[k])], np.shape(arrays[k]))
    start = sum(np.shape(x)[axis] for x in arrays[:k])
    cut = [slice(None)] * np.ndim(y_bar)
    cut[axis] = slice(start, start + np.shape(arrays[k])[axis])
    return y_bar[tuple(cut)]


def push_concatenate(x_dots: Sequence[Array], y: Array, arrays: Sequence[Array], axis: int | None = 0) -> Array:
    """Concatenate the tangents, zeros for the pieces that do not move."""
    pieces = zip(x_dots, arrays, strict=True)
    return np.concatenate([np.zeros(np.shape(x)) if x_dot is None else x_dot for x_dot, x in pieces], axis)


def as_matrices(bar: Array, a: Array, b: Array) -> tuple[Array, Array, Array]:
    """The operands of matmul and its cotangent with the axes that matmul adds to vectors."""
    if np.ndim(b) == 1:
        bar, b = np.expand_dims(bar, -1), np.expand_dims(b, -1)
    if np.ndim(a) == 1:
        bar, a = np.expand_dims(bar, -2), np.expand_dims(a, 0)
    return bar, a, b


def pull_left(y_bar: Array, y: Array, a: Array, b: Array) -> Array:
    """Y = A B: A_bar = Y_bar B^T."""
    bar, a2, b2 = as_matrices(y_bar, a, b)
    return np.reshape(fit(bar @ np.swapaxes(b2, -1, -2), a2), np.shape(a))


def pull_right(y_bar: Array, y: Array, a: Array, b: Array) -> Array:
    """Y = A B: B_bar = A^T Y_bar; a batch against one matrix is one long product."""
    bar, a2, b2 = as_matrices(y_bar, a, b)
    if np.ndim(b2) == 2:
        bar, a2 = bar.reshape(-1, bar.shape[-1]), a2.reshape(-1, a2.shape[-1])
    return np.reshape(fit(np.swapaxes(a2, -1, -2) @ bar, b2), np.shape(b))


# fmt: off
ARRAYS: dict[Callable[..., Any], Row] = {
    # reductions
    np.sum:          row(a=Operand(pull_sum, APPLY)),
    np.mean:         row(a=Operand(pull_mean, APPLY)),
    np.prod:         reduction(product_of_others),
    np.max:          reduction(share),
    np.min:          reduction(share),
    np.var:          reduction(by_var),
    np.std:          reduction(by_std),
    vector_norm:     reduction(by_norm),
    logsumexp:       reduction(lambda y, x, axis=None: softly(x, y)),
    np.cumsum:       row(a=Operand(pull_cumsum, APPLY)),
    # entries moved about
    index:           row(x=Operand(pull_index, APPLY)),
    cast:            row(x=Operand(lambda y_bar, y, x, dtype: y_bar, APPLY)),
    np.reshape:      row(a=Operand(lambda y_bar, y, a, shape: np.reshape(y_bar, np.shape(a)), APPLY)),
    np.transpose:    row(a=Operand(pull_transpose, APPLY)),
    np.broadcast_to: row(array=Operand(lambda y_bar, y, array, shape: y_bar, APPLY)),
    np.concatenate:  row(arrays=Operand(pull_concatenate, push_concatenate, many=True)),
    choose:          row(a=Operand(lambda y_bar, y, condition, a, b: np.where(condition, y_bar, 0.0),
                                   lambda x_dot, y, condition, a, b: np.where(condition, x_dot, 0.0)),
                         b=Operand(lambda y_bar, y, condition, a, b: np.where(condition, 0.0, y_bar),
                                   lambda x_dot, y, condition, a, b: np.where(condition, 0.0, x_dot))),
    # contractions
    np.matmul:       row(a=Operand(pull_left, APPLY), b=Operand(pull_right, APPLY)),
    einsum:          row(arrays=Operand(pull_einsum, push_einsum, many=True)),
}
# fmt: on
