"""Verification of Jacobians and Hessians: that what was read off gives the product, and differences of the primal.

The last word has the primal alone: for random u and t, the sum of u_i H_ij t_j is compared with a second difference of
the loss in long arithmetic (a first one of f for a Jacobian), in which no derivative rule takes part. Where a stage
rests on assumptions, the points are such at which those hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symgrad.engine.derivation import Record, Step
from symgrad.engine.judge import Judge, Line, working
from symgrad.engine.points import Points, assuming
from symgrad.engine.reading import Reading, kept_axes
from symgrad.engine.verdict import Check, Verification, numbered
from symgrad.engine.verify import FEWER, OPEN, ask, both
from symgrad.errors import SymgradError
from symgrad.graph.node import Node, einsum, topological
from symgrad.shapes import Shape

Array = Any  # an object array of mpmath numbers

_FURTHER = 2  # points beside the first
_REASONS = {"read_off": "v is arbitrary: each entry of v is 1 in turn, the others 0", "order": "in shorter form"}


def verify_stages(records: Sequence[Record], found: Sequence[Verification], readings: Sequence[Reading],
                  names: Mapping[Node, str], *, digits: int = 50, seed: int = 0) -> Verification:
    """Return the checks of all stages, of every step from a product to what was read off, and of every result.

    Formula: sum over ij of u_i H_ij t_j = d^2/(dh dk) L(a + h u, b + k t), for random u and t.
    """
    checks = [c for v in found for c in v.checks]
    judge = _Reader(records, readings, digits, seed)
    for r in readings:
        of, *by = (names.get(n) or (n.name if n.op == "var" else "f") for n in (r.of, *r.by))
        target = f"d{of}/d{by[0]}" if len(by) == 1 else f"d2{of}/d{by[0]}2" if by[0] == by[1] else \
            f"d2{of}/(d{by[0]} d{by[1]})"
        checks += [judge.step(r, s, target) for s in r.steps]
        checks.append(judge.result(r, target))
    sizes = judge.judges[0].sizes if judge.judges else {}
    return Verification(numbered(checks), digits, sizes, seed, max(1, len(judge.judges)))


class _Reader:
    def __init__(self, records: Sequence[Record], readings: Sequence[Reading], digits: int, seed: int) -> None:
        self.digits, self.missing = digits, ""
        self.below = set(topological([records[0].loss]))
        first = records[0]
        also = [n for r in readings for n in (r.of, r.product, r.result, *r.by, *([r.v] if r.v is not None else []),
                                              *(v for _, v in r.along))]
        roots = [first.loss, *first.resolved.values(), *also]
        whole = topological([first.loss, *also])
        stated = {a.text: a for r in records for a in r.assumptions}
        used = sorted({t for r in records for s in r.steps for t in s.assumptions if t in stated})
        self.judges: list[Judge] = []
        try:
            if used:
                points = [assuming(roots, whole, [stated[t] for t in used], seed, working(digits))]
            else:
                source = Points(roots, whole, seed)
                points = [source.first(working(digits))]
                points += source.further(points[0].sizes, working(FEWER), _FURTHER)
        except SymgradError as error:
            self.missing, points = str(error), []
        for k, point in enumerate(points):
            few = FEWER if k else digits
            self.judges.append(Judge(first, point, few, working(few), seed + k, {}, {}, wide=k > 0))

    def check(self, rule: str, target: str, problem: str, found: bool | None, proved: Sequence[str]) -> Check:
        said = problem if found is False else "" if found else self.missing or OPEN
        return Check(0, rule, target, found is True, tuple(proved) if found else (), said, found is not None)

    # --- steps --------------------------------------------------------------------------------------------------------

    def step(self, r: Reading, s: Step, target: str) -> Check:
        """Check one step: with v put back in the place of what was read off, both sides are the product."""
        before, after = s.before, s.after
        problem, proved = "", [f"{self.digits} digits"]
        found: bool | None = False
        try:
            if s.rule not in _REASONS:
                problem = f"there is no rule called {s.rule!r}"
            elif s.reason != _REASONS[s.rule]:
                problem = f"{s.reason[:80]!r} is no reason that {s.rule} gives here"
            elif s.rule == "read_off":
                if r.v is None or r.v in topological([after]):
                    problem = "v still occurs in what was read off"
                else:
                    after = _product(r, after)
            if not problem and before.shape == after.shape:
                found = ask(self.judges, lambda j: (j.line(before), j.line(after)))
                if self.judges and self.judges[0].exact(before, after):
                    found = True if found is None else found
                    proved.insert(0, "exact modulo 2^61 - 1")
            problem = problem or ("what was read off does not give the product with v" if s.rule == "read_off" else
                                  f"{s.rule} does not lead from one line to the next")
        except SymgradError as e:
            problem, found = str(e), False
        return self.check(s.rule, target, problem, found, proved)

    # --- results ------------------------------------------------------------------------------------------------------

    def result(self, r: Reading, target: str) -> Check:
        """Check a result against differences of the primal along random directions."""
        rule = "second differences of the primal" if r.order == 2 else "differences of the primal"
        problem, found = f"it disagrees with {rule}", None
        try:
            if r.steps and (r.steps[0].before is not r.product or r.steps[-1].after is not r.result):
                problem, found = "the result is not the last line of its derivation", False
            elif any(a.after is not b.before for a, b in zip(r.steps, r.steps[1:])):
                problem, found = "a step does not continue from the line before", False
            elif r.order == 2 and not {*r.by, *(w for w, _ in r.along)} <= self.below:
                problem, found = "it is by something that is no part of the forward pass", False
            elif self.judges and not self.fits(self.judges[0], r):
                problem, found = "its shape is not that of the derivative", False
            else:
                found = ask(self.judges, lambda j: self.sides(j, r))
                if r.kind != "product" and r.order == 1 and not r.of.shape and not r.steps and \
                        r.product is not r.result:
                    found = both(found, ask(self.judges, lambda j: (_flat(j.line(r.product)), _flat(j.line(r.result)))))
        except SymgradError as e:
            problem, found = str(e), False
        return self.check("result", target, problem, found, (rule,))

    def axes(self, r: Reading) -> tuple[Shape, Shape]:
        """Return the shapes of the rows and of the columns of a Jacobian or Hessian."""
        of, last = (r.by[0].shape if r.order == 2 else r.of.shape), r.by[-1].shape
        rows = tuple(of[k] for k in kept_axes(of)) if r.order == 2 or of else ()
        return rows, tuple(last[k] for k in kept_axes(last))

    def fits(self, judge: Judge, r: Reading) -> bool:
        """Return whether the result has the axes that it should have."""
        if r.kind == "product":
            wanted: Shape = r.of.shape if r.forward else r.by[-1].shape
        else:
            rows, columns = self.axes(r)
            wanted = (*rows, *columns)
        return judge.shape(r.result.shape) == judge.shape(wanted)

    def sides(self, j: Judge, r: Reading) -> tuple[Line, Line]:
        """Return u H t by the result, and by differences of the primal."""
        result = j.line(r.result)
        first, last = r.by[0], r.by[-1]
        t = j.random(j.shape(last.shape), "t")
        if r.kind == "product":
            assert r.v is not None
            v = j.line(r.v).value
            if r.forward:  # (df/dx) v against f along v
                u = j.random(result.value.shape, "u")
                return result.along(u), self.slope(j, r.of, [(last, v)], u)
            if r.order == 2:
                return result.along(t), self.slope(j, r.of, [*((w, j.line(x).value) for w, x in r.along), (last, t)])
            return result.along(t), self.slope(j, r.of, [(last, t)], v)
        u = j.random(j.shape(first.shape if r.order == 2 else r.of.shape), "u")
        slope = self.slope(j, r.of, [(first, u), (last, t)]) if r.order == 2 else self.slope(j, r.of, [(last, t)], u)
        rows, columns = map(j.shape, self.axes(r))
        weights = np.multiply.outer(u.reshape(rows), t.reshape(columns))
        return result.along(np.asarray(weights, dtype=object)), slope

    def slope(self, j: Judge, of: Node, along: Sequence[tuple[Node, Array]], weights: Array | None = None) -> Line:
        """Return the derivative of <weights, of> along one direction, or the second along the last and all others."""
        order = 1 if weights is not None else 2
        h = j.context.mpf(10) ** -(j.work // (3 if order == 1 else 4))

        def at(steps: Sequence[tuple[Node, Array]]) -> Any:
            moved: dict[Node, Array] = {}
            for w, d in steps:
                moved[w] = np.asarray(moved.get(w, j.values[w]) + d, dtype=object)
            found = j.run({**j.point.env, **moved}, of)
            return _dot(found, weights) if weights is not None else found.sum()

        largest = max((x for n in topological([of]) for x in j.line(n).size.flat), default=0)
        if weights is not None:
            size = largest * _dot(abs(weights), weights * 0 + 1)
            ends = [at([(w, s * h * d) for w, d in along]) for s in (1, -1)]
            return _number((ends[0] - ends[1]) / (2 * h), size, 1)
        first, last = along[:-1], along[-1]
        out = sum(a * b * at([*((w, a * h * d) for w, d in first), (last[0], b * h * last[1])])
                  for a in (1, -1) for b in (1, -1))
        return _number(out / (4 * h * h), largest, 2)


def _number(value: Any, size: Any, rough: int) -> Line:
    return Line(np.asarray(value, dtype=object), np.asarray(size, dtype=object), rough)


def _flat(line: Line) -> Line:
    return Line(line.value.ravel(), line.size.ravel(), line.rough)


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
