"""Two ways to read a node while rules are matched: as a product and as a sum; the node itself stays as it is.

A product is a coefficient and factors with exponents (`a/b`, `a*b**-1`, `-a` and `exp(a)**-1` read alike), a sum is a
constant and signed terms (`1 - p`, `-p + 1`). A view looks through at most LOOK nodes, so that a match costs no more
in a large graph than in a small one; what lies deeper is one opaque factor or term.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from symgrad.graph.node import Node, const, make

LOOK = 16
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
            found = self._products[node] = read_product(node)
        return found

    def sum(self, node: Node) -> SumView:
        found = self._sums.get(node)
        if found is None:
            found = self._sums[node] = read_sum(node)
        return found


def read_product(root: Node) -> ProductView:
    """Return the node as a coefficient and factors with exponents."""
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
        # an exponent past LOOK stays with its base: 2**10**9 is nobody's coefficient
        if value is not None and e.denominator == 1 and (value or e > 0) and abs(e) <= LOOK:
            times *= value ** int(e)
        elif node.op in ("mul", "div") and open_to_view:
            for k, arg in enumerate(node.args):
                side = frozenset({k}) if node is root else sides
                queue.append((arg, -e if k and node.op == "div" else e, side))
        elif node.op == "neg" and open_to_view:
            times *= (-1) ** abs(int(e))
            queue.append((node.args[0], e, sides))
        elif inner is not None and open_to_view and (e == 1 or inner.denominator == 1):  # sqrt(x)**2 is no x below 0
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


def read_sum(root: Node) -> SumView:
    """Return the node as a constant and signed terms."""
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
