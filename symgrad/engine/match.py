"""Find where a rewrite rule applies, up to the spelling of sums, products, signs and quotients.

A pattern is the left side of a rule, built on placeholder variables. Pattern and graph are both read through the views
of `symgrad.engine.views`, so commutation, signs and quotients need no rules of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from symgrad.engine.assumptions import Assumption
from symgrad.engine.ranges import Ranges
from symgrad.engine.views import ONE, Factor, ProductView, Views, divided, read_product, read_sum, scaled
from symgrad.graph.node import Node, const, make
from symgrad.rules.row import Rewrite

Bindings: TypeAlias = "dict[int, Node]"
Rests: TypeAlias = "frozenset[Assumption]"
_NOTHING_ASSUMED: Rests = frozenset()


@dataclass(frozen=True)
class Hole:
    """`times` * placeholder."""

    index: int
    times: Fraction


@dataclass(frozen=True)
class Number:
    value: Fraction


@dataclass(frozen=True)
class Call:
    op: str
    attr: tuple[object, ...]
    args: tuple[Pattern, ...]


@dataclass(frozen=True)
class Product:
    times: Fraction
    factors: tuple[tuple[Pattern, Fraction], ...]  # holes last: the other factors bind them


@dataclass(frozen=True)
class Sum:
    plus: Fraction
    terms: tuple[Pattern, ...]  # holes last


Pattern: TypeAlias = "Hole | Number | Call | Product | Sum"


def compile_pattern(root: Node, placeholders: Sequence[Node]) -> Pattern:
    """Return the pattern that a rule's left side stands for; it recurses over the rule, never over a user's graph."""
    view = read_product(root)
    if not view.factors:
        return Number(view.times)
    parts: list[tuple[Pattern, Fraction]] = []
    for factor in view.factors:
        base = factor.base
        part: Pattern
        if base in placeholders:
            part = Hole(placeholders.index(base), ONE)
        elif base.op in ("add", "sub"):
            total = read_sum(base)
            terms = [compile_pattern(scaled(t, Fraction(s)), placeholders) for s, t in total.terms]
            part = Sum(total.plus, tuple(sorted(terms, key=lambda t: isinstance(t, Hole))))
        else:
            part = Call(base.op, base.attr, tuple(compile_pattern(a, placeholders) for a in base.args))
        parts.append((part, factor.exponent))
    if len(parts) == 1 and parts[0][1] == 1:
        only = parts[0][0]
        if isinstance(only, Hole):
            return Hole(only.index, view.times)
        if view.times == 1:
            return only
    return Product(view.times, tuple(sorted(parts, key=lambda p: isinstance(p[0], Hole))))


class Matcher:
    """One rule, ready to be looked for."""

    def __init__(self, rule: Rewrite) -> None:
        self.rule = rule
        self.pattern = compile_pattern(rule.lhs(*rule.placeholders), rule.placeholders)
        if isinstance(self.pattern, (Hole, Number)):
            raise ValueError(f"the left side of the rewrite {rule.name!r} is a bare variable or number")
        if isinstance(self.pattern, Call):
            self.ops: tuple[str, ...] = (self.pattern.op,)
        elif isinstance(self.pattern, Product):
            self.ops = ("mul", "div", "pow")
            self.kinds = frozenset((p.op if isinstance(p, Call) else "add", e) for p, e in self.pattern.factors
                                   if isinstance(p, (Call, Sum)))
        else:
            self.ops = ("add", "sub", "neg")

    def apply(self, node: Node, views: Views, ranges: Ranges) -> tuple[Node, Rests] | None:
        """Return what the rule makes of `node` and the assumptions that its condition rests on, None where it does not
        apply or its condition is not known to hold.
        """
        for bindings, rest in self._matches(node, views):
            rests = self._known_to_hold(bindings, ranges)
            if rests is not None:
                return self._build(bindings, node, rest), rests
        return None

    def _matches(self, node: Node, views: Views) -> Iterator[tuple[Bindings, ProductView | None]]:
        if not isinstance(self.pattern, Product):
            yield from ((bindings, None) for bindings in _match(self.pattern, node, views, {}))
        elif self.kinds <= views.product(node).kinds:  # most nodes are turned down here
            for bindings, rest in _match_factors(self.pattern, node, views, {}):
                if rest is None or self._is_its_place(node, views, rest):
                    yield bindings, rest

    def _known_to_hold(self, bindings: Bindings, ranges: Ranges) -> Rests | None:
        if self.rule.when is None:
            return _NOTHING_ASSUMED
        rests = _NOTHING_ASSUMED
        for node, wanted in self.rule.when(*(bindings[i] for i in range(len(self.rule.params)))):
            known, by = ranges.found(node)
            if known not in wanted:
                return None
            rests |= by
        return rests

    def _is_its_place(self, node: Node, views: Views, rest: ProductView) -> bool:
        # with factors left over, an argument of a product may hold the whole match: then it is found there
        if node.op == "mul":
            used = [f for f in views.product(node).factors if f not in rest.factors]
            return len(frozenset().union(*(f.sides for f in used))) > 1
        return node.op in ("div", "pow")

    def _build(self, bindings: Bindings, node: Node, rest: ProductView | None) -> Node:
        out = self.rule.rhs(*(bindings[i] for i in range(len(self.rule.params))))
        if rest is None:
            return out
        above = [f for f in rest.factors if f.exponent > 0]
        below = [f for f in rest.factors if f.exponent < 0]
        top = None
        for f in above:
            power = _power(f.base, f.exponent)
            top = power if top is None else make("mul", [top, power], (), node.shape)
        out = out if top is None else make("mul", [top, out], (), node.shape)
        for f in below:
            out = make("div", [out, _power(f.base, -f.exponent)], (), node.shape)
        return scaled(out, rest.times)


def _power(base: Node, exponent: Fraction) -> Node:
    return base if exponent == 1 else make("pow", [base, const(exponent, base.shape)], (), base.shape)


def _bind(bindings: Bindings, index: int, node: Node) -> Iterator[Bindings]:
    if index not in bindings:
        yield {**bindings, index: node}
    elif bindings[index] is node:
        yield bindings


def _match(pattern: Pattern, node: Node, views: Views, bindings: Bindings) -> Iterator[Bindings]:
    if isinstance(pattern, Hole):
        x = divided(node, pattern.times)
        if x is not None:
            yield from _bind(bindings, pattern.index, x)
    elif isinstance(pattern, Number):
        view = views.product(node)
        if not view.factors and view.times == pattern.value:
            yield bindings
    elif isinstance(pattern, Call):
        if node.op != pattern.op:
            view = views.product(node)  # exp(x)**-1 where exp(-x) is looked for
            if view.times != 1 or len(view.factors) != 1 or view.factors[0].exponent != 1:
                return
            node = view.factors[0].base
        if node.op == pattern.op and node.attr == pattern.attr:
            yield from _match_all(pattern.args, node.args, views, bindings)
    elif isinstance(pattern, Product):
        yield from (found for found, rest in _match_factors(pattern, node, views, bindings) if rest is None)
    else:
        yield from _match_terms(pattern, node, views, bindings)


def _match_all(patterns: Sequence[Pattern], nodes: Sequence[Node], views: Views,
               bindings: Bindings) -> Iterator[Bindings]:
    if not patterns:
        yield bindings
        return
    for found in _match(patterns[0], nodes[0], views, bindings):
        yield from _match_all(patterns[1:], nodes[1:], views, found)


def _match_factors(pattern: Product, node: Node, views: Views,
                   bindings: Bindings) -> Iterator[tuple[Bindings, ProductView | None]]:
    """Yield bindings with the factors that were left over, None where there were none."""
    view = views.product(node)
    if len(view.factors) < len(pattern.factors):
        return
    for found, left in _assign_factors(pattern.factors, view.factors, views, bindings, ONE):
        rest = ProductView(view.times / (pattern.times * left[1]), left[0])
        yield found, (None if not rest.factors and rest.times == 1 else rest)


def _assign_factors(wanted: Sequence[tuple[Pattern, Fraction]], there: tuple[Factor, ...], views: Views,
                    bindings: Bindings,
                    times: Fraction) -> Iterator[tuple[Bindings, tuple[tuple[Factor, ...], Fraction]]]:
    if not wanted:
        yield bindings, (there, times)
        return
    part, e = wanted[0]
    if isinstance(part, Hole) and part.index in bindings:
        # what is bound may be a product itself, and its factors lie about singly
        bound = views.product(bindings[part.index])
        rest = list(there)
        for f in bound.factors:
            hit = next((t for t in rest if t.base is f.base and t.exponent == e * f.exponent), None)
            if hit is None:
                return
            rest.remove(hit)
        if e.denominator == 1 and bound.times:
            yield from _assign_factors(wanted[1:], tuple(rest), views, bindings, times * bound.times ** int(e))
        return
    for k, factor in enumerate(there):
        if factor.exponent == e:
            for found in _match(part, factor.base, views, bindings):
                yield from _assign_factors(wanted[1:], there[:k] + there[k + 1:], views, found, times)


def _match_terms(pattern: Sum, node: Node, views: Views, bindings: Bindings) -> Iterator[Bindings]:
    if node.op not in ("add", "sub", "neg"):
        return
    view = views.sum(node)
    same = len(view.terms) == len(pattern.terms) and view.plus == pattern.plus
    # only a placeholder that stands for a sum itself lets the two differ
    if same or (isinstance(pattern.terms[-1], Hole) and len(view.terms) >= len(pattern.terms)):
        yield from _assign_terms(pattern.terms, view.terms, view.plus - pattern.plus, views, bindings)


def _assign_terms(wanted: Sequence[Pattern], there: tuple[tuple[int, Node], ...], plus: Fraction, views: Views,
                  bindings: Bindings) -> Iterator[Bindings]:
    if not wanted:
        if not there and plus == 0:
            yield bindings
        return
    part = wanted[0]
    if isinstance(part, Hole) and part.index in bindings and abs(part.times) == 1:
        # what is bound may be a sum itself, and its terms lie about singly
        bound = views.sum(bindings[part.index])
        sign, rest = int(part.times), list(there)
        for s, term in bound.terms:
            if (s * sign, term) not in rest:
                return
            rest.remove((s * sign, term))
        yield from _assign_terms(wanted[1:], tuple(rest), plus - sign * bound.plus, views, bindings)
        return
    for k, (sign, term) in enumerate(there):
        for found in _match(part, scaled(term, Fraction(sign)), views, bindings):
            yield from _assign_terms(wanted[1:], there[:k] + there[k + 1:], plus, views, found)
