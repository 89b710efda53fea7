"""Functions that a user names: derived, proved, printed by name or written out, kept, and refused."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from symgrad.engine import named, rows
from symgrad.engine.evaluate import evaluate
from symgrad.errors import InputError, ParseError, UnknownName
from symgrad.graph.node import Node, from_rows, make, to_rows

x, b, z, y = sp.symbols("x b z y", real=True)
SWISH = sg.function("swish", sp.Lambda((x, b), x / (1 + sp.exp(-b * x))))
HINGE = sg.function("bent", lambda t: sg.relu(1 - t))
BOTH = sg.function("both", lambda u: SWISH(u, 2) ** 2 + HINGE(u))
TEXT = "X: (n, 3); w: (3,); k: (); y: (n,)\nA = swish(X @ w, k)\nL = mean((A - y)**2) + sum(both(w))"


def network() -> Any:
    return sg.parse(TEXT, functions=[SWISH, BOTH])


def point() -> dict[str, Any]:
    rng = np.random.default_rng(4)
    return {"X": rng.normal(size=(5, 3)), "w": rng.normal(size=3), "k": np.array(0.7), "y": rng.normal(size=5)}


def test_derived_by_name_and_proved() -> None:
    d = sg.derive(network(), wrt=["w", "k"])
    found = d.verify()
    assert found.ok, str(found)
    assert {c.target for c in found.checks if c.rule == "derivative"} >= {"swish_x", "swish_b", "both'", "bent'"}
    assert {s.rule for s in d.steps} >= {"deriv_swish", "deriv_both"}
    text = d.text()
    assert text.count("swish_b(x, b) = x**2*sigmoid(b*x)*(1 - sigmoid(b*x))") == 1
    assert "derivative of both" in text
    assert "bent'(t)" in text
    assert "has no derivative at 1 - w = 0" in text
    for page in (d.latex(), d.markdown(), d.html()):
        assert r"\partial_{b} \operatorname{swish}" in page.replace(r"\mathrm{swish}", r"\operatorname{swish}")


def test_four_methods_agree() -> None:
    found = sg.compare(network(), at=point())
    assert found.ok
    assert {"symbolic", "tape", "central"} <= set(found.gradients)
    smooth = sg.compare(sg.parse("k: (); v: (4,)\nL = sum(swish(v, k)*v)", functions=[SWISH]),
                        at={"k": 1.5, "v": np.array([-2.0, 0.0, 0.3, 4.0])})
    assert smooth.ok
    assert "complex step" in smooth.gradients


def test_the_kernel_is_stable_and_numpy_only() -> None:
    net = sg.parse("v: (n,)\nL = sum(swish(v, 1))", functions=[SWISH])
    kernel = sg.compile(net, wrt="v")
    with np.errstate(all="raise", under="ignore"):
        value, gradients = kernel(v=np.array([-800.0, 0.0, 800.0]))
    assert value == 800.0
    np.testing.assert_allclose(gradients["v"], [0.0, 0.5, 1.0], atol=1e-300)
    space: dict[str, Any] = {}
    exec(kernel.module, space)  # noqa: S102  # the saved module, as a user would import it
    assert space["kernel"](np.array([0.0, 800.0]))[0] == 800.0


@pytest.mark.parametrize("f", [SWISH, HINGE, BOTH], ids=lambda f: f.name)
@pytest.mark.parametrize("at", [-1.75, 0.4, 2.5])
def test_derivatives_are_those_of_the_values(f: Any, at: float) -> None:
    with mpmath.workdps(60):
        h = mpmath.mpf(10) ** -12
        others = [mpmath.mpf(3) / 7] * (len(f.params) - 1)

        def value(g: Any, t: Any) -> Any:
            args = rows.parameters(g._attr)
            node = g.node(*args)
            return evaluate([node], dict(zip(args, [t, *others])), digits=60)[0].item()

        first, second = f.derivative(f.params[0]), f.derivative(f.params[0], f.params[0])
        for g, d in ((f, first), (first, second)):
            t = mpmath.mpf(at)
            slope = (value(g, t - 2 * h) - 8 * value(g, t - h) + 8 * value(g, t + h) - value(g, t + 2 * h)) / (12 * h)
            assert abs(slope - value(d, t)) < mpmath.mpf(10) ** -40
            written_out = d.definition(*(sp.Float(str(v), 60) for v in (t, *others))).evalf(50)
            assert abs(mpmath.mpf(str(written_out)) - value(d, t)) < mpmath.mpf(10) ** -14  # numbers of bodies are read


def test_sympy_in_and_out() -> None:
    f = SWISH(z, 2)
    assert str(f) == "swish(z, 2)"
    assert str(f.diff(z)) == "swish_x(z, 2)"
    assert f.diff(z).doit() == SWISH.derivative("x").definition(z, 2)
    assert HINGE.derivative()(z) == HINGE(z).diff(z)
    assert str(HINGE(z).diff(z)) == "bent'(z)"
    assert sp.expand_func(f) == SWISH.definition(z, 2)
    assert abs(f.subs(z, sp.Rational(1, 3)).evalf(30) - (1 / (1 + sp.exp(-sp.Rational(2, 3))) / 3).evalf(30)) < 1e-29
    np.testing.assert_allclose(sp.lambdify(z, f.diff(z))(np.array([0.0, 1.0])), [0.5, 1.0907842487848955], rtol=1e-15)
    np.testing.assert_allclose(sg.lambdify(z, f.diff(z))(np.array([0.0, 1.0])), [0.5, 1.0907842487848955], rtol=1e-15)
    d = sg.derive(3 * SWISH(z**2, y), [z, y])
    assert d["y"].result == 3 * SWISH.derivative("b")(z**2, y)
    assert sg.derive(d["z"].result, z).verify().ok  # its own result goes in again
    A = sp.MatrixSymbol("A", 3, 2)
    again = sg.derive(sp.Trace(SWISH(A, 2) * A.T), A)
    assert again.verify().ok
    assert again.result.has(A)
    explicit = sp.Matrix(2, 1, [z, 0])
    assert HINGE(explicit)[0, 0] == HINGE(z)


def test_expressions_broadcast() -> None:
    v, w = sg.symbol("v", (4, 1)), sg.symbol("w", (3,))
    assert SWISH(v, w).shape == (4, 3)
    assert SWISH(x=v, b=2).node is SWISH(v, 2).node
    net = sg.Network()
    a = net.let("a", SWISH(v, w))
    net.let("L", sg.sum(a))
    assert sg.derive(net, wrt=[v, w]).verify().ok


def test_written_out_where_asked() -> None:
    mine = sg.function("mine", lambda t: 1 / (1 + sp.exp(-t)))
    loss = sg.bce(mine(z), y)
    named_ = sg.derive(loss, z)
    assert "mine'" in str(named_.result)
    for expand in ("mine", ["mine"], [mine], mine):
        assert str(sg.derive(loss, z, expand=expand).result) == "-y + sigmoid(z)"
    assert "mine" not in sg.derive(loss, z, expand=True).text()
    assert "recognised as sigmoid" in sg.derive(loss, z, expand="mine").text()
    with pytest.raises(InputError, match="names of functions"):
        sg.derive(loss, z, expand=3)


def test_kept(tmp_path: Path) -> None:
    d = sg.derive(network(), wrt="w")
    for again in (pickle.loads(pickle.dumps(d)), sg.load(d.save(tmp_path / "d.json"))):  # noqa: S301  # our own
        assert again.record.results == d.record.results  # the same nodes
        assert again.verify().ok
        assert again.text() == d.text()
    for f in (SWISH, BOTH.derivative()):
        assert pickle.loads(pickle.dumps(f)) == f  # noqa: S301  # our own bytes
    e = SWISH(z, 2).diff(z) * HINGE(z)
    assert pickle.loads(pickle.dumps(e)) == e  # noqa: S301  # our own bytes
    node = BOTH.node(make("var", (), ("q", "real"), (3,)))
    assert from_rows(to_rows([node])) == [node]


@pytest.mark.parametrize(("old", "new"), [
    ('"swish",["x","b"]', '"swi}sh",["x","b"]'), ('"swish",["x","b"]', '"swish",["x","x"]'),
    ('["x","b"],{"node":', '["x","b"],{"fraction":'), (',"",[],"policy"]', ',"\\\\\\\\input{x}",[],"policy"]'),
    (',"",[],"policy"]', ',"",[7],"policy"]'), (',"",[],"policy"]', ',"",[],"evil"]'),
])  # fmt: skip
def test_a_file_that_was_tampered_with_is_refused(old: str, new: str, tmp_path: Path) -> None:
    path = sg.derive(SWISH(z, 2), z).save(tmp_path / "d.json")
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(InputError):
        sg.load(path)


def test_equal_bodies_are_one_function_and_names_are_not_shared() -> None:
    again = sg.function("swish", sp.Lambda((x, b), x / (1 + sp.exp(-b * x))))
    other = sg.function("swish", sp.Lambda((x, b), x * b))
    assert again == SWISH != other
    assert again(z, 1) == SWISH(z, 1)
    assert other(z, 1) != SWISH(z, 1)
    assert sg.derive(SWISH(z, 1) + other(z, 2), z).verify().ok


def test_deep_definitions() -> None:
    f = sg.function("f0", sp.Lambda(x, sp.sin(x)))
    for k in range(1, 60):
        f = _next(k, f)
    d = sg.derive(f(z), z)
    value, gradients = sg.compile(f(z), wrt="z")(z=np.array(0.3))
    np.testing.assert_allclose([value, gradients["z"]], [np.sin(0.3) + 59 * 0.3, np.cos(0.3) + 59], rtol=1e-13)
    assert d.steps[-1].after is d.record.results[d.record.wrt[0]]


def _next(k: int, f: Any) -> Any:
    return sg.function(f"f{k}", lambda t: f(t) + t)


def test_a_kink_is_chosen_inside_the_body() -> None:
    # left of relu's own kink is right of t = 1
    for kink, slope in (("policy", 0.0), ("left", 0.0), ("right", -1.0), ("mean", -0.5)):
        _, gradients = sg.compile(HINGE(z), wrt="z", kink=kink)(z=np.array(1.0))
        assert gradients["z"] == slope


def test_a_planted_false_derivative_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    f = sg.function("planted", lambda t: sp.sin(t) * t)
    honest = rows.slope

    def wrong(body: Node, x: Node, kink: str) -> Node:
        return 2 * honest(body, x, kink)

    monkeypatch.setattr(rows, "slope", wrong)
    rows.named_row.cache_clear()
    named.worked_out.cache_clear()
    try:
        found = sg.derive(f(z) ** 2, z).verify()
        assert not found.ok
        assert any(c.rule == "deriv_planted" and not c.ok for c in found.checks)
    finally:
        monkeypatch.undo()
        rows.named_row.cache_clear()
        named.worked_out.cache_clear()


def test_latex_of_ones_own() -> None:
    f = sg.function("my_f", sp.Lambda((x, b), x**b), latex=r"\mathcal{{F}}_{{{}}}\left({}\right)")
    assert r"\mathcal{F}_{z}\left(2\right)" in sg.derive(f(z, 2), z).latex().replace("  ", " ")
    assert r"\operatorname{my\_g}'" in sg.derive(sg.function("my_g", sp.Lambda(x, x**2))(z), z).latex()
    assert sp.latex(sg.function("g", sp.Lambda(x, x**2), latex=r"\phi")(z)) == r"\phi\left(z\right)"
    for bad in (r"\input{{x}}", r"\href{}", "$x$", "%", "{}{}{}"):
        with pytest.raises(InputError, match="LaTeX"):
            sg.function("f", sp.Lambda(x, x), latex=bad)


@pytest.mark.parametrize(("make_it", "words"), [
    (lambda: sg.function("f", sp.Lambda(x, x * y)), "none of its parameters"),
    (lambda: sg.function("1f", sp.Lambda(x, x)), "cannot name"),
    (lambda: sg.function("f__g", sp.Lambda(x, x)), "cannot name"),
    (lambda: sg.function("__import__('os')", sp.Lambda(x, x)), "cannot name"),
    (lambda: sg.function("f", sp.Lambda(x, sp.Matrix([x]))), "scalar"),
    (lambda: sg.function("f", lambda t: sg.sum(sg.symbol("v", (3,))) * t), "scalar"),
    (lambda: sg.function("f", lambda t: None), "NoneType"),
    (lambda: sg.function("f", lambda *t: 1), "plain"),
    (lambda: sg.function("f", lambda t=2: t), "default"),
    (lambda: sg.function("f", lambda: 1), "needs parameters"),
    (lambda: sg.function("f", "x**2"), "by a str"),
    (lambda: sg.function("sigmoid", sp.Lambda(x, x)), "already"),
    (lambda: SWISH(z), r"takes 2 operands \(x, b\)"),
    (lambda: SWISH(z, c=2), "no operand 'c'"),
    (lambda: SWISH("z", 2), "str"),
    (SWISH.derivative, "say by which"),
    (lambda: SWISH.derivative("c"), "no parameter 'c'"),
    (lambda: sg.parse("x: ()\nL = x", functions=[abs]), "symgrad.function"),
    (lambda: sg.parse("x: ()\nL = x", functions={"mean": HINGE}), "already"),
])  # fmt: skip
def test_refusals(make_it: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        make_it()


def test_text_calls_what_it_was_given_and_nothing_else() -> None:
    assert sg.parse("h(x)", functions={"h": HINGE}).output.attr == HINGE.node(make("var", (), ("x", "real"), ())).attr
    with pytest.raises(UnknownName, match="bent"):
        sg.parse("x: ()\nL = bent(x)")
    with pytest.raises(ParseError, match=r"missing a required argument.*swish\(x, b\)"):
        sg.parse("x: ()\nL = swish(x)", functions=[SWISH])
