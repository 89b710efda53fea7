"""A derivation as titled chains of equations in any notation; text and LaTeX differ in the signs they bring alone.

Every line is one of the record's: matrix and index notation write the node, differential notation pairs it with the
change of the variable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from symgrad.graph.node import Node
from symgrad.graph.text import Written
from symgrad.render.differential import Changes, Term, forward_changes, lines_of
from symgrad.render.index import Alphabet, Indexed, Pen, sizes_in
from symgrad.render.outline import Block, Line, Outline, result_names, visible
from symgrad.render.style import INDEX_NOTE, Style
from symgrad.render.turned import Turn, turned_plan

P = TypeVar("P")
NO_LINE: Line | None = None


@dataclass(frozen=True)
class Chain:
    """head = rows[0] = rows[1] = ...; a row is its formula and the line of the derivation that it shows, if it does."""

    head: str
    rows: tuple[tuple[str, Line | None], ...]


@dataclass(frozen=True)
class Section:
    """A titled part of a page; `kind` is 'forward', 'changes', 'backward' or 'results'."""

    kind: str
    title: str
    chains: tuple[Chain, ...]


class Signs(Protocol[P]):
    """How formulas are put into characters."""

    pen: Pen[P]
    rows: bool  # whether a vector has a direction

    def line(self, node: Node) -> str: ...
    def formula(self, node: Node, names: Mapping[Node, str]) -> str: ...
    def written(self, node: Node) -> list[str]: ...
    def name(self, node: Node) -> str: ...
    def fits(self, node: Node) -> bool: ...
    def flat(self, text: str) -> str: ...
    def where(self, text: str, parts: Sequence[tuple[str, str]]) -> str: ...
    def pair(self, left: str, right: str) -> str: ...
    def trace(self, product: str) -> str: ...
    def joined(self, terms: Sequence[str]) -> str: ...
    def change(self, name: str, symbol: str, rank: int) -> None: ...


class Page(Generic[P]):
    """The chains of one derivation in one notation."""

    def __init__(self, plan: Outline, signs: Signs[P], style: Style) -> None:
        self.plan, self.signs, self.style = plan, signs, style
        self.record = plan.record
        self.names = plan.record.names
        shapes = [w.shape for w in self.record.wrt]
        taken = {*self.names.values(), *sizes_in([self.record.loss]), "d", "e"}
        self.alphabet = Alphabet(taken, shapes)
        self.index_used = style.notation == "index"

    def sections(self) -> list[Section]:
        """Return the parts of the page, those that are empty left out."""
        style, plan = self.style, self.plan
        turned = turned_plan(plan, rows=self.signs.rows) if style.numerator and style.notation != "index" else plan
        out = [Section("forward", "Forward pass", (*self.recognised(), *map(self.forward, plan.forward)))]
        if style.notation == "differential":
            changes = Changes(self.record)
            for symbol, node in changes.symbols.items():
                self.signs.change(node.name, self.names.get(symbol) or symbol.name, symbol.rank)
            out.append(Section("changes", "Differentials", tuple(self.changes(changes))))
            chains = [self.paired(b, changes) for b in plan.blocks]
        else:
            chains = [self.block(b) for b in turned.blocks]
        out.append(Section("backward", style.title("Backward pass"), tuple(chains)))
        out.append(Section("results", style.title("Gradients"), tuple(self.result(*r) for r in turned.results)))
        return [s for s in out if s.chains]

    def notes(self) -> tuple[str, ...]:
        """Return the notes of the page; call it after `sections`."""
        own = self.style.notes(self.plan.notes)
        return own if not self.index_used or INDEX_NOTE in own else (own[0], INDEX_NOTE, *own[1:])

    # --- matrices, and indices where they cannot say it -----------------------------------------------------------

    def indexed(self, nodes: Sequence[Node]) -> bool:
        """Whether equations are written in indices: on demand, and where matrices cannot say one of their sides."""
        wanted = self.style.notation == "index" or not all(map(self.signs.fits, nodes))
        self.index_used = self.index_used or wanted
        return wanted

    def writer(self, names: Mapping[Node, str], calls: Mapping[Node, Written] | None = None) -> Indexed[P]:
        return Indexed(self.signs.pen, names, calls=calls or {}, alphabet=self.alphabet)

    def recognised(self) -> list[Chain]:
        """What was recognised in the input: as it was written = what it is."""
        signs = self.signs
        out = []
        for b in self.plan.recognised:
            if self.indexed([b.head, *(line.node for line in b.lines)]):
                out.append(self.block(b, expand=True))
            else:
                rows = [(signs.formula(line.node, self.names), line) for line in b.lines]
                out.append(Chain(signs.flat(signs.formula(b.head, self.names)), tuple(rows)))
        return out

    def forward(self, node: Node) -> Chain:
        """An equation of the forward pass: as it was written, and spelled out where that differs."""
        if not self.indexed([node]):
            return Chain(self.signs.name(node), tuple((t, NO_LINE) for t in self.signs.written(node)))
        texts = []
        head = ""
        for calls in (self.record.calls, {}):
            writer = self.writer(self.names, calls)
            letters = writer.free(node.shape)
            head = self.signs.flat(writer.equations(node, letters, expand_root=False)[0])
            texts.append(self.signs.where(*writer.equations(node, letters)))
        return Chain(head, tuple((t, NO_LINE) for t in dict.fromkeys(texts)))

    def block(self, block: Block, *, expand: bool = False) -> Chain:
        """A chain of the backward pass."""
        signs = self.signs
        if not self.indexed([block.head, *(line.node for line in block.lines)]):
            head = signs.flat(signs.line(block.head))
            return Chain(head, tuple(visible(block, head, signs.line)))
        writer = self.writer(self.names)
        letters = writer.free(block.head.shape)

        def line(node: Node) -> str:
            return signs.where(*writer.equations(node, letters, expand_root=expand))

        head = signs.flat(line(block.head))
        rows: list[tuple[str, Line | None]] = []
        for text, shown in visible(block, head, line):
            if rows and sorted(text) == sorted(rows[-1][0]):  # the same numbers in another order
                rows[-1] = text, rows[-1][1]
            else:
                rows.append((text, shown))
        return Chain(head, tuple(rows))

    def result(self, head: Node, node: Node) -> Chain:
        """A gradient, in the user's own names where it needs no others."""
        names = result_names(self.record, node)
        if not self.indexed([node]):
            return Chain(self.signs.flat(self.signs.line(head)), ((self.signs.formula(node, names), NO_LINE),))
        writer = self.writer(self.names)
        letters = writer.free(head.shape)
        left = self.signs.flat(writer.equations(head, letters)[0])
        writer.names = dict(names)
        return Chain(left, ((self.signs.where(*writer.equations(node, letters)), NO_LINE),))

    # --- differentials ------------------------------------------------------------------------------------------------

    def changes(self, changes: Changes) -> list[Chain]:
        """The differential of every equation of the forward pass."""
        return [Chain(self.signs.flat(self.signs.line(d)), ((self.signs.line(of), NO_LINE),))
                for d, of in forward_changes(self.plan, changes)]

    def paired(self, block: Block, changes: Changes) -> Chain:
        """A chain of the backward pass, each line paired with the change of its variable."""
        target = block.head.args[1]
        said: dict[Line, str] = {}
        for line, terms in lines_of(block, target, changes, every=self.plan.every):
            said[line] = self.signs.joined([self.term(t) for t in terms])
        (head,) = [self.term(Term(block.head, changes.of(target)))]
        rows: list[tuple[str, Line | None]] = []
        for line, text in said.items():
            if text != (rows[-1][0] if rows else head):
                rows.append((text, line))
        return Chain(self.signs.flat(head), tuple(rows))

    def term(self, term: Term) -> str:
        """One pair of a cotangent and a change: an inner product, or a trace in numerator layout."""
        signs, sign = self.signs, "-" if term.minus else ""
        if term.cotangent is None:
            return sign + signs.line(term.change)
        if not term.change.rank:
            return signs.line(term.product())
        if self.style.numerator and term.change.rank <= 2:
            turn = Turn(self.names, rows=signs.rows)
            row = turn(term.cotangent)
            text = signs.line(term.times(row))
            return sign + (signs.trace(text) if term.change.rank == 2 else text)
        return sign + signs.pair(signs.line(term.cotangent), signs.line(term.change))

