"""Models that are no longer needed are removed, and only those."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from autofinetune.config.safety import Safety
from autofinetune.core.state import State
from autofinetune.evaluators import EVALUATORS
from autofinetune.evaluators.parents import PopulationBased
from autofinetune.executors import Attempt
from autofinetune.executors.memory import Played
from autofinetune.sinks import BestModel, KeepModels, Sink
from autofinetune.sinks.best_model import describe_files
from autofinetune.store.paths import RunPaths
from tests.helpers import config_of, options_of, play, tuner_in_memory


def run(
    root: Path,
    keep: str,
    *,
    evaluator: str = "populationbased",
    best: bool = True,
    exploit: str = "better_half",
    rounds: int = 4,
    schedule: str = "round",
    slots: tuple[str, ...] = ("a", "b"),
    repeats: int = 1,
) -> State:
    safety = Safety(keep_models=keep)
    config = config_of(
        popsize=3, round=rounds, evaluator=evaluator, safety=safety, exploit=exploit,
        schedule=schedule, repeats=repeats,
    )  # fmt: skip
    paths = RunPaths(root)
    sinks: list[Sink] = [BestModel(paths)] if best else []

    def program(attempt: Attempt) -> Played:
        parent = options_of(attempt).get("model_path")
        assert parent is None or (Path(parent) / "weights").exists()
        return play(attempt)

    tuner = tuner_in_memory(
        root,
        config,
        program=program,
        slots=slots,
        sinks=[
            *sinks,
            KeepModels(config, paths, EVALUATORS[evaluator](config).possible_parents),
        ],
    )
    tuner.start("run")
    return tuner.run()


def kept(root: Path, state: State) -> list[int]:
    """Return the ranks of the trials whose models still exist."""
    return [
        rank
        for rank, trial in enumerate(state.ranked())
        if any(RunPaths(root).model(trial.round, trial.member).iterdir())
    ]


def test_all_keeps_all(tmp_path: Path) -> None:
    assert kept(tmp_path, run(tmp_path, "all")) == list(range(12))


@pytest.mark.parametrize(
    ("evaluator", "keep", "count"),
    [
        ("fulltrail", "best", 1),
        ("fulltrail", "top:2", 2),
        ("populationbased", "best", 3),
        ("populationbased", "top:2", 3),
        ("populationbased", "top:5", 5),
    ],
)
def test_the_best_and_all_possible_parents_stay(
    tmp_path: Path, keep: str, count: int, evaluator: str
) -> None:
    state = run(tmp_path, keep, evaluator=evaluator)
    assert kept(tmp_path, state) == list(range(count))
    assert state.best is not None
    model = RunPaths(tmp_path).model(state.best.round, state.best.member)
    assert describe_files(model) == describe_files(tmp_path / "best_model")


@pytest.mark.parametrize("slots", [("a",), ("a", "b"), ("a", "b", "c", "d", "e")])
@pytest.mark.parametrize("schedule", ["async", "round"])
def test_members_find_the_models_that_they_go_on_with(
    tmp_path: Path, schedule: str, slots: tuple[str, ...]
) -> None:
    """`run` checks that each parent's model exists when its child starts."""
    state = run(tmp_path, "best", exploit="truncation", rounds=12, schedule=schedule, slots=slots)
    assert sum(trial.parent is not None for trial in state.trials.values()) > 20
    assert kept(tmp_path, state)[0] == 0
    assert len(kept(tmp_path, state)) <= (6 if schedule == "async" else 12)


@pytest.mark.parametrize(
    ("schedule", "slots"), [("round", ("a",)), ("async", ("a", "b", "c", "d", "e"))]
)
def test_a_surrogate_finds_the_models_that_it_continues(
    tmp_path: Path, schedule: str, slots: tuple[str, ...]
) -> None:
    state = run(tmp_path, "best", exploit="surrogate", rounds=12, schedule=schedule, slots=slots)
    continued = [trial for trial in state.trials.values() if trial.parent is not None]
    assert len(continued) > 12
    assert 6 < len(kept(tmp_path, state)) < 36


@pytest.mark.parametrize("slots", [("a",), ("a", "b", "c", "d", "e")])
@pytest.mark.parametrize(
    ("schedule", "exploit", "repeats"),
    [("async", "better_half", 1), ("round", "better_half", 1), ("async", "truncation", 3)],
)
def test_the_better_half_is_there_for_who_is_asked_late(
    tmp_path: Path, schedule: str, slots: tuple[str, ...], exploit: str, repeats: int
) -> None:
    """Even if better trials of the same round or of an unfinished configuration have ended."""
    state = run(
        tmp_path, "best", exploit=exploit, rounds=12, schedule=schedule, slots=slots,
        repeats=repeats,
    )  # fmt: skip
    assert sum(trial.parent is not None for trial in state.trials.values()) > 20
    assert kept(tmp_path, state) == list(range(3))


def test_directories_stay(tmp_path: Path) -> None:
    state = run(tmp_path, "best")
    for trial in state.trials.values():
        assert RunPaths(tmp_path).model(trial.round, trial.member).is_dir()


def test_nothing_is_removed_while_best_model_is_not_complete(tmp_path: Path) -> None:
    assert kept(tmp_path, run(tmp_path, "best", best=False)) == list(range(12))


def test_a_model_removed_by_hand_is_no_problem(tmp_path: Path) -> None:
    state = run(tmp_path, "all")
    shutil.rmtree(tmp_path / "round0")
    config = config_of(safety=Safety(keep_models="best"))
    sink = KeepModels(config, RunPaths(tmp_path), PopulationBased(config).possible_parents)
    sink._is_due = True
    sink.flush(state)
