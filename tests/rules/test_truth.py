"""Every row of the rewrite tables is true to 50 digits, and every row is found again in its own left side."""

from __future__ import annotations

import random

import mpmath
import pytest

from symgrad.engine.evaluate import evaluate
from symgrad.engine.rewrite import rewrite
from symgrad.graph.node import Node, apply, make, topological, var
from symgrad.rules.algebra import RECOGNITION
from symgrad.rules.row import REAL, Interval, Rewrite
from symgrad.rules.stability import ACCURATE, DEFAULT, SHARING

TABLES = RECOGNITION + DEFAULT + ACCURATE + SHARING
POINTS = 40
DIGITS = 80


def seeded(seed: object) -> random.Random:
    return random.Random(str(seed))  # noqa: S311  # a test that repeats itself


def draw(rng: random.Random, interval: Interval) -> float:
    low, high = max(interval.low, -30.0), min(interval.high, 30.0)
    return rng.uniform(low, high) if rng.random() < 0.5 else rng.uniform(max(low, -2.0), min(high, 2.0))


def largest_error(rule: Rewrite, seed: int = 0) -> mpmath.mpf:
    """The largest error of lhs = rhs over random points of the domain, relative where a side exceeds 1."""
    rng = seeded(seed)
    x = rule.placeholders
    sides = [rule.lhs(*x), rule.rhs(*x)]
    worst = mpmath.mpf(0)
    for _ in range(POINTS):
        env = {p: draw(rng, interval) for p, interval in zip(x, rule.domain or (REAL,) * len(x))}
        a, b = (v.item() for v in evaluate(sides, env, digits=DIGITS))
        assert mpmath.isfinite(a), f"{rule.name}: the left side has no value at {env}"
        assert mpmath.isfinite(b), f"{rule.name}: the right side has no value at {env}"
        worst = max(worst, abs(a - b) / max(1, abs(a), abs(b)))
    return worst


@pytest.mark.parametrize("rule", TABLES, ids=lambda r: r.name)
def test_row_is_true(rule: Rewrite) -> None:
    assert largest_error(rule) < mpmath.mpf(10) ** -50


FALSE = (
    Rewrite("sign", ("x",), lambda x: 1 - apply("sigmoid", x), lambda x: apply("sigmoid", x), "planted"),
    Rewrite("forgotten_square", ("x",), lambda x: 1 - apply("tanh", x) ** 2, lambda x: 1 - apply("tanh", x), "planted"),
    Rewrite("nearly", ("x",), lambda x: apply("softplus", x),
            lambda x: apply("softplus", x) + apply("exp", -90 + 0 * x), "planted"),
    Rewrite("half_line", ("x",), lambda x: apply("sqrt", x**2), lambda x: x, "planted"),
    Rewrite("swapped", ("a", "b"), lambda a, b: 1 / (1 + apply("exp", a - b)), lambda a, b: apply("sigmoid", a - b),
            "planted"),
)


@pytest.mark.parametrize("rule", FALSE, ids=lambda r: r.name)
def test_planted_false_row_is_caught(rule: Rewrite) -> None:
    assert largest_error(rule) > mpmath.mpf(10) ** -50


@pytest.mark.parametrize("rule", TABLES, ids=lambda r: r.name)
@pytest.mark.parametrize("shape", [(), (2, "n")], ids=str)
def test_row_applies_to_its_own_left_side(rule: Rewrite, shape: tuple[int | str, ...]) -> None:
    args = [var(p, shape) for p in rule.params]
    (after,), log = rewrite([rule.lhs(*args)], (rule,))
    assert log[0].rule == rule.name
    assert after.shape == args[0].shape
    assert log[0].after is rule.rhs(*args)


def turned(root: Node) -> Node:
    """The same mathematics with every sum and product turned round and every quotient and difference spelled out."""
    new: dict[Node, Node] = {}
    for n in topological([root]):
        args = [new[a] for a in n.args]
        if n.op in ("add", "mul"):
            new[n] = make(n.op, args[::-1], n.attr, n.shape)
        elif n.op == "sub":
            new[n] = -1 * args[1] + args[0]
        elif n.op == "div":
            new[n] = args[1] ** -1 * args[0]
        elif n.op == "neg":
            new[n] = args[0] * -1
        else:
            new[n] = make(n.op, args, n.attr, n.shape)
    return new[root]


@pytest.mark.parametrize("rule", TABLES, ids=lambda r: r.name)
def test_row_applies_to_other_spellings_of_its_left_side(rule: Rewrite) -> None:
    args = [var(p, (3,)) for p in rule.params]
    _, log = rewrite([turned(rule.lhs(*args))], (rule,))
    assert log
    assert log[0].rule == rule.name


def test_names_are_unique_and_sources_are_given() -> None:
    names = [r.name for r in TABLES]
    assert len(set(names)) == len(names)
    assert all(r.source for r in TABLES)
