"""Random texts for second derivatives: every function of the language on its own, along each axis, and two composed."""

from __future__ import annotations

import random

from symgrad.rules.elementwise import FUNCTIONS

# a function that maps the open interval around 0.2 ... 2 into itself or nearly so stands as it is
INFIX = frozenset(("add", "sub", "mul", "div", "pow", "neg", "lt", "le", "gt", "ge", "eq", "ne"))
NEAR_ONE = {"log": "{} + 1", "arctanh": "{}/4", "arccos": "{}/4", "arcsin": "{}/4", "arccosh": "{} + 1.5", "entr": "{}/4"}
ELEMENTWISE = tuple(
    f"{f.name}({', '.join([*['2'] * len(f.orders), *(NEAR_ONE.get(f.name, '{}') if k == 0 else f'1.{k}5' for k in range(len(f.params)))])})"
    for f in FUNCTIONS if f.name not in INFIX
)
# of a matrix, each with a place for its operand; the axis is drawn
ALONG = (
    "sum({}, axis=AXIS)", "mean({}, axis=AXIS, keepdims=True)", "prod({}, axis=AXIS)", "max({}, axis=AXIS)",
    "min({}, axis=AXIS)", "cumsum({}, axis=AXIS)", "cumprod({}, axis=AXIS)", "logsumexp({}, axis=AXIS)",
    "softmax({}, axis=AXIS)", "log_softmax({}, axis=AXIS)", "norm({}, axis=AXIS)", "norm({}, ord=1, axis=AXIS)",
    "norm({}, ord=inf, axis=AXIS)", "norm({}, ord=3, axis=AXIS)", "var({}, axis=AXIS)", "std({}, axis=AXIS)",
    "sort({}, axis=AXIS)", "median({}, axis=AXIS)", "flip({}, axis=AXIS)", "roll({}, 1, axis=AXIS)",
    "repeat({}, 2, axis=AXIS)", "diff({}, axis=AXIS)", "normalize({}, axis=AXIS)", "layer_norm({}, axis=AXIS)",
    "rms_norm({}, axis=AXIS)", "batch_norm({}, axis=AXIS)", "concatenate([{}, {}], axis=AXIS)",
    "stack([{}, 2*{}], axis=AXIS)", "take({}, argsort(B[0]) , axis=AXIS)", "take_along_axis({}, argsort(B, axis=AXIS), axis=AXIS)",
    "entropy(softmax({}, axis=AXIS), axis=AXIS)", "cosine_similarity({}, B, axis=AXIS)", "dice({}, B, axis=AXIS)",
    "prod({}, axis=AXIS, keepdims=True)", "max({}, axis=AXIS, keepdims=True)",
)
WHOLE = (
    "prod({})", "max({})", "min({})", "median({})", "norm({})", "std({})", "logsumexp({})", "cumsum({})", "cumprod({})",
    "sort(ravel({}))", "tile({}, (2, 1))", "pad({}, ((1, 1), (0, 2)))", "reshape({}, (2, 3))", "{}.T", "{} @ B.T",
    "B.T @ {}", "outer({}[0], {}[1])", "kron({}, B)", "{}[1:, 0]", "{}[::-1]", "{}[None, :, 1]", "glu({})", "max_pool1d({}, 2)",
    "avg_pool1d({}, 2)", "windows({}, 2, axis=0)", "norm({}, ord=\"nuc\")", "norm({}, ord=\"fro\")", "pinv({})", "svdvals({})",
    "einsum(\"ij,kj->ik\", {}, B)", "group_norm({}, groups=1)", "swiglu({}, ones((2, 4)), ones((2, 4)))", "attention({}, B, B)",
    "attention(B, {}, B, causal=True)", "dropout({}, B)", "tversky({}, B)", "infonce({}, B)", "nt_xent({}, B)", "highway({}, B.T @ B, B.T @ B)",
)
SQUARE = (
    "inv(B.T @ {} + 3*eye(2))", "det(B.T @ {})", "logdet({}.T @ {} + eye(2))", "solve(B.T @ {} + 3*eye(2), B[0])",
    "cholesky({}.T @ {} + eye(2))", "trace(B.T @ {})", "diag(B.T @ {})", "tril(B.T @ {})", "triu({}, k=1)", "expm(B.T @ {}/4)",
    "eigvalsh({}.T @ {})", "matrix_power(B.T @ {}, 3)", "slogdet({}.T @ {} + eye(2))[1]" , "sinm(B.T @ {}/4)", "cosm(B.T @ {}/4)",
)
LOSSES = (
    "bce({}/8, B/4)", "bce_with_logits({}, B/4)", "mse({}, B)", "mae({}, B)", "msle({}, B)", "huber({}, B)", "smooth_l1({}, B)", "log_cosh({}, B)",
    "pinball({}, B, 0.3)", "hinge({}, B)", "squared_hinge({}, B)", "soft_margin({}, B)", "focal({}/8, B/4)", "focal_with_logits({}, B/4)",
    "kl({}, B)", "js({}, B)", "gaussian_nll({}, B, 2)", "gaussian_nll_logvar({}, B, {})", "laplace_nll({}, B, 1.5)", "poisson_nll({}, B)",
    "cross_entropy({}, softmax(B))", "cross_entropy({}, softmax(B), axis=0)", "nll_loss({}, softmax(B))", "softmax_focal({}, softmax(B))",
    "cosine_embedding({}, B, 1)", "triplet({}, B, 2*B)", "contrastive({}, B, 1)", "sigmoid_focal_loss({}, B/4)", "poisson_nll_rate({}, B)",
)
INNER = ("{}", "{}**2", "elu({})", "exp({}/2)", "B*{}", "sin({})", "relu({} - 1)", "tanh({})", "sqrt({})", "{} @ C", "softmax({})",
         "{} - mean({})", "abs({} - 1)", "maximum({}, B)", "where({} > 1, {}**3, {})", "{}/sum({})", "cumsum({}, axis=0)")


def outer_texts() -> tuple[str, ...]:
    """Return every function on its own, along each axis where it takes one."""
    along = [t.replace("AXIS", axis) for t in ALONG for axis in ("0", "1", "-1")]
    return (*ELEMENTWISE, *along, *WHOLE, *SQUARE, *LOSSES)


def composed(outer: str, rng: random.Random) -> str:
    """Return an expression in A: the function of something of A."""
    inner = rng.choice(INNER).replace("{}", "A")
    return outer.replace("{}", f"({inner})")
