"""What the derivations in stages are put together from: networks for the next stage, new variables, readings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from symgrad.api import Derivation, _assuming, _chosen, _network, _record
from symgrad.engine.assumptions import Assumption
from symgrad.engine.naming import meant
from symgrad.engine.reading import Reading, inner, read_off, zero
from symgrad.engine.simplify import Simplifier
from symgrad.errors import InputError, NonScalarLoss, ShapeError, UnknownName
from symgrad.graph.node import Node, topological, var, variables
from symgrad.graph.text import to_text
from symgrad.jacobians.result import Jacobian, Stage
from symgrad.kernels.choose import choose
from symgrad.language.expression import Expression
from symgrad.language.network import Network, as_network
from symgrad.language.network import fresh as unused
from symgrad.shapes import Shape, show


def network_of(what: Any, assume: Any = ()) -> Network:
    """Return the network of whatever a user may hand in, with the assumptions beside it."""
    net = _network(what)
    facts = _assuming(net, assume)
    return net if not assume or set(facts) <= set(net.stated) else _assuming_only(net, facts)


def _assuming_only(net: Network, facts: Sequence[Assumption]) -> Network:
    """Return the network with these assumptions; the user's own stays as it is."""
    out = Network.of(net.inputs.values(), net.equations, net.calls, facts)
    out.adopt({k: s for k, s in net.origin.items() if k not in net.equations}, net.calls)
    out.unnamed = net.unnamed
    return out


def _to_differentiate_again(net: Network, wrt: Sequence[Node]) -> Network:
    """Return the network without equations about what is differentiated by.

    A gradient that was shortened by norm(x) = 1 is right where that holds, and its derivative by x is not.
    """
    kept = [a for a in net.stated
            if not any(op in ("eq", "in") for op, _, _ in a.parts) or not set(wrt) & set(a.variables)]
    return net if len(kept) == len(net.stated) else _assuming_only(net, kept)


def gradient_of(net: Network, wrt: Any, kink: str, name: str) -> tuple[Network, Derivation]:
    """Return the network and the first stage, the gradient of its output."""
    if any(d != 1 for d in net.output.shape):
        raise NonScalarLoss(f"{name} needs a scalar; {net.output_name} has shape {show(net.output.shape)}: reduce it "
                            f"with sum(...) or mean(...), or take its Jacobian with sg.jacobian")
    chosen = real_variables(net, wrt, name)
    return net, Derivation(_record(_to_differentiate_again(net, chosen), chosen, False, kink), net.scope)


def real_variables(net: Network, wrt: Any, what: str) -> list[Node]:
    """Return the nodes that `wrt` means, all of them real and below the output."""
    chosen = _chosen(net, wrt, what)
    below = set(topological([net.output]))
    for w in chosen:
        if w.op == "var" and w.attr[1] != "real":
            raise InputError(f"{w.name} holds integers, which have no derivative")
        if w not in below:
            raise UnknownName(f"{what}: {net.output_name} does not depend on {name_of(net, w)}; it depends on "
                              f"{', '.join(n.name for n in topological([net.output]) if n.op == 'var')}")
    return chosen


def gradients(d: Derivation) -> tuple[dict[Node, Node], dict[Node, str]]:
    """Return the gradients as the next stage takes them, and names for the cotangents in them.

    A closed form where there is one that reads well, else the chain of layers, which shares its work.
    """
    r = d.record
    if all(w in r.closed for w in r.wrt):
        return {w: r.results[w] for w in r.wrt}, {}
    chosen = choose(r)
    below = set(topological(chosen.grads.values()))
    forward = set(topological([r.loss]))
    named = {n: s for n, s in chosen.names.items() if n in below and n not in forward and variables([n])
             and not n.is_leaf}  # a number is written out wherever it stands
    return dict(zip(r.wrt, chosen.grads.values())), named


def next_network(net: Network, d: Derivation, named: Mapping[Node, str] | None = None) -> Network:
    """Return a network for the next stage: the same variables and assumptions, the names of the user's equations."""
    out = Network(net.assumptions)
    out.reserved |= net.taken
    for x in net.inputs.values():
        out.declare(x)
    out.adopt({k: s for k, s in net.origin.items() if k not in net.equations}, {})
    r = d.record
    for n, s in {**{n: s for n, s in r.names.items() if n in r.given and n is not r.loss}, **(named or {})}.items():
        own = n in r.names  # a cotangent's name was made up, and gives way
        if s not in out.equations and s not in (out.inputs if own else out.taken) and n.op != "var":
            out.define(s, n)
    return out


def with_output(net: Network, name: str, node: Node) -> Network:
    """Return the network with an output that a stage is about; its name is made up."""
    net.define(unused(name, {*net.taken, *meant([node])}), node)
    net.unnamed = True
    return net


def along(net: Network, v: Expression, f: Node, wrt: Sequence[Node], kink: str, name: str = "D") -> Derivation:
    """Derive the gradient of <v, f>."""
    out = Network(net.assumptions)
    out.reserved |= net.taken
    for x in net.inputs.values():
        out.declare(x)
    if v.node.name not in out.inputs:
        out.declare(v.node)
    out.adopt({**{k: s for k, s in net.origin.items() if k not in net.equations}, **v.origin}, net.calls)
    for s, n in net.equations.items():
        if not n.is_leaf and not (net.unnamed and s == net.output_name):
            out.define(s, n)
    return Derivation(_record(with_output(out, name, inner(v.node, f)), wrt, False, kink), out.scope)


def differentiated(d: Derivation) -> Node:
    """Return f as it stands in the record of <v, f>."""
    return d.record.loss.args[1]


def read_jacobian(net: Network, v: Expression, wrt: Sequence[Node], kink: str) -> Jacobian:
    """Derive the Jacobian of the output by each of `wrt`."""
    d = along(net, v, net.output, wrt, kink)
    of = differentiated(d)
    found = [reading(d, v, of, (w,), w) for w in d.record.wrt]
    title = f"Product with an arbitrary {v}: {loss_of(d)} = sum({v} * {output_name(net)})"
    return Jacobian([Stage(title, d)], found, d.scope)


def reading(d: Derivation, v: Expression, of: Node, by: tuple[Node, ...], w: Node) -> Reading:
    """Return what multiplies v in the gradient by w, in the shortest form.

    The Hessian by one variable is symmetric: of the two orders of its axes the one is taken that reads better.
    """
    r = d.record
    if v.node not in topological([r.results[w]]):
        return zero(of, by)
    given = {n: s for n, s in r.names.items() if n in r.given}
    simplifier = Simplifier(given, topological([r.loss]))
    ways = (False, True) if len(by) == 2 and by[0] is by[1] else (False,)
    found = [read_off(of, by, v.node, r.results[w], r.resolved[w], named=given,
                      shorten=lambda n: simplifier.shorten(n).node, holds=simplifier.acceptance.accepts, transposed=way)
             for way in ways]
    texts = [to_text(f.result, given) for f in found]
    return min(zip(found, texts), key=lambda pair: (len(pair[1]), pair[1]))[0]


def output_name(net: Network) -> str:
    """Return the name of what a network ends in, f where its author gave none."""
    return unused("f", net.taken) if net.unnamed else net.output_name


def loss_of(d: Derivation) -> str:
    """Return the name of what a derivation differentiates."""
    return d.record.names[d.record.loss]


def name_of(net: Network, w: Node) -> str:
    """Return the name of a variable or of a named intermediate."""
    return net.names.get(w) or (w.name if w.op == "var" else "it")


def _taken(net: Network, more: Sequence[Node] = ()) -> set[str]:
    return {*net.taken, *net.equations, *meant([net.output, *more])}


def fresh(net: Network, name: str, shape: Shape, more: Sequence[Node] = ()) -> Expression:
    """Return a new variable that the network does not know."""
    return Expression(var(unused(name, _taken(net, more)), shape))


def given_v(net: Network, v: Any, shape: Shape, what: str, of: str) -> Expression:
    """Return the v that the user gave, checked: a new name, or a symbol of the right shape."""
    if isinstance(v, str):
        if v in _taken(net):
            raise InputError(f"{what}: the name {v!r} is taken in the network; give v another name")
        return Expression(var(v, shape))
    made = v if isinstance(v, Expression) else Expression(as_network(v).output, origin=as_network(v).origin)
    if made.node.op != "var":
        raise InputError(f"{what}: v is a name or a symbol; numbers go in when it is called")
    if made.shape != shape:
        raise ShapeError(f"{what}: v has shape {show(made.shape)}; {of} has {show(shape)}, and v needs the same")
    if made.node.name in _taken(net) and net.inputs.get(made.node.name) is not made.node:
        raise InputError(f"{what}: the name {made.node.name!r} is taken in the network; give v another name")
    return made
