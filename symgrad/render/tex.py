"""Formulas as values: text with its outermost construct, and the operations that join them with the fewest brackets."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from symgrad.render.layout import PRODUCT_BREAK, SUM_BREAK, in_parentheses, unmarked, width
from symgrad.render.names import upright

# what the outermost construct of a formula is
SUM, NEGATIVE, SCALED, HADAMARD, CHAIN, FUNCTION, FRACTION, POWER, ATOM = (
    "sum", "negative", "scaled", "hadamard", "chain", "function", "fraction", "power", "atom")



@dataclass(frozen=True)
class Tex:
    """A formula: its text, its outermost construct, and whether it is a scalar.

    `closed` is the text to use where something follows in the same product (`\\log(p)` for `\\log p`);
    `scalar` the text of the number that fills the matrix, where all entries are one number, `of` the construct of that;
    `split` the scalar in front of a matrix and the matrix.
    """

    text: str
    kind: str = ATOM
    scalar: str | None = None
    closed: str | None = None
    split: tuple[Tex, Tex] | None = None
    of: str | None = None

    @property
    def plain(self) -> str:
        return self.closed if self.closed is not None else self.text

    @property
    def entry(self) -> Tex:
        """The number that fills the matrix, where there is one, as a formula of its own."""
        if self.scalar is None or self.scalar == self.text:
            return self
        return Tex(self.scalar, self.of or self.kind, self.scalar)


# the numbers that lead a product, and the rest of it
_NUMBER = r"(?:(?:\d[\d.]* \\times )?10\^\{-?\d+\}|\d[\d.]*|\\frac\{\d+\}\{\d+\})"
_LEADING = re.compile(rf"({_NUMBER}(?: \\cdot {_NUMBER})*) (?:\\, )?(?!\\cdot|\\times)(.+)", re.DOTALL)
_WORD_AT_END = re.compile(r"\\mathrm\{(?:[^{}]|\{[^{}]*\})*\}(?:_\{[^{}]*\}|_[^{}])?$")
_OVER = re.compile(r"\\frac\{1\}(\{(?:[^{}]|\{[^{}]*\})*\}) (?:\\, )?(.+)", re.DOTALL)  # 1/n times something
_ONE_OVER = re.compile(r"\\frac\{1\}(?=\{[^{}]*\}$)")
_BELOW = re.compile(r"(.*)_\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}(\^\{(?:[^{}]|\{[^{}]*\})*\}|)", re.DOTALL)
_BRACKETS = re.compile(r"(?:\\(?:[bB]igg?l|left))?\((.*?)(?:\\(?:[bB]igg?r|right))?\)", re.DOTALL)


def number(value: Any) -> Tex:
    """Return a constant as a formula."""
    if isinstance(value, Fraction):
        text = rf"\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"
        text = f"-{text}" if value < 0 else text
        return Tex(text, NEGATIVE if value < 0 else FRACTION, text)
    if isinstance(value, str):
        text = r"\pi" if value == "pi" else upright(value)
    elif isinstance(value, float) and not math.isfinite(value):
        text = r"\mathrm{nan}" if math.isnan(value) else r"\infty" if value > 0 else r"-\infty"
    else:
        text = repr(value)
    if "e" in text and isinstance(value, float) and math.isfinite(value):
        mantissa, exponent = text.split("e")
        power = f"10^{{{int(exponent)}}}"
        text = power if mantissa == "1" else rf"{mantissa} \times {power}"
        return Tex(text, NEGATIVE if value < 0 else SCALED, text)
    return Tex(text, NEGATIVE if text.startswith("-") else ATOM, text)


def joined(texts: Sequence[str]) -> str:
    """Return factors side by side, with a thin space where words or fractions meet; no sign stands inside."""
    out = before = texts[0]
    for t in texts[1:]:
        t = in_parentheses(t) if t.startswith("-") else t
        apart = t.startswith((r"\mathrm", r"\frac")) or (out[-1:].isdigit() and t[:1].isdigit())
        word = before.startswith((r"\frac{\partial", r"\mathrm{d}")) or _WORD_AT_END.search(before) is not None
        apart = apart or (word and not t.startswith(("(", r"\left(")))
        out += (r" \, " if apart else " ") + t
        before = t
    return out


def times(a: Tex, b: Tex) -> Tex:
    """Return a product; a scalar factor stands in front."""
    if a.scalar is None and b.scalar is not None:
        a, b = b, a
    if a.scalar is None:
        return hadamard([a, b])
    if a.scalar == "1" and b.scalar is None:
        return b
    left = a.entry
    if b.split is not None and b.split[0].text.isdigit():
        return times(times(a, b.split[0]), b.split[1])
    over = _ONE_OVER.match(left.text)
    both = b.scalar is not None
    right = b.entry if both else b
    if over is not None and both and right.text.isdigit():
        text = rf"\frac{{{right.text}}}{left.text[over.end():]}"
        return Tex(text, FRACTION, text)
    if both and right.kind == SCALED and left.text.isdigit() and _OVER.fullmatch(right.text):
        one, more = r"\frac{1}", rf"\frac{{{left.text}}}"
        text = right.text.replace(one, more, 1)
        return Tex(text, SCALED, text, None if right.closed is None else right.closed.replace(one, more, 1))
    first = in_parentheses(left.plain) if left.kind == SUM else left.plain
    second = in_parentheses(right.text) if right.kind in (SUM, NEGATIVE) else right.text
    leading = _LEADING.fullmatch(second) if both and right.kind == SCALED else None
    if leading is not None and re.fullmatch(rf"-?{_NUMBER}", first) is None:
        if left.kind == NEGATIVE:
            return negated(times(positive(left), right))
        own = _LEADING.fullmatch(first)
        front = [leading[1], first] if own is None else [rf"{own[1]} \cdot {leading[1]}", own[2]]
        if over is not None and leading[1].isdigit():
            front = [rf"\frac{{{leading[1]}}}{first[over.end():]}"]
        text = joined([*front, leading[2]])
        behind = _LEADING.fullmatch(right.closed) if right.closed is not None else None
        return Tex(text, SCALED, text, None if behind is None else joined([*front, behind[2]]))
    digits = unmarked(first)[-1:].isdigit() and second[:1].isdigit()
    text = rf"{first} \cdot {second}" if digits else joined([first, second])
    kind = NEGATIVE if first.startswith("-") else right.kind if right.kind in (HADAMARD, CHAIN) else SCALED
    bracketed = right.kind in (SUM, NEGATIVE)
    closed = joined([first, right.closed]) if right.closed is not None and not bracketed else None
    return Tex(text, kind, text if both else None, closed, None if both else (left, right))


def unscaled(factors: Sequence[Tex]) -> tuple[list[Tex], Tex | None]:
    """Take the scalars in front of matrices out of a product."""
    front: Tex | None = None
    rest: list[Tex] = []
    for p in factors:
        if p.split is not None:
            front = p.split[0] if front is None else times(front, p.split[0])
            p = p.split[1]
        rest.append(p)
    return rest, front


def hadamard(factors: Sequence[Tex]) -> Tex:
    """Return the product entry by entry, scalars in front."""
    factors, front = unscaled(factors)
    if front is not None:
        return times(front, hadamard(factors))
    texts = [in_parentheses(p.text) if p.kind in (SUM, CHAIN) or (p.kind == NEGATIVE and k) else
             p.text if k == len(factors) - 1 else p.plain for k, p in enumerate(factors)]
    kind = NEGATIVE if factors[0].kind == NEGATIVE else HADAMARD
    last = factors[-1]
    closed = [*texts[:-1], last.closed] if last.closed is not None and texts[-1] == last.text else None
    join = rf"{PRODUCT_BREAK} \odot ".join
    return Tex(join(texts), kind, closed=None if closed is None else join(closed))


def negated(p: Tex) -> Tex:
    """Return the negative of a formula."""
    body = in_parentheses(p.text) if p.kind in (SUM, NEGATIVE) else p.text
    scalar = None
    if p.scalar is not None:
        scalar = f"-{in_parentheses(p.scalar) if p.entry.kind in (SUM, NEGATIVE) else p.scalar}"
    split = None if p.split is None else (negated(p.split[0]), p.split[1])
    closed = None if p.closed is None or p.kind in (SUM, NEGATIVE) else f"-{p.closed}"
    return Tex(f"-{body}", NEGATIVE, scalar, closed, split, NEGATIVE)


def positive(p: Tex) -> Tex:
    """Return a formula that starts with a minus sign without it."""
    split = None
    if p.split is not None:
        front, rest = p.split
        if not front.text.startswith("-"):
            split = front, positive(rest)
        elif front.text != "-1":
            split = positive(front), rest
    scalar = p.scalar[1:] if p.scalar is not None else None
    return Tex(p.text[1:], SCALED, scalar, p.closed[1:] if p.closed else None, split)


def added(a: Tex, b: Tex, *, minus: bool = False) -> Tex:
    """Return a sum or a difference; plus a negative term is written as minus."""
    if a.scalar is not None and b.scalar is not None:
        a, b = a.entry, b.entry
    right, sign = b.text, "-" if minus else "+"
    if minus and b.kind in (SUM, NEGATIVE):
        right = in_parentheses(right)
    elif b.kind == NEGATIVE:
        sign, right = "-", right[1:]
    text = f"{a.text}{SUM_BREAK} {sign} {right}"
    return Tex(text, SUM, text if a.scalar is not None and b.scalar is not None else None)


def divided(a: Tex, b: Tex) -> Tex:
    """Return a quotient: a fraction, with a long or matrix numerator standing behind 1/b where b is a number."""
    if a.scalar is not None and b.scalar is not None:
        a, b = a.entry, b.entry
    if a.kind == NEGATIVE and a.text.startswith("-"):
        return negated(divided(positive(a), b))
    if b.scalar is None and (a.split is not None or b.split is not None):
        above, over = a.split or (number(1), a)
        under, rest = b.split or (number(1), b)
        return times(above if under.text == "1" else divided(above, under), divided(over, rest))
    below = unmarked(b.scalar if b.scalar is not None else b.text)
    scalar = a.scalar is not None and b.scalar is not None
    led = _OVER.fullmatch(a.text) if scalar and a.kind == SCALED else None
    if led is not None and not led[2].startswith((r"\sum", r"\cdot")):
        ahead, inner = rf"\frac{{1}}{led[1]}", unwrapped(led[2])
        kind = SCALED if inner == led[2] else SUM
        return times(Tex(ahead, FRACTION, ahead), divided(Tex(inner, kind, inner), b))
    big = a.scalar is None or a.kind == CHAIN or a.text.startswith(r"\frac{\partial") or \
        width(a.text) > (6 if r"\sum" in a.text else 16)
    if b.scalar is not None and big:
        front = Tex(rf"\frac{{1}}{{{below}}}", FRACTION, rf"\frac{{1}}{{{below}}}")
        if a.kind == ATOM and not scalar:
            return Tex(rf"\frac{{{a.text}}}{{{below}}}", FRACTION, split=(front, a))
        return times(front, a)
    text = rf"\frac{{{unmarked(a.text)}}}{{{below}}}"
    return Tex(text, FRACTION, text if scalar else None)


def transposed(p: Tex) -> Tex:
    """Return the transpose of a matrix, scalars staying in front."""
    if p.split is not None:
        return times(p.split[0], transposed(p.split[1]))
    if p.kind == POWER and p.text.endswith("^{-1}"):
        return Tex(rf"{p.text[:-len('^{-1}')]}^{{-\top}}", POWER)
    base = p.text if p.kind == ATOM else f"{{{p.text}}}" if p.kind == POWER else in_parentheses(p.text)
    return Tex(rf"{base}^\top", POWER)


def unwrapped(text: str) -> str:
    """Return a formula without the one pair of brackets around it, if there is one."""
    found = _BRACKETS.fullmatch(text)
    if found is None:
        return text
    depth = 0
    for c in found[1]:
        depth += (c == "(") - (c == ")")
        if depth < 0:
            return text
    return found[1].strip()


def with_index(name: str, index: Sequence[str]) -> str:
    r"""Return a name with indices behind the subscript that it has.

    >>> with_index("W", ["i", "j"]), with_index("W_{1}", ["i", "j"]), with_index("x", ["i + 1", "j"])
    ('W_{ij}', 'W_{1,ij}', 'x_{i + 1,j}')
    """
    if not index:
        return name
    letters = below(index)
    found = _BELOW.fullmatch(name)
    if "_" not in name.replace(r"\_", ""):
        return f"{name}_{{{letters}}}"
    if found is not None and "_" not in found[1].replace(r"\_", "") and found[1].count("{") == found[1].count("}"):
        return f"{found[1]}_{{{found[2]},{letters}}}{found[3]}"
    return f"[{name}]_{{{letters}}}"


def below(index: Sequence[str]) -> str:
    """Return indices as one subscript, parted where they are more than letters."""
    return ("" if all(re.fullmatch(r"[a-z]|i_\{\d+\}", i) for i in index) else ",").join(index)
