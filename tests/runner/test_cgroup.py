"""Control groups, where this machine lets us make one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from autofinetune.runner import cgroup
from autofinetune.runner.cgroup import Cgroup, make_cgroup, oom_counter, recorded_cgroup


def test_everything_inside_is_seen_and_killed() -> None:
    group = make_cgroup(f"test/{os.getpid()}")
    if not group.paths:
        pytest.skip("no control group can be made here")
    child = subprocess.Popen(
        ["sh", "-c", "read go; setsid sleep 1000 & sleep 1000 & echo ready; wait"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PATH": os.environ["PATH"]},
    )
    assert child.stdin is not None
    assert child.stdout is not None
    group.add(child.pid)
    child.stdin.write(b"go\n")
    child.stdin.flush()
    assert child.stdout.readline() == b"ready\n"
    assert len(group.pids()) >= 3
    group.kill()
    child.wait()
    child.stdin.close()
    child.stdout.close()
    while group.pids():
        os.sched_yield()
    group.remove()
    assert not any(os.path.exists(path) for path in group.paths)  # noqa: PTH110


def test_refusals_are_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    group = Cgroup(["/proc/no/such/group"])
    group.add(1)
    group.kill()
    group.remove()
    assert group.pids() == []
    monkeypatch.setattr(cgroup, "_own_groups", lambda: ["/proc/no/such"])
    assert make_cgroup("a/b/c").paths == []


def test_only_groups_of_the_mark_are_taken_from_a_file() -> None:
    paths = ["/sys/fs/cgroup/other", "/x/autofinetune-run-0-1", 3, None]
    assert recorded_cgroup("run/0/1", paths).paths == ["/x/autofinetune-run-0-1"]
    assert recorded_cgroup("run/0/1", {"/x/autofinetune-run-0-1": 1}).paths == []


def test_the_closest_counter_is_read(tmp_path: Path) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    for folder, name in ((own, "memory.events"), (other, "memory.oom_control")):
        folder.mkdir()
        (folder / name).write_text("oom_group_kill 7\noom_kill 1\n")
    for folder in (own, other):
        count = oom_counter(Cgroup([str(folder)]))
        assert count() == 1
    (other / "memory.oom_control").write_text("oom_kill 4\n")
    assert count() == 4
    (other / "memory.oom_control").write_text("oom_kill ?\n")
    assert count() == 0
    assert oom_counter(Cgroup([]))() >= 0
