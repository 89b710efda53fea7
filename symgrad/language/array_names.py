"""Functions of whole arrays as users call them, made from the rows and from the graphs of `composed`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from symgrad.engine.derivation import Call
from symgrad.errors import InputError
from symgrad.graph import node as graph
from symgrad.graph.node import Node
from symgrad.graph.text import to_text
from symgrad.language.arrays import _through_nodes
from symgrad.language.composed import COMPOSED
from symgrad.language.composite import Composite
from symgrad.language.composites import WHOLE
from symgrad.language.expression import Expression
from symgrad.language.functions import operand
from symgrad.language.text_functions import TextFunction, find, of_composite
from symgrad.rules.arrays import ARRAY_FUNCTIONS
from symgrad.rules.row import ArrayFunction
from symgrad.shapes import as_dim, as_shape, show


def _converted(kind: str, value: Any) -> Any:
    """Return an option with names and SymPy symbols read as sizes."""
    if kind == "Sizes":
        return as_shape(value)
    if kind == "Size":
        return as_dim(value)
    if kind == "Pairs":
        return as_steps(value)
    if kind == "Steps" and not isinstance(value, str) and value is not None:
        return as_steps(value)
    if kind == "Order" and value == float("inf"):
        return "inf"
    return tuple(value) if isinstance(value, list) else value


def as_steps(value: Any) -> Any:
    """Return whole numbers as they are, below 0 too, and names as sizes; one or several."""
    if isinstance(value, (tuple, list)):
        return tuple(as_steps(v) for v in value)
    return int(value) if hasattr(value, "__index__") and not isinstance(value, bool) else as_dim(value)


def _make(name: str, listed: bool) -> Callable[..., Any]:
    """Return the function that Python calls: Expressions give an Expression, SymPy matrices give SymPy."""
    def function(*args: Any, **options: Any) -> Any:
        made = find(name)
        if made is None:
            raise InputError(f"{name} has no row")
        try:
            bound = made.signature.bind(*args, **options)
        except TypeError as error:
            raise InputError(f"{name}: {error}. It is called {made.usage}") from None
        operands, build = _split(made, bound.arguments, listed)
        if not operands:
            return Expression(build())
        own = next((a for a in operands if isinstance(a, Expression)), None)
        if own is None:
            return _through_nodes(build, [operand(a, name) for a in operands])
        nodes = own._operands(name, operands)
        value = build(*(m.node for m in nodes))
        if isinstance(value, tuple):
            return tuple(nodes[0]._with(v, *nodes[1:]) for v in value)
        out = nodes[0]._with(value, *nodes[1:])
        if made.composite is None:
            return out
        return Expression(value, scope=out.scope.learnt({}, {value: _call(made.composite, bound.arguments, nodes)}))

    function.__name__ = function.__qualname__ = name
    function.__module__ = __name__
    return function


def _split(made: TextFunction, given: dict[str, Any], listed: bool) -> tuple[Sequence[Any], Callable[..., Any]]:
    """Return the operands, and the function that builds the node of theirs."""
    kinds = {p.name: str(p.annotation).removesuffix(" | None") for p in made.signature.parameters.values()}
    names = [p for p, v in given.items() if kinds[p] in ("Node", "Nodes") and v is not None]
    options = {p: _converted(kinds[p], v) for p, v in given.items() if kinds[p] not in ("Node", "Nodes")}
    operands: list[Any] = list(given[names[0]]) if listed else [given[p] for p in names]

    def build(*nodes: Node) -> Any:
        if made.composite is not None:
            return made.build(**dict(zip(names, nodes)), **options)
        bound = made.signature.bind_partial(*([nodes] if listed else nodes), **options)
        return made.build(*bound.args, **bound.kwargs)

    return operands, build


def _call(row: Composite, given: Mapping[str, Any], nodes: Sequence[Expression]) -> Call:
    """Return the record of a call, its operands being those of `given` in order."""
    rest = iter(nodes)
    args = [None if given.get(p) is None else next(rest).node for p in row.params]
    return row.call(args, {o.name: _converted(o.kind, given[o.name]) for o in row.options if o.name in given})


def _doc(row: ArrayFunction) -> str:
    operands, options = row.placeholders()
    node = row(*operands, **options)
    lines = [f"The function {row.name} of whole arrays.", ""]
    if row.definition is not None:
        lines.append(f"Formula: {to_text(node)} = {to_text(row.definition(*operands, **row.given(node)))}.")
    if row.statement:
        lines.append(f"Derivative: {row.statement}.")
    if row.domain:
        lines.append(f"Domain: {row.domain}.")
    if row.kink:
        lines.append(f"No derivative {row.kink}.")
    made = ", ".join(f"{show(o.shape)}" for o in operands) or "no operand"
    lines += [f"Shapes: as in NumPy; {made} gives {show(node.shape)} in the example.",
              "Returns: an Expression for Expressions, SymPy for SymPy matrices where SymPy has the function.",
              "Raises: ShapeError for operands and options that do not fit.", f"Source: {row.source}.", "",
              ">>> import symgrad as sg"]
    declared = "".join(f"{o.name}: {'int' if o.attr[1] == 'int' else ''}{show(o.shape)}; " for o in operands)
    lines += [f'>>> net = sg.parse("{declared}Y = {to_text(node)}")', '>>> net["Y"].shape', repr(node.shape)]
    return "\n".join(lines)


_COMPOSED_DOCS = {
    "cross": ("The vector product of vectors of 3 entries along the last axis.",
              "a[1]*b[2] - a[2]*b[1], a[2]*b[0] - a[0]*b[2], a[0]*b[1] - a[1]*b[0]",
              'sg.cross(sg.symbol("a", 3), sg.symbol("b", ("n", 3))).shape', "(n, 3)"),
    "var": ("The variance of the entries, over all of them or over the given axes.",
            "mean((x - mean(x))**2); with ddof the sum of squares is divided by the count less ddof",
            'sg.var(sg.symbol("x", ("n", "d")), axis=1).shape', "(n,)"),
    "std": ("The standard deviation, the square root of the variance.", "sqrt(var(x))",
            'sg.std(sg.symbol("x", ("n", "d")), axis=1).shape', "(n,)"),
    "norm": ("The vector norm of the entries, over all of them or over the given axes.",
             "sqrt(sum(x**2)) for ord=2, sum(abs(x)) for 1, max(abs(x)) for 'inf'; of a matrix the sum of the singular "
             "values for 'nuc' and the largest for 'spectral'",
             'sg.norm(sg.symbol("x", "n"))', "sqrt(sum(x**2))"),
    "stack": ("The arrays of a list beside each other along a new axis.", "concatenate of the arrays with a new axis",
              'sg.stack([sg.symbol("a", "n"), sg.symbol("b", "n")]).shape', "(2, n)"),
    "diag": ("The diagonal matrix of a vector, or the diagonal of a square matrix.",
             "diag(x)[i, j] = x[i] for i = j and 0 elsewhere; diag(X)[i] = X[i, i]",
             'sg.diag(sg.symbol("x", "n")).shape, sg.diag(sg.symbol("X", ("n", "n"))).shape', "((n, n), (n,))"),
    "eye": ("The identity matrix.", "eye(n)[i, j] = 1 for i = j and 0 elsewhere",
            'sg.eye("n") + sg.symbol("X", ("n", "n"))', "eye(n) + X"),
    "kron": ("The Kronecker product of two matrices or vectors.", "the matrix of the blocks A[i, j]*B",
             'sg.kron(sg.symbol("A", ("m", "n")), sg.symbol("B", ("p", "q"))).shape', "(m*p, n*q)"),
    "matrix_power": ("A matrix to an integer power.", "A @ A @ ..., of inv(A) for a negative power",
                     'sg.matrix_power(sg.symbol("A", ("n", "n")), 2)', "A @ A"),
    "slogdet": ("The sign of the determinant and the logarithm of its absolute value.",
                "slogdet(A)[0] = sign(det(A)), slogdet(A)[1] = log(abs(det(A)))",
                'sg.slogdet(sg.symbol("A", ("n", "n"))).shape', "(2,)"),
}


def _composed_doc(name: str) -> str:
    if name not in _COMPOSED_DOCS:
        return inspect.cleandoc(COMPOSED[name].__doc__ or "")
    what, formula, example, result = _COMPOSED_DOCS[name]
    return "\n".join([what, "", f"Formula: {formula}.", "Shapes: as in NumPy.",
                      "Raises: ShapeError for an axis that is not there.",
                      "Source: the definition.", "",
                      ">>> import symgrad as sg", f">>> {example}", result])


def _layer_doc(row: Composite) -> str:
    shapes, options = row.example
    operands = [graph.var(p, *_shape(s)) for p, s in zip(row.params, shapes)]
    value = row(*operands, **options)
    made = value if isinstance(value, tuple) else (value,)
    called = ", ".join([*(o.name for o in operands), *(f"{k}={v}" for k, v in options.items())])
    equations = "; ".join(f"{o.name}: {'int' if o.attr[1] == 'int' else ''}{show(o.shape)}" for o in operands)
    shown = ", ".join(show(v.shape) for v in made)
    lines = [row.statement, "", f"Called: {of_composite(row).usage}.",
             f"Shapes: {', '.join(show(o.shape) for o in operands)} give {shown} in the example.",
             "Returns: an Expression for Expressions, SymPy for SymPy matrices where SymPy has the functions.",
             "Raises: ShapeError for operands and options that do not fit.", f"Source: {row.source}.", "",
             ">>> import symgrad as sg"]
    if row.outputs:
        left = ", ".join(f"{o}_1" for o in row.outputs)
        return "\n".join([*lines, f'>>> net = sg.parse("{equations}; {left} = {row.name}({called})")',
                          f'>>> net["{row.outputs[0]}_1"].shape', repr(made[0].shape)])
    return "\n".join([*lines, f'>>> net = sg.parse("{equations}; Y_ = {row.name}({called})")', '>>> net["Y_"].shape',
                      shown])


def _shape(text: str) -> tuple[Any, str]:
    """Return the shape and the kind of an operand of an example, written "n, 2*d" or "int n"."""
    kind = "int" if text.startswith("int ") else "real"
    parts = [s.strip() for s in text.removeprefix("int ").split(",")] if text else []
    dims = []
    for part in parts:
        factor, star, name = part.rpartition("*")
        dim = as_dim(int(name) if name.isdigit() else name)
        dims.append(int(factor) * dim if star else dim)
    return tuple(dims), kind


PUBLIC: dict[str, Callable[..., Any]] = {}
for _layer in WHOLE:
    PUBLIC[_layer.name] = _make(_layer.name, False)
    PUBLIC[_layer.name].__doc__ = _layer_doc(_layer)
    PUBLIC.update(dict.fromkeys(_layer.aliases, PUBLIC[_layer.name]))
for _row in ARRAY_FUNCTIONS:
    if _row.name not in ("max", "min") and not _row.subscripted and _row.name not in COMPOSED:
        PUBLIC[_row.name] = _make(_row.name, _row.listed)
        PUBLIC[_row.name].__doc__ = _doc(_row)
for _name in (*COMPOSED, *(n for n in _COMPOSED_DOCS if n not in COMPOSED)):
    PUBLIC[_name] = _make(_name, _name == "stack")
    PUBLIC[_name].__doc__ = _composed_doc(_name)


NAMES = tuple(name for name, made in PUBLIC.items() if made.__name__ == name)  # without the aliases


def __getattr__(name: str) -> Any:
    """Return a function made from a row."""
    if name in PUBLIC:
        return PUBLIC[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
