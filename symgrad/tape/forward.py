"""Forward mode: every value carries its tangent along (a dual number)."""

from __future__ import annotations

import numpy as np

from symgrad.tape.dispatch import Call, Traces
from symgrad.tape.protocols import Traced
from symgrad.tape.rows import APPLY, Array


class Dual(Traced):
    """x + x_dot e with e*e = 0."""

    __slots__ = ("tangent",)
    state = ("value", "tangent")

    def __init__(self, value: Array, scope: Forward, tangent: Array) -> None:
        super().__init__(value, scope)
        self.tangent = tangent


class Forward:
    """One forward run. Nothing is noted: the tangent of an output is computed at once."""

    __slots__ = ()

    def input(self, value: Array, tangent: Array) -> Dual:
        """Start with a tangent."""
        dual = Dual(value, self, tangent)
        dual.shared = True  # the caller holds the same array
        return dual

    def record(self, call: Call, traces: Traces) -> Dual:
        """Push the tangents of all operands forward, and add the parts up."""
        y_dot: Array = 0.0
        with np.errstate(all="ignore"):
            for operand, name, x in traces:
                x_dot = x.tangent if isinstance(x, Dual) else [getattr(leaf, "tangent", None) for leaf in x]
                if callable(operand.pushforward):
                    y_dot = y_dot + operand.pushforward(x_dot, call.y, *call.args, **call.options)
                else:
                    assert operand.pushforward == APPLY
                    y_dot = y_dot + call.replaced(name, x_dot)
        dtype, shape = np.result_type(call.y), np.shape(call.y)
        y_dot = np.asarray(y_dot, dtype)
        return Dual(call.y, self, y_dot if y_dot.shape == shape else np.broadcast_to(y_dot, shape))
