"""What a record says besides its equalities: names, composites, assumptions, options, the labels of its steps."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from typing import TypeAlias

from symgrad.engine.assumptions import Part
from symgrad.engine.derivation import Record, Step
from symgrad.engine.rows import row_of
from symgrad.graph.node import Node, topological, variables
from symgrad.graph.text import to_text
from symgrad.rules.arrays import ARRAY_FUNCTIONS, array_row
from symgrad.rules.elementwise import BY_NAME
from symgrad.rules.structures import BY_RULE as STRUCTURED

Composites = Mapping[str, Callable[..., Node]]
Facts: TypeAlias = "Callable[[str, Record], tuple[Part, ...]]"
Equal: TypeAlias = "Callable[[Node, Node], bool]"

KINKS = ("policy", "left", "mean", "right")
BEGINNINGS = frozenset({"definition", "chain_rule", "sum_over_paths"})
MOVES = frozenset({
    "substitute", "cancel", "combine_fractions", "collect", "factor_out", "matrix_products", "order",
    "exponential_form", "forward_pass", "recognise", "assumption", "known_sign",
})  # fmt: skip


def pulls(line: Node) -> set[Node]:
    """Return the pending pullbacks of a line."""
    inner = topological([line], lambda n: () if n.op in ("bar", "pull") else n.args)
    return {n for n in inner if n.op == "pull"}


def bars(lines: Sequence[Node], names: Container[Node]) -> list[Node]:
    """Return the cotangent symbols in lines; named nodes of the forward pass hold none."""
    inner = topological(lines, lambda n: () if n.op == "bar" or n in names else n.args)
    return [n for n in inner if n.op == "bar"]


# --- steps ------------------------------------------------------------------------------------------------------------


def rule_of(node: Node) -> str:
    """Return the name of the rule that differentiates a node."""
    return array_row(node).rule if node.op == "array" else "pull_einsum" if node.op == "einsum" else row_of(node).rule


def rule_problem(step: Step, record: Record) -> str:
    """Return what is wrong with the label of a step, or nothing: it says what is done to pullbacks and symbols."""
    before, after, rule = pulls(step.before), pulls(step.after), step.rule
    if step.before is step.after:
        return f"nothing changes in this step, so it is no {rule}"
    if rule in STRUCTURED:
        return ""
    if rule in BEGINNINGS:
        whole = all(p.args[1] is record.loss for p in after)
        own = "sum_over_paths" if len(after) > 1 else "definition" if whole else "chain_rule"
        return "" if own == rule and after and step.before.op == "bar" else f"{rule} is not how this block begins"
    if rule in MOVES:
        if before or after:
            return f"{rule} is no rule of differentiation"
        if rule == "substitute" and set(bars([step.before], record.names)) <= set(bars([step.after], record.names)):
            return "nothing was put in for a cotangent here"
        if (rule == "assumption") != bool(step.assumptions) and rule in ("assumption", "known_sign", "recognise"):
            return f"{rule} names {'no' if rule == 'assumption' else 'an'} assumption"
        return "" if rule != "recognise" or step.target is record.loss else "only the loss is recognised"
    used = {rule_of(n.args[1]) for n in before - after}
    if rule not in used:
        known = {f"deriv_{op}" for op in BY_NAME} | {"pull_einsum"} | {f.rule for f in ARRAY_FUNCTIONS}
        if rule not in known:
            return f"there is no rule called {rule!r}"
        return f"{rule} is not the rule of what was differentiated here: {', '.join(sorted(used)) or 'nothing'}"
    return ""


# --- the record -------------------------------------------------------------------------------------------------------


def name_problem(record: Record) -> str:
    """Return which name stands for two things or reads as an expression, or nothing."""
    below = topological([record.loss, *record.results.values(), *(n for a in record.assumptions for n in a.nodes)])
    constants = {n.value for n in below if n.op == "const" and isinstance(n.value, str)}
    sizes = {s.name for n in below for d in (*n.shape, *(n.attr if n.op == "size" else ()))
             if not isinstance(d, int) for s in d.free_symbols}
    own = [*record.names.values(), *(v.name for v in variables([record.loss]) if v not in record.names)]
    twice = [name for name, count in Counter([*own, *sizes, *constants]).items() if count > 1]
    if twice:
        return f"the name {twice[0]!r} stands for two things"
    odd = [name for n, name in record.names.items() if n.op != "var" and _is_expression(name)]
    # a user may call a variable anything but what reads as something else that the record speaks of
    odd += [name for name in own if _is_expression(name) and _words(name) and _words(name) <= {*own, *sizes, *BY_NAME}]
    odd += [name for n, name in record.names.items() if n.op != "var" and not name]
    if odd:
        return f"the name {odd[0]!r} is not a name: it reads as an expression"
    return "" if set(record.given) <= set(record.names) else "a name that the user gave is missing"


def _is_expression(name: str) -> bool:
    """Return whether a name could be read as something else: 1/n, f(x), dL/dp."""
    try:
        return not isinstance(ast.parse(name.strip(), mode="eval").body, ast.Name)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def _words(name: str) -> set[str]:
    return {n.id for n in ast.walk(ast.parse(name.strip(), mode="eval")) if isinstance(n, ast.Name)}


def option_problem(record: Record) -> str:
    """Return which option is unknown, or nothing."""
    for key, value in record.options.items():
        if key != "kink":
            return f"there is no option called {key!r}"
        if value not in KINKS:
            return f"kink is {value!r}; it may be {', '.join(KINKS)}"
    return ""


def assumption_problem(record: Record, facts: Facts | None, equal: Equal) -> str:
    """Return which assumption does not say what its text says, or nothing."""
    for text, count in Counter(a.text for a in record.assumptions).items():
        if count > 1:
            return f"the assumption {text!r} is stated twice"
    for a in record.assumptions if facts is not None else ():
        assert facts is not None
        parts = facts(a.text, record)
        if len(parts) != len(a.parts) or any(
                one[0] != other[0] or len(one[2]) != len(other[2])
                or not all(map(equal, (one[1], *one[2]), (other[1], *other[2]))) for one, other in zip(parts, a.parts)):
            said = "; ".join(f"{to_text(x, record.names, expand_root=False)} {op} "
                             f"{', '.join(to_text(n, record.names, expand_root=False) for n in right)}"
                             for op, x, right in a.parts)
            return f"the text {a.text!r} is not what is assumed: {said}"
    return ""


def composite_problem(record: Record, known: Composites, equal: Equal) -> str:
    """Return which composite is not the graph it stands for, or nothing."""
    below = set(topological([record.loss]))
    for node, call in record.calls.items():
        if node not in below:
            continue
        if call.name not in known:
            return f"there is no composite called {call.name!r}"
        operands, named = call.bound()
        graph = known[call.name](*operands, **named)
        if graph.shape != node.shape or not equal(graph, node):
            return f"{call.name}(...) as it is written is not what stands in the graph"
    return ""
