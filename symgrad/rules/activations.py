"""The activation functions of neural networks, one row each, as in `symgrad.rules.elementwise`.

The value taken at a kink is that of the definition: a half at the borders of a clip, and as relu'(0) = 0 at 0.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from symgrad.graph.node import Node, apply, const
from symgrad.rules.ranges import NONNEGATIVE, NONPOSITIVE
from symgrad.rules.row import POSITIVE, REAL, Function

SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
GELU_CUBE = 0.044715
_HALF = (Fraction(1, 2),)


def _f(name: str, *args: Node | int | float, attr: tuple[Any, ...] = ()) -> Node:
    return apply(name, *args, attr=attr)


def _softplus_machine(x: Node) -> Node:
    return _f("maximum", x, 0) + _f("log1p", _f("exp", -_f("abs", x)))


def _log_sigmoid_machine(x: Node) -> Node:
    return _f("minimum", x, 0) - _f("log1p", _f("exp", -_f("abs", x)))


def _sigmoid_machine(x: Node) -> Node:
    e = _f("exp", -_f("abs", x))
    return _f("where", _f("ge", x, 0), const(1, x.shape), e) / (1 + e)


def _positive(x: Node) -> Node:
    """1 where x > 0, else 0."""
    return _f("step", x, attr=(0,))


def _by_sign(x: Node, above: Node | int, below: Node) -> Node:
    return _f("where", _f("gt", x, 0), above, below)


def _not_above_0(x: Node) -> Node:
    return _f("minimum", x, 0)


def _within_three(x: Node) -> Node:
    """The derivative of clip(x, -3, 3)."""
    return _f("step", x + 3, attr=_HALF) * _f("step", 3 - x, attr=_HALF)


def _silu_derivative(y: Node, x: Node) -> tuple[Node]:
    s = _f("sigmoid", x)
    return (s + y * (1 - s),)


def _mish_derivative(x: Node) -> tuple[Node]:
    t = _f("tanh", _f("softplus", x))
    return (t + x * (1 - t**2) * _f("sigmoid", x),)


def _elu_derivative(x: Node, alpha: Node) -> tuple[Node, Node]:
    return _by_sign(x, 1, alpha * _f("exp", x)), _by_sign(x, 0, _f("exp", x) - 1)


def _celu_derivative(x: Node, alpha: Node) -> tuple[Node, Node]:
    e = _f("exp", _not_above_0(x) / alpha)
    return _by_sign(x, 1, e), _by_sign(x, 0, e - 1 - x / alpha * e)


def _gelu_root() -> Node:
    return _f("sqrt", 2 / const("pi"))  # type: ignore[arg-type]  # a named constant is stored by its name


def _gelu_share(x: Node) -> Node:
    """(1 + tanh(u)) / 2 with u = sqrt(2/pi) (x + 0.044715 x^3), without its cancellation where u is negative."""
    return _f("sigmoid", 2 * _gelu_root() * (x + GELU_CUBE * x**3))


def _gelu_tanh(x: Node) -> Node:
    return x / 2 * (1 + _f("tanh", _gelu_root() * (x + GELU_CUBE * x**3)))


def _gelu_tanh_derivative(x: Node) -> tuple[Node]:
    s = _gelu_share(x)
    return (s + 2 * _gelu_root() * x * (1 + 3 * (GELU_CUBE * x**2)) * s * (1 - s),)


ACTIVATIONS = (
    Function("sigmoid", ("x",), lambda y, x: (y * (1 - y),), definition=lambda x: 1 / (1 + _f("exp", -x)),
             machine=_sigmoid_machine, latex=r"\sigma", symbol="s", source="Bishop (2006), eq. 4.88",
             aliases=("expit",)),
    Function("softplus", ("x",), lambda y, x: (_f("sigmoid", x),), definition=lambda x: _f("log", 1 + _f("exp", x)),
             machine=_softplus_machine, latex=r"\operatorname{softplus}", symbol="q", source="Dugas et al. (2001)"),
    Function("relu", ("x",), lambda y, x: (_f("step", x, attr=(0,)),),
             definition=lambda x: _f("maximum", x, 0),
             branches=lambda x: _f("where", _f("gt", x, 0), x, const(0, x.shape)), kink=lambda x: x,
             latex=r"\operatorname{ReLU}", symbol="a", source="Nair and Hinton (2010)", analytic=False,
             cases=((lambda x: ((x, NONNEGATIVE),), lambda x: x),
                    (lambda x: ((x, NONPOSITIVE),), lambda x: const(0, x.shape)))),
    Function("log_sigmoid", ("x",), lambda y, x: (_f("sigmoid", -x),), definition=lambda x: _f("log", _f("sigmoid", x)),
             machine=_log_sigmoid_machine, latex=r"\operatorname{logsigmoid}", symbol="l",
             source="log of Bishop (2006), eq. 4.88", aliases=("logsigmoid",)),
    Function("silu", ("x",), _silu_derivative, definition=lambda x: x * _f("sigmoid", x),
             latex=r"\operatorname{SiLU}", symbol="a", source="Elfwing, Uchibe and Doya (2018)", aliases=("swish",)),
    Function("mish", ("x",), lambda y, x: _mish_derivative(x), definition=lambda x: x * _f("tanh", _f("softplus", x)),
             latex=r"\operatorname{Mish}", symbol="a", source="Misra (2020)"),
    Function("softsign", ("x",), lambda y, x: (1 / (1 + _f("abs", x)) ** 2,),
             definition=lambda x: x / (1 + _f("abs", x)), latex=r"\operatorname{softsign}", symbol="a",
             source="Bergstra et al. (2009)", analytic=False),
    Function("leaky_relu", ("x", "negative_slope"),
             lambda y, x, a: (_positive(x) + a * (1 - _positive(x)), x * (1 - _positive(x))),
             definition=lambda x, a: _by_sign(x, x, a * x), kink=lambda x, a: x, latex=r"\operatorname{LeakyReLU}",
             symbol="a", source="Maas, Hannun and Ng (2013)", analytic=False, defaults=(0.01,)),
    Function("elu", ("x", "alpha"), lambda y, x, alpha: _elu_derivative(x, alpha),
             definition=lambda x, alpha: _by_sign(x, x, alpha * (_f("exp", x) - 1)),
             machine=lambda x, alpha: _by_sign(x, x, alpha * _f("expm1", _not_above_0(x))),
             latex=r"\operatorname{ELU}", symbol="a", source="Clevert, Unterthiner and Hochreiter (2016)",
             analytic=False, defaults=(1,)),
    Function("celu", ("x", "alpha"), lambda y, x, alpha: _celu_derivative(x, alpha),
             definition=lambda x, alpha: _by_sign(x, x, alpha * (_f("exp", x / alpha) - 1)),
             machine=lambda x, alpha: _by_sign(x, x, alpha * _f("expm1", _not_above_0(x) / alpha)),
             domain=(REAL, POSITIVE), latex=r"\operatorname{CELU}", symbol="a", source="Barron (2017)",
             analytic=False, defaults=(1,)),
    Function("selu", ("x",), lambda y, x: (SELU_SCALE * _by_sign(x, 1, SELU_ALPHA * _f("exp", x)),),
             definition=lambda x: SELU_SCALE * _f("elu", x, SELU_ALPHA), kink=lambda x: x,
             latex=r"\operatorname{SELU}", symbol="a", source="Klambauer et al. (2017)", analytic=False),
    Function("relu6", ("x",), lambda y, x: (_positive(x) * _f("step", 6 - x, attr=_HALF),),
             definition=lambda x: _f("minimum", _f("relu", x), 6), kink=lambda x: x * (6 - x),
             latex=r"\operatorname{ReLU6}", symbol="a", source="Krizhevsky (2010)", analytic=False),
    Function("hardsigmoid", ("x",), lambda y, x: (_within_three(x) / 6,),
             definition=lambda x: _f("clip", x / 6 + _HALF[0], 0, 1), kink=lambda x: (3 + x) * (3 - x),
             latex=r"\operatorname{hardsigmoid}", symbol="a", source="Howard et al. (2019)", analytic=False),
    Function("hardswish", ("x",), lambda y, x: (_f("hardsigmoid", x) + x * _within_three(x) / 6,),
             definition=lambda x: x * _f("hardsigmoid", x), kink=lambda x: (3 + x) * (3 - x),
             latex=r"\operatorname{hardswish}", symbol="a", source="Howard et al. (2019)", analytic=False),
    Function("gelu_tanh", ("x",), lambda y, x: _gelu_tanh_derivative(x), definition=_gelu_tanh,
             machine=lambda x: x * _gelu_share(x), latex=r"\operatorname{GELU}_{\tanh}", symbol="a",
             source="Hendrycks and Gimpel (2016), the approximation with tanh"),
)
