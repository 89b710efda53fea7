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
    """How `whole(A) @ b = applied(A, b)` is computed; costs count n**3 for A of n rows and n**2 a column of b."""

    whole: ArrayFunction
    applied: ArrayFunction
    factor_cost: float
    column_cost: float
    source: str


FACTORISATIONS: tuple[Factorisation, ...] = (
    Factorisation(INV, SOLVE, 2 / 3, 2.0, "Golub and Van Loan (2013), section 3.4; Higham (2002), section 14.1"),
)
