"""Decides for each option of a script whether it is searched, and in which range."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from autofinetune.draft.match import importance, is_later, rule_for, why_left_out
from autofinetune.draft.option import UNKNOWN, ScriptOption, kind_of
from autofinetune.draft.rules import Rule
from autofinetune.draft.shapes import near
from autofinetune.errors import UsageError
from autofinetune.space import load_space

MOST_ACTIVE = 8  # more rarely pay within some fifty trials
_MOST_CHOICES = 40
_OVERRIDING = re.compile(r"overrid|default: *auto|if (not )?(given|set|specified|provided)", re.I)
_UNKNOWN_ORDER = 1000
_NO_RULE = "no rule knows this name"
_UNDECIDED = "without it the script decides, or another option does"


@dataclass(frozen=True)
class Entry:
    """An option with its range: the `fields` of an entry of hparam.yaml besides the name.

    `why` says why this range. With `inactive`, it is only proposed, for that reason.
    """

    option: ScriptOption
    fields: Mapping[str, Any]
    why: str
    inactive: str = ""
    order: int = _UNKNOWN_ORDER

    @property
    def is_known(self) -> bool:
        """Whether a rule knows the name of the option."""
        return self.order < _UNKNOWN_ORDER


@dataclass(frozen=True)
class Draft:
    """The entries in order of importance, and the options that are left out, with reasons."""

    entries: Sequence[Entry]
    left_out: Sequence[tuple[ScriptOption, str]]

    @property
    def active(self) -> list[Entry]:
        return [entry for entry in self.entries if not entry.inactive]


def drafted(options: Sequence[ScriptOption]) -> Draft:
    """Return the draft for a script with these options."""
    entries: list[Entry] = []
    left_out: list[tuple[ScriptOption, str]] = []
    have_defaults = _rules_with_defaults(options)
    for option in options:
        found = _entry(option, have_defaults)
        if isinstance(found, Entry) and not loads(found):
            found = "hparam.yaml cannot have this name"
        if isinstance(found, Entry):
            entries.append(found)
        else:
            left_out.append((option, found))
    entries.sort(key=lambda entry: entry.order)
    return Draft(_limited(entries), left_out)


def _rules_with_defaults(options: Sequence[ScriptOption]) -> set[int]:
    """Return the rules, by their order, of options that have a default."""
    rules = [rule_for((one.name, *one.aliases)) for one in options if one.has_default]
    return {importance(rule) for rule in rules if rule is not None}


def _entry(option: ScriptOption, have_defaults: set[int]) -> Entry | str:
    """Return the entry for an option, or why it has none."""
    names = (option.name, *option.aliases)
    if why := why_left_out(option.name):
        return why
    if option.obstacle:
        return option.obstacle
    rule = rule_for(names)
    if option.choices:
        return _of_choices(option, rule)
    if option.kind == "str":
        return "a text, whose possible values the script does not list"
    if rule is None:
        return _guessed(option)
    if isinstance(option.default, bool) and (
        rule.shape is None or rule.shape(True, False) is None
    ):
        return "a switch that no rule knows"
    return _ranged(option, rule, have_defaults)


def _of_choices(option: ScriptOption, rule: Rule | None) -> Entry | str:
    choices = list(dict.fromkeys(option.choices))
    if option.kind in ("int", "float"):
        convert = int if option.kind == "int" else float
        if not all(isinstance(one, (int, float)) for one in choices):
            return "its choices are not numbers, although it takes a number"
        choices = [convert(one) for one in choices]
    elif option.kind == "str":
        choices = [str(one) for one in choices]
    if not 2 <= len(choices) <= _MOST_CHOICES:
        return f"it has {len(choices)} choices"
    default = option.default if option.default in choices else choices[0]
    fields = {"type": "choice", "init_value": default, "choices": choices}
    if rule is None:
        return Entry(option, fields, "the choices of the script", _NO_RULE)
    inactive = "" if option.default in choices else "the script has no default for it"
    if is_later(rule):
        inactive = rule.why
    return Entry(option, fields, "the choices of the script", inactive, importance(rule))


def _ranged(option: ScriptOption, rule: Rule, have_defaults: set[int]) -> Entry | str:
    default, inactive = option.default, ""
    if not option.has_default:
        if rule.usual is None or rule.shape is None:
            return "the script has no default for it, so the middle of a range is unknown"
        default = rule.usual
        if option.default is UNKNOWN:
            inactive = "its default is computed by the script; put it in place of init_value"
        elif importance(rule) in have_defaults or _OVERRIDING.search(option.text):
            inactive = _UNDECIDED
    is_whole = option.kind == "int" or (not option.kind and kind_of(default) == "int")
    if rule.shape is None:
        return "a text, whose possible values the script does not list"
    if isinstance(default, str) or (is_whole and default != int(default)):
        return f"its default, {default!r:.40}, is not a number as its type says"
    fields = rule.shape(int(default) if is_whole and not isinstance(default, bool) else default,
                        is_whole)  # fmt: skip
    if fields is None:
        return f"no usual range contains its default, {default!r:.40}"
    why = rule.why
    if fields["type"] == "choice" and default == 0 and not isinstance(default, bool):
        why = "without it, and the usual values"
    later = rule.why if is_later(rule) else ""
    return Entry(option, fields, "" if later else why, later or inactive, importance(rule))


def _guessed(option: ScriptOption) -> Entry | str:
    """Return a proposal for a number that no rule knows."""
    if option.kind == "bool" or isinstance(option.default, bool):
        return "a switch that no rule knows"
    if option.default is UNKNOWN:
        return "its default is computed by the script"
    is_whole = option.kind == "int" or (not option.kind and kind_of(option.default) == "int")
    if isinstance(option.default, (int, float)) and option.kind in ("int", "float", ""):
        is_switch = is_whole and option.default == 1
        fields = near(int(option.default) if is_whole else option.default, is_whole)
        if fields is not None and not is_switch:
            return Entry(option, fields, "half to double", _NO_RULE)
    return "no rule knows this name, and it has no number as its default"


def _limited(entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries, of which at most `MOST_ACTIVE` are active."""
    active = [entry for entry in entries if not entry.inactive]
    kept = {id(entry) for entry in active[:MOST_ACTIVE]}
    many = f"less important than the {MOST_ACTIVE} above"
    found = [
        entry if entry.inactive or id(entry) in kept else replace(entry, inactive=many)
        for entry in entries
    ]
    return found if kept else _best_guesses(found)


def _best_guesses(entries: Sequence[Entry]) -> list[Entry]:
    """Activate what no rule is sure of, as there is nothing else."""
    for chosen in (
        [one for one in entries if not one.is_known and one.option.has_default],
        [one for one in entries if one.inactive == _UNDECIDED],
    ):
        if chosen:
            ids = set(map(id, chosen[:MOST_ACTIVE]))
            return [replace(one, inactive="") if id(one) in ids else one for one in entries]
    return list(entries)


def loads(entry: Entry) -> bool:
    """Return whether hparam.yaml may contain an entry, as it may not with every name."""
    try:
        load_space({"param_list": [described(entry)]})
    except UsageError:
        return False
    return True


def described(entry: Entry) -> dict[str, Any]:
    """Return the entry as hparam.yaml has it."""
    return {"name": entry.option.name, **entry.fields}
