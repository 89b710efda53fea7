"""Equations that are assumed, as rewriting rules between products of indexed atoms.

sum(y, axis=1) == 1, Q.T @ Q == eye(n), A @ A == A and a + b == 1 are all one thing: a product of atoms, summed over
some of their indices, equals something simpler. The longest product of the equation is the one that is rewritten;
where several are equally long, each of them may be.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import sympy as sp

from symgrad.engine.assumptions import Assumption
from symgrad.engine.normal import Ring
from symgrad.engine.written import Index, Indices
from symgrad.graph.node import Node, apply, identity, transpose

Atom: TypeAlias = "tuple[Node, Indices]"
Match: TypeAlias = "tuple[tuple[int, ...], dict[Index, Index]]"


@dataclass(frozen=True)
class Rule:
    """product of `factors`, summed over `bound` = `value`, an array whose axes are `free`."""

    factors: tuple[Atom, ...]
    bound: frozenset[Index]
    free: Indices
    value: Node
    by: Assumption


def rules_of(assumption: Assumption) -> list[Rule]:
    """Return the rules that the equations of an assumption give, all ways in which each may be read.

    >>> from symgrad.graph.node import const, reduce_sum, var
    >>> y = var("y", ("n", "k"))
    >>> (rule,) = rules_of(Assumption("sum(y, axis=1) == 1", (("eq", reduce_sum(y, 1), (const(1),)),)))
    >>> [node.name for node, _ in rule.factors], len(rule.bound), rule.value
    (['y'], 1, <Node const 1 (n,)>)
    """
    return [rule for op, left, right in assumption.parts if op == "eq"
            for rule in _oriented(apply("sub", left, right[0]), assumption)]


def _oriented(difference: Node, by: Assumption) -> list[Rule]:
    ring = Ring(lambda n: False)  # nothing stays opaque that can be written out
    idx = ring.indices_for(difference.shape)
    whole = sp.expand(sp.fraction(sp.together(ring.expression(difference, idx)))[0])
    whole = _without_root(whole)
    terms = list(sp.Add.make_args(whole))
    read = [_read(ring, t) for t in terms]
    longest = max((_length(r) for r in read if r is not None), default=(0, 0))
    out = []
    for term, found in zip(terms, read):
        if found is None or _length(found) < longest or not found[1]:
            continue
        coefficient, factors, bound = found
        free = tuple(i for i in idx if any(i in at for _, at in factors))
        rest = sp.expand((term - whole) / coefficient)
        if ring.indices_of(rest) <= set(free) and not _permuted(ring, factors, rest):
            out.append(Rule(factors, bound, free, ring.rebuild(sp.factor_terms(rest), free), by))
    return out


def _without_root(whole: sp.Expr) -> sp.Expr:
    """Return a*sqrt(b) + c = 0 as a^2*b - c^2 = 0, which follows from it."""
    roots = [t for t in sp.Add.make_args(whole) if any(p.exp == sp.Rational(1, 2) for p in t.atoms(sp.Pow))]
    if len(roots) != 1:
        return whole
    return sp.expand(roots[0] ** 2 - (whole - roots[0]) ** 2)


def _length(found: tuple[sp.Expr, tuple[Atom, ...], frozenset[Index]]) -> tuple[int, int]:
    return len(found[1]) + len(found[2]), len(found[1])


def _read(ring: Ring, term: sp.Expr) -> tuple[sp.Expr, tuple[Atom, ...], frozenset[Index]] | None:
    """Return the number in front of a product, its atoms and its bound indices; None for what is no such product."""
    bound: set[Index] = set()
    opened = term
    for s in [s for s in term.free_symbols if s in ring.atoms]:
        inner = opening(ring, *ring.atoms[s])
        if inner is not None and term.as_powers_dict()[s] == 1:
            opened = opened.xreplace({s: inner[0]})
            bound |= inner[1]
    atoms: list[Atom] = []
    coefficient: sp.Expr = sp.Integer(1)
    for f in sp.Mul.make_args(opened):
        base, exponent = f.as_base_exp()
        if base in ring.atoms and exponent.is_Integer and exponent > 0:
            atoms += [ring.atoms[base]] * int(exponent)
        elif any(s in ring.atoms for s in f.free_symbols):
            return None
        else:
            coefficient *= f
    if len(atoms) == 1 and atoms[0][0].op == "einsum" and not atoms[0][0].args:
        return coefficient, (), frozenset()  # a delta is what things are rewritten to
    return coefficient, tuple(atoms), frozenset(bound)


def _permuted(ring: Ring, factors: Sequence[Atom], rest: sp.Expr) -> bool:
    """Return whether an equation only says that an array equals a permutation of itself: that is a symmetry."""
    return len(factors) == 1 and any(ring.atoms[s][0] is factors[0][0] for s in rest.free_symbols if s in ring.atoms)


def opening(ring: Ring, node: Node, idx: Indices) -> tuple[sp.Expr, set[Index]] | None:
    """Return an index sum as the product under its sum sign, and the indices it sums over; None for what is none."""
    if node.op != "einsum" or not node.args:
        return None
    ins, out, sizes = node.attr
    if len(set(out)) < len(out):
        return None
    where = dict(zip(out, idx))
    bound: set[Index] = set()
    for labels in ins:
        for x in labels:
            if x not in where:
                where[x] = ring.fresh(sizes[x])
                bound.add(where[x])
    factors = [ring.expression(a, tuple(where[x] for x in labels)) for a, labels in zip(node.args, ins)]
    return sp.Mul(*factors), bound


def matches(rule: Rule, atoms: Sequence[Atom], bound: set[Index], elsewhere: set[Index],
            turned: frozenset[Node]) -> Iterator[Match]:
    """Yield (places of the atoms that a rule rewrites, its indices -> theirs).

    A bound index of the rule must be summed over, and occur in no other atom and nowhere `elsewhere`. `turned` are
    the symmetric arrays: they match either way.
    """
    def assign(k: int, taken: tuple[int, ...], to: dict[Index, Index]) -> Iterator[Match]:
        if k == len(rule.factors):
            own = [to[b] for b in rule.bound]
            outside = elsewhere.union(*(set(at) for j, (_, at) in enumerate(atoms) if j not in taken))
            apart = len(set(own)) == len(own) and not set(own) & {to[i] for i in rule.free}
            if apart and set(own) <= bound and not set(own) & outside:
                yield taken, to
            return
        node, labels = rule.factors[k]
        for j, (there, at) in enumerate(atoms):
            if there is not node or j in taken:
                continue
            for order in (at, at[::-1]) if node in turned else (at,):
                new = dict(to)
                if all(new.setdefault(x, i) == i for x, i in zip(labels, order)):
                    yield from assign(k + 1, (*taken, j), new)

    return assign(0, (), {})


@dataclass(frozen=True)
class Inverses:
    """left @ right = identity, both square."""

    left: Node
    right: Node
    by: Assumption


def inverses_of(assumption: Assumption) -> list[Inverses]:
    """Return the square matrices that an assumption makes inverse to one another, both ways round, transposes too."""
    out = []
    for rule in rules_of(assumption):
        n = rule.value.shape[0] if rule.value.rank == 2 else 0
        if len(rule.factors) != 2 or len(rule.bound) != 1 or rule.value.rank != 2 or rule.value is not identity(n):
            continue
        (a, at), (b, bt) = rule.factors
        i, j = rule.free
        (k,) = rule.bound
        if a.shape != (n, n) or b.shape != (n, n):
            continue
        if i not in at:
            (a, at), (b, bt) = (b, bt), (a, at)
        left = a if at == (i, k) else transpose(a)
        right = b if bt == (k, j) else transpose(b)
        turned = transpose_of(right), transpose_of(left)
        out += [Inverses(x, y, assumption) for x, y in ((left, right), (right, left), turned, turned[::-1])]
    return out


def transpose_of(x: Node) -> Node:
    """Return the transpose, that of a transpose being the array itself."""
    if x.op == "einsum" and len(x.args) == 1 and transpose(x.args[0]) is x:
        return x.args[0]
    return transpose(x)


def turned_rules(pair: Inverses) -> Rule:
    """Return right @ left = identity as a rule: what is inverse on one side is on the other."""
    n = pair.left.shape[0]

    def atom(x: Node, at: Indices) -> Atom:
        inner = transpose_of(x)
        return (x, at) if x.op == "var" or inner is not x.args[0] else (inner, at[::-1])

    return Rule((atom(pair.right, (0, 2)), atom(pair.left, (2, 1))), frozenset({2}), (0, 1), identity(n), pair.by)
