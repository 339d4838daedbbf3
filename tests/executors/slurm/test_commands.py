"""What Slurm's commands answer."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from autofinetune.executors.slurm import commands
from autofinetune.executors.slurm.commands import Refused, Row, Unreachable, as_seconds, parsed


def test_jobs_are_read_line_by_line_and_anything_else_is_left_out() -> None:
    told = "7|RUNNING|w1|out-ab|/out/a|b/job.sh\n8_1|PENDING||n|x\nslurm: no\n9|PENDING||n|\n"
    assert list(parsed(told)) == [
        Row("7", "RUNNING", "w1", "out-ab", "/out/a|b/job.sh"),
        Row("9", "PENDING", "", "n", ""),
    ]


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("1-02:03:04", 93784.0),
        ("02:03:04", 7384.0),
        ("3:04\n", 184.0),
        ("0:00", 0.0),
        ("UNLIMITED", math.inf),
        ("INVALID", math.inf),
        ("", math.inf),
    ],
)
def test_a_time_that_is_left_is_read(told: str, seconds: float) -> None:
    assert as_seconds(told) == seconds


def test_a_job_that_submits_jobs_does_not_pass_on_its_own_size_or_cards() -> None:
    own = {"SLURM_CONF": "/c", "SLURM_NTASKS": "4", "SBATCH_ACCOUNT": "a", "PATH": "/bin"}
    environ = {**own, "CUDA_VISIBLE_DEVICES": "3"}
    assert commands.environment(environ) == own
    inside = commands.environment({**environ, "SLURM_JOB_ID": "7"})
    assert inside == {"SLURM_CONF": "/c", "SBATCH_ACCOUNT": "a", "PATH": "/bin"}


def says(folder: Path, name: str, code: int, told: str = "", error: str = "") -> dict[str, str]:
    """An environment whose command `name` answers this."""
    program = folder / name
    program.write_text(f"#!/bin/sh\necho '{told}'\necho '{error}' >&2\nexit {code}\n")
    program.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def test_a_controller_that_is_away_is_no_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = "sbatch: error: Batch job submission failed: Unable to contact slurm controller"
    monkeypatch.setenv("PATH", says(tmp_path, "sbatch", 1, error=error)["PATH"])
    with pytest.raises(Unreachable, match="Unable to contact"):
        commands.submit([], "job.sh", os.environ)


def test_a_refusal_is_told_in_the_words_of_slurm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = "sbatch: error: invalid partition specified: nope"
    monkeypatch.setenv("PATH", says(tmp_path, "sbatch", 1, error=error)["PATH"])
    with pytest.raises(Refused, match=r"^invalid partition specified: nope$"):
        commands.submit([], "job.sh", os.environ)


def test_an_answer_without_a_job_is_a_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", says(tmp_path, "sbatch", 0, told="hello")["PATH"])
    with pytest.raises(Refused, match="'hello' instead of the id of a job"):
        commands.submit([], "job.sh", os.environ)


def test_the_cluster_after_an_id_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", says(tmp_path, "sbatch", 0, told="71;main")["PATH"])
    assert commands.submit([], "job.sh", os.environ) == "71"


def test_a_command_that_is_gone_or_hangs_says_nothing_about_jobs(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="No such file"):
        commands.run([str(tmp_path / "squeue")], os.environ)
    with pytest.raises(Unreachable, match="took more than"):
        commands.run(["sleep", "1000"], os.environ, 0.01)
