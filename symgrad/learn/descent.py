"""Gradient descent over a kernel: full batch or minibatches, with momentum or Adam.

A kernel is any `f(**arrays) -> (value, {name: gradient})`; nothing here knows where its gradients come from.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symgrad.errors import InputError
from symgrad.kernels.checks import read

Array: TypeAlias = NDArray[Any]
Arrays: TypeAlias = "dict[str, Array]"
GradientFunction: TypeAlias = "Callable[..., tuple[Any, Mapping[str, Any]]]"
Progress: TypeAlias = "Callable[[int, int, float], None]"


class Optimiser(Protocol):
    """A rule for one step; the state of a run is handed in and out, so one optimiser serves many runs."""

    def start(self, parameters: Mapping[str, Array]) -> Any: ...

    def step(self, parameters: Arrays, grads: Mapping[str, Array], state: Any) -> tuple[Arrays, Any]: ...


@dataclass(frozen=True)
class Descent:
    """Gradient descent, with momentum where it is not 0.

    Formula: v <- momentum * v + w_bar, w <- w - rate * v.
    Source: Polyak (1964); Goodfellow, Bengio and Courville (2016), section 8.3.2.

    >>> import numpy as np
    >>> rule, w = Descent(rate=0.5), {"w": np.array([2.0])}
    >>> rule.step(w, {"w": np.array([1.0])}, rule.start(w))[0]["w"].tolist()
    [1.5]
    """

    rate: float = 0.1
    momentum: float = 0.0

    def start(self, parameters: Mapping[str, Array]) -> Arrays:
        return {k: np.zeros_like(w) for k, w in parameters.items()}

    def step(self, parameters: Arrays, grads: Mapping[str, Array], state: Arrays) -> tuple[Arrays, Arrays]:
        speed = {k: self.momentum * v + grads[k] for k, v in state.items()}
        return {k: w - self.rate * speed[k] for k, w in parameters.items()}, speed


@dataclass(frozen=True)
class Adam:
    """Adam: steps scaled by running means of the gradient and of its square.

    Formula: m <- b1 m + (1 - b1) w_bar, s <- b2 s + (1 - b2) w_bar^2,
    w <- w - rate (m / (1 - b1^t)) / (sqrt(s / (1 - b2^t)) + eps).
    Source: Kingma and Ba (2015), algorithm 1.

    >>> import numpy as np
    >>> rule, w = Adam(rate=0.1), {"w": np.array([2.0, 2.0])}
    >>> rule.step(w, {"w": np.array([5.0, -0.1])}, rule.start(w))[0]["w"].round(6).tolist()
    [1.9, 2.1]
    """

    rate: float = 1e-3
    b1: float = 0.9
    b2: float = 0.999
    eps: float = 1e-8

    def start(self, parameters: Mapping[str, Array]) -> tuple[int, Arrays, Arrays]:
        return 0, {k: np.zeros_like(w) for k, w in parameters.items()}, {
            k: np.zeros_like(w) for k, w in parameters.items()}

    def step(self, parameters: Arrays, grads: Mapping[str, Array],
             state: tuple[int, Arrays, Arrays]) -> tuple[Arrays, tuple[int, Arrays, Arrays]]:
        t, mean, square = state[0] + 1, *state[1:]
        mean = {k: self.b1 * m + (1 - self.b1) * grads[k] for k, m in mean.items()}
        square = {k: self.b2 * s + (1 - self.b2) * grads[k] ** 2 for k, s in square.items()}
        rate, bias = self.rate / (1 - self.b1**t), 1 / math.sqrt(1 - self.b2**t)
        out = {k: w - rate * mean[k] / (np.sqrt(square[k]) * bias + self.eps) for k, w in parameters.items()}
        return out, (t, mean, square)


@dataclass(frozen=True)
class Trained:
    """What a run ended with: the parameters, the mean loss of every epoch, and whether it was interrupted."""

    parameters: Arrays
    losses: tuple[float, ...]
    steps: int
    seconds: float
    interrupted: bool = False


def minimise(f: GradientFunction, parameters: Mapping[str, Array], data: Mapping[str, Array], optimiser: Optimiser, *,
             epochs: int, batch: int | None = None, axes: Mapping[str, int] | None = None, seed: int = 0,
             progress: Progress | None = None) -> Trained:
    """Return the parameters after `epochs` passes over the data; Ctrl-C ends the run and keeps what was done.

    Formula: one step a batch, w <- step(w, dL/dw); without `batch` one step an epoch.
    `axes` names the data arrays that are split, each with the axis that counts the examples. `progress` is called with
    the epoch, the number of epochs and the loss.
    Shapes: the parameters keep theirs; along `axes` all arrays have one length.
    Raises: InputError for counts or axes that do not fit, and where the loss is no number any more.
    Source: Goodfellow, Bengio and Courville (2016), algorithm 8.1.

    >>> import numpy as np
    >>> f = lambda w, x: (np.sum((w - x) ** 2), {"w": 2 * (w - x)})
    >>> minimise(f, {"w": np.zeros(2)}, {"x": np.array([1.0, 3.0])}, Descent(0.5), epochs=1).parameters["w"].tolist()
    [1.0, 3.0]
    """
    if epochs < 0 or (batch is not None and batch < 1):
        raise InputError(f"epochs is 0 or more and batch 1 or more, got epochs={epochs}, batch={batch}")
    shared = set(parameters) & set(data)
    if shared:
        raise InputError(f"{', '.join(sorted(shared))} is given as a parameter and as data; a name is one or the other")
    data = {k: read(k, x) for k, x in data.items()}
    count = _examples(data, axes)
    rng = np.random.default_rng(seed)
    now = {k: np.array(read(k, w)) for k, w in parameters.items()}  # a copy: the caller's arrays stay as they are
    state = optimiser.start(now)
    losses: list[float] = []
    steps, interrupted, began = 0, False, time.perf_counter()
    try:
        for epoch in range(epochs):
            total = 0.0
            for part, share in _batches(data, axes, count, batch, rng):
                value, grads = f(**now, **part)
                if not np.isfinite(value):
                    raise InputError(
                        f"the loss is {float(value)} after {steps} steps. Lower the rate, or scale the data"
                    )
                now, state = optimiser.step(now, grads, state)
                total += float(value) * share
                steps += 1
            losses.append(total)
            if progress is not None:
                progress(epoch + 1, epochs, total)
    except KeyboardInterrupt:
        interrupted = True  # `now` is replaced as a whole, so it is the state after the last complete step
    return Trained(now, tuple(losses), steps, time.perf_counter() - began, interrupted)


def _examples(data: Mapping[str, Array], axes: Mapping[str, int] | None) -> int:
    if axes is None:
        return 0
    for name, axis in axes.items():
        if name not in data or not -np.ndim(data[name]) <= axis < np.ndim(data[name]):
            raise InputError(f"axes names {name!r}, axis {axis}, which is no axis of the data: {', '.join(data)}")
    lengths = {name: np.shape(data[name])[axis] for name, axis in axes.items()}
    if len(set(lengths.values())) != 1:
        raise InputError(f"the arrays hold different numbers of examples: {lengths}")
    return int(next(iter(lengths.values())))


def _batches(data: Mapping[str, Array], axes: Mapping[str, int] | None, count: int, batch: int | None,
             rng: np.random.Generator) -> Iterator[tuple[Mapping[str, Array], float]]:
    """Yield the data in parts, shuffled, each with its share of the whole."""
    if batch is None:
        yield data, 1.0
        return
    if axes is None:
        raise InputError("minibatches need `axes`, the axis of each data array that counts the examples")
    order = rng.permutation(count)
    for start in range(0, count, batch):
        chosen = order[start : start + batch]
        part = {k: np.take(x, chosen, axis=axes[k]) if k in axes else x for k, x in data.items()}
        yield part, len(chosen) / count
