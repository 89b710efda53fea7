"""Subscripts of taped arrays against NumPy's: the entries, their gradients, and NumPy's own refusals."""

import random
from itertools import product
from typing import Any

import numpy as np
import pytest

from symgrad.tape import value_and_grad

PLACES = (None, *range(-6, 7))
KEYS: tuple[Any, ...] = (*range(-6, 7), *(slice(a, b, s) for a, b, s in product(PLACES, PLACES, PLACES)), ..., None)
CHOOSING: tuple[Any, ...] = (np.array([0, -1, 0]), np.array([True, False, True, True]), [1, 1, 0])


def drawn(rank: int, count: int) -> list[Any]:
    rng = random.Random(rank)  # noqa: S311  # test points, no secrets
    kinds = (KEYS[:13], KEYS[13:-2], KEYS[13:-2], KEYS[-2:], CHOOSING)
    return [tuple(rng.choice(rng.choice(kinds)) for _ in range(rng.randint(1, rank))) for _ in range(count)]


@pytest.mark.parametrize(("shape", "keys"), [
    ((1,), KEYS[::2]), ((4,), KEYS[1::2]), ((0,), KEYS[::5]), ((4, 3), drawn(2, 600)), ((2, 4, 1), drawn(3, 600)),
    ((0, 4), drawn(2, 200)),
], ids=lambda p: str(p)[:12])
def test_a_taped_subscript_is_numpys(shape: tuple[int, ...], keys: list[Any]) -> None:
    rng = np.random.default_rng(0)
    tried = 0
    for key in keys:
        x = rng.normal(size=shape)
        try:
            places = np.arange(x.size).reshape(shape)[key]
        except (IndexError, ValueError) as error:
            with pytest.raises(type(error)):
                value_and_grad(lambda x, key=key: np.sum(x[key]))(x)
            continue
        w = rng.normal(size=np.shape(places))
        value, (found,) = value_and_grad(lambda x, key=key, w=w: np.sum(w * x[key]))(x)
        scattered = np.zeros(x.size)
        np.add.at(scattered, np.ravel(places), w.ravel())
        assert np.array_equal(found, scattered.reshape(shape)), key
        assert value == np.sum(w * x[key]), key
        tried += 1
    assert tried > len(keys) // 10
