"""Points: what is read is numbers alone, what is drawn lies in the domain."""

from __future__ import annotations

import json

import numpy as np
import pytest

import symgrad as sg
from symgrad.check.point import random_point, read_point
from symgrad.errors import InputError


def drawn(text: str, sizes: dict[str, int] | None = None, seed: int = 0) -> dict[str, np.ndarray]:
    return random_point([sg.parse(text).output], sizes, seed)


@pytest.mark.parametrize("text", [
    "log(x) + log(1 - x)", "sqrt(x - 3) + arcsin(y)", "sum(log(X @ w)); X: (4, d); w: (d,)", "x**y", "1/x + 1/y",
    "arccosh(x) * arctanh(x/100)",
])
def test_every_function_is_defined_at_a_random_point(text):
    if ";" in text:
        text = "; ".join(reversed(text.split("; ")))
    for seed in range(5):
        at = drawn(text, seed=seed)
        with np.errstate(all="raise"):
            assert np.isfinite(sg.compile(text)(**at))


def test_shapes_and_sizes():
    text = "X: (2, n); w: (n + 1,); i: int(n,); sum(X) + sum(w)"
    at = drawn(text, {"n": 4})
    assert {k: v.shape for k, v in at.items()} == {"X": (2, 4), "w": (5,)}
    free = drawn(text)
    assert free["X"].shape[1] not in (1, 2)  # distinct from the sizes that stand there
    assert np.array_equal(free["X"], drawn(text)["X"])
    assert not np.array_equal(free["X"], drawn(text, seed=1)["X"])


@pytest.mark.parametrize(("sizes", "told"), [({"m": 2}, "no size"), ({"n": 0}, "least 1"), ({"n": -3}, "least 1")])
def test_wrong_sizes_are_told(sizes, told):
    with pytest.raises(InputError, match=told):
        drawn("X: (2, n); sum(X)", sizes)


def test_no_point_of_an_empty_domain():
    with pytest.raises(InputError, match=r"log|sqrt"):
        drawn("sqrt(x) + log(-x)")


def test_lines_of_values():
    at = read_point("z=0.3, w=[1, 2], W=[[1.5, 2], [3, 4]],n = -1")
    assert {k: v.shape for k, v in at.items()} == {"z": (), "w": (2,), "W": (2, 2), "n": ()}
    assert at["W"][0, 0] == 1.5
    assert at["n"] == -1


def test_files(tmp_path):
    (tmp_path / "p.json").write_text(json.dumps({"z": 0.3, "w": [1, 2]}))
    np.savez(tmp_path / "p.npz", z=0.3, w=[1, 2])
    for name in ("p.json", "p.npz"):
        at = read_point(str(tmp_path / name))
        assert at["z"] == 0.3
        assert at["w"].tolist() == [1, 2]


@pytest.mark.parametrize("line", [
    "z", "z=", "z=a", "z=[1", "z=[1, [2]]", 'z="1"', "z=null", "z={}", "z=1e", "z=__import__('os')",
    "z=" + "[" * 5000 + "]" * 5000, f"z={10**400}", "=3,", "x=1,x=2",
])
def test_what_is_no_number_is_refused(line):
    with pytest.raises(InputError):
        read_point(line)
