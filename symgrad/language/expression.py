"""Expression: a node in the user's hands, with operators, names and the way to SymPy; `symbol` declares a variable.

Operators broadcast as NumPy's do. A SymPy operand on either side is read into a node.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import sympy as sp

from symgrad.engine.assumptions import Assumption
from symgrad.engine.derivation import Call
from symgrad.errors import InputError
from symgrad.graph import node as nodes
from symgrad.graph.node import Node, apply, topological
from symgrad.graph.text import to_text
from symgrad.language.composite import Composite
from symgrad.language.functions import Row, operand
from symgrad.language.subscript import subscript
from symgrad.language.sympy_io import Context, lower, to_sympy
from symgrad.shapes import Shape, as_dim, show


@dataclass(frozen=True)
class Scope:
    """What the names around an expression mean; a network shares its own with all it returns."""

    names: Mapping[Node, str] = field(default_factory=dict)  # nodes that print by name
    origin: Mapping[str, Any] = field(default_factory=dict)  # the user's own SymPy symbols
    calls: Mapping[Node, Call] = field(default_factory=dict)  # composites as they were written
    bindings: Mapping[str, Node] = field(default_factory=dict)  # names of equations
    assumptions: Sequence[Assumption] = ()  # what is stated of their values
    inputs: Mapping[str, Node] = field(default_factory=dict)  # the variables, used or not

    @property
    def known(self) -> set[str]:
        """Every name that has a meaning here."""
        return {*self.names.values(), *self.origin, *self.bindings, *self.inputs}

    def declared(self, variables: Sequence[Node]) -> list[Node]:
        """Return variables in the order in which they were declared, those that nobody declared behind them."""
        place = {name: k for k, name in enumerate(self.inputs)}
        return sorted(variables, key=lambda v: place.get(v.name, len(place)))

    def joined(self, other: Scope) -> Scope:
        """Return both scopes in one; the same object where one of them says nothing."""
        if other is self or other is EMPTY:
            return self
        if self is EMPTY:
            return other
        for name, known in self.origin.items():
            if name in other.origin and other.origin[name] != known and not _is_size(known):
                raise InputError(f"two different SymPy symbols are called {name!r}. Use one of them throughout, "
                                 f"or give one another name")
        for name, node in self.bindings.items():
            if other.bindings.get(name, node) is not node:
                raise InputError(f"two networks define {name!r}, so their expressions cannot be mixed")
        return Scope({**other.names, **self.names}, {**other.origin, **self.origin}, {**other.calls, **self.calls},
                     {**other.bindings, **self.bindings}, (*dict.fromkeys((*self.assumptions, *other.assumptions)),),
                     {**other.inputs, **self.inputs})

    def learnt(self, origin: Mapping[str, Any], calls: Mapping[Node, Call]) -> Scope:
        """Return this scope with more symbols and calls."""
        fresh = {k: v for k, v in origin.items() if k not in self.origin}
        heard = {k: v for k, v in calls.items() if k not in self.calls}
        if not fresh and not heard:
            return self
        return Scope(self.names, {**self.origin, **fresh} if fresh else self.origin,
                     {**self.calls, **heard} if heard else self.calls, self.bindings, self.assumptions,
                     self.inputs)


EMPTY = Scope()


def _is_size(symbol: Any) -> bool:
    return isinstance(symbol, sp.Symbol) and bool(symbol.is_integer)


class Expression:
    """A node with operators, a shape known at birth, and the way back to SymPy.

    Two expressions are equal when they are the same node. Made by symgrad.symbol, symgrad.parse and symgrad.grad.

    >>> W, x = symbol("W", ("m", "n")), symbol("x", ("n", 1))
    >>> W @ x - 1
    W @ x - 1
    >>> (W @ x).shape
    (m, 1)
    """

    __slots__ = ("_sizes", "node", "scope")
    _op_priority = 20.0  # SymPy's operators leave the operation to this class
    __array_ufunc__ = None  # and so do NumPy's

    def __init__(self, node: Node, names: Mapping[Node, str] | None = None, origin: Mapping[str, Any] | None = None,
                 calls: Mapping[Node, Call] | None = None, *, scope: Scope | None = None) -> None:
        if not isinstance(node, Node):
            raise InputError(f"an Expression holds a node, not a {type(node).__name__}. Use symgrad.symbol")
        self.node = node
        self.scope = scope if scope is not None else \
            Scope(names or {}, origin or {}, calls or {}) if names or origin or calls else EMPTY
        self._sizes: frozenset[str] | None = None

    # --- what it is ---------------------------------------------------------------------------------------------------

    @property
    def names(self) -> Mapping[Node, str]:
        """The nodes that print by name."""
        return self.scope.names

    @property
    def origin(self) -> Mapping[str, Any]:
        """The user's own SymPy symbols, by name."""
        return self.scope.origin

    @property
    def calls(self) -> Mapping[Node, Call]:
        """Losses as they were written."""
        return self.scope.calls

    @property
    def shape(self) -> Shape:
        return self.node.shape

    @property
    def rank(self) -> int:
        return self.node.rank

    @property
    def sizes(self) -> frozenset[str]:
        """The names of all sizes below."""
        if self._sizes is None:
            self._sizes = size_names([self.node])
        return self._sizes

    @property
    def free_symbols(self) -> set[Any]:
        """The SymPy symbols of the variables and sizes; the user's own objects where they are known."""
        return free_symbols([self.node], self.names, self.origin)

    def to_sympy(self) -> Any:
        """Return the expression in SymPy: a scalar, or a matrix expression for two axes.

        Raises: NotExpressible for other ranks, and for sums that no matrix product writes.
        """
        return to_sympy(self.node, self.names, self.origin)

    def __eq__(self, other: object) -> bool:
        return self.node is other.node if isinstance(other, Expression) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.node)

    def __str__(self) -> str:
        return to_text(self.node, self.names, expand_root=False, calls=self.calls)

    __repr__ = __str__

    def __bool__(self) -> bool:
        raise InputError("an expression has no truth value; where(condition, a, b) chooses entries, == compares nodes")

    def __iter__(self) -> Any:
        raise InputError(f"an expression of shape {show(self.shape)} cannot be walked through entry by entry")

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.node, dict(self.names), dict(self.origin), dict(self.calls), (*self.scope.assumptions,))

    # --- operators ----------------------------------------------------------------------------------------------------

    def _with(self, node: Node, *others: Expression) -> Expression:
        scope = self.scope
        sizes = self.sizes
        for other in others:
            scope = scope.joined(other.scope)
            if not other.sizes <= sizes:
                sizes = sizes | other.sizes
        out = Expression(node, scope=scope)
        out._sizes = sizes
        return out

    def _operand(self, value: Any, sizes: frozenset[str]) -> Expression | None:
        """Return the other operand of an operator; None for what is none of ours."""
        if isinstance(value, Expression):
            return value
        if isinstance(value, np.ndarray):
            operand(value, "an operator")  # says where arrays belong
        if not isinstance(value, (sp.Basic, sp.MatrixBase, int, float, np.number)) and not hasattr(value, "numerator"):
            return None
        local: dict[str, Any] = {}
        known = cast("dict[str, Any]", self.origin)  # read only: a ChainMap writes to its first map alone
        context = Context(self.scope.bindings, ChainMap(local, known), {}, set(sizes))
        node = lower(value, context)
        out = Expression(node, scope=self.scope.learnt(local, context.calls))
        out._sizes = frozenset(context.sizes)
        return out

    def _symgrad_apply(self, row: Row, args: Sequence[Any]) -> Expression:
        """Apply a row: how symgrad's functions reach expressions."""
        made = self._operands(row.name, args)
        node = row(*(m.node for m in made))
        out = made[0]._with(node, *made[1:])
        if isinstance(row, Composite) and node not in out.calls:
            return Expression(node, scope=out.scope.learnt({}, {node: row.call([m.node for m in made])}))
        return out

    def _operands(self, name: str, args: Iterable[Any]) -> list[Expression]:
        args = list(args)
        sizes = frozenset[str]().union(*(a.sizes for a in args if isinstance(a, Expression)))
        out = []
        for a in args:
            made = self._operand(a, sizes)
            if made is None:
                operand(a, name)  # says what is wrong with it
                raise InputError(f"{name} was given a {type(a).__name__}. Give an expression or a number")
            out.append(made)
        return out

    def _binary(self, op: Callable[[Node, Node], Node], other: Any, swap: bool = False) -> Any:
        made = self._operand(other, self.sizes)
        if made is None:
            return NotImplemented
        a, b = (made, self) if swap else (self, made)
        return self._with(op(a.node, b.node), made)

    def __add__(self, other: Any) -> Any:
        return self._binary(lambda a, b: a + b, other)

    def __radd__(self, other: Any) -> Any:
        return self._binary(lambda a, b: a + b, other, swap=True)

    def __sub__(self, other: Any) -> Any:
        return self._binary(lambda a, b: a - b, other)

    def __rsub__(self, other: Any) -> Any:
        return self._binary(lambda a, b: a - b, other, swap=True)

    def _entrywise_meant(self, other: Any) -> None:
        if getattr(other, "is_Matrix", False) and self.rank and tuple(other.shape) != (1, 1):
            raise InputError("* of a SymPy matrix and an expression is ambiguous: a matrix product in SymPy, entry by "
                             "entry here. Write @ for the matrix product, or declare both with symgrad.symbol")

    def __mul__(self, other: Any) -> Any:
        self._entrywise_meant(other)
        return self._binary(lambda a, b: a * b, other)

    def __rmul__(self, other: Any) -> Any:
        self._entrywise_meant(other)
        return self._binary(lambda a, b: a * b, other, swap=True)

    def __truediv__(self, other: Any) -> Any:
        return self._binary(lambda a, b: a / b, other)

    def __rtruediv__(self, other: Any) -> Any:
        return self._binary(lambda a, b: a / b, other, swap=True)

    def __pow__(self, other: Any) -> Any:
        return self._binary(lambda a, b: a ** b, other)

    def __rpow__(self, other: Any) -> Any:
        return self._binary(lambda a, b: a ** b, other, swap=True)

    def __matmul__(self, other: Any) -> Any:
        return self._binary(nodes.matmul, other)

    def __rmatmul__(self, other: Any) -> Any:
        return self._binary(nodes.matmul, other, swap=True)

    def __gt__(self, other: Any) -> Any:
        return self._binary(lambda a, b: apply("gt", a, b), other)

    def __ge__(self, other: Any) -> Any:
        return self._binary(lambda a, b: apply("ge", a, b), other)

    def __lt__(self, other: Any) -> Any:
        return self._binary(lambda a, b: apply("lt", a, b), other)

    def __le__(self, other: Any) -> Any:
        return self._binary(lambda a, b: apply("le", a, b), other)

    def __neg__(self) -> Expression:
        return self._with(-self.node)

    def __pos__(self) -> Expression:
        return self

    def __abs__(self) -> Expression:
        return self._with(apply("abs", self.node))

    @property
    def T(self) -> Expression:
        """The transpose: axes reversed."""
        return self._with(nodes.transpose(self.node))

    def __getitem__(self, key: Any) -> Expression:
        """Return entries and slices as NumPy's indexing does; expressions of whole numbers choose entries."""
        keys = key if isinstance(key, tuple) else (key,)
        arrays = [k for k in keys if isinstance(k, Expression)]
        items = [k.node if isinstance(k, Expression) else _item(k) for k in keys]
        return self._with(subscript(self.node, items, str(self) if self.node in self.names else ""), *arrays)


def _item(key: Any) -> Any:
    """Return one item of a subscript: None, a size, or a triple of a slice."""
    if key is None:
        return None
    if isinstance(key, slice):
        return tuple(None if b is None else _bound(b) for b in (key.start, key.stop, key.step))
    return _bound(key)


def _bound(value: Any) -> Any:
    if isinstance(value, (bool, str, float)) or not (isinstance(value, sp.Expr) or hasattr(value, "__index__")):
        raise InputError(f"an index is an integer, a size, a slice or None, not {value!r}. For entries chosen by an "
                         f"array declare it: symgrad.symbol('idx', n, kind='int')")
    return int(value) if hasattr(value, "__index__") and not isinstance(value, sp.Symbol) else as_dim(value)


def _rebuild(node: Node, names: dict[Node, str], origin: dict[str, Any], calls: dict[Node, Call],
             assumptions: tuple[Assumption, ...] = ()) -> Expression:
    return Expression(node, scope=Scope(names, origin, calls, assumptions=assumptions))


def size_names(roots: Iterable[Node]) -> frozenset[str]:
    """Return the names of the sizes that occur below the roots."""
    found: set[str] = set()
    seen: set[Any] = set()
    for node in topological(roots):
        for dim in (*node.shape, *(node.attr if node.op == "size" else ())):
            if isinstance(dim, sp.Expr) and dim not in seen:
                seen.add(dim)
                found |= {s.name for s in dim.free_symbols}
    return frozenset(found)


def free_symbols(roots: Sequence[Node], names: Mapping[Node, str], origin: Mapping[str, Any]) -> set[Any]:
    """Return the SymPy symbols of variables and sizes below the roots, named nodes standing for themselves."""
    found: set[Any] = set()
    for node in topological(roots, lambda n: () if n in names else n.args):
        if node.op == "var" or node in names:
            name = names.get(node) or node.name
            if name in origin:
                found.add(origin[name])
            elif node.rank in (0, 2):
                found.add(to_sympy(node, names, origin))
            else:
                found.add(sp.Symbol(name))
    for name in size_names(n for n in topological(roots) if n.op in ("var", "size")):
        known = origin.get(name)
        found.add(known if isinstance(known, sp.Symbol) else as_dim(name))
    return found


def symbol(name: str, shape: Any = (), kind: str = "real") -> Expression:
    """Declare a variable of a shape; sizes are integers, names, or SymPy integer symbols.

    Shapes: as given; () is a scalar, ("h", 2) a matrix of h rows.
    Raises: InputError for a name or kind that is none, ShapeError for a shape that is none.

    >>> W = symbol("W", ("h", 2))
    >>> W.T.shape
    (2, h)
    """
    if not isinstance(name, str) or not name:
        raise InputError(f"a variable's name is a non-empty string, not {name!r}")
    if kind not in ("real", "int"):
        raise InputError(f"the kind of a variable is 'real' or 'int', not {kind!r}")
    out = Expression(nodes.var(name, shape, kind))
    if name in out.sizes:
        raise InputError(f"{name!r} is a size in its own shape {show(out.shape)}. Give one of them another name")
    dims = [shape] if isinstance(shape, sp.Expr) else shape if isinstance(shape, (tuple, list)) else []
    own = {s.name: s for d in dims if isinstance(d, sp.Expr) for s in d.free_symbols}
    return Expression(out.node, origin=own) if own else out
