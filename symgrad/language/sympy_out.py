"""Nodes to SymPy: `to_sympy`, iterative; a shared node becomes one SymPy object.

Scalars become expressions, nodes of two axes matrix expressions. SymPy has no other arrays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import sympy as sp

from symgrad.engine.derivation import Call
from symgrad.errors import NotExpressible
from symgrad.graph.node import NAMED, Node, as_node, describe, topological
from symgrad.language.functions import ROWS, Elementwise, named_class, number, scalar
from symgrad.language.matrix_chain import Edge, hadamard, matrix_form, product, transposed
from symgrad.language.sympy_matrices import Written, written
from symgrad.rules.arrays import array_row
from symgrad.rules.row import Function
from symgrad.shapes import Dim, as_sympy, show

MAX_WALK = 1000  # beyond it SymPy's functions stay unevaluated: to evaluate, SymPy walks the argument as a tree
_MATRIX_OPERATORS = frozenset({"add", "sub", "neg", "mul", "div", "pow"})


def to_sympy(node: Node, names: Mapping[Node, str] = {}, origin: Mapping[str, Any] = {}, *,
             expand_root: bool = False, calls: Mapping[Node, Call] = {}) -> Any:
    """Return a node as a SymPy expression or matrix expression; a node in `names` becomes the symbol of that name.

    Losses in `calls` stand as they were written.

    Shapes: rank 0 gives an Expr, rank 2 a MatrixExpr.
    Raises: NotExpressible for other ranks, and for sums that no matrix product writes.

    >>> from symgrad.graph.node import var
    >>> to_sympy(1 - var("p") ** 2)
    1 - p**2
    """
    return _Writer(names, origin, node if expand_root else None, calls).write(node)


class _Writer:
    def __init__(self, names: Mapping[Node, str], origin: Mapping[str, Any], expanded: Node | None,
                 calls: Mapping[Node, Call]) -> None:
        self.names, self.origin, self.expanded = names, origin, expanded
        # SymPy has functions of scalars, so a layer stands as its graph
        self.calls = {n: _filled(c) for n, c in calls.items() if c.name in ROWS}
        self.done: dict[Node, Any] = {}
        self.uniform: dict[Node, Any] = {}  # matrices of one repeated scalar
        self.whole: dict[Node, Written | None] = {}  # what SymPy has a class of its own for
        self.weight: dict[Node, int] = {}  # operations of the expression as a tree

    def named(self, node: Node) -> bool:
        return node in self.names and node is not self.expanded

    def below(self, node: Node) -> tuple[Node, ...]:
        if self.named(node) or node in self.calls:
            return () if self.named(node) else self.calls[node].args
        if node not in self.whole:
            self.whole[node] = written(node, self.dim)
        found = self.whole[node]
        return node.args if found is None else found[0]

    def write(self, root: Node) -> Any:
        for node in topological([root], self.below):
            self.weight[node] = min(1 + sum(self.weight[a] for a in self.below(node)), MAX_WALK + 1)
            if self.named(node):
                self.done[node] = self.symbol(self.names[node], node)
            elif node.op == "var":
                self.done[node] = self.symbol(node.name, node)
            else:
                self.put(node)
        return self.matrix(root) if root in self.uniform else self.done[root]

    def put(self, node: Node) -> None:
        if node.op in ("pull", "bar"):
            raise NotExpressible("a derivative that is not worked out yet has no SymPy form; ask for the result")
        self.check_rank(node)
        whole = self.whole.get(node)
        if whole is not None and (node.op == "array" or whole[0][0] not in self.uniform):
            self.done[node] = whole[1](*map(self.block, whole[0]))
        elif node in self.calls:
            call = self.calls[node]
            args = [self.uniform.get(a, self.done.get(a)) for a in call.args]
            self.done[node] = Elementwise(call.name, args) if node.shape else scalar(call.name, args)
        elif node.op in ("const", "size"):
            value = number(node.value)
            self.keep(node, self.dim(value) if node.op == "size" else value)
        elif node.op == "einsum":
            self.einsum(node)
        elif node.op == "array":
            self.done[node] = self.array(node)
        elif not node.shape:
            args = [self.done[a] for a in node.args]
            self.done[node] = scalar(node.op, args, node.attr, self.weight[node] <= MAX_WALK)
        elif all(a in self.uniform for a in node.args):
            self.uniform[node] = scalar(node.op, [self.uniform[a] for a in node.args], node.attr)
        else:
            self.done[node] = self.elementwise(node)

    def array(self, node: Node) -> Any:
        """Return a function of whole arrays where SymPy has it."""
        row = array_row(node)
        if row.sympy is None:
            raise NotExpressible(f"SymPy has no {row.name} of matrices; read the result as text or LaTeX")
        return getattr(sp, row.sympy)(*(self.matrix(a) if a.shape else self.done[a] for a in node.args))

    def keep(self, node: Node, value: Any) -> None:
        (self.uniform if node.shape else self.done)[node] = value

    def check_rank(self, node: Node) -> None:
        if node.rank not in (0, 2):
            raise NotExpressible(
                f"{describe(node)} of shape {show(node.shape)} has {node.rank} axes; SymPy has scalars and matrices. "
                f"Declare vectors as columns (n, 1) for a SymPy result, or read it as text or LaTeX")

    def symbol(self, name: str, node: Node) -> Any:
        """Return the user's own symbol where it is known and fits."""
        self.check_rank(node)
        known = self.origin.get(name)
        if known is not None and bool(known.is_Matrix) == bool(node.shape):
            return known
        if not node.shape:
            integer = node.op == "var" and node.attr[1] == "int"
            return sp.Symbol(name, integer=True) if integer else sp.Symbol(name, real=True)
        return sp.MatrixSymbol(name, *self.shape(node))

    def dim(self, dim: Dim) -> Any:
        """Return a size in the user's own symbols."""
        value = as_sympy(dim)
        return value.xreplace({s: self.origin[s.name] for s in value.free_symbols
                               if isinstance(self.origin.get(s.name), sp.Symbol)})

    def shape(self, node: Node) -> tuple[Any, ...]:
        return tuple(self.dim(d) for d in node.shape)

    def block(self, node: Node) -> Any:
        """Return a matrix node, one number in a matrix of one entry written out."""
        one = node in self.uniform and node.shape == (1, 1)
        return sp.ImmutableMatrix([[self.uniform[node]]]) if one else self.matrix(node)

    def matrix(self, node: Node) -> Any:
        """Return a matrix node, ones spelt out."""
        if node in self.uniform:
            value = self.uniform[node]
            return sp.ZeroMatrix(*self.shape(node)) if value == 0 else product([sp.OneMatrix(*self.shape(node))], value)
        return self.done[node]

    def elementwise(self, node: Node) -> Any:
        if node.op not in _MATRIX_OPERATORS:
            operands = [self.uniform.get(a, self.done.get(a)) for a in node.args]
            if node.op == NAMED:
                return Elementwise(named_class(node.attr), operands)
            row = ROWS[node.op]
            attr = () if isinstance(row, Function) and node.attr == row.attr else node.attr
            return Elementwise(node.op, operands, attr)
        a, b = (*node.args, node.args[0])[:2]
        if node.op == "neg":
            return product([self.done[a]], -1)
        if node.op in ("add", "sub"):
            return _sum(self.matrix(a), self.matrix(b) if node.op == "add" else product([self.matrix(b)], -1))
        if node.op == "mul":
            for x, s in ((a, b), (b, a)):
                if s in self.uniform:
                    return product([self.done[x]], self.uniform[s])
            return hadamard(self.done[a], self.done[b])
        if node.op == "div":
            if b in self.uniform:
                return product([self.done[a]], 1 / self.uniform[b])
            inverse = sp.HadamardPower(self.done[b], -1)
            return product([inverse], self.uniform[a]) if a in self.uniform else hadamard(self.done[a], inverse)
        return sp.HadamardPower(self.uniform.get(a, self.done.get(a)), self.uniform.get(b, self.done.get(b)))

    def einsum(self, node: Node) -> None:
        ins, out, dims = node.attr
        if len(node.args) == 1 and not ins[0] and len(set(out)) == len(out):
            self.keep(node, self.done[node.args[0]])
            return
        if len(node.args) == 1 and ins[0] == (0, 1) and out == (1, 0):
            arg = node.args[0]
            if arg in self.uniform:
                self.uniform[node] = self.uniform[arg]
            else:
                self.done[node] = transposed(self.done[arg])
            return
        sizes = [self.dim(d) for d in dims]
        scale: Any = sp.Integer(1)
        edges = []
        for labels, arg in zip(ins, node.args):
            if labels:
                edges.append(Edge(labels[0], labels[1], self.matrix(arg)))
            else:
                scale = scale * self.done[arg]
        alone = len(set(out)) == len(out) and not {x for labels in ins for x in labels} & set(out)
        if alone and node.shape not in ((), (1, 1)):  # one number in every entry: sum(X) or Trace(W) broadcast
            self.uniform[node] = matrix_form(edges, (), sizes, scale)
        else:
            self.done[node] = matrix_form(edges, out, sizes, scale)


def _filled(call: Call) -> Call:
    """Return a call with all operands, those left out by their defaults."""
    name, operands = ROWS[call.name].bind(*call.bound())
    return replace(call, name=name, args=tuple(map(as_node, operands)), labels=(), keywords=())


def _sum(a: Any, b: Any) -> Any:
    """Return a sum in the flat and ordered form that SymPy's own + gives."""
    terms: Sequence[Any] = [t for m in (a, b) for t in (m.args if isinstance(m, sp.MatAdd) else (m,))]
    return sp.MatAdd(*sorted(terms, key=sp.default_sort_key))
