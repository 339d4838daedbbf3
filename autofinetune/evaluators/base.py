"""How a candidate becomes a command: from scratch, or from the saved model of an earlier trial."""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from pathlib import Path

from autofinetune.config import MODEL_PATH, SAVED_PARAMS_DIR, Config
from autofinetune.paths import RunPaths
from autofinetune.report import PARAMS_VARIABLE
from autofinetune.space import as_text
from autofinetune.state import State, Trial
from autofinetune.strategies.base import Candidate


class Evaluator(ABC):
    """Chooses the parent of a candidate and writes the command line of a trial."""

    continues_models = False
    """Whether later rounds continue saved models, so that train.py needs `--model_path`."""

    def __init__(self, config: Config, paths: RunPaths) -> None:
        self.config = config
        self.paths = paths

    @abstractmethod
    def parent(self, candidate: Candidate, state: State) -> int | None:
        """The trial whose saved model a new candidate continues, or None."""

    def command(self, trial: Trial, parent: Trial | None) -> tuple[str, ...]:
        """The words of the command that runs `trial`; never a shell string."""
        given = {} if self.config.nni_wire else self.config.space.options(trial.params)
        words = [
            *start_of_command(self.config),
            *(f"--{name}={as_text(value)}" for name, value in given.items()),
        ]
        if self._takes(SAVED_PARAMS_DIR):
            words.append(f"--{SAVED_PARAMS_DIR}={self._model(trial)}")
        words += self.config.script_args
        if parent is not None:
            if self._takes(MODEL_PATH):
                words.append(f"--{MODEL_PATH}={self._model(parent)}")
            words += self.warm_args()
        return tuple(words)

    def environment(self, trial: Trial, parent: Trial | None) -> dict[str, str]:
        """What `trial` finds in its environment of what `command` may say, too."""
        env = {
            PARAMS_VARIABLE: json.dumps(self.config.space.nest(trial.params)),
            f"AUTOFINETUNE_{SAVED_PARAMS_DIR.upper()}": str(self._model(trial)),
        }
        if parent is not None:
            env[f"AUTOFINETUNE_{MODEL_PATH.upper()}"] = str(self._model(parent))
        return env

    def _model(self, trial: Trial) -> Path:
        return self.paths.model(trial.round, trial.member)

    def _takes(self, option: str) -> bool:
        """A script that gets its parameters by calls need not have options."""
        return not self.config.nni_wire or option in (self.config.script_options or ())

    def warm_args(self) -> tuple[str, ...]:
        """What a continued trial gets besides: as configured, or one epoch where there is one."""
        config = self.config
        if config.warm_args is not None:
            return config.warm_args
        if "epochs" in (config.script_options or ()) and "epochs" not in config.space.names:
            return ("--epochs=1",)
        return ()


def start_of_command(config: Config) -> tuple[str, ...]:
    """How the script itself is started: by this Python, or by itself when it is executable."""
    path = config.script_path
    if path.suffix != ".py" and os.access(path, os.X_OK):
        return (str(path),)
    return (config.python, config.script)
