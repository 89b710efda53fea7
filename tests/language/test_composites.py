"""Losses and layers by their table: each as text and as Python, by its own gradient-free graph, printed by its name."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from symgrad.errors import InputError, ParseError, ShapeError
from symgrad.kernels.functions import plain_function
from symgrad.language.composite import Composite
from symgrad.language.composites import BY_NAME, COMPOSITES, WHOLE
from symgrad.language.losses import LOSSES
from symgrad.rules.row import REAL, UNIT
from tests.measure_cases import relative

SIZES = {"n": 5, "m": 4, "d": 3, "k": 2, "h": 6, "v": 7, "i": 8, "j": 9, "o": 10}


def example(row: Composite) -> tuple[str, dict[str, Any], list[str]]:
    """Return the text of a scalar loss of a row, arrays for it, and what it is to be differentiated by."""
    rng = np.random.default_rng(len(row.name))
    shapes, options = row.example if not row.entrywise else (("n",) * len(row.params), {})
    declared, at, real = [], {}, []
    for p, text in zip(row.params, shapes):
        kind = "int" if text.startswith("int ") else ""
        inner = text.removeprefix("int ")
        declared.append(f"{p}_: {kind}({inner + ',' if inner else ''})")
        dims = [math.prod(int(f) if f.isdigit() else SIZES[f] for f in s.strip().split("*"))
                for s in inner.split(",") if s]
        inside = row.domain and row.domain[row.params.index(p)] != REAL
        low, high = (0.2, 0.8) if inside or p == "p" else (-1, 1)  # a p is a probability
        at[f"{p}_"] = rng.integers(0, 2, size=dims) if kind else rng.uniform(low, high, size=dims)
        if not kind:
            real.append(f"{p}_")
    called = ", ".join([*(f"{p}_" for p, _ in zip(row.params, shapes)), *(f"{k}={v}" for k, v in options.items())])
    names = [f"{o}_1" for o in row.outputs] or ["Y_1"]
    loss = " + ".join(f"sum(sin({k + 1}*{n}))" for k, n in enumerate(names))
    return f"{'; '.join(declared)}; {', '.join(names)} = {row.name}({called}); {loss}", at, real


@pytest.mark.parametrize("row", COMPOSITES, ids=lambda r: r.name)
def test_the_gradient_is_the_tape_s_and_the_differences_(row: Composite) -> None:
    text, at, real = example(row)
    net = sg.parse(text)
    value, grads = sg.derive(net, real).compile()(**at)
    taped = sg.tape.value_and_grad(plain_function(net.output, list(net.inputs.values())), wrt=real)
    told, others = taped(**at)
    assert relative(value, told) <= 1e-12
    alone = sg.compile(net)
    rng = np.random.default_rng(1)
    for v in real:
        assert relative(grads[v], others[v]) <= 1e-11, v
        along = rng.normal(size=np.shape(at[v]))
        up, down = (alone(**{**at, v: at[v] + s * 1e-5 * along}) for s in (1, -1))
        # truncation h^2 f'''/6, rounding eps f/h
        assert abs((up - down) / 2e-5 - np.sum(grads[v] * along)) <= 2e-7 * (1 + abs(value) + np.abs(grads[v]).sum())


@pytest.mark.parametrize("row", WHOLE, ids=lambda r: r.name)
def test_python_and_text_make_the_same_node(row: Composite) -> None:
    text, _, _ = example(row)
    net = sg.parse(text)
    args = [sg.Expression(net[f"{p}_"].node) for p, _ in zip(row.params, row.example[0])]
    made = getattr(sg, row.name)(*args, **row.example[1])
    found = made if isinstance(made, tuple) else (made,)
    assert [f.node for f in found] == [net[f"{o}_1"].node for o in row.outputs or ("Y",)]
    if not row.outputs:
        assert f"{row.name}(" in str(made)
        assert f"= {row.name}(" in str(net)
        assert sg.parse(str(net)).output is net.output


@pytest.mark.parametrize("row", COMPOSITES, ids=lambda r: r.name)
def test_a_name_is_public_and_bears_its_formula(row: Composite) -> None:
    assert row.name in sg.__all__
    assert all(getattr(sg, a) is getattr(sg, row.name) for a in row.aliases)
    assert BY_NAME[row.name] is row
    assert row.source
    assert len(row.defaults) <= len(row.params)
    assert row.entrywise == (row in LOSSES)


@pytest.mark.parametrize(("text", "printed"), [
    ("z: (n, k); y: int(n,); mean(cross_entropy(z, y))", "mean(cross_entropy(z, y))"),
    ("z: (n, k); y: int(n,); mean(cross_entropy(z, y, label_smoothing=0.1))",
     "mean(cross_entropy(z, y, label_smoothing=0.1))"),
    ("z: (k, n); y: (k, n); mean(cross_entropy(z, y, axis=0))", "mean(cross_entropy(z, y, axis=0))"),
    ("a: (n,); b: (n,); mean(huber(a, b, 0.8))", "mean(huber(a, b, delta=0.8))"),
    ("a: (n,); b: (n,); mean(huber(a, b))", "mean(huber(a, b))"),
    ("z: (n,); y: (n,); mean(bce_with_logits(z, y, pos_weight=3))", "mean(bce_with_logits(z, y, pos_weight=3))"),
    ("z: (n,); y: (n,); mean(poisson_nll(z, y, log_input=False))", "mean(poisson_nll(z, y, log_input=False))"),
    ("Q: (n, d); K: (m, d); V: (m, e); M: (n, m); sum(attention(Q, K, V, mask=M)**2)",
     "sum(attention(Q, K, V, M)**2)"),
    ("Q: (n, d); K: (m, d); V: (m, e); sum(attention(Q, K, V, mask=None, scale=2)**2)",
     "sum(attention(Q, K, V, scale=2)**2)"),
    ("x: (n, d); g: (d,); sum(layer_norm(x, g, eps=1e-6)**2)", "sum(layer_norm(x, g, eps=1e-06)**2)"),
])
def test_a_call_prints_as_it_was_written(text: str, printed: str, tmp_path: Any) -> None:
    net = sg.parse(text)
    assert str(net).splitlines()[-1] == f"L = {printed}"
    d = sg.derive(net)
    assert d.verify().ok
    assert printed in d.text()
    again = sg.load(d.save(tmp_path / "d.json"))
    assert again.latex() == d.latex()
    assert again.verify().ok


def test_several_values_take_several_names() -> None:
    declared = "x: (n, 3); h: (n, 4); c: (n, 4); W: (3, 16); U: (4, 16); b: (16,); "
    net = sg.parse(declared + "h1, c1 = lstm_cell(x, h, c, W, U, b); h2, c2 = lstm_cell(x, h1, c1, W, U, b); sum(h2)")
    assert list(net.equations) == ["h1", "c1", "h2", "c2", "L"]
    h1, c1 = sg.lstm_cell(*(net[v] for v in "xhcWUb"))
    assert (h1.node, c1.node) == (net["h1"].node, net["c1"].node)
    pair = sg.parse("A: (n, n); s, l = slogdet(A); L = s*l")
    assert pair["l"].shape == ()
    with pytest.raises(ParseError, match="gives 2 values; they take 2 names"):
        sg.parse(declared + "L = sum(lstm_cell(x, h, c, W, U, b))")
    with pytest.raises(ParseError, match=r"3 names and lstm_cell.* gives 2 values"):
        sg.parse(declared + "p, q, r = lstm_cell(x, h, c, W, U, b)")
    with pytest.raises(ParseError, match=r"2 names and exp.* gives n values"):
        sg.parse("x: (n,); p, q = exp(x)")


@pytest.mark.parametrize(("text", "words"), [
    ("z: (n, k); y: (n,); mean(cross_entropy(z, y))", "declare y: int"),
    ("Q: (n, d); K: (m, e); V: (m, e); sum(attention(Q, K, V))", r"Q \(..., n, d\)"),
    ("x: (n, d); g: (n,); sum(layer_norm(x, g))", r"g has shape \(n,\); it scales axes of shape \(d,\)"),
    ("x: (n, 5); sum(glu(x))", "5 entries along axis -1 do not fall into 2"),
    ("x: (n, 6, m); sum(group_norm(x, groups=4))", "6 channels do not fall into 4 groups"),
    ("x: (n, d); m: (d,); sum(batch_norm(x, mean=m))", "together, or neither"),
    ("a: (n, d); b: (m, d); sum(infonce(a, b))", "rows belong together"),
    ("a: (2,); b: (2,); sum(cross(a, b))", "3 entries"),
])
def test_what_does_not_fit_is_said(text: str, words: str) -> None:
    with pytest.raises(ShapeError, match=words):
        sg.parse(text)


def test_sympy_scalars_go_in_and_come_out() -> None:
    a, b, d = sp.symbols("a b d", positive=True)
    assert sg.huber(a, b) == sg.huber(a, b, delta=1)
    assert str(sg.huber(a, b, delta=d)) == "huber(a, b, d)"
    assert sg.bce_with_logits(a, b).args == (a, b)
    assert sg.derive(sg.bce_with_logits(a, b, pos_weight=d), a).verify().ok
    assert sg.derive(sg.poisson_nll(a, b, log_input=False), a).result.equals(1 - b / a)
    assert sg.derive(sg.gaussian_nll_logvar(a, b, d), a).result.equals((a - b) * sp.exp(-d))
    assert sg.focal(a, b).evalf(subs={a: 0.3, b: 1}) == pytest.approx(-(0.7**2) * math.log(0.3))
    with pytest.raises(InputError, match="no operand 'dleta'"):
        sg.huber(a, b, dleta=2)
    assert all(r.domain in ((), (UNIT,) * len(r.params)) or len(r.domain) == len(r.params) for r in LOSSES)
