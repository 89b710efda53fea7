"""Sliding windows and their transpose, one row each; convolution and pooling are made of them.

A window holds the entries start + dilation*j, j below its size; the next one starts `stride` further on.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
import sympy as sp

from symgrad.errors import ShapeError
from symgrad.rules import entries
from symgrad.rules.row import ArrayFunction, Option
from symgrad.shapes import Dim, Shape, as_dim, as_sympy, show

Array = Any  # an object array of mpmath numbers, or of integers
WHOLE = (None, None, None)
UNROLLED = 64  # windows of up to so many entries are added one slice an entry


def span(size: Dim, dilation: int) -> Dim:
    """Return how many entries a window reaches over."""
    return (size - 1) * dilation + 1


def count(length: Dim, size: Dim, stride: int, dilation: int) -> Dim:
    """Return how many windows fit, floor((length - span)/stride) + 1; where names hide it, the division is exact."""
    room = length - span(size, dilation)
    if isinstance(room, sp.Expr):
        room = sp.expand(room)
        room = int(room) if room.is_Integer else room
    if as_sympy(room).is_negative:
        raise ShapeError(f"a window of {size} entries{f' {dilation} apart' if dilation != 1 else ''} is longer than "
                         f"the axis of {length}")
    if isinstance(room, int):
        return room // stride + 1
    exact = sp.expand(room / stride)
    if not exact.is_integer:
        raise ShapeError(f"how many windows of {size} fit into {length} with stride {stride} depends on what is left "
                         f"over; give the size as a number, or such that {stride} divides {room}, as {stride}*m + r")
    made: Dim = as_dim(exact + 1)
    return made


def _axes(rank: int, options: dict[str, Any]) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Return the axes, strides and dilations of as many windows as there are sizes."""
    many = len(options["sizes"])
    along = options["axis"]
    if len(along) != many or len(set(along)) != many or not all(isinstance(a, int) and 0 <= a < rank for a in along):
        raise ShapeError(f"{many} sizes of windows need {many} different axes from 0 to {rank - 1}, got axis={along}")
    steps = []
    for word in ("stride", "dilation"):
        given = options[word] if isinstance(options[word], tuple) else (options[word],) * many
        if len(given) != many or not all(isinstance(g, int) and g >= 1 for g in given):
            raise ShapeError(f"{word} is a positive integer, or one for each of the {many} axes, not {options[word]}")
        steps.append(given)
    return along, steps[0], steps[1]


def _windows_shape(x: Shape, sizes: Shape, **options: Any) -> Shape:
    along, strides, dilations = _axes(len(x), {"sizes": sizes, **options})
    out = list(x)
    for a, size, s, d in zip(along, sizes, strides, dilations):
        out[a] = count(x[a], size, s, d)
    return (*out, *sizes)


def _fold_shape(y: Shape, sizes: Shape, **options: Any) -> Shape:
    rank = len(y) - len(sizes)
    along, strides, dilations = _axes(rank, {"sizes": sizes, **options})
    out = list(y[:rank])
    for a, n, size, s, d in zip(along, sizes, y[rank:], strides, dilations):
        if as_sympy(count(n, size, s, d) - y[a]).expand() != 0:
            raise ShapeError(f"an axis of {n} holds {count(n, size, s, d)} windows of {size}, and not the {y[a]} of "
                             f"axis {a} of {show(y)}")
        out[a] = n
    return tuple(out)


def _names(x: Shape, sizes: Shape, **options: Any) -> dict[str, Any]:
    along, strides, dilations = _axes(len(x), {"sizes": sizes, **options})
    thin: list[Any] = [WHOLE] * (len(x) + len(sizes))
    for k, (a, s, d) in enumerate(zip(along, strides, dilations)):
        thin[a], thin[len(x) + k] = (None, None, s), (None, None, d)
    return {"spans": tuple(span(k, d) for k, d in zip(sizes, dilations)), "along": along, "thin": tuple(thin)}


def _thinned(options: dict[str, Any]) -> bool:
    return any(step != 1 for word in ("stride", "dilation") for step in np.ravel(options[word]))


def _source(x: str, thinned: bool) -> str:
    return f"np.lib.stride_tricks.sliding_window_view({x}, spans, along)" + ("[thin]" if thinned else "")


def _value(_m: Any, x: Array, sizes: tuple[int, ...], **options: Any) -> Array:
    made = _names(x.shape, sizes, **options)
    view = np.lib.stride_tricks.sliding_window_view(x, made["spans"], made["along"])
    return view[tuple(slice(*t) for t in made["thin"])]


def _places(y: Sequence[Any], sizes: Shape, **options: Any) -> Iterator[tuple[tuple[int, ...], tuple[Any, ...]]]:
    """Return for each entry of a window its place there, and where these entries of all windows lie."""
    rank = len(y) - len(sizes)
    along, strides, dilations = _axes(rank, {"sizes": sizes, **options})
    for j in product(*(range(k) for k in y[rank:])):
        key: list[Any] = [WHOLE] * rank
        for a, k, s, d in zip(along, j, strides, dilations):
            key[a] = (k * d, k * d + (y[a] - 1) * s + 1, s)
        yield j, tuple(key)


def _fold_value(_m: Any, y: Array, sizes: tuple[int, ...], **options: Any) -> Array:
    out = np.full(_fold_shape(y.shape, sizes, **options), 0 * y.flat[0], dtype=object)
    for j, key in _places(y.shape, sizes, **options):
        out[tuple(slice(*k) for k in key)] += y[(..., *j)]
    return out


def _unrolled(y: Shape, sizes: Shape) -> bool:
    own = y[len(y) - len(sizes):]
    return all(isinstance(k, int) for k in own) and math.prod(int(k) for k in own) <= UNROLLED


def _fold_source(y: Shape, sizes: Shape, **options: Any) -> str:
    if not _unrolled(y, sizes):
        places = _source("np.reshape(np.arange(entries), shape)", _thinned(options))
        return f"np.reshape(np.bincount(np.ravel({places}), np.ravel(x), entries), shape).astype(dtype)"
    lines = [f"out[at_{'_'.join(map(str, j))}] += x[..., {', '.join(map(str, j))}]"
             for j, _ in _places(y, sizes, **options)]
    return "\n".join(["out = np.zeros(shape, dtype=dtype)", *lines])


def _fold_names(y: Shape, sizes: Shape, **options: Any) -> dict[str, Any]:
    out = _fold_shape(y, sizes, **options)
    total: Dim = 1
    for d in out:
        total = total * d
    rank = len(out)
    along, strides, dilations = _axes(rank, {"sizes": sizes, **options})
    made = {"entries": total, **_names(out, y[rank:], **options)}
    if _unrolled(y, sizes):
        made.update({f"at_{'_'.join(map(str, j))}": key for j, key in _places(y, sizes, **options)})
    for k, (a, s, d) in enumerate(zip(along, strides, dilations)):
        made.update({f"n_{k}": out[a], f"p_{k}": y[a], f"k_{k}": y[rank + k], f"s_{k}": s, f"d_{k}": d})
    return made


def _fold_plain(y: Shape, sizes: Shape, **options: Any) -> str:
    """One axis after the other, times the matrix of 0 and 1 that says which entry of which window lies where."""
    rank = len(y) - len(sizes)
    along, _, _ = _axes(rank, {"sizes": sizes, **options})
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    labels, text = list(letters[:len(y)]), "x"
    for k, a in enumerate(along):
        place = rank  # the first axis of windows that is left
        new = letters[len(y) + k]
        into = [new if i == a else c for i, c in enumerate(labels) if i != place]
        spec = f"{''.join(labels)},{labels[a]}{labels[place]}{new}->{''.join(into)}"
        mask = f"(np.arange(n_{k}) == s_{k} * np.arange(p_{k})[:, None, None] + d_{k} * np.arange(k_{k})[:, None])"
        text, labels = f"np.einsum('{spec}', {text}, {mask} * 1.0)", into
    return text


_OPTIONS = (Option("sizes", "Sizes"), Option("axis", "Places", key="axis"), Option("stride", "Steps", 1, "stride"),
            Option("dilation", "Steps", 1, "dilation"))
WINDOWS: ArrayFunction = ArrayFunction(
    "windows", ("x",), _windows_shape,
    lambda c, y, x, sizes, axis, stride, dilation: (
        FOLD(c, sizes=tuple(x.shape[a] for a in axis), axis=axis, stride=stride, dilation=dilation),),
    _OPTIONS, value=_value, numpy=lambda x, sizes, **options: _source("x", _thinned(options)), names=_names, view=True,
    linear=True, latex=r"\operatorname{windows}", source="Dumoulin and Visin (2016)",
    statement="an entry adds up the cotangents of all windows that hold it",
    example=((("n", 7),), {"sizes": (3,), "axis": (1,), "stride": 2}), entry=entries.of_windows,
)
FOLD: ArrayFunction = ArrayFunction(
    "fold", ("x",), _fold_shape,
    lambda c, y, x, sizes, axis, stride, dilation: (
        WINDOWS(c, sizes=x.shape[x.rank - len(sizes):], axis=axis, stride=stride, dilation=dilation),),
    _OPTIONS, value=_fold_value, numpy=_fold_source, plain=_fold_plain, names=_fold_names, linear=True,
    latex=r"\operatorname{fold}", source="Dumoulin and Visin (2016)",
    statement="the transpose of windows: an entry of a window goes to its place",
    example=((("n", 4, 2),), {"sizes": (9,), "axis": (1,), "stride": 2, "dilation": 2}),
    further=(((("n", 4, "k"),), {"sizes": (as_dim("k") + 3,), "axis": (1,)}),),
)
