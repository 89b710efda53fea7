"""Both corpora, case by case: errors against the reference values, derive times, operation counts.

Run `python tests/measure_cases.py` for a table of every case and the totals; the tests import `layer` and `identity`.
"""

from __future__ import annotations

import statistics
import sys
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))

import symgrad as sg
from symgrad.errors import SymgradError
from symgrad.kernels.compile import compile_nodes
from tests import corpus_texts
from tests.language import test_cookbook


@dataclass(frozen=True)
class Measure:
    """One case: worst relative errors of value and gradients, seconds of derive, operations of the kernels."""

    name: str
    value_error: float
    gradient_error: float
    seconds: float
    operations: int  # of value and gradients
    value_operations: int
    derivation: sg.Derivation

    @property
    def ratio(self) -> float:
        return self.operations / max(self.value_operations, 1)

    @property
    def passes(self) -> bool:
        return self.value_error <= 1e-10 and self.gradient_error <= 1e-9


def relative(found: Any, told: Any) -> float:
    """Return the largest difference over the largest entry, small arrays counting as 1e-3."""
    found, told = np.asarray(found, float), np.asarray(told, float)
    return float(np.abs(found - told).max() / (np.abs(told).max() + 1e-3)) if told.size else 0.0


@lru_cache(maxsize=256)
def layer(name: str) -> Measure:
    """Measure a case of losses_and_layers.json, derived from its text."""
    case = corpus_texts.CASES[name]
    text, wrt = corpus_texts.network(name)
    net = sg.parse(text)
    start = time.perf_counter()
    d = sg.derive(net, wrt)
    seconds = time.perf_counter() - start
    kernel = d.compile()
    value, grads = kernel(**{k: v for k, v in corpus_texts.arrays(name).items() if k in net.inputs})
    told = {v: np.array(case["gradient"][v]).reshape(case["inputs"][v]["shape"]) for v in wrt}
    return Measure(name, relative(value, case["value"]), max(relative(grads[v], told[v]) for v in wrt), seconds,
                   kernel.ops, sg.compile(net).ops, d)


@lru_cache(maxsize=256)
def identity(name: str) -> Measure:
    """Measure an identity of matrix_cookbook.json against the book's gradient, by its text at a random point."""
    case = test_cookbook.CASES[name]
    _, loss, told = test_cookbook.read(name)
    start = time.perf_counter()
    symmetric = "ONE variable" in case["variable_structure"]  # X_ij and X_ji are one entry
    facts = f"{case['variable']} == {case['variable']}.T" if symmetric else ()
    d = sg.derive(sg.Expression(loss), case["variable"], assume=facts, structured=symmetric)
    seconds = time.perf_counter() - start
    book, alone = compile_nodes({"g": told}, sizes=test_cookbook.SIZES), sg.compile(sg.Expression(loss))
    at = test_cookbook.arrays(case, [loss, told])
    kernel = d.compile()
    _, grads = kernel(**{k: at[k] for k in kernel.inputs})
    right = book(**{k: at[k] for k in book.inputs})
    return Measure(name, 0.0, relative(grads[case["variable"]], right), seconds, kernel.ops, alone.ops, d)


def report(title: str, measure: Any, names: list[str]) -> None:
    """Print every case of a corpus, and the totals."""
    rows, failed = [], []
    print(f"{title}: {len(names)} cases")
    print(f"{'case':28}{'value':>10}{'gradients':>11}{'derive/s':>10}{'operations':>12}{'of value':>9}{'ratio':>7}")
    for name in names:
        try:
            row = measure(name)
        except (SymgradError, RecursionError, AssertionError) as error:
            failed.append(f"{name}: {type(error).__name__}: {str(error).splitlines()[0]}")
            continue
        rows.append(row)
        print(f"{name:28}{row.value_error:10.1e}{row.gradient_error:11.1e}{row.seconds:10.3f}{row.operations:12}"
              f"{row.value_operations:9}{row.ratio:7.2f}{'' if row.passes else '  differs'}", flush=True)
    if rows:
        times, ratios = [r.seconds for r in rows], [r.ratio for r in rows]
        slowest, largest = max(rows, key=lambda r: r.seconds), max(rows, key=lambda r: r.ratio)
        print(f"\npassing {sum(r.passes for r in rows)} of {len(names)}; worst relative error of a value "
              f"{max(r.value_error for r in rows):.1e}, of a gradient {max(r.gradient_error for r in rows):.1e}")
        print(f"derive: median {statistics.median(times):.3f} s, worst {slowest.seconds:.3f} s ({slowest.name}), "
              f"all {sum(times):.1f} s")
        print(f"operations of value and gradients over the value alone: median {statistics.median(ratios):.2f}, "
              f"worst {largest.ratio:.2f} ({largest.name})")
    print("".join(f"not derived: {f}\n" for f in failed))


def main() -> None:
    """Print both corpora; names on the command line restrict the first."""
    sg.derive("x*sigmoid(x)", "x")  # imports are not part of a case
    report("losses_and_layers.json", layer, sys.argv[1:] or list(corpus_texts.TEXTS))
    if not sys.argv[1:]:
        report("matrix_cookbook.json", identity, list(test_cookbook.CASES))


if __name__ == "__main__":
    main()
