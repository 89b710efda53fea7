"""Second derivatives of everything: they agree with differences of the gradient's kernel, or end in our own error."""

from __future__ import annotations

import os
import random
import warnings
from typing import Any

import numpy as np
import pytest

import symgrad as sg
from symgrad.check.numeric import estimate
from symgrad.errors import SymgradError
from tests.jacobians.programs import composed, texts

HEAD = "A: (3, 2); B: (3, 2); C: (2, 2); "
LOSSES = ("L = sum(({})**2)", "L = sum({})", "F = {}; L = sum(F*sin(F))")
KINDS = ("hessian", "jacobian", "hvp")
CASES = int(os.environ.get("SYMGRAD_SECOND_ORDER", "24"))  # 700 walk the whole table once
FIRST = int(os.environ.get("SYMGRAD_SECOND_ORDER_FIRST", "0"))
NAMED = [  # what once raised KeyError or NoRule without advice
    ("hessian", "median(elu(A))"), ("hessian", "prod(A, axis=0)"), ("hessian", "min(A**2, axis=0)"),
    ("hessian", "max(A**2, axis=1)"), ("hvp", "prod(A, axis=1)"), ("hessian", "median(selu(A))"),
]


def drawn(seed: int) -> tuple[str, str]:
    """Return a kind of derivative and an expression: the seeds walk the table in a fixed disorder, then compose."""
    rng, table = random.Random(seed), texts()  # noqa: S311  # a reproducible test
    outer = table[seed * 89 % len(table)]
    return KINDS[seed % 3], outer.replace("{}", "A") if seed % 2 else composed(outer, rng)


def found_and_bounds(kind: str, expression: str, seed: int) -> tuple[Any, Any, Any]:
    """Return what the derivation's kernel gives, and differences of the kernel one order below with their bounds."""
    rng = np.random.default_rng(seed)
    text = HEAD + (f"F = {expression}" if kind == "jacobian" else LOSSES[seed % len(LOSSES)].format(expression))
    made = getattr(sg, kind)(text, "A")
    assert made.text()
    assert made.latex()
    kernel = made.compile()
    at = {n: rng.uniform(0.3, 1.5, s) for n, s in {"A": (3, 2), "B": (3, 2), "C": (2, 2)}.items()}
    at["v"] = rng.normal(size=(3, 2))
    below = sg.compile(text) if kind == "jacobian" else sg.compile(text, wrt="A")

    def lower(a: Any) -> Any:
        got = below(**{n: {**at, "A": a}[n] for n in below.inputs})
        return np.ravel(got if kind == "jacobian" else got[1]["A"])

    entries = [estimate(lambda a, k=k: lower(a)[k], at["A"]) for k in range(lower(at["A"]).size)]
    told = np.stack([e.gradient.ravel() for e in entries])
    bound = np.stack([e.error.ravel() for e in entries])
    value = np.ravel(kernel(**{n: at[n] for n in kernel.inputs}))
    if kind == "hvp":
        told, bound = told @ at["v"].ravel(), bound @ abs(at["v"].ravel())
    return value, told.ravel(), bound.ravel()


def agrees(value: Any, told: Any, bound: Any) -> bool:
    """Say whether two results agree within the bound and the rounding of both, where differences tell anything."""
    tellable = np.isfinite(told) & np.isfinite(bound) & (bound < 1e-3 * (1 + abs(told)))
    rounding = 1e-8 * (1 + np.max(abs(told[tellable]), initial=0))
    return value.shape == told.shape and bool(np.all(abs(value - told)[tellable] <= bound[tellable] + rounding))


DRAWN = [*((*c, k) for k, c in enumerate(NAMED)), *((*drawn(k), k) for k in range(FIRST, FIRST + CASES))]


@pytest.mark.parametrize(("kind", "expression", "seed"), DRAWN)
def test_second_derivatives_agree_with_differences_or_say_that_there_are_none(kind: str, expression: str,
                                                                             seed: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of NumPy, on the way of differences
        try:
            value, told, bound = found_and_bounds(kind, expression, seed)
        except SymgradError:  # by name; anything else fails the test
            return
    assert agrees(value, told, bound), (value, told, bound)


def test_the_judge_sees_a_planted_fault() -> None:
    value, told, bound = found_and_bounds("hessian", "A**3", 1)
    assert agrees(value, told, bound)
    assert np.max(bound) < 1e-6
    for wrong in (value * (1 + 1e-5), value + 1e-4, value[::-1] * np.arange(36), value[:-1]):
        assert not agrees(wrong, told, bound)
