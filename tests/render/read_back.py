"""What is printed is read again: the text of a result, parsed with the declarations of its inputs, held to the kernel.

Values are compared at random points and at points full of ties and zeros; the free names of the text are the user's.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import symgrad as sg
from symgrad.errors import SymgradError
from symgrad.graph.node import Node, topological
from symgrad.graph.text import to_text
from symgrad.kernels.kernel import Kernel
from symgrad.language.network import Network
from symgrad.shapes import evaluate, show

EPS = float(np.finfo(float).eps)
SIZES = {"n": 3, "d": 2, "m": 4, "k": 5, "h": 3, "q": 2, "p": 4}


@dataclass(frozen=True)
class Read:
    """A result, its text, and the network that the text gives when it is parsed after the author's own lines."""

    name: str
    text: str
    net: Network


def lines_of(net: Network) -> str:
    """Return the declarations and equations of a network, without what it assumes."""
    return "\n".join(line for line in str(net).splitlines() if not line.startswith("assume("))


def declared(nodes: Sequence[Node]) -> str:
    """Return the declarations of variables."""
    return "\n".join(f"{v.name}: {'int' if v.attr[1] == 'int' else ''}{show(v.shape)}" for v in nodes)


def read(name: str, text: str, net: Network, more: Sequence[Node] = ()) -> Read:
    """Parse the text of a result as the author of a network would: below the lines of the network."""
    return Read(name, text, sg.parse("\n".join([declared(more), lines_of(net), f"result_ = {text}"]).lstrip("\n")))


def free_names(node: Node) -> set[str]:
    """Return the names of the variables of a node."""
    return {n.name for n in topological([node]) if n.op == "var"}


def point(variables: Sequence[Node], seed: int, tied: bool, sizes: Mapping[str, int]) -> dict[str, Any]:
    """Return arrays: of normal numbers, or of -1, 0 and 1, so that entries are equal and zero; seeds change which."""
    rng = np.random.default_rng(seed)
    out: dict[str, Any] = {}
    for v in variables:
        shape = tuple(evaluate(d, sizes) for d in v.shape)
        if v.attr[1] == "int":
            out[v.name] = rng.integers(0, 2, size=shape)
        else:
            out[v.name] = rng.integers(-1, 2, size=shape).astype(float) if tied else rng.normal(size=shape)
    return out


def called(kernel: Kernel, at: Mapping[str, Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return kernel(**{k: at[k] for k in kernel.inputs})


def differs(told: Any, found: Any) -> bool:
    """Whether two arrays differ by more than rounding: nan and infinity stand at the same places."""
    a, b = np.asarray(told, float), np.asarray(found, float)
    if a.shape != b.shape:
        return True
    finite = np.isfinite(a)
    if not np.array_equal(finite, np.isfinite(b)) or not np.array_equal(np.isnan(a), np.isnan(b)):
        return True
    scale = max(1.0, float(np.max(np.abs(a[finite]), initial=0.0)))
    return bool(np.any(np.abs(a[finite] - b[finite]) > 2**20 * EPS * scale))
