"""Names as LaTeX: what an author would have typed for `W1`, `x_hat`, `learning_rate`; everything else escaped.

A name may hold any characters. The LaTeX made here is ASCII, its braces balance, and its control sequences come from
this module alone.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from symgrad.errors import InputError, suggest

GREEK = frozenset(re.findall(r"\w+", """
    alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi omega
    varepsilon vartheta varphi varrho varsigma Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega
"""))
SPELLINGS = MappingProxyType({"lamda": "lambda", "eps": "epsilon", "Lamda": "Lambda"})  # lambda is a keyword of Python
ACCENTS = MappingProxyType({"hat": r"\hat", "bar": r"\bar", "tilde": r"\tilde", "dot": r"\dot", "ddot": r"\ddot",
                            "vec": r"\vec"})
MARKS = MappingProxyType({"star": r"\star", "prime": r"\prime"})

# characters with a meaning in TeX, as they are typed inside \mathrm
ESCAPES = MappingProxyType({
    "\\": r"\backslash ", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\wedge ", "~": r"\sim ", "`": r"\grave{\ }", "<": "<", ">": ">", "|": "|", " ": r"\ ", "-": r"\text{-}",
})

# commands that a user may put into the LaTeX of a name: symbols, accents, fonts, nothing that reads, writes or defines
ALLOWED = GREEK | frozenset(re.findall(r"\w+", """
    hat bar tilde dot ddot vec overline underline widehat widetilde mathrm mathbf mathit mathcal mathbb mathsf mathfrak
    boldsymbol text operatorname star prime top dagger ast circ ell hbar partial nabla infty in odot otimes oplus times
    cdot cdots ldots langle rangle lvert rvert lVert rVert vert Vert mid quad frac tfrac sqrt sum prod log exp min max
""")) | frozenset(",;!:_&%#${}| ")

_CONTROL = re.compile(r"\\([A-Za-z]+|.)", re.DOTALL)


def checked_latex(text: str, name: str) -> str:
    r"""Return LaTeX that the user chose for `name`, or raise.

    Raises: InputError where a control sequence is not on the list or a brace is not closed.

    >>> checked_latex(r"\eta_{0}", "learning_rate")
    '\\eta_{0}'
    """
    where = f"the LaTeX for {name!r}"
    if not isinstance(text, str) or not text.strip():
        raise InputError(f"{where} is {text!r}; give a string such as r'\\eta'")
    bad = next((c for c in text if not c.isascii() or not c.isprintable()), None)
    if bad is not None:
        raise InputError(f"{where} holds the character {bad!r}; write it with ASCII commands such as \\alpha")
    for found in _CONTROL.finditer(text):
        if found[1] not in ALLOWED:
            raise InputError(f"{where} uses \\{found[1]}, which is not among the commands allowed in a name."
                             f"{suggest(found[1], ALLOWED)} Symbols, accents, fonts and \\text are.")
    rest = _CONTROL.sub(" ", text)
    if "\\" in rest:
        raise InputError(f"{where} ends in a backslash")
    for c in "$%#&~":
        if c in rest:
            raise InputError(f"{where} holds {c!r}, which has a meaning of its own in TeX; write \\{c}")
    if "^^" in rest:
        raise InputError(f"{where} holds '^^', which TeX reads as a coded character; use a single ^")
    depth = 0
    for c in rest:
        depth += (c == "{") - (c == "}")
        if depth < 0:
            raise InputError(f"{where} closes a brace that it did not open")
    if depth:
        raise InputError(f"{where} leaves {depth} brace{'s' if depth > 1 else ''} open")
    return text


def _ascii(text: str) -> str:
    """Spell Greek letters and accents in ASCII; what remains becomes its code point."""
    out = []
    for c in text:
        if c.isascii():
            out.append(c if c.isprintable() else "?")
            continue
        plain = unicodedata.normalize("NFKD", c)
        plain = "".join(p for p in plain if not unicodedata.combining(p))
        out.append(plain if plain and plain.isascii() and plain.isprintable() else f"U+{ord(c):04X}")
    return "".join(out)


def _greek(text: str) -> str | None:
    text = SPELLINGS.get(text, text)
    if text in GREEK:
        return f"\\{text}"
    if len(text) == 1 and not text.isascii():
        words = unicodedata.name(text, "").split()
        if words[:1] == ["GREEK"] and "LETTER" in words and len(words) == 4:
            letter = SPELLINGS.get(words[3].lower(), words[3].lower())
            letter = letter.capitalize() if words[1] == "CAPITAL" else letter
            return f"\\{letter}" if letter in GREEK else None
    return None


def upright(text: str) -> str:
    r"""Return any text as upright letters in math, escaped: `\mathrm{learning\_rate}`."""
    return r"\mathrm{" + "".join(ESCAPES.get(c, c) for c in _ascii(text) or "?") + "}"


def plain_text(text: str) -> str:
    r"""Return running text for a formula: `\text{...}`, characters with a meaning in TeX set between the pieces."""
    parts = re.split(r"([\\{}$&#%_^~`<>|]+)", _ascii(text).replace("\n", " "))
    out = [(r"\text{" + p + "}") if k % 2 == 0 else "".join(ESCAPES[c] for c in p) for k, p in enumerate(parts) if p]
    return "".join(out)


def _base(text: str) -> tuple[str, str] | None:
    """Split a letter or a Greek name from the digits behind it; None for a word."""
    found = re.fullmatch(r"(.*?)([0-9]*)", text)
    assert found is not None
    stem, digits = found[1], found[2]
    greek = _greek(stem)
    if greek is not None:
        return greek, digits
    if len(stem) == 1 and stem.isascii() and stem.isalpha():
        return stem, digits
    return None


def _subscript(text: str) -> str:
    if text.isascii() and (text.isdigit() or (len(text) == 1 and text.isalpha())):
        return text
    return _greek(text) or upright(text)


def name_to_latex(name: str, *, bold: bool = False) -> str:
    r"""Return the LaTeX of a name.

    >>> name_to_latex("W1"), name_to_latex("x_hat"), name_to_latex("learning_rate"), name_to_latex("lamda")
    ('W_{1}', '\\hat{x}', '\\mathrm{learning\\_rate}', '\\lambda')
    """
    pieces = name.split("_")
    while len(pieces) > 1 and pieces[-1] == "":
        pieces.pop()
    if not re.fullmatch(r"\w+", name) or pieces[0] == "":
        return upright(name)
    first = _base(pieces[0])
    if first is None:
        found = re.fullmatch(r"(.*?[^0-9_])_?([0-9]+)", name)
        return f"{upright(found[1])}_{{{found[2]}}}" if found else upright(name)
    letter, digits = first
    if bold:
        letter = rf"\boldsymbol{{{letter}}}" if letter.startswith("\\") else rf"\mathbf{{{letter}}}"
    below = [digits] if digits else []
    above: list[str] = []
    for piece in pieces[1:]:
        layer = re.fullmatch(r"l([0-9]+)", piece)
        if piece in ACCENTS:
            letter = f"{ACCENTS[piece]}{{{letter}}}"
        elif piece in MARKS:
            above.append(MARKS[piece])
        elif layer:
            above.append(f"({layer[1]})")
        elif piece:
            below.append(_subscript(piece))
    return letter + (f"_{{{','.join(below)}}}" if below else "") + (f"^{{{' '.join(above)}}}" if above else "")


class Namer:
    """Turns names into LaTeX, the user's choices first; two names never look alike."""

    def __init__(self, choices: Mapping[str, str] | None = None, *, bold: bool = False) -> None:
        self.choices = {str(k): checked_latex(v, str(k)) for k, v in (choices or {}).items()}
        self.bold = bold
        self.taken: dict[str, str] = {}
        self.reserved: set[str] = set()

    def reserve(self, names: Iterable[str]) -> None:
        """Say which names are in sight, so that no other sign looks like one of them."""
        self.reserved.update(self.choices.get(n) or name_to_latex(n) for n in names)

    def is_free(self, sign: str) -> bool:
        """Whether no name in sight looks like a sign."""
        return sign not in self.reserved

    def __call__(self, name: str, rank: int = 0) -> str:
        if name in self.choices:
            return self.choices[name]
        text = name_to_latex(name, bold=self.bold and rank > 0)
        # `W1` and `W_1` in one formula: the second one keeps its underscore
        return text if self.taken.setdefault(text, name) == name else upright(name)
