"""The text of a kernel: checks of its arguments, one line an operation, what it returns."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import sympy as sp

from symgrad.errors import ShapeError
from symgrad.graph.node import Node
from symgrad.graph.text import plain_name
from symgrad.kernels.array_source import ARRAY_OPS, array_dims
from symgrad.kernels.helpers import helper_lines, helper_names
from symgrad.kernels.names import Locals, shown
from symgrad.kernels.numpy_target import Writer
from symgrad.kernels.plan import Val, free_sizes
from symgrad.kernels.schedule import Schedule, name_locals
from symgrad.kernels.trees import call, dim_expression, literal, name, np_attr, tuple_of
from symgrad.rules.needs import Need
from symgrad.shapes import Dim

WIDTH = 100
Bounds: TypeAlias = "Mapping[Node, Mapping[Dim, bool]]"  # of what chooses entries: the size, whether it may count back


@dataclass(frozen=True)
class Returned:
    """What a kernel hands back: the values, and the gradients by name where there are any."""

    values: Mapping[str, Val]
    grads: Mapping[str, Val] | None


def text_of(node: ast.AST) -> str:
    return ast.unparse(node)


def _wrapped(opening: str, parts: Sequence[str], joint: str, closing: str) -> list[str]:
    """Return one line, or one line a part where that is too long."""
    line = opening + joint.join(parts) + closing
    if len(line) <= WIDTH or len(parts) < 2:
        return [line]
    if joint == ", ":
        return [opening, *(f"    {p}," for p in parts), closing]
    return [opening, f"    {parts[0]}", *(f"    {joint.strip()} {p}" for p in parts[1:]), closing]


class Sizes:
    """The locals that hold the named sizes, and where each is read from."""

    def __init__(self, inputs: Sequence[Node], needed: Sequence[Dim], given: Mapping[str, int], params: Sequence[str],
                 locals_: Locals, quick: bool = True) -> None:
        names = dict.fromkeys(s.name for d in [*(d for x in inputs for d in x.shape), *needed] for s in free_sizes(d))
        self.local = {n: locals_.claim_or_fresh(n) for n in names}
        self.lines: list[ast.stmt] = []
        self.origin: dict[str, tuple[int, int]] = {}  # size -> input and axis where it stands by itself
        self.readers: list[int] = []  # the inputs whose rank must be known before their shape is read
        known: dict[str, ast.expr] = {n: literal(int(given[n])) for n in names if n in given}
        places = [(k, axis, d) for k, x in enumerate(inputs) for axis, d in enumerate(x.shape)]
        places.sort(key=lambda p: not isinstance(p[2], sp.Symbol))  # plain names first, arithmetic of them second
        for k, axis, d in places:
            new = [s for s in free_sizes(d) if s.name not in known]
            if len(new) != 1:
                continue
            read: ast.expr = ast.Subscript(
                ast.Attribute(name(params[k]), "shape", ast.Load()), ast.Constant(axis), ast.Load()
            )
            if axis == 0 and quick:
                read = call(name("len"), name(params[k]))
            solved = self._solve(d, new[0], read)
            if solved is not None:
                known[new[0].name] = solved
                if d == new[0]:
                    self.origin[new[0].name] = (k, axis)
                self.readers.append(k)
        missing = sorted(set(names) - set(known))
        if missing:
            raise ShapeError(
                f"no input has an axis of size {', '.join(missing)}, so a call cannot tell it. "
                f"Give it when compiling: sizes={{{missing[0]!r}: 3}}"
            )
        self.evident = {  # inputs whose shape defines sizes and nothing else, so that it fits whatever it is
            k for k, x in enumerate(inputs) if x.shape and all(
                isinstance(d, sp.Symbol) and self.origin.get(d.name) == (k, axis) for axis, d in enumerate(x.shape))
        }
        whole = [k for k in sorted(self.evident) if len(inputs[k].shape) > 1]
        for k in whole:  # every axis is a size read here: one line takes them all
            axes = [self.local[d.name] for d in inputs[k].shape if not isinstance(d, int)]
            row = ast.Tuple([ast.Name(a, ast.Store()) for a in axes], ast.Store())
            self.lines.append(ast.Assign([row], ast.Attribute(name(params[k]), "shape", ast.Load()), lineno=0))
        done = {n for n, (k, _) in self.origin.items() if k in whole}
        self.lines += [
            ast.Assign([ast.Name(self.local[n], ast.Store())], e, lineno=0) for n, e in known.items() if n not in done
        ]

    def _solve(self, dim: Dim, s: sp.Symbol, read: ast.expr) -> ast.expr | None:
        """Return the source for `s` such that `dim` equals what is read, where `dim` is linear in `s`."""
        if dim == s:
            return read
        slope = sp.diff(dim, s)
        if not slope.is_Integer:
            return None
        rest = sp.expand(dim - slope * s)
        if rest != 0:
            read = ast.BinOp(read, ast.Sub(), dim_expression(rest if not rest.is_Integer else int(rest), self.local))
        return read if slope == 1 else ast.BinOp(read, ast.FloorDiv(), literal(int(slope)))


def _shape_text(dims: Sequence[Dim], sizes: Sizes) -> ast.expr:
    """Return a declared shape as data: integers and strings."""
    return tuple_of([
        ast.Constant(d if isinstance(d, int) else text_of(dim_expression(d, sizes.local))) for d in dims
    ])


def _guards(inputs: Sequence[Node], params: Sequence[str], sizes: Sizes, axes: Sequence[str],
            bounds: Bounds) -> list[str]:
    """Return the lines that let a fitting call through at once and send every other one to `check`."""
    arrays = [name(p) for p in params]
    given = tuple_of(arrays)
    integers = [p for p, x in zip(params, inputs) if x.attr[1] == "int"]
    options: dict[str, ast.expr] = {"integers": tuple_of([ast.Constant(p) for p in integers])} if integers else {}
    convert = ast.Assign(
        [ast.Tuple([ast.Name(p, ast.Store()) for p in params], ast.Store())],
        call(name("check"), name("INPUTS"), given, name("unknown"), name("more"), **options), lineno=0,
    )
    out: list[str] = []
    if integers:
        out.append(text_of(convert))
    elif not params:
        out += ["if more or unknown:", "    check(INPUTS, (), unknown, more)"]
    else:
        same: list[ast.cmpop] = [ast.Is()] * len(arrays)
        types = [call(name("type"), a) for a in arrays]
        dtypes: list[ast.expr] = [ast.Attribute(a, "dtype", ast.Load()) for a in arrays]
        parts = ["more or unknown", f"not ({text_of(ast.Compare(types[0], same, [*types[1:], np_attr('ndarray')]))})"]
        if len(arrays) > 1:
            parts.append(f"not ({text_of(ast.Compare(dtypes[0], same[1:], dtypes[1:]))})")
        parts += [f"{params[0]}.dtype.char not in 'fd'", f"not {params[0]}.dtype.isnative"]
        parts += [f"{params[k]}.ndim != {len(inputs[k].shape)}" for k in dict.fromkeys(sizes.readers)]
        out += _wrapped("if (", parts, " or ", "):") if len(parts) > 1 else [f"if {parts[0]}:"]
        out.append("    " + text_of(convert))
    out += [text_of(line) for line in sizes.lines]
    expected = [tuple_of([dim_expression(d, sizes.local) for d in x.shape]) for x in inputs]
    tests = [
        f"{p}.shape != {text_of(e)}" for k, (p, x, e) in enumerate(zip(params, inputs, expected))
        if k not in sizes.evident
    ]
    tests += [f"{sizes.local[n]} < 1" for n in axes]
    if tests:
        out += _wrapped("if (", tests, " or ", "):") if len(tests) > 1 else [f"if {tests[0]}:"]
        options["expected"] = tuple_of(expected)
        out.append("    " + text_of(ast.Expr(call(name("check"), name("INPUTS"), given, **options))))
    limits = [(p, literal(0) if not wraps else ast.UnaryOp(ast.USub(), end), end) for p, x in zip(params, inputs)
              for dim, wraps in bounds.get(x, {}).items() for end in [dim_expression(dim, sizes.local)]]
    if limits:
        beyond = [f"np.min({p}) < {text_of(least)} or np.max({p}) >= {text_of(end)}" for p, least, end in limits]
        out += _wrapped("if (", beyond, " or ", "):") if len(beyond) > 1 else [f"if {beyond[0]}:"]
        rows = tuple_of([tuple_of([ast.Constant(p), least, end]) for p, least, end in limits])
        out.append("    " + text_of(ast.Expr(call(name("check"), name("INPUTS"), given, limits=rows))))
    return out


def need_lines(wanted: Sequence[Need], names: Mapping[Node, str], sizes: Mapping[str, str]) -> list[str]:
    """Return the lines that refuse sizes at which a subscript or a window would mean something else."""
    tests, rows = [], []
    for need in wanted:
        more, less = (dim_expression(d, sizes) for d in need.sides)
        tests.append(text_of(ast.Compare(more, [ast.Lt()], [less])))
        here = tuple_of([tuple_of([ast.Constant(plain_name(s.name)), name(sizes[s.name])])
                         for s in sorted(need.room.free_symbols, key=str)])
        rows.append(text_of(tuple_of([ast.Constant(need.what(names)), ast.Constant(need.words),
                                      ast.Compare(more, [ast.GtE()], [less]), here])))
    if not tests:
        return []
    head = _wrapped("if (", tests, " or ", "):") if len(tests) > 1 else [f"if {tests[0]}:"]
    return [*head, *("    " + line for line in _wrapped("require([", rows, ", ", "])"))]


def write(function: str, title: str, inputs: Sequence[Node], plan: Schedule, values: Mapping[Node, Val],
          returned: Returned, given_sizes: Mapping[str, int], notes: Mapping[Val, str],
          bounds: Bounds, wanted_sizes: Sequence[Need], names: Mapping[Node, str]) -> tuple[str, list[str]]:
    """Return the source of the kernel and the names of its parameters.

    `bounds` holds those of `index_bounds`, `wanted_sizes` those of `needs`, `names` what messages call nodes by.
    """
    wanted = [v.name for v in plan.order if v.name]
    locals_ = Locals([*(x.name for x in inputs), *wanted])
    params = [locals_.claim_or_fresh(x.name) for x in inputs]
    helpers = helper_names([*plan.order, *plan.inline], locals_)
    used = [*dims_used(plan.order), *(d for x in inputs for d in bounds.get(x, ())), *(n.room for n in wanted_sizes)]
    sizes = Sizes(inputs, used, given_sizes, params, locals_)
    name_locals(plan, locals_, [*returned.values.values(), *(returned.grads or {}).values()])
    first = next((p for p, x in zip(params, inputs) if x.attr[1] != "int"), None)
    dtype: ast.expr = ast.Attribute(name(first), "dtype", ast.Load()) if first is not None else np_attr("float64")
    writer = Writer(plan, {values[x]: p for x, p in zip(inputs, params)}, sizes.local, dtype, helpers=helpers)

    plain = {n.room + 1: n for n in wanted_sizes if str(n.room + 1) in sizes.origin}  # an axis without entries
    beyond = [n for n in wanted_sizes if n not in plain.values()]
    body = [*_guards(inputs, params, sizes, [s.name for s in plain], bounds), *need_lines(beyond, names, sizes.local)]
    forward = set(_below(returned.values.values()))
    last = max((k for k, v in enumerate(plan.order) if v in forward), default=-1)
    for k, v in enumerate(plan.order):
        if returned.grads and k in (0, last + 1):
            body += ["", "# value" if k <= last else "# gradients"]
        if v in notes:
            body.append(f"# {''.join(c for c in notes[v][:WIDTH] if c.isprintable() and c.isascii())}")
        body += [row for line in writer.lines(v) for row in text_of(line).split("\n")]
        if v in plan.deaths:
            body.append(f"del {', '.join(plan.deaths[v])}")
    body += _return(returned, writer)

    rows = [f"{p!a}: {text_of(_shape_text(x.shape, sizes))}" for p, x in zip(params, inputs)]
    alias = [f"# {p} is the input {shown(x.name)}" for p, x in zip(params, inputs) if p != x.name]
    signature = ", ".join([*(f"{p}=None" for p in params), "*more", "**unknown"])
    head = [f"def {function}({signature}):"]
    if len(head[0]) > WIDTH:
        rows_of_names = textwrap.wrap(signature, WIDTH, initial_indent="    ", subsequent_indent="    ")
        head = [f"def {function}(", *rows_of_names, "):"]
    text = [
        f'"""{title}"""', "", "import numpy as np", "", *_wrapped("INPUTS = {", rows, ", ", "}"), *alias, "", "",
        *helper_lines(helpers), *head,
        *("    " + line if line else "" for line in body), "",
    ]
    return "\n".join(text), params


def dims_used(values: Sequence[Val], plain: bool = False) -> list[Dim]:
    out: list[Dim] = []
    for v in _below(values):
        if v.op in ("dim", "eye"):
            out.append(v.attr[0])
        elif v.op in ARRAY_OPS:
            out += array_dims(v)
        elif v.op in ("full", "merge", "spread") or (plain and v.op == "view"):  # plain code writes a view as a reshape
            out += v.shape
    return out


def _below(roots: object) -> list[Val]:
    seen: dict[Val, None] = {}
    stack = list(roots)  # type: ignore[call-overload]  # any iterable of values
    while stack:
        v = stack.pop()
        if v not in seen:
            seen[v] = None
            stack.extend(v.args)
    return list(seen)


def _return(returned: Returned, writer: Writer) -> list[str]:
    def value(v: Val) -> str:
        return text_of(writer.value(v))

    def table(values: Mapping[str, Val]) -> list[str]:
        return [f"{k!a}: {value(v)}" for k, v in values.items()]

    one = len(returned.values) == 1
    head = value(next(iter(returned.values.values()))) if one else "{" + ", ".join(table(returned.values)) + "}"
    if returned.grads is None:
        return [f"return {head}"]
    return _wrapped(f"return {head}, {{", table(returned.grads), ", ", "}")

