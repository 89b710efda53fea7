"""Jacobian: a derivation in stages, of a Jacobian, a Hessian or a product with one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sympy as sp

from symgrad.api import Derivation
from symgrad.engine.derivation import Step
from symgrad.engine.reading import Reading
from symgrad.engine.stabilise import stabilise
from symgrad.engine.verdict import Verification
from symgrad.engine.verify_reading import verify_stages
from symgrad.errors import InputError, NotExpressible, UnknownName, suggest
from symgrad.graph.node import Node, topological
from symgrad.jacobians.plain import reading_to_plain
from symgrad.kernels.choose import choose
from symgrad.kernels.compile import compile_nodes
from symgrad.kernels.kernel import Kernel
from symgrad.language.expression import Expression, Scope, size_names
from symgrad.language.network import fresh
from symgrad.language.saved import record_to_plain
from symgrad.render import stages
from symgrad.render.style import PLAIN, Style
from symgrad.shapes import Shape


@dataclass(frozen=True)
class Stage:
    """One gradient on the way, and what it is for."""

    title: str
    derivation: Derivation


class Jacobian(Derivation):
    """A derivation in stages, of a Jacobian, a Hessian or a product with one; it is read, checked and kept as others.

    `H["a", "b"]` is one block of several. `stages` are the gradients on the way, `readings` what was read off.
    Formula: <v, df/dx> = d<v, f>/dx for every v.
    Shapes: (*f.shape, *x.shape), a column or row counting as a vector.
    Raises: InputError and UnknownName where a block is asked for wrongly.
    Source: Pearlmutter (1994), Neural Computation 6, for the product with a Hessian.

    >>> import symgrad as sg
    >>> H = sg.hessian("x: (n,); A: (n, n); L = x @ A @ x", wrt="x")
    >>> H.expression
    A + A.T
    >>> H.verify().ok
    True
    """

    def __init__(self, made: Sequence[Stage], readings: Sequence[Reading], scope: Scope, style: Style = PLAIN) -> None:
        super().__init__(made[-1].derivation.record, scope, style)
        self.stages = tuple(made)
        self.readings = tuple(readings)

    # --- results ------------------------------------------------------------------------------------------------------

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every rewrite, in order, through all stages to what was read off."""
        return tuple(s for part in (*(d.derivation.steps for d in self.stages), *(r.steps for r in self.readings))
                     for s in part)

    @property
    def names(self) -> Mapping[Node, str]:
        """The names of all stages."""
        return {n: s for stage in self.stages for n, s in stage.derivation.record.names.items()}

    @property
    def _given(self) -> dict[Node, str]:
        """The names that the user gave, in all stages; a later stage names cotangents of the first one as well."""
        records = [s.derivation.record for s in self.stages]
        own = {s for n, s in records[0].names.items() if n in records[0].given}
        return {n: s for r in records for n, s in r.names.items() if n in r.given and s in own}

    def _expression(self, node: Node) -> Expression:
        scope = self.scope
        return Expression(node, scope=Scope(self._given, scope.origin, {}, scope.bindings, (), scope.inputs))

    @property
    def blocks(self) -> dict[tuple[str, ...], Reading]:
        """What was read off, by the names of the variables."""
        return {tuple(self._named(w) for w in r.by): r for r in self.readings}

    @property
    def wrt(self) -> tuple[str, ...]:
        """The names of what was differentiated by."""
        return tuple(dict.fromkeys(self._named(r.by[-1]) for r in self.readings))

    @property
    def expression(self) -> Expression:
        """The Jacobian or Hessian as an Expression."""
        if len(self.readings) != 1:
            raise InputError(f"ask for one block: {self._usage()}")
        return self._expression(self.readings[0].result)

    @property
    def shape(self) -> Shape:
        """The shape of the result."""
        return self.expression.shape

    @property
    def result(self) -> Any:
        """The Jacobian or Hessian: in SymPy where SymPy can write it, else an Expression.

        The Hessian by several scalars is a SymPy matrix.
        """
        if len(self.readings) > 1 and all(len(r.by) == 2 and r.result.rank == 0 for r in self.readings):
            found = {names: self._expression(r.result).to_sympy() for names, r in self.blocks.items()}
            return sp.Matrix([[found.get((a, b), found.get((b, a))) for b in self.wrt] for a in self.wrt])
        return _sympy_or_self(self.expression)

    @property
    def results(self) -> dict[Any, Any]:
        """Block -> result; the keys are the user's own symbols where there are any, pairs of them for a Hessian."""
        out = {}
        for names, r in self.blocks.items():
            keys = tuple(self.scope.origin.get(n, n) for n in names)
            out[keys if len(keys) > 1 else keys[0]] = _sympy_or_self(self._expression(r.result))
        return out

    @property
    def free_symbols(self) -> set[Any]:
        """The SymPy symbols of the results."""
        return set().union(*(self._expression(r.result).free_symbols for r in self.readings))

    def to_sympy(self) -> Any:
        """The result in SymPy, a dict of them where there are several. Raises: NotExpressible."""
        if len(self.readings) == 1:
            return self.expression.to_sympy()
        return {k: self._expression(r.result).to_sympy() for k, r in self.blocks.items()}

    def __getitem__(self, which: Any) -> Jacobian:
        keys = which if isinstance(which, tuple) else (which,)
        names = tuple(self._key(k) for k in keys)
        second = any(len(b) == 2 for b in self.blocks)
        if second and len(names) == 1:
            names = names * 2
        if names in self.blocks:
            return Jacobian(self.stages, [self.blocks[names]], self.scope, self.style)
        turned = names[::-1]
        if second and turned in self.blocks:
            raise UnknownName(f"the block {names} is the transpose of {turned}: second derivatives do not depend on "
                              f"the order. Ask for {turned}")
        known = [", ".join(map(repr, b)) for b in self.blocks]
        raise UnknownName(f"there is no block {', '.join(map(repr, names))}.{suggest(', '.join(names), known)} "
                          f"There are: {'; '.join(known[:20])}")

    def __contains__(self, which: object) -> bool:
        try:
            self[which]
        except (UnknownName, InputError):
            return False
        return True

    def _key(self, which: Any) -> str:
        name = which if isinstance(which, str) else getattr(which, "name", None)
        if isinstance(which, Expression):
            name = self._named(which.node)
        if not isinstance(name, str):
            raise InputError(f"a block is looked up by names or symbols, not by a {type(which).__name__}")
        return name

    def _usage(self) -> str:
        return ", ".join("H[" + ", ".join(map(repr, b)) + "]" for b in list(self.blocks)[:6])

    def _named(self, node: Node) -> str:
        return self.names.get(node) or node.name

    # --- checking -----------------------------------------------------------------------------------------------------

    def verify(self, *, digits: int = 50, seed: int = 0) -> Verification:
        """Prove every step of every stage, and each result against differences of the primal.

        Raises: InputError for fewer than 10 digits.
        """
        found = [s.derivation.verify(digits=digits, seed=seed) for s in self.stages]
        records = [s.derivation.record for s in self.stages]
        return verify_stages(records, found, self.readings, self.names, digits=digits, seed=seed)

    def compile(self, wrt: Any = None, *, gradient: bool = False, **options: Any) -> Kernel:
        """Compile to NumPy: f(**arrays) -> the array, or {"a, b": array} where there are several blocks.

        With `gradient` a Hessian comes with the loss and its gradients: {"L": ..., "dL/dw": ..., "w, w": ...}.
        """
        readings = self.readings if wrt is None else self[wrt].readings
        outputs = {", ".join(self._named(w) for w in r.by): r.result for r in readings}
        named = self.stages[0].derivation.record.names
        if gradient:
            first = self.stages[0].derivation.record
            chosen = choose(first)
            loss = first.names.get(first.loss, "L")
            outputs = {loss: first.loss, **{f"d{loss}/d{n}": g for n, g in chosen.grads.items()}, **outputs}
        arbitrary = {r.v for r in self.readings if r.kind != "product"}
        known = [n for d in self.stages for n in topological([d.derivation.record.loss]) if n.op == "var"]
        inputs = self.scope.declared(_told([n for n in known if n not in arbitrary], list(outputs.values())))
        plan = self._plan("result")
        title = "; ".join(stages.head_text(r, plan.names) for r in readings if r.kind != "product") + "."
        options = {"title": title, **options} if len(title) > 1 else options
        return compile_nodes(outputs, None, inputs, named, stabilise=stabilise, written=int(gradient),
                             within=[self.stages[0].derivation.record.loss], **options)

    # --- reading ------------------------------------------------------------------------------------------------------

    def styled(self, notation: str = "matrix", layout: str = "denominator") -> Jacobian:
        """The same derivation, printed in another notation or layout wherever it is shown."""
        return Jacobian(self.stages, self.readings, self.scope, Style(notation, layout))

    def _plan(self, detail: str, style: Style = PLAIN) -> stages.Plan:
        records = [s.derivation.record for s in self.stages]
        given = self._given
        shown = [r for r in self.readings if r.kind != "product"]
        losses = {r.loss: r.names[r.loss] for r in records if r.loss in r.names}
        f = fresh("f", frozenset().union(*(r.reserved for r in records)))
        named = {**{r.of: f for r in shown}, **losses, **given}
        title = "Hessian" if any(r.kind == "hessian" for r in shown) else "Jacobian"
        return stages.Plan([(s.title, s.derivation.record) for s in self.stages], shown, named, given, detail, title,
                           style)

    def text(self, *, detail: str = "standard", columns: int = 100, notation: str | None = None,
             layout: str | None = None) -> str:
        """The derivation as plain text; `detail` is 'result', 'standard' or 'all', the rest as for `styled`."""
        return stages.to_text(self._plan(detail, self._style(notation, layout)), columns=columns)

    def latex(self, *, standalone: bool = False, names: Mapping[str, str] | None = None, detail: str = "standard",
              notation: str | None = None, layout: str | None = None) -> str:
        """The derivation as amsmath `align`: a fragment, or a document with `standalone`; `names` overrides symbols."""
        return stages.to_latex(self._plan(detail, self._style(notation, layout)), standalone=standalone, names=names)

    def markdown(self, *, names: Mapping[str, str] | None = None, detail: str = "standard", notation: str | None = None,
                 layout: str | None = None) -> str:
        """The derivation as Markdown with GitHub's math fences."""
        return stages.to_markdown(self._plan(detail, self._style(notation, layout)), names=names)

    def html(self, *, names: Mapping[str, str] | None = None, detail: str = "standard", notation: str | None = None,
             layout: str | None = None) -> str:
        """The derivation as one self-contained page."""
        return stages.to_html(self._plan(detail, self._style(notation, layout)), names=names)

    def data(self) -> dict[str, Any]:
        """What was read off as plain data: for each block its shape, its formula as text and as LaTeX."""
        return stages.to_data(self._plan("result"))

    def to_json(self) -> str:
        """The records of all stages and what was read off as JSON, for `symgrad.load`."""
        return json.dumps({"stages": [[s.title, record_to_plain(s.derivation.record)] for s in self.stages],
                           "readings": [reading_to_plain(r) for r in self.readings]}, separators=(",", ":"))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:  # noqa: ARG002  # Jupyter's protocol
        return {"text/plain": self.text(), "text/markdown": self.markdown(), "text/latex": self.latex(),
                "text/html": stages.to_html(self._plan("standard", self.style), fragment=True)}

    def __reduce__(self) -> tuple[Any, ...]:
        s = self.scope
        scope = Scope(dict(s.names), dict(s.origin), dict(s.calls), dict(s.bindings), (*s.assumptions,),
                      dict(s.inputs))
        return Jacobian, (self.stages, self.readings, scope, self.style)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} by {', '.join(self.wrt)}: {len(self.steps)} steps>"


def _told(variables: Sequence[Node], outputs: Sequence[Node]) -> list[Node]:
    """Return the variables that the outputs hold, and those without which a call could not tell a size."""
    below = set(topological(outputs))
    out = [v for v in dict.fromkeys(variables) if v in below]
    for v in dict.fromkeys(variables):
        missing = size_names(below) - size_names(out)
        if v not in out and size_names([v]) & missing:
            out.append(v)
    return out


def _sympy_or_self(expression: Expression) -> Any:
    try:
        return expression.to_sympy()
    except NotExpressible:
        return expression
