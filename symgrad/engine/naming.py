"""Which intermediate nodes of a derivation get a name, and which name.

Named nodes are where contributions meet and where a cotangent is written down; between them lie short regions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import sympy as sp

from symgrad.engine.rows import find, row_of
from symgrad.graph.node import NAMED, Node, topological
from symgrad.rules.arrays import array_row
from symgrad.rules.elementwise import ARITHMETIC, BY_NAME

_ARITHMETIC = frozenset(f.name for f in ARITHMETIC)
_REGION = 12  # operations between two names; a longer stretch is cut


def uses_output(op: str) -> bool:
    """Return whether the derivative of a function is written in its own output."""
    row = BY_NAME[op]
    x = row.placeholders
    y = row(*x)
    return any(d is not None and y in topological([d]) for d in row.derivative(y, *x))


_USES_OUTPUT = frozenset(f.name for f in BY_NAME.values() if f.name not in _ARITHMETIC and uses_output(f.name))


def name_nodes(
    loss: Node,
    given: Mapping[Node, str],
    active: Iterable[Node],
    hints: Mapping[Node, str],
    reserved: Iterable[str] = (),
    loss_name: str = "L",
) -> dict[Node, str]:
    """Return every named node: the given names, and new ones where a derivation needs them.

    A new name is none that means something: no name in `given` or `reserved`, none of a variable, a size or a function
    of the user's below the loss.
    """
    live = set(active)
    order = [n for n in topological([loss]) if n in live]
    edges: dict[Node, int] = {}
    for n in order:
        for a in n.args:
            edges[a] = edges.get(a, 0) + 1
    names = dict(given)
    taken = _Names([*names.values(), *reserved, *meant([loss])])
    if loss not in names and not loss.is_leaf:
        names[loss] = taken.fresh(loss_name)
    contains_einsum: set[Node] = set()
    wanted: set[Node] = set()
    depth: dict[Node, int] = {}
    symbols: dict[Node, str] = {}  # the customary name of an output that its own derivative uses
    for n in order:
        if (n.op == "einsum" and n.args) or any(a in contains_einsum for a in n.args):
            contains_einsum.add(n)
        size = 1 + sum(depth.get(a, 0) for a in n.args)
        array = array_row(n) if n.op == "array" else None
        own = n.op in _USES_OUTPUT or (array is not None and array.uses_output(n))
        keep = n in hints or edges.get(n, 0) > 1 or own or size > _REGION
        if own:
            symbols[n] = array.symbol if array is not None else row_of(n).symbol
        if n.is_elementwise and n.op not in _ARITHMETIC:
            row = find(n)
            if row is not None and row.definition is not None and len(n.args) == 1 and n.args[0] in contains_einsum:
                wanted.add(n.args[0])  # the pre-activation
        if keep:
            wanted.add(n)
        if n in names or n in wanted:
            depth[n] = 0
            contains_einsum.discard(n)
        else:
            depth[n] = size
    for n in order:
        if n in names or n.is_leaf or n not in wanted:
            continue
        base = hints.get(n) or (
            symbols.get(n, "z" if n.rank and n in wanted else "u")
        )
        names[n] = taken.fresh(base.upper() if n.rank == 2 and len(base) == 1 else base)
    return {n: names[n] for n in topological([loss, *given]) if n in names}


def meant(roots: Sequence[Node]) -> set[str]:
    """Return the names that stand below nodes: of variables, of sizes and of functions that a user named.

    >>> from symgrad.graph.node import var
    >>> sorted(meant([var("x", ("n",))]))
    ['n', 'x']
    """
    nodes = topological(roots)
    dims = (d for n in nodes
            for d in (n.attr if n.op == "size" else (*n.shape, *n.attr[2]) if n.op == "einsum" else n.shape))
    return {*(n.name for n in nodes if n.op == "var"), *(n.attr[0] for n in nodes if n.op == NAMED),
            *(s.name for d in dims if isinstance(d, sp.Expr) for s in d.free_symbols)}


class _Names:
    """The names that are taken, and the numbers of those that end in one; a fresh name costs one look."""

    def __init__(self, names: Iterable[str]) -> None:
        self.taken: set[str] = set()
        self.last: dict[str, tuple[str, int]] = {}  # stem -> what stands before the number, the largest number
        for name in names:
            self._add(name)

    def _add(self, name: str) -> None:
        self.taken.add(name)
        numbered = re.fullmatch(r"(.*?)(_?)(\d{1,9})", name, re.DOTALL)
        if numbered is not None:
            stem, mark, digits = numbered.groups()
            first, largest = self.last.get(stem, (mark, 0))
            self.last[stem] = (first, max(largest, int(digits)))

    def fresh(self, base: str) -> str:
        """Return `base`, or the next of `base1`, `base2`, ... or `base_1`, ... where it is taken."""
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", base):
            base = "u"
        if base in self.last:  # Z1 is there already: go on with Z2
            mark, largest = self.last[base]
            name = f"{base}{mark}{largest + 1}"
        else:
            name = f"{base}_1" if base in self.taken else base
        self._add(name)
        return name
