"""The comparison of population-based training with training from scratch, in small."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.population_training import compare, main, share_needed


def test_the_share_of_epochs_is_that_of_the_first_trial_which_reaches_the_target() -> None:
    best, spent = np.array([0.1, 0.5, 0.5, 0.9]), np.array([10, 20, 30, 40])
    assert share_needed(best, spent, 0.5, 100) == 0.2
    assert share_needed(best, spent, 1.0, 100) == math.inf


def test_means_over_the_seeds_are_compared() -> None:
    runs = [
        {"fulltrail": [(20, 0.1), (40, 0.5)], "truncation": [(10, 0.2), (20, 0.8)]},
        {"fulltrail": [(20, 0.1), (40, 0.9)], "truncation": [(10, 0.2), (20, 0.6)]},
    ]
    found = compare(runs, "truncation")
    assert found.share == 0.5
    assert found.gain == pytest.approx(0.0)
    assert found.ahead == 0.5
    assert set(found.shares) == {0.5, math.inf}  # a resample of the second seed alone


def test_digits_are_really_trained(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--seeds=1", "--trials=4", "--members=2"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("digits: fulltrail 0.9")
    assert [line.split()[:2] for line in lines[1:]] == [
        ["digits", "surrogate"], ["digits", "truncation"], ["digits", "better_half"],
    ]  # fmt: skip
