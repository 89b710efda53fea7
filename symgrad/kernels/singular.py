"""What NumPy's LinAlgError means for the user: which function of which operand failed, and what to do."""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from symgrad.errors import InputError, SingularMatrix
from symgrad.kernels.names import shown

_SINGULAR = ("is singular: its determinant is 0, so that it has no inverse and no unique solution. Look for equal or "
             "dependent rows; pinv(A) serves for least squares, A + eps*eye(n) is invertible for small eps")
_WHY = {
    "inv": _SINGULAR, "solve": _SINGULAR,
    "cholesky": "is not positive definite: its symmetric part has an eigenvalue that is 0 or negative. A covariance "
                "becomes positive definite with a small multiple of eye(n) added; solve and logdet do without",
}
_OTHER = "has no such decomposition: the iteration did not converge. Look for nan or inf among the entries"


def explained(run: Callable[..., Any], source: str, filename: str) -> Callable[..., Any]:
    """Return `run` raising SingularMatrix with the function and its operand where NumPy raises LinAlgError."""

    @wraps(run)
    def call(*args: Any, **named: Any) -> Any:
        try:
            return run(*args, **named)
        except np.linalg.LinAlgError as error:
            raise SingularMatrix(_message(error, source, filename)) from None
        except TypeError:
            for name, array in (*enumerate(args, 1), *named.items()):
                found = np.asarray(array).dtype
                if found.kind == "f" and found.char not in "fd":
                    which = shown(name) if isinstance(name, str) else f"array {name}"
                    raise InputError(f"{which} is of {found}; NumPy's linear algebra has float32 and float64. "
                                     f"Give it .astype(np.float64)") from None
            raise

    return call


def _message(error: BaseException, source: str, filename: str) -> str:
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_filename == filename:
            line, last, start, stop = list(code.co_positions())[trace.tb_lasti // 2]
            found = _segment(source, line, last, start, stop)
            if found is not None:
                return found
        trace = trace.tb_next
    return f"a matrix {_OTHER} ({error})"


def _segment(source: str, line: int | None, last: int | None, start: int | None, stop: int | None) -> str | None:
    """Return the message for the call that stands at these places of the source."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and (node.lineno, node.end_lineno, node.col_offset, node.end_col_offset) == \
                (line, last, start, stop):
            name = ast.unparse(node.func).rpartition(".")[2]
            words = dict.fromkeys(n.id for n in ast.walk(node.args[0]) if isinstance(n, ast.Name) and n.id != "np")
            operand = ", ".join(words)
            return f"{name}({ast.unparse(node.args[0])}): the matrix {operand} {_WHY.get(name, _OTHER)}. " \
                   f"This is line {line} of the kernel's source"
    return None
