"""One entry of a node in entries of its operands: what a printer of index notation walks."""

from __future__ import annotations

from collections.abc import Callable

from symgrad.graph.index_form import FIRST, Along, At, Delta, Factor, Index, Letter, Order, Sum, Term, at
from symgrad.graph.node import Node, topological
from symgrad.rules.arrays import array_row

_LOOK = 500  # entries that are visited to see whether two indices are one; beyond, both are kept, which is as right


def step(entry: At) -> Term | None:
    """Return an entry of an einsum or an array function one operation further down; None where it is written whole."""
    node = entry.node
    if node.op == "array":
        return array_row(node).entry_of(node, entry.index)
    ins, out, sizes = node.attr
    where: dict[int, Index] = {}
    deltas: list[Factor] = []
    for label, index in zip(out, entry.index):
        if label not in where:
            where[label] = index
        elif sizes[label] != 1 and where[label] != index:
            deltas.append(Delta(where[label], index))
    letters = []
    for label in dict.fromkeys(sum(ins, ())):
        if label not in where:
            where[label] = FIRST
            if sizes[label] != 1:
                letters.append(Letter(sizes[label]))
                where[label] = at(letters[-1])
    entries = [At(arg, tuple(where[i] for i in labels)) for arg, labels in zip(node.args, ins)]
    return Sum(tuple(letters), (*deltas, *entries))


def gathered(entry: At, closed: Callable[[Node], bool]) -> Term | None:
    """Return an entry as one sum of products, as far as products and sums go down; `closed` nodes stay as they are.

    A delta whose letter is summed over is carried out: sum_k delta_ik a_k = a_i.
    """
    first = step(entry)
    if isinstance(first, Sum) and first.where:
        return _forwards(first, closed)
    if not isinstance(first, Sum):
        return first
    letters = list(first.letters)
    work = list(first.factors)[::-1]
    done: list[Factor] = []
    while work:
        factor = work.pop()
        below = None
        if isinstance(factor, At) and factor.node.op in ("einsum", "array") and not closed(factor.node):
            below = step(factor)
        if isinstance(below, Sum) and not below.where:
            letters += below.letters
            work += below.factors[::-1]
        elif isinstance(below, At):
            work.append(below)
        else:
            done.append(factor)
    return contracted(Sum(tuple(letters), tuple(done)))


def _forwards(term: Sum, closed: Callable[[Node], bool]) -> Sum:
    """Return a sum over one letter k so that its entries stand at k: sum_{k <= n-1-i} c_{n-1-k} is sum_{k >= i} c_k."""
    (letter,), (entry,) = term.letters, term.factors
    while isinstance(entry, At) and entry.node.op == "array" and not closed(entry.node):
        below = step(entry)
        if not isinstance(below, At):
            break
        entry = below
    turned = at(letter).moved(letter.size - 1, -1)
    if isinstance(entry, At) and all(i == turned for i in entry.index if letter in i.letters()):
        # size - 1 - k <= a says k >= size - 1 - a
        sides = (Order((at(letter), o.items[1].moved(letter.size - 1, -1)), (">=",)) for o in term.where)
        return Sum(term.letters, (entry.put({letter: turned}),), tuple(sides))
    return Sum(term.letters, (entry,), term.where)


def contracted(term: Sum) -> Sum:
    """Return a sum without the deltas whose letter it runs over."""
    letters, factors = list(term.letters), list(term.factors)
    again = True
    while again:
        again = False
        for k, factor in enumerate(factors):
            if not isinstance(factor, Delta):
                continue
            for one, other in ((factor.right, factor.left), (factor.left, factor.right)):
                letter = one.letter
                if letter in letters and letter not in other.letters():
                    del factors[k]
                    assert letter is not None
                    factors = [f.put({letter: other}) for f in factors]
                    letters.remove(letter)
                    again = True
                    break
            if again:
                break
    plain = [f for f in factors if not (isinstance(f, Delta) and f.left == f.right)]
    return Sum(tuple(letters), tuple(plain))


def below(term: Term) -> tuple[Factor, ...]:
    """Return the parts of a term."""
    return term.factors if isinstance(term, Sum) else (term.body if isinstance(term, Along) else term,)


def tied(f: Node, w: Node, closed: Callable[[Node], bool]) -> dict[int, int]:
    """Return axis of f -> axis of w where an entry of f depends on entries of w with the same index there alone."""
    holds: dict[Node, bool] = {}
    for n in topological([f], lambda n: () if n is w or (n is not f and closed(n)) else n.args):
        holds[n] = n is w or any(holds.get(a, False) for a in n.args)
    letters = [Letter(d) for d in f.shape]
    found: dict[int, int] | None = None
    work = [At(f, tuple(map(at, letters)))]
    for _ in range(_LOOK):
        if not work:
            return found or {}
        entry = work.pop()
        node = entry.node
        if not holds.get(node, False):
            continue
        if node is w:
            here = {a: b for a, letter in enumerate(letters) for b, i in enumerate(entry.index)
                    if i.letter is letter and letter.size == w.shape[b]}
            found = here if found is None else {a: b for a, b in found.items() if here.get(a) == b}
        elif node.is_elementwise:
            work += [At(a, entry.index) for a in node.args]
        elif node.op in ("einsum", "array"):
            term = step(entry)
            if term is None:
                return {}
            work += [part for part in below(term) if isinstance(part, At)]
        else:
            return {}
    return {}


def is_product(term: Term | None) -> bool:
    """Whether the term is a sum of products over the whole range of its letters."""
    return isinstance(term, Sum) and not term.where

