"""Values of nodes in double precision, whole arrays at a time: fast enough to look at every line of a derivation.

Each node is evaluated by its own meaning, its row or the definition there. A long axis of literal size is held by a few
representatives, the last of them standing for all that follow: functions of single entries and sums over indices keep
arrays that repeat along an axis so, and a sum counts the last one as often as it stands for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import mpmath
import numpy as np

from symgrad.engine.evaluate import CONSTANTS, array_definition, scalar_definition
from symgrad.engine.flat import Sizes
from symgrad.engine.rows import row_of
from symgrad.errors import SymgradError
from symgrad.graph.node import Node, topological
from symgrad.graph.ops import STRUCTURAL
from symgrad.rules.arrays import array_row
from symgrad.rules.row import Function
from symgrad.shapes import Shape

Array = Any  # a float64 array

_LONG = mpmath.MPContext()
_LONG.dps = 20
KEPT = 6  # representatives of a long axis
_FAILURES = (IndexError, ValueError, ZeroDivisionError, OverflowError, TypeError, np.linalg.LinAlgError)


class Folded(Exception):  # no error: the caller goes on with axes in full
    """Raised where a function does not keep arrays that repeat along an axis."""


class Axes:
    """Numbers for sizes, long literal axes folded where `fold` is set."""

    def __init__(self, sizes: Mapping[str, int], fold: bool) -> None:
        self.sizes, self.fold = Sizes(sizes), fold

    def of(self, shape: Shape) -> tuple[int, ...]:
        """Return the shape in which an array is held."""
        whole = self.sizes.of(shape)
        return tuple(min(d, KEPT) for d in whole) if self.fold else whole

    def counts(self, size: int) -> Array | None:
        """Return how many entries each representative stands for, None where each is one."""
        if not self.fold or size <= KEPT:
            return None
        out = np.ones(KEPT)
        out[-1] = size - KEPT + 1
        return out

    def folds(self, shape: Shape) -> bool:
        """Return whether an axis of a shape is folded."""
        return self.fold and any(d > KEPT for d in self.sizes.of(shape))


def values(roots: Sequence[Node], known: Mapping[Node, Array], axes: Axes,
           stop: Callable[[Node, Array], bool] | None = None) -> tuple[dict[Node, Array], Node | None]:
    """Return the value of every node below the roots down to those known, or up to the first that `stop` refuses."""
    out: dict[Node, Array] = {}
    with np.errstate(all="ignore"):
        for node in topological(roots, lambda n: () if n in known else n.args):
            out[node] = known[node] if node in known else _value(node, [out[a] for a in node.args], axes)
            if stop is not None and stop(node, out[node]):
                return out, node
    return out, None


def _value(node: Node, args: Sequence[Array], axes: Axes) -> Array:
    shape = axes.of(node.shape)
    if node.op == "const":
        return np.broadcast_to(_number(node.value), shape)
    if node.op == "size":
        return np.broadcast_to(np.float64(axes.sizes.of(node.attr)[0]), shape)
    if node.op == "einsum":
        return _contracted(node, args, axes)
    if node.op == "array":
        return _array_value(node, args, axes)
    if node.op in STRUCTURAL:
        raise SymgradError(f"no value is given for a node {node.op!r}")
    row = row_of(node)
    if row.numpy is not None and not node.attr:
        return np.asarray(getattr(np, row.numpy)(*args), dtype=np.float64)
    if row.mp is None:
        variables, inner = scalar_definition(row, node.attr, node.shape)
        return values([inner], dict(zip(variables, args)), axes)[0][inner]
    return _entrywise(row, node.attr)(*args).astype(np.float64)


def _number(value: Any) -> np.float64:
    if isinstance(value, str) and value in CONSTANTS:
        return np.float64(getattr(np, value))
    try:
        return np.float64(float(value))
    except OverflowError:  # a whole number beyond the doubles
        return np.float64(math.inf if value > 0 else -math.inf)


@lru_cache(maxsize=512)
def _entrywise(row: Function, attr: tuple[Any, ...]) -> Any:
    """Return the function of single entries that a row has for long arithmetic, in doubles."""
    given: Any = row.mp
    m = mpmath.fp if callable(given) or hasattr(mpmath.fp, given) else _LONG
    function, lead = (given, (m,)) if callable(given) else (getattr(m, given), ())

    def one(*entry: float) -> float:
        try:
            value = function(*lead, *entry, *attr)
            return float(value) if not isinstance(value, complex) else value.real if value.imag == 0 else math.nan
        except _FAILURES:
            return math.nan

    return np.vectorize(one, otypes=[np.float64])


def _array_value(node: Node, args: Sequence[Array], axes: Axes) -> Array:
    row = array_row(node)
    if row.definition is not None:
        variables, inner = array_definition(node)
        return values([inner], dict(zip(variables, args)), axes)[0][inner]
    if any(axes.folds(n.shape) for n in (node, *node.args)):
        raise Folded
    assert row.value is not None  # those without have a definition
    shape, options = axes.of(node.shape), {k: axes.sizes.number(v) for k, v in row.given(node).items()}
    for m in (mpmath.fp, _LONG):  # not all of mpmath's functions know its doubles
        try:
            out = np.asarray(row.value(m, *(_entries(m, a) for a in args), **options), dtype=object)
            return out.astype(np.float64) if out.shape == shape else np.full(shape, np.nan)
        except AttributeError:
            continue
        except _FAILURES:
            break
    return np.full(shape, np.nan)


def _entries(m: Any, values: Array) -> Any:
    """Return an array of numbers of a context of mpmath."""
    return np.asarray(values if m is mpmath.fp else np.frompyfunc(m.mpf, 1, 1)(values), dtype=object)


def _contracted(node: Node, args: Sequence[Array], axes: Axes) -> Array:
    """Return a sum over indices; an index that the output holds twice is a delta."""
    ins, out, dims = node.attr
    sizes = axes.sizes.of(dims)
    free = list(dict.fromkeys(out))
    if len(free) < len(out) and any(axes.counts(sizes[i]) is not None for i in out if out.count(i) > 1):
        raise Folded
    parts: list[Any] = [x for a, labels in zip(args, ins) for x in (a, list(labels))]
    held = {i for labels in ins for i in labels}
    for i, size in enumerate(sizes):
        counts = axes.counts(size) if i in held and i not in free else None
        if counts is not None:
            parts += [counts, [i]]
        elif i in free and i not in held:
            parts += [np.ones(axes.of((size,))), [i]]
        elif i not in free and i not in held:
            parts += [np.float64(size), []]
    whole = np.einsum(*parts, free, optimize=len(parts) > 4) if parts else np.float64(1.0)
    if len(free) == len(out):
        return whole
    spread = np.zeros(axes.of(node.shape))
    np.einsum(spread, list(out), free)[...] = whole  # type: ignore[arg-type]  # a view, by lists of indices
    return spread
