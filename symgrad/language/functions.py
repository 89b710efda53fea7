"""The elementwise functions as users call them, made from the rows. SymPy in, SymPy out; so with Expressions.

A row without a SymPy counterpart becomes a SymPy `Function` class (sigmoid, softplus, relu, ...), and so does a loss.
A row with one (exp, Max, ...) becomes a function that uses it. On matrices both give the elementwise matrix.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from typing import Any, TypeAlias

import mpmath
import numpy as np
import sympy as sp
from sympy.core.function import ArgumentIndexError, FunctionClass
from sympy.core.symbol import Str
from sympy.logic.boolalg import Boolean, BooleanAtom

from symgrad.engine.named import worked_out
from symgrad.engine.rows import named_row, parameters
from symgrad.errors import InputError, LimitExceeded, NoRule, ShapeError
from symgrad.graph.node import NAMED, Node, const, topological
from symgrad.graph.ops import JUMPS
from symgrad.graph.text import to_text
from symgrad.language.composite import Composite
from symgrad.language.losses import LOSSES
from symgrad.language.numeric import Values
from symgrad.rules.elementwise import ARITHMETIC, BY_NAME, FUNCTIONS
from symgrad.rules.row import POSITIVE, Function, bind

Row: TypeAlias = "Function | Composite"

ROWS: dict[str, Row] = {**BY_NAME, **{c.name: c for c in LOSSES}}
OPERATORS: dict[str, Callable[..., Any]] = {
    "add": operator.add, "sub": operator.sub, "neg": operator.neg, "mul": operator.mul, "div": operator.truediv,
    "pow": operator.pow,
}
RELATIONS: dict[str, type[sp.Basic]] = {"gt": sp.Gt, "ge": sp.Ge, "lt": sp.Lt, "le": sp.Le, "eq": sp.Eq, "ne": sp.Ne}
MAX_BITS = 1024  # of a whole number; double precision holds no larger one
CONSTANTS: dict[str, sp.Expr] = {"pi": sp.pi, "e": sp.E}


# --- scalars: rows in SymPy's words -----------------------------------------------------------------------------------


def number(value: Any) -> sp.Expr:
    """Return the value of a constant or of a size as SymPy writes it."""
    if isinstance(value, str):
        return CONSTANTS[value]
    if isinstance(value, Fraction):
        return sp.Rational(value.numerator, value.denominator)
    if isinstance(value, float):
        return sp.oo if value == float("inf") else -sp.oo if value == float("-inf") else sp.Float(value)
    return value if isinstance(value, sp.Expr) else sp.Integer(value)


def condition(mask: sp.Basic) -> sp.Basic:
    """Return the relation that a 0/1 expression stands for."""
    if isinstance(mask, sp.Piecewise) and len(mask.args) == 2 and mask.args[0][0] == 1 and mask.args[1] == (0, True):
        return mask.args[0][1]
    return mask if isinstance(mask, Boolean) else sp.Ne(mask, 0)


def scalar(name: str, args: Sequence[Any], attr: tuple[Any, ...] = (), evaluate: bool = True) -> Any:
    """Return the row `name` applied to SymPy scalars; SymPy's own functions may be left unevaluated."""
    options = {} if evaluate else {"evaluate": False}
    if not evaluate and name in ("div", "pow"):
        power = sp.Pow(args[-1], -1, evaluate=False) if name == "div" else sp.Pow(*args, evaluate=False)
        return args[0] * power if name == "div" else power
    if name == NAMED:
        return sp.Function.__new__(named_class(attr), *args)
    if name in OPERATORS:
        return OPERATORS[name](*args)
    if name in RELATIONS:
        return sp.Piecewise((1, RELATIONS[name](*args, **options)), (0, True), **options)
    if name == "where":
        return sp.Piecewise((args[1], condition(args[0])), (args[2], True), **options)
    row = ROWS[name]
    if isinstance(row, Function) and row.orders:
        args, attr = (*map(sp.Integer, attr or row.attr), *args), ()
    if isinstance(row, Function) and attr and attr != row.attr:
        at = number(attr[0])  # the value at 0, which only these two carry
        heaviside = sp.Heaviside(*args, at, **options)
        return heaviside if name == "step" else 2 * heaviside - 1
    if isinstance(row, Function) and row.sympy is not None:
        return getattr(sp, row.sympy)(*args, **options)
    return sp.Function.__new__(CLASSES[name], *args)


def scalar_graph(root: Node, values: Mapping[Node, sp.Basic]) -> Any:
    """Return a graph of scalars in SymPy, the nodes in `values` standing for what is given."""
    done = dict(values)
    for node in topological([root], lambda n: () if n in done else n.args):
        if node in done:
            continue
        if node.op in ("const", "size"):
            done[node] = number(node.value)
        else:
            done[node] = scalar(node.op, [done[a] for a in node.args], node.attr)
    return done[root]


def _graph(row: Row, operands: Sequence[Node]) -> Node | None:
    """Return what a row stands for in simpler functions."""
    if isinstance(row, Composite):
        graph: Node = row(*operands)
        return graph
    return None if row.definition is None else row.definition(*operands)


@lru_cache(maxsize=256)
def _below(name: str) -> frozenset[str]:
    """Return the SymPy names of all functions that the definition of a row leads to."""
    found: set[str] = set()
    work, seen = [name], {name}
    while work:
        row = ROWS[work.pop()]
        graph = _graph(row, _operands(row))
        for node in topological([graph] if graph is not None else []):
            if node.is_elementwise and node.op not in OPERATORS and node.op not in OPERATORS and node.op not in seen:
                seen.add(node.op)
                work.append(node.op)
                found.add(getattr(ROWS[node.op], "sympy", None) or node.op)
    if found & {"Max", "Min", "Abs", "sign", "step"} or name == "step":
        found |= {"Piecewise", "Heaviside"}
    return frozenset(found)


def _operands(row: Row) -> tuple[Node, ...]:
    return Values(row.name, row.params, row, True).operands


@lru_cache(maxsize=256)
def _facts(name: str) -> tuple[dict[str, bool | None], tuple[bool, ...]]:
    """Return what holds of a row wherever its arguments are real, and which of them must be positive for it."""
    row = ROWS[name]
    domain = row.intervals()
    positive = tuple(d == POSITIVE for d in domain)
    operands = _operands(row)
    graph = _graph(row, operands)
    facts = dict.fromkeys(("extended_real", "finite", "positive", "negative", "nonnegative"))
    if graph is not None:
        symbols = [sp.Symbol(p, positive=True) if q else sp.Symbol(p, real=True) for p, q in zip(row.params, positive)]
        form = scalar_graph(graph, dict(zip(operands, symbols)))
        facts = {f: getattr(form, f"is_{f}") for f in facts}
    if isinstance(row, Function):  # what the table states: a real function, finite wherever it is defined everywhere
        facts["extended_real"] = True
        facts["finite"] = facts["finite"] or (True if not row.domain else None)
        facts["nonnegative"] = True if name == "step" else facts["nonnegative"]
    return facts, positive


class SymgradFunction(sp.Function):  # type: ignore[misc]  # SymPy ships no types
    """A SymPy function made from a row; it stays unevaluated, and differentiates, prints and evaluates by its row."""

    row: Row
    values: Values

    def __new__(cls, *args: Any, **options: Any) -> Any:
        if cls is SymgradFunction:
            raise TypeError("SymgradFunction is the base of sigmoid, softplus, ...; call one of them")
        named = {k: v for k, v in options.items() if k != "evaluate"}
        return apply_row(cls.row, args, named, {k: v for k, v in options.items() if k == "evaluate"})

    @property
    def lead(self) -> int:
        """The number of orders in front of the operands."""
        return len(self.row.orders) if isinstance(self.row, Function) else 0

    def this(self) -> tuple[Row, tuple[Any, ...]]:
        """Return the row with the orders of this call, and its operands."""
        if not self.lead:
            return self.row, self.args
        return self.row.at(*map(int, self.args[:self.lead])), self.args[self.lead:]  # type: ignore[union-attr]  # orders

    def fdiff(self, argindex: int = 1) -> Any:
        """Return the derivative by one argument, from the row."""
        (row, args), operands = self.this(), _operands(self.row)
        given = dict(zip(operands, args))
        if isinstance(row, Composite):
            return self.doit(deep=False).diff(self.args[argindex - 1])
        if argindex <= self.lead:
            raise ArgumentIndexError(self, argindex)
        y = row(*operands)
        local = row.derivative(y, *operands)[argindex - 1 - self.lead]
        return sp.Integer(0) if local is None else scalar_graph(local, {**given, y: self})

    def _eval_derivative(self, symbol: Any) -> Any:
        if isinstance(self.row, Composite):
            return self.doit(deep=False).diff(symbol)
        return super()._eval_derivative(symbol)

    def definition(self) -> Any:
        """Return what the function stands for in simpler ones, None where it is a primitive."""
        operands = _operands(self.row)[:len(self.args)]
        first = len(self.row.params) - len(self.row.defaults)
        # a parameter that is a number stands as that number, so that the usual one gives the short form
        graph = _graph(self.row, [const(plain_number(a)) if k >= first and isinstance(a, (sp.Rational, sp.Float)) else o
                                  for k, (o, a) in enumerate(zip(operands, self.args))])
        return None if graph is None else scalar_graph(graph, dict(zip(operands, self.args)))

    def doit(self, **hints: Any) -> Any:
        """Return the function of evaluated arguments; a loss gives its graph."""
        args = [a.doit(**hints) for a in self.args] if hints.get("deep", True) else self.args
        new = self.func(*args)
        return new.definition() if isinstance(self.row, Composite) and isinstance(new, SymgradFunction) else new

    def _eval_rewrite(self, rule: Any, args: Sequence[Any], **_: Any) -> Any:
        name = rule if isinstance(rule, str) else getattr(rule, "__name__", type(rule).__name__)
        new = self.func(*args)
        if name not in _below(self.row.name) or not isinstance(new, SymgradFunction):
            return new
        if self.row.name == "step":
            return sp.Heaviside(args[0], number(ROWS["step"].attr[0])).rewrite(rule)  # type: ignore[union-attr]  # a Function
        return new.definition().rewrite(rule)

    def _eval_evalf(self, prec: int) -> Any:
        row, operands = self.this()
        try:
            args = [a._to_mpmath(prec + 10) for a in operands]
        except ValueError:  # SymPy's sign that an argument is no number
            return self.func(*self.args[:self.lead],
                             *[a._eval_evalf(prec) or a if not a.is_Atom or a.is_number else a for a in operands])
        values = Values(row.name, row.params, row, True) if self.lead else self.values
        with mpmath.workprec(prec + 10):
            value = values.mp(mpmath.mp, args)
        return sp.Expr._from_mpmath(value, prec)

    def _ask(self, fact: str) -> Any:
        # asked of the row and not of the definition at these arguments: SymPy would walk a shared argument as a tree
        facts, positive = _facts(self.row.name)
        return facts[fact] if all(a.is_positive if p else a.is_real for a, p in zip(self.this()[1], positive)) else None

    def _eval_is_extended_real(self) -> Any:
        return self._ask("extended_real")

    def _eval_is_finite(self) -> Any:
        return self._ask("finite")

    def _eval_is_positive(self) -> Any:
        return self._ask("positive")

    def _eval_is_negative(self) -> Any:
        return self._ask("negative")

    def _eval_is_nonnegative(self) -> Any:
        return self._ask("nonnegative")

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        return row_latex(self.row, [printer._print(a) for a in self.args], exp)


def row_latex(row: Row, args: Sequence[str], exp: str | None = None, orders: Sequence[Any] = ()) -> str:
    """Return a row applied to printed arguments, to the power `exp`."""
    if "{}" in row.latex:
        text = row.latex.format(*orders, *args)
        return text if exp is None else rf"\left({text}\right)^{{{exp}}}"
    power = "" if exp is None else f"^{{{exp}}}"
    return rf"{row.latex}{power}\left({', '.join(args)}\right)"


# --- matrices ---------------------------------------------------------------------------------------------------------


class Elementwise(sp.MatrixExpr):  # type: ignore[misc]  # SymPy ships no types
    """A row applied entry by entry to SymPy matrices of one shape and to scalars.

    Its first part is the name of the row, or of a function that a user named the Lambda that applies it.
    """

    def __new__(cls, name: Any, operands: Sequence[Any], attr: Sequence[Any] = ()) -> Elementwise:
        # strict: numbers become SymPy's, text is refused and never parsed
        items = sp.Tuple(*(o.as_immutable() if isinstance(o, sp.MatrixBase) else sp.sympify(o, strict=True)
                           for o in operands))
        first = next(o for o in items if o.is_Matrix)
        for o in items:
            if o.is_Matrix and o.shape != first.shape:
                raise ShapeError(
                    f"{name}: the matrices have shapes {first.shape} and {o.shape}; SymPy's matrices do not broadcast. "
                    f"Widen one with a product by sympy.OneMatrix, or use sg.symbol, which broadcasts as NumPy does")
        if isinstance(name, type):
            symbols = sp.symbols(name.row.params, real=True)  # type: ignore[attr-defined]  # a class of functions
            name = sp.Lambda(symbols, name(*symbols))
        head = name if isinstance(name, sp.Lambda) else Str(str(name))
        obj: Elementwise = sp.Basic.__new__(cls, head, items, sp.Tuple(*(number(a) for a in attr)))
        return obj

    @property
    def row(self) -> Row:
        head = self.args[0]
        return head.expr.func.row if isinstance(head, sp.Lambda) else ROWS[str(head.name)]

    @property
    def name(self) -> str:
        return self.row.name

    def applied(self, entries: Sequence[Any]) -> Any:
        """Return the function of scalars."""
        head = self.args[0]
        return head.expr.func(*entries) if isinstance(head, sp.Lambda) else scalar(self.name, entries, self.attr)

    @property
    def operands(self) -> tuple[Any, ...]:
        return tuple(self.args[1])

    @property
    def attr(self) -> tuple[Any, ...]:
        return tuple(plain_number(a) for a in self.args[2])

    @property
    def shape(self) -> tuple[Any, Any]:
        found: tuple[Any, Any] = next(o.shape for o in self.operands if o.is_Matrix)
        return found

    def _entry(self, i: Any, j: Any, **kwargs: Any) -> Any:
        entries = [o[i, j] if isinstance(o, sp.MatrixBase) else o._entry(i, j, **kwargs) if o.is_Matrix else o
                   for o in self.operands]
        return self.applied(entries)

    def doit(self, **hints: Any) -> Any:
        """Return the explicit matrix where all operands are explicit."""
        done = [o.doit(**hints) for o in self.operands] if hints.get("deep", True) else list(self.operands)
        if all(isinstance(o, sp.MatrixBase) for o in done if o.is_Matrix):
            return _entrywise(lambda *a: self.applied(a), done)
        return Elementwise(self.args[0], done, self.attr)

    def _eval_derivative(self, symbol: Any) -> Any:
        raise NoRule(f"SymPy's matrix calculus has no rule for {self.name} of a matrix by {symbol}. Use symgrad.grad")

    _eval_derivative_matrix_lines = _eval_derivative

    def diff(self, *symbols: Any, **_: Any) -> Any:
        """Refuse: the derivative of a matrix expression is symgrad.grad's job."""
        return self._eval_derivative(symbols[0] if symbols else "nothing")

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        row = self.row
        orders = self.attr if isinstance(row, Function) and row.orders else ()
        if isinstance(row, Function) and row.name in JUMPS:
            row = replace(row, latex=row.latex_of(self.attr))
        return row_latex(row, [printer._print(o) for o in self.operands], exp, orders)

    def _sympystr(self, printer: Any) -> str:
        row = self.row
        orders = self.args[2] if isinstance(row, Function) and row.orders else ()
        at = [number(JUMPS[row.name].value(self.attr))] if row.name in JUMPS and self.attr else []
        return f"{self.name}({', '.join(printer._print(o) for o in (*orders, *self.operands, *at))})"


def plain_number(value: Any) -> Any:
    """Return a SymPy number as an int, a Fraction or a float.

    Raises: LimitExceeded for one that is beyond double precision.
    """
    if isinstance(value, sp.Rational):
        bits = max(int(value.p).bit_length(), int(value.q).bit_length())
        if bits > MAX_BITS:
            raise LimitExceeded(f"a number of {bits} bits is beyond the limit of {MAX_BITS}, that of double precision")
        return int(value) if value.q == 1 else Fraction(int(value.p), int(value.q))
    number = float(value)
    if math.isinf(number):
        raise LimitExceeded(f"the number {sp.N(value, 6)} is beyond the limit of double precision")
    return number


def _entrywise(function: Callable[..., Any], args: Sequence[Any]) -> Any:
    shape = next(a.shape for a in args if isinstance(a, sp.MatrixBase))
    for a in args:
        if isinstance(a, sp.MatrixBase) and a.shape != shape:
            raise ShapeError(f"elementwise: the matrices have shapes {shape} and {a.shape}, which differ")
    return sp.ImmutableMatrix(*shape, [
        function(*(a[k] if isinstance(a, sp.MatrixBase) else a for a in args)) for k in range(shape[0] * shape[1])])


# --- dispatch ---------------------------------------------------------------------------------------------------------


def apply_row(row: Row, args: Sequence[Any], named: Mapping[str, Any] = {}, options: Mapping[str, Any] = {}) -> Any:
    """Return a row applied to Expressions, SymPy matrices, SymPy scalars or numbers, in the kind that was given.

    Operands may be given by name, those with a default left out. Raises: InputError for operands that do not fit.
    """
    if isinstance(row, Function) and row.orders:
        given = bind(row.name, (*row.orders, *row.params), (), args, named, row.usage)
        count = len(row.orders)
        row, args = row.at(*(int(g) if isinstance(g, (sp.Integer, np.integer)) else g for g in given[:count])), \
            given[count:]
    elif isinstance(row, Function) and row.name in JUMPS and ("at" in named or len(args) == 2):
        x, at = bind(row.name, ("x", "at"), (), args, named, row.usage)
        row, args = row.jumping(plain_number(at) if isinstance(at, sp.Expr) and at.is_number else at), (x,)
    elif named or len(args) != len(row.params):
        name, args = row.bind(args, named)
        row = ROWS.get(name, row)
    own = next((a for a in args if hasattr(a, "_symgrad_apply")), None)
    if own is not None:
        return own._symgrad_apply(row, args)
    items = [operand(a, row.name) for a in args]
    attr = row.attr if isinstance(row, Function) and (row.orders or row.op == NAMED or _own_value(row)) else ()
    name = row.op if isinstance(row, Function) and row.op else row.name
    if not any(getattr(a, "is_Matrix", False) for a in items):
        if name in CLASSES and not _own_value(row):
            return sp.Function.__new__(CLASSES[row.name], *map(sp.Integer, attr), *items, **options)
        return scalar(name, items, attr)
    if all(isinstance(a, sp.MatrixBase) for a in items if a.is_Matrix):
        return _entrywise(lambda *a: scalar(name, a, attr), items)
    return Elementwise(named_class(attr), items) if name == NAMED else Elementwise(name, items, attr)


def _own_value(row: Row) -> bool:
    """Whether a function with a jump has another value there than the usual one."""
    return isinstance(row, Function) and row.name in JUMPS and row.attr != BY_NAME[row.name].attr


def operand(value: Any, name: str) -> Any:
    """Return an operand as SymPy holds it; text is refused, because SymPy would execute it."""
    if isinstance(value, (sp.Basic, sp.MatrixBase)):
        return value
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, Fraction, np.integer, np.floating)):
        advice = "Text is read by symgrad.parse" if isinstance(value, str) else \
            "Arrays go into the function that symgrad.compile returns" if isinstance(value, np.ndarray) else \
            "Several expressions make a symgrad.Network, one let(name, expression) each" \
            if isinstance(value, (list, tuple, set, frozenset, dict)) else \
            "Give a SymPy expression, a symgrad expression or a number"
        raise InputError(f"{name} was given a {type(value).__name__}. {advice}")
    if isinstance(value, Fraction):
        return sp.Rational(value.numerator, value.denominator)
    return sp.Integer(int(value)) if isinstance(value, (int, np.integer)) else sp.Float(float(value))


def refuse_conditions(given: Sequence[Any]) -> None:
    """Raise where something that is true or false stands for a number. Raises: NoRule."""
    for obj in given:
        if isinstance(obj, Boolean) and not isinstance(obj, sp.Symbol):
            text = str(obj) if len(str(obj)) <= 60 else str(obj)[:57] + "..."
            if isinstance(obj, BooleanAtom):
                raise NoRule(f"{text} is no number. SymPy decides a comparison where it can: sp.Eq of a scalar and a "
                             f"matrix, for example, is False")
            raise NoRule(f"{text} is true or false, and a number belongs here. Count 1 and 0 by "
                         f"sp.Piecewise((1, condition), (0, True)); what holds of values is stated by assume=... or "
                         f"Network.assume")


def _doc(row: Row) -> str:
    operands = _operands(row)
    graph = _graph(row, operands)
    orders = row.attr if isinstance(row, Function) and row.orders else ()
    called = f"{row.name}({', '.join([*map(str, orders), *row.params])})"
    lines = [f"The function {called}, elementwise.", ""]
    if graph is not None:
        lines.append(f"Formula: {called} = {to_text(graph)}.")
    if row.usage != called:
        lines.append(f"Called: {row.usage}.")
    if isinstance(row, Function):
        parts = [f"d/d{p} = {'0' if d is None else to_text(d, {row(*operands): 'y'}, expand_root=False)}"
                 for p, d in zip(row.params, row.derivative(row(*operands), *operands))]
        lines.append(f"Derivative, y being the output: {'; '.join(parts)}.")
    required = row.params[:len(row.params) - len(row.defaults)]
    symbols = ", ".join([*map(str, orders), *(f'sp.Symbol("{p}")' for p in required)])
    lines += ["Shapes: operands broadcast as in NumPy; SymPy matrices are of one shape, or scalars.",
              "Returns: SymPy for SymPy and numbers, an Expression for an Expression.",
              "Raises: InputError for text and arrays.", f"Source: {row.source}.", "",
              ">>> import sympy as sp, symgrad as sg", f">>> sg.{row.name}({symbols})",
              str(apply_row(row, [*orders, *(sp.Symbol(p) for p in required)]))]
    return "\n".join(lines)


class NamedFunction(SymgradFunction):
    """A SymPy function that a user named; it differentiates, prints and evaluates by its body."""

    row: Function

    def __reduce_ex__(self, protocol: object) -> Any:
        return _named, (self.row(*_operands(self.row)), self.args)

    def definition(self) -> Any:
        """Return the body of the function in these arguments."""
        attr = self.row.attr
        return scalar_graph(worked_out(attr), dict(zip(parameters(attr), self.args)))

    def doit(self, **hints: Any) -> Any:
        """Return the function of evaluated arguments; a derivative gives its formula."""
        args = [a.doit(**hints) for a in self.args] if hints.get("deep", True) else self.args
        new = self.func(*args)
        return new.definition() if self.row.attr[4] else new

    def _eval_expand_func(self, **_: Any) -> Any:
        return self.definition()

    def _eval_rewrite(self, rule: Any, args: Sequence[Any], **_: Any) -> Any:
        return self.func(*args).definition().rewrite(rule)

    def _ask(self, fact: str) -> Any:
        return True if fact == "extended_real" and all(a.is_real for a in self.args) else None


def _named(node: Node, args: Sequence[Any]) -> Any:
    return scalar(NAMED, args, node.attr)


@lru_cache(maxsize=1024)
def named_class(attr: tuple[Any, ...]) -> type[SymgradFunction]:
    """Return the SymPy class of a function that a user named: one class for one body."""
    row = named_row(attr)
    values = Values(row.name, row.params, row, row.analytic)
    made: type[SymgradFunction] = FunctionClass(row.name, (NamedFunction,), {
        "row": row, "values": values, "nargs": len(row.params), "_imp_": staticmethod(values), "__module__": __name__})
    return made


def _make_class(row: Row) -> type[SymgradFunction]:
    analytic = not isinstance(row, Function) or row.analytic
    optional = sum(d is None for d in row.defaults)
    values = Values(row.name, row.params, row, analytic, optional)
    most = len(row.params) + (len(row.orders) if isinstance(row, Function) else 0)
    counts = tuple(range(most - optional, most + 1))
    made: type[SymgradFunction] = FunctionClass(row.name, (SymgradFunction,), {
        "row": row, "values": values, "nargs": counts,
        "_imp_": staticmethod(_with_orders(row) if isinstance(row, Function) and row.orders else values),
        "__module__": __name__})
    return made


def _with_orders(row: Function) -> Callable[..., Any]:
    """Return the values of a row as a function that takes the orders first."""
    count = len(row.orders)

    def values(*args: Any) -> Any:
        return Values(row.name, row.params, row.at(*map(int, args[:count])), row.analytic)(*args[count:])

    return values


def _make_function(row: Row) -> Callable[..., Any]:
    def function(*args: Any, **named: Any) -> Any:
        return apply_row(row, args, named)

    function.__name__ = function.__qualname__ = row.name
    function.__module__ = __name__
    return function


_TABLE: tuple[Row, ...] = (*FUNCTIONS, *LOSSES)
_OWN = [r for r in _TABLE if not isinstance(r, Function)
        or (r.sympy is None and r not in ARITHMETIC and r.name not in RELATIONS and r.name != "where")]
CLASSES: dict[str, type[SymgradFunction]] = {row.name: _make_class(row) for row in _OWN}

# name or alias -> what users call; arithmetic and comparisons are operators
PUBLIC: dict[str, Callable[..., Any]] = {}
for _row in _TABLE:
    if _row.name in OPERATORS or _row.name in RELATIONS:
        continue
    PUBLIC[_row.name] = CLASSES.get(_row.name) or _make_function(_row)
    PUBLIC[_row.name].__doc__ = _doc(_row)
    PUBLIC.update(dict.fromkeys(getattr(_row, "aliases", ()), PUBLIC[_row.name]))
NAMES = tuple(name for name, made in PUBLIC.items() if made.__name__ == name)  # without the aliases


def __getattr__(name: str) -> Any:
    """Return a function made from a row: `from symgrad.language.functions import sigmoid`."""
    if name in PUBLIC:
        return PUBLIC[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


