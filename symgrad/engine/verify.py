"""Verification: every step of a record is proved again, by means that share nothing with the rule that made it.

A pending pullback is evaluated from the primal by central differences in long arithmetic, never from a rule. The two
sides of a step must agree to `digits` digits at a random point with all dimensions distinct; where sides without
pullbacks also agree exactly modulo a large prime, transcendental nodes being atoms (Schwartz-Zippel), that is said.
Each block must end in the directional derivative of the loss, and each line must continue from the one before.
A step that rests on assumptions is held against a point where those hold and nothing else is known to; every other step
against a point where none need hold.
"""

from __future__ import annotations

import random
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np

from symgrad.engine.assumptions import Assumption
from symgrad.engine.derivation import Record, Step
from symgrad.engine.derive import bar, derive
from symgrad.engine.evaluate import distinct_sizes, evaluate, evaluate_mod_p, random_env
from symgrad.engine.named import derivation, functions
from symgrad.engine.rows import row_of
from symgrad.engine.satisfy import satisfying
from symgrad.engine.statements import Composites, composite_problem, name_problem, pulls, rule_problem
from symgrad.engine.structure import structure_problem, structures
from symgrad.errors import InputError, SymgradError
from symgrad.graph.node import Node, topological, var
from symgrad.graph.text import function_name, to_text
from symgrad.rules.arrays import array_row, passing
from symgrad.rules.structures import BY_RULE
from symgrad.shapes import Shape
from symgrad.shapes import evaluate as size_value

Array = Any  # an object array of mpmath numbers


_DRAWS = 24  # points tried for one off the kinks
_ASSUMING_DRAWS = 6  # the same among the points where assumptions hold, which take longer
_TAME = 10**6
_LINEAR = frozenset({"add", "sub", "mul", "div", "neg", "einsum"})  # the size of a term follows from its parts'


@dataclass(frozen=True)
class Line:
    """The value of a line, and the size of its terms, to which a difference of two lines is compared."""

    value: Array
    size: Array


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


class Judge:
    """Evaluates the lines of a record at one random point, in long arithmetic."""

    def __init__(self, record: Record, digits: int, seed: int, also: Sequence[Node] = (),
                 assumptions: Sequence[Assumption] = ()) -> None:
        """`also` are nodes that shall have values at the point; at the point the `assumptions` hold."""
        self.record, self.digits = record, digits
        self.rng = random.Random(seed)  # noqa: S311  # test points, no secrets
        self.work = 2 * digits
        self.context = mpmath.MPContext()
        self.context.dps = self.work
        self.h = self.context.mpf(10) ** (-(self.work // 3))  # truncation and rounding then cost the same
        self.tolerance = self.context.mpf(10) ** (-(digits - 8))
        roots = [record.loss, *record.resolved.values(), *also]
        forward = topological([record.loss])
        self.roots, self.assumptions = roots, assumptions
        self.sizes = distinct_sizes([record.loss, *also])
        whole = topological([record.loss, *also]) if also else forward
        try:
            self.point, self.values, tame = self._off_kinks(self._drawn(), whole)
        except InputError:
            if assumptions:
                raise
            tame = False
        if not tame and not assumptions:
            # inv(A @ X) has no value, or one of rounding errors, where the inner size is the smaller one
            first = (self.sizes, self.point, self.values) if hasattr(self, "point") else None
            self.sizes = distinct_sizes([record.loss, *also], descending=True)
            try:
                self.point, self.values, tame = self._off_kinks(self._drawn(), whole)
            except InputError:
                if first is None:
                    raise
            if not tame and first is not None:
                self.sizes, self.point, self.values = first
        asked = set(record.wrt)
        named = [n for n in forward if n in record.names or n in asked]
        # named nodes are held; what lies between them is computed anew
        self.held = {**self.point, **{n: self.values[n] for n in named}}
        self.bars: dict[Node, Line] = {}
        self.structures = structures(record)
        self.jacobians: dict[tuple[Node, Node], list[Array]] = {}
        self.names = record.names
        self.terms: dict[Node, Array] = {}
        for n in forward:
            self.terms[n] = self._size(n, self.values, self.terms)

    def shape(self, shape: Shape) -> tuple[int, ...]:
        """Return a shape in the sizes of this point."""
        return tuple(size_value(d, self.sizes) for d in shape)

    def run(self, fixed: Mapping[Node, Array], node: Node, more: int = 0) -> Array:
        """Return the value of a node, those in `fixed` given."""
        return evaluate([node], fixed, digits=self.work + more, sizes=self.sizes)[0]

    def _off_kinks(
        self, point: dict[Node, Array], forward: Sequence[Node]
    ) -> tuple[dict[Node, Array], dict[Node, Array], bool]:
        """Return a point off all kinks, where no value is huge, the values there, and True; else the point given.

        relu(relu(x)) is on the kink wherever x < 0, so signs are tried. Differences of huge values say nothing.
        """
        rows = [(n, row_of(n)) for n in forward if n.is_elementwise and len({*n.args}) == len(n.args)]
        kinks = [row.kink(*n.args) for n, row in rows if row.kink is not None]
        first: tuple[dict[Node, Array], dict[Node, Array]] | None = None
        trial = point
        for attempt in range(_DRAWS):
            found = evaluate([*forward, *kinks], trial, digits=self.work, sizes=self.sizes)
            values = dict(zip(forward, found))
            if first is None:
                first = trial, values
            tame = all(abs(x) < _TAME for n, v in values.items() if n.op not in ("const", "size") for x in v.flat)
            if tame and not any(x == 0 for v in found[len(forward) :] for x in v.flat):
                return trial, values, True
            if self.assumptions:
                if attempt >= _ASSUMING_DRAWS:
                    break
                trial = self._again()
                continue
            trial = dict(point)
            for n, v in point.items():
                if n.op == "var" and n.attr[1] == "real":
                    sign = (1, -1)[attempt] if attempt < 2 else self.rng.choice([-1, 1])
                    trial[n] = _array(abs(v) * sign * self.context.mpf(self.rng.uniform(0.2, 1.2)))
        assert first is not None
        return *first, False

    def _drawn(self) -> dict[Node, Array]:
        """Return a random point; where assumptions hold, the sizes are those at which they do."""
        if not self.assumptions:
            return random_env(self.roots, self.rng, self.sizes, self.work)
        self.sizes, point = satisfying(self.roots, self.assumptions, self.rng, self.work)
        return point

    def _again(self) -> dict[Node, Array]:
        """Return another point at which the assumptions hold, at the same sizes."""
        while True:
            sizes, point = satisfying(self.roots, self.assumptions, self.rng, self.work)
            if sizes == self.sizes:
                return point

    # --- pullbacks from the primal ----------------------------------------------------------------------------------

    def jacobian(self, f: Node, w: Node) -> list[Array]:
        """Return df/dw[e] for every entry e of w, other named nodes held, by central differences."""
        key = (f, w)
        if w not in self.values:
            raise _Problem(f"{to_text(w, self.names)} is no part of the forward pass")
        if key not in self.jacobians:
            base = self.values[w]
            # what differences of values of this size cannot tell from 0
            region = topological([f], lambda n: () if n in self.held and n is not f else n.args)
            largest = max(1, *(_largest(self.values[n]) for n in region if n in self.values))
            noise = self.context.mpf(10) ** (-self.digits) * largest
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
                slope = _array((both[0] - both[1]) / (2 * self.h))
                out.append(_array(np.where(abs(slope) > noise, slope, self.context.mpf(0))))
            self.jacobians[key] = out
        return self.jacobians[key]

    def line(self, node: Node) -> Line:
        """Return the value of one line, pullbacks taken from the primal, and the size of its terms."""
        fixed: dict[Node, Array] = dict(self.held)
        sizes: dict[Node, Array] = {}
        forward = self.values

        def inputs(n: Node) -> Sequence[Node]:
            return () if n.op == "bar" or n in forward else n.args[:1] if n.op == "pull" else n.args

        for n in topological([node], inputs):
            if n.op == "bar":
                if n.args[1] not in self.bars:
                    raise _Problem(f"{to_text(n, self.names)} is used before it is derived")
                fixed[n], sizes[n] = self.bars[n.args[1]].value, self.bars[n.args[1]].size
            elif n.op == "pull":
                c, f, w = n.args
                slopes = self.jacobian(f, w)
                fixed[n] = self._each(w, [_dot(fixed[c], d) for d in slopes])
                sizes[n] = self._each(w, [_dot(sizes[c], _array(abs(d))) for d in slopes])
            else:
                if n not in fixed:
                    fixed[n] = forward[n] if n in forward else self.run(fixed, n)
                sizes[n] = self.terms[n] if n in forward else self._size(n, fixed, sizes)
        return Line(fixed[node], sizes[node])

    def _size(self, n: Node, values: Mapping[Node, Array], sizes: Mapping[Node, Array]) -> Array:
        """Return the size of the terms that a node adds up, from those of its arguments."""
        linear = n.op in _LINEAR or (n.op == "array" and array_row(n).linear)
        if not linear or not n.args:
            return _array(abs(values[n]))
        through = passing(n)  # what chooses entries stays what it is
        below = [sizes[a] if a in through else values[a] for a in n.args]
        if n.op in ("add", "sub"):
            return _array(below[0] + below[1])
        if n.op == "mul":
            return _array(below[0] * below[1])
        if n.op == "div":
            return _array(below[0] / abs(values[n.args[1]]))
        return below[0] if n.op == "neg" else self.run(dict(zip(n.args, below)), n)

    def lines(self, nodes: Sequence[Node]) -> list[Line]:
        """Return the values of many nodes without cotangents, what they share computed once."""
        order = topological(nodes, lambda n: () if n in self.terms else n.args)
        values = dict(zip(order, evaluate(order, self.held, digits=self.work, sizes=self.sizes)))
        sizes: dict[Node, Array] = {}
        for n in order:
            sizes[n] = self.terms[n] if n in self.terms else self._size(n, values, sizes)
        return [Line(values[n], sizes[n]) for n in nodes]

    def _each(self, w: Node, entries: Sequence[Any]) -> Array:
        out = np.empty(self.values[w].shape, dtype=object)
        for e, x in zip(np.ndindex(out.shape), entries):
            out[e] = x
        return out

    def settle(self, line: Line) -> Line:
        """Return the line as what later lines start from: terms that did not cancel need not be remembered."""
        whole = _largest(line.value)
        if whole * 10**10 < _largest(line.size):
            return line
        return Line(line.value, _array(line.value * 0 + whole))

    def agree(self, a: Line, b: Line) -> bool:
        """Return whether two lines agree to all but a few of the digits asked for, relative to their terms."""
        if a.value.shape != b.value.shape:
            return False
        bound = max(_largest(a.size), _largest(b.size)) * self.tolerance
        return all(
            self.context.isfinite(x) and self.context.isfinite(y) and abs(x - y) <= bound
            for x, y in zip(a.value.flat, b.value.flat)
        )

    def directional(self, t: Node, line: Line, free: bool = True) -> bool:
        """Compare <value, v> with the derivative of the loss when t moves along a random v.

        With `free` a structured variable moves with all entries that are one with those of v.
        """
        if t not in self.values:
            raise _Problem(f"{to_text(t, self.names)} is no part of the forward pass")
        base = self.values[t]
        v = self._each(t, [self.context.mpf(self.rng.uniform(-1, 1)) for _ in range(base.size)])
        product = _dot(line.value, v)
        scale = sum((abs(x * y) for x, y in zip(line.size.flat, v.flat)), self.context.mpf(0))
        if free and t in self.structures:
            along = var("v", t.shape)
            v = self.run({along: v}, self.structures[t].moves(along))
        # a slope far below the loss needs more digits of the loss
        loss = _largest(self.values[self.record.loss])
        ratio = loss / scale if scale else self.context.mpf(1)
        more = max(0, int(self.context.log10(ratio))) if ratio > 1 else 0
        ends = []
        for sign in (1, -1):
            fixed = {**self.point, t: _array(base + sign * self.h * v)}
            ends.append(self.run(fixed, self.record.loss, more).flat[0])
        slope = (ends[0] - ends[1]) / (2 * self.h)
        bound = (abs(slope) + scale if scale else 1 + loss) * self.tolerance
        return bool(abs(product - slope) <= bound)

    def exact(self, before: Node, after: Node) -> bool | None:
        """Return whether two lines without pullbacks are one rational function, modulo a prime; None: undecided."""
        if any(n.op == "pull" for n in topological([before, after], lambda n: () if n.op == "bar" else n.args)):
            return None
        try:
            a, b = evaluate_mod_p([before, after], {}, sizes=self.sizes, rng=self.rng)
        except SymgradError:
            return None  # a zero divisor among the residues: the digits decide
        return bool((a == b).all())


def _array(x: Any) -> Array:
    return np.asarray(x, dtype=object)


def _dot(a: Array, b: Array) -> Any:
    return sum(x * y for x, y in zip(a.flat, b.flat))


def _largest(a: Array) -> Any:
    return max((abs(x) for x in a.flat), default=mpmath.mpf(0))


class _Problem(Exception):
    pass


class _Judges:
    """One judge for each set of assumptions that something rests on, the one without any first."""

    def __init__(self, record: Record, digits: int, seed: int) -> None:
        self.record, self.digits, self.seed = record, digits, seed
        self.stated = {a.text: a for a in record.assumptions}
        self.known: dict[frozenset[str], Judge | str] = {}
        self.general = self._new(())
        rests: dict[Node, set[str]] = {}
        for step in record.steps:
            rests.setdefault(step.target, set()).update(step.assumptions)
        self.rests = rests
        used = {n.args[1]: None for s in record.steps for n in _bars([s.before, s.after], record)}
        below = {t: {n.args[1] for n in _bars([v], record)} for t, v in record.values.items()}
        for _ in used:  # what rests on assumptions makes what is built from it rest on them
            before = sum(map(len, rests.values()))
            for t, others in below.items():
                for o in others:
                    rests.setdefault(t, set()).update(rests.get(o, ()))
            if sum(map(len, rests.values())) == before:
                break

    def _new(self, texts: Sequence[str]) -> Judge:
        judge = Judge(self.record, self.digits, self.seed, assumptions=[self.stated[t] for t in texts])
        ones = _ones(judge, self.record.loss)
        judge.bars[self.record.loss] = Line(ones, ones)
        return judge

    def of(self, texts: Iterable[str]) -> Judge:
        """Return the judge at a point where these assumptions hold; its cotangents are the true ones."""
        key = frozenset(texts)
        if not key:
            return self.general
        if key not in self.known:
            self.known[key] = self._made(key)
        found = self.known[key]
        if isinstance(found, str):
            raise _Problem(found)
        return found

    def _made(self, key: frozenset[str]) -> Judge | str:
        unknown = sorted(key - self.stated.keys())
        if unknown:
            return f"it rests on {' and '.join(unknown)}, which nobody stated"
        try:
            judge = self._new(sorted(key))
            done: set[Node] = set()
            for step in self.record.steps:
                first = step.target not in done and step.before is bar(self.record.loss, step.target)
                if first:
                    done.add(step.target)
                    judge.bars[step.target] = judge.settle(judge.line(step.after))
        except (SymgradError, _Problem) as error:
            return str(error)
        return judge

    def for_target(self, t: Node) -> Judge:
        """Return the judge for what the record keeps of a target."""
        return self.of(self.rests.get(t, ()))


def _bars(lines: Sequence[Node], record: Record) -> list[Node]:
    inner = topological(lines, lambda n: () if n.op == "bar" or n in record.names else n.args)
    return [n for n in inner if n.op == "bar"]


def verify(record: Record, *, digits: int = 50, seed: int = 0, composites: Composites | None = None) -> Verification:
    """Prove every step and every result of a record; planted or accidental false steps are named.

    With `composites` (name -> graph) the record's composites are held against their graphs too.
    Formula: before = after for each step, <dL/dt, v> = d/dh L(t + h v) for each block.
    Shapes: sizes are small distinct numbers. Raises: InputError where no point of the domain was found.
    """
    judges = _Judges(record, digits, seed)
    judge = judges.general
    kink = str(record.options.get("kink", "policy"))
    again = derive(record.loss, record.wrt, record.names, kink=kink, assumptions=record.assumptions)
    replayed = frozenset(again.steps)  # a step that comes out once more, node for node, was not tampered with
    checks: list[Check] = []
    ends: dict[Node, Step] = {}  # target -> the step that its chain has come to
    for number, step in enumerate(record.steps, 1):
        target = to_text(step.target, record.names, expand_root=False)
        # what was recognised in the input is a list of equalities, no chain
        listed = step.target is record.loss and step.rule == "recognise"
        before = ends.get(step.target)
        proved: list[str] = []
        problem = ""
        try:
            if before is not None and not listed and before.after is not step.before:
                problem = f"does not continue from the line before ({before.rule})"
            elif step.before.shape != step.after.shape:
                problem = f"the shape changes from {step.before.shape} to {step.after.shape}"
            elif before is None and not listed and step.before is not bar(record.loss, step.target):
                problem = f"the derivation of dL/d{target} begins with something else"
            elif before is None and not listed:
                line = judge.line(step.after)
                judge.bars[step.target] = judge.settle(line)
                if judge.directional(step.target, line, free=False):
                    proved.append("directional derivative of the loss")
                else:
                    problem = "the right side is not the derivative of the loss"
            elif step.rule in BY_RULE:
                at = judges.of(step.assumptions)
                moved = at.line(BY_RULE[step.rule].moves(step.before))
                line = at.line(step.after)
                if not (at.agree(moved, line) and at.directional(step.target, line)):
                    problem = f"{_short(step.after, record)} is not the derivative by the free entries"
                problem = problem or structure_problem(record, step)
                proved.append("directional derivative of the loss along the structure")
            elif not _agrees(judges.of(step.assumptions), step):
                where = " where " + " and ".join(step.assumptions) if step.assumptions else ""
                problem = (
                    f"{_short(step.before, record)} and {_short(step.after, record)} differ at a random point{where}, "
                    f"so {step.rule} does not lead from one to the other"
                )
            else:
                if step.rule.startswith(("deriv_", "pull_")):
                    proved.append(f"central differences of the primal, {digits} digits")
                elif step.assumptions:
                    proved.append(f"{digits} digits at a point where {' and '.join(step.assumptions)}")
                else:
                    proved.append(f"{digits} digits")
                if judge.exact(step.before, step.after):
                    proved.insert(0, "exact modulo 2^61 - 1")
            problem = problem or rule_problem(step)
            if not problem and step in replayed:
                proved.append("replayed")
        except (_Problem, SymgradError) as e:  # a line that has no value is false too
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
        ends[step.target] = step
    checks += _results(judges, record, len(checks))
    checks += _said(judge, record, again, len(checks), composites)
    checks += _named(record, len(checks), digits, seed)
    checks += _kept(judges, record, len(checks), {c.target for c in checks if not c.ok})
    return Verification(tuple(checks), digits, judge.sizes, seed)


def _agrees(judge: Judge, step: Step) -> bool:
    return judge.agree(judge.line(step.before), judge.line(step.after))


def _results(judges: _Judges, record: Record, count: int) -> list[Check]:
    """Check that each result is the last line of its block and the gradient of the loss."""
    last = {s.target: s.after for s in record.steps}
    out = []
    for number, w in enumerate(record.wrt, count + 1):
        name = f"dL/d{to_text(w, record.names, expand_root=False)}"
        problem = ""
        result = record.results.get(w)
        try:
            judge = judges.for_target(w)
            if result is None:
                problem = "there is no result"
            elif not judge.directional(w, judge.line(result)):
                problem = f"{_short(result, record)} is not the gradient of the loss"
            elif w in last and pulls(last[w]):
                problem = "its derivation stops before the end"
            elif w not in last and w is not record.loss and not (result.op == "const" and result.value == 0):
                problem = "it has no derivation"
            elif w in last and not judge.agree(judge.line(last[w]), judge.line(result)):
                problem = "the result is not the last line of its derivation"
        except (_Problem, SymgradError) as e:
            problem = str(e)
        out.append(
            Check(
                number, "result", name, not problem, () if problem else ("directional derivative of the loss",), problem
            )
        )
    return out


def _named(record: Record, count: int, digits: int, seed: int) -> list[Check]:
    """Prove the derivatives of the functions that the user named, each by its own derivation."""
    out: list[Check] = []
    for attr in functions([s.after for s in record.steps]):
        block = derivation(attr)
        if block is not None:
            failed = [c.problem for c in verify(block, digits=digits, seed=seed).checks if not c.ok]
            how = () if failed else (f"{len(block.steps)} steps, each proved",)
            number = count + len(out) + 1
            out.append(Check(number, "derivative", function_name(attr), not failed, how, "; ".join(failed)))
    return out


def _said(judge: Judge, record: Record, again: Record, count: int, composites: Composites | None) -> list[Check]:
    """Check the names, the kinks and the composites of a record; only what is wrong is listed."""
    found = [("names", name_problem(record))]
    if tuple(record.kinks) != again.kinks:
        found.append(("kinks", "the kinks are not those of the functions in the forward pass"))
    if composites is not None:

        def equal(a: Node, b: Node) -> bool:
            one, other = judge.lines([a, b])
            return judge.agree(one, other)

        found.append(("composites", composite_problem(record, composites, equal)))
    wrong = [(kind, problem) for kind, problem in found if problem]
    return [Check(count + k, kind, "the record", False, (), problem) for k, (kind, problem) in enumerate(wrong, 1)]


def _kept(judges: _Judges, record: Record, count: int, failed: Container[str]) -> list[Check]:
    """Check what the record keeps besides its lines: the cotangents that kernels and printers take from it."""
    out: list[Check] = []

    def found(kind: str, t: Node, problem: str) -> None:
        name = f"dL/d{to_text(t, record.names, expand_root=False)}"
        if name not in failed:
            out.append(Check(count + len(out) + 1, kind, name, False, (), problem))

    for kind, kept in (("values", record.values), ("resolved", record.resolved), ("closed", record.closed)):
        try:
            groups: dict[frozenset[str], dict[Node, Node]] = {}
            for t, v in kept.items():
                groups.setdefault(frozenset(judges.rests.get(t, ())), {})[t] = v
            for texts, group in groups.items():
                judge = judges.of(texts)
                lines = [judge.line(v) for v in group.values()] if kind == "values" else judge.lines([*group.values()])
                for t, line in zip(group, lines):
                    if not (judge.agree(line, judge.bars[t]) if t in judge.bars and t not in judge.structures
                            else judge.directional(t, line)):
                        found(kind, t, f"{_short(kept[t], record)} is not what the derivation ends in")
        except (_Problem, SymgradError) as e:
            found(kind, record.loss, str(e))
        for t in () if kind == "closed" else [t for t in (*judges.general.bars, *record.wrt) if t not in kept]:
            if t is not record.loss:
                found(kind, t, "it is missing")
    return out


def _ones(judge: Judge, loss: Node) -> Array:
    out = np.empty(tuple(size_value(d, judge.sizes) for d in loss.shape), dtype=object)
    out[...] = judge.context.mpf(1)
    return out


def _short(node: Node, record: Record) -> str:
    text = to_text(node, record.names)
    return text if len(text) <= 90 else text[:87] + "..."
