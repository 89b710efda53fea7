"""Refuses what has no value: log(0), a denominator that is 0 whatever the variables are, a constant too large.

Two readings of every node, each made once: the number it is (where it holds no variable), and its residue modulo a
large prime with random residues for variables. The residue is 0 exactly where the expression is 0 as a rational
function of what it is made of, with chance below 1e-15 of being wrong (Schwartz 1980, Zippel 1979).
"""

from __future__ import annotations

import operator
import random
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import mpmath

from symgrad.errors import ParseError, TextLimit
from symgrad.graph.node import Node, topological
from symgrad.graph.ops import STRUCTURAL
from symgrad.rules.arrays import array_row
from symgrad.rules.elementwise import BY_NAME

PRIME = 2**61 - 1
MAX_INTEGER = 10**12  # a written whole number
MAX_EXPONENT = 64  # of a whole or rational constant, whose power is exact
MAX_BITS = 256  # of the numerator or denominator of a constant; no power of it can then be a bomb
MAX_VALUE = 1.7976931348623157e308

# where a written infinity has a meaning that arithmetic keeps
_TAKES_INF = frozenset({"neg", "maximum", "minimum", "where", "lt", "le", "gt", "ge", "eq", "ne"})
_EXACT = frozenset({"add", "sub", "neg", "mul", "div", "pow"})

_RATIONAL: dict[str, Any] = {"add": operator.add, "sub": operator.sub, "neg": operator.neg, "mul": operator.mul,
                             "div": operator.truediv, "pow": operator.pow}

_CANCELLED = 2.0**-54  # of a sum, what double precision cannot tell from 0

_context: Any = mpmath.MPContext()
_context.prec = 64


class Defined:
    """What is known of the nodes of one text; `see` raises for a node without a value."""

    def __init__(self) -> None:
        self._random = random.Random(20240229)  # noqa: S311  # the same text must give the same answer, nothing is secret
        self._residues: dict[Node, int] = {}
        self._numbers: dict[Node, Any] = {}  # mpmath number, only of nodes without variables
        self._exact: set[Node] = set()  # constants made of whole numbers, rationals and pi
        self._rationals: dict[Node, Fraction] = {}  # those of them that are rational
        self._atoms: dict[tuple[Any, ...], int] = {}

    def see(self, root: Node) -> None:
        """Read the nodes below `root` that are new.

        Raises ParseError for what is not a finite real number, TextLimit for a constant too large.
        """
        for node in topological([root], lambda n: () if n in self._residues else n.args):
            if node not in self._residues:
                number = self._number(node)
                self._residues[node] = residue = self._residue(node)
                if residue == 0:
                    number = _context.mpf(0)
                if number is not None:
                    self._numbers[node] = number

    # --- the number -------------------------------------------------------------------------------------------------

    def _number(self, node: Node) -> Any:
        if node.op == "const":
            if not isinstance(node.value, float):
                self._exact.add(node)
            if isinstance(node.value, (int, Fraction)):
                self._rationals[node] = Fraction(node.value)
            return _mp(node.value)
        if node.op in STRUCTURAL:
            spread = _spread(node)
            return None if spread is None else self._numbers.get(spread)
        args: list[Any] = [self._numbers.get(a) for a in node.args]
        if node.op not in _TAKES_INF and any(a is not None and _context.isinf(a) for a in args):
            raise ParseError(f"inf inside {_name(node)} has no finite value. It may stand in where(...), maximum, "
                             f"minimum and comparisons")
        if node.op == "div" and args[1] == 0:
            raise ParseError("division by 0: the denominator is 0 whatever the variables are")
        if any(a is None for a in args):
            return None
        if node.op in _EXACT and all(a in self._exact for a in node.args):
            self._exact.add(node)
        if node.op == "pow" and node in self._exact and abs(args[1]) > MAX_EXPONENT:
            raise TextLimit(f"the exponent {_shown(args[1])} of a constant is beyond the limit of "
                                f"{MAX_EXPONENT}. Write the base as a decimal number for a rounded power")
        self._count_digits(node)
        value = _real(_apply(node, args))
        if value is not None and any(_context.isinf(a) for a in args):
            return value
        if value is None or not _context.isfinite(value):
            raise ParseError(f"{_name(node)} of {', '.join(map(_shown, args))} is not a finite real number")
        if node.op in ("add", "sub") and abs(value) < _CANCELLED * max(map(abs, args)):
            return _context.mpf(0)  # what remains is rounding, or is rounded away in double precision
        if abs(value) > MAX_VALUE:
            raise TextLimit(f"a constant made by {_name(node)} is larger than {MAX_VALUE:.4g}, "
                                f"the limit of double precision")
        return value

    def _count_digits(self, node: Node) -> None:
        """Work a rational constant out exactly, which fits into few digits, or refuse it before it is made."""
        args = [self._rationals[a] for a in node.args if a in self._rationals]
        if node.op not in _RATIONAL or len(args) < len(node.args):
            return
        if node.op == "pow" and (args[1].denominator != 1 or (args[0] == 0 and args[1] < 0)):
            return
        made = Fraction(_RATIONAL[node.op](*args))
        if max(made.numerator.bit_length(), made.denominator.bit_length()) > MAX_BITS:
            raise TextLimit(f"a constant made by {_name(node)} has more than {MAX_BITS} bits, the limit for exact "
                            f"numbers. Write a decimal number such as 1e81 for a rounded one")
        self._rationals[node] = made

    # --- the residue ------------------------------------------------------------------------------------------------

    def _residue(self, node: Node) -> int:
        p = PRIME
        if node.op == "const":
            if isinstance(node.value, str) or node.value in (float("inf"), float("-inf")):
                return self._atom("const", node.value)
            exact = Fraction(node.value)
            return exact.numerator * pow(exact.denominator, -1, p) % p
        if node.op in STRUCTURAL:
            spread = _spread(node)
            if spread is not None:
                return self._residues[spread]
            below = [self._residues[a] for a in node.args]
            if node.op == "array":  # 0 where its operand is, for the linear ones; softmax(0) is not
                return 0 if array_row(node).linear and below[:1] == [0] else self._atom(*node.attr, node.shape, *below)
            if below and not all(below):
                return 0
            return self._atom(node.op, node.attr, node.shape, *below)
        a, *rest = [self._residues[x] for x in node.args]
        b = rest[0] if rest else 0
        if node.op in ("add", "sub", "mul", "neg"):
            return {"add": a + b, "sub": a - b, "mul": a * b, "neg": -a}[node.op] % p
        if node.op == "div":
            return a * pow(b, -1, p) % p if b else self._atom("div", a, b)
        if node.op == "pow":
            exponent = self._numbers.get(node.args[1])
            if exponent is not None and exponent == int(exponent) and (a or exponent >= 0):
                return pow(a, int(exponent), p)
        return self._atom(node.op, node.attr, a, *rest)

    def _atom(self, *key: Any) -> int:
        return self._atoms.setdefault(key, self._random.randrange(1, PRIME))


def _mp(value: Any) -> Any:
    if isinstance(value, str):
        return +getattr(_context, value)
    return _context.mpf(value.numerator) / value.denominator if isinstance(value, Fraction) else _context.mpf(value)


def _shown(number: Any) -> str:
    return str(_context.nstr(number, 12)).removesuffix(".0")


def _real(value: Any) -> Any:
    if isinstance(value, _context.mpc):
        return value.real if value.imag == 0 else None
    return value


def _spread(node: Node) -> Node | None:
    """Return the scalar that an einsum repeats in every entry, if it does no more than that."""
    return node.args[0] if node.op == "einsum" and len(node.args) == 1 and node.args[0].rank == 0 and \
        len(set(node.attr[1])) == node.rank else None


def _name(node: Node) -> str:
    names = {"div": "a division", "pow": "a power", "add": "a sum", "sub": "a difference", "mul": "a product"}
    return names.get(node.op, node.op)


def _apply(node: Node, args: Sequence[Any]) -> Any:
    """Return the value of one function by its own row or its definition; None where it has none."""
    found = dict(zip(node.args, args))
    for part in topological([node], lambda n: () if n in found else _parts(n)):
        if part in found:
            continue
        values = [found[a] for a in _parts(part)]
        if any(v is None for v in values):
            return None
        row = BY_NAME.get(part.op)
        try:
            if part.op == "const":
                found[part] = _mp(part.value)
            elif row is not None and callable(row.mp):
                found[part] = row.mp(_context, *values, *(Fraction(a) if isinstance(a, int) else a for a in part.attr))
            elif row is not None and row.mp is not None:
                found[part] = getattr(_context, str(row.mp))(*values)
            else:
                found[part] = values[0] if row is not None and row.definition is not None else None
        except (ZeroDivisionError, ValueError):  # mpmath's answers at a pole
            return None
    return found[node]


def _parts(node: Node) -> Sequence[Node]:
    row = BY_NAME.get(node.op)
    if row is None or row.mp is not None or row.definition is None:
        return node.args
    return (row.definition(*node.args),)
