"""Points at which assumptions hold: sizes, members of sets, and a Newton iteration onto the equations.

Values with a range are written as u -> low + exp(u) and the like, so that ranges hold by themselves; an inequality
between expressions is an equation with a positive slack. A point is one only where every assumption then holds.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice, permutations
from typing import Any

import mpmath
import numpy as np

from symgrad.engine.assumptions import Assumption, Part
from symgrad.engine.evaluate import distinct_sizes, evaluate, random_env
from symgrad.engine.ranges import Ranges, consistent
from symgrad.errors import InputError, SymgradError
from symgrad.graph.node import Node, apply, topological
from symgrad.rules.needs import met, needs
from symgrad.rules.ranges import INF, Range
from symgrad.shapes import evaluate as size_value

Array = Any  # an object array of mpmath numbers

_TRIES = 12  # points tried for each choice of sizes
_SIZES = 8  # choices of sizes tried
_STEPS = 60
_FLIPS = 400  # changes of single entries that stand in finite sets
_ROUGH = 30  # digits in which slopes are taken
_COMPARE = {"gt": lambda a, b: a > b, "ge": lambda a, b: a >= b, "lt": lambda a, b: a < b, "le": lambda a, b: a <= b,
            "ne": lambda a, b: a != b}  # fmt: skip


def satisfying(roots: Sequence[Node], assumptions: Sequence[Assumption], rng: random.Random, digits: int = 50,
               given: Mapping[str, int] | None = None) -> tuple[dict[str, int], dict[Node, Array]]:
    """Return sizes and a random point at which the assumptions hold and every root has a value.

    `given` fixes sizes.
    Formula: v <- v - J^+ g(v) for the equations g(v) = 0, J^+ being the pseudo-inverse of their slopes.
    Raises: InputError where no such point was found.

    >>> from symgrad.graph.node import const, reduce_sum, var
    >>> y = var("y", (3,))
    >>> one = Assumption("sum(y) == 1", (("eq", reduce_sum(y), (const(1),)),))
    >>> sizes, point = satisfying([y], [one], random.Random(0))
    >>> abs(float(sum(point[y]) - 1)) < 1e-40
    True
    """
    consistent(assumptions)
    everything = [*roots, *(n for a in assumptions for n in a.nodes)]
    failed = ""
    for free in _sizes(everything, assumptions, given or {}):
        sizes = {**free, **(given or {})}
        problem = _Problem(assumptions, sizes, rng, digits)
        for attempt in range(_TRIES):
            values = problem.draw(generic=attempt < _TRIES // 2)
            if values is None:
                continue
            try:
                return sizes, {**random_env(roots, rng, sizes, digits, given=values), **values}
            except InputError as error:
                failed = f" ({error})"
    raise InputError(f"found no point at which {' and '.join(a.text for a in assumptions)} hold{failed}. "
                     f"Do they contradict one another, or the domain of the loss?")


def _sizes(
    roots: Sequence[Node], assumptions: Sequence[Assumption], given: Mapping[str, int]
) -> Iterator[dict[str, int]]:
    """Yield choices of sizes, all of them distinct, at which what is assumed of sizes holds."""
    first = distinct_sizes(roots)
    wanted = needs(topological(roots))
    seen: list[dict[str, int]] = []
    names = list(first)
    for choice in (tuple(first.values()), tuple(distinct_sizes(roots, descending=True).values()),
                   *islice(permutations(sorted(first.values())), 120)):
        sizes = dict(zip(names, choice))
        if sizes not in seen and len(seen) < _SIZES and all(met(n, {**sizes, **given}) for n in wanted) and all(
                _holds(p, {}, {**sizes, **given}, 15) for a in assumptions for p in a.parts if _about_sizes(p)):
            seen.append(sizes)
            yield sizes


def _about_sizes(part: Part) -> bool:
    return all(n.op != "var" for n in topological([part[1], *part[2]]))


def _holds(part: Part, env: Mapping[Node, Array], sizes: Mapping[str, int], digits: int) -> bool:
    """Return whether one part of an assumption holds at a point; equations to all but a few digits."""
    op, left, right = part
    a, *members = evaluate([left, *right], env, digits=digits, sizes=sizes)
    if op == "in":
        return all(any(x == m[()] for m in members) for x in a.flat)
    a, b = np.broadcast_arrays(a, members[0])
    if op == "eq":
        bound = mpmath.mpf(10) ** -(digits * 4 // 5)
        return all(abs(x - y) <= bound * (1 + abs(x) + abs(y)) for x, y in zip(a.flat, b.flat))
    return all(bool(_COMPARE[op](x, y)) for x, y in zip(a.flat, b.flat))


class _Problem:
    """The assumptions at given sizes."""

    def __init__(self, assumptions: Sequence[Assumption], sizes: Mapping[str, int], rng: random.Random,
                 digits: int) -> None:
        self.parts = [p for a in assumptions for p in a.parts]
        self.sizes, self.rng, self.digits = sizes, rng, digits
        self.context = mpmath.MPContext()
        self.context.dps = digits
        ranges = Ranges(assumptions)
        self.variables = list(dict.fromkeys(v for a in assumptions for v in a.variables))
        self.range = {v: ranges.of(v) for v in self.variables}
        chosen = [(x, members) for op, x, members in self.parts if op == "in" and x.op == "var"]
        self.sets = {x: [m.value for m in members] for x, members in chosen}
        self.equations: list[tuple[Node, str]] = []  # what is to be 0, or to have the sign of a comparison
        for op, left, right in self.parts:
            one_sided = {left.op, right[0].op} <= {"var", "const"} and "const" in (left.op, right[0].op)
            if op == "eq" or (op in _COMPARE and op != "ne" and not one_sided and not _about_sizes((op, left, right))):
                self.equations.append((apply("sub", left, right[0]), op))

    def draw(self, generic: bool) -> dict[Node, Array] | None:
        """Return values of the variables at which every assumption holds, None where this try led nowhere."""
        env = {v: self._start(v) for v in self.variables}
        try:
            self._flip(env)
            env = self._solved(env)
            fine = all(_holds(p, env, self.sizes, self.digits) for p in self.parts)
        except (SymgradError, np.linalg.LinAlgError, OverflowError, ValueError):
            return None
        if not fine or (generic and any(abs(x) < 1e-6 for v in env if v not in self.sets for x in env[v].flat)):
            return None
        return env

    def _start(self, v: Node) -> Array:
        shape = tuple(size_value(d, self.sizes) for d in v.shape)
        out = np.empty(shape, dtype=object)
        scale = self.rng.choice((1.0, 0.5, 0.25))
        for e in np.ndindex(shape):
            if v in self.sets:
                x: Any = self.rng.choice(self.sets[v])
            elif v.attr[1] == "int":
                low, high = self.range[v].low, self.range[v].high
                x = self.rng.randint(int(max(low, 0)), int(min(high, max(low, 0) + 4)))
            else:
                x = _within(self.range[v], scale * self.rng.gauss(0, 1), self.context)
            out[e] = self.context.mpf(x) if not hasattr(x, "numerator") or isinstance(x, int) else \
                self.context.mpf(x.numerator) / x.denominator
        return out

    # --- equations ----------------------------------------------------------------------------------------------------

    def _residual(self, env: Mapping[Node, Array], equations: Sequence[tuple[Node, str]], slack: Sequence[Any],
                  digits: int) -> list[Any]:
        found = evaluate([n for n, _ in equations], env, digits=digits, sizes=self.sizes)
        rest = iter(slack)
        return [x if op == "eq" else x - next(rest) if op in ("gt", "ge") else x + next(rest)
                for value, (_, op) in zip(found, equations) for x in value.flat]

    def _solved(self, env: dict[Node, Array]) -> dict[Node, Array]:
        """Return the values moved onto the equations, the unbounded coordinates behind them by Newton's method."""
        if not self.equations:
            return env
        m = self.context
        below = set(topological([n for n, _ in self.equations]))
        moved = [v for v in self.variables if v in below and v not in self.sets and v.attr[1] == "real"]
        places = [(v, e) for v in moved for e in np.ndindex(env[v].shape)]
        first = evaluate([n for n, op in self.equations if op != "eq"], env, digits=_ROUGH, sizes=self.sizes)
        count = sum(x.size for x in first)
        u = [_outside(self.range[v], env[v][e], m) for v, e in places]
        u += [m.mpf(self.rng.gauss(-1, 0.5)) for _ in range(count)]

        def point(u: Sequence[Any]) -> tuple[dict[Node, Array], list[Any]]:
            out = {v: env[v].copy() for v in self.variables}
            for (v, e), x in zip(places, u):
                out[v][e] = _within(self.range[v], x, m)
            return out, [m.exp(x) for x in u[len(places):]]

        def residual(u: Sequence[Any], digits: int) -> list[Any]:
            at, slack = point(u)
            return self._residual(at, self.equations, slack, digits)

        inverse: Any = None
        last = INF
        for _ in range(_STEPS if u else 0):
            g = residual(u, self.digits)
            size = max((abs(x) for x in g), default=m.mpf(0))
            if size < m.mpf(10) ** -(self.digits * 9 // 10):
                break
            if inverse is None or size > 1e-14:  # afterwards the slopes stay as they are
                h = m.mpf(10) ** (-_ROUGH // 3)
                columns = []
                for k in range(len(u)):
                    ends = [residual([*u[:k], u[k] + s * h, *u[k + 1:]], _ROUGH) for s in (1, -1)]
                    columns.append([float((a - b) / (2 * h)) for a, b in zip(*ends)])
                slopes = np.asarray(columns, dtype=np.float64).T
                # what redundant equations add to the slopes vanishes with the distance to the solution
                inverse = np.linalg.pinv(slopes, rcond=float(max(1e-6, min(1e-2, math.sqrt(float(size))))))
            scaled = np.asarray([float(x / size) for x in g])
            step = inverse @ scaled
            u = [x - size * m.mpf(float(d)) for x, d in zip(u, step)]
            if not math.isfinite(float(size)) or float(size) > 1e6 * max(1.0, last):
                break
            last = float(size)
        return point(u)[0]

    # --- finite sets --------------------------------------------------------------------------------------------------

    def _flip(self, env: dict[Node, Array]) -> None:
        """Change entries that stand in finite sets one at a time until the equations among them hold."""
        own = [(n, op) for n, op in self.equations if {v for v in topological([n]) if v.op == "var"} <= set(self.sets)]
        places = [(v, e) for v in self.sets for e in np.ndindex(env[v].shape)]
        if not own or not places:
            return

        def wrong() -> Any:
            found = evaluate([n for n, _ in own], env, digits=15, sizes=self.sizes)
            return sum(abs(x) if op == "eq" else max(x if op in ("lt", "le") else -x, 0)
                       for value, (_, op) in zip(found, own) for x in value.flat)

        now = wrong()
        for _ in range(_FLIPS):
            if now == 0:
                return
            v, e = self.rng.choice(places)
            old = env[v][e]
            env[v][e] = self.context.mpf(self.rng.choice(self.sets[v]))
            after = wrong()
            if after <= now:
                now = after
            else:
                env[v][e] = old


def _within(r: Range, u: Any, m: Any) -> Any:
    """Return the value in the range that an unbounded coordinate stands for."""
    if math.isfinite(r.low) and math.isfinite(r.high):
        return r.low + (r.high - r.low) / (1 + m.exp(-u))
    if math.isfinite(r.low):
        return r.low + m.exp(u)
    return r.high - m.exp(u) if math.isfinite(r.high) else m.mpf(u)


def _outside(r: Range, x: Any, m: Any) -> Any:
    """Return the unbounded coordinate of a value."""
    if math.isfinite(r.low) and math.isfinite(r.high):
        return m.log((x - r.low) / (r.high - x)) if r.low < x < r.high else m.mpf(0)
    if math.isfinite(r.low):
        return m.log(x - r.low)
    return m.log(r.high - x) if math.isfinite(r.high) else x
