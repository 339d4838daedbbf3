"""Run the commands of `--on_best` and `--on_end`, in the background."""

from __future__ import annotations

import json
import shlex
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from autofinetune.config.config import Config
from autofinetune.core.events import Event, RunEnded, RunResumed, TrialEnded
from autofinetune.core.run_state import run_state
from autofinetune.core.state import State, Trial
from autofinetune.executors.local.hook import run_hook
from autofinetune.store.paths import RunPaths
from autofinetune.visible import visible

from .base import Sink

TIMEOUT_S = 60.0


class Notify(Sink):
    """Runs one command after the other on a thread; `warn` gets one message for each that fails.

    Commands are run for new events only, not again when a run is resumed.
    """

    is_view = False

    def __init__(self, config: Config, paths: RunPaths, warn: Callable[[str], None]) -> None:
        self._config = config
        self._paths = paths
        self._warn = warn
        self._best: Trial | None = None
        self._due: deque[tuple[str, str, bytes]] = deque()  # option, command, data
        self._thread: threading.Thread | None = None

    @property
    def is_behind(self) -> bool:  # type: ignore[override]
        return bool(self._due) or self._is_at_work()

    def handle(self, event: Event, state: State) -> None:
        if isinstance(event, RunResumed):
            self._best = state.best
        elif isinstance(event, TrialEnded) and _number(state.best) != _number(self._best):
            before, self._best = self._best, state.best
            more = {"best": self._described(state.best), "previous_best": self._described(before)}
            self._add("on_best", self._config.on_best, state, more)
        elif isinstance(event, RunEnded):
            self._add("on_end", self._config.on_end, state, {"best": self._described(state.best)})

    def flush(self, state: State) -> None:
        if self._due and not self._is_at_work():
            thread = threading.Thread(target=self._work, name="notify")
            try:
                thread.start()
            except RuntimeError:  # the machine has no room for a thread; try at the next flush
                return
            self._thread = thread

    def wait(self, seconds: float) -> bool:
        if self._thread is not None:
            self._thread.join(seconds)
        return self.is_behind

    def close(self) -> None:
        """Run what is due; each command has a time limit."""
        if self._thread is not None:
            self._thread.join()
        self._work()

    def _is_at_work(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _add(self, option: str, command: str, state: State, more: dict[str, Any]) -> None:
        if not command:
            return
        found, reason = run_state(state.end_reason, has_begun=bool(state.trials))
        told = {
            "event": option.removeprefix("on_"),
            "run": state.run,
            "name": self._config.name,
            "output_dir": str(self._paths.root),
            "state": found.value,
            "reason": reason,
            **more,
        }
        self._due.append((option, command, json.dumps(told).encode()))

    def _described(self, trial: Trial | None) -> dict[str, Any] | None:
        if trial is None:
            return None
        model = str(self._paths.model(trial.round, trial.member)) if trial.has_model else None
        params = dict(trial.params)
        return {"trial": trial.id, "score": trial.score, "params": params, "model": model}

    def _work(self) -> None:
        while self._due:
            option, command, data = self._due.popleft()
            where = self._config.working_dir
            words = shlex.split(command)
            problem = run_hook(words, data, working_dir=where, timeout_s=TIMEOUT_S)
            if problem:
                self._warn(f"the command of --{option} {visible(problem)}")


def _number(trial: Trial | None) -> int | None:
    return None if trial is None else trial.id
