"""Recognise expanded spellings of known functions in what the user wrote."""

from __future__ import annotations

from collections.abc import Sequence

from symgrad.engine.assumptions import Assumption
from symgrad.engine.rewrite import Applied, rewrite
from symgrad.engine.simplify import Simplifier
from symgrad.graph.node import Node, replace, topological
from symgrad.rules.algebra import RECOGNITION
from symgrad.rules.elementwise import ARITHMETIC

_ARITHMETIC = frozenset(f.name for f in ARITHMETIC)


def recognise(roots: Sequence[Node], assumptions: Sequence[Assumption] = ()) -> tuple[list[Node], list[Applied]]:
    """Return the roots with expanded spellings replaced by the function they spell, and the rewrites made.

    Formula: the rows of `symgrad.rules.algebra`, for instance 1/(1 + exp(-x)) = sigmoid(x).
    Shapes: every node keeps its shape; pass all named nodes as roots to learn what each became.

    >>> from symgrad.graph.node import apply, var
    >>> z = var("z", ("n", 3))
    >>> (p,), log = recognise([1 / (apply("exp", -z) + 1)])
    >>> p is apply("sigmoid", z), log[0].rule
    (True, 'sigmoid_spelled_out')
    """
    new, log = rewrite(roots, RECOGNITION, assumptions)
    written = topological(roots)
    known = set(written)
    # an argument that nobody wrote, x - (-x), is put in order: 2*x
    fresh = topological([step.after for step in log], lambda n: () if n in known else n.args)
    made = [a for n in fresh for a in n.args if n not in known and n.op not in _ARITHMETIC]
    simplifier = Simplifier({}, written)
    tidied = {a: simplifier.shorten(a).node for a in made if a not in known and a.op in _ARITHMETIC}
    if not tidied:
        return new, log
    sides = iter(replace([n for a in log for n in (a.before, a.after)], tidied))
    return replace(new, tidied), [a._replace(before=next(sides), after=next(sides)) for a in log]
