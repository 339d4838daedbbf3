"""The simulator of early stopping, the tables of real trainings, and the ratio of wall times."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from autofinetune.space import load_space
from autofinetune.surrogate import curve_screen, trainings
from benchmarks.fewer_epochs import build, constants, curves, processes, real, simulate
from benchmarks.fewer_epochs.curves import Problem
from benchmarks.fewer_epochs.searches import Search, Verdict
from benchmarks.fewer_epochs.trainings import digits
from benchmarks.search_quality.task import Params
from benchmarks.search_quality.trainings import choice, integer

PARAMETERS = [integer("n", 0, 3, 0), choice("kind", "a", "b", "c")]


def toy(*finals: float) -> Problem:
    """Four epochs that rise to the final that `n` chooses."""
    space = load_space({"param_list": PARAMETERS})

    def curve(params: Params) -> curves.Array:
        return finals[int(str(params["n"]))] * np.arange(1, 5) / 4

    return Problem("toy", space, 4, curve, max(finals), 0.0)


class Pausing(Search):
    """Runs three trials for 2 epochs each, then continues trial 1, then begins others."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, int]] = []
        self.turns = iter([None, None, None, 1])

    def ask(self, number: int) -> Params | int:
        turn = next(self.turns, None)
        return {"n": number % 4, "kind": "a"} if turn is None else turn

    def report(self, number: int, position: int, score: float) -> Verdict:
        self.heard.append((number, position))
        return Verdict.PAUSE if position == 2 else Verdict.CONTINUE

    def complete(self, number: int, position: int, score: float) -> None:
        self.heard.append((number, position))

    def failed(self, number: int, position: int) -> None:
        raise AssertionError("nothing diverges")


def test_a_paused_training_costs_its_further_epochs_only(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Pausing()
    monkeypatch.setattr(simulate, "create", lambda *_: made)
    found = simulate.search(toy(0.0, 0.5, 1.0, 0.2), "", seed=0, slots=1, budget=8)
    assert made.heard == [(0, 1), (0, 2), (1, 1), (1, 2), (2, 1), (2, 2), (1, 3), (1, 4)]
    assert (found.spent, found.seen, found.trials) == ([8.0], [0.5], 4)


@pytest.mark.parametrize("method", ["pshe2", "pshe2+surrogate", "random+asha:max_steps=length"])
def test_a_diverged_training_fails_and_the_search_continues(method: str) -> None:
    problem = toy(math.nan, 0.5, 1.0, math.nan)
    found = simulate.search(problem, method, seed=0, slots=2, budget=40)
    assert found.trials > 5
    assert set(found.seen) <= {0.5, 1.0}


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[Params]]:
    """A grid of 12 trainings of 3 steps, as `real/toy`; returns what is trained in each call."""
    calls: list[list[Params]] = []

    def train(configurations: list[Params], seed: int) -> real.Array:
        calls.append(configurations)
        numbers = [int(str(p["n"])) + "abc".index(str(p["kind"])) / 10 for p in configurations]
        scores = np.array(numbers)[:, None] * [1.0, 10.0, 100.0]
        return np.where(scores == 300.0, np.nan, scores)

    toy = SimpleNamespace(PARAMETERS=PARAMETERS, LENGTH=3, ALIKE=("kind",), train=train)
    monkeypatch.setattr(real, "training", lambda name: toy)
    monkeypatch.setattr(real, "TABLES", tmp_path / "tables")
    for cached in (real.space, real.table):
        cached.cache_clear()
    return calls


@pytest.mark.slow
@pytest.mark.parametrize("shape", curves.MADE)
def test_beginnings_that_mislead_cost_little(shape: str) -> None:
    """At a third of the epochs, beside whole trainings: less than a tenth of (best - median)."""
    problem = curves.load(f"made/{shape}", None)
    budget = 100 * problem.length / 3
    early, whole = (
        np.mean([simulate.search(problem, method, seed, 5, budget, 0.0).regret(problem, budget)
                 for seed in range(3)])
        for method in ("pshe2+surrogate", "pshe2")
    )  # fmt: skip
    assert early - whole < 0.1


def test_a_variant_changes_constants_for_its_own_search_only() -> None:
    before: object = (curve_screen.WHOLE, trainings.SHARES)
    constants.apply({"WHOLE": "5", "SHARES": "0.25-0.5"})
    assert (curve_screen.WHOLE, trainings.SHARES) == (5, (0.25, 0.5))  # type: ignore[comparison-overlap]
    constants.apply({})
    assert before == (curve_screen.WHOLE, trainings.SHARES)


def test_a_table_gives_back_the_curve_of_each_configuration(toys: list[list[Params]]) -> None:
    real.save("toy", build.build("toy"), ["numpy 2.0"])
    assert [{str(params["kind"]) for params in call} for call in toys] == [{"a"}, {"b"}, {"c"}]
    assert real.curve("toy", {"n": 2, "kind": "b"}).tolist() == [2.1, 21.0, 210.0]
    np.testing.assert_equal(real.curve("toy", {"n": 3, "kind": "a"}), [3.0, 30.0, np.nan])
    # Finals from below: the diverged one, 0, 10, 20, 100, 110, 120, 200, ...
    assert real.scale("toy") == (320.0, 115.0)
    problem = curves.load("real/toy", None)
    assert problem.curve({"n": 0, "kind": "c"}).tolist() == [0.2, 2.0, 20.0]


@pytest.mark.parametrize("name", real.NAMES)
def test_every_configuration_of_a_real_training_is_in_its_table(name: str) -> None:
    table = real.table(name)
    assert table.shape == (len(real.configurations(name)), real.training(name).LENGTH)
    is_diverged = np.isnan(table)
    assert (is_diverged[:, 1:] >= is_diverged[:, :-1]).all()
    best, median = real.scale(name)
    assert math.isfinite(median) and best > median


def test_patterns_name_real_trainings() -> None:
    assert curves.names("real,real/cnn", None)[-2:] == ["real/boosting", "real/cnn"]


def test_the_digits_are_those_of_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digits, "LENGTH", 2)
    names = [str(entry["name"]) for entry in digits.PARAMETERS]
    alike = dict(zip(names, [-3, 7, -2, -4], strict=True))
    scores = digits.train([alike, alike], 0)
    assert scores.shape == (2, 2)
    assert (scores[:, 1] > 0.5).all()
    assert scores[0].tolist() != scores[1].tolist(), "each training has its own random numbers"


def test_wall_times_are_compared_seed_by_seed() -> None:
    found = np.array([[[10.0, 0.9], [5.0, 0.9]], [[20.0, 0.8], [10.0, 0.9]]])
    assert processes.summary(found, "asha").splitlines()[1:] == [
        "wall time and best score | none | asha",
        "seconds | 15.0 | 7.5",
        "score | 0.8500 | 0.9000",
        "ratio of wall times | 0.5000 [0.5000, 0.5000]",
        "difference of scores | 0.0500 [0.0000, 0.1000]",
    ]
