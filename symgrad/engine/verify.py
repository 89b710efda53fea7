"""Verification: every step of a record is proved again, by means that share nothing with the rule that made it.

A pending pullback is evaluated from the primal by central differences in long arithmetic, never from a rule. The two
sides of a step must agree to `digits` digits at a random point with all dimensions distinct; where sides without
pullbacks also agree exactly modulo a large prime, transcendental nodes being atoms (Schwartz-Zippel), that is said.
Each block must end in the directional derivative of the loss, and each line must continue from the one before.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np

from symgrad.engine.derivation import Record, Step
from symgrad.engine.derive import derive
from symgrad.engine.evaluate import distinct_sizes, evaluate, evaluate_mod_p, random_env
from symgrad.errors import SymgradError
from symgrad.graph.node import Node, topological
from symgrad.graph.text import to_text
from symgrad.shapes import evaluate as size_value

Array = Any  # an object array of mpmath numbers


@dataclass(frozen=True)
class Check:
    """The verdict on one step: what proved it, or what speaks against it."""

    number: int
    rule: str
    target: str
    ok: bool
    proved: tuple[str, ...]
    problem: str = ""

    def __str__(self) -> str:
        head = f"{self.number:3d}  {self.target:<12} {self.rule:<20}"
        return f"{head} ok    {', '.join(self.proved)}" if self.ok else f"{head} FALSE {self.problem}"


@dataclass(frozen=True)
class Verification:
    """The verdict on a derivation: `ok`, one check a step, and one a result."""

    checks: tuple[Check, ...]
    digits: int
    sizes: Mapping[str, int]
    seed: int

    @property
    def ok(self) -> bool:
        return all(c.ok for c in self.checks)

    @property
    def failures(self) -> tuple[Check, ...]:
        return tuple(c for c in self.checks if not c.ok)

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        where = ", ".join(f"{k} = {v}" for k, v in self.sizes.items())
        foot = (
            f"{sum(c.ok for c in self.checks)} of {len(self.checks)} checks hold ({self.digits} digits"
            + (f"; {where}" if where else "")
            + ")"
        )
        return "\n".join([*map(str, self.checks), foot])


class _Judge:
    def __init__(self, record: Record, digits: int, seed: int) -> None:
        self.record, self.digits = record, digits
        self.rng = random.Random(seed)  # noqa: S311  # test points, no secrets
        self.work = 2 * digits
        self.context = mpmath.MPContext()
        self.context.dps = self.work
        self.h = self.context.mpf(10) ** (-(digits // 2 + 2))
        roots = [record.loss, *record.resolved.values()]
        self.sizes = distinct_sizes([record.loss])
        self.point = random_env(roots, self.rng, self.sizes, self.work)
        forward = topological([record.loss])
        self.values: dict[Node, Array] = dict(
            zip(forward, evaluate(forward, self.point, digits=self.work, sizes=self.sizes))
        )
        named = [n for n in forward if n in record.names or n in record.wrt]
        # named nodes are held; what lies between them is computed anew
        self.held = {n: self.values[n] for n in (*self.point, *named)}
        self.bars: dict[Node, Array] = {}
        self.jacobians: dict[tuple[Node, Node], list[Array]] = {}
        self.names = record.names

    def run(self, fixed: Mapping[Node, Array], node: Node) -> Array:
        return evaluate([node], fixed, digits=self.work, sizes=self.sizes)[0]

    # --- pullbacks from the primal ----------------------------------------------------------------------------------

    def jacobian(self, f: Node, w: Node) -> list[Array]:
        """Return df/dw[e] for every entry e of w, other named nodes held, by central differences."""
        key = (f, w)
        if key not in self.jacobians:
            base = self.values[w]
            out = []
            for e in np.ndindex(base.shape):
                both = []
                for sign in (1, -1):
                    moved = base.copy()
                    moved[e] = moved[e] + sign * self.h
                    fixed = {**self.held, w: moved}
                    if f is not w:
                        fixed.pop(f, None)
                    both.append(self.run(fixed, f))
                out.append(np.asarray((both[0] - both[1]) / (2 * self.h), dtype=object))
            self.jacobians[key] = out
        return self.jacobians[key]

    def line(self, node: Node) -> Array:
        """Return the value of one line, pullbacks taken from the primal."""
        fixed: dict[Node, Array] = dict(self.held)
        forward = self.values
        for n in topological(
            [node], lambda n: () if n.op == "bar" or n in forward else n.args[:1] if n.op == "pull" else n.args
        ):
            if n.op == "bar":
                if n.args[1] not in self.bars:
                    raise _Problem(f"{to_text(n, self.names)} is used before it is derived")
                fixed[n] = self.bars[n.args[1]]
            elif n.op == "pull":
                c, f, w = n.args
                weights = self.run(fixed, c)
                total = np.empty(self.values[w].shape, dtype=object)
                for e, d in zip(np.ndindex(total.shape), self.jacobian(f, w)):
                    total[e] = _dot(weights, d)
                fixed[n] = total
        return self.run(fixed, node)

    def agree(self, a: Array, b: Array) -> bool:
        """Return whether two arrays agree to all but a few of the digits asked for, entry by entry."""
        if a.shape != b.shape:
            return False
        scale = max((abs(x) for x in (*a.flat, *b.flat)), default=self.context.mpf(0))
        bound = scale * self.context.mpf(10) ** (-(self.digits - 8))
        return all(
            self.context.isfinite(x) and self.context.isfinite(y) and abs(x - y) <= bound
            for x, y in zip(a.flat, b.flat)
        )

    def directional(self, t: Node, value: Array) -> bool:
        """Compare <value, v> with the derivative of the loss when t moves along a random v."""
        base = self.values[t]
        v = np.empty(base.shape, dtype=object)
        for e in np.ndindex(base.shape):
            v[e] = self.context.mpf(self.rng.uniform(-1, 1))
        ends = []
        for sign in (1, -1):
            fixed = {**self.point, t: np.asarray(base + sign * self.h * v, dtype=object)}
            ends.append(self.run(fixed, self.record.loss).flat[0])
        slope = (ends[0] - ends[1]) / (2 * self.h)
        product = _dot(value, v)
        scale = abs(slope) + sum(abs(x * y) for x, y in zip(value.flat, v.flat))
        return bool(abs(product - slope) <= scale * self.context.mpf(10) ** (-(self.digits - 8)))

    def exact(self, before: Node, after: Node) -> bool | None:
        """Return whether two lines without pullbacks are one rational function, modulo a prime; None: undecided."""
        if any(n.op == "pull" for n in topological([before, after], lambda n: () if n.op == "bar" else n.args)):
            return None
        try:
            a, b = evaluate_mod_p([before, after], {}, sizes=self.sizes, rng=self.rng)
        except SymgradError:
            return None  # a zero divisor among the residues: the digits decide
        return bool((a == b).all())


def _dot(a: Array, b: Array) -> Any:
    return sum(x * y for x, y in zip(a.flat, b.flat))


class _Problem(Exception):
    pass


def verify(record: Record, *, digits: int = 50, seed: int = 0) -> Verification:
    """Prove every step and every result of a record; planted or accidental false steps are named.

    Formula: before = after for each step, <dL/dt, v> = d/dh L(t + h v) for each block.
    Shapes: sizes are small distinct numbers. Raises: InputError where no point of the domain was found.
    """
    judge = _Judge(record, digits, seed)
    replayed = _replay(record)
    judge.bars[record.loss] = _ones(judge, record.loss)
    checks: list[Check] = []
    previous: Step | None = None
    for number, step in enumerate(record.steps, 1):
        target = to_text(step.target, record.names, expand_root=False)
        # what was recognised in the input is a list of equalities, no chain
        first = previous is None or previous.target is not step.target or step.target is record.loss
        proved: list[str] = []
        problem = ""
        try:
            if not first and previous is not None and previous.after is not step.before:
                problem = f"does not continue from the line before ({previous.rule})"
            elif step.before.shape != step.after.shape:
                problem = f"the shape changes from {step.before.shape} to {step.after.shape}"
            elif first and step.before.op == "bar":
                value = judge.line(step.after)
                judge.bars[step.target] = value
                if judge.directional(step.target, value):
                    proved.append("directional derivative of the loss")
                else:
                    problem = "the right side is not the derivative of the loss"
            elif not judge.agree(judge.line(step.before), judge.line(step.after)):
                problem = (
                    f"{_short(step.before, record)} and {_short(step.after, record)} differ at a random point, "
                    f"so {step.rule} does not lead from one to the other"
                )
            else:
                if step.rule.startswith(("deriv_", "pull_")):
                    proved.append(f"central differences of the primal, {digits} digits")
                else:
                    proved.append(f"{digits} digits")
                if judge.exact(step.before, step.after):
                    proved.insert(0, "exact modulo 2^61 - 1")
            if not problem and step in replayed:
                proved.append("replayed")
        except _Problem as e:
            problem = str(e)
        checks.append(
            Check(
                number,
                step.rule,
                f"dL/d{target}" if step.before.op != "var" else target,
                not problem,
                tuple(proved),
                problem,
            )
        )
        previous = step
    checks += _results(judge, record, len(checks))
    return Verification(tuple(checks), digits, judge.sizes, seed)


def _results(judge: _Judge, record: Record, count: int) -> list[Check]:
    """Check that each result is the last line of its block and the gradient of the loss."""
    last = {s.target: s.after for s in record.steps}
    out = []
    for number, w in enumerate(record.wrt, count + 1):
        name = f"dL/d{to_text(w, record.names, expand_root=False)}"
        problem = ""
        result = record.results.get(w)
        if result is None:
            problem = "there is no result"
        else:
            value = judge.run({k: v for k, v in judge.held.items() if k is not result or k in judge.point}, result)
            if not judge.directional(w, value):
                problem = f"{_short(result, record)} is not the gradient of the loss"
            elif w in last:
                try:
                    if not judge.agree(judge.line(last[w]), value):
                        problem = "the result is not the last line of its derivation"
                except _Problem as e:
                    problem = str(e)
        out.append(
            Check(
                number, "result", name, not problem, () if problem else ("directional derivative of the loss",), problem
            )
        )
    return out


def _ones(judge: _Judge, loss: Node) -> Array:
    out = np.empty(tuple(size_value(d, judge.sizes) for d in loss.shape), dtype=object)
    out[...] = judge.context.mpf(1)
    return out


def _short(node: Node, record: Record) -> str:
    text = to_text(node, record.names)
    return text if len(text) <= 90 else text[:87] + "..."


def _replay(record: Record) -> frozenset[Step]:
    """Run the derivation again; a step that comes out once more, node for node, was not tampered with."""
    again = derive(record.loss, record.wrt, record.names, kink=str(record.options.get("kink", "policy")))
    return frozenset(again.steps)
