"""What CONTRIBUTING says of adding a function is done: its row goes into a copy of the package, nothing else does."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
USE = r"""
import numpy as np, sympy as sp, symgrad as sg
x, y = sp.symbols("x y", real=True)
f = sg.gauss
assert "gauss" in sg.__all__ and f(x).func is f and "Derivative" in f.__doc__
assert sp.latex(f(x)) == r"\operatorname{gauss}\left(x\right)"
assert sp.diff(f(x), x) == -2*x*f(x)
assert abs(sp.N(f(sp.Rational(1, 2)), 40) - sp.N(sp.exp(-sp.Rational(1, 4)), 40)) < sp.Float("1e-38")
at = np.array([-1.0, 3.0])
for g in (sp.lambdify(x, f(x)), sg.lambdify(x, f(x))):
    assert np.allclose(g(at), np.exp(-at**2), rtol=1e-15)
d = sg.derive(sg.mse(f(x), y), x)
assert d.verify().ok
assert "gauss'" in d.text() and "operatorname{gauss}" in d.latex() \
    and "deriv_gauss" in {s.rule for s in d.steps}
assert sg.derive(f(x), x, expand=True).verify().ok
net = sg.parse("X: (n, d); w: (d,); y: (n,); L = mean(mse(gauss(X @ w), y))")
assert sg.derive(net, "w").verify().ok
rng = np.random.default_rng(0)
c = sg.compare(net, at={"X": rng.normal(size=(5, 3)), "w": rng.normal(size=3), "y": rng.normal(size=5)}, wrt="w")
assert c.ok and {"symbolic", "tape", "complex step", "central"} <= set(c.gradients)
assert "gauss" not in sg.compile(net, wrt="w").source  # it is computed by its definition
"""


def row() -> str:
    found = re.findall(r"^```python\n(.*?)^```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.M | re.S)
    return next(block for block in found if "Function(" in block)


def package_with(new: str, folder: Path) -> Path:
    """Copy the package and add a row to its table."""
    shutil.copytree(ROOT / "symgrad", folder / "symgrad", ignore=shutil.ignore_patterns("__pycache__"))
    table = folder / "symgrad" / "rules" / "elementwise.py"
    text = table.read_text(encoding="utf-8")
    start = "\nEXPONENTIAL = (\n"
    assert text.count(start) == 1
    table.write_text(text.replace(start, start + new), encoding="utf-8")
    return folder


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", *command], cwd=folder, capture_output=True, text=True, check=False, timeout=100,
        env={"PYTHONPATH": str(folder), "PATH": "", "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip


def test_one_row_is_enough(tmp_path: Path) -> None:
    folder = package_with(row(), tmp_path)
    used = run(folder, "-c", USE)
    assert used.returncode == 0, used.stderr
    proved = run(folder, "-m", "symgrad", "rules", "gauss")
    assert proved.returncode == 0, proved.stderr
    assert "gauss" in proved.stdout


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("-2 * x * y", "2 * x * y"), ("-2 * x * y", "-2 * x"), ("-(x**2)", "-(x**4)")],
)
def test_a_false_row_is_caught_by_the_tests_of_the_table(right: str, wrong: str, tmp_path: Path) -> None:
    assert right in row()
    folder = package_with(row().replace(right, wrong, 1), tmp_path)
    test = shutil.copy(ROOT / "tests" / "rules" / "test_derivatives.py", folder)
    done = run(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", test, "-k", "gauss")
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"FAILED .*\[gauss\]", done.stdout)
