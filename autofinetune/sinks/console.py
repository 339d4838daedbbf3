"""Print the progress of a run: a line per finished trial, and a live line on a terminal."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from autofinetune import terminal
from autofinetune.config.config import MOST_TRIALS, Config
from autofinetune.config.scoring import NO_METRIC
from autofinetune.core.events import (
    AttemptLost,
    Event,
    RunEnded,
    RunResumed,
    SlotQuarantined,
    TrialEnded,
)
from autofinetune.core.run_state import EXHAUSTED
from autofinetune.core.state import State, Trial
from autofinetune.core.status import Status
from autofinetune.space import as_text
from autofinetune.store.paths import RunPaths
from autofinetune.visible import visible, visible_lines

from .base import Sink

_TAIL_BYTES = 16 * 1024
_TAIL_LINES = 12
_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_HINTS = {
    "no_result": "the script exited with code 0 but reported no score; does it call "
    "autofinetune.report_final_result(score)?",
    "nan": "the reported score is not a finite number",
}


class Console(Sink):
    """Prints plain lines; events of earlier sessions of the run are not printed again.

    `slots` is the number of trials that run at once, to estimate the time left.
    """

    is_view = False

    def __init__(self, config: Config, paths: RunPaths, stream: TextIO, slots: int) -> None:
        self._config = config
        self._paths = paths
        self._stream = stream
        self._slots = slots
        self._is_live = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._live = ""

    def handle(self, event: Event, state: State) -> None:
        if isinstance(event, TrialEnded):
            self._ended(state.trials[event.trial], state)
        elif isinstance(event, AttemptLost):
            self._say(f"{_name(state.trials[event.trial])}  {event.reason}; it will be run again")
        elif isinstance(event, RunResumed):
            done = f"{state.ended} of {self._config.planned} trials finished"
            running = f"{len(state.running)} were running"
            self._say(f"resumed: {done}" + (f", {running}" if state.running else ""))
        elif isinstance(event, SlotQuarantined):
            self._say(f"WARNING: slot {event.slot} gets no more trials: {event.reason}")
        elif isinstance(event, RunEnded) and event.reason == EXHAUSTED:
            self._say("every configuration of the search space was tried; nothing is left to do")

    def flush(self, state: State) -> None:
        if self._is_live:
            self._draw(f"{self._progress(state)}, {state.counts[Status.RUNNING]} running")

    def close(self) -> None:
        if self._is_live:
            self._draw("")

    def _ended(self, trial: Trial, state: State) -> None:
        result = trial.reason if trial.score is None else f"score {trial.score:.6g}"
        line = f"{_name(trial)}  {trial.status.value}  {result}  {trial.seconds:.1f} s"
        if trial.score is not None and trial.reason:
            line += f"  ({trial.reason})"
        self._say(f"{line}  [{self._progress(state)}]")
        if trial.status is Status.FAILED:
            self._crashed(trial)

    def _crashed(self, trial: Trial) -> None:
        values = ", ".join(f"{k}={visible(as_text(v))}" for k, v in trial.params.items())
        self._say(f"WARNING: Program which was ran with hyperparameters as {values} was crashed!")
        self._say(f"         reason: {trial.reason}")
        for hint in self._hints(trial):
            self._say(f"         {hint}")
        log = self._paths.trial_log(trial.round, trial.member)
        for line in end_of_log(self._paths, trial):
            self._say(f"         | {line}")
        self._say(f"         full log: {log}")

    def _hints(self, trial: Trial) -> Iterator[str]:
        scoring = self._config.scoring
        if trial.reason in _HINTS:
            yield _HINTS[trial.reason]
        if trial.reason not in ("no_result", NO_METRIC):
            return
        if scoring.metric_pattern:
            yield f"nothing it printed matches --metric_pattern={scoring.metric_pattern}"
        logged = _end_of(self._paths, self._paths.metrics_seen(trial.id, trial.attempt))
        seen = ", ".join(dict.fromkeys(logged))
        if scoring.metric:
            yield f"metric {scoring.metric} was never logged"
        if seen:
            yield f"metrics it logged: {seen}; use --metric=NAME to take one as the score"
        elif scoring.metric:
            yield "no supported library logged a metric"

    def _progress(self, state: State) -> str:
        total = self._config.planned
        best = "none" if state.best is None else f"{state.best.score:.6g}"
        if total == MOST_TRIALS:  # the run is unlimited
            return f"{state.ended} done, best {best}"
        text = f"{state.ended}/{total} done, best {best}"
        left = total - state.ended
        if left and state.ended:
            seconds = state.busy_seconds / state.ended * left / min(self._slots, left)
            text += f", about {_duration(seconds)} left"
        return text

    def _say(self, line: str) -> None:
        live = self._live
        self._draw("")
        terminal.write(self._stream, visible_lines(line) + "\n")
        self._draw(live)

    def _draw(self, live: str) -> None:
        if not self._is_live:
            return
        live = live[: terminal.columns(self._stream) - 1]
        if live != self._live:
            self._live = live
            terminal.write(self._stream, f"\r\x1b[K{live}")


def end_of_log(paths: RunPaths, trial: Trial) -> list[str]:
    """Return the last lines of a trial's log; empty if its path contains a link."""
    return _end_of(paths, paths.trial_log(trial.round, trial.member))[-_TAIL_LINES:]


def _end_of(paths: RunPaths, path: Path) -> list[str]:
    """Return the end of a file as safe lines, without control codes and old progress bars."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW
    try:
        with (
            paths.place_of(path.parent).opened() as here,
            os.fdopen(os.open(here / path.name, flags), "rb") as file,
        ):
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return []  # the script put something else there; reading it may never end
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
            text = file.read(_TAIL_BYTES).decode("utf-8", errors="replace")
    except OSError:
        return []
    lines = (line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    clean = (_CONTROL.sub("", line).rstrip()[:500] for line in lines)
    return [line for line in clean if line]


def _name(trial: Trial) -> str:
    return f"round {trial.round}  trial {trial.id} (member {trial.member})"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
