"""Losses and layers over functions of whole arrays, written in the language: values and gradients of the corpus.

Each text is the formula of the data file in the words of a user; none has a gradient of its own.
"""

from __future__ import annotations

import numpy as np
import pytest

import symgrad as sg
from symgrad.errors import ShapeError
from symgrad.kernels.functions import plain_function
from tests.corpus_texts import CASES, TEXTS, arrays, network
from tests.measure_cases import layer, relative

SLOW_RATIO = 12.0


def test_every_case_has_a_text() -> None:
    assert len(CASES) == 97
    assert set(TEXTS) == set(CASES)


@pytest.mark.parametrize("name", TEXTS)
def test_value_and_gradients_are_the_reference_by_kernel_and_tape(name: str) -> None:
    found = layer(name)
    assert found.value_error <= 1e-12
    assert found.gradient_error <= 1e-11
    assert found.ratio <= SLOW_RATIO
    text, wrt = network(name)
    net, at = sg.parse(text), arrays(name)
    taped = sg.tape.value_and_grad(plain_function(net.output, list(net.inputs.values())), wrt=wrt)
    value, grads = taped(**{k: v for k, v in at.items() if k in net.inputs})
    assert relative(value, CASES[name]["value"]) <= 1e-12
    for v in wrt:
        assert relative(grads[v], np.array(CASES[name]["gradient"][v]).reshape(at[v].shape)) <= 1e-11, v


MODELS = {
    "logistic regression": "X: (n, d); w: (d,); b: (); y: (n,); L = mean(bce_with_logits(X @ w + b, abs(sin(9*y))))",
    "softmax regression": "X: (n, d); W: (d, k); b: (k,); T: (n, k); L = mean(cross_entropy(X @ W + b, softmax(T)))",
    "ridge regression": "X: (n, d); w: (d,); y: (n,); L = sum(mse(X @ w, y)) + 0.3*sum(w**2)",
    "Poisson regression": "X: (n, d); w: (d,); y: (n,); L = mean(poisson_nll(X @ w, y**2))",
    "Gaussian mixture": "X: (n, d); a: (k,); M: (k, d); s: (k,); q = sum((X[:, None, :] - M)**2, axis=2);"
                        "L = -sum(logsumexp(log_softmax(a) - q*exp(-s)/2 - d/2*(s + log(2*pi)), axis=1))",
    "Gaussian process": "X: (n, d); y: (n,); l: (); s: (); q = sum((X[:, None, :] - X)**2, axis=2);"
                        "K = exp(s - q*exp(l)) + 0.1*eye(n); L = (y @ solve(K, y) + logdet(K) + n*log(2*pi))/2",
    "Gaussian process by Cholesky": "X: (n, d); y: (n,); l: (); q = sum((X[:, None, :] - X)**2, axis=2);"
                                    "C = cholesky(exp(-q*exp(l)) + 0.1*eye(n));"
                                    "L = sum(solve(C, y)**2)/2 + sum(log(diag(C)))",
    "transformer block": "x: (n, d); g: (d,); h: (d,); Q: (d, d); K: (d, d); V: (d, d); A: (d, k); B: (k, d);"
                         "u = x + attention(x @ Q, x @ K, x @ V, causal=True); v = layer_norm(u, g, h);"
                         "L = mean((v + gelu(v @ A) @ B)**3)",
    "RNN": "X: (3, n, d); h0: (n, k); W: (d, k); U: (k, k); b: (k,); h1 = rnn_cell(X[0], h0, W, U, b);"
           "h2 = rnn_cell(X[1], h1, W, U, b); h3 = rnn_cell(X[2], h2, W, U, b); L = sum(sin(h3))",
}


@pytest.mark.parametrize("name", MODELS)
def test_models_agree_with_tape_and_differences(name: str) -> None:
    net = sg.parse(MODELS[name])
    rng = np.random.default_rng(len(name))
    sizes = {"n": 5, "d": 3, "k": 2}
    at = {v: rng.normal(size=[d if isinstance(d, int) else sizes[str(d)] for d in x.shape])
          for v, x in net.inputs.items()}
    compared = sg.compare(net, at=at, methods=("symbolic", "tape", "central"))
    assert compared.ok, compared.table()


@pytest.mark.parametrize(("text", "wrt", "form"), [
    ("z: (n, k); y: (n, k); L = mean(cross_entropy(z, y))", "z", "(softmax(z)*sum(y, axis=1, keepdims=True) - y)/n"),
    ("z: (k,); y: (k,); L = cross_entropy(z, y)", "z", "softmax(z)*sum(y) - y"),
    ("y: (n,); q: (n,); L = mean(pinball(q, y, 0.9))", "q",
     "-(0.9*step(y - q, 1/2) + (0.9 - 1)*step(q - y, 1/2))/n"),
    ("z: (n, k); y: int(n,); L = mean(cross_entropy(z, y))", "z", "(softmax(z) - one_hot(y, k))/n"),
    ("x: (n, d); m: (k, d); P: (n, k); L = sum(P*sum((x[:, None, :] - m)**2, axis=2))/2", "m",
     "m*sum(P, axis=0)[:, None] - P.T @ x"),
    ("x: (n, d); w: (n,); L = sum(w*logsumexp(x, axis=1))", "x", "w[:, None]*softmax(x)"),
    ("z: (k,); g: (k,); L = sum(g*softmax(z))", "z", "softmax(z)*(g - sum(softmax(z)*g))"),
    ("A: (n, n); L = logdet(A)", "A", "inv(A).T"),
    ("A: (n, n); b: (n,); a: (n,); L = a @ solve(A, b)", "b", "solve(A.T, a)"),
    ("x: (n,); L = norm(x)", "x", "x/L"),
])
def test_the_short_forms_come_out(text: str, wrt: str, form: str) -> None:
    d = sg.derive(text, wrt)
    assert str(d.expression) == form
    assert d.verify().ok


@pytest.mark.parametrize("text", [
    "E: (v, d); idx: int(n,); W: (d, k); y: int(n,); L = mean(cross_entropy(E[idx] @ W, y))",
    "x: (n,); w: (n + 1,); L = sum(w[1:]*exp(x)*w[:-1] + w[:n]**2)",
    "x: (n, d); w: (2*n,); L = sum(w*reshape(stack([max(x, axis=1), min(x, axis=1)]), (2*n,)))",
    "A: (n, n); b: (n,); L = sum(solve(A @ A.T + eye(n), b)**2) + logdet(A @ A.T + eye(n))",
    "x: (4, d); w: (d,); L = sum(w*(x[0] - x[::2][1])**2) + sum(x[::-1]*cumsum(x, axis=0))",
    "x: (n, d); L = sum(std(x, axis=0)*var(x, axis=0, ddof=1))",
])
def test_compositions_verify_and_compare(text: str) -> None:
    d = sg.derive(text)
    verification = d.verify()
    assert verification.ok, verification
    net = sg.parse(text)
    again = sg.derive(net)
    assert [str(again[n].expression) for n in again.wrt] == [str(d[n].expression) for n in d.wrt]


def test_labels_that_are_no_labels_are_refused() -> None:
    with pytest.raises(ShapeError, match="declare y: int"):
        sg.parse("z: (n, k); y: (n,); L = mean(cross_entropy(z, y))")
