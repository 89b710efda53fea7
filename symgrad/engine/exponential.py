"""Functions that are rational in an exponential meet in one variable and leave by the shortest name.

sigmoid, tanh, sinh, cosh and exp of multiples of one argument u are rational functions of E = exp(u); which ones, and
which function, is read off the definitions in the table. A term in several of them is brought to E, cancelled, and
written again in each candidate (those of the forward pass, then those the table knows), so that e/(1+e)^2 ends as
s*(1 - s).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache

import sympy as sp

from symgrad.engine.normal import Ring
from symgrad.graph.node import Node, make, topological
from symgrad.rules.elementwise import BY_NAME, FUNCTIONS

E = sp.Symbol("E")
_LONGEST = 80  # operations; a longer line is no shorter in one function
_LONG = 40  # operations


@lru_cache(maxsize=256)
def exponential_form(name: str) -> sp.Expr | None:
    """Return the function of x as a rational function of E = exp(x), or None where it is none."""
    if name == "exp":
        return E
    row = BY_NAME.get(name)
    if row is None or row.definition is None or len(row.params) != 1:
        return None
    x = row.placeholders[0]
    value: dict[Node, sp.Expr] = {x: sp.Symbol("x")}
    for node in topological([row.definition(x)]):
        if node is x:
            continue
        args = [value[a] for a in node.args]
        if node.op == "const" and isinstance(node.value, (int, Fraction)):
            value[node] = sp.Rational(Fraction(node.value).numerator, Fraction(node.value).denominator)
        elif node.op in ("add", "sub", "mul", "div", "neg"):
            value[node] = {
                "add": lambda a: a[0] + a[1],
                "sub": lambda a: a[0] - a[1],
                "mul": lambda a: a[0] * a[1],
                "div": lambda a: a[0] / a[1],
                "neg": lambda a: -a[0],
            }[node.op](args)
        elif node.op == "pow" and args[1].is_Integer:
            value[node] = args[0] ** args[1]
        elif node.op == "exp" and (args[0] / value[x]).is_Integer:
            value[node] = E ** (args[0] / value[x])
        else:
            return None
    form = value[row.definition(x)]
    return None if form.has(value[x]) else sp.cancel(form)


def _named(ring: Ring, symbol: sp.Symbol) -> bool:
    return ring.is_named(ring.atoms[symbol][0])


def alternatives(ring: Ring, expr: sp.Expr) -> Iterator[sp.Expr]:
    """Yield the expression with its exponentials written in one function each."""
    if expr.count_ops() > _LONGEST:
        return
    groups: dict[tuple[sp.Expr, tuple[int, ...]], list[tuple[sp.Symbol, sp.Rational]]] = {}
    for s in sorted((s for s in expr.free_symbols if s in ring.atoms), key=lambda s: int(s.name[1:])):
        node, idx = ring.atoms[s]
        if node.is_elementwise and len(node.args) == 1 and exponential_form(node.op) is not None:
            argument = ring.expression(node.args[0], idx)
            factor, rest = argument.primitive() if isinstance(argument, sp.Add) else argument.as_coeff_Mul()
            if rest.could_extract_minus_sign():
                factor, rest = -factor, -rest
            if factor != 0 and not rest.is_number:
                groups.setdefault((rest, idx), []).append((s, factor))
    for (rest, idx), members in groups.items():
        if len(members) > 1 or members[0][1] < 0 or ring.atoms[members[0][0]][0].op == "exp":
            yield from _in_one_function(ring, expr, rest, idx, members)


def _in_one_function(
    ring: Ring, expr: sp.Expr, rest: sp.Expr, idx: tuple[int, ...], members: list[tuple[sp.Symbol, sp.Rational]]
) -> Iterator[sp.Expr]:
    step = sp.Rational(math.gcd(*(abs(int(f.p)) for _, f in members)), math.lcm(*(int(f.q) for _, f in members)))
    known = {}
    for s, f in members:
        form = exponential_form(ring.atoms[s][0].op)
        assert form is not None
        known[s] = form.xreplace({E: E ** (f / step)})
    if len(members) == 1 and expr.count_ops() > _LONG:
        return  # one exponential in a long expression: another function does not make it short
    try:
        in_e = sp.cancel(expr.xreplace(known))
    except sp.PolynomialError:
        return
    if not in_e.has(E):
        yield in_e
        return
    targets = sorted(known.items(), key=lambda kv: not _named(ring, kv[0]))
    own = {ring.atoms[s][0] for s in known}
    # a power of E times what is free of it has no shorter form; what has a name is written in that name
    closed = in_e.as_independent(E, as_Add=False)[1].as_base_exp()[0] == E or any(_named(ring, s) for s in known)
    parts = [] if closed else [p for p in sp.fraction(in_e) if p.has(E)]
    for row in FUNCTIONS if parts else ():  # functions the text does not hold yet
        form = exponential_form(row.name) if len(row.params) == 1 else None
        if form is None or row.name == "exp" or not any(_divides(f, p) for f in _marks(form) for p in parts):
            continue
        argument = ring.rebuild(step * rest, idx)
        node = make(row.name, (argument,), (), argument.shape)
        if node not in own:
            targets.append((ring.symbol(node, idx), form))
    for symbol, form in targets:
        ratio = sp.cancel(in_e / form)
        if not ratio.has(E):
            yield ratio * symbol
            continue
        inverse = _inverse(form)
        if inverse is None:
            continue
        power, solution = inverse
        written = _substitute_power(in_e, power, solution.xreplace({_G: symbol}))
        if written is not None:
            yield sp.factor(written) if written.count_ops() <= _LONG else written


@lru_cache(maxsize=256)
def _marks(form: sp.Expr) -> tuple[sp.Poly, ...]:
    """Return the factors by which a function is known: 1 + E of sigmoid, 1 + E^2 and 1 - E of tanh; not E itself."""
    found = [f for part in sp.fraction(form) for f, _ in sp.factor_list(part, E)[1]]
    return tuple(sp.Poly(f, E) for f in found if f != E)


def _divides(factor: sp.Poly, whole: sp.Expr) -> bool:
    try:
        return bool(sp.Poly(whole, E).rem(factor).is_zero)
    except sp.PolynomialError:  # a symbolic exponent hides it
        return True


_G = sp.Symbol("G")


@lru_cache(maxsize=256)
def _inverse(form: sp.Expr) -> tuple[int, sp.Expr] | None:
    """Solve G = form(E^m) for E^m where the form is a ratio of linear functions of E^m."""
    num, den = sp.fraction(sp.cancel(form))
    exponents = {abs(m[0]) for p in (num, den) for m in sp.Poly(p, E).monoms()} - {0}
    if len(exponents) != 1:
        return None
    m = exponents.pop()
    a, b = sp.Poly(num, E).coeff_monomial(E**m), sp.Poly(num, E).coeff_monomial(1)
    c, d = sp.Poly(den, E).coeff_monomial(E**m), sp.Poly(den, E).coeff_monomial(1)
    return (m, (d * _G - b) / (a - c * _G)) if a - c * _G != 0 else None


def _substitute_power(expr: sp.Expr, power: int, value: sp.Expr) -> sp.Expr | None:
    """Return the expression with E^power replaced, None where it is no function of E^power."""
    num, den = sp.fraction(expr)
    try:
        polys = [sp.Poly(num, E), sp.Poly(den, E)]
    except sp.PolynomialError:
        return None
    low = [min(m[0] for m in p.monoms()) for p in polys]
    if (low[0] - low[1]) % power:
        return None
    out = value ** ((low[0] - low[1]) // power)
    for p, lowest, sign in zip(polys, low, (1, -1)):
        total: sp.Expr = sp.Integer(0)
        for (k,), c in p.terms():
            if (k - lowest) % power:
                return None
            total += c * value ** ((k - lowest) // power)
        out = out * total**sign
    return sp.cancel(out)
