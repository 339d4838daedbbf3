"""On which shares of the data a trial is scored, so that an assessor can stop it early."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from autofinetune.assessors import NO_ASSESSOR, create_assessor
from autofinetune.assessors.halving import ASHA, geometric
from autofinetune.assessors.hyperband import Hyperband
from autofinetune.config.option import pairs
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


def ladder(shares: str | None, options: Mapping[str, Any]) -> Ladder:
    """Return the given shares, or those at which the assessor of a run judges; all data without.

    All of the data is step `max_steps` of the assessor, so that its rungs are shares; without
    `max_steps`, steps are per cent. Wrong options of the assessor are left for later checks.
    """
    given = read_shares(shares) if shares else None
    name = str(options.get("assessor") or NO_ASSESSOR).lower()
    if name == NO_ASSESSOR:
        return Ladder(given or (1.0,))
    try:
        settings = pairs(options.get("assessor_options") or {})
        assessor = create_assessor(name, str(options["direction"]), settings)
    except (KeyError, ValueError, UsageError):
        return Ladder()
    assert assessor is not None
    values = assessor.options
    full = int(values.get("max_steps") or _PERCENT)
    if given:
        return Ladder(given, full)
    if not isinstance(assessor, ASHA):
        return Ladder(USUAL, full)
    found = tuple(rung / full for rung in _rungs(assessor, full) if rung / full <= _LARGEST)
    return Ladder((*found, 1.0), full)


def _rungs(assessor: ASHA, full: int) -> list[int]:
    """Return the steps at which any trial is judged."""
    values = assessor.options
    eta, first = values["eta"], values["min_steps"]
    if isinstance(assessor, Hyperband):
        ratio = max(1.0, full / first)
        most = values["s"] or math.floor(math.log(ratio) / math.log(eta) + 1e-9)
        first = full / eta**most
    return list(geometric(first or max(1, full // 12), eta, full))
