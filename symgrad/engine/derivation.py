"""Step and Derivation: the recorded run, as plain data.

A block is the chain of steps with one target t; its lines read
    dL/dt = steps[0].before = steps[0].after = steps[1].after = ...
Inside lines `bar(L, u)` is the symbol dL/du and `pull(c, f, w)` a pending pullback.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from symgrad.engine.assumptions import Assumption
from symgrad.graph.node import Node


@dataclass(frozen=True)
class Step:
    """One rewrite of one line: `before` equals `after` because of `rule`."""

    rule: str
    before: Node
    after: Node
    target: Node
    reason: str = ""
    minor: bool = False  # a printer may merge it with its neighbour
    assumptions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Call:
    """How a composite was written: the graph is that of name(operand, label=operand, ..., keyword=value, ...)."""

    name: str
    args: tuple[Node, ...]
    keywords: tuple[tuple[str, object], ...] = ()  # options that are no nodes
    latex: str = ""  # the name in LaTeX, or a template with one {} an operand; never read from a file
    labels: tuple[str, ...] = ()  # one an operand, '' where it was given by position; none at all: all of them were

    def bound(self) -> tuple[tuple[Node, ...], dict[str, Any]]:
        """Return the operands by position, and all that was given by name."""
        labels = self.labels or ("",) * len(self.args)
        named = {label: a for label, a in zip(labels, self.args) if label}
        return tuple(a for label, a in zip(labels, self.args) if not label), {**named, **dict(self.keywords)}


@dataclass(frozen=True)
class Record:
    """What was differentiated and every step of it; the printers' only input."""

    loss: Node
    wrt: tuple[Node, ...]
    names: Mapping[Node, str]  # named nodes of the forward pass, in the order of their equations, the loss included
    given: frozenset[Node]  # the nodes the user named; the other names were chosen here
    calls: Mapping[Node, Call]  # composites as they were written
    steps: tuple[Step, ...]
    values: Mapping[Node, Node]  # target -> its cotangent, in which bar(L, u) may stand for other targets
    results: Mapping[Node, Node]  # wrt -> gradient without bars: the closed form where that is readable
    resolved: Mapping[Node, Node] = field(
        default_factory=dict
    )  # target -> cotangent without bars, sharing: the kernel's
    closed: Mapping[Node, Node] = field(default_factory=dict)  # target -> closed form in names of the forward pass
    kinks: tuple[str, ...] = ()
    options: Mapping[str, object] = field(default_factory=dict)
    assumptions: tuple[Assumption, ...] = ()  # what was stated; a step names those it rests on
    reserved: frozenset[str] = frozenset()  # names that mean something to the user: none was chosen here

    @property
    def assumptions_used(self) -> Mapping[str, tuple[int, ...]]:
        """Each assumption that was used, as it was written -> the numbers of the steps that use it, from 1."""
        out: dict[str, list[int]] = {}
        for number, step in enumerate(self.steps, 1):
            for text in step.assumptions if step.rule != "substitute" else ():  # what is put in may rest on them too
                out.setdefault(text, []).append(number)
        return {text: tuple(numbers) for text, numbers in out.items()}

    def blocks(self) -> list[tuple[Node, tuple[Step, ...]]]:
        """Return (target, its steps), in order."""
        out: list[tuple[Node, list[Step]]] = []
        for step in self.steps:
            if out and out[-1][0] is step.target:
                out[-1][1].append(step)
            else:
                out.append((step.target, [step]))
        return [(t, tuple(s)) for t, s in out]
