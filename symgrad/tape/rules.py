"""The rule table: every function that the tape can differentiate, in one dict.

To add a function, write one row in `elementwise.py`, `arrays.py` or `linalg.py` (or one line in `composites.py`, if the
function can be spelled with others); nothing else changes. The tests walk the table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symgrad.tape.arrays import ARRAYS
from symgrad.tape.elementwise import ELEMENTWISE
from symgrad.tape.linalg import LINALG
from symgrad.tape.rows import Row

RULES: dict[Callable[..., Any], Row] = ELEMENTWISE | ARRAYS | LINALG
