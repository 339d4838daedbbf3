"""Optuna's own tests of samplers, with our strategies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.integration import library

library("optuna")

from optuna.testing.pytest_samplers import (  # noqa: E402
    BasicSamplerTestCase,
    RelativeSamplerTestCase,
    SingleOnlySamplerTestCase,
)

from autofinetune.integration.optuna import StrategySampler  # noqa: E402

CASES: list[Any] = [BasicSamplerTestCase, RelativeSamplerTestCase, SingleOnlySamplerTestCase]
# Fewer points to judge than by default, which takes a minute in all.
OPTIONS = {"gp": {"selection_num_warm_up": 1000, "selection_num_starting_points": 10}}
Cases: Any = type("Cases", tuple(CASES), {})


@pytest.mark.parametrize("name", ["pshe2", "hazero", "tpe", "gp"])
class TestStrategies(Cases):  # type: ignore[misc]  # Optuna has no types here
    @pytest.fixture
    def sampler(self, name: str) -> Callable[[], Any]:
        return lambda: StrategySampler(name, seed=0, **OPTIONS.get(name, {}))
