"""How long the axes of an array are by what is printed: a number fills any array, ones are as long as asked for.

What a formula does not say is printed: as ones of a stated length.
"""

from __future__ import annotations

from collections.abc import Callable

from symgrad.graph.node import Node, topological


class Extents:
    """Of each node below a root, which axes have no length of their own; `closed` nodes stand as names or calls.

    uniform   nodes that are one number
    sized     nodes whose ones bear their lengths, as nothing around them says them
    """

    def __init__(self, root: Node, closed: Callable[[Node], bool]) -> None:
        self.closed = closed
        self.free: dict[Node, tuple[bool, ...]] = {}
        self.uniform: set[Node] = set()
        self.sized: set[Node] = set()
        order = topological([root], lambda n: () if n.op == "bar" or closed(n) else n.args)
        for n in order:
            self.free[n] = self._free(n)
            if self._is_uniform(n):
                self.uniform.add(n)
        for n in order:
            if not closed(n):
                self._ask(n)

    def is_free(self, node: Node) -> bool:
        """Whether an axis has no length of its own."""
        return any(self.free.get(node, ()))

    def _free(self, n: Node) -> tuple[bool, ...]:
        wide = tuple(d != 1 for d in n.shape)
        if not any(wide) or self.closed(n) or n.op in ("var", "bar", "pull", "array"):
            return (False,) * n.rank
        if n.op == "einsum":
            ins, out, _ = n.attr
            told = {i for a, labels in zip(n.args, ins) for i, free in zip(labels, self.free[a]) if not free}
            return tuple(w and i not in told for i, w in zip(out, wide))
        return tuple(w and all(self.free[a][k] for a in n.args) for k, w in enumerate(wide))

    def _is_uniform(self, n: Node) -> bool:
        wide = [d != 1 for d in n.shape]
        if not any(wide):
            return True
        if self.free[n] != tuple(wide):
            return False
        out = [i for i, w in zip(n.attr[1], wide) if w] if n.op == "einsum" else []
        return len(set(out)) == len(out) and (n.op == "einsum" or all(a in self.uniform for a in n.args))

    def _ask(self, n: Node) -> None:
        """A sum, a function of the whole array and a derivative need lengths."""
        if n.op == "pull":
            self._say(n.args[1])
        elif n.op == "array":
            for a in n.args:
                self._say(a)
        elif n.op == "einsum":
            ins, out, sizes = n.attr
            held: dict[int, list[Node]] = {}
            told: set[int] = set(out)
            for a, labels in zip(n.args, ins):
                for i, free in zip(labels, self.free[a]):
                    if sizes[i] == 1 or not free:
                        told.add(i)
                    elif a not in self.uniform:
                        held.setdefault(i, []).append(a)
            for i, nodes in held.items():
                for a in nodes if i not in told else ():
                    self._say(a)

    def _say(self, node: Node) -> None:
        work = [node]
        while work:
            n = work.pop()
            if n not in self.sized and self.is_free(n) and not self.closed(n):
                self.sized.add(n)
                work += n.args
