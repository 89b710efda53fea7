"""Central differences beside a kink: step back from it where there is room, and take both sides where there is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symgrad.check.numeric import Estimate, estimate, one_sided

Array: TypeAlias = NDArray[Any]
Index: TypeAlias = "tuple[int, ...]"

SHRINKS = 12  # times that a step may be halved to stay on one side; each doubles the rounding error
SHRINK = 2.0


def beside_kinks(fun: Callable[..., Any], signs: Callable[..., Array], arrays: Mapping[str, Any],
                 found: Mapping[str, Estimate]) -> tuple[dict[str, Estimate], dict[str, dict[Index, Any]]]:
    """Return the estimates with smaller steps where a kink lay within reach, and both sides where one lies at x.

    `signs(**arrays)` is the sign of every argument whose zeros have no derivative. An entry sits on a kink when one of
    them differs between x - h, x and x + h, however small h.

    >>> import numpy as np
    >>> from symgrad.check.numeric import numeric_gradient
    >>> f, signs, at = (lambda w: np.sum(abs(w))), (lambda w: np.sign(w)), {"w": np.array([0.0, 1e-4, 2.0])}
    >>> better, sides = beside_kinks(f, signs, at, numeric_gradient(f, at))
    >>> list(sides["w"]), better["w"].gradient[1:].round(6).tolist()
    ([(0,)], [1.0, 1.0])
    """
    here = np.asarray(signs(**arrays))
    better: dict[str, Estimate] = {}
    sides: dict[str, dict[Index, Any]] = {}
    for name, whole in found.items():
        x = np.asarray(arrays[name], np.float64)
        gradient, error, reach = whole.gradient.copy(), whole.error.copy(), whole.reach.copy()
        sides[name] = {}

        def value(w: Array, name: str = name) -> Any:
            return fun(**{**arrays, name: w})

        def crossed(index: Index, distance: float, name: str = name, x: Array = x) -> NDArray[np.bool_]:
            out = np.zeros(here.shape, bool)
            for offset in (-distance, distance):
                near = x.copy()
                near[index] += offset
                out |= np.asarray(signs(**{**arrays, name: near})) != here
            return out

        for index in np.ndindex(x.shape):
            distance = float(reach[index])
            if distance == 0 or not np.any(crossed(index, distance)):
                continue
            for _ in range(SHRINKS):
                distance /= SHRINK
                met = crossed(index, distance)
                if not np.any(met) or np.any(met & (here == 0)):
                    break
            if np.any(met):
                sides[name][index] = one_sided(value, x, index)
            else:
                place = int(np.ravel_multi_index(index, x.shape))
                # the scheme reaches to twice its step
                again = estimate(value, x, step=distance / 4, entries=[place])
                gradient[index], error[index], reach[index] = (
                    again.gradient[index], again.error[index], again.reach[index],
                )  # fmt: skip
        better[name] = Estimate(gradient, error, reach)
    return better, sides
