"""Operations to Python source: an `ast` tree over a closed set of NumPy functions, checked again before it is run."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

from symgrad.errors import NoRule
from symgrad.kernels.array_source import array_expression, array_lines
from symgrad.kernels.plan import COMPARISONS, PYTHON, Val, number
from symgrad.kernels.schedule import Schedule
from symgrad.kernels.trees import call, dim_expression, dyadic, literal, name, np_attr, tuple_of
from symgrad.rules.elementwise import BY_NAME
from symgrad.shapes import Dim

_OPERATORS: dict[str, ast.operator] = {
    "add": ast.Add(), "sub": ast.Sub(), "mul": ast.Mult(), "div": ast.Div(), "matmul": ast.MatMult(),
    "and": ast.BitAnd(),
}
_COMPARE: dict[str, ast.cmpop] = {
    "gt": ast.Gt(), "ge": ast.GtE(), "lt": ast.Lt(), "le": ast.LtE(), "eq": ast.Eq(), "ne": ast.NotEq(),
}
_UFUNCS = {name: row.numpy for name, row in BY_NAME.items() if row.numpy} | {
    "square": "square", "neg": "negative", "and": "logical_and", "not": "logical_not",
}


class Writer:
    """Writes values as expressions and lines; `local` names the inputs, `sizes` the sizes."""

    def __init__(self, plan: Schedule, local: Mapping[Val, str], sizes: Mapping[str, str], dtype: ast.expr,
                 plain: bool = False, helpers: Mapping[tuple[object, ...], str] = {}) -> None:
        self._plan = plan
        self._local = dict(local) | plan.local
        self._sizes = sizes
        self._dtype = dtype
        self._plain = plain
        self._helpers = helpers

    def dim(self, dim: Dim) -> ast.expr:
        """Return a size in terms of the locals that hold the named sizes."""
        return dim_expression(dim, self._sizes)

    def shape(self, shape: Sequence[Dim]) -> ast.expr:
        return tuple_of([self.dim(d) for d in shape])

    def value(self, v: Val) -> ast.expr:
        """Return the expression a line uses for an operand."""
        if v.op == "const":
            return np_attr(v.attr[1]) if v.attr[0] == "name" else literal(number(v))
        if v.op == "dim":
            return self.dim(v.attr[0])
        # the depth of what is written inside a line is bounded by the schedule, so this does not recurse far
        return self.expression(v) if v in self._plan.inline else name(self._local[v])

    def _args(self, v: Val) -> list[ast.expr]:
        if self._plain or v.kind == PYTHON or v.op == "pow":
            return [self.value(a) for a in v.args]
        return [self._beside_array(a) for a in v.args]

    def _beside_array(self, v: Val) -> ast.expr:
        c = number(v)
        if c is not None and not isinstance(c, float) and -(2**53) < c < 2**53 and dyadic(c):
            return literal(float(c))  # NumPy reads 1.0 faster than 1
        return self.value(v)

    def expression(self, v: Val) -> ast.expr:
        """Return the operation itself."""
        op, attr = v.op, v.attr
        args = self._args(v)
        if v.kind == PYTHON and op not in COMPARISONS:
            return self._number(v, args)
        if op == "matmul" and not self._plain and all(len(a.shape) <= 2 for a in v.args):
            return call(ast.Attribute(args[0], "dot", ast.Load()), args[1])  # on small arrays twice as fast as @
        if op in _OPERATORS:
            return ast.BinOp(args[0], _OPERATORS[op], args[1])
        if op in _COMPARE:
            return ast.Compare(args[0], [_COMPARE[op]], [args[1]])
        if op == "neg":
            return ast.UnaryOp(ast.USub(), args[0])
        if op == "not":
            return ast.UnaryOp(ast.Invert(), args[0])
        if op == "square" and (self._plain or not v.shape):
            return ast.BinOp(args[0], ast.Pow(), ast.Constant(2))
        if op == "view":
            return self._view(v, args[0])
        if op == "sum":
            axes, keep = attr
            axis = literal(axes[0] if len(axes) == 1 else axes)
            if len(axes) == len(v.args[0].shape):
                axis = ast.Constant(None)
            options: dict[str, ast.expr] = {"axis": axis} | ({"keepdims": ast.Constant(True)} if keep else {})
            return call(np_attr("sum") if self._plain else np_attr("add", "reduce"), args[0], **options)
        if op in ("einsum", "diagonal"):
            return call(np_attr("einsum"), ast.Constant(attr[0]), *args)
        if op == "vdot":
            return call(np_attr("vdot"), *args)
        if op == "merge":
            return call(np_attr("reshape"), args[0], self.shape(v.shape))
        if op == "eye":
            return call(np_attr("eye"), self.dim(attr[0]), dtype=np_attr("bool_"))
        if op == "cast":
            if self._plain:
                return ast.BinOp(args[0], ast.Mult(), ast.Constant(1.0))
            return call(ast.Attribute(args[0], "astype", ast.Load()), self._dtype)
        if op == "scalar":
            return args[0] if self._plain else call(ast.Attribute(self._dtype, "type", ast.Load()), args[0])
        if op == "copy":
            if self._plain:
                return args[0]
            if v.shape:
                return call(ast.Attribute(args[0], "copy", ast.Load()))
            return ast.Subscript(args[0], tuple_of([]), ast.Load())
        if op in ("array", "array_view", "array_factor"):
            return array_expression(v, args, self._dtype, self._sizes)
        if op == "full":
            return self._full(v, args[0])
        if op == "call":
            made = call(name(self._helpers[attr]), *args)
            return made if v.shape else ast.Subscript(made, tuple_of([]), ast.Load())
        if op == "where" and not v.shape and not self._plain:  # a number, not an array without axes
            return ast.Subscript(call(np_attr("where"), *args), tuple_of([]), ast.Load())
        return call(np_attr(_ufunc(op)), *args)

    def _number(self, v: Val, args: list[ast.expr]) -> ast.expr:
        """Return arithmetic of Python numbers; what could divide by 0 goes through NumPy."""
        if v.op == "neg":
            return ast.UnaryOp(ast.USub(), args[0])
        if v.op in ("add", "sub", "mul") or (v.op == "div" and (v.args[1].op == "dim" or number(v.args[1]))):
            return ast.BinOp(args[0], _OPERATORS[v.op], args[1])
        if v.op == "pow":
            args[0] = ast.BinOp(args[0], ast.Mult(), ast.Constant(1.0))  # an integer to a negative power raises
        return call(ast.Attribute(call(np_attr(_ufunc(v.op)), *args), "item", ast.Load()))

    def _view(self, v: Val, x: ast.expr) -> ast.expr:
        pattern: tuple[int, ...] = v.attr[0]
        rank = len(v.args[0].shape)
        kept = [k for k in pattern if k >= 0]
        gone = [k for k in range(rank) if k not in kept]
        if self._plain and (gone or len(kept) < len(pattern)):
            if kept != sorted(kept):
                x = call(np_attr("transpose"), x, literal((*kept, *gone)))
            return call(np_attr("reshape"), x, self.shape(v.shape))
        if kept != sorted(kept):
            order = (*kept, *gone)
            if order == tuple(reversed(range(rank))):
                x = ast.Attribute(x, "T", ast.Load())
            else:
                x = call(np_attr("transpose"), x, literal(order))
            where = {k: i for i, k in enumerate(order)}
            pattern = tuple(-1 if k < 0 else where[k] for k in pattern)
            gone = [where[k] for k in gone]
        if not gone and -1 not in pattern:
            return x
        index: list[ast.expr] = []
        axis = 0
        for k in (*pattern, rank):
            while axis < rank and axis in gone and (axis < k or k == rank):
                index.append(ast.Constant(0))
                axis += 1
            if k == -1:
                index.append(ast.Constant(None))
            elif k < rank:
                index.append(ast.Slice())
                axis = k + 1
        return ast.Subscript(x, index[0] if len(index) == 1 else tuple_of(index), ast.Load())

    def _full(self, v: Val, x: ast.expr) -> ast.expr:
        """Return an array of its own with every axis in full."""
        source = v.args[0]
        if self._plain and v.attr == ("operand",) and source.kind == PYTHON:  # a function asks it for its dtype
            return call(np_attr("full"), self.shape(v.shape), x)
        if self._plain:
            return call(np_attr("broadcast_to"), x, self.shape(v.shape)) if v.shape else x
        if source.kind == PYTHON or not source.shape:
            if number(source) == 0 and v.shape:
                return call(np_attr("zeros"), self.shape(v.shape), dtype=self._dtype)
            filled = call(np_attr("full"), self.shape(v.shape), x, dtype=self._dtype)
            return filled if v.shape else ast.Subscript(filled, tuple_of([]), ast.Load())
        return call(ast.Attribute(call(np_attr("broadcast_to"), x, self.shape(v.shape)), "copy", ast.Load()))

    @staticmethod
    def _on_diagonal(spec: str, target: str, entries: ast.expr, op: ast.operator | None = None) -> ast.stmt:
        """Return the line that sets the diagonal of an array, or adds to it; np.einsum shows it as a view."""
        view = call(np_attr("einsum"), ast.Constant(spec), name(target))
        place = ast.Subscript(view, ast.Constant(...), ast.Store())
        return ast.Assign([place], entries, lineno=0) if op is None else ast.AugAssign(place, op, entries)

    def lines(self, v: Val) -> list[ast.stmt]:
        """Return the statements that compute `v`, in the memory of an operand where the schedule says so."""
        target = self._local[v]
        over = self._plan.into.get(v)
        store = ast.Name(target, ast.Store())
        if v.op == "array_lines":
            return array_lines(v, self._args(v), target, self._dtype, self._sizes)
        if v.op == "spread":
            zeros = call(np_attr("zeros"), self.shape(v.shape), dtype=self._dtype)
            return [ast.Assign([store], zeros, lineno=0), self._on_diagonal(v.attr[0], target, self._args(v)[0])]
        if v.op == "diagonal_add":
            whole, entries = self._args(v)
            op: ast.operator = ast.Add() if v.attr[1] > 0 else ast.Sub()
            start = call(ast.Attribute(whole, "copy", ast.Load())) if over is None else whole
            first: list[ast.stmt] = [] if over is not None and self._local[over] == target else \
                [ast.Assign([store], start, lineno=0)]
            return [*first, self._on_diagonal(v.attr[0], target, entries, op)]
        if over is None:
            return [ast.Assign([store], self.expression(v), lineno=0)]
        old = self._local[over]
        args = self._args(v)
        if v.op == "where":
            condition, x, y = args
            if v.args[2] is over:
                fill = call(np_attr("copyto"), y, x, where=condition)
            else:
                fill = call(np_attr("copyto"), x, y, where=ast.UnaryOp(ast.Invert(), condition))
            rename: list[ast.stmt] = [] if target == old else [ast.Assign([store], name(old), lineno=0)]
            return [ast.Expr(fill), *rename]
        if target == old and v.op in ("add", "sub", "mul", "div"):
            if v.args[0] is over:
                return [ast.AugAssign(store, _OPERATORS[v.op], args[1])]
            if v.op in ("add", "mul"):
                return [ast.AugAssign(store, _OPERATORS[v.op], args[0])]
        value = call(np_attr(_ufunc(v.op)), *args, out=name(old))
        return [ast.Expr(value) if target == old else ast.Assign([store], value, lineno=0)]


def _ufunc(op: str) -> str:
    found = _UFUNCS.get(op)
    if found is None:
        raise NoRule(f"{op!r} has no NumPy function")
    return found
