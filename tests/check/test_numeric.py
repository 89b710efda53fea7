"""Differences and the complex step: the bounds hold, they are tight, and what breaks them is noticed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from symgrad.check.numeric import (
    EPS,
    central_difference,
    complex_step,
    default_step,
    estimate,
    noise_level,
    numeric_gradient,
    one_sided,
)
from symgrad.errors import InputError

# name, f, f' written by hand, and the largest bound that 4th-order differences may state on [-3, 3]
CASES = [
    ("tanh", np.tanh, lambda x: 1 / np.cosh(x) ** 2, 1e-11),
    ("exp", np.exp, np.exp, 1e-10),
    ("softplus", lambda x: np.logaddexp(0, x), lambda x: 1 / (1 + np.exp(-x)), 1e-11),
    ("steep", lambda x: np.tanh(50 * x), lambda x: 50 / np.cosh(50 * x) ** 2, 1e-9),
    ("cubic", lambda x: (x - 1) * (x - 2) * (x + 1.5),
     lambda x: (x - 2) * (x + 1.5) + (x - 1) * (x + 1.5) + (x - 1) * (x - 2), 1e-9),
    ("offset", lambda x: 1e8 + np.sin(x), np.cos, 1e-3),
    ("cancelling", lambda x: (1e5 + np.sin(x)) - 1e5, np.cos, 1e-6),
    ("tiny", lambda x: 1e-9 * np.sin(x / 1e6), lambda x: 1e-15 * np.cos(x / 1e6), 1e-25),
]  # fmt: skip


@pytest.mark.parametrize(("name", "f", "derivative", "largest"), CASES, ids=[c[0] for c in CASES])
@pytest.mark.parametrize("order", [2, 4])
def test_the_bound_holds_and_is_tight(
    name: str, f: Callable, derivative: Callable, largest: float, order: int, rng: np.random.Generator
) -> None:
    points = rng.uniform(-3, 3, 120)
    found = [estimate(lambda x: f(x)[0], np.array([x]), order) for x in points]
    gradient = np.array([e.gradient[0] for e in found])
    bound = np.array([e.error[0] for e in found])
    assert np.all(abs(gradient - derivative(points)) <= bound)
    if order == 4:
        assert bound.max() <= largest


def test_a_function_of_many_entries(rng: np.random.Generator) -> None:
    a, x = rng.normal(size=(5, 3)), rng.normal(size=(3, 4))
    gradient, error = central_difference(lambda x: np.sum(np.tanh(a @ x) ** 2), x)
    exact = a.T @ (2 * np.tanh(a @ x) / np.cosh(a @ x) ** 2)
    assert gradient.shape == error.shape == x.shape
    assert np.all(abs(gradient - exact) <= error)
    # 1.5 / (h/2) times a noise of 4 eps |f|, h/2 at least 2.6e-4
    assert np.all(error <= 1.5 / 2.6e-4 * 4 * EPS * np.sum(np.tanh(a @ x) ** 2))


def test_the_smooth_digits_that_are_claimed(rng: np.random.Generator) -> None:
    """On tanh and sin in [-3, 3] the error stays below 1e-12."""
    x = rng.uniform(-3, 3, 300)
    for f, derivative in ((np.tanh, lambda x: 1 / np.cosh(x) ** 2), (np.sin, np.cos)):
        got = [central_difference(lambda t, f=f: f(t)[0], np.array([p]))[0][0] for p in x]
        assert np.max(abs(np.array(got) - derivative(x))) < 1e-12


def test_float32_is_evaluated_in_float64() -> None:
    seen = []

    def f(x: np.ndarray) -> float:
        seen.append(x.dtype)
        return float(np.sin(x).sum())

    gradient, error = central_difference(f, np.array([0.5, 1.5], dtype=np.float32))
    assert set(seen) == {np.dtype(np.float64)}
    assert np.all(abs(gradient - np.cos(np.array([0.5, 1.5], dtype=np.float32).astype(float))) <= error)


def test_a_given_step_is_kept() -> None:
    reach = estimate(lambda x: float(np.sum(x**2)), np.array([0.7, 3.0]), step=2.0**-5).reach
    assert reach.tolist() == [2 * 2.0**-5] * 2
    assert default_step(100.0) == pytest.approx(100 * EPS**0.2)


def test_a_step_shrinks_where_the_function_bends_fast() -> None:
    found = estimate(lambda x: float(np.tanh(3000 * x[0])), np.array([1e-4]))
    exact = 3000 / np.cosh(0.3) ** 2
    assert abs(found.gradient[0] - exact) <= found.error[0] < 1e-6 * exact
    assert found.reach[0] < 1e-4


def test_what_is_not_finite_has_no_bound() -> None:
    with np.errstate(invalid="ignore"):
        gradient, error = central_difference(lambda x: float(np.log(x[0])), np.array([0.0]) - 1)
    assert np.isnan(gradient[0])
    assert error[0] == np.inf


def test_progress_and_order_of_names() -> None:
    calls: list[tuple[int, int]] = []
    at = {"b": np.ones(2), "a": np.ones((2, 2)), "n": np.array(3)}
    found = numeric_gradient(
        lambda a, b, n: np.sum(a) * np.sum(b) * n, at, ["a", "b"], progress=lambda k, total: calls.append((k, total))
    )
    assert list(found) == ["a", "b"]
    assert calls == [(k, 6) for k in range(1, 7)]
    np.testing.assert_allclose(found["a"].gradient, 6, rtol=1e-11)
    np.testing.assert_allclose(found["b"].gradient, 12, rtol=1e-11)


def test_complex_step_is_exact_to_rounding(rng: np.random.Generator) -> None:
    x = rng.uniform(-3, 3, (3, 2))
    w = rng.normal(size=(3, 2))
    got = complex_step(lambda x: np.sum(w * np.tanh(x) * np.exp(x)), x)
    exact = w * np.exp(x) * (1 / np.cosh(x) ** 2 + np.tanh(x))
    assert np.all(abs(got - exact) <= 8 * EPS * abs(w) * np.exp(x) * (1 / np.cosh(x) ** 2 + abs(np.tanh(x))))


@pytest.mark.parametrize(
    "view",
    [lambda x: x[0], lambda x: x, lambda x: x.reshape(1, 1), lambda x: x.T, lambda x: np.broadcast_to(x, (1, 1)),
     lambda x: x[..., None], lambda x: [x[0]], np.copy, np.sum],
)  # fmt: skip
def test_a_loss_that_is_a_view_of_the_argument_has_derivative_one(view: Callable) -> None:
    x = np.array([0.75])
    assert complex_step(view, x).tolist() == [1.0]
    gradient, error = central_difference(view, x)
    assert abs(gradient[0] - 1.0) <= error[0] < 1e-9


def test_a_view_of_one_entry_has_derivative_zero_by_the_others() -> None:
    assert complex_step(lambda x: x[1:2, 2].T, np.ones((2, 3))).tolist() == [[0, 0, 0], [0, 0, 1]]


def test_noise_is_measured() -> None:
    assert noise_level(lambda x: 7.0, np.ones(3)) == 0.0
    quiet = noise_level(lambda x: float(np.sum(np.sin(x))), np.array([0.3, 0.4]))
    loud = noise_level(lambda x: float(np.float32(np.sum(np.sin(x)))), np.array([0.3, 0.4]))
    assert quiet < 4 * EPS
    assert 1e-9 < loud < 1e-6


def test_both_sides_of_a_kink() -> None:
    left, right = one_sided(lambda x: float(abs(x[0]) + x[0] ** 2), np.array([0.0]), (0,))
    assert abs(left.gradient + 1) <= left.error < 1e-8
    assert abs(right.gradient - 1) <= right.error < 1e-8


# --- what must be noticed ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [1 + 1e-9, -1.0, 0.999])
def test_a_planted_fault_leaves_the_bound(fault: float) -> None:
    x = np.array([0.4, -1.3])
    gradient, error = central_difference(lambda x: np.sum(np.sin(x)), x)
    assert not np.any(abs(gradient - fault * np.cos(x)) <= error)


def test_a_function_that_drops_the_imaginary_part_is_refused() -> None:
    for f in (lambda x: np.sum(abs(x)), lambda x: np.sum(x.real**2)):
        with pytest.raises(InputError, match="dropped the imaginary"):
            complex_step(f, np.array([1.0, 2.0]))


def test_a_function_that_writes_to_its_argument_is_noticed() -> None:
    def f(x: np.ndarray) -> float:
        x += 1
        return float(x.sum())

    with pytest.raises(ValueError, match="read-only"):
        central_difference(f, np.ones(2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: central_difference(np.sin, np.ones(3)), "one number is expected"),
        (lambda: central_difference(lambda x: x[0], np.array(["a"])), "real numbers"),
        (lambda: central_difference(lambda x: x[0], np.ones(1), order=3), "order 2 or 4"),
        (lambda: central_difference(lambda x: x[0], np.ones(1), step=0.0), "positive"),
        (lambda: complex_step(lambda x: x, np.ones(2)), "one number is expected"),
        (lambda: numeric_gradient(lambda W: W, {"W": np.ones(1)}, ["w"]), "no array is named 'w'"),
        (lambda: numeric_gradient(lambda W: W, {"W": np.ones(1)}, method="magic"), "'central' or 'complex'"),
    ],
)
def test_bad_input_is_explained(call: Callable, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
