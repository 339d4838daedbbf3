"""How an attempt at a trial is handed to the executor."""

from __future__ import annotations

from pathlib import Path

from autofinetune.config import Config
from autofinetune.copying import remove_tree
from autofinetune.evaluators import Evaluator
from autofinetune.executors import Attempt
from autofinetune.paths import RunPaths
from autofinetune.state import State, Trial


def make_attempt(
    config: Config,
    paths: RunPaths,
    evaluator: Evaluator,
    state: State,
    trial: Trial,
    grace_s: float,
) -> Attempt:
    """The current attempt at `trial`: its command, its environment, and where its files go."""
    parent = None if trial.parent is None else state.trials[trial.parent]
    return Attempt(
        run=state.run,
        trial=trial.id,
        attempt=trial.attempt,
        slot=trial.slot,
        argv=evaluator.command(trial, parent),
        env={
            **evaluator.environment(trial, parent),
            "AUTOFINETUNE_RUN": state.run,
            "AUTOFINETUNE_TRIAL": str(trial.id),
            "AUTOFINETUNE_ROUND": str(trial.round),
            "AUTOFINETUNE_MEMBER": str(trial.member),
        },
        working_dir=config.working_dir,
        directory=str(paths.attempt_dir(trial.id, trial.attempt).absolute()),
        log=str(paths.trial_log(trial.round, trial.member).absolute()),
        grace_s=grace_s,
        time_limit_s=config.time_limit_s,
        nni_wire=config.nni_wire,
        processes=evaluator.processes(trial, parent),
        framework=config.program.framework,
        files=evaluator.files(trial, parent),
        metric_pattern=config.scoring.metric_pattern,
        has_marks=bool(config.script),
    )


def make_empty(directory: Path) -> None:
    """What an attempt that was lost may have left there is no model of the next one."""
    if directory.is_symlink() or directory.is_file():
        directory.unlink()
    else:
        remove_tree(directory)
    directory.mkdir(parents=True)
