"""The functions a kernel brings along, erf or gamma: one definition each, called wherever the function is needed."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from symgrad.graph.node import make, var
from symgrad.kernels.expand import expand
from symgrad.kernels.lower import lower
from symgrad.kernels.names import Locals
from symgrad.kernels.numpy_target import Writer
from symgrad.kernels.plan import Val, Values
from symgrad.kernels.schedule import name_locals, schedule
from symgrad.kernels.trees import name
from symgrad.rules.elementwise import BY_NAME

Key: TypeAlias = "tuple[Any, ...]"  # the row and its orders


def helper_names(values: Sequence[Val], locals_: Locals) -> dict[Key, str]:
    """Return a name for every function that the values call."""
    out: dict[Key, str] = {}
    for v in values:
        if v.op == "call" and v.attr not in out:
            plain = "_".join(map(str, v.attr))
            out[v.attr] = locals_.claim(plain) or locals_.claim(f"{plain}_function") or locals_.fresh()
    return out


def helper_lines(names: Mapping[Key, str]) -> list[str]:
    """Return the definitions of the functions, each made from the form of its row."""
    out: list[str] = []
    for (op, *orders), function in names.items():
        row = BY_NAME[op]
        xs = [var(p) for p in row.params]
        (root,) = expand([make(op, xs, tuple(orders), ())])
        values = Values()
        result = values.floats(values.plus(lower(values, [root], {})[root]))
        plan = schedule([result], [], reuse=False)
        locals_ = Locals()
        params = [locals_.claim_or_fresh(x.name) for x in xs]
        name_locals(plan, locals_, [result])
        local = {values.make("input", (), (x.name, x.shape), x.shape): p for x, p in zip(xs, params)}
        writer = Writer(plan, local, {}, ast.Attribute(name(params[0]), "dtype", ast.Load()))
        body = [ast.unparse(line) for v in plan.order for line in writer.lines(v)]
        body.append(f"return {ast.unparse(writer.value(result))}")
        out += [f"def {function}({', '.join(params)}):", *("    " + line for line in body), "", ""]
    return out
