"""A derivation as Markdown: one fenced math block for each chain, in the commands that GitHub and Jupyter render."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from symgrad.engine.derivation import Record
from symgrad.render.latex import Equation, TexSigns, tex_page
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
        out += [f"**{section.title}**", *map(fence, groups)]
    out += [_note(signs, n) if n in plan.assuming else prose(n) for n in notes]
    return "\n\n".join(out) + "\n"


def fence(equations: Sequence[Equation]) -> str:
    """Return chains of equations with their reasons as one block of math."""
    lines: list[str] = []
    for head, rows in equations:
        for k, (right, reason) in enumerate(rows):
            for j, piece in enumerate(broken(right, _ROOM)):
                line = (head if k == j == 0 else "") + (f" &= {piece}" if j == 0 else rf" &\qquad {{}}{piece}")
                lines.append(line + (f" && {in_math(reason)}" if j == 0 and reason else ""))
    body = " \\\\\n".join(lines).replace(r"\operatorname{", r"\mathrm{")
    return "```math\n\\begin{aligned}\n" + body + "\n\\end{aligned}\n```"


def _note(signs: TexSigns, text: str) -> str:
    """A note on an assumption: its formula between dollar signs."""
    return "".join(f"${p}$" if is_math else prose(p) for is_math, p in signs.reasons.assuming(text))


def prose(text: str) -> str:
    """A note as a paragraph; characters with a meaning in Markdown or HTML are escaped."""
    shown = "".join(c if c.isprintable() else " " for c in text)
    return "".join(rf"&#{ord(c)};" if c in "\\`*_{}[]<>#|~$&!" else c for c in shown)
