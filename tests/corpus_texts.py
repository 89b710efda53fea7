"""The cases of losses_and_layers.json as a user would type them; none has a gradient of its own.

Inputs bear the names of the data file; the output is Y, and where the file says so the loss is sum(cot*Y).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

DATA = json.loads((Path(__file__).parent / "data" / "losses_and_layers.json").read_text(encoding="utf-8"))
CASES: dict[str, dict[str, Any]] = {c["id"]: c for c in DATA["cases"]}

ROTATED = "t = norm(r); k = r/t; R = {0}*cos(t) + cross(k, {0})*sin(t) + k*dot(k, {0})*(1 - cos(t))"
TEXTS = {
    # activations
    "tanh": "Y = tanh(x)",
    "relu": "Y = relu(x)",
    "leaky_relu": "Y = leaky_relu(x)",
    "prelu": "Y = leaky_relu(x, a)",
    "elu": "Y = elu(x)",
    "selu": "Y = selu(x)",
    "celu": "Y = celu(x, alpha=2)",
    "gelu_exact": "Y = gelu(x)",
    "mish": "Y = mish(x)",
    "softplus": "Y = softplus(x)",
    "softplus_beta": "Y = softplus(3*x)/3",
    "softsign": "Y = softsign(x)",
    "hardsigmoid": "Y = hardsigmoid(x)",
    "hardswish": "Y = hardswish(x)",
    "relu6": "Y = relu6(x)",
    "tanhshrink": "Y = x - tanh(x)",
    "gaussian_rbf": "Y = exp(-x**2)",
    "softmax": "Y = softmax(x)",
    "logsumexp": "Y = logsumexp(x, axis=-1)",
    "glu": "Y = glu(x)",
    # losses
    "mse": "Y = mean(mse(p, y))",
    "huber": "Y = mean(huber(p, y, delta=0.8))",
    "smooth_l1": "Y = mean(smooth_l1(p, y, beta=0.5))",
    "log_cosh": "Y = mean(log_cosh(p, y))",
    "geman_mcclure": "d = p - y; Y = mean(d**2/(1 + d**2))",
    "msle": "Y = mean(msle(p, y))",
    "bce": "Y = mean(bce(p, y))",
    "bce_pos_weight": "Y = mean(bce_with_logits(z, y, pos_weight=3))",
    "focal_binary": "Y = mean(focal_with_logits(z, y, gamma=2, alpha=0.25))",
    "hinge": "Y = mean(hinge(z, y))",
    "squared_hinge": "Y = mean(squared_hinge(z, y))",
    "softmax_ce_int": "Y = mean(cross_entropy(z, y))",
    "softmax_ce_temperature": "Y = mean(cross_entropy(z/t, y))",
    "focal_multiclass": "Y = mean(softmax_focal(z, y))",
    "kl_softmax_logits": "Y = mean(sum(q*(log(q) - log_softmax(z)), axis=1))",
    "gaussian_nll": "Y = mean(gaussian_nll_logvar(m, y, s))",
    "laplace_nll": "Y = mean(laplace_nll(m, y, b))",
    "poisson_nll": "Y = mean(poisson_nll(z, y))",
    "student_t_nll": "v = 4; Y = mean((v + 1)/2*log(1 + ((y - m)/s)**2/v) + log(s))",
    "triplet_l2": "Y = mean(triplet(a, p, n))",
    "contrastive_pair": "Y = mean(contrastive(a, b, y))",
    "infonce": "Y = mean(infonce(a, b, temperature=0.2))",
    "nt_xent": "Y = mean(nt_xent(a, b, temperature=0.5))",
    "dice": "Y = dice(sigmoid(z), y)",
    "tversky": "Y = tversky(sigmoid(z), y, alpha=0.3, beta=0.7)",
    "ppo_clip": "r = exp(lp - lo); Y = -mean(minimum(r*a, clip(r, 0.8, 1.2)*a))",
    "evidential_dirichlet_mse": "alpha = softplus(z) + 1; S = sum(alpha, axis=1, keepdims=True); p = alpha/S;"
                                "Y = mean(sum((one_hot(y, 5) - p)**2 + p*(1 - p)/(S + 1), axis=1))",
    "gamma_nll_shape": "Y = mean(lgamma(a) - (a - 1)*log(y) + y)",
    "gan_nonsaturating": "Y = mean(softplus(-df))",
    "entropy_reg": "p = softmax(z); Y = mean(sum(p*log(p), axis=1))",
    # layers
    "dense": "Y = dense(x, W, b)",
    "layer_norm": "Y = layer_norm(x, g_, b)",
    "batch_norm_train": "Y = batch_norm(x, g_, b)",
    "batch_norm_eval": "Y = batch_norm(x, g_, b, mean=mu, var=s2)",
    "attention": "Y = attention(q, k, v)",
    "causal_attention": "Y = attention(q, k, v, causal=True)",
    "multi_head_attention": "Y = multi_head_attention(x, Wq, Wk, Wv, Wo)",
    "linear_attention": "a = elu(q) + 1; c = elu(k) + 1; Y = (a @ (c.T @ v))/(a @ sum(c, axis=0))[:, None]",
    "swiglu": "Y = swiglu(x, W, V, U)",
    # the gates of the file stand in the order i, f, o, g
    "lstm_cell": "z = x @ W + h @ U + b; i = sigmoid(z[:, :4]); f = sigmoid(z[:, 4:8]); o = sigmoid(z[:, 8:12]);"
                 "g = tanh(z[:, 12:]); cn = f*c + i*g; Y = concatenate([o*tanh(cn), cn], axis=1)",
    "rnn_unrolled": "; ".join([*(f"h{t + 1} = rnn_cell(x[{t}], h{t}, W, U, b)" for t in range(5)),
                               "Y = (" + " + ".join(f"sum(mse(h{t + 1} @ V, y[{t}]))" for t in range(5)) + ")/2"]),
    "conv1d": "Y = conv1d(x, w)",
    "conv2d": "Y = conv2d(x, w) + b[:, None, None]",
    "avg_pool2d": "Y = avg_pool2d(x, 2)",
    "highway": "Y = highway(x, W, V, b)",
    "factorization_machine": "Y = factorization_machine(x, w0, w, V)",
    "squeeze_excite": "Y = x*sigmoid(relu(mean(x, axis=(2, 3)) @ W1) @ W2)[:, :, None, None]",
    "soft_moe": 'P = softmax(x @ G); Y = einsum("ne,nd,edo->no", P, x, W)',
    "lora_dense": "Y = x @ W0 + x @ A @ B*2",
    "weight_norm_dense": "Y = x @ (g_*v/norm(v, axis=0))",
    "rope": "A = arange(5)[:, None]*10000**(-arange(2)/2);"
            "a = x[:, :2]; b = x[:, 2:]; Y = concatenate([a*cos(A) - b*sin(A), a*sin(A) + b*cos(A)], axis=1)",
    # classical models
    "ridge": "Y = sum(mse(X @ w, y)) + 0.3*sum(w**2)",
    "lasso": "Y = sum(mse(X @ w, y))/2 + 0.3*norm(w, 1)",
    "svm_primal": "Y = norm(w)**2/2 + 2*sum(hinge(X @ w + b, y))",
    "cox_partial": "s = X @ w; M = where(triu(ones((8, 8))), s, -inf); Y = sum(logsumexp(M, axis=1) - s)",
    "gmm_adbench": "d = x[:, None, :] - mu; u = exp(q[:, 0])*d[:, :, 0];"
                   "v = l[:, 0]*d[:, :, 0] + exp(q[:, 1])*d[:, :, 1];"
                   "S = a + sum(q, axis=1) - (u**2 + v**2)/2;"
                   "Y = sum(logsumexp(S, axis=1)) - 6*logsumexp(a) + (sum(exp(q)**2) + sum(l**2))/2",
    "kalman_nll": "; ".join([
        "Q = exp(lq)*eye(2); I = eye(2); m0 = zeros((2,)); P0 = eye(2)",
        *(f"a{t} = F @ m{t}; A{t} = F @ P{t} @ F.T + Q; e{t} = y[{t}] - H @ a{t}; s{t} = H @ A{t} @ H + exp(lr);"
          f"k{t} = A{t} @ H/s{t}; m{t + 1} = a{t} + k{t}*e{t}; P{t + 1} = (I - outer(k{t}, H)) @ A{t}"
          for t in range(5)),
        "Y = " + " + ".join(f"(log(2*pi*s{t}) + e{t}**2/s{t})/2" for t in range(5))]),
    "masked_mf": "Y = sum(M*(T - U @ V.T)**2) + 0.1*(sum(U**2) + sum(V**2))",
    "pca_reconstruction": "Y = norm(X - X @ W @ W.T)**2",
    "ica_loglik": "Y = -6*logdet(W) + sum(log(cosh(X @ W.T)))",
    "crf_chain_nll": "; ".join([
        "h = one_hot(y, 3); a0 = E[0]",
        *(f"a{t} = logsumexp(a{t - 1}[:, None] + Tm, axis=0) + E[{t}]" for t in range(1, 6)),
        "Y = logsumexp(a5) - sum(h*E) - sum((h[:-1] @ Tm)*h[1:])"]),
    "hmm_nll": "; ".join([
        "A = log_softmax(lT); B = take(log_softmax(lE), obs, axis=1); a0 = log_softmax(lp) + B[:, 0]",
        *(f"a{t} = logsumexp(a{t - 1}[:, None] + A, axis=0) + B[:, {t}]" for t in range(1, 7)),
        "Y = -logsumexp(a6)"]),
    "bradley_terry": "Y = -sum(W*log(sigmoid(s[:, None] - s)))",
    "kernel_ridge": "Y = sum((K @ a - y)**2) + 0.1*sum(a*(K @ a))",
    "gaussian_mixture_1d": "r = (x[:, None] - m)/exp(s); Y = -sum(logsumexp(log_softmax(w) - s - r**2/2, axis=1))",
    # robotics and optimisation
    "arm2_ik_cost": "a = t[0]; b = a + t[1]; f = stack([l[0]*cos(a) + l[1]*cos(b), l[0]*sin(a) + l[1]*sin(b)]);"
                    "Y = sum((f - p)**2)/2",
    "quat_rotate_unnormalised": "w = q[0]; u = q[1:]; Y = (w**2 - dot(u, u))*v + 2*dot(u, v)*u + 2*w*cross(u, v)",
    "quat_rotate_normalised": "n = normalize(q); w = n[0]; u = n[1:];"
                              "Y = (w**2 - dot(u, u))*v + 2*dot(u, v)*u + 2*w*cross(u, v)",
    "rodrigues": ROTATED.format("x") + "; Y = R",
    "ba_reprojection": "r = cam[0:3]; c = X - cam[3:6]; " + ROTATED.format("c") + "; p = R[:2]/R[2]; d = dot(p, p);"
                       "m = cam[6]*p*(1 + cam[9]*d + cam[10]*d**2) + cam[7:9];"
                       "Y = concatenate([w*(m - feat), stack([1 - w**2])])",
    "se2_bearing": "d = Lm - p; u = cos(t)*d[0] + sin(t)*d[1]; v = cos(t)*d[1] - sin(t)*d[0];"
                   "Y = (sqrt(u**2 + v**2) - rng)**2",
    "pendulum2_energy": "Y = d[0]**2 + d[1]**2/2 + d[0]*d[1]*cos(q[0] - q[1]) - 9.81*(2*cos(q[0]) + cos(q[1]))",
    "bearing_atan2": "Y = (arctan2(L[1] - p[1], L[0] - p[0]) - z)**2",
    "rosenbrock": "Y = sum(100*(x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2)",
    "speelpenning": "Y = prod(x)",
    "helmholtz_energy": "u = dot(b, x); Y = sum(x*log(x/(1 - u)))"
                        "- x @ A @ x/(sqrt(8)*u)*log((1 + (1 + sqrt(2))*u)/(1 + (1 - sqrt(2))*u))",
    "spring_chain": "Y = sum((norm(x[1:] - x[:-1], axis=1) - 1)**2)/2 + 9.81*sum(x[:, 1])",
}


def network(name: str) -> tuple[str, list[str]]:
    """Return the text of a case, and the inputs to differentiate by."""
    case = CASES[name]
    declared = []
    for v, i in case["inputs"].items():
        shape = ", ".join(map(str, i["shape"])) + ("," if len(i["shape"]) == 1 else "")
        declared.append(f"{v}: {'int' if i['dtype'] == 'int' else ''}({shape})")
    tail = "; L_ = sum(cot*Y)" if case["scalarised"] else ""
    wrt = [v for v, i in case["inputs"].items() if i["differentiable"] and v in case["gradient"]]
    return "; ".join(declared) + "; " + TEXTS[name] + tail, wrt


def arrays(name: str) -> dict[str, Any]:
    """Return the inputs of a case."""
    return {v: np.array(i["value"], dtype=np.int64 if i["dtype"] == "int" else np.float64).reshape(i["shape"])
            for v, i in CASES[name]["inputs"].items()}
