"""A derivation as Markdown: one fenced math block for each chain, in the commands that GitHub and Jupyter render."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from symgrad.engine.derivation import Record
from symgrad.render.latex import Backward
from symgrad.render.layout import broken, unmarked
from symgrad.render.names import Namer
from symgrad.render.outline import outline
from symgrad.render.reasons import Piece, in_math

_ROOM = 44.0
_NO_REASON: list[Piece] = []


def derivation_to_markdown(record: Record, *, names: Mapping[str, str] | None = None, detail: str = "standard") -> str:
    r"""Return forward pass, chains and gradients in ```math fences, with `\mathrm` in place of `\operatorname`."""
    plan = outline(record, detail)
    back = Backward(plan, Namer(names))
    out: list[str] = []
    if plan.forward:
        out += ["**Forward pass**", fence(back.forward(plan))]
    if plan.blocks:
        out.append("**Backward pass**")
        for block in plan.blocks:
            head = unmarked(back.right(block.head))
            out.append(fence([(head, back.rows(block, head))]))
    if len(plan.blocks) != 1 or len(plan.results) != 1:
        out += ["**Gradients**", fence(back.results(plan))]
    out += [prose(n) for n in plan.notes]
    return "\n\n".join(out) + "\n"


def fence(equations: Sequence[tuple[str, list[tuple[str, list[Piece]]]]]) -> str:
    """Return chains of equations with their reasons as one block of math."""
    lines: list[str] = []
    for head, rows in equations:
        for k, (right, reason) in enumerate(rows):
            for j, piece in enumerate(broken(right, _ROOM)):
                line = (head if k == j == 0 else "") + (f" &= {piece}" if j == 0 else rf" &\qquad {{}}{piece}")
                lines.append(line + (f" && {in_math(reason)}" if j == 0 and reason else ""))
    body = " \\\\\n".join(lines).replace(r"\operatorname{", r"\mathrm{")
    return "```math\n\\begin{aligned}\n" + body + "\n\\end{aligned}\n```"


def prose(text: str) -> str:
    """A note as a paragraph; characters with a meaning in Markdown or HTML are escaped."""
    shown = "".join(c if c.isprintable() else " " for c in text)
    return "".join(rf"&#{ord(c)};" if c in "\\`*_{}[]<>#|~$&!" else c for c in shown)
