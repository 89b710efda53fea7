"""Values of printed LaTeX: arrays whose lengths may be unsaid, and what signs do with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.render.latex_functions import whole_array


class Unread(Exception):
    """The text cannot be read, or can be read in two ways."""


@dataclass(frozen=True)
class Value:
    """An array, `free` along the axes whose length the text does not say (all entries along them are one)."""

    a: np.ndarray
    free: tuple[bool, ...]
    rank: int  # of the array as it was declared; a vector of rank 1 is a column here
    eye: bool = False  # like an identity of unknown size: a on the diagonal, off beside it
    off: float = 0.0

    @property
    def is_number(self) -> bool:
        return self.a.size == 1 and not any(self.free) and not self.eye

    @property
    def number(self) -> float:
        if not self.is_number:
            raise Unread(f"an array of shape {self.a.shape} stands where a number is needed")
        return float(self.a.reshape(()))

    @property
    def declared(self) -> np.ndarray:
        if self.eye or any(self.free):
            raise Unread("the size of ones or of an identity is needed")
        return self.a.reshape(self.a.shape[:self.rank]) if self.rank < 2 else self.a


def value_of(array: Any) -> Value:
    a = np.asarray(array, float)
    rank = a.ndim
    shaped = a.reshape(a.shape + (1,) * (2 - rank)) if rank < 2 else a
    return Value(shaped, (False,) * shaped.ndim, rank)


def ones_column() -> Value:
    return Value(np.ones((1, 1)), (True, False), 1)


@dataclass(frozen=True)
class Slopes:
    """df/dw, not yet contracted: `of[k]` is df/dw[k]."""

    of: list[np.ndarray]
    f: Value
    w: Value


def single(v: Any) -> float:
    if isinstance(v, Slopes):
        if len(v.of) == 1 and v.f.is_number:
            return float(v.of[0].reshape(()))
        raise Unread("a derivative of an array stands where a number is needed")
    return float(v.number)


def filled(v: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return a right-hand side as an array of the shape of its left side; only 0 may be short."""
    if isinstance(v, Slopes):
        v = pulled(value_of(1.0), v)
    want = shape + (1,) * (2 - len(shape)) if len(shape) < 2 else shape
    if v.eye:
        if len(want) != 2 or want[0] != want[1]:
            raise Unread(f"an identity stands for an array of shape {shape}")
        return np.where(np.eye(want[0]) == 1, v.a, v.off).reshape(shape)
    if v.is_number and v.number == 0.0:
        return np.zeros(shape)
    have = tuple(w if f else d for d, f, w in zip(v.a.shape, v.free, want))
    if len(v.a.shape) != len(want) or have != want:
        raise Unread(f"the line has shape {v.a.shape}{' and ones' if any(v.free) else ''}, the left side {shape}")
    return np.broadcast_to(v.a, want).reshape(shape)


# --- arithmetic -------------------------------------------------------------------------------------------------------


def _like(v: Value, other: Value) -> Value:
    """An identity beside a matrix has its size."""
    if not v.eye:
        return v
    lengths = {d for d, f in zip(other.a.shape, other.free) if not f}
    if other.eye or other.a.ndim != 2 or len(lengths) != 1:
        raise Unread("the size of an identity is not known")
    n = lengths.pop()
    return Value(np.where(np.eye(n) == 1, v.a, v.off), (False, False), 2)


def entrywise(f: Callable[..., Any], *args: Any) -> Value:
    """Apply a function entry by entry: equal shapes, ones as long as needed, numbers anywhere."""
    for a in args:
        if isinstance(a, Slopes):
            raise Unread("a derivative that is not contracted")
    if all(a.eye or a.is_number for a in args) and any(a.eye for a in args):
        on = float(f(*(a.a.reshape(()) for a in args)))
        off = float(f(*(np.asarray(a.off) if a.eye else a.a.reshape(()) for a in args)))
        return Value(np.full((1, 1), on), (False, False), 2, eye=True, off=off)
    wide = [a for a in args if not a.is_number and not a.eye]
    args = tuple(_like(a, wide[0]) if a.eye else a for a in args)
    wide = [a for a in args if not a.is_number]
    if not wide:
        with np.errstate(all="ignore"):
            return value_of(np.asarray(f(*(a.a.reshape(()) for a in args)), float).reshape(()))
    ndim = {a.a.ndim for a in wide}
    if len(ndim) > 1:
        raise Unread("arrays of different numbers of axes meet")
    shape, free = [], []
    for axis in range(ndim.pop()):
        lengths = {a.a.shape[axis] for a in wide if not a.free[axis]}
        if len(lengths) > 1:
            raise Unread(f"shapes {[a.a.shape for a in wide]} meet entry by entry")
        free.append(not lengths)
        shape.append(lengths.pop() if lengths else 1)
    with np.errstate(all="ignore"):
        out = np.asarray(f(*(a.a if not a.is_number else a.a.reshape(()) for a in args)), float)
    return Value(np.broadcast_to(out, shape), tuple(free), max(a.rank for a in wide))


def added(a: Any, b: Any, sign: int) -> Any:
    a = plain_sum(a)
    b = plain_sum(b)
    return entrywise(lambda x, y: x + sign * y, a, b)


def plain_sum(a: Any) -> Value:
    return pulled(value_of(1.0), a) if isinstance(a, Slopes) else a


def negated(a: Any) -> Any:
    if isinstance(a, Slopes):
        return Slopes([-x for x in a.of], a.f, a.w)
    return Value(-a.a, a.free, a.rank, a.eye, -a.off)


def product(a: Any, b: Any) -> Any:
    """Side by side: a number times anything, or a matrix product that conforms."""
    if isinstance(b, Slopes):
        return pulled(a, b)
    if isinstance(a, Slopes):
        if not (a.f.is_number):
            raise Unread("a derivative of an array does not end its product")
        a = plain_sum(a)
    if a.is_number or b.is_number:
        number, other = (a, b) if a.is_number else (b, a)
        return Value(number.number * other.a, other.free, other.rank, other.eye, number.number * other.off)
    if a.eye or b.eye:
        eye, other = (a, b) if a.eye else (b, a)
        if other.a.ndim != 2 or eye.off or other.off:
            raise Unread("an identity times an array of many axes")
        if other.eye:
            return Value(a.a * b.a, a.free, 2, eye=True)
        return Value(float(eye.a.reshape(())) * other.a, other.free, other.rank)
    if a.a.ndim != 2 or b.a.ndim != 2:
        raise Unread("a matrix product of arrays of many axes")
    if a.free[1] and b.free[0]:
        raise Unread("the product of ones with ones: its size is not said")
    if not a.free[1] and not b.free[0] and a.a.shape[1] != b.a.shape[0]:
        raise Unread(f"the product of shapes {a.a.shape} and {b.a.shape} does not conform")
    inner = a.a.shape[1] if not a.free[1] else b.a.shape[0]
    left = np.broadcast_to(a.a, (a.a.shape[0], inner))
    right = np.broadcast_to(b.a, (inner, b.a.shape[1]))
    out = left @ right
    rank = 1 if out.shape[1] == 1 and not b.free[1] and b.rank == 1 else 2
    return Value(out, (a.free[0], b.free[1]), 0 if out.size == 1 and not (a.free[0] or b.free[1]) else rank)


def pulled(c: Any, j: Slopes) -> Value:
    """The pullback of c; a number stands for an array full of it."""
    c = plain_sum(c)
    if j.f.eye or any(j.f.free):
        shape = None
    shape = j.f.a.shape
    if c.is_number:
        full = np.full(shape, c.number)
    else:
        full = filled(c, shape)
    if any(j.f.free):
        raise Unread("the size of what is differentiated is not said")
    out = np.array([float(np.sum(full * d.reshape(shape))) for d in j.of]).reshape(j.w.a.shape)
    return Value(out, (False,) * out.ndim, j.w.rank)


def transposed(v: Any) -> Any:
    if isinstance(v, Slopes) or v.a.ndim != 2:
        raise Unread("the transpose of what is no matrix")
    return Value(v.a.T, v.free[::-1], 0 if v.is_number else 2, v.eye)


def power(base: Any, exponent: Any) -> Value:
    return entrywise(np.power, base, exponent)


def matrix_power(base: Value, exponent: Value) -> Value:
    n = exponent.number
    if base.a.ndim != 2 or base.a.shape[0] != base.a.shape[1] or n != int(n):
        raise Unread("a power of what is no square matrix")
    return Value(np.linalg.matrix_power(base.a, int(n)), (False, False), 2)


def whole_value(name: str, v: Any) -> Value:
    v = plain_sum(v)
    if v.eye:
        return Value(1 / v.a, v.free, 2, eye=True)
    return value_of(whole_array(name, [], [], [square(v) if name == "inv" else v.a], {}))


def square(v: Any) -> np.ndarray:
    v = plain_sum(v)
    if v.is_number:
        return v.a.reshape(1, 1)
    if v.eye or any(v.free) or v.a.ndim != 2 or v.a.shape[0] != v.a.shape[1]:
        raise Unread("what is no square matrix")
    return np.asarray(v.a)


def diagonal(v: Value) -> Value:
    if v.a.ndim == 2 and v.a.shape[1] == 1 and not v.free[1]:
        if v.free[0]:
            return Value(v.a[:1], (False, False), 2, eye=True)
        return Value(np.diag(v.a[:, 0]), (False, False), 2)
    out = np.diagonal(square(v))
    return value_of(out)
