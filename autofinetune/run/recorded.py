"""A run as its journal tells it, read while a tuner may be running."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from autofinetune.config.config import ASKED, MOST_TRIALS, Config
from autofinetune.config.described import from_description
from autofinetune.core.history import History
from autofinetune.core.run_state import RunState, run_state_now
from autofinetune.core.state import State, Trial
from autofinetune.core.status import Status
from autofinetune.errors import UsageError
from autofinetune.run.directories import (
    existing_run,
    host_out_of_sight,
    is_tuner_alive,
    of_the_journal,
)
from autofinetune.store.journal import SqliteJournal
from autofinetune.store.paths import RunPaths

Curve: TypeAlias = "list[tuple[int, float]]"
NO_BEST = "no trial of this run has completed, so there is no best model"


@dataclass(frozen=True)
class Recorded:
    """A run at one moment; `journal` is open, `host` is as for `run_state_now`."""

    paths: RunPaths
    config: Config
    journal: SqliteJournal
    history: History
    is_tuner_alive: bool
    host: str

    @property
    def state(self) -> State:
        return self.history.state

    @cached_property
    def run_state(self) -> tuple[RunState, str]:
        """The state of the run and a readable reason."""
        return run_state_now(
            self.state.end_reason,
            has_begun=len(self.state.trials) > len(self.state.queued),
            is_tuner_alive=self.is_tuner_alive or self.config.executor == ASKED,
            is_paused=self.state.is_paused,
            host=self.host,
        )

    @property
    def planned(self) -> int | None:
        """The planned number of trials, None if it is unlimited."""
        return None if self.config.planned == MOST_TRIALS else self.config.planned

    @property
    def best(self) -> Trial:
        """The best trial; raise UsageError without one."""
        if self.state.best is None:
            how = f"autofinetune status {self.paths.shown}"
            raise UsageError(NO_BEST, f"look how far its trials are: {how}")
        return self.state.best

    @cached_property
    def ranks(self) -> dict[int, int]:
        """The place of each ranked trial, from 1 for the best."""
        return {trial.id: rank for rank, trial in enumerate(self.state.ranked(), 1)}

    def repeats_of(self, trial: Trial) -> list[Trial]:
        """Return the trials that train the same configuration because of `--repeats`."""
        repeats = self.config.repeats
        first = trial.id - trial.id % repeats
        numbers = range(first, first + repeats)
        return [self.state.trials[number] for number in numbers if number in self.state.trials]

    def mean_of(self, trial: Trial) -> float | None:
        """Return the mean score of its configuration over the completed trials, None without."""
        done = [one for one in self.repeats_of(trial) if one.status is Status.COMPLETED]
        scores = [one.score for one in done if one.score is not None]
        return sum(scores) / len(scores) if scores else None

    def chosen(self, number: str | None) -> Trial:
        """Return the trial with this number, or the best one; raise UsageError without it."""
        return chosen(self.state, number)

    def curve_of(self, trial: Trial) -> Curve:
        """Return the reports of a trial from the journal; see `curves`."""
        return self.curves(trial.id).get(trial.id, [])

    def curves(self, only: int | None = None) -> dict[int, Curve]:
        """Return the reports (step, score) of the latest attempts, by trial, from the journal.

        With `only`, those of one trial. Reports that came after this was read are left out where
        they are of a later attempt.
        """
        found: dict[int, Curve] = {}
        trials = self.state.trials
        for trial, attempt, step, score in self.journal.reports(only):
            if trial in trials and trials[trial].attempt == attempt:
                found.setdefault(trial, []).append((step, score))
        return found


@contextlib.contextmanager
def recorded_run(directory: str | os.PathLike[str]) -> Iterator[Recorded]:
    """Read the run in a directory; its state is that of this moment, without reports.

    Raise UsageError if it holds no run, EnvironmentProblem if the journal cannot be read or other
    users can change the directory.
    """
    with existing_run(directory) as paths:
        # Before the journal: a tuner that ends in between has recorded its end there.
        is_alive, host = is_tuner_alive(paths.lock), host_out_of_sight(paths.lock)
        journal = SqliteJournal(paths.journal, read_only=True)
        with contextlib.closing(journal):
            first = journal.created()
            assert first is not None
            with of_the_journal(paths):
                history = History(from_description(first.config).direction)
            history.apply_all(journal.events(reports=False))
            with of_the_journal(paths):
                config = from_description(history.state.config)
            yield Recorded(paths, config, journal, history, is_alive, host)


def chosen(state: State, number: str | None) -> Trial:
    """Return the trial with this number, or the best one; raise UsageError if there is none."""
    if number is None:
        if state.best is None:
            raise UsageError(NO_BEST, "name a trial by its number in trials.csv")
        return state.best
    is_number = number.isascii() and number.isdecimal() and len(number) < 10
    trial = state.trials.get(int(number)) if is_number else None
    if trial is None:
        raise UsageError(
            f"this run has no trial {number[:60]!r}",
            f"give a number from 0 to {len(state.trials) - 1}, as in trials.csv"
            if state.trials
            else "it has not started any trial yet",
        )
    return trial
