"""Acceptance: no simplified line is believed before it was compared with the line that it replaces.

Both are evaluated at a random point, in doubles first, at sizes that are all distinct; where doubles differ, in long
arithmetic. A line that differs is dropped, and noted in `DROPPED`: each one is a mistake of ours.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import mpmath
import numpy as np

from symgrad.engine.assumptions import Assumption
from symgrad.engine.doubles import Array, Axes, Folded, values
from symgrad.engine.evaluate import RANGES, distinct_sizes, draw, evaluate, index_limits, meet
from symgrad.engine.rows import row_of
from symgrad.engine.satisfy import satisfying
from symgrad.errors import InputError, SymgradError
from symgrad.graph.node import Node, topological
from symgrad.graph.ops import STRUCTURAL
from symgrad.graph.text import to_text
from symgrad.rules.arrays import array_row
from symgrad.rules.row import REAL

# what is no part of the forward pass is drawn from one range a point, until the replaced line has a value at one
_POINTS = ((-2.0, 2.0), (0.1, 2.5), (0.05, 0.95))
_TRIES = 60
_TIGHT = 1e-10  # relative to the line; where doubles differ by more, long arithmetic decides
_CLOSE = 1e-8  # relative to the largest number on the way, where arrays are too large for that
_DIGITS = 40
_ENTRIES = 2**18  # of one array, where axes cannot be folded
_WORK = 20_000  # entries that long arithmetic is asked for


@dataclass(frozen=True)
class Dropped:
    """A line that was not believed: what it was to replace, what it was, and who made it."""

    before: str
    after: str
    maker: str


DROPPED: list[Dropped] = []  # of this process; the tests hold it empty


@dataclass
class _Point:
    """One point: the values of the forward pass there, and of the cotangents that were met."""

    axes: Axes
    known: dict[Node, Array]
    leaves: dict[Node, Array]  # of the variables, as long arithmetic takes them
    others: tuple[float, float]  # the range of what is no part of the forward pass


class Acceptance:
    """Compares lines over one forward pass, at points where the assumptions hold."""

    def __init__(self, forward: Sequence[Node], assumptions: Sequence[Assumption] = ()) -> None:
        self.forward = list(forward)
        self.assumptions = tuple(assumptions)
        self.points: dict[tuple[int, bool], _Point | None] = {}

    def accepts(self, before: Node, after: Node, maker: str) -> bool:
        """Return whether two lines are equal where the first has a value; what differs is noted."""
        if before is after:
            return True
        for k in range(len(_POINTS)):
            verdict = self._at_point(before, after, k)
            if verdict is False:
                DROPPED.append(Dropped(to_text(before), to_text(after), maker))
            if verdict is not None:
                return verdict
        return False

    def _at_point(self, before: Node, after: Node, k: int) -> bool | None:
        """Return whether two lines agree at the point of a number; None where the first has no value there."""
        for fold in (True, False):
            if (k, fold) not in self.points:
                self.points[k, fold] = self._draw(k, fold)
            point = self.points[k, fold]
            try:
                if point is not None:
                    return self._equal(before, after, point)
            except Folded:
                continue
        return None

    def _equal(self, before: Node, after: Node, point: _Point) -> bool | None:
        """Return whether two lines agree at a point; None where the first has no value there."""
        _size_the_rest(before, after, point)
        rng = np.random.default_rng(len(point.known))
        ends = [n for n in topological([before, after], lambda n: () if n in point.known or _ends(n) else n.args)
                if n not in point.known and (n.op == "var" or _ends(n))]
        for n in ends:
            point.known[n] = point.leaves[n] = rng.uniform(*point.others, point.axes.of(n.shape))
        found, _ = values([before, after], point.known, point.axes)
        a, b = found[before], found[after]
        there = np.isfinite(a)
        if a.shape != b.shape or not there.any():
            return None if a.shape == b.shape else False
        with np.errstate(all="ignore"):
            gap = np.abs(a - b)[there]
        if bool(np.all(gap <= _TIGHT * np.max(np.abs(a[there])))):
            return True
        exact = self._equal_long(before, after, point)
        if exact is not None:
            return exact
        # what cancels leaves rounding errors of the largest number on the way
        largest = max(float(np.max(np.abs(v[np.isfinite(v)]), initial=0.0)) for v in found.values())
        return bool(np.all(gap <= _CLOSE * largest))

    def _equal_long(self, before: Node, after: Node, point: _Point) -> bool | None:
        """Return whether two lines agree in long arithmetic, None where that would take long."""
        order = topological([before, after], lambda n: () if n in point.leaves else n.args)
        if any(point.axes.folds(n.shape) for n in order) or \
                sum(math.prod(point.axes.of(n.shape)) for n in order) > _WORK:
            return None
        m = mpmath.MPContext()
        m.dps = _DIGITS
        try:
            every = evaluate(order, point.leaves, digits=_DIGITS, sizes=point.axes.sizes.sizes)
        except SymgradError:
            return None
        found = dict(zip(order, every))
        finite = [abs(x) for v in every for x in v.flat if m.isfinite(x)]
        bound = max(finite, default=0) * m.mpf(10) ** (-_DIGITS // 2)
        return all(abs(x - y) <= bound for x, y in zip(found[before].flat, found[after].flat) if m.isfinite(x))

    # --- points -------------------------------------------------------------------------------------------------------

    def _draw(self, k: int, fold: bool) -> _Point | None:
        """Return a point at which the forward pass is finite, None where none was found or where nothing is folded."""
        rng = random.Random(k)  # noqa: S311  # test points, no secrets
        try:
            if self.assumptions:
                return None if fold else self._satisfying(rng, _POINTS[k])
            axes = Axes(distinct_sizes(self.forward, descending=k % 2 == 1), fold)
            shapes = [n.shape for n in self.forward]
            if any(map(axes.folds, shapes)) if fold else all(math.prod(axes.of(s)) <= _ENTRIES for s in shapes):
                return self._at(axes, {}, rng, _POINTS[k])
        except (InputError, Folded):
            pass
        return None

    def _satisfying(self, rng: random.Random, others: tuple[float, float]) -> _Point | None:
        given = [v for a in self.assumptions for v in a.variables]
        plain = Axes(distinct_sizes([*self.forward, *given]), False)
        if sum(math.prod(plain.of(v.shape)) for v in given) > _WORK:
            return None
        sizes, point = satisfying(self.forward, self.assumptions, rng, _DIGITS)
        found = self._at(Axes(sizes, False), {n: v.astype(np.float64) for n, v in point.items()}, rng, others)
        if found is not None:
            found.leaves.update(point)  # in doubles the assumptions hold to rounding errors alone
        return found

    def _at(self, axes: Axes, given: Mapping[Node, Array], rng: random.Random,
            others: tuple[float, float]) -> _Point | None:
        """Return a point with the given values; what has no value there makes the variables below it be drawn again."""
        free = [n for n in self.forward if n.op == "var" and n not in given]
        limits = index_limits(self.forward, axes.sizes)
        asked = dict.fromkeys(free, REAL)
        ranges = dict(asked)

        def fresh(node: Node) -> Array:
            shape = axes.of(node.shape)
            count = math.prod(shape)
            whole = node.attr[1] == "int"
            drawn = [rng.randrange(limits.get(node, 5)) if whole else draw(rng, ranges[node]) for _ in range(count)]
            return np.asarray(drawn, dtype=np.float64).reshape(shape)

        env: dict[Node, Array] = {n: fresh(n) for n in free}
        known, failed = values(self.forward, {**given, **env}, axes, _unfit)
        for _ in range(_TRIES):
            if failed is None:
                return _Point(axes, {**given, **known}, {**given, **env}, others)
            if failed.op not in STRUCTURAL:
                for arg, interval in zip(failed.args, row_of(failed).intervals()):
                    if arg in asked and interval is not REAL:
                        asked[arg] = ranges[arg] = meet(asked[arg], interval) or asked[arg]
            for node in (n for n in topological([failed]) if n in env):
                if rng.random() < 0.5:
                    ranges[node] = meet(asked[node], rng.choice(RANGES)) or asked[node]
                env[node] = fresh(node)
            inside = array_row(failed).inside if failed.op == "array" else None
            if inside is not None and failed.args[0] in env:
                env[failed.args[0]] = np.asarray(inside(env[failed.args[0]].astype(object)), dtype=np.float64)
            known, failed = values(self.forward, {**given, **env}, axes, _unfit)
        return None


def _ends(node: Node) -> bool:
    """Whether a line is read no further: a cotangent, a pending pullback."""
    return node.op in ("bar", "pull")


def _unfit(node: Node, value: Array) -> bool:
    return node.op != "const" and not bool(np.isfinite(value).all())  # the constant inf may be meant


def _size_the_rest(before: Node, after: Node, point: _Point) -> None:
    """Give numbers to the sizes that occur in the lines alone."""
    sizes = point.axes.sizes.sizes
    for node in topological([before, after], lambda n: () if n in point.known or _ends(n) else n.args):
        dims = [*node.shape, *(node.attr if node.op == "size" else node.attr[2] if node.op == "einsum" else ())]
        for s in {s.name for d in dims if not isinstance(d, int) for s in d.free_symbols} - sizes.keys():
            sizes[s] = next(k for k in (2, 3, 5, 4, 7, 6, 8, 9, *range(10, 99)) if k not in sizes.values())
