"""Which models may still be worth continuing."""

from __future__ import annotations

import random

from autofinetune.core.promising import Scored, promising


def test_who_is_beaten_at_no_higher_age_too_often_is_left_behind() -> None:
    trials = [Scored(0, 0.5, 1), Scored(1, 0.8, 1), Scored(2, 0.9, 3), Scored(3, 0.7, 3)]
    assert promising(trials, 1) == {1, 2}  # older trials beat no younger one
    assert promising(trials, 2) == {0, 1, 2}


def test_of_equal_ones_the_earlier_is_better() -> None:
    assert promising([Scored(1, 0.5, 1), Scored(0, 0.5, 1)], 1) == {0}


def test_who_was_left_behind_stays_so() -> None:
    drawn = random.Random(1)
    trials: list[Scored] = []
    gone: set[int] = set()
    for trial in range(200):
        trials.append(Scored(trial, drawn.choice([0.1, 0.2, 0.3, drawn.random()]), trial % 7 + 1))
        drawn.shuffle(trials)
        found = promising(trials, 3)
        assert not found & gone
        gone |= {one.trial for one in trials} - found
    assert len(gone) > 100
