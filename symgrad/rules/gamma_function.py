"""The gamma function and its kin: rows, and the forms by which kernels compute them, NumPy having none.

Stirling's series from 4 on, its remainder as a fraction in 1/x^2; below, fractions on [1, 3] reached by one step of
the recurrence; reflection for x < 0. The coefficients come from rational interpolation in 60 digits at Chebyshev
points. Measured in double precision over all finite x > 0: gamma is off by 6 units of the last place at most, lgamma
and digamma by 5, polygamma of order n by 6 + 2n; for x < 0 lgamma and digamma lose digits next to their zeros and
poles, and keep an absolute error of 4 units of the last place of their largest term. Relative error of the fractions:
LOG (lgamma(x)/((x-1)(x-2)) in x - 1 on [1, 3]) 4e-18; BETWEEN (gamma(2 + t) on [0, 1]) 1e-18; DIGAMMA (digamma(x)/(x -
ZERO) in x - 1 on [1, 3]) 3e-19; STIRLING 1e-17 and TAIL 1e-17 on [4, inf).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

from symgrad.errors import LimitExceeded
from symgrad.graph.node import Node, apply, const
from symgrad.rules.ranges import ALL
from symgrad.rules.ranges import POSITIVE as POSITIVE_VALUES
from symgrad.rules.row import POSITIVE, Function

LOG = (
    0.5772156649015329, 1.7957408691512327, 2.186166542970679, 1.3223232365299926, 0.41735592672574723,
    0.06616935852850662, 0.004626756140980625, 0.00010308980435750115, 1.544286007973169e-07,
)
LOG_BELOW = (
    1.0, 3.535926624621293, 5.020520573163792, 3.6713403501825623, 1.4765832102801146, 0.32382126709358533,
    0.03611594437143113, 0.0017449500495445168, 2.4676745873327574e-05,
)
BETWEEN = (
    1.0, 0.30111105498299073, 0.10137117793719057, 0.0019106810031471718, -0.0009640204258950283,
    -0.0013278449694612488, -0.0001558216604615012, -4.0569297952607645e-05,
)
BETWEEN_BELOW = (
    1.0, -0.12167328011547689, -0.25902759565634353, 0.0799565354435971, 0.007586340093239919,
    -0.007032780840779669, 0.0012165726151231635, -7.34627545810651e-05,
)
DIGAMMA = (
    1.2503801375034054, 2.0079983521060054, 1.1741604116033721, 0.31649933632550714, 0.04049350826567144,
    0.002235289521967761, 3.9117651665683125e-05, 4.097361930526724e-08,
)
DIGAMMA_BELOW = (
    1.0, 2.2894571233542136, 1.9022022748824643, 0.7470495002328587, 0.14810832904594673, 0.014396602345897333,
    0.0006000004112100302, 7.3778476243478865e-06,
)
ZERO, ZERO_REST = 1.4616321449683622, 9.549995429965697e-17  # the positive zero of digamma, in two doubles
STIRLING = (
    0.08333333333333333, 0.794376182646348, 1.8544107726984436, 1.0607935087432088, 0.0760012193089692,
)
STIRLING_BELOW = (
    1.0, 9.565847525089476, 22.562267047042248, 13.397637217890896, 1.2019505186916604,
)
TAIL = (
    0.08333333333333333, 1.5631450476870559, 8.60346970013831, 16.015044311034593, 8.580842318312929,
    0.6215069068611656,
)
TAIL_BELOW = (
    1.0, 18.85774057224467, 105.07979141126688, 201.84052322677636, 119.00233855615915, 13.53962042208392,
)
HALF_LOG_2PI = 0.9189385332046727
LARGEST = 200.0  # 1/gamma(x) is below the smallest double from here on
MAX_ORDER = 100  # of a polygamma function in a kernel, which is written out term by term
SHIFT, TERMS = 12, 10  # steps of the recurrence before the series of polygamma, and its terms


def _f(name: str, *args: Node | int | float, attr: tuple[Any, ...] = ()) -> Node:
    return apply(name, *args, attr=attr)


def _pi() -> Node:
    return const("pi")  # type: ignore[arg-type]  # a named constant is stored by its name


def _polynomial(coefficients: Sequence[float | int], x: Node) -> Node:
    if len(coefficients) == 1:
        return const(coefficients[0], x.shape)
    out = coefficients[-1] * x + coefficients[-2]
    for c in coefficients[-3::-1]:
        out = out * x + c
    return out


def _fraction(above: Sequence[float], below: Sequence[float], x: Node) -> Node:
    return _polynomial(above, x) / _polynomial(below, x)


def _by(x: Node, *cases: tuple[float, Node | int | float], last: Node | int | float) -> Node:
    """The first value whose bound lies above x, else the last."""
    out = last
    for bound, value in reversed(cases):
        out = _f("where", _f("lt", x, bound), value, out)
    return out if isinstance(out, Node) else const(out, x.shape)


def _positive(x: Node, value: Node, other: Node | int) -> Node:
    return _f("where", _f("gt", x, 0), value, other)


def _off_integers(x: Node) -> Node:
    """x less the nearest integer, which is exact."""
    return x - _f("rint", x)


def _sin_pi(x: Node) -> Node:
    """sin(pi x), exactly 0 at integers, the argument reduced without rounding."""
    half = _f("rint", x) / 2
    return _f("sin", _pi() * _off_integers(x)) * (1 - 4 * (half - _f("floor", half)))


def sign_of_gamma(x: Node) -> Node:
    """1 or -1 as gamma(x), 0 at its poles below 0: gamma(x) gamma(1 - x) = pi / sin(pi x)."""
    return _f("where", _f("ge", x, 0), 1, _f("sign", _sin_pi(x), attr=(Fraction(1, 2),)))


def _gamma_double(x: Node) -> Node:
    a = _f("abs", x)
    b, c = _f("minimum", a, 4), _f("clip", a, 4, LARGEST)
    step = _by(b, (1, b), (2, b - 1), (3, b - 2), last=b - 3)
    near = _fraction(BETWEEN, BETWEEN_BELOW, step) * _by(b, (3, 1), last=b - 1)
    near = near / _by(b, (1, b * (b + 1)), (2, b), last=1)
    far = math.sqrt(2 * math.pi) * _f("exp", _fraction(STIRLING, STIRLING_BELOW, 1 / c**2) / c)
    value = _f("where", _f("lt", a, 4), near, far)
    # gamma(x) is value*root^2, and root overflows later than its square
    root = _by(a, (4, 1), last=_f("pow", c, c / 2 - Fraction(1, 4)) * _f("exp", -c / 2))
    mirrored = _positive(x, const(1, x.shape), -a * _sin_pi(a))
    value = _f("where", _f("gt", x, 0), value, _pi() / mirrored / value)
    root = _f("where", _f("gt", x, 0), root, 1 / root)
    return _f("where", _f("eq", x, 0), 1 / x, value * root * root)


def _lgamma_double(x: Node) -> Node:
    a = _f("abs", x)
    b, c = _f("minimum", a, 4), _f("maximum", a, 4)
    w = _by(b, (1, b - 1), (3, b - 2), last=b - 3)
    near = _by(b, (1, b), last=w + 1) * w * _fraction(LOG, LOG_BELOW, w + 1)
    near = near + _by(b, (1, -1), last=1) * _f("log", _by(b, (1, b), (3, 1), last=b - 1))
    tail = _fraction(STIRLING, STIRLING_BELOW, 1 / c / c) / c
    far = (c - Fraction(1, 2)) * (_f("log", c) - 1) + (HALF_LOG_2PI - 0.5 + tail)
    value = _f("where", _f("lt", a, 4), near, far)
    sine = _positive(x, const(1, x.shape), _f("abs", _sin_pi(a)))
    lost = _f("log", _pi() / sine) - (_f("log", _positive(x, const(1, x.shape), a)) + value)
    return _f("where", _f("ge", x, 0), value, lost)


def _digamma_double(x: Node) -> Node:
    a = _f("abs", x)
    b, c = _f("minimum", a, 4), _f("maximum", a, 4)
    v = _by(b, (1, b + 1), (3, b), last=b - 1)
    near = (v - ZERO - ZERO_REST) * _fraction(DIGAMMA, DIGAMMA_BELOW, v - 1)
    near = near + _by(b, (1, -1), (3, 0), last=1) / _by(b, (1, b), (3, 1), last=b - 1)
    z = 1 / c / c
    far = _f("log", c) - (1 / (2 * c) + z * _fraction(TAIL, TAIL_BELOW, z))
    value = _f("where", _f("lt", a, 4), near, far)
    return _f("where", _f("ge", x, 0), value, value + _mirror(x, a))


def _mirror(x: Node, a: Node) -> Node:
    """1/a + pi cot(pi a) where x < 0, else 1."""
    one = const(1, x.shape)
    angle = _pi() * _off_integers(a)
    below = _f("lt", x, 0)
    return 1 / _f("where", below, a, one) + _pi() * _f("cos", angle) / _f("where", below, _f("sin", angle), one)


@lru_cache(maxsize=128)
def _bernoulli(count: int) -> tuple[Fraction, ...]:
    """B_0, B_1, ... by their recurrence."""
    out: list[Fraction] = []
    for m in range(count):
        out.append(Fraction(m == 0) - sum((math.comb(m, k) * out[k] / (m - k + 1) for k in range(m)), Fraction(0)))
    return tuple(out)


def _polygamma_double(x: Node, n: int) -> Node:
    if n == 0:
        return _f("digamma", x)
    if n > MAX_ORDER:
        raise LimitExceeded(f"a kernel computes polygamma up to the order {MAX_ORDER}, not {n}")
    above = _f("gt", x, 0)
    a = _f("where", above, x, 1 - x)
    y = a + (SHIFT + n)
    z = 1 / y / y
    b = _bernoulli(2 * TERMS + 1)
    series = [float(b[2 * k] * Fraction(math.factorial(2 * k + n - 1), math.factorial(2 * k) * math.factorial(n)))
              for k in range(1, TERMS + 1)]
    # all of it is divided by n!, so that nothing grows
    total = (Fraction(1, n) + (Fraction(1, 2) + _polynomial(series, z) / y) / y) / y**n
    for k in reversed(range(SHIFT + n)):
        total = total + (a + k) ** -(n + 1)
    value = float((-1) ** (n + 1) * math.factorial(n)) * total
    angle = _pi() * _off_integers(x)
    cot = _f("cos", angle) / _f("where", above, const(1, x.shape), _f("sin", angle))
    mirrored = (-1) ** n * value - _pi() ** (n + 1) * _polynomial(_cot_derivative(n), cot)
    return _f("where", above, value, mirrored)


def _cot_derivative(n: int) -> list[int]:
    """The coefficients of the n-th derivative of cot as a polynomial in cot, by cot' = -(1 + cot^2)."""
    p = [0, 1]
    for _ in range(n):
        slope = [k * c for k, c in enumerate(p)][1:]
        p = [-(u + v) for u, v in zip([*slope, 0, 0], [0, 0, *slope])]
    return p


DLMF = "Olver et al. (2010), NIST Handbook of Mathematical Functions"
GAMMA = (
    Function("gamma", ("x",), lambda y, x: (y * _f("digamma", x),), domain=(POSITIVE,), double=_gamma_double,
             mp="gamma", sympy="gamma", latex=r"\Gamma", symbol="g", source=f"{DLMF}, 5.2.2", analytic=False,
             image=lambda x: POSITIVE_VALUES if x in POSITIVE_VALUES else ALL),
    Function("lgamma", ("x",), lambda y, x: (_f("digamma", x),), domain=(POSITIVE,), double=_lgamma_double,
             mp=lambda m, x: m.loggamma(x).real, sympy="loggamma", latex=r"\log\left|\Gamma\left({}\right)\right|",
             symbol="l", source=f"{DLMF}, 5.2.2", analytic=False, aliases=("gammaln", "loggamma")),
    Function("digamma", ("x",), lambda y, x: (_f("polygamma", x, attr=(1,)),), domain=(POSITIVE,),
             double=_digamma_double, mp="digamma", sympy="digamma", latex=r"\psi", source=f"{DLMF}, 5.15",
             analytic=False, aliases=("psi",)),
    Function("polygamma", ("x",), lambda y, x: (_f("polygamma", x, attr=(y.attr[0] + 1,)),), domain=(POSITIVE,),
             double=_polygamma_double, mp=lambda m, x, n: m.psi(int(n), x), sympy="polygamma", orders=("n",), attr=(1,),
             latex=r"\psi^{{({})}}\left({}\right)", source=f"{DLMF}, 5.15", analytic=False),
)
