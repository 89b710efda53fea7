"""Nodes as text in the language's own syntax: Python operators with NumPy's meaning, readable and parseable again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Protocol

import sympy as sp

from symgrad.graph.node import NAMED, Node, topological
from symgrad.graph.numpy_form import Form, numpy_form
from symgrad.graph.ops import JUMPS
from symgrad.graph.sharing import cuts
from symgrad.shapes import Dim, Shape, broadcast, show, size_of, spelled

SUM, TERM, UNARY, POWER, ATOM = range(5)

# op -> (symbol, level, least level of the left operand, of the right operand)
INFIX: dict[str, tuple[str, int, int, int]] = {
    "add": (" + ", SUM, SUM, SUM),
    "sub": (" - ", SUM, SUM, TERM),
    "mul": ("*", TERM, TERM, TERM),
    "div": ("/", TERM, TERM, UNARY),
    "matmul": (" @ ", TERM, TERM, UNARY),
    "pow": ("**", POWER, ATOM, POWER),
}
COMPARISONS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<=", "eq": "==", "ne": "!="}


class Written(Protocol):
    """A composite as its author wrote it."""

    @property
    def name(self) -> str: ...
    @property
    def args(self) -> tuple[Node, ...]: ...
    @property
    def keywords(self) -> tuple[tuple[str, object], ...]: ...
    @property
    def latex(self) -> str: ...
    @property
    def labels(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Piece:
    """Text, how tightly its outermost operator binds, and the shape NumPy gives it (it may broadcast to the node's)."""

    text: str
    level: int
    shape: Shape
    sign: str = ""  # '@' a matrix product, '@*' one times or over something, '/' a quotient, 'd' a derivative
    condition: str = ""  # a comparison as it stands inside where(...)

    @property
    def negative(self) -> bool:
        return self.text.startswith("-")


def to_text(node: Node, names: Mapping[Node, str] = {}, *, expand_root: bool = True,
            calls: Mapping[Node, Written] = {}) -> str:
    """Return the expression of `node` as text; nodes in `names` stand as their names.

    The root is expanded even if it has a name, unless `expand_root` is false. Composites in `calls` are written as
    they were given. Large expressions with shared parts end in `where t1 = ..., t2 = ...`.

    >>> from symgrad.graph.node import var
    >>> A, B = var("A", ("m", "n")), var("B", ("k", "n"))
    >>> to_text(1 - (A @ B.T) ** 2)
    '1 - (A @ B.T)**2'
    """
    return _Writer(names, calls).write(node, expand_root)


def operands(node: Node, names: Mapping[Node, str], calls: Mapping[Node, Written]) -> Sequence[Node]:
    """Return what stands in the writing of a node: the operands of a composite; of a cotangent no loss with a name."""
    if node in calls:
        return calls[node].args
    return node.args[1:] if node.op == "bar" and node.args[0] in names else node.args


class _Writer:
    def __init__(self, names: Mapping[Node, str], calls: Mapping[Node, Written]) -> None:
        self.names = names
        self.calls = calls
        self.forms: dict[Node, Form] = {}
        self.root: Node | None = None
        self.spelt: set[Node] = set()

    def write(self, node: Node, expand_root: bool) -> str:
        if not expand_root and node in self.names:
            return plain_name(self.names[node])
        self.root, self.spelt = node, set()
        self.spelt = direct(node, self.inputs)
        parts = cuts(node, self.inputs)
        taken: set[str] = set()
        if parts:
            taken = {*self.names.values(), *(n.name for n in topological([node]) if n.op == "var")}
        done: dict[Node, Piece] = {}
        where: list[str] = []
        count = 0
        for part in [*parts, node]:
            self.root = part
            pieces = dict[Node, Piece]()
            for n in topological([part], lambda n: () if n in done else self.inputs(n)):
                if n in done:
                    pieces[n] = done[n]
                else:
                    pieces[n] = self.piece(n, [(c, pieces[c]) for c in self.inputs(n)])
            if part is node:
                break
            count += 1
            while f"t{count}" in taken:
                count += 1
            where.append(f"t{count} = {exact(part, pieces[part]).text}")
            done[part] = Piece(f"t{count}", ATOM, part.shape)
        text = exact(node, pieces[node]).text
        return f"{text} where {', '.join(where)}" if where else text

    def inputs(self, node: Node) -> Sequence[Node]:
        if self.named(node):
            return ()
        if node not in self.calls and node.op == "einsum":
            return self.form(node).args
        if node not in self.calls and self.mean(node) is not None:
            return self.form(node.args[0]).args
        return operands(node, self.names, self.calls)

    def named(self, node: Node) -> bool:
        """Say whether a node stands as its name."""
        return node is not self.root and node in self.names and node not in self.spelt

    def mean(self, node: Node) -> Form | None:
        """Return the form of the sum where a node is a sum over the number of its terms."""
        if node.op != "div" or node.args[0].op != "einsum" or node.args[1].op not in ("const", "size"):
            return None
        total, count = node.args
        if len(total.args) != 1 or self.named(total) or total in self.calls:
            return None
        (labels,), out, sizes = total.attr
        form = self.form(total)
        entries = size_of(tuple(sizes[x] for x in labels if x not in out))
        whole = form.kind == "sum" and entries != 1 and not isinstance(count.value, float) and entries == count.value
        return form if whole else None

    def form(self, node: Node) -> Form:
        if node not in self.forms:
            self.forms[node] = numpy_form(node, lambda n: n in self.names or n in self.calls)
        return self.forms[node]

    def piece(self, node: Node, below: list[tuple[Node, Piece]]) -> Piece:
        if self.named(node):
            return Piece(plain_name(self.names[node]), ATOM, node.shape)
        if node in self.calls:
            call = self.calls[node]
            labels = call.labels or ("",) * len(below)
            args = [(f"{label}=" if label else "") + exact(n, p).text for label, (n, p) in zip(labels, below)]
            args += [f"{k}={v!r}" for k, v in call.keywords]
            return Piece(f"{plain_name(call.name)}({', '.join(args)})", ATOM, node.shape)
        if node.op == "var":
            return Piece(plain_name(node.name), ATOM, node.shape)
        if node.op == "const":
            return number(node.value)
        if node.op == "size":
            return size_piece(node.value)
        if node.op == "einsum":
            return _einsum(node, self.form(node), below)
        if node.op == "array":
            return _array(node, [exact(n, p) for n, p in below])
        if node.op == "bar":
            loss = node.args[0]
            name = Piece(plain_name(self.names[loss]), ATOM, ()) if loss in self.names else exact(*below[0])
            return _ratio(node, name, exact(*below[-1]))
        if node.op == "pull":
            return _pull(node, [below[0][1], exact(*below[1]), exact(*below[2])])
        mean = self.mean(node)
        if mean is not None:
            return _reduction("mean", mean, exact(*below[0]), node.shape)
        return elementwise(node, [p for _, p in below])


def direct(node: Node, inputs: Callable[[Node], Sequence[Node]]) -> set[Node]:
    """Return what pullbacks without a factor differentiate: the loss, whose name would say its whole derivative."""
    pulls = [n for n in topological([node], inputs) if n.op == "pull"]
    return {n.args[1] for n in pulls if n.args[0].op == "const" and n.args[0].value == 1 and n.args[1].op != "var"}


def plain_name(name: str) -> str:
    """Return a name with everything a terminal could obey made visible."""
    return name if name.isprintable() else name.encode("unicode_escape").decode("ascii")


def inner(p: Piece) -> str:
    return p.text if p.level == ATOM else f"({p.text})"


def enclose(p: Piece, least: int) -> str:
    return p.text if p.level >= least else f"({p.text})"


def exact(node: Node, p: Piece) -> Piece:
    """Return the piece with the shape of its node written out where broadcasting does not supply it."""
    if p.shape == node.shape:
        return p
    shape = show(node.shape)
    if node.op == "const" and node.value in (0, 1):
        return Piece(f"{'ones' if node.value else 'zeros'}({shape})", ATOM, node.shape)
    return Piece(f"broadcast_to({p.text}, {shape})", ATOM, node.shape)


def number(value: Any) -> Piece:
    """Return a constant as text."""
    if isinstance(value, Fraction) and value.denominator != 1:
        return Piece(f"{value.numerator}/{value.denominator}", TERM, ())
    text = repr(value) if isinstance(value, float) else str(value)
    return Piece(text, UNARY if text.startswith("-") else ATOM, ())


def size_piece(dim: Dim) -> Piece:
    """Return a size as text."""
    text = plain_name(spelled(dim))
    level = ATOM if isinstance(dim, (int, sp.Symbol)) else SUM if isinstance(dim, sp.Add) else \
        POWER if isinstance(dim, sp.Pow) else TERM
    return Piece(text, level, ())


def _join(op: str, a: Piece, b: Piece, shape: Shape) -> Piece:
    symbol, level, left, right = INFIX[op]
    wide = ("@", "@*", "d", "/") if op == "mul" else ("@", "@*", "d")
    if op in ("mul", "div") and a.sign in wide:
        symbol = f" {symbol} "
    first = enclose(a, left)
    if op == "matmul" and a.level == TERM and a.sign not in ("@", "d"):
        first = f"({a.text})"
    second = enclose(b, right)
    minus = b.negative and op in ("sub", "mul", "div", "matmul") and b.level > SUM
    if minus or (op == "mul" and b.sign in ("@", "@*")):
        second = f"({b.text})"
    if op == "matmul" and b.sign == "d":
        second = b.text
    if op == "pow" and b.negative and b.level in (UNARY, TERM) and "/" not in b.text and "*" not in b.text:
        second = b.text
    if op == "add" and b.negative:
        symbol, second = " - ", b.text[1:]
    sign = "@" if op == "matmul" else "@*" if a.sign in ("@", "@*") and level == TERM else ""
    if op == "div" and not sign:
        sign = "/"
    return Piece(first + symbol + second, level, shape, sign)


def negated(p: Piece) -> Piece:
    """Return the negative of what is written."""
    if p.level == SUM or p.negative:
        return replace(p, text=f"-({p.text})", level=UNARY, sign="")
    return replace(p, text=f"-{p.text}", level=min(p.level, UNARY))


def elementwise(node: Node, args: list[Piece]) -> Piece:
    """Return an elementwise operation as text, its arguments being written."""
    shape = broadcast(*(p.shape for p in args), op=node.op)
    if node.op == "neg":
        return negated(args[0])
    if node.op == "mul":
        return _product(node, args[0], args[1], shape)
    if node.op in INFIX:
        return _join(node.op, args[0], args[1], shape)
    if node.op in COMPARISONS:
        condition = f"{args[0].text} {COMPARISONS[node.op]} {args[1].text}"
        return Piece(f"where({condition}, 1, 0)", ATOM, shape, condition=condition)
    texts = [p.condition or p.text if node.op == "where" and k == 0 else p.text for k, p in enumerate(args)]
    if node.op == NAMED:
        return Piece(f"{plain_name(function_name(node.attr))}({', '.join(texts)})", ATOM, shape)
    if node.op in JUMPS:  # the value at 0 stands behind, where it is not the usual one
        at = JUMPS[node.op].value(node.attr)
        texts += [] if at == JUMPS[node.op].usual else [number(at).text]
    else:  # orders stand in front
        texts = [number(v).text if isinstance(v, (int, float, Fraction)) else repr(v) for v in node.attr] + texts
    return Piece(f"{node.op}({', '.join(texts)})", ATOM, shape)


def function_name(attr: Sequence[Any]) -> str:
    """Return what a named function or a derivative of it is called: swish, swish', swish_b."""
    name, params, orders = attr[0], attr[1], attr[4]
    if not orders:
        return str(name)
    return f"{name}{chr(39) * len(orders)}" if len(params) == 1 else f"{name}_{''.join(params[k] for k in orders)}"


def _product(node: Node, a: Piece, b: Piece, shape: Shape) -> Piece:
    x, y = node.args
    if y.op == "const" and x.op != "const":
        a, b, x, y = b, a, y, x
    if x.op == "const" and x.value == -1 and not isinstance(x.value, float):
        return replace(negated(b), shape=shape)
    if x.op == "const" and isinstance(x.value, Fraction) and y.op != "const":
        # a half of x is x/2, three halves are 3*x/2
        top = b if x.value.numerator == 1 else negated(b) if x.value.numerator == -1 else \
            _join("mul", number(x.value.numerator), b, shape)
        return _join("div", top, number(x.value.denominator), shape)
    return _join("mul", a, b, shape)


def _array(node: Node, args: list[Piece]) -> Piece:
    """A function of whole arrays: its operands, its options behind them or by keyword, or a subscript."""
    name, *pairs = node.attr
    texts = [p.text for p in args]
    for key, value in pairs:
        if key == "[]":
            return Piece(f"{inner(args[0])}[{subscript_text(value)}]", ATOM, node.shape)
        if key == "[*]":
            return Piece(f"{inner(args[0])}[{', '.join([':'] * value + texts[1:])}]", ATOM, node.shape)
        if key == "[,]":
            texts = [f"[{', '.join(texts)}]"]
        else:
            texts.append(f"{key}={option_text(value)}" if key else option_text(value))
    return Piece(f"{plain_name(name)}({', '.join(texts)})", ATOM, node.shape)


def option_text(value: Any) -> str:
    """Return an option of an array function: a size, a flag, None or a tuple of them."""
    if isinstance(value, tuple):
        return f"({', '.join(map(option_text, value))}{',' if len(value) == 1 else ''})"
    return plain_name(str(value))


def subscript_text(items: Sequence[Any]) -> str:
    """Return what stands between the brackets of an index."""
    def bound(x: Any) -> str:
        return "" if x is None else plain_name(spelled(x))

    out = []
    for item in items:
        if isinstance(item, tuple):
            start, stop, step = item
            first = "" if start == 0 else bound(start)
            out.append(f"{first}:{bound(stop)}" + (f":{step}" if step not in (1, None) else ""))
        else:
            out.append(bound(item))
    return ", ".join(out)


def _ratio(node: Node, top: Piece, below: Piece) -> Piece:
    up, down = (p.text if p.text.isidentifier() else f"({p.text})" for p in (top, below))
    return Piece(f"d{up}/d{down}", TERM, node.shape, "d")


def _pull(node: Node, below: list[Piece]) -> Piece:
    """The pending pullback c * df/dw."""
    c, f, w = below
    ratio = _ratio(node, f, w)
    value = node.args[0].value if node.args[0].op == "const" else None
    if value == 1:
        return ratio
    return replace(negated(ratio), sign="") if value == -1 else \
        Piece(f"{enclose(c, TERM)} * {ratio.text}", TERM, node.shape)


def _reduction(name: str, form: Form, operand: Piece, shape: Shape) -> Piece:
    """A sum or a mean over axes."""
    axes, keep = form.extra
    words = [operand.text]
    if axes is not None:
        words.append(f"axis={axes[0] if len(axes) == 1 else axes}")  # type: ignore[index, arg-type]  # a tuple of axes
    if keep:
        words.append("keepdims=True")
    return Piece(f"{name}({', '.join(words)})", ATOM, shape)


def _einsum(node: Node, form: Form, below: list[tuple[Node, Piece]]) -> Piece:
    shape = node.shape
    if form.kind == "same":
        return below[0][1]
    if form.kind == "eye":
        return Piece(f"eye({spelled(node.shape[0])})", ATOM, shape)
    if form.kind == "wide":
        index, wide = form.extra
        n, p = below[0]
        if not index:
            return p
        return Piece(f"{inner(exact(n, p))}{index}", ATOM, wide)  # type: ignore[arg-type]  # extra holds the shape
    full = [exact(n, p) for n, p in below]
    if form.kind == "matmul":
        return _join("matmul", full[0], full[1], shape)
    if form.kind == "T":
        return Piece(f"{inner(full[0])}.T", ATOM, shape)
    if form.kind == "sum":
        return _reduction("sum", form, full[0], shape)
    texts = [p.text for p in full]
    if form.kind == "einsum":
        spec, more = form.extra
        for kind, dim in more:  # type: ignore[attr-defined]  # pairs of a word and a size
            texts.append(f"eye({spelled(dim)})" if kind == "eye" else f"ones({show((dim,))})")
        return Piece(f'einsum("{spec}", {", ".join(texts)})', ATOM, shape)
    return Piece(f"{form.kind}({', '.join(texts)})", ATOM, shape)
