"""Functions without a NumPy ufunc, written out: by machine form for kernels, by definition for plain code."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from symgrad.engine.rows import find
from symgrad.errors import NoRule, suggest
from symgrad.graph.node import Node, make, replace, topological
from symgrad.kernels.plan import COMPARISONS
from symgrad.rules.arrays import array_row
from symgrad.rules.elementwise import BY_NAME, FUNCTIONS

DIRECT = frozenset(f.name for f in FUNCTIONS if f.numpy is not None) | COMPARISONS
REAL = frozenset(f.name for f in FUNCTIONS if f.numpy_is_real)
CALLED = frozenset(f.name for f in FUNCTIONS if f.numpy is None and f.double is not None and f.machine is None)


def _direct(node: Node, stable: bool, calls: bool) -> bool:
    """Whether NumPy has the operation, or the kernel calls a function of its own for it.

    Code that is not `stable` is run on complex numbers as well, so NumPy's function has to take them.
    """
    if node.op == "array":
        return bool(array_row(node).numpy)
    return not node.is_elementwise or (node.op in DIRECT and (stable or node.op not in REAL)) \
        or (calls and node.op in CALLED)


def _expand(node: Node, args: tuple[Node, ...], stable: bool, calls: bool) -> Node:
    if node.op == "array" and not _direct(node, stable, calls):
        array = array_row(node)
        whole = (array.machine or array.definition) if stable else (array.definition or array.machine)
        if whole is None:
            raise NoRule(f"{array.name!r} has neither a NumPy spelling nor a definition; add one to its row")
        return whole(*args, **array.given(node))
    if _direct(node, stable, calls):
        return node if args == node.args else make(node.op, args, node.attr, node.shape)
    row = find(node)
    form: Callable[..., Node] | None = None
    if row is not None:
        stable_form = row.machine or row.double or row.definition
        plain_form = row.branches or row.definition or row.machine or row.double
        form = stable_form if stable else plain_form
    if form is None:
        known = "" if row is not None else suggest(node.op, BY_NAME)
        raise NoRule(f"{node.op!r} has neither a NumPy function nor a definition; add one to its row.{known}")
    return form(*args, *node.attr)


def expand(roots: Sequence[Node], stable: bool = True, calls: bool = False) -> list[Node]:
    """Return the roots in functions that NumPy has; `stable` prefers forms that neither overflow nor warn.

    With `calls` a function that has a form to double precision only (erf, gamma) stays, for a function of its own.

    Raises: NoRule for a function that has no form in simpler functions.
    """
    out = list(roots)
    for _ in range(len(FUNCTIONS) + 1):  # a definition may use a function that has one itself
        if all(_direct(n, stable, calls) for n in topological(out)):
            return out
        out = replace(out, {}, lambda n, args: _expand(n, args, stable, calls))
    raise NoRule("a definition in the table of functions leads back to itself")
