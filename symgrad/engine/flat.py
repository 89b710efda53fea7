"""Arrays as flat lists in C order, and einsum over them in any arithmetic: what the evaluators share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import sympy as sp

from symgrad.errors import InputError, LimitExceeded
from symgrad.graph.node import Node, describe
from symgrad.shapes import Shape, show
from symgrad.shapes import evaluate as size_value

MAX_ENTRIES = 2**19  # of one array of many digits; each entry takes about 100 bytes
MAX_STEPS = 2**24  # multiplications of one einsum, a few microseconds each


class Sizes:
    """Numbers for symbolic sizes and shapes, each worked out once."""

    def __init__(self, sizes: Mapping[str, int]) -> None:
        self.sizes = dict(sizes)
        self.known: dict[Shape, tuple[int, ...]] = {}

    def of(self, shape: Shape) -> tuple[int, ...]:
        found = self.known.get(shape)
        if found is None:
            found = self.known[shape] = tuple(size_value(d, self.sizes) for d in shape)
        return found

    def array(self, shape: Shape) -> tuple[int, ...]:
        """Return the shape of an array that is about to be made. Raises: LimitExceeded."""
        found = self.of(shape)
        if math.prod(found) > MAX_ENTRIES:
            raise LimitExceeded(f"an array of shape {show(shape)} has {math.prod(found)} entries; the limit at many "
                                f"digits is {MAX_ENTRIES}. Write names for the sizes, which are then small numbers")
        return found

    def number(self, value: Any) -> Any:
        """Return an option of an array function with numbers for its sizes."""
        if isinstance(value, tuple):
            return tuple(self.number(v) for v in value)
        return size_value(value, self.sizes) if isinstance(value, sp.Expr) else value


def given_entries(node: Node, value: object, shape: tuple[int, ...]) -> list[Any]:
    """Return the entries of a value that the caller gave for `node`."""
    array = np.asarray(value, dtype=object)
    if array.shape != shape:
        raise InputError(
            f"{describe(node)}: expected a value of shape {shape} (declared {show(node.shape)}), got {array.shape}"
        )
    return list(array.ravel())


def as_array(flat: list[Any], shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """Return a flat list as an object array."""
    out = np.empty(len(flat), dtype=object)
    out[:] = flat
    return out.reshape(shape)


def _strides(labels: Sequence[int], dims: Sequence[int], over: Sequence[int]) -> list[int]:
    """Return how far one step of each index in `over` moves in a C-ordered array with these labels."""
    step, by_label = 1, dict.fromkeys(over, 0)
    for label in reversed(labels):
        if label in by_label:
            by_label[label] += step  # a label met twice walks the diagonal
        step *= dims[label]
    return [by_label[i] for i in over]


def _offsets(strides: Sequence[int], dims: Sequence[int]) -> list[int]:
    out = [0]
    for stride, dim in zip(strides, dims):
        out = [o + stride * k for o in out for k in range(dim)]
    return out


def contract(node: Node, dims: Sequence[int], args: Sequence[list[Any]], zero: Any, one: Any,
              fix: Callable[[Any], Any]) -> list[Any]:
    """Return the einsum, one argument at a time, an index being summed as soon as nobody else needs it."""
    ins, out, _ = node.attr
    waiting = list(range(len(args)))
    labels: tuple[int, ...] = ()
    value = [one]
    while waiting:
        pick = next((k for k in waiting if set(ins[k]) & set(labels)), waiting[0])
        waiting.remove(pick)
        needed = set(out).union(*(ins[k] for k in waiting))
        seen = list(dict.fromkeys(labels + ins[pick]))
        keep = [i for i in seen if i in needed]
        gone = [i for i in seen if i not in needed]
        if math.prod(dims[i] for i in seen) > MAX_STEPS:
            told = ", ".join(str(dims[i]) for i in seen)
            raise LimitExceeded(f"a sum of products over indices of sizes {told} takes more than {MAX_STEPS} "
                                f"multiplications, the limit at many digits. Write names for the sizes, which are then "
                                f"small numbers")
        keep_dims, gone_dims = [dims[i] for i in keep], [dims[i] for i in gone]
        left = _offsets(_strides(labels, dims, keep), keep_dims)
        right = _offsets(_strides(ins[pick], dims, keep), keep_dims)
        inner = list(zip(_offsets(_strides(labels, dims, gone), gone_dims),
                         _offsets(_strides(ins[pick], dims, gone), gone_dims)))
        other = args[pick]
        value = [fix(sum((value[a + i] * other[b + j] for i, j in inner), zero)) for a, b in zip(left, right)]
        labels = tuple(keep)
    free = list(dict.fromkeys(out))
    free_dims = [dims[i] for i in free]
    result = [zero] * math.prod(dims[i] for i in out)
    for source, target in zip(_offsets(_strides(labels, dims, free), free_dims),
                              _offsets(_strides(out, dims, free), free_dims)):
        result[target] = value[source]
    return result
