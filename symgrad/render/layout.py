"""How wide a formula prints, and where a long one breaks.

A formula carries marks where a line may break: SUM_BREAK before a + or -, PRODUCT_BREAK before a Hadamard product.
They are characters that no printed name can hold, and are gone from every finished formula.
"""

from __future__ import annotations

import re

SUM_BREAK = "\x01"
PRODUCT_BREAK = "\x02"
_MARKS = re.compile("[\x01\x02]")
_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|.", re.DOTALL)

# widths in em, rounded up; what is not listed is a letter
_WIDTH = {
    "+": 1.25, "-": 1.25, "=": 1.35, "<": 1.35, ">": 1.35, ",": 0.45, "(": 0.4, ")": 0.4, "[": 0.3, "]": 0.3, "|": 0.3,
    " ": 0.0, r"\odot": 1.25, r"\cdot": 0.75, r"\times": 1.25, r"\,": 0.17, r"\ ": 0.33, r"\quad": 1.0, r"\qquad": 2.0,
    r"\partial": 0.6, r"\top": 0.78, r"\sum": 1.5, r"\log": 1.7, r"\exp": 2.0, r"\max": 2.1, r"\min": 2.0,
    r"\left": 0.3, r"\right": 0.3, r"\bigl": 0.1, r"\bigr": 0.1, r"\Bigl": 0.2, r"\Bigr": 0.2, r"\biggl": 0.3,
    r"\biggr": 0.3, r"\mathrm": 0.0, r"\mathbf": 0.0, r"\operatorname": 0.17, r"\text": 0.0, r"\hat": 0.0, r"\bar": 0.0,
    r"\tilde": 0.0, r"\sqrt": 0.9, r"\infty": 1.0, r"\sigma": 0.6, SUM_BREAK: 0.0, PRODUCT_BREAK: 0.0, r"\ge": 1.35,
    r"\le": 1.35, r"\ne": 1.35, r"\tanh": 2.1, r"\sinh": 2.0, r"\cosh": 2.1, r"\sin": 1.6, r"\cos": 1.7, r"\tan": 1.8,
}
_LETTER, _DIGIT, _SCRIPT = 0.58, 0.52, 0.78


def unmarked(tex: str) -> str:
    """Return the formula without break marks."""
    return _MARKS.sub("", tex)


def width(tex: str) -> float:
    """Return a careful estimate of the width in em, fractions being as wide as their wider half."""
    # each open group: (what opened it, width so far, width of the numerator already seen)
    stack: list[tuple[str, float, float]] = []
    total = 0.0
    pending = ""
    top: float | None = None
    for t in _TOKEN.findall(tex):
        if t == "{":
            stack.append((pending, total, -1.0 if top is None else top))
            total, pending, top = 0.0, "", None
        elif t == "}" and stack:
            how, outer, above = stack.pop()
            inner, top, pending = total, None, ""
            if how == "frac" and above < 0:
                total, top, pending = outer, inner, "frac"
            elif how == "frac":
                total = outer + max(inner, above) + 0.25
            else:
                total = outer + inner * (_SCRIPT if how == "script" else 1.0)
        elif t in ("_", "^"):
            pending = "script"
        elif t in (r"\frac", r"\tfrac"):
            pending = "frac"
        else:
            w = _WIDTH.get(t)
            if w is None:
                w = _DIGIT if t.isdigit() else 0.58 if t.islower() else 0.8 if len(t) == 1 else _LETTER
            total += w * (_SCRIPT if pending == "script" else 1.0)
            pending = ""
    while stack:
        total += stack.pop()[1]
    return total


def broken(tex: str, limit: float) -> list[str]:
    """Return the formula in lines of at most `limit` em where its marks allow that, the outermost marks first.

    >>> broken("aaaa" + SUM_BREAK + " + bbbb", 3.0)
    ['aaaa', '+ bbbb']
    """
    lines: list[str] = []
    rest = tex
    while width(rest) > limit:
        cut = _best_cut(rest, limit)
        if cut is None:
            break
        lines.append(unmarked(rest[:cut]).strip())
        rest = rest[cut + 1:].lstrip()
        limit = max(limit - 1.0, 4.0) if len(lines) == 1 else limit  # continuation lines are indented
    lines.append(unmarked(rest).strip())
    return lines


def _best_cut(tex: str, limit: float) -> int | None:
    """The best mark that keeps the first line within the limit; the first mark of all where none does.

    The outermost brackets count first, there a sum before a product; of equals the last one fills the line best.
    """
    depth = 0
    best: tuple[tuple[int, bool], int] | None = None
    first: int | None = None
    for k, c in enumerate(tex):
        depth += (c in "([") - (c in ")]")
        if c not in (SUM_BREAK, PRODUCT_BREAK) or k == 0 or not unmarked(tex[:k]).strip():
            continue
        first = k if first is None else first
        if width(tex[:k]) > limit:
            break
        rank = (depth, c == PRODUCT_BREAK)
        if best is None or rank <= best[0]:
            best = (rank, k)
    return best[1] if best is not None else first


def in_parentheses(tex: str, left: str = "(", right: str = ")") -> str:
    """Return the formula between brackets that fit its height and, where it is long, let it break inside."""
    plain = unmarked(tex)
    if r"\frac" not in plain and r"\sum" not in plain:
        size = r"\Big" if r"\big" in plain else r"\big" if "(" in plain else ""
        return f"{size}l{left}{tex}{size}r{right}" if size else f"{left}{tex}{right}"
    if width(plain) > 14 and plain != tex:
        return rf"\biggl{left} {tex} \biggr{right}"
    return rf"\left{left} {plain} \right{right}"
