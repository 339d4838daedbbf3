"""The seam of everything that shows a run. A sink cannot fail it."""

from __future__ import annotations

from abc import ABC, abstractmethod

from autofinetune.core.events import Event
from autofinetune.core.state import State


class Sink(ABC):
    """Takes every event after it is durable and folded into the state."""

    is_view = True
    """A view is derived from the journal alone: on resume it gets every earlier event again."""

    is_behind = False
    """Whether `flush` has left something for a later one."""

    @abstractmethod
    def handle(self, event: Event, state: State) -> None:
        """Take one event; `state` has it folded in, and maybe events that came right after it."""

    def flush(self, state: State) -> None:  # noqa: B027  nothing to do is a fine default
        """Bring the output up to date; called after each batch of events."""

    def wait(self, seconds: float) -> bool:
        """Wait for work in the background, at most so long.

        Returns:
            Whether there was any.
        """
        return False

    def close(self) -> None:  # noqa: B027
        """Finish what is under way, and let go of files and threads."""
