"""The data that the examples learn from, in the column convention: one column an example."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from symgrad.errors import MissingExtra

Array: TypeAlias = NDArray[Any]


@dataclass(frozen=True)
class Split:
    """Inputs (features, examples) and labels (1, examples), for training and for the test."""

    X: Array
    Y: Array
    X_test: Array
    Y_test: Array


def xor() -> tuple[Array, Array]:
    """Return the four points of the exclusive or, and their labels.

    Shapes: (2, 4) and (1, 4).

    >>> X, Y = xor()
    >>> [(*map(int, x), int(y)) for x, y in zip(X.T, Y[0])]
    [(0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0)]
    """
    X = np.array([[0.0, 0.0, 1.0, 1.0], [0.0, 1.0, 0.0, 1.0]])
    return X, (X[:1] + X[1:]) % 2


def breast_cancer(seed: int, test_share: float = 0.25) -> Split:
    """Return the Wisconsin breast-cancer data as scikit-learn ships it, split by class share and standardised.

    Formula: x <- (x - mean) / std, mean and std of the training part alone.
    Shapes: X (30, n), Y (1, n); 426 examples to train with and 143 to test at a share of 0.25.
    Raises: MissingExtra without scikit-learn.
    Source: Street, Wolberg and Mangasarian (1993); scikit-learn's load_breast_cancer.
    """
    try:
        from sklearn.datasets import load_breast_cancer
        from sklearn.model_selection import train_test_split
    except ImportError as error:
        raise MissingExtra("scikit-learn", "data", "The breast-cancer data") from error
    inputs, labels = load_breast_cancer(return_X_y=True)
    X, X_test, y, y_test = train_test_split(inputs, labels, test_size=test_share, stratify=labels, random_state=seed)
    mean, std = X.mean(axis=0), X.std(axis=0)
    return Split(
        np.ascontiguousarray(((X - mean) / std).T), y[None, :].astype(np.float64),
        np.ascontiguousarray(((X_test - mean) / std).T), y_test[None, :].astype(np.float64),
    )  # fmt: skip
