"""SymPy to nodes and back: the order a person writes, matrix forms, round trips, size, refusals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy as sp

from symgrad.engine.evaluate import evaluate
from symgrad.errors import InputError, LimitExceeded, NoRule, NotExpressible, ShapeError
from symgrad.graph.node import Node, einsum, identity, matmul, reduce_sum, size, topological, transpose, var
from symgrad.graph.text import to_text
from symgrad.language.entry_sum import EntrySum
from symgrad.language.functions import PUBLIC
from symgrad.language.sympy_io import Context, lower, to_sympy
from symgrad.rules.arrays import ARRAY_FUNCTIONS, BY_NAME
from symgrad.rules.row import ArrayFunction
from tests.work import calls, counted

x, y, z, w, b, p = sp.symbols("x y z w b p", real=True)
h, n = sp.symbols("h n", integer=True, positive=True)
W, B, X = sp.MatrixSymbol("W", h, 2), sp.MatrixSymbol("B", h, 1), sp.MatrixSymbol("X", 2, n)
G, Q = sp.MatrixSymbol("G", h, n), sp.MatrixSymbol("Q", n, 5)
ones = sp.OneMatrix
sigmoid, softplus, bce, maximum, where, relu = (
    PUBLIC[k] for k in ("sigmoid", "softplus", "bce", "maximum", "where", "relu"))
SIZES = {"h": 3, "n": 4}

SCALARS = [
    (p - y, "p - y"),
    (w * x + b, "w*x + b"),
    (1 / (1 + sp.exp(-z)), "1/(1 + exp(-z))"),
    (x**2 + x + 1, "x**2 + x + 1"),
    (-(y * sp.log(p) + (1 - y) * sp.log(1 - p)), "-(y*log(p) + (1 - y)*log(1 - p))"),
    (sp.log(1 + sp.exp(z)) - y * z, "log(1 + exp(z)) - y*z"),
    (sp.sqrt(x), "sqrt(x)"),
    (1 / sp.sqrt(x), "1/sqrt(x)"),
    (x / 2, "x/2"),
    (3 * x / (2 * y), "3*x/(2*y)"),
    (-2 * x * y, "-2*x*y"),
    (x - 2 * y, "x - 2*y"),
    (-x, "-x"),
    (x - 3, "x - 3"),
    (sp.Max(x, 0), "maximum(x, 0)"),
    (sp.Max(x, y, z), "maximum(maximum(x, y), z)"),
    (sp.Min(x, y), "minimum(x, y)"),
    (sp.Piecewise((x, x > 0), (0, True)), "where(x > 0, x, 0)"),
    (sp.Piecewise((1, x >= y), (0, True)), "where(x >= y, 1, 0)"),
    (sp.E, "exp(1)"),
    (sp.pi * x, "pi*x"),
    (x ** (-y), "x**-y"),
    (sp.Abs(x), "abs(x)"),
    (sp.atan(x) * sp.tanh(y) ** 2, "tanh(y)**2*arctan(x)"),
    (x - sp.Float(0.5) * y, "x - 0.5*y"),
    ((1 - y) / (1 - p) - y / p, "(1 - y)/(1 - p) - y/p"),
    (sigmoid(z) - y, "sigmoid(z) - y"),
    (sp.Rational(1, 3), "1/3"),
    (sp.oo, "inf"),
]  # fmt: skip

MATRICES = [
    (W * X + B * ones(1, n), "W @ X + B"),
    (G - B * ones(1, n), "G - B"),
    (G + 2 * B * ones(1, n), "G + 2*B"),
    (G * ones(n, 1), "sum(G, axis=1, keepdims=True)"),
    (ones(1, h) * G, "sum(G, axis=0, keepdims=True)"),
    (ones(1, h) * G * ones(n, 1), "sum(G, keepdims=True)"),
    (G * X.T / n, "G @ X.T / n"),
    (sigmoid(W * X), "sigmoid(W @ X)"),
    (EntrySum(G) / (h * n), "mean(G)"),
    (ones(h, n) - G, "1 - G"),
    (x * ones(h, n) + G, "G + x"),
    (x * G, "x*G"),
    (sp.HadamardProduct(G, W * X), "G*(W @ X)"),
    (sp.HadamardProduct(G, sp.HadamardPower(W * X, -1)), "G/(W @ X)"),
    (sp.HadamardPower(G, 2), "G**2"),
    (PUBLIC["sqrt"](G), "sqrt(G)"),
    (sp.Trace(G * G.T), "trace(G @ G.T)"),
    (sp.Identity(h) + G * G.T, "G @ G.T + eye(h)"),
    (maximum(G, 0), "maximum(G, 0)"),
    (where(G, G, 1), "where(G, G, 1)"),
    (-G, "-G"),
    (G * ones(n, 7) * sp.MatrixSymbol("R", 7, 5), "outer(sum(G, axis=1), sum(R, axis=0))"),
    ((W * X).applyfunc(sp.tanh), "tanh(W @ X)"),
    (G.applyfunc(sp.Lambda(x, w * x - x**2)), "w*G - G**2"),
    (sp.MatrixSymbol("c", 1, 1)[0, 0], "sum(c)"),
]  # fmt: skip


@pytest.mark.parametrize(("expr", "text"), SCALARS, ids=[t for _, t in SCALARS])
def test_scalars_read_as_a_person_wrote_them(expr: Any, text: str) -> None:
    assert to_text(lower(expr)) == text


@pytest.mark.parametrize(("expr", "text"), MATRICES, ids=[t for _, t in MATRICES])
def test_matrices_read_as_text_would_say(expr: Any, text: str) -> None:
    assert to_text(lower(expr)) == text


@pytest.mark.parametrize("expr", [e for e, _ in SCALARS + MATRICES], ids=[t for _, t in SCALARS + MATRICES])
def test_there_and_back(expr: Any) -> None:
    context = Context()
    node = lower(expr, context)
    back = to_sympy(node, {}, context.origin)
    assert lower(back) is node
    if not expr.has(sp.Lambda, sp.matrices.expressions.matexpr.MatrixElement):
        assert back == expr


def value_by_sympy(expr: Any, data: dict[str, np.ndarray]) -> np.ndarray:
    """Evaluate with SymPy alone: explicit matrices for the symbols."""
    expr = expr.subs({h: SIZES["h"], n: SIZES["n"]})
    given = {s: sp.ImmutableMatrix(data[s.name]) if s.is_Matrix else sp.Float(data[s.name]) for s in expr.free_symbols}
    done = expr.subs(given).doit()
    explicit = done.as_explicit() if isinstance(done, sp.MatrixExpr) else done
    return np.array(explicit.evalf().tolist() if explicit.is_Matrix else explicit.evalf(), dtype=float)


def drawn(expr: Any, rng: np.random.Generator) -> dict[str, np.ndarray]:
    out = {}
    for s in expr.free_symbols - {h, n}:
        shape = tuple(SIZES.get(str(d), d) for d in s.shape) if s.is_Matrix else ()
        out[s.name] = rng.uniform(0.2, 1.5, [int(d) for d in shape])
    return out


def agree(expr: Any, node: Node, rng: np.random.Generator) -> bool:
    """Say whether SymPy's value of an expression is the node's; 40 operations of size 10 lose less than 1e-13."""
    data = drawn(expr, rng)
    env = {v: data[v.name] for v in topological([node]) if v.op == "var"}
    found = np.array(evaluate([node], env, sizes=SIZES, digits=30)[0], dtype=float)
    expected = value_by_sympy(expr, data)
    return found.shape == expected.shape and bool(np.all(np.abs(found - expected) <= 1e-12 * np.abs(expected).max()))


NUMERIC = [e for e, _ in MATRICES if not e.has(sp.Lambda)] + [
    W * X * ones(n, 1), 2 * G * ones(n, 1) / h, ones(4, h) * G, (G * G.T) ** 3, x * y * G.T * W,
    -sp.HadamardProduct(G, B * ones(1, n)), EntrySum(bce(sigmoid(G), G)), G * Q - ones(h, n) * Q,
]  # fmt: skip


@pytest.mark.parametrize("expr", NUMERIC, ids=str)
def test_the_value_is_sympys(expr: Any, rng: np.random.Generator) -> None:
    assert agree(expr, lower(expr), rng)


def test_a_wrong_reading_is_caught(rng: np.random.Generator) -> None:
    node = lower(G * G.T * W)
    assert agree(G * G.T * W, node, rng)
    assert not agree(G * G.T * W, -node, rng)
    assert not agree(G * G.T * W, transpose(node), rng)
    assert not agree(EntrySum(G) / n, lower(EntrySum(G)) / size(h), rng)


# --- einsums back to matrices -----------------------------------------------------------------------------------------

A, C, D = var("A", ("h", "n")), var("C", ("n", 5)), var("D", ("h", 5))
u = var("u", ("h", 1))

FORMS = [
    (einsum(["ij", "jk"], [A, C], "ik"), "A*C"),
    (einsum(["ij", "jk"], [A, C], "ki"), "C.T*A.T"),
    (einsum(["ij", "jk", "ik"], [A, C, D], ""), "Trace(A*C*D.T)"),
    (einsum(["ij", "ij"], [A, A], "ij"), "HadamardProduct(A, A)"),
    (einsum(["ij", "ij"], [A, A], ""), "sum(HadamardProduct(A, A))"),
    (einsum(["ij", "kj"], [A, A], "ik"), "A*A.T"),
    (einsum(["ij"], [A], "ik", {"k": 5}), None),
    (einsum(["ij", "ik"], [A, u], "ij"), None),
    (einsum(["ij", "ik"], [A, u], "ji"), None),
    (einsum(["ij"], [A], "kl", {"k": 2, "l": 7}), None),
    (einsum(["ij", "kl"], [A, C], "il"), None),
    (einsum(["ij", "kj", "lj"], [A, A, A], "ik"), None),
    (einsum(["", "ij"], [var("s"), A], "ij"), "s*A"),
    (einsum([], [], "ij", {"i": 2, "j": 3}), None),
    (3 * identity("h"), "3*I"),
    (matmul(transpose(A), u) * 2 - 1, None),
    (reduce_sum(A) * reduce_sum(u) * A, None),
]  # fmt: skip


@pytest.mark.parametrize(("node", "text"), FORMS, ids=[to_text(f) for f, _ in FORMS])
def test_matrix_forms_have_the_value_of_the_einsum(node: Node, text: str | None, rng: np.random.Generator) -> None:
    form = to_sympy(node)
    assert text is None or str(form) == text
    assert agree(form.subs({s: {"h": h, "n": n}[s.name] for s in form.free_symbols if s.name in SIZES}), node, rng)


@pytest.mark.parametrize("node", [
    var("v", "n"), var("T", (2, 3, 4)), einsum(["ij"], [var("S", (3, 3))], "i"),
    einsum(["ii", "ij"], [var("S", (3, 3))] * 2, "j"),
    einsum(["ij", "kj", "lj"], [A, A, A], "ikl"), einsum(["i", "i"], [var("v", 3)] * 2, ""),
])  # fmt: skip
def test_what_sympy_cannot_write_says_so(node: Node) -> None:
    with pytest.raises(NotExpressible):
        to_sympy(node)


def test_named_nodes_become_the_users_symbols() -> None:
    context = Context()
    node = lower(sigmoid(z), context)
    P = sp.Symbol("P", real=True)
    assert to_sympy(node - lower(y, context), {node: "P"}, {**context.origin, "P": P}) == P - y
    assert to_sympy(node, {node: "P"}) == P
    assert to_sympy(node, {node: "P"}, context.origin, expand_root=True) == sigmoid(z)
    own = sp.Symbol("n")
    context = Context()
    assert to_sympy(lower(sp.MatrixSymbol("M", own, 2) * 2, context), {}, context.origin).shape == (own, 2)


def test_losses_are_remembered_as_written() -> None:
    context = Context()
    node = lower(bce(sigmoid(z), y), context)
    assert [(c.name, len(c.args)) for c in context.calls.values()] == [("bce", 2)]
    assert to_sympy(node, {}, context.origin, calls=context.calls) == bce(sigmoid(z), y)


# --- sizes, size and names --------------------------------------------------------------------------------------------


def test_a_size_is_a_size_wherever_it_stands() -> None:
    assert to_text(lower(n * EntrySum(G))) == "n*sum(G)"
    assert lower(EntrySum(G) / n).args[1] is size(n)
    assert lower(n**2).args[0].op == "var"
    context = Context()
    lower(n * x, context)
    with pytest.raises(InputError, match="size of a matrix and also a variable"):
        lower(G, context)


def test_two_symbols_of_one_name_are_refused() -> None:
    with pytest.raises(InputError, match="two different SymPy symbols are called 'x'"):
        lower(x + sp.Symbol("x"))
    with pytest.raises(InputError, match="two different SymPy symbols"):
        lower(EntrySum(sp.MatrixSymbol("M", 2, 3)) + EntrySum(sp.MatrixSymbol("M", 3, 2)))


def test_a_shared_expression_costs_its_size() -> None:
    def layers(count: int) -> sp.Expr:
        wide = [sp.Symbol(f"x{i}", real=True) for i in range(3)]
        for k in range(count):
            wide = [sigmoid(sum(sp.Symbol(f"w{k}_{i}{j}", real=True) * wide[j] for j in range(3))) for i in range(3)]
        return bce(wide[0], y)

    def work(count: int) -> int:
        expr, context = layers(count), Context()
        made, node = counted(lambda: lower(expr, context))
        assert len(topological([node])) < 28 * count
        return made + calls(lambda: to_sympy(node, {}, context.origin))

    work(3)  # caches
    assert work(40) <= 2.2 * work(20)  # as a tree it grows by 3**20


def test_depth_is_no_limit() -> None:
    deep = z
    for _ in range(20_000):
        deep = sigmoid(deep)
    node = lower(deep)
    assert len(topological([node])) == 20_001
    assert to_sympy(node, {}, {"z": z}).func is sigmoid


def test_hostile_names_are_dictionary_keys(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    code = f'__import__("pathlib").Path({str(mark)!r}).write_text("x")'
    s, M = sp.Symbol(code, real=True), sp.MatrixSymbol(code + "#", 2, 3)
    context = Context()
    node = lower(sigmoid(s) * EntrySum(M), context)
    assert {v.name for v in topological([node]) if v.op == "var"} == {code, code + "#"}
    assert to_sympy(node, {}, context.origin) == sigmoid(s) * EntrySum(M)
    with pytest.raises(NoRule):
        lower(sp.Function(code)(z))
    assert not mark.exists()


BAD: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: sp.Function("f")(z), NoRule, "'f'"),
    (lambda: sp.zeta(z), NoRule, "'zeta'"),
    (lambda: sp.Derivative(sp.Function("f")(z), z), NoRule, "Derivative"),
    (lambda: sp.I * z, NoRule, "number I"),
    (lambda: sp.zoo, NoRule, "zoo"),
    (lambda: sp.Symbol("q", imaginary=True), InputError, "real"),
    (lambda: sp.Symbol("q", commutative=False), InputError, "real"),
    (lambda: sp.Sum(z, (sp.Symbol("i"), 1, 3)), NoRule, "Sum"),
    (lambda: (G * G.T) ** 1000, LimitExceeded, "64"),
    (lambda: sp.Piecewise((1, z > 0), (2, z > -1)), NoRule, "condition True"),
    (lambda: sp.ITE(z > 0, y > 0, y > 1), NoRule, "ITE"),
    (lambda: sp.Integral(z, z), NoRule, "Integral"),
    (lambda: "x + 1", InputError, r"symgrad\.parse"),
    (lambda: None, InputError, "NoneType"),
    (lambda: True, InputError, "bool"),
    (lambda: sp.Basic.__new__(sp.MatAdd, G, X), ShapeError, "do not broadcast"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "kind", "words"), BAD, ids=[w for _, _, w in BAD])
def test_what_cannot_be_read_says_what_and_why(make: Callable[[], Any], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        lower(make())


def test_inverse_and_determinant_go_both_ways() -> None:
    A, b = sp.MatrixSymbol("A", 3, 3), sp.MatrixSymbol("b", 3, 1)
    for expr in (sp.Inverse(A) * b, sp.Determinant(A) * b, A**-2 * b):
        node = lower(expr, Context())
        back = to_sympy(node)
        rng = np.random.default_rng(0)
        numbers = {A: sp.Matrix(rng.normal(size=(3, 3))), b: sp.Matrix(rng.normal(size=(3, 1)))}
        one, two = (np.array(e.subs(numbers).doit(), dtype=float) for e in (expr, back))
        np.testing.assert_allclose(one, two, rtol=1e-12)
        assert lower(back, Context()).op == node.op
    with pytest.raises(NotExpressible, match="no softmax"):
        to_sympy(BY_NAME["softmax"](lower(A, Context())))


@pytest.mark.parametrize("row", ARRAY_FUNCTIONS, ids=lambda row: row.name)
def test_an_array_function_goes_to_sympy_and_back_or_says_that_it_cannot(row: ArrayFunction) -> None:
    operands, options = row.placeholders()
    node = row(*operands, **options)
    try:
        written = to_sympy(node)
    except NotExpressible:
        with pytest.raises(NotExpressible, match=f"{row.name}|matri"):
            to_sympy(node)
    else:
        assert lower(written, Context()).shape == node.shape
