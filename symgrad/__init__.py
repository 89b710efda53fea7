"""symgrad: textbook derivations of neural-network gradients, checked step by step, and the kernels they make.

The public names: those below by hand, and every function that has a row in a table (sigmoid, bce, ...) by the row.
All are imported on first use, so that `symgrad --help` costs nothing.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_BY_HAND = {
    "symgrad.api": ("Derivation", "compile", "derive", "grad", "lambdify"),
    "symgrad.check.assumptions": ("check_assumptions",),
    "symgrad.check.compare": ("compare",),
    "symgrad.check.comparison": ("Comparison",),
    "symgrad.check.trace": ("trace_values",),
    "symgrad.errors": (
        "InputError", "LimitExceeded", "MissingExtra", "MissingTool", "NoRule", "NonScalarLoss", "NotDifferentiable",
        "NotExpressible", "ParseError", "ShapeError", "SingularMatrix", "SymgradError", "TextLimit", "UnknownName",
    ),
    "symgrad.jacobians.derive": ("hessian", "hvp", "jacobian", "jvp", "vjp"),
    "symgrad.jacobians.result": ("Jacobian",),
    "symgrad.jacobians.saved": ("load",),
    "symgrad.language.array_names": (
        "arange", "argmax", "argmin", "argsort", "avg_pool1d", "avg_pool2d", "cholesky", "concatenate", "conv1d",
        "conv2d", "cosm", "cross_entropy", "cumprod", "cumsum", "det", "diag", "diff", "eigvalsh", "eigvecsh",
        "expand_dims", "expm", "eye", "flip", "fold", "inv", "kron", "linspace", "log_softmax", "logdet", "logsumexp",
        "matrix_power", "max_pool1d", "max_pool2d", "median", "moveaxis", "norm", "one_hot", "pad", "permute", "pinv",
        "place_add", "prod", "prod_others", "prod_pairs", "ravel", "repeat", "reshape", "roll", "scatter_add",
        "scatter_along_axis", "signdet", "sinm", "slogdet", "softmax", "solve", "sort", "square_repeatedly",
        "squeeze", "stack", "std", "svd_u", "svd_vt", "svdvals", "swapaxes", "take", "take_along_axis", "tile",
        "tril", "triu", "var", "windows",
    ),
    "symgrad.language.arrays": (
        "broadcast_to", "dot", "einsum", "matmul", "mean", "outer", "square", "sum", "trace", "transpose",
    ),
    "symgrad.language.expression": ("Expression", "symbol"),
    "symgrad.language.named": ("UserFunction", "function"),
    "symgrad.language.network": ("Network",),
    "symgrad.language.text_io": ("parse",),
    "symgrad.equation": ("Stationary", "stationary"),
}  # fmt: skip
_WHERE = {name: module for module, names in _BY_HAND.items() for name in names}
_ROWS = "symgrad.language.functions"


def __getattr__(name: str) -> Any:
    if name == "tape":
        return import_module("symgrad.tape")
    if name == "__all__":
        found: Any = ["__version__", "tape", *sorted({*_WHERE, *import_module(_ROWS).NAMES})]
    elif name in _WHERE:
        found = getattr(import_module(_WHERE[name]), name)
    else:
        # a dunder is Python asking, not a user
        rows = {} if name.startswith("_") else import_module(_ROWS).PUBLIC
        if name not in rows:
            raise AttributeError(f"module 'symgrad' has no attribute {name!r}")
        found = rows[name]
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    names: list[str] = __getattr__("__all__")
    return names
