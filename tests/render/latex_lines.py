"""Every printed LaTeX line of a derivation, read in numbers and held against its node.

The nodes are evaluated by the judge, whose pullbacks are differences of the primal; the lines by the reader.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from symgrad.engine.derivation import Record
from symgrad.engine.evaluate import evaluate
from symgrad.engine.judge import Judge
from symgrad.engine.points import Points, assuming, kink_arguments
from symgrad.engine.structure import structures
from symgrad.graph.node import Node, topological
from symgrad.render.latex import tex_page
from symgrad.render.names import Namer
from symgrad.render.outline import outline
from symgrad.render.style import PLAIN, Style
from tests.render.latex_reader import Page
from tests.render.latex_values import Unread, value_of

DIGITS = 40
ENTRIES = 5  # of a line in indices that are evaluated, drawn at random
TOLERANCE = 1e-7  # of the largest term: the reader's differences are right to STEP**6 times a seventh derivative


@dataclass(frozen=True)
class Verdict:
    """One line: 'right', 'wrong', 'unread', or 'kink': a pending derivative where there is none, and why."""

    section: str
    head: str
    text: str
    found: str
    why: str = ""
    want: Any = field(default=None, compare=False, repr=False)
    letters: tuple[str, ...] = field(default=(), compare=False, repr=False)


def latex_of(chain_text: str) -> str:
    return "".join(c for c in chain_text if c not in "\x01\x02")


class Lines:
    """The lines of one record at one point."""

    def __init__(self, record: Record, *, detail: str = "all", style: Style = PLAIN, seed: int = 0) -> None:
        self.record = record
        self.plan = outline(record, detail)
        self.namer = Namer()
        self.signs, self.sections, _ = tex_page(self.plan, self.namer, style)
        stated = {a.text: a for a in record.assumptions}
        used = [stated[t] for t in record.assumptions_used if t in stated]
        roots, whole = [record.loss, *record.resolved.values()], topological([record.loss])
        point = assuming(roots, whole, used, seed, DIGITS) if used else Points(roots, whole, seed).first(DIGITS)
        self.judge = judge = Judge(record, point, DIGITS // 2, DIGITS, seed, {}, structures(record))
        self.by_text: dict[str, Node] = {}
        forward = topological([record.loss])
        for node in forward:
            name = record.names.get(node) or (node.name if node.op == "var" else None)
            if name is not None:
                self.by_text[self.namer(name, node.rank)] = node
        arrays = {text: judge.values[node].astype(float) for text, node in self.by_text.items()}
        sizes = {self.namer(s): v for s, v in judge.sizes.items()}
        loss = self.signs.name(record.loss)
        self.page = Page(arrays, sizes, loss, self.slopes)
        self.arrays = arrays

        kinks = evaluate(kink_arguments(forward), judge.held, sizes=judge.sizes)
        self.on_a_kink = any((v == 0).any() for v in kinks)

    def slopes(self, f: str, w: str) -> Any:
        if f not in self.by_text or w not in self.by_text:
            return None
        of, by = self.by_text[f], self.by_text[w]
        return [s.astype(float) for s in self.jacobian(of, by)], self.arrays[f]

    def jacobian(self, f: Node, w: Node) -> list[Any]:
        """Return df/dw[e] for every entry e of w, other named nodes held, by central differences."""
        judge = self.judge
        out = []
        for e in np.ndindex(judge.values[w].shape):
            ends = []
            for sign in (1, -1):
                moved = judge.values[w].copy()
                moved[e] = moved[e] + sign * judge.h
                ends.append(judge.run({**{n: v for n, v in judge.held.items() if n is not f}, w: moved}, f))
            apart = np.where(ends[0] == ends[1], 0, ends[0] - ends[1])  # a masked entry is infinite in both
            out.append(np.asarray(apart / (2 * judge.h)))
        return out

    def text_of(self, node: Node) -> str:
        return next(t for t, n in self.by_text.items() if n is node)

    def verdicts(self) -> Iterator[Verdict]:
        """Every line, in the order of the page."""
        blocks = {"backward": list(self.plan.blocks)}
        for section in self.sections:
            chains = list(section.chains)
            if section.kind == "forward":
                for chain, block in zip(chains, self.plan.recognised):
                    nodes = [line.node for _, line in chain.rows if line is not None]
                    yield from self.recognised(chain, block.head, nodes)
                for chain, node in zip(chains[len(self.plan.recognised):], self.plan.forward):
                    value = self.judge.values[node]
                    yield from self.chain(section.title, chain, [value] * len(chain.rows))
            elif section.kind == "backward":
                for chain, block in zip(chains, blocks["backward"]):
                    yield from self.block(section.title, chain, block)
            elif section.kind == "results":
                for chain, (_, node) in zip(chains, self.plan.results):
                    yield from self.chain(section.title, chain, [self.judge.line(node).value] * len(chain.rows))

    def recognised(self, chain: Any, head: Node, nodes: list[Node]) -> Iterator[Verdict]:
        for node, text in ((head, chain.head), *zip(nodes, (t for t, _ in chain.rows))):
            try:
                (value,) = evaluate([node], self.judge.held, digits=30, sizes=self.judge.sizes)
            except Exception as error:  # noqa: BLE001  # said as the verdict
                yield Verdict("recognised", chain.head, latex_of(text), "unread", str(error))
                continue
            yield self.line("recognised", chain.head, latex_of(text), value.astype(float), [])

    def block(self, title: str, chain: Any, block: Any) -> Iterator[Verdict]:
        target = block.head.args[1]
        first = self.judge.line(block.lines[0].node if not _is_bar(block.lines[0].node, block.head)
                                else block.lines[1].node)
        self.judge.bars[target] = self.judge.settle(first)
        self.page.bars[self.text_of(target)] = value_of(first.value.astype(float))
        values = [self.judge.line(line.node).value for _, line in chain.rows]
        yield from self.chain(title, chain, values)

    def chain(self, title: str, chain: Any, values: list[Any]) -> Iterator[Verdict]:
        try:
            _, letters = self.page.head(latex_of(chain.head))
        except Unread as error:
            yield Verdict(title, chain.head, chain.head, "unread", str(error))
            return
        for (text, _), value in zip(chain.rows, values):
            yield self.line(title, chain.head, latex_of(text), np.asarray(value).astype(float), letters)

    def line(self, title: str, head: str, text: str, want: np.ndarray, letters: list[str]) -> Verdict:
        said = (np.asarray(want), tuple(letters))
        try:
            if letters:
                want = np.squeeze(want)
                if len(letters) != want.ndim:
                    raise Unread(f"the left side has the indices {letters} for an array of shape {want.shape}")
                every = list(np.ndindex(want.shape))
                places = random.Random(0).sample(every, min(ENTRIES, len(every)))  # noqa: S311  # test points
                got = self.page.line(text, want.shape, list(zip(letters, want.shape)), places)
                want = np.array([want[p] for p in places])
            else:
                got = self.page.line(text, want.shape)
        except Unread as error:
            return Verdict(title, head, text, "unread", str(error), *said)
        masked = np.isinf(want) & (got == want)
        scale = 1 + float(np.max(np.abs(want[~masked]), initial=0.0))
        worst = float(np.max(np.abs(got[~masked] - want[~masked]), initial=0.0))
        if worst <= TOLERANCE * scale:
            return Verdict(title, head, text, "right", "", *said)
        # step is printed without its value at 0, and a - a is 0 everywhere
        pending = r"\frac{\partial}{\partial" in text
        kind = "kink" if pending and self.on_a_kink else "wrong"
        return Verdict(title, head, text, kind, f"{worst:.2g} of {scale:.2g}", *said)

    def again(self, verdict: Verdict, text: str) -> Verdict:
        """Another text in the place of a line."""
        return self.line(verdict.section, verdict.head, text, verdict.want, list(verdict.letters))


def _is_bar(node: Node, head: Node) -> bool:
    return node is head


