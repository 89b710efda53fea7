"""Descent: the optimisers against their formulas, batches that cover the data, runs that end well or say why not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

from symgrad import api
from symgrad.errors import InputError
from symgrad.language.text_io import parse
from symgrad.learn.descent import Adam, Descent, minimise


def quadratic(w: Any, x: Any) -> Any:
    return np.mean((w[:, None] - x) ** 2), {"w": 2 * np.mean(w[:, None] - x, axis=1)}


# Losses of full-batch descent on the breast-cancer data, two-class softmax, computed by an independent program.
# Gradient entries that are off by a relative 1e-6 move them by 2e-8 and more, by 1e-12 at most by 2e-12.
PUBLISHED = {0: 0.6888625039953032, 1: 0.1646280216325349, 10: 0.08193365753737582, 100: 0.04410052469874723,
             300: 0.029963120345466977}  # fmt: skip


def test_losses_of_three_hundred_steps_are_those_of_another_program() -> None:
    inputs, labels = load_breast_cancer(return_X_y=True)
    X, _, y, _ = train_test_split(inputs, labels, test_size=0.2, stratify=labels, random_state=0)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    # softmax over two classes is the sigmoid of the difference of their scores
    net = parse("""X: (n, 30); y: (n,); difference: (2,); W1: (30, h); b1: (h,); W2: (h, 2); b2: (2,)
                   p = sigmoid((tanh(X @ W1 + b1) @ W2 + b2) @ difference)
                   L = mean(bce(p, y))""")
    f = api.compile(net, ["W1", "b1", "W2", "b2"])
    i, j = np.mgrid[:30, :16]
    start = {
        "W1": np.sin(1 + i * 16 + j) / np.sqrt(30), "b1": np.zeros(16),
        "W2": np.sin(2 + 3 * np.arange(32)).reshape(16, 2) / 4, "b2": np.zeros(2),
    }  # fmt: skip
    data = {"X": X, "y": y.astype(float), "difference": np.array([-1.0, 1.0])}
    losses = minimise(f, start, data, Descent(0.5), epochs=301).losses
    for step, loss in PUBLISHED.items():
        assert losses[step] == pytest.approx(loss, rel=0, abs=1e-13)

    def faulty(**arrays: Any) -> Any:
        value, grads = f(**arrays)
        return value, {**grads, "W1": grads["W1"] * (1 + 1e-6)}

    assert abs(minimise(faulty, start, data, Descent(0.5), epochs=301).losses[300] - PUBLISHED[300]) > 1e-9


def test_momentum_and_adam_follow_their_formulas(rng: np.random.Generator) -> None:
    grads = rng.normal(size=(6, 3))
    rule = Descent(rate=0.2, momentum=0.8)
    w, state = {"w": np.ones(3)}, rule.start({"w": np.ones(3)})
    for g in grads:
        w, state = rule.step(w, {"w": g}, state)
    weights = [sum(0.8**k for k in range(6 - i)) for i in range(6)]
    np.testing.assert_allclose(w["w"], 1 - 0.2 * np.array(weights) @ grads, rtol=1e-13)

    adam = Adam(rate=0.01, b1=0.7, b2=0.9)
    w, moments = {"w": np.ones(3)}, adam.start({"w": np.ones(3)})
    expected = np.ones(3)
    for t in range(1, 7):
        w, moments = adam.step(w, {"w": grads[t - 1]}, moments)
        back = np.arange(t)[::-1]
        m = (1 - 0.7) * 0.7**back @ grads[:t] / (1 - 0.7**t)
        s = (1 - 0.9) * 0.9**back @ grads[:t] ** 2 / (1 - 0.9**t)
        expected = expected - 0.01 * m / (np.sqrt(s) + 1e-8)
    np.testing.assert_allclose(w["w"], expected, rtol=1e-12)


def test_batches_cover_the_data_once_an_epoch(rng: np.random.Generator) -> None:
    x = np.arange(20.0).reshape(2, 10)
    seen: list[np.ndarray] = []

    def spy(w: Any, x: Any, k: Any) -> Any:
        assert k.shape == (3,)
        seen.append(x)
        return quadratic(w, x)

    run = minimise(spy, {"w": np.zeros(2)}, {"x": x, "k": np.ones(3)}, Descent(0.0), epochs=2, batch=4, axes={"x": 1})
    assert [s.shape[1] for s in seen] == [4, 4, 2] * 2
    for epoch in (seen[:3], seen[3:]):
        assert np.array_equal(np.sort(np.concatenate(epoch, axis=1), axis=1), x)
    assert not np.array_equal(seen[0], seen[3]), "the order changes from epoch to epoch"
    assert run.steps == 6
    assert run.losses[0] == pytest.approx(np.mean(x**2), rel=1e-14)


def test_an_interrupted_run_keeps_what_was_done() -> None:
    x = np.ones((2, 5))

    def interrupt(epoch: int, epochs: int, loss: float) -> None:
        if epoch == 3:
            raise KeyboardInterrupt

    whole = minimise(quadratic, {"w": np.zeros(2)}, {"x": x}, Descent(0.1), epochs=3)
    cut = minimise(quadratic, {"w": np.zeros(2)}, {"x": x}, Descent(0.1), epochs=100, progress=interrupt)
    assert cut.interrupted
    assert not whole.interrupted
    assert cut.losses == whole.losses
    assert np.array_equal(cut.parameters["w"], whole.parameters["w"])


def test_the_callers_arrays_are_left_alone() -> None:
    w = np.zeros(2)
    minimise(quadratic, {"w": w}, {"x": np.ones((2, 5))}, Adam(), epochs=5)
    assert not w.any()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"epochs": -1}, InputError, "0 or more"),
        ({"batch": 0}, InputError, "1 or more"),
        ({"batch": 2}, InputError, "need `axes`"),
        ({"batch": 2, "axes": {"x": 2}}, InputError, "no axis of the data"),
        ({"batch": 2, "axes": {"X": 0}}, InputError, "no axis of the data"),
        ({"data": {"x": np.ones((2, 5)), "y": np.ones(4)}, "axes": {"x": 1, "y": 0}}, InputError, "different numbers"),
        ({"data": {"x": np.ones((2, 5)), "w": np.ones(4)}}, InputError, "one or the other"),
        ({"data": {"x": np.full((2, 5), np.inf)}}, InputError, "after 0 steps"),
    ],
)
def test_bad_input_is_explained(change: dict[str, Any], error: type[Exception], message: str) -> None:
    given = {"data": {"x": np.ones((2, 5))}, "epochs": 1, **change}
    with pytest.raises(error, match=message):
        minimise(quadratic, {"w": np.zeros(2)}, optimiser=Descent(), **given)
