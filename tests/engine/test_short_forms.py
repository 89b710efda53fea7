"""The short forms of the field, found by simplification modulo the forward pass, from many spellings, each proved."""

from __future__ import annotations

import re

import pytest

import symgrad as sg


def derived(text: str, wrt: str) -> str:
    """The gradient as text; every step of its derivation is proved."""
    d = sg.derive(text, wrt)
    found = d.verify(digits=30)
    assert found.ok, [str(c) for c in found.failures]
    return str(d.expression)


# --- layer norm -------------------------------------------------------------------------------------------------------

VECTOR = "eps: (); x: (d,); gamma: (d,); beta: (d,); G: (d,)\n"
MU, SPREAD, OUT = "mu = mean(x); c = x - mu\n", "v = mean(c**2)\n", "y = gamma*h + beta; L = sum(G*y)"
LAYER_NORM = (
    MU + SPREAD + "r = 1/sqrt(v + eps); h = c*r\n" + OUT,
    MU + SPREAD + "r = (v + eps)**-0.5; h = r*c\n" + OUT,
    MU + SPREAD + "r = (v + eps)**(-1/2); h = c*r\n" + OUT,
    MU + "v = var(x)\nr = 1/sqrt(v + eps); h = c*r\n" + OUT,
    MU + "v = sum(c*c)/d\nr = 1/sqrt(v + eps); h = c*r\n" + OUT,
    MU + "v = c @ c / d\nr = 1/sqrt(v + eps); h = c*r\n" + OUT,
    "mu = sum(x)/d; c = x - mu\n" + SPREAD + "r = sqrt(1/(v + eps)); h = c*r\n" + OUT,
    MU + SPREAD + "q = sqrt(v + eps); r = 1/q; h = c*r\n" + OUT,
    MU + SPREAD + "r = 1/sqrt(v + eps); h = c*r\ny = beta + h*gamma; L = sum(y*G)",
)


@pytest.mark.parametrize("text", LAYER_NORM)
def test_layer_norm(text: str) -> None:
    found = derived(VECTOR + text, "x")
    # the factors of a product stand in the order of the forward pass, which differs
    found = re.sub(r"\w+(?:\*\w+)+", lambda m: "*".join(sorted(m[0].split("*"))), found)
    assert found == "r*(G*gamma - mean(G*gamma) - h*mean(G*gamma*h))"


@pytest.mark.parametrize(("text", "expected"), [
    # rows, columns, and the scale over another axis
    ("X: (n, d); gamma: (d,); G: (n, d); mu = mean(X, axis=1, keepdims=True); c = X - mu\n"
     "v = mean(c**2, axis=1, keepdims=True); r = 1/sqrt(v + eps); h = c*r; L = sum(G*(gamma*h))",
     "r*(gamma*G - mean(gamma*G, axis=1, keepdims=True) - h*mean(gamma*G*h, axis=1, keepdims=True))"),
    ("X: (d, 1); gamma: (d, 1); G: (d, 1); mu = mean(X, axis=0, keepdims=True); c = X - mu\n"
     "v = mean(c**2, axis=0, keepdims=True); r = 1/sqrt(v + eps); h = c*r; L = sum(G*(gamma*h))",
     "r*(G*gamma - mean(G*gamma) - h*mean(G*gamma*h))"),
    ("X: (d, n); G: (d, n); mu = mean(X, axis=0); c = X - mu\n"
     "v = mean(c**2, axis=0); r = 1/sqrt(v + eps); h = c*r; L = sum(G*h)",
     "r*(G - mean(G, axis=0) - h*mean(G*h, axis=0))"),
    # batch norm
    ("X: (n, d); gamma: (d,); beta: (d,); G: (n, d); mu = mean(X, axis=0); v = var(X, axis=0)\n"
     "h = (X - mu)/sqrt(v + eps); Y = gamma*h + beta; L = sum(G*Y)",
     "gamma*(G - mean(G, axis=0) - h*mean(G*h, axis=0))/sqrt(v + eps)"),
    # RMS norm, a unit vector, standard scores
    ("X: (d,); G: (d,); r = 1/sqrt(mean(X**2) + eps); h = X*r; L = sum(G*h)", "r*(G - h*mean(h*G))"),
    ("X: (d,); G: (d,); u = X/norm(X); L = sum(G*u) + eps", "(G - u*sum(G*u))/sqrt(sum(X**2))"),
    ("X: (d,); G: (d,); s = norm(X); u = X/s; L = G @ u + eps", "(G - u*(G @ u))/s"),
    ("X: (d,); G: (d,); z = (X - mean(X))/sqrt(mean((X - mean(X))**2)); L = sum(G*z) + eps",
     "(G - mean(G) - z*mean(G*z))/sqrt(mean((X - mean(X))**2))"),
])
def test_other_norms(text: str, expected: str) -> None:
    assert derived("eps: (); " + text, "X") == expected


def test_layer_norm_in_one_line() -> None:
    one = "eps: (); x: (d,); g: (d,); L = sum(g*(x - mean(x))/sqrt(mean((x - mean(x))**2) + eps))"
    v = "mean((x - mean(x))**2) + eps"
    assert derived(one, "x") == f"(g - mean(g) - (x - mean(x))*mean(g*(x - mean(x)))/({v}))/sqrt({v})"


# --- softmax, attention -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("text", "expected"), [
    ("z: (k,); g: (k,); s = softmax(z); L = sum(s*g)", "s*(g - sum(g*s))"),
    ("z: (k,); y: (k,); m = max(z); e = exp(z - m); s = e/sum(e); L = -sum(y*log(s))", "s*sum(y) - y"),
    ("z: (k,); y: (k,); T: (); s = softmax(z/T); L = -sum(y*log(s))", "(s*sum(y) - y)/T"),
    ("z: (k,); y: (k,); L = -sum(y*log_softmax(z))", "softmax(z)*sum(y) - y"),
])
def test_softmax(text: str, expected: str) -> None:
    assert derived(text, "z") == expected


def test_softmax_of_a_batch_by_its_definition() -> None:
    text = "Z: (n, k); G: (n, k); S = exp(Z)/sum(exp(Z), axis=1, keepdims=True); L = sum(G*S)"
    assert derived(text, "Z") == "S*(G - sum(G*S, axis=1, keepdims=True))"


# --- scalars and columns ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("text", "wrt", "expected"), [
    ("0.5*(s + (y-z)**2*exp(-s))", "z", "exp(-s)*(z - y)"),
    ("0.5*(s + (y-z)**2*exp(-s))", "s", "0.5*(1 - exp(-s)*(y - z)**2)"),
    ("t = tanh(z); (t-y)**2/2", "z", "(1 - t**2)*(t - y)"),
    ("exp(eta) - y*eta", "eta", "exp(eta) - y"),
    ("v: (n, 1); L = log(v.T @ v)", "v", "2*v/(v.T @ v)"),
    ("where(z > 0, a*z, b*z)", "z", "where(z > 0, a, b)"),
    ("c*where(z > 0, a*z, b*z)", "z", "c*where(z > 0, a, b)"),
    ("x: (n,); A: (n, n); L = x @ A @ x", "x", "(A + A.T) @ x"),
    ("x: (n, 1); A: (n, n); L = x.T @ A @ x", "x", "(A + A.T) @ x"),
    ("x: (n,); L = mean(x**2)**2", "x", "4*x*mean(x**2)/n"),
])
def test_scalars_and_columns(text: str, wrt: str, expected: str) -> None:
    assert derived(text, wrt) == expected
