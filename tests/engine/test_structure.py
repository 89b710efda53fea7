"""Derivatives by structured matrices as one set of entries, held against differences along the structure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import symgrad as sg
from symgrad.engine.verify import verify
from symgrad.errors import InputError

Array = Any
RNG = np.random.default_rng(3)
N = 4
B = RNG.normal(size=(N, N))
SPD = B @ B.T / 8 + np.eye(N)


def unit(i: int, j: int) -> Array:
    out = np.zeros((N, N))
    out[i, j] = 1
    return out


# fact -> how the matrix changes with its entry ij, a point, what the gradient is for log det
STRUCTURES: dict[str, tuple[Callable[[int, int], Array], Array]] = {
    "X == X.T": (lambda i, j: unit(i, j) + unit(j, i) if i != j else unit(i, i), SPD),
    "X.T == X": (lambda i, j: unit(i, j) + unit(j, i) if i != j else unit(i, i), SPD),
    "X == -X.T": (lambda i, j: unit(i, j) - unit(j, i), B - B.T),
    "X == tril(X)": (lambda i, j: unit(i, j) if i >= j else 0 * B, np.tril(SPD)),
    "X == triu(X)": (lambda i, j: unit(i, j) if i <= j else 0 * B, np.triu(SPD)),
    "X == diag(diag(X))": (lambda i, j: unit(i, j) if i == j else 0 * B, np.diag(np.diag(SPD))),
    "X == X*eye(n)": (lambda i, j: unit(i, j) if i == j else 0 * B, np.diag(np.diag(SPD))),
}
LOSSES: dict[str, Callable[[Array, Array], float]] = {
    "logdet(X)": lambda x, _: np.linalg.slogdet(x)[1],
    "trace(A @ X @ X)": lambda x, a: np.trace(a @ x @ x),
    "sum(A*exp(X))": lambda x, a: np.sum(a * np.exp(x)),
    "trace(inv(X) @ A)": lambda x, a: np.trace(np.linalg.inv(x) @ a),
}


@pytest.mark.parametrize("fact", STRUCTURES)
@pytest.mark.parametrize("loss", LOSSES)
def test_the_gradient_is_that_of_the_free_entries(fact: str, loss: str) -> None:
    move, x = STRUCTURES[fact]
    a = RNG.normal(size=(N, N))
    kernel = sg.compile(f"X: (n, n); A: (n, n); assume({fact}); L = {loss}", "X", structured=True)
    value, grads = kernel(**{k: v for k, v in {"X": x, "A": a}.items() if k in kernel.inputs})
    assert abs(value - LOSSES[loss](x, a)) <= 1e-12 * (1 + abs(value))
    h = 1e-5
    for i in range(N):
        for j in range(N):
            e = move(i, j)
            slope = (LOSSES[loss](x + h * e, a) - LOSSES[loss](x - h * e, a)) / (2 * h)
            assert abs(grads["X"][i, j] - slope) <= 1e-7 * (1 + abs(slope))


def test_the_steps_verify_and_name_the_assumption() -> None:
    d = sg.derive("X: (n, n); A: (n, n); L = trace(A @ inv(X))", ["X", "A"], assume="X == X.T", structured=True)
    assert d.verify().ok
    step = next(s for s in d["X"].steps if s.rule == "entries_of_symmetric")
    assert step.assumptions == ("X == X.T",)
    assert all(s.rule != "entries_of_symmetric" for s in d["A"].steps)
    assert "one variable" in d.text()
    assert "one variable" in d.latex()


def test_the_cookbook_s_log_det() -> None:
    """Petersen and Pedersen (2012), eq. 141: 2 inv(X) - inv(X)*I for a symmetric X."""
    kernel = sg.compile("X: (n, n); assume(X == X.T); L = log(det(X))", "X", structured=True)
    inverse = np.linalg.inv(SPD)
    np.testing.assert_allclose(kernel(SPD)[1]["X"], 2 * inverse - inverse * np.eye(N), rtol=1e-11)


def test_a_saved_derivation_verifies(tmp_path: Any) -> None:
    d = sg.derive("X: (n, n); L = logdet(X)", "X", assume="X == tril(X)", structured=True)
    loaded = sg.load(d.save(tmp_path / "d.json"))
    assert loaded.verify().ok
    assert str(loaded.expression) == str(d.expression) == "tril(inv(X).T)"


def test_a_false_structure_is_caught() -> None:
    record = sg.derive("X: (n, n); L = logdet(X)", "X", assume="X == X.T", structured=True).record
    assert verify(record).ok
    last = record.steps[-1]
    halved = replace(record, steps=(*record.steps[:-1], replace(last, after=last.before + last.before.T)))
    renamed = replace(record, steps=(*record.steps[:-1], replace(last, rule="entries_of_skew_symmetric")))
    unstated = replace(record, assumptions=())
    silent = replace(record, steps=(*record.steps[:-1], replace(last, assumptions=())))
    kept = replace(record, resolved=sg.derive("X: (n, n); L = logdet(X)", "X").record.resolved)
    for broken in (halved, renamed, unstated, silent, kept):
        assert not verify(broken).ok


@pytest.mark.parametrize("facts", [(), "X > 0", "Z == Z.T"])
def test_a_structure_must_be_stated(facts: Any) -> None:
    with pytest.raises(InputError, match="none is stated for X") as caught:
        sg.derive("X: (n, n); Z: (n, n); L = logdet(X @ Z)", "X", assume=facts, structured=True)
    assert "assume(X == X.T)" in str(caught.value)
