"""The promises of every sink."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from autofinetune.config.config import Config
from autofinetune.evaluators import EVALUATORS
from autofinetune.executors import Attempt
from autofinetune.executors.memory import Played
from autofinetune.sinks import BestModel, Console, KeepModels, Sink, Tables
from autofinetune.sinks.visualdl import VisualDL
from autofinetune.store.journal import MemoryJournal
from autofinetune.store.paths import RunPaths
from tests.helpers import config_of, play, table, tuner_in_memory

MAKERS: dict[str, Callable[[Config, RunPaths], Sink]] = {
    "tables": Tables,
    "best_model": lambda config, paths: BestModel(paths),
    "keep_models": lambda config, paths: KeepModels(
        config, paths, EVALUATORS[config.evaluator](config).possible_parents
    ),
    "visualdl": VisualDL,
    "console": lambda config, paths: Console(config, paths, io.StringIO(), 2),
}


def some_fail(attempt: Attempt) -> Played:
    return Played(None, returncode=1) if attempt.trial % 4 == 3 else play(attempt)


def content(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_it_follows_a_whole_run_and_lets_go(name: str, tmp_path: Path) -> None:
    config = config_of()
    before = threading.active_count()
    sink = MAKERS[name](config, RunPaths(tmp_path))
    tuner = tuner_in_memory(tmp_path, config, program=some_fail, sinks=[sink])
    tuner.start("run")
    tuner.run()
    sink.close()
    sink.close()
    assert threading.active_count() == before


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_it_changes_nothing_about_the_run(name: str, tmp_path: Path) -> None:
    config = config_of()
    tables = []
    for sinks in ([], [MAKERS[name](config, RunPaths(tmp_path / "with"))]):
        tuner = tuner_in_memory(tmp_path / "with", config, program=some_fail, sinks=sinks)
        tuner.start("run")
        tables.append(table(tuner.run()))
    assert tables[0] == tables[1]


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_a_view_is_the_same_after_any_resume(name: str, tmp_path: Path) -> None:
    if name in ("console", "visualdl"):  # no view; its files contain the time of writing
        pytest.skip("not derived from the journal byte by byte")
    config = config_of(popsize=2, round=2)
    journal = MemoryJournal()
    whole = MAKERS[name](config, RunPaths(tmp_path))
    tuner = tuner_in_memory(tmp_path, config, program=some_fail, sinks=[whole], journal=journal)
    tuner.start("run")
    tuner.run()
    wanted = content(tmp_path)
    events = list(journal.events())
    for cut in range(1, len(events)):
        again = MAKERS[name](config, RunPaths(tmp_path))
        journal = MemoryJournal(events[:cut])
        tuner = tuner_in_memory(
            tmp_path, config, program=some_fail, sinks=[again], journal=journal
        )
        tuner.resume()
        tuner.run()
        got = content(tmp_path)
        if name == "tables":  # the number of attempts reveals the resume, as it should
            assert got["log_file.txt"] == wanted["log_file.txt"]
        else:
            assert got == wanted
