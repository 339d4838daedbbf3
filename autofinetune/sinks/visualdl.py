"""Writes the VisualDL dashboard: PaddleHub's tags and the table of hyperparameters.

    visualization/vdlrecords.root.log            hyperparameter_tuning/<name>, .../best_eval_value
    visualization/pop_<i>/vdlrecords.pop.log     population_transformation/<name>, .../eval_value
    visualization/trials/r003_p2/vdlrecords...   one row of the hyperparameter page

Steps are rounds. What VisualDL 2.5.3 wants: it reads one file per directory, so names are fixed
and a file is reopened to append; a writer that is not closed loses its tail, so each is closed at
once; it drops numpy numbers and cannot take booleans, so values are float, int or str; a metric
that is NaN hides the trial, so a failed one has none.
"""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from autofinetune.config import Config
from autofinetune.events import AttemptSubmitted, Event, RunEnded, TrialEnded
from autofinetune.paths import RunPaths
from autofinetune.space import Parameter, Value, as_text
from autofinetune.state import State, Trial

from .base import Sink

_MANY_VALUES = 12  # integers with more values are drawn on a continuous axis
_METRIC = "trial/eval_value"


class VisualDL(Sink):
    """A view of the run for `autofinetune dashboard`; made anew from the journal on resume."""

    def __init__(self, config: Config, paths: RunPaths) -> None:
        self._config = config
        self._root = paths.visualization
        self._log_writer: Callable[..., Any] | None = None
        self._last_round = -1
        for old in self._root.rglob("vdlrecords.*.log"):
            old.unlink()

    def handle(self, event: Event, state: State) -> None:
        if isinstance(event, AttemptSubmitted):
            self._load()  # trials are running now, so the import keeps no slot waiting
        elif isinstance(event, TrialEnded):
            trial = state.trials[event.trial]
            self._write_member(trial)
            self._write_trial(trial)
            if state.ended_by_round[trial.round] == self._config.popsize:
                self._write_round(trial.round, state)
        elif isinstance(event, RunEnded) and state.ended_by_round:
            self._write_round(max(state.ended_by_round), state)

    def _write_round(self, round_: int, state: State) -> None:
        if round_ <= self._last_round or state.best is None:
            return
        self._last_round = round_
        with self._writer(self._root, "root") as writer:
            for name, number in self._numbers(state.best).items():
                writer.add_scalar(f"hyperparameter_tuning/{name}", number, round_)
            best = float(state.best.score or 0.0)
            writer.add_scalar("hyperparameter_tuning/best_eval_value", best, round_)

    def _write_member(self, trial: Trial) -> None:
        with self._writer(self._root / f"pop_{trial.member}", "pop") as writer:
            for name, number in self._numbers(trial).items():
                writer.add_scalar(f"population_transformation/{name}", number, trial.round)
            if trial.score is not None:
                tag = "population_transformation/eval_value"
                writer.add_scalar(tag, trial.score, trial.round)

    def _write_trial(self, trial: Trial) -> None:
        folder = self._root / "trials" / f"r{trial.round:03d}_p{trial.member}"
        values = {p.name: _for_table(p, trial.params[p.name]) for p in self._config.space}
        with self._writer(folder, "trial") as writer:
            writer.add_hparams(values, [_METRIC])
            writer.add_text("trial/state", f"{trial.status.value} {trial.reason}".strip(), 0)
            if trial.score is not None:
                writer.add_scalar(_METRIC, trial.score, 0)

    def _numbers(self, trial: Trial) -> Mapping[str, float]:
        return {p.name: p.as_number(trial.params[p.name]) for p in self._config.space}

    @contextlib.contextmanager
    def _writer(self, folder: Path, name: str) -> Iterator[Any]:
        folder.mkdir(parents=True, exist_ok=True)
        make = self._load()
        with contextlib.redirect_stdout(io.StringIO()):  # it prints when it appends to a file
            writer = make(logdir=str(folder), file_name=f"vdlrecords.{name}.log")
        try:
            yield writer
        finally:
            writer.close()

    def _load(self) -> Callable[..., Any]:
        if self._log_writer is None:
            self._log_writer = import_visualdl().LogWriter
        return self._log_writer


def _for_table(parameter: Parameter, value: Value) -> float | int | str:
    if parameter.type_name == "choice" or not isinstance(value, (int, float)):
        return as_text(value)
    is_coarse = parameter.size is not None and parameter.size <= _MANY_VALUES
    return value if parameter.type_name == "int" and is_coarse else float(value)


def import_visualdl() -> Any:
    """The package, also where the home directory is read-only (it makes a folder there)."""
    try:
        import visualdl
    except OSError:
        os.environ["HOME"] = tempfile.mkdtemp(prefix="autofinetune-home-")
        import visualdl
    return visualdl
