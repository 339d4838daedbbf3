"""What has become of a run as a whole, told from its events."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class RunState(str, Enum):
    """Where a run is in its life; every one but DONE can be resumed."""

    PENDING = "PENDING"  # no trial was started yet
    RUNNING = "RUNNING"
    TIMEOUT = "TIMEOUT"  # its time is over, and some trials were not run
    DONE = "DONE"  # all trials are over, however they ended, or the space is used up
    ERROR = "ERROR"
    STOPPED = "STOPPED"  # by the user


DONE, EXHAUSTED, TARGET = "done", "exhausted", "target"
TIMEOUT = "timeout"
INTERRUPTED = "interrupted"  # by the user; also of an attempt, which may end with its tuner
BROKEN = "broken"  # it failed too often
NO_SLOT = "no_slot"  # every slot is quarantined
ERROR = "error"  # followed by a colon and a sentence

REASONS: Mapping[str, tuple[RunState, str]] = {
    DONE: (RunState.DONE, "all trials are over"),
    EXHAUSTED: (RunState.DONE, "every configuration of the search space was tried"),
    TARGET: (RunState.DONE, "a score is as good as --target_score"),
    TIMEOUT: (RunState.TIMEOUT, "the time of --max_seconds is over"),
    INTERRUPTED: (RunState.STOPPED, "stopped by the user"),
    BROKEN: (RunState.ERROR, "too many trials failed at once"),
    NO_SLOT: (RunState.ERROR, "no slot is left that can be used"),
}


def run_state(end_reason: str | None, *, has_begun: bool) -> tuple[RunState, str]:
    """The state of a run and a reason for people.

    Args:
        end_reason: of the event RunEnded, None without one in this life of the run.
        has_begun: whether an attempt was planned.
    """
    if end_reason is None:
        if has_begun:
            return RunState.RUNNING, ""
        return RunState.PENDING, "no trial has been started yet"
    known = REASONS.get(end_reason)
    return known or (RunState.ERROR, end_reason.removeprefix(f"{ERROR}:").strip())
