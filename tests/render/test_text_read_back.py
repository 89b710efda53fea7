"""Printed text means the result: every row of the tables, both corpora and random networks, read back with ties.

`SYMGRAD_READ_BACK=3000` tries so many random networks; `SYMGRAD_READ_BACK_FIRST` is the first seed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from symgrad.errors import InputError, NoRule, ParseError, ShapeError, SymgradError
from symgrad.graph.node import Node, apply, const, reduce_sum, topological, var
from symgrad.graph.ops import JUMPS
from symgrad.graph.text import to_text
from symgrad.language.composite import Composite
from symgrad.language.composites import COMPOSITES
from symgrad.language.expression import size_names
from symgrad.language.network import Network, as_network
from symgrad.language.text_io import parse_expression
from symgrad.rules.arrays import ARRAY_FUNCTIONS
from symgrad.rules.elementwise import ARITHMETIC, FUNCTIONS
from symgrad.rules.row import ArrayFunction, Function
from tests import corpus_texts
from tests.engine.losses import random_loss
from tests.language import test_cookbook
from tests.language.test_layers import MODELS
from tests.render.read_back import (
    SIZES,
    called,
    declared,
    fault,
    gradient_faults,
    held,
    point,
    points,
    read,
    read_page,
    staged_faults,
)

KINKS = ("policy", "left", "mean", "right")
NETWORKS = int(os.environ.get("SYMGRAD_READ_BACK", "40"))
FIRST = int(os.environ.get("SYMGRAD_READ_BACK_FIRST", "0"))
CALLED = [f for f in FUNCTIONS if f not in ARITHMETIC and f.name not in ("gt", "ge", "lt", "le", "eq", "ne", "where")]
WHOLE = [r for r in ARRAY_FUNCTIONS if not r.whole and r.name not in ("arange", "one_hot")]
SINGULAR = ("inv", "det", "logdet", "solve", "cholesky")  # their arrays of few whole numbers are singular
HALF = sp.Rational(1, 2)


def all_right(faults: Iterator[tuple[str, str]]) -> int:
    """Assert that no text has a fault; return how many there were."""
    found = list(faults)
    assert [f"{text}\n{said}" for text, said in found if said] == []
    return len(found)


# --- the tables -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", CALLED, ids=lambda r: r.name)
def test_elementwise_functions(row: Function) -> None:
    names = [f"{p}_" for p in row.params]
    call = f"{row.name}({', '.join([*('1' for _ in row.orders), *names])})"
    net = sg.parse("; ".join(f"{p}: (n,)" for p in [*names, "c"]) + f"; L = sum(c*{call})")
    usual = sg.derive(net).record.results
    for kink in KINKS:
        if kink == "policy" or sg.derive(net, kink=kink).record.results != usual:
            assert all_right(gradient_faults(net, kink=kink)) == 2 * len(net.inputs)
    squared = sg.parse("; ".join(f"{p}: (n,)" for p in names) + f"; L = sum({call}**2)")
    assert all_right(staged_faults(sg.hessian(squared), squared)) == len(names) * (len(names) + 1) // 2


def _of_composite(row: Composite) -> Network:
    """Return a loss of a loss or a layer, its operands being of the shapes of its example."""
    if row.entrywise:
        names = [f"{p}_" for p in row.params]
        return sg.parse("; ".join(f"{p}: (n,)" for p in names) + f"; L = mean({row.name}({', '.join(names)}))")
    shapes, options = row.example
    names = [f"{p}_" for p in row.params[:len(shapes)]]
    kinds = [f"int({s[4:]},)" if s.startswith("int ") else f"({s},)" if s.strip() else "()" for s in shapes]
    call = f"{row.name}({', '.join([*names, *(f'{k}={v!r}' for k, v in options.items())])})"
    outputs = [f"{o}_out" for o in row.outputs] or ["y_out"]
    total = " + ".join(f"sum(sin({o}))" for o in outputs)
    return sg.parse("; ".join([*map(": ".join, zip(names, kinds)), f"{', '.join(outputs)} = {call}", f"L = {total}"]))


@pytest.mark.parametrize("row", COMPOSITES, ids=lambda r: r.name)
def test_losses_and_layers(row: Composite) -> None:
    net = _of_composite(row)
    usual = sg.derive(net).record.results
    for kink in KINKS:
        if kink == "policy" or sg.derive(net, kink=kink).record.results != usual:
            assert all_right(gradient_faults(net, kink=kink)) > 0


@pytest.mark.parametrize("row", [r for r in COMPOSITES if r.entrywise], ids=lambda r: r.name)
def test_hessians_of_losses(row: Composite) -> None:
    net = _of_composite(row)
    for kink in ("policy", "mean"):
        if kink == "policy" or sg.derive(net, kink=kink).record.results != sg.derive(net).record.results:
            wrt = list(net.inputs)[:2]
            found = staged_faults(sg.hessian(net, wrt, kink=kink), net)
            assert all_right(found) == len(wrt) * (len(wrt) + 1) // 2


@pytest.mark.parametrize("row", WHOLE, ids=lambda r: r.name)
def test_array_functions(row: ArrayFunction) -> None:
    for example in (row.example, *row.further):
        operands, options = row.placeholders(example)
        y = row(*operands, **options)
        net = as_network(sg.Expression(reduce_sum(var("c_", y.shape) * y)))
        if row.name in SINGULAR:
            at = [point(list(net.inputs.values()), seed, "normal") for seed in range(3)]
            if row.name in ("cholesky", "logdet"):
                at = [{k: v @ v.T + np.eye(len(v)) if v.ndim == 2 else v for k, v in a.items()} for a in at]
            d = sg.derive(net)
            kernel = d.compile()
            for w in d.wrt:
                told = [called(kernel, a)[1][w] for a in at]
                assert fault(str(d[w].expression), told, net, at) == ""
            continue
        assert all_right(gradient_faults(net)) > 0


# --- corpora and random networks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(corpus_texts.TEXTS))
def test_losses_and_layers_of_the_corpus(name: str) -> None:
    text, wrt = corpus_texts.network(name)
    net = sg.parse(text)
    d = sg.derive(net, wrt)
    kernel, at = d.compile(), [{k: v for k, v in corpus_texts.arrays(name).items() if k in net.inputs}]
    told = [called(kernel, a)[1] for a in at]
    page = read_page(d.record, net)
    for w, again in zip(d.wrt, page.values(), strict=True):
        assert fault(str(d[w].expression), [t[w] for t in told], net, at) == ""
        assert held(again, [t[w] for t in told], set(net.inputs), at) == ""


@pytest.mark.parametrize("name", list(test_cookbook.CASES))
def test_identities_of_the_cookbook(name: str) -> None:
    case = test_cookbook.CASES[name]
    _, loss, _ = test_cookbook.read(name)
    net = as_network(sg.Expression(loss))
    d = sg.derive(net, case["variable"])
    at = [test_cookbook.arrays(case, [loss], seed) for seed in range(2)]
    kernel = d.compile(sizes=test_cookbook.SIZES)
    told = [called(kernel, a)[1][case["variable"]] for a in at]
    assert fault(str(d.expression), told, net, at, sizes=test_cookbook.SIZES) == ""


@pytest.mark.parametrize("name", MODELS)
def test_models(name: str) -> None:
    net = sg.parse(MODELS[name])
    d = sg.derive(net)
    at = [point(list(net.inputs.values()), 5, "normal")]
    value = called(d.compile(), at[0])[1]
    for w in d.wrt:
        assert fault(str(d[w].expression), [value[w]], net, at) == ""


def _random(seed: int) -> Network:
    case = random_loss(seed)
    net = as_network(sg.Expression(case.loss, case.names))
    if size_names(topological([net.output])) - size_names(net.inputs.values()):
        pytest.skip("a size that no input has cannot be declared")
    return net


@pytest.mark.parametrize("seed", range(FIRST, FIRST + NETWORKS))
def test_random_networks(seed: int) -> None:
    net = _random(seed)
    assert all_right(gradient_faults(net, kink=KINKS[seed % 4])) > 0
    if seed % 4 == 0:
        assert all_right(staged_faults(sg.hessian(net, kink=KINKS[seed // 4 % 4]), net)) > 0


@pytest.mark.parametrize("seed", range(FIRST, FIRST + NETWORKS // 4))
def test_products_and_jacobians_of_random_networks(seed: int) -> None:
    net = _random(seed)
    wrt = next(iter(net.inputs))
    v = var("v_", net.inputs[wrt].shape)
    u = var("u_")
    assert all_right(staged_faults(sg.hvp(net, wrt, "v_"), net, [v])) == 1
    assert all_right(staged_faults(sg.vjp(net, wrt, "u_"), net, [u])) == 1
    gradient = sg.grad(net, wrt).node
    if gradient.op == "const" and gradient.value == 0:
        with pytest.raises(NoRule, match="nothing to move along"):
            sg.jvp(net, wrt, "v_")
    else:
        assert all_right(staged_faults(sg.jvp(net, wrt, "v_"), net, [v])) == 1
    assert all_right(staged_faults(sg.jacobian(net, wrt), net)) == 1


@pytest.mark.parametrize("text", [
    "x: (n,); L = elu(js(sigmoid(norm(x)), 0.3))",
    "x: (n,); y: (n,); L = sum(maximum(x, y)*relu6(x)) + clip(sum(x), -1, 1)",
    "X: (n, d); w: (d,); y: (n,); L = mean(hinge(X @ w, y)) + norm(w, 1)",
    "X: (n, d); w: (d,); y: (n,); L = mean(pinball(tanh(X @ w), y, 0.3))",
    "X: (n, d); w: (d,); y: (n,); b: (); L = mean(hardswish(X @ w + b)*y)",
    "X: (n, d); L = sum(max(X, axis=1)**2) + sum(min(X, axis=0)**3)",
    "x: (5,); L = sum(where(x > 0, x**2, -x)) + median(x)**2 + sum(sort(x)*x)",
    "x: (n,); p = softmax(x); L = sum(p**2) + norm(x)*norm(p)",
])
@pytest.mark.parametrize("kink", KINKS)
def test_kinks_of_several_kinds(text: str, kink: str) -> None:
    net = sg.parse(text)
    assert all_right(gradient_faults(net, kink=kink)) > 0
    try:
        second = sg.hessian(net, kink=kink)
    except NoRule:
        return
    assert all_right(staged_faults(second, net)) > 0


# --- the value at a jump, in every notation ---------------------------------------------------------------------------

x = var("x")
SPELT = [
    ("step", 0, "step(x)", r"\mathbf{1}[x > 0]"),
    ("step", 1, "step(x, 1)", r"\mathbf{1}[x \ge 0]"),
    ("step", HALF, "step(x, 1/2)", r"\mathbf{1}_{1/2}[x > 0]"),
    ("sign", 0, "sign(x)", r"\operatorname{sign}(x)"),
    ("sign", 1, "sign(x, 1)", r"\operatorname{sign}_{1}(x)"),
    ("sign", -1, "sign(x, -1)", r"\operatorname{sign}_{-1}(x)"),
]


@pytest.mark.parametrize(("name", "value", "text", "latex"), SPELT, ids=[s[2] for s in SPELT])
def test_the_value_at_a_jump_is_written(name: str, value: sp.Rational | int, text: str, latex: str) -> None:
    node = apply(name, x, attr=(JUMPS[name].share(Fraction(str(value))),))
    assert to_text(node) == text
    assert parse_expression(text, {"x": x}) is node
    d = sg.derive(sg.Expression(x * node), "x")
    assert latex in d.latex()
    scalar = sg.Expression(node).to_sympy()
    (symbol,) = scalar.free_symbols
    assert float(scalar.subs(symbol, 0)) == float(value)
    assert sg.parse(f"x: (); L = {text}").output is node
    if name == "step":
        assert as_network(scalar).output is node
    matrix = sg.Expression(apply(name, var("X", (2, 3)), attr=node.attr)).to_sympy()
    assert (str(value) in str(matrix)) == (value != 0)
    assert as_network(matrix).output.attr == node.attr
    public = getattr(sg, name)
    assert public(sg.symbol("x"), value).node is node
    assert public(symbol, value) == (public(symbol) if value == 0 else scalar)


def test_jumps_say_their_values_on_both_sides() -> None:
    at = np.array([-2.0, 3.0])
    for name, jump in JUMPS.items():
        f = sg.compile(f"x: (n,); L = {name}(x)")
        assert f(x=at).tolist() == [jump.left, jump.right]
        assert f(x=np.zeros(1)).tolist() == [jump.usual]


@pytest.mark.parametrize(("text", "said"), [
    ("step(x, 2)", "from 0 to 1, not 2"), ("step(x, -1/2)", "from 0 to 1"), ("sign(x, 3/2)", "from -1 to 1"),
    ("step(x, x)", "heaviside(x, at) takes arrays"), ("step(x, 1/0)", "a number such as 1/2"),
    ("sign(x, -3/2)", "from -1 to 1, not -3/2"),
    ("step(x, 1, 1)", "step(x, at=0)"), ("sign(x, at=x)", "a number such as"),
])
def test_values_at_a_jump_that_are_none(text: str, said: str) -> None:
    with pytest.raises((InputError, ParseError), match=said.replace("(", r"\(").replace(")", r"\)")):
        sg.parse(text)
    with pytest.raises(InputError):
        sg.step(sg.symbol("x"), "1/2")


# --- equations behind an expression, and sizes ------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "same"), [
    ("x: (n,); L = sum(t**2) where t = 2*x", "x: (n,); L = sum((2*x)**2)"),
    ("x: (n,); L = sum(t*u) where t = 2*x, u = t + x", "x: (n,); L = sum((2*x)*(2*x + x))"),
    ("x: (n,); a = sum(t) where t = x**2; b = a*t where t = sum(x); a + b  # t is another one",
     "x: (n,); a = sum(x**2); b = a*sum(x); a + b"),
    ("x: (n,)\nL = sum(t) where t = exp(x)\n", "x: (n,); L = sum(exp(x))"),
    ("x: (n,); L = sum(where(t > 0, t, 0)) where t = x - 1", "x: (n,); L = sum(where(x - 1 > 0, x - 1, 0))"),
])
def test_equations_behind_where(text: str, same: str) -> None:
    assert sg.parse(text).output is sg.parse(same).output
    assert set(sg.parse(text).inputs) == {"x"}


@pytest.mark.parametrize(("text", "said"), [
    ("x: (); x + t where t", "behind 'where' stand equations"),
    ("x: (); x where x = 2", "'x' has a meaning already"),
    ("x: (n,); sum(x) + n where n = 2", "'n' has a meaning already"),
    ("x: (); x where pi = 2", "'pi' has a meaning already"),
    ("x: (); x + t where t = u, u = 2", "unknown name 'u'"),
    ("x: (); a = x + t where t = 1; a*t", "unknown name 't'"),
    ("x: (); x + t where t = 1 where t = 2", "a second 'where'"),
    ("x: (); (x + t where t = 1)", "no operator between 't' and 'where'"),
    ("x: (); x + t where t = 1; ", "x: "),
    ("x: (); 2 where(x > 0, 1, 0)", "no operator between '2' and 'where'"),
    ("x: (); x where", "ends after 'where'"),
    ("x: (); a = x*t where t = 2; b = foo(a)", "column 33: unknown function 'foo'"),
])
def test_equations_behind_where_that_are_none(text: str, said: str) -> None:
    if said == "x: ":
        assert sg.parse(text).output is sg.parse("x: (); x + 1").output
        return
    with pytest.raises(SymgradError, match=said):
        sg.parse(text)


@pytest.mark.parametrize("size", ["min(d, n)", "n/2", "n**2", "(n + 1)/2 + d", "2*n - min(n, 2*d)", "n**2/2 - n/2"])
def test_sizes_read_back(size: str) -> None:
    first = sg.parse(f"A: (n, d); x: ({size},); L = sum(x)*sum(A)")
    again = sg.parse(str(first))
    assert again.inputs["x"] is first.inputs["x"]
    text = to_text(const(0, first.inputs["x"].shape))
    assert parse_expression(text, first.inputs, ["n", "d"]).shape == first.inputs["x"].shape


@pytest.mark.parametrize(("size", "kind"), [
    ("n/0", ParseError), ("n**n", ParseError), ("n**9", ParseError), ("3/2", ShapeError), ("max(n, d)", ParseError),
    ("min(n)", ParseError), ("min(n, d, 2)", ParseError),
])
def test_sizes_that_are_none(size: str, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        sg.parse(f"A: (n, d); x: ({size},); L = sum(x)*sum(A)")


# --- planted faults ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("right", "wrong"), [
    ("step(x - y, 1/2)", "step(x - y)"), ("step(x - y, 1/2)", "step(y - x, 1/2)"), ("step(x - y, 1/2)", "x_bar"),
    ("step(x - y, 1/2)", "where(x >= y, 1, 0)"), ("step(x - y, 1/2)", "broadcast_to(1/2, (n,))"),
])
def test_a_wrong_text_is_seen(right: str, wrong: str) -> None:
    net = sg.parse("x: (n,); y: (n,); L = sum(maximum(x, y))")
    d, at = sg.derive(net, "x"), points(net)
    told = [called(d.compile(), a)[1]["x"] for a in at]
    assert str(d.expression) == right
    assert fault(right, told, net, at) == ""
    assert fault(wrong, told, net, at) != ""


def test_a_name_that_nobody_gave_is_seen() -> None:
    net = sg.parse("x: (n,); L = sum(x**2)")
    more = [var("u_bar", ("n",))]
    again = read("2*x + 0*u_bar", net, more)
    at = points(net, more)
    assert "u_bar" in held(again, [2 * a["x"] for a in at], {"x"}, at)
    assert held(again, [2 * a["x"] for a in at], {"x", "u_bar"}, at) == ""
    assert declared(more) == "u_bar: (n,)"
    assert SIZES["n"] != SIZES["d"] != SIZES["m"]


def test_the_reader_of_pages_sees_a_wrong_line(monkeypatch: pytest.MonkeyPatch) -> None:
    net = sg.parse("x: (n,); L = elu(js(sigmoid(norm(x)), 0.3))")
    d = sg.derive(net)
    at = points(net)
    told = [called(d.compile(), a)[1]["x"] for a in at]
    (again,) = read_page(d.record, net).values()
    assert held(again, told, {"x"}, at) == ""
    from tests.render import read_back

    def turned(plan: object) -> list[tuple[str, list[tuple[str, str, str]]]]:
        return [(title, [(head, text.replace("1 - p", "1 + p"), why) for head, text, why in rows])
                for title, rows in sections(plan)]  # type: ignore[arg-type]  # an outline

    sections = read_back.sections
    monkeypatch.setattr(read_back, "sections", turned)
    (wrong,) = read_page(d.record, net).values()
    assert held(wrong, told, {"x"}, at) != ""


def test_node_of_a_text_is_the_node_of_the_result() -> None:
    net = sg.parse("x: (n,); L = sum(log(x)*x**2)")
    found: Node = sg.hessian(net, "x").expression.node
    assert read(to_text(found), net).output.shape == found.shape
