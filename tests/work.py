"""How much work something is, counted: calls of Python functions. No clock, so a busy machine changes nothing."""

from __future__ import annotations

import cProfile
import gc
from collections.abc import Callable
from typing import Any


def calls(work: Callable[[], Any]) -> int:
    """Return how many calls of Python functions were made, whatever came of them."""
    return counted(work)[0]


def counted(work: Callable[[], Any]) -> tuple[int, Any]:
    """Return how many calls of Python functions were made, and what came back."""
    profile = cProfile.Profile(builtins=False)
    collecting = gc.isenabled()
    gc.disable()  # finalizers are calls too, and run when they like
    profile.enable()
    try:
        out = work()
    finally:
        profile.disable()
        if collecting:
            gc.enable()
    return sum(entry.callcount + entry.reccallcount for entry in profile.getstats()), out


def within(most: int, work: Callable[[], Any]) -> Any:
    """Do the work, which may take so many calls and no more; return what came back, or let through what was raised."""
    profile = cProfile.Profile(builtins=False)
    profile.enable()
    try:
        return work()
    finally:
        profile.disable()
        made = sum(entry.callcount + entry.reccallcount for entry in profile.getstats())
        assert made <= most, f"{made} calls of Python functions; the bound is {most}"
