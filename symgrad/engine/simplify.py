"""Simplification modulo the forward pass: one cotangent at a time, the names of the forward pass as variables.

`shorten` offers every equal form that the ring and the table of exponentials know and takes the shortest; among equals
the one nearest to what was written.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from fractions import Fraction

import sympy as sp

from symgrad.engine.exponential import alternatives
from symgrad.engine.forms import cost, forms
from symgrad.engine.normal import Ring
from symgrad.engine.relations import Relations
from symgrad.engine.written import Sums, moves, printed_length
from symgrad.graph.node import Node, make, topological
from symgrad.graph.text import to_text

_LIMIT = 400  # symbols in print; a longer line keeps the form the rules gave it
# a sum is no relation: sigmoid(w*x) in x + sigmoid(w*x) is not to be read as a difference
_RELATIONS = frozenset({"mul", "div", "pow", "sqrt"})
_READABLE = 40  # a definition that prints longer is no relation
_WRITTEN_OUT = frozenset({"add", "sub", "neg", "mul", "div", "pow", "sqrt"})


@dataclass(frozen=True)
class Shortened:
    """The shortest form found, its length, and the name of the rule that leads there."""

    node: Node
    cost: int
    rule: str
    reason: str
    via: Shortened | None = None  # the shortest form without rewriting exponentials, where `node` needed that


class _NamedRing(Ring):
    def __init__(self, of: Simplifier, expand: bool) -> None:
        super().__init__(self._is_atom, of.sums, of.order, of.decimal)
        self.names = of.names
        self.expand = expand

    def is_named(self, node: Node) -> bool:
        return node in self.names

    def _is_atom(self, node: Node) -> bool:
        if node in self.names:
            return not (self.expand and node.op in _WRITTEN_OUT)
        if node.op == "einsum" and node in self.order:
            return not moves(node)  # a broadcast or a transposition is looked through
        return False


class Simplifier:
    """Simplifies cotangents over one forward pass."""

    def __init__(self, names: Mapping[Node, str], forward: Sequence[Node]) -> None:
        """`forward` is the forward pass, inputs before users; terms and factors come in its order."""
        self.names = names
        self.order = {n: k for k, n in enumerate(forward)}
        self.sums = Sums(forward, names.__contains__)
        # 0.5 in the input asks for 0.5 in the output; 1e-5 does not
        floats = [n.value for n in forward if n.op == "const" and isinstance(n.value, float) and math.isfinite(n.value)]
        self.decimal = any(1 < Fraction(v).denominator <= 2**20 for v in floats)
        self.last = forward[-1] if forward else None  # the loss, which no cotangent is written in
        self.relations = self._relations()

    def renamed(self, names: Mapping[Node, str]) -> Simplifier:
        """Return a simplifier of the same forward pass that reads fewer or more nodes by name."""
        out = copy(self)
        out.names = names
        out.sums = Sums(self.order, names.__contains__)
        out.relations = out._relations()
        return out

    def _relations(self) -> Relations:
        def definable(n: Node) -> bool:
            known = n in self.order and n is not self.last and n.op in _RELATIONS
            return known and printed_length(n, self.names.__contains__, _READABLE) < _READABLE

        def atoms(n: Node) -> list[Node]:
            return [a for a in _shallow(n, self.names) if a is not n and a.op not in _WRITTEN_OUT | {"const", "size"}]

        return Relations(self.names, definable, atoms)

    def shorten(self, node: Node) -> Shortened:
        """Return the shortest equal form of `node`, what stands inside functions of whole arrays shortened first."""
        return self._shorten(self._operands_shortened(node))

    def _operands_shortened(self, node: Node) -> Node:
        if self.length(node) >= _LIMIT:
            return node
        new: dict[Node, Node] = {}
        for n in topological([node], lambda n: () if n in self.order or n.op in ("bar", "pull") else n.args):
            args = tuple(new.get(a, a) for a in n.args)
            if n.op == "array" and n not in self.order:
                args = tuple(a if a.is_leaf or a in self.order else self._shorten(a).node for a in args)
            if args != n.args:
                new[n] = make(n.op, args, n.attr, n.shape)
        return new.get(node, node)

    def _shorten(self, node: Node) -> Shortened:
        best: tuple[int, Ring, sp.Expr, sp.Expr, tuple[int, ...], bool] | None = None
        plain = best
        if self.length(node) >= _LIMIT:
            return Shortened(node, _LIMIT, "order", "")
        for expand in (False, True):
            if expand and not self._worth_expanding(node):
                continue
            ring = _NamedRing(self, expand)
            idx = ring.indices_for(node.shape)
            start = ring.expression(node, idx)
            for form, exponential in self._candidates(ring, start):
                length = cost(form, ring.weight)
                found = (length, ring, start, form, idx, exponential)
                if best is None or length < best[0]:
                    best = found
                if not exponential and (plain is None or length < plain[0]):
                    plain = found
        assert best is not None
        assert plain is not None
        within, expression, indices = best[1], best[3], best[4]
        related = self.relations.shorten(within, expression)
        if related is not None:
            length = cost(related[0], within.weight)
            via = self._named(node, best, None)
            return Shortened(within.rebuild(related[0], indices), length, "forward_pass", related[1], via)
        return self._named(node, best, self._named(node, plain, None) if best[-1] else None)

    def _named(
        self, node: Node, found: tuple[int, Ring, sp.Expr, sp.Expr, tuple[int, ...], bool], via: Shortened | None
    ) -> Shortened:
        length, ring, start, form, idx, exponential = found
        rule, reason = _explain(node, self.names, start, form, exponential)
        return Shortened(ring.rebuild(form, idx), length, rule, reason, via)

    def length(self, node: Node) -> int:
        """Return roughly how many symbols a node prints as, at most the limit above which it stays as it is."""
        return printed_length(node, self.names.__contains__, _LIMIT)

    def _worth_expanding(self, node: Node) -> bool:
        """Return whether named sums and products occur, and writing them out leaves something of readable size."""
        if not any(n in self.names and n.op in _WRITTEN_OUT for n in _shallow(node, self.names)):
            return False
        return printed_length(node, lambda n: n in self.names and n.op not in _WRITTEN_OUT, _LIMIT) < _LIMIT

    def _candidates(self, ring: Ring, start: sp.Expr) -> list[tuple[sp.Expr, bool]]:
        out = [(f, False) for f in forms(start)]
        out += [(f, True) for a in alternatives(ring, start) for f in forms(a)]
        return out


def _shallow(node: Node, names: Mapping[Node, str]) -> list[Node]:
    """Return the nodes of an expression down to the names."""
    seen: list[Node] = []
    stack, done = [node], set()
    while stack:
        n = stack.pop()
        if n in done:
            continue
        done.add(n)
        seen.append(n)
        if n not in names or n is node:
            stack.extend(n.args)
    return seen


def _factors(node: Node, names: Mapping[Node, str]) -> tuple[list[Node], list[Node]]:
    """Return the factors of a product as it is written: above and below the fraction bar."""
    above: list[Node] = []
    below: list[Node] = []
    stack = [(node, False)]
    while stack:
        n, inverted = stack.pop()
        if n.op in ("mul", "div") and (n is node or n not in names):
            stack.append((n.args[0], inverted))
            stack.append((n.args[1], inverted != (n.op == "div")))
        elif n.op == "neg":
            stack.append((n.args[0], inverted))
        else:
            (below if inverted else above).append(n)
    return above, below


def _explain(
    node: Node, names: Mapping[Node, str], start: sp.Expr, form: sp.Expr, exponential: bool
) -> tuple[str, str]:
    if exponential:
        return "exponential_form", "written in one function of the forward pass"
    above, below = _factors(node, names)
    gone = []
    for n in below:
        if n in above:
            above.remove(n)
            text = to_text(n, names, expand_root=False)
            gone.append(f"({text})" if n.op in ("add", "sub") and n not in names else text)
    if gone:
        return "cancel", f"{'*'.join(reversed(gone))} cancels"
    if (
        node.op in ("add", "sub")
        and any(n.op == "div" for n in _shallow(node, names))
        and isinstance(form, (sp.Mul, sp.Pow))
    ):
        return "combine_fractions", "over one denominator"
    if node.op in ("add", "sub"):
        return "collect", "like terms together"
    if any(n.op == "einsum" for n in _shallow(node, names)):
        return "factor_out", "constant factor in front"
    if sp.fraction(start)[1] != sp.fraction(form)[1]:
        return "cancel", "common factors cancel"
    return "order", "factors in order"
