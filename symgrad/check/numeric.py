"""Derivatives from function values alone: central differences with an error bound, complex step, one-sided differences.

Nothing here knows a derivative rule, so what agrees with it has evidence of another kind.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symgrad.errors import InputError, suggest
from symgrad.kernels.checks import read

Array: TypeAlias = NDArray[Any]
Scalar: TypeAlias = "Callable[[Array], Any]"
Progress: TypeAlias = "Callable[[int, int], None]"

EPS = float(np.finfo(np.float64).eps)
SAFETY = 4.0  # the measured noise is a standard deviation; the bound has to hold for the largest of many draws
REFINEMENTS = 6  # times that a step may shrink by 4 where the truncation error dominates
NOISE_POINTS = 8
NOISE_SPACING = (-26, -20, -14)  # powers of two, relative to max(1, |x|)


@dataclass(frozen=True)
class Estimate:
    """A derivative by differences, a bound on its error, and how far from x the function was looked at, per entry."""

    gradient: Array
    error: Array
    reach: Array


@dataclass(frozen=True)
class _Scheme:
    """Central differences D(h) = sum w_k (f(x + k h) - f(x - k h)) / h; `roundoff` is sum 2 |w_k|, in units of 1/h."""

    weights: tuple[tuple[int, float], ...]
    roundoff: float
    power: int  # the error is O(h**power)


SCHEMES = {2: _Scheme(((1, 1 / 2),), 1.0, 2), 4: _Scheme(((1, 2 / 3), (2, -1 / 12)), 1.5, 4)}


def central_difference(fun: Scalar, x: Array, order: int = 4, step: float | None = None) -> tuple[Array, Array]:
    """Return the gradient of a scalar function by central differences, and a bound on its error, entry by entry.

    Formula (order 4): df/dx = (8 (f(x+h) - f(x-h)) - (f(x+2h) - f(x-2h))) / (12 h) + O(h^4), at h and at h/2.
    The bound is the truncation error, from the difference of the two, plus the rounding error, from the measured
    noise of `fun`. The step is eps**(1/5) max(1, |x|), eps**(1/3) max(1, |x|) for order 2, or `step`, and shrinks
    where the truncation error dominates. float32 is evaluated in float64: differences in float32 have 3 digits.

    Shapes: x any, both results as x.
    Raises: InputError where x is not real, the order is not 2 or 4, or `fun` returns more than one number.
    Source: Fornberg (1988), Mathematics of Computation 51, table 1; noise: More and Wild (2011), SIAM J. Sci. Comput.

    >>> import numpy as np
    >>> gradient, error = central_difference(lambda x: np.sum(np.sin(x)), np.array([0.0, 1.0]))
    >>> bool(np.all(abs(gradient - np.cos([0.0, 1.0])) <= error)), bool(np.all(error < 1e-11))
    (True, True)
    """
    found = estimate(fun, x, order, step)
    return found.gradient, found.error


def estimate(fun: Scalar, x: Array, order: int = 4, step: float | None = None,
             progress: Progress | None = None, entries: Iterable[int] | None = None) -> Estimate:
    """Return what `central_difference` returns, and how far from x each entry was moved.

    `entries` are the flat positions to look at; the others are nan with an infinite bound.

    >>> import numpy as np
    >>> float(estimate(lambda x: np.sum(x**3), np.array([2.0])).gradient[0].round(9))
    12.0
    """
    if order not in SCHEMES:
        raise InputError(f"central differences have order 2 or 4 here, not {order}")
    if step is not None and not 0 < step < math.inf:
        raise InputError(f"a step is a positive number, not {step}")
    work, shown = _workspace(x)
    noise = noise_level(fun, x)
    gradient, error, reach = (np.full(work.shape, v) for v in (math.nan, math.inf, 0.0))
    flat = work.reshape(-1)
    chosen = range(flat.size) if entries is None else list(entries)
    for done, k in enumerate(chosen, 1):
        gradient.flat[k], error.flat[k], reach.flat[k] = _entry(fun, shown, flat, k, SCHEMES[order], step, noise)
        if progress is not None:
            progress(done, len(chosen))
    return Estimate(gradient, error, reach)


def default_step(x: float, order: int = 4) -> float:
    """Return eps**(1/(order+1)) max(1, |x|), the step that balances truncation against rounding for |f'''''| ~ |f|."""
    return float(EPS ** (1 / (order + 1)) * max(1.0, abs(x)))


def _entry(fun: Scalar, shown: Array, flat: Array, k: int, scheme: _Scheme, step: float | None,
           noise: float) -> tuple[float, float, float]:
    centre = float(flat[k])
    values: dict[float, float] = {}  # offset -> value; the two steps share points

    def at(offset: float) -> float:
        if offset not in values:
            flat[k] = centre + offset
            values[offset] = _number(fun(shown))
        return values[offset]

    def difference(h: float) -> float:
        total = 0.0
        for multiple, weight in scheme.weights:
            width = (centre + multiple * h) - (centre - multiple * h)  # the step that was achieved
            total += 2 * multiple * weight * ((at(multiple * h) - at(-multiple * h)) / width)
        return total

    # a power of two is added to x without rounding nearly always
    h = 2.0 ** round(math.log2(default_step(centre, scheme.power) if step is None else step))
    best = (math.nan, math.inf, 0.0)
    try:
        for _ in range(1 + (REFINEMENTS if step is None else 0)):
            coarse, fine = difference(h), difference(h / 2)
            size = max(map(abs, values.values()))
            truncation = abs(coarse - fine)
            rounding = scheme.roundoff * max(EPS * size, SAFETY * noise) / (h / 2) + EPS * abs(fine)
            # the finer value is 2**power times better than the difference says; 2 in place of that is the safety
            bound = truncation / 2 + rounding
            if not math.isfinite(bound):
                bound = math.inf
            if bound < best[1]:
                best = (fine, bound, h * scheme.weights[-1][0])
            if truncation <= 4 * rounding or best[1] < bound:
                break
            h /= 4
    finally:
        flat[k] = centre
    return best


def noise_level(fun: Scalar, x: Array) -> float:
    """Return the standard deviation of the rounding errors of `fun` near x.

    Formula: what is left of f at points near x, at uneven distances, after a parabola is fitted to it. The points are
    so near that f itself leaves nothing; where it stands still, points further away are taken.
    Source: the idea is that of More and Wild (2011), Estimating computational noise, SIAM J. Sci. Comput. 33.

    >>> import numpy as np
    >>> level = noise_level(lambda x: 1e6 + np.sum(np.sin(x)), np.array([0.3, 0.4]))
    >>> 1e-11 < level < 1e-9  # one ulp of 1e6 is 1.2e-10
    True
    """
    work, shown = _workspace(x)
    centre = work.copy()
    rng = np.random.default_rng(0)
    direction = rng.uniform(0.5, 1.0, size=work.shape) * np.maximum(1.0, np.abs(centre))
    # one ray from x, so that a kink at x is not crossed; uneven, for even distances meet quantised values in step
    distance = np.sort(rng.uniform(0.5, 8.5, NOISE_POINTS))
    values = np.empty(NOISE_POINTS)
    for exponent in NOISE_SPACING:
        for j, d in enumerate(distance):
            work[...] = centre + d * 2.0**exponent * direction
            values[j] = _number(fun(shown))
        if not np.all(np.isfinite(values)):
            return math.inf
        if np.any(values != values[0]):
            break
    parabola = np.vander(distance - distance.mean(), 3)
    change = values - values[0]
    left = change - parabola @ np.linalg.lstsq(parabola, change, rcond=None)[0]
    return math.sqrt(float(left @ left) / (NOISE_POINTS - 3))


def complex_step(fun: Scalar, x: Array, h: float = 1e-30, progress: Progress | None = None,
                 entries: Iterable[int] | None = None) -> Array:
    """Return the gradient of an analytic scalar function by the complex step, exact to rounding.

    Formula: df/dx = Im f(x + i h) / h. There is no difference of near numbers, so h may be as small as it likes.
    It is right only where `fun` is analytic; the caller decides: abs, maximum, comparisons, conj are not.

    Shapes: x any, the result as x.
    Raises: InputError where x is not real, or `fun` drops the imaginary part.
    Source: Squire and Trapp (1998), SIAM Review 40.

    >>> import numpy as np
    >>> complex_step(lambda x: np.exp(x[0]) * x[1], np.array([0.0, 3.0])).tolist()
    [3.0, 1.0]
    """
    real, _ = _workspace(x)
    work = real.astype(np.complex128)
    shown = work.view()
    shown.flags.writeable = False
    gradient = np.full(real.shape, math.nan)
    flat, centre = work.reshape(-1), real.reshape(-1)
    chosen = range(flat.size) if entries is None else list(entries)
    for done, k in enumerate(chosen, 1):
        flat[k] = complex(centre[k], h)
        value = np.array(fun(shown))  # a copy: what came back may be a view of the argument, which changes now
        flat[k] = centre[k]
        if value.size != 1:
            raise InputError(f"the function returned shape {value.shape}, one number is expected")
        if not np.iscomplexobj(value):
            raise InputError(
                "complex step: the function returned a real number for a complex argument, so it dropped the imaginary "
                "part (abs, maximum, .real, float(...)). Use central differences for it."
            )
        gradient.flat[k] = value.reshape(()).imag / h
        if progress is not None:
            progress(done, len(chosen))
    return gradient


def one_sided(fun: Scalar, x: Array, index: tuple[int, ...], step: float | None = None) -> tuple[Estimate, Estimate]:
    """Return the left and the right derivative by one entry, second order, each with a bound.

    Formula: f'(x+) = (-3 f(x) + 4 f(x+h) - f(x+2h)) / (2h) + O(h^2), at h and h/2; f'(x-) with -h.
    Shapes: x any; the estimates are scalars.
    Source: Fornberg (1988), Mathematics of Computation 51, table 3.

    >>> import numpy as np
    >>> left, right = one_sided(lambda x: abs(x[0]), np.array([0.0]), (0,))
    >>> round(float(left.gradient), 6), round(float(right.gradient), 6)
    (-1.0, 1.0)
    """
    work, shown = _workspace(x)
    noise = noise_level(fun, x)
    centre = float(work[index])
    h = 2.0 ** round(math.log2(default_step(centre, 2) if step is None else step))
    sides = []
    for sign in (-1.0, 1.0):
        points = []
        for multiple in (0.0, 0.5, 1.0, 2.0):
            work[index] = centre + sign * multiple * h
            points.append(_number(fun(shown)))
        work[index] = centre
        f0, half, one, two = points
        coarse = sign * (-3 * f0 + 4 * one - two) / (2 * h)
        fine = sign * (-3 * f0 + 4 * half - one) / h
        rounding = 8 * max(EPS * max(map(abs, points)), SAFETY * noise) / h
        bound = abs(coarse - fine) + rounding
        bound = bound if math.isfinite(bound) else math.inf
        sides.append(Estimate(np.array(fine), np.array(bound), np.array(2 * h)))
    return sides[0], sides[1]


def numeric_gradient(fun: Callable[..., Any], arrays: Mapping[str, Any], wrt: Iterable[str] | None = None,
                     method: str = "central", order: int = 4, step: float | None = None,
                     progress: Progress | None = None,
                     entries: Mapping[str, Iterable[int]] | None = None) -> dict[str, Estimate]:
    """Return the gradient of `fun(**arrays)` by the arrays named in `wrt`, by differences or by the complex step.

    `entries` names the flat positions to look at, for the arrays where not all are wanted.

    Shapes: each gradient as its array.
    Raises: InputError for a name that is not among the arrays, a method that does not exist, an array that is not real.
    Source: `central_difference` and `complex_step`.

    >>> import numpy as np
    >>> at = {"a": np.array([1.0, 2.0]), "b": np.array(3.0)}
    >>> found = numeric_gradient(lambda a, b: np.sum(a**2) * b, at, ["a"], method="complex")
    >>> found["a"].gradient.tolist()
    [6.0, 12.0]
    """
    if method not in ("central", "complex"):
        raise InputError(f"method is 'central' or 'complex', not {method!r}")
    names = list(arrays) if wrt is None else list(wrt)
    for name in names:
        if name not in arrays:
            given = ", ".join(map(repr, arrays))
            raise InputError(f"no array is named {name!r}; given: {given}." + suggest(name, arrays))
    fixed = {k: _doubled(k, v, k in names) for k, v in arrays.items()}
    chosen = {n: list((entries or {}).get(n, range(fixed[n].size))) for n in names}
    total = sum(map(len, chosen.values()))
    out: dict[str, Estimate] = {}
    done = 0

    for name in names:
        before = done

        def one(value: Array, name: str = name) -> Any:
            return fun(**{**fixed, name: value})

        def forward(k: int, _: int, before: int = before) -> None:
            if progress is not None:
                progress(before + k, total)

        if method == "central":
            out[name] = estimate(one, fixed[name], order, step, forward, chosen[name])
        else:
            gradient = complex_step(one, fixed[name], progress=forward, entries=chosen[name])
            error = np.where(np.isnan(gradient), math.inf, 8 * EPS * np.abs(gradient))
            out[name] = Estimate(gradient, error, np.zeros(gradient.shape))
        done += len(chosen[name])
    return out


def _doubled(name: str, value: Any, moved: bool) -> Array:
    """Return what is moved in float64, and so all other floats; whole numbers beside them may choose entries."""
    array = read(name, value)
    return array.astype(np.float64, order="C") if moved or array.dtype.kind == "f" else array


def _workspace(x: Any) -> tuple[Array, Array]:
    """Return a float64 copy and a view of it that the function cannot write to."""
    work = np.array(read("x", x), dtype=np.float64, order="C")  # entries are moved in a flat view, so never a copy
    shown = work.view()
    shown.flags.writeable = False
    return work, shown


def _number(value: Any) -> float:
    value = np.asarray(value)
    if value.size != 1:
        raise InputError(f"the function returned shape {value.shape}, one number is expected; take its sum or mean")
    if value.dtype.kind == "c":
        raise InputError("the function returned a complex number for a real argument")
    return float(value.reshape(()))
