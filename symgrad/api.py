"""What a user calls: derive, grad, compile, lambdify, and the Derivation that holds a recorded run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from symgrad.engine.assumptions import Assumption, Part
from symgrad.engine.derivation import Call, Record, Step
from symgrad.engine.derive import derive as derive_nodes
from symgrad.engine.proof import expand_definitions
from symgrad.engine.ranges import consistent
from symgrad.engine.recognise import recognise
from symgrad.engine.reverse import depends_on
from symgrad.engine.stabilise import stabilise
from symgrad.engine.structure import structured as by_free_entries
from symgrad.engine.verdict import Verification
from symgrad.engine.verify import verify
from symgrad.errors import (
    InputError,
    LimitExceeded,
    NonScalarLoss,
    NoRule,
    NotExpressible,
    SymgradError,
    UnknownName,
    suggest,
)
from symgrad.files import write
from symgrad.graph.node import Node, reduce_sum, topological, variables
from symgrad.graph.text import to_text
from symgrad.kernels.assumed import AssumptionCheck, CheckedKernel
from symgrad.kernels.choose import choose
from symgrad.kernels.compile import compile_nodes
from symgrad.kernels.functions import compile_function
from symgrad.kernels.kernel import Kernel
from symgrad.language.assume import facts_of_text
from symgrad.language.composites import BY_NAME as COMPOSITES
from symgrad.language.convolution import CONVOLUTIONS
from symgrad.language.expression import Expression, Scope
from symgrad.language.network import Network, as_network
from symgrad.language.saved import record_from_plain, record_to_plain
from symgrad.language.sympy_io import Context, lower
from symgrad.language.text_io import parse
from symgrad.render.html import derivation_to_html
from symgrad.render.latex import derivation_to_latex
from symgrad.render.markdown import derivation_to_markdown
from symgrad.render.plain import derivation_to_text
from symgrad.render.style import PLAIN, Style
from symgrad.render.tex_document import tex_to_pdf
from symgrad.rules.arrays import passing
from symgrad.shapes import show

KINKS = ("policy", "left", "mean", "right")


class Derivation:
    """A recorded derivation: its steps, its results, and every way to read, check and keep them.

    Formula: the steps of the block of t read dL/dt = before = after = ...
    Shapes: each result has the shape of its variable.
    Raises: InputError and UnknownName where one of several gradients is asked for wrongly.
    Source: Bishop (2006), section 5.3.

    >>> import sympy as sp, symgrad as sg
    >>> z, y = sp.symbols("z y", real=True)
    >>> d = sg.derive(sg.bce(sg.sigmoid(z), y), z)
    >>> d.result
    -y + sigmoid(z)
    >>> d.verify().ok
    True
    """

    def __init__(self, record: Record, scope: Scope, style: Style = PLAIN) -> None:
        self.record = record
        self.scope = scope
        self.style = style

    # --- results ------------------------------------------------------------------------------------------------------

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every rewrite, in order."""
        return self.record.steps

    @property
    def wrt(self) -> tuple[str, ...]:
        """The names of what was differentiated by."""
        return tuple(self._name(w) for w in self.record.wrt)

    @property
    def result(self) -> Any:
        """The gradient: in SymPy where SymPy can write it, else an Expression."""
        if len(self.record.wrt) != 1:
            raise InputError(
                f"this derivation has {len(self.record.wrt)} gradients ({', '.join(self.wrt)}): "
                f"ask for one with d[name].result, or for all with d.results"
            )
        expression = self.expression
        try:
            return expression.to_sympy()
        except NotExpressible:
            return expression

    @property
    def results(self) -> dict[Any, Any]:
        """Variable -> gradient; the keys are the user's own symbols where there are any, and names otherwise."""
        return {self.scope.origin.get(self._name(w), self._name(w)): self._one(w).result for w in self.record.wrt}

    @property
    def expression(self) -> Expression:
        """The gradient as an Expression."""
        if len(self.record.wrt) != 1:
            raise InputError("ask for one gradient: d[name].expression")
        return self._expression(self.record.results[self.record.wrt[0]])

    @property
    def free_symbols(self) -> set[Any]:
        """The SymPy symbols of the results."""
        return set().union(*(self._expression(r).free_symbols for r in self.record.results.values()))

    def to_sympy(self) -> Any:
        """The result in SymPy, a dict of them where there are several. Raises: NotExpressible."""
        if len(self.record.wrt) == 1:
            return self.expression.to_sympy()
        return {k: self._one(w).expression.to_sympy() for k, w in zip(self.results, self.record.wrt)}

    def __getitem__(self, which: Any) -> Derivation:
        return self._one(self._node(which))

    def __contains__(self, which: object) -> bool:
        try:
            self._node(which)
        except (UnknownName, InputError):
            return False
        return True

    def _expression(self, node: Node) -> Expression:
        own = {n: s for n, s in self.record.names.items() if n in self.record.given}
        r = self.record
        return Expression(node, scope=Scope(own, self.scope.origin, r.calls, self.scope.bindings, r.assumptions,
                                             self.scope.inputs))

    def _name(self, node: Node) -> str:
        return self.record.names.get(node) or node.name

    def _node(self, which: Any) -> Node:
        if isinstance(which, Expression):
            which = which.node
        if isinstance(which, Node):
            if which in self.record.values:
                return which
            which = getattr(which, "attr", ("",))[0] if which.op == "var" else to_text(which, self.record.names)
        name = which if isinstance(which, str) else getattr(which, "name", None)
        if not isinstance(name, str):
            raise InputError(f"a gradient is looked up by name or symbol, not by a {type(which).__name__}")
        known = {self._name(n): n for n in self.record.values}
        if name not in known:
            raise UnknownName(
                f"this derivation has no gradient by {name!r}.{suggest(name, known)} "
                f"It has: {', '.join(list(known)[:20])}"
            )
        return known[name]

    def _one(self, node: Node) -> Derivation:
        r = self.record
        if r.wrt == (node,):
            return self
        needed, todo = set(), [node]
        while todo:
            t = todo.pop()
            if t in needed:
                continue
            needed.add(t)
            for s in r.steps:
                if s.target is t:
                    todo += [n.args[1] for n in topological([s.before, s.after], _above(r)) if n.op == "bar"]
        result = r.results.get(node) or r.closed.get(node) or r.resolved[node]
        steps = tuple(s for s in r.steps if s.target in needed or s.target is r.loss)
        return Derivation(
            Record(
                loss=r.loss,
                wrt=(node,),
                names=r.names,
                given=r.given,
                calls=r.calls,
                steps=steps,
                values=r.values,
                results={node: result},
                resolved=r.resolved,
                closed=r.closed,
                kinks=r.kinks,
                options=r.options,
                assumptions=r.assumptions,
                reserved=r.reserved,
            ),
            self.scope,
            self.style,
        )

    # --- checking -----------------------------------------------------------------------------------------------------

    def verify(self, *, digits: int = 50, seed: int = 0) -> Verification:
        """Prove every step again and say how; see `symgrad.engine.verify`.

        The verdict is `ok` where every check holds; `failures` are those that are false, `unchecked` those about which
        nothing can be said, as where no point of the domain is found. Raises: InputError for fewer than 10 digits.
        """
        return verify(self.record, digits=digits, seed=seed, composites={**COMPOSITES, **CONVOLUTIONS}, facts=_parts)

    def compile(self, wrt: Any = None, *, check_assumptions: bool | float = False, **options: Any) -> Kernel:
        """Compile value and gradients to NumPy, from the nodes of this derivation; `wrt` asks for some of them.

        The kernel computes what was derived: where a form rests on assumptions, so does the kernel, and its source
        names them. With `check_assumptions` every call holds its arrays against all that was stated, and raises
        InputError where it does not hold; a number is the tolerance, relative to the size of the terms.
        """
        r = self.record
        if wrt is not None:
            many = wrt if isinstance(wrt, (list, tuple)) else [wrt]
            r = replace(r, wrt=tuple(dict.fromkeys(self._node(w) for w in many)))
        chosen = choose(r)
        inputs = self.scope.declared(variables([r.loss]))
        kernel = _kernel(r.loss, chosen.grads, inputs, {**chosen.names, **r.names}, r.assumptions,
                         rests=[*r.assumptions_used], **options)
        return _checked(kernel, r.assumptions, inputs, r.names, check_assumptions)

    # --- reading ------------------------------------------------------------------------------------------------------

    def styled(self, notation: str = "matrix", layout: str = "denominator") -> Derivation:
        """The same derivation, printed in another notation or layout wherever it is shown, in a notebook as well.

        `notation` is 'matrix', 'index' (entries and sums) or 'differential' (dL = <G, dW>); `layout` is 'denominator'
        (a gradient has the shape of its variable) or 'numerator' (its transpose). Raises: InputError for other words.
        """
        return Derivation(self.record, self.scope, Style(notation, layout))

    def _style(self, notation: str | None, layout: str | None) -> Style:
        return Style(notation or self.style.notation, layout or self.style.layout)

    def text(self, *, detail: str = "standard", columns: int = 100, notation: str | None = None,
             layout: str | None = None) -> str:
        """The derivation as plain text; `detail` is 'result', 'standard' or 'all', the rest as for `styled`."""
        return derivation_to_text(self.record, detail=detail, columns=columns, style=self._style(notation, layout))

    def latex(self, *, standalone: bool = False, names: Mapping[str, str] | None = None, detail: str = "standard",
              notation: str | None = None, layout: str | None = None) -> str:
        """The derivation as amsmath `align`: a fragment, or a document with `standalone`; `names` overrides symbols."""
        return derivation_to_latex(self.record, standalone=standalone, names=names, detail=detail,
                                   style=self._style(notation, layout))

    def markdown(self, *, names: Mapping[str, str] | None = None, detail: str = "standard", notation: str | None = None,
                 layout: str | None = None) -> str:
        """The derivation as Markdown with GitHub's math fences."""
        return derivation_to_markdown(self.record, names=names, detail=detail, style=self._style(notation, layout))

    def html(self, *, names: Mapping[str, str] | None = None, detail: str = "standard", notation: str | None = None,
             layout: str | None = None) -> str:
        """The derivation as one self-contained page."""
        return derivation_to_html(self.record, names=names, detail=detail, style=self._style(notation, layout))

    def to_json(self) -> str:
        """The record as JSON, for `symgrad.load`."""
        order = [v.name for v in self.scope.declared(variables([self.record.loss]))]
        return json.dumps({**record_to_plain(self.record), "inputs": order}, indent=None, separators=(",", ":"))

    def save(self, path: str | Path, *, notation: str | None = None, layout: str | None = None) -> Path:
        """Write the derivation in the format of the file's ending: .tex .html .md .json .txt .pdf.

        JSON holds the record, which is the same in every notation.
        Raises: InputError for another ending or a file that cannot be written, which then stays as it was; MissingTool
        where no TeX is installed for .pdf.
        """
        path = Path(path)
        style = self._style(notation, layout)
        chosen = {"notation": style.notation, "layout": style.layout}
        writers: dict[str, Callable[..., str]] = {
            ".tex": self.latex,
            ".html": self.html,
            ".md": self.markdown,
            ".json": self.to_json,
            ".txt": self.text,
        }
        if path.suffix == ".pdf":
            return write(path, tex_to_pdf(self.latex(standalone=True, **chosen)))  # type: ignore[arg-type]  # strings
        if path.suffix in writers:
            return write(path, writers[path.suffix](**({} if path.suffix == ".json" else chosen)))
        raise InputError(f"unknown ending {path.suffix!r}; choose one of {', '.join([*writers, '.pdf'])}")

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:  # noqa: ARG002  # Jupyter's protocol
        body = self.latex().replace("\n\n", "\n")
        return {
            "text/plain": self.text(),
            "text/markdown": self.markdown(),
            "text/latex": body,
            "text/html": derivation_to_html(self.record, fragment=True, style=self.style),
        }

    def __reduce__(self) -> tuple[Any, ...]:
        s = self.scope
        scope = Scope(dict(s.names), dict(s.origin), dict(s.calls), dict(s.bindings), (*s.assumptions,),
                      dict(s.inputs))
        return Derivation, (self.record, scope, self.style)

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<Derivation by {', '.join(self.wrt)}: {len(self.steps)} steps>"


def _parts(text: str, record: Record) -> tuple[Part, ...]:
    """Return what the text of an assumption says in the names of a record."""
    nodes = topological([record.loss, *(n for a in record.assumptions for n in a.nodes)])
    scope = {v.name: v for v in nodes if v.op == "var"} | {s: n for n, s in record.names.items()}
    sizes = {s.name for n in nodes for d in n.shape if not isinstance(d, int) for s in d.free_symbols}
    return tuple(p for fact in facts_of_text(text, scope, sorted(sizes)) for p in fact.parts)


def _above(record: Record) -> Any:
    """Walk a line down to names and cotangents."""
    return lambda n: () if n.op == "bar" or n in record.names else n.args


# --- reading what is to be differentiated -----------------------------------------------------------------------------


def _network(thing: Any) -> Network:
    """Return the network of whatever a user may hand in; text is parsed, never executed."""
    if isinstance(thing, str):
        return parse(thing)
    if isinstance(thing, Derivation):
        return as_network(thing.expression)
    return as_network(thing)


def _chosen(net: Network, wrt: Any, what: str) -> list[Node]:
    """Return the nodes that `wrt` means; without it, every real variable."""
    if wrt is None:
        below = set(topological([net.output]))
        found = [v for v in net.inputs.values() if v in below and v.attr[1] == "real"]
        if not found:
            raise UnknownName(f"{what}: the loss has no variable to differentiate by")
        return found
    many = list(wrt) if isinstance(wrt, (list, tuple, set, frozenset)) else [wrt]
    if not many:
        raise InputError(f"{what}: wrt is empty; name at least one variable")
    nodes = [net.variable(w) for w in many]
    return list(dict.fromkeys(nodes))


def _assuming(net: Network, facts: Any) -> tuple[Assumption, ...]:
    """Return what the network states, and `facts` beside it, which stay out of the network."""
    more = facts if isinstance(facts, (list, tuple)) else [facts]
    found = (*dict.fromkeys((*net.stated, *(a for fact in more for a in net.facts(fact)))),)
    consistent(found)
    return found


def _refuse_whole(net: Network, chosen: Sequence[Node]) -> None:
    """Refuse to differentiate by whole numbers, and by what reaches the loss through whole numbers alone."""
    below = dict.fromkeys(topological([net.output]))
    reached = set(topological([net.output], passing))
    for w in chosen:
        name = net.names.get(w) or w.name
        if w.op == "var" and w.attr[1] != "real":
            real = [v.name for v in net.inputs.values() if v in below and v.attr[1] == "real"]
            raise InputError(f"{name} holds integers, which have no derivative: it is declared int{show(w.shape)}. "
                             f"Differentiate by {' or '.join(real[:6]) or 'a real variable'}")
        if w in below and w not in reached:
            inside = depends_on([net.output], [w])
            at = next(n for n in below if any(a in inside for a in n.args) and not any(a in inside for a in passing(n)))
            raise NoRule(f"{net.output_name} depends on {name} only through {to_text(at, net.names)}, which holds or "
                         f"takes whole numbers: there is no derivative by {name}. max, softmax or "
                         f"take_along_axis(x, argmax(x, axis=1, keepdims=True), axis=1) have one")


def _record(net: Network, wrt: Any, expand: Any, kink: str, assume: Any = ()) -> Record:
    if kink not in KINKS:
        raise InputError(f"kink is {kink!r}; it may be {', '.join(map(repr, KINKS))}")
    chosen = _chosen(net, wrt, "derive")
    output = net.output
    if any(d != 1 for d in output.shape):
        raise NonScalarLoss(
            f"a gradient needs a scalar loss; {net.output_name} has shape {show(output.shape)}: "
            f"reduce it with sum(...) or mean(...)"
        )
    _refuse_whole(net, chosen)
    stated = _assuming(net, assume)
    said = [n for a in stated for n in a.nodes]
    roots = [output, *chosen, *net.names, *(a for c in net.calls.values() for a in c.args), *net.calls, *said]
    before: tuple[Step, ...] = ()
    if expand is True:
        new = expand_definitions(roots)
    else:
        new, applied = recognise(expand_definitions(roots, _names(expand)) if expand else roots, stated)
        below = set(topological([new[0]]))
        before = tuple(
            dict.fromkeys(
                Step("recognise", a.before, a.after, new[0], f"recognised as {_function(a.after)}",
                     assumptions=a.assumptions)
                for a in applied
                if a.after in below
            )
        )
    if output.shape:
        # a loss of one entry in a matrix is the scalar in it
        new[0] = reduce_sum(new[0])
    became = dict(zip(roots, new))
    names = {became.get(n, n): s for n, s in net.names.items() if not (net.unnamed and s == net.output_name)}
    calls = {became[n]: replace(c, args=tuple(became[a] for a in c.args)) for n, c in net.calls.items()}
    return derive_nodes(
        new[0],
        [became[w] for w in chosen],
        names,
        hints=_hints(calls, names),
        calls=calls,
        kink=kink,
        before=before,
        loss_name=net.output_name,
        reserved=net.taken,
        assumptions=[
            Assumption(a.text, tuple((op, became[x], tuple(became[n] for n in right)) for op, x, right in a.parts))
            for a in stated
        ],
    )


def _names(expand: Any) -> frozenset[str]:
    """Return the names of the functions that are to be expanded."""
    many = [expand] if isinstance(expand, str) or not isinstance(expand, Iterable) else list(expand)
    names = [getattr(f, "name", f) for f in many]
    if not all(isinstance(name, str) for name in names):
        raise InputError(f"expand is True, False, or the names of functions, not {str(expand)[:60]!r}")
    return frozenset(names)


def _function(node: Node) -> str:
    """Return the function that a recognised expression applies, in a product or behind a minus if need be."""
    found = [n.op for n in topological([node]) if n.is_elementwise and n.op not in ("neg", "mul", "div", "add", "sub")]
    return found[-1] if found else node.op


def _hints(calls: Mapping[Node, Call], names: Mapping[Node, str]) -> dict[Node, str]:
    """Arguments of composites take the names of their parameters: the first argument of bce is p."""
    out: dict[Node, str] = {}
    for call in calls.values():
        row = COMPOSITES.get(call.name)
        for argument, parameter in zip(call.args, row.params if row is not None and row.entrywise else ()):
            if not argument.is_leaf and argument not in names and argument.is_elementwise:
                out.setdefault(argument, parameter)
    return out


def derive(
    what: Any, wrt: Any = None, *, expand: Any = False, kink: str = "policy", assume: Any = (),
    structured: bool = False,
) -> Derivation:
    """Derive the gradient of a scalar, step by step.

    `what` is a SymPy expression, an Expression, a Network or text; `wrt` a symbol, a name or a list of them, every
    variable without it. `expand` writes functions in their definitions first, all of them or those named. `kink`
    chooses the derivative where there is none: 'policy', 'left', 'mean' or 'right'. `assume` states facts about values,
    as `Network.assume` takes them, beside those of the network: they are used where they make a gradient shorter, and
    listed. With `structured` the derivative by a matrix that is assumed symmetric, X == X.T, takes X_ij and X_ji for
    one variable; so with -X.T, tril(X), triu(X) and diag(diag(X)).

    Formula: dL/dx = sum over the uses u of x of (dL/du) (du/dx).
    Shapes: each gradient as its variable.
    Raises: NonScalarLoss, UnknownName for a `wrt` that does not occur, NoRule, ParseError for text.
    Source: Bishop (2006), section 5.3.

    >>> import symgrad as sg
    >>> d = sg.derive("bce(sigmoid(z), y)", "z")
    >>> print(d.expression)
    sigmoid(z) - y
    """
    net = _network(what)
    record = _record(net, wrt, expand, kink, assume)
    return Derivation(by_free_entries(record) if structured else record, net.scope)


def grad(
    what: Any, wrt: Any = None, *, kink: str = "policy", assume: Any = (), structured: bool = False
) -> Any:
    """Return the gradient in closed form: an Expression, or a dict of them by name where `wrt` is several.

    Formula: dL/dx, the results of `derive`, which says what `assume` and `structured` mean.
    Shapes: each gradient as its variable.
    Raises: as `derive`.
    Source: Bishop (2006), section 5.3.

    >>> import symgrad as sg
    >>> sg.grad("X: (n, d); w: (d,); y: (n,); L = mean(bce(sigmoid(X @ w), y))", "w")
    X.T @ (sigmoid(X @ w) - y) / n
    """
    d = derive(what, wrt, kink=kink, assume=assume, structured=structured)
    if len(d.record.wrt) == 1 and not isinstance(wrt, (list, tuple)):
        return d.expression
    return {n: d[n].expression for n in d.wrt}


def _kernel(
    loss: Node, grads: Mapping[str, Node] | None, inputs: Sequence[Node], names: Mapping[Node, str],
    assumptions: Sequence[Assumption], **options: Any,
) -> Kernel:  # fmt: skip
    return compile_nodes({names.get(loss, "value"): loss}, grads, inputs, names,
                         stabilise=partial(stabilise, assumptions=assumptions), **options)


def _checked(kernel: Kernel, assumptions: Sequence[Assumption], inputs: Sequence[Node], names: Mapping[Node, str],
             asked: bool | float) -> Kernel:
    """Return a kernel that checks assumptions at each call, where that is asked for."""
    if asked is False or not assumptions:
        return kernel
    known = {v.name for v in inputs}
    held = [a for a in assumptions if all(v.name in known for v in a.variables)]
    return CheckedKernel(kernel, AssumptionCheck(held, inputs, names, 0.0 if asked is True else float(asked)))


def compile(
    what: Any, wrt: Any = None, target: str = "numpy", *, kink: str = "policy", assume: Any = (),
    structured: bool = False, check_assumptions: bool | float = False, **options: Any,
) -> Kernel:  # fmt: skip
    """Compile to a function of arrays by name: the value, and with `wrt` its gradients in the same call.

    `what` is whatever `derive` takes, a Derivation (value and gradients of it) or a result; `assume` as there. With
    `check_assumptions` each call holds its arrays against what is assumed, see `Derivation.compile`.
    Formula: f(**arrays) -> value, or (value, {name: gradient}).
    Shapes: as declared; sizes are read from the arrays.
    Raises: InputError for an unknown target, NoRule for a function without code.
    Source: the nodes of the derivation, in the stable forms of `symgrad.rules.stability`.

    >>> import numpy as np, symgrad as sg
    >>> f = sg.compile("bce(sigmoid(z), y)", wrt="z")
    >>> value, grads = f(z=np.array(0.0), y=np.array(1.0))
    >>> float(grads["z"])
    -0.5
    """
    if target != "numpy":
        raise InputError(f"unknown target {target!r}; there is 'numpy'")
    if isinstance(what, Derivation):
        if check_assumptions is not False:
            options = {**options, "check_assumptions": check_assumptions}
        return what.compile(wrt, **options)
    net = _network(what)
    output = net.output
    if wrt is None:
        stated = _assuming(net, assume)
        new, applied = recognise([output], stated)
        below = set(topological(new))
        inputs = [v for v in net.inputs.values() if v in below]
        rests = dict.fromkeys(text for a in applied for text in a.assumptions)
        kernel = _kernel(new[0], None, inputs, dict(net.names), stated, rests=[*rests], **options)
        return _checked(kernel, stated, inputs, net.names, check_assumptions)
    d = derive(net, wrt, kink=kink, assume=assume, structured=structured)
    return d.compile(check_assumptions=check_assumptions, **options)


def lambdify(args: Any, expr: Any) -> Any:
    """Return a function of the arguments in their order, safe with any name and accurate where SymPy's loses digits.

    The drop-in beside `sympy.lambdify`: the result has the broadcast shape of the arguments, always.
    Formula: args -> expr.
    Shapes: every result has the broadcast shape of the arguments.
    Raises: InputError for a symbol that is not among `args`.
    Source: the stable forms of `symgrad.rules.stability`.

    >>> import numpy as np, sympy as sp, symgrad as sg
    >>> x = sp.Symbol("x")
    >>> sg.lambdify([x], sp.Integer(1))(np.zeros(3))
    array([1., 1., 1.])
    """
    many = list(args) if isinstance(args, (list, tuple)) else [args]
    context = Context()
    several = isinstance(expr, (list, tuple))
    wanted = expr if several else [expr]
    nodes = [e.node if isinstance(e, Expression) else lower(e, context, condition=True) for e in wanted]
    given = [a.node if isinstance(a, Expression) else lower(a, context) for a in many]
    roots, _ = recognise(nodes)
    return compile_function(given, roots if several else roots[0])


# --- keeping ----------------------------------------------------------------------------------------------------------


MOST_BYTES = 2**26  # of a saved derivation; a network of 1000 layers takes 2 million
# what data of a wrong form raises on the way to a record
MALFORMED = (SymgradError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)


def read_json(path: str | Path) -> Any:
    """Return what a file of `Derivation.save` holds. Raises: InputError."""
    try:
        with Path(path).open("rb") as file:
            text = file.read(MOST_BYTES + 1)
        if len(text) > MOST_BYTES:
            raise LimitExceeded(f"{path} holds more than {MOST_BYTES} bytes, the limit for a saved derivation")
        return json.loads(text.decode("utf-8-sig"), object_pairs_hook=_once, parse_constant=_no_number)
    except OSError as e:
        raise InputError(f"{path} cannot be read: {e.strerror}. Give the path that Derivation.save returned") from None
    except (ValueError, RecursionError) as e:
        raise unreadable(path, e) from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):  # two readers could see two derivations in one file
        raise ValueError(f"a key stands twice among {', '.join(k for k, _ in pairs)[:80]}")
    return made


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no number of JSON")


def load_derivation(path: str | Path, data: Any) -> Derivation:
    """Return the derivation that was stored as this data. Raises: InputError."""
    try:
        record = record_from_plain(data)
        known = {v.name: v for v in variables([record.loss])}
        inputs = {str(n): known[n] for n in data.get("inputs", ())}
    except MALFORMED as e:
        raise unreadable(path, e) from None
    return Derivation(record, Scope(record.names, assumptions=record.assumptions, inputs=inputs))


def unreadable(path: str | Path, error: Exception) -> InputError:
    """Return the error that says why a file holds no derivation."""
    if isinstance(error, KeyError):
        why = f"the key {error} is missing"
    elif isinstance(error, RecursionError):
        why = "it is nested too deeply"
    else:
        why = str(error) if isinstance(error, SymgradError) else f"{type(error).__name__}: {error}"
    return InputError(f"{path} does not hold a saved derivation ({why:.300}); write one with "
                      f"Derivation.save('name.json')")
