"""Writes the command line, the environment and the files of a trial."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from autofinetune.config.commands import (
    CHECKPOINT_TO_LOAD,
    CHECKPOINT_TO_SAVE,
    HYPERPARAMETERS,
    JSON_FILE,
    MODEL_OPTIONS,
    OVERRIDES,
    RUN_DIR,
    RUN_DIR_OVERRIDE,
    Given,
    as_json,
    beginning,
    expand,
    literal,
    with_directories,
)
from autofinetune.config.config import OWN_OPTIONS, Config
from autofinetune.config.passing import CALLS, HYDRA, OPTIONS, as_overrides
from autofinetune.config.program import SERVICES, variables
from autofinetune.config.script_args import unmarked
from autofinetune.core.trials import Trial
from autofinetune.executors.base import Process
from autofinetune.store.paths import PARAMS, RunPaths
from autofinetune.trial.logged import METRIC_VARIABLE
from autofinetune.trial.report import PARAMS_FILE_VARIABLE, PARAMS_VARIABLE
from autofinetune.trial.reporter import DIRECTION_VARIABLE

WHOLE_SETS = "combine_params"  # the name of the parameter
MOST_JSON_BYTES = 64 << 10  # in one variable; Linux allows 128 KiB


class Commands:
    """Writes what the processes of each trial get."""

    def __init__(self, config: Config, paths: RunPaths) -> None:
        self.config = config
        self.paths = paths
        self._template = template_of(config)
        self._gets_whole_sets = bool(whole_sets(config))

    def command(self, trial: Trial, parent: Trial | None) -> tuple[str, ...]:
        """Return the words of the command that runs `trial`; never a shell string."""
        config = self.config
        given = self._given(trial, parent, config.script_options)
        typed = self._typed(config.args, given)
        warm = self._typed(self.warm_args() if parent else (), given)
        if config.passing == HYDRA:
            typed, warm = as_overrides(typed), as_overrides(warm)
        head, tail = self._template
        return (*expand(head, given), *typed, *expand(tail, given), *warm)

    def _typed(self, words: Sequence[str], given: Given) -> list[str]:
        """Return words from the command line with the trial's directories in place of macros."""
        return with_directories(words, given.saved_params_dir, given.model_path)

    def processes(self, trial: Trial, parent: Trial | None) -> tuple[Process, ...]:
        """Return the processes of a trial with tasks, in the order of their ranks; else none."""
        config = self.config
        found: list[Process] = []
        for task in config.program.tasks:
            given = self._given(trial, parent, task.script_options)
            argv = (*expand(task.command, given), *self._typed(config.args, given))
            is_service = task.type in SERVICES
            one = Process(task.type, argv, variables(task.env), is_service)
            found += [one] * task.replicas
        return tuple(found)

    def environment(self, trial: Trial, parent: Trial | None) -> dict[str, str]:
        """Return the environment variables for the processes of `trial`."""
        text = as_json(self._nested(trial, parent))
        is_in_file = PARAMS in self.files(trial, parent)
        return {
            **variables(self.config.program.env),
            PARAMS_VARIABLE: text if len(text) <= MOST_JSON_BYTES else "",
            PARAMS_FILE_VARIABLE: self._params_file(trial) if is_in_file else "",
            "AUTOFINETUNE_SAVED_PARAMS_DIR": self._model(trial),
            "AUTOFINETUNE_MODEL_PATH": self._model(parent) if parent else "",
            DIRECTION_VARIABLE: self.config.direction.value,
            **({METRIC_VARIABLE: metric} if (metric := self.config.scoring.metric) else {}),
        }

    def files(self, trial: Trial, parent: Trial | None) -> dict[str, str]:
        """Return the files to write to the directory of the attempt, as name to text."""
        text = as_json(self._nested(trial, parent))
        asked = any(JSON_FILE in command for command in self.config.program.commands)
        return {PARAMS: text} if asked or len(text) > MOST_JSON_BYTES else {}

    def warm_args(self) -> tuple[str, ...]:
        """Return the extra options of a continued trial; by default `--epochs=1`, if known."""
        config = self.config
        if config.warm_args is not None:
            return tuple(unmarked(config.warm_args))
        if "epochs" in (config.script_options or ()) and "epochs" not in config.space.names:
            return ("--epochs=1",)
        return ()

    def _nested(self, trial: Trial, parent: Trial | None) -> Mapping[str, Any]:
        """Return the hyperparameters in the form in which the space's format passes them."""
        nested = self.config.space.nest(trial.params)
        return nested[WHOLE_SETS] if self._gets_whole_sets else self._filled(nested, trial, parent)

    def _filled(
        self, params: Mapping[str, Any], trial: Trial, parent: Trial | None
    ) -> dict[str, Any]:
        """Return the parameters with directories in place of the constants that name them."""
        directories = {
            CHECKPOINT_TO_LOAD: self._model(parent or trial),
            CHECKPOINT_TO_SAVE: self._model(trial),
        }
        wanted = {
            c.name: c.value for c in self.config.space.constants if str(c.value) in directories
        }
        return {**params, **{name: directories[value] for name, value in wanted.items()}}

    def _given(self, trial: Trial, parent: Trial | None, declared: Sequence[str] | None) -> Given:
        nested = flat = self._nested(trial, parent)
        if not self._gets_whole_sets:
            flat = self._filled(self.config.space.options(trial.params), trial, parent)
        wanted: Collection[str] = flat
        if self.config.passing == CALLS:
            wanted = declared or ()
        elif declared is not None and self.config.program.command:
            wanted = declared  # a command of another tool
        return Given(
            self.config.python,
            {name: value for name, value in flat.items() if name in wanted},
            nested,
            self._params_file(trial),
            self._model_options(trial, parent, declared),
            os.environ,
            self._model(trial),
            self._model(parent) if parent else "",
        )

    def _model_options(
        self, trial: Trial, parent: Trial | None, known: Sequence[str] | None
    ) -> tuple[str, ...]:
        """Return `--saved_params_dir=...` and `--model_path=...`, each only where it is used.

        A train.py whose options are unknown gets both; any other command or an NNI script with
        unknown options gets neither.
        """
        config = self.config
        saved, path = OWN_OPTIONS
        if known is None:
            known = () if config.program.command or config.passing != OPTIONS else OWN_OPTIONS
        found = [f"--{saved}={self._model(trial)}"] if saved in known else []
        if parent and path in known:
            found.append(f"--{path}={self._model(parent)}")
        return tuple(found)

    def _model(self, trial: Trial) -> str:
        return str(self.paths.model(trial.round, trial.member))

    def _params_file(self, trial: Trial) -> str:
        return str(self.paths.params(trial.id, trial.attempt).absolute())


def template_of(config: Config) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the template of the command: the words before and after those that the user adds.

    A train.py gets the hyperparameters last, as a file that the user names may have them too
    (`--config` of jsonargparse). For Hydra they are overrides, with its run directory unless the
    user named one.
    """
    if config.program.command:
        return config.program.command, ()
    start = tuple(map(literal, start_of_command(config)))
    if config.passing != HYDRA:
        return start, (HYPERPARAMETERS, MODEL_OPTIONS)
    is_named = any(w.removeprefix("--").startswith(RUN_DIR) for w in config.script_args)
    return start, (OVERRIDES,) if is_named else (OVERRIDES, RUN_DIR_OVERRIDE)


def whole_sets(config: Config) -> Sequence[Mapping[str, Any]]:
    """Return the hyperparameter sets of NNI's batch tuner, which are mappings in one choice.

    A trial gets one of these sets and nothing else, not even the name of the choice.
    """
    if config.tuning_strategy != "batch" or list(config.space.names) != [WHOLE_SETS]:
        return ()
    (choice,) = config.space
    sets = [choice.given(value) for value in choice.values()]
    return sets if sets and all(isinstance(one, Mapping) for one in sets) else ()


def option_names(config: Config) -> Sequence[str]:
    """Return the names of the options that pass hyperparameters to trials."""
    sets = whole_sets(config)
    return list(dict.fromkeys(n for one in sets for n in one)) or list(config.space.names)


def start_of_command(config: Config, command: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the words that start every trial's command.

    A script is run as `words_of_script` says. Of another `command` these are the leading words
    that do not depend on the trial.
    """
    if command := command or config.program.command:
        nothing = Given(config.python, {}, {}, "", (), os.environ)
        return beginning(command, nothing)
    return words_of_script(config.script, config.python, config.working_dir)


def words_of_script(script: str, python: str, working_dir: str) -> tuple[str, ...]:
    """Return the words that run a script: with Python, unless it is another program."""
    path = Path(working_dir, script)
    if path.suffix != ".py" and os.access(path, os.X_OK):
        return (str(path),)
    return (python, script)
