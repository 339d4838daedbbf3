"""The table of all options of a run, and the reading of their values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autofinetune.config.config import Config
from autofinetune.config.option import (
    GROUPS,
    PLACES,
    SEARCH,
    START,
    RunOption,
    flag,
    options_of,
    text,
)
from autofinetune.config.placement import Placement
from autofinetune.config.safety import Safety
from autofinetune.config.scoring import Scoring
from autofinetune.errors import Mistake

PARTS = {"safety": Safety, "placement": Placement, "scoring": Scoring}
# Options that matter only when a run starts, and are not part of its configuration.
_AT_START = (
    RunOption(
        "FILE", SEARCH,
        "list of hyperparameters with their ranges: hparam.yaml, or a file of NNI, W&B, Katib or "
        "Hydra",
        text, unset="required", is_basic=True, name="param_file",
    ),
    RunOption(
        "CSV", SEARCH, "configurations to try first, with a column for each hyperparameter", text,
        unset="none", name="enqueue",
    ),
    RunOption(
        "DIR,...", SEARCH,
        "output directories of earlier runs, CSV files of trials with a column `score`, or Optuna "
        "studies, `optuna:sqlite:///study.db#name`: their best configurations are tried first, "
        "and the search learns from all their trials",
        text, unset="none", name="warm_start",
    ),
    RunOption(
        "DIR", PLACES, "where results go", text, unset="output_<time>", is_basic=True,
        name="output_dir",
    ),
    RunOption(
        "DIR", PLACES, "where trials run", text,
        unset="the current directory, or as set by a manifest", name="working_dir",
    ),
    RunOption(
        "NAME=DIR,...", PLACES,
        "directory to use for a volume or claim of an AutoTuneExperiment; may be repeated",
        list, unset="none", may_repeat=True, name="volume",
    ),
    RunOption("", START, "do not run train.py --help to learn its options", flag, False,
              name="skip_preflight"),
    RunOption("", START, "run in the background once the first trial has started", flag, False,
              name="detach"),
    RunOption("", START, "show the space, the slots and the first commands without running them",
              flag, False, is_basic=True, name="dry_run"),
    RunOption("", START, "print plain lines on a terminal, without the live view", flag, False,
              name="plain"),
)  # fmt: skip
KEPT = {o.name: o for part in (Config, *PARTS.values()) for o in options_of(part)}
"""The options that are part of a configuration, by name."""
OPTIONS: Mapping[str, RunOption] = {
    one.name: one for group in GROUPS for one in (*_AT_START, *KEPT.values()) if one.group == group
}
"""All options by name, in display order."""


def read_values(given: Mapping[str, Any], mistakes: list[Mistake]) -> dict[str, Any]:
    """Return the values of the options in `KEPT`; absent and wrong ones get their defaults.

    None counts as absent. `mistakes` receives a mistake for every wrong value.
    """
    values = {}
    for name, option in KEPT.items():
        value = given.get(name)
        values[name] = option.default
        if value is None:
            continue
        try:
            values[name] = option.read(value)
        except (ValueError, TypeError, OverflowError) as error:
            mistakes.append(Mistake(name, str(error), value))
    return values


def parts_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values as arguments of Config, with those of its parts nested."""
    found = {o.name: values[o.name] for o in options_of(Config)}
    for field, part in PARTS.items():
        found[field] = part(**{o.name: values[o.name] for o in options_of(part)})
    return found
