"""XOR is solved for every seed, breast cancer as well as scikit-learn does, and the tape agrees before and after."""

from __future__ import annotations

import sys
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from symgrad.errors import MissingExtra
from symgrad.learn import examples
from symgrad.learn.data import breast_cancer, xor
from symgrad.learn.examples import CANCER_BATCH, CANCER_EPOCHS, CANCER_HIDDEN, train_breast_cancer, train_xor

SEEDS = [*range(15), 164, 2024, 31337, 10**6, 2**31 - 1]


def test_xor_is_solved_for_twenty_seeds() -> None:
    for seed in SEEDS:
        report = train_xor(seed)
        assert report.accuracy == 1.0, f"seed {seed}"
        assert report.trained.losses[-1] < 0.01, f"seed {seed}"
        assert report.ok, f"seed {seed}: {report}"
        assert report.start.largest("kernel", "tape")[1] <= 1e-13


def test_breast_cancer_is_within_a_point_of_scikit_learn() -> None:
    ours, theirs = [], []
    for seed in range(10):
        report = train_breast_cancer(seed)
        assert report.ok, f"seed {seed}: {report}"
        assert report.start.largest("kernel", "tape")[1] <= 1e-13
        assert report.end.largest("kernel", "tape")[1] <= 1e-12
        ours.append(report.accuracy)
        data = breast_cancer(seed)
        other = MLPClassifier((CANCER_HIDDEN,), batch_size=CANCER_BATCH, max_iter=CANCER_EPOCHS, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # it is given as many epochs as ours, no more
            other.fit(data.X.T, data.Y[0])
        theirs.append(other.score(data.X_test.T, data.Y_test[0]))
    print(f"\nbreast cancer, mean of 10 seeds: {np.mean(ours):.4f}, scikit-learn {np.mean(theirs):.4f}")
    assert abs(np.mean(ours) - np.mean(theirs)) <= 0.01
    assert np.mean(ours) > 0.95


def test_the_data_are_split_and_standardised() -> None:
    split = breast_cancer(7)
    assert split.X.shape == (30, 426)
    assert split.X_test.shape == (30, 143)
    assert split.Y.shape == (1, 426)
    np.testing.assert_allclose(split.X.mean(axis=1), 0, atol=1e-13)
    np.testing.assert_allclose(split.X.std(axis=1), 1, atol=1e-13)
    assert abs(split.Y.mean() - split.Y_test.mean()) < 1 / 143
    assert not np.array_equal(split.Y, breast_cancer(8).Y)
    X, Y = xor()
    assert np.array_equal(Y[0], X[0] != X[1])


def test_without_scikit_learn_the_line_that_installs_it_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingExtra, match=r"pip install 'symgrad\[data\]'"):
        train_breast_cancer(0)


def test_a_wrong_kernel_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    right = examples.api.compile

    class Faulty:
        def __init__(self, *args: object) -> None:
            self.kernel = right(*args)
            self.source = self.kernel.source

        def __call__(self, **arrays: object) -> object:
            out = self.kernel(**arrays)
            return (out[0], {**out[1], "W1": out[1]["W1"] * 1.001}) if self.kernel.wrt else out

    monkeypatch.setattr(examples, "api", SimpleNamespace(compile=Faulty))
    report = train_xor(0, epochs=5)
    assert not report.ok
    assert "DISAGREE" in str(report)


def test_the_bar_stands_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    report = train_xor(0, epochs=20, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "epoch 20/20" in err
    assert len(report.trained.losses) == 20


def test_an_interrupted_training_still_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    real = examples.minimise

    def interrupted(*args: object, **keywords: object) -> object:
        def stop(epoch: int, epochs: int, loss: float) -> None:
            if epoch == 4:
                raise KeyboardInterrupt

        return real(*args, **{**keywords, "progress": stop})

    monkeypatch.setattr(examples, "minimise", interrupted)
    report = train_xor(0)
    assert report.trained.interrupted
    assert report.ok
    assert "interrupted after 4 epochs" in str(report)


def test_no_epochs_is_no_failure() -> None:
    assert "trained for 0 epochs" in str(train_xor(0, epochs=0))
