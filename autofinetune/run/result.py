"""The result of a run, and the error to report if it has none."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from autofinetune.config.config import ASKED
from autofinetune.config.scoring import NO_METRIC
from autofinetune.core.run_state import BROKEN, NO_SLOT, RunState, run_state_now
from autofinetune.core.state import State, Trial
from autofinetune.core.status import Status
from autofinetune.errors import (
    AllTrialsFailed,
    AutofinetuneError,
    EnvironmentProblem,
    InternalError,
)
from autofinetune.sinks.console import end_of_log
from autofinetune.store.directory import write_atomically
from autofinetune.store.paths import RunPaths


class Result:
    """A run as it stands in its output directory; `history` is its state, folded from events.

    The trials of a run that `tune` made of a function have their hyperparameters as the function
    got them: choices of objects are these objects.
    """

    def __init__(self, paths: RunPaths, history: State, *, is_alive: bool = False) -> None:
        self.output_dir: Path = paths.root
        self.history = history
        self._is_alive = is_alive
        self._shown: Callable[[Trial], Trial] = lambda trial: trial

    def shown_by(self, shown: Callable[[Trial], Trial]) -> Result:
        """Return the result with trials as the function returns them."""
        self._shown = shown
        return self

    @property
    def state(self) -> RunState:
        return self._state_and_reason[0]

    @property
    def reason(self) -> str:
        """The reason for this state, for people."""
        return self._state_and_reason[1]

    @property
    def _state_and_reason(self) -> tuple[RunState, str]:
        history = self.history
        return run_state_now(
            history.end_reason,
            has_begun=len(history.trials) > len(history.queued),
            is_tuner_alive=self._is_alive or history.config.get("executor") == ASKED,
            is_paused=history.is_paused,
        )

    @property
    def best(self) -> Trial | None:
        """The trial with the best score, or None if none has completed."""
        best = self.history.best
        return None if best is None else self._shown(best)

    @property
    def trials(self) -> Sequence[Trial]:
        """All trials in order of creation."""
        return [self._shown(trial) for trial in self.history.trials.values()]

    @property
    def best_model(self) -> Path | None:
        """The directory of the best model, or None if the best trial saved none."""
        path = self.output_dir / "best_model"
        return path if path.is_dir() else None

    def dataframe(self) -> Any:
        """Return a pandas.DataFrame with a row for each trial, as `autofinetune export` writes it.

        Choices of objects are the labels that the tables of the run have. Raise EnvironmentProblem
        without pandas.
        """
        from autofinetune.run.recorded import recorded_run
        from autofinetune.run.tables import table_of

        try:
            import pandas
        except ImportError as error:
            why = f"result.dataframe() needs the package pandas: {error}"
            raise EnvironmentProblem(why, "pip install pandas") from None
        with recorded_run(self.output_dir) as run:
            names, rows = table_of(run)
        return pandas.DataFrame(rows, columns=names).set_index("trial")

    def __repr__(self) -> str:
        score = None if self.best is None else self.best.score
        return (
            f"Result(output_dir={str(self.output_dir)!r}, state={self.state.value}, "
            f"trials={len(self.history.trials)}, best_score={score})"
        )


def problem_of(state: State, paths: RunPaths) -> AutofinetuneError | None:
    """Return the error with which a run ended, or None if it succeeded."""
    if state.end_reason == NO_SLOT:
        reasons = "; ".join(f"slot {slot}: {why}" for slot, why in state.quarantined.items())
        return EnvironmentProblem(
            f"no usable slot is left: {reasons}",
            f"fix the devices, then run: autofinetune resume {paths.shown}",
        )
    if state.end_reason == BROKEN:
        return _too_many_failures(state, paths)
    if state.best is None:
        stopped_early = state.counts[Status.STOPPED]
        return AllTrialsFailed(
            f"no trial completed: {stopped_early} were stopped by the assessor, the others failed"
            if stopped_early
            else f"every trial failed; the logs are in {paths.shown}/round0/",
            _tip_for_failures(state),
        )
    return None


def _tip_for_failures(state: State) -> str:
    again = "then start again with another --output_dir"
    failed = (trial for trial in state.trials.values() if trial.status is Status.FAILED)
    if all(trial.reason == NO_METRIC for trial in failed):
        return f"give --metric a name that the script logs, {again}"
    return f"fix the script, {again}"


def _too_many_failures(state: State, paths: RunPaths) -> AllTrialsFailed:
    failed = [trial for trial in state.trials.values() if trial.status is Status.FAILED]
    last = max(failed, key=lambda trial: trial.id)
    log = paths.trial_log(last.round, last.member)
    lines = [
        f"{state.fast_failures} trials in a row failed within 10 s of starting, "
        f"the last one with {last.reason}:",
        *(f"  | {line}" for line in end_of_log(paths, last)[-5:]),
        f"  full log: {log}",
    ]
    return AllTrialsFailed(
        "\n".join(lines),
        f"fix the cause, then run: autofinetune resume {paths.shown}      "
        "(a run with --max_failures=0 never stops for this)",
    )


def broken_inside(error: Exception, paths: RunPaths) -> InternalError:
    """Return the error for a bug; write its traceback to a file. The run can be resumed."""
    trace = paths.root / "error.log"
    text = "".join(traceback.format_exception(error)).encode(errors="replace")
    with contextlib.suppress(OSError), paths.place.opened() as here:
        write_atomically(here / trace.name, text)
    return InternalError(
        f"the run stopped: {type(error).__name__}: {error}; running trials continue",
        f"the traceback is in {trace}; after fixing it, run: autofinetune resume {paths.shown}",
    )
