"""Forward mode on nodes: how a node changes when its operands do.

The change under one operation is the transpose of its pullback: <c, dy> = <pullback(c), dx> for every c.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any

from symgrad.engine.reverse import vjp
from symgrad.engine.rows import local_derivatives
from symgrad.engine.tidy import contract, is_const, negate, plus, tidy, times, without_minus
from symgrad.errors import NoRule
from symgrad.graph.node import Node, const, einsum, make, replace, topological, var
from symgrad.rules.arrays import array_row


def pushforward(node: Node, changes: Mapping[int, Node], kink: str = "policy") -> Node | None:
    """Return the change of a node, given the changes of some of its arguments; None where it is zero.

    >>> from symgrad.graph.node import var
    >>> from symgrad.graph.text import to_text
    >>> A, X, dX = var("A", ("m", "n")), var("X", ("n", "k")), var("dX", ("n", "k"))
    >>> to_text(pushforward(A @ X, {1: dX}))
    'A @ dX'
    """
    terms: list[Node] = []
    if node.op == "einsum":
        ins, out, sizes = node.attr
        for i, d in changes.items():
            terms.append(_contracted(ins, [*node.args[:i], d, *node.args[i + 1:]], out, dict(enumerate(sizes))))
    elif node.op == "array":
        row = array_row(node)
        if row.linear:
            given = row.given(node)
            places = row.indices(*(a.shape for a in node.args), **given) if row.indices is not None else {}
            moving = [i for i in range(len(node.args)) if i not in places and (row.listed or i == 0)]
            if not any(i in changes for i in moving):
                return None
            parts = [changes.get(i, const(0, a.shape)) if i in moving else a for i, a in enumerate(node.args)]
            return row(*parts, **given)
        c = var("c", node.shape)
        for i, pulled in enumerate(row.pulled(node, c)):
            if pulled is not None and i in changes:
                # the pullback is linear in c, so its derivative is the same everywhere, at 0 as well
                made = replace([vjp(pulled, [c], changes[i], kink)[c]], {c: const(0, c.shape)})[0]
                terms.append(replace([made], {n: n for n in (node, *node.args, *changes.values())}, _signs_out)[0])
    elif node.is_elementwise:
        local = local_derivatives(node, kink)
        terms = [_scaled(d, changes[i]) for i, d in enumerate(local) if i in changes and d is not None]
    else:
        raise NoRule(f"no derivative rule for the operation {node.op!r}")
    total: Node | None = None
    for t in terms:
        total = t if total is None else plus(total, t)
    return total


def _scaled(local: Node, change: Node) -> Node:
    """Return local * change, the sign in front and dx/b for 1/b * dx."""
    minus, parts = _unsigned([local, change])
    over = parts[0].op == "div" and is_const(parts[0].args[0], 1)
    made = times(parts[1], parts[0]) if over else times(*parts)
    return negate(made) if minus else made


def _unsigned(factors: Sequence[Node]) -> tuple[bool, list[Node]]:
    """Return whether a product of these is negative, and the factors without their signs."""
    plain = [without_minus(f) for f in factors]
    return sum(p is not None for p in plain) % 2 == 1, [f if p is None else p for f, p in zip(factors, plain)]


def _contracted(ins: Any, args: Sequence[Node], out: Any, sizes: Mapping[Any, Any]) -> Node:
    minus, parts = _unsigned(args)
    made = contract(ins, parts, out, sizes)
    return negate(made) if minus else made


def _signs_out(node: Node, args: tuple[Node, ...]) -> Node:
    """Rebuild what a row and its transpose wrote, signs in front."""
    if node.op == "einsum" and args:
        ins, out, sizes = node.attr
        return _contracted(ins, args, out, dict(enumerate(sizes)))
    if node.op in ("mul", "div"):
        minus, parts = _unsigned(args)
        made = tidy(node.op, parts, node.attr, node.shape)
        return negate(made) if minus else made
    if node.op == "add":
        return plus(*args)
    if node.is_elementwise:
        return tidy(node.op, args, node.attr, node.shape)
    return node if args == node.args else make(node.op, args, node.attr, node.shape)


def differential(root: Node, changes: Mapping[Node, Node], fixed: Container[Node] = (),
                 kink: str = "policy") -> Node | None:
    """Return the change of the root under the changes of nodes below it, the nodes in `fixed` held; None for zero."""
    moved: dict[Node, Node] = {n: d for n, d in changes.items() if n is not root}
    for n in topological([root], lambda n: () if n is not root and (n in changes or n in fixed) else n.args):
        if n in moved or (n in fixed and n is not root):
            continue
        below = {i: moved[a] for i, a in enumerate(n.args) if a in moved}
        made = pushforward(n, below, kink) if below else None
        if made is not None:
            moved[n] = _merged(made)
    return moved.get(root)


def _merged(node: Node) -> Node:
    """Return a sum over products of two arrays as one sum of products, which reads as an inner product or a trace."""
    if node.op != "einsum" or len(node.args) != 1 or node.args[0].op != "mul":
        return node
    (labels,), out, sizes = node.attr
    if set(labels) <= set(out):
        return node
    return einsum([labels, labels], node.args[0].args, out, dict(enumerate(sizes)))
