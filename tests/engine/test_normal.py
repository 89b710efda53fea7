"""The normal form: tensor terms meet, cancel, and come back in the order a textbook prints."""

from __future__ import annotations

import pytest

from symgrad.engine.evaluate import evaluate_mod_p
from symgrad.engine.simplify import Simplifier
from symgrad.graph.node import Node, const, reduce_sum, topological, var, variables
from symgrad.graph.text import to_text
from symgrad.language.text_io import parse_expression

SCOPE: dict[str, Node] = {
    **{n: var(n) for n in ("x", "y", "z", "a", "c", "p")}, "u": var("u", ("n",)), "v": var("v", ("n",)),
    "A": var("A", ("m", "n")), "B": var("B", ("m", "n")), "S": var("S", ("n", "n")), "W": var("W", ("n", "k")),
    "b": var("b", ("m", 1)), "r": var("r", (1, "n")),
}


def read(text: str) -> Node:
    return parse_expression(text, SCOPE, ["m", "n", "k"])


def short(text: str) -> str:
    node = read(text)  # nothing of it is a forward pass, whose sums would stay as they are
    return to_text(Simplifier({}, variables([node])).shorten(node).node)


@pytest.mark.parametrize(("text", "expected"), [
    ("x*y/x", "y"), ("x/(x*y)", "1/y"), ("-y/p + (1-y)/(1-p)", "(p - y)/(p*(1 - p))"),
    ("x + x", "2*x"), ("x - x", "0"), ("(x+y)*(x-y)/(x+y)", "x - y"), ("x**2/x**3", "1/x"), ("1/(1/x)", "x"),
    ("x*1", "x"), ("2*x/4", "x/2"), ("x**a/x", "x**(a - 1)"), ("x**a*x**c", "x**(a + c)"), ("x**a/x**a", "1"),
    ("a*x + a*y", "a*(x + y)"), ("exp(x)*y/exp(x)", "y"), ("sqrt(x)*sqrt(x)", "x"),
    ("sin(x)/sin(x)", "1"), ("sum(2*u)", "2*sum(u)"), ("sum(u*x)", "x*sum(u)"), ("sum(u - u)", "0"),
    ("sum(A/n, axis=0)", "sum(A, axis=0)/n"), ("(A*x) @ (W*y)", "x*y*(A @ W)"),
    ("A.T.T", "A"), ("eye(n) @ W", "W"), ("trace(eye(n))", "n"),
    ("sum(ones((m, n)))", "m*n"), ("A*b/b", "A"), ("sum(u*v) - u @ v", "0"),
])
def test_short_forms(text: str, expected: str) -> None:
    assert short(text) == expected


@pytest.mark.parametrize("text", [
    "-y/p + (1-y)/(1-p)", "(A - B) @ W @ W.T + (b*r) @ W @ W.T", "sum(A*B, axis=0)*u - (A*B).T @ sum(b + 0*A, axis=1)",
    "x**2*y - (x*y)**2/(1 + x)", "A*(u/x)*(b*y) + B*x", "trace(S @ S)*S - S.T*sum(S)/n",
])
def test_forms_are_equal_modulo_a_prime(text: str) -> None:
    node = read(text)
    out = Simplifier({}, variables([node])).shorten(node).node
    assert out.shape == node.shape
    a, b = evaluate_mod_p([node, out], {}, sizes={"m": 2, "n": 3, "k": 5})
    assert (a == b).all()


X, ZERO, SUM = SCOPE["x"], const(0), reduce_sum(SCOPE["u"])


@pytest.mark.parametrize("node", [1 / (X - X), ZERO**X, ZERO**-1, X / ZERO, ZERO / ZERO + X, 1 / (SUM - SUM)],
                         ids=to_text)
def test_poles_do_not_stop_it(node: Node) -> None:
    out = Simplifier({}, topological([node])).shorten(node).node
    assert out.shape == ()


def test_a_name_is_a_variable_of_the_ring() -> None:
    node = read("exp(x)*(1 + exp(x))/(1 + exp(x))**2")
    e = read("exp(x)")
    out = Simplifier({e: "e"}, topological([node])).shorten(node).node
    assert to_text(out, {e: "e"}) == "e/(1 + e)"


def test_long_lines_are_left_as_they_are() -> None:
    node = read("x")
    for k in range(500):
        node = node * (1 + SCOPE["y"]) + k
    found = Simplifier({}, topological([node])).shorten(node)
    assert found.node is node
