"""A run is read from its journal as the tuner itself sees it."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from autofinetune.core.events import (
    AttemptLost,
    Event,
    RunCreated,
    RunEnded,
    RunResumed,
)
from autofinetune.core.run_state import RunState
from autofinetune.core.state import State
from autofinetune.errors import EnvironmentProblem
from autofinetune.run.directories import locked
from autofinetune.run.watching import Watch
from autofinetune.sinks.live.progress import Progress
from autofinetune.sinks.live.snapshot import Snapshot
from autofinetune.sinks.waits import Waits
from autofinetune.store.journal import SqliteJournal
from autofinetune.store.paths import RunPaths
from tests.sinks.live.test_progress import events_of


def journal_of(root: Path, events: list[Event]) -> RunPaths:
    root.mkdir(exist_ok=True, mode=0o700)
    paths = RunPaths(root)
    with contextlib.closing(SqliteJournal(paths.journal, create=True)) as journal:
        journal.append(events)
    return paths


def folded(events: list[Event]) -> Snapshot:
    progress = Progress()
    for event in events:
        progress.handle(event)
    return progress.snapshot()


@pytest.mark.parametrize(
    "fields", [{}, {"repeats": 3, "popsize": 2}, {"queue_s": 2.0}, {"assessor": "medianstop"}]
)
def test_it_is_the_same_wherever_one_begins_to_watch(
    fields: dict[str, Any], tmp_path: Path
) -> None:
    events = events_of(tmp_path, **fields)
    step = max(1, len(events) // 25)
    for cut in range(1, len(events) + 1, step):
        paths = journal_of(tmp_path / str(cut), events[:cut])
        with contextlib.closing(SqliteJournal(paths.journal)) as journal:
            watch = Watch(paths, journal)
            first = watch.look()
            assert first.snapshot == folded(events[:cut])
            assert first.ended == ()
            journal.append(events[cut : cut + 7])
            second = watch.look()
            assert second.snapshot == folded(events[: cut + 7])
            state = State()
            state.apply_all(events[: cut + 7])
            ended = [
                event for event in events[cut : cut + 7] if type(event).__name__ == "TrialEnded"
            ]
            assert [one.id for one in second.ended] == [event.trial for event in ended]  # type: ignore[union-attr]
            for one in second.ended:
                other = state.trials[one.id]
                for name in ("round", "member", "params", "status", "reason", "score", "seconds"):
                    assert getattr(one, name) == getattr(other, name)


def test_a_resume_begins_with_other_slots(tmp_path: Path) -> None:
    events = events_of(tmp_path)
    assert isinstance(events[-1], RunEnded)
    more = [*events[:-9], RunEnded(1.0, "timeout"), RunResumed(2.0, "1")]
    running = folded(more).rows
    more += [AttemptLost(3.0, row.trial, row.attempt, "gone") for row in running]
    paths = journal_of(tmp_path / "run", more)
    with contextlib.closing(SqliteJournal(paths.journal)) as journal:
        found = Watch(paths, journal).look().snapshot
    assert found == folded(more)
    assert (found.slots, found.rows) == (1, ())


def test_the_state_and_what_hinders_come_from_a_living_tuner(tmp_path: Path) -> None:
    begun = events_of(tmp_path)[:1]
    assert isinstance(begun[0], RunCreated)
    paths = journal_of(tmp_path / "run", begun)
    Waits(paths).obstacles(("slot 0 waits: it is hot",))
    with contextlib.closing(SqliteJournal(paths.journal)) as journal:
        watch = Watch(paths, journal)
        gone = watch.look()
        assert (gone.state, gone.snapshot.waits, gone.is_over) == (RunState.ERROR, (), True)
        with locked(paths.root):
            watched = watch.look()
        assert watched.state is RunState.PENDING
        assert watched.snapshot.waits == ("slot 0 waits: it is hot",)
        assert not watched.is_over
        journal.append([RunEnded(9.0, "done")])
        assert watch.look().state is RunState.DONE


def test_damage_is_reported_as_that(tmp_path: Path) -> None:
    events = events_of(tmp_path)
    for number, change in enumerate(
        [
            "UPDATE events SET body = json_set(body, '$.trial', 'x') WHERE kind = 'TrialEnded'",
            "UPDATE events SET body = json_set(body, '$.score', NULL) WHERE kind = 'TrialEnded'",
            "DELETE FROM events WHERE kind = 'TrialCreated'",
            "UPDATE events SET body = '{' WHERE kind = 'RunEnded'",
        ]
    ):
        paths = journal_of(
            tmp_path / f"run{number}", events[:-3] if "Planned" in change else events
        )
        with contextlib.closing(sqlite3.connect(paths.journal)) as connection, connection:
            connection.execute(change)
        with (
            contextlib.closing(SqliteJournal(paths.journal, read_only=True)) as journal,
            pytest.raises(EnvironmentProblem),
        ):
            Watch(paths, journal).look()
