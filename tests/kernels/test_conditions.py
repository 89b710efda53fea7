"""Random compositions of all functions: a kernel is the expression as written, undefined points included.

`python -m tests.kernels.test_conditions FIRST LAST [gradients]` tries any number of seeds and prints what disagrees.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable

import numpy as np
import pytest

import symgrad as sg
from symgrad.errors import ParseError
from symgrad.rules.elementwise import FUNCTIONS
from tests.kernels.scalars import (
    BINARY,
    CHOICES,
    POINTS,
    SPELLINGS,
    UNARY,
    Tree,
    complaint,
    grow,
    slope_complaint,
    variables,
)

CHUNK = 125


def places(rng: random.Random, names: list[str]) -> list[dict[str, float]]:
    """Random points, special ones drawn for each variable, and the same special value for all."""
    drawn = [{v: rng.choice(POINTS) for v in names} for _ in range(14)]
    return [*drawn, *(dict.fromkeys(names, p) for p in (0.0, -1.0, 1.0)),
            *({v: rng.uniform(-3, 3) for v in names} for _ in range(4))]


def declared(tree: Tree) -> str:
    return "; ".join([*(f"{v}: ()" for v in sorted(variables(tree))), f"L = {tree}"])


def disagreements(tree: Tree, rng: random.Random, gradients: bool) -> list[str]:
    """What the kernel of a composition gets wrong; nothing where a constant part of it is refused as undefined."""
    names = sorted(variables(tree))
    if not names:
        return []
    try:
        kernel = sg.compile(declared(tree), names if gradients else None)
    except ParseError:
        return []
    out = []
    for at in places(rng, names):
        with np.errstate(all="ignore"):
            found = kernel(**{v: np.array(a) for v, a in at.items()})
        value, slopes = found if gradients else (found, {})
        out.append(complaint(tree, at, float(value)))
        out += [slope_complaint(tree, at, v, float(d)) for v, d in slopes.items()]
    return [text for text in out if text]


def composition(seed: int, gradients: bool) -> tuple[Tree, random.Random]:
    rng = random.Random(seed)  # noqa: S311  # a test that repeats itself
    return grow(rng, rng.choice((2, 2, 3) if gradients else (2, 3, 3, 4))), rng


@pytest.mark.parametrize("chunk", range(16))
def test_values_are_those_of_the_expression_as_written(chunk: int) -> None:
    for seed in range(chunk * CHUNK, (chunk + 1) * CHUNK):
        assert disagreements(*composition(seed, False), False) == [], seed


@pytest.mark.parametrize("chunk", range(8))
def test_derivatives_exist_where_the_expression_has_them(chunk: int) -> None:
    for seed in range(chunk * 25, (chunk + 1) * 25):
        assert disagreements(*composition(seed, True), True) == [], seed


@pytest.mark.parametrize("k", range(len(SPELLINGS)))
def test_spellings_that_rows_look_for(k: int) -> None:
    tree = SPELLINGS[k](Tree("x"), Tree("y"))
    assert disagreements(tree, random.Random(k), True) == []  # noqa: S311  # a test that repeats itself


def test_every_function_is_tried() -> None:
    otherwise = {"clip": "clipped", "polygamma": "trigamma", "spherical_jn": "j1", "where": "where>", "gt": "where>",
                 "ge": "where>=", "lt": "where<", "le": "where<=", "eq": "where==", "ne": "where!="}
    assert {otherwise.get(f.name, f.name) for f in FUNCTIONS} <= {*UNARY, *BINARY, *CHOICES}


X, TWO = Tree("x"), Tree("2")


@pytest.mark.parametrize(("tree", "wrong"), [
    (Tree("exp", (Tree("log", (X,)),)), "x"), (Tree("pow", (Tree("sqrt", (X,)), TWO)), "x"),
    (Tree("div", (X, X)), "0*x + 1"), (Tree("log", (Tree("gamma", (X,)),)), "lgamma(x)"),
    (Tree("sqrt", (Tree("pow", (X, TWO)),)), "x"), (Tree("step", (Tree("log", (X,)),)), "step(x - 1)"),
    (Tree("log", (Tree("pow", (X, TWO)),)), "2*log(x)"),
], ids=str)  # fmt: skip
def test_a_planted_rewrite_is_caught(tree: Tree, wrong: str) -> None:
    """The kernel of another expression, equal to the tree on a part of the line only, is told from it."""
    kernel = sg.compile(f"x: (); L = {wrong}")
    with np.errstate(all="ignore"):
        assert any(complaint(tree, {"x": p}, float(kernel(x=np.array(p)))) for p in POINTS)


@pytest.mark.parametrize(("tree", "wrong"), [
    (Tree("where>", (X, Tree("0"), Tree("sqrt", (X,)), Tree("pow", (X, TWO)))), lambda x: 2*x),
    (Tree("where>", (X, Tree("0"), Tree("sqrt", (X,)), X)), lambda x: (x > 0)/(2*np.sqrt(x)) + (x <= 0)),
], ids=["branch", "moved"])  # fmt: skip
def test_a_planted_derivative_is_caught(tree: Tree, wrong: Callable[[float], float]) -> None:
    with np.errstate(all="ignore"):
        assert any(slope_complaint(tree, {"x": p}, "x", float(wrong(np.float64(p)))) for p in POINTS)


# --- choices ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "wanted"), [
    ("where(x > 0, sqrt(x), x**2)", "where(x > 0, 1/(2*sqrt(x)), 2*x)"),
    ("r = sqrt(x); L = where(x > 0, r*x, x**2)", "where(x > 0, 3*r/2, 2*x)"),
    ("r = 1/x; L = where(x != 0, r*sin(x), x + 1)", "where(x != 0, (cos(x) - sin(x)/x)/x, 1)"),
])  # fmt: skip
def test_a_partial_function_stays_in_its_choice(text: str, wanted: str) -> None:
    assert str(sg.grad(text, "x")) == wanted
    assert sg.derive(text, "x").verify().ok


def test_a_product_that_was_written_is_undefined_where_a_factor_is() -> None:
    kernel = sg.compile("x: (); y: (); L = step(y)*log(x)", ["x", "y"])
    with np.errstate(all="ignore"):
        value, grads = kernel(x=np.array(-2.0), y=np.array(-1.0))
    assert np.isnan(value)
    assert sorted(grads) == ["x", "y"]


if __name__ == "__main__":
    first, last, gradients = int(sys.argv[1]), int(sys.argv[2]), len(sys.argv) > 3
    found = {seed: disagreements(*composition(seed, gradients), gradients) for seed in range(first, last)}
    for seed, texts in found.items():
        for text in texts[:1]:
            print(seed, text)
    print(f"{last - first} compositions, {sum(map(bool, found.values()))} disagree")
