"""The public functions are those that have a row; the program's help needs none of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import symgrad
from symgrad.language.functions import OPERATORS, RELATIONS
from symgrad.language.losses import LOSSES as COMPOSITES
from symgrad.rules.elementwise import FUNCTIONS

ROWS = [row for row in (*FUNCTIONS, *COMPOSITES) if row.name not in OPERATORS and row.name not in RELATIONS]
ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("row", ROWS, ids=lambda r: r.name)
def test_a_row_is_a_public_name(row: object) -> None:
    name = row.name  # type: ignore[attr-defined]  # both tables have names
    assert name in symgrad.__all__
    assert getattr(symgrad, name).__name__ == name
    assert all(getattr(symgrad, alias) is getattr(symgrad, name) for alias in getattr(row, "aliases", ()))


def test_what_has_no_row_is_no_name() -> None:
    for name in ("sigmod", "add", "gt", "__wrapped__"):
        with pytest.raises(AttributeError, match=name):
            getattr(symgrad, name)
    assert set(dir(symgrad)) == set(symgrad.__all__)


def test_a_star_import_brings_every_name() -> None:
    found: dict[str, object] = {}
    exec("from symgrad import *", found)  # noqa: S102  # the statement under test
    assert set(symgrad.__all__) <= set(found)


def test_the_import_alone_is_light() -> None:
    code = "import sys, symgrad; print(sorted({'sympy', 'numpy', 'mpmath'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
