"""A slow evaluator of nodes that shares nothing with the kernels: arrays in full, einsum by loops over indices."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from symgrad.graph.node import Node, topological
from symgrad.shapes import evaluate


def _sided(at: Any, x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, 1.0, np.where(x < 0, 0.0, float(at)))


FUNCTIONS = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "div": lambda a, b: a / b,
    "neg": lambda a: -a, "pow": lambda a, b: a**b, "exp": np.exp, "log": np.log, "sqrt": np.sqrt, "tanh": np.tanh,
    "sin": np.sin, "cos": np.cos, "abs": np.abs, "maximum": np.maximum, "minimum": np.minimum,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)), "softplus": lambda x: np.logaddexp(0, x), "relu": lambda x: x * (x > 0),
    "where": lambda c, a, b: np.where(c != 0, a, b), "log1p": np.log1p, "expm1": np.expm1,
    "gt": lambda a, b: 1.0 * (a > b), "ge": lambda a, b: 1.0 * (a >= b), "lt": lambda a, b: 1.0 * (a < b),
    "le": lambda a, b: 1.0 * (a <= b), "eq": lambda a, b: 1.0 * (a == b), "ne": lambda a, b: 1.0 * (a != b),
}


def _einsum(attr: tuple[Any, ...], args: list[np.ndarray], sizes: Mapping[str, int]) -> np.ndarray:
    ins, out, dims = attr
    lengths = [evaluate(d, sizes) for d in dims]
    result = np.zeros([lengths[i] for i in out])
    for point in itertools.product(*map(range, lengths)):
        term = 1.0
        for labels, arg in zip(ins, args):
            term = term * arg[tuple(point[i] for i in labels)]
        result[tuple(point[i] for i in out)] += term
    return result


def reference(roots: list[Node], arrays: Mapping[str, Any], sizes: Mapping[str, int]) -> list[np.ndarray]:
    """Return the values of the roots in float64."""
    value: dict[Node, np.ndarray] = {}
    for n in topological(roots):
        shape = tuple(evaluate(d, sizes) for d in n.shape)
        args = [value[a] for a in n.args]
        if n.op == "var":
            value[n] = np.asarray(arrays[n.name], float)
        elif n.op == "const":
            value[n] = np.full(shape, np.pi if n.value == "pi" else float(n.value))
        elif n.op == "size":
            value[n] = np.full(shape, float(evaluate(n.value, sizes)))
        elif n.op == "einsum":
            value[n] = _einsum(n.attr, args, sizes)
        elif n.op == "step":
            value[n] = _sided(n.attr[0], args[0])
        elif n.op == "sign":
            value[n] = 2 * _sided(n.attr[0], args[0]) - 1
        else:
            value[n] = FUNCTIONS[n.op](*args)
        assert value[n].shape == shape
    return [value[r] for r in roots]


def scale(roots: list[Node], arrays: Mapping[str, Any], sizes: Mapping[str, int]) -> float:
    """Return the largest magnitude met on the way, to which rounding errors are relative."""
    every = topological(roots)
    return max(1.0, *(float(np.max(np.abs(v), initial=0.0)) for v in reference(every, arrays, sizes)))
