"""Identities of the Matrix Cookbook, derived from their text and held against the book's closed forms.

The data file writes both in NumPy's words, with a few names of its own; all sizes are distinct. Results that are arrays
are contracted with a random cotangent.
"""

from __future__ import annotations

import ast
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symgrad as sg
from symgrad.engine.derive import derive
from symgrad.engine.stabilise import stabilise
from symgrad.errors import SymgradError
from symgrad.graph.node import Node, einsum, reduce_sum, var, variables
from symgrad.kernels.compile import compile_nodes
from symgrad.language.network import Network
from symgrad.shapes import evaluate

DATA = json.loads((Path(__file__).parent.parent / "data" / "matrix_cookbook.json").read_text(encoding="utf-8"))
POWER = 3
SIZES = {"m": 3, "n": 4, "p": 5, "q": 2}
CASES = {case["id"]: case for case in DATA["identities"]}
SPELLED = {
    "eigmax": "max(eigvalsh({0}))", "vmax": "eigvecsh({0})[:, n - 1]", "nuc": 'norm({0}, "nuc")', "svdu": "svd_u({0})",
    "spec": 'norm({0}, "spectral")', "svdvt": "svd_vt({0})", "u1": "svd_u({0})[:, 0]", "v1": "svd_vt({0})[0]",
}
RENAMED = {"norm2": "norm", "fro": "norm", "mpow": "matrix_power"}


class _Ours(ast.NodeTransformer):
    """Writes had(A, B), norm2(x), fro(X) and mpow(X, 3) in the words of the language."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name == "had":
            return ast.BinOp(node.args[0], ast.Mult(), node.args[1])
        if name in SPELLED:
            return ast.parse(SPELLED[name].format(*map(ast.unparse, node.args)), mode="eval").body
        if isinstance(node.func, ast.Attribute) and node.func.attr == "reshape":  # a.reshape(-1, 1)
            return ast.parse(f"{ast.unparse(node.func.value)}[:, None]", mode="eval").body
        return ast.Call(ast.Name(RENAMED.get(name, name)), node.args, []) if name else node

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Constant(POWER) if node.id == "k" else node


def ours(text: str) -> str:
    return ast.unparse(_Ours().visit(ast.parse(text, mode="eval")))


@lru_cache(maxsize=128)
def read(name: str) -> tuple[Network, Node, Node]:
    """Return the network, the loss and the book's gradient of it."""
    case = CASES[name]
    declared = "; ".join(f"{v}: ({', '.join(s)}{',' if len(s) == 1 else ''})" for v, s in case["shapes"].items())
    net = sg.parse(f"{declared}; Y_ = {ours(case['function'])}; T_ = {ours(case['gradient'])}")
    y, told = net["Y_"].node, net["T_"].node
    if not y.rank:
        return net, y, told
    cotangent = var("C_", y.shape)
    labels = range(told.rank)
    return net, reduce_sum(cotangent * y), einsum([labels[:y.rank], labels], [cotangent, told], labels[y.rank:])


def arrays(case: dict[str, Any], roots: list[Node], seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    out = {}
    for v in {n.name: n for n in variables(roots)}.values():
        shape = tuple(evaluate(d, SIZES) for d in v.shape)
        out[v.name] = rng.normal(size=shape)
        constraint = case["constraints"].get(v.name)
        if constraint in ("symmetric", "spd"):
            out[v.name] = out[v.name] + out[v.name].T if constraint == "symmetric" else \
                out[v.name] @ out[v.name].T + 2 * np.eye(shape[0])
    return out


def expressible(name: str) -> bool:
    try:
        read(name)
    except SymgradError:
        return False
    return True


def test_all_are_expressible() -> None:
    assert [name for name in CASES if not expressible(name)] == []
    assert len(CASES) == 77


@pytest.mark.parametrize("name", CASES)
def test_the_gradient_is_the_book_s(name: str) -> None:
    case = CASES[name]
    net, loss, told = read(name)
    x = net[case["variable"]].node
    facts = f"{case['variable']} == {case['variable']}.T" if "ONE variable" in case["variable_structure"] else ()
    record = sg.derive(sg.Expression(loss), case["variable"], assume=facts, structured=bool(facts)).record \
        if facts else derive(loss, [x], {loss: "L_"})
    kernel = compile_nodes(
        {"L": loss, "found": record.results[x], "told": told}, stabilise=stabilise, sizes=SIZES)
    values = kernel(**arrays(case, [loss, told]))
    scale = 1 + np.abs(values["told"]).max()
    assert values["found"].shape == values["told"].shape
    assert np.abs(values["found"] - values["told"]).max() <= 1e-9 * scale


@pytest.mark.parametrize("name", ["MC-061", "MC-063", "MC-053", "SUP-16"])
def test_a_turned_sign_is_seen(name: str) -> None:
    """The book's form with one sign turned is not taken for the gradient."""
    case = CASES[name]
    net, loss, told = read(name)
    gradient = sg.grad(sg.Expression(loss), case["variable"]).node
    kernel = compile_nodes({"a": gradient, "b": -told}, sizes=SIZES)
    values = kernel(**arrays(case, [loss, told]))
    assert np.abs(values["a"] - values["b"]).max() > 1e-3
    assert net[case["variable"]].shape == gradient.shape


@pytest.mark.parametrize("name", ["MC-061", "MC-064", "MC-051-rect", "MC-124", "SUP-02", "SUP-16"])
def test_every_step_verifies(name: str) -> None:
    net, loss, _ = read(name)
    assert sg.derive(sg.Expression(loss), CASES[name]["variable"]).verify().ok
    assert net["Y_"].node is not None
