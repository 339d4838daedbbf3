"""The batch script and the options of sbatch."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from autofinetune.errors import UsageError
from autofinetune.executors.slurm.batch import job_name, options_of, sbatch_options, script
from autofinetune.runner.processes import MARK_VARIABLE
from tests.forking import attempt_of


def test_options_are_words() -> None:
    words = options_of("--partition=gpu --gres=gpu:1 -t 4:00:00 --comment='a b'")
    assert words == ["--partition=gpu", "--gres=gpu:1", "-t", "4:00:00", "--comment=a b"]
    assert options_of("") == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("--array=1-3", "--array is set by autofinetune"),
        ("-p gpu -Jmine", "-Jmine is set by autofinetune"),
        ("-p gpu --signal=B:USR1@10", "--signal is set by autofinetune"),
        ("gpu", "'gpu' is not an option of sbatch"),
    ],
)
def test_options_that_would_change_what_a_job_is_are_refused(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        options_of(text)


def test_ours_come_after_those_of_the_user() -> None:
    options = sbatch_options(["--export=NONE"], "run-1", "/out/100%/a\\b")
    assert options[:2] == ["--export=ALL", "--export=NONE"]
    assert "--output=/out/100%%/a\\\\b/runner.log" in options
    assert {"--no-requeue", "--signal=B:USR2@60", "--job-name=run-1"} <= set(options)


def test_a_name_is_one_that_people_and_squeue_can_read(tmp_path: Path) -> None:
    attempt = attempt_of(tmp_path / "my run, 2" / "trials" / "7")
    assert job_name(attempt) == f"my_run_2-{attempt.run}"


def test_the_script_becomes_the_runner_and_marks_it(tmp_path: Path) -> None:
    text = script(attempt_of(tmp_path / "a 'b' $HOME"))
    subprocess.run(["sh", "-n", "-c", text], check=True)
    mark, run = text.splitlines()[1:]
    assert shlex.split(mark)[1].startswith(f"{MARK_VARIABLE}=")
    assert shlex.split(run)[0] == "exec"
    assert any("a 'b' $HOME" in word for word in shlex.split(run))
