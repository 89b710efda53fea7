"""Losses as rows of data: each is a graph of simpler functions, elementwise and unreduced.

No loss has a derivative of its own: its gradient comes from the functions it is made of. Adding one is adding a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from symgrad.engine.derivation import Call
from symgrad.graph.node import Node, apply


@dataclass(frozen=True)
class Composite:
    """A function of several operands that stands for its graph.

    graph   the operands' nodes -> the node of the value
    latex   the name in LaTeX, or a template with one {} an operand
    source  where the formula is stated in print
    """

    name: str
    params: tuple[str, ...]
    graph: Callable[..., Node]
    latex: str
    source: str

    def __call__(self, *args: Node | int | float) -> Node:
        return self.graph(*args)


def _log(x: Node) -> Node:
    return apply("log", x)


COMPOSITES: tuple[Composite, ...] = (
    Composite("bce", ("p", "y"), lambda p, y: -(y * _log(p) + (1 - y) * _log(1 - p)),
              r"\operatorname{BCE}", "Bishop (2006), eq. 4.90"),
    Composite("bce_with_logits", ("z", "y"), lambda z, y: apply("softplus", z) - y * z,
              r"\operatorname{BCE}_{\mathrm{logits}}", "Bishop (2006), eq. 4.90 with p = sigmoid(z)"),
    Composite("mse", ("a", "b"), lambda a, b: (a - b) ** 2, r"\operatorname{SE}", "Bishop (2006), eq. 1.2"),
    Composite("kl", ("p", "q"), lambda p, q: p * (_log(p) - _log(q)), r"\operatorname{KL}",
              "Bishop (2006), eq. 1.113, unreduced"),
)  # fmt: skip
BY_NAME: dict[str, Composite] = {c.name: c for c in COMPOSITES}


def called(name: str, args: Iterable[Node], keywords: tuple[tuple[str, object], ...] = ()) -> Call:
    """Return the record of a loss as it was written, with the LaTeX of its row.

    >>> from symgrad.graph.node import var
    >>> called("mse", [var("a"), var("b")]).latex
    '\\\\operatorname{SE}'
    """
    row = BY_NAME.get(name)
    return Call(name, tuple(args), keywords, row.latex if row is not None else "")
