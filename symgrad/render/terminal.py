"""Derivations in the terminal, in colours; text stays text, so no name is read as markup."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from symgrad.engine.derivation import Record
from symgrad.engine.verdict import Verification
from symgrad.graph.text import plain_name
from symgrad.render.outline import outline
from symgrad.render.plain import WIDTH, laid_out, text_sections
from symgrad.render.style import PLAIN, Style

_RESULT = "bold green"


def derivation_in_colour(record: Record, *, detail: str = "standard", columns: int = WIDTH,
                         style: Style = PLAIN) -> Text:
    """Return the lines of `derivation_to_text`: the ends of the chains stand out, the reasons recede."""
    parts, notes = text_sections(outline(record, detail), style)
    out = Text(no_wrap=True, overflow="fold")
    for heading, rows in parts:
        out.append(f"{heading}\n", style="bold")
        last: set[str] = {_end(rows, k) for k in range(len(rows))} if heading != "Forward pass" else set()
        for left, formula, reason in laid_out(rows, columns):
            out.append(left, style="cyan")
            out.append(formula, style=_RESULT if formula in last else "")
            out.append(f"{reason}\n", style="dim")
        out.append("\n")
    out.append("\n".join(f"Note: {plain_name(n)}" for n in notes), style="dim")
    return out


def _end(rows: list[tuple[str, str, str]], k: int) -> str:
    """Return the formula of the row that ends the chain of row k."""
    while k + 1 < len(rows) and not rows[k + 1][0] and rows[k + 1][1]:
        k += 1
    return rows[k][1]


def verification_table(proved: Verification) -> Table:
    """Return a table of the checks, one a row, and the count below them."""
    out = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False, caption_justify="left",
                caption=Text(str(proved).splitlines()[-1], style="green" if proved.ok else "bold red"))
    for k in range(4):
        out.add_column(justify="left" if k else "right", no_wrap=k < 2, overflow="fold")
    for c in proved.checks:
        said = ", ".join(c.proved) if c.ok else f"{c.verdict}: {c.problem}"
        cells = str(c.number), plain_name(c.target), c.rule, said
        out.add_row(*(Text(t) for t in cells), style=None if c.ok else "bold red" if c.checked else "yellow")
    return out
