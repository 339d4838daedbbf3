"""Limits that make a run stop starting trials early."""

from __future__ import annotations

from collections.abc import Callable, Collection

from autofinetune.config.config import Config
from autofinetune.core.run_state import BROKEN, NO_SLOT, TARGET, TIMEOUT
from autofinetune.core.state import State


class Limits:
    """The limits that a configuration sets for its run.

    Args:
        config: of the run.
        state: of the run, updated while it runs.
        monotonic: returns the seconds of a clock that never goes back.
    """

    def __init__(self, config: Config, state: State, monotonic: Callable[[], float]) -> None:
        self._config = config
        self._state = state
        self._monotonic = monotonic
        self._began = monotonic()

    def begin(self) -> None:
        """Start the clock; the state has the seconds that the run worked before."""
        self._began = self._monotonic() - self._state.active_seconds

    def reached(self, slots: Collection[str], *, exhausted: bool) -> str | None:
        """Return the reason for starting no further trials, or None; see `run_state.REASONS`.

        Args:
            slots: all slots.
            exhausted: whether the strategy has nothing left to propose.
        """
        state = self._state
        if state.quarantined.keys() >= set(slots):
            return NO_SLOT
        is_more_to_ask = len(state.trials) < self._config.planned and not exhausted
        is_more_to_start = bool(state.queued) or is_more_to_ask
        if self._config.safety.is_broken(state) and is_more_to_start:
            return BROKEN
        if self._is_good_enough():
            return TARGET
        return TIMEOUT if self.is_out_of_time() and is_more_to_start else None

    def _is_good_enough(self) -> bool:
        target, best = self._config.target_score, self._state.best
        if target is None or best is None:
            return False
        return self._state.merit(best) >= self._config.direction.merit(target)

    def is_out_of_time(self) -> bool:
        """Return whether the run has reached its time limit, counting all its sessions."""
        limit = self._config.max_seconds
        return limit is not None and self._monotonic() - self._began >= limit
