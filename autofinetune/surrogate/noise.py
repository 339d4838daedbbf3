"""The noise of the reports in a learning curve: how large it is, and a merit with less of it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

_LEAST = 4  # reports in the later half of a curve that say anything about noise
_BEYOND = 4.0  # a trend this many variances of the noise from the last report is no noise


def roughness(merits: Sequence[float]) -> float:
    """Return the variance of the noise of a curve, NaN if it is short.

    Second differences of independent noise have six times its variance; those of the later half
    of a learning curve have little else.
    """
    half = np.array(merits[len(merits) // 2 :])
    if len(half) < _LEAST:
        return math.nan
    return float(np.mean(np.diff(half, 2) ** 2) / 6.0)


def steady(positions: Sequence[int], merits: Sequence[float], variance: float) -> float:
    """Return the last merit of a curve with less noise, of which `variance` may be NaN.

    A line through the later half, by the logarithm of the position, has at its end about 4 / n of
    the noise of one of its n reports. Where it is further from the last report than noise
    explains, the curve is no such line, and the report counts.
    """
    half = len(merits) // 2
    last, y = merits[-1], np.array(merits[half:])
    if len(y) < _LEAST or not variance > 0.0:
        return last
    x = np.log(np.array(positions[half:], float))
    x -= x.mean()
    shift = float(y.mean() + (x @ y) / (x @ x) * x[-1]) - last
    if shift == 0.0:
        return last
    return last + min(1.0, _BEYOND * variance / shift**2) * shift
