"""Matrices that need not be formed, or are formed once: an inverse and the solution of a linear system.

A linear system takes one factorisation, an inverse takes one and a solution for each column of the identity. Solutions
for several right-hand sides share one factorisation where these stand beside each other.
"""

from __future__ import annotations

from dataclasses import dataclass

from symgrad.rules.linalg import INV, SOLVE
from symgrad.rules.row import ArrayFunction


@dataclass(frozen=True)
class Factorisation:
    """How `whole(A) @ b = applied(A, b)` is computed, and what it costs for A of n rows and b of k columns.

    factor      of n**3: the factorisation, of which both need one
    column      of n**2 k: a solution for each column of b; `whole` has n columns
    product     of n**2 k: the product with `whole`
    call        operations that fit into the time that one call takes at the least
    """

    whole: ArrayFunction
    applied: ArrayFunction
    factor: float
    column: float
    product: float
    call: float
    source: str


FACTORISATIONS: tuple[Factorisation, ...] = (
    # substitution runs at about half the speed of a product
    Factorisation(INV, SOLVE, 2 / 3, 4.0, 2.0, 25_000.0, "Golub and Van Loan (2013), section 3.4"),
)
