"""The reason of a step as words and formulas: a function's rule is stated, names and derivatives are set as such."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from symgrad.graph.node import Node
from symgrad.render.formula import Formulas
from symgrad.render.names import Namer, plain_text
from symgrad.rules.elementwise import ARITHMETIC, BY_NAME

_RULE = re.compile(r"deriv_(\w+)")
_PULL = re.compile(r"pull_\w+")
_WORDS = {"det": r"\det", "log": r"\log", "tr": r"\operatorname{tr}", "diag": r"\operatorname{diag}",
          "delta": r"\delta", "softmax": r"\operatorname{softmax}"}
_STATED = re.compile(r"inv\((?P<inverse>[A-Za-z])\)(?P<turned>\.T)?"
                     r"|d(?P<change>[A-Za-z])(?![A-Za-z])(?:_(?P<u1>[a-z]+))?"
                     r"|(?P<letter>[A-Za-z])(?![A-Za-z])(?:_(?P<u2>[a-z]+))?|(?P<word>[A-Za-z]{2,})(?:_(?P<u3>[a-z]+))?"
                     r"|\.T| *[-+=/*|] *|.")
_DERIVATIVE = re.compile(r"\bd(\w+)/d(\w+)\b")
_WORD = re.compile(r"[A-Za-z_]\w*|[0-9]+|\*\*|.", re.DOTALL)
_PLAIN_RULES = frozenset(f.name for f in ARITHMETIC)

Piece = tuple[bool, str]  # (whether it is a formula, its text)


@lru_cache(maxsize=256)
def derivative_statement(name: str) -> str | None:
    r"""Return the rule of a function of one variable as a formula, computed from its row.

    >>> derivative_statement("tanh")
    "\\tanh'(x) = 1 - \\tanh(x)^{2}"
    """
    row = BY_NAME.get(name)
    if row is None or name in _PLAIN_RULES or len(row.params) != 1 or row.orders:
        return None
    x = row.placeholders
    y = row(*x)
    (local,) = row.derivative(y, *x)
    if local is None:
        return None
    right = Formulas().latex(local)
    if "{}" in row.latex or not row.latex:
        return rf"\bigl({Formulas().latex(y)}\bigr)' = {right}"
    return f"{row.latex}'({row.params[0]}) = {right}"


@lru_cache(maxsize=256)
def array_statement(statement: str) -> tuple[str, str] | None:
    r"""Return the formula that a row of an array function states, and what it says behind a comma.

    >>> array_statement("d det A = det(A) tr(inv(A) dA)")[0]
    '\\mathrm{d}\\,\\det\\,A = \\det(A)\\,\\operatorname{tr}(A^{-1}\\,\\mathrm{d}A)'
    """
    formula, comma, rest = statement.partition(", ")
    if "=" not in formula:
        return None
    out = ""
    for found in _STATED.finditer(formula):
        sign = _signed(found)
        if sign is None:
            return None
        out += sign
    return out.replace(r" = ", " = ").replace(r"(\,", "("), comma + rest


def _signed(found: re.Match[str]) -> str | None:
    """Return one sign of a stated formula in LaTeX; None for a word that is no function."""
    g = found.groupdict()
    below = g["u1"] or g["u2"] or g["u3"]
    under = f"_{{{below}}}" if below else ""
    if g["inverse"]:
        power = r"\top" if g["turned"] else "1"
        return f"{g['inverse']}^{{-{power}}}"
    if g["change"]:
        kind = r"\partial " if "_" in found[0] else r"\mathrm{d}"
        return f"{kind}{g['change']}{under}"
    if g["letter"]:
        return r"\mathrm{d}" if g["letter"] == "d" and not under else g["letter"] + under
    if g["word"]:
        return f"{_WORDS[g['word']]}{under}" if g["word"] in _WORDS else None
    if found[0] == " * ":
        return r" \odot "
    return {"*": r"\,", ".T": r"^\top", " ": r"\,"}.get(found[0].strip() or " ", found[0])


class Reasons:
    """Turns the reasons of one derivation into pieces; `names` are the names of its nodes."""

    def __init__(self, names: Mapping[Node, str], namer: Namer, variables: Mapping[str, Node],
                 assumed: Mapping[str, str] = {}) -> None:
        self.namer = namer
        self.assumed = assumed  # assumptions as they were written -> as formulas
        self.known: dict[str, Node] = {**variables, **{s: n for n, s in names.items()}}

    def pieces(self, rule: str, reason: str) -> list[Piece]:
        """Return the reason as words and formulas, in order."""
        found = _RULE.fullmatch(rule)
        statement = derivative_statement(found[1]) if found else None
        if statement is not None:
            return [(True, statement)]
        if rule == "assumption":
            return self.assuming(reason)
        stated = array_statement(reason) if _PULL.fullmatch(rule) else None
        if stated is not None:
            return [(True, stated[0]), *self._prose(stated[1])]
        out: list[Piece] = []
        place = 0
        for d in _DERIVATIVE.finditer(reason):
            if d[1] in self.known and d[2] in self.known:
                out += self._prose(reason[place:d.start()])
                out.append((True, rf"\partial {self._name(d[1])} / \partial {self._name(d[2])}"))
                place = d.end()
        return out + self._prose(reason[place:])

    def assuming(self, text: str) -> list[Piece]:
        """Return running text with the assumptions in it as formulas."""
        out: list[Piece] = []
        while text:
            found = [(text.find(a), -len(a), a) for a in self.assumed if a in text]
            if not found:
                break
            at, _, a = min(found)
            out += [(False, text[:at])] * bool(at) + [(True, self.assumed[a])]
            text = text[at + len(a):]
        return out + [(False, text)] * bool(text)

    def _name(self, name: str) -> str:
        return self.namer(name, self.known[name].rank)

    def _prose(self, text: str) -> list[Piece]:
        """Find arithmetic of known names in running text."""
        words = _WORD.findall(text)
        out: list[Piece] = []
        run: list[str] = []

        def flush() -> None:
            lead = len(run) - len("".join(run).lstrip()) if run and run[0] == " " else 0
            body = run[lead:]
            tail = 0
            while body and body[-1] == " ":
                body, tail = body[:-1], tail + 1
            is_formula = any(w in self.known for w in body) and _balanced(body) and \
                (len(body) > 1 or any(c.isdigit() or c.isupper() for c in body[0]))
            if is_formula:
                out.extend([(False, " ")] * bool(lead) + [(True, self._formula(body))] + [(False, " ")] * bool(tail))
            elif run:
                out.append((False, "".join(run)))
            run.clear()

        for w in words:
            if w in self.known or w in "+-*/() " or w == "**" or w.isdigit():
                run.append(w)
            else:
                flush()
                out.append((False, w))
        flush()
        merged: list[Piece] = []
        for is_math, piece in out:
            if merged and not is_math and not merged[-1][0]:
                merged[-1] = (False, merged[-1][1] + piece)
            elif piece:
                merged.append((is_math, piece))
        return merged

    def _formula(self, words: list[str]) -> str:
        dot = r"\odot" if any(w in self.known and self.known[w].rank for w in words) else r"\,"
        out = []
        for k, w in enumerate(words):
            if w == "**":
                out.append("^")
            elif w == "*":
                out.append(r"\," if k and words[k - 1].isdigit() else dot)
            elif w in self.known:
                out.append(f"{{{self._name(w)}}}" if k and words[k - 1] == "**" else self._name(w))
            elif w.isdigit():
                out.append(f"{{{w}}}" if k and words[k - 1] == "**" else w)
            else:
                out.append(w)
        return re.sub(r" +", " ", " ".join(out)).replace("( ", "(").replace(" )", ")").strip()


def _balanced(words: list[str]) -> bool:
    depth = 0
    for w in words:
        depth += (w == "(") - (w == ")")
        if depth < 0:
            return False
    return depth == 0 and words[0] not in ("+", "*", "/", "**") and words[-1] not in ("+", "-", "*", "/", "**")


def in_math(pieces: list[Piece]) -> str:
    r"""Return the reason for use inside a formula: words in `\text{...}`."""
    return "".join(p if is_math else plain_text(p) for is_math, p in pieces)


def in_prose(pieces: list[Piece]) -> str:
    """Return the reason for use inside running text: formulas between dollar signs, other characters escaped."""
    return "".join(f"${p}$" if is_math else _escaped(p) for is_math, p in pieces)


def _escaped(text: str) -> str:
    r"""Open the \text{...} groups of `plain_text`; what stands between them is set as mathematics."""
    out = []
    for part in re.split(r"(\\text\{[^{}]*\})", plain_text(text)):
        if part.startswith(r"\text{"):
            out.append(part[len(r"\text{"):-1])
        elif part:
            out.append(f"${part}$")
    return "".join(out)
