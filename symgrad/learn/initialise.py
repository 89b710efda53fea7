"""Starting values of weights, from their shapes and from the activation that each of them feeds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symgrad.errors import InputError, ShapeError, suggest

Array: TypeAlias = NDArray[Any]

GLOROT = ("tanh", "sigmoid", "identity", "softplus")
HE = ("relu",)


def initialise(shapes: Mapping[str, tuple[int, ...]], activations: Mapping[str, str], seed: int,
               convention: str = "column") -> dict[str, Array]:
    """Return starting values: Glorot's or He's for the weights named in `activations`, zeros for all others.

    Formula: tanh, sigmoid, softplus, identity: uniform in [-a, a], a = sqrt(6 / (fan_in + fan_out)); relu: normal with
    variance 2 / fan_in. In the column convention (z = W x) a weight has shape (fan_out, fan_in), in the row convention
    (z = x W) it has (fan_in, fan_out).
    Shapes: as `shapes`.
    Raises: InputError for an activation or a name that is not known, ShapeError for a weight that is no matrix.
    Source: Glorot and Bengio (2010), eq. 16; He et al. (2015), eq. 10.

    >>> start = initialise({"W1": (4, 2), "b1": (4, 1)}, {"W1": "tanh"}, seed=0)
    >>> bool(abs(start["W1"]).max() <= 1.0), start["b1"].ravel().tolist()
    (True, [0.0, 0.0, 0.0, 0.0])
    """
    if convention not in ("column", "row"):
        raise InputError(f"convention is 'column' (z = W x) or 'row' (z = x W), not {convention!r}")
    rng = np.random.default_rng(seed)
    out = {name: np.zeros(shape) for name, shape in shapes.items()}
    for name, activation in activations.items():
        if name not in shapes:
            raise InputError(f"no weight is named {name!r}; there are {', '.join(shapes)}." + suggest(name, shapes))
        if len(shapes[name]) != 2:
            raise ShapeError(f"{name} has shape {shapes[name]}; a weight is a matrix. Leave a bias out: it starts at 0")
        fan_out, fan_in = shapes[name] if convention == "column" else shapes[name][::-1]
        if activation in GLOROT:
            limit = math.sqrt(6 / (fan_in + fan_out))
            out[name] = rng.uniform(-limit, limit, shapes[name])
        elif activation in HE:
            out[name] = rng.normal(0.0, math.sqrt(2 / fan_in), shapes[name])
        else:
            known = (*GLOROT, *HE)
            raise InputError(
                f"no initialisation is known for the activation {activation!r} of {name}; known are "
                f"{', '.join(known)}." + suggest(activation, known)
            )
    return out
