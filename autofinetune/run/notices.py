"""Report an obstacle once, not at every check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Notices:
    """Reports obstacles by subject: when one appears, and when it is gone.

    `show` gets the sentences of all current obstacles whenever they change.
    """

    tell: Callable[[str], None]
    show: Callable[[tuple[str, ...]], None] = lambda sentences: None
    _hindered: dict[str, str] = field(default_factory=dict)

    def begin(self, subject: str, sentence: str) -> None:
        """Report an obstacle, unless one is already known for `subject`."""
        if subject not in self._hindered:
            self._hindered[subject] = sentence
            self.tell(sentence)
            self.show(tuple(self._hindered.values()))

    def end(self, subject: str, sentence: str = "") -> None:
        """Clear the obstacle of `subject`; if there was one, report `sentence` if given."""
        if subject in self._hindered:
            del self._hindered[subject]
            if sentence:
                self.tell(sentence)
            self.show(tuple(self._hindered.values()))
