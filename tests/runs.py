"""Output directories of runs that were never run: a journal with given events, and files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autofinetune.config.described import describe
from autofinetune.core.events import (
    AttemptLost,
    AttemptPlanned,
    AttemptSubmitted,
    Event,
    Reported,
    RunCreated,
    RunEnded,
    TrialCreated,
    TrialEnded,
)
from autofinetune.core.slot import Slot
from autofinetune.space import Space
from autofinetune.store.journal import SqliteJournal
from autofinetune.store.paths import RunPaths
from tests.helpers import config_of


class Written:
    """A run in a directory, written event by event; time advances one second an event."""

    def __init__(self, root: Path, space: Space | None = None, **config: Any) -> None:
        root.mkdir(parents=True, mode=0o700)
        self.paths = RunPaths(root)
        self.config = config_of(space, **config)
        self.journal = SqliteJournal(self.paths.journal, create=True)
        self.at = 1_700_000_000.0
        self._trials: dict[int, TrialCreated] = {}
        self._attempts: dict[int, int] = {}
        self.add(RunCreated(self.tick(), "run", "0", describe(self.config)))

    def tick(self) -> float:
        self.at += 1.0
        return self.at

    def add(self, *events: Event) -> None:
        self.journal.append(events)

    def created(self, trial: int, parent: int | None = None, **params: Any) -> None:
        popsize = self.config.popsize * self.config.repeats
        point = (0.5,) * self.config.space.dim
        created = TrialCreated(
            self.tick(), trial, trial // popsize, trial % popsize, point, params, parent
        )
        self._trials[trial] = created
        self.add(created)

    def started(self, trial: int, slot: str = "0", log_start: int = 0) -> None:
        attempt = self._attempts[trial] = self._attempts.get(trial, 0) + 1
        self.add(
            AttemptPlanned(self.tick(), trial, attempt, Slot.read(slot), log_start),
            AttemptSubmitted(self.tick(), trial, attempt, {"pid": 1}),
        )

    def reported(self, trial: int, *scores: float) -> None:
        attempt = self._attempts[trial]
        for step, score in enumerate(scores):
            self.add(Reported(self.tick(), trial, attempt, step, score, 30 * step))

    def lost(self, trial: int, reason: str) -> None:
        self.add(AttemptLost(self.tick(), trial, self._attempts[trial], reason))

    def ended(
        self,
        trial: int,
        score: float | None,
        *,
        status: str = "",
        reason: str = "",
        model: str | None = "weights",
        estimate: float | None = None,
    ) -> None:
        """End a trial; it saved `model` as a text, or nothing."""
        status = status or ("FAILED" if score is None else "COMPLETED")
        if model is not None:
            folder = self.model(trial)
            folder.mkdir(parents=True)
            (folder / "weights").write_text(model)
        self.add(
            TrialEnded(
                self.tick(), trial, self._attempts[trial], status, reason, score, 1.5,
                model is not None, estimate,
            )
        )  # fmt: skip

    def model(self, trial: int) -> Path:
        one = self._trials[trial]
        return self.paths.model(one.round, one.member)

    def log(self, trial: int, text: str | bytes) -> Path:
        one = self._trials[trial]
        path = self.paths.trial_log(one.round, one.member)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def done(self, reason: str = "done") -> None:
        self.add(RunEnded(self.tick(), reason))

    def trial(
        self,
        trial: int,
        score: float | None,
        params: Mapping[str, Any],
        parent: int | None = None,
        **more: Any,
    ) -> None:
        """Add a trial that ran once."""
        self.created(trial, parent, **params)
        self.started(trial)
        self.ended(trial, score, **more)


def mixed(lr: float = 0.01, units: int = 16, optimizer: str = "sgd") -> dict[str, Any]:
    """A configuration of the space of `config_of`."""
    return {"lr": lr, "units": units, "optimizer": optimizer}
