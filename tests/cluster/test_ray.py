"""Whole runs on a real Ray cluster of two nodes that share no file system, hurt in the middle.

Nodes see neither the runs nor this checkout. Trials write a ledger where tests and nodes can both
see it; `check_invariants` compares the two.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from autofinetune.core.events import AttemptStarted
from tests.cluster.runs import (
    BEFORE,
    PATIENCE_S,
    NewRayRun,
    RayRun,
    begun,
    events_of,
    is_whole,
    lost,
    until,
)
from tests.faults.harness import Life
from tools.mini_ray import MiniRay

pytestmark = pytest.mark.xdist_group("ray")


@pytest.fixture
def new_run(new_ray_run: NewRayRun) -> NewRayRun:
    return new_ray_run


def bridges_of(life: Life) -> list[int]:
    done = subprocess.run(["pgrep", "-P", str(life.pid)], capture_output=True, check=False)
    return [int(pid) for pid in done.stdout.split()]


def places_of(run: RayRun) -> dict[int, str]:
    """Return on which node each trial was last."""
    return {e.trial: e.node for e in run.events() if isinstance(e, AttemptStarted)}


def test_a_lost_node_ends_what_runs_there_and_it_is_trained_again(
    ray: MiniRay, new_run: NewRayRun
) -> None:
    run = new_run("--resources=n2=1", rounds=1, popsize=1)
    run.plan({"*": {"hold": str(run.seen / "go"), "tree": True}})
    life = run.start()
    until(lambda: len(run.lines("child")) == 3)
    ray.kill("n2", "raylet")
    try:
        until(lambda: lost(run) == ["runner_lost:actor_died"])
        until(lambda: not run.survivors())
        assert run.lines("acked") == []
        until(lambda: "now has room for 0 trials (before: 1)" in run.console)
    finally:
        ray.kill("n2")
        ray.start_node("n2")
    until(lambda: "now has room for 1 trials (before: 0)" in run.console)
    is_whole(run, life)
    assert [line.attempt for line in run.lines("start")] == [1, 2]


@pytest.mark.slow
def test_a_node_that_is_parted_for_long_is_lost_and_what_runs_there_counts_no_more(
    ray: MiniRay, new_run: NewRayRun
) -> None:
    if not ray.is_isolated:
        pytest.skip("no rights for a network namespace")
    run = new_run("--cpus_per_trial=2", rounds=1, popsize=2)
    run.plan({trial: {"hold": str(run.seen / trial)} for trial in ("0", "1")})
    life = run.start()
    until(lambda: run.holds_run() and len(places_of(run)) == 2)
    (here,) = [trial for trial, node in places_of(run).items() if node == "n1"]
    (there,) = {0, 1} - {here}
    ray.connect("n2", "down")
    parted = time.monotonic()
    try:
        until(lambda: lost(run) == ["runner_lost:actor_died"])
        run.release(str(here))
        until(lambda: places_of(run)[there] == "n1")
        until(lambda: time.monotonic() > parted + 90)
    finally:
        ray.connect("n2")
    until(lambda: not ray.processes("n2", "raylet"))  # it ends itself, and with it the trial
    until(lambda: not [pid for pid in ray.processes("n2") if pid in run.survivors()])
    ray.kill("n2")
    ray.start_node("n2")
    run.release(str(there))
    is_whole(run, life)


@pytest.mark.slow
def test_when_the_head_dies_all_trials_end_and_start_again_when_it_is_back(
    ray: MiniRay, new_run: NewRayRun
) -> None:
    run = new_run(rounds=1)
    life = run.start()
    begun(run, 4)
    ray.kill("n1", "gcs_server")
    until(lambda: "Ray does not answer" in run.console)
    until(lambda: not run.survivors())
    assert run.lines("acked") == []
    for node in ("n1", "n2"):
        ray.kill(node)
    ray.start()
    begun(run, 8)
    is_whole(run, life)
    assert "Ray answers again" in run.console
    assert lost(run) == ["runner_lost:actor_died"] * 4


def test_a_full_disk_of_a_node_loses_nothing(ray: MiniRay, new_run: NewRayRun) -> None:
    if not ray.is_isolated:
        pytest.skip("no rights for a file system of its own")
    run = new_run("--resources=n2=1", rounds=1, popsize=1)
    run.plan({"*": {"hold_acked": str(run.seen / "go")}})
    ray.fill_disk()
    life = run.start()
    until(lambda: "its node cannot go on" in run.console)
    ray.free_disk()
    until(lambda: run.lines("acked"))
    ray.fill_disk()  # its runner waits with the record of its end
    run.release()
    until(lambda: run.lines("end"))
    ray.free_disk()
    is_whole(run, life)


def test_the_number_of_trials_at_once_can_be_changed(new_run: NewRayRun) -> None:
    run = new_run("--max_parallel=1", rounds=1)
    life = run.start()
    begun(run, 1)
    assert run.finish("set", "result", "max_parallel=3") == 0
    begun(run, 3)
    assert run.finish("set", "result", "cpus_per_trial=2") == 2
    is_whole(run, life)


def test_a_network_that_is_down_for_a_while_changes_nothing(
    ray: MiniRay, new_run: NewRayRun
) -> None:
    if not ray.is_isolated:
        pytest.skip("no rights for a network namespace")
    run = new_run("--resources=n2=1", rounds=1, popsize=1)
    life = run.start()
    begun(run, 1)
    ray.connect("n2", "down")
    try:
        until(lambda: "Ray does not answer" in run.console)
    finally:
        ray.connect("n2")
    until(lambda: "Ray answers again" in run.console)
    is_whole(run, life)
    assert lost(run) == []
    assert len(run.lines("start")) == 1


def test_a_trial_sees_the_card_that_ray_gave_it(new_run: NewRayRun) -> None:
    run = new_run(gpu="ray", rounds=1)
    life = run.start()
    begun(run, 4)
    assert sorted(line.slot for line in run.lines("start")) == ["0", "0", "1", "1"]
    run.release()
    assert life.wait(PATIENCE_S) == 0, run.console


CONTINUES = """
import argparse, hashlib, os, shutil, sys
from pathlib import Path
import beside
parser = argparse.ArgumentParser()
for name in ("--lr", "--units", "--saved_params_dir", "--model_path"):
    parser.add_argument(name, default="")
args = parser.parse_known_args()[0]
assert not Path("left_out.bin").exists()
assert Path(shutil.which("python3")).parent == Path(sys.executable).parent
before = Path(args.model_path, "big").read_bytes() if args.model_path else b""
Path(args.saved_params_dir, "inner").mkdir()
Path(args.saved_params_dir, "inner", "empty").touch()
Path(args.saved_params_dir, "latest").symlink_to("inner")
own = os.urandom(1 << 20) * int(os.environ["MIB"])
Path(args.saved_params_dir, "big").write_bytes(own)
with open(os.environ["FAULT_LEDGER"], "a") as file:
    print(hashlib.sha256(own).hexdigest(), hashlib.sha256(before).hexdigest(), file=file)
from autofinetune.trial.report import report_final_result
report_final_result(beside.SCORE)
"""


@pytest.mark.parametrize("mib", [36, pytest.param(1024, marks=pytest.mark.slow)])
def test_code_goes_there_and_models_go_there_and_back(new_run: NewRayRun, mib: int) -> None:
    run = new_run(
        "--max_parallel=1", "--resources=n1=1", popsize=1, rounds=2, evaluator="populationbased"
    )
    before = BEFORE.format(ledger=str(run.ledger), plan="")
    script = f"{before}os.environ['MIB'] = '{mib}'\n{CONTINUES}"
    (run.root / "train.py").write_text(script)
    (run.root / "beside.py").write_text("SCORE = 0.5\n")
    (run.root / "left_out.bin").write_bytes(b"x")
    (run.root / ".gitignore").write_text("*.bin\n")
    assert run.start().wait(PATIENCE_S) == 0, run.console
    (first, _), (second, before) = map(str.split, run.ledger.read_text().splitlines())
    assert before == first
    for round_, digest in enumerate([first, second]):
        model = run.paths.model(round_, 0)
        found = subprocess.run(["sha256sum", str(model / "big")], capture_output=True, text=True,
                               check=True)  # fmt: skip
        assert found.stdout.split()[0] == digest
        assert (model / "latest").readlink() == Path("inner")
        assert (model / "inner" / "empty").exists()


def test_two_runs_share_a_cluster(new_run: NewRayRun) -> None:
    runs = [new_run("--max_parallel=2", name=name, rounds=1, popsize=2) for name in ("a", "b")]
    lives = [run.start() for run in runs]
    for run in runs:
        begun(run, 2)
    for run, life in zip(runs, lives, strict=True):
        is_whole(run, life)
        assert lost(run) == []


def test_what_no_node_has_is_told(new_run: NewRayRun) -> None:
    run = new_run("--resources=a100=1")
    assert run.finish() == 2
    assert "no node of the cluster has 1 CPU, 1 a100; its nodes have: 2 CPU, 2 GPU" in run.console


def test_other_versions_and_a_missing_ray_are_told(
    ray: MiniRay, new_run: NewRayRun, tmp_path: Path
) -> None:
    other = tmp_path / "old_python"
    old = "import ray, sys; ray.__version__ = '2.1.0'; del sys.argv[1]; exec(sys.argv.pop(1))"
    other.write_text(f'#!/bin/sh\nexec {ray.bridge} -c "{old}" "$@"\n')
    other.chmod(0o755)
    run = new_run(f"--ray_python={other}", name="other")
    assert run.finish() == 4
    assert "the cluster has Ray 2.60.0 with Python" in run.console
    assert "the bridge Ray 2.1.0 with Python" in run.console
    run = new_run("--ray_python=/usr/bin/python3", name="missing")
    assert run.finish() == 4
    assert "needs the package ray, which /usr/bin/python3 does not have" in run.console


@pytest.mark.slow
def test_by_a_client_server_a_killed_tuner_and_a_killed_bridge_lose_nothing(
    ray: MiniRay, new_run: NewRayRun
) -> None:
    run = new_run(f"--executor=ray:{ray.client_address}", rounds=1)
    life = run.start()
    begun(run, 4)
    run.kill(life)
    life = run.start()
    until(lambda: "RunResumed" in events_of(run))
    for pid in bridges_of(life):
        os.kill(pid, signal.SIGKILL)
    until(lambda: "Ray answers again" in run.console)
    is_whole(run, life)
    assert lost(run) == []
    assert len(run.lines("start")) == 4


def test_a_killed_bridge_is_started_again(ray: MiniRay, new_run: NewRayRun) -> None:
    run = new_run(rounds=1, popsize=1)
    life = run.start()
    begun(run, 1)
    for pid in bridges_of(life):
        os.kill(pid, signal.SIGKILL)
    until(lambda: "Ray answers again" in run.console)
    is_whole(run, life)
    assert lost(run) == []
