"""The tour that `symgrad demo` gives: everything it shows is derived, compiled and measured while it runs."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from rich.console import Console, RenderableType
from rich.rule import Rule
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from symgrad.api import Derivation, derive
from symgrad.check.compare import compare
from symgrad.check.point import random_point
from symgrad.check.trace import EXAMPLE, EXAMPLE_AT, Trace, trace_values
from symgrad.engine.verdict import Verification
from symgrad.graph.text import to_text
from symgrad.kernels.kernel import Kernel
from symgrad.language.text_io import parse
from symgrad.render.terminal import derivation_in_colour

LOSS = "bce(sigmoid(z), y)"
NETWORK = """\
X: (d, n);  Y: (1, n);  W1: (h, d);  b1: (h, 1);  W2: (1, h);  b2: (1, 1)
Z1 = W1 @ X + b1
A1 = tanh(Z1)
Z2 = W2 @ A1 + b2
P  = sigmoid(Z2)
L  = mean(bce(P, Y))
"""
PARAMETERS = ("W1", "b1", "W2", "b2")
WIDTH = 80
OFF = 2  # the unit of the example that is off


def demo(console: Console, started: float | None = None) -> bool:
    """Show a derivation, a network's gradients, their kernel, their comparison and a trace; return whether all agree.

    `started` is the time at which the program started, in the clock of `time.perf_counter`.
    """
    began = time.perf_counter()
    times: list[tuple[str, float]] = []
    show = console.print

    @contextmanager
    def part(name: str, title: str) -> Iterator[None]:
        start = time.perf_counter()
        show(_heading(f"{name.capitalize()}: {title}"))
        show()
        yield
        show()
        times.append((name, time.perf_counter() - start))

    with part("derivation", f"{LOSS} by z"):
        d = derive(LOSS, "z")
        proved = d.verify()
        show(derivation_in_colour(d.record, columns=WIDTH))
        show()
        show(_verdict(proved))
        ok = proved.ok

    net = parse(NETWORK)
    with part("network", "written as text, derived for all parameters at once"):
        d = derive(net, list(PARAMETERS))
        proved = d.verify()
        ok &= proved.ok
        show(Text(NETWORK))
        show(_closed_forms(d))
        show()
        show(_verdict(proved))

    with part("kernel", "the NumPy code that this derivation gives"):
        kernel = d.compile()
        show(_source(kernel))

    with part("comparison", "this kernel, a tape, and two ways of differencing"):
        at = random_point([net.output], {"d": 2, "h": 3, "n": 5}, seed=0)
        found = compare(net, at, list(PARAMETERS), kernel=kernel)
        ok &= found.ok
        show(found)

    with part("trace", "a 2-3-1 network in numbers, its third hidden unit off"):
        values = trace_values(EXAMPLE, EXAMPLE_AT)
        show(Text(EXAMPLE))
        show(values.table())
        show()
        off = [u for u in ("z1", "b1", "W1") if not np.any(_gradient(values, u)[OFF])]
        names = ", ".join(f"dL/d{u}" for u in off)
        show(Text(f"z1[{OFF}] < 0: this unit is off; exactly 0 are its entries of {names}"))

    now = time.perf_counter()
    imports = "" if started is None else f", {began - started:.2f} s of it imports"
    show(_heading(f"Time: {now - (began if started is None else started):.2f} s{imports}"))
    show(Text(", ".join(f"{name} {s:.2f}" for name, s in times)))
    show(Text("Next: symgrad derive \"mse(tanh(w*x + b), y)\" --wrt w,b --verify"))
    return ok


def _heading(title: str) -> Rule:
    return Rule(Text(title, style="bold"), align="left", style="dim")


def _gradient(values: Trace, name: str) -> Any:
    found = values[name].gradient
    assert found is not None  # everything in the example is differentiated
    return found


def _verdict(proved: Verification) -> Text:
    return Text(str(proved).splitlines()[-1], style="green" if proved.ok else "bold red")


def _closed_forms(d: Derivation) -> Table:
    """The derivative by every name on the way and by every parameter, each in the names of the forward pass."""
    out = Table.grid(padding=(0, 1))
    record = d.record
    for target, node in record.closed.items():
        name = record.names.get(target) or target.name
        style = "bold green" if target in record.wrt else ""
        out.add_row(Text(f"  dL/d{name}", style="cyan"), Text("="), Text(to_text(node, record.names), style=style))
    return out


def _source(kernel: Kernel) -> RenderableType:
    """The computation of a kernel, without the checks of its arguments."""
    body = textwrap.dedent("    # value\n" + kernel.source.partition("    # value\n")[2]).rstrip()
    head = f"# kernel({', '.join(kernel.params)}); its checks of the arrays are left out here"
    return Syntax(f"{head}\n\n{body}", "python", theme="ansi_dark", background_color="default", word_wrap=True)
