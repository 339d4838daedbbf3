"""Builds learning curves for tests."""

from __future__ import annotations

from collections.abc import Sequence

from autofinetune.core.curves import Curve, Curves


def curves_of(
    completed: Sequence[Sequence[float]] = (), running: Sequence[Sequence[float]] = ()
) -> Curves:
    """Trials with these merits at positions 1, 2, ...; the last one is the result."""
    curves = Curves()
    for trial, merits in enumerate([*completed, *running]):
        add(curves, trial, merits)
        if trial < len(completed):
            curves.complete(trial, merits[-1])
    return curves


def add(curves: Curves, trial: int, merits: Sequence[float]) -> Curve:
    """Another running trial."""
    curve = curves.begin(trial)
    for step, merit in enumerate(merits, 1):
        curve.add(step, merit)
    return curve
