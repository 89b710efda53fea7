"""Turn derived nodes into nodes that keep their digits in floating point and that NumPy has functions for."""

from __future__ import annotations

from collections.abc import Sequence

from symgrad.engine.assumptions import Assumption
from symgrad.engine.cones import guard
from symgrad.engine.factorise import factorise
from symgrad.engine.guards import Defined, kept_in, undefined_step
from symgrad.engine.named import inline
from symgrad.engine.ranges import Ranges
from symgrad.engine.rewrite import Applied, rewrite, transform
from symgrad.engine.rows import row_of
from symgrad.engine.views import Views
from symgrad.errors import InputError, NoRule
from symgrad.graph.node import Node, topological
from symgrad.graph.ops import STRUCTURAL
from symgrad.rules.algebra import RECOGNITION
from symgrad.rules.arrays import BY_NAME, array_row
from symgrad.rules.stability import ACCURATE, DEFAULT, SHARING

LEVELS = {"default": RECOGNITION + DEFAULT, "accurate": RECOGNITION + DEFAULT + ACCURATE}


def stabilise(roots: Sequence[Node], level: str = "default", asked: int | None = None,
              assumptions: Sequence[Assumption] = (), values: int | None = None) -> tuple[list[Node], list[Applied]]:
    """Return the roots in forms for floating point, in functions that have code, and the rewrites made.

    Formula: the rows of `symgrad.rules.stability`, for instance log(sigmoid(x)) = -softplus(-x); then functions without
    a ufunc by their machine form, so written that softplus(z), softplus(-z) and sigmoid(z) share exp(-|z|).
    Inverses are applied by solving, and what needs one factorisation shares it; of the roots only the first `asked` are
    computed for their own sake, the others being names for what occurs in them. A row with a condition is used where
    ranges and the assumptions say that it holds. The first `values` roots (all without it) are what somebody wrote and
    undefined where a part of it is; in the others, cotangents, what a guard leaves out is 0.
    Call it on derivatives, never on what is still to be derived. `level` is 'default' (no overflow, no warning, no loss
    of speed) or 'accurate' (relative accuracy of 1 - sigmoid and 1 - tanh**2 too, for one more exponential each).
    Shapes: every root keeps its shape.
    Raises: InputError for another level; NoRule for a function without any form for NumPy.

    >>> from symgrad.graph.node import apply, var
    >>> z = var("z")
    >>> (value,), log = stabilise([apply("log", apply("sigmoid", z))])
    >>> [step.rule for step in log]
    ['log_of_sigmoid', 'machine_softplus', 'abs_of_minus']
    """
    if level not in LEVELS:
        raise InputError(f"level is {' or '.join(map(repr, LEVELS))}, not {level!r}")
    nodes, rewrites = rewrite(inline(roots), LEVELS[level], assumptions)
    views = Views()
    nodes, tips = transform(nodes, lambda node: guard(node, views))
    defined = Defined(Ranges(assumptions))
    nodes, steps = transform(nodes, lambda node: undefined_step(node, defined))
    written = set(topological(nodes[:values]))
    nodes, kept = transform(nodes, lambda node: None if node in written else kept_in(node, views, defined))
    nodes, forms = transform(nodes, _machine_form)
    nodes, shared = rewrite(nodes, SHARING, assumptions)
    nodes, solved = factorise(nodes, asked)
    return nodes, rewrites + tips + steps + kept + forms + shared + solved


def _machine_form(node: Node) -> tuple[str, Node] | None:
    if node.op == "array":
        array = array_row(node)
        form = None if array.numpy else array.machine or array.definition
        return None if form is None else (f"machine_{array.name}", form(*node.args, **array.given(node)))
    if node.op in STRUCTURAL:
        return None
    if node.op == "log" and node.args[0].op == "array" and array_row(node.args[0]).log:
        inner = array_row(node.args[0])
        return f"log_of_{inner.name}", BY_NAME[inner.log](*node.args[0].args, **inner.given(node.args[0]))
    row = row_of(node)
    if row.numpy is not None or (row.double is not None and row.machine is None):
        return None
    if row.machine is not None:
        return f"machine_{row.name}", row.machine(*node.args, *node.attr)
    if row.definition is not None:
        return f"definition_{row.name}", row.definition(*node.args, *node.attr)
    raise NoRule(f"the row of {row.name!r} has no NumPy name, no machine form and no definition; give it one of them")
