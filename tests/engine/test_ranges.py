"""Ranges of values: each lies around every value that is met, and signs that matter are known."""

from __future__ import annotations

import random

import mpmath
import pytest

import symgrad as sg
from symgrad.engine.evaluate import distinct_sizes, evaluate, random_env
from symgrad.engine.ranges import Ranges, contradiction
from symgrad.graph.node import apply, var
from symgrad.rules.elementwise import FUNCTIONS
from symgrad.rules.ranges import ALL, INF, NEGATIVE, NONNEGATIVE, NONPOSITIVE, POSITIVE, UNIT, Range, point
from symgrad.rules.row import Function

NAMES = "w: (n,); x: (); y: (); p: ()\nL = "
SAMPLES = (Range(-2, 3, True, True), Range(0, 1), Range(-1, 0, True), point(2), Range(0.5, 4, True), Range(-3, -1))


def values(r: Range) -> list[float]:
    low, high = max(r.low, -1e3), min(r.high, 1e3)
    inside = [low + (high - low) * t for t in (0.001, 0.31, 0.5, 0.999)]
    return [*inside, *[low] * r.at_low, *[high] * r.at_high]


@pytest.mark.parametrize("a", SAMPLES)
def test_arithmetic_holds_every_value(a: Range) -> None:
    for b in SAMPLES:
        for u in values(a):
            for v in values(b):
                for made, value in ((a + b, u + v), (a - b, u - v), (a * b, u * v), (-a, -u), (a.join(b), u)):
                    assert point(value) in made or abs(value - made.low) + abs(value - made.high) < 1e-9
    for n in (0, 1, 2, 3, 4):
        assert all(point(u**n) in a.power(n) for u in values(a))
    assert all(u == 0 or point(1 / u) in a.inverse() for u in values(a))
    assert all(point(u / c) in a.over(c) for u in values(a) for c in (2.0, -3.0))


def test_open_and_closed_ends() -> None:
    assert POSITIVE + NONNEGATIVE == POSITIVE
    assert POSITIVE * POSITIVE == POSITIVE
    assert NONNEGATIVE * POSITIVE == NONNEGATIVE
    assert UNIT.meet(POSITIVE) == Range(0, 1, False, True)
    assert POSITIVE.meet(NEGATIVE).empty
    assert not NONNEGATIVE.meet(NONPOSITIVE).empty
    assert point(0) in NONNEGATIVE
    assert point(0) not in POSITIVE


@pytest.mark.parametrize("row", FUNCTIONS, ids=lambda r: r.name)
def test_the_image_of_a_row_holds_its_values(row: Function) -> None:
    rng = random.Random(len(row.name))  # noqa: S311  # test points, no secrets
    node = row(*row.placeholders)
    image = Ranges().of(node)
    for _ in range(6):
        env = random_env([node], rng, {}, 20)
        assert point(float(evaluate([node], env, digits=20)[0][()])) in image


WIDE = (*SAMPLES, POSITIVE, NEGATIVE, UNIT, Range(-3, INF), Range(-7.5, 7.5, True, True))


@pytest.mark.parametrize("row", FUNCTIONS, ids=lambda r: r.name)
def test_the_image_of_a_range_holds_the_values_there(row: Function) -> None:
    """Poles between the ends included, where a function falls from both sides and is not monotone."""
    rng = random.Random(len(row.name))  # noqa: S311  # test points, no secrets
    node = row(*row.placeholders)
    tried = 0
    for _ in range(40):
        drawn = {x: rng.choice(WIDE) for x in row.placeholders}
        ranges = Ranges()
        ranges.known.update({x: (r, frozenset()) for x, r in drawn.items()})
        image = ranges.of(node)
        for _ in range(6):
            at = {x: rng.choice(values(Range(max(r.low, -9), min(r.high, 9), r.at_low, r.at_high)))
                  for x, r in drawn.items()}
            value = evaluate([node], at, digits=200)[0][()]
            if mpmath.isfinite(value) and abs(value) < 1e300:
                near = (float(value) * (1 + s * 1e-15) for s in (-1, 0, 1))
                assert any(point(v) in image for v in near), (drawn, at, value, image)
                tried += 1
    assert tried > 20


@pytest.mark.parametrize("row", [r for r in FUNCTIONS if len(r.params) == 1 and not r.domain], ids=lambda r: r.name)
def test_a_function_of_the_whole_line_has_no_pole(row: Function) -> None:
    """A domain that a row does not state is taken for the whole line: no function is monotone across a pole."""
    node, (x,) = row(*row.placeholders), row.placeholders
    for k in range(-36, 37):
        if row.name != "sinc" or k:
            assert mpmath.isfinite(evaluate([node], {x: k / 4}, digits=20)[0][()]), (row.name, k / 4)


@pytest.mark.parametrize("row", [r for r in FUNCTIONS if r.cases], ids=lambda r: r.name)
def test_each_case_of_a_row_is_what_the_function_is_there(row: Function) -> None:
    """Held against the function's own values, at points chosen to fall into the case."""
    rng = random.Random(7)  # noqa: S311  # test points, no secrets
    xs = row.placeholders
    for when, value in row.cases:
        met = 0
        for _ in range(400):
            at = {x: rng.choice((-2.0, -1.0, 0.0, 0.5, 1.0, 3.0)) for x in xs}
            conditions = when(*xs)
            found = evaluate([n for n, _ in conditions], at, digits=20)
            if all(point(float(v[()])) in wanted for v, (_, wanted) in zip(found, conditions)):
                met += 1
                a, b = evaluate([row(*xs), value(*xs)], at, digits=20)
                assert a[()] == b[()], (row.name, at)
            if met > 20:
                break
        assert met, f"no point met a case of {row.name}"


@pytest.mark.parametrize(("text", "facts", "wanted", "rests"), [
    ("exp(x)", "", POSITIVE, ""),
    ("x**2 + 1", "", Range(1, INF, True), ""),
    ("1/(1 + exp(-x))", "", Range(0, 1), ""),
    ("norm(w)", "", NONNEGATIVE, ""),
    ("w @ w", "", NONNEGATIVE, ""),
    ("abs(x)*y", "y > 0; x < 0", POSITIVE, "y > 0; x < 0"),
    ("log(x)", "x > 1", POSITIVE, "x > 1"),
    ("tanh(x)", "x >= 0", Range(0, 1, True), "x >= 0"),
    ("1 - p", "0 <= p <= 1", UNIT, "0 <= p <= 1"),
    ("p*(1 - p)", "0 < p < 1", Range(0, 1), "0 < p < 1"),
    ("x - y", "x > y", POSITIVE, "x > y"),
    ("x", "2*x - 1 > 3", Range(2, INF), "2*x - 1 > 3"),
    ("x", "1 - x >= 3", Range(-INF, -2, at_high=True), "1 - x >= 3"),
    ("sum(w)", "w > 0; y > 0", POSITIVE, "w > 0"),
    ("x*y", "", ALL, ""),
    ("relu(x) + p", "p in (1, 3)", Range(1, INF, True), "p in (1, 3)"),
])  # fmt: skip
def test_ranges_of_expressions(text: str, facts: str, wanted: Range, rests: str) -> None:
    net = sg.parse(NAMES + text)
    if facts:
        net.assume(facts)
    found, by = Ranges(net.assumptions).found(net.output)
    assert found == wanted
    assert {a.text for a in by} == set(rests.split("; ") if rests else [])


@pytest.mark.parametrize(("facts", "guilty"), [
    ("x > 0; y > 0; x < 0", {"x > 0", "x < 0"}),
    ("y in (0, 1); y > 2", {"y in (0, 1)", "y > 2"}),
    ("sum(w) == -1; w >= 0", {"sum(w) == -1", "w >= 0"}),
    ("0 <= x <= 1; x == 2", {"0 <= x <= 1", "x == 2"}),
    ("x > y; y > x", {"x > y", "y > x"}),
    ("n > 3; n < 2", {"n > 3", "n < 2"}),
    ("1 > 2", {"1 > 2"}),
])  # fmt: skip
def test_contradictions(facts: str, guilty: set[str]) -> None:
    for k in range(2):
        net = sg.parse(NAMES + "x*y + sum(w)")
        stated = [a for f in facts.split("; ")[::(1, -1)[k]] for a in net.facts(f)]
        found = contradiction(stated)
        assert found is not None
        assert {a.text for a in found[1]} == guilty


def test_what_can_hold_together_is_no_contradiction() -> None:
    net = sg.parse(NAMES + "x*y + sum(w)")
    assert contradiction([a for f in ("x > 0", "x <= 1", "y == x", "sum(w) == 1", "w >= 0", "n > 2")
                          for a in net.facts(f)]) is None


def test_a_deep_graph_is_no_trouble() -> None:
    x = node = var("x")
    for _ in range(3000):
        node = apply("exp", node) if node is x else node + 1
    assert Ranges().of(node).low == 2999
    assert distinct_sizes([node]) == {}
