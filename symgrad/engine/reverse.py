"""Reverse mode on nodes: `push` moves a cotangent across one operation, `vjp` runs it over a graph.

`push` is the only place where a derivative rule is applied; derivations and kernels both go through it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from symgrad.engine.rows import local_derivatives, row_of
from symgrad.engine.tidy import contract, is_const, plus, tidy, times
from symgrad.errors import NonScalarLoss, NoRule
from symgrad.graph.node import Node, const, make, replace, topological
from symgrad.rules.arrays import array_row, passing
from symgrad.shapes import show


@dataclass(frozen=True)
class Push:
    """What one pull becomes: `cotangent` flows on to argument number `position`, by `rule`."""

    position: int
    cotangent: Node
    rule: str


def pull_einsum(node: Node, c: Node, position: int) -> Node:
    """Return the cotangent of one argument of an einsum: the einsum with the output and that argument exchanged."""
    ins, out, sizes = node.attr
    labels = [out, *(ins[j] for j in range(len(ins)) if j != position)]
    args = [c, *(node.args[j] for j in range(len(ins)) if j != position)]
    return contract(labels, args, ins[position], dict(enumerate(sizes)))


def push(node: Node, c: Node, needed: Iterable[int], kink: str = "policy") -> list[Push]:
    """Move the cotangent `c` of `node` across the operation to the needed arguments.

    Pull(c, f(x1, ..., xk), w) = sum over i of Pull(c * df/dxi, xi, w).
    """
    wanted = list(needed)
    if node.op == "einsum":
        return [Push(i, pull_einsum(node, c, i), "pull_einsum") for i in wanted]
    if node.op == "array":
        row = array_row(node)
        pulled = [(i, d) for i, d in enumerate(row.pulled(node, c)) if i in wanted]
        known = {n: n for n in (node, c, *node.args)}
        return [Push(i, _tidied(d, known), row.rule) for i, d in pulled if d is not None]
    if not node.is_elementwise:
        raise NoRule(f"no derivative rule for the operation {node.op!r}")
    local = local_derivatives(node, kink)
    rule = row_of(node).rule
    out = []
    for i in wanted:
        d = local[i]
        if d is not None and not is_const(d, 0):
            out.append(Push(i, times(c, d), rule))
    return out


def _tidied(pulled: Node, known: Mapping[Node, Node]) -> Node:
    """Return what a row wrote without products by 1, sums of constants and the like."""

    def rebuild(n: Node, args: tuple[Node, ...]) -> Node:
        if n.op == "einsum" and n.args:
            ins, out, sizes = n.attr
            return contract(ins, args, out, dict(enumerate(sizes)))
        if n.is_elementwise:
            return tidy(n.op, args, n.attr, n.shape)
        return n if args == n.args else make(n.op, args, n.attr, n.shape)

    return replace([pulled], known, rebuild)[0]


def depends_on(roots: Iterable[Node], wrt: Iterable[Node]) -> set[Node]:
    """Return the nodes below the roots through which a derivative by one of `wrt` can pass (or which are one)."""
    targets = set(wrt)
    active: set[Node] = set()
    for node in topological(roots):
        if node in targets or any(a in active for a in passing(node)):
            active.add(node)
    return active


def vjp(root: Node, wrt: Sequence[Node], cotangent: Node | None = None, kink: str = "policy") -> dict[Node, Node]:
    """Return the gradient of <cotangent, root> by each of `wrt`, straight from the rules, nothing simplified."""
    if cotangent is None:
        if root.shape != ():
            raise NonScalarLoss(
                f"a gradient needs a scalar, this expression has shape {show(root.shape)}: reduce it with sum or mean, "
                f"or give a cotangent"
            )
        cotangent = const(1)
    active = depends_on([root], wrt)
    bars: dict[Node, Node] = {root: cotangent}
    for node in reversed(topological([root])):
        if node not in active or node not in bars or node.is_leaf:
            continue
        for p in push(node, bars[node], [i for i, a in enumerate(node.args) if a in active], kink):
            arg = node.args[p.position]
            bars[arg] = plus(bars[arg], p.cotangent) if arg in bars else p.cotangent
    return {w: bars.get(w, const(0, w.shape)) for w in wrt}
