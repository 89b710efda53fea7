"""A derivation as one self-contained HTML page without scripts: chains as tables, their LaTeX behind a fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jinja2 import Environment, StrictUndefined

from symgrad.engine.derivation import Record
from symgrad.graph.text import plain_name
from symgrad.render.latex import derivation_to_latex
from symgrad.render.outline import outline
from symgrad.render.plain import Section, text_sections
from symgrad.render.style import PLAIN, Style

_BODY = """<section class="symgrad">
{%- for title, rows in sections %}
<h2>{{ title }}</h2>
<table>
{%- for left, right, reason in rows %}
<tr><td class="left">{{ left }}</td><td>{% if right %}={% endif %}</td><td><code>{{ right }}</code></td>
<td class="reason">{{ reason }}</td></tr>
{%- endfor %}
</table>
{%- endfor %}
{%- for note in notes %}
<p class="note">{{ note }}</p>
{%- endfor %}
<details><summary>LaTeX</summary><pre>{{ latex }}</pre></details>
</section>
"""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
body { font: 16px/1.5 Georgia, serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; }
h2 { font-size: 1.05rem; margin: 1.6rem 0 0.4rem; }
td { padding: 0.12rem 0.5rem; vertical-align: top; height: 0.8rem; }
td.left { text-align: right; white-space: nowrap; font-family: monospace; }
td.reason, .note, summary { color: #555; font-size: 0.9rem; }
pre { overflow-x: auto; font-size: 0.85rem; }
</style>
</head>
<body>
{{ body }}
</body>
</html>
"""

_ENVIRONMENT = Environment(autoescape=True, undefined=StrictUndefined)


def derivation_to_html(record: Record, *, names: Mapping[str, str] | None = None, detail: str = "standard",
                       fragment: bool = False, style: Style = PLAIN) -> str:
    """Return a page, or with `fragment` the part of it that a notebook shows; every name is escaped."""
    plan = outline(record, detail)
    latex = derivation_to_latex(record, names=names, detail=detail, style=style)
    shown = ", ".join(plain_name(record.names.get(w) or w.name if w.op == "var" else record.names.get(w, "x"))
                      for w in record.wrt)
    return sections_to_html(*text_sections(plan, style), latex, f"Gradient by {shown}", fragment=fragment)


def sections_to_html(parts: Sequence[Section], notes: Sequence[str], latex: str, title: str, *,
                     fragment: bool = False) -> str:
    """Return titled tables of formulas, the notes and the LaTeX behind a fold as a page or a part of one."""
    body = _ENVIRONMENT.from_string(_BODY).render(
        sections=list(parts), notes=[plain_name(n) for n in notes], latex=latex)
    if fragment:
        return body
    page = _ENVIRONMENT.from_string(_PAGE.replace("{{ body }}", "{{ body | safe }}"))
    return page.render(title=title, body=body)
