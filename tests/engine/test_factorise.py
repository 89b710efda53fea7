"""Solving instead of inverting: equal values, fewer factorisations, and digits on ill-conditioned matrices."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

import symgrad as sg
from symgrad.engine.factorise import factorise
from symgrad.engine.stabilise import stabilise
from symgrad.graph.node import Node, topological, var
from symgrad.kernels.compile import compile_nodes
from symgrad.rules.arrays import BY_NAME

Array = Any
RNG = np.random.default_rng(11)
inv, solve, logdet = BY_NAME["inv"], BY_NAME["solve"], BY_NAME["logdet"]
A, B, S = var("A", ("n", "n")), var("B", ("n", "k")), var("S", (4, 4))
b, c = var("b", ("n",)), var("c", ("n",))
SIZES = {"n": 5, "k": 3}


def names(roots: list[Node]) -> list[str]:
    return sorted(n.attr[0] for n in topological(roots) if n.op == "array" and n.attr[0] in ("inv", "solve"))


def rules(roots: list[Node]) -> list[str]:
    return sorted({a.rule for a in factorise(roots)[1]})


CASES: dict[str, tuple[list[Node], list[str]]] = {  # roots -> what is left of inverses and solutions
    "a vector on the right": ([inv(A) @ b], ["solve"]),
    "a vector on the left": ([b @ inv(A)], ["solve"]),
    "both": ([b @ inv(A) @ c], ["solve"]),
    "transposed": ([inv(A).T @ b], ["solve"]),
    "one matrix": ([inv(A) @ B], ["solve"]),
    "a scaled vector": ([(2 * b) @ inv(A) @ c + b @ inv(A) @ c], ["solve"]),
    "value and gradient": ([b @ inv(A) @ c, inv(A).T @ b, inv(A) @ c],
                           ["solve", "solve"]),
    "the inverse itself": ([inv(A), inv(A) @ b], ["inv"]),
    "its entries": ([inv(A) * A], ["inv"]),
    "many products": ([inv(A) @ B, inv(A).T @ B, inv(A) @ A.T], ["inv"]),
    "two solutions": ([solve(A, b), solve(A, c)], ["solve"]),
    "a solution of a solution": ([solve(A, solve(A, b))], ["solve", "solve"]),
    "solution and inverse": ([solve(A, b), inv(A)], ["solve"]),
    "solution for the transpose and inverse": ([solve(A.T, b), inv(A)], ["inv"]),
    "vector and matrix": ([solve(A, b), solve(A, B)], ["solve"]),
    "a small matrix of known size": ([var("u", (4,)) @ inv(S) @ var("v", (4,)), inv(S).T @ var("u", (4,)),
                                      inv(S) @ var("v", (4,))], ["inv"]),
    "two matrices": ([inv(A) @ b, inv(A @ A) @ c], ["solve", "solve"]),
    "a square of the inverse": ([inv(A) @ inv(A)], ["inv"]),
    "a quadratic form of a product": ([b @ inv(A) @ inv(A) @ c], ["solve", "solve"]),
}


@pytest.mark.parametrize("name", CASES)
def test_values_stay_and_factorisations_go(name: str) -> None:
    roots, left = CASES[name]
    new, log = factorise(roots)
    assert names(new) == left
    assert [n.shape for n in new] == [n.shape for n in roots]
    shapes = {"A": (5, 5), "B": (5, 3), "b": 5, "c": 5, "S": (4, 4), "u": 4, "v": 4}
    arrays = {k: RNG.normal(size=s) + (2 * np.eye(5) if k == "A" else 0) for k, s in shapes.items()}
    before = compile_nodes({f"y{k}": n for k, n in enumerate(roots)}, sizes=SIZES)
    after = compile_nodes({f"y{k}": n for k, n in enumerate(new)}, sizes=SIZES)
    given = {k: arrays[k] for k in before.inputs}
    for x, y in zip(_list(before(**given)), _list(after(**{k: arrays[k] for k in after.inputs})), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-11, atol=1e-11)
    assert all(a.before.shape == a.after.shape for a in log)


def _list(out: Any) -> list[Array]:
    return list(out.values()) if isinstance(out, dict) else [out]


def test_a_name_alone_needs_no_inverse() -> None:
    new, _ = factorise([inv(A) @ b, inv(A)], asked=1)
    assert names(new[:1]) == ["solve"]
    kernel = sg.compile("A: (n, n); b: (n,); V = inv(A); L = b @ V @ b", wrt=["A"])
    assert "np.linalg.inv" not in kernel.source


def test_the_rewrites_are_named() -> None:
    assert rules([inv(A) @ b]) == ["solve_for_inverse"]
    assert rules([solve(A, b), inv(A)]) == ["one_factorisation"]
    assert rules([solve(A.T, b), inv(A)]) == ["inverse_of_transpose"]
    assert [a.rule for a in stabilise([inv(A) @ b])[1]] == ["solve_for_inverse"]


def test_a_gaussian_process_factorises_twice() -> None:
    """The likelihood and its gradient: one inverse with the solution beside it, one determinant."""
    source = sg.compile("K: (n, n); y: (n,); L = y @ solve(K, y)/2 + logdet(K)/2", wrt=["K"]).source
    assert source.count("np.linalg.") == 2
    assert source.count("np.linalg.solve(") == source.count("np.linalg.slogdet(") == 1


@pytest.mark.parametrize("condition", [1e2, 1e6, 1e10])
@pytest.mark.parametrize("text", ["b @ inv(A) @ c", "b @ solve(A, c) + logdet(A)"])
def test_digits_on_ill_conditioned_matrices(text: str, condition: float) -> None:
    """The error against 60 digits stays within the condition number times rounding."""
    n = 12
    q, _ = np.linalg.qr(RNG.normal(size=(n, n)))
    r, _ = np.linalg.qr(RNG.normal(size=(n, n)))
    a = (q * np.logspace(0, -np.log10(condition), n)) @ r
    x, z = RNG.normal(size=n), RNG.normal(size=n)
    value, grads = sg.compile(f"A: (n, n); b: (n,); c: (n,); L = {text}", wrt=["A"])(A=a, b=x, c=z)
    with mpmath.workdps(60):
        exact = mpmath.matrix(a.tolist())
        inverse = np.array((exact**-1).tolist(), dtype=object).reshape(n, n)
        true = x @ inverse @ z
        gradient = -np.outer(inverse.T @ x, inverse @ z)
        if "logdet" in text:
            true, gradient = true + mpmath.log(abs(mpmath.det(exact))), gradient + inverse.T
        scale = np.abs(inverse).max() * np.abs(x).sum() * np.abs(z).max()
        bound = 10 * n * condition * np.finfo(float).eps
        assert abs(value - true) <= bound * scale
        assert np.max(np.abs(grads["A"] - gradient)) <= bound * np.max(np.abs(gradient))
