"""What is said to be positive, or not to be 0, is so at every point at which the forward pass is defined."""

from __future__ import annotations

import random

import pytest

import symgrad as sg
from symgrad.engine.evaluate import distinct_sizes, evaluate, random_env
from symgrad.engine.relations import Signs
from symgrad.errors import InputError
from symgrad.graph.node import topological
from tests.engine.losses import random_loss


def _claims_hold(text_or_seed: str | int, points: int) -> int:
    """Hold each claim against random points; return how many claims were held."""
    root = random_loss(text_or_seed).loss if isinstance(text_or_seed, int) else sg.parse(text_or_seed).output
    order = topological([root])
    signs = Signs(order)
    sizes = distinct_sizes([root])
    seen: dict[object, set[int]] = {}
    for k in range(points):
        try:
            env = random_env([root], random.Random(k), sizes, 30)  # noqa: S311  # test points, no secrets
        except InputError:
            return 0
        for n, v in zip(order, evaluate(order, env, digits=30, sizes=sizes)):
            seen.setdefault(n, set()).update(int(x > 0) - int(x < 0) for x in v.flat)
    held = 0
    for n in order:
        if signs.positive(n):
            held += 1
            assert seen[n] <= {1}, f"{n.op} is said to be positive"
        if signs.nonzero(n) and n.op not in ("div", "pow"):
            held += 1
            assert seen[n] in ({1}, {-1}), f"{n.op} is said not to be 0"
    return held


def test_claims_about_random_losses() -> None:
    assert sum(_claims_hold(seed, 12) for seed in range(120)) > 200


@pytest.mark.parametrize("text", [
    "u: (); L = (u + 1)*u", "u: (); v: (); L = exp(u)*(v + exp(u))", "x: (n,); L = sum(1 + x*x - 2*x)",
    "x: (n,); L = sum(x + 1)/sum(exp(x))", "x: (n,); L = (sum(x) + n)*2",
])
def test_a_sum_with_a_positive_term_may_be_0(text: str) -> None:
    assert _claims_hold(text, 40) > 0
