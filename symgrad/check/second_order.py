"""Second derivatives from function values: mixed second differences with an error bound, entry by entry."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symgrad.check.numeric import EPS, SAFETY, noise_level

Array: TypeAlias = NDArray[Any]
Two: TypeAlias = "Callable[[Array, Array], Any]"

STEP = 2.0**-9  # near eps**(1/6): truncation of fourth order and rounding over h**2 then cost the same
REFINEMENTS = 3


def second_difference(fun: Two, a: Array, b: Array, same: bool,
                      entries: Iterable[tuple[int, int]] | None = None) -> tuple[Array, Array]:
    """Return d^2 f/(da_i db_j) of a scalar function f(a, b) by differences, and a bound on the error.

    With `same` the two arrays are one variable, and both moves are added. `entries` are the flat positions to look at;
    the others are nan with an infinite bound.
    Formula: D(h) = (f(++) - f(+-) - f(-+) + f(--)) / (4 h k), extrapolated: (4 D(h/2) - D(h)) / 3 + O(h^4).
    Shapes: (a.size, b.size) for both results.
    Source: Abramowitz and Stegun (1964), formula 25.3.27, and one step of Richardson's extrapolation.

    >>> import numpy as np
    >>> x = np.array([0.3, 0.7])
    >>> found, bound = second_difference(lambda x, _: np.sin(x[0])*x[1]**2, x, x, True)
    >>> exact = np.array([[-np.sin(0.3)*0.49, np.cos(0.3)*1.4], [np.cos(0.3)*1.4, 2*np.sin(0.3)]])
    >>> bool(np.all(abs(found - exact) <= bound)), bool(np.all(bound < 1e-7))
    (True, True)
    """
    one, two = (np.array(x, dtype=np.float64) for x in (a, b))
    noise = max(noise_level(lambda x: fun(x, two), one), noise_level(lambda x: fun(one, x), two))
    value = np.full((one.size, two.size), math.nan)
    error = np.full((one.size, two.size), math.inf)
    chosen = entries if entries is not None else ((i, j) for i in range(one.size) for j in range(two.size))
    for i, j in chosen:
        value[i, j], error[i, j] = _entry(fun, one, two, i, j, same, noise)
    return value, error


def _entry(fun: Two, a: Array, b: Array, i: int, j: int, same: bool, noise: float) -> tuple[float, float]:
    h, k = (STEP * max(1.0, 2.0 ** round(math.log2(max(abs(float(x.flat[n])), 1.0)))) for x, n in ((a, i), (b, j)))
    seen = [0.0]

    def at(s: float, t: float) -> float:
        x, y = a.copy(), b.copy()
        x.flat[i] += s
        (x if same else y).flat[j] += t
        found = float(np.reshape(fun(x, y), ()))
        seen.append(abs(found))
        return found

    def difference(scale: float) -> float:
        s, t = h * scale, k * scale
        return ((at(s, t) - at(s, -t)) - (at(-s, t) - at(-s, -t))) / (4 * s * t)

    best = (math.nan, math.inf)
    scale = 1.0
    for _ in range(REFINEMENTS):
        d = [difference(scale / 2**n) for n in range(3)]
        coarse, fine = (4 * d[1] - d[0]) / 3, (4 * d[2] - d[1]) / 3
        # the weights of the four values at the smallest step, times 4/3 and the part of the step before
        rounding = 1.5 * max(EPS * max(seen), SAFETY * noise) / (h * k * scale * scale / 16)
        bound = abs(coarse - fine) + rounding
        if math.isfinite(bound) and bound < best[1]:
            best = (fine, bound)
        if abs(coarse - fine) <= 4 * rounding:
            break
        scale /= 2
    return best
