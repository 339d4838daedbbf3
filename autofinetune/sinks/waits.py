"""Tell other processes what hinders the tuner: a file of sentences that is not in the journal."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence

from autofinetune.core.events import Event, RunEnded
from autofinetune.core.state import State
from autofinetune.store.directory import read_file, write_atomically
from autofinetune.store.paths import RunPaths

from .base import Sink

_MOST_BYTES = 1 << 20


class Waits(Sink):
    """Keeps the file equal to the current obstacles; there is none without obstacles."""

    is_view = False

    def __init__(self, paths: RunPaths) -> None:
        self._paths = paths
        self.obstacles(())  # those of a tuner that was killed are over

    def handle(self, event: Event, state: State) -> None:
        if isinstance(event, RunEnded):
            self.obstacles(())

    def obstacles(self, sentences: tuple[str, ...]) -> None:
        # A disk without space is an obstacle itself, and this file is not needed.
        with contextlib.suppress(OSError), self._paths.place.opened() as here:
            path = here / self._paths.waits.name
            if sentences:
                write_atomically(path, json.dumps(sentences).encode())
            else:
                path.unlink(missing_ok=True)


def read_waits(paths: RunPaths) -> Sequence[str]:
    """Return what hinders the tuner of a run, in sentences, while it is alive."""
    try:
        with paths.place.opened() as here:
            found = json.loads(read_file(here / paths.waits.name, _MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return ()
    is_right = isinstance(found, list) and all(isinstance(one, str) for one in found)
    return found if is_right else ()
