"""A reader of manifests, field by field, that reports every field that is not used.

A field that cannot be used becomes a mistake, and one that changes nothing a note, each with
file, line, column and full name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from autofinetune.errors import ConfigError, did_you_mean
from autofinetune.space import Document
from autofinetune.space.base import is_number
from autofinetune.space.fields import short
from autofinetune.space.yaml_values import Path_

from .file import File

NO_EFFECT = "has no effect here"
LATER = "is not available yet, and not read"
CONSTANTS = "constants"  # an entry of the options: what trials get besides hyperparameters


class Section:
    """One mapping of a manifest, at `path`, whose fields are taken one by one.

    `value` is None if it is missing, so that its fields may be. With `is_loose`, case and
    underscores in field names are ignored.
    """

    def __init__(self, file: File, value: Any, path: Path_, *, is_loose: bool = False) -> None:
        self.file = file
        self.path = path
        self._is_loose = is_loose
        self._spelt: dict[str, str] = {}
        self._known: list[str] = []
        self._is_absent = value is None
        if value is None:
            value = {}
        if not isinstance(value, Mapping):
            label = self.label() or "the file"
            file.mistake(path, f"{label} must be a mapping, found {short(value)}")
            value = {}
        self.value: Mapping[str, Any] = value
        for key in value:
            plain = self._plain(key)
            if plain in self._spelt:
                file.mistake((*path, key), f"{key} and {self._spelt[plain]} are the same field")
            self._spelt[plain] = key

    def _plain(self, name: str) -> str:
        return name.replace("_", "").lower() if self._is_loose else name

    def __contains__(self, name: str) -> bool:
        plain = self._plain(name)
        return plain in self._spelt and self.value[self._spelt[plain]] is not None

    def place(self, name: str) -> Path_:
        """Return the place of a field."""
        return (*self.path, self._spelt.get(self._plain(name), name))

    def label(self, name: str = "") -> str:
        """Return the name of a field for messages."""
        return label_of(self.place(name) if name else self.path)

    def mistake(self, name: str, why: str) -> None:
        self.file.mistake(self.place(name), f"{self.label(name)} {why}")

    def note(self, name: str, why: str) -> None:
        self.file.note(self.place(name), f"{self.label(name)} {why}")

    def refuse(self, name: str, why: str, *remedy: str) -> None:
        """Record a mistake in a part of the file that an option, the `remedy`, can replace."""
        self.mistake(name, why)
        self.file.remedies += remedy

    def gives(self, option: str, name: str) -> None:
        """Record that an option of the run comes from this field."""
        if name in self:
            self.file.origins[option] = self.place(name)

    # --- fields ---------------------------------------------------------------------------------

    def take(self, name: str) -> Any:
        """Return the value of a field, or None if it is absent."""
        self.skip(name)
        return self.value[str(self.place(name)[-1])] if name in self else None

    def skip(self, *names: str) -> None:
        """Accept fields without reading them."""
        self._known += names

    def text(self, name: str, *, needed: str = "") -> str | None:
        """Return non-empty text; `needed` is the advice shown if it is missing."""
        value = self.take(name)
        if value is None:
            self._is_needed(name, needed)
        elif isinstance(value, str) and value.strip() and "\0" not in value:
            return value
        else:
            self.mistake(name, f"must be a word, found {short(value)}")
        return None

    def whole(self, name: str, least: int = 1, most: int = 1_000_000) -> int | None:
        value = self.take(name)
        if value is None:
            return None
        if type(value) in (int, float) and least <= value <= most and value == int(value):
            return int(value)
        self.mistake(name, f"must be a whole number from {least} to {most}, found {short(value)}")
        return None

    def number(self, name: str) -> float | None:
        value = self.take(name)
        if value is None:
            return None
        if is_number(value):
            return float(value)
        self.mistake(name, f"must be a finite number, found {short(value)}")
        return None

    def words(self, name: str) -> list[str]:
        """Return a list of words, empty if it is absent; numbers and booleans become words."""
        value = self.take(name)
        if value is None:
            return []
        if isinstance(value, list) and all(isinstance(word, (str, int, float)) for word in value):
            words = [self.written(word, name, index) for index, word in enumerate(value)]
            if not any("\0" in word for word in words):
                return words
        self.mistake(name, f"must be a list of words, found {short(value)}")
        return []

    def written(self, value: Any, *place: str | int) -> str:
        """Return a word or number as written in the file, such as `010` or `1e3`."""
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return self.file.document.written.get((*self.path, *place), text)

    def one_of(self, name: str, allowed: Iterable[str], needed: str = "") -> str | None:
        """Return the allowed word in a field in lower case."""
        word = self.text(name, needed=needed)
        if word is None or word.lower() in allowed:
            return word and word.lower()
        guess = did_you_mean(word.lower()[:60], allowed)
        self.mistake(name, f"{short(word)} is unknown; use one of: {', '.join(allowed)}{guess}")
        return None

    def section(self, name: str, *, needed: str = "") -> Section:
        """Return the mapping in a field, or an empty one if it is absent."""
        value = self.take(name)
        if value is None or value == {}:
            self._is_needed(name, needed)
            value = None
        return Section(self.file, value, self.place(name), is_loose=self._is_loose)

    def sections(self, name: str, *, needed: str = "") -> Iterator[Section]:
        """Yield the mappings of a list in a field."""
        value = self.take(name)
        if isinstance(value, list) and (value or not needed):
            for index, one in enumerate(value):
                yield Section(self.file, one, (*self.place(name), index), is_loose=self._is_loose)
        elif value is not None:
            self.mistake(name, f"must be a list of mappings, found {short(value)}")
        else:
            self._is_needed(name, needed)

    def _is_needed(self, name: str, why: str) -> None:
        if why and not self._is_absent:
            self.mistake(name, f"is missing; {why}")

    def data(self, name: str) -> Document | None:
        """Return the document in a field: a mapping, or a mapping as JSON text."""
        value = self.take(name)
        if value is None:
            return None
        try:
            read = self.file.inner if isinstance(value, str) else self.file.part
            document = read(self.place(name), value)
        except ConfigError as error:
            self.file.mistakes += error.mistakes
            return None
        if isinstance(document.value, Mapping):
            return document
        self.mistake(name, f"must be a mapping, or one as JSON, found {short(value)}")
        return None

    def folder(self, name: str) -> Path:
        """Return the directory in a field, relative to that of the file, which is the default."""
        value = self.text(name)
        found = self.file.folder / Path(value or "").expanduser()
        if value and self.file.check_files and not found.is_dir():
            self.mistake(name, f"{short(value)}: there is no directory {found} on this machine")
        return found

    # --- what is left ---------------------------------------------------------------------------

    def no_effect(self, *names: str, why: str = NO_EFFECT) -> None:
        """Add notes for known fields that change nothing."""
        self.skip(*names)
        for name in names:
            if name in self:
                self.note(name, why)

    def rest(self) -> None:
        """Add notes for unknown fields."""
        known = {self._plain(name) for name in self._known}
        for plain, key in self._spelt.items():
            if plain not in known:
                guess = did_you_mean(key[:60], self._known)
                self.note(key, f"is unknown here and not read{guess}")


def label_of(path: Path_) -> str:
    """Return the name of a field for messages, such as `spec.tasks[0].replicas`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.lstrip(".")[:200]


def seconds_of(section: Section, name: str) -> float | None:
    """Return a duration such as `90`, `1.5h` or `30m` in seconds, or None if it is absent."""
    value = section.take(name)
    if value is None:
        return None
    text = str(value).strip()
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*([smhd]?)", text)
    length = float(found[1]) * _UNITS[found[2]] if found and len(text) < 100 else 0.0
    if length > 0 and not isinstance(value, bool):
        return length
    why = f"must be a duration such as 7200, 90s, 30m, 2h or 1.5d, found {short(value)}"
    section.mistake(name, why)
    return None


_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
