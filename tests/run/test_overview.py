"""The overview of a run equals the state folded from its events."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from autofinetune.config.described import describe
from autofinetune.core.events import (
    AttemptLost,
    AttemptPlanned,
    AttemptStarted,
    AttemptSubmitted,
    Event,
    OptionsChanged,
    Reported,
    RunContinued,
    RunCreated,
    RunEnded,
    RunPaused,
    RunResumed,
    SlotQuarantined,
    StopRequested,
    TrialCreated,
    TrialEnded,
)
from autofinetune.core.run_state import RunState
from autofinetune.core.slot import Slot
from autofinetune.core.state import State
from autofinetune.core.status import Direction, Status
from autofinetune.executors import Attempt
from autofinetune.executors.memory import Played
from autofinetune.run.overview import Overview, look
from autofinetune.store.journal import SqliteJournal
from tests.helpers import Recorder, config_of, play, tuner_in_memory


def seen(root: Path, events: Iterable[Event], *, alive: bool = True) -> Overview:
    path = root / "run.db"
    path.unlink(missing_ok=True)
    writer = SqliteJournal(path, create=True)
    writer.append(list(events))
    reader = SqliteJournal(path, read_only=True)
    try:
        return look(reader, is_tuner_alive=alive)
    finally:
        reader.close()
        writer.close()


def assert_same(found: Overview, state: State) -> None:
    assert found.counts == {status.value: count for status, count in state.counts.items()}
    assert found.max_trials == 9 * state.config["repeats"]
    running = {one.trial: one for one in found.running}
    assert running.keys() == state.running
    for number, one in running.items():
        trial = state.trials[number]
        assert (one.attempt, one.slot) == (trial.attempt, trial.slot)
        assert (one.since, one.is_waiting) == (
            (trial.started_at, False) if trial.started_at else (one.since, True)
        )
        assert (one.score, one.stop_reason) == (trial.last_report, trial.stop_reason)
    assert found.quarantined == state.quarantined
    if state.best is None:
        assert found.best is None
    else:
        assert found.best is not None
        assert (found.best.trial, found.best.score) == (state.best.id, state.best.score)
        assert found.best.params == state.best.params


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize(("repeats", "queue_s"), [(1, 0.0), (2, 0.0), (1, 3.0)])
def test_after_any_event_it_says_what_the_state_says(
    tmp_path: Path, direction: Direction, repeats: int, queue_s: float
) -> None:
    def program(attempt: Attempt) -> Played:
        if attempt.trial % 4 == 3:
            return Played(None, returncode=1)
        return Played(round(math.sin(attempt.trial), 1), intermediate=(0.1, 0.2))

    recorder = Recorder()
    config = config_of(direction=direction, repeats=repeats)
    tuner = tuner_in_memory(tmp_path, config, program=program, sinks=[recorder], queue_s=queue_s)
    tuner.start("run")
    tuner.run()
    for count in range(1, len(recorder.events) + 1, 3):
        events = recorder.events[:count]
        state = State(direction)
        state.apply_all(events)
        assert_same(seen(tmp_path, events), state)


def begun(**fields: Any) -> list[Event]:
    return [
        RunCreated(1.0, "r", "0", describe(config_of(**fields))),
        TrialCreated(2.0, 0, 0, 0, (0.5,), {"lr": 0.1}, None),
        AttemptPlanned(3.0, 0, 1, Slot("a")),
        Reported(4.0, 0, 1, 7, 0.4, 30),
    ]


def test_a_lost_attempt_runs_no_more_and_the_next_one_has_no_reports(tmp_path: Path) -> None:
    lost = [*begun(), AttemptLost(5.0, 0, 1, "runner_lost")]
    assert seen(tmp_path, lost).counts["QUEUED"] == 1
    (one,) = seen(tmp_path, [*lost, AttemptPlanned(6.0, 0, 2, Slot("b"))]).running
    assert (one.attempt, one.slot, one.since, one.score) == (2, "b", 6.0, None)


def test_waiting_in_the_queue_of_an_engine_is_not_running(tmp_path: Path) -> None:
    waiting = [*begun()[:3], AttemptSubmitted(3.0, 0, 1, {"job": 9}, is_waiting=True)]
    found = seen(tmp_path, waiting)
    assert (found.counts["QUEUED"], found.counts["RUNNING"]) == (1, 0)
    assert [one.is_waiting for one in found.running] == [True]
    again = AttemptSubmitted(9.0, 0, 1, {"job": 9}, is_waiting=True)
    found = seen(tmp_path, [*waiting, AttemptStarted(8.0, 0, 1, "w1"), again])
    assert (found.counts["QUEUED"], found.counts["RUNNING"]) == (0, 1)
    (one,) = found.running
    assert (one.is_waiting, one.since, one.slot) == (False, 8.0, "a@w1")


def test_who_was_asked_to_stop_is_told(tmp_path: Path) -> None:
    (one,) = seen(tmp_path, [*begun(), StopRequested(5.0, 0, 1, "assessor: bad")]).running
    assert (one.step, one.score, one.stop_reason) == (7, 0.4, "assessor: bad")


def test_of_equal_scores_the_first_is_the_best_and_stopped_ones_are_none(tmp_path: Path) -> None:
    events: list[Event] = [RunCreated(1.0, "r", "0", describe(config_of()))]
    for trial, (status, score) in enumerate(
        [("STOPPED", 0.9), ("COMPLETED", 0.5), ("COMPLETED", 0.5), ("FAILED", None)]
    ):
        events.append(TrialCreated(2.0, trial, 0, trial, (0.5,), {"lr": trial}, None))
        events.append(AttemptPlanned(3.0, trial, 1, Slot("a")))
        events.append(TrialEnded(4.0, trial, 1, status, "", score, 1.0, False))
    found = seen(tmp_path, events)
    assert found.best is not None
    assert (found.best.trial, found.best.params) == (1, {"lr": 1})
    assert found.counts == {s.value: n for s, n in zip(Status, (0, 0, 2, 1, 1), strict=True)}


@pytest.mark.parametrize(
    ("more", "alive", "state"),
    [
        ([], True, RunState.RUNNING),
        ([], False, RunState.ERROR),
        ([RunEnded(9.0, "interrupted")], False, RunState.STOPPED),
        ([RunEnded(9.0, "timeout")], False, RunState.TIMEOUT),
        ([RunEnded(9.0, "done")], True, RunState.DONE),
        ([RunEnded(9.0, "error: no disk")], False, RunState.ERROR),
        ([RunEnded(9.0, "interrupted"), RunResumed(10.0, "0")], True, RunState.RUNNING),
    ],
)
def test_the_state_of_the_run(
    tmp_path: Path, more: list[Event], alive: bool, state: RunState
) -> None:
    assert seen(tmp_path, [*begun(), *more], alive=alive).state is state


def test_a_run_without_an_attempt_is_pending(tmp_path: Path) -> None:
    assert seen(tmp_path, begun()[:1]).state is RunState.PENDING
    assert seen(tmp_path, begun()[:2]).state is RunState.PENDING


def test_slots_are_quarantined_until_the_run_is_resumed(tmp_path: Path) -> None:
    events = [*begun(), SlotQuarantined(5.0, Slot("b"), "it is broken")]
    assert seen(tmp_path, events).quarantined == {"b": "it is broken"}
    assert seen(tmp_path, [*events, RunResumed(6.0, "0")]).quarantined == {}


def test_one_old_trial_among_many_is_found(tmp_path: Path) -> None:
    """Trials are found in the journal by binary search."""
    events: list[Event] = [RunCreated(1.0, "r", "0", describe(config_of()))]
    for trial in range(300):
        events.append(TrialCreated(2.0, trial, 0, 0, (0.5,), {"lr": trial}, None))
        events.append(AttemptPlanned(3.0, trial, 1, Slot.read(str(trial % 3))))
        if trial not in (0, 150, 299):
            events.append(TrialEnded(4.0, trial, 1, "COMPLETED", "", -abs(trial - 77), 1.0, True))
    found = seen(tmp_path, events)
    assert sorted(one.trial for one in found.running) == [0, 150, 299]
    assert found.best is not None
    assert (found.best.trial, found.best.params) == (77, {"lr": 77})


def test_looking_disturbs_no_tuner(tmp_path: Path) -> None:
    """The writer continues while a reader reads."""
    recorder = Recorder()
    tuner = tuner_in_memory(tmp_path, config_of(), program=play, sinks=[recorder])
    tuner.start("run")
    tuner.run()
    writer = SqliteJournal(tmp_path / "run.db", create=True)
    reader: SqliteJournal | None = None
    for event in recorder.events:
        writer.append([event])
        reader = reader or SqliteJournal(tmp_path / "run.db", read_only=True)
        look(reader, is_tuner_alive=True)
    assert reader is not None
    reader.close()
    writer.close()


def test_a_pause_and_changed_options_are_told(tmp_path: Path) -> None:
    changed = OptionsChanged(5.0, "a", {"max_trials": 7, "round": 3})
    paused = [*begun(), changed, RunPaused(6.0, "b")]
    found = seen(tmp_path, paused)
    assert (found.state, found.is_paused) == (RunState.RUNNING, True)
    assert found.reason == "paused by the user; to continue: autofinetune resume"
    assert (found.max_trials, found.changed) == (7, {"max_trials": 7, "round": 3})
    again = OptionsChanged(6.0, "c", {"max_trials": 8})
    found = seen(tmp_path, [*paused, again, RunContinued(7.0, "d")])
    assert (found.reason, found.is_paused, found.max_trials) == ("", False, 8)
    found = seen(tmp_path, [*paused, RunEnded(7.0, "interrupted")], alive=False)
    assert (found.state, found.is_paused) == (RunState.STOPPED, False)
    found = seen(tmp_path, [*paused, RunEnded(7.0, "interrupted"), RunResumed(8.0, "0")])
    assert (found.reason, found.is_paused, found.max_trials) == ("", False, 7)
    assert not seen(tmp_path, paused, alive=False).is_paused


def test_a_run_whose_trials_are_handed_out_needs_no_tuner(tmp_path: Path) -> None:
    found = seen(tmp_path, begun(executor="ask"), alive=False)
    assert (found.state, found.reason) == (RunState.RUNNING, "")


def test_what_early_stopping_saved_is_told(tmp_path: Path) -> None:
    events: list[Event] = [RunCreated(1.0, "r", "0", describe(config_of()))]
    for trial, (status, reports) in enumerate([("COMPLETED", 10), ("STOPPED", 3)]):
        events.append(TrialCreated(2.0, trial, 0, trial, (0.5,), {"lr": trial}, None))
        events.append(AttemptPlanned(3.0, trial, 1, Slot("a")))
        events += [Reported(4.0, trial, 1, n, 0.5, 30 * n) for n in range(1, reports + 1)]
        assert not seen(tmp_path, events).saved
        events.append(TrialEnded(5.0, trial, 1, status, "", 0.5, 1.0, False))
    assert seen(tmp_path, events).saved == "1.3 of 2 trainings' worth of epochs"
