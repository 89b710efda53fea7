"""Common ground of the tests: reproducible randomness, Hypothesis profiles, plain floating-point errors."""

from __future__ import annotations

import os
import zlib

import hypothesis
import numpy as np
import pytest

from symgrad.engine.acceptance import DROPPED

hypothesis.settings.register_profile("quick", max_examples=25, deadline=None, derandomize=True, database=None)
hypothesis.settings.register_profile("thorough", max_examples=1000, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """A generator that every test owns alone: its seed is the name of the test."""
    return np.random.default_rng(zlib.crc32(request.node.nodeid.encode()))


@pytest.fixture(autouse=True)
def unchanged_error_state() -> object:
    """A test leaves NumPy's floating-point error handling as it found it, and so does the library."""
    before = np.geterr()
    yield
    after = np.geterr()
    np.seterr(**before)
    assert after == before, "the floating-point error state was changed for the whole process"


@pytest.fixture(autouse=True)
def no_line_dropped() -> object:
    """No simplified line differs from the line that it replaces; a test that plants one clears the list itself."""
    DROPPED.clear()
    yield
    found = list(DROPPED)
    DROPPED.clear()
    assert not found, f"simplified lines that differ from what they replace: {found[:3]}"
