"""Points at which gradients are looked at: read from a file or a line, or drawn at random inside the domain."""

from __future__ import annotations

import json
import math
import random
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symgrad.engine.assumptions import Assumption, concerning
from symgrad.engine.evaluate import distinct_sizes, index_limits, random_env
from symgrad.engine.flat import Sizes
from symgrad.engine.satisfy import satisfying
from symgrad.engine.stabilise import stabilise
from symgrad.errors import InputError, LimitExceeded, SingularMatrix, suggest
from symgrad.graph.node import Node, topological, variables
from symgrad.kernels.compile import compile_nodes
from symgrad.kernels.names import shown
from symgrad.rules.needs import needs, require
from symgrad.shapes import evaluate, show

Array: TypeAlias = NDArray[Any]

MAX_ENTRIES = 2**26  # of all values on the way at a random point: half a gigabyte

_NESTED = "a number or nested lists of numbers, all rows of one length"


def read_point(where: str) -> dict[str, Array]:
    """Return arrays by name from a .json file, an .npz file, or a line such as `z=0.3, w=[1, 2]`.

    Shapes: as written. Nothing is executed: JSON holds numbers and lists, an .npz file plain arrays.
    Raises: InputError for a file that cannot be read, and for what is no array of numbers.

    >>> {k: v.tolist() for k, v in read_point("z=0.3, w=[1, 2]").items()}
    {'z': 0.3, 'w': [1, 2]}
    """
    kind = Path(where).suffix.lower() if "=" not in where or where.endswith((".npz", ".json")) else ""
    if kind == ".npz":
        try:
            with Path(where).open("rb") as file, np.load(file, allow_pickle=False) as held:
                return {name: _numbers(name, held[name]) for name in held.files}
        except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
            raise InputError(f"{where} cannot be read as arrays ({error}); write it with numpy.savez") from None
    if kind == ".json":
        try:
            data = json.loads(Path(where).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(f"{where} cannot be read as JSON ({error})") from None
        if not isinstance(data, dict):
            raise InputError(f'{where} holds a {type(data).__name__}; an object is expected: {{"z": 0.3, "w": [1, 2]}}')
        return {str(name): _numbers(name, value) for name, value in data.items()}
    if "=" not in where:
        raise InputError(f"the point {where!r:.80} is neither a .json or .npz file nor a line such as z=0.3, w=[1, 2]")
    out: dict[str, Array] = {}
    for part in _split(where):
        name, _, value = (s.strip() for s in part.partition("="))
        if not name or name in out:
            why = "gives a value twice" if name else "has no name"
            raise InputError(f"{part.strip()!r:.80} {why}; write name=number")
        try:
            out[name] = _numbers(name, json.loads(value))
        except (ValueError, RecursionError):
            raise InputError(f"{part.strip()!r:.80} gives no value; write name=number or name=[number, ...]") from None
    return out


def _split(line: str) -> list[str]:
    """Return the parts between the commas that stand outside brackets."""
    parts, depth = [""], 0
    for c in line:
        depth += (c == "[") - (c == "]")
        if c == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += c
    return [p for p in parts if p.strip()]


def _numbers(name: object, value: Any) -> Array:
    try:
        array = np.asarray(value)
    except ValueError:
        raise InputError(f"{name} is not {_NESTED}") from None
    if array.dtype.kind not in "fiub":
        raise InputError(f"{name} is not {_NESTED}")
    return array


def random_point(roots: Sequence[Node], sizes: Mapping[str, int] | None = None, seed: int = 0,
                 assumptions: Sequence[Assumption] = ()) -> dict[str, Array]:
    """Return random arrays for every variable below the roots, at which the roots are finite.

    Formula: real entries normal with variance 1, or, where that leaves the domain of a function, drawn inside it by
    `random_env`; integer variables from 0 to 4, indices from those there are. Sizes that are not given are small and
    distinct. With assumptions a point at which they hold, to double precision.
    Shapes: as declared.
    Raises: InputError for an unknown size, and where no point of the domain was found; LimitExceeded for arrays too
    large.

    >>> from symgrad.graph.node import apply, var
    >>> bool(random_point([apply("log", var("x"))])["x"] > 0)
    True
    """
    free = distinct_sizes(roots)
    for name, number in (sizes or {}).items():
        if name not in free:
            raise InputError(f"there is no size {name!r}; the sizes are {', '.join(free) or 'all numbers already'}."
                             + suggest(name, free))
        if number < 1:
            raise InputError(f"the size {name} is {number}; at least 1 is expected")
    known = {**free, **(sizes or {})}
    inputs = variables(roots)
    total = 0
    for n in topological(roots):
        total += math.prod(evaluate(d, known) for d in n.shape)
        if total > MAX_ENTRIES:
            told = ", ".join(f"{k} = {d}" for k, d in known.items()) or "these shapes"
            raise LimitExceeded(f"with {told} the arrays have more than {MAX_ENTRIES} entries together, the limit for "
                                f"a random point. Give smaller sizes, or arrays of your own")
    for v in inputs:
        for d in v.shape:
            if evaluate(d, known) < 1:
                raise InputError(f"{shown(v.name)} {show(v.shape)} has no entries for "
                                 f"{', '.join(f'{k} = {n}' for k, n in known.items())}; give larger sizes")
    require(needs(topological(roots)), known)
    concerned = concerning(assumptions, roots)
    if concerned:
        _, point = satisfying(roots, concerned, random.Random(seed), given=sizes)  # noqa: S311  # points, no secrets
        return {v.name: np.asarray(point[v], dtype=np.int64 if v.attr[1] == "int" else np.float64) for v in inputs}
    rng = np.random.default_rng(seed)
    out: dict[str, Array] = {}
    limits = index_limits(topological(roots), Sizes(known))
    for v in inputs:
        shape = tuple(evaluate(d, known) for d in v.shape)
        out[v.name] = rng.integers(0, limits.get(v, 5), shape) if v.attr[1] == "int" else rng.normal(size=shape)
    # every function with a domain is looked at, not the value alone: it may hide what is infinite on the way
    top = set(roots)
    looked = [n for n in topological(roots) if n in top or n.is_elementwise]
    f = compile_nodes({f"v{k}": n for k, n in enumerate(looked)}, None, inputs, stabilise=stabilise, sizes=known)
    try:
        with np.errstate(all="ignore"):
            values = f(**out)
        if all(bool(np.all(np.isfinite(v))) for v in (values.values() if isinstance(values, dict) else [values])):
            return out
    except SingularMatrix:
        pass  # outside the domain, as what is not finite
    env = random_env(roots, random.Random(seed), known)  # noqa: S311  # points, no secrets
    return {v.name: np.asarray(env[v], dtype=np.int64 if v.attr[1] == "int" else np.float64) for v in inputs}
