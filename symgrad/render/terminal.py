"""Derivations in the terminal, as rich renderables; text stays text, so no name is read as markup."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from symgrad.engine.derivation import Record
from symgrad.graph.text import plain_name
from symgrad.render.outline import outline
from symgrad.render.plain import sections

_SHORT = 64  # right-hand sides up to this long are not folded


def derivation_panel(record: Record, *, detail: str = "standard", title: str = "") -> Panel:
    """Return the derivation as a panel: forward pass, chains with their reasons, gradients, notes."""
    plan = outline(record, detail)
    parts: list[RenderableType] = []
    for heading, rows in sections(plan):
        parts.append(Text(heading, style="bold"))
        parts.append(_table(rows, strong=heading == "Gradients"))
        parts.append(Text(""))
    parts.append(Text("\n".join(plain_name(n) for n in plan.notes), style="dim"))
    return Panel(Group(*parts), title=Text(plain_name(title)) if title else None, title_align="left", expand=False,
                 border_style="dim")


def _table(rows: list[tuple[str, str, str]], *, strong: bool) -> Table:
    table = Table.grid(padding=(0, 1), pad_edge=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold", no_wrap=max((len(right) for _, right, _ in rows), default=0) <= _SHORT)
    table.add_column(style="dim", overflow="fold")
    last = [k + 1 == len(rows) or rows[k + 1][0] != "" or not rows[k + 1][1] for k in range(len(rows))]
    for (left, right, reason), final in zip(rows, last):
        style = "bold green" if right and (strong or (final and reason)) else ""
        equals = Text("=" if right else "")
        table.add_row(Text(left, style="cyan"), equals, Text(right, style=style), Text(plain_name(reason)))
    return table
