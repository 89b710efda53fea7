"""Nodes as LaTeX formulas in matrix notation, index notation where matrices cannot say it.

Between matrices a product entry by entry is a circled dot, a quotient and a function stand entry by entry,
and a bare number is a matrix full of it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import sympy as sp

from symgrad.engine.rows import find
from symgrad.graph import matrix_form as mf
from symgrad.graph.node import Node, names_in, topological
from symgrad.graph.sharing import cuts
from symgrad.graph.text import Written, direct, operands
from symgrad.render.extents import Extents
from symgrad.render.layout import in_parentheses, unmarked, width
from symgrad.render.names import Namer, upright
from symgrad.render.tex import (
    ATOM,
    CHAIN,
    FRACTION,
    FUNCTION,
    HADAMARD,
    NEGATIVE,
    POWER,
    SCALED,
    SUM,
    Tex,
    added,
    divided,
    hadamard,
    joined,
    negated,
    number,
    times,
    transposed,
    unscaled,
    unwrapped,
    with_index,
)
from symgrad.rules.arrays import array_row
from symgrad.shapes import Dim

ONES = r"\mathbf{1}"


def _filling(node: Node, p: Tex) -> str:
    """Return the formula of a whole right-hand side; a number that fills an array is multiplied by ones."""
    if p.scalar in (None, "0") or p.text != p.scalar or is_number(node) or node.rank > 2:
        return p.text
    return _filled(p, [None if d == 1 else ONES for d in node.shape]).text


def _filled(p: Tex, ones: Sequence[str | None]) -> Tex:
    """Return a number times ones along the axes that are given."""
    column, row = (ones[0], ones[1]) if len(ones) == 2 else (ones[0], None)
    text = joined([*([column] if column else []), *([rf"{row}^\top"] if row else [])])
    return times(p.entry, Tex(text, CHAIN if column and row else POWER))


def is_number(node: Node) -> bool:
    """Whether the node has one entry."""
    return all(d == 1 for d in node.shape)


class Formulas:
    """Writes nodes as LaTeX; `names` stand for their nodes, `calls` are written as they were given.

    `letters` are indices of what the formula stands in.
    """

    def __init__(self, names: Mapping[Node, str] = {}, *, namer: Namer | None = None,
                 calls: Mapping[Node, Written] = {}, letters: Iterable[str] = ()) -> None:
        self.outer = set(letters)
        self.names = dict(names)
        self.calls = calls
        self.namer = namer or Namer()
        self.forms: dict[Node, mf.MatrixForm | None] = {}
        self.root: Node | None = None
        self.spelt: set[Node] = set()
        self.cut: dict[Node, str] = {}
        self.letters: list[str] = []
        self.extents: Extents | None = None

    def _letters(self, node: Node) -> list[str]:
        """Signs for indices that no name or size in sight bears."""
        seen = topological([node], self.inputs)
        taken = names_in(seen) | {self.names[n] for n in seen if n in self.names}
        self.namer.reserve(taken)
        own = [c for c in "ijklmnqrstuvw" if c not in taken and self.namer.is_free(c)]
        return [c for c in own + [f"i_{{{k}}}" for k in range(1, 40)] if c not in self.outer]

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
        self._begin(node)
        self.spelt = direct(node, self.inputs)
        self.forms, self.extents = {}, None
        self.letters = self._letters(node)
        where: list[tuple[str, str]] = []
        shared = cuts(node, self.inputs)
        done: dict[Node, Tex] = {}
        signs = (t for t in (f"t_{{{k}}}" for k in itertools.count(1)) if self.namer.is_free(t))
        for part in [*shared, node]:
            self.root = part
            made: dict[Node, Tex] = {}
            for n in topological([part], lambda n: () if n in done else self.inputs(n)):
                made[n] = done[n] if n in done else self.piece(n, made)
            if part is node:
                return _filling(part, made[part]), where
            symbol = next(signs)
            number = made[part].scalar is not None  # what fills an array is shared as one number
            where.append((symbol, unmarked(made[part].entry.text)))
            done[part] = Tex(symbol, scalar=symbol if number else None)
        raise AssertionError("the root is the last part")

    def _begin(self, node: Node) -> None:
        self.root, self.forms, self.cut, self.spelt, self.extents = node, {}, {}, set(), None

    def extent(self) -> Extents:
        """The lengths that the formula under way says."""
        if self.extents is None:
            assert self.root is not None
            self.extents = Extents(self.root, lambda n: self.named(n) or n in self.calls)
        return self.extents

    def fits(self, node: Node) -> bool:
        """Return whether every sum of products in the formula of a node has a matrix form."""
        self._begin(node)
        return all(n.op != "einsum" or self.form(n) is not None
                   for n in topological([node], self.inputs) if n not in self.calls and not self.named(n))

    def latex(self, node: Node, *, expand_root: bool = True) -> str:
        """Return the formula on one line."""
        text, where = self.equations(node, expand_root=expand_root)
        tail = ", ".join(f"{a} = {b}" for a, b in where)
        return unmarked(text) + (rf" \quad\text{{where}}\quad {tail}" if tail else "")

    def inputs(self, node: Node) -> Sequence[Node]:
        if self.named(node):
            return ()
        if node not in self.calls and node.op == "einsum":
            form = self.form(node)
            return node.args if form is None else mf.leaves(form)
        return operands(node, self.names, self.calls)

    def named(self, node: Node) -> bool:
        """Whether a node stands as its name."""
        return node is not self.root and node in self.names and node not in self.spelt

    def form(self, node: Node) -> mf.MatrixForm | None:
        if node not in self.forms:
            extent = self.extent()
            self.forms[node] = mf.matrix_form(node, lambda n: n in self.names or n in self.calls,
                                              extent.uniform.__contains__)
        return self.forms[node]

    def piece(self, node: Node, made: Mapping[Node, Tex]) -> Tex:
        """Return the formula of a node whose inputs are made."""
        if self.named(node):
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
            loss, at = node.args
            name = _atom(self.name(loss) or "", True) if loss in self.names else made[loss]
            return derivative_by(name, made[at], is_number(node))
        if node.op == "pull":
            c, f, w = (made[a] for a in node.args)
            return _pull(node, c, self._whole(node.args[1], f), w)
        if node.op == "einsum":
            form = self.form(node)
            return self._indexed(node, made) if form is None else self._matrix(node, form, made)
        if node.op == "array":
            return self._array(node, [made[a] for a in node.args])
        return elementwise(node, [made[a] for a in node.args], self.namer)

    def _whole(self, node: Node, p: Tex) -> Tex:
        """Return the formula of an array whose lengths nothing else says: a number that fills it stands times ones."""
        if p.scalar is None or is_number(node) or node.rank > 2:
            return p
        lengths = [None if d == 1 else unmarked(dim_formula(d, self.namer).text) for d in node.shape]
        if p.scalar == "0":
            shape = r" \times ".join(d or "1" for d in lengths)
            return Tex(rf"0_{{{shape}}}")
        return replace(_filled(p, [None if d is None else f"{ONES}_{{{d}}}" for d in lengths]), scalar=None)

    def _array(self, node: Node, args: list[Tex]) -> Tex:
        """A function of whole arrays by its row; options stand as a subscript, or behind the operands."""
        row = array_row(node)
        low: list[str] = []
        args = [self._whole(n, a) for n, a in zip(node.args, args)]
        texts = [unmarked(a.text) for a in args]
        for key, value in node.attr[1:]:
            if key == "[]":
                return _atom(_subscripted(texts[0], args[0].kind, self._subscript(value)), is_number(node))
            if key == "[*]":
                low_text = ", ".join([":"] * value + texts[1:])
                return _atom(_subscripted(texts[0], args[0].kind, low_text), is_number(node))
            if key == "":
                texts.append(self._option(value))
            elif key != "[,]":
                word = "" if key == "axis" else f"{upright(key)}="
                low.append(word + self._option(value) if value is not True else upright(key))
        if "{0}" in row.latex:
            closed = [t if a.kind == ATOM else in_parentheses(t) for t, a in zip(texts, args)]
            text = row.latex.format(*closed)
            level = {"power": POWER, "chain": CHAIN}.get(row.level, FUNCTION)
            return Tex(text, level, text if is_number(node) else None)
        head = row.latex if row.latex and self.namer.is_free(row.latex) else rf"\operatorname{{{_word(row.name)}}}"
        text = head + (f"_{{{', '.join(low)}}}" if low else "") + in_parentheses(", ".join(texts))
        return Tex(text, FUNCTION, text if is_number(node) else None)

    def _option(self, value: Any) -> str:
        if isinstance(value, tuple):
            return f"({', '.join(map(self._option, value))})"
        if value is None or isinstance(value, bool):
            return upright(str(value))
        return unmarked(dim_formula(value, self.namer).text)

    def _subscript(self, items: Sequence[Any]) -> str:
        def bound(x: Any) -> str:
            return "" if x is None else self._option(x)

        return ", ".join(
            ":".join([bound(item[0]), bound(item[1]), *([str(item[2])] if item[2] not in (1, None) else [])])
            if isinstance(item, tuple) else bound(item) for item in items)

    def _call(self, node: Node, made: Mapping[Node, Tex]) -> Tex:
        call = self.calls[node]
        args = [unmarked(made[a].text) for a in call.args]
        if "{}" in call.latex:
            text = call.latex.format(*args)
            return Tex(text, FUNCTION, text if is_number(node) else None)
        head = call.latex or rf"\operatorname{{{_word(call.name)}}}"
        args = [(f"{upright(label)}=" if label else "") + a for label, a in zip(call.labels or [""] * len(args), args)]
        args += [rf"{upright(k)}={upright(str(v))}" for k, v in call.keywords]
        text = f"{head}({', '.join(args)})"
        return Tex(text, FUNCTION, text if is_number(node) else None)

    # --- einsum ---------------------------------------------------------------------------------------------------

    def _matrix(self, node: Node, form: mf.MatrixForm, made: Mapping[Node, Tex]) -> Tex:
        out: dict[int, Tex] = {}
        total = node.rank == 0 or (isinstance(form, mf.Scaled) and form.body is not None)
        sized = node in self.extent().sized
        for part in mf.postorder(form):
            out[id(part)] = self._matrix_piece(part, out, made, total, sized)
        top = out[id(form)]
        if is_number(node):
            return replace(top, scalar=top.text)
        scalars, body = (form.scalars, form.body) if isinstance(form, mf.Scaled) else ((), form)
        if body is not None and all(isinstance(p, (mf.Ones, mf.Transposed, mf.Chain)) for p in mf.postorder(body)):
            bare = number(1)
            for s in scalars:
                bare = times(bare, _factor(out[id(s)])) if bare.text != "1" else _factor(out[id(s)])
            # a matrix of one entry is not written as a number without ones
            if scalars and not any(isinstance(s, mf.Leaf) and s.node.rank and is_number(s.node) for s in scalars):
                return Tex(bare.text, bare.kind, bare.text, bare.closed)
            return Tex(top.text, top.kind, bare.text, top.closed, of=bare.kind)
        return replace(top, scalar=None)

    def _matrix_piece(self, form: mf.MatrixForm, out: Mapping[int, Tex], made: Mapping[Node, Tex], total: bool,
                      sized: bool) -> Tex:
        if isinstance(form, mf.Leaf):
            node = form.node
            return made[node] if node in made else self.piece(node, made)
        if isinstance(form, mf.Ones):
            return Tex(ONES + self._length(form.dim, sized))
        if isinstance(form, mf.Eye):
            return Tex(("I" if self.namer.is_free("I") else r"\mathbf{I}") + self._length(form.dim, sized))
        if isinstance(form, mf.Transposed):
            return transposed(out[id(form.of)])
        if isinstance(form, (mf.Diag, mf.Diagonal)):
            word = "diag"
            return Tex(rf"\operatorname{{{word}}}({unmarked(out[id(form.of)].text)})", FUNCTION)
        if isinstance(form, mf.Trace):
            text = rf"\operatorname{{tr}}({unmarked(out[id(form.of)].text)})"
            return Tex(text, FUNCTION, text)
        if isinstance(form, mf.Hadamard):
            return hadamard([out[id(f)] for f in form.factors])
        if isinstance(form, mf.Chain):
            return (self._total(form, out) if total else None) or self._chain(form, out)
        pieces = [_factor(out[id(s)]) for s in form.scalars] + ([out[id(form.body)]] if form.body is not None else [])
        if not pieces:
            return number(1)
        product = pieces[0]
        for p in pieces[1:]:
            product = times(product, p)
        return product

    def _length(self, dim: Dim, sized: bool) -> str:
        return f"_{{{unmarked(dim_formula(dim, self.namer).text)}}}" if sized else ""

    def _total(self, form: mf.Chain, out: Mapping[int, Tex]) -> Tex | None:
        """A sum over every entry of one array, where the result has no axes left."""
        first, last = form.factors[0], form.factors[-1]
        rows = isinstance(first, mf.Transposed) and isinstance(first.of, mf.Ones)
        columns = isinstance(last, mf.Ones)
        middle = form.factors[rows:len(form.factors) - columns]
        if len(middle) != 1:
            return None
        array = middle[0].of if isinstance(middle[0], mf.Transposed) else middle[0]
        if not isinstance(array, mf.Leaf) or sum(d != 1 for d in array.node.shape) != rows + columns:
            return None
        index = self.letters[:rows + columns]
        body = out[id(array)]
        negative = body.kind == NEGATIVE and body.text.startswith("-")
        text = body.text[1:] if negative else body.text
        text = unwrapped(text) if negative else text
        sign = "-" if negative else ""
        summed = rf"\sum_{{{','.join(index)}}} {_at(text, body.kind, index)}"
        # a factor behind the sum would read as part of it
        return Tex(sign + summed, NEGATIVE if negative else SCALED, closed=sign + in_parentheses(summed))

    def _chain(self, form: mf.Chain, out: Mapping[int, Tex]) -> Tex:
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
            factors.append(_at(made[arg].text, made[arg].kind, [letter[i] for i in labels]))
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


def _subscripted(text: str, kind: str, low: str) -> str:
    """A formula with a subscript as in Python; a subscript of its own stays apart."""
    base = text if kind == ATOM and "_" not in text.replace(r"\_", "") else in_parentheses(text, "[", "]")
    return f"{{{base}}}_{{{low}}}"


def _at(text: str, kind: str, index: Sequence[str]) -> str:
    """An entry of a formula."""
    if kind == ATOM and not text.startswith("{"):
        return with_index(text, index)
    return in_parentheses(text, "[", "]") + (f"_{{{''.join(index)}}}" if index else "")


def _factor(p: Tex) -> Tex:
    """What scales a matrix, as a number."""
    return p.entry if p.scalar is not None else replace(p, scalar=p.text)


def _word(name: str) -> str:
    return upright(name)[len(r"\mathrm{"):-1]


def _atom(text: str, scalar: bool) -> Tex:
    return Tex(text, POWER if "^" in text else ATOM, text if scalar else None)


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


def elementwise(node: Node, args: list[Tex], namer: Namer) -> Tex:
    """Return an elementwise operation as LaTeX, its arguments being written."""
    op = node.op
    if all(a.scalar is not None for a in args):
        args = [a.entry for a in args]
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
    return _function(node, args, namer)


_SIGNS = re.compile(r"\\[A-Za-z]+|(?<![A-Za-z\\{])[A-Za-z](?![A-Za-z])")  # in a head, what a name may look like
_BARE = (  # written without parentheses, as sin x is; every other function has them, as sigma(x)
    r"\exp", r"\log", r"\sin", r"\cos", r"\tan", r"\arc", r"\max", r"\min", r"\mathrm", r"\det",
)


def _function(node: Node, args: list[Tex], namer: Namer) -> Tex:
    scalar = all(a.scalar is not None for a in args)
    texts = [unmarked(a.text) for a in args]
    row = find(node)
    if node.op == "exp" and scalar and width(texts[0]) < 6 and r"\frac" not in texts[0] and namer.is_free("e"):
        text = f"e^{{{texts[0]}}}"
        return Tex(text, POWER, text)
    head = row.latex_of(node.attr) if row is not None else ""
    if not head or not all(map(namer.is_free, _SIGNS.findall(head))):
        orders = ", ".join(map(str, node.attr)) if row is not None and row.orders else ""
        head = rf"\operatorname{{{_word(node.op)}}}" + (f"_{{{orders}}}" if orders else "")
    if "{}" in head:
        text = head.format(*(node.attr if row is not None and row.orders else ()), *texts)
        return Tex(text, FUNCTION, text if scalar else None)
    inside = in_parentheses(", ".join(texts))
    if not head.startswith(_BARE) or len(args) > 1 or args[0].kind != ATOM:
        text = head + inside
        return Tex(text, FUNCTION, text if scalar else None)
    text = f"{head} {texts[0]}"
    return Tex(text, FUNCTION, text if scalar else None, head + inside)


def _named(p: Tex) -> bool:
    return p.kind == ATOM or (p.kind == POWER and width(p.text) < 4)


def derivative_by(top: Tex, below: Tex, scalar: bool) -> Tex:
    """Return the derivative of one formula by another."""
    under = below.text if _named(below) else in_parentheses(unmarked(below.text))
    if _named(top):
        text = rf"\frac{{\partial {top.text}}}{{\partial {under}}}"
        return Tex(text, FRACTION, text if scalar else None)
    inside = in_parentheses(top.text, "[", "]")
    text = rf"\frac{{\partial}}{{\partial {under}}}{inside}"
    return Tex(text, FUNCTION, text if scalar else None)


def _pull(node: Node, c: Tex, f: Tex, w: Tex) -> Tex:
    """The pending pullback c df/dw; where nothing is before it, or a number, that is meant for every entry of f."""
    ratio = derivative_by(f, w, True)
    value = node.args[0].value if node.args[0].op == "const" else None
    if value == 1:
        made = ratio
    elif value == -1:
        made = negated(ratio)
    else:
        made = times(replace(c, scalar=c.text, split=None), ratio)
    return replace(made, scalar=made.text if is_number(node) else None)
