"""Derivatives by a structured matrix as one set of entries: the last step of a derivation, where it is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from symgrad.engine.assumptions import Assumption, symmetric_by
from symgrad.engine.derivation import Record, Step
from symgrad.engine.simplify import NamedRing, Simplifier
from symgrad.engine.word_algebra import Words
from symgrad.errors import InputError
from symgrad.graph.node import Node, topological
from symgrad.graph.text import to_text
from symgrad.rules.structures import BY_RULE, STRUCTURES, Structure


def structure_of(x: Node, assumptions: Iterable[Assumption]) -> tuple[Structure, Assumption] | None:
    """Return the structure that is assumed of a square variable, and the assumption that says so."""
    if x.op != "var" or x.rank != 2 or x.shape[0] != x.shape[1]:
        return None
    for assumption in assumptions:
        for op, left, right in assumption.parts:
            for structure in STRUCTURES if op == "eq" else ():
                for a, b in ((left, right[0]), (right[0], left)):
                    if a is x and b in structure.facts(x):
                        return structure, assumption
    return None


def structures(record: Record) -> dict[Node, Structure]:
    """Return the variables by whose free entries a record differentiates, and their structures."""
    return {s.target: BY_RULE[s.rule] for s in record.steps if s.rule in BY_RULE}


def structured(record: Record) -> Record:
    """Return the record with the gradient by each structured variable taken by its free entries.

    Formula: S + S.T - S*eye(n) for a symmetric matrix, S being the derivative by all entries; S*eye(n) for a diagonal
    one, tril(S) and triu(S) for triangular ones, S - S.T for a skew-symmetric one.
    Raises: InputError where no assumption gives any of the variables a structure.
    """
    found = {w: pair for w in record.wrt if (pair := structure_of(w, record.assumptions)) is not None}
    if not found:
        names = ", ".join(to_text(w, record.names) for w in record.wrt)
        raise InputError(f"structured=True needs a structure of what is differentiated by, and none is stated for "
                         f"{names}. State it with assume(X == X.T), assume(X == -X.T), assume(X == tril(X)), "
                         f"assume(X == triu(X)) or assume(X == diag(diag(X)))")
    forward = topological([record.loss])
    reader = Simplifier({n: s for n, s in record.names.items() if n in record.given}, forward)
    words = Words(NamedRing(reader, False), reader.names.__contains__, frozenset(symmetric_by(record.assumptions)))
    steps: list[Step] = []
    ends: dict[Node, Node] = {}  # what moved -> its shortest form
    for k, step in enumerate(record.steps):
        steps.append(step)
        last = all(s.target is not step.target for s in record.steps[k + 1:])
        if last and step.target in found:
            structure, assumption = found[step.target]
            line = structure.moves(step.after)
            steps.append(Step(structure.rule, step.after, line, step.target, structure.reason,
                              assumptions=(assumption.text,)))
            short = min((line, *words.rewrite(line)), key=words.length)
            if short is not line:
                ends[line] = short
                steps.append(Step("matrix_products", line, short, step.target, "products of matrices collected",
                                  assumptions=(assumption.text,)))
    begun = {s.target for s in record.steps}

    def moved(kept: dict[Node, Node]) -> dict[Node, Node]:
        whole = {t: found[t][0].moves(v) if t in found and t in begun else v for t, v in kept.items()}
        return {t: ends.get(v, v) for t, v in whole.items()}

    return replace(record, steps=tuple(steps), values=moved({**record.values}), results=moved({**record.results}),
                   resolved=moved({**record.resolved}), closed=moved({**record.closed}))


def structure_problem(record: Record, step: Step) -> str:
    """Return what is wrong with a step to free entries, or nothing: the structure must be assumed."""
    found = structure_of(step.target, record.assumptions)
    if found is None or found[0].rule != step.rule:
        return f"nothing that is assumed makes {to_text(step.target, record.names)} {step.rule[11:].replace('_', ' ')}"
    if step.assumptions != (found[1].text,):
        return "the step does not name the assumption that it rests on"
    return ""


