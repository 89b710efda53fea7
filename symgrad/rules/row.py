"""The shapes of the rows: Function (a fact about a derivative), Rewrite (one about an equality), Reason (a named move).

A derivative or a definition is a Python function that builds nodes from nodes, so a row reads as its formula and can be
printed, proved, evaluated and compiled from the one place where it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from symgrad.errors import InputError, suggest
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


def bind(name: str, params: Sequence[str], defaults: Sequence[int | float], args: Sequence[Any],
         named: Mapping[str, Any], usage: str = "") -> tuple[Any, ...]:
    """Return the operands of a call by position, those that were not given by their defaults.

    Raises: InputError for too many or too few operands, and for a name that is none or comes twice.
    """
    usage = usage or f"{name}({', '.join(_parameters(params, defaults))})"
    for word in named:
        if word not in params:
            raise InputError(f"{name} has no operand {word!r}.{suggest(word, params)} It is called {usage}")
        if word in params[:len(args)]:
            raise InputError(f"{name} was given {word!r} twice. It is called {usage}")
    known = {**dict(zip(params[len(params) - len(defaults):], defaults)), **named, **dict(zip(params, args))}
    if len(args) > len(params) or len(known) < len(params):
        raise InputError(f"{name} takes {len(params)} operands ({', '.join(params)}), got {len(args) + len(named)}. "
                         f"It is called {usage}")
    return tuple(known[p] for p in params)


def _parameters(params: Sequence[str], defaults: Sequence[int | float]) -> list[str]:
    plain = len(params) - len(defaults)
    return [*params[:plain], *(f"{p}={d}" for p, d in zip(params[plain:], defaults))]


@dataclass(frozen=True)
class Function:
    """An elementwise function y = name(x, ...) and all that is known of it.

    derivative  (y, x, ...) -> one local derivative an argument; None where it is zero everywhere off the kinks
    definition  x, ... -> the function in simpler functions; from it the derivative is proved
    machine     x, ... -> a form that is accurate in floating point and neither overflows nor warns
    double      x, ... -> a form that is the function to double precision only, for code where NumPy has none
    branches    x, ... -> a form by cases whose derivative, taken by any other method, is the policy's at the kink
    kink        x, ... -> the argument whose zeros have no derivative
    domain      where each argument may lie
    numpy, mp, sympy    the name of the function there, or None: the definition is used;
                        mp may be a callable (mpmath, *arguments, *attributes)
    latex       the name in LaTeX, or a template with one {} an argument
    symbol      the customary name of the output, for intermediates without one
    source      where the derivative is stated in print
    attr        the default attributes of the node
    analytic    whether complex step may pass through it
    defaults    the values of the last arguments where they are not given
    variants    (keyword, value, row): the call with this keyword at this value is of another row
    """

    name: str
    params: tuple[str, ...]
    derivative: Callable[..., tuple[Node | None, ...]]
    definition: Callable[..., Node] | None = None
    machine: Callable[..., Node] | None = None
    branches: Callable[..., Node] | None = None
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
    defaults: tuple[int | float, ...] = ()
    variants: tuple[tuple[str, str, str], ...] = ()
    double: Callable[..., Node] | None = None

    def __call__(self, *args: Node | int | float, **named: Any) -> Node:
        name, operands = self.bind(args, named)
        return apply(name, *operands, attr=self.attr)

    def bind(self, args: Sequence[Any], named: Mapping[str, Any]) -> tuple[str, tuple[Any, ...]]:
        """Return the name of the row that a call means, and its operands with the defaults put in.

        Raises: InputError for operands that do not fit and for a keyword or its value that is unknown.
        """
        name, named = self.name, dict(named)
        for keyword, choice in self.choices.items():
            if keyword in named:
                value = named.pop(keyword)
                if not isinstance(value, str) or value not in choice:
                    known = " or ".join(repr(c) for c in choice)
                    raise InputError(f"{self.name}: {keyword} is {known}, not {str(value)[:60]!r}")
                name = choice[value]
        return name, bind(self.name, self.params, self.defaults, args, named, self.usage)

    @property
    def choices(self) -> dict[str, dict[str, str]]:
        """The keywords that choose another row: keyword -> value -> the row's name."""
        out: dict[str, dict[str, str]] = {}
        for keyword, value, name in self.variants:
            out.setdefault(keyword, {})[value] = name
        return out

    @property
    def usage(self) -> str:
        """How it is called."""
        words = [f"{k}={next(iter(c))!r}" for k, c in self.choices.items()]
        return f"{self.name}({', '.join([*_parameters(self.params, self.defaults), *words])})"

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
