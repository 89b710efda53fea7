"""Functions of a square matrix in the sense of their power series: exp, sin and cos, one row a function.

The derivative along E is the corner of the function of the matrix [[A, E], [0, A]] of twice the size, for any such
function; so is the pullback, with the transpose of A and the cotangent.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from symgrad.graph.node import Node, apply, const, matmul, reduce_sum
from symgrad.rules.linalg import SOLVE, each, eye_like, square, turned
from symgrad.rules.row import ArrayFunction, Example

SQUARE: Example = ((("n", "n"),), {})
HIGHAM = "Higham (2008), eq. 3.16"
WHOLE = (None, None, None)
REACH = 5.371920351148152  # up to this norm the quotient below is exact in double precision
PADE = tuple(Fraction(b, 64764752532480000) for b in (
    64764752532480000, 32382376266240000, 7771770303897600, 1187353796428800, 129060195264000, 10559470521600,
    670442572800, 33522128640, 1323241920, 40840800, 960960, 16380, 182, 1))


def matrix_functions(index: ArrayFunction, concatenate: ArrayFunction,
                     largest: ArrayFunction) -> tuple[ArrayFunction, ...]:
    """Return the rows, made with those that cut and join arrays."""
    made: dict[str, ArrayFunction] = {}

    def blocks(a: Node, b: Node, c: Node, d: Node) -> Node:
        return concatenate(concatenate(a, b, axis=a.rank - 1), concatenate(c, d, axis=a.rank - 1), axis=a.rank - 2)

    def corner(x: Node, n: Any, row: int, column: int) -> Node:
        lead = (WHOLE,) * (x.rank - 2)
        return index(x, subscript=(*lead, (row * n, row * n + n, 1), (column * n, column * n + n, 1)))

    def pullback(name: str) -> Callable[..., tuple[Node | None, ...]]:
        def pulled(c: Node, _y: Node, a: Node, *rest: Node) -> tuple[Node | None, ...]:
            at = turned(a)
            wide = blocks(at, c, const(0, a.shape), at)
            return corner(made[name](wide, *rest), a.shape[-1], 0, 1), *(None for _ in rest)

        return pulled

    def wave(row: int) -> Callable[..., Node]:
        def definition(a: Node) -> Node:
            zero = const(0, a.shape)
            return corner(made["expm"](blocks(zero, -a, a, zero)), a.shape[-1], row, 0)

        return definition

    def exponential(a: Node) -> Node:
        """Scaling by a power of 2, a quotient of polynomials, as many squarings."""
        norm = largest(reduce_sum(apply("abs", a), a.rank - 2))
        halvings = apply("ceil", apply("log2", apply("maximum", norm, REACH) / REACH))
        x = a / apply("pow", 2, halvings)
        x2 = matmul(x, x)
        x4 = matmul(x2, x2)
        x6 = matmul(x4, x2)
        eye = eye_like(x)

        def four(k: int) -> Node:
            high = matmul(x6, PADE[k + 12] * x6 + PADE[k + 10] * x4 + PADE[k + 8] * x2)
            return high + PADE[k + 6] * x6 + PADE[k + 4] * x4 + PADE[k + 2] * x2 + PADE[k] * eye

        odd, even = matmul(x, four(1)), four(0)
        return made["square_repeatedly"](SOLVE(even - odd, even + odd), halvings)

    def squares(m: Any, a: Any, k: Any) -> Any:
        times = int(k.item())

        def value(_m: Any, x: Any) -> Any:
            for _ in range(times):
                x = x * x
            return x

        return each(value)(m, a)

    rows = (
        ArrayFunction(
            "expm", ("A",), square, pullback("expm"), value=each(lambda m, a: m.expm(a)), machine=exponential,
            latex=r"\operatorname{expm}", symbol="E", analytic=False, source=HIGHAM,
            statement="the derivative is the corner of exp of a matrix of twice the size", example=SQUARE),
        ArrayFunction(
            "sinm", ("A",), square, pullback("sinm"), definition=wave(1), value=each(lambda m, a: m.sinm(a)),
            latex=r"\operatorname{sinm}", symbol="S", analytic=False, source=HIGHAM,
            statement="the derivative is the corner of sin of a matrix of twice the size", example=SQUARE),
        ArrayFunction(
            "cosm", ("A",), square, pullback("cosm"), definition=wave(0), value=each(lambda m, a: m.cosm(a)),
            latex=r"\operatorname{cosm}", symbol="C", analytic=False, source=HIGHAM,
            statement="the derivative is the corner of cos of a matrix of twice the size", example=SQUARE),
        ArrayFunction(
            "square_repeatedly", ("A", "k"), lambda a, k: square(a), pullback("square_repeatedly"), value=squares,
            numpy="np.linalg.matrix_power(A, np.exp2(k).astype(np.intp).item())", view=True,  # A itself where k is 0
            indices=lambda a, k: {1: 4},
            domain="k is a whole number, at least 0", latex="{0}^{{2^{1}}}", level="power", symbol="P",
            source="Higham (2008), section 3.2", statement="A squared k times",
            example=((("n", "n"), ()), {})),
    )
    made.update((row.name, row) for row in rows)
    return rows
