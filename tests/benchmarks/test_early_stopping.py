"""The comparison of early stopping: what a search costs, and what its table says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import early_stopping
from benchmarks.early_stopping import Found, Search
from benchmarks.search_quality import tasks, yahpo
from benchmarks.search_quality.task import Params, Scale, Task

DATA = Path("data")


@pytest.fixture(autouse=True)
def trainings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten epochs that rise to a number which the momentum gives."""

    def curve(data: Path, instance: str, params: Params) -> NDArray[np.float64]:
        return np.linspace(0.0, float(str(params["momentum"])), 10)

    task = Task("lcbench/toy", yahpo.space(), lambda params: 0.0, Scale(1.0, 0.5))
    monkeypatch.setattr(yahpo, "learning_curve", curve)
    monkeypatch.setattr(tasks, "load", lambda name, data: task)


def test_whole_trainings_take_all_their_epochs_five_at_once() -> None:
    found = early_stopping.search(Search(DATA, "lcbench/toy", 0, "pshe2", "none", 100))
    assert found.trials == len(found.scores) == 10
    assert found.spent == (50.0,) * 5 + (100.0,) * 5
    assert found.best(50) == list(found.scores[:5])


def test_with_an_assessor_there_are_more_trials_and_fewer_whole_ones() -> None:
    one = Search(DATA, "lcbench/toy", 0, "pshe2", "asha:min_steps=2,eta=3", 200)
    found = early_stopping.search(one)
    assert found.trials > 20
    assert 0 < len(found.scores) < found.trials


def test_the_table_compares_with_whole_trainings() -> None:
    whole = Search(DATA, "lcbench/toy", 0, "pshe2", "none", 300)
    short = Search(DATA, "lcbench/toy", 0, "pshe2", "asha", 100)
    found = {whole: Found((100, 300), (0.6, 0.9), 2), short: Found((50, 99), (0.7, 0.8), 9)}
    text = early_stopping.report(found, {"none": 300, "asha": 100}, ["lcbench/toy"], [0])
    lines = text.splitlines()
    assert lines[4].startswith("none | 300 | 2, 2 | 0.2000 [0.2000, 0.2000] | 0.0000 ")
    assert lines[7] == "asha | 100 | 9, 2 | 0.4000 [0.4000, 0.4000] | 0.2000 [0.2000, 0.2000]"
