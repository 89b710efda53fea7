"""Nodes to values: what a graph says becomes what a kernel runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from symgrad.errors import NoRule
from symgrad.graph.node import Node, topological
from symgrad.kernels.contract import lower_einsum
from symgrad.kernels.plan import FLOAT, PYTHON, Signed, Val, Values, nominal
from symgrad.kernels.schedule import ALIASES, LEAVES
from symgrad.rules.arrays import array_row


def lower(values: Values, roots: Sequence[Node], names: Mapping[Node, str]) -> dict[Node, Signed]:
    """Return the signed value of every node below the roots."""
    out: dict[Node, Signed] = {}
    order = topological(roots)
    sharing = Counter((array_row(n).factor, n.args) for n in order if n.op == "array")
    for node in order:
        args = [out[a] for a in node.args]
        if node.op == "var":
            x = values.make("input", (), (node.name, node.shape), node.shape)
            # integers stay what they are where they choose entries, and are numbers like others elsewhere
            out[node] = x if node.attr[1] != "int" else values.make("cast", (x,), (), x.shape), 1
        elif node.op == "const":
            out[node] = values.const(node.value), 1
        elif node.op == "size":
            out[node] = values.dim(node.value), 1
        elif node.op == "einsum":
            out[node] = lower_einsum(values, node.attr, args)
        elif node.op == "array":
            out[node] = values.array(node, args, sharing[array_row(node).factor, node.args] == 1), 1
        elif node.is_elementwise:
            out[node] = values.elementwise(node.op, args, node.attr)
        else:
            raise NoRule(f"{node.op!r} is notation of a derivation and has no value; compile the results instead")
        v, sign = out[node]
        if node in names and sign > 0 and v.name is None and v.kind == FLOAT and v.op not in LEAVES:
            v.name = names[node]
    return out


def owned(values: Values, signed: Signed, node: Node, taken: set[Val]) -> Val:
    """Return the value as an array of the declared shape that shares memory with no input and no other output."""
    v = values.floats(values.plus(signed))
    if v.kind == PYTHON or v.shape != node.shape:
        v = values.make("full", (v,), (len(taken),), node.shape)
    base = v
    while base.op in ALIASES:
        base = base.args[0]
    # windows show an entry of their operand several times
    if base.op in LEAVES or base in taken or nominal(v.shape) > nominal(base.shape):
        v = base = values.make("copy", (v,), (len(taken),), v.shape)
    taken.add(base)
    return v
