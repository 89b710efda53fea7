"""Why a push holds, in words: what the step of a derivative rule says beside its formula."""

from __future__ import annotations

from collections.abc import Sequence

from symgrad.engine.rows import row_of
from symgrad.graph.node import NAMED, Node, make, topological
from symgrad.graph.text import to_text
from symgrad.rules.arrays import array_row

_REASONS = {
    "add": "sum rule",
    "sub": "sum rule",
    "neg": "constant factor",
    "mul": "product rule",
    "div": "quotient rule",
    "pow": "power rule",
}


def push_reason(f: Node, wanted: Sequence[int]) -> str:
    """Return why one push holds, in words."""
    if f.op in ("mul", "div") and len(wanted) == 1:
        return "constant factor" if f.op == "mul" or wanted[0] == 0 else "quotient rule"
    if f.op == "einsum":
        return _einsum_reason(f)
    if f.op in _REASONS:
        return _REASONS[f.op] + (", one term for each path" if len(wanted) > 1 else "")
    if f.op == "array":
        return array_row(f).statement or array_row(f).source
    row = row_of(f)
    x = row.placeholders
    y = make(f.op, x, f.attr if row.orders else row.attr, ())
    if f.op == NAMED:
        return f"derivative of {row.name}"
    local = [to_text(d, {y: "y"}) for d in row.derivative(y, *x) if d is not None]
    name = to_text(y) if row.orders else row.name
    uses = any(y in topological([d]) and d is not y for d in row.derivative(y, *x) if d is not None)
    return f"{name}' = {', '.join(local) or '0'}" + (f" with y = {to_text(y)}" if uses else "")


def _einsum_reason(f: Node) -> str:
    if len(f.args) != 1:
        return "product of matrices" if f.args else "constant"
    (labels,), out, _ = f.attr
    if set(out) < set(labels):
        return "each entry enters the sum once"
    return "transpose" if set(out) == set(labels) else "one value in many places: sum over its uses"
