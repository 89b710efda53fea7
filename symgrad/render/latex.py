r"""LaTeX: one node as a formula, a derivation as `align` environments with the reason at the right of each line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from symgrad.engine.assumptions import Assumption
from symgrad.engine.derivation import Record
from symgrad.graph.node import Node, broadcast_to, names_in, topological, variables
from symgrad.graph.text import Written
from symgrad.render.formula import Formulas
from symgrad.render.index import Pen
from symgrad.render.index_tex import TexPen, node_to_index_latex
from symgrad.render.layout import SUM_BREAK, broken, in_parentheses, unmarked, width
from symgrad.render.names import Namer
from symgrad.render.outline import Line, Outline, outline
from symgrad.render.page import Page, Section
from symgrad.render.reasons import Piece, Reasons, in_prose
from symgrad.render.style import PLAIN, Style
from symgrad.render.tex import Tex

FRAGMENT_WIDTH = 34.0  # em of 10pt text in the standard article class
DOCUMENT_WIDTH = 41.0  # em of 11pt text on A4 with margins of 2.5cm
_REASON_WIDTH = 12.5  # a longer reason is set in lines of this width
_GAP = 2.5  # between formula and reason
_NUMBER = 2.5  # room for the equation number

_RELATIONS = {"gt": ">", "ge": r"\ge", "lt": "<", "le": r"\le", "eq": "=", "ne": r"\ne"}
Equation: TypeAlias = "tuple[str, list[tuple[str, list[Piece]]]]"  # left side, right sides with their reasons

HEAD = r"""\documentclass[11pt,a4paper]{article}
\usepackage[margin=2.5cm]{geometry}
\usepackage{amsmath,amssymb}
\setlength{\parindent}{0pt}
\allowdisplaybreaks
\begin{document}
"""
TAIL = "\n\\end{document}\n"
_KEEP = "\\par\\vspace{0pt plus 5\\baselineskip}\\pagebreak[1]\\vspace{0pt plus -5\\baselineskip}\n"


def node_to_latex(node: Node, names: Mapping[Node, str] = {}, *, latex_names: Mapping[str, str] | None = None,
                  calls: Mapping[Node, Written] = {}, expand_root: bool = True, bold: bool = False) -> str:
    r"""Return a node as a LaTeX formula in matrix notation.

    `names` stand for their nodes; `latex_names` gives LaTeX for names (`{"learning_rate": r"\eta"}`).
    Raises: InputError for LaTeX with commands outside symbols, accents and fonts, or with open braces.

    >>> from symgrad.graph.node import var
    >>> A, P, Y = var("A1", ("h", "n")), var("P", (1, "n")), var("Y", (1, "n"))
    >>> node_to_latex((P - Y) @ A.T)
    '(P - Y) A_{1}^\\top'
    """
    formulas = Formulas(names, namer=Namer(latex_names, bold=bold), calls=calls)
    if expand_root and not formulas.fits(node):
        index, text = node_to_index_latex(node, names, latex_names=latex_names, calls=calls)
        return rf"{in_parentheses(text, '[', ']')}_{{{index}}}" if index else text
    return formulas.latex(node, expand_root=expand_root)


def derivation_to_latex(record: Record, *, standalone: bool = False, names: Mapping[str, str] | None = None,
                        detail: str = "standard", bold: bool = False, style: Style = PLAIN) -> str:
    r"""Return a derivation as LaTeX: a fragment that needs amsmath, or a whole document.

    `names` maps names to LaTeX; `detail` is 'result', 'standard' or 'all'. Raises: InputError.
    """
    plan = outline(record, detail)
    signs, sections, notes = tex_page(plan, Namer(names, bold=bold), style)
    body = _Document(DOCUMENT_WIDTH if standalone else FRAGMENT_WIDTH).text(signs, sections)
    said = " ".join(in_prose(signs.reasons.assuming(text)) for text in plan.assuming)
    if said:
        body += f"\n\\medskip\\noindent {said}"
    if standalone:
        below = [n for n in notes if n not in plan.assuming]
        body += "\n\n\\medskip\\noindent\\small " + " ".join(in_prose([(False, n)]) for n in below)
    comment = "".join(f"% {_comment(n)}\n" for n in ("Derived with symgrad; needs amsmath and amssymb.", *notes))
    return comment + (HEAD + body + TAIL if standalone else body + "\n")


def _comment(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


class TexSigns:
    """Formulas as LaTeX with break marks."""

    rows = True

    def __init__(self, plan: Outline, namer: Namer) -> None:
        record = plan.record
        self.record, self.namer = record, namer
        namer.reserve({*record.names.values(), *names_in(topological([record.loss]))})
        self.pen: Pen[Tex] = TexPen(namer)
        self.formulas = Formulas(record.names, namer=namer)
        self.calling = Formulas(record.names, namer=namer, calls=record.calls)
        free = {n.name: n for n in variables([record.loss])}
        assumed = {a.text: self.assumption(a) for a, _ in plan.assumed if a.parts}
        self.reasons = Reasons(record.names, namer, free, assumed)

    def assumption(self, assumption: Assumption) -> str:
        """What is assumed, as a formula."""
        chain: list[str] = []
        last: Node | None = None
        for op, left, right in assumption.parts:
            if op == "eq" and right[0].op == "const":
                right = (broadcast_to(right[0], left.shape),)  # a vector of ones is no 1
            sides = [unmarked(self.formulas.latex(n, expand_root=False)) for n in (left, *right)]
            rest = rf" \in \{{{', '.join(sides[1:])}\}}" if op == "in" else f" {_RELATIONS[op]} {sides[1]}"
            chain.append(rest if left is last and op != "in" else (", " if chain else "") + sides[0] + rest)
            last = right[0]
        return "".join(chain)

    def line(self, node: Node) -> str:
        return self.where(*self.formulas.equations(node, expand_root=False))

    def formula(self, node: Node, names: Mapping[Node, str]) -> str:
        own = self.formulas if names is self.record.names else Formulas(names, namer=self.namer)
        return self.where(*own.equations(node))

    def written(self, node: Node) -> list[str]:
        return list(dict.fromkeys(self.where(*f.equations(node)) for f in (self.calling, self.formulas)))

    def name(self, node: Node) -> str:
        return self.formulas.name(node) or ""

    def fits(self, node: Node) -> bool:
        return self.formulas.fits(node) and \
            all(n.rank <= 2 for n in topological([node], self.formulas.inputs))

    def flat(self, text: str) -> str:
        return unmarked(text)

    def where(self, text: str, parts: Sequence[tuple[str, str]]) -> str:
        if not parts:
            return text
        return text + r" \quad\text{where}\quad " + ", ".join(f"{a} = {b}" for a, b in parts)

    def pair(self, left: str, right: str) -> str:
        return in_parentheses(f"{left},{SUM_BREAK} {right}", r"\langle ", r"\rangle ").strip()

    def trace(self, product: str) -> str:
        return r"\operatorname{tr}" + in_parentheses(product)

    def joined(self, terms: Sequence[str]) -> str:
        return terms[0] + "".join(f"{SUM_BREAK} - {t[1:]}" if t.startswith("-") else f"{SUM_BREAK} + {t}"
                                  for t in terms[1:])

    def change(self, name: str, symbol: str, rank: int) -> None:
        self.namer.choices[name] = rf"\mathrm{{d}}{self.namer(symbol, rank)}"

    def equations(self, section: Section) -> list[Equation]:
        """The chains of a section with the reason of each line."""
        return [(c.head, [(text, self.reason(line)) for text, line in c.rows]) for c in section.chains]

    def reason(self, line: Line | None) -> list[Piece]:
        """The reasons of a line, in words and formulas."""
        out: list[Piece] = []
        for rule, reason in line.reasons if line is not None else ():
            out += [(False, "; ")] * bool(out) + self.reasons.pieces(rule, reason)
        return out


def tex_page(plan: Outline, namer: Namer, style: Style) -> tuple[TexSigns, list[Section], tuple[str, ...]]:
    """Return the signs, the sections and the notes of a derivation in LaTeX."""
    signs = TexSigns(plan, namer)
    page: Page[Tex] = Page(plan, signs, style)
    return signs, page.sections(), page.notes()


class _Document:
    def __init__(self, limit: float) -> None:
        self.limit = limit

    def text(self, signs: TexSigns, sections: Sequence[Section]) -> str:
        out: list[str] = []
        for section in sections:
            # a heading at the foot of a page moves to the next one
            out.append((_KEEP if out else "") + _title(section.title))
            out.append(self.align(signs.equations(section), section.kind))
        return "\n".join(out)

    def align(self, equations: Sequence[Equation], kind: str) -> str:
        """Set chains `head = right, reason` in one environment, so that they line up; gradients bear numbers."""
        numbered = kind == "results"
        left = max((width(head) for head, _ in equations), default=0.0)
        column = max((min(_reason_width(r), _REASON_WIDTH) for _, rows in equations for _, r in rows), default=0.0)
        room = self.limit - left - 1.5 - (_NUMBER if numbered else 0.0) - (column + _GAP if column else 0.0)
        chains: list[list[str]] = []
        for head, rows in equations:
            out: list[str] = []
            for k, (right, reason) in enumerate(rows):
                pieces = broken(right, max(room, 8.0))
                for j, piece in enumerate(pieces):
                    line = "  " + (head if k == j == 0 else "")
                    line += f" &= {piece}" if j == 0 else rf" &\qquad {{}}{piece}"
                    if j == 0 and reason:
                        line += f" && {_reason(reason)}"
                    if not numbered or j < len(pieces) - 1:
                        line += r" \notag"
                    out.append(line)
            chains.append(out)
        tall = any(r"\frac" in line for out in chains for line in out)
        rows_apart = "\\\\[0.7ex]\n" if tall else "\\\\\n"
        chains_apart = "\\\\[3ex]\n" if kind == "backward" else rows_apart
        return "\\begin{align}\n" + chains_apart.join(map(rows_apart.join, chains)) + "\n\\end{align}"


def _reason_width(pieces: list[Piece]) -> float:
    return 0.9 * sum(width(p) if is_math else 0.46 * len(p) for is_math, p in pieces)


def _reason(pieces: list[Piece]) -> str:
    """A reason in small type, folded where it is long."""
    if _reason_width(pieces) <= _REASON_WIDTH:
        return rf"\text{{\small {in_prose(pieces)}}}"
    return rf"\parbox[t]{{{_REASON_WIDTH:.1f}em}}{{\raggedright\small {in_prose(pieces)}}}"


def _title(text: str) -> str:
    return rf"\medskip\noindent\textbf{{{text}}}"
