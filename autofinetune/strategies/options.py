"""The settings of a strategy: what there is, what is allowed, and how text becomes a value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from autofinetune.errors import UsageError, did_you_mean

_BOOLS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class Option:
    """One setting. It has the type of its default: yes or no, a whole number, a number or a word.

    `least` and `most` bound numbers, both included; `words` are all that a word may be, in lower
    case.
    """

    default: bool | int | float | str
    text: str
    least: float = -math.inf
    most: float = math.inf
    words: tuple[str, ...] = ()

    @property
    def allowed(self) -> str:
        """What a person may give, in words."""
        if isinstance(self.default, bool):
            return "true or false"
        if self.words:
            return " or ".join(self.words)
        kind = "a whole number" if isinstance(self.default, int) else "a number"
        if math.isfinite(self.least) and math.isfinite(self.most):
            return f"{kind} from {self.least:g} to {self.most:g}"
        return f"{kind} of at least {self.least:g}" if math.isfinite(self.least) else kind

    def read(self, value: object) -> bool | int | float | str:
        """The value that text or a number stands for; raises ValueError."""
        text = str(value).strip().lower()
        if isinstance(self.default, bool):
            if text not in _BOOLS:
                raise ValueError(text)
            return _BOOLS[text]
        if isinstance(self.default, str):
            if text not in self.words:
                raise ValueError(text)
            return text
        number = int(text) if isinstance(self.default, int) else float(text)
        if not self.least <= number <= self.most or not math.isfinite(number):
            raise ValueError(text)
        return number


def read_options(
    strategy: str, known: Mapping[str, Option], given: Mapping[str, object]
) -> dict[str, Any]:
    """A value for every known option.

    Raises:
        UsageError: an unknown option, or a value that is not allowed.
    """
    tip = "autofinetune strategies   lists all options"
    values: dict[str, Any] = {name: option.default for name, option in known.items()}
    for name, value in given.items():
        if name not in known:
            guess = did_you_mean(name, known)
            raise UsageError(
                f"--strategy_options {name}={value}: {strategy} has no option {name!r}{guess}", tip
            )
        try:
            values[name] = known[name].read(value)
        except ValueError:
            raise UsageError(
                f"--strategy_options {name}={value}: {name} must be {known[name].allowed}", tip
            ) from None
    return values


OPTIMIZE_MODE: Mapping[str, Option] = {
    "optimize_mode": Option(
        "maximize", "another word for --direction", words=("maximize", "minimize")
    )
}
