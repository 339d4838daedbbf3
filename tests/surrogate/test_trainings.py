"""Learning curves as data of a surrogate: lengths, rungs, rows, noise."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from autofinetune.surrogate.noise import roughness, steady
from autofinetune.surrogate.trainings import Trainings, left


def play(trainings: Trainings, number: int, merits: Sequence[float], *, ends: bool = True) -> None:
    for position, merit in enumerate(merits, 1):
        trainings.report(number, (0.5,), position, merit)
    if ends:
        trainings.finish(number, (0.5,), merits[-1])


def test_the_length_is_that_of_the_longest_complete_training() -> None:
    trainings = Trainings()
    play(trainings, 0, [0.1] * 30, ends=False)
    assert trainings.length == 0
    assert list(trainings.rungs) == []
    play(trainings, 1, [0.1] * 18)
    assert trainings.length == 18
    assert list(trainings.rungs) == [2, 5, 9]
    play(trainings, 2, [0.1] * 36)
    assert list(trainings.rungs) == [4, 9, 18]


def test_an_announced_length_counts_until_a_training_is_longer_or_complete() -> None:
    trainings = Trainings()
    trainings.announce(36)
    assert list(trainings.rungs) == [4, 9, 18]
    play(trainings, 0, [0.1] * 37, ends=False)
    assert trainings.length == 0
    other = Trainings()
    other.announce(36)
    play(other, 0, [0.1] * 9)
    assert other.length == 9


def test_a_rung_is_reached_once_by_the_first_report_there_or_later() -> None:
    trainings = Trainings()
    trainings.announce(36)
    reached = [trainings.report(0, (0.5,), at, 0.1) for at in (3, 5, 6, 20, 21)]
    assert reached == [False, True, False, True, False]
    assert [(seen.rung, seen.position) for seen in trainings[0].seen] == [(0, 5), (2, 20)]


def test_another_attempt_begins_anew() -> None:
    trainings = Trainings()
    trainings.announce(36)
    play(trainings, 0, [0.9] * 10, ends=False)
    trainings.report(0, (0.5,), 1, 0.1)
    assert trainings[0].seen == []
    assert trainings[0].merits == [0.1]


def test_what_is_seen_early_is_raised_by_the_median_gain_of_the_others() -> None:
    trainings = Trainings()
    for number, gain in enumerate((1.0, 2.0, 9.0)):
        play(trainings, number, [0.0] * 17 + [gain])
    play(trainings, 3, [0.5, 0.5], ends=False)
    rows = trainings.rows(list(trainings))
    assert rows.hats[3] == 0.5 + 2.0
    assert rows.ahead[rows.owners == 3] == pytest.approx([math.log(9) / 4])
    assert rows.ahead[rows.owners == 0][-1] == 0.0
    assert rows.merits[rows.owners == 2][-1] == 9.0


def test_a_failed_training_is_as_bad_as_the_worst_and_what_it_reported_is_forgotten() -> None:
    trainings = Trainings()
    play(trainings, 0, [0.2] * 18)
    play(trainings, 1, [0.7] * 10, ends=False)
    trainings.finish(1, (0.1,), math.nan)
    rows = trainings.rows(list(trainings))
    assert list(rows.merits[rows.owners == 1]) == [0.2]


def test_earlier_rows_can_be_made_again() -> None:
    trainings = Trainings()
    play(trainings, 0, np.linspace(0.0, 1.0, 18).tolist())
    before = trainings.rows(list(trainings))
    now = sum(len(one.positions) for one in trainings) + 1
    play(trainings, 1, np.linspace(0.0, 2.0, 18).tolist())
    again = trainings.rows(list(trainings), now)
    assert np.array_equal(before.merits, again.merits)
    assert np.isnan(again.hats[1])


@pytest.mark.parametrize("deviation", [0.01, 0.1])
def test_the_noise_is_read_from_the_curves(deviation: float) -> None:
    rng = np.random.default_rng(0)
    trainings = Trainings()
    for number in range(12):
        smooth = 1.0 - np.exp(-np.arange(1, 53) / 10.0)
        noisy = smooth + deviation * rng.standard_normal(52)
        play(trainings, number, noisy.tolist())
    assert trainings.noise(math.inf) == pytest.approx(deviation**2, rel=0.5)


def test_short_curves_say_nothing_of_noise() -> None:
    assert math.isnan(roughness([0.1, 0.5, 0.2, 0.9]))
    assert Trainings().noise(math.inf) == 0.0


def test_long_curves_are_thinned_out_and_keep_their_last_report() -> None:
    trainings = Trainings()
    play(trainings, 0, list(range(5000)), ends=False)
    assert len(trainings[0].positions) <= 401
    assert trainings[0].merits[-1] == 4999


def test_what_is_left_depends_on_the_share_and_not_on_the_unit() -> None:
    assert left(np.array([5.0]), 50) == left(np.array([500.0]), 5000)
    assert left(np.array([50.0]), 50) == 0.0


def test_a_noisy_merit_is_smoothed_and_a_bend_is_not() -> None:
    rng = np.random.default_rng(0)
    positions = list(range(1, 27))
    truth = np.log(positions)
    errors = []
    for _ in range(200):
        noisy = (truth + 0.1 * rng.standard_normal(26)).tolist()
        errors.append(steady(positions, noisy, roughness(noisy)) - truth[-1])
    assert np.std(errors) < 0.07
    bend = [0.0] * 25 + [1.0]
    assert steady(positions, bend, 1e-6) == pytest.approx(1.0, abs=1e-4)
    assert steady(positions, bend, math.nan) == 1.0
    assert steady([1, 2], [0.1, 0.2], 0.1) == 0.2
