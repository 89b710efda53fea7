"""Convolution and pooling: padding, windows, and a sum of products or a reduction over each window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import sympy as sp

from symgrad.errors import ShapeError
from symgrad.graph.node import Node, apply, broadcast_to, const, describe, einsum, reduce_mean
from symgrad.rules.arrays import BY_NAME
from symgrad.rules.moves import PAD, RESHAPE
from symgrad.rules.windows import WINDOWS, span
from symgrad.shapes import Dim, as_dim, as_sympy, show

Axis: TypeAlias = "int | tuple[int, ...] | None"
Steps: TypeAlias = "Dim | tuple[Dim, ...] | str | None"


LOWEST = -3e38  # below what arrays hold, and finite in every precision


def _steps(name: str, word: str, given: Any, many: int) -> tuple[int, ...]:
    """Return one whole number an axis."""
    steps = given if isinstance(given, tuple) else (given,) * many
    if len(steps) != many or not all(isinstance(s, int) and s >= 1 for s in steps):
        each = f", or one for each of the {many} axes" if many > 1 else ""
        raise ShapeError(f"{name}: {word} is a positive whole number{each}, not {given!r}")
    return steps


def _unpadded(name: str, many: int, given: Any) -> str:
    each = f", one for each of the {many} axes" if many > 1 else ""
    return f'{name}: padding is a size{each}, "valid" or "same", not {given!r}'


def _sliding(name: str, x: Node, padded: Node, **options: Any) -> Node:
    """Return the windows of x with its padding; an error speaks of the function that was called."""
    try:
        return WINDOWS(padded, **options)
    except ShapeError as error:
        what = str(error).partition(": ")[2]
        wide = f", with padding {show(padded.shape)}" if padded is not x else ""
        raise ShapeError(f"{name} of {describe(x)} {show(x.shape)}{wide}: {what}") from None


def _widths(name: str, given: Any, sizes: Sequence[Dim], strides: Sequence[int],
            dilations: Sequence[int]) -> tuple[tuple[Dim, Dim], ...]:
    """Return how much is added before and behind each axis."""
    many = len(sizes)
    if isinstance(given, str):
        if given == "valid":
            return ((0, 0),) * many
        if given != "same":
            raise ShapeError(_unpadded(name, many, given))
        if any(s != 1 for s in strides):
            raise ShapeError(f'{name}: padding="same" keeps the size with stride 1 only, got stride={tuple(strides)}')
        out: list[tuple[Dim, Dim]] = []
        for k, d in zip(sizes, dilations):
            total = span(k, d) - 1
            half = total // 2 if isinstance(total, int) else sp.expand(as_sympy(total) / 2)
            if not isinstance(half, int) and not half.is_integer:
                raise ShapeError(f'{name}: padding="same" needs to know whether {total} is even; give the size {k} of '
                                 f"the window as a number, or as 2*m + 1")
            out.append((half, total - half))
        return tuple(out)
    widths = given if isinstance(given, tuple) else (given,) * many
    if len(widths) != many:
        raise ShapeError(_unpadded(name, many, given))
    for w in widths:
        if as_sympy(w).is_negative:
            raise ShapeError(f"{name}: padding cannot be negative, got {w}. Cut with a slice instead")
    return tuple((w, w) for w in widths)


def _padded(x: Node, widths: Sequence[tuple[Dim, Dim]]) -> Node:
    if all(w == 0 for pair in widths for w in pair):
        return x
    return PAD(x, widths=((0, 0),) * (x.rank - len(widths)) + tuple(widths))


def _conv(many: int, x: Node, w: Node, b: Node | None, stride: Steps, padding: Steps, dilation: Steps,
          groups: Any) -> Node:
    name, axes = f"conv{many}d", ", ".join(["length", "height, width", "depth, height, width"][many - 1:many])
    given = f"x {show(x.shape)} and w {show(w.shape)}"
    if x.rank != many + 2 or w.rank != many + 2:
        raise ShapeError(f"{name} takes x of shape (n, channels, {axes}) and w of shape (out, channels, one size for "
                         f"each axis of the window); got {given}")
    strides, dilations = (_steps(name, word, s, many) for word, s in (("stride", stride), ("dilation", dilation)))
    if not isinstance(groups, int) or groups < 1:
        raise ShapeError(f"{name}: groups is a positive whole number, not {groups!r}")
    n, channels, *_ = x.shape
    out, own, *sizes = w.shape
    if sp.expand(as_sympy(own) * groups - as_sympy(channels)) != 0:
        each = f" in {groups} groups" if groups > 1 else ""
        raise ShapeError(f"{name}: x has {channels} channels{each} and each filter of w has {own}; got {given}")
    padded = _padded(x, _widths(name, padding, sizes, strides, dilations))
    options: dict[str, Any] = {"sizes": tuple(sizes), "stride": strides, "dilation": dilations}
    at, inside = [f"o{k}" for k in range(many)], [f"k{k}" for k in range(many)]
    if groups == 1:
        windows = _sliding(name, x, padded, axis=tuple(range(2, many + 2)), **options)
        y = einsum([["n", "c", *at, *inside], ["f", "c", *inside]], [windows, w], ["n", "f", *at])
    else:
        filters = sp.expand(as_sympy(out) / groups)
        if not filters.is_integer:
            raise ShapeError(f"{name}: {out} filters cannot be shared among {groups} groups")
        apart = RESHAPE(padded, shape=(n, groups, own, *padded.shape[2:]))
        windows = _sliding(name, x, apart, axis=tuple(range(3, many + 3)), **options)
        filtered = RESHAPE(w, shape=(groups, as_dim(filters), own, *sizes))
        y = einsum([["n", "g", "c", *at, *inside], ["g", "f", "c", *inside]], [windows, filtered],
                   ["n", "g", "f", *at])
        y = RESHAPE(y, shape=(n, out, *y.shape[3:]))
    if b is None:
        return y
    if b.shape != (out,):
        raise ShapeError(f"{name}: the bias has one entry a filter, shape ({out},); {describe(b)} has {show(b.shape)}")
    return y + einsum([["f"]], [b], ["n", "f", *at], dict(zip(["n", "f", *at], y.shape)))


def conv1d(x: Node, w: Node, b: Node | None = None, stride: Steps = 1, padding: Steps = 0, dilation: Steps = 1,
           groups: Steps = 1) -> Node:
    """Convolution of sequences, without turning the filter round.

    Formula: y[n, f, o] = b[f] + sum over c, k of x[n, c, stride*o + dilation*k - padding]*w[f, c, k].
    Shapes: x (n, c, l), w (f, c/groups, k), b (f,) give (n, f, (l + 2*padding - dilation*(k - 1) - 1)//stride + 1);
    padding may be "valid" (none) or "same" (the length stays).
    Raises: ShapeError for shapes that do not fit, a negative padding, and a length that the names leave open.
    Source: Dumoulin and Visin (2016).

    >>> import symgrad as sg
    >>> x, w = sg.symbol("x", ("n", 3, "l")), sg.symbol("w", (4, 3, 5))
    >>> sg.conv1d(x, w, padding="same").shape
    (n, 4, l)
    """
    return _conv(1, x, w, b, stride, padding, dilation, groups)


def conv2d(x: Node, w: Node, b: Node | None = None, stride: Steps = 1, padding: Steps = 0, dilation: Steps = 1,
           groups: Steps = 1) -> Node:
    """Convolution of images, without turning the filter round.

    Formula: y[n, f, o, p] = b[f] + sum over c, j, k of x[n, c, stride*o + dilation*j - padding,
    stride*p + dilation*k - padding]*w[f, c, j, k]; stride, padding and dilation may differ from axis to axis.
    Shapes: x (n, c, h, w), w (f, c/groups, j, k), b (f,) give (n, f, o, p) with
    o = (h + 2*padding - dilation*(j - 1) - 1)//stride + 1; padding may be "valid" (none) or "same" (the sizes stay).
    Raises: ShapeError for shapes that do not fit, a negative padding, and a size that the names leave open.
    Source: Dumoulin and Visin (2016).

    >>> import symgrad as sg
    >>> x, w = sg.symbol("x", ("n", 3, 28, 28)), sg.symbol("w", ("f", 3, 5, 5))
    >>> sg.conv2d(x, w, stride=2, padding=(2, 1)).shape
    (n, f, 14, 13)
    """
    return _conv(2, x, w, b, stride, padding, dilation, groups)


def _windows_of(name: str, many: int, x: Node, size: Steps, stride: Steps, padding: Steps,
                pad: Callable[[Node, Sequence[tuple[Dim, Dim]]], Node]) -> Node:
    sizes: tuple[Any, ...] = size if isinstance(size, tuple) else (size,) * many
    if len(sizes) != many or any(isinstance(k, str) or k is None or as_sympy(k).is_positive is False for k in sizes):
        raise ShapeError(f"{name}: the window has a size of 1 or more along each of {many} axes, not {size!r}")
    if x.rank < many:
        raise ShapeError(f"{name} works along the last {many} axes; {describe(x)} has shape {show(x.shape)}")
    strides = _steps(name, "stride", sizes if stride is None else stride, many)
    widths = _widths(name, padding, sizes, strides, (1,) * many)
    for k, pair in zip(sizes, widths):
        if not all(isinstance(k, int) and isinstance(p, int) and p < k for p in pair if p != 0):
            raise ShapeError(f"{name}: the padding {pair[0]} is to be a number below the size {k} of the window")
    axes = tuple(range(x.rank - many, x.rank))
    return _sliding(name, x, pad(x, widths), sizes=sizes, axis=axes, stride=strides)


def _walled(x: Node, widths: Sequence[tuple[Dim, Dim]]) -> Node:
    """Return x with entries around it that no maximum takes."""
    wide = _padded(x, widths)
    if wide is x:
        return x
    inside = _padded(const(1, x.shape[x.rank - len(widths):]), widths)
    return apply("where", broadcast_to(inside, wide.shape), wide, LOWEST)


def _max_pool(many: int, x: Node, size: Steps, stride: Steps, padding: Steps) -> Node:
    windows = _windows_of(f"max_pool{many}d", many, x, size, stride, padding, _walled)
    return BY_NAME["max"](windows, axis=tuple(range(x.rank, x.rank + many)))


def _avg_pool(many: int, x: Node, size: Steps, stride: Steps, padding: Steps) -> Node:
    windows = _windows_of(f"avg_pool{many}d", many, x, size, stride, padding, _padded)
    return reduce_mean(windows, tuple(range(x.rank, x.rank + many)))


def max_pool1d(x: Node, size: Steps, stride: Steps = None, padding: Steps = 0) -> Node:
    """The largest entry of each window along the last axis; the stride is the size of the window where none is given.

    Formula: y[..., o] = max over k of x[..., stride*o + k - padding], over the entries there are.
    Shapes: (..., l) gives (..., (l + 2*padding - size)//stride + 1).
    Raises: ShapeError for a window that does not fit, a negative padding, and a length that the names leave open.
    Source: Dumoulin and Visin (2016).

    >>> import symgrad as sg
    >>> sg.max_pool1d(sg.symbol("x", ("n", "c", 8)), 2).shape
    (n, c, 4)
    """
    return _max_pool(1, x, size, stride, padding)


def max_pool2d(x: Node, size: Steps, stride: Steps = None, padding: Steps = 0) -> Node:
    """The largest entry of each window along the last two axes; without a stride the windows lie side by side.

    Formula: y[..., o, p] = max over j, k of x[..., stride*o + j - padding, stride*p + k - padding], of those there are.
    Shapes: (..., h, w) gives (..., (h + 2*padding - size)//stride + 1, the same of w).
    Raises: ShapeError for a window that does not fit, a negative padding, and a size that the names leave open.
    Source: Dumoulin and Visin (2016).

    >>> import symgrad as sg
    >>> sg.max_pool2d(sg.symbol("x", ("n", "c", 8, 9)), 3, stride=2, padding=1).shape
    (n, c, 4, 5)
    """
    return _max_pool(2, x, size, stride, padding)


def avg_pool1d(x: Node, size: Steps, stride: Steps = None, padding: Steps = 0) -> Node:
    """The mean of each window along the last axis, padding counting as zeros; without a stride side by side.

    Formula: y[..., o] = sum over k of x[..., stride*o + k - padding]/size.
    Shapes: (..., l) gives (..., (l + 2*padding - size)//stride + 1).
    Raises: ShapeError for a window that does not fit, a negative padding, and a length that the names leave open.
    Source: Dumoulin and Visin (2016).

    >>> import symgrad as sg
    >>> sg.avg_pool1d(sg.symbol("x", ("n", "c", 8)), 3, stride=1).shape
    (n, c, 6)
    """
    return _avg_pool(1, x, size, stride, padding)


def avg_pool2d(x: Node, size: Steps, stride: Steps = None, padding: Steps = 0) -> Node:
    """The mean of each window along the last two axes, padding counting as zeros; without a stride side by side.

    Formula: y[..., o, p] = sum over j, k of x[..., stride*o + j - padding, stride*p + k - padding]/size**2.
    Shapes: (..., h, w) gives (..., (h + 2*padding - size)//stride + 1, the same of w).
    Raises: ShapeError for a window that does not fit, a negative padding, and a size that the names leave open.
    Source: Dumoulin and Visin (2016).

    >>> import symgrad as sg
    >>> sg.avg_pool2d(sg.symbol("x", ("n", "c", 8, 9)), (2, 3)).shape
    (n, c, 4, 3)
    """
    return _avg_pool(2, x, size, stride, padding)


def windows(x: Node, sizes: Steps, *, axis: Axis, stride: Steps = 1, dilation: Steps = 1) -> Node:
    """Sliding windows along one or several axes; the entries of a window stand along new axes at the end.

    Formula: y[..., o, ..., k] = x[..., stride*o + dilation*k, ...].
    Shapes: (n, l) with a window of k along axis 1 gives (n, (l - dilation*(k - 1) - 1)//stride + 1, k).
    Raises: ShapeError for a window that does not fit, and a length that the names leave open.
    Source: Dumoulin and Visin (2016).

    >>> import symgrad as sg
    >>> sg.windows(sg.symbol("x", ("n", 9)), 3, axis=1, stride=2).shape
    (n, 4, 3)
    """
    axes = axis if isinstance(axis, tuple) else (axis,) if isinstance(axis, int) else ()
    if not axes or any(not -x.rank <= a < x.rank for a in axes):
        raise ShapeError(f"windows: axis {axis} is out of range for {describe(x)} {show(x.shape)}")
    each: tuple[Any, ...] = sizes if isinstance(sizes, tuple) else (sizes,) * len(axes)
    return WINDOWS(x, sizes=each, axis=tuple(a % x.rank for a in axes), stride=stride, dilation=dilation)


CONVOLUTIONS: dict[str, Callable[..., Node]] = {
    f.__name__: f for f in (conv1d, conv2d, max_pool1d, max_pool2d, avg_pool1d, avg_pool2d, windows)
}
