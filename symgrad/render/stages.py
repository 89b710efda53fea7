r"""Derivations in stages (Jacobians, Hessians, products with them): the gradients on the way, then what is read off.

Each stage is printed as the derivation that it is; the last chains read $\nabla^2_w L = ... = ...$.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from symgrad.engine.derivation import Record
from symgrad.engine.reading import Reading
from symgrad.graph.node import Node
from symgrad.graph.text import plain_name
from symgrad.graph.text import to_text as node_to_text
from symgrad.render.html import sections_to_html
from symgrad.render.index import Alphabet, Indexed, Pen, sizes_in
from symgrad.render.index_tex import TexPen
from symgrad.render.index_text import TextPen
from symgrad.render.latex import DOCUMENT_WIDTH, FRAGMENT_WIDTH, HEAD, TAIL, derivation_to_latex, node_to_latex
from symgrad.render.layout import broken
from symgrad.render.markdown import derivation_to_markdown, fence, prose
from symgrad.render.names import Namer
from symgrad.render.outline import outline
from symgrad.render.plain import Section, sections_to_text, text_sections
from symgrad.render.reasons import Piece, in_prose
from symgrad.render.style import PLAIN, Style
from symgrad.shapes import show

AXES = "The axes of a block are those of the first, then those of the second; a column or row counts as a vector."


@dataclass(frozen=True)
class Plan:
    """What is printed: titled gradients, readings, the names of all nodes, and how much of it."""

    stages: Sequence[tuple[str, Record]]
    readings: Sequence[Reading]
    names: Mapping[Node, str]
    given: Mapping[Node, str]  # the names that results are read with
    detail: str
    title: str = "Result"
    style: Style = PLAIN

    @property
    def shown(self) -> Sequence[tuple[str, Record]]:
        """The stages that are printed: none of them where the result alone is asked for."""
        return self.stages if self.detail != "result" or not self.readings else ()

    @property
    def notes(self) -> list[str]:
        """The notes of all stages, each once."""
        own = [n for _, record in self.stages for n in outline(record, self.detail).notes]
        found = self.style.notes(own)[0 if self.shown else 1:]  # the first one is about gradients
        return list(dict.fromkeys([*found, *([AXES] if self.readings else [])]))

    def lines(self, reading: Reading, write: Callable[[Node], str]) -> list[tuple[str, str]]:
        """The lines of a chain that a reader can tell apart, each with its reason."""
        if self.detail == "result" or not reading.steps:
            return [(write(reading.result), "")]
        out: list[tuple[str, str]] = []
        for step in reading.steps:
            text = write(step.after)
            if not out or out[-1][0] != text:
                out.append((text, step.reason))
        return out


def head_text(reading: Reading, names: Mapping[Node, str]) -> str:
    """Return what was read off as the left side of an equation.

    >>> from symgrad.graph.node import const, var
    >>> L, a, b = var("L"), var("a", ("n",)), var("b", ("d",))
    >>> head_text(Reading(L, (a, b), None, a, const(0, ("n", "d"))), {})
    'd2L/(da db)'
    """
    of, *by = (plain_name(names.get(n) or n.name) for n in (reading.of, *reading.by))
    if len(by) == 1:
        return f"d{of}/d{by[0]}"
    return f"d2{of}/d{by[0]}2" if by[0] == by[1] else f"d2{of}/(d{by[0]} d{by[1]})"


def head_latex(reading: Reading, names: Mapping[Node, str], latex_names: Mapping[str, str] | None = None) -> str:
    r"""Return the same in LaTeX: \nabla^2 for one array, fractions otherwise."""
    of, *by = (node_to_latex(n, names, latex_names=latex_names, expand_root=False)
               for n in (reading.of, *reading.by))
    if len(by) == 1:
        return rf"\frac{{\partial {of}}}{{\partial {by[0]}}}"
    if reading.by[0] is not reading.by[1]:
        return rf"\frac{{\partial^2 {of}}}{{\partial {by[0]} \, \partial {by[1]}}}"
    return rf"\nabla^2_{{{by[0]}}} {of}" if reading.by[0].rank else rf"\frac{{\partial^2 {of}}}{{\partial {by[0]}^2}}"


def _chain(plan: Plan, reading: Reading, signs: _Signs) -> tuple[str, list[tuple[str, str]]]:
    """Return the left side of what was read off and its lines with their reasons."""
    if plan.style.notation != "index":
        return signs.head(reading), plan.lines(reading, signs.formula)
    pen, result = signs.pen, reading.result
    parts = reading.by if len(reading.by) == 2 else (reading.of, *reading.by)
    taken = {*plan.names.values(), *sizes_in([reading.of, result]), "d", "e"}
    writer: Indexed[Any] = Indexed(pen, plan.given, alphabet=Alphabet(taken, [result.shape]))
    letters = writer.free(result.shape)
    places = [pen.index([(i, 1)], 0) for i in writer.indices(letters)]
    sides = []
    for part in parts:
        count = sum(d != 1 for d in part.shape)
        sides.append(pen.shown(pen.entry(plan.names.get(part) or part.name, part.rank, places[:count])))
        places = places[count:]
    head = signs.second(plan.names.get(reading.of) or reading.of.name, *sides) if len(reading.by) == 2 else \
        signs.first(*sides)
    return head, plan.lines(reading, lambda n: signs.where(*writer.equations(n, letters)))


class _Signs:
    """Left sides and formulas as text."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.pen: Pen[Any] = TextPen()

    def head(self, reading: Reading) -> str:
        return head_text(reading, self.plan.names)

    def formula(self, node: Node) -> str:
        return node_to_text(node, self.plan.given)

    def first(self, of: str, by: str) -> str:
        return f"d{of}/d{by}"

    def second(self, of: str, a: str, b: str) -> str:
        return f"d2{plain_name(of)}/(d{a} d{b})"

    def where(self, text: str, parts: Sequence[tuple[str, str]]) -> str:
        return f"{text} where {', '.join(f'{a} = {b}' for a, b in parts)}" if parts else text


class _TexSigns(_Signs):
    """Left sides and formulas as LaTeX."""

    def __init__(self, plan: Plan, names: Mapping[str, str] | None) -> None:
        super().__init__(plan)
        self.latex_names = names
        self.namer = Namer(names)
        self.pen = TexPen(self.namer)

    def head(self, reading: Reading) -> str:
        return head_latex(reading, self.plan.names, self.latex_names)

    def formula(self, node: Node) -> str:
        return node_to_latex(node, self.plan.given, latex_names=self.latex_names)

    def first(self, of: str, by: str) -> str:
        return rf"\frac{{\partial {of}}}{{\partial {by}}}"

    def second(self, of: str, a: str, b: str) -> str:
        return rf"\frac{{\partial^2 {self.namer(of)}}}{{\partial {a} \, \partial {b}}}"

    def where(self, text: str, parts: Sequence[tuple[str, str]]) -> str:
        return text + (r" \quad\text{where}\quad " + ", ".join(f"{a} = {b}" for a, b in parts) if parts else "")


def _rows(plan: Plan) -> list[Section]:
    rows: list[tuple[str, str, str]] = []
    for r in plan.readings:
        head, lines = _chain(plan, r, _Signs(plan))
        for k, (text, reason) in enumerate(lines):
            rows.append((head if k == 0 else "", text, reason))
        rows.append(("", "", ""))
    return [(plan.title, rows[:-1])] if rows else []


def _sections(plan: Plan) -> list[Section]:
    out: list[Section] = []
    for title, record in plan.shown:
        out += [(plain_name(title), []), *text_sections(outline(record, plan.detail), plan.style)[0]]
    return [*out, *_rows(plan)]


def to_text(plan: Plan, *, columns: int) -> str:
    """Return all stages and what was read off as plain text."""
    return sections_to_text(_sections(plan), plan.notes, columns)


def _equations(plan: Plan, names: Mapping[str, str] | None) -> list[tuple[str, list[tuple[str, list[Piece]]]]]:
    out = []
    for r in plan.readings:
        head, lines = _chain(plan, r, _TexSigns(plan, names))
        out.append((head, [(text, [(False, reason)] if reason else []) for text, reason in lines]))
    return out


def to_latex(plan: Plan, *, standalone: bool = False, names: Mapping[str, str] | None = None) -> str:
    """Return all stages and what was read off as `align` environments, or as a whole document."""
    body: list[str] = []
    for title, record in plan.shown:
        found = derivation_to_latex(record, names=names, detail=plan.detail, style=plan.style).splitlines()
        body += [_title(title), *(line for line in found if not line.startswith("%"))]
    chains = _equations(plan, names)
    if chains:
        room = (DOCUMENT_WIDTH if standalone else FRAGMENT_WIDTH) - 16
        lines = []
        for head, rows in chains:
            for k, (right, reason) in enumerate(rows):
                said = rf" && \text{{\small {in_prose(reason)}}}" if reason else ""
                lines += [(head if k == j == 0 else "") + (f" &= {piece}{said}" if j == 0 else rf" &\qquad {{}}{piece}")
                          for j, piece in enumerate(broken(right, room))]
        body += [_title(plan.title), "\\begin{align*}\n  " + " \\\\\n  ".join(lines) + "\n\\end{align*}"]
    text = "\n".join(body)
    if standalone:
        text += "\n\n\\medskip\\noindent\\small " + " ".join(in_prose([(False, n)]) for n in plan.notes)
    comment = "".join(f"% {line}\n" for n in ("Derived with symgrad; needs amsmath and amssymb.", *plan.notes)
                      for line in ["".join(c if c.isprintable() else " " for c in n)])
    return comment + (HEAD + text + TAIL if standalone else text + "\n")


def _title(text: str) -> str:
    return rf"\bigskip\noindent\textbf{{{in_prose([(False, text)])}}}\par"


def to_markdown(plan: Plan, *, names: Mapping[str, str] | None = None) -> str:
    """Return all stages and what was read off in math fences."""
    parts = []
    for title, record in plan.shown:
        body = derivation_to_markdown(record, names=names, detail=plan.detail, style=plan.style)
        parts.append(f"## {prose(title)}\n\n{body}")
    chains = _equations(plan, names)
    if chains:
        parts.append(f"## {prose(plan.title)}\n\n{fence(chains)}\n")
    return "\n".join([*parts, prose(AXES) + "\n"])


def to_html(plan: Plan, *, names: Mapping[str, str] | None = None, fragment: bool = False) -> str:
    """Return all stages and what was read off as one page, or a part of one."""
    return sections_to_html(_sections(plan), plan.notes, to_latex(plan, names=names), plan.title, fragment=fragment)


def to_data(plan: Plan) -> dict[str, Any]:
    """Return what was read off as plain data: for each block its shape, its formula as text and as LaTeX."""
    out = {}
    for r in plan.readings:
        names = [plan.names.get(n) or n.name for n in r.by]
        (head, lines), (tex_head, tex) = (_chain(plan, r, signs) for signs in (_Signs(plan), _TexSigns(plan, None)))
        out[", ".join(names)] = {
            "shape": show(r.result.shape), "of": head, "latex_of": tex_head, "text": lines[-1][0], "latex": tex[-1][0],
        }  # fmt: skip
    return {"results": out, "notes": plan.notes}
