"""Gradients under assumptions: the short form, what it rests on, and the judge that catches a false use."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import sympy as sp

import symgrad as sg
from symgrad.engine.assumptions import Assumption
from symgrad.engine.derivation import Record, Step
from symgrad.engine.verify import verify
from symgrad.graph.node import const, einsum, var

NAMES = "z: (n, k); y: (n, k); v: (m,); x: (m,); t: (m,); A: (m, m); B: (m, m); Q: (m, m); s: ()\n"

# equations, variable, assumptions, gradient, those that were used
CASES = [
    ("sum(cross_entropy(z, y))", "z", "", "softmax(z)*sum(y, axis=1, keepdims=True) - y", ""),
    ("sum(cross_entropy(z, y))", "z", "sum(y, axis=1) == 1; y >= 0", "softmax(z) - y", "sum(y, axis=1) == 1"),
    ("sum(cross_entropy(z, y))", "z", "sum(y, axis=1, keepdims=True) == 1", "softmax(z) - y", "*"),
    ("sum(cross_entropy(z, y))", "z", "sum(y, axis=0) == 1", "softmax(z)*sum(y, axis=1, keepdims=True) - y", ""),
    ("-sum(y*log_softmax(z, axis=0))", "z", "sum(y, axis=0) == 1", "softmax(z, axis=0) - y", "*"),
    ("-sum(t*log_softmax(x))", "x", "1 == sum(t)", "softmax(x) - t", "*"),
    ("sum(v*(x - s))", "s", "sum(v) == 1", "-1", "*"),
    ("mean(x)**2*s", "x", "mean(x) == 0", "zeros((m,))", "*"),
    ("norm(x)", "x", "norm(x) == 1", "x", "*"),
    ("sum(x*t**2)", "x", "t in (0, 1)", "t", "*"),
    ("sum(x*t*(1 - t))", "x", "t in (0, 1)", "zeros((m,))", "*"),
    ("sum(x/t)", "x", "t in (-1, 1)", "t", "*"),
    ("sum(x*t**3)", "x", "t in (-1, 0, 1)", "t", "*"),
    ("x @ A @ x", "x", "A == A.T", "2*(A @ x)", "*"),
    ("x @ inv(A) @ x", "x", "A == A.T", "2*(inv(A) @ x)", "*"),
    ("x @ inv(A) @ t", "x", "A == A.T", "inv(A) @ t", ""),
    ("logdet(A)", "A", "A.T == A", "inv(A)", "*"),
    ("sum((Q @ x - t)**2)/2", "x", "Q.T @ Q == eye(m)", "x - Q.T @ t", "*"),
    ("t @ inv(Q) @ x", "x", "Q.T @ Q == eye(m)", "Q @ t", "*"),
    ("sum(solve(Q, x)*t)", "x", "Q @ Q.T == eye(m)", "Q @ t", "*"),
    ("sum(inv(A) @ x * t)", "x", "A @ B == eye(m)", "B.T @ t | t @ B", "*"),
    ("sum((A @ (A @ x))*t)", "x", "A @ A == A", "A.T @ t", "*"),
    ("sum((A @ x)**2)/2", "x", "A @ A == A; A == A.T", "A @ x", "A @ A == A; A == A.T"),
    ("sum(abs(x)*t)", "x", "x > 0", "t", "*"),
    ("sum(abs(x)*t)", "t", "x <= 0", "-x", "*"),
    ("sum(abs(x*v)*t)", "t", "x > 0; v < 0", "-x*v", "x > 0; v < 0"),
    ("sum(sqrt(x**2)*t)", "t", "x >= 0", "x", "*"),
    ("sum(relu(x)*t)", "t", "x >= 0", "x", "*"),
    ("sum(relu(x)*t)", "x", "x >= 0", "t*step(x)", ""),
    ("sum(maximum(x, 0)*t)", "x", "2*x > 1", "t", "*"),
    ("sum(maximum(x, v)*t)", "x", "x > v", "t", "*"),
    ("sum(leaky_relu(x)**2)", "x", "x > 0", "2*x", "*"),
    ("sum(clip(x, 0, 1)*t)", "t", "0 <= x <= 1", "x", "*"),
    ("sum(where(x > t, x, v)**2)", "x", "x > 3; t < 2", "2*x", "x > 3; t < 2"),
    ("sum(abs(exp(x))*t)", "x", "", "t*exp(x)", ""),
    ("sum(x**2 * s)", "x", "s == 1/2", "x", "*"),
    ("sum(log(1 - x)*t)", "x", "x + t == 1; x > 0", "-ones((m,))", "x + t == 1"),
]  # fmt: skip


def derived(equation: str, wrt: str, facts: str) -> sg.Derivation:
    net = sg.parse(f"{NAMES}L = {equation}")
    if facts:
        net.assume(facts)
    return sg.derive(net, wrt)


@pytest.mark.parametrize(("equation", "wrt", "facts", "gradient", "needed"), CASES)
def test_the_short_form_and_what_it_rests_on(equation: str, wrt: str, facts: str, gradient: str, needed: str) -> None:
    d = derived(equation, wrt, facts)
    assert str(d.expression).replace("broadcast_to(-1, (m,))", "-ones((m,))") in gradient.split(" | ")
    wanted = [facts] if needed == "*" else needed.split("; ") if needed else []
    assert list(d.record.assumptions_used) == wanted
    text = d.text()
    for fact in wanted:
        (number, *_) = d.record.assumptions_used[fact]
        assert d.steps[number - 1].rule == "assumption"
        assert f"Note: Assuming {fact} (used in step" in text
    assert ("Assuming" in text) == bool(wanted)
    proved = d.verify(digits=20)
    assert proved.ok, str(proved)


def test_without_the_assumption_the_general_form_stands() -> None:
    for equation, wrt, facts, gradient, needed in CASES:
        if facts and needed == "*":
            assert str(derived(equation, wrt, "").expression) not in gradient.split(" | ")


def test_a_sign_that_needs_no_assumption_is_no_assumption() -> None:
    d = derived("sum(abs(exp(x))*t)", "x", "")
    (step,) = [s for s in d.steps if s.rule == "known_sign"]
    assert step.reason == "as e > 0"  # e = exp(x) in the forward pass
    assert step.assumptions == ()


def test_a_function_that_the_user_named() -> None:
    u, x = sp.Symbol("u", real=True), sp.Symbol("x", positive=True)
    steep = sg.function("steep", sp.Lambda(u, sp.Max(u, u / 10)))
    d = sg.derive(sg.sin(steep(x)), x)
    assert str(d.result) == "cos(x)"
    assert list(d.record.assumptions_used) == ["x > 0"]
    assert d.verify(digits=20).ok


def test_what_is_put_in_rests_on_it_too() -> None:
    net = sg.parse(NAMES + "u = A @ x\np = softmax(u)\nL = -sum(t*log(p))\nassume(sum(t) == 1)")
    d = sg.derive(net, ["x", "A"])
    assert str(d["x"].expression) in ("A.T @ (p - t)", "(p - t) @ A")
    resting = [s.rule for s in d.steps if s.assumptions]
    assert resting.count("assumption") >= 1
    assert "substitute" in resting
    assert d.verify(digits=20).ok
    kernel_and_text = d.compile()
    assert "softmax" not in kernel_and_text.source.split("A_bar")[-1]


# --- planted faults ---------------------------------------------------------------------------------------------------


def record_with(step: Step, **changes: Any) -> Record:
    d = derived("sum(cross_entropy(z, y))", "z", "sum(y, axis=1) == 1; y >= 0; sum(y, axis=0) == 1")
    steps = tuple(step if s.rule == "assumption" else s for s in d.steps)
    assert step in steps
    return replace(d.record, steps=steps, **changes)


@pytest.fixture
def honest() -> Step:
    d = derived("sum(cross_entropy(z, y))", "z", "sum(y, axis=1) == 1; y >= 0; sum(y, axis=0) == 1")
    (step,) = [s for s in d.steps if s.rule == "assumption"]
    assert verify(record_with(step), digits=20).ok
    return step


def failure(record: Record) -> str:
    proved = verify(record, digits=20)
    assert not proved.ok
    return str(proved.failures[0])


def test_a_wrong_assumption_does_not_carry_the_step(honest: Step) -> None:
    for text in ("y >= 0", "sum(y, axis=0) == 1"):
        assert f"differ at a random point where {text}" in failure(record_with(replace(honest, assumptions=(text,))))


def test_a_step_that_hides_what_it_rests_on(honest: Step) -> None:
    assert "differ at a random point, so" in failure(record_with(replace(honest, assumptions=())))


def test_an_assumption_that_nobody_stated(honest: Step) -> None:
    assert "which nobody stated" in failure(record_with(replace(honest, assumptions=("sum(y) == n",))))
    assert "which nobody stated" in failure(record_with(honest, assumptions=()))


def test_a_false_form_under_a_true_assumption(honest: Step) -> None:
    wrong = replace(honest, after=honest.after * 2)
    assert "differ at a random point where" in failure(record_with(wrong))


def test_a_result_that_was_shortened_in_secret(honest: Step) -> None:
    d = derived("sum(cross_entropy(z, y))", "z", "")
    z = d.record.wrt[0]
    lied = replace(d.record, results={z: honest.after})
    assert not verify(lied, digits=20).ok
    assert not verify(replace(d.record, resolved={**d.record.resolved, z: honest.after}), digits=20).ok


def test_assumptions_that_no_point_fulfils(honest: Step) -> None:
    y = var("y", ("n", "k"))
    row = einsum(["ij"], [y], "i")
    never = Assumption("sum(y, axis=1) == -1", (("eq", row, (const(-1),)),))
    stated = (*record_with(honest).assumptions, never)
    texts = ("sum(y, axis=1) == -1", "sum(y, axis=1) == 1")
    step = replace(honest, assumptions=texts, reason=f"assuming {' and '.join(texts)}")
    proved = verify(record_with(step, assumptions=stated, resolved={}, closed={}), digits=20)
    assert not proved.ok
    (open_one, *_) = proved.unchecked
    assert "contradict one another" in open_one.problem
    assert "not checked" in str(proved)


@pytest.mark.parametrize("loss", [
    "sum(softmax(z)**2) - sum(y*log_softmax(z))", "sum(softmax(z)**2) + sum(cross_entropy(z, y))",
    "sum(cross_entropy(z, y)) + sum(softmax(z)*y)", "sum(cross_entropy(z, y)) + sum(softmax(z)**2*y)",
])
def test_what_a_form_rests_on_is_listed_where_another_is_as_short(loss: str) -> None:
    d = sg.derive(f"z: (n, k); y: (n, k); assume(sum(y, axis=1) == 1); L = {loss}", "z")
    assert d.verify().ok


@pytest.mark.parametrize(("text", "wrt"), [
    ("v: (n,); L = sum(exp(relu(exp(v))))", "v"), ("x: (n,); L = sum(abs(x - x)*x)", "x"),
    ("x: (k,); b: (n, k); L = sum(where(exp(x) > 0, b, x)*b)", "b"),
    ("x: (n,); b: (n,); L = sum(maximum(exp(x) + 1, -exp(b))*b)", "x"),
])
def test_a_sign_that_decides_a_case_is_a_reason_that_is_verified(text: str, wrt: str) -> None:
    assert sg.derive(text, wrt).verify().ok
