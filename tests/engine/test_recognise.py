"""Spellings of known functions, as text, SymPy and textbooks write them."""

from __future__ import annotations

import random

import mpmath
import pytest

from symgrad.engine.evaluate import evaluate, random_env
from symgrad.engine.recognise import recognise
from symgrad.graph.node import Node, apply, const, make, var

S = var("z")
M = var("Z", (2, 3))


def seeded(seed: object) -> random.Random:
    return random.Random(str(seed))  # noqa: S311  # a test that repeats itself


def f(name: str, *args: Node | float, **kw: tuple) -> Node:
    return apply(name, *args, **kw)


def exp(u: Node) -> Node:
    return f("exp", u)


def power(u: Node, e: Node) -> Node:
    return make("pow", [u, e], (), u.shape)


SPELLINGS = {
    "sigmoid(z)": (
        lambda z: 1 / (1 + exp(-z)), lambda z: 1 / (exp(-z) + 1), lambda z: (1 + exp(-z)) ** -1,
        lambda z: 1 / (1 + 1 / exp(z)),
        lambda z: exp(z) / (1 + exp(z)), lambda z: exp(z) / (exp(z) + 1), lambda z: exp(z) * (exp(z) + 1) ** -1,
        lambda z: (1 + exp(z)) ** -1 * exp(z), lambda z: 1.0 / (1.0 + exp(-1.0 * z)),
        lambda z: (1 + exp(-z)) ** const(-1.0),
        lambda z: power(1 + exp(-z), make("neg", [const(1, z.shape)], (), z.shape)),
        lambda z: (f("tanh", z / 2) + 1) / 2, lambda z: 0.5 * (1 + f("tanh", 0.5 * z)),
        lambda z: exp(z) * f("sigmoid", -z),
    ),
    "sigmoid(-z)": (
        lambda z: 1 / (1 + exp(z)), lambda z: exp(-z) / (1 + exp(-z)), lambda z: (exp(z) + 1) ** -1,
        lambda z: f("sigmoid", z) * exp(-z), lambda z: f("sigmoid", z) / exp(z),
    ),
    "tanh(z)": (
        lambda z: (exp(z) - exp(-z)) / (exp(z) + exp(-z)), lambda z: (exp(z) - exp(-z)) * (exp(-z) + exp(z)) ** -1,
        lambda z: (exp(2 * z) - 1) / (exp(2 * z) + 1), lambda z: (exp(z) ** 2 - 1) / (exp(z) ** 2 + 1),
        lambda z: (1 - exp(-2 * z)) / (1 + exp(-2 * z)), lambda z: 2 / (1 + exp(-2 * z)) - 1,
        lambda z: 2 * f("sigmoid", 2 * z) - 1,
        lambda z: 1 - 2 / (exp(2 * z) + 1), lambda z: -1 + f("sigmoid", z * 2) * 2,
        lambda z: f("sinh", z) / f("cosh", z),
    ),
    "softplus(z)": (
        lambda z: f("log", 1 + exp(z)), lambda z: f("log", exp(z) + 1), lambda z: f("log1p", exp(z)),
        lambda z: f("log", 1 + 1 / exp(-z)),
    ),
    "softplus(-z)": (
        lambda z: f("log", 1 + exp(-z)), lambda z: f("log1p", exp(-z)), lambda z: f("log", 1 / exp(z) + 1),
    ),
    "sqrt(z)": (lambda z: z**0.5, lambda z: power(z, const(1, z.shape) / 2)),
    "relu(z)": (
        lambda z: z * f("step", z, attr=(0,)), lambda z: z * f("gt", z, 0), lambda z: f("lt", 0, z) * z,
        lambda z: f("where", f("gt", z, 0), z, 0), lambda z: f("where", f("gt", z, 0.0), z, 0.0),
        lambda z: f("where", f("le", z, 0), 0, z),
    ),
    "abs(z)": (
        lambda z: f("maximum", z, -z), lambda z: f("maximum", -z, z), lambda z: f("sqrt", z**2),
        lambda z: (z**2) ** 0.5,
    ),
}
CASES = [(name, k, spelling) for name, spellings in SPELLINGS.items() for k, spelling in enumerate(spellings)]


@pytest.mark.parametrize("shape", ["scalar", "matrix"])
@pytest.mark.parametrize(("name", "k", "spelling"), CASES, ids=[f"{n}-{k}" for n, k, _ in CASES])
def test_spelling(name: str, k: int, spelling, shape: str) -> None:  # type: ignore[no-untyped-def]
    z = S if shape == "scalar" else M
    function, argument = name[:-1].split("(")
    node = spelling(z)
    (got,), log = recognise([node])
    assert got is f(function, -z if argument == "-z" else z), [s.rule for s in log]
    for step in log:
        env = random_env([step.before, step.after], seeded(k))
        before, after = evaluate([step.before, step.after], env, digits=70)
        assert all(mpmath.almosteq(u, v, mpmath.mpf(10) ** -50) for u, v in zip(before.flat, after.flat)), step.rule


@pytest.mark.parametrize("spelling", [
    lambda z: f("maximum", z, 0), lambda z: f("maximum", 0, z), lambda z: f("where", f("ge", z, 0), z, 0),
    lambda z: 1 / (1 - exp(-z)), lambda z: 1 / (1 + exp(-z) + z),
    lambda z: f("log", 1 - exp(z)),
    lambda z: f("log", 2 + exp(z)), lambda z: (exp(z) - exp(-z)) / (exp(z) - exp(-z)), lambda z: z**0.25,
    lambda z: 1 - z,
    lambda z: z * f("step", z * z, attr=(0,)), lambda z: f("sigmoid", 2 * z) - 1,
    lambda z: 1 - f("sigmoid", z), lambda z: f("log", f("sigmoid", z)), lambda z: f("sqrt", z**4),
    lambda z: f("tanh", z),
    lambda z: z * f("sign", z, attr=(1,)), lambda z: 1 + exp(z),
])
def test_what_looks_alike_stays(spelling) -> None:  # type: ignore[no-untyped-def]
    node = spelling(M)
    assert recognise([node]) == ([node], [])


def test_differences_keep_their_order() -> None:
    a, b = var("a"), var("b")
    assert recognise([1 / (1 + exp(a - b))])[0] == [f("sigmoid", b - a)]
    assert recognise([1 / (1 + exp(-(a - b)))])[0] == [f("sigmoid", a - b)]
    assert recognise([exp(a) / (exp(a) + exp(b))])[0] == [f("sigmoid", a - b)]
    assert recognise([f("log", 1 + exp(a - b))])[0] == [f("softplus", a - b)]


def test_binary_cross_entropy_spelled_out() -> None:
    z, y = var("z"), var("y")
    p = f("sigmoid", z)
    bce = lambda q: -(y * f("log", q) + (1 - y) * f("log", 1 - q))
    roots, log = recognise([bce(1 / (1 + exp(-z))), bce(exp(z) / (1 + exp(z))), f("log", 1 + exp(z)) - y * z])
    assert roots == [bce(p), bce(p), f("softplus", z) - y * z]
    assert [s.rule for s in log] == ["sigmoid_spelled_out", "sigmoid_as_share", "softplus_spelled_out"]
