"""Every row of the table is proved from its definition or held against its primal; a false row is caught."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from symgrad.engine.proof import expand_definitions, prove
from symgrad.errors import NoRule
from symgrad.graph.node import apply, topological, var
from symgrad.rules.elementwise import BY_NAME, FUNCTIONS
from symgrad.rules.row import Function

PROVED = [f.name for f in FUNCTIONS if any(d is not None for d in f.derivative(f(*f.placeholders), *f.placeholders))]


@pytest.mark.parametrize("row", FUNCTIONS, ids=lambda f: f.name)
def test_each_rule_is_proved(row: Function) -> None:
    proof = prove(row.name)
    assert proof.ok, str(proof)
    assert proof.is_axiom == (row.definition is None)
    assert len(proof.how) == len(row.params)
    assert "holds" in str(proof)


def test_rules_with_a_definition_are_derived() -> None:
    derived = [f.name for f in FUNCTIONS if f.definition is not None]
    assert {"sigmoid", "tanh", "softplus", "sqrt", "sinh", "cosh", "tan", "relu", "abs", "expm1"} <= set(derived)
    sigmoid = prove("sigmoid")
    assert sigmoid.how == ("exact, by cancellation",)
    assert [s.rule for s in sigmoid.records[0].steps][:2] == ["definition", "deriv_div"]


def _wrong(row: Function, change: Callable[[Any], Any]) -> Function:
    """The same row, the first derivative that is not zero changed."""
    def derivative(y: Any, *xs: Any) -> tuple[Any, ...]:
        out = list(row.derivative(y, *xs))
        k = next(i for i, d in enumerate(out) if d is not None)
        out[k] = change(out[k])
        return tuple(out)

    return replace(row, derivative=derivative)


@pytest.mark.parametrize("name", PROVED)
@pytest.mark.parametrize("change", [lambda d: -d, lambda d: d * Fraction(1001, 1000), lambda d: d + Fraction(1, 10**6)],
                         ids=["sign", "factor", "shift"])
def test_a_false_rule_is_caught(name: str, change: Callable[[Any], Any]) -> None:
    row = BY_NAME[name]
    proof = prove(name, _wrong(row, change))
    assert not proof.ok
    assert "FAILS" in str(proof)


def test_a_false_definition_is_caught() -> None:
    row = replace(BY_NAME["sigmoid"], definition=lambda x: 1 / (1 + apply("exp", x)))
    assert not prove("sigmoid", row).ok


def test_unknown_functions_have_no_proof() -> None:
    with pytest.raises(NoRule, match="sigmoid"):
        prove("sigmiod")


def test_definitions_are_expanded_all_the_way() -> None:
    x = var("x")
    (out,) = expand_definitions([apply("tanh", apply("sigmoid", x))])
    assert {n.op for n in topological([out])} <= {"var", "const", "exp", "add", "sub", "mul", "div", "neg", "pow"}
