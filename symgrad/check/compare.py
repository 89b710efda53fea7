"""One network, one point, every method: the derived kernel, the tape, the complex step, central differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symgrad import api
from symgrad.check.compare_jacobian import compare_jacobian
from symgrad.check.comparison import Comparison
from symgrad.check.methods import Report, compare_functions
from symgrad.engine.rows import row_of
from symgrad.errors import InputError, NonScalarLoss, ShapeError, UnknownName, suggest
from symgrad.graph.node import Node, describe, topological, variables
from symgrad.graph.text import plain_name
from symgrad.jacobians.result import Jacobian
from symgrad.kernels.assumed import AssumptionCheck
from symgrad.kernels.checks import read
from symgrad.kernels.functions import plain_function
from symgrad.kernels.names import shown
from symgrad.language.expression import Expression
from symgrad.language.network import Network, as_network
from symgrad.language.text_io import parse
from symgrad.rules.arrays import array_row
from symgrad.shapes import bind, show
from symgrad.tape import value_and_grad

Array: TypeAlias = NDArray[Any]

_EPS = float(np.finfo(float).eps)
_VALUE = 2.0**20  # roundings that the value of a kernel may be off by
METHODS = ("symbolic", "tape", "complex", "central")


def compare(net: Any, at: Mapping[Any, Any], wrt: Any = None, *, methods: Sequence[str] = METHODS,
            entries: int | None = 10_000, kernel: Callable[..., Any] | None = None,
            check_assumptions: bool | float = False, progress: Report | None = None) -> Comparison:
    """Compare the gradients of a network by every method at the arrays `at`, entry by entry.

    `net` is a network, its text, an Expression, a node or a SymPy expression, or a Hessian or Jacobian, which is
    compared with differences of the tape's gradient, of the complex step, and of the primal. Without `wrt` all real
    variables are compared. 'complex' is left out, and a note says so, where a function is not analytic (relu, abs,
    maximum). Where a kink lies within reach of the differences, they step back from it; an entry on a kink has the
    verdict 'kink' if its value lies between the derivatives of both sides. Differences are taken of the loss in its
    stable form; tape and complex step run the loss as written, and are trusted to as many digits as its value has
    there. `kernel` may be any f(**arrays) -> (value, gradients) to be judged in place of the derived one; its value is
    held against the loss. A derived gradient that rests on assumptions is right where they hold: a note names them, and
    `check_assumptions` refuses arrays that violate them.
    Formula: agree where |a - b| <= error_a + error_b, see `compare_gradients`.
    Shapes: each gradient as its variable; the arrays of `at` as declared.
    Raises: InputError for a missing array or an unknown method, UnknownName, ShapeError, NonScalarLoss.
    Source: the errors stated by each method; `central_difference`, `complex_step`.

    >>> from symgrad.graph.node import apply, reduce_mean, var
    >>> w, x = var("w", (3,)), var("x", ("n", 3))
    >>> loss = reduce_mean(apply("tanh", x @ w))
    >>> c = compare(loss, {"w": [0.1, 0.2, 0.3], "x": [[1.0, 2.0, 0.5], [-1.0, 0.3, 2.0]]}, wrt="w")
    >>> c.ok, list(c.gradients)
    (True, ['symbolic', 'tape', 'complex step', 'central'])
    """
    unknown = [m for m in methods if m not in METHODS]
    if unknown:
        raise InputError(f"there is no method {unknown[0]!r}; there are {', '.join(METHODS)}."
                         + suggest(unknown[0], METHODS))
    if isinstance(net, Jacobian):
        return compare_jacobian(net if wrt is None else net[wrt], at, methods=methods, kernel=kernel)
    network = _network(net)
    loss = network.output
    if any(d != 1 for d in loss.shape):
        raise NonScalarLoss(f"a comparison needs a scalar loss, {network.output_name} has shape {show(loss.shape)}: "
                            f"take its sum or mean")
    inputs = {v.name: v for v in variables([loss])}
    arrays = _arrays(network, inputs, at)
    chosen = _chosen(network, wrt, inputs)

    stable = api.compile(network)
    plain = _quiet(plain_function(loss, list(inputs.values())))
    lost = _lost_digits(stable, plain, arrays)
    if check_assumptions is not False:
        allowed = 0.0 if check_assumptions is True else float(check_assumptions)
        AssumptionCheck(network.stated, [*network.inputs.values()], dict(network.names), allowed)(arrays)
    notes = []
    if not np.isfinite(lost) and {"tape", "complex"} & set(methods):
        notes.append("tape and complex step left out: the loss as written overflows here")
    usable = [m for m in methods if np.isfinite(lost) or m not in ("tape", "complex")]
    elementwise = [row_of(n) for n in topological([loss]) if n.is_elementwise]
    whole = [array_row(n) for n in topological([loss]) if n.op == "array"]
    rough = sorted({r.name for r in elementwise if not r.analytic} | {r.name for r in whole if not r.analytic})
    if "complex" in usable and rough:
        notes.append(f"complex step left out, not analytic: {', '.join(rough)}")
        usable.remove("complex")

    exact: dict[str, Callable[..., Mapping[str, Any]]] = {}
    problems: list[str] = []
    if kernel is not None:
        own = _returned(kernel, chosen, arrays)
        value, right = own(**arrays)[0], float(np.reshape(stable(**arrays), ()))
        widest = max((np.finfo(a.dtype).eps for a in arrays.values() if a.dtype.kind == "f"), default=_EPS)
        if np.isfinite(lost) and not abs(value - right) <= (_VALUE * widest + lost) * max(abs(right), _VALUE * widest):
            problems.append(f"the kernel gives the value {value:.6g}, and the loss is {right:.6g}")
        exact["kernel"] = lambda **given: own(**given)[1]
    elif "symbolic" in usable:
        f = api.compile(network, wrt=chosen)
        if network.stated:
            used = api.derive(network, chosen).record.assumptions_used
            notes += [f"the derived gradient assumes {plain_name(text)}" for text in used]
        exact["symbolic"] = lambda **given: dict(f(**given)[1])
    if "tape" in usable:
        taped = _quiet(value_and_grad(plain, wrt=chosen))
        exact["tape"] = lambda **given: dict(taped(**given)[1])
    found = compare_functions(
        stable, exact, arrays, chosen, numeric=[m for m in ("complex", "central") if m in usable], analytic=plain,
        doubt={"tape": lost, "complex step": lost}, signs=kink_signs(loss, inputs), entries=entries, progress=progress,
        notes=notes,
    )  # fmt: skip
    return replace(found, problems=tuple(problems))


def _returned(kernel: Callable[..., Any], wrt: Sequence[str],
              arrays: Mapping[str, Any]) -> Callable[..., tuple[float, dict[str, Any]]]:
    """Return a kernel of the user's, its answer looked at: a value, and a gradient in the shape of each variable."""
    form = "kernel= is a function f(**arrays) that returns (value, {name: gradient})"

    def run(**given: Any) -> tuple[float, dict[str, Any]]:
        out = kernel(**given)
        if not (isinstance(out, tuple) and len(out) == 2 and np.size(out[0]) == 1 and isinstance(out[1], Mapping)):
            raise InputError(f"{form}; it returned a {type(out).__name__}"
                             + (f" of {len(out)}" if isinstance(out, tuple) else ""))
        missing = [n for n in wrt if n not in out[1]]
        if missing:
            raise InputError(f"{form}; it returned no gradient by {', '.join(map(shown, missing))}")
        for n in wrt:
            if np.shape(out[1][n]) != np.shape(arrays[n]):
                raise ShapeError(f"the kernel's gradient by {shown(n)} has shape {np.shape(out[1][n])}; {shown(n)} has "
                                 f"shape {np.shape(arrays[n])}, and a gradient has the shape of its variable")
        return float(np.reshape(out[0], ())), {n: out[1][n] for n in wrt}

    return run


def _quiet(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function without NumPy's warnings: the loss as written may overflow, which is judged by its value."""

    def quiet(**arrays: Any) -> Any:
        with np.errstate(all="ignore"):
            return function(**arrays)

    return quiet


def _lost_digits(stable: Callable[..., Any], plain: Callable[..., Any], arrays: Mapping[str, Any]) -> float:
    """Return the share of its value by which the loss as written is off; its gradient is no better."""
    wide = {k: v.astype(np.float64) if v.dtype.kind == "f" else v for k, v in arrays.items()}
    value = float(np.reshape(stable(**wide), ()))
    other = float(np.reshape(plain(**wide), ()))
    if not np.isfinite(other):
        return float("inf")
    return abs(value - other) / abs(value) if value else 0.0


def kink_signs(loss: Node, inputs: Mapping[str, Node]) -> Callable[..., Array] | None:
    """Return the signs of all arguments whose zeros have no derivative, as a function; None where there are none.

    >>> from symgrad.graph.node import apply, var
    >>> x = var("x", (3,))
    >>> kink_signs(apply("relu", x), {"x": x})(x=np.array([-2.0, 0.0, 5.0])).tolist()
    [-1.0, 0.0, 1.0]
    """
    kinked = [n for n in topological([loss]) if n.is_elementwise and row_of(n).kink is not None]
    if not kinked:
        return None
    arguments = list(dict.fromkeys(_kink(n) for n in kinked))
    values = plain_function(arguments, list(inputs.values()))

    def signs(**arrays: Any) -> Array:
        return np.concatenate([np.sign(np.ravel(v)) for v in values(**arrays)])

    return signs


def _kink(node: Node) -> Node:
    row = row_of(node).kink
    assert row is not None  # filtered by the caller
    return row(*node.args)


def _network(net: Any) -> Network:
    return parse(net) if isinstance(net, str) else as_network(Expression(net) if isinstance(net, Node) else net)


def _arrays(network: Network, inputs: Mapping[str, Node], at: Mapping[Any, Any]) -> dict[str, Any]:
    given = {network.variable(k).name: v for k, v in at.items()}
    missing = [n for n in inputs if n not in given]
    if missing:
        raise InputError(f"missing in `at`: {', '.join(f'{n} {show(inputs[n].shape)}' for n in missing)}")
    out: dict[str, Any] = {}
    sizes: dict[str, int] = {}
    for n, node in inputs.items():
        array = np.asarray(read(shown(n), given[n]), order="C")
        bind(node.shape, array.shape, sizes, n)
        # beyond double precision not every method has the digits that its errors would be stated in
        narrow = array.dtype.kind == "f" and array.dtype.itemsize <= 8
        out[n] = array if node.attr[1] == "int" or narrow else array.astype(np.float64)
    return out


def _chosen(network: Network, wrt: Any, inputs: Mapping[str, Node]) -> list[str]:
    real = {v: n for n, v in inputs.items() if v.attr[1] == "real"}
    if wrt is None:
        return list(real.values())
    nodes = [network.variable(w) for w in (wrt if isinstance(wrt, (list, tuple)) else [wrt])]
    for node in nodes:
        if node not in real:
            raise UnknownName(f"the loss has no real variable {describe(node)}; it has {', '.join(real.values())}")
    return [real[node] for node in nodes]
