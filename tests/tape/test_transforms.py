"""The contract of the public transforms: which arguments, which form, which dtype, which errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from symgrad import tape
from symgrad.errors import InputError, NonScalarLoss, NoRule, ShapeError


def product(a: Any, b: Any, n: int = 1) -> Any:
    return np.sum(a * b) * n


A, B = np.array([1.0, 2.0]), np.array([3.0, 5.0])


def test_positional_arguments_give_a_tuple() -> None:
    value, grads = tape.value_and_grad(product)(A, B)
    assert value == 13.0
    assert isinstance(grads, tuple)
    np.testing.assert_array_equal(grads, [B, A])


def test_keyword_arguments_give_a_dict() -> None:
    value, grads = tape.value_and_grad(product)(a=A, b=B, n=2)
    assert value == 26.0
    assert set(grads) == {"a", "b"}
    np.testing.assert_array_equal(grads["a"], 2 * B)


def test_keywords_beside_positions_are_constants() -> None:
    grads = tape.grad(product)(A, b=B)
    assert len(grads) == 1
    np.testing.assert_array_equal(grads[0], B)


def test_integers_keep_their_place() -> None:
    grads = tape.grad(product)(A, B, 3)
    assert grads[2] is None
    np.testing.assert_array_equal(grads[0], 3 * B)
    assert tape.grad(lambda x, labels: np.sum(x[labels]))(A, np.array([0, 0]))[1] is None


@pytest.mark.parametrize("wrt", [1, "b", -1])
def test_one_selected_argument_gives_the_gradient_itself(wrt: Any) -> None:
    np.testing.assert_array_equal(tape.grad(product, wrt=wrt)(A, B), A)
    value, b_bar = tape.value_and_grad(product, wrt=wrt)(A, B)
    assert value == 13.0
    np.testing.assert_array_equal(b_bar, A)


def test_several_selected_arguments() -> None:
    np.testing.assert_array_equal(tape.grad(product, wrt=(1, 0))(A, B), [A, B])
    by_name = tape.grad(product, wrt=["b", "a"])(A, b=B)
    assert list(by_name) == ["b", "a"]
    np.testing.assert_array_equal(by_name["a"], B)
    twice = tape.grad(product, wrt=(0, 0))(A, B)
    np.testing.assert_array_equal(twice, [B, B])


def test_selected_keyword_beside_positions() -> None:
    np.testing.assert_array_equal(tape.grad(product, wrt="b")(A, b=B), A)


@pytest.mark.parametrize(
    "x", [0.0, np.float64(1.0), np.float32(1.0), np.zeros(3), np.zeros((2, 1), np.float32)], ids=repr
)
def test_independence_gives_zeros(x: Any) -> None:
    for fun in (lambda x: 1.0, lambda x: np.sum(np.sign(x) > 5), lambda x: np.array([7.0])):
        x_bar = tape.grad(fun, wrt=0)(x)
        assert np.shape(x_bar) == np.shape(x)
        assert x_bar.dtype == np.result_type(x)
        assert not np.any(x_bar)
    y, y_dot = tape.jvp(lambda x: np.ones((2, 3)), (x,), (x,))
    assert y.shape == y_dot.shape == (2, 3)
    assert not y_dot.any()


def test_identity() -> None:
    x = np.array([2.0, 3.0])
    y, pullback = tape.vjp(lambda x: x, x)
    np.testing.assert_array_equal(y, x)
    np.testing.assert_array_equal(pullback(np.array([5.0, 7.0]))[0], [5.0, 7.0])
    assert tape.grad(lambda x: x, wrt=0)(2.0) == 1.0


def test_dtypes_follow_the_arguments() -> None:
    x32, w64 = np.array([1.0, 2.0], np.float32), np.array([0.5, 0.25])

    def f(x: Any, w: Any, s: Any) -> Any:
        return np.sum(np.exp(x * 0.5) * w) * s

    value, (x_bar, w_bar, s_bar) = tape.value_and_grad(f)(x32, w64, 2.0)
    assert (value.dtype, x_bar.dtype, w_bar.dtype, s_bar.dtype) == tuple(map(np.dtype, ["f8", "f4", "f8", "f8"]))


@pytest.mark.parametrize(
    "f",
    [
        lambda x, s: np.sum(x * s),
        lambda x, s: np.mean(s * 2 * x + 1),
        lambda x, s: np.sum((x / 3 - s / 7) ** 2),
        lambda x, s: np.max(np.maximum(x, 0) * -s),
        lambda x, s: np.sum(np.clip(x, 0.0, 1.5) ** s),
        lambda x, s: np.linalg.norm(x) + s,
    ],
)
def test_python_numbers_do_not_promote(f: Any) -> None:
    x = np.array([1.0, 2.0], np.float32)
    value, (x_bar, s_bar) = tape.value_and_grad(f)(x, 3.0)
    assert value.dtype == f(x, 3.0).dtype == np.float32
    assert x_bar.dtype == np.float32
    assert s_bar.dtype == np.float64


def test_float32_is_computed_in_float32() -> None:
    seen = []

    def f(x: Any) -> Any:
        y = np.tanh(x @ x.T) * 0.5
        seen.append(y.dtype)
        return y.mean()

    x_bar = tape.grad(f, wrt=0)(np.ones((2, 3), np.float32))
    assert seen == [np.float32]
    assert x_bar.dtype == np.float32


def test_value_is_what_the_function_returns() -> None:
    value, _ = tape.value_and_grad(lambda x: x.sum(axis=0, keepdims=True))(np.array([[1.0], [2.0]]))
    np.testing.assert_array_equal(value, [[3.0]])
    assert isinstance(value, np.ndarray)


@pytest.mark.parametrize("shape", [(2,), (3, 1), (0,)])
def test_a_loss_with_several_entries(shape: Any) -> None:
    with pytest.raises(NonScalarLoss, match=r"shape .*vjp"):
        tape.value_and_grad(lambda x: x * 2.0)(np.ones(shape))


def test_a_cotangent_of_the_wrong_shape() -> None:
    _, pullback = tape.vjp(np.sin, np.ones((2, 3)))
    with pytest.raises(ShapeError, match=r"y_bar has shape \(3, 2\).*\(2, 3\)"):
        pullback(np.ones((3, 2)))
    with pytest.raises(ShapeError, match="tangent 0"):
        tape.jvp(np.sin, (np.ones(2),), (np.ones(3),))


@pytest.mark.parametrize("x", [3, np.arange(3), np.array([True]), [1.0, 2.0], "text", np.array([1j])], ids=repr)
def test_asking_for_what_is_no_float(x: Any) -> None:
    with pytest.raises(InputError, match="needs floats"):
        tape.grad(lambda x: 0.0, wrt=0)(x)
    with pytest.raises(InputError, match="nothing to differentiate"):
        tape.grad(lambda x: 0.0)(x)
    with pytest.raises(InputError, match="needs floats"):
        tape.jvp(lambda x: 0.0, (x,), (x,))


def test_asking_for_an_argument_that_is_not_there() -> None:
    def total(weights: Any) -> Any:
        return np.sum(weights)

    with pytest.raises(InputError, match=r"'weihgts'.*Did you mean 'weights'"):
        tape.grad(total, wrt="weihgts")(A)
    with pytest.raises(InputError, match="2 positional"):
        tape.grad(product, wrt=2)(A, B)


def test_primals_and_tangents_must_pair_up() -> None:
    with pytest.raises(InputError, match="equal length"):
        tape.jvp(product, (A, B), (A,))
    with pytest.raises(InputError, match=r"\(x,\)"):
        tape.jvp(np.sin, A, A)


@pytest.mark.parametrize("y", [None, (A, B), {"loss": 1.0}], ids=["None", "tuple", "dict"])
def test_a_function_that_returns_no_array(y: Any) -> None:
    with pytest.raises(InputError, match="returned a"):
        tape.grad(lambda x: y)(A)


def test_nesting_is_refused() -> None:
    with pytest.raises(NoRule, match="first derivatives only"):
        tape.grad(tape.grad(np.tanh, wrt=0))(1.0)
    with pytest.raises(NoRule, match="first derivatives only"):
        tape.grad(lambda a: tape.grad(lambda x: a * x * x, wrt=0)(2.0))(1.0)
    with pytest.raises(NoRule, match="first derivatives only"):
        tape.jvp(lambda a: tape.grad(lambda x: a * x * x, wrt=0)(2.0), (1.0,), (1.0,))


def test_a_traced_value_kept_after_its_run() -> None:
    kept: list[Any] = []
    tape.grad(lambda x: (kept.append(x * 2), x * x)[1])(1.0)
    with pytest.raises(NoRule, match="kept after its run"):
        tape.grad(lambda x: x * kept[0])(1.0)
    with pytest.raises(NoRule, match="another run"):
        tape.grad(lambda x: kept[0])(1.0)


def test_the_wrapped_function_keeps_its_name() -> None:
    assert tape.grad(product).__name__ == tape.value_and_grad(product).__name__ == "product"
