"""A moved run stays the same run; a copy is another one."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from autofinetune.core.events import AttemptPlanned, RunCreated, RunResumed, TrialCreated
from autofinetune.core.slot import Slot
from autofinetune.core.state import State
from autofinetune.errors import DirectoryBusy
from autofinetune.run.whereabouts import Whereabouts, new_name, own_name
from autofinetune.runner.files import LOCK, try_lock
from autofinetune.runner.processes import MARK_VARIABLE
from autofinetune.store.paths import RunPaths, opened_run


@pytest.fixture
def paths(tmp_path: Path) -> Iterator[RunPaths]:
    (tmp_path / "result").mkdir()
    (tmp_path / "result").chmod(0o700)
    with opened_run(tmp_path / "result") as made:
        yield made


def state_of(where: Mapping[str, Any], run: str = "run") -> State:
    """A run with one running attempt."""
    state = State()
    state.apply(RunCreated(0.0, run, "1", {}, where))
    state.apply(TrialCreated(0.0, 0, 0, 0, (), {}, None))
    state.apply(AttemptPlanned(0.0, 0, 1, Slot("a")))
    return state


def test_a_run_keeps_its_name_where_it_is_and_where_it_is_moved_to(paths: RunPaths) -> None:
    state = state_of(paths.where)
    assert own_name(paths, state) == "run"
    paths.at.rename(paths.at.with_name("moved"))
    assert own_name(paths, state) == "run"
    assert paths.root.name == "moved"
    assert Path(str(paths.where["path"])).name == "moved"


def test_a_shared_directory_has_another_device_on_another_machine(paths: RunPaths) -> None:
    assert own_name(paths, state_of({**paths.where, "device": 1})) == "run"


def test_a_copy_gets_a_new_name_and_keeps_it(paths: RunPaths) -> None:
    shutil.copytree(paths.at, paths.at.with_name("copy"))
    copy, state = RunPaths(paths.at.with_name("copy")), state_of(paths.where)
    name = own_name(copy, state)
    assert name != "run"
    state.apply(RunResumed(1.0, "1", name, copy.where))
    assert own_name(copy, state) == state.run == name
    assert len({new_name() for _ in range(100)}) == 100


def test_what_was_brought_waits_for_trials_that_run_elsewhere(paths: RunPaths) -> None:
    run = new_name()
    state = state_of({"path": "/nowhere", "device": 1, "inode": 2}, run)
    assert own_name(paths, state) != run
    environ = {**os.environ, MARK_VARIABLE: f"{run}/0/1"}
    with subprocess.Popen(["sleep", "1000"], env=environ) as left:
        with pytest.raises(DirectoryBusy, match=f"processes {left.pid}"):
            own_name(paths, state)
        left.kill()


@pytest.mark.parametrize("path", [None, "\0", "", 5])
def test_a_place_that_cannot_be_is_none(paths: RunPaths, path: object) -> None:
    state = state_of({"path": path, "device": 1, "inode": 2})
    assert own_name(paths, state) != "run"


def test_before_places_were_recorded_a_held_lock_tells_the_original(paths: RunPaths) -> None:
    state = state_of({})
    assert own_name(paths, state) != "run"
    directory = paths.attempt_dir(0, 1)
    directory.mkdir(parents=True)
    assert own_name(paths, state) != "run"
    lock = try_lock(str(directory / LOCK))
    assert lock is not None
    assert own_name(paths, state) == "run"
    os.close(lock)
    assert own_name(paths, state) != "run"


def test_trials_that_run_are_led_until_they_are_over(paths: RunPaths) -> None:
    told: list[str] = []
    whereabouts, before = Whereabouts(paths, told.append), paths.at
    whereabouts.look([(0, 1), (1, 1)])
    assert (told, whereabouts.moved) == ([], set())
    moved = before.rename(before.with_name("moved"))
    whereabouts.look([(0, 1), (1, 1)])
    assert told == [f"the output directory was moved from {before}; continuing in {moved}"]
    assert whereabouts.moved == {(0, 1), (1, 1)}
    (before / "file").touch()
    assert (moved / "file").exists()
    whereabouts.look([(1, 1), (2, 1)])
    assert before.is_symlink()
    whereabouts.look([(2, 1)])
    assert not before.is_symlink()
    assert len(told) == 1


def test_nobody_is_led_where_nothing_runs_or_something_else_lies(paths: RunPaths) -> None:
    told: list[str] = []
    whereabouts, before = Whereabouts(paths, told.append), paths.at
    moved = before.rename(before.with_name("moved"))
    whereabouts.look([])
    assert not os.path.lexists(before)
    moved.rename(before)
    (moved).mkdir()
    whereabouts.look([(0, 1)])
    whereabouts.look([])
    assert moved.is_dir() and not moved.is_symlink()
    assert len(told) == 2


def test_what_took_the_place_of_the_link_stays(paths: RunPaths) -> None:
    whereabouts, before = Whereabouts(paths, lambda sentence: None), paths.at
    before.rename(before.with_name("moved"))
    whereabouts.look([(0, 1)])
    before.unlink()
    before.mkdir()
    whereabouts.look([])
    assert before.is_dir()


def test_a_directory_that_was_deleted_was_not_moved(paths: RunPaths) -> None:
    told: list[str] = []
    whereabouts = Whereabouts(paths, told.append)
    paths.at.rmdir()
    whereabouts.look([(0, 1)])
    assert told == []


def test_where_a_run_was_when_it_was_left_counts(paths: RunPaths) -> None:
    told: list[str] = []
    whereabouts = Whereabouts(paths, told.append)
    for path in (None, 5, "relative"):
        whereabouts.began_at(path)
        whereabouts.look([(0, 1)])
    assert told == []
    whereabouts.began_at(str(paths.at.with_name("earlier")))
    whereabouts.look([(0, 1)])
    assert len(told) == 1
    assert paths.at.with_name("earlier").is_symlink()
