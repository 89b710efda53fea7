"""Proofs of the derivative rules: the definition is derived with the rules below it and must give the row's formula.

Functions without a definition in simpler ones (exp, log, sin, ...) are axioms. Each row is held against central
differences of the function itself in long arithmetic, at points over the whole domain, both sides of each kink, and on
the kinks against the policy: the definition's value, or the mean of the sides.
"""

from __future__ import annotations

import math
import random
from collections.abc import Container, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from symgrad.engine.derivation import Record
from symgrad.engine.derive import derive
from symgrad.engine.evaluate import evaluate
from symgrad.engine.rows import find
from symgrad.engine.simplify import Simplifier
from symgrad.errors import NoRule, suggest
from symgrad.graph.node import NAMED, Node, apply, replace, topological, var
from symgrad.graph.text import to_text
from symgrad.rules.elementwise import ARITHMETIC, BY_NAME
from symgrad.rules.row import Function, Interval

_ARITHMETIC = frozenset(f.name for f in ARITHMETIC)
_DIGITS = 50
_WORK = 2 * _DIGITS
_SIZES = (0.003, 0.1, 0.3, 0.8, 1.3, 2.2, 3.6, 4.7, 6.5, 9.0, 13.0, 20.0, 30.0)  # distances from the ends of a domain
_SHARES = (0.003, 0.05, 0.2, 0.4, 0.503, 0.6, 0.8, 0.95, 0.997)  # places in a bounded one
_ROUNDS = 4  # of two arguments and more: how often each of its places is taken, in another company each time
_HALVES = [k / 2 for k in range(-12, 13)]  # where points on kinks are looked for


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
    trial = _Trial(row)
    if not trial.count:
        return Proof(row, (), stated, False, ("not checked: no point of its domain has a value",) * len(xs))
    if row.definition is None:
        oks = [trial.slopes_hold(k) and trial.sides_hold(k) for k in range(len(xs))]
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
        elif trial.agree(record.results[x], claimed):
            how.append(f"{_DIGITS} digits at random points of the domain")
        else:
            ok = False
            how.append("differs from what the definition gives")
        ok = ok and trial.slopes_hold(k) and trial.kinks_hold(k, record.results[x])
    return Proof(row, tuple(records), stated, ok, tuple(how))


def _places(interval: Interval) -> list[float]:
    """Return places over a whole domain, close to its ends and to 0, and far from them."""
    low, high = interval.low, interval.high
    out = [s * x for x in _SIZES for s in (1, -1) if low < s * x < high]
    if not math.isinf(low) and not math.isinf(high):
        return [*out, *(low + (high - low) * t for t in _SHARES)]
    if not math.isinf(low):
        out += [low + x for x in _SIZES]
    return out if math.isinf(high) else [*out, *(high - x for x in _SIZES)]


class _Trial:
    """The points at which a row is tried, as arrays: one entry a point."""

    def __init__(self, row: Function) -> None:
        self.row = row
        rng = random.Random(row.name)  # noqa: S311  # test points, no secrets
        places = [_places(i) for i in row.intervals()]
        rounds = 1 if len(places) == 1 else _ROUNDS
        longest = max(map(len, places)) * rounds
        columns = []
        for own in places:
            many = own * -(-longest // len(own))
            rng.shuffle(many)
            columns.append([x * rng.uniform(0.99, 1.01) if abs(x) > 0.9 else x for x in many[:longest]])
        self.env = self._kept(list(zip(*columns)))
        self.count = len(next(iter(self.env.values()), ()))
        whole = list(product(_HALVES, repeat=len(places)))
        rng.shuffle(whole)
        self.ties = self._kept(whole[:2000], ties=True) if row.kink is not None else {}

    def _wide(self, node: Node, env: dict[Node, Any]) -> Node:
        """Return a node in placeholders for all points at once."""
        size = len(next(iter(env.values())))
        new = {x: var(x.name, (size,)) for x in self.row.placeholders}
        return replace([node], new, lambda n, args: apply(n.op, *args, attr=n.attr) if args != n.args else n)[0]

    def value(self, node: Node, env: dict[Node, Any]) -> Any:
        """Return the values of a node at many points."""
        size = len(next(iter(env.values())))
        wide = self._wide(node, env)
        found = evaluate([wide], {var(x.name, (size,)): v for x, v in env.items()}, digits=_WORK)[0]
        return found if found.shape else np.full(size, found[()], dtype=object)

    def _kept(self, points: Sequence[Sequence[float]], ties: bool = False) -> dict[Node, Any]:
        """Return the points at which the function has a value, off its kinks or on them."""
        xs = self.row.placeholders
        env: dict[Node, Any] = {x: np.asarray([p[k] for p in points], dtype=object) for k, x in enumerate(xs)}
        if not points:
            return env
        y = self.value(self.row(*xs), env)
        good = [bool(abs(v) < math.inf) for v in y]
        good = [g and all(i.low <= p[k] <= i.high for k, i in enumerate(self.row.intervals()))
                for g, p in zip(good, points)]
        if self.row.kink is not None:
            at = self.value(self.row.kink(*xs), env)
            good = [g and (abs(v) < 1e-60) == ties for g, v in zip(good, at)]
        keep = np.asarray(good, dtype=bool)
        return {x: v[keep] for x, v in env.items()}

    def stated(self, k: int) -> Node:
        """Return the row's derivative by one argument."""
        xs = self.row.placeholders
        y = self.row(*xs)
        d = self.row.derivative(y, *xs)[k]
        return d if d is not None else y * 0

    def slopes(self, k: int, env: dict[Node, Any]) -> tuple[Any, Any]:
        """Return central differences of the function, and the noise in them."""
        y, x = self.row(*self.row.placeholders), self.row.placeholders[k]
        h = type(self.value(y, env)[0])(10) ** -(_DIGITS // 2 + 2)
        ends = [self.value(y, {**env, x: [h * 0 + v + s * h for v in env[x]]}) for s in (1, -1)]
        return (ends[0] - ends[1]) / (2 * h), (1 + abs(ends[0])) * h * h * 10**6

    def agree(self, a: Node, b: Node) -> bool:
        """Return whether two nodes are one at every point at which both have values."""
        u, v = self.value(a, self.env), self.value(b, self.env)
        return _close(u, v, 0 * abs(u) + type(u[0])(10) ** -(2 * _DIGITS - 20))

    def slopes_hold(self, k: int) -> bool:
        """Compare the row's derivative with central differences of the function itself."""
        slopes, noise = self.slopes(k, self.env)
        return _close(slopes, self.value(self.stated(k), self.env), noise)

    def kinks_hold(self, k: int, derived: Node) -> bool:
        """Compare the row's derivative on its kinks with what its definition, or its form by cases, gives there."""
        if not self.ties or not len(next(iter(self.ties.values()))):
            return True
        xs = self.row.placeholders
        if self.row.branches is not None:
            derived = derive(self.row.branches(*xs), [xs[k]], loss_name="y").results[xs[k]]
        u, v = self.value(derived, self.ties), self.value(self.stated(k), self.ties)
        return _close(u, v, 0 * abs(u) + type(u[0])(10) ** -_DIGITS)

    def sides_hold(self, k: int) -> bool:
        """Compare the row's derivative on its kinks with the mean of the slopes beside them."""
        if not self.ties or not len(next(iter(self.ties.values()))):
            return True
        x = self.row.placeholders[k]
        away = type(self.value(x, self.ties)[0])(10) ** -10
        beside = [self.slopes(k, {**self.ties, x: [away * 0 + v + s * away for v in self.ties[x]]})[0] for s in (1, -1)]
        return _close((beside[0] + beside[1]) / 2, self.value(self.stated(k), self.ties), 0 * beside[0] + away * 100)


def _close(a: Any, b: Any, noise: Any) -> bool:
    """Return whether values are the same to ten digits less than those of the proofs, up to the noise in them."""
    return all(abs(u - v) <= (abs(u) + abs(v)) * type(u)(10) ** -(_DIGITS - 10) + n for u, v, n in zip(a, b, noise))
