"""Index notation as text: `sum_k (P[i,k] - Y[i,k])*A[j,k]/n`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from symgrad.graph.node import Node
from symgrad.graph.text import (
    ATOM,
    SUM,
    TERM,
    Piece,
    Written,
    elementwise,
    enclose,
    negated,
    number,
    plain_name,
    size_piece,
    to_text,
)
from symgrad.render.index import Alphabet, Indexed, signed_terms, sizes_in
from symgrad.shapes import Dim, spelled

_SUM = "sum"


class TextPen:
    """The signs of text; `delta` is the name of the Kronecker symbol."""

    def __init__(self, delta: str = "delta") -> None:
        self.name_of_delta = delta

    def index(self, terms: Sequence[tuple[str, int]], plus: Dim) -> str:
        out = ""
        for sign, times, what in signed_terms(terms, plus):
            text = plain_name(what if isinstance(what, str) else spelled(what).replace(" ", ""))
            text = text if times == 1 else str(times) if what == 1 else f"{times}*{text}"
            out += ("-" if sign < 0 else "+" if out else "") + text
        return out

    def entry(self, name: str, rank: int, index: Sequence[str]) -> Piece:  # noqa: ARG002  # LaTeX asks for the rank
        return Piece(plain_name(name) + _at(index), ATOM, ())

    def number(self, node: Node) -> Piece:
        return number(node.value) if node.op == "const" else size_piece(node.value)

    def whole(
        self, node: Node, index: Sequence[str], names: Mapping[Node, str], calls: Mapping[Node, Written],
        letters: Iterable[str]  # noqa: ARG002  # text spells inner sums without indices
    ) -> Piece:
        return Piece(to_text(node, names, calls=calls) + _at(index), ATOM, ())

    def delta(self, left: str, right: str) -> Piece:
        return Piece(f"{self.name_of_delta}[{left},{right}]", ATOM, ())

    def order(self, items: Sequence[str], relations: Sequence[str]) -> str:
        return items[0] + "".join(f"{r}{i}" for r, i in zip(relations, items[1:]))

    def holds(self, orders: Sequence[str]) -> Piece:
        return Piece(f"[{' and '.join(orders)}]", ATOM, ())

    def total(self, letters: Sequence[str], where: Sequence[str], body: Piece) -> Piece:
        if body.negative and body.level > SUM:
            return negated(self.total(letters, where, replace(body, text=body.text[1:])))
        under = ",".join(where or letters)
        return Piece(f"sum_{under} {enclose(body, TERM)}", TERM, (), _SUM)

    def product(self, factors: Sequence[Piece]) -> Piece:
        order = [p for p in factors if p.sign != _SUM] + [p for p in factors if p.sign == _SUM]
        if not order:
            return number(1)
        if len(order) == 1:
            return order[0]
        texts = [f"({p.text})" if (p.sign == _SUM and k < len(order) - 1) or (p.negative and k) else
                 f"{enclose(p, TERM)} " if p.sign == "d" else enclose(p, TERM) for k, p in enumerate(order)]
        text = texts[0]
        for p, before, t in zip(order[1:], order, texts[1:]):
            text = text.rstrip() + (" * " if "d" in (p.sign, before.sign) else "*") + t
        return Piece(text.rstrip(), TERM, (), order[-1].sign if order[-1].sign in (_SUM, "d") else "")

    def apply(self, node: Node, args: list[Piece]) -> Piece:
        if node.op == "div" and args[0].sign == _SUM:
            a, b = args
            if _SUM + "_" not in b.text:
                # by linearity the divisor may stand inside the sum
                made = elementwise(node, [replace(a, sign=""), b])
                return replace(made, sign=_SUM)
            args = [Piece(f"({a.text})", ATOM, ()), b]
        if node.op == "mul" and args[0].sign == _SUM:
            if args[1].sign != _SUM and not args[0].negative:
                return self.product(args)
            args = [Piece(f"({args[0].text})", ATOM, ()), args[1]]
        made = elementwise(node, args)
        ends = node.op in ("mul", "neg") and args[-1].sign == _SUM and not made.text.endswith(")")
        return replace(made, sign=_SUM) if ends else replace(made, sign="") if made.sign == _SUM else made

    def along(self, node: Node, letters: Sequence[str], body: Piece, places: Sequence[str]) -> Piece:
        said = f"[{','.join(f'{a}={b}' for a, b in zip(letters, places))}]" if places else ""
        return Piece(f"{plain_name(node.attr[0])}_{','.join(letters)}({body.text}){said}", ATOM, ())

    def ratio(self, top: Piece, under: Piece) -> Piece:
        up, down = (p.text if p.level == ATOM and not p.text.endswith(")") else f"({p.text})" for p in (top, under))
        return Piece(f"d{up}/d{down}", TERM, (), "d")

    def negated(self, piece: Piece) -> Piece:
        return negated(piece)

    def shown(self, piece: Piece) -> str:
        return piece.text

    def flat(self, text: str) -> str:
        return text


def node_to_index_text(node: Node, names: Mapping[Node, str] = {}, *, calls: Mapping[Node, Written] = {},
                       alphabet: Alphabet | None = None) -> tuple[str, str]:
    """Return the indices of an entry of a node of any rank, and the entry as text.

    >>> from symgrad.graph.node import var
    >>> A, B = var("A", ("m", "k")), var("B", ("k", "n"))
    >>> node_to_index_text(A @ B)
    ('i,j', 'sum_l A[i,l]*B[l,j]')
    """
    taken = {*names.values(), *sizes_in([node])}
    writer: Indexed[Piece] = Indexed(TextPen(), names, calls=calls, alphabet=alphabet or Alphabet(taken))
    letters = writer.free(node.shape)
    text, where = writer.equations(node, letters)
    tail = f" where {', '.join(f'{a} = {b}' for a, b in where)}" if where else ""
    return ",".join(writer.indices(letters)), text + tail


def _at(index: Sequence[str]) -> str:
    return f"[{','.join(index)}]" if index else ""
