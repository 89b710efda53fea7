"""Whole programs: Python control flow, shared use, depth, repeated passes, broadcasting."""

from __future__ import annotations

import gc
import itertools
import operator
from typing import Any

import numpy as np
import pytest

from symgrad import tape
from tests.tape.cases import uniform
from tests.tape.judge import check


def relu(x: Any) -> Any:
    return np.where(x > 0, x, 0)


# The two examples of micrograd, as numbers that its authors publish; every local derivative is a sum of many paths.


def test_micrograd_sanity_check() -> None:
    def f(x: Any) -> Any:
        z = 2 * x + 2 + x
        q = relu(z) + z * x
        h = relu(z * z)
        return h + q + q * x

    value, x_bar = tape.value_and_grad(f, wrt=0)(-4.0)
    assert value == -20.0
    assert x_bar == 46.0


def test_micrograd_more_ops() -> None:
    def f(a: Any, b: Any) -> Any:
        c = a + b
        d = a * b + b**3
        c += c + 1
        c += 1 + c + (-a)
        d += d * 2 + relu(b + a)
        d += 3 * d + relu(b - a)
        e = c - d
        f = e**2
        g = f / 2.0
        g += 10.0 / f
        return g

    value, (a_bar, b_bar) = tape.value_and_grad(f)(-4.0, 2.0)
    np.testing.assert_allclose([value, a_bar, b_bar], [24.70408163265306, 138.8338192419825, 645.5772594752186], 1e-15)


def test_if_for_while_and_indexing() -> None:
    def f(x: Any, w: Any) -> Any:
        total = 0.0
        for i, row in enumerate(x):
            if row.sum() > 0:
                total = total + row @ w * i
            elif row[0] > row[1]:
                total = total - np.sin(row[1:]).sum()
            else:
                total = total + row[-1] ** 2
        while total < 10:
            total = total * 1.5 + 1
        return total

    x = np.array([[1.0, 2.0, 3.0], [-1.0, -2.0, 0.5], [-3.0, -1.0, 2.0], [0.5, 0.7, 0.9]])
    check(f, x, np.array([0.3, -0.2, 1.1]))


def test_each_branch_of_an_if_has_its_own_derivative() -> None:
    def f(x: Any) -> Any:
        return 2.0 * x if x > 0 else -3.0 * x

    assert tape.grad(f, wrt=0)(1.0) == 2.0
    assert tape.grad(f, wrt=0)(-1.0) == -3.0


def test_two_layer_network() -> None:
    def loss(w1: Any, b1: Any, w2: Any, b2: Any, x: Any, y: Any) -> Any:
        a = np.tanh(x @ w1 + b1)
        z = (a @ w2 + b2).reshape(-1)
        return np.mean(np.maximum(z, 0.0) + np.log1p(np.exp(-np.abs(z))) - y * z)

    shapes = ((3, 4), (4,), (4, 1), (1,), (7, 3), (7,))
    check(loss, *(uniform(-1, 1, *shape, seed=i) for i, shape in enumerate(shapes)))


def test_python_builtins() -> None:
    def f(x: Any) -> Any:
        return sum(x) * max(x) + abs(min(x)) + divmod(x[0], 2.0)[1]

    check(f, np.array([0.3, -1.2, 2.5]))


def test_a_value_used_many_times() -> None:
    check(lambda x: x * x * x + x / (1 + x * x) - x, uniform(-1, 1, 3))


def test_depth() -> None:
    depth = 20_000

    def f(x: Any) -> Any:
        for _ in range(depth):
            x = x * 1.00001 + 0.5
        return x

    value, pullback = tape.vjp(f, 1.0)
    expected = np.exp(depth * np.log1p(1e-5))
    for _ in range(2):
        np.testing.assert_allclose(pullback(1.0)[0], expected, rtol=1e-11)
    del value, pullback
    gc.collect()
    np.testing.assert_allclose(tape.jvp(f, (1.0,), (1.0,))[1], expected, rtol=1e-11)


def test_second_call_of_a_pullback() -> None:
    _, pullback = tape.vjp(lambda a, b: (a * b) ** 2 + a, np.array([1.0, 2.0]), np.array([3.0, 5.0]))
    y_bar = np.array([1.0, -2.0])
    first = pullback(y_bar)
    first[0][:] = 99.0  # what was handed out belongs to the caller
    second, doubled = pullback(y_bar), pullback(2 * y_bar)
    np.testing.assert_array_equal(second[0], [19.0, -202.0])
    for once, twice in zip(second, doubled, strict=True):
        np.testing.assert_array_equal(2 * once, twice)


def test_a_pullback_keeps_what_it_needs() -> None:
    x, w = np.array([1.0, 2.0]), np.array([3.0, 5.0])
    _, pullback = tape.vjp(lambda x, w: x * w, x, w)
    x[:], w[:] = 0.0, 0.0
    x_bar, w_bar = pullback(np.ones(2))
    np.testing.assert_array_equal(x_bar, [3.0, 5.0])
    np.testing.assert_array_equal(w_bar, [1.0, 2.0])


def test_gradients_have_memory_of_their_own() -> None:
    a, b = tape.grad(lambda a, b: np.sum(a + b))(np.ones(3), np.ones(3))
    a *= 5.0
    np.testing.assert_array_equal(b, [1.0, 1.0, 1.0])


SHAPES = [(), (2,), (3, 2), (1, 2), (3, 1)]
OPERATORS = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, np.arctan2, np.hypot]


@pytest.mark.parametrize("function", OPERATORS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("shapes", list(itertools.product(SHAPES, SHAPES)), ids=str)
def test_broadcasting(function: Any, shapes: Any) -> None:
    check(function, *(uniform(0.5, 2.0, *shape, seed=i) for i, shape in enumerate(shapes)))


@pytest.mark.parametrize("function", OPERATORS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("other", [2, 0.7, np.float64(1.3), [1.5, 2.5]], ids=str)
def test_operators_with_python_numbers_and_lists(function: Any, other: Any) -> None:
    x = uniform(0.5, 2.0, 3, 2)
    check(lambda x: function(x, other), x)
    check(lambda x: function(other, x), x)
    check(lambda x: function(x, other), 1.7) if not isinstance(other, list) else None


@pytest.mark.parametrize("seed", range(20))
def test_random_programs(seed: int) -> None:
    """Straight-line programs of random operations, each result used again at random."""
    rng = np.random.default_rng(seed)
    unary = [
        np.sin,
        np.tanh,
        lambda x: np.exp(-x * x),
        lambda x: x.T @ x @ np.ones((3, 3)),
        lambda x: np.cumsum(x, axis=0),
        lambda x: x - np.mean(x, axis=0),
        lambda x: x[::-1] * x[0],
        lambda x: np.sqrt(1 + x**2),
    ]
    binary = [operator.add, operator.mul, operator.matmul, operator.sub, np.arctan2, np.logaddexp]
    plan = [(rng.random() < 0.5, rng.integers(100), rng.integers(100), rng.integers(100)) for _ in range(8)]

    def program(a: Any, b: Any) -> Any:
        values = [a, b]
        for alone, op, i, j in plan:
            x, y = values[i % len(values)], values[j % len(values)]
            z = unary[op % len(unary)](x) if alone else binary[op % len(binary)](x, y)
            values.append(z / (1.0 + np.mean(z * z)))
        return np.stack(values)

    check(program, rng.normal(size=(3, 3)), rng.normal(size=(3, 3)), seed=seed)
