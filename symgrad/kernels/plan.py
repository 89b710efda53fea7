"""Values: what a kernel computes, one row an array operation, with the shape it has in memory.

A node says what is meant; a value says what is run. The shape of a value is compact: an axis along which nothing varies
has size 1 or is missing on the left, so NumPy's own broadcasting takes the place of every repeated axis.
Signs float: a node becomes (value, +1 or -1), and a negation is computed only where a function needs it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
import sympy as sp

from symgrad.errors import NoRule, suggest
from symgrad.graph.node import Node
from symgrad.rules.arrays import array_row
from symgrad.rules.elementwise import BY_NAME
from symgrad.shapes import Dim, Shape

# an array of the kernel's dtype, a mask, a Python number, the arrays of a factorisation
FLOAT, BOOL, PYTHON, FACTOR = "f", "b", "p", "t"
NAMED_CONSTANTS = {"pi": math.pi, "e": math.e, "inf": math.inf, "nan": math.nan}
COMPARISONS = frozenset({"gt", "ge", "lt", "le", "eq", "ne"})

Signed: TypeAlias = "tuple[Val, int]"


class Val:
    """One array operation: its operands, its compact shape and whether it holds floats, a mask or a Python number."""

    __slots__ = ("args", "attr", "kind", "name", "op", "shape")

    def __init__(self, op: str, args: tuple[Val, ...], attr: tuple[Any, ...], shape: Shape, kind: str) -> None:
        self.op = op
        self.args = args
        self.attr = attr
        self.shape = shape
        self.kind = kind
        self.name: str | None = None

    def __repr__(self) -> str:
        return f"<Val {self.op} {self.attr or ''} {self.shape} {self.kind}>"


def broadcast_shapes(shapes: Sequence[Shape]) -> Shape:
    """Return the common shape of compact shapes: on every axis the size that is not 1."""
    rank = max((len(s) for s in shapes), default=0)
    out: list[Dim] = [1] * rank
    for shape in shapes:
        for k, dim in enumerate(reversed(shape), 1):
            if dim != 1:
                out[-k] = dim
    return tuple(out)


def nominal(shape: Shape) -> float:
    """Return a size to compare arrays by when sizes are names: every name counts 100."""
    out = 1.0
    for d in shape:
        out *= d if isinstance(d, int) else 100.0
    return out


class Values:
    """Makes values, each distinct one once; the methods are the operations and their exact short cuts."""

    def __init__(self, plain: bool = False) -> None:
        self.plain = plain  # plain code: no rewriting, for taped and complex arrays
        self._known: dict[tuple[Any, ...], Val] = {}

    def make(self, op: str, args: Sequence[Val], attr: tuple[Any, ...], shape: Shape, kind: str = FLOAT) -> Val:
        key = (op, tuple(map(id, args)), attr, shape, kind)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = Val(op, tuple(args), attr, shape, kind)
        return found

    def known(self, op: str, args: Sequence[Val], attr: tuple[Any, ...], shape: Shape, kind: str = FLOAT) -> Val | None:
        """Return the value if it was made before."""
        return self._known.get((op, tuple(map(id, args)), attr, shape, kind))

    def const(self, value: Any) -> Val:
        if isinstance(value, str):
            if value not in NAMED_CONSTANTS:
                raise NoRule(f"the constant {value[:64]!r} has no number here.{suggest(value, NAMED_CONSTANTS)}")
            return self.make("const", (), ("name", value), (), PYTHON)
        if isinstance(value, bool):
            value = int(value)
        if isinstance(value, Fraction) and value.denominator == 1:
            value = int(value)
        tag = value.hex() if isinstance(value, float) else value
        return self.make("const", (), (type(value).__name__, tag), (), PYTHON)

    def dim(self, dim: Dim) -> Val:
        return self.const(dim) if isinstance(dim, int) else self.make("dim", (), (dim,), (), PYTHON)

    # --- signs and kinds --------------------------------------------------------------------------------------------

    def plus(self, signed: Signed) -> Val:
        """Return the value with its sign applied."""
        v, sign = signed
        if sign > 0:
            return v
        if (c := number(v)) is not None:
            return self.const(-c)
        v = self.floats(v)
        return self.make("neg", (v,), (), v.shape, v.kind)

    def floats(self, v: Val) -> Val:
        """Return a mask as numbers 0 and 1 of the kernel's dtype; numbers as they are."""
        return self.make("cast", (v,), (), v.shape) if v.kind == BOOL else v

    def mask(self, v: Val) -> Val:
        """Return a condition as a mask: nonzero is true."""
        if v.kind != FLOAT:
            return v
        return v.args[0] if v.op == "cast" else self.make("ne", (v, self.const(0)), (), v.shape, BOOL)

    # --- elementwise ------------------------------------------------------------------------------------------------

    def add(self, a: Signed, b: Signed) -> Signed:
        (x, s), (y, t) = a, b
        if number(x) == 0:
            return b
        if number(y) == 0:
            return a
        if y.op == "spread" and x.shape == y.shape and x.kind == FLOAT:
            return self._onto_diagonal(a, y, t)
        if x.op == "spread" and x.shape == y.shape and y.kind == FLOAT:
            return self._onto_diagonal(b, x, s)
        if s != t:
            return (self._binary("sub", x, y), 1) if s > 0 else (self._binary("sub", y, x), 1)
        return self._binary("add", x, y), s

    def spread(self, v: Val, spec: str, shape: Shape) -> Val:
        """Return zeros with the value on a diagonal; `spec` reads the diagonal of the whole, 'ii->i'."""
        return self.make("spread", (self.floats(v),), (spec,), shape)

    def _onto_diagonal(self, a: Signed, spread: Val, sign: int) -> Signed:
        """Return a with what a spread holds added on the diagonal, which is all that changes."""
        x, s = a
        if s < 0 and x.op == "mul" and any(nominal(f.shape) < nominal(x.shape) for f in x.args):
            # the smaller factor takes the minus sign, which the whole would have to be turned for
            small = min(x.args, key=lambda f: nominal(f.shape))
            large = x.args[1] if small is x.args[0] else x.args[0]
            x, s = self._binary("mul", self.plus((small, -1)), large), 1
        return self.make("diagonal_add", (x, spread.args[0]), (*spread.attr, s * sign), x.shape), s

    def _scaled_spread(self, op: str, x: Val, by: Val) -> Val:
        """Return a spread whose entries are multiplied or divided by a number before they are laid out."""
        return self.spread(self.function(op, [x.args[0], self.floats(by)]), x.attr[0], x.shape)

    def mul(self, a: Signed, b: Signed) -> Signed:
        (x, s), (y, t) = a, b
        if number(y) in (1, -1):
            x, y = y, x
        if number(x) in (1, -1):
            return (y, s * t) if number(x) == 1 else (y, -s * t)
        if x.op == "spread" and not y.shape:
            return self._scaled_spread("mul", x, y), s * t
        if y.op == "spread" and not x.shape:
            return self._scaled_spread("mul", y, x), s * t
        if x.kind == BOOL and y.kind == BOOL:
            return self.make("and", (x, y), (), broadcast_shapes([x.shape, y.shape]), BOOL), s * t
        return self._binary("mul", x, y), s * t

    def div(self, a: Signed, b: Signed) -> Signed:
        (x, s), (y, t) = a, b
        if number(y) in (1, -1):
            return (x, s * t) if number(y) == 1 else (x, -s * t)
        if x.op == "spread" and not y.shape:
            return self._scaled_spread("div", x, y), s * t
        return self._binary("div", x, y), s * t

    def pow(self, a: Signed, b: Signed) -> Signed:
        x = self.floats(a[0])
        power = number(self.plus(b)) if b[0].kind == PYTHON else None
        if x.kind == PYTHON or power is None:
            return self.function("pow", [self.plus((x, a[1])), self.floats(self.plus(b))]), 1
        sign = a[1] if power in (1, 3, -1) else 1
        if power == 1:
            return x, sign
        if power == -1:
            return self._binary("div", self.const(1), x), sign
        if power in (2, 3, 4):
            square = self.make("square", (x,), (), x.shape)  # even powers forget the sign
            if power == 2:
                return square, 1
            if power == 3:
                return self._binary("mul", square, x), sign
            return self.make("square", (square,), (), x.shape), 1
        base = self.plus((x, a[1]))
        if power == Fraction(1, 2):
            return self.make("sqrt", (base,), (), base.shape), 1
        return self.function("pow", [base, self.const(power)]), 1

    def _binary(self, op: str, x: Val, y: Val) -> Val:
        if op == "sub" and number(x) == 1 and y.kind == BOOL:
            return self.make("not", (y,), (), y.shape, BOOL)
        # NumPy would cast a mask too, in pieces, which takes longer
        return self.function(op, [self.floats(x), self.floats(y)])

    def function(self, op: str, args: Sequence[Val]) -> Val:
        """Return the function of floats, masks and Python numbers; a number where all arguments are numbers."""
        shape = broadcast_shapes([a.shape for a in args])
        if all(a.kind == PYTHON for a in args):
            folded = fold(op, args)
            return self.const(folded) if folded is not None else self.make(op, args, (), shape, PYTHON)
        return self.make(op, args, (), shape)

    def compare(self, op: str, x: Val, y: Val) -> Val:
        x, y = self.floats(x), self.floats(y)
        if x.kind == PYTHON and y.kind == PYTHON:
            folded = fold(op, [x, y])
            return self.const(folded) if folded is not None else self.make(op, (x, y), (), (), PYTHON)
        if op == "gt" and number(y) == 0 and not self.plain:
            # relu(x) > 0 exactly where x > 0, and then x itself need not be kept
            x = self._known.get(("maximum", (id(x), id(self.const(0))), (), x.shape, FLOAT), x)
        return self.make(op, (x, y), (), broadcast_shapes([x.shape, y.shape]), BOOL)

    def where(self, c: Val, a: Signed, b: Signed) -> Signed:
        if (known := number(c)) is not None:
            return a if known else b
        c = self.mask(c)
        sign = a[1] if a[1] == b[1] else 1
        x, y = (a[0], b[0]) if a[1] == b[1] else (self.plus(a), self.plus(b))
        if number(x) == 1 and number(y) == 0 and c.kind == BOOL:
            return c, sign
        x, y = self.floats(x), self.floats(y)
        if number(x) == 1 and not self.plain and _at_most_one(y):
            return self.function("maximum", [y, self.floats(c)]), sign  # no branch an entry: several times faster
        if x.kind == PYTHON and y.kind == PYTHON:
            x = self.make("scalar", (x,), (), ())  # a number of the kernel's dtype, or the result would be float64
        return self.make("where", (c, x, y), (), broadcast_shapes([c.shape, x.shape, y.shape])), sign

    def step(self, x: Val, at: Any) -> Val:
        if at in (0, 1):
            return self.compare("gt" if at == 0 else "ge", x, self.const(0))
        return self.function("step", [self.floats(x), self.const(at)])

    def elementwise(self, op: str, args: Sequence[Signed], attr: tuple[Any, ...]) -> Signed:
        """Return the elementwise function `op` of signed values."""
        if op == "add":
            return self.add(*args)
        if op == "sub":
            return self.add(args[0], (args[1][0], -args[1][1]))
        if op == "neg":
            return args[0][0], -args[0][1]
        if op == "mul":
            return self.mul(*args)
        if op == "div":
            return self.div(*args)
        if op == "pow":
            return self.pow(*args)
        if op == "where":
            return self.where(args[0][0], args[1], args[2])
        plain = [self.floats(v) if op == "abs" else self.plus((self.floats(v), s)) for v, s in args]
        if op in COMPARISONS:
            return self.compare(op, *plain), 1
        if op == "step":
            return self.step(plain[0], (attr or BY_NAME[op].attr)[0]), 1
        if op == "sign" and attr and attr[0] != Fraction(1, 2):
            twice = self.mul((self.const(2), 1), (self.step(plain[0], attr[0]), 1))
            return self.add(twice, (self.const(1), -1))
        row = BY_NAME.get(op)
        if row is not None and row.numpy is None and row.double is not None:
            return self.call((op, *attr), plain), 1
        if row is None or row.numpy is None or (attr and op != "sign"):
            raise NoRule(f"{op!r} has no NumPy function and was not written out in functions that have one")
        return self.function(op, plain), 1


    def call(self, key: tuple[Any, ...], args: Sequence[Val]) -> Val:
        """Return the call of a function that the kernel brings along."""
        made = [self.make("scalar", (a,), (), ()) if a.kind == PYTHON else a for a in args]
        return self.make("call", made, key, broadcast_shapes([a.shape for a in made]))

    def array(self, node: Node, args: Sequence[Signed], alone: bool = False) -> Val:
        """Return a function of whole arrays, its operands with every axis in full."""
        row = array_row(node)
        full = []
        chosen = row.indices(*(a.shape for a in node.args), **row.given(node)) if row.indices is not None else {}
        for k, (signed, arg) in enumerate(zip(args, node.args)):
            v = self.floats(self.plus(signed))
            if k in chosen and v.op == "cast":
                v = v.args[0]
            if v.kind == PYTHON or v.shape != arg.shape:
                v = self.make("full", (v,), ("operand",), arg.shape)
            full.append(v)
        apart = alone and row.alone and not (self.plain and row.plain)
        source = row.alone if apart else row.spelling(node, self.plain)
        if row.factor and source != row.alone:
            full.append(self.make("array_factor", full, (row.params, row.factor), (), FACTOR))
        op = "array_lines" if "\n" in source else "array_view" if row.view else "array"
        made = self.make(op, full, (row.name, source, tuple(row.given(node).items())), node.shape)
        # whole numbers stay what they are where they choose entries, and are numbers like others elsewhere
        return self.make("cast", (made,), (), node.shape) if row.whole and "dtype" not in source else made


def _at_most_one(v: Val) -> bool:
    """Whether the value is exp(-|x|), which where(x >= 0, 1, exp(-|x|)) never exceeds."""
    return v.op == "exp" and v.args[0].op == "neg" and v.args[0].args[0].op == "abs"


def number(v: Val) -> int | float | Fraction | None:
    """Return the number a constant holds, None for what is not a constant."""
    if v.op != "const":
        return None
    kind, value = v.attr
    if kind == "name":
        return NAMED_CONSTANTS[value]
    if kind == "float":
        return float.fromhex(value)
    exact: int | Fraction = value
    return exact


_EXACT: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b,
    "div": lambda a, b: Fraction(a) / Fraction(b),
}


def fold(op: str, args: Sequence[Val]) -> int | float | Fraction | None:
    """Return the number that a function of constants is; exact for arithmetic on rationals."""
    values = [number(a) for a in args]
    if any(v is None for v in values):
        return None
    exact = not any(isinstance(v, float) for v in values)
    if exact and op in _EXACT and not (op == "div" and values[1] == 0):
        result: int | Fraction = _EXACT[op](*values)
        return result
    if exact and op == "pow" and isinstance(values[1], int) and abs(values[1]) <= 64 and values[0] != 0:
        return Fraction(values[0]) ** values[1]  # type: ignore[arg-type]  # no value is None here
    if op == "step":
        return values[1] if values[0] == 0 else int(values[0] > 0)  # type: ignore[operator]  # no value is None here
    ufunc = getattr(np, BY_NAME[op].numpy or "", None) if op in BY_NAME else None
    if ufunc is None:
        return None
    with np.errstate(all="ignore"):  # log(0) and 1/0 of constants are -inf and inf, as they are for arrays
        return float(ufunc(*[float(v) for v in values]))  # type: ignore[arg-type]  # no value is None here


def free_sizes(dim: Dim) -> list[sp.Symbol]:
    """Return the size symbols of a size, sorted by name."""
    return [] if isinstance(dim, int) else sorted(dim.free_symbols, key=lambda s: str(s.name))
