"""Shapes: tuples of sizes, each an int or a SymPy expression in size symbols.

A size symbol is always `Symbol(name, integer=True, positive=True)`, whatever assumptions the caller's symbol carried,
so that one name is one size everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache, reduce
from typing import TypeAlias

import sympy as sp
from sympy.printing.str import StrPrinter

from symgrad.errors import ShapeError

Dim: TypeAlias = "int | sp.Expr"
Shape: TypeAlias = "tuple[Dim, ...]"


@lru_cache(maxsize=4096)
def size_symbol(name: str) -> sp.Symbol:
    """Return the one symbol that stands for the size called `name`."""
    return sp.Symbol(name, integer=True, positive=True)


def as_dim(value: object) -> Dim:
    """Return `value` (int, name, SymPy integer expression) as a size."""
    if isinstance(value, str):
        return size_symbol(value)
    if isinstance(value, bool):
        raise ShapeError(f"a size is an integer or a name, not {value!r}")
    if isinstance(value, int):
        dim: Dim = value
    elif isinstance(value, sp.Integer):
        dim = int(value)
    elif isinstance(value, sp.Expr):
        dim = _canonical(value)
    elif hasattr(value, "__index__"):
        dim = int(value.__index__())
    else:
        raise ShapeError(f"a size is an integer, a name or arithmetic of them, not {type(value).__name__}")
    if isinstance(dim, int) and dim < 0:
        raise ShapeError(f"a size cannot be negative, got {dim}")
    return dim


@lru_cache(maxsize=4096)
def _canonical(expr: sp.Expr) -> Dim:
    symbols = expr.free_symbols
    for s in symbols:
        if not isinstance(s, sp.Symbol):
            raise ShapeError(f"a size may only hold named sizes and integers, got {expr}")
    out = expr.xreplace({s: size_symbol(s.name) for s in symbols})
    if not out.free_symbols:
        if out.is_Integer:
            return int(out)
        raise ShapeError(f"a size must be an integer, got {out}")
    if out.is_integer is False:
        raise ShapeError(f"a size must be an integer, got {out}")
    return out


def as_sympy(dim: Dim) -> sp.Expr:
    """Return a size as a SymPy expression."""
    return sp.Integer(dim) if isinstance(dim, int) else dim


def as_shape(value: object) -> Shape:
    """Return an int, a name or a sequence of them as a shape."""
    if isinstance(value, (str, int, sp.Expr)):
        value = (value,)
    if not isinstance(value, Sequence):
        raise ShapeError(f"a shape is a tuple of sizes, not {type(value).__name__}")
    shape = tuple(as_dim(v) for v in value)
    for d in shape:
        if fits_always(d - 1) is False:
            raise ShapeError(f"a size is at least 1, got {d}")
    return shape


def size_of(shape: Shape) -> Dim:
    """Return the number of entries, the product of the sizes."""
    out: Dim = 1
    for d in shape:
        out = out * d
    return out


def smaller(a: Dim, b: Dim) -> Dim:
    """Return the smaller of two sizes."""
    return as_dim(sp.Min(as_sympy(a), as_sympy(b)))


@lru_cache(maxsize=4096)
def fits_always(room: Dim) -> bool | None:
    """Return True where a size is 0 or larger whatever its names stand for, False where it never is, else None."""
    if isinstance(room, (int, sp.Integer)):
        return bool(room >= 0)
    names = sorted(room.free_symbols, key=str)
    try:  # a name is 1 or larger, so that coefficients of one sign in what it is beyond 1 decide
        above_one = sp.Poly(room.subs({s: s + 1 for s in names}, simultaneous=True), *names)
    except sp.PolynomialError:  # the smaller of two sizes
        return True if room.is_nonnegative else False if room.is_negative else None
    if all(c >= 0 for c in above_one.coeffs()):
        return True
    return False if above_one.coeff_monomial(1) < 0 and all(c <= 0 for c in above_one.coeffs()) else None


class _Spelling(StrPrinter):  # type: ignore[misc]  # SymPy ships no types
    """Sizes in the words of the language."""

    def _print_Min(self, expr: sp.Expr) -> str:
        texts: list[str] = sorted(self._print(a) for a in expr.args)
        return reduce("min({}, {})".format, texts)


def spelled(dim: Dim) -> str:
    """Return a size as the language writes it.

    >>> spelled(smaller(as_dim("n"), as_dim("d"))), spelled(size_of((as_dim("n"), 2)))
    ('min(d, n)', '2*n')
    """
    return str(dim) if isinstance(dim, (int, sp.Symbol)) else str(_Spelling().doprint(dim))


def show(shape: Shape) -> str:
    """Return the shape as the language writes it: (), (n,), (n, d)."""
    return f"({spelled(shape[0])},)" if len(shape) == 1 else "(" + ", ".join(map(spelled, shape)) + ")"


def broadcast(*shapes: Shape, names: Sequence[str] = (), op: str = "this operation") -> Shape:
    """Return the shape that NumPy's broadcasting gives; two symbolic sizes agree only when they are equal."""
    rank = max((len(s) for s in shapes), default=0)
    out: list[Dim] = []
    for axis in range(rank):
        dim: Dim = 1
        for shape in shapes:
            k = axis - (rank - len(shape))
            if k < 0 or shape[k] == 1 or shape[k] == dim:
                continue
            if dim != 1:
                given = ", ".join(
                    f"{n} {show(s)}" for n, s in zip(names or [f"operand {i + 1}" for i in range(len(shapes))], shapes)
                )
                raise ShapeError(
                    f"{op}: the shapes of {given} do not broadcast: {dim} and {shape[k]} meet on axis {axis - rank}. "
                    f"Sizes must be equal, or one of them 1; insert an axis with [:, None] or check the transposes."
                )
            dim = shape[k]
        out.append(dim)
    return tuple(out)


def normalise_axes(axis: int | Sequence[int] | None, rank: int, what: str) -> tuple[int, ...]:
    """Return the axes as sorted non-negative numbers; None means all of them."""
    if axis is None:
        return tuple(range(rank))
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    out = []
    for a in axes:
        if isinstance(a, bool) or not isinstance(a, int) or not -rank <= a < rank:
            raise ShapeError(
                f"axis {a} is out of range for {what}, which has {rank} axes (allowed: {-rank} to {rank - 1})"
            )
        out.append(a % rank)
    if len(set(out)) != len(out):
        raise ShapeError(f"axis {axis} names one axis twice for {what}")
    return tuple(sorted(out))


def bind(shape: Shape, actual: Sequence[int], sizes: dict[str, int], what: str) -> None:
    """Match a concrete shape against a symbolic one, filling `sizes`; raise where they cannot agree."""
    if len(actual) != len(shape):
        raise ShapeError(f"{what}: expected shape {show(shape)}, got {tuple(actual)}")
    for d, got in zip(shape, actual):
        if isinstance(d, sp.Symbol):
            known = sizes.setdefault(d.name, int(got))
            if known != got:
                raise ShapeError(f"{what}: expected {show(shape)} with {d} = {known}, got {tuple(actual)}")
        elif isinstance(d, int) and d != got:
            raise ShapeError(f"{what}: expected shape {show(shape)}, got {tuple(actual)}")


def evaluate(dim: Dim, sizes: Mapping[str, int]) -> int:
    """Return the number a size stands for, given numbers for its names."""
    if isinstance(dim, int):
        return dim
    missing = sorted(s.name for s in dim.free_symbols if s.name not in sizes)
    if missing:
        raise ShapeError(f"the size {dim} needs a value for {', '.join(missing)}")
    value = dim.subs({s: sizes[s.name] for s in dim.free_symbols})
    if not value.is_Integer:
        raise ShapeError(f"the size {dim} is {value} here, which is not an integer")
    return int(value)
