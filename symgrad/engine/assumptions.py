"""Assumptions: facts about values that their author states, as plain data, and what is read from them directly.

They are used after differentiating, about values: a derivative is never taken along the set where they hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from symgrad.graph.node import Node, topological, transpose, variables

Part: TypeAlias = "tuple[str, Node, tuple[Node, ...]]"  # (comparison or 'in', left side, right side or members)


@dataclass(frozen=True)
class Assumption:
    """A fact about values as its author wrote it: `left op right`, or left in a set of numbers; chains give several."""

    text: str
    parts: tuple[Part, ...]

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Every side of every part."""
        return tuple(n for _, left, right in self.parts for n in (left, *right))

    @property
    def variables(self) -> list[Node]:
        """The variables it speaks of."""
        return variables(self.nodes)

    def __str__(self) -> str:
        return self.text


class Assuming(Protocol):
    """What holds assumptions: a network, a record."""

    @property
    def assumptions(self) -> Sequence[Assumption]: ...


def symmetric(holder: Assuming) -> frozenset[Node]:
    """Return the variables that are assumed to equal their transpose.

    >>> from symgrad.graph.node import var
    >>> from symgrad.engine.derivation import Record
    >>> A = var("A", ("n", "n"))
    >>> fact = Assumption("A == A.T", (("eq", A, (A.T,)),))
    >>> symmetric(Record(A, (), {}, frozenset(), {}, (), {}, {}, assumptions=(fact,))) == {A}
    True
    """
    return frozenset(symmetric_by(holder.assumptions))


def symmetric_by(assumptions: Iterable[Assumption]) -> dict[Node, Assumption]:
    """Return variable -> the assumption that it equals its transpose."""
    found: dict[Node, Assumption] = {}
    for assumption in assumptions:
        for op, left, right in assumption.parts:
            for a, b in ((left, right[0]), (right[0], left)):
                if op == "eq" and a.op == "var" and a.rank == 2 and a.shape[0] == a.shape[1] and b is transpose(a):
                    found.setdefault(a, assumption)
    return found


def concerning(assumptions: Sequence[Assumption], nodes: Iterable[Node]) -> list[Assumption]:
    """Return the assumptions that speak of a variable below the nodes, or of one that another such speaks of."""
    known = {n for n in topological(nodes) if n.op == "var"}
    left, found = list(assumptions), dict.fromkeys(assumptions, False)
    while True:
        near = [a for a in left if known.intersection(a.variables)]
        if not near:
            return [a for a in assumptions if found[a]]
        for a in near:
            found[a] = True
            known.update(a.variables)
            left.remove(a)
