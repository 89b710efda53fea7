"""The shapes of the rows: Function (a fact about a derivative), Rewrite (one about an equality), Reason (a named move).

A derivative or a definition is a Python function that builds nodes from nodes, so a row reads as its formula and can be
printed, proved, evaluated and compiled from the one place where it stands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from symgrad.graph.node import Node, apply, var


@dataclass(frozen=True)
class Interval:
    """An open interval from which arguments are drawn when a rule is tested."""

    low: float
    high: float


REAL = Interval(float("-inf"), float("inf"))
POSITIVE = Interval(0.0, float("inf"))
UNIT = Interval(0.0, 1.0)
WITHIN_ONE = Interval(-1.0, 1.0)
ABOVE_ONE = Interval(1.0, float("inf"))


@dataclass(frozen=True)
class Function:
    """An elementwise function y = name(x, ...) and all that is known of it.

    derivative  (y, x, ...) -> one local derivative an argument; None where it is zero everywhere off the kinks
    definition  x, ... -> the function in simpler functions; from it the derivative is proved
    machine     x, ... -> a form that is accurate in floating point and neither overflows nor warns
    kink        x, ... -> the argument whose zeros have no derivative
    domain      where each argument may lie
    numpy, mp, sympy    the name of the function there, or None: the definition is used;
                        mp may be a callable (mpmath, *arguments, *attributes)
    latex       the name in LaTeX, or a template with one {} an argument
    symbol      the customary name of the output, for intermediates without one
    source      where the derivative is stated in print
    attr        the default attributes of the node
    analytic    whether complex step may pass through it
    """

    name: str
    params: tuple[str, ...]
    derivative: Callable[..., tuple[Node | None, ...]]
    definition: Callable[..., Node] | None = None
    machine: Callable[..., Node] | None = None
    kink: Callable[..., Node] | None = None
    domain: tuple[Interval, ...] = ()
    numpy: str | None = None
    mp: str | Callable[..., Any] | None = None
    sympy: str | None = None
    latex: str = ""
    symbol: str = "u"
    source: str = "Abramowitz and Stegun (1964)"
    attr: tuple[Any, ...] = ()
    analytic: bool = True
    aliases: tuple[str, ...] = ()

    def __call__(self, *args: Node | int | float) -> Node:
        return apply(self.name, *args, attr=self.attr)

    @property
    def rule(self) -> str:
        """The name of the derivative rule."""
        return f"deriv_{self.name}"

    @cached_property
    def placeholders(self) -> tuple[Node, ...]:
        """One scalar variable a parameter."""
        return tuple(var(p) for p in self.params)

    def intervals(self) -> tuple[Interval, ...]:
        """The domain, the reals where the row does not say."""
        return self.domain or (REAL,) * len(self.params)


@dataclass(frozen=True)
class Rewrite:
    """An equality lhs = rhs, used from left to right, both sides written as functions of the same free nodes."""

    name: str
    params: tuple[str, ...]
    lhs: Callable[..., Node]
    rhs: Callable[..., Node]
    source: str
    domain: tuple[Interval, ...] = ()

    @cached_property
    def placeholders(self) -> tuple[Node, ...]:
        return tuple(var(p) for p in self.params)


@dataclass(frozen=True)
class Reason:
    """A named move of a derivation that is not the derivative of one function."""

    name: str
    text: str
    statement: str
