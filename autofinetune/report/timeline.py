"""Who ran where and when: the attempts of a run as bars, slot by slot."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .history import Attempted, History

_MOST_BARS = 1500  # of all slots together; shorter bars side by side are drawn as one
_LEAST_OF_A_SLOT = 40


def timeline_of(history: History) -> dict[str, Any]:
    """Return slots with their bars as plain data; times are in seconds since the run began.

    `busy` is the share of the time in which a tuner was running that a slot was in use.
    """
    begin, now = history.created_at, history.read_at
    by_slot: dict[str, list[Attempted]] = {}
    for one in history.attempts:
        by_slot.setdefault(str(one.slot), []).append(one)
    slots = sorted(by_slot, key=_natural)
    end = max([now, *(one.end for one in history.attempts if not math.isnan(one.end))])
    span = max(end - begin, 1e-9)
    idle = [[since - begin, until - begin] for since, until in history.idle]
    working = max(span - sum(until - since for since, until in idle), 1e-9)
    resolution = span / max(_MOST_BARS // max(len(slots), 1), _LEAST_OF_A_SLOT)
    bars, busy = [], []
    for place, slot in enumerate(slots):
        ran = sorted(by_slot[slot], key=lambda one: one.start)
        found = _merged([_bar(one, begin, now) for one in ran], resolution)
        bars += [{"slot": place, **one} for one in found]
        busy.append(min(sum(one["busy"] for one in found) / working, 1.0))
    marks = [
        {"slot": slots.index(str(event.slot)), "at": event.at - begin, "reason": event.reason}
        for event in history.quarantined
        if str(event.slot) in by_slot
    ]
    return {"slots": slots, "busy": busy, "bars": bars, "idle": idle, "marks": marks, "span": span}


def _bar(one: Attempted, begin: float, now: float) -> dict[str, Any]:
    end = max(now if math.isnan(one.end) else one.end, one.start)
    return {
        "start": one.start - begin,
        "end": end - begin,
        "busy": end - one.start,
        "outcome": one.outcome,
        "reason": one.reason,
        "trial": one.trial,
        "attempt": one.attempt,
        "count": 1,
    }


def _merged(bars: Sequence[dict[str, Any]], resolution: float) -> list[dict[str, Any]]:
    """Join successive bars of the same outcome that are too short to be seen separately."""
    found: list[dict[str, Any]] = []
    for bar in bars:
        last = found[-1] if found else None
        if (
            last is not None
            and last["outcome"] == bar["outcome"]
            and bar["end"] - last["start"] < resolution
        ):
            last.update(end=max(last["end"], bar["end"]), busy=last["busy"] + bar["busy"])
            last["count"] += 1
        else:
            found.append(bar)
    return found


def _natural(slot: str) -> tuple[int, float, str]:
    """Return a sort key that orders numbered slots by number."""
    try:
        return len(slot.split("@")[0].split("+")), float(slot.split("@")[0].split("+")[0]), slot
    except ValueError:
        return 1, math.inf, slot
