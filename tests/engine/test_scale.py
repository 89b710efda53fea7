"""Scale: work grows linearly with depth, gradients cost a small multiple of the value, and nothing recurses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from symgrad.engine.reverse import vjp
from symgrad.graph.node import apply, topological, var
from symgrad.kernels.compile import count_ops
from tests.work import calls, counted


def _matrices(layers: int) -> sg.Network:
    """Width 3, sigmoid, weights and biases of every layer."""
    net = sg.Network()
    a = sg.symbol("X", (3, "n"))
    for k in range(layers):
        a = net.let(f"A{k}", sg.sigmoid(sg.symbol(f"W{k}", (3, 3)) @ a + sg.symbol(f"b{k}", (3, 1))))
    net.let("L", sg.mean((a - sg.symbol("Y", (3, "n"))) ** 2))
    return net


def _nested(layers: int) -> tuple[Any, list[Any]]:
    """One scalar SymPy expression: as a tree it has 3**layers leaves."""
    weights = []
    a = list(sp.symbols("x0:3", real=True))
    for k in range(layers):
        w = [[sp.Symbol(f"w{k}_{i}{j}", real=True) for j in range(3)] for i in range(3)]
        weights += [v for row in w for v in row]
        a = [sg.sigmoid(sp.Add(*(w[i][j] * a[j] for j in range(3)))) for i in range(3)]
    return (a[0] + a[1] + a[2]) ** 2, weights


def ratio_of_operations(d: sg.Derivation) -> float:
    r = d.record
    return count_ops([r.loss, *(r.resolved[w] for w in r.wrt)]) / count_ops([r.loss])


def _weights(layers: int) -> list[str]:
    return [f"{c}{k}" for k in range(layers) for c in "Wb"]


@pytest.mark.timeout(300)
def test_a_thousand_layers_of_matrices() -> None:
    def derive(layers: int) -> tuple[int, int, sg.Derivation]:
        net = _matrices(layers)
        made, d = counted(lambda: sg.derive(net, _weights(layers)))
        return made, calls(d.compile), d

    derive(20)  # imports and caches
    short, long = derive(100), derive(1000)
    print(f"\n100 layers: {short[0]} calls, compiled in {short[1]}; 1000 layers: {long[0]}, {long[1]}")
    assert long[0] <= 10.5 * short[0]
    assert long[1] <= 10.5 * short[1]
    assert len(long[2].steps) <= 10.1 * len(short[2].steps)
    nodes = [len(topological(d.record.resolved.values())) for _, _, d in (short, long)]
    assert nodes[1] <= 10.1 * nodes[0]
    for _, _, d in (short, long):
        assert ratio_of_operations(d) <= 5


def test_a_deep_network_is_right(rng: np.random.Generator) -> None:
    layers = 40
    d = sg.derive(_matrices(layers), _weights(layers))
    arrays = {f"W{k}": 2 * rng.normal(size=(3, 3)) for k in range(layers)}
    arrays |= {f"b{k}": rng.normal(size=(3, 1)) for k in range(layers)}
    arrays |= {"X": rng.normal(size=(3, 5)), "Y": rng.normal(size=(3, 5))}

    def plain(**given: Any) -> Any:
        a = given["X"]
        for k in range(layers):
            a = 1 / (1 + np.exp(-(given[f"W{k}"] @ a + given[f"b{k}"])))
        return np.mean((a - given["Y"]) ** 2)

    value, grads = d.compile()(**arrays)
    told_value, told = sg.tape.value_and_grad(plain)(**arrays)
    assert abs(value - told_value) <= 1e-14 * abs(told_value)
    for name, g in grads.items():
        np.testing.assert_allclose(g, told[name], rtol=1e-11, atol=1e-11 * np.max(np.abs(told[name])))


@pytest.mark.timeout(300)
def test_a_nested_scalar_expression() -> None:
    def derive(layers: int) -> tuple[int, sg.Derivation]:
        expr, weights = _nested(layers)

        def work() -> sg.Derivation:
            d = sg.derive(expr, weights[:9])
            d.compile()
            return d

        return counted(work)

    derive(4)  # imports and caches
    short, long = derive(20), derive(40)
    print(f"\nnested, 20 layers {short[0]} calls, 40 layers {long[0]}")
    assert long[0] <= 2.2 * short[0]
    assert len(topological([long[1].record.loss])) <= 2.2 * len(topological([short[1].record.loss]))
    assert ratio_of_operations(long[1]) <= 5


def test_the_nested_expression_is_right(rng: np.random.Generator) -> None:
    expr, weights = _nested(6)
    d = sg.derive(expr, weights)
    arrays = {str(w): np.array(rng.normal()) for w in weights} | {f"x{j}": np.array(rng.normal()) for j in range(3)}

    def plain(**given: Any) -> Any:
        a = [given[f"x{j}"] for j in range(3)]
        for k in range(6):
            a = [1 / (1 + np.exp(-sum(given[f"w{k}_{i}{j}"] * a[j] for j in range(3)))) for i in range(3)]
        return (a[0] + a[1] + a[2]) ** 2

    _, grads = d.compile()(**arrays)
    _, told = sg.tape.value_and_grad(plain)(**arrays)
    for name, g in grads.items():
        np.testing.assert_allclose(g, told[name], rtol=1e-10, atol=1e-16)


def test_a_chain_twenty_thousand_deep() -> None:
    x = var("x")
    y = x
    for _ in range(20_000):
        y = apply("sin", y)
    g = vjp(y, [x])[x]
    assert count_ops([y, g]) <= 5 * 20_000
