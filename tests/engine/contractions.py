"""Random networks of arrays with three and four axes, contracted in several ways: text, and the same in NumPy.

The truth is the primal itself: complex steps of the NumPy function, and central differences of those for Hessians.
Run by hand for any number: `python tests/engine/contractions.py 5000 --seed 7`.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

import symgrad as sg
from symgrad.engine.acceptance import DROPPED
from symgrad.engine.doubles import Axes, values
from symgrad.graph.node import topological

Env = Mapping[str, Any]
SIZES = {"n": 3, "d": 2, "k": 4, "m": 5}
_LETTERS = {
    ("n", "d"): "A", ("d", "n"): "B", ("n", "k"): "M", ("k", "d"): "C", ("m", "n"): "E", ("k", "m"): "F",
    ("n",): "x", ("d",): "a", ("k",): "z", ("m",): "u", ("n", "1"): "c", ("1", "d"): "r", ("k", "1"): "q", (): "s",
    ("1", "k"): "t", ("n", "d", "k"): "V", ("k", "n"): "G", ("d", "k"): "H", ("n", "m"): "J", ("m", "k"): "K",
}  # fmt: skip
_STEP = 1e-30


@dataclass(frozen=True)
class Term:
    """An array: as text, in NumPy, and the size name of each axis ('1' for one entry)."""

    text: str
    value: Callable[[Env], Any]
    axes: tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """A network: its text, its loss in NumPy, its variables with the names of their sizes."""

    seed: int
    text: str
    loss: Callable[[Env], Any]
    variables: dict[str, tuple[str, ...]]


class _Maker:
    def __init__(self, rng: random.Random, plain: bool) -> None:
        """With `plain` arrays meet in products and sums alone."""
        self.rng, self.plain = rng, plain
        self.used: dict[str, tuple[str, ...]] = {}

    def leaf(self, within: tuple[str, ...]) -> Term:
        """Return a variable, perhaps transposed, whose axes lie within those given."""
        fits = [axes for axes in _LETTERS if {*axes} <= {*within, "1"}]
        if self.plain:  # matrices of either orientation, and vectors: those meet in sums such as A.T + B*z
            fits = [f for f in fits if "1" not in f and len(f) in (1, 2)]
        matrices = [f for f in fits if len(f) == 2]
        axes = self.rng.choice(matrices if matrices and self.rng.random() < 0.6 else fits)
        name = _LETTERS[axes]
        self.used[name] = axes
        term = Term(name, lambda env: env[name], axes)
        if len(axes) == 2 and self.rng.random() < 0.5:
            return Term(f"{name}.T", lambda env: env[name].T, axes[::-1])
        return term

    def spread(self, axes: tuple[str, ...]) -> Term:
        """Return a variable with axes of size 1 put in, so that it broadcasts against the axes given."""
        x = self.leaf(axes)
        order = [axes.index(a) for a in x.axes if a != "1"]
        if order != sorted(order):  # the axes of the variable stand the other way round
            inner = x
            x = Term(f"{inner.text}.T" if not inner.text.endswith(".T") else inner.text[:-2],
                     lambda env: inner.value(env).T, inner.axes[::-1])
            order = [axes.index(a) for a in x.axes if a != "1"]
            if order != sorted(order):
                return Term("1.0", lambda env: np.float64(1.0), ())
        left = list(x.axes)
        key: list[str] = []
        took: list[Any] = []
        for a in axes:
            if left and left[0] in (a, "1"):
                left.pop(0)
                key.append(":")
                took.append(slice(None))
            else:
                key.append("None")
                took.append(None)
        if left:
            return Term("1.0", lambda env: np.float64(1.0), ())
        while key and key[0] == "None":  # leading axes come by themselves
            key.pop(0)
            took.pop(0)
        if all(k == ":" for k in key):
            return x
        place = tuple(took)
        return Term(f"{x.text}[{', '.join(key)}]", lambda env: x.value(env)[place], axes)

    def block(self, axes: tuple[str, ...], factors: int) -> Term:
        """Return a product, now and then of sums, that has all the axes given."""
        rng = self.rng
        parts = [self.spread(axes) for _ in range(factors)]
        text, value = parts[0].text, parts[0].value
        for p in parts[1:]:
            op = "*" if self.plain else rng.choice("***+-")
            f = {"*": np.multiply, "+": np.add, "-": np.subtract}[op]
            text = f"({text} {op} {p.text})"
            value = lambda env, f=f, a=value, b=p.value: f(a(env), b(env))
        how = 1.0 if self.plain else rng.random()
        if how < 0.12:
            return Term(f"tanh({text})", lambda env: np.tanh(value(env)), axes)
        if how < 0.2:
            return Term(f"exp({text}/4)", lambda env: np.exp(value(env) / 4), axes)
        if how < 0.28:
            return Term(f"({text})**2", lambda env: value(env) ** 2, axes)
        return Term(text, value, axes)

    def summed(self, axes: tuple[str, ...], shared: Term | None) -> Term:
        """Return a scalar: a block, contracted over some axes, met by another factor, and summed."""
        rng = self.rng
        whole = self.block(axes, rng.randint(1, 3))
        if shared is not None:
            whole = Term(f"({shared.text} * {whole.text})", lambda env, w=whole: shared.value(env) * w.value(env), axes)
        anchored = Term(f"({whole.text} + zeros(({', '.join(axes)})))",
                        lambda env, w=whole: w.value(env) + np.zeros([SIZES[a] for a in axes]), axes)
        how = rng.random()
        if how < (0.8 if self.plain else 0.45):
            return Term(f"sum({anchored.text})", lambda env: np.sum(anchored.value(env)), ())
        gone = rng.randrange(len(axes))
        left = tuple(a for k, a in enumerate(axes) if k != gone)
        keep = rng.random() < 0.3
        word = rng.choice(["sum", "mean"])
        f = {"sum": np.sum, "mean": np.mean}[word]
        inner = Term(f"{word}({anchored.text}, axis={gone}{', keepdims=True' if keep else ''})",
                     lambda env: f(anchored.value(env), axis=gone, keepdims=keep),
                     tuple("1" if k == gone else a for k, a in enumerate(axes)) if keep else left)
        other = self.spread(axes if keep else left)
        power = rng.choice(["", "", "**2"])
        return Term(f"sum(({inner.text} * {other.text}){power})",
                    lambda env: np.sum((inner.value(env) * other.value(env)) ** (2 if power else 1)), ())


def network(seed: int) -> Case:
    """Return the network of a seed."""
    rng = random.Random(seed)  # noqa: S311  # test cases, no secrets
    maker = _Maker(rng, plain=rng.random() < 0.6)
    axes = tuple(rng.sample(sorted(SIZES), rng.choice([3, 3, 3, 4])))
    shared = maker.block(axes, 2) if rng.random() < 0.8 else None
    name = Term("T", lambda env: env["T"], axes)
    terms = [maker.summed(axes, name if shared is not None else None) for _ in range(rng.choice([1, 2, 2, 3]))]
    signs = [rng.choice(["+", "+", "-"]) for _ in terms]
    text = " ".join(["" if shared is None else shared.text, *(t.text for t in terms)])
    used = {v: a for v, a in maker.used.items() if re.search(rf"\b{v}\b", text)}
    if not used:
        return network(seed + 10**6)
    lines = [f"{v}: ({', '.join(axes)}{',' if len(axes) == 1 else ''})" for v, axes in used.items()]
    # every size is known to the text by a variable that carries it
    lines += [f"w_{a}: ({a},)" for a in axes]
    if shared is not None:
        lines.append(f"T = {shared.text}")
    whole = " ".join(f"{s} {t.text}" for s, t in zip(signs, terms))
    lines.append(f"L = {whole.removeprefix('+ ')}")

    def loss(env: Env) -> Any:
        full = dict(env)
        if shared is not None:
            full["T"] = shared.value(full)
        return sum(t.value(full) * (1 if s == "+" else -1) for s, t in zip(signs, terms))

    return Case(seed, "\n".join(lines), loss, used)


def shape(axes: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(1 if a == "1" else SIZES[a] for a in axes)


def point(case: Case) -> dict[str, Any]:
    rng = np.random.default_rng(case.seed)
    return {v: rng.uniform(-1.5, 1.5, shape(axes)) for v, axes in case.variables.items()}


def slopes(case: Case, at: Env, name: str) -> Any:
    """Return the gradient by complex steps of the primal."""
    out = np.empty(at[name].shape)
    for e in np.ndindex(out.shape):
        moved = at[name].astype(complex)
        moved[e] += 1j * _STEP
        out[e] = np.imag(case.loss({**at, name: moved})) / _STEP
    return out


def curvature(case: Case, at: Env, name: str) -> Any:
    """Return the Hessian by central differences of complex steps."""
    h = 1e-5
    x = at[name]
    out = np.empty((*x.shape, *x.shape))
    for e in np.ndindex(x.shape):
        ends = []
        for sign in (1, -1):
            moved = x.copy()
            moved[e] += sign * h
            ends.append(slopes(case, {**at, name: moved}, name))
        out[(..., *e)] = (ends[0] - ends[1]) / (2 * h)
    return out


def read_back(case: Case, printed: str, at: Env, wanted: tuple[int, ...]) -> Any:
    """Return the value of a printed result, parsed with the declarations and the equations of the network."""
    head = case.text.rpartition("\n")[0]
    node = sg.parse(f"{head}\nresult_ = {printed}").output
    known = {n: at[n.name] for n in topological([node]) if n.op == "var"}
    value = values([node], known, Axes(SIZES, False))[0][node]
    return np.broadcast_to(value, wanted)


def problems(case: Case, second: bool) -> list[str]:
    """Return what is wrong with the derivatives of one network: kernel, printed text, dropped lines, Hessian."""
    at = point(case)
    found: list[str] = []
    DROPPED.clear()
    net = sg.parse(case.text)
    d = sg.derive(net, wrt=list(case.variables))
    truth = {v: slopes(case, at, v) for v in case.variables}
    value, grads = sg.compile(net, wrt=list(case.variables), sizes=SIZES)(**at)
    if not np.isclose(value, case.loss(at), rtol=1e-10, atol=1e-10):
        found.append(f"the value is {value}, not {case.loss(at)}")
    for v, want in truth.items():
        bound = 1e-9 * (1 + np.max(np.abs(want)))
        if not np.all(np.abs(grads[v] - want) <= bound):
            found.append(f"the kernel of dL/d{v} is wrong")
        printed = str(d[v].expression)
        if not np.all(np.abs(read_back(case, printed, at, want.shape) - want) <= bound):
            found.append(f"the text of dL/d{v} is wrong: {printed}")
    if second:
        small = min(case.variables, key=lambda v: (at[v].size < 2, at[v].size))
        want = curvature(case, at, small)
        bound = 1e-5 * (1 + np.max(np.abs(want)))
        hessian = sg.hessian(net, wrt=small)
        kernel = hessian.compile(sizes=SIZES)
        got = np.reshape(kernel(**{v: at[v] for v in kernel.inputs}), want.shape)
        if not np.all(np.abs(got - want) <= bound):
            found.append(f"the Hessian by {small} is wrong: {hessian.expression}")
    found += [f"dropped: {x}" for x in DROPPED]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    wrong = 0
    for seed in range(given.seed, given.seed + given.count):
        case = network(seed)
        found = problems(case, second=seed % 4 == 0)
        if found:
            wrong += 1
            print(f"seed {seed}\n{case.text}\n  " + "\n  ".join(found), flush=True)
    print(f"{given.count} networks, {wrong} with a wrong answer")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
