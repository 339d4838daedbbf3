"""What an objective gets and returns."""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar


@dataclass(frozen=True)
class Settings:
    """The options of all objectives, as `autofinetune recipe search --help` describes them."""

    text_key: str = "text"
    held_out: Path | None = None
    good: Path | None = None
    bad: Path | None = None
    label: str = "label"
    tokens: int = 200_000
    command: str = ""
    seed: int = 0


@dataclass(frozen=True)
class Processed:
    """The data that a recipe left.

    Attributes:
        path: the exported file.
        column: returns a field of all samples.
        before, after: the number of samples before and after.
    """

    path: Path
    column: Callable[[str], Sequence[Any]]
    before: int
    after: int

    @property
    def kept(self) -> float:
        """The share of samples that were kept; above 1 if the recipe makes new ones."""
        return self.after / self.before if self.before else 0.0

    def texts(self, key: str) -> list[str]:
        return [str(text) for text in self.column(key)] if self.after else []


class Objective(abc.ABC):
    """Scores processed data.

    `better` is 1 if higher scores are better, else -1. `imports` are the modules that it imports
    in a trial, so that they can be preloaded.
    """

    better: ClassVar[int] = 1
    imports: ClassVar[tuple[str, ...]] = ()

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @classmethod  # noqa: B027  most need nothing
    def check(cls, settings: Settings) -> None:
        """Raise UsageError or EnvironmentProblem if it cannot work, before any trial starts."""

    @abc.abstractmethod
    def score(self, processed: Processed) -> float:
        """Return the score, also of no samples at all."""
