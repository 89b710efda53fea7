"""Einstein sums in the words of matrices: products, transposes, Hadamard products, ones vectors, traces.

The result is plain data without any notation, so every printer can use it. A vector (an operand of rank 1) is a column;
an axis of size 1 makes a column or a row of a matrix. None means that matrices cannot say it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from symgrad.graph.node import Node, make, size
from symgrad.shapes import Dim

OPERANDS = 24  # nested sums are read as one product up to this many operands


@dataclass(frozen=True)
class Leaf:
    """An operand."""

    node: Node


@dataclass(frozen=True)
class Ones:
    """The column of ones."""

    dim: Dim


@dataclass(frozen=True)
class Eye:
    """The identity matrix."""

    dim: Dim


@dataclass(frozen=True)
class Transposed:
    of: MatrixForm


@dataclass(frozen=True)
class Chain:
    """The matrix product of its factors."""

    factors: tuple[MatrixForm, ...]


@dataclass(frozen=True)
class Hadamard:
    """The product entry by entry."""

    factors: tuple[MatrixForm, ...]


@dataclass(frozen=True)
class Diag:
    """The diagonal matrix that holds a column."""

    of: MatrixForm


@dataclass(frozen=True)
class Diagonal:
    """The diagonal of a matrix, as a column."""

    of: MatrixForm


@dataclass(frozen=True)
class Trace:
    of: MatrixForm


@dataclass(frozen=True)
class Scaled:
    """A product of scalars times a matrix; without `body` the product of the scalars alone."""

    scalars: tuple[MatrixForm, ...]
    body: MatrixForm | None


MatrixForm: TypeAlias = Leaf | Ones | Eye | Transposed | Chain | Hadamard | Diag | Diagonal | Trace | Scaled


def parts(form: MatrixForm) -> tuple[MatrixForm, ...]:
    """Return the forms directly below."""
    if isinstance(form, (Chain, Hadamard)):
        return form.factors
    if isinstance(form, (Transposed, Diag, Diagonal, Trace)):
        return (form.of,)
    if isinstance(form, Scaled):
        return form.scalars + ((form.body,) if form.body is not None else ())
    return ()


def postorder(form: MatrixForm) -> list[MatrixForm]:
    """Return every form of the tree, parts before wholes."""
    out: list[MatrixForm] = []
    stack = [form]
    while stack:
        top = stack.pop()
        out.append(top)
        stack.extend(parts(top))
    return out[::-1]


def leaves(form: MatrixForm) -> list[Node]:
    """Return the operands of the form, without repetition."""
    return list(dict.fromkeys(f.node for f in postorder(form) if isinstance(f, Leaf)))


@dataclass
class _Run:
    """A matrix product under way, with the index at either end (None: an end without an index)."""

    factors: list[tuple[MatrixForm, bool]]
    left: int | None
    right: int | None

    def ends(self) -> frozenset[int]:
        return frozenset(i for i in (self.left, self.right) if i is not None)

    def flipped(self) -> _Run:
        return _Run([(f, not t) for f, t in reversed(self.factors)], self.right, self.left)

    def from_left(self, index: int | None) -> _Run:
        return self if self.left == index else self.flipped()

    def to_right(self, index: int | None) -> _Run:
        return self if self.right == index else self.flipped()

    def form(self) -> MatrixForm:
        out: list[MatrixForm] = []
        for f, flip in self.factors:
            flip = flip and not isinstance(f, (Eye, Diag))
            out.append(Transposed(f) if flip else f)
        plain = [f for f in out if not isinstance(f, Eye)] or out[:1]
        return plain[0] if len(plain) == 1 else Chain(tuple(plain))


def flatten(node: Node, opaque: Callable[[Node], bool]) -> tuple[list[tuple[Node, tuple[int, ...]]], tuple[int, ...],
                                                                dict[int, Dim]]:
    """Return operands with their indices, output indices and sizes, inner sums that are not opaque taken in."""
    ins, out, dims = node.attr
    sizes = dict(enumerate(dims))
    work = list(zip(node.args, ins))[::-1]
    done: list[tuple[Node, tuple[int, ...]]] = []
    while work:
        arg, labels = work.pop()
        inner_out = arg.attr[1] if arg.op == "einsum" else ()
        if (arg.op != "einsum" or opaque(arg) or not arg.args or len(set(inner_out)) < len(inner_out)
                or len(work) + len(done) + len(arg.args) > OPERANDS):
            done.append((arg, labels))
            continue
        rename = dict(zip(inner_out, labels))
        for i, dim in enumerate(arg.attr[2]):
            if i not in rename:
                rename[i] = len(sizes)
                sizes[len(sizes)] = dim
        work.extend((a, tuple(rename[i] for i in ls)) for a, ls in reversed(list(zip(arg.args, arg.attr[0]))))
    return done, out, sizes


def matrix_form(node: Node, opaque: Callable[[Node], bool] = lambda n: True,
                uniform: Callable[[Node], bool] = lambda n: False) -> MatrixForm | None:
    """Return the einsum node as a matrix expression, or None where matrices cannot say it.

    Inner sums for which `opaque` is false are taken into the product; `uniform` operands are written as one number.

    >>> from symgrad.graph.node import einsum, var
    >>> A, B = var("A", ("m", "k")), var("B", ("n", "k"))
    >>> form = matrix_form(einsum(["ik", "jk"], [A, B], "ij"))
    >>> form == Chain((Leaf(A), Transposed(Leaf(B))))
    True
    """
    operands, out, sizes = flatten(node, opaque)
    return _Network(operands, out, sizes, uniform).solve()


class _Network:
    """Runs that share indices, joined until only the output indices are left."""

    def __init__(self, operands: list[tuple[Node, tuple[int, ...]]], out: tuple[int, ...],
                 sizes: dict[int, Dim], uniform: Callable[[Node], bool]) -> None:
        self.sizes = sizes
        self.out = [i for i in out if sizes[i] != 1]
        self.shape = out
        self.scalars: list[MatrixForm] = []
        self.runs: list[_Run] = []
        self.fits = len(out) <= 2
        for arg, labels in operands:
            if arg.op in ("const", "size") and labels:
                # a constant array is its number times ones; the ones come back where an index is left alone
                if arg.value != 1 or isinstance(arg.value, float):
                    self.scalars.append(Leaf(_scalar(arg)))
                continue
            if uniform(arg) and any(sizes[i] != 1 for i in labels):
                self.scalars.append(Leaf(arg))
                continue
            self.add(arg, labels)
        # an index that is summed and that no run holds counts its entries, also one of an inner sum taken in
        for i in sorted(set(sizes) - {i for r in self.runs for i in r.ends()} - set(out)):
            if sizes[i] != 1:
                self.scalars.append(Leaf(size(sizes[i])))

    def add(self, arg: Node, labels: tuple[int, ...]) -> None:
        ends = [i if self.sizes[i] != 1 else None for i in labels]
        if arg.op == "einsum" and not arg.args and len(labels) == 2 and arg.attr[1] == (0, 0):
            self.runs.append(_Run([(Eye(arg.shape[0]), False)], ends[0], ends[1]))
        elif all(e is None for e in ends):
            self.scalars.append(Leaf(arg))
        elif len(ends) == 1:
            self.runs.append(_Run([(Leaf(arg), False)], ends[0], None))
        elif len(ends) == 2:
            self.runs.append(_Run([(Leaf(arg), False)], ends[0], ends[1]))
        else:
            self.fits = False

    def solve(self) -> MatrixForm | None:
        if not self.fits:
            return None
        # every move joins two runs or removes an index, so the loop ends
        while self.close() or self.merge() or self.contract() or self.scale() or self.total():
            pass
        whole, body = self.finish()
        if not whole:
            return None
        if not self.scalars:
            return body if body is not None else Scaled((), None)
        if body is None and len(self.scalars) == 1:
            return self.scalars[0]
        return Scaled(tuple(self.scalars), body)

    def holders(self, index: int) -> list[_Run]:
        return [r for r in self.runs if index in r.ends()]

    def indices(self) -> Iterator[int]:
        yield from dict.fromkeys(i for r in self.runs for i in (r.left, r.right) if i is not None)

    def close(self) -> bool:
        """A run whose two ends meet is a trace or a diagonal; one without ends is a scalar."""
        for r in self.runs:
            if r.left is None and r.right is None:
                self.runs.remove(r)
                self.scalars.append(_lighter(r))
                return True
            if r.left is not None and r.left == r.right:
                place = self.runs.index(r)
                if r.left in self.out or len(self.holders(r.left)) > 1:
                    self.runs[place] = _Run([(Diagonal(r.form()), False)], r.left, None)
                else:
                    self.runs.remove(r)
                    self.scalars.append(Trace(_lighter(r)))
                return True
        return False

    def merge(self) -> bool:
        """Two runs over the same indices multiply entry by entry, unless they can contract."""
        for k, first in enumerate(self.runs):
            ends = first.ends()
            for second in self.runs[k + 1:]:
                if second.ends() != ends:
                    continue
                if all(i not in self.out and len(self.holders(i)) == 2 for i in ends):
                    continue
                other = second.from_left(first.left)
                if other.right != first.right:
                    other = second.to_right(first.right)
                factors: list[MatrixForm] = []
                for run in (first, other):
                    form = run.form()
                    factors.extend(form.factors if isinstance(form, Hadamard) else (form,))
                self.runs[k] = _Run([(Hadamard(tuple(factors)), False)], first.left, first.right)
                self.runs.remove(second)
                return True
        return False

    def contract(self) -> bool:
        """Two runs that alone share a summed index make a matrix product."""
        for i in self.indices():
            holders = self.holders(i)
            if i not in self.out and len(holders) == 2:
                a, b = holders[0].to_right(i), holders[1].from_left(i)
                self.runs[self.runs.index(holders[0])] = _Run(a.factors + b.factors, a.left, b.right)
                self.runs.remove(holders[1])
                return True
        return False

    def scale(self) -> bool:
        """A vector over an index that a matrix keeps scales the rows of that matrix."""
        for v in self.runs:
            if len(v.ends()) != 1:
                continue
            (i,) = v.ends()
            matrices = [r for r in self.holders(i) if len(r.ends()) == 2]
            if matrices:
                m = matrices[0].from_left(i)
                self.runs[self.runs.index(matrices[0])] = _Run(
                    [(Diag(v.from_left(i).form()), False), *m.factors], i, m.right)
                self.runs.remove(v)
                return True
        return False

    def total(self) -> bool:
        """An index that one run alone holds and that is summed: multiply by ones."""
        for i in self.indices():
            holders = self.holders(i)
            if i not in self.out and len(holders) == 1:
                r = holders[0].to_right(i)
                self.runs[self.runs.index(holders[0])] = _Run([*r.factors, (Ones(self.sizes[i]), False)], r.left, None)
                return True
        return False

    def ones(self, index: int) -> _Run:
        return _Run([(Ones(self.sizes[index]), False)], index, None)

    def finish(self) -> tuple[bool, MatrixForm | None]:
        """Return whether what is left is a matrix of the output's shape or a scalar, and the matrix."""
        out, runs = self.out, self.runs
        if any(not r.ends() <= set(out) for r in runs):
            return False, None
        if not out:
            return not runs, None
        if len(out) == 2 and out[0] == out[1]:
            form = Diag(runs[0].from_left(out[0]).form()) if runs else Eye(self.sizes[out[0]])
            return len(runs) <= 1, form
        if len(out) == 1:
            column = runs[0].from_left(out[0]) if runs else self.ones(out[0])
            is_row = len(self.shape) == 2 and self.shape[1] == out[0]
            return len(runs) <= 1, (column.flipped() if is_row else column).form()
        i, j = out
        whole = [r for r in runs if len(r.ends()) == 2]
        if whole:
            return len(runs) == 1, whole[0].from_left(i).form()
        rows = [r for r in runs if i in r.ends()] or [self.ones(i)]
        columns = [r for r in runs if j in r.ends()] or [self.ones(j)]
        a, b = rows[0].from_left(i), columns[0].to_right(j)
        return len(rows) == len(columns) == 1, _Run(a.factors + b.factors, i, j).form()


def _lighter(run: _Run) -> MatrixForm:
    """Return a number's product from the side that needs fewer transposes, first of all of whole expressions."""
    def weight(form: MatrixForm) -> tuple[int, int]:
        turned = [f.of for f in postorder(form) if isinstance(f, Transposed)]
        return sum(isinstance(f, Leaf) and not f.node.is_leaf for f in turned), len(turned)

    return min(run.form(), run.flipped().form(), key=weight)


def _scalar(node: Node) -> Node:
    return make(node.op, (), node.attr, ())
