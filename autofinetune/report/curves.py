"""Learning curves and best-so-far curves as plain data, thinned out to what a plot can show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autofinetune.core.state import State
from autofinetune.core.status import Status

from .history import History

_MOST_POINTS = 24_000  # of all curves together
_LEAST = 3  # points of one curve


def curves_of(history: History) -> dict[str, Any]:
    """Return the curves of all trials end to end; curve i begins at `starts[i]`."""
    whole = sum(len(curve.positions) for curve in history.curves.values())
    most = max(_MOST_POINTS // max(len(history.curves), 1), _LEAST)
    trials: list[int] = []
    starts: list[int] = []
    steps: list[int] = []
    scores: list[float] = []
    for trial, curve in history.curves.items():
        trials.append(trial)
        starts.append(len(steps))
        for index in _thinned(len(curve.positions), most):
            steps.append(curve.positions[index])
            scores.append(curve.merits[index])
    return {"trials": trials, "starts": starts, "steps": steps, "scores": scores, "reports": whole}


def _thinned(count: int, most: int) -> Sequence[int]:
    """Return at most `most` indices below `count`, evenly spread, with the first and the last."""
    if count <= most:
        return range(count)
    return [index * (count - 1) // (most - 1) for index in range(most)]


def progress_of(history: History) -> dict[str, list[float]]:
    """Return the best score so far, where it improved and at the end.

    With repeats, it is the best mean of a configuration of which all trials ended. The columns are
    how many trials had ended, how many seconds a tuner had been running, and how many steps had
    been reported by then.
    """
    state = history.state
    repeats = history.config.repeats
    columns: dict[str, list[float]] = {"trials": [], "seconds": [], "steps": [], "best": []}
    over: dict[int, list[int]] = {}
    best: float | None = None

    def note(count: int, seconds: float, steps: int) -> None:
        assert best is not None
        for name, value in zip(columns, (count, seconds, steps, best), strict=True):
            columns[name].append(value)

    for count, ending in enumerate(history.endings, 1):
        group = over.setdefault(ending.trial // repeats, [])
        group.append(ending.trial)
        score = _mean(state, group) if len(group) == repeats else None
        merit = state.direction.merit
        if score is not None and (best is None or merit(score) > merit(best)):
            best = score
            note(count, ending.seconds, ending.steps)
    if best is not None:
        last = history.endings[-1]
        note(len(history.endings), last.seconds, last.steps)
    return columns


def _mean(state: State, trials: Sequence[int]) -> float | None:
    """Return the mean score of those that completed, None if none did."""
    ended = [state.trials[trial] for trial in trials]
    scores = [t.score for t in ended if t.status is Status.COMPLETED and t.score is not None]
    return sum(scores) / len(scores) if scores else None
