"""The interface of everything that shows a run. A failing sink does not fail the run."""

from __future__ import annotations

from abc import ABC, abstractmethod

from autofinetune.config.config import Config
from autofinetune.core.events import Event
from autofinetune.core.state import State


class Sink(ABC):
    """Receives every event after it is durable and folded into the state."""

    is_view = True
    """A view is derived from the journal alone: on resume it gets every earlier event again."""

    is_behind = False
    """Whether `flush` left work for a later call."""

    @abstractmethod
    def handle(self, event: Event, state: State) -> None:
        """Handle one event; `state` includes it, and possibly the events right after it."""

    def obstacles(self, sentences: tuple[str, ...]) -> None:  # noqa: B027
        """Take what hinders the tuner from now on; it is not an event."""

    def change(self, config: Config, slots: int) -> None:  # noqa: B027
        """Take the options of the run and its number of slots, which the user has changed."""

    def flush(self, state: State) -> None:  # noqa: B027  doing nothing is a valid default
        """Bring the output up to date; called after each batch of events."""

    def wait(self, seconds: float) -> bool:
        """Wait for background work, at most this long; return whether there was any."""
        return False

    def close(self) -> None:  # noqa: B027
        """Finish pending work, and release files and threads."""
