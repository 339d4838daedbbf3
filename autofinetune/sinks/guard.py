"""Keep sinks from failing a run: a sink that raises is reported once, closed and dropped."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

from autofinetune.config.config import Config
from autofinetune.core.events import Event
from autofinetune.core.state import State
from autofinetune.world import NO_SPACE

from .base import Sink, SinkFailed


class SinkGuard:
    """All sinks of a run, in order; `warn` gets one message about each that fails."""

    def __init__(self, sinks: Sequence[Sink], warn: Callable[[str], None]) -> None:
        self._sinks = list(sinks)
        self._warn = warn
        self._waiting: set[Sink] = set()

    def handle(self, event: Event, state: State) -> None:
        """Pass a new event to every sink."""
        for sink in list(self._sinks):
            self._try(sink, sink.handle, event, state)

    def replay(self, event: Event, state: State) -> None:
        """Pass an event of an earlier session to the views."""
        for sink in [sink for sink in self._sinks if sink.is_view]:
            self._try(sink, sink.handle, event, state)

    def obstacles(self, sentences: tuple[str, ...]) -> None:
        """Pass on what hinders the tuner from now on."""
        for sink in list(self._sinks):
            self._try(sink, sink.obstacles, sentences)

    def change(self, config: Config, slots: int) -> None:
        """Pass on that the user has changed options of the run."""
        for sink in list(self._sinks):
            self._try(sink, sink.change, config, slots)

    def flush(self, state: State) -> None:
        for sink in list(self._sinks):
            is_done = self._try(sink, sink.flush, state)
            if is_done and not sink.is_behind:
                self._waiting.discard(sink)

    def finish(self, state: State) -> None:
        """Flush until all background work is finished."""
        self.flush(state)
        while self.wait(1.0):
            self.flush(state)

    @property
    def is_waiting(self) -> bool:
        """Whether a sink still has something to write, later or once there is disk space."""
        return bool(self.waits_for)

    @property
    def waits_for(self) -> list[str]:
        """The names of the sinks that still have something to write."""
        return [sink.name for sink in self._sinks if sink.is_behind or sink in self._waiting]

    def wait(self, seconds: float) -> bool:
        """Wait for background work, at most `seconds`; return whether there was any."""
        return any(sink.wait(seconds) for sink in list(self._sinks))

    def close(self) -> None:
        for sink in list(self._sinks):
            self._try(sink, sink.close)
        self._sinks.clear()

    def _try(self, sink: Sink, action: Callable[..., None], *args: object) -> bool:
        try:
            action(*args)
        except Exception as error:
            if isinstance(error, OSError) and error.errno in NO_SPACE:
                self._wait(sink, error)
            else:
                self._drop(sink, error)
            return False
        return True

    def _wait(self, sink: Sink, error: Exception) -> None:
        """Keep a sink that found no disk space; it writes its data at the next flush."""
        if sink not in self._waiting:
            self._waiting.add(sink)
            self._warn(f"{sink.name} is waiting for disk space ({error})")

    def _drop(self, sink: Sink, error: Exception) -> None:
        if sink not in self._sinks:
            return
        self._sinks.remove(sink)
        what = f"{error}" if isinstance(error, SinkFailed) else f"{type(error).__name__}: {error}"
        self._warn(f"{sink.name} stopped ({what}); the run continues and loses nothing")
        with contextlib.suppress(Exception):  # its failure was already reported
            sink.close()
