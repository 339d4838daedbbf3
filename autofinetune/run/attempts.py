"""Prepare attempts at trials for the executor."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from autofinetune.core.state import State, Trial
from autofinetune.evaluators import Commands
from autofinetune.executors import Attempt
from autofinetune.store.copying import remove_tree
from autofinetune.store.directory import appended
from autofinetune.store.paths import RunPaths


def make_attempt(
    commands: Commands,
    state: State,
    trial: Trial,
    grace_s: float,
) -> Attempt:
    """Return the current attempt at `trial`: its command, environment and files."""
    config, paths = commands.config, commands.paths
    parent = None if trial.parent is None else state.trials[trial.parent]
    directory = paths.attempt_dir(trial.id, trial.attempt)
    return Attempt(
        run=state.run,
        trial=trial.id,
        attempt=trial.attempt,
        slot=trial.slot,
        argv=commands.command(trial, parent),
        env={
            **commands.environment(trial, parent),
            "AUTOFINETUNE_RUN": state.run,
            "AUTOFINETUNE_TRIAL": str(trial.id),
            "AUTOFINETUNE_ROUND": str(trial.round),
            "AUTOFINETUNE_MEMBER": str(trial.member),
        },
        working_dir=config.working_dir,
        directory=str(directory.absolute()),
        log=str(paths.trial_log(trial.round, trial.member).absolute()),
        grace_s=grace_s,
        time_limit_s=config.trial_timeout,
        nni_wire=config.nni_wire,
        processes=commands.processes(trial, parent),
        framework=config.program.framework,
        files=commands.files(trial, parent),
        metric_pattern=config.scoring.metric_pattern,
        has_marks=bool(config.script),
        model=str(paths.model(trial.round, trial.member).absolute()),
        reads=tuple(_read_by(paths, parent)),
        place=paths.place_of(directory),
    )


def _read_by(paths: RunPaths, parent: Trial | None) -> Iterator[str]:
    """Yield the directories of a run that its trial reads."""
    if parent is not None:
        yield str(paths.model(parent.round, parent.member).absolute())
    if paths.function.is_dir():
        yield str(paths.function.absolute())


def make_empty(paths: RunPaths, round_: int, member: int) -> int:
    """Empty the model directory, so that files of a lost attempt are not taken for this one's.

    Also create the log beside it; a link or a pipe in its place is replaced.

    Returns:
        The size of the log in bytes, where that of the next attempt begins.
    """
    model, log = paths.model(round_, member), paths.trial_log(round_, member)
    with paths.place_of(model.parent).opened(create=True) as here:
        remove_tree(here / model.name)
        (here / model.name).mkdir()
        with (
            contextlib.suppress(IsADirectoryError),  # then the trial runs without a log
            appended(here / log.name, 0o644) as file,
        ):
            return os.fstat(file.fileno()).st_size
    return 0
