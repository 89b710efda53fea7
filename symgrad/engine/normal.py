"""The normal form in which tensor terms meet: rational functions of indexed atoms.

A node with output indices i, j, ... becomes a SymPy expression whose symbols stand for (node, indices): variables,
named nodes, cotangents, transcendental functions, and index sums. Sums are simplified from inside: what does not carry
the bound index goes in front, deltas collapse, equal sums become one atom because their einsum nodes are interned.
SymPy's polynomials do the algebra; `rebuild` turns the expression back into a node that reads as a textbook prints it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import Any

import sympy as sp

from symgrad.engine.reverse import negate, tidy
from symgrad.graph.node import Node, broadcast_to, const, einsum, make, size
from symgrad.shapes import Dim, Shape

Index = int
Indices = tuple[int, ...]

_LONG = 100  # atoms that print longer than this are all equally long
_ARITHMETIC = frozenset({"add", "sub", "neg", "mul", "div"})


def _atom_symbol(number: int) -> sp.Symbol:
    return sp.Symbol(f"a{number}")


class Ring:
    """One local problem: the atoms met so far, and the way there and back.

    is_atom says which nodes stay opaque; canonical finds an existing node for an index sum.
    """

    def __init__(self, is_atom: Callable[[Node], bool], canonical: dict[Any, Node] | None = None) -> None:
        self.is_atom = is_atom
        self.canonical = canonical if canonical is not None else {}
        self.symbols: dict[tuple[Node, Indices], sp.Symbol] = {}
        self.atoms: dict[sp.Symbol, tuple[Node, Indices]] = {}
        self.index_sizes: list[Dim] = []
        self._memo: dict[tuple[Node, Indices], sp.Expr] = {}

    # --- there ------------------------------------------------------------------------------------------------------

    def fresh(self, dim: Dim) -> Index:
        """Return a new index of the given size."""
        self.index_sizes.append(dim)
        return len(self.index_sizes) - 1

    def indices_for(self, shape: Shape) -> Indices:
        """Return new indices, one an axis."""
        return tuple(self.fresh(d) for d in shape)

    def symbol(self, node: Node, idx: Indices) -> sp.Symbol:
        """Return the symbol of an atom."""
        key = (node, idx)
        if key not in self.symbols:
            s = _atom_symbol(len(self.symbols))
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
            self._memo[key] = self._combine(key, [self._memo[c] for c in children], bound.get(key, {}))
        return self._memo[(root, idx)]

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
        if node.op in ("const", "size") or self._opaque(node):
            return []
        if node.op != "einsum":
            return [(a, idx) for a in node.args]
        ins, out, sizes = node.attr
        if key not in bound:
            where: dict[int, Index] = {}
            for label, i in zip(out, idx):
                where.setdefault(label, i)
            for labels in ins:
                for label in labels:
                    if label not in where:
                        where[label] = self.fresh(sizes[label])
            bound[key] = where
        where = bound[key]
        return [(a, tuple(where[x] for x in labels)) for a, labels in zip(node.args, ins)]

    def _combine(self, key: tuple[Node, Indices], parts: list[sp.Expr], where: dict[int, Index]) -> sp.Expr:
        node, idx = key
        if node.op == "const":
            return self._constant(node)
        if node.op == "size":
            return sp.sympify(node.value, strict=True)
        if self._opaque(node):
            return self.symbol(node, idx)
        if node.op == "einsum":
            return self._sum(node, idx, parts, where)
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

    def indices_of(self, expr: sp.Expr) -> set[Index]:
        """Return the indices an expression carries."""
        out: set[Index] = set()
        for s in expr.free_symbols:
            if s in self.atoms:
                out.update(self.atoms[s][1])
        return out

    def _sum(self, node: Node, idx: Indices, parts: list[sp.Expr], where: dict[int, Index]) -> sp.Expr:
        _, out, _ = node.attr
        expr: sp.Expr = sp.Mul(*parts)
        for a, i in zip(out, idx):
            if where[a] != i:  # an output index given twice is a delta
                expr = expr * self.symbol(self._delta(where[a]), (where[a], i))
        bound = [i for label, i in where.items() if label not in out]
        return self.contract(expr, bound, idx)

    def _delta(self, i: Index) -> Node:
        return einsum([], [], ["i", "i"], {"i": self.index_sizes[i]})

    def contract(self, expr: sp.Expr, bound: Sequence[Index], prefer: Indices = ()) -> sp.Expr:
        """Return the sum of `expr` over the bound indices, its axes in the order of `prefer`."""
        if not bound:
            return expr
        expr = shortest(expr, self.weight)
        for b in bound:
            hit = self._delta_partner(expr, b)
            if hit is not None:
                delta, other = hit
                reduced = self.rename(expr.xreplace({delta: sp.Integer(1)}), {b: other})
                return self.contract(reduced, [x for x in bound if x != b], prefer)
        factors = sp.Mul.make_args(expr)
        outside = [f for f in factors if not (self.indices_of(f) & set(bound))]
        inside = [f for f in factors if self.indices_of(f) & set(bound)]
        carried = set().union(*(self.indices_of(f) for f in inside)) if inside else set()
        outside += [sp.sympify(self.index_sizes[b], strict=True) for b in bound if b not in carried]
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
                if self._swallows_minus(f):
                    inside[k] = sp.Add(*(-t for t in f.args))
                    outside.append(sp.Integer(-1))
                    break
        body = sp.Mul(*inside)
        if isinstance(body, sp.Add) and any(not (self.indices_of(t) >= set(still)) for t in body.args):
            return sp.Mul(*outside) * sp.Add(*(self.contract(t, still, prefer) for t in body.args))
        return sp.Mul(*outside) * self._sum_atom(body, still, prefer)

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

    def _sum_atom(self, body: sp.Expr, bound: Sequence[Index], prefer: Indices) -> sp.Expr:
        groups: dict[frozenset[Index], list[sp.Expr]] = {}
        for f in sp.Mul.make_args(body):
            groups.setdefault(frozenset(self.indices_of(f)), []).append(f)
        labels: list[Indices] = []
        args: list[Node] = []
        for factors in groups.values():
            product = sp.Mul(*factors)
            order = self._order(product)
            if isinstance(product, sp.Symbol):
                node, order = self.atoms[product]
            else:
                node = self.rebuild(product, order)
            labels.append(order)
            args.append(node)
        free: list[Index] = []
        for lab in labels:
            free += [i for i in lab if i not in bound and i not in free]
        free.sort(key=lambda i: prefer.index(i) if i in prefer else len(prefer))
        node = self.einsum(labels, args, tuple(free))
        return self.symbol(node, tuple(free)) if node.op == "einsum" else self.expression(node, tuple(free))

    def einsum(self, labels: Sequence[Indices], args: Sequence[Node], out: Indices) -> Node:
        """Return the one einsum node for a product of these operands, an existing one where there is one."""
        order = sorted(range(len(args)), key=lambda k: args[k].serial)
        sizes = dict(enumerate(self.index_sizes))
        node = einsum([labels[k] for k in order], [args[k] for k in order], out, sizes)
        return self.canonical.get(canonical_key(node), node)

    def _order(self, expr: sp.Expr) -> Indices:
        """Return the indices of an expression in the order in which its first atoms carry them."""
        out: list[Index] = []
        for s in sorted(
            (s for s in expr.free_symbols if s in self.atoms), key=lambda s: (-len(self.atoms[s][1]), self._rank(s))
        ):
            out += [i for i in self.atoms[s][1] if i not in out]
        return tuple(out)

    def _rank(self, symbol: sp.Symbol) -> int:
        return int(symbol.name[1:])

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

    # --- and back ---------------------------------------------------------------------------------------------------

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
            return self._rebuild_sum(expr, idx)
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
            return const(Fraction(int(expr.p), int(expr.q)), shape)
        if expr.is_integer:
            return size(expr, shape)
        num, den = expr.as_numer_denom()
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
        return self.atoms[symbol][0].serial if symbol in self.atoms else -1

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
        coefficient, rest = expr.as_coeff_Mul()
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
        if coefficient.p != 1:
            above.insert(0, sp.Integer(coefficient.p))
        if coefficient.q != 1:
            below.insert(0, sp.Integer(coefficient.q))
        top = self._factors(above, idx)
        if below:
            bottom = self._factors(below, idx)
            top = make("div", (top if top is not None else const(1, shape), bottom), (), shape)  # type: ignore[arg-type]  # bottom has factors
        assert top is not None
        return negate(top) if negative else top

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
        """Return whether f is a difference a - b that may as well be written b - a; 1 - p is not."""
        return (
            isinstance(f, sp.Add)
            and len(f.args) == 2
            and sum(is_negative(t) for t in f.args) == 1
            and not any(t.is_number for t in f.args)
        )

    def _prefers_minus(self, total: sp.Expr) -> bool:
        negative = [is_negative(t) for t in total.args]
        if all(negative):
            return True
        if not any(negative):
            return False
        numbers = [t for t in total.args if t.is_number]
        if len(total.args) == 2 and numbers:
            return bool(numbers[0] < 0)
        return False

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
        for own in sorted(groups, key=len):
            node = groups[own]
            if own != idx:
                node = broadcast_to(node, shape) if node.op in ("const", "size") else self._reindex(node, own, idx)
            out = node if out is None else tidy("mul", (out, node), (), shape)
        return out

    def _factor_key(self, f: sp.Expr) -> tuple[Any, ...]:
        base, _ = f.as_base_exp()
        kind = 0 if base.is_number else 1 if base not in self.atoms and isinstance(base, sp.Symbol) else 2
        if kind == 2 and isinstance(base, sp.Symbol):
            node = self.atoms[base][0]
            kind = 2 if node.op in ("bar",) else 3 if node.op == "var" or self.is_named(node) else 4
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


def is_negative(term: sp.Expr) -> bool:
    """Return whether a term carries a minus sign in front."""
    return bool(term.as_coeff_Mul()[0] < 0)


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


# --- the algebra ------------------------------------------------------------------------------------------------------


def cost(expr: sp.Expr, weight: Callable[[sp.Symbol], int]) -> int:
    """Return the length of an expression in print: its atoms and its operations."""
    total = 0
    stack = [expr]
    while stack:
        e = stack.pop()
        if isinstance(e, sp.Symbol):
            total += weight(e)
        elif e.is_Number:
            total += 1 if e.is_Integer else 3
        elif isinstance(e, sp.Add):
            # a term with a minus sign costs no more than one with a plus, except in front
            total += len(e.args) - 1 + all(is_negative(a) for a in e.args)
            for a in e.args:
                c, rest = a.as_coeff_Mul()
                stack.append(rest if c == -1 and rest is not sp.S.One else a)
        elif isinstance(e, sp.Mul):
            # a fraction bar is one operation however many factors stand below it
            args = [a for a in e.args if a is not sp.S.NegativeOne]
            below = [a for a in args if isinstance(a, sp.Pow) and is_negative(a.exp)]
            total += len(args) - 1 + 2 * (len(below) == len(args))
            stack += [a for a in args if a not in below]
            stack += [a.base ** -a.exp for a in below]
        elif isinstance(e, sp.Pow) and e.exp.is_number and e.exp < 0:
            total += 2
            stack.append(e.base ** -e.exp)
        elif isinstance(e, sp.Pow):
            total += 1
            stack += [e.base, e.exp]
        else:
            total += 1
            stack.extend(e.args)
    return total


_LIMIT = 300  # operations; above it an expression keeps the form the rules gave it
_forms: dict[sp.Expr, tuple[sp.Expr, ...]] = {}


def forms(expr: sp.Expr) -> tuple[sp.Expr, ...]:
    """Return equal forms of an expression: as it is, over one denominator, factored, expanded."""
    found = _forms.get(expr)
    if found is None:
        out = [expr]
        if not isinstance(expr, sp.Symbol) and not expr.is_number and expr.count_ops() <= _LIMIT:
            try:
                cancelled = sp.cancel(expr)
                out += [sp.factor(cancelled), cancelled, sp.expand(cancelled), sp.factor_terms(expr)]
            except sp.PolynomialError:
                # not a rational function (a symbolic exponent): powers still combine
                out += [sp.factor_terms(sp.powsimp(sp.expand(expr))), sp.powsimp(expr)]
        if len(_forms) > 20_000:
            _forms.clear()
        found = _forms[expr] = tuple(dict.fromkeys(out))
    return found


def shortest(expr: sp.Expr, weight: Callable[[sp.Symbol], int]) -> sp.Expr:
    """Return the shortest form; among equals the one nearest to what was written."""
    return min(forms(expr), key=lambda e: cost(e, weight))


def index_canonical(nodes: Iterable[Node]) -> dict[Any, Node]:
    """Return the einsum nodes of the forward pass under their canonical keys."""
    return {canonical_key(n): n for n in nodes if n.op == "einsum"}
