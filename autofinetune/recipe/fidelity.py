"""On which shares of the data a trial is scored, so that an assessor can stop it early."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass

from autofinetune.assessors import assessor_class
from autofinetune.assessors.halving import geometric
from autofinetune.errors import Mistake, UsageError

USUAL = (0.01, 0.1, 1.0)
_PERCENT = 100
_LARGEST = 0.5  # a larger share costs nearly as much as all of the data


@dataclass(frozen=True)
class Ladder:
    """Shares of the data, rising to 1, and the step at which all of the data is reported."""

    shares: tuple[float, ...] = (1.0,)
    full: int = _PERCENT


def read_shares(text: str) -> tuple[float, ...]:
    """Read `0.01,0.1,1`; raise UsageError unless they rise to 1."""
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        found = ()
    is_rising = all(a < b for a, b in itertools.pairwise(found))
    if not found or not is_rising or found[0] <= 0.0 or found[-1] != 1.0:
        raise UsageError(
            Mistake("shares", "must be shares of the data that rise to 1", text),
            "write for instance: --shares=0.01,0.1,1",
        )
    return found


def ladder(shares: str | None, assessor: str, options: Mapping[str, str]) -> Ladder:
    """Return the given shares, or those at which the assessor judges; all data without one.

    All of the data is step `max_steps` of the assessor, so that its rungs are shares; without
    `max_steps`, steps are per cent.
    """
    if assessor == "none":
        return Ladder(read_shares(shares) if shares else (1.0,))
    known = assessor_class(assessor).OPTIONS
    values = {name: option.default for name, option in known.items()}
    for name, option in known.items():
        for alias in (name, *option.also):
            if alias in options:
                values[name] = option.read(options[alias])
    full = int(values.get("max_steps") or _PERCENT)
    if shares:
        return Ladder(read_shares(shares), full)
    rungs: list[int] = []
    if "eta" in values:
        rungs = _rungs(
            assessor, full, {k: float(v) for k, v in values.items() if k != "optimize_mode"}
        )
    found = tuple(rung / full for rung in rungs if rung / full <= _LARGEST)
    return Ladder((*found, 1.0) if rungs else USUAL, full)


def _rungs(assessor: str, full: int, values: Mapping[str, float]) -> list[int]:
    """Return the steps at which successive halving judges, as the assessors compute them."""
    eta = values["eta"]
    if assessor == "asha":
        first = values["min_steps"] or max(1.0, full // 12)
        return list(geometric(first, eta, full))
    ratio = max(1.0, full / values["min_steps"])
    most = int(values["s"]) or math.floor(math.log(ratio) / math.log(eta) + 1e-9)
    return list(geometric(full / eta**most, eta, full))
