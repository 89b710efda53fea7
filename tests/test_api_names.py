"""A name that the user did not give never stands in a result."""

from __future__ import annotations

from typing import Any

import pytest
import sympy as sp

import symgrad as sg

z, L = sp.symbols("z L", real=True)


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (sg.sigmoid(z), "sigmoid(z)*(1 - sigmoid(z))"),  # the derivative reuses the output, which has no name
        ("sigmoid(z)", "sigmoid(z)*(1 - sigmoid(z))"),
        (sp.exp(z), "exp(z)"),
        (sg.exp(sg.symbol("z")), "exp(z)"),
        (sg.exp(sg.symbol("z")) * L, "L*exp(z)"),
        ("L = exp(z)", "L"),  # here the user named it
        ("p = sigmoid(z); p", "p*(1 - p)"),
    ],
)
def test_results_are_in_names_of_the_user(what: Any, expected: str) -> None:
    d = sg.derive(what, "z")
    assert str(d.expression) == expected
    assert str(sg.grad(what, "z")) == expected
    assert {str(s) for s in d.expression.free_symbols} <= {"z", "L", "p"}
    assert d.verify().ok


def test_a_result_of_an_unnamed_function_is_free_of_other_symbols() -> None:
    assert sg.derive(sg.sigmoid(z), z).result.free_symbols == {z}
    assert sg.derive(sg.exp(z), z).result == sp.exp(z)
