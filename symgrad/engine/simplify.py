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

from symgrad.engine.acceptance import Acceptance
from symgrad.engine.choices import choices
from symgrad.engine.exponential import alternatives
from symgrad.engine.forms import cost, forms
from symgrad.engine.guards import Guarded, is_indicator
from symgrad.engine.normal import Ring
from symgrad.engine.relations import ARITHMETIC, Relation, Relations, Signs, chart
from symgrad.engine.rows import find
from symgrad.engine.word_algebra import Words
from symgrad.engine.written import Sums, moves, printed_length
from symgrad.graph.node import Node, make, topological
from symgrad.graph.text import to_text
from symgrad.rules.arrays import array_row

LIMIT = 400  # symbols in print; a longer line keeps the form the rules gave it
_READABLE = 40  # a definition that prints longer is no relation
_TOGETHER = 4  # relations used in one line
_SUMMED = 60  # nodes of a sum that is tried for being a number


@dataclass(frozen=True)
class Shortened:
    """The shortest form found, its length, and the name of the rule that leads there."""

    node: Node
    cost: int
    rule: str
    reason: str
    via: Shortened | None = None  # the shortest form without rewriting exponentials, where `node` needed that
    assumptions: tuple[str, ...] = ()  # what the last step to `node` rests on


class NamedRing(Ring):
    """The ring of one cotangent: the names of the forward pass are its atoms."""

    def __init__(self, of: Simplifier, expand: bool, split: bool = False, solved: Mapping[Node, Node] = {}) -> None:
        super().__init__(self._is_atom, of.sums, of.order, of.decimal, solved, split, of.loss)
        self.names = of.names
        self.expand = expand
        self.is_positive = of.positivity.positive  # type: ignore[method-assign]  # the forward pass says it
        self.total = of.total  # type: ignore[method-assign]  # the forward pass says it

    def is_named(self, node: Node) -> bool:
        return node in self.names

    def _is_atom(self, node: Node) -> bool:
        if node in self.names:
            return not (self.expand and node.op in ARITHMETIC)
        if node.op == "einsum" and node in self.order and node is not self.loss:
            return not moves(node)  # a broadcast or a transposition is looked through
        return False


class Simplifier:
    """Simplifies cotangents over one forward pass."""

    declared: frozenset[Node] = frozenset()  # matrices that may be taken for symmetric

    def __init__(self, names: Mapping[Node, str], forward: Sequence[Node]) -> None:
        """`forward` is the forward pass, inputs before users; terms and factors come in its order."""
        loss = forward[-1] if forward else None
        # a gradient is not written in the value of the loss where that is a sum or a mean
        self.loss = loss if loss is not None and (loss.op in ARITHMETIC or loss.op == "einsum") else None
        self.names = {n: s for n, s in names.items() if n is not self.loss}
        self.order = {n: k for k, n in enumerate(forward)}
        self.sums = Sums((n for n in forward if n is not self.loss), self.names.__contains__)
        # 0.5 in the input asks for 0.5 in the output; 1e-5 does not
        floats = [n.value for n in forward if n.op == "const" and isinstance(n.value, float) and math.isfinite(n.value)]
        self.decimal = any(1 < Fraction(v).denominator <= 2**20 for v in floats)
        self.takes_apart = True  # whether sums are taken term by term
        self.last = loss  # whose definition is no relation
        self.positivity = Signs(forward)
        self.acceptance = Acceptance(forward)
        self.totals: dict[Node, sp.Expr | None] = {}
        self.relations = self._relations()
        self._words: Words | None = None

    def renamed(self, names: Mapping[Node, str]) -> Simplifier:
        """Return a simplifier for lines that are short already, of which fewer nodes are read by name."""
        out = copy(self)
        out.takes_apart = False
        out.names = {n: s for n, s in names.items() if n is not self.loss}
        out.sums = Sums((n for n in self.order if n is not self.loss), out.names.__contains__)
        out.relations = out._relations()
        out._words = None
        return out

    def _relations(self) -> Relations:
        def definable(n: Node) -> bool:
            known = n in self.positivity.looked_at and n is not self.last
            return known and printed_length(n, self.names.__contains__, _READABLE) < _READABLE

        return Relations(self.names, definable, self.positivity)

    def total(self, node: Node) -> sp.Expr | None:
        """Return the number that an index sum of the forward pass is by its definition: sum(x - mean(x)) is 0."""
        if node not in self.totals:
            self.totals[node] = self._total(node)
        return self.totals[node]

    def _total(self, node: Node) -> sp.Expr | None:
        if len(node.args) == 1 and _adds_up_to_one(node):
            return sp.Integer(1)

        def inputs(n: Node) -> Sequence[Node]:
            return () if n in self.names else n.args

        parts = [n for n in topological(node.args, inputs) if n.op not in ("const", "size")]
        if not all(n in self.order or n.op in ARITHMETIC or n.op == "einsum" for n in parts):
            return None
        if not any(_defined(n) is not None or n.op in ARITHMETIC for n in parts if n in self.order):
            return None
        whole = topological([node])
        if len(whole) > _SUMMED:
            return None
        definitions = {n: d for n in whole if (d := _defined(n)) is not None}
        ring = Ring(lambda n: False, Sums(), {}, False, definitions, split=True)
        value = sp.cancel(ring.expression(node, ring.indices_for(node.shape)))
        return None if value.free_symbols & set(ring.atoms) else value

    def ring(self, expand: bool, split: bool = False, solved: Mapping[Node, Node] = {}) -> NamedRing:
        """Return a ring for one cotangent; with `expand` named sums and products are written out."""
        return NamedRing(self, expand, split, solved)

    def shorten(self, node: Node) -> Shortened:
        """Return the shortest equal form of `node`, what stands inside functions of whole arrays shortened first."""
        node = self._operands_shortened(node)
        found = self._shorten(node)
        if found.cost >= LIMIT or not _has_products(found.node, self.order):
            return found
        length = self.words.length
        forms = (*self.words.rewrite(found.node), *self.words.rewrite(node))
        ranked = sorted((found.node, *forms, node), key=length)
        best = next(n for n in ranked if n in (node, found.node) or self.acceptance.accepts(node, n, "matrix_products"))
        if best is found.node:
            return found
        if best is node:
            return Shortened(node, min(found.cost, int(length(node))), "order", "")
        return Shortened(best, min(found.cost, int(length(best))), "matrix_products", "products of matrices collected",
                         found if length(found.node) < length(node) else None)

    @property
    def words(self) -> Words:
        """The algebra of matrix products over the forward pass, made when it is first needed."""
        if self._words is None:
            self._words = Words(NamedRing(self, False), self.names.__contains__, self.declared)
            self._words.remember(list(self.order))
        return self._words

    def _operands_shortened(self, node: Node) -> Node:
        if self.length(node) >= LIMIT:
            return node
        new: dict[Node, Node] = {}
        for n in topological([node], lambda n: () if n in self.order or n.op in ("bar", "pull") else n.args):
            args = tuple(new.get(a, a) for a in n.args)
            if n not in self.order and (n.op == "array" or _goes_in_steps(n)):
                args = tuple(a if a.is_leaf or a in self.order else self._shorten(a).node for a in args)
            if args != n.args:
                new[n] = make(n.op, args, n.attr, n.shape)
        return new.get(node, node)

    def _shorten(self, node: Node) -> Shortened:
        if self.length(node) >= LIMIT:
            return Shortened(node, LIMIT, "order", "")
        shallow = _shallow(node, self.names)
        found: list[_Found] = []
        split = self.takes_apart and self._sums_of_sums(shallow)
        for expand in (False, True):
            if expand and not self._worth_expanding(node):
                continue
            found += self._read(node, expand, False)
            if split:
                found += self._read(node, expand, True)
        best = self._first(node, found)
        if best is None:
            return Shortened(node, self.length(node), "order", "")
        plain = self._first(node, [f for f in found if not f.exponential]) if best.exponential else None
        related = self._related(node, split, best.cost)
        if related is not None and self.acceptance.accepts(node, related[0].node(), "forward_pass"):
            short = self._named(node, best, None)
            reason = self.relations.said([r for r in related[1] if any(k in related[0].ring.read for k, _ in r.solved)])
            return Shortened(related[0].node(), related[0].cost, "forward_pass", reason, short)
        return self._named(node, best, self._named(node, plain, None) if plain is not None else None)

    def _first(self, node: Node, found: Sequence[_Found]) -> _Found | None:
        """Return the shortest form that has been compared with the line it replaces and is equal to it."""
        ranked = sorted(found, key=lambda f: f.cost)
        return next((f for f in ranked if self.acceptance.accepts(node, f.node(), "normal_form")), None)

    def _read_through(self, roots: Sequence[Node]) -> list[Node]:
        """Return the nodes that a ring meets, down to its atoms."""

        def inputs(n: Node) -> Sequence[Node]:
            through = n.op in ARITHMETIC or (n.op == "einsum" and (n not in self.order or moves(n)))
            return n.args if through and n not in self.names else ()

        return topological(roots, inputs)

    def _sums_of_sums(self, shallow: Sequence[Node]) -> bool:
        """Return whether a sum over an index has terms that it may be taken apart into."""
        sums = [n for n in shallow if n.op == "einsum" and n.args and n not in self.order and not moves(n)]
        below = self._read_through(sums)
        known = any(n in self.order and (n.op in ARITHMETIC or _defined(n) is not None) for n in below)
        return known and any(n.op in ("add", "sub") and n not in self.names for n in below)

    def _read(
        self, node: Node, expand: bool, split: bool, solved: Mapping[Node, Node] = {}
    ) -> list[_Found]:
        """Return every form of a node in one ring."""
        ring = self.ring(expand, split, solved)
        idx = ring.indices_for(node.shape)
        start = ring.expression(node, idx)
        return [_Found(cost(f, ring.weight), ring, start, f, idx, e) for f, e in self._candidates(ring, start)]

    def _related(
        self, node: Node, split: bool, limit: int
    ) -> tuple[_Found, list[Relation]] | None:
        """Return a form that is shorter than `limit` by relations of the forward pass, and these."""
        near = self.relations.near(self._read_through([node]))
        best: tuple[_Found, list[Relation]] | None = None
        chosen: list[Relation] = []
        tried: set[frozenset[Relation]] = set()

        def attempt(relations: list[Relation]) -> bool:
            nonlocal best, limit
            solved = chart(relations, self._read_through)
            if solved is None or frozenset(relations) in tried:
                return False
            tried.add(frozenset(relations))
            for s in (False, True) if split else (False,):
                for f in self._read(node, False, s, solved):
                    if f.cost < limit and self._divides_soundly(node, f):
                        best, limit = (f, relations), f.cost
            return best is not None and best[1] is relations

        together: list[Relation] = []
        for r in reversed(near):  # what was defined last speaks first
            if len(together) < _TOGETHER and chart([*together, r], self._read_through) is not None:
                together.append(r)
        if together and attempt(together):
            return best
        while len(chosen) < _TOGETHER:
            for r in near:
                if r not in chosen:
                    attempt([*chosen, r])
            if best is None or set(best[1]) <= set(chosen) or not set(chosen) <= set(best[1]):
                break
            chosen = best[1]
        return best

    def _divides_soundly(self, node: Node, found: _Found) -> bool:
        """Return whether a form divides only by what is not 0, or by what the line divides by as it was.

        A relation solved for a quotient, 1/b = c/a, would look at a where the line did not.
        """
        ring = found.ring
        below = [b for p in found.form.atoms(sp.Pow) if p.exp.could_extract_minus_sign()
                 for b in sp.Mul.make_args(p.base) if b.free_symbols & set(ring.atoms)]
        nodes = [ring.atoms[b][0] if b in ring.atoms else ring.rebuild(b, ring.indices_in_order(b)) for b in below]
        own = {f for n in _shallow(node, self.names) if n.op == "div"
               for side in _factors(n.args[1], self.names) for f in side}
        return all(self.positivity.nonzero(n) or n in own for n in nodes)

    def _named(self, node: Node, found: _Found, via: Shortened | None) -> Shortened:
        rule, reason = _explain(node, self.names, found.start, found.form, found.exponential)
        return Shortened(found.node(), found.cost, rule, reason, via)

    def factor(self, node: Node) -> sp.Expr:
        """Return the number in front of a node, in sizes and numbers."""
        ring = NamedRing(self, False)
        whole = sp.factor(sp.cancel(ring.expression(node, ring.indices_for(node.shape))))
        return sp.Mul(*(f for f in sp.Mul.make_args(whole) if not f.free_symbols & set(ring.atoms)))

    def divided(self, node: Node, by: sp.Expr) -> Node:
        """Return the shortest form of a node over a number."""
        ring = NamedRing(self, False)
        idx = ring.indices_for(node.shape)
        whole = ring.expression(node, idx) / by
        return ring.rebuild(min(forms(whole), key=lambda f: cost(f, ring.weight)), idx)

    def reads(self, node: Node, names: Mapping[Node, str]) -> bool:
        """Return whether a node is written in any of the names."""
        return any(n in names and n in self.names for n in _shallow(node, self.names) if n is not node)

    def cost(self, node: Node) -> int:
        """Return the length of a node as it is written, in the measure by which forms are compared."""
        ring = NamedRing(self, False)
        return cost(ring.expression(node, ring.indices_for(node.shape)), ring.weight)

    def length(self, node: Node) -> int:
        """Return roughly how many symbols a node prints as, at most the limit above which it stays as it is."""
        return printed_length(node, self.names.__contains__, LIMIT)

    def _worth_expanding(self, node: Node) -> bool:
        """Return whether named sums and products occur, and writing them out leaves something of readable size."""
        if not any(n in self.names and n.op in ARITHMETIC for n in _shallow(node, self.names)):
            return False
        return printed_length(node, lambda n: n in self.names and n.op not in ARITHMETIC, LIMIT) < LIMIT

    def _candidates(self, ring: Ring, start: sp.Expr) -> list[tuple[sp.Expr, bool]]:
        out = [(f, False) for f in _forms(ring, start)]
        if not (ring.chart or ring.split):  # one kind of rewriting at a time
            out += [(f, True) for a in alternatives(ring, start) for f in _forms(ring, a)]
        indicators = frozenset(s for s in start.free_symbols & set(ring.atoms) if is_indicator(ring.atoms[s][0]))
        if not indicators:
            return out

        def has_value(base: sp.Expr) -> bool:
            node = ring.atoms[base][0] if base in ring.atoms else None
            return bool(base.is_positive) or (node is not None and self.positivity.nonzero(node))

        line = Guarded(start, indicators, has_value)
        allowed = {f: f == start or line.allows(f) for f in dict.fromkeys(f for f, _ in out)}
        return [(f, e) for f, e in out if allowed[f]]


@dataclass(frozen=True)
class _Found:
    """A form of a line: its length, the ring and what it read, and whether exponentials were rewritten."""

    cost: int
    ring: Ring
    start: sp.Expr
    form: sp.Expr
    idx: tuple[int, ...]
    exponential: bool

    def node(self) -> Node:
        return self.ring.rebuild(self.form, self.idx)


def _forms(ring: Ring, expr: sp.Expr) -> list[sp.Expr]:
    """Return equal forms of an expression, with sums and with means, two cases in one choice."""
    means = ring.with_means(expr)
    out = [*forms(expr), *(forms(means) if means is not None else ())]
    return out + [c for f in out for c in choices(ring, f)]


def _defined(node: Node) -> Node | None:
    """Return a function of whole arrays by its definition, where that is one in sums and simpler functions."""
    row = array_row(node) if node.op == "array" else None
    return row.definition(*node.args, **row.given(node)) if row is not None and row.definition is not None else None


def _adds_up_to_one(node: Node) -> bool:
    """Return whether a node sums over the axis along which, as its row says, the entries add up to 1."""
    (x,), (labels,), out = node.args, node.attr[0], node.attr[1]
    row = array_row(x) if x.op == "array" else None
    if row is None or row.total is None:
        return False
    axis = row.total(*(a.shape for a in x.args), **row.given(x))
    gone = [k for k, i in enumerate(labels) if i not in out]
    return gone == [axis] and len(set(labels)) == len(labels)


def _goes_in_steps(node: Node) -> bool:
    """Return whether a function of one operand is constant but for its kink, such as step(x - y)."""
    row = find(node) if node.is_elementwise and len(node.args) == 1 else None
    return row is not None and row.kink is not None and row.derivative(node, *node.args) == (None,)


def _has_products(node: Node, forward: Mapping[Node, int]) -> bool:
    """Return whether there are products to be collected: two of them, or one of a column and a row."""
    inner = topological([node], lambda n: () if n in forward or n.op in ("bar", "pull") else n.args)
    products = [n for n in inner if n.rank > 0 and (n.op == "array" or (
        n.op == "einsum" and max(map(len, n.attr[0]), default=0) == 2))]
    return len(products) > 1 or any(n.op == "einsum" and [len(x) for x in n.attr[0]] == [1, 1] and n.rank == 2
                                    for n in inner)


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
