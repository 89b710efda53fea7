"""Apply rewrites to a graph until none applies: each node once, however large or deep the graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

from symgrad.engine.assumptions import Assumption
from symgrad.engine.match import Matcher
from symgrad.engine.ranges import Ranges
from symgrad.engine.views import Views
from symgrad.errors import LimitExceeded, SymgradError
from symgrad.graph.node import Node, make, topological
from symgrad.rules.row import Rewrite


class Applied(NamedTuple):
    """One rewrite that was made: `before` equals `after` by the rule of this name, where the assumptions hold."""

    rule: str
    before: Node
    after: Node
    assumptions: tuple[str, ...] = ()


def rewrite(roots: Sequence[Node], rules: tuple[Rewrite, ...],
            assumptions: Sequence[Assumption] = ()) -> tuple[list[Node], list[Applied]]:
    """Return the roots with the rules applied from left to right wherever they match, and the rewrites made, in order.

    Formula: a node is tried as it was written, then with its arguments rewritten, until no rule matches; earlier rules
    go first. A rule with a condition is used where ranges and the assumptions say that it holds, and nowhere else.
    What two users share is rewritten once. Time is linear in the nodes for a given table.
    Raises: SymgradError where rules lead back to where they started; LimitExceeded where they grow without end.
    """
    matchers = _by_op(rules)
    views, ranges = Views(), Ranges(assumptions)
    needed: dict[Node, tuple[str, ...]] = {}  # node that was rewritten -> the assumptions behind it

    def find(node: Node) -> tuple[str, Node] | None:
        for matcher in matchers.get(node.op, ()):
            found = matcher.apply(node, views, ranges)
            if found is not None and found[0] is not node:
                needed[node] = tuple(a.text for a in assumptions if a in found[1])
                return matcher.rule.name, found[0]
        return None

    new, log = transform(roots, find)
    return new, [step._replace(assumptions=needed[step.before]) for step in log]


@lru_cache(maxsize=64)
def _by_op(rules: tuple[Rewrite, ...]) -> dict[str, list[Matcher]]:
    out: dict[str, list[Matcher]] = {}
    for rule in rules:
        matcher = Matcher(rule)
        for op in matcher.ops:
            out.setdefault(op, []).append(matcher)
    return out


def transform(roots: Sequence[Node],
              find: Callable[[Node], tuple[str, Node] | None]) -> tuple[list[Node], list[Applied]]:
    """Return the roots after `find` has said for every node what to put in its place (a name and a node), or None."""
    final: dict[Node, Node] = {}
    turned: dict[Node, Node] = {}  # node -> what it became, whose own end is still looked for
    opened: set[Node] = set()
    log: list[Applied] = []
    limit = 1000 + 20 * len(topological(roots))
    stack = list(reversed(roots))

    def push(node: Node) -> None:
        if node in opened and node not in final:
            names = ", ".join(sorted({a.rule for a in log[-20:]}))
            raise SymgradError(f"rewrites lead back to where they started, at {node!r}; the last rules used: {names}")
        stack.append(node)

    while stack:
        node = stack[-1]
        if node in final:
            stack.pop()
        elif node in turned:
            final[node] = final[turned[node]]
            stack.pop()
        elif node not in opened:
            opened.add(node)
            hit = find(node)
            if hit is not None:
                name, after = hit
                if after.shape != node.shape:
                    raise SymgradError(f"the rewrite {name!r} changes the shape {node.shape} to {after.shape}")
                log.append(Applied(name, node, after))
                if len(log) > limit:
                    raise LimitExceeded(f"more than {limit} rewrites; the last rule, {name!r}, may grow without end")
                turned[node] = after
                push(after)
            else:
                for arg in reversed(node.args):
                    if arg not in final:
                        push(arg)
        else:
            args = [final[a] for a in node.args]
            same = all(a is b for a, b in zip(args, node.args))
            rebuilt = node if same else make(node.op, args, node.attr, node.shape)
            if rebuilt is node:
                final[node] = node
                stack.pop()
            else:
                turned[node] = rebuilt
                push(rebuilt)
    return [final[r] for r in roots], log
