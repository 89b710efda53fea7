"""Expressions: operators with every kind of operand, names, the way to SymPy, and functions of whole arrays."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy as sp

from symgrad.errors import InputError, NoRule, NotExpressible, ShapeError
from symgrad.graph.node import apply, broadcast_to, const, matmul, reduce_mean, reduce_sum, size, transpose, var
from symgrad.language import arrays
from symgrad.language.expression import Expression, symbol
from symgrad.language.functions import PUBLIC
from symgrad.language.network import Network
from symgrad.language.sympy_io import lower

h, n = sp.symbols("h n", integer=True, positive=True)
z = sp.Symbol("z", real=True)
W, X, b, x = symbol("W", ("h", 2)), symbol("X", (2, "n")), symbol("b", ("h", 1)), symbol("x")


def test_operators_build_the_nodes_of_the_operators() -> None:
    w, d, c, s = (e.node for e in (W, X, b, x))
    zed = var("z")
    pairs = [
        (W @ X + b, matmul(w, d) + c), (x - 1, s - 1), (1 - x, 1 - s), (2 * x, 2 * s), (x / 3, s / 3), (3 / x, 3 / s),
        (x**2, s**2), (2**x, 2**s), (-x, -s), (+x, s), (abs(x), apply("abs", s)), (W.T, transpose(w)),
        (x + z, s + zed), (z + x, zed + s), (z - x, zed - s), (z * x, zed * s), (x * z, s * zed), (z / x, zed / s),
        (z**x, zed**s), (x**z, s**zed), (sp.Rational(1, 2) + x, const(1) / 2 + s),
        (sp.pi * x, const("pi") * s),  # type: ignore[arg-type]  # a named constant is stored by its name
        (W / h, w / size(h)), (np.float64(0.5) * x, 0.5 * s), (x > 0, apply("gt", s, 0)), (x <= z, apply("le", s, zed)),
    ]  # fmt: skip
    for made, node in pairs[:20] + pairs[21:]:
        assert isinstance(made, Expression)
        assert made.node is node
    half = pairs[20][0].node
    assert half.args[0].attr == (sp.Rational(1, 2),)


def test_sympy_matrices_on_either_side() -> None:
    V = sp.MatrixSymbol("V", 2, n)
    assert (W @ V).node is matmul(W.node, var("V", (2, "n")))
    assert (V.T @ W.T).node is matmul(transpose(var("V", (2, "n"))), transpose(W.node))
    assert (V + X).node is var("V", (2, "n")) + X.node
    assert (V - X).to_sympy().has(V)
    for product in (lambda: V * X, lambda: X * V):
        with pytest.raises(InputError, match="ambiguous"):
            product()


def test_it_knows_itself() -> None:
    e = W @ X + b
    assert e.shape == (h, n)
    assert e.rank == 2
    assert str(e) == repr(e) == "W @ X + b"
    assert e == W @ X + b
    assert hash(e) == hash(W @ X + b)
    assert e != W @ X
    assert {s.name for s in e.free_symbols} == {"W", "X", "b", "h", "n"}
    assert str(e.to_sympy()) == "W*X + b*1"
    assert lower(e.to_sympy()) is e.node
    again = pickle.loads(pickle.dumps(e))  # noqa: S301  # our own bytes
    assert again == e


def test_the_users_symbols_come_back() -> None:
    t = sp.Symbol("t", real=True)
    own = sp.Symbol("m")
    assert (x + t).to_sympy().free_symbols == {t, sp.Symbol("x", real=True)}
    assert symbol("V", (own, 2)).to_sympy().shape == (own, 2)
    assert ((x + t) * (x - t)).free_symbols == {t, sp.Symbol("x", real=True)}
    with pytest.raises(InputError, match="two different SymPy symbols are called 't'"):
        (x + t) * (x + sp.Symbol("t"))


def test_indexing() -> None:
    c = symbol("c", (1, 1))
    assert c[0, 0].node is reduce_sum(c.node)
    assert symbol("v", "n")[None, :].shape == (1, n)
    assert symbol("v", "n")[:, None].shape == (n, 1)
    assert b[:, 0].shape == (h,)
    assert W[0, 1].shape == ()
    assert str(W[1:, 0]) == "W[1:h, 0]"
    assert str(W[:, ::-1]) == "W[:, ::-1]"
    with pytest.raises(ShapeError, match="index 2 is out of range for W"):
        W[0, 2]
    with pytest.raises(InputError, match="an index is"):
        W["a"]
    with pytest.raises(ShapeError, match="3 indices"):
        W[0, 0, 0]


def test_functions_of_expressions() -> None:
    for name in ("sigmoid", "exp", "relu", "abs", "sqrt", "log1p", "step"):
        e = PUBLIC[name](W)
        row_attr = {"step": (0,)}.get(name, ())
        assert e.node is apply(name, W.node, attr=row_attr)
    assert PUBLIC["maximum"](W, 0).node is apply("maximum", W.node, 0)
    assert PUBLIC["maximum"](0, z * x).shape == ()
    assert PUBLIC["where"](x > 0, x, 0).node is apply("where", apply("gt", x.node, 0), x.node, 0)
    loss = PUBLIC["bce"](x, z)
    assert [c.name for c in loss.calls.values()] == ["bce"]
    assert str(2 * loss) == "2*bce(x, z)"


BAD: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: x + "a", TypeError, "unsupported operand"),  # type: ignore[operator]  # the test's point
    (lambda: "a" * x, TypeError, "unsupported operand|multiply"),  # type: ignore[operator]  # the test's point
    (lambda: x + np.ones(2), InputError, r"symgrad\.compile"),
    (lambda: bool(x > 0), InputError, "truth value"),
    (lambda: list(symbol("v", "n")), InputError, "entry by entry"),
    (lambda: PUBLIC["bce"](x, "y"), InputError, r"symgrad\.parse"),
    (lambda: PUBLIC["bce"](x, [1]), InputError, "list"),
    (lambda: symbol("W", (2, 3)) @ symbol("V", (2, 3)), ShapeError, r"W @ V.*\(2, 3\)"),
    (lambda: symbol("W", (2, 3)) + symbol("V", (4, 3)), ShapeError, r"W \(2, 3\), V \(4, 3\)"),
    (lambda: symbol("n", "n"), InputError, "size in its own shape"),
    (lambda: symbol(""), InputError, "non-empty"),
    (lambda: symbol(z), InputError, "non-empty string"),  # type: ignore[arg-type]  # the test's point
    (lambda: symbol("v", (), "complex"), InputError, "'real' or 'int'"),
    (lambda: symbol("v", -1), ShapeError, "negative"),
    (lambda: Expression(3), InputError, "holds a node"),  # type: ignore[arg-type]  # the test's point
    (lambda: symbol("v", "n").to_sympy(), NotExpressible, r"\(n,\) has 1 axes"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "kind", "words"), BAD, ids=[w for _, _, w in BAD])
def test_bad_operands(make: Callable[[], Any], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        make()


def test_long_chains_are_built_in_linear_time() -> None:
    net = Network()
    e = net.let("a_0", symbol("a", (3, 1)))
    for k in range(3000):
        e = PUBLIC["tanh"](symbol(f"W_{k}", (3, 3)) @ e + n)
    assert e.shape == (3, 1)
    assert len(e.free_symbols) == 3002


# --- whole arrays -----------------------------------------------------------------------------------------------------

G, g = sp.MatrixSymbol("G", h, n), symbol("G", ("h", "n"))


@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 1)])
@pytest.mark.parametrize("name", ["sum", "mean"])
def test_reductions_of_sympy_and_expressions_are_one_node(name: str, axis: Any) -> None:
    function = getattr(arrays, name)
    keep = {} if axis is None else {"axis": axis, "keepdims": True}
    node = (reduce_sum if name == "sum" else reduce_mean)(g.node, **keep)
    assert function(g, **keep).node is node
    assert lower(function(G, **keep)) is node


def test_reductions_of_numbers_and_explicit_matrices() -> None:
    A = sp.Matrix([[1, 2, 3], [4, 5, 6]])
    assert arrays.sum(A) == 21
    assert arrays.mean(A) == sp.Rational(7, 2)
    assert arrays.sum(A, axis=0) == sp.Matrix([[5, 7, 9]])
    assert arrays.mean(A, axis=1) == sp.Matrix([2, 5])
    assert arrays.sum(z) == arrays.mean(z) == z
    with pytest.raises(ShapeError, match="axis 2"):
        arrays.sum(G, axis=2)
    assert arrays.mean(sp.MatrixSymbol("Y", 1, n)) == arrays.sum(sp.MatrixSymbol("Y", 1, n)) / n


def test_a_sum_of_entries_evaluates_after_substitution() -> None:
    P, Y = sp.MatrixSymbol("P", 1, n), sp.MatrixSymbol("Y", 1, n)
    loss = arrays.mean(PUBLIC["bce"](P, Y))
    assert sp.latex(loss) == r"\frac{\sum_{i,j} \left(\operatorname{BCE}\left(P, Y\right)\right)_{ij}}{n}"
    two = loss.subs(n, 2)
    value = two.subs({P.subs(n, 2): sp.Matrix([[0.3, 0.4]]), Y.subs(n, 2): sp.Matrix([[0, 1]])}).evalf()
    assert abs(float(value) - (-np.log(0.7) - np.log(0.4)) / 2) < 1e-15
    with pytest.raises(NoRule, match=r"symgrad\.grad"):
        arrays.sum(G).diff(G)


def test_products_and_structure() -> None:
    A, B = sp.MatrixSymbol("A", 2, 3), sp.MatrixSymbol("B", 3, 4)
    S, u, v = sp.MatrixSymbol("S", 3, 3), sp.MatrixSymbol("u", 2, 1), sp.MatrixSymbol("v", 3, 1)
    a, c, s = symbol("A", (2, 3)), symbol("B", (3, 4)), symbol("S", (3, 3))
    assert lower(arrays.matmul(A, B)) is arrays.matmul(a, c).node
    assert lower(arrays.dot(A, B)) is arrays.dot(a, c).node
    assert lower(arrays.transpose(A)) is arrays.transpose(a).node
    assert lower(arrays.trace(S)) is arrays.trace(s).node
    assert lower(arrays.square(A)) is arrays.square(a).node
    assert arrays.outer(u, v) == u * v.T
    assert arrays.outer(symbol("p", 2), symbol("q", 3)).shape == (2, 3)
    assert arrays.dot(symbol("p", 2), symbol("q", 2)).shape == ()
    assert arrays.einsum("ij,kj->ik", A, A) == A * A.T
    assert arrays.einsum("ij,kj->ik", a, a).shape == (2, 2)
    assert lower(arrays.broadcast_to(u, (2, 5))) is broadcast_to(var("u", (2, 1)), (2, 5))
    assert arrays.broadcast_to(symbol("u", (2, 1)), (2, "n")).shape == (2, n)
    assert arrays.max(z, 0) == sp.Max(z, 0)
    assert arrays.min(x, 0).node is apply("minimum", x.node, 0)
    assert arrays.trace(sp.eye(3)) == 3
    assert arrays.square(sp.Matrix([2, 3])) == sp.Matrix([4, 9])
    assert arrays.transpose(A, (0, 1)) is A


WRONG: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: arrays.matmul(G, G), ShapeError, "inner sizes"),
    (lambda: arrays.trace(G), ShapeError, "square"),
    (lambda: arrays.outer(G, G), ShapeError, "columns"),
    (lambda: arrays.matmul(z, G), InputError, "scalar"),
    (lambda: arrays.transpose(G, (0, 0)), ShapeError, "permutation"),
    (lambda: arrays.max(G, G, axis=0), InputError, "no axis"),
    (lambda: arrays.sum("x"), InputError, r"symgrad\.parse"),
    (lambda: arrays.einsum(3, G), InputError, "ij,jk->ik"),  # type: ignore[arg-type]  # the test's point
    (lambda: arrays.einsum("ij,jk->i", G, sp.MatrixSymbol("B", n, 2)), NotExpressible, "axes"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "kind", "words"), WRONG, ids=[w for _, _, w in WRONG])
def test_wrong_arrays(make: Callable[[], Any], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        make()
