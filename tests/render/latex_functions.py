"""The functions that printed LaTeX names, in numbers: NumPy and SciPy, else the table of functions and losses.

The signs of the functions are written here once more, by hand; nothing comes from the printers.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

import symgrad as sg
from symgrad.engine.evaluate import evaluate
from symgrad.errors import SymgradError
from symgrad.graph.node import var, variables
from symgrad.rules.arrays import BY_NAME as ARRAY_ROWS
from symgrad.rules.elementwise import BY_NAME as ROWS


class UnknownFunction(Exception):
    """No function has this sign."""


def _softmax(a: np.ndarray) -> np.ndarray:
    e = np.exp(a - a.max())
    return e / e.sum()


ENTRYWISE: dict[str, Callable[..., Any]] = {
    r"\exp": np.exp, r"\log": np.log, r"\sin": np.sin, r"\cos": np.cos, r"\tan": np.tan, r"\sinh": np.sinh,
    r"\cosh": np.cosh, r"\tanh": np.tanh, r"\arcsin": np.arcsin, r"\arccos": np.arccos, r"\arctan": np.arctan,
    "arsinh": np.arcsinh, "arcosh": np.arccosh, "artanh": np.arctanh, "arctan2": np.arctan2, "log1p": np.log1p,
    "expm1": np.expm1, r"\log_2": np.log2, r"\log_10": np.log10, r"\sigma": special.expit, "erf": special.erf,
    "erfc": special.erfc, r"\Gamma": special.gamma, "gammaln": special.gammaln, r"\psi": special.digamma,
    r"\max": np.maximum, r"\min": np.minimum, "sign": np.sign, "where": lambda c, a, b: np.where(c != 0, a, b),
    "clip": lambda x, a, b: np.minimum(np.maximum(x, a), b), "rint": np.rint, "trunc": np.trunc, "fmod": np.fmod,
    "copysign": np.copysign, "hypot": np.hypot, "softplus": lambda x: np.logaddexp(0.0, x), "logaddexp": np.logaddexp,
    "ReLU": lambda x: np.maximum(x, 0.0), "logsigmoid": special.log_expit, "SiLU": lambda x: x * special.expit(x),
    "softsign": lambda x: x / (1 + np.abs(x)), "LeakyReLU": lambda x, a=0.01: np.where(x > 0, x, a * x),
    "GELU": lambda x: x * (1 + special.erf(x / np.sqrt(2))) / 2, "heaviside": np.heaviside,
    "logaddexp_2": np.logaddexp2,
    "ReLU6": lambda x: np.clip(x, 0, 6), "Mish": lambda x: x * np.tanh(np.logaddexp(0.0, x)),
    "ELU": lambda x, a=1.0: np.where(x > 0, x, a * np.expm1(np.minimum(x, 0))),
    "hardsigmoid": lambda x: np.clip(x + 3, 0, 6) / 6,
    "CELU": lambda x, a=1.0: np.where(x > 0, x, a * np.expm1(np.minimum(x / a, 0))),
    "hardswish": lambda x: x * np.clip(x + 3, 0, 6) / 6, "step": lambda x, at=0.0: np.heaviside(x, at),
    "SELU": lambda x: 1.0507009873554804934193349852946 * np.where(
        x > 0, x, 1.6732632423543772848170429916717 * np.expm1(np.minimum(x, 0))),
    "deg2rad": np.deg2rad, "rad2deg": np.rad2deg, r"GELU_\tanh":
        lambda x: x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
}
# along index letters: the function, and whether its values have those indices again
ALONG: dict[str, tuple[Callable[..., Any], bool]] = {
    "softmax": (_softmax, True), "logsoftmax": (lambda a: np.log(_softmax(a)), True), r"\max": (np.max, False),
    r"\min": (np.min, False), r"\prod": (np.prod, False), "logsumexp": (lambda a: np.log(np.sum(np.exp(a))), False),
}
COMPOSITES = {
    "SE": "mse", "BCE": "bce", "CE": "cross_entropy", "Huber": "huber", "hinge": "hinge",
    "smoothL1": "smooth_l1", "logcosh": "log_cosh", "SLE": "msle", "focal": "focal", "focal_softmax": "softmax_focal",
    "focal_logits": "focal_with_logits", "focal_sigmoid": "sigmoid_focal_loss", "BCE_logits": "bce_with_logits",
    r"NLL_\mathcalN": "gaussian_nll", r"NLL_\mathcalN,\log": "gaussian_nll_logvar", "NLL_Laplace": "laplace_nll",
    "NLL_Poisson": "poisson_nll", "NLL_Poisson,rate": "poisson_nll_rate", "hinge^2": "squared_hinge",
    "NLL": "nll_loss", "AE": "mae", "pinball": "pinball", "softmargin": "soft_margin", "KL": "kl", "JS": "js",
    "H": "entropy", "entr": "entr", "Dice": "dice",
    "Tversky": "tversky", "attention": "attention", "batchnorm": "batch_norm", "layernorm": "layer_norm",
    "rnncell": "rnn_cell", "triplet": "triplet", "swiglu": "swiglu", "ntxent": "nt_xent", "normalize": "normalize",
    "multiheadattention": "multi_head_attention", "infonce": "infonce", "highway": "highway", "glu": "glu",
    "factorizationmachine": "factorization_machine", "dense": "dense", "conv2d": "conv2d", "conv1d": "conv1d",
    "contrastive": "contrastive", "avg_pool2d": "avg_pool2d", "avgpool2d": "avg_pool2d",
}
WHOLE = {
    "softmax": "softmax", "logsoftmax": "log_softmax", "logsumexp": "logsumexp", r"\max": "max", r"\min": "min",
    r"\prod": "prod", "concatenate": "concatenate", "pad": "pad", "reshape": "reshape", "onehot": "one_hot",
    "tril": "tril", "triu": "triu", "fold": "fold", "windows": "windows", "take": "take", "scatter_add": "scatter_add",
    "cumsum": "cumsum", "cumprod": "cumprod", "arange": "arange", "eigvec": "eigvecsh", r"\lambda": "eigvalsh",
    r"svd_\sigma": "svdvals", "svd_U": "svd_u", r"svd_V^\top": "svd_vt", r"\log\det": "logdet",
    "sgndet": "slogdet_sign",
    "chol": "cholesky", "inv": "inv", "pinv": "pinv",
    "take_along": "take_along_axis", "scatter_along": "scatter_along", "argsort": "argsort", "argmax": "argmax",
    "argmin": "argmin", "place_add": "place_add", r"prod^\neq": "prod_others",
}


def _words(low: list[str]) -> list[str]:
    """The parts of a subscript."""
    text = re.sub(r"\\(?:mathrm|text)\{([^{}]*)\}", r"\1", "".join(low))
    return [p for p in re.split(r",(?![^(]*\))", text) if p]


def _value(text: str) -> Any:
    if text in ("True", "False", "None"):
        return {"True": True, "False": False, "None": None}[text]
    if text.startswith("("):
        return tuple(_value(p) for p in text[1:-1].split(",") if p)
    return float(text) if "." in text else int(text)


def _whole_number(x: Any) -> Any:
    if isinstance(x, tuple):
        return tuple(map(_whole_number, x))
    if isinstance(x, np.ndarray) and x.ndim == 0:
        return int(x) if float(x) == int(x) else float(x)
    return x


def whole_array(head: str, low: list[str], high: list[str], args: list[Any], said: dict[str, Any]) -> np.ndarray:
    """Return the value of a function of whole arrays; its options stand in the subscript or behind the operands."""
    if head == r"\psi" and high:  # psi^{(1)}
        return _by_row("polygamma", [int("".join(high).strip("()"))], args)
    key = head + ("^" + "".join(high) if high else "")
    words = _words(low)
    if head + "_" + "".join(low) in WHOLE:
        key, words = head + "_" + "".join(low), []
    if key in ("pinv", "inv"):
        return np.asarray(getattr(np.linalg, key)(args[0]), float)
    name = WHOLE.get(key, key)
    row = ARRAY_ROWS.get(name)
    if row is None:
        if name in ROWS and not high:
            return _by_row(name, [int(w) for w in words], args)
        raise UnknownFunction(f"the function {key}")
    options: dict[str, Any] = {}
    for word in words:
        if "=" in word:
            k, v = word.split("=")
            options[k] = _value(v)
        elif re.fullmatch(r"[a-z]+", word):
            options[word] = True
        else:
            options["axis"] = _value(word)
    behind = [o.name for o in row.options if o.key == ""]
    count = len(args) - len(behind) if row.listed else len(row.params)
    for k, v in zip(behind, args[count:]):
        kind = next(o.kind for o in row.options if o.name == k)
        if (kind == "Sizes" and not isinstance(v, tuple)) or (kind == "Pairs" and not isinstance(v[0], tuple)):
            v = (v,)  # of one axis
        options[k] = _whole_number(v)
    if len(args) > count + len(behind):
        raise UnknownFunction(f"{key} of {len(args)} arguments")
    operands = list(args[:count])
    if name in ("concatenate", "pad"):  # a number may be an array of one entry
        axes = max([1, *(np.ndim(a) for a in operands)]) if name == "concatenate" else len(options["widths"])
        operands = [np.reshape(a, np.shape(a) + (1,) * (axes - np.ndim(a))) for a in operands]
    return _evaluated(lambda *nodes: row(*nodes, **options), operands)


def _by_row(name: str, orders: list[int], args: list[Any]) -> np.ndarray:
    row = ROWS[name].at(*orders) if orders else ROWS[name]
    return _evaluated(row, list(np.broadcast_arrays(*args)))


def _evaluated(build: Callable[..., Any], args: list[Any]) -> np.ndarray:
    kinds = ["int" if np.ndim(a) and np.all(a == np.round(a)) else "real" for a in args]
    nodes = [var(f"x{k}", np.shape(a), kind) for k, (a, kind) in enumerate(zip(args, kinds))]
    try:
        (out,) = evaluate([build(*nodes)], {n: np.asarray(a, object) for n, a in zip(nodes, args)}, digits=20)
    except SymgradError as error:
        raise UnknownFunction(str(error)) from None
    return out.astype(float)


def composite(head: str, args: list[Any], said: dict[str, Any]) -> np.ndarray:
    """Return the value of a loss or layer by its name in the language."""
    names = [f"x{k}" for k in range(len(args))]
    declared = "; ".join(f"{n}: {_shape(a)}" for n, a in zip(names, args))
    call = ", ".join([*names, *(f"{k}={v}" for k, v in said.items())])
    try:
        out = sg.parse(f"{declared}; y_ = {COMPOSITES[head]}({call})").output
        given = {n: np.asarray(args[int(n.name[1:])], object) for n in variables([out])}
        (value,) = evaluate([out], given, digits=20)
    except SymgradError as error:
        raise UnknownFunction(str(error)) from None
    return value.astype(float)


def _shape(a: Any) -> str:
    shape = np.shape(a)
    whole = "int" if shape and np.all(np.asarray(a) == np.round(a)) and np.max(np.abs(a)) < 100 else ""
    return f"{whole}({', '.join(map(str, shape))}{',' * (len(shape) == 1)})"
