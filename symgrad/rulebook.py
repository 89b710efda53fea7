"""The table of derivative rules as it is read: one line a function, and the proof of each from its definition."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from rich.table import Table
from rich.text import Text

from symgrad.engine.proof import Proof, prove
from symgrad.errors import UnknownName, suggest
from symgrad.graph.text import to_text
from symgrad.render.plain import derivation_to_text
from symgrad.rules.elementwise import FUNCTIONS
from symgrad.rules.row import Function, Interval

_WIDE = 110
_NAMES = {name: f for f in FUNCTIONS for name in (f.name, f.rule, *f.aliases)}


def find(name: str) -> Function:
    """Return the row of a function, by its name, an alias or the name of its rule.

    Raises: UnknownName with the nearest names.

    >>> find("deriv_sigmoid").name, find("expit").name
    ('sigmoid', 'sigmoid')
    """
    if name not in _NAMES:
        known = [f.name for f in FUNCTIONS]
        near = suggest(name, [n for n in _NAMES if not n.startswith("deriv_")])
        raise UnknownName(f"there is no rule for {name[:60]!r}.{near} There are: {', '.join(known)}")
    return _NAMES[name]


def facts(row: Function) -> dict[str, Any]:
    """Return what is known of a function, as text: its value, its derivatives, its definition, its domain.

    >>> facts(find("sqrt"))["derivatives"], facts(find("sqrt"))["domain"]
    ({'x': '1/(2*y)'}, 'x > 0')
    """
    xs = row.placeholders
    y = row(*xs)
    local = row.derivative(y, *xs)
    return {
        "name": row.name,
        "rule": row.rule,
        "formula": to_text(y),
        "derivatives": {p: "0" if d is None else to_text(d, {y: "y"}) for p, d in zip(row.params, local)},
        "definition": None if row.definition is None else to_text(row.definition(*xs)),
        "domain": ", ".join(t for p, i in zip(row.params, row.intervals()) if (t := _domain(p, i))),
        "kink": None if row.kink is None else f"{to_text(row.kink(*xs))} = 0",
        "source": row.source,
    }


def _domain(name: str, interval: Interval) -> str:
    low, high = interval.low, interval.high
    if math.isinf(low):
        return "" if math.isinf(high) else f"{name} < {high:g}"
    return f"{name} > {low:g}" if math.isinf(high) else f"{low:g} < {name} < {high:g}"


def table(columns: int = 80) -> Table:
    """Return all rules as a table: dy/dx in the arguments and in y, the definition it is proved from, the domain.

    The source of each is shown where there is room for it, and on its page always.
    """
    headings = ("y", "derivative", "definition", "domain", *(["source"] if columns >= _WIDE else []))
    out = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in headings:
        out.add_column(heading, no_wrap=heading in ("y", "domain"), overflow="fold")
    for row in FUNCTIONS:
        f = facts(row)
        local = "\n".join(d if len(row.params) == 1 else f"d/d{p}: {d}" for p, d in f["derivatives"].items())
        cells = (Text(f"{row.name}({', '.join(row.params)})", style="cyan"), Text(local, style="green"),
                 Text(f["definition"] or "axiom", style="" if f["definition"] else "dim"),
                 Text(f["domain"].replace(", ", "\n")), Text(row.source, style="dim"))
        out.add_row(*cells[:len(headings)])
    return out


def page(proof: Proof, columns: int = 80) -> str:
    """Return a rule and its proof: the definition, its derivation step by step, and the verdict."""
    row = proof.row
    f = facts(row)
    lines = [f"{row.rule}: y = {f['formula']}", ""]
    lines += [f"  dy/d{p} = {d}" for p, d in f["derivatives"].items()]
    lines += [f"  for {f['domain']}"] * bool(f["domain"])
    lines += [f"  no derivative at {f['kink']}"] * bool(f["kink"])
    lines += [f"  {row.source}", ""]
    if proof.is_axiom:
        lines += ["No definition in simpler functions: an axiom, held against the function itself.", ""]
    else:
        lines += [f"From the definition y = {f['definition']}:", ""]
        for record in proof.records:
            lines += [derivation_to_text(record, columns=columns).split("\nNote:")[0].rstrip(), ""]
    lines += [f"dy/d{p}: {how}" for p, how in zip(row.params, proof.how)]
    lines.append(f"{row.rule} {'holds' if proof.ok else 'FAILS'}")
    return "\n".join(lines) + "\n"


def proofs() -> Iterator[Proof]:
    """Prove every rule of the table, one after the other."""
    for row in FUNCTIONS:
        yield prove(row.name)


def line(proof: Proof) -> str:
    """Return the verdict on a rule in one line."""
    return f"{proof.row.rule:<16} {'holds' if proof.ok else 'FAILS'}  {'; '.join(dict.fromkeys(proof.how))}"
