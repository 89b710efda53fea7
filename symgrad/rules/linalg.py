"""Linear algebra, one row a function, as in Giles (2008): pullbacks in the output, so a factorisation is shared."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgrad.errors import ShapeError
from symgrad.graph.node import Node, einsum
from symgrad.rules.row import ArrayFunction, Example
from symgrad.shapes import Shape

GILES = "Giles (2008)"
SQUARE: Example = ((("n", "n"),), {})


def _square(a: Shape) -> Shape:
    if len(a) != 2 or a[0] != a[1]:
        raise ShapeError("a square matrix is expected")
    return a


def _number(a: Shape) -> Shape:
    return _square(a)[:0]


def _solved(a: Shape, b: Shape) -> Shape:
    if len(b) not in (1, 2) or _square(a)[0] != b[0]:
        raise ShapeError("the matrix and the right-hand side differ in their number of rows")
    return b


def _matrix(m: Any, a: Any) -> Any:
    return m.matrix(a.tolist())


def _array(a: Any) -> Any:
    out = np.empty((a.rows, a.cols), dtype=object)
    for k in np.ndindex(out.shape):
        out[k] = a[k]
    return out


def _det(m: Any, a: Any) -> Any:
    return np.asarray(m.det(_matrix(m, a)), dtype=object)


def _solve(m: Any, a: Any, b: Any) -> Any:
    out = _array(m.inverse(_matrix(m, a)))
    return np.dot(out, b)


def _inv_t(x: Node) -> Node:
    return INV(x).T


def _times(c: Node, x: Node) -> Node:
    return einsum([[]], [c], "ij", dict(zip("ij", x.shape))) * x


def _solve_pullback(c: Node, y: Node, a: Node, b: Node) -> tuple[Node | None, ...]:
    b_bar = SOLVE(a.T, c)
    a_bar = einsum(["i", "j"], [b_bar, y], "ij") if b.rank == 1 else b_bar @ y.T
    return -a_bar, b_bar


LINALG: tuple[ArrayFunction, ...] = (
    ArrayFunction(
        "inv", ("A",), _square, lambda c, y, a: (-(y.T @ c @ y.T),),
        value=lambda m, a: _array(m.inverse(_matrix(m, a))), numpy="np.linalg.inv(A)", domain="A is invertible",
        sympy="Inverse", latex="{0}^{{-1}}", level="power", symbol="V", source=f"{GILES}, section 2.2.3",
        transposes=True, by_inverse=lambda inverse: inverse,
        statement="dY = -Y dA Y", example=SQUARE,
    ),
    ArrayFunction(
        "det", ("A",), _number, lambda c, y, a: (_times(c * y, _inv_t(a)),), value=_det, numpy="np.linalg.det(A)",
        domain="A is invertible", sympy="Determinant", latex=r"\det", symbol="d", source=f"{GILES}, section 2.2.4",
        statement="d det A = det(A) tr(inv(A) dA)", example=SQUARE,
    ),
    ArrayFunction(
        "logdet", ("A",), _number, lambda c, y, a: (_times(c, _inv_t(a)),),
        value=lambda m, a: np.asarray(m.log(abs(_det(m, a).item())), dtype=object),
        numpy="np.linalg.slogdet(A)[1]", domain="A is invertible", latex=r"\log\det", symbol="l", analytic=False,
        source=f"{GILES}, section 2.2.4", statement="d log|det A| = tr(inv(A) dA)", example=SQUARE,
    ),
    ArrayFunction(
        "solve", ("A", "b"), _solved, _solve_pullback, value=_solve, numpy="np.linalg.solve(A, b)",
        domain="A is invertible", latex="{0}^{{-1}} {1}", level="chain", symbol="x", source=f"{GILES}, section 2.3.1",
        by_inverse=lambda inverse, b: inverse @ b,
        statement="A dY = dB - dA Y", example=((("n", "n"), ("n", "k")), {}),
    ),
)
INV: ArrayFunction = LINALG[0]
SOLVE: ArrayFunction = LINALG[3]
