"""Linear algebra, one row a function, as in Giles (2008): pullbacks in the output, so a factorisation is shared.

Every function takes one matrix or, along leading axes, a batch of them. cholesky is a function of the symmetric part of
its operand, so that its derivative by each entry is the symmetric one. Where a matrix is exactly singular the inverse,
the solution and the factor do not exist, which is an error at run time; log|det A| is then -inf, as log(0) is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symgrad.errors import ShapeError
from symgrad.graph.node import Node, einsum, make, matmul, transpose
from symgrad.rules.row import ArrayFunction, Example, Option
from symgrad.shapes import Shape, broadcast, show, size_of

GILES = "Giles (2008)"
SQUARE: Example = ((("n", "n"),), {})
SYMMETRIC = "(A + np.swapaxes(A, -1, -2)) / 2"

# --- shapes -----------------------------------------------------------------------------------------------------------


def square(a: Shape) -> Shape:
    """Return the shape of a square matrix or of a batch of them."""
    if len(a) < 2 or a[-2] != a[-1]:
        hint = "; of a rectangular matrix pinv is the inverse, and A.T @ A is square" if len(a) >= 2 else ""
        raise ShapeError(f"a square matrix is expected, its last two sizes equal, got {show(a)}{hint}")
    return a


def number(a: Shape) -> Shape:
    """Return the shape of one number a matrix."""
    return square(a)[:-2]


def matrix(a: Shape) -> Shape:
    """Return the shape of a matrix or of a batch of them."""
    if len(a) < 2:
        raise ShapeError(f"a matrix is expected, got {show(a)}; x[:, None] makes a column of a vector")
    return a


def _solved(a: Shape, b: Shape) -> Shape:
    if not b or square(a)[-1] != b[max(len(b) - 2, 0)]:
        raise ShapeError(f"the matrix and the right-hand side differ in their number of rows: {show(a)} and {show(b)}. "
                         f"A vector b is one right-hand side, the columns of a matrix b are several")
    if len(b) == 1:
        return a[:-1]
    return (*broadcast(a[:-2], b[:-2], names=["A", "b"], op="solve"), *b[-2:])


# --- graphs -----------------------------------------------------------------------------------------------------------


def turned(x: Node) -> Node:
    """Return the transpose of each matrix; of a transpose what was transposed."""
    order = (*range(x.rank - 2), x.rank - 1, x.rank - 2)
    inner = x.args[0] if x.op == "einsum" and len(x.args) == 1 and x.args[0].rank == x.rank else None
    return inner if inner is not None and transpose(inner, order) is x else transpose(x, order)


def times(c: Node, x: Node) -> Node:
    """Return each matrix times its number."""
    lead = [*range(c.rank)]
    return einsum([lead], [c], [*lead, "i", "j"], dict(zip("ij", x.shape[-2:]))) * x


def eye_like(x: Node) -> Node:
    """Return the identity of the size of the last axis, in every place of the leading axes."""
    lead = [*range(x.rank - 2)]
    return einsum([], [], [*lead, "i", "i"], {"i": x.shape[-1], **dict(zip(lead, x.shape))})


def scaled_columns(x: Node, d: Node) -> Node:
    """Return x diag(d), each matrix with its vector."""
    lead = [*range(x.rank - 2)]
    return einsum([[*lead, "i", "j"], [*lead, "j"]], [x, d], [*lead, "i", "j"])


def symmetric_part(x: Node) -> Node:
    """Return (x + x^T) / 2."""
    return (x + turned(x)) / 2


def _fitted(c: Node, shape: Shape) -> Node:
    """Return c summed over the leading axes along which an operand of this shape was repeated."""
    if c.shape == shape:
        return c
    extra = c.rank - len(shape)
    out = [k if c.shape[k] == d else ("one", k) for k, d in enumerate(shape, extra)]
    return einsum([range(c.rank)], [c], out, {("one", k): 1 for k in range(c.rank)})


def _column(x: Node) -> Node:
    return einsum([range(x.rank)], [x], [*range(x.rank), "one"], {"one": 1})


def _solve_pullback(c: Node, y: Node, a: Node, b: Node) -> tuple[Node | None, ...]:
    if a.rank == 2 and b.rank == 1:
        b_bar = SOLVE(a.T, c)
        return -einsum(["i", "j"], [b_bar, y], "ij"), b_bar
    if b.rank > 1:
        b_bar = SOLVE(turned(a), c)
        return _fitted(-matmul(b_bar, turned(y)), a.shape), _fitted(b_bar, b.shape)
    columns = SOLVE(turned(a), _column(c))  # one vector for a batch of matrices
    b_bar = einsum([range(columns.rank)], [columns], range(columns.rank - 1))
    return -matmul(columns, turned(_column(y))), _fitted(b_bar, b.shape)


def _solve_batch(lead: Shape, many: Any, a: Node, b: Node) -> Node | None:
    """Many right-hand sides of one matrix are the columns of one right-hand side: a single factorisation."""
    if many[0] is not None or a.rank != 2:
        return None
    k, rank = len(lead), len(lead) + b.rank
    first = einsum([range(rank)], [many[1]], (k, *range(k), *range(k + 1, rank)))
    found = SOLVE(a, _reshaped(first, (b.shape[0], size_of((*lead, *b.shape[1:])))))
    return einsum([(k, *range(k), *range(k + 1, rank))], [_reshaped(found, first.shape)], range(rank))


def _reshaped(x: Node, shape: Shape) -> Node:
    return make("array", (x,), ("reshape", ("", shape)), shape)


def lower_half(x: Node) -> Node:
    """Return the lower triangle with half the diagonal."""
    return TRIL(x) - x * eye_like(x) / 2


def _cholesky_pullback(c: Node, y: Node, _a: Node) -> tuple[Node | None, ...]:
    upper = turned(y)
    half = SOLVE(upper, lower_half(matmul(upper, c)))
    return (symmetric_part(SOLVE(upper, turned(half))),)


def _pinv_pullback(c: Node, y: Node, a: Node) -> tuple[Node | None, ...]:
    p, ct = turned(y), turned(c)
    rows = eye_like(y) - matmul(a, y)  # 0 where the rows of a are independent
    columns = eye_like(a) - matmul(y, a)  # 0 where its columns are
    return (matmul(rows, matmul(ct, matmul(y, p))) + matmul(matmul(p, matmul(y, ct)), columns)
            - matmul(p, matmul(c, p)),)


# --- values in many digits --------------------------------------------------------------------------------------------


def each(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the value of a function of one matrix, taken along the leading axes."""
    def value(m: Any, a: Any, **options: Any) -> Any:
        lead = a.shape[:-2]
        made = {k: function(m, m.matrix(a[k].tolist()), **options) for k in np.ndindex(lead)}
        first = as_array(next(iter(made.values())))
        out = np.empty((*lead, *first.shape), dtype=object)
        for k, v in made.items():
            out[k] = as_array(v) if first.shape else v
        return out

    return value


def as_array(a: Any) -> Any:
    """Return an mpmath matrix, a list or a number as an object array."""
    if not hasattr(a, "rows"):
        return np.asarray(a, dtype=object)
    out = np.empty((a.rows, a.cols), dtype=object)
    for k in np.ndindex(out.shape):
        out[k] = a[k]
    return out


def symmetric_of(a: Any) -> Any:
    """Return the symmetric part of an mpmath matrix."""
    return (a + a.T) / 2


def _solve(m: Any, a: Any, b: Any) -> Any:
    inverse = each(lambda m, a: m.inverse(a))(m, a)
    if b.ndim == 1:
        return np.sum(inverse * b, axis=-1)
    return np.sum(inverse[..., :, :, None] * b[..., None, :, :], axis=-2)


def _pinv(m: Any, a: Any) -> Any:
    tall = a.rows >= a.cols
    return m.inverse(a.T * a) * a.T if tall else a.T * m.inverse(a * a.T)


def _sign(m: Any, a: Any) -> Any:
    return m.sign(m.det(a))


LINALG: tuple[ArrayFunction, ...] = (
    ArrayFunction(
        "inv", ("A",), square, lambda c, y, a: (-matmul(matmul(turned(y), c), turned(y)),),
        value=each(lambda m, a: m.inverse(a)), numpy="np.linalg.inv(A)", domain="A is invertible",
        sympy="Inverse", latex="{0}^{{-1}}", level="power", symbol="V", source=f"{GILES}, section 2.2.3",
        statement="dY = -Y dA Y", example=SQUARE, transposes=True, by_inverse=lambda inverse: inverse,
    ),
    ArrayFunction(
        "det", ("A",), number, lambda c, y, a: (times(c * y, turned(INV(a))),), value=each(lambda m, a: m.det(a)),
        numpy="np.linalg.det(A)", domain="A is invertible", sympy="Determinant", latex=r"\det", symbol="d",
        source=f"{GILES}, section 2.2.4", statement="d det A = det(A) tr(inv(A) dA)", example=SQUARE,
    ),
    ArrayFunction(
        "logdet", ("A",), number, lambda c, y, a: (times(c, turned(INV(a))),),
        value=each(lambda m, a: m.log(abs(m.det(a)))), numpy="np.linalg.slogdet(A)[1]",
        domain="A is invertible", latex=r"\log\det", symbol="l", analytic=False, aliases=("logabsdet",),
        source=f"{GILES}, section 2.2.4", statement="d log|det A| = tr(inv(A) dA)", example=SQUARE,
    ),
    ArrayFunction(
        "solve", ("A", "b"), _solved, _solve_pullback, value=_solve, numpy="np.linalg.solve(A, b)",
        domain="A is invertible", latex="{0}^{{-1}} {1}", level="chain", symbol="x", source=f"{GILES}, section 2.3.1",
        by_inverse=lambda inverse, b: inverse @ b, batch=_solve_batch,
        statement="A dY = dB - dA Y", example=((("n", "n"), ("n", "k")), {}),
    ),
    ArrayFunction(
        "signdet", ("A",), number, lambda c, y, a: (None,), value=each(_sign), numpy="np.linalg.slogdet(A)[0]",
        domain="A is invertible", kink="where det A is 0", latex=r"\operatorname{sgn}\det", symbol="s", analytic=False,
        source="constant between the zeros of det A", statement="the sign of det A is constant off its zeros",
        example=SQUARE,
    ),
    ArrayFunction(
        "cholesky", ("A",), square, _cholesky_pullback, value=each(lambda m, a: m.cholesky(symmetric_of(a))),
        numpy=f"np.linalg.cholesky({SYMMETRIC})", domain="the symmetric part of A is positive definite",
        inside=lambda a: np.matmul(a, np.swapaxes(a, -1, -2)) + np.eye(a.shape[-1], dtype=int),
        latex=r"\operatorname{chol}", symbol="L", analytic=False, source="Murray (2016), section 3",
        statement="dY = Y H(inv(Y) dA inv(Y).T), H being the lower triangle with half the diagonal", example=SQUARE,
    ),
    ArrayFunction(
        "pinv", ("A",), lambda a: (*matrix(a)[:-2], a[-1], a[-2]), _pinv_pullback, value=each(_pinv),
        numpy="np.linalg.pinv(A)", domain="A has full rank", latex="{0}^{{+}}", level="power", symbol="V",
        analytic=False, transposes=True, source="Golub and Pereyra (1973), eq. 4.12",
        statement="dY = -Y dA Y + Y Y.T dA.T (I - A Y) + (I - Y A) dA.T Y.T Y", example=((("n", "d"),), {}),
    ),
    ArrayFunction(
        "tril", ("A",), lambda a, k: matrix(a), lambda c, y, a, k: (TRIL(c, k=k),), (Option("k", "Place", 0, "k"),),
        value=lambda m, a, k: _masked(a, k, True), numpy="np.tril(A, k)", linear=True, latex=r"\operatorname{tril}",
        symbol="L", source="linearity", statement="an entry above the diagonal counts 0", example=((("n", "d"),), {}),
    ),
    ArrayFunction(
        "triu", ("A",), lambda a, k: matrix(a), lambda c, y, a, k: (TRIU(c, k=k),), (Option("k", "Place", 0, "k"),),
        value=lambda m, a, k: _masked(a, k, False), numpy="np.triu(A, k)", linear=True, latex=r"\operatorname{triu}",
        symbol="U", source="linearity", statement="an entry below the diagonal counts 0",
        example=((("n", "d"),), {"k": 1}),
    ),
)
INV: ArrayFunction = LINALG[0]
SOLVE: ArrayFunction = LINALG[3]
TRIL: ArrayFunction = LINALG[7]
TRIU: ArrayFunction = LINALG[8]


def _masked(a: Any, k: int, lower: bool) -> Any:
    i, j = np.indices(a.shape[-2:])
    return np.where(j - i <= k if lower else j - i >= k, a, 0 * a)
