"""The derivation of a record once more: a line that comes out again has the rule and the reason that it had then."""

from __future__ import annotations

from symgrad.engine.derivation import Record, Step
from symgrad.engine.derive import derive
from symgrad.engine.reverse import push
from symgrad.engine.rows import row_of
from symgrad.engine.statements import KINKS, pulls
from symgrad.engine.structure import structured, structures
from symgrad.errors import SymgradError
from symgrad.graph.node import Node, topological


class Replay:
    """What a record says, as it comes out when its loss is differentiated again."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.kink = str(record.options.get("kink", "policy"))
        self.again: Record | None = None
        self.failed = ""
        try:
            self.again = self._derived()
        except SymgradError as error:
            self.failed = f"the loss cannot be differentiated again: {error}"
        self.steps = frozenset(self.again.steps if self.again is not None else ())
        self.lines: dict[tuple[Node, Node, Node], set[tuple[str, str, tuple[str, ...]]]] = {}
        for s in self.steps:
            self.lines.setdefault((s.target, s.before, s.after), set()).add((s.rule, s.reason, s.assumptions))

    def _derived(self) -> Record | None:
        r = self.record
        if self.kink not in KINKS:
            return None
        given = {n: s for n, s in r.names.items() if n in r.given}
        chosen = {n: s for n, s in r.names.items() if n not in r.given}
        again = derive(r.loss, r.wrt, given, hints=chosen, kink=self.kink, assumptions=r.assumptions,
                       loss_name=r.names.get(r.loss, "L"))
        if again.names != r.names:  # then by the record's names, whoever gave them
            again = derive(r.loss, r.wrt, r.names, kink=self.kink, assumptions=r.assumptions)
        return structured(again) if structures(r) else again

    def kinks(self) -> str:
        """Return what is wrong with the kinks that the record lists, or nothing."""
        if self.again is None or tuple(self.record.kinks) == self.again.kinks:
            return self.failed
        return "the kinks are not those of the functions in the forward pass"

    def problem(self, step: Step) -> str:
        """Return what is wrong with the label or the reason of a step whose lines come out again, or nothing."""
        found = self.lines.get((step.target, step.before, step.after))
        if found is None:
            return self._kink_problem(step)
        if (step.rule, step.reason, step.assumptions) in found:
            return ""
        rule, reason, rests = min(found)
        if step.rule != rule:
            return f"the step is {rule}, not {step.rule}"
        if step.reason != reason:
            return f"its reason is {reason!r}, not {step.reason!r}"
        return (f"the step rests on {' and '.join(rests) or 'nothing'}, "
                f"not on {' and '.join(step.assumptions) or 'nothing'}")

    def _kink_problem(self, step: Step) -> str:
        """Return whether the rule of a function with a kink was used as the record's option says."""
        inside = set(topological([step.after], lambda n: () if n.op == "bar" else n.args))
        for p in pulls(step.before) - pulls(step.after):
            c, f, _ = p.args
            if not f.is_elementwise or row_of(f).kink is None or self.kink not in KINKS:
                continue
            moved = [x.cotangent for x in push(f, c, range(len(f.args)), self.kink)]
            if moved and inside.isdisjoint(moved):
                return f"{step.rule} is not used as kink={self.kink!r} says"
        return ""
