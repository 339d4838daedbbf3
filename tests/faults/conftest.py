"""Runs that can be hurt."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.harness import FaultRun
from tests.nursery import Nursery

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole runs that are hurt take seconds each."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def run(request: pytest.FixtureRequest, tmp_path: Path, nursery: Nursery) -> Iterator[FaultRun]:
    """A run of the test's own; its module says in `RUN` how it differs from the usual one."""
    fields = {"options": ["--max_failures=0"], **getattr(request.module, "RUN", {})}
    with contextlib.closing(FaultRun(tmp_path / "run", nursery, **fields)) as made:
        yield made
