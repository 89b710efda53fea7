"""Random losses: scalars, vectors and matrices of distinct sizes, grown one operation at a time from a seed."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from symgrad.graph.node import (
    Node,
    apply,
    broadcast_to,
    const,
    einsum,
    matmul,
    reduce_mean,
    reduce_sum,
    topological,
    transpose,
    var,
)

SMOOTH = ("exp", "sin", "cos", "tanh", "sigmoid", "softplus", "arctan", "sinh", "cosh", "arcsinh", "expm1")
KINKED = ("relu", "abs")
PAIRS = ("maximum", "minimum")
SYMBOLIC = {"m": "m", "n": "n", "k": "k"}
NUMBERS = {"m": 2, "n": 3, "k": 4}


@dataclass
class Loss:
    """A scalar node, the variables to differentiate by, and the names an author gave on the way."""

    loss: Node
    wrt: list[Node]
    names: dict[Node, str] = field(default_factory=dict)


def _leaves(rng: random.Random, dims: dict[str, Any]) -> list[Node]:
    m, n, k = dims["m"], dims["n"], dims["k"]
    shapes = {"s": (), "t": (), "u": (n,), "v": (m,), "X": (m, n), "Y": (m, n), "W": (n, k), "r": (1, n), "c": (m, 1),
              "S": (n, n), "o": (1, 1)}
    chosen = rng.sample(sorted(shapes), rng.randint(2, 5))
    return [var(name, shapes[name]) for name in chosen]


def _bounded(rng: random.Random, x: Node) -> Node:
    """Return a positive node made of x, for logarithms, roots and quotients."""
    kind = rng.randrange(4)
    if kind == 0:
        return x * x + rng.choice([1, 2, Fraction(1, 2)])
    return apply(("exp", "sigmoid", "softplus")[kind - 1], x)


def _elementwise(rng: random.Random, x: Node) -> Node:
    kind = rng.randrange(12)
    if kind < 5:
        return apply(rng.choice(SMOOTH), x)
    if kind == 5:
        return apply(rng.choice(KINKED), x)
    if kind == 6:
        return apply(rng.choice(["log", "sqrt", "log1p"]), _bounded(rng, x))
    if kind == 7:
        return x ** rng.choice([2, 3])
    if kind == 8:
        return rng.choice([2, 3, -1, Fraction(1, 2), Fraction(-2, 3), 0.25]) * x
    if kind == 9:
        return rng.choice([1, 2, -1, 0.5]) - x
    if kind == 10:
        return -x
    return 1 / _bounded(rng, x)


def _fits(a: Node, b: Node) -> bool:
    if a.rank > b.rank:
        a, b = b, a
    return all(x == y or 1 in (x, y) for x, y in zip(reversed(a.shape), reversed(b.shape)))


def _binary(rng: random.Random, a: Node, b: Node) -> Node:
    kind = rng.randrange(10)
    if kind < 3:
        return a + b
    if kind < 5:
        return a - b
    if kind < 8:
        return a * b
    if kind == 8:
        return a / _bounded(rng, b)
    if rng.random() < 0.3:
        return apply("where", apply("gt", a, b), a * a, b)
    return apply(rng.choice(PAIRS), a, b)


def _contract(rng: random.Random, x: Node, pool: list[Node], dims: dict[str, Any]) -> Node | None:
    """Return a product, sum, trace, diagonal or broadcast of arrays, where one fits."""
    kind = rng.randrange(9)
    if kind < 3:
        partners = [b for b in pool if x.rank and b.rank and x.shape[-1] == (b.shape[-2] if b.rank > 1 else b.shape[0])]
        return matmul(x, rng.choice(partners)) if partners else None
    if kind == 3 and x.rank == 2:
        return transpose(x)
    if kind == 4 and x.rank:
        axis = rng.choice([None, *range(x.rank)])
        return rng.choice([reduce_sum, reduce_mean])(x, axis, rng.random() < 0.4)
    if kind == 5 and x.rank == 2 and x.shape[0] == x.shape[1]:
        return einsum(["ii"], [x], rng.choice(["", "i"]))
    if kind == 6 and x.rank == 1:
        if rng.random() < 0.4:
            return einsum(["i"], [x], "ii")
        others = [b for b in pool if b.rank == 1]
        return einsum(["i", "j"], [x, rng.choice(others)], "ij")
    if kind == 7 and x.rank < 2:
        return broadcast_to(x, (dims["k"], *x.shape)) if x.rank else broadcast_to(x, (dims["n"],))
    if kind == 8 and x.rank == 2:
        same = [b for b in pool if b.shape == x.shape]
        return einsum(["ij", "ij"], [x, rng.choice(same)], rng.choice(["", "i", "j", "ij"]))
    return None


def random_loss(seed: int) -> Loss:
    """Return the loss of a seed; the same one each time."""
    rng = random.Random(seed)  # noqa: S311  # a reproducible test
    dims: dict[str, Any] = SYMBOLIC if rng.random() < 0.6 else NUMBERS
    leaves = _leaves(rng, dims)
    pool = list(leaves)
    made: list[Node] = []
    for _ in range(rng.randint(3, 9)):
        x = rng.choice(pool[-4:] if rng.random() < 0.7 else pool)
        kind = rng.random()
        new: Node | None
        if kind < 0.4:
            new = _elementwise(rng, x)
        elif kind < 0.7:
            partners = [b for b in pool if _fits(x, b)]
            new = _binary(rng, x, rng.choice(partners))
        else:
            new = _contract(rng, x, pool, dims)
        if new is not None and new.rank <= 2:
            made.append(new)
            pool.append(new)
    total: Node | None = None
    for part in [pool[-1], *rng.sample(pool, rng.randint(0, 2))]:
        part = rng.choice([reduce_sum, reduce_mean])(part)
        if rng.random() < 0.2:
            part = apply(rng.choice(SMOOTH), part)
        total = part if total is None else rng.choice([total + part, total * part, total - part])
    assert total is not None
    below = topological([total])
    wrt = [n for n in below if n.op == "var"]
    inner = [n for n in made if n in below and n is not total and n.op not in ("var", "const", "size")]
    names = {n: f"h{i}" for i, n in enumerate(dict.fromkeys(inner)) if rng.random() < 0.35}
    if total.op == "var":
        total = total + const(1)
    return Loss(total, wrt, names)
