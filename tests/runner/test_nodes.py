"""The ranks of a trial on several nodes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from autofinetune.runner import files
from autofinetune.runner.nodes import launch, variables
from tests.runner.test_main import read_record, run, write_spec

# Of the second process on the last of three nodes, as srun sets them.
STEP = {
    "SLURM_PROCID": "5", "SLURM_NODEID": "2", "SLURM_LOCALID": "1", "SLURM_NTASKS": "6",
    "SLURM_STEP_TASKS_PER_NODE": "2(x3)", "SLURM_STEP_NUM_NODES": "3",
    "SLURM_LAUNCH_NODE_IPADDR": "10.0.0.1", "MASTER_PORT": "4711", "TORCHELASTIC_RUN_ID": "r",
}  # fmt: skip
# Starts the command once, as rank 0 of two.
SRUN = """#!/bin/sh
export SLURM_PROCID=0 SLURM_NODEID=0 SLURM_LOCALID=0 SLURM_NTASKS=2 SLURM_STEP_NUM_NODES=2
export SLURM_STEP_TASKS_PER_NODE="1(x2)" SLURM_LAUNCH_NODE_IPADDR=10.0.0.1
while [ "${1#--}" != "$1" ]; do shift; done
exec "$@"
"""


def test_a_rank_takes_its_place_from_slurm() -> None:
    own = variables(STEP)
    assert [own[name] for name in ("RANK", "WORLD_SIZE")] == ["5", "6"]
    assert [own[name] for name in ("LOCAL_RANK", "LOCAL_WORLD_SIZE")] == ["1", "2"]
    assert [own[name] for name in ("GROUP_RANK", "GROUP_WORLD_SIZE")] == ["2", "3"]
    assert [own[name] for name in ("MASTER_ADDR", "MASTER_PORT")] == ["10.0.0.1", "4711"]
    assert own["AUTOFINETUNE_REPORT_FILE"] == os.devnull


def test_nodes_may_have_different_numbers_of_ranks() -> None:
    uneven = {**STEP, "SLURM_STEP_TASKS_PER_NODE": "3,2(x1),1", "SLURM_PROCID": "0"}
    assert variables(uneven)["LOCAL_WORLD_SIZE"] == "1"
    assert "AUTOFINETUNE_REPORT_FILE" not in variables(uneven)


def test_each_rank_gets_the_cores_that_the_job_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)
    assert launch(["train"], 4)[1:2] == ["--ntasks=4"]
    assert not any(word.startswith("--cpus") for word in launch(["train"], 4))
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "3")
    assert "--cpus-per-task=3" in launch(["train"], 4)


@pytest.fixture
def srun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job of two nodes whose `srun` starts only the first rank."""
    (tmp_path / "srun").write_text(SRUN)
    (tmp_path / "srun").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "2")


@pytest.mark.usefixtures("srun")
def test_the_ranks_of_a_job_of_several_nodes_are_started_by_srun(tmp_path: Path) -> None:
    write_spec(tmp_path, "sh", "-c", "echo $RANK of $WORLD_SIZE; [ $MASTER_PORT -gt 0 ]", ranks=2,
               spans_nodes=True)  # fmt: skip
    assert run(tmp_path) == 0
    assert read_record(tmp_path)["returncode"] == 0
    assert (tmp_path / "log").read_text() == "0 of 2\n"


@pytest.mark.usefixtures("srun")
def test_a_slot_of_this_machine_is_no_job_even_inside_one(tmp_path: Path) -> None:
    write_spec(tmp_path, "sh", "-c", "echo $RANK; echo $MASTER_ADDR >&2", ranks=2)
    assert run(tmp_path) == 0
    assert "[rank 1] 1\n" in (tmp_path / "log").read_text()


@pytest.mark.usefixtures("srun")
def test_each_rank_becomes_its_own_task(tmp_path: Path) -> None:
    command = ["sh", "-c", "echo $ROLE $RANK of $WORLD_SIZE"]
    tasks = [
        {"role": role, "argv": command, "env": {"ROLE": role, "RANK": "9"}, "is_service": False}
        for role in ("master", "worker")
    ]
    write_spec(tmp_path, "false", processes=tasks, spans_nodes=True)
    assert run(tmp_path) == 0
    assert (tmp_path / "log").read_text() == "master 0 of 2\n"


@pytest.mark.usefixtures("srun")
def test_those_that_do_not_meet_as_in_torchrun_stay_on_one_node(tmp_path: Path) -> None:
    write_spec(tmp_path, "true", ranks=2, spans_nodes=True, framework="tensorflow")
    assert run(tmp_path) == 0
    record = read_record(tmp_path)
    assert record["why"] == "spawn"
    assert "on several nodes, processes meet as in torchrun only" in str(record["error"])


def test_ranks_above_0_have_logs_of_their_own(tmp_path: Path) -> None:
    write_spec(tmp_path, "sh")
    command = [sys.executable, "-S", "-I", *launch(["sh", "-c", "echo $RANK"], 2)[-7:]]
    env = {**os.environ, **STEP, "AUTOFINETUNE_REPORT_FILE": str(tmp_path / files.REPORTS)}
    done = subprocess.run(command, env=env, capture_output=True, check=True)
    assert done.stdout == b""
    assert (tmp_path / "rank-5.log").read_text() == "5\n"
