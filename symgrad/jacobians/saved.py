"""Derivations in stages as JSON and back; `load` reads what any derivation wrote. Nothing in a file is executed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from symgrad.api import MALFORMED, Derivation, load_derivation, read_json, unreadable
from symgrad.jacobians.plain import reading_from_plain
from symgrad.jacobians.result import Jacobian, Stage
from symgrad.language.expression import Scope
from symgrad.language.saved import record_from_plain
from symgrad.language.sound import check_reading


def load(path: str | Path) -> Derivation:
    """Read a derivation, a Jacobian or a Hessian that `save` wrote as JSON; nothing in the file is executed.

    Formula: load(save(d)) has the same steps, node for node.
    Shapes: as saved.
    Raises: InputError for a file that is not one of ours.
    Source: the JSON of `Derivation.to_json`.

    >>> import tempfile, pathlib, symgrad as sg
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "d.json"
    >>> d = sg.derive("x**2", "x")
    >>> sg.load(d.save(path)).steps == d.steps
    True
    """
    data = read_json(path)
    if not isinstance(data, Mapping) or "stages" not in data:
        return load_derivation(path, data)
    try:
        made = []
        for title, plain in data["stages"]:
            record = record_from_plain(plain)
            scope = Scope(record.names, assumptions=record.assumptions)
            made.append(Stage(str(title), Derivation(record, scope)))
        found = Jacobian(made, [reading_from_plain(r) for r in data["readings"]], made[-1].derivation.scope)
        for reading in found.readings:
            check_reading(reading, found.names)
        return found
    except MALFORMED as e:
        raise unreadable(path, e) from None
