"""The state of a run as a whole, and the reasons why it ended."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class RunState(str, Enum):
    """The state of a run; it can be resumed in every state but DONE."""

    PENDING = "PENDING"  # no trial has started yet
    RUNNING = "RUNNING"
    TIMEOUT = "TIMEOUT"  # the time limit was reached before all trials were run
    DONE = "DONE"  # all trials ended, however they ended, or the space is used up
    ERROR = "ERROR"
    STOPPED = "STOPPED"  # by the user


DONE, EXHAUSTED, TARGET = "done", "exhausted", "target"
TIMEOUT = "timeout"
INTERRUPTED = "interrupted"  # by the user; also the reason of an attempt that ended with its tuner
BROKEN = "broken"  # too many failures
NO_SLOT = "no_slot"  # every slot is quarantined
ERROR = "error"  # followed by a colon and a sentence

REASONS: Mapping[str, tuple[RunState, str]] = {
    DONE: (RunState.DONE, "all trials ended"),
    EXHAUSTED: (RunState.DONE, "every configuration of the search space was tried"),
    TARGET: (RunState.DONE, "a score reached --target_score"),
    TIMEOUT: (RunState.TIMEOUT, "the time limit of --max_seconds was reached"),
    INTERRUPTED: (RunState.STOPPED, "stopped by the user"),
    BROKEN: (RunState.ERROR, "too many trials in a row failed soon after starting"),
    NO_SLOT: (RunState.ERROR, "no usable slot is left"),
}
PAUSED = "paused by the user; to continue: autofinetune resume"  # the reason of a running one
# Why a run without an end in its journal has no tuner any more.
GONE = "its tuner is gone: it was killed, or the machine went down"


def run_state(end_reason: str | None, *, has_begun: bool) -> tuple[RunState, str]:
    """Return the state of a run and a readable reason.

    `end_reason` is that of RunEnded, None unless the run has ended since it was created or last
    resumed; `has_begun` is whether an attempt was planned.
    """
    if end_reason is None:
        if has_begun:
            return RunState.RUNNING, ""
        return RunState.PENDING, "no trial has been started yet"
    known = REASONS.get(end_reason)
    return known or (RunState.ERROR, end_reason.removeprefix(f"{ERROR}:").strip())


def run_state_now(
    end_reason: str | None,
    *,
    has_begun: bool,
    is_tuner_alive: bool,
    is_paused: bool = False,
    host: str = "",
) -> tuple[RunState, str]:
    """Return the state of a run and a readable reason, given whether its tuner is alive.

    `host` is another machine on which a tuner may be running, or an empty string.
    """
    state, reason = run_state(end_reason, has_begun=has_begun)
    if end_reason is None and is_tuner_alive and is_paused:
        return state, PAUSED
    if end_reason is not None or is_tuner_alive:
        return state, reason
    if host:
        return state, f"as of its last event; it is unknown whether its tuner on {host} is running"
    return RunState.ERROR, GONE
