"""What `--preload` of a run imports once for all its trials."""

from __future__ import annotations

from autofinetune.config.config import Config
from autofinetune.evaluators import start_of_command
from autofinetune.executors import Imports
from autofinetune.preload.steps import NONE, steps_of


def imports_of(config: Config) -> tuple[Imports | None, str]:
    """Return what is imported once, or None, and what of it is left out and why."""
    steps, note = _steps(config)
    if not steps:
        return None, note
    return Imports(config.python, config.script, config.working_dir, steps), note


def described_steps(config: Config) -> str:
    """Return the steps and the note about them as text; nothing without `--preload`."""
    steps, note = _steps(config)
    return "; ".join(filter(None, [", ".join(steps), note]))


def _steps(config: Config) -> tuple[tuple[str, ...], str]:
    if config.preload == NONE:
        return (), ""
    if start_of_command(config) != (config.python, config.script):
        kind = "no Python script" if config.script else "a command of its own"
        return (), f"{config.called} is {kind}; its trials start as they are"
    return steps_of(config.preload, config.script_path)
