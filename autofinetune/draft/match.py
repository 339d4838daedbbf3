"""Finds the rule for the name of an option."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from autofinetune.draft.rules import (
    ALWAYS_LEFT_OUT,
    LATER,
    LEFT_OUT,
    OUTPUT,
    QUALIFIERS,
    RULES,
    Rule,
)

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def parts_of_name(name: str) -> list[str]:
    """Return the words in a name: `adam-beta1`, `optimizer.lr` and `hiddenSize` have two each."""
    words = re.split(r"[^A-Za-z0-9]+", _HUMP.sub("_", name))
    return [word.lower() for word in words if word and not word.isdigit()]


def why_left_out(name: str) -> str:
    """Return why an option with this name is no hyperparameter, or an empty text."""
    parts = parts_of_name(name)
    for words, why in ALWAYS_LEFT_OUT:
        if any(word in parts for word in words.split()):
            return why
    found = _best(parts)
    return found if isinstance(found, str) else ""


def rule_for(names: Sequence[str]) -> Rule | None:
    """Return the rule for an option with these names, the most important one of them."""
    found = [rule for name in names if isinstance(rule := _best(parts_of_name(name)), Rule)]
    return min(found, key=importance) if found else None


def place_of_output(name: str) -> int | None:
    """Return how far down `OUTPUT` an option stands that says where to save; None for others."""
    words = OUTPUT.split()
    plain = "_".join(parts_of_name(name))
    return words.index(plain) if plain in words else None


def importance(rule: Rule) -> int:
    """Return the place of a rule in the order of importance."""
    return _ORDER[id(rule)]


def is_later(rule: Rule) -> bool:
    """Return whether options of this rule should not be searched at first."""
    return importance(rule) >= len(RULES)


_ORDER = {id(rule): place for place, rule in enumerate((*RULES, *LATER))}


def _best(parts: Sequence[str]) -> Rule | str | None:
    """Return the rule, or the reason to leave it out, whose word fits best."""
    found = max(_fits(parts), key=lambda fit: fit[0], default=None)
    return None if found is None else found[1]


def _fits(parts: Sequence[str]) -> Iterator[tuple[tuple[int, int, int], Rule | str]]:
    """Yield each rule with a word in the name: how long that is, where it ends, whether exact."""
    plain = [part.rstrip("0123456789") for part in parts]
    for key, is_whole, meaning in _WORDS:
        for end in range(len(key), len(parts) + 1):
            start = end - len(key)
            if is_whole and (start, end) != (0, len(parts)):
                continue
            if isinstance(meaning, Rule) and not _QUALIFIERS.issuperset(parts[end:]):
                continue  # `lr_noise_std` is a noise
            if parts[start:end] == key:
                yield (len(key), end, 1), meaning
            elif plain[start:end] == key and len(key[-1]) > 1:
                yield (len(key), end, 0), meaning


_MEANINGS: Sequence[tuple[str, Rule | str]] = [
    *((rule.words, rule) for rule in (*RULES, *LATER)),
    *LEFT_OUT,
]
_QUALIFIERS = frozenset(QUALIFIERS.split())
_WORDS = [
    (word.removeprefix("=").split("_"), word.startswith("="), meaning)
    for words, meaning in _MEANINGS
    for word in words.split()
]
