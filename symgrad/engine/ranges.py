"""Where the values of a graph may lie: interval arithmetic from the rows, from structure, and from what is assumed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import Any

import mpmath

from symgrad.engine.assumptions import Assumption
from symgrad.engine.evaluate import evaluate
from symgrad.engine.rows import find, row_of
from symgrad.errors import InputError, SymgradError
from symgrad.graph.node import NAMED, Node, apply, topological, var
from symgrad.graph.text import to_text
from symgrad.rules.arrays import array_row
from symgrad.rules.ranges import ALL, INF, Range, point
from symgrad.rules.row import Function
from symgrad.shapes import Dim

_CONSTANTS = {"pi": Range(3.14159, 3.1416), "e": Range(2.71828, 2.71829)}
_FACTS: dict[str, Callable[[Range], Range]] = {
    "gt": lambda r: Range(r.low, INF), "ge": lambda r: Range(r.low, INF, r.at_low),
    "lt": lambda r: Range(-INF, r.high), "le": lambda r: Range(-INF, r.high, False, r.at_high), "eq": lambda r: r,
}  # fmt: skip
_TURNED = {"gt": "lt", "lt": "gt", "ge": "le", "le": "ge", "eq": "eq"}
_DIGITS = 30
_DEPTH = 3  # whether f is monotone its derivative says; whether that is of one sign may need its own
_monotone: dict[tuple[str, tuple[Any, ...], Range, int], Range] = {}


class Ranges:
    """The ranges of nodes under some assumptions; `fired` collects those that a range rests on."""

    def __init__(self, assumptions: Sequence[Assumption] = (), depth: int = 0) -> None:
        self.depth = depth  # of derivatives of derivatives that are looked at
        self.stated: dict[Node, list[tuple[Range, Assumption]]] = {}
        self.known: dict[Node, tuple[Range, frozenset[Assumption]]] = {}
        parts = [(a, part) for a in assumptions for part in a.parts]
        # sides that are numbers come first: the other bounds are read off them
        for a, (op, left, right) in sorted(parts, key=lambda p: not any(n.op == "const" for n in p[1][2])):
            if op == "in":
                values = [_number(m.value) for m in right]
                self._note(left, Range(min(values), max(values), True, True), a)
            elif op in _FACTS:
                self._note(left, _FACTS[op](self.of(right[0])), a)
                self._note(right[0], _FACTS[_TURNED[op]](self.of(left)), a)
                if left.op != "const" and right[0].op != "const":
                    zero = point(0)
                    self._note(apply("sub", left, right[0]), _FACTS[op](zero), a)
                    self._note(apply("sub", right[0], left), _FACTS[_TURNED[op]](zero), a)

    def _note(self, node: Node, found: Range, by: Assumption) -> None:
        inner = _inner(node, found)
        if inner is not None:
            self._note(*inner, by)
        if node.op != "const" and found != ALL:
            self.stated.setdefault(node, []).append((found, by))
            self.known.clear()

    def of(self, node: Node) -> Range:
        """Return a range in which every entry of a node lies."""
        return self.found(node)[0]

    def found(self, node: Node) -> tuple[Range, frozenset[Assumption]]:
        """Return the range of a node and the assumptions it rests on."""
        known = self.known
        for n in topological([node], lambda n: () if n in known or n.op in ("bar", "pull") else n.args):
            if n in known:
                continue
            below = [known[a] for a in n.args] if n.op not in ("bar", "pull") else []
            out = self._image(n, [r for r, _ in below])
            rests = frozenset[Assumption]().union(*(f for _, f in below)) if out != self._bare(n) else frozenset()
            for stated, by in self.stated.get(n, ()):
                narrower = out.meet(stated)
                if narrower != out:
                    out, rests = narrower, rests | {by}
            known[n] = out, rests
        return known[node]

    def _bare(self, n: Node) -> Range:
        """Return the range of a node whose operands may be anything."""
        return self._image(n, [ALL if a.op != "const" else self.of(a) for a in n.args])

    def _image(self, n: Node, args: list[Range]) -> Range:
        if n.op == "const":
            return _CONSTANTS[n.value] if isinstance(n.value, str) else point(_number(n.value))
        if n.op == "size":
            return _size(n.value)
        if n.op == "einsum":
            return _sum_of_products(n, args)
        if n.op == "array":
            row = array_row(n)
            if row.image is not None:
                return row.image(*args) if callable(row.image) else row.image
            return ALL if row.definition is None else self.of(row.definition(*n.args, **row.given(n)))
        if find(n) is not None:
            return _elementwise(n, args, self.depth)
        return ALL


def _inner(node: Node, found: Range) -> tuple[Node, Range] | None:
    """Return what the range of x + c, c - x, c*x, x/c or -x says of x, for a number c."""
    if node.op == "neg":
        return node.args[0], -found
    if node.op not in _ARITHMETIC or len([a for a in node.args if a.op == "const" and _is_number(a)]) != 1:
        return None
    left = node.args[0].op == "const"
    x, value = node.args[left], point(_number(node.args[not left].value))
    if node.op in ("add", "sub"):
        return x, found - value if node.op == "add" else value - found if left else found + value
    if value.low == 0 or (node.op == "div" and left):
        return None
    return x, found.over(value.low) if node.op == "mul" else found * value


def _is_number(node: Node) -> bool:
    return not isinstance(node.value, str) and math.isfinite(node.value)


def _number(value: Any) -> float:
    return float(value)


def _size(dim: Dim) -> Range:
    if isinstance(dim, int):
        return point(dim)
    return Range(1, INF, True) if dim.is_positive else Range(0, INF, True)


def _sum_of_products(n: Node, args: Sequence[Range]) -> Range:
    ins, out, sizes = n.attr
    count = Counter(zip(n.args, ins))
    by = dict(zip(zip(n.args, ins), args))
    total = point(1)
    for factor, times in count.items():
        total = total * by[factor].power(times)
    bound = {x for labels in ins for x in labels} - set(out)
    for x in bound:
        total = _many(total, sizes[x])
    return total.join(point(0)) if len(set(out)) < len(out) else total


def _many(term: Range, dim: Dim) -> Range:
    """Return the range of the sum of as many terms as a size says."""
    if isinstance(dim, int):
        return term * point(dim)
    low = term.low if term.low >= 0 else -INF
    high = term.high if term.high <= 0 else INF
    out = Range(low, high, term.at_low and low == term.low, term.at_high and high == term.high)
    return out if dim.is_positive else out.join(point(0))


def _elementwise(n: Node, args: Sequence[Range], depth: int) -> Range:
    x = args[0]
    if n.op in ("mul", "sub", "div") and n.args[0] is n.args[1]:
        return x.power(2) if n.op == "mul" else point(n.op == "div")
    if n.op in _ARITHMETIC:
        return _ARITHMETIC[n.op](*args)
    if n.op == "pow":
        return _power(n.args[1], args)
    row = row_of(n)
    out = row.image(*args) if callable(row.image) else row.image or ALL
    if row.definition is not None and out == ALL:
        # the definition in variables of those ranges
        inner = Ranges(depth=depth)
        xs = tuple(var(p) for p in row.params)
        inner.known.update((v, (r, frozenset())) for v, r in zip(xs, args))
        out = inner.of(row.definition(*xs, *n.attr))
    return out.meet(_between(row, n, x, out, depth)) if len(args) == 1 and depth < _DEPTH else out


_ARITHMETIC: dict[str, Callable[..., Range]] = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "neg": lambda a: -a, "mul": lambda a, b: a * b,
    "div": lambda a, b: a * b.inverse(),
}  # fmt: skip


def _power(exponent: Node, args: Sequence[Range]) -> Range:
    base, e = args
    if exponent.op == "const" and not isinstance(exponent.value, str) and math.isfinite(exponent.value):
        value = Fraction(exponent.value)
        if value.denominator == 1:
            return base.power(int(value))
    if base.low > 0 or (base.low == 0 and not base.at_low):
        return Range(0, INF)
    return Range(0, INF, True) if base.low >= 0 and e.low >= 0 else ALL


def _between(row: Function, n: Node, x: Range, image: Range, depth: int) -> Range:
    """Return the values between those at the ends of the argument's range, where the function is monotone there.

    Whether it is, the range of its own derivative says.
    """
    key = (n.op, n.attr, x, depth)
    if key not in _monotone:
        whole = n.op != NAMED and _is_defined(row, x)  # what a user wrote may have a pole between
        _monotone[key] = _ends(row, n, x, image, depth) if x != ALL and row.kink is None and whole else ALL
    return _monotone[key]


def _is_defined(row: Function, x: Range) -> bool:
    """Return whether the domain of a function holds every value of its argument but the ends."""
    (domain,) = row.intervals()
    return domain.low <= x.low and x.high <= domain.high


def _ends(row: Function, n: Node, x: Range, image: Range, depth: int) -> Range:
    u = var("x")
    y = apply(n.op, u, attr=n.attr)
    (slope,) = row.derivative(y, u)
    if slope is None:
        return ALL
    inner = Ranges(depth=depth + 1)
    inner.known.update({u: (x, frozenset()), y: (image, frozenset())})
    sign = inner.of(slope)
    if sign.low < 0 < sign.high or (sign.low < 0 and sign.high > 0):
        return ALL
    ends = [_value(y, u, v) for v in (x.low, x.high)]
    if sign.low < 0:
        return Range(_bound(ends[1], -INF), _bound(ends[0], INF), x.at_high, x.at_low)
    return Range(_bound(ends[0], -INF), _bound(ends[1], INF), x.at_low, x.at_high)


def _bound(value: Any, otherwise: float) -> float:
    if value is None or not mpmath.isfinite(value):
        return otherwise
    near = float(value)
    return near if near == int(near) and value == int(near) else math.nextafter(near, otherwise)


def _value(y: Node, u: Node, at: float) -> Any:
    if not math.isfinite(at):
        return None
    try:
        return evaluate([y], {u: at}, digits=_DIGITS)[0][()]
    except SymgradError:
        return None


def consistent(assumptions: Sequence[Assumption]) -> None:
    """Raise InputError where assumptions contradict one another, as far as ranges tell."""
    found = contradiction(assumptions)
    if found is not None:
        node, guilty = found
        for a in list(guilty):  # those without which it remains have no part in it
            fewer = [b for b in guilty if b is not a]
            if contradiction(fewer) is not None:
                guilty = fewer
        which = " and ".join(a.text for a in guilty)
        if len(guilty) == 1:
            raise InputError(f"the assumption {which} cannot hold: no value of {to_text(node)} is left")
        raise InputError(f"the assumptions {which} contradict one another: no value of {to_text(node)} is left. "
                         f"Take one of them back")


def contradiction(assumptions: Iterable[Assumption]) -> tuple[Node, list[Assumption]] | None:
    """Return a node for which no value is left, and the assumptions that leave none; None where none was found.

    Only ranges are looked at: x > 0 beside x < 0, sum(y) == -1 beside y >= 0.
    """
    stated = list(assumptions)
    ranges = Ranges(stated)
    for node in list(ranges.stated):
        found, rests = ranges.found(node)
        if found.empty:
            return node, [a for a in stated if a in rests] or stated
    for a in stated:
        for op, left, right in a.parts:
            if op == "in" and not any(point(_number(m.value)) in ranges.of(left) for m in right):
                rests = ranges.found(left)[1] | {a}
                return left, [b for b in stated if b in rests]
            if op in _FACTS and left.op in ("const", "size") and right[0].op in ("const", "size"):
                allowed = _FACTS[op](ranges.of(right[0]))
                if allowed.meet(ranges.of(left)).empty:
                    return left, [a]
    return None
