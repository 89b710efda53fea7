"""Jacobians and Hessians by every method: the derived kernel, the tape, the complex step, differences of the primal.

No derivative proves a derivative of its own kind: a Hessian is compared with differences of the tape's gradient, which
is other code, with differences of the complex step, and with second differences of the loss, which know no rule.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symgrad import tape
from symgrad.check.comparison import Comparison, compare_gradients, exact_error
from symgrad.check.numeric import estimate
from symgrad.check.second_order import second_difference
from symgrad.engine.reading import Reading
from symgrad.errors import InputError
from symgrad.graph.node import Node, topological, variables
from symgrad.jacobians.result import Jacobian
from symgrad.kernels.checks import read
from symgrad.kernels.functions import plain_function
from symgrad.kernels.names import shown
from symgrad.rules.arrays import array_row
from symgrad.rules.elementwise import BY_NAME
from symgrad.shapes import bind, show

Array: TypeAlias = NDArray[Any]
Both: TypeAlias = tuple[Array, Array]  # the derivative and a bound on its error, per entry

TINY = 1e-30


@dataclass(frozen=True)
class _Primal:
    """The function that was differentiated, in plain code, at one point."""

    of: Node
    plain: Callable[..., Any]
    at: Mapping[str, Array]

    def __call__(self, **moved: Any) -> Any:
        with np.errstate(all="ignore"):
            return self.plain(**{**self.at, **moved})

    def exact(self, derivative: Array, *by: str) -> Array:
        """Return the error allowed to a derivative without truncation error.

        Its terms may cancel, as 1 - tanh(x)**2 does: they are as large as its largest entry, or as f itself.
        """
        step = float(np.prod([max(1.0, float(np.max(np.abs(self.at[x]), initial=0.0))) for x in by]))
        own = float(np.max(np.abs(self()), initial=0.0)) / step
        largest = float(np.max(np.abs(derivative), initial=0.0))
        return exact_error(derivative, largest + (own if np.isfinite(own) else 0.0))


def compare_jacobian(found: Jacobian, at: Mapping[Any, Any], *, methods: Sequence[str],
                     kernel: Callable[..., Any] | None = None) -> Comparison:
    """Compare a Jacobian or a Hessian by every method at the arrays `at`; `symgrad.compare` ends here for them.

    Formula: agree where |a - b| <= error_a + error_b, see `compare_gradients`.
    Shapes: each block as `found` has it. Raises: InputError for a missing array and for products with v.
    """
    if any(r.kind == "product" for r in found.readings):
        raise InputError("compare takes a Hessian or a Jacobian; a product with v is one of their sums: compare "
                         "sg.hessian(...) or sg.jacobian(...)")
    of = found.readings[0].of
    rough = sorted({BY_NAME[n.op].name for n in topological([of]) if n.is_elementwise and not BY_NAME[n.op].analytic}
                   | {array_row(n).name for n in topological([of]) if n.op == "array" and not array_row(n).analytic})
    notes = [f"complex step left out, not analytic: {', '.join(rough)}"] if rough and "complex" in methods else []
    usable = [m for m in methods if m != "complex" or not rough]
    arrays = _arrays(found, of, at)
    run = kernel if kernel is not None else found.compile()
    values: dict[str, dict[str, Array]] = {}
    errors: dict[str, dict[str, Array]] = {}
    seconds: dict[str, float] = {}
    scale: dict[str, Array] = {}
    for method in usable:
        label = {"complex": "complex step"}.get(method, method)
        start = time.perf_counter()
        own = _derived(found, arrays, run) if method == "symbolic" else {
            ", ".join(names): _by(method, r, arrays) for names, r in found.blocks.items()}
        seconds[label] = time.perf_counter() - start
        values[label] = {n: v for n, (v, _) in own.items()}
        errors[label] = {n: e for n, (_, e) in own.items()}
    for names in found.blocks:
        largest = max((float(np.max(np.abs(v[", ".join(names)]), initial=0.0)) for v in values.values()), default=0.0)
        scale[", ".join(names)] = np.asarray(max(largest, 1.0))
    return compare_gradients(values, errors, scale=scale, seconds=seconds, notes=notes)


def _arrays(found: Jacobian, of: Node, at: Mapping[Any, Any]) -> dict[str, Array]:
    given = {k if isinstance(k, str) else str(getattr(getattr(k, "node", k), "name", k)): v for k, v in at.items()}
    out: dict[str, Array] = {}
    sizes: dict[str, int] = {}
    for v in variables([of, *(r.result for r in found.readings)]):
        if v.name not in given:
            raise InputError(f"missing in `at`: {v.name} {show(v.shape)}")
        array = np.asarray(read(shown(v.name), given[v.name]), order="C")
        bind(v.shape, array.shape, sizes, v.name)
        out[v.name] = array if v.attr[1] == "int" else array.astype(np.float64)
    return out


def _derived(found: Jacobian, arrays: Mapping[str, Array], run: Callable[..., Any]) -> dict[str, Both]:
    """Return every block by the kernel."""
    inputs = getattr(run, "inputs", arrays)
    made = run(**{n: arrays[n] for n in inputs})
    blocks = made if isinstance(made, Mapping) else {", ".join(next(iter(found.blocks))): made}
    out = {}
    for names, r in found.blocks.items():
        block = np.asarray(blocks[", ".join(names)])
        out[", ".join(names)] = block, _primal(r, arrays).exact(block, *(w.name for w in r.by))
    return out


def _primal(r: Reading, arrays: Mapping[str, Array]) -> _Primal:
    inputs = variables([r.of])
    if any(w.op != "var" for w in r.by):
        raise InputError("compare differentiates by variables; this is a derivative by a named intermediate")
    return _Primal(r.of, plain_function(r.of, inputs), {v.name: arrays[v.name] for v in inputs})


def _by(method: str, r: Reading, arrays: Mapping[str, Array]) -> Both:
    """Return one block by a method that does not know how it was derived."""
    primal = _primal(r, arrays)
    names = [w.name for w in r.by]
    value, error = _second(method, primal, *names) if len(names) == 2 else _first(method, primal, names[0])
    shape = tuple(n for part in (_counted(primal, r, 0, arrays), _counted(primal, r, 1, arrays)) for n in part)
    return value.reshape(shape), error.reshape(shape)


def _counted(primal: _Primal, r: Reading, side: int, arrays: Mapping[str, Array]) -> tuple[int, ...]:
    """Return the shape of one side of a block, a column counting as a vector."""
    whole = np.shape(primal()) if side == 0 and len(r.by) == 1 else arrays[r.by[0 if side == 0 else -1].name].shape
    if len(whole) == 2 and whole[1] == 1:
        return whole[:1]
    return whole[1:] if len(whole) == 2 and whole[0] == 1 else whole


def _first(method: str, f: _Primal, x: str) -> Both:
    base = f.at[x]
    flat = np.ravel(f())
    value, error = np.empty((flat.size, base.size)), np.empty((flat.size, base.size))
    if method == "tape":
        _, pull = tape.vjp(lambda y: f(**{x: y}), base)
        for k in range(flat.size):
            unit = np.zeros(flat.size)
            unit[k] = 1
            value[k] = np.ravel(pull(unit.reshape(np.shape(f())))[0])
        return value, f.exact(value, x)
    if method == "complex":
        for j in range(base.size):
            moved = base.astype(complex)
            moved.flat[j] += 1j * TINY
            value[:, j] = np.ravel(f(**{x: moved})).imag / TINY
        return value, f.exact(value, x)
    for k in range(flat.size):
        found = estimate(partial(lambda y, at: np.ravel(f(**{x: y}))[at], at=k), base)
        value[k], error[k] = np.ravel(found.gradient), np.ravel(found.error)
    return value, error


def _second(method: str, f: _Primal, a: str, b: str) -> Both:
    one, two = f.at[a], f.at[b]
    if method == "central":
        def moved(x: Array, y: Array) -> Any:
            return f(**({a: x} if a == b else {a: x, b: y}))

        return second_difference(moved, one, two, a == b)
    value, error = np.empty((one.size, two.size)), np.empty((one.size, two.size))
    gradient = tape.grad(lambda **given: np.sum(f(**given)), wrt=[a])

    def slope(k: int, y: Array) -> Any:
        """The derivative by entry k of a, with b at y."""
        here = {a: one, b: y}
        if method == "tape":
            return np.ravel(gradient(**here)[a])[k]
        turned = here[a].astype(complex)
        turned.flat[k] += 1j * TINY
        return np.sum(f(**{**here, a: turned})).imag / TINY

    for k in range(one.size):
        found = estimate(partial(slope, k), two)
        value[k], error[k] = np.ravel(found.gradient), np.ravel(found.error)
    return value, error
