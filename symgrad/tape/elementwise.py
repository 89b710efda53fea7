"""The local derivatives of NumPy's elementwise functions: one line each, in the output y and the inputs.

Lines are written in y where that is free (`exp`), and in a form that keeps its relative accuracy where the textbook
form does not: `1 - tanh(x)**2` loses every digit for large x, `1/cosh(x)**2` none. At a kink the line gives 0 at a
local optimum, the one side that exists, or the mean of the sides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symgrad.tape.rows import Array, Row, elementwise

LN2 = float(np.log(2.0))
LN10 = float(np.log(10.0))
DEGREE = float(np.pi / 180.0)


def beats(a: Array, b: Array) -> Array:
    """1 where a > b, 0 where a < b, 1/2 at a tie."""
    return np.greater(a, b) + 0.5 * np.equal(a, b)


def power_by_base(a: Array, b: Array) -> Array:
    """b a^(b-1); a constant (b = 0) has derivative 0 even at a = 0."""
    if isinstance(b, (int, float)):
        # np.float64: a Python float raises an exception at 0.0**-1, where NumPy answers inf.
        return 0.0 if b == 0 else b * (np.float64(a) if isinstance(a, float) else a) ** (b - 1)
    return np.where(np.equal(b, 0), 0.0, b * np.power(a, b - 1))


def power_by_exponent(y: Array, a: Array, b: Array) -> Array:
    """a^b log(a); 0^b is 0 for every b > 0, so its derivative there is 0."""
    return np.where(np.equal(a, 0) & np.greater(b, 0), 0.0, y * np.log(a))


def along(x: Array, y: Array) -> Array:
    """x / y, y being the length of a vector with the entry x; 0 at the origin, where the length has its minimum."""
    return np.where(np.equal(y, 0), 0.0, np.divide(x, y))


def softly(x: Array, y: Array) -> Array:
    """exp(x - y), the share of x in y = log(... + exp(x) + ...); equal infinities share all."""
    return np.where(np.equal(x, y), 1.0, np.exp(np.subtract(x, y)))


def normal_sinc(y: Array, x: Array) -> Array:
    """The derivative of sin(pi x) / (pi x); near 0 by its series, because the quotient cancels there."""
    series = -(np.pi**2) / 3.0 * x * (1.0 - (np.pi * x) ** 2 / 10.0 * (1.0 - (np.pi * x) ** 2 / 28.0))
    return np.where(np.abs(x) < 0.02, series, np.divide(np.cos(np.pi * x) - y, x))


# fmt: off
ELEMENTWISE: dict[Callable[..., Any], Row] = {
    # arithmetic
    np.add:         elementwise(lambda y, a, b: 1.0, lambda y, a, b: 1.0),
    np.subtract:    elementwise(lambda y, a, b: 1.0, lambda y, a, b: -1.0),
    np.multiply:    elementwise(lambda y, a, b: b, lambda y, a, b: a),
    np.divide:      elementwise(lambda y, a, b: np.divide(1.0, b),
                                lambda y, a, b: -np.divide(y, b)),
    np.power:       elementwise(lambda y, a, b: power_by_base(a, b), power_by_exponent),
    np.float_power: elementwise(lambda y, a, b: power_by_base(a, b), power_by_exponent),
    np.remainder:   elementwise(lambda y, a, b: 1.0, lambda y, a, b: -np.floor_divide(a, b)),
    np.fmod:        elementwise(lambda y, a, b: 1.0, lambda y, a, b: -np.trunc(np.divide(a, b))),
    np.negative:    elementwise(lambda y, x: -1.0),
    np.positive:    elementwise(lambda y, x: 1.0),
    np.conjugate:   elementwise(lambda y, x: 1.0),
    np.reciprocal:  elementwise(lambda y, x: -np.square(y)),
    np.square:      elementwise(lambda y, x: 2.0 * x),
    np.sqrt:        elementwise(lambda y, x: np.divide(0.5, y)),
    np.cbrt:        elementwise(lambda y, x: np.divide(1.0 / 3.0, np.square(y))),
    # exponentials and logarithms
    np.exp:         elementwise(lambda y, x: y),
    np.exp2:        elementwise(lambda y, x: LN2 * y),
    np.expm1:       elementwise(lambda y, x: np.exp(x)),
    np.log:         elementwise(lambda y, x: np.divide(1.0, x)),
    np.log2:        elementwise(lambda y, x: np.divide(1.0 / LN2, x)),
    np.log10:       elementwise(lambda y, x: np.divide(1.0 / LN10, x)),
    np.log1p:       elementwise(lambda y, x: np.divide(1.0, 1.0 + x)),
    np.logaddexp:   elementwise(lambda y, a, b: softly(a, y), lambda y, a, b: softly(b, y)),
    np.logaddexp2:  elementwise(lambda y, a, b: softly(LN2 * a, LN2 * y), lambda y, a, b: softly(LN2 * b, LN2 * y)),
    # trigonometric and hyperbolic functions
    np.sin:         elementwise(lambda y, x: np.cos(x)),
    np.cos:         elementwise(lambda y, x: -np.sin(x)),
    np.tan:         elementwise(lambda y, x: 1.0 + np.square(y)),
    np.arcsin:      elementwise(lambda y, x: np.divide(1.0, np.sqrt((1.0 - x) * (1.0 + x)))),
    np.arccos:      elementwise(lambda y, x: np.divide(-1.0, np.sqrt((1.0 - x) * (1.0 + x)))),
    np.arctan:      elementwise(lambda y, x: np.divide(1.0, 1.0 + np.square(x))),
    np.arctan2:     elementwise(lambda y, a, b: np.divide(np.divide(b, np.hypot(a, b)), np.hypot(a, b)),
                                lambda y, a, b: -np.divide(np.divide(a, np.hypot(a, b)), np.hypot(a, b))),
    np.sinh:        elementwise(lambda y, x: np.cosh(x)),
    np.cosh:        elementwise(lambda y, x: np.sinh(x)),
    np.tanh:        elementwise(lambda y, x: np.divide(1.0, np.square(np.cosh(x)))),
    np.arcsinh:     elementwise(lambda y, x: np.divide(1.0, np.hypot(1.0, x))),
    np.arccosh:     elementwise(lambda y, x: np.divide(1.0, np.sqrt(x - 1.0) * np.sqrt(x + 1.0))),
    np.arctanh:     elementwise(lambda y, x: np.divide(1.0, (1.0 - x) * (1.0 + x))),
    np.sinc:        elementwise(normal_sinc),
    np.deg2rad:     elementwise(lambda y, x: DEGREE),
    np.radians:     elementwise(lambda y, x: DEGREE),
    np.rad2deg:     elementwise(lambda y, x: 1.0 / DEGREE),
    np.degrees:     elementwise(lambda y, x: 1.0 / DEGREE),
    # functions with kinks
    np.absolute:    elementwise(lambda y, x: np.sign(x)),
    np.fabs:        elementwise(lambda y, x: np.sign(x)),
    np.hypot:       elementwise(lambda y, a, b: along(a, y), lambda y, a, b: along(b, y)),
    np.maximum:     elementwise(lambda y, a, b: beats(a, b), lambda y, a, b: beats(b, a)),
    np.minimum:     elementwise(lambda y, a, b: beats(b, a), lambda y, a, b: beats(a, b)),
    np.fmax:        elementwise(lambda y, a, b: np.where(np.isnan(b), 1.0, beats(a, b)),
                                lambda y, a, b: np.where(np.isnan(a), 1.0, beats(b, a))),
    np.fmin:        elementwise(lambda y, a, b: np.where(np.isnan(b), 1.0, beats(b, a)),
                                lambda y, a, b: np.where(np.isnan(a), 1.0, beats(a, b))),
    np.sign:        elementwise(lambda y, x: 0.0),
    np.heaviside:   elementwise(lambda y, x, at_zero: 0.0, lambda y, x, at_zero: np.equal(x, 0) * 1.0),
    np.copysign:    elementwise(lambda y, a, b: np.sign(a) * np.copysign(1.0, b), lambda y, a, b: 0.0),
}
# fmt: on
