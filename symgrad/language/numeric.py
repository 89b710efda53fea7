"""Values of a row on NumPy arrays and mpmath numbers, so that SymPy's own lambdify and evalf work on our functions.

The form evaluated is the row's machine form, which neither overflows nor cancels; complex numbers take the definition.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cached_property
from typing import Any

import mpmath
import numpy as np

from symgrad.engine.rows import find, row_of
from symgrad.errors import InputError
from symgrad.graph.node import Node, make, topological, var
from symgrad.rules.row import Function

_CONTEXTS = (mpmath.mp.mpf, mpmath.mp.mpc)


def _known_to_numpy(row: Function) -> bool:
    return row.numpy is not None


def _known_to_complex_numpy(row: Function) -> bool:
    return row.numpy is not None and not row.numpy_is_real


def _known_to_mpmath(row: Function) -> bool:
    return row.mp is not None


def expand(root: Node, known: Callable[[Function], bool], machine: bool) -> Node:
    """Return the node with every function that is not `known` written in simpler ones."""
    done: dict[Node, Node] = {}
    work = [root]
    while work:
        node = work[-1]
        if node in done:
            work.pop()
            continue
        missing = [a for a in node.args if a not in done]
        if missing:
            work += missing
            continue
        new = node if not node.args else make(node.op, [done[a] for a in node.args], node.attr, node.shape)
        row = find(new)
        if row is None or known(row):
            done[node] = new
            work.pop()
            continue
        form = (machine and (row.machine or row.double)) or row.definition or row.double
        if form is None:
            raise InputError(f"{row.name} has neither a numeric function nor a definition")
        inner = form(*new.args, *(new.attr if row.orders else ()))
        if inner in done:
            done[node] = done[inner]
            work.pop()
        else:
            done.update({a: a for a in new.args})
            work.append(inner)
    return done[root]


class Values:
    """Numbers for `build(*params)`, the graph of one function; callable on arrays, floats and mpmath numbers."""

    def __init__(self, name: str, params: tuple[str, ...], build: Callable[..., Node], analytic: bool,
                 optional: int = 0) -> None:
        self.name, self.params, self.build, self.analytic = name, params, build, analytic
        self.optional = optional  # the last so many operands may be absent
        self._forms: dict[int, dict[tuple[bool, bool], Node]] = {}

    @cached_property
    def operands(self) -> tuple[Node, ...]:
        return tuple(var(p) for p in self.params)

    def forms(self, count: int) -> dict[tuple[bool, bool], Node]:
        """(for NumPy, machine form) -> graph of the first `count` operands."""
        if count not in self._forms:
            if not len(self.params) - self.optional <= count <= len(self.params):
                given = ", ".join(self.params)
                raise InputError(f"{self.name} takes {len(self.params)} operands ({given}), got {count}")
            known = {(True, True): _known_to_numpy, (True, False): _known_to_complex_numpy,
                     (False, True): _known_to_mpmath, (False, False): _known_to_mpmath}
            graph = self.build(*self.operands[:count])
            self._forms[count] = {
                (numpy, machine): expand(graph, known[numpy, machine], machine)
                for numpy in (True, False) for machine in (True, False)}
        return self._forms[count]

    def __call__(self, *args: Any) -> Any:
        if any(isinstance(a, _CONTEXTS) for a in args):
            return self.mp(mpmath.mp, args)
        complex_ = any(np.iscomplexobj(a) for a in args)
        if complex_ and not self.analytic:
            raise InputError(f"{self.name} is a function of real numbers and was given a complex one")
        xp = next((a.__array_namespace__() for a in args if hasattr(a, "__array_namespace__")), np)
        form = self.forms(len(args))[True, not complex_]
        return self._run(form, args, lambda row, attr, values: _numpy(xp, row, attr, values),
                         lambda value: np.pi if value == "pi" else float(value))

    def mp(self, m: Any, args: Sequence[Any]) -> Any:
        """Return the value in the arithmetic of the mpmath context `m`."""
        real = all(not isinstance(a, m.mpc) for a in args)
        return self._run(self.forms(len(args))[False, real], [m.mpmathify(a) for a in args],
                         lambda row, attr, values: _mp(m, row, attr, values), lambda value: _mp_number(m, value))

    def _run(self, root: Node, args: Sequence[Any], call: Callable[[Function, tuple[Any, ...], list[Any]], Any],
             number: Callable[[Any], Any]) -> Any:
        values: dict[Node, Any] = dict(zip(self.operands, args))
        for node in topological([root]):
            if node in values:
                continue
            if node.op == "const":
                values[node] = number(node.value)
            else:
                values[node] = call(row_of(node), node.attr, [values[a] for a in node.args])
        return values[root]


def _numpy(xp: Any, row: Function, attr: tuple[Any, ...], values: list[Any]) -> Any:
    extra = [float(a) for a in attr] if row.numpy == "heaviside" else []
    return getattr(xp, str(row.numpy))(*values, *extra)


def _mp(m: Any, row: Function, attr: tuple[Any, ...], values: list[Any]) -> Any:
    if callable(row.mp):
        return row.mp(m, *values, *(Fraction(a) for a in attr))
    return getattr(m, str(row.mp))(*values)


def _mp_number(m: Any, value: Any) -> Any:
    if isinstance(value, str):
        return +getattr(m, value)
    return m.mpf(value.numerator) / value.denominator if isinstance(value, Fraction) else m.mpf(value)
