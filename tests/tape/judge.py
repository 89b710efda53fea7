"""The judge of the tape's tests: central differences of the primal, and the adjoint identity. No derivative rule in it.

The difference quotient is of fourth order along one random direction, weighted by a random cotangent. Its tolerance is
computed: what halving the step changes bounds the truncation, eps * size / h bounds the rounding. A tolerance above
1e-6 is itself a failure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symgrad import tape

EPS = float(np.finfo(float).eps)
STEP = 1e-3
Fun = Callable[..., Any]


def slope(phi: Callable[[float], tuple[float, float]]) -> tuple[float, float]:
    """The derivative of phi at 0 and its tolerance; phi gives its value and the size of what it adds up."""
    h = STEP
    values = {k: phi(k * h) for k in (-4, -2, -1, 1, 2, 4)}

    def quotient(k: int) -> float:
        near, far = values[k][0] - values[-k][0], values[2 * k][0] - values[-2 * k][0]
        return (8.0 * near - far) / (12.0 * k * h)

    fine, coarse = quotient(1), quotient(2)
    rounding = 16.0 * EPS * (max(size for _, size in values.values()) / h + abs(fine) / h)
    return fine, abs(fine - coarse) + rounding


def check(fun: Fun, *arrays: Any, seed: int = 0) -> None:
    """Assert that reverse mode, forward mode and differences of `fun` agree, for each float argument on its own."""
    rng = np.random.default_rng(seed)
    primal = fun(*arrays)
    y, pullback = tape.vjp(fun, *arrays)
    largest = float(np.max(np.abs(primal), initial=0.0))
    np.testing.assert_allclose(y, primal, rtol=0, atol=64.0 * EPS * largest)  # sums may run in another order
    assert np.shape(y) == np.shape(primal), "the tape changed the shape of the primal"
    y_bar = rng.normal(size=np.shape(y))
    x_bars = pullback(y_bar)
    for k, x in enumerate(arrays):
        if np.asarray(x).dtype.kind != "f":
            continue
        x_bar = x_bars[k]
        assert np.shape(x_bar) == np.shape(x), f"gradient {k} has shape {np.shape(x_bar)}, its argument {np.shape(x)}"
        v = rng.uniform(0.3, 1.0, size=np.shape(x)) * rng.choice([-1.0, 1.0], size=np.shape(x))

        def phi(t: float, k: int = k, v: Any = v) -> tuple[float, float]:
            moved = [a + t * v if i == k else a for i, a in enumerate(arrays)]
            terms = y_bar * fun(*moved)
            return float(np.sum(terms)), float(np.sum(np.abs(terms)))

        expected, tolerance = slope(phi)
        assert tolerance <= 1e-6 * max(1.0, abs(expected)), f"the judge is blind here: {expected} +- {tolerance}"
        reverse = float(np.sum(x_bar * v))
        assert abs(reverse - expected) <= tolerance, f"pullback {k}: {reverse}, differences: {expected} +- {tolerance}"
        tangents = tuple(v if i == k else None for i in range(len(arrays)))
        _, y_dot = tape.jvp(fun, arrays, tangents)
        assert np.shape(y_dot) == np.shape(y), f"tangent by argument {k} has shape {np.shape(y_dot)}"
        forward = float(np.sum(y_bar * y_dot))
        assert abs(forward - expected) <= tolerance, (
            f"pushforward {k}: {forward}, differences: {expected} +- {tolerance}"
        )
        size = float(np.sum(np.abs(x_bar * v)) + np.sum(np.abs(y_bar * y_dot)))
        assert abs(forward - reverse) <= 256.0 * EPS * (size + abs(expected)), (
            f"adjoint identity {k}: {forward - reverse}"
        )
