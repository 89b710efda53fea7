"""Reader: one expression of a text, as Python's own parser sees it, becomes nodes in the scope so far.

The tree is walked with a closed list of constructs; nothing is ever executed, and no walk is recursive.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from typing import Any

import sympy as sp

from symgrad.engine.derivation import Call
from symgrad.errors import NoRule, ParseError, ShapeError, SymgradError, TextLimit, UnknownName, suggest
from symgrad.graph import node as nodes
from symgrad.graph.node import Node, apply, const
from symgrad.language.defined import MAX_INTEGER, Defined
from symgrad.language.scan import Source, plain
from symgrad.language.subscript import subscript
from symgrad.language.text_functions import BINARY, COMPARE, LATER, SYMBOLS, TABLE, TextFunction, find
from symgrad.rules.arrays import BY_NAME as ARRAYS
from symgrad.rules.elementwise import pi
from symgrad.shapes import Dim, Shape, as_dim, as_sympy, broadcast, show

# constructs of Python's grammar that can reach the tree, in the words of a message
_NAMED = {
    "Tuple": "a tuple", "List": "a list", "Attribute": "an attribute other than .T", "Subscript": "indexing",
    "Starred": "unpacking with *", "Call": "a call", "Slice": "a slice", "Compare": "a comparison",
    "Assign": "an equation", "AnnAssign": "a declaration", "Expr": "an expression",
}

MAX_SIZE_STEPS = 12  # operators in one size
MAX_SIZES_STEPS = 2000  # in all sizes of a text; SymPy takes its time over each
MAX_AXES = 32
MAX_SIZE_POWER = 8
_SIZES: dict[str, Callable[[Any, Any], Any]] = {
    "Add": operator.add, "Sub": operator.sub, "Mult": operator.mul, "Div": operator.truediv, "Pow": operator.pow,
    "min": sp.Min,
}

Build = Callable[[Sequence[Node]], "Node | tuple[Node, ...]"]


@dataclass
class _Part:
    """A tree whose operands are being lowered; `build` makes its node from theirs."""

    tree: ast.expr
    build: Build
    count: int


@dataclass
class Reader:
    """Lowers expressions of one text into nodes, in the scope so far."""

    source: Source
    scope: dict[str, Node]
    sizes: dict[str, Dim]
    open: bool = False  # an unknown name is a real scalar
    functions: Mapping[str, TextFunction] = field(default_factory=dict)  # those that the caller handed over
    later: dict[str, ast.Assign] = field(default_factory=dict)  # equations by the names they define
    calls: dict[Node, Call] = field(default_factory=dict)  # composites as they were written
    defined: Defined = field(default_factory=Defined)
    steps: int = 0  # operators in sizes so far
    comparing: set[ast.AST] = field(default_factory=set)  # comparisons, and calls, inside a condition

    # --- errors -------------------------------------------------------------------------------------------------------

    def fail(self, tree: ast.AST, message: str, kind: type[SymgradError] = ParseError) -> SymgradError:
        return self.source.error(kind, message, getattr(tree, "lineno", 1), getattr(tree, "col_offset", None))

    def written(self, tree: ast.AST) -> str:
        """The text of a part, short, for messages."""
        text = ast.get_source_segment(self.source.code, tree) or ""
        return plain(" ".join(text.split()), 40)

    def unknown(self, tree: ast.Name) -> SymgradError:
        name = tree.id
        if name in self.later:
            return self.too_early(tree)
        if name in TABLE:
            message = f"{name!r} is a function here: write {TABLE[name].usage}, or declare a variable {name}: (...)"
        else:
            message = f"unknown name {name!r}.{suggest(name, [*self.scope, *self.sizes, 'pi'])}"
            if self.scope or self.sizes:
                message += f" Known: {_listed([*self.scope, *self.sizes])}. Declare it, {name}: () for a scalar"
        return self.fail(tree, message, UnknownName)

    def too_early(self, tree: ast.Name) -> SymgradError:
        """A name whose equation comes later: say where, or show the circle."""
        path = self.circle(tree.id)
        if path:
            text = f"{path[0]} is defined by itself" if len(path) == 2 else "the equations go in a circle"
            return self.fail(tree, f"{text}: {' needs '.join(path)}. Give the new value another name")
        line = self.later[tree.id].lineno
        return self.fail(tree, f"{tree.id!r} is used before its equation in line {line}. Move that line up")

    def circle(self, start: str) -> list[str]:
        """Return names that need one another, from `start` back to it, or nothing."""
        came: dict[str, str] = {}
        work = [start]
        while work:
            name = work.pop()
            for tree in ast.walk(self.later[name].value):
                if isinstance(tree, ast.Name) and tree.id in self.later and tree.id not in came:
                    came[tree.id] = name
                    if tree.id == start:
                        path = [start]
                        while path[-1] != start or len(path) == 1:
                            path.append(came[path[-1]])
                        return path[::-1]
                    work.append(tree.id)
        return []

    # --- expressions --------------------------------------------------------------------------------------------------

    @contextmanager
    def defining(self, tree: ast.expr) -> Iterator[ast.expr]:
        """Read the equations behind the `where` of a statement, which hold for its expression alone."""
        if not isinstance(tree, ast.BinOp) or not isinstance(tree.op, ast.BitOr):
            yield tree
            return
        clause = tree.right
        if not isinstance(clause, ast.Call) or clause.args or not clause.keywords:
            raise self.fail(clause, "behind 'where' stand equations: x**2 + t where t = sin(y), y = 2*x")
        own: list[str] = []
        try:
            for equation in clause.keywords:
                name = equation.arg
                if name is None or name in ("pi", "inf") or name in {*self.scope, *self.sizes, *self.later}:
                    raise self.fail(equation, f"{name!r} has a meaning already; give the value behind 'where' another "
                                              f"name")
                self.scope[name] = self.lower(equation.value)
                own.append(name)
            yield tree.left
        finally:
            for name in own:
                del self.scope[name]

    def lower(self, root: ast.expr) -> Node:
        """Return the node of a tree, without recursion."""
        with self.defining(root) as expression:
            return self._lower(expression)

    def _lower(self, root: ast.expr) -> Node:
        done: list[Node] = []
        work: list[ast.expr | _Part] = [root]
        while work:
            item = work.pop()
            if isinstance(item, ast.expr):
                below, build = self.enter(item)
                work.append(_Part(item, build, len(below)))
                work.extend(reversed(below))
                continue
            args = done[len(done) - item.count:]
            del done[len(done) - item.count:]
            done.append(self.leave(item, args))
        return done[0]

    def several(self, tree: ast.expr, names: Sequence[str]) -> tuple[Node, ...]:
        """Return the values of a function that gives several, or the entries of an array along its first axis."""
        with self.defining(tree) as expression:
            return self._several(expression, names)

    def _several(self, tree: ast.expr, names: Sequence[str]) -> tuple[Node, ...]:
        below, build = self.enter(tree)
        args = [self.lower(b) for b in below]
        try:
            made = build(args)
        except SymgradError as error:
            raise self.fail(tree, str(error), type(error)) from None
        if isinstance(made, Node):
            count = made.shape[0] if made.shape else 1
            row = ARRAYS["index"]
            made = tuple(row(made, subscript=(k,)) for k in range(len(names))) if count == len(names) else (made,)
        else:
            count = len(made)
        if len(made) != len(names):
            raise self.fail(tree, f"the left side has {len(names)} names and {self.written(tree)} gives {count} "
                                  f"value{'' if count == 1 else 's'}")
        for node in made:
            self.defined.see(node)
        return made

    def leave(self, part: _Part, args: list[Node]) -> Node:
        try:
            node = part.build(args)
            if isinstance(node, tuple):
                raise ParseError(f"{self.written(part.tree)} gives {len(node)} values; they take {len(node)} names "
                                 f"before an = of their own")
            if node.rank > MAX_AXES:
                raise TextLimit(f"an array has {node.rank} axes; the limit is {MAX_AXES}")
            self.defined.see(node)
        except SymgradError as error:
            raise self.fail(part.tree, str(error), type(error)) from None
        return node

    def enter(self, tree: ast.expr) -> tuple[Sequence[ast.expr], Build]:
        """Return the operands of a tree and how its node is made of theirs."""
        if isinstance(tree, ast.Name):
            return self.given(self.name(tree))
        if isinstance(tree, ast.Constant):
            return self.given(self.number(tree, tree.value))
        if isinstance(tree, ast.BinOp):
            return self.binary(tree)
        if isinstance(tree, ast.UnaryOp):
            return self.unary(tree)
        if isinstance(tree, ast.Call):
            return self.call(tree)
        if isinstance(tree, ast.Attribute):
            if tree.attr == "T":
                return [tree.value], lambda a: nodes.transpose(a[0])
            raise self.fail(tree, f"the attribute .{plain(tree.attr, 40)} is not part of the language; only .T is")
        if isinstance(tree, ast.Compare):
            return self.compare(tree)
        if isinstance(tree, ast.Subscript):
            return self.subscript(tree)
        what = _NAMED.get(type(tree).__name__, f"the construct {type(tree).__name__}")
        advice = ". A decimal number has a point, an expression stands alone" if isinstance(tree, ast.Tuple) else ""
        raise self.fail(tree, f"{what} is no expression of the language{advice}")

    def given(self, node: Node) -> tuple[Sequence[ast.expr], Build]:
        return (), lambda _: node

    def name(self, tree: ast.Name) -> Node:
        name = tree.id
        if name in self.scope:
            return self.scope[name]
        if name in self.sizes:
            return nodes.size(self.sizes[name])
        if name == "pi":
            return pi()
        if name == "inf":
            return const(float("inf"))
        if self.open and name not in self.later:
            self.scope[name] = nodes.var(name)
            return self.scope[name]
        raise self.unknown(tree)

    def number(self, tree: ast.expr, value: object) -> Node:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            word = "a string" if isinstance(value, str) else plain(repr(value), 40)
            raise self.fail(tree, f"{word} is no expression of the language")
        if isinstance(value, int) and abs(value) > MAX_INTEGER:
            raise self.fail(tree, f"whole numbers go up to {MAX_INTEGER}; write a decimal such as 1e13", TextLimit)
        if isinstance(value, float) and value in (float("inf"), float("-inf")):
            raise self.fail(tree, "this number is beyond double precision", TextLimit)
        return const(value)

    def binary(self, tree: ast.BinOp) -> tuple[Sequence[ast.expr], Build]:
        kind = type(tree.op).__name__
        if kind != "MatMult" and kind not in BINARY:
            raise self.fail(tree, f"the operator {kind} is not part of the language")

        def build(args: Sequence[Node]) -> Node:
            try:
                return nodes.matmul(*args) if kind == "MatMult" else apply(BINARY[kind], *args)
            except ShapeError as error:
                raise self.misfit(tree, kind, args, error) from None

        return [tree.left, tree.right], build

    def misfit(self, tree: ast.BinOp, kind: str, args: Sequence[Node], error: ShapeError) -> ShapeError:
        """The error of an operator, told with its operands as they are written."""
        (a, b), (left, right) = (x.shape for x in args), map(self.written, (tree.left, tree.right))
        if kind != "MatMult":
            try:
                broadcast(a, b, names=[left, right], op=f"{left} {SYMBOLS[BINARY[kind]]} {right}")
            except ShapeError as better:
                return better
        given = f"{left} @ {right}: {left} has shape {show(a)}, {right} has shape {show(b)}"
        inner = (a[-1:], b[-2:][:1])
        if not a or not b:
            return ShapeError(f"{given}; a product of matrices needs axes. Use * to scale by a number")
        if inner[0] != inner[1]:
            return ShapeError(f"{given}; the inner sizes {inner[0][0]} and {inner[1][0]} differ. "
                              f"Check the order, or transpose one with .T")
        return ShapeError(f"{given}. {error}")

    def unary(self, tree: ast.UnaryOp) -> tuple[Sequence[ast.expr], Build]:
        if isinstance(tree.op, ast.UAdd):
            return [tree.operand], lambda a: a[0]
        if not isinstance(tree.op, ast.USub):
            raise self.fail(tree, f"the operator {type(tree.op).__name__} is not part of the language")
        if isinstance(tree.operand, ast.Constant) and type(tree.operand.value) in (int, float):
            number: Any = tree.operand.value
            return self.given(self.number(tree, -number))
        if isinstance(tree.operand, ast.Name) and tree.operand.id == "inf" and "inf" not in self.scope:
            return self.given(const(float("-inf")))
        return [tree.operand], lambda a: apply("neg", a[0])

    def compare(self, tree: ast.Compare) -> tuple[Sequence[ast.expr], Build]:
        if tree not in self.comparing:
            one = ". An equation has one =" if any(isinstance(op, ast.Eq) for op in tree.ops) else ""
            raise self.fail(tree, f"a comparison stands inside where(...) or assume(...) only{one}")
        for op in tree.ops:
            if type(op).__name__ not in COMPARE:
                raise self.fail(tree, f"the comparison {type(op).__name__} is not part of the language")

        def build(args: Sequence[Node]) -> Node:
            masks = [apply(COMPARE[type(op).__name__], a, b) for op, a, b in zip(tree.ops, args, args[1:])]
            out = masks[0]
            for mask in masks[1:]:  # 0 <= y <= 1: both
                out = out * mask
            return out

        return [tree.left, *tree.comparators], build

    def subscript(self, tree: ast.Subscript) -> tuple[Sequence[ast.expr], Build]:
        items = tree.slice.elts if isinstance(tree.slice, ast.Tuple) else [tree.slice]
        arrays = [item for item in items if self.chooses(item)]
        keys = {item: self.item(item) for item in items if item not in arrays}

        def build(args: Sequence[Node]) -> Node:
            found = dict(zip(arrays, args[1:]))
            return subscript(args[0], [found[i] if i in found else keys[i] for i in items], self.written(tree.value))

        return [tree.value, *arrays], build

    def chooses(self, tree: ast.expr) -> bool:
        """Whether an item of a subscript is an expression of whole numbers, not a size or a slice."""
        return not isinstance(tree, ast.Slice) and any(
            isinstance(t, ast.Call) or (isinstance(t, ast.Name) and t.id in self.scope) for t in ast.walk(tree))

    def item(self, tree: ast.expr) -> Any:
        """Return one item of a subscript: None, a size, or a triple of a slice."""
        if _is(tree, None):
            return None
        if not isinstance(tree, ast.Slice):
            return self.bound(tree)
        step = None if tree.step is None else _integer(tree.step)
        if tree.step is not None and step is None:
            raise self.fail(tree.step, "the step of a slice is an integer")
        return (*(None if b is None else self.bound(b) for b in (tree.lower, tree.upper)), step)

    def bound(self, tree: ast.expr) -> Dim:
        """Return a size, or a negative integer."""
        number = _integer(tree)
        return number if number is not None and number < 0 else self.size(tree)

    # --- calls --------------------------------------------------------------------------------------------------------

    def call(self, tree: ast.Call) -> tuple[Sequence[ast.expr], Build]:
        function = self.function(tree.func)
        for a in tree.args:
            if isinstance(a, ast.Starred):
                raise self.fail(a, "unpacking with * is not part of the language")
        words = {k.arg: k.value for k in tree.keywords if k.arg is not None}
        if len(words) < len(tree.keywords):
            raise self.fail(tree, "a keyword stands twice" if all(k.arg for k in tree.keywords) else
                            "unpacking with ** is not part of the language")
        try:
            bound = function.signature.bind(*tree.args, **words)
        except TypeError as error:
            raise self.fail(tree, f"{function.name}: {error}. It is called {function.usage}") from None
        below: list[ast.expr] = []
        order: list[tuple[str, int]] = []  # a parameter and its number of operands; 0: one alone
        fixed: dict[str, object] = {}
        row = function.composite
        for name, value in bound.arguments.items():
            parameter = function.signature.parameters[name]
            kind = str(parameter.annotation).removesuffix(" | None")
            if kind == "Node" and parameter.default is None and _is(value, None):
                bound.arguments[name] = fixed[name] = None
                continue
            if kind == "Nodes":
                if not isinstance(value, (ast.List, ast.Tuple)) or not value.elts:
                    raise self.fail(value, f"{function.name} takes a list, {function.name}([a, b])")
                order.append((name, len(value.elts)))
                below += value.elts
                continue
            if kind not in ("Node", "Condition"):
                bound.arguments[name] = fixed[name] = self.literal(kind, value, function)
                continue
            many = parameter.kind is parameter.VAR_POSITIONAL
            order.append((name, len(value) if many else 0))
            below += value if many else [value]
            if kind == "Condition" and tree not in self.comparing:  # else an outer condition has marked all of it
                self.comparing.update(t for t in ast.walk(value) if isinstance(t, (ast.Compare, ast.Call)))

        def build(args: Sequence[Node]) -> Node | tuple[Node, ...]:
            rest = iter(args)
            for name, count in order:
                bound.arguments[name] = tuple(islice(rest, count)) if count else next(rest)
            given = dict(bound.arguments)
            made = function.build(**given) if row is not None else function.build(*bound.args, **bound.kwargs)
            if row is not None and isinstance(made, Node):
                self.calls[made] = row.call([given.get(p) for p in row.params],
                                             {k: v for k, v in fixed.items() if k not in row.params})
            elif function.called and isinstance(made, Node):
                self.calls[made] = Call(function.name, tuple(args), tuple(fixed.items()))
            return made

        return below, build

    def function(self, tree: ast.expr) -> TextFunction:
        if isinstance(tree, ast.Attribute):
            advice = f". Write {tree.attr}(x)" if tree.attr in TABLE else ""
            raise self.fail(tree, f"the method .{tree.attr}(...) is not part of the language{advice}")
        if not isinstance(tree, ast.Name):
            raise self.fail(tree, f"only a name can be called; write {self.written(tree)}*(...) for a product")
        name = tree.id
        found = self.functions.get(name) or find(name)
        if found is not None:
            return found
        if name in LATER:
            raise self.fail(tree, f"{name} is a function of the language that has no rule yet", NoRule)
        if name == "assume":
            raise self.fail(tree, "assume(...) is a statement of its own, not part of an expression")
        near = suggest(name, [*self.functions, *TABLE, *LATER])
        if name in self.scope or name in self.sizes or name in self.later or (self.open and len(name) < 3):
            near += f" If {name} is a variable, write {name}*(...) for a product"
        raise self.fail(tree, f"unknown function {name!r}.{near}", UnknownName)

    def literal(self, kind: str, tree: ast.expr, function: TextFunction) -> object:
        """Return an argument that is no expression: an axis, a flag, a specification, sizes."""
        if kind == "Flag":
            if isinstance(tree, ast.Constant) and isinstance(tree.value, bool):
                return tree.value
            raise self.fail(tree, f"{function.name}: True or False belongs here. It is called {function.usage}")
        if kind == "Spec":
            if isinstance(tree, ast.Constant) and isinstance(tree.value, str):
                return tree.value
            raise self.fail(tree, f'{function.name} begins with its specification, a string such as "ij,jk->ik"')
        if kind == "Choice":
            if isinstance(tree, ast.Constant) and isinstance(tree.value, str):
                return tree.value
            raise self.fail(tree, f"{function.name}: a word in quotes belongs here. It is called {function.usage}")
        if kind == "Axis":
            if _is(tree, None):
                return None
            axes = [_integer(t) for t in (tree.elts if isinstance(tree, ast.Tuple) else [tree])]
            if any(a is None for a in axes):
                raise self.fail(tree, f"{function.name}: an axis is an integer, a tuple of integers or None. "
                                      f"It is called {function.usage}")
            return tuple(axes) if isinstance(tree, ast.Tuple) else axes[0]
        if kind == "Order":
            if isinstance(tree, ast.Name) and tree.id == "inf":
                return "inf"
            return tree.value if isinstance(tree, ast.Constant) and isinstance(tree.value, str) else _integer(tree)
        if kind == "Value":
            value = _number(tree)
            if value is None:
                raise self.fail(tree, f"{function.name}: a number such as 1/2 or 0.5 belongs here, not an expression. "
                                      f"It is called {function.usage}; heaviside(x, at) takes arrays")
            return value
        if kind == "Steps":
            if _is(tree, None):
                return None
            if isinstance(tree, ast.Constant) and isinstance(tree.value, str):
                return tree.value
            steps = tuple(self.bound(t) for t in (tree.elts if isinstance(tree, ast.Tuple) else [tree]))
            return steps if isinstance(tree, ast.Tuple) else steps[0]
        if kind == "Pairs":
            pairs = tree.elts if isinstance(tree, ast.Tuple) else []
            if not pairs or not all(isinstance(p, ast.Tuple) for p in pairs):
                raise self.fail(tree, f"{function.name}: pairs of sizes belong here, such as ((1, 1), (0, 0))")
            return tuple(tuple(map(self.bound, p.elts)) for p in pairs if isinstance(p, ast.Tuple))
        if kind == "Sizes":
            return self.shape(tree.elts if isinstance(tree, ast.Tuple) else [tree])
        return self.size(tree)

    # --- sizes --------------------------------------------------------------------------------------------------------

    def shape(self, trees: Iterable[ast.expr], declare: bool = False) -> Shape:
        given = list(trees)
        if len(given) > MAX_AXES:
            raise self.fail(given[0], f"an array has {len(given)} axes; the limit is {MAX_AXES}", TextLimit)
        return tuple(self.size(t, declare) for t in given)

    def size(self, root: ast.expr, declare: bool = False) -> Dim:
        """Return a size: an integer, a name, or sums, differences, products, quotients, powers and minima of them."""
        done: list[Any] = []
        work: list[Any] = [root]
        steps = 0
        while work:
            item = work.pop()
            if isinstance(item, str):
                b, a = done.pop(), done.pop()
                steps, self.steps = steps + 1, self.steps + 1
                if steps > MAX_SIZE_STEPS:
                    raise self.fail(root, f"a size holds at most {MAX_SIZE_STEPS} operators", TextLimit)
                if self.steps > MAX_SIZES_STEPS:
                    raise self.fail(root, f"all sizes hold at most {MAX_SIZES_STEPS} operators", TextLimit)
                if item == "Div" and b == 0:
                    raise self.fail(root, "a size is divided by 0 here")
                done.append(_SIZES[item](a, b))
            elif isinstance(item, ast.Constant) and type(item.value) is int:
                if item.value > MAX_INTEGER:
                    raise self.fail(item, f"sizes go up to {MAX_INTEGER}", TextLimit)
                done.append(sp.Integer(item.value))
            elif isinstance(item, ast.Name):
                if declare and item.id not in self.sizes:
                    if item.id in ("pi", "inf"):
                        raise self.fail(item, f"{item.id!r} is a constant and cannot name a size")
                    self.sizes[item.id] = as_dim(item.id)
                if item.id not in self.sizes:
                    raise self.fail(item, f"unknown size {item.id!r}.{suggest(item.id, self.sizes)} A size is known "
                                          f"from a declaration, for example X: ({item.id}, 3)", UnknownName)
                done.append(as_sympy(self.sizes[item.id]))
            elif isinstance(item, ast.BinOp) and type(item.op).__name__ in ("Add", "Sub", "Mult", "Div"):
                work += [type(item.op).__name__, item.right, item.left]
            elif isinstance(item, ast.UnaryOp) and isinstance(item.op, ast.USub):
                done.append(sp.Integer(0))
                work += ["Sub", item.operand]
            elif isinstance(item, ast.BinOp) and isinstance(item.op, ast.Pow) and \
                    (_integer(item.right) or -1) in range(MAX_SIZE_POWER + 1):
                work += ["Pow", item.right, item.left]
            elif isinstance(item, ast.Call) and isinstance(item.func, ast.Name) and item.func.id == "min" and \
                    len(item.args) == 2 and not item.keywords:
                work += ["min", *item.args]
            else:
                raise self.fail(item, f"a size is an integer, a name, or +, -, *, / and min of them, or a power up to "
                                      f"{MAX_SIZE_POWER}")
        try:
            return as_dim(done[0])
        except ShapeError as error:
            raise self.fail(root, str(error), ShapeError) from None


def _is(tree: object, value: object) -> bool:
    return isinstance(tree, ast.Constant) and type(tree.value) is type(value) and tree.value == value


def _integer(tree: ast.expr) -> int | None:
    negative = isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub)
    inner = tree.operand if isinstance(tree, ast.UnaryOp) and negative else tree
    if not isinstance(inner, ast.Constant) or type(inner.value) is not int:
        return None
    return -inner.value if negative else inner.value


def _number(tree: ast.expr) -> Fraction | None:
    """Return the number that a literal or a quotient of two stands for, exact as it is written."""
    if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub):
        inner = _number(tree.operand)
        return None if inner is None else -inner
    if isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Div):
        top, below = (None if isinstance(t, ast.BinOp) else _number(t) for t in (tree.left, tree.right))
        return top / below if top is not None and below else None
    value: Any = tree.value if isinstance(tree, ast.Constant) else None
    return Fraction(str(value)) if type(value) in (int, float) and abs(value) <= MAX_INTEGER else None


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
