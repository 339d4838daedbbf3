"""What is in the way of a run is said once, not every time it is looked at."""

from __future__ import annotations

from collections.abc import Callable


class Notices:
    """Tells of hindrances by subject: when one begins, and when it is over.

    Args:
        tell: takes a sentence for the person at the console.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._hindered: set[str] = set()

    def begin(self, subject: str, sentence: str) -> None:
        """Say it, unless `subject` is hindered already."""
        if subject not in self._hindered:
            self._hindered.add(subject)
            self._tell(sentence)

    def end(self, subject: str, sentence: str = "") -> None:
        """Say it, if anything, where `subject` was hindered until now."""
        if subject in self._hindered:
            self._hindered.remove(subject)
            if sentence:
                self._tell(sentence)
