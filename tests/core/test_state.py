"""The state is folded from events and rejects impossible ones."""

from __future__ import annotations

import dataclasses
import json

import pytest

from autofinetune.core.events import (
    KINDS,
    AttemptPlanned,
    AttemptStarted,
    ConfigurationsEnqueued,
    Event,
    NoteAdded,
    OptionsChanged,
    RunContinued,
    RunCreated,
    RunEnded,
    RunPaused,
    RunResumed,
    TrialCreated,
    TrialsImported,
    decode_event,
    encode_event,
)
from autofinetune.core.slot import Slot
from autofinetune.core.state import State
from autofinetune.core.status import Direction, Status
from autofinetune.core.trials import ImpossibleEvent

from .helpers import ASKED, CREATED, LOST, PLANNED, REPORTED, SUBMITTED, ended, folded


def completed(scores: list[float], direction: Direction) -> State:
    events: list[Event] = []
    for trial, score in enumerate(scores):
        events.append(TrialCreated(1.0, trial, 0, trial, (0.5,), {"x": 1}, None))
        events.append(AttemptPlanned(1.0, trial, 1, Slot("a")))
        events.append(ended("COMPLETED", score, trial))
    return folded(*events, direction=direction)


def test_a_trial_lives_through_queue_run_and_end() -> None:
    state = folded(CREATED)
    assert state.queued == {0}
    state.apply(PLANNED)
    assert (state.queued, state.running) == (set(), {0})
    state.apply_all([SUBMITTED, REPORTED])
    assert state.trials[0].last_report == 0.4
    assert state.trials[0].report_offset == 30
    state.apply(ended("COMPLETED", 0.7))
    assert state.running == set()
    assert state.ended == 1
    assert state.best == state.trials[0]
    assert state.busy_seconds == 2.0


def test_an_attempt_in_the_queue_of_an_engine_runs_once_it_starts() -> None:
    waiting = dataclasses.replace(SUBMITTED, is_waiting=True)
    state = folded(CREATED, PLANNED, waiting)
    assert (state.trials[0].status, state.trials[0].started_at) == (Status.QUEUED, None)
    assert (state.queued, state.running) == (set(), {0})  # its slot is taken
    assert (state.counts[Status.QUEUED], state.counts[Status.RUNNING]) == (1, 0)
    for impossible in (PLANNED, REPORTED, ASKED):
        with pytest.raises(ImpossibleEvent):
            state.apply(impossible)
    state.apply(AttemptStarted(9.0, 0, 1, "w1"))
    state.apply(waiting)  # by a resumed tuner
    assert state.trials[0].where == f"{state.trials[0].slot}@w1"
    assert (state.trials[0].status, state.trials[0].started_at) == (Status.RUNNING, 9.0)
    state.apply(ended("COMPLETED", 0.7))
    assert state.counts[Status.COMPLETED] == 1


@pytest.mark.parametrize("over", [LOST, ended("FAILED", None)])
def test_an_attempt_can_end_in_the_queue_of_an_engine(over: Event) -> None:
    state = folded(CREATED, PLANNED, dataclasses.replace(SUBMITTED, is_waiting=True), over)
    assert state.running == set()
    assert state.trials[0].status in (Status.QUEUED, Status.FAILED)


def test_a_lost_attempt_goes_back_to_the_queue_and_is_counted() -> None:
    state = folded(CREATED, PLANNED, SUBMITTED, REPORTED, LOST)
    assert state.queued == {0}
    assert state.trials[0].lost == ("runner_lost",)
    state.apply(AttemptPlanned(5.0, 0, 2, Slot("cpu:1")))
    trial = state.trials[0]
    assert (trial.attempt, trial.slot, trial.reports, trial.report_offset) == (2, "cpu:1", 0, 0)
    assert trial.handle is None


def test_failed_with_a_score_and_completed_without_one_are_refused() -> None:
    with pytest.raises(ImpossibleEvent, match="FAILED with score"):
        folded(CREATED, PLANNED, ended("FAILED", 0.0))
    with pytest.raises(ImpossibleEvent, match="COMPLETED with score None"):
        folded(CREATED, PLANNED, ended("COMPLETED", None))


def test_a_run_is_created_once() -> None:
    created = RunCreated(1.0, "r", "0", {})
    with pytest.raises(ImpossibleEvent, match="twice"):
        folded(created, created)


@pytest.mark.parametrize(
    ("direction", "best", "order"),
    [(Direction.MAXIMIZE, 1, [1, 3, 0, 2]), (Direction.MINIMIZE, 2, [2, 0, 1, 3])],
)
def test_the_best_trial_follows_the_direction_and_ties_go_to_the_first(
    direction: Direction, best: int, order: list[int]
) -> None:
    state = completed([-1.0, 5.0, -2.0, 5.0], direction)
    assert state.best is not None
    assert state.best.id == best
    assert [trial.id for trial in state.ranked()] == order


def test_a_stopped_trial_keeps_its_last_score_but_is_not_the_best() -> None:
    state = folded(CREATED, PLANNED, ended("STOPPED", 0.9))
    assert state.trials[0].score == 0.9
    assert state.best is None


def test_an_attempt_is_asked_to_stop_once_and_the_next_one_is_not_asked() -> None:
    state = folded(CREATED, PLANNED, SUBMITTED, REPORTED, ASKED)
    assert state.trials[0].stop_reason == ASKED.reason
    with pytest.raises(ImpossibleEvent, match="twice"):
        state.apply(ASKED)
    state.apply_all([LOST, AttemptPlanned(5.0, 0, 2, Slot("cpu:1"))])
    assert state.trials[0].stop_reason == ""


@pytest.mark.parametrize("direction", Direction)
def test_of_a_stopped_trial_a_strategy_learns_the_estimate(direction: Direction) -> None:
    end = dataclasses.replace(ended("STOPPED", 0.5), estimate=0.75)
    state = folded(CREATED, PLANNED, end, direction=direction)
    assert state.told(state.trials[0]) == direction.merit(0.75)
    assert state.trials[0].score == 0.5
    failed = folded(CREATED, PLANNED, ended("FAILED", None), direction=direction)
    assert failed.told(failed.trials[0]) is None
    done = folded(CREATED, PLANNED, ended("COMPLETED", 0.5), direction=direction)
    assert done.told(done.trials[0]) == direction.merit(0.5)


def test_an_end_of_a_journal_without_estimates_is_read() -> None:
    kind, body = encode_event(ended("COMPLETED", 0.5))
    old = {name: value for name, value in json.loads(body).items() if name != "estimate"}
    assert decode_event(kind, json.dumps(old)) == ended("COMPLETED", 0.5)


def test_the_time_between_two_lives_is_no_work() -> None:
    state = folded(
        RunCreated(100.0, "r", "0", {}),
        dataclasses.replace(CREATED, at=110.0),
        RunResumed(5000.0, "0"),
        dataclasses.replace(PLANNED, at=5005.0),
        dataclasses.replace(SUBMITTED, at=4000.0),  # the clock was set back
    )
    assert state.active_seconds == 15.0


def test_statuses_that_are_final() -> None:
    assert {s for s in Status if s.is_final} == {Status.COMPLETED, Status.FAILED, Status.STOPPED}


@pytest.mark.parametrize(
    "event",
    [
        CREATED, PLANNED, SUBMITTED, REPORTED, ASKED, LOST, ended("FAILED", None),
        RunPaused(1.0, "a"), RunContinued(1.0, "a"), OptionsChanged(1.0, "a", {"round": 3}),
        ConfigurationsEnqueued(1.0, "a", ({"x": 1}, {"x": None})), NoteAdded(1.0, "a", 0, "good"),
        TrialsImported(1.0, "a", "t.csv", ({"params": {"x": 1}, "merit": None},)),
    ],
)  # fmt: skip
def test_events_survive_the_journal(event: Event) -> None:
    assert decode_event(*encode_event(event)) == event
    assert type(event).__name__ in KINDS


def test_trials_come_round_by_round() -> None:
    state = State()
    for trial, round_ in enumerate([1, 0, 1, 0]):
        state.apply(TrialCreated(1.0, trial, round_, trial, (0.5,), {"x": 1}, None))
    assert [trial.id for trial in state.by_round()] == [1, 3, 0, 2]


def test_the_newest_trials_are_those_of_the_latest_round() -> None:
    state = State()
    for trial, round_ in enumerate([1, 0, 1, 0]):
        state.apply(TrialCreated(1.0, trial, round_, trial, (0.5,), {"x": 1}, None))
    assert [trial.id for trial in state.newest_first()] == [2, 0, 3, 1]


def test_a_rank_is_final_once_all_repeats_have_ended() -> None:
    state = folded(RunCreated(1.0, "r", "0", {"repeats": 2}))
    for trial in (0, 1, 2):
        state.apply(TrialCreated(1.0, trial, 0, trial, (0.5,), {"x": 1}, None))
        state.apply(AttemptPlanned(1.0, trial, 1, Slot("a")))
    state.apply(ended("COMPLETED", 0.5, 0))
    assert not state.is_settled(0)
    state.apply(ended("FAILED", None, 1))
    assert state.is_settled(0)
    assert state.is_settled(1)
    state.apply(ended("COMPLETED", 0.5, 2))
    assert not state.is_settled(2)  # its repeat was not even created


def test_a_parent_was_created_before_so_that_no_chain_is_endless() -> None:
    for parent in (0, 1):
        with pytest.raises(ImpossibleEvent, match=f"trial 0 continues unknown trial {parent}"):
            folded(dataclasses.replace(CREATED, parent=parent))


@pytest.mark.parametrize("repeats", [0, -1, 1.5, "2", True, 10**9, None])
def test_a_number_of_repeats_that_cannot_be_is_refused(repeats: object) -> None:
    with pytest.raises(ImpossibleEvent, match="repeats is"):
        folded(RunCreated(1.0, "r", "0", {"repeats": repeats}))


def test_a_resumed_run_has_the_name_and_the_place_that_it_got() -> None:
    state = State()
    state.apply(RunCreated(1.0, "r", "0", {}, {"path": "/a"}))
    state.apply(RunResumed(2.0, "0"))
    assert (state.run, state.where) == ("r", {"path": "/a"})
    state.apply(RunResumed(3.0, "0", "copy", {"path": "/b"}))
    assert (state.run, state.where) == ("copy", {"path": "/b"})


def test_what_a_user_asked_for_is_no_work_and_a_pause_is_none() -> None:
    state = folded(
        RunCreated(100.0, "r", "0", {"round": 1, "seed": 2}),
        dataclasses.replace(CREATED, at=110.0),
        OptionsChanged(115.0, "a", {"round": 5}),
        dataclasses.replace(PLANNED, at=120.0),
        RunPaused(130.0, "b"),
        dataclasses.replace(SUBMITTED, at=500.0),
        RunContinued(1000.0, "c"),
        dataclasses.replace(REPORTED, at=1005.0),
        RunEnded(1010.0, "interrupted"),
        NoteAdded(9000.0, "d", 0, "good"),
    )
    assert state.active_seconds == 40.0
    assert state.config == {"round": 5, "seed": 2}
    assert state.requests == {"a", "b", "c", "d"}
    assert state.trials[0].notes == ("good",)
    assert not state.is_paused
    state.apply(RunPaused(9001.0, "e"))
    assert state.is_paused
    state.apply(RunResumed(9002.0, "0"))
    assert not state.is_paused


def test_a_note_on_an_unknown_trial_cannot_be() -> None:
    with pytest.raises(ImpossibleEvent, match="a note on unknown trial 0"):
        folded(NoteAdded(1.0, "a", 0, "x"))


def test_the_best_trial_has_its_notes() -> None:
    state = folded(CREATED, PLANNED, ended("COMPLETED", 0.5), NoteAdded(9.0, "a", 0, "x"))
    assert state.best is not None
    assert state.best == state.trials[0]
    assert state.best.notes == ("x",)
