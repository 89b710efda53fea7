"""Reading a linear map off: contracted with v it is the node again, whatever the node is made of."""

from __future__ import annotations

import random

import numpy as np
import pytest

from symgrad.engine.evaluate import distinct_sizes, evaluate, random_env
from symgrad.engine.linear_map import NotLinear, linear_map
from symgrad.engine.terms import total
from symgrad.errors import NoRule
from symgrad.graph.node import Node, apply, broadcast_to, einsum, reduce_sum, size, var
from symgrad.rules.arrays import BY_NAME as ARRAYS
from symgrad.shapes import as_dim

V, M, S = var("v", ("n", "m")), var("M", ("n", "m")), var("s", ("n",))
SQUARE, T = var("Q", ("n", "n")), var("t")
IDX = var("idx", ("k",), "int")
WHOLE = (None, None, None)


def wide(x: Node) -> Node:
    return einsum(["i"], [x], "ij", {"j": as_dim("m")})


def diagonal(x: Node) -> Node:
    return einsum(["i"], [x], "ii")


LINEAR = {
    "v itself": V,
    "a product": V*M,
    "a quotient": V/M,
    "rows scaled": V*wide(S),
    "rows divided": V/wide(S),
    "a difference": V*M - 3*V,
    "two that cancel": V*M - V*M,
    "a number": -V*0.5 + V*broadcast_to(size(as_dim("m")), V.shape),
    "a scalar": V*broadcast_to(T, V.shape),
    "a sum": broadcast_to(reduce_sum(V*M), V.shape)*M,
    "a sum over rows": wide(einsum(["ij"], [V*M], "i"))*M,
    "a matrix product": SQUARE @ V,
    "a diagonal matrix": diagonal(S) @ V,
    "a diagonal matrix twice": diagonal(S) @ (diagonal(S) @ V),
    "a transpose": einsum(["ij"], [V], "ji"),
    "an outer product": einsum(["ij", "k"], [V, S], "ijk"),
    "a diagonal of a product": einsum(["ij", "kj", "ik"], [V, M, SQUARE], "ij"),
    "a chain": (SQUARE @ (SQUARE @ V * M)) * M,
    "what a sum drops": einsum(["ij", "k"], [V, S], "j"),
    "a branch": apply("where", apply("gt", M, 0), V*M, -V),
    "one branch": apply("where", apply("gt", M, 0), 0, V),
    "a slice": ARRAYS["index"](V, subscript=(WHOLE, (0, 1, 1))),
    "zeros around": ARRAYS["pad"](V, widths=((1, 0), (0, 2))),
    "gaps between": ARRAYS["pad"](V, widths=((0, 0), (0, 0)), gaps=(1, 0)),
    "another shape": ARRAYS["reshape"](V, shape=(as_dim("n")*as_dim("m"),)),
    "parts": ARRAYS["concatenate"](V*M, 2*V, axis=1),
    "running sums": ARRAYS["cumsum"](V, axis=0),
    "half of a matrix": ARRAYS["tril"](einsum(["ij", "kj"], [V, M], "ik"), k=-1),
    "rows chosen": ARRAYS["take"](V, IDX, axis=0),
    "a solution": ARRAYS["solve"](SQUARE, V),
    "a solution for one vector": ARRAYS["solve"](SQUARE, einsum(["ij"], [V*M], "i")),
}


@pytest.mark.parametrize("what", LINEAR)
def test_the_map_contracted_with_v_is_the_node(what: str) -> None:
    root = LINEAR[what]
    read = total(linear_map(root, V), (*V.shape, *root.shape))
    assert read.shape == (*V.shape, *root.shape)
    sizes = distinct_sizes([root])
    env = random_env([root, read], random.Random(1), sizes)  # noqa: S311  # test points
    told, matrix = evaluate([root, read], env, sizes=sizes)
    v = np.asarray(env[V], dtype=object)
    found = np.tensordot(v, matrix, axes=2) if root.rank else (v*matrix).sum()
    assert np.max(abs(np.asarray(found - told, dtype=object))) < 1e-40


@pytest.mark.parametrize("root", [V*V, apply("exp", V), V + 1, 1/V, V + M, apply("where", V, V, V), (V*M) @ V.T],
                         ids=str)
def test_what_is_not_linear_is_refused(root: Node) -> None:
    with pytest.raises(NotLinear):
        linear_map(root, V)


def test_a_function_without_a_matrix_says_so() -> None:
    with pytest.raises(NoRule, match="hvp"):
        linear_map(ARRAYS["softmax"](V, axis=1), V) if ARRAYS["softmax"].definition is None else \
            linear_map(ARRAYS["inv"](einsum(["ij", "kj"], [V, M], "ik")), V)


def test_the_identity_is_never_an_array() -> None:
    (term,) = linear_map(V*M, V)
    assert term.out == (0, 1, 0, 1)
    assert term.factors == ((M, (0, 1)),)
    first, second = linear_map(V*wide(S) - M*broadcast_to(reduce_sum(V), V.shape), V)
    assert first.out == (0, 1, 0, 1)
    assert second.out == (0, 1, 2, 3)
    assert second.factors == ((M, (2, 3)),)
