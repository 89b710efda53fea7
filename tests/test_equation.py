"""The zero of a gradient as a linear equation: each holds where the gradient is zero, and nothing else is claimed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import symgrad as sg

EQUATIONS = [
    ("X: (n, d); w: (d,); y: (n,); a: (); L = mean((X @ w - y)**2) + a*sum(w**2)", "w",
     "(n*a*eye(d) + X.T @ X) @ w = X.T @ y"),
    ("X: (n, d); w: (d, 1); y: (n, 1); L = (X @ w - y).T @ (X @ w - y)", "w", "X.T @ X @ w = X.T @ y"),
    ("X: (n, d); w: (d,); y: (n,); r = X @ w - y; L = r @ r / n", "w", "X.T @ X @ w = X.T @ y"),
    ("X: (n, d); W: (d, k); Y: (n, k); a: (); L = sum((X @ W - Y)**2)/(2*n) + a/2*sum(W**2)", "W",
     "(n*a*eye(d) + X.T @ X) @ W = X.T @ Y"),
    ("X: (d, n); W: (k, d); Y: (k, n); a: (); L = sum((W @ X - Y)**2)/n + a*norm(W)**2", "W",
     "W @ (n*a*eye(d) + X @ X.T) = Y @ X.T"),
    ("A: (n, n); x: (n,); b: (n,); L = x @ A @ x / 2 - b @ x", "x", "(A + A.T) @ x = 2*b"),
    ("X: (n, d); w: (d,); y: (n,); G: (m, d); a: (); L = sum((X @ w - y)**2) + a*sum((G @ w)**2)", "w",
     "(a*(G.T @ G) + X.T @ X) @ w = X.T @ y"),
    ("U: (n, k); V: (m, k); T: (n, m); a: (); L = sum((T - U @ V.T)**2) + a*sum(U**2)", "U",
     "U @ (a*eye(k) + V.T @ V) = T @ V"),
    ("x: (n,); m: (n,); L = sum((x - m)**2)", "x", "eye(n) @ x = m"),
]


@pytest.mark.parametrize(("text", "wrt", "expected"), EQUATIONS)
def test_equations(text: str, wrt: str, expected: str) -> None:
    found = sg.stationary(text, wrt)
    assert str(found) == found.text() == expected
    assert found.verify(digits=30)


def test_a_false_equation_is_caught() -> None:
    found = sg.stationary(*EQUATIONS[0][:2])
    other = sg.stationary(*EQUATIONS[2][:2])
    assert not replace(found, equation=other.equation).verify(digits=30)


def test_the_solution_of_the_equation_is_the_minimum(rng: np.random.Generator) -> None:
    text, wrt, _ = EQUATIONS[0]
    found = sg.stationary(text, wrt)
    X, y, a = rng.normal(size=(7, 3)), rng.normal(size=7), np.array(0.3)
    matrix, rhs = sg.compile(found.matrix)(X=X, a=a), sg.compile(found.rhs)(X=X, y=y)
    w = np.linalg.solve(matrix, rhs)
    _, grads = found.derivation.compile()(X=X, y=y, a=a, w=w)
    assert np.max(np.abs(grads["w"])) <= 1e-13


def test_latex() -> None:
    assert sg.stationary(*EQUATIONS[1][:2]).latex() == "X^\\top X w = X^\\top y"


@pytest.mark.parametrize(("text", "wrt", "error", "says"), [
    ("X: (n, d); w: (d,); y: (n,); L = sum(softplus(X @ w) - y*(X @ w))", "w", sg.NotExpressible, "not linear in w"),
    ("x: (n,); L = sum(x**4)", "x", sg.NotExpressible, "not linear in x"),
    ("X: (n, d); w: (d,); L = sum((X @ w)**2)", None, sg.InputError, "one variable"),
    ("x: (); L = x**2", "x", sg.NotExpressible, "vector or a matrix"),
    ("A: (n, n); B: (n, n); L = sum((A @ B @ A - B)**2)", "B", sg.NotExpressible, "no one matrix"),
])
def test_what_has_no_equation_says_so(text: str, wrt: str | None, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        sg.stationary(text, wrt)
