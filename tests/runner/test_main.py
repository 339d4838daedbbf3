"""The runner's own pieces."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from autofinetune.executors.local import _PACKAGE_PARENT, START_RUNNER
from autofinetune.runner import files, processes


def run(directory: Path) -> int:
    command = [*START_RUNNER, str(directory), _PACKAGE_PARENT]
    return subprocess.run(command, check=False, stdin=subprocess.DEVNULL).returncode


def write_spec(directory: Path, *argv: str) -> None:
    spec = {"argv": list(argv), "cwd": str(directory), "log": str(directory / "log"), "grace_s": 1}
    (directory / files.SPEC).write_text(json.dumps(spec))


def test_an_attempt_is_started_at_most_once(tmp_path: Path) -> None:
    write_spec(tmp_path, "sh", "-c", "echo once")
    assert run(tmp_path) == 0
    record = (tmp_path / files.EXIT).read_bytes()
    assert run(tmp_path) == 0
    assert (tmp_path / "log").read_text() == "once\n"
    assert (tmp_path / files.EXIT).read_bytes() == record


def test_a_started_attempt_is_not_started_again_after_its_runner_died(tmp_path: Path) -> None:
    write_spec(tmp_path, "sh", "-c", "echo ran")
    (tmp_path / files.STARTED).write_text("{}")
    assert run(tmp_path) == 0
    assert not (tmp_path / files.EXIT).exists()
    assert not (tmp_path / "log").exists()


def test_a_held_lock_means_somebody_owns_it(tmp_path: Path) -> None:
    write_spec(tmp_path, "sh", "-c", "echo ran")
    lock = files.try_lock(str(tmp_path / files.LOCK))
    assert lock is not None
    assert files.try_lock(str(tmp_path / files.LOCK)) is None
    assert run(tmp_path) == 0
    assert not (tmp_path / files.STARTED).exists()
    os.close(lock)
    assert run(tmp_path) == 0
    assert (tmp_path / "log").read_text() == "ran\n"


def test_the_trial_holds_the_lock(tmp_path: Path) -> None:
    write_spec(tmp_path, "sh", "-c", f"flock -n {tmp_path / files.LOCK} true || echo held")
    run(tmp_path)
    assert (tmp_path / "log").read_text() == "held\n"
    lock = files.try_lock(str(tmp_path / files.LOCK))
    assert lock is not None
    os.close(lock)


def test_identity_tells_a_living_process_from_a_dead_and_a_different_one() -> None:
    who = processes.identity(os.getpid())
    assert processes.is_alive(who)
    assert not processes.is_alive(who | {"start_time": who["start_time"] + 1})
    assert not processes.is_alive(who | {"boot_id": "other"})
    child = subprocess.Popen(["true"])
    child_identity = processes.identity(child.pid)
    child.wait()
    assert not processes.is_alive(child_identity)


def test_a_zombie_is_dead() -> None:
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert processes.start_time(child.pid) is None
    child.wait()


def test_marks_are_compared_whole() -> None:
    env = {**os.environ, processes.MARK_VARIABLE: f"{os.getpid()}/12/1"}
    child = subprocess.Popen(["sleep", "1000"], env=env)
    try:
        while not processes.marked(f"{os.getpid()}/12/1"):
            os.sched_yield()  # its environment is not there yet
        assert processes.marked(f"{os.getpid()}/12/1") == [child.pid]
        assert processes.marked(f"{os.getpid()}/12/") == []
        assert processes.marked(f"{os.getpid()}/1") == []
    finally:
        child.kill()
        child.wait()


def test_descendants_are_found_at_any_depth() -> None:
    script = "sleep 1000 & (sleep 1000) & echo ready; wait"
    child = subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"ready\n"
    found = processes.descendants(os.getpid())
    assert child.pid in found
    assert len(processes.descendants(child.pid)) >= 2
    processes.send_to(processes.descendants(child.pid), 9)
    child.wait()
    child.stdout.close()


def test_signals_to_the_dead_are_no_error() -> None:
    child = subprocess.Popen(["true"])
    child.wait()
    processes.send_to([child.pid], 15)


def test_it_needs_the_standard_library_only() -> None:
    code = (
        f"import sys; sys.path.insert(0, {_PACKAGE_PARENT!r}); import autofinetune.runner.main; "
        "print([m for m in ('numpy', 'yaml', 'subprocess', 'threading') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, check=True)
    assert done.stdout == b"[]\n"
