"""Matrices whose entries are not independent: how the entries move together, one row a structure.

Where the free entries E make up the matrix M(E), M being linear, the derivative by them is the transpose of M applied
to the derivative S by all entries. Each M below is its own transpose.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from symgrad.graph.node import Node, einsum
from symgrad.rules.linalg import TRIL, TRIU, eye_like, turned


@dataclass(frozen=True)
class Structure:
    """A structure of a square matrix.

    facts    X -> what an assumption `X == ...` says in each of its usual spellings
    moves    E -> the change of the matrix when its free entries change by E; self-adjoint
    reason   what a derivation says beside the step
    """

    name: str
    facts: Callable[[Node], tuple[Node, ...]]
    moves: Callable[[Node], Node]
    reason: str
    source: str

    @property
    def rule(self) -> str:
        """The name of the step."""
        return f"entries_of_{self.name}"


def _diagonal(x: Node) -> Node:
    return einsum(["ii"], [x], "ii")


STRUCTURES: tuple[Structure, ...] = (
    Structure("symmetric", lambda x: (x.T,), lambda e: e + turned(e) - e * eye_like(e),
              "the entries ij and ji are one variable, which collects both derivatives",
              "Petersen and Pedersen (2012), eq. 138"),
    Structure("skew_symmetric", lambda x: (-x.T,), lambda e: e - turned(e),
              "the entries ij and ji are one variable with two signs", "Petersen and Pedersen (2012), section 2.8"),
    Structure("diagonal", lambda x: (einsum(["i"], [einsum(["ii"], [x], "i")], "ii"), _diagonal(x), x * eye_like(x),
                                     eye_like(x) * x),
              lambda e: e * eye_like(e), "only the entries of the diagonal vary",
              "Petersen and Pedersen (2012), section 2.8.3"),
    Structure("lower_triangular", lambda x: (TRIL(x),), TRIL, "the entries above the diagonal are 0 and stay so",
              "Petersen and Pedersen (2012), section 2.8"),
    Structure("upper_triangular", lambda x: (TRIU(x),), TRIU, "the entries below the diagonal are 0 and stay so",
              "Petersen and Pedersen (2012), section 2.8"),
)
BY_RULE: dict[str, Structure] = {s.rule: s for s in STRUCTURES}
