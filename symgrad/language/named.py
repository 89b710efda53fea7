"""`function`: a function of scalars that a user names, from a SymPy Lambda or a Python function of expressions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import sympy as sp

from symgrad.engine.named import worked_out
from symgrad.engine.rows import check, named_row, parameters
from symgrad.errors import InputError, suggest
from symgrad.graph.node import NAMED, Node, make
from symgrad.graph.text import to_text
from symgrad.language.functions import apply_row, named_class, operand, scalar_graph
from symgrad.language.sympy_in import Context, lower
from symgrad.language.text_functions import TextFunction, find
from symgrad.rules.elementwise import FUNCTIONS


class UserFunction:
    """A function that a user named: call it on SymPy, on Expressions (entry by entry) or on numbers.

    Equal bodies make equal functions. All that is known of it is its body, which travels with every expression.

    Formula: f(x, ...) = body.
    Shapes: operands broadcast as in NumPy; SymPy matrices are of one shape, or scalars.
    Raises: InputError for operands that do not fit.
    Source: the chain rule, applied to the body.

    >>> import sympy as sp, symgrad as sg
    >>> x, b, z = sp.symbols("x b z", real=True)
    >>> swish = sg.function("swish", sp.Lambda((x, b), x/(1 + sp.exp(-b*x))))
    >>> swish(z, 2), swish(z, b=2).diff(z).doit()
    (swish(z, 2), (2*z*(1 - sigmoid(2*z)) + 1)*sigmoid(2*z))
    """

    def __init__(self, attr: tuple[Any, ...]) -> None:
        check(attr)
        self._attr = attr
        self._row = named_row(attr)

    @property
    def name(self) -> str:
        """What it is called; a derivative is called swish' or swish_b."""
        return self._row.name

    @property
    def params(self) -> tuple[str, ...]:
        """The names of its parameters."""
        return self._row.params

    @property
    def definition(self) -> Any:
        """The function as a SymPy Lambda, written out."""
        symbols = sp.symbols(self.params, real=True)
        return sp.Lambda(symbols, scalar_graph(worked_out(self._attr), dict(zip(parameters(self._attr), symbols))))

    def derivative(self, *by: str) -> UserFunction:
        """Return the derivative by a parameter, by one after the other where several are named.

        Raises: InputError for a name that is no parameter, and for none where there are several.
        """
        names = by or self.params
        if not by and len(self.params) > 1:
            raise InputError(f"{self.name} has the parameters {', '.join(self.params)}; say by which")
        for name in names:
            if name not in self.params:
                raise InputError(f"{self.name} has no parameter {name!r}.{suggest(str(name), self.params)}")
        name, params, body, latex, orders, kink = self._attr
        places = (params.index(n) for n in names)
        return UserFunction((name, params, body, latex, tuple(sorted((*orders, *places))), kink))

    def __call__(self, *args: Any, **named: Any) -> Any:
        return apply_row(self._row, args, named)

    def node(self, *args: Node) -> Node:
        """Return the node of the function of nodes."""
        return self._row(*args)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UserFunction) and self._attr == other._attr

    def __hash__(self) -> int:
        return hash(self._attr)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuilt, (make(NAMED, parameters(self._attr), self._attr, ()),)

    def __repr__(self) -> str:
        return f"<{self.name}({', '.join(self.params)}) = {to_text(worked_out(self._attr))}>"

    def _repr_latex_(self) -> str:
        symbols = sp.symbols(self.params, real=True)
        left = named_class(self._attr)(*symbols)
        return f"${sp.latex(left)} = {sp.latex(self.definition.expr)}$"


def _rebuilt(node: Node) -> UserFunction:
    return UserFunction(node.attr)


def function(name: str, definition: Any, *, latex: str = "") -> UserFunction:
    """Return a function of scalars under a name of its own; its derivatives are found from its definition.

    `definition` is a SymPy Lambda, or a Python function of SymPy expressions whose parameters are those of the
    function. It is called on SymPy, Expressions and numbers, and in a text that it is handed to:
    `sg.parse(text, functions=[swish])`. A derivation writes it and its derivatives by name and states both once;
    `sg.derive(..., expand="swish")` writes it out. `latex` is its name in LaTeX, or a template with {} for operands.

    Formula: name(x, ...) = definition.
    Shapes: operands broadcast as in NumPy; SymPy matrices are of one shape, or scalars.
    Raises: InputError for a name that is none or taken, a definition that is no scalar, and one that speaks of more
        than its parameters.
    Source: the chain rule.

    >>> import symgrad as sg
    >>> square_plus = sg.function("square_plus", lambda x: (x + sg.sqrt(x**2 + 4))/2)
    >>> d = sg.derive(sg.parse("x: (n,); sum(square_plus(x))", functions=[square_plus]), "x")
    >>> print(d.expression)
    square_plus'(x)
    >>> square_plus.derivative()
    <square_plus'(x) = (1 + x/sqrt(x**2 + 4))/2>
    """
    if isinstance(definition, sp.Lambda):
        symbols = definition.variables
        if not all(isinstance(s, sp.Symbol) for s in symbols) or len(definition.signature) != len(symbols):
            raise InputError(f"{name}: the Lambda takes plain symbols, not {definition.signature}")
        body = definition.expr
    elif callable(definition) and not isinstance(definition, (type, sp.Basic)):
        symbols = _symbols(name, definition)
        body = definition(*symbols)
    else:
        raise InputError(f"{str(name)[:60]} is defined by a SymPy Lambda or a Python function of expressions, not by a "
                         f"{type(definition).__name__}")
    params = tuple(s.name for s in symbols)
    head = (name, params, None, latex, (), "policy")
    if getattr(body, "is_Matrix", False) or hasattr(body, "node"):
        raise InputError(f"the body of {str(name)[:60]} is to be a scalar of SymPy, not {type(body).__name__}")
    bound = dict(zip(params, parameters(head)))
    node = lower(operand(body, str(name)[:60]), Context(bindings=bound))
    return UserFunction((name, params, node, latex, (), "policy"))


def _symbols(name: str, definition: Callable[..., Any]) -> list[Any]:
    """Return a symbol for every parameter of a Python function."""
    try:
        parameters = inspect.signature(definition).parameters.values()
    except (TypeError, ValueError):
        raise InputError(f"{name}: the parameters of the definition cannot be read; wrap it in lambda x: ...") from None
    for p in parameters:
        if p.kind not in (p.POSITIONAL_OR_KEYWORD, p.POSITIONAL_ONLY) or p.default is not p.empty:
            raise InputError(f"{name}: the parameter {p} is to be plain, without a star or a default")
    return [sp.Symbol(p.name, real=True) for p in parameters]


_ALIASES = frozenset(alias for row in FUNCTIONS for alias in row.aliases)  # second names, which a user may take


def callable_in_text(functions: Iterable[UserFunction] | Mapping[str, UserFunction]) -> dict[str, TextFunction]:
    """Return the functions as a text calls them, by their names or by those of a mapping.

    Raises: InputError for what is none of `symgrad.function`, and for a name that the language has already.
    """
    out: dict[str, TextFunction] = {}
    pairs = functions.items() if isinstance(functions, Mapping) else [(getattr(f, "name", ""), f) for f in functions]
    for name, f in pairs:
        if not isinstance(f, UserFunction):
            raise InputError(f"functions are made by symgrad.function; a {type(f).__name__} was given")
        if (find(name) is not None and name not in _ALIASES) or name in out:
            raise InputError(f"a text has a function {name!r} already; choose another name")
        out[name] = TextFunction(name, f.node, f.params)
    return out
