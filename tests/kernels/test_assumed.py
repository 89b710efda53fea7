"""Assumptions held against arrays: the worst entry and its place, and what rounding explains."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symgrad as sg
from symgrad.errors import InputError, ShapeError, SymgradError

TEXT = "z: (n, k); y: (n, k)\nassume(sum(y, axis=1) == 1); assume(y >= 0); assume(n > k)\nL = sum(cross_entropy(z, y))"
MANY = """A: (n, n); Q: (n, n); x: (n,); w: (n,); t: ()
assume(A == A.T); assume(Q.T @ Q == eye(n)); assume(x in (0, 1)); assume(0 <= w <= 1); assume(norm(w) == 1)
assume(t != 0); assume(t < sum(w))
L = t*sum(A @ Q @ x * w)"""


def rows() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {"z": rng.normal(size=(5, 3)), "y": rng.dirichlet(np.ones(3), 5)}


def many() -> dict[str, Any]:
    rng = np.random.default_rng(1)
    q, _ = np.linalg.qr(rng.normal(size=(40, 40)))
    w = abs(rng.normal(size=40))
    return {"A": q + q.T, "Q": q, "x": rng.integers(0, 2, 40), "w": w / np.linalg.norm(w), "t": -2.0}


def refused(call: Any, *args: Any, **named: Any) -> str:
    with pytest.raises(InputError) as caught:
        call(*args, **named)
    return str(caught.value)


def test_each_call_is_checked() -> None:
    f = sg.derive(TEXT, "z").compile(check_assumptions=True)
    plain = sg.derive(TEXT, "z").compile()
    at = rows()
    assert f(**at)[0] == plain(**at)[0]
    at["y"][3] *= 0.97
    assert plain(**at)
    message = refused(f, **at)
    assert "sum(y, axis=1) == 1 does not hold: at index 3 sum(y, axis=1) is 0.97, not 1 (off by 0.03" in message
    assert "y has shape (n, k)" in message
    assert refused(pickle.loads(pickle.dumps(f)), **at) == message  # noqa: S301  # our own pickle
    at = rows()
    at["y"][1] = [1.2, -0.4, 0.2]
    assert "y >= 0 does not hold: at index (1, 1) y is -0.4" in refused(f, **at)
    at["y"][1, 2] = np.nan
    assert "is nan" in refused(f, **at)


def test_sizes_are_checked_too() -> None:
    f = sg.compile(TEXT, wrt="z", check_assumptions=True)
    at = {n: a[:2] for n, a in rows().items()}
    assert "n > k does not hold: n is 2, not > 3 = k" in refused(f, **at)


def test_what_rounding_explains_is_no_violation() -> None:
    f = sg.derive(TEXT, "z").compile(check_assumptions=True)
    for dtype in (np.float32, np.float64):
        raw = np.random.default_rng(2).random((4000, 700)).astype(dtype)
        y = raw / raw.sum(axis=1, keepdims=True)
        f(y=y, z=np.zeros_like(y))
        y[17, 5] += dtype(2000 * np.finfo(dtype).eps)
        assert "at index 17" in refused(f, y=y, z=np.zeros_like(y))


def test_a_tolerance_of_ones_own() -> None:
    at = rows()
    at["y"][3] *= 0.97
    d = sg.derive(TEXT, "z")
    d.compile(check_assumptions=0.1)(**at)
    assert "does not hold" in refused(d.compile(check_assumptions=0.01), **at)


def test_the_other_messages_stay() -> None:
    f = sg.derive(TEXT, "z").compile(check_assumptions=True)
    at = rows()
    assert "missing input: y" in refused(f, z=at["z"])
    assert "Did you mean 'y'" in refused(f, z=at["z"], yy=at["y"])
    with pytest.raises(ShapeError):
        f(z=at["z"], y=at["y"][:3])
    assert f.flat(wrt=["z"], y=at["y"], z=at["z"])(at["z"].ravel())[1].shape == (15,)
    at["y"][0] += 1
    assert "does not hold" in refused(f.flat(wrt=["z"], y=at["y"], z=at["z"]), at["z"].ravel())


def test_a_module_cannot_check(tmp_path: Path) -> None:
    f = sg.derive(TEXT, "z").compile(check_assumptions=True)
    assert "checks shapes, no assumptions" in refused(f.save, tmp_path / "kernel.py")


def test_the_source_names_what_it_rests_on() -> None:
    assert "assuming sum(y, axis=1) == 1" in sg.derive(TEXT, "z").compile().source
    assert "assuming" not in sg.derive(TEXT, "y").compile().source


CHANGES = [
    ("A", lambda a: a + np.eye(40, k=3) * 1e-9, "A == A.T", "off by 1e-09, of which rounding explains 0; 74 of 1600"),
    ("Q", lambda a: a * (1 + 1e-9), "Q.T @ Q == eye(n)", "off by 2e-09"),
    ("x", lambda a: a * 0.5, "x in (0, 1)", "x is 0.5, none of 0, 1"),
    ("w", lambda a: a * 1.2, "norm(w) == 1", "is 1.2, not 1 (off by 0.2"),
    ("w", lambda a: np.eye(40)[7] * 1.2, "0 <= w <= 1", "at index 7 w is 1.2, not <= 1"),
    ("t", lambda a: a * 0, "t != 0", "t is -0, not != 0"),
    ("t", lambda a: a * -100, "t < sum(w)", "= sum(w)"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "change", "fact", "words"), CHANGES, ids=[c[2] for c in CHANGES])
def test_every_kind(name: str, change: Any, fact: str, words: str) -> None:
    at = many()
    sg.check_assumptions(MANY, at)
    message = refused(sg.check_assumptions, MANY, {**at, name: change(at[name])})
    assert f"the assumption {fact} does not hold" in message
    assert words in message


def test_what_may_be_checked() -> None:
    net = sg.parse(MANY)
    d = sg.derive(net, "w")
    at = many()
    for what in (net, d, net["L"]):
        sg.check_assumptions(what, at)
        assert "does not hold" in refused(sg.check_assumptions, what, {**at, "t": 0.0})
    fewer = {n: a for n, a in at.items() if n != "w"}
    assert "speaks of w; give it as well" in refused(sg.check_assumptions, net, fewer)
    with pytest.raises(SymgradError):
        sg.check_assumptions(net, {**at, "q": 1.0})
    with pytest.raises(ShapeError):
        sg.check_assumptions(net, {**at, "w": np.ones(3)})
