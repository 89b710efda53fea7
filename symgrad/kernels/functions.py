"""Nodes as functions of broadcast arrays, and as plain NumPy code for the judges."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from symgrad.engine.stabilise import stabilise
from symgrad.errors import InputError, ShapeError, suggest
from symgrad.graph.node import Node, topological
from symgrad.kernels.checks import promote, read
from symgrad.kernels.compile import compile_nodes, declared
from symgrad.kernels.expand import expand
from symgrad.kernels.guard import load
from symgrad.kernels.helpers import helper_lines, helper_names
from symgrad.kernels.kernel import Kernel
from symgrad.kernels.lower import lower, owned
from symgrad.kernels.names import Locals, shown
from symgrad.kernels.numpy_target import Writer
from symgrad.kernels.plan import Val, Values
from symgrad.kernels.schedule import name_locals, schedule
from symgrad.kernels.source import Sizes, dims_used, need_lines, text_of
from symgrad.kernels.trees import name, np_attr, tuple_of
from symgrad.rules.needs import needs

_FUNCTION = "function"


def _write(inputs: Sequence[Node], roots: Sequence[Node], plain: bool, sizes: Mapping[str, int]) -> str:
    """Return the source of a function of the inputs, by position, that returns a tuple of the roots."""
    values = Values(plain)
    table = lower(values, roots, {})
    taken: set[Val] = set()
    if plain:
        own = [owned(values, table[r], r, taken) for r in roots]
    else:
        own = [values.floats(values.plus(table[r])) for r in roots]
    plan = schedule(own, [], reuse=False)
    locals_ = Locals()
    params = [locals_.fresh() for _ in inputs]
    helpers = helper_names([*plan.order, *plan.inline], locals_)
    wanted = needs(topological(roots), inputs)
    used = [*dims_used([*plan.order, *own], plain), *(n.room for n in wanted)]
    found = Sizes(inputs, used, sizes, params, locals_, quick=False)
    name_locals(plan, locals_, own)
    dtype: ast.expr = ast.Attribute(name(params[0]), "dtype", ast.Load()) if params else np_attr("float64")
    local = {values.make("input", (), (x.name, x.shape), x.shape): p for x, p in zip(inputs, params)}
    writer = Writer(plan, local, found.local, dtype, plain, helpers)
    read = [text_of(line) for line in found.lines] if used else []
    lines = [row for v in plan.order for line in writer.lines(v) for row in text_of(line).split("\n")]
    body = [*read, *need_lines(wanted, {}, found.local), *lines]
    body.append("return " + text_of(tuple_of([writer.value(v) for v in own])))
    notes = [f"# {p} is {shown(x.name)}" for p, x in zip(params, inputs)]
    head = [*helper_lines(helpers), *notes, f"def {_FUNCTION}({', '.join(params)}):"]
    return "\n".join([*head, *("    " + line for line in body), ""])


class Elementwise:
    """A function of numbers or arrays that broadcasts like a ufunc; the result has the common shape of all arguments.

    Shapes: any that broadcast together.
    Raises: InputError for a wrong number of arguments or one that is not real, ShapeError where they do not broadcast.
    """

    def __init__(self, source: str, names: Sequence[str], single: bool) -> None:
        self.source = source
        self.names = tuple(names)
        self.single = single
        self._run: Callable[..., Any] = load(source, _FUNCTION)

    def __call__(self, *given: Any) -> Any:
        if len(given) != len(self.names):
            raise InputError(
                f"{len(given)} arguments were given, {len(self.names)} are expected: "
                f"{', '.join(map(shown, self.names))}"
            )
        arrays = [read(shown(n), v, "real numbers") for n, v in zip(self.names, given)]
        try:
            shape = np.broadcast_shapes(*(a.shape for a in arrays))
        except ValueError:
            pairs = ", ".join(f"{shown(n)} {a.shape}" for n, a in zip(self.names, arrays))
            raise ShapeError(f"the shapes of the arguments do not broadcast together: {pairs}") from None
        ready = promote(arrays, given)
        dtype = ready[0].dtype if ready else np.dtype(np.float64)
        out = [self._fill(r, shape, dtype, ready) for r in self._run(*ready)]
        return out[0] if self.single else out

    @staticmethod
    def _fill(result: Any, shape: tuple[int, ...], dtype: Any, arrays: Sequence[Any]) -> Any:
        if np.shape(result) != shape:
            return np.full(shape, result, dtype)
        if not shape:
            return dtype.type(result)
        return result.copy() if any(result is a for a in arrays) else result

    def __reduce__(self) -> tuple[Any, ...]:
        return Elementwise, (self.source, self.names, self.single)

    def __repr__(self) -> str:
        return f"<Elementwise function of {', '.join(map(shown, self.names))}>"


class ByPosition:
    """A kernel called with its arrays by position; a list of roots gives a list of arrays."""

    def __init__(self, kernel: Kernel, single: bool) -> None:
        self.kernel = kernel
        self.single = single
        self.source = kernel.source

    def __call__(self, *arrays: Any) -> Any:
        out = self.kernel(*arrays)
        if self.single:
            return out
        return [out] if len(self.kernel.values) == 1 else list(out.values())


def compile_function(args: Sequence[Node], roots: Node | Sequence[Node]) -> Elementwise | ByPosition:
    """Return the function args -> roots, in stable forms; for scalar variables it broadcasts like NumPy.

    The names of the variables never reach the generated code. A list of roots gives a list of results.
    Shapes: of scalar variables, any that broadcast; every result has the common shape of all arguments. Of array
        variables, the shapes they were declared with.
    Raises: InputError for a variable that is not among the arguments, NoRule for a function without code.

    >>> from symgrad.graph.node import const, var
    >>> x, y = var("x"), var("y")
    >>> compile_function([x, y], const(1))([1.0, 2.0], 3.0).tolist()
    [1.0, 1.0]
    """
    single = isinstance(roots, Node)
    wanted: list[Node] = [roots] if isinstance(roots, Node) else list(roots)
    inputs = declared(wanted, args)
    if any(x.rank for x in inputs) or any(r.rank for r in wanted):
        keys = {f"y{k}": r for k, r in enumerate(wanted)}
        return ByPosition(compile_nodes(keys, None, inputs, stabilise=stabilise), single)
    nodes, _ = stabilise(wanted)
    return Elementwise(_write(inputs, expand(nodes, calls=True), False, {}), [x.name for x in inputs], single)


def plain_function(roots: Node | Sequence[Node], inputs: Sequence[Node] | None = None,
                   sizes: Mapping[str, int] | None = None) -> Callable[..., Any]:
    """Return the roots as a function of arrays by name, in the definitions as written: nothing stabilised or reused.

    The code applies to whatever NumPy's functions apply to: taped, dual and complex arrays too. Nothing is checked but
    the names. One node gives a value, a sequence a tuple.
    Shapes: as declared; sizes are read from the shapes of the arrays.
    Raises: InputError for a variable that is not among the inputs, NoRule for a function without a definition.

    >>> from symgrad.graph.node import var
    >>> x = var("x")
    >>> plain_function(x * x)(x=1 + 2j)
    (-3+4j)
    """
    wanted = [roots] if isinstance(roots, Node) else list(roots)
    given = declared(wanted, inputs)
    source = _write(given, expand(wanted, stable=False), True, sizes or {})
    run = load(source, _FUNCTION)
    names = [x.name for x in given]

    def plain(**arrays: Any) -> Any:
        missing = [n for n in names if n not in arrays]
        if missing:
            raise InputError(f"missing input: {', '.join(map(shown, missing))}")
        for n in arrays:
            if n not in names:
                raise InputError(f"unknown input {shown(n)}.{suggest(n, names)}")
        out = run(*(arrays[n] for n in names))
        return out[0] if isinstance(roots, Node) else out

    plain.source = source  # type: ignore[attr-defined]  # for reading
    return plain
