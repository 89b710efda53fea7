"""Node: a frozen, interned expression with a shape known at birth.

Interning makes identity equality: two nodes are the same object exactly when op, arguments, attributes and shape agree.
Nothing is simplified here; what was written is what is kept. No function in this module recurses over a graph.
"""

from __future__ import annotations

import itertools
import threading
import weakref
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, TypeAlias

import sympy as sp

from symgrad.errors import ShapeError
from symgrad.graph.ops import LEAVES, STRUCTURAL
from symgrad.shapes import Dim, Shape, as_dim, as_shape, broadcast, normalise_axes, show, size_of

Number: TypeAlias = "int | float | Fraction"

NAMED = "function"  # the op of a function that a user named: attr is (name, params, body, latex, orders, kink)

_interned: weakref.WeakValueDictionary[tuple[Any, ...], Node] = weakref.WeakValueDictionary()
_serials = itertools.count()
_lock = threading.Lock()


class Node:
    """One operation applied to nodes; build it with the functions of this module, never directly."""

    __slots__ = ("__weakref__", "args", "attr", "op", "serial", "shape")

    op: str
    args: tuple[Node, ...]
    attr: tuple[Any, ...]
    shape: Shape
    serial: int  # order of birth, the deterministic tie-break wherever an order is needed

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a Node is frozen")

    def __reduce__(self) -> tuple[Any, ...]:
        return _from_rows, (to_rows([self]), 0)

    def __copy__(self) -> Node:
        return self

    def __deepcopy__(self, memo: object) -> Node:
        return self

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def is_leaf(self) -> bool:
        return self.op in LEAVES

    @property
    def is_elementwise(self) -> bool:
        return self.op not in STRUCTURAL

    @property
    def name(self) -> str:
        """The name of a variable."""
        if self.op != "var":
            raise AttributeError(f"only a variable has a name; this node is {self.op!r}")
        return str(self.attr[0])

    @property
    def value(self) -> Any:
        """The number of a constant, the size of a size."""
        if self.op not in ("const", "size"):
            raise AttributeError(f"only a constant has a value; this node is {self.op!r}")
        return self.attr[0]

    @property
    def T(self) -> Node:
        return transpose(self)

    def __add__(self, other: Node | Number) -> Node:
        return apply("add", self, other)

    def __radd__(self, other: Node | Number) -> Node:
        return apply("add", other, self)

    def __sub__(self, other: Node | Number) -> Node:
        return apply("sub", self, other)

    def __rsub__(self, other: Node | Number) -> Node:
        return apply("sub", other, self)

    def __mul__(self, other: Node | Number) -> Node:
        return apply("mul", self, other)

    def __rmul__(self, other: Node | Number) -> Node:
        return apply("mul", other, self)

    def __truediv__(self, other: Node | Number) -> Node:
        return apply("div", self, other)

    def __rtruediv__(self, other: Node | Number) -> Node:
        return apply("div", other, self)

    def __pow__(self, other: Node | Number) -> Node:
        return apply("pow", self, other)

    def __rpow__(self, other: Node | Number) -> Node:
        return apply("pow", other, self)

    def __neg__(self) -> Node:
        return apply("neg", self)

    def __pos__(self) -> Node:
        return self

    def __matmul__(self, other: Node) -> Node:
        return matmul(self, other)

    def __repr__(self) -> str:
        label = f" {self.attr[0]}" if self.op in LEAVES else ""
        return f"<Node {self.op}{label} {show(self.shape)}>"


def make(op: str, args: Sequence[Node] = (), attr: tuple[Any, ...] = (), shape: Shape = ()) -> Node:
    """Return the one node with these parts; shapes are the caller's business, `apply` and friends check them."""
    args = tuple(args)
    tag: Any = None
    if op == "const":
        value = attr[0]
        # 1, 1.0, True and 0.0, -0.0 are equal in Python and different here
        tag = (type(value).__name__, value.hex() if isinstance(value, float) else value)
    key = (op, tuple(map(id, args)), attr if tag is None else tag, shape)
    with _lock:
        found = _interned.get(key)
        if found is not None:
            return found
        node = object.__new__(Node)
        setter = object.__setattr__
        setter(node, "op", op)
        setter(node, "args", args)
        setter(node, "attr", attr)
        setter(node, "shape", shape)
        setter(node, "serial", next(_serials))
        _interned[key] = node
        return node


# --- leaves -------------------------------------------------------------------------------------------------------


def var(name: str, shape: object = (), kind: str = "real") -> Node:
    """Return the variable `name` of the given shape; `kind` is 'real' or 'int'."""
    return make("var", (), (name, kind), as_shape(shape))


def const(value: Number, shape: Shape = ()) -> Node:
    """Return the constant `value` in every entry of `shape`."""
    if isinstance(value, Fraction) and value.denominator == 1:
        value = int(value)
    return make("const", (), (value,), shape)


def size(dim: Dim, shape: Shape = ()) -> Node:
    """Return the value of the size `dim` in every entry of `shape`."""
    dim = as_dim(dim)
    return const(dim, shape) if isinstance(dim, int) else make("size", (), (dim,), shape)


def as_node(value: object) -> Node:
    """Return a node as it is, a number as a constant, a SymPy number or size expression as its node."""
    if isinstance(value, Node):
        return value
    if isinstance(value, (bool, int, float, Fraction)):
        return const(value)
    if isinstance(value, sp.Rational):
        return const(Fraction(int(value.p), int(value.q)))
    if isinstance(value, sp.Float):
        return const(float(value))
    if isinstance(value, sp.Expr):
        return size(as_dim(value))
    raise TypeError(f"expected a node or a number, got {type(value).__name__}")


# --- elementwise --------------------------------------------------------------------------------------------------


def apply(op: str, *args: Node | Number, attr: tuple[Any, ...] = ()) -> Node:
    """Return the elementwise function `op` of its arguments, broadcast to one shape."""
    nodes = [as_node(a) for a in args]
    shape = nodes[0].shape
    if any(n.shape != shape for n in nodes):
        shape = broadcast(*(n.shape for n in nodes), names=[describe(n) for n in nodes], op=op)
        nodes = [broadcast_to(n, shape) for n in nodes]
    return make(op, nodes, attr, shape)


def describe(node: Node) -> str:
    """Return a short name for messages: the variable's name, or the op that made the node."""
    return node.name if node.op == "var" else str(node.value) if node.op in ("const", "size") else f"{node.op}(...)"


# --- index notation -----------------------------------------------------------------------------------------------


def einsum(
    ins: Sequence[Sequence[Any]], args: Sequence[Node], out: Sequence[Any], sizes: Mapping[Any, Dim] | None = None
) -> Node:
    """Return sum over the indices absent from `out` of the product of `args`.

    Labels are any hashables and are renumbered by first appearance, so the spelling of an index never matters.
    `sizes` gives the sizes of indices that occur in `out` alone (broadcasting).
    """
    known: dict[Any, Dim] = {}
    for labels, arg in zip(ins, args, strict=True):
        if len(labels) != arg.rank:
            raise ShapeError(
                f"einsum: {describe(arg)} has shape {show(arg.shape)} but {len(labels)} indices: "
                f"{', '.join(map(str, labels))}"
            )
        for label, dim in zip(labels, arg.shape):
            if known.setdefault(label, dim) != dim:
                raise ShapeError(
                    f"einsum: index {label!r} has size {known[label]} and also {dim} "
                    f"(in {describe(arg)} {show(arg.shape)})"
                )
    for label in out:
        if label not in known:
            if sizes is None or label not in sizes:
                raise ShapeError(f"einsum: the output index {label!r} occurs in no argument; give its size")
            known[label] = as_dim(sizes[label])
    number: dict[Any, int] = {}
    for label in itertools.chain(*ins, out):
        number.setdefault(label, len(number))
    new_ins = tuple(tuple(number[x] for x in labels) for labels in ins)
    new_out = tuple(number[x] for x in out)
    if len(args) == 1 and new_ins[0] == new_out and len(set(new_out)) == len(new_out):
        return args[0]
    dims = tuple(known[label] for label in number)
    return make("einsum", args, (new_ins, new_out, dims), tuple(dims[i] for i in new_out))


def broadcast_to(x: Node, shape: Shape) -> Node:
    """Return `x` repeated along the new and the size-1 axes of `shape`."""
    if x.shape == shape:
        return x
    if x.op in ("const", "size"):
        return make(x.op, (), x.attr, shape)
    lead = len(shape) - x.rank
    ins: list[Any] = []
    out: list[Any] = [("new", k) for k in range(lead)]
    sizes: dict[Any, Dim] = dict(zip(out, shape[:lead]))
    for k, (have, want) in enumerate(zip(x.shape, shape[lead:])):
        ins.append(k)
        if have == want:
            out.append(k)
        elif have == 1:
            out.append(("wide", k))
            sizes[("wide", k)] = want
        else:
            raise ShapeError(f"{describe(x)} of shape {show(x.shape)} does not broadcast to {show(shape)}")
    return einsum([ins], [x], out, sizes)


def matmul(a: Node, b: Node) -> Node:
    """Return the matrix product as NumPy's `@` defines it, for operands of rank 1, 2 or more."""
    if a.rank == 0 or b.rank == 0:
        raise ShapeError(
            f"@ needs operands with axes: {describe(a)} has shape {show(a.shape)}, {describe(b)} has {show(b.shape)}. "
            f"Use * to scale by a number."
        )
    inner_a, inner_b = a.shape[-1], b.shape[-2] if b.rank > 1 else b.shape[0]
    if inner_a != inner_b:
        raise ShapeError(
            f"{describe(a)} @ {describe(b)}: shapes {show(a.shape)} and {show(b.shape)} do not fit, "
            f"the inner sizes are {inner_a} and {inner_b}. Check the order, or transpose one with .T"
        )
    lead = broadcast(a.shape[:-2], b.shape[:-2], names=[describe(a), describe(b)], op="@")

    def labels(x: Node, own: tuple[str, ...]) -> list[Any]:
        # a leading axis of size 1 against a wider one is its own index, summed over its single entry
        batch = x.shape[: max(x.rank - 2, 0)]
        offset = len(lead) - len(batch)
        return [("batch", offset + k) if d == lead[offset + k] else ("one", id(x), k) for k, d in enumerate(batch)] + [
            *own
        ]

    ia = labels(a, ("k",) if a.rank == 1 else ("i", "k"))
    ib = labels(b, ("k",) if b.rank == 1 else ("k", "j"))
    out: list[Any] = [("batch", k) for k in range(len(lead))]
    out += (["i"] if a.rank > 1 else []) + (["j"] if b.rank > 1 else [])
    return einsum([ia, ib], [a, b], out, {("batch", k): d for k, d in enumerate(lead)})


def transpose(x: Node, axes: Sequence[int] | None = None) -> Node:
    """Return `x` with its axes reversed, or permuted as `axes` says."""
    order = tuple(reversed(range(x.rank))) if axes is None else tuple(axes)
    if sorted(order) != list(range(x.rank)):
        raise ShapeError(f"transpose: {order} is no permutation of the {x.rank} axes of {describe(x)}")
    return einsum([range(x.rank)], [x], order)


def reduce_sum(x: Node, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Node:
    """Return the sum over the given axes (all without `axis`)."""
    gone = normalise_axes(axis, x.rank, describe(x))
    if not gone:
        return x
    out: list[Any] = []
    for k in range(x.rank):
        if k not in gone:
            out.append(k)
        elif keepdims:
            out.append(("one", k))
    return einsum([range(x.rank)], [x], out, {("one", k): 1 for k in gone})


def reduce_mean(x: Node, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Node:
    """Return the mean over the given axes (all without `axis`)."""
    gone = normalise_axes(axis, x.rank, describe(x))
    return reduce_sum(x, axis, keepdims) / size(size_of(tuple(x.shape[k] for k in gone)))


def identity(dim: Dim) -> Node:
    """Return the identity matrix of the given size: an einsum of nothing with a repeated output index."""
    return einsum([], [], ["i", "i"], {"i": dim})


# --- traversal, all iterative ---------------------------------------------------------------------------------------


def topological(roots: Iterable[Node], inputs: Callable[[Node], Sequence[Node]] | None = None) -> list[Node]:
    """Return every node below the roots, inputs before users, in a deterministic order."""
    order: list[Node] = []
    done: set[Node] = set()
    for root in roots:
        if root in done:
            continue
        stack: list[tuple[Node, Iterator[Node]]] = [(root, iter(inputs(root) if inputs else root.args))]
        entered = {root}
        while stack:
            node, rest = stack[-1]
            for child in rest:
                if child not in done and child not in entered:
                    entered.add(child)
                    stack.append((child, iter(inputs(child) if inputs else child.args)))
                    break
            else:
                stack.pop()
                done.add(node)
                order.append(node)
    return order


def replace(
    roots: Sequence[Node],
    mapping: Mapping[Node, Node],
    rebuild: Callable[[Node, tuple[Node, ...]], Node] | None = None,
    fixed: Container[Node] = (),
) -> list[Node]:
    """Return the roots with every node in `mapping` replaced.

    `rebuild` may see each rebuilt node; nodes in `fixed` are known to hold nothing to replace and are not entered.
    """
    new: dict[Node, Node] = dict(mapping)
    for node in topological(roots, lambda n: () if n in mapping or n in fixed else n.args):
        if node in fixed:
            new.setdefault(node, node)
        if node in new:
            continue
        args = tuple(new[a] for a in node.args)
        if rebuild is not None:
            new[node] = rebuild(node, args)
        else:
            new[node] = node if args == node.args else make(node.op, args, node.attr, node.shape)
    return [new[r] for r in roots]


def variables(roots: Iterable[Node]) -> list[Node]:
    """Return the variables below the roots, in order of first appearance."""
    return [n for n in topological(roots) if n.op == "var"]


def names_in(nodes: Iterable[Node]) -> set[str]:
    """Return the names of the variables and of the sizes that these nodes show."""
    out: set[str] = set()
    for n in nodes:
        if n.op == "var":
            out.add(n.name)
        for d in (*n.shape, n.value) if n.op == "size" else n.shape:
            if not isinstance(d, int):
                out.update(s.name for s in d.free_symbols)
    return out


# --- plain data for pickles and JSON ----------------------------------------------------------------------------------


def to_plain(value: Any) -> Any:
    """Return a number, a size or a tuple of them as JSON has it."""
    if isinstance(value, Fraction):
        return {"fraction": [value.numerator, value.denominator]}
    if isinstance(value, float):
        return {"float": value.hex()}
    if isinstance(value, sp.Expr):
        return {"dim": _dim_to_plain(value)}
    if isinstance(value, (tuple, list)):
        return [to_plain(v) for v in value]
    return value


def _dim_to_plain(dim: Any) -> Any:
    if isinstance(dim, sp.Symbol):
        return dim.name
    if isinstance(dim, (int, sp.Integer)):
        return int(dim)
    if isinstance(dim, sp.Rational):
        return ["/", int(dim.p), int(dim.q)]
    name = {sp.Add: "+", sp.Mul: "*", sp.Pow: "^", sp.Min: "min"}.get(type(dim))
    if name is None:
        raise ShapeError(f"the size {dim} is not sums, products and powers of named sizes")
    return [name, *map(_dim_to_plain, dim.args)]


_MOST_BITS = 256  # of a whole number in a size


def _dim_from_plain(data: Any) -> Dim:
    if isinstance(data, (str, int)):
        return as_dim(data)
    head, *rest = data
    if head == "/":
        return sp.Rational(*map(int, rest))
    parts: list[Any] = [sp.Integer(r) if isinstance(r, int) else _dim_from_plain(r) for r in rest]  # n - 1 holds a -1
    if head == "^" and not (len(parts) == 2 and parts[0].free_symbols and rest[1] in range(-64, 65)):
        raise ValueError("a power in a size is that of a named size, up to 64")  # a file may ask for 10**10**9
    dim = {"+": sp.Add, "*": sp.Mul, "^": sp.Pow, "min": sp.Min}[head](*parts)
    if any(int(k).bit_length() > _MOST_BITS for k in dim.atoms(sp.Integer)):
        raise ValueError(f"a number in a size has more than {_MOST_BITS} bits")
    return dim


def from_plain(value: Any) -> Any:
    """Return what `to_plain` made plain."""
    if isinstance(value, dict):
        if "fraction" in value:
            return Fraction(*map(int, value["fraction"]))
        if "float" in value:
            return float.fromhex(value["float"])
        return _dim_from_plain(value["dim"])
    return tuple(from_plain(v) for v in value) if isinstance(value, list) else value


def to_rows(roots: Sequence[Node]) -> dict[str, Any]:
    """Return the graph below the roots as plain lists, one row a node, fit for JSON."""
    order = topological(roots, lambda n: (*n.args, n.attr[2]) if n.op == NAMED else n.args)
    place = {n: i for i, n in enumerate(order)}

    def attr(n: Node) -> Any:
        return [{"node": place[v]} if isinstance(v, Node) else to_plain(v) for v in n.attr]

    rows = [[n.op, [place[a] for a in n.args], attr(n), to_plain(n.shape)] for n in order]
    return {"rows": rows, "roots": [place[r] for r in roots]}


class _Table(list[Node]):
    """Nodes by their numbers as a file has them, which are no flags and do not count from the end."""

    def __getitem__(self, which: Any) -> Any:
        if type(which) is not int or not 0 <= which < len(self):
            raise IndexError(f"no node has the number {which!r:.60}; there are {len(self)} so far")
        return super().__getitem__(which)


def from_rows(data: Mapping[str, Any]) -> list[Node]:
    """Return the roots that `to_rows` stored."""
    nodes = _Table()
    for op, args, attr, shape in data["rows"]:
        values = tuple(nodes[v["node"]] if isinstance(v, dict) and "node" in v else from_plain(v) for v in attr)
        nodes.append(make(str(op), [nodes[a] for a in args], values, from_plain(shape)))
    return _Table(nodes[r] for r in data["roots"])


def _from_rows(data: Mapping[str, Any], which: int) -> Node:
    return from_rows(data)[which]
