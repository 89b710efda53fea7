"""Every row of the functions of whole arrays, held against its own values: differences, tape, 50 digits, kernels.

A pullback is judged by fourth-order differences of the value in long arithmetic, with random cotangents and all
dimensions distinct; planted wrong pullbacks show that the judge sees them. A row added for one test works everywhere.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import mpmath
import numpy as np
import pytest

import symgrad as sg
from symgrad.check.point import random_point
from symgrad.engine.derive import derive
from symgrad.engine.evaluate import distinct_sizes, evaluate, random_env
from symgrad.engine.reverse import push, vjp
from symgrad.engine.stabilise import stabilise
from symgrad.engine.verify import verify
from symgrad.errors import InputError, ShapeError
from symgrad.graph.node import Node, apply, from_rows, reduce_sum, to_rows, var
from symgrad.graph.text import to_text
from symgrad.kernels.compile import compile_nodes
from symgrad.kernels.functions import plain_function
from symgrad.render.formula import Formulas
from symgrad.rules.arrays import ARRAY_FUNCTIONS, BY_NAME
from symgrad.rules.row import ArrayFunction, axes
from symgrad.tape import value_and_grad

DIGITS = 50
MP = mpmath.MPContext()
MP.dps = DIGITS
STEP = MP.mpf(10) ** -8  # the error of fourth-order differences is of size STEP**4 = 1e-32, rounding 1e-42
CLOSE = MP.mpf(10) ** -24

FURTHER = [replace(r, example=e) for r in ARRAY_FUNCTIONS for e in r.further]
ROWS = pytest.mark.parametrize("row", [*ARRAY_FUNCTIONS, *FURTHER], ids=lambda r: r.name)
SMOOTH = [r for r in ARRAY_FUNCTIONS if not r.whole and r.name != "signdet"]  # constants


def example(row: ArrayFunction) -> tuple[Node, tuple[Node, ...]]:
    operands, options = row.placeholders()
    return row(*operands, **options), operands


def weighted(y: Node) -> tuple[Node, Node]:
    """Return a random linear form of a node, so that no cotangent is all ones."""
    c = var("c", y.shape)
    return reduce_sum(c * y), c


def slope(loss: Node, x: Node, env: dict[Node, np.ndarray], direction: np.ndarray, sizes: dict[str, int]) -> mpmath.mpf:
    """Return the derivative of the loss along a direction of x, from its values alone."""
    def at(k: int) -> mpmath.mpf:
        return evaluate([loss], {**env, x: env[x] + k * STEP * direction}, digits=DIGITS, sizes=sizes)[0].item()

    return (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * STEP)


def disagreement(loss: Node, wrt: Sequence[Node], gradients: Sequence[Node], seed: int = 1) -> mpmath.mpf:
    """Return the largest relative difference of <gradient, v> from the slope of the loss along a random v."""
    sizes = distinct_sizes([loss])
    rng = random.Random(seed)  # noqa: S311  # test points, no secrets
    env = random_env([loss, *gradients], rng, sizes, DIGITS)
    worst = MP.mpf(0)
    for x, gradient in zip(wrt, gradients, strict=True):
        value = evaluate([gradient], env, digits=DIGITS, sizes=sizes)[0]
        v = np.array([MP.mpf(rng.uniform(-1, 1)) for _ in range(env[x].size)], dtype=object).reshape(env[x].shape)
        true, found = slope(loss, x, env, v, sizes), np.sum(value * v)
        worst = max(worst, abs(true - found) / (1 + abs(true)))
    return worst


def real(operands: Sequence[Node]) -> list[Node]:
    return [x for x in operands if x.attr[1] == "real"]


def test_the_table_is_walked_whole() -> None:
    assert len(ARRAY_FUNCTIONS) == len({r.name for r in ARRAY_FUNCTIONS}) >= 18
    assert all(BY_NAME[r.name] is r for r in ARRAY_FUNCTIONS)
    assert all(r.source for r in ARRAY_FUNCTIONS)


@ROWS
def test_the_pullback_is_the_slope(row: ArrayFunction) -> None:
    y, operands = example(row)
    loss, _ = weighted(y)
    wrt = real(operands)
    grads = vjp(loss, wrt)
    assert disagreement(loss, wrt, [grads[x] for x in wrt]) < CLOSE


@pytest.mark.parametrize("row", SMOOTH, ids=lambda r: r.name)
def test_the_pullback_has_the_shapes_of_the_operands(row: ArrayFunction) -> None:
    y, operands = example(row)
    pulled = row.pulled(y, var("c", y.shape))
    assert len(pulled) == len(operands)
    assert [p.shape for p in pulled if p is not None] == [x.shape for x in real(operands)]


@pytest.mark.parametrize("row", SMOOTH, ids=lambda r: r.name)
def test_the_second_derivative_is_the_slope_of_the_first(row: ArrayFunction) -> None:
    y, operands = example(row)
    x = real(operands)[0]
    loss, c = weighted(y**2)
    first = vjp(loss, [x])[x]
    again = reduce_sum(var("v", x.shape) * first)
    assert disagreement(again, [x, c], [vjp(again, [n])[n] for n in (x, c)], seed=2) < CLOSE


@pytest.mark.parametrize("row", [r for r in ARRAY_FUNCTIONS if r.definition is not None], ids=lambda r: r.name)
def test_the_pullback_follows_from_the_definition(row: ArrayFunction) -> None:
    """Two proofs of one fact: the rule of the row, and the chain rule on its definition, to 40 digits."""
    y, operands = example(row)
    assert row.definition is not None
    plain = row.definition(*operands, **row.given(y))
    c = var("c", y.shape)
    ours, theirs = (vjp(reduce_sum(c * n), list(operands)) for n in (y, plain))
    sizes = distinct_sizes([y])
    env = random_env([y, c], random.Random(3), sizes, DIGITS)  # noqa: S311  # test points, no secrets
    for x in operands:
        a, b = evaluate([ours[x], theirs[x]], env, digits=DIGITS, sizes=sizes)
        assert np.abs(a - b).max() < MP.mpf(10) ** -40
    if row.machine is not None:
        a, b = evaluate([row.machine(*operands, **row.given(y)), plain], env, digits=DIGITS, sizes=sizes)
        assert np.abs(a - b).max() < MP.mpf(10) ** -40


@pytest.mark.parametrize("row", SMOOTH, ids=lambda r: r.name)
def test_every_derivation_verifies(row: ArrayFunction) -> None:
    y, operands = example(row)
    loss, _ = weighted(y**2 + y)
    record = derive(loss, real(operands))
    assert any(s.rule == row.rule for s in record.steps)
    verification = verify(record)
    assert verification.ok, verification


@ROWS
def test_text_latex_and_json_round_trip(row: ArrayFunction) -> None:
    y, operands = example(row)
    declared = "; ".join(f"{x.name}: {'int' if x.attr[1] == 'int' else ''}{sg.shapes.show(x.shape)}" for x in operands)
    text = to_text(y)
    assert sg.parse(f"{declared}{'; ' if declared else ''}Y = {text}").output is y
    assert from_rows(to_rows([y]))[0] is y
    latex = Formulas().latex(y)
    assert latex.count("{") == latex.count("}")
    assert all(x.name[0] in latex for x in operands)


@ROWS
@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_the_kernel_gives_the_value_and_the_gradient(row: ArrayFunction, kind: type) -> None:
    y, operands = example(row)
    loss, c = weighted(y)
    wrt = real(operands)
    record = vjp(loss, wrt)
    sizes = distinct_sizes([loss])
    env = random_env([loss, *record.values()], random.Random(4), sizes, DIGITS)  # noqa: S311  # test points
    kernel = compile_nodes({"y": y, "L": loss}, {x.name: record[x] for x in wrt}, stabilise=stabilise, sizes=sizes)
    arrays = {n.name: env[n].astype(np.int64 if n.attr[1] == "int" else kind) for n in (*operands, c)}
    value, grads = kernel(**arrays)
    exact = evaluate([y, loss, *record.values()], {n: arrays[n.name] for n in (*operands, c)}, digits=DIGITS,
                     sizes=sizes)
    eps = float(np.finfo(kind).eps)
    for found, true in zip([value["y"], value["L"], *grads.values()], exact, strict=True):
        true = np.asarray(true, dtype=np.float64)
        assert np.shape(found) == true.shape
        assert np.asarray(found).dtype == kind or not wrt
        assert np.max(np.abs(found - true)) <= 2000 * eps * (1 + np.max(np.abs(true)))


@pytest.mark.parametrize("row", SMOOTH, ids=lambda r: r.name)
def test_the_tape_agrees(row: ArrayFunction) -> None:
    y, operands = example(row)
    loss, c = weighted(y**2)
    sizes = distinct_sizes([loss])
    given = random_point([loss], sizes, seed=5)
    inputs = [*operands, c]
    wrt = [x.name for x in real(operands)]
    plain = plain_function(loss, inputs)
    _, taped = value_and_grad(plain, wrt=wrt)(**given)
    grads = vjp(loss, real(operands))
    kernel = compile_nodes({"L": loss}, {x.name: g for x, g in grads.items()}, stabilise=stabilise)
    _, ours = kernel(**given)
    for name in wrt:
        np.testing.assert_allclose(ours[name], taped[name], rtol=1e-9, atol=1e-9)


# --- planted faults ---------------------------------------------------------------------------------------------------


def wrong(row: ArrayFunction) -> ArrayFunction:
    """Return the row with a pullback that is off by a factor."""
    def off(c: Node, y: Node, *args: Node, **options: object) -> tuple[Node | None, ...]:
        return tuple(None if p is None else p * 1.001 for p in row.pullback(c, y, *args, **options))

    return replace(row, pullback=off)


@pytest.mark.parametrize("row", SMOOTH, ids=lambda r: r.name)
def test_a_planted_pullback_is_caught(row: ArrayFunction, monkeypatch: pytest.MonkeyPatch) -> None:
    y, operands = example(row)
    loss, _ = weighted(y)
    x = real(operands)[0]
    monkeypatch.setitem(BY_NAME, row.name, wrong(row))
    assert disagreement(loss, [x], [vjp(loss, [x])[x]]) > MP.mpf(10) ** -6
    found = verify(derive(loss, [x]))
    assert not found.ok
    assert any(c.rule == row.rule for c in found.failures)


@pytest.mark.parametrize(("name", "pullback"), [
    ("softmax", lambda c, y, x, axis: (y * c,)),
    ("logsumexp", lambda c, y, x, axis, keepdims: (BY_NAME["softmax"](x, axis=axis),)),
    ("inv", lambda c, y, a: (-(y @ c @ y),)),
    ("det", lambda c, y, a: (apply("mul", BY_NAME["inv"](a), y * c),)),
    ("cumsum", lambda c, y, x, axis: (BY_NAME["cumsum"](c, axis=axis),)),
])
def test_a_slip_of_the_pen_is_caught(name: str, pullback: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual slips: the sum forgotten, the cotangent dropped, the transpose forgotten, the wrong direction."""
    row = BY_NAME[name]
    y, (x, *_) = example(row)
    loss, _ = weighted(y)
    monkeypatch.setitem(BY_NAME, name, replace(row, pullback=pullback))
    assert disagreement(loss, [x], [vjp(loss, [x])[x]]) > MP.mpf(10) ** -6
    assert not verify(derive(loss, [x])).ok


# --- adding a function is adding a row --------------------------------------------------------------------------------

SOFTSIGN_NORM = ArrayFunction(
    "sum_to_one", ("x",), lambda x, axis: x,
    lambda c, y, x, axis: ((c - reduce_sum(c * y, axis, True)) / reduce_sum(x, axis, True),), (axes(-1),),
    definition=lambda x, axis: x / reduce_sum(x, axis, True), latex=r"\operatorname{share}", symbol="q",
    source="quotient rule", statement="dy_i/dx_j = (delta_ij - y_i)/sum(x)",
)


def test_a_new_row_works_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BY_NAME, "sum_to_one", SOFTSIGN_NORM)
    net = sg.parse("x: (n, d); w: (n, d); L = sum(w*sum_to_one(x, axis=0))")
    d = sg.derive(net, "x")
    assert str(d.expression) == "(w - sum(w*sum_to_one(x, axis=0), axis=0))/sum(x, axis=0)"
    assert d.verify().ok
    assert "pull_sum_to_one" in {s.rule for s in d.steps}
    assert r"\operatorname{share}" in d.latex()
    assert "sum_to_one" in d.text()
    assert sg.compare(net, at={"x": np.linspace(1, 2, 6).reshape(2, 3), "w": np.arange(6.0).reshape(2, 3)}).ok
    assert disagreement(net.output, [net["x"].node], [d.expression.node]) < CLOSE


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "operands", "options", "words"), [
    ("softmax", [(2, 3)], {"axis": 2}, ["axis 2", "softmax of x0"]),
    ("softmax", [(2, 3), (2, 3)], {}, ["takes 1"]),
    ("softmax", [(2, 3)], {"axes": 1}, ["no option 'axes'", "axis"]),
    ("inv", [("n", "m")], {}, ["square", "x0 (n, m)"]),
    ("solve", [("n", "n"), ("m",)], {}, ["number of rows"]),
    ("reshape", [(2, 3)], {"shape": (4,)}, ["6 entries", "(4,) has 4"]),
    ("concatenate", [("n", "d"), ("m", "k")], {"axis": 0}, ["differ in other axes"]),
    ("cumsum", [("n", "d")], {}, ["one axis", "axis="]),
    ("take", [("n", "d"), ("k",)], {}, ["needs axis"]),
    ("pad", [("n",)], {"widths": ((1, -1),)}, ["negative"]),
    ("pad", [("n",)], {"widths": ((1, 1), (0, 0))}, ["one pair"]),
])
def test_what_does_not_fit_is_said(name: str, operands: list[object], options: dict[str, object],
                                   words: list[str]) -> None:
    with pytest.raises(ShapeError) as caught:
        BY_NAME[name](*(var(f"x{k}", s) for k, s in enumerate(operands)), **options)
    for word in words:
        assert word in str(caught.value)


def test_an_index_out_of_range_is_said() -> None:
    x, idx = var("E", (3, 2)), var("idx", (2,), "int")
    with pytest.raises(InputError, match="out of bounds"):
        evaluate([BY_NAME["take"](x, idx, axis=0)], {x: np.ones((3, 2)), idx: np.array([0, 3])})


def test_a_singular_matrix_has_no_value() -> None:
    a = var("A", (2, 2))
    value = evaluate([BY_NAME["inv"](a)], {a: np.ones((2, 2))})[0]
    assert all(mpmath.isnan(v) for v in value.flat)


def test_equal_spellings_are_one_node() -> None:
    x = var("x", ("n", "d"))
    softmax, top = BY_NAME["softmax"], BY_NAME["max"]
    assert softmax(x) is softmax(x, axis=1) is softmax(x, axis=-1)
    assert softmax(x) is not softmax(x, axis=0)
    assert top(x) is top(x, axis=(0, 1)) is top(x, axis=(-1, 0))
    assert top(x, axis=1) is top(x, axis=(1,)) is not top(x, axis=1, keepdims=True)


def test_ties_share_the_cotangent() -> None:
    x = var("x", (4,))
    (pulled,) = push(BY_NAME["max"](x), var("c"), [0])
    value = evaluate([pulled.cotangent], {x: np.array([1, 3, 2, 3]), var("c"): 5})[0]
    assert [float(v) for v in value] == [0, 2.5, 0, 2.5]


def test_a_power_that_is_the_array_itself_leaves_it_alone() -> None:
    net = sg.parse("A: (n, n); k: int(); L = sum(square_repeatedly(A, k)**2)")
    A = np.arange(4.0).reshape(2, 2)
    value, grads = sg.derive(net, "A").compile()(A=A, k=np.array(0))
    assert value == 14
    assert grads["A"].tolist() == [[0, 2], [4, 6]]
    assert A.tolist() == [[0, 1], [2, 3]]
