"""Where to cut a shared graph so that printing it as text stays linear in its size.

A graph in which subexpressions are shared can be exponentially larger as a tree. Small expressions are printed whole;
from a limit on, shared subexpressions (and very long ones) become equations of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from symgrad.graph.node import Node, topological

LIMIT = 400  # nodes of the expression as a tree up to which it is printed whole
LONG = 120  # nodes after which an unshared subexpression gets a name of its own, once the limit is passed


def cuts(root: Node, inputs: Callable[[Node], Sequence[Node]], limit: int = LIMIT) -> list[Node]:
    """Return the nodes below `root` to print as equations of their own, inputs before users."""
    order = topological([root], inputs)
    tree: dict[Node, int] = {}
    uses: dict[Node, int] = {}
    for node in order:
        below = inputs(node)
        # a cap keeps the integers small: 3**40 leaves need no exact count
        tree[node] = min(1 + sum(tree[c] for c in below), 1 << 60)
        for child in below:
            uses[child] = uses.get(child, 0) + 1
    if tree[root] <= limit:
        return []
    out: list[Node] = []
    kept: dict[Node, int] = {}
    for node in order:
        below = inputs(node)
        size = 1 + sum(kept[c] for c in below)
        if node is not root and below and ((uses[node] > 1 and size > 2) or size > LONG):
            out.append(node)
            size = 1
        kept[node] = size
    return out
