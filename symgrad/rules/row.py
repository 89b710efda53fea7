"""The shapes of the rows: Function and ArrayFunction (facts about a derivative), Rewrite (one about an equality).

A derivative or a definition is a Python function that builds nodes from nodes, so a row reads as its formula and can be
printed, proved, evaluated and compiled from the one place where it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from symgrad.errors import InputError, ShapeError, suggest
from symgrad.graph.index_form import Index, Term
from symgrad.graph.node import Node, apply, as_node, broadcast_to, const, describe, make, topological, var
from symgrad.graph.node import einsum as _einsum
from symgrad.graph.ops import JUMPS
from symgrad.rules.ranges import Range
from symgrad.shapes import Dim, Shape, as_shape, normalise_axes, show


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


Default: TypeAlias = "int | float | Fraction | None"


def bind(name: str, params: Sequence[str], defaults: Sequence[Default], args: Sequence[Any],
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


def _parameters(params: Sequence[str], defaults: Sequence[Default]) -> list[str]:
    plain = len(params) - len(defaults)
    return [*params[:plain], *(f"{p}={d}" for p, d in zip(params[plain:], defaults))]


Condition: TypeAlias = "Callable[..., tuple[tuple[Node, Range], ...]]"  # x, ... -> what must lie in which range
Case: TypeAlias = "tuple[Condition, Callable[..., Node]]"


class Called:
    """How a row is called: operands by position or name, the last with defaults, and keywords that choose a row."""

    name: str
    params: tuple[str, ...]
    defaults: tuple[Any, ...]
    variants: tuple[tuple[str, Any, str], ...]
    domain: tuple[Interval, ...]
    orders: tuple[str, ...]

    def bind(self, args: Sequence[Any], named: Mapping[str, Any]) -> tuple[str, tuple[Any, ...]]:
        """Return the name of the row that a call means, and its operands with the defaults put in.

        Raises: InputError for operands that do not fit and for a keyword or its value that is unknown.
        """
        name, named = self.name, dict(named)
        for keyword, choice in self.choices.items():
            if keyword in named:
                value = named.pop(keyword)
                if not isinstance(value, (str, bool)) or value not in choice:
                    known = " or ".join(repr(c) for c in choice)
                    raise InputError(f"{self.name}: {keyword} is {known}, not {str(value)[:60]!r}")
                name = choice[value]
        return name, bind(self.name, self.params, self.defaults, args, named, self.usage)

    @property
    def choices(self) -> dict[str, dict[str | bool, str]]:
        """The keywords that choose another row: keyword -> value -> the row's name."""
        out: dict[str, dict[str | bool, str]] = {}
        for keyword, value, name in self.variants:
            out.setdefault(keyword, {})[value] = name
        return out

    @property
    def usage(self) -> str:
        """How it is called."""
        words = [f"{k}={next(iter(c))!r}" for k, c in self.choices.items()]
        words += [f"at={JUMPS[self.name].usual}"] if self.name in JUMPS else []
        return f"{self.name}({', '.join([*self.orders, *_parameters(self.params, self.defaults), *words])})"

    def intervals(self) -> tuple[Interval, ...]:
        """The domain, the reals where the row does not say."""
        return self.domain or (REAL,) * len(self.params)


@dataclass(frozen=True)
class Function(Called):
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
    image       where its values lie: a range, or ranges of the arguments -> a range; None: as the definition says
    cases       (x, ... -> (node, range) pairs that must hold, x, ... -> what the function then is)
    variants    (keyword, value, row): the call with this keyword at this value is of another row
    reads       more names in SymPy, which are read and not written: SymPy has no derivative there, or a wrong value
    op          the operation of its nodes, the name where it is left out
    latex_at    value at 0 -> the name in LaTeX, for a function with a jump there whose value is not the usual one
    orders      names of the whole numbers that stand first in a call and are the node's attributes
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
    image: Range | Callable[..., Range] | None = None
    cases: tuple[Case, ...] = ()
    orders: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    op: str = ""
    latex_at: Callable[[int | Fraction], str] | None = None

    def __call__(self, *args: Node | int | float, **named: Any) -> Node:
        name, operands = self.bind(args, named)
        return apply(self.op or name, *operands, attr=self.attr)

    def at(self, *orders: Any) -> Function:
        """Return the row whose calls have these orders.

        Raises: InputError where one of them is missing or no whole number.
        """
        if len(orders) != len(self.orders):
            raise InputError(f"{self.name} is called {self.usage}")
        for name, value in zip(self.orders, orders):
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise InputError(f"{self.name}: {name} is a whole number, 0 or larger, not {str(value)[:60]}. "
                                 f"It is called {self.usage}")
        return replace(self, attr=orders)

    def jumping(self, value: int | float | Fraction) -> Function:
        """Return the row of the function with this value at 0, for one that has a jump there.

        Raises: InputError for a value that is not between those on both sides.
        """
        jump = JUMPS[self.name]
        if isinstance(value, bool) or not isinstance(value, (int, float, Fraction)) or \
                not jump.left <= value <= jump.right:
            raise InputError(f"{self.name}: the value at 0 is a number from {jump.left} to {jump.right}, not "
                             f"{str(value)[:60]}. It is called {self.usage}")
        return replace(self, attr=(jump.share(Fraction(str(value))),))

    def latex_of(self, attr: tuple[Any, ...]) -> str:
        """Return the name in LaTeX, or its template, of a node with these attributes."""
        if self.latex_at is None or self.name not in JUMPS:
            return self.latex
        value = JUMPS[self.name].value(attr)
        return self.latex if value == JUMPS[self.name].usual else self.latex_at(value)

    @property
    def rule(self) -> str:
        """The name of the derivative rule."""
        return f"deriv_{self.name}"

    @cached_property
    def numpy_is_real(self) -> bool:
        """Whether NumPy's function takes real numbers alone, though the function is analytic and has a definition."""
        found = getattr(np, self.numpy, None) if self.numpy is not None else None
        complex_too = not isinstance(found, np.ufunc) or any("D" in types for types in found.types)
        return self.analytic and self.definition is not None and not complex_too

    @cached_property
    def placeholders(self) -> tuple[Node, ...]:
        """One scalar variable a parameter."""
        return tuple(var(p) for p in self.params)


class _Required:
    """The default of an option that has none."""


REQUIRED = _Required()


@dataclass(frozen=True)
class Option:
    """An argument of an array function that is no array.

    kind    Axes (an integer, a tuple or None), Axis (an integer), Place (an integer as it is), Places
            (several), Steps (one integer an axis or one for all), Flag, Size, Sizes,
            Pairs (of sizes), Key (a subscript)
    key     how text spells it: its name for a keyword, '' behind the operands, '[]' a subscript, '[*]' a subscript
            made of the operands behind the first, the option being the axis of the first of them
    """

    name: str
    kind: str
    default: Any = REQUIRED
    key: str = ""


def axis(default: Any = REQUIRED) -> Option:
    """One axis."""
    return Option("axis", "Axis", default, "axis")


def axes(default: Any = None) -> Option:
    """One axis, several, or all of them by None."""
    return Option("axis", "Axes", default, "axis")


Example: TypeAlias = "tuple[tuple[tuple[str | int, ...], ...], Mapping[str, Any]]"  # shapes of operands, options
MATRIX: Example = ((("n", "d"),), {})


KEEPDIMS = Option("keepdims", "Flag", False, "keepdims")


@dataclass(frozen=True)
class ArrayFunction:
    """A function y = name(x, ..., option=...) of whole arrays and all that is known of it.

    shape       shapes..., options -> the shape of the output; it raises ShapeError
    pullback    (c, y, x, ..., options) -> one cotangent an operand, c being that of y; None where it is zero
    definition  x, ..., options -> the function in simpler functions; from it the pullback is proved
    machine     x, ..., options -> a form that neither overflows nor warns
    value       (mpmath, x, ..., options in numbers) -> the value on object arrays; None: the definition is used
    numpy       Python source in the names of operands and options, `shape` and `dtype` of the output; several lines
                set `out`; '' where machine form or definition is used. Or (shapes, options) -> that source
    plain       the same for taped and complex arrays, where `numpy` would not do
    factor      source of what several functions of the same operands share, called `factor` in `numpy`
    alone       what stands for `numpy` where no other function shares the factor
    names       (shapes, options) -> more names for that source
    view        whether the NumPy function may show the memory of its first operand
    linear      whether each output is a sum of entries of the first operand, and the others only choose them
    batch       (axes in front, operands with them or None, x, ..., options) -> the function of many operands at once,
                or None; a row that is `linear` needs none
    transposes  whether the function of a transposed matrix is the transposed function
    listed      whether the operands stand in a list, any number of them
    indices     (shapes, options) -> operand that holds indices: the size below which they lie; it has no derivative
    wraps       whether indices below 0 count from the end
    rooms       (shapes, options) -> sizes that are 0 or larger wherever the function means what it says
    whole       whether the values are whole numbers, which have no derivative
    domain      in words, '' for everywhere; kink the same for where there is no derivative
    total       (shapes, options) -> the axis over which the entries add up to 1; None: they add up to nothing known
    inside      an object array -> one like it inside the domain, where few random arrays lie there: for test points
    latex       the name in LaTeX, or a template with {0}, {1}, ... for operands
    example     shapes of operands, and options, for documentation and tests
    further     more examples, where the NumPy source has other forms
    level       how tightly the template binds: 'function', 'power' or 'chain'
    log         the array function that is the logarithm of this one without its overflow, '' where there is none
    image       where its values lie: a range, or ranges of the operands -> a range; None: as the definition says
    by_inverse  (inverse of the first operand, other operands) -> the value in terms of it
    entry       (place, x, ..., options) -> the entry there as a term of index notation; None: it is printed whole
    """

    name: str
    params: tuple[str, ...]
    shape: Callable[..., Shape]
    pullback: Callable[..., tuple[Node | None, ...]]
    options: tuple[Option, ...] = ()
    definition: Callable[..., Node] | None = None
    machine: Callable[..., Node] | None = None
    value: Callable[..., Any] | None = None
    numpy: str | Callable[..., str] = ""
    plain: str | Callable[..., str] = ""
    factor: str = ""
    alone: str = ""
    names: Callable[..., dict[str, Any]] | None = None
    view: bool = False
    linear: bool = False
    batch: Callable[..., Node | None] | None = None
    transposes: bool = False
    listed: bool = False
    indices: Callable[..., dict[int, Dim]] | None = None
    wraps: bool = True
    rooms: Callable[..., Sequence[Dim]] | None = None
    whole: bool = False
    domain: str = ""
    total: Callable[..., int] | None = None
    inside: Callable[[Any], Any] | None = None
    kink: str = ""
    statement: str = ""
    sympy: str | None = None
    latex: str = ""
    level: str = "function"
    symbol: str = "u"
    source: str = ""
    analytic: bool = True
    aliases: tuple[str, ...] = ()
    log: str = ""
    example: Example = MATRIX
    further: tuple[Example, ...] = ()
    image: Range | Callable[..., Range] | None = None
    by_inverse: Callable[..., Node] | None = None
    entry: Callable[..., Term | None] | None = None

    def __call__(self, *args: Node | int | float, **options: Any) -> Node:
        """Return the node of the function of these operands."""
        nodes = [as_node(a) for a in args]
        if (not self.listed and len(nodes) != len(self.params)) or (self.listed and not nodes):
            raise ShapeError(f"{self.name} takes {'a list of operands' if self.listed else len(self.params)}, "
                             f"got {len(nodes)}")
        unknown = [k for k in options if k not in [o.name for o in self.options]]
        if unknown:
            known = ", ".join(o.name for o in self.options) or "none"
            raise ShapeError(f"{self.name} has no option {unknown[0]!r}; the options are: {known}")
        first = nodes[0] if nodes else _NOTHING
        pairs: list[tuple[str, Any]] = [("[,]", True)] if self.listed and not self.subscripted else []
        full: dict[str, Any] = {}
        for o in self.options:
            value = options.get(o.name, o.default)
            if isinstance(value, _Required):
                raise ShapeError(f"{self.name} needs {o.name}")
            full[o.name] = value = _canonical(o, value, first, self.name)
            if not _has_default(o, first) or value != _canonical(o, o.default, first, self.name):
                pairs.append((o.key, value))
        try:
            shape = self.shape(*(n.shape for n in nodes), **full)
        except ShapeError as error:
            given = ", ".join(f"{describe(n)} {show(n.shape)}" for n in nodes[:6])
            raise ShapeError(f"{self.name} of {given}: {error}") from None
        return make("array", nodes, (self.name, *pairs), shape)

    def given(self, node: Node) -> dict[str, Any]:
        """Return every option of a node of this function."""
        pairs: Mapping[str, Any] = dict(node.attr[1:])
        first = node.args[0] if node.args else _NOTHING
        positional = iter([value for key, value in node.attr[1:] if key == ""])
        return {o.name: next(positional) if o.key == "" else pairs[o.key] if o.key in pairs
                else _canonical(o, o.default, first, self.name) for o in self.options}

    def pulled(self, node: Node, c: Node) -> tuple[Node | None, ...]:
        """Return the cotangents of all operands of a node, given that of the node."""
        return self.pullback(c, node, *node.args, **self.given(node))

    def along(self, node: Node, lead: Shape, many: Sequence[Node | None]) -> Node | None:
        """Return the function of each of many operands at once, which stand along further axes in front.

        `many` holds the operands with those axes, None for one that has none and is the same for all; None comes back
        where the row does not say how: it is neither `linear` nor has `batch`.
        """
        given = self.given(node)
        if self.batch is not None:
            return self.batch(lead, many, *node.args, **given)
        if not self.linear or (many[0] is None and not self.listed):
            return None
        parts = self.listed and self.indices is None  # of one array, as concatenate joins them
        operands = [m if m is not None else broadcast_to(a, (*lead, *a.shape)) if parts or not k else a
                    for k, (m, a) in enumerate(zip(many, node.args))]
        return self(*operands, **{o.name: _moved(o, given[o.name], lead, node.args[0]) for o in self.options})

    @property
    def rule(self) -> str:
        """The name of the derivative rule."""
        return f"pull_{self.name}"

    def placeholders(self, example: Example | None = None) -> tuple[tuple[Node, ...], dict[str, Any]]:
        """Return variables of the shapes of the example, and its options."""
        shapes, options = example or self.example
        whole = self.indices(*map(as_shape, shapes), **options) if self.indices is not None else {}
        names = operand_names(self, len(shapes))
        return tuple(var(p, s, "int" if k in whole else "real") for k, (p, s) in enumerate(zip(names, shapes))), \
            dict(options)

    def entry_of(self, node: Node, place: tuple[Index, ...]) -> Term | None:
        """Return one entry of a node in entries of its operands, where the row says how."""
        return None if self.entry is None else self.entry(place, *node.args, **self.given(node))

    @property
    def subscripted(self) -> bool:
        """Whether it is written with brackets, not called by its name."""
        return any(o.key in ("[]", "[*]") for o in self.options)

    def spelling(self, node: Node, plain: bool = False) -> str:
        """Return the NumPy source for a node, that for taped and complex arrays where `plain`."""
        source = self.plain if plain and self.plain else self.numpy
        return source(*(a.shape for a in node.args), **self.given(node)) if callable(source) else source

    def uses_output(self, node: Node) -> bool:
        """Return whether the pullback of a node is written in its own output."""
        c = var("c", node.shape)
        return any(p is not None and node in topological([p]) for p in self.pulled(node, c))


def _moved(option: Option, value: Any, lead: Shape, x: Node) -> Any:
    """Return an option for operands with further axes in front; its name says what it counts, as in NumPy."""
    k = len(lead)
    if option.name == "axis":
        every = normalise_axes(value, x.rank, "the operand") if value is None else value
        return tuple(a + k for a in every) if isinstance(every, tuple) else every + k
    if option.kind == "Key":
        return (*[(None, None, None)] * k, *value)
    if option.kind == "Pairs":
        return (*[(0, 0)] * k, *value)
    if option.name == "gaps":
        return (*[0] * k, *value) if value else value
    return (*lead, *value) if option.name == "shape" else value


_NOTHING = const(0)  # in place of the first operand of a function that has none


def _has_default(option: Option, x: Node) -> bool:
    """Whether the option may be left out; one axis of many is to be named."""
    return not isinstance(option.default, _Required) and not (
        option.kind == "Axis" and option.default is None and x.rank != 1)


def _canonical(option: Option, value: Any, x: Node, name: str) -> Any:
    """Return an option in the one spelling that nodes carry."""
    if option.kind == "Axes":
        all_axes = normalise_axes(value, x.rank, f"{name} of {describe(x)}")
        every = all_axes == tuple(range(x.rank))
        return None if every else all_axes[0] if len(all_axes) == 1 else all_axes
    if option.kind == "Axis":
        if value is None and x.rank == 1:
            return 0
        if isinstance(value, bool) or not isinstance(value, int):
            raise ShapeError(f"{name} works along one axis of {describe(x)} {show(x.shape)}; give axis=...")
        return normalise_axes(value, x.rank, f"{name} of {describe(x)}")[0]
    if isinstance(value, list):
        value = tuple(value)
    if option.kind == "Places" and isinstance(value, int):
        return (value,)
    if option.kind == "Steps" and isinstance(value, tuple) and len(set(value)) == 1:
        return value[0]
    return value


def put_back(c: Node, x: Node, axis: Any, keepdims: bool) -> Node:
    """Return what a reduction over `axis` left of x with its axes back in place, of size 1."""
    if keepdims:
        return c
    gone = normalise_axes(axis, x.rank, "the operand")
    kept = [k for k in range(x.rank) if k not in gone]
    return _einsum([kept], [c], range(x.rank), dict.fromkeys(gone, 1))


def reduced(shape: Shape, axis: Any, keepdims: bool) -> Shape:
    """Return the shape that a reduction over `axis` leaves."""
    gone = normalise_axes(axis, len(shape), "the operand")
    return tuple(1 if k in gone else d for k, d in enumerate(shape) if keepdims or k not in gone)


def operand_names(row: ArrayFunction, count: int) -> Sequence[str]:
    """Return a name for every operand."""
    return [f"{row.params[0]}{k}" for k in range(count)] if row.listed else row.params


@dataclass(frozen=True)
class Rewrite:
    """An equality lhs = rhs, used from left to right, both sides written as functions of the same free nodes.

    when    x, ... -> pairs of an expression and the range in which its values must lie: the row is used where ranges
            and assumptions say that they do, and nowhere else. None: both sides are the same partial function of the
            reals, undefined at the same points and equal at all others
    fills   why the right side has a value at isolated points where the left is undefined (0/0 at the tip of a cone);
            '' where it has none
    """

    name: str
    params: tuple[str, ...]
    lhs: Callable[..., Node]
    rhs: Callable[..., Node]
    source: str
    when: Condition | None = None
    fills: str = ""

    @cached_property
    def placeholders(self) -> tuple[Node, ...]:
        return tuple(var(p) for p in self.params)
