"""Other values for some options of a run that was started before."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from autofinetune.config.build import COMMAND_LINE, check_size
from autofinetune.config.config import Config
from autofinetune.config.described import describe
from autofinetune.config.options import KEPT, parts_of, read_values
from autofinetune.errors import ConfigError, Mistake

_LENGTH = ("round", "max_trials")


def changed(config: Config, given: Mapping[str, Any]) -> Config:
    """Return the config with the values that are given, None for the default.

    The values and their combinations are checked as at the start of a run; raise ConfigError with
    all mistakes.
    """
    mistakes: list[Mistake] = []
    told = dict(given)
    if all(told.get(name) for name in _LENGTH):
        why = f"and --max_trials={told['max_trials']} both set the length of the run"
        mistakes.append(Mistake("round", why, told["round"]))
    if config.replayed and any(name in told for name in _LENGTH):
        sentence = "a replay is as long as the schedule that it repeats"
        mistakes.append(Mistake("round", sentence, is_sentence=True))
    if told.get("round") and "max_trials" not in told:
        told["max_trials"] = None
    values = read_values({name: config.option(name) for name in KEPT} | told, mistakes)
    if not values["gpu"]:
        mistakes.append(Mistake("gpu", "is missing"))
    check_size(values, mistakes)
    if mistakes:
        raise ConfigError(COMMAND_LINE, mistakes)
    return dataclasses.replace(config, **parts_of(values))


def described_changes(before: Config, after: Config) -> dict[str, Any]:
    """Return the options in which two configs of a run differ, as `describe` writes them."""
    old, new = describe(before), describe(after)
    return {name: new[name] for name in KEPT if old[name] != new[name]}
