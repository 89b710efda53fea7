"""Recognise expanded spellings of known functions in what the user wrote."""

from __future__ import annotations

from collections.abc import Sequence

from symgrad.engine.rewrite import Applied, rewrite
from symgrad.graph.node import Node
from symgrad.rules.algebra import RECOGNITION


def recognise(roots: Sequence[Node]) -> tuple[list[Node], list[Applied]]:
    """Return the roots with expanded spellings replaced by the function they spell, and the rewrites made.

    Formula: the rows of `symgrad.rules.algebra`, for instance 1/(1 + exp(-x)) = sigmoid(x).
    Shapes: every node keeps its shape; pass all named nodes as roots to learn what each became.

    >>> from symgrad.graph.node import apply, var
    >>> z = var("z", ("n", 3))
    >>> (p,), log = recognise([1 / (apply("exp", -z) + 1)])
    >>> p is apply("sigmoid", z), log[0].rule
    (True, 'sigmoid_spelled_out')
    """
    return rewrite(roots, RECOGNITION)
