"""Functions of whole arrays, one row each: shape, pullback, definition, value, NumPy spelling.

Adding a function is adding a row to the file of its kind; no other file changes. A pullback is written in the cotangent
c, the output y and the operands.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from symgrad.errors import NoRule, suggest
from symgrad.graph.node import Node, topological
from symgrad.rules.indexing import INDEXING
from symgrad.rules.linalg import LINALG
from symgrad.rules.matrix_functions import matrix_functions
from symgrad.rules.moves import CONCATENATE, INDEX, MOVES
from symgrad.rules.products import PRODUCTS
from symgrad.rules.reductions import MAX, REDUCTIONS
from symgrad.rules.row import ArrayFunction
from symgrad.rules.spectral import SPECTRAL
from symgrad.shapes import Dim

ARRAY_FUNCTIONS: tuple[ArrayFunction, ...] = (
    *MOVES, *INDEXING, *REDUCTIONS, *PRODUCTS, *LINALG, *SPECTRAL, *matrix_functions(INDEX, CONCATENATE, MAX))
BY_NAME: dict[str, ArrayFunction] = {name: f for f in ARRAY_FUNCTIONS for name in (f.name, *f.aliases)}


def array_row(node: Node) -> ArrayFunction:
    """Return the row of an `array` node."""
    name = node.attr[0]
    if name not in BY_NAME:
        raise NoRule(f"no row for the array function {name!r}; add one to symgrad/rules/arrays.py."
                     f"{suggest(name, BY_NAME)}")
    return BY_NAME[name]


def passing(node: Node) -> Sequence[Node]:
    """Return the arguments of a node that a derivative can pass through: not those that only choose entries."""
    if node.op != "array":
        return node.args
    row = array_row(node)
    if row.whole:
        return ()
    if row.indices is None:
        return node.args
    chosen = row.indices(*(a.shape for a in node.args), **row.given(node))
    return [a for k, a in enumerate(node.args) if k not in chosen]


def index_bounds(nodes: Iterable[Node]) -> dict[Node, dict[Dim, bool]]:
    """Return for each node that chooses entries the sizes below which it lies, and whether it may count from the end.

    What only moves whole numbers about hands the bound on to them.
    """
    bounds: dict[Node, dict[Dim, bool]] = {}
    order = list(nodes)
    for node in order:
        row = array_row(node) if node.op == "array" else None
        if row is not None and row.indices is not None:
            for place, dim in row.indices(*(a.shape for a in node.args), **row.given(node)).items():
                own = bounds.setdefault(node.args[place], {})
                own[dim] = own.get(dim, True) and row.wraps
    for node in reversed(order):
        moves = (node.op == "einsum" and len(node.args) == 1 and _sums_nothing(*node.attr)) or (
            node.op == "array" and array_row(node).linear)
        for arg in passing(node) if moves and node in bounds else ():
            for dim, wraps in bounds[node].items():
                own = bounds.setdefault(arg, {})
                own[dim] = own.get(dim, True) and wraps
    return bounds


def _sums_nothing(ins: tuple[tuple[int, ...], ...], out: tuple[int, ...], sizes: tuple[Dim, ...]) -> bool:
    return all(i in out or sizes[i] == 1 for i in ins[0])


_KEEP_WHOLE = frozenset({"add", "sub", "mul", "neg", "abs", "sign", "maximum", "minimum", "gt", "ge", "lt", "le", "eq",
                         "ne"})


def is_whole(node: Node) -> bool:
    """Whether every entry of a node is a whole number by what it is made of."""
    known: dict[Node, bool] = {}
    for n in topological([node]):
        below = [known[a] for a in n.args]
        if n.op in ("var", "const"):
            known[n] = n.attr[1] == "int" if n.op == "var" else isinstance(n.value, int)
        elif n.op == "where":
            known[n] = all(below[1:])
        elif n.op == "array":
            row = array_row(n)
            known[n] = row.whole or (row.linear and below[0])
        else:
            known[n] = n.op == "size" or ((n.op in _KEEP_WHOLE or n.op == "einsum") and all(below))
    return known[node]
