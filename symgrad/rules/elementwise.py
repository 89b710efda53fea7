"""The elementwise functions, one row each: derivative in inputs and output, definition, domain, spellings.

Adding a function is adding a row; no other file changes. `y` is the output, so a derivative may reuse it.
Kinks follow one policy: 0 at a local optimum, the one existing side, otherwise the mean of the sides; relu'(0) = 0.
The attribute of `step` and `sign` is the share of the right-hand side in their value at 0 (`symgrad.graph.ops.Jump`).
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from symgrad.graph.node import Node, apply, const
from symgrad.rules.activations import ACTIVATIONS
from symgrad.rules.error_function import ERROR
from symgrad.rules.gamma_function import GAMMA
from symgrad.rules.ranges import BALANCED, INF, NEGATIVE, NONNEGATIVE, NONPOSITIVE, Range, larger, magnitude, point
from symgrad.rules.ranges import POSITIVE as POSITIVE_VALUES
from symgrad.rules.ranges import UNIT as UNIT_VALUES
from symgrad.rules.row import ABOVE_ONE, POSITIVE, REAL, WITHIN_ONE, Case, Function, Interval
from symgrad.rules.sinc import SINC

HALF = Fraction(1, 2)
PI = "pi"


def _f(name: str, *args: Node | int | Fraction, attr: tuple[Any, ...] = ()) -> Node:
    return apply(name, *args, attr=attr)


def pi() -> Node:
    """The constant pi, kept exact."""
    return const(PI)  # type: ignore[arg-type]  # a named constant is stored by its name


def _pi_in(x: Node) -> Node:
    return const(PI, x.shape)  # type: ignore[arg-type]  # a named constant is stored by its name


def _mp_step(m: Any, x: Any, at: Any) -> Any:
    return m.mpf(1) if x > 0 else m.mpf(0) if x < 0 else m.mpf(at.numerator) / at.denominator


def _mp_sign(m: Any, x: Any, at: Any) -> Any:
    return 2 * _mp_step(m, x, at) - 1


def _step_at(value: int | Fraction) -> str:
    return r"\mathbf{{1}}[{} \ge 0]" if value == 1 else rf"\mathbf{{{{1}}}}_{{{{{value}}}}}[{{}} > 0]"


def _sign_at(value: int | Fraction) -> str:
    return rf"\operatorname{{sign}}_{{{value}}}"


def _mask(c: Node) -> Node:
    """The condition as 0 or 1: a comparison is that already, a mask given as an array is compared with 0."""
    return c if c.op in ("gt", "ge", "lt", "le", "eq", "ne") else _f("ne", c, 0)


def _log(number: int, x: Node) -> Node:
    """The logarithm of a number, in the shape of x."""
    return _f("log", const(number, x.shape))


def _half_step(x: Node) -> Node:
    return _f("step", x, attr=(HALF,))


def _decided(difference: Range, value: int) -> Case:
    """A comparison whose outcome the range of a - b decides."""
    return lambda a, b: ((a - b, difference),), lambda a, b: const(value, a.shape)


def _clip_derivative(x: Node, lo: Node, hi: Node) -> tuple[Node, Node, Node]:
    return (_half_step(x - lo) * _half_step(hi - x), _half_step(lo - x) * _half_step(hi - lo),
            _half_step(_f("maximum", x, lo) - hi))


ARITHMETIC = (
    Function("add", ("a", "b"), lambda y, a, b: (const(1), const(1)), numpy="add", mp=lambda m, a, b: a + b,
             latex="{} + {}", source="linearity"),
    Function("sub", ("a", "b"), lambda y, a, b: (const(1), const(-1)), numpy="subtract", mp=lambda m, a, b: a - b,
             latex="{} - {}", source="linearity", aliases=("subtract",)),
    Function("neg", ("x",), lambda y, x: (const(-1),), numpy="negative", mp=lambda m, x: -x,
             latex="-{}", source="linearity", aliases=("negative",)),
    Function("mul", ("a", "b"), lambda y, a, b: (b, a), numpy="multiply", mp=lambda m, a, b: a * b,
             latex="{} {}", source="product rule", aliases=("multiply",)),
    Function("div", ("a", "b"), lambda y, a, b: (1 / b, -a / b**2), definition=lambda a, b: a * b**-1,
             domain=(REAL, POSITIVE), numpy="divide", mp=lambda m, a, b: a / b, latex=r"\frac{{{}}}{{{}}}",
             source="quotient rule", aliases=("divide", "true_divide")),
    Function("pow", ("a", "b"), lambda y, a, b: (b * a ** (b - 1), y * _f("log", a)),
             definition=lambda a, b: _f("exp", b * _f("log", a)), domain=(POSITIVE, REAL), numpy="power",
             mp=lambda m, a, b: a**b, latex="{}^{{{}}}", source="power rule",
             aliases=("power", "float_power")),
)

EXPONENTIAL = (
    Function("exp", ("x",), lambda y, x: (y,), numpy="exp", mp="exp", sympy="exp", latex=r"\exp", symbol="e",
             image=POSITIVE_VALUES),
    Function("log", ("x",), lambda y, x: (1 / x,), domain=(POSITIVE,), numpy="log", mp="log", sympy="log",
             latex=r"\log", symbol="l", aliases=("ln",)),
    Function("sqrt", ("x",), lambda y, x: (1 / (2 * y),), definition=lambda x: x ** HALF, domain=(POSITIVE,),
             numpy="sqrt", mp="sqrt", sympy="sqrt", latex=r"\sqrt{{{}}}", symbol="r",
             image=lambda x: POSITIVE_VALUES if x in POSITIVE_VALUES else NONNEGATIVE),
    Function("expm1", ("x",), lambda y, x: (_f("exp", x),), definition=lambda x: _f("exp", x) - 1, numpy="expm1",
             mp="expm1", latex=r"\mathrm{expm1}"),
    Function("log1p", ("x",), lambda y, x: (1 / (1 + x),), definition=lambda x: _f("log", 1 + x),
             domain=(Interval(-1.0, INF),), numpy="log1p", mp="log1p", latex=r"\mathrm{log1p}"),
    Function("exp2", ("x",), lambda y, x: (y * _log(2, x),), definition=lambda x: _f("exp", x * _log(2, x)),
             numpy="exp2", mp=lambda m, x: m.mpf(2) ** x, latex=r"2^{{{}}}", symbol="e", image=POSITIVE_VALUES),
    Function("log2", ("x",), lambda y, x: (1 / (x * _log(2, x)),), definition=lambda x: _f("log", x) / _log(2, x),
             domain=(POSITIVE,), numpy="log2", mp=lambda m, x: m.log(x, 2), latex=r"\log_{2}", symbol="l"),
    Function("log10", ("x",), lambda y, x: (1 / (x * _log(10, x)),), definition=lambda x: _f("log", x) / _log(10, x),
             domain=(POSITIVE,), numpy="log10", mp="log10", latex=r"\log_{10}", symbol="l"),
    Function("logaddexp", ("a", "b"), lambda y, a, b: (_f("sigmoid", a - b), _f("sigmoid", b - a)),
             definition=lambda a, b: _f("log", _f("exp", a) + _f("exp", b)), numpy="logaddexp",
             latex=r"\operatorname{logaddexp}", symbol="l", analytic=False),
    Function("logaddexp2", ("a", "b"),
             lambda y, a, b: (_f("sigmoid", (a - b) * _log(2, a)), _f("sigmoid", (b - a) * _log(2, a))),
             definition=lambda a, b: _f("log2", _f("exp2", a) + _f("exp2", b)), numpy="logaddexp2",
             latex=r"\operatorname{logaddexp}_2", symbol="l", analytic=False),
    Function("cbrt", ("x",), lambda y, x: (1 / (3 * y**2),),
             definition=lambda x: _f("sign", x, attr=(HALF,)) * _f("abs", x) ** Fraction(1, 3), numpy="cbrt",
             mp=lambda m, x: m.sign(x) * m.cbrt(abs(x)), latex=r"\sqrt[3]{{{}}}", symbol="r", analytic=False),
    Function("reciprocal", ("x",), lambda y, x: (-(y**2),), definition=lambda x: 1 / x, domain=(POSITIVE,),
             numpy="reciprocal", mp=lambda m, x: 1 / x, latex=r"\frac{{1}}{{{}}}", symbol="r"),
    Function("hypot", ("a", "b"), lambda y, a, b: (a / y, b / y), definition=lambda a, b: _f("sqrt", a**2 + b**2),
             numpy="hypot", mp="hypot", latex=r"\operatorname{hypot}", symbol="r", analytic=False,
             image=NONNEGATIVE),
)

TRIGONOMETRIC = (
    Function("sin", ("x",), lambda y, x: (_f("cos", x),), numpy="sin", mp="sin", sympy="sin", latex=r"\sin",
             image=BALANCED),
    Function("cos", ("x",), lambda y, x: (-_f("sin", x),), numpy="cos", mp="cos", sympy="cos", latex=r"\cos",
             image=BALANCED),
    Function("tan", ("x",), lambda y, x: (1 + y**2,), definition=lambda x: _f("sin", x) / _f("cos", x),
             domain=(WITHIN_ONE,), numpy="tan", mp="tan", sympy="tan", latex=r"\tan"),
    Function("arctan", ("x",), lambda y, x: (1 / (1 + x**2),), numpy="arctan", mp="atan", sympy="atan",
             latex=r"\arctan", aliases=("atan",)),
    Function("arcsin", ("x",), lambda y, x: (1 / _f("sqrt", 1 - x**2),), domain=(WITHIN_ONE,), numpy="arcsin",
             mp="asin", sympy="asin", latex=r"\arcsin", aliases=("asin",)),
    Function("arccos", ("x",), lambda y, x: (-1 / _f("sqrt", 1 - x**2),), domain=(WITHIN_ONE,), numpy="arccos",
             mp="acos", sympy="acos", latex=r"\arccos", aliases=("acos",)),
    Function("arctan2", ("a", "b"), lambda y, a, b: (b / (a**2 + b**2), -a / (a**2 + b**2)),
             definition=lambda a, b: 2 * _f("arctan", a / (_f("sqrt", a**2 + b**2) + b)), numpy="arctan2", mp="atan2",
             sympy="atan2", latex=r"\operatorname{arctan2}", analytic=False, aliases=("atan2",)),
)

ANGLES = (
    Function("deg2rad", ("x",), lambda y, x: (_pi_in(x) / 180,), definition=lambda x: x * _pi_in(x) / 180,
             numpy="deg2rad", latex=r"\operatorname{deg2rad}", source="linearity", aliases=("radians",)),
    Function("rad2deg", ("x",), lambda y, x: (180 / _pi_in(x),), definition=lambda x: x * 180 / _pi_in(x),
             numpy="rad2deg", latex=r"\operatorname{rad2deg}", source="linearity", aliases=("degrees",)),
)

HYPERBOLIC = (
    Function("sinh", ("x",), lambda y, x: (_f("cosh", x),),
             definition=lambda x: (_f("exp", x) - _f("exp", -x)) / 2,
             numpy="sinh", mp="sinh", sympy="sinh", latex=r"\sinh"),
    Function("cosh", ("x",), lambda y, x: (_f("sinh", x),),
             definition=lambda x: (_f("exp", x) + _f("exp", -x)) / 2,
             numpy="cosh", mp="cosh", sympy="cosh", latex=r"\cosh", image=Range(1, INF, at_low=True)),
    Function("tanh", ("x",), lambda y, x: (1 - y**2,),
             definition=lambda x: (_f("exp", x) - _f("exp", -x)) / (_f("exp", x) + _f("exp", -x)),
             numpy="tanh", mp="tanh", sympy="tanh", latex=r"\tanh", symbol="t", image=Range(-1, 1)),
    Function("arctanh", ("x",), lambda y, x: (1 / (1 - x**2),),
             definition=lambda x: _f("log", (1 + x) / (1 - x)) / 2, domain=(WITHIN_ONE,), numpy="arctanh", mp="atanh",
             sympy="atanh", latex=r"\operatorname{artanh}", aliases=("atanh",)),
    Function("arcsinh", ("x",), lambda y, x: (1 / _f("sqrt", x**2 + 1),),
             definition=lambda x: _f("log", x + _f("sqrt", x**2 + 1)), numpy="arcsinh", mp="asinh", sympy="asinh",
             latex=r"\operatorname{arsinh}", aliases=("asinh",)),
    Function("arccosh", ("x",), lambda y, x: (1 / _f("sqrt", x**2 - 1),),
             definition=lambda x: _f("log", x + _f("sqrt", x**2 - 1)), domain=(ABOVE_ONE,), numpy="arccosh", mp="acosh",
             sympy="acosh", latex=r"\operatorname{arcosh}", aliases=("acosh",)),
)

PIECEWISE = (
    Function("maximum", ("a", "b"), lambda y, a, b: (_f("step", a - b, attr=(HALF,)), _f("step", b - a, attr=(HALF,))),
             kink=lambda a, b: a - b, numpy="maximum", mp=lambda m, a, b: max(a, b), sympy="Max", latex=r"\max",
             symbol="m", source="one-sided derivatives agree off the tie", analytic=False, aliases=("fmax",),
             image=larger,
             cases=((lambda a, b: ((a - b, NONNEGATIVE),), lambda a, b: a),
                    (lambda a, b: ((a - b, NONPOSITIVE),), lambda a, b: b))),
    Function("minimum", ("a", "b"), lambda y, a, b: (_f("step", b - a, attr=(HALF,)), _f("step", a - b, attr=(HALF,))),
             definition=lambda a, b: -_f("maximum", -a, -b), kink=lambda a, b: a - b, numpy="minimum",
             mp=lambda m, a, b: min(a, b), sympy="Min", latex=r"\min", symbol="m", source="min(a, b) = -max(-a, -b)",
             analytic=False, aliases=("fmin",),
             cases=((lambda a, b: ((a - b, NONPOSITIVE),), lambda a, b: a),
                    (lambda a, b: ((a - b, NONNEGATIVE),), lambda a, b: b))),
    Function("clip", ("x", "lo", "hi"), lambda y, x, lo, hi: _clip_derivative(x, lo, hi),
             definition=lambda x, lo, hi: _f("minimum", _f("maximum", x, lo), hi),
             kink=lambda x, lo, hi: (x - lo) * (hi - x), numpy="clip", mp=lambda m, x, lo, hi: min(max(x, lo), hi),
             latex=r"\operatorname{clip}", symbol="m", source="one-sided derivatives agree off the borders",
             analytic=False,
             cases=((lambda x, lo, hi: ((x - lo, NONNEGATIVE), (hi - x, NONNEGATIVE)), lambda x, lo, hi: x),)),
    Function("abs", ("x",), lambda y, x: (_f("sign", x, attr=(HALF,)),), definition=lambda x: _f("maximum", x, -x),
             kink=lambda x: x, numpy="absolute", mp=lambda m, x: abs(x), sympy="Abs", latex=r"\left|{}\right|",
             symbol="m", source="one-sided derivatives", analytic=False, aliases=("absolute", "fabs"), image=magnitude,
             cases=((lambda x: ((x, NONNEGATIVE),), lambda x: x), (lambda x: ((x, NONPOSITIVE),), lambda x: -x))),
    Function("sign", ("x",), lambda y, x: (None,), kink=lambda x: x, numpy="sign", mp=_mp_sign, sympy="sign",
             latex=r"\operatorname{sign}", latex_at=_sign_at, source="constant off 0", attr=(HALF,), analytic=False,
             image=BALANCED, cases=((lambda x: ((x, POSITIVE_VALUES),), lambda x: const(1, x.shape)),
                                    (lambda x: ((x, NEGATIVE),), lambda x: const(-1, x.shape)))),
    Function("step", ("x",), lambda y, x: (None,), kink=lambda x: x, numpy="heaviside", mp=_mp_step,
             latex=r"\mathbf{{1}}[{} > 0]", latex_at=_step_at, symbol="g", source="constant off 0", attr=(0,),
             analytic=False,
             image=UNIT_VALUES, cases=((lambda x: ((x, POSITIVE_VALUES),), lambda x: const(1, x.shape)),
                                       (lambda x: ((x, NEGATIVE),), lambda x: const(0, x.shape)))),
    Function("where", ("c", "a", "b"), lambda y, c, a, b: (None, _mask(c), 1 - _mask(c)), numpy="where",
             mp=lambda m, c, a, b: a if c else b, latex=r"\operatorname{where}", source="one branch is taken",
             analytic=False, image=lambda c, a, b: a.join(b),
             cases=((lambda c, a, b: ((c, POSITIVE_VALUES),), lambda c, a, b: a),
                    (lambda c, a, b: ((c, point(0)),), lambda c, a, b: b))),
    *(Function(name, ("a", "b"), lambda y, a, b: (None, None), kink=lambda a, b: a - b, numpy=ufunc, mp=mp,
               latex=latex, source="constant off the boundary", analytic=False, image=UNIT_VALUES,
               cases=tuple(_decided(r, 1) for r in true) + tuple(_decided(r, 0) for r in false))
      for name, ufunc, mp, latex, true, false in (
          ("gt", "greater", lambda m, a, b: m.mpf(a > b), r"\mathbf{{1}}[{} > {}]", (POSITIVE_VALUES,),
           (NONPOSITIVE,)),
          ("ge", "greater_equal", lambda m, a, b: m.mpf(a >= b), r"\mathbf{{1}}[{} \ge {}]", (NONNEGATIVE,),
           (NEGATIVE,)),
          ("lt", "less", lambda m, a, b: m.mpf(a < b), r"\mathbf{{1}}[{} < {}]", (NEGATIVE,), (NONNEGATIVE,)),
          ("le", "less_equal", lambda m, a, b: m.mpf(a <= b), r"\mathbf{{1}}[{} \le {}]", (NONPOSITIVE,),
           (POSITIVE_VALUES,)),
          ("eq", "equal", lambda m, a, b: m.mpf(a == b), r"\mathbf{{1}}[{} = {}]", (point(0),),
           (POSITIVE_VALUES, NEGATIVE)),
          ("ne", "not_equal", lambda m, a, b: m.mpf(a != b), r"\mathbf{{1}}[{} \ne {}]", (POSITIVE_VALUES, NEGATIVE),
           (point(0),)),
      )),
)

FLAT = "constant between its steps"
ROUNDING = (
    Function("floor", ("x",), lambda y, x: (None,), kink=lambda x: _f("sin", _pi_in(x) * x), numpy="floor", mp="floor",
             reads=("floor",), latex=r"\left\lfloor {}\right\rfloor", source=FLAT, analytic=False),
    Function("ceil", ("x",), lambda y, x: (None,), kink=lambda x: _f("sin", _pi_in(x) * x), numpy="ceil", mp="ceil",
             reads=("ceiling",), latex=r"\left\lceil {}\right\rceil", source=FLAT, analytic=False),
    Function("rint", ("x",), lambda y, x: (None,), kink=lambda x: _f("cos", _pi_in(x) * x), numpy="rint", mp="nint",
             latex=r"\operatorname{rint}", source=FLAT, analytic=False),
    Function("trunc", ("x",), lambda y, x: (None,), kink=lambda x: _f("sinc", x), numpy="trunc",
             mp=lambda m, x: m.sign(x) * m.floor(abs(x)), latex=r"\operatorname{trunc}", source=FLAT, analytic=False),
    Function("remainder", ("a", "b"), lambda y, a, b: (const(1), -_f("floor", a / b)),
             definition=lambda a, b: a - b * _f("floor", a / b), domain=(REAL, POSITIVE),
             kink=lambda a, b: _f("sin", _pi_in(a) * (a / b)), numpy="remainder", reads=("Mod",),
             latex=r"{} \bmod {}", source="a - b floor(a/b)", analytic=False, aliases=("mod",)),
    Function("fmod", ("a", "b"), lambda y, a, b: (const(1), -_f("trunc", a / b)),
             definition=lambda a, b: a - b * _f("trunc", a / b), domain=(REAL, POSITIVE),
             kink=lambda a, b: _f("sinc", a / b), numpy="fmod", latex=r"\operatorname{fmod}",
             source="a - b trunc(a/b)", analytic=False),
    Function("copysign", ("a", "b"), lambda y, a, b: (_f("sign", a, attr=(HALF,)) * _f("sign", b, attr=(1,)), None),
             definition=lambda a, b: _f("abs", a) * _f("sign", b, attr=(1,)), kink=lambda a, b: a * b,
             numpy="copysign", latex=r"\operatorname{copysign}", source="one-sided derivatives", analytic=False),
    Function("heaviside", ("x", "at"), lambda y, x, at: (None, _f("eq", x, 0)),
             definition=lambda x, at: _f("where", _f("eq", x, 0), at, _f("step", x, attr=(0,))), kink=lambda x, at: x,
             numpy="heaviside", latex=r"\operatorname{heaviside}", source="constant off 0", analytic=False),
)

FUNCTIONS: tuple[Function, ...] = (
    *ARITHMETIC, *EXPONENTIAL, *TRIGONOMETRIC, *ANGLES, *HYPERBOLIC, *SINC, *ERROR, *GAMMA, *ACTIVATIONS, *PIECEWISE,
    *ROUNDING,
)  # fmt: skip
BY_NAME: dict[str, Function] = {f.name: f for f in FUNCTIONS}
