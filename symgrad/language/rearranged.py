"""Functions that put entries elsewhere, spelled with the rows that move, join and choose entries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from symgrad.errors import LimitExceeded, ShapeError
from symgrad.graph.node import Node, broadcast_to, const, describe, einsum, reduce_mean, reduce_sum, size
from symgrad.graph.node import transpose as transposed
from symgrad.language.subscript import checked, subscript
from symgrad.rules.arrays import BY_NAME
from symgrad.rules.moves import RESHAPE
from symgrad.shapes import Dim, as_dim, as_sympy, broadcast, normalise_axes, show, size_of

Axis: TypeAlias = "int | tuple[int, ...] | None"
Flag: TypeAlias = bool
Size: TypeAlias = "Dim"
Steps: TypeAlias = "Dim | tuple[Dim, ...] | str | None"

MAX_TIMES = 64  # that diff is written out


def _axis(name: str, x: Node, axis: Any) -> int:
    if isinstance(axis, bool) or not isinstance(axis, int):
        raise ShapeError(f"{name} works along one axis of {describe(x)} {show(x.shape)}; give axis=...")
    return normalise_axes(axis, x.rank, f"{name} of {describe(x)}")[0]


def _whole(name: str, word: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ShapeError(f"{name}: {word} is a whole number, not {value!r}")
    return value


def flat(x: Node) -> Node:
    """Return x with one axis."""
    return x if x.rank == 1 else RESHAPE(x, shape=(size_of(x.shape),))


def ravel(x: Node) -> Node:
    """All entries along one axis, row by row.

    Shapes: (n, d) gives (n*d,).
    Raises: InputError for text and arrays.
    Source: the definition.

    >>> import symgrad as sg
    >>> sg.ravel(sg.symbol("x", ("n", 3))).shape
    (3*n,)
    """
    return flat(x)


def permute(x: Node, axes: Axis) -> Node:
    """The axes in another order.

    Formula: axis k of the result is axis axes[k] of x.
    Shapes: (n, d, k) with axes (2, 0, 1) gives (k, n, d).
    Raises: ShapeError where axes is no permutation.
    Source: the definition.

    >>> import symgrad as sg
    >>> sg.permute(sg.symbol("x", ("n", "d", "k")), (2, 0, 1)).shape
    (k, n, d)
    """
    order = axes if isinstance(axes, tuple) else (axes,)
    return transposed(x, tuple(a + x.rank if isinstance(a, int) and a < 0 else a for a in order))  # type: ignore[misc]  # transpose refuses None


def swapaxes(x: Node, a: Axis, b: Axis) -> Node:
    """Two axes exchanged.

    Shapes: (n, d, k) with axes 0 and 2 gives (k, d, n).
    Raises: ShapeError for an axis that is not there.
    Source: the definition.

    >>> import symgrad as sg
    >>> sg.swapaxes(sg.symbol("x", ("n", "d", "k")), 0, -1).shape
    (k, d, n)
    """
    first, second = _axis("swapaxes", x, a), _axis("swapaxes", x, b)
    order = list(range(x.rank))
    order[first], order[second] = second, first
    return transposed(x, order)


def moveaxis(x: Node, source: Axis, destination: Axis) -> Node:
    """Axes moved to other places, the rest in their order.

    Shapes: (n, d, k) with axis 0 moved to 2 gives (d, k, n).
    Raises: ShapeError for an axis that is not there.
    Source: the definition.

    >>> import symgrad as sg
    >>> sg.moveaxis(sg.symbol("x", ("n", "d", "k")), 0, 2).shape
    (d, k, n)
    """
    taken, places = (tuple(_axis("moveaxis", x, a) for a in (g if isinstance(g, tuple) else (g,)))
                     for g in (source, destination))
    if len(taken) != len(places) or len(set(taken)) < len(taken) or len(set(places)) < len(places):
        raise ShapeError(f"moveaxis moves as many different axes as it has places for, got {source} and {destination}")
    order = [k for k in range(x.rank) if k not in taken]
    for place, a in sorted(zip(places, taken)):
        order.insert(place, a)
    return transposed(x, order)


def squeeze(x: Node, axis: Axis = None) -> Node:
    """Axes of size 1 left out: those given, or all of them.

    Shapes: (n, 1, d) gives (n, d).
    Raises: ShapeError for an axis of another size.
    Source: the definition.

    >>> import symgrad as sg
    >>> sg.squeeze(sg.symbol("x", ("n", 1, "d"))).shape
    (n, d)
    """
    ones = tuple(k for k, d in enumerate(x.shape) if d == 1)
    gone = ones if axis is None else normalise_axes(axis, x.rank, f"squeeze of {describe(x)}")
    for a in gone:
        if a not in ones:
            raise ShapeError(f"squeeze: axis {a} of {describe(x)} {show(x.shape)} has the size {x.shape[a]}, not 1")
    return reduce_sum(x, gone) if gone else x


def expand_dims(x: Node, axis: Axis) -> Node:
    """New axes of size 1 at the given places of the result.

    Shapes: (n, d) with axis 1 gives (n, 1, d).
    Raises: ShapeError for a place that is not there.
    Source: the definition.

    >>> import symgrad as sg
    >>> sg.expand_dims(sg.symbol("x", ("n", "d")), 1).shape
    (n, 1, d)
    """
    given = axis if isinstance(axis, tuple) else (axis,)
    rank = x.rank + len(given)
    places = normalise_axes(given, rank, "the result of expand_dims")  # type: ignore[arg-type]  # None is refused there
    own = iter(range(x.rank))
    out: list[Any] = [("new", k) if k in places else next(own) for k in range(rank)]
    return einsum([range(x.rank)], [x], out, {label: 1 for label in out if isinstance(label, tuple)})


def flip(x: Node, axis: Axis = None) -> Node:
    """The entries in the opposite order along the given axes, or along all of them.

    Formula: y[..., i, ...] = x[..., n - 1 - i, ...].
    Shapes: as x.
    Raises: ShapeError for an axis that is not there.
    Source: the definition.

    >>> import symgrad as sg
    >>> sg.flip(sg.symbol("x", ("n", "d")), axis=1)
    x[:, ::-1]
    """
    turned = normalise_axes(axis, x.rank, f"flip of {describe(x)}")
    return subscript(x, [(None, None, -1 if k in turned else None) for k in range(x.rank)]) if turned else x


def roll(x: Node, shift: Axis, axis: Axis = None) -> Node:
    """The entries moved on by `shift` places along an axis, those that leave at the end coming in at the start.

    Formula: y[..., i, ...] = x[..., (i - shift) mod n, ...].
    Shapes: as x; without an axis the entries are moved on row by row.
    Raises: ShapeError for an axis that is not there.
    Source: the definition.

    >>> import symgrad as sg
    >>> sg.roll(sg.symbol("x", "n"), 1).shape
    (n,)
    """
    by = _whole("roll", "shift", shift)
    if axis is None and x.rank != 1:
        return RESHAPE(roll(flat(x), by, 0), shape=x.shape)
    along = _axis("roll", x, 0 if axis is None else axis)
    n = x.shape[along]
    by = by % n if isinstance(n, int) else by
    if by == 0:
        return x
    lead = [(None, None, None)] * along
    return BY_NAME["concatenate"](subscript(x, [*lead, (-by, None, None)]), subscript(x, [*lead, (None, -by, None)]),
                                  axis=along)


def tile(x: Node, reps: Steps) -> Node:
    """The whole array repeated, so many times along each of the last axes.

    Formula: y[i] = x[i mod n] along each axis.
    Shapes: (n,) with reps k gives (k*n,); (n, d) with reps (2, 3) gives (2*n, 3*d).
    Raises: ShapeError for a number of repetitions below 1.
    Source: the definition.

    >>> import symgrad as sg
    >>> sg.tile(sg.symbol("x", ("n", "d")), (2, 3)).shape
    (2*n, 3*d)
    """
    times: tuple[Any, ...] = reps if isinstance(reps, tuple) else (reps,)
    if any(isinstance(t, str) or t is None or as_sympy(t).is_positive is False for t in times):
        raise ShapeError(f"tile: the numbers of repetitions are sizes of 1 or more, not {reps!r}")
    rank = max(x.rank, len(times))
    times = (*[1] * (rank - len(times)), *times)
    dims: tuple[Dim, ...] = (*[1] * (rank - x.rank), *x.shape)
    out: list[Any] = []
    for k in range(rank):
        out += [("rep", k), k - (rank - x.rank) if k >= rank - x.rank else ("new", k)]
    wide = einsum([range(x.rank)], [x], out, {label: times[label[1]] if label[0] == "rep" else 1
                                             for label in out if isinstance(label, tuple)})
    return RESHAPE(wide, shape=tuple(as_dim(t * d) for t, d in zip(times, dims)))


def repeat(x: Node, count: Size, *, axis: Axis = None) -> Node:
    """Every entry repeated `count` times, one behind the other, along an axis.

    Formula: y[..., i, ...] = x[..., i // count, ...].
    Shapes: (n,) gives (count*n,); without an axis the entries are taken row by row.
    Raises: ShapeError for an axis that is not there.
    Source: the definition.

    >>> import symgrad as sg
    >>> sg.repeat(sg.symbol("x", ("n", "d")), 2, axis=1).shape
    (n, 2*d)
    """
    if axis is None and x.rank != 1:
        x = flat(x)
    along = _axis("repeat", x, 0 if axis is None else axis)
    out: list[Any] = [*range(along + 1), "rep", *range(along + 1, x.rank)]
    shape = tuple(as_dim(d * count) if k == along else d for k, d in enumerate(x.shape))
    return RESHAPE(einsum([range(x.rank)], [x], out, {"rep": count}), shape=shape)


def diff(x: Node, n: Axis = 1, *, axis: Axis = -1) -> Node:
    """Each entry less the one before it along an axis, n times.

    Formula: y[..., i, ...] = x[..., i + 1, ...] - x[..., i, ...].
    Shapes: (k,) gives (k - n,).
    Raises: ShapeError where no entry is left, LimitExceeded for n above 64.
    Source: the definition.

    >>> import symgrad as sg
    >>> sg.diff(sg.symbol("x", "n"))
    x[1:n] - x[:n - 1]
    """
    along = _axis("diff", x, axis)
    lead = [(None, None, None)] * along
    times, length = _whole("diff", "n", n), x.shape[along]
    if times < 0 or as_sympy(length - times).is_positive is False:
        raise ShapeError(f"diff: n is from 0 up to one less than the {length} entries of axis {along} of {describe(x)} "
                         f"{show(x.shape)}, not {times}")
    if times > MAX_TIMES:
        raise LimitExceeded(f"diff: n = {times} is beyond the limit of {MAX_TIMES}; each time is written out")
    for _ in range(times):
        x = subscript(x, [*lead, (1, None, None)]) - subscript(x, [*lead, (None, -1, None)])
    return x


def sort(x: Node, *, axis: Axis = -1) -> Node:
    """The entries in rising order along an axis, or of all of them with axis=None.

    Formula: take_along_axis(x, argsort(x)).
    Shapes: as x; (n*d,) with axis=None.
    Raises: ShapeError for an axis that is not there.
    Source: the definition.

    >>> import symgrad as sg
    >>> sg.sort(sg.symbol("x", "n"))
    take_along_axis(x, argsort(x), axis=0)
    """
    if axis is None:
        x, axis = flat(x), 0
    along = _axis("sort", x, axis)
    return BY_NAME["take_along_axis"](x, BY_NAME["argsort"](x, axis=along), axis=along)


def median(x: Node, *, axis: Axis = None, keepdims: Flag = False) -> Node:
    """The middle of the sorted entries, or the mean of the two in the middle, over all entries or along an axis.

    Shapes: as mean.
    Raises: ShapeError where the number of entries is a name, as its parity must be known.
    Source: the definition.

    >>> import symgrad as sg
    >>> sg.median(sg.symbol("x", ("n", 5)), axis=1).shape
    (n,)
    """
    whole = x if axis is not None else flat(x)
    along = _axis("median", whole, 0 if axis is None else axis)
    n = whole.shape[along]
    if not isinstance(n, int):
        raise ShapeError(f"median: whether {n} entries have one in the middle or two depends on it; give a number")
    middle = subscript(sort(whole, axis=along), [*[(None, None, None)] * along, ((n - 1) // 2, n // 2 + 1, None)])
    out = reduce_mean(middle, along)
    if not keepdims:
        return out
    return expand_dims(out, tuple(range(x.rank)) if axis is None else along)


def _flattened(name: str, x: Node, axis: Axis, keepdims: bool) -> Node:
    if axis is not None or x.rank == 1:
        return BY_NAME[name](x, axis=axis, keepdims=keepdims)
    found = BY_NAME[name](flat(x), axis=0)
    return expand_dims(found, tuple(range(x.rank))) if keepdims else found


def argmax(x: Node, axis: Axis = None, *, keepdims: Flag = False) -> Node:
    """Where the largest entry stands along an axis, or among all entries row by row: a whole number, for indices.

    Shapes: as max.
    Derivative: none; take_along_axis(x, argmax(x, axis=1, keepdims=True), axis=1) has that of the entry.
    Raises: ShapeError for an axis that is not there.
    Source: the definition; of equal entries the first is named.

    >>> import symgrad as sg
    >>> sg.argmax(sg.symbol("x", ("n", "d")), axis=1).shape
    (n,)
    """
    return _flattened("argmax", x, axis, keepdims)


def argmin(x: Node, axis: Axis = None, *, keepdims: Flag = False) -> Node:
    """Where the smallest entry stands along an axis, or among all entries row by row: a whole number, for indices.

    Shapes: as min.
    Derivative: none; take_along_axis(x, argmin(x, axis=1, keepdims=True), axis=1) has that of the entry.
    Raises: ShapeError for an axis that is not there.
    Source: the definition; of equal entries the first is named.

    >>> import symgrad as sg
    >>> sg.argmin(sg.symbol("x", ("n", "d")), axis=1).shape
    (n,)
    """
    return _flattened("argmin", x, axis, keepdims)


def take_along_axis(x: Node, idx: Node, axis: Axis) -> Node:
    """For each place the entry of x that the index there names along an axis; other axes broadcast.

    Formula: y[i, j] = x[i, idx[i, j]] for axis 1.
    Shapes: x (n, d), idx (n, k) give (n, k).
    Raises: ShapeError for shapes that do not fit, InputError for indices that are no whole numbers.
    Source: linearity: cotangents of equal indices add.

    >>> import symgrad as sg
    >>> x = sg.symbol("x", ("n", "d"))
    >>> sg.take_along_axis(x, sg.argmax(x, axis=1, keepdims=True), axis=1).shape
    (n, 1)
    """
    if x.rank != idx.rank:
        raise ShapeError(f"take_along_axis: {describe(x)} {show(x.shape)} and the indices {describe(idx)} "
                         f"{show(idx.shape)} have as many axes as each other; insert one with [:, None]")
    along = _axis("take_along_axis", x, axis)
    try:
        others = broadcast(*((*n.shape[:along], 1, *n.shape[along + 1:]) for n in (x, idx)))
    except ShapeError:
        raise ShapeError(f"take_along_axis: {describe(x)} {show(x.shape)} and the indices {describe(idx)} "
                         f"{show(idx.shape)} must broadcast along all axes but axis {along}") from None
    x, idx = (broadcast_to(n, (*others[:along], n.shape[along], *others[along + 1:])) for n in (x, idx))
    return checked(BY_NAME["take_along_axis"](x, idx, axis=along))


def arange(start: Size, stop: Size | None = None, step: Axis = 1) -> Node:
    """The whole numbers from 0, or from `start`, up to and without the last one given.

    Shapes: (n,) for arange(n); the numbers of start, stop and step as in NumPy.
    Raises: ShapeError where there are none, or how many depends on the sizes.
    Source: the definition.

    >>> import symgrad as sg
    >>> sg.compile("x: (n,); z: (n, 3); y: int(n,); L = sum(x*z[arange(n), y])").inputs["y"]
    ('n',)
    """
    by = _whole("arange", "step", step)
    first, last = (0, start) if stop is None else (start, stop)
    room = last - first
    if by < 1 or as_sympy(room).is_positive is False:
        raise ShapeError(f"arange({first}, {last}, {by}) holds no number; a step is 1 or more, and stop beyond start")
    if isinstance(room, int):
        many: Dim = -(-room // by)
    else:
        exact = as_sympy(room) / by
        if not exact.expand().is_integer:
            raise ShapeError(f"how many numbers arange({first}, {last}, {by}) holds depends on the sizes")
        many = as_dim(exact)
    made: Node = BY_NAME["arange"](n=many)
    made = made if by == 1 else by * made
    return made if first == 0 else size(first) + made


def linspace(start: Node, stop: Node, count: Size) -> Node:
    """Numbers at equal distances from `start` to `stop`, both included.

    Formula: y[i] = start + (stop - start)*i/(count - 1).
    Shapes: scalars give (count,).
    Raises: ShapeError for operands that are no scalars and for a count below 2.
    Source: the definition.

    >>> import symgrad as sg
    >>> sg.linspace(sg.symbol("a"), sg.symbol("b"), 5).shape
    (5,)
    """
    if start.rank or stop.rank:
        raise ShapeError(f"linspace takes scalars, got the shapes {show(start.shape)} and {show(stop.shape)}")
    if as_sympy(count - 1).is_positive is False:
        raise ShapeError(f"linspace takes 2 numbers or more, not {count}")
    last = count - 1
    return start + (stop - start) * BY_NAME["arange"](n=count) / (const(last) if isinstance(last, int) else size(last))


REARRANGED: dict[str, Callable[..., Node]] = {
    f.__name__: f for f in (
        ravel, permute, swapaxes, moveaxis, squeeze, expand_dims, flip, roll, tile, repeat, diff, sort, median, argmax,
        argmin, take_along_axis, arange, linspace,
    )
}
