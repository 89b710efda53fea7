"""What a row of the rule table is, and the four shapes in which most rows come.

A row holds, for every array that a function differentiates by, the two halves of its derivative side by side::

    pullback    : (y_bar, y, *args, **options) -> x_bar        y_bar = dL/dy,  x_bar = dL/dx
    pushforward : (x_dot, y, *args, **options) -> this operand's part of y_dot

`args` and `options` are what the caller gave to the function, so the rule's own signature says which of the function's
options it understands; a call with any other option has no rule and says so. Neither half has to care about
broadcasting or about the dtype: `fit` sums x_bar back to the shape of x, and the parts of y_dot are broadcast to y.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeAlias

import numpy as np

# NumPy scalars, Python floats and arrays of any dtype meet in the rules; a narrower type would have to be cast away.
Array: TypeAlias = Any
Axis: TypeAlias = int | tuple[int, ...] | None

APPLY = "apply the function itself"
"""The pushforward of an operand in which the function is linear: put x_dot in the operand's place."""


class Tracer:
    """What travels through user code in place of an array.

    `value` is the array, `scope` the run it belongs to, and `shared` says that other values may live in its memory.
    """

    __slots__ = ("scope", "shared", "value")
    value: Array
    scope: Any
    shared: bool


def plain(x: Any) -> Any:
    """The array behind a traced value; anything else as it is."""
    return x.value if isinstance(x, Tracer) else x


@dataclass(frozen=True, slots=True)
class Operand:
    """One array (or, with `many`, one sequence of arrays) that a function is differentiated by.

    Of a sequence, the pullback takes the position as its third argument, `(y_bar, y, k, *args) -> x_bar_k`, and the
    pushforward takes the list of all tangents, None where there is none.
    """

    pullback: Callable[..., Array]
    pushforward: Callable[..., Array] | str
    many: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """The derivative of one function: its operands by name, and the parameters that its rules understand."""

    operands: Mapping[str, Operand]
    parameters: tuple[str, ...]
    positional: int


def row(**operands: Operand) -> Row:
    """Make a row; the signature of the first pullback gives the parameters."""
    first = next(iter(operands.values()))
    return _make(operands, first.pullback, skip=3 if first.many else 2)


def _make(operands: Mapping[str, Operand], rule: Callable[..., Array], skip: int) -> Row:
    parameters = list(inspect.signature(rule).parameters.values())[skip:]
    positional = sum(p.kind is not p.KEYWORD_ONLY for p in parameters)
    return Row(operands, tuple(p.name for p in parameters), positional)


def elementwise(*local: Callable[..., Array]) -> Row:
    """Make the row of an elementwise function from its local derivatives dy/dx, one for each operand.

    The two halves are one formula, x_bar = y_bar * dy/dx and y_dot = x_dot * dy/dx, so they cannot disagree.
    """

    def operand(derivative: Callable[..., Array]) -> Operand:
        def scale(bar: Array, y: Array, *xs: Array) -> Array:
            return times(bar, derivative(y, *xs))

        return Operand(scale, scale)

    names = list(inspect.signature(local[0]).parameters)[1:]
    return _make({name: operand(d) for name, d in zip(names, local, strict=True)}, local[0], skip=1)


def reduction(weights: Callable[..., Array]) -> Row:
    """Make the row of a reduction from its weights dy/dx, which have the shape of x.

    `weights(y, x, axis, keepdims=..., **options)` gets y with the reduced axes kept. One formula again:
    x_bar = y_bar * weights, y_dot = sum(x_dot * weights).
    """

    def pullback(
        y_bar: Array, y: Array, a: Array, axis: Axis = None, *, keepdims: bool = False, **options: Any
    ) -> Array:
        w = weights(kept(y, a, axis, keepdims), a, axis, **options)
        return times(kept(y_bar, a, axis, keepdims), w)

    def pushforward(
        a_dot: Array, y: Array, a: Array, axis: Axis = None, *, keepdims: bool = False, **options: Any
    ) -> Array:
        w = weights(kept(y, a, axis, keepdims), a, axis, **options)
        return np.sum(times(a_dot, w), axis=axis, keepdims=keepdims)

    # NumPy calls the array of every reduction `a`; the other parameters are those of the weights.
    made = _make({"a": Operand(pullback, pushforward)}, weights, skip=1)
    return Row(made.operands, ("a", *made.parameters[1:], "keepdims"), made.positional)


def primitive(function: Callable[..., Array]) -> Callable[..., Array]:
    """Let a function of ours reach the tape the way NumPy's own do: through the protocol of its arguments."""

    @wraps(function)
    def call(*args: Any, **options: Any) -> Array:
        for x in args:
            for leaf in x if isinstance(x, (list, tuple)) else (x,):
                if isinstance(leaf, Tracer):
                    return leaf.__array_function__(call, (), args, options)  # type: ignore[attr-defined]  # Traced has it
        return function(*args, **options)

    return call


def times(bar: Array, derivative: Array) -> Array:
    """Multiply a cotangent or tangent by a local derivative, where nothing times infinity is nothing.

    A zero cotangent says that nobody uses the output there (the other branch of `np.where`), a zero tangent that the
    input does not move; neither may turn into nan because the derivative is infinite or undefined at that entry.
    """
    product = bar * derivative
    if type(derivative) is float or not np.isnan(product).any():
        return product
    return np.where(np.equal(bar, 0), 0.0, product)


def fit(x_bar: Array, x: Array) -> Array:
    """Sum x_bar over what was broadcast, and give it the dtype of x.

    >>> fit(np.ones((2, 3)), np.zeros((3,), np.float32))
    array([2., 2., 2.], dtype=float32)
    """
    shape = np.shape(x)
    if np.shape(x_bar) != shape:
        extra = np.ndim(x_bar) - len(shape)
        if extra > 0:
            x_bar = np.sum(x_bar, axis=tuple(range(extra)))
        stretched = tuple(i for i, n in enumerate(shape) if n == 1 != x_bar.shape[i])
        if stretched:
            x_bar = np.sum(x_bar, axis=stretched, keepdims=True)
    dtype = getattr(x, "dtype", None)
    if dtype is not None and x_bar.dtype != dtype:
        x_bar = x_bar.astype(dtype)
    return x_bar


def kept(y: Array, x: Array, axis: Axis, keepdims: bool) -> Array:
    """Give a reduced y its reduced axes back, with size 1."""
    if keepdims:
        return y
    if axis is None:
        return np.reshape(y, (1,) * np.ndim(x))
    return np.expand_dims(y, axis)
