r"""A reader of printed LaTeX: what a formula says, in numbers, by no code of the printers.

The conventions of a page are those a reader needs, and no more:
a vector is a column; side by side stand scalars and matrix products, which must conform, and `\odot` binds less;
a bare number in a sum, a quotient or an entrywise product is an array full of it; `\mathbf{1}` and `I` are as large as
what stands beside them asks for; a sum reaches to the end of its product; an axis of size 1 bears no index, indices
count from 0; `c \, \frac{\partial f}{\partial w}` is the pullback of the whole product c before it, and where no c
stands, or a number, it is that number for every entry of f; fractions, functions and circled powers act by entry.
What cannot be read so raises Unread.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.render.latex_functions import ALONG, COMPOSITES, ENTRYWISE, UnknownFunction, composite, whole_array
from tests.render.latex_values import (
    Slopes,
    Unread,
    Value,
    added,
    diagonal,
    entrywise,
    filled,
    matrix_power,
    negated,
    ones_column,
    plain_sum,
    power,
    product,
    pulled,
    single,
    square,
    transposed,
    value_of,
    whole_value,
)

STEP = 3e-4  # of the differences, which are right to STEP**4
_WEIGHTS = ((1, 2 / 3), (2, -1 / 12))
_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|\d+\.?\d*|\S")
_SIZED = re.compile(r"\\(?:left|right|[bB]igg?[lr])$")
_OPEN = {"(": ")", "[": "]"}
_ENDS = ("+", "-", ")", "]", "}", ",", "=", "<", ">", ":", "^", "_", "/", r"\rvert", r"\le", r"\ge", r"\ne", r"\bmod",
         r"\rfloor", r"\rceil", r"\neq", r"\times", r"\quad")


_EPOCH = [0]
_SEEN: list[dict[str, set[int]]] = []  # the extents of the letters looked for
_BOUND: list[tuple[int, list[str]]] = []


@contextmanager
def anew() -> Iterator[None]:
    """Evaluate without what is remembered."""
    _EPOCH.append(1)
    try:
        yield
    finally:
        _EPOCH.pop()


@contextmanager
def bound(letters: list[str]) -> Iterator[None]:
    """What is found of letters inside of what binds them says nothing of letters outside."""
    _BOUND.append((len(_SEEN), letters))
    try:
        yield
    finally:
        _BOUND.pop()


def seen(letter: str, extent_: int) -> None:
    for k, found in enumerate(_SEEN):
        if not any(k < depth and letter in letters for depth, letters in _BOUND):
            found.setdefault(letter, set()).add(extent_)


def note(items: list[Ast], shape: tuple[int, ...]) -> None:
    for item, d in zip(items, shape):
        if item.kind == "letter":
            seen(str(item.name), d)


def extent(ast: Ast, letter: str, env: dict[str, int]) -> int:
    """Return how far an index runs: what it stands at says it."""
    if letter not in ast.extents:
        found: dict[str, set[int]] = {}
        _SEEN.append(found)
        try:
            with anew():
                ast.at(env)
        finally:
            _SEEN.pop()
        lengths = found.get(letter, set())
        if len(lengths) != 1:
            raise Unread(f"the index {letter} runs over {sorted(lengths) or 'nothing that says how far'}")
        ast.extents[letter] = lengths.pop()
    return ast.extents[letter]


@dataclass
class Ast:
    """A parsed piece: its evaluation in an environment of index letters, and what it is."""

    kind: str
    run: Callable[[dict[str, int]], Any]
    letters: frozenset[str]
    known: dict[tuple[int, ...], Any] = field(default_factory=dict)
    extents: dict[str, int] = field(default_factory=dict)
    name: str | None = None  # of a named array
    index: Any = None

    def at(self, env: dict[str, int]) -> Any:
        if _EPOCH[-1]:  # a name has another value for a while, or extents are looked for
            return self.run(env)
        key = tuple(env[x] for x in sorted(self.letters) if x in env)
        if key not in self.known:
            self.known[key] = self.run(env)
        return self.known[key]


def tokens_of(text: str) -> list[str]:
    if re.search(r"[^\x20-\x7e]", text):
        raise Unread("a character that does not print")
    text = text.replace(r"\left|", r"\lvert ").replace(r"\right|", r"\rvert ")
    return [t for t in _TOKEN.findall(text) if not _SIZED.match(t) and t not in (r"\,", r"\ ")]


class Page:
    """What a reader of a page knows: arrays by their LaTeX, sizes by theirs, cotangents and derivatives."""

    def __init__(self, arrays: Mapping[str, Any], sizes: Mapping[str, int], loss: str = "",
                 slopes: Callable[[str, str], tuple[list[np.ndarray], Any] | None] = lambda f, w: None) -> None:
        self.arrays = {k: value_of(v) for k, v in arrays.items()}
        self.sizes = {k: value_of(v) for k, v in sizes.items()}
        self.loss = loss
        self.slopes = slopes
        self.bars: dict[str, Value] = {}
        self.own: dict[str, Value] = {}  # `where t_1 = ...`

    def names(self) -> dict[str, Value]:
        return {**self.sizes, **self.arrays, **self.own}

    def named(self, name: str) -> Value:
        return next(t[name] for t in (self.own, self.arrays, self.sizes) if name in t)

    # --- whole lines --------------------------------------------------------------------------------------------------

    def line(self, text: str, shape: tuple[int, ...], letters: Sequence[tuple[str, int]] = (),
             places: Sequence[tuple[int, ...]] | None = None) -> np.ndarray:
        """Return the value of a right-hand side of a shape, or with `letters`, those of its left side, its entries.

        With `places` only the entries there are evaluated.
        """
        self.own = {}
        main, *tail = re.split(r" \\quad\\text\{where\}\\quad ", text)
        if tail:
            self.define(tail[0])
        if not letters:
            return filled(self.read(main), shape)
        ast = Parser(self, main, dict(letters)).whole()
        chosen = list(np.ndindex(*(d for _, d in letters))) if places is None else places
        out = np.array([single(ast.at({c: k for (c, _), k in zip(letters, place)})) for place in chosen])
        return out.reshape(shape) if places is None else out

    def define(self, text: str) -> None:
        for part in _pieces(text, ", t_{"):
            left, right = part.split(" = ", 1)
            found = re.fullmatch(r"(t_\{\d+)(?:,([^{}]*))?\}", left)
            if found is None:
                raise Unread(f"{left!r} is no name of a part")
            name = found[1] + "}"
            if found[2] is None:
                self.own[name] = self.read(right)
                continue
            self.own[name] = self.entries(right, found[2].split(",") if "," in found[2] else list(found[2]))

    def entries(self, text: str, letters: list[str]) -> Value:
        ast = Parser(self, text, dict.fromkeys(letters, 0)).whole()
        ranges = [extent(ast, c, dict.fromkeys(letters, 0)) for c in letters]
        out = np.empty(ranges)
        for place in np.ndindex(*ranges):
            out[place] = single(ast.at(dict(zip(letters, place))))
        return value_of(out)

    def read(self, text: str) -> Any:
        return Parser(self, text, {}).whole().at({})

    def head(self, text: str) -> tuple[str, list[str]]:
        """Return the name on a left side and its letters: X, X_{ij}, dL/dX, dL/dX_{ij}."""
        found = re.fullmatch(r"\\frac\{\\partial (.*)\}\{\\partial (.*)\}", text)
        bare = found[2] if found else text
        for name in self.names():
            if name == bare:
                return name, []
            letters = _letters_behind(bare, name)
            if letters is not None:
                return name, letters
        raise Unread(f"{text!r} is no left side")


def _pieces(text: str, sep: str) -> list[str]:
    """Split definitions at the commas between them."""
    out, start = [], 0
    while True:
        k = text.find(sep, start + 1)
        while k >= 0 and not re.match(r", t_\{\d+(?:,[^{}]*)?\} = ", text[k:]):
            k = text.find(sep, k + 1)
        if k < 0:
            return [*out, text[start:]]
        out.append(text[start:k])
        start = k + 2


_LETTERS = re.compile(r"(?:[a-z](?:_\{\d+\})?,?)+")


def _letters_behind(text: str, name: str) -> list[str] | None:
    """Return the letters that stand behind a name as its indices, None where they do not."""
    found = re.fullmatch(r"(.*)_\{(.*)\}((?:\^\{[^{}]*\})?)", text)
    if found is None:
        return None
    rest = None
    if found[1] + found[3] == name or found[1] == f"[{name}]":
        rest = found[2]
    else:
        own = re.fullmatch(r"(.*)_\{(.*)\}((?:\^\{[^{}]*\})?)", name)
        if own and own[1] == found[1] and own[3] == found[3] and found[2].startswith(own[2] + ","):
            rest = found[2][len(own[2]) + 1:]
    if rest is None or not _LETTERS.fullmatch(rest):
        return None
    return re.findall(r"[a-z](?:_\{\d+\})?", rest)


# --- parsing ----------------------------------------------------------------------------------------------------------


class Parser:
    """Recursive descent over the tokens of one formula; `scope` holds the index letters in sight."""

    def __init__(self, page: Page, text: str, scope: Mapping[str, int]) -> None:
        self.page, self.text = page, text
        self.tokens = tokens_of(text)
        self.at = 0
        self.scope: list[str] = list(scope)
        self.places: dict[str, Ast] = {}
        self.table = sorted(((tuple(tokens_of(n)), n) for n in page.names()), key=lambda p: -len(p[0]))
        self.bars = {tuple(tokens_of(n)): v for n, v in page.bars.items()}

    # --- tokens

    def peek(self, k: int = 0) -> str:
        return self.tokens[self.at + k] if self.at + k < len(self.tokens) else ""

    def take(self, token: str | None = None) -> str:
        t = self.peek()
        if token is not None and t != token:
            before = " ".join(self.tokens[max(0, self.at - 8):self.at])
            raise Unread(f"{token!r} is expected, {t!r} stands, behind {before}")
        if not t:
            raise Unread("the formula ends too early")
        self.at += 1
        return t

    def skip(self, *tokens: str) -> bool:
        if tuple(self.tokens[self.at:self.at + len(tokens)]) == tokens:
            self.at += len(tokens)
            return True
        return False

    def group(self) -> list[str]:
        """Return the tokens of a braced group, or the one token that stands for it."""
        if self.peek() != "{":
            return [self.take()]
        start, depth = self.at + 1, 0
        while True:
            t = self.take()
            depth += (t == "{") - (t == "}")
            if depth == 0:
                return self.tokens[start:self.at - 1]

    @contextmanager
    def inside(self, tokens: list[str]) -> Iterator[None]:
        """Read other tokens for a while, to their end."""
        outer, at = self.tokens, self.at
        self.tokens, self.at = tokens, 0
        try:
            yield
            if self.at != len(self.tokens):
                raise Unread(f"{' '.join(self.tokens[self.at:])} is left over")
        finally:
            self.tokens, self.at = outer, at

    def node(self, kind: str, run: Callable[[dict[str, int]], Any], *parts: Ast,
             more: frozenset[str] = frozenset()) -> Ast:
        return Ast(kind, run, more.union(*(p.letters for p in parts)))

    # --- grammar

    def whole(self) -> Ast:
        out = self.expression()
        if self.at != len(self.tokens):
            raise Unread(f"{' '.join(self.tokens[self.at:])} is left over")
        return out

    def expression(self) -> Ast:
        out = self.signed()
        while self.peek() in ("+", "-", r"\bmod"):
            sign = self.take()
            if sign == r"\bmod":
                raise Unread("bmod")
            left, right = out, self.term()
            s = 1 if sign == "+" else -1
            out = self.node("sum", lambda e, a=left, b=right, s=s: added(a.at(e), b.at(e), s), left, right)
        return out

    def signed(self) -> Ast:
        if self.skip("-"):
            inner = self.term()
            return self.node("negative", lambda e: negated(inner.at(e)), inner)
        return self.term()

    def term(self) -> Ast:
        """A product; everything before a pending derivative is what it is applied to."""
        rows: list[list[Ast]] = [[]]
        bracket: list[Ast] = []
        while True:
            factor = self.factor()
            rows[-1].append(factor)
            if factor.kind == "bracket01":
                bracket.append(factor)
            if factor.kind == "total":
                break
            if self.skip(r"\cdot"):
                continue
            if self.skip(r"\odot"):
                rows.append([])
                continue
            if not self.starts():
                break
        if rows[-1] and rows[-1][-1].kind == "slopes" and (len(rows) > 1 or len(rows[0]) > 1):
            last = rows[-1].pop()
            if not rows[-1]:
                raise Unread("a circled dot before a derivative")
            c = self.products(rows)
            return self.node("product", lambda e: product(c.at(e), last.at(e)), c, last)
        return self.products(rows, bracket)

    def products(self, rows: list[list[Ast]], guards: Sequence[Ast] = ()) -> Ast:
        parts = [f for row in rows for f in row]
        if len(parts) == 1:
            return parts[0]

        def run(e: dict[str, int]) -> Any:
            if not _SEEN and any(g.at(e).number == 0.0 for g in guards):
                return value_of(0.0)  # what the bracket excludes does not count
            out = None
            for row in rows:
                made = row[0].at(e)
                for f in row[1:]:
                    made = product(made, f.at(e))
                out = made if out is None else entrywise(lambda x, y: x * y, plain_sum(out), plain_sum(made))
            return out

        return self.node("product", run, *parts)

    def starts(self) -> bool:
        """Whether a factor begins here."""
        t = self.peek()
        return bool(t) and t not in _ENDS

    def factor(self) -> Ast:
        """An atom with its scripts."""
        if self.peek() == r"\sum":
            return self.total()
        out = self.atom()
        return self.scripts(out)

    def scripts(self, out: Ast) -> Ast:
        seen_low = out.kind in ("indexed", "subscripted")
        seen_high = False
        while self.peek() in ("_", "^"):
            if self.take() == "_":
                if seen_low:
                    raise Unread("two subscripts in a row")
                seen_low = True
                out = self.entry(out, self.group())
                continue
            if seen_high:
                raise Unread("two superscripts in a row")
            seen_high = True
            out = self.raised(out)
        return out

    def raised(self, base: Ast) -> Ast:
        inside = self.group()
        if inside == [r"\top"]:
            return self.node("atom", lambda e: transposed(base.at(e)), base)
        if inside == ["-", r"\top"]:
            return self.node("atom", lambda e: transposed(whole_value("inv", base.at(e))), base)
        if inside == ["+"]:
            return self.node("atom", lambda e: whole_value("pinv", base.at(e)), base)
        circled = inside[:1] == [r"\odot"]
        with self.inside(inside[1:] if circled else inside):
            exponent = self.exponent()

        def run(e: dict[str, int]) -> Any:
            a, b = plain_sum(base.at(e)), exponent.at(e)
            if circled or a.is_number:
                return power(a, b)
            if b.is_number and b.number == -1:
                return whole_value("inv", a)
            return matrix_power(a, b)

        return self.node("atom", run, base, exponent)

    def exponent(self) -> Ast:
        if len(self.tokens) == 3 and self.tokens[1] == "/":  # x^{1/3}
            a, b = float(self.take()), (self.take(), float(self.take()))[1]
            return self.node("number", lambda e: value_of(a / b))
        if len(self.tokens) == 4 and self.tokens[0] == "-" and self.tokens[2] == "/":
            self.take()
            a, b = float(self.take()), (self.take(), float(self.take()))[1]
            return self.node("number", lambda e: value_of(-a / b))
        return self.expression()

    # --- atoms

    def known(self) -> Ast | None:
        """The longest name that stands here; its own subscript may be followed by indices."""
        here = self.tokens[self.at:]
        for name, text in self.table:
            k = len(name)
            if tuple(here[:k]) == name:
                if k == 1 and here[0] in self.scope:
                    raise Unread(f"{here[0]} is an index and a name")
                self.at += k
                kind = "subscripted" if "_" in name and (k > 1) else "name"
                return Ast(kind, lambda e, n=text: self.page.named(n), frozenset(), name=text)
            if "_" in name and "}" in name:
                low = _split_low(name)
                if low is None:
                    continue
                base, own, above = low
                head = (*base, "_", "{", *own, ",")
                if tuple(here[:len(head)]) == head:
                    self.at += len(base) + 1
                    inside = self.group()[len(own) + 1:]
                    if above and tuple(self.tokens[self.at:self.at + len(above)]) != above:
                        continue
                    self.at += len(above)
                    ast = Ast("subscripted", lambda e, n=text: self.page.named(n), frozenset(), name=text)
                    return self.entry(ast, inside)
        return None

    def atom(self) -> Ast:
        t = self.peek()
        if t in self.scope or (t + "_{" + "".join(self.tokens[self.at + 3:self.at + 4]) + "}" in self.scope):
            return self.letter()
        found = self.known()
        if found is not None:
            return found
        if t[0].isdigit():
            return self.numeral()
        if t in _OPEN:
            return self.bracket()
        if t == "{":
            with self.inside(self.group()):
                inner = self.expression()
            if inner.kind == "subscripted" and self.peek() == "_":
                raise Unread("a subscript of a name that has one")
            return Ast("braced", inner.run, inner.letters, name=inner.name)
        if t == r"\frac":
            return self.fraction()
        if t == r"\sqrt":
            return self.root()
        if t == r"\mathbf":
            return self.ones()
        if t == r"\delta":
            return self.delta()
        if t == r"\lvert":
            return self.absolute()
        if t in (r"\lfloor", r"\lceil"):
            self.take()
            inner = self.expression()
            self.take(r"\rfloor" if t == r"\lfloor" else r"\rceil")
            f = np.floor if t == r"\lfloor" else np.ceil
            return self.node("atom", lambda e: entrywise(f, inner.at(e)), inner)
        if t == "I":
            self.take()
            if self.skip("_"):
                with self.inside(self.group()):
                    length = self.expression()
                return Ast("subscripted", lambda e: value_of(np.eye(int(length.at(e).number))), length.letters)
            return self.node("atom", lambda e: Value(np.ones((1, 1)), (False, False), 2, eye=True))
        if t in (r"\pi", r"\infty"):
            self.take()
            number = math.pi if t == r"\pi" else math.inf
            return self.node("number", lambda e: value_of(number))
        if t == "e" and self.peek(1) == "^":
            self.at += 2
            with self.inside(self.group()):
                inner = self.expression()
            return self.node("atom", lambda e: entrywise(np.exp, inner.at(e)), inner)
        return self.function()

    def letter(self) -> Ast:
        c = self.take()
        if c not in self.scope:
            c += "_" * (self.take() == "_") + "{" + "".join(self.group()) + "}"
        if any(tuple(tokens_of(c)) == n for n, _ in self.table):
            raise Unread(f"{c} is an index and a name")
        return Ast("letter", lambda e: value_of(float(e[c])), frozenset({c}), name=c)

    def numeral(self) -> Ast:
        number = float(self.take())
        if self.skip(r"\times"):
            self.take("10")
            self.take("^")
            number *= 10.0 ** int("".join(self.group()))
        elif number == 10.0 and self.peek() == "^" and self.peek(1) == "{" and re.fullmatch(r"-|\d+", self.peek(2)):
            self.take("^")
            number = 10.0 ** int("".join(self.group()))
        if number == 0.0 and self.skip("_"):
            lengths = [self.index(p).at({}).number for p in _parted(self.group(), r"\times")]
            return Ast("subscripted", lambda e: value_of(np.zeros(tuple(map(int, lengths)))), frozenset())
        if self.peek()[:1].isdigit():
            raise Unread("two numbers run together")
        return self.node("number", lambda e: value_of(number))

    def bracket(self) -> Ast:
        close = _OPEN[self.peek()]
        square = self.take() == "["
        start = self.at
        after = self.closing(close)
        body = self.tokens[start:after - 1]
        if square and _top(body, (r"\le", r"\ge", "<", ">", "=", r"\ne")):
            self.at = after
            return self.holds(body)
        if square and tuple(self.tokens[after:after + 1]) == ("_",):
            low = self.tokens[after + 1:]
            if low and low[0] == "{" and "=" in low[:low.index("}")]:
                self.at = after + 1
                for piece in _parted(self.group()):
                    cut = piece.index("=")
                    self.places["".join(piece[:cut])] = self.index(piece[cut + 1:])
                after = self.at
                with self.inside(body):
                    inner = self.expression()
                self.at, self.places = after, {}
                return Ast("indexed", inner.run, inner.letters)
            letters = self.binders(low)
            if letters:
                with self.inside(body), self.scoped(letters):
                    inner = self.expression()
                self.at = after + 1
                self.group()
                return self.array_of(inner, letters)
        with self.inside(body):
            parts = [self.expression()]
            while self.skip(","):
                parts.append(self.expression())
        self.at = after
        if len(parts) > 1:
            return self.node("tuple", lambda e: tuple(p.at(e) for p in parts), *parts)
        return Ast("bracket", parts[0].run, parts[0].letters, index=parts[0].kind)

    def closing(self, close: str) -> int:
        depth, k = 1, self.at
        while k < len(self.tokens):
            t = self.tokens[k]
            depth += (t in "([") - (t in ")]") if t in "()[]" else 0
            k += 1
            if depth == 0:
                if self.tokens[k - 1] != close:
                    raise Unread("brackets do not pair")
                return k
        raise Unread("a bracket is left open")

    def binders(self, low: list[str]) -> list[str]:
        """The letters behind [ ]_{ij} where they name the places of an array: none of them is in scope."""
        text = "".join(low[1:low.index("}")]) if low and low[0] == "{" else ""
        letters = re.findall(r"[a-z]'?", text)
        known = {"".join(n) for n, _ in self.table}
        if "".join(letters) != text.replace(",", "") or any(c in self.scope or c in known for c in letters):
            return []
        return letters

    @contextmanager
    def scoped(self, letters: list[str]) -> Iterator[None]:
        self.scope += letters
        try:
            yield
        finally:
            del self.scope[len(self.scope) - len(letters):]

    def array_of(self, inner: Ast, letters: list[str]) -> Ast:
        def run(e: dict[str, int]) -> Any:
            zero = {**e, **dict.fromkeys(letters, 0)}
            ranges = [extent(inner, c, zero) for c in letters]
            out = np.empty(ranges)
            for place in np.ndindex(*ranges):
                out[place] = single(inner.at({**e, **dict(zip(letters, place))}))
            return value_of(out)

        def closed(e: dict[str, int]) -> Any:
            with bound(letters):
                return run(e)

        return Ast("indexed", closed, inner.letters - set(letters))

    def holds(self, body: list[str]) -> Ast:
        with self.inside(body):
            first = self.expression()
            sides, relations = [[first]], []
            while self.peek():
                if self.skip(","):
                    sides.append([self.expression()])
                    continue
                relations.append((self.take(), sides[-1][-1]))
                sides[-1].append(self.expression())
        chain = [(r, left, side[side.index(left) + 1]) for r, left in relations for side in sides if left in side]

        def run(e: dict[str, int]) -> Any:
            return value_of(float(all(_COMPARE[r](a.at(e).number, b.at(e).number) for r, a, b in chain)))

        return self.node("bracket01", run, *(s for side in sides for s in side))

    def ones(self) -> Ast:
        self.take(r"\mathbf")
        sign = self.group()
        if sign == ["I"]:
            return self.node("atom", lambda e: Value(np.ones((1, 1)), (False, False), 2, eye=True))
        if sign != ["1"]:
            raise Unread("a bold sign that is no name")
        low = None
        if self.skip("_"):
            with self.inside(self.group()):
                low = self.exponent()
        if self.peek() != "[":
            if low is None:
                return self.node("atom", lambda e: ones_column())
            length = low.at({}).number
            return Ast("subscripted", lambda e: value_of(np.ones(int(length))), frozenset())
        self.take("[")
        left = self.expression()
        relation = self.take()
        right = self.expression()
        at_zero = 0.0
        if self.skip(","):
            with_value = self.expression()
            at_zero = with_value.at({}).number
        self.take("]")
        if low is not None:
            at_zero = low.at({}).number
        compare = _COMPARE[relation]

        def one(a: Any, b: Any) -> Any:
            holds = compare(a, b) * 1.0
            return np.where(np.equal(a, b), at_zero, holds) if relation == ">" else holds

        return self.node("atom", lambda e: entrywise(one, left.at(e), right.at(e)), left, right)

    def delta(self) -> Ast:
        self.take(r"\delta")
        self.take("_")
        items = self.indices(self.group(), 2)
        return self.node("atom", lambda e: value_of(float(items[0].at(e).number == items[1].at(e).number)), *items)

    def absolute(self) -> Ast:
        self.take(r"\lvert")
        inner = self.expression()
        self.take(r"\rvert")
        return self.node("atom", lambda e: entrywise(np.abs, inner.at(e)), inner)

    def root(self) -> Ast:
        self.take(r"\sqrt")
        degree = 2.0
        if self.skip("["):
            degree = float(self.take())
            self.take("]")
        with self.inside(self.group()):
            inner = self.expression()
        f = np.sqrt if degree == 2.0 else np.cbrt
        return self.node("atom", lambda e: entrywise(f, inner.at(e)), inner)

    def fraction(self) -> Ast:
        self.take(r"\frac")
        above = self.group()
        below = self.group()
        if below[:1] == [r"\partial"]:
            return self.derivative(above, below)
        with self.inside(above):
            top = self.expression()
        with self.inside(below):
            under = self.expression()

        def run(e: dict[str, int]) -> Any:
            a, b = plain_sum(top.at(e)), plain_sum(under.at(e))
            return entrywise(np.divide, a, b)

        return self.node("atom", run, top, under)

    # --- derivatives

    def derivative(self, above: list[str], below: list[str]) -> Ast:
        with self.inside(below[1:]):
            w = self.factor()
        name, index = (w.name, None) if w.index is None or w.kind != "indexed" else w.index
        if name is None or w.kind in ("bracket",):
            raise Unread("a derivative by what is no name")
        if above != [r"\partial"]:
            if tuple(above[1:]) == tuple(tokens_of(self.page.loss)) and name in self.page.bars:
                bar = self.page.bars[name]
                ast = Ast("atom", lambda e: bar, frozenset(), name=name)
                return self.entry_of(ast, index) if index is not None else ast
            with self.inside(above[1:]):
                f = self.factor()
        else:
            self.take("[")
            after = self.closing("]")
            with self.inside(self.tokens[self.at:after - 1]):
                f = self.expression()
            self.at = after
        if index is not None or (f.kind == "indexed" and f.index is not None):
            return self.entry_slope(f, name, index)
        return self.node("slopes", lambda e: self.slopes(f, name, e), f)

    def slopes(self, f: Ast, name: str, env: dict[str, int]) -> Slopes:
        """Differences of f, all other names held; of a named f by what it stands for."""
        w = self.page.names()[name]
        if f.name is not None and f.name != name and f.kind in ("name", "subscripted"):
            found = self.page.slopes(f.name, name)
            if found is None:
                raise Unread(f"{f.name} has no derivative by {name}")
            value = value_of(found[1])
            return Slopes([np.asarray(x, float) for x in found[0]], value, w)
        base = f.at(env)
        if isinstance(base, Slopes):
            raise Unread("a derivative of a derivative")
        out = []
        for place in np.ndindex(w.a.shape):
            total = np.zeros(base.a.shape)
            for k, weight in _WEIGHTS:
                for sign in (1, -1):
                    total = total + sign * weight * self.moved(f, name, place, sign * k * STEP, env)
            out.append(total / STEP)
        return Slopes(out, base, w)

    def moved(self, f: Ast, name: str, place: tuple[int, ...], by: float, env: dict[str, int]) -> np.ndarray:
        page = self.page
        table = page.own if name in page.own else page.arrays
        before = table[name]
        a = before.a.copy()
        a[place] += by
        table[name] = Value(a, before.free, before.rank)
        try:
            with anew():
                return np.asarray(plain_sum(f.at(env)).a)
        finally:
            table[name] = before

    def entry_slope(self, f: Ast, name: str, index: Any) -> Ast:
        """df[k]/dw[i], a number."""
        w = self.page.names()[name]
        index = choice(index, np.squeeze(w.a).ndim) if index is not None else []
        below: list[Ast] = []
        if f.kind == "indexed" and f.index[0] != name and f.index[0] in self.page.arrays:
            below = choice(f.index[1], np.squeeze(self.page.arrays[f.index[0]].a).ndim)

        def run(e: dict[str, int]) -> Any:
            place = tuple(int(i.at(e).number) for i in index)
            where = np.zeros(np.squeeze(w.a).shape)
            note(index, np.squeeze(w.a).shape)
            where[place] = 1.0
            k = int(np.argmax(where.reshape(-1)))
            if below:
                found = self.page.slopes(f.index[0], name)
                if found is None:
                    raise Unread(f"{f.index[0]} has no derivative by {name}")
                d = np.squeeze(np.asarray(found[0][k], float))
                note(below, d.shape)
                return value_of(float(d[tuple(int(i.at(e).number) for i in below)]))
            if f.kind in ("name", "subscripted") and f.name != name:
                found = self.page.slopes(str(f.name), name)
                if found is None:
                    raise Unread(f"{f.name} has no derivative by {name}")
                return value_of(float(np.asarray(found[0][k], float).reshape(())))
            f.at(e)
            return value_of(sum(s * c * single(self.moved_entry(f, name, k, s * m * STEP, e)) for m, c in _WEIGHTS
                                for s in (1, -1)) / STEP)

        return self.node("atom", run, f, *index)

    def moved_entry(self, f: Ast, name: str, k: int, by: float, env: dict[str, int]) -> Value:
        shape = self.page.names()[name].a.shape
        return value_of(self.moved(f, name, np.unravel_index(k, shape), by, env))

    # --- indices

    def entry(self, base: Ast, inside: list[str]) -> Ast:
        """base_{...}: letters and what is made of them, or Python's subscripts."""
        heads = {c[0] for c in self.scope}
        if ":" in inside or not any(t in heads for t in inside):
            return self.sliced(base, inside)
        items = self.indices(inside, None)
        out = self.entry_of(base, items)
        if base.kind == "bracket" and "=" in inside:
            raise Unread("an equation as a subscript")
        return out

    def entry_of(self, base: Ast, items: Any) -> Ast:
        def run(e: dict[str, int]) -> Any:
            v = base.at(e)
            if isinstance(v, Slopes):
                v = pulled(value_of(1.0), v)
            if v.eye:
                a, b = (i.at(e).number for i in choice(items, 2))
                return value_of(float(v.a.reshape(())) if a == b else v.off)
            a = np.squeeze(v.a, axis=tuple(k for k, (d, f) in enumerate(zip(v.a.shape, v.free)) if d == 1 and not f))
            free = [f for d, f in zip(v.a.shape, v.free) if d != 1 or f]
            own = choice(items, a.ndim)
            place = [int(i.at(e).number) for i in own]
            if not any(free):
                note(own, a.shape)
            else:
                note([i for i, f in zip(own, free) if not f], tuple(d for d, f in zip(a.shape, free) if not f))
            place = [0 if f else p for p, f in zip(place, free)]
            if any(not 0 <= p < d for p, d in zip(place, a.shape)):
                return value_of(math.nan)
            return value_of(float(a[tuple(place)]))

        own = items if isinstance(items, list) else [x for c in items.values() for x in c]
        return Ast("indexed", run, base.letters.union(*(i.letters for i in own)), name=None, index=(base.name, items))

    def indices(self, tokens: list[str], count: int | None) -> Any:
        """Index expressions: parted by commas, or letters side by side; one expression where there is one axis."""
        parts = _parted(tokens)
        if len(parts) > 1:
            return [self.index(p) for p in parts]
        apart = None
        try:
            with self.inside(list(tokens)):
                apart = []
                while self.peek():
                    apart.append(self.letter() if not self.peek()[0].isdigit() else self.numeral())
        except Unread:
            apart = None
        if count is not None and apart is not None and len(apart) == count:
            return apart
        if apart is not None and len(apart) == 1:
            return apart
        one = None
        with suppress(Unread):
            one = [self.index(list(tokens))]
        found = {len(c): c for c in (one, apart) if c is not None}
        if not found:
            raise Unread(f"the index {' '.join(tokens)}")
        return found

    def index(self, tokens: list[str]) -> Ast:
        with self.inside(list(tokens)):
            return self.expression()

    def sliced(self, base: Ast, tokens: list[str]) -> Ast:
        """Python's subscripts on an array of its declared axes."""
        parts = _parted(tokens)
        items: list[Callable[[dict[str, int]], Any]] = []
        asts: list[Ast] = []

        def bound(piece: list[str]) -> Callable[[dict[str, int]], Any]:
            if not piece:
                return lambda e: None
            ast = self.index(piece)
            asts.append(ast)
            return lambda e: int(ast.at(e).number)

        for p in parts:
            if ":" in p:
                bounds = [bound(x) for x in _parted(p, ":")]
                items.append(lambda e, b=bounds: slice(*(x(e) for x in b)))
            else:
                ast = self.index(p)
                asts.append(ast)
                items.append(lambda e, a=ast: _places(a.at(e)))

        def run(e: dict[str, int]) -> Any:
            a = base.at(e).declared
            if len(items) > a.ndim:
                raise Unread(f"{len(items)} subscripts of an array of {a.ndim} axes")
            try:
                return value_of(a[tuple(i(e) for i in items)])
            except IndexError as error:
                raise Unread(str(error)) from None

        return self.node("sliced", run, base, *asts)

    # --- sums and functions

    def total(self) -> Ast:
        self.take(r"\sum")
        self.take("_")
        under = self.group()
        orders: Callable[[dict[str, int]], bool] | None = None
        more: frozenset[str] = frozenset()
        if any(t in _COMPARE for t in under):
            letters = [under[0]]
            with self.scoped(letters):
                orders, more = self.orders(under)
        else:
            letters = ["".join(p) for p in _parted(under)]
        with self.scoped(letters):
            body = self.term()

        def run(e: dict[str, int]) -> Any:
            zero = {**e, **dict.fromkeys(letters, 0)}
            ranges = [extent(body, c, zero) for c in letters]
            out: Any = None
            for place in np.ndindex(*ranges):
                inner = {**e, **dict(zip(letters, place))}
                if orders is not None and not orders(inner):
                    continue
                v = body.at(inner)
                out = v if out is None else added(out, v, 1)
            return value_of(0.0) if out is None else out

        def closed(e: dict[str, int]) -> Any:
            with bound(letters):
                return run(e)

        return Ast("total", closed, (body.letters | more) - set(letters))

    def orders(self, tokens: list[str]) -> tuple[Callable[[dict[str, int]], bool], frozenset[str]]:
        if "," in tokens:
            raise Unread("several conditions under a sum")
        k = next(k for k, t in enumerate(tokens) if t in _COMPARE)
        left, right = self.index(tokens[:k]), self.index(tokens[k + 1:])
        compare = _COMPARE[tokens[k]]
        return lambda e: bool(compare(left.at(e).number, right.at(e).number)), left.letters | right.letters

    def word(self) -> str:
        """The head of a function: a command, or the letters of an operator."""
        t = self.take()
        if t in (r"\operatorname", r"\mathrm"):
            self.take("{")
            word = ""
            while self.peek() != "}":
                c = self.take()
                word += {r"\_": "_", r"\text": "", "{": "", "}": ""}.get(c, c)
            self.take("}")
            # a thin space in a word is a token that is left out
            return word
        if t == r"\log" and self.peek() == r"\det":
            self.take()
            return r"\log\det"
        if t == r"\log" and self.peek() == r"\lvert":
            return r"\log"
        return t

    def function(self) -> Ast:
        start = self.at
        head = self.word()
        low: list[str] = []
        high: list[str] = []
        while self.peek() in ("_", "^"):
            if self.take() == "_":
                low = self.group()
            else:
                high = self.group()
        if head == "sgn" and self.peek() == r"\det":
            self.take()
            head = "sgndet"
        if self.peek() != "(":
            return self.bare(head, low, high, start)
        if high and head not in (r"\psi", "prod", "hinge"):
            raise Unread(f"a power of the function {head}")
        letters = ["".join(p) for p in _parted(low)] if low else []
        if letters and all(re.fullmatch(r"[a-z](_\{\d+\})?", c) for c in letters) and self.known_letters(letters):
            return self.along(head, letters)
        self.take("(")
        after = self.closing(")")
        args: list[Ast] = []
        said: dict[str, Any] = {}
        for piece in _parted(self.tokens[self.at:after - 1]):
            key = _keyword(piece)
            if key is not None:
                said[key[0]] = key[1]
                continue
            args.append(self.option(piece))
        self.at = after
        return self.node("atom", lambda e: self.call(head, low, high, [a.at(e) for a in args], said), *args)

    def option(self, piece: list[str]) -> Ast:
        word = "".join(piece)
        if word in (r"\mathrm{True}", r"\mathrm{False}", r"\mathrm{None}"):
            value = {"T": True, "F": False, "N": None}[word[8]]
            return self.node("option", lambda e: value)
        with self.inside(list(piece)):
            if self.peek() == "(" and self.closing_is_end() and _top(self.tokens[1:-1], (",",)):
                self.at = len(self.tokens)
                parts = [self.option(p) for p in _parted(piece[1:-1]) if p]
                return self.node("tuple", lambda e: tuple(p.at(e) for p in parts), *parts)
            return self.expression()

    def closing_is_end(self) -> bool:
        at = self.at
        self.at += 1
        end = self.closing(")")
        self.at = at
        return end == len(self.tokens)

    def known_letters(self, letters: list[str]) -> bool:
        known = {"".join(n) for n, _ in self.table}
        return all(c in self.scope or c not in known for c in letters)

    def bare(self, head: str, low: list[str], high: list[str], start: int) -> Ast:
        """sin x: one name or number; more behind it could belong to it."""
        if head == r"\log" and self.peek() == r"\lvert" and self.peek(1) == r"\Gamma":
            self.at += 2
            self.take("(")
            with_end = self.closing(")")
            with self.inside(self.tokens[self.at:with_end - 1]):
                inner = self.expression()
            self.at = with_end
            self.take(r"\rvert")
            return self.node("atom", lambda e: entrywise(ENTRYWISE["gammaln"], inner.at(e)), inner)
        if low or high or (head not in ENTRYWISE and head != r"\det"):
            raise Unread(f"the sign {' '.join(self.tokens[start:self.at]) or head}")
        argument = self.scripts(self.atom())
        if argument.kind not in ("name", "subscripted", "indexed", "number", "braced", "sliced", "atom"):
            raise Unread(f"{head} of a {argument.kind} without brackets")
        if self.starts():
            raise Unread(f"{head} without brackets, and something behind it")
        return self.node("atom", lambda e: self.call(head, low, high, [argument.at(e)], {}), argument)

    def along(self, head: str, letters: list[str]) -> Ast:
        """softmax_{j}(X_{ij}), max_{j}(...): along letters; [..]_{j=i} says the place."""
        if head not in ALONG:
            raise Unread(f"{head} along {letters}")
        self.take("(")
        after = self.closing(")")
        own = [c for c in letters if c not in self.scope]
        with self.inside(self.tokens[self.at:after - 1]), self.scoped(own):
            body = self.expression()
        self.at = after
        places = dict(self.places)
        f, keeps = ALONG[head]

        def run(e: dict[str, int]) -> Any:
            zero = {**e, **dict.fromkeys(letters, 0)}
            ranges = [extent(body, c, zero) for c in letters]
            for c, d in zip(letters, ranges):
                seen(c, d)
            values = np.empty(ranges)
            for place in np.ndindex(*ranges):
                values[place] = single(body.at({**e, **dict(zip(letters, place))}))
            out = np.asarray(f(values), float)
            if not keeps:
                return value_of(float(out))
            where = [int(places[c].at(e).number) if c in places else e[c] for c in letters]
            return value_of(float(out[tuple(where)]))

        inner = body.letters - set(own)
        kept = {c for c in letters if c not in own} if keeps else set()
        more = frozenset(inner - (set(letters) - kept)) | frozenset(kept)
        return self.node("atom", run, *places.values(), more=frozenset(more))

    def call(self, head: str, low: list[str], high: list[str], args: list[Any], said: dict[str, Any]) -> Any:
        args = [plain_sum(a) if isinstance(a, Slopes) else a for a in args]
        text = re.sub(r"\\mathrm\{(\w+)\}", r"\1", "".join(low))
        if head == "tr":
            return value_of(float(np.trace(square(args[0]))))
        if head == "diag":
            return diagonal(args[0])
        if head == r"\det":
            return value_of(float(np.linalg.det(square(args[0]))))
        try:
            if not low and not high and not said and head in ENTRYWISE and _is_entrywise(head, args):
                return entrywise(ENTRYWISE[head], *args)
            if low and head + "_" + text in ENTRYWISE:
                return entrywise(ENTRYWISE[head + "_" + text], *args)
            if head == "step" and low:  # the value at 0
                top, _, under = text.partition("/")
                at_zero = float(top) / float(under or 1)
                return entrywise(lambda x: np.heaviside(x, at_zero), args[0])
            key = head + ("_" + text if low else "") + ("^" + "".join(high) if high else "")
            if key in COMPOSITES:
                return value_of(composite(key, [_plain(a) for a in args], said))
            return value_of(whole_array(head, low, high, [_plain(a) for a in args], said))
        except UnknownFunction as error:
            raise Unread(str(error)) from None


def _places(v: Value) -> Any:
    return int(v.number) if v.is_number else v.declared.astype(int)


def _is_entrywise(head: str, args: list[Any]) -> bool:
    return all(isinstance(a, Value) for a in args) and (head not in (r"\max", r"\min") or len(args) == 2)


def _plain(a: Any) -> Any:
    if isinstance(a, tuple):
        return tuple(_plain(x) for x in a)
    return a.declared if isinstance(a, Value) else a


def choice(items: Any, count: int) -> list[Ast]:
    found = items if isinstance(items, list) else items.get(count, [])
    if len(found) != count:
        raise Unread(f"an array of {count} axes bears other indices")
    return list(found)


_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    ">": np.greater, "<": np.less, "=": np.equal, r"\le": np.less_equal, r"\ge": np.greater_equal, r"\ne": np.not_equal}


def _top(tokens: list[str], signs: tuple[str, ...]) -> bool:
    depth = 0
    for t in tokens:
        depth += (t in ("(", "[", "{")) - (t in (")", "]", "}"))
        if depth == 0 and t in signs:
            return True
    return False


def _parted(tokens: list[str], sep: str = ",") -> list[list[str]]:
    out: list[list[str]] = [[]]
    depth = 0
    for t in tokens:
        depth += (t in ("(", "[", "{")) - (t in (")", "]", "}"))
        if depth == 0 and t == sep:
            out.append([])
        else:
            out[-1].append(t)
    return out


def _split_low(name: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]] | None:
    """Split X_{1}^{(2)} into X, 1 and ^{(2)}."""
    depth = 0
    for k, t in enumerate(name):
        if t == "_" and depth == 0 and name[k + 1:k + 2] == ("{",):
            inner = 0
            for m in range(k + 1, len(name)):
                inner += (name[m] == "{") - (name[m] == "}")
                if inner == 0:
                    return name[:k], name[k + 2:m], name[m + 1:]
        depth += (t == "{") - (t == "}")
    return None


def _keyword(piece: list[str]) -> tuple[str, Any] | None:
    text = "".join(piece)
    found = re.fullmatch(r"\\mathrm\{((?:[^{}]|\{[^{}]*\})*)\}=(.*)", text)
    if found is None:
        return None
    value = re.sub(r"\\mathrm\{(.*)\}", r"\1", found[2])
    key = found[1].replace("\\_", "_")
    if value in ("True", "False", "None"):
        return key, {"True": True, "False": False, "None": None}[value]
    if value.startswith("("):
        return key, tuple(int(x) for x in value[1:-1].split(",") if x)
    found_fraction = re.fullmatch(r"\\frac\{(\d+)\}\{(\d+)\}", value)
    if found_fraction:
        return key, float(found_fraction[1]) / float(found_fraction[2])
    try:
        return key, int(value) if value.lstrip("-").isdigit() else float(value)
    except ValueError:
        return None
