"""Linear algebra: batches, first and second derivatives by differences of the value in NumPy, and what is refused.

The primal here is plain NumPy, written beside each text; no derivative rule has a part in what is expected.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symgrad as sg
from symgrad.errors import ShapeError
from symgrad.shapes import show

Array = Any
RNG = np.random.default_rng(7)
STEP = 1e-3


def t(a: Array) -> Array:
    return np.swapaxes(a, -1, -2)


def regular(*shape: int) -> Array:
    return RNG.normal(size=shape) + 2 * np.eye(shape[-1])


def spd(*shape: int) -> Array:
    a = RNG.normal(size=shape)
    return a @ t(a) + np.eye(shape[-1])


def fix(v: Array) -> Array:
    """Columns with a last entry that is not negative."""
    return v * np.where(v[..., -1:, :] < 0, -1, 1)


def eigvecs(a: Array) -> Array:
    return fix(np.linalg.eigh((a + t(a)) / 2)[1])


def svd(a: Array, part: int) -> Array:
    u, s, vt = np.linalg.svd(a, full_matrices=False)
    signs = np.where(u[..., -1:, :] < 0, -1, 1)
    return (u * signs, s, t(signs) * vt)[part]


def series(a: Array) -> Array:
    """exp(a) for a small matrix."""
    out = term = np.eye(len(a))
    for k in range(1, 50):
        term = term @ a / k
        out = out + term
    return out


def diagonal(a: Array) -> Array:
    """exp(a) by eigenvalues."""
    w, v = np.linalg.eig(a)
    return (v * np.exp(w) @ np.linalg.inv(v)).real


def waves(a: Array) -> Array:
    """cos(a) and sin(a) in the first columns of one matrix."""
    zero = np.zeros_like(a)
    return series(np.block([[zero, -a], [a, zero]]))


# text in X and C, what it is in NumPy, X
CASES: dict[str, tuple[str, Callable[[Array], Array], Array]] = {
    "inv": ("inv(X)", np.linalg.inv, regular(3, 3)),
    "inv of a batch": ("inv(X)", np.linalg.inv, regular(2, 3, 3)),
    "det of a batch": ("det(X)", np.linalg.det, regular(2, 3, 3)),
    "logdet of a batch": ("logdet(X)", lambda x: np.linalg.slogdet(x)[1], regular(2, 4, 3, 3)),
    "solve": ("solve(X, X.T)", lambda x: np.linalg.solve(x, x.T), regular(3, 3)),
    "solve of a batch": ("solve(X, X*X)", lambda x: np.linalg.solve(x, x * x), regular(2, 3, 3)),
    "solve of a batch with one vector": (
        "solve(X, X[0, 0])", lambda x: np.linalg.solve(x, x[0, 0]), regular(2, 3, 3)),
    "solve of a batch with one matrix": ("solve(X, X[0])", lambda x: np.linalg.solve(x, x[0]), regular(2, 3, 3)),
    "solve of one matrix with a batch": ("solve(X[0], X)", lambda x: np.linalg.solve(x[0], x), regular(2, 3, 3)),
    "cholesky": ("cholesky(X)", lambda x: np.linalg.cholesky((x + x.T) / 2), spd(3, 3)),
    "cholesky of a batch": ("cholesky(X)", lambda x: np.linalg.cholesky((x + t(x)) / 2), spd(2, 3, 3)),
    "pinv of a tall matrix": ("pinv(X)", np.linalg.pinv, RNG.normal(size=(4, 3))),
    "pinv of a wide matrix": ("pinv(X)", np.linalg.pinv, RNG.normal(size=(3, 5))),
    "pinv of a batch": ("pinv(X)", np.linalg.pinv, RNG.normal(size=(2, 4, 3))),
    "eigvalsh": ("eigvalsh(X)", lambda x: np.linalg.eigvalsh((x + x.T) / 2), regular(4, 4)),
    "eigvalsh of a batch": ("eigvalsh(X)", lambda x: np.linalg.eigvalsh((x + t(x)) / 2), regular(2, 3, 3)),
    "eigvecsh": ("eigvecsh(X)", eigvecs, regular(4, 4)),
    "eigvecsh of a batch": ("eigvecsh(X)", eigvecs, regular(2, 3, 3)),
    "svdvals": ("svdvals(X)", lambda x: svd(x, 1), RNG.normal(size=(4, 3))),
    "svdvals of a batch": ("svdvals(X)", lambda x: svd(x, 1), RNG.normal(size=(2, 3, 4))),
    "svd_u": ("svd_u(X)", lambda x: svd(x, 0), RNG.normal(size=(4, 3))),
    "svd_u of a wide matrix": ("svd_u(X)", lambda x: svd(x, 0), RNG.normal(size=(3, 4))),
    "svd_vt": ("svd_vt(X)", lambda x: svd(x, 2), RNG.normal(size=(4, 3))),
    "svd_vt of a batch": ("svd_vt(X)", lambda x: svd(x, 2), RNG.normal(size=(2, 3, 4))),
    "expm": ("expm(X)", series, regular(3, 3)),
    "expm of a nilpotent matrix": ("expm(X)", series, np.triu(RNG.normal(size=(3, 3)), 1)),
    "expm of a large matrix": ("sum(expm(40*X - 120*eye(3)))", lambda x: np.sum(diagonal(40 * x - 120 * np.eye(3))),
                               np.diag([1.0, 2.0, 3.0]) + 0.1 * RNG.normal(size=(3, 3))),
    "sinm": ("sinm(X)", lambda x: waves(x)[3:, :3], regular(3, 3)),
    "cosm": ("cosm(X)", lambda x: waves(x)[:3, :3], regular(3, 3)),
    "tril": ("tril(X, k=-1)", lambda x: np.tril(x, -1), RNG.normal(size=(3, 4))),
    "triu of a batch": ("triu(X)", np.triu, RNG.normal(size=(2, 3, 4))),
    "slogdet": ("slogdet(X)", lambda x: np.array(np.linalg.slogdet(x)), -regular(3, 3)),
    "slogdet of a batch": ("slogdet(X)", lambda x: np.array(np.linalg.slogdet(x)), regular(2, 3, 3)),
    "kron": ("kron(X, X.T)", lambda x: np.kron(x, x.T), RNG.normal(size=(2, 3))),
    "kron of a vector and a matrix": ("kron(X[0], X)", lambda x: np.kron(x[0], x), RNG.normal(size=(2, 3))),
    "kron of vectors": ("kron(X[0], X[:, 1])", lambda x: np.kron(x[0], x[:, 1]), RNG.normal(size=(2, 3))),
    "diag of a matrix": ("diag(X)", np.diag, RNG.normal(size=(3, 3))),
    "diag of a vector": ("diag(X[1])", lambda x: np.diag(x[1]), RNG.normal(size=(2, 3))),
    "matrix_power": ("matrix_power(X, 5)", lambda x: np.linalg.matrix_power(x, 5), 0.5 * regular(3, 3)),
    "negative matrix_power": ("matrix_power(X, -3)", lambda x: np.linalg.matrix_power(x, -3), regular(3, 3)),
    "matrix_power of a batch": ("matrix_power(X, 2)", lambda x: x @ x, regular(2, 3, 3)),
    "nuclear norm": ('norm(X, "nuc")', lambda x: np.linalg.norm(x, "nuc"), RNG.normal(size=(3, 4))),
    "spectral norm": ('norm(X, "spectral")', lambda x: np.linalg.norm(x, 2), RNG.normal(size=(4, 3))),
}


def slope(f: Callable[[Array], float], x: Array, v: Array) -> tuple[float, float]:
    """Return the derivative of f at x along v by sixth-order differences, and a bound of its error."""
    def at(k: int, h: float) -> float:
        return (f(x + k * h * v) - f(x - k * h * v)) / h

    def quotient(h: float) -> float:
        return (45 * at(1, h) - 9 * at(2, h) + at(3, h)) / 60

    fine, coarse = quotient(STEP), quotient(2 * STEP)
    return fine, abs(fine - coarse) + 1e3 * np.finfo(float).eps * (1 + abs(f(x))) / STEP


@pytest.mark.parametrize("name", CASES)
def test_value_gradient_and_second_derivative(name: str) -> None:
    text, primal, x = CASES[name]
    y = primal(x)
    shapes = {"X": x.shape, "C": y.shape, "D": x.shape}
    declared = "; ".join(f"{k}: {show(s)}" for k, s in shapes.items())
    net = sg.parse(f"{declared}; L = sum(C*{text})" if y.ndim else f"{declared}; L = C*{text}")
    c, d, v = RNG.normal(size=y.shape), RNG.normal(size=x.shape), RNG.normal(size=x.shape)
    value, grads = sg.compile(net, wrt=["X"])(X=x, C=c)
    assert abs(value - np.sum(c * y)) <= 1e-12 * (1 + np.abs(c * y).sum())
    true, error = slope(lambda z: float(np.sum(c * primal(z))), x, v)
    assert error < 1e-6 * (1 + abs(true))
    assert abs(np.sum(grads["X"] * v) - true) <= error

    first = sg.grad(net, "X")
    scalar = sg.sum(sg.symbol("D", x.shape) * first * first * sg.symbol("X", x.shape))
    inner = sg.compile(first)
    given = {k: a for k, a in {"X": x, "C": c}.items() if k in inner.inputs}

    def twice(z: Array) -> float:
        return float(np.sum(d * inner(**{**given, **({"X": z} if "X" in given else {})}) ** 2 * z))

    kernel = sg.compile(sg.grad(scalar, "X"))
    second = kernel(**{k: a for k, a in {"X": x, "C": c, "D": d}.items() if k in kernel.inputs})
    true, error = slope(twice, x, v)
    assert error < 1e-5 * (1 + abs(true))
    assert abs(np.sum(second * v) - true) <= error


@pytest.mark.parametrize(("text", "words"), [
    ("inv(A)", ["inv of A (n, d)", "square", "pinv"]),
    ("cholesky(A)", ["cholesky of A (n, d)", "square", "A.T @ A"]),
    ("eigvalsh(x)", ["eigvalsh of x (n,)", "square"]),
    ("svdvals(x)", ["svdvals of x (n,)", "matrix", "x[:, None]"]),
    ("tril(x)", ["tril of x (n,)", "matrix"]),
    ("pinv(x)", ["pinv of x (n,)", "matrix"]),
    ("solve(A @ A.T, A.T)", ["number of rows", "(n, n) and (d, n)"]),
    ("diag(A)", ["diag takes a square matrix", "A has shape (n, d)", "sizes n and d"]),
    ("diag(B)", ["diag takes a vector", "or a matrix", "B has shape (b, n, n)"]),
    ("trace(A)", ["trace takes a square matrix", "sizes n and d"]),
    ("kron(B, A)", ["kron takes vectors or matrices", "B has shape (b, n, n)"]),
    ("matrix_power(A, 2)", ["square", "(n, d)"]),
    ("outer(A, x)", ["outer takes a vector", "A has shape (n, d)"]),
    ('norm(x, "nuc")', ["nuc norm is that of a matrix", "x has shape (n,)"]),
])
def test_shapes_that_do_not_fit_are_named(text: str, words: list[str]) -> None:
    with pytest.raises(ShapeError) as caught:
        sg.parse(f"A: (n, d); B: (b, n, n); x: (n,); Y = {text}")
    for word in words:
        assert word in str(caught.value)


def test_the_parts_of_one_decomposition_are_computed_once() -> None:
    source = sg.compile("A: (n, n); L = sum(log(eigvalsh(A)))", wrt=["A"]).source
    assert source.count("np.linalg.eigh(") == 1
    assert "eigvalsh" not in source
    source = sg.compile('X: (n, d); L = norm(X, "nuc")', wrt=["X"]).source
    assert source.count("np.linalg.svd(") == 1
    assert "np.linalg.eigvalsh" in sg.compile("A: (n, n); L = sum(log(eigvalsh(A)))").source
    assert "compute_uv=False" in sg.compile('X: (n, d); L = norm(X, "nuc")').source


def test_vectors_are_unique() -> None:
    a = regular(4, 4)
    v = sg.compile("A: (n, n); V = eigvecsh(A)")(a)
    assert (v[-1] >= 0).all()
    np.testing.assert_allclose(v * sg.compile("A: (n, n); w = eigvalsh(A)")(a) @ v.T, (a + a.T) / 2, atol=1e-13)
    x = RNG.normal(size=(5, 3))
    u, s, r = sg.compile("X: (n, d); U = svd_u(X)")(x), sg.compile("X: (n, d); s = svdvals(X)")(x), \
        sg.compile("X: (n, d); R = svd_vt(X)")(x)
    assert (u[-1] >= 0).all()
    np.testing.assert_allclose(u * s @ r, x, atol=1e-13)
