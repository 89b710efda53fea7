"""Losses where floating point is hard: saturated logits, equal points, zero vectors; held against 600 digits."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

import symgrad as sg
from symgrad.engine.evaluate import evaluate
from symgrad.shapes import bind

Z = [-1000.0, -40, -1e-9, 0, 3, 40, 1000]
BITS, SIGNS = [0.0, 1, 0, 1, 1, 1, 0], [-1.0, 1, 1, -1, 1, -1, 1]
ROWS = [[1000.0, -1000, 0], [40, 41, 42], [-1000, -1000, -999]]
SHARES = [[0.2, 0.3, 0.5]] * 3
ENTRIES = "z: (n,); y: (n,); L = mean({})"
CLASSES = "z: (n, k); y: int(n,); L = mean({})"
SHARED = "z: (n, k); q: (n, k); L = mean(sum({}, axis=1))"
LABELS = {"z": ROWS, "y": [1, 0, 2]}
EQUAL = {"a": [[1.0, 2], [1, 2]], "b": [[1.0, 2], [2, 1]]}


@pytest.mark.parametrize(("text", "at"), [
    *((ENTRIES.format(f"{f}(z, y)"), {"z": Z, "y": BITS}) for f in (
        "bce_with_logits", "focal_with_logits", "sigmoid_focal_loss", "mse", "mae", "huber", "smooth_l1", "log_cosh")),
    *((ENTRIES.format(f"{f}(z, y)"), {"z": Z, "y": SIGNS}) for f in ("hinge", "squared_hinge", "soft_margin")),
    (ENTRIES.format("bce(sigmoid(z), y)"), {"z": Z, "y": BITS}),
    (ENTRIES.format("bce_with_logits(z, y, pos_weight=3)"), {"z": Z, "y": BITS}),
    (ENTRIES.format("pinball(z, y, 0.9)"), {"z": Z, "y": BITS}),
    (ENTRIES.format("poisson_nll(z, y)"), {"z": [-800.0, 2, 700], "y": [1e-3, 2, 3]}),
    ("m: (n,); s: (n,); L = mean(gaussian_nll_logvar(m, 1, s))", {"m": [1e-3, 2, 3], "s": [-700.0, 700, 1000]}),
    *((CLASSES.format(f"{f})"), LABELS) for f in (
        "cross_entropy(z, y", "cross_entropy(z, y, label_smoothing=0.1", "softmax_focal(z, y")),
    *((SHARED.format(f), {"z": ROWS, "q": SHARES}) for f in (
        "kl(softmax(z), q)", "kl(q, softmax(z))", "js(q, softmax(z))", "q*entr(softmax(z))")),
    ("z: (n,); y: (n,); L = dice(sigmoid(z), y)", {"z": Z, "y": BITS}),
    ("x: (n,); L = norm(x)", {"x": [0.0, 0, 0]}),
    ("x: (n, d); L = mean(norm(x, axis=1))", {"x": [[0.0, 0], [1, 1]]}),
    ("a: (n, d); b: (n, d); L = mean(triplet(a, b, 2*b - 1))", EQUAL),
    ("a: (n, d); b: (n, d); L = mean(contrastive(a, b, 0))", EQUAL),
    ("a: (n, d); b: (n, d); L = mean(infonce(a, b, 0.01))", EQUAL),
    ("q: (n, d); k: (n, d); L = sum(sin(attention(q, k, k, causal=True)))",
     {"q": [[1e3, 1], [-30.0, 2]], "k": [[50.0, 1], [2, 3]]}),
])
def test_value_and_gradients_are_finite_and_right(text: str, at: dict[str, Any]) -> None:
    net = sg.parse(text)
    arrays = {n: np.asarray(v, np.int64 if net.inputs[n].attr[1] == "int" else np.float64) for n, v in at.items()}
    d = sg.derive(net, [n for n, v in net.inputs.items() if v.attr[1] == "real" and n != "y"])
    with np.errstate(all="raise", under="ignore"):
        value, grads = d.compile()(**arrays)
    sizes: dict[str, int] = {}
    for n, a in arrays.items():
        bind(net.inputs[n].shape, a.shape, sizes, n)
    point = {net.inputs[n]: np.vectorize(mpmath.mpf, otypes=[object])(a) for n, a in arrays.items()}
    told = evaluate([net.output, *(d.record.results[w] for w in d.record.wrt)], point, digits=600, sizes=sizes)
    for found, right in zip([value, *(grads[w] for w in d.wrt)], told):
        exact = np.array(right, dtype=float)
        exact = np.where(np.isnan(exact), found, exact)  # at the tip of a norm, where it is only to be finite
        assert np.all(np.isfinite(found))
        assert np.all(np.abs(found - exact) <= 1e-12 * np.abs(exact).max() + 1e-16)


def test_the_tip_of_a_norm_is_stated_and_another_quotient_stays() -> None:
    assert "a norm has no derivative at a - b = 0; there 0 is taken" in \
        sg.derive("a: (n, d); b: (n, d); L = sum(norm(a - b, axis=1))").text()
    with np.errstate(all="ignore"):
        assert np.isinf(sg.compile("x: (n,); L = 1/norm(x)")(x=np.zeros(2)))
