"""The operators of Data-Juicer: their arguments, and which of them bound a statistic.

`operators.json` is written from the real package by tools/recipe_operators.py. What a statistic
can be is no part of the package, and stands here.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

LOWER, UPPER = "lower", "upper"
_UNIT = (0.0, 1.0)
_COUNT = (0.0, math.inf)
# A statistic's smallest and largest possible value, where its name does not tell.
_DOMAINS = {
    "alpha_token_ratio": _COUNT,  # letters per token
    "aspect_ratios": _COUNT,
    "video_aspect_ratios": _COUNT,
    "audio_nmf_snr": (-math.inf, math.inf),  # dB
    "image_text_similarity": (-1.0, 1.0),  # cosines
    "image_pair_similarity": (-1.0, 1.0),
    "text_embd_similarity": (-1.0, 1.0),
    "text_pair_similarity": (-1.0, 1.0),
    "video_frames_text_similarity": (-1.0, 1.0),
    "video_motion_score": _COUNT,
    "ifd_score": _COUNT,
    "perplexity": _COUNT,
    "llm_perplexity": _COUNT,
    "in_context_influence": _COUNT,
    "llm_task_relevance": _UNIT,
}
_DOMAIN_OF_SUFFIX = {
    _UNIT: ("_ratio", "_ratios", "_score", "_scores", "_prob", "_recall"),
    _COUNT: (
        "_len", "_length", "_duration", "_sizes", "_counts", "_width", "_height", "_action",
        "_edges", "_token", "_words",
    ),
}  # fmt: skip
# Where an operator compares one of several statistics: the flag that chooses, and the choices.
_CHOSEN = {
    "alphanumeric_filter": ("tokenization", {False: "alnum_ratio", True: "alpha_token_ratio"})
}
_TYPES: Mapping[str, type] = {"int": int, "float": float, "bool": bool, "str": str}


@dataclass(frozen=True)
class Argument:
    """An argument of an operator: `type` is int, float, bool, str, or any.

    `least` and `most` are the smallest and largest value that Data-Juicer's parser takes; with
    `is_open`, the value must be above `least`.
    """

    type: str = "any"
    default: Any = None
    is_optional: bool = False
    least: float = -math.inf
    most: float = math.inf
    is_open: bool = False

    def cast(self, value: Any) -> Any:
        """Return a value with the type of the argument; a float that is whole becomes an int.

        Raise ValueError, with what is allowed, if Data-Juicer's parser would refuse it.
        """
        if self.type == "any" or (value is None and self.is_optional):
            return value
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if self.type in ("int", "float"):
            if not is_number or (self.type == "int" and not _is_whole(value)):
                raise ValueError(f"must be {'an' if self.type == 'int' else 'a'} {self.type}")
            number = _TYPES[self.type](value)
            if not self.least <= number <= self.most or (self.is_open and number == self.least):
                raise ValueError(f"must be {self._limits()}")
            return number
        if isinstance(value, _TYPES[self.type]):
            return value
        raise ValueError(f"must be a {self.type}")

    def _limits(self) -> str:
        least = f"{'above' if self.is_open else 'at least'} {self.least:g}"
        parts = [least] if self.least > -math.inf else []
        parts += [f"at most {self.most:g}"] if self.most < math.inf else []
        return " and ".join(parts)


def _is_whole(value: float) -> bool:
    return math.isfinite(value) and value == int(value)


@dataclass(frozen=True)
class Threshold:
    """An argument that bounds statistics: `side` is lower or upper.

    `stats` are the keys that the operator may compare with it, one of them at a time.
    """

    argument: str
    side: str
    stats: tuple[str, ...]


@dataclass(frozen=True)
class Known:
    """What is known of an operator; an argument that is not here is refused or ignored."""

    name: str
    arguments: Mapping[str, Argument]
    thresholds: Mapping[str, Threshold]

    def stat(self, threshold: Threshold, given: Mapping[str, Any]) -> str | None:
        """Return the statistic of a threshold for given arguments; None if it is not known."""
        if self.name in _CHOSEN:
            flag, choices = _CHOSEN[self.name]
            return choices[bool(given.get(flag, self.arguments[flag].default))]
        return threshold.stats[0] if len(threshold.stats) == 1 else None


def domain(stat: str) -> tuple[float, float]:
    """Return the smallest and largest possible value of a statistic, infinite if unknown."""
    if stat in _DOMAINS:
        return _DOMAINS[stat]
    for limits, suffixes in _DOMAIN_OF_SUFFIX.items():
        if stat.endswith(suffixes):
            return limits
    return (-math.inf, math.inf)


@functools.cache
def version() -> str:
    """Return the version of Data-Juicer that the table is from."""
    return str(_table()["version"])


@functools.cache
def known(name: str) -> Known | None:
    """Return what is known of an operator, or None if the table lacks it."""
    table = _table()
    found = table["operators"].get(name)
    if found is None:
        return None
    common = {key: one for key, one in table["common"].items() if key not in found["lacks"]}
    return from_description(name, {**found, "arguments": common | found["arguments"]})


@functools.cache
def names() -> tuple[str, ...]:
    """Return the names of all operators in the table."""
    return tuple(_table()["operators"])


def from_description(name: str, told: Mapping[str, Any]) -> Known:
    """Return an operator as `signatures.describe` tells it."""
    arguments = {
        key: Argument(
            one.get("type", "any"),
            one.get("default"),
            bool(one.get("optional")),
            float(one.get("above", one.get("least", -math.inf))),
            float(one.get("most", math.inf)),
            "above" in one,
        )
        for key, one in told["arguments"].items()
    }
    thresholds = {
        key: Threshold(key, one["side"], tuple(one["stats"]))
        for key, one in told["thresholds"].items()
    }
    return Known(name, arguments, thresholds)


@functools.cache
def _table() -> dict[str, Any]:
    text = (files("autofinetune.recipe") / "operators.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
