"""The functions a text may call: elementwise rows by name and aliases, losses, and the structural functions below.

The annotation of a parameter says how its argument is read: a Node is an expression, a Condition one that may compare,
an Axis an integer, a tuple of them or None, Steps sizes or a word, a Flag True or False, a Spec and a Choice a string,
a Value a number, a Size and Sizes sizes, Pairs pairs of sizes, Nodes a list of expressions.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from symgrad.errors import ParseError, ShapeError
from symgrad.graph import node as nodes
from symgrad.graph.node import Node, apply, const, describe
from symgrad.graph.ops import JUMPS
from symgrad.language.composed import COMPOSED
from symgrad.language.composite import Composite
from symgrad.language.composites import COMPOSITES
from symgrad.language.convolution import CONVOLUTIONS
from symgrad.language.einstein import einstein
from symgrad.language.matrices import MATRICES
from symgrad.language.subscript import checked
from symgrad.rules.arrays import BY_NAME as ARRAYS
from symgrad.rules.elementwise import FUNCTIONS
from symgrad.rules.row import REQUIRED, ArrayFunction, Default, Function
from symgrad.shapes import Dim, Shape, show

Condition: TypeAlias = Node
Axis: TypeAlias = "int | tuple[int, ...] | None"
Flag: TypeAlias = bool
Spec: TypeAlias = str
Choice: TypeAlias = str
Size: TypeAlias = "Dim"
Sizes: TypeAlias = "Shape"
Nodes: TypeAlias = "tuple[Node, ...]"

CALLED = frozenset(CONVOLUTIONS) - {"windows"}  # long graphs, shown as they were written

# the operators, by the name of their tree in Python's ast
BINARY = {"Add": "add", "Sub": "sub", "Mult": "mul", "Div": "div", "Pow": "pow"}
COMPARE = {"Lt": "lt", "LtE": "le", "Gt": "gt", "GtE": "ge", "Eq": "eq", "NotEq": "ne"}
SYMBOLS = {"add": "+", "sub": "-", "mul": "*", "div": "/", "pow": "**", "lt": "<", "le": "<=", "gt": ">", "ge": ">=",
           "eq": "==", "ne": "!="}

# functions of the language that have no row yet, so that the message can say so
LATER = frozenset((
    "round",
))


@dataclass(frozen=True)
class TextFunction:
    """A function as text calls it: `build` makes the node, its signature reads the arguments."""

    name: str
    build: Callable[..., Node]
    params: tuple[str, ...] = ()  # of a row
    defaults: tuple[Default, ...] = ()  # of the last of them
    choices: tuple[tuple[str, str | bool], ...] = ()  # keywords with their defaults
    row: ArrayFunction | Composite | None = None
    composite: Composite | None = None  # the row of a loss or a layer
    called: bool = False  # the network remembers the call of another graph too, so that it is shown as it was written
    orders: tuple[str, ...] = ()  # whole numbers in front of the operands
    behind: tuple[tuple[str, Any], ...] = ()  # numbers behind them, with their defaults

    @cached_property
    def signature(self) -> inspect.Signature:
        if self.row is not None:
            return _signature(self.row)
        if not self.params:
            return inspect.signature(self.build)
        plain = (inspect.Parameter.empty,) * (len(self.params) - len(self.defaults))
        kinds = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
        return inspect.Signature([
            *(inspect.Parameter(p, kinds[0], annotation="Order") for p in self.orders),
            *(inspect.Parameter(p, kinds[0], default=d, annotation="Node")
              for p, d in zip(self.params, (*plain, *self.defaults))),
            *(inspect.Parameter(p, kinds[0], default=d, annotation="Value") for p, d in self.behind),
            *(inspect.Parameter(p, kinds[1], default=d, annotation="Flag" if isinstance(d, bool) else "Choice")
              for p, d in self.choices),
        ])

    @cached_property
    def usage(self) -> str:
        """How it is called, for messages."""
        bare = [p.replace(annotation=inspect.Parameter.empty) for p in self.signature.parameters.values()]
        return f"{self.name}{inspect.Signature(bare)}"


def _signature(row: ArrayFunction | Composite) -> inspect.Signature:
    """Return how text calls a function of arrays: operands first, then options, by keyword where the row says so."""
    P = inspect.Parameter
    defaults = row.defaults if isinstance(row, Composite) else ()
    usual = (*(P.empty,) * (len(row.params) - len(defaults)), *defaults)
    out = [P(p, P.POSITIONAL_OR_KEYWORD, annotation="Nodes" if row.listed else "Node", default=d)
           for p, d in zip(row.params, usual)]
    for o in row.options:
        kind = {"Axes": "Axis", "Place": "Axis", "Places": "Axis", "Steps": "Axis"}.get(o.kind, o.kind)
        default = P.empty if o.default is REQUIRED else o.default
        out.append(P(o.name, P.KEYWORD_ONLY if o.key else P.POSITIONAL_OR_KEYWORD, annotation=kind, default=default))
    return inspect.Signature(sorted(out, key=lambda p: p.kind))


def _called(row: ArrayFunction) -> Callable[..., Node]:
    """Return the function that builds the node, its operands by position."""
    behind = [o.name for o in row.options if not o.key]

    def build(*args: Any, **options: Any) -> Node:
        operands = args[0] if row.listed else args[:len(row.params)]
        return checked(row(*operands, **dict(zip(behind, args[len(row.params):])), **options))

    return build


def _ordered(row: Function) -> Callable[..., Node]:
    """Return the function that takes its orders first."""
    count = len(row.orders)
    return lambda *args: row.at(*args[:count])(*args[count:])


def _jumping(row: Function) -> Callable[..., Node]:
    """Return the function that takes its value at 0 behind the operand."""
    return lambda x, at=None: (row if at is None else row.jumping(at))(x)


def _of_function(name: str, row: Function) -> TextFunction:
    """Return an elementwise function as text calls it."""
    jump = JUMPS.get(row.name)
    build = _ordered(row) if row.orders else _jumping(row) if jump is not None else row
    return TextFunction(name, build, row.params, row.defaults, _usual(row), orders=row.orders,
                        behind=(("at", jump.usual),) if jump is not None else ())


def of_row(row: ArrayFunction) -> TextFunction:
    """Return an array function as text calls it."""
    return TextFunction(row.name, _called(row), row=row)


def of_composite(row: Composite) -> TextFunction:
    """Return a loss or a layer as text calls it."""
    if not row.entrywise:
        return TextFunction(row.name, row, row=row, composite=row)
    return TextFunction(row.name, row, row.params, row.defaults, _usual(row), composite=row)


def _usual(row: Function | Composite) -> tuple[tuple[str, str | bool], ...]:
    """Return the keywords that choose another row, with their defaults."""
    return tuple((keyword, next(iter(values))) for keyword, values in row.choices.items())


def find(name: str) -> TextFunction | None:
    """Return the function that text calls `name`, None where there is none."""
    if name in TABLE:
        return TABLE[name]
    row = ARRAYS.get(name)
    return None if row is None or row.subscripted else of_row(row)


def _where(condition: Condition, a: Node, b: Node) -> Node:
    return apply("where", condition, a, b)


def _sum(x: Node, *, axis: Axis = None, keepdims: Flag = False) -> Node:
    return nodes.reduce_sum(x, axis, keepdims)


def _mean(x: Node, *, axis: Axis = None, keepdims: Flag = False) -> Node:
    return nodes.reduce_mean(x, axis, keepdims)


def _max(a: Node, b: Node | None = None, *, axis: Axis = None, keepdims: Flag = False) -> Node:
    return _larger("maximum", "max", a, b, axis, keepdims)


def _min(a: Node, b: Node | None = None, *, axis: Axis = None, keepdims: Flag = False) -> Node:
    return _larger("minimum", "min", a, b, axis, keepdims)


def _larger(op: str, name: str, a: Node, b: Node | None, axis: Axis, keepdims: bool) -> Node:
    if b is None:
        return ARRAYS[name](a, axis=axis, keepdims=keepdims)
    if axis is not None or keepdims:
        raise ParseError(f"{name}(a, b) of two operands is elementwise and has no axis or keepdims")
    return apply(op, a, b)


def _transpose(x: Node, axes: Axis = None) -> Node:
    return nodes.transpose(x, (axes,) if isinstance(axes, int) else axes)


def _matmul(a: Node, b: Node) -> Node:
    return nodes.matmul(a, b)


def _dot(a: Node, b: Node) -> Node:
    if not a.rank or not b.rank:
        return a * b
    if a.rank > 2 or b.rank > 2:
        raise ShapeError(f"dot takes operands of at most 2 axes, got {show(a.shape)} and {show(b.shape)}. Use @")
    return nodes.matmul(a, b)


def _einsum(spec: Spec, *operands: Node) -> Node:
    return einstein(spec, operands)


def _broadcast_to(x: Node, shape: Sizes) -> Node:
    if len(shape) < x.rank:
        raise ShapeError(f"{describe(x)} {show(x.shape)} does not broadcast to {show(shape)}, which has fewer axes")
    return nodes.broadcast_to(x, shape)


def _square(x: Node) -> Node:
    return x**2


def _ones(shape: Sizes) -> Node:
    return const(1, shape)


def _zeros(shape: Sizes) -> Node:
    return const(0, shape)


_STRUCTURAL: dict[str, Callable[..., Node]] = {
    **COMPOSED, **MATRICES,
    "where": _where, "sum": _sum, "mean": _mean, "max": _max, "min": _min, "transpose": _transpose, "matmul": _matmul,
    "dot": _dot, "einsum": _einsum, "broadcast_to": _broadcast_to, "square": _square, "ones": _ones, "zeros": _zeros,
}

TABLE: dict[str, TextFunction] = {
    **{name: _of_function(name, row)
       for row in FUNCTIONS for name in (row.name, *row.aliases) if name not in SYMBOLS and name != "neg"},
    **{name: of_row(row) for name, row in ARRAYS.items() if not row.subscripted},
    **{name: of_composite(row) for row in COMPOSITES for name in (row.name, *row.aliases)},
    **{name: TextFunction(name, build, called=name in CALLED) for name, build in _STRUCTURAL.items()},
}
