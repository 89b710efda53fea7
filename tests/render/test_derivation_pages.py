"""Whole derivations in every notation: contents, structure, escaping; compiled where a TeX is installed."""

import html.parser
import re
import shutil
import subprocess

import pytest
import sympy as sp
from rich.console import Console

import symgrad as sg
from symgrad.engine.derivation import Call
from symgrad.errors import InputError
from symgrad.graph.node import var
from symgrad.graph.text import to_text
from symgrad.language.losses import LOSSES
from symgrad.render.html import derivation_to_html
from symgrad.render.latex import derivation_to_latex, node_to_latex
from symgrad.render.markdown import derivation_to_markdown
from symgrad.render.names import Namer
from symgrad.render.outline import outline
from symgrad.render.plain import derivation_to_text, fold
from symgrad.render.reasons import Reasons, derivative_statement, in_math, in_prose
from symgrad.render.terminal import derivation_in_colour
from tests.render.latex_check import faults
from tests.render.records import ALL, by_hand, deep, scalar_bce, two_layers

_AROUND = ("\\documentclass{article}\\usepackage{amsmath,amssymb}\\begin{document}\n", "\\end{document}\n")
HOSTILE = (r"\input{/etc/passwd}", "<script>alert(1)</script>", r"x}\write18{id}{", "a`b```", "[red]c[/red]",
           "\x1b[2J&%#$")

RECORDS = {name: make() for name, make in ALL.items()}
RECORDS["hostile"] = two_layers(names=HOSTILE)


@pytest.fixture(params=RECORDS, scope="module")
def record(request):
    return RECORDS[request.param]


def test_text_by_hand():
    assert derivation_to_text(RECORDS["by_hand"]) == """\
Forward pass
  p = sigmoid(z)
  L = log(p)

Backward pass
  dL/dp = d(log(p))/dp        definition of the cotangent
        = 1/p                 log' = 1/x

  dL/dz = dL/dp * dp/dz       chain rule
        = dL/dp * p*(1 - p)   local derivative of sigmoid
        = 1/p * p*(1 - p)     substitute dL/dp
        = 1 - p               p cancels (as p > 0)

Gradients
  dL/dz = 1 - p

Note: A gradient has the shape of its variable.
Note: Assuming p > 0 (used in step 7).
"""


def test_detail():
    r = RECORDS["by_hand"]
    every, standard, result = (derivation_to_text(r, detail=d) for d in ("all", "standard", "result"))
    assert "times one" in every
    assert "times one" not in standard
    assert "Backward pass" not in result
    assert "dL/dz = 1 - p" in result
    assert "as p > 0" in standard
    with pytest.raises(InputError, match="standard"):
        outline(r, "everything")


def test_scalar_bce_reads_as_in_a_textbook():
    text = derivation_to_text(scalar_bce())
    assert "L = bce(p, y)" in text
    assert "= (p - y)/(p*(1 - p))" in text
    assert "dL/dz = p - y" in text
    tex = derivation_to_latex(scalar_bce())
    assert r"\frac{\partial L}{\partial z} &= p - y" in tex
    assert r"-\frac{y}{p} + \frac{1 - y}{1 - p}" in tex
    assert r"\operatorname{BCE}(p, y)" in tex


@pytest.mark.parametrize("row", LOSSES, ids=lambda r: r.name)
def test_a_loss_prints_in_a_derivation_as_it_does_in_sympy(row, tmp_path):
    name = row.name
    letters = "abcd"[:len(row.params)]
    call = getattr(sg, name)(*map(sp.Symbol, letters))
    found = sg.derive(call, sp.Symbol("a"))
    shown = sp.latex(call).replace(r"\left(", "(").replace(r"\right)", ")")
    assert shown.startswith(row.latex)
    assert f"&= {shown} " in found.latex()
    assert sg.load(found.save(tmp_path / "d.json")).latex() == found.latex()
    assert f"&= {shown} " in sg.derive(f"{name}({', '.join(letters)})", "a").latex()


def test_a_call_without_a_row_prints_its_name_and_a_template_is_filled():
    a, b = var("a"), var("b")
    assert node_to_latex(a - b, calls={a - b: Call("gap_%", (a, b))}) == r"\operatorname{gap\_\%}(a, b)"
    assert node_to_latex(a - b, calls={a - b: Call("gap", (a, b), latex=r"|{} - {}|")}) == "|a - b|"


def test_two_layers_read_as_in_a_textbook():
    tex = derivation_to_latex(RECORDS["two_layers"])
    for line in (
        r"Z_{1} &= W_{1} X + b_{1} \mathbf{1}^\top",
        r"\operatorname{mean}(\operatorname{BCE}(P, Y))",
        r"\frac{\partial L}{\partial W_{2}} &= \frac{1}{n} (P - Y) A_{1}^\top",
        r"\frac{\partial L}{\partial b_{2}} &= \frac{1}{n} (P - Y) \mathbf{1}",
    ):
        assert line in tex


def test_latex_structure(record):
    for standalone in (False, True):
        tex = derivation_to_latex(record, standalone=standalone)
        assert faults(tex) == []
        assert tex.startswith("% Derived with symgrad")
        assert "% A gradient has the shape of its variable." in tex
        assert (r"\documentclass" in tex) == standalone
        assert tex.count(r"\begin{align}") >= 3


def test_a_planted_fault_in_a_page_is_seen():
    tex = derivation_to_latex(RECORDS["two_layers"])
    assert faults(tex.replace(r"\end{align}", "", 1))
    assert faults(tex.replace(r"\frac{", r"\frac", 1))


def test_kinks_are_stated():
    assert re.search(r"% relu has no derivative at", derivation_to_latex(RECORDS["two_layers"]))
    assert "relu has no derivative" in derivation_to_text(RECORDS["two_layers"])


def test_markdown(record):
    page = derivation_to_markdown(record)
    assert page.count("```math\n") * 2 == page.count("```")
    assert r"\operatorname" not in page
    for block in re.findall(r"```math\n(.*?)\n```", page, re.DOTALL):
        assert faults(block) == []
        assert block.startswith(r"\begin{aligned}")
    assert "<script>" not in re.sub(r"```math\n.*?\n```", "", page, flags=re.DOTALL)


class _Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.open = set(), []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        assert not any(name.startswith("on") or name in ("href", "src") for name, _ in attrs)
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_html(record):
    page = derivation_to_html(record)
    reader = _Page()
    reader.feed(page)
    assert reader.open == []
    assert "script" not in reader.tags
    assert "Backward pass" in page
    assert derivation_to_html(record, fragment=True) in page


def test_text_and_terminal(record):
    text = derivation_to_text(record)
    assert "\x1b" not in text
    for head, node in outline(record).results:
        assert to_text(head, record.names) in text
        assert to_text(node, record.names, expand_root=False)[:30] in text
    console = Console(width=100, file=None, force_terminal=False, color_system=None)
    with console.capture() as shown:
        console.print(derivation_in_colour(record))
    assert "\x1b" not in shown.get()
    assert shown.get().rstrip() == text.rstrip() or any(len(line) > 100 for line in text.splitlines())
    assert all(len(line) <= 100 for line in shown.get().splitlines())


@pytest.mark.parametrize("columns", [80, 100])
def test_ordinary_text_fits_its_columns(columns):
    for name in ("scalar_bce", "two_layers", "two_paths", "rows"):
        lines = derivation_to_text(RECORDS[name], columns=columns).splitlines()
        assert all(len(line) <= columns for line in lines), name


def test_fold():
    text = " + ".join(["(a*b - c)"] * 12)
    lines = fold(text, 40)
    assert all(len(line) <= 40 for line in lines)
    assert " ".join(lines) == text
    assert all(line.startswith("+") for line in lines[1:])


def test_reasons_become_formulas():
    r = RECORDS["two_layers"]
    reasons = Reasons(r.names, Namer(), {})
    assert in_math(reasons.pieces("substitute", "substitute dL/dP")) == r"\text{substitute }\partial L / \partial P"
    assert in_prose(reasons.pieces("cancel", "P*(1 - P) cancels")) == r"$P \odot (1 - P)$ cancels"
    assert in_prose(reasons.pieces("x", "a < b_c & 5%")) == r"a $<$ b$\_$c $\&$ 5$\%$"
    assert in_prose(reasons.pieces("deriv_tanh", "whatever")) == r"$\tanh'(x) = 1 - \tanh(x)^{2}$"
    assert derivative_statement("log") == r"\log'(x) = \frac{1}{x}"
    assert derivative_statement("abs") == r"\bigl(\left|x\right|\bigr)' = \operatorname{sign}(x)"
    assert derivative_statement("mul") is None


def test_pages_grow_linearly_with_depth():
    sizes = []
    for depth in (30, 60):
        record = deep(depth)
        sizes.append([len(page(record)) for page in (derivation_to_text, derivation_to_latex, derivation_to_markdown)])
    assert all(b < 2.3 * a for a, b in zip(*sizes))


def test_chosen_latex_for_names():
    tex = derivation_to_latex(RECORDS["two_layers"], names={"P": r"\hat{Y}"})
    assert r"(\hat{Y} - Y) A_{1}^\top" in tex
    with pytest.raises(InputError, match="input"):
        derivation_to_latex(by_hand(), names={"p": r"\input{x}"})


@pytest.mark.parametrize("width", ["document", "fragment"])
def test_every_page_compiles(width, tmp_path):
    tex = {k: derivation_to_latex(r, standalone=width == "document") for k, r in RECORDS.items()}
    assert all(faults(t) == [] for t in tex.values())
    pdflatex = shutil.which("pdflatex")
    if pdflatex is None:
        return  # the structure was judged above; compiling is the second opinion
    for name, page in tex.items():
        if width == "fragment":
            page = f"{_AROUND[0]}{page}{_AROUND[1]}"
        (tmp_path / f"{name}.tex").write_text(page)
        run = subprocess.run(  # a fixed program on a file made here
            [pdflatex, "-no-shell-escape", "-halt-on-error", "-interaction=nonstopmode", f"{name}.tex"],
            cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        assert run.returncode == 0, f"{name}: {run.stdout[-1500:]}"
        over = [float(w) for w in re.findall(r"Overfull \\hbox \(([0-9.]+)pt", run.stdout)]
        if name != "hostile":  # names of thirty characters are wider than a page allows for
            assert all(w <= 5 for w in over), f"{name}: {over}"
