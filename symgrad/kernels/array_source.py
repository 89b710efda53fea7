"""Functions of whole arrays in source: the NumPy spelling of a row with operands, options and sizes put in."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from functools import lru_cache
from typing import Any

import sympy as sp

from symgrad.kernels.plan import Val
from symgrad.kernels.trees import dim_expression, literal, tuple_of
from symgrad.rules.arrays import ARRAY_FUNCTIONS, BY_NAME
from symgrad.rules.row import operand_names
from symgrad.shapes import Dim

KEYS = frozenset({"inner", "cut", "thin"})  # names of a row that stand for subscripts, besides at_...
ARRAY_OPS = frozenset({"array", "array_view", "array_lines"})


@lru_cache(maxsize=1)
def array_words() -> tuple[frozenset[str], frozenset[str]]:
    """Return what the table of rows brings into generated source: whole paths such as np.linalg.inv, and keywords."""
    sources: list[str] = []
    for row in ARRAY_FUNCTIONS:
        for example in (row.example, *row.further):
            operands, options = row.placeholders(example)
            node = row(*operands, **options)
            sources += [row.spelling(node), row.spelling(node, plain=True)]
        sources += [row.factor, row.alone]
    trees = [n for s in sources for n in ast.walk(ast.parse(s))]
    parts = {n.value for n in trees if isinstance(n, ast.Attribute)}
    return (frozenset(ast.unparse(n) for n in trees if isinstance(n, ast.Attribute) and n not in parts),
            frozenset(n.arg for n in trees if isinstance(n, ast.keyword) and n.arg is not None))


@lru_cache(maxsize=256)
def _parsed(source: str) -> ast.Module:
    return ast.parse(source)


class _Fill(ast.NodeTransformer):
    """Puts trees in the place of names."""

    def __init__(self, trees: Mapping[str, ast.expr], target: str) -> None:
        self.trees, self.target = trees, target

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id == "out":
            return ast.Name(self.target, node.ctx)
        return deepcopy(self.trees[node.id]) if node.id in self.trees else node


def _option(value: Any, sizes: Mapping[str, str]) -> ast.expr:
    """Return an option as source; a size stands in the locals that hold the named sizes."""
    if isinstance(value, tuple):
        return tuple_of([_option(v, sizes) for v in value])
    if value is None or isinstance(value, bool):
        return ast.Constant(value)
    return literal(value) if isinstance(value, int) else dim_expression(value, sizes)


def _subscript(items: Sequence[Any], sizes: Mapping[str, str]) -> ast.expr:
    """Return a subscript as source: a triple is a slice."""
    def bound(x: Any) -> ast.expr | None:
        return None if x is None else _option(x, sizes)

    parts: list[ast.expr] = []
    for item in items:
        if isinstance(item, tuple):
            start, stop, step = item
            first, by = None if start == 0 else start, None if step == 1 else step
            parts.append(ast.Slice(bound(first), bound(stop), bound(by)))
        else:
            parts.append(_option(item, sizes))
    return parts[0] if len(parts) == 1 else tuple_of(parts)


def _more(v: Val) -> dict[str, Any]:
    row = BY_NAME[v.attr[0]]
    return {} if row.names is None else row.names(*(a.shape for a in v.args), **dict(v.attr[2]))


def _filled(v: Val, args: Sequence[ast.expr], dtype: ast.expr, sizes: Mapping[str, str], target: str) -> ast.Module:
    row = BY_NAME[v.attr[0]]
    subscripts = {o.name for o in row.options if o.kind == "Key"} | {n for n in _more(v) if n in KEYS or n[:3] == "at_"}
    trees = {
        "shape": tuple_of([_option(d, sizes) for d in v.shape]), "dtype": dtype,
        **({row.params[0]: tuple_of(list(args))} if row.listed else {}),
        **dict(zip(operand_names(row, len(args)) if row.listed else (*row.params, "factor"), args)),
    }
    for key, value in [*v.attr[2], *_more(v).items()]:
        trees[key] = _subscript(value, sizes) if key in subscripts else _option(value, sizes)
    made: ast.Module = _Fill(trees, target).visit(deepcopy(_parsed(v.attr[1])))
    return made


def array_expression(v: Val, args: Sequence[ast.expr], dtype: ast.expr, sizes: Mapping[str, str]) -> ast.expr:
    """Return the operation as one expression."""
    if v.op == "array_factor":
        params, source = v.attr
        line = _Fill(dict(zip(params, args)), "out").visit(deepcopy(_parsed(source))).body[0]
    else:
        line = _filled(v, args, dtype, sizes, "out").body[0]
    assert isinstance(line, ast.Expr)  # operations of several lines have a line of their own
    return line.value


def array_lines(v: Val, args: Sequence[ast.expr], target: str, dtype: ast.expr,
                sizes: Mapping[str, str]) -> list[ast.stmt]:
    """Return the operation as lines that set `target`."""
    return _filled(v, args, dtype, sizes, target).body


def array_dims(v: Val) -> list[Dim]:
    """Return the sizes that the source of the operation may name."""
    values = _values([v.shape, [value for _, value in v.attr[2]], list(_more(v).values())])
    return [value for value in values if isinstance(value, sp.Expr)]


def _values(root: Any) -> Iterator[Any]:
    stack = [root]
    while stack:
        value = stack.pop()
        if isinstance(value, (tuple, list)):
            stack.extend(value)
        else:
            yield value
