"""A network in numbers: the value of every name at one point, and the derivative of the loss by it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from rich.table import Table
from rich.text import Text

from symgrad.api import Derivation, derive
from symgrad.engine.stabilise import stabilise
from symgrad.errors import UnknownName, suggest
from symgrad.graph.node import const, variables
from symgrad.graph.text import plain_name
from symgrad.kernels.compile import compile_nodes

Array: TypeAlias = NDArray[Any]

SCHEMA_VERSION = 1
_MOST = 60  # entries of an array that are written out
_COLUMNS = 36

# two inputs, three hidden units of which the third is off, one output
EXAMPLE = """\
x: (2,);  y: ();  W1: (3, 2);  b1: (3,);  W2: (3,);  b2: ()
z1 = W1 @ x + b1
a1 = relu(z1)
z2 = W2 @ a1 + b2
p  = sigmoid(z2)
L  = bce(p, y)
"""
EXAMPLE_AT: Mapping[str, Any] = {
    "x": [1.0, 0.5], "y": 1.0, "W1": [[0.5, -0.25], [0.25, 0.5], [-0.5, 0.5]], "b1": [0.125, 0.0, 0.15],
    "W2": [0.5, -0.25, 1.0], "b2": 0.1,
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One name: its value, and the derivative of the loss by it, None where none was derived."""

    name: str
    value: Array
    gradient: Array | None


@dataclass(frozen=True)
class Trace:
    """The rows of a trace: variables first, then the names of the forward pass in their order."""

    loss: str
    rows: tuple[Row, ...]

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, name: str) -> Row:
        for row in self.rows:
            if row.name == name:
                return row
        known = [r.name for r in self.rows]
        raise UnknownName(f"the trace has no row {name!r}.{suggest(name, known)} It has: {', '.join(known[:20])}")

    def table(self, *, digits: int = 4) -> Table:
        """Return a rich table: name, value, derivative of the loss."""
        out = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        for heading in ("u", "value of u", f"d{plain_name(self.loss)}/du"):
            out.add_column(Text(heading))
        for row in self.rows:
            by = "" if row.gradient is None else written(row.gradient, digits)
            name, value = plain_name(row.name), written(row.value, digits)
            out.add_row(Text(name, style="cyan"), Text(value), Text(by, style="green"))
        return out

    def __rich__(self) -> Table:
        return self.table()

    def __str__(self) -> str:
        names = [plain_name(r.name) for r in self.rows]
        values = [_one_line(r.value) for r in self.rows]
        width, space = (max(map(len, column), default=0) for column in (names, values))
        return "\n".join(
            f"{name:<{width}} = " + (v if r.gradient is None else
                                     f"{v:<{space}}   d{plain_name(self.loss)}/d{name} = {_one_line(r.gradient)}")
            for name, v, r in zip(names, values, self.rows)
        )

    def to_json(self) -> str:
        """Return the trace as one JSON object; numbers that JSON cannot hold are strings."""
        rows = [{"name": r.name, "value": plain(r.value), "gradient": None if r.gradient is None else plain(r.gradient)}
                for r in self.rows]
        return json.dumps({"schema_version": SCHEMA_VERSION, "loss": self.loss, "rows": rows}, allow_nan=False)


def written(array: Any, digits: int | None = 4) -> str:
    """Return an array for reading: significant digits (None: all), columns aligned, large arrays shortened.

    >>> print(written([[0.5, -0.25], [1e-9, -0.0]]))
    [[  0.5, -0.25],
     [1e-09,     0]]
    """
    a = np.asarray(array)
    if a.dtype.kind == "f":
        a = a + 0.0  # -0.0 reads as a sign where there is none

    def number(x: Any) -> str:
        return str(x) if digits is None else f"{x:.{digits}g}"

    width = max((len(number(x)) for x in a.ravel()[:_MOST].tolist()), default=0) if a.ndim > 1 else 0
    return np.array2string(a, separator=", ", threshold=_MOST, edgeitems=2, max_line_width=_COLUMNS,
                           formatter={"all": lambda x: number(x).rjust(width)})


def _one_line(array: Any) -> str:
    return " ".join(written(array).split()).replace("[ ", "[")


def plain(array: Any) -> Any:
    """Return an array as nested lists that JSON can hold: inf and nan as strings."""
    a = np.asarray(array)
    if a.dtype.kind != "f" or bool(np.all(np.isfinite(a))):
        return a.tolist()
    return [plain(x) for x in a] if a.ndim else str(float(a))


def trace_values(what: Any, at: Mapping[str, Any]) -> Trace:
    """Return the values of the forward and the backward pass at the arrays `at`, a row for every name.

    `what` is a network, an expression, text, or a derivation, whose own gradients are then used.
    Formula: for every name u of the forward pass, u and dL/du, from one compiled kernel.
    Shapes: value and gradient of a row have the shape of its name.
    Raises: InputError for a missing or unknown array, ShapeError, NonScalarLoss.
    Source: Bishop (2006), section 5.3: forward and backward pass.

    >>> print(trace_values("a = w*x; L = a**2", {"w": 3.0, "x": 2.0}))
    w = 3    dL/dw = 24
    x = 2    dL/dx = 36
    a = 6    dL/da = 12
    L = 36   dL/dL = 1
    """
    record = (what if isinstance(what, Derivation) else derive(what)).record
    loss = record.names.get(record.loss, "L")
    inputs = list(dict.fromkeys([*(w for w in record.wrt if w.op == "var"), *variables([record.loss])]))
    nodes = list(dict.fromkeys([*inputs, *(n for n in record.names if n is not record.loss), record.loss]))
    by = {n: record.closed.get(n) or record.resolved.get(n) for n in nodes} | {record.loss: const(1, record.loss.shape)}
    forward = {f"u{k}": n for k, n in enumerate(nodes)}
    backward = {f"u{k}": g for k, n in enumerate(nodes) if (g := by[n]) is not None}
    f = compile_nodes(forward, backward, inputs, stabilise=stabilise)
    values, grads = f(**{str(k): v for k, v in at.items()})
    return Trace(loss, tuple(
        Row(record.names.get(n) or n.name, np.asarray(values[u]), np.asarray(grads[u]) if u in grads else None)
        for u, n in forward.items()
    ))
