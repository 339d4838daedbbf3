"""The search space of a define-by-run study, made of the distributions in its trials."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from autofinetune.space import Condition, Parameter, Space, Value
from autofinetune.space.parameters import (
    ChoiceParameter,
    FloatParameter,
    IntParameter,
    SteppedFloatParameter,
)
from autofinetune.space.space import INACTIVE

Distributions = Mapping[str, Any]
CHOSEN = "autofinetune:chosen"  # the system attribute with the coordinates chosen for a trial
_MARGIN = 1e-6  # of a range: how near to its ends values get
_FIXED = "fixed_params"  # Optuna's, for enqueued trials


@dataclass(frozen=True)
class StudySpace:
    """A space of ours for some parameters of a study; a choice is a number in the list."""

    distributions: Distributions
    space: Space

    def point(self, trial: Any) -> tuple[float, ...] | None:
        """Return the point of a trial, `(dim,)`, or None if it tells nothing about this space.

        A value has the coordinate from which it was chosen, if it was. A parameter that the trial
        does not have keeps the coordinate that was chosen, else it has that of an inactive one.
        Trials with values outside the present ranges do not count.
        """
        if trial.state.name == "WAITING":
            return None
        params = {**_mapping(trial, _FIXED), **trial.params}
        chosen = _mapping(trial, CHOSEN)
        if not self.distributions.keys() & (params.keys() | chosen.keys()):
            return None
        try:
            return tuple(self._coordinate(parameter, params, chosen) for parameter in self.space)
        except ValueError:
            return None

    def _coordinate(
        self, parameter: Parameter, params: Mapping[str, Any], chosen: Mapping[str, Any]
    ) -> float:
        name = parameter.name
        u = chosen.get(name, INACTIVE)
        if not isinstance(u, float) or not 0.0 <= u <= 1.0:
            u = INACTIVE  # written by somebody else
        if name not in params:
            return u
        value, distribution = params[name], self.distributions[name]
        if _value(distribution, parameter.decode(u)) == value:
            return u
        if isinstance(parameter, ChoiceParameter):
            value = int(distribution.to_internal_repr(value))
        return parameter.encode(value)

    def values(self, params: Mapping[str, Value]) -> dict[str, Any]:
        """Return the values that Optuna knows for a configuration of the space."""
        return {name: _value(self.distributions[name], value) for name, value in params.items()}


def _value(distribution: Any, value: Any) -> Any:
    """Return a value as Optuna knows it.

    Samplers of Optuna hardly ever draw the ends of a range, so many functions fail at a share of
    exactly 0 or 1. Strategies of ours try the ends of what they know; here they stay inside.
    """
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[value]
    is_float = isinstance(distribution, FloatDistribution)
    if not is_float or distribution.log or distribution.step is not None:
        return value
    margin = _MARGIN * (distribution.high - distribution.low)
    return min(max(value, distribution.low + margin), distribution.high - margin)


def joined_distributions(trials: Iterable[Any]) -> dict[str, Any]:
    """Return all parameters of trials by name, each with its newest distribution.

    Those with a single value are left out, as there is nothing to choose.
    """
    found: dict[str, Any] = {}
    for trial in trials:
        found |= trial.distributions
    return {name: found[name] for name in sorted(found) if not found[name].single()}


def study_space(distributions: Distributions, trials: Iterable[Any]) -> StudySpace:
    """Return the space of these distributions, with the conditions that finished trials show."""
    conditions = _conditions(distributions, trials)

    def depth(name: str) -> int:
        return 1 + depth(conditions[name].parent) if name in conditions else 0

    ordered = sorted(distributions, key=lambda name: (depth(name), name))
    parameters = (
        dataclasses.replace(
            parameter_of(name, distributions[name]), condition=conditions.get(name)
        )
        for name in ordered
    )
    return StudySpace(dict(distributions), Space(tuple(parameters)))


def parameter_of(name: str, distribution: Any) -> Parameter:
    """Return our parameter for a distribution of Optuna; it begins in the middle."""
    if isinstance(distribution, CategoricalDistribution):
        return ChoiceParameter(name, tuple(range(len(distribution.choices))), 0)
    low, high, step = distribution.low, distribution.high, distribution.step
    found: Any
    if isinstance(distribution, IntDistribution):
        found = IntParameter(name, low, high, low, distribution.log, step)
    elif step is not None:
        found = SteppedFloatParameter(name, low, high, low, step)
    else:
        found = FloatParameter(name, low, high, low, distribution.log)
    begun: Parameter = dataclasses.replace(found, init=found.decode(0.5))
    return begun


def _conditions(distributions: Distributions, trials: Iterable[Any]) -> dict[str, Condition]:
    """Return on which choice each parameter depends, as far as the trials tell.

    A parameter depends on a choice if every trial with some of its values had the parameter and no
    other trial had it. Values that were never tried count as if they had it. What is found may be
    wrong while there are few trials; then the parameter is sampled independently, and the next
    trials correct it.
    """
    having: dict[str, set[int]] = {name: set() for name in distributions}  # trials, by parameter
    by_value: dict[str, dict[int, set[int]]] = {}  # by choice and number of the value
    count = 0
    for count, trial in enumerate(trials, 1):
        for name, value in trial.params.items():
            if name not in distributions:
                continue
            having[name].add(count)
            if isinstance(distributions[name], CategoricalDistribution):
                number = _number(distributions[name], value)
                by_value.setdefault(name, {}).setdefault(number, set()).add(count)
    found: dict[str, Condition] = {}
    for name, present in having.items():
        if not 0 < len(present) < count:
            continue
        for parent, seen in by_value.items():
            having_it = {number for number, those in seen.items() if those & present}
            if set().union(*(seen[number] for number in having_it)) == present and (
                len(having_it) < len(seen)
            ):
                every = range(len(distributions[parent].choices))
                active = (n for n in every if n in having_it or n not in seen)
                found[name] = Condition(parent, tuple(active))
                break
    return found


def _number(distribution: Any, value: Any) -> int:
    try:
        return int(distribution.to_internal_repr(value))
    except ValueError:
        return -1  # no longer one of the choices


def _mapping(trial: Any, attribute: str) -> Mapping[str, Any]:
    found = trial.system_attrs.get(attribute)
    return found if isinstance(found, Mapping) else {}
