"""Find where a rewrite rule applies, up to the spelling of sums, products, signs and quotients.

A pattern is the left side of a rule, built on placeholder variables. Both pattern and graph are read through two views
that exist here alone, the user's nodes stay as they are: a product is a coefficient and factors with exponents
(`a/b`, `a*b**-1`, `-a` and `exp(a)**-1` read alike), a sum is a constant and signed terms (`1 - p`, `-p + 1`).
A view looks through at most LOOK nodes, so a match costs no more in a large graph than in a small one.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TypeAlias

from symgrad.graph.node import Node, const, make
from symgrad.rules.row import Rewrite

LOOK = 16
Bindings: TypeAlias = "dict[int, Node]"


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

ONE, ZERO = Fraction(1), Fraction(0)


def number_of(node: Node, depth: int = 3) -> Fraction | None:
    """Return the rational that a constant, or one written as -1, 1/2 or 2**-1, stands for; None for every other node.

    A float counts where it is a short binary fraction (0.5, 3.0), which is what its writer meant by it.
    """
    if node.op in ("neg", "div", "pow") and depth:
        parts = [number_of(a, depth - 1) for a in node.args]
        a, b = parts[0], parts[-1]
        if a is None or b is None:
            return None
        if node.op == "neg":
            return -a
        if node.op == "div":
            return a / b if b else None
        return Fraction(a ** int(b)) if a and b.denominator == 1 and abs(b) <= LOOK else None
    if node.op == "einsum" and depth and node.attr[0] == ((),) and len(set(node.attr[1])) == node.rank:
        return number_of(node.args[0], depth - 1)  # a scalar, broadcast
    if node.op != "const" or isinstance(node.value, str):
        return None
    if isinstance(node.value, float) and not math.isfinite(node.value):
        return None
    value = Fraction(node.value)
    return value if not isinstance(node.value, float) or value.denominator <= 1024 else None


def scaled(node: Node, by: Fraction) -> Node:
    """Return by * node, without a double minus."""
    if by == 1:
        return node
    value = number_of(node)
    if value is not None:
        return const(by * value, node.shape)
    if by == -1:
        if node.op == "const" and isinstance(node.value, float):
            return const(-node.value, node.shape)
        return node.args[0] if node.op == "neg" else make("neg", [node], (), node.shape)
    return make("mul", [const(by, node.shape), node], (), node.shape)


def divided(node: Node, by: Fraction, depth: int = 4) -> Node | None:
    """Return x where node reads as by * x: a sign or a whole multiple that is written out; None where it is not."""
    if by == 1:
        return node
    value = number_of(node)
    if value is not None:
        rest = value / by
        return const(rest, node.shape) if rest > 0 and rest.denominator == 1 else None
    if node.op == "const" and isinstance(node.value, float):
        return const(-node.value, node.shape) if by == -1 and node.value < 0 else None
    if depth == 0:
        return None
    if node.op == "neg":
        return divided(node.args[0], -by, depth - 1)
    if node.op in ("mul", "div"):
        a, b = node.args
        below = number_of(b) if node.op == "div" else None
        whole = divided(a, by * below, depth - 1) if below else None
        if whole is not None:
            return whole
        first = divided(a, by, depth - 1)
        if first is not None:
            is_one = node.op == "mul" and number_of(first) == 1
            return b if is_one else make(node.op, [first, b], (), node.shape)
        second = divided(b, by, depth - 1) if node.op == "mul" else None
        if second is not None:
            return a if number_of(second) == 1 else make("mul", [a, second], (), node.shape)
        return None
    if node.op in ("add", "sub"):
        first = divided(node.args[0], by, depth - 1)
        second = divided(node.args[1], by if node.op == "add" else -by, depth - 1)
        if node.op == "sub" and by == -1:
            second = node.args[1]  # -(a + b) written as -a - b
        if first is not None and second is not None:
            return make("add", [first, second], (), node.shape)
    return None


@dataclass(frozen=True)
class Factor:
    base: Node
    exponent: Fraction
    sides: frozenset[int]  # which arguments of the node it was found below


@dataclass(frozen=True)
class ProductView:
    times: Fraction
    factors: tuple[Factor, ...]

    @cached_property
    def kinds(self) -> frozenset[tuple[str, Fraction]]:
        return frozenset(("add" if f.base.op == "sub" else f.base.op, f.exponent) for f in self.factors)


@dataclass(frozen=True)
class SumView:
    plus: Fraction
    terms: tuple[tuple[int, Node], ...]


class Views:
    """The two readings of a node, kept for the time of one rewriting."""

    def __init__(self) -> None:
        self._products: dict[Node, ProductView] = {}
        self._sums: dict[Node, SumView] = {}

    def product(self, node: Node) -> ProductView:
        found = self._products.get(node)
        if found is None:
            found = self._products[node] = _read_product(node)
        return found

    def sum(self, node: Node) -> SumView:
        found = self._sums.get(node)
        if found is None:
            found = self._sums[node] = _read_sum(node)
        return found


def _read_product(root: Node) -> ProductView:
    times = ONE
    powers: dict[tuple[Node, bool], tuple[Fraction, frozenset[int]]] = {}
    queue: deque[tuple[Node, Fraction, frozenset[int]]] = deque([(root, ONE, frozenset())])
    looked = 0
    while queue:
        node, e, sides = queue.popleft()
        looked += 1
        value = number_of(node)
        inner = number_of(node.args[1]) if node.op == "pow" else None
        open_to_view = e.denominator == 1 and looked <= LOOK
        if value is not None and e.denominator == 1 and (value or e > 0):
            times *= value ** int(e)
        elif node.op in ("mul", "div") and open_to_view:
            for k, arg in enumerate(node.args):
                side = frozenset({k}) if node is root else sides
                queue.append((arg, -e if k and node.op == "div" else e, side))
        elif node.op == "neg" and open_to_view:
            times *= (-1) ** abs(int(e))
            queue.append((node.args[0], e, sides))
        elif inner is not None and open_to_view:
            queue.append((node.args[0], e * inner, sides))
        else:
            # x and 1/x are kept apart: cancelling them is not the matcher's business
            old, where = powers.get((node, e > 0), (ZERO, frozenset()))
            powers[node, e > 0] = old + e, where | sides
    factors = []
    for (base, _), (e, sides) in powers.items():
        if base.op == "exp" and e != 1:  # exp(a)**n is exp(n*a)
            factors.append(Factor(make("exp", [scaled(base.args[0], e)], (), base.shape), ONE, sides))
        else:
            factors.append(Factor(base, e, sides))
    return ProductView(times, tuple(factors))


def _read_sum(root: Node) -> SumView:
    plus, terms = ZERO, []
    queue: deque[tuple[int, Node]] = deque([(1, root)])
    looked = 0
    while queue:
        sign, node = queue.popleft()
        looked += 1
        value = number_of(node)
        if value is not None:
            plus += sign * value
        elif node.op in ("add", "sub", "neg") and looked <= LOOK:
            last = -sign if node.op in ("sub", "neg") else sign
            queue.extend([*((sign, a) for a in node.args[:-1]), (last, node.args[-1])])
        elif node.op == "mul" and looked <= LOOK and -1 in (number_of(node.args[0]), number_of(node.args[1])):
            queue.append((-sign, node.args[1] if number_of(node.args[0]) == -1 else node.args[0]))
        else:
            terms.append((sign, node))
    return SumView(plus, tuple(terms))


def compile_pattern(root: Node, placeholders: Sequence[Node]) -> Pattern:
    """Return the pattern that a rule's left side stands for; it recurses over the rule, never over a user's graph."""
    view = _read_product(root)
    if not view.factors:
        return Number(view.times)
    parts: list[tuple[Pattern, Fraction]] = []
    for factor in view.factors:
        base = factor.base
        part: Pattern
        if base in placeholders:
            part = Hole(placeholders.index(base), ONE)
        elif base.op in ("add", "sub"):
            total = _read_sum(base)
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

    def apply(self, node: Node, views: Views) -> Node | None:
        """Return what the rule makes of `node`, None where it does not apply."""
        if isinstance(self.pattern, Product):
            if not self.kinds <= views.product(node).kinds:  # most nodes are turned down here
                return None
            for bindings, rest in _match_factors(self.pattern, node, views, {}):
                if rest is None or self._is_its_place(node, views, rest):
                    return self._build(bindings, node, rest)
            return None
        for bindings in _match(self.pattern, node, views, {}):
            return self._build(bindings, node, None)
        return None

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
