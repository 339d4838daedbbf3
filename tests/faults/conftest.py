"""One nursery of tuners for all tests of a process."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from tests.faults.harness import Nursery


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    with contextlib.closing(Nursery()) as made:
        yield made
