"""A guarded expression stays guarded: what a choice leaves out may be undefined there, and no value comes from it.

1[x > 0]/sqrt(x) is 0 for x < 0, where the quotient has no value. In a line of a derivation no form is taken that looks
at a partial function where the line as it was did not; in a kernel a product with an indicator becomes a choice.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction

import sympy as sp

from symgrad.engine.ranges import Ranges
from symgrad.engine.rows import find
from symgrad.engine.views import LOOK, Factor, ProductView, Views, number_of, scaled
from symgrad.engine.written import moves
from symgrad.graph.node import Node, apply, const, make, topological
from symgrad.rules.arrays import array_row
from symgrad.rules.ranges import NEGATIVE, NONNEGATIVE, POSITIVE, Range

COMPARISONS = frozenset({"gt", "ge", "lt", "le", "eq", "ne"})
_HALF = Fraction(1, 2)
_MASKS = 5  # indicators in one line, each of which may be 0 or 1; a form with more is not compared


def is_indicator(node: Node) -> bool:
    """Return whether a node is 0 or 1 by the outcome of a comparison."""
    return node.op in COMPARISONS or (node.op == "step" and (node.attr or (0,))[0] in (0, 1))


# --- nodes ------------------------------------------------------------------------------------------------------------


class Defined:
    """Which nodes have a value wherever their variables do, by the domains of the rows and the ranges of operands."""

    def __init__(self, ranges: Ranges) -> None:
        self.ranges = ranges
        self.memo: dict[Node, bool] = {}

    def everywhere(self, node: Node) -> bool:
        """Return whether a node is known to be defined for all values of its variables."""
        memo = self.memo
        for n in topological([node], lambda n: () if n in memo or n.op in ("bar", "pull") else n.args):
            if n not in memo:
                memo[n] = all(memo.get(a, True) for a in n.args) and self._at_its_operands(n)
        return memo[node]

    def _at_its_operands(self, n: Node) -> bool:
        if n.op == "array":
            return not array_row(n).domain
        if n.op == "div":
            return self.nonzero(n.args[1])
        if n.op == "pow":
            return self.power(n.args[0], number_of(n.args[1]))
        row = find(n) if n.is_elementwise else None
        if row is None or n.op == "sqrt":
            return row is None or self.ranges.of(n.args[0]) in NONNEGATIVE
        return not row.domain or all(self.ranges.of(a) in Range(d.low, d.high) for a, d in zip(n.args, row.domain))

    def nonzero(self, node: Node) -> bool:
        known = self.ranges.of(node)
        return known in POSITIVE or known in NEGATIVE

    def power(self, base: Node, exponent: Fraction | None) -> bool:
        """Return whether base**exponent is defined for all values of the base; None is no number."""
        if exponent is not None and exponent.denominator == 1:
            return exponent >= 0 or self.nonzero(base)
        return self.ranges.of(base) in (NONNEGATIVE if exponent is not None and exponent > 0 else POSITIVE)


def undefined_step(node: Node, defined: Defined) -> tuple[str, Node] | None:
    """Return a step of what may be undefined as a function that is undefined where it is, None for any other node.

    A comparison with nan is false, and nan has a sign for copysign.
    """
    if node.op == "copysign" and not defined.everywhere(node.args[1]):
        return "sign_of_a_partial_function", apply("abs", node.args[0]) * apply("sign", node.args[1], attr=(1,))
    if node.op not in ("step", "sign") or not node.attr or node.attr[0] == _HALF or defined.everywhere(node.args[0]):
        return None
    step = apply("heaviside", node.args[0], node.attr[0])
    return "step_of_a_partial_function", step if node.op == "step" else 2 * step - 1


def kept_in(node: Node, views: Views, defined: Defined) -> tuple[str, Node] | None:
    """Return a product of an indicator and what may be undefined as a choice, None for any other node.

    It is for cotangents: what is 0 by a guard passes nothing on, whatever stands beyond the guard. A product that a
    user wrote is undefined where a factor is.

    >>> from symgrad.graph.node import var
    >>> x = var("x")
    >>> name, after = kept_in(apply("gt", x, 0) / x, Views(), Defined(Ranges()))
    >>> after is apply("where", apply("gt", x, 0), 1 / x, 0)
    True
    """
    if node.op not in ("mul", "div"):
        return None
    view = views.product(node)
    for factor in view.factors:
        found = _choice(factor)
        vanishes = found is None and factor.exponent == 1 and _vanishes_by_a_guard(factor.base)
        others = [f for f in view.factors if f is not factor]
        if (found is None and not vanishes) or not _stand_alone(others, view, defined):
            continue
        if found is None:
            rest = scaled(_product(others, None, node), view.times)
            return "kept_in_its_guard", factor.base * apply("where", apply("ne", factor.base, 0), rest, 0)
        condition, inside, turned = found
        whole = scaled(_product(others, inside, node), view.times)
        branches = (const(0, node.shape), whole) if turned else (whole, const(0, node.shape))
        return "kept_in_its_guard", make("where", (condition, *branches), (), node.shape)
    return None


def _stand_alone(others: Sequence[Factor], view: ProductView, defined: Defined) -> bool:
    """Return whether some of the other factors may be undefined, and no guard stands beside them yet."""
    tests = [apply("ne", f.base, 0) for f in view.factors]
    kept = [f for f in view.factors if f.base.op == "where" and f.base.args[0] in tests]
    beside = [f for f in view.factors if any(f.base is k.base.args[0].args[0] for k in kept)]
    return any(f not in kept and f not in beside and not _has_value(f, defined) for f in others)


def _choice(factor: Factor) -> tuple[Node, Node | None, bool] | None:
    """Return (condition, value, whether it is taken where the condition fails) of a factor that is 0 elsewhere."""
    node = factor.base
    if factor.exponent < 1:
        return None
    inner = node
    while inner.op == "einsum" and moves(inner):
        inner = inner.args[0]
    if is_indicator(inner):
        return node, None, False
    if inner.op == "sub" and number_of(inner.args[0]) == 1 and is_indicator(inner.args[1]):
        return node, None, False
    if node.op == "where" and factor.exponent == 1:
        for k in (1, 2):
            if number_of(node.args[3 - k]) == 0:
                return node.args[0], node.args[k], k == 2
    return None


def _vanishes_by_a_guard(root: Node) -> bool:
    """Return whether a sum or a choice holds terms that an indicator makes 0."""
    stack = [root] if root.op in ("add", "sub", "where") else []
    for _ in range(LOOK):
        if not stack:
            return False
        n = stack.pop()
        if is_indicator(n) or (n.op == "where" and 0 in (number_of(n.args[1]), number_of(n.args[2]))):
            return True
        if n.op in ("add", "sub", "neg", "mul", "where"):
            stack += n.args[n.op == "where":]
        elif n.op == "div":
            stack.append(n.args[0])
    return False


def _has_value(factor: Factor, defined: Defined) -> bool:
    return defined.everywhere(factor.base) and defined.power(factor.base, factor.exponent)


def _product(factors: Sequence[Factor], first: Node | None, node: Node) -> Node:
    out = first
    for f in sorted(factors, key=lambda f: f.exponent < 0):
        power = abs(f.exponent)
        whole = f.base if power == 1 else make("pow", (f.base, const(power, node.shape)), (), node.shape)
        if f.exponent < 0:
            out = make("div", (const(1, node.shape) if out is None else out, whole), (), node.shape)
        else:
            out = whole if out is None else make("mul", (out, whole), (), node.shape)
    return const(1, node.shape) if out is None else out


def unguarded(forward: Sequence[Node]) -> list[Node]:
    """Return the nodes that are looked at wherever the forward pass is defined: not in a branch of a choice alone.

    `forward` has inputs before users.
    """
    users: dict[Node, list[bool]] = {}  # node -> of each use, whether it is looked at
    out = []
    for n in reversed(forward):
        if any(users.get(n, (True,))):
            out.append(n)
            looked = True
        else:
            looked = False
        for k, a in enumerate(n.args):
            users.setdefault(a, []).append(looked and not (n.op == "where" and k > 0))
    return out[::-1]


# --- lines of a derivation --------------------------------------------------------------------------------------------

Guards = Mapping[sp.Symbol, int]  # indicators that are known to be 0 or 1 where a part of a line is looked at


class Guarded:
    """One line as it is read: which partial functions it looks at, and under which indicators."""

    def __init__(self, line: sp.Expr, indicators: frozenset[sp.Symbol], has_value: Callable[[sp.Expr], bool]) -> None:
        """`has_value` says which bases are known to be neither 0 nor negative."""
        self.indicators, self.has_value = indicators, has_value
        self.known: dict[sp.Expr, list[Guards]] = {}
        for base, guards in self._partial(line, {}):
            self.known.setdefault(base, []).append(guards)

    def allows(self, form: sp.Expr) -> bool:
        """Return whether a form looks at partial functions only where the line does."""
        return all(self._looked_at(base, guards) for base, guards in self._partial(form, {}))

    def _looked_at(self, base: sp.Expr, guards: Guards) -> bool:
        known = self.known.get(base, [])
        if {} in known:
            return True
        free = sorted({s for g in known for s in g} - set(guards), key=str)
        if not known or len(free) > _MASKS:
            return False
        return all(any(all({**guards, **dict(zip(free, values))}[s] == v for s, v in g.items()) for g in known)
                   for values in itertools.product((0, 1), repeat=len(free)))

    def _partial(self, expr: sp.Expr, guards: Guards) -> Iterator[tuple[sp.Expr, Guards]]:
        stack: list[tuple[sp.Expr, Guards]] = [(expr, guards)]
        while stack:
            e, at = stack.pop()
            if isinstance(e, sp.Mul):
                inside = dict(at)
                for f in e.args:
                    inside.update(self._indicator(f))
                stack += [(f, inside) for f in e.args if not self._indicator(f)]
            elif isinstance(e, sp.Pow):
                if not (e.exp.is_Integer and e.exp.is_positive):
                    yield from ((b, at) for b in _bases(e.base) if not self.has_value(b))
                stack += [(a, at) for a in e.args]
            else:
                stack += [(a, at) for a in e.args]

    def _indicator(self, factor: sp.Expr) -> Guards:
        base = factor.base if isinstance(factor, sp.Pow) and factor.exp.is_positive else factor
        if base in self.indicators:
            return {base: 1}
        if isinstance(base, sp.Add):
            for s in base.free_symbols & self.indicators:
                if sp.expand(base - (1 - s)) == 0 or sp.expand(base + (1 - s)) == 0:
                    return {s: 0}
        return {}


def _bases(base: sp.Expr) -> Iterator[sp.Expr]:
    """Yield what must not vanish, or not be negative, for a power of the base: its factors."""
    for f in sp.Mul.make_args(base):
        inner = f.as_base_exp()[0] if isinstance(f, sp.Pow) else f
        if not inner.is_number:
            yield inner if not inner.could_extract_minus_sign() else -inner
