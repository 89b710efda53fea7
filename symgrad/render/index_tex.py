r"""Index notation as LaTeX: `\frac{1}{n} \sum_{k} (P_{ik} - Y_{ik}) A_{jk}`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from symgrad.graph.node import Node
from symgrad.graph.text import Written
from symgrad.render.formula import Formulas, derivative_by, dim_formula, elementwise
from symgrad.render.index import Alphabet, Indexed, signed_terms, sizes_in
from symgrad.render.layout import in_parentheses, unmarked
from symgrad.render.names import Namer, upright
from symgrad.render.tex import (
    ATOM,
    FUNCTION,
    NEGATIVE,
    POWER,
    SCALED,
    SUM,
    Tex,
    below,
    divided,
    negated,
    number,
    positive,
    times,
    with_index,
)
from symgrad.rules.arrays import array_row
from symgrad.shapes import Dim

_RELATIONS = {"<=": r"\le", ">=": r"\ge", "<": "<"}


class TexPen:
    """The signs of LaTeX."""

    def __init__(self, namer: Namer) -> None:
        self.namer = namer

    def letter(self, name: str) -> str:
        return name if len(name) == 1 else f"{name[0]}_{{{name[1:]}}}" if re.fullmatch(r"i\d+", name) else name

    def index(self, terms: Sequence[tuple[str, int]], plus: Dim) -> str:
        out = ""
        for sign, count, what in signed_terms(terms, plus):
            text = self.letter(what) if isinstance(what, str) else dim_formula(what, self.namer).text
            text = text if count == 1 else str(count) if what == 1 else f"{count}{text}"
            out += ("-" if sign < 0 else "+" if out else "") + text
        return out

    def entry(self, name: str, rank: int, index: Sequence[str]) -> Tex:
        text = with_index(self.namer(name, rank), index)
        return Tex(text, POWER if "^" in text else ATOM, text)

    def number(self, node: Node) -> Tex:
        return number(node.value) if node.op == "const" else dim_formula(node.value, self.namer)

    def whole(self, node: Node, index: Sequence[str], names: Mapping[Node, str], calls: Mapping[Node, Written],
              letters: Iterable[str]) -> Tex:
        text = Formulas(names, namer=self.namer, calls=calls, letters=letters).latex(node)
        if not index:
            return Tex(text, FUNCTION, text, in_parentheses(text))
        text = f"{in_parentheses(text, '[', ']')}_{{{below(index)}}}"
        return Tex(text, ATOM, text)

    def delta(self, left: str, right: str) -> Tex:
        if not self.namer.is_free(r"\delta"):
            text = rf"\mathbf{{1}}[{left} = {right}]"
            return Tex(text, ATOM, text)
        text = rf"\delta_{{{left}{'' if len(left) == len(right) == 1 else ','}{right}}}"
        return Tex(text, ATOM, text)

    def order(self, items: Sequence[str], relations: Sequence[str]) -> str:
        return " ".join([items[0], *(f"{_RELATIONS[r]} {i}" for r, i in zip(relations, items[1:]))])

    def holds(self, orders: Sequence[str]) -> Tex:
        text = rf"[{r', '.join(orders)}]"
        return Tex(text, ATOM, text)

    def total(self, letters: Sequence[str], where: Sequence[str], body: Tex) -> Tex:
        if body.kind == NEGATIVE and body.text.startswith("-"):
            return negated(self.total(letters, where, positive(body)))
        under = ",".join(where or [self.letter(x) for x in letters])
        inner = in_parentheses(body.text) if body.kind in (SUM, NEGATIVE) else body.text
        text = rf"\sum_{{{under}}} {inner}"
        return Tex(text, SCALED, text, in_parentheses(text))

    def product(self, factors: Sequence[Tex]) -> Tex:
        order = [p for p in factors if not _is_sum(p)] + [p for p in factors if _is_sum(p)]
        if not order:
            return number(1)
        out = order[0]
        for p in order[1:]:
            out = times(out, p)
        return out

    def apply(self, node: Node, args: list[Tex]) -> Tex:
        if node.op == "mul" and _is_sum(args[0]) and not _is_sum(args[1]):
            return self.product(args)
        if node.op == "div" and _is_sum(args[0]) and r"\sum" not in args[1].text:
            one = divided(number(1), args[1])
            return negated(times(one, positive(args[0]))) if args[0].kind == NEGATIVE else times(one, args[0])
        made = elementwise(node, args, self.namer)
        return made if made.scalar is not None else replace(made, scalar=made.text)

    def along(self, node: Node, letters: Sequence[str], body: Tex, places: Sequence[str]) -> Tex:
        row = array_row(node)
        head = row.latex if "{0}" not in row.latex else ""
        head = head if head and self.namer.is_free(head) else rf"\operatorname{{{upright(row.name)[8:-1]}}}"
        text = rf"{head}_{{{','.join(map(self.letter, letters))}}}" + in_parentheses(unmarked(body.text))
        if places:
            said = ", ".join(f"{self.letter(a)}={b}" for a, b in zip(letters, places))
            text = rf"{in_parentheses(text, '[', ']')}_{{{said}}}"
        return Tex(text, FUNCTION, text)

    def ratio(self, top: Tex, under: Tex) -> Tex:
        return derivative_by(top, under, True)

    def negated(self, piece: Tex) -> Tex:
        return negated(piece)

    def shown(self, piece: Tex) -> str:
        return piece.text

    def flat(self, text: str) -> str:
        return unmarked(text)


def _is_sum(p: Tex) -> bool:
    return p.text.lstrip("-").startswith(r"\sum")


def node_to_index_latex(node: Node, names: Mapping[Node, str] = {}, *, latex_names: Mapping[str, str] | None = None,
                        calls: Mapping[Node, Written] = {}, alphabet: Alphabet | None = None) -> tuple[str, str]:
    r"""Return the indices of an entry of a node of any rank, and the entry as a LaTeX formula.

    >>> from symgrad.graph.node import einsum, var
    >>> Q, K = var("Q", ("b", "q", "d")), var("K", ("b", "k", "d"))
    >>> node_to_index_latex(einsum(["bqd", "bkd"], [Q, K], "bqk"))
    ('ijl', '\\sum_{p} Q_{ijp} K_{ilp}')
    """
    alphabet = alphabet or Alphabet({*names.values(), *sizes_in([node])})
    namer = Namer(latex_names)
    namer.reserve({*names.values(), *sizes_in([node])})
    writer: Indexed[Tex] = Indexed(TexPen(namer), names, calls=calls, alphabet=alphabet)
    letters = writer.free(node.shape)
    text, where = writer.equations(node, letters)
    tail = ", ".join(f"{a} = {b}" for a, b in where)
    index = with_index("x", [writer.pen.index([(i, 1)], 0) for i in writer.indices(letters)])[3:-1]
    return index, unmarked(text) + (rf" \quad\text{{where}}\quad {tail}" if tail else "")
