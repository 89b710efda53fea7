"""Points at which a judge tries a record: both signs, |x| about 0.1, 1, 10 and 30, both sides of every kink.

Each entry of a variable goes through signs and magnitudes in an order of its own, so that a few points, or one array,
meet all of them. Where the domain forbids such values the variables below are drawn from it instead.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np

from symgrad.engine.assumptions import Assumption
from symgrad.engine.evaluate import distinct_sizes, evaluate, random_env
from symgrad.engine.rows import row_of
from symgrad.engine.satisfy import satisfying
from symgrad.errors import InputError, SymgradError
from symgrad.graph.node import Node

Array = Any  # an object array of mpmath numbers
Values = dict[Node, Array]

_DRAWS = 24  # points tried for one off the kinks
_ASSUMING_DRAWS = 6  # the same among the points where assumptions hold, which take longer
_FURTHER_DRAWS = 6  # the same for each further point
_TAME = 10**6
_WIDE = 10**30
_SCALAR_KINDS = tuple((sign, size) for size in (0.1, 1.0, 10.0, 30.0) for sign in (1, -1))
_ENTRY_KINDS = (*_SCALAR_KINDS[:6], *_SCALAR_KINDS[:4])  # sums of many entries are large enough


@dataclass(frozen=True)
class Point:
    """Values of the variables and of every node below the roots; `again` gives a point like it to more digits."""

    sizes: dict[str, int]
    env: Values
    values: Values
    again: Callable[[int], Point]


def kink_arguments(nodes: Sequence[Node]) -> list[Node]:
    """Return the arguments whose zeros are the kinks of the elementwise functions among the nodes."""
    rows = [(n, row_of(n)) for n in nodes if n.is_elementwise and len({*n.args}) == len(n.args)]
    return [row.kink(*n.args) for n, row in rows if row.kink is not None]


def _fixed(sizes: dict[str, int], env: Values, whole: Sequence[Node], values: Values) -> Point:
    """Return a point whose numbers stay as they are when more digits are asked for."""
    env = {n: values.get(n, v) for n, v in env.items()}

    def again(digits: int) -> Point:
        return _fixed(sizes, env, whole, dict(zip(whole, evaluate(whole, env, digits=digits, sizes=sizes))))

    return Point(sizes, env, values, again)


def _tame(values: Values, limit: int) -> bool:
    return all(abs(x) < limit or mpmath.isinf(x) for n, v in values.items() if n.op not in ("const", "size")
               for x in v.flat)


def _array(x: Any) -> Array:
    return np.asarray(x, dtype=object)


class Points:
    """The points of one record: the first, at sizes where the loss has a value, and further ones at these sizes."""

    def __init__(self, roots: Sequence[Node], whole: Sequence[Node], seed: int) -> None:
        """`roots` shall have values, `whole` is what lies below the loss and all that is asked for."""
        self.roots, self.whole, self.seed = roots, whole, seed
        self.kinks = kink_arguments(whole)

    def first(self, digits: int) -> Point:
        """Return a random point of moderate size. Raises: InputError where none is found."""
        rng = random.Random(self.seed)  # noqa: S311  # test points, no secrets
        found: Point | None = None
        error: InputError | None = None
        for descending in (False, True):  # inv(A @ X) has no value, or a random one, where the inner size is smaller
            try:
                sizes = distinct_sizes(self.whole, descending=descending)
                point, tame = self._off_kinks(random_env(self.roots, rng, sizes, digits), sizes, rng, digits)
            except InputError as e:
                error = error or e
                continue
            if tame:
                return point
            found = found or point
        if found is None:
            raise error or InputError("found no point")
        return found

    def _off_kinks(self, env: Values, sizes: dict[str, int], rng: random.Random, digits: int) -> tuple[Point, bool]:
        """Return a point off all kinks, where no value is huge, and True; else the point given.

        relu(relu(x)) is on the kink wherever x < 0, so signs are tried. Differences of huge values say nothing. What
        ties wherever it is tried, as x and max(x), is no kink of the point.
        """
        first: Point | None = None
        trial, ties = env, set(self.kinks)
        for attempt in range(_DRAWS):
            point, tame, zero = self._at(trial, sizes, digits, _TAME)
            first = first or point
            ties &= zero
            if tame and not zero:
                return point, True
            trial = dict(env)
            for n, v in env.items():
                if n.op == "var" and n.attr[1] == "real":
                    sign = (1, -1)[attempt] if attempt < 2 else rng.choice([-1, 1])
                    trial[n] = _array(abs(v) * sign * mpmath.mpf(rng.uniform(0.2, 1.2)))
        assert first is not None
        if ties:
            self.kinks = [k for k in self.kinks if k not in ties]
            return self._off_kinks(env, sizes, rng, digits)
        return first, False

    def _at(self, env: Values, sizes: dict[str, int], digits: int, limit: int) -> tuple[Point, bool, set[Node]]:
        """Return the point, whether no finite value is beyond the limit, and the kinks' arguments that are 0 there."""
        found = evaluate([*self.whole, *self.kinks], env, digits=digits, sizes=sizes)
        values = dict(zip(self.whole, found))
        zero = {k for k, v in zip(self.kinks, found[len(self.whole):]) if any(x == 0 for x in v.flat)}
        return _fixed(sizes, env, self.whole, values), _tame(values, limit), zero

    def further(self, sizes: dict[str, int], digits: int, count: int) -> list[Point]:
        """Return up to `count` more points at these sizes, and some for sides of kinks that those do not see."""
        rng = random.Random(self.seed + 1)  # noqa: S311  # test points, no secrets
        out: list[Point] = []
        seen: set[tuple[int, bool]] = set()
        wanted = {(k, side) for k in range(len(self.kinks)) for side in (False, True)}
        kinds = _kinds(rng)
        for number in range(3 * count):
            start = next(kinds)
            point = self._wide(start, sizes, rng, digits)
            if point is None:
                continue
            sides = self._sides(point, digits)
            if number < count or not sides <= seen:
                out.append(point)
                seen |= sides
            if number >= count - 1 and (wanted <= seen or len(out) >= count + 2):
                break
        return out

    def _sides(self, point: Point, digits: int) -> set[tuple[int, bool]]:
        found = evaluate(self.kinks, point.values, digits=digits, sizes=point.sizes)
        return {(k, bool(x > 0)) for k, v in enumerate(found) for x in v.flat}

    def _wide(self, start: Start, sizes: dict[str, int], rng: random.Random, digits: int) -> Point | None:
        for attempt in range(_FURTHER_DRAWS):
            try:
                env = random_env(self.roots, rng, sizes, digits, start=start if attempt < 2 else None)
                point, tame, zero = self._at(env, sizes, digits, _WIDE)
            except SymgradError:
                return None
            if tame and not zero:
                return point
        return None


Start = Callable[[Node, "tuple[int, ...]"], "Array | None"]


def _kinds(rng: random.Random) -> Iterator[Start]:
    """Yield one way of drawing variables after the other; each entry goes through the kinds in its own order."""
    orders: dict[Node, list[list[tuple[int, float]]]] = {}
    number = 0
    while True:

        def start(node: Node, shape: tuple[int, ...], number: int = number) -> Array | None:
            if node.op != "var" or node.attr[1] != "real":
                return None
            out = np.empty(shape, dtype=object)
            kinds = _ENTRY_KINDS if shape else _SCALAR_KINDS
            if node not in orders:
                orders[node] = [rng.sample(kinds, len(kinds)) for _ in range(out.size)]
            for e, order in zip(np.ndindex(shape), orders[node]):
                sign, size = order[number % len(order)]
                out[e] = mpmath.mpf(sign * size * rng.uniform(0.7, 1.4))
            return out

        yield start
        number += 1


def assuming(roots: Sequence[Node], whole: Sequence[Node], assumptions: Sequence[Assumption], seed: int,
             digits: int) -> Point:
    """Return a random point at which the assumptions hold, off the kinks where one is found.

    Raises: InputError where no such point is found.
    """
    kinks = kink_arguments(whole)
    rng = random.Random(seed)  # noqa: S311  # test points, no secrets
    first: Point | None = None
    for _ in range(_ASSUMING_DRAWS):
        sizes, env = satisfying(roots, assumptions, rng, digits * 5 // 4 + 10)  # equations hold to nine tenths of that
        found = evaluate([*whole, *kinks], env, digits=digits, sizes=sizes)
        values = dict(zip(whole, found))
        point = Point(sizes, env, values, lambda more: assuming(roots, whole, assumptions, seed, more))
        first = first or point
        if _tame(values, _TAME) and not any(x == 0 for v in found[len(whole):] for x in v.flat):
            return point
    assert first is not None
    return first
