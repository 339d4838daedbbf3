"""Studies that search by our strategies."""

from __future__ import annotations

import math
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autofinetune.errors import UsageError
from autofinetune.strategies import STRATEGIES
from tests.integration import library

optuna: Any = library("optuna")

from autofinetune.integration.optuna import StrategySampler  # noqa: E402

optuna.logging.set_verbosity(optuna.logging.ERROR)
LIGHT = {"gp": {"selection_num_warm_up": 100, "selection_num_starting_points": 2}}


def loss(trial: Any) -> float:
    """Return a loss; a parameter depends on a choice, another one on a number."""
    lr = trial.suggest_float("lr", 1e-5, 1e-1, log=True)
    found = (math.log10(lr) + 3) ** 2
    if trial.suggest_categorical("optimizer", ["sgd", "adam"]) == "sgd":
        found += abs(trial.suggest_float("momentum", 0.0, 0.99) - 0.9)
    layers = trial.suggest_int("layers", 1, 3)
    return float(found + sum(trial.suggest_int(f"units{i}", 8, 64, step=8) for i in range(layers)))


def eventful(trial: Any) -> float:
    """Return a loss, or fail, or be pruned."""
    found = loss(trial)
    if trial.number % 5 == 3:
        raise RuntimeError("planned")
    trial.report(found + 1.0, 0)
    if trial.number % 5 == 4:
        raise optuna.TrialPruned
    return found if trial.number % 7 else math.inf


def study_of(sampler: Any = None, **options: Any) -> Any:
    return optuna.create_study(sampler=sampler or StrategySampler(seed=1), **options)


def optimize(study: Any, count: int, objective: Callable[[Any], float] = eventful) -> None:
    study.optimize(objective, n_trials=count, catch=RuntimeError)


def params(study: Any) -> list[dict[str, Any]]:
    return [trial.params for trial in study.trials]


def test_the_ends_of_a_range_are_not_tried() -> None:
    """As with Optuna's own samplers: the best share may be any but 0 and 1."""
    study = study_of()

    def share(trial: Any) -> float:
        low, high = (trial.suggest_float(name, 0.0, 1.0) for name in ("low", "high"))
        return float(low - high + 0.0 / (low * (1.0 - high)))

    study.optimize(share, n_trials=25)
    assert study.best_value == pytest.approx(-1.0, abs=1e-3)


def distinct(study: Any) -> int:
    return len({tuple(sorted(one.items())) for one in params(study)})


@pytest.mark.parametrize("name", ["pshe2", "hazero", "pbt"])
def test_a_resumed_study_goes_on_as_an_uninterrupted_one(name: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/study.db"
    first = study_of(StrategySampler(name, seed=5), storage=url, study_name="s")
    optimize(first, 12)
    again = optuna.load_study(storage=url, study_name="s", sampler=StrategySampler(name, seed=5))
    optimize(again, 4)
    whole = study_of(StrategySampler(name, seed=5))
    optimize(whole, 16)
    assert params(again) == params(whole)
    assert distinct(whole) == 16
    other = study_of(StrategySampler(name, seed=6))
    optimize(other, 2)
    assert params(other)[1] != params(whole)[1]


def test_following_a_study_and_reading_it_anew_are_the_same() -> None:
    known, fresh = study_of(), study_of()
    for number in range(20):
        for study in (known, fresh):
            if number == 6:
                study.enqueue_trial({"lr": 0.002, "optimizer": "adam"})
            if number == 9:
                study.add_trial(study.trials[1])
            optimize(study, 1)
        fresh.sampler = pickle.loads(pickle.dumps(fresh.sampler))  # noqa: S301  our own
        assert params(known) == params(fresh), number
    assert known.trials[6].params["lr"] == 0.002


def test_minimizing_is_maximizing_the_negative() -> None:
    down, up = study_of(), study_of(direction="maximize")
    optimize(down, 15, loss)
    optimize(up, 15, lambda trial: -loss(trial))
    assert params(down) == params(up)
    assert down.best_value == -up.best_value


def test_the_search_is_better_than_chance() -> None:
    found, chance = study_of(), study_of(optuna.samplers.RandomSampler(seed=1))
    optimize(found, 30, loss)
    optimize(chance, 30, loss)
    assert found.best_value < chance.best_value


def test_parameters_of_a_choice_are_recognized() -> None:
    study = study_of()
    optimize(study, 12, loss)
    trial = study.ask()
    chosen = trial.relative_params
    assert ("momentum" in chosen) == (chosen["optimizer"] == "sgd")
    assert {"units0", "units1", "units2"} <= chosen.keys()  # depend on a number: always there
    nested = study_of()

    def deep(trial: Any) -> float:
        if trial.suggest_categorical("z", ["off", "on", "on as well"]) == "off":
            return 0.0
        if trial.suggest_categorical("y", [True, False]):
            return float(trial.suggest_float("x", 0.0, 1.0))
        return 0.5

    optimize(nested, 20, deep)
    for _ in range(4):
        chosen = nested.ask().relative_params
        assert ("x" in chosen) == (chosen.get("y") is True)


def test_a_finite_space_has_no_repeats_until_it_is_used_up() -> None:
    study = study_of()

    def finite(trial: Any) -> float:
        if trial.suggest_categorical("kind", ["a", "b"]) == "a":
            return float(trial.suggest_int("n", 1, 4))
        return float(trial.suggest_categorical("flag", [True, False]))

    for kind, value in (("a", {"n": 1}), ("b", {"flag": True})):
        study.enqueue_trial({"kind": kind, **value})
    optimize(study, 6, finite)
    assert distinct(study) == 6
    optimize(study, 3, finite)
    assert len(study.trials) == 9
    grid = study_of(StrategySampler("grid"))
    optimize(grid, 30, lambda trial: float(trial.suggest_int("n", 1, 4)))
    assert {one["n"] for one in params(grid)} == {1, 2, 3, 4}
    assert len(grid.trials) <= 6  # it stopped the study


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_every_strategy_samples(name: str) -> None:
    study = study_of(StrategySampler(name, popsize=2, seed=0, **LIGHT.get(name, {})))

    def objective(trial: Any) -> float:
        kind = trial.suggest_categorical("kind", ["a", "b"])
        width = trial.suggest_int("width", 1, 8)
        return float(width if kind == "a" else trial.suggest_float("x", 0, 1, step=0.25))

    optimize(study, 13, objective)
    assert len(study.trials) == 13
    assert all(trial.state.name == "COMPLETE" for trial in study.trials)


# --- at the same time ---------------------------------------------------------------------------


def test_threads_do_not_choose_the_same() -> None:
    study = study_of(StrategySampler("hazero", popsize=4, seed=3))
    study.optimize(loss, n_trials=24, n_jobs=4)
    assert distinct(study) == len(study.trials) == 24


def test_trials_that_were_asked_and_not_told_yet_count() -> None:
    study = study_of()
    optimize(study, 11, loss)
    waiting = [study.ask() for _ in range(5)]
    for trial in reversed(waiting):
        loss(trial)
    assert distinct(study) == 16


class Interrupted(optuna.storages.InMemoryStorage):  # type: ignore[misc]
    """A storage in which something happens just before a choice is noted."""

    meanwhile: Callable[[], None] | None = None

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile:
            meanwhile()
        super().set_trial_system_attr(trial_id, key, value)


def test_two_workers_that_choose_at_the_same_moment_choose_differently() -> None:
    storage = Interrupted()
    ours = study_of(storage=storage, study_name="s")
    optimize(ours, 4, loss)
    theirs = optuna.load_study(storage=storage, study_name="s", sampler=StrategySampler(seed=1))
    first, second = ours.ask(), theirs.ask()
    storage.meanwhile = lambda: second.relative_params and None
    assert first.relative_params != second.relative_params
    alone = study_of()
    optimize(alone, 4, loss)
    alone.ask()
    assert second.relative_params == alone.ask().relative_params  # what both had chosen


WORKER = """
import sys, optuna
from autofinetune.integration.optuna import StrategySampler  # noqa: E402
optuna.logging.set_verbosity(optuna.logging.ERROR)
study = optuna.load_study(storage=sys.argv[1], study_name="s", sampler=StrategySampler(seed=1))
study.optimize(lambda t: t.suggest_float("x", 0, 1) + t.suggest_int("n", 1, 9), n_trials=5)
"""


def test_processes_with_one_storage_do_not_choose_the_same(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/study.db"
    study = study_of(storage=url, study_name="s")
    workers = [subprocess.Popen([sys.executable, "-c", WORKER, url]) for _ in range(3)]
    assert [worker.wait() for worker in workers] == [0, 0, 0]
    assert distinct(study) == len(study.trials) == 15


# --- spaces that change -------------------------------------------------------------------------


def test_ranges_and_parameters_may_change() -> None:
    study = study_of()
    optimize(study, 8, lambda trial: float(trial.suggest_float("x", 0, 10)))
    optimize(study, 8, lambda trial: float(trial.suggest_float("x", 0, 2)))
    assert all(trial.params["x"] <= 2 for trial in study.trials[8:])
    optimize(study, 8, lambda trial: trial.suggest_float("x", 0, 2) + trial.suggest_int("n", 1, 3))
    assert study.ask().relative_params.keys() == {"n", "x"}
    optimize(study, 4, lambda trial: float(trial.suggest_float("y", 0, 1)))
    assert all(trial.state.name == "COMPLETE" for trial in study.trials if trial.values)


def test_what_others_wrote_into_a_trial_is_not_trusted() -> None:
    study = study_of()
    optimize(study, 3, loss)
    for value in ("text", {"lr": "high", "layers": 7.0, "optimizer": None}, [1], None):
        trial = study.ask()
        study._storage.set_trial_system_attr(trial._trial_id, "autofinetune:chosen", value)
        study.tell(study.ask(), 1.0)
        optimize(study, 1, loss)


@pytest.mark.filterwarnings("ignore:PartialFixedSampler is experimental")
def test_several_studies_and_fixed_parameters() -> None:
    sampler = StrategySampler(seed=1)
    both = [study_of(sampler), study_of(sampler)]
    for _ in range(6):
        for study in both:
            optimize(study, 1)
    assert params(both[0]) == params(both[1])
    fixed = optuna.samplers.PartialFixedSampler({"optimizer": "sgd"}, sampler)
    both[0].sampler = fixed
    optimize(both[0], 4, loss)
    assert all(trial.params["optimizer"] == "sgd" for trial in both[0].trials[6:])


# --- messages -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("pshe", {}, "did you mean 'pshe2'"),
        ("pshe2", {"steps": 3}, "has no option 'steps' .did you mean 'step'"),
        ("pshe2", {"step": 100}, "step must be a number from 0.01 to 2"),
        ("pshe2", {"popsize": 0}, "popsize=0 must be a whole number of at least 1"),
        ("pshe2", {"seed": -1}, "seed=-1 must be a whole number of at least 0"),
        ("pshe2", {"seed": 1.5}, "seed=1.5 must be a whole number"),
    ],
)
def test_mistakes_are_named_at_once(name: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        StrategySampler(name, **options)


def test_the_name_is_shown() -> None:
    assert str(StrategySampler("HAZero")) == "StrategySampler(hazero)"
