"""sinc as NumPy has it, sin(pi x)/(pi x), and the spherical Bessel functions in which its derivatives stay smooth at 0.

sinc(x) = j_0(pi x), j_0' = -j_1, and (2n+1) j_n' = n j_(n-1) - (n+1) j_(n+1): no quotient 0/0 appears at any order.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from symgrad.errors import LimitExceeded
from symgrad.graph.node import Node, apply, const
from symgrad.rules.row import Function

MAX_ORDER = 30  # of a spherical Bessel function in a kernel, which is written out
SOURCE = "Olver et al. (2010), NIST Handbook of Mathematical Functions, 10.51"


def _f(name: str, *args: Node | int | float, attr: tuple[Any, ...] = ()) -> Node:
    return apply(name, *args, attr=attr)


def _pi() -> Node:
    return const("pi")  # type: ignore[arg-type]  # a named constant is stored by its name


def _bessel(n: int, z: Node) -> Node:
    return _f("spherical_jn", z, attr=(n,))


def _bessel_derivative(n: int, z: Node) -> tuple[Node]:
    if n == 0:
        return (-_bessel(1, z),)
    return ((n * _bessel(n - 1, z) - (n + 1) * _bessel(n + 1, z)) / (2 * n + 1),)


def _not_0(x: Node) -> Node:
    return _f("where", _f("eq", x, 0), 1, x)


def _sinc_quotient(x: Node) -> Node:
    """The definition with its value at 0."""
    z = _pi() * _not_0(x)
    return _f("where", _f("eq", x, 0), 1, _f("sin", z) / z)


def _sinc_double(x: Node) -> Node:
    """The argument of the sine is reduced before it is rounded."""
    nearest = _f("rint", x)
    half = nearest / 2
    sine = _f("sin", _pi() * (x - nearest)) * (1 - 4 * (half - _f("floor", half)))
    return _f("where", _f("eq", x, 0), 1, sine / (_pi() * _not_0(x)))


def _bessel_double(z: Node, n: int) -> Node:
    """The recurrence in n from |z| = n + 1 on, where it is stable, and the power series below."""
    if n > MAX_ORDER:
        raise LimitExceeded(f"a kernel computes spherical Bessel functions up to the order {MAX_ORDER}, not {n}")
    bound = n + 1
    far = _f("gt", _f("abs", z), bound)
    s = _f("where", far, z, bound)
    lower, upper = _f("sin", s) / s, (_f("sin", s) / s - _f("cos", s)) / s
    for k in range(1, n + 1):
        lower, upper = upper, (2 * k + 1) / s * upper - lower
    u = _f("where", far, 0, z)
    factors = [Fraction(1)]
    while abs(factors[-1]) * Fraction(bound) ** (2 * len(factors) - 2) > Fraction(1, 2**62):
        k = len(factors)
        factors.append(-factors[-1] / (2 * k * (2 * n + 2 * k + 1)))
    out = const(float(factors[-1]), z.shape)
    for c in factors[-2::-1]:
        out = out * u**2 + float(c)
    near = u**n * out / float(math.prod(range(1, 2 * n + 2, 2)))
    return _f("where", far, lower, near)


SINC = (
    Function("sinc", ("x",), lambda y, x: (-_pi() * _bessel(1, _pi() * x),),
             definition=lambda x: _f("sin", _pi() * x) / (_pi() * x), branches=_sinc_quotient, double=_sinc_double,
             mp="sincpi", latex=r"\operatorname{sinc}", symbol="s", source=SOURCE, analytic=True),
    Function("spherical_jn", ("z",), lambda y, z: _bessel_derivative(y.attr[0], z), orders=("n",), attr=(1,),
             double=_bessel_double, mp=lambda m, z, n: _mp_bessel(m, int(n), z), reads=("jn",),
             latex=r"j_{{{}}}\left({}\right)", symbol="j", source=SOURCE, analytic=False),
)


def _mp_bessel(m: Any, n: int, z: Any) -> Any:
    """j_n(z) by the hypergeometric function, which is entire."""
    return z**n / m.fac2(2 * n + 1) * m.hyp0f1(n + m.mpf(3) / 2, -z * z / 4)
