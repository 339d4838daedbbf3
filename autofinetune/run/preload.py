"""The imports that `--preload` does once for all trials of a run."""

from __future__ import annotations

from autofinetune.config.config import Config
from autofinetune.evaluators import start_of_command
from autofinetune.executors import Imports
from autofinetune.preload.steps import NONE, steps_of


def imports_of(config: Config) -> tuple[Imports | None, str]:
    """Return what is imported once, or None, and a note about what is left out and why."""
    steps, note = _steps(config)
    if not steps:
        return None, note
    return Imports(config.python, config.script, config.working_dir, steps), note


def described_steps(config: Config) -> str:
    """Return the steps and the note about them as text; empty without `--preload`."""
    steps, note = _steps(config)
    return "; ".join(filter(None, [", ".join(steps), note]))


def _steps(config: Config) -> tuple[tuple[str, ...], str]:
    if config.preload == NONE:
        return (), ""
    if start_of_command(config) != (config.python, config.script):
        kind = "not a Python script" if config.script else "a custom command"
        return (), f"{config.called} is {kind}; its trials start without preloading"
    return steps_of(config.preload, config.script_path)
