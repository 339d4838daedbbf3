"""Sinks in processes of their own: what the tuner sees of them."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autofinetune.config.described import describe
from autofinetune.core.events import Event, RunCreated
from autofinetune.core.state import State
from autofinetune.library import Library
from autofinetune.sinks import Sink, SinkGuard
from autofinetune.sinks.apart import MESSAGES, Apart
from autofinetune.store.journal import SqliteJournal
from autofinetune.store.paths import RunPaths
from tests.helpers import config_of, tuner_in_memory

LIMIT_S = 60
# A sink of another package: `paper` writes a line for each trial, and does what files ask it to.
PAPER = """
import errno, os, pathlib, signal, time
from autofinetune.library import Library
from autofinetune.sinks.trial_log import TrialLog, facts

class Paper(TrialLog):
    library = Library("numpy", "1.0", "numpy")

    def __init__(self, config, paths):
        super().__init__(config, paths)
        print("this is not for the console")
        os.environ["PAPER"] = "changed"
        self.folder = paths.root / "paper"
        (self.folder / "pid").write_text(str(os.getpid()))
        self.written = []

    def end(self, trial, curve, at, run):
        for wish in ("fail", "full", "die", "hang"):
            if (self.folder.parent / wish).exists():
                getattr(self, wish)()
        values = [trial.id, len(curve), trial.status.value, trial.reason, run]
        self.written.append(" ".join(map(str, values)))

    def close(self):
        (self.folder / "lines").write_text("\\n".join(self.written))

    def fail(self):
        raise ValueError("the paper is\\n\\x1b[31mtorn")

    def full(self):
        (self.folder.parent / "full").unlink()
        raise OSError(errno.ENOSPC, "no more paper")

    def die(self):
        os.kill(os.getpid(), signal.SIGKILL)

    def hang(self):
        time.sleep(600)
"""


class Paper(Sink):
    """What the tuner knows of the sink."""

    library = Library("numpy", "1.0", "numpy")

    def handle(self, event: Event, state: State) -> None:
        raise NotImplementedError


@pytest.fixture(autouse=True)
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    info = site / "paper-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "paper_sink.py").write_text(PAPER)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: paper\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[autofinetune.sinks]\npaper = paper_sink:Paper\n")
    path = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))
    monkeypatch.setenv("PYTHONPATH", path)


class Bench:
    """A run in memory, with a journal on disk."""

    def __init__(self, root: Path, **options: Any) -> None:
        self.root = root
        root.mkdir(exist_ok=True)
        self.paths = RunPaths(root)
        self.warnings: list[str] = []
        self.sink = Apart("paper", Paper, self.paths, **options)
        self.guard = SinkGuard([self.sink], self.warnings.append)
        self.journal = SqliteJournal(self.paths.journal, create=True)
        self.tuner = tuner_in_memory(
            root, config_of(popsize=2, round=2), journal=self.journal, sinks=[self.sink]
        )
        self.tuner._sinks = self.guard  # which collects warnings

    def work(self) -> list[str]:
        """Run to the end, and return the warnings."""
        self.tuner.start("run")
        self.tuner.run()
        self.guard.close()
        self.journal.close()
        return self.warnings

    def begin(self) -> None:
        """Begin the run, and wait until the process has shown that."""
        self.tuner.start("run")
        self.tuner._show()
        while self.sink.is_behind:
            assert self.sink.wait(1.0)
            self.sink.flush(self.tuner.state)

    @property
    def lines(self) -> list[str]:
        return (self.root / "paper/lines").read_text().splitlines()


TRIALS = [f"{trial} 2 COMPLETED  run" for trial in range(4)]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "run")


def test_it_shows_a_whole_run_and_changes_nothing_here(
    bench: Bench, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    assert bench.work() == []
    assert sorted(bench.lines) == TRIALS
    assert "PAPER" not in os.environ
    assert capfd.readouterr() == ("", "")
    messages = (bench.root / "paper" / MESSAGES).read_text()
    assert messages == "this is not for the console\n"
    assert not is_alive(bench.root)


def test_a_resumed_run_is_shown_from_its_beginning(tmp_path: Path, bench: Bench) -> None:
    assert bench.work() == []
    again = Bench(bench.root)
    again.tuner.resume()
    again.tuner.run()
    again.guard.close()
    assert again.warnings == []
    assert sorted(again.lines) == TRIALS


def test_a_failure_is_one_warning(bench: Bench) -> None:
    (bench.root / "fail").touch()
    assert bench.work() == [
        "Paper stopped (ValueError: the paper is \\x1b[31mtorn; see paper/messages.txt); "
        "the run continues and loses nothing"
    ]
    messages = (bench.root / "paper" / MESSAGES).read_text()
    assert "Traceback" in messages
    assert not is_alive(bench.root)


def test_a_process_that_dies_is_one_warning(bench: Bench) -> None:
    (bench.root / "die").touch()
    (warning,) = bench.work()
    assert warning.startswith("Paper stopped (its process ended unexpectedly); ")


def test_a_process_that_hangs_is_not_waited_for_forever(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "run", patience_s=2.0)
    (bench.root / "hang").touch()
    (warning,) = bench.work()
    assert "it made no progress for 2 s; `autofinetune rebuild` writes the rest" in warning
    assert not is_alive(bench.root)


def test_a_full_disk_is_waited_for_while_the_run_goes_on(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "run", pause_s=0.0)
    state = bench.tuner.state
    bench.tuner.start("run")
    (bench.root / "full").touch()
    bench.tuner.run()
    bench.guard.close()
    assert state.end_reason is not None
    # Whether the run was over when the disk was full is a matter of speed.
    (warning,) = bench.warnings
    if "waiting" in warning:
        assert warning == "Paper is waiting for disk space ([Errno 28] OSError: [Errno 28] no " \
            "more paper)"  # fmt: skip
        assert sorted(bench.lines) == TRIALS
    else:
        assert "`autofinetune rebuild` writes it again" in warning


def test_a_journal_that_was_deleted_is_read_once_it_is_restored(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "run")
    bench.begin()
    state = bench.tuner.state
    bench.paths.journal.unlink()
    bench.tuner.run()
    bench.guard.close()
    assert bench.warnings == []
    assert state.ended == 4
    assert sorted(bench.lines) == TRIALS


def test_a_library_that_is_missing_there_is_a_warning(tmp_path: Path, bench: Bench) -> None:
    source = tmp_path / "site/paper_sink.py"
    source.write_text(source.read_text().replace('Library("numpy"', 'Library("no_such_package"'))
    (warning,) = bench.work()
    assert "--log_to=paper needs the package no_such_package, which is not installed" in warning


def test_without_trials_no_process_is_started(bench: Bench) -> None:
    created = RunCreated(1.0, "run", "1", describe(config_of()))
    bench.journal.append([created])
    bench.guard.handle(created, bench.tuner.state)
    bench.guard.flush(bench.tuner.state)
    assert bench.sink.is_behind
    bench.guard.close()
    assert not (bench.root / "paper").exists()


def test_it_ends_with_a_tuner_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.sinks.test_apart import Bench\n"
        "bench = Bench(Path(sys.argv[1])); bench.begin()\n"
        "print((bench.root / 'paper/pid').read_text(), flush=True); sys.stdin.read()"
    )
    words = [sys.executable, "-c", code, str(tmp_path / "run")]
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root
    ) as tuner:
        assert tuner.stdout is not None
        with opened(int(tuner.stdout.readline())) as process:
            assert not select.select([process], [], [], 0)[0]
            tuner.send_signal(signal.SIGKILL)
            assert select.select([process], [], [], LIMIT_S)[0]


@contextlib.contextmanager
def opened(pid: int) -> Iterator[int]:
    descriptor = os.pidfd_open(pid)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def is_alive(root: Path) -> bool:
    """Whether the process of the sink still exists."""
    return Path("/proc", (root / "paper/pid").read_text()).exists()
