"""Einstein sums as NumPy reads them: letters, an ellipsis for the leading axes, sizes of 1 that stretch."""

from __future__ import annotations

import itertools
import re
from collections.abc import Hashable, Sequence
from typing import Any

from symgrad.errors import ParseError, ShapeError
from symgrad.graph import node as nodes
from symgrad.graph.node import Node, describe
from symgrad.language.scan import plain
from symgrad.shapes import Dim, show

DOTS = "..."


def einstein(spec: str, operands: Sequence[Node]) -> Node:
    """Return sum over the letters absent from the result of the product of the operands.

    Shapes: one letter an axis; `...` stands for the axes that are left, which broadcast; without -> the result has the
    letters that occur once, in alphabetical order.
    Raises: ParseError for a specification that is none, ShapeError for operands that do not fit it.
    """
    shown = repr(plain(spec, 60))
    if not re.fullmatch(r"([A-Za-z, ]|\.\.\.)*(->([A-Za-z ]|\.\.\.)*)?", spec):
        raise ParseError(f"einsum {shown}: write letters and commas, then -> and the letters of the result; ... stands "
                         f"for leading axes")
    left, arrow, right = spec.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        raise ParseError(f"einsum {shown} speaks of {len(terms)} operands and was given {len(operands)}")
    if arrow:
        _refuse(shown, right, left)
    ins = [_labels(shown, k, term, x) for k, (term, x) in enumerate(zip(terms, operands))]
    sizes, owner = _sizes(shown, ins, operands)
    depth = max((-label[1] for own in ins for label in own if isinstance(label, tuple)), default=0)
    leading: list[Hashable] = [(DOTS, k) for k in range(-depth, 0)]
    once = [c for c in sorted(set(re.findall("[A-Za-z]", left))) if left.count(c) == 1]
    out: list[Hashable] = [*leading, *once]
    if arrow:
        before, dots, behind = right.partition(DOTS)
        if leading and not dots:
            raise ParseError(f"einsum {shown}: the axes of ... stay in the result; write -> ... there as well")
        out = [*before, *(leading if dots else ()), *behind]
    split = [[label if d == sizes[label] else ("one", k, label) for label, d in zip(own, x.shape)]
             for k, (own, x) in enumerate(zip(ins, operands))]
    kept, merged = _deltas(split, operands, out)
    final = [merged.get(label, label) for label in out]
    return nodes.einsum([[merged.get(label, label) for label in own] for own, _ in kept], [x for _, x in kept], final,
                        {merged.get(label, label): sizes[label] for label in out if label in owner})


def _deltas(split: Sequence[Sequence[Any]], operands: Sequence[Node],
            out: Sequence[Hashable]) -> tuple[list[tuple[Sequence[Any], Node]], dict[Hashable, Hashable]]:
    """Return the operands that are no eye(n), and the letters that an eye(n) says are equal, each with its like.

    So what is 0 off the diagonal is 0 there whatever stands on it, as in diag(x). An eye(n) that alone has its letters
    stays, as it counts to n.
    """
    merged: dict[Hashable, Hashable] = {}
    kept: list[tuple[Sequence[Any], Node]] = []
    for k, (own, x) in enumerate(zip(split, operands)):
        if not x.rank or x is not nodes.identity(x.shape[0]):
            kept.append((own, x))
            continue
        a, b = (merged.get(label, label) for label in own)
        others = [other for other, _ in kept] + list(split[k + 1:])
        elsewhere = {merged.get(label, label) for label in itertools.chain(out, *others)}
        if not {a, b} & elsewhere:
            kept.append((own, x))
            continue
        merged = {**{label: a if like == b else like for label, like in merged.items()}, b: a}
    return kept, merged


def _labels(shown: str, k: int, term: str, x: Node) -> list[Any]:
    """Return one label an axis of an operand, those of the ellipsis counted from its end."""
    before, dots, behind = term.partition(DOTS)
    if DOTS in behind:
        raise ParseError(f"einsum {shown}: ... stands twice in {term!r}")
    rest = x.rank - len(before) - len(behind)
    if rest < 0 or (rest > 0 and not dots):
        few = "few" if rest > 0 else "many"
        raise ShapeError(f"einsum {shown}: {term!r} has too {few} letters for operand {k + 1}, {describe(x)}, whose "
                         f"shape is {show(x.shape)}: one letter an axis{', or ... for the others' if rest > 0 else ''}")
    return [*before, *((DOTS, j) for j in range(-rest, 0)), *behind]


def _sizes(shown: str, ins: Sequence[Sequence[Any]],
           operands: Sequence[Node]) -> tuple[dict[Any, Dim], dict[Any, Node]]:
    """Return the size of each label, and the operand that has it; where sizes meet, 1 gives way."""
    sizes: dict[Any, Dim] = {}
    owner: dict[Any, Node] = {}
    for own, x in zip(ins, operands):
        for label, d in zip(own, x.shape):
            if label not in sizes or (sizes[label] == 1 and d != 1):
                sizes[label], owner[label] = d, x
            elif d not in (1, sizes[label]):
                what = "the axes of ... broadcast" if isinstance(label, tuple) else f"the letter {label!r} has one size"
                raise ShapeError(f"einsum {shown}: {what}, but it is {sizes[label]} in {describe(owner[label])} "
                                 f"{show(owner[label].shape)} and {d} in {describe(x)} {show(x.shape)}. Check the "
                                 f"order of the letters")
    return sizes, owner


def _refuse(shown: str, right: str, left: str) -> None:
    """Refuse a result with a letter or the ellipsis twice, and with a letter that no operand has."""
    if right.count(DOTS) > 1:
        raise ParseError(f"einsum {shown}: ... stands twice in the result")
    for letter in right.replace(DOTS, ""):
        if right.count(letter) > 1:
            raise ParseError(f"einsum {shown}: {letter!r} stands twice in the result; diag(x) makes a diagonal")
        if letter not in left:
            raise ParseError(f"einsum {shown}: the letter {letter!r} of the result occurs in no operand")
