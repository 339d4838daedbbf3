"""Strategies that learn from reports: what they judge, and that they can be restored."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from autofinetune.strategies import STRATEGIES, Candidate, strategy_class
from tests.surrogate.helpers import Played

NAMES = ("pshe2", "hazero", "gp")


def rising(x: float, t: float) -> float:
    return (1.0 - (x - 0.3) ** 2) * (1.0 - math.exp(-4.0 * t))


def test_these_know_curves() -> None:
    assert {name for name in STRATEGIES if strategy_class(name).knows_curves} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_third_of_the_epochs_or_less_and_the_same_best(name: str) -> None:
    played = Played(name, length=18)
    stopped = played.run(rising, 15)
    assert stopped > 3
    assert played.best > rising(0.3, 1.0) - 0.01


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_stopped_before_the_length_is_known(name: str) -> None:
    played = Played(name, length=18)
    trials = [played.begin() for _ in range(4)]
    judged = [played.report(c, rising(c.point[0], t / 18)) for t in range(1, 18) for c in trials]
    assert set(judged) == {None}


@pytest.mark.parametrize("name", NAMES)
def test_a_restored_search_goes_on_in_the_same_way(name: str) -> None:
    """What is judged and asked is a function of the seed, the reports and the results."""
    one, other = Played(name, length=18, announce=True), Played(name, length=18, announce=True)
    repeat: list[Callable[[], object]] = []
    waiting: list[Candidate] = []
    rng = np.random.default_rng(1)
    for _ in range(100):
        if len(waiting) < 3:
            waiting.append(one.begin())
            repeat.append(partial(other.strategy.restore, waiting[-1]))
        candidate = waiting[int(rng.integers(len(waiting)))]
        position = one.positions[candidate.id] + 1
        merit = rising(candidate.point[0], position / 18) + 0.01 * float(rng.standard_normal())
        found = one.report(candidate, merit)
        repeat.append(partial(other.strategy.report, candidate, position, merit))
        is_hopeless = found is not None and found.is_hopeless
        if is_hopeless or position == 18:
            waiting.remove(candidate)
            told = one.strategy.expected(candidate) if is_hopeless else merit
            end(one, candidate, told, is_early=is_hopeless)
            repeat.append(partial(end, other, candidate, told, is_early=is_hopeless))
    for event in repeat:
        event()
    candidate = waiting[0]
    for _ in range(3):
        other.positions[candidate.id] = one.positions[candidate.id]
        assert one.report(candidate, 0.5) == other.report(candidate, 0.5)
        assert one.strategy.ask(1) == other.strategy.ask(1)


def end(played: Played, candidate: Candidate, merit: float | None, *, is_early: bool) -> None:
    if is_early:
        played.strategy.stopped(candidate)
    played.strategy.tell(candidate, merit)


@pytest.mark.parametrize("merit", [1e300, -1e300, 0.0])
def test_merits_of_any_size_are_learned(merit: float) -> None:
    played = Played("pshe2", length=9, announce=True)
    with np.errstate(over="raise", invalid="raise"):
        for _ in range(4):
            played.complete(rising)
        wild = played.begin(0.9)
        for _ in range(6):
            played.report(wild, merit)
        played.strategy.ask(1)


def unrelated(x: float, t: float) -> float:
    """Reports say the opposite of the end, until it comes."""
    return (
        1.0 - (x - 0.3) ** 2
        if t == 1.0
        else 0.1 * t + (x - 0.3) ** 2 * (1.0 - t) * math.sin(40 * x)
    )


def test_where_reports_say_nothing_of_the_end_trials_run_to_it() -> None:
    assert Played("pshe2", length=18).run(unrelated, 16) < Played("pshe2", length=18).run(
        rising, 16
    )


def test_at_a_rung_at_which_all_are_equal_nobody_is_stopped() -> None:
    def late(x: float, t: float) -> float:
        return 0.1 * t if t < 0.9 else math.sin(97.0 * x)

    played = Played("pshe2", length=18)
    for _ in range(8):
        played.complete(late)
    candidate = played.begin(0.9)
    judged = [played.report(candidate, late(0.9, t / 18)) for t in range(1, 12)]
    assert not any(found.is_hopeless for found in judged if found is not None)


def test_the_first_trials_are_never_stopped() -> None:
    played = Played("pshe2", length=18, announce=True)
    first, others = played.begin(0.3), [played.begin(0.6), played.begin(0.9)]
    for t in range(1, 18):
        assert played.report(first, rising(0.3, t / 18)) is None
        assert [played.report(other, -1.0) for other in others] == [None, None]
