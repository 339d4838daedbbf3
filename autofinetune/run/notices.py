"""Report an obstacle once, not at every check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Notices:
    """Reports obstacles by subject: when one appears, and when it is gone."""

    tell: Callable[[str], None]
    _hindered: set[str] = field(default_factory=set)

    def begin(self, subject: str, sentence: str) -> None:
        """Report an obstacle, unless one is already known for `subject`."""
        if subject not in self._hindered:
            self._hindered.add(subject)
            self.tell(sentence)

    def end(self, subject: str, sentence: str = "") -> None:
        """Clear the obstacle of `subject`; if there was one, report `sentence` if given."""
        if subject in self._hindered:
            self._hindered.remove(subject)
            if sentence:
                self.tell(sentence)
