"""Text to nodes: what is read means what NumPy means, and everything else is refused, quickly and in clear words."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symgrad.errors import ParseError, SymgradError, UnknownName
from symgrad.graph.node import (
    Node,
    apply,
    const,
    einsum,
    identity,
    matmul,
    reduce_mean,
    reduce_sum,
    size,
    topological,
    var,
)  # fmt: skip
from symgrad.graph.text import to_text
from symgrad.language.text_io import parse, parse_expression
from symgrad.rules.elementwise import BY_NAME, pi
from tests.work import within

CASES = json.loads((Path(__file__).parents[1] / "data" / "text_expressions.json").read_text(encoding="utf-8"))["inputs"]
# the texts that the file describes by a Python expression, which is not evaluated here
LONG: dict[str, str] = {
    "T110": "(" * 10000 + "x" + ")" * 10000,
    "T111": "sin(" * 10000 + "x" + ")" * 10000,
    "T112": "-" * 100000 + "x",
    "T113": "x" + "**x" * 10000,
    "T114": "+".join(f"x*{i}" for i in range(100000)),
    "T115": "a" * 1000000,
    "T116": "+".join(f"s{i}**2" for i in range(10000)),
    "T118": "*".join(f"(x+{i})" for i in range(60)),
    "T121": "x + \ud800",
    "T122": "x\u202e + \u200dy",
}
NETWORK = """
X: (2, n);  Y: (1, n);  W1: (h, 2);  b1: (h, 1);  W2: (1, h);  b2: (1, 1)
Z1 = W1 @ X + b1
A1 = relu(Z1)
P  = sigmoid(W2 @ A1 + b2)
L  = mean(bce(P, Y))
"""


def value(root: Node, given: Mapping[str, Any], sizes: Mapping[str, int] | None = None) -> Any:
    """A small evaluator of its own: NumPy's functions and the rows' definitions, nothing of the library's engines."""
    sizes = dict(sizes or {})
    found: dict[Node, Any] = {}

    def dim(d: Any) -> int:
        return d if isinstance(d, int) else int(d.subs({s: sizes[s.name] for s in d.free_symbols}))

    def parts(node: Node) -> tuple[Node, ...]:
        row = BY_NAME.get(node.op)
        return node.args if row is None or row.numpy else (row.definition(*node.args),)

    for node in topological([root], parts):
        shape = tuple(map(dim, node.shape))
        args = [found[a] for a in parts(node)]
        if node.op == "var":
            out = np.asarray(given[node.name], dtype=float)
        elif node.op == "const":
            number = math.pi if node.value == "pi" else float(node.value)
            out = np.full(shape, number)
        elif node.op == "size":
            out = np.full(shape, float(dim(node.value)))
        elif node.op == "einsum":
            ins, written, dims = node.attr
            ones = [np.ones(dim(d)) for d in dims]
            # one vector of ones an index: every output index then occurs in some operand
            fresh = dict.fromkeys(written)
            deltas: list[Any] = []
            seen: dict[int, int] = {}
            label = []
            for i in written:
                if i in seen:
                    seen[i] = len(dims) + len(deltas) // 2
                    deltas += [np.eye(dim(dims[i])), [i, seen[i]]]
                    label.append(seen[i])
                else:
                    seen[i] = i
                    label.append(i)
            operands = [x for pair in zip(args, map(list, ins)) for x in pair]
            operands += [x for i in fresh for x in (ones[i], [i])]
            out = np.einsum(*operands, *deltas, label) if operands else np.float64(1.0)
        elif BY_NAME[node.op].numpy:
            ufunc = getattr(np, BY_NAME[node.op].numpy)
            more = [float(a) for a in node.attr] if node.op == "step" else []
            out = ufunc(*args, *more)
        else:
            out = args[0]
        assert np.shape(out) == shape
        found[node] = out
    return found[root]


BOUND = 100_000  # calls of Python functions until a text is read or refused


def output(text: str) -> Node:
    return parse(text).output


# --- the table of cases ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES, ids=[c["id"] for c in CASES])
def test_case(case: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = case["text"] if case["text"] is not None else LONG[case["id"]]
    try:
        net = within(BOUND, lambda: parse(text))
        message = ""
    except SymgradError as error:
        net, message = None, str(error)
    assert list(tmp_path.iterdir()) == []
    assert case["expect"] not in (("value",) if message else ("error",)), message
    if net is None:
        assert 10 < len(message) < 1500
        return
    bindings = case.get("bindings") or {}
    if case.get("value") is not None and set(net.inputs) <= set(bindings):
        got = float(value(net.output, bindings))
        # sums and products of at most twenty rounded steps
        assert abs(got - case["value"]) <= 1e-12 * abs(case["value"]) + 1e-300


def test_every_described_text_is_here() -> None:
    assert {c["id"] for c in CASES if c["text"] is None} == LONG.keys()


# --- what the language means -------------------------------------------------------------------------------------

x, y, z = var("x"), var("y"), var("z")
X, W, b = var("X", ("n", "d")), var("W", ("d", "k")), var("b", ("k",))
SHAPES = "X: (n, d); W: (d, k); b: (k,); A: (n, n); v: (n,); u: (k,); o: (n, 1); "
A, v, u, o = var("A", ("n", "n")), var("v", ("n",)), var("u", ("k",)), var("o", ("n", 1))


@pytest.mark.parametrize(("text", "expected"), [
    ("-x**2", -(x**2)),
    ("-2**2*x", apply("neg", const(2) ** 2) * x),
    ("(-2)**2*x", const(-2) ** 2 * x),
    ("2**3**2*x", const(2) ** (const(3) ** 2) * x),
    ("x**-y", x ** -y),
    ("x - y - z", (x - y) - z),
    ("x/y*z", (x / y) * z),
    ("x + -2", x + -2),
    ("+x", x),
    ("1_000*x + .5 + 2.", 1000 * x + 0.5 + 2.0),
    ("-0.0 + x", const(-0.0) + x),
    ("1.0*x", 1.0 * x),
    ("pi*x", pi() * x),
    ("ln(x) + expit(x) + atan(x)", apply("log", x) + apply("sigmoid", x) + apply("arctan", x)),
    ("square(x)", x**2),
    ("max(x, 1) + min(x, y)", apply("maximum", x, 1) + apply("minimum", x, y)),
    ("where(x > 0, x, y)", apply("where", apply("gt", x, 0), x, y)),
    ("where(0 <= x <= 1, x, -inf)",
     apply("where", apply("le", 0, x) * apply("le", x, 1), x, const(float("-inf")))),
    ("where((x > 0)*(y > 0), x, y)", apply("where", apply("gt", x, 0) * apply("gt", y, 0), x, y)),
    ("mse(x, y)", (x - y) ** 2),
    ("maximum(a=x, b=y)", apply("maximum", x, y)),
    ("x; ", x),
    ("(x\n  + y)", x + y),
    ("a = x + y\na*a", (x + y) * (x + y)),
], ids=lambda p: p if isinstance(p, str) else "")
def test_scalars(text: str, expected: Node) -> None:
    assert output(text) is expected


@pytest.mark.parametrize(("text", "expected"), [
    ("X @ W + b", matmul(X, W) + b),
    ("X.T", X.T),
    ("transpose(X)", X.T),
    ("matmul(X, W)", matmul(X, W)),
    ("dot(v, A) @ v", matmul(matmul(v, A), v)),
    ("sum(X)", reduce_sum(X)),
    ("sum(X, axis=-1)", reduce_sum(X, 1)),
    ("sum(X, axis=(0, 1))", reduce_sum(X)),
    ("sum(X, axis=1, keepdims=True)", reduce_sum(X, 1, True)),
    ("mean(X, axis=0, keepdims=True)", reduce_mean(X, 0, True)),
    ("sum(v)/n", reduce_sum(v) / size("n")),
    ("n*d*sum(v)", size("n") * size("d") * reduce_sum(v)),
    ("trace(A)", einsum(["ii"], [A], "")),
    ("diag(A)", einsum(["ii"], [A], "i")),
    ("diag(v)", einsum(["i"], [v], "ii")),
    ("outer(v, b)", einsum(["i", "j"], [v, b], "ij")),
    ('einsum("ij,jk->ik", X, W)', matmul(X, W)),
    ('einsum("ij,jk", X, W)', matmul(X, W)),
    ("einsum('ii', A)", einsum(["ii"], [A], "")),
    ("eye(n) @ A", matmul(identity(size("n").value), A)),
    ("ones((n, 2*d)) + zeros(1)", const(1, (size("n").value, 2 * size("d").value)) + const(0, (1,))),
    ("broadcast_to(b, (n, k))", einsum(["j"], [b], "ij", {"i": size("n").value})),
    ("v[:, None]*b", einsum(["i"], [v], ["i", "new"], {"new": 1}) * b),
    ("v[:, None]*b[None, :]",
     einsum(["i"], [v], ["i", "new"], {"new": 1}) * einsum(["i"], [b], ["new", "i"], {"new": 1})),
    ("o[:, 0]", einsum(["ij"], [o], "i")),
    ("o[:, -1]", einsum(["ij"], [o], "i")),
    ("A[:]", A),
    ("b*3 + u", b * 3 + u),
    ("bce_with_logits(b, u)", apply("softplus", b) - u * b),
], ids=lambda p: p if isinstance(p, str) else "")
def test_arrays(text: str, expected: Node) -> None:
    assert output(SHAPES + text) is expected


def test_two_layer_network() -> None:
    net = parse(NETWORK)
    X, Y, W1, b1 = var("X", (2, "n")), var("Y", (1, "n")), var("W1", ("h", 2)), var("b1", ("h", 1))
    W2, b2 = var("W2", (1, "h")), var("b2", (1, 1))
    Z1 = matmul(W1, X) + b1
    A1 = apply("relu", Z1)
    P = apply("sigmoid", matmul(W2, A1) + b2)
    L = reduce_mean(-(Y * apply("log", P) + (1 - Y) * apply("log", 1 - P)))
    assert net.output is L
    assert list(net.equations.items()) == [("Z1", Z1), ("A1", A1), ("P", P), ("L", L)]
    assert list(net.inputs.items()) == [("X", X), ("Y", Y), ("W1", W1), ("b1", b1), ("W2", W2), ("b2", b2)]
    assert [net.names[n] for n in (Z1, A1, P, L)] == ["Z1", "A1", "P", "L"]
    (node, call), = net.calls.items()
    assert (call.name, call.args, call.keywords) == ("bce", (P, Y), ())
    assert reduce_mean(node) is L


def test_network_has_numpy_values(rng: np.random.Generator) -> None:
    sizes = {"n": 5, "h": 3}
    given = {"X": rng.normal(size=(2, 5)), "Y": rng.uniform(size=(1, 5)), "W1": rng.normal(size=(3, 2)),
             "b1": rng.normal(size=(3, 1)), "W2": rng.normal(size=(1, 3)), "b2": rng.normal(size=(1, 1))}
    a1 = np.maximum(given["W1"] @ given["X"] + given["b1"], 0)
    p = 1 / (1 + np.exp(-(given["W2"] @ a1 + given["b2"])))
    expected = np.mean(-(given["Y"] * np.log(p) + (1 - given["Y"]) * np.log(1 - p)))
    assert value(output(NETWORK), given, sizes) == pytest.approx(expected, rel=1e-13, abs=0)


@pytest.mark.parametrize("text", [
    NETWORK,
    NETWORK.replace("\n", "\r\n"),
    NETWORK.replace("\n", "\n        "),
    NETWORK.replace("\n", "  # a comment: \u03c3, (, ;\n"),
    "X: (2, n);  Y: (1, n);  W1: (h, 2);  b1: (h, 1);  W2: (1, h);  b2: (1, 1); Z1 = W1 @ X + b1; A1 = relu(Z1);"
    "P = sigmoid(W2 @ A1 + b2); L = mean(bce(P, Y))",
    NETWORK.replace("W2 @ A1 + b2", "W2 @ A1 # more follows\n\n     + b2"),
    "Z1 = W1 @ X + b1" + NETWORK.replace("Z1 = W1 @ X + b1\n", ""),
], ids=["plain", "crlf", "indented", "comments", "one line", "spanning", "declared later"])
def test_layout_does_not_matter(text: str) -> None:
    assert output(text) is output(NETWORK)


def test_names() -> None:
    """A variable may bear a function's name, a size's name is a number, a bare expression is called L."""
    net = parse("sum: (n,); gamma: (n,); beta: (); idx: int(n, 3)\nsum(gamma*sum + beta)/n")
    s, g, beta = var("sum", ("n",)), var("gamma", ("n",)), var("beta")
    assert net.output is reduce_sum(g * s + beta) / size("n")
    assert list(net.equations) == ["L"]
    assert net.inputs["idx"] is var("idx", ("n", 3), "int")
    assert output("exp(exp) + e*E") is apply("exp", var("exp")) + var("e") * var("E")
    taken = parse("L*x")
    assert taken.output is var("L") * x
    assert "L" in taken.inputs
    assert "L" not in taken.equations


def test_depth_ends_with_its_brackets() -> None:
    """Many shallow parts side by side are no deep expression."""
    node = output("+".join(["-(-(x)**2)"] * 300))
    assert value(node, {"x": 2.0}) == 1200.0


def test_a_node_keeps_its_first_name() -> None:
    net = parse("a = x*y\nb = x*y\nc = x\nb + c")
    assert net.equations["b"] is net.equations["a"]
    assert net.names[net.equations["b"]] == "a"
    assert var("x") not in net.names
    assert parse("xy").output is var("xy")


def test_arithmetic_of_sizes() -> None:
    net = parse("X: (2*n, n + d - 1); Y: (n*2, d + n - 1); X + Y")
    n, d = size("n").value, size("d").value
    assert net.output.shape == (2 * n, n + d - 1)


def test_assumptions_are_kept() -> None:
    net = parse("y: (n,); p: (n,)\nassume(y in (0, 1)); assume(0 <= p  <= 1)\nmean(bce(p, y))\nassume(n > 2)")
    y, p = var("y", ("n",)), var("p", ("n",))
    first, second, third = net.assumptions
    assert (first.text, second.text, third.text) == ("y in (0, 1)", "0 <= p <= 1", "n > 2")
    assert first.parts == (("in", y, (const(0), const(1))),)
    assert second.parts == (("le", const(0), (p,)), ("le", p, (const(1),)))
    assert third.parts == (("gt", size("n"), (const(2),)),)


def test_expression_in_a_scope() -> None:
    net = parse(NETWORK)
    scope = {**net.inputs, **net.equations}
    claim = parse_expression("dZ2 = (P - Y)/n\ndZ2 @ A1.T", scope, ["n", "h"])
    P, Y, A1 = scope["P"], scope["Y"], scope["A1"]
    assert claim is matmul((P - Y) / size("n"), A1.T)
    assert parse_expression("P", scope) is P
    assert parse_expression("g = P*2", scope) is P * 2
    for text, kind in [("P + Q", UnknownName), ("P/m", UnknownName), ("P: (3,)", ParseError), ("P = Y", ParseError),
                       ("assume(P > 0)", ParseError), ("", ParseError), ("eye(k)", UnknownName)]:
        with pytest.raises(kind):
            parse_expression(text, scope, ["n", "h"])
    assert set(scope) == {*net.inputs, *net.equations}


def test_constants_that_are_defined_are_kept() -> None:
    assert output("x/(y - z)") is x / (y - z)
    assert output("0*x") is 0 * x
    assert output("sigmoid(-1000)*x") is apply("sigmoid", const(-1000)) * x
    assert output("0.999**1000*x") is const(0.999) ** 1000 * x
    assert output("2**64*x") is const(2) ** 64 * x
    assert output("(x + 1)**100000") is (x + 1) ** 100000
    assert output("exp(log(2)) + cos(pi/2)") is apply("exp", apply("log", const(2))) + apply("cos", pi() / 2)
    assert output("u: (n,); u/(n + 1)") is var("u", ("n",)) / (size("n") + 1)
    assert output("v: (n,); sum(v[:, None] - v[None, :])/sum(v[:, None] - v)").op == "div"


# --- back and forth ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [
    "-x**2", "(-x)**2", "x - (y - z)", "x/(y/z)", "x**y**z", "(x**y)**z", "2*x + 1.5", "exp(-x)", "x*-y",
    "maximum(x, y)", "where(x > y, x, 0)", "sigmoid(x)*(1 - sigmoid(x))", "pi*x", "abs(x)", "x**-1", "relu(x)",
])
def test_scalar_round_trip(text: str) -> None:
    node = output(text)
    assert output(to_text(node)) is node


@pytest.mark.parametrize("text", [
    "X @ W + b", "X.T @ X", "sum(X, axis=0)", "mean(X, axis=1)", "(X @ W).T", "A @ v", "outer(v, b)",
    "trace(A)", "diag(v)", "eye(n) @ A", "sum(X @ W, axis=1, keepdims=True)", "v[:, None]*b", "X @ (W*b)", "sum(v)/n",
    "X/n", "A*A.T", "sum(A*A)",
])
def test_array_round_trip(text: str) -> None:
    node = output(SHAPES + text)
    assert output(SHAPES + to_text(node)) is node


@pytest.mark.parametrize("text", ["-(v*u)*2", "mean(C)", "v @ C", "v @ C @ w", "C @ C.T @ v", "(1/3)*v - 2*v",
                                  "C**2*w"])
def test_other_spellings_have_the_same_value(text: str, rng: np.random.Generator) -> None:
    """The printer may choose another spelling (-v*u, C.T @ v); it must mean the same."""
    shapes = "C: (n, d); v: (n,); u: (n,); w: (d,); "
    given = {"C": rng.normal(size=(3, 4)), "v": rng.normal(size=3), "u": rng.normal(size=3), "w": rng.normal(size=4)}
    node = output(shapes + text)
    again = output(shapes + to_text(node))
    first, second = (value(n, given, {"n": 3, "d": 4}) for n in (node, again))
    np.testing.assert_allclose(first, second, rtol=1e-12, atol=1e-12)


LEAVES = st.sampled_from(["x", "y", "2", "0.5", "-3", "pi"])
TREES: st.SearchStrategy[str] = st.recursive(LEAVES, lambda inner: st.one_of(
    st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "**"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
    inner.map(lambda t: f"-{t}"),
    inner.map(lambda t: f"-({t})"),
    st.tuples(st.sampled_from(["sin", "exp", "tanh", "softplus"]), inner).map(lambda t: f"{t[0]}({t[1]})"),
), max_leaves=8)


def _python(text: str) -> Callable[[float, float], Fraction | float]:
    """The reading that Python itself gives to a text made by TREES, which holds nothing but arithmetic."""
    names: dict[str, Any] = {"sin": math.sin, "exp": math.exp, "tanh": math.tanh, "pi": math.pi, "__builtins__": {},
                             "softplus": lambda t: math.log1p(math.exp(t))}
    code = compile(text, "<tree>", "eval")
    return lambda x, y: eval(code, {**names, "x": x, "y": y})  # noqa: S307  # text made by the strategy above


@given(TREES)
def test_means_what_python_means(text: str) -> None:
    try:
        node = output(text)
    except SymgradError:
        return  # a constant without a value; its own tests are above
    try:
        expected = _python(text)(0.7, 1.3)
    except (OverflowError, ZeroDivisionError):
        return
    if isinstance(expected, complex) or not 1e-200 < abs(expected) < 1e200:
        return
    with np.errstate(all="ignore"):
        got = float(value(node, {"x": 0.7, "y": 1.3}))
    # conditioned by at most a few steps of cancellation at these two values
    assert got == pytest.approx(expected, rel=1e-9)
