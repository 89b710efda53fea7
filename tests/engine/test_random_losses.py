"""Random losses: the gradient agrees with the tape, every step is proved, and the printed result reads back."""

from __future__ import annotations

import os
import random
import re
from typing import Any

import numpy as np
import pytest

from symgrad import tape
from symgrad.engine.derive import derive
from symgrad.engine.evaluate import distinct_sizes, evaluate, random_env
from symgrad.engine.verify import verify
from symgrad.errors import InputError
from symgrad.graph.node import topological, variables
from symgrad.graph.text import to_text
from symgrad.kernels.functions import plain_function
from symgrad.language.expression import size_names
from symgrad.language.text_io import parse_expression
from tests.engine.losses import random_loss
from tests.work import within

CASES = int(os.environ.get("SYMGRAD_RANDOM_LOSSES", "120"))
FIRST = int(os.environ.get("SYMGRAD_RANDOM_FIRST", "0"))
CALLS = 40_000_000  # of Python functions in one derivation; the longest simplification takes 13 million
UGLY = (r"1/\(1/", r"\*1\b(?![./*])", r"--", r"\+ -", r"\*\*1\b(?![./])", r"[+-] 0\b(?!\.)")


def _on_a_kink(record: Any, point: dict[Any, Any], sizes: dict[str, int]) -> bool:
    """Some losses sit on a kink at every point: abs(u - u), relu(diag(u))."""
    from symgrad.rules.elementwise import BY_NAME

    nodes = [n for n in topological([record.loss]) if n.op in BY_NAME and BY_NAME[n.op].kink is not None]
    where = [BY_NAME[n.op].kink(*n.args) for n in nodes]  # type: ignore[misc]  # filtered above
    return any(x == 0 for v in evaluate(where, point, sizes=sizes) for x in v.flat)


@pytest.mark.parametrize("seed", range(FIRST, FIRST + CASES))
def test_a_random_loss(seed: int) -> None:
    case = random_loss(seed)
    record = within(CALLS, lambda: derive(case.loss, case.wrt, case.names))
    sizes = distinct_sizes([case.loss])
    inputs = variables([case.loss])
    try:
        point = random_env([case.loss], random.Random(seed), sizes)  # noqa: S311  # a reproducible test
    except InputError:
        pytest.skip("nowhere finite")
    largest = max(abs(x) for v in evaluate(topological([case.loss]), point, sizes=sizes) for x in v.flat)
    if largest > 1e6 or _on_a_kink(record, point, sizes):
        pytest.skip("a loss whose gradient no method tells")
    arrays = {v.name: point[v].astype(float) for v in inputs}
    given = {v: arrays[v.name] for v in inputs}
    plain = plain_function(case.loss, inputs, sizes)
    value, told = tape.value_and_grad(plain)(**arrays)
    scope = {v.name: v for v in inputs}
    names = size_names(topological([case.loss]))
    for w in case.wrt:
        for gradient in (record.results[w], record.resolved[w]):
            assert gradient.shape == w.shape
            (got,) = evaluate([gradient], given, digits=40, sizes=sizes)
            bound = 1e-9 * max(1.0, abs(float(value)), float(np.max(np.abs(told[w.name]))))
            np.testing.assert_allclose(got.astype(float), told[w.name], rtol=0, atol=bound)
        text = to_text(record.results[w])
        assert not [p for p in UGLY if re.search(p, text)], text
        if " where t" not in text:
            back = parse_expression(text, scope, names)
            a, b = evaluate([back, record.results[w]], given, digits=40, sizes=sizes)
            assert a.shape == b.shape
            assert all(abs(x - y) <= 1e-25 * (1 + abs(y)) for x, y in zip(a.flat, b.flat)), text
    if seed % 3 == 0 or CASES > 200:
        verdict = verify(record, digits=30)
        assert verdict.ok, str(verdict)
