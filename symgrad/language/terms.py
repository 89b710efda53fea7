"""Sums and products of SymPy as a person writes them: signs, fractions, the order of terms, factors of ones.

SymPy keeps `a - b` as a + (-1)*b and `a/b` as a*b**(-1), in an order of its own. A factor `OneMatrix` in a product of
matrices is a sum or a broadcast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any, TypeAlias

import sympy as sp

from symgrad.graph import node as nodes
from symgrad.graph.node import Node, apply, const, einsum, make, matmul
from symgrad.language.functions import plain_number
from symgrad.shapes import Dim, Shape, as_dim

Spread: TypeAlias = "tuple[Node, Callable[[Node], Node]]"  # what a broadcast widens, and how


class Term:
    """A term taken apart: number, scalar factors above and below the bar, matrices in order."""

    def __init__(self, term: Any) -> None:
        self.number: Any = 1
        self.top: list[tuple[Any, Any]] = []
        self.bottom: list[tuple[Any, Any]] = []
        self.matrices: list[Any] = []
        self.whole = not isinstance(term, (sp.Mul, sp.MatMul))
        self.is_plain = True
        if self.whole:
            self.below: list[Any] = [term]
            self.is_plain = not (isinstance(term, (sp.Rational, sp.Float)) and term < 0)
            self.number = 1 if self.is_plain else -1
            return
        factors = list(term.args)
        if isinstance(term, sp.MatMul):
            factors = [g for f in factors for g in (f.args if isinstance(f, sp.Mul) else (f,))]
        for f in factors:
            if f.is_Matrix:
                self.matrices.append(f)
            elif isinstance(f, (sp.Rational, sp.Float)):
                self.number = self.number * plain_number(f)
            elif isinstance(f, sp.Pow) and isinstance(f.exp, (sp.Rational, sp.Float)) and f.exp < 0:
                self.bottom.append((f.base, -plain_number(f.exp)))
            else:
                self.top.append((f, 1))
        self.below = [b for b, _ in (*self.top, *self.bottom)]
        self.below += [m for m in self.matrices if not isinstance(m, sp.OneMatrix)]
        # ones are shapes, not operands; their sizes are noted when the chain is built, so note them as operands too
        self.below += [m for m in self.matrices if isinstance(m, sp.OneMatrix)]

    @property
    def negative(self) -> bool:
        return bool(self.number < 0)



def product_of(term: Term, args: Sequence[Node]) -> Node:
    """Return the node of a product without its sign."""
    if term.whole:
        return args[0] if term.is_plain else _without_sign(args[0])
    given = dict(zip(map(id, term.below), args))
    top = [power_of(given[id(base)], e) for base, e in term.top]
    bottom = [power_of(given[id(base)], e) for base, e in term.bottom]
    size = abs(term.number)
    if isinstance(size, (Fraction, int)):
        p, q = Fraction(size).numerator, Fraction(size).denominator
        top = [const(p), *top] if p != 1 else top
        bottom = [const(q), *bottom] if q != 1 else bottom
    elif size != 1:
        top = [const(size), *top]
    over = _under_one_bar(bottom)
    if not term.matrices:
        above = times(top) if top else const(1)
        return above / over if over is not None else above
    body, spread = _chain(term.matrices, given)
    if spread is not None:  # a broadcast: the scalars stand inside, as in W @ X + 2*b
        inner, build = spread
        scaled = times(top) if top else None
        inside = inner if scaled is None else scaled if inner.op == "const" else scaled * inner
        return build(inside / over if over is not None else inside)
    out = times(top) * body if top else body
    return out / over if over is not None else out


def _chain(matrices: Sequence[Any], given: Mapping[int, Node]) -> tuple[Node, Spread | None]:
    """Return a matrix product whose factors of ones are sums and broadcasts.

    The second value is (inner, build) where the ones only widen `inner`.
    """
    pieces: list[Node | Shape] = []  # nodes, and shapes of ones between them
    repeats: list[Dim] = []
    for m in matrices:
        ones = tuple(map(as_dim, m.shape)) if isinstance(m, sp.OneMatrix) else None
        if ones is None:
            x = given[id(m)]
            last = pieces[-1] if pieces else None
            if isinstance(last, Node):
                pieces[-1] = matmul(last, x)
            else:
                pieces.append(x)
        elif pieces and not isinstance(pieces[-1], Node):
            repeats.append(ones[0])
            pieces[-1] = (pieces[-1][0], ones[1])
        else:
            pieces.append(ones)
    body, spread = _join(pieces)
    for r in repeats:
        repeat = nodes.size(r)
        body, spread = (make(repeat.op, (), repeat.attr, body.shape) if body.op == "const" else body * repeat), None
    return body, spread


def _without_sign(x: Node) -> Node:
    """Return a negative constant without its sign."""
    return const(-x.value, x.shape)


def power_of(x: Node, e: Any) -> Node:
    if e == 1:
        return x
    if e == Fraction(1, 2) and isinstance(e, Fraction):
        return apply("sqrt", x)
    return apply("pow", x, e)


def times(factors: Sequence[Node]) -> Node:
    out = factors[0]
    for f in factors[1:]:
        out = out * f
    return out


def _under_one_bar(factors: Sequence[Node]) -> Node | None:
    """Return the denominator; sizes and whole numbers alone are one size, as in the mean over several axes."""
    if not factors:
        return None
    if any(f.op == "size" for f in factors) and \
            all(f.op == "size" or (f.op == "const" and type(f.value) is int) for f in factors):
        dim: Dim = 1
        for f in factors:
            dim = dim * f.value
        return nodes.size(dim)
    return times(factors)


def _join(pieces: Sequence[Node | Shape]) -> tuple[Node, Spread | None]:
    """Return the product of nodes with ones between and around them, as one einsum."""
    segments = [p for p in pieces if isinstance(p, Node)]
    if len(pieces) == 1:
        only = pieces[0]
        if isinstance(only, Node):
            return only, None
        return const(1, only), (const(1), lambda x: nodes.broadcast_to(x, only))
    ins = [[("row", k), ("column", k)] for k in range(len(segments))]
    sizes: dict[Any, Dim] = {}
    ends: list[Any] = []
    for end, fallback in ((pieces[0], ins[0][0]), (pieces[-1], ins[-1][1])):
        if isinstance(end, Node):
            ends.append(fallback)
        else:
            label = ("new", len(ends))
            sizes[label] = end[len(ends)]
            ends.append(label)
    out = einsum(ins, segments, ends, sizes)
    if len(segments) == 1:
        gone = [d for label, d in zip(ins[0], segments[0].shape) if label not in ends]
        if all(d == 1 for d in gone):
            return out, (segments[0], lambda x: einsum(ins, [x], ends, sizes))
    return out, None


def is_broadcast(x: Node) -> bool:
    """Say whether a node repeats something smaller, as a bias does; those terms come last."""
    return x.op == "einsum" and len(x.args) == 1 and any(i not in x.attr[0][0] for i in x.attr[1])


def term_order(terms: Sequence[Any]) -> list[int]:
    """Return the order in which a person writes a sum: w*x + b, x**2 + x + 1, but 1 + exp(-z)."""

    def degree(term: Any) -> int:
        factors = term.args if isinstance(term, sp.Mul) else (term,)
        total = 0
        for f in factors:
            e = f.exp if isinstance(f, sp.Pow) else sp.Integer(1)
            total += 0 if f.is_Number else int(e) if e.is_Integer and 0 < e < 100 else 1
        return total

    degrees = [degree(t) for t in terms]
    functions = any(isinstance(f, sp.Function) for t in terms for f in (t.args if isinstance(t, sp.Mul) else (t,)))
    return sorted(range(len(terms)), key=lambda k: (degrees[k] == 0 and not functions, 0 if functions else -degrees[k]))
