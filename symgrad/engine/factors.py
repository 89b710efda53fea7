"""A node as a product of factors, each read at the indices that it depends on and no others."""

from __future__ import annotations

from collections.abc import Container
from fractions import Fraction
from typing import Any, TypeAlias

from symgrad.engine.tidy import tidy
from symgrad.graph.node import Node, const, einsum, make

Labels: TypeAlias = "tuple[Any, ...]"
Factor: TypeAlias = "tuple[Node, Labels]"
Number: TypeAlias = "int | float | Fraction"


def factors_of(
    node: Node, labels: Labels, one: Classes, named: Container[Node]
) -> tuple[Number, list[Factor]]:
    """Return a node as a number and factors, each with the indices that it depends on alone.

    Where the node is zero but on a diagonal, the labels along it are joined in `one`.
    """
    number: Number = 1
    out: list[Factor] = []
    stack: list[tuple[Node, Labels, bool]] = [(node, labels, False)]
    while stack:
        n, lab, under = stack.pop()
        plain = n.op == "const" and not isinstance(n.value, (str, bool))
        if plain and not (under and n.value == 0):
            number = number / _exact(n.value) if under else number * n.value
        elif n in named:
            out.append(_below(n, lab) if under else (n, lab))
        elif n.op in ("const", "size"):
            alone = make(n.op, (), n.attr, ())
            out.append(_below(alone, ()) if under else (alone, ()))
        elif n.op == "neg":
            number = -number
            stack.append((n.args[0], lab, under))
        elif n.op == "einsum" and _has_free_axes(n) and not (under and len(set(n.attr[1])) < n.rank):
            where: dict[int, Any] = {}
            for i, x in zip(n.attr[1], lab):
                one.join(where.setdefault(i, x), x)
            if _sums(n):
                whole = _core(n)
                out.append(_below(whole, tuple(where[i] for i in kept(n))) if under else
                           (whole, tuple(where[i] for i in kept(n))))
            else:
                stack += [(a, tuple(where[i] for i in own), under)
                          for a, own in reversed([*zip(n.args, n.attr[0])])]
        elif n.op in ("mul", "div") and (n.op == "div" or any(_is_wide(a) for a in n.args)) and (
                _is_wide(n.args[0]) or _is_wide(n.args[1])):
            stack.append((n.args[1], lab, under != (n.op == "div")))
            stack.append((n.args[0], lab, under))
        else:
            out.append(_below(n, lab) if under else (n, lab))
    return number, out


def _below(node: Node, labels: Labels) -> Factor:
    return tidy("div", (const(1, node.shape), node), (), node.shape), labels


def _exact(value: Number) -> Number:
    return Fraction(value) if isinstance(value, int) else value


def kept(node: Node) -> list[int]:
    """Return the indices of an einsum that it keeps and an operand carries."""
    ins, out, _ = node.attr
    return [i for i in dict.fromkeys(out) if any(i in own for own in ins)]


def _core(node: Node) -> Node:
    """Return an einsum without the axes along which nothing varies and without deltas."""
    return einsum(node.attr[0], node.args, kept(node))


def _sums(node: Node) -> bool:
    """Whether an einsum sums over an index or takes a diagonal."""
    ins, out, _ = node.attr
    return any(not set(own) <= set(out) or len(set(own)) < len(own) for own in ins)


def _has_free_axes(node: Node) -> bool:
    """Whether an einsum is a product over different indices, a broadcast, a transposition or a diagonal matrix."""
    return not _sums(node) or len(kept(node)) < node.rank


def _is_wide(node: Node) -> bool:
    """Whether a node is a value repeated along an axis, a diagonal matrix, or a product over different indices."""
    if node.op in ("const", "size"):
        return True
    if node.op == "neg":
        node = node.args[0]
    return node.op == "einsum" and (len(kept(node)) < node.rank or (
        not _sums(node) and any(len(own) < node.rank for own in node.attr[0])))


class Classes:
    """Labels that were found to be one, each class with the member that stands for it."""

    def __init__(self) -> None:
        self.above: dict[Any, Any] = {}

    def of(self, x: Any) -> Any:
        while x in self.above:
            x = self.above[x]
        return x

    def join(self, a: Any, b: Any) -> None:
        a, b = self.of(a), self.of(b)
        if a != b:
            self.above[b] = a
