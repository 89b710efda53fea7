"""Expanded spellings of known functions, recognised on input: each row an equality, used from left to right.

Where two rows match, the earlier one is used: the larger spellings stand first.
A spelling of relu or abs is recognised where its derivative agrees with theirs at 0 as well; `maximum(x, 0)`, whose
derivative at 0 is 1/2, stays as it is.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from symgrad.graph.node import Node, apply
from symgrad.rules.row import Rewrite

HALF = Fraction(1, 2)


def _f(name: str, *args: Node | int | Fraction, attr: tuple[Any, ...] = ()) -> Node:
    return apply(name, *args, attr=attr)


def _exp(x: Node) -> Node:
    return _f("exp", x)


def _sigmoid(x: Node) -> Node:
    return _f("sigmoid", x)


LOGISTIC = "the definition of the logistic function"

SIGMOID = (
    Rewrite("sigmoid_as_share", ("x",), lambda x: _exp(x) / (1 + _exp(x)), _sigmoid, "both parts times exp(-x)"),
    Rewrite("sigmoid_as_share_of_two", ("a", "b"), lambda a, b: _exp(a) / (_exp(a) + _exp(b)),
            lambda a, b: _sigmoid(a - b), "both parts times exp(-a)"),
    Rewrite("sigmoid_spelled_out", ("x",), lambda x: 1 / (1 + _exp(-x)), _sigmoid, LOGISTIC),
    Rewrite("sigmoid_of_a_difference", ("a", "b"), lambda a, b: 1 / (1 + _exp(a - b)), lambda a, b: _sigmoid(b - a),
            LOGISTIC),
    Rewrite("sigmoid_of_minus", ("x",), lambda x: 1 / (1 + _exp(x)), lambda x: _sigmoid(-x), LOGISTIC),
    Rewrite("exp_times_sigmoid", ("x",), lambda x: _exp(x) * _sigmoid(-x), _sigmoid, "sigmoid(-x) = 1 / (1 + exp(x))"),
    Rewrite("exp_times_sigmoid_of_minus", ("x",), lambda x: _exp(-x) * _sigmoid(x), lambda x: _sigmoid(-x),
            "sigmoid(x) = 1 / (1 + exp(-x))"),
    Rewrite("sigmoid_from_tanh", ("x",), lambda x: (1 + _f("tanh", x / 2)) / 2, _sigmoid,
            "tanh(x/2) = 2 sigmoid(x) - 1"),
    Rewrite("sigmoid_from_tanh_halves", ("x",), lambda x: _f("tanh", x / 2) / 2 + HALF, _sigmoid,
            "tanh(x/2) = 2 sigmoid(x) - 1"),
)

TANH = (
    Rewrite("tanh_spelled_out", ("x",), lambda x: (_exp(x) - _exp(-x)) / (_exp(x) + _exp(-x)),
            lambda x: _f("tanh", x), "the definition of tanh"),
    Rewrite("tanh_from_exp_of_twice", ("x",), lambda x: (_exp(2 * x) - 1) / (_exp(2 * x) + 1),
            lambda x: _f("tanh", x), "both parts times exp(-x)"),
    Rewrite("tanh_from_exp_of_minus_twice", ("x",), lambda x: (1 - _exp(-2 * x)) / (1 + _exp(-2 * x)),
            lambda x: _f("tanh", x), "both parts times exp(x)"),
    Rewrite("tanh_from_sigmoid", ("x",), lambda x: 2 * _sigmoid(2 * x) - 1, lambda x: _f("tanh", x),
            "tanh(x) = 2 sigmoid(2 x) - 1"),
    Rewrite("tanh_from_sigmoid_of_minus", ("x",), lambda x: 1 - 2 * _sigmoid(-2 * x), lambda x: _f("tanh", x),
            "tanh(x) = 1 - 2 sigmoid(-2 x)"),
    Rewrite("tanh_as_quotient", ("x",), lambda x: _f("sinh", x) / _f("cosh", x), lambda x: _f("tanh", x),
            "the definition of tanh"),
)

SHIFTED = "log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|))"

SOFTPLUS = (
    Rewrite("softplus_spelled_out", ("x",), lambda x: _f("log", 1 + _exp(x)), lambda x: _f("softplus", x),
            "the definition of softplus"),
    Rewrite("softplus_from_log1p", ("x",), lambda x: _f("log1p", _exp(x)), lambda x: _f("softplus", x),
            "the definition of softplus"),
    *(row for name, gate in (
        ("relu", lambda x: _f("relu", x)), ("maximum", lambda x: _f("maximum", x, 0)),
        ("maximum_turned", lambda x: _f("maximum", 0, x)))
      for row in (
        Rewrite(f"softplus_shifted_by_{name}", ("x",), lambda x, gate=gate: gate(x) + _f("softplus", -_f("abs", x)),
                lambda x: _f("softplus", x), SHIFTED),
        Rewrite(f"softplus_shifted_by_{name}_in_a_sum", ("x", "t"),
                lambda x, t, gate=gate: gate(x) - t + _f("softplus", -_f("abs", x)),
                lambda x, t: _f("softplus", x) - t, SHIFTED))),
)

ROOTS = (
    Rewrite("sqrt_as_power", ("x",), lambda x: x**HALF, lambda x: _f("sqrt", x), "the definition of the square root"),
    Rewrite("sqrt_as_power_below", ("x",), lambda x: x**-HALF, lambda x: 1 / _f("sqrt", x),
            "the definition of the square root"),
)

BELOW_ZERO = "both are 0 for x <= 0"

# `where` has the derivative of the branch that it takes at 0, `maximum` the mean of the sides
RELU = (
    Rewrite("relu_as_gate", ("x",), lambda x: x * _f("step", x, attr=(0,)), lambda x: _f("relu", x), BELOW_ZERO),
    Rewrite("relu_as_mask", ("x",), lambda x: x * _f("gt", x, 0), lambda x: _f("relu", x), BELOW_ZERO),
    Rewrite("relu_as_mask_turned", ("x",), lambda x: x * _f("lt", 0, x), lambda x: _f("relu", x), BELOW_ZERO),
    Rewrite("relu_by_cases", ("x",), lambda x: _f("where", _f("gt", x, 0), x, 0), lambda x: _f("relu", x),
            BELOW_ZERO),
    Rewrite("relu_by_cases_turned", ("x",), lambda x: _f("where", _f("lt", 0, x), x, 0), lambda x: _f("relu", x),
            BELOW_ZERO),
    Rewrite("relu_by_other_cases", ("x",), lambda x: _f("where", _f("le", x, 0), 0, x), lambda x: _f("relu", x),
            BELOW_ZERO),
)

ABS = (
    Rewrite("abs_as_maximum", ("x",), lambda x: _f("maximum", x, -x), lambda x: _f("abs", x), "the larger of x and -x"),
    Rewrite("abs_as_maximum_turned", ("x",), lambda x: _f("maximum", -x, x), lambda x: _f("abs", x),
            "the larger of x and -x"),
    Rewrite("abs_with_sign", ("x",), lambda x: x * _f("sign", x, attr=(HALF,)), lambda x: _f("abs", x),
            "x = |x| sign(x)"),
    Rewrite("abs_as_root", ("x",), lambda x: _f("sqrt", x**2), lambda x: _f("abs", x), "the root is not negative"),
)

RECOGNITION: tuple[Rewrite, ...] = TANH + SIGMOID + SOFTPLUS + ROOTS + RELU + ABS
