"""Indexing and slicing: what stands between the brackets becomes one node of the row `index`, None a new axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from symgrad.errors import InputError, ShapeError
from symgrad.graph import node as nodes
from symgrad.graph.node import Node, describe
from symgrad.rules.arrays import array_row, is_whole
from symgrad.rules.indexing import PICK, TAKE
from symgrad.rules.moves import BACKWARDS, INDEX, WHOLE, taken
from symgrad.shapes import Dim, Shape, broadcast, fits_always, show

Where: TypeAlias = "tuple[str, Shape, int]"  # an array in words, its shape, the axis


def subscript(x: Node, items: Sequence[Any], what: str = "") -> Node:
    """Return x[items]: an item is a size (one entry), a triple (start, stop, step), None for a new axis, or a node of
    whole numbers; several of those are read beside each other, as in z[arange(n), y].

    Formula: y[..., i, ...] = x[..., start + step*i, ...]; y[..., s, ...] = x[..., i_0[s], i_1[s], ...].
    Shapes: as NumPy's indexing; negative integers count from the end, slices are cut to axes of a number of entries. Of
    an axis of n entries x[:5] has 5: fewer are refused when arrays come.
    Raises: ShapeError for too many items and for indices out of range, InputError for indices that are not whole.
    """
    what = what or describe(x)
    given = sum(item is not None for item in items)
    if given > x.rank:
        raise ShapeError(f"{given} indices for {what}, which has shape {show(x.shape)}")
    arrays = [item for item in items if isinstance(item, Node)]
    if arrays:
        first = _first_axis(items, what)
        basic = _basic(x, [(None, None, None) if isinstance(item, Node) else item for item in items], what)
        return looked_up(basic, arrays, first)
    return _basic(x, items, what)


def looked_up(x: Node, indices: Sequence[Node], axis: int) -> Node:
    """Return the entries that arrays of whole numbers name along the axes from `axis` on."""
    shape = broadcast(*(i.shape for i in indices), names=[describe(i) for i in indices], op="the indices")
    wide = [nodes.broadcast_to(i, shape) for i in indices]
    return checked(TAKE(x, wide[0], axis=axis) if len(wide) == 1 else PICK(x, *wide, axis=axis))


def checked(node: Node) -> Node:
    """Return the node of an array function if what chooses its entries are whole numbers.

    Raises: InputError.
    """
    row = array_row(node)
    chosen = row.indices(*(a.shape for a in node.args), **row.given(node)) if row.indices is not None else {}
    for k, dim in chosen.items():
        if not is_whole(node.args[k]):
            name = describe(node.args[k])
            advice = f"declare {name}: int{show(node.args[k].shape)}" if node.args[k].op == "var" else \
                "arange, argmax, variables declared int(...) and sums of them are whole"
            word = "an index" if row.subscripted else row.name
            raise InputError(f"{word} takes whole numbers to choose entries by, and {name} is real; {advice}")
        if node.args[k].op == "const" and isinstance(dim, int) and not -dim * row.wraps <= node.args[k].value < dim:
            raise ShapeError(f"the index {node.args[k].value} is out of range for an axis of {dim} entries in "
                             f"{row.name} of {describe(node.args[0])} {show(node.args[0].shape)}")
    return node


def _first_axis(items: Sequence[Any], what: str) -> int:
    """Return the axis of the first array of indices in the result; they must stand beside each other."""
    advanced = [k for k, item in enumerate(items) if not (item is None or isinstance(item, tuple))]
    if advanced[-1] - advanced[0] + 1 != len(advanced):
        raise ShapeError(f"the indices of {what} are parted by a slice, where NumPy moves axes to the front. Index in "
                         f"two steps, x[0][:, idx], or move the axes beside each other with transpose")
    return advanced[0]


def _basic(x: Node, items: Sequence[Any], what: str) -> Node:
    """Return x[items] without arrays of indices."""
    picked: list[Any] = []
    out: list[Any] = []  # axes of the result, by their numbers in x
    turned: list[int] = []
    for item in items:
        if item is None:
            out.append(("new", len(out)))
            continue
        axis = len(picked)
        dim = x.shape[axis]
        if isinstance(item, tuple):
            start, stop, step = item
            one, back = _slice(start, stop, step, dim, (what, x.shape, axis))
            out.append(axis)
            turned += [axis] if back else []
        else:
            one = _place(item, dim, (what, x.shape, axis))
            if one == 0 and dim == 1:
                one = WHOLE  # summed over its one entry
        picked.append(one)
    if all(picked[axis] == WHOLE for axis in turned):
        picked, turned = [BACKWARDS if k in turned else one for k, one in enumerate(picked)], []
    out += range(len(picked), x.rank)
    left = [k for k in range(x.rank) if k >= len(picked) or isinstance(picked[k], tuple)]
    x = _indexed(_indexed(x, picked), [BACKWARDS if k in turned else WHOLE for k in left])
    return nodes.einsum([left], [x], out, {label: 1 for label in out if isinstance(label, tuple)})


def _indexed(x: Node, picked: Sequence[Any]) -> Node:
    last = max((k for k, one in enumerate(picked) if one != WHOLE), default=-1)
    return INDEX(x, subscript=tuple(picked[:last + 1])) if last >= 0 else x


def _shown(where: Where) -> str:
    what, shape, axis = where
    return f"{what} {show(shape)}, axis {axis}"


def _place(item: Any, dim: Dim, where: Where) -> Dim:
    """Return an index counted from the start."""
    at: Dim = _from_start(item, dim)
    if fits_always(at) is False or fits_always(dim - 1 - at) is False:
        raise ShapeError(f"the index {item} is out of range for {_shown(where)}")
    return at


def _slice(start: Any, stop: Any, step: Any, dim: Dim, where: Where) -> tuple[Any, bool]:
    """Return a slice that runs upwards between bounds counted from the start, and whether it is then turned round."""
    by = 1 if step is None else step
    if not isinstance(by, int) or by == 0:
        raise ShapeError(f"the step {step} of a slice of {_shown(where)} is an integer other than 0")
    if by > 0:
        low, end = _bound(start, 0, 0, dim, dim), _bound(stop, dim, 0, dim, dim)
        length, beyond = end - low, end - 1
    else:
        if stop is not None and fits_always(stop) is None:  # -1 is the last entry, and no place before the first
            raise ShapeError(f"the stop {stop} of a slice of {_shown(where)} that runs down may be below 0 or not; "
                             f"write one whose sign does not hang on the sizes, or leave it out for the first entry")
        top, before = _bound(start, dim - 1, -1, dim - 1, dim), _bound(stop, -1, -1, dim - 1, dim)
        end, length, beyond = top + 1, top - before, dim - 2 - before
    if fits_always(length - 1) is False or fits_always(beyond) is False:  # x[-4:0] ends before the first entry
        written = ":".join("" if b is None else str(b) for b in (start, stop, *([] if step is None else [step])))
        raise ShapeError(f"the slice {written} of {_shown(where)} is empty; a size is at least 1")
    if by < 0:
        low = top - (taken(0, length, -by) - 1) * -by
    whole = low == 0 and end == dim and by in (1, -1)
    return WHOLE if whole else (low, end, abs(by)), by < 0


def _bound(value: Any, default: Dim, least: Dim, most: Dim, dim: Dim) -> Dim:
    """Return a bound counted from the start and cut to lie between two places, where that holds for all sizes."""
    if value is None:
        return default
    at: Dim = _from_start(value, dim)
    return least if fits_always(at - least) is False else most if fits_always(most - at) is False else at


def _from_start(value: Any, dim: Dim) -> Any:
    return dim + value if fits_always(value) is False else value
