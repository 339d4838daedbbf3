"""Runners that stop or hang, locks of other processes, interrupted --help: F69 to F74."""
# ruff: noqa: N802

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from autofinetune.core.status import Status
from autofinetune.runner.cgroup import planned_cgroup
from autofinetune.runner.processes import start_time
from tests.faults.harness import DEADLINE_S, FaultRun, Life, is_stopped, wait_until
from tests.faults.oracle import check_invariants
from tests.faults.test_trial_behaviour import write_script

AT_ONCE_S = 1.0  # the third Ctrl-C takes no longer
SLACK_S = 2.0  # a machine under load
# Around a tuner that can make no control groups.
WITHOUT_CGROUPS = (
    *("unshare", "--mount", "sh", "-c"),
    'umount -a -t cgroup,cgroup2; exec "$@"',
    "sh",
)


def _can_unshare() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "--mount", "true"], check=False).returncode == 0


needs_unshare = pytest.mark.skipif(not _can_unshare(), reason="no rights for a mount namespace")


RUN = {"popsize": 1, "rounds": 1, "gpu": "0"}


def checked(run: FaultRun, code: int) -> None:
    assert check_invariants(run.output_dir, run.ledger, code=code) == [], run.console


def interrupted_thrice(run: FaultRun, life: Life) -> float:
    """Press Ctrl-C three times; the seconds from the third one to the end."""
    pressed = 0.0
    for text in ("no new trials are started", "asked to end", "are killed"):
        pressed = time.monotonic()
        life.send_signal(signal.SIGINT)
        wait_until(lambda text=text: text in run.console or is_over(life))  # type: ignore[misc]
    assert life.wait(DEADLINE_S) == 130, run.console
    return time.monotonic() - pressed


def is_over(life: Life) -> bool:
    return start_time(life.pid) is None


def stop_and_wait(*pids: int) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: all(map(is_stopped, pids)))


# --- F69: runners that do not answer ------------------------------------------------------------

STOPPER = """
import threading
def stop_runner():
    while True:
        os.kill(RUNNER, signal.SIGSTOP)
        time.sleep({pause})
RUNNER = os.getppid()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
threading.Thread(target=stop_runner, daemon=True).start()
time.sleep(1000)
"""


@pytest.mark.parametrize("pause", [1000, 0.001])
def test_F69_the_time_limit_holds_though_the_script_stops_its_runner(
    run: FaultRun, pause: float
) -> None:
    run.options = ["--max_failures=0", "--trial_timeout=1"]
    write_script(run, STOPPER.format(pause=pause))
    assert run.finish() == 3, run.console
    checked(run, 3)
    (trial,) = run.state().trials.values()
    assert trial.seconds < 1 + 10 + 8 + SLACK_S  # limit, grace, and looks at the stopper
    assert (trial.status, trial.reason, trial.attempt) == (Status.FAILED, "timeout", 1)


def test_F69_a_result_counts_though_its_runner_was_stopped(run: FaultRun) -> None:
    write_script(run, "os.kill(os.getppid(), signal.SIGSTOP)\nsave()\nfinish(0.5)")
    assert run.finish() == 0, run.console
    checked(run, 0)


def test_F69_who_pauses_a_whole_trial_finds_it_paused_and_ends_it_at_once(run: FaultRun) -> None:
    run.plan({"*": {"hold": "go"}})
    life = run.start()
    wait_until(lambda: run.lines("start"))
    pids = [run.lines("start")[0].pid, run.runner_of(0)]
    stop_and_wait(*pids)
    looked = time.monotonic()
    wait_until(lambda: time.monotonic() - looked > 2.5)  # the executor has looked twice
    assert all(map(is_stopped, pids))
    assert interrupted_thrice(run, life) < AT_ONCE_S + SLACK_S
    checked(run, 130)
    assert [t.status for t in run.state().trials.values()] == [Status.QUEUED]
    run.plan({})
    assert run.finish() == 0


def test_F69_a_stopped_runner_is_continued_by_the_tuner_that_resumes(run: FaultRun) -> None:
    run.plan({"*": {"hold": "go"}})
    life = run.start()
    wait_until(lambda: run.lines("start"))
    run.kill(life)
    stop_and_wait(run.runner_of(0))
    run.release()
    assert run.finish() == 0, run.console
    checked(run, 0)
    assert run.state().trials[0].attempt == 1


@pytest.fixture
def holder(run: FaultRun) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Lets a stranger take the lock of the first trial."""
    started: list[subprocess.Popen[bytes]] = []

    def hold() -> subprocess.Popen[bytes]:
        lock = run.paths.attempt_dir(0, 1) / "lock"
        started.append(subprocess.Popen(["flock", "--no-fork", str(lock), "sleep", "1000"]))
        return started[-1]

    yield hold
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.skipif(shutil.which("flock") is None, reason="needs flock")
@pytest.mark.parametrize("is_waited_for", [True, False])
def test_F69_a_lock_held_by_a_stranger_holds_nobody_up(
    run: FaultRun, holder: Callable[[], subprocess.Popen[bytes]], is_waited_for: bool
) -> None:
    """It is named and left alone; a third Ctrl-C does not wait for it at all."""
    run.plan({"0/1": {"hold": "go"}})
    life = run.start()
    wait_until(lambda: run.lines("start"))
    stranger = holder()  # it waits until the lock is free
    for pid in (run.runner_of(0), run.lines("start")[0].pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if is_waited_for:
        assert life.wait(DEADLINE_S) == 0, run.console
        checked(run, 0)
        assert run.state().trials[0].lost == ("runner_lost",)
    else:
        assert interrupted_thrice(run, life) < AT_ONCE_S + SLACK_S
    assert f"is held by process {stranger.pid} (sleep)" in run.console or not is_waited_for
    assert stranger.poll() is None


# --- F70: what hides without control groups ------------------------------------------------------

HIDING = {
    "lock": "subprocess.Popen(['env', '-i', 'setsid', 'sleep', '1000'], close_fds=False)",
    "nothing": "subprocess.Popen(['env', '-i', 'setsid', 'sleep', '1000'])",
}
LEAVING = """
lock = os.open(os.path.join(HERE, "lock"), os.O_RDONLY)
child = {hide}
os.set_inheritable(lock, True)
while open(f"/proc/{{child.pid}}/comm").read() != "sleep\\n":
    time.sleep(0.001)
note("child", kind=str(child.pid))
save()
finish(0.5)
if os.environ["AUTOFINETUNE_MARK"][-1] == "1":
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(1000)
"""


@needs_unshare
@pytest.mark.parametrize("what", sorted(HIDING))
def test_F70_without_control_groups_nothing_outlives_its_runner(run: FaultRun, what: str) -> None:
    """Neither by its environment nor by its session, parent or descriptors can it be found."""
    write_script(run, LEAVING.format(hide=HIDING[what]))
    assert run.start_fresh(before=WITHOUT_CGROUPS).wait(DEADLINE_S) == 0, run.console
    checked(run, 0)
    hidden = [int(line.kind) for line in run.lines("child")]
    assert hidden
    assert list(filter(start_time, hidden)) == []


@needs_unshare
def test_F70_a_resumed_tuner_finds_it_too(run: FaultRun) -> None:
    write_script(run, LEAVING.format(hide=HIDING["nothing"]) + "\ntime.sleep(1000)")
    run.options = ["--max_failures=0", "--max_retries=0"]
    life = run.start_fresh(before=WITHOUT_CGROUPS)
    wait_until(lambda: run.holds_run() and run.lines("child"))
    run.kill(life)
    assert run.finish() in (0, 3), run.console
    (hidden,) = (int(line.kind) for line in run.lines("child"))
    assert start_time(hidden) is None


# --- F71: the question put to the script ---------------------------------------------------------

ASKED = """
import os, signal, subprocess, sys, time
sys.argv  # one that does not look at its words is not asked
left = subprocess.Popen(["env", "-i", "setsid", "sleep", "1000"])
with open("asked.new", "w") as file:
    file.write(f"{os.getpid()} {left.pid}")
os.rename("asked.new", "asked")
signal.signal(signal.SIGTERM, signal.SIG_IGN)
time.sleep(1000)
"""


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGQUIT, signal.SIGUSR1])
def test_F71_a_tuner_that_dies_while_it_asks_leaves_no_script_behind(
    run: FaultRun, tmp_path: Path, signum: signal.Signals
) -> None:
    (run.root / "train.py").write_text(ASKED)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    run.env["TMPDIR"] = str(scratch)
    words = [word for word in run.new_words() if word != "--skip-preflight"]
    life = run.start_fresh(*words, before=("sh", "-c", 'ulimit -c 0; exec "$@"', "sh"))
    wait_until((run.root / "asked").exists)
    assert run.kill(life, signum) == -signum
    pids = [int(word) for word in (run.root / "asked").read_text().split()]
    wait_until(lambda: not any(map(start_time, pids)))
    wait_until(lambda: not any(scratch.iterdir()))
    assert not run.output_dir.exists()


# --- F72: logs that cannot be written ------------------------------------------------------------

SPILL = """
def until_printed():
    os.write(1, b"x" * (66 << 20))
"""
LOGS = {
    "tail.new is a directory": "os.mkdir(os.path.join(HERE, 'tail.new'))\nuntil_printed()",
    "tail.old is a directory": (
        "os.makedirs(os.path.join(HERE, 'tail.old', 'x'))\nuntil_printed()\nuntil_printed()"
    ),
    "tail.new is deleted": (
        "until_printed()\n"
        "while not os.path.exists(os.path.join(HERE, 'tail.new')):\n    time.sleep(0.001)\n"
        "os.unlink(os.path.join(HERE, 'tail.new'))\nos.write(1, b'x' * (40 << 20))"
    ),
    "the attempt is deleted": (
        "save()\nfinish(0.5)\nuntil_printed()\nshutil.rmtree(HERE)\n"
        "os.write(1, b'x' * (40 << 20))\nsys.exit(0)"
    ),
}


@pytest.mark.parametrize("what", sorted(LOGS))
def test_F72_a_trial_goes_on_whatever_happens_to_its_log(run: FaultRun, what: str) -> None:
    write_script(run, f"{SPILL}\n{LOGS[what]}\nsave()\nfinish(0.5)")
    assert run.finish() == 0, run.console
    checked(run, 0)
    assert run.state().trials[0].attempt == 1
    record = json.loads((run.paths.attempt_dir(0, 1) / "exit.json").read_bytes())
    assert record["log_bytes_dropped"] > 0
    assert record["log_error"]


def test_F72_a_log_that_cannot_be_opened_costs_the_log_alone(run: FaultRun) -> None:
    run.rounds = 2
    write_script(
        run,
        "if TRIAL == 0:\n"
        "    os.makedirs('result/round1/log-0.info')\n"
        "print('said')\nsave()\nfinish(0.5 + TRIAL)",
    )
    assert run.finish() == 0, run.console
    assert [trial.attempt for trial in run.state().trials.values()] == [1, 1]
    record = json.loads((run.paths.attempt_dir(1, 1) / "exit.json").read_bytes())
    assert "Is a directory" in record["log_error"]


def test_F72_a_deleted_attempt_leaves_no_control_group(run: FaultRun) -> None:
    """Its record, which names them, is gone with it, and so is its runner."""
    write_script(
        run,
        """
        if os.environ["AUTOFINETUNE_MARK"][-1] == "1":
            while "cgroups" not in open(os.path.join(HERE, "started.json")).read():
                time.sleep(0.001)
            time.sleep(0.1)
            shutil.rmtree(HERE)
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(1000)
        save()
        finish(0.5)
        """,
    )
    assert run.finish() == 0, run.console
    checked(run, 0)
    assert run.state().trials[0].attempt == 2
    for attempt in (1, 2):
        group = planned_cgroup(f"{run.state().run}/0/{attempt}")
        assert [path for path in group.paths if Path(path).exists()] == []


# --- F74: signals that are ignored ---------------------------------------------------------------

IGNORING = """
import os, signal, sys
for signum in sys.argv[1].split(","):
    signal.signal(int(signum), signal.SIG_IGN)
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""


@pytest.mark.parametrize("signum", [signal.SIGHUP, signal.SIGINT])
def test_F74_an_ignored_signal_stays_ignored(run: FaultRun, signum: signal.Signals) -> None:
    """As `nohup` has SIGHUP, and a shell without job control SIGINT of what runs beside it."""
    run.plan({"*": {"hold": "go"}})
    before = [sys.executable, "-c", IGNORING, str(int(signum))]
    command = [*before, "-m", "autofinetune", *run.words()]
    with (run.root / "console").open("ab") as console:
        life = subprocess.Popen(
            command, cwd=run.root, env=run.environ(), stdin=subprocess.DEVNULL,
            stdout=console, stderr=console,
        )  # fmt: skip
    run.lives.append(life)
    wait_until(lambda: run.lines("start"))
    life.send_signal(signum)
    life.send_signal(signum)
    run.release()
    assert life.wait(DEADLINE_S) == 0, run.console
    checked(run, 0)
    assert "stopping" not in run.console
