"""Walk the rule table: every row, every composite, every method of a ufunc against differences of its primal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from symgrad.tape.composites import COMPOSITES, METHODS
from symgrad.tape.dispatch import name_of
from symgrad.tape.rows import APPLY, Operand, Row
from symgrad.tape.rules import RULES
from tests.tape.cases import REDUCED, ROWS, SPELLED
from tests.tape.judge import check

FLAT = {np.sign: {"x"}, np.heaviside: {"x"}, np.copysign: {"b"}}
"""Operands whose derivative is zero: a factor cannot be planted there, an offset can."""


def name(key: Any) -> str:
    return f"{key[0].__name__}.{key[1]}" if isinstance(key, tuple) else name_of(key)


def walk(table: dict[Any, Any]) -> list[Any]:
    return [pytest.param(case, id=f"{name(key)}-{i}") for key, cases in table.items() for i, case in enumerate(cases)]


def test_every_row_has_a_case() -> None:
    assert set(ROWS) == set(RULES)
    assert set(SPELLED) == set(COMPOSITES)
    assert set(REDUCED) >= set(METHODS)


@pytest.mark.parametrize("case", walk(ROWS))
def test_row(case: Any) -> None:
    fun, arrays = case
    check(fun, *arrays)


@pytest.mark.parametrize("case", walk(SPELLED))
def test_composite(case: Any) -> None:
    fun, arrays = case
    check(fun, *arrays)


@pytest.mark.parametrize("case", walk(REDUCED))
def test_ufunc_method(case: Any) -> None:
    fun, arrays = case
    check(fun, *arrays)


# The judge is judged: a wrong rule planted in any row has to be caught by the cases of that row.


def scaled(rule: Any, factor: float) -> Any:
    return lambda bar, y, *args, **options: factor * rule(bar, y, *args, **options)


def shifted(rule: Any) -> Any:
    return lambda bar, y, *args, **options: rule(bar, y, *args, **options) + 1e-3 * np.ones_like(bar)


def as_rule(pushforward: Any, function: Any, position: int) -> Any:
    """The pushforward as a callable, also where the row says only 'apply the function itself'."""
    if pushforward != APPLY:
        return pushforward
    return lambda x_dot, y, *args, **options: function(*args[:position], x_dot, *args[position + 1 :], **options)


def faults(row: Row, function: Any, operand: str) -> list[Operand]:
    right = row.operands[operand]
    push = as_rule(right.pushforward, function, row.parameters.index(operand))
    if operand in FLAT.get(function, ()):
        return [
            Operand(shifted(right.pullback), right.pushforward, right.many),
            Operand(right.pullback, shifted(push), right.many),
        ]
    return [
        Operand(scaled(right.pullback, 1.001), right.pushforward, right.many),
        Operand(scaled(right.pullback, -1.0), right.pushforward, right.many),
        Operand(right.pullback, scaled(push, 1.001), right.many),
        Operand(right.pullback, scaled(push, -1.0), right.many),
    ]


def verdicts(function: Any) -> list[str]:
    """What the judge has against the cases of a row."""
    found = []
    for fun, arrays in ROWS[function]:
        try:
            check(fun, *arrays)
        except AssertionError as error:
            found.append(str(error))
    return found


@pytest.mark.parametrize(
    ("function", "operand"),
    [pytest.param(f, operand, id=f"{name(f)}-{operand}") for f, row in RULES.items() for operand in row.operands],
)
def test_a_planted_fault_is_caught(function: Any, operand: str, monkeypatch: pytest.MonkeyPatch) -> None:
    row = RULES[function]
    for fault in faults(row, function, operand):
        wrong = Row({**row.operands, operand: fault}, row.parameters, row.positional)
        monkeypatch.setitem(RULES, function, wrong)
        found = verdicts(function)
        assert found, "nobody noticed"
        half = "pullback" if fault.pullback is not row.operands[operand].pullback else "pushforward"
        assert all(half in message for message in found)


def test_the_judge_refuses_to_be_blind() -> None:
    with pytest.raises(AssertionError, match="blind"):
        check(lambda x: np.sin(3000.0 * x), np.array([0.3, 0.7]))
