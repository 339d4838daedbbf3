"""Numbers, durations, sizes and hyperparameters in few characters."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autofinetune.space import as_text
from autofinetune.visible import visible

BARS = "▁▂▃▄▅▆▇█"
PLAIN_BARS = "_.-~=+*#"


@dataclass(frozen=True)
class Signs:
    """The characters of curves and bars; `is_plain` has ASCII only."""

    is_plain: bool = False

    @property
    def bars(self) -> str:
        return PLAIN_BARS if self.is_plain else BARS

    @property
    def cut(self) -> str:
        return "." if self.is_plain else "…"

    @property
    def done(self) -> str:
        return "#" if self.is_plain else "━"

    @property
    def left(self) -> str:
        return "-" if self.is_plain else "─"


def duration(seconds: float) -> str:
    """Return a duration such as `42 s`, `12 min` or `3 h 05 min`."""
    if seconds < 90:
        return f"{max(0.0, seconds):.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def clock(at: float, now: float) -> str:
    """Return a time of today as `14:32`, of another day with its date."""
    there, here = time.localtime(at), time.localtime(now)
    is_today = there[:3] == here[:3]
    return time.strftime("%H:%M" if is_today else "%Y-%m-%d %H:%M", there)


def size(count: int) -> str:
    """Return a number of bytes such as `87M` or `1.4G`."""
    gib, mib = count / 2**30, count / 2**20
    if mib < 999.5:
        return f"{mib:.0f}M"
    return f"{gib:.1f}G" if gib < 99.95 else f"{gib:.0f}G"


def brief(value: Any) -> str:
    """Return a hyperparameter as text on one line, floats with four digits."""
    return f"{value:.4g}" if isinstance(value, float) else visible(as_text(value))


def pairs(params: Mapping[str, Any]) -> list[str]:
    """Return hyperparameters as `name=value`."""
    return [f"{visible(name)}={brief(value)}" for name, value in params.items()]


def sparkline(values: Sequence[float], width: int, bars: str = BARS) -> str:
    """Draw a curve in at most `width` characters; a longer one is thinned out evenly."""
    if not values or width < 1:
        return ""
    if len(values) > width:
        step = (len(values) - 1) / max(1, width - 1)
        values = [values[round(i * step)] for i in range(width)] if width > 1 else [values[-1]]
    low, high = min(values), max(values)
    span = high / 2 - low / 2  # halves, because the difference of large numbers is infinite
    if not span:
        return bars[len(bars) // 2 - 1] * len(values)
    top = len(bars) - 1
    return "".join(bars[round((value / 2 - low / 2) / span * top)] for value in values)


def best_so_far(changes: Sequence[tuple[int, float]], ended: int, most: int) -> list[float]:
    """Return the best score at evenly spaced numbers of finished trials, at most `most` of them.

    `changes` are pairs of a number of finished trials and the best score from then on.
    """
    if not changes:
        return []
    first, curve, place = changes[0][0], [], 0
    count = min(most, ended - first + 1)
    for i in range(count):
        at = ended if i == count - 1 else first + (ended - first) * i // max(1, count - 1)
        while place + 1 < len(changes) and changes[place + 1][0] <= at:
            place += 1
        curve.append(changes[place][1])
    return curve
