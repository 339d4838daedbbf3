"""Whole runs on a real Slurm cluster of two nodes, hurt in the middle.

Trials write a ledger outside of the run; `check_invariants` compares the two.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest

from autofinetune.core.events import AttemptPlanned
from autofinetune.executors import Observation
from autofinetune.executors.slurm.job import RECORD
from tests.cluster.runs import MEET, PATIENCE_S, NewRun, begun, is_whole, lost, until
from tests.executors.test_conformance import Bench
from tests.faults.harness import FaultRun
from tests.nursery import Nursery
from tools.mini_slurm import MiniSlurm, mini_slurm, missing, missing_rights


@pytest.fixture
def new_run(new_slurm_run: NewRun) -> NewRun:
    return new_slurm_run


def test_a_tuner_killed_while_it_submits_starts_nothing_twice(new_run: NewRun) -> None:
    run = new_run("--max_parallel=4")
    life = run.start()
    until(lambda: run.holds_run() and _are_planned(run))
    run.kill(life)
    is_whole(run, run.start())
    assert sorted(line.trial for line in run.lines("start")) == list(range(8))


def _are_planned(run: FaultRun) -> bool:
    return any(isinstance(event, AttemptPlanned) for event in run.events())


def test_a_job_whose_id_was_not_written_down_is_found_by_its_name(
    slurm: MiniSlurm, tmp_path: Path
) -> None:
    bench = Bench("slurm", tmp_path, slurm.env)
    attempt = bench.attempt(7, "--until_stop=1", "--final=0.5")
    bench.executor.submit(attempt)
    record = Path(attempt.directory, RECORD)
    until(lambda: bench.executor.poll(0.1) and "job" in record.read_text())
    record.write_text(json.dumps({"name": json.loads(record.read_text())["name"]}))
    bench.executor.close()  # as if it had been killed before it could write the id
    bench.executor = bench.make()
    bench.executor.submit(attempt)
    seen: list[Observation] = []

    def has_id() -> bool:
        seen.extend(bench.executor.poll(0.1))
        return "job" in record.read_text()

    until(has_id)
    bench.executor.request_stop(attempt.key)
    seen += bench.until_over(1)[attempt.key]
    assert [report.score for one in seen for report in one.reports] == [0.5]
    name = json.loads(record.read_text())["name"]
    assert len(slurm.run("squeue", "-h", "-t", "all", "-n", name).splitlines()) == 1
    bench.close()


def test_a_lost_node_ends_what_runs_there_and_it_is_trained_elsewhere(
    slurm: MiniSlurm, new_run: NewRun
) -> None:
    run = new_run("--max_parallel=1", sbatch="--nodelist=w1", rounds=1, popsize=1)
    life = run.start()
    begun(run, 1)
    slurm.kill("w1")
    until(lambda: lost(run) == ["runner_lost:node_fail"])
    until(lambda: not run.survivors())  # the trial that lived on there is fenced
    assert run.lines("acked") == []
    slurm.start_node("w1")
    is_whole(run, life)
    assert [line.attempt for line in run.lines("start")] == [1, 2]


def test_without_the_controller_jobs_go_on_and_the_run_waits(
    slurm: MiniSlurm, new_run: NewRun
) -> None:
    run = new_run("--max_parallel=2", popsize=2)
    life = run.start()
    begun(run, 2)
    slurm.save()
    slurm.kill("slurmctld")
    try:
        until(lambda: "Slurm does not answer" in run.console)
        run.release()  # the jobs end while nobody hears of it
        until(lambda: len(run.lines("end")) == 2)
    finally:
        slurm.start_controller()
    is_whole(run, life)
    assert run.console.count("Slurm does not answer") == 1
    assert run.console.count("Slurm answers again") == 1
    assert lost(run) == []


def test_a_job_at_its_time_limit_ends_with_that_reason_and_is_tried_again(new_run: NewRun) -> None:
    retried = "--max_retries=timeout:1"
    run = new_run("--max_parallel=1", retried, sbatch="-t 1", rounds=1, popsize=1)
    life = run.start()
    until(lambda: lost(run) == ["timeout"])
    is_whole(run, life)


def test_a_preempted_job_is_tried_again(slurm: MiniSlurm, new_run: NewRun) -> None:
    run = new_run("--max_parallel=1", rounds=1, popsize=1)
    life = run.start()
    begun(run, 1)
    slurm.run("sbatch", "--partition=high", "--exclusive", "--nodes=2", "--output=/dev/null",
              "--wrap", "true")  # fmt: skip
    until(lambda: lost(run) == ["runner_lost:preempted"])
    is_whole(run, life)


def test_two_runs_share_a_cluster_and_one_is_cancelled_by_name(
    slurm: MiniSlurm, new_run: NewRun
) -> None:
    runs = [new_run("--max_parallel=2", name=name, rounds=1, popsize=2) for name in ("a", "b")]
    lives = [run.start() for run in runs]
    for run in runs:
        begun(run, 2)
    name = f"result-{runs[0].state().run}"
    slurm.run("scancel", "--name", name)
    until(lambda: lost(runs[0]) == ["runner_lost:cancelled"] * 2)
    assert lost(runs[1]) == []
    for run, life in zip(runs, lives, strict=True):
        is_whole(run, life)


def test_a_trial_sees_the_card_that_slurm_gave_it(new_run: NewRun) -> None:
    run = new_run("--max_parallel=4", sbatch="--gres=gpu:1", rounds=1)
    life = run.start()
    begun(run, 4)
    assert sorted(line.slot for line in run.lines("start")) == ["0", "0", "1", "1"]
    run.release()
    assert life.wait(PATIENCE_S) == 0


def test_what_sbatch_refuses_is_told_at_the_start(new_run: NewRun) -> None:
    run = new_run(sbatch="--partition=none_of_these")
    assert run.finish() == 2
    assert "invalid partition specified: none_of_these" in run.console
    assert run.lines("start") == []


def test_a_tuner_that_is_a_job_ends_before_its_time_limit(
    slurm: MiniSlurm, new_run: NewRun
) -> None:
    run = new_run("--max_parallel=1", rounds=1, popsize=1)
    job = slurm.run("sbatch", "--parsable", "--time=1", "--output=/dev/null", "--wrap",
                    "exec sleep 1000")  # fmt: skip
    run.env = {**slurm.env, "SLURM_JOB_ID": job}
    assert run.finish() == 4
    assert "time limit; running trials continue" in run.console
    slurm.run("scancel", job)
    run.env = slurm.env
    is_whole(run, run.start())
    assert len(run.lines("start")) == 1


RANK = """
import argparse, os
parser = argparse.ArgumentParser()
for name in ("--lr", "--units", "--saved_params_dir"):
    parser.add_argument(name)
parser.parse_known_args()
names = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_RANK", "SLURMD_NODENAME")
with open(os.environ["FAULT_LEDGER"], "a") as file:
    print(*(os.environ[name] for name in names), file=file)
"""


def test_ranks_on_two_nodes_meet(new_run: NewRun) -> None:
    run = new_run("--max_parallel=1", "--ranks_per_trial=4", popsize=1, rounds=1,
                  sbatch="--nodes=2 --ntasks-per-node=2")  # fmt: skip
    (run.root / "train.py").write_text(RANK + MEET)
    assert run.start().wait(PATIENCE_S) == 0, run.console
    found = sorted(run.ledger.read_text().splitlines())
    assert found == ["0 0 4 2 0 w1", "1 1 4 2 0 w1", "2 0 4 2 1 w2", "3 1 4 2 1 w2"]
    assert run.state().trials[0].score == 7.0


def test_the_first_rank_that_fails_ends_those_on_other_nodes(new_run: NewRun) -> None:
    run = new_run("--max_parallel=1", "--ranks_per_trial=2", popsize=1, rounds=1,
                  sbatch="--nodes=2 --ntasks-per-node=1")  # fmt: skip
    wait = "import os, sys, time\nos.environ['RANK'] == '1' and sys.exit(7)\ntime.sleep(1000)\n"
    (run.root / "train.py").write_text(wait)
    assert run.start().wait(PATIENCE_S) == 3
    assert "task 1: Exited with exit code 7" in run.console
    assert run.survivors() == []


def test_nodes_that_do_not_see_the_directory_are_told(tmp_path: Path, nursery: Nursery) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    why = missing() or missing_rights()
    if why:
        pytest.skip(why)
    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(mini_slurm(hidden))
        words = ["--executor=slurm", "--max_parallel=1", "--log_to=none"]
        run = FaultRun(hidden / "run", nursery, options=words, env=cluster.env, gpu="slurm")
        stack.callback(run.close)
        assert run.start().wait(PATIENCE_S) == 4
    assert f"nothing that it wrote is in {run.output_dir}" in run.console
    assert "--output_dir must be on a file system" in run.console
