"""The algebra of matrix products: transposes and inverses go, common factors are written once."""

from __future__ import annotations

import numpy as np
import pytest

import symgrad as sg
from symgrad.engine.simplify import Simplifier
from symgrad.graph.node import Node, topological, variables
from symgrad.graph.text import to_text
from symgrad.kernels.compile import compile_nodes
from symgrad.shapes import evaluate

DECLARED = "A: (m, m); B: (m, m); C: (n, m); X: (m, n); u: (m,); v: (m,); w: (n,); s: (); "
SIZES = {"m": 3, "n": 4}
FORMS = [
    ("(A @ B).T @ u", "u @ A @ B"),
    ("A @ (C.T @ X.T).T", "A @ X @ C"),
    ("A.T @ v + A @ v", "(A + A.T) @ v"),
    ("A @ X + B @ X", "(A + B) @ X"),
    ("X @ C + X @ C", "2*(X @ C)"),
    ("A @ A.T @ B + B - B", "A @ A.T @ B"),
    ("inv(A) @ A @ B", "B"),
    ("inv(A @ B) @ A", "inv(B)"),
    ("inv(X @ X.T).T @ u + inv(X @ X.T) @ u", "2*(inv(X @ X.T) @ u)"),
    ("outer(A @ v, u) + outer(B @ v, u)", "outer((A + B) @ v, u)"),
    ("outer(u, A @ v) + outer(u, B @ v)", "outer(u, (A + B) @ v)"),
    ("(u @ A @ v) * u - (v @ A.T @ u) * u + u", "u"),
    ("trace(A @ B) * u - trace(B @ A) * u + trace(B.T @ A.T) * u", "sum(A*B.T)*u"),
    ("s * (A @ u) / 2 + s * (A.T @ u) / 2", "s*((A + A.T) @ u)/2"),
    ("A.T @ A.T @ A.T + A.T @ (A @ A).T", "2*(A.T @ A.T @ A.T)"),
]


def simplified(text: str) -> tuple[Node, Node]:
    node = sg.parse(DECLARED + "out_ = " + text)["out_"].node
    # nothing is of the forward pass, so nothing has to be written as it was
    return node, Simplifier({}, variables([node])).shorten(node).node


@pytest.mark.parametrize(("text", "short"), FORMS)
def test_the_short_form_is_found_and_equal(text: str, short: str) -> None:
    node, found = simplified(text)
    assert to_text(found) == short
    rng = np.random.default_rng(3)
    kernel = compile_nodes({"a": node, "b": found}, sizes=SIZES)
    values = kernel(**{x.name: rng.normal(size=tuple(evaluate(d, SIZES) for d in x.shape)) for x in variables([node])})
    scale = 1 + np.abs(values["a"]).max()
    assert np.abs(values["a"] - values["b"]).max() <= 1e-11 * scale


@pytest.mark.parametrize("text", [
    "A @ B - B @ A", "X + A @ X", "inv(A) @ B @ A", "outer(u, v) - outer(v, u)", "A.T @ B.T",
])
def test_what_does_not_commute_stays_apart(text: str) -> None:
    node, found = simplified(text)
    assert to_text(found) == to_text(node)


def test_a_deep_chain_takes_linear_time() -> None:
    layers = "".join(f"h{k} = tanh(A @ {f'h{k - 1}' if k else 'x'}); " for k in range(60))
    net = sg.parse(f"A: (n, n); x: (n,); {layers}L = sum(h59)")
    d = sg.derive(net, "A")
    assert len(topological([d.expression.node])) < 60 * 40
