"""The definitions of named nodes as relations: with h = c*r in the forward pass, c is h/r wherever it stands.

A definition is solved for what it is made of, from the outside in: r = 1/sqrt(v + eps) gives sqrt(v + eps) = 1/r,
v + eps = 1/r**2 and v = 1/r**2 - eps. A chart is a set of such solutions; a ring that reads a line by a chart meets
the names of the forward pass instead of what they are defined by, inside index sums too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from symgrad.engine.guards import unguarded
from symgrad.engine.written import moves
from symgrad.graph.node import Node, const, make
from symgrad.graph.text import to_text

# a sum is no relation: sigmoid(w*x) in x + sigmoid(w*x) is not to be read as a difference
_RELATIONS = frozenset({"mul", "div", "pow", "sqrt"})
ARITHMETIC = _RELATIONS | {"add", "sub", "neg"}
_ROOTS = 64  # the highest root that is solved for


@dataclass(frozen=True)
class Relation:
    """A definition solved: `solved` holds what is read in place of each part of it."""

    name: Node
    solved: tuple[tuple[Node, Node], ...]


class Signs:
    """Which nodes are positive, and which are not 0, wherever the forward pass is defined."""

    def __init__(self, forward: Sequence[Node]) -> None:
        """`forward` has inputs before users; what stands in a branch of a choice alone says nothing."""
        self.looked_at = frozenset(unguarded(forward))
        forward = [n for n in forward if n in self.looked_at]
        self.roots = {n.args[0] for n in forward if n.op == "sqrt"}
        self.divisors = {n.args[1] for n in forward if n.op == "div"}
        self.divisors |= {n.args[0] for n in forward if n.op == "pow" and _power(n) and (_power(n) or 0) < 0}
        todo = list(self.divisors)
        while todo:  # what is not 0 has factors, a radicand and a base that are not
            n = todo.pop()
            through = n.op in ("mul", "neg", "sqrt") or (n.op == "einsum" and len(n.args) == 1 and moves(n)) or (
                n.op == "pow" and (_power(n) or 0) > 0)
            below = [a for a in (n.args[:1] if n.op == "pow" else n.args) if a not in self.divisors] if through else []
            self.divisors.update(below)
            todo += below
        self.memo: dict[Node, tuple[bool, bool]] = {}

    def positive(self, node: Node) -> bool:
        """Return whether a node is above 0."""
        return all(self._sign(node))

    def nonzero(self, node: Node) -> bool:
        """Return whether a node is not 0."""
        return self._sign(node)[1]

    def _sign(self, root: Node) -> tuple[bool, bool]:
        """Return whether a node is at least 0, and whether it is not 0."""
        stack = [root]
        while stack:
            n = stack[-1]
            below = n.args if n.op in ("mul", "div", "add", "pow", "sqrt") or (n.op == "einsum" and moves(n)) else ()
            missing = [a for a in below if a not in self.memo]
            if missing and n not in self.memo:
                stack += missing
                continue
            stack.pop()
            if n not in self.memo:
                at_least, other = self._combine(n, [self.memo[a] for a in below])
                self.memo[n] = at_least, other or n in self.divisors
        return self.memo[root]

    def _combine(self, n: Node, below: list[tuple[bool, bool]]) -> tuple[bool, bool]:
        if n.op == "const":
            number = not isinstance(n.value, str)
            return not number or n.value >= 0, not number or n.value != 0
        if n.op in ("size", "exp"):
            return True, True
        if n.op in ("mul", "div"):
            return below[0][0] and below[1][0], below[0][1] and (n.op == "div" or below[1][1])
        if n.op == "add":
            at_least = below[0][0] and below[1][0]
            return at_least, at_least and (all(below[0]) or all(below[1]))
        if n.op == "einsum" and below:
            return below[0]
        power = Fraction(1, 2) if n.op == "sqrt" else _power(n)
        if power is None:
            return False, False
        return power.denominator % 2 == 0 or power.numerator % 2 == 0, power < 0 or (bool(below) and below[0][1])


class Relations:
    """The relations of one forward pass, found by what they are solved for."""

    def __init__(self, names: Mapping[Node, str], definable: Callable[[Node], bool], signs: Signs) -> None:
        self.names, self.signs = names, signs
        self.by_key: dict[Node, list[Relation]] = {}
        for n in names:
            if n.op in _RELATIONS and definable(n):
                for r in self._solve(n):
                    for key, _ in r.solved:
                        self.by_key.setdefault(key, []).append(r)

    def near(self, nodes: Iterable[Node]) -> list[Relation]:
        """Return the relations that are solved for any of the nodes."""
        return list(dict.fromkeys(r for n in nodes for r in self.by_key.get(n, ())))

    def said(self, used: Collection[Relation]) -> str:
        """Return the relations in words."""
        return " and ".join(
            dict.fromkeys(f"{self.names[r.name]} = {to_text(r.name, self.names)}" for r in used)
        )

    def _solve(self, name: Node) -> Iterator[Relation]:
        """Follow each path from the outside of a definition to a name or a function, solving on the way."""
        stack: list[tuple[Node, Node, tuple[tuple[Node, Node], ...]]] = [(name, name, ())]
        while stack:
            node, value, path = stack.pop()
            for k, a in enumerate(node.args):
                solved = None if a.op in ("const", "size") else self._inverse(node, value, k)
                if solved is None or (a.op == "einsum" and moves(a)):
                    continue
                longer = (*path, (a, solved))
                if a.op in ARITHMETIC and a not in self.names:
                    stack.append((a, solved, longer))
                yield Relation(name, longer)

    def _inverse(self, node: Node, value: Node, k: int) -> Node | None:
        """Return argument number k of a node that has the given value."""
        a, b = node.args if len(node.args) == 2 else (node.args[0], node.args[0])
        other, shape = (b, a)[k], node.shape
        if node.op == "mul" and self.signs.nonzero(other):
            return make("div", (value, other), (), shape)
        if node.op == "div" and k == 0:
            return make("mul", (value, b), (), shape)
        if node.op == "div" and self.signs.nonzero(a):
            return make("div", (a, value), (), shape)
        if node.op in ("add", "sub") and k == 0:
            return make("sub" if node.op == "add" else "add", (value, b), (), shape)
        if node.op in ("add", "sub"):
            return make("sub", (value, a) if node.op == "add" else (a, value), (), shape)
        if node.op == "neg":
            return make("neg", (value,), (), shape)
        power = Fraction(1, 2) if node.op == "sqrt" else _power(node) if k == 0 else None
        # a square has two roots; a root is of something positive
        if power is not None and power != 0 and (power == -1 or power.denominator % 2 == 0):
            return make("pow", (value, const(1 / power, shape)), (), shape)
        return None


def _power(node: Node) -> Fraction | None:
    """Return the exponent of a power where it is a number."""
    if node.op != "pow" or node.args[1].op != "const" or isinstance(node.args[1].value, str):
        return None
    value = node.args[1].value
    if not math.isfinite(value) or Fraction(value).denominator > _ROOTS:
        return None
    return Fraction(value)


def chart(relations: Sequence[Relation], below: Callable[[Sequence[Node]], Iterable[Node]]) -> dict[Node, Node] | None:
    """Return the solutions of several relations together, None where one part has two or they turn in a circle."""
    out: dict[Node, Node] = {}
    for r in relations:
        for key, value in r.solved:
            if out.setdefault(key, value) is not value:
                return None
    needs = {key: {n for n in below([value]) if n in out} for key, value in out.items()}
    while needs:
        free = [key for key, rest in needs.items() if not rest & set(needs)]
        if not free:
            return None
        for key in free:
            del needs[key]
    return out
