"""Matrix expressions against the sum that they stand for, entry by entry."""

import itertools
import random

import numpy as np
import pytest

from symgrad.graph.matrix_form import (
    Chain,
    Diag,
    Diagonal,
    Eye,
    Hadamard,
    Leaf,
    Ones,
    Scaled,
    Trace,
    Transposed,
    leaves,
    matrix_form,
    postorder,
)
from symgrad.graph.node import const, einsum, identity, reduce_sum, var

A, B, C = var("A", (2, 3)), var("B", (3, 4)), var("C", (2, 4))
u, v, b = var("u", (2,)), var("v", (3,)), var("b", (2, 1))
s = var("s")


def value(form, values):
    """The matrix that a form stands for, vectors as columns."""
    made = {}
    for f in postorder(form):
        if isinstance(f, Leaf):
            out = np.asarray(values[f.node] if f.node in values else float(f.node.value))
            out = out.reshape(-1, 1) if out.ndim == 1 else out
        elif isinstance(f, Ones):
            out = np.ones((f.dim, 1))
        elif isinstance(f, Eye):
            out = np.eye(f.dim)
        elif isinstance(f, Transposed):
            out = made[id(f.of)].T
        elif isinstance(f, Chain):
            out = np.linalg.multi_dot([made[id(p)] for p in f.factors])
        elif isinstance(f, Hadamard):
            assert len({made[id(p)].shape for p in f.factors}) == 1
            out = np.prod([made[id(p)] for p in f.factors], axis=0)
        elif isinstance(f, Diag):
            assert made[id(f.of)].shape[1] == 1
            out = np.diag(made[id(f.of)][:, 0])
        elif isinstance(f, Diagonal):
            out = np.diag(made[id(f.of)])[:, None]
        elif isinstance(f, Trace):
            out = np.trace(made[id(f.of)])
        else:
            assert isinstance(f, Scaled)
            out = 1.0
            for p in f.scalars:
                out = out * np.asarray(made[id(p)]).item()
            if f.body is not None:
                out = out * made[id(f.body)]
        made[id(f)] = out
    return made[id(form)]


def truth(node, values):
    """The sum over all indices, by loops."""
    ins, out, sizes = node.attr
    total = np.zeros(node.shape)
    for index in itertools.product(*(range(k) for k in sizes)):
        term = 1.0
        for arg, labels in zip(node.args, ins):
            term *= values[arg][tuple(index[i] for i in labels)]
        total[tuple(index[i] for i in out)] += term
    return total.reshape(-1, 1) if total.ndim == 1 else total


@pytest.mark.parametrize("seed", range(20))
def test_random_sums(seed):
    rng, numbers = random.Random(seed), np.random.default_rng(seed)  # noqa: S311  # a test that repeats itself
    dims = [2, 3, 4, 1]
    for _ in range(40):
        ins = [tuple(rng.randrange(4) for _ in range(rng.randint(0, 2))) for _ in range(rng.randint(0, 4))]
        out = tuple(rng.randrange(4) for _ in range(rng.randint(0, 2)))
        args = [var(f"v{k}", tuple(dims[i] for i in labels)) for k, labels in enumerate(ins)]
        values = {a: numbers.normal(size=a.shape) for a in args}
        node = einsum(ins, args, out, dict(enumerate(dims)))
        form = matrix_form(node) if node.op == "einsum" else None
        if form is None:
            continue
        want = truth(node, values)
        got = np.asarray(value(form, values))
        # terms of size about 1, at most 5 factors: far above rounding, far below any wrong entry
        np.testing.assert_allclose(got.reshape(want.shape) if want.size == 1 else got, want, rtol=1e-10, atol=1e-12)


def test_planted_faults_are_seen():
    form = matrix_form(A @ B)
    rng = np.random.default_rng(0)
    values = {n: rng.normal(size=n.shape) for n in (A, B, C)}
    assert np.allclose(value(form, values), truth(A @ B, values))
    swapped = Chain((Transposed(Leaf(A)), Leaf(A)))
    assert value(swapped, values).shape != truth(A @ B, values).shape
    assert not np.allclose(value(Scaled((Leaf(const(2)),), form), values), truth(A @ B, values))


NAMED = [
    (A @ B, Chain((Leaf(A), Leaf(B)))),
    (einsum(["ik", "jk"], [C, B], "ij"), Chain((Leaf(C), Transposed(Leaf(B))))),
    (einsum(["jk", "ik"], [B, C], "ij"), Chain((Leaf(C), Transposed(Leaf(B))))),
    (A.T, Transposed(Leaf(A))),
    (einsum(["ij", "ij"], [A, A], "ij"), Hadamard((Leaf(A), Leaf(A)))),
    (einsum(["i", "j"], [u, v], "ij"), Chain((Leaf(u), Transposed(Leaf(v))))),
    (einsum(["ij", "j"], [A, v], "ij"), Chain((Leaf(A), Diag(Leaf(v))))),
    (reduce_sum(A, 1), Chain((Leaf(A), Ones(3)))),
    (reduce_sum(A, 1, True), Chain((Leaf(A), Ones(3)))),
    (reduce_sum(A, 0, True), Chain((Transposed(Ones(2)), Leaf(A)))),
    (einsum(["ij"], [b], "ik", {"k": 4}), Chain((Leaf(b), Transposed(Ones(4))))),
    (einsum(["ij", "ij"], [A, A], []), Trace(Chain((Transposed(Leaf(A)), Leaf(A))))),
    (einsum(["i", "i"], [u, u], []), Chain((Transposed(Leaf(u)), Leaf(u)))),
    (einsum(["i"], [u], "ii"), Diag(Leaf(u))),
    (identity(3), Eye(3)),
    (einsum([[], "ij"], [s, A], "ij"), Scaled((Leaf(s),), Leaf(A))),
    (A @ const(1, (3, 1)), Chain((Leaf(A), Ones(3)))),
]


@pytest.mark.parametrize(("node", "form"), NAMED, ids=[str(k) for k in range(len(NAMED))])
def test_textbook_forms(node, form):
    assert matrix_form(node) == form


def test_inner_sums_are_taken_in_unless_opaque():
    node = (A @ B) @ C.T
    assert matrix_form(node, lambda n: False) == Chain((Leaf(A), Leaf(B), Transposed(Leaf(C))))
    assert leaves(matrix_form(node)) == [A @ B, C.T]


def test_three_axes_have_no_matrix_form():
    T = var("T", (2, 3, 4))
    assert matrix_form(einsum(["ijk", "kl"], [T, var("D", (4, 5))], "ijl")) is None
    assert matrix_form(einsum(["ij", "ik"], [A, C], "ijk")) is None
