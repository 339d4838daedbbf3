"""The search space in the forms that users of scikit-learn write, as a `Space`.

Every form is converted in `read_parameters`. Numbers in a list are ordered for the search; other
values in a list are not.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from autofinetune.errors import ConfigError
from autofinetune.space import Space, Value, load_space
from autofinetune.space.defined import are_same
from autofinetune.space.distributions import TAIL, Distribution
from autofinetune.space.parameters import (
    ChoiceParameter,
    Condition,
    DrawnParameter,
    FloatParameter,
    IntParameter,
    Parameter,
    QuantizedParameter,
)
from autofinetune.space.short import read_short

SpaceLike: TypeAlias = "Mapping[str, Any] | Sequence[Mapping[str, Any]] | str | Path"
WHICH = "which of the spaces"
SHORT = "x"  # the name under which a single form is read
_FORMS = "use a list of values, a distribution of scipy.stats, or a range (low, high)"


@dataclass(frozen=True)
class Quantiles(Distribution):
    """A frozen distribution of scipy.stats; unbounded ones are cut off at the probability TAIL."""

    frozen: Any

    def quantile(self, u: float) -> float:
        low, high = self.frozen.support()
        least = 0.0 if math.isfinite(low) else TAIL
        most = 1.0 if math.isfinite(high) else 1.0 - TAIL
        value = float(self.frozen.ppf(min(max(u, least), most)))
        return float(
            min(max(value, low), high)
        )  # ppf(0) of a discrete distribution is below its values

    def share(self, value: float) -> float:
        return float(self.frozen.cdf(value))

    def describe(self) -> Mapping[str, object]:
        return {"distribution": self.frozen.dist.name}


@dataclass(frozen=True)
class Searched:
    """A space, and how its configurations become arguments of `set_params`.

    `names` has the name in scikit-learn of each parameter, and `values` the list that was given
    for it, if any: its value in a configuration is then the place in the list.
    """

    space: Space
    names: Mapping[str, str]
    values: Mapping[str, Sequence[Any]]

    def params(self, configuration: Mapping[str, Value]) -> dict[str, Any]:
        """Return the parameters of scikit-learn, by name."""
        found: dict[str, Any] = {}
        for parameter in self.space:
            name = parameter.name
            if name in configuration and name in self.names:
                chosen = parameter.given(configuration[name])
                found[self.names[name]] = (
                    self.values[name][chosen] if name in self.values else chosen
                )
        return found | {constant.name: constant.value for constant in self.space.constants}


def read_space(given: SpaceLike, defaults: Mapping[str, Any]) -> Searched:
    """Return the space for what was given as `space`.

    Args:
        given: a dict, a list of dicts of which each configuration takes one, or the path or
            content of an hparam.yaml.
        defaults: the parameters of the estimator; those inside the space are tried first.

    Raises:
        UsageError: a file cannot be read.
        ConfigError: some of the space has a mistake; all of them are reported.
    """
    if isinstance(given, (str, Path)) or (isinstance(given, Mapping) and "param_list" in given):
        space = load_space(given)
        return Searched(space, {parameter.name: parameter.name for parameter in space}, {})
    several = [given] if isinstance(given, Mapping) else given
    if not isinstance(several, Sequence) or not all(isinstance(one, Mapping) for one in several):
        raise ConfigError("space", [f"it must be a dict or a list of dicts, not {given!r:.80}"])
    names: dict[str, str] = {}
    values: dict[str, Sequence[Any]] = {}
    mistakes: list[str] = []
    parameters: list[Parameter] = []
    if len(several) > 1:
        parameters.append(ChoiceParameter(WHICH, tuple(range(len(several))), 0))
    for place, one in enumerate(several):
        condition = Condition(WHICH, (place,)) if len(several) > 1 else None
        for name, form in one.items():
            own = f"{place}/{name}" if condition else str(name)
            try:
                parameter, listed = read_parameter(own, form, defaults.get(name))
            except ValueError as error:
                mistakes.append(f"{name}: {error}")
                continue
            parameters.append(dataclasses.replace(parameter, condition=condition))
            names[own] = str(name)
            if listed is not None:
                values[own] = listed
    if not names and not mistakes:
        mistakes.append("it is empty; name at least one parameter of the estimator")
    if mistakes:
        raise ConfigError("space", mistakes)
    return Searched(Space(tuple(parameters)), names, values)


def read_parameter(name: str, form: Any, default: Any) -> tuple[Any, Sequence[Any] | None]:
    """Return the parameter for one entry of a dict, and the list of its values if it is one.

    It begins at `default` if that is one of its values, or else in the middle. Raise ValueError
    with the mistake.
    """
    if hasattr(form, "rvs"):
        return _drawn(name, form, default), None
    if isinstance(form, Mapping) or _is_range(form):
        return _short(name, form, default)
    if isinstance(form, str) or not hasattr(form, "__len__") or not hasattr(form, "__getitem__"):
        raise ValueError(f"{form!r:.80} is not a set of values; {_FORMS}")
    values = list(form)
    if not values:
        raise ValueError(f"an empty list; {_FORMS}")
    return _listed(name, values, default)


def _is_range(form: Any) -> bool:
    return isinstance(form, tuple) and len(form) == 2 and all(map(_is_number, form))


def _is_number(value: Any) -> bool:
    """Return whether it is a number, also one of numpy; booleans are not."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _short(name: str, form: Any, default: Any) -> tuple[Parameter, Sequence[Any] | None]:
    """Return the parameter for what `aft.uniform` and the like return, or for `(low, high)`."""
    values = form.get("choices") if isinstance(form, Mapping) else None
    if isinstance(values, list):
        first = form.get("init_value", default)
        if "probabilities" not in form:
            return _listed(name, values, first)
        places = list(range(len(values)))
        form = {**form, "choices": places, "init_value": _place(values, first, 0)}
    elif isinstance(form, Mapping) and form.get("type") not in ("float", "int"):
        raise ValueError(f"{form!r:.80} is not a set of values; {_FORMS}")
    try:
        parameter: Any = read_short({SHORT: form}).space.parameters[0]
    except ConfigError as error:
        raise ValueError("; ".join(error.mistakes).replace(f"{SHORT}: ", "")) from None
    parameter = dataclasses.replace(parameter, name=name)
    is_begun = isinstance(form, Mapping) and "init_value" in form
    return (parameter if is_begun else _begun(parameter, default)), values


def _listed(name: str, values: list[Any], default: Any) -> tuple[Parameter, list[Any]]:
    """Return a parameter whose values are places in a list, which is sorted if it has an order."""
    if len(values) > 2 and all(map(_is_number, values)):
        values = sorted(values)
        first = _place(values, default, len(values) // 2)
        return IntParameter(name, 0, len(values) - 1, first), values
    first = _place(values, default, 0)
    return ChoiceParameter(name, tuple(range(len(values))), first), values


def _place(values: list[Any], wanted: Any, otherwise: int) -> int:
    for place, value in enumerate(values):
        if are_same(value, wanted):
            return place
    return otherwise


def _drawn(name: str, frozen: Any, default: Any) -> Parameter:
    if not all(hasattr(frozen, part) for part in ("ppf", "cdf", "support", "dist")):
        raise ValueError(f"{frozen!r:.80} has no quantile function (ppf); {_FORMS}")
    low, high = frozen.support()
    kind = frozen.dist.name
    if kind == "uniform":
        return _begun(FloatParameter(name, float(low), float(high), float(low)), default)
    if kind == "randint":
        return _begun(IntParameter(name, int(low), int(high), int(low)), default)
    quantiles = Quantiles(frozen)
    if hasattr(frozen.dist, "pmf"):
        whole = QuantizedParameter(name, quantiles, 1, False, 0, "int")
        return _begun(whole, default)
    if kind in ("loguniform", "reciprocal") and math.isclose(
        quantiles.quantile(0.5), math.sqrt(low * high)
    ):  # not shifted by loc
        return _begun(FloatParameter(name, float(low), float(high), float(low), True), default)
    return _begun(DrawnParameter(name, quantiles, 0.0), default)


def _begun(parameter: Any, default: Any) -> Parameter:
    """Return the parameter with `default` as its initial value, or else the middle."""
    init = parameter.decode(0.5)
    with contextlib.suppress(ValueError):
        nearest = parameter.decode(parameter.encode(default))
        if math.isclose(nearest, default):
            init = nearest if isinstance(nearest, int) else float(default)
    begun: Parameter = dataclasses.replace(parameter, init=init)
    return begun
