"""What trials get of the machine: how it is read."""

from __future__ import annotations

from typing import Any

import pytest

from autofinetune.config.placement import Placement, read_placement


def read(**options: Any) -> Placement:
    mistakes: list[str] = []
    placement = read_placement(options, mistakes.append)
    assert mistakes == []
    return placement


def test_by_default_a_trial_is_one_process_on_one_device() -> None:
    assert read() == Placement() == Placement(1, 1, None, None)
    assert read().ranks == 1


def test_there_is_a_rank_for_each_device_unless_it_is_said_otherwise() -> None:
    assert read(gpus_per_trial="4").ranks == 4
    assert read(gpus_per_trial=4, ranks_per_trial="1").ranks == 1
    assert read(ranks_per_trial=3).ranks == 3


@pytest.mark.parametrize(
    "name", ["trials_per_gpu", "gpus_per_trial", "ranks_per_trial", "cpus_per_trial"]
)
@pytest.mark.parametrize("value", ["0", "-1", "1.5", "two", "", "1025", "9" * 5000, "²", 0, True])
def test_mistakes(name: str, value: object) -> None:
    mistakes: list[str] = []
    read_placement({name: value}, mistakes.append)
    assert mistakes == [f"--{name}={value} must be a whole number from 1 to 1024"]


def test_it_survives_the_journal() -> None:
    placement = read(trials_per_gpu=2, gpus_per_trial=2, ranks_per_trial=1, cpus_per_trial=8)
    assert read(**placement.describe()) == placement
    assert read(**Placement().describe()) == Placement()
