"""Runs on clusters, which wait for a file, and how they are looked at."""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from autofinetune.core.events import AttemptLost
from autofinetune.runner.processes import of_run
from tests.faults.harness import TRAIN, FaultRun, Life
from tests.faults.oracle import check_invariants
from tools.mini_ray import NODES, MiniRay

PATIENCE_S = 600.0  # a busy machine may be slow; what a test waits for is not
_LOOK_S = 0.2
BEFORE = "import os\nos.environ.update(FAULT_LEDGER={ledger!r}, FAULT_PLAN={plan!r})\n"
# Four ranks find each other; the first one's score counts them.
MEET = """
import os, socket, sys, time
rank, place = int(os.environ["RANK"]), (os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
if rank == 0:
    server = socket.create_server(place, reuse_port=False)
    others = [server.accept()[0] for _ in range(3)]
    score = 1 + sum(int(other.recv(1)) for other in others)
    from autofinetune.trial.report import report_final_result
    report_final_result(score)
    sys.exit(0)
while True:
    try:
        other = socket.create_connection(place)
        break
    except OSError:
        time.sleep(0.1)
other.send(b"%d" % rank)
"""
Run = TypeVar("Run", bound=FaultRun)
NewRun = Callable[..., FaultRun]
NewRayRun = Callable[..., "RayRun"]


@dataclass
class RayRun(FaultRun):
    """A run whose ledger and whose plan are in a directory that the nodes see."""

    seen: Path = Path()

    def __post_init__(self) -> None:
        super().__post_init__()
        self.seen.mkdir(parents=True)
        names = {"ledger": str(self.ledger), "plan": str(self.seen / "plan.json")}
        (self.root / "train.py").write_text(BEFORE.format(**names) + TRAIN)

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


def actors(ray: MiniRay) -> list[int]:
    """Return the processes of actors that live."""
    return [pid for node in NODES for pid in ray.processes(node) if _is_actor(pid)]


def _is_actor(pid: int) -> bool:
    try:
        return "ray::Actor" in Path(f"/proc/{pid}/comm").read_text()
    except OSError:
        return False


def until(condition: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
    """Wait with little use of the processor."""
    end = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        select.select([], [], [], _LOOK_S)


def begun(run: FaultRun, count: int) -> None:
    until(lambda: len(run.lines("start")) >= count)


def is_whole(run: FaultRun, life: Life) -> None:
    """Let all trials go on; the run ends as it should."""
    run.release()
    code = life.wait(PATIENCE_S)
    assert code == 0, run.console
    assert check_invariants(run.output_dir, run.ledger, code=code) == []


def lost(run: FaultRun) -> list[str]:
    if not run.holds_run():
        return []
    return [event.reason for event in run.events() if isinstance(event, AttemptLost)]


def events_of(run: FaultRun) -> list[str]:
    return [type(event).__name__ for event in run.events()]
