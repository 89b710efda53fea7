"""symgrad: textbook derivations of neural-network gradients, checked step by step, and the kernels they make.

The public names, by hand. They are imported on first use, so that `symgrad --help` costs nothing.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_API = ("Derivation", "compile", "derive", "grad", "lambdify", "load")
_LANGUAGE = {
    "Expression": "symgrad.language.expression",
    "symbol": "symgrad.language.expression",
    "Network": "symgrad.language.network",
    "parse": "symgrad.language.text_io",
}
_FUNCTIONS = (
    "abs",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctanh",
    "cos",
    "cosh",
    "exp",
    "expm1",
    "log",
    "log1p",
    "maximum",
    "minimum",
    "relu",
    "sigmoid",
    "sign",
    "sin",
    "sinh",
    "softplus",
    "sqrt",
    "step",
    "tan",
    "tanh",
    "where",
    "bce",
    "bce_with_logits",
    "mse",
)
_ARRAYS = (
    "broadcast_to",
    "dot",
    "einsum",
    "matmul",
    "mean",
    "outer",
    "square",
    "sum",
    "trace",
    "transpose",
)
_CHECK = {"compare": "symgrad.check.compare", "Comparison": "symgrad.check.comparison"}
_ERRORS = (
    "InputError",
    "LimitExceeded",
    "MissingExtra",
    "MissingTool",
    "NoRule",
    "NonScalarLoss",
    "NotDifferentiable",
    "NotExpressible",
    "ParseError",
    "ShapeError",
    "SymgradError",
    "TextLimit",
    "UnknownName",
)
_WHERE = {
    **dict.fromkeys(_API, "symgrad.api"), **_LANGUAGE, **dict.fromkeys(_FUNCTIONS, "symgrad.language.functions"),
    **dict.fromkeys(_ARRAYS, "symgrad.language.arrays"), **_CHECK, **dict.fromkeys(_ERRORS, "symgrad.errors"),
}  # fmt: skip

__all__ = ["__version__", "tape", *sorted(_WHERE)]  # noqa: PLE0604  # the names are the keys of the tables above


def __getattr__(name: str) -> Any:
    if name == "tape":
        return import_module("symgrad.tape")
    if name not in _WHERE:
        raise AttributeError(f"module 'symgrad' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_WHERE[name]), name)
    return value


def __dir__() -> list[str]:
    return __all__
