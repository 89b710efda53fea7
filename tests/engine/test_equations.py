"""Equations as rewriting rules: what is rewritten to what, which matrices are inverse, where a rule fits."""

from __future__ import annotations

import pytest

import symgrad as sg
from symgrad.engine.equations import Rule, inverses_of, matches, rules_of
from symgrad.graph.node import const, var
from symgrad.graph.text import to_text

TEXT = ("y: (n, m); w: (n,); v:(n,); x: (); z: (); A: (n,n); B:(n,n); Q: (n,m)\n"
        "L = x + z*sum(w) + sum(A @ A @ B) + sum(y) + sum(v) + sum(Q)")


def read(fact: str) -> list[Rule]:
    (assumption,) = sg.parse(TEXT).facts(fact)
    return rules_of(assumption)


@pytest.mark.parametrize(("fact", "factors", "bound", "value"), [
    ("sum(y, axis=1) == 1", "y", 1, "ones((n,))"),
    ("1 == sum(y, axis=1, keepdims=True)", "y", 1, "ones((n,))"),
    ("sum(y) == x", "y", 2, "x"),
    ("mean(w) == 2", "w", 1, "2*n"),
    ("norm(w) == 1", "w w", 1, "1"),
    ("norm(w) == x", "w w", 1, "x**2"),
    ("w @ v == 0", "w v", 1, "0"),
    ("A @ A == A", "A A", 1, "A"),
    ("Q.T @ Q == eye(m)", "Q Q", 1, "eye(m)"),
    ("A.T @ A == 2*eye(n)", "A A", 1, "2*eye(n)"),
    ("A @ w == w", "A w", 1, "w"),
    ("x*z == 1", "x z", 0, "1"),
    ("det(A) == 1", "det(A)", 0, "1"),
])  # fmt: skip
def test_the_longest_product_is_rewritten(fact: str, factors: str, bound: int, value: str) -> None:
    (rule,) = read(fact)
    assert " ".join(to_text(n) for n, _ in rule.factors) == factors
    assert len(rule.bound) == bound
    assert to_text(rule.value) == value


def test_equal_lengths_are_read_both_ways() -> None:
    found = [(to_text(r.factors[0][0]), to_text(r.value)) for r in read("w + v == 1")]
    assert found == [("w", "1 - v"), ("v", "1 - w")]
    assert read("A == A.T") == []  # a symmetry, no rule
    assert read("A.T == -A") == []
    assert read("x == x") == []


@pytest.mark.parametrize(("fact", "pairs"), [
    ("A @ B == eye(n)", {("A", "B"), ("B", "A"), ("B.T", "A.T"), ("A.T", "B.T")}),
    ("A.T @ A == eye(n)", {("A.T", "A"), ("A", "A.T")}),
    ("eye(n) == A @ A.T", {("A.T", "A"), ("A", "A.T")}),
    ("Q.T @ Q == eye(m)", set()),
    ("A.T @ A == 2*eye(n)", set()),
    ("A @ A == A", set()),
])  # fmt: skip
def test_inverse_pairs(fact: str, pairs: set[tuple[str, str]]) -> None:
    (assumption,) = sg.parse(TEXT).facts(fact)
    assert {(to_text(p.left), to_text(p.right)) for p in inverses_of(assumption)} == pairs


def test_where_a_rule_fits_and_where_not() -> None:
    (rule,) = read("Q.T @ Q == eye(m)")
    q, w = var("Q", ("n", "m")), var("w", ("n",))
    none: frozenset = frozenset()

    def fits(atoms: list, bound: set[int], elsewhere: tuple[int, ...] = ()) -> int:
        return len({tuple(sorted(p)) for p, _ in matches(rule, atoms, bound, set(elsewhere), none)})

    assert fits([(q, (5, 6)), (q, (5, 7))], {5}) == 1
    assert fits([(q, (5, 6)), (q, (8, 7))], {5, 8}) == 0  # not the same index
    assert fits([(q, (5, 6)), (q, (5, 7))], set()) == 0  # not summed over
    assert fits([(q, (5, 6)), (q, (5, 7)), (w, (5,))], {5}) == 0  # another factor holds the index
    assert fits([(q, (5, 6)), (q, (5, 7))], {5}, (5,)) == 0  # so does something opaque
    assert fits([(q, (6, 5)), (q, (7, 5))], {5}) == 0  # Q Q^T, which is no identity
    assert fits([(q, (5, 6)), (q, (5, 6))], {5}) == 1
    assert fits([(w, (5,)), (const(1), ())], {5}) == 0
