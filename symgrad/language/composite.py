"""The shape of a row for a loss or a layer: a name that stands for a graph of simpler functions.

No such row has a derivative of its own: its gradient comes from the functions it is made of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from symgrad.engine.derivation import Call
from symgrad.errors import ShapeError
from symgrad.graph.node import Node, as_node, const, describe
from symgrad.rules.row import Called, Default, Interval, Option
from symgrad.shapes import show

Nodes: TypeAlias = "tuple[Node, ...]"


@dataclass(frozen=True)
class Composite(Called):
    """A function of several operands that stands for its graph.

    graph      the operands' nodes, options by keyword -> the node of the value, or one node for each of `outputs`
    latex      the name in LaTeX, or a template with one {} an operand
    source     where the formula is stated in print
    defaults   the values of the last operands where they are not given; None: that operand may be absent
    options    arguments that are no operands, such as the axis
    variants   (keyword, value, row): the call with this keyword at this value is of another row, which is in `others`
    entrywise  whether it works entry by entry, so that it takes SymPy's scalars too
    outputs    what the values of a function with several are called
    domain     where each operand may lie, for an entrywise row
    statement  what it is, in one line, for a row of whole arrays
    example    shapes of operands, and options, for documentation and tests
    """

    name: str
    params: tuple[str, ...]
    graph: Callable[..., Any]
    latex: str
    source: str
    defaults: tuple[Default, ...] = ()
    options: tuple[Option, ...] = ()
    variants: tuple[tuple[str, Any, str], ...] = ()
    others: tuple[Composite, ...] = ()
    aliases: tuple[str, ...] = ()
    entrywise: bool = True
    outputs: tuple[str, ...] = ()
    domain: tuple[Interval, ...] = ()
    statement: str = ""
    example: tuple[tuple[str, ...], Mapping[str, Any]] = ((), {})

    orders = ()
    listed = False  # the operands stand one by one, as those of most rows of whole arrays

    def bind(self, args: Sequence[Any], named: Mapping[str, Any]) -> tuple[str, tuple[Any, ...]]:
        """Return the name of the row that a call means, and its operands; absent ones at the end are left out."""
        name, operands = super().bind(args, named)
        while operands and operands[-1] is None:
            operands = operands[:-1]
        return name, operands

    def __call__(self, *args: Any, **named: Any) -> Any:
        """Return the node of the value, or one node for each of `outputs`."""
        options = {o.name: named.pop(o.name) for o in self.options if o.name in named}
        name, operands = self.bind(args, named)
        row = next((o for o in self.others if o.name == name), self)
        return row.graph(*(None if a is None else as_node(a) for a in operands),
                         **{**{o.name: o.default for o in self.options}, **options})

    def call(self, args: Sequence[Node | None], options: Mapping[str, Any] = {}) -> Call:
        """Return the record of a call as its author wrote it; what has its default stays unsaid."""
        first = len(self.params) - len(self.defaults)
        given: list[Node] = []
        labels: list[str] = []
        skipped = False
        for k, (param, arg) in enumerate(zip(self.params, args)):
            usual = self.defaults[k - first] if k >= first else None
            if arg is None or (usual is not None and arg is const(usual)):
                skipped = True
                continue
            given.append(arg)
            labels.append(param if skipped or (k >= first and arg.op == "const") else "")
        usually: dict[str, Any] = {o.name: o.default for o in self.options}
        said = tuple((k, v) for k, v in options.items() if k not in usually or usually[k] != v)
        return Call(self.name, tuple(given), said, self.latex, tuple(labels))


def whole(name: str, params: tuple[str, ...], graph: Callable[..., Any], source: str, statement: str,
          shapes: tuple[str, ...], defaults: tuple[Default, ...] = (), options: tuple[Option, ...] = (),
          latex: str = "", aliases: tuple[str, ...] = (), outputs: tuple[str, ...] = (),
          example: Mapping[str, Any] = {}) -> Composite:
    """Return the row of a function of whole arrays; `shapes` and `example` are those of its documentation."""
    head = latex or rf"\operatorname{{{name.replace('_', chr(92) + ',')}}}"
    return Composite(name, params, graph, head, source, defaults, options, aliases=aliases, entrywise=False,
                     outputs=outputs, statement=statement, example=(shapes, example))


def needs_rank(name: str, x: Node, least: int) -> None:
    """Raise ShapeError where an operand has too few axes."""
    if x.rank < least:
        raise ShapeError(f"{name}: {describe(x)} has shape {show(x.shape)}; at least {least} "
                         f"{'axis is' if least == 1 else 'axes are'} needed")
