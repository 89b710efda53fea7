"""The rules of numpy.linalg, for one matrix or a batch of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symgrad.tape.arrays import before
from symgrad.tape.rows import Array, Operand, Row, fit, primitive, row


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
    np.linalg.cholesky: row(a=Operand(pull_cholesky, push_cholesky)),
}
# fmt: on
