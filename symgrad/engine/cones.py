"""Norms at 0: the tip of a cone, where the derivative x/|x| is taken as 0 like that of |x|."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from symgrad.engine.views import Factor, ProductView, Views, scaled
from symgrad.engine.written import moves
from symgrad.graph.node import Node, apply, const, make
from symgrad.shapes import Shape

LAYERS = 4  # of products that are repeated along new axes inside one another


def under_norm(node: Node) -> Node | None:
    """Return x where the node is sqrt(sum(x**2)) over some axes, however it is repeated; None where it is none.

    >>> from symgrad.graph.node import reduce_sum, var
    >>> x = var("x", ("n", "d"))
    >>> under_norm(apply("sqrt", reduce_sum(x**2, 1))) is x
    True
    """
    root = _inside(node)
    if root.op != "sqrt":
        return None
    total = _inside(root.args[0])
    if total.op != "einsum" or len(total.args) != 1:
        return None
    square = total.args[0]
    if square.op != "pow" or square.args[1] is not const(2, square.shape):
        return None
    return square.args[0]


def _inside(node: Node) -> Node:
    """Return what a node repeats along new axes or holds in another order; a sum stays."""
    while _repeats(node):
        node = node.args[0]
    return node


def _repeats(node: Node) -> bool:
    return node.op == "einsum" and moves(node)


def guard(node: Node, views: Views) -> tuple[str, Node] | None:
    """Return a product with a factor x over |x| so written that it is 0 at x = 0; None where it is no such product."""
    if node.op not in ("mul", "div"):
        return None
    factors = views.product(node).factors
    above = [f.base for f in factors if f.exponent > 0 and f.base.shape]
    changed = {f.base: new for f in factors for new in [_guarded(f, above, views)] if new is not f.base}
    if not changed:
        return None
    return "tip_of_a_norm", _rebuilt(views.product(node), changed, node.shape)


def _guarded(factor: Factor, above: list[Node], views: Views, layers: int = LAYERS) -> Node:
    """Return the base of a factor that is 1 where it is a norm below the bar that would be 0, with x above it."""
    base, below = factor.base, factor.exponent < 0
    x = under_norm(base) if below else None
    if x is not None:
        return base + apply("eq", base, 0) if any(_is_or_turned(a, x) for a in above) else base
    inner = _inside(base)
    if inner is base or inner.op not in ("mul", "div", "neg") or not layers:
        return base
    view = views.product(inner)
    parts = [replace(f, exponent=-f.exponent) if below else f for f in view.factors]
    changed = {f.base: new for f in parts for new in [_guarded(f, above, views, layers - 1)] if new is not f.base}
    return _again(base, _rebuilt(view, changed, inner.shape)) if changed else base


def _again(outer: Node, inner: Node) -> Node:
    """Return the new inside of a node repeated as the old one was."""
    wrappers = []
    while _repeats(outer):
        wrappers.append(outer)
        outer = outer.args[0]
    for w in reversed(wrappers):
        inner = make("einsum", (inner,), w.attr, w.shape)
    return inner


def _rebuilt(view: ProductView, changed: Mapping[Node, Node], shape: Shape) -> Node:
    out = const(1, shape)
    for f in sorted(view.factors, key=lambda f: f.exponent < 0):
        base, power = changed.get(f.base, f.base), abs(f.exponent)
        whole = base if power == 1 else make("pow", (base, const(power, shape)), (), shape)
        out = out / whole if f.exponent < 0 else whole if out.op == "const" else out * whole
    return scaled(out, view.times)


def _is_or_turned(node: Node, x: Node) -> bool:
    """Whether a node is x or -x."""
    return node is x or (node.op == "sub" and x.op == "sub" and node.args == x.args[::-1])
