"""Every derivative in the table of functions is that of the function itself, by differences in long arithmetic.

Adding a row adds its test. No derivative rule is evidence here: the slope comes from values of the function alone.
"""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import mpmath
import pytest

from symgrad.engine.evaluate import evaluate
from symgrad.graph.node import Node, apply
from symgrad.rules.elementwise import BY_NAME, FUNCTIONS
from symgrad.rules.row import Function, Interval

POINTS = 12
DIGITS = 100
H = mpmath.mpf(10) ** -20  # the error is H^4 times the fifth derivative, and eps/H
TOLERANCE = mpmath.mpf(10) ** -50


def draw(rng: random.Random, interval: Interval) -> mpmath.mpf:
    low, high = max(interval.low, -8.0), min(interval.high, 8.0)
    return mpmath.mpf(rng.uniform(low, high))


def value(node: Node, env: dict[Node, Any]) -> Any:
    return evaluate([node], env, digits=DIGITS)[0].item()


def slope(y: Node, env: dict[Node, Any], x: Node) -> Any:
    """Return dy/dx by the fourth-order central difference."""
    with mpmath.workdps(DIGITS):
        at = {s: value(y, {**env, x: env[x] + s * H}) for s in (-2, -1, 1, 2)}
        return (at[-2] - 8 * at[-1] + 8 * at[1] - at[2]) / (12 * H)


def largest_error(row: Function) -> Any:
    """Return the largest error of the row's derivatives, relative where the slope exceeds 1."""
    rng = random.Random(row.name)  # noqa: S311  # a test that repeats itself
    xs = row.placeholders
    y = BY_NAME[row.name](*xs)
    told = row.derivative(y, *xs)
    assert len(told) == len(xs)
    worst = mpmath.mpf(0)
    for _ in range(POINTS):
        env: dict[Node, Any] = {x: draw(rng, interval) for x, interval in zip(xs, row.intervals())}
        for x, d in zip(xs, told):
            a, b = slope(y, env, x), 0 if d is None else value(d, env)
            with mpmath.workdps(DIGITS):
                worst = max(worst, abs(a - b) / max(1, abs(a)))
    return worst


@pytest.mark.parametrize("row", FUNCTIONS, ids=lambda r: r.name)
def test_the_derivative_of_a_row_is_true(row: Function) -> None:
    assert largest_error(row) < TOLERANCE


@pytest.mark.parametrize("row", [f for f in FUNCTIONS if f.definition is not None], ids=lambda r: r.name)
def test_the_definition_of_a_row_is_its_value(row: Function) -> None:
    assert row.definition is not None
    rng = random.Random(row.name)  # noqa: S311  # a test that repeats itself
    xs = row.placeholders
    for _ in range(POINTS):
        env = {x: draw(rng, interval) for x, interval in zip(xs, row.intervals())}
        a, b = value(row(*xs), env), value(row.definition(*xs), env)
        assert abs(a - b) <= TOLERANCE * max(1, abs(a))


@pytest.mark.parametrize("row", [f for f in FUNCTIONS if f.machine is not None], ids=lambda r: r.name)
def test_the_machine_form_of_a_row_is_its_value(row: Function) -> None:
    assert row.machine is not None
    rng = random.Random(row.name)  # noqa: S311  # a test that repeats itself
    xs = row.placeholders
    for _ in range(POINTS):
        env = {x: draw(rng, interval) for x, interval in zip(xs, row.intervals())}
        a, b = value(row(*xs), env), value(row.machine(*xs), env)
        assert abs(a - b) <= TOLERANCE * max(1, abs(a))


FALSE = {
    "sigmoid": lambda y, x: (y * (1 + y),),  # wrong sign
    "tanh": lambda y, x: (1 - y,),  # forgotten square
    "div": lambda y, a, b: (1 / b, a / b**2),  # wrong sign of one of two
    "pow": lambda y, a, b: (a ** (b - 1), y * apply("log", a)),  # dropped factor
    "mul": lambda y, a, b: (a, b),  # exchanged
    "sqrt": lambda y, x: (1 / (2 * y) + apply("exp", -60 - x),),  # nearly
    "relu": lambda y, x: (None,),  # no derivative at all
}


@pytest.mark.parametrize("name", FALSE)
def test_a_planted_false_derivative_is_caught(name: str) -> None:
    assert largest_error(dataclasses.replace(BY_NAME[name], derivative=FALSE[name])) > TOLERANCE
