"""Solve instead of inverting, and factorise once: inv(A) @ b = solve(A, b), solutions of one matrix side by side.

An inverse stays where something needs it as it is, as the gradient of logdet does; then it is a solution for the
identity, and other right-hand sides of the same matrix stand beside the identity. Else whichever takes less work is
chosen, a size that is a name counting 100.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from symgrad.engine.rewrite import Applied, transform
from symgrad.graph.node import Node, einsum, identity, replace, topological
from symgrad.rules.arrays import BY_NAME
from symgrad.rules.factorisations import FACTORISATIONS, Factorisation
from symgrad.rules.linalg import turned
from symgrad.shapes import Dim

ROOM = 100.0  # what a size counts whose number is not known


class Use(NamedTuple):
    """The product of an inverse with an array, in an einsum: what solves instead, and the einsum with it."""

    matrix: Node
    rhs: Node
    after: Node


def factorise(roots: Sequence[Node], asked: int | None = None) -> tuple[list[Node], list[Applied]]:
    """Return the roots with inverses applied by solving and solutions of one matrix found together.

    Only the first `asked` roots are computed for their own sake (without it, all): the others need no inverse.

    >>> from symgrad.graph.node import var
    >>> A, b = var("A", ("n", "n")), var("b", ("n",))
    >>> (x,), log = factorise([BY_NAME["inv"](A) @ b])
    >>> x is BY_NAME["solve"](A, b), [a.rule for a in log]
    (True, ['solve_for_inverse'])
    """
    out, log = list(roots), list[Applied]()
    asked = len(out) if asked is None else asked
    names = {n.attr[0] for n in topological(out[:asked]) if n.op == "array"}
    for kind in FACTORISATIONS:
        if kind.whole.name in names:
            out, solved = _solved(out, asked, kind)
            log += solved
        if {kind.whole.name, kind.applied.name} & names:
            out, stacked = _stacked(out, asked, kind)
            log += stacked
    return out, log


def _nominal(dim: Dim) -> float:
    return float(dim) if isinstance(dim, int) else ROOM


def _inverse(node: Node, kind: Factorisation) -> tuple[Node, bool] | None:
    """Return (A, False) for inv(A), (A, True) for its transpose; None for anything else."""
    turn = False
    if node.op == "einsum" and len(node.args) == 1 and node.rank == node.args[0].rank == 2 \
            and turned(node.args[0]) is node:
        node, turn = node.args[0], True
    if node.op == "array" and node.attr[0] == kind.whole.name and node.rank == 2:
        return node.args[0], turn
    return None


def _use(node: Node, place: int, kind: Factorisation) -> Use | None:
    """Return how the inverse at this place of an einsum is applied to another operand; None where it is not."""
    found = _inverse(node.args[place], kind)
    assert found is not None
    a, turn = found
    ins, out, sizes = node.attr
    best: tuple[float, Use] | None = None
    for side in (1, 0):
        free, bound = ins[place][1 - side], ins[place][side]
        holders = [k for k, labels in enumerate(ins) if k != place and bound in labels]
        if bound in out or free == bound or len(holders) != 1 or ins[holders[0]].count(bound) != 1:
            continue
        other = holders[0]
        rest = [x for x in dict.fromkeys(ins[other]) if x != bound]
        if len(rest) > 1 or len(rest) + 1 != len(ins[other]) or _inverse(node.args[other], kind) is not None:
            continue
        rhs = einsum([ins[other]], [node.args[other]], [bound, *rest])
        matrix = turned(a) if turn == bool(side) else a
        solution = kind.applied(matrix, rhs)
        kept = [k for k in range(len(ins)) if k not in (place, other)]
        after = einsum([[free, *rest], *(ins[k] for k in kept)], [solution, *(node.args[k] for k in kept)], out,
                       dict(enumerate(sizes)))
        width = math.prod(_nominal(d) for d in rhs.shape)
        if best is None or width < best[0]:
            best = width, Use(matrix, rhs, after)
    return None if best is None else best[1]


def _places(node: Node, kind: Factorisation) -> list[int]:
    if node.op != "einsum" or (len(node.args) == 1 and _inverse(node, kind) is not None):
        return []
    return [k for k, arg in enumerate(node.args) if _inverse(arg, kind) is not None]


def _solved(roots: Sequence[Node], asked: int, kind: Factorisation) -> tuple[list[Node], list[Applied]]:
    """Apply inverses by solving, where no one needs them as they are and it takes no more work."""
    order = topological(roots[:asked])
    needed = {found[0] for r in roots[:asked] if (found := _inverse(r, kind)) is not None}
    products: dict[Node, dict[tuple[Node, Node], float]] = {}
    for node in order:
        places = _places(node, kind)
        for k, arg in enumerate(node.args):
            found = _inverse(arg, kind)
            if found is None or _inverse(node, kind) is not None:
                continue
            use = _use(node, k, kind) if k in places else None
            if use is None:
                needed.add(found[0])
            else:
                columns = math.prod(_nominal(d) for d in use.rhs.shape[1:])
                products.setdefault(found[0], {})[use.matrix, use.rhs] = columns
    chosen = set()
    for a, uses in products.items():
        n = _nominal(a.shape[-1])
        once = kind.factor * n**3 + kind.call
        inverting = once + kind.column * n**3 + kind.product * n**2 * sum(uses.values())
        solving = once * len(uses) + kind.column * n**2 * sum(uses.values())
        if a not in needed and solving <= inverting:
            chosen.add(a)

    def find(node: Node) -> tuple[str, Node] | None:
        for place in _places(node, kind):
            found = _inverse(node.args[place], kind)
            use = _use(node, place, kind) if found is not None and found[0] in chosen else None
            if use is not None:
                return f"{kind.applied.name}_for_{_word(kind.whole.name)}", use.after
        return None

    return transform(roots, find) if chosen else (list(roots), [])


def _word(name: str) -> str:
    return {"inv": "inverse"}.get(name, name)


def _stacked(roots: Sequence[Node], asked: int, kind: Factorisation) -> tuple[list[Node], list[Applied]]:
    """Find the solutions of one matrix together, the inverse being that for the identity."""
    order = topological(roots[:asked])
    groups: dict[Node, list[Node]] = {}
    for node in order:
        if node.op == "array" and node.attr[0] in (kind.whole.name, kind.applied.name) and node.rank <= 2 and \
                node.args[0].rank == 2:
            groups.setdefault(node.args[0], []).append(node)
    inverted = {a for a, nodes in groups.items() if any(n.attr[0] == kind.whole.name for n in nodes)}
    below = _below(order, [n for nodes in groups.values() for n in nodes])
    mapping: dict[Node, Node] = {}
    log: list[Applied] = []
    for a, nodes in groups.items():
        if turned(a) in inverted and a not in inverted:  # inv(A.T) is the transpose of what is there
            for n in nodes:
                mapping[n] = turned(kind.whole(turned(a))) @ n.args[1]
                log.append(Applied("inverse_of_transpose", n, mapping[n]))
            continue
        together = [n for n in nodes if not any(m in below[n] for m in nodes if m is not n)]
        if len(together) < 2:
            continue
        parts = [identity(a.shape[0]) if x.attr[0] == kind.whole.name else x.args[1] for x in together]
        wide = [p if p.rank == 2 else einsum(["i"], [p], ["i", "new"], {"new": 1}) for p in parts]
        found = kind.applied(a, BY_NAME["concatenate"](*wide, axis=1))
        start: Dim = 0
        for x, p in zip(together, parts):
            stop = start + (p.shape[1] if p.rank == 2 else 1)
            key = (start, stop, 1) if p.rank == 2 else start
            mapping[x] = BY_NAME["index"](found, subscript=((None, None, None), key))
            log.append(Applied("one_factorisation", x, mapping[x]))
            start = stop
    return (_put(roots, mapping), log) if mapping else (list(roots), [])


def _below(order: Sequence[Node], chosen: Sequence[Node]) -> dict[Node, frozenset[Node]]:
    """Return for each chosen node the chosen nodes that it depends on."""
    mine = set(chosen)
    found: dict[Node, frozenset[Node]] = {}
    for node in order:
        above: frozenset[Node] = frozenset()
        for arg in node.args:
            above |= found[arg]
            if arg in mine:
                above |= {arg}
        found[node] = above
    return found


def _put(roots: Sequence[Node], mapping: dict[Node, Node]) -> list[Node]:
    """Put solutions in their place, inside each other's right-hand sides too."""
    for _ in range(len(mapping) + 1):
        new = replace(roots, mapping)
        if all(a is b for a, b in zip(new, roots)):
            break
        roots = new
    return list(roots)

