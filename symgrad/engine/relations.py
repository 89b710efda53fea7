"""The definitions of named nodes as relations: with s = e/S in the forward pass, e/S*sum(y) is s*sum(y).

Each named sum, product or quotient is an equation between its symbol and the atoms of its definition. Solved for one of
these atoms, it rewrites an expression in which the atom stands; what gets shorter is kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

import sympy as sp

from symgrad.engine.forms import cost, forms
from symgrad.engine.normal import Ring
from symgrad.graph.node import Node
from symgrad.graph.text import to_text

_ROUNDS = 4  # relations applied one after the other


class Relations:
    """The relations of one forward pass, found by the atoms they hold."""

    def __init__(
        self, names: Mapping[Node, str], definable: Callable[[Node], bool], atoms_of: Callable[[Node], Sequence[Node]]
    ) -> None:
        self.names = names
        self.by_atom: dict[Node, list[Node]] = {}
        self.atoms: dict[Node, int] = {}
        for n in names:
            if definable(n):
                atoms = atoms_of(n)
                self.atoms[n] = len(atoms)
                for atom in atoms:
                    self.by_atom.setdefault(atom, []).append(n)

    def shorten(self, ring: Ring, start: sp.Expr) -> tuple[sp.Expr, str] | None:
        """Return a shorter form of the expression and the relations that gave it, None where there is none."""
        best, length = start, cost(start, ring.weight)
        used: list[str] = []
        for _ in range(_ROUNDS):
            found: tuple[sp.Expr, Node] | None = None
            for candidate, n in self._rewritten(ring, best):
                for form in forms(candidate):
                    c = cost(form, ring.weight)
                    if c < length:
                        found, length = (form, n), c
            if found is None:
                break
            best = found[0]
            used.append(f"{self.names[found[1]]} = {to_text(found[1], self.names)}")
        return (best, " and ".join(dict.fromkeys(used))) if used else None

    def _rewritten(self, ring: Ring, expr: sp.Expr) -> Iterator[tuple[sp.Expr, Node]]:
        present = sorted((s for s in expr.free_symbols if s in ring.atoms), key=lambda s: int(s.name[1:]))
        # a relation helps where much of it stands in the expression already
        met = Counter(n for a in {ring.atoms[s][0] for s in present} for n in self.by_atom.get(a, ()))
        near = {n for n, k in met.items() if 2 * k >= self.atoms[n] and (k > 1 or self.atoms[n] == 1)}
        if not near:
            return
        places = list(dict.fromkeys(ring.atoms[s][1] for s in present))
        seen: set[tuple[Node, tuple[int, ...]]] = set()
        for s in present:
            for n in self.by_atom.get(ring.atoms[s][0], ()):
                if n not in near:
                    continue
                for idx in places:
                    fits = tuple(ring.index_sizes[i] for i in idx) == n.shape
                    if not fits or (n, idx) in seen:
                        continue
                    seen.add((n, idx))
                    definition = ring.definition(n, idx)
                    for value in _solutions(ring.symbol(n, idx), definition, expr):
                        yield value, n


def _solutions(name: sp.Symbol, definition: sp.Expr, expr: sp.Expr) -> Iterator[sp.Expr]:
    """Solve name = definition for each of its atoms in turn and put the solution into the expression."""
    root = sp.Dummy("g")
    for power in sorted((p for p in definition.atoms(sp.Pow) if p.exp.is_Rational and not p.exp.is_Integer), key=str):
        base, q = power.base, power.exp.q
        swap = {p: root ** (p.exp * q) for p in (definition.atoms(sp.Pow) | expr.atoms(sp.Pow)) if p.base == base}
        swap[base] = root**q
        yield from _solved(name, definition.xreplace(swap), expr.xreplace(swap), root)
    for atom in sorted(definition.free_symbols & expr.free_symbols, key=str):
        if not atom.is_integer:  # sizes are no atoms
            yield from _solved(name, definition, expr, atom)


def _solved(name: sp.Symbol, definition: sp.Expr, expr: sp.Expr, atom: sp.Symbol) -> Iterator[sp.Expr]:
    top, bottom = sp.fraction(sp.together(name - definition))
    try:
        poly = sp.Poly(top, atom)
    except sp.PolynomialError:
        return
    if poly.degree() != 1 or bottom == 0:
        return
    slope, rest = poly.all_coeffs()
    yield sp.cancel(expr.xreplace({atom: -rest / slope})) if _rational(expr) else expr.xreplace({atom: -rest / slope})


def _rational(expr: sp.Expr) -> bool:
    return all(p.exp.is_Integer for p in expr.atoms(sp.Pow))
