"""The fields of one parameter in a file, and the mistakes found in them.

Every format is translated to the keys of hparam.yaml, so that there is one set of rules; an
`Entry` records the place of each field and its name in the file, so that mistakes are reported in
the words of the file.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from autofinetune.errors import did_you_mean

from .base import is_number
from .yaml_file import Document
from .yaml_values import Path_

# The characters @, / and - and the leading plus signs come from Hydra's overrides; # counts equal
# operators of a recipe.
NAME = re.compile(r"\+{0,2}[A-Za-z_][A-Za-z0-9_.@/#-]{0,127}\Z")
_LARGEST_INT = 2**53  # beyond it a float cannot hold every integer


@dataclass(frozen=True)
class Entry:
    """One parameter as found in a file at `path`, called `label` in messages.

    `keys` are its fields with the keys of hparam.yaml, None if it is not a mapping; `words` are
    the names of fields and types in the format of the file, and `places` those of fields that are
    not at `path` under their own name. Our own hparam.yaml (`is_own`) must give `init_value` and
    not repeat a choice. In others the initial value is the middle, and a repetition a note.
    """

    keys: Mapping[str, Any] | None
    path: Path_
    label: str
    places: Mapping[str, Path_] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)
    is_own: bool = False


class Findings:
    """The mistakes and notes of reading a document."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.mistakes: list[str] = []
        self.notes: list[str] = []

    def within(self, document: Document) -> Findings:
        """Return findings for an embedded document that share these lists."""
        inner = Findings(document)
        inner.mistakes, inner.notes = self.mistakes, self.notes
        return inner

    def mistake(self, path: Path_, why: str) -> None:
        """Report a mistake, which must be fixed."""
        self.mistakes.append(one_line(f"{self.document.where(path)} {why}"))

    def note(self, path: Path_, why: str) -> None:
        """Report something that is read differently from what one may expect."""
        self.notes.append(one_line(f"{self.document.where(path)} {why}"))


@dataclass(frozen=True)
class Part:
    """A part of a document that messages are about, and how they call it."""

    findings: Findings
    path: Path_
    label: str

    def mistake(self, why: str, *deeper: str | int) -> None:
        """Report a mistake in the part, or deeper in it."""
        self.findings.mistake((*self.path, *deeper), f"{self.label}: {why}")

    def note(self, why: str, *deeper: str | int) -> None:
        self.findings.note((*self.path, *deeper), f"{self.label}: {why}")


class Fields:
    """Reads the fields of an entry; a wrong field is reported as a mistake and read as None."""

    def __init__(self, entry: Entry, findings: Findings) -> None:
        self.entry = entry
        self.keys: Mapping[str, Any] = entry.keys or {}
        self.failed = False
        self._findings = findings

    def word(self, key: str) -> str:
        """Return the name of a field or type in the format of the file."""
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
        """Read a finite number, which must be whole for kind `int`."""
        value, word = self.keys.get(key), self.word(key)
        if key not in self.keys:
            self.mistake(None, f"{word} is missing; give a number")
        elif isinstance(value, bool) or not isinstance(value, (int, float)):
            self.mistake(key, f"{word} must be a number, found {short(value)}")
        elif isinstance(value, float) and not math.isfinite(value):
            self.mistake(key, f"{word} must be finite, found {value}")
        elif kind == "int" and value != int(value):
            kind = self.word(kind)
            self.mistake(key, f"{word} must be a whole number for type {kind}, found {value}")
        elif kind == "int" and abs(value) > _LARGEST_INT:
            self.mistake(key, f"{word} must be between -2^53 and 2^53, found {short(value)}")
        elif not is_number(value):
            self.mistake(key, f"{word} is too large for a float")
        else:
            return int(value) if kind == "int" else float(value)
        return None

    def positive(self, key: str, kind: str) -> float | int | None:
        """Read a number above 0."""
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
    """Return a text from a file with line breaks and control characters escaped."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def unknown(value: object, allowed: Iterable[str], why: str = "is unknown; use one of") -> str:
    """Return why a value is refused, with the allowed ones and that which may be meant."""
    guess = did_you_mean(str(value)[:60], allowed)
    return f"{short(value)} {why}: {', '.join(allowed)}{guess}"


def short(value: object) -> str:
    """Return a value for a message, truncated to 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
