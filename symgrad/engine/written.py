"""From the ring back to nodes: sums and products arranged the way a textbook prints them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from functools import reduce
from typing import Any, TypeAlias

import sympy as sp

from symgrad.engine.forms import is_negative
from symgrad.engine.tidy import negate, tidy
from symgrad.graph.node import Node, broadcast_to, const, einsum, make, size
from symgrad.shapes import Dim, Shape

Index: TypeAlias = int
Indices: TypeAlias = tuple[int, ...]

_LONG = 100  # atoms that print longer than this are all equally long


class Writer(ABC):
    """Writes expressions over indexed atoms as nodes.

    atoms         symbol -> (node, indices)
    index_sizes   index -> its size
    canonical     an index sum -> the node there is for it
    order         node of the forward pass -> its place there; it decides the order of terms and factors
    as_written    (sum, indices) -> the node of the forward pass that spells it so
    decimal       whether the forward pass is written with decimal fractions
    """

    atoms: dict[sp.Symbol, tuple[Node, Indices]]
    index_sizes: list[Dim]
    canonical: dict[Any, Node]
    order: Mapping[Node, int]
    as_written: dict[tuple[sp.Expr, Indices], Node]
    decimal: bool

    def weight(self, symbol: sp.Symbol) -> int:
        """Return the length of an atom in print: 1 for a name, the length of what it applies to otherwise."""
        if symbol not in self.atoms:
            return 1
        node = self.atoms[symbol][0]
        if node.op in ("var", "bar", "const") or self.is_named(node):
            return 1
        return 1 + printed_length(node, self.is_named, _LONG)

    def is_named(self, node: Node) -> bool:  # noqa: ARG002  # for the derivation to say
        """Overridden by the derivation: whether a node prints as one name."""
        return False

    def rebuild(self, expr: sp.Expr, idx: Indices) -> Node:
        """Return the node of an expression with the given output indices, its terms in textbook order."""
        shape = tuple(self.index_sizes[i] for i in idx)
        if isinstance(expr, sp.Symbol) and expr in self.atoms:
            node, have = self.atoms[expr]
            if node.op == "const":
                return broadcast_to(node, shape)
            return self._reindex(node, have, idx)
        if not any(s in self.atoms for s in expr.free_symbols):
            return self._plain_number(expr, shape)
        if isinstance(expr, sp.Add):
            known = self.as_written.get((expr, idx))
            return known if known is not None else self._rebuild_sum(expr, idx)
        if isinstance(expr, (sp.Mul, sp.Pow)):
            return self._rebuild_product(expr, idx)
        raise AssertionError(f"unexpected {type(expr).__name__} in the ring")

    def _reindex(self, node: Node, have: Indices, idx: Indices) -> Node:
        """Return the node with its axes permuted or broadcast; an index sum takes the new output itself."""
        if have == idx:
            return node
        sizes = {i: self.index_sizes[i] for i in idx}
        if node.op == "einsum" and not self.is_named(node) and len(set(node.attr[1])) == len(have):
            ins, out, _ = node.attr
            label = {o: ("free", i) for o, i in zip(out, have)}
            lab = [[label.get(x, ("bound", x)) for x in one] for one in ins]
            new = einsum(lab, node.args, [("free", i) for i in idx], {("free", i): d for i, d in sizes.items()})
            return self.canonical.get(canonical_key(new), new) if new.op == "einsum" else new
        return einsum([have], [node], idx, sizes)

    def _plain_number(self, expr: sp.Expr, shape: Shape) -> Node:
        if expr.is_Rational:
            number = Fraction(int(expr.p), int(expr.q))
            short = self.decimal and number.denominator > 1 and Fraction(float(number)) == number
            return const(float(number) if short else number, shape)
        if expr.is_integer:
            return size(expr, shape)
        if isinstance(expr, sp.Pow) and expr.exp == sp.Rational(1, 2):
            return make("sqrt", (self._plain_number(expr.base, shape),), (), shape)
        num, den = expr.as_numer_denom()
        if den == 1:  # a sum or product of roots, such as 1 + sqrt(2)
            op = "add" if isinstance(expr, sp.Add) else "mul" if isinstance(expr, sp.Mul) else "pow"
            parts = [self._plain_number(a, shape) for a in expr.args]
            return reduce(lambda a, b: tidy(op, (a, b), (), shape), parts)
        return tidy("div", (self._plain_number(num, shape), self._plain_number(den, shape)), (), shape)

    def _term_key(self, term: sp.Expr) -> tuple[Any, ...]:
        _, rest = term.as_coeff_Mul()
        atoms = [s for s in rest.free_symbols if s in self.atoms]
        first = min((self._serial(s) for s in atoms), default=-1)
        # a 1 leads (1 - p, 1 + e), other numbers close a sum; higher powers come first
        place = 1 if atoms else 0 if abs(term) == 1 else 2
        degree = -sum(e for b, e in (f.as_base_exp() for f in sp.Mul.make_args(rest)) if e.is_Integer)
        return (is_negative(term), place, first, degree, sp.default_sort_key(rest))

    def _serial(self, symbol: sp.Symbol) -> int:
        if symbol not in self.atoms:
            return -1
        # what is not of the forward pass follows it, in the order of its first appearance
        return self.order.get(self.atoms[symbol][0], len(self.order) + int(symbol.name[1:]))

    def _rebuild_sum(self, expr: sp.Expr, idx: Indices) -> Node:
        shape = tuple(self.index_sizes[i] for i in idx)
        out: Node | None = None
        for term in sorted(expr.args, key=self._term_key):
            if out is None:
                out = self.rebuild(term, idx)
            elif is_negative(term):
                out = tidy("sub", (out, self.rebuild(-term, idx)), (), shape)
            else:
                out = tidy("add", (out, self.rebuild(term, idx)), (), shape)
        assert out is not None
        return out

    def _rebuild_product(self, expr: sp.Expr, idx: Indices) -> Node:
        shape = tuple(self.index_sizes[i] for i in idx)
        coefficient, rest = self._decimal_coefficient(*expr.as_coeff_Mul())
        above: list[sp.Expr] = []
        below: list[sp.Expr] = []
        for f in sp.Mul.make_args(rest):
            base, exponent = f.as_base_exp()
            if exponent.could_extract_minus_sign():
                below.append(base**-exponent)
            else:
                above.append(f)
        negative = bool(coefficient < 0)
        if negative:
            coefficient = -coefficient
        above, below, negative = self._signs(above, below, negative)
        if self.decimal and coefficient.q != 1 and Fraction(float(coefficient)) == coefficient:
            above.insert(0, coefficient)
        else:
            above += [sp.Integer(coefficient.p)] * (coefficient.p != 1)
            below += [sp.Integer(coefficient.q)] * (coefficient.q != 1)
        top = self._factors(above, idx)
        if below:
            bottom = self._factors(below, idx)
            top = make("div", (top if top is not None else const(1, shape), bottom), (), shape)  # type: ignore[arg-type]  # bottom has factors
        assert top is not None
        return negate(top) if negative else top

    def _decimal_coefficient(self, coefficient: sp.Rational, rest: sp.Expr) -> tuple[sp.Rational, sp.Expr]:
        """Multiply a number into a decimal fraction beside it, 2*0.1 = 0.2, where that is exact."""
        for f in sp.Mul.make_args(rest):
            if coefficient != 1 and f in self.atoms and self.atoms[f][0].op == "const":
                value = self.atoms[f][0].value
                if isinstance(value, str):  # pi
                    continue
                product = Fraction(value) * Fraction(int(coefficient.p), int(coefficient.q))
                if math.isfinite(value) and Fraction(float(product)) == product:
                    folded = self.symbol(const(float(product)), ())
                    return sp.Integer(1), rest / f * folded
        return coefficient, rest

    @abstractmethod
    def symbol(self, node: Node, idx: Indices) -> sp.Symbol:
        """Return the symbol of an atom."""

    @abstractmethod
    def einsum(self, labels: Sequence[Indices], args: Sequence[Node], out: Indices) -> Node:
        """Return the one einsum node for a product of these operands."""

    def _turn(self, f: sp.Expr) -> tuple[sp.Expr, bool]:
        """Return the factor with its sum turned to start with a positive term, and whether that changed the sign."""
        base, exponent = f.as_base_exp()
        if isinstance(base, sp.Add) and exponent.is_Integer and self._prefers_minus(base):
            flipped = sp.Add(*(-t for t in base.args))
            return flipped**exponent, bool(exponent % 2)
        return f, False

    def _signs(
        self, above: list[sp.Expr], below: list[sp.Expr], negative: bool
    ) -> tuple[list[sp.Expr], list[sp.Expr], bool]:
        """Let each sum start with a positive term: 1 - p rather than -(p - 1)."""
        for group in (above, below):
            for k, f in enumerate(group):
                group[k], odd = self._turn(f)
                negative ^= odd
        if negative:  # one minus left: let the first difference swallow it where that reads no worse
            for group in (above, below):
                for k, f in enumerate(group):
                    if self._swallows_minus(f):
                        group[k] = sp.Add(*(-t for t in f.args))
                        return above, below, False
        return above, below, negative

    @staticmethod
    def _swallows_minus(f: sp.Expr) -> bool:
        """Return whether f is a sum that may as well be written with the other signs: b - a for a - b; 1 - p is not."""
        if not isinstance(f, sp.Add) or not any(is_negative(t) for t in f.args):
            return False
        return len(f.args) > 2 or not any(t.is_number and t > 0 for t in f.args)

    def _prefers_minus(self, total: sp.Expr) -> bool:
        """Return whether the sum reads better with all signs turned: as its author wrote it, else with fewer minus."""
        negative = sum(is_negative(t) for t in total.args)
        if negative in (0, len(total.args)):
            return negative > 0
        turned = sp.Add(*(-t for t in total.args))
        written = {known for known, _ in self.as_written}
        if (total in written) != (turned in written):
            return turned in written
        numbers = [t for t in total.args if t.is_number]
        if len(total.args) == 2 and numbers:
            return bool(numbers[0] < 0)
        return 2 * negative > len(total.args)

    def _factors(self, factors: Sequence[sp.Expr], idx: Indices) -> Node | None:
        """Multiply factors, those with fewer indices first among themselves, so that scalars meet as scalars."""
        if not factors:
            return None
        groups: dict[Indices, Node] = {}
        for f in sorted(factors, key=self._factor_key):
            own = tuple(i for i in idx if i in self.indices_of(f))
            node = self._power(f, own)
            groups[own] = tidy("mul", (groups[own], node), (), node.shape) if own in groups else node
        out: Node | None = None
        shape = tuple(self.index_sizes[i] for i in idx)
        axes = [own for own in groups if own]
        if len([own for own in axes if own != idx]) > 1:  # u_i v_j is an outer product, not two broadcasts
            rest = groups.pop(idx, None)
            axes = [own for own in axes if own != idx]
            outer = self.einsum(axes, [groups.pop(own) for own in axes], idx)
            groups[idx] = outer if rest is None else tidy("mul", (outer, rest), (), shape)
        # numbers and names first, a sum such as sum(y) after what it scales
        for own in sorted(groups, key=lambda own: (not own and self._sums(factors), len(own))):
            node = groups[own]
            if own != idx:
                node = broadcast_to(node, shape) if node.op in ("const", "size") else self._reindex(node, own, idx)
            out = node if out is None else tidy("mul", (out, node), (), shape)
        return out

    def _sums(self, factors: Sequence[sp.Expr]) -> bool:
        """Return whether the scalars among the factors are sums over an index."""
        scalars = {s for f in factors if not self.indices_of(f) for s in f.free_symbols or [None]}
        return all(s in self.atoms and self.atoms[s][0].op == "einsum" and not self.is_named(self.atoms[s][0])
                   for s in scalars)

    def _factor_key(self, f: sp.Expr) -> tuple[Any, ...]:
        base, exponent = f.as_base_exp()
        if not exponent.is_number:
            return (4, 0, sp.default_sort_key(f))
        kind = 0 if base.is_number else 1 if base not in self.atoms and isinstance(base, sp.Symbol) else 2
        if kind == 2 and isinstance(base, sp.Symbol):
            node, idx = self.atoms[base]
            # what arrives from above leads: a cotangent, or the product that passes it down
            arrives = node.op == "bar" or (node.op == "einsum" and bool(idx) and not self.is_named(node))
            kind = 2 if arrives else 3 if node.op == "var" or self.is_named(node) else 4
        elif kind == 2:
            kind = 5
        return (kind, min((self._serial(s) for s in base.free_symbols), default=-1), sp.default_sort_key(f))

    def _power(self, f: sp.Expr, idx: Indices) -> Node:
        if not isinstance(f, sp.Pow):
            return self.rebuild(f, idx)
        base, exponent = f.as_base_exp()
        shape = tuple(self.index_sizes[i] for i in idx)
        if exponent == sp.Rational(1, 2):
            return make("sqrt", (self.rebuild(base, idx),), (), shape)
        return tidy("pow", (self.rebuild(base, idx), self.rebuild(exponent, idx)), (), shape)

    def indices_of(self, expr: sp.Expr) -> set[Index]:
        """Return the indices an expression carries."""
        out: set[Index] = set()
        for s in expr.free_symbols:
            if s in self.atoms:
                out.update(self.atoms[s][1])
        return out


def printed_length(node: Node, is_named: Callable[[Node], bool], limit: int) -> int:
    """Return roughly how many symbols a node prints as, at most `limit`."""
    total = 0
    stack = [node]
    while stack and total < limit:
        n = stack.pop()
        total += 1
        if n is node or not (n.is_leaf or n.op == "bar" or is_named(n)):
            stack.extend(n.args)
    return total


def canonical_key(node: Node) -> Any:
    """Return a key that two einsum nodes share when they differ in the order of their operands alone."""
    ins, out, sizes = node.attr
    order = sorted(range(len(ins)), key=lambda k: node.args[k].serial)
    number: dict[int, int] = {}
    for k in order:
        for x in ins[k]:
            number.setdefault(x, len(number))
    for x in out:
        number.setdefault(x, len(number))
    dims = tuple(d for _, d in sorted((number[x], sizes[x]) for x in number))
    return (
        tuple(id(node.args[k]) for k in order),
        tuple(tuple(number[x] for x in ins[k]) for k in order),
        tuple(number[x] for x in out),
        dims,
    )


def index_canonical(nodes: Iterable[Node]) -> dict[Any, Node]:
    """Return the einsum nodes of the forward pass under their canonical keys."""
    return {canonical_key(n): n for n in nodes if n.op == "einsum"}
