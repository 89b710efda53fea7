"""Starting values: spread as the formulas say, the same for one seed, and refused where nothing is known."""

from __future__ import annotations

import numpy as np
import pytest

from symgrad.errors import InputError, ShapeError
from symgrad.learn.initialise import initialise

SHAPES = {"W1": (400, 300), "b1": (400, 1), "W2": (7, 400)}


def test_glorot_and_he_have_their_variance() -> None:
    """The bound is five standard deviations of a sample variance."""
    tanh = initialise(SHAPES, {"W1": "tanh", "W2": "sigmoid"}, seed=1)
    relu = initialise(SHAPES, {"W1": "relu"}, seed=1)
    count = 400 * 300
    assert tanh["W1"].var() == pytest.approx(2 / 700, rel=5 * np.sqrt(0.8 / count))
    assert abs(tanh["W1"]).max() <= np.sqrt(6 / 700)
    assert relu["W1"].var() == pytest.approx(2 / 300, rel=5 * np.sqrt(2 / count))
    assert not tanh["b1"].any()
    assert not relu["W2"].any()


def test_the_row_convention_swaps_the_fans() -> None:
    he = initialise({"W": (300, 400)}, {"W": "relu"}, seed=1, convention="row")
    assert he["W"].var() == pytest.approx(2 / 300, rel=5 * np.sqrt(2 / 120_000))


def test_one_seed_one_start() -> None:
    one, two, other = (initialise(SHAPES, {"W1": "tanh"}, seed)["W1"] for seed in (3, 3, 4))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"activations": {"W1": "tanhh"}}, InputError, "Did you mean 'tanh'"),
        ({"activations": {"W3": "tanh"}}, InputError, "no weight is named 'W3'"),
        ({"activations": {"v": "tanh"}}, ShapeError, "a weight is a matrix"),
        ({"activations": {}, "convention": "diagonal"}, InputError, "'column'"),
    ],
)
def test_bad_input_is_explained(given: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        initialise({**SHAPES, "v": (3,)}, seed=0, **given)
