"""The defaults of the options, in the one place where they stand. Light: `--help` loads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DEFAULTS: Mapping[str, Any] = {
    "popsize": 5,
    "round": 10,
    "evaluator": "populationbased",
    "exploit": "truncation",
    "tuning_strategy": "pshe2",
    "direction": "maximize",
    "schedule": "async",
    "repeats": 1,
    "trials_per_gpu": 1,
    "gpus_per_trial": 1,
    "max_retries": "runner_lost:3",
    "max_failures": 3,
    "min_free_gb": 1.0,
    "min_free_gpu_gb": 0.0,
    "lease_dir": "",
    "strict_exit": False,
    "keep_models": "all",
    "on_tuner_death": "adopt",
    "final": "last",
    "assessor": "none",
    "stop_grace": 30.0,
    "on_timeout": "drain",
    "preload": "none",
    "nni_wire": False,
}


def option_name(word: str) -> str:
    """The name in `--name=value` or `--name`."""
    return word.lstrip("-").partition("=")[0]
