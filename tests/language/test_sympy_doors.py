"""Nodes to SymPy and back: the same node, or one of the same value at a random point; what has no door says so."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from symgrad.engine.evaluate import distinct_sizes, evaluate, random_env
from symgrad.errors import LimitExceeded, NoRule, NotExpressible
from symgrad.graph.node import Node, apply, const, einsum, identity, matmul, reduce_sum, transpose, var
from symgrad.graph.text import to_text
from symgrad.language.matrices import kron
from symgrad.language.subscript import subscript
from symgrad.language.sympy_in import SPELT
from symgrad.language.sympy_io import lower, to_sympy
from symgrad.rules.arrays import BY_NAME
from symgrad.rules.elementwise import FUNCTIONS
from symgrad.rules.row import Function

n, k = sp.symbols("n k", integer=True, positive=True)
x, z = sp.symbols("x z", real=True)
A, B = sp.MatrixSymbol("A", n, n), sp.MatrixSymbol("B", n, n)
M, N = sp.MatrixSymbol("M", 3, 2), sp.MatrixSymbol("N", 3, 2)
v = sp.MatrixSymbol("v", n, 1)
KINDS = sp.Piecewise((x, x > 1), (2 * x, x > 0), (3, True))


def same(a: Node, b: Node, seed: int = 0) -> None:
    """Assert that two nodes are one, or have one value at random points, to 40 digits."""
    if a is b:
        return
    rng = random.Random(seed)  # noqa: S311  # a test that repeats itself
    sizes = distinct_sizes([a, b])
    for _ in range(3):
        env = random_env([a, b], rng, sizes)
        p, q = evaluate([a, b], env, sizes=sizes)
        assert p.shape == q.shape
        assert all(abs(s - t) <= 1e-40 * (1 + abs(s)) for s, t in zip(p.flat, q.flat)), f"{to_text(a)} | {to_text(b)}"


@pytest.mark.parametrize("row", FUNCTIONS, ids=lambda r: r.name)
@pytest.mark.parametrize("shape", [(), ("n", 3)], ids=str)
def test_every_elementwise_row_goes_out_and_in(row: Function, shape: Any) -> None:
    rng = random.Random(row.name)  # noqa: S311  # a test that repeats itself
    args = [var(p, shape) for p in row.params]
    inner = [apply("exp", a) if i.low >= 0 else a for a, i in zip(args, row.intervals())]
    node = row(*args)
    for root in (node, row(*inner) * 2 + node):
        same(root, lower(to_sympy(root)), rng.randrange(99))


OUT_AND_IN = [
    sp.Inverse(A), sp.Determinant(A), sp.Trace(A * B), A.T, sp.HadamardProduct(A, B), sp.KroneckerProduct(A, M),
    sp.KroneckerProduct(M, N, A), sp.DiagMatrix(v), sp.DiagMatrix(v.T), sp.DiagonalMatrix(A), sp.DiagonalOf(A),
    sp.OneMatrix(n, 3), sp.ZeroMatrix(n, 3), sp.Identity(n), M[0:2, :], M[1:3, 1:2], A[0:2, 1:n], M[1, 0], A[0, n - 1],
    sp.BlockMatrix([[A, B]]), sp.BlockMatrix([[A], [B]]), sp.BlockMatrix([[A, B], [B, A]]), sp.BlockDiagMatrix(A, M),
    A**3, A**-1, sp.HadamardPower(A, 2), sp.Adjoint(A), sp.DotProduct(v, v.T), sp.Matrix([[x, 1], [2, z]]),
    sp.Matrix([[x, z]]) * M.T, sp.Max(x, z, 0), sp.sign(x), sp.Heaviside(x), sp.Heaviside(x, 0), sp.Abs(x), KINDS,
    sp.Piecewise((1, sp.And(x > 0, z < 1)), (0, True)), sp.Piecewise((z, sp.Or(x > 0, sp.Ne(z, 1))), (x, True)),
    sp.Piecewise((z, ~(x > z)), (x, True)), sp.erf(x) + sp.erfc(x), sp.loggamma(sp.exp(x)), sp.gamma(sp.exp(x)),
    sp.digamma(sp.exp(x)), sp.polygamma(3, sp.exp(x)), sp.sinc(x), sp.jn(2, x), sp.floor(x), sp.ceiling(x),
    sp.Mod(x, sp.exp(z)), sp.atan2(x, z), sp.Trace(sp.DiagMatrix(v) * A), sp.log(sp.Determinant(A * A.T)),
]  # fmt: skip


@pytest.mark.parametrize("expr", OUT_AND_IN, ids=lambda e: str(e)[:40])
def test_sympy_in_out_and_in(expr: Any) -> None:
    node = lower(expr)
    again = lower(to_sympy(node))
    same(node, again)
    if getattr(expr, "is_Matrix", False):
        assert len(node.shape) == 2


def test_read_values_are_those_of_sympy() -> None:
    point = {x: sp.Rational(3, 7), z: sp.Rational(-5, 4)}
    given = {var("x"): 3 / sp.Integer(7), var("z"): -5 / sp.Integer(4)}
    for expr in OUT_AND_IN:
        if getattr(expr, "is_Matrix", False) or not expr.free_symbols <= {x, z} or expr.has(sp.jn):
            continue
        node = lower(expr)
        env = {name: value for name, value in given.items() if sp.Symbol(name.name, real=True) in expr.free_symbols}
        told = evaluate([node], env, digits=30)[0].item()
        assert abs(sp.Float(str(told), 30) - expr.subs(point).evalf(30)) < 1e-25, expr
    W = sp.Matrix([[1, -2], [3, 5], [0, 4]])
    K = sp.Matrix([[2, 1], [7, 3]])
    for expr, array in ((sp.KroneckerProduct(M, sp.MatrixSymbol("C", 2, 2)), sp.kronecker_product(W, K)),
                        (M[0:2, 1:2], W[0:2, 1:2]), (sp.BlockMatrix([[M, M]]), W.row_join(W)),
                        (sp.DiagonalOf(sp.MatrixSymbol("C", 2, 2)), sp.Matrix([2, 3]))):
        node = lower(expr)
        env = {s: np.array(value.tolist(), object) for s, value in ((var("M", (3, 2)), W), (var("C", (2, 2)), K))}
        (got,) = evaluate([node], {s: e for s, e in env.items() if s.name in map(str, expr.free_symbols)})
        assert [int(e) for e in got.flat] == list(array)


@pytest.mark.parametrize("name", SPELT)
def test_functions_that_are_spelt_by_others(name: str) -> None:
    f = getattr(sp, name)
    at = [sp.Rational(3, 10) if name == "asech" else sp.Rational(17, 10)] * (2 if name == "beta" else 1)
    symbols = sp.symbols(["p", "q"][:len(at)], real=True)
    node = lower(f(*symbols))
    told = evaluate([node], {var(s.name): v for s, v in zip(symbols, at)}, digits=30)[0].item()
    assert abs(sp.Float(str(told), 30) - f(*at).rewrite(sp.gamma).evalf(30)) < 1e-25
    assert sg.derive(f(*symbols), symbols[0]).verify().ok


def random_matrix(rng: random.Random, depth: int) -> Node:
    """A random square matrix of size n, from the operations that SymPy knows."""
    if depth == 0:
        return rng.choice([var("A", ("n", "n")), var("B", ("n", "n")), identity(sp.Symbol("n", integer=True)) * 3])
    one, two = random_matrix(rng, depth - 1), random_matrix(rng, depth - 1)
    column = matmul(one, const(1, (one.shape[0], 1)))
    return rng.choice([
        lambda: matmul(one, two), lambda: one * two, lambda: one + two, lambda: one - 2 * two, lambda: transpose(one),
        lambda: apply(rng.choice(["sigmoid", "tanh", "sin", "softplus"]), one), lambda: einsum(["ij"], [column], "ii"),
        lambda: reduce_sum(one) * two, lambda: einsum(["ii"], [one], "") * two, lambda: apply("maximum", one, two),
        lambda: -one / (1 + two**2), lambda: einsum(["ii"], [one], "ii"),
        lambda: apply("where", apply("gt", one, 0), one, two),
    ])()  # fmt: skip


@pytest.mark.parametrize("seed", range(40))
def test_random_matrices_go_out_and_in(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311  # a test that repeats itself
    node = random_matrix(rng, rng.choice([1, 2, 3]))
    same(node, lower(to_sympy(node)), seed)


def test_what_sympy_has_no_word_for_says_so() -> None:
    X = var("X", (3, "m"))
    for node, words in (
        (BY_NAME["softmax"](X, axis=1), "no softmax of matrices"),
        (BY_NAME["cumsum"](X, axis=1), "no cumsum"),
        (BY_NAME["reshape"](X, shape=(sp.Symbol("m", integer=True, positive=True), 3)), "no reshape"),
        (reduce_sum(X, 1), "1 axes"),
        (subscript(X, [(None, None, -1)]), "no index"),
    ):
        with pytest.raises(NotExpressible, match=words):
            to_sympy(node)
    assert isinstance(sg.derive("X: (3, m); sum(softmax(X, axis=1)**2)", "X").result, sg.Expression)


def test_what_cannot_be_read() -> None:
    with pytest.raises(LimitExceeded, match="256 entries"):
        lower(sp.zeros(17, 17))
    with pytest.raises(NoRule, match="condition True"):
        lower(sp.Piecewise((x, x > 0)))


def test_results_in_blocks_and_diagonals_are_sympy() -> None:
    d = sg.derive(sp.Trace(sp.DiagMatrix(v) * A), A)
    assert d.result == sp.DiagMatrix(v)
    both = sg.derive(sp.Trace(sp.KroneckerProduct(A, B)), A)
    assert both.verify().ok
    assert kron(var("A", (2, 3)), var("B", (4, 5))).shape == (8, 15)
