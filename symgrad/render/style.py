"""The notation and the layout in which a derivation is printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from symgrad.errors import InputError, suggest
from symgrad.render.outline import LAYOUT, Outline

NOTATIONS = ("matrix", "index", "differential")
LAYOUTS = ("denominator", "numerator")

_LAYOUT_NOTES = {
    "denominator": LAYOUT,
    "numerator": "Numerator layout: the gradient by a matrix has the shape of its transpose, the gradient by a vector "
                 "is a row.",
}
INDEX_NOTE = "Indices count from 0, an axis of size 1 bears no index, and a sum reaches to the end of its product."
_NOTES = {
    "matrix": (),
    "index": (INDEX_NOTE,),
    "differential": ("<A, B> is the sum of A*B over all entries; what stands beside dW is the gradient by W.",),
}
_NUMERATOR_NOTES = {
    "index": "An entry of a gradient is named by its variable's indices, so that the layout does not show.",
    "differential": "tr(A B) is the trace of the product; what stands before dW is the gradient by W.",
}


@dataclass(frozen=True)
class Style:
    """What a page is written in.

    Raises: InputError for an unknown notation or layout.
    """

    notation: str = "matrix"
    layout: str = "denominator"

    def __post_init__(self) -> None:
        for what, value, known in (("notation", self.notation, NOTATIONS), ("layout", self.layout, LAYOUTS)):
            if value not in known:
                raise InputError(f"{what} is {str(value)[:60]!r}; it may be {', '.join(map(repr, known))}."
                                 f"{suggest(str(value), known)}")

    @property
    def numerator(self) -> bool:
        return self.layout == "numerator"

    def repeats(self, plan: Outline) -> bool:
        """Return whether the one gradient is the end of the one chain and need not be said again."""
        return self.notation != "differential" and len(plan.blocks) == len(plan.results) == 1

    def title(self, text: str) -> str:
        """Return a heading; the layout that is not the usual one is stated."""
        return f"{text}, numerator layout" if self.numerator else text

    def notes(self, plan_notes: Sequence[str]) -> tuple[str, ...]:
        """Return what a reader has to know: the layout, the notation, and the notes of the derivation itself."""
        own = [_LAYOUT_NOTES[self.layout]]
        if self.numerator and self.notation in _NUMERATOR_NOTES:
            own += [*(_NOTES["index"] if self.notation == "index" else ()), _NUMERATOR_NOTES[self.notation]]
        else:
            own += _NOTES[self.notation]
        return (*own, *(n for n in plan_notes if n != LAYOUT))


PLAIN = Style()
