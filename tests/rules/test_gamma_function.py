"""gamma, sinc and their kin in double precision: digits, poles, negative arguments, kernels and tape."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.special
import sympy as sp

import symgrad as sg
from symgrad.errors import InputError, LimitExceeded
from symgrad.rules import gamma_function
from symgrad.rules.gamma_function import ZERO

Truth = Callable[[Any], Any]
RNG = np.random.default_rng(3)


def uniform(low: float, high: float) -> np.ndarray[Any, Any]:
    return RNG.uniform(low, high, 300)


def off_integers(low: float, high: float) -> np.ndarray[Any, Any]:
    xs = uniform(low, high)
    return xs[np.abs(xs - np.rint(xs)) > 1e-3]


def compiled(text: str) -> Any:
    return sg.compile(sg.parse(f"x: (n,)\nY = {text}"))


def units_off(text: str, truth: Truth, xs: np.ndarray[Any, Any], least: float = 0.0) -> float:
    """Return the largest error in units of the last place of the truth, or of `least` where the truth is smaller."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = compiled(text)(x=xs)
    worst = 0.0
    with mpmath.workdps(50):
        for x, y in zip(xs.tolist(), got.tolist()):
            true = truth(mpmath.mpf(x))
            worst = max(worst, float(abs(true - y) / mpmath.mpf(float(np.spacing(max(abs(float(true)), least))))))
    return worst


def log_gamma(x: Any) -> Any:
    return mpmath.loggamma(x).real


def psi(n: int) -> Truth:
    return lambda x: mpmath.psi(n, x)


def bessel(n: int) -> Truth:
    return lambda x: mpmath.besselj(n + mpmath.mpf(1) / 2, abs(x)) * mpmath.sqrt(mpmath.pi / 2 / abs(x)) \
        * (mpmath.sign(x) if n % 2 else 1)


CASES: list[tuple[str, Truth, np.ndarray[Any, Any], float, float]] = [
    ("gamma(x)", mpmath.gamma, uniform(1e-8, 4), 5, 0), ("gamma(x)", mpmath.gamma, uniform(4, 171.6), 8, 0),
    ("gamma(x)", mpmath.gamma, 10 ** uniform(-300, -1), 4, 0), ("gamma(x)", mpmath.gamma, off_integers(-168, 0), 9, 0),
    ("gamma(x)", mpmath.gamma, np.array([4.0, 3.0, 1.0, np.nextafter(4, 0), 0.5, -0.5, 171.0]), 5, 0),
    ("lgamma(x)", log_gamma, uniform(1e-8, 4), 5, 0), ("lgamma(x)", log_gamma, uniform(0.99, 1.01), 5, 0),
    ("lgamma(x)", log_gamma, uniform(1.99, 2.01), 5, 0), ("lgamma(x)", log_gamma, 1 + 10 ** uniform(-12, -2), 5, 0),
    ("lgamma(x)", log_gamma, 10 ** uniform(0.61, 300), 4, 0), ("lgamma(x)", log_gamma, 10 ** uniform(-300, -1), 3, 0),
    ("lgamma(x)", log_gamma, off_integers(-1000, 0), 6, 4), ("lgamma(x)", log_gamma, -(10 ** uniform(-300, -1)), 6, 4),
    ("digamma(x)", mpmath.digamma, uniform(1e-8, 4), 6, 0),
    ("digamma(x)", mpmath.digamma, 10 ** uniform(0.61, 300), 3, 0),
    ("digamma(x)", mpmath.digamma, ZERO + 10 ** uniform(-12, -2), 6, 0),
    ("digamma(x)", mpmath.digamma, off_integers(-50, 0), 6, 1000),
    ("polygamma(1, x)", psi(1), uniform(1e-6, 30), 6, 0), ("polygamma(1, x)", psi(1), off_integers(-30, 0), 8, 0),
    ("polygamma(1, x)", psi(1), 10 ** uniform(1, 100), 9, 0), ("polygamma(2, x)", psi(2), uniform(1e-6, 30), 7, 0),
    ("polygamma(7, x)", psi(7), uniform(1e-3, 30), 12, 0), ("polygamma(0, x)", psi(0), uniform(0.1, 9), 6, 0),
    ("polygamma(3, x)", psi(3), off_integers(-9, 0), 9, 1000),
    ("sinc(x)", mpmath.sincpi, uniform(-1, 1), 4, 0), ("sinc(x)", mpmath.sincpi, uniform(-1e6, 1e6), 4, 0),
    ("sinc(x)", mpmath.sincpi, np.array([0.0, 1e-300, -1e-9, 1.0, -7.0]), 1, 0),
    ("spherical_jn(1, x)", bessel(1), uniform(-4, 4), 4, 0.01),
    ("spherical_jn(1, x)", bessel(1), uniform(-60, 60), 4, 0.1),
    ("spherical_jn(3, x)", bessel(3), uniform(-9, 9), 8, 0.1),
    ("spherical_jn(0, x)", bessel(0), uniform(-9, 9), 4, 0.1),
]  # fmt: skip


@pytest.mark.parametrize("k", range(len(CASES)), ids=lambda k: f"{k}-{CASES[k][0]}")
def test_digits(k: int) -> None:
    text, truth, xs, most, least = CASES[k]
    assert units_off(text, truth, xs, least) <= most


def test_an_error_in_a_coefficient_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    above = gamma_function.LOG
    monkeypatch.setattr(gamma_function, "LOG", (above[0] * (1 + 1e-14), *above[1:]))
    assert units_off("lgamma(x)", log_gamma, uniform(0.5, 2.5)) > 5


@pytest.mark.parametrize("name", ["gamma", "lgamma", "digamma"])
def test_poles_and_the_ends_of_the_range(name: str) -> None:
    xs = np.array([0.0, -3.0, 1e308, 1e-320])
    with np.errstate(all="ignore"):
        got = compiled(f"{name}(x)")(x=xs)
    assert not np.isfinite(got[0])
    assert abs(got[1]) > 1e14  # a pole: nothing finite and small
    assert got[2] > 700
    assert np.isnan(compiled(f"{name}(x)")(x=np.array([np.nan]))[0])
    single = compiled(f"{name}(x)")(x=np.linspace(0.25, 30, 50).astype(np.float32))
    double = compiled(f"{name}(x)")(x=np.linspace(0.25, 30, 50))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, double, rtol=3e-5 if name == "gamma" else 3e-6, atol=1e-6)


def test_sinc_and_its_slopes_are_smooth_at_0() -> None:
    x = sp.Symbol("x", real=True)
    first, second = sg.derive(sg.sinc(x), x).result, sg.derive(sg.derive(sg.sinc(x), x).result, x).result
    near = np.array([0.0, 1e-12, -1e-9, 3e-5, 0.01, -0.4])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = [sg.lambdify([x], f)(near) for f in (first, second)]
    assert got[0][0] == 0
    for order, values in enumerate(got, 1):
        with mpmath.workdps(60):
            true = [float(mpmath.diff(mpmath.sincpi, mpmath.mpf(float(a)), order)) for a in near]
        np.testing.assert_allclose(values, true, rtol=1e-14)
    net = sg.parse("x: (n,)\nL = sum(sinc(x))")
    _, gradients = sg.compile(net, wrt="x")(x=near)
    np.testing.assert_allclose(gradients["x"], got[0], rtol=1e-15)


def test_second_derivatives_of_lgamma() -> None:
    x = sp.Symbol("x", positive=True)
    d = x
    for expected in ("polygamma(0, x)", "polygamma(1, x)", "polygamma(2, x)", "polygamma(3, x)"):
        d = sg.derive(sg.lgamma(x) if d is x else d, x).result
        assert str(d) == expected
    at = np.array([0.3, 1.4, 7.0])
    np.testing.assert_allclose(sg.lambdify([x], d)(at), scipy.special.polygamma(3, at), rtol=1e-13)


def test_gamma_likelihood_in_four_ways() -> None:
    net = sg.parse("a: (n,); x: (n,)\nL = sum(lgamma(a) - a*log(x) + gamma(a)/9 + sinc(x) + digamma(a)**2)")
    rng = np.random.default_rng(1)
    at = {"a": rng.uniform(0.4, 9.0, 5), "x": rng.uniform(0.2, 3.0, 5)}
    assert sg.derive(net, wrt=["a", "x"]).verify().ok
    result = sg.compare(net, at=at)
    assert result.ok, result.table()


def test_text_names() -> None:
    a = sg.parse("x: (n,)\nY = gammaln(x) + psi(x) + power(x, 2) + multiply(x, x) + float_power(2, x)").output
    b = sg.parse("x: (n,)\nY = lgamma(x) + digamma(x) + x**2 + x*x + 2**x").output
    assert a is b
    node = sg.parse("x: (n,)\nY = polygamma(2, x)").output
    assert (node.op, node.attr) == ("polygamma", (2,))
    assert sg.parse("x: (n,)\nY = polygamma(2, x)").output is sg.polygamma(2, sg.symbol("x", ("n",))).node
    for wrong in ("polygamma(x, 2)", "polygamma(-1, x)", "polygamma(x)", "polygamma(1.5, x)"):
        with pytest.raises(sg.SymgradError, match=r"polygamma\(n, x\)"):
            sg.parse(f"x: (n,)\nY = {wrong}")
    with pytest.raises(InputError, match="whole number"):
        sg.polygamma(sp.Symbol("n"), sp.Symbol("x"))
    with pytest.raises(LimitExceeded, match="up to the order 100"):
        compiled("polygamma(101, x)")


def test_the_gamma_family_from_and_to_sympy() -> None:
    x = sp.Symbol("x", positive=True)
    for written in (sp.gamma(x), sp.loggamma(x), sp.digamma(x), sp.trigamma(x), sp.polygamma(3, x)):
        assert sp.expand(sg.derive(x * written, x).result - sp.diff(x * written, x)) == 0
    u = sp.Symbol("u", real=True)
    got = sg.lambdify([u], sp.sinc(u))(np.array([0.0, 0.3, -2.0]))  # SymPy's is not normalised
    np.testing.assert_allclose(got, np.sinc(np.array([0.0, 0.3, -2.0]) / np.pi), rtol=1e-15)
    told = sg.derive(sp.jn(1, u), u).result.subs(u, sp.Rational(-3, 7)).evalf(30)
    with mpmath.workdps(30):
        assert abs(told - mpmath.diff(bessel(1), mpmath.mpf(-3) / 7)) < 1e-25


def test_a_kernel_holds_each_function_once() -> None:
    net = sg.parse("x: (n,); gamma: (n,); erf_bar: ()\nL = sum(erf(x)*gamma*erf(gamma)*lgamma(gamma)) + erf(erf_bar)")
    kernel = sg.compile(net, wrt=["x", "gamma"])
    assert kernel.source.count("def erf(") == 1
    assert kernel.source.count("erf(") == 4
    value, _ = kernel(x=np.full(2, 0.5), gamma=np.full(2, 3.0), erf_bar=np.float64(0.25))
    true = 2 * scipy.special.erf(0.5) * 3 * scipy.special.erf(3.0) * np.log(2.0) + scipy.special.erf(0.25)
    np.testing.assert_allclose(value, true, rtol=1e-15)
    space: dict[str, Any] = {}
    exec(kernel.module, space)  # noqa: S102  # the saved module, as a user would import it
    assert space["kernel"](np.full(2, 0.5), np.full(2, 3.0), np.float64(0.25))[0] == value
