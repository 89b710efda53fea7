"""What SymPy 1.14's matrix `diff` answers, beside the truth: a zero, an error, a misshapen array; and what we answer.

The truth is a central difference of the function in NumPy. SymPy's answer is asked for live under 1.14; another version
may have learnt, which is no failure of ours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import sympy as sp
from sympy.matrices.exceptions import ShapeError as SympyShapeError

import symgrad as sg

n, m = sp.symbols("n m", integer=True, positive=True)
X, V = sp.MatrixSymbol("X", 3, 4), sp.MatrixSymbol("V", 3, 4)
S = sp.MatrixSymbol("S", 3, 3)
a, b = sp.MatrixSymbol("a", 3, 1), sp.MatrixSymbol("b", 3, 1)
D, y, u = sp.MatrixSymbol("D", 5, 3), sp.MatrixSymbol("y", 5, 1), sp.MatrixSymbol("u", 4, 1)
t = sp.Symbol("t", real=True)


def each(f: Any, x: Any) -> Any:
    return x.applyfunc(sp.Lambda(t, f(t)))


def det(S: Any) -> Any:
    return np.linalg.det(S)


@dataclass(frozen=True)
class Row:
    """`says` is SymPy's answer: its text, its shape, or the name of its exception; `issue` is where it is reported."""

    expr: Any
    wrt: Any
    primal: Callable[..., Any]
    says: str
    issue: str = ""


ZERO = "0"
OPEN = "Derivative"  # left as it was asked, after doit() too
ROWS: dict[str, Row] = {
    "log of a trace": Row(sp.log(sp.Trace(S)), S, lambda S: np.log(np.trace(S)), ZERO),
    "exp of a trace": Row(sp.exp(sp.Trace(S)), S, lambda S: np.exp(np.trace(S)), ZERO),
    "one over a trace": Row(1 / sp.Trace(S), S, lambda S: 1 / np.trace(S), ZERO),
    "log of a square": Row(sp.log(sp.Trace(X.T * X)), X, lambda X: np.log(np.sum(X**2)), ZERO),
    "sine of a product": Row(sp.sin(sp.Trace(X.T * V)), X, lambda X, V: np.sin(np.sum(X * V)), ZERO),
    "a trace and a constant": Row(sp.Trace(a.T * b) + 1, a, lambda a, b: np.sum(a * b) + 1, ZERO, "#24725"),
    "an entry of a product": Row((a.T * b)[0, 0], a, lambda a, b: np.sum(a * b), ZERO),
    "log of a determinant": Row(sp.log(sp.Determinant(S)), S, lambda S: np.linalg.slogdet(S)[1], ZERO),
    "square of a determinant": Row(sp.Determinant(S) ** 2, S, lambda S: np.linalg.det(S) ** 2, ZERO),
    "a norm": Row(sp.sqrt(sp.Trace(X.T * X)), X, lambda X: np.sqrt(np.sum(X**2)), "TypeError"),
    "a determinant": Row(sp.Determinant(S), S, det, OPEN),
    "a determinant of a product": Row(sp.Determinant(X * X.T), X, lambda X: np.linalg.det(X @ X.T), OPEN),
    "a determinant of an inverse": Row(sp.Determinant(S.inv()), S, lambda S: 1 / np.linalg.det(S), ZERO),
    "a layer": Row(sp.Trace(y.T * each(sp.exp, D * V) * u), V, lambda y, D, V, u: np.sum(y * (np.exp(D @ V) @ u)),
                   "ShapeError", "#16588"),
    "a layer, turned": Row(sp.Trace(each(sp.sin, D * V) * u * y.T), V,
                           lambda y, D, V, u: np.sum(y * (np.sin(D @ V) @ u)), "ShapeError", "#16588"),
    "a trace of exponentials": Row(sp.Trace(each(sp.exp, S)), S, lambda S: np.sum(np.exp(np.diag(S))), "(3,)"),
    "a diagonal matrix": Row(sp.Trace(sp.DiagMatrix(a) * S), a, lambda a, S: np.sum(a[:, 0] * np.diag(S)),
                             "RecursionError"),
    "a Kronecker product": Row(sp.Trace(sp.KroneckerProduct(S, S)), S, lambda S: np.trace(S) ** 2, "AttributeError"),
}


def arrays(expr: Any) -> dict[str, np.ndarray[Any, Any]]:
    rng = np.random.default_rng(5)
    out = {s.name: rng.normal(size=tuple(map(int, s.shape))) / 2 for s in sorted(expr.free_symbols, key=str)
           if s.is_Matrix}
    if "S" in out:
        out["S"] = out["S"] @ out["S"].T + np.eye(3)
    return out


def differences(row: Row, at: dict[str, np.ndarray[Any, Any]]) -> tuple[np.ndarray[Any, Any], float]:
    """Return central differences, and what they may be off by: h^2 times a third derivative, and rounding over h."""
    h = 2.0**-17
    base = at[row.wrt.name]
    out = np.zeros_like(base)
    for k in np.ndindex(*base.shape):
        step = np.zeros_like(base)
        step[k] = h
        up, down = (float(row.primal(**{**at, row.wrt.name: base + s * step})) for s in (1, -1))
        out[k] = (up - down) / (2 * h)
    return out, 1e3 * h**2 + 100 * 2.0**-52 / h


@pytest.mark.parametrize("name", ROWS)
def test_ours_is_the_derivative(name: str) -> None:
    row = ROWS[name]
    at = arrays(row.expr)
    true, bound = differences(row, at)
    d = sg.derive(row.expr, row.wrt)
    _, gradients = d.compile()(**{k: at[k] for k in d.compile().inputs})
    assert np.max(np.abs(gradients[row.wrt.name] - true)) <= bound * (1 + np.max(np.abs(true)))
    assert np.max(np.abs(true)) > 0.01  # so that a zero would be wrong
    assert d.verify().ok


@pytest.mark.skipif(not sp.__version__.startswith("1.14"), reason="the answers of SymPy 1.14")
@pytest.mark.parametrize("name", ROWS)
def test_what_sympy_answers(name: str) -> None:
    row = ROWS[name]
    if row.says.endswith("Error"):
        with pytest.raises((TypeError, AttributeError, RecursionError, SympyShapeError)) as caught:
            row.expr.diff(row.wrt)
        assert caught.type.__name__ == row.says
        return
    said: Any = row.expr.diff(row.wrt)
    said = said.doit() if row.says in (ZERO, OPEN) else said
    if row.says == ZERO:
        assert said == 0 or said == sp.ZeroMatrix(*row.wrt.shape)
    elif row.says == OPEN:
        assert str(said).startswith(OPEN)
    else:
        assert str(said.shape) == row.says != str(row.wrt.shape)


def test_a_planted_wrong_answer_is_caught() -> None:
    row = ROWS["a layer"]
    at = arrays(row.expr)
    true, bound = differences(row, at)
    wrong = at["D"].T @ ((at["y"] @ at["u"].T) * np.exp(at["D"] @ at["V"]) * 1.0001)
    assert np.max(np.abs(wrong - true)) > bound * (1 + np.max(np.abs(true)))
