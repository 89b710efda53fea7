"""SciPy's special functions on the tape, against complex step or central differences of the functions themselves."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
import scipy.special

import symgrad as sg
from symgrad.errors import NoRule
from symgrad.tape import special
from symgrad.tape.rows import elementwise
from symgrad.tape.special import SPECIAL

POINTS = {"logit": [0.1, 0.45, 0.9], "xlogy": [0.3, 1.7, 5.0]}


def slopes(name: str) -> list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """Return (taped, central difference) for every operand."""
    function = getattr(scipy.special, name)
    count = len(SPECIAL[name].operands)
    arrays = [np.array(POINTS.get(name, [0.4, 1.3, 6.2])) * (1 + k / 7) for k in range(count)]
    cotangent = np.array([0.7, -1.3, 2.1])
    _, gradients = sg.tape.value_and_grad(
        lambda *xs: np.sum(cotangent * function(*xs)), wrt=list(range(count)))(*arrays)
    out = []
    for k, got in enumerate(gradients):
        h = 2.0**-13
        ends = [function(*(a + s * h * (i == k) for i, a in enumerate(arrays))) for s in (-2, -1, 1, 2)]
        out.append((got, cotangent * (ends[0] - 8 * ends[1] + 8 * ends[2] - ends[3]) / (12 * h)))
    return out


def largest_error(name: str) -> float:
    return max(float(np.max(np.abs(a - b) / (1 + np.abs(b)))) for a, b in slopes(name))


@pytest.mark.parametrize("name", SPECIAL)
def test_the_slope_is_that_of_the_function(name: str) -> None:
    assert largest_error(name) < 1e-10  # eps/h is 2e-12, times values up to 10


@pytest.mark.parametrize("name", SPECIAL)
def test_a_planted_fault_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {1: elementwise(lambda y, x: y * 0 + 1.0), 2: elementwise(lambda y, a, b: a, lambda y, a, b: b)}
    monkeypatch.setitem(SPECIAL, name, wrong[len(SPECIAL[name].operands)])
    assert largest_error(name) > 1e-3


def test_what_scipy_does_not_have_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoRule, match="no rule"):
        sg.tape.grad(lambda x: np.sum(scipy.special.zeta(x, 2.0)))(np.array([2.5]))
    monkeypatch.delitem(sys.modules, "scipy.special")
    assert special.special_row(scipy.special.erf) is None
