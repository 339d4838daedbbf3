"""Runs that can be hurt."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.harness import FaultRun
from tests.nursery import Nursery


@pytest.fixture
def run(request: pytest.FixtureRequest, tmp_path: Path, nursery: Nursery) -> Iterator[FaultRun]:
    """A run of the test's own; its module says in `RUN` how it differs from the usual one."""
    fields = {"options": ["--max_failures=0"], **getattr(request.module, "RUN", {})}
    with contextlib.closing(FaultRun(tmp_path / "run", nursery, **fields)) as made:
        yield made
