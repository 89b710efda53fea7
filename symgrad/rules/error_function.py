"""The error function and its kin: rows, and the rational forms by which kernels compute them, NumPy having none.

The coefficients come from rational interpolation in 60 digits at Chebyshev points. Relative error of the fractions:
SCALED / SCALED_BELOW is exp(a^2) erfc(a) to 2e-18 on [0, 28]; NEAR / NEAR_BELOW in x^2 is erf(x)/x to 3e-18 on [0, 1].
Measured in double precision: erf is off by 3 units of the last place at most, erfc by 8 up to 10 and by 11 above.
"""

from __future__ import annotations

from collections.abc import Sequence

from symgrad.graph.node import Node, apply, const
from symgrad.rules.ranges import Range
from symgrad.rules.row import Function

SCALED = (
    1.0, 2.3480920579990747, 2.7324426609880548, 2.036683471236088, 1.0668973235107613, 0.40857889339893894,
    0.11569639112382131, 0.023951153751494203, 0.0034826810735195364, 0.00032349956791045807,
    1.4759943556253303e-05,
)
SCALED_BELOW = (
    1.0, 3.4764712250945875, 5.655220366391789, 5.693697870976201, 3.9515121553972516, 1.990505746978287,
    0.7451266983077873, 0.20813987897971525, 0.042739008730540325, 0.006185972139577478, 0.0005733880549098815,
    2.6161318795424984e-05,
)
NEAR = (
    1.1283791670955126, 0.14214874428063382, 0.04530431496553584, 0.0018273246406360385, 0.00019496984753178997,
)
NEAR_BELOW = (
    1.0, 0.45930937793412957, 0.09325302973969972, 0.010582353560685183, 0.0006812436819785099,
    2.029955528683424e-05,
)
SPLIT = 2**27 + 1  # parts a double into halves whose squares are exact (Dekker 1971)
LARGEST = 28  # erfc is below the smallest double from here on


def _f(name: str, *args: Node | int | float) -> Node:
    return apply(name, *args)


def _pi() -> Node:
    return const("pi")  # type: ignore[arg-type]  # a named constant is stored by its name


def _polynomial(coefficients: Sequence[float], x: Node) -> Node:
    out = coefficients[-1] * x + coefficients[-2]
    for c in coefficients[-3::-1]:
        out = out * x + c
    return out


def _tail(a: Node) -> Node:
    """erfc(a) of a >= 0; the square in exp(-a^2) is parted, or its rounding would be magnified by a^2."""
    b = _f("minimum", a, LARGEST)
    high = _f("mul", SPLIT, b)
    high = high - (high - b)
    gauss = _f("exp", -(high**2)) * _f("exp", -((b - high) * (b + high)))
    return gauss * (_polynomial(SCALED, b) / _polynomial(SCALED_BELOW, b))


def _erf_double(x: Node) -> Node:
    z = _f("minimum", x**2, 1)
    near = x * (_polynomial(NEAR, z) / _polynomial(NEAR_BELOW, z))
    far = 1 - _tail(_f("abs", x))
    return _f("where", _f("lt", _f("abs", x), 1), near, _f("where", _f("ge", x, 0), far, -far))


def _erfc_double(x: Node) -> Node:
    tail = _tail(_f("abs", x))
    return _f("where", _f("ge", x, 0), tail, 2 - tail)


def _bell(x: Node) -> Node:
    """The derivative of erf."""
    return 2 / _f("sqrt", _pi()) * _f("exp", -(x**2))


def _normal(x: Node) -> Node:
    """The probability that a standard normal number is below x: (1 + erf(x/sqrt(2)))/2 without its cancellation."""
    return _f("erfc", -x / _f("sqrt", const(2))) / 2


def _gelu_derivative(x: Node) -> tuple[Node]:
    return (_normal(x) + x * _f("exp", -(x**2) / 2) / _f("sqrt", 2 * _pi()),)


ERROR = (
    Function("erf", ("x",), lambda y, x: (_bell(x),), double=_erf_double, mp="erf", sympy="erf",
             latex=r"\operatorname{erf}", source="Abramowitz and Stegun (1964), 7.1.19", analytic=False,
             image=Range(-1, 1)),
    Function("erfc", ("x",), lambda y, x: (-_bell(x),), definition=lambda x: 1 - _f("erf", x), double=_erfc_double,
             mp="erfc", sympy="erfc", latex=r"\operatorname{erfc}", source="Abramowitz and Stegun (1964), 7.1.2",
             analytic=False),
    Function("gelu", ("x",), lambda y, x: _gelu_derivative(x),
             definition=lambda x: x / 2 * (1 + _f("erf", x / _f("sqrt", const(2)))), machine=lambda x: x * _normal(x),
             latex=r"\operatorname{GELU}", symbol="a", source="Hendrycks and Gimpel (2016)", analytic=False,
             variants=(("approximate", "none", "gelu"), ("approximate", "tanh", "gelu_tanh"))),
)
