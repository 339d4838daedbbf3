"""Failed trials and lost attempts by reason, with the last line of their logs."""

from __future__ import annotations

from collections import Counter
from typing import Any

from autofinetune.core.state import State, Trial
from autofinetune.core.status import Status
from autofinetune.sinks.console import end_of_log
from autofinetune.store.paths import RunPaths
from autofinetune.visible import visible

_MOST_READ = 200  # logs of one run
_MOST_SHOWN = 50  # groups
_TRIALS = 20  # of a group, by number


def failures_of(state: State, paths: RunPaths) -> list[dict[str, Any]]:
    """Return groups of failed trials with the same reason and last line, largest first."""
    failed = [trial for trial in state.trials.values() if trial.status is Status.FAILED]
    groups: dict[tuple[str, str], list[int]] = {}
    for number, trial in enumerate(reversed(failed)):
        line = _last_line(paths, trial) if number < _MOST_READ else ""
        groups.setdefault((trial.reason, line), []).append(trial.id)
    ordered = sorted(groups.items(), key=lambda group: -len(group[1]))[:_MOST_SHOWN]
    return [
        {"reason": visible(reason), "line": line, "count": len(ids), "trials": ids[:_TRIALS]}
        for (reason, line), ids in ordered
    ]


def lost_of(state: State) -> list[list[Any]]:
    """Return the reasons of attempts that did not count and were retried, with their numbers."""
    lost = Counter(reason for trial in state.trials.values() for reason in trial.lost)
    return [[visible(reason), count] for reason, count in lost.most_common(_MOST_SHOWN)]


def _last_line(paths: RunPaths, trial: Trial) -> str:
    lines = end_of_log(paths, trial)
    return visible(lines[-1]) if lines else ""
