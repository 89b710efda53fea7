"""The activation functions against values and gradients that were made elsewhere, in every spelling a user may take."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from symgrad.engine.evaluate import evaluate
from symgrad.engine.proof import prove
from symgrad.errors import InputError, SymgradError
from symgrad.language.text_functions import TABLE
from symgrad.rules.activations import ACTIVATIONS
from symgrad.rules.elementwise import ARITHMETIC, BY_NAME, FUNCTIONS
from symgrad.rules.error_function import ERROR
from symgrad.rules.row import Function, bind

CASES = {c["id"]: c for c in json.loads((Path(__file__).parent.parent / "data" / "activations.json").read_text())}
SPELLINGS = {
    "tanh": ["tanh(x)"],
    "relu": ["relu(x)", "maximum(x, 0)"],
    "leaky_relu": ["leaky_relu(x)", "leaky_relu(x, 0.01)", "where(x > 0, x, 0.01*x)"],
    "prelu": ["leaky_relu(x, a)", "leaky_relu(x, negative_slope=a)", "where(x > 0, x, a*x)"],
    "elu": ["elu(x)", "elu(x, alpha=1)", "where(x > 0, x, exp(x) - 1)"],
    "selu": ["selu(x)", "1.0507009873554805*elu(x, 1.6732632423543772)"],
    "celu": ["celu(x, 2)", "celu(x, alpha=2)", "max(0, x) + min(0, 2*(exp(x/2) - 1))"],
    "gelu_exact": ["gelu(x)", 'gelu(x, approximate="none")', "x*0.5*(1 + erf(x/sqrt(2)))", "x*erfc(-x/sqrt(2))/2"],
    "mish": ["mish(x)", "x*tanh(softplus(x))", "x*tanh(log(1 + exp(x)))"],
    "softplus": ["softplus(x)", "logaddexp(x, 0)", "-log_sigmoid(-x)"],
    "softplus_beta": ["softplus(3*x)/3"],
    "softsign": ["softsign(x)", "x/(1 + abs(x))"],
    "hardsigmoid": ["hardsigmoid(x)", "clip(x/6 + 1/2, 0, 1)", "relu6(x + 3)/6"],
    "hardswish": ["hardswish(x)", "x*hardsigmoid(x)", "x*clip(x + 3, lo=0, hi=6)/6"],
    "relu6": ["relu6(x)", "clip(x, 0, 6)"],
    "tanhshrink": ["x - tanh(x)"],
    "gaussian_rbf": ["exp(-x**2)"],
}
WRITTEN = [(name, text) for name, texts in SPELLINGS.items() for text in texts]
RELATIVE = 1e-12
# x*(1 + erf(x/sqrt(2)))/2 as written has lost digits where erf is near -1: half a unit of 1, times |x|/2
LOST = {"gelu_exact": 2.0**-53 * 5 / 2}


@pytest.mark.parametrize(("name", "text"), WRITTEN, ids=[t for _, t in WRITTEN])
def test_values_and_gradients_are_the_published_ones(name: str, text: str) -> None:
    case: dict[str, Any] = CASES[name]
    at = {k: np.asarray(v["value"]) for k, v in case["inputs"].items()}
    wrt = [k for k, v in case["inputs"].items() if v["differentiable"]]
    shapes = "; ".join(f"{k}: ({', '.join(map(str, (*v.shape, '')))})".replace(", )", ",)") for k, v in at.items())
    net = sg.parse(f"{shapes}\nY = {text}\nL = sum(cot*Y)")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value, gradients = sg.compile(net, wrt=wrt)(**at)
        output = sg.compile(sg.parse(f"{shapes}\nY = {text}"))(**{k: v for k, v in at.items() if k != "cot"})
    lost = LOST.get(name, 0.0)
    np.testing.assert_allclose(output, case["output"], rtol=RELATIVE, atol=lost)
    np.testing.assert_allclose(value, case["value"], rtol=RELATIVE)
    for k in wrt:
        np.testing.assert_allclose(gradients[k], case["gradient"][k], rtol=RELATIVE, atol=2 * lost)
    assert sg.derive(net, wrt=wrt).verify().ok


@pytest.mark.parametrize("row", ACTIVATIONS + ERROR, ids=lambda r: r.name)
def test_values_and_slopes_keep_their_digits(row: Function) -> None:
    xs = np.array([-30.0, -12.0, -5.0, -2.3, -0.7, -0.1, 1e-9, 0.2, 1.3, 4.0, 9.0, 24.0])
    n = len(row.params) - len(row.defaults)
    x = row.placeholders[0]
    y = row(*row.placeholders[:n])
    slope = row.derivative(y, *y.args)[0]
    truth = [[float(v.item()) for v in evaluate([y, slope], {x: float(at)}, digits=300)] for at in xs]
    net = sg.parse(f"x: (n,)\nY = {row.name}(x)")
    np.testing.assert_allclose(sg.compile(net)(x=xs), [v for v, _ in truth], rtol=RELATIVE)
    _, gradients = sg.compile(sg.parse(f"x: (n,)\nL = sum({row.name}(x))"), wrt="x")(x=xs)
    # y*(1 - y) rounds 1 - y
    np.testing.assert_allclose(gradients["x"], [s for _, s in truth], rtol=RELATIVE, atol=2.0**-53)


ROWS = [f for f in FUNCTIONS if f not in ARITHMETIC]


@pytest.mark.parametrize("name", [f.name for f in ROWS])
def test_the_rule_is_proved(name: str) -> None:
    assert prove(name).ok


HUGE = np.array([-1e4, -745.0, -60.0, -6.0, -3.0, -1.5, -1e-9, 0.0, 1e-9, 1.5, 3.0, 6.0, 60.0, 745.0, 1e4])


@pytest.mark.parametrize("row", ACTIVATIONS + ERROR, ids=lambda r: r.name)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_no_activation_overflows_or_warns(row: Function, dtype: type) -> None:
    net = sg.parse(f"x: (n,)\nL = sum({row.name}(x))")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value, gradients = sg.compile(net, wrt="x")(x=HUGE.astype(dtype))
    assert np.isfinite(value)
    assert np.all(np.isfinite(gradients["x"]))
    assert gradients["x"].dtype == dtype


def test_the_slope_of_hypot_at_its_tip_is_0() -> None:
    net = sg.parse("x: (3,); y: (3,)\nL = sum(hypot(x, y))")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, gradients = sg.compile(net, wrt=["x", "y"])(x=[0.0, 3.0, 1e200], y=[0.0, -4.0, 0.0])
    np.testing.assert_allclose(gradients["x"], [0.0, 0.6, 1.0], rtol=1e-15)
    np.testing.assert_allclose(gradients["y"], [0.0, -0.8, 0.0], rtol=1e-15)


def test_a_borrowed_function_of_sympy_keeps_the_order_of_its_operands() -> None:
    x = sp.Symbol("x", real=True)
    for call in (sp.atan2(1, x), sg.arctan2(1, x), sp.atan2(x, 1), sg.arctan2(x, 2)):
        assert sp.simplify(sg.derive(call, x).result - sp.diff(call, x)) == 0


# --- forms that hold to double precision only ------------------------------------------------------------------------


def units_off(name: str, xs: np.ndarray[Any, Any]) -> float:
    """Return the largest error of a compiled function of one variable, in units of the last place of the truth."""
    got = sg.compile(sg.parse(f"x: (n,)\nY = {name}(x)"))(x=xs)
    worst = 0.0
    with mpmath.workdps(40):
        for x, y in zip(xs.tolist(), got.tolist()):
            truth = getattr(mpmath, str(BY_NAME[name].mp))(x)
            worst = max(worst, float(abs(truth - y) / np.spacing(abs(float(truth)))))
    return worst


@pytest.mark.parametrize(("name", "low", "high", "most"), [
    ("erf", -1.0, 1.0, 4), ("erf", -6.0, 6.0, 4), ("erfc", -6.0, 1.0, 5), ("erfc", 1.0, 10.0, 9),
    ("erfc", 10.0, 26.5, 13),
])  # fmt: skip
def test_the_error_function_is_exact_to_some_units_of_the_last_place(
    name: str, low: float, high: float, most: int
) -> None:
    rng = np.random.default_rng(7)
    edges = [low, high, 0.0, 1.0, np.nextafter(1.0, 0), 1e-300, -1e-8]
    xs = np.array([*rng.uniform(low, high, 600), *(e for e in edges if low <= e <= high)])
    assert units_off(name, xs) < most


@pytest.mark.parametrize("row", [f for f in FUNCTIONS if f.double is not None], ids=lambda r: r.name)
def test_a_double_form_is_its_function_to_double_precision(row: Function) -> None:
    assert row.numpy is None  # the form would never be used
    assert row.mp is not None  # it is no definition: long arithmetic needs another
    xs = row.placeholders
    (domain,) = row.intervals()
    for at in np.linspace(-5, 5, 41):
        if not domain.low < at < domain.high:
            continue
        env = dict.fromkeys(xs, float(at))
        told, form = (v.item() for v in evaluate([row(*xs), row.double(*xs, *row.attr)], env, digits=40))
        assert abs(told - form) <= 2e-16 * abs(told)


def test_a_variant_is_another_row() -> None:
    x = sp.Symbol("x", real=True)
    assert sg.gelu(x, approximate="tanh") == sg.gelu_tanh(x)
    assert sg.gelu(x, approximate="none") == sg.gelu(x) != sg.gelu_tanh(x)
    assert sg.gelu(sg.symbol("v", (3,)), approximate="tanh").node.op == "gelu_tanh"
    assert sg.parse("v: (3,)\nY = gelu(v, approximate='tanh')").output.op == "gelu_tanh"
    for row in FUNCTIONS:
        assert all(name in BY_NAME and BY_NAME[name].params == row.params for _, _, name in row.variants)
    for call in (lambda: sg.gelu(x, approximate="erf"), lambda: sg.parse("x: ()\ny = gelu(x, approximate='erf')"),
                 lambda: sg.gelu(x, approximate=1)):
        with pytest.raises(SymgradError, match="'none' or 'tanh'"):
            call()
    with pytest.raises(SymgradError, match="word in quotes"):
        sg.parse("x: ()\ny = gelu(x, approximate=x)")


# --- defaults and operands by name ------------------------------------------------------------------------------------


def test_defaults_and_names_mean_the_same_everywhere() -> None:
    x = sp.Symbol("x", real=True)
    assert sg.leaky_relu(x) == sg.leaky_relu(x, 0.01) == sg.leaky_relu(x, negative_slope=0.01)
    assert sg.leaky_relu(x=x, negative_slope=2) == sg.leaky_relu(x, 2)
    assert sg.clip(x, hi=1, lo=0) == sg.clip(x, 0, 1)
    v = sg.symbol("v", (3,))
    assert sg.elu(v).node is sg.elu(v, 1).node is sg.elu(v, alpha=1).node
    node = sg.parse("v: (3,)\nY = elu(v)").output
    assert node is sg.elu(v).node


@pytest.mark.parametrize("row", [f for f in FUNCTIONS if f.defaults], ids=lambda r: r.name)
def test_a_default_is_part_of_the_row_and_of_nothing_else(row: Function) -> None:
    needed = row.params[:len(row.params) - len(row.defaults)]
    xs = sp.symbols(" ".join(needed) + ",", real=True)
    assert getattr(sg, row.name)(*xs) == getattr(sg, row.name)(*xs, *row.defaults)
    assert all(f"{p}={d}" in TABLE[row.name].usage for p, d in zip(row.params[len(needed):], row.defaults))
    assert row.usage in (getattr(sg, row.name).__doc__ or "")


@pytest.mark.parametrize("call", [
    lambda x: sg.leaky_relu(x, slope=2), lambda x: sg.leaky_relu(), lambda x: sg.leaky_relu(x, 1, 2),
    lambda x: sg.leaky_relu(x, x=1), sg.clip, lambda x: sg.sigmoid(x, approximate="tanh"),
    lambda x: sg.exp(x, 2), sg.maximum, sg.bce,
    lambda x: sg.parse("x: ()\ny = leaky_relu(x, slope=2)"), lambda x: sg.parse("x: ()\ny = clip(x, 0)"),
])  # fmt: skip
def test_operands_that_do_not_fit_are_refused_with_the_right_call(call: Any) -> None:
    with pytest.raises(SymgradError, match="is called"):
        call(sp.Symbol("x", real=True))


def test_bind_fills_in_from_the_right() -> None:
    assert bind("f", ("a", "b", "c"), (5, 6), (1,), {}) == (1, 5, 6)
    assert bind("f", ("a", "b", "c"), (5, 6), (1,), {"c": 2}) == (1, 5, 2)
    assert bind("f", ("a", "b", "c"), (), (), {"c": 3, "a": 1, "b": 2}) == (1, 2, 3)
    with pytest.raises(InputError, match="twice"):
        bind("f", ("a", "b"), (), (1, 2), {"a": 1})
    assert BY_NAME["elu"].bind((1,), {}) == ("elu", (1, 1))
