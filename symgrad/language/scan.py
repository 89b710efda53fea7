"""The first look at a text: characters, words, brackets and limits, before Python's own parser sees any of it.

Everything that could upset `ast.parse` (depth, odd characters, huge numbers) and everything whose Python message would
mislead (a keyword as a name, two names side by side, `^`) is found here and explained.
"""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from symgrad.errors import ParseError, SymgradError, TextLimit

MAX_CHARACTERS = 2**18  # a network of 1000 layers takes 60 000
MAX_TOKENS = 40000  # and 28 000 words and signs
MAX_DEPTH = 100  # brackets, signs and powers inside one another
MAX_OPERATORS = 2000  # in one row, at one level of brackets: Python's tree of a sum is as deep as the sum is long
MAX_NAME = 64
MAX_NUMBER = 64

_TOKEN = re.compile(
    r"(?P<space>[ \t]+)|(?P<newline>\n)|(?P<comment>#[^\n]*)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<number>(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9][0-9_]*)?)"
    r"|(?P<string>\"[^\"\n\\]*\"|'[^'\n\\]*')"
    r"|(?P<op>\*\*=|//=|<<=|>>=|\.\.\.|[-+*/@%&|^]=|\*\*|//|<<|>>|==|!=|<=|>=|:=|->|[-+*/@%&|^~<>()\[\]{},;:=.])"
)

# words and signs of Python that the language does not have, each with what to write instead
_REFUSED_WORDS = {
    "lambda": "Write lam or lamda for the Greek letter.",
    "and": "Multiply two 0/1 masks, or nest where(...).",
    "or": "Nest where(...), or write maximum of two 0/1 masks.",
    "not": "Turn the comparison round, or write 1 - mask.",
    "is": "Compare with ==, inside where(...) or assume(...).",
    "if": "A choice is written where(condition, a, b).",
    "else": "A choice is written where(condition, a, b).",
    "import": "Text is read as mathematics and never executed.",
    "from": "Text is read as mathematics and never executed.",
    "del": "For a derivative write dx or d_x as the name.",
}
_REFUSED_SIGNS = {
    "^": "A power is written ** (x**2).",
    "//": "Division is written /; there is no floor division.",
    "%": "There is no remainder.",
    "&": "Multiply two 0/1 masks.",
    "|": "Write abs(x) for an absolute value, maximum(a, b) for either of two 0/1 masks.",
    "~": "Write 1 - mask.",
    "<<": "There are no shifts.",
    ">>": "There are no shifts.",
    ":=": "A name is given by an equation on its own line: name = expression.",
    "->": "Write name = expression.",
    "...": "Write every axis, for example X[:, 0].",
    "{": "Group with round brackets; braces, sets and LaTeX are not read.",
    "}": "Group with round brackets; braces, sets and LaTeX are not read.",
}
_INSTEAD = {
    "\u2212": "-", "\u2013": "-", "\u2014": "-", "\u00d7": "*", "\u00b7": "*", "\u22c5": "*", "\u2299": "*",
    "\u2217": "*", "\u00f7": "/", "\u2215": "/", "\u2264": "<=", "\u2265": ">=", "\u2260": "!=", "\u221a": "sqrt(...)",
    "\u221e": "inf", "\u1d40": ".T", "\u22a4": ".T", "\u2211": "sum(...)", "\u00a0": "a plain space", "\u2018": "'",
    "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2202": "a plain name", "\u2207": "a plain name", "\uff0c": ",",
    "\uff08": "(", "\uff09": ")",
}
CLAUSE = "|_w( "  # stands for `where` in the code: x |_w(t = ...), and no text can hold a |
_CALLED = re.compile(r"where[ \t]*\(")
_CLOSES = {"(": ")", "[": "]"}


def plain(text: str, limit: int = 120) -> str:
    """Return user text fit for a message, cut at `limit`: what could move or hide other characters is spelt out."""
    shown = "".join(c if _visible(c) else ascii(c)[1:-1] for c in text[:limit])
    return shown + ("..." if len(text) > limit else "")


def _visible(char: str) -> bool:
    return char.isprintable() and not unicodedata.combining(char) and unicodedata.bidirectional(char) not in ("R", "AL")


@dataclass(frozen=True)
class Source:
    """A text that has passed the first look: its lines, and the code for `ast.parse`, without comments and margin."""

    lines: tuple[str, ...]
    code: str
    margins: tuple[int, ...]  # how many characters the code lost at the left of each line
    added: Mapping[int, Sequence[int]] = field(default_factory=dict)  # line -> columns of characters it has besides

    def error(self, kind: type[SymgradError], message: str, line: int, column: int | None = None) -> SymgradError:
        """Return an error that shows the place; `line` counts from 1, `column` is a column of `code`, from 0."""
        at = None if column is None else column + self.margins[min(line, len(self.margins)) - 1] - \
            sum(c < column for c in self.added.get(line, ()))
        return at_place(self.lines, kind, message, line, at)


def at_place(lines: tuple[str, ...] | list[str], kind: type[SymgradError], message: str, line: int,
             column: int | None) -> SymgradError:
    """Return the error with the line of text and a caret under the column (counted from 0)."""
    text = lines[line - 1] if 0 < line <= len(lines) else ""
    if column is None:
        start = 0
        place, caret = f"line {line}", ""
    else:
        start = max(0, column - 60)
        place = f"line {line}, column {column + 1}"
        caret = "\n    " + " " * len(plain(text[start:column]).replace("\t", " ")) + "^"
    shown = plain(text[start:start + 120].replace("\t", " ").rstrip())
    return kind(f"{place}: {message}" + (f"\n    {shown}{caret}" if shown else ""))


class _Scanner:
    """One pass over the characters; the state is what may come next and how deep we are."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = text.split("\n")
        self.line = 1
        self.start = 0  # where the current line begins
        self.column = 0
        self.tokens = 0
        self.brackets: list[tuple[str, int, int, int, int]] = []  # sign, line, column, chain and operators outside it
        self.nested = 0  # the chains outside the open brackets, summed
        self.chain = 0  # signs and powers pending at this level
        self.operators = 0
        self.previous = ""  # the last word of this statement, "" at its start
        self.previous_kind = ""
        self.wants = True  # an operand is due
        self.opening: set[int] = set()  # lines on which a statement starts outside brackets
        self.comments: dict[int, int] = {}
        self.clause = False  # behind the `where` of a statement
        self.clauses: list[tuple[int, int]] = []  # line and column of each such `where`
        self.closings: list[tuple[int, int]] = []  # and of its end

    def fail(self, message: str, kind: type[SymgradError] = ParseError, line: int | None = None,
             column: int | None = None) -> SymgradError:
        return at_place(self.lines, kind, message, line or self.line, self.column if column is None else column)

    def run(self) -> Source:
        position, text = 0, self.text
        while position < len(text):
            self.column = position - self.start
            found = _TOKEN.match(text, position)
            if found is None:
                raise self.bad_character(text[position])
            kind, word = str(found.lastgroup), found.group()
            position = found.end()
            if kind == "space":
                continue
            if kind == "comment":
                self.comment(word)
                continue
            if kind == "newline":
                if not self.brackets:
                    self.end("the line")
                self.line += 1
                self.start = position
                continue
            self.tokens += 1
            if self.tokens > MAX_TOKENS:
                raise self.fail(f"the text has more than {MAX_TOKENS} words and signs, the limit", TextLimit)
            if not self.brackets and not self.previous:
                self.opening.add(self.line)
            if kind == "op":
                self.sign(word)
            else:
                self.operand(kind, word, text[position:position + 1])
            self.previous, self.previous_kind = ("", "") if word == ";" else (word, kind)
        if self.brackets:
            sign, line, column, _, _ = self.brackets[-1]
            raise self.fail(f"this {sign!r} is never closed", line=line, column=column)
        self.column = len(text) - self.start
        self.end("the text")
        return self.source()

    # --- one word at a time -----------------------------------------------------------------------------------------

    def comment(self, word: str) -> None:
        for offset, char in enumerate(word):
            # control characters and direction marks could make a reader see another text than the parser
            if unicodedata.category(char)[0] == "C" and char != "\t":
                raise self.fail(f"a comment holds the invisible character U+{ord(char):04X}; remove it",
                                column=self.column + offset)
        self.comments[self.line] = self.column

    def operand(self, kind: str, word: str, following: str) -> None:
        if kind == "name":
            self.name(word)
            if word == "in":
                return
        elif kind == "number":
            self.number(word, following)
        if not self.wants:
            if word == "where" and not self.brackets and not _CALLED.match(self.text, self.start + self.column):
                self.definitions()
                return
            raise self.side_by_side(kind, word)
        self.wants = False

    def definitions(self) -> None:
        """The `where` behind an expression: equations follow, which hold for this statement."""
        if self.clause:
            raise self.fail("a second 'where' in one statement. Separate the equations by commas")
        self.clause = True
        self.clauses.append((self.line, self.column))
        self.fresh()

    def name(self, word: str) -> None:
        if len(word) > MAX_NAME:
            raise self.fail(f"the name {plain(word, 20)} has {len(word)} characters; the limit is {MAX_NAME}",
                            TextLimit)
        if "__" in word:
            raise self.fail(f"the name {word!r} holds a double underscore; use single ones")
        if word in ("True", "False", "None"):
            return
        if word == "in" and not self.wants:
            self.infix("in")
        elif keyword.iskeyword(word):
            advice = _REFUSED_WORDS.get(word, f"Choose another name, for example {word}_.")
            raise self.fail(f"{word!r} is a Python keyword and cannot be used here. {advice}")

    def number(self, word: str, following: str) -> None:
        if len(word) > MAX_NUMBER:
            raise self.fail(f"the number {plain(word, 20)} has {len(word)} characters; the limit is {MAX_NUMBER}",
                            TextLimit)
        if following.isascii() and (following.isalpha() or following == "_"):
            if following in "jJ":
                raise self.fail("complex numbers are not part of the language; split real and imaginary parts")
            if word == "0" and following in "xXoObB":
                raise self.fail("numbers are written in decimal")
            raise self.fail(f"there is no operator between {word} and what follows. "
                            f"Write {word}*{following}... for a product")

    def side_by_side(self, kind: str, word: str) -> SymgradError:
        if kind == "string":
            return self.fail("a string may only be the specification of einsum, without a prefix such as f")
        advice = f"Write {self.previous}*{word} for a product"
        if self.previous_kind == "name":
            advice += f", {self.previous}({word}) for a call"
        return self.fail(f"there is no operator between {plain(self.previous, 40)!r} and {plain(word, 40)!r}. {advice}")

    def sign(self, sign: str) -> None:
        if sign in "([":
            self.open(sign)
        elif sign in ")]":
            self.close(sign)
        elif sign in _REFUSED_SIGNS:
            raise self.fail(f"{sign!r} is not an operator of the language. {_REFUSED_SIGNS[sign]}")
        elif len(sign) > 1 and sign[-1] == "=" and sign[0] not in "=!<>":
            raise self.fail(f"{sign!r} is not part of the language: a name is given once, by name = expression")
        elif sign == ";":
            if self.brackets:
                opened, line = self.brackets[-1][:2]
                raise self.fail(f"';' inside brackets; the {opened!r} of line {line} is open")
            if not self.previous:
                raise self.fail("there is no statement before this ';'")
            self.end("the statement")
        elif sign in "+-" and self.wants:
            self.chain += 1
            self.deep()
        elif sign == ":":
            if self.wants and self.previous not in ("[", ",", ":"):
                raise self.fail("nothing stands before this ':'")
            self.fresh()
        elif sign == ",":
            if self.wants and self.previous != ":":
                raise self.fail("nothing stands before this ','")
            self.fresh()
        else:
            if self.wants:
                raise self.fail(f"nothing stands before this {sign!r}" if not self.previous else
                                f"nothing stands between {plain(self.previous, 40)!r} and {sign!r}")
            self.infix(sign)

    def infix(self, sign: str) -> None:
        if sign != ".":  # x.T binds tighter than a power
            self.chain = self.chain + 1 if sign == "**" else 0
        self.wants = True
        self.deep()
        if sign != "**":  # a power nests to the right; `deep` counts it
            self.row()

    def row(self) -> None:
        self.operators += 1
        if self.operators > MAX_OPERATORS:
            raise self.fail(f"more than {MAX_OPERATORS} operators in a row, the limit. Name parts of it by equations",
                            TextLimit)

    def fresh(self) -> None:
        self.chain = self.operators = 0
        self.wants = True

    def open(self, sign: str) -> None:
        if not self.wants:
            if self.previous_kind in ("number", "string"):
                raise self.fail(f"there is no operator between {plain(self.previous, 40)} and {sign!r}. "
                                f"Write {plain(self.previous, 40)}*(...) for a product")
            self.row()
        self.brackets.append((sign, self.line, self.column, self.chain, self.operators))
        self.nested += self.chain
        self.chain = self.operators = 0
        self.deep()
        self.wants = True

    def close(self, sign: str) -> None:
        if not self.brackets:
            raise self.fail(f"this {sign!r} closes nothing")
        opened, line, column, chain, operators = self.brackets.pop()
        if _CLOSES[opened] != sign:
            raise self.fail(f"this {sign!r} meets the {opened!r} of line {line}, column {column + 1}")
        if self.wants and self.previous not in ("(", "[", ",", ":"):
            raise self.fail(f"nothing stands between {plain(self.previous, 40)!r} and {sign!r}")
        self.nested -= chain
        self.chain, self.operators = chain, operators
        self.wants = False

    def deep(self) -> None:
        if len(self.brackets) + self.nested + self.chain > MAX_DEPTH:
            raise self.fail(f"brackets, signs and powers stand more than {MAX_DEPTH} deep inside one another, "
                            f"the limit. Name parts of the expression by equations", TextLimit)

    def end(self, what: str) -> None:
        if self.wants and self.previous and self.previous != ",":
            raise self.fail(f"{what} ends after {plain(self.previous, 40)!r}. "
                            f"Put brackets round an expression that spans lines")
        if self.clause:
            self.clause = False
            self.closings.append((self.line, min(self.column, self.comments.get(self.line, self.column))))
        self.chain = self.operators = 0
        self.previous = self.previous_kind = ""
        self.wants = True

    def bad_character(self, char: str) -> SymgradError:
        if char in "'\"":
            return self.fail(f"a single {char}: a string is only read as the specification of einsum, on one line; "
                             f"a prime is not part of a name (write x_prime)")
        if char == "\\":
            return self.fail("a backslash: LaTeX is not read, and an expression spans lines inside brackets")
        if char.isascii() and char.isprintable():
            return self.fail(f"the character {char!r} is not part of the language")
        name = unicodedata.name(char, "no name")
        advice = "Use plain ASCII."
        if char in _INSTEAD:
            advice = f"Write {_INSTEAD[char]} instead."
        elif found := re.fullmatch(r"GREEK (SMALL|CAPITAL) LETTER (?:FINAL )?([A-Z]+)(?: WITH .*)?", name):
            advice = f"Write {found[2].lower() if found[1] == 'SMALL' else found[2].capitalize()} instead."
        elif (digit := unicodedata.digit(char, None)) is not None and name.startswith("SUPERSCRIPT"):
            advice = f"Write **{digit} instead."
        return self.fail(f"the character U+{ord(char):04X} ({name}) is not part of the language. {advice}")

    # --- what is left for ast.parse -----------------------------------------------------------------------------------

    def source(self) -> Source:
        """Return the code without comments and common margin, so that a text may be indented as a whole."""
        margins, code = [], []
        margin: str | None = None
        for number, line in enumerate(self.lines, 1):
            indent = line[: len(line) - len(line.lstrip(" \t"))]
            body = line[: self.comments.get(number, len(line))].rstrip()
            if number not in self.opening:
                margins.append(0)
                code.append(body if body.strip() else "")
                continue
            if number > 1:  # the first line may follow the opening quotes
                if margin is None:
                    margin = indent
                if indent != margin:
                    raise at_place(self.lines, ParseError, "this line is indented differently from the lines above. "
                                   "Put brackets round an expression that spans lines", number, len(indent))
            margins.append(len(indent))
            code.append(body[len(indent):])
        added: dict[int, list[int]] = {}
        for number, column in self.clauses:  # the characters of the same width, so that columns stay
            line, at = code[number - 1], column - margins[number - 1]
            code[number - 1] = line[:at] + CLAUSE + line[at + len(CLAUSE):]
        for number, column in reversed(self.closings):
            line, at = code[number - 1], column - margins[number - 1]
            code[number - 1] = line[:at] + ")" + line[at:]
            added.setdefault(number, []).append(min(at, len(line)))
        return Source(tuple(self.lines), "\n".join(code) + "\n", tuple(margins), added)


def scan(text: str) -> Source:
    """Return the text ready for `ast.parse`.

    Raises ParseError with the place and what to write instead, and TextLimit naming the limit.
    """
    if len(text) > MAX_CHARACTERS:
        raise TextLimit(f"the text has {len(text)} characters; the limit is {MAX_CHARACTERS}")
    return _Scanner(text.replace("\r\n", "\n").replace("\r", "\n")).run()
