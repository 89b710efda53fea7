"""A recorded derivation as plain data and back: what `Derivation.save` writes as JSON. Nothing in it is executed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from symgrad.engine.assumptions import Assumption
from symgrad.engine.derivation import Record, Step
from symgrad.graph.node import Node, from_plain, from_rows, to_plain, to_rows
from symgrad.language.composites import restored
from symgrad.language.sound import check_nodes, check_record

SCHEMA = 1


def record_to_plain(r: Record) -> dict[str, Any]:
    """Return a record as plain data, fit for JSON: a table of nodes and rows that refer to it."""
    table: list[Node] = []

    def ref(n: Node) -> int:
        table.append(n)
        return len(table) - 1

    data: dict[str, Any] = {
        "symgrad": SCHEMA,
        "loss": ref(r.loss),
        "wrt": [ref(w) for w in r.wrt],
        "names": [[ref(n), s] for n, s in r.names.items()],
        "given": [ref(n) for n in r.names if n in r.given],
        "calls": [[ref(n), c.name, [ref(a) for a in c.args], list(c.labels), to_plain(c.keywords)]
                  for n, c in r.calls.items()],
        "steps": [
            {
                "rule": s.rule,
                "before": ref(s.before),
                "after": ref(s.after),
                "target": ref(s.target),
                "reason": s.reason,
                "minor": s.minor,
                "assumptions": list(s.assumptions),
            }
            for s in r.steps
        ],
        "values": [[ref(a), ref(b)] for a, b in r.values.items()],
        "results": [[ref(a), ref(b)] for a, b in r.results.items()],
        "resolved": [[ref(a), ref(b)] for a, b in r.resolved.items()],
        "closed": [[ref(a), ref(b)] for a, b in r.closed.items()],
        "kinks": list(r.kinks),
        "reserved": sorted(r.reserved),
        "options": {k: str(v) for k, v in r.options.items()},
        "assumptions": [
            [a.text, [[op, ref(left), [ref(n) for n in right]] for op, left, right in a.parts]] for a in r.assumptions
        ],
    }
    data["nodes"] = to_rows(table)
    return data


def record_from_plain(data: Mapping[str, Any]) -> Record:
    """Return the record that `record_to_plain` stored; wrong data raises the error that reading it gives."""
    if data.get("symgrad") != SCHEMA:
        raise ValueError(f"schema {data.get('symgrad')!r}, expected {SCHEMA}")
    nodes = from_rows(data["nodes"])
    check_nodes(nodes)  # a file may say anything

    def pairs(key: str) -> dict[Node, Node]:
        return {nodes[a]: nodes[b] for a, b in data[key]}

    steps = tuple(
        Step(
            str(s["rule"]),
            nodes[s["before"]],
            nodes[s["after"]],
            nodes[s["target"]],
            str(s["reason"]),
            bool(s["minor"]),
            tuple(map(str, s["assumptions"])),
        )
        for s in data["steps"]
    )
    record = Record(
        loss=nodes[data["loss"]],
        wrt=tuple(nodes[w] for w in data["wrt"]),
        names={nodes[n]: str(s) for n, s in data["names"]},
        given=frozenset(nodes[n] for n in data["given"]),
        calls={nodes[n]: restored(str(name), [nodes[a] for a in args], labels, from_plain(words))
               for n, name, args, labels, words in data["calls"]},
        steps=steps,
        values=pairs("values"),
        results=pairs("results"),
        resolved=pairs("resolved"),
        closed=pairs("closed"),
        kinks=tuple(map(str, data["kinks"])),
        reserved=frozenset(map(str, data.get("reserved", ()))),
        options=dict(data["options"]),
        assumptions=tuple(
            Assumption(str(text), tuple((str(op), nodes[x], tuple(nodes[n] for n in right)) for op, x, right in parts))
            for text, parts in data.get("assumptions", ())
        ),
    )
    check_record(record)
    return record
