"""A failing sink does not fail a run."""

from __future__ import annotations

import pytest

from autofinetune.core.events import RunEnded
from autofinetune.core.state import State
from autofinetune.sinks import Sink, SinkGuard
from tests.helpers import Recorder

EVENT = RunEnded(1.0, "done")


class Broken(Sink):
    """Raises in one of its methods."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.closed = 0

    def handle(self, event: object, state: State) -> None:
        self._maybe("handle")

    def flush(self, state: State) -> None:
        self._maybe("flush")

    def close(self) -> None:
        self.closed += 1
        self._maybe("close")

    def _maybe(self, where: str) -> None:
        if where == self.where:
            raise OSError(5, "Input/output error")


@pytest.mark.parametrize("where", ["handle", "flush", "close"])
def test_a_broken_sink_is_told_once_and_left_out(where: str) -> None:
    warnings: list[str] = []
    broken, healthy = Broken(where), Recorder()
    guard = SinkGuard([broken, healthy], warnings.append)
    for _ in range(3):
        guard.handle(EVENT, State())
        guard.flush(State())
    guard.close()
    assert len(warnings) == 1
    assert "Broken stopped" in warnings[0]
    assert "Input/output" in warnings[0]
    assert healthy.events == [EVENT] * 3
    assert broken.closed >= 1


def test_earlier_events_go_to_views_only() -> None:
    class Live(Recorder):
        is_view = False

    view, live = Recorder(), Live()
    guard = SinkGuard([view, live], lambda sentence: None)
    guard.replay(EVENT, State())
    guard.handle(EVENT, State())
    assert len(view.events) == 2
    assert len(live.events) == 1


def test_a_sink_without_space_is_kept_and_told_once() -> None:
    class Full(Recorder):
        is_full = True

        def flush(self, state: State) -> None:
            if self.is_full:
                raise OSError(28, "No space left on device")
            self.flushed = True

    warnings: list[str] = []
    full = Full()
    guard = SinkGuard([full], warnings.append)
    for _ in range(3):
        guard.handle(EVENT, State())
        guard.flush(State())
    assert len(warnings) == 1
    assert "is waiting for disk space" in warnings[0]
    full.is_full = False
    guard.flush(State())
    assert full.flushed
