"""The next actions of a run, as a pure function: equal arguments give equal actions.

Nothing here waits for the end of a round. A strategy that needs the results of a round first
returns nothing from `ask`, which the caller passes on as `can_ask=False`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from autofinetune.core.run_state import DONE, EXHAUSTED
from autofinetune.core.slot import Slot
from autofinetune.core.state import State


@dataclass(frozen=True)
class Ask:
    """Ask the strategy for at most `count` candidates."""

    count: int


@dataclass(frozen=True)
class Launch:
    """Start the next attempt of a queued trial on a free slot."""

    trial: int
    slot: Slot


@dataclass(frozen=True)
class Finish:
    """Nothing is left to do."""

    reason: str


Action: TypeAlias = Ask | Launch | Finish


def plan(
    state: State,
    free_slots: Sequence[Slot],
    *,
    max_trials: int,
    can_ask: bool,
    exhausted: bool,
    stopping: str | None,
) -> list[Action]:
    """Return the actions that are due now; an empty list means to wait for an event.

    `free_slots` are usable and without a trial, in the order in which to use them. `can_ask` says
    whether the strategy can give candidates without further results, `exhausted` whether it
    reported that the space is used up; `stopping` is the reason for starting no further trials.
    """
    if stopping:
        return [] if state.running else [Finish(stopping)]
    queue = sorted(state.queued)
    actions: list[Action] = list(_launches(state, queue, list(free_slots)))
    idle = len(free_slots) - len(actions)
    left = max_trials - len(state.trials)
    if idle > 0 and left > 0 and can_ask and not exhausted and len(actions) == len(queue):
        actions.append(Ask(min(idle, left)))
    if not actions and not queue and not state.running and (left <= 0 or exhausted):
        actions.append(Finish(DONE if left <= 0 else EXHAUSTED))
    return actions


def _launches(state: State, queue: Sequence[int], free: list[Slot]) -> Iterator[Launch]:
    """Yield a launch of each trial on the first free slot, avoiding the device where it failed."""
    for trial in queue:
        avoided = state.trials[trial].avoid
        usable = [slot for slot in free if not slot.shares_device(avoided)]
        if not usable and not state.running:
            usable = list(free)  # no other slot will become free
        if usable:
            free.remove(usable[0])
            yield Launch(trial, usable[0])
