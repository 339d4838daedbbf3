"""A pruner of Optuna that stops trials by an assessor of autofinetune."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from typing import Any

from optuna.pruners import BasePruner

from autofinetune.assessors import ASSESSORS, assessor_class
from autofinetune.core.curves import Curve
from autofinetune.errors import UsageError, did_you_mean
from autofinetune.run.optuna_study import Outcomes, direction_of


class AssessorPruner(BasePruner):  # type: ignore[misc]  # Optuna has no types here
    """Prunes by an assessor, such as `asha`, `medianstop`, `hyperband` or `curvefitting`.

    Every report is judged once, in order, also if `should_prune` is called after several of them.
    A trial whose last report is NaN, or infinitely bad, is pruned.

    Args:
        name: one of `autofinetune assessors`.
        options: settings of the assessor, as `autofinetune assessors` lists them.

    Raises:
        UsageError: the assessor or an option is unknown, or a value is not allowed.
    """

    def __init__(self, name: str = "asha", **options: object) -> None:
        if name not in ASSESSORS:
            known = ", ".join(ASSESSORS)
            raise UsageError(
                f"{name!r} is no assessor{did_you_mean(name, ASSESSORS)}; use {known}"
            )
        if assessor_class(name).asks_strategy:
            raise UsageError(
                f"{name!r} needs a search of autofinetune; in Optuna use another, such as 'asha'"
            )
        try:
            assessor_class(name)(str(options.get("optimize_mode") or "maximize"), options)
        except UsageError as error:
            raise UsageError(error.mistake.worded(), error.tip) from None
        self._name = name
        self._options = options
        self._set_up()

    def _set_up(self) -> None:
        self._lock = threading.Lock()
        self._study: Any = None  # the storage and study that the following is about
        self._outcomes: Outcomes | None = None
        self._ended: set[int] = set()  # the ended trials in the outcomes
        self._judged: dict[int, tuple[int, bool]] = {}  # by trial: reports, is hopeless

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is made again from the study."""
        return {"_name": self._name, "_options": self._options}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)
        self._set_up()

    def prune(self, study: Any, trial: Any) -> bool:
        """Return whether the assessor would stop the trial after what it has reported."""
        if not trial.intermediate_values:
            return False
        direction = direction_of(study)
        last = direction.merit(trial.intermediate_values[trial.last_step])
        if math.isnan(last) or last == -math.inf:
            return True
        with self._lock:
            outcomes = self._compared(study, trial)
            whole = outcomes.begin(trial)
            outcomes.curves.running[trial.number] = curve = Curve(trial.number)
            known, is_hopeless = self._judged.get(trial.number, (0, False))
            assessor = assessor_class(self._name)(direction.value, self._options)
            reports = zip(whole.positions, whole.merits, strict=True)
            for count, (position, merit) in enumerate(reports, 1):
                curve.add(position, merit)
                if count > known and not is_hopeless:
                    is_hopeless = bool(assessor.assess(curve, outcomes.curves))
            self._judged[trial.number] = (len(whole.merits), is_hopeless)
        return is_hopeless

    def _compared(self, study: Any, trial: Any) -> Outcomes:
        """Return the curves of all other trials; those of ended ones are kept."""
        where = (study._storage, study._study_id)
        trials = [one for one in study.get_trials(deepcopy=False) if one.number != trial.number]
        if self._outcomes is None or self._study != where:
            self._study, self._ended, self._judged = where, set(), {}
            self._outcomes = Outcomes(direction_of(study))
        self._outcomes.curves.running.clear()
        for other in trials:
            if not other.state.is_finished():
                self._outcomes.begin(other)
            elif other.number not in self._ended:
                self._outcomes.end(other)
                self._ended.add(other.number)
                self._judged.pop(other.number, None)
        return self._outcomes
