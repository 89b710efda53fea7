"""Proofs of the derivative rules: the definition is derived with the rules below it and must give the row's formula.

Functions without a definition in simpler ones (exp, log, sin, ...) are axioms; each is held against central differences
of itself in long arithmetic.
"""

from __future__ import annotations

import random
from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from symgrad.engine.derivation import Record
from symgrad.engine.derive import derive
from symgrad.engine.evaluate import evaluate, random_env
from symgrad.engine.rows import find
from symgrad.engine.simplify import Simplifier
from symgrad.errors import NoRule, suggest
from symgrad.graph.node import NAMED, Node, replace, topological
from symgrad.graph.text import to_text
from symgrad.rules.elementwise import ARITHMETIC, BY_NAME
from symgrad.rules.row import REAL, Function

_ARITHMETIC = frozenset(f.name for f in ARITHMETIC)
_DIGITS = 50


@dataclass(frozen=True)
class Proof:
    """How a derivative rule was established: derived from the definition, or as an axiom by the primal alone."""

    row: Function
    records: tuple[Record, ...]  # one an argument; empty for an axiom
    stated: tuple[Node | None, ...]  # the row's derivatives
    ok: bool
    how: tuple[str, ...]  # one an argument

    @property
    def is_axiom(self) -> bool:
        return not self.records

    def __str__(self) -> str:
        head = (
            f"{self.row.rule}: {'axiom' if self.is_axiom else 'from the definition'}, {'holds' if self.ok else 'FAILS'}"
        )
        y = {self.row(*self.row.placeholders): "y"}
        facts = [
            f"  dy/d{p} = {to_text(d, y) if d is not None else '0'}   ({how})"
            for p, d, how in zip(self.row.params, self.stated, self.how)
        ]
        return "\n".join([head, *facts])


def expand_definitions(roots: Sequence[Node], names: Container[str] | None = None) -> list[Node]:
    """Return the roots with every function, or each in `names`, written in its definition, as far as that goes."""

    def meant(n: Node) -> bool:
        row = find(n)
        name = n.attr[0] if n.op == NAMED else n.op
        return row is not None and row.definition is not None and (
            name not in _ARITHMETIC if names is None else name in names)

    current = list(roots)
    while True:

        def rebuild(n: Node, args: tuple[Node, ...]) -> Node:
            row = find(n)
            assert row is not None  # it is among the targets
            assert row.definition is not None
            return row.definition(*args)

        targets = [n for n in topological(current) if meant(n)]
        if not targets:
            return current
        mapping: dict[Node, Node] = {}
        for n in topological(current):  # inputs come first, so arguments are expanded already
            args = tuple(mapping.get(a, a) for a in n.args)
            if n in targets:
                mapping[n] = rebuild(n, args)
            elif args != n.args:
                mapping[n] = replace([n], dict(zip(n.args, args)))[0]
        current = [mapping.get(r, r) for r in current]


def prove(name: str, row: Function | None = None) -> Proof:
    """Prove the derivative rule of a function.

    Formula: d definition / dx = derivative(y, x). Raises: NoRule for an unknown function.
    """
    if row is None:
        if name not in BY_NAME:
            raise NoRule(f"there is no rule for {name!r}.{suggest(name, BY_NAME)}")
        row = BY_NAME[name]
    xs = row.placeholders
    y = row(*xs)
    stated = tuple(row.derivative(y, *xs))
    if row.definition is None:
        oks = [_holds_numerically(row, k) for k in range(len(xs))]
        return Proof(row, (), stated, all(oks), (f"axiom, central differences to {_DIGITS} digits",) * len(xs))
    definition = row.definition(*xs)
    records = []
    how = []
    ok = True
    for k, x in enumerate(xs):
        record = derive(definition, [x], loss_name="y")
        records.append(record)
        d = stated[k]
        claimed = d if d is not None else definition * 0
        difference = record.results[x] - claimed
        short = Simplifier({}, topological([definition, y])).shorten(difference).node
        if short.op == "const" and short.value == 0:
            how.append("exact, by cancellation")
        elif _agree(row, record.results[x], claimed):
            how.append(f"{_DIGITS} digits at random points of the domain")
        else:
            ok = False
            how.append("differs from what the definition gives")
        ok = ok and _holds_numerically(row, k)
    return Proof(row, tuple(records), stated, ok, tuple(how))


def _points(row: Function, roots: Sequence[Node], count: int = 3) -> list[dict[Node, Any]]:
    """Return random points; where every argument is real, their mirror images too, so that both sides of 0 are met."""
    rng = random.Random(len(row.name))  # noqa: S311  # test points, no secrets
    points = [dict(random_env([row(*row.placeholders), *roots], rng, {}, 2 * _DIGITS)) for _ in range(count)]
    if all(i == REAL for i in row.intervals()):
        points += [{n: -v for n, v in point.items()} for point in points]
    return points


def _agree(row: Function, a: Node, b: Node) -> bool:
    for env in _points(row, [a, b]):
        u, v = (r[()] for r in evaluate([a, b], env, digits=2 * _DIGITS))
        if abs(u - v) > (abs(u) + abs(v) + 1) * type(u)(10) ** -(_DIGITS - 8):
            return False
    return True


def _holds_numerically(row: Function, k: int) -> bool:
    """Compare the row's derivative with central differences of the function itself."""
    xs = row.placeholders
    y = row(*xs)
    d = row.derivative(y, *xs)[k]
    claimed = d if d is not None else y * 0
    for env in _points(row, [claimed]):
        at = np.asarray(env[xs[k]], dtype=object)[()]
        h = type(at)(10) ** -(_DIGITS // 2 + 2)
        ends = [evaluate([y], {**env, xs[k]: at + s * h}, digits=2 * _DIGITS)[0][()] for s in (1, -1)]
        slope = (ends[0] - ends[1]) / (2 * h)
        told = evaluate([claimed], env, digits=2 * _DIGITS)[0][()]
        if abs(slope - told) > (abs(slope) + abs(told) + 1) * type(at)(10) ** -(_DIGITS - 8):
            return False
    return True
