"""Jacobians and Hessians as derivations: the gradient of a product with an arbitrary v, from which v is read off.

<v, f> is a scalar, so its gradient by x is an ordinary derivation; it is linear in v, and what multiplies v_j in its
entry i is df_j/dx_i. With the gradient of a loss in the place of f, that is the Hessian.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass

from symgrad.engine.derivation import Step
from symgrad.engine.linear_map import NotLinear, linear_map
from symgrad.engine.terms import Shorten, total
from symgrad.errors import NoRule
from symgrad.graph.node import Node, const, einsum
from symgrad.shapes import Shape


@dataclass(frozen=True)
class Reading:
    """What was read off: `result` is d of/d by[0], or d^2 of/(d by[0] d by[1]).

    v           the arbitrary array that `product` is linear in; None where nothing had to be read off
    product     sum over j of v_j * result_j, the gradient that was derived
    steps       from the product to the result
    kind        'jacobian', 'hessian', or 'product', where v is the user's and stays
    forward     whether a product is (df/dx) v, with v on the side of x
    along       the pairs (variable, its v) of a product with a Hessian
    transposed  whether the axes of the result are those of the variable first, then those of v
    """

    of: Node
    by: tuple[Node, ...]
    v: Node | None
    product: Node
    result: Node
    steps: tuple[Step, ...] = ()
    transposed: bool = False
    kind: str = "jacobian"
    forward: bool = False
    along: tuple[tuple[Node, Node], ...] = ()

    @property
    def order(self) -> int:
        """1 for a Jacobian and its products, 2 for a Hessian."""
        return 2 if self.kind == "hessian" or self.along else 1

    @property
    def axes(self) -> tuple[Shape, Shape]:
        """The shapes of what is differentiated and of what it is differentiated by, columns counting as vectors."""
        one = self.by[0].shape if len(self.by) == 2 else self.of.shape
        return tuple(one[k] for k in kept_axes(one)), tuple(self.by[-1].shape[k] for k in kept_axes(self.by[-1].shape))


def kept_axes(shape: Shape) -> tuple[int, ...]:
    """Return the axes that count: a column (d, 1) and a row (1, d) count as the vector (d,).

    >>> kept_axes((3, 1)), kept_axes((1, 3)), kept_axes((2, 3))
    ((0,), (1,), (0, 1))
    """
    if len(shape) == 2 and shape[1] == 1:
        return (0,)
    return (1,) if len(shape) == 2 and shape[0] == 1 else tuple(range(len(shape)))


def inner(a: Node, b: Node) -> Node:
    """Return the sum of all products of entries of two arrays of one shape."""
    axes = range(a.rank)
    return einsum([axes, axes], [a, b], ()) if a.rank else a * b


def read_off(of: Node, by: Sequence[Node], v: Node, product: Node, sharing: Node, *, named: Container[Node],
             shorten: Shorten, holds: Callable[[Node, Node, str], bool], transposed: bool = False) -> Reading:
    """Return what multiplies v in a product that is linear in it.

    `sharing` is the product as the rules wrote it, which is looked at where `product` hides that it is linear. `holds`
    compares two lines: what was read off is believed where it gives the product with v back.
    Shapes: v's axes, then the product's; the other way round with `transposed`.
    Raises: NoRule where a function of whole arrays stands between v and the product that has no matrix here.
    """
    shape = (*v.shape, *product.shape)
    first = list(kept_axes(v.shape))
    second = [v.rank + k for k in kept_axes(product.shape)]
    axes = [*second, *first] if transposed else [*first, *second]
    for node in (product, sharing):
        try:
            terms = linear_map(node, v, named)
        except NotLinear:
            continue
        raw, short = total(terms, shape, axes), total(terms, shape, axes, shorten)
        if not holds(product, _with_v(raw, v, product, axes), "read_off"):
            continue
        if not holds(raw, short, "read_off"):
            short = raw
        reason = "v is arbitrary: each entry of v is 1 in turn, the others 0"
        steps = [Step("read_off", product, raw, by[-1], reason)]
        if raw is not short:
            steps.append(Step("order", raw, short, by[-1], "in shorter form"))
        return Reading(of, tuple(by), v, product, short, tuple(steps), transposed, _kind(by))
    raise NoRule("the product with v is not written as a linear function of v, so its matrix cannot be read off. "
                 "sg.hvp and sg.vjp give products with it")


def _with_v(matrix: Node, v: Node, product: Node, axes: Sequence[int]) -> Node:
    """Return sum over j of v_j * matrix_j, in the shape of the product; `axes` are those that the matrix has."""
    dims = dict(enumerate((*v.shape, *product.shape)))
    return einsum([axes, range(v.rank)], [matrix, v], range(v.rank, v.rank + product.rank), dims)


def zero(of: Node, by: Sequence[Node]) -> Reading:
    """Return the reading of what does not depend on its variable."""
    made = Reading(of, tuple(by), None, of, of)
    nothing = const(0, (*made.axes[0], *made.axes[1]))
    return Reading(of, tuple(by), None, nothing, nothing, kind=_kind(by))


def as_it_is(of: Node, by: Sequence[Node], gradient: Node) -> Reading:
    """Return the reading of a derivative of a scalar, which is its gradient."""
    shape = gradient.shape
    kept = kept_axes(shape)
    result = gradient if len(kept) == len(shape) else einsum([range(len(shape))], [gradient], kept)
    return Reading(of, tuple(by), None, gradient, result, kind=_kind(by))


def _kind(by: Sequence[Node]) -> str:
    return "hessian" if len(by) == 2 else "jacobian"
