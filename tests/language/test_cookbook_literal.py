"""How many identities of the Matrix Cookbook come out as the very formula of the book, or as a shorter one.

Compared are formulas as LaTeX prints them, which leaves the order of multiplication open. `python
tests/language/test_cookbook_literal.py` lists them all.
"""

from __future__ import annotations

import importlib.util
import re
from functools import lru_cache
from pathlib import Path
from types import ModuleType

import pytest

import symgrad as sg
from symgrad.graph.node import Node, variables
from symgrad.render.latex import node_to_latex


def _cookbook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("cookbook_cases", Path(__file__).with_name("test_cookbook.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


BOOK = _cookbook()
LITERAL, SHORTER, LONGER = "literal", "shorter", "longer"
NO_SIGN = re.compile(r"\\(left|right|[bB]igg?[lr]?)(?![a-zA-Z])|[{}()^_\[\]\s]|\\[,;!]")
SIGNS = re.compile(r"\\[a-zA-Z]+|\\.|\w|[^\w\s]")


def signs(latex: str) -> int:
    """Return how many names, numbers and operators a formula has; brackets and places are none."""
    return len(SIGNS.findall(NO_SIGN.sub(" ", latex)))


def scalar_cases() -> list[str]:
    return [name for name in BOOK.CASES if not BOOK.read(name)[0]["Y_"].node.rank]


def derived(name: str) -> Node:
    """Return the gradient under the constraints that the book states."""
    case = BOOK.CASES[name]
    declared = "; ".join(f"{v}: ({', '.join(s)}{',' if len(s) == 1 else ''})" for v, s in case["shapes"].items())
    net = sg.parse(f"{declared}; L_ = {BOOK.ours(case['function'])}")
    used = {n.name for n in variables([net.output])}
    facts = [f"{v} == {v}.T" for v, kind in case["constraints"].items() if kind in ("symmetric", "spd") and v in used]
    one = case["variable_structure"].startswith("symmetric")
    return sg.derive(net, case["variable"], assume=facts, structured=one).expression.node


@lru_cache(maxsize=128)
def compared(name: str) -> tuple[str, str, str]:
    """Return the verdict, our formula and the book's."""
    ours, book = node_to_latex(derived(name)), node_to_latex(BOOK.read(name)[2])
    verdict = LITERAL if ours == book else SHORTER if signs(ours) <= signs(book) else LONGER
    return verdict, ours, book


# what the book shortens by a fact about pinv, |det|, kron, the trace of a function of a matrix, or a simple eigenvalue
BEYOND = {"MC-055", "MC-056", "MC-057", "MC-067", "MC-105", "MC-120", "MC-128", "SUP-08", "SUP-09", "SUP-18"}


@pytest.mark.parametrize("name", [c for c in scalar_cases() if c not in BEYOND])
def test_no_formula_is_longer_than_the_book_s(name: str) -> None:
    verdict, ours, book = compared(name)
    assert verdict != LONGER, f"{ours}  instead of  {book}"


def test_most_formulas_are_the_book_s_own() -> None:
    cases = scalar_cases()
    literal = [name for name in cases if compared(name)[0] == LITERAL]
    assert len(cases) == 65
    assert len(literal) >= 41, literal


def test_signs_are_counted() -> None:
    assert signs(r"2 \bigl(A + A^\top\bigr) x") == signs("2 (A + B^C) x") == 6
    assert signs(r"\frac{1}{n} X") == 4
    assert signs("2 A x") < signs("A x + A x")


if __name__ == "__main__":
    counts = dict.fromkeys((LITERAL, SHORTER, LONGER), 0)
    for case in scalar_cases():
        verdict, ours, book = compared(case)
        counts[verdict] += 1
        print(f"{case:12} {verdict:8} {ours}" + ("" if verdict == LITERAL else f"\n{'':21} book: {book}"))
    print(", ".join(f"{n} {verdict}" for verdict, n in counts.items()))
