"""Points at which assumptions hold: every one of them, to the digits asked for."""

from __future__ import annotations

import random

import numpy as np
import pytest

import symgrad as sg
from symgrad.engine.evaluate import evaluate
from symgrad.engine.satisfy import satisfying
from symgrad.errors import InputError
from symgrad.graph.node import apply

TEXT = ("y: (n, m); w: (n,); v:(n,); x: (); z: (); A: (n,n); B:(n,n); Q: (n,m)\n"
        "L = x + z*sum(w) + sum(A @ A @ B) + sum(y) + sum(v) + sum(Q)")


@pytest.mark.parametrize("facts", [
    "sum(y, axis=1) == 1; y >= 0", "y in (0, 1); sum(y, axis=1) == 1", "A == A.T", "A.T @ A == eye(n)", "A @ A == A",
    "A @ B == eye(n)", "0 < x < 1; z <= -2", "norm(w) == 1", "w + v == 1; w > 0; v > 0", "Q.T @ Q == eye(m)", "m > n",
    "x > z", "sum(w) <= 1; w >= 0", "w @ v == 0", "exp(x) == z", "x in (-1, 2); z != x",
])  # fmt: skip
def test_every_assumption_holds(facts: str) -> None:
    net = sg.parse(TEXT)
    net.assume(facts)
    sizes, at = satisfying([net.output], net.assumptions, random.Random(1), 60)  # noqa: S311  # no secrets
    for a in net.assumptions:
        for op, left, right in a.parts:
            for k, member in enumerate(right):
                found = evaluate([apply("sub", left, member)], at, digits=60, sizes=sizes)[0]
                if op == "eq":
                    assert max(abs(d) for d in found.flat) < 1e-45
                elif op == "in" and k == 0:
                    other = evaluate([apply("sub", left, right[1])], at, digits=60, sizes=sizes)[0]
                    assert all(a == 0 or b == 0 for a, b in zip(found.flat, other.flat))
                elif op != "in":
                    compare = {"gt": "__gt__", "ge": "__ge__", "lt": "__lt__", "le": "__le__", "ne": "__ne__"}[op]
                    assert all(getattr(d, compare)(0) for d in found.flat)
    for name in ("A", "Q", "w"):  # a special point could hide a false step
        values = np.asarray(at[net.inputs[name]], dtype=float)
        assert np.all(np.abs(values) > 1e-6)


def test_no_such_point() -> None:
    net = sg.parse(TEXT)
    for facts, words in (("w*w == -1", "no value of"), ("exp(x) == -2", "no value of"),
                         ("x**2 + z**2 == 1; x + z == 5", "contradict one another")):
        stated = net.facts(facts)
        with pytest.raises(InputError, match=words):
            satisfying([net.output], stated, random.Random(1), 30)  # noqa: S311  # no secrets
