"""SymPy in, SymPy out: `lower` reads SymPy into nodes, `to_sympy` writes nodes as SymPy."""

from symgrad.language.sympy_in import Context, lower
from symgrad.language.sympy_out import to_sympy

__all__ = ["Context", "lower", "to_sympy"]
