"""Assumptions as users state them: text, comparisons, SymPy; kept by str, JSON, expressions and pickles."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import sympy as sp

import symgrad as sg
from symgrad.engine.assumptions import symmetric
from symgrad.errors import InputError, ParseError, ShapeError, SymgradError, UnknownName
from symgrad.graph.node import const, size, var

FACTS = ["y in (0, 1)", "0 <= y <= 1", "x > 0", "sum(y, axis=1) == 1", "A == A.T", "A.T @ A == eye(n)", "A @ A == A",
         "n > m", "sum(y) == n", "x == sum(y)"]
TEXT = "y: (n, m); A: (n, n); x: ()\nL = x*sum(A @ y)"


def net_with(*facts: str) -> sg.Network:
    return sg.parse("\n".join([TEXT, *(f"assume({f})" for f in facts)]))


def test_text_keeps_every_fact_and_prints_it() -> None:
    net = net_with(*FACTS)
    assert [a.text for a in net.assumptions] == FACTS
    again = sg.parse(str(net))
    assert again.assumptions == net.assumptions
    assert str(again) == str(net)


@pytest.mark.parametrize("fact", FACTS)
def test_python_takes_the_same_text(fact: str) -> None:
    net = sg.parse(TEXT)
    net.assume(fact)
    assert net.assumptions == net_with(fact).assumptions
    net.assume(fact, f"assume({fact})")  # a fact is stated once
    assert len(net.assumptions) == 1


def test_comparisons_of_expressions() -> None:
    x, y = sg.symbol("x"), sg.symbol("y", ("n",))
    net = sg.Network()
    net.let("L", sg.sum(x * y))
    net.assume(x > 0, y >= x, x >= 1)
    assert [a.text for a in net.assumptions] == ["x > 0", "y >= x", "x >= 1"]
    assert net.assumptions[0].parts == (("gt", x.node, (const(0),)),)


def test_relations_and_facts_of_sympy() -> None:
    n = sp.Symbol("n", integer=True, positive=True)
    A, x = sp.MatrixSymbol("A", n, n), sp.Symbol("x", real=True)
    net = sg.Network()
    net.let("L", x * sp.Trace(A))
    net.assume(x > 0, sp.Q.symmetric(A), sp.Q.orthogonal(A), sp.And(x > 1, x < 3), sp.Contains(x, sp.FiniteSet(1, 2)),
               sp.Eq(A, A.T), sp.Eq(x, sp.Trace(A)), sp.Q.positive(x), sp.true, n > 2)
    a, one = var("A", ("n", "n")), {(p[0], p[1]) for f in net.assumptions for p in f.parts}
    assert {("eq", a), ("gt", size("n")), ("lt", var("x")), ("in", var("x"))} <= one
    with pytest.raises(InputError, match=r"the assumptions (x > 0|x > 1|x in \(1, 2\)) and x < 0 contradict"):
        net.assume(sp.Q.negative(x))
    assert symmetric(net) == {a}
    assert [f.text for f in net.assumptions][1:3] == ["A == A.T", "A.T @ A == eye(n)"]


def test_what_symbols_of_sympy_say_counts() -> None:
    x, y, w = sp.Symbol("x", positive=True), sp.Symbol("y", nonnegative=True), sp.Symbol("w", real=True)
    net = sg.Network()
    net.let("L", x * y * w)
    assert {a.text for a in net.stated} == {"x > 0", "y >= 0"}
    assert not net.assumptions


def test_symmetric_reads_the_equation_from_either_side() -> None:
    assert symmetric(net_with("A.T == A")) == {var("A", ("n", "n"))} == symmetric(net_with("A == A.T"))
    assert symmetric(net_with("A.T @ A == eye(n)", "A @ A == A")) == frozenset()


@pytest.mark.parametrize(("fact", "error", "words"), [
    ("q > 0", UnknownName, "unknown name 'q'"),
    ("yy > 0", UnknownName, "Did you mean 'y'"),
    ("y", ParseError, "takes one comparison"),
    ("y = 1", ParseError, "== compares"),
    ("", ParseError, "no statement|no assumption|empty"),
    ("y in x", ParseError, "a tuple of numbers"),
    ("A == y", ShapeError, "shape"),
    ("sum(y, axis=1) == sum(y, axis=0)", ShapeError, r"\(n,\).*\(m,\)"),
    (sp.Symbol("x") * 2, InputError, "no assumption"),
    (sp.Symbol("q") > 0, UnknownName, "'q' does not occur"),
    (3.0, InputError, "no assumption"),
])  # fmt: skip
def test_what_is_no_fact(fact: Any, error: type[SymgradError], words: str) -> None:
    net = sg.parse(TEXT)
    with pytest.raises(SymgradError, match=words) as caught:
        net.assume(fact)
    assert isinstance(caught.value, error)
    assert not net.assumptions


def test_expressions_derivations_and_files_carry_them(tmp_path: Any) -> None:
    net = net_with("y in (0, 1)", "n > m")
    facts = tuple(net.assumptions)
    assert sg.derive(net["L"], "y").record.assumptions == facts
    d = sg.derive(net, "y", assume="x > 0")
    assert [a.text for a in d.record.assumptions] == ["y in (0, 1)", "n > m", "x > 0"]
    assert len(net.assumptions) == 2
    assert sg.load(d.save(tmp_path / "d.json")).record.assumptions == d.record.assumptions
    assert tuple(d.expression.scope.assumptions) == d.record.assumptions
    kept = pickle.loads(pickle.dumps(net["L"])), pickle.loads(pickle.dumps(d))  # noqa: S301  # our own pickles
    assert tuple(kept[0].scope.assumptions) == facts
    assert kept[1].record.assumptions == d.record.assumptions


@pytest.mark.parametrize(("first", "second"), [
    ("x > 0", "x < 0"), ("y in (0, 1)", "y > 2"), ("sum(y) == -1", "y >= 0"), ("n > m", "m > n"),
    ("x > sum(y)", "x < sum(y)"),
])  # fmt: skip
def test_facts_that_cannot_hold_together(first: str, second: str) -> None:
    for make in (lambda: net_with(first, second), lambda: net_with(first).assume(second),
                 lambda: sg.derive(net_with(first), "y", assume=[second])):
        with pytest.raises(InputError, match="contradict one another") as caught:
            make()
        assert first in str(caught.value)
        assert second in str(caught.value)
    with pytest.raises(InputError, match="cannot hold"):
        net_with("n < 1")
