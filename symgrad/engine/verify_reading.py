"""Verification of Jacobians and Hessians: that what was read off gives the product, and differences of the primal.

The last word has the primal alone: for random u and t, the sum of u_i H_ij t_j is compared with a second difference of
the loss in long arithmetic (a first one of f for a Jacobian), in which no derivative rule takes part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from symgrad.engine.derivation import Record, Step
from symgrad.engine.reading import Reading, kept_axes
from symgrad.engine.judge import Judge, Line
from symgrad.engine.verdict import Check, Verification
from symgrad.errors import SymgradError
from symgrad.graph.node import Node, einsum, topological, variables
from symgrad.shapes import Shape

Array = Any  # an object array of mpmath numbers


def verify_stages(records: Sequence[Record], found: Sequence[Verification], readings: Sequence[Reading],
                  names: Mapping[Node, str], *, digits: int = 50, seed: int = 0) -> Verification:
    """Return the checks of all stages, of every step from a product to what was read off, and of every result.

    Formula: sum over ij of u_i H_ij t_j = d^2/(dh dk) L(a + h u, b + k t), for random u and t.
    Raises: InputError where no point of the domain was found.
    """
    checks = [c for v in found for c in v.checks]
    judge = _Reader(records, readings, digits, seed)
    for r in readings:
        of, *by = (names.get(n) or n.name for n in (r.of, *r.by))
        target = f"d{of}/d{by[0]}" if len(by) == 1 else f"d2{of}/d{by[0]}2" if by[0] == by[1] else \
            f"d2{of}/(d{by[0]} d{by[1]})"
        checks += [judge.step(r, s, target) for s in r.steps]
        checks.append(judge.result(r, target))
    numbered = [replace(c, number=k) for k, c in enumerate(checks, 1)]
    return Verification(tuple(numbered), digits, judge.judge.sizes, seed)


class _Reader:
    def __init__(self, records: Sequence[Record], readings: Sequence[Reading], digits: int, seed: int) -> None:
        self.readings = readings
        self.judge = Judge(records[0], digits, seed, [n for r in readings for n in (r.product, r.result)])
        j = self.judge
        self.h = j.context.mpf(10) ** (-(j.work // 4))
        self.tolerance = j.context.mpf(10) ** (-(digits // 2 - 5))
        for v in variables([n for r in readings for n in (r.product, r.result, *([r.v] if r.v is not None else []))]):
            if v not in j.point:  # v, and what only a later stage met
                j.point[v] = self.random(self.numbers(v.shape))
        j.held = {**j.point, **j.held}

    def numbers(self, shape: Shape) -> tuple[int, ...]:
        return self.judge.shape(shape)

    def random(self, shape: tuple[int, ...]) -> Array:
        out = np.empty(shape, dtype=object)
        for k in np.ndindex(shape):
            out[k] = self.judge.context.mpf(self.judge.rng.uniform(-1, 1))
        return out

    # --- steps --------------------------------------------------------------------------------------------------------

    def step(self, r: Reading, s: Step, target: str) -> Check:
        """Check one step: with v put back in the place of what was read off, both sides are the product."""
        before, after = s.before, s.after
        problem = ""
        proved = [f"{self.judge.digits} digits"]
        try:
            if s.rule == "read_off":
                if r.v is None or r.v in topological([after]):
                    problem = "v still occurs in what was read off"
                else:
                    after = _product(r, after)
            if not problem and (before.shape != after.shape or not self.agree(before, after)):
                problem = "what was read off does not give the product with v" if s.rule == "read_off" else \
                    f"{s.rule} does not lead from one line to the next"
            elif not problem and self.judge.exact(before, after):
                proved.insert(0, "exact modulo 2^61 - 1")
        except SymgradError as e:
            problem = str(e)
        return Check(0, s.rule, target, not problem, tuple(proved), problem)

    def agree(self, a: Node, b: Node) -> bool:
        point = self.judge.point
        one, other = (self.judge.run(point, n) for n in (a, b))
        size = np.asarray(abs(one) + abs(other))
        return self.judge.agree(Line(one, size), Line(other, size))

    # --- results ------------------------------------------------------------------------------------------------------

    def result(self, r: Reading, target: str) -> Check:
        """Check a result against differences of the primal along random directions."""
        rule = "second differences of the primal" if r.order == 2 else "differences of the primal"
        problem = ""
        try:
            if r.steps and (r.steps[0].before is not r.product or r.steps[-1].after is not r.result):
                problem = "the result is not the last line of its derivation"
            elif not self.holds(r):
                problem = f"it disagrees with {rule}"
        except SymgradError as e:
            problem = str(e)
        return Check(0, "result", target, not problem, () if problem else (rule,), problem)

    def holds(self, r: Reading) -> bool:
        judge = self.judge
        value = judge.run(judge.point, r.result)
        first, last = r.by[0], r.by[-1]
        t = self.random(self.numbers(last.shape))
        if r.kind == "product":
            assert r.v is not None
            v = judge.point[r.v]
            if r.forward:  # (df/dx) v against f along v
                u = self.random(value.shape)
                slope = self.slope(r.of, [(last, v)], u)
                return self.close(_dot(value, u), slope, value, u)
            slope = self.slope(r.of, [(w, judge.point[x]) for w, x in r.along] + [(last, t)], None) if r.order == 2 \
                else self.slope(r.of, [(last, t)], v)
            return self.close(_dot(value, t), slope, value, t)
        of = first.shape if r.order == 2 else r.of.shape
        u = self.random(self.numbers(of))
        slope = self.slope(r.of, [(first, u), (last, t)], None) if r.order == 2 else self.slope(r.of, [(last, t)], u)
        rows = self.numbers(tuple(of[k] for k in kept_axes(of)))
        columns = self.numbers(tuple(last.shape[k] for k in kept_axes(last.shape)))
        if r.order == 1 and not r.of.shape:
            rows = ()
        if value.shape != (*rows, *columns):
            return False
        weights = np.multiply.outer(u.reshape(rows), t.reshape(columns))
        return self.close(_dot(value, weights), slope, value, weights)

    def close(self, found: Any, slope: Any, value: Array, weights: Array) -> bool:
        scale = _dot(abs(value), abs(weights)) + abs(slope)
        bound = scale * self.tolerance + self.noise
        return bool(self.judge.context.isfinite(found) and abs(found - slope) <= bound)

    @cached_property
    def noise(self) -> Any:
        """What a difference of values of this size cannot tell from 0: their rounding error over h**2, and h**2."""
        j = self.judge
        size = max((abs(x) for r in self.readings for x in j.run(j.point, r.of).flat), default=0)
        return (1 + size) * j.context.mpf(10) ** (5 - j.work // 2)

    def slope(self, of: Node, along: Sequence[tuple[Node, Array]], weights: Array | None) -> Any:
        """Return the derivative of <weights, of> along one direction, or the second along the last and all others."""
        judge = self.judge

        def at(steps: Sequence[tuple[Node, Array]]) -> Any:
            fixed: dict[Node, Array] = dict(judge.point)
            for w, d in steps:
                base = fixed.get(w)
                fixed[w] = np.asarray((judge.values[w] if base is None else base) + d, dtype=object)
            found = judge.run(fixed, of)
            return _dot(found, weights) if weights is not None else found.sum()

        if weights is not None:
            ends = [at([(w, s * self.h * d) for w, d in along]) for s in (1, -1)]
            return (ends[0] - ends[1]) / (2 * self.h)
        first, last = along[:-1], along[-1]
        out = 0
        for a in (1, -1):
            for b in (1, -1):
                out += a * b * at([*((w, a * self.h * d) for w, d in first), (last[0], b * self.h * last[1])])
        return out / (4 * self.h * self.h)


def _product(r: Reading, read: Node) -> Node:
    """Return what was read off, contracted with v, in the shape of the product."""
    assert r.v is not None
    own, out = kept_axes(r.v.shape), kept_axes(r.product.shape)
    rows = [("v", k) for k in own]
    columns = [("out", k) for k in out]
    labels = [*columns, *rows] if r.transposed else [*rows, *columns]
    whole = [("v", k) for k in range(r.v.rank)]
    sizes = {("out", k): d for k, d in enumerate(r.product.shape)}
    return einsum([labels, whole], [read, r.v], [("out", k) for k in range(r.product.rank)], sizes)


def _dot(a: Array, b: Array) -> Any:
    return sum(x * y for x, y in zip(np.asarray(a).flat, np.asarray(b).flat))
