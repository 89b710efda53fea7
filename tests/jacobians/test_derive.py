"""hessian, jacobian, hvp, vjp, jvp: closed forms, values against differences of the tape, errors."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from tests.jacobians.numbers_of import columns, point, rows

EPS = float(np.finfo(np.float64).eps)

HESSIANS = {
    # logistic regression, with bce and in the stable spelling
    "X: (n, d); w: (d,); y: (n,); p = sigmoid(X @ w); L = mean(bce(p, y))": "X.T @ diag(p*(1 - p)) @ X / n",
    "X: (n, d); w: (d,); y: (n,); z = X @ w; L = mean(softplus(z) - y*z)":
        "X.T @ diag(sigmoid(z)*(1 - sigmoid(z))) @ X / n",
    "X: (n, d); w: (d,); y: (n,); L = mean((X @ w - y)**2)": "2*(X.T @ X)/n",
    "x: (n,); A: (n, n); L = x @ A @ x": "A + A.T",
    "z: (k,); L = logsumexp(z)": "diag(softmax(z)) - outer(softmax(z), softmax(z))",
    "z: (k,); y: (k,); L = cross_entropy(z, y)": "sum(y)*(diag(softmax(z)) - outer(softmax(z), softmax(z)))",
    "x: (n,); L = sum(exp(x))": "diag(exp(x))",
    "x: (n,); a: (n,); L = sum(a*x)": "zeros((n, n))",
    "W: (m, k); X: (k, n); Y: (m, n); L = sum((W @ X - Y)**2)": '2*einsum("ij,kl->kilj", X @ X.T, eye(m))',
    "w: (d, 1); X: (n, d); y: (n, 1); L = mean((X @ w - y)**2)": "2*(X.T @ X)/n",
}


@pytest.mark.parametrize("text", HESSIANS)
def test_hessians_in_closed_form(text: str) -> None:
    wrt = "w" if "w: " in text else next(n for n in "xzW" if f"{n}: (" in text)
    H = sg.hessian(text, wrt)
    assert str(H.expression) == HESSIANS[text]
    assert H.verify().ok


JACOBIANS = {
    "z: (k,); s = softmax(z)": ("z", "diag(s) - outer(s, s)"),
    "x: (n,); f = tanh(x)": ("x", "diag(1 - f**2)"),
    "x: (n,); A: (m, n); f = A @ x": ("x", "A"),
    "x: (n, 1); A: (m, n); f = A @ x": ("x", "A"),
    "W: (m, k); X: (k, n); f = tanh(W @ X)": ("W", 'einsum("ij,kj,il->ijlk", 1 - f**2, X, eye(m))'),
    "a: (n,); b: (m,); f = outer(a, b)": ("a", 'einsum("i,jk->jik", b, eye(n))'),
}


@pytest.mark.parametrize("text", JACOBIANS)
def test_jacobians_in_closed_form(text: str) -> None:
    wrt, expected = JACOBIANS[text]
    J = sg.jacobian(text, wrt)
    assert str(J.expression) == expected
    assert J.verify().ok


LOSSES = [
    ("X: (n, d); w: (d,); y: (n,); L = mean(bce(sigmoid(X @ w), y))", ("w",)),
    ("X: (n, d); W: (d, k); Y: (n, k); L = mean(cross_entropy(X @ W, Y))", ("W",)),
    ("U: (m, k); V: (n, k); T: (m, n); O: (m, n); L = sum(O*(T - U @ V.T)**2)", ("U", "V")),
    ("X: (d, n); W: (h, d); b: (h, 1); c: (1, h); L = sum(tanh(c @ tanh(W @ X + b))**2)", ("W", "b", "c")),
    ("x: (n,); L = sum(cumsum(x)**3)", ("x",)),
    ("x: (n,); L = sum((x[1:] - x[:-1])**4)", ("x",)),
    ("x: (n,); A: (n, n); L = logsumexp(A @ x) + sum(softmax(x)**2)", ("x",)),
    ("A: (n, n); b: (n,); x: (n,); L = sum(solve(A, b*tanh(x))**2)", ("x", "b")),
    ("A: (n, n); L = logdet(A)", ("A",)),
    ("x: (n, m); L = sum(concatenate([sin(x), reshape(x, (n, m))**2], axis=0)**2)", ("x",)),
    ("x: (n,); s: (); L = sum(exp(s*x)) + s**3", ("x", "s")),
    ("x: (n, d); g: (d,); L = sum(((x - mean(x, axis=1, keepdims=True))*g)**3)", ("x", "g")),
]


@pytest.mark.parametrize(("text", "wrt"), LOSSES)
def test_hessian_kernels_against_differences_of_the_tape(text: str, wrt: tuple[str, ...]) -> None:
    H = sg.hessian(text, list(wrt))
    loss = sg.parse(text).output
    at = point([loss])
    for (a, b) in H.blocks:
        block = H[a, b]
        f = block.compile()
        value = f(**{n: at[n] for n in f.inputs})
        told, bound = columns(loss, a, b, at)
        assert value.shape == tuple(n for s in (at[a].shape, at[b].shape) for n in _counted(s, a, b, text))
        told, bound = told.reshape(value.shape), bound.reshape(value.shape)
        # the kernel rounds too: a few hundred operations on terms no larger than the largest entry
        assert np.all(abs(value - told) <= bound + 1000 * EPS * (abs(value) + abs(value).max())), (a, b)


def _counted(shape: tuple[int, ...], *_: object) -> tuple[int, ...]:
    return shape[:1] if len(shape) == 2 and shape[1] == 1 else shape[1:] if len(shape) == 2 and shape[0] == 1 else shape


@pytest.mark.parametrize(("text", "wrt"), LOSSES)
def test_every_step_to_a_hessian_is_proved(text: str, wrt: tuple[str, ...]) -> None:
    proved = sg.hessian(text, list(wrt)).verify()
    assert proved.ok, str(proved)


@pytest.mark.parametrize(("text", "wrt"), [
    ("X: (n, d); W: (d, k); f = softmax(X @ W)", "W"),
    ("x: (n,); f = pad(x**2, ((1, 2),))", "x"),
    ("x: (n, d); f = logsumexp(x, axis=1)", "x"),
    ("A: (n, n); f = inv(A)", "A"),
    ("A: (n, n); b: (n, k); f = solve(A, b)", "b"),
    ("E: (v, d); idx: int(n,); f = tanh(E[idx])", "E"),
    ("x: (n, d); f = max(x, axis=1)", "x"),
    ("x: (n,); f = where(x > 0, x**2, -x)", "x"),
])
def test_jacobian_kernels_against_differences(text: str, wrt: str) -> None:
    J = sg.jacobian(text, wrt)
    f = sg.parse(text).output
    at = point([f])
    kernel = sg.compile(J)
    value = kernel(**{n: at[n] for n in kernel.inputs})
    told, bound = rows(f, wrt, at)
    assert value.shape == told.shape
    assert np.all(abs(value - told) <= bound + 1000 * EPS * (abs(value) + abs(value).max()))
    assert J.verify().ok


def test_a_product_with_the_hessian_is_the_hessian_times_v(rng: np.random.Generator) -> None:
    text = "X: (n, d); W: (d, k); b: (k,); Y: (n, k); L = mean(cross_entropy(X @ W + b, Y))"
    net = sg.parse(text)
    H, product = sg.hessian(net, ["W", "b"]), sg.hvp(net, ["W", "b"])
    assert product.verify().ok
    at = point([net.output])
    v = {"v_W": rng.normal(size=at["W"].shape), "v_b": rng.normal(size=at["b"].shape)}
    blocks = H.compile()(**{n: at[n] for n in H.compile().inputs})
    f = product.compile()
    found = f(**{n: {**at, **v}[n] for n in f.inputs})
    by_w = np.einsum("ijkl,kl->ij", blocks["W, W"], v["v_W"]) + np.einsum("ijk,k->ij", blocks["W, b"], v["v_b"])
    by_b = np.einsum("klj,kl->j", blocks["W, b"], v["v_W"]) + blocks["b, b"] @ v["v_b"]
    for name, expected in (("W", by_w), ("b", by_b)):
        assert np.allclose(found[name], expected, rtol=1e-12, atol=1e-14)


def test_products_with_a_jacobian(rng: np.random.Generator) -> None:
    text = "X: (n, d); w: (d,); f = tanh(X @ w)"
    forward, backward, J = sg.jvp(text, "w"), sg.vjp(text, "w"), sg.jacobian(text, "w")
    assert str(forward.expression) == "X @ v * (1 - f**2)"
    assert str(backward.expression) == "X.T @ (v*(1 - f**2))"
    assert forward.verify().ok
    assert backward.verify().ok
    at = {"X": rng.normal(size=(5, 3)), "w": rng.normal(size=3)}
    whole = J.compile()(**at)
    u, v = rng.normal(size=3), rng.normal(size=5)
    assert np.allclose(forward.compile()(v=u, **at), whole @ u, rtol=1e-13)
    assert np.allclose(backward.compile()(v=v, **at), v @ whole, rtol=1e-13)


def test_scalars_are_sympy_in_and_sympy_out() -> None:
    z, y = sp.symbols("z y", real=True)
    H = sg.hessian(sg.bce(sg.sigmoid(z), y), z)
    s = sg.sigmoid(z)
    assert sp.expand(H.result - s*(1 - s)) == 0
    third = sg.grad(H.expression, z).to_sympy()
    assert sp.simplify(third.rewrite(sp.exp) - (s*(1 - s)*(1 - 2*s)).rewrite(sp.exp)) == 0
    blocks = sg.hessian(z**3*y, [z, y]).results
    assert blocks == {(z, z): 6*y*z, (z, y): 3*z**2, (y, y): 0}
    assert sg.hessian(z**3*y, [z, y]).result == sp.hessian(z**3*y, (z, y))
    assert sg.grad(sg.grad(z**5, z), z).to_sympy() == 20*z**3
    assert sg.jacobian(z**2, z).result == 2*z


def test_matrices_of_sympy_go_in() -> None:
    n, d = sp.symbols("n d", integer=True, positive=True)
    X, w, y = sp.MatrixSymbol("X", n, d), sp.MatrixSymbol("w", d, 1), sp.MatrixSymbol("y", n, 1)
    H = sg.hessian(sg.mean(sg.bce(sg.sigmoid(X*w), y)), w)
    assert H.shape == (sg.symbol("w", (d, 1)).shape[0],) * 2
    assert H.verify().ok


def test_a_block_is_asked_for_by_names_or_symbols() -> None:
    H = sg.hessian("x: (n,); s: (); L = sum(exp(s*x))", ["x", "s"])
    assert str(H["x", "s"].expression) == str(H[sg.symbol("x", "n"), sg.symbol("s")].expression)
    assert ("x", "s") in H
    assert ("s", "x") not in H
    with pytest.raises(sg.UnknownName, match="transpose"):
        H["s", "x"]
    with pytest.raises(sg.UnknownName, match="There are"):
        H["x", "t"]
    with pytest.raises(sg.InputError, match="one block"):
        _ = H.expression


def test_an_intermediate_is_differentiated_by() -> None:
    H = sg.hessian("X: (n, k); W: (k, k); y: (k,); x: (k,); z = W @ x; L = cross_entropy(z, y)", "z")
    assert str(H.expression) == "sum(y)*(diag(softmax(z)) - outer(softmax(z), softmax(z)))"
    assert H.verify().ok


@pytest.mark.parametrize(("call", "error", "words"), [
    (lambda: sg.hessian("x: (n,); f = exp(x)", "x"), sg.NonScalarLoss, "sg.jacobian"),
    (lambda: sg.hvp("x: (n,); f = exp(x)", "x"), sg.NonScalarLoss, "hvp needs a scalar"),
    (lambda: sg.jacobian("i: int(n,); E: (v, d); f = E[i]", "i"), sg.InputError, "integers"),
    (lambda: sg.jacobian("x: (n,); f = exp(x)", "y"), sg.UnknownName, "'y'"),
    (lambda: sg.hessian("x: (n,); y: (n,); L = sum(x)", "y"), sg.UnknownName, "does not depend on y"),
    (lambda: sg.hvp("x: (n,); L = sum(x**2)", "x", v="x"), sg.InputError, "taken"),
    (lambda: sg.hvp("x: (n,); L = sum(x**2)", "x", v="n"), sg.InputError, "taken"),
    (lambda: sg.hvp("x: (n,); L = sum(x**2)", "x", v=sg.symbol("v", ("n", 1))), sg.ShapeError, r"\(n, 1\)"),
    (lambda: sg.hvp("x: (n,); y: (n,); L = sum(x*y)", ["x", "y"], v="v"), sg.InputError, "2 variables, 1 given"),
    (lambda: sg.jvp("x: (n,); y: (n,); f = x*y", ["x", "y"]), sg.InputError, "one variable"),
])
def test_errors_say_what_to_do(call: object, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        call()  # type: ignore[operator]  # a lambda
