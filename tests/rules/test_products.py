"""Derivatives of products where entries are 0, by exact products over places and by differences of the value."""

from __future__ import annotations

import ast
from itertools import product
from typing import Any

import numpy as np
import pytest

import symgrad as sg

Array = Any
RNG = np.random.default_rng(5)
POINTS = {
    "no zero": [1.5, -2.0, 3.0, 0.5], "one zero": [1.5, 0.0, 3.0, 0.5], "a negative zero": [1.5, -0.0, 3.0, 0.5],
    "two zeros": [0.0, 2.0, 0.0, 0.5], "three zeros": [0.0, 0.0, 0.0, 0.5], "only zeros": [0.0, 0.0, 0.0, 0.0],
}


def others(x: Array, directions: tuple[Array, ...] = ()) -> Array:
    """Return, at each place, the sum over distinct other places of the directions there and of x elsewhere."""
    out = np.zeros(len(x))
    for k in range(len(x)):
        rest = [j for j in range(len(x)) if j != k]
        for places in product(rest, repeat=len(directions)):
            if len(set(places)) == len(places):
                taken = np.prod([v[j] for v, j in zip(directions, places)])
                out[k] += taken * np.prod([x[j] for j in rest if j not in places])
    return out


@pytest.mark.parametrize("name", POINTS)
@pytest.mark.parametrize("order", [1, 2, 3])
def test_derivatives_of_every_order(name: str, order: int) -> None:
    x = np.array(POINTS[name])
    directions = tuple(RNG.normal(size=4) for _ in range(order - 1))
    declared = "".join(f"v{k}: (n,); " for k in range(order - 1))
    derived: Any = sg.parse(f"x: (n,); {declared} L = prod(x)")
    for k in range(order):
        gradient = sg.grad(derived, "x")
        derived = sg.sum(gradient * sg.symbol(f"v{k}", ("n",)))
    kernel = sg.compile(gradient)
    found = kernel(**{n: v for n, v in {"x": x, **{f"v{k}": v for k, v in enumerate(directions)}}.items()
                      if n in kernel.inputs})
    np.testing.assert_allclose(found, others(x, directions), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("axis", ["axis=0", "axis=1", "axis=(0, 2)", "axis=None"])
def test_along_axes_and_by_differences(axis: str) -> None:
    x = RNG.normal(size=(2, 3, 4))
    x[0, 1, 2] = x[1, 1, 2] = x[1, 0, 0] = 0
    rank = {"axis=0": "(3, 4)", "axis=1": "(2, 4)", "axis=(0, 2)": "(3,)", "axis=None": "()"}[axis]
    c = np.asarray(RNG.normal(size=ast.literal_eval(rank)))
    along = {"axis=0": 0, "axis=1": 1, "axis=(0, 2)": (0, 2), "axis=None": None}[axis]
    kernel = sg.compile(f"x: (2, 3, 4); c: {rank}; L = sum(c*prod(x, {axis}))", wrt="x")
    value, grads = kernel(x=x, c=c)

    def loss(z: Array) -> float:
        return float(np.sum(c * np.prod(z, axis=along)))

    assert abs(value - loss(x)) <= 1e-14
    for place in np.ndindex(x.shape):  # linear in each entry: differences are exact for any step
        e = np.zeros_like(x)
        e[place] = 1
        assert abs(grads["x"][place] - (loss(x + e) - loss(x - e)) / 2) <= 1e-13


def test_float32_stays() -> None:
    kernel = sg.compile("x: (n,); L = prod(x)", wrt="x")
    for x in ([1.0, 2.0, 3.0], [1.0, 0.0, 3.0]):
        assert kernel(x=np.array(x, dtype=np.float32))[1]["x"].dtype == np.float32


def test_no_warning_at_zero() -> None:
    with np.errstate(all="raise"):
        grads = sg.compile("x: (n,); L = prod(x)", wrt="x")(x=np.array([0.0, 2.0, 3.0]))[1]
    assert grads["x"].tolist() == [6.0, 0.0, 0.0]
