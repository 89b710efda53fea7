"""Layers as rows of data: each is a graph of products, sums and functions; none has a derivative of its own.

The examples are the rows of x: (n, d), features along the last axis, weights (in, out): x @ W + b.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from symgrad.errors import ShapeError
from symgrad.graph.node import Node, apply, const, describe, einsum, reduce_mean, reduce_sum, size, transpose
from symgrad.language.composite import Composite, needs_rank, whole
from symgrad.language.losses import FAR_BELOW, normalised
from symgrad.rules.arrays import BY_NAME as ARRAYS
from symgrad.rules.row import Option, axes, axis
from symgrad.shapes import normalise_axes, show

LAST = axis(-1)
CAUSAL = Option("causal", "Flag", False, "causal")


def _f(name: str, *args: Node | int | float) -> Node:
    return apply(name, *args)


def _plus(x: Node, b: Node | None) -> Node:
    return x if b is None else x + b


def _dense(x: Node, W: Node, b: Node | None = None) -> Node:
    return _plus(x @ W, b)


def _linear(x: Node, W: Node, b: Node | None = None) -> Node:
    return _plus(x @ W.T, b)


def _bilinear(x: Node, y: Node, W: Node, b: Node | None = None) -> Node:
    if W.rank != 3 or x.rank != y.rank or not x.rank:
        raise ShapeError(f"bilinear takes x (..., i), y (..., j) and W (o, i, j); got {show(x.shape)}, {show(y.shape)} "
                         f"and {show(W.shape)}")
    lead = [("row", k) for k in range(x.rank - 1)]
    return _plus(einsum([[*lead, "i"], ["o", "i", "j"], [*lead, "j"]], [x, W, y], [*lead, "o"]), b)


def _highway(x: Node, W: Node, V: Node, b: Node | None = None) -> Node:
    t = _f("sigmoid", _plus(x @ V, b))
    return t * _f("tanh", x @ W) + (1 - t) * x


def _factorization_machine(x: Node, w0: Node, w: Node, V: Node) -> Node:
    return w0 + x @ w + reduce_sum((x @ V) ** 2 - x**2 @ V**2, -1) / 2


def _embedding(idx: Node, E: Node) -> Node:
    node: Node = ARRAYS["take"](E, idx, axis=0)
    return node


# --- normalisation ----------------------------------------------------------------------------------------------------


def _placed(name: str, w: Node, x: Node, where: tuple[int, ...]) -> Node:
    """Return a scale or shift with its axes at the places `where` of x, repeated along the others."""
    if w.rank == 0 or w.shape == x.shape:
        return w
    if w.shape != tuple(x.shape[k] for k in where):
        wanted = tuple(x.shape[k] for k in where)
        raise ShapeError(f"{name}: {describe(w)} has shape {show(w.shape)}; it scales axes of shape {show(wanted)}")
    return einsum([where], [w], range(x.rank), dict(enumerate(x.shape)))


def _standardised(x: Node, gone: tuple[int, ...], eps: Node) -> Node:
    centred = x - reduce_mean(x, gone, True)
    return centred / _f("sqrt", reduce_mean(centred**2, gone, True) + eps)


def _scaled(name: str, h: Node, gamma: Node | None, beta: Node | None, where: tuple[int, ...]) -> Node:
    if gamma is not None:
        h = h * _placed(name, gamma, h, where)
    return h if beta is None else h + _placed(name, beta, h, where)


def _layer_norm(x: Node, gamma: Node | None, beta: Node | None, eps: Node, *, axis: Any = -1) -> Node:
    needs_rank("layer_norm", x, 1)
    gone = normalise_axes(axis, x.rank, describe(x))
    return _scaled("layer_norm", _standardised(x, gone, eps), gamma, beta, gone)


def _rms_norm(x: Node, gamma: Node | None, eps: Node, *, axis: Any = -1) -> Node:
    needs_rank("rms_norm", x, 1)
    gone = normalise_axes(axis, x.rank, describe(x))
    return _scaled("rms_norm", x / _f("sqrt", reduce_mean(x**2, gone, True) + eps), gamma, None, gone)


def _batch_norm(x: Node, gamma: Node | None, beta: Node | None, mean: Node | None, var: Node | None, eps: Node, *,
                axis: Any = None) -> Node:
    needs_rank("batch_norm", x, 2)
    gone = tuple(k for k in range(x.rank) if k != 1) if axis is None else normalise_axes(axis, x.rank, describe(x))
    kept = tuple(k for k in range(x.rank) if k not in gone)
    if (mean is None) != (var is None):
        raise ShapeError("batch_norm takes a running mean and a running var together, or neither")
    if mean is None or var is None:
        h = _standardised(x, gone, eps)
    else:
        place = tuple(_placed("batch_norm", w, x, kept) for w in (mean, var))
        h = (x - place[0]) / _f("sqrt", place[1] + eps)
    return _scaled("batch_norm", h, gamma, beta, kept)


def _group_norm(x: Node, gamma: Node | None, beta: Node | None, eps: Node, *, groups: Any) -> Node:
    needs_rank("group_norm", x, 2)
    c = x.shape[1]
    if isinstance(c, int) and isinstance(groups, int) and c % groups:
        raise ShapeError(f"group_norm: {c} channels do not fall into {groups} groups")
    each = c // groups if isinstance(c, int) and isinstance(groups, int) else c / groups
    split = ARRAYS["reshape"](x, shape=(x.shape[0], groups, each, *x.shape[2:]))
    h = ARRAYS["reshape"](_standardised(split, tuple(range(2, split.rank)), eps), shape=x.shape)
    return _scaled("group_norm", h, gamma, beta, (1,))


def _dropout(x: Node, mask: Node, p: Node) -> Node:
    return x * mask / (1 - p)


# --- attention --------------------------------------------------------------------------------------------------------


def _attention(Q: Node, K: Node, V: Node, mask: Node | None = None, scale: Node | None = None, *,
               causal: bool = False) -> Node:
    for x in (Q, K, V):
        needs_rank("attention", x, 2)
    if Q.shape[-1] != K.shape[-1] or K.shape[-2] != V.shape[-2]:
        raise ShapeError(f"attention takes Q (..., n, d), K (..., m, d) and V (..., m, e); got {show(Q.shape)}, "
                         f"{show(K.shape)} and {show(V.shape)}")
    s = Q @ transpose(K, (*range(K.rank - 2), K.rank - 1, K.rank - 2))
    s = s / _f("sqrt", size(Q.shape[-1])) if scale is None else s * scale
    if causal:
        s = _masked(s, ARRAYS["tril"](const(1, s.shape[-2:])))
    if mask is not None:
        s = _masked(s, mask)
    return ARRAYS["softmax"](s, axis=-1) @ V


def _masked(s: Node, mask: Node) -> Node:
    """Return the scores, those without weight where the mask is 0."""
    return _f("where", mask, s, FAR_BELOW)


def _multi_head_attention(x: Node, Wq: Node, Wk: Node, Wv: Node, Wo: Node, context: Node | None = None,
                          mask: Node | None = None, *, heads: Any = None, causal: bool = False) -> Node:
    needs_rank("multi_head_attention", x, 2)
    ws = [w if w.rank == 3 else _by_heads(w, heads) for w in (Wq, Wk, Wv)]
    y = x if context is None else context
    lead = [("batch", k) for k in range(x.rank - 2)]
    q, k, v = (einsum([[*lead, "n", "d"], ["d", "h", "e"]], [a, w], [*lead, "h", "n", "e"])
               for a, w in zip((x, y, y), ws))
    each = _attention(q, k, v, mask, causal=causal)
    wo = Wo
    if wo.rank == 2:
        wo = ARRAYS["reshape"](wo, shape=(ws[2].shape[1], ws[2].shape[2], wo.shape[1]))
    return einsum([[*lead, "h", "n", "e"], ["h", "e", "o"]], [each, wo], [*lead, "n", "o"])


def _by_heads(w: Node, heads: Any) -> Node:
    if w.rank != 2 or heads is None:
        raise ShapeError(f"multi_head_attention: {describe(w)} has shape {show(w.shape)}; give weights (d, heads, e), "
                         f"or (d, heads*e) and heads=...")
    wide = w.shape[1]
    if isinstance(wide, int) and isinstance(heads, int) and wide % heads:
        raise ShapeError(f"multi_head_attention: {wide} columns do not fall into {heads} heads")
    each = wide // heads if isinstance(wide, int) and isinstance(heads, int) else wide / heads
    node: Node = ARRAYS["reshape"](w, shape=(w.shape[0], heads, each))
    return node


# --- gates ------------------------------------------------------------------------------------------------------------


def _parts(name: str, z: Node, count: int, place: int = -1) -> list[Node]:
    """Return the `count` equal parts of z along an axis."""
    (k,) = normalise_axes(place, z.rank, describe(z))
    wide = z.shape[k]
    if isinstance(wide, int) and wide % count:
        raise ShapeError(f"{name}: {wide} entries along axis {place} do not fall into {count} equal parts")
    each = wide // count if isinstance(wide, int) else wide / count
    whole = [(None, None, None)] * k
    return [ARRAYS["index"](z, subscript=(*whole, (each * i, each * (i + 1), 1))) for i in range(count)]


def _glu(x: Node, *, axis: int = -1) -> Node:
    needs_rank("glu", x, 1)
    a, b = _parts("glu", x, 2, axis)
    return a * _f("sigmoid", b)


def _swiglu(x: Node, W: Node, V: Node, U: Node | None = None) -> Node:
    h = _f("silu", x @ W) * (x @ V)
    return h if U is None else h @ U


def _geglu(x: Node, W: Node, V: Node, U: Node | None = None) -> Node:
    h = _f("gelu", x @ W) * (x @ V)
    return h if U is None else h @ U


def _rnn_cell(x: Node, h: Node, W: Node, U: Node, b: Node | None = None) -> Node:
    return _f("tanh", _plus(x @ W + h @ U, b))


def _lstm_cell(x: Node, h: Node, c: Node, W: Node, U: Node, b: Node | None = None) -> tuple[Node, Node]:
    i, f, g, o = _parts("lstm_cell", _plus(x @ W + h @ U, b), 4)
    new = _f("sigmoid", f) * c + _f("sigmoid", i) * _f("tanh", g)
    return _f("sigmoid", o) * _f("tanh", new), new


def _gru_cell(x: Node, h: Node, W: Node, U: Node, b: Node | None = None, b_h: Node | None = None) -> Node:
    r, z, n = _parts("gru_cell", _plus(x @ W, b), 3)
    r_h, z_h, n_h = _parts("gru_cell", _plus(h @ U, b_h), 3)
    reset, update = _f("sigmoid", r + r_h), _f("sigmoid", z + z_h)
    return (1 - update) * _f("tanh", n + reset * n_h) + update * h


EPS = 1e-5
LAYERS: tuple[Composite, ...] = (
    whole("dense", ("x", "W", "b"), _dense, "Goodfellow, Bengio and Courville (2016), section 6.1",
          "A fully connected layer x @ W + b, the weights (in, out).", ("n, d", "d, k", "k"), (None,)),
    whole("linear", ("x", "W", "b"), _linear, "Goodfellow, Bengio and Courville (2016), section 6.1",
          "A fully connected layer x @ W.T + b, the weights (out, in).", ("n, d", "k, d", "k"), (None,)),
    whole("bilinear", ("x", "y", "W", "b"), _bilinear, "Tenenbaum and Freeman (2000), eq. 1",
          "x_i W_oij y_j + b_o for each row.", ("n, i", "n, j", "o, i, j", "o"), (None,)),
    whole("embedding", ("idx", "E"), _embedding, "rows by their numbers", "The rows idx of the table E.",
          ("int n", "v, d")),
    whole("normalize", ("x",), normalised, "x over its Euclidean norm", "x over its Euclidean norm along an axis.",
          ("n, d",), (), (axes(-1),)),
    whole("layer_norm", ("x", "gamma", "beta", "eps"), _layer_norm, "Ba, Kiros and Hinton (2016), eq. 4",
          "(x - mean)/sqrt(var + eps)*gamma + beta, each example by itself, along the last axis or `axis`.",
          ("n, d", "d", "d"), (None, None, EPS), (axes(-1),)),
    whole("rms_norm", ("x", "gamma", "eps"), _rms_norm, "Zhang and Sennrich (2019), eq. 4",
          "x/sqrt(mean(x**2) + eps)*gamma, each example by itself, along the last axis or `axis`.", ("n, d", "d"),
          (None, EPS), (axes(-1),)),
    whole("batch_norm", ("x", "gamma", "beta", "mean", "var", "eps"), _batch_norm,
          "Ioffe and Szegedy (2015), algorithm 1",
          "(x - mean)/sqrt(var + eps)*gamma + beta over all axes but 1, or `axis`, or by a given mean and var.",
          ("n, d", "d", "d"), (None, None, None, None, EPS), (axes(),)),
    whole("group_norm", ("x", "gamma", "beta", "eps"), _group_norm, "Wu and He (2018), eq. 3",
          "Normalisation over groups of the channels (axis 1) and all axes behind them.", ("n, 6, m", "6", "6"),
          (None, None, EPS), (Option("groups", "Size", key="groups"),), example={"groups": 3}),
    whole("dropout", ("x", "mask", "p"), _dropout, "Srivastava et al. (2014), scaled in training",
          "x*mask/(1 - p) for a given 0/1 mask, p being the share that is dropped.", ("n, d", "n, d"),
          (Fraction(1, 2),)),
    whole("attention", ("Q", "K", "V", "mask", "scale"), _attention, "Vaswani et al. (2017), eq. 1",
          "softmax(Q @ K.T*scale) @ V, scale being 1/sqrt(d); a 0/1 mask or causal=True hides keys.",
          ("n, d", "m, d", "m, k"), (None, None), (CAUSAL,), latex=r"\operatorname{attention}",
          aliases=("scaled_dot_product_attention",)),
    whole("multi_head_attention", ("x", "Wq", "Wk", "Wv", "Wo", "context", "mask"), _multi_head_attention,
          "Vaswani et al. (2017), section 3.2.2",
          "Attention by heads: weights (d, heads, e) and (heads, e, d), or matrices and heads=...",
          ("n, d", "d, h, k", "d, h, k", "d, h, k", "h, k, d"), (None, None),
          (Option("heads", "Size", None, "heads"), CAUSAL)),
    whole("glu", ("x",), _glu, "Dauphin et al. (2017), eq. 1",
          "a*sigmoid(b), a and b being the halves of x along an axis.", ("n, 2*d",), (), (LAST,)),
    whole("swiglu", ("x", "W", "V", "U"), _swiglu, "Shazeer (2020), eq. 6",
          "silu(x @ W)*(x @ V), and with U that @ U.", ("n, d", "d, k", "d, k", "k, d"), (None,)),
    whole("geglu", ("x", "W", "V", "U"), _geglu, "Shazeer (2020), eq. 6",
          "gelu(x @ W)*(x @ V), and with U that @ U.", ("n, d", "d, k", "d, k", "k, d"), (None,)),
    whole("highway", ("x", "W", "V", "b"), _highway, "Srivastava, Greff and Schmidhuber (2015), eq. 3",
          "t*tanh(x @ W) + (1 - t)*x with t = sigmoid(x @ V + b).", ("n, d", "d, d", "d, d", "d"), (None,)),
    whole("factorization_machine", ("x", "w0", "w", "V"), _factorization_machine, "Rendle (2010), eq. 1 and lemma 3.1",
          "w0 + x @ w and the products of all pairs of features, weighted by V @ V.T.", ("n, d", "", "d", "d, k")),
    whole("rnn_cell", ("x", "h", "W", "U", "b"), _rnn_cell, "Elman (1990)", "The next state tanh(x @ W + h @ U + b).",
          ("n, d", "n, k", "d, k", "k, k", "k"), (None,)),
    whole("lstm_cell", ("x", "h", "c", "W", "U", "b"), _lstm_cell,
          "Hochreiter and Schmidhuber (1997), with forget gate",
          "The next h and c; W, U and b hold the input, forget, cell and output gates side by side.",
          ("n, d", "n, k", "n, k", "d, 4*k", "k, 4*k", "4*k"), (None,), outputs=("h", "c")),
    whole("gru_cell", ("x", "h", "W", "U", "b", "b_h"), _gru_cell, "Cho et al. (2014), reset after the product",
          "The next state; W, U, b and b_h hold the reset, update and new gates side by side.",
          ("n, d", "n, k", "d, 3*k", "k, 3*k", "3*k", "3*k"), (None, None)),
)  # fmt: skip
