"""The settings of a plug-in: their names, allowed values and parsing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from autofinetune.errors import Mistake, UsageError, did_you_mean

_BOOLS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class Option:
    """One setting, of the type of its default: a bool, a whole number, a number or a word.

    `least` and `most` are the inclusive bounds of a number; `words` are the allowed words, in
    lower case. `also` holds the names of the same setting in other tools.
    """

    default: bool | int | float | str
    text: str
    least: float = -math.inf
    most: float = math.inf
    words: tuple[str, ...] = ()
    also: tuple[str, ...] = ()

    @property
    def allowed(self) -> str:
        """The allowed values, in words for messages."""
        if isinstance(self.default, bool):
            return "true or false"
        if self.words:
            return " or ".join(self.words)
        kind = "a whole number" if isinstance(self.default, int) else "a number"
        if math.isfinite(self.least) and math.isfinite(self.most):
            return f"{kind} from {self.least:g} to {self.most:g}"
        return f"{kind} of at least {self.least:g}" if math.isfinite(self.least) else kind

    def read(self, value: object) -> bool | int | float | str:
        """Parse a value from text or a number; raise ValueError if it is not allowed."""
        text = str(value).strip().lower()
        if isinstance(self.default, bool):
            if text not in _BOOLS:
                raise ValueError(text)
            return _BOOLS[text]
        if isinstance(self.default, str):
            if text not in self.words:
                raise ValueError(text)
            return text
        number = float(text)
        if isinstance(self.default, int):
            if not number.is_integer():
                raise ValueError(text)
            number = int(number)
        if not self.least <= number <= self.most or not math.isfinite(number):
            raise ValueError(text)
        return number


def read_options(
    owner: str,
    known: Mapping[str, Option],
    given: Mapping[str, object],
    *,
    flag: str = "strategy_options",
    command: str = "strategies",
) -> dict[str, Any]:
    """Return a value for every known option; raise UsageError for one that is not allowed.

    Messages name the plug-in `owner`, the option `flag` that gave them, and the `command`
    that lists them.
    """
    tip = f"autofinetune {command}   lists all options"
    values: dict[str, Any] = {name: option.default for name, option in known.items()}
    names = {alias: name for name, option in known.items() for alias in (name, *option.also)}
    for name, value in given.items():
        if name not in names:
            guess = did_you_mean(name, names)
            problem = f"{name}={value}: {owner} has no option {name!r}{guess}"
            raise UsageError(Mistake(flag, problem), tip)
        try:
            values[names[name]] = known[names[name]].read(value)
        except ValueError:
            problem = f"{name}={value}: {name} must be {known[names[name]].allowed}"
            raise UsageError(Mistake(flag, problem), tip) from None
    return values
