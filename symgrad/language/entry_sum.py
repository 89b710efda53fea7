"""EntrySum: the sum of all entries of a SymPy matrix, for which SymPy has no scalar of its own."""

from __future__ import annotations

from typing import Any

import sympy as sp

from symgrad.errors import NoRule


class EntrySum(sp.Expr):  # type: ignore[misc]  # SymPy ships no types
    """The sum of all entries of a matrix expression; `.doit()` adds them up where the matrix is explicit.

    >>> import sympy as sp
    >>> A = sp.MatrixSymbol("A", 2, 3)
    >>> EntrySum(A).subs(A, sp.ones(2, 3)).doit()
    6
    """

    is_commutative = True

    def __new__(cls, matrix: Any) -> EntrySum:
        obj: EntrySum = sp.Basic.__new__(cls, matrix.as_immutable() if isinstance(matrix, sp.MatrixBase) else matrix)
        return obj

    @property
    def matrix(self) -> Any:
        return self.args[0]

    def doit(self, **hints: Any) -> Any:
        matrix = self.matrix.doit(**hints) if hints.get("deep", True) else self.matrix
        if not all(d.is_Integer for d in map(sp.sympify, matrix.shape)):
            return EntrySum(matrix)
        explicit = matrix if isinstance(matrix, sp.MatrixBase) else matrix.as_explicit()
        return sp.Add(*explicit)

    def _eval_evalf(self, prec: int) -> Any:
        done = self.doit()
        return None if isinstance(done, EntrySum) else done._eval_evalf(prec) if done.args else done

    def _eval_derivative(self, symbol: Any) -> Any:
        raise NoRule(f"SymPy's matrix calculus has no rule for a sum of entries by {symbol}. Use symgrad.grad")

    _eval_derivative_matrix_lines = _eval_derivative

    def diff(self, *symbols: Any, **_: Any) -> Any:
        """Refuse: the derivative of a matrix expression is symgrad.grad's job."""
        return self._eval_derivative(symbols[0] if symbols else "nothing")

    def _latex(self, printer: Any, exp: str | None = None) -> str:
        text = rf"\sum_{{i,j}} \left({printer._print(self.matrix)}\right)_{{ij}}"
        return text if exp is None else rf"\left({text}\right)^{{{exp}}}"

    def _sympystr(self, printer: Any) -> str:
        return f"sum({printer._print(self.matrix)})"
