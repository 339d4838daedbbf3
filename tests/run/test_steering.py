"""Steering a run from another process, with and without a tuner."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autofinetune.core.events import RunEnded, RunPaused, encode_event
from autofinetune.errors import EnvironmentProblem, UsageError
from autofinetune.run import steering
from autofinetune.run.directories import known_config, locked, read_run
from autofinetune.run.requests import CONTINUE, ENQUEUE, NOTE, PAUSE, SET, STOP, new_request
from autofinetune.run.steering import NotRunning, is_paused, steer, wait_for_end
from autofinetune.store.journal import SqliteJournal
from autofinetune.store.paths import RunPaths
from tests.helpers import config_of, tuner_in_memory


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    """A run that has ended."""
    paths = RunPaths(tmp_path / "result")
    paths.root.mkdir(mode=0o700)
    with contextlib.closing(SqliteJournal(paths.journal, create=True)) as journal:
        tuner = tuner_in_memory(paths.root, config_of(), journal=journal)
        tuner.start("run")
        tuner.run()
    return paths


def test_without_a_tuner_it_is_recorded_for_the_next_resume(run: RunPaths) -> None:
    done = steer(run.root, new_request(SET, options={"max_trials": "12", "gpu": "cpu:3"}))
    assert not done.by_tuner
    config = known_config(run)
    assert (config.planned, config.gpu, config.round) == (12, "cpu:3", 4)
    assert read_run(run).config["gpu"] == "cpu:3"
    steer(run.root, new_request(NOTE, trial=3, text="good"))
    assert read_run(run).trials[3].notes == ("good",)
    assert read_run(run).end_reason == "done"
    before = read_run(run).active_seconds
    steer(run.root, new_request(ENQUEUE, configurations=[]))
    assert read_run(run).active_seconds == before


@pytest.mark.parametrize(
    ("options", "why"),
    [({"gpu": "cpu:0"}, "has no slots"), ({"max_trials": "x"}, "--max_trials=x must be")],
)
def test_without_a_tuner_it_is_refused_as_with_one(
    run: RunPaths, options: dict[str, Any], why: str
) -> None:
    with pytest.raises(UsageError, match=why):
        steer(run.root, new_request(SET, options=options))
    assert known_config(run) == known_config(run)
    assert read_run(run).requests == set()


@pytest.mark.parametrize("kind", [PAUSE, CONTINUE])
def test_a_run_that_has_ended_cannot_be_paused(run: RunPaths, kind: str) -> None:
    with pytest.raises(NotRunning, match=r"is not running \(DONE: all trials ended\)"):
        steer(run.root, new_request(kind))


def test_a_run_whose_tuner_was_killed_is_not_running(run: RunPaths) -> None:
    with contextlib.closing(SqliteJournal(run.journal)) as journal:
        events = [event for event in journal.events() if not isinstance(event, RunEnded)]
    run.journal.unlink()
    with contextlib.closing(SqliteJournal(run.journal, create=True)) as journal:
        journal.append(events)
    with pytest.raises(NotRunning, match="its tuner is gone"):
        steer(run.root, new_request(STOP, now=False))


def test_a_directory_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no run"):
        steer(tmp_path, new_request(PAUSE))
    assert list(tmp_path.iterdir()) == []


def test_a_request_that_was_applied_is_not_applied_again(run: RunPaths) -> None:
    request = new_request(NOTE, trial=1, text="once")
    assert steer(run.root, request).event is not None
    assert steer(run.root, request).event is None
    assert read_run(run).trials[1].notes == ("once",)


# --- while another process holds the lock -------------------------------------------------------


@contextlib.contextmanager
def tuner(paths: RunPaths, answer: dict[str, Any] | bytes | None) -> Iterator[None]:
    """Hold the lock, and answer the first request."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(0.01):
            for path in paths.control.glob("*.request.json"):
                name = path.name.partition(".")[0]
                if answer is not None:
                    data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                    paths.answer(name).write_bytes(data)
                path.unlink()
                return

    with locked(paths.root):
        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def left(paths: RunPaths) -> list[Path]:
    return list(paths.control.iterdir())


def test_the_answer_of_a_tuner_is_taken(run: RunPaths) -> None:
    event = RunPaused(1.0, "a")
    with tuner(run, {"accepted": True, "event": list(encode_event(event))}):
        done = steer(run.root, new_request(PAUSE))
    assert (done.event, done.by_tuner) == (event, True)
    assert left(run) == []


@pytest.mark.parametrize(("code", "kind"), [(2, UsageError), (4, EnvironmentProblem)])
def test_a_refusal_is_the_error_of_the_tuner(
    run: RunPaths, code: int, kind: type[Exception]
) -> None:
    refusal = {"accepted": False, "message": "no", "tip": "yes", "exit_code": code}
    with tuner(run, refusal), pytest.raises(kind, match="no") as caught:
        steer(run.root, new_request(PAUSE))
    assert caught.value.tip == "yes"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "answer",
    [b"", b"[]", {}, {"accepted": 1}, {"accepted": True, "event": ["x"]},
     {"accepted": True, "event": 5}, {"accepted": False}],
)  # fmt: skip
def test_an_answer_that_cannot_be_read_is_a_problem(
    run: RunPaths, answer: dict[str, Any] | bytes
) -> None:
    with tuner(run, answer), pytest.raises(EnvironmentProblem, match="cannot be read"):
        steer(run.root, new_request(PAUSE))


def test_without_an_answer_the_journal_tells(run: RunPaths) -> None:
    request = new_request(NOTE, trial=1, text="once")
    steer(run.root, request)
    with tuner(run, None):
        assert steer(run.root, request).by_tuner
    with tuner(run, None), pytest.raises(EnvironmentProblem, match="could not say why"):
        steer(run.root, new_request(NOTE, trial=1, text="twice"))
    with tuner(run, None):
        assert steer(run.root, new_request(STOP, now=False)).by_tuner


def test_a_tuner_that_does_not_answer_gets_nothing_later(
    run: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steering, "PATIENCE_S", 0.0)
    with locked(run.root), pytest.raises(EnvironmentProblem, match="the request was withdrawn"):
        steer(run.root, new_request(NOTE, trial=1, text="x"))
    assert left(run) == []


def test_what_a_dying_tuner_left_is_done_here(run: RunPaths) -> None:
    """The lock is free again when the request is there, so the tuner has ended."""
    request = new_request(NOTE, trial=1, text="x")
    holder = contextlib.ExitStack()
    holder.enter_context(locked(run.root))

    def release(path: Path, data: bytes, mode: int) -> None:
        path.write_bytes(data)
        holder.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steering, "write_atomically", release)
        done = steer(run.root, request)
    assert not done.by_tuner
    assert read_run(run).trials[1].notes == ("x",)
    assert left(run) == []


def test_a_tuner_on_another_machine_is_asked_by_files(
    run: RunPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    with contextlib.closing(SqliteJournal(run.journal)) as journal:
        events = [event for event in journal.events() if not isinstance(event, RunEnded)]
    run.journal.unlink()
    with contextlib.closing(SqliteJournal(run.journal, create=True)) as journal:
        journal.append(events)
    run.lock.write_text("pid 1 on elsewhere since now\nboot other\n")
    monkeypatch.setattr(steering, "PATIENCE_S", 0.0)
    with pytest.raises(EnvironmentProblem, match="did not answer"):
        steer(run.root, new_request(PAUSE))
    with contextlib.closing(SqliteJournal(run.journal)) as journal:
        journal.append([RunEnded(1.0, "done")])
    wait_for_end(run.root)
    with pytest.raises(NotRunning):
        steer(run.root, new_request(PAUSE))


def test_a_run_is_paused_only_while_its_tuner_lives(run: RunPaths) -> None:
    with contextlib.closing(SqliteJournal(run.journal)) as journal:
        journal.append([RunPaused(1.0, "a")])
    assert not is_paused(run.root)
    with locked(run.root):
        assert is_paused(run.root)
