"""Indexing and slicing: what stands between the brackets becomes one node of the row `index`, None a new axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symgrad.errors import InputError, ShapeError
from symgrad.graph import node as nodes
from symgrad.graph.node import Node, describe
from symgrad.rules.arrays import array_row, is_whole
from symgrad.rules.indexing import PICK, TAKE
from symgrad.rules.moves import BACKWARDS, INDEX, WHOLE
from symgrad.shapes import Dim, as_sympy, broadcast, show


def subscript(x: Node, items: Sequence[Any], what: str = "") -> Node:
    """Return x[items]: an item is a size (one entry), a triple (start, stop, step), None for a new axis, or a node of
    whole numbers; several of those are read beside each other, as in z[arange(n), y].

    Formula: y[..., i, ...] = x[..., start + step*i, ...]; y[..., s, ...] = x[..., i_0[s], i_1[s], ...].
    Shapes: as NumPy's indexing; negative integers count from the end.
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
    for item in items:
        if item is None:
            out.append(("new", len(out)))
            continue
        axis = len(picked)
        one, keeps = _item(item, x.shape[axis], f"{what} {show(x.shape)}, axis {axis}")
        if one == 0 and x.shape[axis] == 1:
            one = WHOLE  # summed over its one entry
        picked.append(one)
        if keeps:
            out.append(axis)
    out += range(len(picked), x.rank)
    left = [k for k in range(x.rank) if k >= len(picked) or isinstance(picked[k], tuple)]
    while picked and picked[-1] == WHOLE:
        picked.pop()
    if picked:
        x = INDEX(x, subscript=tuple(picked))
    return nodes.einsum([left], [x], out, {label: 1 for label in out if isinstance(label, tuple)})


def _item(item: Any, dim: Dim, where: str) -> tuple[Any, bool]:
    """Return an item with its bounds counted from the start, and whether it keeps the axis."""
    if not isinstance(item, tuple):
        at = dim + item if isinstance(item, int) and item < 0 else item
        if _negative(at) or _negative(dim - 1 - at):
            raise ShapeError(f"the index {item} is out of range for {where}")
        return at, False
    start, stop, step = item
    if step == -1 and start is None and stop is None:
        return BACKWARDS, True
    step = 1 if step is None else step
    if not isinstance(step, int) or step < 1:
        raise ShapeError(f"the step {step} of a slice is no positive integer; [::-1] alone turns an axis round")
    first, last = _bound(start, dim, 0), _bound(stop, dim, dim)
    if first == 0 and last == dim and step == 1:
        return WHOLE, True
    if _negative(last - first - 1):
        raise ShapeError(f"the slice {start}:{stop} of {where} is empty; a size is at least 1")
    return (first, last, step), True


def _bound(value: Any, dim: Dim, default: Dim) -> Dim:
    if value is None:
        return default
    at = dim + value if isinstance(value, int) and value < 0 else value
    if _negative(at):
        return 0
    return dim if _negative(dim - at) else at


def _negative(size: Any) -> bool:
    return bool(as_sympy(size).is_negative)  # a slice may end before its start, so a size may be below 0 here
