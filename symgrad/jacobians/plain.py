"""What was read off as plain data and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from symgrad.engine.derivation import Step
from symgrad.engine.reading import Reading
from symgrad.graph.node import Node, from_rows, to_rows
from symgrad.language.sound import check_nodes

_NODES = ("of", "product", "result")


def reading_from_plain(data: Mapping[str, Any]) -> Reading:
    """Return the reading that `Jacobian.to_json` stored."""
    nodes: list[Node] = from_rows(data["nodes"])
    check_nodes(nodes)
    steps = tuple(Step(str(s["rule"]), nodes[s["before"]], nodes[s["after"]], nodes[s["target"]], str(s["reason"]))
                  for s in data["steps"])
    return Reading(
        **{k: nodes[data[k]] for k in _NODES}, by=tuple(nodes[k] for k in data["by"]),
        v=None if data["v"] is None else nodes[data["v"]], steps=steps, transposed=bool(data["transposed"]),
        kind=str(data["kind"]), forward=bool(data["forward"]),
        along=tuple((nodes[a], nodes[b]) for a, b in data["along"]),
    )  # fmt: skip


def reading_to_plain(r: Reading) -> dict[str, Any]:
    """Return a reading as plain data: a table of nodes and numbers that refer to it."""
    table: list[Node] = []

    def ref(n: Node) -> int:
        table.append(n)
        return len(table) - 1

    data: dict[str, Any] = {k: ref(getattr(r, k)) for k in _NODES}
    data |= {
        "by": [ref(n) for n in r.by], "v": None if r.v is None else ref(r.v), "transposed": r.transposed,
        "kind": r.kind, "forward": r.forward, "along": [[ref(a), ref(b)] for a, b in r.along],
        "steps": [{"rule": s.rule, "before": ref(s.before), "after": ref(s.after), "target": ref(s.target),
                   "reason": s.reason} for s in r.steps],
    }  # fmt: skip
    data["nodes"] = to_rows(table)
    return data
