"""Every public name says what it is, in sections, with an example that runs.

The rule: one summary line; an example (`>>>`); `Raises` where the body raises; `Source` where mathematics is stated;
and, for what is called, what goes in and comes out (`Shapes`, `Formula` or `Returns`). An exception needs its line.
A section is a line that begins with its name, followed by a colon or by an indented paragraph.
"""

from __future__ import annotations

import ast
import doctest
import inspect
import re
import textwrap
import types
from collections.abc import Callable

import numpy as np
import pytest
import sympy as sp

import symgrad

IN_AND_OUT = ("Shapes", "Formula", "Returns")
MATHEMATICS = ("symgrad.language.functions", "symgrad.language.losses", "symgrad.check", "symgrad.tape")


def raises_itself(obj: object) -> bool:
    """Say whether the body of a function holds a `raise` with an error of its own."""
    if not inspect.isfunction(obj):
        return False
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(obj)))
    except OSError:  # made at run time, no source
        return False
    return any(isinstance(node, ast.Raise) and node.exc is not None for node in ast.walk(tree))


def has_section(doc: str, *names: str) -> bool:
    return re.search(rf"^\s*({'|'.join(names)})(:|\s*$)", doc, flags=re.MULTILINE) is not None


def complaints(name: str, obj: object) -> list[str]:
    """Return what the docstring of a public name lacks."""
    doc = inspect.getdoc(obj) if isinstance(obj, (type, types.ModuleType)) or callable(obj) else "a constant."
    if not doc:
        return [f"{name}: no docstring"]
    summary = doc.split("\n\n")[0]
    found = []
    if "\n" in summary.strip() or len(summary) > 120:
        found.append(f"{name}: the first paragraph is one line of at most 120 characters")
    if isinstance(obj, type) and issubclass(obj, BaseException):
        return found
    if not callable(obj):
        return found
    if ">>>" not in doc:
        found.append(f"{name}: no example (>>>)")
    if not inspect.isclass(obj) and not has_section(doc, *IN_AND_OUT):
        found.append(f"{name}: none of {', '.join(IN_AND_OUT)}")
    if raises_itself(obj) and not has_section(doc, "Raises"):
        found.append(f"{name}: it raises, and has no 'Raises'")
    stated = (getattr(obj, "__module__", None) or "").startswith(MATHEMATICS) and not inspect.isclass(obj)
    if (stated or has_section(doc, "Formula")) and not has_section(doc, "Source"):
        found.append(f"{name}: it states mathematics, and has no 'Source'")
    return found


def test_every_public_name_exists_once_and_in_order() -> None:
    assert len(symgrad.__all__) == len(set(symgrad.__all__)) > 10
    missing = [name for name in symgrad.__all__ if not hasattr(symgrad, name)]
    assert not missing


def test_every_public_name_has_its_sections() -> None:
    found = [line for name in symgrad.__all__ for line in complaints(name, getattr(symgrad, name))]
    assert not found, "\n".join(found)


def written_elsewhere() -> list[str]:
    """Names whose docstring is made at run time: doctest's collector, which reads modules, may not see it."""
    out = []
    for name in symgrad.__all__:
        obj = getattr(symgrad, name)
        if isinstance(obj, types.ModuleType) or not callable(obj) or ">>>" not in (inspect.getdoc(obj) or ""):
            continue
        try:
            seen = ">>>" in inspect.getsource(obj)
        except (OSError, TypeError):  # no source text: made at run time
            seen = False
        if not seen:
            out.append(name)
    return out


def run_example(name: str, doc: str) -> doctest.TestResults:
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    test = doctest.DocTestParser().get_doctest(doc, {"sg": symgrad, "sp": sp, "np": np}, name, None, 0)
    return doctest.DocTestRunner(verbose=False, optionflags=flags).run(test)


def test_examples_made_at_run_time_run() -> None:
    failed = {n: run_example(n, inspect.getdoc(getattr(symgrad, n)) or "").failed for n in written_elsewhere()}
    assert not any(failed.values()), {n: f for n, f in failed.items() if f}


# --- planted faults ---------------------------------------------------------------------------------------------------


def bare(x: float) -> float:
    return x


def no_example(x: float) -> float:
    """Return x.

    Shapes: x any.
    """
    return x


def no_shapes(x: float) -> float:
    """Return x.

    >>> 1
    1
    """
    return x


def silent_raise(x: float) -> float:
    """Return x.

    Shapes: x any.

    >>> 1
    1
    """
    if x < 0:
        raise ValueError("negative")
    return x


def no_source(x: float) -> float:
    """Return x.

    Formula: y = x.
    Shapes: x any.

    >>> 1
    1
    """
    return x


def long_winded(x: float) -> float:
    """Return x
    and more.

    Shapes: x any.

    >>> 1
    1
    """
    return x


def complete(x: float) -> float:
    """Return x.

    Formula: y = x.
    Shapes: x any, y as x.
    Raises: ValueError where x is negative.
    Source: everyday arithmetic.

    >>> 1
    1
    """
    if x < 0:
        raise ValueError("negative")
    return x


@pytest.mark.parametrize(
    ("obj", "complaint"),
    [
        (bare, "no docstring"), (no_example, "no example"), (no_shapes, "none of"), (silent_raise, "'Raises'"),
        (no_source, "'Source'"), (long_winded, "first paragraph"),
    ],
)  # fmt: skip
def test_a_planted_gap_is_caught(obj: Callable[..., float], complaint: str) -> None:
    found = complaints(obj.__name__, obj)
    assert len(found) == 1
    assert complaint in found[0]


def test_a_complete_docstring_passes() -> None:
    assert complaints("complete", complete) == []


def test_a_wrong_example_is_caught(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_example("planted", ">>> 1 + 1\n3\n").failed == 1
    assert "Expected" in capsys.readouterr().out
