"""Random scalar compositions of all functions, and their values as written: mpmath for the truth, NumPy for the floats.

It shares nothing with the engines: a composition is a tree of names, its text is what symgrad reads, and both
evaluators below follow the tree. What is undefined in the reals (a pole, a root of a negative number) is nan.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import mpmath
import numpy as np
import scipy.special as sc

DIGITS = 80
NAN = mpmath.nan
LARGEST = {"exp": 1e5, "gamma": 1e4, "angle": 1e25}  # arguments beyond which 80 digits are no truth


class TooLarge(Exception):
    """A value that mpmath would take too many digits for."""


@dataclass(frozen=True)
class Tree:
    """A function of trees, a variable (no arguments, a name) or a number."""

    op: str
    args: tuple[Tree, ...] = ()

    def __str__(self) -> str:
        if self.op in TEXT:
            return TEXT[self.op].format(*self.args)
        if not self.args:
            return f"({self.op})" if self.op.startswith("-") else self.op
        return f"{self.op}({', '.join(map(str, self.args))})"


TEXT = {
    "add": "({} + {})", "sub": "({} - {})", "mul": "({}*{})", "div": "({}/{})", "neg": "(-{})", "pow": "({}**{})",
    "where>": "where({} > {}, {}, {})", "where>=": "where({} >= {}, {}, {})", "where<": "where({} < {}, {}, {})",
    "where==": "where({} == {}, {}, {})", "where<=": "where({} <= {}, {}, {})", "where!=": "where({} != {}, {}, {})",
    "trigamma": "polygamma(1, {})", "j1": "spherical_jn(1, {})",
    "clipped": "clip({}, -1, 2)", "gelu_tanh": "gelu({}, approximate='tanh')",
}  # fmt: skip


def _real(f: Callable[..., Any]) -> Callable[..., Any]:
    def value(*xs: Any) -> Any:
        try:
            out = f(*xs)
        except (ZeroDivisionError, ValueError):
            return NAN
        return out if isinstance(out, mpmath.mpf) and mpmath.isfinite(out) else NAN

    return value


def _exp(x: Any) -> Any:
    if abs(x) > LARGEST["exp"]:
        raise TooLarge
    return mpmath.exp(x)


def _bounded(f: Callable[..., Any], kind: str) -> Callable[..., Any]:
    def value(x: Any) -> Any:
        if abs(x) > LARGEST[kind]:
            raise TooLarge
        return f(x)

    return value


def _pow(a: Any, b: Any) -> Any:
    whole = b == int(b) if abs(b) < 1e9 else False
    if a == 0:
        return mpmath.mpf(1) if b == 0 else mpmath.mpf(0) if b > 0 else NAN
    if a < 0 and not whole:
        return NAN
    if abs(b * mpmath.log(abs(a))) > LARGEST["exp"]:
        raise TooLarge
    return a ** (int(b) if whole else b)


def _expm1(x: Any) -> Any:
    _exp(x)
    return mpmath.expm1(x)


def _log(x: Any) -> Any:
    return mpmath.log(x) if x > 0 else NAN


def _log1p(x: Any) -> Any:
    return mpmath.log1p(x) if x > -1 else NAN


def _pole(x: Any) -> bool:
    return bool(x <= 0 and x == mpmath.floor(x))


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + _exp(-x))


def _step(x: Any, at: Any = 0) -> Any:
    return mpmath.mpf(1) if x > 0 else mpmath.mpf(0) if x < 0 else mpmath.mpf(at)


def _sign(x: Any) -> Any:
    return 2 * _step(x, 0.5) - 1


def _mp_floor(x: Any) -> Any:
    if abs(x) > LARGEST["angle"]:
        raise TooLarge
    return mpmath.floor(x)


def _trunc(x: Any) -> Any:
    return _sign(x) * _mp_floor(abs(x))


def _rint(x: Any) -> Any:
    if abs(x) > LARGEST["angle"]:
        raise TooLarge
    return mpmath.nint(x)


def _bessel1(z: Any) -> Any:
    if z == 0:
        return mpmath.mpf(0)
    return mpmath.sin(z) / z**2 - mpmath.cos(z) / z if abs(z) > 1e-8 else z / 3 - z**3 / 30


def _clip(x: Any, lo: Any, hi: Any) -> Any:
    return min(max(x, lo), hi)


def _erf(x: Any) -> Any:
    return mpmath.erf(x) if abs(x) < 1e4 else _sign(x)


def _erfc(x: Any) -> Any:
    if x > 1e3:
        raise TooLarge
    return mpmath.erfc(x) if x > -1e4 else mpmath.mpf(2)


def _elu(x: Any, a: Any) -> Any:
    return x if x > 0 else a * _expm1(x)


_SELU = (1.0507009873554805, 1.6732632423543772)
_HALF_ROOT = math.sqrt(0.5)


def _np_pow(a: Any, b: Any) -> Any:
    return np.power(a, b)


def _np_sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


# name: (arguments, the real function in mpmath, the same in NumPy)
UNARY: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "neg": (lambda x: -x, np.negative),
    "exp": (_exp, np.exp),
    "log": (_log, np.log),
    "sqrt": (lambda x: mpmath.sqrt(x) if x >= 0 else NAN, np.sqrt),
    "expm1": (_expm1, np.expm1),
    "log1p": (_log1p, np.log1p),
    "exp2": (lambda x: _exp(x * mpmath.log(2)), np.exp2),
    "log2": (lambda x: _log(x) / mpmath.log(2), np.log2),
    "log10": (lambda x: _log(x) / mpmath.log(10), np.log10),
    "cbrt": (lambda x: _sign(x) * _pow(abs(x), mpmath.mpf(1) / 3), np.cbrt),
    "reciprocal": (lambda x: 1 / x, np.reciprocal),
    "sin": (_bounded(mpmath.sin, "angle"), np.sin),
    "cos": (_bounded(mpmath.cos, "angle"), np.cos),
    "tan": (_bounded(mpmath.tan, "angle"), np.tan),
    "arctan": (mpmath.atan, np.arctan),
    "arcsin": (lambda x: mpmath.asin(x) if abs(x) <= 1 else NAN, np.arcsin),
    "arccos": (lambda x: mpmath.acos(x) if abs(x) <= 1 else NAN, np.arccos),
    "deg2rad": (lambda x: x * mpmath.pi / 180, np.deg2rad),
    "rad2deg": (lambda x: x * 180 / mpmath.pi, np.rad2deg),
    "sinh": (lambda x: (_exp(x) - _exp(-x)) / 2, np.sinh),
    "cosh": (lambda x: (_exp(x) + _exp(-x)) / 2, np.cosh),
    "tanh": (lambda x: 1 - 2 / (_exp(2 * x) + 1), np.tanh),
    "arctanh": (lambda x: mpmath.atanh(x) if abs(x) < 1 else NAN, np.arctanh),
    "arcsinh": (mpmath.asinh, np.arcsinh),
    "arccosh": (lambda x: mpmath.acosh(x) if x >= 1 else NAN, np.arccosh),
    "sinc": (_bounded(mpmath.sincpi, "angle"), np.sinc),
    "j1": (_bounded(_bessel1, "angle"), lambda x: sc.spherical_jn(1, x)),
    "erf": (_erf, sc.erf),
    "erfc": (_erfc, sc.erfc),
    "gamma": (lambda x: NAN if _pole(x) else _bounded(mpmath.gamma, "gamma")(x), sc.gamma),
    "lgamma": (lambda x: NAN if _pole(x) else _bounded(mpmath.loggamma, "gamma")(x).real, sc.gammaln),
    "digamma": (lambda x: NAN if _pole(x) else _bounded(mpmath.digamma, "gamma")(x), sc.digamma),
    "trigamma": (lambda x: NAN if _pole(x) else _bounded(lambda v: mpmath.psi(1, v), "gamma")(x),
                 lambda x: sc.polygamma(1, x) if x > 0 else math.inf if x == np.floor(x) else
             (math.pi / np.sin(math.pi * x)) ** 2 - sc.zeta(2, 1 - x)),
    "sigmoid": (_sigmoid, _np_sigmoid),
    "softplus": (lambda x: _log1p(_exp(x)), lambda x: np.logaddexp(0, x)),
    "log_sigmoid": (lambda x: -_log1p(_exp(-x)), lambda x: -np.logaddexp(0, -x)),
    "relu": (lambda x: max(x, mpmath.mpf(0)), lambda x: np.maximum(x, 0)),
    "silu": (lambda x: x * _sigmoid(x), lambda x: x * _np_sigmoid(x)),
    "mish": (lambda x: x * UNARY["tanh"][0](_log(1 + _exp(x))), lambda x: x * np.tanh(np.logaddexp(0, x))),
    "softsign": (lambda x: x / (1 + abs(x)), lambda x: x / (1 + np.abs(x))),
    "selu": (lambda x: _SELU[0] * _elu(x, _SELU[1]),
             lambda x: _SELU[0] * np.where(x > 0, x, _SELU[1] * np.expm1(np.minimum(x, 0)))),
    "relu6": (lambda x: _clip(x, mpmath.mpf(0), mpmath.mpf(6)), lambda x: np.clip(x, 0, 6)),
    "hardsigmoid": (lambda x: _clip(x / 6 + 0.5, mpmath.mpf(0), mpmath.mpf(1)), lambda x: np.clip(x / 6 + 0.5, 0, 1)),
    "hardswish": (lambda x: x * _clip(x / 6 + 0.5, mpmath.mpf(0), mpmath.mpf(1)),
                  lambda x: x * np.clip(x / 6 + 0.5, 0, 1)),
    "gelu": (lambda x: x / 2 * (1 + _erf(x / mpmath.sqrt(2))), lambda x: x / 2 * sc.erfc(-x * _HALF_ROOT)),
    "gelu_tanh": (lambda x: x * _sigmoid(2 * mpmath.sqrt(2 / mpmath.pi) * (x + 0.044715 * x**3)),
                  lambda x: x * _np_sigmoid(2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "clipped": (lambda x: _clip(x, mpmath.mpf(-1), mpmath.mpf(2)), lambda x: np.clip(x, -1, 2)),
    "abs": (abs, np.abs),
    "sign": (_sign, np.sign),
    "step": (_step, lambda x: np.heaviside(x, 0.0)),
    "floor": (_mp_floor, np.floor),
    "ceil": (lambda x: -_mp_floor(-x), np.ceil),
    "rint": (_rint, np.rint),
    "trunc": (_trunc, np.trunc),
}
BINARY: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "add": (lambda a, b: a + b, np.add),
    "sub": (lambda a, b: a - b, np.subtract),
    "mul": (lambda a, b: a * b, np.multiply),
    "div": (lambda a, b: a / b, np.divide),
    "pow": (_pow, _np_pow),
    "logaddexp": (lambda a, b: max(a, b) + _log1p(_exp(-abs(a - b))), np.logaddexp),
    "logaddexp2": (lambda a, b: UNARY["log2"][0](UNARY["exp2"][0](a) + UNARY["exp2"][0](b)), np.logaddexp2),
    "hypot": (mpmath.hypot, np.hypot),
    "arctan2": (lambda a, b: mpmath.atan2(a, b) if a != 0 or b != 0 else mpmath.mpf(0), np.arctan2),
    "maximum": (max, np.maximum),
    "minimum": (min, np.minimum),
    "leaky_relu": (lambda x, a: x if x > 0 else a * x, lambda x, a: np.where(x > 0, x, a * x)),
    "elu": (_elu, lambda x, a: np.where(x > 0, x, a * np.expm1(np.minimum(x, 0)))),
    "celu": (lambda x, a: x if x > 0 else a * _expm1(x / a),
             lambda x, a: np.where(x > 0, x, a * np.expm1(np.minimum(x, 0) / a))),
    "remainder": (lambda a, b: a - b * _mp_floor(a / b), np.remainder),
    "fmod": (lambda a, b: a - b * _trunc(a / b), np.fmod),
    "copysign": (lambda a, b: abs(a) * (1 if b >= 0 else -1), np.copysign),
    "heaviside": (_step, np.heaviside),
}
CHOICES: dict[str, Callable[[Any, Any], bool]] = {
    "where>": lambda a, b: a > b, "where>=": lambda a, b: a >= b, "where<": lambda a, b: a < b,
    "where<=": lambda a, b: a <= b, "where==": lambda a, b: a == b, "where!=": lambda a, b: a != b,
}  # fmt: skip
POWERS = ("2", "3", "-1", "-2", "0.5", "-0.5", "1.5", "4", "-1.5", "1")
NUMBERS = ("2", "-1", "0.5", "3", "1")

_t = Tree
_one = Tree("1")
# spellings that rows look for, and products and quotients that cancel off a point or a half line
SPELLINGS: tuple[Callable[[Tree, Tree], Tree], ...] = (
    lambda u, v: _t("div", (_one, _t("add", (_one, _t("exp", (_t("neg", (u,)),)))))),
    lambda u, v: _t("log", (_t("add", (_one, _t("exp", (u,)))),)),
    lambda u, v: _t("log", (_t("exp", (u,)),)),
    lambda u, v: _t("exp", (_t("log", (u,)),)),
    lambda u, v: _t("mul", (u, _t("step", (u,)))),
    lambda u, v: _t("mul", (_t("pow", (_t("pow", (u, _t("0.5"))), _t("2"))), _t("step", (u,)))),
    lambda u, v: _t("sqrt", (_t("pow", (u, _t("2"))),)),
    lambda u, v: _t("pow", (_t("sqrt", (u,)), _t("2"))),
    lambda u, v: _t("pow", (_t("pow", (u, _t("2"))), _t("0.5"))),
    lambda u, v: _t("pow", (_t("pow", (u, _t("0.5"))), _t("4"))),
    lambda u, v: _t("mul", (_t("sqrt", (u,)), _t("sqrt", (v,)))),
    lambda u, v: _t("mul", (_t("sqrt", (u,)), _t("sqrt", (u,)))),
    lambda u, v: _t("log", (_t("mul", (u, v)),)),
    lambda u, v: _t("add", (_t("log", (u,)), _t("log", (v,)))),
    lambda u, v: _t("sub", (_t("log", (u,)), _t("log", (v,)))),
    lambda u, v: _t("log", (_t("pow", (u, _t("2"))),)),
    lambda u, v: _t("log", (_t("gamma", (u,)),)),
    lambda u, v: _t("log", (_t("add", (_one, u)),)),
    lambda u, v: _t("log", (_t("sigmoid", (u,)),)),
    lambda u, v: _t("log", (_t("cosh", (u,)),)),
    lambda u, v: _t("sub", (_t("exp", (u,)), _one)),
    lambda u, v: _t("sub", (_one, _t("erf", (u,)))),
    lambda u, v: _t("div", (u, u)),
    lambda u, v: _t("div", (_t("mul", (u, v)), u)),
    lambda u, v: _t("mul", (u, _t("div", (v, u)))),
    lambda u, v: _t("div", (_one, _t("div", (_one, u)))),
    lambda u, v: _t("mul", (_t("abs", (u,)), _t("sign", (u,)))),
    lambda u, v: _t("maximum", (u, _t("neg", (u,)))),
    lambda u, v: _t("mul", (_t("0"), u)),
    lambda u, v: _t("sub", (u, u)),
    lambda u, v: _t("pow", (u, _t("0"))),
    lambda u, v: _t("where>", (u, _t("0"), _t("log", (u,)), v)),
    lambda u, v: _t("where>", (u, _t("0"), _t("sqrt", (u,)), _t("mul", (u, v)))),
    lambda u, v: _t("where==", (u, _t("0"), _one, _t("div", (_t("sin", (u,)), u)))),
    lambda u, v: _t("where<", (u, _t("0"), _t("pow", (u, _t("2"))), _t("pow", (u, _t("1.5"))))),
    lambda u, v: _t("where>=", (u, _t("0"), v, _t("div", (v, u)))),
)


def grow(rng: random.Random, depth: int) -> Tree:
    """Return a random composition of x and y of at most this depth."""
    if depth == 0:
        return Tree(rng.choice(("x", "x", "x", "y")) if rng.random() < 0.9 else rng.choice(NUMBERS))
    kind = rng.random()
    if kind < 0.35:
        return Tree(rng.choice([*UNARY]), (grow(rng, depth - 1),))
    if kind < 0.6:
        return Tree(rng.choice([*BINARY, "add", "sub", "mul", "div"]), (grow(rng, depth - 1), grow(rng, depth - 1)))
    if kind < 0.7:
        return Tree("pow", (grow(rng, depth - 1), Tree(rng.choice(POWERS))))
    if kind < 0.78:
        a, b = grow(rng, depth - 1), rng.choice((Tree("0"), grow(rng, 0)))
        return Tree(rng.choice([*CHOICES]), (a, b, grow(rng, depth - 1), grow(rng, depth - 1)))
    return rng.choice(SPELLINGS)(grow(rng, depth - 1), grow(rng, max(depth - 2, 0)))


def subtrees(tree: Tree) -> Iterator[Tree]:
    yield tree
    for a in tree.args:
        yield from subtrees(a)


def variables(tree: Tree) -> set[str]:
    return {t.op for t in subtrees(tree) if t.op in ("x", "y")}


Met: TypeAlias = "list[tuple[str, list[Any], Any]]"  # functions that were looked at: name, operands, value


def truth(tree: Tree, at: dict[str, Any], met: Met | None = None) -> Any:
    """Return the value in the reals, nan where it is undefined; of a choice only the branch taken is looked at.

    Formula: each function to the digits in force, what is left of them rounded, so that log(exp(1)) is 1. A comparison
    with what is undefined fails, as in NumPy.
    Raises: TooLarge.
    """
    if not tree.args:
        return at[tree.op] if tree.op in at else mpmath.mpf(tree.op)
    if tree.op in CHOICES:
        a, b = (truth(t, at, met) for t in tree.args[:2])
        if met is not None:
            met.append((tree.op, [a, b], NAN))
        return truth(tree.args[2 if CHOICES[tree.op](a, b) else 3], at, met)
    args = [truth(t, at, met) for t in tree.args]
    if any(mpmath.isnan(a) for a in args):
        return NAN
    out = _real((UNARY.get(tree.op) or BINARY[tree.op])[0])(*args)
    with mpmath.workdps(mpmath.mp.dps - 10):
        out = +out
    if met is not None:
        met.append(("general power" if tree.op == "pow" and variables(tree.args[1]) else tree.op, args, out))
    return out


def in_floats(tree: Tree, at: dict[str, float], poles: float | None = None) -> float:
    """Return the value as NumPy and SciPy compute it, function by function as written.

    With `poles` no zero has a minus sign, and gamma and digamma have that value at their poles.
    """
    if not tree.args:
        return at[tree.op] if tree.op in at else float(tree.op)
    args = [np.float64(in_floats(t, at, poles)) for t in tree.args]
    with np.errstate(all="ignore"):
        if tree.op in CHOICES:
            return float(np.where(CHOICES[tree.op](args[0], args[1]), args[2], args[3]))
        if poles is not None and tree.op in ("gamma", "digamma") and _pole(args[0]):
            return poles
        out = float((UNARY.get(tree.op) or BINARY[tree.op])[1](*args))
        return out if poles is None else out + 0.0


def as_written(tree: Tree, at: dict[str, float]) -> list[float]:
    """Return the values that IEEE arithmetic may give, by the sign of zeros and the value at poles."""
    return [in_floats(tree, at, poles) for poles in (None, math.inf, -math.inf)]


_AT_0 = {"abs": lambda x: x, "sign": lambda x: x, "step": lambda x: x, "relu": lambda x: x, "selu": lambda x: x,
         "relu6": lambda x: x * (x - 6), "hardsigmoid": lambda x: x * x - 9, "hardswish": lambda x: x * x - 9,
         "clipped": lambda x: (x + 1) * (x - 2),
         "floor": lambda x: x - mpmath.nint(x), "ceil": lambda x: x - mpmath.nint(x),
         "rint": lambda x: 2 * x - mpmath.nint(2 * x), "trunc": lambda x: x - mpmath.nint(x),
         "maximum": lambda a, b: a - b, "minimum": lambda a, b: a - b, "leaky_relu": lambda x, a: x,
         "elu": lambda x, a: x, "celu": lambda x, a: x, "remainder": lambda a, b: a / b - mpmath.nint(a / b),
         "fmod": lambda a, b: a / b - mpmath.nint(a / b), "copysign": lambda a, b: a * b, "heaviside": lambda x, a: x,
         "general power": lambda a, b: a,  # the power rule says 0*inf where the base is 0
         **dict.fromkeys(CHOICES, lambda a, b: a - b)}  # fmt: skip


def smooth(met: Met) -> bool:
    """Return whether no function is at a kink, or its value or operand beyond what squares of doubles hold."""
    for op, args, out in met:
        if mpmath.isnan(out) and op not in CHOICES:
            return False
        if op in _AT_0 and abs(_AT_0[op](*args)) < 1e-9:
            return False
        if any(v != 0 and not 1e-140 < abs(v) < 1e140 for v in (*args, out) if not mpmath.isnan(v)):
            return False
    return True


def slope(tree: Tree, at: dict[str, Any], name: str) -> Any:
    """Return the derivative by differences of both sides; nan where value or derivative do not exist."""
    sides: list[Any] = []
    met: Met = []
    here = truth(tree, at, met)
    if not smooth(met):
        return NAN
    for h in (mpmath.mpf(10) ** -25, mpmath.mpf(10) ** -27):
        sides += [(truth(tree, {**at, name: at[name] + s * h}) - here) / (s * h) for s in (1, -1)]
    if any(mpmath.isnan(s) or abs(s - sides[0]) > mpmath.mpf(10) ** -12 * (1 + abs(sides[0])) for s in sides):
        return NAN
    return sides[0]


POINTS = (-750.0, -30.25, -7.5, -3.0, -2.5, -2.0, -1.5, -1.0, -0.5, -1e-3, 0.0, 1e-3, 0.5, 1.0, 1.5, 2.0, 3.0, 7.5,
          30.25, 750.0)  # fmt: skip


def near(a: float, b: Any, relative: float = 1e-6) -> bool:
    return math.isfinite(a) and bool(abs(a - b) <= relative * max(1, abs(b)))


def _moves(f: Callable[[dict[str, Any]], Any], at: dict[str, Any]) -> bool:
    """Whether rounding of the point alone changes the value: next to a jump, or where digits are lost."""
    here = f(at)
    for name, s in itertools.product(at, (1, -1)):
        there = f({**at, name: at[name] * (1 + s * mpmath.mpf(2) ** -48)})
        if mpmath.isnan(there) != mpmath.isnan(here) or abs(there - here) > 1e-8 * max(1, abs(here)):
            return True
    return False


def complaint(tree: Tree, at: dict[str, float], value: float) -> str:
    """Return what is wrong with the value that a kernel gives at a point, '' where nothing is.

    Formula: near the truth, or what NumPy makes of the expression as written; not finite where the truth is undefined.
    """
    with mpmath.workdps(DIGITS):
        exact = {k: mpmath.mpf(v) for k, v in at.items()}
        plain, *others = as_written(tree, at)
        if any((math.isnan(v) and math.isnan(value)) or near(value, v) for v in (plain, *others)):
            return ""
        try:
            true = truth(tree, exact)
            if mpmath.isnan(true):
                if not math.isfinite(value):
                    return ""
            elif abs(true) > 1e300 or near(value, true) or (not math.isfinite(value) and not near(plain, true)):
                return ""
            if _moves(lambda p: truth(tree, p), exact):
                return ""
        except TooLarge:
            return ""
        return f"{tree} at {at}: the kernel gives {value:.17g}, the truth is {mpmath.nstr(true, 17)}, " \
               f"NumPy {plain:.17g}"


def slope_complaint(tree: Tree, at: dict[str, float], name: str, value: float) -> str:
    """Return what is wrong with a derivative at a point where there is one, '' where nothing is."""
    with mpmath.workdps(DIGITS):
        exact = {k: mpmath.mpf(v) for k, v in at.items()}
        try:
            true = slope(tree, exact, name)
            if mpmath.isnan(true) or abs(true) > 1e290 or near(value, true):
                return ""
            if _moves(lambda p: slope(tree, p, name), exact):
                return ""
        except TooLarge:
            return ""
        return f"d({tree})/d{name} at {at}: the kernel gives {value:.17g}, the truth is {mpmath.nstr(true, 17)}"
