"""Reverse mode: a list of calls, walked backwards.

Running the function writes every call into a list, its inputs always before it, so the list read from behind is already
the order that the backward pass needs: no recursion, no sorting. Cotangents live in a dict of the pass, never in the
records, so a second pass over the same tape starts clean. Records refer to each other by number, not by reference, so
that a long chain is freed without recursion as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from symgrad.tape.dispatch import Call, Traces
from symgrad.tape.protocols import Traced
from symgrad.tape.rows import Array, fit


class Taped(Traced):
    """A value on a tape: the array, and the number of the record that made it."""

    __slots__ = ("number",)
    state = ("value", "number")

    def __init__(self, value: Array, scope: Tape, number: int) -> None:
        super().__init__(value, scope)
        self.number = number


Parents: TypeAlias = tuple[tuple[Callable[..., Array], tuple[Any, ...], Array, int], ...]
"""For each traced array of a call: its pullback, k if it stands in a sequence, its value, and its number."""


class Tape:
    """The calls of one run. A record is None for an input, and (call, parents) for everything computed."""

    __slots__ = ("records",)

    def __init__(self) -> None:
        self.records: list[tuple[Call, Parents] | None] = []

    def input(self, value: Array) -> Taped:
        """Put an input on the tape."""
        self.records.append(None)
        taped = Taped(value, self, len(self.records) - 1)
        taped.shared = True  # the caller holds the same array
        return taped

    def record(self, call: Call, traces: Traces) -> Taped:
        """Put a call on the tape."""
        parents: list[tuple[Callable[..., Array], tuple[Any, ...], Array, int]] = []
        for operand, _, x in traces:
            if isinstance(x, Taped):
                parents.append((operand.pullback, (), x.value, x.number))
            else:
                parents += [
                    (operand.pullback, (k,), leaf.value, leaf.number)
                    for k, leaf in enumerate(x)
                    if isinstance(leaf, Taped)
                ]
        self.records.append((call, tuple(parents)))
        return Taped(call.y, self, len(self.records) - 1)

    def backward(self, number: int, y_bar: Array) -> dict[int, Array]:
        """Pull the cotangent of one record back to the inputs; what is not in the answer has the cotangent zero."""
        bars: dict[int, Array] = {number: y_bar}
        # Infinite slopes and overflow are answers here (the slope of sqrt at 0), so they are no cause for warnings.
        with np.errstate(all="ignore"):
            for i in range(number, -1, -1):
                record = self.records[i]
                if record is None or i not in bars:
                    continue
                call, parents = record
                bar = bars.pop(i)
                for pullback, k, x, parent in parents:
                    x_bar = fit(pullback(bar, call.y, *k, *call.args, **call.options), x)
                    bars[parent] = bars[parent] + x_bar if parent in bars else x_bar
        return bars
