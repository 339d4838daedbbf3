"""The records of a run as VisualDL's own reader sees them."""

from __future__ import annotations

import contextlib
import math
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from autofinetune.config.config import Config
from autofinetune.core.events import Event, RunEnded, RunResumed, TrialEnded
from autofinetune.core.state import State
from autofinetune.core.status import Direction
from autofinetune.executors import Attempt
from autofinetune.executors.memory import Played
from autofinetune.sinks import SinkGuard
from autofinetune.sinks.visualdl import VisualDL, import_visualdl
from autofinetune.space import Space, load_space
from autofinetune.store import directory
from autofinetune.store.journal import MemoryJournal
from autofinetune.store.paths import RunPaths
from tests.helpers import Recorder, conditional_space, config_of, options_of, play, tuner_in_memory

ALL_KINDS: list[dict[str, Any]] = [
    {"name": "lr", "type": "float", "init_value": 0.001, "greater_than": 1e-5, "lower_than": 0.1,
     "log": True},
    {"name": "layers", "type": "int", "init_value": 3, "greater_than": 1, "lower_than": 6},
    {"name": "units", "type": "int", "init_value": 16, "greater_than": 4, "lower_than": 64},
    {"name": "batch", "type": "choice", "choices": [32, 16, 64]},
    {"name": "mixed", "type": "choice", "choices": [True, False, None]},
    {"name": "optimizer", "type": "choice", "choices": ["sgd", "adam"]},
]  # fmt: skip

INITIAL = {
    "lr": 0.001,
    "layers": 3.0,
    "units": 16.0,
    "batch": 32.0,
    "mixed": "True",
    "optimizer": "sgd",
}


def kinds() -> Space:
    return load_space({"param_list": ALL_KINDS})


def score(attempt: Attempt) -> Played:
    """The score is the number of the trial; trial 1 fails."""
    return Played(final=None if attempt.trial == 1 else float(attempt.trial), seconds=1.0)


def events_of(
    root: Path, config: Config, program: Callable[[Attempt], Played] = score
) -> list[Event]:
    """The events of a whole run."""
    recorder = Recorder()
    tuner = tuner_in_memory(root / "played", config, program=program, sinks=[recorder])
    tuner.start("run")
    tuner.run()
    return recorder.events


def tell(sink: VisualDL | SinkGuard, config: Config, events: Iterable[Event]) -> None:
    state = State(config.direction)
    for event in events:
        state.apply(event)
        sink.handle(event, state)
    sink.close()


def written(
    root: Path, config: Config, program: Callable[[Attempt], Played] = score
) -> Callable[[str], Log]:
    """Run trials; `written(...)("pop_0")` is the log of that directory."""
    paths = RunPaths(root)
    tell(VisualDL(config, paths), config, events_of(root, config, program))
    return lambda folder: Log(paths.visualization / folder)


class Log:
    """The log of a directory, read by VisualDL."""

    def __init__(self, folder: Path) -> None:
        (file,) = folder.glob("*vdlrecords*")
        import_visualdl()
        from visualdl import LogReader

        self._reader = LogReader(file_path=str(file))
        self.tags: dict[str, list[str]] = self._reader.get_tags()

    def scalars(self, tag: str) -> list[tuple[int, float]]:
        return [(v.id, v.value) for v in self._reader.get_data("scalar", tag)]

    def times(self, tag: str) -> list[int]:
        return [v.timestamp for v in self._reader.get_data("scalar", tag)]

    def texts(self) -> list[str]:
        found = self._reader.get_data("text", "trial/state")
        return [v.text.encoded_text_string for v in found]

    @property
    def display_name(self) -> str:
        return str(self._reader.get_data("meta_data", "meta_data_tag")[0].meta_data.display_name)

    def hparams(self) -> tuple[dict[str, object], list[str]]:
        """Return (values, metrics) of the row in the table."""
        (record,) = self._reader.get_data("hyper_parameters", "hparam")
        row = record.hparam
        values = {i.name: getattr(i, i.WhichOneof("type")) for i in row.hparamInfos}
        return values, [metric.name for metric in row.metricInfos]


def everything(root: Path) -> dict[str, list[str]]:
    """Every record of every log as text."""
    from visualdl.proto import record_pb2
    from visualdl.reader.record_reader import RecordReader

    found: dict[str, list[str]] = {}
    for file in sorted(root.rglob("*vdlrecords*")):
        lines = []
        for raw in RecordReader(filepath=str(file)).get_all():
            record = record_pb2.Record.FromString(raw)
            lines.append(str(record))
        found[str(file.relative_to(root))] = lines
    return found


# --- records ------------------------------------------------------------------------------------


def test_the_root_has_the_best_of_each_round(tmp_path: Path) -> None:
    log = written(tmp_path, config_of(kinds(), popsize=3, round=3))("")
    names = [*INITIAL, "best_eval_value"]
    assert log.tags["scalar"] == [f"hyperparameter_tuning/{name}" for name in names]
    assert log.scalars("hyperparameter_tuning/best_eval_value") == [(0, 2.0), (1, 5.0), (2, 8.0)]
    assert log.display_name == "best"


def test_a_member_has_its_trials_by_round(tmp_path: Path) -> None:
    log = written(tmp_path, config_of(kinds(), popsize=3, round=3))
    names = [*INITIAL, "eval_value"]
    assert log("pop_0").tags["scalar"] == [f"population_transformation/{name}" for name in names]
    scores = log("pop_0").scalars("population_transformation/eval_value")
    assert scores == [(0, 0.0), (1, 3.0), (2, 6.0)]
    rate = log("pop_0").scalars("population_transformation/lr")[0][1]
    assert rate == pytest.approx(0.001)  # a float32
    assert log("pop_0").scalars("population_transformation/mixed")[0] == (0, 0.0)
    # The trial that failed in round 0 has hyperparameters there and no score.
    assert len(log("pop_1").scalars("population_transformation/lr")) == 3
    scores = log("pop_1").scalars("population_transformation/eval_value")
    assert scores == [(1, 4.0), (2, 7.0)]


def test_the_table_has_numbers_as_floats_and_other_choices_as_words(tmp_path: Path) -> None:
    log = written(tmp_path, config_of(kinds(), popsize=3, round=1))("trials/r000_p0")
    assert log.hparams() == (INITIAL, ["trial/eval_value"])
    assert log.scalars("trial/eval_value") == [(0, 0.0)]
    assert "text" not in log.tags


def test_what_is_not_active_is_absent(tmp_path: Path) -> None:
    config = config_of(conditional_space(), popsize=2, round=1)
    log = written(tmp_path, config)
    values = {"optimizer": "sgd", "momentum": 0.5, "lr": 0.5}
    assert log("trials/r000_p0").hparams()[0] == values
    tags = [*values, "eval_value"]
    assert log("pop_0").tags["scalar"] == [f"population_transformation/{tag}" for tag in tags]
    tags = [*values, "best_eval_value"]
    assert log("").tags["scalar"] == [f"hyperparameter_tuning/{tag}" for tag in tags]


def test_a_failed_trial_is_in_the_table_without_a_metric(tmp_path: Path) -> None:
    log = written(tmp_path, config_of(kinds(), popsize=3, round=1))("trials/r000_p1")
    values, metrics = log.hparams()
    assert list(values) == list(INITIAL)
    assert metrics == []
    assert "scalar" not in log.tags
    assert log.texts() == ["FAILED no_result"]


def test_times_are_those_of_the_events(tmp_path: Path) -> None:
    config = config_of(popsize=2, round=2)
    events = events_of(tmp_path, config)
    tell(VisualDL(config, RunPaths(tmp_path)), config, events)
    ended = [round(e.at * 1000) for e in events if isinstance(e, TrialEnded) and e.trial % 2 == 0]
    log = Log(tmp_path / "visualization/pop_0")
    assert log.times("population_transformation/lr") == ended


def test_minimize_shows_the_lowest_score_as_it_was_reported(tmp_path: Path) -> None:
    config = config_of(popsize=2, round=2, direction=Direction.MINIMIZE)
    log = written(tmp_path, config, lambda attempt: Played(final=9.0 - attempt.trial))("")
    assert log.scalars("hyperparameter_tuning/best_eval_value") == [(0, 8.0), (1, 6.0)]


def test_the_last_round_of_an_exhausted_space_is_shown(tmp_path: Path) -> None:
    space = load_space({"param_list": [{"name": "x", "type": "choice", "choices": [1, 2, 3]}]})
    config = config_of(space, popsize=2, round=5, evaluator="fulltrail")
    log = written(tmp_path, config, lambda attempt: Played(final=float(attempt.trial)))("")
    assert log.scalars("hyperparameter_tuning/best_eval_value") == [(0, 1.0), (1, 2.0)]


def test_a_run_that_goes_on_in_the_middle_of_a_round_shows_its_end(tmp_path: Path) -> None:
    config = config_of(popsize=3, round=1)
    events = events_of(tmp_path, config)
    ends = [index for index, event in enumerate(events) if isinstance(event, TrialEnded)]
    pause: list[Event] = [RunEnded(at=1e9, reason="deadline"), RunResumed(at=2e9, version="1")]
    events[ends[1] + 1 : ends[1] + 1] = pause
    tell(VisualDL(config, RunPaths(tmp_path)), config, events)
    scores = Log(tmp_path / "visualization").scalars("hyperparameter_tuning/best_eval_value")
    assert scores == [(0, 0.0), (0, 2.0)]


def test_a_run_in_which_everything_fails_has_its_trials(tmp_path: Path) -> None:
    config = config_of(popsize=2, round=1)
    log = written(tmp_path, config, lambda attempt: Played(final=None))
    assert log("trials/r000_p0").hparams()[1] == []
    assert not list((tmp_path / "visualization").glob("vdlrecords*"))


@pytest.mark.parametrize("huge", [1e300, -1e300])
def test_a_score_beyond_float32_stays_finite(tmp_path: Path, huge: float) -> None:
    config = config_of(popsize=2, round=1)
    log = written(tmp_path, config, lambda attempt: Played(final=huge))("trials/r000_p0")
    ((_, stored),) = log.scalars("trial/eval_value")
    assert math.isfinite(stored)
    assert stored == pytest.approx(math.copysign(3.4e38, huge))


def test_names_that_visualdl_would_take_for_something_else(tmp_path: Path) -> None:
    entry = {"type": "int", "init_value": 2, "greater_than": 1, "lower_than": 9}
    names = ["eval_value", "best_eval_value", "model.dropout"]
    space = load_space({"param_list": [{"name": name, **entry} for name in names]})
    log = written(tmp_path, config_of(space, popsize=3, round=1))
    assert log("").scalars("hyperparameter_tuning/best_eval_value") == [(0, 2.0)]
    assert "hyperparameter_tuning/hparam.best_eval_value" in log("").tags["scalar"]
    assert log("pop_0").scalars("population_transformation/eval_value") == [(0, 0.0)]
    assert log("pop_0").scalars("population_transformation/hparam.eval_value") == [(0, 2.0)]
    assert log("trials/r000_p0").hparams()[0] == {
        "eval_value": 2.0,
        "best_eval_value": 2.0,
        "model/dropout": 2.0,
    }


# --- resuming -----------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.2, 0.5, 1.0])
def test_a_replay_writes_the_same_records_once(tmp_path: Path, share: float) -> None:
    config = config_of(kinds(), popsize=3, round=3)
    events = events_of(tmp_path, config)
    whole, resumed = RunPaths(tmp_path / "whole"), RunPaths(tmp_path / "resumed")
    tell(VisualDL(config, whole), config, events)
    tell(VisualDL(config, resumed), config, events[: int(len(events) * share)])
    tell(VisualDL(config, resumed), config, events)
    assert everything(resumed.visualization) == everything(whole.visualization)


def test_a_state_that_is_ahead_changes_nothing(tmp_path: Path) -> None:
    config = config_of(kinds(), popsize=3, round=3)
    events = events_of(tmp_path, config)
    exact, ahead = RunPaths(tmp_path / "exact"), RunPaths(tmp_path / "ahead")
    tell(VisualDL(config, exact), config, events)
    sink, state = VisualDL(config, ahead), State(config.direction)
    state.apply_all(events)
    for event in events:
        sink.handle(event, state)
    sink.close()
    assert everything(ahead.visualization) == everything(exact.visualization)


def test_a_resumed_tuner_shows_every_round_once(tmp_path: Path) -> None:
    config = config_of(popsize=3, round=3)
    events = events_of(tmp_path, config, play)
    ends = [index for index, event in enumerate(events) if isinstance(event, TrialEnded)]
    journal = MemoryJournal(events[: ends[4] + 1])
    sink = VisualDL(config, RunPaths(tmp_path))
    tuner = tuner_in_memory(tmp_path / "played", config, journal=journal, sinks=[sink])
    tuner.resume()
    tuner.run()
    log = Log(tmp_path / "visualization")
    steps = [step for step, _ in log.scalars("hyperparameter_tuning/best_eval_value")]
    assert steps == [0, 1, 2]
    assert len(list((tmp_path / "visualization/trials").iterdir())) == 9


# --- errors -------------------------------------------------------------------------------------


def on_a_full_disk(path: Path) -> BinaryIO:
    """A file on a full disk."""
    return Path("/dev/full").open("ab", buffering=0)


def told_through_guard(root: Path, config: Config, events: Sequence[Event]) -> list[str]:
    """Pass all events of a run to a guarded sink and return the warnings."""
    warnings: list[str] = []
    guard = SinkGuard([VisualDL(config, RunPaths(root))], warnings.append)
    tell(guard, config, events)
    return warnings


def test_without_visualdl_there_is_one_warning_and_nothing_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of(popsize=2, round=1)
    events = events_of(tmp_path, config)
    assert told_through_guard(tmp_path, config, events) == []
    before = everything(tmp_path / "visualization")
    monkeypatch.setitem(sys.modules, "visualdl", None)
    (warning,) = told_through_guard(tmp_path, config, events)
    assert warning.startswith("VisualDL stopped (ModuleNotFoundError: ")
    monkeypatch.undo()
    assert everything(tmp_path / "visualization") == before


def test_what_cannot_be_written_is_one_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = config_of(popsize=2, round=2)
    (tmp_path / "visualization/pop_0/vdlrecords.pop.log/in_the_way").mkdir(parents=True)
    (warning,) = told_through_guard(tmp_path, config, events_of(tmp_path, config))
    assert warning.startswith("VisualDL stopped (")
    assert capsys.readouterr().out == ""


def test_what_finds_no_space_is_written_once_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of(kinds(), popsize=2, round=2)
    events = events_of(tmp_path, config)
    full, roomy = RunPaths(tmp_path / "full"), RunPaths(tmp_path / "roomy")
    tell(VisualDL(config, roomy), config, events)
    warnings: list[str] = []
    guard, state = SinkGuard([VisualDL(config, full)], warnings.append), State(config.direction)
    for event in events[:-1]:
        state.apply(event)
        guard.handle(event, state)
    monkeypatch.setattr(directory, "appended", on_a_full_disk)
    for _ in range(2):
        guard.flush(state)
        assert guard.is_waiting
    (warning,) = warnings
    assert warning.startswith("VisualDL is waiting for disk space ([Errno 28] ")
    monkeypatch.undo()
    guard.flush(state)
    assert not guard.is_waiting
    guard.handle(events[-1], state)
    guard.flush(state)
    assert everything(full.visualization) == everything(roomy.visualization)


def test_a_run_that_is_over_does_not_wait_for_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of(popsize=1, round=1)
    events = events_of(tmp_path, config)
    warnings: list[str] = []
    guard, state = SinkGuard([VisualDL(config, RunPaths(tmp_path))], warnings.append), State()
    for event in events:
        state.apply(event)
        guard.handle(event, state)
    monkeypatch.setattr(directory, "appended", on_a_full_disk)
    guard.flush(state)
    assert not guard.is_waiting
    (warning,) = warnings
    assert "`autofinetune rebuild` writes it again" in warning


def test_what_fits_in_part_is_taken_back(tmp_path: Path) -> None:
    config = config_of(kinds(), popsize=1, round=2)
    events = events_of(tmp_path, config)
    sink, state = VisualDL(config, RunPaths(tmp_path)), State(config.direction)
    log = tmp_path / "visualization/pop_0/vdlrecords.pop.log"
    for event in events[:-1]:
        state.apply(event)
        sink.handle(event, state)
        if isinstance(event, TrialEnded) and event.trial == 0:
            sink.flush(state)
    whole = log.read_bytes()
    with file_size_limit(len(whole) + 10), pytest.raises(OSError, match="File too large"):
        sink.flush(state)
    assert log.read_bytes() == whole
    sink.close()
    assert log.read_bytes().startswith(whole)
    assert Log(log.parent).scalars("population_transformation/eval_value") == [(0, 0.0)]
    assert len(Log(log.parent).scalars("population_transformation/lr")) == 2


@contextlib.contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """No file of this process grows beyond `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_no_thread_is_left(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    written(tmp_path, config_of(popsize=3, round=2))
    assert set(threading.enumerate()) == before


def test_nothing_is_printed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    written(tmp_path, config_of(popsize=2, round=2))
    assert capfd.readouterr() == ("", "")


def test_import_with_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    code = (
        "import os; from autofinetune.sinks.visualdl import import_visualdl;"
        "import_visualdl().LogWriter(logdir='logs').close();"
        "print(os.environ['HOME'])"
    )
    (tmp_path / "tmp").mkdir()
    env = {**os.environ, "HOME": "/dev/null", "TMPDIR": str(tmp_path / "tmp")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "/dev/null\n", "")
    assert list((tmp_path / "tmp").iterdir()) == []
    assert len(list((tmp_path / "logs").iterdir())) == 1


def test_options_of_the_played_trials_are_the_table(tmp_path: Path) -> None:
    seen: dict[int, dict[str, str]] = {}

    def program(attempt: Attempt) -> Played:
        seen[attempt.trial] = options_of(attempt)
        return score(attempt)

    log = written(tmp_path, config_of(kinds(), popsize=3, round=1), program)
    values, _ = log("trials/r000_p2").hparams()
    assert values["lr"] == float(seen[2]["lr"])
    assert values["mixed"] == seen[2]["mixed"]
    assert values["optimizer"] == seen[2]["optimizer"]
