"""The derivatives of SciPy's special functions, for programs that call them; SciPy itself is never imported here.

A traced program that calls one has SciPy loaded, so the functions that its derivative needs are taken from there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from symgrad.tape.rows import Array, Row, elementwise

ROOT_PI = float(np.sqrt(np.pi))


def scipy(name: str, *args: Array) -> Array:
    """A function of scipy.special, of plain arrays."""
    return getattr(sys.modules["scipy.special"], name)(*args)


# fmt: off
SPECIAL: dict[str, Row] = {
    "gamma":     elementwise(lambda y, x: y * scipy("psi", x)),
    "gammaln":   elementwise(lambda y, x: scipy("psi", x)),
    "loggamma":  elementwise(lambda y, x: scipy("psi", x)),
    "psi":       elementwise(lambda y, x: scipy("polygamma", 1, x)),
    "erf":       elementwise(lambda y, x: 2.0 / ROOT_PI * np.exp(-np.square(x))),
    "erfc":      elementwise(lambda y, x: -2.0 / ROOT_PI * np.exp(-np.square(x))),
    "expit":     elementwise(lambda y, x: y * scipy("expit", -x)),
    "log_expit": elementwise(lambda y, x: scipy("expit", -x)),
    "logit":     elementwise(lambda y, x: np.divide(1.0, x * (1.0 - x))),
    "xlogy":     elementwise(lambda y, a, b: np.log(b), lambda y, a, b: np.divide(a, b)),
}
# fmt: on


def special_row(function: Callable[..., Any]) -> Row | None:
    """The row of a function of scipy.special, None for what is none."""
    module = sys.modules.get("scipy.special")
    name = getattr(function, "__name__", "")
    return SPECIAL.get(name) if module is not None and getattr(module, name, None) is function else None
