"""The choice of parents."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from autofinetune.core.events import AttemptPlanned, TrialCreated, TrialEnded
from autofinetune.core.slot import Slot
from autofinetune.core.state import State
from autofinetune.core.status import Direction
from autofinetune.evaluators import EVALUATORS, Evaluator
from autofinetune.store.paths import RunPaths
from autofinetune.strategies import Candidate
from tests.helpers import config_of

OUT = RunPaths(Path("/out"))


def evaluator_of(name: str, **fields: object) -> Evaluator:
    return EVALUATORS[name](config_of(**fields))  # type: ignore[arg-type]


def candidate(round_: int, parent: int | None = None) -> Candidate:
    return Candidate(9, round_, 0, (0.5,), {}, parent)


def finished(
    scores: list[float | None], saved: list[bool] | None = None, direction: str = "maximize"
) -> State:
    state = State(Direction(direction))
    for trial, score in enumerate(scores):
        has_model = saved[trial] if saved else True
        status = "FAILED" if score is None else "COMPLETED"
        state.apply(TrialCreated(1.0, trial, 0, trial, (0.5,), {}, None))
        state.apply(AttemptPlanned(1.0, trial, 1, Slot("a")))
        state.apply(TrialEnded(1.0, trial, 1, status, "", score, 1.0, has_model))
    return state


def parents(state: State, count: int) -> list[int | None]:
    """Return the parents of the next round, recorded one by one as in a run."""
    evaluator = evaluator_of("populationbased", popsize=count, exploit="better_half")
    chosen = []
    for member in range(count):
        parent = evaluator.parent(candidate(1), state)
        state.apply(TrialCreated(1.0, 100 + member, 1, member, (0.5,), {}, parent))
        chosen.append(parent)
    return chosen


@pytest.mark.parametrize("name", sorted(EVALUATORS))
def test_the_first_round_has_no_parents(name: str) -> None:
    assert evaluator_of(name).parent(candidate(0), finished([0.5])) is None


def test_fulltrail_never_has_parents() -> None:
    assert evaluator_of("fulltrail").parent(candidate(3, 1), finished([0.5, 0.7])) is None


def test_the_strategy_names_the_parent_unless_a_configuration_is_trained_several_times() -> None:
    state = finished([0.5, 0.7])
    assert evaluator_of("populationbased").parent(candidate(1, 0), state) == 0
    assert evaluator_of("populationbased", repeats=2).parent(candidate(1, 0), state) == 1
    assert evaluator_of("populationbased", exploit="better_half").parent(candidate(1), state) == 1


def test_the_better_half_is_spread_evenly_best_first() -> None:
    state = finished([0.1, 0.9, 0.5, 0.7, 0.3])
    assert parents(state, 5) == [1, 3, 2, 1, 3]
    assert parents(finished([0.4, 0.2]), 3) == [0, 0, 0]


def test_lower_scores_are_better_when_minimizing() -> None:
    assert parents(finished([0.1, 0.9, 0.5, 0.7], direction="minimize"), 2) == [0, 2]


def test_failed_trials_and_trials_without_a_model_are_never_parents() -> None:
    state = finished([0.1, None, 0.9, 0.5], saved=[True, True, False, True])
    assert set(parents(state, 4)) == {3}
    assert parents(finished([None, None]), 2) == [None, None]
    assert parents(finished([0.5], saved=[False]), 1) == [None]


@pytest.mark.parametrize("completed", range(1, 12))
@pytest.mark.parametrize("popsize", [1, 4, 7])
def test_children_differ_by_one_at_most(completed: int, popsize: int) -> None:
    counts = Counter(parents(finished([i / 20 for i in range(completed)]), popsize))
    assert max(counts.values()) - min(counts.values()) <= 1
    half = -(-completed // 2)
    assert len(counts) == min(half, popsize)
    assert all(parent is not None and parent >= completed - half for parent in counts)
