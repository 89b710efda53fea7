"""What is printed is read again: the text of a result, parsed with the declarations of its inputs, held to the kernel.

Values are compared at random points and at points full of ties and zeros; the free names of the text are the user's.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

import symgrad as sg
from symgrad.engine.derivation import Record
from symgrad.engine.doubles import Axes, values
from symgrad.engine.proof import expand_definitions
from symgrad.errors import SymgradError
from symgrad.graph.node import Node, topological
from symgrad.jacobians.result import Jacobian
from symgrad.kernels.kernel import Kernel
from symgrad.language.network import Network
from symgrad.render.outline import outline
from symgrad.render.plain import sections
from symgrad.shapes import evaluate, show

EPS = float(np.finfo(float).eps)
SIZES = {"n": 3, "d": 2, "m": 4, "k": 5, "h": 3, "q": 2, "p": 4, "i": 2, "j": 3, "o": 2, "v": 4, "c": 2}
TIES = (-1.0, 0.0, 1.0)
BORDERS = (-3.0, 0.0, 3.0, 6.0, 0.5)


def lines_of(net: Network) -> str:
    """Return the declarations and equations of a network, without what it assumes."""
    return "\n".join(line for line in str(net).splitlines() if not line.startswith("assume("))


def declared(nodes: Sequence[Node]) -> str:
    """Return the declarations of variables."""
    return "\n".join(f"{v.name}: {'int' if v.attr[1] == 'int' else ''}{show(v.shape)}" for v in nodes)


def read(text: str, net: Network, more: Sequence[Node] = ()) -> Network:
    """Parse the text of a result below the lines of the network, as its author would."""
    return sg.parse("\n".join([declared(more), lines_of(net), f"result_ = {text}"]).lstrip("\n"))


def read_page(record: Record, net: Network) -> dict[str, Network]:
    """Parse a printed derivation as a whole: the forward pass, the last line of each chain, the gradients.

    dL/du is read as one name; each gradient comes back with all that stands above it.
    """
    equations: dict[str, str] = {}
    parts = dict(sections(outline(record)))
    for title, rows in parts.items():
        left = ""
        for head, text, _ in rows:
            if title == "Forward pass" and not head.isidentifier():
                continue  # the same value, spelled out, or how a function was recognised
            left = head or left
            if text and (title != "Gradients" or left not in equations):
                equations[left] = text
    names = {head: f"cotangent_{k}" for k, head in enumerate(equations) if re.fullmatch(r"d\w+/d\w+", head)}

    def plain(text: str) -> str:
        return re.sub(r"\bd\w+/d\w+", lambda m: names.get(m[0], m[0]), text)

    text = "\n".join([declared(list(net.inputs.values())), *(f"{names.get(k, k)} = {plain(v)}"
                                                             for k, v in equations.items())])
    shown = {head: right for head, right, _ in parts.get("Gradients", [])}
    out = {}
    for w in record.wrt:
        head = f"d{record.names[record.loss]}/d{record.names.get(w) or w.name}"
        out[head] = sg.parse(f"{text}\nresult_ = {plain(shown.get(head, names[head]))}")
    return out


def free_names(net: Network) -> set[str]:
    """Return the names of the variables that the output of a network is made of."""
    return {n.name for n in topological([net.output]) if n.op == "var"}


def point(variables: Sequence[Node], seed: int, kind: str, sizes: Mapping[str, int] = SIZES) -> dict[str, Any]:
    """Return arrays: 'normal' numbers; 'tied' ones, -1, 0 and 1; on 'borders' of the piecewise functions; 'equal' in
    all arrays, and tied; or 'zero'.
    """
    rng = np.random.default_rng(seed)
    out: dict[str, Any] = {}
    for v in variables:
        shape = tuple(evaluate(d, sizes) for d in v.shape)
        rng = np.random.default_rng(seed) if kind == "equal" else rng
        if v.attr[1] == "int":
            out[v.name] = rng.integers(0, 2, size=shape)
        elif kind == "normal":
            out[v.name] = rng.normal(size=shape)
        else:
            out[v.name] = rng.choice((0.0,) if kind == "zero" else BORDERS if kind == "borders" else TIES, size=shape)
    return out


class At(dict[str, Any]):
    """Arrays by name; `defined` says whether every node of the network has a value there, branches not taken too."""

    defined = True


def points(net: Network, more: Sequence[Node] = (), sizes: Mapping[str, int] = SIZES) -> list[At]:
    """Return a random point and five full of ties and zeros."""
    variables = [*net.inputs.values(), *more]
    out = [At(point(variables, seed, kind, sizes))
           for seed, kind in enumerate(("normal", "tied", "tied", "borders", "equal", "zero"))]
    for at in out:
        known = {v: np.asarray(at[v.name], float) for v in variables}
        every, _ = values(expand_definitions([net.output]), known, Axes(sizes, fold=False))
        at.defined = all(np.isfinite(a).all() for n, a in every.items() if n.op != "const")
    return out


def called(kernel: Kernel, at: Mapping[str, Any]) -> Any:
    """Return the values of a kernel; poles and the like are no concern of a comparison of two kernels."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return kernel(**{k: at[k] for k in kernel.inputs})


def differs(told: Any, found: Any, defined: bool = True) -> bool:
    """Whether two arrays differ by more than rounding; where the network is defined and one is finite, both are."""
    a, b = np.asarray(told, float), np.asarray(found, float)
    finite = np.isfinite(a) & np.isfinite(b)
    if a.shape != b.shape or (defined and not np.array_equal(np.isfinite(a), np.isfinite(b))):
        return True
    scale = max(1.0, float(np.max(np.abs(a[finite]), initial=0.0)))
    return bool(np.any(np.abs(a[finite] - b[finite]) > 2**20 * EPS * scale))


def fault(text: str, told: Sequence[Any], net: Network, at: Sequence[Mapping[str, Any]], more: Sequence[Node] = (),
          sizes: Mapping[str, int] = SIZES) -> str:
    """Return what is wrong with the text of a result whose values are `told` at the points, or nothing."""
    try:
        again = read(text, net, more)
    except SymgradError as error:
        return f"not read: {error}"
    return held(again, told, {*net.inputs, *(v.name for v in more)}, at, sizes)


def held(again: Network, told: Sequence[Any], known: set[str], at: Sequence[Mapping[str, Any]],
         sizes: Mapping[str, int] = SIZES) -> str:
    """Return what is wrong with a result that was read again: names that nobody gave, or other values."""
    if not free_names(again) <= known:
        return f"names that the user did not give: {sorted(free_names(again) - known)}"
    kernel = sg.compile(again, sizes=dict(sizes))
    for value, where in zip(told, at, strict=True):
        found = called(kernel, where)
        if differs(value, found, getattr(where, "defined", True)):
            return f"at {where}: {value} is read as {found}"
    return ""


def gradient_faults(net: Network, wrt: Any = None, kink: str = "policy", sizes: Mapping[str, int] = SIZES,
                    ) -> Iterator[tuple[str, str]]:
    """Yield the text of each gradient and what is wrong with it, or nothing."""
    d = sg.derive(net, wrt, kink=kink)
    kernel, at = d.compile(), points(net, sizes=sizes)
    values = [called(kernel, where)[1] for where in at]
    page = read_page(d.record, net)
    for w in d.wrt:
        text = str(d[w].expression)
        yield text, fault(text, [v[w] for v in values], net, at, sizes=sizes)
    assert len(page) == len(d.wrt)
    for (head, again), w in zip(page.items(), d.wrt):
        yield head, held(again, [v[w] for v in values], set(net.inputs), at, sizes)


def staged_faults(found: Jacobian, net: Network, more: Sequence[Node] = (), sizes: Mapping[str, int] = SIZES,
                  ) -> Iterator[tuple[str, str]]:
    """Yield the text of each block of a Hessian, a Jacobian or a product with one, and what is wrong with it."""
    kernel, at = found.compile(sizes=dict(sizes)), points(net, more, sizes)
    values = [called(kernel, where) for where in at]
    for names, reading in found.blocks.items():
        key = ", ".join(names)
        one = Jacobian(found.stages, [reading], found.scope)
        text = str(one.expression)
        told = [v[key] if isinstance(v, dict) else v for v in values]
        yield text, fault(text, told, net, at, more, sizes)
