r"""Printed LaTeX says its nodes: every line of the corpora and of random networks is read back and evaluated.

The reader shares nothing with the printers; faults planted in right lines must be found.
"""

from __future__ import annotations

import collections
import os
import re

import numpy as np
import pytest

import symgrad as sg
from symgrad.engine.derivation import Record
from symgrad.engine.derive import derive
from symgrad.language.composites import COMPOSITES
from symgrad.render.style import PLAIN, Style
from symgrad.rules.arrays import ARRAY_FUNCTIONS
from symgrad.rules.elementwise import FUNCTIONS
from tests import corpus_texts, measure_cases
from tests.engine.losses import random_loss
from tests.language import test_cookbook
from tests.render.latex_check import faults
from tests.render.latex_lines import Lines, Verdict
from tests.render.latex_reader import Page
from tests.render.latex_values import Unread

RANDOM = int(os.environ.get("SYMGRAD_LATEX_RANDOM", "300"))
UNSAID = {"avg_pool2d": 7}  # lines whose sums over a window do not say how long it is
GROUP = 10


def wrong(record: Record, style: Style = PLAIN) -> list[Verdict]:
    found = list(Lines(record, style=style).verdicts())
    assert found
    return [v for v in found if v.found not in ("right", "kink")]


@pytest.mark.timeout(1800)  # a convolution has many entries, each differenced in long arithmetic
@pytest.mark.parametrize("name", corpus_texts.TEXTS)
def test_lines_of_losses_and_layers(name: str) -> None:
    record = measure_cases.layer(name).derivation.record
    found = wrong(record)
    assert len(found) == UNSAID.get(name, 0), found
    assert all(v.why.endswith("nothing that says how far") for v in found)


@pytest.mark.parametrize("name", test_cookbook.CASES)
def test_lines_of_the_matrix_cookbook(name: str) -> None:
    assert wrong(measure_cases.identity(name).derivation.record) == []


@pytest.mark.parametrize("start", range(0, RANDOM, GROUP))
def test_lines_of_random_networks(start: int) -> None:
    for seed in range(start, min(start + GROUP, RANDOM)):
        case = random_loss(seed)
        assert wrong(derive(case.loss, case.wrt, case.names)) == [], seed


@pytest.mark.parametrize("start", range(0, RANDOM // 5, GROUP))
def test_lines_in_indices_of_random_networks(start: int) -> None:
    for seed in range(start, start + GROUP):
        case = random_loss(seed)
        assert wrong(derive(case.loss, case.wrt, case.names), Style(notation="index")) == [], seed


TEXTS = (
    "a: (); b: (); x: (n,); L = a + 2*sum(-x**2)*b",
    "X: (n, d); w: (d,); b: (); L = mean(X @ w + b)",
    "z1: (n,); L = sum(z1)",
    "z1: (n, m); w: (m,); L = sum(exp(-z1) @ w)*sum(-w)",
    "b: (); x: (n,); L = sum(x*b + b)*b",
    "h: (m,); X: (m, n); L = sum(exp(h)[:, None] + X)",
    "h: (m,); X: (m, n); L = sum((exp(h)[:, None]*ones((m, n)))**2)",
    "c: (1, 1); P: (1, n); L = sum(exp(c)*P - c)",
    "x: (n,); L = norm(x) - sum(-x)*sum(-x*x)",
    "X: (n, d); L = sum(softmax(X, axis=0)[0]**2)",
    "W1: (n, d); x: (d,); L = sum(W1[0]*x) + sum(W1[:, 1])",
    # names that look like signs
    "e: (n,); x: (); L = sum(exp(-x)*e)",
    "sigma: (n,); L = sum(sigmoid(sigma))",
    "I: (n, n); X: (n, n); L = trace(inv(eye(n) + X @ I))",
    "delta: (n,); X: (n, n); L = sum(einsum('ij,jk,kl->il', X, X, eye(n))[0]*delta)",
    "psi: (); lamda: (); L = digamma(psi)*lamda",
    "t1: (n,); L = sum((t1*t1 + t1)*exp(t1*t1 + t1)/(2 + t1*t1 + t1)*(t1*t1 + t1))",
    "i: (n, m); j: (m,); k: (); L = sum(i @ j*k)",
    "x_hat: (n,); x_l1: (n,); W_1: (n, n); W1: (n, n); L = sum(W1 @ x_hat) + sum(W_1 @ x_l1)",
)


@pytest.mark.parametrize("notation", ["matrix", "index"])
@pytest.mark.parametrize("text", TEXTS)
def test_lines_of_a_text(text: str, notation: str) -> None:
    assert wrong(sg.derive(sg.parse(text)).record, Style(notation=notation)) == []


@pytest.mark.parametrize("text", TEXTS)
def test_the_document_of_a_text_has_no_double_subscript(text: str) -> None:
    tex = sg.derive(sg.parse(text)).latex()
    assert faults(tex) == []
    assert not re.search(r"_\{[^{}]*\}_|_\{[^{}]*\{[^{}]*\}[^{}]*\}_", tex)


# --- planted faults ---------------------------------------------------------------------------------------------------

_PLANTS = {
    "a dropped sign": (r"- ", "+ "),
    "a dropped size": (r"\\frac\{(\d)\}\{n\}", r"\1"),
    "a dropped sum": (r"\\sum_\{i(?:,j)?\} ", ""),
    "a dropped transpose": (r"\^\\top", ""),
    "swapped factors": (r"(X(?:\^\\top)?) (\w|\(.*\))", r"\2 \1"),
    "brackets left out": (r"\(([^()]* [+-] [^()]*)\)", r"\1"),
}
PLANTED = (
    ("X: (n, d); w: (d,); y: (n,); b: (); r = X @ w + b - y; L = mean(r**2)",
     ("a dropped sign", "a dropped size", "a dropped sum", "a dropped transpose", "swapped factors")),
    ("X: (n, d); W: (d, k); Y: (n, k); L = sum((X @ W - Y)*(X @ W))/2",
     ("a dropped sign", "a dropped sum", "a dropped transpose", "swapped factors", "brackets left out")),
)


@pytest.mark.parametrize(("text", "kind"), [(t, k) for t, kinds in PLANTED for k in kinds])
def test_a_planted_fault_is_found(text: str, kind: str) -> None:
    """In equations of the forward pass and in gradients, where each such fault changes the value."""
    lines = Lines(sg.derive(sg.parse(text)).record)
    pattern, new = _PLANTS[kind]
    tried = 0
    for v in lines.verdicts():
        assert v.found == "right", v
        if v.section != "Backward pass" and re.search(pattern, v.text):
            planted = lines.again(v, re.sub(pattern, new, v.text, count=1))
            assert planted.found in ("wrong", "unread"), planted.text
            tried += 1
    assert tried


RNG = np.random.default_rng(7)
A, B, S, v, w = (RNG.normal(size=d) for d in ((2, 3), (3, 4), (3, 3), (3,), (4,)))
T = RNG.normal(size=(2, 3, 3))
READ = (  # what a line says, and lines that say something else
    (r"A B w", A @ B @ w, (r"B A w", r"A w", r"A \odot w", "A^\top B w")),
    (r"A^\top A v", A.T @ A @ v, ("A A v", r"A A^\top v", "A^\top A v^\top")),
    (r"\sum_{i} v_{i} v_{i}", v @ v,
     (r"\sum_{i,j} v_{i} v_{j}", r"\sum_{i} v_{i}", r"v_{i} v_{i}", r"v v", r"\sum_{i} v")),
    (r"\sum_{i,j} [S \odot S^\top]_{ij}", np.sum(S * S.T),
     (r"\sum_{i,j} S_{ij} S_{ij}", r"\sum_{i} S_{ii} S_{ii}")),
    (r"\sum_{i,j} S_{ij} v_{i}", v @ S @ np.ones(3), (r"\sum_{i,j} S_{ji} v_{i}", r"\sum_{i,j} S_{ij} v_{j}")),
    (r"\sum_{i,j} T_{0,i,j} S_{ji}", np.sum(T[0] * S.T),
     (r"\sum_{i,j} T_{0,i,j} S_{ij}", r"\sum_{i,j} T_{1,i,j} S_{ji}")),
    (r"\mathbf{1}^\top A v", np.ones(2) @ A @ v, (r"\mathbf{1} A v", "A v")),
    (r"\mathbf{1}_{2} v^\top S", np.outer(np.ones(2), v @ S),
     (r"\mathbf{1}_{3} v^\top S", r"v^\top S", r"\mathbf{1}_{2} v^\top S^\top")),
    (r"2 - \left( v^\top v - 1 \right)", 3 - v @ v, (r"2 - v^\top v - 1", r"2 + \left( v^\top v - 1 \right)")),
    (r"\frac{\partial}{\partial v}[S v]", S.sum(axis=0),
     (r"\frac{\partial}{\partial v}[S^\top v]", r"\frac{\partial}{\partial S}[S v]")),
    (r"v \, \frac{\partial}{\partial v}[S v]", S.T @ v,
     (r"\frac{\partial}{\partial v}[S v]", r"v^\top \, \frac{\partial}{\partial v}[S v]")),
    (r"\delta_{ij} v_{i}", np.diag(v), (r"v_{i}", r"\delta_{ij}")),
    (r"\sum_{j \le i} v_{j}", np.cumsum(v), (r"\sum_{j \ge i} v_{j}", r"\sum_{j} v_{j}")),
)


@pytest.mark.parametrize(("text", "value", "others"), READ, ids=[r[0] for r in READ])
def test_the_reader_tells_lines_apart(text: str, value: np.ndarray, others: tuple[str, ...]) -> None:
    arrays = {"A": A, "B": B, "S": S, "v": v, "w": w, "T": T}
    value = np.asarray(value)
    letters = list(zip("ij", value.shape)) if "{ij} v" in text or "{j \\le" in text else []

    def read(line: str) -> np.ndarray:
        return Page(arrays, {}).line(line, value.shape, letters)

    np.testing.assert_allclose(read(text), value, rtol=1e-9, atol=1e-9)
    for other in others:
        try:
            found = read(other)
        except Unread:
            continue
        assert np.max(np.abs(found - value)) > 1e-3, other


UNREADABLE = (
    r"z_{1}_{i}", r"\log p q", r"\mathbf{1}^\top \mathbf{1}", "A B", "A + B", r"A \odot v", "v v",
    r"\sum_{i} b", r"\sum_{i} -v_{i}", "v_{i}", r"A^{\top}^{-1}", "a 2 3 )", r"\unknown(a)",
    r"\frac{\partial A}{\partial q}", "A B^",
)


@pytest.mark.parametrize("text", UNREADABLE)
def test_what_has_no_meaning_is_not_read(text: str) -> None:
    page = Page({"A": np.ones((2, 3)), "B": np.ones((2, 4)), "v": np.ones(3), "a": 1.0, "b": 2.0, "x": 3.0, "p": 1.0,
                 "q": 2.0, "z_{1}": np.ones(3)}, {"n": 3})
    with pytest.raises(Unread):
        page.line(text, ())


def test_a_number_is_no_vector() -> None:
    page = Page({"b": 2.0}, {"n": 3})
    with pytest.raises(Unread):
        page.line("b n", (3,))
    assert page.line(r"b n \mathbf{1}", (3,)).tolist() == [6.0, 6.0, 6.0]
    assert page.line("0", (3,)).tolist() == [0.0, 0.0, 0.0]


# --- signs ------------------------------------------------------------------------------------------------------------


def test_one_sign_means_one_function() -> None:
    signs = collections.Counter((row.latex, len(row.params)) for row in (*FUNCTIONS, *ARRAY_FUNCTIONS, *COMPOSITES)
                                if row.latex and row.name not in ("index", "pick"))
    assert [s for s, k in signs.items() if k > 1] == []
