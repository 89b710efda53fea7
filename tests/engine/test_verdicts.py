"""The judge itself: digits, cancellation, points of both signs, what cannot be checked, and rules planted wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import pytest

import symgrad as sg
from symgrad.engine.derivation import Record, Step
from symgrad.engine.derive import bar, derive
from symgrad.engine.proof import prove
from symgrad.engine.verdict import Check, Verification
from symgrad.engine.verify import verify
from symgrad.errors import InputError
from symgrad.graph.node import Node, apply, const, var
from symgrad.rules.elementwise import BY_NAME, FUNCTIONS
from symgrad.rules.row import REAL, Function

X, Y = var("x"), var("y")


def claimed(loss: Node, gradient: Node) -> Record:
    """Return a record of two steps that says that a gradient is the derivative of a loss in x."""
    whole = derive(loss, [X])
    first = whole.steps[0]
    rule = whole.steps[1].rule  # that of the outermost operation
    steps = (first, Step(rule, first.after, gradient, X, whole.steps[1].reason))
    same = {X: gradient}
    return replace(whole, steps=steps, values=same, results=same, resolved=same, closed=same)


# --- digits and cancellation ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("digits", [8, 5, 0, -3, 9])
def test_too_few_digits_are_refused(digits: int) -> None:
    with pytest.raises(InputError, match="fewer than 10"):
        sg.derive("x**2", "x").verify(digits=digits)


@pytest.mark.parametrize("digits", [10, 11, 17, 50])
def test_the_least_digits_tell_a_wrong_gradient(digits: int) -> None:
    loss = X * X * Y
    assert verify(derive(loss, [X]), digits=digits).ok
    for wrong in (2 * X * Y * (1 + Fraction(1, 10**9)), 2 * X * Y + Fraction(1, 10**7), 3 * X * Y, -2 * X * Y):
        assert verify(claimed(loss, wrong), digits=digits).failures


@pytest.mark.parametrize("size", [10**3, 10**30, 10**60, 10**90, 10**200])
@pytest.mark.parametrize("wrong", [7 * X, 2 * X + Fraction(1, 10**9), const(0)])
def test_huge_terms_that_cancel_hide_nothing(size: int, wrong: Node) -> None:
    loss = X * X * (1 + 0 * Y)
    forged = verify(claimed(loss, wrong + size * (Y - Y)))
    assert forged.failures
    assert not verify(claimed(loss, wrong * (size + 1 - const(size)))).ok
    honest = verify(claimed(loss, 2 * X + size * (Y - Y)))
    assert honest.failures == (), str(honest)


def test_a_term_that_no_number_of_digits_tells_is_open() -> None:
    size = const(10**600)
    forged = verify(claimed(X * X + 0 * Y, 2 * X + (size * size * size * size * (Y - Y))))
    assert not forged.ok


# --- states -----------------------------------------------------------------------------------------------------------


def test_nothing_derived_is_no_pass() -> None:
    r = derive(X * X, [X])
    empty = verify(replace(r, steps=(), wrt=(), results={}, values={}, resolved={}, closed={}))
    assert not empty.ok
    assert not empty.checks
    assert "nothing was checked" in str(empty)


def test_an_open_check_is_neither_true_nor_false() -> None:
    check = Check(1, "result", "dL/dx", False, (), "no point", checked=False)
    v = Verification((check, Check(2, "result", "dL/dy", True, ("proved",))), 50, {}, 0)
    assert not v.ok
    assert v.failures == ()
    assert v.unchecked == (check,)
    assert "not checked no point" in str(v)
    assert "1 of 2 checks hold, 1 not checked" in str(v)


@pytest.mark.parametrize("text", ["log(-x**2 - 1)", "sqrt(-1 - x**2)*x", "log(sin(x) - 2)*x"])
def test_where_no_point_is_found_nothing_is_said(text: str) -> None:
    v = sg.derive(text, "x").verify(digits=20)
    assert not v.ok
    assert v.failures == ()
    assert len(v.unchecked) == len(v.checks) > 0
    assert "found no point" in v.unchecked[0].problem


def test_the_command_says_what_was_not_checked(capsys: pytest.CaptureFixture[str]) -> None:
    from symgrad.cli import main

    assert main(["derive", "log(-x**2 - 1)", "--wrt", "x", "--verify"]) == 1
    assert "not checked" in capsys.readouterr().out
    assert main(["derive", "log(-x**2 - 1)", "--wrt", "x", "--verify", "--json"]) == 1
    assert '"verdict": "not checked"' in capsys.readouterr().out


# --- points -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
def test_a_magnitude_is_not_its_argument(seed: int) -> None:
    loss = apply("abs", X) * X
    r = derive(loss, [X])
    for lie in (lambda line: X * 2, lambda line: -X * 2):
        wrong = claimed(loss, lie(None))
        assert verify(wrong, digits=20, seed=seed).failures
    step = Step("order", bar(r.loss, X), apply("abs", X), X, "factors in order")
    chain = (r.steps[0], Step("deriv_mul", r.steps[0].after, 2 * apply("abs", X), X, "product rule"),
             replace(step, before=2 * apply("abs", X), after=2 * X))
    same = {X: 2 * X}
    v = verify(replace(r, steps=chain, values=same, results=same, resolved=same, closed=same), digits=20, seed=seed)
    assert 3 in [c.number for c in v.failures]


RIGHT: dict[str, Callable[[], sg.Derivation]] = {
    "hessian under an assumption": lambda: sg.hessian(
        "z: (k,); y: (k,); L = -sum(y*log_softmax(z)); assume(sum(y) == 1)", "z"),
    "jacobian under an assumption": lambda: sg.jacobian("x: (k,); f = abs(x)*x; assume(x > 0)", "x"),
    "hvp under an assumption": lambda: sg.hvp("x: (m,); A: (m, m); L = x @ A @ x; assume(A == A.T)", "x"),
    "hvp of a maximum": lambda: sg.hvp("x: (n,); L = max(x)**2", "x"),
    "hessian of a maximum": lambda: sg.hessian("x: (n,); L = max(x)**2", "x"),
    "an index plus one": lambda: sg.derive("x: (n,); y: int(k,); L = sum(x[y + 1]**2)", "x"),
    "twice an index": lambda: sg.derive("x: (n,); y: int(k,); L = sum(x[2*y]**2)", "x"),
    "hessian at an index plus one": lambda: sg.hessian("x: (n,); y: int(k,); L = sum(x[y + 1]**3)", "x"),
    "masked by infinity": lambda: sg.derive(
        "z: (n, k); m: (n, k); L = sum(logsumexp(where(m > 0, z, -inf), axis=1))", "z"),
    "softmax masked by infinity": lambda: sg.derive(
        "z: (k,); m: (k,); L = sum(softmax(where(m > 0, z, -inf))**2)", "z"),
    "a sum that vanishes": lambda: sg.derive("u: (n,); L = sum(u) - sum(u)", "u"),
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_is_not_called_false(name: str) -> None:
    v = RIGHT[name]().verify(digits=20)
    assert v.ok, str(v)


@pytest.mark.parametrize("name", ["hessian under an assumption", "hvp of a maximum", "hessian of a maximum",
                                  "hvp under an assumption", "hessian at an index plus one"])
def test_what_is_read_off_falsely_is_caught_there_too(name: str) -> None:
    from symgrad.jacobians.result import Jacobian

    right = RIGHT[name]()
    assert isinstance(right, Jacobian)
    (r,) = right.readings
    for wrong in (r.result * 2, r.result * Fraction(10**9 + 1, 10**9), r.result + 1):
        v = Jacobian(right.stages, [replace(r, result=wrong, steps=())], right.scope).verify(digits=20)
        assert v.failures, str(v)


# --- rules planted wrong ----------------------------------------------------------------------------------------------


def planted(row: Function, where: Callable[[Node], Node], k: int) -> Function:
    """Return a row whose derivative by argument k is off by one half where a condition on that argument holds."""

    def derivative(y: Node, *xs: Node) -> tuple[Node | None, ...]:
        out = list(row.derivative(y, *xs))
        d = out[k]
        fault = (d if d is not None else 0 * y) + Fraction(1, 2)
        out[k] = apply("where", where(xs[k]), fault, d if d is not None else 0 * y)
        return tuple(out)

    return replace(row, derivative=derivative)


CONDITIONS: dict[str, Callable[[Node], Node]] = {
    "x > 4": lambda x: apply("gt", x, 4), "x < 0": lambda x: apply("lt", x, 0),
    "|x| > 4": lambda x: apply("gt", apply("abs", x), 4), "|x| < 0.05": lambda x: apply("lt", apply("abs", x), 0.05),
}  # fmt: skip


def reached(row: Function, k: int, condition: str) -> bool:
    """Return whether the domain of an argument holds such values."""
    low, high = row.intervals()[k].low, row.intervals()[k].high
    return {"x > 4": high > 4.5, "x < 0": low < 0, "|x| > 4": high > 4.5 or low < -4.5,
            "|x| < 0.05": low < 0.02 and high > -0.02}[condition]


PLANTS = [(f.name, k, c) for f in FUNCTIONS for k in range(len(f.params)) for c in CONDITIONS
          if reached(f, k, c) and not (f.name == "where" and k == 0)]


@pytest.mark.parametrize(("name", "k", "condition"), PLANTS)
def test_a_rule_wrong_in_a_part_of_its_domain_is_caught(name: str, k: int, condition: str) -> None:
    wrong = planted(BY_NAME[name], CONDITIONS[condition], k)
    assert not prove(name, wrong).ok


KINKED = [(f.name, k) for f in FUNCTIONS if f.kink is not None for k in range(len(f.params))]


@pytest.mark.parametrize(("name", "k"), KINKED)
def test_a_rule_wrong_on_its_kink_alone_is_caught(name: str, k: int) -> None:
    row = BY_NAME[name]

    def derivative(y: Node, *xs: Node) -> tuple[Node | None, ...]:
        assert row.kink is not None
        out = list(row.derivative(y, *xs))
        d = out[k] if out[k] is not None else 0 * y
        near = apply("lt", apply("abs", row.kink(*xs)), Fraction(1, 10**40))
        out[k] = apply("where", near, d + Fraction(1, 4), d)
        return tuple(out)

    assert not prove(name, replace(row, derivative=derivative)).ok


UNARY = [f.name for f in FUNCTIONS if len(f.params) == 1 and f.intervals() == (REAL,) and f.mp != "gamma"
         and any(d is not None for d in f.derivative(f(X), X)) and not f.orders]


@pytest.mark.parametrize("name", UNARY)
def test_a_wrong_rule_is_caught_where_it_is_used(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted row differentiates a loss; the judge, which has the primal alone, names the step."""
    row = BY_NAME[name]
    loss = row(X) * Y
    for condition in ("x > 4", "x < 0", "|x| > 4"):
        monkeypatch.setitem(BY_NAME, name, planted(row, CONDITIONS[condition], 0))
        v = verify(derive(loss, [X]), digits=20)
        monkeypatch.setitem(BY_NAME, name, row)
        assert any(c.rule == f"deriv_{name}" for c in v.failures), (condition, str(v))
