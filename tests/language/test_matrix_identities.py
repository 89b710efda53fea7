"""Identities of chapter 2 of the Matrix Cookbook beyond the shared ones, derived from their text.

Each is held against the form in print, written in NumPy, and against differences of the value in NumPy. All sizes are
distinct; S is symmetric and positive definite.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgrad as sg

Array = Any
RNG = np.random.default_rng(17)
m, n, p = 3, 4, 5
inv, det, tr, pinv = np.linalg.inv, np.linalg.det, np.trace, np.linalg.pinv


def _spd(k: int) -> Array:
    a = RNG.normal(size=(k, k))
    return a @ a.T + np.eye(k)


V: dict[str, Array] = {
    "X": RNG.normal(size=(n, n)) + 2 * np.eye(n), "Y": RNG.normal(size=(m, n)), "Z": RNG.normal(size=(p, n)),
    "A": RNG.normal(size=(n, n)), "B": RNG.normal(size=(n, n)), "C": RNG.normal(size=(m, n)),
    "D": RNG.normal(size=(m, m)), "F": RNG.normal(size=(p, m)), "S": _spd(n), "T": _spd(m),
    "a": RNG.normal(size=n), "b": RNG.normal(size=n), "x": RNG.normal(size=n), "c": RNG.normal(size=m),
    "s": np.array(0.7),
}
SHAPES = {
    "X": "(n, n)", "Y": "(m, n)", "Z": "(p, n)", "A": "(n, n)", "B": "(n, n)", "C": "(m, n)", "D": "(m, m)",
    "F": "(p, m)", "S": "(n, n)", "T": "(m, m)", "a": "(n,)", "b": "(n,)", "x": "(n,)", "c": "(m,)", "s": "()",
}
logdet = lambda a: np.linalg.slogdet(a)[1]  # as short as the formulas below
sym = lambda a: (a + a.T) / 2
eig = lambda a: np.linalg.eigvalsh(sym(a))
outer, norm, sv = np.outer, np.linalg.norm, lambda a: np.linalg.svd(a, compute_uv=False)
Case = tuple[str, str, Callable[..., Array], Callable[..., Array]]


def _vec(v: Any) -> Any:
    return np.linalg.eigh(sym(v))[1]


def _polar(v: Any) -> Any:
    u, _, vt = np.linalg.svd(v, full_matrices=False)
    return u @ vt


# name -> text, variable, value in NumPy, gradient in print
CASES: dict[str, Case] = {
    "49 det": ("det(X)", "X", lambda X, **_: det(X), lambda X, **_: det(X) * inv(X).T),
    "51 det of a product": ("det(A @ X @ B)", "X", lambda A, X, B, **_: det(A @ X @ B),
                            lambda A, X, B, **_: det(A @ X @ B) * inv(X).T),
    "54 det, not symmetric": (
        "det(Y @ A @ Y.T)", "Y", lambda Y, A, **_: det(Y @ A @ Y.T),
        lambda Y, A, **_: det(Y @ A @ Y.T) * (inv(Y @ A @ Y.T) @ Y @ A + inv(Y @ A @ Y.T).T @ Y @ A.T)),
    "46 det along a line": ("det(X + s*A)", "s", lambda X, A, s, **_: det(X + s * A),
                            lambda X, A, s, **_: det(X + s * A) * tr(inv(X + s * A) @ A)),
    "43 log det along a line": ("logdet(X + s*A)", "s", lambda X, A, s, **_: logdet(X + s * A),
                                lambda X, A, s, **_: tr(inv(X + s * A) @ A)),
    "reciprocal det": ("1/det(X)", "X", lambda X, **_: 1 / det(X), lambda X, **_: -inv(X).T / det(X)),
    "log det of a Gram matrix": ("logdet(Y @ Y.T)", "Y", lambda Y, **_: logdet(Y @ Y.T), lambda Y, **_: 2 * pinv(Y).T),
    "log det of an inverse": ("logdet(inv(X))", "X", lambda X, **_: -logdet(X), lambda X, **_: -inv(X).T),
    "det of a Kronecker product": ("logdet(kron(D, X))", "X", lambda D, X, **_: logdet(np.kron(D, X)),
                                   lambda X, **_: m * inv(X).T),
    "det of a power": ("det(matrix_power(X, -2))", "X", lambda X, **_: det(X) ** -2,
                       lambda X, **_: -2 * det(X) ** -2 * inv(X).T),
    "62 det of an inverse": ("det(inv(X))", "X", lambda X, **_: 1 / det(X), lambda X, **_: -inv(X).T / det(X)),
    "61 transposed": ("a @ inv(X).T @ b", "X", lambda a, X, b, **_: a @ inv(X).T @ b,
                      lambda a, X, b, **_: -inv(X).T @ outer(b, a) @ inv(X).T),
    "a solution": ("a @ solve(X, b)", "X", lambda a, X, b, **_: a @ inv(X) @ b,
                   lambda a, X, b, **_: -inv(X).T @ outer(a, b) @ inv(X).T),
    "a quadratic form of an inverse": (
        "c @ inv(Y @ S @ Y.T + T) @ c", "Y", lambda c, Y, S, T, **_: c @ inv(Y @ S @ Y.T + T) @ c,
        lambda c, Y, S, T, **_: -2 * outer(inv(Y @ S @ Y.T + T) @ c, inv(Y @ S @ Y.T + T) @ c) @ Y @ S),
    "trace of an inverse square": ("trace(inv(X) @ inv(X))", "X", lambda X, **_: tr(inv(X) @ inv(X)),
                                   lambda X, **_: -2 * (inv(X) @ inv(X) @ inv(X)).T),
    "70 bilinear": ("c @ Y @ a", "Y", lambda c, Y, a, **_: c @ Y @ a, lambda c, a, **_: outer(c, a)),
    "71 bilinear, transposed": ("a @ Y.T @ c", "Y", lambda a, Y, c, **_: a @ Y.T @ c, lambda c, a, **_: outer(c, a)),
    "76 sum of squares": ("sum(Y)**2", "Y", lambda Y, **_: np.sum(Y) ** 2,
                          lambda Y, **_: 2 * np.sum(Y) * np.ones_like(Y)),
    "84 weighted": ("(x - A @ b) @ S @ (x - A @ b)", "A", lambda x, A, b, S, **_: (x - A @ b) @ S @ (x - A @ b),
                    lambda x, A, b, S, **_: -2 * S @ outer(x - A @ b, b)),
    "88 weighted by b": ("(x - A @ b) @ S @ (x - A @ b)", "b", lambda x, A, b, S, **_: (x - A @ b) @ S @ (x - A @ b),
                         lambda x, A, b, S, **_: -2 * A.T @ S @ (x - A @ b)),
    "91 power in a bilinear form": (
        "a @ matrix_power(X, 3) @ b", "X", lambda a, X, b, **_: a @ X @ X @ X @ b,
        lambda a, X, b, **_: sum(np.linalg.matrix_power(X, r).T @ outer(a, b) @ np.linalg.matrix_power(X, 2 - r).T
                                 for r in range(3))),
    "92 powers on both sides": (
        "a @ (X @ X).T @ (X @ X) @ b", "X", lambda a, X, b, **_: a @ (X @ X).T @ X @ X @ b,
        lambda a, X, b, **_: X.T @ (X @ X @ (outer(a, b) + outer(b, a)))
        + X @ X @ (outer(a, b) + outer(b, a)) @ X.T),
    "102 trace": ("trace(F @ Y @ Z.T)", "Y", lambda F, Y, Z, **_: tr(F @ Y @ Z.T), lambda F, Z, **_: F.T @ Z),
    "110 trace": ("trace(Y.T @ Y @ B)", "Y", lambda Y, B, **_: tr(Y.T @ Y @ B), lambda Y, B, **_: Y @ (B + B.T)),
    "113 trace": ("trace(A @ X @ B @ X)", "X", lambda A, X, B, **_: tr(A @ X @ B @ X),
                  lambda A, X, B, **_: A.T @ X.T @ B.T + B.T @ X.T @ A.T),
    "114 trace": ("trace(B.T @ Y.T @ Y @ B)", "Y", lambda B, Y, **_: tr(B.T @ Y.T @ Y @ B),
                  lambda B, Y, **_: 2 * Y @ B @ B.T),
    "121 trace of a power": ("trace(matrix_power(X, 5))", "X", lambda X, **_: tr(np.linalg.matrix_power(X, 5)),
                             lambda X, **_: 5 * np.linalg.matrix_power(X, 4).T),
    "125 trace of a quotient": (
        "trace(inv(Y @ S @ Y.T) @ D)", "Y", lambda Y, S, D, **_: tr(inv(Y @ S @ Y.T) @ D),
        lambda Y, S, D, **_: -inv(Y @ S @ Y.T) @ (D + D.T) @ inv(Y @ S @ Y.T) @ Y @ S),
    "126 Fisher's trace": (
        "trace(inv(Y @ S @ Y.T) @ (Y @ A @ A.T @ Y.T))", "Y",
        lambda Y, S, A, **_: tr(inv(Y @ S @ Y.T) @ Y @ A @ A.T @ Y.T),
        lambda Y, S, A, **_: -2 * inv(Y @ S @ Y.T) @ Y @ A @ A.T @ Y.T @ inv(Y @ S @ Y.T) @ Y @ S
        + 2 * inv(Y @ S @ Y.T) @ Y @ A @ A.T),
    "127 trace with a ridge": ("trace(inv(T + Y @ Y.T) @ T)", "Y", lambda T, Y, **_: tr(inv(T + Y @ Y.T) @ T),
                               lambda T, Y, **_: -2 * inv(T + Y @ Y.T) @ T @ inv(T + Y @ Y.T) @ Y),
    "130 normalised": ("c @ (Y @ a)/norm(Y @ a)", "a", lambda c, Y, a, **_: c @ Y @ a / norm(Y @ a),
                       lambda c, Y, a, **_: Y.T @ (c / norm(Y @ a) - Y @ a * (c @ Y @ a) / norm(Y @ a) ** 3)),
    "Kronecker trace": ("trace(kron(X, D))", "X", lambda X, D, **_: tr(np.kron(X, D)),
                        lambda D, **_: tr(D) * np.eye(n)),
    "Kronecker norm": ("sum(kron(Y, D)**2)", "Y", lambda Y, D, **_: np.sum(np.kron(Y, D) ** 2),
                       lambda Y, D, **_: 2 * Y * np.sum(D**2)),
    "66 sum of eigenvalues": ("sum(eigvalsh(S))", "S", lambda S, **_: np.sum(eig(S)), lambda **_: np.eye(n)),
    "66 product of eigenvalues": ("prod(eigvalsh(S))", "S", lambda S, **_: np.prod(eig(S)),
                                  lambda S, **_: det(S) * inv(S)),
    "67 smallest eigenvalue": ("min(eigvalsh(S))", "S", lambda S, **_: eig(S)[0],
                               lambda S, **_: outer(_vec(S)[:, 0], _vec(S)[:, 0])),
    "68 eigenvalues of a function": (
        "sum(log(eigvalsh(S)))", "S", lambda S, **_: logdet(sym(S)), lambda S, **_: inv(S)),
    "log det by Cholesky": ("2*sum(log(diag(cholesky(S))))", "S", lambda S, **_: logdet(sym(S)), lambda S, **_: inv(S)),
    "a quadratic form by Cholesky": (
        "sum(solve(cholesky(S), a)**2)", "S", lambda S, a, **_: a @ inv(sym(S)) @ a,
        lambda S, a, **_: -outer(inv(S) @ a, inv(S) @ a)),
    "pseudo-inverse": ("c @ pinv(Y).T @ a", "Y", lambda c, Y, a, **_: a @ pinv(Y) @ c,
                       lambda c, Y, a, **_: -pinv(Y).T @ outer(a, c) @ pinv(Y).T
                       + inv(Y @ Y.T) @ outer(c, a) @ (np.eye(n) - pinv(Y) @ Y)),
    "Frobenius by singular values": ("sum(svdvals(Y)**2)", "Y", lambda Y, **_: np.sum(Y**2), lambda Y, **_: 2 * Y),
    "log singular values": ("sum(log(svdvals(X)))", "X", lambda X, **_: logdet(X), lambda X, **_: inv(X).T),
    "nuclear norm": ('norm(Y.T, "nuc")', "Y", lambda Y, **_: np.sum(sv(Y)), lambda Y, **_: _polar(Y)),
    "142 diagonal of a product": ("sum(diag(X @ A)**2)", "X", lambda X, A, **_: np.sum(np.diag(X @ A) ** 2),
                                  lambda X, A, **_: 2 * np.diag(np.diag(X @ A)) @ A.T),
    "log det of a diagonal": ("logdet(diag(exp(x)))", "x", lambda x, **_: np.sum(x), lambda x, **_: np.ones_like(x)),
    "lower triangle": ("sum(tril(X) @ a)", "X", lambda X, a, **_: np.sum(np.tril(X) @ a),
                       lambda a, **_: np.tril(outer(np.ones(n), a))),
}


@pytest.mark.parametrize("name", CASES)
def test_the_gradient_is_the_one_in_print(name: str) -> None:
    text, variable, value, told = CASES[name]
    declared = "; ".join(f"{k}: {s}" for k, s in SHAPES.items())
    net = sg.parse(f"{declared}; L = {text}")
    kernel = sg.compile(net, wrt=[variable])
    found, grads = kernel(**{k: V[k] for k in kernel.inputs})
    true = value(**V)
    assert abs(found - true) <= 1e-11 * (1 + abs(true))
    expected = told(**V)
    scale = 1 + np.abs(expected).max()
    assert grads[variable].shape == V[variable].shape
    assert np.abs(grads[variable] - expected).max() <= 1e-10 * scale
    v, h = RNG.normal(size=V[variable].shape), 1e-4

    def at(k: int) -> float:
        return float(value(**{**V, variable: V[variable] + k * h * v}))

    slope = (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * h)
    assert abs(np.sum(grads[variable] * v) - slope) <= 1e-7 * (1 + abs(slope) + scale)


@pytest.mark.parametrize("name", ["54 det, not symmetric", "126 Fisher's trace", "pseudo-inverse"])
def test_the_steps_verify(name: str) -> None:
    text, variable, *_ = CASES[name]
    declared = "; ".join(f"{k}: {s}" for k, s in SHAPES.items())
    assert sg.derive(f"{declared}; L = {text}", variable).verify(digits=30).ok
