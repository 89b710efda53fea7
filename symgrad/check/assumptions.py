"""Assumptions of a network held against arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from symgrad.api import Derivation
from symgrad.engine.assumptions import Assumption
from symgrad.graph.node import Node, variables
from symgrad.kernels.assumed import AssumptionCheck
from symgrad.language.network import as_network
from symgrad.language.text_io import parse


def check_assumptions(what: Any, arrays: Mapping[Any, Any], *, tolerance: float = 0.0) -> None:
    """Raise where arrays violate what is assumed of them: by a network, its text, an Expression or a Derivation.

    An equation may be off by what rounding explains; `tolerance` allows more, relative to the size of the terms.
    Formula: |left - right| <= max(eps*k, tolerance) * m, k roundings of terms of size m; variables exactly.
    Shapes: as declared; sizes are read from the arrays.
    Raises: InputError that names the assumption, the worst entry and its place; ShapeError; UnknownName.
    Source: Higham (2002), section 3.1.

    >>> import numpy as np, symgrad as sg
    >>> net = sg.parse("x: (n,); assume(x > 0); L = sum(log(x))")
    >>> sg.check_assumptions(net, {"x": [1.0, 2.0]})
    >>> sg.check_assumptions(net, {"x": [1.0, -2.0]})
    Traceback (most recent call last):
    ...
    symgrad.errors.InputError: the assumption x > 0 does not hold: at index 1 x is -2, not > 0. x has shape (n,)
    """
    inputs: list[Node]
    assumptions: tuple[Assumption, ...]
    if isinstance(what, Derivation):
        names, inputs, assumptions = dict(what.record.names), variables([what.record.loss]), what.record.assumptions
        given = {getattr(k, "name", k): v for k, v in arrays.items()}
    else:
        net = parse(what) if isinstance(what, str) else as_network(what)
        names, inputs, assumptions = dict(net.names), [*net.inputs.values()], net.stated
        given = {net.variable(k).name: v for k, v in arrays.items()}
    AssumptionCheck(assumptions, inputs, names, tolerance)(given)
