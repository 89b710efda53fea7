"""Whether the reason of a step is one that its rule gives: a closed list of words, the formulas in them checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import combinations

from symgrad.engine.derivation import Record, Step
from symgrad.engine.push_reasons import push_reason
from symgrad.engine.rows import row_of
from symgrad.engine.statements import bars, pulls, rule_of
from symgrad.graph.node import Node, topological
from symgrad.graph.text import to_text
from symgrad.rules.structures import BY_RULE as STRUCTURED

SAID = {
    "collect": ("like terms together",), "combine_fractions": ("over one denominator",),
    "factor_out": ("constant factor in front",), "order": ("", "factors in order"),
    "exponential_form": ("written in one function of the forward pass",),
    "matrix_products": ("products of matrices collected",), "definition": ("derivative of the loss",),
    "chain_rule": ("chain rule",),
}  # fmt: skip
SIGNS: dict[str, Callable[[object], bool]] = {
    "> 0": lambda x: x > 0, "< 0": lambda x: x < 0, ">= 0": lambda x: x >= 0, "<= 0": lambda x: x <= 0,  # type: ignore[operator]  # mpmath numbers
}  # fmt: skip
Holds = Callable[[Node, str], bool]


def reason_problem(step: Step, record: Record, holds: Holds) -> str:
    """Return what is wrong with the reason of a step, or nothing; `holds` says whether a node has a sign everywhere."""
    if step.rule in SAID:
        fine = step.reason in SAID[step.rule]
    elif step.rule in STRUCTURED:
        fine = step.reason == STRUCTURED[step.rule].reason
    else:
        fine = _OWN.get(step.rule, _of_push)(step, record, holds)
    return "" if fine else f"{step.reason[:80]!r} is no reason that {step.rule} gives here"


def _of_push(step: Step, record: Record, holds: Holds) -> bool:  # noqa: ARG001  # one signature for all
    for p in pulls(step.before) - pulls(step.after):
        f = p.args[1]
        if rule_of(f) == step.rule:
            places = range(len(f.args))
            if any(push_reason(f, c) == step.reason for k in range(1, len(f.args) + 1) for c in combinations(places, k)
                   if k < 3 or k == len(f.args)):
                return True
    return False


def _of_paths(step: Step, record: Record, holds: Holds) -> bool:  # noqa: ARG001  # one signature for all
    return step.reason == f"one term for each of the {len(pulls(step.after))} uses"


def _of_substitute(step: Step, record: Record, holds: Holds) -> bool:  # noqa: ARG001  # one signature for all
    left = set(bars([step.after], record.names))
    put_in = bars([step.before], record.names)
    gone = {to_text(b, record.names) for b in put_in if b not in left}
    said = step.reason.removeprefix("substitute ").split(", ")
    return step.reason.startswith("substitute ") and gone <= set(said) <= {to_text(b, record.names) for b in put_in}


def _of_cancel(step: Step, record: Record, holds: Holds) -> bool:  # noqa: ARG001  # one signature for all
    if step.reason == "common factors cancel":
        return True
    if not step.reason.endswith(" cancels"):
        return False
    left = step.reason.removesuffix(" cancels")
    for text in sorted(_texts([step.before], record), key=len, reverse=True):
        left = left.replace(text, "")
    return set(left) <= set("*()")


def _of_forward(step: Step, record: Record, holds: Holds) -> bool:  # noqa: ARG001  # one signature for all
    known = {f"{name} = {to_text(n, record.names)}" for n, name in record.names.items()}
    return bool(step.reason) and set(step.reason.split(" and ")) <= known


def _of_assumption(step: Step, record: Record, holds: Holds) -> bool:  # noqa: ARG001  # one signature for all
    return step.reason == f"assuming {' and '.join(step.assumptions)}"


def _of_sign(step: Step, record: Record, holds: Holds) -> bool:
    if step.reason == "its range is known":
        return True
    below = topological([step.before, record.loss], lambda n: () if n.op == "bar" else n.args)
    below += [x for n in below if n.is_elementwise for when, _ in row_of(n).cases for x, _ in when(*n.args)]
    own = {n: name for n, name in record.names.items() if n in record.given}
    # a result is read without the names that were chosen on the way
    nodes = {_sorted(to_text(n, names, expand_root=False)): n for names in (own, record.names) for n in below}
    for said in step.reason.removeprefix("as ").split(" and "):
        sign = next((s for s in sorted(SIGNS, key=len, reverse=True) if said.endswith(f" {s}")), "")
        node = nodes.get(_sorted(said.removesuffix(f" {sign}")))
        if not sign or node is None or not holds(node, sign):
            return False
    return step.reason.startswith("as ")


def _sorted(text: str) -> str:
    """Return a plain sum with its terms in order: 1 + e is e + 1."""
    terms = text.split(" + ")
    return text if " - " in text or any(t.count("(") != t.count(")") for t in terms) else " + ".join(sorted(terms))


def _of_recognised(step: Step, record: Record, holds: Holds) -> bool:  # noqa: ARG001  # one signature for all
    ops = {n.op for n in topological([step.after])} - {"neg", "mul", "div", "add", "sub"}
    ops |= {n.attr[0] for n in topological([step.after]) if n.op == "array"}
    said = step.reason.removeprefix("recognised as ")
    return step.reason != said and said in ops | {step.after.op}


def _texts(lines: Iterable[Node], record: Record) -> set[str]:
    inner = topological(lines, lambda n: () if n.op == "bar" or n in record.names else n.args)
    return {to_text(n, record.names, expand_root=False) for n in inner}


_OWN = {
    "sum_over_paths": _of_paths, "substitute": _of_substitute, "cancel": _of_cancel, "forward_pass": _of_forward,
    "assumption": _of_assumption, "known_sign": _of_sign, "recognise": _of_recognised,
}  # fmt: skip
