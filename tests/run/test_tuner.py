"""The main loop of a run: order, resume after a kill between any two events, interruption."""

from __future__ import annotations

import dataclasses
import errno
import heapq
import itertools
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from autofinetune.config.config import OWN_OPTIONS
from autofinetune.config.safety import Safety
from autofinetune.core.events import (
    AttemptLost,
    AttemptPlanned,
    AttemptStarted,
    AttemptSubmitted,
    Event,
    Reported,
    RunEnded,
    RunResumed,
    TrialCreated,
    TrialEnded,
)
from autofinetune.core.run_state import INTERRUPTED, NO_SLOT
from autofinetune.core.state import State
from autofinetune.core.status import Direction, Status
from autofinetune.errors import DiskFull, EnvironmentProblem
from autofinetune.executors import Attempt, JobState, Observation
from autofinetune.executors.base import Handle
from autofinetune.executors.memory import MemoryExecutor, Played
from autofinetune.run import reports as reports_module
from autofinetune.run.tuner import RETRY_S
from autofinetune.sinks import SinkGuard
from autofinetune.store.journal import MemoryJournal
from autofinetune.world import World
from tests.helpers import (
    TYPICAL,
    Clock,
    Recorder,
    config_of,
    options_of,
    play,
    score_of,
    space_of,
    table,
    tuner_in_memory,
)

ROWS = [
    ("random", "fulltrail"),
    ("pshe2", "populationbased"),
    *(
        pytest.param(*row, marks=pytest.mark.slow)
        for row in (
            ("random", "populationbased"),
            ("pshe2", "fulltrail"),
            ("hazero", "fulltrail"),
            ("hazero", "populationbased"),
        )
    ),
]


def test_every_trial_runs_once_and_the_best_is_kept(tmp_path: Path) -> None:
    tuner = tuner_in_memory(tmp_path, config_of())
    tuner.start("run")
    state = tuner.run()
    assert state.counts[Status.COMPLETED] == 9
    assert state.end_reason == "done"
    assert state.best is not None
    assert state.best.score == max(t.score for t in state.trials.values() if t.score is not None)


@pytest.mark.parametrize(
    ("strategy", "evaluator", "exploit", "first"),
    [
        ("random", "fulltrail", "", 1),
        ("pshe2", "populationbased", "better_half", 1),
        pytest.param("hazero", "fulltrail", "", 1, marks=pytest.mark.slow),
        pytest.param("pshe2", "fulltrail", "", 1, marks=pytest.mark.slow),
        # Population training differs only in the first proposals: test one in three.
        ("random", "populationbased", "truncation", 1),
        pytest.param("hazero", "populationbased", "truncation", 2, marks=pytest.mark.slow),
        pytest.param("pshe2", "populationbased", "truncation", 3, marks=pytest.mark.slow),
        pytest.param("pshe2", "populationbased", "surrogate", 2, marks=pytest.mark.slow),
    ],
)
def test_resume_after_a_kill_between_any_two_events_gives_the_same_table(
    tmp_path: Path, strategy: str, evaluator: str, exploit: str, first: int
) -> None:
    config = config_of(tuning_strategy=strategy, evaluator=evaluator, round=4)
    config = dataclasses.replace(config, exploit=exploit or config.exploit)
    recorder = Recorder()
    tuner = tuner_in_memory(tmp_path / "whole", config, sinks=[recorder])
    tuner.start("run")
    wanted = table(tuner.run())
    assert len(recorder.events) > 40
    step = len(TYPICAL) if exploit in ("truncation", "surrogate") else 1
    for cut in range(first, len(recorder.events), step):
        journal = MemoryJournal(recorder.events[:cut])
        again = tuner_in_memory(tmp_path / "whole", config, journal=journal)
        again.resume()
        assert table(again.run()) == wanted, f"killed after event {cut}"


def test_a_strategy_that_names_parents_goes_on_with_them_after_a_kill(tmp_path: Path) -> None:
    config = config_of(tuning_strategy="pbt", strategy_options={"population_size": "3"}, round=4)
    recorder = Recorder()
    tuner = tuner_in_memory(tmp_path, config, sinks=[recorder])
    tuner.start("run")
    wanted = table(tuner.run())
    parents = [trial.parent for trial in tuner.state.trials.values()]
    assert parents[:3] == [None] * 3
    assert None not in parents[3:]
    for cut in range(1, len(recorder.events), 3):
        again = tuner_in_memory(tmp_path, config, journal=MemoryJournal(recorder.events[:cut]))
        again.resume()
        assert table(again.run()) == wanted, f"killed after event {cut}"


@pytest.mark.parametrize(("strategy", "evaluator"), ROWS)
def test_the_same_seed_gives_the_same_table_on_any_number_of_slots(
    tmp_path: Path, strategy: str, evaluator: str
) -> None:
    config = config_of(tuning_strategy=strategy, evaluator=evaluator, round=5)
    tables = []
    for slots in (["a"], ["a"], ["a", "b", "c", "d"]):
        tuner = tuner_in_memory(tmp_path, config, slots=slots)
        tuner.start("run")
        tables.append(table(tuner.run()))
    assert tables[0] == tables[1] == tables[2]


def test_a_finished_trial_is_not_run_again_after_a_resume(tmp_path: Path) -> None:
    config = config_of(evaluator="fulltrail")
    recorder = Recorder()
    tuner = tuner_in_memory(tmp_path, config, sinks=[recorder])
    tuner.start("run")
    tuner.run()
    ended = [i for i, e in enumerate(recorder.events) if isinstance(e, TrialEnded)][4]
    started: list[int] = []

    def note(attempt: Attempt) -> Played:
        started.append(attempt.trial)
        return play(attempt)

    journal = MemoryJournal(recorder.events[: ended + 1])
    finished = {e.trial for e in recorder.events[: ended + 1] if isinstance(e, TrialEnded)}
    again = tuner_in_memory(tmp_path, config, journal=journal, program=note)
    again.resume()
    again.run()
    assert finished.isdisjoint(started)
    assert sorted(finished | set(started)) == list(range(9))


def test_an_event_is_in_the_journal_before_a_sink_hears_of_it(tmp_path: Path) -> None:
    journal = MemoryJournal()

    class Checker(Recorder):
        def handle(self, event: object, state: object) -> None:
            assert event in list(journal.events())

    tuner = tuner_in_memory(tmp_path, config_of(), journal=journal, sinks=[Checker()])
    tuner.start("run")
    tuner.run()


def test_the_plan_is_durable_before_the_attempt_is_submitted(tmp_path: Path) -> None:
    journal = MemoryJournal()

    def check(attempt: Attempt) -> Played:
        planned = [(e.trial, e.attempt) for e in journal.events() if isinstance(e, AttemptPlanned)]
        assert attempt.key in planned
        return play(attempt)

    tuner = tuner_in_memory(tmp_path, config_of(), journal=journal, program=check)
    tuner.start("run")
    tuner.run()
    submitted = [e for e in journal.events() if isinstance(e, AttemptSubmitted)]
    assert len(submitted) == 9


def test_attempts_that_wait_in_a_queue_count_as_running_once_they_start(tmp_path: Path) -> None:
    journal = MemoryJournal()
    tuner = tuner_in_memory(tmp_path, config_of(), journal=journal, queue_s=3.0)
    tuner.start("run")
    state = tuner.run()
    started = [e.trial for e in journal.events() if isinstance(e, AttemptStarted)]
    assert sorted(started) == list(range(9))
    assert {trial.seconds for trial in state.trials.values()} == {1.0, 2.0, 3.0}  # as played
    assert state.counts[Status.COMPLETED] == 9


def test_an_end_and_what_is_started_in_its_place_are_one_look_at_the_disk(tmp_path: Path) -> None:
    batches: list[list[str]] = []

    class Counting(MemoryJournal):
        def append(self, events: Sequence[Event]) -> None:
            batches.append([type(e).__name__ for e in events if not isinstance(e, Reported)])
            super().append(events)

    config = config_of(popsize=2, round=2, schedule="async")
    tuner = tuner_in_memory(tmp_path, config, journal=Counting(), slots=["a"])
    tuner.start("run")
    tuner.run()
    ends = [batch for batch in batches if "TrialEnded" in batch]
    assert ends[:3] == [["TrialEnded", "TrialCreated", "AttemptPlanned"]] * 3
    assert ends[3:] == [["TrialEnded", "RunEnded"]]


def test_a_kill_before_the_end_is_durable_observes_it_again(tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    class Mortal(MemoryJournal):
        def append(self, events: Sequence[Event]) -> None:
            if any(isinstance(event, TrialEnded) for event in events):
                raise Killed
            super().append(events)

    config, ran = config_of(popsize=1, round=1), []

    def program(attempt: Attempt) -> Played:
        ran.append(attempt.key)
        return play(attempt)

    first = Mortal()
    tuner = tuner_in_memory(tmp_path, config, journal=first, program=program)
    tuner.start("run")
    with pytest.raises(Killed):
        tuner.run()
    again = MemoryJournal(list(first.events()))
    tuner = tuner_in_memory(tmp_path, config, journal=again, program=program)
    tuner.resume()
    tuner.run()
    assert sum(isinstance(event, TrialEnded) for event in again.events()) == 1


def test_what_was_observed_is_noted_when_an_error_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = MemoryJournal()
    tuner = tuner_in_memory(tmp_path, config_of(), journal=journal)
    tuner.start("run")

    def fail(*_: object) -> None:
        raise ArithmeticError("no such matrix")

    monkeypatch.setattr(tuner._candidates, "tell", fail)
    with pytest.raises(ArithmeticError):
        tuner.run()
    tuner.fail("no such matrix")
    kinds = [type(event) for event in journal.events()]
    assert kinds.count(TrialEnded) >= 1
    assert kinds[-1] is RunEnded


def test_a_slot_takes_the_next_candidate_the_moment_it_is_free(tmp_path: Path) -> None:
    lengths = [5.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    recorder = Recorder()

    def program(attempt: Attempt) -> Played:
        return Played(score_of(attempt), seconds=lengths[attempt.trial])

    config = config_of(popsize=6, round=1, evaluator="fulltrail")
    tuner = tuner_in_memory(tmp_path, config, program=program, sinks=[recorder])
    tuner.start("run")
    tuner.run()
    slots = {e.trial: e.slot for e in recorder.events if isinstance(e, AttemptPlanned)}
    assert [slots[trial] for trial in range(6)] == ["a", "b", "b", "b", "b", "b"]


@pytest.mark.parametrize(("strategy", "evaluator"), ROWS)
def test_without_rounds_a_killed_run_ends_with_every_trial_once(
    tmp_path: Path, strategy: str, evaluator: str
) -> None:
    config = config_of(
        tuning_strategy=strategy, evaluator=evaluator, round=5, schedule="async", popsize=2
    )
    recorder = Recorder()
    tuner = tuner_in_memory(tmp_path / "whole", config, sinks=[recorder])
    tuner.start("run")
    tuner.run()
    places = [(round_, member) for round_ in range(5) for member in range(2)]
    for cut in range(1, len(recorder.events), 3):
        journal = MemoryJournal(recorder.events[:cut])
        again = tuner_in_memory(tmp_path / "whole", config, journal=journal)
        again.resume()
        state = again.run()
        assert sorted((t.round, t.member) for t in state.trials.values()) == places
        assert state.counts[Status.COMPLETED] == 10


@pytest.mark.parametrize("slots", [2, 3, 7])
def test_without_rounds_no_slot_waits_while_there_are_trials_left(
    tmp_path: Path, slots: int
) -> None:
    """The run takes as long as a list schedule of the same trials."""
    rng = random.Random(slots)
    lengths = [rng.lognormvariate(0.0, 1.0) for _ in range(30)]

    def program(attempt: Attempt) -> Played:
        return Played(score_of(attempt), seconds=lengths[attempt.trial])

    config = config_of(popsize=3, round=10, evaluator="fulltrail", schedule="async")
    names = [f"slot{number}" for number in range(slots)]
    executor = MemoryExecutor(names, program)
    tuner = tuner_in_memory(tmp_path, config, slots=names)
    tuner._executor = executor
    tuner.start("run")
    tuner.run()
    free = [0.0] * slots
    for length in lengths:
        heapq.heappush(free, heapq.heappop(free) + length)
    assert executor.now == pytest.approx(max(free))


@pytest.mark.parametrize(("seconds", "most"), [(10.0, 1), (1e6, 0)])
def test_the_next_trial_is_chosen_ahead_where_choosing_is_slow_beside_training(
    tmp_path: Path, seconds: float, most: int
) -> None:
    config = config_of(evaluator="fulltrail", schedule="async", round=6)
    tuner = tuner_in_memory(
        tmp_path, config, program=lambda attempt: Played(score_of(attempt), seconds=seconds)
    )
    object.__setattr__(tuner._world, "monotonic", Clock())  # each ask takes one second
    queued: list[int] = []
    poll = tuner._executor.poll

    def count(wait_s: float) -> list[Observation]:
        queued.append(len(tuner.state.queued))
        return poll(wait_s)

    tuner._executor.poll = count  # type: ignore[method-assign]
    tuner.start("run")
    assert tuner.run().counts[Status.COMPLETED] == 18
    assert max(queued) == most
    assert not most or sum(queued) > len(queued) / 2


def test_no_more_trials_than_slots_run_at_once(tmp_path: Path) -> None:
    tuner = tuner_in_memory(tmp_path, config_of(popsize=7), slots=["a", "b", "c"])
    most = 0

    class Watch(Recorder):
        def handle(self, event: object, state: object) -> None:
            nonlocal most
            running = [tuner.state.trials[t] for t in tuner.state.running]
            most = max(most, len(running))
            assert len({trial.slot for trial in running}) == len(running)

    tuner._sinks._sinks.append(Watch())
    tuner.start("run")
    tuner.run()
    assert most == 3


@pytest.mark.parametrize("exploit", ["truncation", "better_half"])
def test_later_rounds_continue_saved_models(tmp_path: Path, exploit: str) -> None:
    seen: dict[int, dict[str, str]] = {}

    def note(attempt: Attempt) -> Played:
        seen[attempt.trial] = options_of(attempt)
        return play(attempt)

    config = config_of(script_options=("epochs", *OWN_OPTIONS), exploit=exploit)
    tuner = tuner_in_memory(tmp_path, config, program=note)
    tuner.start("run")
    state = tuner.run()
    for trial in state.trials.values():
        options = seen[trial.id]
        if trial.round == 0:
            assert trial.parent is None
            assert "model_path" not in options
            assert "epochs" not in options
        else:
            assert trial.parent is not None
            parent = state.trials[trial.parent]
            assert parent.round < trial.round
            assert options["model_path"].endswith(f"round{parent.round}/model-{parent.member}")
            assert options["epochs"] == "1"


def test_failed_trials_have_a_reason_and_no_score(tmp_path: Path) -> None:
    def program(attempt: Attempt) -> Played:
        if attempt.trial % 3 == 1:
            return Played(None, returncode=3)
        if attempt.trial % 3 == 2:
            return Played(float("nan"))
        return Played(-5.0 - attempt.trial)

    tuner = tuner_in_memory(tmp_path, config_of(), program=program)
    tuner.start("run")
    state = tuner.run()
    reasons = {t.reason for t in state.trials.values() if t.status is Status.FAILED}
    assert reasons == {"exit:3", "nan"}
    assert all(t.score is None for t in state.trials.values() if t.status is Status.FAILED)
    assert state.best is not None
    assert state.best.score == -5.0


def test_a_run_in_which_everything_fails_still_ends(tmp_path: Path) -> None:
    config = config_of(safety=Safety(max_failures=0))
    tuner = tuner_in_memory(tmp_path, config, program=lambda a: Played(None, returncode=1))
    tuner.start("run")
    state = tuner.run()
    assert state.counts[Status.FAILED] == 9
    assert state.best is None


def test_a_small_space_ends_the_run_when_it_is_used_up(tmp_path: Path) -> None:
    config = config_of(space_of("small"), popsize=2, round=5, evaluator="fulltrail")
    tuner = tuner_in_memory(tmp_path, config, program=lambda a: Played(0.5))
    tuner.start("run")
    state = tuner.run()
    assert state.end_reason == "exhausted"
    assert {t.params["x0"] for t in state.trials.values()} == {1, 2, 3}
    assert len(state.trials) == 3


@pytest.mark.parametrize(("seconds", "reason"), [(1.5, "timeout"), (2.5, "exhausted")])
def test_a_space_that_is_used_up_is_so_also_when_the_time_is_over(
    tmp_path: Path, seconds: float, reason: str
) -> None:
    config = config_of(
        space_of("small"), popsize=1, round=5, evaluator="fulltrail", max_seconds=seconds
    )
    tuner = tuner_in_memory(
        tmp_path, config, program=lambda a: Played(0.5, seconds=1.0), slots=["a"]
    )
    tuner.start("run")
    assert tuner.run().end_reason == reason


@pytest.mark.parametrize(("direction", "target"), [("maximize", 0.3), ("minimize", -0.3)])
def test_a_score_that_is_good_enough_ends_the_run(
    tmp_path: Path, direction: str, target: float
) -> None:
    sign = 1 if direction == "maximize" else -1
    config = config_of(target_score=target, direction=Direction(direction))
    tuner = tuner_in_memory(
        tmp_path, config, program=lambda a: Played(sign * a.trial / 10), slots=("a",)
    )
    tuner.start("run")
    state = tuner.run()
    assert state.end_reason == "target"
    assert len(state.trials) == 4


def test_a_number_of_trials_goes_before_rounds(tmp_path: Path) -> None:
    config = config_of(max_trials=4, round=2, evaluator="fulltrail")
    tuner = tuner_in_memory(tmp_path, config)
    tuner.start("run")
    assert len(tuner.run().trials) == 4


def test_one_interrupt_lets_running_trials_finish(tmp_path: Path) -> None:
    def program(attempt: Attempt) -> Played:
        if attempt.trial == 3:
            tuner.interrupt()
        return play(attempt)

    tuner = tuner_in_memory(tmp_path, config_of(), program=program)
    tuner.start("run")
    state = tuner.run()
    assert not state.running
    assert 4 <= state.counts[Status.COMPLETED] < 9
    assert tuner.interrupted


def test_two_interrupts_end_running_trials_and_resume_runs_them_again(tmp_path: Path) -> None:
    whole = tuner_in_memory(tmp_path / "whole", config_of())
    whole.start("run")
    wanted = table(whole.run())

    def program(attempt: Attempt) -> Played:
        if attempt.trial == 4:
            tuner.interrupt()
            tuner.interrupt()
        return play(attempt)

    journal = MemoryJournal()
    tuner = tuner_in_memory(tmp_path / "cut", config_of(), journal=journal, program=program)
    tuner.start("run")
    state = tuner.run()
    assert not state.running
    assert state.queued
    again = tuner_in_memory(tmp_path / "cut", config_of(), journal=journal)
    again.resume()
    assert table(again.run()) == wanted


def test_resume_of_a_finished_run_does_nothing(tmp_path: Path) -> None:
    journal = MemoryJournal()
    tuner = tuner_in_memory(tmp_path, config_of(), journal=journal)
    tuner.start("run")
    wanted = table(tuner.run())
    again = tuner_in_memory(tmp_path, config_of(), journal=journal)
    again.resume()
    assert table(again.run()) == wanted
    assert sum(isinstance(e, RunEnded) for e in journal.events()) == 2


def test_a_journal_of_another_strategy_version_is_refused(tmp_path: Path) -> None:
    journal = MemoryJournal()
    tuner = tuner_in_memory(tmp_path, config_of(), journal=journal)
    tuner.start("run")
    tuner.run()
    events = list(journal.events())
    first = next(i for i, e in enumerate(events) if isinstance(e, TrialCreated))
    damaged = events[first]
    assert isinstance(damaged, TrialCreated)
    events[first] = TrialCreated(1.0, 0, 0, 2, damaged.point, damaged.params, None)
    again = tuner_in_memory(tmp_path, config_of(), journal=MemoryJournal(events))
    with pytest.raises(EnvironmentProblem, match="does not fit the strategy"):
        again.resume()


def test_what_a_lost_attempt_saved_is_no_model_of_the_next(tmp_path: Path) -> None:
    config = config_of(popsize=1, round=1)
    recorder = Recorder()
    tuner = tuner_in_memory(tmp_path, config, sinks=[recorder], program=lambda a: Played(0.1))
    stale = tuner.paths.model(0, 0)
    stale.mkdir(parents=True)
    (stale / "old").write_text("old")
    tuner.start("run")
    state = tuner.run()
    assert not state.trials[0].has_model
    assert list(stale.iterdir()) == []


def test_intermediate_reports_are_stored_once_even_after_a_resume(tmp_path: Path) -> None:
    recorder = Recorder()
    config = config_of(popsize=2, round=1)
    tuner = tuner_in_memory(tmp_path, config, sinks=[recorder])
    tuner.start("run")
    assert all(t.reports == 2 for t in tuner.run().trials.values())
    for cut in range(1, len(recorder.events)):
        journal = MemoryJournal(recorder.events[:cut])
        again = tuner_in_memory(tmp_path, config, journal=journal)
        again.resume()
        assert all(t.reports == 2 for t in again.run().trials.values())


@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_lies_in_place_of_a_model_makes_room(tmp_path: Path, kind: str) -> None:
    tuner = tuner_in_memory(tmp_path, config_of(popsize=1, round=1))
    model, other = tuner.paths.model(0, 0), tmp_path / "other"
    model.parent.mkdir(parents=True)
    other.mkdir()
    (other / "mine").touch()
    if kind == "file":
        model.touch()
    else:
        model.symlink_to(other)
    tuner.start("run")
    assert tuner.run().trials[0].has_model
    assert [path.name for path in model.iterdir()] == ["weights"]
    assert [path.name for path in other.iterdir()] == ["mine"]


def replace_by_link(model: Path) -> None:
    (model.parent / "elsewhere").mkdir()
    (model.parent / "elsewhere/weights").touch()
    model.rmdir()
    model.symlink_to(model.parent / "elsewhere")


@pytest.mark.parametrize("change", [Path.rmdir, replace_by_link])
def test_a_model_that_is_gone_or_elsewhere_is_none(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    def program(attempt: Attempt) -> Played:
        change(Path(options_of(attempt)["saved_params_dir"]))
        return Played(0.5)

    tuner = tuner_in_memory(tmp_path, config_of(popsize=1, round=1), program=program)
    tuner.start("run")
    state = tuner.run()
    assert state.trials[0].status is Status.COMPLETED
    assert not state.trials[0].has_model


def test_a_run_ends_when_no_slot_is_left(tmp_path: Path) -> None:
    class Keeping(MemoryExecutor):
        """No card releases its memory."""

        def poll(self, wait_s: float) -> list[Observation]:
            return [dataclasses.replace(news, held_bytes=1) for news in super().poll(wait_s)]

    tuner = tuner_in_memory(tmp_path, config_of())
    tuner._executor = Keeping(["a", "b"], play)
    tuner.start("run")
    state = tuner.run()
    assert state.end_reason == NO_SLOT
    assert state.quarantined.keys() == {"a", "b"}
    assert state.counts[Status.COMPLETED] == 2


def test_memory_that_stays_ends_the_use_of_its_card_only(tmp_path: Path) -> None:
    class Keeping(MemoryExecutor):
        """One card does not release its memory after its second trial."""

        def poll(self, wait_s: float) -> list[Observation]:
            return [
                dataclasses.replace(news, held_bytes=1) if news.key[0] == 1 else news
                for news in super().poll(wait_s)
            ]

    recorder = Recorder()
    tuner = tuner_in_memory(tmp_path, config_of(), sinks=[recorder])
    tuner._executor = Keeping(["0.1", "1.1", "0.2", "1.2"], play)
    tuner.start("run")
    state = tuner.run()
    assert state.counts[Status.COMPLETED] == 9
    assert state.quarantined.keys() == {"1.1", "1.2"}
    assert len(set(state.quarantined.values())) == 1


def test_a_process_that_stays_ends_the_use_of_its_place_only(tmp_path: Path) -> None:
    class Stuck(MemoryExecutor):
        """The first trial cannot be killed."""

        def poll(self, wait_s: float) -> list[Observation]:
            return [
                dataclasses.replace(news, exit=dataclasses.replace(news.exit, survivors=(4,)))
                if news.key[0] == 0 and news.exit
                else news
                for news in super().poll(wait_s)
            ]

    tuner = tuner_in_memory(tmp_path, config_of())
    tuner._executor = Stuck(["0.1", "0.2"], play)
    tuner.start("run")
    assert tuner.run().quarantined.keys() == {"0.1"}


def test_whether_a_second_trial_fits_is_asked_when_the_first_one_runs(tmp_path: Path) -> None:
    class Small(MemoryExecutor):
        """A card has room for one trial at a time."""

        most = 0

        def obstacle(self, slot: str) -> str:
            return "full" if self._jobs else ""

        def submit(self, attempt: Attempt) -> Handle:
            handle = super().submit(attempt)
            self.most = max(self.most, len(self._jobs))
            return handle

    executor = Small(["0.1", "0.2"], play)
    tuner = tuner_in_memory(tmp_path, config_of())
    tuner._executor = executor
    notices: list[str] = []
    tuner._world = World(Clock(), notice=notices.append)
    tuner.start("run")
    assert tuner.run().counts[Status.COMPLETED] == 9
    assert executor.most == 1
    assert notices == ["slot 0.2 waits: full"]


def test_a_slot_with_an_obstacle_waits_and_that_is_told_once(tmp_path: Path) -> None:
    class Leased(MemoryExecutor):
        """The first slot is in use by others for four checks."""

        looks = 0

        def obstacle(self, slot: str) -> str:
            self.looks += slot == "a"
            return "it is leased" if slot == "a" and self.looks <= 4 else ""

    recorder = Recorder()
    tuner = tuner_in_memory(tmp_path, config_of(), sinks=[recorder])
    tuner._executor = Leased(["a", "b"], play)
    notices: list[str] = []
    tuner._world = World(Clock(), notice=notices.append)
    tuner.start("run")
    assert tuner.run().counts[Status.COMPLETED] == 9
    assert notices == ["slot a waits: it is leased", "slot a can be used again"]
    slots = [event.slot for event in recorder.events if isinstance(event, AttemptPlanned)]
    assert slots[0] == "b"
    assert "a" in slots


class Refusing(MemoryExecutor):
    """No attempt can be started; `then` is called each time."""

    code = errno.EAGAIN
    then: Callable[[], None] = staticmethod(lambda: None)

    def submit(self, attempt: Attempt) -> Handle:
        self.then()
        raise OSError(self.code, "refused")


def test_an_error_that_will_not_pass_ends_the_run(tmp_path: Path) -> None:
    tuner = tuner_in_memory(tmp_path, config_of())
    tuner._executor = executor = Refusing(["a"], play)
    executor.code = errno.EPERM
    tuner.start("run")
    with pytest.raises(PermissionError):
        tuner.run()


def test_whoever_does_not_wait_for_room_may_stop(tmp_path: Path) -> None:
    journal = MemoryJournal()
    tuner = tuner_in_memory(tmp_path, config_of(), journal=journal)
    tuner._executor = executor = Refusing(["a"], play)
    executor.then = tuner.interrupt
    tuner.start("run")
    state = tuner.run()
    assert not state.running
    assert state.trials[0].status is Status.QUEUED
    lost = [event.reason for event in journal.events() if isinstance(event, AttemptLost)]
    assert lost == [INTERRUPTED]
    again = tuner_in_memory(tmp_path, config_of(), journal=journal)
    again.resume()
    assert again.run().counts[Status.COMPLETED] == 9


def test_what_cannot_be_started_yet_is_started_later_and_that_is_told_once(
    tmp_path: Path,
) -> None:
    tries = itertools.count()

    class Crowded(MemoryExecutor):
        """Every third try has room for an attempt."""

        def submit(self, attempt: Attempt) -> Handle:
            if next(tries) % 3 < 2:
                raise OSError(errno.EAGAIN, "refused")
            return super().submit(attempt)

    recorder = Recorder()
    notices: list[str] = []
    tuner = tuner_in_memory(tmp_path, config_of(popsize=2, round=1), sinks=[recorder])
    tuner._executor = Crowded(["a"], play)
    tuner._world = World(Clock(), notice=notices.append)
    tuner.start("run")
    assert tuner.run().counts[Status.COMPLETED] == 2
    assert [notice.partition(":")[0] for notice in notices] == ["paused", "paused"]
    assert all("refused" in notice for notice in notices)
    planned = [event.trial for event in recorder.events if isinstance(event, AttemptPlanned)]
    assert planned == [0, 1]


@pytest.mark.parametrize("nni_wire", [False, True])
def test_an_attempt_is_told_who_it_is_and_what_to_train(tmp_path: Path, nni_wire: bool) -> None:
    seen: list[Attempt] = []

    def look(attempt: Attempt) -> Played:
        seen.append(attempt)
        return Played(final=1.0)

    config = config_of(popsize=1, round=1, nni_wire=nni_wire)
    tuner = tuner_in_memory(tmp_path, config, program=look)
    tuner.start("r1")
    params = tuner.run().trials[0].params
    (attempt,) = seen
    assert attempt.nni_wire == nni_wire
    assert json.loads(attempt.env["AUTOFINETUNE_PARAMS"]) == params
    assert attempt.env == {
        "AUTOFINETUNE_PARAMS": attempt.env["AUTOFINETUNE_PARAMS"],
        "AUTOFINETUNE_PARAMS_FILE": "",
        "AUTOFINETUNE_MODEL_PATH": "",
        "AUTOFINETUNE_RUN": "r1",
        "AUTOFINETUNE_TRIAL": "0",
        "AUTOFINETUNE_ROUND": "0",
        "AUTOFINETUNE_MEMBER": "0",
        "AUTOFINETUNE_SAVED_PARAMS_DIR": str(tmp_path / "round0/model-0"),
        "AUTOFINETUNE_DIRECTION": "maximize",
    }


def test_a_report_before_the_end_is_recorded_before_the_end(tmp_path: Path) -> None:
    class Live(MemoryExecutor):
        """Return the reports of an attempt first, and its end at the next poll."""

        def __init__(self) -> None:
            super().__init__(["a"], play)
            self.ends: list[Observation] = []

        def poll(self, wait_s: float) -> list[Observation]:
            if self.ends:
                return [self.ends.pop()]
            news = super().poll(wait_s)
            self.ends = [dataclasses.replace(one, reports=()) for one in news]
            return [dataclasses.replace(one, state=JobState.RUNNING, exit=None) for one in news]

    recorder = Recorder()
    tuner = tuner_in_memory(tmp_path, config_of(popsize=1, round=1), sinks=[recorder])
    tuner._executor = Live()
    tuner.start("run")
    trial = tuner.run().trials[0]
    assert (trial.status, trial.reports) == (Status.COMPLETED, 2)
    kinds = [type(event).__name__ for event in recorder.events]
    assert kinds[-4:] == ["Reported", "Reported", "TrialEnded", "RunEnded"]


def test_an_attempt_without_a_runner_is_run_again_and_then_lasts_by_the_clock(
    tmp_path: Path,
) -> None:
    class Losing(MemoryExecutor):
        """Every runner is lost."""

        def poll(self, wait_s: float) -> list[Observation]:
            return [
                dataclasses.replace(one, state=JobState.LOST, exit=None, reports=())
                for one in super().poll(wait_s)
            ]

    config = config_of(popsize=1, round=1, safety=Safety(max_retries={"runner_lost": 2}))
    tuner = tuner_in_memory(tmp_path, config)
    tuner._executor = Losing(["a"], play)
    tuner.start("run")
    trial = tuner.run().trials[0]
    assert (trial.status, trial.reason) == (Status.FAILED, "runner_lost")
    assert (trial.attempt, trial.lost) == (3, ("runner_lost", "runner_lost"))
    assert trial.seconds is not None
    assert trial.seconds >= 1.0  # the test clock advances by that at each poll


class Behind(Recorder):
    """Has something left to write for three flushes after the end of the run."""

    left = 3

    def flush(self, state: State) -> None:
        self.left -= state.end_reason is not None

    @property
    def is_behind(self) -> bool:  # type: ignore[override]
        return self.left > 0


def test_the_end_waits_for_sinks_that_are_behind(tmp_path: Path) -> None:
    tuner = tuner_in_memory(tmp_path, config_of())
    sink, slept = Behind(), list[float]()
    tuner._sinks = SinkGuard([sink], lambda sentence: None)
    notices: list[str] = []
    tuner._world = World(Clock(), sleep=slept.append, notice=notices.append)
    tuner.start("run")
    tuner.run()
    assert sink.left == 0
    assert notices == ["Behind still writing the last results ..."]
    assert slept == [RETRY_S, RETRY_S]


class Working(Behind):
    """Does that in the background, and can be waited for."""

    def wait(self, seconds: float) -> bool:
        return self.is_behind


def test_who_works_in_the_background_is_waited_for_without_a_pause(tmp_path: Path) -> None:
    tuner = tuner_in_memory(tmp_path, config_of())
    sink, slept = Working(), list[float]()
    tuner._sinks = SinkGuard([sink], lambda sentence: None)
    tuner._world = World(Clock(), sleep=slept.append)
    tuner.start("run")
    tuner.run()
    assert sink.left == 0
    assert slept == []


def test_an_interrupt_ends_the_wait_for_sinks(tmp_path: Path) -> None:
    tuner = tuner_in_memory(tmp_path, config_of())
    sink = Behind()
    sink.left = 1000
    tuner._sinks = SinkGuard([sink], lambda sentence: None)
    tuner._world = World(Clock(), sleep=lambda seconds: tuner.interrupt())
    tuner.start("run")
    assert tuner.run().end_reason == "done"
    assert sink.left == 998


class FullAtTheEnd(MemoryJournal):
    """Has no room for the end of the run at first."""

    has_room = False

    def append(self, events: Sequence[Event]) -> None:
        if not self.has_room and any(isinstance(event, RunEnded) for event in events):
            raise DiskFull("the disk is full")
        super().append(events)


def test_who_stops_a_run_does_not_wait_for_the_room_to_note_its_end(tmp_path: Path) -> None:
    first = MemoryJournal()
    whole = tuner_in_memory(tmp_path, config_of(), journal=first)
    whole.start("run")
    whole.run()
    events = [event for event in first.events() if not isinstance(event, RunEnded)]
    recorder, notices = Recorder(), list[str]()
    tuner = tuner_in_memory(tmp_path, config_of(), journal=FullAtTheEnd(events), sinks=[recorder])
    tuner._world = World(Clock(), notice=notices.append, sleep=lambda seconds: tuner.interrupt())
    tuner.resume()
    state = tuner.run()
    assert table(state) == table(whole.state)
    assert state.end_reason is None
    (notice,) = notices
    assert "the disk is full" in notice
    assert not any(isinstance(event, RunEnded) for event in recorder.events)


@pytest.mark.parametrize("stops", [False, True])
def test_a_result_that_cannot_be_noted_is_not_passed_over(tmp_path: Path, stops: bool) -> None:
    """The last end is noted together with that of the run."""
    journal = FullAtTheEnd()
    tuner = tuner_in_memory(tmp_path, config_of(), journal=journal)

    def wait(seconds: float) -> None:
        if stops:
            tuner.interrupt()
        else:
            journal.has_room = True

    tuner._world = World(Clock(), sleep=wait)
    tuner.start("run")
    if stops:
        with pytest.raises(DiskFull):
            tuner.run()
    else:
        assert tuner.run().end_reason == "done"
    assert sum(isinstance(event, TrialEnded) for event in journal.events()) == (8 if stops else 9)


def test_a_copy_goes_on_under_a_name_of_its_own(tmp_path: Path) -> None:
    recorder, config = Recorder(), config_of(popsize=2, round=1)
    tuner = tuner_in_memory(tmp_path, config, sinks=[recorder])
    tuner.start("run")
    tuner.run()
    journal = MemoryJournal(recorder.events[:5])
    again = tuner_in_memory(tmp_path, config, journal=journal)
    again.resume(lambda state: f"copy-of-{state.run}")
    assert again.state.run == "copy-of-run"
    (resumed,) = [event for event in journal.events() if isinstance(event, RunResumed)]
    assert (resumed.run, resumed.where) == ("copy-of-run", again.paths.where)
    assert table(again.run()) == table(tuner.state)


def test_that_more_reports_are_not_taken_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports_module, "MOST_REPORTS", 1)
    told: list[str] = []
    tuner = tuner_in_memory(tmp_path, config_of(popsize=1, round=1))
    tuner._world = dataclasses.replace(tuner._world, notice=told.append)
    tuner.start("run")
    tuner.run()
    assert told == [
        "trial 0 reported 1 intermediate scores; further ones are not recorded, but its final "
        "score is"
    ]
