"""A derivation as plain data, for programs that read it: the printed page, formulas as text and LaTeX."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from symgrad.engine.derivation import Record
from symgrad.graph.node import Node
from symgrad.graph.text import to_text
from symgrad.render.latex import tex_page
from symgrad.render.layout import unmarked
from symgrad.render.names import Namer
from symgrad.render.outline import outline
from symgrad.render.page import Chain
from symgrad.render.plain import page_of
from symgrad.render.style import PLAIN, Style
from symgrad.shapes import show


def derivation_to_data(record: Record, *, names: Mapping[str, str] | None = None, detail: str = "standard",
                       style: Style = PLAIN) -> dict[str, Any]:
    """Return forward pass, chains, gradients and notes as lists and dicts that JSON can hold."""
    plan = outline(record, detail)
    page = page_of(plan, style)
    parts = {s.kind: s.chains for s in page.sections()}
    count = len(plan.recognised)
    forward = parts.get("forward", ())

    def chain(c: Chain) -> dict[str, Any]:
        said = [(text, line.rule, line.said) if line is not None else (text, "", "") for text, line in c.rows]
        return {"of": c.head, "lines": [{"text": t, "rule": rule, "reason": why} for t, rule, why in said]}

    data = {
        "notation": style.notation,
        "layout": style.layout,
        "loss": record.names.get(record.loss, "L"),
        "forward": [{"name": record.names[n], "of": c.head, "text": c.rows[0][0]}
                    for n, c in zip(plan.forward, forward[count:])],
        "recognised": [{"from": c.head, "to": text} for c in forward[:count] for text, _ in c.rows],
        "backward": [chain(c) for c in parts.get("backward", ())],
        "results": results_to_data(record, names=names, detail=detail, style=style),
        "assumptions": [{"text": a.text, "used_in": list(record.assumptions_used.get(a.text, ()))}
                        for a in record.assumptions],
        "notes": list(page.notes()),
    }
    if "changes" in parts:
        data["differentials"] = [chain(c) for c in parts["changes"]]
    return data


def results_to_data(record: Record, *, names: Mapping[str, str] | None = None, detail: str = "result",
                    style: Style = PLAIN) -> dict[str, dict[str, str]]:
    """Return each gradient by the name of its variable: what it is of, its shape, its formula as text and as LaTeX."""
    plan = outline(record, detail)
    _, tex, _ = tex_page(plan, Namer(names), style)
    (in_tex,) = [s.chains for s in tex if s.kind == "results"]
    (in_text,) = [s.chains for s in page_of(plan, style).sections() if s.kind == "results"]
    return {
        record.names.get(w) or w.name: {
            "shape": show(_shape(w, style)),
            "of": to_text(head, record.names, expand_root=False) if style == PLAIN else a.head,
            "latex_of": b.head,
            "text": a.rows[0][0],
            "latex": unmarked(b.rows[0][0]),
        }
        for w, (head, _), a, b in zip(record.wrt, plan.results, in_text, in_tex)
    }


def _shape(w: Node, style: Style) -> Any:
    return w.shape[::-1] if style.numerator and style.notation != "index" and w.rank == 2 else w.shape
