"""Letters, words and sums of words: products of matrices in which factors keep their order, as plain data.

A matrix, or a vector read as a column, is a letter, upright or transposed; a product is a word.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import sympy as sp

from symgrad.graph.node import Node, const, einsum
from symgrad.rules.linalg import INV
from symgrad.shapes import Dim, Shape

Letter: TypeAlias = "tuple[Node, bool]"  # an operand, and whether it is transposed
Word: TypeAlias = "tuple[Letter, ...]"
Poly: TypeAlias = "dict[Word, sp.Expr]"


def ones_word(shape: Shape) -> Word:
    """Return the word of an array of ones: nothing, a column, or a column times a row."""
    return tuple((const(1, (d,)), k > 0) for k, d in enumerate(shape))


def is_ones(letter: Letter) -> bool:
    node = letter[0]
    return node.op == "const" and node.rank == 1 and node.value == 1 and not isinstance(node.value, float)


def einsum_of(groups: Sequence[Sequence[Letter]]) -> Node:
    """Return the product of the letters of each group, and the outer product of two groups."""
    ins: list[tuple[int, ...]] = []
    args: list[Node] = []
    out: list[int] = []
    sizes: dict[int, Dim] = {}
    at = 0
    for group in groups:
        at += 1
        if not (group[0][0].rank == 1 and group[0][1]):
            out.append(at)
            sizes[at] = group[0][0].shape[-1 if group[0][1] else 0]
        for node, turned in group:
            labels: tuple[int, ...] = (at,)
            if node.rank == 2:
                labels = (at + 1, at) if turned else (at, at + 1)
                at += 1
            if not is_ones((node, turned)):
                ins.append(labels)
                args.append(node)
        last, turned = group[-1]
        if last.rank == 2 or turned:
            out.append(at)
            sizes[at] = last.shape[0 if turned else -1]
    return einsum(ins, args, out, sizes) if args else const(1, tuple(sizes[i] for i in out))


def inverse_of(letter: Letter) -> Letter:
    node, turned = letter
    inverted = node.op == "array" and node.attr[0] == INV.name
    return node.args[0] if inverted else INV(node), turned


def inverts(a: Node, b: Node) -> bool:
    return a.op == "array" and a.attr[0] == INV.name and a.args[0] is b


def shape_of(word: Word) -> Shape:
    (first, turned), (last, over) = word[0], word[-1]
    rows = () if first.rank == 1 and turned else (first.shape[-1 if turned else 0],)
    return (*rows, last.shape[0 if over else -1]) if last.rank == 2 or over else rows


def transposed(word: Word) -> Word:
    return tuple((n, not t) for n, t in reversed(word))


def transposes(poly: Poly) -> tuple[int, int]:
    """Return how many words are rows, and how many letters are transposed."""
    rows = sum(n.rank == 1 and t for n, t in (w[0] for w in poly))
    return rows, sum(t for w in poly for _, t in w)


def order_key(word: Word) -> tuple[object, ...]:
    return tuple((n.serial, t) for n, t in word)


def add_term(poly: Poly, word: Word, coefficient: sp.Expr) -> None:
    total = poly.get(word, sp.Integer(0)) + coefficient
    if total == 0 or sp.expand(total) == 0:
        poly.pop(word, None)
    else:
        poly[word] = total


def sum_of(a: Poly, b: Poly, sign: int) -> Poly:
    out = dict(a)
    for w, c in b.items():
        add_term(out, w, sign * c)
    return out


def scaled(poly: Poly, factor: sp.Expr) -> Poly:
    return {w: c * factor for w, c in poly.items()} if factor != 0 else {}


def common_factor(coefficients: Sequence[sp.Expr]) -> sp.Expr:
    """Return what all coefficients have in common."""
    if len(coefficients) == 1:
        return coefficients[0]
    sign = -1 if all(c.could_extract_minus_sign() for c in coefficients) else 1
    above, below = zip(*(sp.fraction(c) for c in coefficients))
    if all(c.is_Rational for c in coefficients):
        return sign * sp.Rational(math.gcd(*map(int, above)), math.gcd(*map(int, below)))
    return sign * sp.gcd_list(above) / sp.gcd_list(below)


def best_group(poly: Poly) -> tuple[list[Word], int, bool] | None:
    """Return the words that begin or end alike and save most, how many letters they share, and at which end."""
    best: tuple[int, int, list[Word], int, bool] | None = None
    for from_left in (False, True):
        ends: dict[Word, list[Word]] = {}
        for w in poly:
            for own in range(1, len(w) + 1):
                ends.setdefault(w[:own] if from_left else w[len(w) - own:], []).append(w)
        for shared, words in ends.items():
            if len(words) < 2 or any(len(w) == len(shared) for w in words):
                continue
            saved = len(shared) * (len(words) - 1)
            longest = max(len(w) - len(shared) for w in words)
            if saved < 2 and longest > 1 and len(words) < len(poly):  # brackets around products for one letter: no gain
                continue
            if best is None or (saved, len(words)) > best[:2]:
                best = (saved, len(words), words, len(shared), from_left)
    return None if best is None else best[2:]
