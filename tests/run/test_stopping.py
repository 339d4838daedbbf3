"""Early stopping: which trials are asked to stop, how they end, and what is learned from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from autofinetune.config.safety import Safety
from autofinetune.core.events import (
    AttemptLost,
    Event,
    Reported,
    RunEnded,
    StopRequested,
    TrialEnded,
)
from autofinetune.core.run_state import INTERRUPTED, TIMEOUT
from autofinetune.core.state import State, Trial
from autofinetune.core.status import Direction, Status
from autofinetune.executors import Attempt
from autofinetune.executors.base import Key
from autofinetune.executors.memory import MemoryExecutor, Played
from autofinetune.run.tuner import Tuner
from autofinetune.store.journal import MemoryJournal
from tests.helpers import Recorder, config_of, table, tuner_in_memory

GOOD = (0.1, 0.3, 0.5, 0.7, 0.8)
BAD = (0.0, 0.1, 0.15, 0.2, 0.2)


def played(scores: tuple[float, ...], **fields: Any) -> Played:
    return Played(scores[-1], seconds=len(scores), intermediate=scores, step_seconds=1.0, **fields)


def only_first_good(attempt: Attempt) -> Played:
    return played(GOOD if attempt.trial == 0 else BAD)


def tuner_of(
    root: Path,
    program: Callable[[Attempt], Played] = only_first_good,
    *,
    journal: MemoryJournal | None = None,
    recorder: Recorder | None = None,
    **fields: Any,
) -> Tuner:
    known: dict[str, Any] = {
        "evaluator": "fulltrail", "assessor": "medianstop", "schedule": "async",
        "assessor_options": {"min_completed": 1}, "popsize": 4, "round": 1,
    }  # fmt: skip
    config = config_of(**(known | fields))
    return tuner_in_memory(
        root, config, program=program, slots=["a"], journal=journal,
        sinks=[recorder] if recorder else [],
    )  # fmt: skip


def run(tuner: Tuner) -> State:
    tuner.start("run")
    return tuner.run()


def test_a_hopeless_trial_is_stopped_with_its_reason_and_its_last_score(tmp_path: Path) -> None:
    state = run(tuner_of(tmp_path))
    assert state.trials[0].status is Status.COMPLETED
    for trial in (state.trials[n] for n in (1, 2, 3)):
        assert trial.status is Status.STOPPED
        assert trial.reason == "assessor: worse than the median of 1 trials at step 0"
        assert trial.score == BAD[0]
        assert trial.seconds < len(BAD)
    assert state.best == state.trials[0]
    assert state.end_reason == "done"


def test_the_strategy_is_told_what_it_would_have_come_to(tmp_path: Path) -> None:
    tuner = tuner_of(tmp_path)
    told: list[float | None] = []
    inner = tuner._candidates.tell

    def note(trial: Trial, merit: float | None) -> None:
        told.append(merit)
        inner(trial, merit)

    tuner._candidates.tell = note  # type: ignore[method-assign]
    state = run(tuner)
    gain = GOOD[-1] - GOOD[0]
    assert told == pytest.approx([0.8, BAD[0] + gain, BAD[0] + gain, BAD[0] + gain])
    assert state.trials[1].estimate == pytest.approx(BAD[0] + gain)


def test_losses_are_stopped_the_same_way(tmp_path: Path) -> None:
    def program(attempt: Attempt) -> Played:
        return played(tuple(-s for s in (GOOD if attempt.trial == 0 else BAD)))

    state = run(tuner_of(tmp_path, program, direction=Direction.MINIMIZE))
    assert [state.trials[n].status for n in range(4)] == [Status.COMPLETED] + [Status.STOPPED] * 3
    assert state.trials[1].score == -BAD[0]
    assert state.trials[1].estimate == pytest.approx(-(BAD[0] + GOOD[-1] - GOOD[0]))


def test_a_stopped_trial_is_not_continued(tmp_path: Path) -> None:
    def program(attempt: Attempt) -> Played:
        model = Path(attempt.env["AUTOFINETUNE_SAVED_PARAMS_DIR"])
        (model / "weights").write_text("")
        return only_first_good(attempt)

    state = run(tuner_of(tmp_path, program, evaluator="populationbased", round=4))
    stopped = {t.id for t in state.trials.values() if t.status is Status.STOPPED}
    parents = {t.parent for t in state.trials.values() if t.parent is not None}
    assert stopped
    assert parents
    assert not stopped & parents


class Watched(MemoryExecutor):
    """Records when attempts are asked to stop and when they are cancelled."""

    def __init__(self, program: Callable[[Attempt], Played]) -> None:
        super().__init__(["a"], program)
        self.asked: dict[Key, float] = {}
        self.cancelled: dict[Key, float] = {}

    def request_stop(self, key: Key) -> None:
        self.asked[key] = self.now
        super().request_stop(key)

    def cancel(self, key: Key) -> None:
        self.cancelled[key] = self.now
        super().cancel(key)


@pytest.mark.parametrize("grace", [0.0, 3.0])
def test_who_does_not_stop_is_ended_within_the_grace(tmp_path: Path, grace: float) -> None:
    def stubborn(attempt: Attempt) -> Played:
        played_ = only_first_good(attempt)
        return Played(
            played_.final, 1000.0, 0, played_.intermediate, 1.0, stop_seconds=None
        ) if attempt.trial else played_  # fmt: skip

    tuner = tuner_of(tmp_path, stubborn, stop_grace=grace, popsize=2)
    tuner._executor = executor = Watched(stubborn)
    object.__setattr__(tuner._world, "monotonic", lambda: executor.now)
    state = run(tuner)
    assert executor.asked.keys() == {(1, 1)} == executor.cancelled.keys()
    waited = executor.cancelled[1, 1] - executor.asked[1, 1]
    assert grace <= waited <= grace + 1.0
    assert state.trials[1].status is Status.STOPPED


def test_a_result_after_the_request_is_one_of_half_a_training(tmp_path: Path) -> None:
    """The trial is slow to stop, keeps reporting, and even reports a final result."""

    def slow(attempt: Attempt) -> Played:
        return only_first_good(attempt) if attempt.trial == 0 else played(BAD, stop_seconds=None)

    recorder = Recorder()
    state = run(tuner_of(tmp_path, slow, recorder=recorder, popsize=2))
    trial = state.trials[1]
    assert (trial.status, trial.score) == (Status.STOPPED, BAD[-1])
    assert trial.estimate == pytest.approx(BAD[-1])  # nothing is left to gain
    assert sum(isinstance(event, StopRequested) for event in recorder.events) == 1
    assert sum(isinstance(e, Reported) and e.trial == 1 for e in recorder.events) == len(BAD)


def test_a_crash_after_the_request_is_a_stop(tmp_path: Path) -> None:
    def program(attempt: Attempt) -> Played:
        return played(GOOD) if attempt.trial == 0 else played(BAD, returncode=3)

    assert run(tuner_of(tmp_path, program)).counts[Status.STOPPED] == 3


def test_a_trial_that_reports_everything_with_its_end_is_not_stopped(tmp_path: Path) -> None:
    def at_once(attempt: Attempt) -> Played:
        scores = GOOD if attempt.trial == 0 else BAD
        return Played(scores[-1], 1.0, intermediate=scores)

    assert run(tuner_of(tmp_path, at_once)).counts[Status.COMPLETED] == 4


def test_a_trial_at_its_last_step_is_not_stopped(tmp_path: Path) -> None:
    options = {"min_completed": 1, "start_step": len(BAD)}
    assert run(tuner_of(tmp_path, assessor_options=options)).counts[Status.COMPLETED] == 4


@pytest.mark.parametrize("first", [0.05, math.inf])
def test_a_trial_without_a_number_has_diverged(tmp_path: Path, first: float) -> None:
    def program(attempt: Attempt) -> Played:
        return played(GOOD) if attempt.trial != 1 else played((first, math.nan, 0.3, 0.4))

    state = run(tuner_of(tmp_path, program, assessor_options={"min_completed": 4}))
    trial = state.trials[1]
    assert trial.status is Status.STOPPED
    assert trial.reason.startswith("diverged: the score at step")
    assert trial.score == (first if math.isfinite(first) else None)
    assert trial.estimate is None
    assert state.told(trial) is None


def test_without_an_assessor_nothing_is_stopped(tmp_path: Path) -> None:
    def program(attempt: Attempt) -> Played:
        return played((0.5, math.nan, 0.4))

    state = run(tuner_of(tmp_path, program, assessor="none", assessor_options={}))
    assert state.counts[Status.COMPLETED] == 4


def test_trials_that_continue_a_model_are_compared_among_themselves(tmp_path: Path) -> None:
    def program(attempt: Attempt) -> Played:
        (tmp_path / "any").touch()
        model = next(w for w in attempt.argv if w.startswith("--saved_params_dir=")).partition("=")
        (Path(model[2]) / "weights").touch()
        return played(GOOD if attempt.trial < 2 else BAD)

    tuner = tuner_of(
        tmp_path, program, evaluator="populationbased", popsize=2, round=2, schedule="round"
    )
    assert run(tuner).counts[Status.COMPLETED] == 4


def test_a_resumed_run_knows_who_was_asked_and_gives_the_same_table(tmp_path: Path) -> None:
    """The tuner is killed between any two writes."""

    class Batches(MemoryJournal):
        def append(self, events: Sequence[Event]) -> None:
            super().append(events)
            ends.append(len(self._rows))

    ends: list[int] = []
    whole = Batches()

    def program(attempt: Attempt) -> Played:
        return played(GOOD if attempt.trial % 3 == 0 else BAD, stop_seconds=0.5)

    fields: dict[str, Any] = {"popsize": 3, "round": 2, "schedule": "round"}
    wanted = table(run(tuner_of(tmp_path, program, journal=whole, **fields)))
    events = list(whole.events())
    assert [row[5] for row in wanted].count(Status.STOPPED) == 4
    estimates = {e.trial: e.estimate for e in events if isinstance(e, TrialEnded)}
    for cut in ends[:-1]:
        journal = MemoryJournal(events[:cut])
        again = tuner_of(tmp_path, program, journal=journal, **fields)
        again.resume()
        assert table(again.run()) == wanted, f"killed after event {cut}"
        found = {e.trial: e.estimate for e in journal.events() if isinstance(e, TrialEnded)}
        assert found == estimates
        asked = [e.trial for e in journal.events() if isinstance(e, StopRequested)]
        assert len(asked) == len(set(asked))


def test_a_trial_that_was_asked_is_asked_again_after_a_resume(tmp_path: Path) -> None:
    recorder = Recorder()
    run(tuner_of(tmp_path, recorder=recorder, popsize=2))
    asked = next(n for n, e in enumerate(recorder.events) if isinstance(e, StopRequested))

    def stubborn(attempt: Attempt) -> Played:
        return played(BAD * 20, stop_seconds=None)

    again = tuner_of(
        tmp_path, journal=MemoryJournal(recorder.events[: asked + 1]), popsize=2, stop_grace=4.0
    )
    again._executor = executor = Watched(stubborn)
    object.__setattr__(again._world, "monotonic", lambda: executor.now)
    again.resume()
    state = again.run()
    assert executor.asked.keys() == {(1, 1)} == executor.cancelled.keys()
    assert (state.trials[1].status, state.trials[1].attempt) == (Status.STOPPED, 1)


# --- the time limit of a run --------------------------------------------------------------------


def long(attempt: Attempt) -> Played:
    return Played(0.5, seconds=10.0, intermediate=(0.1,) * 9, step_seconds=1.0)


def test_when_the_time_is_over_no_trial_is_created_and_running_ones_finish(
    tmp_path: Path,
) -> None:
    tuner = tuner_of(tmp_path, long, assessor="none", assessor_options={}, max_seconds=25.0)
    state = run(tuner)
    assert state.end_reason == TIMEOUT
    assert len(state.trials) == state.counts[Status.COMPLETED] == 3


def test_or_running_ones_are_ended_and_can_be_run_again(tmp_path: Path) -> None:
    journal = MemoryJournal()
    fields: dict[str, Any] = {"assessor": "none", "assessor_options": {}, "on_timeout": "kill"}
    state = run(tuner_of(tmp_path, long, journal=journal, max_seconds=25.0, **fields))
    assert state.end_reason == TIMEOUT
    assert (state.counts[Status.COMPLETED], state.counts[Status.QUEUED]) == (2, 1)
    assert any(isinstance(e, AttemptLost) and e.reason == INTERRUPTED for e in journal.events())
    again = tuner_of(tmp_path, long, journal=journal, max_seconds=1000.0, **fields)
    again.resume()
    assert again.run().counts[Status.COMPLETED] == 4


def test_time_spent_in_earlier_lives_counts(tmp_path: Path) -> None:
    journal = MemoryJournal()
    run(tuner_of(tmp_path, long, journal=journal, assessor="none", assessor_options={}, round=1))
    again = tuner_of(
        tmp_path, long, journal=journal, assessor="none", assessor_options={}, round=2,
        max_seconds=5.0,
    )  # fmt: skip
    again.resume()
    state = again.run()
    assert (state.end_reason, len(state.trials)) == (TIMEOUT, 4)


def test_a_run_that_has_nothing_left_to_start_is_done_however_late(tmp_path: Path) -> None:
    fields: dict[str, Any] = {"assessor": "none", "assessor_options": {}}
    state = run(tuner_of(tmp_path, long, popsize=3, max_seconds=25.0, **fields))
    assert state.end_reason == "done"


# --- how a run ends -----------------------------------------------------------------------------


def test_a_stop_by_the_user_is_in_the_journal(tmp_path: Path) -> None:
    journal = MemoryJournal()
    tuner = tuner_of(tmp_path, journal=journal)
    tuner.interrupt()
    run(tuner)
    assert list(journal.events())[-1] == RunEnded(tuner._now() - 1.0, INTERRUPTED)


def test_an_error_is_in_the_journal_unless_the_run_is_over_or_not_begun(tmp_path: Path) -> None:
    journal = MemoryJournal()
    tuner = tuner_of(tmp_path, journal=journal)
    tuner.fail("too early")
    assert list(journal.events()) == []
    tuner.start("run")
    tuner.fail("the disk is gone")
    last = list(journal.events())[-1]
    assert isinstance(last, RunEnded)
    assert last.reason == "error: the disk is gone"
    done = tuner_of(tmp_path / "other")
    run(done)
    done.fail("too late")
    assert done.state.end_reason == "done"


# --- trials that are left out of comparisons ----------------------------------------------------


def test_what_failed_or_was_lost_is_no_measure(tmp_path: Path) -> None:
    """The first attempts report much better scores than all later ones, and then fail."""

    def program(attempt: Attempt) -> Played:
        if attempt.trial == 0:
            return Played(None, 3.0, 1, (9.0, 9.0), 1.0)
        if attempt.key == (1, 1):
            return Played(None, 3.0, -9, (9.0, 9.0), 1.0)
        return played(GOOD)

    safety = Safety(max_retries={"signal": 1})
    state = run(tuner_of(tmp_path, program, safety=safety))
    assert [state.trials[n].status for n in range(4)] == [Status.FAILED] + [Status.COMPLETED] * 3
    assert state.trials[1].lost == ("signal:9",)
