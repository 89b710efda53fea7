"""Turn derived nodes into nodes that keep their digits in floating point and that NumPy has functions for."""

from __future__ import annotations

from collections.abc import Sequence

from symgrad.engine.flat import row_of
from symgrad.engine.rewrite import Applied, rewrite, transform
from symgrad.errors import InputError, NoRule
from symgrad.graph.node import Node, const, make
from symgrad.graph.ops import STRUCTURAL
from symgrad.rules.algebra import RECOGNITION
from symgrad.rules.stability import ACCURATE, DEFAULT, SHARING

LEVELS = {"default": RECOGNITION + DEFAULT, "accurate": RECOGNITION + DEFAULT + ACCURATE}


def stabilise(roots: Sequence[Node], level: str = "default") -> tuple[list[Node], list[Applied]]:
    """Return the roots in forms for floating point, all of them functions that NumPy has, and the rewrites made.

    Formula: the rows of `symgrad.rules.stability`, for instance log(sigmoid(x)) = -softplus(-x); then functions without
    a ufunc by their machine form; then minus signs are moved outwards and cancelled, which changes no rounding.
    Call it on derivatives, never on what is still to be derived. `level` is 'default' (no overflow, no warning, no loss
    of speed) or 'accurate' (relative accuracy of 1 - sigmoid and 1 - tanh**2 too, for one more exponential each).
    Shapes: every root keeps its shape.
    Raises: InputError for another level; NoRule for a function without any form for NumPy.

    >>> from symgrad.graph.node import apply, var
    >>> z = var("z")
    >>> (value,), log = stabilise([apply("log", apply("sigmoid", z))])
    >>> [step.rule for step in log]
    ['log_of_sigmoid', 'machine_softplus', 'abs_of_minus']
    """
    if level not in LEVELS:
        raise InputError(f"level is {' or '.join(map(repr, LEVELS))}, not {level!r}")
    nodes, rewrites = rewrite(roots, LEVELS[level])
    nodes, forms = transform(nodes, _machine_form)
    nodes, shared = rewrite(nodes, SHARING)
    nodes, signs = transform(nodes, _move_sign)
    return nodes, rewrites + forms + shared + signs


def _machine_form(node: Node) -> tuple[str, Node] | None:
    if node.op in STRUCTURAL:
        return None
    row = row_of(node)
    if row.numpy is not None:
        return None
    if row.machine is not None:
        return f"machine_{row.name}", row.machine(*node.args, *node.attr)
    if row.definition is not None:
        return f"definition_{row.name}", row.definition(*node.args, *node.attr)
    raise NoRule(f"the row of {row.name!r} has no NumPy name, no machine form and no definition; give it one of them")


def _move_sign(node: Node) -> tuple[str, Node] | None:
    after = _without_sign(node)
    return None if after is None else ("minus_sign", after)


def _without_sign(node: Node) -> Node | None:
    """Return the node with a minus sign moved outwards or cancelled; the rounding of every operation stays the same."""
    op = node.op

    def same(op: str, *args: Node) -> Node:
        return make(op, args, (), node.shape)

    if op == "neg":
        x = node.args[0]
        if x.op == "neg":
            return x.args[0]
        if x.op == "sub":
            return same("sub", x.args[1], x.args[0])
        if x.op == "mul" and x.args[0].op == "const" and not isinstance(x.args[0].value, str):
            return same("mul", const(-x.args[0].value, node.shape), x.args[1])
        return None
    if op == "einsum":
        ins, out, _ = node.attr
        if len(ins) == 1 and node.args[0].op == "neg" and set(out) <= set(ins[0]):  # a sum, never a broadcast
            return same("neg", make("einsum", node.args[0].args, node.attr, node.shape))
        return None
    if op not in ("add", "sub", "mul", "div"):
        return None
    a, b = node.args
    minus_a, minus_b = a.op == "neg", b.op == "neg"
    if not minus_a and not minus_b:
        return None
    inner_a, inner_b = a.args[0] if minus_a else a, b.args[0] if minus_b else b
    if op in ("mul", "div"):
        out = same(op, inner_a, inner_b)
        return out if minus_a and minus_b else same("neg", out)
    if op == "sub":  # a - b is a + (-b)
        minus_b = not minus_b
    if minus_a and minus_b:
        return same("neg", same("add", inner_a, inner_b))
    if minus_a:
        return same("sub", inner_b, inner_a)
    return same("sub", inner_a, inner_b) if minus_b else same("add", inner_a, inner_b)
