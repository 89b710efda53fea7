"""Functions that broadcast like NumPy, and plain code for taped, dual and complex arrays."""

from __future__ import annotations

import pickle
import warnings

import mpmath
import numpy as np
import pytest

from symgrad.errors import InputError, ShapeError
from symgrad.graph.node import apply, const, reduce_sum, var
from symgrad.kernels.functions import compile_function, plain_function
from symgrad.rules.elementwise import BY_NAME, FUNCTIONS
from tests.kernels.networks import arrays, kernel, two_layers

X, Y = var("x"), var("y")


def f(name, *args):  # type: ignore[no-untyped-def]
    return apply(name, *args)


ROOTS = [const(3), X, Y, X + Y, f("where", f("gt", X, 0), 1, 0), f("step", X), X**0, X**-1 + 0 * Y,
         f("maximum", X, 0), const(0.5), f("sigmoid", X) * Y]


@pytest.mark.parametrize("root", ROOTS)
def test_output_has_the_broadcast_shape(root) -> None:  # type: ignore[no-untyped-def]
    g = compile_function([X, Y], root)
    for a, b in (((), ()), ((3,), ()), ((3, 1), (4,)), ((2, 1, 1), (3, 1)), ((0,), ()), ((1,), (1, 1))):
        for dtype in (np.float32, np.float64):
            out = g(np.full(a, 0.5, dtype), np.full(b, 2.0, dtype))
            assert np.shape(out) == np.broadcast_shapes(a, b)
            assert out.dtype == dtype
    assert isinstance(g(1, 2), np.float64)
    assert g([1, 2], 3).dtype == np.float64


def test_a_list_gives_a_list_and_pickles() -> None:
    g = compile_function([X, Y], [X * Y, const(1)])
    h = pickle.loads(pickle.dumps(g))  # noqa: S301  # our own pickle
    for k in (g, h):
        a, b = k(np.array([1.0, 2.0]), 3)
        assert a.tolist() == [3.0, 6.0]
        assert b.tolist() == [1.0, 1.0]


def test_results_are_not_the_arguments() -> None:
    x = np.ones(3)
    assert not np.shares_memory(compile_function([X], X)(x), x)


@pytest.mark.parametrize("name", ['__import__("os").system("touch MARK")', "lambda", "np", "sum", "v0", "x;y", ""])
def test_names_never_reach_the_code(name, tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    z = var(name)
    assert compile_function([z, X], f("sin", z) + X)(0.0, 2.0) == 2
    assert plain_function(f("sin", z) + X)(**{name: 0.0, "x": 2.0}) == 2
    assert not list(tmp_path.iterdir())


def test_refusals() -> None:
    g = compile_function([X, Y], X + Y)
    with pytest.raises(InputError, match="1 arguments were given, 2 are expected: x, y"):
        g(1)
    with pytest.raises(InputError, match="x: expected real numbers, got dtype complex128"):
        g(1j, 1)
    with pytest.raises(ShapeError, match=r"x \(2,\), y \(3,\)"):
        g(np.ones(2), np.ones(3))
    with pytest.raises(InputError, match="y occurs in the expression but not among the inputs"):
        compile_function([X], X + Y)
    with pytest.raises(InputError, match="missing input: y"):
        plain_function(X + Y)(x=1)
    with pytest.raises(InputError, match="unknown input z"):
        plain_function(X + Y)(x=1, y=1, z=1)


def test_arrays_by_position() -> None:
    w, v = var("w", ("n", "m")), var("v", ("m",))
    a, b = np.arange(6.0).reshape(2, 3), np.ones(3)
    assert compile_function([w, v], w @ v)(a, b).tolist() == [3.0, 12.0]
    assert [r.shape for r in compile_function([w, v], [w @ v, reduce_sum(w)])(a, b)] == [(2,), ()]


POINTS = np.array([-1e4, -800.0, -100.0, -37.0, -3.0, -1e-9, 0.0, 1e-9, 3.0, 37.0, 100.0, 800.0, 1e4])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["sigmoid", "softplus", "loss"])
def test_no_overflow_no_warning_and_accurate(name: str, dtype: type) -> None:
    z = POINTS.astype(dtype)
    p = f("sigmoid", X)
    loss = -(Y * f("log", p) + (1 - Y) * f("log", 1 - p))
    root = loss if name == "loss" else f(name, X) + 0 * Y
    for y in (0.0, 1.0, 0.25):
        with warnings.catch_warnings(), np.errstate(over="raise", divide="raise", invalid="raise"):
            warnings.simplefilter("error")
            got = compile_function([X, Y], root)(z, np.full(z.shape, y, dtype))
        assert got.dtype == dtype
        with mpmath.workdps(50):
            for value, point in zip(got, z):
                x = mpmath.mpf(float(point))
                soft = {s: mpmath.log1p(mpmath.exp(s * x)) for s in (1, -1)}
                truths = {
                    "sigmoid": 1 / (1 + mpmath.exp(-x)), "softplus": soft[1], "loss": y * soft[-1] + (1 - y) * soft[1],
                }
                true = truths[name]
                error = abs(mpmath.mpf(float(value)) - true)
                assert error <= 8 * np.finfo(dtype).eps * abs(true) + np.finfo(dtype).tiny, (point, y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1.0, 1e2, 1e4])
def test_kernel_of_a_saturated_network_stays_finite(scale: float, dtype: type) -> None:
    a = arrays(dtype)
    a["b2"] = a["b2"] * dtype(scale)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value, grads = kernel()(**a)
    assert np.isfinite(value)
    assert all(np.isfinite(g).all() for g in grads.values())


def test_plain_code_is_the_primal_and_takes_complex_arrays() -> None:
    L, data, params, _ = two_layers()
    a = arrays()
    g = plain_function(L, [*data, *params])
    value, grads = kernel()(**a)
    assert abs(g(**a) - value) < 1e-14
    p = var("p", ("n", 2))
    smooth = reduce_sum(f("exp", p) * f("sigmoid", p) / (1 + p**2))
    at = np.random.default_rng(0).normal(size=(3, 2))
    direction = np.random.default_rng(1).normal(size=(3, 2))
    slope = plain_function(smooth)(p=at + 1e-30j * direction).imag / 1e-30
    step = 1e-5
    up, down = (plain_function(smooth)(p=at + s * step * direction) for s in (1, -1))
    assert abs((up - down) / (2 * step) - slope) < 1e-8
    assert "out=" not in g.source  # type: ignore[attr-defined]
    assert grads


@pytest.mark.parametrize("row", FUNCTIONS, ids=lambda r: r.name)
def test_every_row_compiles(row) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(5)
    points = []
    for interval in row.intervals():
        low, high = max(interval.low, -2.0), min(interval.high, 3.0)
        points.append(rng.uniform(low + 0.1 * (high - low), high - 0.1 * (high - low), size=4))
    if row.name == "where":
        points[0] = np.array([0.0, 1.0, 1.0, 0.0])
    node = row(*row.placeholders)
    got = compile_function(row.placeholders, node)(*points)
    plain = plain_function(node, row.placeholders)(**dict(zip(row.params, points)))
    np.testing.assert_allclose(got, plain * np.ones(4), rtol=1e-13)
    if row.numpy is not None and not row.attr:
        np.testing.assert_allclose(got, getattr(np, row.numpy)(*points) * 1.0, rtol=1e-15)
    assert BY_NAME[row.name] is row
