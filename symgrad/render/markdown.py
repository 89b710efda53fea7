"""A derivation as Markdown: one fenced math block for each chain, in the commands that GitHub and Jupyter render."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from symgrad.engine.derivation import Record
from symgrad.render.latex import Equation, tex_page
from symgrad.render.layout import broken
from symgrad.render.names import Namer
from symgrad.render.outline import outline
from symgrad.render.reasons import in_math
from symgrad.render.style import PLAIN, Style

_ROOM = 44.0


def derivation_to_markdown(record: Record, *, names: Mapping[str, str] | None = None, detail: str = "standard",
                           style: Style = PLAIN) -> str:
    r"""Return forward pass, chains and gradients in ```math fences, with `\mathrm` in place of `\operatorname`."""
    plan = outline(record, detail)
    signs, sections, notes = tex_page(plan, Namer(names), style)
    out: list[str] = []
    for section in sections:
        if section.kind == "results" and style.repeats(plan):
            continue
        equations = signs.equations(section)
        groups = [[e] for e in equations] if section.kind == "backward" else [equations]
        out += [f"**{section.title}**", *map(_fence, groups)]
    out += [_prose(n) for n in notes]
    return "\n\n".join(out) + "\n"


def _fence(equations: Sequence[Equation]) -> str:
    lines: list[str] = []
    for head, rows in equations:
        for k, (right, reason) in enumerate(rows):
            for j, piece in enumerate(broken(right, _ROOM)):
                line = (head if k == j == 0 else "") + (f" &= {piece}" if j == 0 else rf" &\qquad {{}}{piece}")
                lines.append(line + (f" && {in_math(reason)}" if j == 0 and reason else ""))
    body = " \\\\\n".join(lines).replace(r"\operatorname{", r"\mathrm{")
    return "```math\n\\begin{aligned}\n" + body + "\n\\end{aligned}\n```"


def _prose(text: str) -> str:
    """A note as a paragraph; characters with a meaning in Markdown or HTML are escaped."""
    shown = "".join(c if c.isprintable() else " " for c in text)
    return "".join(rf"&#{ord(c)};" if c in "\\`*_{}[]<>#|~$&!" else c for c in shown)
