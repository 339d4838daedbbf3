"""Whole runs on a real Ray cluster of two nodes that share no file system, hurt in the middle.

Nodes see neither the runs nor this checkout. Trials write a ledger where tests and nodes can both
see it; `check_invariants` compares the two.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from autofinetune.core.events import AttemptLost, AttemptStarted
from autofinetune.runner.processes import of_run
from tests.faults.harness import TRAIN, FaultRun, Life
from tests.faults.oracle import check_invariants
from tests.nursery import Nursery
from tools.mini_ray import NODES, MiniRay

pytestmark = pytest.mark.xdist_group("ray")

PATIENCE_S = 90.0
_LOOK_S = 0.2
_BEFORE = "import os\nos.environ.update(FAULT_LEDGER={ledger!r}, FAULT_PLAN={plan!r})\n"
_KILL_ACTORS = """
import ray, sys
ray.init(address=sys.argv[1], log_to_driver=False)
for one in ray.util.list_named_actors(all_namespaces=True):
    ray.kill(ray.get_actor(one["name"], one["namespace"]))
"""


@dataclass
class RayRun(FaultRun):
    """A run whose ledger and whose plan are in a directory that the nodes see."""

    seen: Path = Path()

    def __post_init__(self) -> None:
        super().__post_init__()
        self.seen.mkdir(parents=True)
        names = {"ledger": str(self.ledger), "plan": str(self.seen / "plan.json")}
        (self.root / "train.py").write_text(_BEFORE.format(**names) + TRAIN)

    @property
    def ledger(self) -> Path:
        return self.seen / "ledger"

    def plan(self, behaviours: object) -> None:
        super().plan(behaviours)  # type: ignore[arg-type]
        (self.seen / "plan.json").write_bytes((self.root / "plan.json").read_bytes())

    def release(self, name: str = "go") -> None:
        (self.seen / name).touch()

    def survivors(self) -> list[int]:
        return of_run(self.state().run) if self.holds_run() else []


NewRun = Callable[..., RayRun]


@pytest.fixture
def new_run(ray: MiniRay, tmp_path: Path, nursery: Nursery) -> Iterator[NewRun]:
    """Makes runs of eight trials, each on a core, which wait for the file `go`."""
    made: list[RayRun] = []

    def make(*options: str, name: str = "run", **fields: object) -> RayRun:
        words = [f"--executor=ray:{ray.address}", f"--ray_python={ray.bridge}",
                 "--max_failures=0", "--log_to=none"]  # fmt: skip
        seen = ray.root / f"seen-{len(list(ray.root.glob('seen-*')))}"
        run = RayRun(tmp_path / name, nursery, options=[*words, *options], seen=seen,
                     **{"gpu": "cpu", "popsize": 4, "evaluator": "fulltrail", **fields})  # type: ignore[arg-type]  # fmt: skip
        run.plan({"*": {"hold": str(seen / "go")}})
        made.append(run)
        return run

    yield make
    for run in made:
        run.release()
        run.close()
    if _actors(ray):
        words = [str(ray.bridge), "-c", _KILL_ACTORS, ray.address]
        subprocess.run(words, check=True, capture_output=True, cwd="/")
        until(lambda: not _actors(ray))


def _actors(ray: MiniRay) -> list[int]:
    """The processes of actors that live."""
    return [pid for node in NODES for pid in ray.processes(node) if _is_actor(pid)]


def _is_actor(pid: int) -> bool:
    try:
        return "ray::Actor" in Path(f"/proc/{pid}/comm").read_text()
    except OSError:
        return False


def until(condition: Callable[[], object]) -> None:
    """Wait with little use of the processor."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(_LOOK_S)


def begun(run: RayRun, count: int) -> None:
    until(lambda: len(run.lines("start")) >= count)


def is_whole(run: RayRun, life: Life) -> None:
    """Let all trials go on; the run ends as it should."""
    run.release()
    code = life.wait(PATIENCE_S)
    assert code == 0, run.console
    assert check_invariants(run.output_dir, run.ledger, code=code) == []


def lost(run: RayRun) -> list[str]:
    if not run.holds_run():
        return []
    return [event.reason for event in run.events() if isinstance(event, AttemptLost)]


def test_a_killed_tuner_adopts_its_trials(ray: MiniRay, new_run: NewRun) -> None:
    run = new_run()
    life = run.start()
    begun(run, 4)
    run.kill(life)
    life = run.start()  # in the same directory
    until(lambda: "RunResumed" in [type(e).__name__ for e in run.events()])
    is_whole(run, life)
    assert sorted(line.trial for line in run.lines("start")) == list(range(8))
    assert lost(run) == []
    nodes = {e.node for e in run.events() if isinstance(e, AttemptStarted)}
    assert nodes == {*NODES}
    for trial in run.state().trials.values():
        model = run.paths.model(trial.round, trial.member) / "weights"
        assert model.read_text().startswith(f"trial {trial.id} attempt 1\n")
    until(lambda: not _actors(ray))


def test_a_lost_node_ends_what_runs_there_and_it_is_trained_again(
    ray: MiniRay, new_run: NewRun
) -> None:
    run = new_run("--resources=n2=1", rounds=1, popsize=1)
    run.plan({"*": {"hold": str(run.seen / "go"), "tree": True}})
    life = run.start()
    until(lambda: len(run.lines("child")) == 3)
    ray.kill("n2", "raylet")
    try:
        until(lambda: lost(run) == ["runner_lost:actor_died"])
        until(lambda: len(run.lines("start")) > 1 or not run.survivors())
        assert run.lines("acked") == []
    finally:
        ray.kill("n2")
        ray.start_node("n2")
    is_whole(run, life)
    assert [line.attempt for line in run.lines("start")] == [1, 2]


def test_cancelled_trials_leave_nothing(ray: MiniRay, new_run: NewRun) -> None:
    run = new_run(rounds=1, popsize=2)
    run.plan({"*": {"hold": str(run.seen / "go"), "tree": True, "deaf": True}})
    life = run.start()
    until(lambda: len(run.lines("child")) == 6)
    assert run.finish("stop", "result", "--now") == 0
    assert life.wait(PATIENCE_S) == 130
    assert check_invariants(run.output_dir, run.ledger, code=130) == []
    assert lost(run) == ["interrupted"] * 2
    assert run.survivors() == []
    until(lambda: not _actors(ray))


def test_a_network_that_is_down_for_a_while_changes_nothing(ray: MiniRay, new_run: NewRun) -> None:
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


def test_a_trial_sees_the_card_that_ray_gave_it(new_run: NewRun) -> None:
    run = new_run(gpu="ray", rounds=1)
    life = run.start()
    begun(run, 4)
    assert sorted(line.slot for line in run.lines("start")) == ["0", "0", "1", "1"]
    run.release()
    assert life.wait(PATIENCE_S) == 0, run.console


CONTINUES = """
import argparse, hashlib, os, sys
from pathlib import Path
import beside
parser = argparse.ArgumentParser()
for name in ("--lr", "--units", "--saved_params_dir", "--model_path"):
    parser.add_argument(name, default="")
args = parser.parse_known_args()[0]
assert not Path("left_out.bin").exists()
before = Path(args.model_path, "big").read_bytes() if args.model_path else b""
Path(args.saved_params_dir, "inner").mkdir()
Path(args.saved_params_dir, "inner", "empty").touch()
Path(args.saved_params_dir, "latest").symlink_to("inner")
own = os.urandom(1 << 20) * 36
Path(args.saved_params_dir, "big").write_bytes(own)
with open(os.environ["FAULT_LEDGER"], "a") as file:
    print(hashlib.sha256(own).hexdigest(), hashlib.sha256(before).hexdigest(), file=file)
from autofinetune.trial.report import report_final_result
report_final_result(beside.SCORE)
"""


def test_code_goes_there_and_models_go_there_and_back(new_run: NewRun) -> None:
    run = new_run("--max_parallel=1", popsize=1, rounds=2, evaluator="populationbased")
    script = _BEFORE.format(ledger=str(run.ledger), plan="") + CONTINUES
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


def test_two_runs_share_a_cluster(new_run: NewRun) -> None:
    runs = [new_run("--max_parallel=2", name=name, rounds=1, popsize=2) for name in ("a", "b")]
    lives = [run.start() for run in runs]
    for run in runs:
        begun(run, 2)
    for run, life in zip(runs, lives, strict=True):
        is_whole(run, life)
        assert lost(run) == []


def test_what_no_node_has_is_told(new_run: NewRun) -> None:
    run = new_run("--resources=a100=1")
    assert run.finish() == 2
    assert "no node of the cluster has 1 CPU, 1 a100; its nodes have: 2 CPU, 2 GPU" in run.console


def test_other_versions_and_a_missing_ray_are_told(
    ray: MiniRay, new_run: NewRun, tmp_path: Path
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


def test_a_killed_bridge_is_started_again(ray: MiniRay, new_run: NewRun) -> None:
    run = new_run(rounds=1, popsize=1)
    life = run.start()
    begun(run, 1)
    bridges = subprocess.run(["pgrep", "-P", str(life.pid)], capture_output=True, text=True,
                             check=False).stdout.split()  # fmt: skip
    for pid in bridges:
        os.kill(int(pid), signal.SIGKILL)
    until(lambda: "Ray answers again" in run.console)
    is_whole(run, life)
    assert lost(run) == []
