"""Kernel: a compiled function of arrays, its source, and its flat form for SciPy."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np

from symgrad.errors import InputError, ShapeError, suggest
from symgrad.files import write
from symgrad.kernels import checks
from symgrad.kernels.guard import load
from symgrad.kernels.names import shown

_FUNCTION = "kernel"


def _by_name(run: Callable[..., Any], inputs: Mapping[str, Any], renamed: Mapping[str, str]) -> Callable[..., Any]:
    """Return `run` taking the inputs by their own names where its parameters had to be called otherwise."""

    def call(*arrays: Any, **named: Any) -> Any:
        unknown = [n for n in named if n not in inputs]
        if unknown:
            checks.check({shown(n): s for n, s in inputs.items()}, [None] * len(inputs), unknown)
        return run(*arrays, **{renamed.get(n, n): v for n, v in named.items()})

    return call


class Kernel:
    """A function of arrays in NumPy: f(X=..., W=...) -> value, or (value, {name: gradient}).

    Arrays go in by name or in the order of `inputs`; they are never written to. The result has the dtype of the arrays;
    arrays of several dtypes are first brought to their common one, integers counting as float64. Calls share no state.

    Shapes: as `inputs` says; sizes are read from the arrays.
    Raises: InputError for a missing, misspelt or non-numeric array, ShapeError for one that does not fit.

    >>> from symgrad.graph.node import var
    >>> from symgrad.kernels.compile import compile_nodes
    >>> w, x = var("w", ("n",)), var("x", ("n",))
    >>> f = compile_nodes({"y": w @ x})
    >>> float(f(w=[1.0, 2.0], x=[3.0, 4.0]))
    11.0
    """

    def __init__(self, source: str, inputs: Mapping[str, tuple[int | str, ...]], params: Sequence[str],
                 values: Sequence[str], wrt: Sequence[str] | None, ops: int) -> None:
        self.source = source
        self.inputs = dict(inputs)
        self.params = tuple(params)
        self.values = tuple(values)
        self.wrt = None if wrt is None else tuple(wrt)
        self.ops = ops
        run = load(source, _FUNCTION)
        renamed = {n: p for n, p in zip(self.inputs, self.params) if n != p}
        self._run: Callable[..., Any] = _by_name(run, self.inputs, renamed) if renamed else run

    __call__ = property(attrgetter("_run"))  # not a method: a call then costs no second Python frame

    def __reduce__(self) -> tuple[Any, ...]:
        return Kernel, (self.source, self.inputs, self.params, self.values, self.wrt, self.ops)

    def __repr__(self) -> str:
        inputs = ", ".join(f"{shown(n)} {checks.describe_shape(s)}" for n, s in self.inputs.items())
        grads = "" if self.wrt is None else f", gradients by {', '.join(map(shown, self.wrt))}"
        return f"<Kernel {', '.join(map(shown, self.values))}{grads} of {inputs or 'no inputs'}; {self.ops} operations>"

    @property
    def module(self) -> str:
        """The text of a module that needs NumPy alone: the checks, then the source."""
        helper = inspect.getsource(checks).split("from symgrad.errors import InputError, ShapeError\n")
        head, tail = helper[0].split('"""')[2], helper[1]
        errors = (
            "\n\nclass InputError(TypeError):\n"
            '    """An array that is missing, misspelt or of the wrong kind."""\n\n\n'
            "class ShapeError(ValueError):\n"
            '    """Shapes that do not fit together."""\n'
        )
        title, body = self.source.split("import numpy as np\n", 1)
        return f"{title.rstrip()}\n{head.rstrip()}\n{errors}{tail.rstrip()}\n\n\n{body.strip()}\n"

    def save(self, path: str | Path) -> Path:
        """Write the kernel as a module that needs NumPy alone, its checks included; return the path.

        Raises: InputError where the file cannot be written; what stood there then stays.
        """
        return write(path, self.module)

    def flat(self, wrt: Sequence[str] | None = None, **arrays: Any) -> Flat:
        """Return fun(x) -> (f, g) of one flat vector, as SciPy's `minimize(fun, x0, jac=True)` takes it.

        The vector holds the arrays of `wrt` one after the other, each in C order. Arrays given for them set their
        shapes and `x0`; every other input must be given and stays fixed.

        Shapes: x and g (k,), k being the number of entries of the `wrt` arrays.
        Raises: InputError where no gradient was compiled or an input is missing, ShapeError for a size nobody tells.
        """
        if self.wrt is None:
            raise InputError("this kernel returns the value alone; compile it with gradients for a flat form")
        chosen = self.wrt if wrt is None else tuple([wrt] if isinstance(wrt, str) else wrt)
        for n in chosen:
            if n not in self.wrt:
                raise InputError(f"no gradient by {shown(n)} was compiled.{suggest(n, self.wrt)}")
        for n in arrays:
            if n not in self.inputs:
                raise InputError(f"unknown input {shown(n)}.{suggest(n, self.inputs)}")
        missing = [n for n in self.inputs if n not in chosen and n not in arrays]
        if missing:
            raise InputError(f"missing input: {', '.join(map(shown, missing))}; what is not in wrt must be given")
        return Flat(self, chosen, {n: checks.read(shown(n), v) for n, v in arrays.items()})


class Flat:
    """fun(x) -> (f, g) of one flat vector; `pack` and `unpack` go between the vector and arrays by name."""

    def __init__(self, kernel: Kernel, wrt: tuple[str, ...], arrays: Mapping[str, np.ndarray]) -> None:
        self.kernel = kernel
        self.wrt = wrt
        self.fixed = {n: v for n, v in arrays.items() if n not in wrt}
        known = {d: k for n, v in arrays.items() for d, k in zip(kernel.inputs[n], v.shape) if isinstance(d, str)}
        self.shapes: dict[str, tuple[int, ...]] = {}
        for n in wrt:
            unknown = [d for d in kernel.inputs[n] if isinstance(d, str) and d not in known]
            if n not in arrays and unknown:
                raise ShapeError(
                    f"the size {unknown[0]} of {shown(n)} cannot be told from the arrays given; "
                    f"give {shown(n)} as well, its values become x0"
                )
            self.shapes[n] = arrays[n].shape if n in arrays else tuple(
                known[d] if isinstance(d, str) else d for d in kernel.inputs[n]
            )
        starts = {n: arrays[n] for n in wrt if n in arrays}
        self.x0: np.ndarray | None = self.pack(starts) if len(starts) == len(wrt) else None

    @property
    def size(self) -> int:
        """The number of entries of the flat vector."""
        return sum(int(np.prod(s)) for s in self.shapes.values())

    def pack(self, arrays: Mapping[str, Any]) -> np.ndarray:
        """Return the arrays as one vector."""
        missing = [n for n in self.wrt if n not in arrays]
        if missing:
            raise InputError(f"missing array: {', '.join(map(shown, missing))}")
        parts = [checks.read(shown(n), arrays[n]) for n in self.wrt]
        for n, part in zip(self.wrt, parts):
            if part.shape != self.shapes[n]:
                raise ShapeError(f"{shown(n)}: expected shape {self.shapes[n]}, got {part.shape}")
        return np.concatenate([p.ravel() for p in parts]).astype(np.result_type(np.float64, *parts), copy=False)

    def unpack(self, x: Any) -> dict[str, np.ndarray]:
        """Return the vector as arrays by name; they are views of it."""
        vector = checks.read("x", x)
        if vector.shape != (self.size,):
            raise ShapeError(f"x: expected shape ({self.size},), got {vector.shape}")
        out: dict[str, np.ndarray] = {}
        start = 0
        for n, shape in self.shapes.items():
            stop = start + int(np.prod(shape))
            out[n] = vector[start:stop].reshape(shape)
            start = stop
        return out

    def __call__(self, x: Any) -> tuple[float, np.ndarray]:
        value, grads = self.kernel(**self.fixed, **self.unpack(x))
        return float(value), self.pack(grads)
