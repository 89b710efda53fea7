"""The public interface: what may be given, what comes back, how it is read, kept and compiled."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from symgrad.errors import InputError, NonScalarLoss, NotExpressible, ParseError, SymgradError, UnknownName

z, y, x = sp.symbols("z y x", real=True)
NETWORK = """X: (2, n); Y: (1, n); W1: (h, 2); b1: (h, 1); W2: (1, h)
Z1 = W1 @ X + b1
A1 = relu(Z1)
P = sigmoid(W2 @ A1)
L = mean(bce(P, Y))"""


@pytest.fixture(scope="module")
def network() -> sg.Derivation:
    return sg.derive(NETWORK, ["W1", "b1", "W2"])


# --- what is asked for ----------------------------------------------------------------------------------------------


def test_wrt_by_symbol_name_and_list() -> None:
    loss = sg.bce(sg.sigmoid(z), y)
    by_symbol, by_name = sg.derive(loss, z), sg.derive(loss, "z")
    assert by_symbol.result == by_name.result == sg.sigmoid(z) - y
    both = sg.derive(loss, [z, "y"])
    assert both.wrt == ("z", "y")
    assert both.results[z] == sg.sigmoid(z) - y
    assert set(both.results) == {z, y}
    assert sg.derive(loss).wrt == both["z"].wrt + both["y"].wrt or set(sg.derive(loss).wrt) == {"z", "y"}
    assert sg.derive(loss, [z, z]).wrt == ("z",)
    assert sg.derive(sg.symbol("u", ("n",)).T @ sg.symbol("u", ("n",)), sg.symbol("u", ("n",))).wrt == ("u",)


@pytest.mark.parametrize(("wrt", "error", "message"), [
    ("w", UnknownName, "'w'"), ([], InputError, "empty"), (3, InputError, "int"), ("n", UnknownName, "size"),
    ("W1x", UnknownName, "W1"), (None, None, ""),
])
def test_wrt_that_is_none(wrt: Any, error: type[SymgradError] | None, message: str) -> None:
    if error is None:
        assert set(sg.derive(NETWORK).wrt) == {"X", "Y", "W1", "b1", "W2"}
        return
    with pytest.raises(error, match=message):
        sg.derive(NETWORK, wrt)


def test_intermediates_and_single_gradients(network: sg.Derivation) -> None:
    assert str(network["A1"].expression) == "W2.T @ (P - Y) / n"
    one = network["W1"]
    assert one.wrt == ("W1",)
    assert one.verify().ok
    assert len(one.steps) < len(network.steps)
    assert one["W1"] is one
    assert "Z1" in network
    assert "nothing" not in network
    with pytest.raises(UnknownName, match="Z1"):
        network["Z11"]
    with pytest.raises(InputError, match="3 gradients"):
        _ = network.result
    with pytest.raises(InputError):
        _ = network.expression
    with pytest.raises(InputError):
        network[3.5]


def test_grad_is_the_result() -> None:
    assert str(sg.grad(NETWORK, "W2")) == "(P - Y) @ A1.T / n"
    several = sg.grad(NETWORK, ["W2", "b1"])
    assert list(several) == ["W2", "b1"]
    assert list(sg.grad(NETWORK, ["W2"])) == ["W2"]
    assert sg.grad("x**3", "x").to_sympy() == 3 * sp.Symbol("x", real=True) ** 2


def test_results_in_sympy() -> None:
    n, h = sp.symbols("n h", integer=True, positive=True)
    W, X = sp.MatrixSymbol("W", h, 2), sp.MatrixSymbol("X", 2, n)
    d = sg.derive(sg.sum(sg.mse(W * X, sp.ZeroMatrix(h, n))), W)
    assert d.result.shape == (h, 2)
    assert W in d.results
    at = {W: sp.Matrix([[1, 2], [3, 4], [5, 6]]), X: sp.Matrix([[1, 0, 2, 1], [3, 1, 1, 2]])}
    numbers = d.result.subs({n: 4, h: 3})
    assert numbers.shape == (3, 2)
    assert {str(s) for s in d.free_symbols} >= {"W", "X"}
    assert at[W].shape == (3, 2)


def test_losses_that_are_none() -> None:
    with pytest.raises(NonScalarLoss, match="mean"):
        sg.derive("u: (n,); L = u**2", "u")
    with pytest.raises(ParseError):
        sg.derive("x +", "x")
    with pytest.raises(SymgradError):
        sg.derive(object(), "x")
    with pytest.raises(InputError, match="kink"):
        sg.derive("abs(x)", "x", kink="up")
    with pytest.raises(InputError, match="integers"):
        sg.derive("i: int(n,); u: (n,); L = sum(i*u)", "i")


def test_a_loss_of_one_entry_is_a_scalar() -> None:
    d = sg.derive("u: (n, 1); L = u.T @ u", "u")
    assert str(d.expression) == "2*u"
    assert d.verify().ok


def test_kinks_are_stated_and_chosen() -> None:
    d = sg.derive("relu(x)", "x")
    assert any("relu" in k for k in d.record.kinks)
    assert "no derivative" in d.text()
    at0 = {side: sg.compile("relu(x)", "x", kink=side)(x=np.array(0.0))[1]["x"] for side in ("left", "mean", "right")}
    assert [float(at0[s]) for s in ("left", "mean", "right")] == [0.0, 0.5, 1.0]


# --- reading --------------------------------------------------------------------------------------------------------


def test_the_notebook_bundle(network: sg.Derivation) -> None:
    for d in (network, sg.derive("bce(sigmoid(z), y)", "z")):
        bundle = d._repr_mimebundle_()
        assert set(bundle) == {"text/plain", "text/markdown", "text/latex", "text/html"}
        assert bundle["text/plain"] == d.text() == str(d)
        assert bundle["text/markdown"] == d.markdown()
        assert all(len(v) > 100 for v in bundle.values())
        assert "<script" not in bundle["text/html"]
        assert "align" in bundle["text/latex"]


def test_every_notation_shows_every_target(network: sg.Derivation) -> None:
    text, latex = network.text(), network.latex()
    for name in network.wrt:
        assert f"dL/d{name}" in text
    for symbol in ("W_{1}", "b_{1}", "W_{2}"):
        assert symbol.replace("{", "").replace("}", "") in latex.replace("{", "").replace("}", "")
    assert latex.count(r"\begin{") == latex.count(r"\end{")
    assert r"\documentclass" in network.latex(standalone=True)
    assert "```math" in network.markdown()
    assert network.html().lstrip().lower().startswith("<!doctype html>")
    assert len(network.text(detail="result")) < len(network.text()) <= len(network.text(detail="all"))
    assert "theta" in network.latex(names={"W1": r"\theta"})
    assert repr(network) == f"<Derivation by W1, b1, W2: {len(network.steps)} steps>"


# --- keeping --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", [("bce(sigmoid(z), y)", "z"), (NETWORK, None), ("x**2 + 0.1*x", "x"),
                                  ("log(1+exp(z)) - y*z", "z"), ("abs(x)/3 + pi*x", "x")])
def test_json_keeps_every_node(what: tuple[str, Any], tmp_path: Path) -> None:
    d = sg.derive(*what)
    back = sg.load(d.save(tmp_path / "d.json"))
    assert back.steps == d.steps
    assert back.record.results == d.record.results
    assert back.record.names == d.record.names
    assert back.record.resolved == d.record.resolved
    assert back.text() == d.text()
    assert back.latex() == d.latex()
    assert back.verify().ok


def test_every_ending(network: sg.Derivation, tmp_path: Path) -> None:
    for ending, start in ((".tex", None), (".html", "<!"), (".md", None), (".txt", "Forward"), (".json", "{")):
        path = network.save(tmp_path / f"d{ending}")
        text = path.read_text(encoding="utf-8")
        assert text
        assert start is None or text.lstrip().startswith(start)
    with pytest.raises(InputError, match=r"\.docx"):
        network.save(tmp_path / "d.docx")


def _numbers(data: Any) -> list[tuple[list[Any], Any]]:
    """Return every place in plain data that holds an integer, as (container, key)."""
    out, stack = [], [data]
    while stack:
        top = stack.pop()
        for key, value in top.items() if isinstance(top, dict) else enumerate(top):
            if isinstance(value, (dict, list)):
                stack.append(value)
            elif isinstance(value, int) and not isinstance(value, bool):
                out.append((top, key))
    return out


def test_tampered_files_are_refused_or_found_false(tmp_path: Path) -> None:
    """Each number of the file is changed in turn: a wrong node, shape, index or constant does not pass for a proof."""
    d = sg.derive("bce(sigmoid(z), y)", "z")
    path = d.save(tmp_path / "d.json")
    original = path.read_text(encoding="utf-8")
    caught, passed = 0, []
    for k in range(len(_numbers(json.loads(original)))):
        data = json.loads(original)
        place, key = _numbers(data)[k]
        place[key] += 1
        path.write_text(json.dumps(data), encoding="utf-8")
        try:
            back = sg.load(path)
            if back.verify(digits=30).ok:
                passed.append(back)
            else:
                caught += 1
        except SymgradError:
            caught += 1
    assert caught > 100
    for back in passed:
        # true equalities in other words, or what is only shown: the gradients are those that were saved
        for kept in ("results", "resolved", "values", "closed", "loss", "wrt"):
            assert getattr(back.record, kept) == getattr(d.record, kept)


@pytest.mark.parametrize("text", ["", "{}", "[]", "3", '{"symgrad": 1}', '{"symgrad": 99}', "not json", '{"symgrad":1,'
                                  '"nodes":{"rows":[["var",[5],[],[]]],"roots":[0]}}'])
def test_files_that_are_none_of_ours(text: str, tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"Derivation\.save"):
        sg.load(path)


# --- compiling ------------------------------------------------------------------------------------------------------


def test_kernels_of_networks_derivations_and_results(network: sg.Derivation, rng: np.random.Generator) -> None:
    arrays = {"X": rng.normal(size=(2, 7)), "Y": rng.uniform(size=(1, 7)), "W1": rng.normal(size=(5, 2)),
              "b1": rng.normal(size=(5, 1)), "W2": rng.normal(size=(1, 5))}
    value, grads = network.compile()(**arrays)
    again, more = sg.compile(NETWORK, ["W1", "b1", "W2"])(**arrays)
    assert float(value) == float(again) == pytest.approx(float(sg.compile(NETWORK)(**arrays)), rel=1e-14)
    assert list(grads) == list(more) == ["W1", "b1", "W2"]
    closed = sg.compile(network["W1"].result if not isinstance(network["W1"].result, sp.Basic) else
                        network["W1"].expression)
    given = {k: v for k, v in arrays.items() if k in closed.inputs} if hasattr(closed, "inputs") else arrays
    np.testing.assert_allclose(closed(**given), grads["W1"], rtol=1e-12, atol=1e-15)

    def plain(X: Any, Y: Any, W1: Any, b1: Any, W2: Any) -> Any:
        a = np.where(W1 @ X + b1 > 0, W1 @ X + b1, 0)
        p = 1 / (1 + np.exp(-(W2 @ a)))
        return np.mean(-(Y * np.log(p) + (1 - Y) * np.log(1 - p)))

    _, told = sg.tape.value_and_grad(plain)(**arrays)
    for name, g in grads.items():
        np.testing.assert_allclose(g, told[name], rtol=1e-12, atol=1e-14)


def test_unknown_targets() -> None:
    with pytest.raises(InputError, match="numpy"):
        sg.compile("x**2", target="fortran")


# --- lambdify -------------------------------------------------------------------------------------------------------


def test_lambdify_broadcasts_constants() -> None:
    assert sg.lambdify([x], sp.Integer(1))(np.zeros(3)).tolist() == [1.0, 1.0, 1.0]
    assert sg.lambdify([x, y], x)(np.ones((2, 1)), np.zeros(3)).shape == (2, 3)
    several = sg.lambdify([x, y], [x + y, sp.Integer(2), y])(np.ones((2, 1)), np.zeros(3))
    assert [v.shape for v in several] == [(2, 3)] * 3
    assert sg.lambdify(x, x**2)(3.0) == 9.0
    assert sg.lambdify((), sp.Rational(1, 4))() == 0.25


HOSTILE = ("np", "lambda", "def", "__import__('os').system('touch SYMGRAD_MARKER')", "x y", "a\nb", "1", "", "print",
           "_", "self", "None", "é", "v0", "numpy", "x;import os", "\\alpha", "'", '"', "f(x)", "x#", "exp")


@pytest.mark.parametrize("name", HOSTILE)
def test_lambdify_with_any_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    s = sp.Symbol(name, real=True)
    f = sg.lambdify([s, x], sg.sigmoid(s) * x + s)
    assert f(0.0, 4.0) == 2.0
    source = getattr(f, "source", "")
    assert "system" not in re.sub(r"#.*", "", source)
    assert not (tmp_path / "SYMGRAD_MARKER").exists()


@pytest.mark.parametrize("name", HOSTILE)
def test_derivations_with_any_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    s = sp.Symbol(name, real=True)
    try:
        d = sg.derive(sg.bce(sg.sigmoid(s), y), s)
    except InputError:
        assert name == ""
        return
    assert d.result == sg.sigmoid(s) - y
    assert d.verify(digits=30).ok
    assert all(d._repr_mimebundle_().values())
    assert sg.load(d.save(tmp_path / "d.json")).steps == d.steps
    assert not (tmp_path / "SYMGRAD_MARKER").exists()


def test_lambdify_is_accurate_where_sympys_is_not() -> None:
    f = sg.lambdify([z], sg.softplus(z) - z)
    with np.errstate(all="raise", under="ignore"):
        assert f(np.array([800.0, -800.0])).tolist() == [0.0, 800.0]


def test_lambdify_says_what_is_missing() -> None:
    with pytest.raises(InputError, match="y"):
        sg.lambdify([x], x + y)
    with pytest.raises(InputError, match="2 are expected"):
        sg.lambdify([x, y], x + y)(1.0)


def test_results_without_a_form_in_sympy_are_expressions() -> None:
    d = sg.derive("u: (n,); v: (n,); L = sum(u*v**2)", "v")
    assert isinstance(d.result, (sg.Expression, sp.Basic))
    if isinstance(d.result, sg.Expression):
        with pytest.raises(NotExpressible):
            d.to_sympy()
