"""What makes a run start no more trials before all of them were tried."""

from __future__ import annotations

from collections.abc import Callable, Collection

from autofinetune.config.config import Config
from autofinetune.core.run_state import BROKEN, NO_SLOT, TARGET, TIMEOUT
from autofinetune.core.state import State


class Limits:
    """The bounds that a configuration sets to its run.

    Args:
        config: of the run.
        state: of the run, as it goes on.
        monotonic: seconds by a clock that is never set back.
    """

    def __init__(self, config: Config, state: State, monotonic: Callable[[], float]) -> None:
        self._config = config
        self._state = state
        self._monotonic = monotonic
        self._began = monotonic()

    def begin(self) -> None:
        """This life of the run begins; the state knows for how long the earlier ones worked."""
        self._began = self._monotonic() - self._state.active_seconds

    def reached(self, slots: Collection[str], *, exhausted: bool) -> str | None:
        """Why no trial is started any more, as in `run_state.REASONS`, or None.

        Args:
            slots: all there are.
            exhausted: whether the strategy has nothing to propose any more.
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
        """Whether the run has worked for all the seconds that it may, in all its lives."""
        limit = self._config.max_seconds
        return limit is not None and self._monotonic() - self._began >= limit
