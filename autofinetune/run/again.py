"""What trains a trial again: its command for a shell, and the configurations of new runs."""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autofinetune.config.config import Config
from autofinetune.config.passing import CALLS
from autofinetune.config.program import masked, variables
from autofinetune.core.state import State, Trial
from autofinetune.evaluators import Commands
from autofinetune.executors.files.hand_over import with_layer
from autofinetune.store.paths import RunPaths
from autofinetune.visible import visible

_ESCAPED = re.compile(r"[\\']|[^\x20-\x7e]")


@dataclass(frozen=True)
class Command:
    """The command of a trial: its words, the variables that it needs, and where it runs.

    With `is_masked`, secrets in it were replaced by `***`.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    working_dir: str
    is_masked: bool

    def as_shell(self) -> str:
        """Return the command as one line for bash or zsh, without control characters."""
        assigned = [f"{name}={quoted(value)}" for name, value in self.env.items()]
        words = [*assigned, *map(quoted, self.argv)]
        return f"cd {quoted(self.working_dir)} && {' '.join(words)}"


def quoted(word: str) -> str:
    """Quote a word for bash or zsh; one with control characters becomes `$'...'`."""
    if visible(word) == word and word.isprintable():
        return shlex.quote(word)
    return f"$'{_ESCAPED.sub(_escape, word)}'"


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a path that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    if found[0] in "\\'":
        return f"\\{found[0]}"
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def command_of(config: Config, paths: RunPaths, state: State, trial: Trial) -> Command | None:
    """Return the command of the latest attempt at a trial, with secrets of the user masked.

    Return None if the trial is several processes, which no single command starts.
    """
    if config.program.tasks or config.placement.ranks > 1:
        return None
    shown = without_secrets(config)
    commands = Commands(shown, paths)
    parent = None if trial.parent is None else state.trials[trial.parent]
    env = variables(shown.program.env)
    if config.program.command or config.passing == CALLS:  # it may read these
        env = {name: value for name, value in commands.environment(trial, parent).items() if value}
    if config.passing == CALLS:  # answered by the layer around the script
        env["PYTHONPATH"] = with_layer(os.environ.get("PYTHONPATH"))
    return Command(commands.command(trial, parent), env, config.working_dir, shown != config)


def without_secrets(config: Config) -> Config:
    """Return a config whose words for trials, other than hyperparameters, are masked."""
    warm, program = config.warm_args, config.program
    return dataclasses.replace(
        config,
        script_args=tuple(masked(config.script_args)),
        warm_args=None if warm is None else tuple(masked(warm)),
        program=dataclasses.replace(
            program, command=tuple(masked(program.command)), env=tuple(masked(program.env))
        ),
    )


def replay_of(config: Config, chain: Sequence[Trial]) -> Config:
    """Return the configuration of a run that trains only this chain of trials, from scratch."""
    return dataclasses.replace(
        _only(config, chain), round=len(chain), evaluator="populationbased", exploit="truncation"
    )


def rerun_of(config: Config, trial: Trial, repeats: int) -> Config:
    """Return the configuration of a run that trains one trial `repeats` times, from scratch.

    No assessor stops it: final scores are compared.
    """
    return dataclasses.replace(
        _only(config, [trial]), round=1, repeats=repeats, evaluator="fulltrail",
        assessor="none", assessor_options={},
    )  # fmt: skip


def _only(config: Config, trials: Sequence[Trial]) -> Config:
    return dataclasses.replace(
        config,
        popsize=1,
        max_trials=None,
        max_seconds=None,
        target_score=None,
        repeats=1,
        enqueued=(),
        earlier=(),
        replayed=tuple(trial.params for trial in trials),
    )
