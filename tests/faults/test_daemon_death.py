"""The tuner, its runners or the machine die at any moment: cases F25 to F40.

Nothing acknowledged is lost, nothing is started twice, nothing survives, and the run that goes on
comes to the same table as one that was left alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from autofinetune.core.run_state import INTERRUPTED
from autofinetune.runner.processes import boot_id, start_time
from tests.faults.harness import (
    DEADLINE_S,
    FaultRun,
    Life,
    is_stopped,
    wait_until,
)
from tests.faults.oracle import check_invariants
from tests.nursery import Nursery

ROOT = Path(__file__).parents[2]


def _can_trace() -> bool:
    if shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "-qq", "-o", os.devnull, "true"], check=False).returncode == 0


def _can_unshare() -> bool:
    words = ["unshare", "--pid", "--fork", "--mount-proc", "test", "-w", _LAST_PID]
    if shutil.which(words[0]) is None:
        return False
    return subprocess.run(words, check=False, stderr=subprocess.DEVNULL).returncode == 0


_LAST_PID = "/proc/sys/kernel/ns_last_pid"
needs_strace = pytest.mark.skipif(not _can_trace(), reason="strace cannot be used here")
needs_namespaces = pytest.mark.skipif(not _can_unshare(), reason="no rights for a pid namespace")


@pytest.fixture
def new_run(tmp_path: Path, nursery: Nursery) -> Iterator[Callable[..., FaultRun]]:
    made: list[FaultRun] = []

    def make(**fields: Any) -> FaultRun:
        made.append(FaultRun(tmp_path / f"run{len(made)}", nursery, **fields))
        return made[-1]

    yield make
    for run in made:
        run.close()


def started(run: FaultRun, count: int = 2) -> Life:
    """A tuner with `count` trials that wait for the file `go`, or for what the plan says."""
    if not (run.root / "plan.json").exists():
        run.plan({"*": {"hold": "go"}})
    life = run.start()
    wait_until(lambda: len(run.lines("start")) >= count)
    return life


def assert_whole(run: FaultRun, code: int) -> None:
    """The run is over, all invariants hold, and its table is that of an undisturbed run."""
    assert code == 0, run.console
    assert check_invariants(run.output_dir, run.ledger, code=code) == []
    assert run.table() == run.undisturbed()


def kill_tree(run: FaultRun, life: Life) -> None:
    """What a power cut does to processes: all of them at once."""
    run.kill(life)
    while left := run.survivors():
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has nothing to do with us."""
    process = subprocess.Popen(["sleep", "1000"])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def rename_runner(run: FaultRun, trial: int, **fields: object) -> None:
    """Let started.json name somebody else."""
    path = run.paths.attempt_dir(trial, 1) / "started.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **fields}))


# --- kills --------------------------------------------------------------------------------------


def test_F27_a_killed_runner_costs_one_attempt(new_run: Callable[..., FaultRun]) -> None:  # noqa: N802
    run = new_run()
    run.plan({"*": {"hold": "go", "tree": True, "deaf": True}, "0/2": {"hold": "", "tree": False},
              "1": {"hold": "", "hold_acked": "go"}})  # fmt: skip
    life = started(run)
    wait_until(lambda: len(run.lines("child")) == 6 and run.lines("acked"))
    for trial in (0, 1):
        os.kill(run.runner_of(trial), signal.SIGKILL)
    wait_until(lambda: run.lines("start")[-1].attempt == 2)
    run.release()
    assert_whole(run, life.wait(DEADLINE_S))
    trials = run.state().trials
    assert (trials[0].attempt, trials[0].lost) == (2, ("runner_lost",))
    assert (trials[1].attempt, trials[1].reason) == (1, "exit_after_result:runner_lost")


def test_F28_orphans_of_tuner_and_runner_are_ended_first(  # noqa: N802
    new_run: Callable[..., FaultRun],
) -> None:
    run = new_run()
    run.plan({"*": {"hold": "go", "tree": True, "deaf": True}})
    life = started(run)
    wait_until(lambda: len(run.lines("child")) == 6)
    run.kill(life)
    for trial in (0, 1):
        os.kill(run.runner_of(trial), signal.SIGKILL)
    orphans = [line.pid for line in run.lines("start") + run.lines("child")]
    assert set(orphans) <= set(run.survivors())
    run.plan({})
    assert_whole(run, run.finish())
    assert [t.attempt for t in run.state().trials.values()] == [2, 2, 1, 1]


# --- signals ------------------------------------------------------------------------------------


class Terminal:
    """A tuner that a person started in a terminal."""

    def __init__(self, run: FaultRun) -> None:
        self._ours, theirs = os.openpty()
        self.said = b""
        self.life = subprocess.Popen(
            ["setsid", "--ctty", sys.executable, "-m", "autofinetune", *run.words()],
            cwd=run.root, env=run.environ(), stdin=theirs, stdout=theirs, stderr=theirs,
        )  # fmt: skip
        os.close(theirs)
        run.lives.append(self.life)

    def press_ctrl_c(self) -> None:
        os.write(self._ours, b"\x03")

    def hears(self, text: bytes, within_s: float = DEADLINE_S) -> bool:
        """Whether `text` was said, by then; what came before it is forgotten."""
        end = time.monotonic() + within_s
        while text not in self.said and time.monotonic() < end:
            if select.select([self._ours], [], [], max(0.0, end - time.monotonic()))[0]:
                try:
                    self.said += os.read(self._ours, 65536)
                except OSError:  # the other end is gone
                    break
        found = text in self.said
        self.said = self.said.partition(text)[2]
        return found

    def close(self) -> None:
        os.close(self._ours)


@pytest.mark.parametrize("presses", [1, 2, 3])
@pytest.mark.skipif(shutil.which("setsid") is None, reason="setsid is missing")
def test_F29_ctrl_c_in_a_terminal(new_run: Callable[..., FaultRun], presses: int) -> None:  # noqa: N802
    run = new_run()
    run.plan({"*": {"hold": "go", "tree": True, "deaf": presses == 3}})
    words = (b"no new trials are started", b"asked to end", b"are killed")
    with contextlib.closing(Terminal(run)) as terminal:
        wait_until(lambda: len(run.lines("child")) == 6)
        for number, text in enumerate(words[:presses], start=1):
            terminal.press_ctrl_c()
            assert terminal.hears(text)
            if number == 2 and presses == 3:
                wait_until(lambda: {line.trial for line in run.lines("deaf")} == {0, 1})
        if presses == 1:
            run.release()
        assert terminal.hears(b"To continue: autofinetune resume")
        assert terminal.life.wait(DEADLINE_S) == 130
    assert check_invariants(run.output_dir, run.ledger, code=130) == []
    assert len(run.lines("end")) == (2 if presses == 1 else 0)
    run.plan({})
    assert_whole(run, run.finish())


@pytest.mark.skipif(shutil.which("setsid") is None, reason="setsid is missing")
def test_F29_ctrl_c_pressed_in_anger(new_run: Callable[..., FaultRun]) -> None:  # noqa: N802
    run = new_run()
    run.plan({"*": {"hold": "go"}})
    with contextlib.closing(Terminal(run)) as terminal:
        wait_until(lambda: len(run.lines("start")) == 2)
        while terminal.life.poll() is None:
            terminal.press_ctrl_c()
            terminal.hears(b"never said", within_s=0.015)
        # 130 by itself, or by the signal when it is pressed while the interpreter ends
        assert terminal.life.returncode in (130, -signal.SIGINT)
    assert check_invariants(run.output_dir, run.ledger, code=130) == []
    run.plan({})
    assert_whole(run, run.finish())


def test_F29_a_third_ctrl_c_right_after_the_second_is_no_second(  # noqa: N802
    new_run: Callable[..., FaultRun],
) -> None:
    """Two equal signals that wait together are one: the runners must tell the third apart."""
    run = new_run()
    run.plan({"*": {"hold": "go", "deaf": True}})
    life = started(run)
    runners = [run.runner_of(trial) for trial in (0, 1)]
    for pid in (life.pid, *runners):
        os.kill(pid, signal.SIGSTOP)
    # One that has not had the time to stop would still take what comes meanwhile.
    wait_until(lambda: all(is_stopped(pid) for pid in (life.pid, *runners)))
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        life.send_signal(signum)
    life.send_signal(signal.SIGCONT)  # and it continues the runners
    assert life.wait(3.0) in (129, 130, 143)


def test_F29_the_tables_tell_what_the_second_ctrl_c_did(  # noqa: N802
    new_run: Callable[..., FaultRun],
) -> None:
    run = new_run()
    life = started(run)
    for text in ("no new trials are started", "asked to end"):
        life.send_signal(signal.SIGINT)
        wait_until(lambda text=text: text in run.console)  # type: ignore[misc]
    assert life.wait(DEADLINE_S) == 130
    assert {t.status.value for t in run.state().trials.values()} == {"QUEUED"}
    assert "RUNNING" not in run.paths.trials_csv.read_text()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP])
def test_F30_terminate_and_hang_up(new_run: Callable[..., FaultRun], signum: int) -> None:  # noqa: N802
    run = new_run()
    life = started(run)
    life.send_signal(signum)
    wait_until(lambda: "no new trials" in run.console)
    run.release()
    code = life.wait(DEADLINE_S)
    assert code == 128 + signum
    assert check_invariants(run.output_dir, run.ledger, code=code) == []
    assert len(run.lines("end")) == 2
    assert_whole(run, run.finish())


@needs_strace
@pytest.mark.parametrize("nth", [18, 22, 26])
def test_F31_terminated_while_committing(new_run: Callable[..., FaultRun], nth: int) -> None:  # noqa: N802
    run = new_run()
    inject = f"inject=fdatasync:signal=SIGTERM:when={nth}"
    code = run.start_traced("trace=fdatasync", inject).wait(DEADLINE_S)
    # How many commits there are is a matter of time: this one may be the last.
    assert code == (143 if run.state().end_reason == INTERRUPTED else 0), run.console
    assert check_invariants(run.output_dir, run.ledger, code=code) == []
    assert_whole(run, run.finish())


LATE = """
import os, signal, sys
class Late:
    def __del__(self, kill=os.kill, pid=os.getpid(), signum=signal.SIGTERM):
        kill(pid, signum)
if "autofinetune" in sys.orig_argv:
    from autofinetune.store.journal import SqliteJournal
    def close(self, close=SqliteJournal.close):
        close(self)
        if WHERE == "close":
            os.kill(os.getpid(), signal.SIGTERM)
    SqliteJournal.close = close
    if WHERE == "gone":  # the modules go after Python has given up its signal handlers
        sys.late = Late()
"""


@pytest.mark.parametrize("where", ["close", "gone"])
def test_F31_terminated_once_the_run_is_over(  # noqa: N802
    new_run: Callable[..., FaultRun], where: str
) -> None:
    run = new_run()
    with_plugin(run, LATE.replace("WHERE", repr(where)))
    assert run.start_fresh().wait(DEADLINE_S) == 0, run.console


CTRL_C = """
import os, signal, sys
from pathlib import Path
if "autofinetune" in sys.orig_argv:
    from autofinetune.executors.local.executor import LocalExecutor
    def poll(self, wait_s, poll=LocalExecutor.poll):
        if Path("closed").exists():
            Path("closed").rename("interrupted")
            os.kill(os.getpid(), signal.SIGINT)
        return poll(self, wait_s)
    LocalExecutor.poll = poll
"""


@pytest.mark.parametrize("is_error_too", [False, True])
def test_F29_ctrl_c_that_ends_the_reader_of_the_output_too(  # noqa: N802
    new_run: Callable[..., FaultRun], is_error_too: bool
) -> None:
    """As with `autofinetune ... | tee log`, and with `2>&1 | tee log`."""
    run = new_run()
    run.plan({"*": {"hold": "go"}})
    with_plugin(run, CTRL_C)
    reader, writer = os.pipe()
    life = run.start_fresh(out=writer, err=writer if is_error_too else None)
    os.close(writer)
    wait_until(lambda: len(run.lines("start")) == 2)
    os.close(reader)
    run.release("closed")
    wait_until((run.root / "interrupted").exists)
    run.release()
    code = life.wait(DEADLINE_S)
    assert code == 130, run.console
    assert run.state().end_reason == INTERRUPTED
    assert check_invariants(run.output_dir, run.ledger, code=code) == []
    assert len(run.lines("end")) == 2
    assert_whole(run, run.finish())


def test_F32_a_stopped_tuner_neither_times_out_nor_starts_twice(  # noqa: N802
    new_run: Callable[..., FaultRun],
) -> None:
    run = new_run(options=["--trial_timeout=1"])
    life = started(run)
    life.send_signal(signal.SIGSTOP)
    run.release()
    wait_until(lambda: len(run.lines("end")) == 2)
    limit = time.monotonic() + 1.2
    wait_until(lambda: time.monotonic() > limit)  # the limit of the trials passes meanwhile
    life.send_signal(signal.SIGCONT)
    assert_whole(run, life.wait(DEADLINE_S))
    assert {t.attempt for t in run.state().trials.values()} == {1}


# --- reboots and pids ---------------------------------------------------------------------------


def test_F33_after_a_reboot_no_old_pid_is_signalled(new_run: Callable[..., FaultRun]) -> None:  # noqa: N802
    run = new_run()
    kill_tree(run, started(run))
    run.plan({})
    with stranger() as innocent:
        rename_runner(
            run, 0, pid=innocent.pid, start_time=start_time(innocent.pid), boot_id="another"
        )
        assert_whole(run, run.finish())
        assert innocent.poll() is None
    trials = run.state().trials
    assert [(t.attempt, t.lost) for t in trials.values()] == [
        (2, ("runner_lost",)), (2, ("runner_lost",)), (1, ()), (1, ()),
    ]  # fmt: skip


def test_F34_a_pid_that_is_somebody_elses_now(new_run: Callable[..., FaultRun]) -> None:  # noqa: N802
    run = new_run()
    kill_tree(run, started(run))
    run.plan({})
    with stranger() as innocent:
        rename_runner(run, 0, pid=innocent.pid)
        rename_runner(run, 1, pid=innocent.pid, boot_id=boot_id())
        assert_whole(run, run.finish())
        assert innocent.poll() is None


REUSE = """
import os, signal, subprocess, sys
from pathlib import Path
from tests.faults.harness import FaultRun, wait_until
from tests.faults.oracle import check_invariants
run = FaultRun(Path(sys.argv[1]))
run.plan({"*": {"hold": "go"}})
life = run.start()
wait_until(lambda: len(run.lines("start")) == 2)
pid = run.runner_of(0)
run.kill(life)
while left := run.survivors():
    for each in left:
        os.kill(each, signal.SIGKILL)
try:
    while True:  # orphans are ours here, and a zombie keeps its pid
        os.waitpid(-1, 0)
except ChildProcessError:
    pass
run.plan({})
innocent = None
for _ in range(100):
    Path(sys.argv[2]).write_text(str(pid - 1))
    innocent = subprocess.Popen(["sleep", "1000"])
    if innocent.pid == pid:
        break
    innocent.kill()
    innocent.wait()
assert innocent is not None and innocent.pid == pid, "the pid was not given again"
code = run.finish()
assert code == 0, run.console
assert check_invariants(run.output_dir, run.ledger, code=code) == []
assert innocent.poll() is None, "a stranger was signalled"
print("spared")
"""


@needs_namespaces
def test_F34_a_pid_that_was_really_given_again(tmp_path: Path) -> None:  # noqa: N802
    done = subprocess.run(
        ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child",
         sys.executable, "-c", REUSE, str(tmp_path / "run"), _LAST_PID],
        cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE_S, check=False,
    )  # fmt: skip
    assert done.stdout == "spared\n", done.stderr


# --- two tuners ---------------------------------------------------------------------------------


def test_F35_one_of_two_racing_tuners_wins(new_run: Callable[..., FaultRun]) -> None:  # noqa: N802
    for _ in range(20):
        run = new_run(popsize=1, rounds=1)
        run.plan({"*": {"hold": "go"}})
        both = [run.start(*run.new_words()) for _ in range(2)]
        ends = [os.pidfd_open(life.pid) for life in both]
        (first,) = select.select(ends, [], [], DEADLINE_S)[0]
        loser = both.pop(ends.index(first))
        for descriptor in ends:
            os.close(descriptor)
        assert loser.wait(DEADLINE_S) in (2, 5), run.console
        run.release()
        assert_whole(run, both[0].wait(DEADLINE_S))


def test_F35_the_loser_names_the_winner(new_run: Callable[..., FaultRun]) -> None:  # noqa: N802
    run = new_run()
    life = started(run)
    (run.root / "link").symlink_to(run.output_dir)
    assert run.finish("resume", "link") == 5
    assert f"pid {life.pid} on {os.uname().nodename} since 2" in run.console
    run.release()
    assert_whole(run, life.wait(DEADLINE_S))


def test_F35_a_slow_second_run_finds_the_first_one_done(  # noqa: N802
    new_run: Callable[..., FaultRun],
) -> None:
    """The second is still asking train.py for its options while the first does everything."""
    run = new_run()
    train = run.root / "train.py"
    wait = (
        "import os, sys, time\n"
        "if '--help' in sys.argv:\n"
        "    open('asked', 'w').close()\n"
        "    while not os.path.exists('answer'): time.sleep(0.005)\n"
    )
    train.write_text(wait + train.read_text())
    words = [word for word in run.new_words() if word != "--skip-preflight"]
    second = run.start(*words)
    wait_until((run.root / "asked").exists)
    assert run.finish(*run.new_words()) == 0
    table = run.table()
    run.release("answer")
    assert second.wait(DEADLINE_S) == 2, run.console
    assert run.table() == table


def test_F36_the_lock_of_a_killed_tuner_holds_nobody_up(  # noqa: N802
    new_run: Callable[..., FaultRun],
) -> None:
    run = new_run()
    run.kill(started(run))
    assert run.paths.lock.exists()
    run.release()
    assert_whole(run, run.finish())


# --- a strategy that raises ---------------------------------------------------------------------

RAISES = """
import sys
if "autofinetune" in sys.orig_argv:
    import autofinetune.strategies.pshe2 as module
    (strategy,) = [c for c in vars(module).values() if isinstance(c, type)
                   and c.__module__ == module.__name__ and hasattr(c, "tell")]
    def fail(self, *words, **named):
        raise RuntimeError("a bug in the strategy")
    setattr(strategy, "METHOD", fail)
"""


def with_plugin(run: FaultRun, code: str) -> None:
    """Let every Python of the run begin with this code."""
    (run.root / "plugin").mkdir()
    (run.root / "plugin/sitecustomize.py").write_text(code)
    before = [os.environ["PYTHONPATH"]] if "PYTHONPATH" in os.environ else []
    run.env["PYTHONPATH"] = os.pathsep.join([str(run.root / "plugin"), *before])


def raising(run: FaultRun, method: str) -> int:
    """Run it with a strategy whose `method` raises; the exit code."""
    with_plugin(run, RAISES.replace("METHOD", method))
    code = run.start_fresh().wait(DEADLINE_S)
    assert "a bug in the strategy" in run.console
    run.env.clear()
    return code


@pytest.mark.parametrize("method", ["tell", "ask", "_learn"])
def test_F37_a_raising_strategy_loses_nothing(  # noqa: N802
    new_run: Callable[..., FaultRun], method: str
) -> None:
    run = new_run()
    assert raising(run, method) != 0
    if run.holds_run():
        assert check_invariants(run.output_dir, run.ledger, is_over=False) == []
    assert_whole(run, run.finish())


@pytest.mark.parametrize(
    "method",
    [
        "tell",
        "__init__",
    ],
)
def test_F37_a_raising_strategy_is_told_shortly(  # noqa: N802
    new_run: Callable[..., FaultRun], method: str
) -> None:
    run = new_run()
    assert raising(run, method) == 3
    assert "Traceback" not in run.console
    assert run.survivors() == []


# --- journals that do not fit -------------------------------------------------------------------


def interrupted(run: FaultRun) -> None:
    """A run of which half is done."""
    life = started(run)
    life.send_signal(signal.SIGINT)
    wait_until(lambda: "no new trials" in run.console)
    run.release()
    assert life.wait(DEADLINE_S) == 130


def change(run: FaultRun, statement: str) -> bytes:
    """Change the journal; its bytes after that."""
    with contextlib.closing(sqlite3.connect(run.paths.journal)) as database:
        database.execute(statement)
        database.commit()
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return run.paths.journal.read_bytes()


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("PRAGMA user_version=99", "written by a newer autofinetune"),
        ("UPDATE events SET kind='Unheard' WHERE kind='TrialEnded'", "unknown event 'Unheard'"),
        (
            "UPDATE events SET body=replace(body, '\"trial\": 1,', '\"trial\": 9,') "
            "WHERE kind='TrialCreated'",
            "of the journal",
        ),
        ("UPDATE events SET body='{' WHERE kind='AttemptPlanned'", "cannot be read"),
        ("DELETE FROM events WHERE kind='AttemptPlanned'", "cannot be read"),
    ],
)
def test_F38_a_journal_that_does_not_fit_is_refused(  # noqa: N802
    new_run: Callable[..., FaultRun], statement: str, message: str
) -> None:
    run = new_run()
    interrupted(run)
    before = change(run, statement)
    assert run.finish(*run.resume_words()) == 4, run.console
    assert message in run.console
    assert "Traceback" not in run.console
    assert run.paths.journal.read_bytes() == before
    assert len(run.lines("start")) == 2


def test_F38_a_changed_hparam_file_changes_no_run_under_way(  # noqa: N802
    new_run: Callable[..., FaultRun],
) -> None:
    run = new_run()
    interrupted(run)
    (run.root / "hparam.yaml").write_text("param_list: []")
    assert_whole(run, run.finish())


def test_F39_resume_of_a_finished_run_does_nothing(new_run: Callable[..., FaultRun]) -> None:  # noqa: N802
    run = new_run()
    assert_whole(run, run.finish())
    lines = run.ledger.read_bytes()
    assert_whole(run, run.finish())
    assert run.ledger.read_bytes() == lines


@pytest.mark.parametrize(
    ("content", "code"), [(None, 2), (b"", 2), (b"precious", 4), (b"SQLite format 3\0", 4)]
)
def test_F39_resume_of_what_is_no_run_touches_nothing(  # noqa: N802
    new_run: Callable[..., FaultRun], content: bytes | None, code: int
) -> None:
    run = new_run()
    run.output_dir.mkdir()
    (run.output_dir / "precious").write_text("precious")
    if content is not None:
        run.paths.journal.write_bytes(content)
    assert run.finish(*run.resume_words()) == code
    assert "Traceback" not in run.console
    names = {"precious"} if content is None else {"precious", "run.db"}
    assert {path.name for path in run.output_dir.iterdir()} == names
    if content is not None:
        assert run.paths.journal.read_bytes() == content


def test_F39_resume_of_another_programs_database_touches_nothing(  # noqa: N802
    new_run: Callable[..., FaultRun],
) -> None:
    run = new_run()
    run.output_dir.mkdir()
    before = change(run, "CREATE TABLE events (precious TEXT)")
    assert run.finish(*run.resume_words()) == 4
    assert "not a journal of autofinetune" in run.console
    assert run.paths.journal.read_bytes() == before
