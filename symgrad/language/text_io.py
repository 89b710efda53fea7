"""Text to a network: declarations, equations, assumptions; and text to one expression in names that exist already.

    X: (n, d);  w: (d,);  y: (n,)          declarations: a name and its shape; int(n,) for whole numbers
    p = sigmoid(X @ w)                     equations; the last one is the output
    t*p where t = sum(p), u = 2*t          equations for one statement alone, behind its expression
    assume(y in (0, 1))                    facts about values
    mean(bce(p, y))                        a bare expression at the end is the output, named L
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from symgrad.engine.assumptions import Assumption
from symgrad.errors import InputError, ParseError, TextLimit
from symgrad.graph.node import Node, var
from symgrad.language.assume import read_fact
from symgrad.language.named import UserFunction, callable_in_text
from symgrad.language.network import Network, fresh
from symgrad.language.scan import Source, plain, scan
from symgrad.language.text_reader import Reader
from symgrad.shapes import Dim, as_dim

_CONSTANTS = ("pi", "inf")


@dataclass
class _Statements:
    """The statements of a text by their kind, in order."""

    declarations: dict[str, ast.AnnAssign] = field(default_factory=dict)
    equations: dict[str, ast.Assign] = field(default_factory=dict)
    assumptions: list[ast.Call] = field(default_factory=list)
    bare: ast.expr | None = None


def parse(text: str, functions: Iterable[UserFunction] | Mapping[str, UserFunction] = ()) -> Network:
    """Return the network that a text describes.

    Statements are separated by newlines or `;`. Where nothing is declared, every unknown name is a real scalar; with
    one declaration or more, all names are declared. The last equation, or a bare expression at the end, is the output.
    A function of several values takes as many names: `h, c = lstm_cell(...)`.
    `functions` are those of `symgrad.function` that the text may call, besides symgrad's own.
    Shapes: by NumPy's rules, from the declared ones.
    Raises: ParseError, UnknownName, ShapeError and NoRule with line, column and what to write instead; TextLimit
    naming the limit.

    >>> net = parse("X: (n, 3); w: (3,); y: (n,); p = sigmoid(X @ w); mean(bce(p, y))")
    >>> net.output.shape
    ()
    """
    source, tree = _read(text)
    found = _sorted(source, tree)
    reader = Reader(source, {}, {}, open=not found.declarations, functions=callable_in_text(functions),
                    later=found.equations)
    for name, declaration in found.declarations.items():
        reader.scope[name] = _declared(reader, name, declaration)
    for size in reader.sizes:
        taken = found.declarations.get(size) or found.equations.get(size)
        if taken is not None:
            raise reader.fail(taken, f"{size!r} is a size already; give the variable another name")
    equations: dict[str, Node] = {}
    for name, equation in found.equations.items():
        if name not in equations:
            equations |= _values(reader, equation)
            reader.scope |= equations
    if found.bare is not None:
        node = reader.lower(found.bare)
        equations[fresh("L", {*reader.scope, *reader.sizes, *reader.functions})] = node
    assumptions = [_assumption(reader, call) for call in found.assumptions]
    inputs = [node for name, node in reader.scope.items() if name not in equations]
    net = Network.of(inputs, equations, reader.calls, assumptions)
    net.unnamed = found.bare is not None
    net.reserved |= reader.functions.keys()
    return net


def parse_expression(text: str, scope: Mapping[str, Node], sizes: Iterable[str | Dim] = ()) -> Node:
    """Return the node of an expression in the names of `scope`; equations may come before it, the last one counts.

    `sizes` are the size names that the expression may use. Nothing is declared here; an unknown name is an error.
    Raises: as `parse`.

    >>> from symgrad.graph.node import var
    >>> parse_expression("A @ B.T / n", {"A": var("A", (2, "n")), "B": var("B", (3, "n"))}, ["n"]).shape
    (2, 3)
    """
    source, tree = _read(text)
    found = _sorted(source, tree)
    others: list[ast.stmt | ast.expr] = [*found.declarations.values(), *found.assumptions]
    if others:
        raise source.error(ParseError, "only equations and an expression belong here; names are known already",
                           others[0].lineno, others[0].col_offset)
    known = {str(s): as_dim(s) for s in sizes}
    reader = Reader(source, dict(scope), known, later=found.equations)
    node: Node | None = None
    for name, equation in found.equations.items():
        if name in scope or name in known:
            raise reader.fail(equation, f"{name!r} has a meaning already; give the new value another name")
        if name not in reader.scope:
            reader.scope |= _values(reader, equation)
        node = reader.scope[name]
    if found.bare is not None:
        node = reader.lower(found.bare)
    assert node is not None  # `_sorted` has found something to compute
    return node


def _read(text: object) -> tuple[Source, ast.Module]:
    if not isinstance(text, str):
        raise InputError(f"a text is a str, not {type(text).__name__}")
    source = scan(text)
    try:
        return source, ast.parse(source.code, mode="exec")
    except SyntaxError as error:
        line = min(max(error.lineno or 1, 1), len(source.lines))
        column = None if error.offset is None else max(error.offset - 1, 0)
        raise source.error(ParseError, f"not understood ({plain(error.msg)})", line, column) from None
    except ValueError as error:
        raise ParseError(f"the text cannot be read: {plain(str(error))}") from None
    except (RecursionError, MemoryError):
        raise TextLimit("the text is nested deeper than Python's parser reads; name parts by equations") from None


def _sorted(source: Source, tree: ast.Module) -> _Statements:
    """Return the statements by kind; every name is given once."""
    out = _Statements()
    given: dict[str, int] = {}

    def fail(at: ast.AST, message: str) -> Exception:
        return source.error(ParseError, message, getattr(at, "lineno", 1), getattr(at, "col_offset", None))

    def name_of(target: ast.expr) -> str:
        if not isinstance(target, ast.Name):
            advice = " A function is not defined in a text" if isinstance(target, ast.Call) else ""
            raise fail(target, f"the left side of an equation or declaration is one name, or the names of several "
                               f"values.{advice}")
        name = target.id
        if name in _CONSTANTS:
            raise fail(target, f"{name!r} is a constant; choose another name")
        if name in given:
            raise fail(target, f"{name!r} is given twice, first in line {given[name]}; choose another name")
        given[name] = target.lineno
        return name

    for statement in tree.body:
        if out.bare is not None and not _is_assume(statement):
            raise fail(out.bare, "this expression has no name, and more follows. Write name = expression; only the "
                                 "last statement may go without")
        if isinstance(statement, ast.AnnAssign):
            if statement.value is not None:
                raise fail(statement, "a declaration has no value. Write the equation alone: its shape is computed")
            out.declarations[name_of(statement.target)] = statement
        elif isinstance(statement, ast.Assign):
            if len(statement.targets) > 1:
                raise fail(statement, "one equation gives one name; write them on two lines")
            target = statement.targets[0]
            several = target.elts if isinstance(target, ast.Tuple) and len(target.elts) > 1 else [target]
            out.equations |= {name_of(t): statement for t in several}
        elif isinstance(statement, ast.Expr):
            if _is_assume(statement):
                assert isinstance(statement.value, ast.Call)
                out.assumptions.append(statement.value)
                continue
            if isinstance(statement.value, ast.UnaryOp) and statement.col_offset == 0 and given:
                raise fail(statement, "this line begins with a sign after a line that is complete. Put brackets round "
                                      "an expression that spans lines, or give this one a name")
            out.bare = statement.value
        else:
            raise fail(statement, f"the statement {type(statement).__name__} is not part of the language")
    if not out.equations and out.bare is None:
        what = "only declarations" if out.declarations else "no statement"
        raise ParseError(f"the text holds {what}; write an expression or an equation, for example L = (w*x - y)**2")
    return out


def _values(reader: Reader, equation: ast.Assign) -> dict[str, Node]:
    """Return what an equation gives its name, or its names."""
    target = equation.targets[0]
    names = [t.id for t in (target.elts if isinstance(target, ast.Tuple) else [target]) if isinstance(t, ast.Name)]
    if isinstance(target, ast.Tuple):
        return dict(zip(names, reader.several(equation.value, names)))
    return {names[0]: reader.lower(equation.value)}


def _is_assume(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call) and \
        isinstance(statement.value.func, ast.Name) and statement.value.func.id == "assume"


def _declared(reader: Reader, name: str, statement: ast.AnnAssign) -> Node:
    """Return the variable of a declaration: (n, d), or int(n,) for whole numbers."""
    shape, kind = statement.annotation, "real"
    if isinstance(shape, ast.Call) and isinstance(shape.func, ast.Name) and shape.func.id == "int":
        if shape.keywords:
            raise reader.fail(shape, "int takes sizes alone, for example int(n,)")
        return var(name, reader.shape(shape.args, declare=True), "int")
    if not isinstance(shape, ast.Tuple):
        raise reader.fail(shape, f"a shape is a tuple: {name}: () for a scalar, {name}: (n,) for n entries, "
                                 f"{name}: (n, d) for a matrix, {name}: int(n,) for whole numbers")
    return var(name, reader.shape(shape.elts, declare=True), kind)


def _assumption(reader: Reader, call: ast.Call) -> Assumption:
    if len(call.args) != 1 or call.keywords:
        raise reader.fail(call, "assume takes one comparison, for example assume(0 <= y <= 1) or assume(y in (0, 1))")
    return read_fact(reader, call.args[0])
