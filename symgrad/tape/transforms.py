"""The public transforms: which arguments are differentiated, and how the results are handed back."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from symgrad.errors import InputError, NonScalarLoss, NoRule, ShapeError, suggest
from symgrad.tape.core import Tape
from symgrad.tape.dispatch import Scope
from symgrad.tape.forward import Forward
from symgrad.tape.protocols import Traced
from symgrad.tape.rows import Array, Tracer

Key: TypeAlias = int | str
Wrt: TypeAlias = Key | Sequence[Key] | None


def value_and_grad(fun: Callable[..., Any], wrt: Wrt = None) -> Callable[..., tuple[Any, Any]]:
    r"""Return a function that gives the value of a scalar function and its gradients.

    The formula is L = fun(x_1, ..., x_n), and the gradients are dL/dx_i, each with the shape and the dtype of its x_i
    (float64 for a Python float). `fun` is plain NumPy code; Python's `if`, `for` and indexing are part of it.

    Without `wrt`, the gradients are

    - a tuple aligned with the positional arguments, if there are any; keyword arguments are then constants,
    - a dict by name, if the call has keyword arguments only.

    Integers, booleans and whatever else is no array of floats are constants: None in the tuple, absent from the dict.
    `wrt` selects arguments by position or by name. One position or name gives that gradient itself, a sequence of
    positions gives a tuple, and a sequence with names in it gives a dict with the entries of `wrt` as keys.

    At a kink the gradient is 0 if the point is a local optimum, else the one side that exists, else the mean of the
    sides.

    Shapes
        L has one entry; each gradient has the shape of its argument.

    Raises
        NonScalarLoss: `fun` gave more or less than one entry.
        InputError: an argument that was asked for is missing, or is no array of floats.
        NoRule: `fun` uses an operation that the tape cannot differentiate.

    Source
        Griewank and Walther, Evaluating Derivatives, 2nd edition (2008), section 3.2.

    >>> import numpy as np
    >>> def loss(w, x):
    ...     z = x @ w
    ...     return np.sum(np.where(z > 0, z, 0.0) ** 2)
    >>> value, (w_bar, x_bar) = value_and_grad(loss)(np.array([1.0, -1.0]), np.array([[3.0, 1.0], [0.0, 5.0]]))
    >>> print(value, w_bar, x_bar.tolist())
    4.0 [12.  4.] [[4.0, -4.0], [0.0, 0.0]]
    >>> value_and_grad(loss, wrt="w")(np.array([1.0]), np.array([[2.0]]))[1]
    array([8.])
    """

    @functools.wraps(fun)
    def with_gradients(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        run = _Reverse(fun, _select(fun, wrt, args, kwargs), args, kwargs)
        if np.size(run.value) != 1:
            raise NonScalarLoss(
                f"The function returned shape {np.shape(run.value)}; a gradient needs one number. "
                "Reduce it, as in np.sum(...) or np.mean(...), or use symgrad.tape.vjp with a cotangent of that shape."
            )
        return run.value, run.pull(np.ones_like(run.value))

    return with_gradients


def grad(fun: Callable[..., Any], wrt: Wrt = None) -> Callable[..., Any]:
    """Return a function that gives the gradients of a scalar function.

    The formula is dL/dx_i with L = fun(x_1, ..., x_n): the second output of `value_and_grad`, by the same contract. So
    without `wrt` it is a tuple (or a dict), and `grad(fun, wrt=0)` gives the first gradient itself.

    Shapes
        L has one entry; each gradient has the shape of its argument.

    Raises
        NonScalarLoss, InputError, NoRule: as `value_and_grad`.

    Source
        Griewank and Walther, Evaluating Derivatives, 2nd edition (2008), section 3.2.

    >>> import numpy as np
    >>> float(grad(np.tanh, wrt=0)(0.0))
    1.0
    >>> grad(lambda a, b: np.sum(a * b))(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    (array([3., 4.]), array([1., 2.]))
    """
    both = value_and_grad(fun, wrt)

    @functools.wraps(fun)
    def gradients(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return gradients


def vjp(fun: Callable[..., Any], *arrays: Any, **kw: Any) -> tuple[Any, Callable[[Any], Any]]:
    """Return the value of a function and its pullback (vector-Jacobian product).

    The formula is x_bar_i = J_i^T y_bar with y = fun(x_1, ..., x_n) and J_i = dy/dx_i. The pullback may be called any
    number of times. What it gives back is a tuple or a dict by the contract of `value_and_grad` without `wrt`.

    Shapes
        y_bar has the shape of y; x_bar_i has the shape of x_i.

    Raises
        ShapeError: y_bar does not have the shape of y.
        InputError: no argument is an array of floats.
        NoRule: `fun` uses an operation that the tape cannot differentiate.

    Source
        Griewank and Walther, Evaluating Derivatives, 2nd edition (2008), section 3.2.

    >>> import numpy as np
    >>> y, pullback = vjp(np.cumsum, np.array([1.0, 2.0, 3.0]))
    >>> pullback(np.array([1.0, 10.0, 100.0]))
    (array([111., 110., 100.]),)
    """
    # The pullback may be called after the caller has changed an array in place, so it keeps copies.
    arrays = tuple(_copied(x) for x in arrays)
    kw = {k: _copied(x) for k, x in kw.items()}
    run = _Reverse(fun, _select(fun, None, arrays, kw), arrays, kw)

    def pullback(y_bar: Any) -> Any:
        return run.pull(_like(y_bar, run.value, "y_bar", "y"))

    return run.value, pullback


def jvp(fun: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """Return the value of a function and its tangent (Jacobian-vector product), by dual numbers.

    The formula is y_dot = sum of J_i x_dot_i with y = fun(x_1, ..., x_n) and J_i = dy/dx_i. A tangent None says that
    its primal is a constant, as integers have to be.

    Shapes
        x_dot_i has the shape of x_i; y_dot has the shape of y.

    Raises
        ShapeError: a tangent does not have the shape of its primal.
        InputError: primals and tangents do not pair up, or a primal with a tangent is no array of floats.
        NoRule: `fun` uses an operation that has no rule.

    Source
        Griewank and Walther, Evaluating Derivatives, 2nd edition (2008), section 3.1.

    >>> import numpy as np
    >>> jvp(lambda a, b: a * b, (np.array([1.0, 2.0]), 3.0), (np.array([1.0, 0.0]), 1.0))
    (array([3., 6.]), array([4., 2.]))
    """
    pairs = isinstance(primals, (tuple, list)) and isinstance(tangents, (tuple, list))
    if not pairs or len(primals) != len(tangents):
        raise InputError(
            "jvp takes two tuples of equal length, primals and tangents; given were "
            f"{_describe(primals)} and {_describe(tangents)}. For one argument write jvp(fun, (x,), (x_dot,))."
        )
    scope = Forward()
    args: list[Any] = []
    for k, (x, x_dot) in enumerate(zip(primals, tangents, strict=True)):
        _refuse(x, f"primal {k}")
        if x_dot is None:
            args.append(x)
            continue
        _require_floats(x, k)
        args.append(scope.input(_native(x), _like(x_dot, x, f"tangent {k}", f"primal {k}")))
    value, output = _output(fun(*args), scope)
    y_dot = np.zeros(np.shape(value), _dtype(value)) if output is None else np.array(output.tangent)
    return value, y_dot if isinstance(value, np.ndarray) else y_dot[()]


@dataclass(frozen=True, slots=True)
class _Selection:
    """The arguments to differentiate by, and the form of the answer."""

    keys: tuple[Key, ...]
    """Positions in args or names in kwargs."""
    pack: Callable[[list[Any]], Any]


class _Reverse:
    """One run of a function on a tape."""

    def __init__(
        self, fun: Callable[..., Any], selection: _Selection, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> None:
        self.selection, self.tape = selection, Tape()
        positional, named = list(args), dict(kwargs)
        self.inputs: list[Any] = []
        for key in selection.keys:
            slot: Any = positional if isinstance(key, int) else named
            self.inputs.append(slot[key])
            slot[key] = self.tape.input(_native(slot[key]))
        self.value, self.output = _output(fun(*positional, **named), self.tape)

    def pull(self, y_bar: Array) -> Any:
        """Hand the cotangents of the inputs back, each in an array of its own."""
        bars = {} if self.output is None else self.tape.backward(self.output.number, y_bar)
        # The inputs came onto the tape first, so their numbers are their places.
        return self.selection.pack([_finish(bars.get(i), x) for i, x in enumerate(self.inputs)])


def _select(fun: Callable[..., Any], wrt: Wrt, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> _Selection:
    """Find out which arguments are meant."""
    for key, x in (*enumerate(args), *kwargs.items()):
        _refuse(x, f"argument {key!r}")
    if wrt is None:
        keys: tuple[Key, ...]
        if args:
            keys = tuple(i for i, x in enumerate(args) if _is_float(x))
        else:
            keys = tuple(name for name, x in kwargs.items() if _is_float(x))
        if not keys:
            raise InputError(
                "No argument is a float or an array of floats, so there is nothing to differentiate by; given were "
                f"{', '.join(map(_describe, (*args, *kwargs.values()))) or 'no arguments'}. "
                "Pass 3.0 for 3, or x.astype(float)."
            )
        if not args:
            return _Selection(keys, lambda grads: dict(zip(keys, grads, strict=True)))
        places: dict[Key, int] = {key: i for i, key in enumerate(keys)}
        n = len(args)
        return _Selection(keys, lambda grads: tuple(grads[places[i]] if i in places else None for i in range(n)))
    asked: tuple[Key, ...] = (wrt,) if isinstance(wrt, (int, str)) else tuple(wrt)
    keys = tuple(_locate(fun, key, args, kwargs) for key in asked)
    # The same argument asked for twice is one input of the tape.
    unique = tuple(dict.fromkeys(keys))
    order = [unique.index(key) for key in keys]
    for key, name in zip(keys, asked, strict=True):
        _require_floats(args[key] if isinstance(key, int) else kwargs[key], name)
    if isinstance(wrt, (int, str)):
        return _Selection(unique, lambda grads: grads[0])
    if all(isinstance(key, int) for key in asked):
        return _Selection(unique, lambda grads: tuple(grads[i] for i in order))
    return _Selection(unique, lambda grads: {key: grads[i] for key, i in zip(asked, order, strict=True)})


def _locate(fun: Callable[..., Any], key: Key, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Key:
    """Turn an entry of wrt into a position in args or a name in kwargs."""
    if isinstance(key, str):
        if key in kwargs:
            return key
        try:
            names = list(inspect.signature(fun).parameters)[: len(args)]
        except ValueError:  # some functions written in C have no signature
            names = []
        if key in names:
            return names.index(key)
        known = [*names, *kwargs]
        raise InputError(f"wrt={key!r} is no argument of this call; it has {known}.{suggest(key, known)}")
    if not -len(args) <= key < len(args):
        raise InputError(
            f"wrt={key} is no position of this call, which has {len(args)} positional arguments. "
            "Count from 0, or give a name."
        )
    return key % len(args)


def _is_float(x: Any) -> bool:
    return isinstance(x, float) or (isinstance(x, (np.ndarray, np.generic)) and x.dtype.kind == "f")


def _require_floats(x: Any, key: Key) -> None:
    if not _is_float(x):
        raise InputError(
            f"Argument {key!r} is {_describe(x)}; a derivative needs floats. "
            "Pass np.asarray(x, dtype=float), or leave it out of wrt (in jvp: give it the tangent None)."
        )


def _refuse(x: Any, what: str) -> None:
    """Refuse what plain code computes with otherwise than the rules do."""
    if isinstance(x, np.ma.MaskedArray):
        raise InputError(f"{what} is a masked array, and the rules know of no masks. Pass x.filled(...), or the mask "
                         "as an array of its own for np.where")
    if isinstance(x, np.matrix):
        raise InputError(f"{what} is an np.matrix, in which * is a product of matrices. Pass np.asarray(x), and write "
                         "@ for that product")
    if isinstance(x, Tracer):
        raise NoRule(
            "A transform of symgrad.tape was called inside another one. The tape has first derivatives only. "
            "Use symgrad.hessian or symgrad.hvp for second derivatives, or pass x.value if it is a constant there."
        )


def _describe(x: Any) -> str:
    if isinstance(x, np.ndarray):
        return f"an array of {x.dtype} with shape {x.shape}"
    return f"a {type(x).__name__}" + (f" of length {len(x)}" if isinstance(x, (tuple, list)) else "")


def _native(x: Any) -> Any:
    """Return a float or an array of floats in the byte order of the machine."""
    return x.astype(x.dtype.newbyteorder("=")) if isinstance(x, np.ndarray) and not x.dtype.isnative else x


def _copied(x: Any) -> Any:
    return x.copy() if isinstance(x, np.ndarray) else x


def _dtype(x: Any) -> np.dtype[Any]:
    """The dtype of the derivatives of x or by x."""
    dtype = np.result_type(x)
    return dtype.newbyteorder("=") if dtype.kind == "f" else np.dtype(np.float64)


def _like(bar: Any, x: Any, name: str, of: str) -> Array:
    """Check a tangent or cotangent against the value it belongs to."""
    _refuse(bar, name)
    try:
        array = np.asarray(bar)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} is {_describe(bar)} that is no array: {error}") from None
    if array.dtype.kind not in "fiub":
        raise InputError(f"{name} is {_describe(bar)} that holds no real numbers; a derivative needs floats.")
    if array.shape != np.shape(x):
        raise ShapeError(f"{name} has shape {array.shape}, and {of} has shape {np.shape(x)}; they must be equal.")
    return array.astype(_dtype(x))


def _finish(bar: Array | None, x: Any) -> Any:
    """Give a gradient the shape and dtype of its argument, and memory of its own."""
    made = np.zeros(np.shape(x), _dtype(x)) if bar is None else np.array(bar, _dtype(x), order="C")
    return made if isinstance(x, np.ndarray) else made[()]


def _output(y: Any, scope: Scope) -> tuple[Any, Any]:
    """The plain value of what a function returned, and the traced one if it depends on an input."""
    if isinstance(y, Traced):
        if y.scope is not scope:
            raise NoRule("The function returned a traced value of another run. Return y.value from the inner run.")
        return y.value, y
    if not isinstance(y, (np.ndarray, np.generic, int, float)):
        raise InputError(
            f"The function returned {_describe(y)}; expected is one array or number. "
            "Return the loss itself, and join several outputs by np.stack or np.concatenate."
        )
    return y, None
