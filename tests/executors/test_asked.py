"""A run whose trials are handed out has no executor."""

from __future__ import annotations

import pytest

from autofinetune.errors import UsageError
from autofinetune.executors import EXECUTORS, Slots
from tests.helpers import config_of


def test_no_tuner_can_run_its_trials() -> None:
    with EXECUTORS.load("ask")("cpu") as engine:
        with pytest.raises(UsageError, match="handed out by `autofinetune ask`"):
            engine.slots(config_of())
        with pytest.raises(UsageError, match="handed out by `autofinetune ask`"):
            engine.opened(config_of(), Slots(()), None, print)
