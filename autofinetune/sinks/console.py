"""Print the progress of a run: a line per finished trial."""

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
    OptionsChanged,
    RunContinued,
    RunEnded,
    RunPaused,
    RunResumed,
    SlotQuarantined,
    TrialEnded,
)
from autofinetune.core.run_state import EXHAUSTED
from autofinetune.core.spent import Spent
from autofinetune.core.state import State, Trial
from autofinetune.core.status import Status
from autofinetune.space import as_text
from autofinetune.store.paths import RunPaths
from autofinetune.visible import visible, visible_lines

from .base import Sink
from .failure import crash_in
from .live.figures import duration

_TAIL_BYTES = 16 * 1024
_TAIL_LINES = 12
_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_BOLD, _RED = "1", "1;31"
_HINTS = {
    "no_result": "the script exited with code 0 but reported no score; does it call "
    "autofinetune.report_final_result(score)?",
    "nan": "the reported score is not a finite number",
}


class Console(Sink):
    """Prints plain lines; events of earlier sessions of the run are not printed again.

    `slots` is the number of trials that run at once, to estimate the time left. With `is_brief`
    only failures and warnings are printed.
    """

    is_view = False

    def __init__(
        self,
        config: Config,
        paths: RunPaths,
        stream: TextIO,
        slots: int,
        *,
        is_coloured: bool = False,
        is_brief: bool = False,
    ) -> None:
        self._config = config
        self._paths = paths
        self._stream = stream
        self._slots = slots
        self._is_coloured = is_coloured
        self._is_brief = is_brief

    def handle(self, event: Event, state: State) -> None:
        if isinstance(event, TrialEnded):
            self.say_ended(state.trials[event.trial], self._progress(state))
        elif isinstance(event, AttemptLost):
            self._say(f"{_name(state.trials[event.trial])}  {event.reason}; it will be run again")
        elif isinstance(event, RunResumed):
            done = f"{state.ended} of {self._config.planned} trials finished"
            running = f"{len(state.running)} were running"
            self._say(f"resumed: {done}" + (f", {running}" if state.running else ""))
        elif isinstance(event, OptionsChanged):
            values = ", ".join(f"{k}={visible(as_text(v))}" for k, v in event.options.items())
            self._say(f"changed: {values}")
        elif isinstance(event, RunPaused):
            running = f"; {len(state.running)} running" if state.running else ""
            self._say(f"paused: no further trials start{running}")
        elif isinstance(event, RunContinued):
            self._say("continued: trials start again")
        elif isinstance(event, SlotQuarantined):
            self._say(f"WARNING: slot {event.slot} gets no more trials: {event.reason}")
        elif isinstance(event, RunEnded) and event.reason == EXHAUSTED:
            self._say("every configuration of the search space was tried; nothing is left to do")

    def change(self, config: Config, slots: int) -> None:
        self._config, self._slots = config, slots

    def say_ended(self, trial: Trial, progress: str) -> None:
        """Print how a trial ended, with how far the run has come."""
        if self._is_brief and trial.status is not Status.FAILED:
            return
        result = trial.reason if trial.score is None else f"score {trial.score:.6g}"
        line = f"{_name(trial)}  {trial.status.value}  {result}  {trial.seconds:.1f} s"
        if trial.score is not None and trial.reason:
            line += f"  ({trial.reason})"
        self._say(f"{line}  [{progress}]")
        if trial.status is Status.FAILED:
            self._crashed(trial)

    def _crashed(self, trial: Trial) -> None:
        values = ", ".join(f"{k}={visible(as_text(v))}" for k, v in trial.params.items())
        self._say(f"WARNING: Program which was ran with hyperparameters as {values} was crashed!")
        self._say(f"         reason: {trial.reason}")
        for hint in self._hints(trial):
            self._say(f"         {hint}")
        log = self._paths.trial_log(trial.round, trial.member)
        lines = _end_of(self._paths, log)
        crash = crash_in(lines)
        if crash is not None:
            where = f" at {crash.place}" if crash.place else ""
            self._say(f"         exception{where}: {crash.exception}", _RED)
        for number in range(max(0, len(lines) - _TAIL_LINES), len(lines)):
            is_error = crash is not None and number == crash.line
            is_frame = crash is not None and number == crash.frame
            style = _RED if is_error else _BOLD if is_frame else ""
            self._say(f"         | {lines[number]}", style)
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
        best = None if state.best is None else state.best.score
        total = self._config.planned
        if total == MOST_TRIALS:
            return progress(state.ended, None, best, None, state.spent)
        left = total - state.ended
        left_s = state.busy_seconds / max(1, state.ended) * left / max(1, min(self._slots, left))
        return progress(state.ended, total, best, left_s, state.spent)

    def _say(self, line: str, style: str = "") -> None:
        text = visible_lines(line)
        if style and self._is_coloured:
            text = f"\x1b[{style}m{text}\x1b[0m"
        terminal.write(self._stream, f"{text}\n")


def progress(
    ended: int,
    total: int | None,
    best: float | None,
    left_s: float | None,
    spent: Spent | None = None,
) -> str:
    """Return how far a run has come in words; `total` is None if it has no end."""
    saved = spent.in_words() if spent else ""
    text = f"{ended}{'' if total is None else f'/{total}'} done, "
    text += f"{saved}, " if saved else ""
    text += "best none" if best is None else f"best {best:.6g}"
    return f"{text}, about {duration(left_s)} left" if left_s and ended else text


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
