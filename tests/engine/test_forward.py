"""Forward mode: the change of every operation against differences of its values, along random directions."""

import random

import mpmath
import numpy as np
import pytest

from symgrad.engine import forward
from symgrad.engine.evaluate import distinct_sizes, evaluate, random_env
from symgrad.engine.forward import differential, pushforward
from symgrad.errors import NoRule
from symgrad.graph.node import apply, einsum, make, var
from symgrad.graph.text import to_text
from symgrad.rules.arrays import ARRAY_FUNCTIONS, BY_NAME
from symgrad.rules.elementwise import FUNCTIONS

DIGITS = 50
MP = mpmath.MPContext()
MP.dps = DIGITS
STEP = MP.mpf(10) ** -8  # differences of fourth order: the error is of size 1e-32, rounding 1e-42
CLOSE = MP.mpf(10) ** -24
SMOOTH = [f for f in FUNCTIONS if f.kink is None]


def agrees(node, operands, change, changes, seed=3):
    """Whether `change` is the slope of the node as its operands move along random changes."""
    sizes = distinct_sizes([node])
    rng = random.Random(seed)  # noqa: S311  # test points
    env = random_env([node], rng, sizes, DIGITS)
    moves = {d: np.array([MP.mpf(rng.uniform(-1, 1)) for _ in range(env[x].size)], dtype=object).reshape(
        env[x].shape) for x, d in zip(operands, changes)}

    def at(k):
        moved = {x: env[x] + k * STEP * moves[d] for x, d in zip(operands, changes)}
        return evaluate([node], {**env, **moved}, digits=DIGITS, sizes=sizes)[0]

    true = np.asarray((8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * STEP), dtype=object)
    found = evaluate([change], {**env, **moves}, digits=DIGITS, sizes=sizes)[0]
    return found.shape == true.shape and all(abs(a - b) <= CLOSE * (1 + abs(a)) for a, b in zip(true.flat, found.flat))


@pytest.mark.parametrize("row", ARRAY_FUNCTIONS, ids=lambda r: r.name)
def test_the_change_of_an_array_function(row):
    args, options = row.placeholders()
    node = row(*args, **options)
    moving = [a for a in args if a.attr[1] == "real"]
    changes = {k: var(f"d{a.name}", a.shape) for k, a in enumerate(args) if a in moving}
    change = pushforward(node, changes)
    if change is None:
        return  # whole numbers, or a constant
    assert agrees(node, moving, change, changes.values())


@pytest.mark.parametrize("row", SMOOTH, ids=lambda r: r.name)
def test_the_change_of_an_elementwise_function(row):
    args = tuple(var(p, ("n",)) for p in row.params)
    node = row(*args)
    changes = {k: var(f"d{a.name}", a.shape) for k, a in enumerate(args)}
    change = pushforward(node, changes)
    if change is not None:
        assert agrees(node, args, change, changes.values())


def test_the_change_of_products_and_whole_expressions():
    A, B, x = var("A", ("m", "k")), var("B", ("k", "n")), var("x", ("n",))
    dA, dB, dx = (var(f"d{v.name}", v.shape) for v in (A, B, x))
    node = einsum(["mk", "kn", "n"], [A, apply("tanh", B), x], "m")
    change = differential(node, {A: dA, B: dB, x: dx})
    assert agrees(node, (A, B, x), change, (dA, dB, dx))
    assert to_text(pushforward(A @ B, {0: dA, 1: dB})) == "dA @ B + A @ dB"
    square, change = var("A", ("n", "n")), var("dA", ("n", "n"))
    assert to_text(differential(BY_NAME["inv"](square), {square: change})) == "-inv(A) @ (dA @ inv(A))"


def test_what_is_held_fixed_does_not_change():
    x, y = var("x"), var("y")
    p = apply("sigmoid", x)
    node = p * y + x
    dx = var("dx")
    assert to_text(differential(node, {x: dx}, {p}), {p: "p"}) == "dx"
    assert differential(node, {var("z"): var("dz")}) is None


def test_a_planted_fault_is_seen(monkeypatch):
    x = var("x", ("n",))
    dx = var("dx", ("n",))
    node = apply("tanh", x)
    right = pushforward(node, {0: dx})
    assert agrees(node, [x], right, [dx])
    assert not agrees(node, [x], -right, [dx])
    monkeypatch.setattr(forward, "local_derivatives", lambda n, kink: (n,))
    assert not agrees(node, [x], pushforward(node, {0: dx}), [dx])


def test_a_symbol_has_no_rule():
    L, x = var("L"), var("x")
    with pytest.raises(NoRule, match="bar"):
        pushforward(make("bar", (L, x), (), ()), {1: var("dx")})
