"""The judge of gradients: what agrees is said to agree, and every planted fault is called one."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from symgrad.check.comparison import (
    Comparison,
    compare_gradients,
    condition_of,
    exact_error,
)
from symgrad.check.kinks import beside_kinks
from symgrad.check.methods import compare_functions
from symgrad.check.numeric import Estimate, numeric_gradient
from symgrad.errors import InputError, ShapeError

NAMES = ["W", "b", "V", "S"]


def loss(W: Any, b: Any, V: Any, S: Any, X: Any, Y: Any) -> Any:
    """Two tanh layers and a square matrix, so that a transpose keeps the shape."""
    a = np.tanh(W @ X + b)
    r = V @ np.tanh(S @ a) - Y
    return np.sum(r * r) / Y.size


def gradient(W: Any, b: Any, V: Any, S: Any, X: Any, Y: Any) -> dict[str, Any]:
    """The gradient of `loss`, written by hand."""
    a = np.tanh(W @ X + b)
    c = np.tanh(S @ a)
    r_bar = 2 * (V @ c - Y) / Y.size
    u_bar = (V.T @ r_bar) * (1 - c) * (1 + c)
    z_bar = (S.T @ u_bar) * (1 - a) * (1 + a)
    return {"W": z_bar @ X.T, "b": z_bar.sum(axis=1, keepdims=True), "V": r_bar @ c.T, "S": u_bar @ a.T}


def reordered(**at: Any) -> dict[str, Any]:
    """The same with every sum in another order, as another program would have it."""
    flip = np.s_[:, ::-1]
    at = {**at, "X": at["X"][flip], "Y": at["Y"][flip]}
    found = gradient(**at)
    return {k: np.asarray(v) for k, v in found.items()}


@pytest.fixture
def at(rng: np.random.Generator) -> dict[str, Any]:
    shapes = {"W": (4, 3), "b": (4, 1), "V": (2, 4), "S": (4, 4), "X": (3, 7), "Y": (2, 7)}
    return {n: rng.normal(size=s) for n, s in shapes.items()}


def test_four_methods_agree_and_how_well(at: dict[str, Any]) -> None:
    c = compare_functions(loss, {"symbolic": gradient, "tape": reordered}, at, NAMES)
    assert c.ok
    assert c.count("agree") == sum(at[n].size for n in NAMES)
    assert c.largest("symbolic", "tape")[1] <= 1e-13
    assert c.largest("symbolic", "complex step")[1] <= 1e-13
    assert c.largest("symbolic", "central")[1] <= 1e-9
    assert c.value == pytest.approx(loss(**at), rel=1e-15)


def test_no_false_alarm_at_a_hundred_points(rng: np.random.Generator) -> None:
    """Random scales, batches and magnitudes; what a sum rounds differently is no disagreement."""
    alarms = 0
    for _ in range(100):
        h, d, o, n = rng.integers(1, 9, 3).tolist() + [int(rng.integers(1, 400))]
        size = {"W": (h, d), "b": (h, 1), "V": (o, h), "S": (h, h), "X": (d, n), "Y": (o, n)}
        at = {k: rng.normal(size=s) * 10 ** rng.uniform(-2, 1) for k, s in size.items()}
        c = compare_functions(loss, {"symbolic": gradient, "tape": reordered}, at, NAMES, numeric=("complex",))
        alarms += not c.ok
    assert alarms == 0


def test_a_vanishing_gradient_is_judged_by_its_condition(rng: np.random.Generator) -> None:
    """At a least-squares solution every entry cancels; relative error is large there, and no disagreement."""
    X, Y = rng.normal(size=(3, 400)), rng.normal(size=(2, 400))
    W = np.linalg.lstsq(X.T, Y.T, rcond=None)[0].T

    def by_residual(W: Any) -> dict[str, Any]:
        return {"W": 2 * (W @ X - Y) @ X.T / Y.size}

    def by_normal_equations(W: Any) -> dict[str, Any]:
        return {"W": 2 * (W @ (X @ X.T) - Y @ X.T) / Y.size}

    def f(W: Any) -> Any:
        r = W @ X - Y
        return np.sum(r * r) / Y.size

    c = compare_functions(f, {"symbolic": by_residual, "tape": by_normal_equations}, {"W": W}, ["W"])
    assert c.ok
    assert c.largest("symbolic", "tape")[0] < 1e-13
    wrong = compare_functions(
        f, {"symbolic": lambda W: {"W": by_residual(W)["W"] + 1e-12}, "tape": by_normal_equations}, {"W": W}, ["W"]
    )
    assert not wrong.ok


# --- planted faults ---------------------------------------------------------------------------------------------------


def wrong_sign(g: dict[str, Any]) -> None:
    g["b"][2, 0] *= -1


def wrong_factor(g: dict[str, Any]) -> None:
    g["V"] *= 1.001


def transposed(g: dict[str, Any]) -> None:
    g["S"] = g["S"].T.copy()


def slightly_off(g: dict[str, Any]) -> None:
    g["W"][1, 2] *= 1 + 1e-6


def missing_layer(g: dict[str, Any]) -> None:
    g["W"][...] = 0.0


def not_a_number(g: dict[str, Any]) -> None:
    g["S"][0, 3] = np.nan


def infinite(g: dict[str, Any]) -> None:
    g["S"][0, 3] = np.inf


FAULTS = [
    (wrong_sign, "b", 1), (wrong_factor, "V", 8), (transposed, "S", 12), (slightly_off, "W", 1),
    (missing_layer, "W", 12), (not_a_number, "S", 1), (infinite, "S", 1),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "parameter", "entries"), FAULTS, ids=[f[0].__name__ for f in FAULTS])
@pytest.mark.parametrize("witness", ["tape", "complex", "central"])
def test_a_planted_fault_disagrees(fault: Any, parameter: str, entries: int, witness: str, at: dict[str, Any]) -> None:
    def faulty(**arrays: Any) -> dict[str, Any]:
        g = {k: v.copy() for k, v in gradient(**arrays).items()}
        fault(g)
        return g

    exact: dict[str, Any] = {"symbolic": faulty}
    if witness == "tape":
        exact["tape"] = reordered
    c = compare_functions(loss, exact, at, NAMES, numeric=() if witness == "tape" else (witness,))
    assert not c.ok
    assert c.count("disagree") == entries
    worst = c.worst()
    assert (worst.parameter, worst.verdict) == (parameter, "disagree")
    if witness == "tape" and fault in (wrong_sign, slightly_off, not_a_number):
        assert worst.index == {"b": (2, 0), "W": (1, 2), "S": (0, 3)}[parameter]


def test_the_method_that_is_wrong_is_named(at: dict[str, Any]) -> None:
    def faulty(**arrays: Any) -> dict[str, Any]:
        g = gradient(**arrays)
        wrong_factor(g)
        return g

    c = compare_functions(loss, {"symbolic": faulty, "tape": reordered}, at, NAMES)
    assert c.odd_one_out() == "symbolic"
    assert "every disagreement involves symbolic" in str(c)
    assert "bold red" in [row.style for row in c.table().rows]


def test_a_gradient_that_is_noise_cannot_widen_its_bound(at: dict[str, Any]) -> None:
    rng = np.random.default_rng(5)

    def noisy(**arrays: Any) -> dict[str, Any]:
        return {k: v * (1 + 1e-3 * rng.normal(size=v.shape)) for k, v in gradient(**arrays).items()}

    c = compare_functions(loss, {"symbolic": noisy, "tape": reordered}, at, NAMES, numeric=())
    assert c.count("disagree") > 0.9 * sum(at[n].size for n in NAMES)


# --- kinks ------------------------------------------------------------------------------------------------------------


def relu_loss(w: Any, x: Any) -> Any:
    return np.sum(np.maximum(w * x, 0.0) * np.arange(1, w.size + 1))


def relu_gradient(w: Any, x: Any) -> dict[str, Any]:
    return {"w": np.where(w * x > 0, x, 0.0) * np.arange(1, w.size + 1)}


def relu_signs(w: Any, x: Any) -> Any:
    return np.sign(w * x).ravel()


RELU_AT = {"w": np.array([0.0, 1e-5, -1e-5, 0.7, -0.4]), "x": np.array([1.5, -2.0, 0.5, 2.0, 0.3])}


def test_a_kink_is_called_a_kink_and_its_neighbours_agree() -> None:
    c = compare_functions(
        relu_loss, {"symbolic": relu_gradient}, RELU_AT, ["w"], numeric=("central",), signs=relu_signs
    )
    assert c.ok
    assert [int(v) for v in c.verdicts["w"]] == [1, 0, 0, 0, 0]


def test_without_the_signs_the_kink_would_be_a_false_alarm() -> None:
    c = compare_functions(relu_loss, {"symbolic": relu_gradient}, RELU_AT, ["w"], numeric=("central",))
    assert not c.ok


@pytest.mark.parametrize(
    ("claim", "verdict"), [(0.0, "kink"), (0.75, "kink"), (1.5, "kink"), (1.6, "disagree"), (-0.1, "disagree")]
)
def test_at_a_kink_the_value_lies_between_the_sides(claim: float, verdict: str) -> None:
    def claimed(w: Any, x: Any) -> dict[str, Any]:
        g = relu_gradient(w, x)
        g["w"][0] = claim
        return g

    c = compare_functions(relu_loss, {"symbolic": claimed}, RELU_AT, ["w"], numeric=("central",), signs=relu_signs)
    assert c.count(verdict) == 1
    assert c.ok == (verdict == "kink")


def test_the_step_back_keeps_its_bound() -> None:
    found = numeric_gradient(relu_loss, RELU_AT, ["w"])
    better, sides = beside_kinks(relu_loss, relu_signs, RELU_AT, found)
    exact = relu_gradient(**RELU_AT)["w"]
    assert list(sides["w"]) == [(0,)]
    assert np.all(abs(better["w"].gradient - exact)[1:] <= better["w"].error[1:])
    assert np.all(better["w"].error[1:] < 1e-8)


# --- the rest ---------------------------------------------------------------------------------------------------------


def test_what_shows_nothing_is_inconclusive() -> None:
    vague = Estimate(np.array([1.0, 2.0]), np.array([0.5, 1e-12]), np.zeros(2))
    c = compare_gradients(
        {"symbolic": {"w": np.array([1.1, 2.0])}, "central": {"w": vague.gradient}}, {"central": {"w": vague.error}}
    )
    assert [c.count("inconclusive"), c.count("agree"), c.ok] == [1, 1, False]


def test_a_sample_is_announced(at: dict[str, Any]) -> None:
    at = {**at, "S": np.eye(4)}
    c = compare_functions(loss, {"symbolic": gradient, "tape": reordered}, at, NAMES, entries=20, numeric=("central",))
    assert c.ok
    assert "looked at 40 of 40" not in str(c)
    big = {"w": np.linspace(0.1, 1, 90)}
    d = compare_functions(
        lambda w: np.sum(w**2), {"symbolic": lambda w: {"w": 2 * w}}, big, ["w"], numeric=("central",), entries=40
    )
    assert "the numeric methods looked at 40 of 90 entries" in str(d)
    assert (d.count("agree"), d.count("inconclusive"), d.ok) == (40, 50, False)


def test_exact_zeros_agree_and_integers_are_left_alone() -> None:
    c = compare_functions(
        lambda w, k: np.sum(w[k] ** 2), {"symbolic": lambda w, k: {"w": np.where(np.arange(3) == 1, 2 * w, 0.0)}},
        {"w": np.array([3.0, 1.0, 2.0]), "k": np.array([1])}, ["w"],
    )  # fmt: skip
    assert c.ok
    assert c.count("agree") == 3


def test_float32_is_judged_by_its_own_precision() -> None:
    g = np.linspace(0.1, 1, 5)
    assert compare_gradients({"a": {"g": g.astype(np.float32)}, "b": {"g": g}}).ok
    assert not compare_gradients({"a": {"g": (g * (1 + 1e-4)).astype(np.float32)}, "b": {"g": g}}).ok
    assert exact_error(np.float32([1.0]))[0] == pytest.approx(32 * 2.0**-23)


def test_the_condition_is_the_size_of_what_cancels() -> None:
    x = np.array([1e8, -1e8, 3.0])
    found = condition_of(lambda x: {"x": np.full(3, np.sum(x))}, {"x": x})["x"]
    assert 1e7 < found[0] < 3e8


def test_json_holds_everything_and_is_strict(at: dict[str, Any]) -> None:
    def faulty(**arrays: Any) -> dict[str, Any]:
        g = gradient(**arrays)
        not_a_number(g)
        return g

    data = json.loads(compare_functions(loss, {"symbolic": faulty, "tape": reordered}, at, NAMES).to_json())
    assert data["schema_version"] == 1
    assert data["ok"] is False
    assert data["entries"]["disagree"] == 1
    assert data["worst"]["values"]["symbolic"] == "nan"
    assert [m["name"] for m in data["methods"]] == ["symbolic", "tape", "complex step", "central"]
    assert data["verdicts"]["S"][0][3] == "disagree"


def test_the_table_reads_well(at: dict[str, Any]) -> None:
    text = str(compare_functions(loss, {"symbolic": gradient, "tape": reordered}, at, NAMES))
    assert "40 entries by 4 methods: 40 agree" in text
    assert "W  4x3" in text
    c = compare_functions(loss, {"symbolic": gradient, "tape": gradient}, at, NAMES, numeric=())
    number = repr(float(c.gradients["tape"]["V"].flat[np.argmax(abs(c.gradients["tape"]["V"]))]))
    assert str(c).count(number) == 2, "two methods, two equal numbers"
    assert "time: symbolic" in text
    assert max(map(len, text.splitlines())) <= 110


def drawn(c: Comparison, width: int) -> str:
    out = io.StringIO()
    Console(file=out, width=width, color_system=None, legacy_windows=False).print(c)
    return out.getvalue()


def test_the_table_fits_80_columns_with_every_word_whole(rng: np.random.Generator) -> None:
    good = rng.normal(size=(128, 784)) * 1e-5
    wrong = good + np.where(rng.random(good.shape) < 0.5, 1e-3, 0.0)
    vague = {"W10": np.where(rng.random(good.shape) < 0.5, np.inf, 1e-15)}
    c = compare_gradients(
        {"symbolic": {"W10": good}, "tape": {"W10": good}, "complex step": {"W10": wrong}, "central": {"W10": good}},
        {"complex step": vague},
    )
    text = drawn(c, 80)
    assert max(map(len, text.splitlines())) <= 80
    for word in ("gradient", "difference", "relative", "verdict", "100352 agree", "complex step", "128x784", "tape =",
                 f"{c.pairs[1].count('disagree')} disagree", f"{c.pairs[1].count('inconclusive')} inconclusive"):
        assert word in text, text
    assert "\u2026" not in text
    assert str(good.flat[np.argmax(abs(good))]) in drawn(c, 200), "all digits where there is room"


@pytest.mark.parametrize("verdict", ["agree", "kink", "inconclusive", "disagree"])
def test_every_verdict_stands_beside_its_count_at_80_columns(verdict: str) -> None:
    g = {"w": np.array(1.2345678901234567e-101)}
    other = {"w": g["w"] * (2 if verdict == "disagree" else 1)}
    one = Estimate(np.array(0.0), np.array(1.0), np.array(0.0))
    c = compare_gradients(
        {"symbolic": g, "tape": g, "complex step": other, "central": g},
        {"complex step": {"w": np.array(np.inf)}} if verdict == "inconclusive" else None,
        sides={"central": {"w": {(): (one, one)}}} if verdict == "kink" else None,
    )
    assert c.pairs[1].count(verdict) == 1
    lines = drawn(c, 80).splitlines()
    assert any(line.rstrip().endswith(f" 1 {verdict}") and " complex step " in line for line in lines), "\n".join(lines)
    assert any("gradient" in line and "verdict" in line for line in lines)


def test_a_hostile_name_is_shown_as_it_is() -> None:
    c = compare_gradients({"a": {"[bold red]x[/]": np.ones(1)}, "b": {"[bold red]x[/]": np.ones(1)}})
    assert "[bold red]x[/]" in str(c)


def test_progress_is_reported(at: dict[str, Any]) -> None:
    calls: list[tuple[str, int, int]] = []
    compare_functions(loss, {"symbolic": gradient}, at, ["b"], progress=lambda *a: calls.append(a))
    assert calls[0] == ("complex step", 1, 4)
    assert calls[-1] == ("central", 4, 4)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: compare_gradients({"a": {"w": np.ones(2)}}), InputError, "at least two methods"),
        (lambda: compare_gradients({"a": {"w": np.ones(2)}, "b": {"v": np.ones(2)}}), InputError, "same parameters"),
        (lambda: compare_gradients({"a": {"w": np.ones(2)}, "b": {"w": np.ones(3)}}), ShapeError, r"\(2,\) by a and"),
        (lambda: compare_functions(lambda w: w, {}, {"w": np.ones(2)}, ["w"]), InputError, "one finite number"),
        (lambda: compare_functions(np.sum, {}, {"a": np.array(np.inf)}, ["a"]), InputError, "one finite number"),
        (lambda: compare_functions(lambda w: w, {"s": lambda w: {}}, {"w": np.array(1.0)}, ["w"]), InputError, "for w"),
        (lambda: empty().worst(), InputError, "no entry"),
        (lambda: empty().largest("a", "c"), InputError, "were not compared"),
    ],
)  # fmt: skip
def test_bad_input_is_explained(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def empty() -> Comparison:
    return compare_gradients({"a": {"w": np.ones((0, 2))}, "b": {"w": np.ones((0, 2))}})


def test_an_empty_parameter_is_no_failure() -> None:
    assert empty().ok
    assert json.loads(empty().to_json())["worst"] is None
