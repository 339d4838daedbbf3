"""The interface of everything that shows a run. A failing sink does not fail the run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from autofinetune.config.config import Config
from autofinetune.core.events import Event
from autofinetune.core.state import State
from autofinetune.library import Library
from autofinetune.store.paths import RunPaths


class SinkFailed(Exception):
    """The failure of a sink in words for the user."""


@dataclass(frozen=True)
class Viewer:
    """How to start the server of a tool: words after `python`, and environment variables."""

    words: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)


class Sink(ABC):
    """Receives every event after it is durable and folded into the state."""

    is_view = True
    """A view is derived from the journal alone: on resume it gets every earlier event again."""

    library: ClassVar[Library | None] = None
    """An optional package that the sink needs; one with a library runs in a process of its own."""

    is_behind = False
    """Whether `flush` left work for a later call."""

    @property
    def name(self) -> str:
        """The name of the sink in messages."""
        return type(self).__name__

    @classmethod
    def viewer(cls, paths: RunPaths, host: str, port: int) -> Viewer | None:
        """Return how `autofinetune dashboard --of` shows what this sink wrote, if it can."""
        return None

    @classmethod
    def next_step(cls, log: str, directory: str) -> str:
        """Return a line for the end of a run: how to look at it in this tool, or nothing.

        `log` is the name for `--log_to`, `directory` the output directory as the user types it.
        """
        return ""

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
