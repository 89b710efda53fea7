"""Network: an ordered list of named equations, and `as_network`, which makes one of a lone expression."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from types import MappingProxyType
from typing import Any

import sympy as sp

from symgrad.engine.assumptions import Assumption
from symgrad.engine.derivation import Call
from symgrad.engine.naming import meant
from symgrad.engine.ranges import consistent
from symgrad.errors import InputError, ShapeError, UnknownName, suggest
from symgrad.graph.node import Node, describe, topological, variables
from symgrad.graph.text import plain_name, to_text
from symgrad.language.assume import facts_of_node, facts_of_symbol, facts_of_sympy, facts_of_text
from symgrad.language.expression import Expression, Scope, free_symbols
from symgrad.language.functions import operand
from symgrad.language.sympy_io import Context, lower, to_sympy
from symgrad.shapes import Shape, show


class Network:
    """An ordered list of named equations; the last one is the output.

    A name stands for the node of its equation, so the graph is complete and the names are how it is printed.

    >>> import sympy as sp
    >>> x, w = sp.symbols("x w", real=True)
    >>> net = Network()
    >>> z = net.let("z", w * x)
    >>> L = net.let("L", sp.exp(z))
    >>> print(net)
    w: ();  x: ()
    z = w*x
    L = exp(z)
    """

    def __init__(self, assumptions: Iterable[Assumption] = ()) -> None:
        self.assumptions: list[Assumption] = list(assumptions)  # facts about values, in the order they were stated
        self.unnamed = False  # the output's name was made up by the reader
        self._equations: dict[str, Node] = {}
        self._names: dict[Node, str] = {}
        self._inputs: dict[str, Node] = {}
        self._seen: set[Node] = set()
        self._read = Context(self._equations)
        self.reserved: set[str] = set()  # names that mean something to the user and stand nowhere here
        self._scope = Scope(MappingProxyType(self._names), MappingProxyType(self._read.origin),
                            MappingProxyType(self._read.calls), MappingProxyType(self._equations), self.assumptions,
                            MappingProxyType(self._inputs))

    @classmethod
    def of(cls, inputs: Iterable[Node], equations: Mapping[str, Node], calls: Mapping[Node, Call] = {},
           assumptions: Iterable[Assumption] = ()) -> Network:
        """Return the network of declared variables and named nodes, as the reader of text has them."""
        net = cls(assumptions)
        for variable in inputs:
            net.declare(variable)
        net.adopt({}, calls)
        for name, node in equations.items():
            net.define(name, node)
        consistent(net.assumptions)
        return net

    # --- building -----------------------------------------------------------------------------------------------------

    def let(self, name: str, expr: Any) -> Any:
        """Add the equation `name = expr` and return what stands for it in later equations.

        Returns: a SymPy symbol for SymPy and numbers, an Expression for an Expression.
        Raises: InputError for a name that is taken or was used before, and for what is no expression.
        """
        self._check(name)
        if isinstance(expr, Expression):
            self.adopt(expr.origin, expr.calls)
            self.define(name, expr.node)
            return Expression(expr.node, scope=self._scope)
        if isinstance(expr, sp.Eq):
            raise InputError(f"let takes a name and what it stands for, not the equation {_short(str(expr))}. "
                             f"Write let({name!r}, right side)")
        node = lower(operand(expr, "let"), self._read)
        self.define(name, node)
        if node.rank not in (0, 2):
            return Expression(node, scope=self._scope)
        made = to_sympy(node, {node: name}, {k: v for k, v in self.origin.items() if k != name})
        self._read.origin[name] = made
        return made

    def define(self, name: str, node: Node) -> None:
        """Add an equation given as a node; the readers of text and SymPy end here."""
        self._check(name)
        for n in topological([node], lambda n: () if n in self._seen else n.args):
            if n not in self._seen:
                self._seen.add(n)
                self._meet(n)
        if name in self._inputs:
            raise InputError(f"{name!r} is used as a variable before its equation. Move the equation up and use what "
                             f"let returned, or give it another name")
        if name in self._read.sizes:
            raise InputError(f"{name!r} is a size of a matrix and cannot name an equation")
        self._equations[name] = node
        self.unnamed = False
        if not node.is_leaf:  # a variable keeps its name, and a number is not the same thing wherever it occurs
            self._names.setdefault(node, name)

    def declare(self, variable: Node) -> None:
        """Add a variable that may stay unused."""
        if variable.op != "var":
            raise InputError(f"a declaration takes a variable, not {describe(variable)}")
        if variable.name in self._equations:
            raise InputError(f"the name {variable.name!r} is already an equation")
        self._seen.add(variable)
        self._meet(variable)

    def adopt(self, origin: Mapping[str, Any], calls: Mapping[Node, Call]) -> None:
        """Take over the user's symbols and the calls that another reader met."""
        if origin is self._scope.origin and calls is self._scope.calls:
            return
        for name, obj in origin.items():
            known = self._read.origin.setdefault(name, obj)
            if known != obj and name not in self._read.sizes:
                raise InputError(f"two different SymPy symbols are called {name!r}. Use one of them throughout")
        for node, call in calls.items():
            self._read.calls.setdefault(node, call)

    def assume(self, *facts: Any) -> None:
        """State facts about values: they are used where they make a derivative shorter, and listed there.

        A fact is text over the network's names ("sum(y, axis=1) == 1", "y in (0, 1)", "A == A.T", "n > m"), a
        comparison of expressions (x > 0), or a relation or Q-fact of SymPy (sp.Eq(a, b), sp.Q.symmetric(A)).
        Raises: InputError for what is no fact and for facts that cannot hold together, UnknownName for an unknown name.

        >>> net = Network()
        >>> x = sp.Symbol("x")
        >>> _ = net.let("L", sp.Abs(x))
        >>> net.assume("x > 0")
        >>> print(net)
        x: ()
        L = abs(x)
        assume(x > 0)
        """
        for fact in facts:
            found = [a for a in self.facts(fact) if a not in self.assumptions]
            consistent((*self.stated, *found))
            self.assumptions.extend(found)

    def facts(self, fact: Any) -> list[Assumption]:
        """Return what a fact that `assume` takes says, without stating it."""
        if isinstance(fact, Assumption):
            return [fact]
        if isinstance(fact, str):
            return facts_of_text(fact, {**self._inputs, **self._equations}, self._read.sizes)
        if isinstance(fact, Expression):
            found = facts_of_node(fact.node, self._names)
        else:
            read = Context(self._equations, self._read.origin, dict(self._inputs), set(self._read.sizes))
            found = facts_of_sympy(fact, lambda e: lower(operand(e, "assume"), read), self._names)
        for assumption in found:
            for v in assumption.variables:
                if self._inputs.get(v.name) is not v:
                    self.variable(v.name)  # says that it is unknown
                    raise ShapeError(f"{v.name!r} has shape {show(v.shape)} in the assumption {assumption}, and "
                                     f"{show(self._inputs[v.name].shape)} in the network")
        return found

    @property
    def stated(self) -> tuple[Assumption, ...]:
        """The assumptions, those that SymPy's symbols carry included."""
        own = (a for name, x in self._inputs.items() for a in facts_of_symbol(self.origin.get(name), x))
        return (*dict.fromkeys((*self.assumptions, *own)),)

    def _check(self, name: object) -> None:
        if not isinstance(name, str) or not name:
            raise InputError(f"an equation's name is a non-empty string, not {name!r}. Write let(\"z\", expression)")
        if name in self._equations:
            raise InputError(f"the name {name!r} is already given to an equation. A name is given once; choose another")

    def _meet(self, node: Node) -> None:
        """Note a node's variable and sizes, and refuse names that mean two things."""
        for dim in (*node.shape, *(node.attr if node.op == "size" else ())):
            if isinstance(dim, sp.Expr):
                for s in dim.free_symbols:
                    if s.name not in self._read.sizes or s.name in self._inputs or s.name in self._equations:
                        self._free(s.name, "a size", {**self._inputs, **self._equations})
                        self._read.sizes.add(s.name)
        if node.op != "var":
            return
        name = node.name
        if name in self._read.sizes:
            raise InputError(f"{name!r} is a size of a matrix and also a variable. Give one of them another name")
        if name in self._equations:
            raise InputError(f"{name!r} is the name of an equation and also a variable of shape {show(node.shape)}. "
                             f"Use what let returned for {name!r}, or give the variable another name")
        known = self._inputs.setdefault(name, node)
        if known is not node:
            raise ShapeError(f"{name!r} has shape {show(known.shape)} and also {show(node.shape)}; a name is one thing")
        self._read.variables.setdefault(name, node)

    def _free(self, name: str, what: str, taken: Mapping[str, Node]) -> None:
        if name in taken:
            raise InputError(f"{name!r} is {what} and also a name of a value. Give one of them another name")

    # --- reading ------------------------------------------------------------------------------------------------------

    @property
    def equations(self) -> Mapping[str, Node]:
        """name -> node, in order; a reference to a named intermediate is that node."""
        return MappingProxyType(self._equations)

    @property
    def names(self) -> Mapping[Node, str]:
        """node -> name, in order; the first name of a node wins."""
        return self._scope.names

    @property
    def inputs(self) -> Mapping[str, Node]:
        """name -> variable, in the order of first use or declaration."""
        return MappingProxyType(self._inputs)

    @property
    def calls(self) -> Mapping[Node, Call]:
        """Losses as they were written."""
        return self._scope.calls

    @property
    def origin(self) -> Mapping[str, Any]:
        """The user's own SymPy symbols by name, and those that let returned."""
        return self._scope.origin

    @property
    def scope(self) -> Scope:
        """What the names of this network mean, for expressions made of it."""
        return self._scope

    @property
    def taken(self) -> set[str]:
        """Every name that means something to the user, used or not; a name that is made up is none of them."""
        made_up = {self.output_name} if self.unnamed else set()
        return ({*self._inputs, *self._equations, *self._read.sizes, *self._read.origin} - made_up) | self.reserved

    @property
    def output_name(self) -> str:
        """The name of the last equation."""
        if not self._equations:
            raise InputError("the network has no equation yet. Add one with let(name, expression)")
        return next(reversed(self._equations))

    @property
    def output(self) -> Node:
        """The node of the last equation."""
        return self._equations[self.output_name]

    def variable(self, which: Any) -> Node:
        """Return the node that a name, a SymPy symbol or an Expression stands for.

        Raises: UnknownName with the nearest names, ShapeError where the shape differs.
        """
        if isinstance(which, Node):
            return which
        if isinstance(which, Expression):
            if which.node in self._names:
                return which.node
            if which.node.op != "var":
                raise UnknownName(f"{_short(str(which))} is no variable and no named equation of this network. "
                                  f"Give it a name with let(name, expression)")
            name, shape = which.node.name, which.shape
        elif isinstance(which, (sp.Symbol, sp.MatrixSymbol)):
            name = str(which.name)
            shape = tuple(which.shape) if which.is_Matrix else ()
        elif isinstance(which, str):
            name, shape = which, None
        else:
            raise InputError(f"a variable is given as a name, a SymPy symbol or an Expression, not as a "
                             f"{type(which).__name__}")
        found = self._inputs.get(name) or self._equations.get(name)
        if found is None:
            known = [*self._inputs, *self._equations]
            what = " It is a size, which has no derivative." if name in self._read.sizes else suggest(name, known)
            raise UnknownName(f"{_short(name)!r} does not occur in the network.{what} Known: {_listed(known)}")
        if shape is not None and show(found.shape) != show(_dims(shape)):
            raise ShapeError(f"{_short(name)!r} was given with shape {show(_dims(shape))}; "
                             f"the network's has {show(found.shape)}")
        return found

    def __getitem__(self, name: str) -> Expression:
        return Expression(self.variable(name), scope=self._scope)

    def __contains__(self, name: object) -> bool:
        return name in self._equations or name in self._inputs

    def __iter__(self) -> Any:
        return iter(self._equations)

    def __len__(self) -> int:
        return len(self._equations)

    @property
    def free_symbols(self) -> set[Any]:
        """The SymPy symbols of the inputs and sizes; the user's own objects where they are known."""
        return free_symbols([*self._inputs.values(), *self._equations.values()], {}, self.origin)

    def to_sympy(self) -> dict[str, Any]:
        """Return the equations in SymPy, by name; a named intermediate stands as its symbol.

        Raises: NotExpressible for what SymPy cannot write.
        """
        out = {}
        for name, node in self._equations.items():
            out[name] = to_sympy(node, self._names, self.origin, expand_root=self._names.get(node) == name,
                                 calls=self.calls)
        return out

    def _in_order(self) -> list[tuple[str, Node]]:
        """Return the equations, each below those it needs; the output stays the last one."""
        out: dict[str, Node] = {}
        done: set[Node] = set()
        for name, node in list(self._equations.items())[:-1]:
            for n in topological([node], lambda n: () if n in done else n.args):
                if n in self._names and self._names[n] != self.output_name:
                    out.setdefault(self._names[n], n)
                done.add(n)
            out.setdefault(name, node)
        return [*out.items(), *list(self._equations.items())[-1:]]

    def __str__(self) -> str:
        declared = ";  ".join(f"{plain_name(n)}: {'int' if v.attr[1] == 'int' else ''}{show(v.shape)}"
                              for n, v in self._inputs.items())
        lines = [declared] if declared else []
        shown: dict[Node, str] = {}
        for name, node in self._in_order():
            text = to_text(node, shown, expand_root=node not in shown, calls=self.calls)
            lines.append(f"{plain_name(name)} = {text}")
            if self._names.get(node) == name:
                shown[node] = name
        lines += [f"assume({plain_name(a.text)})" for a in self.assumptions]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Network of {len(self._equations)} equations: {_listed(list(self._equations))}>"


def as_network(thing: Any, name: str = "L") -> Network:
    """Return a network as it is, and an expression as a network of one equation.

    Raises: InputError for what is no expression.
    """
    if isinstance(thing, Network):
        return thing
    net = Network()
    if isinstance(thing, Expression):
        net.adopt(thing.origin, thing.calls)
        net.assumptions.extend(thing.scope.assumptions)
        net.reserved |= thing.scope.known
        node, names = thing.node, thing.names
        for v in thing.scope.declared(variables([node])):
            net.declare(v)
        below = set(topological([node]))
        for n, given in names.items():
            if n in below and n is not node:
                net.define(given, n)
        own = names.get(node)
    else:
        left, thing = _equation(thing)
        node, own = lower(operand(thing, "symgrad"), net._read), None
        if left is not None:
            own = str(left.name)
            if left.is_Matrix and show(_dims(left.shape)) != show(node.shape):
                raise ShapeError(f"the equation of {own}: the left side has shape {show(_dims(left.shape))}, the right "
                                 f"side {show(node.shape)}")
            net._read.origin[own] = left
    net.define(own or fresh(name, {*net.taken, *meant([node])}), node)
    net.unnamed = own is None
    return net


def _equation(thing: Any) -> tuple[Any, Any]:
    """Return the symbol and the right side of sp.Eq(L, z**2); of anything else no symbol, and the thing itself."""
    if not isinstance(thing, sp.Eq):
        return None, thing
    left, right = thing.args
    if not isinstance(left, (sp.Symbol, sp.MatrixSymbol)) or left in right.free_symbols:
        raise InputError(f"{_short(str(thing))} gives no name to anything: the left side of an equation is a symbol "
                         f"that does not stand on the right. Write sp.Eq(L, expression) or the expression alone; what "
                         f"holds of values is stated by assume=...")
    return left, right


def fresh(name: str, taken: Container[str]) -> str:
    """Return the name, with a number where it is taken.

    >>> fresh("L", {"L", "L_1"})
    'L_2'
    """
    out, k = name, 0
    while out in taken:
        k += 1
        out = f"{name}_{k}"
    return out


def _dims(shape: tuple[Any, ...]) -> Shape:
    return tuple(int(d) if isinstance(d, sp.Integer) else d for d in shape)


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


def _listed(names: list[str]) -> str:
    shown = ", ".join(_short(n) for n in names[:12])
    return (shown or "nothing") + (", ..." if len(names) > 12 else "")
