"""Kernels of Hessians use the structure: no loop over columns, no array larger than operands and result."""

from __future__ import annotations

import re

import numpy as np
import pytest

import symgrad as sg
from tests.jacobians.numbers_of import point


def body(text: str, wrt: str) -> str:
    return sg.hessian(text, wrt).compile().source.split("def kernel")[1]


def test_logistic_regression_scales_rows_and_multiplies_once() -> None:
    source = body("X: (n, d); w: (d,); y: (n,); L = mean(bce(sigmoid(X @ w), y))", "w")
    assert len(re.findall(r"\.dot\(", source)) == 2  # X @ w, and the matrix product of the Hessian
    assert "einsum" not in source
    assert "eye" not in source
    assert "for " not in source


def test_a_diagonal_and_a_rank_one_part_are_computed_as_such() -> None:
    source = body("z: (k,); L = logsumexp(z)", "z")
    assert "eye" not in source
    assert re.search(r"np\.einsum\('aa->a', \w+\)\[\.\.\.\] [-+]= ", source)
    assert ".dot(" not in source


def test_a_ridge_is_added_on_the_diagonal() -> None:
    source = body("X: (n, d); w: (d,); y: (n,); c: (); L = mean((X @ w - y)**2) + c*sum(w**2)", "w")
    assert len(re.findall(r"\.dot\(", source)) == 1
    assert re.search(r"np\.einsum\('aa->a', \w+\)\[\.\.\.\] \+= ", source)


def test_a_delta_of_a_matrix_is_laid_out_once() -> None:
    text = "U: (m, k); V: (n, k); T: (m, n); L = sum((T - U @ V.T)**2)"
    source = body(text, "U")
    assert len(re.findall(r"\.dot\(", source)) == 1  # V.T @ V
    assert "np.zeros(" in source
    at = point([sg.parse(text).output])
    f = sg.hessian(text, "U").compile()
    expected = 2*np.einsum("ik,jl->ijkl", np.eye(len(at["U"])), at["V"].T @ at["V"])
    assert np.allclose(f(**{n: at[n] for n in f.inputs}), expected, rtol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_of_the_arrays_is_kept(dtype: type) -> None:
    z = np.linspace(-1, 1, 4).astype(dtype)
    made = sg.hessian("z: (k,); L = logsumexp(z)", "z").compile()(z=z)
    assert made.dtype == dtype
    s = np.exp(z) / np.exp(z).sum()
    assert np.allclose(made, np.diag(s) - np.outer(s, s), rtol=1e-5)


def test_inputs_are_not_written_to_and_calls_share_nothing() -> None:
    f = sg.hessian("x: (n,); A: (n, n); c: (); L = x @ A @ x + c*sum(x**2)", "x").compile()
    A = np.arange(9.0).reshape(3, 3)
    first = f(A=A, c=np.array(2.0))
    assert np.array_equal(A, np.arange(9.0).reshape(3, 3))
    second = f(A=A, c=np.array(0.0))
    assert np.array_equal(first, A + A.T + 4*np.eye(3))
    assert np.array_equal(second, A + A.T)


def test_a_network_of_several_layers_needs_no_loop_over_columns() -> None:
    text = """X: (b, n); Y: (b, k); W0: (n, h); W1: (h, h); W2: (h, k)
    h0 = tanh(X @ W0); h1 = tanh(h0 @ W1)
    L = mean(cross_entropy(h1 @ W2, Y))"""
    H = sg.hessian(text, "W0")
    f = H.compile()
    assert "for " not in f.source.split("def kernel")[1]
    at = point([sg.parse(text).output])
    P = sg.hvp(text, "W0").compile()
    whole = f(**{n: at[n] for n in f.inputs})
    assert whole.shape == (*at["W0"].shape, *at["W0"].shape)
    for k in np.ndindex(at["W0"].shape):
        unit = np.zeros(at["W0"].shape)
        unit[k] = 1
        column = P(v=unit, **{n: at[n] for n in P.inputs if n != "v"})
        assert np.allclose(whole[(slice(None), slice(None), *k)], column, rtol=1e-11, atol=1e-14)
