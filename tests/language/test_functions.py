"""symgrad's functions as SymPy functions: diff, latex, evalf, rewrite, lambdify, pickles, assumptions."""

from __future__ import annotations

import pickle
import random
from pathlib import Path

import mpmath
import numpy as np
import pytest
import sympy as sp

from symgrad.errors import InputError, NoRule, ShapeError
from symgrad.language import functions
from symgrad.language.functions import CLASSES, PUBLIC, Elementwise, SymgradFunction
from symgrad.language.losses import LOSSES as COMPOSITES
from symgrad.rules.elementwise import FUNCTIONS
from symgrad.rules.row import Called, Function

z, y = sp.symbols("z y", real=True)
h, n = sp.symbols("h n", integer=True, positive=True)
sigmoid, softplus, relu, step, bce = (PUBLIC[k] for k in ("sigmoid", "softplus", "relu", "step", "bce"))
ROWS = [r for r in (*FUNCTIONS, *COMPOSITES) if r.name in PUBLIC and r.name not in ("where", "step", "sign")]


def point(row: Called, rng: random.Random) -> list[float]:
    """Return arguments inside the domain of a row, away from kinks."""
    domain = row.intervals()
    ends = [(max(d.low, -2.0), min(d.high, max(d.low, -2.0) + 2.0)) for d in domain]
    return [rng.uniform(low + (0.5 if low == 0 else 0.05), high - 0.05) for low, high in ends]  # 0 may be a pole


def test_the_classes_are_classes_and_stay_unevaluated() -> None:
    assert isinstance(sigmoid(z), sigmoid)
    assert issubclass(sigmoid, sp.Function)
    assert str(sigmoid(z)) == "sigmoid(z)"
    assert sigmoid(0).func is sigmoid
    assert str(relu(sp.Symbol("a", positive=True))) == "relu(a)"
    assert str(bce(sigmoid(z), y)) == "bce(sigmoid(z), y)"
    assert functions.expit is sigmoid
    assert functions.ln is PUBLIC["log"]
    with pytest.raises(AttributeError, match="no_such"):
        functions.no_such  # noqa: B018  # the access is the test


def test_rows_with_a_sympy_counterpart_use_it() -> None:
    assert PUBLIC["exp"](z) == sp.exp(z)
    assert PUBLIC["maximum"](z, 0) == sp.Max(z, 0)
    assert PUBLIC["abs"](z) == sp.Abs(z)
    assert PUBLIC["sqrt"](2) == sp.sqrt(2)
    assert PUBLIC["where"](z > 0, z, 0) == sp.Piecewise((z, z > 0), (0, True))


@pytest.mark.parametrize("row", ROWS, ids=lambda r: r.name)
def test_diff_agrees_with_central_differences(row: Function) -> None:
    rng = random.Random(row.name)  # noqa: S311  # a test that repeats itself
    symbols = sp.symbols([f"a{k}" for k in range(len(row.params))], real=True)
    f = PUBLIC[row.name](*(row.attr if isinstance(row, Function) and row.orders else ()), *symbols)
    at = dict(zip(symbols, [sp.Rational(str(round(v, 6))) for v in point(row, rng)]))
    step_ = sp.Rational(1, 10**9)
    for s in symbols:
        up, down = ({**at, s: at[s] + d} for d in (step_, -step_))
        slope = (f.subs(up) - f.subs(down)).evalf(40) / (2 * step_)
        # truncation is h^2/6 times a third derivative, below 1e5 on these points
        assert abs(sp.diff(f, s).subs(at).evalf(40) - slope) < 1e-12


def test_the_famous_derivatives_read_as_in_a_textbook() -> None:
    assert sp.diff(sigmoid(z), z) == sigmoid(z) * (1 - sigmoid(z))
    assert sp.diff(softplus(z), z) == sigmoid(z)
    assert sp.diff(relu(z), z) == step(z)
    assert sp.diff(step(z), z) == 0
    assert sp.diff(sigmoid(2 * z), z) == 2 * sigmoid(2 * z) * (1 - sigmoid(2 * z))


def test_latex() -> None:
    assert sp.latex(sigmoid(z)) == r"\sigma\left(z\right)"
    assert sp.latex(sigmoid(z) ** 2) == r"\sigma^{2}\left(z\right)"
    assert sp.latex(step(z) ** 2) == r"\left(\mathbf{1}[z > 0]\right)^{2}"
    assert sp.latex(relu(z)) == r"\operatorname{ReLU}\left(z\right)"


@pytest.mark.parametrize("value", ["-800", "-1/3", "0", "7/5", "800"])
def test_evalf_has_the_digits_asked_for(value: str) -> None:
    x = sp.Rational(value)
    with mpmath.workdps(900):
        v = mpmath.mpf(x.p) / x.q
        e = mpmath.exp(v)
        truth = {sigmoid: e / (1 + e), softplus: mpmath.log(1 + e), relu: max(v, mpmath.mpf(0))}
        for f, expected in truth.items():
            got = f(x).evalf(40)
            error = abs(mpmath.mpf(str(got)) - expected)
            assert error <= abs(expected) * mpmath.mpf(10) ** -38
    assert str(sigmoid(z + sp.pi).evalf(5)) == "sigmoid(z + 3.1416)"
    assert bce(sp.Rational(3, 10), 1).evalf(10) == (-sp.log(sp.Rational(3, 10))).evalf(10)
    assert sigmoid(z).evalf(subs={z: 0}) == 0.5


def test_rewrite() -> None:
    assert sigmoid(z).rewrite(sp.exp) == 1 / (1 + sp.exp(-z))
    assert softplus(z).rewrite(sp.log) == sp.log(1 + sp.exp(z))
    assert relu(z).rewrite(sp.Max) == sp.Max(0, z)
    assert relu(z).rewrite(sp.Piecewise).subs(z, -3) == 0
    assert step(z).rewrite(sp.Heaviside) == sp.Heaviside(z, 0)
    assert bce(sigmoid(z), y).rewrite(sp.log) == -y * sp.log(sigmoid(z)) - (1 - y) * sp.log(1 - sigmoid(z))
    assert sigmoid(z).rewrite(sp.sin) == sigmoid(z)
    assert sigmoid(z).doit() == sigmoid(z)
    assert bce(z, y).doit() == -y * sp.log(z) - (1 - y) * sp.log(1 - z)
    assert PUBLIC["mse"](z, y).doit() == (z - y) ** 2


def test_assumptions() -> None:
    assert sigmoid(z).is_positive
    assert sigmoid(z).is_real
    assert softplus(z).is_positive
    assert relu(z).is_nonnegative
    assert step(z).is_real
    assert sigmoid(sp.Symbol("w")).is_real is None
    assert bce(z, y).is_real is None


@pytest.mark.parametrize("modules", ["numpy", "math", "mpmath", "scipy", None])
def test_lambdify_of_numbers(modules: str | None) -> None:
    f = sp.lambdify(z, sigmoid(z) * softplus(z) + relu(-z), modules)
    truth = 1 / (1 + np.exp(-0.3)) * np.log1p(np.exp(0.3))
    assert abs(float(f(0.3)) - truth) < 4 * np.finfo(float).eps


def test_lambdify_of_arrays_neither_overflows_nor_warns() -> None:
    x = np.array([[-1e4, -800.0, -1.0], [0.0, 30.0, 1e4]])
    s, q = (sp.lambdify(z, f(z), "numpy")(x) for f in (sigmoid, softplus))
    assert s.shape == q.shape == x.shape
    exact_s = [[float(sigmoid(sp.Float(v)).evalf(30)) for v in row] for row in x]
    exact_q = [[float(softplus(sp.Float(v)).evalf(30)) for v in row] for row in x]
    np.testing.assert_allclose(s, exact_s, rtol=4 * np.finfo(float).eps, atol=5e-324)
    np.testing.assert_allclose(q, exact_q, rtol=4 * np.finfo(float).eps, atol=5e-324)
    assert sp.lambdify(z, sigmoid(z), "numpy")(x.astype(np.float32)).dtype == np.float32


def test_lambdify_of_complex_numbers() -> None:
    x = 0.3 + 1e-30j
    got = sp.lambdify(z, sigmoid(z), "numpy")(x).imag / 1e-30
    s = 1 / (1 + np.exp(-0.3))
    assert abs(got - s * (1 - s)) < 1e-15
    with pytest.raises(InputError, match="real numbers"):
        sp.lambdify(z, relu(z), "numpy")(x)


def test_lambdify_keeps_mpmath_digits() -> None:
    with mpmath.workdps(40):
        got = sp.lambdify(z, sigmoid(z), "mpmath")(mpmath.mpf(1) / 3)
        assert abs(got - 1 / (1 + mpmath.exp(-mpmath.mpf(1) / 3))) < mpmath.mpf(10) ** -39


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_pickles(name: str) -> None:
    f = CLASSES[name]
    e = f(*f.row.attr if getattr(f.row, "orders", ()) else (), *sp.symbols([f"a{k}" for k in range(len(f.row.params))]))
    again = pickle.loads(pickle.dumps(e))  # noqa: S301  # our own bytes
    assert again == e
    assert type(again) is f


def test_numbers_and_their_kinds() -> None:
    assert isinstance(sigmoid(0.5), sp.Float)
    assert sigmoid(np.float64(0.5)) == sigmoid(0.5)
    assert PUBLIC["maximum"](2, 3) == 3


# --- matrices ---------------------------------------------------------------------------------------------------------


def test_matrices_elementwise() -> None:
    M = sp.MatrixSymbol("M", 2, 3)
    e = sigmoid(M)
    assert isinstance(e, sp.MatrixExpr)
    assert e.shape == (2, 3)
    assert e[1, 2] == sigmoid(M[1, 2])
    assert str(e) == "sigmoid(M)"
    assert sp.latex(e) == r"\sigma\left(M\right)"
    assert e.as_explicit()[0, 1] == sigmoid(M[0, 1])
    assert e.subs(M, sp.ones(2, 3)).doit() == sp.ImmutableMatrix(2, 3, [sigmoid(1)] * 6)
    assert pickle.loads(pickle.dumps(e)) == e  # noqa: S301  # our own bytes
    assert e.func(*e.args) == e
    assert PUBLIC["maximum"](M, 0)[0, 0] == sp.Max(M[0, 0], 0)
    assert PUBLIC["where"](M, M, 0).shape == (2, 3)
    assert isinstance(PUBLIC["exp"](M), Elementwise)


def test_explicit_matrices_entry_by_entry() -> None:
    A = sp.Matrix([[z, 0, 1]])
    assert sigmoid(A) == sp.ImmutableMatrix([[sigmoid(z), sigmoid(0), sigmoid(1)]])
    assert PUBLIC["maximum"](A, 1) == sp.ImmutableMatrix([[sp.Max(z, 1), 1, 1]])
    with pytest.raises(ShapeError, match=r"\(1, 3\) and \(3, 1\)"):
        bce(A, A.T)


def test_shapes_must_agree() -> None:
    with pytest.raises(ShapeError, match="OneMatrix"):
        bce(sp.MatrixSymbol("P", 1, n), sp.MatrixSymbol("Y", h, n))


def test_sympys_matrix_calculus_is_refused() -> None:
    M = sp.MatrixSymbol("M", 2, 3)
    with pytest.raises(NoRule, match=r"symgrad\.grad"):
        sigmoid(M).diff(M)


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("f", [sigmoid, PUBLIC["exp"], bce])
def test_text_is_refused_and_not_executed(f: object, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    hostile = f'__import__("pathlib").Path({str(mark)!r}).write_text("x")'
    with pytest.raises(InputError, match=r"symgrad\.parse"):
        f(*[hostile] * (2 if f is bce else 1))  # type: ignore[operator]
    assert not mark.exists()


def test_arrays_and_wrong_counts_are_refused() -> None:
    with pytest.raises(InputError, match=r"symgrad\.compile"):
        sigmoid(np.ones(3))
    with pytest.raises(InputError, match=r"2 operands \(p, y\), got 1"):
        bce(z)
    with pytest.raises(InputError, match="bool"):
        sigmoid(True)
    with pytest.raises(TypeError, match="base"):
        SymgradFunction(z)


def test_hostile_names_in_lambdified_functions_are_arguments(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    x = sp.Symbol(f'__import__("pathlib").Path({str(mark)!r}).write_text("x")', real=True)
    assert sp.lambdify([x], sigmoid(x))(0.0) == 0.5
    assert str(sp.diff(sigmoid(x), x).func) == str(sp.Mul)
    assert not mark.exists()


def test_a_deep_shared_expression_is_cheap() -> None:
    wide = [sp.Symbol(f"x{i}", real=True) for i in range(3)]
    for layer in range(40):
        wide = [sigmoid(sum(sp.Symbol(f"w{layer}_{i}{j}", real=True) * wide[j] for j in range(3))) for i in range(3)]
    assert wide[0].func is sigmoid
    assert wide[0].is_positive
