"""Finds the metric of a run (`--metric`) among the values that libraries log.

Only the first source that logs the metric is used, as a library on top of another logs the same
value again. The names of other metrics are saved beside the reports, for the message about a
metric that was never logged.
"""

from __future__ import annotations

import os

from autofinetune.trial.hooks import complain
from autofinetune.trial.report import REPORT_FILE_VARIABLE, as_score, report_logged, should_stop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

METRIC_VARIABLE = "AUTOFINETUNE_METRIC"
SEEN = "metrics-seen"
_MOST_NAMES = 200
_MOST_CHARACTERS = 200
_owner = ""
_steps = 0
_names: set[str] = set()


def wanted() -> str:
    """Return the name of the metric; empty outside a trial or without `--metric`."""
    return os.environ.get(METRIC_VARIABLE, "") if os.environ.get(REPORT_FILE_VARIABLE) else ""


def claim(source: str) -> None:
    """Make `source` the one that reports the metric, whatever others log."""
    global _owner
    _owner = source


def value(source: str, number: Any) -> float | None:
    """Report a value of the metric and return it, or None if another source already reports."""
    global _steps
    if _owner not in ("", source):
        return None
    try:
        score = as_score("metric", number)
    except TypeError as error:
        complain(f"cannot report {wanted() or source}: {error}")
        return None
    claim(source)
    report_logged(score, _steps)
    _steps += 1
    return score


def values(source: str, logged: Iterable[tuple[str, Any]], *also: str) -> bool:
    """Report the metric if it is among the names and values `logged`; return whether it was.

    Save the names of the others. `also` are other names under which `source` logs the metric.
    """
    if not os.environ.get(REPORT_FILE_VARIABLE):
        return False
    metric = wanted()
    is_found = False
    for name, number in logged:
        if metric and (name == metric or name in also):
            value(source, number)
            is_found = True
        else:
            note(name)
    return is_found


def note(name: object) -> None:
    """Save the name of a metric other than that of the run."""
    if _owner or name in _names or len(_names) >= _MOST_NAMES or not isinstance(name, str):
        return
    _names.add(name)
    text = name[:_MOST_CHARACTERS]
    path = os.path.join(os.path.dirname(os.environ[REPORT_FILE_VARIABLE]), SEEN)
    if not text.isprintable() or os.path.dirname(path) == "/dev":
        return
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError:
        return
    try:
        os.write(descriptor, text.encode("utf-8", "replace") + b"\n")
    finally:
        os.close(descriptor)


def is_to_stop(source: str) -> bool:
    """Whether the trial is asked to stop and `source` is the one that stops it."""
    return _owner in ("", source) and should_stop()


def values_or_leave(source: str, logged: Iterable[tuple[str, Any]], *also: str) -> None:
    """Report as `values` does, then `leave`."""
    try:
        values(source, logged, *also)
    finally:
        leave(source)


class Stopped(SystemExit):
    """The trial was asked to stop, so its script ends here."""


def leave(source: str) -> None:
    """Raise Stopped if the trial is asked to stop; for libraries without a training loop."""
    if _owner == source and should_stop():
        complain("asked to stop, so the script ends here")
        raise Stopped(0)
