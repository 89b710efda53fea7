"""einsum: one rule for every product, transpose, trace, diagonal, outer product and sum.

The cotangent of an operand is an einsum again: the incoming cotangent takes the place of the operand, and the labels of
the operand become the output. Two cases need care: a label that only this operand has (it was summed, so its cotangent
is spread with ones), and a label that stands twice in one operand (its cotangent lies on the diagonal).
"""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_letters
from typing import Any

import numpy as np

from symgrad.errors import NoRule
from symgrad.tape.rows import Array, fit, primitive


@primitive
def einsum(arrays: Sequence[Array], inputs: tuple[str, ...], output: str, optimize: Any = False) -> Array:
    """np.einsum with its labels already written out."""
    return np.einsum(f"{','.join(inputs)}->{output}", *arrays, optimize=optimize)


def labels(subscripts: Any, ranks: Sequence[int]) -> tuple[tuple[str, ...], str]:
    """Write out what a subscript string leaves unsaid: the output, and the axes behind an ellipsis.

    >>> labels("ij,jk", [2, 2])
    (('ij', 'jk'), 'ik')
    >>> labels("...i->...", [3])
    (('abi',), 'ab')
    """
    if not isinstance(subscripts, str):
        raise NoRule(
            f"np.einsum was given subscripts of type {type(subscripts).__name__}; the tape expects a string. "
            "Write the axes as letters, as in np.einsum('ij,jk->ik', a, b)."
        )
    left, arrow, output = subscripts.replace(" ", "").partition("->")
    inputs = left.split(",")
    if len(inputs) != len(ranks):
        raise ValueError(f"einsum {subscripts!r} names {len(inputs)} operands, and {len(ranks)} were given.")
    # An ellipsis stands for as many axes as its operand has beyond its letters, counted from the right.
    widths = [rank - len(s.replace("...", "")) for s, rank in zip(inputs, ranks, strict=True)]
    widest = max((w for s, w in zip(inputs, widths, strict=True) if "..." in s), default=0)
    unused = [c for c in ascii_letters if c not in subscripts]
    hidden = "".join(unused[:widest])
    if not arrow:
        letters = left.replace("...", "").replace(",", "")
        output = ("..." if widest else "") + "".join(sorted(c for c in set(letters) if letters.count(c) == 1))
    inputs = [s.replace("...", hidden[widest - w :]) for s, w in zip(inputs, widths, strict=True)]
    return tuple(inputs), output.replace("...", hidden)


def pull_einsum(
    y_bar: Array, y: Array, k: int, arrays: Sequence[Array], inputs: tuple[str, ...], output: str, optimize: Any = False
) -> Array:
    """x_bar_k = einsum of y_bar and the other operands, with the labels of operand k as output."""
    x, mine = arrays[k], inputs[k]
    others = [i for i in range(len(arrays)) if i != k]
    known = output + "".join(inputs[i] for i in others)
    size = dict(zip(mine, np.shape(x), strict=True))
    wanted = "".join(size)  # each label once
    alone = [c for c in wanted if c not in known]
    specs = [output, *(inputs[i] for i in others), *alone]
    values = [y_bar, *(arrays[i] for i in others), *(np.ones(size[c], np.result_type(y_bar)) for c in alone)]
    x_bar = np.einsum(f"{','.join(specs)}->{wanted}", *values, optimize=optimize or len(values) > 2)
    if len(wanted) == len(mine):
        return fit(x_bar, x)
    on_diagonal = np.zeros(np.shape(x), np.result_type(x_bar))
    # einsum with one operand gives a view, so this writes onto the diagonal of the array itself.
    view = np.einsum(f"{mine}->{wanted}", on_diagonal)
    view[...] = fit(x_bar, view)
    return on_diagonal


def push_einsum(
    x_dots: Sequence[Array],
    y: Array,
    arrays: Sequence[Array],
    inputs: tuple[str, ...],
    output: str,
    optimize: Any = False,
) -> Array:
    """The product rule: one operand at a time is replaced by its tangent."""
    terms = []
    for k, x_dot in enumerate(x_dots):
        if x_dot is not None:
            moved = [*arrays[:k], x_dot, *arrays[k + 1 :]]
            terms.append(einsum(moved, inputs, output, optimize))
    return sum(terms)
