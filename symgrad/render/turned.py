"""Numerator layout: every line of a derivation transposed, its cotangents being transposed symbols.

The lines are those of the derivation; the transpose moves inwards through products and sums until names stop it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from symgrad.graph.node import Node, einsum, make, topological
from symgrad.render.outline import Block, Outline


class Turn:
    """Transposes nodes; `rows` says whether a vector of rank 1 turns into a row, else it has no direction."""

    def __init__(self, names: Mapping[Node, str], *, rows: bool) -> None:
        self.names, self.rows = names, rows

    def __call__(self, root: Node) -> Node:
        """Return the transpose of a node, in which bar(L, x) is of the transposed shape of x."""
        same: dict[Node, Node] = {}  # the value of the node, written in transposed cotangents
        turned: dict[Node, Node] = {}
        heavy: set[Node] = set()  # a product or a cotangent stands in it, at which transposes are best spent
        barred: set[Node] = set()
        def inputs(n: Node) -> Sequence[Node]:
            return () if self.closed(n, root) else n.args[:1] if n.op == "pull" else n.args

        for n in topological([root], inputs):
            if n.op in ("bar", "pull"):
                args = n.args if n.op == "bar" else (turned[n.args[0]], *n.args[1:])
                turned[n] = make(n.op, args, n.attr, self.shape(n))
                same[n] = self.back(turned[n], n)
                heavy.add(n)
                barred.add(n)
                continue
            if self.closed(n, root):
                same[n], turned[n] = n, self.over(n)
                continue
            if any(a in barred for a in n.args):
                barred.add(n)
            product = n.op == "einsum" and any(a.rank for a in n.args)
            if product or (n.is_elementwise and any(a in heavy for a in n.args)):
                heavy.add(n)
            args = tuple(same[a] for a in n.args)
            rebuilt = n if args == n.args else make(n.op, args, n.attr, n.shape)
            if self.shape(n) == n.shape and n.rank != 2:
                same[n] = turned[n] = rebuilt
            elif n.op == "einsum":
                ins, out, sizes = n.attr
                axes = [*out[::-1]] if n.rank == 2 else ["row", *out]
                if len(args) == 1 and n.args[0].rank == 2:  # the sum of a row turns into that of a column
                    ins, args = (ins[0][::-1],), (turned[n.args[0]],)
                turned[n] = einsum(ins, args, axes, {**dict(enumerate(sizes)), "row": 1})
                same[n] = self.back(turned[n], n) if n in barred else n
            elif n.is_elementwise and n in heavy:
                turned[n] = make(n.op, tuple(turned[a] for a in n.args), n.attr, self.shape(n))
                same[n] = self.back(turned[n], n) if n in barred else n
            else:
                same[n], turned[n] = rebuilt, self.over(rebuilt)
        return turned[root]

    def closed(self, n: Node, root: Node) -> bool:
        return n.is_leaf or n.op == "bar" or (n in self.names and n is not root)

    def shape(self, n: Node) -> tuple[object, ...]:
        if n.rank == 2:
            return n.shape[::-1]
        return (1, *n.shape) if n.rank == 1 and self.rows else n.shape

    def over(self, n: Node) -> Node:
        """The transpose of a node as such."""
        if n.op in ("const", "size"):
            return make(n.op, (), n.attr, self.shape(n))
        if n.rank == 2:
            is_transpose = n.op == "einsum" and n not in self.names and n.attr[:2] == (((0, 1),), (1, 0))
            return n.args[0] if is_transpose else einsum([[0, 1]], [n], [1, 0])
        return einsum([[0]], [n], ["row", 0], {"row": 1}) if n.rank == 1 and self.rows else n

    def back(self, turned: Node, n: Node) -> Node:
        """The node of which `turned` is the transpose."""
        if n.rank == 2:
            return self.over(turned)
        return einsum([["row", 0]], [turned], [0]) if n.rank == 1 and self.rows else turned


def turned_plan(plan: Outline, *, rows: bool) -> Outline:
    """Return the outline with every gradient transposed."""
    turn = Turn(plan.record.names, rows=rows)
    blocks = tuple(Block(turn(b.head), tuple(replace(line, node=turn(line.node)) for line in b.lines))
                   for b in plan.blocks)
    return replace(plan, blocks=blocks, results=tuple((turn(head), turn(node)) for head, node in plan.results))
