"""Kernels of convolutions beside the unfolded matrix product written by hand; products over several axes in one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symgrad as sg

Array = np.ndarray[Any, Any]
CASES = [(4, 3, 9, 8, 5, 3, 1, 1), (2, 4, 7, 9, 6, 3, 2, 1), (3, 1, 10, 10, 2, 5, 1, 0)]  # n c h w f k stride padding


def by_hand(x: Array, w: Array, b: Array, y: Array, stride: int, padding: int) -> tuple[float, dict[str, Array]]:
    """Value and gradients of the mean square: windows unfolded once, one matrix product each way."""
    f, c, k, _ = w.shape
    p, s, n = padding, stride, len(x)
    wide = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    view = np.lib.stride_tricks.sliding_window_view(wide, (k, k), (2, 3))[:, :, ::s, ::s]
    h, v = view.shape[2:4]
    columns = view.transpose(1, 4, 5, 0, 2, 3).reshape(c * k * k, n * h * v)
    rows = w.reshape(f, -1)
    d = (rows @ columns).reshape(f, n, h, v).transpose(1, 0, 2, 3) + b[:, None, None] - y
    g = (2 / d.size * d).transpose(1, 0, 2, 3).reshape(f, -1)
    back = (rows.T @ g).reshape(c, k, k, n, h, v)
    x_bar = np.zeros((c, n, *wide.shape[2:]))
    for i in range(k):
        for j in range(k):
            x_bar[:, :, i:i + s * h:s, j:j + s * v:s] += back[:, i, j]
    cut = x_bar.transpose(1, 0, 2, 3)[:, :, p:wide.shape[2] - p, p:wide.shape[3] - p]
    return float(np.mean(d * d)), {"x": cut, "w": (g @ columns.T).reshape(w.shape), "b": g.sum(axis=1)}


def kernel(case: tuple[int, ...]) -> tuple[Any, dict[str, Array]]:
    n, c, h, w, f, k, s, p = case
    out = [(d + 2 * p - k) // s + 1 for d in (h, w)]
    text = (f"x: (n, {c}, {h}, {w}); w: ({f}, {c}, {k}, {k}); b: ({f},); y: (n, {f}, {out[0]}, {out[1]});"
            f"L = mean((conv2d(x, w, b, stride={s}, padding={p}) - y)**2)")
    rng = np.random.default_rng(n)
    shapes = {"x": (n, c, h, w), "w": (f, c, k, k), "b": (f,), "y": (n, f, *out)}
    return sg.compile(text, wrt=["x", "w", "b"]), {name: rng.normal(size=s) for name, s in shapes.items()}


@pytest.mark.parametrize("case", CASES)
def test_value_and_gradients_are_those_by_hand(case: tuple[int, ...]) -> None:
    run, arrays = kernel(case)
    value, grads = run(**arrays)
    other, others = by_hand(**arrays, stride=case[-2], padding=case[-1])
    assert abs(value - other) <= 1e-13 * other
    for name in ("x", "w", "b"):
        np.testing.assert_allclose(grads[name], others[name], rtol=1e-11, atol=1e-13)
    single, narrow = run(**{k: v.astype(np.float32) for k, v in arrays.items()})
    assert single.dtype == np.float32
    assert {g.dtype for g in narrow.values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize("case", CASES)
def test_the_windows_are_unfolded_once(case: tuple[int, ...]) -> None:
    source = kernel(case)[0].source
    assert source.count("sliding_window_view") == 1
    assert source.count(".dot(") == 3
    assert "einsum" not in source


@pytest.mark.parametrize(("spec", "shapes"), [
    ("bxyid,bxdjk->bxyijk", ((2, 3, 4, 5, 6), (2, 3, 6, 7, 2))), ("abc,dbc->ad", ((3, 4, 5), (2, 4, 5))),
    ("abcd,cde->bea", ((2, 3, 4, 5), (4, 5, 6))), ("ncij,fcij->nf", ((2, 3, 4, 5), (6, 3, 4, 5))),
    ("gncp,gfc->ngfp", ((2, 3, 4, 5), (2, 6, 4))), ("abc,abc->", ((2, 3, 4), (2, 3, 4))),
    ("nopcjk,fcjk->nfop", ((2, 9, 8, 3, 2, 2), (5, 3, 2, 2))),
])
def test_several_axes_are_one_matrix_product(spec: str, shapes: tuple[tuple[int, ...], ...]) -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=s) for s in shapes)
    f = sg.compile(f'A: {shapes[0]}; B: {shapes[1]}; einsum("{spec}", A, B)')
    np.testing.assert_allclose(f(A=a, B=b), np.einsum(spec, a, b), rtol=1e-12, atol=1e-13)
    assert "einsum" not in f.source


def test_windows_are_handed_out_as_an_array_of_their_own() -> None:
    y = sg.compile("x: (n, 7); Y = windows(exp(x), 3, axis=1)")(x=np.zeros((2, 7)))
    y[0, 0, 1] = 5
    assert y[0, 1, 0] == 1


def test_a_mean_is_summed_once() -> None:
    source = sg.compile("x: (n, 8); L = sum(avg_pool1d(x, 2)**2)", wrt="x").source
    assert source.count("np.add.reduce") == 2  # over the windows, and over everything
