"""Pieces of Python source as `ast` trees: names, calls, literals and sizes."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import reduce
from typing import Any

import sympy as sp

from symgrad.errors import InputError, ShapeError
from symgrad.shapes import Dim


def name(text: str) -> ast.Name:
    return ast.Name(text, ast.Load())


def np_attr(*path: str) -> ast.expr:
    out: ast.expr = name("np")
    for part in path:
        out = ast.Attribute(out, part, ast.Load())
    return out


def call(function: ast.expr, *args: ast.expr, **keywords: ast.expr) -> ast.Call:
    return ast.Call(function, list(args), [ast.keyword(k, v) for k, v in keywords.items()])


def tuple_of(parts: Sequence[ast.expr]) -> ast.Tuple:
    return ast.Tuple(list(parts), ast.Load())


def literal(value: Any) -> ast.expr:
    """Return an integer, a fraction, a float or a tuple of integers as source."""
    if isinstance(value, tuple):
        return tuple_of([literal(v) for v in value])
    if isinstance(value, Fraction):
        if dyadic(value) and abs(value) < 2**32:
            return literal(float(value))
        return ast.BinOp(literal(value.numerator), ast.Div(), literal(value.denominator))
    if isinstance(value, float) and math.isnan(value):
        return np_attr("nan")
    if value < 0 or (value == 0 and isinstance(value, float) and str(value)[0] == "-"):
        return ast.UnaryOp(ast.USub(), literal(-value))
    if value == float("inf"):
        return np_attr("inf")
    if isinstance(value, int) and not isinstance(value, bool) and value >= 2**63:
        try:
            value = float(value)  # NumPy has no integers of this size
        except OverflowError:
            raise InputError(f"a constant of {value.bit_length()} bits is beyond the range of float64") from None
    return ast.Constant(value)


def dyadic(value: int | Fraction) -> bool:
    """Whether the number is a short binary fraction, so that its float is the number itself."""
    return value.denominator & (value.denominator - 1) == 0 and value.denominator <= 2**20


def dim_expression(dim: Dim, sizes: Mapping[str, str]) -> ast.expr:
    """Return a size as source, given the locals that hold the named sizes.

    Raises: ShapeError for a size with other functions than + - * /, powers and the smaller of two.
    """
    if isinstance(dim, int):
        return ast.Constant(dim)
    done: dict[sp.Basic, ast.expr] = {}
    for part in sp.postorder_traversal(dim):
        if part in done:
            continue
        if isinstance(part, sp.Symbol):
            done[part] = name(sizes[part.name])
        elif isinstance(part, sp.Integer):
            done[part] = literal(int(part))
        elif isinstance(part, sp.Rational):
            done[part] = literal(Fraction(int(part.p), int(part.q)))
        elif isinstance(part, sp.Add):
            done[part] = _chain([done[a] for a in part.args], ast.Add())
        elif isinstance(part, sp.Mul):
            top, bottom = part.as_numer_denom()
            if bottom != 1 and bottom.is_Integer:  # an integer division without remainder
                done[part] = ast.BinOp(dim_expression(top, sizes), ast.FloorDiv(), literal(int(bottom)))
            else:
                done[part] = _chain([done[a] for a in part.args], ast.Mult())
        elif isinstance(part, sp.Min):
            done[part] = reduce(lambda a, b: call(np_attr("minimum"), a, b), [done[a] for a in part.args])
        elif isinstance(part, sp.Pow) and part.exp.is_Integer and part.exp > 0:
            done[part] = ast.BinOp(done[part.base], ast.Pow(), literal(int(part.exp)))
        else:
            raise ShapeError(f"no kernel can compute the size {dim}: it is not made of + - * and powers of named sizes")
    return done[dim]


def _chain(parts: list[ast.expr], op: ast.operator) -> ast.expr:
    out = parts[0]
    for p in parts[1:]:
        out = ast.BinOp(out, op, p)
    return out
