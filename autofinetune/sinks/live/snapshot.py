"""A run at one moment, as a live view shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from autofinetune.core.slot import Slot
from autofinetune.core.status import Status

Params: TypeAlias = "Mapping[str, Any]"


@dataclass(frozen=True)
class Row:
    """A running trial.

    Attributes:
        since: when it started, or began to wait in the queue of an engine, in seconds since 1970.
        base: the hyperparameters of its parent, None for a trial without one.
        reports: its intermediate scores, thinned out evenly to at most 64; `score` is the last.
        pid: the process that runs it on this machine, as far as that is known.
    """

    trial: int
    attempt: int
    slot: Slot
    since: float
    params: Params
    parent: int | None = None
    base: Params | None = None
    step: int | None = None
    score: float | None = None
    reports: tuple[float, ...] = ()
    stop_reason: str = ""
    is_waiting: bool = False
    pid: int | None = None
    node: str = ""


@dataclass(frozen=True)
class Best:
    """The best trial; with repeats, the best one of the configuration with the best mean."""

    trial: int
    score: float
    params: Params


@dataclass(frozen=True)
class Snapshot:
    """A run at one moment.

    Attributes:
        total: how many trials it is to have, None if it has no end.
        counts: the number of trials by status.
        rows: the running trials, the oldest first.
        best_scores: pairs of a number of finished trials and the best score from then on, thinned
            out evenly to at most 256.
        waits: sentences about what waits and why.
    """

    run: str = ""
    name: str = ""
    total: int | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    rows: tuple[Row, ...] = ()
    best: Best | None = None
    best_scores: tuple[tuple[int, float], ...] = ()
    slots: int = 1
    busy_s: float = 0.0
    waits: tuple[str, ...] = ()
    end_reason: str | None = None

    @property
    def ended(self) -> int:
        return sum(n for status, n in self.counts.items() if Status(status).is_final)

    @property
    def left_s(self) -> float | None:
        """The estimated seconds until all trials ended, None if that cannot be said."""
        if self.total is None or not self.ended or self.end_reason is not None:
            return None
        left = max(0, self.total - self.ended)
        return self.busy_s / self.ended * left / max(1, min(self.slots, left))

    def changed(self, row: Row) -> Params:
        """Return the hyperparameters of a trial that differ from its parent's, or the best's."""
        base = row.base
        if base is None:
            base = self.best.params if self.best else {}
        return {k: v for k, v in row.params.items() if k not in base or base[k] != v}
