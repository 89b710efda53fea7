"""Terms with an indicator as one choice: 1[z > 0]*(a - b) + b is where(z > 0, a, b)."""

from __future__ import annotations

from collections.abc import Iterator

import sympy as sp

from symgrad.engine.forms import shortest
from symgrad.engine.guards import COMPARISONS
from symgrad.engine.normal import Ring
from symgrad.graph.node import make


def choices(ring: Ring, expr: sp.Expr) -> Iterator[sp.Expr]:
    """Yield the expression with an indicator and its complement, each times something, as a choice of two values."""
    for s in sorted((s for s in expr.free_symbols if s in ring.atoms), key=lambda s: int(s.name[1:])):
        node = ring.atoms[s][0]
        if node.op not in COMPARISONS or ring.is_named(node):
            continue
        for whole in dict.fromkeys((sp.factor(expr), expr)):  # over one denominator, and each term with its own
            numbers = sp.Mul(*(f for f in sp.Mul.make_args(whole) if _is_number(ring, f)))  # 0.5*where(z > 0, 2*a, b)
            for f in sp.Mul.make_args(whole):
                if isinstance(f, sp.Add) and s in f.free_symbols:
                    for scale in dict.fromkeys((sp.Integer(1), numbers)):
                        written = _choice(ring, s, f * scale)
                        if written is not None:
                            yield whole / (f * scale) * written


def _is_number(ring: Ring, f: sp.Expr) -> bool:
    return bool(f.is_Number) or (f in ring.atoms and ring.atoms[f][0].op == "const")


def _choice(ring: Ring, s: sp.Symbol, total: sp.Expr) -> sp.Expr | None:
    """Return a*s + b*(1 - s) + rest as where(s, a, b) + rest; None where no term goes with 1 - s."""
    try:
        poly = sp.Poly(total, s)
    except sp.PolynomialError:
        return None
    rest = sp.expand(poly.nth(0))
    above = sp.expand(total.xreplace({s: sp.Integer(1)}) - rest)  # s**2 = s
    terms = sp.Add.make_args(above)
    below = sp.Add(*(t for t in sp.Add.make_args(rest) if -t in terms))
    if below == 0:
        return None
    branches = [shortest(e, ring.weight) for e in (above + below, below)]
    carried = ring.indices_of(s).union(*map(ring.indices_of, branches))
    idx = ring.natural([s, *branches], carried)
    shape = tuple(ring.index_sizes[i] for i in idx)
    node = make("where", tuple(ring.rebuild(e, idx) for e in (s, *branches)), (), shape)
    return ring.symbol(node, idx) + rest - below
