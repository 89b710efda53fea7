"""What a kernel does when a call does not fit at first sight: convert the arrays, or say what is wrong.

This module needs NumPy alone; a saved kernel carries a copy of it, with the two error classes defined in place.
"""

import difflib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from symgrad.errors import InputError, ShapeError


def describe_shape(shape: Sequence[int | str], sizes: Mapping[str, int] | None = None) -> str:
    """Return a shape as the mathematics writes it, with the sizes that are known."""
    text = "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"
    known = [f"{d} = {sizes[d]}" for d in dict.fromkeys(shape) if sizes and isinstance(d, str) and d in sizes]
    return text + (" with " + ", ".join(known) if known else "")


def read(name: str, value: Any, expected: str = "", kinds: str = "fiub") -> np.ndarray:
    """Return a value as a plain array in the byte order of the machine, or say what it is; the order in memory stays.

    expected    what to say that is expected, if it is more than real numbers; kinds: the kinds of dtype that will do
    """

    def refused(got: str) -> InputError:
        return InputError(f"{name}: expected {expected}, got {got}" if expected else
                          f"{name}: got {got}; real numbers are expected")

    if np.ma.is_masked(value):
        gaps = int(np.sum(np.ma.getmaskarray(value)))
        raise refused(f"a masked array with {gaps} entries missing: fill them, as in {name}.filled(0.0)")
    try:
        array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise refused(f"a {type(value).__name__} that is no array ({error})") from None
    if array.dtype.kind not in kinds:
        raise refused(f"dtype {array.dtype} ({type(value).__name__})")
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def promote(arrays: Sequence[Any], given: Sequence[Any]) -> tuple[Any, ...]:
    """Return the arrays in their common floating dtype; integers count as float64, Python numbers follow the others."""
    strong = [
        a.dtype if a.dtype.kind == "f" else np.dtype(np.float64)
        for a, v in zip(arrays, given)
        if not isinstance(v, (int, float)) or isinstance(v, np.generic)
    ]
    dtype = np.result_type(*strong) if strong else np.dtype(np.float64)
    return tuple(a.astype(dtype, copy=False) for a in arrays)


def check(
    declared: Mapping[str, Sequence[int | str]], given: Sequence[Any], unknown: Collection[str] = (),
    more: Sequence[Any] = (), integers: Collection[str] = (), expected: Sequence[Any] | None = None,
    limits: Sequence[tuple[str, int, int]] = (),
) -> tuple[Any, ...]:
    """Return the arrays in one floating dtype, or raise what a caller needs to know.

    declared    {name: shape}, sizes being integers or names
    given       the arguments in that order, None where missing
    unknown     names of arguments that are no inputs; more: arguments by position that are too many
    expected    the shapes in numbers, once the sizes are known
    limits      (name, least, end) for integers that choose entries: they lie from `least` to `end` - 1
    """
    names = list(declared)
    if more:
        raise InputError(f"{len(names) + len(more)} arrays were given; the inputs are {', '.join(names) or 'none'}.")
    for name in unknown:
        near = difflib.get_close_matches(str(name)[:64], names, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise InputError(f"unknown input {str(name)[:64]!r}.{hint} The inputs are {', '.join(names) or 'none'}.")
    missing = [n for n, v in zip(names, given) if v is None]
    if missing:
        shapes = ", ".join(f"{n} {describe_shape(declared[n])}" for n in missing)
        raise InputError(f"missing input: {shapes}. Give it by name: {missing[0]}=array")
    arrays = []
    for name, value in zip(names, given):
        wanted, kinds = ("integers", "iu") if name in integers else ("real numbers", "fiub")
        arrays.append(read(name, value, f"an array of {wanted} of shape {describe_shape(declared[name])}", kinds))
    sizes: dict[str, int] = {}
    for k, (name, array) in enumerate(zip(names, arrays)):
        shape = declared[name]
        fits = array.ndim == len(shape)
        for d, n in zip(shape, array.shape):
            if isinstance(d, int):
                fits = fits and d == n
            elif d.isidentifier():
                fits = fits and sizes.setdefault(d, n) == n
        if not fits or (expected is not None and array.shape != expected[k]):
            raise ShapeError(f"{name}: expected {describe_shape(shape, sizes)}, got {array.shape}")
        if 0 in array.shape:
            raise ShapeError(f"{name}: a size is at least 1, got {array.shape}")
    for name, least, end in limits:
        array = arrays[names.index(name)]
        wrong = np.argwhere((array < least) | (array >= end))
        if len(wrong):
            at = tuple(wrong[0].tolist())
            place = f" at {at}" if at else ""
            raise InputError(f"{name}: an index is out of range: {array[at]}{place}, where the axis has {end} entries. "
                             f"Indices lie from {least} to {end - 1}, counted from 0")
    whole = [k for k, name in enumerate(names) if name in integers]
    real = [k for k in range(len(names)) if k not in whole]
    made = dict(zip(real, promote([arrays[k] for k in real], [given[k] for k in real])))
    return tuple(made.get(k, array) for k, array in enumerate(arrays))


def require(needs: Sequence[tuple[str, str, Any, Sequence[tuple[str, int]]]]) -> None:
    """Raise ShapeError for the first need that the sizes do not meet.

    needs       (what has it, the condition in words, whether it holds, (name, number) of each size in it)
    """
    for what, words, holds, sizes in needs:
        if not holds:
            here = ", ".join(f"{name} is {number}" for name, number in sizes)
            raise ShapeError(f"{what}: {words} is needed, and {here}. "
                             f"Give arrays of other sizes, or a subscript or window that fits them")
