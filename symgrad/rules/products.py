"""Products along axes and their derivatives, right where entries are 0.

The derivative of a product by one entry is the product of the others, which y/x is only where x is not 0. A product is
linear in each entry, so that its higher derivatives are sums over distinct places, prod_pairs below.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from symgrad.errors import ShapeError
from symgrad.graph.node import Node, apply, const, reduce_sum
from symgrad.rules import entries
from symgrad.rules.row import KEEPDIMS, ArrayFunction, Example, axes, put_back, reduced
from symgrad.shapes import Shape, normalise_axes, show

ROWWISE: Example = ((("n", "d"),), {"axis": 1})


def _alike(x: Shape, *others: Shape, axis: Any) -> Shape:
    normalise_axes(axis, len(x), "the operand")
    if not others or any(s != x for s in others):
        raise ShapeError(f"two or more operands of one shape are expected, got {', '.join(map(show, (x, *others)))}")
    return x


def _pairs_pullback(c: Node, _y: Node, x: Node, *vs: Node, axis: Any) -> tuple[Node | None, ...]:
    """A polynomial that is linear in each v, and whose derivatives by two places commute."""
    rest = [(*vs[:k], *vs[k + 1:], c) for k in range(len(vs))]
    return PROD_PAIRS(x, *vs, c, axis=axis), *(PROD_PAIRS(x, *r, axis=axis) for r in rest)


# --- machine form: sums over distinct places from power sums ----------------------------------------------------------


def _partitions(items: Sequence[int]) -> Iterator[list[tuple[int, ...]]]:
    """Yield the ways to divide the items into blocks."""
    if not items:
        yield []
        return
    first, rest = items[0], items[1:]
    for size in range(len(rest) + 1):
        for others in combinations(rest, size):
            for more in _partitions([i for i in rest if i not in others]):
                yield [(first, *others), *more]


def _pairs_machine(x: Node, *vs: Node, axis: Any) -> Node:
    """The product of the entries that are not 0, times sums over distinct other places that take every 0 once.

    Over distinct places sum u_i w_j = sum u sum w - sum u w, and so on by blocks of places that coincide.
    """
    zero = apply("eq", x, 0)
    safe = x + zero
    ratios = [v / safe for v in vs]

    def others(term: Node) -> Node:
        return reduce_sum(term, axis, True) - term

    def distinct(which: Sequence[int], mask: Node) -> Node:
        total: Node | None = None
        for blocks in _partitions(which):
            part: Node | None = None
            for block in blocks:
                term = mask
                for s in block:
                    term = term * ratios[s]
                sign = (-1) ** (len(block) - 1) * math.factorial(len(block) - 1)
                term = others(term) if sign == 1 else sign * others(term)
                part = term if part is None else part * term
            part = const(1, x.shape) if part is None else part
            total = part if total is None else total + part
        assert total is not None  # the empty set has one partition
        return total

    zeros = others(zero)
    total: Node | None = None
    every = range(len(vs))
    for count in range(len(vs) + 1):
        for taken in combinations(every, count):
            left = [s for s in every if s not in taken]
            part = apply("eq", zeros, count) * distinct(left, 1 - zero) * distinct(taken, zero)
            total = part if total is None else total + part
    assert total is not None  # count runs from 0
    return PROD(safe, axis=axis, keepdims=True) / safe * total


# --- values in many digits --------------------------------------------------------------------------------------------


def _others_value(m: Any, x: Any, *vs: Any, axis: Any) -> Any:
    """Multiply polynomials in one nilpotent variable a direction, leaving one place out each time."""
    along = normalise_axes(axis, x.ndim, "the operand")
    out = np.empty(x.shape, dtype=object)
    full = (1 << len(vs)) - 1
    for place in np.ndindex(x.shape):
        fibre = [range(d) if k in along else (place[k],) for k, d in enumerate(x.shape)]
        found = {0: m.one}
        for j in (tuple(j) for j in np.array(np.meshgrid(*fibre, indexing="ij")).reshape(x.ndim, -1).T):
            if j == place:
                continue
            new: dict[int, Any] = {}
            for taken, value in found.items():
                new[taken] = new.get(taken, 0) + value * x[j]
                for s, v in enumerate(vs):
                    if not taken >> s & 1:
                        new[taken | 1 << s] = new.get(taken | 1 << s, 0) + value * v[j]
            found = new
        out[place] = found.get(full, m.zero)
    return out


_COUNT = "np.sum(x == 0, axis=axis, keepdims=True) == (x == 0)"
_MASKED = f"np.prod(np.where(x == 0, 1, x), axis=axis, keepdims=True) / np.where(x == 0, 1, x) * ({_COUNT})"

PRODUCTS: tuple[ArrayFunction, ...] = (
    ArrayFunction(
        "prod", ("x",), reduced,
        lambda c, y, x, axis, keepdims: (put_back(c, x, axis, keepdims) * PROD_OTHERS(x, axis=axis),),
        (axes(), KEEPDIMS),
        value=lambda m, x, axis, keepdims: np.asarray(np.prod(x, axis=axis, keepdims=keepdims), dtype=object),
        numpy="np.prod(x, axis=axis, keepdims=keepdims)", latex=r"\prod", symbol="p", source="product rule",
        statement="dy/dx_i is the product of the other entries", example=ROWWISE, entry=entries.of_reduction,
    ),
    ArrayFunction(
        "prod_others", ("x",), lambda x, axis: x, lambda c, y, x, axis: (PROD_PAIRS(x, c, axis=axis),), (axes(),),
        value=_others_value, plain=_MASKED,
        numpy="out = np.prod(x, axis=axis, keepdims=True)\n"
              f"if np.all(out):\n    out = out / x\nelse:\n    out = {_MASKED}",
        latex=r"\operatorname{prod}^{\neq}", symbol="q", source="product rule",
        statement="the product of the other entries, prod(x)/x where no entry is 0", example=ROWWISE,
    ),
    ArrayFunction(
        "prod_pairs", ("x",), _alike, _pairs_pullback, (axes(),), value=_others_value, machine=_pairs_machine,
        listed=True, latex=r"\operatorname{prod}^{\neq\neq}", symbol="q", source="product rule",
        statement="the sum, over distinct places other than i, of the entries of v there and of x elsewhere",
        example=((("n", 4), ("n", 4)), {"axis": 1}),
    ),
)
PROD: ArrayFunction = PRODUCTS[0]
PROD_OTHERS: ArrayFunction = PRODUCTS[1]
PROD_PAIRS: ArrayFunction = PRODUCTS[2]
