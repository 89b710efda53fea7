"""Traced values inside NumPy code: kinks, in-place operators, conversions, and advice where there is no rule."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest

from symgrad import tape
from symgrad.errors import NoRule
from symgrad.tape.rows import elementwise
from symgrad.tape.rules import RULES
from tests.tape.judge import check

X = np.array([[0.3, -1.2, 2.5], [1.0, 0.5, -0.7]])


def slope(f: Any, x: float) -> Any:
    """The derivative at a point by both modes."""
    reverse = tape.grad(f, wrt=0)(x)
    _, forward = tape.jvp(f, (x,), (1.0,))
    np.testing.assert_equal(reverse, forward)
    return reverse


@pytest.mark.parametrize(
    ("f", "x", "expected"),
    [
        (np.abs, 0.0, 0.0),
        (abs, 0.0, 0.0),
        (np.sign, 0.0, 0.0),
        (lambda x: np.heaviside(x, 0.5), 0.0, 0.0),
        (lambda x: np.maximum(x, 0.0), 0.0, 0.5),
        (lambda x: np.minimum(0.0, x), 0.0, 0.5),
        (lambda x: np.fmax(x, 0.0), 0.0, 0.5),
        (lambda x: np.where(x > 0, x, 0), 0.0, 0.0),
        (lambda x: np.clip(x, 0.0, 1.0), 0.0, 0.5),
        (lambda x: np.clip(x, 0.0, 1.0), 1.0, 0.5),
        (np.sqrt, 0.0, np.inf),
        (np.cbrt, 0.0, np.inf),
        (lambda x: np.linalg.norm(np.stack([x, x])), 0.0, 0.0),
        (lambda x: np.hypot(x, 0.0), 0.0, 0.0),
        (lambda x: np.std(np.stack([x, 1.0])), 1.0, 0.0),
        (lambda x: np.max(np.stack([x, 2.0, 2.0, 1.0])), 2.0, 1 / 3),
        (lambda x: np.prod(np.stack([x, 0.0, 3.0])), 0.0, 0.0),
        (lambda x: x**0, 0.0, 0.0),
        (lambda x: x**1, 0.0, 1.0),
        (lambda x: x**2, 0.0, 0.0),
        (lambda x: 0.0**x, 2.0, 0.0),
        (lambda x: np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x))), 0.0, 0.5),
    ],
)
def test_kinks(f: Any, x: float, expected: float) -> None:
    np.testing.assert_allclose(slope(f, x), expected, rtol=1e-15)


def test_an_extreme_shares_among_all_that_attain_it() -> None:
    x = np.array([[2.0, 2.0, 1.0], [5.0, 5.0, 5.0]])
    x_bar = tape.grad(lambda x: np.sum(np.max(x, axis=1) * np.array([1.0, 6.0])), wrt=0)(x)
    np.testing.assert_allclose(x_bar, [[0.5, 0.5, 0.0], [2.0, 2.0, 2.0]], rtol=1e-15)


@pytest.mark.parametrize("f", [np.sqrt, np.log, lambda x: 1 / x, lambda x: x**0.5, lambda x: np.exp(1000 * (x + 1))])
def test_the_branch_not_taken_cannot_spoil_the_gradient(f: Any) -> None:
    with np.errstate(all="ignore"):
        x_bar = tape.grad(lambda x: np.sum(np.where(x > 0, x, f(x) * 0.0 + f(np.where(x > 0, 1.0, x)))), wrt=0)(
            np.array([1.0, 4.0])
        )
        spoiled = tape.grad(lambda x: np.sum(np.where(x > 0, 3 * x, f(x))), wrt=0)(np.array([2.0, 4.0]))
    np.testing.assert_array_equal(x_bar, [1.0, 1.0])
    np.testing.assert_array_equal(spoiled, [3.0, 3.0])


@pytest.mark.parametrize(
    "f", [np.sqrt, np.log, lambda x: 1 / x, lambda x: x**-0.5], ids=["sqrt", "log", "1/x", "power"]
)
def test_a_masked_singularity(f: Any) -> None:
    with np.errstate(all="ignore"):
        x_bar = tape.grad(lambda x: np.sum(np.where(x > 0, f(x), 0.0)), wrt=0)(np.array([0.0, 1.0]))
    assert x_bar[0] == 0.0
    assert np.isfinite(x_bar[1])


def test_saturated_slopes_keep_their_digits() -> None:
    assert slope(np.tanh, 20.0) == pytest.approx(4 * math.exp(-40.0), rel=1e-12)
    assert slope(np.expm1, -40.0) == pytest.approx(math.exp(-40.0), rel=1e-14)
    assert slope(lambda x: np.logaddexp(x, 0.0), -800.0) == 0.0
    assert slope(lambda x: np.logaddexp(x, 0.0), 800.0) == 1.0
    assert slope(np.tanh, 1e3) == 0.0


def test_an_index_that_reads_twice_adds_up() -> None:
    x_bar = tape.grad(lambda x: np.sum(x[[0, 2, 0, 0]] * np.array([1.0, 10.0, 100.0, 1000.0])), wrt=0)(np.zeros(4))
    np.testing.assert_array_equal(x_bar, [1101.0, 0.0, 10.0, 0.0])


def test_comparisons_are_plain() -> None:
    seen: list[Any] = []

    def f(x: Any) -> Any:
        seen.extend(
            [x > 0, x > 0, x == X, x != 1.0, np.isnan(x), np.floor(x), np.argmax(x), x.argsort(), x.round(1), x // 1]
        )
        return np.sum(x)

    tape.grad(f)(X)
    assert all(type(y) in (np.ndarray, np.int64) for y in seen)
    np.testing.assert_array_equal(seen[0], X > 0)


def test_attributes() -> None:
    def f(x: Any) -> Any:
        assert (x.shape, x.ndim, x.size, x.dtype, len(x)) == ((2, 3), 2, 6, np.float64, 2)
        assert (np.shape(x), np.ndim(x), np.size(x)) == ((2, 3), 2, 6)
        assert x.real is x
        assert type(x.value) is np.ndarray
        assert f"{x.sum():.3f}" == f"{X.sum():.3f}"
        assert repr(X) in repr(x)
        assert bool(x[0, 0])
        assert type(x.astype(int)) is np.ndarray
        assert np.max(a=x).value == X.max()
        assert copy.deepcopy(x).shape == x.reshape(2, 3, order="C").shape == (2, 3)
        with pytest.raises(ValueError, match="ambiguous"):
            bool(x)
        with pytest.raises(AttributeError, match="sortt"):
            x.sortt()
        return x.sum()

    tape.grad(f)(X)
    tape.jvp(f, (X,), (X,))


# In-place operators do what they do to arrays, or refuse.


def test_in_place_operators_on_results() -> None:
    def f(x: Any, w: Any) -> Any:
        total = 0.0
        for _ in range(3):
            total += np.tanh(x) * w
        alias = total
        total *= 2.0
        total -= x
        total /= 3.0
        total **= 2
        return alias + x.sum()

    check(f, X, np.array([0.3, 0.2, -1.1]))


def test_in_place_operators_keep_shape_and_dtype() -> None:
    def f(x: Any) -> Any:
        y = x * 1
        y += np.ones(3)
        assert y.dtype == np.float32
        with pytest.raises(ValueError, match="shape"):
            y += np.ones((2, 3))
        return np.sum(y)

    assert tape.grad(f, wrt=0)(np.ones(3, np.float32)).dtype == np.float32


@pytest.mark.parametrize("transform", ["reverse", "forward"])
def test_in_place_operators_on_shared_memory_are_refused(transform: str) -> None:
    def on_input(x: Any) -> Any:
        x += 1
        return x

    def on_view(x: Any) -> Any:
        y = x * 2
        row = y[0]
        row += 1
        return y

    def on_owner_of_a_view(x: Any) -> Any:
        y = x * 2
        row = y.T
        y += 1
        return row

    for f in (on_input, on_view, on_owner_of_a_view):
        with pytest.raises(NoRule, match=r"x = x \+ y"):
            tape.vjp(f, X.copy()) if transform == "reverse" else tape.jvp(f, (X,), (X,))


def write_item(x: Any) -> Any:
    x[0] = 1.0
    return x


def write_into_plain(x: Any) -> Any:
    y = np.zeros(3)
    y[0] = x[0, 0]
    return y


def write_row_into_plain(x: Any) -> Any:
    y = np.zeros((2, 3))
    y[0] = x[0]
    return y


def plain_in_place(x: Any) -> Any:
    y = np.zeros((2, 3))
    y += x
    return y


@pytest.mark.parametrize(
    ("f", "advice"),
    [
        (lambda x: float(x[0, 0]), "np.sin"),
        (lambda x: int(x[0, 0]), "cut the tape"),
        (lambda x: math.sin(x[0, 0]), "np.sin"),
        (lambda x: complex(x[0, 0]), "cut the tape"),
        (lambda x: x[0, 0].item(), "cut the tape"),
        (lambda x: x.tolist(), "cut the tape"),
        (lambda x: [1, 2, 3][x[0, 0]], "cut the tape"),
        (lambda x: np.array([x[0, 0], x[0, 1]]), "np.stack"),
        (np.asarray, "np.stack"),
        (X.T.dot, r"np\.dot"),
        (write_item, "np.where"),
        (write_row_into_plain, "np.where"),
        (plain_in_place, "out="),
        (lambda x: np.add(x, 1.0, out=np.zeros((2, 3))), "out="),
        (lambda x: np.add(1.0, x, out=x), "out="),
        (lambda x: np.sum(x, out=np.zeros(())), "out="),
        (lambda x: np.add.reduce(x, out=np.zeros(3)), "out="),
        (lambda x: np.sin(x, where=X > 0), "where="),
        (lambda x: np.sum(x, where=X > 0), "where="),
        (lambda x: np.sum(x, None, float), "positional"),
        (lambda x: np.sort(x, order="f"), "np.sort"),
        (lambda x: x.reshape(3, 2, order="F"), "order='F'"),
        (lambda x: np.add.at(x, [0], 1.0), "np.add.at"),
        (lambda x: np.frexp(x)[0], r"np\.frexp"),
        (np.fft.fft, r"np\.fft"),
        (lambda x: np.linalg.svd(x)[1], r"np\.linalg\.svd"),
        (lambda x: np.linalg.norm(x, "nuc"), "nuc"),
        (lambda x: np.pad(x, 1, mode="mean"), "mean"),
        (lambda x: np.einsum(x, [0, 1], [0]), "letters|string"),
        (lambda x: np.multiply(x, 1j), "complex"),
        (lambda x: np.full(2, x[0, 0]), "np.stack"),
    ],
)
def test_what_would_lose_a_derivative_is_refused_with_advice(f: Any, advice: str) -> None:
    with pytest.raises(NoRule, match=advice):
        tape.vjp(f, X.copy())
    with pytest.raises(NoRule, match=advice):
        tape.jvp(f, (X.copy(),), (np.ones((2, 3)),))


def test_an_entry_written_into_a_plain_array() -> None:
    # NumPy puts its own error around the advice.
    with pytest.raises(ValueError, match="setting an array element") as caught:
        tape.vjp(write_into_plain, X)
    assert isinstance(caught.value.__cause__, NoRule)
    assert "np.stack" in str(caught.value.__cause__)


def test_errors_of_numpy_pass_through() -> None:
    with pytest.raises(ValueError, match="matmul"):
        tape.vjp(lambda x: x @ x, X)
    with pytest.raises(IndexError):
        tape.vjp(lambda x: x[5], X)
    with pytest.raises(ValueError, match="tensordot"):
        tape.vjp(lambda x: np.tensordot(x, x, 1), X)
    with pytest.raises(ValueError, match="names 2 operands"):
        tape.vjp(lambda x: np.einsum("ij,jk", x), X)


def test_one_row_adds_a_function(monkeypatch: pytest.MonkeyPatch) -> None:
    def f(x: Any) -> Any:
        return np.ldexp(x, np.array([2, -1, 0]))

    with pytest.raises(NoRule, match=r"np\.ldexp has no rule.*add one row"):
        tape.vjp(f, X)
    monkeypatch.setitem(RULES, np.ldexp, elementwise(lambda y, x, n: np.ldexp(1.0, n), lambda y, x, n: 0.0))
    check(f, X)
