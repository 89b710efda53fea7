"""The row of an elementwise node: one of the tables, or that of a function the user named, made from the node.

A node of a named function has the op "function" and carries (name, params, body, latex, orders, kink): the body is a
scalar graph in its parameters, and orders are the places of the parameters by which it was differentiated. So no table
knows of it: the function goes wherever the node goes, into pickles, files and kernels.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

from symgrad.engine.tidy import is_const, plus, tidy, times
from symgrad.errors import InputError, NoRule, suggest
from symgrad.graph.node import NAMED, Node, apply, const, make, replace, topological
from symgrad.graph.ops import JUMPS
from symgrad.graph.text import function_name
from symgrad.rules.elementwise import BY_NAME
from symgrad.rules.row import Function

KINK_SIDES = {"left": 0, "mean": Fraction(1, 2), "right": 1}
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,59}")
_GREEK = (  # noqa: SIM905  # thirty words in quotes would be harder to read
    "alpha beta gamma delta epsilon varepsilon zeta eta theta kappa lambda mu nu xi rho sigma tau phi varphi chi psi "
    "omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega"
).split()
_WORDS = "|".join([*_GREEK, "operatorname", "mathrm", "mathbf", "mathcal", "tilde", "hat", "bar", "left", "right"])
_LATEX = re.compile(rf"([A-Za-z0-9 ,;()|'_^+{{}}-]|\\({_WORDS})(?![A-Za-z])|\\[,;]){{1,120}}")


def find(node: Node) -> Function | None:
    """Return the row of an elementwise node, None where there is none."""
    return named_row(node.attr) if node.op == NAMED else BY_NAME.get(node.op)


def row_of(node: Node) -> Function:
    """Return the row of an elementwise node. Raises: NoRule where there is none."""
    row = find(node)
    if row is None:
        raise NoRule(f"no value is known for the operation {node.op!r}.{suggest(node.op, BY_NAME)}")
    return row


def parameters(attr: tuple[Any, ...]) -> tuple[Node, ...]:
    """Return the variables that the body of a named function is written in; no user can write them elsewhere."""
    return tuple(make("var", (), (p, "bound"), ()) for p in attr[1])


def check(attr: tuple[Any, ...]) -> None:
    """Refuse what is no function: a name that is none, a body that is no scalar or speaks of something else.

    Raises: InputError.
    """
    name, params, body, latex, orders, kink = attr
    for word in (name, *params):
        if not isinstance(word, str) or not _NAME.fullmatch(word) or "__" in word:
            raise InputError(f"{word!r:.60} cannot name a function or its parameter. A name is a letter, then letters, "
                             f"digits and single underscores")
    if name in BY_NAME or not params or len(set(params)) < len(params):
        raise InputError(f"{name} is a function of symgrad already; choose another name" if name in BY_NAME else
                         f"{name} needs parameters, each with a name of its own")
    if latex and not (isinstance(latex, str) and _LATEX.fullmatch(latex)):
        raise InputError(f"the LaTeX of {name} is letters, Greek letters, \\operatorname, \\mathrm and the like, not "
                         f"{str(latex)[:60]!r}")
    if latex and "{}" in latex and _filled(latex, len(params)) is None:
        raise InputError(f"the LaTeX of {name} has {{}} for each of its {len(params)} operands, other braces doubled")
    if not isinstance(body, Node):
        raise InputError(f"the body of {name} is no expression")
    own = parameters(attr)
    for n in topological([body]):
        if n.shape or not (n.op in ("const", "var") or n.is_elementwise):
            raise InputError(f"the body of {name} is to be a scalar built of elementwise functions; it holds "
                             f"{n.op} of {len(n.shape)} axes")
        if n.op == "var" and n not in own:
            raise InputError(f"the body of {name} speaks of {n.name!r}, which is none of its parameters "
                             f"({', '.join(params)}). Make it one, and give it in each call")
    if any(not 0 <= k < len(params) for k in orders) or kink not in ("policy", *KINK_SIDES):
        raise InputError(f"{name} has no derivative {orders}")


def _filled(template: str, count: int) -> str | None:
    try:
        return template.format(*["x"] * count)
    except (IndexError, ValueError, KeyError):
        return None


@lru_cache(maxsize=1024)
def named_row(attr: tuple[Any, ...]) -> Function:
    """Return the row of a named function, or of a derivative of it, made from its body.

    Raises: InputError for what is no function.
    """
    check(attr)
    _, params, body, _, orders, kink = attr
    rows = [(n, row_of(n)) for n in topological([body]) if n.is_elementwise]
    kinks = [row.kink(*n.args) for n, row in rows if row.kink is not None]
    used = set(topological([body]))

    def derivative(y: Node, *xs: Node) -> tuple[Node | None, ...]:
        taken = (*attr[:4],)
        return tuple(make(NAMED, xs, (*taken, tuple(sorted((*orders, k))), kink), y.shape) if p in used else None
                     for k, p in enumerate(parameters(attr)))

    def definition(*args: Any) -> Node:  # evaluators hand the attributes over behind the operands
        return instance(differentiated(attr), attr, args[:len(params)])

    def kink_of(*xs: Node) -> Node:
        whole = kinks[0]
        for k in kinks[1:]:
            whole = whole * k
        return instance(whole, attr, xs)

    return Function(function_name(attr), params, derivative, definition, kink=kink_of if kinks else None,
                    latex=_latex(attr), symbol="a", source="its definition", attr=attr,
                    analytic=all(row.analytic for _, row in rows), op=NAMED)


def _latex(attr: tuple[Any, ...]) -> str:
    name, params, orders = str(attr[0]), attr[1], attr[4]
    own = str(attr[3]) or r"\operatorname{" + name.replace("_", r"\_") + "}"
    if not orders:
        return own
    template = "{}" in own
    if not template and len(params) == 1:
        return own + "'" * len(orders)
    places = [params[k].replace("_", r"\_") for k in orders]
    left, right = ("{{", "}}") if template else ("{", "}")
    return "".join(rf"\partial_{left}{p}{right}" for p in places) + " " + own


def differentiated(attr: tuple[Any, ...]) -> Node:
    """Return the body of a named function differentiated as its orders say, straight from the rules."""
    out: Node = attr[2]
    for k in attr[4]:
        out = slope(out, parameters(attr)[k], attr[5])
    return out


@lru_cache(maxsize=1024)
def slope(body: Node, x: Node, kink: str) -> Node:
    """Return the derivative of a scalar graph by one variable, by the chain rule from the inputs to the output."""
    moved: dict[Node, Node] = {x: const(1)}
    for n in topological([body]):
        if n is x or n.is_leaf or not any(a in moved for a in n.args):
            continue
        for a, d in zip(n.args, local_derivatives(n, kink)):
            if a in moved and d is not None and not is_const(d, 0):
                term = times(moved[a], d)
                moved[n] = plus(moved[n], term) if n in moved else term
    return moved.get(body, const(0))


def instance(body: Node, attr: tuple[Any, ...], args: Sequence[Node]) -> Node:
    """Return a body with its parameters replaced by operands of one shape."""
    shape = args[0].shape
    done = dict(zip(parameters(attr), args))
    for n in topological([body], lambda n: () if n in done else n.args):
        if n not in done:
            done[n] = const(n.value, shape) if n.op == "const" else \
                apply(n.op, *(done[a] for a in n.args), attr=n.attr)
    return done[body]


def local_derivatives(node: Node, kink: str = "policy") -> tuple[Node | None, ...]:
    """Return the local derivatives of an elementwise node, the row's formulas with this node's arguments put in."""
    row = find(node)
    if row is None:
        raise NoRule(f"no derivative rule for the operation {node.op!r}; add a row to symgrad/rules/elementwise.py")
    raw = row.derivative(node, *node.args)
    fixed = {n: n for n in (node, *node.args)}

    def rebuild(n: Node, args: tuple[Node, ...]) -> Node:
        attr = n.attr
        if kink != "policy" and n.op in JUMPS:
            attr = (KINK_SIDES[kink],)
        if kink != "policy" and n.op == NAMED:
            attr = (*attr[:5], kink)
        return n if n.is_leaf else tidy(n.op, args, attr, n.shape)

    return tuple(None if d is None else replace([d], fixed, rebuild)[0] for d in raw)
