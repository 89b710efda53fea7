"""What happens when a NumPy function meets a traced value.

`dispatch` computes the plain result, looks the row of the function up, and lets the scope (a reverse-mode tape, or
forward mode) note what it needs.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np

from symgrad.errors import NoRule
from symgrad.tape.composites import COMPOSITES, CONSTANT
from symgrad.tape.rows import Array, Operand, Row, Tracer, plain
from symgrad.tape.rules import RULES
from symgrad.tape.special import special_row

Traces: TypeAlias = list[tuple[Operand, str, Any]]
"""The traced operands of a call: the operand's rules, its name, and the traced value or a sequence that has some."""


class Scope(Protocol):
    """One run of a transform; values of different scopes must not meet."""

    def record(self, call: Call, traces: Traces) -> Tracer:
        """Note a call, and give its output as a traced value."""


class Call:
    """One call of a function with a row: plain arguments, plain output."""

    __slots__ = ("args", "function", "options", "row", "y")

    def __init__(self, function: Callable[..., Any], row: Row, args: list[Any], options: dict[str, Any]) -> None:
        self.function, self.row, self.args, self.options = function, row, args, options
        self.y: Array = function(*args, **options)

    def operand(self, name: str) -> Any:
        """The plain argument of that name."""
        return self.options[name] if name in self.options else self.args[self.row.parameters.index(name)]

    def replaced(self, name: str, x: Any) -> Array:
        """The function itself, with another array in the place of one operand."""
        if name in self.options:
            return self.function(*self.args, **{**self.options, name: x})
        k = self.row.parameters.index(name)
        return self.function(*self.args[:k], x, *self.args[k + 1 :], **self.options)


def dispatch(function: Callable[..., Any], args: Sequence[Any], options: Mapping[str, Any]) -> Any:
    """Run a NumPy function of which at least one argument is traced."""
    if options:
        options = {k: v for k, v in options.items() if not (v is None and k in ("out", "dtype"))}
        if "out" in options:
            raise NoRule(
                f"{name_of(function)} was called with out= (or an in-place operator) on a traced value. The tape "
                "cannot see what is written into an array. Assign the result to a name instead: y = x + 1."
            )
    composite = COMPOSITES.get(function)
    if composite is not None:
        return spell(function, composite, args, options)
    row = RULES.get(function) or special_row(function)
    if row is None:
        if function in CONSTANT:
            return function(*map(plain, args), **{k: plain(v) for k, v in options.items()})
        raise NoRule(
            f"{name_of(function)} has no rule on the tape. Write it with functions that have one (symgrad.tape.RULES "
            "and COMPOSITES list them), pass x.value where no derivative should flow, or add one row to symgrad/tape."
        )
    unknown = [k for k in options if k not in row.parameters]
    if unknown or len(args) > row.positional:
        what = f"the option {unknown[0]}=" if unknown else f"more than {row.positional} positional arguments"
        raise NoRule(
            f"{name_of(function)} with {what} has no rule on the tape. It understands: {', '.join(row.parameters)}."
        )
    traces: Traces = []
    plain_args = [_open(row, name, x, traces) for name, x in zip(row.parameters, args, strict=False)]
    plain_options = {name: _open(row, name, x, traces) for name, x in options.items()}
    scope = _common_scope(traces)
    call = Call(function, row, plain_args, plain_options)
    if function in _WEAK and all(type(x) in (int, float) for x in plain_args):
        call.y = call.y.item()  # Python numbers stay Python numbers, so that they do not promote a float32 array
    elif getattr(call.y, "dtype", None) is not None and call.y.dtype.kind == "c":
        raise NoRule(f"{name_of(function)} gave complex numbers. The tape differentiates real functions only.")
    result = scope.record(call, traces)
    _note_sharing(result, traces)
    return result


_WEAK = {np.add, np.subtract, np.multiply, np.divide, np.power, np.negative, np.positive, np.absolute, np.remainder}


def name_of(function: Any) -> str:
    """The name under which a user knows a function."""
    name: str = getattr(function, "__name__", str(function))
    # The ufuncs of other libraries do not say where they come from.
    home = getattr(function, "__module__", None) or ("numpy" if hasattr(np, name) else "symgrad")
    return name if home.startswith("symgrad") else f"{home.replace('numpy', 'np')}.{name}"


def _open(row: Row, name: str, x: Any, traces: Traces) -> Any:
    """Take the plain value out of an argument, and note it if it is a traced operand."""
    operand = row.operands.get(name)
    if operand is None:
        if isinstance(x, Tracer):
            raise NoRule(
                f"The argument {name} is traced, and it has no derivative rule. Pass {name}.value if it is a constant."
            )
        return x
    if operand.many:
        if isinstance(x, Tracer):
            x = list(x)  # type: ignore[call-overload]  # what travels through user code iterates
        if any(isinstance(leaf, Tracer) for leaf in x):
            traces.append((operand, name, x))
        return [as_operand(leaf) for leaf in x]
    if isinstance(x, Tracer):
        traces.append((operand, name, x))
    return as_operand(x)


def as_operand(x: Any) -> Any:
    """The plain value of an operand; lists and their kind become arrays, Python numbers stay what they are."""
    x = plain(x)
    return x if isinstance(x, (np.ndarray, np.generic, int, float)) else np.asarray(x)


def _common_scope(traces: Traces) -> Scope:
    """The scope that all traced operands belong to."""
    found: Scope | None = None
    for _, _, x in traces:
        for leaf in x if isinstance(x, (list, tuple)) else (x,):
            if isinstance(leaf, Tracer):
                if found is None:
                    found = leaf.scope
                elif found is not leaf.scope:
                    raise NoRule(
                        "Traced values of two different runs met: a transform was called inside another one, or a "
                        "traced value was kept after its run. The tape has first derivatives only; return plain values "
                        "(x.value) from a run, and use symgrad.hessian or symgrad.hvp for second derivatives."
                    )
    if found is None:
        raise NoRule("No operand of the call is traced.")
    return found


def _note_sharing(result: Tracer, traces: Traces) -> None:
    """Mark values whose memory may be shared, because an in-place operator on one of them changes the other."""
    y = result.value
    if isinstance(y, np.ndarray) and y.base is not None:
        for _, _, x in traces:
            if isinstance(x, Tracer) and np.may_share_memory(y, x.value):
                result.shared = x.shared = True


_signature = functools.cache(inspect.signature)


def spell(function: Any, composite: Callable[..., Any], args: Sequence[Any], options: Mapping[str, Any]) -> Any:
    """Call a composite; options that it does not have are the caller's mistake or a missing rule."""
    try:
        _signature(composite).bind(*args, **options)
    except TypeError as error:
        raise NoRule(
            f"{name_of(function)} has a rule on the tape, but not for these arguments: {error}. "
            "Leave the option out, or write the function with others."
        ) from None
    return composite(*args, **options)
