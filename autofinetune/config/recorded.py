"""Readers of the configurations and trials in a config.yaml, which may have been edited."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from autofinetune.errors import ConfigError, Mistake
from autofinetune.space import Space, Value
from autofinetune.space.base import is_number

MOST_SHOWN = 5  # of the mistakes in one list
_TIP = "write values that the search space allows, or remove the entry"
T = TypeVar("T")


def recorded_configurations(
    value: object, space: Space, name: str = "enqueued"
) -> tuple[Mapping[str, Value], ...]:
    """Read a list of configurations, each with a value for every active hyperparameter.

    `name` is the key of the list in config.yaml. Raise ConfigError if it is not a list, or entries
    in it do not fit the space.
    """
    return _each(name, value, lambda entry: _configuration(entry, space))


def recorded_trials(value: object, space: Space) -> tuple[tuple[Mapping[str, Any], ...], ...]:
    """Read the list `earlier`: for each earlier run, its trials as {"params", "merit"}.

    A merit is a finite number, where higher is better, or None for a failed trial. Raise
    ConfigError if it is not a list of lists, or entries in one do not fit the space.
    """
    runs = _each("earlier", value, lambda run: run)
    return tuple(
        _each(f"earlier[{index}]", run, lambda entry: _trial(entry, space))
        for index, run in enumerate(runs)
    )


def _each(where: str, value: object, read: Callable[[Any], T]) -> tuple[T, ...]:
    """Apply `read`, which raises ValueError for a wrong entry, to each entry of a list."""
    if not isinstance(value, (list, tuple)):
        raise ConfigError(where, [_about(where, f"must be a list, found {value!r:.200}")], _TIP)
    found, mistakes = [], []
    for index, entry in enumerate(value):
        try:
            found.append(read(entry))
        except ValueError as error:
            mistakes.append(_about(f"{where}[{index}]", str(error)))
    if mistakes:
        hidden = len(mistakes) - MOST_SHOWN
        more = Mistake(_option(where), f"and {hidden} more entries", is_sentence=True)
        mistakes[MOST_SHOWN:] = [more] if hidden > 0 else []
        raise ConfigError(where, mistakes, _TIP)
    return tuple(found)


def _about(part: str, problem: str) -> Mistake:
    return Mistake(_option(part), problem, part=part)


def _option(part: str) -> str:
    return part.partition("[")[0]


def _trial(entry: object, space: Space) -> Mapping[str, Any]:
    if not isinstance(entry, Mapping) or set(entry) != {"params", "merit"}:
        raise ValueError(f"must be a mapping of params and merit, found {entry!r:.200}")
    merit = entry["merit"]
    if merit is not None and not is_number(merit):
        raise ValueError(f"merit must be a finite number or null, found {merit!r:.200}")
    return {"params": _configuration(entry["params"], space), "merit": merit}


def _configuration(entry: object, space: Space) -> Mapping[str, Value]:
    """Return a configuration in the order of the space, with values of its types."""
    found: dict[str, Value] = {}
    if isinstance(entry, Mapping):
        for parameter in space:
            name = parameter.name
            if name in entry and space.is_active(parameter, found):
                parameter.encode(entry[name])
                found[name] = int(entry[name]) if parameter.type_name == "int" else entry[name]
    names = [parameter.name for parameter in space if space.is_active(parameter, found)]
    if not isinstance(entry, Mapping) or set(entry) != set(names):
        raise ValueError(
            f"must have a value for {', '.join(names)} and nothing else, found {entry!r:.200}"
        )
    return found
