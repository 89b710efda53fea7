"""A derivation as plain text in the language's own notation, for terminals, logs and `Derivation.text()`."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from symgrad.engine.derivation import Record
from symgrad.graph.node import Node
from symgrad.graph.text import Piece, plain_name, to_text
from symgrad.render.index import Pen, sizes_in
from symgrad.render.index_text import TextPen
from symgrad.render.outline import Outline, outline
from symgrad.render.page import Page
from symgrad.render.style import PLAIN, Style

Section: TypeAlias = "tuple[str, list[tuple[str, str, str]]]"  # title, rows of left side, right side, reason

WIDTH = 100
_MOST = 58  # the column of reasons starts no further right than this
_ROOM = 20  # and a reason has at least so many characters a line


def derivation_to_text(record: Record, *, detail: str = "standard", columns: int = WIDTH, style: Style = PLAIN) -> str:
    """Return forward pass, chains with reasons, and gradients; `detail` is 'result', 'standard' or 'all'."""
    parts, notes = text_sections(outline(record, detail), style)
    return sections_to_text(parts, notes, columns)


def sections_to_text(parts: Sequence[Section], notes: Sequence[str], columns: int) -> str:
    """Return titled tables of formulas, then the notes."""
    out: list[str] = []
    for title, rows in parts:
        out += [title, *("".join(line) for line in laid_out(rows, columns)), ""]
    out += [f"Note: {plain_name(n)}" for n in notes]
    return "\n".join(line.rstrip() for line in out).rstrip() + "\n"


class TextSigns:
    """Formulas as text."""

    rows = False

    def __init__(self, record: Record) -> None:
        self.record = record
        taken = {*record.names.values(), *sizes_in([record.loss])}
        self.pen: Pen[Piece] = TextPen("delta" if "delta" not in taken else "kronecker")

    def line(self, node: Node) -> str:
        return to_text(node, self.record.names, expand_root=False)

    def formula(self, node: Node, names: Mapping[Node, str]) -> str:
        return to_text(node, names)

    def written(self, node: Node) -> list[str]:
        both = to_text(node, self.record.names, calls=self.record.calls), to_text(node, self.record.names)
        return list(dict.fromkeys(both))

    def name(self, node: Node) -> str:
        return plain_name(self.record.names[node])

    def fits(self, node: Node) -> bool:  # noqa: ARG002  # einsum(...) says every sum
        return True

    def flat(self, text: str) -> str:
        return text

    def where(self, text: str, parts: Sequence[tuple[str, str]]) -> str:
        return f"{text} where {', '.join(f'{a} = {b}' for a, b in parts)}" if parts else text

    def pair(self, left: str, right: str) -> str:
        return f"<{left}, {right}>"

    def trace(self, product: str) -> str:
        return f"tr({product})"

    def joined(self, terms: Sequence[str]) -> str:
        return terms[0] + "".join(f" - {t[1:]}" if t.startswith("-") else f" + {t}" for t in terms[1:])

    def change(self, name: str, symbol: str, rank: int) -> None:
        """The name of a change is its sign."""


def page_of(plan: Outline, style: Style) -> Page[Piece]:
    """Return the page of a derivation in text."""
    return Page(plan, TextSigns(plan.record), style)


def text_sections(plan: Outline, style: Style = PLAIN) -> tuple[list[Section], tuple[str, ...]]:
    """Return (title, rows) and the notes.

    A row is (left of the equals sign or '', right, reason), an empty row a gap.
    """
    out: list[Section] = []
    page = page_of(plan, style)
    for section in page.sections():
        if section.kind == "results" and style.repeats(plan):
            continue
        rows: list[tuple[str, str, str]] = []
        for chain in section.chains:
            for k, (text, line) in enumerate(chain.rows):
                rows.append((chain.head if k == 0 else "", text, line.said if line is not None else ""))
            if section.kind == "backward":
                rows.append(("", "", ""))
        out.append((section.title, rows[:-1] if section.kind == "backward" else rows))
    return out, page.notes()


def sections(plan: Outline) -> list[Section]:
    """Return (title, rows) in matrix notation."""
    return text_sections(plan)[0]


def laid_out(rows: list[tuple[str, str, str]], columns: int) -> list[tuple[str, str, str]]:
    """Return the lines of a table, each in three parts: left side, formula, reason, with the space before them."""
    left = max((len(a) for a, _, _ in rows), default=0)
    start = 2 + left + 3
    widest = max((len(b) for _, b, r in rows if r), default=0)
    column = min(start + widest + 3, max(_MOST, start + 20))
    room = max(columns - column, _ROOM)
    out: list[tuple[str, str, str]] = []
    for a, b, reason in rows:
        if not b:
            out.append(("", "", ""))
            continue
        lines = fold(b, columns - start)
        heads = [f"  {a:<{left}} = ", *[" " * (start + 2)] * (len(lines) - 1)]
        said = plain_name(reason)
        beside = textwrap.wrap(said, room)
        if all(len(h + line) + 2 <= column for h, line in zip(heads, lines[:len(beside)])):
            for k in range(max(len(lines), len(beside))):
                head, line = (heads[k], lines[k]) if k < len(lines) else ("", "")
                gap = " " * (column - len(head + line)) if k < len(beside) else ""
                out.append((head, line, gap + beside[k] if k < len(beside) else ""))
        else:
            # the reason below the formula, as far to the right as it goes on one line
            indent = max(start + 2, min(column, columns - len(said)))
            out += [(h, line, "") for h, line in zip(heads, lines)]
            out += [("", "", " " * indent + t) for t in textwrap.wrap(said, max(columns - indent, _ROOM))]
    return out


def fold(text: str, limit: int) -> list[str]:
    """Return the text in lines of at most `limit` characters where spaces allow it, outer spaces first."""
    out: list[str] = []
    while len(text) > limit:
        depth, best = 0, None
        for k, c in enumerate(text[: limit + 1]):
            depth += (c in "([") - (c in ")]")
            # break before an operator, not behind it
            if c == " " and k > 8 and text[k - 1] not in "+-*/@=,":
                score = k - 12 * depth
                if best is None or score >= best[0]:
                    best = (score, k)
        if best is None:
            break
        out.append(text[: best[1]])
        text = text[best[1] + 1 :]
    return [*out, text]
