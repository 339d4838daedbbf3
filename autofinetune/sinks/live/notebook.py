"""A compact table in a notebook that is updated in place, as HTML without scripts."""

from __future__ import annotations

import html
import importlib
import math
import sys
import time
from collections.abc import Callable
from typing import Any

from autofinetune.core.events import Event, RunEnded
from autofinetune.core.state import State
from autofinetune.core.status import Status
from autofinetune.sinks.base import Sink
from autofinetune.sinks.live import figures
from autofinetune.sinks.live.progress import Progress
from autofinetune.sinks.live.snapshot import Row, Snapshot
from autofinetune.visible import visible

_LEAST_S = 0.5  # between two updates
_MOST_ROWS = 16
_MOST_PARAMS = 6  # shown of a trial
_COLOURS = {Status.COMPLETED: "#2a9d4e", Status.STOPPED: "#a04fb5", Status.FAILED: "#d0453c"}


class Notebook(Sink):
    """Passes HTML to `update`: at most twice a second, and at the end."""

    def __init__(self, update: Callable[[str], None]) -> None:
        self._update = update
        self._progress = Progress()
        self._updated_at = -math.inf
        self.is_behind = False

    def handle(self, event: Event, state: State) -> None:
        self._progress.handle(event)
        if isinstance(event, RunEnded):
            self._updated_at = -math.inf

    def obstacles(self, sentences: tuple[str, ...]) -> None:
        self._progress.obstacles(sentences)
        self._show()

    def flush(self, state: State) -> None:
        self.is_behind = time.monotonic() - self._updated_at < _LEAST_S
        if not self.is_behind:
            self._show()

    def _show(self) -> None:
        self._updated_at = time.monotonic()
        self._update(as_html(self._progress.snapshot()))


def updater() -> Callable[[str], None] | None:
    """Return what shows HTML in the notebook that runs this process, None outside a notebook.

    IPython is never imported where it does not run already.
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if not hasattr(shell, "kernel"):
        return None
    display: Any = importlib.import_module("IPython.display")
    handles: list[Any] = []

    def update(text: str) -> None:
        if handles:
            handles[0].update(display.HTML(text))
        else:
            handles.append(display.display(display.HTML(text), display_id=True))

    return update


def as_html(snapshot: Snapshot) -> str:
    """Return the run as HTML; names and values of strangers are text in it."""
    parts = [_bar(snapshot), f"<div>{_counts(snapshot)}</div>", _best(snapshot)]
    parts += [f"<div>{_text(sentence)}</div>" for sentence in snapshot.waits]
    rows = sorted(snapshot.rows, key=lambda row: (row.is_waiting, row.since, row.trial))
    if rows:
        names = ("trial", "slot", "changed", "step", "last", "reports", "since")
        head = "".join(f"<th style='text-align:left'>{name}</th>" for name in names)
        body = "".join(_row(row, snapshot) for row in rows[:_MOST_ROWS])
        parts.append(f"<table style='margin:0'><tr>{head}</tr>{body}</table>")
    if len(rows) > _MOST_ROWS:
        parts.append(f"<div>and {len(rows) - _MOST_ROWS} more running trials</div>")
    return f"<div style='line-height:1.5'>{''.join(parts)}</div>"


def _row(row: Row, snapshot: Snapshot) -> str:
    changed = figures.pairs(snapshot.changed(row))
    more = f" +{len(changed) - _MOST_PARAMS}" if len(changed) > _MOST_PARAMS else ""
    cells = (
        str(row.trial),
        visible(str(row.slot.on(row.node))),
        ", ".join(changed[:_MOST_PARAMS]) + more,
        "" if row.step is None else str(row.step),
        "" if row.score is None else f"{row.score:.4g}",
        figures.sparkline(row.reports, 16),
        time.strftime("%H:%M:%S", time.localtime(row.since)),
    )
    texts = "".join(f"<td style='text-align:left'>{html.escape(cell)}</td>" for cell in cells)
    return f"<tr>{texts}</tr>"


def _bar(snapshot: Snapshot) -> str:
    if not snapshot.total:
        return ""
    parts = "".join(
        f"<div style='width:{100 * snapshot.counts.get(status.value, 0) / snapshot.total:.2f}%;"
        f"background:{colour}'></div>"
        for status, colour in _COLOURS.items()
    )
    frame = "display:flex;height:6px;max-width:40em;background:rgba(128,128,128,.3)"
    return f"<div style='{frame}'>{parts}</div>"


def _counts(snapshot: Snapshot) -> str:
    total = "" if snapshot.total is None else f"/{snapshot.total}"
    words = [f"<b>{snapshot.ended}{total} done</b>"]
    for status, word in ((Status.COMPLETED, "finished"), (Status.FAILED, "failed"),
                         (Status.STOPPED, "stopped"), (Status.RUNNING, "running")):  # fmt: skip
        if count := snapshot.counts.get(status.value):
            colour = _COLOURS.get(status, "inherit")
            words.append(f"<span style='color:{colour}'>{count} {word}</span>")
    if snapshot.left_s:
        words.append(f"about {figures.duration(snapshot.left_s)} left")
    return ", ".join(words)


def _best(snapshot: Snapshot) -> str:
    best = snapshot.best
    if best is None:
        return "<div>best: none yet</div>"
    curve = figures.best_so_far(snapshot.best_scores, snapshot.ended, 30)
    params = ", ".join(figures.pairs(best.params))
    return (
        f"<div><b>best {best.score:.6g}</b> by trial {best.trial} {figures.sparkline(curve, 30)}"
        f"<br>{html.escape(params)}</div>"
    )


def _text(sentence: str) -> str:
    return html.escape(visible(sentence))
