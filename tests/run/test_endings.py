"""The consequences of a finished attempt for its trial and its slot."""

from __future__ import annotations

from pathlib import Path

import pytest

from autofinetune.config.safety import Safety
from autofinetune.config.scoring import Scoring, Values
from autofinetune.core.events import (
    AttemptLost,
    AttemptPlanned,
    Event,
    SlotQuarantined,
    TrialCreated,
    TrialEnded,
)
from autofinetune.core.slot import Slot
from autofinetune.core.state import State
from autofinetune.core.status import Direction
from autofinetune.executors import ExitRecord, JobState, Observation
from autofinetune.run.endings import Endings
from autofinetune.run.stopping import Stopping
from autofinetune.store.paths import RunPaths

SLOTS = (Slot("0", 1), Slot("0", 2), Slot("1"))
FINE = ExitRecord("exit", 0, 7.0)


def follows(
    root: Path,
    record: ExitRecord | None,
    finals: tuple[float, ...] = (0.5,),
    held: int = 0,
    *,
    was_moved: bool = False,
) -> list[Event]:
    """For the first trial of a run, started 60 seconds ago on the first slot."""
    state = State()
    state.apply(TrialCreated(100.0, 0, 0, 0, (0.5,), {"x": 1}, None))
    state.apply(AttemptPlanned(100.0, 0, 1, SLOTS[0]))
    stopping = Stopping(None, Direction.MAXIMIZE)
    endings = Endings(
        Safety(), Scoring(), RunPaths(root), state, lambda: SLOTS, stopping, lambda: 160.0
    )
    how = JobState.LOST if record is None else JobState.EXITED
    news = Observation((0, 1), how, (), record, held)
    return list(endings.of(news, Values(list(finals)), was_moved=was_moved))


@pytest.mark.parametrize("saved", [True, False])
def test_a_trial_that_reported_and_left_well_is_completed(tmp_path: Path, saved: bool) -> None:
    model = RunPaths(tmp_path).model(0, 0)
    model.mkdir(parents=True)
    if saved:
        (model / "weights").touch()
    ended = TrialEnded(160.0, 0, 1, "COMPLETED", "", 0.5, 7.0, saved)
    assert follows(tmp_path, FINE) == [ended]


def test_a_link_in_the_place_of_the_model_is_none(tmp_path: Path) -> None:
    model = RunPaths(tmp_path).model(0, 0)
    model.parent.mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "weights").touch()
    model.symlink_to(tmp_path / "elsewhere")
    (ended,) = follows(tmp_path, FINE)
    assert isinstance(ended, TrialEnded)
    assert not ended.has_model


def test_an_attempt_whose_runner_is_gone_does_not_count(tmp_path: Path) -> None:
    (lost,) = follows(tmp_path, None, finals=())
    assert lost == AttemptLost(160.0, 0, 1, "runner_lost")


def test_processes_that_stay_block_their_slot(tmp_path: Path) -> None:
    first, _ = follows(tmp_path, ExitRecord("exit", 0, 7.0, survivors=(41, 42)))
    reason = "processes of trial 0 cannot be killed: 41, 42"
    assert first == SlotQuarantined(160.0, Slot.read("0.1"), reason)


def test_memory_that_stays_blocks_the_card(tmp_path: Path) -> None:
    *blocked, _ = follows(tmp_path, FINE, held=3 << 30)
    reason = "3.0 GiB of the card's memory were not released after trial 0"
    assert blocked == [SlotQuarantined(160.0, Slot.read(slot), reason) for slot in ("0.1", "0.2")]


def test_the_wall_clock_tells_how_long_a_trial_without_record_took(tmp_path: Path) -> None:
    (ended,) = follows(tmp_path, None)
    assert isinstance(ended, TrialEnded)
    assert ended.seconds == 60.0


def test_a_failure_after_the_directory_was_moved_does_not_count(tmp_path: Path) -> None:
    failed = ExitRecord("exit", 1, 7.0)
    (ended,) = follows(tmp_path, failed, ())
    assert isinstance(ended, TrialEnded)
    assert follows(tmp_path, failed, (), was_moved=True) == [AttemptLost(160.0, 0, 1, "moved")]
    (ended,) = follows(tmp_path, failed, was_moved=True)
    assert isinstance(ended, TrialEnded)
    assert (ended.status, ended.score) == ("COMPLETED", 0.5)
