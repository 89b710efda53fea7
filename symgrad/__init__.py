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
_ROWS = ("symgrad.language.functions", "symgrad.language.array_names")


def __getattr__(name: str) -> Any:
    if name == "tape":
        return import_module("symgrad.tape")
    if name == "__all__":
        found: Any = ["__version__", "tape", *sorted({*_WHERE, *(n for m in _ROWS for n in import_module(m).NAMES)})]
    elif name in _WHERE:
        found = getattr(import_module(_WHERE[name]), name)
    else:
        # a dunder is Python asking, not a user
        tables = () if name.startswith("_") else (import_module(m).PUBLIC for m in _ROWS)
        found = next((table[name] for table in tables if name in table), None)
        if found is None:
            raise AttributeError(f"module 'symgrad' has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    names: list[str] = __getattr__("__all__")
    return names
