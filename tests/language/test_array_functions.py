"""Functions of whole arrays against NumPy's own, at random shapes with axes of size 1; gradients by every method."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import symgrad as sg
from symgrad.shapes import evaluate, show

Array = Any
STEPS = [(1, 0, 1), (2, 1, 1), (1, 2, 2), (3, 0, 2)]  # stride, padding, dilation


def convolved(x: Array, w: Array, b: Array, stride: Any, padding: Any, dilation: Any, groups: int = 1) -> Array:
    """Convolution by its formula, one entry after the other."""
    many = x.ndim - 2
    s, p, d = (v if isinstance(v, tuple) else (v,) * many for v in (stride, padding, dilation))
    x = np.pad(x, ((0, 0), (0, 0), *((k, k) for k in p)))
    out = [(n - (k - 1) * e - 1) // t + 1 for n, k, e, t in zip(x.shape[2:], w.shape[2:], d, s)]
    y = np.zeros((x.shape[0], w.shape[0], *out))
    own = w.shape[1]
    for n, f in itertools.product(range(x.shape[0]), range(w.shape[0])):
        first = f // (w.shape[0] // groups) * own
        for at in np.ndindex(*out):
            for c, *k in np.ndindex(*w.shape[1:]):
                place = tuple(t * a + e * j for t, a, e, j in zip(s, at, d, k))
                y[(n, f, *at)] += x[(n, first + c, *place)] * w[(f, c, *k)]
        y[n, f] += b[f]
    return y


def pooled(x: Array, size: Any, stride: Any, padding: Any, reduce: Callable[..., Any], fill: float) -> Array:
    """Pooling along the last axes by its formula."""
    many = len(size)
    lead = x.shape[:x.ndim - many]
    x = np.pad(x, ((0, 0),) * len(lead) + tuple((p, p) for p in padding), constant_values=fill)
    out = [(n - k) // t + 1 for n, k, t in zip(x.shape[len(lead):], size, stride)]
    y = np.zeros((*lead, *out))
    for at in np.ndindex(*out):
        window = tuple(slice(t * a, t * a + k) for t, a, k in zip(stride, at, size))
        y[(..., *at)] = reduce(x[(..., *window)], axis=tuple(range(len(lead), len(lead) + many)))
    return y


# text, shapes (an int shape begins with 'int'), what NumPy says; sizes are letters, drawn from 1 up or fixed
Case = tuple[str, str, Callable[..., Array]]
MOVES: list[Case] = [
    ("x + y", "x: (n, 1, d); y: (k, 1)", lambda x, y: x + y),
    ("x*y - z", "x: (n, d); y: (d,); z: (n, 1)", lambda x, y, z: x * y - z),
    ("where(x > y, x, 0*y)", "x: (n, 1); y: (d,)", lambda x, y: np.where(x > y, x, 0 * y)),
    ("x @ y", "x: (k, 1, n, d); y: (3, d, m)", lambda x, y: x @ y),
    ("tile(x, (2, 3))", "x: (n, d)", lambda x: np.tile(x, (2, 3))),
    ("tile(x, (2, 1, 2))", "x: (n,)", lambda x: np.tile(x, (2, 1, 2))),
    ("tile(x, 3)", "x: (n, d)", lambda x: np.tile(x, 3)),
    ("repeat(x, 2, axis=0)", "x: (n, d)", lambda x: np.repeat(x, 2, axis=0)),
    ("repeat(x, 3)", "x: (n, d)", lambda x: np.repeat(x, 3)),
    ("roll(x, 1, axis=1)", "x: (n, 4)", lambda x: np.roll(x, 1, axis=1)),
    ("roll(x, -2)", "x: (3, 4)", lambda x: np.roll(x, -2)),
    ("flip(x)", "x: (n, d)", np.flip),
    ("flip(x, axis=(0, 2))", "x: (n, d, k)", lambda x: np.flip(x, (0, 2))),
    ("diff(x, 2, axis=0)", "x: (6, d)", lambda x: np.diff(x, 2, axis=0)),
    ("moveaxis(x, (0, 1), (-1, 0))", "x: (n, d, k)", lambda x: np.moveaxis(x, (0, 1), (-1, 0))),
    ("swapaxes(x, 0, -1)", "x: (n, d, k)", lambda x: np.swapaxes(x, 0, -1)),
    ("permute(x, (2, 0, -2))", "x: (n, d, k)", lambda x: np.transpose(x, (2, 0, 1))),
    ("squeeze(x, axis=-1)", "x: (n, 1)", lambda x: np.squeeze(x, -1)),
    ("expand_dims(x, (0, -1))", "x: (n, d)", lambda x: np.expand_dims(x, (0, -1))),
    ("ravel(x)", "x: (n, d)", np.ravel),
    ("stack([x, y], axis=1)", "x: (n, d); y: (n, d)", lambda x, y: np.stack([x, y], 1)),
    ("pad(x, ((1, 0), (2, 1)))", "x: (n, d)", lambda x: np.pad(x, ((1, 0), (2, 1)))),
    ("cumsum(x, axis=-1)", "x: (n, d)", lambda x: np.cumsum(x, -1)),
    ("cumprod(x, axis=0)", "x: (n, d)", lambda x: np.cumprod(x, 0)),
    ("linspace(a, b, 5)", "a: (); b: ()", lambda a, b: np.linspace(a, b, 5)),
    ("x*arange(n)", "x: (n,)", lambda x: x * np.arange(x.size)),
    ("x*arange(2, 8, 3)", "x: (2,)", lambda x: x * np.arange(2, 8, 3)),
    ("windows(x, (3, 2), axis=(-1, 0), stride=(2, 1))", "x: (4, 7)",
     lambda x: np.lib.stride_tricks.sliding_window_view(x, (3, 2), (-1, 0))[:, ::2]),
]
CHOICES: list[Case] = [
    ("z[arange(n), y]", "z: (n, 5); y: int(n, 5)", lambda z, y: z[np.arange(len(z)), y]),
    ("z[y, -1]", "z: (n, 4); y: int(k, n)", lambda z, y: z[y, -1]),
    ("z[:, y]", "z: (n, 4); y: int(k, 4)", lambda z, y: z[:, y]),
    ("z[None, i, j]", "z: (n, 4, d); i: int(3, 1, n); j: int(k, 4)", lambda z, i, j: z[None, i, j]),
    ("z[i, 0]", "z: (n, 4); i: int(n)", lambda z, i: z[i, 0]),
    ("take_along_axis(x, argmax(x, axis=1, keepdims=True), axis=1)", "x: (n, d)",
     lambda x: np.max(x, axis=1, keepdims=True)),
    ("take_along_axis(x, argmin(x, axis=0, keepdims=True), axis=0)", "x: (n, d)",
     lambda x: np.min(x, axis=0, keepdims=True)),
    ("take_along_axis(x, i, axis=0)", "x: (4, d); i: int(2, 1, 4)", lambda x, i: np.take_along_axis(x, i, 0)),
    ("take_along_axis(x, i, axis=-1)", "x: (1, 4); i: int(n, 6, 4)", lambda x, i: np.take_along_axis(x, i, -1)),
    ("ravel(x)[argmax(x)]", "x: (n, d)", np.max),
    ("x*argmax(x, axis=0)", "x: (n, d)", lambda x: x * np.argmax(x, axis=0)),
    ("argmin(x, keepdims=True)*x", "x: (n, d)", lambda x: np.argmin(x, keepdims=True) * x),
    ("sort(x)", "x: (n, d)", np.sort),
    ("sort(x, axis=None)", "x: (n, d)", lambda x: np.sort(x, axis=None)),
    ("median(x, axis=1)", "x: (n, 4)", lambda x: np.median(x, axis=1)),
    ("median(x, keepdims=True)", "x: (3, 5)", lambda x: np.median(x, keepdims=True)),
    ("z*one_hot(y, 4)", "z: (n, 4); y: int(n, 4)", lambda z, y: z * np.eye(4)[y]),
    ("E[y]", "E: (4, d); y: int(n, k, 4)", lambda E, y: E[y]),
    ("softmax(x, axis=(0, 2))", "x: (n, d, k)", lambda x: np.exp(x) / np.exp(x).sum(axis=(0, 2), keepdims=True)),
    ("norm(x, inf, axis=0)", "x: (n, d)", lambda x: np.abs(x).max(axis=0)),
]
EINSUMS: list[Case] = [
    (f'einsum("{spec}", {", ".join(names)})', shapes, lambda *a, spec=spec: np.einsum(spec, *a))
    for spec, names, shapes in (
        ("...ij,...jk->...ik", "AB", "A: (n, 1, d); B: (3, 1, d, k)"), ("...i->...", "A", "A: (n, k, d)"),
        ("i...,i->...", "AB", "A: (n, d, k); B: (n,)"), ("ba", "A", "A: (n, d)"),
        ("ij,jk", "AB", "A: (n, d); B: (d, k)"), ("ii", "A", "A: (n, n)"), ("ii->i", "A", "A: (n, n)"),
        (",i->i", "AB", "A: (); B: (n,)"),
        ("ij,ij->ij", "AB", "A: (1, d); B: (n, 1)"), ("iij,j->i", "AB", "A: (n, n, d); B: (1,)"),
        ("...", "A", "A: (n, d)"),
        ("bqhd,bkhd->bhqk", "AB", "A: (2, n, 3, d); B: (2, k, 3, d)"),
    )
]
WINDOWED: list[Case] = [
    *[(f"conv1d(x, w, b, stride={s}, padding={p}, dilation={d})", "x: (n, 3, 8); w: (k, 3, 2); b: (k,)",
       lambda x, w, b, s=s, p=p, d=d: convolved(x, w, b, s, p, d)) for s, p, d in STEPS],
    *[(f"conv2d(x, w, b, stride={s}, padding={p}, dilation={d})", "x: (n, 2, 5, 6); w: (k, 2, 2, 3); b: (k,)",
       lambda x, w, b, s=s, p=p, d=d: convolved(x, w, b, s, p, d)) for s, p, d in STEPS],
    ("conv2d(x, w, None, (2, 1), (0, 1), (1, 2), 2)", "x: (n, 4, 5, 6); w: (6, 2, 2, 3)",
     lambda x, w: convolved(x, w, np.zeros(6), (2, 1), (0, 1), (1, 2), 2)),
    ('conv1d(x, w, padding="same", dilation=2)', "x: (n, 3, 8); w: (k, 3, 3)",
     lambda x, w: convolved(x, w, np.zeros(len(w)), 1, 2, 2)),
    ('conv1d(x, w, padding="valid")', "x: (n, 3, 8); w: (k, 3, 3)",
     lambda x, w: convolved(x, w, np.zeros(len(w)), 1, 0, 1)),
    ("max_pool2d(x, 3, stride=2, padding=1)", "x: (n, 2, 5, 6)",
     lambda x: pooled(x, (3, 3), (2, 2), (1, 1), np.max, -np.inf)),
    ("max_pool1d(x, 2)", "x: (n, 7)", lambda x: pooled(x, (2,), (2,), (0,), np.max, -np.inf)),
    ("avg_pool2d(x, (2, 3))", "x: (n, 5, 6)", lambda x: pooled(x, (2, 3), (2, 3), (0, 0), np.mean, 0)),
    ("avg_pool1d(x, 3, stride=1, padding=1)", "x: (n, 2, 5)", lambda x: pooled(x, (3,), (1,), (1,), np.mean, 0)),
]
CASES = [*MOVES, *CHOICES, *EINSUMS, *WINDOWED]


def network(case: Case, sizes: dict[str, int], rng: np.random.Generator) -> tuple[str, str, dict[str, Array]]:
    """Return the declarations, the text and random arrays of a case; int(k, 4) holds k numbers below 4."""
    text, shapes, _ = case
    declared, arrays = [], {}
    for part in shapes.split("; "):
        name, shape = part.split(": ")
        whole = shape.startswith("int")
        dims = [d.strip() for d in shape.removeprefix("int").strip("()").split(",") if d.strip()]
        dims, limit = (dims[:-1], dims[-1]) if whole else (dims, "1")
        numbers = [int(d) if d.isdigit() else sizes[d] for d in dims]
        below = int(limit) if limit.isdigit() else sizes[limit]
        arrays[name] = rng.integers(0, below, numbers) if whole else np.asarray(rng.normal(size=numbers))
        declared.append(f"{name}: {'int' if whole else ''}({', '.join(dims)}{',' if len(dims) == 1 else ''})")
    return "; ".join(declared), text, arrays


@pytest.mark.parametrize("case", CASES, ids=lambda c: c[0])
@settings(max_examples=6, deadline=None)
@given(data=st.data())
def test_the_value_is_numpys(case: Case, data: st.DataObject) -> None:
    sizes = dict(zip("ndkm", data.draw(st.permutations([1, 2, 3, 4]))))
    declared, text, arrays = network(case, sizes, np.random.default_rng(data.draw(st.integers(0, 99))))
    found = sg.compile(f"{declared}; {text}", sizes=sizes)(**arrays)
    true = case[2](*arrays.values())
    assert np.shape(found) == np.shape(true)
    np.testing.assert_allclose(found, true, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c[0])
def test_every_method_gives_the_gradient(case: Case) -> None:
    sizes = dict(zip("ndkm", (3, 4, 2, 5)))
    declared, text, arrays = network(case, sizes, np.random.default_rng(1))
    shape = sg.parse(f"{declared}; {text}").output.shape
    c = np.random.default_rng(2).normal(size=[evaluate(d, sizes) for d in shape])
    compared = sg.compare(f"{declared}; c_: {show(shape)}; L = sum(c_*({text})**2)", at={**arrays, "c_": c})
    assert compared.ok, compared.table()
    assert {"tape", "central"} <= set(compared.gradients)
