"""A name that is chosen here means nothing else: over random networks that declare the very names the namer takes.

Each network is derived once to see which names it takes; these are then declared in every way that there is, used or
not, and derived again: none of them is taken, and the gradient is the same.
"""

from __future__ import annotations

import random
from typing import Any

import pytest
import sympy as sp

import symgrad as sg
from symgrad.engine.naming import meant, name_nodes
from symgrad.graph.node import apply, reduce_sum, topological, var
from symgrad.rules.arrays import ARRAY_FUNCTIONS
from symgrad.rules.elementwise import FUNCTIONS

INPUTS = "A: (n0, d0); q0: (d0,); y0: (n0,)"
INNER = ["exp", "sin", "tanh", "sigmoid", "sqrt", "log1p", "softplus", "cosh", "relu", "abs", "erf", "arctan", "cbrt"]
OUTER = ["exp", "softmax", "log_softmax", "cumsum", "sort", "sigmoid", "sqrt", "expm1", "logcosh"]


def network(rng: random.Random) -> str:
    inside = f"{rng.choice(INNER)}(A @ {rng.choice(['q0', 'sin(q0)', 'q0**2'])}*0.3)"
    body = f"sum({rng.choice(OUTER)}({inside}**2 + 1)*y0)"
    return rng.choice([body, f"{body} + mean(bce(sigmoid(A @ q0), y0))", f"log({body})**2", f"{body}*norm(q0)"])


def records(d: Any) -> list[Any]:
    return [s.derivation.record for s in d.stages] if hasattr(d, "stages") else [d.record]


def taken(d: Any) -> set[str]:
    """Return every name that was made up: of nodes, of the outputs of stages, of arbitrary vectors."""
    named = {s for r in records(d) for n, s in r.names.items() if n not in r.given}
    return named | {r.v.name for r in getattr(d, "readings", ()) if r.kind != "product"}


def declared(loss: str, names: list[str], way: str) -> Any:
    """Return the network with these names given to something else."""
    if way == "unused variables":
        return sg.parse("; ".join([*(f"{n}: (d0,)" for n in names), INPUTS, loss]))
    if way == "unused equations":
        return sg.parse("; ".join([INPUTS, *(f"{n} = {k + 2}.5*q0" for k, n in enumerate(names)), loss]))
    if way == "sizes":
        return sg.parse("; ".join([*(f"unused{k}: ({n},)" for k, n in enumerate(names)), INPUTS, loss]))
    if way == "assumptions":
        fact = f"assume({' + '.join(names)} > 0)"
        return sg.parse("; ".join([*(f"{n}: ()" for n in names), INPUTS, fact, loss]))
    if way == "used variables":
        return sg.parse("; ".join([*(f"{n}: ()" for n in names), INPUTS, f"{loss} + 0*({' + '.join(names)})"]))
    own = [sg.function(n, lambda t: t**3 + t) for n in names if n.isidentifier()]
    return sg.parse(f"{INPUTS}; {loss}", functions=own)


WAYS = ["unused variables", "unused equations", "sizes", "assumptions", "used variables", "functions"]


@pytest.mark.parametrize("way", WAYS)
def test_no_name_that_is_declared_is_chosen(way: str) -> None:
    rng = random.Random(WAYS.index(way))  # noqa: S311  # networks, no secrets
    seen: set[str] = set()
    for loss, derived in [*((network(rng), sg.derive) for _ in range(4)), ("sum(exp(A @ q0)*y0)", sg.hessian)]:
        first = derived(sg.parse(f"{INPUTS}; {loss}"), "q0")
        names = [n for n in sorted(taken(first)) if way != "functions" or not hasattr(sg, n)]
        again = derived(declared(loss, names, way), "q0")
        assert not taken(again) & set(names), (loss, way)
        seen |= set(names)
        if way != "used variables":
            assert to_plain(again) == to_plain(first)
    assert len(seen) >= 4, seen


def to_plain(d: Any) -> str:
    """Return the result without the names that were made up."""
    r = records(d)[-1]
    return " ".join(n.op for n in topological([r.results[r.wrt[0]]]))


def test_the_whole_pool_of_the_namer_is_avoided() -> None:
    """Every letter that a function has for its output, and those without one, in lower and upper case, numbered too."""
    pool = {row.symbol for row in (*FUNCTIONS, *ARRAY_FUNCTIONS)} | {"z", "u", "L"}
    pool |= {s.upper() for s in pool} | {f"{s}{k}" for s in pool for k in ("1", "_1", "_2")}
    x, X = var("x", ("n",)), var("X", ("n", "d"))
    tried = 0
    for row in FUNCTIONS:
        if len(row.params) != 1 or row.orders:
            continue
        for v in (x, X):
            y = row(row(v))
            loss = reduce_sum(y * y + y)
            chosen = set(name_nodes(loss, {}, topological([loss]), {}, reserved=pool).values())
            assert not chosen & pool
            assert len(chosen) == len(name_nodes(loss, {}, topological([loss]), {}, reserved=pool))
            tried += len(chosen)
    assert tried > 200


def test_a_namer_that_knows_only_what_occurs_is_caught() -> None:
    """The planted fault: exp(w) is called e although e is declared, as it was where `reserved` is left out."""
    w = var("w", ("n",))
    loss = reduce_sum(apply("exp", w) ** 2)
    assert "e" in name_nodes(loss, {}, topological([loss]), {}).values()
    assert "e" not in name_nodes(loss, {}, topological([loss]), {}, reserved={"e"}).values()
    assert meant([loss]) == {"w", "n"}


def test_the_names_of_the_issue() -> None:
    d = sg.derive("a: (); b: (); u: (); L = (a*b)**2 + a*b", "a")
    assert "u" not in d.record.names.values()
    e = sg.derive("w: (n,); e: (); L = sum(exp(w)**2)", "w")
    assert list(e.record.names.values()) == ["e_1", "L"]
    size = sg.derive("w: (e,); L = sum(exp(w)**2)", "w")
    assert "e" not in size.record.names.values()
    assert sg.parse("L: (n,); sum(L)").output_name == "L_1"
    assert sg.parse("L: (n,); x: (n,); sum(x)").output_name == "L_1"
    w, L, u = sp.symbols("w L u", real=True)
    assert "L_1" in sg.derive(sg.exp(w) + L * w, w).record.names.values()
    net = sg.Network()
    first = net.let("u", w * L)
    net.let("e", first + 1)
    net.let("M", sg.exp(w) ** 2 + sg.exp(w))
    assert "e" not in {s for n, s in sg.derive(net, w).record.names.items() if n not in sg.derive(net, w).record.given}
    assert u not in net.free_symbols


def test_the_function_of_a_jacobian_is_called_f_where_f_means_nothing() -> None:
    assert "df/dx" in sg.jacobian("x: (n,); tanh(x)", "x").text()
    for text in ("f: (n,); x: (n,); tanh(x)", "f: (n,); x: (n,); tanh(x)*f"):
        printed = sg.jacobian(text, "x").text()
        assert "df_1/dx" in printed
        assert "df/dx" not in printed


def test_results_remember_what_is_declared() -> None:
    """A derivation, saved or not, and an expression of a network know the names of the network."""
    net = sg.parse("w: (n,); e: (); L = sum(exp(w)**2)")
    assert "e" not in sg.derive(net["L"], "w").record.names.values()
    again = sg.derive(sg.sum(sg.derive(net, "w").expression), "w")
    assert "e" not in again.record.names.values()


def test_a_saved_derivation_keeps_the_names_that_mean_something(tmp_path: Any) -> None:
    J = sg.jacobian("f: (n,); x: (n,); tanh(x)", "x")
    J.save(tmp_path / "j.json")
    assert sg.load(tmp_path / "j.json").text() == J.text()


def test_the_heading_of_a_stage_says_what_its_output_is_called() -> None:
    declared_too = "D: (n,); v: (n,); E: (); c: (n,); x: (n,); y: (n,)"
    made = [sg.hessian(f"{declared_too}; sum(exp(x)*y)", "x"), sg.hvp(f"{declared_too}; sum(exp(x)*y)", "x", v="w"),
            sg.vjp(f"{declared_too}; exp(x)*y", "x", v="w"), sg.jvp(f"{declared_too}; exp(x)*y", "x", v="w"),
            sg.jacobian(f"{declared_too}; exp(x)*y", "x")]
    seen = 0
    for d in made:
        for stage in d.stages:
            name = stage.derivation.record.names[stage.derivation.record.loss]
            assert name not in ("D", "E")
            assert " D = " not in stage.title
            assert " E = " not in stage.title
            assert " = " not in stage.title or f"{name} = " in stage.title
            seen += " = " in stage.title
    assert seen >= 5
