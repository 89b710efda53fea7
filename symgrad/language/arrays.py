"""Sums, products and other functions of whole arrays: Expressions give Expressions, SymPy matrices give SymPy.

Expressions go through the same table as text does. SymPy has scalars and matrices only, so a sum over one axis of a
SymPy matrix keeps that axis with size 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import sympy as sp

from symgrad.errors import InputError, ShapeError
from symgrad.graph.node import Node
from symgrad.language.entry_sum import EntrySum
from symgrad.language.expression import Expression
from symgrad.language.functions import PUBLIC, operand, refuse_conditions
from symgrad.language.matrix_chain import product, transposed
from symgrad.language.sympy_io import Context, lower, to_sympy
from symgrad.language.text_functions import TABLE
from symgrad.shapes import as_shape, normalise_axes

Axis: TypeAlias = "int | Sequence[int] | None"


def _build(name: str, args: Sequence[Any], *rest: Any, **keywords: Any) -> Expression | None:
    """Return the function of expressions; None where no operand is one."""
    own = next((a for a in args if isinstance(a, Expression)), None)
    if own is None:
        return None
    made = own._operands(name, args)
    return made[0]._with(TABLE[name].build(*(m.node for m in made), *rest, **keywords), *made[1:])


def _through_nodes(build: Callable[..., Node], args: Sequence[Any]) -> Any:
    """Return a function of SymPy operands by way of nodes."""
    context = Context()
    return to_sympy(build(*(lower(a, context) for a in args)), {}, context.origin)


def _matrices(name: str, *args: Any) -> list[Any]:
    items = [operand(a, name) for a in args]
    for a in items:
        if not a.is_Matrix:
            raise InputError(f"{name} takes matrices; {a if a.is_Atom else type(a).__name__} is a scalar")
    return items


def sum(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Sum over all entries, or over the given axes.

    Shapes: x of any shape; () without an axis. A SymPy matrix keeps a summed axis with size 1.
    Raises: ShapeError for an axis that x does not have, InputError for text and arrays.

    >>> import sympy as sp
    >>> A = sp.MatrixSymbol("A", 2, 3)
    >>> sum(A), sum(A, axis=1).shape
    (sum(A), (2, 1))
    """
    done = _build("sum", [x], axis=_axes(axis), keepdims=keepdims)
    if done is not None:
        return done
    matrix = operand(x, "sum")
    if not matrix.is_Matrix:
        normalise_axes(axis, 0, "a scalar")
        refuse_conditions([matrix])
        return matrix
    if axis is None and not keepdims:
        whole = EntrySum(matrix)
        return whole.doit() if isinstance(matrix, sp.MatrixBase) else whole
    axes = normalise_axes(axis, 2, "a matrix")
    if isinstance(matrix, sp.MatrixBase):
        for k in axes:
            matrix = sp.ones(1, matrix.rows) * matrix if k == 0 else matrix * sp.ones(matrix.cols, 1)
        return matrix
    left = [sp.OneMatrix(1, matrix.rows)] if 0 in axes else []
    right = [sp.OneMatrix(matrix.cols, 1)] if 1 in axes else []
    return product([*left, matrix, *right])


def mean(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """Mean over all entries, or over the given axes: the sum divided by the number of entries summed.

    Shapes: as for sum.
    Raises: as sum.

    >>> import sympy as sp
    >>> n = sp.Symbol("n", integer=True, positive=True)
    >>> mean(sp.MatrixSymbol("Y", 1, n))
    sum(Y)/n
    """
    done = _build("mean", [x], axis=_axes(axis), keepdims=keepdims)
    if done is not None:
        return done
    total = sum(x, axis, keepdims)
    matrix = operand(x, "mean")
    count = sp.Integer(1)
    for k in normalise_axes(axis, 2, "a matrix") if matrix.is_Matrix else ():
        count = count * matrix.shape[k]
    if isinstance(total, sp.MatrixExpr) and not isinstance(total, sp.MatrixBase):
        return product([total], 1 / count)
    return total / count


def matmul(a: Any, b: Any) -> Any:
    """Matrix product, `a @ b`.

    Shapes: a (m, k), b (k, n) give (m, n); vectors and leading axes as in NumPy.
    Raises: ShapeError where the inner sizes differ.

    >>> import sympy as sp
    >>> matmul(sp.MatrixSymbol("A", 2, 3), sp.MatrixSymbol("B", 3, 4))
    A*B
    """
    done = _build("matmul", [a, b])
    if done is not None:
        return done
    left, right = _matrices("matmul", a, b)
    if left.shape[1] != right.shape[0]:
        raise ShapeError(f"matmul: shapes {left.shape} and {right.shape} do not fit, the inner sizes are "
                         f"{left.shape[1]} and {right.shape[0]}. Check the order, or transpose one with .T")
    return left * right


def transpose(x: Any, axes: Sequence[int] | None = None) -> Any:
    """Transpose: the axes reversed, or in the order given.

    Shapes: (m, n) gives (n, m).
    Raises: ShapeError where `axes` is no permutation.

    >>> import sympy as sp
    >>> transpose(sp.MatrixSymbol("A", 2, 3)).shape
    (3, 2)
    """
    done = _build("transpose", [x], None if axes is None else tuple(axes))
    if done is not None:
        return done
    (matrix,) = _matrices("transpose", x)
    if axes is not None and sorted(a % 2 for a in axes) != [0, 1]:
        raise ShapeError(f"transpose: {tuple(axes)} is no permutation of the 2 axes of a matrix")
    if axes is not None and tuple(a % 2 for a in axes) == (0, 1):
        return matrix
    return matrix.T if isinstance(matrix, sp.MatrixBase) else transposed(matrix)


def trace(x: Any) -> Any:
    """Sum of the diagonal of a square matrix.

    Shapes: (n, n) gives ().
    Raises: ShapeError where x is not square.

    >>> import sympy as sp
    >>> trace(sp.MatrixSymbol("A", 3, 3))
    Trace(A)
    """
    done = _build("trace", [x])
    if done is not None:
        return done
    (matrix,) = _matrices("trace", x)
    if matrix.shape[0] != matrix.shape[1]:
        raise ShapeError(f"trace takes a square matrix, got the shape {matrix.shape}")
    return matrix.trace() if isinstance(matrix, sp.MatrixBase) else sp.Trace(matrix)


def outer(a: Any, b: Any) -> Any:
    """Outer product of two vectors.

    Shapes: (m,) and (n,) give (m, n); SymPy columns (m, 1) and (n, 1) as well.
    Raises: ShapeError where an operand is no vector.

    >>> import sympy as sp
    >>> outer(sp.MatrixSymbol("u", 2, 1), sp.MatrixSymbol("v", 3, 1))
    u*v.T
    """
    done = _build("outer", [a, b])
    if done is not None:
        return done
    left, right = _matrices("outer", a, b)
    for m in (left, right):
        if m.shape[1] != 1:
            raise ShapeError(f"outer takes columns of shape (n, 1), got the shape {m.shape}")
    return left * right.T


def dot(a: Any, b: Any) -> Any:
    """Scalar product of two vectors, matrix product of two matrices, as in NumPy.

    Shapes: (n,) and (n,) give (); matrices as matmul.
    Raises: ShapeError where the inner sizes differ.

    >>> from symgrad.language.expression import symbol
    >>> dot(symbol("u", "n"), symbol("v", "n")).shape
    ()
    """
    done = _build("dot", [a, b])
    if done is not None:
        return done
    left, right = operand(a, "dot"), operand(b, "dot")
    return matmul(left, right) if left.is_Matrix and right.is_Matrix else left * right


def broadcast_to(x: Any, shape: Sequence[Any]) -> Any:
    """Repeat x along new axes and axes of size 1.

    Shapes: x broadcasts to `shape`; the result has it.
    Raises: ShapeError where it does not.

    >>> import sympy as sp
    >>> broadcast_to(sp.MatrixSymbol("b", 2, 1), (2, 3)).shape
    (2, 3)
    """
    dims = as_shape(shape)
    done = _build("broadcast_to", [x], dims)
    if done is not None:
        return done
    return _through_nodes(lambda node: TABLE["broadcast_to"].build(node, dims), [x])


def einsum(spec: str, *operands: Any) -> Any:
    """Sum of products in index notation, as in NumPy.

    Shapes: one letter an axis; letters absent from the result are summed.
    Raises: ParseError for a specification that is none, NotExpressible where SymPy has no form for the result.

    >>> import sympy as sp
    >>> A = sp.MatrixSymbol("A", 2, 3)
    >>> einsum("ij,kj->ik", A, A)
    A*A.T
    """
    def build(*nodes: Node) -> Node:
        return TABLE["einsum"].build(spec, *nodes)

    if not isinstance(spec, str):
        raise InputError(f"einsum begins with a string such as 'ij,jk->ik', not a {type(spec).__name__}")
    own = next((a for a in operands if isinstance(a, Expression)), None)
    if own is None:
        return _through_nodes(build, [operand(a, "einsum") for a in operands])
    made = own._operands("einsum", operands)
    return made[0]._with(build(*(m.node for m in made)), *made[1:])


def square(x: Any) -> Any:
    """Square of every entry.

    Shapes: as x.
    Raises: InputError for text and arrays.

    >>> import sympy as sp
    >>> square(sp.Symbol("x"))
    x**2
    """
    done = _build("square", [x])
    if done is not None:
        return done
    value = operand(x, "square")
    if isinstance(value, sp.MatrixBase):
        return value.applyfunc(lambda e: e**2)
    return sp.HadamardPower(value, 2) if value.is_Matrix else value**2


def _extreme(name: str, a: Any, b: Any, axis: Axis, keepdims: bool) -> Any:
    if b is None:
        done = _build(name, [a], axis=_axes(axis), keepdims=keepdims)
        return done if done is not None else _through_nodes(
            lambda node: TABLE[name].build(node, axis=_axes(axis), keepdims=keepdims), [a])
    if axis is not None or keepdims:
        raise InputError(f"{name}(a, b) of two operands is elementwise and has no axis or keepdims")
    return PUBLIC["maximum" if name == "max" else "minimum"](a, b)


def max(a: Any, b: Any = None, axis: Axis = None, keepdims: bool = False) -> Any:
    """The larger of two operands entry by entry, as maximum; of one operand its largest entry, over the given axes.

    Shapes: two operands broadcast as in NumPy; of one the axes go, or stay with size 1.
    Raises: InputError for two operands and an axis.

    >>> import sympy as sp
    >>> max(sp.Symbol("x"), 0)
    Max(0, x)
    """
    return _extreme("max", a, b, axis, keepdims)


def min(a: Any, b: Any = None, axis: Axis = None, keepdims: bool = False) -> Any:
    """The smaller of two operands entry by entry, as minimum; of one operand its smallest entry, over the given axes.

    Shapes: two operands broadcast as in NumPy; of one the axes go, or stay with size 1.
    Raises: InputError for two operands and an axis.

    >>> import sympy as sp
    >>> min(sp.Symbol("x"), 0)
    Min(0, x)
    """
    return _extreme("min", a, b, axis, keepdims)


def _axes(axis: Axis) -> int | tuple[int, ...] | None:
    return axis if axis is None or isinstance(axis, int) else tuple(axis)
