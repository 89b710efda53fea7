"""How NumPy code runs on traced values: its two protocols, and the operators and methods of arrays.

A `Traced` value stands in for an array. Whatever NumPy function meets one comes, through `__array_ufunc__` or
`__array_function__`, to `dispatch`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, NoReturn, Self

import numpy as np
import numpy.typing as npt
from numpy.lib.mixins import NDArrayOperatorsMixin

from symgrad.errors import NoRule
from symgrad.tape.arrays import cast, index
from symgrad.tape.composites import METHODS, outer
from symgrad.tape.dispatch import Scope, dispatch, spell
from symgrad.tape.rows import Array, Tracer, plain


def _in_place(ufunc: np.ufunc) -> Callable[[Any, Any], Any]:
    """Make the method of an in-place operator."""

    def operator(self: Traced, other: Any) -> Any:
        return self.become(ufunc(self, other), ufunc)

    return operator


class Traced(Tracer, NDArrayOperatorsMixin):
    """A value inside a transform: it behaves like its array, and what is done to it is noted by its scope."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]  # == compares entries, as for arrays
    state: ClassVar[tuple[str, ...]] = ("value",)
    """What an in-place operator takes over from its result."""

    def __init__(self, value: Array, scope: Scope) -> None:
        self.value = value
        self.scope = scope
        self.shared = False

    # The protocols of NumPy.

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if method == "__call__":
            return dispatch(ufunc, inputs, options)
        if method == "outer" and not options:
            return outer(ufunc, *inputs)
        spelling = METHODS.get((ufunc, method))
        if spelling is None or "out" in options:
            raise NoRule(
                f"np.{ufunc.__name__}.{method}{' with out=' if 'out' in options else ''} has no rule on the tape. "
                "Write it with np.sum, np.prod, np.max, np.cumsum or a loop."
            )
        return spell(ufunc, spelling, inputs, options)

    def __array_function__(self, function: Any, types: Any, args: Sequence[Any], options: Mapping[str, Any]) -> Any:
        return dispatch(function, args, options)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NoReturn:
        raise NoRule(
            f"A traced value of shape {self.shape} was about to be turned into a plain array, which would cut the "
            "tape. Use np.stack([...]) in place of np.array([...]), np.where in place of writing into an array, "
            "np.dot(a, x) in place of a method of a plain array as in a.dot(x), and x.value where no derivative should "
            "flow."
        )

    # Conversions to Python.

    def _cut(self, what: str) -> NoReturn:
        raise NoRule(
            f"{what} of a traced value would cut the tape: the derivative would silently be lost. "
            "Keep computing with the value itself (np.sin(x), not math.sin(x)), collect entries in a list for np.stack "
            "in place of writing them into an array, or write x.value if it is a constant."
        )

    def __bool__(self) -> bool:
        return bool(self.value)

    def __float__(self) -> float:
        self._cut("float()")

    def __int__(self) -> int:
        self._cut("int()")

    def __index__(self) -> int:  # noqa: PLE0305  # it always raises
        self._cut("Using as an index or int()")

    def __complex__(self) -> complex:
        self._cut("complex()")

    def item(self, *_: Any) -> NoReturn:
        """Raise: a Python number has no derivative."""
        self._cut(".item()")

    def tolist(self) -> NoReturn:
        """Raise: Python numbers have no derivative."""
        self._cut(".tolist()")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.value!r})"

    def __str__(self) -> str:
        return str(self.value)

    def __format__(self, spec: str) -> str:
        return format(self.value, spec)

    # Entries.

    def __len__(self) -> int:
        return len(self.value)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, tuple):
            key = tuple(map(plain, key))
        return index(self, plain(key))

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __setitem__(self, key: Any, value: Any) -> NoReturn:
        raise NoRule(
            "x[...] = v was used on a traced value. The tape cannot see what is written into an array. "
            "Use np.where(mask, v, x), or collect the pieces in a list and call np.stack or np.concatenate."
        )

    def become(self, result: Any, ufunc: np.ufunc) -> Any:
        """Do what `x += y` does: every name of this array sees the change.

        A scalar is rebound, as in NumPy. Of an array whose memory another value may share, the change would have to
        reach that value as well, so this is refused.
        """
        if self.ndim == 0 or not isinstance(result, Traced):
            return result
        if self.shared:
            raise NoRule(
                f"An in-place operator (np.{ufunc.__name__}) was used on an input, or on a value that may share its "
                "memory with another one (a view). Write x = x + y in place of x += y."
            )
        if result.shape != self.shape:
            raise ValueError(f"An in-place operator cannot change the shape {self.shape} to {result.shape}.")
        if result.dtype != self.dtype:
            result = cast(result, self.dtype)
        for name in self.state:
            setattr(self, name, getattr(result, name))
        return self

    __iadd__ = _in_place(np.add)
    __isub__ = _in_place(np.subtract)
    __imul__ = _in_place(np.multiply)
    __itruediv__ = _in_place(np.divide)
    __ipow__ = _in_place(np.power)
    __imod__ = _in_place(np.remainder)
    __imatmul__ = _in_place(np.matmul)

    def __pow__(self, other: Any) -> Any:
        # As for arrays: a square is a product, and far cheaper than a general power.
        return np.square(self) if type(other) is int and other == 2 else np.power(self, other)

    # Attributes and methods of arrays.

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes."""
        return np.shape(self.value)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return np.ndim(self.value)

    @property
    def size(self) -> int:
        """The number of entries."""
        return int(np.size(self.value))

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the entries."""
        return np.result_type(self.value)

    @property
    def T(self) -> Any:
        """The axes in reverse order."""
        return np.transpose(self)

    @property
    def mT(self) -> Any:
        """The transpose of each matrix."""
        return np.swapaxes(self, -1, -2)

    @property
    def real(self) -> Self:
        """The value itself, which is real."""
        return self

    def __deepcopy__(self, memo: Any) -> Any:
        return self.copy()

    def reshape(self, *shape: Any, order: str = "C") -> Any:
        """As of an array, with one tuple or several sizes."""
        if order != "C":
            raise NoRule(
                f"reshape with order={order!r} has no rule on the tape. Write x.T.reshape(...).T for order='F'."
            )
        return np.reshape(self, shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes: Any) -> Any:
        """As of an array, with one tuple or several axes."""
        return np.transpose(self, axes[0] if len(axes) == 1 else axes or None)

    def astype(self, dtype: npt.DTypeLike, **_: Any) -> Any:
        """Another floating dtype; an integer or boolean one gives a plain array."""
        if np.dtype(dtype).kind == "f":
            return cast(self, np.dtype(dtype))
        return np.asarray(self.value).astype(dtype)

    def flatten(self, order: str = "C") -> Any:
        """A copy with one axis."""
        return np.ravel(self, order)  # type: ignore[call-overload]  # the composite checks the order

    def copy(self, *_: Any) -> Any:
        """The same entries in memory of their own."""
        return np.positive(self)

    def __getattr__(self, name: str) -> Any:
        function = getattr(np, name, None) if name in _METHODS else None
        if function is None:
            raise AttributeError(
                f"A traced value has no attribute {name!r}. Use the function np.{name}(x) if there is one, "
                "or x.value where no derivative should flow."
            )
        return lambda *args, **options: function(self, *args, **options)


# Methods of arrays that do what the function of the same name does.
_METHODS = frozenset({
    "all", "any", "argmax", "argmin", "argsort", "clip", "cumprod", "cumsum", "diagonal", "dot", "max", "mean", "min",
    "nonzero", "prod", "ravel", "repeat", "round", "searchsorted", "squeeze", "std", "sum", "swapaxes", "take", "trace",
    "var",
})  # fmt: skip
