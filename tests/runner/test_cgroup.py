"""Control groups, where this machine lets us create them."""

from __future__ import annotations

import io
import os
import subprocess
from pathlib import Path
from typing import IO, Any

import pytest

from autofinetune.runner import cgroup
from autofinetune.runner.cgroup import Cgroup, oom_counter, planned_cgroup, recorded_cgroup


def test_everything_inside_is_seen_and_killed() -> None:
    group = planned_cgroup(f"test/{os.getpid()}")
    group.make()
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
    group.move([child.pid])
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
    group.move([1])
    group.kill()
    group.remove()
    assert group.pids() == []
    monkeypatch.setattr(cgroup, "own_groups", lambda: ["/proc/no/such"])
    group = planned_cgroup("a/b/c")
    assert group.paths == ["/proc/no/such/autofinetune-a-b-c"]
    group.make()
    assert group.paths == []


def test_only_groups_that_a_runner_can_have_made_are_taken_from_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted, name = tmp_path / "cgroup", "autofinetune-run-0-1"
    (mounted / "own").mkdir(parents=True)
    (tmp_path / name).symlink_to(mounted / "own")
    (mounted / name).symlink_to(mounted / "own")
    pretend(monkeypatch, mounts=f"cgroup2 {mounted} cgroup2 rw 0 0\n")
    good = f"{mounted}/own/{name}"
    bad = [
        f"{mounted}/other", f"{tmp_path}/{name}", f"{mounted}/{name}",
        f"{mounted}/x/../own/{name}",
        f"{mounted}/a\0b/{name}", f"{mounted}/own/{name}/", name, "", 3, None,
    ]  # fmt: skip
    assert recorded_cgroup("run/0/1", [*bad, good]).paths == [good]
    assert recorded_cgroup("run/0/1", {good: 1}).paths == []
    pretend(monkeypatch)
    assert recorded_cgroup("run/0/1", [good]).paths == []


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


def pretend(monkeypatch: pytest.MonkeyPatch, **texts: str) -> None:
    """Replace /proc/self/cgroup and /proc/self/mounts; files not given are missing."""

    def opened(path: str, mode: str = "r", **options: Any) -> IO[Any]:
        folder, _, name = path.rpartition("/")
        if folder != "/proc/self":
            return open(path, mode, **options)  # noqa: PTH123
        if name not in texts:
            raise FileNotFoundError(path)
        return io.StringIO(texts[name])

    monkeypatch.setattr(cgroup, "open", opened, raising=False)


def test_groups_are_made_below_ours_in_both_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two, memory = tmp_path / "two", tmp_path / "memory"
    (two / "us").mkdir(parents=True)
    (memory / "them").mkdir(parents=True)
    pretend(
        monkeypatch,
        cgroup="12:cpu,cpuacct:/x\n3:memory:/them\n0::/us\n",
        mounts=f"cgroup2 {two} cgroup2 rw 0 0\nproc /proc proc rw 0 0\n"
        f"cgroup /cpu cgroup rw,cpu,cpuacct 0 0\ncgroup {memory} cgroup rw,memory 0 0\n",
    )
    group = planned_cgroup("run/0/1")
    made = [memory / "them/autofinetune-run-0-1", two / "us/autofinetune-run-0-1"]
    assert group.paths == [str(path) for path in made]
    assert not any(path.exists() for path in made)
    group.make()
    assert all(path.is_dir() for path in made)
    (two / "us/cgroup.procs").write_text("6\n7\n")
    (memory / "them/cgroup.procs").write_text("7\n")
    group.move([7, 8])
    assert [(path / "cgroup.procs").read_text() for path in made] == ["7", "7"]
    (made[1] / "cgroup.procs").write_text("9\n8\n")
    assert group.pids() == [7, 8, 9]
    group.kill()
    assert (made[1] / "cgroup.kill").read_text() == "1"
    (memory / "them/memory.oom_control").write_text("oom_kill_disable 0\n")
    (two / "us/memory.events").write_text("oom_kill 2\n")
    assert oom_counter(group)() == 2
    again = planned_cgroup("run/0/1")
    again.make()
    assert again.paths == []
    for path in made:
        for file in path.iterdir():
            file.unlink()
    group.remove()
    assert not any(path.exists() for path in made)


@pytest.mark.parametrize("name", ["cgroup", "mounts"])
def test_a_kernel_without_groups_makes_none(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    pretend(monkeypatch, **{name: ""})
    assert planned_cgroup("run/0/1").paths == []


def test_without_groups_the_machine_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch)
    real = cgroup._count
    vmstat = tmp_path / "vmstat"
    vmstat.write_text("pgfault 5\noom_kill 3\n")
    monkeypatch.setattr(
        cgroup, "_count", lambda path: real(str(vmstat) if path == "/proc/vmstat" else path)
    )
    assert oom_counter(Cgroup([]))() == 3
    vmstat.write_text("pgfault 5\n")
    assert oom_counter(Cgroup([]))() == 0
