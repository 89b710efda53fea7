"""The yardstick computes the same as the kernels; the measurement itself is sound."""

from __future__ import annotations

import io
import time

import numpy as np
import pytest
from rich.console import Console

from symgrad.check.bench import CASES, Row, build, by_hand, data, run, side_by_side, symbolic, symbolic_table, table


@pytest.mark.parametrize("case", [c for c in CASES if "784" not in c.name], ids=lambda c: c.name)
def test_hand_written_code_and_kernel_agree(case) -> None:  # type: ignore[no-untyped-def]
    kernel, hand = build(case), by_hand(case)
    arrays = data(case, np.float64, seed=3)
    value, grads = kernel(**arrays)
    other, others = hand(**arrays)
    assert abs(value - other) <= 1e-14 * abs(other)
    assert set(grads) == set(others)
    for name in grads:
        assert grads[name].shape == others[name].shape == arrays[name].shape
        assert np.max(np.abs(grads[name] - others[name])) <= 1e-13 * np.max(np.abs(others[name]))


def test_ratio_of_a_function_that_takes_twice_as_long(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]  # a clock that only these functions move: a busy machine cannot disturb it

    def wait(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    ours, hand, ratio = side_by_side(lambda: wait(2e-4), lambda: wait(1e-4), 0.05)
    assert abs(ours - 2e-4) < 1e-12
    assert abs(hand - 1e-4) < 1e-12
    assert abs(ratio - 2) < 1e-9


def test_rows_and_table() -> None:
    seen: list[Row] = []
    rows = run(CASES[-1:], [np.float32], 0.02, seen.append)
    assert seen == rows
    assert (rows[0].dtype, rows[0].limit) == ("float32", 1.25)
    assert rows[0].ratio > 0.5
    assert table(rows).row_count == 1


def test_the_table_says_what_its_ratio_is_and_fits_80_columns() -> None:
    rows = [Row(c.name, "float64", 12345.6e-6, 1.1e-2, 1.0, c.limit) for c in CASES]
    console = Console(width=80, color_system=None, file=io.StringIO(), legacy_windows=False)
    with console.capture() as shown:
        console.print(table(rows))
    text = " ".join(shown.get().split())
    assert "paired ratio: median over pairs of neighbouring runs of kernel / by hand" in text
    assert all(c.name in text for c in CASES)
    assert "12345.6 us" in text


def test_the_layers_share_their_cotangents() -> None:
    case = next(c for c in CASES if c.name.startswith("64 x 11"))
    depth = len(case.sizes) - 1
    assert build(case).source.count(".dot(") == 3 * depth - 1  # forward, by each weight, and back to the layer before


def test_steps_and_operations_of_deep_networks_grow_with_the_depth() -> None:
    rows = symbolic((2, 20))
    assert [r.name for r in rows] == ["2 layers", "20 layers"]
    assert all(r.derive > 0 and r.compile > 0 for r in rows)
    assert rows[1].steps <= 10 * rows[0].steps
    assert rows[1].operations <= 10 * rows[0].operations
    assert symbolic_table(rows).row_count == 2
