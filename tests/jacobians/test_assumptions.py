"""Second derivatives under assumptions: no gradient is differentiated again in a form that an equation made short."""

from __future__ import annotations

import random

import numpy as np
import pytest

import symgrad as sg
from symgrad.engine.satisfy import satisfying
from tests.jacobians.numbers_of import columns


@pytest.mark.parametrize(("text", "wrt", "fact"), [
    ("x: (m,); L = norm(x)", "x", "norm(x) == 1"),
    ("x: (m,); L = sum(x)**3 + sum(x**4)", "x", "sum(x) == 1"),
    ("x: (m,); A: (m, m); L = exp(-(x @ A @ x)/2)*sum(x)", "x", "x @ A @ x == 2"),
    ("x: (m,); L = sum(x**3)*sum(x)", "x", "x in (0, 1)"),
    ("x: (m,); y: (m,); L = norm(x - y)**3", "x", "norm(x - y) == 1"),
    ("z: (n, k); y: (n, k); L = sum(cross_entropy(z, y))", "z", "sum(y, axis=1) == 1"),
    ("x: (m,); L = sum(abs(x)**3)", "x", "x > 0"),
])
def test_hessians_where_an_equation_holds_for_the_variable(text: str, wrt: str, fact: str) -> None:
    net = sg.parse(f"{text.replace('L =', f'assume({fact}); L =')}")
    hessian = sg.hessian(net, wrt)
    assert hessian.verify().ok
    _, found = satisfying([net.output], net.stated, random.Random(3))  # noqa: S311  # test points, no secrets
    at = {n.name: v.astype(float) for n, v in found.items()}
    told, _ = columns(net.output, wrt, wrt, at)
    kernel = hessian.compile()
    got = np.reshape(kernel(**{v: at[v] for v in kernel.inputs}), np.shape(told))
    np.testing.assert_allclose(got, told, rtol=1e-5, atol=1e-5)
    product = sg.hvp(net, wrt, "v")
    v = np.random.default_rng(1).normal(size=at[wrt].shape)
    along = product.compile()(**{k: {**at, "v": v}[k] for k in product.compile().inputs})
    flat = np.reshape(told, (v.size, v.size)) @ v.ravel()
    np.testing.assert_allclose(np.ravel(along), flat, rtol=1e-5, atol=1e-5)
