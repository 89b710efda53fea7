"""The zero of a gradient, stated as a linear equation: the normal equations of linear and ridge regression."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from symgrad.api import Derivation, derive
from symgrad.engine.evaluate import distinct_sizes, evaluate, random_env
from symgrad.engine.linear import Linear, linear_equation
from symgrad.errors import InputError
from symgrad.graph.node import Node, topological
from symgrad.graph.text import to_text
from symgrad.language.expression import Expression, Scope
from symgrad.render.latex import node_to_latex


@dataclass(frozen=True)
class Stationary:
    """The equation matrix @ w = rhs, which holds exactly where the gradient of `derivation` is zero.

    Formula: matrix @ w = rhs, or w @ matrix = rhs where not `left`.
    Shapes: the matrix is square, rhs as w.
    Raises: nothing; `stationary` does.
    Source: Bishop (2006), eq. 3.15.

    >>> import symgrad as sg
    >>> sg.stationary("x: (n,); m: (n,); A: (n, n); L = (x - m) @ A @ (x - m)", "x").matrix
    A + A.T
    """

    derivation: Derivation
    equation: Linear

    @property
    def variable(self) -> Node:
        """The variable of the equation."""
        return self.derivation.record.wrt[0]

    @property
    def matrix(self) -> Expression:
        """The matrix beside the variable."""
        return self._expression(self.equation.matrix)

    @property
    def rhs(self) -> Expression:
        """The right-hand side."""
        return self._expression(self.equation.rhs)

    @property
    def left(self) -> bool:
        """Whether the matrix stands on the left of the variable."""
        return self.equation.left

    def text(self) -> str:
        """The equation as text."""
        names, w = self._names(), self.variable
        return f"{to_text(self.equation.value(w), names)} = {to_text(self.equation.rhs, names)}"

    def latex(self) -> str:
        """The equation in LaTeX."""
        names, w = self._names(), self.variable
        return f"{node_to_latex(self.equation.value(w), names)} = {node_to_latex(self.equation.rhs, names)}"

    def __str__(self) -> str:
        return self.text()

    def verify(self, *, digits: int = 50, seed: int = 0) -> bool:
        """Prove the derivation, and the equation: at random points both sides differ by a multiple of the gradient."""
        r = self.derivation.record
        difference = self.equation.value(self.variable) - self.equation.rhs
        gradient = r.resolved[self.variable]
        sizes = distinct_sizes([r.loss])
        point = random_env([r.loss], random.Random(seed), sizes, 2 * digits)  # noqa: S311  # test points, no secrets
        a, g = evaluate([difference, gradient], point, digits=2 * digits, sizes=sizes)
        pivot = max(range(g.size), key=lambda k: abs(g.flat[k]))
        ratio = a.flat[pivot] / g.flat[pivot]
        scale = max(abs(x) for x in a.flat) * type(ratio)(10) ** (8 - digits)
        proportional = all(abs(x - ratio * y) <= scale for x, y in zip(a.flat, g.flat))
        return bool(ratio != 0 and proportional and self.derivation.verify(digits=digits, seed=seed).ok)

    def _names(self) -> dict[Node, str]:
        r, w = self.derivation.record, self.variable
        return {n: s for n, s in r.names.items() if n in r.given and w not in topological([n])}

    def _expression(self, node: Node) -> Expression:
        scope = self.derivation.scope
        return Expression(node, scope=Scope(self._names(), scope.origin, self.derivation.record.calls, scope.bindings))


def stationary(what: Any, wrt: Any = None, *, kink: str = "policy") -> Stationary:
    """State where the gradient by one variable is zero, as an equation linear in that variable.

    Formula: dL/dw = 0 as A @ w = b, a common factor left out.
    Shapes: w is (d,), (d, k) or (n, d); A is square, b as w.
    Raises: NotExpressible where the gradient is not linear in the variable; InputError for several variables.
    Source: Bishop (2006), eq. 3.15.

    >>> import symgrad as sg
    >>> e = sg.stationary("X: (n, d); w: (d,); y: (n,); a: (); L = mean((X @ w - y)**2) + a*sum(w**2)", "w")
    >>> print(e)
    (n*a*eye(d) + X.T @ X) @ w = X.T @ y
    """
    d = derive(what, wrt, kink=kink)
    r = d.record
    if len(r.wrt) != 1:
        raise InputError(f"an equation has one variable; this loss has {', '.join(d.wrt)}: give wrt=...")
    (w,) = r.wrt
    forward = topological([r.loss])
    own = {n: s for n, s in r.names.items() if n in r.given}
    return Stationary(d, linear_equation(r.resolved[w], w, own, forward))
