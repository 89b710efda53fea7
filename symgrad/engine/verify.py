"""Verification: every step of a record is proved again, by means that share nothing with the rule that made it.

A pending pullback is evaluated from the primal by central differences in long arithmetic, never from a rule. The two
sides of a step must agree to `digits` digits at a random point with all dimensions distinct, and to fewer at further
points of both signs and several magnitudes; where sides without pullbacks also agree exactly modulo a large prime,
transcendental nodes being atoms (Schwartz-Zippel), that is said. Each block must end in the directional derivative of
the loss, and each line must continue from the one before. A step that rests on assumptions is held against points where
those hold and nothing else is known to; every other step against points where none need hold. Where no point is found,
or no number of digits tells, a check is open: neither true nor false.
"""

from __future__ import annotations

from collections.abc import Container, Iterable

from symgrad.engine.derivation import Record, Step
from symgrad.engine.derive import bar
from symgrad.engine.judge import LEAST, Judge, Line, Pair, Problem, working
from symgrad.engine.named import derivation, functions
from symgrad.engine.points import Points, assuming
from symgrad.engine.replay import Replay
from symgrad.engine.statements import (
    Composites,
    Facts,
    assumption_problem,
    bars,
    composite_problem,
    name_problem,
    option_problem,
    pulls,
    rule_problem,
)
from symgrad.engine.step_reasons import SIGNS, reason_problem
from symgrad.engine.structure import structure_problem, structures
from symgrad.engine.verdict import Check, Verification
from symgrad.errors import InputError, SymgradError
from symgrad.graph.node import Node, topological
from symgrad.graph.text import function_name, to_text
from symgrad.rules.structures import BY_RULE

FEWER = 15  # digits asked for at the further points
_WORK = ((250, 8), (4_000, 3))  # entries evaluated a point -> further points; 1 where there are more
_ASSUMING = 2  # points for each set of assumptions
OPEN = "its terms cancel so far that no number of digits tells"


class _Judges:
    """The judges at points where nothing is assumed, and those for each set of assumptions that something rests on."""

    def __init__(self, record: Record, digits: int, seed: int) -> None:
        self.record, self.digits, self.seed = record, digits, seed
        self.stated = {a.text: a for a in record.assumptions}
        self.structures = structures(record)
        self.sources: dict[Node, Node] = {}  # target -> the line from which its cotangent is taken
        self.roots = [record.loss, *record.resolved.values()]
        self.whole = topological([record.loss])
        self.missing = ""  # why there is no point
        self.sizes: dict[str, int] = {}
        self.general = self._general()
        self.known: dict[frozenset[str], list[Judge] | str] = {}
        self.rests = _rests(record)

    def _general(self) -> list[Judge]:
        points = Points(self.roots, self.whole, self.seed)
        try:
            first = points.first(working(self.digits))
        except InputError as error:
            self.missing = str(error)
            return []
        self.sizes = first.sizes
        load = sum(v.size for v in first.values.values()) * (1 + len(self.record.values))
        count = next((n for limit, n in _WORK if load < limit), 1)
        wide = points.further(first.sizes, working(FEWER), count)
        judges = [Judge(self.record, first, self.digits, working(self.digits), self.seed, self.sources,
                        self.structures)]
        return judges + [Judge(self.record, p, FEWER, working(FEWER), self.seed + k, self.sources, self.structures,
                               wide=True) for k, p in enumerate(wide, 1)]

    def of(self, texts: Iterable[str]) -> list[Judge]:
        """Return the judges at points where these assumptions hold; [] where there are none, and `missing` says why."""
        key = frozenset(texts)
        if not key:
            return self.general
        unknown = sorted(key - self.stated.keys())
        if unknown:
            raise Problem(f"it rests on {' and '.join(unknown)}, which nobody stated")
        if key not in self.known:
            self.known[key] = self._assuming(key)
        found = self.known[key]
        if isinstance(found, str):
            self.missing = found
            return []
        return found

    def _assuming(self, key: frozenset[str]) -> list[Judge] | str:
        facts = [self.stated[t] for t in sorted(key)]
        out: list[Judge] = []
        for k in range(_ASSUMING):
            digits = FEWER if k else self.digits
            try:
                point = assuming(self.roots, self.whole, facts, self.seed + k, working(digits))
            except SymgradError as error:
                if not out:
                    return str(error)
                break
            out.append(Judge(self.record, point, digits, working(digits), self.seed + k, self.sources, self.structures,
                             wide=k > 0))
        return out

    def begin(self, t: Node, steps: list[Step]) -> None:
        """Choose the line from which the cotangent of a target is taken: the first one without pullbacks, if it holds.

        A block that never gets there is evaluated where it begins, entry by entry of its pullbacks.
        """
        first = steps[0].after
        known = {*self.sources, self.record.loss}
        end = next((s.after for s in steps if not pulls(s.after)), None)
        lines = [end] if end is not None and not any(s.assumptions for s in steps) else []
        for line in [*lines, first]:
            if not {n.args[1] for n in bars([line], self.record.names)} <= known or line.shape != t.shape:
                continue
            self.sources[t] = line
            if line is first or all(_holds(j, t, line) is not False for j in self.general[:1]):
                return
            del self.sources[t]


def _holds(judge: Judge, t: Node, line: Node) -> bool | None:
    """Return whether a line is the directional derivative of the loss."""
    try:
        return judge.same(lambda j: (j.line(line).along(j.direction(t)), j.slope(t, free=False)))
    except (Problem, SymgradError):
        return False


def _rests(record: Record) -> dict[Node, set[str]]:
    """Return for each target the assumptions that what the record keeps of it rests on."""
    rests: dict[Node, set[str]] = {}
    for step in record.steps:
        rests.setdefault(step.target, set()).update(step.assumptions)
    below = {t: {n.args[1] for n in bars([v], record.names)} for t, v in record.values.items()}
    used = {n.args[1] for s in record.steps for n in bars([s.before, s.after], record.names)}
    for _ in used:  # what rests on assumptions makes what is built from it rest on them
        before = sum(map(len, rests.values()))
        for t, others in below.items():
            for o in others:
                rests.setdefault(t, set()).update(rests.get(o, ()))
        if sum(map(len, rests.values())) == before:
            break
    return rests


def ask(judges: list[Judge], pair: Pair) -> bool | None:
    """Return whether two lines are one at every point that tells; None where none does."""
    found: set[bool | None] = set()
    for judge in judges:
        found.add(judge.same(pair))
        if False in found:
            return False
    return True if True in found else None


class _Run:
    """One verification under way."""

    def __init__(self, record: Record, digits: int, seed: int, composites: Composites | None,
                 facts: Facts | None) -> None:
        self.record, self.digits, self.seed, self.composites, self.facts = record, digits, seed, composites, facts
        self.judges = _Judges(record, digits, seed)
        self.replay = Replay(record)
        self.checks: list[Check] = []

    def add(self, rule: str, target: str, found: bool | None, problem: str = "", proved: Iterable[str] = ()) -> None:
        """Add a check: False makes it false with the problem, None makes it open."""
        said = problem if found is False else "" if found else self.judges.missing or OPEN
        self.checks.append(Check(len(self.checks) + 1, rule, target, found is True, tuple(proved) if found else (),
                                 said, found is not None))

    def steps(self) -> None:
        ends: dict[Node, Step] = {}  # target -> the step that its chain has come to
        blocks: dict[Node, list[Step]] = {}
        for step in self.record.steps:
            if not _listed(self.record, step):
                blocks.setdefault(step.target, []).append(step)
        for step in self.record.steps:
            target = to_text(step.target, self.record.names, expand_root=False)
            if step.target not in ends and not _listed(self.record, step):
                self.judges.begin(step.target, blocks[step.target])
            problem, found = "", None
            proved: tuple[str, ...] = ()
            try:
                problem, found, proved = self.step(step, ends.get(step.target), target)
                problem = problem or rule_problem(step, self.record) or self.replay.problem(step) or \
                    reason_problem(step, self.record, self.has_sign)
                if problem:
                    found = False
                elif found and step in self.replay.steps:
                    proved = (*proved, "replayed")
            except (Problem, SymgradError) as e:  # a line that has no value is false too
                problem, found = str(e), False
            self.add(step.rule, f"dL/d{target}" if step.before.op != "var" else target, found, problem, proved)
            ends[step.target] = step

    def step(self, step: Step, before: Step | None, target: str) -> tuple[str, bool | None, tuple[str, ...]]:
        """Return what is wrong with a step, whether it holds, and what proves it."""
        judges, t, listed = self.judges, step.target, _listed(self.record, step)
        if before is not None and not listed and before.after is not step.before:
            return f"does not continue from the line before ({before.rule})", False, ()
        if step.before.shape != step.after.shape:
            return f"the shape changes from {step.before.shape} to {step.after.shape}", False, ()
        if before is None and not listed and step.before is not bar(self.record.loss, t):
            return f"the derivation of dL/d{target} begins with something else", False, ()
        if before is None and not listed:
            # which paths there are does not depend on the point; the results are held against the loss at each
            found = ask(judges.general[:1], lambda j: (j.projected(step.after, t), j.slope(t, free=False)))
            return ("the right side is not the derivative of the loss" if found is False else "", found,
                    ("directional derivative of the loss",))
        if step.rule in BY_RULE:
            moved = BY_RULE[step.rule].moves(step.before)
            at = judges.of(step.assumptions)
            found = both(ask(at, lambda j: (j.line(moved), j.line(step.after))),
                          ask(at, lambda j: (j.line(step.after).along(j.direction(t)), j.slope(t))))
            problem = f"{_short(step.after, self.record)} is not the derivative by the free entries" \
                if found is False else structure_problem(self.record, step)
            return problem, found, ("directional derivative of the loss along the structure",)
        at = judges.of(step.assumptions)
        pending = bool(pulls(step.before) or pulls(step.after))
        exact = not pending and bool(at) and at[0].exact(step.before, step.after)
        if pending:
            found = ask(at, lambda j: (j.projected(step.before, t), j.projected(step.after, t)))
        else:
            found = ask(at, lambda j: (j.line(step.before), j.line(step.after)))
        found = True if found is None and exact else found
        if found is False:
            where = " where " + " and ".join(step.assumptions) if step.assumptions else ""
            return (f"{_short(step.before, self.record)} and {_short(step.after, self.record)} differ at a random "
                    f"point{where}, so {step.rule} does not lead from one to the other"), False, ()
        how = f"central differences of the primal, {self.digits} digits" if pending else \
            f"{self.digits} digits at a point where {' and '.join(step.assumptions)}" if step.assumptions else \
            f"{self.digits} digits"
        return "", found, (*(["exact modulo 2^61 - 1"] if exact else []), how)

    def has_sign(self, node: Node, sign: str) -> bool:
        """Return whether a node has a sign at every point."""
        return all(SIGNS[sign](x) for j in self.judges.general for x in j.line(node).value.flat)

    def results(self) -> None:
        """Check that each result is the last line of its block and the gradient of the loss."""
        record = self.record
        last = {s.target: s.after for s in record.steps if not _listed(record, s)}
        for w in record.wrt:
            name = f"dL/d{to_text(w, record.names, expand_root=False)}"
            result = record.results.get(w)
            problem = ""
            found: bool | None = False
            try:
                if result is None:
                    problem = "there is no result"
                elif w in last and pulls(last[w]):
                    problem = "its derivation stops before the end"
                elif w not in last and w is not record.loss and not (result.op == "const" and result.value == 0):
                    problem = "it has no derivation"
                elif result.shape != w.shape:
                    problem = f"its shape is {result.shape} where that of the variable is {w.shape}"
                else:
                    problem, found = self._result(w, result, last.get(w))
            except (Problem, SymgradError) as e:
                problem, found = str(e), False
            self.add("result", name, found, problem, ("directional derivative of the loss",))

    def _result(self, w: Node, result: Node, last: Node | None) -> tuple[str, bool | None]:
        at = self.judges.of(self.judges.rests.get(w, ()))
        found = ask(at, lambda j: (j.line(result).along(j.direction(w)), j.slope(w)))
        if found is False:
            return f"{_short(result, self.record)} is not the gradient of the loss", False
        if last is not None and last is not result:
            same = ask(at, lambda j: (j.line(last), j.line(result)))
            if same is False:
                return "the result is not the last line of its derivation", False
            found = both(found, same)
        return "", found

    def said(self) -> None:
        """Check what the record says besides its lines; only what is wrong is listed."""
        record = self.record
        found = [("names", name_problem(record)), ("options", option_problem(record)), ("kinks", self.replay.kinks())]

        def equal(a: Node, b: Node) -> bool:
            return a is b or ask(self.judges.general, lambda j: (j.line(a), j.line(b))) is True

        try:
            found.append(("assumptions", assumption_problem(record, self.facts, equal)))
        except SymgradError as error:  # a text in names that the loss does not reach
            found.append(("assumptions", f"an assumption cannot be read: {error}"))
        if self.composites is not None:
            found.append(("composites", composite_problem(record, self.composites, equal)))
        for kind, problem in found:
            if problem:
                self.add(kind, "the record", False, problem)

    def named(self) -> None:
        """Prove the derivatives of the functions that the user named, each by its own derivation."""
        for attr in functions([s.after for s in self.record.steps]):
            block = derivation(attr)
            if block is not None:
                proved = verify(block, digits=self.digits, seed=self.seed)
                found = False if proved.failures else True if proved.ok else None
                self.add("derivative", function_name(attr), found, "; ".join(c.problem for c in proved.failures),
                         (f"{len(block.steps)} steps, each proved",))

    def kept(self, failed: Container[str]) -> None:
        """Check what the record keeps besides its lines: the cotangents that kernels and printers take from it."""
        record, judges = self.record, self.judges
        begun = {s.target for s in record.steps if not _listed(record, s)}
        for kind, kept in (("values", record.values), ("resolved", record.resolved), ("closed", record.closed)):
            missing = () if kind == "closed" else [t for t in (*begun, *record.wrt) if t not in kept]
            wrong = dict.fromkeys([t for t in missing if t is not record.loss], "it is missing")
            for t, value in kept.items():
                try:
                    if value.shape != t.shape:
                        raise Problem(f"its shape is {value.shape} where {t.shape} is due")
                    at = judges.of(judges.rests.get(t, ()))
                    if ask(at, lambda j: self._ends(j, t, value)) is False:  # noqa: B023  # asked at once
                        wrong[t] = f"{_short(value, record)} is not what the derivation ends in"
                except (Problem, SymgradError) as e:
                    wrong[t] = str(e)
            for t, problem in wrong.items():
                name = f"dL/d{to_text(t, record.names, expand_root=False)}"
                if name not in failed:
                    self.add(kind, name, False, problem)

    def _ends(self, judge: Judge, t: Node, value: Node) -> tuple[Line, Line]:
        if t in judge.sources and t not in judge.structures:
            return judge.line(value), judge.bar(t)
        return judge.line(value).along(judge.direction(t)), judge.slope(t)


def both(a: bool | None, b: bool | None) -> bool | None:
    return False if a is False or b is False else True if a and b else None


def _listed(record: Record, step: Step) -> bool:
    """Return whether a step is one of the equalities that were recognised in the input, which are no chain."""
    return step.target is record.loss and step.rule == "recognise"


def verify(record: Record, *, digits: int = 50, seed: int = 0, composites: Composites | None = None,
           facts: Facts | None = None) -> Verification:
    """Prove every step and every result of a record; planted or accidental false steps are named.

    With `composites` (name -> graph) the record's composites are held against their graphs too, with `facts` (text and
    record -> parts) its assumptions against their texts.
    Formula: before = after for each step, <dL/dt, v> = d/dh L(t + h v) for each block.
    Shapes: sizes are small distinct numbers. Raises: InputError for fewer than 10 digits.
    """
    if digits < LEAST:
        raise InputError(f"digits is {digits}; fewer than {LEAST} do not tell a gradient from a false one. "
                         f"Leave it out for 50")
    run = _Run(record, digits, seed, composites, facts)
    run.steps()
    run.results()
    run.said()
    run.named()
    run.kept({c.target for c in run.checks if not c.ok})
    judges = run.judges
    return Verification(tuple(run.checks), digits, judges.sizes, seed, max(1, len(judges.general)))


def _short(node: Node, record: Record) -> str:
    text = to_text(node, record.names)
    return text if len(text) <= 90 else text[:87] + "..."
