"""Assumptions held against arrays: what a kernel checks at each call where that is asked for.

An equation may be off by what rounding explains: eps * k * m, k being the roundings on the longest way to a value and
m the size of the terms that enter it. What is a variable or a number is compared exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import sympy as sp

from symgrad.engine.assumptions import Assumption
from symgrad.engine.rows import local_derivatives
from symgrad.engine.stabilise import stabilise
from symgrad.errors import InputError, NoRule
from symgrad.graph.node import Node, apply, const, make, topological, variables
from symgrad.graph.text import COMPARISONS, plain_name, to_text
from symgrad.kernels import checks
from symgrad.kernels.compile import compile_nodes
from symgrad.kernels.kernel import Kernel
from symgrad.kernels.names import shown
from symgrad.rules.arrays import array_row
from symgrad.shapes import bind, evaluate

Array: TypeAlias = "np.ndarray[Any, Any]"

_FUNCTION = 8  # roundings of a function that NumPy computes
_HOLDS: dict[str, Callable[..., Any]] = {
    "eq": lambda a, b, t: abs(a - b) <= t, "ge": lambda a, b, t: a - b >= -t, "le": lambda a, b, t: b - a >= -t,
    "gt": lambda a, b, t: a - b > -t, "lt": lambda a, b, t: b - a > -t, "ne": lambda a, b, t: a != b,
}  # fmt: skip


class AssumptionCheck:
    """Says of arrays by name whether assumptions hold, and where the worst violation is.

    >>> from symgrad.graph.node import const, reduce_sum, var
    >>> y = var("y", ("n", 2))
    >>> check = AssumptionCheck([Assumption("sum(y, axis=1) == 1", (("eq", reduce_sum(y, 1), (const(1),)),))], [y])
    >>> check({"y": np.array([[0.25, 0.75], [0.5, 0.25]])})
    Traceback (most recent call last):
    ...
    symgrad.errors.InputError: the assumption sum(y, axis=1) == 1 does not hold: at index 1 sum(y, axis=1) is 0.75, ...
    """

    def __init__(self, assumptions: Sequence[Assumption], inputs: Sequence[Node], names: Mapping[Node, str] = {},
                 tolerance: float = 0.0) -> None:
        self.assumptions = tuple(assumptions)
        self.inputs = {v.name: v for v in (*inputs, *(v for a in assumptions for v in a.variables))}
        self.names = dict(names)
        self.tolerance = tolerance
        self._kernels: dict[Any, Any] = {}
        self._ways: dict[Any, list[int]] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return AssumptionCheck, (self.assumptions, [*self.inputs.values()], self.names, self.tolerance)

    def __call__(self, arrays: Mapping[str, Any]) -> None:
        """Raise InputError for the first assumption that the arrays violate, ShapeError for arrays that do not fit."""
        given = {n: checks.read(shown(n), a) for n, a in arrays.items() if n in self.inputs}
        sizes: dict[str, int] = {}
        for name, array in given.items():
            bind(self.inputs[name].shape, array.shape, sizes, shown(name))
        for assumption in self.assumptions:
            missing = [v.name for v in assumption.variables if v.name not in given]
            if missing:
                them = "it" if len(missing) == 1 else "them"
                raise InputError(f"the assumption {plain_name(assumption.text)} speaks of "
                                 f"{', '.join(map(shown, missing))}; give {them} as well")
            for k in range(len(assumption.parts)):
                self._check(assumption, k, given, sizes)

    def _check(self, assumption: Assumption, k: int, arrays: Mapping[str, Array], sizes: Mapping[str, int]) -> None:
        op, left, right = assumption.parts[k]
        own = {v.name: arrays[v.name] for v in variables([left, *right])}
        a, *members = self._values((assumption, k), [left, *right], own, sizes)
        eps = max([float(np.finfo(x.dtype).eps) for x in own.values() if x.dtype.kind == "f"], default=2.0**-52)
        place = assumption, k, tuple(sizes.items())
        if place not in self._ways:
            self._ways[place] = [_roundings(n, sizes) for n in (left, *right)]
        ways = self._ways[place]
        size, *more = self._values((assumption, k, "size"), [_size_of_terms(n) for n in (left, *right)], own, sizes)

        def off(m: int) -> Any:
            bound = eps * max(ways[0], ways[m]) if ways[0] or ways[m] else 0.0
            return max(bound, self.tolerance) * (size + more[m - 1])

        if op == "in":
            good = np.any([_HOLDS["eq"](a, b, off(m)) for m, b in enumerate(members, 1)], axis=0)
            distance = np.min([abs(a - b) for b in members], axis=0)
        else:
            good = _HOLDS[op](a, members[0], off(1))
            distance = abs(a - members[0])
        if np.all(good):
            return
        bad = np.where(good, -np.inf, np.where(np.isnan(distance), np.inf, distance))
        self._refuse(assumption, k, bad, a, members, off(1))

    def _refuse(self, assumption: Assumption, k: int, bad: Array, a: Array, members: Sequence[Array], off: Any) -> None:
        op, left, right = assumption.parts[k]
        at = np.unravel_index(int(np.argmax(bad)), bad.shape)
        values = [np.broadcast_to(x, bad.shape)[at] for x in (a, *members)]
        words = [to_text(n, self.names, expand_root=False) for n in (left, *right)]
        where = "" if not at else f"at index {int(at[0])} " if len(at) == 1 else f"at index {tuple(map(int, at))} "
        a_text, b_text = _apart(values[0], values[1])
        sign = f"{COMPARISONS[op]} " if op not in ("eq", "in") else ""
        wanted = f"none of {', '.join(words[1:])}" if op == "in" else f"not {sign}{b_text}"
        other = f" = {words[1]}" if op != "in" and right[0].op != "const" else ""
        tail = []
        if op == "eq":
            allowed = float(np.broadcast_to(off, bad.shape)[at])
            tail.append(f"off by {_short(abs(values[0] - values[1]))}, of which rounding explains {_short(allowed)}")
        count = int(np.sum(bad > -np.inf))
        if count > 1:
            tail.append(f"{count} of {bad.size} entries violate it")
        shapes = ", ".join(f"{shown(v.name)} has shape {checks.describe_shape(v.shape)}" for v in assumption.variables)
        raise InputError(
            f"the assumption {plain_name(assumption.text)} does not hold: {where}{words[0]} is {a_text}, "
            f"{wanted}{other}{' (' + '; '.join(tail) + ')' if tail else ''}" + (f". {shapes}" if shapes else "")
        )

    def _values(self, key: tuple[Any, ...], nodes: Sequence[Node], arrays: Mapping[str, Array],
                sizes: Mapping[str, int]) -> list[Array]:
        """Return the values of nodes, compiled once for each choice of the sizes that their arrays do not tell."""
        told = {d.name for v in variables(nodes) for d in v.shape if isinstance(d, sp.Symbol)}
        names = {s.name for n in topological(nodes) for d in (*n.shape, *(n.attr if n.op == "size" else ()),
                 *(n.attr[2] if n.op == "einsum" else ())) if isinstance(d, sp.Expr) for s in d.free_symbols}
        unknown = sorted(names - told - sizes.keys())
        if unknown:
            raise InputError(f"the assumption {plain_name(key[0].text)} speaks of the size {unknown[0]}; "
                             f"give an array that tells it")
        fixed = {n: sizes[n] for n in sorted(names - told)}
        whole = (*key, tuple(fixed.items()))
        if whole not in self._kernels:
            outputs = {f"v{k}": n for k, n in enumerate(nodes)}
            self._kernels[whole] = compile_nodes(outputs, stabilise=stabilise, sizes=fixed)
        with np.errstate(all="ignore"):
            found = self._kernels[whole](**arrays)
        return [np.asarray(v) for v in (found.values() if isinstance(found, dict) else [found])]


def _short(x: Any) -> str:
    return f"{float(x):.6g}"


def _apart(a: Any, b: Any) -> tuple[str, str]:
    """Return two numbers in as few digits as tell them apart."""
    for digits in (6, 10, 17):
        texts = f"{float(a):.{digits}g}", f"{float(b):.{digits}g}"
        if texts[0] != texts[1]:
            break
    return texts


def _roundings(root: Node, sizes: Mapping[str, int]) -> int:
    """Return the number of roundings on the longest way to an entry of a node; none for variables and numbers."""
    count: dict[Node, int] = {}
    for n in topological([root]):
        below = max((count[a] for a in n.args), default=0)
        own = 0
        if n.op == "einsum" and n.args:
            ins, out, dims = n.attr
            own = len(n.args) - 1
            for x in {x for labels in ins for x in labels} - set(out):
                own += evaluate(dims[x], sizes)
        elif n.op == "array":
            longest = max(evaluate(d, sizes) for a in n.args for d in (1, *a.shape))
            own = 0 if array_row(n).linear else _FUNCTION * longest
        elif n.args:
            own = 0 if n.op == "neg" else 1 if n.op in ("add", "sub", "mul", "div") else _FUNCTION
        count[n] = below + own
    return count[root]


def _size_of_terms(root: Node) -> Node:
    """Return the size of the terms that enter a node: |f| + the sum of |df/dx| times the size of x."""
    size: dict[Node, Node] = {}
    for n in topological([root]):
        if n.is_leaf or (n.op == "einsum" and not n.args):
            size[n] = apply("abs", n)
        elif n.op == "einsum" or (n.op == "array" and array_row(n).linear):
            below = [a if a.op == "var" and a.attr[1] == "int" else size[a] for a in n.args]  # an index stays one
            size[n] = make(n.op, below, n.attr, n.shape)
        elif n.op in ("add", "sub"):
            size[n] = size[n.args[0]] + size[n.args[1]]
        elif n.op == "mul":
            size[n] = size[n.args[0]] * size[n.args[1]]
        elif n.is_elementwise:
            total = apply("abs", n)
            for a, slope in zip(n.args, _slopes(n)):
                if slope is not None and not a.is_leaf:
                    total = total + apply("abs", slope) * size[a]
            size[n] = total
        else:
            size[n] = apply("abs", n)
    return size[root]


def _slopes(n: Node) -> Sequence[Node | None]:
    try:
        return local_derivatives(n)
    except NoRule:
        return [const(1, n.shape)] * len(n.args)


class CheckedKernel(Kernel):
    """A kernel that holds its arrays against assumptions before it computes."""

    def __init__(self, kernel: Kernel, check: AssumptionCheck) -> None:
        super().__init__(kernel.source, kernel.inputs, kernel.params, kernel.values, kernel.wrt, kernel.ops)
        self.kernel, self.check = kernel, check
        plain = self._run

        def run(*arrays: Any, **named: Any) -> Any:
            given = {**dict(zip(kernel.inputs, arrays)), **{n: v for n, v in named.items() if v is not None}}
            if set(given) == set(kernel.inputs) and len(arrays) + len(named) == len(kernel.inputs):
                check(given)
            return plain(*arrays, **named)  # which says what is missing or unknown

        self._run = run

    def __reduce__(self) -> tuple[Any, ...]:
        return CheckedKernel, (self.kernel, self.check)

    @property
    def module(self) -> str:
        """Not to be had: a module needs NumPy alone, and these checks need more."""
        raise InputError("a saved module checks shapes, no assumptions. Save the kernel that was compiled without "
                         "check_assumptions, and call symgrad.check_assumptions where you have symgrad")
