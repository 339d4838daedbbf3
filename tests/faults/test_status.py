"""Whether a tuner is running, as seen from elsewhere: F77."""
# ruff: noqa: N802

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from autofinetune.runner.processes import boot_id
from tests.faults.harness import DEADLINE_S, FaultRun, wait_until
from tests.faults.oracle import check_invariants
from tests.faults.test_disk import Mounts, mounts

__all__ = ["mounts"]  # a fixture
INTO_PIDS = ("unshare", "--pid", "--fork", "--mount-proc")


def _can_unshare() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*INTO_PIDS, "true"], check=False).returncode == 0


def state_of(run: FaultRun, before: Sequence[str] = (), out: str = "") -> dict[str, Any]:
    words = [sys.executable, "-m", "autofinetune", "status", out or run.out, "--json"]
    done = subprocess.run(
        [*before, *words], cwd=run.root, env=run.environ(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.skipif(not _can_unshare(), reason="no rights for a pid namespace")
def test_F77_a_tuner_is_seen_from_another_pid_namespace(run: FaultRun) -> None:
    run.plan({"*": {"hold": "go"}})
    life = run.start()
    wait_until(lambda: run.lines("start"))
    assert state_of(run, INTO_PIDS)["state"] == "RUNNING"
    run.release()
    assert life.wait(DEADLINE_S) == 0
    assert check_invariants(run.output_dir, run.ledger, code=0) == []


@pytest.mark.parametrize("kind", ["btrfs", "overlay", "xfs"])
def test_F77_a_tuner_is_seen_on_any_file_system(
    run: FaultRun, mounts: Mounts, tmp_path: Path, kind: str
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if kind == "overlay":
        for name in ("lower", "upper", "work"):
            (tmp_path / name).mkdir()
        options = ",".join(f"{name}dir={tmp_path / name}" for name in ("lower", "upper", "work"))
        mounts.mount("-t", "overlay", "overlay", "-o", options, disk)
    else:
        if shutil.which(f"mkfs.{kind}") is None:
            pytest.skip(f"mkfs.{kind} missing")
        image = tmp_path / "image"
        with image.open("wb") as file:
            file.truncate(400 << 20)
        subprocess.run([f"mkfs.{kind}", "-q", str(image)], check=True, capture_output=True)
        mounts.mount("-o", "loop", image, disk)
    run.out = str(disk / "result")
    run.plan({"*": {"hold": "go"}})
    life = run.start_fresh(before=mounts.inside(run.root))
    wait_until(lambda: run.lines("start"))
    assert state_of(run, mounts.inside(run.root))["state"] == "RUNNING"
    run.release()
    assert life.wait(DEADLINE_S) == 0, run.console


def test_F77_looking_again_and_again_keeps_no_tuner_from_its_start(run: FaultRun) -> None:
    """It takes the lock for a moment to see if it is free."""
    run.plan({"*": {"hold": "go"}})
    life = run.start()
    wait_until(lambda: run.lines("start"))
    run.kill(life, signal.SIGKILL)
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from autofinetune.run.directories import is_tuner_alive\n"
        "print(flush=True)\nwhile True: is_tuner_alive(Path(sys.argv[1]))"
    )
    command = [sys.executable, "-c", code, str(run.paths.lock)]
    looking = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert looking.stdout is not None
        looking.stdout.readline()
        run.release()
        assert run.finish() == 0, run.console
    finally:
        looking.kill()
        looking.communicate()


@pytest.mark.parametrize(
    ("host", "boot", "state"),
    [
        ("elsewhere", "another", "RUNNING"),  # it may live: nobody can see that here
        (os.uname().nodename, "another", "ERROR"),  # the machine has been down
        ("container", boot_id(), "ERROR"),  # the same kernel, whose locks are seen
    ],
)
def test_F77_of_a_tuner_on_another_machine_is_said_what_cannot_be_known(
    run: FaultRun, host: str, boot: str, state: str
) -> None:
    run.plan({"*": {"hold": "go"}})
    life = run.start()
    wait_until(lambda: run.lines("start"))
    run.kill(life, signal.SIGKILL)
    since = "2026-01-01T00:00:00+00:00"
    run.paths.lock.write_text(f"pid 4711 on {host} since {since}\nboot {boot}\n")
    found = state_of(run)
    assert found["state"] == state
    if state == "RUNNING":
        assert "it is unknown whether its tuner on elsewhere is running" in found["reason"]
    else:
        assert "its tuner is gone" in found["reason"]
