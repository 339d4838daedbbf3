"""Budgets and breakers: their reading, and what the tuner does with them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from autofinetune.config.described import describe, from_description
from autofinetune.config.option import RETRY_REASONS
from autofinetune.config.options import parts_of
from autofinetune.config.safety import Safety
from autofinetune.core.events import AttemptLost, AttemptPlanned, SlotQuarantined, TrialEnded
from autofinetune.core.state import SUSPECT_SLOT
from autofinetune.core.status import Status
from autofinetune.errors import DiskFull, EnvironmentProblem
from autofinetune.executors import Attempt
from autofinetune.executors.memory import MemoryExecutor, Played
from autofinetune.run.tuner import Tuner
from autofinetune.store.journal import MemoryJournal
from autofinetune.world import World
from tests.helpers import Clock, Recorder, config_of, play, table, told, tuner_in_memory, values_of


def read(**options: Any) -> Safety:
    safety = parts_of(values_of(gpu="0", **options))["safety"]
    assert isinstance(safety, Safety)
    return safety


# --- reading ------------------------------------------------------------------------------------


def test_the_defaults() -> None:
    safety = read()
    assert safety == Safety()
    assert safety.max_retries == {"runner_lost": 3}
    assert (safety.max_failures, safety.min_free_gb) == (3, 1.0)
    assert (safety.keep_models, safety.on_tuner_death) == ("all", "adopt")


def test_retries_by_reason_and_for_all() -> None:
    assert read(max_retries="oom:1,timeout:2").max_retries == {
        "runner_lost": 3,
        "oom": 1,
        "timeout": 2,
    }
    assert read(max_retries="2").max_retries == dict.fromkeys(RETRY_REASONS, 2)


@pytest.mark.parametrize(("text", "count"), [("all", None), ("best", 1), ("top:7", 7)])
def test_kept_models(text: str, count: int | None) -> None:
    assert read(keep_models=text).kept_models == count


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("max_retries", "oom", "pairs such as oom:1"),
        ("max_retries", "hunger:1", "of these reasons"),
        ("max_retries", "-1", "must be a number"),
        ("max_failures", "x", "whole number"),
        ("min_free_gb", "nan", "number of GiB"),
        ("min_free_gb", "-1", "number of GiB"),
        ("min_free_gpu_gb", "all", "number of GiB"),
        ("strict_exit", "perhaps", "true or false"),
        ("keep_models", "top:0", "all, best, or top:K"),
        ("keep_models", "some", "all, best, or top:K"),
        ("on_tuner_death", "panic", "use one of: adopt, kill"),
    ],
)
def test_mistakes(name: str, value: str, words: str) -> None:
    (mistake,) = told(**{name: value})
    assert mistake.startswith(f"--{name}={value} ")
    assert words in mistake


def test_it_survives_the_journal() -> None:
    safety = read(max_retries="oom:1", max_failures=7, keep_models="top:2", min_free_gb=0)
    assert from_description(describe(config_of(safety=safety))).safety == safety


# --- retries ------------------------------------------------------------------------------------


def run(
    root: Path, program: Callable[[Attempt], Played], recorder: Recorder, **options: Any
) -> Tuner:
    slots = options.pop("slots", ("a", "b"))
    config = config_of(safety=read(**{"max_failures": 0} | options))
    tuner = tuner_in_memory(root, config, program=program, sinks=[recorder], slots=slots)
    tuner.start("run")
    tuner.run()
    return tuner


def test_a_trial_is_tried_again_as_often_as_its_reason_allows(tmp_path: Path) -> None:
    def program(attempt: Attempt) -> Played:
        return Played(None, returncode=9) if attempt.trial == 4 else play(attempt)

    recorder = Recorder()
    tuner = run(tmp_path, program, recorder, max_retries="exit:2")
    trial = tuner.state.trials[4]
    assert (trial.status, trial.reason, trial.attempt) == (Status.FAILED, "exit:9", 3)
    assert [e.reason for e in recorder.events if isinstance(e, AttemptLost)] == ["exit:9"] * 2


def test_a_retry_that_succeeds_counts_like_any_trial(tmp_path: Path) -> None:
    def program(attempt: Attempt) -> Played:
        return Played(None, returncode=9) if attempt.attempt == 1 else play(attempt)

    tuner = run(tmp_path / "again", program, Recorder(), max_retries="1")
    whole = run(tmp_path / "again", play, Recorder())
    assert table(tuner.state) == table(whole.state)


# --- the breaker --------------------------------------------------------------------------------


def test_fast_failures_at_the_beginning_stop_the_run(tmp_path: Path) -> None:
    recorder = Recorder()
    tuner = run(tmp_path, lambda a: Played(None, returncode=1), recorder, max_failures=3)
    assert tuner.state.end_reason == "broken"
    assert 3 <= tuner.state.counts[Status.FAILED] <= 4  # one more was running


def test_a_run_whose_trials_are_all_over_is_done_however_they_ended(tmp_path: Path) -> None:
    count = len(run(tmp_path, play, Recorder()).state.trials)
    failing = run(
        tmp_path / "failing", lambda a: Played(None, returncode=1), Recorder(),
        max_failures=count, slots=("a",),
    )  # fmt: skip
    assert failing.state.counts[Status.FAILED] == count
    assert failing.state.end_reason == "done"


def test_after_a_success_it_takes_three_times_as_many(tmp_path: Path) -> None:
    def program(attempt: Attempt) -> Played:
        return play(attempt) if attempt.trial == 0 else Played(None, returncode=1)

    tuner = run(tmp_path, program, Recorder(), max_failures=2, slots=("a",))
    assert tuner.state.end_reason == "broken"
    assert tuner.state.counts[Status.FAILED] == 6


def test_slow_failures_and_failures_between_successes_do_not_stop_it(tmp_path: Path) -> None:
    def slow(attempt: Attempt) -> Played:
        return Played(None, returncode=1, seconds=60.0)

    assert run(tmp_path, slow, Recorder(), max_failures=2).state.end_reason == "done"

    def now_and_then(attempt: Attempt) -> Played:
        return play(attempt) if attempt.trial % 2 else Played(None, returncode=1)

    assert run(tmp_path, now_and_then, Recorder(), max_failures=2).state.end_reason == "done"


def test_a_broken_run_continues_once_its_cause_is_fixed(tmp_path: Path) -> None:
    config = config_of(safety=read(max_failures=2))
    journal = MemoryJournal()
    first = tuner_in_memory(
        tmp_path, config, journal=journal, program=lambda a: Played(None, returncode=1)
    )
    first.start("run")
    assert first.run().end_reason == "broken"
    again = tuner_in_memory(tmp_path, config, journal=journal)
    again.resume()
    state = again.run()
    assert state.end_reason == "done"
    assert state.counts[Status.COMPLETED] >= 6


# --- quarantine ---------------------------------------------------------------------------------


def sick(slot: str) -> Callable[[Attempt], Played]:
    def program(attempt: Attempt) -> Played:
        return Played(None, returncode=1) if attempt.slot == slot else play(attempt)

    return program


def test_a_slot_that_fails_fast_twice_gets_no_more_trials(tmp_path: Path) -> None:
    recorder = Recorder()
    tuner = run(tmp_path, sick("b"), recorder, slots=("a", "b", "c"))
    quarantined = [e for e in recorder.events if isinstance(e, SlotQuarantined)]
    assert [e.slot for e in quarantined] == ["b"]
    assert tuner.state.counts[Status.COMPLETED] == 8  # the first failure there counts
    after = recorder.events[recorder.events.index(quarantined[0]) :]
    assert not [e for e in after if isinstance(e, AttemptPlanned) and e.slot == "b"]
    lost = [e.reason for e in recorder.events if isinstance(e, AttemptLost)]
    assert lost == [SUSPECT_SLOT]


def test_a_candidate_that_fails_everywhere_is_not_the_devices_fault(tmp_path: Path) -> None:
    def program(attempt: Attempt) -> Played:
        return Played(None, returncode=1) if attempt.trial in (2, 4, 6) else play(attempt)

    recorder = Recorder()
    run(tmp_path, program, recorder, slots=("a", "b"))
    assert not [e for e in recorder.events if isinstance(e, SlotQuarantined)]


def test_one_slot_is_never_left_without_trials(tmp_path: Path) -> None:
    tuner = run(tmp_path, sick("a"), Recorder(), slots=("a",))
    assert tuner.state.counts[Status.FAILED] == 9


def test_a_sick_card_is_quarantined_with_all_its_places(tmp_path: Path) -> None:
    def program(attempt: Attempt) -> Played:
        failing = attempt.slot.startswith("0.") and attempt.trial > 1
        return Played(None, returncode=1) if failing else play(attempt)

    recorder = Recorder()
    places = ("0.1", "1.1", "0.2", "1.2")
    run(tmp_path, program, recorder, slots=places)
    found = [e for e in recorder.events if isinstance(e, SlotQuarantined)]
    quarantined = {str(e.slot): e.reason for e in found}
    assert quarantined.keys() == {"0.1", "0.2"}
    assert "failed there quickly and completed on 1." in quarantined["0.1"]
    avoided: dict[int, str] = {}
    for event in recorder.events:
        if isinstance(event, AttemptPlanned):
            assert avoided.get(event.trial) != event.slot[0]
        if isinstance(event, AttemptLost):
            avoided[event.trial] = "0"
    assert avoided


def test_on_a_crowded_card_only_the_failing_place_is_quarantined(tmp_path: Path) -> None:
    recorder = Recorder()
    run(tmp_path, sick("0.2"), recorder, slots=("0.1", "1.1", "0.2", "1.2"))
    assert [e.slot for e in recorder.events if isinstance(e, SlotQuarantined)] == ["0.2"]


def test_a_trial_that_completes_beside_where_it_failed_blames_nobody(tmp_path: Path) -> None:
    """The other card has no free slot left, so the trial returns to the one it avoids."""

    class Leased(MemoryExecutor):
        def obstacle(self, slot: str) -> str:
            return "leased" if slot == "1" and self.now > 1.5 else ""

    def program(attempt: Attempt) -> Played:
        failing = attempt.slot == "0.1" and attempt.attempt == 1
        return Played(None, returncode=1) if failing else Played(0.5)

    recorder = Recorder()
    tuner = tuner_in_memory(tmp_path, config_of(safety=read(max_failures=0)), sinks=[recorder])
    tuner._executor = Leased(["0.1", "1", "0.2"], program)
    tuner.start("run")
    tuner.run()
    assert [e.reason for e in recorder.events if isinstance(e, AttemptLost)] != []
    assert not [e for e in recorder.events if isinstance(e, SlotQuarantined)]


# --- pausing ------------------------------------------------------------------------------------


def paused_tuner(root: Path, world: World, journal: MemoryJournal | None = None) -> Tuner:
    tuner = tuner_in_memory(root, config_of(), journal=journal)
    tuner._world = world
    return tuner


def test_without_space_nothing_is_started_until_there_is_some(tmp_path: Path) -> None:
    free = iter([0.5] * 5 + [50.0] * 1000)
    said: list[str] = []
    tuner = paused_tuner(tmp_path, World(Clock(), lambda: next(free), said.append))
    tuner.start("run")
    state = tuner.run()
    assert state.counts[Status.COMPLETED] == 9
    assert said[0] == (
        "paused: 0.5 GiB of disk space is free, --min_free_gb=1; the run continues once there "
        "is space"
    )
    assert said[1] == "disk space is available again; continuing"
    assert len(said) == 2


class FullJournal(MemoryJournal):
    """A journal that fails some writes, as on a full disk."""

    def __init__(self, outcomes: Iterator[bool]) -> None:
        super().__init__()
        self._outcomes = outcomes

    def append(self, events: Any) -> None:
        if not next(self._outcomes):
            raise DiskFull("the journal cannot be written: database or disk is full")
        super().append(events)


def test_a_full_disk_pauses_the_run_at_every_write(tmp_path: Path) -> None:
    whole = tuner_in_memory(tmp_path, config_of())
    whole.start("run")
    wanted = table(whole.run())
    said: list[str] = []
    outcomes = (number % 3 == 2 for number in range(10**6))
    world = World(Clock(), notice=said.append)
    tuner = paused_tuner(tmp_path, world, FullJournal(outcomes))
    tuner.start("run")
    assert table(tuner.run()) == wanted
    assert all("disk is full" in sentence for sentence in said)


def test_the_user_can_stop_a_run_that_waits_for_space(tmp_path: Path) -> None:
    tuner = paused_tuner(tmp_path, World(Clock()), FullJournal(iter([True] + [False] * 1000)))
    tuner._world = dataclasses.replace(tuner._world, sleep=lambda seconds: tuner.interrupt())
    tuner.start("run")
    with pytest.raises(EnvironmentProblem, match="disk is full"):
        tuner.run()


def test_a_retried_trial_survives_a_kill_between_any_two_events(tmp_path: Path) -> None:
    def program(attempt: Attempt) -> Played:
        return Played(None, returncode=9) if attempt.attempt == 1 else play(attempt)

    recorder = Recorder()
    tuner = run(tmp_path, program, recorder, max_retries="1")
    wanted = table(tuner.state)
    for cut in range(1, len(recorder.events)):
        config = config_of(safety=read(max_failures=0, max_retries="1"))
        journal = MemoryJournal(recorder.events[:cut])
        again = tuner_in_memory(tmp_path, config, journal=journal, program=program)
        again.resume()
        assert table(again.run()) == wanted
        ended = [e.trial for e in journal.events() if isinstance(e, TrialEnded)]
        assert len(ended) == len(set(ended)) == 9
