"""What SymPy says for true and false, for equations and for collections, where a loss or an expression belongs.

Each is read as a mathematician reads it, or refused with advice; a comparison is never differentiated in silence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy as sp

import symgrad as sg

x, y, z, L = sp.symbols("x y z L", real=True)
n = sp.Symbol("n", integer=True, positive=True)
X, W, Z = sp.MatrixSymbol("X", n, 3), sp.MatrixSymbol("W", 3, 1), sp.MatrixSymbol("Z", n, 1)
AT = {"z": 0.5, "x": 0.3}

DOORS: dict[str, Callable[[Any], Any]] = {
    "derive": lambda e: sg.derive(e, z).expression, "derive by all": lambda e: sg.derive(e)["z"].expression,
    "grad": lambda e: sg.grad(e, z), "compile": lambda e: sg.compile(e, wrt=z), "value": sg.compile,
    "hessian": lambda e: sg.hessian(e, z).expression, "jacobian": lambda e: sg.jacobian(e, z).expression,
    "hvp": lambda e: sg.hvp(e, z).expression, "compare": lambda e: sg.compare(e, AT),
    "trace_values": lambda e: sg.trace_values(e, AT), "check_assumptions": lambda e: sg.check_assumptions(e, AT),
    "stationary": lambda e: sg.stationary(e, z).rhs, "let": lambda e: sg.Network().let("Q", e),
    "vjp": lambda e: sg.vjp(e, z).expression, "jvp": lambda e: sg.jvp(e, z).expression,
}
CONDITIONS = [
    sp.Ne(z, x), z < x**2, z <= x, z > 0, z >= x, sp.And(z > 0, x > 0), sp.Or(z > 0, x > 0),
    sp.Not(sp.And(z > 0, x < 2)),
    sp.ITE(z > 0, x > 1, x < 1), sp.Xor(z > 0, x > 0), sp.Implies(z > 0, x > 0), sp.true, sp.false,
    sp.Contains(z, sp.Interval(0, x)), sp.Q.positive(z), sp.Eq(z**2, 1), sp.Eq(z**2, L), sp.Eq(L, L*z),
    sp.Eq(z + x, z*x),
]
COLLECTIONS = [
    sp.Interval(0, z), sp.FiniteSet(z, x), sp.Union(sp.Interval(0, 1), sp.FiniteSet(z)), sp.S.Reals, sp.S.EmptySet,
    sp.ConditionSet(z, z > 0, sp.S.Reals), sp.Range(3), sp.Tuple(z**2, x), (z**2, x), [z**2, x], [sp.Eq(L, z**2)], {z},
    {L: z**2}, sp.Dict({L: z**2}), sp.Lambda(z, z**2), sp.Integral(z*x, z), sp.Integral(z*x, (z, 0, 1)),
    sp.Sum(z*x, (x, 1, 3)), sp.Product(z*x, (x, 1, 3)), sp.Derivative(sp.Function("f")(z), z), sp.Limit(1/z, z, 0),
    sp.Subs(sp.Function("f")(z), z, x), sp.Array([z, x]), sp.Poly(z**2 + x, z), sp.O(z), True, None, b"z", sp.sin,
    sp.I*z,
    sp.nan, sp.zoo, sp.Function("f")(z), np.array([1.0]),
]


@pytest.mark.parametrize("door", DOORS)
def test_what_is_no_number_is_refused_with_advice(door: str) -> None:
    for thing in (*CONDITIONS, *COLLECTIONS):
        with pytest.raises(sg.SymgradError) as caught:
            DOORS[door](thing)
        assert len(str(caught.value)) > 30, thing
        assert "does not occur" not in str(caught.value), thing  # it was read all the same


@pytest.mark.parametrize("door", [d for d in DOORS if d not in ("let", "stationary", "value")])
def test_an_equation_of_a_new_name_is_that_loss(door: str) -> None:
    for right in (z**2*x, sg.bce(sg.sigmoid(z), x), sp.Piecewise((z*x, z > x), (x, True)), sp.Trace(W.T*W)*z + x):
        at = {"z": 0.5, "x": 0.3, "W": np.ones((3, 1))}
        known = {s.name for s in right.free_symbols}
        AT.clear()
        AT.update({k: v for k, v in at.items() if k in known})
        named, plain = DOORS[door](sp.Eq(L, right)), DOORS[door](right)
        if door == "compile":
            assert named.source == plain.source
        elif door == "compare":
            assert named.ok
            np.testing.assert_array_equal(named.gradients["symbolic"]["z"], plain.gradients["symbolic"]["z"])
        else:
            assert str(named) == str(plain)
    AT.clear()
    AT.update({"z": 0.5, "x": 0.3})


def test_the_name_of_an_equation_is_the_name_of_the_loss() -> None:
    d = sg.derive(sp.Eq(sp.Symbol("loss"), z**2), z)
    assert d.result == 2*z
    assert "dloss/dz" in d.text()
    assert sg.grad(sp.Eq(L, z**2), L).node.value == 1
    assert sg.compile(sp.Eq(Z, X*W))(X=np.ones((2, 3)), W=np.ones((3, 1))).tolist() == [[3.0], [3.0]]
    with pytest.raises(sg.InputError, match="gives no name"):
        sg.grad(sp.Eq(z**2, L), z)
    with pytest.raises(sg.ShapeError, match="left side"):
        sg.compile(sp.Eq(sp.MatrixSymbol("V", sp.Symbol("m", integer=True, positive=True), 1), X*W, evaluate=False))
    with pytest.raises(sg.InputError, match=r"Write let\('L', right side\)"):
        sg.Network().let("L", sp.Eq(L, z**2))


@pytest.mark.parametrize("make", [
    sg.sigmoid, sp.exp, lambda c: sg.mse(c, z), sg.sum,
    lambda c: sp.Piecewise((c, z > 1), (0, True)), lambda c: sg.where(z, c, x), lambda c: z*sg.sigmoid(c) + x,
], ids=["sigmoid", "exp", "mse", "sum", "branch", "where", "inside"])  # fmt: skip
def test_a_condition_inside_is_refused_where_a_number_belongs(make: Callable[[Any], Any]) -> None:
    for condition in (z > x, sp.Eq(x, z), sp.And(z > 0, x > 0)):
        with pytest.raises(sg.SymgradError, match=r"true or false|gives no name"):
            sg.grad(make(condition), z)


def test_conditions_choose_and_count() -> None:
    both = sp.And(z > 0, x > 0)
    assert sg.grad(sp.Piecewise((z*x, both), (x, True)), z).to_sympy() != 0
    f = sg.lambdify([z, x], [sp.Eq(z, x), z > x, both])  # there a relation is what it is in SymPy: true or false
    assert [v.tolist() for v in f(np.array([1.0, 2.0]), np.array([1.0, -1.0]))] == [[1, 0], [0, 1], [1, 0]]
    assert sg.compile(sp.Piecewise((1, z > x), (0, True)))(z=2.0, x=1.0) == 1.0


@pytest.mark.parametrize("text", ["L = x > 0", "x == 0", "z**2 == x", "sum(x > y)", "L = z**2 == x", "exp(x > 0)",
                                  "-(x > 0)", "L == x**2", "m = x > 0; L = m*x", "L = 0 < x < 1", "L = x in (0, 1)"])
def test_a_comparison_in_a_text_is_refused_where_a_number_belongs(text: str) -> None:
    with pytest.raises(sg.ParseError, match="a comparison stands inside") as caught:
        sg.grad(text)
    assert ("An equation has one =" in str(caught.value)) == ("==" in text)
