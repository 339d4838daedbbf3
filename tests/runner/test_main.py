"""The parts of the runner."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from autofinetune.executors.local.start import START_RUNNER, start_runner
from autofinetune.runner import files, main, processes
from autofinetune.runner.cgroup import planned_cgroup
from autofinetune.runner.home import Home
from autofinetune.trial.report import REPORT_FILE_VARIABLE
from autofinetune.version import PACKAGE_PARENT
from tests.forking import wait_until


def run(directory: Path, before: str = "") -> int:
    """Run the attempt; its runner first executes the code `before`."""
    start = [*START_RUNNER[:-1], f"{before}\n{START_RUNNER[-1]}"]
    command = [*start, str(directory), PACKAGE_PARENT]
    env = {**os.environ, REPORT_FILE_VARIABLE: str(directory / files.REPORTS)}
    return subprocess.run(command, check=False, stdin=subprocess.DEVNULL, env=env).returncode


def write_spec(directory: Path, *argv: str, cwd: Path | None = None, **fields: Any) -> None:
    cwd = cwd or directory
    spec = {"argv": list(argv), "cwd": str(cwd), "log": str(cwd / "log"), "grace_s": 1}
    (directory / files.SPEC).write_text(json.dumps(spec | fields))


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


def test_an_attempt_that_is_over_is_not_started(tmp_path: Path) -> None:
    write_spec(tmp_path, "sh", "-c", "echo ran")
    (tmp_path / files.EXIT).write_text("{}")
    assert run(tmp_path) == 0
    assert not (tmp_path / files.STARTED).exists()


def test_a_spec_may_have_variables_and_its_runner_says_where_it_is(tmp_path: Path) -> None:
    write_spec(tmp_path, "sh", "-c", "echo $MORE", env={"MORE": "more", "SLURMD_NODENAME": "w1"})
    assert run(tmp_path) == 0
    assert (tmp_path / "log").read_text() == "more\n"
    assert json.loads((tmp_path / files.STARTED).read_bytes())["node"] == "w1"


def test_a_queueing_system_says_that_the_time_is_over(tmp_path: Path) -> None:
    write_spec(tmp_path, "sh", "-c", "kill -USR2 $PPID; exec sleep 1000", grace_s=1000)
    assert run(tmp_path) == 0
    record = read_record(tmp_path)
    assert (record["why"], record["signal"]) == ("timeout", signal.SIGUSR2)


def test_a_record_by_others_is_a_fence(tmp_path: Path) -> None:
    script = f"trap '' TERM; echo ran; echo {{}} > {files.EXIT}; while :; do sleep 0.05; done"
    write_spec(tmp_path, "sh", "-c", script, grace_s=1000, fence_s=0.02)
    assert run(tmp_path) == 0
    assert (tmp_path / files.EXIT).read_text() == "{}\n"
    assert (tmp_path / "log").read_text() == "ran\n"


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
        f"import sys; sys.path.insert(0, {PACKAGE_PARENT!r}); import autofinetune.runner.main; "
        "print([m for m in ('numpy', 'yaml', 'subprocess', 'threading') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, check=True)
    assert done.stdout == b"[]\n"


def read_record(directory: Path) -> dict[str, object]:
    record: dict[str, object] = json.loads((directory / files.EXIT).read_text())
    return record


def test_what_ignores_a_request_is_killed_and_what_it_prints_is_kept(tmp_path: Path) -> None:
    left = "trap 'echo asked' TERM; touch ready; while :; do sleep 0.05; done"
    write_spec(tmp_path, "sh", "-c", f"({left}) & until [ -e ready ]; do sleep 0.01; done")
    assert run(tmp_path) == 0
    record = read_record(tmp_path)
    assert (record["why"], record["returncode"], record["survivors"]) == ("exit", 0, [])
    assert isinstance(record["leftovers"], int)
    assert record["leftovers"] >= 1
    assert "asked" in (tmp_path / "log").read_text()
    lock = files.try_lock(str(tmp_path / files.LOCK))
    assert lock is not None
    os.close(lock)


def test_reports_and_record_come_back_into_a_deleted_directory(tmp_path: Path) -> None:
    directory = tmp_path / "out/trials/1/attempt-1"
    directory.mkdir(parents=True)
    script = f"echo one >> $AUTOFINETUNE_REPORT_FILE; rm -r {tmp_path / 'out/trials'}"
    write_spec(directory, "sh", "-c", script, cwd=tmp_path)
    assert run(directory) == 0
    assert read_record(directory)["returncode"] == 0
    assert (directory / files.REPORTS).read_text() == "one\n"


def test_where_the_output_was_replaced_nothing_is_written(tmp_path: Path) -> None:
    directory = tmp_path / "out/trials/1/attempt-1"
    directory.mkdir(parents=True)
    script = "rm -r out; echo mine > out"
    write_spec(directory, "sh", "-c", script, cwd=tmp_path)
    assert run(directory) == 0
    assert (tmp_path / "out").read_text() == "mine\n"


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The times that the runner would have slept."""
    waited: list[float] = []
    monkeypatch.setattr(main, "time", SimpleNamespace(sleep=waited.append))
    return waited


@pytest.mark.parametrize("is_durable", [False, True])
def test_a_record_waits_for_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waits: list[float], is_durable: bool
) -> None:
    (tmp_path / "trials/1").mkdir(parents=True)

    def write(path: str, record: dict[str, object], *, durable: bool) -> None:
        assert durable is is_durable
        if len(waits) < 2:
            raise OSError(errno.ENOSPC, "full")
        files.write_atomically(path, record, durable=durable)

    monkeypatch.setattr(main, "write_atomically", write)
    home = Home(str(tmp_path / "trials/1"))
    main._write_record(home, {"why": "exit"}, -1, durable=is_durable)
    assert read_record(tmp_path / "trials/1") == {"why": "exit"}
    assert len(waits) == 2


@pytest.mark.parametrize("lives", [False, True])
def test_the_end_is_durable_at_once_where_no_tuner_is_there_to_write_it_down(
    tmp_path: Path, lives: bool
) -> None:
    tuner = processes.identity(os.getpid())
    write_spec(tmp_path, "true", tuner=tuner if lives else tuner | {"boot_id": "earlier"})
    count = (
        "import os; fsync = os.fsync\n"
        f"os.fsync = lambda fd: (open('{tmp_path}/synced', 'a').write('x'), fsync(fd))"
    )
    assert run(tmp_path, count) == 0
    assert read_record(tmp_path)["returncode"] == 0
    assert (tmp_path / "synced").exists() is not lives


def test_only_a_command_that_goes_on_gets_groups_of_its_own(tmp_path: Path) -> None:
    group = planned_cgroup(f"test-{os.getpid()}/0/1")
    group.make()
    group.remove()
    if not group.paths:
        pytest.skip("no control group can be made here")
    short, long = tmp_path / "short", tmp_path / "long"
    short.mkdir()
    long.mkdir()
    mark = f"import os; os.environ['{processes.MARK_VARIABLE}'] = 'test-{os.getpid()}/0/1'"
    write_spec(short, "true")
    package = f"import sys; sys.path.append({PACKAGE_PARENT!r})"
    never = "from autofinetune.runner import main; main.SETTLED_S = 1000"
    assert run(short, f"{mark}\n{package}\n{never}") == 0
    assert "cgroups" not in json.loads((short / files.STARTED).read_text())
    script = (
        "sleep 1000 & until grep -sqx $! $0 && grep -sqx $$ $0; do :; done; "  # both were moved
        "echo moved; kill $!"
    )
    write_spec(long, "sh", "-c", script, f"{group.paths[0]}/cgroup.procs")
    assert run(long, mark) == 0
    assert json.loads((long / files.STARTED).read_text())["cgroups"] == group.paths
    assert (long / "log").read_text() == "moved\n"
    assert not any(os.path.exists(path) for path in group.paths)  # noqa: PTH110


@pytest.mark.parametrize("name", ["planned_cgroup", "descendants", "oom_counter", "is_alive"])
def test_a_command_goes_on_where_the_machine_has_no_room_for_a_look_at_it(
    tmp_path: Path, name: str
) -> None:
    tuner = processes.identity(os.getpid())
    write_spec(tmp_path, "sh", "-c", "sleep 0.2; echo over", tuner=tuner)
    refuse = (
        f"import sys; sys.path.append({PACKAGE_PARENT!r})\n"
        "from autofinetune.runner import main as runner\n"
        f"real, refused = runner.{name}, []\n"
        "def refuse(*words):\n"
        "    if not refused:\n"
        "        refused.append(1)\n"
        "        raise OSError(23, 'no room')\n"
        "    return real(*words)\n"
        f"runner.{name} = refuse"
    )
    assert run(tmp_path, refuse) == 0
    assert read_record(tmp_path)["why"] == "exit"
    assert (tmp_path / "log").read_text() == "over\n"


def test_what_starts_processes_all_the_time_is_not_chased_for_ever(tmp_path: Path) -> None:
    """After the last pass the command goes on, whatever it has started meanwhile."""
    one_pass = (
        f"import sys; sys.path.append({PACKAGE_PARENT!r})\n"
        "from autofinetune.runner import main as runner\n"
        "real = runner.descendants\n"
        "def look(pid):\n"
        "    found = real(pid)\n"
        "    open('looks', 'a').write('x')\n"
        "    return found\n"
        "runner._MOVES, runner.descendants = 1, look"
    )
    write_spec(tmp_path, "sh", "-c", "until [ -s looks ]; do sleep 0.01; done; echo over")
    assert run(tmp_path, one_pass) == 0
    assert read_record(tmp_path)["returncode"] == 0
    assert (tmp_path / "log").read_text() == "over\n"


def test_scores_in_the_output_wait_for_space(tmp_path: Path) -> None:
    full = (
        "import errno, os, time\n"
        "opened, waits = os.open, []\n"
        "def open_unless_full(path, flags, *more, **others):\n"
        "    if str(path).endswith('reports.jsonl') and flags & os.O_APPEND and len(waits) < 2:\n"
        "        raise OSError(errno.ENOSPC, 'full')\n"
        "    return opened(path, flags, *more, **others)\n"
        "os.open, time.sleep = open_unless_full, waits.append"
    )
    write_spec(tmp_path, "echo", "score=0.5", metric_pattern="score=(.*)")
    assert run(tmp_path, full) == 0
    assert read_record(tmp_path)["returncode"] == 0
    report = json.loads((tmp_path / files.REPORTS).read_text())
    assert (report["intermediate"], report["step"]) == (0.5, 0)


def test_the_directory_of_a_question_goes_with_the_one_who_asked(tmp_path: Path) -> None:
    directory = tmp_path / "question"
    directory.mkdir()
    write_spec(
        directory, "sh", "-c", "touch ready; exec sleep 1000", cwd=tmp_path, is_scratch=True
    )
    lifeline, ours = os.pipe()
    runner = start_runner(str(directory), os.environ, lifelines=[lifeline])
    os.close(lifeline)
    wait_until((tmp_path / "ready").exists)
    os.close(ours)
    assert runner.wait() == 0
    assert not directory.exists()


def test_a_limit_that_somebody_has_set_for_the_trial_stays(tmp_path: Path) -> None:
    """It is not replaced by the mark, which the trial has in its environment, too."""
    limit = (
        f"import os, resource; os.environ['{processes.MARK_VARIABLE}'] = 'test/0/1'\n"
        "resource.setrlimit(resource.RLIMIT_RTTIME, (1000, resource.RLIM_INFINITY))"
    )
    code = "import resource; print(resource.getrlimit(resource.RLIMIT_RTTIME)[0])"
    write_spec(tmp_path, sys.executable, "-c", code)
    assert run(tmp_path, limit) == 0
    assert (tmp_path / "log").read_text() == "1000\n"


@pytest.mark.parametrize("lacking", [errno.EAGAIN, errno.ENOMEM])
def test_a_machine_without_room_for_a_process_gets_time(lacking: int, waits: list[float]) -> None:
    def start(*words: str) -> int:
        if len(waits) < 3:
            raise OSError(lacking, "no room")
        assert words == ("a", "b")
        return 7

    assert main._patiently(start, "a", "b") == 7
    assert len(waits) == 3


def test_patience_ends(waits: list[float]) -> None:
    def refuse(code: int) -> int:
        raise OSError(code, "refused")

    with pytest.raises(OSError, match="refused"):
        main._patiently(refuse, errno.ENOMEM)
    assert len(waits) == 20
    with pytest.raises(PermissionError):
        main._patiently(refuse, errno.EPERM)
    assert len(waits) == 20


# --- several ranks ------------------------------------------------------------------------------


def run_ranks(directory: Path, script: str, ranks: int = 2, **fields: Any) -> dict[str, object]:
    """Run a trial whose ranks are this shell script; return its exit record."""
    write_spec(directory, "sh", "-c", script, ranks=ranks, **fields)
    assert run(directory) == 0
    return read_record(directory)


def test_ranks_are_told_apart_and_share_one_log(tmp_path: Path) -> None:
    record = run_ranks(tmp_path, "echo $RANK of $WORLD_SIZE at $MASTER_ADDR", ranks=3)
    assert (record["why"], record["returncode"], record["leftovers"]) == ("exit", 0, 0)
    assert sorted((tmp_path / "log").read_text().splitlines()) == [
        "0 of 3 at 127.0.0.1",
        "[rank 1] 1 of 3 at 127.0.0.1",
        "[rank 2] 2 of 3 at 127.0.0.1",
    ]


def test_one_process_is_no_rank(tmp_path: Path) -> None:
    run_ranks(tmp_path, "echo ${RANK-none} ${MASTER_PORT-none}", ranks=1)
    assert (tmp_path / "log").read_text() == "none none\n"


def test_the_trial_ends_with_its_last_rank(tmp_path: Path) -> None:
    script = (
        "[ $RANK = 0 ] && touch done && exit; until [ -e done ]; do sleep 0.01; done; echo late"
    )
    assert run_ranks(tmp_path, script)["returncode"] == 0
    assert (tmp_path / "log").read_text() == "[rank 1] late\n"


@pytest.mark.parametrize("guilty", [0, 1])
@pytest.mark.parametrize(("end", "code"), [("exit 7", 7), ("kill -9 $$", -9)])
def test_the_first_rank_that_fails_ends_the_others(
    tmp_path: Path, guilty: int, end: str, code: int
) -> None:
    script = (
        f"if [ $RANK = {guilty} ]; then until [ -e ready ]; do sleep 0.01; done; {end}; fi; "
        "trap 'exit 0' TERM; touch ready; while :; do sleep 0.01; done"
    )
    record = run_ranks(tmp_path, script, grace_s=1000)
    assert (record["why"], record["returncode"]) == ("exit", code)


def test_a_rank_that_does_not_follow_the_failed_one_is_killed(tmp_path: Path) -> None:
    script = (
        "[ $RANK = 1 ] && until [ -e ready ]; do sleep 0.01; done && exit 7; "
        "trap 'echo asked' TERM; touch ready; while :; do sleep 0.01; done"
    )
    record = run_ranks(tmp_path, script, grace_s=0.2)
    assert (record["why"], record["returncode"]) == ("exit", 7)
    assert (tmp_path / "log").read_text() == "asked\n"


def test_the_time_limit_holds_for_all_ranks(tmp_path: Path) -> None:
    record = run_ranks(tmp_path, "exec sleep 1000", time_limit_s=0.2, grace_s=1000)
    assert (record["why"], record["returncode"]) == ("timeout", -signal.SIGTERM)


def test_a_limit_may_be_longer_than_the_kernel_can_wait(tmp_path: Path) -> None:
    record = run_ranks(tmp_path, "true", time_limit_s=1e12)
    assert (record["why"], record["returncode"]) == ("exit", 0)


def test_what_ranks_leave_behind_is_ended(tmp_path: Path) -> None:
    record = run_ranks(tmp_path, "setsid sleep 1000 & sleep 1000 &")
    assert (record["returncode"], record["survivors"]) == (0, [])
    assert isinstance(record["leftovers"], int)
    assert record["leftovers"] >= 4


ONE_FORK = """
import errno, os
spawn, started = os.posix_spawnp, []
def once(*args, **options):
    if started:
        raise PermissionError(errno.EPERM, "no more than one")
    started.append(spawn(*args, **options))
    return started[0]
os.posix_spawnp = once
"""


def test_where_not_all_ranks_can_be_started_none_is_left(tmp_path: Path) -> None:
    write_spec(tmp_path, "sh", "-c", "echo $$ > pid; exec sleep 1000", ranks=2)
    assert run(tmp_path, ONE_FORK) == 0
    record = read_record(tmp_path)
    assert (record["why"], record["returncode"]) == ("spawn", None)
    assert "no more than one" in str(record["error"])
    lock = files.try_lock(str(tmp_path / files.LOCK))
    assert lock is not None  # which the rank has inherited
    os.close(lock)


# --- cores --------------------------------------------------------------------------------------


def test_all_ranks_keep_to_the_cores_of_the_trial(tmp_path: Path) -> None:
    core = max(os.sched_getaffinity(0))
    code = "import os; print(os.sched_getaffinity(0))"
    write_spec(tmp_path, sys.executable, "-c", code, ranks=2, cpus=[core])
    assert run(tmp_path) == 0
    assert sorted((tmp_path / "log").read_text().splitlines()) == [
        f"[rank 1] {{{core}}}",
        f"{{{core}}}",
    ]


def test_cores_that_are_not_there_are_told(tmp_path: Path) -> None:
    write_spec(tmp_path, "true", cpus=[1000])
    assert run(tmp_path) == 0
    record = read_record(tmp_path)
    assert record["why"] == "spawn"
    assert "the cores [1000] cannot be used" in str(record["error"])


def process(role: str, code: str, *, is_service: bool = False, **env: str) -> dict[str, Any]:
    return {"role": role, "argv": ["sh", "-c", code], "env": env, "is_service": is_service}


def record_of(directory: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((directory / files.EXIT).read_text())
    return found


def test_processes_have_commands_and_variables_of_their_own(tmp_path: Path) -> None:
    each = [process("chief", "echo $MINE $AUTOFINETUNE_RANK", MINE="a"),
            process("worker", "echo $MINE $AUTOFINETUNE_RANK; exit 0", MINE="b")]  # fmt: skip
    write_spec(tmp_path, "false", processes=each, framework="tensorflow")
    assert run(tmp_path) == 0
    assert record_of(tmp_path)["returncode"] == 0
    assert set((tmp_path / "log").read_text().splitlines()) == {"a 0", "[rank 1] b 1"}


def test_a_command_is_searched_in_the_path_of_its_process(tmp_path: Path) -> None:
    """A file that cannot be executed, a folder and a missing folder are passed over."""
    (tmp_path / "first").mkdir()
    (tmp_path / "first/tool").write_text("not executable")
    (tmp_path / "second/tool").mkdir(parents=True)
    (tmp_path / "third").mkdir()
    (tmp_path / "third/tool").write_text("#!/bin/sh\necho found\n")
    (tmp_path / "third/tool").chmod(0o700)
    folders = [str(tmp_path / name) for name in ("first", "second", "missing", "third")]
    own = {"role": "worker", "env": {"PATH": ":".join(["", *folders])}, "is_service": False}
    write_spec(tmp_path, "false", processes=[{**own, "argv": ["tool"]}])
    assert run(tmp_path) == 0
    assert record_of(tmp_path)["returncode"] == 0
    assert (tmp_path / "log").read_text() == "found\n"


def test_a_command_that_its_path_lacks_is_searched_in_ours(tmp_path: Path) -> None:
    own = {"role": "worker", "env": {"PATH": "/nowhere"}, "is_service": False}
    write_spec(tmp_path, "false", processes=[{**own, "argv": ["true"]}])
    assert run(tmp_path) == 0
    assert record_of(tmp_path)["returncode"] == 0


def test_a_service_is_ended_with_the_others(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    os.mkfifo(ready)
    each = [process("worker", f"cat {ready}"),
            process("ps", f"echo up > {ready}; exec sleep 1000", is_service=True)]  # fmt: skip
    write_spec(tmp_path, "false", processes=each, framework="tensorflow")
    assert run(tmp_path) == 0
    record = record_of(tmp_path)
    assert (record["why"], record["returncode"], record["leftovers"]) == ("exit", 0, 1)


def test_a_service_that_fails_ends_the_trial(tmp_path: Path) -> None:
    each = [process("worker", "exec sleep 1000"), process("ps", "exit 3", is_service=True)]
    write_spec(tmp_path, "false", processes=each, framework="tensorflow")
    assert run(tmp_path) == 0
    assert record_of(tmp_path)["returncode"] == 3


# --- words and directories -----------------------------------------------------------------------


def test_words_that_the_locale_cannot_write_are_utf_8(monkeypatch: pytest.MonkeyPatch) -> None:
    def encode(word: str) -> bytes:
        return word.encode("latin-1", "surrogateescape")

    monkeypatch.setattr(os, "fsencode", encode)
    words = ["größe", "→", "\udce9", "\ud800→"]
    assert [main._encoded(word) for word in words] == [
        "größe".encode("latin-1"), "→".encode(), b"\xe9", b"\\ud800\xe2\x86\x92",
    ]  # fmt: skip
