"""Reverse mode from the rules alone: gradients agree with the tape and with the recorded derivation."""

from __future__ import annotations

import random
from fractions import Fraction

import numpy as np
import pytest

from symgrad import tape
from symgrad.engine.derive import derive
from symgrad.engine.evaluate import distinct_sizes, evaluate, random_env
from symgrad.engine.reverse import push, vjp
from symgrad.engine.rows import local_derivatives
from symgrad.engine.tidy import negate, plus, tidy, times, without_minus
from symgrad.errors import NonScalarLoss, NoRule
from symgrad.graph.node import Node, apply, broadcast_to, const, einsum, make, matmul, reduce_mean, reduce_sum, var
from symgrad.graph.text import to_text
from symgrad.kernels.functions import plain_function
from symgrad.rules.elementwise import FUNCTIONS
from symgrad.rules.row import Function
from symgrad.shapes import as_shape

x, y = var("x"), var("y")
SMOOTH = [f for f in FUNCTIONS if any(d is not None for d in f.derivative(f(*f.placeholders), *f.placeholders))]


@pytest.mark.parametrize("row", SMOOTH, ids=lambda f: f.name)
def test_each_function_against_the_tape(row: Function, rng: np.random.Generator) -> None:
    args = [var(p, (3,)) for p in row.params]
    out = row(*args)
    weights = var("weights", (3,))
    loss = reduce_sum(weights * out)
    point = random_env([loss], random.Random(len(row.name)), {})  # noqa: S311  # a reproducible test
    arrays = {n.name: np.array([float(v) for v in a]) for n, a in point.items()}
    arrays["weights"] = rng.normal(size=3)
    given = {n: arrays[n.name] for n in point}
    gradients = vjp(loss, args)
    _, told = tape.value_and_grad(plain_function(loss))(**arrays)
    for a in args:
        (got,) = evaluate([gradients[a]], given, digits=30)
        np.testing.assert_allclose(got.astype(float), told[a.name], rtol=1e-12, atol=1e-14)


SHAPES = {
    "product": matmul, "transposed product": lambda a, b: matmul(b.T, a.T),
    "row sums times columns": lambda a, b: matmul(reduce_sum(a, 0), b), "outer": lambda a, b: einsum(
        ["ij", "jk"], [a, b], "ki"), "broadcast": lambda a, b: reduce_mean(a, 1, True) * reduce_sum(b) + a,
    "all indices": lambda a, b: einsum(["ij", "jk"], [a, b], "ijk"),
    "a delta": lambda a, b: einsum(["i"], [reduce_sum(a, 1) * reduce_sum(b)], "ii"),
    "a diagonal": lambda a, b: einsum(["ii"], [matmul(a, a.T)], "i") * reduce_sum(b),
    "widened": lambda a, b: broadcast_to(reduce_sum(a, 0), as_shape(("p", "n"))) * reduce_sum(b),
}


@pytest.mark.parametrize("name", SHAPES)
def test_each_contraction_against_the_tape(name: str) -> None:
    a, b = var("a", ("m", "n")), var("b", ("n", "k"))
    inner = SHAPES[name](a, b)
    loss = reduce_sum(apply("sin", inner))
    sizes = distinct_sizes([loss])
    point = random_env([loss], random.Random(7), sizes)  # noqa: S311  # a reproducible test
    arrays = {n.name: v.astype(float) for n, v in point.items()}
    given = {n: arrays[n.name] for n in point}
    _, told = tape.value_and_grad(plain_function(loss, [a, b], sizes))(**arrays)
    record = derive(loss, [a, b])
    for v in (a, b):
        for gradient in (vjp(loss, [a, b])[v], record.resolved[v], record.results[v]):
            assert gradient.shape == v.shape
            (got,) = evaluate([gradient], given, digits=30, sizes=sizes)
            np.testing.assert_allclose(got.astype(float), told[v.name], rtol=1e-11, atol=1e-13)


def test_a_cotangent_may_be_given() -> None:
    c = var("c", ("n",))
    u = var("u", ("n",))
    assert vjp(u * u, [u], c)[u] is plus(times(c, u), times(c, u))
    with pytest.raises(NonScalarLoss, match="sum or mean"):
        vjp(u * u, [u])


def test_what_does_not_occur_has_gradient_zero() -> None:
    u = var("u", ("n", 2))
    assert vjp(x * x, [u])[u] is const(0, ("n", 2)) or vjp(x * x, [u])[u].value == 0


def test_kinks_by_side() -> None:
    for side, value in (("policy", 0), ("left", 0), ("mean", Fraction(1, 2)), ("right", 1)):
        (d,) = local_derivatives(apply("relu", x), side)
        assert d is not None
        assert evaluate([d], {x: 0})[0][()] == value


def test_an_operation_without_a_rule() -> None:
    with pytest.raises(NoRule, match="wiggle"):
        push(make("wiggle", (x,), (), ()), const(1), [0])


@pytest.mark.parametrize(("op", "args", "text"), [
    ("mul", (const(1), x), "x"), ("mul", (x, const(0)), "0"), ("mul", (const(-1), x), "-x"),
    ("div", (x, const(1)), "x"),
    ("add", (x, const(0)), "x"), ("sub", (const(0), x), "-x"), ("pow", (x, const(1)), "x"), ("pow", (x, const(0)), "1"),
    ("add", (const(2), const(3)), "5"), ("div", (const(1), const(0)), "1/0"), ("sub", (x, negate(y)), "x + y"),
    ("pow", (const(2), const(-2)), "1/4"), ("neg", (negate(x),), "x"),
])
def test_tidy(op: str, args: tuple[Node, ...], text: str) -> None:
    assert to_text(tidy(op, args, (), ())) == text


def test_signs_travel() -> None:
    assert negate(negate(x)) is x
    assert to_text(plus(x, negate(y))) == "x - y"
    assert to_text(negate(negate(x) * y)) == "x*y"
    assert without_minus(x * y) is None
    assert to_text(times(x, 1 / y)) == "x/y"
