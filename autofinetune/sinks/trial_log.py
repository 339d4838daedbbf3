"""What the sinks for other tools have in common: each trial is a run there."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import NamedTuple

from autofinetune.config.config import Config
from autofinetune.core.events import AttemptLost, AttemptSubmitted, Event, Reported, TrialEnded
from autofinetune.core.state import State, Trial
from autofinetune.space import Value, as_text
from autofinetune.space.base import is_number
from autofinetune.store.paths import RunPaths

from .base import Sink

SCORE = "score"
CURVE = "curve"
"""The names of the final score and of the intermediate scores in every tool."""


class Point(NamedTuple):
    """An intermediate score and when it was observed, in seconds since 1970."""

    step: int
    score: float
    at: float


class TrialLog(Sink):
    """Turns events into the lives of trials; subclasses write them.

    A trial may begin several times: when a lost attempt is repeated, and when an earlier session
    is replayed.
    """

    def __init__(self, config: Config, paths: RunPaths) -> None:
        self.config = config
        self.paths = paths
        self._curves: dict[int, list[Point]] = {}  # of the current attempts

    @classmethod
    def next_step(cls, log: str, directory: str) -> str:
        return f"To see it in {cls.__name__}: autofinetune dashboard {directory} --of {log}"

    def handle(self, event: Event, state: State) -> None:
        if isinstance(event, AttemptSubmitted):
            if event.trial not in self._curves:  # a resumed tuner submits running ones again
                self._curves[event.trial] = []
                self.begin(state.trials[event.trial], event.at, state.run)
        elif isinstance(event, Reported):
            point = Point(event.step, event.score, event.at)
            self._curves[event.trial].append(point)
            self.add(event.trial, point)
        elif isinstance(event, AttemptLost):
            if self._curves.pop(event.trial, None) is not None:
                self.drop(event.trial)
        elif isinstance(event, TrialEnded):
            curve = self._curves.pop(event.trial, [])
            self.end(state.trials[event.trial], curve, event.at, state.run)

    def begin(self, trial: Trial, at: float, run: str) -> None:
        """Begin to show an attempt, which has no points yet."""

    def add(self, trial: int, point: Point) -> None:
        """Show a point of a running attempt."""

    def drop(self, trial: int) -> None:
        """Remove what was shown of an attempt that does not count."""

    @abstractmethod
    def end(self, trial: Trial, curve: list[Point], at: float, run: str) -> None:
        """Show the result of a trial with all points; `run` is the name of the tuner's run."""


def run_name(trial: Trial) -> str:
    """Return the name of a trial in other tools; sorted, the names are in order of creation."""
    return f"trial-{trial.id:05d}"


def plain(params: Mapping[str, Value]) -> dict[str, float | int | str | bool]:
    """Return the hyperparameters with lists and null as text, which every tool can store."""
    return {
        name: value if is_number(value) or isinstance(value, str | bool) else as_text(value)
        for name, value in params.items()
    }


def facts(trial: Trial) -> dict[str, str | int | float]:
    """Return what else is known about an ended trial, by name; the slot as in trials.csv."""
    parent = {} if trial.parent is None else {"parent": trial.parent}
    return {
        "trial": trial.id,
        "round": trial.round,
        "member": trial.member,
        "state": trial.status.value,
        "reason": trial.reason,
        "seconds": round(trial.seconds, 3),
        "slot": str(trial.where),
        "attempt": trial.attempt,
        **parent,
    }
