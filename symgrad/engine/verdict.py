"""What a judge says: one check a step and a result, each of them true, false, or not checked with the reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Check:
    """The verdict on one step: what proved it, what speaks against it, or why nothing could be said.

    `ok` says that it was proved; a check that is not `ok` is false where it was `checked`, and open where it was not.
    """

    number: int
    rule: str
    target: str
    ok: bool
    proved: tuple[str, ...]
    problem: str = ""
    checked: bool = True

    @property
    def verdict(self) -> str:
        """'ok', 'FALSE' or 'not checked'."""
        return "ok" if self.ok else "FALSE" if self.checked else "not checked"

    def __str__(self) -> str:
        head = f"{self.number:3d}  {self.target:<12} {self.rule:<20}"
        return f"{head} ok    {', '.join(self.proved)}" if self.ok else f"{head} {self.verdict} {self.problem}"


@dataclass(frozen=True)
class Verification:
    """The verdict on a derivation: one check a step, and one a result. It is `ok` where there are some and all hold."""

    checks: tuple[Check, ...]
    digits: int
    sizes: Mapping[str, int]
    seed: int
    points: int = 1

    @property
    def ok(self) -> bool:
        return bool(self.checks) and all(c.ok for c in self.checks)

    @property
    def failures(self) -> tuple[Check, ...]:
        """The checks that are false."""
        return tuple(c for c in self.checks if not c.ok and c.checked)

    @property
    def unchecked(self) -> tuple[Check, ...]:
        """The checks about which nothing could be said."""
        return tuple(c for c in self.checks if not c.checked)

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        where = ", ".join(f"{k} = {v}" for k, v in self.sizes.items())
        said = f"{self.digits} digits" + (f"; {where}" if where else "")
        left = len(self.unchecked)
        foot = f"{sum(c.ok for c in self.checks)} of {len(self.checks)} checks hold" if self.checks else \
            "nothing was derived, so nothing was checked"
        foot += f", {left} not checked" if left else ""
        return "\n".join([*map(str, self.checks), f"{foot} ({said})"])


def numbered(checks: Iterable[Check]) -> tuple[Check, ...]:
    """Return the checks with numbers in their order."""
    return tuple(replace(c, number=k) for k, c in enumerate(checks, 1))
