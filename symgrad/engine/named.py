"""Functions that a user named, as they are read and run: derivatives derived once, simplified, and put in place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from symgrad.engine.derivation import Record
from symgrad.engine.derive import derive
from symgrad.engine.recognise import recognise
from symgrad.engine.rows import instance, parameters
from symgrad.graph.node import NAMED, Node, const, make, replace, topological


@lru_cache(maxsize=512)
def worked_out(attr: tuple[Any, ...]) -> Node:
    """Return the body of a named function or of a derivative of it, in its shortest form."""
    record = derivation(attr)
    if record is None:
        out: Node = recognise([attr[2]])[0][0] if not attr[4] else const(0)
        return out
    return record.results[record.wrt[0]]


def derivation(attr: tuple[Any, ...]) -> Record | None:
    """Return the derivation of a derivative of a named function, None for the function itself and where it is 0."""
    *orders, last = attr[4] or (None,)
    if last is None:
        return None
    before = (*attr[:4], tuple(orders), attr[5])
    body, x = worked_out(before), parameters(attr)[last]
    return derive(body, [x], {}, kink=attr[5], loss_name="y") if x in topological([body]) else None


def functions(roots: Iterable[Node]) -> list[tuple[Any, ...]]:
    """Return the named functions below the roots and in what these stand for, those that others use first."""
    def below(n: Node) -> Sequence[Node]:
        return (*n.args, n.attr[2], worked_out(n.attr)) if n.op == NAMED else n.args

    return list(dict.fromkeys(n.attr for n in topological(roots, below) if n.op == NAMED))


def generic(attr: tuple[Any, ...]) -> Node:
    """Return the function applied to its own parameters."""
    return make(NAMED, parameters(attr), attr, ())


def inline(roots: Sequence[Node]) -> list[Node]:
    """Return the roots with every named function written in its body."""
    def rebuild(n: Node, args: tuple[Node, ...]) -> Node:
        if n.op == NAMED:
            return instance(worked_out(n.attr), n.attr, args)
        return n if args == n.args else make(n.op, args, n.attr, n.shape)

    out = list(roots)
    while any(n.op == NAMED for n in topological(out)):
        out = replace(out, {}, rebuild)
    return out
