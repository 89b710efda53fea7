"""Equal forms that keep their digits in floating point: each row an equality, used after differentiation only.

DEFAULT rows cost nothing and keep away overflow, warnings and nan. ACCURATE rows keep relative accuracy where a
difference cancels, at the price of one more exponential; hand-written code computes `1 - t**2` from the stored t.
"""

from __future__ import annotations

from symgrad.graph.node import Node, apply, const
from symgrad.rules.gamma_function import sign_of_gamma
from symgrad.rules.ranges import POSITIVE
from symgrad.rules.row import Rewrite


def _f(name: str, *args: Node | int) -> Node:
    return apply(name, *args)


def _sigmoid(x: Node) -> Node:
    return _f("sigmoid", x)


def _softplus(x: Node) -> Node:
    return _f("softplus", x)


def _sech_squared(x: Node) -> Node:
    e = _f("exp", -2 * _f("abs", x))
    return 4 * e / (1 + e) ** 2


def _logistic_loss(x: Node, y: Node) -> Node:
    return x * (apply("step", x, attr=(1,)) - y) + _f("log1p", _f("exp", -_f("abs", x)))


def _log_cosh(x: Node) -> Node:
    a = _f("abs", x)
    return a + _f("log1p", _f("expm1", -2 * a) / 2)


def _below(x: Node, above: Node, below: Node) -> Node:
    return _f("where", _f("gt", x, 0), above, below)


def _capped(x: Node) -> Node:
    return _f("minimum", x, 0)


def _not_0(x: Node) -> Node:
    return x + _f("eq", x, 0)


UNUSED = "where x > 0 the other branch is not used, and exp(x) may overflow there"
CONE = "the slope at the tip of a cone is taken as 0"
COMPLEMENT = "1 - sigmoid(x) = sigmoid(-x)"

DEFAULT: tuple[Rewrite, ...] = (
    Rewrite("logistic_loss", ("x", "y"), lambda x, y: y * _f("log", _sigmoid(x)) + (1 - y) * _f("log", 1 - _sigmoid(x)),
            lambda x, y: -_logistic_loss(x, y),
            "log(sigmoid(x)) = min(x, 0) - log1p(exp(-|x|)); no term cancels another"),
    Rewrite("logistic_loss_of_softplus", ("x", "y"), lambda x, y: y * _softplus(-x) + (1 - y) * _softplus(x),
            _logistic_loss, "softplus(x) = max(x, 0) + log1p(exp(-|x|))"),
    Rewrite("log_of_sigmoid_of_minus", ("x",), lambda x: _f("log", _sigmoid(-x)), lambda x: -_softplus(x),
            "the definitions"),
    Rewrite("log_of_sigmoid", ("x",), lambda x: _f("log", _sigmoid(x)), lambda x: -_softplus(-x), "the definitions"),
    Rewrite("log_of_one_minus_sigmoid_of_minus", ("x",), lambda x: _f("log", 1 - _sigmoid(-x)),
            lambda x: -_softplus(-x), COMPLEMENT),
    Rewrite("log_of_one_minus_sigmoid", ("x",), lambda x: _f("log", 1 - _sigmoid(x)), lambda x: -_softplus(x),
            COMPLEMENT),
    Rewrite("log1p_of_minus_sigmoid", ("x",), lambda x: _f("log1p", -_sigmoid(x)), lambda x: -_softplus(x), COMPLEMENT),
    Rewrite("softplus_minus_argument", ("x",), lambda x: _softplus(x) - x, lambda x: _softplus(-x),
            "log(1 + exp(x)) - log(exp(x))"),
    Rewrite("softplus_plus_argument", ("x",), lambda x: _softplus(-x) + x, _softplus, "log(1 + exp(-x)) + log(exp(x))"),
    Rewrite("log_of_cosh", ("x",), lambda x: _f("log", _f("cosh", x)), _log_cosh,
            "cosh(x) = exp(|x|) (1 + exp(-2 |x|))/2"),
    Rewrite("log_of_exp", ("x",), lambda x: _f("log", _f("exp", x)), lambda x: x, "log is the inverse of exp"),
    Rewrite("log_of_gamma", ("x",), lambda x: _f("log", _f("gamma", x)), lambda x: _f("lgamma", x),
            "lgamma(x) = log|gamma(x)|, which overflows later", when=lambda x: ((_f("gamma", x), POSITIVE),)),
    Rewrite("log_of_gamma_by_sign", ("x",), lambda x: _f("log", _f("gamma", x)),
            lambda x: _f("lgamma", x) + _f("log", sign_of_gamma(x)),
            "log(gamma(x)) = log|gamma(x)| + log(sign(gamma(x)))"),
    Rewrite("one_minus_erf", ("x",), lambda x: 1 - _f("erf", x), lambda x: _f("erfc", x), "the definition of erfc"),
    Rewrite("one_plus_erf", ("x",), lambda x: 1 + _f("erf", x), lambda x: _f("erfc", -x), "erf is odd"),
    Rewrite("one_plus_erf_in_a_sum", ("x", "a"), lambda x, a: 1 + a + _f("erf", x), lambda x, a: a + _f("erfc", -x),
            "erf is odd"),
    Rewrite("log1p_for_log", ("x",), lambda x: _f("log", 1 + x), lambda x: _f("log1p", x), "the definition of log1p"),
    Rewrite("exp_below_zero", ("x", "u"), lambda x, u: _below(x, u, _f("exp", x)),
            lambda x, u: _below(x, u, _f("exp", _capped(x))), UNUSED),
    Rewrite("exp_below_zero_scaled", ("x", "u", "a"), lambda x, u, a: _below(x, u, a * _f("exp", x)),
            lambda x, u, a: _below(x, u, a * _f("exp", _capped(x))), UNUSED),
    Rewrite("expm1_below_zero", ("x", "u"), lambda x, u: _below(x, u, _f("exp", x) - 1),
            lambda x, u: _below(x, u, _f("expm1", _capped(x))), UNUSED),
    Rewrite("expm1_below_zero_scaled", ("x", "u", "a"), lambda x, u, a: _below(x, u, a * (_f("exp", x) - 1)),
            lambda x, u, a: _below(x, u, a * _f("expm1", _capped(x))), UNUSED),
    Rewrite("exp_where_not_above_zero", ("x",), lambda x: (1 - _f("gt", x, 0)) * _f("exp", x),
            lambda x: (1 - _f("gt", x, 0)) * _f("exp", _capped(x)), UNUSED),
    Rewrite("expm1_where_not_above_zero", ("x",), lambda x: (1 - _f("gt", x, 0)) * (_f("exp", x) - 1),
            lambda x: (1 - _f("gt", x, 0)) * _f("expm1", _capped(x)), UNUSED),
    Rewrite("expm1_for_exp", ("x",), lambda x: _f("exp", x) - 1, lambda x: _f("expm1", x), "the definition of expm1"),
    Rewrite("hypot_by_first", ("a", "b"), lambda a, b: a / _f("hypot", a, b),
            lambda a, b: a / _not_0(_f("hypot", a, b)), CONE, fills=CONE),
    Rewrite("hypot_by_second", ("a", "b"), lambda a, b: b / _f("hypot", a, b),
            lambda a, b: b / _not_0(_f("hypot", a, b)), CONE, fills=CONE),
)

ACCURATE: tuple[Rewrite, ...] = (
    Rewrite("one_minus_sigmoid_of_minus", ("x",), lambda x: 1 - _sigmoid(-x), _sigmoid, COMPLEMENT),
    Rewrite("one_minus_sigmoid", ("x",), lambda x: 1 - _sigmoid(x), lambda x: _sigmoid(-x), COMPLEMENT),
    Rewrite("one_minus_tanh_squared", ("x",), lambda x: 1 - _f("tanh", x) ** 2, _sech_squared, "1 - tanh^2 = sech^2"),
    Rewrite("one_minus_cos", ("x",), lambda x: 1 - _f("cos", x), lambda x: 2 * _f("sin", x / 2) ** 2, "half angle"),
    Rewrite("sigmoid_minus_label", ("x", "y"), lambda x, y: _sigmoid(x) - y,
            lambda x, y: (1 - y) * _sigmoid(x) - y * _sigmoid(-x), "sigmoid(x) + sigmoid(-x) = 1"),
)

# used after functions got their machine forms: softplus(z), softplus(-z) and sigmoid(z) then share exp(-|z|)
SHARING: tuple[Rewrite, ...] = (
    Rewrite("abs_of_minus", ("x",), lambda x: _f("abs", -x), lambda x: _f("abs", x), "|-x| = |x|"),
    Rewrite("abs_of_abs", ("x",), lambda x: _f("abs", _f("abs", x)), lambda x: _f("abs", x), "|x| is not negative"),
    Rewrite("maximum_of_minus_abs", ("x",), lambda x: _f("maximum", -_f("abs", x), 0), lambda x: const(0, x.shape),
            "|x| is not negative"),
)
