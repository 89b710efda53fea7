"""The normal form in which tensor terms meet: rational functions of indexed atoms.

A node with output indices i, j, ... becomes a SymPy expression whose symbols stand for (node, indices): variables,
named nodes, cotangents, transcendental functions, and index sums. Sums are simplified from inside: what does not carry
the bound index goes in front, deltas collapse, equal sums become one atom because their einsum nodes are interned.
SymPy's polynomials do the algebra; `Writer` turns the expression back into a node that reads as a textbook prints it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import sympy as sp

from symgrad.engine.forms import is_negative, shortest
from symgrad.engine.written import ONE, Index, Indices, Sums, Writer, joins, moves, turned
from symgrad.graph.node import Node, einsum, make, size
from symgrad.shapes import Dim, Shape, as_sympy, size_of

_APART = 8  # terms into which a sum over an index is taken apart; more only make the line longer
_ARITHMETIC = frozenset({"add", "sub", "neg", "mul", "div"})


class Ring(Writer):
    """One local problem: the atoms met so far, and the way there and back.

    is_atom says which nodes stay opaque; sums finds an existing node for an index sum; chart says what is read in place
    of a node; split says whether a sum over an index is taken term by term; loss is the sum that no line is written in.
    """

    def __init__(
        self,
        is_atom: Callable[[Node], bool],
        sums: Sums | None = None,
        order: Mapping[Node, int] | None = None,
        decimal: bool = False,
        chart: Mapping[Node, Node] = {},
        split: bool = False,
        loss: Node | None = None,
    ) -> None:
        self.is_atom = is_atom
        self.order = order if order is not None else {}
        self.chart, self.split, self.loss = chart, split, loss
        self.read: set[Node] = set()  # the nodes that were read by the chart
        self.as_written = {}
        self.decimal = decimal
        self.sums = sums if sums is not None else Sums()
        self.symbols: dict[tuple[Node, Indices], sp.Symbol] = {}
        self.atoms: dict[sp.Symbol, tuple[Node, Indices]] = {}
        self.index_sizes: list[Dim] = [1]  # that of ONE
        self.means: dict[sp.Symbol, sp.Symbol] = {}
        self.bodies: dict[sp.Symbol, tuple[sp.Expr, tuple[Index, ...]]] = {}  # what a sum sums, over which indices
        self._memo: dict[tuple[Node, Indices], sp.Expr] = {}

    def is_positive(self, node: Node) -> bool:  # noqa: ARG002  # for the forward pass to say
        """Overridden by the derivation: whether every entry of a node is above 0."""
        return False

    def total(self, node: Node) -> sp.Expr | None:  # noqa: ARG002  # for the forward pass to say
        """Overridden by the derivation: the number that an index sum is, whatever the values, where it is one."""
        return None

    def fresh(self, dim: Dim) -> Index:
        """Return a new index of the given size."""
        self.index_sizes.append(dim)
        return len(self.index_sizes) - 1

    def indices_for(self, shape: Shape) -> Indices:
        """Return new indices, one an axis; all axes of size 1 share one."""
        return tuple(ONE if d == 1 else self.fresh(d) for d in shape)

    def symbol(self, node: Node, idx: Indices) -> sp.Symbol:
        """Return the symbol of an atom."""
        key = (node, idx)
        if key not in self.symbols:
            s = sp.Symbol(f"a{len(self.symbols)}", positive=True if self.is_positive(node) else None)
            self.symbols[key] = s
            self.atoms[s] = key
        return self.symbols[key]

    def expression(self, root: Node, idx: Indices) -> sp.Expr:
        """Return the node, read at the given indices, as a rational function of atoms."""
        bound: dict[tuple[Node, Indices], dict[int, Index]] = {}
        stack: list[tuple[Node, Indices]] = [(root, idx)]
        while stack:
            key = stack[-1]
            if key in self._memo:
                stack.pop()
                continue
            children = self._children(key, bound)
            missing = [c for c in children if c not in self._memo]
            if missing:
                stack.extend(reversed(missing))
                continue
            stack.pop()
            expr = self._combine(key, [self._memo[c] for c in children], bound.get(key, {}))
            if isinstance(expr, sp.Add) and key[0] in self.order:
                self.as_written.setdefault((expr, key[1]), key[0])
            self._memo[key] = expr
        return self._memo[(root, idx)]

    def definition(self, node: Node, idx: Indices) -> sp.Expr:
        """Return a named elementwise node, read at the given indices, in the terms of its definition."""
        return self._operation(node, idx, [self.expression(a, idx) for a in node.args])

    def _opaque(self, node: Node) -> bool:
        if node.op in ("const", "size"):
            return False
        if node.op == "einsum":
            return self.is_atom(node)
        if node.op in _ARITHMETIC or node.op in ("pow", "sqrt"):
            return self.is_atom(node)
        return True

    def _children(self, key: tuple[Node, Indices], bound: dict[Any, dict[int, Index]]) -> list[tuple[Node, Indices]]:
        node, idx = key
        if node in self.chart:
            self.read.add(node)
            return [(self.chart[node], idx)]
        if node.op in ("const", "size") or self._opaque(node):
            return []
        if node.op != "einsum":
            return [(a, idx) for a in node.args]
        ins, out, sizes = node.attr
        if key not in bound:
            where: dict[int, Index] = {}
            for label, i in zip(out, idx):
                where.setdefault(label, i)
            for label in (x for labels in ins for x in labels):
                if label not in where:
                    alone = sizes[label] == 1 and not joins(label, ins, sizes)
                    where[label] = ONE if alone else self.fresh(sizes[label])
            bound[key] = where
        where = bound[key]
        return [(a, tuple(where[x] for x in labels)) for a, labels in zip(node.args, ins)]

    def _combine(self, key: tuple[Node, Indices], parts: list[sp.Expr], where: dict[int, Index]) -> sp.Expr:
        node, idx = key
        if node in self.chart:
            return parts[0]
        if node.op == "const":
            return self._constant(node)
        if node.op == "size":
            return as_sympy(node.value)
        if self._opaque(node):
            return self.symbol(node, idx)
        if node.op == "einsum":
            return self._sum(node, idx, parts, where)
        return self._operation(node, idx, parts)

    def _operation(self, node: Node, idx: Indices, parts: list[sp.Expr]) -> sp.Expr:
        if node.op == "add":
            return parts[0] + parts[1]
        if node.op == "sub":
            return parts[0] - parts[1]
        if node.op == "neg":
            return -parts[0]
        if node.op == "mul":
            return parts[0] * parts[1]
        if node.op == "sqrt":
            return sp.sqrt(parts[0])
        if node.op == "div":
            if parts[1] == 0:
                return self.symbol(node, idx)
            return parts[0] / parts[1]
        if parts[0] == 0 and not parts[1].is_positive:
            return self.symbol(node, idx)
        return parts[0] ** parts[1]

    def _constant(self, node: Node) -> sp.Expr:
        value = node.value
        if isinstance(value, int):
            return sp.Integer(int(value))
        if isinstance(value, Fraction):
            return sp.Rational(value.numerator, value.denominator)
        if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
            return sp.Integer(int(value))
        if isinstance(value, float) and math.isfinite(value):
            exact = Fraction(value)
            if exact.denominator <= 2**20 and abs(exact.numerator) < 2**53:
                return sp.Rational(exact.numerator, exact.denominator)
        # a float such as 0.1 is no short fraction: it stays itself, as an atom
        return self.symbol(make("const", (), node.attr, ()), ())

    def _sum(self, node: Node, idx: Indices, parts: list[sp.Expr], where: dict[int, Index]) -> sp.Expr:
        _, out, _ = node.attr
        expr: sp.Expr = sp.Mul(*parts)
        for a, i in zip(out, idx):
            if where[a] != i and self.index_sizes[i] != 1:  # an output index given twice is a delta
                expr = expr * self.symbol(self._delta(where[a]), (where[a], i))
        bound = [i for label, i in where.items() if label not in out and i != ONE]
        return self.contract(expr, bound, idx)

    def _delta(self, i: Index) -> Node:
        return einsum([], [], ["i", "i"], {"i": self.index_sizes[i]})

    def contract(self, expr: sp.Expr, bound: Sequence[Index], prefer: Indices = ()) -> sp.Expr:
        """Return the sum of `expr` over the bound indices, its axes in the order of `prefer`."""
        for b in [b for b in bound if self.index_sizes[b] == 1]:
            # a sum over one entry is a product of matrices where it joins two columns, and no sum otherwise
            if sum(b in i and len(i) > 1 for i in map(self.indices_of, sp.Mul.make_args(expr))) < 2:
                expr = self.rename(expr, {b: ONE})
                bound = [x for x in bound if x != b]
        if not bound:
            return expr
        # a power of a sum has more terms than its exponent
        high = any(p.exp.is_Integer and p.exp > _APART and isinstance(p.base, sp.Add) for p in expr.atoms(sp.Pow))
        apart = sp.expand(expr) if self.split and not high else expr
        if self.split and isinstance(apart, sp.Add) and len(apart.args) <= _APART:
            return sp.Add(*(self.contract(t, bound, prefer) for t in apart.args))
        expr = apart if self.split and not isinstance(apart, sp.Add) else shortest(expr, self.weight)
        for b in bound:
            hit = self._delta_partner(expr, b)
            if hit is not None:
                delta, other = hit
                reduced = self.rename(expr.xreplace({delta: sp.Integer(1)}), {b: other})
                return self.contract(reduced, [x for x in bound if x != b], prefer)
        factors = sp.Mul.make_args(expr)
        if not high and any(isinstance(f, sp.Add) and self._spans(f) for f in factors):
            # matrices that meet in a sum of three axes are no matrix: A.T @ u + B @ v, not a sum over A.T + B*z
            terms = sp.Add.make_args(sp.expand(expr))
            if len(terms) <= _APART:
                return sp.Add(*(self.contract(t, bound, prefer) for t in terms))
        outside = [f for f in factors if not (self.indices_of(f) & set(bound))]
        inside = [f for f in factors if self.indices_of(f) & set(bound)]
        carried = set().union(*(self.indices_of(f) for f in inside)) if inside else set()
        outside += [as_sympy(self.index_sizes[b]) for b in bound if b not in carried]
        still = [b for b in bound if b in carried]
        if not inside:
            return sp.Mul(*outside)
        for k, f in enumerate(inside):
            turned, odd = self._turn(f)
            if odd:
                outside.append(sp.Integer(-1))
            inside[k] = turned
        if is_negative(sp.Mul(*outside)):
            for k, f in enumerate(inside):
                if self._swallows_minus(f) and not any(known == f for known, _ in self.as_written):
                    inside[k] = sp.Add(*(-t for t in f.args))
                    outside.append(sp.Integer(-1))
                    break
        body = sp.Mul(*inside)
        if isinstance(body, sp.Add) and any(not (self.indices_of(t) >= set(still)) for t in body.args):
            return sp.Mul(*outside) * sp.Add(*(self.contract(t, still, prefer) for t in body.args))
        return sp.Mul(*outside) * self._sum_atom(body, still, prefer)

    def _spans(self, expr: sp.Expr) -> bool:
        """Return whether an expression of vectors and matrices is an array of three axes or more."""
        widest = max((len({*self.atoms[s][1]} - {ONE}) for s in expr.free_symbols if s in self.atoms), default=0)
        return widest <= 2 < len(self.indices_of(expr))

    def _delta_partner(self, expr: sp.Expr, b: Index) -> tuple[sp.Symbol, Index] | None:
        for f in sp.Mul.make_args(expr):
            if isinstance(f, sp.Symbol) and f in self.atoms:
                node, idx = self.atoms[f]
                if node.op == "einsum" and not node.args and b in idx and idx[0] != idx[1]:
                    return f, idx[1] if idx[0] == b else idx[0]
        return None

    def rename(self, expr: sp.Expr, names: dict[Index, Index]) -> sp.Expr:
        """Return the expression read at other indices."""
        swap = {}
        for s in expr.free_symbols:
            if s in self.atoms:
                node, idx = self.atoms[s]
                new = tuple(names.get(i, i) for i in idx)
                if new != idx:
                    swap[s] = self.symbol(node, new)
        return expr.xreplace(swap)

    def _sum_atom(
        self, body: sp.Expr, bound: Sequence[Index], prefer: Indices, *, entrywise: bool = False
    ) -> sp.Expr:
        """Return the atom of a sum of a product, with `entrywise` of the product entry by entry."""
        groups: dict[frozenset[Index], list[sp.Expr]] = {}
        for f in sp.Mul.make_args(body):
            groups.setdefault(frozenset() if entrywise else frozenset(self.indices_of(f)), []).append(f)
        labels: list[Indices] = []
        args: list[Node] = []
        for factors in groups.values():
            product = sp.Mul(*factors)
            order = self.indices_in_order(product, bound, prefer)
            if isinstance(product, sp.Symbol):
                node, order = self.atoms[product]
            else:
                node = self.rebuild(product, order)
            labels.append(order)
            args.append(node)
        free = {i for lab in labels for i in lab} - {ONE, *bound}
        # where the axes that are left are those wanted, axes of size 1 stand where they are wanted
        out = tuple(i for i in prefer if i in free or (i == ONE and len(labels) > 1 and free == set(prefer) - {ONE}))
        atom = self.einsum(labels, args, (*out, *sorted(free - set(out))))
        if atom in self.atoms:
            self.bodies[atom] = body, tuple(bound)
        return atom

    def einsum(self, labels: Sequence[Indices], args: Sequence[Node], out: Indices) -> sp.Expr:
        """Return the atom of the one einsum node for a product of operands, an existing one where there is one."""
        last = len(self.order)
        order = sorted(range(len(args)), key=lambda k: self.order.get(args[k], last))
        node = self.placed([labels[k] for k in order], [args[k] for k in order], out)
        if node is self.loss:
            node = turned(node)
        if node.op != "einsum":
            return self.expression(node, out)
        found, idx = self.sums.known(node, out)
        number = self.total(found)
        if number is not None:
            return number
        # not read again: it would be taken apart as it was put together
        return self.expression(found, idx) if found in self.chart else self.symbol(found, idx)

    def with_means(self, expr: sp.Expr) -> sp.Expr | None:
        """Return the expression with sums written as means, where a number of entries stands below one."""
        below = {x for p in expr.atoms(sp.Pow) if p.exp.is_negative for x in p.base.free_symbols}
        below |= {sp.Integer(r.q) for r in expr.atoms(sp.Rational)}
        swap: dict[sp.Symbol, sp.Expr] = {}
        for s in sorted((s for s in expr.free_symbols if s in self.atoms), key=self._rank):
            total = self._entrywise(s, expr)
            node, idx = self.atoms[total]
            if node.op != "einsum" or len(node.args) != 1 or self.is_named(node) or moves(node):
                continue
            (labels,), out, sizes = node.attr
            count = size_of(tuple(sizes[x] for x in labels if x not in out))
            held = as_sympy(count).free_symbols or {as_sympy(count)}
            if len(set(labels)) == len(labels) and not below.isdisjoint(held):
                mean = self.symbol(make("div", (node, size(count, node.shape)), (), node.shape), idx)
                self.means[mean] = total
                swap[s] = as_sympy(count) * mean
        return expr.xreplace(swap) if swap else None

    def _entrywise(self, s: sp.Symbol, expr: sp.Expr) -> sp.Symbol:
        """Return the sum of a product entry by entry where that product stands beside it: gamma*G, not G @ gamma."""
        body, bound = self.bodies.get(s, (s, ()))
        groups: dict[frozenset[Index], sp.Expr] = {}
        for f in sp.Mul.make_args(body):
            axes = frozenset(self.indices_of(f))
            groups[axes] = groups.get(axes, sp.Integer(1)) * f
        if len(groups) < 2 or len(bound) != 1 or frozenset().union(*groups) not in groups:
            return s
        for t in sp.Add.make_args(sp.expand(expr)):
            for i in self.indices_of(t) if s not in t.free_symbols else ():
                there = [self.rename(f, {bound[0]: i}).free_symbols & t.free_symbols for f in groups.values()]
                if self.index_sizes[i] == self.index_sizes[bound[0]] and all(x & set(self.atoms) for x in there):
                    total = self._sum_atom(body, bound, self.atoms[s][1], entrywise=True)
                    return total if total in self.atoms else s
        return s

    def indices_in_order(self, expr: sp.Expr, bound: Sequence[Index] = (), prefer: Indices = ()) -> Indices:
        """Return the indices of an expression as it was written, or in the order of its first atoms."""
        if isinstance(expr, sp.Add):
            carried = self.indices_of(expr)
            for known, idx in self.as_written:
                if set(idx) - {ONE} == carried and len(idx) > 2 and known in (expr, -expr):
                    return idx
        met = [self.atoms[s] for s in expr.free_symbols if s in self.atoms]
        orders = {a for _, a in met}
        product = all(n.op == "einsum" and len(n.args) > 1 and not self.is_named(n) for n, _ in met)
        whole = self.indices_of(expr)
        for a in sorted(orders | {a[::-1] for a in orders if product}):
            if len(a) == 2 and a[0] != a[1] and set(a) >= whole and a[1] in bound and (product or a[::-1] in orders):
                # A + A.T: the summed index last in a left factor of a matrix product, first in a right one
                return a if [i for i in prefer if i != ONE][:1] == [a[0]] else a[::-1]

        def spread(s: sp.Symbol) -> tuple[int, int, int]:
            idx = self.atoms[s][1]
            return -len(set(idx) - {ONE}), -len(idx), self._rank(s)

        atoms = sorted((s for s in expr.free_symbols if s in self.atoms), key=spread)
        out = list(self.atoms[atoms[0]][1]) if atoms else []
        for s in atoms:
            out += [i for i in self.atoms[s][1] if i not in out and i != ONE]
        return tuple(out)

    def natural(self, exprs: Sequence[sp.Expr], carried: set[Index]) -> Indices:
        """Return the indices of an array that holds several expressions."""
        own = self.indices_in_order(sp.Mul(*exprs))
        return own if set(own) - {ONE} == carried else (*own, *sorted(carried - set(own)))

    def _rank(self, symbol: sp.Symbol) -> int:
        return int(symbol.name[1:])
