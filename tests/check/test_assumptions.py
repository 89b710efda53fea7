"""Assumptions in comparisons and on the command line: points that satisfy them, and points that do not."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import symgrad as sg
from symgrad.check.point import random_point
from symgrad.cli import app
from symgrad.errors import InputError

TEXT = "x: (n,); t: (n,)\nassume(sum(t) == 1); assume(t > 0)\nL = -sum(t*log_softmax(x))"


def test_random_points_satisfy_what_is_assumed() -> None:
    net = sg.parse(TEXT)
    for seed in range(3):
        at = random_point([net.output], {"n": 7}, seed, net.stated)
        assert at["t"].shape == (7,)
        sg.check_assumptions(net, at)
        c = sg.compare(net, at, "x")
        assert c.ok
        assert c.notes == ("the derived gradient assumes sum(t) == 1",)


def test_a_point_that_violates_them_disagrees_or_is_refused() -> None:
    at = {"x": [1.0, 2.0], "t": [0.5, 0.6]}
    c = sg.compare(TEXT, at, "x")
    assert not c.ok
    assert "assumes sum(t) == 1" in c.notes[0]
    with pytest.raises(InputError, match=r"sum\(t\) is 1.1, not 1"):
        sg.compare(TEXT, at, "x", check_assumptions=True)
    assert not sg.compare(TEXT, at, "x", check_assumptions=0.2).ok


def invoke(*words: str) -> tuple[int, str]:
    found = CliRunner().invoke(app, list(words))
    return (found.exit_code if found.exception is None or found.exit_code else 2), found.output + str(found.exception)


def test_the_command_line() -> None:
    good, bad = "x=[1,2],t=[0.5,0.5]", "x=[1,2],t=[0.5,0.6]"
    text = TEXT.replace("\n", "; ")
    for command in ("compare", "grad"):
        assert invoke(command, text, "-w", "x", "--at", good, "--check-assumptions")[0] == 0
        code, said = invoke(command, text, "-w", "x", "--at", bad, "--check-assumptions")
        assert code != 0
        assert "sum(t) is 1.1, not 1" in said
    assert invoke("compare", text, "-w", "x")[0] == 0
    code, said = invoke("grad", text, "-w", "x", "--check-assumptions")
    assert code != 0
    assert "--check-assumptions looks at a point" in said
    code, said = invoke("derive", text, "-w", "x", "--json")
    data = json.loads(said[: said.rindex("}") + 1])
    assert data["assumptions"] == [{"text": "sum(t) == 1", "used_in": [7]}, {"text": "t > 0", "used_in": []}]
    assert "Assuming sum(t) == 1 (used in step 7)." in data["notes"]


def test_the_value_of_a_gradient_under_an_assumption_is_that_of_the_general_one() -> None:
    at = random_point([sg.parse(TEXT).output], {}, 3, sg.parse(TEXT).stated)
    general = sg.parse("\n".join(line for line in TEXT.split("\n") if "assume" not in line))
    short, long = (sg.compile(net, wrt="x")(**at)[1]["x"] for net in (TEXT, general))
    np.testing.assert_allclose(short, long, rtol=0, atol=8 * np.finfo(float).eps)
