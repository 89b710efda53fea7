"""What a derivation says besides its equalities is checked too; each planted falsehood is caught and named."""

from __future__ import annotations

from dataclasses import replace

import pytest

import symgrad as sg
from symgrad.engine.derivation import Record


def _record() -> tuple[sg.Derivation, Record]:
    d = sg.derive("p = sigmoid(z); L = bce(p, y)", "z")
    return d, d.record


def _renamed(r: Record) -> Record:
    return replace(r, names=dict.fromkeys(r.names, "p"))


def _arguments_swapped(r: Record) -> Record:
    return replace(r, calls={n: replace(c, args=c.args[::-1]) for n, c in r.calls.items()})


def _another_composite(r: Record) -> Record:
    return replace(r, calls={n: replace(c, name="mse") for n, c in r.calls.items()})


def _unknown_rule(r: Record) -> Record:
    return replace(r, steps=tuple(replace(s, rule="magic") for s in r.steps))


def _another_rule(r: Record) -> Record:
    return replace(r, steps=tuple(replace(s, rule=s.rule.replace("deriv_log", "deriv_sigmoid")) for s in r.steps))


def _no_steps(r: Record) -> Record:
    return replace(r, steps=())


def _half_the_steps(r: Record) -> Record:
    return replace(r, steps=r.steps[:5])


def _false_kink(r: Record) -> Record:
    return replace(r, kinks=("sigmoid has no derivative anywhere",))


@pytest.mark.parametrize(("change", "kind", "said"), [
    (_renamed, "names", "'p'"), (_arguments_swapped, "composites", "bce"), (_another_composite, "composites", "mse"),
    (_unknown_rule, "magic", "no rule called 'magic'"), (_another_rule, "deriv_sigmoid", "deriv_log"),
    (_no_steps, "result", "no derivation"), (_half_the_steps, "result", "derivation"), (_false_kink, "kinks", "kinks"),
])  # fmt: skip
def test_a_false_statement_is_caught_and_named(change, kind: str, said: str) -> None:
    d, record = _record()
    assert d.verify().ok
    verdict = sg.Derivation(change(record), d.scope).verify()
    assert not verdict.ok
    assert any(c.rule == kind and said in c.problem for c in verdict.failures), str(verdict)


def test_a_derivation_that_stops_with_a_pullback_pending_is_caught() -> None:
    d = sg.derive("sin(x**2)", "x")
    verdict = sg.Derivation(replace(d.record, steps=d.record.steps[:1]), d.scope).verify()
    assert not verdict.ok
    assert verdict.failures
