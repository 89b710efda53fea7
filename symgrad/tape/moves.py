"""Functions that reshape, move, copy and join entries, spelled with the few that have a row.

Those that only move entries about (`tile`, `roll`, `take`, ...) are one line in the table: the function itself is
applied to the array of positions, and the entries are fetched from there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symgrad.errors import NoRule
from symgrad.tape.rows import Array, Axis, plain


def rearrangement(function: Callable[..., Any]) -> Callable[..., Array]:
    """Spell a function that moves or copies entries as a look-up by position."""

    def look_up(x: Array, *args: Any, **options: Any) -> Array:
        positions = np.arange(np.size(x)).reshape(np.shape(x))
        return np.ravel(x)[function(positions, *args, **options)]

    return look_up


def window(x: Array, axis: int, start: int | None, stop: int | None, step: int | None = None) -> Array:
    """x[..., start:stop:step, ...] along one axis."""
    key: list[slice] = [slice(None)] * np.ndim(x)
    key[axis] = slice(start, stop, step)
    return x[tuple(key)]


def axes_of(axis: Axis, ndim: int) -> tuple[int, ...]:
    """An axis argument as a tuple of axes counted from the left."""
    axes = range(ndim) if axis is None else (axis,) if isinstance(axis, (int, np.integer)) else axis
    return tuple(int(a) % ndim for a in axes)


# Shapes


def squeeze(a: Array, axis: Axis = None) -> Array:
    """Check by NumPy's own squeeze, then reshape."""
    return np.reshape(a, np.squeeze(np.empty(np.shape(a)), axis).shape)


def expand_dims(a: Array, axis: int | tuple[int, ...]) -> Array:
    """Ask NumPy for the shape, then reshape."""
    return np.reshape(a, np.expand_dims(np.empty(np.shape(a)), axis).shape)


def moveaxis(a: Array, source: Any, destination: Any) -> Array:
    """Take the named axes out, and insert them where they go."""
    sources, places = axes_of(source, np.ndim(a)), axes_of(destination, np.ndim(a))
    order = [i for i in range(np.ndim(a)) if i not in sources]
    for place, axis in sorted(zip(places, sources, strict=True)):
        order.insert(place, axis)
    return np.transpose(a, order)


def swapaxes(a: Array, axis1: int, axis2: int) -> Array:
    """Exchange two axes."""
    order = list(range(np.ndim(a)))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return np.transpose(a, order)


def ravel(a: Array, order: str = "C") -> Array:
    """One axis, row by row, or column by column with order='F'."""
    if order == "F":
        return np.reshape(np.transpose(a), (-1,))
    if order != "C":
        raise NoRule(f"np.ravel with order={order!r} has no rule on the tape. Use order='C' or order='F'.")
    return np.reshape(a, (-1,))


def broadcast_arrays(*arrays: Array) -> tuple[Array, ...]:
    """Every array in the common shape."""
    shape = np.broadcast_shapes(*(np.shape(x) for x in arrays))
    return tuple(np.broadcast_to(x, shape) for x in arrays)


def at_least(n: int) -> Callable[..., Any]:
    """atleast_1d, atleast_2d, atleast_3d: NumPy says the shape."""
    function: Callable[..., Any] = (np.atleast_1d, np.atleast_2d, np.atleast_3d)[n - 1]

    def grow(*arrays: Array) -> Any:
        grown = tuple(x if np.ndim(x) >= n else np.reshape(x, function(np.empty(np.shape(x))).shape) for x in arrays)
        return grown[0] if len(grown) == 1 else grown

    return grow


def rot90(m: Array, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Array:
    """Quarter turns are flips and an exchange of axes."""
    k %= 4
    if k == 2:
        return np.flip(m, axes)
    if k == 1:
        return np.swapaxes(np.flip(m, axes[1]), *axes)
    return np.flip(np.swapaxes(m, *axes), axes[1]) if k == 3 else m[...]


def flip(m: Array, axis: Axis = None) -> Array:
    """Read the axes backwards."""
    for i in axes_of(axis, np.ndim(m)):
        m = window(m, i, None, None, -1)
    return m


def diff(a: Array, n: int = 1, axis: int = -1) -> Array:
    """Neighbour minus neighbour, n times."""
    for _ in range(n):
        a = window(a, axis, 1, None) - window(a, axis, None, -1)
    return a


def diag(v: Array, k: int = 0) -> Array:
    """The diagonal of a matrix, or the matrix with a given diagonal."""
    if np.ndim(v) == 2:
        return np.diagonal(v, k)
    padded = np.pad(v, (max(-k, 0), max(k, 0)))
    return np.where(np.eye(np.size(padded), k=k, dtype=bool), np.reshape(padded, (-1, 1)), 0)


def pad(array: Array, pad_width: Any, mode: str = "constant", *, constant_values: Any = 0) -> Array:
    """Look up in the padded array of positions; position -1 stands for the constant."""
    shape = np.shape(array)
    positions = np.arange(np.size(array)).reshape(shape)
    if mode in ("edge", "reflect", "symmetric", "wrap"):
        return np.ravel(array)[np.pad(positions, pad_width, mode)]  # type: ignore[call-overload]  # mode is one of four
    if mode != "constant":
        raise NoRule(
            f"np.pad with mode={mode!r} has no rule on the tape. Use constant, edge, reflect, symmetric or wrap."
        )
    source = np.pad(positions, pad_width, constant_values=-1)
    border = np.pad(np.zeros(shape, array.dtype), pad_width, constant_values=constant_values)
    return np.where(source < 0, border, np.ravel(array)[source]) if positions.size else border


def split(ary: Array, indices_or_sections: Any, axis: int = 0) -> list[Array]:
    """Consecutive windows; NumPy says where to cut."""
    cuts = [len(p) for p in np.split(np.empty(np.shape(ary)[axis]), indices_or_sections)]
    return pieces(ary, cuts, axis)


def array_split(ary: Array, indices_or_sections: Any, axis: int = 0) -> list[Array]:
    """As `split`, with unequal pieces allowed."""
    cuts = [len(p) for p in np.array_split(np.empty(np.shape(ary)[axis]), indices_or_sections)]
    return pieces(ary, cuts, axis)


def pieces(x: Array, sizes: Sequence[int], axis: int) -> list[Array]:
    """Consecutive windows of the given sizes."""
    ends = np.cumsum(sizes)
    return [window(x, axis, int(end - size), int(end)) for size, end in zip(sizes, ends, strict=True)]


def stack(arrays: Sequence[Array], axis: int = 0) -> Array:
    """Concatenate along a new axis."""
    return np.concatenate([np.expand_dims(x, axis) for x in arrays], axis=axis)


def sort(a: Array, axis: int | None = -1, *, kind: Any = None, stable: bool | None = None) -> Array:
    """Fetch the entries in the order that argsort gives; equal entries keep their order."""
    flat, along_axis = (np.ravel(a), 0) if axis is None else (a, axis)
    return np.take_along_axis(flat, np.argsort(plain(flat), axis=along_axis, kind="stable"), axis=along_axis)


def median(a: Array, axis: int | None = None, *, keepdims: bool = False) -> Array:
    """The middle of the sorted entries, or the mean of the two middles."""
    flat, along_axis = (np.ravel(a), 0) if axis is None else (a, axis)
    n = np.shape(flat)[along_axis]
    middle = np.mean(window(np.sort(flat, axis=along_axis), along_axis, (n - 1) // 2, n // 2 + 1), axis=along_axis)
    if not keepdims:
        return middle
    return np.reshape(middle, (1,) * np.ndim(a)) if axis is None else np.expand_dims(middle, axis)


def triangle(function: Callable[..., Any]) -> Callable[..., Array]:
    """triu or tril: the function itself says which entries stay."""

    def keep(m: Array, k: int = 0) -> Array:
        return np.where(function(np.ones(np.shape(m), bool), k), m, 0)

    return keep


def join(axis: int, at_least_dims: Callable[..., Any]) -> Callable[..., Array]:
    """vstack, hstack, dstack: grow, then concatenate along an axis."""

    def stacked(tup: Sequence[Array]) -> Array:
        grown = [at_least_dims(x) for x in tup]
        return np.concatenate(grown, axis=0 if axis == 1 and np.ndim(grown[0]) == 1 else axis)

    return stacked
