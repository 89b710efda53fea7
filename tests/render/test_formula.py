"""Nodes as formulas: matrix notation, order, brackets, and the fallback to indices."""

from fractions import Fraction

import pytest

from symgrad.graph.node import apply, broadcast_to, const, einsum, make, reduce_mean, reduce_sum, size, var
from symgrad.render.latex import node_to_latex
from symgrad.render.layout import PRODUCT_BREAK, SUM_BREAK, broken, unmarked, width
from symgrad.rules.arrays import BY_NAME
from symgrad.rules.elementwise import FUNCTIONS
from tests.render.latex_check import faults

x, y, z, s = map(var, "xyzs")
X, W, b, c = var("X", (2, "n")), var("W1", ("h", 2)), var("b1", ("h", 1)), var("c", (1, 1))
P, Y, A = var("P", (1, "n")), var("Y", (1, "n")), var("A1", ("h", "n"))
R, row = var("R", ("n", "d")), var("r", ("d",))
L = var("L")


def bar(at):
    return make("bar", (L, at), (), at.shape)


def log(a):
    return apply("log", a)


FORMULAS = [
    (W @ X + b, r"W_{1} X + b_{1} \mathbf{1}^\top"),
    (R + row, r"R + \mathbf{1} r^\top"),
    (P + c, r"P + c \mathbf{1}^\top"),
    ((P - Y) @ A.T / size("n"), r"\frac{1}{n} (P - Y) A_{1}^\top"),
    (reduce_sum(P - Y, 1, True) / size("n"), r"\frac{1}{n} (P - Y) \mathbf{1}"),
    (reduce_sum(A, 0, True), r"\mathbf{1}^\top A_{1}"),
    (W.T @ bar(A) * apply("step", X, attr=(0,)),
     r"\left( W_{1}^\top \, \frac{\partial L}{\partial A_{1}} \right) \odot \mathbf{1}[X > 0]"),
    (bar(A) @ X.T, r"\frac{\partial L}{\partial A_{1}} \, X^\top"),
    (1 - A**2, r"1 - A_{1}^{\odot 2}"),
    (A * (1 - A), r"A_{1} \odot (1 - A_{1})"),
    (A * s, "s A_{1}"),
    (P / Y, r"\frac{P}{Y}"),
    (apply("sigmoid", A), r"\sigma(A_{1})"),
    (-reduce_mean(Y * log(P)), r"-\frac{1}{n} \sum_{i} [Y \odot \log P]_{i}"),
    (reduce_mean(-(Y * log(P))), r"-\frac{1}{n} \sum_{i} [Y \odot \log P]_{i}"),
    (einsum(["ii"], [W @ W.T], []), r"\operatorname{tr}(W_{1}^\top W_{1})"),
    (einsum(["i"], [row], "ii"), r"\operatorname{diag}(r)"),
    (x - y, "x - y"),
    (x + (-y), "x - y"),
    (x - (-y), "x - (-y)"),
    (x - (y + z), "x - (y + z)"),
    (x * 2, "2 x"),
    (x * Fraction(3, 2), r"\frac{3}{2} x"),
    (x * (2 * y), "2 x y"),
    ((x * Fraction(1, 2)) * (2 * y), r"\frac{1}{2} \cdot 2 x y"),
    (-x * (2 * y), "-2 x y"),
    (x * (1e-5 * y), "10^{-5} x y"),
    (x * (2 * (3 * y)), r"2 \cdot 3 x y"),
    (2 * var("learning_rate") * x, r"2 \, \mathrm{learning\_rate} \, x"),
    (-(x * y), "-x y"),
    (x / (y * z), r"\frac{x}{y z}"),
    (-x / y, r"-\frac{x}{y}"),
    ((-x) ** 2, "(-x)^{2}"),
    (x ** Fraction(1, 2), r"\sqrt{x}"),
    (2**-x, "2^{-x}"),
    ((x**y) ** z, "(x^{y})^{z}"),
    (1e-5 * x, "10^{-5} x"),
    (2.5 * x, "2.5 x"),
    (1 / (1 + apply("exp", -z)), r"\frac{1}{1 + e^{-z}}"),
    (log(x) * y, r"\log(x) y"),
    (y * log(x) + (1 - y) * log(1 - x), r"y \log x + (1 - y) \log(1 - x)"),
    (make("pull", (const(1), 1 / (1 + z), z), (), ()), r"\frac{\partial}{\partial z}\left[ \frac{1}{1 + z} \right]"),
    (make("pull", (const(-1), L, z), (), ()), r"-\frac{\partial L}{\partial z}"),
    (make("pull", (y, L, z), (), ()), r"y \, \frac{\partial L}{\partial z}"),
    (-reduce_sum(row * log(row)), r"-\sum_{i} [r \odot \log r]_{i}"),
    (row / reduce_sum(row), r"\frac{r}{\sum_{i} r_{i}}"),
    (row / size("d") / row, r"\frac{1}{d} \, \frac{r}{r}"),
    (R - reduce_sum(R), r"R - \sum_{i,j} R_{ij}"),
    (broadcast_to(reduce_sum(row), R.shape), r"\left( \sum_{i} r_{i} \right) \mathbf{1} \mathbf{1}^\top"),
    (1 / size("n") * (A * 2), r"\frac{2}{n} A_{1}"),
    (row * reduce_sum(row), r"\left( \sum_{i} r_{i} \right) r"),
    (const(1, P.shape), r"\mathbf{1}^\top"),
    (const(3, R.shape), r"3 \mathbf{1} \mathbf{1}^\top"),
    (const(0, R.shape), "0"),
    (broadcast_to(s, R.shape), r"s \mathbf{1} \mathbf{1}^\top"),
]


@pytest.mark.parametrize(("node", "latex"), FORMULAS, ids=[t for _, t in FORMULAS])
def test_formula(node, latex):
    tex = node_to_latex(node)
    assert tex == latex
    assert faults(tex) == []


def test_a_negative_part_keeps_its_one_sign():
    n = size("n")
    assert node_to_latex(-(Y / n) / P + (1 - Y) / n) == r"-\frac{1}{n} \, \frac{Y}{P} + \frac{1}{n} (1 - Y)"
    assert node_to_latex((const(-1) / n) * Y / P) == r"-\frac{1}{n} \, \frac{Y}{P}"


def test_three_axes_are_written_with_indices():
    T = var("T", (2, 3, 4))
    tex = node_to_latex(einsum(["ijk", "kl"], [T, var("D", (4, 5))], "ijl"))
    assert tex == r"\left[ \sum_{l} T_{ijl} D_{lk} \right]_{ijk}"
    assert faults(tex) == []


def test_every_row_of_the_table_prints():
    for f in FUNCTIONS:
        args = [var(p) for p in f.params]
        tex = node_to_latex(f(*args))
        assert faults(tex) == [], f.name
        wide = node_to_latex(f(*(var(p, ("n", "d")) for p in f.params)))
        assert faults(wide) == [], f.name


def test_names_and_choices():
    p = apply("sigmoid", z)
    assert node_to_latex(p - y, {p: "p"}) == "p - y"
    assert node_to_latex(var("learning_rate") * x, latex_names={"learning_rate": r"\eta"}) == r"\eta x"
    assert node_to_latex(W @ X, bold=True) == r"\mathbf{W}_{1} \mathbf{X}"


def test_powers_of_names_with_superscripts_are_bracketed():
    w = var("w_l1")
    assert node_to_latex(w**2) == r"\bigl(w^{(1)}\bigr)^{2}"
    assert node_to_latex(var("W_l1", (2, 3)).T) == r"{W^{(1)}}^\top"


def test_shared_and_deep_graphs_are_linear():
    node = z
    for _ in range(60):
        node = node * node + node
    tex = node_to_latex(node)
    assert len(tex) < 60 * 45
    assert faults(tex) == []
    for _ in range(5000):
        node = apply("sin", node)
    assert faults(node_to_latex(node)) == []


def test_a_sum_breaks_before_a_product_in_the_same_brackets():
    entries = f"[Y{PRODUCT_BREAK} \\odot P{SUM_BREAK} + (1{SUM_BREAK} - Y){PRODUCT_BREAK} \\odot Q]"
    assert broken(entries, 0.9 * width(unmarked(entries))) == [r"[Y \odot P", r"+ (1 - Y) \odot Q]"]


def test_width_and_breaks():
    assert width(r"\frac{aaaa}{b}") < width("aaaa") + 0.5
    assert width("x_{1}") < width("x 1") + 0.01
    long = f"{SUM_BREAK} + ".join(["a b c d"] * 12)
    lines = broken(long, 12)
    assert len(lines) > 3
    assert all(width(line) <= 12 for line in lines)
    assert "".join(lines).replace(" ", "") == unmarked(long).replace(" ", "")
    nested = rf"(a{SUM_BREAK} + b{SUM_BREAK} + c){PRODUCT_BREAK} \odot (d{SUM_BREAK} + e)"
    assert broken(nested, 7) == ["(a + b + c)", r"\odot (d + e)"]
    assert broken("aaaaaaaaaaaaaaaa", 3) == ["aaaaaaaaaaaaaaaa"]


def test_the_direct_use_in_the_loss_is_not_the_whole_derivative():
    p = apply("sigmoid", z)
    loss = -log(p)
    both = make("pull", (const(1), loss, p), (), ()) + make("pull", (make("bar", (loss, p), (), ()), p, z), (), ())
    assert node_to_latex(both, {p: "p", loss: "L"}) == (
        r"\frac{\partial}{\partial p}[-\log p] + \frac{\partial L}{\partial p} \, \frac{\partial p}{\partial z}")


def test_letters_of_indices_avoid_names_and_sizes():
    tall = var("A", ("i", "j"))
    assert node_to_latex(reduce_sum(tall)) == r"\sum_{k,l} A_{kl}"
    assert node_to_latex(reduce_sum(var("i", ("n",)))) == r"\sum_{j} i_{j}"


def test_inverses_are_transposed_in_their_exponent():
    square = var("A", ("n", "n"))
    assert node_to_latex(BY_NAME["inv"](square).T) == r"A^{-\top}"
    assert node_to_latex(einsum(["ij", "ij"], [var("B", ("n", "n")), BY_NAME["inv"](square).T], "")) \
        == r"\operatorname{tr}(A^{-1} B)"
