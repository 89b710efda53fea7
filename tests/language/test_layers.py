"""Losses and layers over functions of whole arrays, written in the language: values and gradients of the corpus.

Each text is the formula of the data file in the words of a user; none has a gradient of its own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symgrad as sg
from symgrad.errors import ShapeError

DATA = json.loads((Path(__file__).parent.parent / "data" / "losses_and_layers.json").read_text(encoding="utf-8"))
CASES: dict[str, dict[str, Any]] = {c["id"]: c for c in DATA["cases"]}
NORMED = "({0} - mean({0}, axis={1}, keepdims=True))/sqrt(var({0}, axis={1}, keepdims=True) + 1e-5)*g_ + b"

TEXTS = {
    "softmax": "Y = softmax(x)",
    "logsumexp": "Y = logsumexp(x, axis=-1)",
    "glu": "Y = x[:, :4]*sigmoid(x[:, 4:])",
    "softmax_ce_int": "Y = mean(cross_entropy(z, y))",
    "softmax_ce_temperature": "Y = mean(cross_entropy(z/t, y))",
    "focal_multiclass": "l = log_softmax(z); h = one_hot(y, 5); p = sum(h*exp(l), axis=1); q = sum(h*l, axis=1);"
                        "Y = mean(-(1 - p)**2*q)",
    "kl_softmax_logits": "Y = mean(sum(q*(log(q) - log_softmax(z)), axis=1))",
    "triplet_l2": "Y = mean(maximum(norm(a - p, axis=1) - norm(a - n, axis=1) + 1, 0))",
    "contrastive_pair": "d = norm(a - b, axis=1); Y = mean(y*d**2 + (1 - y)*maximum(1 - d, 0)**2)",
    "infonce": "u = a/norm(a, axis=1, keepdims=True); v = b/norm(b, axis=1, keepdims=True); S = u @ v.T/0.2;"
               "Y = mean(logsumexp(S, axis=1) - diag(S))",
    "nt_xent": "w = concatenate([a, b], axis=0); u = w/norm(w, axis=1, keepdims=True); S = u @ u.T/0.5;"
               "M = where(eye(8) > 0, -1e30, S); P = concatenate([diag(S[:4, 4:]), diag(S[4:, :4])]);"
               "Y = mean(logsumexp(M, axis=1) - P)",
    "entropy_reg": "p = softmax(z); Y = mean(sum(p*log(p), axis=1))",
    "layer_norm": "Y = " + NORMED.format("x", -1),
    "batch_norm_train": "Y = " + NORMED.format("x", 0),
    "attention": "Y = softmax(q @ k.T/sqrt(4)) @ v",
    "multi_head_attention": 'q = einsum("nd,dhe->hne", x, Wq); k = einsum("nd,dhe->hne", x, Wk);'
                            'v = einsum("nd,dhe->hne", x, Wv); P = softmax(einsum("hne,hme->hnm", q, k)/sqrt(3));'
                            'Y = einsum("hne,hed->nd", einsum("hnm,hme->hne", P, v), Wo)',
    "lstm_cell": "z = x @ W + h @ U + b; i = sigmoid(z[:, :4]); f = sigmoid(z[:, 4:8]); o = sigmoid(z[:, 8:12]);"
                 "g = tanh(z[:, 12:]); cn = f*c + i*g; Y = concatenate([o*tanh(cn), cn], axis=1)",
    "soft_moe": 'P = softmax(x @ G); Y = einsum("ne,nd,edo->no", P, x, W)',
    "weight_norm_dense": "Y = x @ (g_*v/norm(v, axis=0))",
    "squeeze_excite": "Y = x*sigmoid(relu(mean(x, axis=(2, 3)) @ W1) @ W2)[:, :, None, None]",
    "conv1d": 'X = stack([x[:, :, 0:6], x[:, :, 1:7], x[:, :, 2:8]], axis=3); Y = einsum("bclk,ock->bol", X, w)',
    "avg_pool2d": "X = reshape(x, (2, 3, 2, 2, 3, 2)); Y = mean(X, axis=(3, 5))",
    "gaussian_mixture_1d": "r = (x[:, None] - m)/exp(s); Y = -sum(logsumexp(log_softmax(w) - s - r**2/2, axis=1))",
    "ica_loglik": "Y = -6*logdet(W) + sum(log(cosh(X @ W.T)))",
    "rosenbrock": "Y = sum(100*(x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2)",
    "speelpenning": "Y = prod(x)",
    "rodrigues": "t = norm(r); k = r/t; K = concatenate([k[1:2]*x[2:] - k[2:]*x[1:2], k[2:]*x[:1] - k[:1]*x[2:],"
                 "k[:1]*x[1:2] - k[1:2]*x[:1]]); Y = x*cos(t) + K*sin(t) + k*sum(k*x)*(1 - cos(t))",
    "kernel_ridge": "Y = sum((K @ a - y)**2) + 0.1*sum(a*(K @ a))",
    "pca_reconstruction": "Y = norm(X - X @ W @ W.T)**2",
    "bradley_terry": "Y = -sum(W*log(sigmoid(s[:, None] - s)))",
    "swiglu": "a = x @ W; Y = (a*sigmoid(a)*(x @ V)) @ U",
    "factorization_machine": "Y = w0 + x @ w + sum((x @ V)**2 - x**2 @ V**2, axis=1)/2",
    "lora_dense": "Y = x @ W0 + x @ A @ B*2",
}


def network(name: str) -> tuple[str, str, list[str]]:
    """Return the text of a case, the name of its loss, and the inputs to differentiate by."""
    case = CASES[name]
    declared = []
    for v, i in case["inputs"].items():
        shape = ", ".join(map(str, i["shape"])) + ("," if len(i["shape"]) == 1 else "")
        declared.append(f"{v}: {'int' if i['dtype'] == 'int' else ''}({shape})")
    tail = "; L_ = sum(cot*Y)" if case["scalarised"] else "; L_ = Y"
    wrt = [v for v, i in case["inputs"].items() if i["differentiable"] and v in case["gradient"]]
    return "; ".join(declared) + "; " + TEXTS[name] + tail, "L_", wrt


def arrays(name: str) -> dict[str, Any]:
    return {v: np.array(i["value"], dtype=np.int64 if i["dtype"] == "int" else np.float64).reshape(i["shape"])
            for v, i in CASES[name]["inputs"].items()}


def test_the_texts_are_counted() -> None:
    assert len(CASES) == 97
    assert len(TEXTS) == 33
    assert set(TEXTS) <= set(CASES)


@pytest.mark.parametrize("name", TEXTS)
def test_value_and_gradient_are_the_reference(name: str) -> None:
    case = CASES[name]
    text, _, wrt = network(name)
    kernel = sg.compile(text, wrt=wrt)
    value, grads = kernel(**{k: v for k, v in arrays(name).items() if k in sg.parse(text).inputs})
    assert abs(value - case["value"]) <= 1e-10 * (1 + abs(case["value"]))
    for v in wrt:
        told = np.array(case["gradient"][v]).reshape(case["inputs"][v]["shape"])
        scale = np.abs(told).max() + 1e-3
        assert np.abs(grads[v] - told).max() <= 1e-9 * scale, v


@pytest.mark.parametrize(("text", "wrt", "form"), [
    ("z: (n, k); y: (n, k); L = mean(cross_entropy(z, y))", "z", "(sum(y, axis=1)[:, None]*softmax(z) - y)/n"),
    ("z: (k,); y: (k,); L = cross_entropy(z, y)", "z", "softmax(z)*sum(y) - y"),
    ("x: (n, d); w: (n,); L = sum(w*logsumexp(x, axis=1))", "x", "w[:, None]*softmax(x)"),
    ("z: (k,); g: (k,); L = sum(g*softmax(z))", "z", "softmax(z)*(g - L)"),
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
