"""Derivations: the textbook's results come out, from any spelling, with the steps that a textbook shows."""

from __future__ import annotations

from typing import Any

import pytest
import sympy as sp

import symgrad as sg
from symgrad.engine.derive import derive
from symgrad.errors import NonScalarLoss, NoRule, UnknownName
from symgrad.graph.node import make, var
from symgrad.graph.text import to_text
from tests.engine.judge import differences

z, y, w, x, b, p = sp.symbols("z y w x b p", real=True)
s = sg.sigmoid


def right(d: sg.Derivation) -> bool:
    """Every gradient agrees with differences of the primal, and every step is proved."""
    r = d.record
    return all(differences(r.loss, v, r.results[v]) for v in r.wrt) and d.verify().ok


def line(d: sg.Derivation, name: str) -> str:
    """The last line of the block of one target, other cotangents standing as symbols."""
    (node,) = [t for t in d.record.values if (d.record.names.get(t) or t.name) == name]
    return to_text(d.record.values[node], d.record.names)


# --- the sigmoid by its definition, and the cross-entropy of a probability ------------------------------------------


def test_sigmoid_by_its_definition() -> None:
    d = sg.derive(s(z), z, expand=True)
    text = d.text(detail="all")
    assert "1/(1 + e)" in text
    assert "e = exp(-z)" in text
    for shown in ("quotient rule", "exp' = exp(x)", "chain rule", "e/(1 + e)**2"):
        assert shown in text
    assert str(d.expression) == "sigmoid(z)*(1 - sigmoid(z))"
    assert [t.rule for t in d.steps][-1] == "exponential_form"
    assert right(d)


@pytest.mark.parametrize("name", ["tanh", "softplus", "sinh", "relu", "abs"])
def test_other_definitions_are_derived_as_well(name: str) -> None:
    assert right(sg.derive(f"{name}(z)", "z", expand=True))


def test_cross_entropy_of_a_probability() -> None:
    d = sg.derive(sg.bce(p, y), p)
    assert str(d.expression) == "(p - y)/(p*(1 - p))"
    lines = [to_text(t.after, d.record.names) for t in d.steps]
    assert "-y/p + (1 - y)/(1 - p)" in lines
    assert lines[-1] == "(p - y)/(p*(1 - p))"
    assert right(d)


def test_cancellation_is_visible() -> None:
    d = sg.derive(sg.bce(s(z), y), z)
    rules = [t.rule for t in d.steps]
    assert {"deriv_log", "chain_rule", "deriv_sigmoid", "substitute", "cancel"} <= set(rules)
    assert rules.index("deriv_log") < rules.index("chain_rule") < rules.index("deriv_sigmoid") < rules.index("cancel")
    assert to_text(d.steps[-1].after, d.record.names) == "p - y"
    assert d.result == s(z) - y


# --- p - y, from many spellings -------------------------------------------------------------------------------------

E = sp.exp(z)
HALF = sp.Rational(1, 2)
SPELLINGS_SYMPY: dict[str, Any] = {
    "bce": sg.bce(s(z), y),
    "with logits": sg.bce_with_logits(z, y),
    "expanded": -(y * sp.log(1 / (1 + sp.exp(-z))) + (1 - y) * sp.log(1 - 1 / (1 + sp.exp(-z)))),
    "log(1 + e)": sp.log(1 + E) - y * z,
    "softplus": sg.softplus(z) - y * z,
    "two softplus": y * sg.softplus(-z) + (1 - y) * sg.softplus(z),
    "ratio": -(y * sp.log(E / (1 + E)) + (1 - y) * sp.log(1 / (1 + E))),
    "sigmoid(-z)": -(y * sp.log(s(z)) + (1 - y) * sp.log(s(-z))),
    "mix": (1 - y) * (sg.softplus(z) + y / (1 - y) * sg.softplus(-z)),
    "log odds": -(y * sp.log(s(z) / (1 - s(z))) + sp.log(1 - s(z))),
    "likelihood": -sp.log(s(z) ** y * (1 - s(z)) ** (1 - y)),
    "shifted, relu": sg.relu(z) - y * z + sp.log(1 + sp.exp(-sp.Abs(z))),
    "shifted, max": sp.Max(z, 0) - y * z + sg.log1p(sp.exp(-sp.Abs(z))),
    "half": z + sp.log(1 + sp.exp(-z)) - y * z,
    "collected": -(y * sp.log(s(z)) + sp.log(1 - s(z)) - y * sp.log(1 - s(z))),
    "Kullback-Leibler": y * sp.log(y / s(z)) + (1 - y) * sp.log((1 - y) / (1 - s(z))),
    "float factor": 1.0 * sg.bce(s(z), y),
    "average of two": (sg.bce(s(z), y) + sg.bce_with_logits(z, y)) / 2,
}


@pytest.mark.parametrize("name", SPELLINGS_SYMPY)
def test_spellings_in_sympy(name: str) -> None:
    d = sg.derive(SPELLINGS_SYMPY[name], z)
    assert str(d.expression) == "sigmoid(z) - y"
    assert right(d)


SPELLINGS_TEXT = (
    "bce(expit(z), y)",
    "-y*log(sigmoid(z)) - (1-y)*log(1-sigmoid(z))",
    "bce((1+tanh(z/2))/2, y)",
    "bce(0.5*(1+tanh(0.5*z)), y)",
    "bce(exp(z)/(exp(z)+1), y)",
    "bce(1-sigmoid(-z), y)",
    "bce(1 - 1/(1+exp(z)), y)",
    "y*log(1+exp(-z)) + (1-y)*log(1+exp(z))",
    "log1p(exp(z)) - y*z",
    "-(y*(-softplus(-z)) + (1-y)*(-softplus(z)))",
    "(1-y)*z + softplus(-z)",
    "(1-y)*z + log(1+exp(-z))",
    "where(z>0,z,0) - y*z + log(1+exp(-abs(z)))",
    "a=exp(z); log(1+a)-y*log(a)",
    "u=exp(z/2); v=exp(-z/2); bce(u/(u+v),y)",
    "bce((1+exp(-z))**-1, y)",
    "bce((exp(-z)+1)**(-1.0), y)",
    "max(z,0) - z*y + log1p(exp(-abs(z)))",
    "q = 1 - sigmoid(z); -(y*log(1-q) + (1-y)*log(q))",
)


@pytest.mark.parametrize("text", SPELLINGS_TEXT)
def test_spellings_in_text(text: str) -> None:
    d = sg.derive(text, "z")
    assert str(d.expression) == "sigmoid(z) - y"
    assert right(d)


@pytest.mark.parametrize("text", ["p = sigmoid(z); bce(p, y)", "e = exp(-z); p = 1/(1+e); bce(p, y)",
                                  "p = sigmoid(z); q = 1 - p; -(y*log(p) + (1-y)*log(q))"])
def test_a_named_probability_stays_named(text: str) -> None:
    d = sg.derive(text, "z")
    assert str(d.expression) == "p - y"
    assert right(d)


@pytest.mark.parametrize("text", [
    "-log(sigmoid((2*y-1)*z))", "softplus((1-2*y)*z)", "c = 2*y - 1; log(1+exp(-c*z))", "bce(0.5+0.5*tanh(z/2), y)",
    "log(2*cosh(z/2)) + z/2 - y*z", "max(-z,0) + (1-y)*z + log(1+exp(-abs(z)))", "log(exp(0)+exp(z)) - y*z",
    "bce(sigmoid(z)**2, y)", "bce(sigmoid(2*z), y)", "bce(sigmoid(z), y)**2", "3*bce(sigmoid(z), y) + z**2",
    "bce(sigmoid(-z), y)", "p = sigmoid(z); -(1-p)**2*log(p)",
])
def test_others_are_right_too(text: str) -> None:
    assert right(sg.derive(text, "z"))


def test_a_spelled_out_neuron() -> None:
    d = sg.derive(sg.bce(1 / (1 + sp.exp(-(w * x + b))), y), [w, b, x])
    p_ = s(b + w * x)
    assert sp.expand(d.results[w] - x * (p_ - y)) == 0
    assert sp.expand(d.results[b] - (p_ - y)) == 0
    assert sp.expand(d.results[x] - w * (p_ - y)) == 0
    assert right(d)


@pytest.mark.parametrize(("text", "result"), [
    ("x**a", "a*x**(a - 1)"), ("x**a*x**c", "x**(a + c - 1)*(a + c)"), ("x**x", "x**x*(1 + log(x))"),
    ("log(x - 1)", "1/(x - 1)"), ("log(1 - x)", "-1/(1 - x)"), ("a/(1 - x)", "a/(1 - x)**2"),
    ("x*x", "2*x"), ("(x - c)**2/2", "x - c"), ("sqrt(x**2 + c**2)", "x/sqrt(x**2 + c**2)"), ("3*x", "3"),
    ("x - x", "0"), ("c/x", "-c/x**2"), ("exp(c*x)", "c*exp(c*x)"), ("log(x**c*(1-x)**(1-c))", "(c - x)/(x*(1 - x))"),
])
def test_short_forms(text: str, result: str) -> None:
    d = sg.derive(text, "x")
    assert str(d.expression) == result
    assert right(d)


# --- several paths --------------------------------------------------------------------------------------------------


def test_a_product_of_a_sum() -> None:
    d = sg.derive("(x + y)*z")
    assert {n: str(d[n].expression) for n in "xyz"} == {"x": "z", "y": "z", "z": "x + y"}
    assert right(d)


PATHS = {
    "a residual connection": ("h = x + sigmoid(w*x); (h - y)**2", "x"),
    "a shared weight": ("f = tanh(w*x); g = tanh(w*f); (g - y)**2", "w"),
    "a diamond": ("a = tanh(x); c = a*a + a; e = sin(c) + c*a; e", "x"),
    "a deep diamond": ("a0 = tanh(x); " + "; ".join(f"u{k} = sin(a{k}); v{k} = a{k} + 1; a{k + 1} = u{k}*v{k}"
                                                    for k in range(3)) + "; a3", "x"),
    "three uses": ("f = exp(x); a = sin(f); c = f**3; e = log(f); a + c*e", "x"),
    "a matrix used twice": ("X: (n, d); W: (d, d); H = tanh(X @ W); G = tanh(H @ W); L = sum(G*G)", "W"),
    "a residual block": ("X: (n, d); W: (d, d); V: (d, d); H = X @ V; G = H + relu(H @ W); L = sum(G**2)", "V"),
}


@pytest.mark.parametrize("name", PATHS)
def test_the_sum_over_paths_is_a_step(name: str) -> None:
    text, v = PATHS[name]
    d = sg.derive(text, v)
    assert "sum_over_paths" in [t.rule for t in d.steps]
    assert right(d)


# --- networks -------------------------------------------------------------------------------------------------------

COLUMNS = """X: (2, n);  Y: (1, n);  W1: (h, 2);  b1: (h, 1);  W2: (1, h);  b2: (1, 1)
Z1 = W1 @ X + b1
A1 = {f}(Z1)
Z2 = W2 @ A1 + b2
P = sigmoid(Z2)
L = mean(bce(P, Y))"""
ROWS = """X: (n, 2);  Y: (n, 1);  W1: (2, h);  b1: (h,);  W2: (h, 1);  b2: (1,)
Z1 = X @ W1 + b1
A1 = {f}(Z1)
Z2 = A1 @ W2 + b2
P = sigmoid(Z2)
L = mean(bce(P, Y))"""
LOCAL = {"relu": "step(Z1)", "tanh": "(1 - A1**2)", "sigmoid": "A1 * (1 - A1)"}


@pytest.mark.parametrize("f", ["relu", "tanh", "sigmoid"])
def test_two_layers_in_columns(f: str) -> None:
    d = sg.derive(COLUMNS.format(f=f), ["W1", "b1", "W2", "b2"])
    delta = f"W2.T @ (P - Y) * {LOCAL[f]}"
    expected = {
        "P": "(P - Y)/(n*P*(1 - P))", "Z2": "(P - Y)/n", "W2": "(P - Y) @ A1.T / n",
        "b2": "mean(P - Y, axis=1, keepdims=True)", "A1": "W2.T @ (P - Y) / n",
        "Z1": f"{delta} / n", "W1": f"({delta}) @ X.T / n",
        "b1": f"mean({delta}, axis=1, keepdims=True)",
    }
    assert {k: str(d[k].expression) for k in expected} == expected
    assert line(d, "W1") == "dL/dZ1 @ X.T"
    assert line(d, "b1") == "sum(dL/dZ1, axis=1, keepdims=True)"
    assert right(d)


@pytest.mark.parametrize("f", ["relu", "tanh", "sigmoid"])
def test_two_layers_in_rows(f: str) -> None:
    d = sg.derive(ROWS.format(f=f), ["W1", "b1", "W2", "b2"])
    delta = f"(P - Y) @ W2.T * {LOCAL[f]}"
    expected = {
        "Z2": "(P - Y)/n", "W2": "A1.T @ (P - Y) / n", "b2": "mean(P - Y, axis=0)", "A1": "(P - Y) @ W2.T / n",
        "Z1": f"{delta} / n", "W1": f"X.T @ ({delta}) / n", "b1": f"mean({delta}, axis=0)",
    }
    assert {k: str(d[k].expression) for k in expected} == expected
    assert line(d, "W1") == "X.T @ dL/dZ1"
    assert right(d)


def test_three_layers_show_the_recursion_of_deltas() -> None:
    d = sg.derive("""X: (2, n); Y: (3, n); W1: (h, 2); b1: (h, 1); W2: (k, h); b2: (k, 1); W3: (3, k); b3: (3, 1)
        Z1 = W1 @ X + b1
        A1 = tanh(Z1)
        Z2 = W2 @ A1 + b2
        A2 = sigmoid(Z2)
        Z3 = W3 @ A2 + b3
        P = sigmoid(Z3)
        L = sum(bce(P, Y))/n""", ["W1", "b1", "W2", "b2", "W3", "b3"])
    assert str(d["Z3"].expression) == "(P - Y)/n"
    assert [line(d, k) for k in ("A2", "A1")] == ["W3.T @ dL/dZ3", "W2.T @ dL/dZ2"]
    assert [line(d, k) for k in ("Z2", "Z1")] == ["dL/dA2 * A2*(1 - A2)", "dL/dA1 * (1 - A1**2)"]
    assert [line(d, k) for k in ("W3", "W2", "W1")] == ["dL/dZ3 @ A2.T", "dL/dZ2 @ A1.T", "dL/dZ1 @ X.T"]
    assert str(d["W2"].expression) == "(W3.T @ (P - Y) * A2 * (1 - A2)) @ A1.T / n"
    assert right(d)


def _in_sympy() -> tuple[Any, list[Any]]:
    n, h = sp.symbols("n h", integer=True, positive=True)
    X, Y = sp.MatrixSymbol("X", 2, n), sp.MatrixSymbol("Y", 1, n)
    W1, b1 = sp.MatrixSymbol("W1", h, 2), sp.MatrixSymbol("b1", h, 1)
    W2, b2 = sp.MatrixSymbol("W2", 1, h), sp.MatrixSymbol("b2", 1, 1)
    net = sg.Network()
    Z1 = net.let("Z1", W1 * X + b1 * sp.OneMatrix(1, n))
    A1 = net.let("A1", sg.relu(Z1))
    Z2 = net.let("Z2", W2 * A1 + b2 * sp.OneMatrix(1, n))
    P = net.let("P", sg.sigmoid(Z2))
    net.let("L", sg.mean(sg.bce(P, Y)))
    return net, [W1, b1, W2, b2]


def _in_expressions() -> tuple[Any, list[Any]]:
    X, Y, W1, b1, W2, b2 = (sg.symbol(*a) for a in (("X", (2, "n")), ("Y", (1, "n")), ("W1", ("h", 2)),
                                                    ("b1", ("h", 1)), ("W2", (1, "h")), ("b2", (1, 1))))
    net = sg.Network()
    Z1 = net.let("Z1", W1 @ X + b1)
    A1 = net.let("A1", sg.relu(Z1))
    Z2 = net.let("Z2", W2 @ A1 + b2)
    P = net.let("P", sg.sigmoid(Z2))
    net.let("L", sg.mean(sg.bce(P, Y)))
    return net, [W1, b1, W2, b2]


def test_three_spellings_of_a_network_are_one() -> None:
    text = sg.parse(COLUMNS.format(f="relu"))
    a, wrt_a = _in_sympy()
    b_, wrt_b = _in_expressions()
    assert list(a.equations.values()) == list(b_.equations.values()) == list(text.equations.values())
    derived = [sg.derive(text, ["W1", "b1", "W2", "b2"]), sg.derive(a, wrt_a), sg.derive(b_, wrt_b)]
    results = [list(d.record.results.values()) for d in derived]
    assert results[0] == results[1] == results[2]
    assert [d.steps for d in derived[1:]] == [derived[0].steps] * 2


# --- bad input ------------------------------------------------------------------------------------------------------


def test_errors_say_what_to_do() -> None:
    with pytest.raises(NonScalarLoss, match=r"\(n,\).*sum\(\.\.\.\) or mean"):
        sg.derive("u: (n,); L = u*u", "u")
    with pytest.raises(UnknownName, match="y"):
        sg.derive("x**2", "y")
    x_ = var("x")
    with pytest.raises(NoRule, match="wiggle"):
        derive(make("wiggle", (x_,), (), ()), [x_])


@pytest.mark.parametrize(("text", "wrt", "result"), [
    ("u: (n, 1); L = u.T @ u", "u", "2*u"),
    ("u: (n, 1); A: (n, n); L = u.T @ A @ u", "u", "(A + A.T) @ u"),
    ("u: (n, 1); A: (n, n); L = u.T @ A @ u", "A", "u @ u.T"),
    ("w: (d, 1); X: (n, d); y: (n, 1); L = (X @ w - y).T @ (X @ w - y)", "w", "2*(X.T @ (X @ w - y))"),
    ("x: (n, 1); y: (m, 1); A: (n, m); L = x.T @ A @ y", "A", "x @ y.T"),
    ("x: (n,); A: (n, n); L = x @ A @ x", "x", "(A + A.T) @ x"),
    ("X: (n, d); w: (d,); y: (n,); L = sum((X @ w - y)**2)/n", "w", "2*(X.T @ (X @ w - y))/n"),
    ("o: (1, 1); X: (n, m); L = sum(o*X)", "o", "sum(X, keepdims=True)"),
])
def test_columns_rows_and_vectors(text: str, wrt: str, result: str) -> None:
    d = sg.derive(text, wrt)
    assert str(d.expression) == result
    assert right(d)
