"""symgrad: textbook derivations of neural-network gradients, checked step by step, and the kernels they make.

The public names: those below by hand, and every function that has a row in a table (sigmoid, bce, ...) by the row.
All are imported on first use, so that `symgrad --help` costs nothing.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_BY_HAND = {
    "symgrad.api": ("Derivation", "compile", "derive", "grad", "lambdify", "load"),
    "symgrad.check.compare": ("compare",),
    "symgrad.check.comparison": ("Comparison",),
    "symgrad.check.trace": ("trace_values",),
    "symgrad.errors": (
        "InputError", "LimitExceeded", "MissingExtra", "MissingTool", "NoRule", "NonScalarLoss", "NotDifferentiable",
        "NotExpressible", "ParseError", "ShapeError", "SingularMatrix", "SymgradError", "TextLimit", "UnknownName",
    ),
    "symgrad.language.array_names": (
        "cholesky", "concatenate", "cross_entropy", "cumsum", "det", "diag", "eigvalsh",
        "eigvecsh", "eye", "inv", "kron", "log_softmax",
        "logdet", "logsumexp", "matrix_power", "norm", "one_hot", "pad", "pinv", "prod", "reshape", "scatter_add",
        "signdet", "slogdet", "softmax", "solve", "stack", "std", "svd_u", "svd_vt",
        "svdvals", "take", "tril", "triu", "var",
    ),
    "symgrad.language.arrays": (
        "broadcast_to", "dot", "einsum", "matmul", "mean", "outer", "square", "sum", "trace", "transpose",
    ),
    "symgrad.language.expression": ("Expression", "symbol"),
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
