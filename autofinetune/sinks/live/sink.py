"""The sinks that show a run to a person: the live view on a terminal, else plain lines."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TextIO

from autofinetune.config.config import Config
from autofinetune.core.events import Event
from autofinetune.core.state import State
from autofinetune.sinks.base import Sink
from autofinetune.sinks.console import Console
from autofinetune.sinks.live.notebook import Notebook, updater
from autofinetune.sinks.live.progress import Progress
from autofinetune.store.paths import RunPaths

if TYPE_CHECKING:
    from autofinetune.sinks.live.display import Display


class Live(Sink):
    """Keeps a display up to date. It takes the terminal with the first event that is shown."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self._progress = Progress()
        self._is_started = False

    def handle(self, event: Event, state: State) -> None:
        self._progress.handle(event)

    def obstacles(self, sentences: tuple[str, ...]) -> None:
        self._progress.obstacles(sentences)
        if self._is_started:
            self._display.show(self._progress.snapshot())

    def flush(self, state: State) -> None:
        if not self._is_started:
            self._is_started = True
            self._display.start()
        self._display.show(self._progress.snapshot())

    def close(self) -> None:
        self._display.close()


def on_console(
    config: Config, paths: RunPaths, stream: TextIO, slots: int, *, is_plain: bool = False
) -> Sequence[Sink]:
    """Return the sinks that write to `stream`.

    A live view belongs to them if it is a suitable terminal, a table if this is a notebook.
    """
    if not is_plain and (update := updater()) is not None:
        return [Notebook(update), Console(config, paths, stream, slots, is_brief=True)]
    if is_plain or not is_suitable(stream, os.environ):
        return [Console(config, paths, stream, slots)]
    from autofinetune.sinks.live.display import Display

    display = Display(stream)
    return [Live(display), Console(config, paths, display.above, slots, is_coloured=True)]


def is_suitable(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Return whether to show a live view: on terminals, unless the environment forbids it."""
    return (
        stream.isatty()
        and environ.get("TERM", "dumb") not in ("", "dumb", "unknown")
        and not environ.get("NO_COLOR")
        and not environ.get("CI")
    )
