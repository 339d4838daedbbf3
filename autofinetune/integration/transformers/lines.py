"""One line for each finished trial, in the words of Optuna, which users of Trainer know."""

from __future__ import annotations

import sys
import time

from autofinetune import terminal
from autofinetune.core.state import Trial
from autofinetune.core.status import Status
from autofinetune.sinks.console import end_of_log
from autofinetune.store.paths import RunPaths
from autofinetune.visible import visible_lines


class Lines:
    """Writes the lines to standard error, as Optuna does."""

    def __init__(self, paths: RunPaths) -> None:
        self._paths = paths

    def tell(self, trial: Trial, best: Trial) -> None:
        """Write the line of a trial; `best` is the best one so far, if there is any."""
        params = dict(trial.params)
        if trial.status is Status.COMPLETED:
            _say(
                "I", f"Trial {trial.id} finished with value: {trial.score} and parameters: "
                f"{params}. Best is trial {best.id} with value: {best.score}.",
            )  # fmt: skip
        elif trial.status is Status.STOPPED:
            _say("I", f"Trial {trial.id} pruned with parameters: {params}: {trial.reason}")
        else:
            _say("W", f"Trial {trial.id} failed with parameters: {params}: {trial.reason}")
            for line in end_of_log(self._paths, trial):
                _write(f"    | {line}")
            _write(f"    full log: {self._paths.trial_log(trial.round, trial.member)}")


def _say(level: str, sentence: str) -> None:
    _write(f"[{level} {time.strftime('%Y-%m-%d %H:%M:%S')}] {sentence}")


def _write(line: str) -> None:
    terminal.write(sys.stderr, f"{visible_lines(line)}\n")
