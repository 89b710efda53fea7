"""The judge of lines: the values of lines at one point in long arithmetic, and whether two lines are one.

A pending pullback is evaluated from the primal by central differences, never from a rule: along a random direction v,
<pull(c, f, w), v> = <c, d/dh f(w + h v)>. Two lines are one where they agree to the digits asked for relative to their
value; where their terms cancel so far that the digits do not tell, the point is taken again with more of them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np

from symgrad.engine.derivation import Record
from symgrad.engine.evaluate import evaluate, evaluate_mod_p
from symgrad.engine.points import Point
from symgrad.engine.rows import row_of
from symgrad.errors import SymgradError
from symgrad.graph.node import Node, topological, var
from symgrad.graph.text import to_text
from symgrad.rules.arrays import array_row, passing
from symgrad.rules.structures import Structure
from symgrad.shapes import Shape
from symgrad.shapes import evaluate as size_value

Array = Any  # an object array of mpmath numbers
Pair = Callable[["Judge"], "tuple[Line, Line]"]

LEAST = 10  # fewer digits do not tell a gradient from a false one
_MOST = 2000  # digits beyond which a cancellation is not followed
_MOST_WIDE = 200  # the same far out, where gradients vanish
_ROUGH = 15  # digits of the sizes of terms
_RUIN = 10**10  # terms so much larger than their sum leave too few digits
_LINEAR = frozenset({"add", "sub", "mul", "div", "neg", "einsum"})  # the size of a term follows from its parts'


class Problem(Exception):
    """What is wrong with a line apart from its value."""


@dataclass(frozen=True)
class Line:
    """The value of a line, the size of its terms, and the order of the differences in it, which know fewer digits."""

    value: Array
    size: Array
    rough: int = 0

    def along(self, v: Array) -> Line:
        """Return <line, v>."""
        return Line(_array(_dot(self.value, v)), _array(_dot(self.size, _array(abs(v)))), self.rough)


def working(digits: int) -> int:
    """Return the digits to work with where `digits` are asked for: differences know two thirds of them, less six."""
    return 2 * digits + 12


class Judge:
    """Evaluates the lines of a record at one point."""

    def __init__(self, record: Record, point: Point, digits: int, work: int, seed: int,
                 sources: Mapping[Node, Node], structures: Mapping[Node, Structure], *,
                 wide: bool = False) -> None:
        """`sources` gives for each target the line from which its cotangent is taken.

        At a `wide` point a line may have no value, as 1/(1 - tanh(x)**2) far out.
        """
        self.record, self.point, self.digits, self.work, self.seed = record, point, digits, work, seed
        self.sources, self.structures, self.wide = sources, structures, wide
        self.rng = random.Random(seed)  # noqa: S311  # test points, no secrets
        self.context = mpmath.MPContext()
        self.context.dps = work
        self.h = self.context.mpf(10) ** (-(work // 3))  # truncation and rounding then cost the same
        self.sizes, self.values, self.names = point.sizes, point.values, record.names
        asked = set(record.wrt)
        forward = topological([record.loss])
        named = [n for n in forward if n in record.names or n in asked]
        # named nodes are held; what lies between them is computed anew
        self.held = {**point.env, **{n: self.values[n] for n in named}}
        self.known: dict[Node, Line] = {}
        for n in forward:
            self.known[n] = Line(self.values[n], self._size(n, self.values, {a: self.known[a].size for a in n.args}))
        for n, value in point.env.items():
            self.known.setdefault(n, Line(value, _size_of(value)))
        self.tied = {n: self.values[n] for n in forward if self._ties(n)}
        self.places = {n: k for k, n in enumerate(forward)}
        one = self._filled(record.loss.shape, self.context.mpf(1))
        self.bars: dict[Node, Line] = {record.loss: Line(one, one)}
        self.directions: dict[Node, Array] = {}
        self.slopes: dict[tuple[Node, Node], tuple[Array, Any]] = {}
        self.ends: dict[tuple[Node, bool], Line] = {}
        self._finer: dict[int, Judge] = {}

    def _ties(self, n: Node) -> bool:
        """Return whether a comparison stands on its boundary, as x == max(x) does: then it is held when others move."""
        row = row_of(n) if n.is_elementwise else None
        if row is None or row.kink is None or any(d is not None for d in row.derivative(n, *n.args)):
            return False
        at = self.run({a: self.values[a] for a in n.args}, row.kink(*n.args), _ROUGH)
        return any(x == 0 for x in at.flat)

    def shape(self, shape: Shape) -> tuple[int, ...]:
        """Return a shape in the sizes of this point."""
        return tuple(size_value(d, self.sizes) for d in shape)

    def run(self, fixed: Mapping[Node, Array], node: Node, digits: int = 0) -> Array:
        """Return the value of a node, those in `fixed` given."""
        return evaluate([node], fixed, digits=digits or self.work, sizes=self.sizes)[0]

    def random(self, shape: tuple[int, ...], which: str) -> Array:
        """Return an array of random numbers between -1 and 1, the same for each number of digits."""
        rng = random.Random(f"{self.seed} {which}")  # noqa: S311  # directions, no secrets
        out = np.empty(shape, dtype=object)
        for e in np.ndindex(shape):
            out[e] = self.context.mpf(rng.uniform(-1, 1))
        return out

    def _filled(self, shape: Shape, value: Any) -> Array:
        out = np.empty(self.shape(shape), dtype=object)
        out[...] = value
        return out

    # --- whether two lines are one ------------------------------------------------------------------------------------

    def same(self, pair: Pair) -> bool | None:
        """Return whether two lines are one to the digits asked for; None where no number of digits tells.

        Where the digits do not tell they are doubled. What is false by differences must be so by smaller ones too.
        """
        judge, before = self, None
        while True:
            a, b = pair(judge)
            if a.value.shape != b.value.shape:
                return False
            finite = all(map(self.context.isfinite, (*a.value.flat, *b.value.flat)))
            if not finite and before is not None:
                return None if self.wide else False
            if finite:
                found = judge.told(a, b)
                again = before is not None
                if found == "one" or (found == "nothing" and again):
                    return True  # the same, or 0 at two precisions
                if found == "two" and (not (a.rough or b.rough) or (
                        before is not None and judge.settled(before[0], a) and judge.settled(before[1], b))):
                    return False
            before = a, b
            finer = self.finer(2 * judge.work)
            if finer is None:
                return None
            judge = finer

    def told(self, a: Line, b: Line) -> str:
        """Return 'one' or 'two' for the lines, 'nothing' where both are 0 as far as can be seen, else 'open'."""
        rough = max(a.rough, b.rough)
        size, value = (max(_largest(x), _largest(y)) for x, y in ((a.size, b.size), (a.value, b.value)))
        apart = max((abs(x - y) for x, y in zip(a.value.flat, b.value.flat)), default=0)
        exact = (self.work - 8, 2 * (self.work // 3) - 6, 2 * (self.work // 4) - 6)[rough]
        noise = size * self.context.mpf(10) ** -exact
        tolerance = self.context.mpf(10) ** -(self.digits if rough < 2 else self.digits // 2)
        if apart > max(value * tolerance, noise):
            return "two"
        if noise <= value * tolerance or size == 0:
            return "one"
        # 0 is seen where the noise is far below 1 too, whatever the size of the terms
        return "nothing" if value <= noise <= tolerance else "open"

    def settled(self, before: Line, now: Line) -> bool:
        """Return whether a line taken with smaller differences is still what it was."""
        apart = max((abs(x - y) for x, y in zip(before.value.flat, now.value.flat)), default=0)
        return bool(apart <= _largest(now.value) * self.context.mpf(10) ** -(self.digits // 2))

    def finer(self, work: int) -> Judge | None:
        """Return the judge at this point with more digits, None beyond the last."""
        if work > (_MOST_WIDE if self.wide else _MOST):
            return None
        if work not in self._finer:
            self._finer[work] = Judge(self.record, self.point.again(work), self.digits, work, self.seed, self.sources,
                                      self.structures, wide=self.wide)
        return self._finer[work]

    def exact(self, before: Node, after: Node) -> bool:
        """Return whether two lines without pullbacks are one rational function, modulo a prime."""
        if any(n.op == "pull" for n in topological([before, after], lambda n: () if n.op == "bar" else n.args)):
            return False
        try:
            a, b = evaluate_mod_p([before, after], {}, sizes=self.sizes, rng=self.rng)
        except SymgradError:
            return False  # a zero divisor among the residues: the digits decide
        return bool((a == b).all())

    # --- lines --------------------------------------------------------------------------------------------------------

    def bar(self, t: Node) -> Line:
        """Return the cotangent of a node, from the line that the record derives for it."""
        if t not in self.bars:
            if t not in self.sources:
                raise Problem(f"dL/d{to_text(t, self.names, expand_root=False)} is used before it is derived")
            for u, source in self.sources.items():  # in the order of the record, each from those before it
                if u not in self.bars:
                    self.bars[u] = self.settle(self.line(source))
                if u is t:
                    break
        return self.bars[t]

    def line(self, node: Node) -> Line:
        """Return the value of one line and the size of its terms, what lines share computed once."""
        known = self.known

        def inputs(n: Node) -> Sequence[Node]:
            return () if n.op == "bar" or n in known else n.args[:1] if n.op == "pull" else n.args

        order = [n for n in topological([node], inputs) if n not in known]
        for n in order:
            if n.op == "bar":
                known[n] = self.bar(n.args[1])
        rest = [n for n in order if n.op not in ("bar", "pull")]
        if len(rest) == len([n for n in order if n.op != "bar"]):
            env = {a: known[a].value for n in rest for a in n.args if a in known}
            values = dict(zip(rest, evaluate(rest, env, digits=self.work, sizes=self.sizes)))
        else:
            values = {}
        for n in order:
            if n in known:
                continue
            if n.op == "pull":
                known[n] = self._pulled(n)
                continue
            if n not in values:
                values[n] = self.run({a: known[a].value for a in n.args}, n)
            below = {a: known[a] for a in n.args}
            size = self._size(n, {n: values[n], **{a: x.value for a, x in below.items()}},
                              {a: x.size for a, x in below.items()})
            known[n] = Line(values[n], size, max((x.rough for x in below.values()), default=0))
        return known[node]

    def settle(self, line: Line) -> Line:
        """Return the line as what later lines start from: terms that did not cancel need not be remembered."""
        whole = _largest(line.value)
        if whole * _RUIN < _largest(line.size):
            return line
        return Line(line.value, _array(line.value * 0 + whole), line.rough)

    def _size(self, n: Node, values: Mapping[Node, Array], sizes: Mapping[Node, Array]) -> Array:
        """Return the size of the terms that a node adds up, from those of its arguments."""
        own = _size_of(values[n])
        if not n.args:
            return own
        below = [sizes[a] for a in n.args]
        if n.op in ("add", "sub"):
            return _array(below[0] + below[1])
        if n.op == "mul":
            return _array(below[0] * below[1])
        if n.op == "div":
            by = _array(abs(values[n.args[1]]))
            if all(x for x in by.flat):
                return _array(below[0] / by)
        elif n.op == "neg":
            return below[0]
        elif n.op in _LINEAR or (n.op == "array" and array_row(n).linear):
            through = n.args if n.op == "einsum" else passing(n)  # what chooses entries stays what it is
            at = {a: sizes[a] if a in through else values[a] for a in n.args}
            return _size_of(self.run(at, n, _ROUGH))
        # where nearly all digits of an argument cancel, those of the function are missing too
        lost = 0
        for a, s in zip(n.args, below):
            top, whole = _largest(s), _largest(_size_of(values[a]))
            lost = max(lost, top if top > _RUIN * whole else 0)
        return own if not lost else _array(own + lost * (1 + own))

    # --- differences of the primal ------------------------------------------------------------------------------------

    def direction(self, t: Node) -> Array:
        """Return the random direction along which lines about t are compared."""
        if t not in self.values:
            raise Problem(f"{to_text(t, self.names)} is no part of the forward pass")
        if t not in self.directions:
            self.directions[t] = self.random(self.values[t].shape, str(self.places[t]))
        return self.directions[t]

    def _moved(self, f: Node, w: Node, v: Array) -> tuple[Array, Any]:
        """Return the slope of f when w moves along v, other named nodes held, and the size of what it is read from."""
        ends = []
        for sign in (1, -1):
            fixed = {**self.tied, **self.held, w: _array(self.values[w] + sign * self.h * v)}
            if f is not w and f not in self.tied:
                fixed.pop(f, None)
            ends.append(self.run(fixed, f))
        region = topological([f], lambda n: () if n in self.held and n is not f else n.args)
        largest = max(1, *(_largest(self.known[n].size) for n in region if n in self.known))
        return _array(_apart(*ends) / (2 * self.h)), largest

    def _pulled(self, n: Node) -> Line:
        """Return the value of a pullback entry by entry, where it does not stand in a sum by itself."""
        c, f, w = n.args
        if w not in self.values:
            raise Problem(f"{to_text(w, self.names)} is no part of the forward pass")
        at = self.known[c]
        value, size = (np.empty(self.values[w].shape, dtype=object) for _ in range(2))
        for e in np.ndindex(value.shape):
            unit = self._filled(w.shape, self.context.mpf(0))  # not 0 times a value, which may be a masked infinity
            unit[e] = self.context.mpf(1)
            slope, largest = self._moved(f, w, unit)
            value[e], size[e] = _dot(at.value, slope), _dot(at.size, _array(abs(slope) + largest))
        return Line(value, size, 1)

    def projected(self, node: Node, t: Node) -> Line:
        """Return <line, v> for the direction v of t, pullbacks taken from differences along it."""
        v = self.direction(t)
        if node.shape != t.shape:
            raise Problem(f"the shape is {node.shape} where that of {to_text(t, self.names)} is {t.shape}")
        zero = self.context.mpf(0)
        value, size, rough = zero, zero, 0
        todo = [(node, 1)]
        while todo:
            n, sign = todo.pop()
            if n.op in ("add", "sub", "neg") and all(a.shape == n.shape for a in n.args) and _has_pull(n):
                todo += [(a, -sign if n.op == "neg" or (n.op == "sub" and k) else sign) for k, a in enumerate(n.args)]
            elif n.op == "pull" and n.args[2] is t:
                c, f, _ = n.args
                if (f, t) not in self.slopes:
                    self.slopes[f, t] = self._moved(f, t, v)
                slope, largest = self.slopes[f, t]
                at = self.line(c)
                value += sign * _dot(at.value, slope)
                size += _dot(at.size, _array(abs(slope) + largest))
                rough = max(rough, 1)
            else:
                part = self.line(n).along(v)
                value, size, rough = value + sign * part.value[()], size + part.size[()], max(rough, part.rough)
        return Line(_array(value), _array(size), rough)

    def slope(self, t: Node, free: bool = True) -> Line:
        """Return the derivative of the loss when t moves along its direction.

        With `free` a structured variable moves with all entries that are one with those of the direction.
        """
        free = free and t in self.structures
        if (t, free) not in self.ends:
            v = self.direction(t)
            if free:
                along = var("v", t.shape)
                v = self.run({along: v}, self.structures[t].moves(along))
            moved = {t}
            still: dict[Node, Array] = {}
            for n in topological([self.record.loss]):
                if not moved.isdisjoint(n.args):
                    moved.add(n)
                elif n is not t:
                    still[n] = self.values[n]
            ends = []
            for sign in (1, -1):
                fixed = {**self.tied, **still, t: _array(self.values[t] + sign * self.h * v)}
                ends.append(self.run(fixed, self.record.loss).flat[0])
            size = max((_largest(x.size) for n, x in self.known.items() if n in self.values), default=0)
            self.ends[t, free] = Line(_array((ends[0] - ends[1]) / (2 * self.h)), _array(size), 1)
        return self.ends[t, free]


def _has_pull(node: Node) -> bool:
    return any(n.op == "pull" for n in topological([node], lambda n: () if n.op in ("bar", "pull") else n.args))


def _array(x: Any) -> Array:
    return np.asarray(x, dtype=object)


def _apart(a: Array, b: Array) -> Array:
    """Return the difference of two arrays; a masked entry, infinite in both, stays where it is."""
    out = np.empty(a.shape, dtype=object)
    for e in np.ndindex(a.shape):
        out[e] = a[e] - b[e] if a[e] != b[e] else a[e] * 0 if mpmath.isfinite(a[e]) else mpmath.mpf(0)
    return out


def _dot(a: Array, b: Array) -> Any:
    return sum(x * y for x, y in zip(a.flat, b.flat))


def _size_of(value: Array) -> Array:
    """Return absolute values, those of masked entries, which are infinite, left out."""
    out = np.empty(value.shape, dtype=object)
    for e in np.ndindex(value.shape):
        out[e] = abs(value[e]) if mpmath.isfinite(value[e]) else value[e] * 0 if mpmath.isnan(value[e]) else \
            mpmath.mpf(0)
    return out


def _largest(a: Array) -> Any:
    return max((abs(x) for x in a.flat), default=mpmath.mpf(0))
