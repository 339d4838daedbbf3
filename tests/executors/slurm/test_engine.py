"""What `--executor=slurm` checks before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from autofinetune.config.placement import Placement
from autofinetune.errors import EnvironmentProblem, UsageError
from autofinetune.executors import ExitRecord
from autofinetune.executors.slurm.engine import SlurmEngine
from autofinetune.executors.slurm.shared import problem_of, settle_s
from tests.helpers import config_of


def test_a_slot_is_a_job() -> None:
    placement = Placement(max_parallel=2, ranks_per_trial=3, sbatch="-t 5")
    slots = SlurmEngine().slots(config_of(gpu="slurm", placement=placement))
    assert [place.name for place in slots.places] == ["slurm.1", "slurm.2"]
    assert next(iter(slots.describe())) == "slot slurm.1: a job of: sbatch -t 5, 3 ranks"
    assert slots.notes == ()


def test_without_a_number_there_are_four_and_cards_are_asked_of_slurm() -> None:
    slots = SlurmEngine().slots(config_of(gpu="0,1"))
    assert len(slots.places) == 4
    assert "--gpu has no effect" in slots.notes[0]
    assert SlurmEngine().slots(config_of(gpu="auto:2")).notes == ()  # of a file of another tool


def test_an_option_that_is_ours_is_refused() -> None:
    with pytest.raises(UsageError, match="--array is set by autofinetune"):
        SlurmEngine().slots(config_of(gpu="slurm", placement=Placement(sbatch="--array=1-3")))


def test_a_machine_without_slurm_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    engine = SlurmEngine()
    config = config_of(gpu="slurm")
    with pytest.raises(EnvironmentProblem, match="needs sbatch, squeue, scancel") as caught:
        engine.opened(config, engine.slots(config), None, print)
    assert caught.value.exit_code == 4
    assert "login node" in str(caught.value.tip)


def test_files_of_this_machine_are_seen_at_once_and_others_a_minute_later(tmp_path: Path) -> None:
    assert settle_s(tmp_path) == 2.0
    assert settle_s(Path("/proc")) == 60.0
    assert settle_s(tmp_path / "missing") == 60.0


def test_a_first_job_that_failed_says_what_to_change(tmp_path: Path) -> None:
    lost = ExitRecord("lost", -9, 0.0, "failed")
    unseen = problem_of(tmp_path, "/out", "", lost)
    assert "nothing that it wrote is in /out here" in unseen.message
    assert "--output_dir" in str(unseen.tip)
    spawn = problem_of(tmp_path, "/out", "w1", ExitRecord("spawn", None, 0.0, "no /work"))
    assert "on w1 could not start Python: no /work" in spawn.message
    taken = problem_of(tmp_path, "/out", "", ExitRecord("lost", -9, 0.0, "preempted"))
    assert "before it could check the nodes (preempted)" in taken.message
    (tmp_path / "runner.log").write_text("job.sh: 3: exec: python: not found\n")
    without = problem_of(tmp_path, "/out", "", lost)
    assert "| job.sh: 3: exec: python: not found" in without.message
    assert "same paths" in str(without.tip)
