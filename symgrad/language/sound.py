"""Whether nodes that were read from a file are nodes that the constructors make: known functions, shapes that fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction

from symgrad.engine import rows
from symgrad.engine.derivation import Record
from symgrad.engine.reading import Reading
from symgrad.errors import InputError, SymgradError, suggest
from symgrad.graph.node import NAMED, Node, describe, topological
from symgrad.rules.arrays import BY_NAME as ARRAYS
from symgrad.rules.elementwise import BY_NAME, PI
from symgrad.shapes import as_dim, as_shape, show

_KINDS = ("real", "int", "bound")


def check_nodes(roots: Iterable[Node]) -> None:
    """Refuse nodes below the roots that no constructor makes.

    Raises: InputError that says which.
    """
    for n in topological(roots, lambda n: (*n.args, *(v for v in n.attr if isinstance(v, Node)))):
        try:
            fault = _fault(n)
        except (SymgradError, LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
            fault = str(error) or type(error).__name__
        except StopIteration:  # fewer options than the row has
            fault = "an option is missing"
        if fault:
            raise InputError(f"a node {n.op!r:.60} of {len(n.args)} operands is none of symgrad's: {fault}")


def _fault(n: Node) -> str:
    """Return what is wrong with one node, its operands being sound; '' where nothing is."""
    if as_shape(n.shape) != n.shape or any(isinstance(d, bool) for d in n.shape):
        return "its shape is no tuple of sizes"
    if n.op in ("var", "const", "size"):
        return "a leaf has no operands" if n.args else _leaf(n)
    if n.op == "einsum":
        return _einsum(n)
    if n.op == "array":
        row = ARRAYS.get(n.attr[0])
        if row is None:
            return f"there is no array function {n.attr[0]!r:.60}.{suggest(str(n.attr[0]), ARRAYS)}"
        made = row(*n.args, **row.given(n))
        return "" if made is n else f"{row.name} of these operands and options has shape {show(made.shape)}" \
            if made.shape != n.shape else f"the options of {row.name} are spelt differently"
    if n.op in ("bar", "pull"):
        fits = len(n.args) == (2 if n.op == "bar" else 3) and not n.attr and n.shape == n.args[-1].shape
        return "" if fits and (n.op == "bar" or n.args[0].shape == n.args[1].shape) else "its shapes do not fit"
    return _elementwise(n)


def _leaf(n: Node) -> str:
    if n.op == "var":
        fine = len(n.attr) == 2 and isinstance(n.attr[0], str) and n.attr[1] in _KINDS
        return "" if fine else "a variable has a name and a kind"
    if len(n.attr) != 1:
        return "it has one value"
    value = n.attr[0]
    if n.op == "const":
        return "" if isinstance(value, (int, float, Fraction)) or value == PI else "its value is no number"
    return "" if as_dim(value) is value or as_dim(value) == value else "its value is no size"


def _einsum(n: Node) -> str:
    ins, out, sizes = n.attr
    labels = [k for own in (*ins, out) for k in own]
    if len(ins) != len(n.args) or any(type(k) is not int or not 0 <= k < len(sizes) for k in labels):
        return "its indices are not those of its operands"
    shapes = [(own, a.shape) for own, a in zip(ins, n.args)] + [(out, n.shape)]
    fits = all(tuple(sizes[k] for k in own) == shape for own, shape in shapes) and as_shape(sizes) == sizes
    return "" if fits else "the sizes of its indices are not those of its operands"


def _elementwise(n: Node) -> str:
    row = rows.named_row(n.attr) if n.op == NAMED else BY_NAME.get(n.op)
    if row is None or row.name.startswith("_"):
        return f"there is no function of this name.{suggest(n.op, BY_NAME)}"
    if len(n.args) != len(row.params):
        return f"{row.name} takes {len(row.params)}"
    if any(a.shape != n.shape for a in n.args):
        return f"the shapes {', '.join(show(a.shape) for a in n.args)} are not that of the whole, {show(n.shape)}"
    if n.op != NAMED and len(n.attr) != len(row.orders or row.attr):
        return f"{row.name} has {len(row.orders or row.attr)} numbers beside its operands"
    if row.orders:
        row.at(*n.attr)
    elif n.op != NAMED and any(isinstance(v, bool) or not isinstance(v, (int, float, Fraction)) for v in n.attr):
        return "what stands beside its operands is no number"
    return ""


COMPARED = frozenset({"eq", "ne", "gt", "ge", "lt", "le"})


def check_record(r: Record) -> None:
    """Refuse a record that no derivation makes: results that are missing or of another shape, what refers to nothing.

    Raises: InputError.
    """
    if any(d != 1 for d in r.loss.shape):
        raise InputError(f"its loss has shape {show(r.loss.shape)}, which is no scalar")
    if not r.wrt:
        raise InputError("it says by no variable what was differentiated by")
    for kind, kept in (("results", r.results), ("values", r.values)):
        missing = [describe(w) for w in r.wrt if w not in kept]
        if missing:
            raise InputError(f"{kind} has nothing for {', '.join(missing)}")
    for kind, kept in (("results", r.results), ("values", r.values), ("resolved", r.resolved), ("closed", r.closed)):
        wrong = [describe(t) for t, n in kept.items() if t.shape != n.shape]
        if wrong:
            raise InputError(f"{kind} has another shape than {', '.join(wrong)}")
    seen: set[Node] = set()
    for target, value in r.values.items():  # a cotangent is written in those before it
        for n in topological([value], lambda n: () if n.op == "bar" else n.args):
            if n.op == "bar" and (n.args[0] is not r.loss or n.args[1] not in seen):
                raise InputError(f"the value of {describe(target)} refers to a cotangent that is not above it")
        seen.add(target)
    for call in r.calls.values():
        if call.labels and len(call.labels) != len(call.args):
            raise InputError(f"the call of {call.name} has {len(call.args)} operands and {len(call.labels)} labels")
    _check_assumptions(r)


def _check_assumptions(r: Record) -> None:
    """Refuse an assumption whose parts are of no form that one has."""
    for a in r.assumptions:
        for op, _, right in a.parts:
            members = op == "in" and right and all(m.op == "const" for m in right)
            if not members and (op not in COMPARED or len(right) != 1):
                raise InputError(f"the assumption {a.text[:60]!r} has a part {op!r:.20} of {len(right)} sides")


def check_reading(r: Reading, names: Mapping[Node, str]) -> None:
    """Refuse what cannot have been read off.

    Raises: InputError.
    """
    if r.kind not in ("jacobian", "hessian", "product") or len(r.by) != (2 if r.kind == "hessian" else 1):
        raise InputError(f"a reading of kind {r.kind!r:.60} by {len(r.by)} variables")
    for n in (r.of, *r.by):
        if n.op != "var" and n not in names:
            raise InputError(f"what was differentiated, {describe(n)}, has no name")
    expected = (r.of if r.forward else r.by[0]).shape if r.kind == "product" else (*r.axes[0], *r.axes[1])
    if r.result.shape != expected:
        raise InputError(f"what was read off has shape {show(r.result.shape)}, not {show(expected)}")
