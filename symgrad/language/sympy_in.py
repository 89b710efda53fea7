"""SymPy to nodes: `lower`, iterative and memoised by object identity, so that a shared expression costs its size once.

Names are only ever dictionary keys. SymPy's own order of terms is turned into the order a person would write.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import sympy as sp
from sympy.concrete.expr_with_limits import ExprWithLimits
from sympy.matrices.expressions.applyfunc import ElementwiseApplyFunction

from symgrad.engine.derivation import Call
from symgrad.errors import InputError, LimitExceeded, NoRule, ShapeError
from symgrad.graph import node as nodes
from symgrad.graph.node import NAMED, Node, apply, const, einsum, make, matmul, topological, var
from symgrad.language.composite import Composite
from symgrad.language.entry_sum import EntrySum
from symgrad.language.functions import (
    RELATIONS,
    ROWS,
    Elementwise,
    NamedFunction,
    SymgradFunction,
    operand,
    plain_number,
    refuse_conditions,
)
from symgrad.language.sympy_matrices import ENTER
from symgrad.language.terms import Term, is_broadcast, power_of, product_of, term_order, times
from symgrad.rules.arrays import ARRAY_FUNCTIONS
from symgrad.rules.elementwise import BY_NAME, FUNCTIONS, pi
from symgrad.rules.linalg import INV
from symgrad.rules.row import Function
from symgrad.shapes import Shape, as_dim, show

MAX_POWER = 64  # of a matrix, which is written out as a product

Build: TypeAlias = Callable[[Sequence[Node]], Node]
SYMPY_ARRAYS = {row.sympy: row for row in ARRAY_FUNCTIONS if row.sympy is not None}
# functions that SymPy has by name and the table spells by others
SPELT: dict[str, Callable[..., Node]] = {
    "sec": lambda x: 1 / apply("cos", x), "csc": lambda x: 1 / apply("sin", x), "cot": lambda x: 1 / apply("tan", x),
    "sech": lambda x: 1 / apply("cosh", x), "csch": lambda x: 1 / apply("sinh", x),
    "coth": lambda x: 1 / apply("tanh", x), "asec": lambda x: apply("arccos", 1 / x),
    "acsc": lambda x: apply("arcsin", 1 / x), "acot": lambda x: apply("arctan", 1 / x),
    "asech": lambda x: apply("arccosh", 1 / x), "acsch": lambda x: apply("arcsinh", 1 / x),
    "acoth": lambda x: apply("arctanh", 1 / x), "factorial": lambda x: apply("gamma", x + 1),
    "beta": lambda a, b: apply("gamma", a) * apply("gamma", b) / apply("gamma", a + b),
}
_COMPARE = {kind: name for name, kind in RELATIONS.items()}
_FUNCTIONS: dict[str, str] = {f.sympy: f.name for f in FUNCTIONS if f.sympy is not None and f.sympy != "sqrt"} | {
    name: f.name for f in FUNCTIONS for name in f.reads}


def _led() -> dict[tuple[str, tuple[int, ...]], str]:
    """(SymPy's class, whole numbers in front) -> row, where SymPy writes a function as one of an order."""
    out = {}
    for row in FUNCTIONS:
        if row.sympy is not None and not row.orders:
            symbols = [sp.Dummy(p) for p in row.params]
            made = getattr(sp, row.sympy)(*symbols)
            lead = len(made.args) - len(symbols)
            if lead > 0 and list(made.args[lead:]) == symbols and all(a.is_Integer for a in made.args[:lead]):
                out[type(made).__name__, tuple(int(a) for a in made.args[:lead])] = row.name
    return out


_LED = _led()


@dataclass
class Context:
    """What names mean while SymPy is read, and what was learnt from it."""

    bindings: Mapping[str, Node] = field(default_factory=dict)  # names of earlier equations
    origin: MutableMapping[str, Any] = field(default_factory=dict)  # the user's own symbols
    variables: MutableMapping[str, Node] = field(default_factory=dict)
    sizes: set[str] = field(default_factory=set)  # names that are sizes
    calls: MutableMapping[Node, Call] = field(default_factory=dict)  # composites as they were written


def lower(expr: Any, context: Context | None = None, *, condition: bool = False) -> Node:
    """Return the node of a SymPy expression or a number; with `condition` a comparison counts as 0 or 1.

    Raises: NoRule for a class or function without a rule, and for a comparison or another thing that is true or false
        where a number belongs; InputError for text and for two symbols of one name.

    >>> import sympy as sp
    >>> lower(sp.exp(-sp.Symbol("z")))
    <Node exp ()>
    """
    given = operand(expr, "symgrad")
    if not condition:
        refuse_conditions([given])
    return _Reader(context if context is not None else Context()).read(given)


class _Reader:
    def __init__(self, context: Context, bound: Mapping[sp.Symbol, Node] = {}) -> None:
        self.context = context
        self.bound: dict[Any, Node] = dict(bound)  # arguments of a Lambda
        self.memo: dict[int, Node] = {}
        self.keep: list[Any] = []  # objects whose id is in the memo stay alive
        self.builds: dict[int, tuple[Sequence[Any], Build]] = {}

    def read(self, root: Any) -> Node:
        order: list[Any] = []
        work: list[tuple[Any, bool]] = [(root, False)]
        while work:
            obj, below_done = work.pop()
            if below_done:
                order.append(obj)
            elif id(obj) not in self.builds:
                self.keep.append(obj)
                below, build = self.enter(obj)
                refuse_conditions(_numbers(obj, below))
                self.builds[id(obj)] = (below, build)
                work.append((obj, True))
                work.extend((b, False) for b in reversed(below))
        for obj in order:  # sizes are known by now, wherever they stand
            below, build = self.builds[id(obj)]
            self.memo[id(obj)] = build([self.memo[id(b)] for b in below])
        return self.memo[id(root)]

    # --- one object: its operands, and its node of theirs -------------------------------------------------------------

    def enter(self, obj: Any) -> tuple[Sequence[Any], Build]:
        for kind in type(obj).__mro__:
            if kind in _ENTER:
                return _ENTER[kind](self, obj)
        if isinstance(obj, sp.Sum):
            raise NoRule("no rule for SymPy's Sum, which [0, 0] of a matrix product makes too. Write Trace of the "
                         "product, or symgrad.sum of a matrix")
        if isinstance(obj, (ExprWithLimits, sp.Derivative, sp.Limit, sp.Subs)):
            raise NoRule(f"no rule for SymPy's {type(obj).__name__}, which stands for a value that is not worked out. "
                         f"Give that value, as .doit() returns it where SymPy can")
        raise NoRule(f"no rule for SymPy's {type(obj).__name__}. Write it with the functions of symgrad, or with sums, "
                     f"products, powers, transposes and elementwise functions")

    def symbol(self, obj: sp.Symbol) -> tuple[Sequence[Any], Build]:
        return (), lambda _: self.scalar(obj)

    def scalar(self, obj: sp.Symbol) -> Node:
        name = obj.name
        if obj in self.bound:
            found: Node = self.bound[obj]
            return found
        if name in self.context.sizes and name not in self.context.bindings:
            if name in self.context.variables:
                raise _size_and_variable(name)
            self.context.origin.setdefault(name, obj)
            return nodes.size(as_dim(name))
        if obj.is_real is False or obj.is_commutative is False:
            raise InputError(f"the symbol {name!r} is declared not real; symgrad works with real numbers")
        return self.named(obj, name, ())

    def named(self, obj: Any, name: str, shape: Shape) -> Node:
        """Return the node of a symbol: an earlier equation's, or a variable."""
        known = self.context.origin.setdefault(name, obj)
        if known is not obj and known != obj:
            raise InputError(f"two different SymPy symbols are called {name!r} ({_kind(known)} and {_kind(obj)}). "
                             f"Use one of them throughout, or give one another name")
        found = self.context.bindings.get(name)
        if found is None:
            found = self.context.variables.setdefault(name, var(name, shape))
        if found.shape != shape:
            raise ShapeError(f"{name!r} has shape {show(found.shape)} and also {show(shape)}. One name is one thing")
        return found

    def matrix_symbol(self, obj: Any) -> tuple[Sequence[Any], Build]:
        shape = self.shape(obj)
        return (), lambda _: self.named(obj, str(obj.name), shape)

    def shape(self, obj: Any) -> Shape:
        """Return the shape of a SymPy matrix, noting the names of its sizes."""
        out = []
        for d in obj.shape:
            dim = as_dim(d)
            out.append(dim)
            if isinstance(d, sp.Symbol) and isinstance(dim, sp.Symbol):
                self.note_size(d)
            elif isinstance(dim, sp.Expr):
                for s in d.free_symbols:
                    self.note_size(s)
        return tuple(out)

    def note_size(self, symbol: sp.Symbol) -> None:
        name = symbol.name
        if name in self.context.variables or name in self.context.bindings:
            raise _size_and_variable(name)
        self.context.sizes.add(name)
        self.context.origin.setdefault(name, symbol)

    def number(self, obj: Any) -> tuple[Sequence[Any], Build]:
        if isinstance(obj, (sp.Rational, sp.Float)):
            value = plain_number(obj)
            return (), lambda _: const(value)
        if obj in (sp.oo, -sp.oo):
            value = float("inf") if obj is sp.oo else float("-inf")
            return (), lambda _: const(value)
        if obj is sp.pi:
            return (), lambda _: pi()
        if obj is not sp.E:
            raise NoRule(f"no rule for the number {obj}; symgrad works with real numbers, pi and E")
        return (), lambda _: apply("exp", const(1))

    # --- sums ---------------------------------------------------------------------------------------------------------

    def add(self, obj: Any) -> tuple[Sequence[Any], Build]:
        terms = [Term(t) for t in obj.args]
        slots = [len(t.below) for t in terms]
        order = term_order(obj.args) if isinstance(obj, sp.Add) else range(len(terms))

        def build(args: Sequence[Node]) -> Node:
            built, start = [], 0
            for term, count in zip(terms, slots):
                built.append(product_of(term, args[start:start + count]))
                start += count
            plus = [built[k] for k in order if not terms[k].negative]
            minus = [built[k] for k in order if terms[k].negative]
            if isinstance(obj, sp.MatAdd):
                plus, minus = sorted(plus, key=is_broadcast), sorted(minus, key=is_broadcast)
            total = plus[0] if plus else minus[0]
            for x in plus[1:] or (minus[1:] if not plus else ()):
                total = total + x
            if not plus:
                return -total  # SymPy distributes a minus over a sum; a person writes it once
            for x in minus:
                total = total - x
            return total

        return [b for t in terms for b in t.below], build

    # --- products -----------------------------------------------------------------------------------------------------

    def mul(self, obj: Any) -> tuple[Sequence[Any], Build]:
        term = Term(obj)

        def build(args: Sequence[Node]) -> Node:
            node = product_of(term, args)
            if not term.negative:
                return node
            if node.op == "mul" and node.args[0].op == "const" and term.number not in (-1, 1):
                return apply("mul", -node.args[0].value, node.args[1])  # -2*x is (-2)*x, as Python reads it
            return -node

        return term.below, build

    def hadamard(self, obj: Any) -> tuple[Sequence[Any], Build]:
        bases: list[Any] = []
        powers: list[Any] = []
        for factor in obj.args:
            e = factor.exp if isinstance(factor, sp.HadamardPower) else sp.Integer(1)
            inverse = isinstance(factor, sp.HadamardPower) and e.is_Number and e.is_negative
            bases.append(factor.base if inverse else factor)
            powers.append(-plain_number(e) if inverse else None)

        def build(args: Sequence[Node]) -> Node:
            top = [a for a, p in zip(args, powers) if p is None]
            bottom = [power_of(a, p) for a, p in zip(args, powers) if p is not None]
            above = times(top) if top else const(1, args[0].shape)
            return above / times(bottom) if bottom else above

        return bases, build

    def power(self, obj: Any) -> tuple[Sequence[Any], Build]:
        base, e = obj.base, obj.exp
        if not isinstance(e, (sp.Rational, sp.Float)):
            return (base, e), lambda a: a[0] ** a[1]
        value = plain_number(e)
        if value < 0:
            return (base,), lambda a: 1 / power_of(a[0], -value)
        return (base,), lambda a: power_of(a[0], value)

    def array(self, obj: Any) -> tuple[Sequence[Any], Build]:
        """A function of a whole matrix that SymPy has too: Inverse, Determinant."""
        row = SYMPY_ARRAYS[type(obj).__name__]
        return (obj.arg,), lambda args: row(*args)

    def matrix_power(self, obj: Any) -> tuple[Sequence[Any], Build]:
        e = obj.exp
        if not e.is_Integer:
            raise NoRule(f"no rule for a matrix to the power {e if e.is_Atom else 'given'}; only integers")
        if abs(e) > MAX_POWER:
            raise LimitExceeded(f"a matrix to the power {e} is beyond the limit of {MAX_POWER} factors")
        shape = self.shape(obj.base)

        def build(args: Sequence[Node]) -> Node:
            base = INV(args[0]) if e < 0 else args[0]
            out = base if e != 0 else nodes.identity(shape[0])
            for _ in range(abs(int(e)) - 1):
                out = matmul(out, base)
            return out

        return (obj.base,), build

    # --- functions ----------------------------------------------------------------------------------------------------

    def own(self, obj: SymgradFunction) -> tuple[Sequence[Any], Build]:
        row = obj.row
        if isinstance(obj, NamedFunction):
            return obj.args, lambda args: obj.row(*args)
        if obj.lead:
            orders = tuple(int(a) for a in obj.args[:obj.lead])
            return obj.args[obj.lead:], lambda args: self.row(row.name, args, orders)
        count = len(row.params)
        attr = tuple(plain_number(a) for a in obj.args[count:])
        return obj.args[:count], lambda args: self.row(row.name, args, attr)

    def elementwise(self, obj: Elementwise) -> tuple[Sequence[Any], Build]:
        row = obj.row
        if isinstance(row, Function) and row.op == NAMED:
            return obj.operands, lambda args: row(*args)
        if obj.name not in ROWS:
            raise NoRule(f"no rule for the elementwise function {obj.name!r}")
        return obj.operands, lambda args: self.row(obj.name, args, obj.attr)

    def row(self, name: str, args: Sequence[Node], attr: tuple[Any, ...] = ()) -> Node:
        row = ROWS[name]
        if not isinstance(row, Composite):
            return apply(name, *args, attr=attr or row.attr)
        node: Node = row(*args)
        self.context.calls[node] = row.call(args)
        return node

    def function(self, obj: Any) -> tuple[Sequence[Any], Build]:
        name = type(obj).__name__
        if isinstance(obj, sp.core.function.AppliedUndef) or name not in _FUNCTIONS \
                or getattr(sp, name, None) is not type(obj):
            spelt = SPELT.get(name) if getattr(sp, name, None) is type(obj) else None
            if spelt is not None:
                return obj.args, lambda args: spelt(*args)
            raise NoRule(f"no rule for the function {name!r}. A function without a formula has no derivative to print; "
                         f"write what it stands for")
        row = ROWS[_FUNCTIONS[name]]
        if isinstance(row, Function) and row.orders:
            count = len(row.orders)
            orders = obj.args[:count]
            if not all(a.is_Integer and a >= 0 for a in orders):
                raise NoRule(f"{row.name} needs whole numbers for {', '.join(row.orders)}, not "
                             f"{', '.join(map(str, orders))}")
            led = _LED.get((name, tuple(map(int, orders))))
            attr = () if led else tuple(map(int, orders))
            return obj.args[count:], lambda args: self.row(led or row.name, args, attr)
        if len(obj.args) > 1 and isinstance(obj, sp.core.operations.LatticeOp):  # Max and Min of several
            ordered = sorted(obj.args, key=lambda a: bool(a.is_Number))

            def build(args: Sequence[Node]) -> Node:
                out = args[0]
                for a in args[1:]:
                    out = apply(row.name, out, a)
                return out

            return ordered, build
        return obj.args, lambda args: self.row(row.name, args)

    def sinc(self, obj: Any) -> tuple[Sequence[Any], Build]:
        """SymPy's sinc(u) is sin(u)/u; NumPy's, which is meant here, has pi*x for u."""
        x = obj.args[0] / sp.pi
        return (x,), lambda args: self.row("sinc", args)

    def heaviside(self, obj: Any) -> tuple[Sequence[Any], Build]:
        at = obj.args[1]
        if not isinstance(at, (sp.Rational, sp.Float)):
            raise NoRule("Heaviside needs a number as its value at 0")
        row = BY_NAME["step"].jumping(plain_number(at))
        return obj.args[:1], lambda args: row(*args)

    def relation(self, obj: Any) -> tuple[Sequence[Any], Build]:
        name = _COMPARE[type(obj)]
        return (obj.lhs, obj.rhs), lambda args: apply(name, *args)

    def applied(self, obj: Any) -> tuple[Sequence[Any], Build]:
        """A Lambda applied to every entry: its body is read as a scalar, and applied to the matrix."""
        bound = obj.function.variables[0]
        hole = make("var", (), (f"{bound.name}_{len(self.bound)}", "bound"), ())
        body = _Reader(self.context, {**self.bound, bound: hole}).read(obj.function.expr)

        def build(args: Sequence[Node]) -> Node:
            done = {hole: args[0]}
            for n in topological([body], lambda n: () if n in done else n.args):
                if n not in done:
                    below = [done[a] for a in n.args]
                    done[n] = apply(n.op, *below, attr=n.attr) if n.is_elementwise else n
            return nodes.broadcast_to(done[body], args[0].shape)

        return (obj.expr,), build

    # --- matrices -----------------------------------------------------------------------------------------------------

    def constant(self, obj: Any) -> tuple[Sequence[Any], Build]:
        shape, value = self.shape(obj), int(isinstance(obj, sp.OneMatrix))
        return (), lambda _: const(value, shape)

    def identity(self, obj: Any) -> tuple[Sequence[Any], Build]:
        shape = self.shape(obj)
        return (), lambda _: nodes.identity(shape[0])


def _numbers(obj: Any, below: Sequence[Any]) -> Sequence[Any]:
    """Return the operands that have to be numbers: conditions stand in tests and in And, Or, Not."""
    if isinstance(obj, sp.Piecewise):
        return [value for value, _ in obj.args]
    if isinstance(obj, Elementwise) and obj.name == "where":
        return below[1:]
    return () if isinstance(obj, (sp.And, sp.Or, sp.Not)) else below


def _own_class(enter: Callable[[Any], tuple[Sequence[Any], Build]]) -> Callable[
        [_Reader, Any], tuple[Sequence[Any], Build]]:
    """Return the reader of a class; the names of its sizes are noted."""
    def read(reader: _Reader, obj: Any) -> tuple[Sequence[Any], Build]:
        if getattr(obj, "is_Matrix", False):
            reader.shape(obj)
        return enter(obj)

    return read


def _enter_table() -> dict[type, Callable[[_Reader, Any], tuple[Sequence[Any], Build]]]:
    return {
        sp.Symbol: _Reader.symbol, sp.Number: _Reader.number, sp.NumberSymbol: _Reader.number,
        sp.core.numbers.ImaginaryUnit: _Reader.number, sp.core.numbers.ComplexInfinity: _Reader.number,
        sp.Add: _Reader.add, sp.MatAdd: _Reader.add, sp.Mul: _Reader.mul, sp.MatMul: _Reader.mul,
        sp.HadamardProduct: _Reader.hadamard, sp.Pow: _Reader.power, sp.HadamardPower: _Reader.power,
        **{getattr(sp, name): _Reader.array for name in SYMPY_ARRAYS},
        sp.MatPow: _Reader.matrix_power, SymgradFunction: _Reader.own, Elementwise: _Reader.elementwise,
        sp.Function: _Reader.function, sp.Max: _Reader.function, sp.Min: _Reader.function,
        sp.Heaviside: _Reader.heaviside, sp.sinc: _Reader.sinc,
        **dict.fromkeys(_COMPARE, _Reader.relation),
        ElementwiseApplyFunction: _Reader.applied,
        sp.MatrixSymbol: _Reader.matrix_symbol,
        **{kind: _own_class(enter) for kind, enter in ENTER.items()},
        sp.Transpose: lambda _, obj: ((obj.arg,), lambda a: nodes.transpose(a[0])),
        sp.Trace: lambda _, obj: ((obj.arg,), lambda a: einsum(["ii"], a, "")),
        EntrySum: lambda _, obj: ((obj.matrix,), lambda a: nodes.reduce_sum(a[0])),
        sp.OneMatrix: _Reader.constant, sp.ZeroMatrix: _Reader.constant, sp.Identity: _Reader.identity,
    }


_ENTER = _enter_table()


def _kind(obj: Any) -> str:
    if obj.is_Matrix:
        return f"a matrix {obj.shape[0]} x {obj.shape[1]}"
    facts = [k for k in ("integer", "positive", "real") if getattr(obj, f"is_{k}")]
    return f"a {' '.join(facts)} symbol" if facts else "a symbol without assumptions"


def _size_and_variable(name: str) -> InputError:
    return InputError(f"{name!r} is a size of a matrix and also a variable. Give one of them another name; where both "
                      f"mean the size, mention the matrix in the same expression or an earlier equation")
