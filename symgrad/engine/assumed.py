"""Shortening under assumptions: an equal form that holds where they hold, taken only where it is strictly shorter.

`Assumed.shorten` is the whole interface: the simplifier's own form, and after it, where assumptions make it shorter,
the form that rests on them, with the assumptions that were needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

import sympy as sp

from symgrad.engine.acceptance import Acceptance
from symgrad.engine.assumptions import Assumption, symmetric_by
from symgrad.engine.equations import Inverses, Rule, inverses_of, matches, opening, rules_of, turned_rules
from symgrad.engine.forms import cost, forms
from symgrad.engine.normal import Ring
from symgrad.engine.ranges import Ranges
from symgrad.engine.rows import find, named_row
from symgrad.engine.simplify import LIMIT, NamedRing, Shortened, Simplifier
from symgrad.engine.tidy import tidy
from symgrad.engine.written import Index, Indices
from symgrad.graph.node import NAMED, Node, einsum, make, topological, transpose
from symgrad.graph.text import to_text
from symgrad.rules.arrays import array_row
from symgrad.rules.elementwise import ARITHMETIC, BY_NAME
from symgrad.rules.ranges import NEGATIVE, NONNEGATIVE, NONPOSITIVE, POSITIVE, Range

_ROUNDS = 8  # rules applied one inside the other
_OPERATIONS = 300  # a longer expression is not multiplied out
_READINGS = 4  # ways tried to read equations that can be read in several
_SIGNS = ((POSITIVE, "positive", "> 0"), (NEGATIVE, "negative", "< 0"), (NONNEGATIVE, "nonnegative", ">= 0"),
          (NONPOSITIVE, "nonpositive", "<= 0"))  # fmt: skip


class Assumed:
    """The assumptions of one derivation, ready for use."""

    def __init__(self, assumptions: Sequence[Assumption], forward: Sequence[Node]) -> None:
        self.assumptions, self.forward = tuple(assumptions), forward
        self._acceptances: dict[tuple[Assumption, ...], Acceptance] = {}
        self.variables = {v for a in assumptions for v in a.variables}
        self.signed = any(_goes_by_cases(n) for n in forward)
        self.speaks: dict[Node, bool] = {}  # node -> whether what is assumed speaks of something below it
        self._readings: dict[tuple[int, tuple[Assumption, ...]], list[_Reading]] = {}
        self._ranges: dict[tuple[Assumption, ...], Ranges] = {}

    def shorten(self, reader: Simplifier, node: Node) -> Shortened:
        """Return the shortest form without assumptions, or where those make it shorter still, the form under them."""
        plain = reader.shorten(node)
        if not (self.assumptions or self.signed) or not self._concerns(reader, plain.node):
            return plain
        length = _measure(reader, plain)
        found: tuple[tuple[int, int], Shortened, frozenset[Assumption], str] | None = None
        for short, reading in self._tried(reader, (plain.node, node), self.assumptions):
            measure = _measure(reader, short)
            shorter = measure < length and (found is None or measure < found[0])
            if shorter and reading.acceptance.accepts(node, short.node, "assumption"):
                found = measure, short, frozenset(reading.fired), reading.said()
        if found is None:
            return plain
        measure, best, fired, signs = found
        again = reader.shorten(best.node)
        if _measure(reader, again) < measure:
            best, measure = again, _measure(reader, again)
        needed = [a for a in self.assumptions if a in fired]
        for a in list(needed):  # an assumption without which the form comes out as short was not needed
            fewer = tuple(b for b in needed if b is not a)
            for short, reading in self._tried(reader, (plain.node, node), fewer):
                if _measure(reader, short) <= measure and reading.acceptance.accepts(node, short.node, "assumption"):
                    # the form that does without it, which may be another one
                    best, measure, needed, signs = short, _measure(reader, short), list(fewer), reading.said()
                    break
        texts = tuple(a.text for a in needed)
        rule, reason = ("assumption", f"assuming {' and '.join(texts)}") if texts else ("known_sign", signs)
        return replace(best, rule=rule, reason=reason, via=plain, assumptions=texts)

    def _tried(self, reader: Simplifier, starts: Sequence[Node],
               assumptions: tuple[Assumption, ...]) -> Iterator[tuple[Shortened, _Reading]]:
        """Yield the forms under these assumptions, one for each way to read their equations."""
        for start in dict.fromkeys(starts):
            for reading in self._by(reader, assumptions):
                reading.fired.clear()
                reading.signs.clear()
                yield reading.shorten(start), reading

    def acceptance_at(self, assumptions: tuple[Assumption, ...], general: Acceptance) -> Acceptance:
        """Return what compares lines at points where the assumptions hold."""
        if not assumptions:
            return general
        if assumptions not in self._acceptances:
            self._acceptances[assumptions] = Acceptance(self.forward, assumptions)
        return self._acceptances[assumptions]

    def _by(self, reader: Simplifier, assumptions: tuple[Assumption, ...]) -> list[_Reading]:
        """Return simplifiers under these assumptions."""
        key = id(reader), assumptions
        if key not in self._readings:
            ways: list[list[Rule]] = [[]]
            for a in assumptions:
                rules = rules_of(a)
                ways = [[*way, r] for way in ways for r in rules][:_READINGS] if rules else ways
            pairs = [p for a in assumptions for p in inverses_of(a)]
            ranges = self._ranges.setdefault(assumptions, Ranges(assumptions))
            self._readings[key] = [_Reading(reader, self, assumptions, ranges, way, pairs) for way in ways]
        return self._readings[key]

    def _concerns(self, reader: Simplifier, node: Node) -> bool:
        """Return whether a line speaks of what is assumed, or holds a function whose case its argument decides."""
        if reader.length(node) >= LIMIT:
            return False
        names = reader.names
        near = topological([node], lambda n: () if _ends(n) or (n in names and n is not node) else n.args)
        if self.assumptions and any(self.speaks_of(n) for n in near):
            return True
        reading = self._by(reader, ())[0]
        return any(reading.resolved_once(n) is not None for n in near if _goes_by_cases(n))

    def speaks_of(self, node: Node) -> bool:
        """Return whether what is assumed speaks of a variable below the node."""
        known = self.speaks
        for n in topological([node], lambda n: () if n in known or _ends(n) else n.args):
            if n not in known:
                known[n] = n in self.variables or (not _ends(n) and any(known[a] for a in n.args))
        return known[node]


def _ends(n: Node) -> bool:
    """Whether a line is read no further: a cotangent, a pending pullback."""
    return n.op in ("bar", "pull")


def _measure(reader: Simplifier, short: Shortened) -> tuple[int, int]:
    """Return the length of a form by the simplifier's measure, and in print; a constant is as long as its number."""
    node = short.node
    text = str(node.value) if node.op == "const" else to_text(node, reader.names)
    return short.cost, len(text)


def _goes_by_cases(n: Node) -> bool:
    """Return whether a function goes by cases, itself or in its definition."""
    return n.is_elementwise and _cases(n.op, n.attr)


@lru_cache(maxsize=512)
def _cases(op: str, attr: tuple[object, ...]) -> bool:
    row = named_row(attr) if op == NAMED else BY_NAME.get(op)
    if row is None or row.definition is None or row.cases or row in ARITHMETIC:
        return row is not None and bool(row.cases)
    below = topological([row.definition(*row.placeholders, *row.attr)])
    return any(BY_NAME[n.op].cases for n in below if n.op in BY_NAME)


class _Reading(Simplifier):
    """A simplifier that may use assumptions; `fired` collects those it touched."""

    def __init__(self, of: Simplifier, whole: Assumed, assumptions: Sequence[Assumption], ranges: Ranges,
                 rules: Sequence[Rule], pairs: Sequence[Inverses]) -> None:
        # the same forward pass, read by the same names
        self.__dict__.update({k: v for k, v in of.__dict__.items() if k != "acceptance"})
        self.speaks_of = whole.speaks_of
        self.rules = [*rules, *(turned_rules(p) for p in pairs)]
        self.inverse = {p.right: p for p in reversed(pairs)}
        self.symmetric = symmetric_by(assumptions)
        self.declared = frozenset(self.symmetric)
        self._words = None  # other matrices are symmetric here
        self.assumptions, self.acceptances, self.general = assumptions, whole.acceptance_at, of.acceptance
        self.ranges = ranges
        self.sets: dict[Node, tuple[tuple[Node, ...], Assumption]] = {
            left: (right, a) for a in assumptions for op, left, right in a.parts if op == "in"}
        self.fired: set[Assumption] = set()
        self.signs: dict[Node, Range] = {}
        self.turned: dict[Node, Node] = {}
        self.differences: dict[Node, Node] = {}

    @property
    def acceptance(self) -> Acceptance:  # type: ignore[override]  # what is compared rests on what was used so far
        """What compares lines at points where the assumptions hold that were touched so far."""
        used = self.fired | set(self.symmetric.values())  # the words do not say whose symmetry they use
        return self.acceptances(tuple(a for a in self.assumptions if a in used), self.general)

    def ring(self, expand: bool, split: bool = False, solved: Mapping[Node, Node] = {}) -> NamedRing:
        return _AssumingRing(self, expand, split, solved)

    def _candidates(self, ring: Ring, start: sp.Expr) -> list[tuple[sp.Expr, bool]]:
        # exponentials were tried without assumptions, and are tried again on what comes out
        assert isinstance(ring, _AssumingRing)
        return [(f, False) for e in (start, *ring.under_assumptions(start)) for f in forms(e)]

    def shorten(self, node: Node) -> Shortened:
        short = super().shorten(self.rewritten(node))
        if self.symmetric and self._words is not None:
            self.note_symmetric(node)  # what was not needed is taken back by the caller
        return replace(short, node=self.upright(short.node))

    def said(self) -> str:
        """Return the signs that functions were resolved by."""
        words = [next((f"{to_text(n, self.names, expand_root=False)} {w}" for kind, _, w in _SIGNS if r in kind), "")
                 for n, r in self.signs.items() if any(x.op == "var" for x in topological([n]))]
        return "as " + " and ".join(w for w in dict.fromkeys(words) if w) if any(words) else "its range is known"

    # --- single nodes: functions whose case is known, inverses --------------------------------------------------------

    def rewritten(self, root: Node) -> Node:
        """Return the node with functions resolved whose case is known, and what stands inside functions shortened."""
        new: dict[Node, Node] = {}
        def whole(n: Node) -> bool:
            return n.is_leaf or _ends(n) or (n in self.names and n is not root)

        for n in topological([root], lambda n: () if whole(n) else n.args):
            if whole(n):
                new[n] = n
                continue
            args = tuple(new[a] for a in n.args)
            if not (n.op == "einsum" or n.op in _WRITTEN_OUT):
                args = tuple(self._inside(a) for a in args)
            same = args == n.args
            made = n if same else tidy(n.op, args, n.attr, n.shape) if n.is_elementwise else \
                make(n.op, args, n.attr, n.shape)
            new[n] = self._resolved(made)
        return new[root]

    def _inside(self, x: Node) -> Node:
        """Return the operand of a function, shortened where it speaks of what is assumed."""
        if x.is_leaf or x in self.names or not (x.op == "einsum" or x.op in _WRITTEN_OUT):
            return x
        if not self.speaks_of(x):
            return x
        short = self._shorten(x)
        return self.upright(short.node) if len(to_text(short.node, self.names)) < len(to_text(x, self.names)) else x

    def _resolved(self, n: Node) -> Node:
        """Return what a function is in the case that is known to hold, what an inverse is known to be."""
        for _ in range(_ROUNDS):
            after = self.resolved_once(n)
            if after is None:
                return n
            n = after
        return n

    def resolved_once(self, n: Node) -> Node | None:
        """Return what one function is in the case that is known to hold, None where none is."""
        if n.op == "array":
            row = array_row(n)
            pair = self.inverse.get(n.args[0]) if row.by_inverse is not None else None
            if pair is None or row.by_inverse is None:
                return None
            self.fired.add(pair.by)
            return row.by_inverse(pair.left, *n.args[1:])
        function = find(n) if n.is_elementwise else None
        if function is None:
            return None
        for when, value in function.cases:
            conditions = [(x, self._collected(x), wanted) for x, wanted in when(*n.args)]
            if all(self.ranges.of(c) in wanted for _, c, wanted in conditions):
                for x, c, _ in conditions:
                    self.fired |= self.ranges.found(c)[1]
                    self.signs[x if x.op != "sub" else _difference(x)] = self.ranges.of(c)
                return value(*n.args)
        if function.definition is None or function.cases or n.op in _WRITTEN_OUT:
            return None
        return self._by_definition(n, function.definition(*n.args, *n.attr))

    def _collected(self, x: Node) -> Node:
        """Return a difference with like terms together: of u - u/10 the sign is known where that of u is."""
        if x.op != "sub" or any(a.op == "const" for a in x.args):
            return x
        if x not in self.differences:
            self.differences[x] = self._shorten(x).node
        return self.differences[x]

    def _by_definition(self, n: Node, meaning: Node) -> Node | None:
        """Return a function by its definition where that goes by cases and the case is known."""
        def inputs(x: Node) -> Sequence[Node]:
            return () if x in n.args else x.args

        if not _goes_by_cases(n):
            return None
        new: dict[Node, Node] = {}
        for x in topological([meaning], inputs):
            if x in n.args or x.is_leaf:
                new[x] = x
            else:
                args = tuple(new[a] for a in x.args)
                made = tidy(x.op, args, x.attr, x.shape) if x.is_elementwise else make(x.op, args, x.attr, x.shape)
                new[x] = self._resolved(made)
        left = topological([new[meaning]], inputs)
        return None if any(_goes_by_cases(x) for x in left if x not in n.args) else new[meaning]

    # --- symmetric arrays ---------------------------------------------------------------------------------------------

    def is_symmetric(self, node: Node) -> bool:
        """Return whether a matrix equals its transpose by what is assumed of its parts."""
        if node.rank != 2 or node.shape[0] != node.shape[1] or not self.symmetric:
            return False
        if node not in self.turned:
            self._turn(node)
        return self.turned[node] is node

    def _turn(self, root: Node) -> None:
        """Note the transpose of a matrix, pushed inwards to the variables."""
        for n in topological([root], lambda n: () if n in self.turned else n.args):
            if n in self.turned or n.rank != 2:
                continue
            if n in self.symmetric:
                out = n
            elif n.is_elementwise:
                out = make(n.op, [self.turned[a] for a in n.args], n.attr, n.shape[::-1])
            elif n.op == "array" and array_row(n).transposes and len(n.args) == 1:
                out = make("array", [self.turned[n.args[0]]], n.attr, n.shape[::-1])
            elif n.op in ("const", "size"):
                out = make(n.op, (), n.attr, n.shape[::-1])
            elif n.op == "einsum" and len(n.args) == 1 and transpose(n.args[0]) is n:
                out = n.args[0]
                out = n if self.turned.get(out) is out else out
            else:
                out = transpose(n)
            self.turned[n] = out

    def note_symmetric(self, node: Node) -> None:
        """Note that the symmetry of a node was used."""
        self.fired |= {self.symmetric[v] for v in topological([node]) if v in self.symmetric}

    def upright(self, root: Node) -> Node:
        """Return the node with the indices of symmetric matrices in the order that prints shortest."""
        if not self.symmetric:
            return root
        new: dict[Node, Node] = {}
        for n in topological([root], lambda n: () if _ends(n) or n in self.order else n.args):
            args = tuple(new.get(a, a) for a in n.args)
            made = n if args == n.args or n.is_leaf else make(n.op, args, n.attr, n.shape)
            if made.op == "einsum":
                for k in range(len(made.args)):
                    made = self._flipped(made, k)
            new[n] = made
        return new.get(root, root)

    def _flipped(self, n: Node, k: int) -> Node:
        if n.op != "einsum" or k >= len(n.args) or not self.is_symmetric(n.args[k]):
            return n
        ins, out, sizes = n.attr
        labels = [lab[::-1] if j == k else lab for j, lab in enumerate(ins)]
        turned = einsum(labels, n.args, out, dict(enumerate(sizes)))
        length, before = (len(to_text(x, self.names)) for x in (turned, n))
        straight = len(out) == 1 and labels[k][0] in out and len(labels[k]) == 2  # A @ x rather than x @ A
        if length < before or (length == before and straight and ins[k][0] not in out):
            self.note_symmetric(n.args[k])
            return turned
        return n


_WRITTEN_OUT = frozenset({"add", "sub", "neg", "mul", "div", "pow", "sqrt"})


def _difference(x: Node) -> Node:
    """Return a where a - 0 is looked at."""
    return x.args[0] if x.args[1].op == "const" and x.args[1].value == 0 else x


class _AssumingRing(NamedRing):
    """The ring of indexed atoms modulo what is assumed: its index sums know the equations."""

    def __init__(self, of: _Reading, expand: bool, split: bool, solved: Mapping[Node, Node]) -> None:
        super().__init__(of, expand, split, solved)
        self.of = of
        self.depth = 0
        self.alone: dict[sp.Symbol, sp.Expr | None] = {}

    def symbol(self, node: Node, idx: Indices) -> sp.Symbol:
        if len(idx) == 2 and idx[0] > idx[1] and self.of.is_symmetric(node):
            self.of.note_symmetric(node)
            idx = idx[::-1]
        key = (node, idx)
        if key not in self.symbols:
            found, rests = self.of.ranges.found(node)
            sign = next((word for kind, word, _ in _SIGNS if found in kind), None) if rests else None
            self.of.fired |= rests if sign else set()
            sign = sign or ("positive" if self.is_positive(node) else None)
            s = sp.Symbol(f"a{len(self.symbols)}", **({sign: True} if sign else {}))
            self.symbols[key], self.atoms[s] = s, key
        return self.symbols[key]

    def contract(self, expr: sp.Expr, bound: Sequence[Index], prefer: Indices = ()) -> sp.Expr:
        if bound and self.depth < _ROUNDS and (self.of.rules or self.of.sets):
            self.depth += 1
            try:
                expr = self._reduced(self._alone(expr))
                found = self._products(expr, frozenset(bound), prefer)
            finally:
                self.depth -= 1
            if found is not None:
                return found
        return super().contract(expr, bound, prefer)

    def under_assumptions(self, start: sp.Expr) -> list[sp.Expr]:
        """Return equal forms of an expression under the assumptions."""
        out = [self._reduced(self._alone(start))]
        found = self._products(out[-1], frozenset(), ())
        if found is not None:
            out += [found, self._reduced(found)]
        return [e for e in dict.fromkeys(out) if e != start]

    # --- equations ----------------------------------------------------------------------------------------------------

    def _alone(self, expr: sp.Expr) -> sp.Expr:
        """Return the expression with every atom replaced that an equation speaks of by itself."""
        swap = {}
        for s in sorted((s for s in expr.free_symbols if s in self.atoms), key=lambda s: int(s.name[1:])):
            if s not in self.alone and self.of.speaks_of(self.atoms[s][0]):
                self.alone[s] = None  # a rule may lead back to the atom
                self.alone[s] = self._products(s, frozenset(), ())
            found = self.alone.get(s)
            if found is not None:
                swap[s] = found
        return expr.xreplace(swap) if swap else expr

    def _products(self, expr: sp.Expr, bound: frozenset[Index], prefer: Indices) -> sp.Expr | None:
        """Return the sum of the expression over the bound indices, its products rewritten; None where none was."""
        if not self.of.rules or expr.count_ops() > _OPERATIONS:
            return None
        hit = False
        total: sp.Expr = sp.Integer(0)
        for term in sp.Add.make_args(sp.expand(expr)):
            opened, more = self._opened(term)
            for t in sp.Add.make_args(sp.expand(opened)):
                after = self._applied(t, bound | more, prefer)
                hit = hit or after is not None
                total += after if after is not None else super().contract(t, sorted(bound | more), prefer)
        return total if hit else None

    def _opened(self, term: sp.Expr) -> tuple[sp.Expr, frozenset[Index]]:
        """Return a product with the index sums that hold what the equations speak of written out."""
        more: set[Index] = set()
        for _ in range(_ROUNDS):
            powers = term.as_powers_dict()
            inner = None
            for s in sorted((s for s in powers if s in self.atoms and powers[s] == 1), key=lambda s: int(s.name[1:])):
                inner = opening(self, *self.atoms[s]) if self.of.speaks_of(self.atoms[s][0]) else None
                if inner is not None:
                    break
            if inner is None:
                break
            term = term / s * inner[0]
            more |= inner[1]
            if isinstance(inner[0], sp.Add):
                term = sp.expand(term)
                break
        return term, frozenset(more)

    def _applied(self, term: sp.Expr, bound: frozenset[Index], prefer: Indices) -> sp.Expr | None:
        """Return the sum of one product with the first rule that fits applied, and what follows from there."""
        atoms: list[tuple[Node, Indices]] = []
        others: sp.Expr = sp.Integer(1)
        for f in sp.Mul.make_args(term):
            base, exponent = f.as_base_exp()
            if base in self.atoms and exponent.is_Integer and 0 < exponent <= _ROUNDS:
                atoms += [self.atoms[base]] * int(exponent)
            else:
                others *= f
        turned = frozenset(n for n, at in atoms if len(at) == 2 and self.of.is_symmetric(n))
        for rule in self.of.rules:
            for places, to in matches(rule, atoms, set(bound), self.indices_of(others), turned):
                value = self.expression(rule.value, tuple(to[i] for i in rule.free))
                left = [self.symbol(*a) for k, a in enumerate(atoms) if k not in places]
                self.of.fired.add(rule.by)
                rest = bound - {to[b] for b in rule.bound}
                return self.contract(sp.expand(others * sp.Mul(*left) * value), sorted(rest), prefer)
        return None

    # --- finite sets --------------------------------------------------------------------------------------------------

    def _reduced(self, expr: sp.Expr) -> sp.Expr:
        """Return the expression with powers of what takes a few values only reduced: y^2 = y for y in (0, 1)."""
        best = expr
        for s in sorted((s for s in expr.free_symbols if s in self.atoms), key=lambda s: int(s.name[1:])):
            known = self.of.sets.get(self.atoms[s][0])
            if known is None:
                continue
            members = [self.expression(m, ()) for m in known[0]]
            whole = sp.expand(sp.Mul(*(s - m for m in members)))
            try:
                poly = sp.Poly(sp.expand(best), s, 1 / s) if best.has(1 / s) else sp.Poly(best, s)
                if len(poly.gens) == 2:  # 1/y is a polynomial in y where no member is 0
                    if 0 in members:
                        continue
                    poly = sp.Poly(poly.as_expr().subs(1 / s, sp.invert(s, whole, s)), s)
                after = sp.rem(poly, sp.Poly(whole, s)).as_expr()
            except sp.PolynomialError:
                continue
            if cost(after, self.weight) < cost(best, self.weight):
                best = after
                self.of.fired.add(known[1])
        return best
