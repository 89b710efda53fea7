"""The contents of a printed derivation, free of notation: which lines there are, which node each shows, and why.

Every printer (text, LaTeX, Markdown, HTML, terminal) walks this outline and only chooses the signs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from symgrad.engine.assumptions import Assumption
from symgrad.engine.derivation import Record, Step
from symgrad.engine.named import functions, generic, worked_out
from symgrad.errors import InputError
from symgrad.graph.node import Node, make, topological

DETAILS = ("result", "standard", "all")
LAYOUT = "A gradient has the shape of its variable."


@dataclass(frozen=True)
class Line:
    """One line of a chain: the node on the right-hand side and the reason for it."""

    node: Node
    reason: str
    rule: str = ""
    moves: tuple[tuple[str, str], ...] = ()  # rules and reasons of the lines before it that are not shown

    @property
    def reasons(self) -> tuple[tuple[str, str], ...]:
        """Every rule with its reason, each reason once."""
        return tuple({why: (rule, why) for rule, why in (*self.moves, (self.rule, self.reason))}.values())

    @property
    def said(self) -> str:
        """The reasons in words."""
        return "; ".join(why for _, why in self.reasons)


@dataclass(frozen=True)
class Block:
    """dL/dtarget = lines[0] = lines[1] = ..."""

    head: Node
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Outline:
    """A derivation as it is read: the forward pass, the chains of the backward pass, the gradients, the notes."""

    record: Record
    recognised: tuple[Block, ...]  # spelled-out functions of the input: what was written = what it is
    forward: tuple[Node, ...]
    blocks: tuple[Block, ...]
    results: tuple[tuple[Node, Node], ...]
    notes: tuple[str, ...]
    every: bool = False  # whether minor steps are shown
    assumed: tuple[tuple[Assumption, str], ...] = ()  # the assumptions that were used, and where

    @property
    def assuming(self) -> tuple[str, ...]:
        """The notes on assumptions."""
        return tuple(f"Assuming {a.text} ({where})." for a, where in self.assumed)


def outline(record: Record, detail: str = "standard") -> Outline:
    """Return what to print; `detail` is 'result', 'standard' (minor steps merged) or 'all'.

    Raises: InputError for another word.
    """
    if detail not in DETAILS:
        raise InputError(f"detail is {detail!r}; it may be {', '.join(map(repr, DETAILS))}")
    blocks = (
        []
        if detail == "result"
        else [
            Block(_bar(record.loss, target), tuple(_lines(steps, detail == "all")))
            for target, steps in record.blocks()
            if target is not record.loss
        ]
    )
    recognised = tuple(
        Block(s.before, (Line(s.after, s.reason, s.rule),)) for s in record.steps if s.target is record.loss
    )
    recognised += _functions(record)
    forward = tuple(n for n in record.names if n.op != "var")
    short = detail != "result"  # without the chains, no cotangent may be referred to
    results = tuple((_bar(record.loss, w), _result(record, w) if short else record.results[w]) for w in record.wrt)
    stated = {a.text: a for a in record.assumptions}
    assumed = tuple((stated.get(t, Assumption(t, ())), _where(k)) for t, k in record.assumptions_used.items())
    plan = Outline(record, recognised, forward, tuple(blocks), results, (), detail == "all", assumed)
    return replace(plan, notes=(LAYOUT, *plan.assuming, *(f"{k}." for k in record.kinks)))


def _where(numbers: Sequence[int]) -> str:
    return f"used in step{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}"


def _functions(record: Record) -> tuple[Block, ...]:
    """State the functions that the user named, and their derivatives, once each."""
    out = []
    for attr in functions([s.after for s in record.steps] or [record.loss]):
        base = (*attr[:4], (), attr[5])
        for part, reason in ((base, "definition"), (attr, f"derivative of {attr[0]}")):
            body = part[2] if part is base or not part[4] else worked_out(part)
            out.append(Block(generic(part), (Line(body, reason if part[4] else "definition"),)))
    return tuple({b.head: b for b in out}.values())


def result_names(record: Record, node: Node) -> Mapping[Node, str]:
    """Return the names a result is read with: the user's own, unless it refers to cotangents derived above."""
    if any(n.op == "bar" for n in topological([node], lambda n: () if n.op == "bar" or n in record.names else n.args)):
        return record.names
    return {n: s for n, s in record.names.items() if n in record.given}


def _result(record: Record, w: Node) -> Node:
    """The gradient in closed form; where that is too long to read, in the names of cotangents derived above."""
    if w in record.closed or w not in record.values:
        return record.results[w]
    return record.values[w]


def _bar(loss: Node, x: Node) -> Node:
    return make("bar", (loss, x), (), x.shape)


def _lines(steps: Sequence[Step], every: bool) -> list[Line]:
    """Group minor steps with the step before them, whose reason stands."""
    out = [Line(steps[0].before, "")] if steps else []
    for step in steps:
        reason = step.reason or step.rule.replace("_", " ")
        if step.assumptions and step.rule not in ("assumption", "substitute"):
            reason += f" (as {'; '.join(step.assumptions)})"
        if step.minor and not every and len(out) > 1:
            out[-1] = Line(step.after, out[-1].reason, out[-1].rule)
        else:
            out.append(Line(step.after, reason, step.rule))
    return out


def visible(block: Block, head: str, write: Callable[[Node], str]) -> list[tuple[str, Line]]:
    """Return (right-hand side, its line) of each line that a reader can tell from the line before."""
    out: list[tuple[str, Line]] = []
    last = head
    for line in block.lines:
        text = write(line.node)
        if text != last:
            out.append((text, line))
            last = text
    return out
