"""Nodes to callables: kernels, elementwise functions of broadcast arrays, and plain code for the judges."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from symgrad.errors import InputError, suggest
from symgrad.graph.node import Node, topological, variables
from symgrad.graph.text import plain_name
from symgrad.kernels.expand import expand
from symgrad.kernels.kernel import Kernel
from symgrad.kernels.lower import lower, owned
from symgrad.kernels.names import shown
from symgrad.kernels.plan import PYTHON, Val, Values, free_sizes
from symgrad.kernels.schedule import ALIASES, Schedule, schedule
from symgrad.kernels.source import Returned, write
from symgrad.rules.arrays import index_bounds
from symgrad.rules.needs import Need, needs
from symgrad.shapes import as_dim

Stabiliser: TypeAlias = "Callable[..., tuple[list[Node], Any]]"  # as engine.stabilise is


def declared(roots: Sequence[Node], inputs: Sequence[Node] | None) -> list[Node]:
    found = variables(roots)
    if inputs is None:
        return found
    given = list(dict.fromkeys(inputs))
    for x in found:
        if x not in given:
            raise InputError(f"the variable {shown(x.name)} occurs in the expression but not among the inputs"
                             f"{suggest(x.name, [i.name for i in given])}")
    return given


def _check_names(inputs: Sequence[Node]) -> None:
    seen: dict[str, Node] = {}
    for x in inputs:
        if seen.setdefault(x.name, x) is not x:
            raise InputError(f"two variables are called {shown(x.name)}: {seen[x.name]!r} and {x!r}")


def compile_nodes(outputs: Mapping[str, Node], grads: Mapping[str, Node] | None = None,
                  inputs: Sequence[Node] | None = None, names: Mapping[Node, str] | None = None, *,
                  stabilise: Stabiliser | None = None, sizes: Mapping[str, int] | None = None,
                  notes: Mapping[Node, str] | None = None, title: str | None = None,
                  rests: Sequence[str] = (), written: int | None = None, within: Sequence[Node] = ()) -> Kernel:
    """Return the kernel that computes the outputs and the gradients in one call.

    `names` gives locals to nodes, `notes` comment lines; `sizes` fixes sizes that no input tells; `stabilise` rewrites
    nodes towards forms that neither overflow nor lose digits. `rests` are the assumptions that the nodes rest on; the
    title says them, and those that such a form needed. The first `written` outputs (all without it) are what somebody
    wrote, the others derivatives. The sizes have to do for the nodes of `within` as well.

    Shapes: outputs and gradients have the shapes of their nodes.
    Raises: NoRule for an operation without code, ShapeError for a size that no input determines, InputError for names
        that clash.

    >>> from symgrad.graph.node import var
    >>> x = var("x", ("n",))
    >>> compile_nodes({"y": x * x})(x=[1.0, 2.0]).tolist()
    [1.0, 4.0]
    """
    wanted = [*outputs.values(), *(grads or {}).values()]
    given = declared(wanted, inputs)
    _check_names(given)
    below = set(topological(wanted))
    named = {n: s for n, s in (names or {}).items() if n in below}
    noted = {n: s for n, s in (notes or {}).items() if n in below}
    roots = [*wanted, *named, *noted]
    facts = dict.fromkeys(rests)
    if stabilise is not None:
        roots, log = stabilise(roots, asked=len(wanted),
                               values=len(outputs) if written is None else written)
        facts |= dict.fromkeys(text for a in log for text in a.assumptions)
    roots = expand(roots, calls=True)
    k = len(wanted)
    local_names = dict(zip(roots[k:k + len(named)], named.values()))
    comments = dict(zip(roots[k + len(named):], noted.values()))

    values = Values()
    lowered = lower(values, roots[:k], local_names)
    taken: set[Val] = set()
    own = [owned(values, lowered[n], n, taken) for n in roots[:k]]
    first = dict(zip(outputs, own))
    then = dict(zip(grads, own[len(first):])) if grads is not None else None
    for key, v in [*first.items(), *((f"{n}_bar", v) for n, v in (then or {}).items())]:
        v.name = v.name or key
    plan = schedule(list(first.values()), list((then or {}).values()))
    table = {x: values.make("input", (), (x.name, x.shape), x.shape) for x in given}
    said = {lowered[n][0]: text for n, text in comments.items() if n in lowered}
    what = ", ".join(map(shown, first))
    if title is None:
        title = f"{what} and its gradients by {', '.join(map(shown, then))}" if then else what
        title += f", assuming {', '.join(map(plain_name, facts))}." if facts else "."
    source, params = write("kernel", title.replace('"', "'").replace("\\", "/"), given, plan, table,
                           Returned(first, then), sizes or {}, said, index_bounds(topological(roots[:k])),
                           _needs(within, wanted, given, sizes or {}), names or {})
    shapes = {x.name: tuple(d if isinstance(d, int) else str(d) for d in x.shape) for x in given}
    return Kernel(source, shapes, params, list(first), None if then is None else list(then), count_lines(plan))


def _needs(within: Sequence[Node], wanted: Sequence[Node], inputs: Sequence[Node],
           sizes: Mapping[str, int]) -> list[Need]:
    """Return what is needed of the sizes; what only `within` needs counts where a call tells the sizes."""
    told = {s for x in inputs for d in x.shape for s in free_sizes(d)} | {as_dim(n) for n in sizes}
    own = needs(topological(wanted), inputs)
    every = needs(topological([*within, *wanted]), inputs)
    return [n for n in every if n in own or n.room.free_symbols <= told]


def count_lines(plan: Schedule) -> int:
    """Return the number of array operations of a plan; views are free."""
    arrays = [*plan.order, *(v for v in plan.inline if v.kind != PYTHON)]
    return sum(v.op not in ALIASES and v.op != "copy" for v in arrays)


def count_ops(nodes: Sequence[Node]) -> int:
    """Return the number of distinct operations below the nodes; leaves are free."""
    return sum(not n.is_leaf for n in topological(nodes))
