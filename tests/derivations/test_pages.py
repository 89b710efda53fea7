"""The pages of the book: each runs alone, and says what it is there to say."""

from __future__ import annotations

import ast
import runpy
import subprocess
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symgrad as sg

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted((ROOT / "derivations").glob("*.py"))
NAMES = ["bce", "cancellation", "chain_rule", "newton", "sigmoid", "two_layer_network"]


@cache
def _run(name: str) -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "derivations" / f"{name}.py"), run_name="__main__")


@pytest.fixture
def page(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The names of a page after it has run."""
    return _run(request.param)


def lines(d: sg.Derivation) -> list[str]:
    """Return the lines of the text, blanks collapsed."""
    return [" ".join(line.split()) for line in d.text(detail="all").splitlines()]


def test_the_pages_are_these() -> None:
    assert [p.stem for p in PAGES] == NAMES


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.stem)
def test_a_page_is_short_and_opens_with_prose(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    doc = ast.get_docstring(ast.parse(source)) or ""
    title, prose = doc.split("\n\n", 1)
    assert len(source.splitlines()) < 60
    assert "\n" not in title
    assert 3 <= len(prose.splitlines()) <= 6


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.stem)
def test_a_page_runs_alone(path: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(path)], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "PYTHONIOENCODING": "utf-8"}, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "Backward pass" in done.stdout
    assert "checks hold" in done.stdout
    assert "FALSE" not in done.stdout
    assert " agree" in done.stdout
    assert not [word for word in ("disagree", "inconclusive") if word in done.stdout]


@pytest.mark.parametrize("page", ["chain_rule"], indirect=True)
def test_chain_rule(page: dict[str, Any]) -> None:
    assert all(v.ok for v in page["checks"])
    assert all(c.ok and {"symbolic", "tape", "central"} <= set(c.gradients) for c in page["comparisons"])
    one, product, two = page["derivations"]
    assert any("df/du * du/dx" in line and "chain rule" in line for line in lines(one))
    assert float(page["comparisons"][0].gradients["symbolic"]["x"]) == 0.8  # 2x/(1 + x^2) at 1/2
    assert {k: str(product[k].expression) for k in "xyz"} == {"x": "z", "y": "z", "z": "q"}
    assert [float(page["comparisons"][1].gradients["symbolic"][k]) for k in "xyz"] == [-4.0, -4.0, 3.0]
    assert any("df/dv * dv/dx + df/du * du/dx" in line and "2 uses" in line for line in lines(two))
    x = 0.5
    expected = 2 * x * np.sin(x) + x**2 * np.cos(x)
    assert abs(float(page["comparisons"][2].gradients["symbolic"]["x"]) - expected) <= 4 * np.spacing(expected)


@pytest.mark.parametrize("page", ["sigmoid"], indirect=True)
def test_sigmoid(page: dict[str, Any]) -> None:
    d = page["d"]
    assert page["check"].ok
    assert page["c"].ok
    assert {"deriv_exp", "deriv_div", "chain_rule"} <= {s.rule for s in d.steps}
    assert str(d.expression) == "sigmoid(z)*(1 - sigmoid(z))"
    at = {z: (s, slope, quotient) for z, s, slope, quotient in page["rows"]}
    assert at[0.0] == (0.5, 0.25, 0.25)
    assert at[-800.0][:2] == (0.0, 0.0)
    assert np.isnan(at[-800.0][2])


@pytest.mark.parametrize("page", ["bce"], indirect=True)
def test_bce(page: dict[str, Any]) -> None:
    d = page["d"]
    assert page["check"].ok
    assert page["c"].ok
    assert any(line.startswith("= -y/p + (1 - y)/(1 - p)") for line in lines(d))
    assert str(d.expression) == "(p - y)/(p*(1 - p))"
    found = {(p, y): g for p, y, _, g in page["rows"]}
    for (p, y), g in found.items():
        expected = -1 / p if y else 1 / (1 - p)
        assert abs(g - expected) <= 16 * np.spacing(abs(expected)) / (1 - p)  # 1 - p rounds by eps, seen relative to it


@pytest.mark.parametrize("page", ["cancellation"], indirect=True)
def test_cancellation(page: dict[str, Any]) -> None:
    d = page["d"]
    assert page["check"].ok
    assert page["c"].ok
    assert {"deriv_log", "chain_rule", "deriv_sigmoid", "cancel"} <= {s.rule for s in d.steps}
    assert any(line.startswith("= p - y") and "cancel" in line for line in lines(d))
    assert len(page["gradients"]) == 3
    assert set(map(str, page["gradients"].values())) == {"sigmoid(z) - y"}
    flat, steep = {z: (s, c) for z, c, s in page["rows"]}[-10.0]
    assert abs(flat) < 1e-4
    assert steep < -0.9999


@pytest.mark.parametrize("page", ["two_layer_network"], indirect=True)
def test_two_layer_network(page: dict[str, Any]) -> None:
    assert page["check"].ok
    assert page["c"].ok
    assert {"symbolic", "tape", "central"} <= set(page["c"].gradients)
    text = page["d"].text()
    assert "(P - Y) @ A1.T / n" in text
    assert "step(Z1)" in text
    forward, backward = page["forward"], page["backward"]
    assert abs(forward["Z1"][2, 0] + 0.1) < 1e-15
    assert forward["A1"][2, 0] == 0.0
    assert round(float(forward["P"][0, 0]), 2) == 0.56
    assert round(float(forward["L"]), 2) == 0.59
    assert not backward["W1"][2].any()
    assert not backward["b1"][2].any()
    assert not backward["W2"][0, 2].any()
    error = forward["P"] - 1.0
    assert np.array_equal(backward["Z2"], error)
    for name, expected in {"W2": error @ forward["A1"].T, "A1": page["point"]["W2"].T @ error}.items():
        assert np.max(np.abs(backward[name] - expected)) <= 2 * np.spacing(np.max(np.abs(expected)))


@pytest.mark.parametrize("page", ["newton"], indirect=True)
def test_newton(page: dict[str, Any]) -> None:
    assert page["check"].ok
    assert page["c"].ok
    assert str(page["H"].expression) == "X.T @ diag(p*(1 - p)) @ X / n"
    norms = [norm for _, _, norm in page["rows"]]
    assert all(b < 10*a**1.7 for a, b in pairwise(norms[3:]))  # faster than any linear rate
    assert norms[-1] < 1e-11


def test_a_page_that_fails_is_caught(tmp_path: Path) -> None:
    source = (ROOT / "derivations" / "bce.py").read_text(encoding="utf-8")
    broken = tmp_path / "broken.py"
    broken.write_text(source.replace("sg.bce(p, y), p)", "sg.bce(p, y), q)"), encoding="utf-8")
    with pytest.raises(NameError, match="q"):
        runpy.run_path(str(broken), run_name="__main__")
