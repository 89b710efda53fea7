"""Reading a linear map off: what multiplies a symbol that occurs linearly, as a sum of products with deltas.

A node that is linear in a symbol c stands for an array of numbers M, node[i] = sum over j of M[j, i] c[j]. It is found
by putting the unit arrays in the place of c, all at once: the axes of c become further axes in front. The identity is
never an array here. A term keeps it as an index that two axes share (a delta), and a product as its factors, which are
summed only over the indices that an operation sums; so diag(s) stays a vector, and X^T diag(s) X its three operands.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

from symgrad.engine.factors import Classes, Factor, factors_of
from symgrad.engine.reverse import depends_on
from symgrad.engine.terms import Term, addable, added, contracted, merged, scaled, term, total
from symgrad.engine.tidy import is_const, tidy
from symgrad.errors import NoRule
from symgrad.graph.node import Node, const, make, size, topological
from symgrad.rules.arrays import array_row
from symgrad.shapes import Dim, Shape

_APART = 6  # products with the same indices that are kept apart


class NotLinear(Exception):
    """The node is not written as a linear function of the symbol."""


def linear_map(root: Node, c: Node, named: Container[Node] = ()) -> tuple[Term, ...]:
    """Return M with root[i] = sum over j of M[j, i] c[j] as a sum of terms, the axes of c first.

    Nodes in `named` are kept whole. The work is linear in the graph.
    Raises: NotLinear where the root is not written as a linear function of c, NoRule for a function of whole arrays
        that cannot be applied to many arrays at once.

    >>> from symgrad.graph.node import var
    >>> a, c = var("a", ("n",)), var("c", ("n",))
    >>> [(t.out, t.factors == ((a, (0,)),)) for t in linear_map(a * c, c)]
    [((0, 0), True)]
    """
    return _Reader(c, named).run(root)


class _Reader:
    def __init__(self, c: Node, named: Container[Node]) -> None:
        self.c, self.named = c, named
        self.rank = c.rank

    def run(self, root: Node) -> tuple[Term, ...]:
        active = depends_on([root], [self.c])
        if root not in active:
            if is_const(root, 0):
                return ()
            raise NotLinear
        known: dict[Node, tuple[Term, ...]] = {self.c: (self._identity(),)}
        for node in topological([root], lambda n: [a for a in n.args if a in active]):
            if node not in known:
                known[node] = self._terms(node, [known.get(a) for a in node.args])
        return known[root]

    def _identity(self) -> Term:
        return Term(tuple(range(self.rank)) * 2)

    def sizes(self, t: Term, value: Shape) -> dict[Any, Dim]:
        """Return the sizes of the labels of a term whose value has the given shape."""
        return dict(zip(t.out, (*self.c.shape, *value)))

    def _terms(self, node: Node, args: Sequence[tuple[Term, ...] | None]) -> tuple[Term, ...]:
        linear = [k for k, a in enumerate(args) if a is not None]
        shape = node.shape
        if node.op == "neg":
            return tuple(scaled(t, -1) for t in args[0] or ())
        if node.op in ("add", "sub"):
            out: list[Term] = []
            for k, (arg, terms) in enumerate(zip(node.args, args)):
                if terms is None:
                    if not is_const(arg, 0):
                        raise NotLinear
                    continue
                out += [scaled(t, -1) for t in terms] if k and node.op == "sub" else terms
            return self._collected(out, shape)
        if node.op == "mul" and len(linear) == 1:
            return self._collected([self._times(t, node.args[1 - linear[0]]) for t in args[linear[0]] or ()], shape)
        if node.op == "div" and linear == [0]:
            return self._collected([self._times(t, node.args[1], below=True) for t in args[0] or ()], shape)
        if node.op == "where" and 0 not in linear:
            return self._where(node, args)
        if node.op == "einsum" and len(linear) == 1:
            return self._collected([self._summed(t, node, linear[0]) for t in args[linear[0]] or ()], shape)
        if node.op == "array":
            return self._along(node, args)
        raise NotLinear

    # --- elementwise --------------------------------------------------------------------------------------------------

    def _times(self, t: Term, by: Node, below: bool = False) -> Term:
        """Return the term times a node of its value's shape, or over it."""
        labels = t.out[self.rank:]
        one = Classes()
        factor = tidy("div", (const(1, by.shape), by), (), by.shape) if below else by
        number, factors = factors_of(factor, labels, one, self.named)
        found = [(n, tuple(map(one.of, own))) for n, own in (*t.factors, *factors)]
        return term(tuple(map(one.of, t.out)), found, t.number * number)

    def _where(self, node: Node, args: Sequence[tuple[Term, ...] | None]) -> tuple[Term, ...]:
        condition = node.args[0]
        out: list[Term] = []
        for k in (1, 2):
            if args[k] is None:
                if not is_const(node.args[k], 0):
                    raise NotLinear
                continue
            one, zero = const(1, node.shape), const(0, node.shape)
            gate = make("where", (condition, one, zero) if k == 1 else (condition, zero, one), node.attr, node.shape)
            out += [self._times(t, gate) for t in args[k] or ()]
        return self._collected(out, node.shape)

    # --- sums over indices --------------------------------------------------------------------------------------------

    def _summed(self, t: Term, node: Node, position: int) -> Term:
        """Return the term after an einsum in which it stands at one position."""
        ins, out, dims = node.attr
        sizes: dict[Any, Dim] = {("of", i): d for i, d in enumerate(dims)}
        sizes |= {("term", x): d for x, d in self.sizes(t, node.args[position].shape).items()}
        one = Classes()
        for x, i in zip(t.out[self.rank:], ins[position]):
            one.join(("term", x), ("of", i))
        number = t.number
        factors: list[Factor] = [(n, tuple(("term", x) for x in labels)) for n, labels in t.factors]
        for k, (arg, own) in enumerate(zip(node.args, ins)):
            if k != position:
                more, found = factors_of(arg, tuple(("of", i) for i in own), one, self.named)
                number, factors = number * more, [*factors, *found]
        factors = [(n, tuple(map(one.of, own))) for n, own in factors]
        whole = (*(one.of(("term", x)) for x in t.out[:self.rank]), *(one.of(("of", i)) for i in out))
        met = dict.fromkeys(one.of(("of", i)) for own in ins for i in own)
        gone = [x for x in met if x not in whole]
        factors = merged(factors)
        for x in gone:
            holders = [f for f in factors if x in f[1]]
            if not holders:
                dim = sizes[x]
                if isinstance(dim, int):
                    number = number * dim
                else:
                    factors.append((size(dim), ()))
        return term(whole, contracted(factors, gone), number)

    # --- functions of whole arrays ------------------------------------------------------------------------------------

    def _along(self, node: Node, args: Sequence[tuple[Term, ...] | None]) -> tuple[Term, ...]:
        """Apply a linear function of whole arrays to all the arrays at once, written out in full."""
        row = array_row(node)
        lead = self.c.shape
        many = [None if t is None else total(t, (*lead, *a.shape)) for t, a in zip(args, node.args)]
        made = row.along(node, lead, many)
        if made is None and row.definition is not None:
            simpler = row.definition(*node.args, **row.given(node))
            inner = {a: t for a, t in zip(node.args, args) if t is not None}
            return self._within(simpler, inner)
        if made is None:
            raise NoRule(f"{row.name} is not known to be linear, or not for many arrays at once, so its matrix cannot "
                         f"be read off. sg.hvp and sg.vjp give products with it")
        return (term(tuple(range(made.rank)), [(made, tuple(range(made.rank)))], 1),)

    def _within(self, root: Node, known: dict[Node, tuple[Term, ...]]) -> tuple[Term, ...]:
        active = depends_on([root], list(known))
        for n in topological([root], lambda n: () if n in known else [a for a in n.args if a in active]):
            if n not in known:
                known[n] = self._terms(n, [known.get(a) for a in n.args])
        return known[root]

    def _collected(self, terms: Sequence[Term], value: Shape) -> tuple[Term, ...]:
        """Return the terms with those added that have the same deltas and the same indices.

        Products of small factors, A_il C_kj + C_il A_kj, are kept apart, as their sum is a larger array than they are.
        """
        groups: dict[tuple[Any, ...], list[Term]] = {}
        for t in terms:
            group = groups.setdefault((t.out, t.used), [])
            place = next((k for k, known in enumerate(group) if addable(known, t) or len(group) >= _APART), None)
            if place is None:
                group.append(t)
                continue
            both = added(group[place], t, self.sizes(t, value))
            group[place:place + 1] = [both] if both is not None else []
        return tuple(t for group in groups.values() for t in group)
