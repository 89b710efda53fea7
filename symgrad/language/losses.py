"""Losses as rows of data: each is a graph of simpler functions, unreduced: write mean(...) or sum(...) around it.

The first rows work entry by entry and take SymPy's scalars too; the others work along an axis of whole arrays. No loss
has a derivative of its own: its gradient comes from the functions it is made of. Adding one is adding a row.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from symgrad.errors import ShapeError
from symgrad.graph.node import Node, apply, const, describe, einsum, identity, reduce_sum, size
from symgrad.language.composite import Composite, needs_rank, whole
from symgrad.rules.arrays import BY_NAME as ARRAYS
from symgrad.rules.arrays import is_whole
from symgrad.rules.row import POSITIVE, REAL, UNIT, Option, axes, axis
from symgrad.shapes import normalise_axes, show

LAST = axis(-1)


def _f(name: str, *args: Node | int | float | Fraction) -> Node:
    return apply(name, *args)


def _log(x: Node) -> Node:
    return _f("log", x)


def _positive(x: Node) -> Node:
    return _f("maximum", x, 0)


# --- entry by entry ---------------------------------------------------------------------------------------------------


def _bce_with_logits(z: Node, y: Node, pos_weight: Node | None = None) -> Node:
    if pos_weight is None:
        return _f("softplus", z) - y * z
    return pos_weight * y * _f("softplus", -z) + (1 - y) * _f("softplus", z)


def _huber(a: Node, b: Node, delta: Node) -> Node:
    d = _f("abs", a - b)
    return _f("where", _f("le", d, delta), (a - b) ** 2 / 2, delta * (d - delta / 2))


def _smooth_l1(a: Node, b: Node, beta: Node) -> Node:
    d = _f("abs", a - b)
    return _f("where", _f("lt", d, beta), (a - b) ** 2 / (2 * beta), d - beta / 2)


def _pinball(a: Node, b: Node, q: Node) -> Node:
    return _f("maximum", q * (b - a), (q - 1) * (b - a))


def _focal(p: Node, y: Node, gamma: Node, alpha: Node | None = None) -> Node:
    one, zero = y * (1 - p) ** gamma * _log(p), (1 - y) * p**gamma * _log(1 - p)
    return -(one + zero) if alpha is None else -(alpha * one + (1 - alpha) * zero)


def _focal_with_logits(z: Node, y: Node, gamma: Node, alpha: Node | None = None) -> Node:
    p, q = _f("sigmoid", z), _f("sigmoid", -z)
    one, zero = y * q**gamma * _f("softplus", -z), (1 - y) * p**gamma * _f("softplus", z)
    return one + zero if alpha is None else alpha * one + (1 - alpha) * zero


def _js(p: Node, q: Node) -> Node:
    m = (p + q) / 2
    return (p * (_log(p) - _log(m)) + q * (_log(q) - _log(m))) / 2


def _gaussian_nll(m: Node, y: Node, var: Node) -> Node:
    return (_log(var) + (y - m) ** 2 / var) / 2


_RATE = Composite(
    "poisson_nll_rate", ("r", "y"), lambda r, y: r - y * _log(r),
    r"\operatorname{NLL}_{\mathrm{Poisson},\mathrm{rate}}", "the Poisson distribution of rate r, without log y!",
    domain=(POSITIVE, POSITIVE))
LOSSES: tuple[Composite, ...] = (
    Composite("bce", ("p", "y"), lambda p, y: -(y * _log(p) + (1 - y) * _log(1 - p)),
              r"\operatorname{BCE}", "Bishop (2006), eq. 4.90", domain=(UNIT, UNIT), aliases=("binary_cross_entropy",)),
    Composite("bce_with_logits", ("z", "y", "pos_weight"), _bce_with_logits,
              r"\operatorname{BCE}_{\mathrm{logits}}", "Bishop (2006), eq. 4.90 with p = sigmoid(z)", (None,),
              aliases=("binary_cross_entropy_with_logits",)),
    Composite("mse", ("a", "b"), lambda a, b: (a - b) ** 2, r"\operatorname{SE}", "Bishop (2006), eq. 1.2",
              aliases=("mse_loss", "squared_error")),
    Composite("mae", ("a", "b"), lambda a, b: _f("abs", a - b), r"\operatorname{AE}",
              "Hastie, Tibshirani and Friedman (2009), section 10.6", aliases=("l1_loss", "absolute_error")),
    Composite("msle", ("a", "b"), lambda a, b: (_f("log1p", a) - _f("log1p", b)) ** 2, r"\operatorname{SLE}",
              "the squared error of log(1 + a) and log(1 + b)", domain=(POSITIVE, POSITIVE)),
    Composite("huber", ("a", "b", "delta"), _huber, r"\operatorname{Huber}", "Huber (1964)", (1,),
              aliases=("huber_loss",), domain=(REAL, REAL, POSITIVE)),
    Composite("smooth_l1", ("a", "b", "beta"), _smooth_l1, r"\operatorname{smoothL1}", "Girshick (2015), eq. 3", (1,),
              aliases=("smooth_l1_loss",), domain=(REAL, REAL, POSITIVE)),
    Composite("log_cosh", ("a", "b"), lambda a, b: _log(_f("cosh", a if b is const(0) else a - b)),
              r"\operatorname{logcosh}", "the logarithm of the hyperbolic cosine of the error", (0,),
              aliases=("logcosh",)),
    Composite("pinball", ("a", "b", "q"), _pinball, r"\operatorname{pinball}", "Koenker and Bassett (1978)",
              aliases=("quantile_loss", "pinball_loss"), domain=(REAL, REAL, UNIT)),
    Composite("hinge", ("z", "y"), lambda z, y: _positive(1 - y * z), r"\operatorname{hinge}",
              "Bishop (2006), eq. 7.45", aliases=("hinge_loss",)),
    Composite("squared_hinge", ("z", "y"), lambda z, y: _positive(1 - y * z) ** 2, r"\operatorname{hinge}^2",
              "Cortes and Vapnik (1995), with exponent 2"),
    Composite("soft_margin", ("z", "y"), lambda z, y: _f("softplus", -y * z), r"\operatorname{softmargin}",
              "Bishop (2006), eq. 7.48", aliases=("soft_margin_loss", "logistic_loss")),
    Composite("focal", ("p", "y", "gamma", "alpha"), _focal, r"\operatorname{focal}", "Lin et al. (2017), eq. 4 and 5",
              (2, None), aliases=("focal_loss",), domain=(UNIT, UNIT, POSITIVE, UNIT)),
    Composite("focal_with_logits", ("z", "y", "gamma", "alpha"), _focal_with_logits,
              r"\operatorname{focal}_{\mathrm{logits}}", "Lin et al. (2017), eq. 4 and 5 with p = sigmoid(z)",
              (2, None),
              aliases=("focal_loss_with_logits",), domain=(REAL, UNIT, POSITIVE, UNIT)),
    Composite("sigmoid_focal_loss", ("z", "y", "alpha", "gamma"), lambda z, y, a, g: _focal_with_logits(z, y, g, a),
              r"\operatorname{focal}_{\mathrm{sigmoid}}", "Lin et al. (2017), eq. 5 with p = sigmoid(z)", (0.25, 2),
              domain=(REAL, UNIT, UNIT, POSITIVE)),
    Composite("kl", ("p", "q"), lambda p, q: p * (_log(p) - _log(q)), r"\operatorname{KL}",
              "Bishop (2006), eq. 1.113, unreduced", aliases=("rel_entr", "kl_divergence"),
              domain=(POSITIVE, POSITIVE)),
    Composite("js", ("p", "q"), _js, r"\operatorname{JS}", "Lin (1991), unreduced", aliases=("js_divergence",),
              domain=(POSITIVE, POSITIVE)),
    Composite("entr", ("p",), lambda p: -p * _log(p), r"\operatorname{entr}", "Bishop (2006), eq. 1.98, unreduced",
              domain=(POSITIVE,)),
    Composite("gaussian_nll", ("m", "y", "var"), _gaussian_nll, r"\operatorname{NLL}_{\mathcal N}",
              "Bishop (2006), eq. 1.46 without its constant", aliases=("gaussian_nll_loss",),
              domain=(REAL, REAL, POSITIVE)),
    Composite("gaussian_nll_logvar", ("m", "y", "s"), lambda m, y, s: (s + (y - m) ** 2 * _f("exp", -s)) / 2,
              r"\operatorname{NLL}_{\mathcal N,\log}",
              "Bishop (2006), eq. 1.46 with variance exp(s), without its constant",
              aliases=("gaussian_nll_log_var",)),
    Composite("laplace_nll", ("m", "y", "b"), lambda m, y, b: _log(2 * b) + _f("abs", y - m) / b,
              r"\operatorname{NLL}_{\mathrm{Laplace}}", "the density exp(-|y - m|/b)/(2 b)",
              domain=(REAL, REAL, POSITIVE)),
    Composite("poisson_nll", ("z", "y"), lambda z, y: _f("exp", z) - y * z, r"\operatorname{NLL}_{\mathrm{Poisson}}",
              "the Poisson distribution of rate exp(z), without log y!", aliases=("poisson_nll_loss",),
              variants=(("log_input", True, "poisson_nll"), ("log_input", False, "poisson_nll_rate")),
              others=(_RATE,)),
    _RATE,
)  # fmt: skip


# --- along an axis ----------------------------------------------------------------------------------------------------


def _targets(name: str, z: Node, y: Node, place: int) -> Node:
    """Return labels as probabilities: integers without the axis of classes become one-hot."""
    needs_rank(name, z, 1)
    if y.rank not in (z.rank, z.rank - 1):
        raise ShapeError(f"{name} takes scores with classes along axis {place} and labels of that shape, or integers "
                         f"without that axis; got {show(z.shape)} and {show(y.shape)}")
    if y.rank == z.rank:
        return y
    if not is_whole(y):
        raise ShapeError(f"{name}: labels without the axis of classes are integers; declare "
                         f"{describe(y)}: int{show(y.shape)}")
    (k,) = normalise_axes(place, z.rank, describe(z))
    hot = ARRAYS["one_hot"](y, k=z.shape[k])
    order = [*range(k), z.rank - 1, *range(k, z.rank - 1)]
    return hot if k == z.rank - 1 else einsum([range(z.rank)], [hot], order)


def _along(x: Node, w: Node, place: int) -> Node:
    """Return the vector w along one axis of x, times x."""
    (k,) = normalise_axes(place, x.rank, describe(x))
    if w.rank != 1:
        raise ShapeError(f"the weights of the classes are a vector; {describe(w)} has shape {show(w.shape)}")
    return einsum([range(x.rank), [k]], [x, w], range(x.rank))


def _cross_entropy(z: Node, y: Node, label_smoothing: Node | None = None, weight: Node | None = None, *,
                   axis: int = -1) -> Node:
    y = _targets("cross_entropy", z, y, axis)
    if label_smoothing is not None and label_smoothing is not const(0):
        y = (1 - label_smoothing) * y + label_smoothing / size(z.shape[axis])
    if weight is not None:
        y = _along(y, weight, axis)
    return -reduce_sum(y * ARRAYS["log_softmax"](z, axis=axis), axis)


def _nll(log_p: Node, y: Node, weight: Node | None = None, *, axis: int = -1) -> Node:
    y = _targets("nll_loss", log_p, y, axis)
    if weight is not None:
        y = _along(y, weight, axis)
    return -reduce_sum(y * log_p, axis)


def _multiclass_focal(z: Node, y: Node, gamma: Node, *, axis: int = -1) -> Node:
    y = _targets("softmax_focal", z, y, axis)
    log_p = reduce_sum(y * ARRAYS["log_softmax"](z, axis=axis), axis)
    return -((1 - _f("exp", log_p)) ** gamma) * log_p


def _entropy(p: Node, *, axis: Any = -1) -> Node:
    return -reduce_sum(p * _log(p), axis)


def length(x: Node, axis: Any = -1, keepdims: bool = False) -> Node:
    """Return the Euclidean norm along an axis."""
    return _f("sqrt", reduce_sum(x**2, axis, keepdims))


def _cosine(a: Node, b: Node, *, axis: int = -1) -> Node:
    needs_rank("cosine_similarity", a, 1)
    return reduce_sum(a * b, axis) / (length(a, axis) * length(b, axis))


def _cosine_embedding(a: Node, b: Node, y: Node, margin: Node, *, axis: int = -1) -> Node:
    c = _cosine(a, b, axis=axis)
    return _f("where", _f("gt", y, 0), 1 - c, _positive(c - margin))


def _triplet(a: Node, p: Node, n: Node, margin: Node, *, axis: int = -1) -> Node:
    needs_rank("triplet", a, 1)
    return _positive(length(a - p, axis) - length(a - n, axis) + margin)


def _contrastive(a: Node, b: Node, y: Node, margin: Node, *, axis: int = -1) -> Node:
    needs_rank("contrastive", a, 1)
    d = length(a - b, axis)
    return y * d**2 + (1 - y) * _positive(margin - d) ** 2


def normalised(x: Node, axis: Any = -1) -> Node:
    """Return x over its Euclidean norm along an axis."""
    needs_rank("normalize", x, 1)
    return x / length(x, axis, True)


def _diagonal(x: Node) -> Node:
    return einsum(["ii"], [x], "i")


def _pairs(name: str, a: Node, b: Node) -> None:
    if a.rank != 2 or a.shape != b.shape:
        raise ShapeError(f"{name} takes two arrays (n, d) whose rows belong together; got {show(a.shape)} and "
                         f"{show(b.shape)}")


def _infonce(a: Node, b: Node, temperature: Node, *, normalize: bool = True) -> Node:
    _pairs("infonce", a, b)
    if normalize:
        a, b = normalised(a), normalised(b)
    s = (a @ b.T) / temperature
    return ARRAYS["logsumexp"](s, axis=1) - _diagonal(s)


def _nt_xent(a: Node, b: Node, temperature: Node) -> Node:
    _pairs("nt_xent", a, b)
    both = ARRAYS["concatenate"](a, b, axis=0)
    u = normalised(both)
    s = (u @ u.T) / temperature
    others = _f("where", _f("gt", identity(u.shape[0]), 0), FAR_BELOW, s)
    partner = reduce_sum(normalised(a) * normalised(b), 1) / temperature
    return ARRAYS["logsumexp"](others, axis=1) - ARRAYS["concatenate"](partner, partner, axis=0)


FAR_BELOW = -1e30  # a score that softmax gives no weight


def _dice(p: Node, y: Node, smooth: Node, *, axis: Any = None) -> Node:
    both = 2 * reduce_sum(p * y, axis) + smooth
    return 1 - both / (reduce_sum(p, axis) + reduce_sum(y, axis) + smooth)


def _tversky(p: Node, y: Node, alpha: Node, beta: Node, smooth: Node, *, axis: Any = None) -> Node:
    hit = reduce_sum(p * y, axis)
    wrong, missed = reduce_sum(p * (1 - y), axis), reduce_sum((1 - p) * y, axis)
    return 1 - (hit + smooth) / (hit + alpha * wrong + beta * missed + smooth)


HALF = Fraction(1, 2)
AXIS_LOSSES: tuple[Composite, ...] = (
    whole("cross_entropy", ("z", "y", "label_smoothing", "weight"), _cross_entropy, "Bishop (2006), eq. 4.108",
          "Softmax cross-entropy of logits z along an axis; labels are probabilities or integers.",
          ("n, k", "int n"), (0, None), (LAST,), latex=r"\operatorname{CE}", aliases=("softmax_cross_entropy",)),
    whole("nll_loss", ("l", "y", "weight"), _nll, "Bishop (2006), eq. 4.108",
          "Negative log-likelihood of log-probabilities l along an axis; labels are probabilities or integers.",
          ("n, k", "int n"), (None,), (LAST,), latex=r"\operatorname{NLL}",
          aliases=("nll",)),
    whole("softmax_focal", ("z", "y", "gamma"), _multiclass_focal, "Lin et al. (2017), eq. 4 with p = softmax(z)",
          "Focal loss of logits z along an axis; labels are one-hot or integers.", ("n, k", "int n"), (2,), (LAST,),
          latex=r"\operatorname{focal}_{\mathrm{softmax}}"),
    whole("entropy", ("p",), _entropy, "Bishop (2006), eq. 1.98", "-sum(p*log(p)) of probabilities along an axis.",
          ("n, k",), (), (LAST,), latex=r"\operatorname{H}"),
    whole("cosine_similarity", ("a", "b"), _cosine, "Manning, Raghavan and Schuetze (2008), eq. 6.10",
          "Cosine of the angle between a and b along an axis.", ("n, d", "n, d"), (), (LAST,), latex=r"\cos"),
    whole("cosine_embedding", ("a", "b", "y", "margin"), _cosine_embedding,
          "1 - cos for pairs, max(0, cos - margin) else",
          "Loss on the cosine of pairs: y = 1 for like ones, -1 for unlike ones.", ("n, d", "n, d", "n"), (0,), (LAST,),
          aliases=("cosine_embedding_loss",)),
    whole("triplet", ("a", "p", "n", "margin"), _triplet, "Schroff, Kalenichenko and Philbin (2015), with plain norms",
          "max(0, |a - p| - |a - n| + margin) of anchor, positive and negative along an axis.",
          ("m, d", "m, d", "m, d"), (1,), (LAST,), aliases=("triplet_loss", "triplet_margin_loss")),
    whole("contrastive", ("a", "b", "y", "margin"), _contrastive, "Hadsell, Chopra and LeCun (2006), eq. 4, doubled",
          "y d^2 + (1 - y) max(0, margin - d)^2 with d = |a - b| along an axis.", ("n, d", "n, d", "n"), (1,), (LAST,),
          aliases=("contrastive_loss",)),
    whole("infonce", ("a", "b", "temperature"), _infonce, "van den Oord, Li and Vinyals (2018), eq. 4",
          "InfoNCE of rows that belong together: cosines over the temperature, one value a row.", ("n, d", "n, d"),
          (0.1,), (Option("normalize", "Flag", True, "normalize"),), aliases=("info_nce",)),
    whole("nt_xent", ("a", "b", "temperature"), _nt_xent, "Chen et al. (2020), eq. 1",
          "NT-Xent of two views, row by row: one value for each of the 2n rows.", ("n, d", "n, d"), (0.5,), ()),
    whole("dice", ("p", "y", "smooth"), _dice, "Milletari, Navab and Ahmadi (2016), with plain sums and smoothing",
          "1 - (2 sum(p y) + smooth)/(sum(p) + sum(y) + smooth), over all entries or the given axes.", ("n", "n"),
          (1,), (axes(),), latex=r"\operatorname{Dice}", aliases=("dice_loss",)),
    whole("tversky", ("p", "y", "alpha", "beta", "smooth"), _tversky, "Salehi, Erdogmus and Gholipour (2017), eq. 3",
          "1 - (TP + smooth)/(TP + alpha FP + beta FN + smooth), over all entries or the given axes.", ("n", "n"),
          (HALF, HALF, 1), (axes(),), latex=r"\operatorname{Tversky}", aliases=("tversky_loss",)),
)  # fmt: skip
