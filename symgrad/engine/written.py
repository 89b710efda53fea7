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
from symgrad.graph.node import Node, broadcast_to, const, einsum, make, size, topological
from symgrad.shapes import Dim, Shape

Index: TypeAlias = int
Indices: TypeAlias = tuple[int, ...]

ONE: Index = 0  # the one index of all axes of size 1

_FACTORS = 24  # factors of a product into which inner sums are opened
_LONG = 100  # atoms that print longer than this are all equally long


class Writer(ABC):
    """Writes expressions over indexed atoms as nodes.

    atoms         symbol -> (node, indices)
    index_sizes   index -> its size
    sums          the index sums that are there
    order         node of the forward pass -> its place there; it decides the order of terms and factors
    as_written    (sum, indices) -> the node of the forward pass that spells it so
    loss          the loss, where it is a sum that lines are not written in
    means         the atom of a mean -> that of its sum
    decimal       whether the forward pass is written with decimal fractions
    """

    atoms: dict[sp.Symbol, tuple[Node, Indices]]
    index_sizes: list[Dim]
    sums: Sums
    order: Mapping[Node, int]
    as_written: dict[tuple[sp.Expr, Indices], Node]
    loss: Node | None
    means: dict[sp.Symbol, sp.Symbol]
    decimal: bool

    def weight(self, symbol: sp.Symbol) -> int:
        """Return the length of an atom in print: 1 for a name, the length of what it applies to otherwise."""
        if symbol not in self.atoms:
            return 1
        node = self.atoms[self.means.get(symbol, symbol)][0]
        if node.op in ("var", "bar", "const") or self.is_named(node):
            return 1
        return 1 + printed_length(node, self.is_named, _LONG)

    def is_named(self, node: Node) -> bool:  # noqa: ARG002  # for the derivation to say
        """Overridden by the derivation: whether a node prints as one name."""
        return False

    def rebuild(self, expr: sp.Expr, idx: Indices) -> Node:
        """Return the node of an expression with the given output indices, its terms in textbook order."""
        shape = tuple(self.index_sizes[i] for i in idx)
        if expr in self.means:
            total, have = self.atoms[self.means[expr]]
            own = self._kept(total, have, idx)
            part = self._reindex(total, have, own)
            count = self.atoms[expr][0].args[1]
            number = broadcast_to(make(count.op, (), count.attr, ()), part.shape)
            mean = make("div", (part, number), (), part.shape)
            if mean is self.loss:
                mean = make("div", (turned(part), number), (), part.shape)
            return self.placed([own], [mean], idx)
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
        apart = [i for i in have if i != ONE]  # an index that stands twice reads a diagonal
        if node.op == "einsum" and not self.is_named(node) and len(set(node.attr[1])) == len(have) \
                and len(set(apart)) == len(apart):
            new = self._kept(node, have, idx)
            if len(node.args) > 1 and set(new) - {ONE} != set(idx) - {ONE}:
                new = have  # a product of matrices keeps its shape and broadcasts
            ins, out, sizes = node.attr
            place = {i: o for o, i in zip(out, have) if i != ONE}
            ones = [o for o, i in zip(out, have) if i == ONE]
            if len(ins) == 1:  # an axis of size 1 of what is summed stays, best where it was
                ones = [x for x in ins[0] if sizes[x] == 1]
            target: list[Any] = []
            for k, i in enumerate(new):
                same = ins[0][k - len(new)] if len(ins) == 1 and len(new) - k <= len(ins[0]) else None
                left = [o for o in ones if o not in target]
                if i == ONE and same in left:
                    target.append(same)
                else:
                    target.append(place[i] if i != ONE else left[0] if left else ("one", k))
            dims: dict[Any, Dim] = dict.fromkeys(target, 1)
            node, have = einsum(ins, node.args, target, {**dims, **dict(enumerate(sizes))}), new
            if have == idx:
                return node
        return self.placed([have], [node], idx)

    def _kept(self, node: Node, have: Indices, idx: Indices) -> Indices:
        """Return the indices of an index sum that broadcasts to `idx`; all axes stay where some stay with size 1."""
        own = self._own(set(have), len(have), idx)
        if ONE in own and len(node.args) == 1 and len(node.attr[0][0]) == len(idx):
            return tuple(i if i in have else ONE for i in idx)
        return own

    def placed(self, labels: Sequence[Indices], args: Sequence[Node], out: Indices) -> Node:
        """Return the einsum of operands at these indices; axes of size 1 take the places of size 1, best their own."""
        own = [[i if i != ONE else ("one", k, len(lab) - p) for p, i in enumerate(lab)] for k, lab in enumerate(labels)]
        left = [x for lab in own for x in lab if isinstance(x, tuple)]
        target: list[Any] = list(out)
        for fits in (True, False):
            for p in [p for p, i in enumerate(target) if i == ONE]:
                same = [x for x in left if x[2] == len(out) - p or not fits]
                if same or not fits:
                    target[p] = same[0] if same else ("new", p)
                    left = [x for x in left if x != target[p]]
        sizes: dict[Any, Dim] = {t: self.index_sizes[i] for t, i in zip(target, out)}
        return einsum(own, args, target, sizes)

    def _own(self, carried: set[Index], rank: int, idx: Indices) -> Indices:
        """Return the indices of what carries some of `idx` and broadcasts to it, leading axes of size 1 left out."""
        if set(idx) <= {ONE}:
            return idx
        own = tuple(i if i in carried else ONE for i in idx)
        while own and own[0] == ONE and len(own) > rank:
            own = own[1:]
        return own

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

    def _term_key(self, term: sp.Expr, idx: Indices) -> tuple[Any, ...]:
        _, rest = term.as_coeff_Mul()
        atoms = [s for s in rest.free_symbols if s in self.atoms]
        first = min((self._reach(s) for s in atoms), default=-1)
        sums = [s for s in atoms if self._is_sum(s)]
        # a 1 leads (1 - p, 1 + e), other numbers close a sum; higher powers come first
        place = 1 if atoms else 0 if abs(term) == 1 else 2
        degree = -sum(e for b, e in (f.as_base_exp() for f in sp.Mul.make_args(rest)) if e.is_Integer)
        # sums over an index follow what they are sums of: g - mean(g) - h*mean(g*h)
        after = (bool(sums), len(atoms)) if sums and degree else (False, 0)
        where = (after, first) if is_negative(term) else (first, after)
        across = sum(_across(self.atoms[s][1], idx) for s in atoms)  # A + A.T rather than A.T + A
        return (is_negative(term), place, where, degree, across, sp.default_sort_key(rest))

    def _is_sum(self, symbol: sp.Symbol) -> bool:
        """Return whether an atom is a sum or a mean over the entries of something, without a name."""
        node = self.atoms[self.means.get(symbol, symbol)][0]
        return node.op == "einsum" and len(node.args) == 1 and not self.is_named(node) and not moves(node)

    def _reach(self, symbol: sp.Symbol) -> int:
        """Return the place of an atom in the forward pass, for a sum that of the first thing it holds."""
        if not self._is_sum(symbol):
            return self._serial(symbol)
        inside = topological([self.atoms[symbol][0]], lambda n: () if n in self.order and n.op != "einsum" else n.args)
        return min((self.order[n] for n in inside if n in self.order and n.op not in ("const", "size")), default=-1)


    def _serial(self, symbol: sp.Symbol) -> int:
        if symbol not in self.atoms:
            return -1
        # what is not of the forward pass follows it, in the order of its first appearance
        return self.order.get(self.atoms[symbol][0], len(self.order) + int(symbol.name[1:]))

    def _rebuild_sum(self, expr: sp.Expr, idx: Indices) -> Node:
        shape = tuple(self.index_sizes[i] for i in idx)
        out: Node | None = None
        terms = list(expr.args)
        if all(is_negative(t) for t in terms):  # a difference among the factors swallows one minus
            for k, t in enumerate(terms):
                f = next((f for f in sp.Mul.make_args(t) if self._swallows_minus(f)), None)
                if f is not None:
                    terms[k] = t.xreplace({f: -sp.Add(*(-x for x in f.args), evaluate=False)})
                    break
        for term in sorted(terms, key=lambda t: self._term_key(t, idx)):
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
                if product.denominator == 1:
                    return sp.Integer(product.numerator), rest / f
                if math.isfinite(value) and Fraction(float(product)) == product:
                    folded = self.symbol(const(float(product)), ())
                    return sp.Integer(1), rest / f * folded
        return coefficient, rest

    @abstractmethod
    def symbol(self, node: Node, idx: Indices) -> sp.Symbol:
        """Return the symbol of an atom."""

    @abstractmethod
    def einsum(self, labels: Sequence[Indices], args: Sequence[Node], out: Indices) -> sp.Expr:
        """Return the atom of the one einsum node for a product of these operands."""

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
        factors = sorted(factors, key=self._factor_key)
        axes = dict.fromkeys(frozenset(self.indices_of(f)) for f in factors)
        whole = frozenset(idx) - {ONE}
        groups: dict[Indices, Node] = {}
        if sum(map(bool, axes)) > 1 and whole not in axes:
            groups[idx] = self._outer([f for f in factors if self.indices_of(f)], idx)
            factors = [f for f in factors if not self.indices_of(f)]
        # a sum such as sum(y) comes after what it scales
        sums = [f for f in factors if self.indices_of(f) != whole and self._sums([f])]
        last: Node | None = None
        if sums and (groups or len(sums) < sum(not f.is_number for f in factors)):
            last = self._factors(sums, idx)
            factors = [f for f in factors if f not in sums]
        for f in factors:
            carried = self.indices_of(f)
            if carried and carried == whole:
                own = idx
            elif f in self.atoms and self._is_sum(f):
                own = self._kept(self.atoms[self.means.get(f, f)][0], self.atoms[f][1], idx)
            else:
                own = self._own(carried, self._rank_of(f), idx)
            node = self._power(f, own)
            groups[own] = tidy("mul", (groups[own], node), (), node.shape) if own in groups else node
        out: Node | None = None
        shape = tuple(self.index_sizes[i] for i in idx)
        for own in sorted(groups, key=len):
            node = groups[own]
            if own != idx:
                node = broadcast_to(node, shape) if node.op in ("const", "size") else self._reindex(node, own, idx)
            out = node if out is None else tidy("mul", (out, node), (), shape)
        return out if last is None or out is None else tidy("mul", (out, last), (), shape)

    def _outer(self, factors: Sequence[sp.Expr], idx: Indices) -> Node:
        """Return u_i v_j as an outer product, u @ v.T for columns."""
        groups: dict[frozenset[Index], sp.Expr] = {}
        for f in factors:
            axes = frozenset(self.indices_of(f))
            groups[axes] = groups.get(axes, sp.Integer(1)) * f
        labels = []
        for axes, f in groups.items():
            natural = {self.atoms[s][1] for s in f.free_symbols if s in self.atoms}
            one = next(iter(natural)) if len(natural) == 1 else ()
            labels.append(one if set(one) - {ONE} == axes else tuple(i for i in idx if i in axes))
        parts = [self.rebuild(f, lab) for f, lab in zip(groups.values(), labels)]
        if len(labels) == 2 and all(len(lab) == 2 and lab.count(ONE) == 1 for lab in labels):
            joint = self.fresh(1)
            labels = [tuple(joint if i == ONE else i for i in lab) for lab in labels]
        return self.rebuild(self.einsum(labels, parts, idx), idx)

    def _rank_of(self, f: sp.Expr) -> int:
        """Return how many axes an array has at least that holds these atoms."""
        return max((len(self.atoms[s][1]) for s in f.free_symbols if s in self.atoms), default=0)

    @abstractmethod
    def fresh(self, dim: Dim) -> Index:
        """Return a new index of the given size."""

    def _sums(self, factors: Sequence[sp.Expr]) -> bool:
        """Return whether a sum over an index is among the factors."""
        atoms = {s for f in factors for s in f.free_symbols if s in self.atoms}
        nodes = [self.atoms[self.means.get(s, s)][0] for s in atoms]
        return any(n.op == "einsum" and not self.is_named(n) and not moves(n) for n in nodes)

    def _factor_key(self, f: sp.Expr) -> tuple[Any, ...]:
        base, exponent = f.as_base_exp()
        if not exponent.is_number:
            return (4, 0, sp.default_sort_key(f))
        kind = 0 if base.is_number else 1 if base not in self.atoms and isinstance(base, sp.Symbol) else 2
        if kind == 2 and isinstance(base, sp.Symbol):
            node, idx = self.atoms[base]
            # what arrives from above leads: a cotangent, or the product that passes it down
            arrives = node.op == "bar" or (node.op == "einsum" and bool(set(idx) - {ONE}) and not self.is_named(node))
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
        out.discard(ONE)
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


class Sums:
    """The index sums of a forward pass, found by what they sum: sum(a*b), a @ b and a.T @ b of columns are one."""

    def __init__(self, nodes: Iterable[Node] = (), is_named: Callable[[Node], bool] = lambda n: False) -> None:
        self.is_named = is_named
        self.found: dict[Any, tuple[Node, tuple[int | None, ...]]] = {}
        for n in nodes:
            if n.op == "einsum" and not moves(n):
                key, out = self._key(n)
                if key not in self.found or (is_named(n) and not is_named(self.found[key][0])):
                    self.found[key] = n, out

    def known(self, node: Node, idx: Indices) -> tuple[Node, Indices]:
        """Return the node there is for an index sum read at `idx`, and the indices to read it at."""
        key, out = self._key(node)
        if key not in self.found:
            return node, idx
        where = {place: i for place, i in zip(out, idx) if place is not None}
        found, places = self.found[key]
        return found, tuple(ONE if p is None else where[p] for p in places)

    def same(self, node: Node) -> Node:
        """Return the node there is for an index sum, where it has the same axes; else the node itself."""
        key, out = self._key(node)
        found, places = self.found.get(key, (node, out))
        return found if places == out and found.shape == node.shape else node

    def _key(self, node: Node) -> tuple[Any, tuple[int | None, ...]]:
        """Return what a sum sums, in canonical indices, and the canonical index of each axis (None for size 1)."""
        ins, out, dims = node.attr
        sizes: dict[int, Dim] = dict(enumerate(dims))
        kept = {x for x, d in sizes.items() if d != 1 or joins(x, ins, dims)}
        powers: dict[tuple[Node, tuple[int, ...]], int] = {}
        work = [(a, labels, 1) for a, labels in zip(node.args, ins)]
        while work:
            n, labels, power = work.pop()
            if not self.is_named(n):
                if n.op == "mul":
                    work += [(a, labels, power) for a in n.args]
                    continue
                if n.op == "pow" and n.args[1].op == "const" and type(n.args[1].value) is int:
                    work.append((n.args[0], labels, power * n.args[1].value))
                    continue
                if n.op == "einsum" and n.args and power == 1 and len(set(n.attr[1])) == len(labels):
                    inner, outer, within = n.attr
                    where = dict(zip(outer, labels))
                    for x, d in enumerate(within):  # (x @ A) @ x is x @ (A @ x)
                        if x not in where:
                            where[x] = len(sizes)
                            sizes[where[x]] = d
                            kept |= {where[x]} if d != 1 or joins(x, inner, within) else set()
                    if len(work) + len(powers) < _FACTORS:
                        work += [(a, tuple(where[x] for x in lab), 1) for a, lab in zip(n.args, inner)]
                        continue
            factor = n, tuple(x for x in labels if x in kept)
            powers[factor] = powers.get(factor, 0) + power
        number: dict[int, int] = {}
        key = []
        places_of: dict[int, list[tuple[int, int]]] = {}  # where an index stands tells equal factors apart
        for n, labels in powers:
            for p, x in enumerate(labels):
                places_of.setdefault(x, []).append((n.serial, p))

        def rank(factor: tuple[tuple[Node, tuple[int, ...]], int]) -> tuple[Any, ...]:
            (n, labels), power = factor
            return n.serial, power, [sorted(places_of[x]) for x in labels]

        for (n, labels), power in sorted(powers.items(), key=rank):
            for x in labels:
                number.setdefault(x, len(number))
            key.append((id(n), tuple(number[x] for x in labels), power))
        for x in out:
            if x in kept:
                number.setdefault(x, len(number))
        places = tuple(number[x] if x in kept else None for x in out)
        free = tuple(sorted(p for p in places if p is not None))
        return (tuple(key), free, tuple(sizes[x] for x in number)), places


def joins(label: int, ins: Sequence[Sequence[int]], sizes: Sequence[Dim]) -> bool:
    """Return whether an index of size 1 joins operands that have other axes: u @ v.T for columns u and v."""
    return sum(label in labels and any(sizes[x] != 1 for x in labels) for labels in ins) > 1


def _across(have: Indices, idx: Indices) -> bool:
    """Return whether indices stand in another order than in `idx`."""
    places = [idx.index(i) for i in have if i in idx and i != ONE]
    return places != sorted(places)


def turned(node: Node) -> Node:
    """Return a sum of a product with the factors the other way round; the node itself where there is no product."""
    if node.op != "einsum" or len(node.args) != 1 or node.args[0].op != "mul":
        return node
    a, b = node.args[0].args
    ins, out, sizes = node.attr
    return einsum(ins, [make("mul", (b, a), (), node.args[0].shape)], out, dict(enumerate(sizes)))


def moves(node: Node) -> bool:
    """Return whether an einsum node only permutes and repeats the entries of its operand."""
    ins, out, sizes = node.attr
    if len(ins) != 1 or len(set(ins[0])) < len(ins[0]) or len(set(out)) < len(out):
        return False
    return all(x in out or sizes[x] == 1 for x in ins[0])
