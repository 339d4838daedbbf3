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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from .base import is_number
from .choices import INPUT, LAYER
from .entry import RESERVED
from .fields import Entry, Findings, Part, short, unknown
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
_OURS = {
    "low": "greater_than", "high": "lower_than", "mu": "mean", "sigma": "deviation",
    "q": "round_to",
}  # fmt: skip
_EXPONENT = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?[eE][+-]?[0-9]+\Z")
_EXAMPLE = '{"_type": "uniform", "_value": [0, 1]}'


def is_nni(value: Any) -> bool:
    """Return whether a document looks like a search space of NNI."""
    return isinstance(value, Mapping) and any(
        isinstance(spec, Mapping) and ("_type" in spec or "_value" in spec)
        for spec in value.values()
    )


@dataclass(frozen=True)
class _Place(Part):
    """The place where a parameter is defined, and the path of its value in a trial."""

    option: str = ""  # its name as an option
    given: tuple[str, ...] = ()
    only_if: Mapping[str, Any] | None = None


def nni_entries(value: Any, findings: Findings) -> Iterator[Entry]:
    """Yield the parameters, each choice before its children."""
    return _Reader().level(value, _Place(findings, (), ""))


class _Reader:
    def __init__(self) -> None:
        self._taken = set(RESERVED)

    def level(self, space: Mapping[str, Any], place: _Place) -> Iterator[Entry]:
        for name, spec in space.items():
            if place.only_if is None or name != "_name":
                yield from self._parameter(name, spec, place)

    def _parameter(self, name: str, spec: Any, around: _Place) -> Iterator[Entry]:
        place = replace(
            around,
            path=(*around.path, name),
            label=".".join(str(key) for key in (*around.path, name) if key != "_value"),
            option=f"{around.option}.{name}" if around.option else name,
            given=(*around.given, name),
        )
        if not isinstance(spec, Mapping):
            place.mistake(f"must be a mapping, as in {_EXAMPLE}, found {short(spec)}")
            return
        for key in spec:
            if key not in ("_type", "_value"):
                why = unknown(key, ("_type", "_value"), "is unknown; allowed")
                place.mistake(f"key {why}", key)
        missing = [key for key in ("_type", "_value") if key not in spec]
        for key in missing:
            place.mistake(f"{key} is missing, as in {_EXAMPLE}")
        if not missing:
            yield from self._typed(place, spec["_type"], spec["_value"])

    def _typed(self, place: _Place, kind: Any, value: Any) -> Iterator[Entry]:
        if isinstance(kind, str) and kind in _MISSPELT:
            kind = _MISSPELT[kind]
            place.note(f"read as {kind}", "_type")
        if not isinstance(kind, str) or kind not in TYPES:
            place.mistake(f"_type {unknown(kind, TYPES)}", "_type")
        elif kind == INPUT:
            yield from self._input_choice(place, value)
        elif not isinstance(value, list):
            place.mistake(f"_value must be a list, found {short(value)}", "_value")
        elif kind == "choice" and any(isinstance(o, Mapping) and "_name" in o for o in value):
            yield from self._nested(place, value)
        elif kind in ("choice", LAYER):
            yield self._choice(place, kind, value)
        else:
            yield from self._range(place, kind, value)

    # --- numbers --------------------------------------------------------------------------------

    def _range(self, place: _Place, kind: str, value: list[Any]) -> Iterator[Entry]:
        words = _RANGES[kind]
        if len(value) != len(words):
            why = f"_value of {kind} must be [{', '.join(words)}], found {short(value)}"
            place.mistake(why, "_value")
            return
        numbers = [self._number(place, index, number) for index, number in enumerate(value)]
        ours = [_OURS[word] for word in words]
        given = dict(zip(ours, numbers, strict=True))
        at: dict[str, Path_] = {key: ("_value", index) for index, key in enumerate(ours)}
        named = dict(zip(ours, words, strict=True)) | {"int": "randint", "log": kind}
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
        are_whole = all(is_number(end) and float(end).is_integer() for end in (low, high))
        if not are_whole or low >= high:
            return {"type": "int", **given}  # the reader of the type reports its mistakes
        if isinstance(low, float) or isinstance(high, float):
            place.note(f"read as the whole numbers {int(low)} and {int(high)}", "_value")
        if high - low == 1:
            return {"type": "choice", "choices": [int(low)]}
        return {"type": "int", "greater_than": int(low), "lower_than": int(high) - 1}

    def _number(self, place: _Place, index: int, value: Any) -> Any:
        """Return a number for a text such as "1e-4", which YAML readers take for a word."""
        if isinstance(value, str) and _EXPONENT.match(value):
            place.note(f"the word {value!r} is read as a number", "_value", index)
            return float(value)
        return value

    # --- choices --------------------------------------------------------------------------------

    def _nested(self, place: _Place, options: list[Any]) -> Iterator[Entry]:
        names: list[str | int | float] = []
        once: dict[str, tuple[int, Any]] = {}
        for index, option in enumerate(options):
            once.setdefault(repr(option), (index, option))
        if len(once) < len(options):
            place.note("_value repeats an option, which is kept once", "_value")
        for index, option in once.values():
            name = option.get("_name") if isinstance(option, Mapping) else None
            if not isinstance(name, (str, int, float)) or isinstance(name, bool):
                why = "must be a mapping with a _name (a word or number), like other options here"
                place.mistake(f"_value[{index}] {why}; found {short(option)}", "_value", index)
            elif name in names:
                why = f"_name {name!r} appears twice; names must be unique"
                place.mistake(why, "_value", index, "_name")
            else:
                names.append(name)
        if len(names) < len(once):
            return
        entry = self._choice(replace(place, given=(*place.given, "_name")), "choice", names)
        yield entry
        assert entry.keys is not None
        called = entry.keys["name"]
        for name, (index, option) in zip(names, once.values(), strict=True):
            path = (*place.path, "_value", index)
            inside = replace(place, path=path, option=f"{called}.{name}", only_if={called: name})
            yield from self.level(option, inside)

    def _choice(self, place: _Place, kind: str, options: list[Any]) -> Entry:
        fields = {"type": kind, "choices": options}
        return self._entry(place, fields, {"choices": ("_value",)}, {"choices": "_value"})

    def _input_choice(self, place: _Place, value: Any) -> Iterator[Entry]:
        if not isinstance(value, Mapping) or set(value) != {"candidates", "n_chosen"}:
            why = "_value of input_choice must be a mapping of candidates and n_chosen"
            place.mistake(f"{why}, found {short(value)}", "_value")
            return
        fields = {"type": INPUT, "choices": value["candidates"], "n_chosen": value["n_chosen"]}
        at: dict[str, Path_] = {
            "choices": ("_value", "candidates"), "n_chosen": ("_value", "n_chosen"),
        }  # fmt: skip
        yield self._entry(place, fields, at, {"choices": "candidates"})

    # --- all of them ----------------------------------------------------------------------------

    def _entry(
        self,
        place: _Place,
        fields: Mapping[str, Any],
        at: Mapping[str, Path_],
        words: Mapping[str, str],
    ) -> Entry:
        called = self._called(place)
        keys: dict[str, Any] = {"name": called, **fields}
        if place.given != (called,):
            keys["path"] = list(place.given)
        if place.only_if is not None:
            keys["only_if"] = dict(place.only_if)
        places: dict[str, Path_] = {key: (*place.path, *deeper) for key, deeper in at.items()}
        return Entry(keys, place.path, place.label, {"name": place.path, **places}, words)

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
            place.note(f"is --{called} on the command line and {called} in the tables")
        return called
