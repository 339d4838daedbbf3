"""The search space: all hyperparameters and the unit cube they span."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from .base import Parameter, Value
from .choices import ChoiceParameter, Constant, label_of

INACTIVE = 0.5  # the coordinate of an inactive parameter


@dataclass(frozen=True)
class Space:
    """An ordered set of parameters. A point has shape `(dim,)`, each coordinate in [0, 1].

    A configuration holds active parameters only. `constants` are further values that every trial
    gets, not part of points and configurations; `notes` say how the file was read. Raise
    ValueError if a name appears twice, or a condition does not name an earlier choice.
    """

    parameters: tuple[Parameter, ...]
    constants: tuple[Constant, ...] = ()
    notes: tuple[str, ...] = field(default=(), compare=False, repr=False)

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        names = {constant.name for constant in self.constants}
        for parameter in self:
            condition = parameter.condition
            if parameter.name in names:
                raise ValueError(f"{parameter.name} appears twice")
            if condition and not condition.fits(sizes.get(condition.parent, 0)):
                raise ValueError(f"{parameter.name} must depend on an earlier choice: {condition}")
            names.add(parameter.name)
            if isinstance(parameter, ChoiceParameter):
                sizes[parameter.name] = parameter.size

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self.parameters)

    @property
    def dim(self) -> int:
        return len(self.parameters)

    @cached_property
    def size(self) -> int | None:
        """The number of distinct configurations; None if any parameter is continuous."""
        total = 1
        below: dict[str, list[int]] = {}  # by choice: configurations for each of its values
        for parameter in reversed(self.parameters):  # children come before their choice
            count = parameter.size
            if count is None:
                return None
            if parameter.name in below:
                count = sum(below[parameter.name])
            condition = parameter.condition
            if condition is None:
                total *= count
                continue
            beside = below.setdefault(condition.parent, [1] * self.parents[condition.parent].size)
            for index in condition.indices:
                beside[index] *= count
        return total

    @cached_property
    def parents(self) -> Mapping[str, ChoiceParameter]:
        """The choices on which others depend, by name."""
        named = {p.name: p for p in self if isinstance(p, ChoiceParameter)}
        return {p.condition.parent: named[p.condition.parent] for p in self if p.condition}

    @cached_property
    def init_params(self) -> Mapping[str, Value]:
        """The initial configuration."""
        return self._configuration(parameter.init for parameter in self)

    @property
    def init_point(self) -> tuple[float, ...]:
        """The point of the initial configuration."""
        return self.encode(self.init_params)

    def is_active(self, parameter: Parameter, params: Mapping[str, Value]) -> bool:
        """Return whether `parameter` is active with the choices in `params`."""
        condition = parameter.condition
        if condition is None:
            return True
        parent = condition.parent
        return parent in params and self.parents[parent].index(params[parent]) in condition.indices

    def active(self, point: Sequence[float]) -> tuple[bool, ...]:
        """Return which parameters are active at `point`, both of shape `(dim,)`."""
        params = self.decode(point)
        return tuple(parameter.name in params for parameter in self)

    def decode(self, point: Sequence[float]) -> dict[str, Value]:
        """Return the configuration at `point`, which has shape `(dim,)`."""
        return self._configuration(
            parameter.decode(float(u)) for parameter, u in zip(self, point, strict=True)
        )

    def encode(self, params: Mapping[str, Value]) -> tuple[float, ...]:
        """Return the point of a configuration, with `INACTIVE` for inactive parameters.

        Raise ValueError for a value outside the space, KeyError for a missing active one.
        """
        return tuple(
            parameter.encode(params[parameter.name])
            if self.is_active(parameter, params)
            else INACTIVE
            for parameter in self
        )

    def key(self, params: Mapping[str, Value]) -> tuple[Value, ...]:
        """Return a key that is equal for equal configurations only."""
        # A choice counts by its index, as its values may be equal in Python (1 == True).
        return tuple(
            p.index(params[p.name]) if isinstance(p, ChoiceParameter) else params[p.name]
            for p in self
            if p.name in params
        )

    def configurations(self) -> Iterator[dict[str, Value]]:
        """Yield all configurations, the last parameter varying fastest; none may be continuous."""
        values = [parameter.values() for parameter in self]
        params: dict[str, Value] = {}

        def options(place: int) -> Iterator[dict[str, Value]]:
            parameter = self.parameters[place]
            if not self.is_active(parameter, params):
                return iter([{}])
            return ({parameter.name: value} for value in values[place])

        left = [options(0)]  # the remaining values of each parameter up to the current one
        while left:
            place = len(left) - 1
            params.pop(self.parameters[place].name, None)
            option = next(left[-1], None)
            if option is None:
                left.pop()
            else:
                params.update(option)
                if place + 1 < self.dim:
                    left.append(options(place + 1))
                else:
                    yield dict(params)

    def describe(self) -> dict[str, object]:
        """Return the space as the content of an hparam.yaml."""
        return {"param_list": [self.describe_one(part) for part in (*self, *self.constants)]}

    def describe_one(self, part: Parameter | Constant) -> dict[str, object]:
        """Return the entry of `param_list` for a parameter or constant of this space."""
        entry = dict(part.describe())
        condition = part.condition if isinstance(part, Parameter) else None
        if condition:
            parent = self.parents[condition.parent]
            values = [parent.choices[index] for index in condition.indices]
            while len(values) > 1 and label_of(values) in parent.choices:
                values.append(values[-1])  # so that the list is not itself one of the choices
            entry["only_if"] = {parent.name: values[0] if len(values) == 1 else values}
        if part.path:
            entry["path"] = list(part.path)
        return entry

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the options that trials get, including constants."""
        return tuple(part.name for part in (*self, *self.constants))

    def options(self, params: Mapping[str, Value]) -> dict[str, Any]:
        """Return name to value of all options of a trial, including constants."""
        return {**params, **{constant.name: constant.value for constant in self.constants}}

    def nest(self, params: Mapping[str, Value]) -> dict[str, Any]:
        """Return a configuration in the form in which the tool of the file passes it to a trial.

        NNI's nested choices become {"_name": ..., child: value}, its choices of layers and inputs
        {"_value": ..., "_idx": ...}; the nested parameters of W&B become mappings.
        """
        nested: dict[str, Any] = {}
        for parameter in self:
            if parameter.name in params:
                _put(nested, parameter, parameter.given(params[parameter.name]))
        for constant in self.constants:
            _put(nested, constant, constant.value)
        return nested

    def _configuration(self, values: Iterable[Value]) -> dict[str, Value]:
        params: dict[str, Value] = {}
        for parameter, value in zip(self, values, strict=True):
            if self.is_active(parameter, params):
                params[parameter.name] = value
        return params


def _put(nested: dict[str, Any], part: Parameter | Constant, value: Any) -> None:
    *outer, last = part.path or (part.name,)
    for key in outer:
        nested = nested.setdefault(key, {})
    nested[last] = copy.deepcopy(value)
