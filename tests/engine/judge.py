"""Evidence from the primal alone: central differences in long arithmetic, at a random point."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np

from symgrad.engine.evaluate import distinct_sizes, evaluate, random_env
from symgrad.graph.node import Node

DIGITS = 30


def differences(loss: Node, w: Node, gradient: Node, seed: int = 0) -> bool:
    """Return whether `gradient` is the derivative of the loss by w, entry by entry, to 18 digits."""
    work = 3 * DIGITS
    sizes = distinct_sizes([loss])
    point: Mapping[Node, Any] = random_env([loss, gradient], random.Random(seed), sizes, work)  # noqa: S311  # test points
    base = np.asarray(point[w], dtype=object)
    told = evaluate([gradient], point, digits=work, sizes=sizes)[0]
    if told.shape != base.shape:
        return False
    h = type(base.flat[0])(10) ** -DIGITS  # the error of the difference is of the order of h**2
    for e in np.ndindex(base.shape):
        ends = []
        for sign in (1, -1):
            moved = base.copy()
            moved[e] = moved[e] + sign * h
            ends.append(evaluate([loss], {**point, w: moved}, digits=work, sizes=sizes)[0].flat[0])
        slope = (ends[0] - ends[1]) / (2 * h)
        if abs(slope - told[e]) > (1 + abs(slope)) * type(h)(10) ** -18:
            return False
    return True
