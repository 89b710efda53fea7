"""SymPy to nodes: `lower`, iterative and memoised by object identity, so that a shared expression costs its size once.

Names are only ever dictionary keys. SymPy's own order of terms is turned into the order a person would write.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, TypeAlias

import sympy as sp
from sympy.logic.boolalg import BooleanTrue
from sympy.matrices.expressions.applyfunc import ElementwiseApplyFunction
from sympy.matrices.expressions.matexpr import MatrixElement

from symgrad.engine.derivation import Call
from symgrad.errors import InputError, LimitExceeded, NoRule, ShapeError
from symgrad.graph import node as nodes
from symgrad.graph.node import Node, apply, const, einsum, make, matmul, topological, var
from symgrad.language.entry_sum import EntrySum
from symgrad.language.functions import RELATIONS, ROWS, Elementwise, SymgradFunction, operand, plain_number
from symgrad.language.losses import Composite
from symgrad.rules.elementwise import FUNCTIONS, pi
from symgrad.shapes import Dim, Shape, as_dim, show

MAX_POWER = 64  # of a matrix, which is written out as a product

Build: TypeAlias = Callable[[Sequence[Node]], Node]
_COMPARE = {kind: name for name, kind in RELATIONS.items()}
_FUNCTIONS: dict[str, str] = {f.sympy: f.name for f in FUNCTIONS if f.sympy is not None and f.sympy != "sqrt"}


@dataclass
class Context:
    """What names mean while SymPy is read, and what was learnt from it."""

    bindings: Mapping[str, Node] = field(default_factory=dict)  # names of earlier equations
    origin: MutableMapping[str, Any] = field(default_factory=dict)  # the user's own symbols
    variables: MutableMapping[str, Node] = field(default_factory=dict)
    sizes: set[str] = field(default_factory=set)  # names that are sizes
    calls: MutableMapping[Node, Call] = field(default_factory=dict)  # composites as they were written


def lower(expr: Any, context: Context | None = None) -> Node:
    """Return the node of a SymPy expression or a number.

    Raises: NoRule for a class or function without a rule, InputError for text and for two symbols of one name.

    >>> import sympy as sp
    >>> lower(sp.exp(-sp.Symbol("z")))
    <Node exp ()>
    """
    return _Reader(context if context is not None else Context()).read(operand(expr, "symgrad"))


class _Reader:
    def __init__(self, context: Context, bound: Mapping[sp.Symbol, Node] = {}) -> None:
        self.context = context
        self.bound = dict(bound)  # arguments of a Lambda
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
                self.builds[id(obj)] = (below, build)
                work.append((obj, True))
                work.extend((b, False) for b in reversed(below))
        for obj in order:  # sizes are known by now, wherever they stand
            below, build = self.builds[id(obj)]
            self.memo[id(obj)] = build([self.memo[id(b)] for b in below])
        return self.memo[id(root)]

    # --- one object: its operands, and its node of theirs ---------------------------------------------------------------

    def enter(self, obj: Any) -> tuple[Sequence[Any], Build]:
        for kind in type(obj).__mro__:
            if kind in _ENTER:
                return _ENTER[kind](self, obj)
        if isinstance(obj, sp.Sum):
            raise NoRule("no rule for SymPy's Sum, which [0, 0] of a matrix product makes too. Write Trace of the product, "
                         "or symgrad.sum of a matrix")
        raise NoRule(f"no rule for SymPy's {type(obj).__name__}. Write it with the functions of symgrad, or with sums, "
                     f"products, powers, transposes and elementwise functions")

    def symbol(self, obj: sp.Symbol) -> tuple[Sequence[Any], Build]:
        return (), lambda _: self.scalar(obj)

    def scalar(self, obj: sp.Symbol) -> Node:
        name = obj.name
        if obj in self.bound:
            return self.bound[obj]
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
        special = {sp.pi: pi, sp.E: lambda: apply("exp", const(1))}.get(obj)
        if special is None:
            raise NoRule(f"no rule for the number {obj}; symgrad works with real numbers, pi and E")
        return (), lambda _: special()

    # --- sums -----------------------------------------------------------------------------------------------------------

    def add(self, obj: Any) -> tuple[Sequence[Any], Build]:
        terms = [_Product(t) for t in obj.args]
        slots = [len(t.below) for t in terms]
        order = _term_order(obj.args) if isinstance(obj, sp.Add) else range(len(terms))

        def build(args: Sequence[Node]) -> Node:
            built, start = [], 0
            for term, count in zip(terms, slots):
                built.append(self.product(term, args[start:start + count]))
                start += count
            plus = [built[k] for k in order if not terms[k].negative]
            minus = [built[k] for k in order if terms[k].negative]
            if isinstance(obj, sp.MatAdd):
                plus, minus = sorted(plus, key=_is_broadcast), sorted(minus, key=_is_broadcast)
            total = plus[0] if plus else minus[0]
            for x in plus[1:] or (minus[1:] if not plus else ()):
                total = total + x
            if not plus:
                return -total  # SymPy distributes a minus over a sum; a person writes it once
            for x in minus:
                total = total - x
            return total

        return [b for t in terms for b in t.below], build

    # --- products -------------------------------------------------------------------------------------------------------

    def mul(self, obj: Any) -> tuple[Sequence[Any], Build]:
        term = _Product(obj)

        def build(args: Sequence[Node]) -> Node:
            node = self.product(term, args)
            if not term.negative:
                return node
            if node.op == "mul" and node.args[0].op == "const" and term.number not in (-1, 1):
                return -node.args[0].value * node.args[1]  # -2*x is (-2)*x, as Python reads it
            return -node

        return term.below, build

    def product(self, term: _Product, args: Sequence[Node]) -> Node:
        """Return the node of a product without its sign."""
        if term.whole:
            return args[0] if term.is_plain else abs_const(args[0])
        given = dict(zip(map(id, term.below), args))
        top = [_power(given[id(base)], e) for base, e in term.top]
        bottom = [_power(given[id(base)], e) for base, e in term.bottom]
        size = abs(term.number)
        if isinstance(size, Fraction) or isinstance(size, int):
            p, q = Fraction(size).numerator, Fraction(size).denominator
            top = [const(p), *top] if p != 1 else top
            bottom = [const(q), *bottom] if q != 1 else bottom
        elif size != 1:
            top = [const(size), *top]
        over = _under_one_bar(bottom)
        if not term.matrices:
            above = _times(top) if top else const(1)
            return above / over if over is not None else above
        body, spread = self.chain(term.matrices, given)
        if spread is not None:  # a broadcast: the scalars stand inside, as in W @ X + 2*b
            inner, build = spread
            scaled = _times(top) if top else None
            inside = inner if scaled is None else scaled if inner.op == "const" else scaled * inner
            return build(inside / over if over is not None else inside)
        out = _times(top) * body if top else body
        return out / over if over is not None else out

    def chain(self, matrices: Sequence[Any], given: Mapping[int, Node]) -> tuple[Node, Any]:
        """Return a matrix product whose factors of ones are sums and broadcasts.

        The second value is (inner, build) where the ones only widen `inner`.
        """
        pieces: list[Node | Shape] = []  # nodes, and shapes of ones between them
        repeats: list[Dim] = []
        for m in matrices:
            ones = self.shape(m) if isinstance(m, sp.OneMatrix) else None
            if ones is None:
                x = given[id(m)]
                last = pieces[-1] if pieces else None
                if isinstance(last, Node):
                    pieces[-1] = matmul(last, x)
                else:
                    pieces.append(x)
            elif pieces and not isinstance(pieces[-1], Node):
                repeats.append(ones[0])
                pieces[-1] = (pieces[-1][0], ones[1])
            else:
                pieces.append(ones)
        body, spread = _join(pieces)
        for r in repeats:
            repeat = nodes.size(r)
            body, spread = (make(repeat.op, (), repeat.attr, body.shape) if body.op == "const" else body * repeat), None
        return body, spread

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
            bottom = [_power(a, p) for a, p in zip(args, powers) if p is not None]
            above = _times(top) if top else const(1, args[0].shape)
            return above / _times(bottom) if bottom else above

        return bases, build

    def power(self, obj: Any) -> tuple[Sequence[Any], Build]:
        base, e = obj.base, obj.exp
        if not isinstance(e, (sp.Rational, sp.Float)):
            return (base, e), lambda a: a[0] ** a[1]
        value = plain_number(e)
        if value < 0:
            return (base,), lambda a: 1 / _power(a[0], -value)
        return (base,), lambda a: _power(a[0], value)

    def matrix_power(self, obj: Any) -> tuple[Sequence[Any], Build]:
        e = obj.exp
        if not e.is_Integer or e < 0:
            raise NoRule(f"no rule for a matrix to the power {e if e.is_Atom else 'given'}; only non-negative integers. "
                         f"The inverse has no rule yet")
        if e > MAX_POWER:
            raise LimitExceeded(f"a matrix to the power {e} is beyond the limit of {MAX_POWER} factors")
        shape = self.shape(obj.base)

        def build(args: Sequence[Node]) -> Node:
            out = args[0] if e > 0 else nodes.identity(shape[0])
            for _ in range(int(e) - 1):
                out = matmul(out, args[0])
            return out

        return (obj.base,), build

    # --- functions ------------------------------------------------------------------------------------------------------

    def own(self, obj: SymgradFunction) -> tuple[Sequence[Any], Build]:
        row = obj.row
        count = len(row.params)
        attr = tuple(plain_number(a) for a in obj.args[count:])
        return obj.args[:count], lambda args: self.row(row.name, args, attr)

    def elementwise(self, obj: Elementwise) -> tuple[Sequence[Any], Build]:
        if obj.name not in ROWS:
            raise NoRule(f"no rule for the elementwise function {obj.name!r}")
        return obj.operands, lambda args: self.row(obj.name, args, obj.attr)

    def row(self, name: str, args: Sequence[Node], attr: tuple[Any, ...] = ()) -> Node:
        row = ROWS[name]
        if not isinstance(row, Composite):
            return apply(name, *args, attr=attr or row.attr)
        node = row.graph(*args)
        self.context.calls[node] = Call(name, tuple(args))
        return node

    def function(self, obj: Any) -> tuple[Sequence[Any], Build]:
        name = type(obj).__name__
        if isinstance(obj, sp.core.function.AppliedUndef) or name not in _FUNCTIONS \
                or getattr(sp, name, None) is not type(obj):
            raise NoRule(f"no rule for the function {name!r}. A function without a formula has no derivative to print; "
                         f"write what it stands for")
        row = ROWS[_FUNCTIONS[name]]
        if len(obj.args) > 1 and len(row.params) == 2:  # Max and Min of several
            ordered = sorted(obj.args, key=lambda a: bool(a.is_Number))

            def build(args: Sequence[Node]) -> Node:
                out = args[0]
                for a in args[1:]:
                    out = apply(row.name, out, a)
                return out

            return ordered, build
        return obj.args, lambda args: self.row(row.name, args)

    def heaviside(self, obj: Any) -> tuple[Sequence[Any], Build]:
        at = obj.args[1]
        if not isinstance(at, (sp.Rational, sp.Float)):
            raise NoRule("Heaviside needs a number as its value at 0")
        value = plain_number(at)
        return obj.args[:1], lambda args: apply("step", *args, attr=(value,))

    def piecewise(self, obj: Any) -> tuple[Sequence[Any], Build]:
        if len(obj.args) != 2 or not isinstance(obj.args[1][1], BooleanTrue):
            raise NoRule(f"Piecewise with {len(obj.args)} branches has no rule; two branches do, the second with the "
                         f"condition True. Nest them, or use symgrad.where")
        (a, test), (b, _) = obj.args
        if a == 1 and b == 0:
            return (test,), lambda args: args[0]
        return (test, a, b), lambda args: apply("where", *args)

    def relation(self, obj: Any) -> tuple[Sequence[Any], Build]:
        name = _COMPARE[type(obj)]
        return (obj.lhs, obj.rhs), lambda args: apply(name, *args)

    def applied(self, obj: Any) -> tuple[Sequence[Any], Build]:
        """A Lambda applied to every entry: its body is read once, as a scalar, and its functions applied to the matrix."""
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

    # --- matrices -------------------------------------------------------------------------------------------------------

    def constant(self, value: int) -> Callable[[Any], tuple[Sequence[Any], Build]]:
        return lambda obj: ((), lambda _, shape=self.shape(obj): const(value, shape))  # type: ignore[misc]  # a default

    def identity(self, obj: Any) -> tuple[Sequence[Any], Build]:
        shape = self.shape(obj)
        return (), lambda _: nodes.identity(shape[0])

    def explicit(self, obj: Any) -> tuple[Sequence[Any], Build]:
        if obj.shape == (1, 1):
            return (obj[0, 0],), lambda args: nodes.broadcast_to(args[0], (1, 1))
        raise NoRule(f"an explicit matrix of shape {obj.shape} is not read entry by entry. Declare a MatrixSymbol of that "
                     f"shape and give its numbers when the result is evaluated")

    def element(self, obj: Any) -> tuple[Sequence[Any], Build]:
        if obj.parent.shape != (1, 1):
            raise NoRule(f"no rule for one entry of a matrix of shape {show(self.shape(obj.parent))}; [0, 0] of a matrix "
                         f"of one entry is read. Pick entries with a product by a 0/1 vector")
        return (obj.parent,), lambda args: nodes.reduce_sum(args[0])


def _enter_table() -> dict[type, Callable[[_Reader, Any], tuple[Sequence[Any], Build]]]:
    return {
        sp.Symbol: _Reader.symbol, sp.Number: _Reader.number, sp.NumberSymbol: _Reader.number,
        sp.core.numbers.ImaginaryUnit: _Reader.number, sp.core.numbers.ComplexInfinity: _Reader.number,
        sp.Add: _Reader.add, sp.MatAdd: _Reader.add, sp.Mul: _Reader.mul, sp.MatMul: _Reader.mul,
        sp.HadamardProduct: _Reader.hadamard, sp.Pow: _Reader.power, sp.HadamardPower: _Reader.power,
        sp.MatPow: _Reader.matrix_power, SymgradFunction: _Reader.own, Elementwise: _Reader.elementwise,
        sp.Function: _Reader.function, sp.Max: _Reader.function, sp.Min: _Reader.function,
        sp.Heaviside: _Reader.heaviside, sp.Piecewise: _Reader.piecewise,
        **{kind: _Reader.relation for kind in _COMPARE},
        ElementwiseApplyFunction: _Reader.applied,
        sp.MatrixSymbol: _Reader.matrix_symbol, MatrixElement: _Reader.element, sp.MatrixBase: _Reader.explicit,
        sp.Transpose: lambda _, obj: ((obj.arg,), lambda a: nodes.transpose(a[0])),
        sp.Trace: lambda _, obj: ((obj.arg,), lambda a: einsum(["ii"], a, "")),
        EntrySum: lambda _, obj: ((obj.matrix,), lambda a: nodes.reduce_sum(a[0])),
        sp.OneMatrix: lambda reader, obj: reader.constant(1)(obj),
        sp.ZeroMatrix: lambda reader, obj: reader.constant(0)(obj),
        sp.Identity: _Reader.identity,
    }


class _Product:
    """A term taken apart: number, scalar factors above and below the bar, matrices in order."""

    def __init__(self, term: Any) -> None:
        self.number: Any = 1
        self.top: list[tuple[Any, Any]] = []
        self.bottom: list[tuple[Any, Any]] = []
        self.matrices: list[Any] = []
        self.whole = not isinstance(term, (sp.Mul, sp.MatMul))
        self.is_plain = True
        if self.whole:
            self.below: list[Any] = [term]
            self.is_plain = not (isinstance(term, (sp.Rational, sp.Float)) and term < 0)
            self.number = 1 if self.is_plain else -1
            return
        factors = list(term.args)
        if isinstance(term, sp.MatMul):
            factors = [g for f in factors for g in (f.args if isinstance(f, sp.Mul) else (f,))]
        for f in factors:
            if f.is_Matrix:
                self.matrices.append(f)
            elif isinstance(f, (sp.Rational, sp.Float)):
                self.number = self.number * plain_number(f)
            elif isinstance(f, sp.Pow) and isinstance(f.exp, (sp.Rational, sp.Float)) and f.exp < 0:
                self.bottom.append((f.base, -plain_number(f.exp)))
            else:
                self.top.append((f, 1))
        self.below = [b for b, _ in (*self.top, *self.bottom)]
        self.below += [m for m in self.matrices if not isinstance(m, sp.OneMatrix)]
        # ones are shapes, not operands; their sizes are noted when the chain is built, so note them as operands too
        self.below += [m for m in self.matrices if isinstance(m, sp.OneMatrix)]

    @property
    def negative(self) -> bool:
        return bool(self.number < 0)


_ENTER = _enter_table()


def abs_const(x: Node) -> Node:
    """Return a negative constant without its sign."""
    return const(-x.value, x.shape)


def _kind(obj: Any) -> str:
    if obj.is_Matrix:
        return f"a matrix {obj.shape[0]} x {obj.shape[1]}"
    facts = [k for k in ("integer", "positive", "real") if getattr(obj, f"is_{k}")]
    return f"a {' '.join(facts)} symbol" if facts else "a symbol without assumptions"


def _size_and_variable(name: str) -> InputError:
    return InputError(f"{name!r} is a size of a matrix and also a variable. Give one of them another name; where both "
                      f"mean the size, mention the matrix in the same expression or an earlier equation")


def _power(x: Node, e: Any) -> Node:
    if e == 1:
        return x
    if e == Fraction(1, 2) and isinstance(e, Fraction):
        return apply("sqrt", x)
    return x ** e


def _times(factors: Sequence[Node]) -> Node:
    out = factors[0]
    for f in factors[1:]:
        out = out * f
    return out


def _under_one_bar(factors: Sequence[Node]) -> Node | None:
    """Return the denominator; sizes and whole numbers alone are one size, as in the mean over several axes."""
    if not factors:
        return None
    if any(f.op == "size" for f in factors) and \
            all(f.op == "size" or (f.op == "const" and type(f.value) is int) for f in factors):
        dim: Dim = 1
        for f in factors:
            dim = dim * f.value
        return nodes.size(dim)
    return _times(factors)


def _join(pieces: Sequence[Node | Shape]) -> tuple[Node, Any]:
    """Return the product of nodes with ones between and around them, as one einsum."""
    segments = [p for p in pieces if isinstance(p, Node)]
    if len(pieces) == 1:
        only = pieces[0]
        if isinstance(only, Node):
            return only, None
        return const(1, only), (const(1), lambda x: nodes.broadcast_to(x, only))
    ins = [[("row", k), ("column", k)] for k in range(len(segments))]
    sizes: dict[Any, Dim] = {}
    ends: list[Any] = []
    for end, fallback in ((pieces[0], ins[0][0]), (pieces[-1], ins[-1][1])):
        if isinstance(end, Node):
            ends.append(fallback)
        else:
            label = ("new", len(ends))
            sizes[label] = end[len(ends)]
            ends.append(label)
    out = einsum(ins, segments, ends, sizes)
    if len(segments) == 1:
        gone = [d for label, d in zip(ins[0], segments[0].shape) if label not in ends]
        if all(d == 1 for d in gone):
            return out, (segments[0], lambda x: einsum(ins, [x], ends, sizes))
    return out, None


def _is_broadcast(x: Node) -> bool:
    """Say whether a node repeats something smaller, as a bias does; those terms come last."""
    return x.op == "einsum" and len(x.args) == 1 and any(i not in x.attr[0][0] for i in x.attr[1])


def _term_order(terms: Sequence[Any]) -> list[int]:
    """Return the order in which a person writes a sum: w*x + b, x**2 + x + 1, but 1 + exp(-z)."""

    def degree(term: Any) -> int:
        factors = term.args if isinstance(term, sp.Mul) else (term,)
        total = 0
        for f in factors:
            e = f.exp if isinstance(f, sp.Pow) else sp.Integer(1)
            total += 0 if f.is_Number else int(e) if e.is_Integer and 0 < e < 100 else 1
        return total

    degrees = [degree(t) for t in terms]
    functions = any(isinstance(f, sp.Function) for t in terms for f in (t.args if isinstance(t, sp.Mul) else (t,)))
    return sorted(range(len(terms)), key=lambda k: (degrees[k] == 0 and not functions, 0 if functions else -degrees[k]))
