"""Index notation: every node as an equation between entries, `Z[i,k] = sum_j W[i,j]*X[j,k]`.

What is written is the same for every sign system; a pen puts it into text or LaTeX. An axis of size 1 bears no index,
indices count from 0, and a sum reaches to the end of its product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

from symgrad.graph.index_form import FIRST, Along, At, Delta, Factor, Holds, Index, Letter, Order, Sum, at
from symgrad.graph.node import Node, names_in, size, topological
from symgrad.graph.sharing import cuts
from symgrad.graph.text import Written, direct, operands
from symgrad.render.extents import Extents
from symgrad.render.unfold import contracted, gathered, tied
from symgrad.shapes import Dim, Shape, as_sympy

P = TypeVar("P")
_POOL = "ijklpqrstuvmabcfghwxyz"


class Pen(Protocol[P]):
    """The signs of index notation; indices are strings already."""

    def index(self, terms: Sequence[tuple[str, int]], plus: Dim) -> str: ...
    def entry(self, name: str, rank: int, index: Sequence[str]) -> P: ...
    def number(self, node: Node) -> P: ...
    def whole(
        self, node: Node, index: Sequence[str], names: Mapping[Node, str], calls: Mapping[Node, Written],
        letters: Iterable[str]
    ) -> P: ...
    def delta(self, left: str, right: str) -> P: ...
    def holds(self, orders: Sequence[str]) -> P: ...
    def order(self, items: Sequence[str], relations: Sequence[str]) -> str: ...
    def total(self, letters: Sequence[str], where: Sequence[str], body: P) -> P: ...
    def product(self, factors: Sequence[P]) -> P: ...
    def apply(self, node: Node, args: list[P]) -> P: ...
    def along(self, node: Node, letters: Sequence[str], body: P, places: Sequence[str]) -> P: ...
    def ratio(self, top: P, under: P) -> P: ...
    def negated(self, piece: P) -> P: ...
    def shown(self, piece: P) -> str: ...
    def flat(self, text: str) -> str: ...


class Alphabet:
    """The letters of one derivation: a size has its letter, and a second one where two of it meet."""

    def __init__(self, taken: Iterable[str] = (), shapes: Iterable[Shape] = ()) -> None:
        used = set(taken)
        self.pool = [c for c in _POOL if c not in used]
        self.own: dict[Dim, list[str]] = {}
        self.count = 0
        for shape in shapes:
            scope: set[str] = set()
            for dim in shape:
                if dim != 1:
                    scope.add(self.choose(dim, scope))

    def choose(self, dim: Dim, scope: Iterable[str]) -> str:
        """Return the letter for an index of this size beside those in scope."""
        busy = set(scope)
        mine = self.own.setdefault(dim, [])
        for name in mine:
            if name not in busy:
                return name
        claimed = {c for letters in self.own.values() for c in letters}
        free = [c for c in self.pool if c not in claimed] or [c for c in self.pool if c not in busy]
        if not free:
            self.count += 1
            free = [f"i{self.count}"]
        mine.append(free[0])
        return free[0]


def sizes_in(nodes: Iterable[Node]) -> set[str]:
    """Return the names of all sizes and variables below the nodes."""
    return names_in(topological(nodes))


class _Close(Generic[P]):
    def __init__(self, count: int, build: Callable[[list[P]], P], bound: Sequence[Letter]) -> None:
        self.count, self.build, self.bound = count, build, bound


class Indexed(Generic[P]):
    """Writes nodes in index notation; `names` stand for their nodes, `calls` are written as they were given."""

    def __init__(self, pen: Pen[P], names: Mapping[Node, str] = {}, *, calls: Mapping[Node, Written] = {},
                 alphabet: Alphabet | None = None) -> None:
        self.pen = pen
        self.names = dict(names)
        self.calls = calls
        self.alphabet = alphabet or Alphabet()
        self.cut: dict[Node, str] = {}
        self.root: Node | None = None
        self.extents: tuple[Node, Extents] | None = None
        self.spelt: set[Node] = set()
        self.called: dict[Letter, str] = {}

    # --- what a caller asks for ---------------------------------------------------------------------------------------

    def free(self, shape: Shape) -> tuple[Letter, ...]:
        """Return letters for the axes of an array, named from here on."""
        letters = tuple(Letter(d) for d in shape)
        self.called = {}
        for letter in letters:
            self.name(letter)
        return letters

    def indices(self, letters: Sequence[Letter]) -> list[str]:
        """Return the letters as they are written, those of axes of size 1 left out."""
        return [self.called[x] for x in letters if x.size != 1]

    def equations(self, node: Node, letters: Sequence[Letter], *, expand_root: bool = True) -> tuple[
            str, list[tuple[str, str]]]:
        """Return the entry of a node at the letters, and the equations of the parts that it shares."""
        place = tuple(at(x) for x in letters)
        outside = dict(self.called)
        self.cut, self.spelt, self.root = {}, set(), None
        if not expand_root and node in self.names:
            return self.pen.shown(self.write(At(node, place))), []
        self.root = node
        self.spelt = direct(node, self.inputs)
        parts = cuts(node, self.inputs)
        where: list[tuple[str, str]] = []
        taken = {*self.names.values(), *sizes_in([node])} if parts else set()
        count = 0
        for part in parts:
            count += 1
            while f"t{count}" in taken:
                count += 1
            own = self.free(part.shape)
            here = tuple(map(at, own))
            self.root = part
            right = self.pen.flat(self.pen.shown(self.write(At(part, here))))
            self.cut[part] = f"t{count}"
            self.root = None
            where.append((self.pen.shown(self.write(At(part, here))), right))
        self.called, self.root = outside, node
        return self.pen.shown(self.write(At(node, place))), where

    # --- walking ------------------------------------------------------------------------------------------------------

    def name(self, letter: Letter) -> str:
        """Give a letter its sign, one that no letter in scope has."""
        self.called[letter] = self.alphabet.choose(letter.size, self.called.values()) if letter.size != 1 else ""
        return self.called[letter]

    def named(self, node: Node) -> bool:
        """Whether a node stands as its name."""
        return node in self.cut or (node in self.names and node is not self.root and node not in self.spelt)

    def closed(self, node: Node) -> bool:
        """Whether a node is not opened further."""
        return self.named(node) or node in self.calls or node.is_leaf or node.op in ("bar", "pull")

    def inputs(self, node: Node) -> Sequence[Node]:
        return () if self.named(node) else operands(node, self.names, self.calls)

    def write(self, entry: Factor) -> P:
        """Return an entry in signs."""
        out: list[P] = []
        work: list[Factor | _Close[P]] = [entry]
        while work:
            item = work.pop()
            if isinstance(item, _Close):
                kids = out[len(out) - item.count:]
                del out[len(out) - item.count:]
                out.append(item.build(kids))
                for letter in item.bound:
                    del self.called[letter]
                continue
            parts, build, bound = self.open(item)
            work.append(_Close(len(parts), build, bound))
            work += parts[::-1]
        return out[0]

    def open(self, item: Factor) -> tuple[Sequence[Factor], Callable[[list[P]], P], Sequence[Letter]]:
        """Return the parts of an entry, how they make it, and the letters that are bound in it."""
        pen = self.pen
        if isinstance(item, Delta):
            both = [item.left, item.right]
            return _looked(both), lambda kids: pen.delta(*self.shown(both, kids)), ()
        if isinstance(item, Holds):
            orders = item.orders
            inside = [i for o in orders for i in o.items]
            return _looked(inside), lambda kids: pen.holds(self.orders(orders, kids)), ()
        node, place = item.node, item.index
        index = [i for i, d in zip(place, node.shape) if d != 1]
        if self.named(node) or node.op == "var":
            name = self.cut.get(node) or self.names.get(node) or node.name
            return _looked(index), lambda kids: pen.entry(name, node.rank, self.shown(index, kids)), ()
        if node in self.calls:
            return self.whole(node, index)
        if node.op in ("const", "size"):
            return (), lambda kids: pen.number(node), ()
        if node.op == "bar":
            loss, x = node.args
            if loss in self.names:  # also in a line that spells it
                said = self.names[loss]
                return (At(x, place),), lambda kids: pen.ratio(pen.entry(said, loss.rank, ()), kids[0]), ()
            return (At(loss, ()), At(x, place)), lambda kids: pen.ratio(kids[0], kids[1]), ()
        if node.op == "pull":
            return self.pull(node, place)
        if node.is_elementwise:
            return [At(a, place) for a in node.args], lambda kids: pen.apply(node, kids), ()
        term = gathered(item, self.closed)
        if term is None:
            return self.whole(node, index)
        if isinstance(term, At):
            return (term,), lambda kids: kids[0], ()
        if isinstance(term, Along):
            return self.along(node, term)
        return self.total(term)

    def total(self, term: Sum) -> tuple[Sequence[Factor], Callable[[list[P]], P], Sequence[Letter]]:
        """A sum of products."""
        orders = term.where
        if not orders:
            term = self.counted(term)
        looked = _looked([i for o in orders for i in o.items])
        signs = [self.name(x) for x in term.letters]

        def build(kids: list[P]) -> P:
            body = self.pen.product(kids[len(looked):])
            return self.pen.total(signs, self.orders(orders, kids), body) if signs else body

        return (*looked, *term.factors), build, term.letters

    def shows(self, entry: Factor) -> set[Letter]:
        """Return the letters that are seen in an entry: along an axis of equal entries none is."""
        if not isinstance(entry, At):
            return {x for i in ([entry.left, entry.right] if isinstance(entry, Delta) else
                                [i for o in entry.orders for i in o.items]) for x in i.letters()}
        if self.root is not None and (self.extents is None or self.extents[0] is not self.root):
            self.extents = self.root, Extents(self.root, lambda n: self.named(n) or n in self.calls)
        known = self.extents[1].free if self.extents is not None else {}
        free = known.get(entry.node, (False,) * entry.node.rank)
        return {x for i, f in zip(entry.index, free) if not f for x in i.letters()}

    def counted(self, term: Sum) -> Sum:
        """Return a sum with sizes as factors for the letters that no factor shows."""
        shown = set().union(*map(self.shows, term.factors))
        lost = [x for x in term.letters if x not in shown and x.size != 1]
        if not lost:
            return term
        first = dict.fromkeys(lost, FIRST)
        return Sum(tuple(x for x in term.letters if x not in lost),
                   (*(At(size(x.size), ()) for x in lost), *(f.put(first) for f in term.factors)))

    def along(self, node: Node, term: Along) -> tuple[Sequence[Factor], Callable[[list[P]], P], Sequence[Letter]]:
        """A function along letters; at the letter itself the place need not be said."""
        body, places = term.body, list(term.at)
        own = [x.letter for x in term.at]
        rest = [x for i in body.index for x in i.letters() if x not in term.letters]
        if own and len({x for x in own if x is not None and x not in rest}) == len(own):
            body = body.put(dict(zip(term.letters, term.at)))
            signs = [self.called[x] for x in own if x is not None]
            return (body,), lambda kids: self.pen.along(node, signs, kids[0], ()), ()
        looked = _looked(places)
        before = dict(self.called)
        signs = [self.name(x) for x in term.letters]

        def build(kids: list[P]) -> P:
            inside, self.called = self.called, before
            said = self.shown(places, kids[1:])
            self.called = inside
            return self.pen.along(node, signs, kids[0], said)

        return (body, *looked), build, term.letters

    def pull(self, node: Node, place: tuple[Index, ...]) -> tuple[
            Sequence[Factor], Callable[[list[P]], P], Sequence[Letter]]:
        """The pending pullback sum_k c[k] df[k]/dw[i]; an index of f that is one of w needs no sum."""
        c, f, w = node.args
        ties = tied(f, w, lambda n: n in self.names and n is not f)
        letters: list[Letter] = []
        here: list[Index] = []
        for axis, dim in enumerate(f.shape):
            if dim == 1:
                here.append(FIRST)
            elif axis in ties:
                here.append(place[ties[axis]])
            else:
                letters.append(Letter(dim))
                here.append(at(letters[-1]))
        value = c.value if c.op == "const" else None
        shown = self.shows(At(f, tuple(here))) | (self.shows(At(c, tuple(here))) if value not in (1, -1) else set())
        lost = [x for x in letters if x not in shown]
        here = [i.put(dict.fromkeys(lost, FIRST)) for i in here]
        letters = [x for x in letters if x in shown]
        same = self.same(At(f, tuple(here)), At(w, place)) if not lost else None
        if same is not None:
            return self.total(contracted(Sum(tuple(letters), (At(c, tuple(here)), *same))))
        signs = [self.name(x) for x in letters]

        def build(kids: list[P]) -> P:
            ratio = self.pen.ratio(kids[1], kids[2])
            count = [self.pen.number(size(x.size)) for x in lost]
            if value not in (1, -1) or count:
                ratio = self.pen.product([*count, *kids[:1] * (value not in (1, -1)), ratio])
            out = self.pen.total(signs, (), ratio) if signs else ratio
            return self.pen.negated(out) if value == -1 else out

        return (At(c, tuple(here)), At(f, tuple(here)), At(w, place)), build, letters

    def same(self, f: At, w: At) -> tuple[Factor, ...] | None:
        """Return the deltas that dw[a]/dw[b] is, where f is an entry of w; None where it is not."""
        if f.node is not w.node and not self.named(f.node) and f.node.op in ("einsum", "array"):
            term = gathered(f, lambda n: n is w.node or self.closed(n))
            if isinstance(term, Sum) and not term.letters and not term.where and len(term.factors) == 1:
                (only,) = term.factors
                f = only if isinstance(only, At) else f
            elif isinstance(term, At):
                f = term
        if f.node is not w.node:
            return None
        pairs = [(a, b) for a, b, d in zip(f.index, w.index, w.node.shape) if d != 1 and a != b]
        return tuple(Delta(a, b) for a, b in pairs)

    def whole(self, node: Node, index: Sequence[Index]) -> tuple[
            Sequence[Factor], Callable[[list[P]], P], Sequence[Letter]]:
        """A function of whole arrays, written as such, at a place."""
        names = {**{n: s for n, s in self.names.items() if n is not self.root}, **self.cut}
        names.pop(node, None)

        def build(kids: list[P]) -> P:
            letters = [self.pen.index([(c, 1)], 0) for c in self.called.values() if c]
            return self.pen.whole(node, self.shown(index, kids), names, self.calls, letters)

        return _looked(index), build, ()

    # --- indices ------------------------------------------------------------------------------------------------------

    def shown(self, indices: Sequence[Index], kids: Sequence[P]) -> list[str]:
        """Return indices in signs; `kids` are their looked-up entries, in order."""
        rest = list(kids)
        out = []
        for i in indices:
            terms = [(self.called[x] if isinstance(x, Letter) else self.pen.shown(rest.pop(0)), k) for x, k in i.terms]
            out.append(self.pen.index(terms, i.plus))
        return out

    def orders(self, orders: Sequence[Order], kids: Sequence[P]) -> list[str]:
        """Return chains of comparisons in signs."""
        rest = list(kids)
        out = []
        for o in orders:
            count = len(_looked(o.items))
            out.append(self.pen.order(self.shown(o.items, rest[:count]), o.relations))
            rest = rest[count:]
        return out


def _looked(indices: Iterable[Index]) -> list[At]:
    return [x for i in indices for x, _ in i.terms if isinstance(x, At)]


def signed_terms(terms: Sequence[tuple[str, int]], plus: Dim) -> list[tuple[int, object, object]]:
    """Return (sign, multiple, what) of an index, positive terms first: letters, sizes and the number."""
    out: list[tuple[int, object, object]] = [(1 if k > 0 else -1, abs(k), s) for s, k in terms]
    for term in as_sympy(plus).as_ordered_terms() if plus != 0 else ():
        number, rest = term.as_coeff_Mul()
        out.append((1 if number > 0 else -1, abs(number), rest))
    # n - 1 - i: what counts positive first, then the number before letters
    return sorted(out, key=lambda t: (-t[0], isinstance(t[2], str) == (t[0] < 0))) or [(1, 1, as_sympy(0))]
