"""Sums of matrix products: the algebra of words, in which factors keep their order.

A matrix, or a vector read as a column, is a letter, upright or transposed; a product is a word, and an expression a sum
of words with scalar coefficients. Transposes move onto the letters, inverses cancel their neighbours, equal words meet,
and what a sum begins or ends with in common comes in front or behind.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import sympy as sp

from symgrad.engine.normal import Ring
from symgrad.engine.tidy import tidy
from symgrad.engine.words import (
    Letter,
    Poly,
    Word,
    add_term,
    best_group,
    common_factor,
    einsum_of,
    inverse_of,
    inverts,
    is_ones,
    ones_word,
    order_key,
    scaled,
    shape_of,
    sum_of,
    transposed,
    transposes,
)
from symgrad.graph.node import Node, broadcast_to, const, einsum, identity, make, topological
from symgrad.graph.text import to_text
from symgrad.rules.arrays import array_row
from symgrad.rules.linalg import INV
from symgrad.shapes import Dim, Shape, as_sympy

_MONOMIALS = 16  # a product of sums is multiplied out up to this many terms
_NODES = 200  # larger expressions keep the form they have
_AXES = re.compile(r", keepdims=True|\[:, None\]")
_TOKEN = re.compile(r"\w+|\.T\b|[-+*/@]+")


class _Names(Mapping[Node, str]):
    """Every node that reads as one name, by a name of one word."""

    def __init__(self, is_name: Callable[[Node], bool]) -> None:
        self.is_name = is_name

    def __getitem__(self, node: Node) -> str:
        if self.is_name(node):
            return "x"
        raise KeyError(node)

    def __contains__(self, node: object) -> bool:
        return isinstance(node, Node) and self.is_name(node)

    def __iter__(self) -> Iterator[Node]:
        return iter(())

    def __len__(self) -> int:
        return 0


@dataclass
class Words:
    """One forward pass: which nodes are letters, how products were written, and what is symmetric.

    ring        writes the scalar coefficients
    is_name     whether a node reads as one name
    declared    variables that equal their transpose
    """

    ring: Ring
    is_name: Callable[[Node], bool]
    declared: frozenset[Node] = frozenset()
    written: dict[Word, Node] = field(default_factory=dict)
    _polys: dict[tuple[Node, bool], Poly | None] = field(default_factory=dict)
    _symmetric: dict[Node, bool] = field(default_factory=dict)
    _scalars: dict[Word, sp.Expr] = field(default_factory=dict)
    _traces: dict[Word, sp.Expr] = field(default_factory=dict)

    def remember(self, forward: Sequence[Node]) -> None:
        """Let the products of the forward pass be written as they were; `forward` has inputs before users."""
        for n in forward:
            poly = self._polys[n, False] = None if self._closed(n) else self._read(n, False)
            if n.op == "einsum" and n.args and not self.is_name(n) and poly is not None and len(poly) == 1:
                ((word, coefficient),) = poly.items()
                if coefficient == 1 and len(word) > 1:
                    self.written.setdefault(word, n)

    # --- reading ------------------------------------------------------------------------------------------------------

    def poly(self, root: Node, expand: bool) -> Poly | None:
        """Return the node as a sum of words; None where it is no such sum. `expand` multiplies sums out."""
        polys = self._polys
        for n in topological([root], lambda n: () if self._closed(n) or (n, expand) in polys else n.args):
            if (n, expand) not in polys:
                polys[n, expand] = None if self._closed(n) and n is not root else self._read(n, expand)
        return polys[root, expand]

    def _closed(self, node: Node) -> bool:
        return self.is_name(node) or node.op in ("bar", "pull", "var")

    def _of(self, node: Node, expand: bool) -> Poly:
        known = None if self._closed(node) else self._polys.get((node, expand))
        return known if known is not None else self._letter(node)

    def _letter(self, node: Node) -> Poly:
        if node.rank == 0:
            return {(): self.ring.symbol(node, ())}
        return {((node, False),): sp.Integer(1)}

    def _read(self, node: Node, expand: bool) -> Poly | None:
        if node.rank > 2:
            return None
        if node.op in ("const", "size"):
            value = self.ring.expression(make(node.op, (), node.attr, ()), ())
            return {ones_word(node.shape): value} if value != 0 else {}
        if node.op in ("add", "sub"):
            a, b = (self._of(x, expand) for x in node.args)
            return sum_of(a, b, -1 if node.op == "sub" else 1)
        if node.op == "neg":
            return scaled(self._of(node.args[0], expand), sp.Integer(-1))
        if node.op in ("mul", "div"):
            return self._scaling(node, expand)
        if node.op == "einsum":
            return self._product(node, expand)
        if node.op == "array":
            return self._function(node, expand)
        if node.op == "pow":
            base, power = (self._uniform(a, expand) for a in node.args)
            if base is not None and power is not None and power.is_Integer and base != 0:
                return {ones_word(node.shape): base**power}
        return None

    def _uniform(self, node: Node, expand: bool) -> sp.Expr | None:
        """Return the scalar that every entry equals, None where the entries differ."""
        poly = self._of(node, expand)
        return poly.get(ones_word(node.shape), sp.Integer(0)) if set(poly) <= {ones_word(node.shape)} else None

    def _scaling(self, node: Node, expand: bool) -> Poly | None:
        a, b = node.args
        factor = self._uniform(b, expand)
        if factor is not None and not (node.op == "div" and factor == 0):
            return scaled(self._of(a, expand), 1 / factor if node.op == "div" else factor)
        factor = self._uniform(a, expand) if node.op == "mul" else None
        return None if factor is None else scaled(self._of(b, expand), factor)

    def _function(self, node: Node, expand: bool) -> Poly | None:
        """An inverse of one word is the inverses backwards; f(A.T) is f(A).T where the row says so."""
        row = array_row(node)
        if not row.transposes or len(node.args) != 1 or node.rank != 2:
            return None
        inside = self._of(node.args[0], expand)
        if len(inside) != 1:
            return None
        ((word, coefficient),) = inside.items()
        if row is INV and word and all(x.rank == 2 and x.shape[0] == x.shape[1] for x, _ in word):
            return {tuple(self._upright(inverse_of(x)) for x in reversed(word)): 1 / coefficient}
        if len(word) == 1 and word[0][1] and coefficient == 1:
            return {((row(word[0][0], **row.given(node)), True),): sp.Integer(1)}
        return None

    def _upright(self, letter: Letter) -> Letter:
        return (letter[0], False) if letter[1] and self.symmetric(letter[0]) else letter

    def symmetric(self, node: Node) -> bool:
        """Return whether a matrix equals its transpose by the way it is made, or by what is declared."""
        if node.rank != 2 or node.shape[0] != node.shape[1]:
            return False
        if node not in self._symmetric:
            self._symmetric[node] = False  # stands while its own words are compared
            self._symmetric[node] = self._equals_transpose(node)
        return self._symmetric[node]

    def _equals_transpose(self, node: Node) -> bool:
        if node.op == "var":
            return node in self.declared
        if node.is_elementwise and node.op not in ("add", "sub", "neg"):
            return all(a.op in ("const", "size") or self._uniform(a, True) is not None or self.symmetric(a)
                       for a in node.args)
        if node.op == "array":
            return array_row(node).transposes and len(node.args) == 1 and self.symmetric(node.args[0])
        poly = self.poly(node, True)
        if poly is None:
            return False
        over: Poly = {}
        for w, c in poly.items():
            factor, word = self._normal(transposed(w))
            add_term(over, word, c * factor)
        return not sum_of(poly, over, -1)

    def _product(self, node: Node, expand: bool) -> Poly | None:
        """An einsum whose indices form chains: each occurs twice, counting the output."""
        ins, out, sizes = node.attr
        if not node.args:
            return {(): sp.Integer(1)} if out == (0, 0) and node.rank == 2 else None
        operands: list[tuple[Poly, tuple[int, ...], Node]] = []
        for a, labels in zip(node.args, ins):
            if a.rank > 2:
                return None
            own = self._of(a, expand)
            if not expand and len(own) > 1:  # a sum inside a product stays one letter
                own = self._letter(a)
            operands.append((own, labels, a))
        places: dict[int, int] = {}
        for labels in (*ins, out):
            for x in labels:
                places[x] = places.get(x, 0) + 1
        if max(places.values(), default=0) > 2 or len(set(out)) < len(out):
            return None
        for x, count in places.items():
            if count == 1:  # summed alone, or broadcast: a column of ones takes the other end
                ones = const(1, (sizes[x],))
                operands.append((self._letter(ones), (x,), ones))
        return self._chains(operands, out)

    def _chains(self, operands: list[tuple[Poly, tuple[int, ...], Node]], out: tuple[int, ...]) -> Poly | None:
        left = list(range(len(operands)))

        def walk(index: int | None, start: int | None = None) -> tuple[list[tuple[int, bool]], int | None]:
            path: list[tuple[int, bool]] = []
            at = start
            while True:
                if at is None:
                    at = next((k for k in left if index in operands[k][1]), None)
                    if at is None:
                        return path, index
                left.remove(at)
                labels = operands[at][1]
                if len(labels) == 1:
                    path.append((at, bool(index is None)))
                    if index is not None:
                        return path, None
                    index = labels[0]
                else:
                    turned = index != labels[0]
                    path.append((at, turned))
                    index = labels[0] if turned else labels[1]
                if index in out or (not left and index is not None):
                    return path, index
                at = None

        total: Poly = {(): sp.Integer(1)}
        body: list[tuple[int, bool]] = []
        if out:
            body, end = walk(out[0])
            if len(out) == 2 and end != out[1]:
                path, end = walk(out[1])
                if end is not None:
                    return None
                body += [(k, not t) for k, t in reversed(path)]
        while left:
            first = left[0]
            labels = operands[first][1]
            if not labels:
                left.remove(first)
                scalar = operands[first][0].get((), sp.Integer(0))
                total = scaled(total, scalar)
                continue
            vector = next((k for k in left if len(operands[k][1]) == 1), None)
            if vector is not None:
                path, _ = walk(None, vector)
                value = self._multiplied([(operands[k], t) for k, t in path])
                if value is None:
                    return None
                total = scaled(total, value.get((), sp.Integer(0)))
            else:
                loop, _ = walk(labels[0], first)
                cycle = self._multiplied([(operands[k], t) for k, t in loop])
                if cycle is None:
                    return None
                size = operands[first][2].shape[0]
                total = scaled(total, sp.Add(*(c * self._trace(w, size) for w, c in cycle.items())))
        product = self._multiplied([(operands[k], t) for k, t in body])
        if product is None:
            return None
        scale = total.get((), sp.Integer(0))
        return scaled(product, scale)

    def _multiplied(self, factors: Sequence[tuple[tuple[Poly, tuple[int, ...], Node], bool]]) -> Poly | None:
        terms: list[tuple[Word, sp.Expr]] = [((), sp.Integer(1))]
        for (poly, _, _), turned in factors:
            if len(terms) * len(poly) > _MONOMIALS:
                return None
            terms = [(w + (transposed(v) if turned else v), c * d) for w, c in terms for v, d in poly.items()]
        out: Poly = {}
        for w, c in terms:
            factor, word = self._normal(w)
            add_term(out, word, c * factor)
        return out

    def _normal(self, word: Word) -> tuple[sp.Expr, Word]:
        """Return the word with symmetric letters upright and inverses cancelled, and the scalar that it held."""
        stack: list[Letter] = []
        opened: int | None = None
        scalar: sp.Expr = sp.Integer(1)
        for raw in word:
            letter = self._upright(raw)
            if letter[0].rank == 1:
                if letter[1]:
                    opened = len(stack)
                elif opened is not None:
                    scalar *= self._dot((*stack[opened:], letter))
                    del stack[opened:]
                    opened = None
                    continue
            elif stack and stack[-1][1] == letter[1] and (
                    inverts(stack[-1][0], letter[0]) or inverts(letter[0], stack[-1][0])):
                stack.pop()
                continue
            stack.append(letter)
        return scalar, tuple(stack)

    def _dot(self, word: Word) -> sp.Expr:
        """Return u.T @ ... @ v, the same for both ways to read it."""
        if all(n.op == "const" and n.value == 1 for n, _ in word) and len(word) == 2:
            return as_sympy(word[0][0].shape[0])
        key = min(word, transposed(word), key=order_key)
        if key not in self._scalars:
            self._scalars[key] = self.ring.symbol(self._existing(self.chain(key)), ())
        return self._scalars[key]

    def _trace(self, word: Word, size: Dim) -> sp.Expr:
        """Return the trace of a word, the same for every place to begin at and for both ways to read it."""
        if not word:
            return as_sympy(size)
        cut = next((k for k in range(1, len(word)) if word[k][0].rank == 1 and word[k][1]), None)
        if cut is not None:  # the trace of u v.T is v.T u
            return self._dot(word[cut:] + word[:cut])
        turns = [word[k:] + word[:k] for k in range(len(word))]
        key = min([*turns, *map(transposed, turns)], key=order_key)
        if key not in self._traces:
            self._traces[key] = self.ring.symbol(self._existing(self._loop(key)), ())
        return self._traces[key]

    def _loop(self, word: Word) -> Node:
        if len(word) == 1:
            return einsum(["ii"], [word[0][0]], "")
        last, turned = word[-1]
        head = self.chain(word[:-1])
        return einsum(["ij", "ij" if turned else "ji"], [head, last], "")

    def _existing(self, node: Node) -> Node:
        return self.ring.sums.same(node) if node.op == "einsum" else node

    # --- writing ------------------------------------------------------------------------------------------------------

    def rewrite(self, root: Node) -> list[Node]:
        """Return equal forms of a node: words collected, sums inside products kept, and multiplied out."""
        inner = [n for n in topological([root], lambda n: () if self._stops(n) else n.args) if not self._stops(n)]
        if len(inner) > _NODES:
            return []
        forms = [f for expand in (False, True) for f in self._rewritten(root, inner, expand)]
        for n in inner:
            for expand in (False, True):
                self._polys.pop((n, expand), None)
        return list(dict.fromkeys(forms))

    def _stops(self, node: Node) -> bool:
        return self._closed(node) or node in self.ring.order

    def _rewritten(self, root: Node, inner: Sequence[Node], expand: bool) -> list[Node]:
        new: dict[Node, Node] = {}
        inside = {a for n in inner if self.poly(n, expand) is not None for a in n.args}
        found: list[Node] = []
        for n in inner:
            args = tuple(new.get(a, a) for a in n.args)
            new[n] = made = n if args == n.args else make(n.op, args, n.attr, n.shape)
            if n.rank in (1, 2) and (n is root or n not in inside) and self.poly(made, expand) is not None:
                forms = self._forms(made, expand)
                new[n] = min(forms, key=self.length)
                found += forms if n is root else []
        return [*found, new.get(root, root)]

    def length(self, node: Node) -> float:
        """Return the length of an expression in print, in words and operators; a pair of brackets counts a little."""
        whole = to_text(node, _Names(self.is_name), expand_root=False)
        text = _AXES.sub("", whole).replace(".T", " .T ")
        return len(_TOKEN.findall(text)) + text.count("(") / 8 + whole.count("[:, None]") / 2

    def _forms(self, node: Node, expand: bool) -> list[Node]:
        poly = self.poly(node, expand)
        assert poly is not None
        if not poly:
            return [const(0, node.shape)]
        out = [self._build(poly, node.shape)]
        if node.rank == 2 and len(poly) > 1:
            out.append(self._build({transposed(w): c for w, c in poly.items()}, node.shape[::-1]).T)
        return out

    def _build(self, poly: Poly, shape: Shape) -> Node:
        """Return the node of a sum of words, what they share at an end written once."""
        common = common_factor(list(poly.values()))
        rest = {w: sp.cancel(c / common) for w, c in poly.items()}
        while (best := best_group(rest)) is not None:
            words, own, from_left = best
            shared = words[0][:own] if from_left else words[0][len(words[0]) - own:]
            inner = {(w[own:] if from_left else w[:len(w) - own]): rest.pop(w) for w in words}
            over = {transposed(w): c for w, c in inner.items()}
            turned = transposes(over) < transposes(inner)
            if turned:
                inner = over
            letter = (self._build(inner, shape_of(next(iter(inner)))), turned)
            rest[(*shared, letter) if from_left else (letter, *shared)] = sp.Integer(1)
        out: Node | None = None
        for w, c in sorted(rest.items(), key=lambda p: (p[1].could_extract_minus_sign(), self._place(p[0]))):
            minus = out is not None and c.could_extract_minus_sign()
            term = self._times(self.chain(w) if w else identity(shape[0]), -c if minus else c)
            out = term if out is None else tidy("sub" if minus else "add", (out, term), (), shape)
        assert out is not None
        return self._times(out, common)

    def _place(self, word: Word) -> tuple[int, ...]:
        """Return where the letters first stand in the forward pass, which orders the terms of a sum."""
        order = self.ring.order

        def first(node: Node) -> int:
            inner = topological([node], lambda n: () if n in order else n.args)
            return min((order[n] for n in inner if n in order), default=len(order))

        return tuple(x for n, turned in word for x in (first(n), turned))

    def _times(self, body: Node, coefficient: sp.Expr) -> Node:
        number, rest = coefficient.as_coeff_Mul()
        num, den = sp.fraction(rest)
        decimal = self.ring.decimal and number.is_Rational and Fraction(float(number)) == Fraction(number.p, number.q)
        num, den = (number * num, den) if decimal else (number.p * num, number.q * den)
        minus = num.could_extract_minus_sign()
        num = -num if minus else num
        out = body
        if num != 1:
            out = tidy("mul", (self._spread(num, body), out), (), body.shape)
        if den != 1:
            out = tidy("div", (out, self._spread(den, body)), (), body.shape)
        return tidy("neg", (out,), (), body.shape) if minus else out

    def _spread(self, scalar: sp.Expr, body: Node) -> Node:
        node = self.ring.rebuild(scalar, ())
        return make(node.op, (), node.attr, body.shape) if node.op in ("const", "size") else \
            broadcast_to(node, body.shape)

    def chain(self, word: Word) -> Node:
        """Return the node of a word, its products as the forward pass has them, vectors multiplied first."""
        letters = self._known(word)
        cut = next((k for k in range(1, len(letters)) if letters[k][0].rank == 1 and letters[k][1]), len(letters))
        groups = [letters[:cut], letters[cut:]] if cut < len(letters) else [letters]
        for g in groups:
            if len(g) > 2 and g[-1][0].rank == 1 and all(t for n, t in g if n.rank == 2):
                g[:] = transposed(tuple(g))  # A.T @ (B.T @ v) is v @ B @ A
            while len(g) > 2 or (len(g) == 2 and len(groups) == 2):
                if len(g) - sum(map(is_ones, g)) < 2:  # a sum over one axis goes into the last product
                    break
                rows = g[0][0].rank == 1 and g[0][1]
                k = 0 if rows or g[-1][0].rank == 2 else len(g) - 2
                g[k:k + 2] = [(self._existing(einsum_of([(g[k], g[k + 1])])), rows and k == 0)]
        return self._existing(einsum_of([tuple(g) for g in groups]))

    def _known(self, word: Word) -> list[Letter]:
        letters = list(word)
        k = 0
        while k < len(letters):
            for stop in range(len(letters), k + 1, -1):
                node = self.written.get(tuple(letters[k:stop]))
                if node is not None:
                    letters[k:stop] = [(node, False)]
                    break
            k += 1
        return letters
