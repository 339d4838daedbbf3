"""The lineage of models: the trials that led to one, and the ancestors of a population."""

from __future__ import annotations

from collections import Counter

from autofinetune.core.events import AttemptPlanned, TrialCreated, TrialEnded
from autofinetune.core.lineage import ancestors, chain_of, changes, effective_number
from autofinetune.core.slot import Slot
from autofinetune.core.state import State


def family(*parents: int | None, failed: tuple[int, ...] = ()) -> State:
    """Three members; trial n of member n % 3 continues `parents[n]`."""
    state = State()
    for trial, parent in enumerate(parents):
        state.apply(TrialCreated(1.0, trial, trial // 3, trial % 3, (0.5,), {}, parent))
        state.apply(AttemptPlanned(1.0, trial, 1, Slot("a")))
        status, score = ("FAILED", None) if trial in failed else ("COMPLETED", 0.5)
        state.apply(TrialEnded(1.0, trial, 1, status, "", score, 1.0, True))
    return state


def test_a_chain_goes_from_scratch_to_the_trial() -> None:
    state = family(None, None, None, 0, 1, 0, 5)
    assert [t.id for t in chain_of(state, state.trials[6])] == [0, 5, 6]
    assert [t.id for t in chain_of(state, state.trials[2])] == [2]


def test_changes_are_what_differs() -> None:
    assert changes({}, {"a": 1, "b": 2}) == {"a": 1, "b": 2}
    assert changes({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 4, "d": 5}) == {
        "b": 4, "d": 5, "c": None,
    }  # fmt: skip
    assert changes({"a": 1, "b": None}, {"a": True, "c": None}) == {
        "a": True, "b": None, "c": None,
    }  # fmt: skip


def test_ancestors_are_those_of_the_newest_completed_trials() -> None:
    assert ancestors(family(None, None, None, 0, 1, 0)) == Counter({0: 2, 1: 1})
    assert ancestors(family(None, None, None, 0, 1, 0, failed=(5,))) == Counter({0: 1, 1: 1, 2: 1})
    assert ancestors(State()) == Counter()


def test_the_effective_number_counts_equal_shares() -> None:
    assert effective_number(Counter()) == 0.0
    assert effective_number(Counter({0: 5})) == 1.0
    assert effective_number(Counter({0: 2, 4: 2})) == 2.0
    assert 1.0 < effective_number(Counter({0: 4, 4: 1})) < 2.0
