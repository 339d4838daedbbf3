"""The reading of placement options."""

from __future__ import annotations

from typing import Any

import pytest

from autofinetune.config.described import describe, from_description
from autofinetune.config.options import parts_of
from autofinetune.config.placement import Placement
from tests.helpers import config_of, told, values_of


def read(**options: Any) -> Placement:
    placement = parts_of(values_of(gpu="0", **options))["placement"]
    assert isinstance(placement, Placement)
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
    assert told(**{name: value}) == [
        f"--{name}={value!s:.200} must be a whole number from 1 to 1024"
    ]


def test_it_survives_the_journal() -> None:
    placement = read(trials_per_gpu=2, gpus_per_trial=2, ranks_per_trial=1, cpus_per_trial=8)
    assert from_description(describe(config_of(placement=placement))).placement == placement
