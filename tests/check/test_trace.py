"""A trace is held against values and central differences of plain NumPy code that shares nothing with it."""

from __future__ import annotations

import json

import numpy as np
import pytest

import symgrad as sg
from symgrad.check.numeric import central_difference
from symgrad.check.trace import EXAMPLE, EXAMPLE_AT, Trace, written


def forward(z1: np.ndarray, W2: np.ndarray, b2: float, y: float) -> float:
    """The loss of the example from the first sums on."""
    a1 = np.maximum(z1, 0)
    p = 1 / (1 + np.exp(-(W2 @ a1 + b2)))
    return float(-(y * np.log(p) + (1 - y) * np.log(1 - p)))


@pytest.fixture(scope="module")
def example() -> Trace:
    return sg.trace_values(EXAMPLE, EXAMPLE_AT)


def test_the_numbers_of_the_example(example):
    assert example["z1"].value[2] == -0.1
    p, loss = float(example["p"].value), float(example["L"].value)
    assert round(p, 2) == 0.56
    assert round(loss, 2) == 0.59
    assert abs(loss + np.log(p)) < 1e-15  # y = 1
    assert abs(float(example["z2"].gradient) - (p - 1)) < 1e-15


def test_the_third_unit_is_off_and_its_gradients_are_exactly_zero(example):
    assert example["z1"].gradient[2] == 0
    assert example["b1"].gradient[2] == 0
    assert np.array_equal(example["W1"].gradient[2], [0, 0])
    assert example["a1"].gradient[2] != 0  # the gate stands before it
    assert np.all(example["W1"].gradient[:2] != 0)


def test_every_cotangent_by_differences(example):
    at = {k: np.asarray(v) for k, v in EXAMPLE_AT.items()}

    def loss(x=at["x"], W1=at["W1"], b1=at["b1"], W2=at["W2"], b2=at["b2"]):
        return forward(W1 @ x + b1, W2, b2, 1.0)

    for name in ("x", "W1", "b1", "W2", "b2"):
        slope, error = central_difference(lambda v, name=name: loss(**{name: v}), at[name])
        assert np.all(np.abs(slope - example[name].gradient) <= error + 1e-15), name
    z1 = at["W1"] @ at["x"] + at["b1"]
    slope, error = central_difference(lambda z1: forward(z1, at["W2"], at["b2"], 1.0), z1)
    assert np.all(np.abs(slope - example["z1"].gradient) <= error + 1e-15)


def test_rows_stand_in_the_order_of_the_network(example):
    assert [r.name for r in example] == ["x", "y", "W1", "b1", "W2", "b2", "z1", "a1", "z2", "p", "L"]
    assert len(example) == 11
    assert example["L"].gradient == 1


def test_a_derivation_is_traced_with_its_own_gradients():
    found = sg.trace_values(sg.derive(EXAMPLE, "W1"), EXAMPLE_AT)
    assert found["W1"].gradient is not None
    assert found["b2"].gradient is None
    assert np.array_equal(found["z1"].gradient, sg.trace_values(EXAMPLE, EXAMPLE_AT)["z1"].gradient)


def test_wrong_arrays_and_names_are_told():
    with pytest.raises(sg.ShapeError, match="x"):
        sg.trace_values(EXAMPLE, {**EXAMPLE_AT, "x": [1.0, 2.0, 3.0]})
    with pytest.raises(sg.InputError, match="W2"):
        sg.trace_values(EXAMPLE, {k: v for k, v in EXAMPLE_AT.items() if k != "W2"})
    with pytest.raises(sg.UnknownName, match="z1"):
        _ = sg.trace_values(EXAMPLE, EXAMPLE_AT)["z_1"]


def test_json_holds_what_is_no_number():
    rows = json.loads(sg.trace_values("x**2", {"x": np.inf}).to_json())["rows"]
    assert rows[0]["value"] == "inf"
    assert rows[-1]["gradient"] == 1


def test_numbers_are_written_short_and_large_arrays_shortened():
    assert written([0.1 + 0.2, -0.0]) == "[0.3, 0]"
    assert written(0.1 + 0.2, None) == "0.30000000000000004"
    assert "..." in written(np.zeros((50, 50)))
    assert max(map(len, str(sg.trace_values(EXAMPLE, EXAMPLE_AT)).splitlines())) <= 120
