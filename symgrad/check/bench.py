"""Speed: compiled kernels beside hand-written NumPy, in alternating runs; deriving and compiling, by depth."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.table import Table

from symgrad.check import handwritten
from symgrad.engine.derive import derive
from symgrad.engine.stabilise import stabilise
from symgrad.graph.node import Node, apply, reduce_mean, var, variables
from symgrad.kernels.choose import choose
from symgrad.kernels.compile import compile_nodes
from symgrad.kernels.kernel import Kernel

LIMIT, LIMIT_SMALL = 1.10, 1.25
CAPTION = (
    "kernel, by hand: median time of a call. paired ratio: median over pairs of neighbouring runs of kernel / by hand, "
    "so that a change of the machine's speed hits both; it is not the quotient of the two columns."
)


@dataclass(frozen=True)
class Case:
    """A fully connected network: layer sizes, batch, hidden activation, examples in rows or columns."""

    name: str
    sizes: tuple[int, ...]
    batch: int
    activation: str = "relu"
    rows: bool = False
    limit: float = LIMIT


@dataclass(frozen=True)
class Row:
    """One measurement: median seconds of a call, and the median of the ratios of neighbouring runs."""

    name: str
    dtype: str
    ours: float
    hand: float
    ratio: float
    limit: float


CASES: tuple[Case, ...] = tuple(
    Case(f"{name} {layout}" + (f" {act}" if act != "relu" else ""), sizes, batch, act, layout == "rows", limit)
    for name, sizes, batch, acts, limit in (
        ("784-128-10", (784, 128, 10), 128, ("relu",), LIMIT),
        ("64 x 11", (64,) * 12, 64, ("relu", "tanh", "sigmoid"), LIMIT),
        ("30-16-1", (30, 16, 1), 128, ("relu",), LIMIT),
        ("2-4-1", (2, 4, 1), 4, ("relu",), LIMIT_SMALL),
    )
    for act in acts
    for layout in ("columns", "rows")
)


def network(case: Case) -> tuple[Node, list[Node], list[Node], dict[Node, str]]:
    """Return loss, data, parameters and names of the case, all sizes symbolic."""
    depth = len(case.sizes) - 1
    width = [f"d{k}" for k in range(depth + 1)]
    X = var("X", ("n", width[0]) if case.rows else (width[0], "n"))
    Y = var("Y", ("n", width[-1]) if case.rows else (width[-1], "n"))
    names: dict[Node, str] = {}
    params: list[Node] = []
    A = X
    for k in range(1, depth + 1):
        shape = (width[k - 1], width[k])
        W = var(f"W{k}", shape if case.rows else shape[::-1])
        b = var(f"b{k}", (width[k],) if case.rows else (width[k], 1))
        params += [W, b]
        Z = (A @ W if case.rows else W @ A) + b
        A = apply(case.activation if k < depth else "sigmoid", Z)
        names |= {Z: f"Z{k}", A: f"A{k}" if k < depth else "P"}
    loss = reduce_mean(-(Y * apply("log", A) + (1 - Y) * apply("log", 1 - A)))
    return loss, [X, Y], params, {**names, loss: "L"}


def build(case: Case) -> Kernel:
    """Return the kernel for loss and gradients of all parameters, from the derivation."""
    loss, data, params, names = network(case)
    chosen = choose(derive(loss, params, names))
    return compile_nodes({"L": loss}, chosen.grads, [*data, *params], {**chosen.names, **names}, stabilise=stabilise)


def by_hand(case: Case) -> Callable[..., Any]:
    """Return the hand-written function of the case."""
    if len(case.sizes) == 3:
        return handwritten.two_rows if case.rows else handwritten.two_columns
    return handwritten.deep(len(case.sizes) - 1, case.activation, case.rows)


def data(case: Case, dtype: Any, seed: int = 0) -> dict[str, Any]:
    """Return random arrays for the inputs of the case."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> Any:
        return rng.normal(size=shape).astype(dtype)

    last = (case.batch, case.sizes[-1]) if case.rows else (case.sizes[-1], case.batch)
    first = (case.batch, case.sizes[0]) if case.rows else (case.sizes[0], case.batch)
    out = {"X": normal(*first), "Y": (rng.random(last) > 0.5).astype(dtype)}
    for k in range(1, len(case.sizes)):
        shape = (case.sizes[k - 1], case.sizes[k])
        out[f"W{k}"] = normal(*(shape if case.rows else shape[::-1])) * dtype((2 / case.sizes[k - 1]) ** 0.5)
        out[f"b{k}"] = normal(*((shape[1],) if case.rows else (shape[1], 1))) * dtype(0.1)
    return out


def side_by_side(ours: Callable[[], Any], hand: Callable[[], Any], seconds: float) -> tuple[float, float, float]:
    """Return the median times of two calls and the median of the ratios of neighbouring runs.

    A run is as many calls as take about a millisecond; which function goes first alternates.
    """
    clock = time.perf_counter

    def run(f: Callable[[], Any], calls: int) -> float:
        start = clock()
        for _ in range(calls):
            f()
        return (clock() - start) / calls

    for f in (ours, hand):
        run(f, 3)
    calls = max(1, int(1e-3 / min(run(hand, 5), run(hand, 5))))
    times: list[tuple[float, float]] = []
    collecting = gc.isenabled()
    gc.disable()
    try:
        end = clock() + seconds
        while clock() < end or len(times) < 10:
            a = run(ours, calls)
            b = run(hand, calls)
            d = run(hand, calls)
            c = run(ours, calls)
            times += [(a, b), (c, d)]
    finally:
        if collecting:
            gc.enable()
    return (statistics.median(a for a, _ in times), statistics.median(b for _, b in times),
            statistics.median(a / b for a, b in times))


def run(cases: Sequence[Case] = CASES, dtypes: Sequence[Any] = (np.float64, np.float32), seconds: float = 1.0,
        progress: Callable[[Row], None] | None = None) -> list[Row]:
    """Return one row a case and dtype: a call of the compiled kernel, arguments checked, beside the hand-written one.

    Units: seconds a call.
    """
    rows: list[Row] = []
    for case in cases:
        kernel, hand = build(case), by_hand(case)
        for dtype in dtypes:
            arrays = data(case, dtype)
            ours, theirs, ratio = side_by_side(lambda: kernel(**arrays), lambda: hand(**arrays), seconds)  # noqa: B023
            row = Row(case.name, np.dtype(dtype).name, ours, theirs, ratio, case.limit)
            rows.append(row)
            if progress is not None:
                progress(row)
    return rows


@dataclass(frozen=True)
class Symbolic:
    """Seconds to derive with all steps and to compile, and what was counted meanwhile."""

    name: str
    derive: float
    compile: float
    steps: int
    operations: int


DEPTHS = (1, 10, 100)


def deep(layers: int) -> tuple[Node, list[Node], dict[Node, str]]:
    """Return loss, parameters and names of a network of so many sigmoid layers of width 3."""
    a: Node = var("X", (3, "n"))
    params: list[Node] = []
    names: dict[Node, str] = {}
    for k in range(layers):
        W, b = var(f"W{k}", (3, 3)), var(f"b{k}", (3, 1))
        a = apply("sigmoid", W @ a + b)
        params += [W, b]
        names[a] = f"A{k}"
    loss = reduce_mean((a - var("Y", (3, "n"))) ** 2)
    return loss, params, {**names, loss: "L"}


def symbolic(depths: Sequence[int] = DEPTHS) -> list[Symbolic]:
    """Return one row a depth: how long it takes to derive and to compile the gradients of all layers.

    Units: seconds, the first time in this process after a network of one layer.
    """
    clock, rows = time.perf_counter, []
    for layers in (1, *depths):
        loss, params, names = deep(layers)
        start = clock()
        record = derive(loss, params, names)
        derived = clock()
        chosen = choose(record)
        kernel = compile_nodes({"L": loss}, chosen.grads, variables([loss]), {**chosen.names, **names},
                               stabilise=stabilise)
        rows.append(Symbolic(f"{layers} layers", derived - start, clock() - derived, len(record.steps), kernel.ops))
    return rows[1:]


def symbolic_table(rows: Sequence[Symbolic]) -> Table:
    """Return the rows as a table for the terminal."""
    out = Table(title="deriving and compiling, by depth")
    for heading in ("network", "derive", "compile", "steps", "operations"):
        out.add_column(heading, justify="left" if heading == "network" else "right")
    for r in rows:
        out.add_row(r.name, f"{r.derive:.3f} s", f"{r.compile:.3f} s", str(r.steps), str(r.operations))
    return out


def table(rows: Sequence[Row]) -> Table:
    """Return the rows as a table for the terminal."""
    out = Table(title="value and all gradients, beside hand-written NumPy", caption=CAPTION, caption_justify="left")
    for heading in ("network", "dtype", "kernel", "by hand", "paired\nratio", "limit"):
        out.add_column(heading, justify="left" if heading in ("network", "dtype") else "right")
    for r in rows:
        colour = "green" if r.ratio <= r.limit else "red"
        out.add_row(r.name, r.dtype, f"{r.ours * 1e6:.1f} us", f"{r.hand * 1e6:.1f} us",
                    f"[{colour}]{r.ratio:.3f}[/]", f"{r.limit:.2f}")
    return out
