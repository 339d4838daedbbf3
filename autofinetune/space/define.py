"""Reads a function that defines a space, as Optuna's do: it is called with trials that only look.

Each combination of the values of its choices is tried, up to 256; if there are more, each value
of each choice once. Every time all numbers are at their low end, in the middle and at their high
end. A hyperparameter that is suggested only with some values of a choice depends on that choice.
Afterwards the function is called with random configurations of the space that was found, so that
a structure that the space cannot express is refused rather than searched wrongly.

The function may instead return a dict: of short forms, of Ray Tune, or a sweep of W&B.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autofinetune.errors import AutofinetuneError, UsageError
from autofinetune.trial.suggest import Replayed, Suggesting, Unexpected

from .base import is_number
from .defined import SOURCE, Defined, Labels, are_same, label_of, plain
from .fields import Entry, Findings
from .formats import is_of_a_file, load_space, read_entries
from .ray import is_ray, read_ray
from .short import read_short
from .space import Space
from .yaml_file import Document

MOST_BRANCHES = 256
_CHECKED = 64  # random configurations
_LEVELS = (0.0, 0.5, 1.0)  # where numbers are in their range
_TIP = (
    "a hyperparameter may depend on the value of one choice, and nothing else; suggest it always, "
    "or compute it in the training"
)
Define = Callable[[Any], Any]


def read_defined(given: Any) -> Defined:
    """Return the space that a mapping or a function defines; one that is read stays as it is.

    Raise ConfigError with all mistakes in it, UsageError if a function cannot be read.
    """
    if isinstance(given, Space):
        return Defined(given)
    if isinstance(given, Mapping):
        if is_of_a_file(given):
            return Defined(load_space(given))
        return read_ray(given) if is_ray(given) else read_short(given)
    return _Reader(given).read()


@dataclass(frozen=True)
class _Run:
    """One call of the function: what it suggested in order, the values taken, what it returned."""

    entries: Mapping[str, Mapping[str, Any]]
    params: Mapping[str, Any]
    chosen: Mapping[str, int]
    returned: Any

    @property
    def is_plain(self) -> bool:
        """Whether it returned nothing, or exactly the hyperparameters that it suggested."""
        if self.returned is None:
            return True
        same = self.returned.keys() == self.params.keys()
        return same and all(
            are_same(self.returned[name], self.params[name]) for name in self.params
        )


class _Probe(Suggesting):
    """Takes the given value of each choice, else the first, and numbers at a level of 0 to 1."""

    def __init__(self, forced: Sequence[int], level: float) -> None:
        super().__init__()
        self.entries: dict[str, Mapping[str, Any]] = {}
        self.chosen: dict[str, int] = {}
        self._forced, self._level = forced, level

    def _answer(self, name: str, entry: Mapping[str, Any]) -> Any:
        if name in self.entries:
            if _shape(self.entries[name]) != _shape(entry):
                raise _depends(name)
            return self.params[name]
        self.entries[name] = entry
        if entry["type"] != "choice":
            return _number(entry, self._level)
        place = len(self.chosen)
        index = self._forced[place] if place < len(self._forced) else 0
        if index >= len(entry["choices"]):
            raise _depends(name)
        self.chosen[name] = index
        return entry["choices"][index]


class _Reader:
    def __init__(self, define: Define) -> None:
        self._define = define
        self._called = f"{label_of(define)}()"

    def read(self) -> Defined:
        first = self._run((), 0.5)
        if not first.entries:
            return self._of_result(first.returned)
        runs = list(self._runs())
        entries: dict[str, Mapping[str, Any]] = {}
        for run in runs:
            for name, entry in run.entries.items():
                if _shape(entries.setdefault(name, entry)) != _shape(entry):
                    raise _depends(name)
        labels = Labels()
        findings = Findings(Document(SOURCE, None, {}))
        space = read_entries(self._entries(entries, runs, labels), findings)
        found = Defined(space, labels.objects)
        self._check(found)
        return found if all(run.is_plain for run in runs) else self._computed(found, runs)

    def _of_result(self, returned: Any) -> Defined:
        if isinstance(returned, Mapping) and returned:
            return read_defined(returned)
        raise UsageError(
            f"{self._called} defines no space: it suggests no hyperparameter and returns no dict",
            'call for instance trial.suggest_float("lr", 1e-4, 1.0, log=True) in it',
        )

    def _computed(self, found: Defined, runs: Sequence[_Run]) -> Defined:
        """Return the space of a function that returns other values than it suggests."""
        keys = [frozenset(run.params if run.returned is None else run.returned) for run in runs]
        always, some = frozenset.intersection(*keys), frozenset.union(*keys)
        return Defined(found.space, found.objects, self._define, some, always)

    # --- calling it -----------------------------------------------------------------------------

    def _call(self, trial: Suggesting) -> Any:
        try:
            returned = self._define(trial)
        except (AutofinetuneError, Unexpected):
            raise
        except Exception as error:
            raise UsageError(
                f"{self._called} cannot be read as a space: {type(error).__name__}: {error}",
                "it is called with a trial that has the methods suggest_float, suggest_int and "
                "suggest_categorical, before any training",
            ) from error
        if returned is None or isinstance(returned, Mapping):
            return returned
        raise UsageError(
            f"{self._called} defines a space, but returns {type(returned).__name__}",
            "it returns nothing or a dict of hyperparameters; it is not the training itself",
        )

    def _run(self, forced: Sequence[int], level: float) -> _Run:
        probe = _Probe(forced, level)
        returned = self._call(probe)
        return _Run(probe.entries, probe.params, probe.chosen, returned)

    def _runs(self) -> Iterator[_Run]:
        """Yield calls that show the whole structure."""
        branches = list(self._branches(is_whole=True))
        if len(branches) > MOST_BRANCHES:
            branches = list(self._branches(is_whole=False))
        if len(branches) > MOST_BRANCHES:
            raise UsageError(
                f"{self._called} has more than {MOST_BRANCHES} branches",
                "it has too many choices with too many values; write numbers as ranges",
            )
        for forced in branches:
            runs = [self._run(forced, level) for level in _LEVELS]
            for run in runs[1:]:
                for name in run.entries.keys() ^ runs[0].entries.keys():
                    raise UsageError(
                        f"{self._called} suggests {name} only for some values of a number", _TIP
                    )
            yield from runs

    def _branches(self, *, is_whole: bool) -> Iterator[tuple[int, ...]]:
        """Yield which values the choices take, in the order of suggestion; one more than allowed.

        All combinations if `is_whole`; otherwise each value of each choice once.
        """
        waiting: list[tuple[int, ...]] = [()]
        seen: set[str] = set()
        count = 0
        while waiting and count <= MOST_BRANCHES:
            forced = waiting.pop(0)
            run = self._run(forced, 0.5)
            taken = tuple(run.chosen.values())
            for place, name in list(enumerate(run.chosen))[len(forced) :]:
                if is_whole or name not in seen:
                    others = range(1, len(run.entries[name]["choices"]))
                    waiting += [(*taken[:place], index) for index in others]
            seen.update(run.chosen)
            count += 1
            yield taken

    # --- its structure --------------------------------------------------------------------------

    def _entries(
        self, entries: Mapping[str, Mapping[str, Any]], runs: Sequence[_Run], labels: Labels
    ) -> Iterator[Entry]:
        for name, entry in entries.items():
            keys = {"name": name, **labels.in_entry((name,), entry)}
            keys = {key: plain(value) for key, value in keys.items()}
            found = self._condition(name, runs)
            if found is not None:
                parent, indices = found
                choices = labels.of((parent,), entries[parent]["choices"])
                keys["only_if"] = {parent: [choices[index] for index in sorted(indices)]}
            yield Entry(keys, (name,), str(name))

    def _condition(self, name: str, runs: Sequence[_Run]) -> tuple[str, set[int]] | None:
        """Return the choice on which a hyperparameter depends, and its values; None if on none."""
        with_it = [run for run in runs if name in run.entries]
        if len(with_it) == len(runs):
            return None
        order = list(with_it[0].entries)
        for parent in order[: order.index(name)]:
            if all(parent in run.chosen for run in with_it):
                indices = {run.chosen[parent] for run in with_it}
                # None for a run without the choice is no index.
                if len(with_it) == sum(run.chosen.get(parent) in indices for run in runs):
                    return parent, indices
        raise UsageError(f"{self._called} suggests {name} only with several choices at once", _TIP)

    def _check(self, found: Defined) -> None:
        """Call the function with random configurations; it must ask for what they have."""
        source = random.Random(0)
        for _ in range(_CHECKED):
            params = found.space.decode([source.random() for _ in found.space])
            values = {
                name: found.objects.get((name,), {}).get(value, value)
                if isinstance(value, str)
                else value
                for name, value in found.space.nest(params).items()
            }
            trial = Replayed(values)
            try:
                self._call(trial)
                missing = values.keys() - trial.params.keys()
            except Unexpected as error:
                missing = {str(error)}
            for name in missing:
                why = "only with several choices at once, or for some values of a number"
                raise UsageError(f"{self._called} suggests {name} {why}", _TIP)


def _depends(name: str) -> UsageError:
    return UsageError(f"the range or the choices of {name} depend on another value", _TIP)


def _shape(entry: Mapping[str, Any]) -> Any:
    """Return what must be the same whenever a hyperparameter is suggested."""
    return {
        key: [label_of(one) for one in value] if key == "choices" else value
        for key, value in entry.items()
    }


def _number(entry: Mapping[str, Any], level: float) -> Any:
    """Return a number of a range, at a level from 0 to 1; a wrong range is reported later."""
    low, high, step = entry["greater_than"], entry["lower_than"], entry.get("step")
    low, high = plain(low), plain(high)
    if not (is_number(low) and is_number(high)) or low > high:
        return low
    if entry.get("log") and low > 0:
        value = math.exp(math.log(low) * (1 - level) + math.log(high) * level)
    else:
        value = low * (1 - level) + high * level
    if is_number(step) and step > 0:
        value = low + math.floor((value - low) / step) * step
    if entry["type"] == "int":
        return min(max(round(value), math.ceil(low)), math.floor(high))
    return min(max(value, low), high)
