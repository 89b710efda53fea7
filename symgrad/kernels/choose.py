"""Which form of each gradient a kernel computes: the closed form where it is shorter, else the chain of layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from symgrad.engine.derivation import Record
from symgrad.engine.derive import bar
from symgrad.graph.node import Node, replace, topological


@dataclass(frozen=True)
class Chosen:
    """Gradients by name, and names for the cotangents on the way."""

    grads: Mapping[str, Node]
    names: Mapping[Node, str]


def _work(node: Node, free: set[Node], limit: int) -> int:
    """Return the number of operations below the node that are not free, counted up to just above the limit."""
    count = 0
    seen: set[Node] = set()
    stack = [node]
    while stack and count <= limit:
        n = stack.pop()
        if n in seen or n in free or n.is_leaf:
            continue
        seen.add(n)
        count += 1
        stack.extend(n.args)
    return count


def _numbers(roots: Sequence[Node], forward: set[Node]) -> set[Node]:
    """Return the nodes that are made of numbers and sizes alone, such as n*k: they take no work on arrays."""
    found: set[Node] = set()
    for n in topological(roots, lambda n: () if n in forward or n.op == "bar" else n.args):
        if n.op in ("const", "size") or (n.args and all(a in found for a in n.args)):
            found.add(n)
    return found


def choose(record: Record) -> Chosen:
    """Return the gradients of a derivation in the form that takes the fewest operations.

    A cotangent in closed form, (P - Y)/n, is taken where it needs fewer operations than the chain dL/dP * P * (1 - P):
    it is also the one that stays accurate where P is 0 or 1. Elsewhere the chain shares its work among all gradients.
    """
    forward = set(topological([record.loss]))
    free = forward | _numbers([*record.values.values(), *record.closed.values()], forward)
    form: dict[Node, Node] = {}
    by_bar: dict[Node, Node] = {}
    for target, value in record.values.items():
        inner = topological([value], lambda n: () if n.op == "bar" or n in forward else n.args)
        bars = {n: by_bar[n] for n in inner if n.op == "bar"}
        chain = replace([value], bars, fixed=forward)[0] if bars else value
        closed = record.closed.get(target)
        if closed is not None and closed is not chain:
            limit = _work(closed, free, 1_000_000)
            if _work(chain, free, limit) > limit:
                chain = closed
        form[target] = chain
        by_bar[bar(record.loss, target)] = chain
    names = {v: f"{record.names[t]}_bar" for t, v in form.items() if t in record.names}
    return Chosen({record.names.get(w) or w.name: form[w] for w in record.wrt}, names)

