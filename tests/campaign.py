"""A campaign: random networks and scalars, four answers to one question, every disagreement printed with its seed.

    python tests/campaign.py --networks 3000 --scalars 10000 --seed 0

Kernel, printed text read back, tape and differences of the primal (in long arithmetic) are compared for each gradient.
A point on a kink, or where a value is huge, tells nothing and is counted as skipped.
"""

from __future__ import annotations

import argparse
import random
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from multiprocessing import Pool
from typing import Any

import mpmath
import numpy as np

import symgrad as sg
from symgrad import tape
from symgrad.engine.acceptance import DROPPED
from symgrad.engine.derive import derive
from symgrad.engine.evaluate import distinct_sizes, evaluate, random_env
from symgrad.engine.rows import find
from symgrad.engine.stabilise import stabilise
from symgrad.errors import InputError, ParseError
from symgrad.graph.node import Node, topological, variables
from symgrad.graph.text import to_text
from symgrad.kernels.compile import compile_nodes
from symgrad.kernels.functions import plain_function
from symgrad.language.expression import size_names
from symgrad.language.text_io import parse_expression
from symgrad.rules.elementwise import ARITHMETIC, BY_NAME
from tests.engine.contractions import network, problems
from tests.engine.losses import random_loss

_DIGITS = 60
_LONG = mpmath.MPContext()
_LONG.dps = _DIGITS
_STEP = 20  # digits of a step of central differences, whose error is its square
_HUGE = 1e6
_NEAR = 1e-6  # a point nearer to a kink tells nothing
_PRIMITIVE = {f.name for f in ARITHMETIC}


def disagreements(loss: Node, wrt: Sequence[Node], names: dict[Node, str], seed: int) -> list[str] | None:
    """Return what disagrees at one random point; None where the point tells nothing."""
    rng = random.Random(seed)  # noqa: S311  # test points, no secrets
    sizes = distinct_sizes([loss])
    inputs = variables([loss])
    try:
        point = random_env([loss], rng, sizes, _DIGITS)
    except InputError:
        return None
    arrays = {v.name: point[v].astype(float) for v in inputs}
    given: dict[Node, Any] = {v: arrays[v.name] for v in inputs}
    nodes = topological([loss])
    kinks = [row.kink(*n.args) for n in nodes if n.is_elementwise and (row := find(n)) and row.kink is not None]
    found = evaluate([*nodes, *kinks], given, digits=_DIGITS, sizes=sizes)
    if any(not abs(x) < _HUGE for n, v in zip(nodes, found) if n.op != "const" for x in v.flat):
        return None
    if any(abs(x) < _NEAR for v in found[len(nodes):] for x in v.flat):
        return None
    record = derive(loss, wrt, names)
    out: list[str] = []
    grads = {w.name: record.results[w] for w in wrt}
    kernel = compile_nodes({"value": loss}, grads, inputs, stabilise=stabilise, sizes=sizes)
    value, told = kernel(**arrays)
    plain = plain_function(loss, inputs, sizes)
    taped_value, taped = tape.value_and_grad(plain)(**arrays)
    scope, words = {v.name: v for v in inputs}, size_names(nodes)
    scale = max(1.0, *(float(np.max(np.abs(v.astype(float)), initial=0.0)) for v in found[:len(nodes)]))
    if not abs(float(value) - float(found[nodes.index(loss)].flat[0])) <= 1e-9 * scale:
        out.append(f"value: kernel {value}, truth {found[nodes.index(loss)].flat[0]}")
    if not abs(float(value) - float(taped_value)) <= 1e-9 * scale:
        out.append(f"value: kernel {value}, tape {taped_value}")
    for w in wrt:
        want = _differences(loss, w, given, sizes)
        bound = 1e-8 * max(scale, float(np.max(np.abs(want), initial=0.0)))
        text = to_text(record.results[w])
        back = evaluate([parse_expression(text, scope, words)], given, digits=40, sizes=sizes)[0].astype(float)
        for who, got in (("kernel", told[w.name]), ("tape", taped[w.name]), ("text", back)):
            if not np.all(np.abs(np.asarray(got, dtype=float) - want) <= bound):
                out.append(f"dL/d{w.name}: {who} {np.ravel(got)[:4]}, differences {want.ravel()[:4]}; {text}")
    return out


def _differences(loss: Node, w: Node, given: dict[Node, Any], sizes: dict[str, int]) -> Any:
    out = np.empty(np.shape(given[w]))
    h = _LONG.mpf(10) ** -_STEP
    for e in np.ndindex(out.shape):
        ends = []
        for sign in (1, -1):
            moved = np.array(np.frompyfunc(_LONG.mpf, 1, 1)(given[w]), dtype=object)
            moved[e] = moved[e] + sign * h
            ends.append(evaluate([loss], {**given, w: moved}, digits=_DIGITS, sizes=sizes)[0].flat[0])
        out[e] = float((ends[0] - ends[1]) / (2 * h))
    return out


def scalar(seed: int) -> str:
    """Return a random scalar expression over all elementwise functions, as a user would type it."""
    rng = random.Random(seed)  # noqa: S311  # test cases, no secrets
    names = [n for n, row in BY_NAME.items() if n == row.name and n not in _PRIMITIVE and not row.orders
             and n not in ("gt", "ge", "lt", "le", "eq", "ne", "where", "neg")]

    def leaf() -> str:
        return rng.choice(["x", "x", "y", "z", "2", "0.5", "3"]) if rng.random() < 0.9 else "pi"

    def grown(depth: int) -> str:
        if depth == 0:
            return leaf()
        kind = rng.random()
        if kind < 0.5:
            row = BY_NAME[rng.choice(names)]
            needed = len(row.params) - len(row.defaults)
            return f"{row.name}({', '.join(grown(depth - 1) for _ in range(needed))})"
        if kind < 0.9:
            return f"({grown(depth - 1)} {rng.choice('+-*/')} {grown(depth - 1)})"
        if kind < 0.95:
            return f"({grown(depth - 1)})**{rng.choice(['2', '3', '0.5', '(-1)'])}"
        return f"where({grown(depth - 1)} > {grown(depth - 1)}, {grown(depth - 1)}, {grown(depth - 1)})"

    text = grown(rng.choice([2, 2, 3, 3, 4]))
    return text if any(v in text for v in ("x", "y", "z")) else f"x*{text}"


def _one(task: tuple[str, int]) -> tuple[str, int, list[str] | None]:
    kind, seed = task
    DROPPED.clear()
    warnings.simplefilter("ignore")
    try:
        with np.errstate(all="ignore"):
            found = _KINDS[kind](seed)
    except Exception as error:  # noqa: BLE001  # a crash is a finding of a campaign
        return kind, seed, [f"{type(error).__name__}: {error}"]
    return kind, seed, found if found is None else found + [f"dropped: {d}" for d in DROPPED]


def _of_scalar(seed: int) -> list[str] | None:
    text = scalar(seed)
    try:
        loss = sg.parse(text).output
    except ParseError:  # a constant without a value, such as arccos(3)
        return None
    wrt = [v for v in variables([loss]) if v.name in ("x", "y", "z")]
    found = disagreements(loss, wrt, {}, seed) if wrt else None
    return [f"{text}: {f}" for f in found] if found else found


def _of_loss(seed: int) -> list[str] | None:
    case = random_loss(seed)
    return disagreements(case.loss, case.wrt, case.names, seed)


_KINDS: dict[str, Callable[[int], list[str] | None]] = {
    "scalar": _of_scalar, "loss": _of_loss, "contraction": lambda seed: problems(network(seed), seed % 4 == 0),
}  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, default=100)
    parser.add_argument("--scalars", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    half = given.networks // 2
    tasks = [(kind, given.seed + k) for kind, count in
             (("contraction", half), ("loss", given.networks - half), ("scalar", given.scalars)) for k in range(count)]
    tried: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    with Pool(given.processes) as pool:
        for kind, seed, found in pool.imap_unordered(_one, tasks, chunksize=4):
            tried[kind] += 1
            skipped[kind] += found is None
            if found:
                wrong[kind] += 1
                print(f"{kind} {seed}: " + "\n    ".join(found), flush=True)
    for kind in tried:
        print(f"{kind}: {tried[kind]} tried, {skipped[kind]} skipped, {wrong[kind]} with a disagreement")
    return 1 if sum(wrong.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
