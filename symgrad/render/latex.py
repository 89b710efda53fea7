r"""LaTeX: one node as a formula, a derivation as `align` environments with the reason at the right of each line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from symgrad.engine.derivation import Record
from symgrad.graph.node import Node, variables
from symgrad.graph.text import Written
from symgrad.render.formula import Formulas
from symgrad.render.layout import broken, unmarked, width
from symgrad.render.names import Namer
from symgrad.render.outline import Block, Outline, outline, result_names, visible
from symgrad.render.reasons import Piece, Reasons, in_prose

FRAGMENT_WIDTH = 34.0  # em of 10pt text in the standard article class
DOCUMENT_WIDTH = 41.0  # em of 11pt text on A4 with margins of 2.5cm
_REASON_WIDTH = 12.5  # a longer reason is set in lines of this width
_GAP = 2.5  # between formula and reason
_NUMBER = 2.5  # room for the equation number

_NO_REASON: list[Piece] = []

HEAD = r"""\documentclass[11pt,a4paper]{article}
\usepackage[margin=2.5cm]{geometry}
\usepackage{amsmath,amssymb}
\setlength{\parindent}{0pt}
\allowdisplaybreaks
\begin{document}
"""
TAIL = "\n\\end{document}\n"


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
    return Formulas(names, namer=Namer(latex_names, bold=bold), calls=calls).latex(node, expand_root=expand_root)


def derivation_to_latex(record: Record, *, standalone: bool = False, names: Mapping[str, str] | None = None,
                        detail: str = "standard", bold: bool = False) -> str:
    r"""Return a derivation as LaTeX: a fragment that needs amsmath, or a whole document.

    `names` maps names to LaTeX; `detail` is 'result', 'standard' or 'all'. Raises: InputError.
    """
    plan = outline(record, detail)
    writer = _Document(plan, Namer(names, bold=bold), DOCUMENT_WIDTH if standalone else FRAGMENT_WIDTH)
    body = writer.text()
    if standalone:
        body += "\n\n\\medskip\\noindent\\small " + " ".join(in_prose([(False, n)]) for n in plan.notes)
    comment = "".join(f"% {_comment(n)}\n" for n in ("Derived with symgrad; needs amsmath and amssymb.", *plan.notes))
    return comment + (HEAD + body + TAIL if standalone else body + "\n")


def _comment(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


class Backward:
    """The formulas of a record: names stand for nodes on the right-hand sides."""

    def __init__(self, plan: Outline, namer: Namer) -> None:
        self.namer = namer
        self.formulas = Formulas(plan.record.names, namer=namer)
        self.written = Formulas(plan.record.names, namer=namer, calls=plan.record.calls)
        free = {n.name: n for n in variables([plan.record.loss])}
        self.reasons = Reasons(plan.record.names, namer, free)

    def right(self, node: Node) -> str:
        """A right-hand side, with break marks; its shared parts follow as equations."""
        return _with_parts(*self.formulas.equations(node, expand_root=False))

    def definition(self, node: Node) -> list[str]:
        """A named node in the terms of its equation: as it was written, and spelled out where that differs."""
        forms = (_with_parts(*f.equations(node)) for f in (self.written, self.formulas))
        return list(dict.fromkeys(forms))

    def forward(self, plan: Outline) -> list[tuple[str, list[tuple[str, list[Piece]]]]]:
        """The equations of the forward pass, after what was recognised in them."""
        found = [(unmarked(self.right(b.head)), self.rows(b, "")) for b in plan.recognised]
        return found + [(self.name(n), [(d, _NO_REASON) for d in self.definition(n)]) for n in plan.forward]

    def results(self, plan: Outline) -> list[tuple[str, list[tuple[str, list[Piece]]]]]:
        """The gradients, in the user's own names where they need no others."""
        out = []
        for head, node in plan.results:
            names = result_names(plan.record, node)
            own = self.formulas if names is plan.record.names else Formulas(names, namer=self.namer)
            out.append((unmarked(self.right(head)), [(_with_parts(*own.equations(node)), _NO_REASON)]))
        return out

    def name(self, node: Node) -> str:
        return self.formulas.name(node) or ""

    def rows(self, block: Block, head: str) -> list[tuple[str, list[Piece]]]:
        """The lines of a chain with their reasons."""
        return [(text, self.reasons.pieces(line.rule, line.reason)) for text, line in visible(block, head, self.right)]


def _with_parts(text: str, where: list[tuple[str, str]]) -> str:
    if not where:
        return text
    return text + r" \quad\text{where}\quad " + ", ".join(f"{a} = {b}" for a, b in where)


class _Document:
    def __init__(self, plan: Outline, namer: Namer, limit: float) -> None:
        self.plan = plan
        self.limit = limit
        self.back = Backward(plan, namer)

    def text(self) -> str:
        back = self.back
        out: list[str] = []
        if self.plan.forward:
            out.append(_title("Forward pass"))
            out.append(self.align(back.forward(self.plan)))
        if self.plan.blocks:
            out.append(_title("Backward pass"))
            for block in self.plan.blocks:
                head = unmarked(back.right(block.head))
                out.append(self.align([(head, back.rows(block, head))]))
        out.append(_title("Gradients"))
        out.append(self.align(back.results(self.plan), numbered=True))
        return "\n".join(out)

    def align(self, equations: Sequence[tuple[str, list[tuple[str, list[Piece]]]]], *, numbered: bool = False) -> str:
        """Set chains `head = right, reason` in one environment; gradients bear numbers."""
        left = max((width(head) for head, _ in equations), default=0.0)
        column = max((min(_reason_width(r), _REASON_WIDTH) for _, rows in equations for _, r in rows), default=0.0)
        room = self.limit - left - 1.5 - (_NUMBER if numbered else 0.0) - (column + _GAP if column else 0.0)
        out: list[str] = []
        for head, rows in equations:
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
        rows_apart = "\\\\[0.7ex]\n" if any(r"\frac" in line for line in out) else "\\\\\n"
        return "\\begin{align}\n" + rows_apart.join(out) + "\n\\end{align}"


def _reason_width(pieces: list[Piece]) -> float:
    return 0.9 * sum(width(p) if is_math else 0.46 * len(p) for is_math, p in pieces)


def _reason(pieces: list[Piece]) -> str:
    """A reason in small type, folded where it is long."""
    if _reason_width(pieces) <= _REASON_WIDTH:
        return rf"\text{{\small {in_prose(pieces)}}}"
    return rf"\parbox[t]{{{_REASON_WIDTH:.1f}em}}{{\raggedright\small {in_prose(pieces)}}}"


def _title(text: str) -> str:
    return rf"\medskip\noindent\textbf{{{text}}}"
