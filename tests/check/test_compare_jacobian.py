"""Hessians and Jacobians compared with methods that do not know how they were derived."""

from __future__ import annotations

import numpy as np
import pytest

import symgrad as sg
from symgrad.check.second_order import second_difference

LOGISTIC = "X: (n, d); w: (d,); b: (); y: (n,); L = mean(bce(sigmoid(X @ w + b), y))"


@pytest.fixture
def at(rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {"X": rng.normal(size=(5, 3)), "w": rng.normal(size=3), "b": rng.normal(size=()), "y": rng.uniform(size=5)}


def test_four_methods_agree_on_every_entry_of_every_block(at) -> None:
    c = sg.compare(sg.hessian(LOGISTIC, ["w", "b"]), at)
    assert c.ok
    assert list(c.gradients) == ["symbolic", "tape", "complex step", "central"]
    assert c.count("agree") == 9 + 3 + 1
    assert {n: v.shape for n, v in c.verdicts.items()} == {"w, w": (3, 3), "w, b": (3,), "b, b": ()}


@pytest.mark.parametrize("fault", [lambda h: 1.0001*h, lambda h: h + 1e-5, lambda h: -h],
                         ids=["a factor", "a term", "minus"])
def test_a_wrong_kernel_is_found_by_every_other_method(at, fault) -> None:
    H = sg.hessian(LOGISTIC, "w")
    right = H.compile()

    def wrong(**given):
        return fault(right(**{n: given[n] for n in right.inputs}))

    c = sg.compare(H, at, kernel=wrong)
    assert not c.ok
    assert c.odd_one_out() == "symbolic"


def test_a_jacobian_is_compared_with_the_tape_row_by_row(at) -> None:
    c = sg.compare(sg.jacobian("X: (n, d); w: (d,); p = sigmoid(X @ w)", "w"), at)
    assert c.ok
    assert c.count("agree") == 15


def test_complex_step_is_left_out_where_it_may_not_pass() -> None:
    c = sg.compare(sg.hessian("x: (n,); L = sum(relu(x)**3)", "x"), {"x": np.array([1.0, -2.0, 0.5])})
    assert c.ok
    assert list(c.gradients) == ["symbolic", "tape", "central"]
    assert any("relu" in n for n in c.notes)


def test_a_product_with_v_is_refused_and_a_missing_array_named(at) -> None:
    with pytest.raises(sg.InputError, match=r"sg\.hessian"):
        sg.compare(sg.hvp(LOGISTIC, "w"), at)
    with pytest.raises(sg.InputError, match="missing in `at`: y"):
        sg.compare(sg.hessian(LOGISTIC, "w"), {k: v for k, v in at.items() if k != "y"})


def test_second_differences_of_a_polynomial_are_exact_to_their_bound(rng: np.random.Generator) -> None:
    a, b = rng.normal(size=2), rng.normal(size=(2, 2))
    found, bound = second_difference(lambda x, y: np.sum(x**2 * (y @ x)), a, b, False)
    exact = np.empty((2, 4))
    for i in range(2):
        for j, (r, s) in enumerate(np.ndindex(2, 2)):  # d/da_i of x_r**2 x_s
            exact[i, j] = 2*a[r]*a[s]*(i == r) + a[r]**2*(i == s)
    assert np.all(abs(found - exact) <= bound)
    assert np.all(bound < 1e-7)


@pytest.mark.parametrize("size", [4.0, 40.0])
def test_a_saturated_unit_is_no_disagreement(size: float) -> None:
    """1 - tanh(z)**2 has lost its digits, and so have the differences: what is left of them is no verdict."""
    net = sg.parse("X: (n, d); w: (d,); Z = tanh(X @ w); L = sum(Z**2)")
    at = {"X": np.array([[1.0, 2.0, 0.7], [0.9, 0.5, 1.1]]), "w": size*np.array([0.5, 0.25, 0.75])}
    H, J = sg.hessian(net, ["w", "X"]), sg.jacobian(net["Z"], "w")
    assert sg.compare(H, at).ok
    assert sg.compare(J, at).ok
    right = J.compile()
    assert not sg.compare(J, at, kernel=lambda X, w: right(X, w) + 1e-9).ok
