"""The fields of one parameter in a file, and a list of what is wrong with them.

Every format is read in the words of hparam.yaml, so that there is one set of rules; an `Entry`
knows where each field really stands and what its format calls it, so that a mistake is told in the
words of the file.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .yaml_file import Document, Path_

# The last letters of those in it, and the plus signs before it, are those of Hydra's overrides.
NAME = re.compile(r"\+{0,2}[A-Za-z_][A-Za-z0-9_.@/-]{0,127}\Z")
_LARGEST_INT = 2**53  # beyond it a float cannot hold every integer


@dataclass(frozen=True)
class Entry:
    """One parameter.

    Args:
        keys: its fields in the words of hparam.yaml; None where it is no mapping.
        path: where it stands in the document.
        label: what a mistake in it is headed by.
        places: where the fields stand that are not at `path` under their own name.
        words: what the format calls fields and types.
        is_own: whether it stands in an hparam.yaml, which must give `init_value` and must not
            name a choice twice; elsewhere the middle of the distribution and a note do.
    """

    keys: Mapping[str, Any] | None
    path: Path_
    label: str
    places: Mapping[str, Path_] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)
    is_own: bool = False


class Findings:
    """What a reader found in a document besides parameters."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.mistakes: list[str] = []
        self.notes: list[str] = []

    def within(self, document: Document) -> Findings:
        """The same lists, for what is found in a document inside."""
        inner = Findings(document)
        inner.mistakes, inner.notes = self.mistakes, self.notes
        return inner

    def mistake(self, path: Path_, why: str) -> None:
        """Something that must be mended."""
        self.mistakes.append(one_line(f"{self.document.where(path)} {why}"))

    def note(self, path: Path_, why: str) -> None:
        """Something that is read in another way than one might think."""
        self.notes.append(one_line(f"{self.document.where(path)} {why}"))


class Fields:
    """Reads the fields of an entry; whatever is wrong becomes a mistake, and None is returned."""

    def __init__(self, entry: Entry, findings: Findings) -> None:
        self.entry = entry
        self.keys: Mapping[str, Any] = entry.keys or {}
        self.failed = False
        self._findings = findings

    def word(self, key: str) -> str:
        """What the format calls a field or a type."""
        return self.entry.words.get(key, key)

    def mistake(self, key: str | None, why: str, *deeper: str | int) -> None:
        self.failed = True
        self._findings.mistake(self._place(key, deeper), f"{self.entry.label}: {why}")

    def note(self, key: str | None, why: str) -> None:
        self._findings.note(self._place(key, ()), f"{self.entry.label}: {why}")

    def _place(self, key: str | None, deeper: tuple[str | int, ...]) -> Path_:
        if key is None:
            return self.entry.path
        return self.entry.places.get(key, (*self.entry.path, key)) + deeper

    def number(self, key: str, kind: str) -> float | int | None:
        """A finite number; a whole one for kind `int`."""
        value, word = self.keys.get(key), self.word(key)
        if key not in self.keys:
            self.mistake(None, f"{word} is missing; give a number")
        elif isinstance(value, bool) or not isinstance(value, (int, float)):
            self.mistake(key, f"{word} must be a number, found {short(value)}")
        elif isinstance(value, float) and not math.isfinite(value):
            self.mistake(key, f"{word} must be finite, found {value}")
        elif kind == "int" and value != int(value):
            self.mistake(
                key, f"{word} must be a whole number for type {self.word(kind)}, found {value}"
            )
        elif kind == "int" and abs(value) > _LARGEST_INT:
            self.mistake(key, f"{word} must be between -2^53 and 2^53, found {short(value)}")
        else:
            return self._as_kind(key, value, kind)
        return None

    def _as_kind(self, key: str, value: float | int, kind: str) -> float | int | None:
        try:
            return int(value) if kind == "int" else float(value)
        except OverflowError:
            self.mistake(key, f"{self.word(key)} is too large for a float")
            return None

    def positive(self, key: str, kind: str) -> float | int | None:
        """A number above 0."""
        value = self.number(key, kind)
        if value is not None and value <= 0:
            self.mistake(key, f"{self.word(key)} must be above 0, found {value}")
            return None
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        value = self.keys.get(key, default)
        if not isinstance(value, bool):
            self.mistake(key, f"{self.word(key)} must be true or false, found {short(value)}")
            return default
        return value


def one_line(text: str) -> str:
    """A text out of a file, with whatever would begin a line or steer a terminal written out."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def short(value: object) -> str:
    """A value for a message, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
