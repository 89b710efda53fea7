"""Index notation: how formulas read, and that each says the value of its node, by a reader of its own."""

import random

import numpy as np
import pytest

import symgrad as sg
from symgrad.engine.evaluate import distinct_sizes, evaluate, random_env
from symgrad.graph.node import (
    apply,
    broadcast_to,
    einsum,
    identity,
    make,
    reduce_mean,
    reduce_sum,
    size,
    topological,
    var,
)
from symgrad.render.index import Alphabet, Indexed, sizes_in
from symgrad.render.index_tex import node_to_index_latex, with_index
from symgrad.render.index_text import TextPen
from symgrad.rules.arrays import ARRAY_FUNCTIONS, BY_NAME
from symgrad.shapes import evaluate as size_value
from tests.render.index_reader import Reader

A, B, S, T = var("A", ("m", "k")), var("B", ("k", "p")), var("S", ("p", "p")), var("T", ("p", "p"))
x, y, X = var("x", ("p",)), var("y", ("p",)), var("X", ("m", "p"))
b, row, one = var("b", ("m", 1)), var("r", (1, "p")), var("o", (1, 1))
Q, K = var("Q", ("b", "m", "d")), var("K", ("b", "k", "d"))
idx = var("idx", ("q",), "int")


def written(node):
    writer = Indexed(TextPen(), alphabet=Alphabet(sizes_in([node])))
    letters = writer.free(node.shape)
    text, where = writer.equations(node, letters)
    return writer, writer.indices(letters), text, where


def says(node, text, index, alphabet, seed=0, more=0):
    """Whether the text has the value of the node at every place."""
    sizes = {s: d + more for s, d in distinct_sizes([node]).items()}
    point = random_env([node], random.Random(seed), sizes, 30)  # noqa: S311  # test points
    known = {v: v.name for v in point}
    values = evaluate([node, *known], point, sizes=sizes)
    arrays = {s: np.squeeze(v.astype(float)) for s, v in zip(known.values(), values[1:])}
    letters = {c: size_value(d, sizes) for d, own in alphabet.own.items() for c in own}
    want = np.squeeze(values[0].astype(float))
    reader = Reader(arrays, letters, sizes)
    got = np.empty(want.shape)
    for place in np.ndindex(want.shape):
        got[place] = reader.value(text, **dict(zip(index, place)))
    return bool(np.all(np.abs(got - want) <= 1e-12 * (1 + np.abs(want)) * len(text)))


FORMULAS = [
    (A @ B, "sum_l A[i,l]*B[l,j]", r"\sum_{l} A_{il} B_{lj}"),
    (X + b, "X[i,j] + b[i]", "X_{ij} + b_{i}"),
    (X + row, "X[i,j] + r[j]", "X_{ij} + r_{j}"),
    (row + one, "r[i] + o", "r_{i} + o"),
    (X - reduce_mean(X, 1, True), "X[i,j] - sum_k X[i,k]/p", r"X_{ij} - \frac{1}{p} \sum_{k} X_{ik}"),
    (einsum(["ii"], [S], []), "sum_i S[i,i]", r"\sum_{i} S_{ii}"),
    (einsum(["i"], [x], "ii"), "delta[i,j]*x[i]", r"\delta_{ij} x_{i}"),
    (identity("p"), "delta[i,j]", r"\delta_{ij}"),
    (identity("p") @ S, "S[i,j]", "S_{ij}"),
    (einsum(["i"], [x], "ii") - einsum(["i", "j"], [x, x], "ij"), "delta[i,j]*x[i] - x[i]*x[j]",
     r"\delta_{ij} x_{i} - x_{i} x_{j}"),
    (einsum(["bqd", "bkd"], [Q, K], "bqk"), "sum_p Q[i,j,p]*K[i,l,p]", r"\sum_{p} Q_{ijp} K_{ilp}"),
    (BY_NAME["softmax"](X, axis=1), "softmax_j(X[i,j])", r"\operatorname{softmax}_{j}(X_{ij})"),
    (BY_NAME["softmax"](X, axis=0), "softmax_i(X[i,j])", r"\operatorname{softmax}_{i}(X_{ij})"),
    (einsum(["ii"], [BY_NAME["softmax"](S, axis=1)], "i"), "softmax_j(S[i,j])[j=i]",
     r"\bigl[\operatorname{softmax}_{j}(S_{ij})\bigr]_{j=i}"),
    (BY_NAME["max"](X, axis=1), "max_j(X[i,j])", r"\max_{j}(X_{ij})"),
    (BY_NAME["inv"](S) @ x, "sum_j inv(S)[i,j]*x[j]", r"\sum_{j} [S^{-1}]_{ij} x_{j}"),
    (BY_NAME["logdet"](S) * x, "logdet(S)*x[i]", r"\bigl(\log\det(S)\bigr) x_{i}"),
    (sg.parse("x: (p,); y = cumsum(x)").output, "sum_j<=i x[j]", r"\sum_{j \le i} x_{j}"),
    (sg.parse("x: (p,); y = cumsum(x[::-1])[::-1]").output, "sum_j>=i x[j]", r"\sum_{j \ge i} x_{j}"),
    (sg.parse("x: (p,); y = x[2:p:1] - x[0:p-2]").output, "x[i+2] - x[i]", "x_{i+2} - x_{i}"),
    (sg.parse("x: (p,); y = x[::-1]").output, "x[p-1-i]", "x_{p-1-i}"),
    (sg.parse("X: (m, p); y = X[:, 1]").output, "X[i,1]", "X_{i,1}"),
    (BY_NAME["take"](X, idx, axis=0), "X[idx[i],j]", r"X_{\mathrm{idx}_{i},j}"),
    (BY_NAME["one_hot"](idx, k=4), "delta[idx[i],j]", r"\delta_{\mathrm{idx}_{i},j}"),
    (einsum(["ij", "jk"], [BY_NAME["one_hot"](idx, k=4), var("E", (4, "p"))], "ik"), "E[idx[i],j]",
     r"E_{\mathrm{idx}_{i},j}"),
    (-reduce_sum(x * y) / size("p"), "-sum_i x[i]*y[i]/p", r"-\frac{1}{p} \sum_{i} x_{i} y_{i}"),
    (x / reduce_sum(x), "x[i]/(sum_j x[j])", r"\frac{x_{i}}{\sum_{j} x_{j}}"),
    (reduce_sum(x) / reduce_sum(y), "(sum_i x[i])/(sum_i y[i])", r"\frac{\sum_{i} x_{i}}{\sum_{i} y_{i}}"),
    (reduce_sum(x) * y, "y[i]*sum_j x[j]", r"y_{i} \sum_{j} x_{j}"),
    (reduce_sum(x + y) ** 2, "(sum_i (x[i] + y[i]))**2", r"\left( \sum_{i} (x_{i} + y_{i}) \right)^{2}"),
    (reduce_sum(-x), "-sum_i x[i]", r"-\sum_{i} x_{i}"),
    (BY_NAME["pad"](reduce_sum(X, 1, True), widths=((1, 2), (1, 0))), "sum_k delta[1,j]*[1<=i<m+1]*X[i-1,k]", None),
    (BY_NAME["pad"](x, widths=((1, 2),)), "[1<=i<p+1]*x[i-1]", r"[1 \le i < p+1] x_{i-1}"),
]


@pytest.mark.parametrize(("node", "text", "latex"), FORMULAS, ids=[t for _, t, _ in FORMULAS])
def test_formulas_read_as_in_a_textbook(node, text, latex):
    node = getattr(node, "node", node)
    writer, index, found, where = written(node)
    assert (found, where) == (text, [])
    assert latex is None or node_to_index_latex(node)[1] == latex
    assert says(node, found, index, writer.alphabet, more=2)  # so that p - 2 is not 1


def _random_node(rng):
    """An expression of sums of products with repeated indices, deltas, axes of size 1 and functions between."""
    dims = {"a": "n", "b": "m", "c": 3, "e": 1, "f": "n"}

    def leaf():
        labels = rng.choices("abcef", k=rng.randint(0, 3))
        shape = tuple(dims[c] for c in labels)
        return labels, var(f"V{len(shape)}_{''.join(map(str, shape))}", shape)

    def product(parts):
        ins = [labels for labels, _ in parts]
        seen = sorted({c for labels in ins for c in labels})
        out = rng.choices([*seen, "a", "e"], k=rng.randint(0, 3))
        return out, einsum(ins, [n for _, n in parts], out, {c: dims[c] for c in out})

    parts = [leaf() for _ in range(3)]
    for _ in range(3):
        chosen = rng.sample(range(len(parts)), 2)
        labels, node = product([parts[k] for k in chosen])
        if rng.random() < 0.5:
            node = rng.choice([lambda n: apply("tanh", n), lambda n: n * n - 2, lambda n: -n, lambda n: 1 / (n * n + 1),
                               lambda n: n - reduce_sum(n)])(node)
        parts.append((labels, node))
    return parts[-1][1]


@pytest.mark.parametrize("seed", range(40))
def test_random_sums_of_products_say_their_value(seed):
    node = _random_node(random.Random(seed))  # noqa: S311  # test cases
    writer, index, text, where = written(node)
    assert where == []
    assert says(node, text, index, writer.alphabet, seed=seed), text


@pytest.mark.parametrize("row", [f for f in ARRAY_FUNCTIONS if f.entry is not None], ids=lambda f: f.name)
def test_rows_that_say_their_entry_say_its_value(row):
    args, options = row.placeholders()
    node = row(*args, **options)
    writer, index, text, _ = written(node)
    assert says(node, text, index, writer.alphabet, more=2), text


NETWORK = """X: (2, n); Y: (1, n); W1: (h, 2); b1: (h, 1); W2: (1, h); b2: (1, 1)
Z1 = W1 @ X + b1
A1 = tanh(Z1)
P = sigmoid(W2 @ A1 + b2)
L = mean(bce(P, Y))"""
ROWS = """X: (n, d); Y: (n, k); W1: (d, h); b1: (h,); W2: (h, k); b2: (k,)
A1 = tanh(X @ W1 + b1)
P = sigmoid(A1 @ W2 + b2)
L = mean(bce(P, Y))"""
ATTENTION = """Q: (b, n, d); K: (b, m, d); V: (b, m, e); C: (b, n, e)
S = einsum("bqd,bkd->bqk", Q, K) / sqrt(d)
P = softmax(S)
L = sum(C * einsum("bqk,bke->bqe", P, V))"""


@pytest.mark.parametrize("text", [NETWORK, ROWS, ATTENTION])
def test_every_line_without_a_pending_derivative_says_its_value(text):
    record = sg.derive(text).record
    sizes = distinct_sizes([record.loss])
    point = random_env([record.loss], random.Random(1), sizes, 30)  # noqa: S311  # test points
    bars = {make("bar", (record.loss, t), (), t.shape): record.resolved[t] for t in record.values}
    known = {**{v: v for v in point}, **{n: n for n in record.names}, **bars}
    values = dict(zip(known, evaluate(list(known.values()), point, sizes=sizes)))
    names = {**{v: v.name for v in point}, **record.names}
    loss = record.names[record.loss]
    arrays = {(f"d{loss}/d{names[n.args[1]]}" if n.op == "bar" else names[n]): np.squeeze(v.astype(float))
              for n, v in values.items()}
    writer = Indexed(TextPen(), record.names, alphabet=Alphabet({*names.values(), *sizes_in([record.loss])}))
    seen = 0
    for target, steps in record.blocks():
        for step in steps:
            if any(n.op == "pull" for n in topological([step.after])):
                continue
            letters = writer.free(target.shape)
            text, where = writer.equations(step.after, letters, expand_root=False)
            own = {c: size_value(d, sizes) for d, names_of in writer.alphabet.own.items() for c in names_of}
            reader = Reader(arrays, own, sizes)
            want = np.squeeze(values[make("bar", (record.loss, target), (), target.shape)].astype(float))
            for place in np.ndindex(want.shape):
                got = reader.value(text, **dict(zip(writer.indices(letters), place)))
                assert abs(got - want[place]) <= 1e-11 * (1 + abs(want[place])), text
            assert where == []
            seen += 1
    assert seen > 8


def test_a_swapped_index_is_seen():
    node = A @ B + X
    writer, index, text, _ = written(node)
    assert text == "sum_l A[i,l]*B[l,j] + X[i,j]"
    assert says(node, text, index, writer.alphabet)
    for wrong in ("sum_l A[l,i]*B[l,j] + X[i,j]", "sum_l A[i,l]*B[l,j] + X[j,i]", "sum_l A[i,l]*B[l,j] - X[i,j]"):
        assert not says(node, wrong, index, writer.alphabet)
    square = S @ T.T
    writer, index, text, _ = written(square)
    assert text == "sum_k S[i,k]*T[j,k]"
    assert says(square, text, index, writer.alphabet)
    assert not says(square, text.replace("T[j,k]", "T[k,j]"), index, writer.alphabet)
    assert not says(square, text, index[::-1], writer.alphabet)


def test_pending_derivatives_sum_over_the_indices_that_are_not_tied():
    record = sg.derive(ROWS, ["W1", "b1"]).record
    writer = Indexed(TextPen(), record.names, alphabet=Alphabet(
        {*record.names.values(), *sizes_in([record.loss])}, [w.shape for w in record.wrt]))
    lines = []
    for target, steps in record.blocks():
        letters = writer.free(target.shape)
        lines += [writer.equations(s.after, letters, expand_root=False)[0] for s in steps]
    assert "sum_l dL/dZ[l,j] * d(sum_t X[l,t]*W1[t,j])/dW1[i,j]" in lines
    assert "dL/dA1[l,j] * dA1[l,j]/dZ[l,j]" in lines


def test_letters_belong_to_sizes_and_avoid_names():
    _, index, text, _ = written(var("i", ("n", "m")) @ var("j", ("m", "k")))
    assert index == ["l", "p"]
    assert text == "sum_q i[l,q]*j[q,p]"


def test_shared_parts_become_equations_of_their_own():
    node = x
    for _ in range(12):
        node = apply("tanh", node * node + reduce_sum(node))
    _, index, text, where = written(node)
    assert index == ["i"]
    assert where[0][0].startswith("t1")
    assert len(text) + sum(len(a) + len(b) for a, b in where) < 4000
    deep = x
    for _ in range(20_000):
        deep = deep + y
    _, _, text, where = written(deep)
    assert len(where) > 100


def test_a_name_takes_its_indices_behind_its_subscript():
    assert with_index(r"W^{(1)}", ["i", "j"]) == r"W^{(1)}_{ij}"
    assert with_index(r"x_{1}^{\star}", ["i"]) == r"x_{1,i}^{\star}"
    assert with_index(r"\mathrm{learning\_rate}", ["i"]) == r"\mathrm{learning\_rate}_{i}"
    assert with_index(r"\theta_{\mathrm{max}_{0}}", ["i"]) == r"\theta_{\mathrm{max}_{0},i}"
    assert with_index(r"\hat{y_{0}}", ["i"]) == r"[\hat{y_{0}}]_{i}"


def test_broadcasts_bear_no_index():
    assert written(broadcast_to(one, ("m", "p")))[2] == "o"
