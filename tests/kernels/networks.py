"""A small network with symbolic sizes, by nodes, and arrays that fit it."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgrad.engine.derive import derive
from symgrad.engine.stabilise import stabilise
from symgrad.graph.node import Node, apply, reduce_mean, var
from symgrad.kernels.choose import choose
from symgrad.kernels.compile import compile_nodes
from symgrad.kernels.kernel import Kernel


def two_layers(rename: dict[str, str] | None = None) -> tuple[Node, list[Node], list[Node], dict[Node, str]]:
    """Return loss, data, parameters and names; columns, ReLU, sigmoid, mean binary cross-entropy."""
    new = (rename or {}).get
    X, Y = var(new("X", "X"), (2, "n")), var(new("Y", "Y"), (1, "n"))
    W1, b1 = var(new("W1", "W1"), ("h", 2)), var(new("b1", "b1"), ("h", 1))
    W2, b2 = var(new("W2", "W2"), (1, "h")), var(new("b2", "b2"), (1, 1))
    Z1 = W1 @ X + b1
    A1 = apply("relu", Z1)
    Z2 = W2 @ A1 + b2
    P = apply("sigmoid", Z2)
    L = reduce_mean(-(Y * apply("log", P) + (1 - Y) * apply("log", 1 - P)))
    return L, [X, Y], [W1, b1, W2, b2], {Z1: "Z1", A1: "A1", Z2: "Z2", P: "P", L: "L"}


def kernel(rename: dict[str, str] | None = None) -> Kernel:
    L, data, params, names = two_layers(rename)
    chosen = choose(derive(L, params, names))
    return compile_nodes({"L": L}, chosen.grads, [*data, *params], {**chosen.names, **names}, stabilise=stabilise)


def arrays(dtype: Any = np.float64, n: int = 5, h: int = 3) -> dict[str, Any]:
    rng = np.random.default_rng(7)
    out = {"X": rng.normal(size=(2, n)), "Y": (rng.random((1, n)) > 0.5) * 1.0, "W1": rng.normal(size=(h, 2)),
           "b1": rng.normal(size=(h, 1)), "W2": rng.normal(size=(1, h)), "b2": rng.normal(size=(1, 1))}
    return {k: v.astype(dtype) for k, v in out.items()}
