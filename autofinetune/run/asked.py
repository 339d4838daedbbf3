"""A run without a tuner: another program asks for trials, one by one, and tells their scores.

Each call locks the directory, folds the journal, and records what it does, so nothing is lost
between two calls.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from autofinetune.config.config import ASKED, Config
from autofinetune.config.described import describe
from autofinetune.core.events import (
    AttemptPlanned,
    Event,
    RunCreated,
    RunEnded,
    RunResumed,
    TrialCreated,
    TrialEnded,
)
from autofinetune.core.run_state import DONE, EXHAUSTED, run_state
from autofinetune.core.slot import Slot
from autofinetune.core.state import State, Trial
from autofinetune.core.status import Status
from autofinetune.errors import DirectoryBusy, UsageError
from autofinetune.run.candidates import Candidates
from autofinetune.run.directories import (
    existing_run,
    known_config,
    locked,
    refuse_used_directory,
)
from autofinetune.run.parts import make_strategy
from autofinetune.run.whereabouts import new_name
from autofinetune.sinks import Tables
from autofinetune.store.journal import SqliteJournal
from autofinetune.store.paths import RunPaths
from autofinetune.version import __version__

TOLD = "told"  # the reason of a trial that was told to have failed
WAITING = "results are needed first: tell the scores of the trials that were asked"
_SLOT = Slot("ask")
_PATIENCE_S, _LOOK_S = 60.0, 0.02


def create(directory: Path, config: Config) -> None:
    """Begin a run; raise UsageError if the directory holds one."""
    make_strategy(config)  # which checks its options
    with locked(directory) as paths:
        refuse_used_directory(paths)
        with contextlib.closing(SqliteJournal(paths.journal, create=True)) as journal:
            run = AskedRun(paths, config, journal, State(config.direction))
            run.record(
                [RunCreated(time.time(), new_name(), __version__, describe(config), paths.where)]
            )


class AskedRun:
    """The run in a locked directory; `state` is the fold of its journal."""

    def __init__(
        self, paths: RunPaths, config: Config, journal: SqliteJournal, state: State
    ) -> None:
        self.state = state
        self._config = config
        self._journal = journal
        self._tables = Tables(config, paths)

    def record(self, events: Sequence[Event]) -> None:
        """Make events durable, fold them, and bring the tables up to date."""
        self._journal.append(events)
        self.state.apply_all(events)
        for event in events:
            self._tables.handle(event, self.state)
        self._tables.flush(self.state)

    def ask(self) -> tuple[Trial | None, str]:
        """Hand out a trial; return None and the reason if there is none now."""
        candidates = Candidates(make_strategy(self._config), self._config, time.monotonic)
        state = State(self._config.direction)
        for event in self._journal.events():
            state.apply(event)
            candidates.replay(event, state)
        if len(state.trials) >= self._config.planned:
            return None, WAITING if state.running else run_state(DONE, has_begun=True)[1]
        found = candidates.ask(1)
        if not found:
            if not candidates.exhausted:
                return None, WAITING
            if not state.running and state.end_reason is None:
                self.record([RunEnded(time.time(), EXHAUSTED)])
            return None, run_state(EXHAUSTED, has_begun=True)[1]
        (one,) = found
        now = time.time()
        again = [RunResumed(now, __version__)] if state.end_reason is not None else []
        created = TrialCreated(
            now, one.id, one.round, one.member, one.point, one.params, parent=None
        )
        self.record([*again, created, AttemptPlanned(now, one.id, 1, _SLOT)])
        return self.state.trials[one.id], ""

    def tell(self, number: int, score: float | None) -> Trial:
        """Record the score of a trial that was asked; None or a non-finite one: it failed."""
        trial = self.state.trials.get(number)
        if trial is None or trial.status is not Status.RUNNING:
            how = "was not handed out" if trial is None else f"has ended: {trial.status.value}"
            open_ = ", ".join(map(str, sorted(self.state.running))) or "none"
            raise UsageError(f"trial {number} {how}", f"these have no score yet: {open_}")
        now = time.time()
        is_score = score is not None and math.isfinite(score)
        status = Status.COMPLETED if is_score else Status.FAILED
        reason = "" if is_score else TOLD if score is None else "nan"
        seconds = max(0.0, now - (trial.started_at or now))
        ended = TrialEnded(
            now, number, trial.attempt, status.value, reason, score if is_score else None,
            seconds, has_model=False,
        )  # fmt: skip
        is_last = len(self.state.trials) >= self._config.planned and len(self.state.running) == 1
        self.record([ended, RunEnded(now, DONE)] if is_last else [ended])
        return self.state.trials[number]


@contextlib.contextmanager
def opened(directory: Path) -> Iterator[AskedRun]:
    """Lock and fold a run, waiting for other commands.

    Raises:
        UsageError: there is no run, or its trials are run by a tuner.
        DirectoryBusy: another process keeps the lock.
    """
    with existing_run(directory) as found:
        config = known_config(found)
    if config.executor != ASKED:
        raise UsageError(
            f"the trials of {directory} are run by a tuner",
            "start a run of your own: autofinetune ask OUTPUT_DIR --param_file=hparam.yaml",
        )
    with contextlib.ExitStack() as stack:
        paths = stack.enter_context(_locked_patiently(directory.absolute()))
        config = known_config(paths)  # again: it may have been changed meanwhile
        journal = stack.enter_context(contextlib.closing(SqliteJournal(paths.journal)))
        state = State(config.direction)
        state.apply_all(journal.events())
        yield AskedRun(paths, config, journal, state)


@contextlib.contextmanager
def _locked_patiently(directory: Path) -> Iterator[RunPaths]:
    end = time.monotonic() + _PATIENCE_S
    with contextlib.ExitStack() as stack:
        while True:
            try:
                paths = stack.enter_context(locked(directory))
                break
            except DirectoryBusy:
                if time.monotonic() > end:
                    raise
            time.sleep(_LOOK_S)
        yield paths
