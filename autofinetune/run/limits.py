"""Limits that make a run stop starting trials early."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from autofinetune.config.config import Config
from autofinetune.core.run_state import BROKEN, NO_SLOT, TARGET, TIMEOUT
from autofinetune.core.state import State


@dataclass
class Limits:
    """The limits that a configuration sets for its run, whose `state` changes meanwhile."""

    config: Config
    state: State
    monotonic: Callable[[], float]
    _began: float = 0.0

    def begin(self) -> None:
        """Start the clock, at first or after a pause; the state has the seconds before."""
        self._began = self.monotonic() - self.state.active_seconds

    def reached(self, slots: Collection[str], *, exhausted: bool) -> str | None:
        """Return the reason for starting no further trials, or None; see `run_state.REASONS`."""
        state = self.state
        if state.quarantined.keys() >= set(slots):
            return NO_SLOT
        is_more_to_ask = len(state.trials) < self.config.planned and not exhausted
        is_more_to_start = bool(state.queued) or is_more_to_ask
        if self.config.safety.is_broken(state) and is_more_to_start:
            return BROKEN
        if self._is_good_enough():
            return TARGET
        return TIMEOUT if self.is_out_of_time() and is_more_to_start else None

    def _is_good_enough(self) -> bool:
        target, best = self.config.target_score, self.state.best
        if target is None or best is None:
            return False
        return self.state.merit(best) >= self.config.direction.merit(target)

    def is_out_of_time(self) -> bool:
        """Return whether the run has reached its time limit, counting all its sessions.

        The time during which it is paused does not count.
        """
        limit = self.config.max_seconds
        if limit is None or self.state.is_paused:
            return False
        return self.monotonic() - self._began >= limit
