"""Local names of generated code: the user's where they are harmless, numbered ones otherwise."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterable

RESERVED = frozenset(dir(builtins)) | {"np", "check", "require", "unknown", "more", "given", "INPUTS", "self"}
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,59}")


def is_plain(name: str) -> bool:
    """Whether a name may stand in generated code: ASCII identifier, no keyword, builtin, dunder or name of our own."""
    return (
        _PLAIN.fullmatch(name) is not None and "__" not in name and name not in RESERVED
        and not keyword.iskeyword(name) and not keyword.issoftkeyword(name)
    )


class Locals:
    """Hands out local names, each once; `reserve` keeps the user's names from being used as numbered ones."""

    def __init__(self, reserve: Iterable[str] = ()) -> None:
        self._reserved = {n for n in reserve if is_plain(n)}
        self._taken: set[str] = set()
        self._count = 0
        self._free: list[str] = []

    def claim(self, name: str) -> str | None:
        """Return the name if it is harmless and free, else None."""
        if not is_plain(name) or name in self._taken:
            return None
        self._taken.add(name)
        return name

    def fresh(self) -> str:
        """Return a numbered name that is free, the last one freed first."""
        if self._free:
            return self._free.pop()
        while True:
            name = f"v{self._count}"
            self._count += 1
            if name not in self._taken and name not in self._reserved:
                self._taken.add(name)
                return name

    def free(self, name: str) -> None:
        """Let a numbered name be used again."""
        self._free.append(name)

    def claim_or_fresh(self, name: str) -> str:
        return self.claim(name) or self.fresh()


def shown(text: str) -> str:
    """Return the text as one line of printable ASCII, quoted where it is not a plain name."""
    return text if is_plain(text) else ascii(text[:200])
