"""The closed set of structural operations, one row an op.

Every other op name on a node is an elementwise function: its row stands in `symgrad.rules.elementwise`,
and its shape is the common shape of its arguments. The op "function" is one that a user named: its attr is
(name, params, body, latex, orders, kink), the body a node.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any


@dataclass(frozen=True)
class Op:
    """A structural operation: its name, what `attr` holds, and the mathematics it stands for."""

    name: str
    attr: str
    meaning: str


OPS: tuple[Op, ...] = (
    Op("var",    "(name, kind)",        "a variable; kind is 'real' or 'int'"),
    Op("const",  "(value,)",            "a number in every entry"),
    Op("size",   "(dim,)",              "the value of a size in every entry"),
    Op("einsum", "(ins, out, sizes)",   "sum over the indices absent from `out` of the product of the arguments; "
                                        "an index repeated in `out` is a delta, one absent from `ins` broadcasts"),
    Op("array",  "(name, (key, value), ...)",
       "a function of whole arrays, its row in rules/arrays or rules/linalg; the key of an option is its keyword, "
       "'' where it stands behind the operands, '[]' for a subscript; '[,]' says that the operands stand in a list"),
    Op("pull",   "()",                  "Pull(c, f, w): the pending pullback c * df/dw, named nodes held fixed"),
    Op("bar",    "()",                  "bar(L, x): the cotangent dL/dx as a symbol"),
)

STRUCTURAL = frozenset(op.name for op in OPS)
LEAVES = frozenset({"var", "const", "size"})


@dataclass(frozen=True)
class Jump:
    """A function that is constant but for one jump, at 0: its values on both sides, and the usual one at 0.

    The attribute of a node is the share of the right-hand side in its value at 0.
    """

    left: int
    right: int
    usual: int

    def value(self, attr: tuple[Any, ...]) -> int | Fraction:
        """Return the value at 0 of a node with this attribute."""
        return self.left + (self.right - self.left) * Fraction(attr[0]) if attr else self.usual

    def share(self, value: Fraction) -> int | Fraction:
        """Return the attribute of a node whose value at 0 is this."""
        out = (value - self.left) / (self.right - self.left)
        return out.numerator if out.denominator == 1 else out


JUMPS: dict[str, Jump] = {"step": Jump(0, 1, 0), "sign": Jump(-1, 1, 0)}
