"""Arrays of three and four axes contracted in several ways: kernel, printed text and Hessian against the primal."""

from __future__ import annotations

import pytest

from tests.engine.contractions import network, problems

_GROUP = 10  # networks a test, so that the processes share them evenly


@pytest.mark.parametrize("first", range(0, 500, _GROUP))
def test_derivatives_of_random_contractions(first: int) -> None:
    wrong = {seed: found for seed in range(first, first + _GROUP)
             if (found := problems(network(seed), second=seed % 5 == 0))}
    assert not wrong
