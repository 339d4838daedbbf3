"""The plan is a pure function of its arguments."""

from __future__ import annotations

from typing import Any

from autofinetune.core.events import AttemptLost, AttemptPlanned, TrialCreated
from autofinetune.core.scheduler import Action, Ask, Finish, Launch, plan
from autofinetune.core.slot import Slot
from autofinetune.core.state import SUSPECT_SLOT, State


def state_with(created: int = 0, running: int = 0) -> State:
    state = State()
    for trial in range(created):
        state.apply(TrialCreated(1.0, trial, 0, trial, (0.5,), {}, None))
    for trial in range(running):
        state.apply(AttemptPlanned(1.0, trial, 1, Slot.read(f"s{trial}")))
    return state


def due(state: State, free: list[str], **fields: Any) -> list[Action]:
    known: dict[str, Any] = {"can_ask": True, "exhausted": False, "stopping": None} | fields
    return plan(state, [*map(Slot.read, free)], max_trials=4, **known)


def test_an_empty_run_asks_for_as_many_as_fit() -> None:
    assert due(state_with(), ["a", "b"]) == [Ask(2)]
    assert due(state_with(), list("abcdef")) == [Ask(4)]


def test_queued_trials_are_launched_in_order_before_more_are_asked() -> None:
    assert due(state_with(3, 1), ["a"]) == [Launch(1, Slot("a"))]
    both = [Launch(0, Slot("a")), Launch(1, Slot("b"))]
    assert due(state_with(2), ["a", "b", "c"]) == [*both, Ask(1)]


def test_it_waits_while_the_strategy_needs_results() -> None:
    assert due(state_with(2, 2), ["c"], can_ask=False) == []


def test_it_waits_while_no_slot_is_free() -> None:
    assert due(state_with(3, 2), []) == []


def test_it_finishes_when_the_budget_or_the_space_is_used_up() -> None:
    assert due(state_with(4, 4), ["a"]) == []
    assert plan(
        state_with(0), [Slot("a")], max_trials=0, can_ask=True, exhausted=False, stopping=None
    ) == [Finish("done")]
    assert due(state_with(0), ["a"], exhausted=True) == [Finish("exhausted")]


def test_a_trial_waits_for_another_slot_than_the_one_where_it_failed() -> None:
    state = state_with(2, 2)
    state.apply(AttemptLost(1.0, 0, 1, SUSPECT_SLOT))
    assert due(state, ["s0"]) == []  # the slot of trial 1 will be free
    assert due(state, ["s0", "s2"]) == [Launch(0, Slot("s2")), Ask(1)]
    state.apply(AttemptLost(1.0, 1, 1, "runner_lost"))
    assert due(state, ["s0", "s1"]) == [Launch(0, Slot("s1")), Launch(1, Slot("s0"))]
    assert due(state, ["s0"]) == [Launch(0, Slot("s0"))]  # there is no other slot


def test_a_trial_waits_for_another_device_than_the_one_where_it_failed() -> None:
    state = state_with(2)
    state.apply(AttemptPlanned(1.0, 0, 1, Slot.read("0.1")))
    state.apply(AttemptPlanned(1.0, 1, 1, Slot.read("1.1")))
    state.apply(AttemptLost(1.0, 0, 1, SUSPECT_SLOT))
    assert due(state, ["0.1", "0.2"]) == []
    assert due(state, ["0.2", "1.2"]) == [Launch(0, Slot.read("1.2")), Ask(1)]


def test_draining_starts_nothing_and_finishes_when_nothing_runs() -> None:
    assert due(state_with(3, 1), ["a", "b"], stopping="interrupted") == []
    assert due(state_with(3), ["a", "b"], stopping="interrupted") == [Finish("interrupted")]


def test_equal_arguments_give_equal_actions_and_change_nothing() -> None:
    state = state_with(3, 1)
    before = (dict(state.trials), set(state.queued), set(state.running))
    assert due(state, ["x", "y"]) == due(state, ["x", "y"])
    assert before == (dict(state.trials), state.queued, state.running)
