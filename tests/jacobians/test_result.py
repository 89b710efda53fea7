"""The derivation in stages: planted faults are found, it is printed, saved, read back and compiled."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import symgrad as sg
from symgrad.engine.derivation import Step
from symgrad.graph.node import Node, const, einsum, transpose
from symgrad.jacobians.result import Jacobian
from tests.jacobians.numbers_of import point

LOGISTIC = "X: (n, d); w: (d,); y: (n,); p = sigmoid(X @ w); L = mean(bce(p, y))"
SKEW = "a: (n,); b: (m,); M: (n, m); L = sum(exp(a*(M @ b)))"


def spoilt(H: Jacobian, wrong: Node) -> Jacobian:
    """Return the derivation with another result, its last step leading there."""
    (r,) = H.readings
    steps = (*r.steps[:-1], replace(r.steps[-1], after=wrong)) if r.steps else ()
    return Jacobian(H.stages, [replace(r, result=wrong, steps=steps)], H.scope)


@pytest.mark.parametrize("fault", [
    lambda h: 2*h,
    lambda h: -h,
    lambda h: h + einsum([], [], "ii", {"i": h.shape[0]})/1000,
    lambda h: const(0, h.shape),
    lambda h: einsum(["ij"], [h], "i"),
], ids=["twice", "minus", "a diagonal more", "zero", "another shape"])
def test_a_wrong_hessian_is_found(fault) -> None:
    H = sg.hessian(LOGISTIC, "w")
    assert H.verify().ok
    proved = spoilt(H, fault(H.readings[0].result)).verify()
    assert not proved.ok
    assert {"d2L/dw2"} == {c.target for c in proved.failures}


def test_a_transposed_block_is_found() -> None:
    text = "a: (n,); b: (n,); M: (n, n); L = sum(exp(a*(M @ b)))"  # one size, so that the shape does not tell
    H = sg.hessian(text, ["a", "b"])["a", "b"]
    assert H.verify().ok
    proved = spoilt(H, transpose(H.readings[0].result)).verify()
    assert {c.rule for c in proved.failures} >= {"result"}


def test_a_result_without_its_derivation_is_found() -> None:
    H = sg.hessian(LOGISTIC, "w")
    (r,) = H.readings
    lonely = Jacobian(H.stages, [replace(r, steps=(Step("read_off", r.product, 2*r.result, r.by[-1]),))], H.scope)
    assert [c.rule for c in lonely.verify().failures] == ["read_off", "result"]


def test_a_wrong_product_is_found() -> None:
    P = sg.hvp(LOGISTIC, "w")
    assert P.verify().ok
    (r,) = P.readings
    assert not Jacobian(P.stages, [replace(r, result=2*r.result)], P.scope).verify().ok


def test_text_and_latex_show_stages_and_result() -> None:
    H = sg.hessian(LOGISTIC, "w")
    text = H.text()
    assert text.startswith("Gradient\n\nForward pass\n  z = X @ w")
    assert "d2L/dw2 = X.T @ diag(p*(1 - p)) @ X / n" in text
    assert r"\nabla^2_{w} L &= \frac{1}{n} X^\top \operatorname{diag}(p \odot (1 - p)) X" in H.latex()
    assert H.latex(standalone=True).count(r"\begin{document}") == 1
    assert H.latex(names={"w": r"\omega"}).count(r"\nabla^2_{\omega} L") == 1
    assert H.text(detail="result").splitlines()[:2] == ["Hessian", "  d2L/dw2 = X.T @ diag(p*(1 - p)) @ X / n"]
    assert "```math" in H.markdown()
    assert "<h2>Hessian</h2>" in H.html()
    assert set(H._repr_mimebundle_()) == {"text/plain", "text/markdown", "text/latex", "text/html"}


def test_heads_of_blocks_and_jacobians() -> None:
    H = sg.hessian(SKEW, ["a", "b"])
    assert "d2L/(da db) = " in H.text()
    assert r"\frac{\partial^2 L}{\partial a \, \partial b}" in H.latex()
    J = sg.jacobian("z: (k,); s = softmax(z)", "z")
    assert "ds/dz = diag(s) - outer(s, s)" in J.text()
    assert r"\frac{\partial s}{\partial z} &= \operatorname{diag}(s) - s s^\top" in J.latex()
    assert "df/dx = " in sg.jacobian("x: (n,); exp(x)", "x").text(detail="result")


def test_names_are_escaped() -> None:
    name = "x<b>\\input{y}"
    x = sg.symbol(name, "n")
    H = sg.hessian(sg.sum(sg.exp(x)), x)
    assert "<b>" not in H.html()
    assert r"\input" not in H.latex()


def test_saved_and_read_back_it_is_the_same(tmp_path: Path) -> None:
    for made in (sg.hessian(SKEW, ["a", "b"]), sg.jacobian("z: (k,); s = softmax(z)", "z"), sg.hvp(LOGISTIC, "w")):
        back = sg.load(made.save(tmp_path / "h.json"))
        assert isinstance(back, Jacobian)
        assert back.steps == made.steps
        assert back.readings == made.readings
        assert back.text() == made.text()
    (tmp_path / "h.json").write_text(json.dumps({"stages": [["a", {}]], "readings": []}))
    with pytest.raises(sg.InputError, match="does not hold"):
        sg.load(tmp_path / "h.json")


def test_value_gradient_and_hessian_in_one_kernel() -> None:
    H = sg.hessian(LOGISTIC, "w")
    at = point([sg.parse(LOGISTIC).output])
    at["y"] = np.round(np.abs(at["y"]) % 1)
    whole = H.compile(gradient=True)(**at)
    value, grads = sg.compile(LOGISTIC, wrt="w")(**at)
    assert set(whole) == {"L", "dL/dw", "w, w"}
    assert whole["L"] == value
    assert np.array_equal(whole["dL/dw"], grads["w"])
    f = sg.compile(H)
    assert np.allclose(whole["w, w"], f(**{n: at[n] for n in f.inputs}), rtol=1e-14)


def test_it_is_a_derivation() -> None:
    H = sg.hessian(LOGISTIC, "w")
    assert isinstance(H, sg.Derivation)
    assert H.wrt == ("w",)
    assert {str(s) for s in H.free_symbols} == {"X", "p", "n"} | {str(s) for s in H.free_symbols if str(s) in ("d",)}
    assert [s.rule for s in H.steps if s.rule == "read_off"] == ["read_off"]
    assert repr(H).startswith("<Jacobian by w")


def test_what_is_read_off_in_indices():
    J = sg.jacobian("z: (k,); s = softmax(z)", wrt="z")
    assert "ds[i]/dz[j] = delta[i,j]*s[i] - s[i]*s[j]" in J.text(notation="index")
    assert r"\frac{\partial s_{i}}{\partial z_{j}} &= \delta_{ij} s_{i} - s_{i} s_{j}" in J.latex(notation="index")
    assert J.styled("index").text() == J.text(notation="index")
    assert J.styled("index")._repr_mimebundle_()["text/plain"] == J.text(notation="index")
    H = sg.hessian("W: (k, d); x: (d,); L = sum(exp(W @ x))", wrt="W")
    (line,) = [t for t in H.text(notation="index", detail="result").splitlines() if " = " in t]
    head, right = line.split(" = ")
    assert head.strip() == "d2L/(dW[i,j] dW[l,p])"
    factors = right.replace("exp(sum_q W[i,q]*x[q])", "E").split("*")
    assert sorted(factors) == ["E", "delta[i,l]", "x[j]", "x[p]"]
    assert r"\left[ \delta_{il}" in H.latex(detail="result")
    assert r"\right]_{ijlp}" in H.latex(detail="result")
    assert "numerator layout" in H.text(layout="numerator")


@pytest.mark.parametrize("what", ["x: (k,); y: (k,); x*y", "x: (k,); A: (m, k); A @ x", "x: (k,); softmax(x)"])
def test_a_jacobian_of_what_has_no_name_is_verified(what: str) -> None:
    assert sg.jacobian(what, "x").verify().ok
