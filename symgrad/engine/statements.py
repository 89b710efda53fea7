"""What a record says besides its equalities: the names of its rules and nodes, its composites, its kinks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from symgrad.engine.derivation import Record, Step
from symgrad.engine.rows import row_of
from symgrad.graph.node import Node, topological, variables
from symgrad.rules.arrays import ARRAY_FUNCTIONS, array_row
from symgrad.rules.elementwise import BY_NAME
from symgrad.rules.structures import BY_RULE as STRUCTURED

Composites = Mapping[str, Callable[..., Node]]

MOVES = frozenset({
    "definition", "chain_rule", "sum_over_paths", "substitute", "cancel", "combine_fractions", "collect", "factor_out",
    "matrix_products", "order", "exponential_form", "forward_pass", "recognise", "assumption", "known_sign",
})  # fmt: skip


def pulls(line: Node) -> set[Node]:
    """Return the pending pullbacks of a line."""
    inner = topological([line], lambda n: () if n.op in ("bar", "pull") else n.args)
    return {n for n in inner if n.op == "pull"}


def _rule_of(node: Node) -> str:
    """Return the name of the rule that differentiates a node."""
    return array_row(node).rule if node.op == "array" else "pull_einsum" if node.op == "einsum" else row_of(node).rule


def rule_problem(step: Step) -> str:
    """Return what is wrong with the name of a rule, or nothing: a rule belongs to the operation it is used on."""
    if step.rule in MOVES or step.rule in STRUCTURED:
        return ""
    used = {_rule_of(n.args[1]) for n in pulls(step.before) - pulls(step.after)}
    if step.rule not in used:
        known = {f"deriv_{op}" for op in BY_NAME} | {"pull_einsum"} | {f.rule for f in ARRAY_FUNCTIONS}
        if step.rule not in known:
            return f"there is no rule called {step.rule!r}"
        return f"{step.rule} is not the rule of what was differentiated here: {', '.join(sorted(used)) or 'nothing'}"
    return ""


def name_problem(record: Record) -> str:
    """Return which name stands for two nodes, or nothing."""
    own = [*record.names.values(), *(v.name for v in variables([record.loss]) if v not in record.names)]
    twice = [name for name, count in Counter(own).items() if count > 1]
    return f"the name {twice[0]!r} stands for two things" if twice else ""


def composite_problem(record: Record, known: Composites, equal: Callable[[Node, Node], bool]) -> str:
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
