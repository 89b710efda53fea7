"""Equal forms of a rational expression, and their length in print."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import sympy as sp


def is_negative(term: sp.Expr) -> bool:
    """Return whether a term carries a minus sign in front."""
    return bool(term.as_coeff_Mul()[0] < 0)


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
            # a fraction bar is longer than a product, however many factors stand below it
            args = [a for a in e.args if a is not sp.S.NegativeOne]
            below = [a for a in args if isinstance(a, sp.Pow) and is_negative(a.exp)]
            total += len(args) - 1 + bool(below) + (len(below) == len(args))
            stack += [a for a in args if a not in below]
            stack += [a.base ** -a.exp for a in below]
        elif isinstance(e, sp.Pow) and e.exp.is_number and e.exp < 0:
            total += 2
            stack.append(e.base ** -e.exp)
        elif isinstance(e, sp.Pow) and e.exp is sp.S.Half:
            total += 1
            stack.append(e.base)
        elif isinstance(e, sp.Pow):
            total += 1
            stack += [e.base, e.exp]
        else:
            total += 1
            stack.extend(e.args)
    return total


_LIMIT = 300  # operations; above it an expression keeps the form the rules gave it
_VARIABLES = 12  # polynomials in more variables take seconds and rarely get shorter
_TERMS = 1000  # of the expanded expression; above it no polynomial is made of it
_EXPONENT = 20  # of a power that is read as a product; a larger one, which takes seconds to factor, is a variable
_forms: dict[sp.Expr, tuple[sp.Expr, ...]] = {}


def forms(expr: sp.Expr) -> tuple[sp.Expr, ...]:
    """Return equal forms of an expression: as it is, over one denominator, factored, expanded."""
    found = _forms.get(expr)
    if found is None:
        small, back = _without_giant_powers(expr)
        if back:
            return tuple(dict.fromkeys(_with_giant_powers(f, back) for f in forms(small)))
        out = [expr]
        short = len(expr.free_symbols) <= _VARIABLES and expr.count_ops() <= _LIMIT and terms(expr) <= _TERMS
        if short and not isinstance(expr, sp.Symbol) and not expr.is_number:
            try:
                cancelled = sp.cancel(expr)
                factored, expanded = sp.factor(cancelled), sp.expand(cancelled)
                out += [factored, cancelled, expanded, sp.factor_terms(expr), sp.factor_terms(expanded)]
                out += [_differences_of_squares(factored), *_collected(cancelled)]
            except sp.PolynomialError:
                # not a rational function (a symbolic exponent): powers still combine
                out += [sp.factor_terms(sp.powsimp(sp.expand(expr))), sp.powsimp(expr)]
            out += _with_powers_apart(expr)
        if len(_forms) > 20_000:
            _forms.clear()
        found = _forms[expr] = tuple(dict.fromkeys(out))
    return found


def terms(expr: sp.Expr, most: int = _TERMS) -> int:
    """Return at most how many terms an expression has when it is expanded, or any number above `most`.

    >>> x, y = sp.symbols("x y")
    >>> terms((x + y)**3 * (x - y)), terms((x + y)**10**9) > _TERMS
    (8, True)
    """
    if isinstance(expr, sp.Add):
        return sum(terms(a, most) for a in expr.args)
    if isinstance(expr, sp.Mul):
        return math.prod(min(terms(a, most), most + 1) for a in expr.args)
    if not isinstance(expr, sp.Pow) or not expr.exp.is_Integer:
        return 1
    one, k = terms(expr.base, most), abs(int(expr.exp))
    return one if one == 1 else most + 1 if max(one, k) > most else math.comb(one + k - 1, k)


_Back: TypeAlias = "list[dict[sp.Expr, sp.Expr]]"


def _without_giant_powers(expr: sp.Expr) -> tuple[sp.Expr, _Back]:
    """Return the expression with a variable for each power too large to be multiplied out, and what they stand for.

    Powers of one base whose exponents are near to one another share a variable: x**1001 + x**1000 is u*x + u.
    """
    back: _Back = []
    while True:
        giant: dict[sp.Expr, list[int]] = {}
        for p in expr.atoms(sp.Pow):
            if p.exp.is_Integer and abs(int(p.exp)) > _EXPONENT and not p.base.is_number:
                giant.setdefault(p.base, []).append(int(p.exp))
        if not giant:
            return expr, back
        known: dict[sp.Expr, sp.Expr] = {}
        stands: dict[sp.Expr, sp.Expr] = {}
        for base, exponents in giant.items():
            for sign in (1, -1):
                start, u = 0, base
                for k in sorted(sign * e for e in exponents if sign * e > 0):
                    if not start or k - start > _EXPONENT:
                        start, u = k, sp.Dummy(positive=base.is_positive)
                        stands[u] = base ** (sign * start)
                    known[base ** (sign * k)] = u * base ** (sign * (k - start))
        expr = expr.xreplace(known)
        back.append(stands)


def _with_giant_powers(expr: sp.Expr, back: _Back) -> sp.Expr:
    for stands in reversed(back):
        expr = expr.xreplace(stands)
    return expr


def _differences_of_squares(expr: sp.Expr) -> sp.Expr:
    """Return the product with (1 - t)*(1 + t) written 1 - t**2."""
    factors = list(sp.Mul.make_args(expr))
    for k, a in enumerate(factors):
        for j in range(k):
            b = factors[j]
            if isinstance(a, sp.Add) and isinstance(b, sp.Add) and len(a.args) == len(b.args) == 2:
                product = sp.expand(a * b)
                if isinstance(product, sp.Add) and len(product.args) == 2:
                    factors[j], factors[k] = product, sp.Integer(1)
                    break
    return sp.Mul(*factors)


_COLLECTED = 6  # terms and variables of a sum that is tried for a common factor of some of its terms


def _collected(expr: sp.Expr) -> list[sp.Expr]:
    """Return forms of a sum with a factor that some of its terms share in front of these: p*(a + b) - a."""
    top, bottom = sp.fraction(expr)
    if not isinstance(top, sp.Add) or not 2 < len(top.args) <= _COLLECTED or len(top.free_symbols) > _COLLECTED:
        return []
    out = []
    for s in sorted(top.free_symbols, key=sp.default_sort_key):
        within = [t for t in top.args if t.has(s)]
        if 1 < len(within) < len(top.args):
            shared = sp.factor(sp.Add(*within))
            rest = sp.Add(*(t for t in top.args if not t.has(s)))
            inner = [f for f in sp.Mul.make_args(shared) if isinstance(f, sp.Add)]
            out += [(shared + rest) / bottom]
            out += [(shared.xreplace({f: g}) + rest) / bottom for f in inner[:1] for g in _collected(f)]
    return out


def _with_powers_apart(expr: sp.Expr) -> list[sp.Expr]:
    """Return forms of an expression with symbolic exponents: x**(a - 1) is x**a/x, and x**a one variable."""
    known: dict[tuple[sp.Expr, sp.Expr], sp.Symbol] = {}
    apart: dict[sp.Expr, sp.Expr] = {}
    for power in expr.atoms(sp.Pow):
        base, exponent = power.args
        if exponent.is_number or base.is_number:
            continue
        product: sp.Expr = sp.Integer(1)
        for term in sp.Add.make_args(exponent):
            count, rest = term.as_coeff_Mul()
            if rest is sp.S.One or not count.is_Integer:
                product *= base**term
            else:
                product *= known.setdefault((base, rest), sp.Dummy()) ** count
        apart[power] = product
    if not known:
        return []
    try:
        one = sp.cancel(expr.xreplace(apart))
        two = sp.factor(one)
    except sp.PolynomialError:
        return []
    back = {v: base**rest for (base, rest), v in known.items()}
    return [sp.powsimp(f.xreplace(back)) for f in (two, one)]


def shortest(expr: sp.Expr, weight: Callable[[sp.Symbol], int]) -> sp.Expr:
    """Return the shortest form; among equals the one nearest to what was written."""
    return min(forms(expr), key=lambda e: cost(e, weight))
