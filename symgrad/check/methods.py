"""The gradients of one function by every method there is, run at one point and set beside each other."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symgrad.check.comparison import Comparison, compare_gradients, condition_of, exact_error
from symgrad.check.kinks import beside_kinks
from symgrad.check.numeric import EPS, numeric_gradient
from symgrad.errors import InputError

Array: TypeAlias = NDArray[Any]
Report: TypeAlias = "Callable[[str, int, int], None]"
Gradients: TypeAlias = "Callable[..., Mapping[str, Any]]"

LEAST = 30  # entries of one parameter that are looked at, however many others there are
REPEATS = 3  # runs of which the fastest is the time of a method


def compare_functions(value: Callable[..., Any], exact: Mapping[str, Gradients], at: Mapping[str, Any],
                      wrt: Sequence[str], *, numeric: Sequence[str] = ("complex", "central"),
                      analytic: Callable[..., Any] | None = None, doubt: Mapping[str, float] | None = None,
                      signs: Callable[..., Array] | None = None, entries: int | None = 10_000,
                      progress: Report | None = None, notes: Sequence[str] = ()) -> Comparison:
    """Compare the gradients of `value` by each method of `exact`, and by the numeric ones, at the arrays `at`.

    Every callable takes the arrays by name; those of `exact` return a gradient for each name of `wrt`. `signs` returns
    the signs of the arguments whose zeros have no derivative. `analytic` is the loss in code that complex numbers pass
    through, `value` itself without it. `doubt` is the share of digits that a method is known to have lost, by name.
    The numeric methods look at up to `entries` entries (None: all), drawn evenly from every parameter; a note says so
    where that is not all of them.

    Shapes: each gradient as its array.
    Raises: InputError where `value` is not one finite number or a method leaves out a parameter.
    Source: `compare_gradients`.

    >>> import numpy as np
    >>> c = compare_functions(lambda w: np.sum(w**3), {"by hand": lambda w: {"w": 3 * w**2}}, {"w": np.ones(2)}, ["w"])
    >>> c.ok, c.count("agree"), list(c.gradients)
    (True, 2, ['by hand', 'complex step', 'central'])
    """
    number = np.asarray(value(**at))
    if number.size != 1 or not np.all(np.isfinite(number)):
        raise InputError(
            f"the loss is {number!r} at the given arrays; a comparison needs one finite number. "
            f"Choose a point inside the domain, or take the sum or mean of the loss"
        )
    shapes = {n: np.shape(at[n]) for n in wrt}
    gradients: dict[str, dict[str, Array]] = {}
    errors: dict[str, dict[str, Array]] = {}
    seconds: dict[str, float] = {}
    conditions = []
    for method, run in exact.items():
        result, seconds[method] = _timed(run, at)
        missing = [n for n in wrt if n not in result]
        if missing:
            raise InputError(f"{method} returned no gradient for {', '.join(missing)}")
        gradients[method] = {n: np.asarray(result[n]) for n in wrt}
        conditions.append(condition_of(run, at))
    size = abs(float(number.reshape(())))
    scale = {n: size / np.maximum(1.0, np.abs(np.asarray(at[n], np.float64))) for n in wrt}
    # the smallest of the measured conditions: a wrong gradient must not buy itself a wide bound;
    # the loss's own scale is added for saturated units, where 1 - y loses the digits that y does not have
    condition = {n: np.minimum.reduce([c[n] for c in conditions]) + scale[n] if conditions else scale[n] for n in wrt}

    def rounding(method: str, held: Mapping[str, Array]) -> dict[str, Array]:
        share = 1 + (doubt or {}).get(method, 0.0) / EPS
        return {n: share * exact_error(held[n], condition[n]) for n in wrt}

    for method, found in gradients.items():
        errors[method] = rounding(method, found)

    chosen, note = _sample(shapes, entries if numeric else None)
    sides: dict[str, Any] = {}
    for kind in numeric:
        label = {"complex": "complex step"}.get(kind, kind)

        def forward(done: int, total: int, label: str = label) -> None:
            if progress is not None:
                progress(label, done, total)

        start = time.perf_counter()
        loss = analytic if analytic is not None and kind == "complex" else value
        estimates = numeric_gradient(loss, at, wrt, method=kind, progress=forward, entries=chosen)
        if kind == "central" and signs is not None:
            estimates, sides[label] = beside_kinks(value, signs, at, estimates)
        seconds[label] = time.perf_counter() - start
        gradients[label] = {n: e.gradient for n, e in estimates.items()}
        errors[label] = {n: e.error for n, e in estimates.items()}
        if kind == "complex":
            seen, allowed = errors[label], rounding(label, gradients[label])
            errors[label] = {n: np.where(np.isfinite(seen[n]), allowed[n], np.inf) for n in wrt}
    return compare_gradients(
        gradients, errors, sides=sides, scale=scale, seconds=seconds, value=float(number.reshape(())),
        notes=[*notes, *([note] if note else [])],
    )  # fmt: skip


def _timed(run: Gradients, at: Mapping[str, Any]) -> tuple[Mapping[str, Any], float]:
    best = float("inf")
    for _ in range(REPEATS):
        start = time.perf_counter()
        found = run(**at)
        best = min(best, time.perf_counter() - start)
    return found, best


def _sample(shapes: Mapping[str, tuple[int, ...]], entries: int | None) -> tuple[dict[str, Array], str]:
    """Return the flat positions that the numeric methods look at, and the note that says so."""
    sizes = {n: int(np.prod(s)) for n, s in shapes.items()}
    total = sum(sizes.values())
    if entries is None or total <= entries:
        return {}, ""
    rng = np.random.default_rng(0)
    share = {n: min(s, max(LEAST, entries * s // total)) for n, s in sizes.items()}
    seen = sum(share.values())
    if seen == total:
        return {}, ""
    chosen = {n: np.sort(rng.choice(sizes[n], share[n], replace=False)) for n in sizes}
    return chosen, f"the numeric methods looked at {seen} of {total} entries; entries=None looks at all of them"
