"""`compare` on real networks: the stated agreement, kinks, dtypes, and a judge that cannot be fooled."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from symgrad import api
from symgrad.check.compare import compare
from symgrad.check.point import random_point
from symgrad.errors import InputError, NonScalarLoss, ShapeError, SymgradError, UnknownName
from symgrad.graph.node import apply, var
from symgrad.kernels.functions import plain_function
from symgrad.language.network import Network
from symgrad.language.text_io import parse
from symgrad.rules.elementwise import FUNCTIONS

PARAMETERS = ["W1", "b1", "W2", "b2"]
COLUMNS = """X: (3, n); Y: (1, n); W1: (h, 3); b1: (h, 1); W2: (1, h); b2: (1, 1)
Z1 = W1 @ X + b1
A1 = {0}(Z1)
P = sigmoid(W2 @ A1 + b2)
L = mean(bce(P, Y))"""
ROWS = """X: (n, 3); Y: (n, 1); W1: (3, h); b1: (h,); W2: (h, 1); b2: (1,)
A1 = {0}(X @ W1 + b1)
P = sigmoid(A1 @ W2 + b2)
L = mean(bce(P, Y))"""


def point(text: str, rng: np.random.Generator, **sizes: int) -> dict[str, Any]:
    """Random arrays for the inputs of a network; labels Y are 0 or 1."""
    out = {}
    for name, node in parse(text).inputs.items():
        shape = [d if isinstance(d, int) else sizes[d.name] for d in node.shape]
        out[name] = rng.normal(size=shape) if name != "Y" else rng.integers(0, 2, shape).astype(float)
    return out


@pytest.mark.parametrize("text", [COLUMNS, ROWS], ids=["columns", "rows"])
@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "softplus", "relu"])
def test_the_two_layer_network_agrees_as_stated(text: str, activation: str, rng: np.random.Generator) -> None:
    text = text.format(activation)
    c = compare(parse(text), point(text, rng, h=5, n=7), wrt=PARAMETERS)
    assert c.ok
    assert c.count("agree") == 5 * 3 + 5 + 5 + 1
    assert c.largest("symbolic", "tape")[1] <= 1e-13
    assert c.largest("symbolic", "central")[1] <= 1e-9
    if activation == "relu":
        assert list(c.gradients) == ["symbolic", "tape", "central"]
        assert "not analytic: relu" in str(c)
    else:
        assert c.largest("symbolic", "complex step")[1] <= 1e-13


def test_a_deep_network_and_all_variables(rng: np.random.Generator) -> None:
    layers = 12
    text = "\n".join(
        ["A0: (3, n); T: (3, n)", *(f"W{k}: (3, 3); b{k}: (3, 1)" for k in range(1, layers + 1)),
         *(f"A{k} = tanh(W{k} @ A{k - 1} + b{k})" for k in range(1, layers + 1)), f"L = mean(mse(A{layers}, T))"]
    )  # fmt: skip
    c = compare(parse(text), point(text, rng, n=4))
    assert c.ok
    assert len(c.verdicts) == 2 + 2 * layers
    assert c.largest("symbolic", "tape")[1] <= 1e-13


@pytest.mark.parametrize("size", [3.0, 20.0, 34.0, 60.0, 800.0, 1e4])
def test_a_saturated_loss_is_no_false_alarm(size: float) -> None:
    """Wrong by certainty: log(1 - p) as written has lost its digits, or overflows, where the kernel has all of them."""
    net = parse("x: (3,); w: (3,); y: ()\np = sigmoid(w @ x)\nL = bce(p, y)")
    at = {"x": np.array([size, -0.5, 0.3]), "w": np.array([1.0, 0.2, 0.1]), "y": np.array(0.0)}
    c = compare(net, at, "w")
    assert c.ok
    np.testing.assert_allclose(c.gradients["symbolic"]["w"], at["x"], rtol=0.1)
    assert c.largest("symbolic", "central")[1] < 1e-9
    assert ("left out" in str(c)) == (size > 37)

    def wrong(**arrays: Any) -> Any:
        return 0.0, {"w": 1.001 * c.gradients["symbolic"]["w"]}

    assert not compare(net, at, "w", kernel=wrong).ok


def test_a_network_built_with_let_and_symbols_as_keys() -> None:
    x, w = sp.symbols("x w", real=True)
    net = Network()
    z = net.let("z", w * x)
    net.let("L", sp.exp(z) + z**2)
    assert compare(net, {x: 0.3, w: -1.2}, wrt=[w]).ok


FAULTS = {
    "a wrong sign": lambda g: g.__setitem__("b1", -g["b1"]),
    "a factor of 1.001": lambda g: g.__setitem__("W2", g["W2"] * 1.001),
    "a transposed square matrix": lambda g: g.__setitem__("W1", g["W1"].T.copy()),
    "one entry off by 1e-6": lambda g: g["W1"].__setitem__((1, 2), g["W1"][1, 2] * (1 + 1e-6)),
    "the mean forgotten": lambda g: g.__setitem__("b2", g["b2"] * 7),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("methods", [("symbolic", "tape"), ("symbolic", "complex"), ("symbolic", "central")])
def test_a_planted_fault_disagrees(fault: str, methods: tuple[str, str], rng: np.random.Generator) -> None:
    text = COLUMNS.format("tanh")
    net = parse(text)
    right = api.compile(net, PARAMETERS)

    def wrong(**arrays: Any) -> Any:
        value, grads = right(**arrays)
        FAULTS[fault](grads)
        return value, grads

    at = point(text, rng, h=3, n=7)
    c = compare(net, at, PARAMETERS, methods=methods, kernel=wrong)
    assert not c.ok
    assert c.worst().verdict == "disagree"
    assert json.loads(c.to_json())["ok"] is False
    assert compare(net, at, PARAMETERS, methods=methods, kernel=right).ok


def test_a_dead_unit_is_exactly_zero_and_agrees() -> None:
    text = COLUMNS.format("relu")
    at = {
        "X": np.array([[0.5], [0.2], [-0.3]]), "Y": np.array([[1.0]]),
        "W1": np.array([[0.4, 0.1, 0.2], [0.3, -0.5, 0.1], [-0.3, 0.2, -0.1]]), "b1": np.array([[0.1], [0.2], [-0.02]]),
        "W2": np.array([[0.6, -0.4, 0.8]]), "b2": np.array([[0.05]]),
    }  # fmt: skip
    c = compare(parse(text), at, wrt=PARAMETERS)
    assert c.ok
    assert c.count("agree") == 16
    assert not np.any(c.gradients["symbolic"]["W1"][2])
    assert not np.any(c.gradients["central"]["W1"][2])


def test_on_a_kink_and_beside_it() -> None:
    net = parse("x: (6,)\nL = sum(relu(x) + 2*abs(x))")
    c = compare(net, {"x": np.array([0.0, 1e-5, -1e-5, 1.0, -2.0, 1e-9])})
    assert c.ok
    assert c.count("kink") <= 2
    assert [int(v) for v in c.verdicts["x"]][:5] == [1, 0, 0, 0, 0]


def test_a_wrong_value_on_a_kink_disagrees() -> None:
    net = parse("x: (2,)\nL = sum(relu(x))")
    outside = {"x": np.array([1.2, 1.0])}
    c = compare(net, {"x": np.array([0.0, 1.0])}, kernel=lambda x: (np.sum(x), outside))
    assert not c.ok
    assert c.worst().index == (0,)


def test_float32_arrays_are_judged_as_float32(rng: np.random.Generator) -> None:
    text = COLUMNS.format("tanh")
    at = {k: v.astype(np.float32) for k, v in point(text, rng, h=5, n=7).items()}
    c = compare(parse(text), at, PARAMETERS)
    assert c.ok
    assert c.gradients["symbolic"]["W1"].dtype == np.float32
    assert 1e-10 < c.largest("symbolic", "central")[1] < 1e-5


@pytest.mark.parametrize(
    "text",
    ["x", "x:(1,); L=x", "x:(1,); L=x[0]", "x:(1,); L=sum(x)", "x:(1, 1); L=x", "x:(1, 1); L=x.T",
     "x:(1, 1); L=trace(x)", "x:(1,); L=sum(x[:, None])", "x:(1,); A:(2, 3); L=sum(x + A)", "x:(4,); L=sum(x)",
     "x:(2, 3); L=mean(x.T)"],
)  # fmt: skip
def test_a_loss_that_is_its_input_or_a_view_of_it(text: str, rng: np.random.Generator) -> None:
    network = parse(text)
    at = random_point([network.output], seed=int(rng.integers(99)))
    c = compare(network, at)
    assert c.ok, str(c)
    assert c.count("agree") == sum(v.size for v in c.verdicts.values())
    assert "complex step" in c.gradients


def test_sympy_expressions_and_nodes_go_in_too() -> None:
    z, y = sp.symbols("z y", real=True)
    c = compare(sp.log(1 + sp.exp(z)) - y * z, {z: 0.3, y: 1}, wrt=z)
    assert c.ok
    assert c.gradients["symbolic"]["z"] == pytest.approx(1 / (1 + np.exp(-0.3)) - 1, rel=1e-14)
    w = var("w", (3,))
    assert compare(apply("sin", w) @ w, {"w": [0.1, 0.2, 0.3]}).ok


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"at": {"w": [1.0, 2.0]}}, InputError, r"missing in `at`: x \(3, 2\)"),
        ({"at": {"w": [1.0, 2.0], "x": np.ones((3, 2)), "W": 1}}, UnknownName, "'W' does not occur"),
        ({"at": {"w": [1.0, 2.0], "x": np.ones((3, 4))}}, ShapeError, r"x: expected shape \(3, 2\), got \(3, 4\)"),
        ({"at": {"w": ["a", "b"], "x": np.ones((3, 2))}}, InputError, "numbers are expected"),
        ({"wrt": "v"}, UnknownName, "'v' does not occur"),
        ({"wrt": "L"}, UnknownName, "no real variable"),
        ({"methods": ("symbolic", "guess")}, InputError, "no method 'guess'"),
        ({"net": "x: (3, 2); w: (2,); x @ w"}, NonScalarLoss, r"shape \(3,\)"),
    ],
)
def test_bad_input_is_explained(change: dict[str, Any], error: type[Exception], message: str) -> None:
    given: dict[str, Any] = {
        "net": "x: (3, 2); w: (2,); mean(tanh(x @ w))", "at": {"w": [1.0, 2.0], "x": np.ones((3, 2))}, **change,
    }  # fmt: skip
    given["net"] = parse(given["net"])
    with pytest.raises(error, match=message):
        compare(**given)


def test_every_analytic_function_lets_the_complex_step_pass() -> None:
    """NumPy's deg2rad takes real numbers alone: the code that is judged takes its definition."""
    tried = 0
    for row in FUNCTIONS:
        if not row.analytic or row.orders or not (row.numpy or row.definition):
            continue
        arguments = [var(p, ("n",)) for p in row.params]
        f = plain_function(row(*arguments), arguments)
        point = {p: np.array([0.3, 0.4]) + 0.1 * k for k, p in enumerate(row.params)}
        with np.errstate(all="ignore"):
            found = f(**{p: v + 1e-30j for p, v in point.items()})
        assert np.iscomplexobj(found), row.name
        tried += 1
    assert tried > 30


@pytest.mark.parametrize("name", ["deg2rad", "rad2deg"])
def test_angles_are_compared_by_every_method(name: str) -> None:
    c = compare(f"x: (n,); L = sum({name}(x)**2)", {"x": np.array([1.0, -20.0])})
    assert c.ok
    assert list(c.gradients) == ["symbolic", "tape", "complex step", "central"]
    symbol = sp.Symbol("x")
    f = sp.lambdify(symbol, getattr(sg, name)(symbol), "numpy")
    assert f(1 + 2j) == pytest.approx((1 + 2j) * getattr(np, name)(1.0))


SQUARES = "w: (3,); x: (n, 3); y: (n,); L = sum((x @ w - y)**2)"


@pytest.mark.parametrize("value", [5.0, 0.0, -1.0, float("nan")])
def test_a_kernel_of_a_wrong_value_is_not_ok(value: float, rng: np.random.Generator) -> None:
    at = {"w": rng.normal(size=3), "x": rng.normal(size=(4, 3)), "y": rng.normal(size=4)}
    right = sg.compile(SQUARES, "w")
    assert sg.compare(SQUARES, at, "w", kernel=right).ok
    c = sg.compare(SQUARES, at, "w", kernel=lambda **arrays: (value, right(**arrays)[1]))
    assert not c.ok
    assert "the kernel gives the value" in str(c)
    assert json.loads(c.to_json())["problems"]


@pytest.mark.parametrize(("answer", "words"), [
    (lambda v, g: g["w"], "returned a ndarray"),
    (lambda v, g: g, "returned a dict"),
    (lambda v, g: (v, g["w"]), "returned a tuple of 2"),
    (lambda v, g: (v, {"x": 1.0}), "no gradient by w"),
    (lambda v, g: (v, {"w": g["w"][:, None]}), "(3, 1)"),
    (lambda v, g: (np.ones(2), g), "returned a tuple"),
])
def test_a_kernel_that_answers_in_another_form_is_refused(answer: Any, words: str, rng: np.random.Generator) -> None:
    at = {"w": rng.normal(size=3), "x": rng.normal(size=(4, 3)), "y": rng.normal(size=4)}
    right = sg.compile(SQUARES, "w")
    with pytest.raises(SymgradError, match=re.escape(words)):
        sg.compare(SQUARES, at, "w", kernel=lambda **arrays: answer(*right(**arrays)))
