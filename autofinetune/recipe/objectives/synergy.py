"""A weighted sum of objectives, such as `quality_score + 0.5*kept` or `model_loss - 0.1*kept`.

`kept` is the share of samples that the recipe keeps. With a positive weight beside a score that is
maximized it rewards keeping data, with a negative one it is a cost.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from autofinetune.errors import UsageError, did_you_mean

from . import OBJECTIVES
from .base import Objective, Processed, Settings

KEPT = "kept"
_NUMBER = r"[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?|\.[0-9]+"
_TERM = re.compile(
    rf"\s*([+-])?\s*(?:({_NUMBER})\s*\*\s*)?([A-Za-z_]\w*)(?:\s*\*\s*({_NUMBER}))?\s*"
)


@dataclass(frozen=True)
class Synergy:
    """Objectives by name and the weight of each; `kept` may be one of the names."""

    weights: Mapping[str, float]

    @classmethod
    def of(cls, text: str) -> Synergy:
        """Read a sum; raise UsageError if it is none, or its parts pull in opposite directions."""
        weights: dict[str, float] = {}
        place = 0
        while place < len(text.rstrip()) or not weights:
            found = _TERM.match(text, place)
            if found is None or (place and not found[1]) or (found[2] and found[4]):
                raise UsageError(f"the objective {text!r:.80} is not a sum of scores", _TIP)
            sign, before, name, after = found.groups()
            if name != KEPT and name not in OBJECTIVES:
                names = (*OBJECTIVES, KEPT)
                why = f"there is no objective {name!r:.60}"
                raise UsageError(
                    f"{why}; use: {', '.join(names)}{did_you_mean(name, names)}", _TIP
                )
            if name in weights:
                raise UsageError(f"the objective {text!r:.80} has {name} twice", _TIP)
            weights[name] = float(before or after or 1.0) * (-1.0 if sign == "-" else 1.0)
            place = found.end()
        synergy = cls(weights)
        pulls = {
            weight * OBJECTIVES.load(name).better > 0
            for name, weight in weights.items()
            if name != KEPT
        }
        if len(pulls) > 1:
            why = f"in {text!r:.80}, one score is better when higher and another when lower"
            raise UsageError(why, "subtract one of them: quality_score - 0.1*model_loss")
        return synergy

    @property
    def is_maximized(self) -> bool:
        """Whether higher sums are better, by the first score other than `kept`."""
        for name, weight in self.weights.items():
            if name != KEPT:
                return bool(weight * OBJECTIVES.load(name).better > 0)
        return True

    @property
    def imports(self) -> tuple[str, ...]:
        """The modules that its parts import in a trial."""
        found = (OBJECTIVES.load(name).imports for name in self.weights if name != KEPT)
        return tuple(dict.fromkeys(name for names in found for name in names))

    def check(self, settings: Settings) -> None:
        """Raise UsageError or EnvironmentProblem if a part of it cannot work."""
        for name in self.weights:
            if name != KEPT:
                OBJECTIVES.load(name).check(settings)

    def scores(self, processed: Processed, settings: Settings) -> dict[str, float]:
        """Return the score of each part, and `kept`."""
        found = {KEPT: processed.kept}
        for name in self.weights:
            if name != KEPT:
                objective: Objective = OBJECTIVES.load(name)(settings)
                found[name] = float(objective.score(processed))
        return found

    def total(self, scores: Mapping[str, float]) -> float:
        """Return the weighted sum."""
        return sum(weight * scores[name] for name, weight in self.weights.items())


_TIP = "write for instance: --objective='quality_score + 0.5*kept'"
