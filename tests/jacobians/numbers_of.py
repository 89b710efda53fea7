"""Evidence for second derivatives: differences of the tape's gradient, with bounds, at random points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from symgrad.check.numeric import estimate
from symgrad.check.point import random_point
from symgrad.engine.evaluate import distinct_sizes
from symgrad.graph.node import Node, topological, variables
from symgrad.kernels.functions import plain_function
from symgrad.tape import grad


def point(roots: list[Node], seed: int = 0) -> dict[str, Any]:
    """Return arrays for the variables below the roots, all sizes distinct and larger than 1."""
    sizes = {n: k + 2 for n, k in distinct_sizes(roots).items()}
    return random_point(roots, sizes, seed)


def columns(loss: Node, a: str, b: str, at: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return d^2 loss / (da db) and a bound on its error: central differences by b of the tape's gradient by a."""
    inputs = variables([loss])
    plain = plain_function(loss, inputs)
    taped = grad(plain, wrt=[a])
    here = {v.name: at[v.name] for v in inputs}
    count = here[a].size
    values, errors = [], []
    for k in range(count):
        found = estimate(lambda x, k=k: np.ravel(taped(**{**here, b: x})[a])[k], here[b])
        values.append(found.gradient)
        errors.append(found.error)
    shape = (*here[a].shape, *here[b].shape)
    return np.reshape(values, shape), np.reshape(errors, shape)


def rows(f: Node, x: str, at: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return df/dx and a bound on its error, by central differences of the entries of f."""
    inputs = variables([f])
    plain = plain_function(f, inputs)
    here = {v.name: at[v.name] for v in inputs}
    count = np.asarray(plain(**here)).size
    found = [estimate(lambda y, k=k: np.ravel(plain(**{**here, x: y}))[k], here[x]) for k in range(count)]
    shape = (*np.shape(plain(**here)), *here[x].shape)
    return np.reshape([e.gradient for e in found], shape), np.reshape([e.error for e in found], shape)


def below(node: Node) -> set[Node]:
    """Return the nodes below one."""
    return set(topological([node]))
