"""Differential notation: dL = <G, dW>.

A pending pullback c df/dw stands for the pair <c, df> in which w alone changes, and what has arrived at w for
<c, dw>. So each line of a derivation is a line here, and a step moves an operation from the change to the cotangent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from symgrad.engine.derivation import Record
from symgrad.engine.forward import differential
from symgrad.engine.tidy import negate, plus, times
from symgrad.graph.node import Node, const, einsum, make, topological
from symgrad.render.outline import Block, Line, Outline


@dataclass(frozen=True)
class Term:
    """<cotangent, change>, or the change alone."""

    cotangent: Node | None
    change: Node
    minus: bool = False

    def product(self) -> Node:
        """The product of two numbers."""
        assert self.cotangent is not None
        out = times(self.cotangent, self.change)
        return negate(out) if self.minus else out

    def times(self, row: Node) -> Node:
        """The matrix product of a transposed cotangent and the change."""
        left = "ij" if row.rank == 2 else "j"
        right = "jk" if self.change.rank == 2 else "j"
        return einsum([left, right], [row, self.change], left[:-1] + right[1:])


class Changes:
    """The symbols dx of a record's named nodes and variables."""

    def __init__(self, record: Record) -> None:
        self.record = record
        below = topological([record.loss])
        taken = {*record.names.values(), *(n.name for n in below if n.op == "var")}
        self.symbols: dict[Node, Node] = {}
        for n in below:
            if n in record.names or n in record.wrt:
                name = "d" + (record.names.get(n) or n.name)
                while name in taken:
                    name = f"d_{name}"
                taken.add(name)
                # a kind of its own keeps it apart from a variable of that name
                self.symbols[n] = make("var", (), (name, "change"), n.shape)

    def of(self, node: Node) -> Node:
        """Return dx."""
        return self.symbols[node]

    def under(self, f: Node, t: Node) -> Node | None:
        """Return the change of f as t alone changes."""
        return differential(f, {t: self.of(t)}, self.record.names, str(self.record.options.get("kink", "policy")))


def forward_changes(plan: Outline, changes: Changes) -> Iterator[tuple[Node, Node]]:
    """Yield (dy, its differential) for every equation of the forward pass that depends on a variable."""
    record = plan.record
    moving = set(record.wrt)
    for n in topological([record.loss]):
        if n in moving or any(a in moving for a in n.args):
            moving.add(n)
    seeds = {n: d for n, d in changes.symbols.items() if n in moving}
    for n in plan.forward:
        if n in moving and not n.is_leaf:
            own = differential(n, {m: d for m, d in seeds.items() if m is not n}, record.names,
                               str(record.options.get("kink", "policy")))
            if own is not None:
                yield changes.of(n), own


def lines_of(block: Block, target: Node, changes: Changes, *, every: bool) -> Iterator[tuple[Line, list[Term]]]:
    """Yield the lines of a chain as pairs: the chain rule, the moment when every operation has moved, and what follows.

    Without `every` the reasons of the moves between are put together.
    """
    moved: list[tuple[str, str]] = []
    for k, line in enumerate(block.lines):
        if k > 1 and not every and any(n.op == "pull" for n in _terms_below(line.node)):
            moved.append((line.rule, line.reason))
            continue
        if moved:
            line, moved = replace(line, moves=tuple(moved)), []
        yield line, terms_of(line.node, target, changes)


def _terms_below(node: Node) -> list[Node]:
    return topological([node], lambda n: n.args if n.op in ("add", "sub", "neg") else ())


def terms_of(node: Node, target: Node, changes: Changes) -> list[Term]:
    """Return the pairs that a line of cotangents and pending pullbacks stands for."""
    if not any(n.op == "pull" for n in _terms_below(node)):
        return [Term(node, changes.of(target))]
    out: list[Term] = []
    arrived: Node | None = None
    work: list[tuple[Node, bool]] = [(node, False)]
    while work:
        n, minus = work.pop()
        if n.op in ("add", "sub"):
            work += [(n.args[1], minus != (n.op == "sub")), (n.args[0], minus)]
        elif n.op == "neg":
            work.append((n.args[0], not minus))
        elif n.op == "pull":
            c, f, _ = n.args
            change = changes.under(f, target)
            if change is not None:
                alone = c.op == "const" and c.value == 1 and not c.rank
                out.append(Term(None if alone else c, change, minus))
        else:
            term = negate(n) if minus else n
            arrived = term if arrived is None else plus(arrived, term)
    if arrived is not None:
        out.append(Term(arrived, changes.of(target)))
    return out or [Term(const(0, target.shape), changes.of(target))]
