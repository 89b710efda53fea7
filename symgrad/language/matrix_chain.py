"""Matrix notation for an einsum of matrices: products, transposes, traces, sums by vectors of ones, Hadamard products.

The operands are edges between their two indices. Where every index joins at most two of them, the edges are paths and
circles: a path between the output's indices is a matrix product, a circle is a trace, an open end is a sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp

from symgrad.errors import NotExpressible
from symgrad.language.entry_sum import EntrySum


@dataclass
class Edge:
    """A matrix between the indices of its rows and its columns."""

    row: int
    column: int
    matrix: Any

    def seen_from(self, index: int) -> Any:
        """The matrix with `index` as its rows."""
        return self.matrix if index == self.row else transposed(self.matrix)

    def other(self, index: int) -> int:
        return self.column if index == self.row else self.row


def transposed(matrix: Any) -> Any:
    """Return the transpose, without a second transpose over a first."""
    if isinstance(matrix, sp.Transpose):
        return matrix.arg
    if isinstance(matrix, sp.OneMatrix):
        return sp.OneMatrix(*reversed(matrix.shape))
    symmetric = isinstance(matrix, (sp.Identity, sp.DiagMatrix, sp.DiagonalMatrix))
    return matrix if symmetric else sp.Transpose(matrix)


def product(factors: Sequence[Any], scale: Any = 1) -> Any:
    """Return the matrix product times a scalar, in SymPy's flat form."""
    scale = sp.sympify(scale, strict=True)  # numbers become SymPy's, text is refused and never parsed
    flat: list[Any] = []
    for f in factors:
        if isinstance(f, sp.MatMul):
            scalars, matrices = f.as_coeff_matrices()
            scale = scale * scalars
            flat += matrices
        else:
            flat.append(f)
    if scale == 1 and len(flat) == 1:
        return flat[0]
    return sp.MatMul(*([] if scale == 1 else [scale]), *flat)


def hadamard(a: Any, b: Any) -> Any:
    """Return the product entry by entry, flat."""
    parts = [p for m in (a, b) for p in (m.args if isinstance(m, sp.HadamardProduct) else (m,))]
    return sp.HadamardProduct(*parts)


def matrix_form(edges: Sequence[Edge], out: Sequence[int], sizes: Sequence[Any], scale: Any) -> Any:
    """Return the SymPy matrix or scalar of an einsum.

    Raises: NotExpressible where an index joins three operands or a diagonal is taken.
    """
    work = _merge(edges)
    if len(out) == 2 and out[0] == out[1]:
        if any(out[0] in (e.row, e.column) for e in work):
            column = matrix_form(edges, (out[0], len(sizes)), [*sizes, sp.Integer(1)], scale)
            return sp.DiagMatrix(column)
        return product([sp.Identity(sizes[out[0]])], _scalars(work, scale))
    _thin(work, out, sizes)
    if not out:
        return _scalars(work, scale)
    first, last = out
    left, end = _path(work, first)
    if end == last and left:
        factors = left
    else:
        right, start = _path(work, last)
        back = [transposed(m) for m in reversed(right)]
        between = _open_path(work) if not left and not right else []  # a full sum, spread over the output
        before = end if left else first
        after = start if right else last
        if between:
            inner = [sp.OneMatrix(sizes[before], between[0].shape[0]), *between,
                     sp.OneMatrix(between[-1].shape[1], sizes[after])]
        else:
            inner = [sp.OneMatrix(sizes[before], sizes[after])]
        factors = [*left, *inner, *back]
    return product(factors, _scalars(work, scale))


def _merge(edges: Sequence[Edge]) -> list[Edge]:
    """Multiply entry by entry what lies between the same two indices, unless that is the circle of a trace."""
    out: list[Edge] = []
    for e in edges:
        twin = next((t for t in out if {t.row, t.column} == {e.row, e.column} and e.row != e.column), None)
        if twin is None:
            out.append(Edge(e.row, e.column, e.matrix))
        else:
            twin.matrix = hadamard(twin.matrix, e.seen_from(twin.row))
    return out


def _at(edges: Sequence[Edge], index: int) -> list[Edge]:
    return [e for e in edges if index in (e.row, e.column)]


def _thin(edges: list[Edge], out: Sequence[int], sizes: Sequence[Any]) -> None:
    """Turn a column that scales rows into a matrix of repeated columns, so that no index joins three operands."""
    for index in range(len(sizes)):
        while len(here := _at(edges, index)) + (index in out) > 2:
            if any(e.row == e.column for e in here):
                raise NotExpressible("a diagonal inside a product has no form in matrix products")
            leaf = next((e for e in here if len(_at(edges, e.other(index))) == 1 and e.other(index) not in out), None)
            host = next((e for e in here if e is not leaf), None)
            if leaf is None or host is None:
                raise NotExpressible("an index that joins three operands has no form in matrix products; "
                                     "the text and LaTeX of the result write it with indices")
            wide = product([leaf.seen_from(index), sp.OneMatrix(sizes[leaf.other(index)], sizes[host.other(index)])])
            host.matrix = hadamard(host.seen_from(index), wide)
            host.row, host.column = index, host.other(index)
            edges.remove(leaf)


def _path(edges: list[Edge], start: int) -> tuple[list[Any], int]:
    """Take the path that begins at an index out of `edges`; return its factors and the index where it ends."""
    factors, index = [], start
    while here := _at(edges, index):
        e = here[0]
        if e.row == e.column:
            raise NotExpressible("a diagonal has no form in matrix products")
        edges.remove(e)
        factors.append(e.seen_from(index))
        index = e.other(index)
    return factors, index


def _open_path(edges: list[Edge]) -> list[Any]:
    """Take a path with two free ends out of `edges` and return its factors, if there is one."""
    ends = [i for e in edges for i in (e.row, e.column) if e.row != e.column and len(_at(edges, i)) == 1]
    return _path(edges, ends[0])[0] if ends else []


def _scalars(edges: list[Edge], scale: Any) -> Any:
    """Return `scale` times the sums and traces of all edges that are left."""
    while edges:
        factors = _open_path(edges)
        if factors:
            scale = scale * EntrySum(product(factors))
            continue
        e = edges.pop(0)
        factors, index = [e.matrix], e.column
        while index != e.row:
            step = _at(edges, index)[0]
            edges.remove(step)
            factors.append(step.seen_from(index))
            index = step.other(index)
        if _at(edges, index):
            raise NotExpressible("an index that joins three operands has no form in matrix products")
        scale = scale * sp.Trace(product(factors))
    return scale
