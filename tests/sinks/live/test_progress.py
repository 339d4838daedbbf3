"""The model of the live view agrees with the state of the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autofinetune.core.events import (
    AttemptLost,
    AttemptPlanned,
    AttemptStarted,
    AttemptSubmitted,
    Event,
    Reported,
    RunEnded,
    RunResumed,
    SlotQuarantined,
    StopRequested,
    TrialCreated,
    TrialEnded,
)
from autofinetune.core.slot import Slot
from autofinetune.core.state import State
from autofinetune.core.status import Direction
from autofinetune.executors import Attempt
from autofinetune.executors.memory import Played
from autofinetune.sinks.live.progress import Progress
from autofinetune.sinks.live.snapshot import Row, Snapshot
from autofinetune.store.journal import MemoryJournal
from tests.helpers import config_of, play, tuner_in_memory


def program(attempt: Attempt) -> Played:
    return Played(None, returncode=1) if attempt.trial % 5 == 3 else play(attempt)


def events_of(root: Path, **fields: Any) -> list[Event]:
    journal = MemoryJournal()
    queue_s = float(fields.pop("queue_s", 0.0))
    config = config_of(**fields)
    tuner = tuner_in_memory(root, config, journal=journal, program=program, queue_s=queue_s)
    tuner.start("run")
    tuner.run()
    return list(journal.events())


@pytest.mark.parametrize(
    "fields",
    [{}, {"direction": Direction.MINIMIZE}, {"repeats": 3, "popsize": 2}, {"queue_s": 2.0},
     {"schedule": "async"}, {"assessor": "medianstop"}],
)  # fmt: skip
def test_it_agrees_with_the_state_after_each_event(fields: dict[str, Any], tmp_path: Path) -> None:
    progress, state = Progress(), State(fields.get("direction", Direction.MAXIMIZE))
    for event in events_of(tmp_path, **fields):
        state.apply(event)
        progress.handle(event)
        found = progress.snapshot()
        assert found.counts == {status.value: n for status, n in state.counts.items()}
        assert {row.trial for row in found.rows} == state.running
        assert found.ended == state.ended
        best = None if state.best is None else (state.best.id, state.best.score, state.best.params)
        shown = (
            None if found.best is None else (found.best.trial, found.best.score, found.best.params)
        )
        assert shown == best
        assert found.busy_s == pytest.approx(state.busy_seconds)
        for row in found.rows:
            trial = state.trials[row.trial]
            assert (row.attempt, row.slot, row.score, row.stop_reason) == (
                trial.attempt, trial.slot, trial.last_report, trial.stop_reason,
            )  # fmt: skip
            assert row.is_waiting == (trial.started_at is None)
    assert found.end_reason == state.end_reason
    assert found.left_s is None
    scores = [score for _, score in found.best_scores]
    merits = [state.direction.merit(score) for score in scores]
    if fields.get("repeats") is None:
        assert merits == sorted(merits)
    assert found.best_scores[-1][1] == (found.best.score if found.best else None)


def begun(*more: Event, parent: int | None = None) -> Progress:
    progress = Progress(lambda trial: {"lr": 0.5, "units": 8})
    for event in (
        TrialCreated(1.0, 5, 0, 0, (), {"lr": 0.25, "units": 8}, parent),
        AttemptPlanned(2.0, 5, 1, Slot("0")),
        AttemptSubmitted(3.0, 5, 1, {"pid": 77}),
        *more,
    ):
        progress.handle(event)
    return progress


def test_a_curve_of_many_reports_keeps_its_shape() -> None:
    reports = [Reported(4.0, 5, 1, step, float(step), 1) for step in range(1000)]
    (row,) = begun(*reports).snapshot().rows
    assert (row.step, row.score, row.pid) == (999, 999.0, 77)
    assert 16 <= len(row.reports) <= 64
    assert list(row.reports) == sorted(row.reports)
    assert (row.reports[0], row.reports[-1]) == (0.0, 999.0)


def test_what_changed_is_compared_with_the_parent_or_the_best() -> None:
    snapshot = begun(parent=3).snapshot()
    assert snapshot.changed(snapshot.rows[0]) == {"lr": 0.25}
    progress = begun()
    snapshot = progress.snapshot()
    assert snapshot.changed(snapshot.rows[0]) == {"lr": 0.25, "units": 8}
    progress.handle(TrialCreated(4.0, 6, 0, 1, (), {"lr": 0.25, "units": 9}, None))
    progress.handle(AttemptPlanned(4.0, 6, 1, Slot("1")))
    progress.handle(TrialEnded(5.0, 6, 1, "COMPLETED", "", 0.5, 1.0, False))
    snapshot = progress.snapshot()
    assert snapshot.changed(snapshot.rows[0]) == {"units": 8}


def test_obstacles_and_quarantined_slots_wait_until_a_resume() -> None:
    progress = begun(SlotQuarantined(4.0, Slot("1"), "broken"), RunEnded(5.0, "timeout"))
    progress.obstacles(("paused: no space",))
    assert progress.snapshot().waits == ("paused: no space", "slot 1 gets no more trials: broken")
    assert progress.snapshot().end_reason == "timeout"
    progress.handle(RunResumed(6.0, "1", "copy"))
    progress.obstacles(())
    found = progress.snapshot()
    assert (found.waits, found.end_reason, found.run) == ((), None, "copy")


def test_a_lost_attempt_waits_again_and_a_queue_is_left() -> None:
    progress = begun(AttemptLost(4.0, 5, 1, "runner_lost"))
    assert progress.snapshot().counts["QUEUED"] == 1
    progress.handle(AttemptPlanned(5.0, 5, 2, Slot("0")))
    progress.handle(AttemptSubmitted(6.0, 5, 2, {"pid": "?"}, is_waiting=True))
    (row,) = progress.snapshot().rows
    assert (row.is_waiting, row.pid, row.since) == (True, None, 5.0)
    progress.handle(AttemptStarted(7.0, 5, 2, "w1"))
    progress.handle(StopRequested(8.0, 5, 2, "hopeless"))
    (row,) = progress.snapshot().rows
    assert (row.is_waiting, row.since, row.stop_reason) == (False, 7.0, "hopeless")
    assert row.node == "w1"


def test_events_of_a_trial_without_an_attempt_are_refused() -> None:
    for event in (Reported(1.0, 9, 1, 1, 0.5, 1), AttemptLost(1.0, 9, 1, "x"),
                  TrialEnded(1.0, 9, 1, "FAILED", "", None, 1.0, False)):  # fmt: skip
        with pytest.raises(ValueError, match="trial 9 has no attempt"):
            begun().handle(event)


def test_the_end_is_estimated_from_the_trials_so_far() -> None:
    row = Row(1, 1, Slot("0"), 0.0, {})
    counts = {"COMPLETED": 4, "RUNNING": 1}
    snapshot = Snapshot(total=10, counts=counts, rows=(row,), slots=2, busy_s=40.0)
    assert snapshot.left_s == 30.0
    assert Snapshot(total=None, counts=counts, busy_s=40.0).left_s is None
    assert Snapshot(total=10, counts={}, busy_s=0.0).left_s is None
    assert Snapshot(total=4, counts=counts, busy_s=40.0).left_s == 0.0
