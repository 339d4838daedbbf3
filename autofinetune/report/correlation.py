"""Rank correlation of each hyperparameter with the score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scipy.stats import rankdata

from autofinetune.space import ChoiceParameter, Parameter, Space, Value

LEAST = 4  # trials
_TINY = 1e-12


def correlations(
    space: Space, params: Sequence[Mapping[str, Value]], scores: Sequence[float]
) -> list[float | None]:
    """Return Spearman's coefficient, -1 to 1, of each parameter with the scores, both `(n,)`.

    Above 0, larger values come with larger scores. None for a choice among words, and if there are
    fewer than `LEAST` trials in which the parameter is active or all of them have the same value.
    Equal values share their mean rank.
    """
    return [_correlation(parameter, params, scores) for parameter in space]


def _correlation(
    parameter: Parameter, params: Sequence[Mapping[str, Value]], scores: Sequence[float]
) -> float | None:
    if isinstance(parameter, ChoiceParameter) and any(
        not isinstance(choice, (int, float)) for choice in parameter.choices
    ):
        return None
    pairs = [
        (float(value), score)
        for one, score in zip(params, scores, strict=True)
        if isinstance(value := one.get(parameter.name), (int, float))
    ]
    if len(pairs) < LEAST:
        return None
    x, y = (rankdata(column) for column in zip(*pairs, strict=True))
    deviation = float(x.std() * y.std())
    return (
        float(((x - x.mean()) * (y - y.mean())).mean()) / deviation if deviation > _TINY else None
    )
