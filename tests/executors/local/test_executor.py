"""Process trees on this machine: no process is left behind, and nothing runs twice."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import math
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from autofinetune.core.slot import Slot
from autofinetune.executors import Attempt, JobState, LocalSlot, Observation, Slots
from autofinetune.executors.base import Handle, Process
from autofinetune.executors.devices.cards import Card
from autofinetune.executors.files import followed, records
from autofinetune.executors.local import job as local_job
from autofinetune.executors.local.executor import LocalExecutor
from autofinetune.runner import processes
from autofinetune.runner.files import EXIT, STARTED, STOP
from autofinetune.runner.processes import identity, is_alive, marked, send_to
from autofinetune.store.directory import Place
from tests import forking
from tests.forking import leave_dead_runner, ready_server, until_over, wait_until

Make = Callable[..., LocalExecutor]
ONE = LocalSlot(Slot("a"))
SCRIPT = "import sys; exec(sys.argv.pop(1))"


@pytest.fixture(params=["ordinary", "forked"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Return a function that makes executors, which start runners with or without forks."""
    (tmp_path / "train.py").write_text(SCRIPT)
    with contextlib.ExitStack() as stack:

        def new(slots: Sequence[LocalSlot] = (ONE,), **options: Any) -> LocalExecutor:
            if request.param == "forked":
                options["forks"] = stack.enter_context(ready_server(tmp_path, slots=slots))
            return LocalExecutor(slots, dict(os.environ), **options)

        yield new


@pytest.fixture
def executor(make: Make) -> Iterator[LocalExecutor]:
    made = make([LocalSlot(Slot("a"), {"CUDA_VISIBLE_DEVICES": "3"})])
    yield made
    made.close()


def attempt_of(root: Path, code: str, *words: str, **fields: object) -> Attempt:
    """Return an attempt that runs `code` with the arguments `words`."""
    fields["log"] = str(root / "log")
    attempt = forking.attempt_of(root, code, *words)
    return dataclasses.replace(attempt, **fields)  # type: ignore[arg-type]


def submit_until_ready(executor: LocalExecutor, attempt: Attempt) -> Handle:
    """Start an attempt and wait until its command has printed `ready`."""
    handle = executor.submit(attempt)
    log = Path(attempt.log)
    wait_until(lambda: log.exists() and "ready" in log.read_text())
    return handle


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def mark_of(attempt: Attempt) -> str:
    return f"{attempt.run}/{attempt.trial}/{attempt.attempt}"


def test_the_trial_sees_its_device_its_folder_and_no_standard_input(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    code = (
        "import os, sys; print(os.environ['CUDA_VISIBLE_DEVICES'], os.getcwd(), "
        "repr(sys.stdin.read()), os.environ['AUTOFINETUNE_TRIAL'], os.getsid(0) == os.getpid())"
    )
    executor.submit(attempt_of(tmp_path, code))
    until_over(executor)
    assert (tmp_path / "log").read_text() == f"3 {tmp_path} '' 0 True\n"


def test_output_and_errors_are_in_the_log_in_order(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    executor.submit(attempt_of(tmp_path, "import sys; print('out', flush=True); 1 / 0"))
    record = until_over(executor).exit
    assert record is not None
    assert record.returncode == 1
    text = (tmp_path / "log").read_text()
    assert text.startswith("out\n")
    assert "ZeroDivisionError" in text


def test_values_reach_the_trial_whatever_characters_they_have(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    words = ("--a=x y", "--b=$(touch /tmp/no)", "--c=;'\"\\", "--d=ü\n", "--e=")
    code = "import sys, json; open('argv', 'w').write(json.dumps(sys.argv[1:]))"
    executor.submit(attempt_of(tmp_path, code, *words))
    until_over(executor)
    assert tuple(json.loads((tmp_path / "argv").read_text())) == words


def test_a_command_that_cannot_be_started_says_why(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    executor.submit(attempt_of(tmp_path, "", argv=("/no/such/program",)))
    record = until_over(executor).exit
    assert record is not None
    assert (record.why, record.returncode) == ("spawn", None)
    assert "No such file" in record.error


def test_death_by_a_signal_is_told(executor: LocalExecutor, tmp_path: Path) -> None:
    executor.submit(attempt_of(tmp_path, "import os; os.kill(os.getpid(), 11)"))
    record = until_over(executor).exit
    assert record is not None
    assert record.returncode == -signal.SIGSEGV


ESCAPES = """
import subprocess, sys
sleeper = "import time; time.sleep(1000)"
subprocess.Popen([sys.executable, "-c", sleeper])
subprocess.Popen([sys.executable, "-c", sleeper], start_new_session=True)
subprocess.Popen(["sh", "-c", "(setsid sleep 1000 &) ; exit 0"], start_new_session=True).wait()
print("ready", flush=True)
"""


def test_everything_the_trial_leaves_behind_is_ended(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    attempt = attempt_of(tmp_path, ESCAPES)
    executor.submit(attempt)
    record = until_over(executor).exit
    assert record is not None
    assert record.returncode == 0
    assert record.leftovers >= 3
    assert record.survivors == ()
    assert marked(mark_of(attempt)) == []


def test_a_second_cancel_ends_what_ignores_the_first(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    code = f"import signal; signal.signal(15, signal.SIG_IGN)\n{ESCAPES}\nsignal.pause()"
    attempt = attempt_of(tmp_path, code, grace_s=1000.0)
    executor.submit(attempt)
    wait_until(lambda: "ready" in (tmp_path / "log").read_text() if (tmp_path / "log").exists()
               else False)  # fmt: skip
    executor.cancel(attempt.key)
    executor.poll(0.2)
    executor.cancel(attempt.key)
    record = until_over(executor).exit
    assert record is not None
    assert record.why == "cancel"
    assert marked(mark_of(attempt)) == []


def test_a_cancelled_trial_may_save_in_its_grace(executor: LocalExecutor, tmp_path: Path) -> None:
    code = (
        "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, [15])\n"
        "print('ready', flush=True)\nsignal.sigwait([15])\nopen('saved', 'w').close()"
    )
    attempt = attempt_of(tmp_path, code)
    submit_until_ready(executor, attempt)
    executor.cancel(attempt.key)
    until_over(executor)
    assert (tmp_path / "saved").exists()


def test_a_trial_over_its_time_limit_is_ended(executor: LocalExecutor, tmp_path: Path) -> None:
    code = "import signal; signal.signal(15, signal.SIG_IGN); signal.pause()"
    attempt = attempt_of(tmp_path, code, time_limit_s=0.2, grace_s=0.2)
    executor.submit(attempt)
    record = until_over(executor).exit
    assert record is not None
    assert record.why == "timeout"
    assert marked(mark_of(attempt)) == []


UNTIL_STOP = """
import os, time
print("ready", flush=True)
while not os.path.exists(os.environ["AUTOFINETUNE_STOP_FILE"]):
    time.sleep(0.005)
"""


def test_what_was_started_by_a_tuner_that_is_gone_can_be_asked_to_stop(
    make: Make, executor: LocalExecutor, tmp_path: Path
) -> None:
    attempt = attempt_of(tmp_path, UNTIL_STOP)
    first = make()
    submit_until_ready(first, attempt)
    first.close()
    executor.submit(attempt)
    executor.request_stop(attempt.key)
    record = until_over(executor).exit
    assert record is not None
    assert (record.why, record.returncode) == ("exit", 0)


def test_a_request_without_a_place_for_it_is_passed_over(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    attempt = attempt_of(tmp_path, "print('ready', flush=True); import signal; signal.pause()")
    submit_until_ready(executor, attempt)
    (Path(attempt.directory) / STOP).symlink_to(tmp_path / "elsewhere")
    executor.request_stop(attempt.key)
    assert not (tmp_path / "elsewhere").exists()
    executor.cancel(attempt.key)
    until_over(executor)


def test_a_new_executor_attaches_to_what_runs(
    make: Make, executor: LocalExecutor, tmp_path: Path
) -> None:
    code = (
        "import os, time\nopen('starts', 'a').write('x')\nprint('ready', flush=True)\n"
        "while not os.path.exists('go'): time.sleep(0.01)\n"
        "open(os.environ['AUTOFINETUNE_REPORT_FILE'], 'a').write('{\"final\": 0.5}\\n')"
    )
    attempt = attempt_of(tmp_path, code)
    first = make()
    submit_until_ready(first, attempt)
    first.close()
    executor.submit(attempt)
    (tmp_path / "go").touch()
    news = until_over(executor)
    assert news.state is JobState.EXITED
    assert [report.score for report in news.reports] == [0.5]
    assert (tmp_path / "starts").read_text() == "x"


def test_an_attempt_that_ended_meanwhile_is_found(
    make: Make, executor: LocalExecutor, tmp_path: Path
) -> None:
    attempt = attempt_of(tmp_path, "open('starts', 'a').write('x')")
    first = make()
    first.submit(attempt)
    until_over(first)
    first.close()
    executor.submit(attempt)
    assert until_over(executor).state is JobState.EXITED
    assert (tmp_path / "starts").read_text() == "x"


def test_a_killed_runner_is_lost_and_its_trial_is_ended(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    attempt = attempt_of(tmp_path, f"{ESCAPES}\nimport signal; signal.pause()")
    handle = submit_until_ready(executor, attempt)
    os.kill(handle["pid"], signal.SIGKILL)
    news = until_over(executor)
    assert news.state is JobState.LOST
    assert news.exit is None
    assert marked(mark_of(attempt)) == []


def test_everything_can_be_killed_at_once_and_nothing_of_others(
    make: Make, executor: LocalExecutor, tmp_path: Path
) -> None:
    attempt = attempt_of(tmp_path, f"{ESCAPES}\nimport signal; signal.pause()")
    runner = identity(submit_until_ready(executor, attempt)["pid"])
    other = make()
    other.kill_all()  # it has no attempt
    assert is_alive(runner)
    assert executor.poll(0.0) == []
    executor.kill_all()
    wait_until(lambda: marked(mark_of(attempt)) == [])
    until_over(executor)
    assert not is_alive(runner)
    other.close()


def test_nothing_is_imported_from_the_working_directory(
    executor: LocalExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json", "signal", "types", "autofinetune"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)
    attempt = attempt_of(tmp_path, "", argv=("true",))
    executor.submit(attempt)
    news = until_over(executor)
    assert news.state is JobState.EXITED
    assert news.exit is not None
    assert news.exit.returncode == 0


def test_a_slot_stays_taken_by_one_that_has_lost_its_mark_already(
    executor: LocalExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = attempt_of(tmp_path, "import signal; print('ready', flush=True); signal.pause()")
    handle = submit_until_ready(executor, attempt)
    exiting = subprocess.Popen(["sleep", "1000"])
    looks = []

    def look(mark: str) -> list[int]:
        looks.append(mark)
        if len(looks) == 5:
            exiting.kill()
            exiting.wait()
        return [*marked(mark), *[exiting.pid] * (len(looks) == 1)]

    def spare(pids: Iterable[int], signum: int) -> None:
        send_to(set(pids) - {exiting.pid}, signum)

    monkeypatch.setattr(processes, "marked", look)
    monkeypatch.setattr(local_job, "send_to", spare)
    os.kill(handle["pid"], signal.SIGKILL)
    assert until_over(executor).state is JobState.LOST
    assert exiting.returncode == -signal.SIGKILL


def test_a_record_of_another_boot_is_lost_and_nothing_is_signalled(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    attempt = attempt_of(tmp_path, "open('started', 'w')")
    directory = Path(attempt.directory)
    directory.mkdir()
    stranger = subprocess.Popen(["sleep", "1000"])
    try:
        who = identity(stranger.pid) | {"boot_id": "another boot"}
        (directory / STARTED).write_text(json.dumps(who))
        executor.submit(attempt)
        executor.cancel(attempt.key)
        assert until_over(executor).state is JobState.LOST
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
    assert not (tmp_path / "started").exists()


def test_a_pid_that_belongs_to_somebody_else_now_is_left_alone(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    attempt = attempt_of(tmp_path, "pass")
    directory = Path(attempt.directory)
    directory.mkdir()
    stranger = subprocess.Popen(["sleep", "1000"])
    try:
        who = identity(stranger.pid)
        (directory / STARTED).write_text(json.dumps(who | {"start_time": 1}))
        executor.submit(attempt)
        executor.cancel(attempt.key)
        assert until_over(executor).state is JobState.LOST
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_runner_that_cannot_start_is_lost(executor: LocalExecutor, tmp_path: Path) -> None:
    attempt = attempt_of(tmp_path, "pass")
    Path(attempt.directory).mkdir()
    executor.submit(attempt_of(tmp_path, "pass", working_dir=str(tmp_path)))
    until_over(executor)  # this one is valid; next, one with a damaged record
    (Path(attempt.directory) / EXIT).write_text("{torn")
    executor.submit(attempt)
    assert until_over(executor).state is JobState.LOST


@pytest.mark.parametrize(
    "text",
    [
        '{"why": "unheard of", "returncode": 0, "seconds": 1.0}',
        '{"why": "exit", "returncode": "0", "seconds": 1.0}',
        '{"why": "exit", "returncode": 0, "seconds": "long"}',
        '{"why": "exit"}',
        '{"why": "exit", "returncode": 0, "seconds": 1, "survivors": "abc"}',
        '{"why": "exit", "returncode": 0, "seconds": 1e400}',
        "[" * 100_000,
        "[]",
    ],
)
def test_a_record_that_no_runner_writes_is_none(
    executor: LocalExecutor, tmp_path: Path, text: str
) -> None:
    attempt = attempt_of(tmp_path, "pass")
    leave_dead_runner(attempt)
    (Path(attempt.directory) / EXIT).write_text(text)
    executor.submit(attempt)
    assert until_over(executor).state is JobState.LOST


@pytest.mark.parametrize(
    "who",
    [
        {"pid": 1},
        {"pid": "1", "start_time": 1, "boot_id": "x"},
        {"pid": 1, "start_time": 1.5, "boot_id": "x"},
        {"pid": 1, "start_time": 1, "boot_id": None},
        identity(os.getpid()),  # it lives, but is not the runner of this attempt
    ],
)
def test_a_runner_that_cannot_be_one_is_not_watched(
    executor: LocalExecutor, tmp_path: Path, who: object
) -> None:
    attempt = attempt_of(tmp_path, "pass")
    Path(attempt.directory).mkdir()
    (Path(attempt.directory) / STARTED).write_text(json.dumps(who))
    executor.submit(attempt)
    executor.cancel(attempt.key)  # that would be us
    assert until_over(executor).state is JobState.LOST


def test_only_so_many_reports_on_the_way_are_taken_and_every_final_one(
    executor: LocalExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followed, "MOST_REPORTS", 3)
    code = (
        "import os\nfile = open(os.environ['AUTOFINETUNE_REPORT_FILE'], 'a')\n"
        "for n in range(9):\n    file.write('{\"intermediate\": %d}\\n' % n)\n"
        "    if n in (1, 7): file.write('{\"final\": %d}\\n' % n)"
    )
    executor.submit(attempt_of(tmp_path, code))
    found = [(report.kind, report.score) for report in until_over(executor).reports]
    assert found == [
        ("intermediate", 0), ("intermediate", 1), ("final", 1), ("intermediate", 2), ("final", 7)
    ]  # fmt: skip


def test_a_directory_that_cannot_be_opened_at_once_is_opened_later(
    executor: LocalExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor.submit(attempt_of(tmp_path, "pass"))
    opened = refuse_at_first(monkeypatch, 2, errno.EMFILE, Place, "opened")
    assert until_over(executor).state is JobState.EXITED
    assert opened


def test_a_link_in_the_place_of_the_directory_is_none(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    """Nothing is written to the target, and the runner finds its directory again."""
    (tmp_path / "elsewhere").mkdir()
    code = (
        "import os\nhere = os.path.dirname(os.environ['AUTOFINETUNE_REPORT_FILE'])\n"
        f"os.rename(here, here + '.away'); os.symlink({str(tmp_path / 'elsewhere')!r}, here)\n"
        "print('ready', flush=True)\nwhile not os.path.exists('go'): pass"
    )
    attempt = attempt_of(tmp_path, code)
    submit_until_ready(executor, attempt)
    executor.request_stop(attempt.key)
    assert executor.poll(0.0) == []
    (tmp_path / "go").touch()
    assert until_over(executor).state is JobState.EXITED
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_an_attempt_on_a_slot_that_is_no_more_is_lost(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    executor.submit(attempt_of(tmp_path, "pass", slot=Slot("gone")))
    assert until_over(executor).state is JobState.LOST
    assert not (tmp_path / "log").exists()


def test_a_record_written_during_the_search_for_remains_counts(
    executor: LocalExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = attempt_of(tmp_path, "pass")
    leave_dead_runner(attempt)
    record = {"why": "exit", "returncode": 0, "seconds": 1.0}
    searches: list[str] = []

    def search(mark: str) -> list[int]:
        searches.append(mark)
        if len(searches) == 2:
            (Path(attempt.directory) / EXIT).write_text(json.dumps(record))
        return []

    monkeypatch.setattr(processes, "marked", search)
    executor.submit(attempt)
    assert until_over(executor).state is JobState.EXITED
    assert searches == [mark_of(attempt)] * 2


def test_a_runner_that_ends_while_it_is_attached_to_is_not_watched(
    executor: LocalExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = attempt_of(tmp_path, "pass")
    Path(attempt.directory).mkdir()
    (Path(attempt.directory) / STARTED).write_text(json.dumps(identity(os.getpid())))
    looks: list[object] = []

    def lives_at_first(who: object) -> bool:
        looks.append(who)
        return len(looks) == 1

    before = open_files()
    monkeypatch.setattr(local_job, "is_alive", lives_at_first)
    monkeypatch.setattr(local_job, "has_mark", lambda pid, mark: pid == os.getpid())
    executor.submit(attempt)
    assert len(looks) == 2
    assert open_files() == before
    executor.cancel(attempt.key)  # that would be us
    assert until_over(executor).state is JobState.LOST


def test_a_runner_that_another_tuner_just_started_is_waited_for(
    make: Make, executor: LocalExecutor, tmp_path: Path
) -> None:
    code = (
        "import os, time\nopen('starts', 'a').write('x')\n"
        "while not os.path.exists('go'): time.sleep(0.005)"
    )
    attempt = attempt_of(tmp_path, code)
    other = make()
    other.submit(attempt)
    started, hidden = Path(attempt.directory) / STARTED, tmp_path / "hidden"
    wait_until(lambda: started.exists() and b"cgroups" in started.read_bytes())  # the last time
    started.rename(hidden)  # as if the other one had not yet written it
    executor.submit(attempt)
    job = executor._jobs[attempt.key]
    while job.pidfd is not None:  # the second runner sees that it is not needed
        assert executor.poll(1.0) == []
    assert executor.poll(0.0) == []
    hidden.rename(started)
    assert executor.poll(0.0) == []
    assert job.pidfd is not None
    (tmp_path / "go").touch()
    assert until_over(executor).state is JobState.EXITED
    assert until_over(other).state is JobState.EXITED
    assert (tmp_path / "starts").read_text() == "x"
    other.close()


def test_a_dead_runner_whose_directory_was_deleted_is_lost(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    attempt = attempt_of(tmp_path, f"{ESCAPES}\nimport signal; signal.pause()")
    handle = submit_until_ready(executor, attempt)
    os.kill(handle["pid"], signal.SIGKILL)
    shutil.rmtree(attempt.directory)
    assert until_over(executor).state is JobState.LOST
    assert marked(mark_of(attempt)) == []


def test_trials_end_with_the_tuner_where_they_are_to(make: Make, tmp_path: Path) -> None:
    executor = make(trials_outlive_us=False)
    attempt = attempt_of(tmp_path, "import signal; print('ready', flush=True); signal.pause()")
    handle = submit_until_ready(executor, attempt)
    runner = identity(handle["pid"])
    executor.close()
    wait_until(lambda: not is_alive(runner))
    record = json.loads((Path(attempt.directory) / EXIT).read_text())
    assert (record["why"], record["returncode"]) == ("tuner_died", -signal.SIGTERM)


# --- a machine without resources ----------------------------------------------------------------


def refuse_at_first(
    monkeypatch: pytest.MonkeyPatch, times: int, code: int, target: object, name: str
) -> list[object]:
    """Make the first calls of a function fail; return the list of later calls."""
    real = getattr(target, name)
    refused: list[object] = []
    done: list[object] = []

    def call(*args: Any) -> Any:
        if len(refused) < times:
            refused.append(args)
            raise OSError(code, "refused")
        done.append(args)
        return real(*args)

    monkeypatch.setattr(target, name, call)
    return done


def test_a_runner_that_cannot_be_watched_at_once_is_watched_later(
    executor: LocalExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = refuse_at_first(monkeypatch, 3, errno.EMFILE, os, "pidfd_open")
    code = (
        "import os, time\nopen('starts', 'a').write('x')\n"
        "while not os.path.exists('go'): time.sleep(0.005)"
    )
    executor.submit(attempt_of(tmp_path, code))
    while not watched:
        assert executor.poll(0.0) == []
    (tmp_path / "go").touch()
    assert until_over(executor).state is JobState.EXITED
    assert (tmp_path / "starts").read_text() == "x"


def test_an_end_that_cannot_be_read_at_once_is_read_later(
    executor: LocalExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = refuse_at_first(monkeypatch, 2, errno.ENFILE, records, "read_regular")
    executor.submit(attempt_of(tmp_path, "pass"))
    assert until_over(executor).state is JobState.EXITED
    assert read


def test_another_error_of_the_machine_is_told(
    executor: LocalExecutor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = refuse_at_first(monkeypatch, 2, errno.EPERM, os, "pidfd_open")
    wait = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.005)"
    executor.submit(attempt_of(tmp_path, wait))
    with pytest.raises(PermissionError):
        executor.poll(0.0)
    assert watched == []
    (tmp_path / "go").touch()
    assert until_over(executor).state is JobState.EXITED


def test_nothing_is_left_open_of_what_goes_on(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = open_files()
    first, second = (make(), make())
    wait = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.005)"
    watched, unwatched, dead = (
        attempt_of(tmp_path, wait, trial=number, directory=str(tmp_path / f"{number}"))
        for number in range(3)
    )
    first.submit(watched)
    wait_until((Path(watched.directory) / STARTED).exists)
    second.submit(watched)  # attached to, so not its own child
    with monkeypatch.context() as patched:
        refuse_at_first(patched, 1, errno.EMFILE, os, "pidfd_open")
        first.submit(unwatched)
    leave_dead_runner(dead)
    first.submit(dead)
    first.close()
    second.close()
    sockets = sum(one._forks is not None for one in (first, second))
    assert open_files() == before + sockets
    (tmp_path / "go").touch()
    wait_until(lambda: all((Path(a.directory) / EXIT).exists() for a in (watched, unwatched)))


def test_nothing_is_left_open_by_many_attempts(executor: LocalExecutor, tmp_path: Path) -> None:
    before = open_files()
    for number in range(10):
        directory = str(tmp_path / f"attempt-{number}")
        executor.submit(attempt_of(tmp_path, "pass", trial=number, directory=directory))
        until_over(executor)
    assert open_files() == before


def test_a_report_is_told_while_the_trial_runs(executor: LocalExecutor, tmp_path: Path) -> None:
    code = (
        "import os, time\nfile = open(os.environ['AUTOFINETUNE_REPORT_FILE'], 'a')\n"
        "file.write('{\"intermediate\": 0.25}\\n')\nfile.flush()\n"
        "while not os.path.exists('go'): time.sleep(0.005)"
    )
    executor.submit(attempt_of(tmp_path, code))
    news: list[Observation] = []

    def has_news() -> bool:
        news.extend(executor.poll(0.05))
        return bool(news)

    wait_until(has_news)
    assert [(one.state, one.exit) for one in news] == [(JobState.RUNNING, None)]
    assert [report.score for report in news[0].reports] == [0.25]
    (tmp_path / "go").touch()
    last = until_over(executor)
    assert (last.state, last.reports) == (JobState.EXITED, ())


def test_a_report_behind_megabytes_of_junk_is_found(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    code = (
        "import os\nfile = open(os.environ['AUTOFINETUNE_REPORT_FILE'], 'a')\n"
        "file.write(('x' * 1000 + '\\n') * 5000)\nfile.write('{\"final\": 0.5}\\n')"
    )
    executor.submit(attempt_of(tmp_path, code))
    scores = []
    while True:
        for news in executor.poll(1.0):
            scores += [report.score for report in news.reports]
            if news.state is JobState.EXITED:
                assert scores == [0.5]
                return


def on_a_card(make: Make, tmp_path: Path, readings: list[int]) -> Observation:
    """Run a trial on a card with these readings of used memory; the last one repeats."""

    def look() -> dict[str, Card]:
        used = readings.pop(0) if len(readings) > 1 else readings[0]
        return {"GPU-1": Card(0, "GPU-1", "A", used)}

    executor = make([LocalSlot(Slot("a"), {}, ("GPU-1",))], look_at_cards=look)
    try:
        executor.submit(attempt_of(tmp_path, "pass"))
        return until_over(executor)
    finally:
        executor.close()


def test_a_slot_is_free_when_the_memory_of_its_card_is_back(make: Make, tmp_path: Path) -> None:
    gib = 1 << 30
    assert on_a_card(make, tmp_path, [gib, 9 * gib, 5 * gib, gib]).held_bytes == 0


def test_memory_that_stays_is_told(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autofinetune.executors.local.job._MEMORY_PATIENCE_S", 0.05)
    gib = 1 << 30
    assert on_a_card(make, tmp_path, [gib, 9 * gib]).held_bytes == 8 * gib


def test_a_card_with_too_little_memory_is_an_obstacle() -> None:
    used = [70 << 30]
    executor = LocalExecutor(
        [LocalSlot(Slot("0"), {}, ("GPU-1",)), LocalSlot(Slot("1"), {}, ("GPU-2",))],
        {},
        look_at_cards=lambda: {"GPU-1": Card(0, "GPU-1", "A", used[0], 80 << 30)},
        min_free_gpu_gb=20,
    )
    assert executor.obstacle(Slot("0")) == "10.0 GiB of the card are free, --min_free_gpu_gb=20"
    assert executor.obstacle(Slot("1")) == ""  # its use is unknown
    used[0] = 60 << 30
    assert executor.obstacle(Slot("0")) == ""
    executor.close()


def test_a_leased_card_is_an_obstacle_until_nothing_of_the_other_run_lives(
    make: Make, tmp_path: Path
) -> None:
    card = [LocalSlot(Slot("0"), {"CUDA_VISIBLE_DEVICES": "0"})]
    one, two = (make(card, lease_dir=str(tmp_path / "leases")) for _ in range(2))
    assert one.obstacle(Slot("0")) == one.obstacle(Slot("0")) == ""
    wait = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.005)"
    one.submit(attempt_of(tmp_path, wait, slot=Slot("0")))
    one.close()  # as if its tuner was killed
    assert "is held by another run" in two.obstacle(Slot("0"))
    (tmp_path / "go").touch()
    while two.obstacle(Slot("0")):
        os.sched_yield()
    two.close()


# --- cards that several trials share, trials of several ranks -----------------------------------

WAIT = "import os, time\nwhile not os.path.exists('go{}'): time.sleep(0.005)"
PLACES = [LocalSlot(Slot("0", 1), {}, ("GPU-1",)), LocalSlot(Slot("0", 2), {}, ("GPU-1",))]
GIB = 1 << 30


def waiting(root: Path, number: int, slot: str) -> Attempt:
    """Return a trial that ends once a file with its number exists."""
    directory = str(root / f"attempt-{number}")
    return attempt_of(
        root, WAIT.format(number), trial=number, slot=Slot.read(slot), directory=directory
    )


def test_memory_of_a_shared_card_is_judged_when_its_last_trial_has_ended(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autofinetune.executors.local.job._MEMORY_PATIENCE_S", 0.05)
    used = [GIB]
    executor = make(
        PLACES,
        look_at_cards=lambda: {"GPU-1": Card(0, "GPU-1", "A", used[0], 80 * GIB)},
    )
    for number, slot in enumerate(["0.1", "0.2"]):
        executor.submit(waiting(tmp_path, number, slot))
    used[0] = 21 * GIB
    held = {}
    for number in (1, 0):
        (tmp_path / f"go{number}").touch()
        over = until_over(executor)
        held[over.key[0]] = over.held_bytes
    assert held == {1: 0, 0: 20 * GIB}
    executor.close()


def test_a_second_trial_waits_until_the_card_has_room_for_it(make: Make, tmp_path: Path) -> None:
    used = [0]
    executor = make(
        PLACES,
        look_at_cards=lambda: {"GPU-1": Card(0, "GPU-1", "A", used[0], 80 * GIB)},
    )
    assert executor.poll(0.0) == []  # nothing runs, so no card is queried
    executor.submit(waiting(tmp_path, 0, "0.1"))
    assert executor.obstacle(Slot("0", 2)) == ""
    used[0] = 50 * GIB
    executor._next_sample = 0.0
    assert executor.poll(0.0) == []
    used[0] = 40 * GIB  # the peak is remembered
    assert executor.obstacle(Slot("0", 2)) == (
        "30.0 GiB of the card will be left with 1 running, and each trial may need 50.0 "
        "(the most one has used)"
    )
    used[0] = 0
    (tmp_path / "go0").touch()
    until_over(executor)
    assert executor.obstacle(Slot("0", 2)) == ""
    executor.close()


def test_slots_that_are_removed_keep_their_trial_and_get_no_other(
    make: Make, tmp_path: Path
) -> None:
    executor = make([LocalSlot(Slot("a")), LocalSlot(Slot("b"))])
    executor.submit(waiting(tmp_path, 3, "a"))
    wait_until((tmp_path / "attempt-3" / STARTED).exists)
    executor.change_slots(Slots((LocalSlot(Slot("b")), LocalSlot(Slot("c")))))
    assert executor.slots() == ["b", "c"]
    executor.submit(waiting(tmp_path, 4, "a"))  # planned before: it is not started
    assert until_over(executor).state is JobState.LOST
    (tmp_path / "go3").touch()
    assert until_over(executor).state is JobState.EXITED
    executor.close()


def test_a_trial_keeps_the_time_limit_with_which_it_was_started(
    make: Make, tmp_path: Path
) -> None:
    first = make([LocalSlot(Slot("a"))])
    attempt = waiting(tmp_path, 3, "a")
    first.submit(attempt)
    wait_until((tmp_path / "attempt-3" / STARTED).exists)
    first.close()
    executor = make([LocalSlot(Slot("a"))])
    executor.submit(dataclasses.replace(attempt, time_limit_s=0.01))
    (job,) = executor._jobs.values()
    assert job.patience._limit_s == math.inf
    (tmp_path / "go3").touch()
    record = until_over(executor).exit
    assert record is not None
    assert record.why == "exit"
    executor.close()


def test_one_run_leases_a_card_for_all_its_places(make: Make, tmp_path: Path) -> None:
    one, two = (make(PLACES, lease_dir=str(tmp_path / "leases")) for _ in range(2))
    assert one.obstacle(Slot("0", 2)) == one.obstacle(Slot("0", 1)) == ""
    assert "is held by another run" in two.obstacle(Slot("0", 1))
    one.close()
    assert two.obstacle(Slot("0", 1)) == ""
    two.close()


@pytest.mark.parametrize(("before", "now"), [("0", "0.1"), ("0+1", "1"), ("0+1.2", "0.2")])
def test_devices_that_are_divided_otherwise_after_a_resume_wait_for_what_runs_there(
    make: Make, tmp_path: Path, before: str, now: str
) -> None:
    first = make([LocalSlot(Slot.read(before))])
    first.submit(waiting(tmp_path, 3, before))
    wait_until((tmp_path / "attempt-3" / STARTED).exists)
    first.close()
    executor = make([LocalSlot(Slot.read(now)), LocalSlot(Slot("2", 1))])
    executor.submit(waiting(tmp_path, 3, before))
    assert (
        executor.obstacle(Slot.read(now))
        == f"trial 3 from before the slots changed still runs on {before}"
    )
    assert executor.obstacle(Slot("2", 1)) == ""
    (tmp_path / "go3").touch()
    until_over(executor)
    assert executor.obstacle(Slot.read(now)) == ""
    executor.close()


def test_a_trial_is_as_many_processes_on_as_many_cores_as_its_slot_says(
    make: Make, tmp_path: Path
) -> None:
    core = min(os.sched_getaffinity(0))
    code = (
        "import os\nassert os.sched_getaffinity(0) == {%d}\nopen('rank' + os.environ['RANK'], 'w')"
    )
    executor = make([LocalSlot(Slot("a"), cpus=(core,), ranks=3)])
    executor.submit(attempt_of(tmp_path, code % core))
    record = until_over(executor).exit
    assert record is not None
    assert (record.why, record.returncode) == ("exit", 0)
    assert {path.name for path in tmp_path.glob("rank*")} == {"rank0", "rank1", "rank2"}
    executor.close()


def test_cancelling_asks_all_ranks_and_then_ends_them(make: Make, tmp_path: Path) -> None:
    code = (
        "import os, signal\nrank = os.environ['RANK']\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [15])\nopen('ready' + rank, 'w')\n"
        "signal.sigwait([15])\nopen('asked' + rank, 'w')\nsignal.pause()"
    )
    executor = make([LocalSlot(Slot("a"), ranks=2)])
    attempt = attempt_of(tmp_path, code, grace_s=1000.0)
    executor.submit(attempt)
    wait_until(lambda: len(list(tmp_path.glob("ready*"))) == 2)
    executor.cancel(attempt.key)
    wait_until(lambda: len(list(tmp_path.glob("asked*"))) == 2)
    executor.cancel(attempt.key)
    record = until_over(executor).exit
    assert record is not None
    assert (record.why, record.returncode) == ("cancel", -signal.SIGKILL)
    assert marked(mark_of(attempt)) == []
    executor.close()


def test_an_attempt_has_its_files_and_the_processes_of_its_tasks(
    executor: LocalExecutor, tmp_path: Path
) -> None:
    code = "import json, os; print(json.load(open('attempt/params.json')), os.environ['WHO'])"
    argv = (sys.executable, "-c", code)
    processes = tuple(Process("worker", argv, {"WHO": who}) for who in ("first", "second"))
    attempt = attempt_of(
        tmp_path, "raise SystemExit(1)", processes=processes, framework="tensorflow",
        files={"params.json": '{"lr": 0.1}'},
    )  # fmt: skip
    executor.submit(attempt)
    record = until_over(executor).exit
    assert record is not None
    assert record.returncode == 0
    assert sorted((tmp_path / "log").read_text().splitlines()) == [
        "[rank 1] {'lr': 0.1} second", "{'lr': 0.1} first",
    ]  # fmt: skip
