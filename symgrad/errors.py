"""Every error of symgrad: what was given, what was expected, what to do next.

All of them derive from SymgradError, so `except symgrad.SymgradError` catches each one.
The command line turns `exit_code` into its exit status.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SymgradError(Exception):
    """Base of all errors that symgrad raises on purpose."""

    exit_code = 2


class ShapeError(SymgradError):
    """Shapes that do not fit together."""


class ParseError(SymgradError):
    """Text that is not in the language, with the place where it went wrong."""


class UnknownName(SymgradError):
    """A name that nobody has declared or defined."""


class NoRule(SymgradError):
    """An operation without a rule for what was asked of it."""


class NonScalarLoss(SymgradError):
    """A gradient was asked of something that is not a scalar."""


class NotDifferentiable(SymgradError):
    """A point or a function without a derivative, where the caller asked not to go on."""

    exit_code = 3


class NotExpressible(SymgradError):
    """A result that the requested notation cannot write down."""


class InputError(SymgradError):
    """An array or an argument that is missing, misspelt, or of the wrong kind."""


class SingularMatrix(SymgradError):
    """A matrix that has no inverse, or not the factor that was asked of it, at run time."""


class LimitExceeded(SymgradError):
    """A stated budget (characters, nodes, depth, seconds) was used up."""

    exit_code = 4


class TextLimit(ParseError, LimitExceeded):
    """Text beyond the limits of the language: bad input rather than a budget that ran out, so the exit code is 2."""

    exit_code = 2


class MissingExtra(SymgradError):
    """An optional dependency that is not installed; the message holds the line that installs it."""

    exit_code = 5

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed. "
            f"Install it with:  python -m pip install 'symgrad[{extra}]'"
        )


def suggest(name: str, known: Iterable[str]) -> str:
    """Return ' Did you mean ...?' for the nearest known names, or an empty string."""
    near = difflib.get_close_matches(name[:64], list(known), n=3, cutoff=0.6)
    return f" Did you mean {' or '.join(repr(n) for n in near)}?" if near else ""


class MissingTool(SymgradError):
    """A program that is not installed; the message holds the line that installs it."""

    exit_code = 5

    def __init__(self, tool: str, purpose: str, install: str) -> None:
        super().__init__(f"{purpose} needs the program {tool!r}, which is not on the PATH. Install it with:  {install}")
