"""The floors and the island, read from the imports of every module.

A module imports from floors below its own and from its own package, at the top of the file. The packages of floor 4
do not know each other. The tape knows NumPy and the errors alone, so that it can judge the rest.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "symgrad"
FLOOR = {
    "errors": 0, "shapes": 0, "files": 0.5, "graph": 1, "rules": 2, "engine": 3,
    "language": 4, "render": 4, "kernels": 4, "api": 4.5, "equation": 4.7, "jacobians": 4.75, "check": 5, "learn": 6,
    "console": 7, "rulebook": 7, "demo": 7.5, "cli": 8,
}  # fmt: skip
ISLAND = "tape"
ISLAND_MAY_USE = {"numpy", "symgrad.errors"}
GATES = {"__init__", "__main__"}  # the public names and `python -m symgrad` stand above all floors
CORE = {"sympy", "mpmath", "numpy", "typer", "click", "rich", "jinja2", "symgrad"} | set(sys.stdlib_module_names)


def module_name(path: Path) -> str:
    """Return the dotted name of a file below the package."""
    parts = ["symgrad", *path.relative_to(PACKAGE).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 2 else parts)


def sources() -> dict[str, str]:
    return {module_name(p): p.read_text(encoding="utf-8") for p in sorted(PACKAGE.rglob("*.py"))}


def imports(module: str, source: str, known: Mapping[str, object]) -> Iterator[tuple[str, int, bool, bool]]:
    """Yield (imported module, line, inside a function, inside a try) for every import in `source`."""
    todo: list[tuple[ast.AST, bool, bool]] = [(ast.parse(source), False, False)]
    while todo:
        node, local, guarded = todo.pop()
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno, local, guarded
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                is_package = any(k.startswith(module + ".") for k in known)
                up = module.split(".")[: len(module.split(".")) - node.level + is_package]
                base = ".".join([*up, *([base] if base else [])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield inner if inner in known else base, node.lineno, local, guarded
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func).rpartition(".")[2]
            if called in ("import_module", "__import__") and node.args and isinstance(node.args[0], ast.Constant):
                yield str(node.args[0].value), node.lineno, local, guarded
        local = local or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        guarded = guarded or isinstance(node, ast.Try)
        todo += [(child, local, guarded) for child in ast.iter_child_nodes(node)]


def violations(module: str, source: str, known: Mapping[str, object]) -> list[str]:
    """Return every import of `module` that breaks the law, as readable lines."""
    own = module.split(".")[1] if "." in module else "__init__"
    if own in GATES:
        return []
    if own != ISLAND and own not in FLOOR:
        return [f"{module}: '{own}' stands on no floor"]
    found = []
    for target, line, local, guarded in imports(module, source, known):
        at = f"{module}:{line} imports {target}"
        top, _, rest = target.partition(".")
        if top != "symgrad":
            if own == ISLAND and top not in ISLAND_MAY_USE | set(sys.stdlib_module_names):
                found.append(f"{at}: the island uses NumPy and the errors alone")
            elif top not in CORE and not local and not guarded:
                found.append(f"{at}: an optional package is imported inside the function that needs it")
            continue
        there = rest.split(".")[0]
        if local and own != "cli":
            found.append(f"{at} inside a function: imports of symgrad stand at the top of the file")
        if own == "cli":
            continue
        if there == own and (own == ISLAND or FLOOR[own] > 0):
            continue
        if own == ISLAND:
            if target not in ISLAND_MAY_USE:
                found.append(f"{at}: the island uses NumPy and the errors alone")
        elif not there or there in GATES:
            found.append(f"{at}: the public names stand above all floors")
        elif there == ISLAND:
            if FLOOR[own] < FLOOR["check"]:
                found.append(f"{at}: the tape is for the judges, floor {FLOOR['check']} and above")
        elif there not in FLOOR:
            found.append(f"{at}: '{there}' stands on no floor")
        elif FLOOR[there] >= FLOOR[own] and (own, there) != ("shapes", "errors"):
            found.append(f"{at}: floor {FLOOR[own]} ({own}) may not use floor {FLOOR[there]} ({there})")
    return found


def circle(known: Mapping[str, str]) -> list[str]:
    """Return modules that import each other in a circle, or an empty list."""
    edges = {
        m: sorted({t for t, _, local, _ in imports(m, s, known) if t in known and t != m and not local})
        for m, s in known.items()
    }
    while edges:
        free = [m for m, targets in edges.items() if not any(t in edges for t in targets)]
        if not free:
            return sorted(edges)
        for m in free:
            del edges[m]
    return []


def test_every_module_keeps_to_its_floor() -> None:
    known = sources()
    assert len(known) > 8, "the package was not found"
    found = [line for module, source in known.items() for line in violations(module, source, known)]
    assert not found, "\n".join(found)


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert circle(sources()) == []


KNOWN = dict.fromkeys(
    ["symgrad.__init__", "symgrad.errors", "symgrad.shapes", "symgrad.graph", "symgrad.graph.node", "symgrad.rules",
     "symgrad.rules.row", "symgrad.engine", "symgrad.engine.reverse", "symgrad.language.losses", "symgrad.kernels.plan",
     "symgrad.render.latex", "symgrad.check.numeric", "symgrad.learn.descent", "symgrad.tape.trace", "symgrad.cli"]
)  # fmt: skip

PLANTED = [
    ("symgrad.errors", "import symgrad.shapes", "floor 0"),
    ("symgrad.graph.node", "from symgrad.rules.row import Rule", "floor 1"),
    ("symgrad.rules.row", "from symgrad.engine import reverse", "floor 2"),
    ("symgrad.rules.row", "from ..engine import reverse", "floor 2"),
    ("symgrad.engine.reverse", "from symgrad.kernels.plan import plan", "floor 3"),
    ("symgrad.engine.reverse", "from symgrad.tape.trace import trace", "for the judges"),
    ("symgrad.language.losses", "import symgrad.kernels.plan", "may not use floor 4"),
    ("symgrad.render.latex", "from symgrad.language import losses", "may not use floor 4"),
    ("symgrad.kernels.plan", "def f():\n    from symgrad.graph import node", "inside a function"),
    ("symgrad.kernels.plan", "def f():\n    import_module('symgrad.graph.node')", "inside a function"),
    ("symgrad.kernels.plan", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import symgrad.check.numeric",
     "may not use floor 5"),
    ("symgrad.check.numeric", "from symgrad import derive", "above all floors"),
    ("symgrad.check.numeric", "import symgrad", "above all floors"),
    ("symgrad.tape.trace", "from symgrad.graph.node import Node", "island"),
    ("symgrad.tape.trace", "import sympy", "island"),
    ("symgrad.tape.trace", "from symgrad import shapes", "island"),
    ("symgrad.learn.descent", "import sklearn", "optional package"),
    ("symgrad.attic.box", "import math", "no floor"),
]  # fmt: skip


@pytest.mark.parametrize(("module", "source", "complaint"), PLANTED)
def test_a_planted_violation_is_caught(module: str, source: str, complaint: str) -> None:
    found = violations(module, source, KNOWN)
    assert len(found) >= 1
    assert complaint in found[0]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("symgrad.shapes", "from symgrad.errors import ShapeError"),
        ("symgrad.rules.row", "from symgrad.graph.node import Node"),
        ("symgrad.check.numeric", "from symgrad.tape.trace import trace\nimport numpy as np"),
        ("symgrad.tape.trace", "import numpy as np\nfrom symgrad.errors import NoRule\nimport weakref"),
        ("symgrad.cli", "def main():\n    from symgrad import derive"),
        ("symgrad.learn.descent", "def load():\n    import sklearn"),
    ],
)
def test_a_lawful_import_passes(module: str, source: str) -> None:
    assert violations(module, source, KNOWN) == []


def test_a_planted_circle_is_caught() -> None:
    known = {"symgrad.engine.a": "from symgrad.engine.b import f", "symgrad.engine.b": "from symgrad.engine import a"}
    assert circle(known) == ["symgrad.engine.a", "symgrad.engine.b"]
