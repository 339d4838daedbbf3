"""Control groups, where this machine lets us make one."""

from __future__ import annotations

import os
import subprocess

import pytest

from autofinetune.runner.cgroup import Cgroup, make_cgroup


def test_everything_inside_is_seen_and_killed() -> None:
    group = make_cgroup(f"autofinetune-test-{os.getpid()}")
    if group is None:
        pytest.skip("no version 2 control group can be made here")
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
    assert not os.path.exists(group.path)  # noqa: PTH110


def test_refusals_are_silent() -> None:
    group = Cgroup("/proc/no/such/group")
    group.add(1)
    group.kill()
    group.remove()
    assert group.pids() == []
    assert make_cgroup("a/b/c") is None
