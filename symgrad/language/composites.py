"""All losses and layers by name, and the record of a call to one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from symgrad.engine.derivation import Call
from symgrad.graph.node import Node
from symgrad.language.composite import Composite
from symgrad.language.layers import LAYERS
from symgrad.language.losses import AXIS_LOSSES, LOSSES

WHOLE: tuple[Composite, ...] = (*AXIS_LOSSES, *LAYERS)  # of whole arrays
COMPOSITES: tuple[Composite, ...] = (*LOSSES, *WHOLE)
BY_NAME: dict[str, Composite] = {name: row for row in COMPOSITES for name in (row.name, *row.aliases)}


def called(name: str, args: Iterable[Node | None], options: dict[str, Any] | None = None) -> Call:
    """Return the record of a loss or a layer as it was written, with the LaTeX of its row.

    >>> from symgrad.graph.node import var
    >>> called("mse", [var("a"), var("b")]).latex
    '\\\\operatorname{SE}'
    """
    return BY_NAME[name].call(list(args), options or {})


def restored(name: str, args: Sequence[Node], labels: Sequence[str] = (), keywords: Sequence[Any] = ()) -> Call:
    """Return the record of a call that was stored as plain data; a name that is none has no LaTeX."""
    row = BY_NAME.get(name)
    said = tuple((str(k), tuple(v) if isinstance(v, list) else v) for k, v in keywords)
    return Call(name, tuple(args), said, "" if row is None else row.latex, tuple(map(str, labels)))
