"""A journal on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from autofinetune.core.events import RunCreated, RunEnded
from autofinetune.store.journal import SqliteJournal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal with the first event of a run and one more."""
    made = tmp_path / "out" / "run.db"
    made.parent.mkdir()
    journal = SqliteJournal(made, create=True)
    journal.append([RunCreated(0.0, "run", "1", {}), RunEnded(1.0, "one")])
    journal.close()
    return made
