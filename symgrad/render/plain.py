"""A derivation as plain text in the language's own notation, for terminals, logs and `Derivation.text()`."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TypeAlias

from symgrad.engine.derivation import Record
from symgrad.graph.node import Node
from symgrad.graph.text import plain_name, to_text
from symgrad.render.outline import Outline, outline, result_names, visible

Section: TypeAlias = "tuple[str, list[tuple[str, str, str]]]"  # title, rows of left side, right side, reason

WIDTH = 100
_MOST = 58  # the column of reasons starts no further right than this
_ROOM = 20  # and a reason has at least so many characters a line


def derivation_to_text(record: Record, *, detail: str = "standard", columns: int = WIDTH) -> str:
    """Return forward pass, chains with reasons, and gradients; `detail` is 'result', 'standard' or 'all'."""
    plan = outline(record, detail)
    return sections_to_text(sections(plan), plan.notes, columns)


def sections_to_text(parts: Sequence[Section], notes: Sequence[str], columns: int) -> str:
    """Return titled tables of formulas, then the notes."""
    out: list[str] = []
    for title, rows in parts:
        out += [title, *("".join(line) for line in laid_out(rows, columns)), ""]
    out += [f"Note: {plain_name(n)}" for n in notes]
    return "\n".join(line.rstrip() for line in out).rstrip() + "\n"


def sections(plan: Outline) -> list[Section]:
    """Return (title, rows); a row is (left of the equals sign or '', right, reason), an empty row a gap."""
    names = plan.record.names

    def right(node: Node) -> str:
        return to_text(node, names, expand_root=False)

    out: list[tuple[str, list[tuple[str, str, str]]]] = []
    rows: list[tuple[str, str, str]] = []
    for block in plan.recognised:
        rows += [(to_text(block.head, names), to_text(line.node, names), line.reason) for line in block.lines]
    for n in plan.forward:
        written = to_text(n, names, calls=plan.record.calls)
        spelled = to_text(n, names)
        rows.append((plain_name(names[n]), written, ""))
        if spelled != written:
            rows.append(("", spelled, ""))
    if rows:
        out.append(("Forward pass", rows))
    rows = []
    for block in plan.blocks:
        head = right(block.head)
        for k, (text, line) in enumerate(visible(block, head, right)):
            rows.append((head if k == 0 else "", text, line.reason))
        rows.append(("", "", ""))
    if rows:
        out.append(("Backward pass", rows[:-1]))
    if len(plan.blocks) != 1 or len(plan.results) != 1:
        out.append(("Gradients", [(right(head), to_text(node, result_names(plan.record, node)), "")
                                  for head, node in plan.results]))
    return out


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
