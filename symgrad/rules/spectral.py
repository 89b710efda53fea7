"""Eigenvalues of symmetric matrices and singular values, one row a part: values in one row, vectors in another.

The parts of one decomposition name the same `factor`, which a kernel computes once. Vectors are made unique by the sign
of the last entry of each, which is not negative; of the singular vectors that is the left one. As with cholesky, the
functions of a symmetric matrix are functions of the symmetric part of what they are given.
"""

from __future__ import annotations

from typing import Any

from symgrad.graph.node import Node, einsum, matmul
from symgrad.rules.linalg import (
    SYMMETRIC,
    as_array,
    each,
    eye_like,
    matrix,
    scaled_columns,
    square,
    symmetric_of,
    symmetric_part,
    turned,
)
from symgrad.rules.row import ArrayFunction
from symgrad.shapes import Dim, Shape, smaller

EIGH = f"np.linalg.eigh({SYMMETRIC})"
SVD = "np.linalg.svd(A, full_matrices=False)"
SIGNS = "np.sign(np.sign({}[..., -1:, :]) + 0.5)"
DISTINCT = "the {} are distinct"


def _count(a: Shape) -> Dim:
    return smaller(*matrix(a)[-2:])


def _beside(x: Node, place: int) -> Node:
    """Return each vector repeated, x_j for place 1 and x_i for place 0 in the entry i, j."""
    lead = [*range(x.rank - 1)]
    return einsum([[*lead, "ij"[place]]], [x], [*lead, "i", "j"], dict.fromkeys("ij", x.shape[-1]))


def _gaps(w: Node, eye: Node) -> Node:
    """Return 1/(w_j - w_i) off the diagonal, 0 on it."""
    return (1 - eye) / (_beside(w, 1) - _beside(w, 0) + eye)


def _scaled_rows(x: Node, d: Node) -> Node:
    return turned(scaled_columns(turned(x), d))


def _eigvalsh_pullback(c: Node, _y: Node, a: Node) -> tuple[Node | None, ...]:
    v = EIGVECSH(a)
    return (matmul(scaled_columns(v, c), turned(v)),)


def _eigvecsh_pullback(c: Node, y: Node, a: Node) -> tuple[Node | None, ...]:
    inner = _gaps(EIGVALSH(a), eye_like(a)) * matmul(turned(y), c)
    return (symmetric_part(matmul(matmul(y, inner), turned(y))),)


def _svdvals_pullback(c: Node, _y: Node, a: Node) -> tuple[Node | None, ...]:
    return (matmul(scaled_columns(SVD_U(a), c), SVD_VT(a)),)


def _svd_u_pullback(c: Node, y: Node, a: Node) -> tuple[Node | None, ...]:
    s, vt = SVDVALS(a), SVD_VT(a)
    own = matmul(turned(y), c)
    inside = matmul(y, scaled_columns(_gaps(s**2, eye_like(own)) * (own - turned(own)), s))
    outside = scaled_columns(c - matmul(y, own), 1 / s)
    return (matmul(inside + outside, vt),)


def _svd_vt_pullback(c: Node, y: Node, a: Node) -> tuple[Node | None, ...]:
    s, u = SVDVALS(a), SVD_U(a)
    own = matmul(y, turned(c))
    inside = matmul(_scaled_rows(_gaps(s**2, eye_like(own)) * (own - turned(own)), s), y)
    outside = _scaled_rows(c - matmul(turned(own), y), 1 / s)
    return (matmul(u, inside + outside),)


def _signed(m: Any, columns: Any) -> Any:
    """Return 1 or -1 a column, so that its last entry times that is not negative."""
    return [-m.one if columns[columns.rows - 1, k] < 0 else m.one for k in range(columns.cols)]


def _eigenvalues(m: Any, a: Any) -> Any:
    return as_array(m.eigsy(symmetric_of(a))[0])[:, 0]


def _eigenvectors(m: Any, a: Any) -> Any:
    q = m.eigsy(symmetric_of(a))[1]
    return as_array(q * m.diag(_signed(m, q)))


def _singular(part: int) -> Any:
    def value(m: Any, a: Any) -> Any:
        u, s, vt = m.svd_r(a)
        signs = m.diag(_signed(m, u))
        return as_array((u * signs, s, signs * vt)[part]) if part != 1 else as_array(s)[:, 0]

    return each(value)


SPECTRAL: tuple[ArrayFunction, ...] = (
    ArrayFunction(
        "eigvalsh", ("A",), lambda a: square(a)[:-1], _eigvalsh_pullback, value=each(_eigenvalues),
        numpy="factor[0]", factor=EIGH, alone=f"np.linalg.eigvalsh({SYMMETRIC})", domain="A is symmetric",
        kink="where two eigenvalues are equal, unless the result is symmetric in them", latex=r"\lambda", symbol="w",
        analytic=False, source="Giles (2008), section 3.1", statement="dy = diag(V.T dA V), V being the eigenvectors",
        example=((("n", "n"),), {}),
    ),
    ArrayFunction(
        "eigvecsh", ("A",), square, _eigvecsh_pullback, value=each(_eigenvectors),
        numpy=f"factor[1] * {SIGNS.format('factor[1]')}", factor=EIGH, domain=DISTINCT.format("eigenvalues"),
        kink="where two eigenvalues are equal", latex=r"\operatorname{eigvec}", symbol="V", analytic=False,
        source="Giles (2008), section 3.1", statement="dY = Y (F * (Y.T dA Y)), F_ij = 1/(w_j - w_i) off the diagonal",
        example=((("n", "n"),), {}),
    ),
    ArrayFunction(
        "svdvals", ("A",), lambda a: (*a[:-2], _count(a)), _svdvals_pullback, value=_singular(1),
        numpy="factor[1]", factor=SVD, alone="np.linalg.svd(A, compute_uv=False)", domain="A has full rank",
        kink="where two singular values are equal, unless the result is symmetric in them",
        latex=r"\operatorname{svd}_\sigma", symbol="s",
        analytic=False, source="Giles (2008), section 3.2", statement="dy = diag(U.T dA V)",
        example=((("n", "d"),), {}),
    ),
    ArrayFunction(
        "svd_u", ("A",), lambda a: (*a[:-1], _count(a)), _svd_u_pullback, value=_singular(0),
        numpy=f"factor[0] * {SIGNS.format('factor[0]')}", factor=SVD, domain=DISTINCT.format("singular values"),
        kink="where two singular values are equal or one is 0", latex=r"\operatorname{svd}_U", symbol="U",
        analytic=False, source="Townsend (2016), eqs. 18 and 32",
        statement="dY = Y (F * (Y.T dA V S + S V.T dA.T Y)) + (I - Y Y.T) dA V inv(S)", example=((("n", "d"),), {}),
    ),
    ArrayFunction(
        "svd_vt", ("A",), lambda a: (*a[:-2], _count(a), a[-1]), _svd_vt_pullback, value=_singular(2),
        numpy=f"factor[2] * np.swapaxes({SIGNS.format('factor[0]')}, -1, -2)", factor=SVD,
        domain=DISTINCT.format("singular values"), kink="where two singular values are equal or one is 0",
        latex=r"\operatorname{svd}_{V^\top}", symbol="R", analytic=False, source="Townsend (2016), eqs. 18 and 32",
        statement="the same for A.T, transposed", example=((("n", "d"),), {}),
    ),
)
EIGVALSH, EIGVECSH, SVDVALS, SVD_U, SVD_VT = SPECTRAL
