"""Whole runs on real clusters."""

from __future__ import annotations

import contextlib
import functools
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cluster.runs import NewRayRun, NewRun, RayRun, actors, until
from tests.faults.harness import FaultRun
from tests.nursery import Nursery
from tools import mini_ray, mini_slurm
from tools.mini_ray import MiniRay
from tools.mini_slurm import NODES, MiniSlurm

HERE = Path(__file__).parent
_KILL_ACTORS = """
import ray, sys
ray.init(address=sys.argv[1], namespace="autofinetune", log_to_driver=False)
for one in ray.util.list_named_actors(all_namespaces=True):
    ray.kill(ray.get_actor(one["name"], one["namespace"]))
for one in ray.util.placement_group_table().values():
    if one["state"] != "REMOVED":
        ray.util.remove_placement_group(ray.util.get_placement_group(one["name"]))
"""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.cluster)


@pytest.fixture
def new_local_run(tmp_path: Path, nursery: Nursery) -> Iterator[NewRun]:
    """Makes runs of eight trials on four slots, which wait for the file `go`."""
    made: list[FaultRun] = []

    def make(*options: str, name: str = "run", **fields: object) -> FaultRun:
        root = tmp_path / name
        words = ["--max_failures=0", "--log_to=none", *options]
        run = FaultRun(root, nursery, options=words,
                       **{"gpu": "0,1,2,3", "popsize": 4, "evaluator": "fulltrail", **fields})  # type: ignore[arg-type]  # fmt: skip
        run.plan({"*": {"hold": str(root / "go")}})
        made.append(run)
        return run

    yield make
    for run in made:
        run.release()
        run.close()


@pytest.fixture
def new_slurm_run(slurm: MiniSlurm, tmp_path: Path, nursery: Nursery) -> Iterator[NewRun]:
    """Makes runs of eight trials on four jobs, which wait for the file `go`."""
    made: list[FaultRun] = []

    def make(*options: str, name: str = "run", sbatch: str = "", **fields: object) -> FaultRun:
        words = ["--executor=slurm", f"--sbatch={sbatch}", "--max_failures=0", "--log_to=none"]
        root = tmp_path / name
        run = FaultRun(root, nursery, options=[*words, *options], env=slurm.env,
                       **{"gpu": "slurm", "popsize": 4, "evaluator": "fulltrail", **fields})  # type: ignore[arg-type]  # fmt: skip
        run.plan({"*": {"hold": str(root / "go")}})
        made.append(run)
        return run

    yield make
    for run in made:
        run.release()
        run.close()
    slurm.run("scancel", "--user", str(os.getuid()))
    until(lambda: not slurm.run("squeue", "--noheader"))
    until(lambda: slurm.nodes() == dict.fromkeys(NODES, "idle"))


@pytest.fixture
def new_ray_run(ray: MiniRay, tmp_path: Path, nursery: Nursery) -> Iterator[NewRayRun]:
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
    with contextlib.suppress(AssertionError):  # of trials that have ended they end by themselves
        until(lambda: not actors(ray), 10.0)
    if actors(ray):
        words = [str(ray.bridge), "-c", _KILL_ACTORS, ray.address]
        subprocess.run(words, check=True, capture_output=True, cwd="/")
        until(lambda: not actors(ray))


@dataclass(frozen=True)
class Engine:
    """An executor, with what makes runs of eight trials on four slots, and the nodes it has."""

    new_run: NewRun
    nodes: frozenset[str] = frozenset()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each executor in turn to tests that want an `engine`."""
    if "engine" in metafunc.fixturenames:
        on_ray = pytest.param("ray", marks=pytest.mark.xdist_group("ray"))
        metafunc.parametrize("engine", ["local", "slurm", on_ray], indirect=True)


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> Engine:
    new_run: NewRun = request.getfixturevalue(f"new_{request.param}_run")
    if request.param == "slurm":  # so many cores that four trials need both nodes
        in_pairs = functools.partial(new_run, sbatch="--cpus-per-task=2")
        return Engine(in_pairs, frozenset(mini_slurm.NODES))
    return Engine(new_run, frozenset(mini_ray.NODES if request.param == "ray" else ()))
