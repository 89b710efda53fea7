"""What sizes must satisfy so that subscripts, paddings and windows mean what they say: x[:5] takes 5 entries or more.

Shapes are settled before sizes are known, so nothing is cut short as NumPy would: a size that does not fit is an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import sympy as sp

from symgrad.errors import ShapeError
from symgrad.graph.node import Node, describe
from symgrad.graph.text import plain_name, subscript_text
from symgrad.rules.arrays import array_row
from symgrad.shapes import Dim, as_sympy, evaluate, fits_always, show, spelled


@dataclass(frozen=True)
class Need:
    """A node means what it says where `room` is 0 or larger."""

    node: Node
    room: sp.Expr

    @property
    def sides(self) -> tuple[Dim, Dim]:
        """Two sizes without a minus sign; the first is at least the second."""
        coefficients = sp.expand(self.room).as_coefficients_dict()
        given = coefficients.values()
        by = sp.Rational(sp.ilcm(*(c.q for c in given)), sp.igcd(*(c.p for c in given)))
        terms = [c * by * t for t, c in coefficients.items()]
        more = sp.Add(*(t for t in terms if not t.could_extract_minus_sign()))
        less = sp.Add(*(-t for t in terms if t.could_extract_minus_sign()))
        return (int(more) if more.is_Integer else more), (int(less) if less.is_Integer else less)

    @property
    def words(self) -> str:
        """The condition as text, a number behind the names: n >= 4, n <= 6."""
        more, less = (plain_name(spelled(d)) for d in self.sides)
        return f"{less} <= {more}" if isinstance(self.sides[0], int) else f"{more} >= {less}"

    def what(self, names: Mapping[Node, str]) -> str:
        """What has the need: a subscript or a function of its operands, or an array with its shape."""
        def called(n: Node) -> str:
            made = {"array": f"{n.attr[0]}(...)", "einsum": "an array"}.get(n.op) if n.attr else None
            return plain_name(names.get(n) or made or describe(n))

        def shaped(n: Node) -> str:
            return f"{called(n)} {plain_name(show(n.shape))}"

        node = self.node
        if node.op != "array":
            return shaped(node)
        row = array_row(node)
        if row.name == "index":
            x = node.args[0]
            return f"{called(x)}[{subscript_text(row.given(node)['subscript'])}] of {shaped(x)}"
        return f"{row.name}({', '.join(map(shaped, node.args))}) of shape {plain_name(show(node.shape))}"


@lru_cache(maxsize=16384)
def needs_of(node: Node) -> tuple[Need, ...]:
    """Return what a node by itself needs of the sizes; nothing where every size will do."""
    rooms: list[Dim] = []
    if node.op == "array":
        row = array_row(node)
        options = row.given(node)
        shapes = [a.shape for a in node.args]
        if row.rooms is not None:
            rooms += row.rooms(*shapes, **options)
        for k, dim in (row.indices(*shapes, **options) if row.indices is not None else {}).items():
            chosen = _number(node.args[k])
            if chosen is not None:
                rooms.append(dim - 1 - chosen if chosen >= 0 else dim + chosen)
    if node.op in ("array", "var", "const", "einsum"):  # the others have a shape that one of their operands has
        rooms += [d - 1 for d in (*node.shape, *(node.attr[2] if node.op == "einsum" else ()))]
    return tuple(Need(node, as_sympy(r)) for r in dict.fromkeys(rooms) if not fits_always(r))


def _number(node: Node) -> int | None:
    """Return the whole number that stands in every place of a constant, broadcast or not."""
    if node.op == "einsum" and node.attr[0] == ((),):
        node = node.args[0]
    return int(node.value) if node.op == "const" and isinstance(node.value, int) else None


def needs(nodes: Iterable[Node], inputs: Iterable[Node] = ()) -> list[Need]:
    """Return what nodes need of the sizes, and of every name in the shapes of inputs that it is 1 or more.

    Of needs that differ in a number only the strongest counts.
    """
    strongest: dict[sp.Expr, tuple[sp.Expr, Need]] = {}
    own = [Need(x, s - 1) for x in inputs for d in x.shape for s in sorted(as_sympy(d).free_symbols, key=str)]
    for need in [*own, *(n for node in nodes for n in needs_of(node))]:
        number, names = sp.expand(need.room).as_coeff_Add()
        if names not in strongest or number < strongest[names][0]:
            strongest[names] = number, need
    return [need for _, need in strongest.values()]


def met(need: Need, sizes: Mapping[str, int]) -> bool:
    """Return whether numbers for the sizes do for a need."""
    return evaluate(need.room, sizes) >= 0


def require(wanted: Iterable[Need], sizes: Mapping[str, int]) -> None:
    """Raise ShapeError for the first need that the sizes do not meet."""
    for need in wanted:
        if not met(need, sizes):
            here = ", ".join(f"{plain_name(s)} is {sizes[s]}" for s in sorted(s.name for s in need.room.free_symbols))
            raise ShapeError(f"{need.what({})}: {need.words} is needed, and {here}. Give other sizes")
