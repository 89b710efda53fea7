"""Networks: one network in three spellings, names, look-up, and names that mean two things."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sympy as sp

from symgrad.engine.assumptions import Assumption
from symgrad.errors import InputError, ShapeError, UnknownName
from symgrad.graph.node import const, topological, var
from symgrad.language import arrays
from symgrad.language.expression import Expression, symbol
from symgrad.language.functions import PUBLIC
from symgrad.language.network import Network, as_network
from symgrad.language.text_io import parse
from tests.work import calls

h, n = sp.symbols("h n", integer=True, positive=True)
M, ones = sp.MatrixSymbol, sp.OneMatrix
sigmoid, relu, bce, mse = (PUBLIC[k] for k in ("sigmoid", "relu", "bce", "mse"))
TEXT = """
X: (2, n);  Y: (1, n);  W_1: (h, 2);  b_1: (h, 1);  W_2: (1, h);  b_2: (1, 1)
Z_1 = W_1 @ X + b_1
A_1 = {f}(Z_1)
Z_2 = W_2 @ A_1 + b_2
P = sigmoid(Z_2)
L = mean(bce(P, Y))
"""
ROWS = """
X: (n, 2);  Y: (n, 1);  W_1: (2, h);  b_1: (1, h);  W_2: (h, 1);  b_2: (1, 1)
Z_1 = X @ W_1 + b_1
A_1 = {f}(Z_1)
Z_2 = A_1 @ W_2 + b_2
P = sigmoid(Z_2)
L = mean(bce(P, Y))
"""


def columns_in_sympy(f: str) -> Network:
    X, Y = M("X", 2, n), M("Y", 1, n)
    W1, b1, W2, b2 = M("W_1", h, 2), M("b_1", h, 1), M("W_2", 1, h), M("b_2", 1, 1)
    net = Network()
    z1 = net.let("Z_1", W1 * X + b1 * ones(1, n))
    a1 = net.let("A_1", z1.applyfunc(sp.tanh) if f == "tanh" else PUBLIC[f](z1))
    z2 = net.let("Z_2", W2 * a1 + b2 * ones(1, n))
    p = net.let("P", sigmoid(z2))
    net.let("L", arrays.mean(bce(p, Y)))
    return net


def rows_in_sympy(f: str) -> Network:
    X, Y = M("X", n, 2), M("Y", n, 1)
    W1, b1, W2, b2 = M("W_1", 2, h), M("b_1", 1, h), M("W_2", h, 1), M("b_2", 1, 1)
    net = Network()
    z1 = net.let("Z_1", X * W1 + ones(n, 1) * b1)
    a1 = net.let("A_1", PUBLIC[f](z1))
    z2 = net.let("Z_2", a1 * W2 + ones(n, 1) * b2)
    p = net.let("P", sigmoid(z2))
    net.let("L", arrays.mean(bce(p, Y)))
    return net


def in_expressions(f: str, rows: bool) -> Network:
    shapes = {"X": (n, 2), "Y": (n, 1), "W_1": (2, h), "b_1": (1, h), "W_2": (h, 1), "b_2": (1, 1)}
    X, Y, W1, b1, W2, b2 = (symbol(k, s if rows else s[::-1]) for k, s in shapes.items())
    net = Network()
    z1 = net.let("Z_1", (X @ W1 if rows else W1 @ X) + b1)
    a1 = net.let("A_1", PUBLIC[f](z1))
    z2 = net.let("Z_2", (a1 @ W2 if rows else W2 @ a1) + b2)
    net.let("L", arrays.mean(bce(net.let("P", sigmoid(z2)), Y)))
    return net


@pytest.mark.parametrize("f", ["relu", "tanh", "sigmoid"])
@pytest.mark.parametrize("rows", [False, True])
def test_three_spellings_give_the_same_nodes(f: str, rows: bool) -> None:
    text = parse((ROWS if rows else TEXT).format(f=f))
    for other in (rows_in_sympy(f) if rows else columns_in_sympy(f), in_expressions(f, rows)):
        assert list(other.equations) == list(text.equations)
        for name, node in other.equations.items():
            assert node is text.equations[name], name
        assert set(other.inputs.values()) == set(text.inputs.values())
        assert other.output is text.output
        assert {c.name for c in other.calls.values()} == {"bce"}


def test_another_network_gives_other_nodes() -> None:
    text = parse(TEXT.format(f="relu").replace("W_2 @ A_1 + b_2", "W_2 @ A_1 - b_2"))
    net = columns_in_sympy("relu")
    assert [text.equations[k] is net.equations[k] for k in net.equations] == [True, True, False, False, False]


def test_what_let_returns() -> None:
    net = Network()
    X, x = M("X", 2, n), sp.Symbol("x", real=True)
    a = net.let("a", 2 * X)
    assert a == M("a", 2, n)
    s = net.let("s", x**2)
    assert s == sp.Symbol("s", real=True)
    e = net.let("e", symbol("V", (3, 2)) @ X)
    assert isinstance(e, Expression)
    assert str(e) == "e"
    assert str(e + 1) == "e + 1"
    assert isinstance(net.let("c", 3), sp.Symbol)
    last = net.let("L", s * arrays.sum(a) + sp.Symbol("c", real=True))
    assert net.output is net.equations["L"]
    assert net[last.name].node is net.output
    assert str(net).splitlines() == [
        "X: (2, n);  x: ();  V: (3, 2)", "a = 2*X", "s = x**2", "e = V @ X", "c = 3", "L = s*sum(a) + 3",
    ]
    assert repr(net) == "<Network of 5 equations: a, s, e, c, L>"
    assert len(net) == 5
    assert "s" in net
    assert list(net) == ["a", "s", "e", "c", "L"]


def test_it_is_text_that_parses_to_itself() -> None:
    net = columns_in_sympy("relu")
    again = parse(str(net))
    assert again.output is net.output
    assert "P = sigmoid(Z_2)" in str(net)


def test_to_sympy_keeps_names_and_the_users_objects() -> None:
    net = columns_in_sympy("relu")
    found = net.to_sympy()
    assert found["Z_1"] == M("W_1", h, 2) * M("X", 2, n) + M("b_1", h, 1) * ones(1, n)
    assert found["L"] == arrays.mean(bce(M("P", 1, n), M("Y", 1, n)))
    assert net.free_symbols == {h, n, *(M(k, *s) for k, s in {
        "X": (2, n), "Y": (1, n), "W_1": (h, 2), "b_1": (h, 1), "W_2": (1, h), "b_2": (1, 1)}.items())}
    again = Network()
    for name, expr in found.items():
        again.let(name, expr)
    assert again.output is net.output


def test_names_first_one_wins_and_leaves_keep_their_own() -> None:
    net = Network()
    x = sp.Symbol("x", real=True)
    net.let("a", sp.exp(x))
    net.let("b", sp.exp(x))
    net.let("c", x)
    net.let("d", 1)
    assert net.names == {net.equations["a"]: "a"}
    assert str(net).splitlines()[1:] == ["a = exp(x)", "b = a", "c = x", "d = 1"]
    assert net.to_sympy() == {"a": sp.exp(x), "b": sp.Symbol("a", real=True), "c": x, "d": 1}


def test_a_variable_by_name_symbol_or_expression() -> None:
    net = columns_in_sympy("relu")
    W = var("W_1", (h, 2))
    for which in ("W_1", M("W_1", h, 2), symbol("W_1", ("h", 2)), W, net["W_1"]):
        assert net.variable(which) is W
    assert net.variable("P") is net.equations["P"]
    assert net.variable(M("P", 1, n)) is net.equations["P"]
    lone = as_network(sp.Symbol("z", real=True) ** 2)
    assert lone.variable(sp.Symbol("z")) is var("z")


def test_one_expression_is_a_network() -> None:
    z, y = sp.symbols("z y", real=True)
    net = as_network(bce(sigmoid(z), y))
    assert list(net.equations) == ["L"]
    assert [c.name for c in net.calls.values()] == ["bce"]
    assert net.origin["z"] == z  # an equal symbol may be another object once SymPy's cache has dropped this one
    assert as_network(net) is net
    assert list(as_network(sp.Symbol("L") ** 2).equations) == ["L_1"]
    inner = Network()
    p = inner.let("p", sigmoid(symbol("z")))
    assert list(as_network(bce(p, symbol("y"))).equations) == ["p", "L"]
    assert list(as_network(p, name="f").equations) == ["p"]


def test_declared_and_unused() -> None:
    fact = Assumption("x > 0", (("gt", var("x"), (const(0),)),))
    net = Network.of([var("x"), var("unused", ("n", 2))], {"L": var("x") ** 2}, assumptions=[fact])
    assert list(net.inputs) == ["x", "unused"]
    assert net.assumptions == [fact]
    assert str(net).endswith("assume(x > 0)")
    assert str(net).startswith("x: ();  unused: (n, 2)")
    with pytest.raises(InputError, match="takes a variable"):
        net.declare(net.output)


def used_before() -> Network:
    net = Network()
    net.let("a", sp.Symbol("p") + 1)
    net.let("p", sp.Symbol("x") ** 2)
    return net


def twice(first: Any, second: Any) -> Callable[[], Any]:
    def build() -> Any:
        net = Network()
        net.let("a", first)
        return net.let("b", second)

    return build


def empty() -> Any:
    return Network().output


z = sp.Symbol("z", real=True)
NET = columns_in_sympy("relu")
BAD: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: NET.let("P", z), InputError, "given once"),
    (lambda: NET.let(3, z), InputError, "non-empty string"),  # type: ignore[arg-type]  # the test's point
    (lambda: NET.let("", z), InputError, "non-empty string"),
    (lambda: NET.let("q", "z + 1"), InputError, r"symgrad\.parse"),
    (lambda: NET.let("q", [z]), InputError, "list"),
    (used_before, InputError, "'p' is used as a variable before its equation"),
    (empty, InputError, "no equation yet"),
    (lambda: NET.let("n", z), InputError, "size of a matrix and cannot name"),
    (lambda: NET.variable("W_3"), UnknownName, "Did you mean 'W_"),
    (lambda: NET.variable("n"), UnknownName, "size, which has no derivative"),
    (lambda: NET.variable(M("W_1", 2, h)), ShapeError, r"\(2, h\); the network's has \(h, 2\)"),
    (lambda: NET.variable(3), InputError, "as a int|not as"),
    (lambda: NET.variable(symbol("z") + 1), UnknownName, "no named equation"),
    (twice(z, sp.Symbol("z")), InputError, "two different SymPy symbols are called 'z'"),
    (twice(symbol("z"), symbol("z", (2, 2))), ShapeError, r"\(\) and also \(2, 2\)"),
    (twice(sp.Symbol("n") ** 2, arrays.sum(M("X", 2, n))), InputError, "size of a matrix and also a variable"),
    (twice(symbol("n"), symbol("X", (2, "n"))), InputError, "size"),
    (twice(symbol("X", (2, "n")), symbol("n")), InputError, "size"),
    (twice(z, symbol("a")), InputError, "name of an equation and also a variable"),
    (lambda: as_network("z**2"), InputError, r"symgrad\.parse"),
    (lambda: as_network(None), InputError, "NoneType"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "kind", "words"), BAD, ids=[w for _, _, w in BAD])
def test_names_that_mean_two_things(make: Callable[[], Any], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        make()


def test_hostile_names(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    code = f'__import__("pathlib").Path({str(mark)!r}).write_text("x")'
    net = Network()
    p = net.let(code, sigmoid(sp.Symbol(code + " ", real=True)))
    net.let("L", p**2)
    str(net), repr(net), net.to_sympy(), net.free_symbols
    with pytest.raises(UnknownName):
        net.variable(code + "!")
    assert not mark.exists()


def test_a_thousand_layers() -> None:
    def built(layers: int) -> Network:
        net = Network()
        a = M("X", 3, n)
        for k in range(layers):
            a = net.let(f"a_{k}", sigmoid(M(f"W_{k}", 3, 3) * a + M(f"b_{k}", 3, 1) * ones(1, n)))
        net.let("L", arrays.mean(a))
        assert len(topological([net.output])) == 6 * layers + 4
        assert len(net.to_sympy()) == layers + 1
        assert len(str(net).splitlines()) == layers + 2
        return net

    built(10)  # caches
    assert calls(lambda: built(1000)) <= 10.5 * calls(lambda: built(100))
