"""Configs from the options of a small run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from autofinetune.config.build import build_config
from autofinetune.config.config import Config
from autofinetune.run.directories import KNOWN
from autofinetune.strategies import known_name

HPARAM = """\
param_list:
  - {name: lr, type: float, init_value: 0.001, greater_than: 0.00005, lower_than: 0.05}
  - {name: units, type: int, init_value: 8, greater_than: 4, lower_than: 64}
"""
COMMAND = ["sh", "train.sh", "${args}"]
TASKS = [{"type": "worker", "replicas": 2, "command": COMMAND}]


def build(folder: Path, **changes: Any) -> Config:
    """Build a config from the minimal options with changes; None removes one."""
    options = {"script": "train.py", "param_file": "hparam.yaml", "gpu": "0"} | changes
    return build_config(
        {name: value for name, value in options.items() if value is not None},
        KNOWN,
        known_name,
        working_dir=str(folder),
        python="/usr/bin/python3",
        random_seed=42,
    )


def command(folder: Path, **changes: Any) -> Config:
    return build(folder, **({"script": None, "command": COMMAND} | changes))
