"""Nodes as LaTeX formulas in matrix notation, index notation where matrices cannot say it.

Between matrices a product entry by entry is a circled dot, a quotient and a function stand entry by entry,
and a bare number is a matrix full of it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import sympy as sp

from symgrad.graph.matrix_form import (
    Chain, Diag, Diagonal, Eye, Hadamard, Leaf, MatrixForm, Ones, Scaled, Trace, Transposed, leaves, matrix_form, postorder,
)
from symgrad.graph.node import Node, topological
from symgrad.graph.sharing import cuts
from symgrad.graph.text import Written
from symgrad.render.layout import PRODUCT_BREAK, SUM_BREAK, in_parentheses, unmarked, width
from symgrad.render.names import Namer, plain_text, upright
from symgrad.rules.elementwise import BY_NAME
from symgrad.shapes import Dim

# what the outermost construct of a formula is
SUM, NEGATIVE, SCALED, HADAMARD, CHAIN, FUNCTION, FRACTION, POWER, ATOM = (
    "sum", "negative", "scaled", "hadamard", "chain", "function", "fraction", "power", "atom")

# customary capitals of composites
TITLES = {"bce": "BCE", "mse": "MSE", "bce_with_logits": "BCE", "cross_entropy": "CE", "relu": "ReLU", "gelu": "GELU"}
ONES = r"\mathbf{1}"
_BRACKETS = re.compile(r"(?:\\(?:[bB]igg?l|left))?\((.*?)(?:\\(?:[bB]igg?r|right))?\)", re.DOTALL)


@dataclass(frozen=True)
class Tex:
    """A formula: its text, its outermost construct, and whether it is a scalar.

    `closed` is the text to use where something follows in the same product (`\\log(p)` for `\\log p`);
    `scalar` the text of the number that fills the matrix, where all entries are one number;
    `split` the scalar in front of a matrix and the matrix.
    """

    text: str
    kind: str = ATOM
    scalar: str | None = None
    closed: str | None = None
    split: tuple[Tex, Tex] | None = None

    @property
    def plain(self) -> str:
        return self.closed if self.closed is not None else self.text


def is_number(node: Node) -> bool:
    """Whether the node has one entry."""
    return all(d == 1 for d in node.shape)


class Formulas:
    """Writes nodes as LaTeX; `names` stand for their nodes, `calls` are written as they were given."""

    def __init__(self, names: Mapping[Node, str] = {}, *, namer: Namer | None = None,
                 calls: Mapping[Node, Written] = {}) -> None:
        self.names = dict(names)
        self.calls = calls
        self.namer = namer or Namer()
        self.forms: dict[Node, MatrixForm | None] = {}
        self.root: Node | None = None
        self.cut: dict[Node, str] = {}
        self.letters = self._letters()

    def _letters(self) -> list[str]:
        taken = {self.namer(n) for n in self.names.values()}
        return [c for c in "ijklmnqrstuvw" if c not in taken] + [f"i_{{{k}}}" for k in range(1, 20)]

    def name(self, node: Node) -> str | None:
        """The LaTeX of the node's name, if it has one."""
        if node in self.cut:
            return self.cut[node]
        if node in self.names:
            return self.namer(self.names[node], node.rank)
        return self.namer(node.name, node.rank) if node.op == "var" else None

    def equations(self, node: Node, *, expand_root: bool = True) -> tuple[str, list[tuple[str, str]]]:
        """Return the formula (with break marks) and the equations of the parts that it shares."""
        if not expand_root:
            named = self.name(node)
            if named is not None:
                return named, []
        self.root, self.forms, self.cut = node, {}, {}
        where: list[tuple[str, str]] = []
        shared = cuts(node, self.inputs)
        done: dict[Node, Tex] = {}
        for count, part in enumerate([*shared, node], 1):
            self.root = part
            made: dict[Node, Tex] = {}
            for n in topological([part], lambda n: () if n in done else self.inputs(n)):
                made[n] = done[n] if n in done else self.piece(n, made)
            if part is node:
                break
            symbol = f"t_{{{count}}}"
            where.append((symbol, unmarked(made[part].text)))
            done[part] = Tex(symbol, scalar=symbol if is_number(part) else None)
        return made[node].text, where

    def latex(self, node: Node, *, expand_root: bool = True) -> str:
        """Return the formula on one line."""
        text, where = self.equations(node, expand_root=expand_root)
        tail = ", ".join(f"{a} = {b}" for a, b in where)
        return unmarked(text) + (rf" \quad\text{{where}}\quad {tail}" if tail else "")

    def inputs(self, node: Node) -> Sequence[Node]:
        if node is not self.root and node in self.names:
            return ()
        if node in self.calls:
            return self.calls[node].args
        if node.op == "einsum":
            form = self.form(node)
            return node.args if form is None else leaves(form)
        return node.args

    def form(self, node: Node) -> MatrixForm | None:
        if node not in self.forms:
            self.forms[node] = matrix_form(node, lambda n: n in self.names or n in self.calls)
        return self.forms[node]

    def piece(self, node: Node, made: Mapping[Node, Tex]) -> Tex:
        """Return the formula of a node whose inputs are made."""
        if node is not self.root and node in self.names:
            return _atom(self.name(node) or "", is_number(node))
        if node in self.calls:
            return self._call(node, made)
        if node.op == "var":
            return _atom(self.name(node) or "", is_number(node))
        if node.op == "const":
            return number(node.value)
        if node.op == "size":
            return dim_formula(node.value, self.namer)
        if node.op == "bar":
            loss, at = (made[a] for a in node.args)
            return _ratio(loss, at, is_number(node))
        if node.op == "pull":
            return _pull(node, [made[a] for a in node.args])
        if node.op == "einsum":
            form = self.form(node)
            return self._indexed(node, made) if form is None else self._matrix(node, form, made)
        return _elementwise(node, [made[a] for a in node.args])

    def _call(self, node: Node, made: Mapping[Node, Tex]) -> Tex:
        call = self.calls[node]
        head = rf"\operatorname{{{TITLES.get(call.name) or _word(call.name)}}}"
        args = [unmarked(made[a].text) for a in call.args]
        args += [rf"{upright(k)}={upright(str(v))}" for k, v in call.keywords]
        text = f"{head}({', '.join(args)})"
        return Tex(text, FUNCTION, text if is_number(node) else None)

    # --- einsum ---------------------------------------------------------------------------------------------------

    def _matrix(self, node: Node, form: MatrixForm, made: Mapping[Node, Tex]) -> Tex:
        out: dict[int, Tex] = {}
        for f in postorder(form):
            out[id(f)] = self._matrix_piece(f, out, made, node.rank == 0)
        top = out[id(form)]
        filled = isinstance(form, Scaled) and form.scalars and form.body is not None and all(
            isinstance(p, (Ones, Transposed, Chain)) for p in postorder(form.body))
        if is_number(node):
            return replace(top, scalar=top.text)
        if filled:
            assert isinstance(form, Scaled)
            factors = [out[id(s)] for s in form.scalars]
            bare = factors[0]
            for f in factors[1:]:
                bare = times(bare, f)
            rank0 = all(isinstance(s, Leaf) and s.node.rank == 0 for s in form.scalars)
            return Tex(bare.text if rank0 else top.text, bare.kind if rank0 else top.kind, bare.text)
        return replace(top, scalar=None)

    def _matrix_piece(self, form: MatrixForm, out: Mapping[int, Tex], made: Mapping[Node, Tex], total: bool) -> Tex:
        if isinstance(form, Leaf):
            node = form.node
            return made[node] if node in made else self.piece(node, made)
        if isinstance(form, Ones):
            return Tex(ONES)
        if isinstance(form, Eye):
            return Tex("I")
        if isinstance(form, Transposed):
            p = out[id(form.of)]
            if p.split is not None:
                return times(p.split[0], _transposed(p.split[1]))
            return _transposed(p)
        if isinstance(form, (Diag, Diagonal)):
            word = "diag"
            return Tex(rf"\operatorname{{{word}}}({unmarked(out[id(form.of)].text)})", FUNCTION)
        if isinstance(form, Trace):
            text = rf"\operatorname{{tr}}({unmarked(out[id(form.of)].text)})"
            return Tex(text, FUNCTION, text)
        if isinstance(form, Hadamard):
            return hadamard([out[id(f)] for f in form.factors])
        if isinstance(form, Chain):
            return (self._total(form, out) if total else None) or self._chain(form, out)
        made_scalars = [replace(out[id(s)], scalar=out[id(s)].text) for s in form.scalars]
        pieces = made_scalars + ([out[id(form.body)]] if form.body is not None else [])
        if not pieces:
            return number(1)
        product = pieces[0]
        for p in pieces[1:]:
            product = times(product, p)
        return product

    def _total(self, form: Chain, out: Mapping[int, Tex]) -> Tex | None:
        """A sum over every entry of one array, where the result has no axes left."""
        first, last = form.factors[0], form.factors[-1]
        rows = isinstance(first, Transposed) and isinstance(first.of, Ones)
        columns = isinstance(last, Ones)
        middle = form.factors[rows:len(form.factors) - columns]
        if len(middle) != 1 or not isinstance(middle[0], Leaf):
            return None
        if sum(d != 1 for d in middle[0].node.shape) != rows + columns:
            return None
        index = self.letters[:rows + columns]
        body = out[id(middle[0])]
        negative = body.kind == NEGATIVE and body.text.startswith("-")
        text = body.text[1:] if negative else body.text
        text = _unwrapped(text) if negative else text
        entry = text if body.kind == ATOM else in_parentheses(text, "[", "]")
        sign = "-" if negative else ""
        return Tex(rf"{sign}\sum_{{{','.join(index)}}} {entry}_{{{''.join(index)}}}", NEGATIVE if negative else SCALED)

    def _chain(self, form: Chain, out: Mapping[int, Tex]) -> Tex:
        texts = []
        factors, front = unscaled([out[id(f)] for f in form.factors])
        for k, p in enumerate(factors):
            wrap = p.kind in (SUM, HADAMARD, SCALED, NEGATIVE) or (p.kind == FUNCTION and k < len(form.factors) - 1
                                                                   and p.closed is not None)
            texts.append(in_parentheses(p.text) if wrap else p.text)
        chain = Tex(joined(texts), CHAIN)
        return chain if front is None else times(front, chain)

    def _indexed(self, node: Node, made: Mapping[Node, Tex]) -> Tex:
        ins, out, _ = node.attr
        letter = self.letters
        summed = [i for i in dict.fromkeys(sum(ins, ())) if i not in out]
        factors = []
        for arg, labels in zip(node.args, ins):
            p = made[arg]
            base = p.text if p.kind == ATOM else in_parentheses(unmarked(p.text))
            factors.append(base + (f"_{{{''.join(letter[i] for i in labels)}}}" if labels else ""))
        for k, i in enumerate(out):
            if i in out[:k]:
                factors.append(rf"\delta_{{{letter[i]}{letter[i]}'}}")
        body = " ".join(factors) or "1"
        if summed:
            body = rf"\sum_{{{','.join(letter[i] for i in summed)}}} {body}"
        if not out:
            return Tex(body, SCALED, body)
        shown = "".join(letter[i] + ("'" if i in out[:k] else "") for k, i in enumerate(out))
        return Tex(rf"\left[ {body} \right]_{{{shown}}}", POWER)


def _transposed(p: Tex) -> Tex:
    base = p.text if p.kind == ATOM else f"{{{p.text}}}" if p.kind == POWER else in_parentheses(p.text)
    return Tex(rf"{base}^\top", POWER)


def _unwrapped(text: str) -> str:
    """Return a formula without the one pair of brackets around it, if there is one."""
    found = _BRACKETS.fullmatch(text)
    if found is None:
        return text
    depth = 0
    for c in found[1]:
        depth += (c == "(") - (c == ")")
        if depth < 0:
            return text
    return found[1].strip()


def _word(name: str) -> str:
    return upright(name)[len(r"\mathrm{"):-1]


def _atom(text: str, scalar: bool) -> Tex:
    return Tex(text, POWER if "^" in text else ATOM, text if scalar else None)


def number(value: Any) -> Tex:
    """Return a constant as a formula."""
    if isinstance(value, Fraction):
        text = rf"\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"
        text = f"-{text}" if value < 0 else text
        return Tex(text, NEGATIVE if value < 0 else FRACTION, text)
    if isinstance(value, str):
        text = r"\pi" if value == "pi" else upright(value)
    elif isinstance(value, float) and not math.isfinite(value):
        text = r"\mathrm{nan}" if math.isnan(value) else r"\infty" if value > 0 else r"-\infty"
    else:
        text = repr(value)
    if "e" in text and isinstance(value, float) and math.isfinite(value):
        mantissa, exponent = text.split("e")
        power = f"10^{{{int(exponent)}}}"
        text = power if mantissa == "1" else rf"{mantissa} \times {power}"
        return Tex(text, NEGATIVE if value < 0 else SCALED, text)
    return Tex(text, NEGATIVE if text.startswith("-") else ATOM, text)


def dim_formula(dim: Dim, namer: Namer) -> Tex:
    """Return a size as a formula."""
    if isinstance(dim, int):
        return number(dim)
    made: dict[sp.Basic, Tex] = {}
    for e in sp.postorder_traversal(dim):
        if isinstance(e, sp.Symbol):
            made[e] = _atom(namer(e.name), True)
        elif isinstance(e, sp.Integer):
            made[e] = number(int(e))
        elif isinstance(e, sp.Rational):
            made[e] = number(Fraction(int(e.p), int(e.q)))
        elif isinstance(e, sp.Add):
            text = " + ".join(made[a].text for a in e.args).replace("+ -", "- ")
            made[e] = Tex(text, SUM, text)
        elif isinstance(e, sp.Mul):
            total = made[e.args[0]]
            for a in e.args[1:]:
                total = times(total, made[a])
            made[e] = replace(total, scalar=total.text)
        elif isinstance(e, sp.Pow):
            base = made[e.args[0]]
            text = f"{base.text if base.kind == ATOM else in_parentheses(base.text)}^{{{made[e.args[1]].text}}}"
            made[e] = Tex(text, POWER, text)
        else:
            made[e] = Tex(upright(str(e)), scalar=upright(str(e)))
    return made[dim]


def joined(texts: Sequence[str]) -> str:
    """Return factors side by side, with a thin space where words or fractions meet."""
    out = before = texts[0]
    for t in texts[1:]:
        apart = t.startswith((r"\mathrm", r"\frac")) or (out[-1:].isdigit() and t[:1].isdigit())
        apart = apart or (before.startswith((r"\mathrm", r"\frac{\partial")) and not t.startswith(("(", r"\left(")))
        out += (r" \, " if apart else " ") + t
        before = t
    return out


def unscaled(factors: Sequence[Tex]) -> tuple[list[Tex], Tex | None]:
    """Take the scalars in front of matrices out of a product."""
    front: Tex | None = None
    rest: list[Tex] = []
    for p in factors:
        if p.split is not None:
            front = p.split[0] if front is None else times(front, p.split[0])
            p = p.split[1]
        rest.append(p)
    return rest, front


def times(a: Tex, b: Tex) -> Tex:
    """Return a product; a scalar factor stands in front."""
    if a.scalar is None and b.scalar is not None:
        a, b = b, a
    if a.scalar is None:
        return hadamard([a, b])
    if a.text == "1" and a.scalar == "1" and b.scalar is None:
        return b
    left = a if a.text == a.scalar else Tex(a.scalar, a.kind, a.scalar)
    both = b.scalar is not None
    right = b if not both or b.text == b.scalar else Tex(b.scalar or "", b.kind, b.scalar)
    first = in_parentheses(left.plain) if left.kind == SUM else left.plain
    second = in_parentheses(right.text) if right.kind in (SUM, NEGATIVE) else right.text
    digits = unmarked(first)[-1:].isdigit() and second[:1].isdigit()
    text = rf"{first} \cdot {second}" if digits else joined([first, second])
    kind = NEGATIVE if first.startswith("-") else right.kind if right.kind in (HADAMARD, CHAIN) else SCALED
    closed = joined([first, right.closed]) if right.closed is not None else None
    return Tex(text, kind, text if both else None, closed, None if both else (left, right))


def hadamard(factors: Sequence[Tex]) -> Tex:
    """Return the product entry by entry, scalars in front."""
    factors, front = unscaled(factors)
    if front is not None:
        return times(front, hadamard(factors))
    texts = [in_parentheses(p.text) if p.kind in (SUM, CHAIN) or (p.kind == NEGATIVE and k) else
             p.text if k == len(factors) - 1 else p.plain for k, p in enumerate(factors)]
    kind = NEGATIVE if factors[0].kind == NEGATIVE else HADAMARD
    return Tex(rf"{PRODUCT_BREAK} \odot ".join(texts), kind)


def negated(p: Tex) -> Tex:
    """Return the negative of a formula."""
    body = in_parentheses(p.text) if p.kind in (SUM, NEGATIVE) else p.text
    scalar = None if p.scalar is None else f"-{in_parentheses(p.scalar) if p.kind in (SUM, NEGATIVE) else p.scalar}"
    split = None if p.split is None else (negated(p.split[0]), p.split[1])
    return Tex(f"-{body}", NEGATIVE, scalar, None if p.closed is None else f"-{p.closed}", split)


def positive(p: Tex) -> Tex:
    """Return a formula that starts with a minus sign without it."""
    split = None
    if p.split is not None:
        front, rest = p.split
        if not front.text.startswith("-"):
            split = front, positive(rest)
        elif front.text != "-1":
            split = positive(front), rest
    return Tex(p.text[1:], SCALED, p.scalar[1:] if p.scalar is not None else None, p.closed[1:] if p.closed else None, split)


def added(a: Tex, b: Tex, *, minus: bool = False) -> Tex:
    """Return a sum or a difference; plus a negative term is written as minus."""
    right, sign = b.text, "-" if minus else "+"
    if minus and b.kind in (SUM, NEGATIVE):
        right = in_parentheses(right)
    elif b.kind == NEGATIVE:
        sign, right = "-", right[1:]
    text = f"{a.text}{SUM_BREAK} {sign} {right}"
    return Tex(text, SUM, text if a.scalar is not None and b.scalar is not None else None)


def divided(a: Tex, b: Tex) -> Tex:
    """Return a quotient: a fraction, with a long or matrix numerator standing behind 1/b where b is a number."""
    if a.kind == NEGATIVE and a.text.startswith("-"):
        return negated(divided(positive(a), b))
    if b.scalar is None and (a.split is not None or b.split is not None):
        above, over = a.split or (number(1), a)
        under, rest = b.split or (number(1), b)
        return times(above if under.text == "1" else divided(above, under), divided(over, rest))
    below = unmarked(b.scalar if b.scalar is not None else b.text)
    scalar = a.scalar is not None and b.scalar is not None
    big = a.scalar is None or a.kind == CHAIN or r"\sum" in a.text or width(a.text) > 16
    if b.scalar is not None and big:
        front = Tex(rf"\frac{{1}}{{{below}}}", FRACTION, rf"\frac{{1}}{{{below}}}")
        return times(front, a)
    text = rf"\frac{{{unmarked(a.text)}}}{{{below}}}"
    return Tex(text, FRACTION, text if scalar else None)


def power(node: Node, a: Tex, b: Tex) -> Tex:
    """Return a power; on matrices the exponent carries a circled dot, as it acts entry by entry."""
    exponent = node.args[1]
    scalar = a.scalar is not None
    if exponent.op == "const" and exponent.value == Fraction(1, 2):
        text = rf"\sqrt{{{unmarked(a.text)}}}"
        return Tex(text, ATOM, text if scalar else None)
    base = unmarked(a.plain) if a.kind == ATOM or (a.kind == FUNCTION and a.plain.endswith((")", "]"))) \
        else in_parentheses(unmarked(a.text))
    above = unmarked(b.scalar if b.scalar is not None else b.text)
    if exponent.op == "const" and isinstance(exponent.value, Fraction):
        above = f"{exponent.value.numerator}/{exponent.value.denominator}"
    text = f"{base}^{{{above}}}" if scalar else rf"{base}^{{\odot {above}}}"
    return Tex(text, POWER, text if scalar and b.scalar is not None else None)


def _elementwise(node: Node, args: list[Tex]) -> Tex:
    op = node.op
    if op == "neg":
        return negated(args[0])
    if op in ("add", "sub"):
        return added(args[0], args[1], minus=op == "sub")
    if op == "mul":
        x, y = node.args
        if y.op == "const" and x.op != "const":
            args = args[::-1]
            x = y
        if x.op == "const" and x.value == -1 and not isinstance(x.value, float):
            return negated(args[1])
        return times(args[0], args[1])
    if op == "div":
        return divided(args[0], args[1])
    if op == "pow":
        return power(node, args[0], args[1])
    return _function(node, args)


def _function(node: Node, args: list[Tex]) -> Tex:
    scalar = all(a.scalar is not None for a in args)
    texts = [unmarked(a.text) for a in args]
    row = BY_NAME.get(node.op)
    if node.op == "exp" and scalar and width(texts[0]) < 6 and r"\frac" not in texts[0]:
        text = f"e^{{{texts[0]}}}"
        return Tex(text, POWER, text)
    head = row.latex if row is not None and row.latex else rf"\operatorname{{{_word(node.op)}}}"
    if "{}" in head:
        text = head.format(*texts)
        return Tex(text, FUNCTION, text if scalar else None)
    inside = in_parentheses(", ".join(texts))
    if head.startswith(r"\operatorname") or head == r"\sigma" or len(args) > 1 or args[0].kind != ATOM:
        text = head + inside
        return Tex(text, FUNCTION, text if scalar else None)
    text = f"{head} {texts[0]}"
    return Tex(text, FUNCTION, text if scalar else None, head + inside)


def _named(p: Tex) -> bool:
    return p.kind == ATOM or (p.kind == POWER and width(p.text) < 4)


def _ratio(top: Tex, below: Tex, scalar: bool) -> Tex:
    under = below.text if _named(below) else in_parentheses(unmarked(below.text))
    if _named(top):
        text = rf"\frac{{\partial {top.text}}}{{\partial {under}}}"
        return Tex(text, FRACTION, text if scalar else None)
    inside = in_parentheses(top.text, "[", "]")
    text = rf"\frac{{\partial}}{{\partial {under}}}{inside}"
    return Tex(text, FUNCTION, text if scalar else None)


def _pull(node: Node, args: list[Tex]) -> Tex:
    """The pending pullback c df/dw."""
    c, f, w = args
    ratio = _ratio(f, w, True)
    value = node.args[0].value if node.args[0].op == "const" else None
    if value == 1:
        made = ratio
    elif value == -1:
        made = negated(ratio)
    else:
        made = times(Tex(c.text, c.kind, c.text, c.closed), ratio)
    return replace(made, scalar=made.text if is_number(node) else None)


def text_formula(text: str) -> str:
    """Return running text as it stands in a formula."""
    return plain_text(text)
