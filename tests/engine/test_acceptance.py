"""A simplified line that differs from the one it replaces is dropped, and what is right is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from symgrad.engine import normal, simplify
from symgrad.engine.acceptance import DROPPED, Acceptance
from symgrad.engine.doubles import Axes, values
from symgrad.graph.node import Node, const, einsum, matmul, reduce_sum, topological, var
from tests.engine.contractions import network, point, read_back, slopes

TWO_WAYS = ("a: (d,); M: (n, k); A: (n, d); B: (d, n); z: (k,); T = a[:, None, None]*M; "
            "L = sum(T*A.T[:, :, None]) + sum(T*B[:, :, None]*z)")


def _value(text: str, at: dict[str, Any]) -> Any:
    node = sg.parse(text).output
    sizes = {"n": 3, "d": 2, "k": 4}
    known = {n: at[n.name] for n in topological([node]) if n.op == "var"}
    return values([node], known, Axes(sizes, False))[0][node]


def test_an_array_of_three_axes_contracted_in_two_ways(rng: np.random.Generator) -> None:
    shapes = {"a": (2,), "M": (3, 4), "A": (3, 2), "B": (2, 3), "z": (4,)}
    at = {n: rng.normal(size=s) for n, s in shapes.items()}
    want = at["A"].T @ at["M"].sum(axis=1) + at["B"] @ (at["M"] @ at["z"])
    printed = str(sg.grad(TWO_WAYS, wrt="a"))
    found = _value(f"{TWO_WAYS.rpartition(';')[0]}; r = {printed}", at)
    np.testing.assert_allclose(found, want, rtol=1e-12)


def _narrow_order(self: Any, expr: sp.Expr, bound: Any = (), prefer: Any = ()) -> Any:
    """The fault that was there: the order of one factor, though the expression carries more indices."""
    for a in sorted(self.atoms[s][1] for s in expr.free_symbols if s in self.atoms):
        if len(a) == 2 and a[0] != a[1] and a[1] in bound and len(self.indices_of(expr)) > 2:
            return a
    return _order(self, expr, bound, prefer)


_order = normal.Ring.indices_in_order


def test_lines_of_a_planted_fault_are_dropped_and_the_results_stay_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(normal.Ring, "indices_in_order", _narrow_order)
    dropped = 0
    for seed in range(24):
        case = network(seed)
        at = point(case)
        d = sg.derive(case.text, wrt=list(case.variables))
        dropped += len(DROPPED)
        DROPPED.clear()
        for v in case.variables:
            want = slopes(case, at, v)
            got = read_back(case, str(d[v].expression), at, want.shape)
            np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9)
    assert dropped > 3


@pytest.mark.parametrize("fault", [
    lambda f: -f,
    lambda f: f * (1 + sp.Rational(1, 10**6)),
    lambda f: f + sp.Rational(1, 10**5),
    lambda f: sp.Integer(0),
])
@pytest.mark.parametrize("text", [
    "x: (n,); w: (n,); L = sum(sigmoid(x*w)**2)",
    "X: (n, d); w: (d,); y: (n,); L = mean((tanh(X @ w) - y)**2)",
    "z: (n, k); y: (n, k); L = sum(cross_entropy(z, y))",
])
def test_a_false_form_is_never_taken(monkeypatch: pytest.MonkeyPatch, text: str, fault: Any) -> None:
    forms = simplify.forms

    def planted(expr: sp.Expr) -> tuple[sp.Expr, ...]:
        return tuple(fault(f) for f in forms(expr)) if expr.free_symbols else forms(expr)

    monkeypatch.setattr(simplify, "forms", planted)
    d = sg.derive(text)
    assert DROPPED
    monkeypatch.undo()
    assert d.verify().ok
    DROPPED.clear()


def _sized(name: str, *shape: Any) -> Node:
    return var(name, shape)


def test_lines_that_are_equal_hold() -> None:
    a, b, x = _sized("A", "n", "m"), _sized("B", "m", "k"), _sized("x", "k")
    accepted = Acceptance(topological([reduce_sum(matmul(matmul(a, b), x))]))
    assert accepted.accepts(matmul(matmul(a, b), x), matmul(a, matmul(b, x)), "test")
    assert accepted.accepts((a + 1) * (a - 1), a**2 - 1, "test")
    assert accepted.accepts(reduce_sum(a - a), const(0), "test")


def test_what_cancels_to_rounding_errors_is_looked_at_in_long_arithmetic() -> None:
    x = _sized("x")
    accepted = Acceptance([x])
    assert accepted.accepts((1 + x * 1e-9) ** 2 - 1 - x * 2e-9, (x * 1e-9) * (x * 1e-9), "test")
    assert not accepted.accepts((1 + x * 1e-3) ** 2 - 1 - x * 2e-3, (x * 1e-3) * (x * 1e-3) * (1 + 1e-3), "test")
    DROPPED.clear()


def test_a_line_without_a_value_anywhere_is_not_believed() -> None:
    x = _sized("x")
    never = sg.log(sg.symbol("x") * 0 - 1).node
    assert not Acceptance([x]).accepts(never, never + 0, "test")
    assert not DROPPED


def test_a_domain_is_found() -> None:
    p, q = _sized("p", "n"), _sized("q", "n")
    net = sg.parse("p: (n,); q: (n,); L = sum(log(p) + arccosh(q) + log(1 - p))")
    accepted = Acceptance(topological([net.output]))
    assert accepted.accepts(p * q / p, q * 1, "test")
    assert not accepted.accepts(p * q / p, q * p, "test")
    DROPPED.clear()


@pytest.mark.parametrize("text", [
    "X: (6000, 784); w: (784,); y: (6000,); L = mean((sigmoid(X @ w) - y)**2)",
    "X: (50000, 30); W: (30, 40); L = sum(logsumexp(X @ W, axis=1))",
])
def test_long_literal_axes_are_folded(text: str) -> None:
    net = sg.parse(text)
    accepted = Acceptance(topological([net.output]))
    point = accepted._draw(0, fold=True)
    assert point is not None
    assert max(v.size for v in point.known.values()) <= 36
    total = values([net.output], point.known, point.axes)[0][net.output]
    x = net.inputs["X"]
    full = {n: _unfolded(v, n.shape) for n, v in point.leaves.items()}
    whole = values([net.output], full, Axes({}, False))[0][net.output]
    np.testing.assert_allclose(total, whole, rtol=1e-10)
    assert accepted.accepts(reduce_sum(x * 2), 2 * reduce_sum(x), "test")
    assert not accepted.accepts(reduce_sum(x * 2), reduce_sum(x), "test")
    DROPPED.clear()


def _unfolded(value: Any, shape: Any) -> Any:
    for axis, d in enumerate(shape):
        if value.shape[axis] != d:
            value = np.take(value, [min(k, value.shape[axis] - 1) for k in range(d)], axis=axis)
    return value


def test_a_delta_along_a_folded_axis_is_refused_and_seen_in_full() -> None:
    x = _sized("x", 40)
    spread = einsum([["i"]], [x], ["i", "i"])
    accepted = Acceptance([x])
    assert accepted.accepts(reduce_sum(spread), reduce_sum(x), "test")
    assert {fold for _, fold in accepted.points} == {True, False}
    assert not DROPPED
