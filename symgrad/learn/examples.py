"""Two networks, written as text and trained with the gradients that were derived from it: XOR and breast cancer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from symgrad import api
from symgrad.check.compare import compare
from symgrad.check.comparison import Comparison
from symgrad.language.text_io import parse
from symgrad.learn.data import breast_cancer, xor
from symgrad.learn.descent import Adam, Optimiser, Trained, minimise
from symgrad.learn.initialise import initialise

Array: TypeAlias = NDArray[Any]

NETWORK = """\
X: ({inputs}, n);  Y: (1, n);  W1: (h, {inputs});  b1: (h, 1);  W2: (1, h);  b2: (1, 1)
A1 = {hidden}(W1 @ X + b1)
P = sigmoid(W2 @ A1 + b2)
L = mean(bce(P, Y))
"""
PARAMETERS = ("W1", "b1", "W2", "b2")

XOR_HIDDEN = 8
XOR_EPOCHS = 500
XOR_ADAM = Adam(rate=0.1)

CANCER_HIDDEN = 16
CANCER_EPOCHS = 100
CANCER_BATCH = 32
CANCER_ADAM = Adam(rate=1e-3)


@dataclass(frozen=True)
class Report:
    """What came of a training: the network, its parameters, its accuracy, and the tape's word on its gradients."""

    name: str
    network: str
    source: str
    trained: Trained
    accuracy: float
    accuracy_of: str
    start: Comparison
    end: Comparison

    @property
    def ok(self) -> bool:
        """Whether kernel and tape agreed at the start and at the end."""
        return self.start.ok and self.end.ok

    def __str__(self) -> str:
        run = self.trained
        first, last = (run.losses[0], run.losses[-1]) if run.losses else (float("nan"),) * 2
        ended = "interrupted after" if run.interrupted else "trained for"
        return (
            f"{self.name}: {ended} {len(run.losses)} epochs, {run.steps} steps, {run.seconds:.2f} s\n"
            f"loss {first:.4g} -> {last:.4g}, accuracy {self.accuracy:.1%} on {self.accuracy_of}\n"
            f"kernel and tape at the start: {_word(self.start)}\n"
            f"kernel and tape at the end:   {_word(self.end)}"
        )


def train_xor(seed: int = 0, epochs: int = XOR_EPOCHS, progress: bool = False) -> Report:
    """Train a 2-8-1 network on the exclusive or: Glorot's initialisation, the four points as one batch, Adam at 0.1.

    Returns: a Report; the accuracy is the share of the four points on the right side of 1/2.
    Source: Rumelhart, Hinton and Williams (1986), Learning internal representations, for the task.

    >>> train_xor(seed=3).accuracy
    1.0
    """
    X, Y = xor()
    data = {"X": X, "Y": Y}
    return _train("xor", "tanh", XOR_HIDDEN, data, data, "the four points", XOR_ADAM, seed, epochs, None, progress)


def train_breast_cancer(seed: int = 0, epochs: int = CANCER_EPOCHS, progress: bool = False) -> Report:
    """Train a 30-16-1 relu network on the breast-cancer data: He's initialisation, batches of 32, Adam at 0.001.

    Returns: a Report; the accuracy is that on the test quarter of the data.
    Raises: MissingExtra without scikit-learn.
    Source: `symgrad.learn.data.breast_cancer`.
    """
    split = breast_cancer(seed)
    train, test = {"X": split.X, "Y": split.Y}, {"X": split.X_test, "Y": split.Y_test}
    what = f"{split.Y_test.size} examples kept for the test"
    return _train(
        "breast cancer", "relu", CANCER_HIDDEN, train, test, what, CANCER_ADAM, seed, epochs, CANCER_BATCH, progress
    )


def _train(name: str, hidden: str, width: int, data: Mapping[str, Array], test: Mapping[str, Array], what: str,
           optimiser: Optimiser, seed: int, epochs: int, batch: int | None, progress: bool) -> Report:
    inputs = data["X"].shape[0]
    text = NETWORK.format(inputs=inputs, hidden=hidden)
    net = parse(text)
    f = api.compile(net, PARAMETERS)
    predict = api.compile(net["P"])
    shapes = {"W1": (width, inputs), "b1": (width, 1), "W2": (1, width), "b2": (1, 1)}
    start = initialise(shapes, {"W1": hidden, "W2": "sigmoid"}, seed)

    def judged(parameters: Mapping[str, Array]) -> Comparison:
        at = {**data, **parameters}
        return compare(net, at, PARAMETERS, methods=("symbolic", "tape"), kernel=f)

    with _bar(name, progress) as advance:
        trained = minimise(
            f, start, data, optimiser, epochs=epochs, batch=batch, axes={"X": 1, "Y": 1}, seed=seed, progress=advance
        )
    guess = predict(X=test["X"], **trained.parameters)
    accuracy = float(np.mean((guess > 0.5) == (test["Y"] > 0.5)))
    return Report(name, text, f.source, trained, accuracy, what, judged(start), judged(trained.parameters))


@contextmanager
def _bar(name: str, wanted: bool) -> Iterator[Callable[[int, int, float], None] | None]:
    """Give a callback that moves a progress bar on standard error, or None."""
    if not wanted:
        yield None
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.fields[loss]}"))
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=None, loss="")

        def advance(epoch: int, epochs: int, loss: float) -> None:
            bar.update(task, completed=epoch, total=epochs, loss=f"epoch {epoch}/{epochs}  loss {loss:.4f}")

        yield advance


def _word(c: Comparison) -> str:
    worst = c.worst()
    return f"{'agree' if c.ok else 'DISAGREE'} ({worst.parameter}: {worst.difference:.1e} of {worst.bound:.1e} allowed)"
