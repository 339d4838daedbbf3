"""Process trees on this machine: nothing is left behind, nothing is run twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from autofinetune.executors import Attempt, JobState, LocalExecutor, Observation, Slot
from autofinetune.executors.cards import Card
from autofinetune.runner.files import EXIT, STARTED
from autofinetune.runner.processes import identity, marked

DEADLINE_S = 60.0


def wait_until(condition: Callable[[], bool]) -> None:
    """Look again and again; a bounded wait for another process, without a fixed sleep."""
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end
        os.sched_yield()


@pytest.fixture
def executor() -> Iterator[LocalExecutor]:
    made = LocalExecutor([Slot("a", {"CUDA_VISIBLE_DEVICES": "3"})], dict(os.environ))
    yield made
    made.close()


def attempt_of(root: Path, code: str, **fields: object) -> Attempt:
    known: dict[str, object] = {
        "run": f"test-{os.getpid()}-{root.name}",
        "trial": 0,
        "attempt": 1,
        "slot": "a",
        "argv": (sys.executable, "-c", code),
        "env": {"AUTOFINETUNE_TRIAL": "0"},
        "working_dir": str(root),
        "directory": str(root / "attempt"),
        "log": str(root / "log"),
        "grace_s": 5.0,
    }
    return Attempt(**(known | fields))  # type: ignore[arg-type]


def until_over(executor: LocalExecutor) -> Observation:
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        for news in executor.poll(1.0):
            if news.state in (JobState.EXITED, JobState.LOST):
                return news
    raise AssertionError("it does not end")


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
    executor.submit(attempt_of(tmp_path, code, argv=(sys.executable, "-c", code, *words)))
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
        "import signal, sys\n"
        "def save(*_):\n    open('saved', 'w').close()\n    sys.exit(0)\n"
        "signal.signal(15, save)\nprint('ready', flush=True)\nsignal.pause()"
    )
    attempt = attempt_of(tmp_path, code)
    executor.submit(attempt)
    log = tmp_path / "log"
    wait_until(lambda: log.exists() and "ready" in log.read_text())
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


def test_a_new_executor_attaches_to_what_runs(executor: LocalExecutor, tmp_path: Path) -> None:
    code = (
        "import os, time\nopen('starts', 'a').write('x')\nprint('ready', flush=True)\n"
        "while not os.path.exists('go'): time.sleep(0.01)\n"
        "open(os.environ['AUTOFINETUNE_REPORT_FILE'], 'a').write('{\"final\": 0.5}\\n')"
    )
    attempt = attempt_of(tmp_path, code)
    first = LocalExecutor([Slot("a")], dict(os.environ))
    first.submit(attempt)
    log = tmp_path / "log"
    wait_until(lambda: log.exists() and "ready" in log.read_text())
    first.close()
    executor.submit(attempt)
    (tmp_path / "go").touch()
    news = until_over(executor)
    assert news.state is JobState.EXITED
    assert [report.score for report in news.reports] == [0.5]
    assert (tmp_path / "starts").read_text() == "x"


def test_an_attempt_that_ended_meanwhile_is_found(executor: LocalExecutor, tmp_path: Path) -> None:
    attempt = attempt_of(tmp_path, "open('starts', 'a').write('x')")
    first = LocalExecutor([Slot("a")], dict(os.environ))
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
    handle = executor.submit(attempt)
    log = tmp_path / "log"
    wait_until(lambda: log.exists() and "ready" in log.read_text())
    os.kill(handle["pid"], signal.SIGKILL)
    news = until_over(executor)
    assert news.state is JobState.LOST
    assert news.exit is None
    assert marked(mark_of(attempt)) == []


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
    until_over(executor)  # this one is fine; now one whose record is damaged
    (Path(attempt.directory) / EXIT).write_text("{torn")
    executor.submit(attempt)
    assert until_over(executor).state is JobState.LOST


def test_nothing_is_left_open_by_many_attempts(executor: LocalExecutor, tmp_path: Path) -> None:
    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = open_files()
    for number in range(10):
        directory = str(tmp_path / f"attempt-{number}")
        executor.submit(attempt_of(tmp_path, "pass", trial=number, directory=directory))
        until_over(executor)
    assert open_files() == before


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


def on_a_card(tmp_path: Path, readings: list[int]) -> Observation:
    """Run a trial on a card whose used memory is read so; the last reading stays."""

    def find(uuid: str) -> Card:
        assert uuid == "GPU-1"
        return Card(0, uuid, "A", readings.pop(0) if len(readings) > 1 else readings[0])

    executor = LocalExecutor([Slot("a", {}, "GPU-1")], dict(os.environ), find_card=find)
    try:
        executor.submit(attempt_of(tmp_path, "pass"))
        return until_over(executor)
    finally:
        executor.close()


def test_a_slot_is_free_when_the_memory_of_its_card_is_back(tmp_path: Path) -> None:
    gib = 1 << 30
    assert on_a_card(tmp_path, [gib, 9 * gib, 5 * gib, gib]).held_bytes == 0


def test_memory_that_stays_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autofinetune.executors.local._MEMORY_PATIENCE_S", 0.05)
    gib = 1 << 30
    assert on_a_card(tmp_path, [gib, 9 * gib]).held_bytes == 8 * gib


def test_a_card_with_too_little_memory_is_an_obstacle() -> None:
    used = [70 << 30]
    executor = LocalExecutor(
        [Slot("0", {}, "GPU-1"), Slot("1", {}, "GPU-2")],
        {},
        find_card=lambda uuid: Card(0, uuid, "A", used[0], 80 << 30) if uuid == "GPU-1" else None,
        min_free_gpu_gb=20,
    )
    assert executor.obstacle("0") == "10.0 GiB of the card are free, --min_free_gpu_gb=20"
    assert executor.obstacle("1") == ""  # nobody knows
    used[0] = 60 << 30
    assert executor.obstacle("0") == ""
    executor.close()


def test_a_leased_card_is_an_obstacle_until_nothing_of_the_other_run_lives(tmp_path: Path) -> None:
    card = [Slot("0", {"CUDA_VISIBLE_DEVICES": "0"})]
    one, two = (
        LocalExecutor(card, dict(os.environ), lease_dir=str(tmp_path / "leases")) for _ in range(2)
    )
    assert one.obstacle("0") == one.obstacle("0") == ""
    wait = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.005)"
    one.submit(attempt_of(tmp_path, wait, slot="0"))
    one.close()  # as when its tuner is killed
    assert "another run uses the card" in two.obstacle("0")
    (tmp_path / "go").touch()
    while two.obstacle("0"):
        os.sched_yield()
    two.close()
