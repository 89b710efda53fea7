"""Published identities and values: gradients of the Matrix Cookbook, and of expressions with known derivatives."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symgrad as sg
from symgrad.engine.evaluate import evaluate, random_env
from symgrad.graph.node import topological
from symgrad.language.text_io import parse_expression

DATA = Path(__file__).parents[1] / "data"
COOKBOOK = json.loads((DATA / "published_gradients.json").read_text(encoding="utf-8"))["cases"]
TEXTS = [
    c for c in json.loads((DATA / "text_expressions.json").read_text(encoding="utf-8"))["inputs"]
    if c["expect"] == "value" and c.get("gradient")
]
SIZES = {"m": 3, "n": 4, "p": 5, "q": 2, "k": 6}


@pytest.mark.parametrize("case", COOKBOOK, ids=lambda c: str(c["id"]))
def test_matrix_cookbook(case: dict[str, Any]) -> None:
    d = sg.derive(case["text"], case["wrt"])
    loss, result = d.record.loss, d.record.results[d.record.wrt[0]]
    scope = {v.name: v for v in topological([loss]) if v.op == "var"}
    published = parse_expression(case["gradient"], scope, SIZES)
    assert result.shape == published.shape
    point = random_env([loss, published], random.Random(1), SIZES)  # noqa: S311  # a reproducible test
    for name in case["symmetric"]:
        point[scope[name]] = point[scope[name]] + point[scope[name]].T
    told, got = evaluate([published, result], point, sizes=SIZES)
    scale = max(abs(x) for x in told.flat)
    assert all(abs(a - b) <= 1e-40 * (scale + 1) for a, b in zip(told.flat, got.flat))
    assert d.verify().ok


@pytest.mark.parametrize("case", TEXTS, ids=lambda c: str(c["id"]))
def test_expressions_with_known_derivatives(case: dict[str, Any]) -> None:
    d = sg.derive(case["text"], list(case["gradient"]))
    inputs = {v.name for v in topological([d.record.loss]) if v.op == "var"}
    value, grads = d.compile()(**{k: np.array(v, dtype=float) for k, v in case["bindings"].items() if k in inputs})
    assert float(value) == pytest.approx(case["value"], rel=1e-12, abs=1e-14)
    for name, told in case["gradient"].items():
        assert float(grads[name]) == pytest.approx(told, rel=1e-10, abs=1e-13)
    assert d.verify().ok
