"""Index notation as plain data: one entry of an array as an expression in entries of its operands.

A row of an array function says its entry with these terms; printers choose the signs. Indices count from 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from symgrad.graph.node import Node
from symgrad.shapes import Dim


class Letter:
    """An index that runs from 0 to size - 1; two letters are one only where they are the same object."""

    def __init__(self, size: Dim) -> None:
        self.size = size


@dataclass(frozen=True)
class Index:
    """plus + the sum of multiples of letters and of looked-up entries (the place `idx[i]` of a table)."""

    terms: tuple[tuple[Letter | At, int], ...] = ()
    plus: Dim = 0

    @property
    def letter(self) -> Letter | None:
        """The letter, where the index is one and nothing else."""
        if len(self.terms) == 1 and self.plus == 0:
            what, times = self.terms[0]
            return what if isinstance(what, Letter) and times == 1 else None
        return None

    def moved(self, by: Dim, times: int = 1) -> Index:
        """Return by + times * index."""
        return Index(tuple((what, times * k) for what, k in self.terms), by + times * self.plus)

    def put(self, values: Mapping[Letter, Index]) -> Index:
        """Return the index with letters replaced."""
        out = Index((), self.plus)
        for what, k in self.terms:
            if isinstance(what, At):
                new = Index(((what.put(values), 1),))
            else:
                new = values.get(what, Index(((what, 1),)))
            out = Index((*out.terms, *((w, k * m) for w, m in new.terms)), out.plus + k * new.plus)
        return out

    def letters(self) -> Iterator[Letter]:
        """Every letter, those of looked-up entries included."""
        for what, _ in self.terms:
            if isinstance(what, Letter):
                yield what
            else:
                for index in what.index:
                    yield from index.letters()


def at(what: Letter | At) -> Index:
    """Return a letter or a looked-up entry as an index."""
    return Index(((what, 1),))


FIRST = Index()


@dataclass(frozen=True)
class At:
    """The entry of an array at a place."""

    node: Node
    index: tuple[Index, ...]

    def put(self, values: Mapping[Letter, Index]) -> At:
        return At(self.node, tuple(i.put(values) for i in self.index))


@dataclass(frozen=True)
class Delta:
    """1 where two indices agree, else 0."""

    left: Index
    right: Index

    def put(self, values: Mapping[Letter, Index]) -> Delta:
        return Delta(self.left.put(values), self.right.put(values))


@dataclass(frozen=True)
class Order:
    """A chain of comparisons: items[0] relations[0] items[1] ...; a relation is '<', '<=' or '>='."""

    items: tuple[Index, ...]
    relations: tuple[str, ...]

    def put(self, values: Mapping[Letter, Index]) -> Order:
        return Order(tuple(i.put(values) for i in self.items), self.relations)


@dataclass(frozen=True)
class Holds:
    """1 where every comparison holds, else 0; what stands beside it counts only there."""

    orders: tuple[Order, ...]

    def put(self, values: Mapping[Letter, Index]) -> Holds:
        return Holds(tuple(o.put(values) for o in self.orders))


@dataclass(frozen=True)
class Sum:
    """The sum of products over letters, of those that keep the order."""

    letters: tuple[Letter, ...]
    factors: tuple[Factor, ...]
    where: tuple[Order, ...] = ()


@dataclass(frozen=True)
class Along:
    """The function of the node applied along letters of the body; for a function that keeps them, its entry at `at`."""

    letters: tuple[Letter, ...]
    body: At
    at: tuple[Index, ...] = ()


Factor: TypeAlias = "At | Delta | Holds"
Term: TypeAlias = "At | Sum | Along"


def product(*factors: Factor) -> Sum:
    """Return a product of entries."""
    return Sum((), factors)


def places(letters: Sequence[Letter]) -> tuple[Index, ...]:
    """Return letters as indices."""
    return tuple(map(at, letters))
