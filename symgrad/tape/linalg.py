"""The rules of numpy.linalg, for one matrix or a batch of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symgrad.errors import NoRule
from symgrad.tape.arrays import before
from symgrad.tape.rows import Array, Operand, Row, fit, plain, primitive, row


@primitive
def logabsdet(a: Array) -> Array:
    """log |det a|, the second output of np.linalg.slogdet."""
    return np.linalg.slogdet(a)[1]


def t(a: Array) -> Array:
    """The transpose of each matrix."""
    return np.swapaxes(a, -1, -2)


def cofactors(a: Array) -> Array:
    """d det(a) / da, right at singular matrices too, where det(a) inv(a)^T is 0 * inf.

    With a = U S V^T it is det(U V^T) U C V^T, C being the diagonal of the products of all other singular values.
    """
    u, s, vt = np.linalg.svd(a)
    others = before(s) * before(s[..., ::-1])[..., ::-1]
    return np.linalg.det(u @ vt)[..., None, None] * ((u * others[..., None, :]) @ vt)


def inner(a: Array, b: Array) -> Array:
    """sum(a * b) of each matrix."""
    return np.sum(a * b, axis=(-1, -2))


def column(b: Array, x: Array) -> Array:
    """x as a matrix, given that `solve` takes its right-hand side b for a vector only if it has one axis."""
    return np.expand_dims(x, -1) if np.ndim(b) == 1 else x


def pull_solve_matrix(y_bar: Array, y: Array, a: Array, b: Array) -> Array:
    """A Y = B: A_bar = -B_bar Y^T."""
    return -(np.linalg.solve(t(a), column(b, y_bar)) @ t(column(b, y)))


def pull_solve_rhs(y_bar: Array, y: Array, a: Array, b: Array) -> Array:
    """A Y = B: B_bar = inv(A)^T Y_bar."""
    b_bar = np.linalg.solve(t(a), column(b, y_bar))
    return fit(b_bar[..., 0] if np.ndim(b) == 1 else b_bar, b)


def push_solve_matrix(a_dot: Array, y: Array, a: Array, b: Array) -> Array:
    """A Y = B: Y_dot = -inv(A) A_dot Y."""
    y_dot = -np.linalg.solve(a, a_dot @ column(b, y))
    return y_dot[..., 0] if np.ndim(b) == 1 else y_dot


def lower_half(m: Array) -> Array:
    """The lower triangle with half the diagonal: the part of a symmetric matrix that a factor is responsible for."""
    return np.tril(m) - 0.5 * np.eye(m.shape[-1], dtype=m.dtype) * m


def pull_cholesky(y_bar: Array, y: Array, a: Array) -> Array:
    """A = L L^T, A symmetric: A_bar = the symmetric part of L^-T lower_half(L^T L_bar) L^-1."""
    half = np.linalg.solve(t(y), lower_half(t(y) @ np.tril(y_bar)))
    a_bar = t(np.linalg.solve(t(y), t(half)))
    return 0.5 * (a_bar + t(a_bar))


def push_cholesky(a_dot: Array, y: Array, a: Array) -> Array:
    """A = L L^T, A symmetric: L_dot = L lower_half(L^-1 A_dot L^-T)."""
    left = np.linalg.solve(y, 0.5 * (a_dot + t(a_dot)))
    return y @ lower_half(t(np.linalg.solve(y, t(left))))


def pull_pinv(y_bar: Array, y: Array, a: Array) -> Array:
    """a of full rank: inv(a^T a) a^T for a tall matrix, a^T inv(a a^T) for a wide one, by the product rule."""
    direct = -(t(y) @ y_bar @ t(y))
    if a.shape[-2] >= a.shape[-1]:
        return direct + (t(y_bar) - a @ (y @ t(y_bar))) @ y @ t(y)
    return direct + t(y) @ y @ (t(y_bar) - (t(y_bar) @ y) @ a)


def push_pinv(a_dot: Array, y: Array, a: Array) -> Array:
    """As pull_pinv, forwards."""
    direct = -(y @ a_dot @ y)
    if a.shape[-2] >= a.shape[-1]:
        return direct + y @ t(y) @ (t(a_dot) - (t(a_dot) @ a) @ y)
    return direct + (t(a_dot) - y @ (a @ t(a_dot))) @ t(y) @ y


def diagonal_times(d: Array, x: Array) -> Array:
    """diag(d) x."""
    return d[..., :, None] * x


def inverse_gaps(w: Array) -> Array:
    """1/(w_j - w_i) off the diagonal, 0 on it; what belongs to equal values is infinite."""
    gaps = w[..., None, :] - w[..., :, None]
    return np.divide(1.0, gaps, where=~np.eye(w.shape[-1], dtype=bool), out=np.zeros_like(gaps))


def basis(a: Array) -> tuple[Array, Array]:
    """Eigenvalues and vectors of the triangle that NumPy reads."""
    w, v = np.linalg.eigh(a)
    return w, v


@primitive
def eigenvectors(a: Array) -> Array:
    """The second output of np.linalg.eigh."""
    return np.linalg.eigh(a)[1]


def pull_eigenvectors(y_bar: Array, y: Array, a: Array) -> Array:
    """A V = V diag(w), A symmetric: the symmetric part of V (F * V^T V_bar) V^T."""
    a_bar = y @ (inverse_gaps(basis(a)[0]) * (t(y) @ y_bar)) @ t(y)
    return 0.5 * (a_bar + t(a_bar))


def push_eigenvectors(a_dot: Array, y: Array, a: Array) -> Array:
    """A V = V diag(w), A symmetric: V_dot = V (F * V^T A_dot V)."""
    return y @ (inverse_gaps(basis(a)[0]) * (t(y) @ (0.5 * (a_dot + t(a_dot))) @ y))


def pull_eigenvalues(y_bar: Array, y: Array, a: Array) -> Array:
    """V diag(w_bar) V^T."""
    v = basis(a)[1]
    return v @ diagonal_times(y_bar, t(v))


def push_eigenvalues(a_dot: Array, y: Array, a: Array) -> Array:
    """diag(V^T A_dot V)."""
    v = basis(a)[1]
    return np.sum(v * (0.5 * (a_dot + t(a_dot)) @ v), axis=-2)


@primitive
def left_vectors(a: Array) -> Array:
    """U of a = U diag(s) V^T, as many columns as there are singular values."""
    return np.linalg.svd(a, full_matrices=False)[0]


@primitive
def right_vectors(a: Array) -> Array:
    """V^T of a = U diag(s) V^T, as many rows as there are singular values."""
    return np.linalg.svd(a, full_matrices=False)[2]


@primitive
def singular_values(a: Array) -> Array:
    """s of a = U diag(s) V^T."""
    return np.linalg.svd(a, compute_uv=False)


def turns(a: Array, a_dot: Array) -> tuple[Array, Array]:
    """U_dot and V_dot from A_dot: the antisymmetric parts solve dP = F*(dA s + s dA^T), dQ = F*(s dA + dA^T s)."""
    u, s, vt = np.linalg.svd(a, full_matrices=False)
    inner, f = t(u) @ a_dot @ t(vt), inverse_gaps(s**2)
    column, row_ = s[..., None, :], s[..., :, None]
    du = u @ (f * (inner * column + row_ * t(inner)))
    dv = t(vt) @ (f * (row_ * inner + t(inner) * column))
    du = du + (a_dot @ t(vt) - u @ inner) / column
    dv = dv + (t(a_dot) @ u - t(vt) @ t(inner)) / column
    return du, dv


def pull_turns(a: Array, u_bar: Array | None, v_bar: Array | None) -> Array:
    """The transpose of `turns`."""
    u, s, vt = np.linalg.svd(a, full_matrices=False)
    f, column, row_ = inverse_gaps(s**2), s[..., None, :], s[..., :, None]
    a_bar = np.zeros_like(a)
    if u_bar is not None:
        g = f * (t(u) @ u_bar)
        rest = (u_bar - u @ (t(u) @ u_bar)) / column
        a_bar = a_bar + u @ (g * column + t(g * row_)) @ vt + rest @ vt
    if v_bar is not None:
        g = f * (vt @ v_bar)
        rest = (v_bar - t(vt) @ (vt @ v_bar)) / column
        a_bar = a_bar + u @ (g * row_ + t(g * column)) @ vt + u @ t(rest)
    return a_bar


def eigh(a: Array) -> Any:
    """Both parts of the decomposition of a symmetric matrix."""
    return np.linalg.eigh(plain(a))._replace(eigenvalues=np.linalg.eigvalsh(a), eigenvectors=eigenvectors(a))


def svd(a: Array, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """The thin decomposition, or the singular values alone."""
    if not compute_uv:
        return singular_values(a)
    if full_matrices and np.shape(a)[-1] != np.shape(a)[-2]:
        raise NoRule("np.linalg.svd of a rectangular matrix has a rule on the tape for the thin decomposition only. "
                     "Pass full_matrices=False.")
    parts = np.linalg.svd(plain(a), full_matrices=False)
    return parts._replace(U=left_vectors(a), S=singular_values(a), Vh=right_vectors(a))


# fmt: off
LINALG: dict[Callable[..., Any], Row] = {
    np.linalg.inv:      row(a=Operand(lambda y_bar, y, a: -(t(y) @ y_bar @ t(y)),
                                      lambda a_dot, y, a: -(y @ a_dot @ y))),
    np.linalg.det:      row(a=Operand(lambda y_bar, y, a: np.expand_dims(y_bar, (-1, -2)) * cofactors(a),
                                      lambda a_dot, y, a: inner(cofactors(a), a_dot))),
    logabsdet:          row(a=Operand(lambda y_bar, y, a: np.expand_dims(y_bar, (-1, -2)) * t(np.linalg.inv(a)),
                                      lambda a_dot, y, a: inner(t(np.linalg.inv(a)), a_dot))),
    np.linalg.solve:    row(a=Operand(pull_solve_matrix, push_solve_matrix),
                            b=Operand(pull_solve_rhs, lambda b_dot, y, a, b: np.linalg.solve(a, b_dot))),
    np.linalg.pinv:     row(a=Operand(pull_pinv, push_pinv)),
    np.linalg.eigvalsh: row(a=Operand(pull_eigenvalues, push_eigenvalues)),
    eigenvectors:       row(a=Operand(pull_eigenvectors, push_eigenvectors)),
    singular_values:    row(a=Operand(lambda y_bar, y, a: left_vectors(a) @ diagonal_times(y_bar, right_vectors(a)),
                                      lambda a_dot, y, a: np.sum(left_vectors(a) * (a_dot @ t(right_vectors(a))),
                                                                 axis=-2))),
    left_vectors:       row(a=Operand(lambda y_bar, y, a: pull_turns(a, y_bar, None),
                                      lambda a_dot, y, a: turns(a, a_dot)[0])),
    right_vectors:      row(a=Operand(lambda y_bar, y, a: pull_turns(a, None, t(y_bar)),
                                      lambda a_dot, y, a: t(turns(a, a_dot)[1]))),
    np.linalg.cholesky: row(a=Operand(pull_cholesky, push_cholesky)),
}
# fmt: on
