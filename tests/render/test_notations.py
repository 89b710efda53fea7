"""Matrix, index and differential notation, both layouts: how derivations read, and that every line is true."""

import json
import random
import shutil
import subprocess

import numpy as np
import pytest

import symgrad as sg
from symgrad.engine.evaluate import distinct_sizes, evaluate, random_env
from symgrad.errors import InputError
from symgrad.graph.node import einsum, make, topological, var
from symgrad.render.data import derivation_to_data
from symgrad.render.differential import Changes, forward_changes, lines_of
from symgrad.render.html import derivation_to_html
from symgrad.render.latex import derivation_to_latex, node_to_latex
from symgrad.render.markdown import derivation_to_markdown
from symgrad.render.outline import outline
from symgrad.render.plain import derivation_to_text
from symgrad.render.reasons import array_statement
from symgrad.render.style import LAYOUTS, NOTATIONS, Style
from symgrad.render.turned import Turn, turned_plan
from symgrad.shapes import evaluate as size_value
from tests.render.latex_check import faults
from tests.render.records import ALL
from tests.render.test_derivation_pages import HOSTILE, two_layers
from tests.render.test_index import ATTENTION, NETWORK, ROWS

STYLES = [Style(n, layout) for n in NOTATIONS for layout in LAYOUTS]
LAYER_NORM = """X: (n, d); g: (d,); b: (d,); C: (n, d)
c = X - mean(X, axis=1, keepdims=True)
h = c / sqrt(mean(c**2, axis=1, keepdims=True) + 1)
L = sum(C * (h * g + b))"""
CROSS_ENTROPY = "X: (n, d); W: (d, k); Y: (n, k); Z = X @ W; L = mean(cross_entropy(Z, Y))"
LOGDET = "A: (n, n); x: (n,); L = logdet(A) + x @ inv(A) @ x"
MANY_USES = "w: (d,); X: (n, d); a: (); s = sum(w**2); L = s * sum(exp(X @ w)) + a * s"
TEXTS = {"columns": NETWORK, "rows": ROWS, "attention": ATTENTION, "layer_norm": LAYER_NORM,
         "cross_entropy": CROSS_ENTROPY, "logdet": LOGDET, "many_uses": MANY_USES}
WRT = {"columns": ["W1", "b1", "W2", "b2"], "rows": ["W1", "b1", "W2", "b2"], "attention": ["Q", "K", "V"],
       "layer_norm": ["X", "g", "b"], "cross_entropy": ["W"]}
RECORDS = {**{name: sg.derive(text, WRT.get(name)).record for name, text in TEXTS.items()},
           **{f"made_{name}": make_one() for name, make_one in ALL.items()}, "hostile": two_layers(names=HOSTILE)}
style_param = pytest.mark.parametrize("style", STYLES, ids=lambda s: f"{s.notation}-{s.layout}")
SHOWN = ("columns", "attention", "logdet", "made_by_hand", "hostile")
record_param = pytest.mark.parametrize("record", [RECORDS[n] for n in SHOWN], ids=SHOWN)


def lines(page):
    """The formulas of a text page: 'left = right' with the left side of its chain, reasons cut off."""
    out, left = [], ""
    for line in page.splitlines():
        if " = " in line[:24] and line.startswith("  "):
            head, right = line.split(" = ", 1)
            left = head.strip() or left
            out.append(f"{left} = {right.split('   ')[0].rstrip()}")
    return out


# --- how it reads -----------------------------------------------------------------------------------------------------

READS = {
    ("columns", "index", "denominator"): (
        "Z1[h,n]", [
            "Z1[i,k] = sum_j W1[i,j]*X[j,k] + b1[i]",
            "Z2[k] = sum_i W2[i]*A1[i,k] + b2",
            "dL/dZ2[k] = (P[k] - Y[k])/n",
            "dL/dW2[i] = sum_k dL/dZ2[k] * A1[i,k]",
            "dL/db2 = sum_k (P[k] - Y[k])/n",
            "dL/dA1[i,k] = dL/dZ2[k] * W2[i]",
            "dL/dW1[i,j] = sum_k dL/dZ1[i,k] * X[j,k]",
            "dL/db1[i] = sum_k dL/dZ1[i,k]",
        ]),
    ("rows", "index", "denominator"): (
        "Z", [
            "Z[p,j] = sum_i X[p,i]*W1[i,j] + b1[j]",
            "dL/dW1[i,j] = sum_p dL/dZ[p,j] * d(sum_t X[p,t]*W1[t,j])/dW1[i,j]",
            "dL/dW1[i,j] = sum_p dL/dZ[p,j] * X[p,i]",
            "dL/db1[j] = sum_p dL/dZ[p,j]",
        ]),
    ("columns", "differential", "denominator"): (
        "", [
            "dZ1 = dW1 @ X + db1",
            "dA1 = (1 - A1**2)*dZ1",
            "dZ2 = dW2 @ A1 + W2 @ dA1 + db2",
            "dP = P*(1 - P)*dZ2",
            "<dL/dW2, dW2> = <dL/dZ2, dW2 @ A1>",
            "<dL/dW2, dW2> = <dL/dZ2 @ A1.T, dW2>",
            "<dL/dW2, dW2> = <(P - Y) @ A1.T / n, dW2>",
            "<dL/dA1, dA1> = <dL/dZ2, W2 @ dA1>",
            "<dL/dA1, dA1> = <W2.T @ dL/dZ2, dA1>",
            "<dL/dW1, dW1> = <dL/dZ1 @ X.T, dW1>",
            "dL/dW2 = (P - Y) @ A1.T / n",
        ]),
    ("rows", "differential", "denominator"): (
        "", ["dZ = X @ dW1 + db1", "<dL/dW1, dW1> = <dL/dZ, X @ dW1>", "<dL/dW1, dW1> = <X.T @ dL/dZ, dW1>"]),
    ("columns", "matrix", "numerator"): (
        "", [
            "dL/dW2 = A1 @ dL/dZ2",
            "dL/dW2 = A1 @ (P - Y).T / n",
            "dL/dA1 = dL/dZ2 @ W2",
            "dL/dW1 = X @ dL/dZ1",
            "dL/db1 = sum(dL/dZ1, axis=0, keepdims=True)",
        ]),
    ("rows", "matrix", "numerator"): ("", ["dL/dW1 = dL/dZ @ X", "dL/dA1 = W2 @ dL/dZ_1"]),
    ("columns", "differential", "numerator"): (
        "", ["tr(dL/dW2 @ dW2) = tr(dL/dZ2 @ (dW2 @ A1))", "tr(dL/dW2 @ dW2) = tr(A1 @ dL/dZ2 @ dW2)"]),
    ("logdet", "differential", "denominator"): (
        "", ["dV = -V @ (dA @ V)", "<dL/dA, dA> = <V.T - V.T @ dL/dV @ V.T, dA>"]),
    ("attention", "index", "denominator"): (
        "", [
            "S[i,j,l] = sum_k Q[i,j,k]*K[i,l,k]/sqrt(d)",
            "P[i,j,l] = softmax_l(S[i,j,l])",
            "dL/dS[i,j,l] = P[i,j,l]*(dL/dP[i,j,l] - sum_s dL/dP[i,j,s] * P[i,j,s])",
        ]),
    ("cross_entropy", "index", "denominator"): (
        "", ["dL/dW[i,j] = sum_l dL/dZ[l,j] * X[l,i]",
            "dL/dW[i,j] = sum_l X[l,i]*(softmax_j(Z[l,j])*sum_q Y[l,q] - Y[l,j])/n"]),
}


@pytest.mark.parametrize("case", READS, ids="-".join)
def test_derivations_read_as_in_a_textbook(case):
    name, notation, layout = case
    found = lines(derivation_to_text(RECORDS[name], style=Style(notation, layout), columns=400))
    for line in READS[case][1]:
        assert line in found, "\n".join(found)


LATEX = {
    ("columns", "index", "denominator"): [
        r"Z_{1,ik} &= \sum_{j} W_{1,ij} X_{jk} + b_{1,i}",
        r"\frac{\partial L}{\partial W_{2,i}} &= \frac{1}{n} \sum_{k} A_{1,ik} (P_{k} - Y_{k})",
        r"\sum_{k} \frac{\partial L}{\partial Z_{1,ik}} \, X_{jk}",
    ],
    ("columns", "differential", "denominator"): [
        r"\mathrm{d}Z_{1} &= \mathrm{d}W_{1} \, X + \mathrm{d}b_{1} \, \mathbf{1}^\top",
        r"\left\langle  \frac{\partial L}{\partial Z_{2}}, \mathrm{d}W_{2} \, A_{1} \right\rangle",
    ],
    ("columns", "differential", "numerator"): [
        r"\operatorname{tr}\left( A_{1} \, \frac{\partial L}{\partial Z_{2}} \, \mathrm{d}W_{2} \right)"],
    ("columns", "matrix", "numerator"): [r"\frac{\partial L}{\partial W_{2}} &= \frac{1}{n} A_{1} (P - Y)^\top"],
    ("logdet", "differential", "denominator"): [
        r"\mathrm{d}V &= -V \, \mathrm{d}A \, V", r"\operatorname{tr}(V \, \mathrm{d}A)"],
    ("attention", "matrix", "denominator"): [
        r"S_{ijl} &= \frac{1}{\sqrt{d}} \sum_{k} Q_{ijk} K_{ilk}",
        r"P_{ijl} &= \operatorname{softmax}_{l}(S_{ijl})",
        r"\frac{\partial L}{\partial V_{ilp}} &= \sum_{j} C_{ijp} P_{ijl}",
    ],
}


@pytest.mark.parametrize("case", LATEX, ids="-".join)
def test_latex_reads_as_in_a_textbook(case):
    name, notation, layout = case
    tex = derivation_to_latex(RECORDS[name], style=Style(notation, layout), standalone=True)
    for line in LATEX[case]:
        assert line in tex, tex


def test_where_no_matrix_form_exists_the_equation_is_written_in_indices():
    tex = derivation_to_latex(RECORDS["attention"])
    assert "Indices count from 0" in tex
    assert r"\top" not in tex
    assert "Indices" not in derivation_to_latex(RECORDS["columns"])
    Q, K = var("Q", ("b", "q", "d")), var("K", ("b", "k", "d"))
    product = einsum(["bqd", "bkd"], [Q, K], "bqk")
    assert node_to_latex(product) == r"\left[ \sum_{p} Q_{ijp} K_{ilp} \right]_{ijl}"
    assert node_to_latex(einsum(["bqd", "bkd"], [Q, K], "")) == r"\sum_{i,j,l,p} Q_{ijl} K_{ipl}"


def test_vectors_turn_into_rows_in_numerator_layout():
    tex = derivation_to_latex(sg.derive("X: (n, d); w: (d,); y: (n,); z = X @ w; L = sum((z - y)**2)", "w").record,
                              style=Style(layout="numerator"))
    assert r"&= \frac{\partial L}{\partial z} \, X" in tex
    assert r"&= 2 (z - y)^\top X" in tex
    assert r"Gradients, numerator layout" in tex
    assert "% Numerator layout:" in tex


# --- that it is true --------------------------------------------------------------------------------------------------


def point_of(record, more=()):
    """Values at a random point: of variables, cotangents and, as random numbers, of changes."""
    sizes = distinct_sizes([record.loss])
    rng = random.Random(5)  # noqa: S311  # test points
    point = random_env([record.loss], rng, sizes, 40)
    bars = {make("bar", (record.loss, t), (), t.shape): record.resolved.get(t, record.values[t]) for t in record.values}
    values = evaluate(list(bars.values()), point, digits=40, sizes=sizes)
    point |= dict(zip(bars, values))
    for d in more:
        shape = tuple(size_value(n, sizes) for n in d.shape)
        point[d] = np.array([type(values[0].flat[0])(rng.uniform(-1, 1)) for _ in range(int(np.prod(shape)))],
                            dtype=object).reshape(shape)
    return point, sizes


def close(a, b):
    return a.shape == b.shape and all(abs(x - y) <= 1e-25 * (1 + abs(x)) for x, y in zip(a.flat, b.flat))


def engine_records():
    return pytest.mark.parametrize("record", [RECORDS[n] for n in TEXTS], ids=TEXTS)


def paired_lines(record, damage=lambda node: node):
    """Yield (what a line of pairs is worth, what <dL/dt, dt> is worth) for every line of every chain."""
    plan = outline(record, "all")
    changes = Changes(record)
    point, sizes = point_of(record, changes.symbols.values())
    for block in plan.blocks:
        target = block.head.args[1]
        dt = changes.of(target)
        (bar,) = evaluate([block.head], point, digits=40, sizes=sizes)
        want = np.sum(bar * point[dt])
        for _, terms in lines_of(block, target, changes, every=True):
            worth = 0
            for t in terms:
                nodes = [damage(t.change)] + ([] if t.cotangent is None else [t.cotangent])
                first, *rest = evaluate(nodes, point, digits=40, sizes=sizes)
                value = np.sum(first * rest[0]) if rest else np.sum(first)
                worth = worth - value if t.minus else worth + value
            yield worth, want


@engine_records()
def test_every_line_in_differentials_is_worth_the_same(record):
    seen = 0
    for worth, want in paired_lines(record):
        assert abs(worth - want) <= 1e-25 * (1 + abs(want))
        seen += 1
    assert seen > 4


def test_a_wrong_differential_is_seen():
    found = list(paired_lines(RECORDS["columns"], lambda node: node * 2 if node.op != "var" else node))
    assert any(abs(worth - want) > 1e-3 * (1 + abs(want)) for worth, want in found)


@engine_records()
def test_differentials_of_the_forward_pass_are_slopes(record):
    changes = Changes(record)
    moving = [w for w in record.wrt if w.op == "var"]
    point, sizes = point_of(record, changes.symbols.values())
    h = type(next(iter(point.values())).flat[0])(10) ** -12
    named = list(outline(record).forward)
    ends = [evaluate(named, {**point, **{w: point[w] + s * h * point[changes.of(w)] for w in moving}}, digits=40,
                     sizes=sizes) for s in (1, -1)]
    for node, up, down in zip(named, *ends):  # each change is what follows from those of the variables
        point[changes.of(node)] = np.asarray((up - down) / (2 * h), dtype=object)
    seen = 0
    for d, own in forward_changes(outline(record), changes):
        (value,) = evaluate([own], point, digits=40, sizes=sizes)
        assert all(abs(a - b) <= 1e-15 * (1 + abs(a)) for a, b in zip(value.flat, point[d].flat))
        seen += 1
    assert seen


@engine_records()
@pytest.mark.parametrize("rows", [False, True])
def test_numerator_layout_is_the_transpose_of_every_line(record, rows):
    plan = outline(record, "all")
    point, sizes = point_of(record)
    turned = turned_plan(plan, rows=rows)
    turn = Turn(record.names, rows=rows)

    def over(value):
        return value.T if value.ndim == 2 else value[None] if rows and value.ndim == 1 else value

    def same(node, transposed):
        # a square matrix has one symbol in both layouts, so the two are evaluated apart
        (x,) = evaluate([node], point, digits=40, sizes=sizes)
        (y,) = evaluate([transposed], after, digits=40, sizes=sizes)
        return close(over(x), y)

    after = {k: v for k, v in point.items() if k.op != "bar"} | \
        {turn(k): over(v) for k, v in point.items() if k.op == "bar"}
    seen = 0
    for one, other in zip(plan.blocks, turned.blocks):
        for a, b in zip(one.lines, other.lines):
            if any(n.op == "pull" for n in topological([a.node])):
                continue
            assert same(a.node, b.node)
            seen += 1
    assert all(same(a, b) for (_, a), (_, b) in zip(plan.results, turned.results))
    assert seen > 3


# --- pages ------------------------------------------------------------------------------------------------------------


@record_param
@style_param
def test_pages_are_well_formed(record, style):
    assert faults(derivation_to_latex(record, style=style)) == []
    for detail in ("result", "all"):
        text = derivation_to_text(record, style=style, detail=detail)
        assert "\x1b" not in text
        assert ("numerator layout" in text.lower()) == style.numerator
    page = derivation_to_html(record, style=style)
    assert "<script" not in page
    assert derivation_to_markdown(record, style=style).count("```") % 2 == 0
    data = json.loads(json.dumps(derivation_to_data(record, style=style)))
    assert (data["notation"], data["layout"]) == (style.notation, style.layout)
    assert ("differentials" in data) == (style.notation == "differential")


def test_the_usual_style_is_what_it_was():
    for record in RECORDS.values():
        assert derivation_to_text(record) == derivation_to_text(record, style=Style("matrix", "denominator"))


@pytest.mark.parametrize("style", [s for s in STYLES if s != Style()], ids=lambda s: f"{s.notation}-{s.layout}")
def test_pages_compile(style, tmp_path):
    pages = {k: derivation_to_latex(r, standalone=True, style=style) for k, r in RECORDS.items() if k != "hostile"}
    assert all(faults(p) == [] for p in pages.values())
    pdflatex = shutil.which("pdflatex")
    if pdflatex is None:
        return  # the structure was judged above; compiling is the second opinion
    bodies = [p.split(r"\begin{document}")[1].split(r"\end{document}")[0] for p in pages.values()]
    head = next(iter(pages.values())).split(r"\begin{document}")[0]
    (tmp_path / "all.tex").write_text(head + r"\begin{document}" + "\n\\clearpage\n".join(bodies) + r"\end{document}")
    run = subprocess.run(  # a fixed program on a file made here
        [pdflatex, "-no-shell-escape", "-halt-on-error", "-interaction=nonstopmode", "all.tex"], cwd=tmp_path,
        capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stdout[-1500:]


def test_styled_derivations_carry_their_style(tmp_path):
    d = sg.derive(NETWORK, "W1")
    index = d.styled("index")
    assert str(index) == d.text(notation="index")
    assert index._repr_mimebundle_()["text/plain"] == d.text(notation="index")
    assert index._repr_mimebundle_()["text/markdown"] == d.markdown(notation="index")
    assert index["W1"].text() == d.text(notation="index")
    assert index.text(notation="matrix") == d.text()
    assert d.save(tmp_path / "d.tex", notation="index").read_text() == d.latex(notation="index")
    assert index.save(tmp_path / "d.html").read_text() == d.html(notation="index")
    assert sg.load(index.save(tmp_path / "d.json")).text() == d.text()
    with pytest.raises(InputError, match="'index'"):
        d.latex(notation="indices")
    with pytest.raises(InputError, match="'numerator'"):
        d.save(tmp_path / "e.tex", layout="numerators")


def test_statements_of_rows_become_formulas():
    assert array_statement("dY = Y H(inv(Y) dA inv(Y).T), H being half") == (
        r"\mathrm{d}Y = Y\,H(Y^{-1}\,\mathrm{d}A\,Y^{-\top})", ", H being half")
    assert array_statement("dy_i/dx_j = y_i*(delta_ij - y_j)") == (
        r"\partial y_{i}/\partial x_{j} = y_{i}\,(\delta_{ij} - y_{j})", "")
    assert array_statement("d log|det A| = tr(inv(A) dA)") == (
        r"\mathrm{d}\,\log|\det\,A| = \operatorname{tr}(A^{-1}\,\mathrm{d}A)", "")
    assert array_statement("the same entries in another shape") is None
    assert array_statement("Y = some words") is None
