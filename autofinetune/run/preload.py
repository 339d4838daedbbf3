"""`--preload` in a run: what is imported once, and the process that does so."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from autofinetune.config.config import Config
from autofinetune.evaluators import start_of_command
from autofinetune.executors import (
    ForkServer,
    Imports,
    Slots,
    common_environment,
    with_layer,
)
from autofinetune.preload.steps import NONE, steps_of
from autofinetune.run.words import say
from autofinetune.trial.report import RANKS


def trial_environment() -> dict[str, str]:
    """What trials find in their environment besides their own.

    Unbuffered, so that a crash leaves its last lines. The rank that a launcher gave to the tuner
    is not theirs: by another one than 0 a trial would leave its reports to others.
    """
    ranks = {name: "0" for name in RANKS if name in os.environ}
    layer = {"PYTHONPATH": with_layer(os.environ.get("PYTHONPATH"))}
    return {"PYTHONUNBUFFERED": "1", **os.environ, **ranks, **layer}


@contextlib.contextmanager
def fork_server(config: Config, slots: Slots) -> Iterator[ForkServer | None]:
    """The process that imports for all trials, where `--preload` asks for one."""
    steps, note = _steps(config)
    if note:
        say(f"preload: {note}")
    if not steps:
        yield None
        return
    environ = common_environment(trial_environment(), [slot.env for slot in slots.places])
    imports = Imports(config.python, config.script, config.working_dir, steps)
    with contextlib.closing(ForkServer(imports, environ, say)) as forks:
        yield forks


def described_steps(config: Config) -> str:
    """The steps, and what of the script is left out and why; nothing without `--preload`."""
    steps, note = _steps(config)
    return "; ".join(filter(None, [", ".join(steps), note]))


def _steps(config: Config) -> tuple[tuple[str, ...], str]:
    if config.preload == NONE:
        return (), ""
    if start_of_command(config) != (config.python, config.script):
        kind = "no Python script" if config.script else "a command of its own"
        return (), f"{config.called} is {kind}; its trials start as they are"
    return steps_of(config.preload, config.script_path)
