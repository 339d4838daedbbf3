"""Reads search spaces of NNI: {"name": {"_type": ..., "_value": [...]}, ...} as JSON or YAML.

    choice        [one, of, these]             nested: {"_name": one, "child": {"_type": ...}, ...}
    randint       [low, high]                  whole numbers, including low, excluding high
    uniform       [low, high]
    quniform      [low, high, q]               clip(round(x / q) * q, low, high)
    loguniform    [low, high]                  exp(uniform(log(low), log(high)))
    qloguniform   [low, high, q]               the same, rounded and clipped
    normal        [mu, sigma]
    qnormal       [mu, sigma, q]               rounded, not clipped
    lognormal     [mu, sigma]                  exp(normal): mu and sigma are of the logarithm
    qlognormal    [mu, sigma, q]               rounded, not clipped; may be 0
    layer_choice  [one, of, these]             the trial gets {"_value": name, "_idx": index}
    input_choice  {"candidates": [...], "n_chosen": 0, 1 or [0, 1]}
                                               the trial gets {"_value": [name], "_idx": [index]}

A child of a nested choice is called `choice.option.child` on the command line and in tables;
characters that are not allowed in options become `_`. `Space.nest` returns what NNI itself would
pass to the trial.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autofinetune.errors import did_you_mean

from .choices import INPUT, LAYER
from .entry import RESERVED
from .fields import Entry, Findings, short
from .yaml_values import Path_

_RANGES: Mapping[str, tuple[str, ...]] = {
    "randint": ("low", "high"),
    "uniform": ("low", "high"),
    "quniform": ("low", "high", "q"),
    "loguniform": ("low", "high"),
    "qloguniform": ("low", "high", "q"),
    "normal": ("mu", "sigma"),
    "qnormal": ("mu", "sigma", "q"),
    "lognormal": ("mu", "sigma"),
    "qlognormal": ("mu", "sigma", "q"),
}
TYPES = ("choice", *_RANGES, LAYER, INPUT)
_MISSPELT = {"qlognoraml": "qlognormal"}  # as a well-known document spells it
_OURS = {"low": "greater_than", "high": "lower_than", "mu": "mean", "sigma": "deviation"} | {
    "q": "round_to"
}
_EXPONENT = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?[eE][+-]?[0-9]+\Z")
_EXAMPLE = '{"_type": "uniform", "_value": [0, 1]}'


def is_nni(value: Any) -> bool:
    """Return whether a document looks like a search space of NNI."""
    return isinstance(value, Mapping) and any(
        isinstance(spec, Mapping) and ("_type" in spec or "_value" in spec)
        for spec in value.values()
    )


@dataclass(frozen=True)
class _Place:
    """The place where a parameter is defined, and the path of its value in a trial."""

    path: Path_ = ()
    option: str = ""  # its name as an option
    given: tuple[str, ...] = ()
    only_if: Mapping[str, Any] | None = None


def nni_entries(value: Any, findings: Findings) -> Iterator[Entry]:
    """Yield the parameters, each choice before its children."""
    return _Reader(findings).level(value, _Place())


class _Reader:
    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._taken = set(RESERVED)

    def level(self, space: Mapping[str, Any], place: _Place) -> Iterator[Entry]:
        for name, spec in space.items():
            if place.only_if is None or name != "_name":
                yield from self._parameter(name, spec, place)

    def _parameter(self, name: str, spec: Any, around: _Place) -> Iterator[Entry]:
        place = _Place(
            (*around.path, name),
            f"{around.option}.{name}" if around.option else name,
            (*around.given, name),
            around.only_if,
        )
        if not isinstance(spec, Mapping):
            self._mistake(place, f"must be a mapping, as in {_EXAMPLE}, found {short(spec)}")
            return
        for key in spec:
            if key not in ("_type", "_value"):
                guess = did_you_mean(str(key)[:60], ("_type", "_value"))
                why = f"key {short(key)} is unknown; allowed: _type, _value{guess}"
                self._mistake(place, why, key)
        missing = [key for key in ("_type", "_value") if key not in spec]
        for key in missing:
            self._mistake(place, f"{key} is missing, as in {_EXAMPLE}")
        if not missing:
            yield from self._typed(place, spec["_type"], spec["_value"])

    def _typed(self, place: _Place, kind: Any, value: Any) -> Iterator[Entry]:
        if isinstance(kind, str) and kind in _MISSPELT:
            kind = _MISSPELT[kind]
            self._note(place, f"read as {kind}", "_type")
        if not isinstance(kind, str) or kind not in TYPES:
            self._mistake(
                place,
                f"_type {short(kind)} is unknown; use one of: {', '.join(TYPES)}"
                f"{did_you_mean(str(kind)[:60], TYPES)}",
                "_type",
            )
        elif kind == INPUT:
            yield from self._input_choice(place, value)
        elif not isinstance(value, list):
            self._mistake(place, f"_value must be a list, found {short(value)}", "_value")
        elif kind == "choice" and any(_is_named(option) for option in value):
            yield from self._nested(place, value)
        elif kind in ("choice", LAYER):
            fields = {"type": kind, "choices": value}
            yield self._entry(place, fields, {"choices": ("_value",)}, {"choices": "_value"})
        else:
            yield from self._range(place, kind, value)

    # --- numbers --------------------------------------------------------------------------------

    def _range(self, place: _Place, kind: str, value: list[Any]) -> Iterator[Entry]:
        words = _RANGES[kind]
        if len(value) != len(words):
            self._mistake(
                place,
                f"_value of {kind} must be [{', '.join(words)}], found {short(value)}",
                "_value",
            )
            return
        numbers = [self._number(place, index, number) for index, number in enumerate(value)]
        given = dict(zip((_OURS[word] for word in words), numbers, strict=True))
        at = {_OURS[word]: ("_value", index) for index, word in enumerate(words)}
        named = {_OURS[word]: word for word in words} | {"int": "randint", "log": kind}
        fields: dict[str, Any] = {"type": "float", **given}
        if kind == "randint":
            fields = self._randint(place, given)
        if "normal" in kind:
            fields["distribution"] = "normal"
        if "log" in kind:
            fields["log"] = True
        if "choices" in fields:
            at, named = {}, {}
        yield self._entry(place, fields, at, named)

    def _randint(self, place: _Place, given: Mapping[str, Any]) -> dict[str, Any]:
        low, high = given["greater_than"], given["lower_than"]
        if not (_is_whole(low) and _is_whole(high) and low < high):
            return {"type": "int", **given}  # the reader of the type reports its mistakes
        if isinstance(low, float) or isinstance(high, float):
            self._note(place, f"read as the whole numbers {int(low)} and {int(high)}", "_value")
        if high - low == 1:
            return {"type": "choice", "choices": [int(low)]}
        return {"type": "int", "greater_than": int(low), "lower_than": int(high) - 1}

    def _number(self, place: _Place, index: int, value: Any) -> Any:
        """Return a number for a text such as "1e-4", which YAML readers take for a word."""
        if isinstance(value, str) and _EXPONENT.match(value):
            self._note(place, f"the word {value!r} is read as a number", "_value", index)
            return float(value)
        return value

    # --- choices --------------------------------------------------------------------------------

    def _nested(self, place: _Place, options: list[Any]) -> Iterator[Entry]:
        names: list[str | int | float] = []
        once: dict[str, tuple[int, Any]] = {}
        for index, option in enumerate(options):
            once.setdefault(repr(option), (index, option))
        if len(once) < len(options):
            self._note(place, "_value repeats an option, which is kept once", "_value")
        for index, option in once.values():
            name = option.get("_name") if isinstance(option, Mapping) else None
            if not isinstance(name, (str, int, float)) or isinstance(name, bool):
                self._mistake(
                    place,
                    f"_value[{index}] must be a mapping with a _name (a word or number), like "
                    f"other options here; found {short(option)}",
                    "_value", index,
                )  # fmt: skip
            elif name in names:
                self._mistake(
                    place,
                    f"_name {name!r} appears twice; names must be unique",
                    "_value", index, "_name",
                )  # fmt: skip
            else:
                names.append(name)
        if len(names) < len(once):
            return
        at: dict[str, Path_] = {"choices": ("_value",)}
        inside = _Place(place.path, place.option, (*place.given, "_name"), place.only_if)
        entry = self._entry(
            inside, {"type": "choice", "choices": names}, at, {"choices": "_value"}
        )
        yield entry
        assert entry.keys is not None
        called = entry.keys["name"]
        for name, (index, option) in zip(names, once.values(), strict=True):
            yield from self.level(
                option,
                _Place(
                    (*place.path, "_value", index),
                    f"{called}.{name}",
                    place.given,
                    {called: name},
                ),
            )

    def _input_choice(self, place: _Place, value: Any) -> Iterator[Entry]:
        if not isinstance(value, Mapping) or set(value) != {"candidates", "n_chosen"}:
            self._mistake(
                place,
                "_value of input_choice must be a mapping of candidates and n_chosen, found "
                f"{short(value)}",
                "_value",
            )
            return
        fields = {"type": INPUT, "choices": value["candidates"], "n_chosen": value["n_chosen"]}
        at: dict[str, Path_] = {
            "choices": ("_value", "candidates"),
            "n_chosen": ("_value", "n_chosen"),
        }
        yield self._entry(place, fields, at, {"choices": "candidates"})

    # --- all of them ----------------------------------------------------------------------------

    def _entry(
        self,
        place: _Place,
        fields: Mapping[str, Any],
        at: Mapping[str, Sequence[str | int]],
        words: Mapping[str, str],
    ) -> Entry:
        called = self._called(place)
        keys: dict[str, Any] = {"name": called, **fields}
        if place.given != (called,):
            keys["path"] = list(place.given)
        if place.only_if is not None:
            keys["only_if"] = dict(place.only_if)
        places: dict[str, Path_] = {key: (*place.path, *deeper) for key, deeper in at.items()}
        return Entry(keys, place.path, _label(place), {"name": place.path, **places}, words)

    def _called(self, place: _Place) -> str:
        """Return a unique name that can be an option."""
        plain = re.sub(r"[^A-Za-z0-9_.-]", "_", place.option)
        if not re.match(r"[A-Za-z_]", plain):
            plain = f"_{plain}"
        called, number = plain, 2
        while called in self._taken:
            called, number = f"{plain}_{number}", number + 1
        self._taken.add(called)
        if called != place.option:
            self._note(place, f"is --{called} on the command line and {called} in the tables")
        return called

    def _mistake(self, place: _Place, why: str, *deeper: str | int) -> None:
        self._findings.mistake((*place.path, *deeper), f"{_label(place)}: {why}")

    def _note(self, place: _Place, why: str, *deeper: str | int) -> None:
        self._findings.note((*place.path, *deeper), f"{_label(place)}: {why}")


def _label(place: _Place) -> str:
    return ".".join(str(key) for key in place.path if key != "_value")


def _is_named(option: Any) -> bool:
    return isinstance(option, Mapping) and "_name" in option


def _is_whole(value: Any) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and float(value).is_integer()
