"""Reads one parameter: its name, its condition, and the fields of its type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from .base import Condition, Parameter
from .choices import INPUT, LAYER, ChoiceParameter, Constant, label_of
from .fields import NAME, Entry, Fields, Findings, short, unknown
from .read_choice import read_choice, read_constant
from .read_range import read_range

Known = Mapping[str, "Parameter | Constant | None"]

RESERVED = ("saved_params_dir", "model_path", "help")
_TYPES = ("float", "int", "choice", "constant", LAYER, INPUT)
_COMMON = ("name", "type", "init_value")
_PLACE = ("only_if", "path")
_UNIFORM = ("lower_than", "greater_than", "log", "step", "round_to", "clip", "distribution")
_KEYS = {
    "uniform": (*_COMMON, *_UNIFORM, *_PLACE),
    "normal": (*_COMMON, "distribution", "mean", "deviation", "log", "round_to", *_PLACE),
    "beta": (*_COMMON, "distribution", "a", "b", "round_to", *_PLACE),
    "choice": (*_COMMON, "choices", "probabilities", *_PLACE),
    LAYER: (*_COMMON, "choices", *_PLACE),
    INPUT: (*_COMMON, "choices", "n_chosen", *_PLACE),
    "constant": ("name", "type", "value", *_PLACE),
}
_DISTRIBUTIONS = ("uniform", "normal", "beta")


def read_entry(entry: Entry, before: Known, findings: Findings) -> Parameter | Constant | None:
    """Read a parameter or constant; return None if it has mistakes.

    It may depend on a choice in `before`: what was read so far by name, None if it has mistakes.
    """
    fields = Fields(entry, findings)
    if entry.keys is None:
        fields.mistake(None, "must be a mapping with name, type, init_value, ...")
        return None
    _check_name(fields)
    kind = _kind(fields)
    if kind is None or not _check_keys(fields, kind):
        return None
    condition, path = _condition(fields, before), _path(fields)
    found: Parameter | Constant | None
    if kind == "constant":
        found = read_constant(fields)
    elif kind in ("float", "int"):
        found = read_range(fields, kind)
    else:
        found = read_choice(fields, kind)
    if found is None or fields.failed:
        return None
    if isinstance(found, Constant):
        if condition is None:
            return replace(found, path=path)
        found = found.as_choice()  # as not every trial gets it
    return replace(found, condition=condition, path=path)


def _check_name(fields: Fields) -> None:
    name = fields.keys.get("name")
    if "name" not in fields.keys:
        fields.mistake(None, "name is missing")
    elif not isinstance(name, str) or not NAME.match(name):
        allowed = "letters, digits, '_', '.', '-', '/', '@', beginning with a letter or '_'"
        why = f"cannot be an option; use {allowed}, at most 128 characters"
        fields.mistake("name", f"name {short(name)} {why}")
    elif name in RESERVED:
        fields.mistake("name", f"name {name!r} is reserved for an option of autofinetune")


def _kind(fields: Fields) -> str | None:
    kind = fields.keys.get("type")
    if "type" not in fields.keys:
        fields.mistake(None, f"type is missing; use one of: {', '.join(_TYPES)}")
    elif not isinstance(kind, str) or kind not in _TYPES:
        fields.mistake("type", f"type {unknown(kind, _TYPES)}")
    else:
        return kind
    return None


def _check_keys(fields: Fields, kind: str) -> bool:
    """Report unknown keys; return False if the distribution, and so its keys, is unknown."""
    what = kind
    if kind in ("float", "int"):
        what = fields.keys.get("distribution", "uniform")
        if what not in _DISTRIBUTIONS:
            fields.mistake("distribution", f"distribution {unknown(what, _DISTRIBUTIONS)}")
            return False
    for key in fields.keys:
        if key not in _KEYS[what]:
            of = f"type {kind}" if what in (kind, "uniform") else f"distribution {what}"
            why = unknown(key, _KEYS[what], f"is unknown for {of}; allowed")
            fields.mistake(key, f"key {why}")
    return True


def _condition(fields: Fields, before: Known) -> Condition | None:
    given = fields.keys.get("only_if")
    if given is None:
        return None
    if not isinstance(given, Mapping) or len(given) != 1:
        fields.mistake("only_if", "only_if must be one choice with its value or a list of its "
                       f"values, as in {{optimizer: sgd}}, found {short(given)}")  # fmt: skip
        return None
    ((name, value),) = given.items()
    parent = before.get(name)
    if parent is None and name in before:
        fields.failed = True  # the mistakes of the choice are reported already
        return None
    if not isinstance(parent, ChoiceParameter):
        fields.mistake("only_if", f"only_if names {short(name)}, which must be a choice "
                       "defined above")  # fmt: skip
        return None
    indices = []
    for one in _values(value, parent):
        try:
            indices.append(parent.index(label_of(one)))
        except ValueError:
            choices = ", ".join(map(short, parent.choices))
            fields.mistake("only_if", f"{short(one)} is not a choice of {name}: {choices}")
            return None
    return Condition(parent.name, tuple(sorted(set(indices))))


def _values(given: object, parent: ChoiceParameter) -> list[object]:
    """Return the values that `only_if` names; a list may itself be one of the choices."""
    if isinstance(given, list) and given and label_of(given) not in parent.choices:
        return given
    return [given]


def _path(fields: Fields) -> tuple[str, ...]:
    path = fields.keys.get("path")
    if path is None:
        return ()
    if not isinstance(path, list) or not path or not all(isinstance(key, str) for key in path):
        fields.mistake("path", f"path must be a list of keys, found {short(path)}")
        return ()
    return tuple(path)
