"""What a choice leaves out: no form of a line looks at it, and nothing comes from it in a kernel."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from symgrad.engine.guards import Defined, Guarded, kept_in, undefined_step, unguarded
from symgrad.engine.ranges import Ranges
from symgrad.engine.views import Views
from symgrad.graph.node import Node, apply, topological, var

m, k, a, b = sp.symbols("m k a b")
x, y = var("x"), var("y")
POSITIVE_X = apply("gt", x, 0)


def line(expr: sp.Expr) -> Guarded:
    return Guarded(expr, frozenset({m, k}), lambda base: base == b)


@pytest.mark.parametrize(("start", "form", "allowed"), [
    (m / sp.sqrt(a) + (1 - m) * a, (m + (1 - m) * a * sp.sqrt(a)) / sp.sqrt(a), False),
    (m / a + (1 - m) / a, 1 / a, True),  # on both sides of the guard
    (m / a + k / a, (m + k) / a, False),
    (m / a + (1 - m) * k / a, (m + (1 - m) * k) / a, False),
    (m / b + k * a, (m + k * a * b) / b, True),  # b is known to have an inverse
    (m / a, m / a, True),
    (m * a / a**2, m / a, True),
    (1 / a + m * a, (1 + m * a**2) / a, True),
    (m * a, m * sp.sqrt(a) ** 2, True),
    ((1 - m) * sp.sqrt(a), sp.sqrt(a) - m * sp.sqrt(a), False),
    (m * k / a, m / a * k, True),
    (m * k / a, k / a, False),
])  # fmt: skip
def test_a_form_looks_at_partial_functions_where_the_line_does(start: sp.Expr, form: sp.Expr, allowed: bool) -> None:
    assert line(start).allows(form) == allowed


def test_what_stands_in_a_branch_alone_is_guarded() -> None:
    root, square = apply("sqrt", x), x**2
    chosen = apply("where", POSITIVE_X, root, square)
    open_nodes = unguarded(topological([chosen]))
    assert root not in open_nodes
    assert {x, POSITIVE_X, chosen} <= set(open_nodes)
    assert root in unguarded(topological([chosen + root]))
    assert x**3 not in unguarded(topological([apply("where", POSITIVE_X, apply("sqrt", x**3), 0)]))


@pytest.mark.parametrize(("node", "everywhere"), [
    (apply("exp", x), True), (1 / x, False), (1 / (x**2 + 1), True), (apply("log", x), False), (x**3, True),
    (apply("log", apply("exp", x)), True), (apply("sqrt", x**2), True), (apply("sqrt", x), False), (x**-1, False),
    (apply("pow", x, 0.5), False), (apply("pow", apply("abs", x), 0.5), True), (x**y, False), (apply("tan", x), False),
    (apply("pow", apply("exp", x), y), True), (apply("arctanh", apply("tanh", x)), True), (apply("gamma", x), False),
    (apply("relu", 1 / x), False), (apply("gamma", apply("exp", x)), True),
], ids=str)  # fmt: skip
def test_which_nodes_have_a_value_everywhere(node: Node, everywhere: bool) -> None:
    assert Defined(Ranges()).everywhere(node) == everywhere


def test_products_of_an_indicator_and_a_partial_function() -> None:
    defined, views = Defined(Ranges()), Views()
    for node in (POSITIVE_X * apply("log", x), (1 - POSITIVE_X) / x, apply("where", POSITIVE_X, y, 0) / x,
                 y * (2 * (POSITIVE_X / x))):
        found = kept_in(node, views, defined)
        assert found is not None
        assert found[1].op == "where"
    for node in (POSITIVE_X * apply("exp", x), POSITIVE_X * y, apply("log", x) * y, POSITIVE_X / (1 + x**2)):
        assert kept_in(node, views, defined) is None
    step = apply("step", apply("log", x), attr=(0,))
    assert undefined_step(step, defined) == ("step_of_a_partial_function", apply("heaviside", apply("log", x), 0))
    assert undefined_step(apply("step", x, attr=(0,)), defined) is None


CHOICES = {
    "sum(where(x > 0, sqrt(x), x**2))": lambda x: np.sum(np.where(x.real > 0, np.sqrt(x), x**2)),
    "sum(where(x > 0, log(x)*x, 0))": lambda x: np.sum(np.where(x.real > 0, np.log(x) * x, 0)),
    "sum(where(x > 0, sqrt(x), 0))**2": lambda x: np.sum(np.where(x.real > 0, np.sqrt(x), 0)) ** 2,
    "sum(where(x < 0, 1/x, log(x))*x)": lambda x: np.sum(np.where(x.real < 0, 1 / x, np.log(x)) * x),
    "sum(where(x > 1, arccosh(x), where(x > 0, x**1.5, sin(x))))":
        lambda x: np.sum(np.where(x.real > 1, np.arccosh(x), np.where(x.real > 0, x**1.5, np.sin(x)))),
    "sum(where(x < 0, x**2, x**1.5)*where(x > 0, sqrt(x), 1))":
        lambda x: np.sum(np.where(x.real < 0, x**2, x**1.5) * np.where(x.real > 0, np.sqrt(x), 1)),
    "log(1 + sum(where(x > 0, x**0.5 + x**-0.5, x**2)))":
        lambda x: np.log(1 + np.sum(np.where(x.real > 0, x**0.5 + x**-0.5, x**2))),
}  # fmt: skip


@pytest.mark.parametrize("text", CHOICES)
def test_gradients_and_hessians_of_choices(text: str) -> None:
    """Against the complex step of the primal, and differences of it, at points on both sides of each boundary."""
    f, h, wide = CHOICES[text], 1e-30, 1e-5
    at = np.random.default_rng(3).uniform(0.2, 2.5, 6) * np.array([1, -1, 1, -1, 1, -1])

    def slopes(p: np.ndarray) -> np.ndarray:
        return np.array([f(p + 1j * h * e).imag / h for e in np.eye(len(p))])

    net = f"x: (n,); L = {text}"
    with np.errstate(all="ignore"):
        _, grads = sg.compile(net, "x")(x=at)
        np.testing.assert_allclose(grads["x"], slopes(at), rtol=1e-12, atol=1e-13)
        curved = sg.hessian(net, "x").compile()(x=at)
        there = np.array([(slopes(at + wide * e) - slopes(at - wide * e)) / (2 * wide) for e in np.eye(len(at))])
        size = 1 + np.max(np.abs(there))  # the third derivative over 6, times h^2, and rounding over h
        np.testing.assert_allclose(curved, there, atol=size * (30 * wide**2 + 4 * 2.0**-52 / wide))
    assert sg.derive(net, "x").verify().ok
