"""hessian, jacobian, hvp, vjp, jvp: derivatives of derivatives and of arrays.

All of them are derivations of ordinary gradients. The gradient of <v, f> for an arbitrary v is linear in v, and what
multiplies v is read off (`symgrad.engine.reading`). A column (d, 1) or a row (1, d) counts as the vector (d,).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from symgrad.api import Derivation, _record
from symgrad.engine.reading import Reading, as_it_is, inner, zero
from symgrad.engine.reverse import depends_on
from symgrad.errors import InputError, NoRule
from symgrad.graph.node import const, topological
from symgrad.jacobians.parts import (
    along,
    differentiated,
    fresh,
    given_v,
    gradient_of,
    gradients,
    loss_of,
    name_of,
    network_of,
    next_network,
    output_name,
    read_jacobian,
    reading,
    real_variables,
    with_output,
)
from symgrad.jacobians.result import Jacobian, Stage
from symgrad.language.expression import Expression, Scope


def jacobian(what: Any, wrt: Any = None, *, kink: str = "policy", assume: Any = ()) -> Jacobian:
    """Derive the Jacobian df/dx, step by step: the gradient of <v, f>, from which the arbitrary v is read off.

    `what` is whatever `derive` takes, of any shape; `wrt` a symbol, a name or a list of them, every variable without
    it.
    Formula: J[i, j] = df_i/dx_j.
    Shapes: (*f.shape, *x.shape), a column (d, 1) or a row counting as the vector (d,); the gradient for a scalar f.
    Raises: as `derive`; NoRule where a function of whole arrays stands in the way that has no matrix here.
    Source: Laue, Mitterreiter and Giesen (2020), section 3.

    >>> import symgrad as sg
    >>> sg.jacobian("z: (k,); s = softmax(z)", wrt="z").expression
    diag(s) - outer(s, s)
    """
    net = network_of(what, assume)
    chosen = real_variables(net, wrt, "jacobian")
    if not net.output.shape:
        d = Derivation(_record(net, chosen, False, kink), net.scope)
        found = [as_it_is(d.record.loss, (w,), d.record.results[w]) for w in d.record.wrt]
        return Jacobian([Stage("Gradient", d)], found, d.scope)
    v = fresh(net, "v", net.output.shape)
    return read_jacobian(net, v, chosen, kink)


def vjp(what: Any, wrt: Any = None, v: Any = "v", *, kink: str = "policy", assume: Any = ()) -> Jacobian:
    """Derive the product of v and the Jacobian, the gradient of <v, f>: what reverse mode computes.

    `v` is a new name or a symbol of f's shape.
    Formula: sum over i of v_i df_i/dx_j.
    Shapes: each result as its variable.
    Raises: as `derive`; InputError where v's name is taken, ShapeError where its shape is not f's.
    Source: Bishop (2006), section 5.3.

    >>> import symgrad as sg
    >>> sg.vjp("z: (k,); s = softmax(z)", wrt="z").expression
    s*(v - sum(v*s))
    """
    net = network_of(what, assume)
    chosen = real_variables(net, wrt, "vjp")
    given = given_v(net, v, net.output.shape, "vjp", net.output_name)
    d = along(net, given, net.output, chosen, kink)
    of = differentiated(d)
    found = [Reading(of, (w,), given.node, r, r, kind="product") for w, r in d.record.results.items()]
    return Jacobian([Stage(f"Product {loss_of(d)} = sum({given} * {output_name(net)})", d)], found, d.scope)


def jvp(what: Any, wrt: Any, v: Any = "v", *, kink: str = "policy", assume: Any = ()) -> Jacobian:
    """Derive the product of the Jacobian and v, the change of f as x moves along v: what forward mode computes.

    `wrt` is one variable, `v` a new name or a symbol of its shape. It is the transpose of the map that `vjp` derives.
    Formula: sum over j of df_i/dx_j v_j.
    Shapes: as f.
    Raises: as `vjp`.
    Source: Townsend (2017), A new trick for calculating Jacobian vector products.

    >>> import symgrad as sg
    >>> sg.jvp("X: (n, d); w: (d,); p = sigmoid(X @ w)", wrt="w").expression
    X @ v * p * (1 - p)
    """
    net = network_of(what, assume)
    chosen = real_variables(net, wrt, "jvp")
    if len(chosen) != 1:
        raise InputError(f"jvp goes along one variable, not {len(chosen)}; give wrt=...")
    given = given_v(net, v, chosen[0].shape, "jvp", name_of(net, chosen[0]))
    c = fresh(net, "c", net.output.shape, [given.node])
    first = along(net, c, net.output, chosen, kink)
    of = differentiated(first)
    x = first.record.wrt[0]
    pulled = first.record.results[x]
    stages_made = [Stage(f"Product with an arbitrary {c}: {loss_of(first)} = sum({c} * {output_name(net)})", first)]
    if c.node not in topological([pulled]):
        raise NoRule(f"{net.output_name} does not depend on {name_of(net, x)}, so there is nothing to move along")
    second = along(next_network(net, first), given, pulled, [c.node], kink, "E")
    pulled_name = f"d{loss_of(first)}/d{name_of(net, x)}"
    stages_made.append(Stage(f"Its transpose: the gradient by {c} of {loss_of(second)} = sum({given} * {pulled_name})",
                             second))
    result = second.record.results[c.node]
    found = Reading(of, (x,), given.node, result, result, kind="product", forward=True)
    return Jacobian(stages_made, [found], second.scope)


def hessian(what: Any, wrt: Any = None, *, kink: str = "policy", assume: Any = ()) -> Jacobian:
    """Derive the Hessian of a scalar: the gradient, its product with an arbitrary v, and from that the matrix.

    `what` is whatever `derive` takes; with several variables H["a", "b"] is the block of a and b.
    Formula: H[i, j] = d^2 L / (da_i db_j).
    Shapes: (*a.shape, *b.shape), a column (d, 1) or a row counting as the vector (d,): (d, d) for a vector or a column,
        four axes for a matrix.
    Raises: NonScalarLoss; as `jacobian` otherwise.
    Source: Pearlmutter (1994), Neural Computation 6; Laue, Mitterreiter and Giesen (2020).

    >>> import symgrad as sg
    >>> sg.hessian("X: (n, d); w: (d,); y: (n,); p = sigmoid(X @ w); L = mean(bce(p, y))", wrt="w").expression
    X.T @ diag(p*(1 - p)) @ X / n
    """
    net, first = gradient_of(network_of(what, assume), wrt, kink, "hessian")
    wrt_nodes = first.record.wrt
    grads, named = gradients(first)
    made = [Stage("Gradient", first)]
    found: list[Reading] = []
    loss = first.record.loss
    for k, a in enumerate(wrt_nodes):
        later = wrt_nodes[k:]
        needed = [b for b in later if b in depends_on([grads[a]], [b])]
        found += [zero(loss, (a, b)) for b in later if b not in needed]
        if not needed:
            continue
        title = f"Derivative of dL/d{name_of(net, a)}".replace("dL", f"d{net.output_name}")
        inner_net = next_network(net, first, named)
        if not a.shape:
            d = Derivation(_record(with_output(inner_net, "D", grads[a]), needed, False, kink), first.scope)
            found += [as_it_is(loss, (a, b), d.record.results[d.record.wrt[i]]) for i, b in enumerate(needed)]
        else:
            v = fresh(net, "v", a.shape)
            d = along(inner_net, v, grads[a], needed, kink)
            slope_name = f"d{net.output_name}/d{name_of(net, a)}"
            title += f" along an arbitrary {v}: {loss_of(d)} = sum({v} * {slope_name})"
            found += [reading(d, v, loss, (a, b), b) for b in needed]
        made.append(Stage(title, d))
    order = {(a, b): None for a in wrt_nodes for b in wrt_nodes}
    found.sort(key=lambda r: list(order).index(r.by))  # type: ignore[arg-type]  # two variables each
    return Jacobian(made, found, made[-1].derivation.scope)


def hvp(what: Any, wrt: Any = None, v: Any = None, *, kink: str = "policy", assume: Any = ()) -> Jacobian:
    """Derive the product of the Hessian and v, the gradient of the slope of L along v.

    `v` is a new name or a symbol of the variable's shape, a list of them for several variables; without it `v`, or
    `v_a`, `v_b`, ... for several. The Hessian itself is never formed.
    Formula: sum over b, j of d^2 L / (da_i db_j) v_bj.
    Shapes: each result as its variable.
    Raises: NonScalarLoss; InputError where v's name is taken, ShapeError where its shape is not the variable's.
    Source: Pearlmutter (1994), Neural Computation 6.

    >>> import symgrad as sg
    >>> sg.hvp("x: (n,); A: (n, n); L = x @ A @ x", wrt="x", v="u").expression
    (A + A.T) @ u
    """
    net, first = gradient_of(network_of(what, assume), wrt, kink, "hvp")
    nodes = first.record.wrt
    several = list(v) if isinstance(v, (list, tuple)) else [v] if v is not None else \
        ["v"] if len(nodes) == 1 else [f"v_{name_of(net, w)}" for w in nodes]
    if len(several) != len(nodes):
        raise InputError(f"hvp needs one v a variable: {len(nodes)} variables, {len(several)} given")
    given = [given_v(net, one, w.shape, "hvp", name_of(net, w)) for one, w in zip(several, nodes)]
    grads, named = gradients(first)
    slope: Expression | None = None
    for one, w in zip(given, nodes):
        term = Expression(inner(one.node, grads[w]), scope=Scope({}, one.origin, {}, {}))
        slope = term if slope is None else slope + term
    assert slope is not None
    needed = [w for w in nodes if w in depends_on([slope.node], [w])]
    loss, along_v = first.record.loss, tuple(zip(nodes, (g.node for g in given)))
    made = [replace(zero(loss, (w,)), kind="product", v=given[0].node, along=along_v, result=const(0, w.shape))
            for w in nodes if w not in needed]
    if not needed:
        return Jacobian([Stage("Gradient", first)], made, first.scope)
    after = next_network(net, first, named)
    for one in given:
        after.adopt(one.origin, {})
    d = Derivation(_record(with_output(after, "D", slope.node), needed, False, kink), after.scope)
    made += [Reading(loss, (w,), given[0].node, r, r, kind="product", along=along_v)
             for w, r in zip(needed, (d.record.results[x] for x in d.record.wrt))]
    how = " + ".join(f"sum({g} * d{net.output_name}/d{name_of(net, w)})" for g, w in zip(given, nodes))
    title = f"Gradient of the slope along {', '.join(map(str, given))}: {loss_of(d)} = {how}"
    return Jacobian([Stage("Gradient", first), Stage(title, d)], made, after.scope)
