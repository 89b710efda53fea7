"""A derivation as plain data, for programs that read it: the outline of the printed one, formulas as text and LaTeX."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from symgrad.engine.derivation import Record
from symgrad.graph.node import Node
from symgrad.graph.text import to_text
from symgrad.render.latex import node_to_latex
from symgrad.render.outline import Block, outline, result_names, visible
from symgrad.shapes import show


def derivation_to_data(record: Record, *, names: Mapping[str, str] | None = None,
                       detail: str = "standard") -> dict[str, Any]:
    """Return forward pass, chains, gradients and notes as lists and dicts that JSON can hold."""
    plan = outline(record, detail)

    def right(node: Node) -> str:
        return to_text(node, record.names, expand_root=False)

    def chain(block: Block) -> dict[str, Any]:
        head = right(block.head)
        return {"of": head, "lines": [{"text": text, "rule": line.rule, "reason": line.reason}
                                      for text, line in visible(block, head, right)]}

    return {
        "loss": record.names.get(record.loss, "L"),
        "forward": [{"name": record.names[n], "text": to_text(n, record.names, calls=record.calls)}
                    for n in plan.forward],
        "recognised": [{"from": to_text(b.head, record.names), "to": to_text(line.node, record.names)}
                       for b in plan.recognised for line in b.lines],
        "backward": [chain(b) for b in plan.blocks],
        "results": results_to_data(record, names=names, detail=detail),
        "assumptions": [{"text": a.text, "used_in": list(record.assumptions_used.get(a.text, ()))}
                        for a in record.assumptions],
        "notes": list(plan.notes),
    }


def results_to_data(record: Record, *, names: Mapping[str, str] | None = None,
                    detail: str = "result") -> dict[str, dict[str, str]]:
    """Return each gradient by the name of its variable: what it is of, its shape, its formula as text and as LaTeX."""
    return {
        record.names.get(w) or w.name: {
            "shape": show(w.shape),
            "of": to_text(head, record.names, expand_root=False),
            "latex_of": node_to_latex(head, record.names, latex_names=names, expand_root=False),
            "text": to_text(node, result_names(record, node)),
            "latex": node_to_latex(node, result_names(record, node), latex_names=names),
        }
        for w, (head, node) in zip(record.wrt, outline(record, detail).results)
    }
