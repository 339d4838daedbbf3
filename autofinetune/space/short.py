"""Reads a space written in Python: `{"lr": aft.loguniform(1e-4, 1.0), "batch_size": [16, 32]}`.

    (low, high)          a range with both ends included; whole numbers if both are whole
    [a, b, c]            a choice of values, also of classes, functions and tuples
    uniform(...), loguniform(...), integers(...), choice(...)
                         the same with a scale, a step, probabilities or an initial value
    {"sgd": {"momentum": (0.0, 0.99)}, "adam": {}}
                         a choice whose values have hyperparameters of their own
    anything else        a constant

Without an initial value it is the middle, on the scale of the range, or the first choice.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .base import is_number
from .defined import SOURCE, Defined, Labels, plain
from .entry import RESERVED
from .fields import Entry, Findings, short
from .formats import read_entries
from .yaml_file import Document
from .yaml_values import Path_


def uniform(
    low: float, high: float, *, log: bool = False, step: float | None = None,
    init: float | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return a range of real numbers, both ends included; `log` and `step` exclude each other."""
    return _range("float", low, high, log, step, init)


def loguniform(low: float, high: float, *, init: float | None = None) -> dict[str, Any]:
    """Return a range of real numbers above 0 on a logarithmic scale, both ends included."""
    return _range("float", low, high, True, None, init)


def integers(
    low: int, high: int, *, log: bool = False, step: int | None = None, init: int | None = None
) -> dict[str, Any]:
    """Return a range of whole numbers, both ends included; `log` and `step` as for `uniform`."""
    return _range("int", low, high, log, step, init)


def choice(
    values: Sequence[Any] | Mapping[Any, Any], *, init: Any = None,
    probabilities: Sequence[float] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return a choice; a mapping gives each value hyperparameters of its own.

    `init` is the value to try first, by default the first one; `probabilities` have the sum 1.
    """
    values = values if isinstance(values, Mapping) else list(values)
    entry: dict[str, Any] = {"type": "choice", "choices": values}
    if probabilities is not None:
        entry["probabilities"] = list(probabilities)
    return entry | ({} if init is None else {"init_value": init})


def _range(kind: str, low: Any, high: Any, log: bool, step: Any, init: Any) -> dict[str, Any]:
    given = {"log": log or None, "step": step, "init_value": init}
    entry = {"type": kind, "greater_than": low, "lower_than": high}
    entry |= {key: value for key, value in given.items() if value is not None}
    return {key: plain(value) for key, value in entry.items()}


def read_short(given: Mapping[str, Any]) -> Defined:
    """Return the space that a mapping of short forms describes.

    Raise ConfigError with all mistakes.
    """
    reader = _Reader(Findings(Document(SOURCE, given, {})))
    if not given:
        reader.findings.mistake((), "is empty; give for instance {'lr': (0.001, 0.1)}")
    entries = [] if not given else reader.level(given, _Branch())
    space = read_entries(entries, reader.findings)
    return Defined(space, reader.labels.objects)


@dataclass(frozen=True)
class _Branch:
    """Where hyperparameters are defined: at the top, or with one value of a choice."""

    path: Path_ = ()
    called: str = ""  # before names that would not be unique
    only_if: Mapping[str, Any] | None = None


class _Reader:
    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.labels = Labels()
        self._counts: Counter[Any] = Counter()
        self._taken = set(RESERVED)

    def level(self, space: Mapping[Any, Any], branch: _Branch) -> Iterator[Entry]:
        if not branch.path:
            self._count(space)
        for name, value in space.items():
            yield from self._parameter(name, plain(value), branch)

    def _parameter(self, name: Any, value: Any, branch: _Branch) -> Iterator[Entry]:
        path = (*branch.path, name)
        label = ".".join(map(str, path))
        try:
            fields = _fields(value)
        except ValueError as error:
            self.findings.mistake(path, f"{label}: {error}")
            return
        called = self._called(name, branch)
        keys = {"name": called, **self.labels.in_entry((name,), fields)}
        if called != name:
            keys["path"] = [name]
        if branch.only_if:
            keys["only_if"] = dict(branch.only_if)
        yield Entry(keys, path, label)
        choices = fields.get("choices")
        if isinstance(choices, Mapping):
            for one, inner in zip(keys["choices"], choices.values(), strict=True):
                yield from self.level(
                    inner, _Branch((*path, str(one)), f"{called}.{one}", {called: one})
                )

    def _count(self, space: Mapping[Any, Any]) -> None:
        """Count how often each name is used, in all branches."""
        for name, value in space.items():
            self._counts[name] += 1
            branches = _choices(value)
            for branch in branches.values() if isinstance(branches, Mapping) else ():
                if isinstance(branch, Mapping):
                    self._count(branch)

    def _called(self, name: Any, branch: _Branch) -> Any:
        """Return the name in tables: as written, behind its choice if it is used several times."""
        if self._counts[name] == 1 or not branch.called:
            return name
        stem = called = re.sub(r"[^A-Za-z0-9_.@/-]", "_", f"{branch.called}.{name}")
        number = 2
        while called in self._taken:
            called, number = f"{stem}_{number}", number + 1
        self._taken.add(called)
        return called


def _choices(value: Any) -> Any:
    """Return the choices of a mapping: those of an entry, or itself."""
    is_entry = isinstance(value, Mapping) and isinstance(value.get("type"), str)
    return value.get("choices") if is_entry else value


def _fields(value: Any) -> dict[str, Any]:
    """Return the fields of an entry for a short form; raise ValueError if it is none."""
    if isinstance(value, Mapping):
        choices = _choices(value)
        if isinstance(choices, Mapping):
            _check_branches(choices)
        return {"type": "choice", "choices": value} if choices is value else dict(value)
    if isinstance(value, tuple):
        ends = tuple(map(plain, value))
        if len(ends) != 2 or not all(map(is_number, ends)):
            raise ValueError(
                f"{short(value)} is no range (low, high) of two numbers; a choice is a list"
            )
        kind = "int" if type(ends[0]) is type(ends[1]) is int else "float"
        return {"type": kind, "greater_than": ends[0], "lower_than": ends[1]}
    if isinstance(value, (range, set, frozenset)):
        raise ValueError(f"{short(value)} is neither a range (low, high) nor a list of choices")
    if isinstance(value, list):
        return {"type": "choice", "choices": value}
    return {"type": "constant", "value": value}


def _check_branches(choices: Mapping[Any, Any]) -> None:
    if not choices:
        raise ValueError("the dict is empty; a choice has at least one value")
    for key, inner in choices.items():
        if not isinstance(inner, Mapping):
            raise ValueError(
                f"each value of a choice needs a dict of its own hyperparameters, which may be "
                f"empty; {short(key)} has {short(inner)}"
            )
