"""Random texts for second derivatives: every function of the language on its own, along each axis, and two composed."""

from __future__ import annotations

import random

from symgrad.rules.elementwise import FUNCTIONS

INFIX = frozenset(("add", "sub", "mul", "div", "pow", "neg", "lt", "le", "gt", "ge", "eq", "ne"))
# arguments inside the domain where the entries of A lie between 0.3 and 1.5
INSIDE = {"log": "{} + 1", "arctanh": "{}/4", "arccos": "{}/4", "arcsin": "{}/4", "arccosh": "{} + 1.5", "tan": "{}/2"}
ELEMENTWISE = tuple(
    f"{f.name}({', '.join(['2'] * len(f.orders) + [INSIDE.get(f.name, '{}')] + ['1.15'] * (len(f.params) - 1))})"
    for f in FUNCTIONS if f.name not in INFIX
)
ALONG = tuple(f"{name}({{}}, axis=AXIS)" for name in (
    "sum", "mean", "prod", "max", "min", "cumsum", "cumprod", "logsumexp", "softmax", "log_softmax", "norm", "var",
    "std", "sort", "median", "flip", "diff", "normalize", "layer_norm", "rms_norm", "batch_norm",
)) + (
    "norm({}, ord=1, axis=AXIS)", "norm({}, ord=inf, axis=AXIS)", "norm({}, ord=3, axis=AXIS)",
    "roll({}, 1, axis=AXIS)", "repeat({}, 2, axis=AXIS)", "concatenate([{}, {}], axis=AXIS)",
    "stack([{}, 2*{}], axis=AXIS)", "take_along_axis({}, argsort(B, axis=AXIS), axis=AXIS)",
    "entropy(softmax({}, axis=AXIS), axis=AXIS)", "cosine_similarity({}, B, axis=AXIS)", "dice({}, B, axis=AXIS)",
    "prod({}, axis=AXIS, keepdims=True)", "max({}, axis=AXIS, keepdims=True)",
)
WHOLE = (
    "prod({})", "max({})", "min({})", "median({})", "norm({})", "std({})", "logsumexp({})", "sort(ravel({}))",
    "tile({}, (2, 1))", "pad({}, ((1, 1), (0, 2)))", "reshape({}, (2, 3))", "{}.T", "{} @ B.T", "B.T @ {}",
    "outer({}[0], {}[1])", "kron({}, B)", "{}[1:, 0]", "{}[::-1]", "{}[None, :, 1]", "glu({})", "max_pool1d({}, 2)",
    "avg_pool1d({}, 2)", "windows({}, 2, axis=0)", 'norm({}, ord="nuc")', 'norm({}, ord="fro")', "pinv({})",
    "svdvals({})", 'einsum("ij,kj->ik", {}, B)', "group_norm({}, groups=1)", "attention({}, B, B)", "dropout({}, B)",
    "infonce({}, B)", "swiglu({}, ones((2, 4)), ones((2, 4)))",
)
SQUARE = (
    "inv(B.T @ {} + 3*eye(2))", "det(B.T @ {})", "logdet({}.T @ {} + eye(2))", "solve(B.T @ {} + 3*eye(2), B[0])",
    "cholesky({}.T @ {} + eye(2))", "trace(B.T @ {})", "diag(B.T @ {})", "tril(B.T @ {})", "triu({}, k=1)",
    "expm(B.T @ {}/4)", "eigvalsh({}.T @ {})", "matrix_power(B.T @ {}, 3)", "sinm(B.T @ {}/4)", "cosm(B.T @ {}/4)",
)
LOSSES = tuple(f"{name}({{}}, B)" for name in (
    "mse", "mae", "msle", "huber", "smooth_l1", "log_cosh", "hinge", "squared_hinge", "soft_margin", "kl", "js",
    "poisson_nll", "poisson_nll_rate",
)) + (
    "bce({}/8, B/4)", "bce_with_logits({}, B/4)", "pinball({}, B, 0.3)", "focal({}/8, B/4)", "gaussian_nll({}, B, 2)",
    "gaussian_nll_logvar({}, B, {})", "laplace_nll({}, B, 1.5)", "cross_entropy({}, softmax(B))",
    "cross_entropy({}, softmax(B, axis=0), axis=0)", "nll_loss({}, softmax(B))", "softmax_focal({}, softmax(B))",
    "cosine_embedding({}, B, 1)", "triplet({}, B, 2*B)", "contrastive({}, B, 1)",
)
INNER = ("{}", "{}**2", "elu({})", "exp({}/2)", "B*{}", "sin({}) + 0.1", "tanh({})", "sqrt({})", "{} @ C",
         "softmax({})",
         "maximum({}, B)", "where({} > 1, {}**3, {})", "{}/sum({})", "cumsum({}, axis=0)")


def texts() -> tuple[str, ...]:
    """Return every function on its own, along each axis where it takes one, a place {} for its operand."""
    along = [t.replace("AXIS", axis) for t in ALONG for axis in ("0", "1", "-1")]
    return (*ELEMENTWISE, *along, *WHOLE, *SQUARE, *LOSSES)


def composed(outer: str, rng: random.Random) -> str:
    """Return an expression in A: the function of something of A."""
    return outer.replace("{}", f"({rng.choice(INNER).replace('{}', 'A')})")
