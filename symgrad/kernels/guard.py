"""The last look at generated source before it runs: only what a kernel is made of may stand in it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Container
from functools import wraps
from types import CodeType
from typing import Any

import numpy as np

from symgrad.errors import InputError, SymgradError
from symgrad.kernels.array_source import array_words
from symgrad.kernels.checks import check, require
from symgrad.kernels.names import is_plain
from symgrad.kernels.singular import explained
from symgrad.rules.elementwise import FUNCTIONS

NUMPY_NAMES = frozenset({
    "ndarray", "add", "reduce", "sum", "einsum", "vdot", "transpose", "reshape", "where", "copyto", "eye",
    "full", "zeros", "ones", "broadcast_to", "square", "negative", "logical_and", "logical_not", "float64", "bool_",
    "pi", "e", "inf", "nan",
}) | frozenset(f.numpy for f in FUNCTIONS if f.numpy)
_METHODS = frozenset({"T", "shape", "ndim", "dtype", "char", "isnative", "type", "copy", "astype", "item", "dot"})
_ATTRIBUTES = NUMPY_NAMES | _METHODS
_KEYWORDS = frozenset({"out", "axis", "keepdims", "dtype", "where", "expected", "integers", "limits"})
_OURS = frozenset({"np", "check", "require", "unknown", "more", "INPUTS", "type", "len"})
_CALLED = frozenset({"type", "len", "check", "require"})
_NODES = (
    ast.Module, ast.FunctionDef, ast.arguments, ast.arg, ast.Assign, ast.AugAssign, ast.Expr, ast.If, ast.Return,
    ast.Tuple, ast.List, ast.Dict, ast.Name, ast.Attribute, ast.Call, ast.keyword, ast.Constant, ast.BinOp, ast.UnaryOp,
    ast.Compare, ast.BoolOp, ast.Subscript, ast.Slice, ast.Load, ast.Store, ast.operator, ast.unaryop, ast.cmpop,
    ast.boolop, ast.Import, ast.alias, ast.Delete, ast.Del,
)


def _path(node: ast.Attribute) -> str:
    """Return np.linalg.inv and the like as text, '' for what does not begin with np."""
    parts: list[str] = []
    below: ast.expr = node
    while isinstance(below, ast.Attribute):
        parts.append(below.attr)
        below = below.value
    return ".".join(["np", *reversed(parts)]) if isinstance(below, ast.Name) and below.id == "np" else ""


def _fault(node: ast.AST, defined: Container[str]) -> str | None:
    if not isinstance(node, _NODES):
        return type(node).__name__
    if isinstance(node, ast.Import):
        only = [(a.name, a.asname) for a in node.names] == [("numpy", "np")]
        return None if only else "an import"
    if isinstance(node, ast.Name):
        return None if is_plain(node.id) or node.id in _OURS else node.id
    if isinstance(node, ast.arg):
        return None if is_plain(node.arg) or node.arg in _OURS else node.arg
    if isinstance(node, ast.Attribute):
        return None if node.attr in _ATTRIBUTES or _path(node) in array_words()[0] else node.attr
    if isinstance(node, ast.keyword):
        return None if node.arg in _KEYWORDS | array_words()[1] else str(node.arg)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return None if node.func.id in _CALLED or node.func.id in defined else node.func.id
    if isinstance(node, ast.Call) and not isinstance(node.func, ast.Attribute):
        return "a call"
    if isinstance(node, ast.FunctionDef):
        return "a decorator" if node.decorator_list or node.returns else None if is_plain(node.name) else node.name
    return None


def guarded(source: str) -> ast.Module:
    """Return the source parsed, without its import; raise where anything foreign stands in it."""
    tree = ast.parse(source)
    defined = frozenset(n.name for n in tree.body if isinstance(n, ast.FunctionDef))  # erf, gamma
    inside = {part for node in ast.walk(tree) if isinstance(node, ast.Attribute) and _path(node) in array_words()[0]
              for part in ast.walk(node.value) if isinstance(part, ast.Attribute)}
    for node in ast.walk(tree):
        fault = None if node in inside else _fault(node, defined)
        if fault is not None:
            raise SymgradError(f"generated source holds {fault[:64]!r}, which no kernel needs; it is not run")
    tree.body = [n for n in tree.body if not isinstance(n, ast.Import)]
    if not all(isinstance(n, (ast.FunctionDef, ast.Assign, ast.Expr)) for n in tree.body):
        raise SymgradError("generated source holds more than data and functions; it is not run")
    return tree


def in_range(run: Callable[..., Any]) -> Callable[..., Any]:
    """Return `run` raising InputError where an index that it computes lies outside its axis."""

    @wraps(run)
    def call(*args: Any, **named: Any) -> Any:
        try:
            return run(*args, **named)
        except IndexError as error:
            raise InputError(f"an index computed from the inputs is out of range: {error}. Look at the sums that "
                             f"choose entries; one_hot and labels count from 0, what is below is beyond the end") \
                from None

    return call


def load(source: str, function: str) -> Callable[..., Any]:
    """Return the function of guarded source; it sees NumPy, the checks of its arguments and no builtins."""
    filename = f"<symgrad {function}>"
    code: CodeType = compile(guarded(source), filename, "exec")
    space: dict[str, Any] = {"np": np, "check": check, "require": require, "type": type, "len": len, "__builtins__": {}}
    exec(code, space)  # noqa: S102  # built as a tree from a closed table and guarded above
    found: Callable[..., Any] = space[function]
    found = explained(found, source, filename) if "np.linalg." in source else found
    return in_range(found) if "np.intp" in source else found
