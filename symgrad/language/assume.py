"""Assumptions as users state them: text over names that exist, comparisons of expressions, SymPy's relations and facts.

    y in (0, 1);  0 <= p <= 1;  sum(y, axis=1) == 1;  A == A.T;  Q.T @ Q == eye(n);  n > m
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import sympy as sp

from symgrad.engine.assumptions import Assumption, Part
from symgrad.errors import InputError, ParseError, ShapeError, TextLimit
from symgrad.graph.node import Node, broadcast_to, const, identity, make, transpose
from symgrad.graph.text import COMPARISONS, to_text
from symgrad.language.functions import RELATIONS
from symgrad.language.scan import Source, plain, scan
from symgrad.language.text_functions import COMPARE
from symgrad.language.text_reader import Reader
from symgrad.shapes import Dim, as_dim, broadcast

_KINDS = {kind: name for name, kind in RELATIONS.items()}
_SIGNS = {"positive": "gt", "negative": "lt", "nonnegative": "ge", "nonpositive": "le", "nonzero": "ne"}
_FORMS = 'text such as "sum(y, axis=1) == 1", a comparison such as x > 0, or a relation or Q-fact of SymPy'


def read_fact(reader: Reader, fact: ast.expr) -> Assumption:
    """Return the fact of `left op right ...` or `left in (number, ...)`."""
    if not isinstance(fact, ast.Compare):
        raise reader.fail(fact, "assume takes one comparison, for example assume(0 <= y <= 1) or assume(y in (0, 1))")
    operands = [fact.left, *fact.comparators]
    parts: list[Part] = []
    for op, left, right in zip(fact.ops, operands, operands[1:]):
        kind = type(op).__name__
        if kind == "In":
            if not isinstance(right, ast.Tuple) or not right.elts:
                raise reader.fail(right, "a set is written as a tuple of numbers, for example (0, 1)")
            members = tuple(reader.lower(m) for m in right.elts)
            if any(m.op != "const" for m in members):
                raise reader.fail(right, "the members of a set are numbers, for example (0, 1)")
            parts.append(("in", reader.lower(left), members))
        elif kind in COMPARE:
            a, b = reader.lower(left), reader.lower(right)
            try:
                broadcast(a.shape, b.shape, names=[reader.written(left), reader.written(right)], op="assume")
            except ShapeError as error:
                raise reader.fail(fact, str(error), ShapeError) from None
            parts.append((COMPARE[kind], a, (b,)))
        else:
            raise reader.fail(fact, f"the comparison {kind} is not part of the language")
    return Assumption(" ".join((ast.get_source_segment(reader.source.code, fact) or "").split()), tuple(parts))


def facts_of_text(text: str, scope: Mapping[str, Node], sizes: Iterable[str | Dim] = ()) -> list[Assumption]:
    """Return the facts of a text in names that exist: comparisons, one a line or between `;`, with or without assume().

    Raises: ParseError, UnknownName and ShapeError with line and column.

    >>> from symgrad.graph.node import var
    >>> [str(a) for a in facts_of_text("0 <= y <= 1; assume(sum(y) == 1)", {"y": var("y", ("n",))})]
    ['0 <= y <= 1', 'sum(y) == 1']
    """
    source = scan(text)
    reader = Reader(source, dict(scope), {str(s): as_dim(s) for s in sizes})
    found = []
    for statement in _statements(source):
        fact = statement.value if isinstance(statement, ast.Expr) else None
        if isinstance(fact, ast.Call) and isinstance(fact.func, ast.Name) and fact.func.id == "assume":
            if len(fact.args) != 1 or fact.keywords:
                raise reader.fail(fact, "assume takes one comparison, for example assume(0 <= y <= 1)")
            fact = fact.args[0]
        if fact is None:
            raise reader.fail(statement, "an assumption is a comparison, for example sum(y) == 1; == compares")
        found.append(read_fact(reader, fact))
    if not found:
        raise ParseError("the text holds no assumption; write a comparison, for example x > 0")
    return found


def _statements(source: Source) -> list[ast.stmt]:
    try:
        return ast.parse(source.code, mode="exec").body
    except SyntaxError as error:
        line = min(max(error.lineno or 1, 1), len(source.lines))
        raise source.error(ParseError, f"not understood ({plain(error.msg)})", line, None) from None
    except ValueError as error:
        raise ParseError(f"the text cannot be read: {plain(str(error))}") from None
    except (RecursionError, MemoryError):
        raise TextLimit("the text is nested deeper than Python's parser reads; name parts by equations") from None


def facts_of_node(mask: Node, names: Mapping[Node, str]) -> list[Assumption]:
    """Return the facts of a comparison that stands as a node: x > 0, or a product of such."""
    parts: list[Part] = []
    stack = [mask]
    while stack:
        n = stack.pop()
        if n.op == "mul":
            stack += [n.args[1], n.args[0]]
        elif n.op in COMPARISONS:
            a, b = (_narrow(x) for x in n.args)
            parts.append((n.op, a, (b,)))
        else:
            raise InputError(f"an assumption is a comparison, not {to_text(n, names, expand_root=False)[:60]!r}. "
                             f"Give {_FORMS}")
    return [_written(p, names) for p in parts]


def _narrow(x: Node) -> Node:
    """Return what was broadcast to the shape of the other side."""
    if x.op in ("const", "size"):
        return make(x.op, (), x.attr, ())
    inner = x.args[0] if x.op == "einsum" and len(x.args) == 1 else x
    try:
        return inner if broadcast_to(inner, x.shape) is x else x
    except ShapeError:
        return x


def _written(part: Part, names: Mapping[Node, str]) -> Assumption:
    op, left, right = part
    texts = [to_text(n, names, expand_root=False) for n in (left, *right)]
    text = f"{texts[0]} in ({', '.join(texts[1:])}{',' * (len(right) == 1)})" if op == "in" else \
        f"{texts[0]} {COMPARISONS[op]} {texts[1]}"
    return Assumption(text, (part,))


def facts_of_sympy(fact: Any, lower: Callable[[Any], Node], names: Mapping[Node, str]) -> list[Assumption]:
    """Return the facts of a relation, of And of them, of Contains in a finite set, or of Q.positive(x), Q.symmetric(A).

    A relation that SymPy has decided already states nothing more. Raises: InputError for another kind, or a false one.
    """
    if fact is sp.true or fact is True:
        return []
    if isinstance(fact, sp.And):
        return [a for part in fact.args for a in facts_of_sympy(part, lower, names)]
    if type(fact) in _KINDS:
        left, right = lower(fact.lhs), lower(fact.rhs)
        broadcast(left.shape, right.shape, names=[str(fact.lhs), str(fact.rhs)], op="assume")
        return [_written((_KINDS[type(fact)], left, (right,)), names)]
    if isinstance(fact, sp.Contains) and isinstance(fact.args[1], sp.FiniteSet):
        members = tuple(lower(m) for m in fact.args[1].args)
        if all(m.op == "const" for m in members):
            return [_written(("in", lower(fact.args[0]), members), names)]
    if isinstance(fact, sp.AppliedPredicate) and len(fact.arguments) == 1:
        x, kind = lower(fact.arguments[0]), str(fact.function.name)
        if kind in _SIGNS:
            return [_written((_SIGNS[kind], x, (const(0),)), names)]
        if kind == "symmetric" and x.rank == 2:
            return [_written(("eq", x, (transpose(x),)), names)]
        if kind == "orthogonal" and x.rank == 2:
            return [_written(("eq", transpose(x) @ x, (identity(x.shape[1]),)), names)]
    raise InputError(f"{str(fact)[:60]!r} is no assumption that is understood. Give {_FORMS}")


def facts_of_symbol(symbol: Any, x: Node) -> list[Assumption]:
    """Return what SymPy's symbol says of its own value: its sign."""
    if not isinstance(symbol, sp.Symbol):
        return []
    strongest = next((k for k in ("positive", "negative", "nonnegative", "nonpositive", "nonzero")
                      if getattr(symbol, f"is_{k}")), None)
    return [] if strongest is None else [_written((_SIGNS[strongest], x, (const(0),)), {})]
