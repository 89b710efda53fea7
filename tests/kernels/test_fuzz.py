"""Random graphs: kernel, plain code and a slow evaluator agree; inputs stay as they were; shapes are as declared."""

from __future__ import annotations

import random
import warnings
from fractions import Fraction

import numpy as np
import pytest

from symgrad.engine.stabilise import stabilise
from symgrad.graph.node import (
    Node,
    apply,
    broadcast_to,
    const,
    einsum,
    identity,
    matmul,
    reduce_sum,
    size,
    topological,
    transpose,
    var,
)
from symgrad.kernels.compile import compile_nodes
from symgrad.kernels.functions import plain_function
from symgrad.shapes import as_dim, evaluate
from tests.kernels.reference import reference, scale

SIZES = {"m": 2, "n": 3, "k": 4}
UNARY = ("neg", "tanh", "sin", "cos", "abs", "sigmoid", "softplus", "relu")
BINARY = ("add", "sub", "mul", "maximum", "minimum")
COMPARE = ("gt", "ge", "lt", "le")


def grow(rng: random.Random, steps: int) -> list[Node]:
    """Return a pool of nodes, each made of earlier ones; variables come first."""
    dims = [as_dim(d) for d in ("m", "n", "k")] + [1]
    pool = [var(f"x{i}", tuple(rng.choice(dims) for _ in range(rng.randrange(4)))) for i in range(5)]
    pool += [var("a", ("m", "n")), var("b", ("n", "k")), var("c", ("m", 1)), var("s")]

    def pick(rank: int | None = None) -> Node:
        found = [p for p in pool if rank is None or p.rank == rank]
        return rng.choice(found[-12:] if rng.random() < 0.7 else found)

    def partner(x: Node) -> Node:
        same = [p for p in pool if p.shape == x.shape]
        narrow = [p for p in pool if p.rank <= x.rank and all(
            d in (1, e) for d, e in zip(p.shape[::-1], x.shape[::-1]))]
        roll = rng.random()
        if roll < 0.15:
            return rng.choice([const(2, x.shape), const(Fraction(1, 3), x.shape), const(-1, x.shape),
                               const(0.5, x.shape), size("n", x.shape), const("pi", x.shape)])  # type: ignore[arg-type]
        return rng.choice(same) if roll < 0.6 else broadcast_to(rng.choice(narrow), x.shape)

    for _ in range(steps):
        kind = rng.choice(["unary", "binary", "binary", "where", "pow", "einsum", "einsum", "sum", "matmul", "view",
                           "delta", "div", "step"])
        x = pick()
        if kind == "unary":
            new = apply(rng.choice(UNARY), x)
        elif kind == "binary":
            pair = [x, partner(x)]
            rng.shuffle(pair)
            new = apply(rng.choice(BINARY), *pair)
        elif kind == "where":
            new = apply("where", apply(rng.choice(COMPARE), x, partner(x)), x, partner(x))
        elif kind == "pow":
            new = apply("pow", x, rng.choice([2, 3, 4]))
        elif kind == "div":
            new = x / (1 + partner(x) ** 2)
        elif kind == "step":
            new = x * apply("step", partner(x), attr=(rng.choice([0, 1, Fraction(1, 2)]),))
        elif kind == "sum":
            new = reduce_sum(x, axis=tuple(k for k in range(x.rank) if rng.random() < 0.5), keepdims=rng.random() < 0.5)
        elif kind == "matmul":
            fits = [(p, q) for p in pool for q in pool if 0 < p.rank <= 2 and 0 < q.rank <= 2
                    and p.shape[-1] == q.shape[-2 if q.rank > 1 else 0]]
            new = matmul(*rng.choice(fits))
        elif kind == "view":
            new = transpose(x, rng.sample(range(x.rank), x.rank))
        elif kind == "delta":
            y = identity(rng.choice(dims[:3]))
            new = rng.choice([y, einsum([[0, 1], [1, 2]], [y, var(f"e_{y.shape[0]}", (y.shape[0], "n"))], [0, 2])])
        else:
            new = _contraction(rng, pick)
        if new.rank <= 4:
            pool.append(new)
    return pool


def _contraction(rng: random.Random, pick) -> Node:  # type: ignore[no-untyped-def]  # a local closure
    """Return an einsum of one to three nodes with labels drawn by size, so diagonals and batches occur."""
    args = [pick() for _ in range(rng.choice([1, 2, 2, 2, 3]))]
    ins = [[(d, rng.randrange(2)) for d in a.shape] for a in args]
    known = list(dict.fromkeys(x for labels in ins for x in labels))
    out = rng.sample(known, rng.randrange(min(3, len(known)) + 1))
    if out and rng.random() < 0.15:
        out.append(rng.choice(out))  # a diagonal matrix
    if rng.random() < 0.2:
        out.insert(rng.randrange(len(out) + 1), ("new", 0))
    return einsum(ins, args, out, {("new", 0): as_dim("n")})


def draw(rng: random.Random, nodes: list[Node], dtype: type = np.float64) -> dict[str, np.ndarray]:
    values = np.random.default_rng(rng.randrange(2**32))
    return {v.name: values.uniform(-1.5, 1.5, size=tuple(evaluate(d, SIZES) for d in v.shape)).astype(dtype)
            for v in topological(nodes) if v.op == "var"}


@pytest.mark.parametrize("seed", range(150))
def test_kernel_is_the_reference(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311  # graphs, not secrets
    pool = grow(rng, 25)
    roots = {f"y{i}": rng.choice(pool[-12:]) for i in range(3)}
    grads = {f"g{i}": rng.choice(pool[-15:]) for i in range(3)}
    wanted = [*roots.values(), *grads.values()]
    names = {n: f"t{i}" for i, n in enumerate(pool) if rng.random() < 0.4}
    kernel = compile_nodes(roots, grads, None, names, sizes=SIZES, stabilise=stabilise if seed % 2 else None)
    arrays = draw(rng, wanted)
    before = {k: v.copy() for k, v in arrays.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values, gradients = kernel(**arrays)
        expected = reference(wanted, arrays, SIZES)
    tolerance = 1e-13 * scale(wanted, arrays, SIZES)
    if len(roots) == 1:
        values = {"y0": values}
    got = [values[k] for k in roots] + [gradients[k] for k in grads]
    plain = plain_function(wanted, sizes=SIZES)(**arrays)
    for g, p, e, n in zip(got, plain, expected, wanted):
        assert np.shape(g) == np.shape(p) == e.shape, (n, kernel.source)
        np.testing.assert_allclose(g, e, rtol=0, atol=tolerance, err_msg=kernel.source)
        np.testing.assert_allclose(p, e, rtol=0, atol=tolerance)
    for k, v in before.items():
        assert np.array_equal(arrays[k], v), f"{k} was written to"
    own = [g for g in got if np.ndim(g)]
    assert not any(np.shares_memory(a, b) for i, a in enumerate(own) for b in [*own[:i], *arrays.values()])


@pytest.mark.parametrize("seed", range(40))
def test_float32_stays_float32(seed: int) -> None:
    rng = random.Random(1000 + seed)  # noqa: S311  # graphs, not secrets
    pool = grow(rng, 20)
    roots = {f"y{i}": n for i, n in enumerate(pool[-6:])}
    kernel = compile_nodes(roots, sizes=SIZES)
    arrays = draw(rng, list(roots.values()), np.float32)
    single = kernel(**arrays)
    double = kernel(**{k: v.astype(np.float64) for k, v in arrays.items()})
    for k in roots:
        assert single[k].dtype == (np.float32 if arrays else np.float64), (k, kernel.source)
        assert double[k].dtype == np.float64
        assert single[k].shape == double[k].shape
