"""Nodes built as a person would write them: no factor 1, no term 0, no double minus, numbers added up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from symgrad.graph.node import Node, apply, const, einsum, make

_LONGEST = 10**12  # longer numbers are not raised to powers


def is_const(node: Node, value: int) -> bool:
    """Return whether every entry of the node is the given number."""
    return node.op == "const" and not isinstance(node.value, str) and node.value == value


def _number(node: Node) -> int | Fraction | None:
    """Return an exact constant's number; floats and named constants are left alone."""
    exact = node.op == "const" and isinstance(node.value, (int, Fraction)) and not isinstance(node.value, bool)
    return node.value if exact else None


def tidy(op: str, args: Sequence[Node], attr: tuple[Any, ...], shape: Any) -> Node:
    """Build a node, leaving out what nobody writes: x*1, x/1, x+0, x*0, x**1, --x, and sums of numbers."""
    nums = [_number(a) for a in args]
    a, b = (args[0], args[1]) if len(args) == 2 else (args[0] if args else None, None)
    if op in ("add", "sub", "mul", "div", "pow") and a is not None and b is not None:
        x, y = nums
        if x is not None and y is not None:
            folded = _fold(op, x, y)
            if folded is not None:
                return const(folded, shape)
        if op == "mul":
            if x == 1:
                return b
            if y == 1:
                return a
            if x == 0 or y == 0:
                return const(0, shape)
            if x == -1:
                return negate(b)
            if y == -1:
                return negate(a)
        if op == "div" and y == 1:
            return a
        if op == "pow" and y == 1:
            return a
        if op == "pow" and y == 0:
            return const(1, shape)
        if op in ("add", "sub") and y == 0:
            return a
        if op == "add" and x == 0:
            return b
        if op == "sub" and x == 0:
            return negate(b)
        if op == "add" and b.op == "neg":
            return make("sub", (a, b.args[0]), (), shape)
        if op == "sub" and b.op == "neg":
            return make("add", (a, b.args[0]), (), shape)
    if op == "neg" and a is not None:
        return negate(a)
    return make(op, args, attr, shape)


def _fold(op: str, x: int | Fraction, y: int | Fraction) -> int | Fraction | None:
    if op == "add":
        return x + y
    if op == "sub":
        return x - y
    if op == "mul":
        return x * y
    if op == "div":
        return None if y == 0 else Fraction(x) / y
    if isinstance(y, int) and abs(y) <= 64 and (x != 0 or y > 0) and -_LONGEST < x < _LONGEST:
        power: Fraction = Fraction(x) ** y
        return power
    return None


def without_minus(x: Node) -> Node | None:
    """Return -x where x is written with a minus sign in front (of a product or of its first factor), else None."""
    spine: list[Node] = []
    first = x
    while first.op in ("mul", "div"):
        spine.append(first)
        first = first.args[0]
    number = _number(first)
    if first.op == "neg":
        out = first.args[0]
    elif number is not None and number < 0:
        out = const(-number, first.shape)
    else:
        return None
    for outer in reversed(spine):
        out = tidy(outer.op, (out, outer.args[1]), (), outer.shape)
    return out


def negate(x: Node) -> Node:
    """Return -x; --x is x, and a minus sign in front of a product goes away."""
    plain = without_minus(x)
    if plain is not None:
        return plain
    number = _number(x)
    return const(-number, x.shape) if number is not None else make("neg", (x,), (), x.shape)


def times(c: Node, d: Node) -> Node:
    """Return the elementwise product c*d of one shape, a factor 1 or -1 not written and c*(1/b) written c/b."""
    if c.shape != d.shape:
        product = apply("mul", c, d)
        c, d = product.args
    if d.op == "div" and is_const(d.args[0], 1):
        return make("div", (c, d.args[1]), (), c.shape)
    return tidy("mul", (c, d), (), c.shape)


def plus(a: Node, b: Node) -> Node:
    """Return a+b of one shape, written a-b' where b is -b'."""
    positive = without_minus(b)
    return tidy("add", (a, b), (), a.shape) if positive is None else tidy("sub", (a, positive), (), a.shape)


def contract(
    labels: Sequence[Sequence[Any]], args: Sequence[Node], out: Sequence[Any], sizes: Mapping[Any, Any]
) -> Node:
    """Return the einsum with constant arguments taken out as a number in front; a plain broadcast is looked through."""
    kept_labels: list[Sequence[Any]] = []
    kept: list[Node] = []
    factor: int | Fraction | float = 1
    for lab, arg in zip(labels, args):
        if arg.op == "const" and not isinstance(arg.value, str):
            factor = factor * arg.value
            continue
        if arg.op == "einsum" and len(arg.args) == 1 and len(set(arg.attr[1])) == len(arg.attr[1]):
            inner, outer, _ = arg.attr
            if set(inner[0]) <= set(outer) and len(set(inner[0])) == len(inner[0]):
                # a broadcast or a transposition: name the inner axes by the labels they land on
                where = dict(zip(outer, lab))
                lab, arg = [where[i] for i in inner[0]], arg.args[0]
        kept_labels.append(list(lab))
        kept.append(arg)
    present = {x for lab in kept_labels for x in lab} | set(out)
    for lab in labels:
        for x in lab:
            if x not in present:  # summed, and no argument left that carries it: a factor of its size
                present.add(x)
                if sizes[x] != 1:
                    extra = make("size", (), (sizes[x],), ()) if not isinstance(sizes[x], int) else const(sizes[x])
                    kept_labels.append([])
                    kept.append(extra)
    shape = tuple(sizes[x] for x in out)
    if not kept and len(set(out)) == len(out):
        return const(factor, shape)
    result = einsum(kept_labels, kept, out, sizes)
    return result if factor == 1 else times(const(factor, shape), result)
