"""A saved record in which one field was forged does not pass while it says something false."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import symgrad as sg

Data = dict[str, Any]
RECORDS: dict[str, Callable[[], sg.Derivation]] = {
    "scalar": lambda: sg.derive("p = sigmoid(z); L = bce(p, y)", "z"),
    "kink": lambda: sg.derive("x: (n,); w: (n,); a = relu(x*w); L = sum(a**2 + abs(x))/n", ["x", "w"]),
    "assumed": lambda: sg.derive(
        "z: (n, k); y: (n, k); L = sum(cross_entropy(z, y)); assume(sum(y, axis=1) == 1)", "z"),
    "layers": lambda: sg.derive("X: (n, d); w: (d,); y: (n,); p = sigmoid(X @ w); L = mean(bce(p, y))", "w"),
    "structured": lambda: sg.derive("X: (n, n); L = logdet(X)", "X", assume="X == X.T", structured=True),
}


def changed(data: Data, *path: Any) -> Iterator[tuple[Data, Any, Any]]:
    """Yield a copy of the record and the place in it that the path names."""
    out = copy.deepcopy(data)
    at: Any = out
    for step in path[:-1]:
        at = at[step]
    yield out, at, path[-1]


def forgeries(data: Data) -> Iterator[tuple[str, Data]]:
    """Yield every forgery of a record: what was done, and the record."""
    for k, step in enumerate(data["steps"]):
        for field, wrong in (("reason", "by magic"), ("reason", step["reason"] + " "), ("rule", "magic"),
                             ("rule", "collect" if step["rule"] != "collect" else "order"), ("rule", "deriv_tanh"),
                             ("assumptions", ["x > 5"])):
            for out, at, last in changed(data, "steps", k, field):
                at[last] = wrong
                yield f"step {k}: {field} is {wrong!r}", out
        for other in range(k + 1, len(data["steps"])):
            here, there = step, data["steps"][other]
            if here["target"] != there["target"]:
                continue
            for out, at, _ in changed(data, "steps", k):
                at[k], at[other] = at[other], at[k]
                yield f"steps {k} and {other} exchanged", out
        for out, at, _ in changed(data, "steps", k):
            at.insert(k, copy.deepcopy(step))
            if step["rule"] != "recognise":
                yield f"step {k} twice", out
        for field in ("before", "after", "target"):
            for wrong in {step["before"], step["after"], data["loss"], data["wrt"][0]} - {step[field]}:
                for out, at, last in changed(data, "steps", k, field):
                    at[last] = wrong
                    if data["nodes"]["roots"][wrong] != data["nodes"]["roots"][step[field]]:
                        yield f"step {k}: {field} is node {wrong}", out
    for out, at, last in changed(data, "steps"):
        at[last] = []
        yield "no steps", out
    for name in ("1/n", "f(x)", "", data["names"][-1][1], "dL/dx"):
        for k in range(len(data["names"]) - 1):
            for out, at, last in changed(data, "names", k, 1):
                at[last] = name
                yield f"name {k} is {name!r}", out
    for wrong in ("left", "sideways", 3):
        for out, at, last in changed(data, "options", "kink"):
            at[last] = wrong
            if wrong != "left" or data["kinks"]:
                yield f"kink is {wrong!r}", out
    for out, at, last in changed(data, "options"):
        at[last] = {**at[last], "speed": "high"}
        yield "an unknown option", out
    for out, at, last in changed(data, "kinks"):
        at[last] = [*at[last], "exp has no derivative at x = 0"]
        yield "a kink too many", out
    for kind in ("results", "resolved", "closed", "values"):
        for k, (key, value) in enumerate(data[kind]):
            for out, at, last in changed(data, kind, k, 1):
                at[last] = data["loss"] if value != data["loss"] else key
                if key != data["loss"]:
                    yield f"{kind} of {key} is another node", out
        for out, at, last in changed(data, kind):
            at[last] = at[last][1:] if at[last][0][0] == data["wrt"][0] else at[last][:-1]
            if kind != "closed":
                yield f"{kind}: one is missing", out
    for k in range(len(data["assumptions"])):
        for text in ("sum(z) == 0", "X > 0", "3 == 4", "and so on"):
            for out, at, last in changed(data, "assumptions", k, 0):
                at[last] = text
                for s in out["steps"]:
                    s["assumptions"] = [text] * len(s["assumptions"])
                    if s["rule"] == "assumption":
                        s["reason"] = f"assuming {text}"
                yield f"assumption {k} reads {text!r}", out
        for out, at, last in changed(data, "assumptions", k, 1, 0, 0):
            at[last] = "gt"
            yield "an assumption with another comparison", out
    for k in range(len(data["calls"])):
        for out, at, last in changed(data, "calls", k, 1):
            at[last] = "mse" if at[last] != "mse" else "bce"
            yield "another composite", out


def numbers(data: Data) -> Iterator[tuple[str, Data]]:
    """Yield the record with each constant changed in the rows of the nodes, which no other constant equals."""
    for k, row in enumerate(data["nodes"]["rows"]):
        if row[0] == "const":
            for new in (7, 0.5):
                for out, at, last in changed(data, "nodes", "rows", k, 2):
                    at[last] = [new]
                    yield f"row {k}: {row[2]} is {new}", out


def verdict(tmp_path: Path, data: Data) -> str:
    """Return 'refused' where the record cannot be read, else whether it passes."""
    path = tmp_path / "d.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    try:
        proved = sg.load(path).verify(digits=10)
    except sg.InputError:
        return "refused"
    return "passes" if proved.ok else "caught"


@pytest.mark.parametrize("name", RECORDS)
def test_no_forgery_passes(name: str, tmp_path: Path) -> None:
    data = json.loads(RECORDS[name]().to_json())
    assert verdict(tmp_path, data) == "passes"
    found = [*forgeries(data), *numbers(data)]
    assert len(found) > 40
    stride = max(1, len(found) // 90)  # every kind of forgery, not every place
    told = [(what, verdict(tmp_path, out)) for what, out in found[::stride]]
    assert [what for what, v in told if v == "passes"] == []
