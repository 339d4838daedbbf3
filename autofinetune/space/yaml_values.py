"""Builds the plain data of a YAML file and the place of each value; limits size and depth."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from autofinetune.errors import ConfigError

Path_: TypeAlias = "tuple[str | int, ...]"
Place: TypeAlias = "tuple[int, int]"  # line and column, from 1
_Container: TypeAlias = "list[Any] | dict[str, Any]"
MAX_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_NODES = 20_000

_INT = re.compile(r"[+-]?[0-9]+\Z")
_FLOAT = re.compile(r"[+-]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][+-]?[0-9]+)?\Z")
_SPECIAL = {"null": None, "Null": None, "NULL": None, "~": None, "": None} | {
    word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False", "FALSE")
}
_NON_FINITE = re.compile(r"([+-]?)\.(inf|Inf|INF|nan|NaN|NAN)\Z")
TAG = "tag:yaml.org,2002:"
_SCALAR_TAGS = ("str", "int", "float", "bool", "null")
_MERGE = "<<"
MOST_DIGITS = 400
TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"


@dataclass
class _Open:
    """A list or mapping that is not closed yet; `merge` is the place of its merge key."""

    container: _Container
    path: Path_
    anchor: str | None = None
    key: str | None = None
    seen: dict[str, int] = field(default_factory=dict)
    merge: Place | None = None


class Builder:
    """Builds data iteratively, so that deep data needs no recursion.

    `at` maps a line and column of the text to its place in the file `source`. `read_tagged` reads
    a text with a tag (`!!int 0x10`) that is a string without it.
    """

    def __init__(
        self, source: str, at: Callable[[Place], Place], read_tagged: Callable[[str], Any]
    ) -> None:
        self.source = source
        self._at = at
        self._read_tagged = read_tagged
        self.value: Any = None
        self.places: dict[Path_, Place] = {}
        self.written: dict[Path_, str] = {}
        self._stack: list[_Open] = []
        self._documents = 0
        self._anchors: dict[str, Path_] = {}
        self._values: dict[str, Any] = {}
        self._nodes = 0
        self._letters = 0

    def mistake(self, place: Place, why: str) -> ConfigError:
        line, column = self._at(place)
        return ConfigError(self.source, [f"{self.source}:{line}:{column} {why}"])

    def document(self, place: Place) -> None:
        """Begin a document; there may be only one."""
        self._documents += 1
        if self._documents > 1:
            raise self.mistake(place, "a second document begins here; only one is allowed")

    def _check_tag(self, tag: str | None, fitting: str, place: Place) -> None:
        if tag not in (None, "!", f"{TAG}{fitting}"):
            raise self._wrong_tag(tag, place)

    def _wrong_tag(self, tag: str, place: Place) -> ConfigError:
        known = ", ".join(f"!!{name}" for name in (*_SCALAR_TAGS, "seq", "map"))
        shown = tag.replace(TAG, "!!")[:60]
        return self.mistake(place, f"tag {shown!r} is not supported here; write a plain value, or "
                                   f"use one of: {known}")  # fmt: skip

    def scalar(
        self, text: str, place: Place, *, is_plain: bool, tag: str | None, anchor: str | None
    ) -> None:
        """Add a key or a value; a plain one has no quotes."""
        if self._awaits_key():
            self._check_tag(tag, "str", place)
            self._key(self._stack[-1], text, place, is_plain=is_plain)
            return
        value = plain_value(text) if is_plain else text
        if tag not in (None, "!"):
            value = self._tagged(tag, text, place)
        path = self._place_value(value, place, len(text))
        if is_plain and tag is None:
            self.written[path] = text
        if anchor is not None:
            self._anchors[anchor], self._values[anchor] = path, value

    def _tagged(self, tag: str, text: str, place: Place) -> Any:
        """Return the value of a scalar with a type tag."""
        kind = tag.removeprefix(TAG)
        if tag == kind or kind not in _SCALAR_TAGS:
            raise self._wrong_tag(tag, place)
        if kind == "str":
            return text
        value = plain_value(text)
        if isinstance(value, str):
            value = self._read_tagged(text)
        if kind == "float" and type(value) is int:
            return float(value)
        if type(value) is not {"int": int, "float": float, "bool": bool, "null": type(None)}[kind]:
            raise self.mistake(place, f"{text[:60]!r} is not of type !!{kind}")
        return value

    def _key(self, top: _Open, key: str, place: Place, *, is_plain: bool) -> None:
        self._letters += len(key)
        if key in top.seen:
            raise self.mistake(place, f"key {key!r} appears twice, first on line {top.seen[key]}")
        if is_plain and key == _MERGE:
            top.merge = place
        top.seen[key] = self._at(place)[0]
        top.key = key

    def open(
        self, container: _Container, place: Place, *, tag: str | None, anchor: str | None
    ) -> None:
        """Begin a list or mapping, which gets all that follows until `close`."""
        self._check_tag(tag, "map" if isinstance(container, dict) else "seq", place)
        if len(self._stack) >= MAX_DEPTH:
            raise self.mistake(place, TOO_DEEP)
        self._check_no_key(place)
        path = self._place_value(container, place)
        self._stack.append(_Open(container, path, anchor))
        if anchor is not None:  # no alias may refer to it before it is closed
            self._anchors[anchor] = path
            self._values.pop(anchor, None)

    def _awaits_key(self) -> bool:
        top = self._stack[-1] if self._stack else None
        return top is not None and isinstance(top.container, dict) and top.key is None

    def _check_no_key(self, place: Place) -> None:
        if self._awaits_key():
            raise self.mistake(place, "a key must be a plain word, not a list, mapping or alias")

    def close(self) -> None:
        closed = self._stack.pop()
        if closed.merge:
            self._merge(closed, closed.merge)
        if closed.anchor is not None and self._anchors[closed.anchor] == closed.path:
            self._values[closed.anchor] = closed.container

    # --- aliases and merge keys -----------------------------------------------------------------

    def alias(self, anchor: str, place: Place) -> None:
        """Add a copy of the value with this anchor."""
        if anchor not in self._anchors:
            raise self.mistake(place, f"alias *{anchor[:60]} has no anchor before it")
        if anchor not in self._values:
            raise self.mistake(place, f"alias *{anchor[:60]} is inside the value it refers to")
        self._check_no_key(place)
        source, depth = self._anchors[anchor], len(self._stack)
        copied = self._copy(self._values[anchor], source, self._next_path(), place, depth)
        self._add(copied)

    def _copy(self, value: Any, source: Path_, path: Path_, place: Place, depth: int) -> Any:
        """Return a copy of `value`, with the places and texts of the original at `source`."""
        if depth > MAX_DEPTH:
            raise self.mistake(place, TOO_DEEP)
        self._count(place, len(value) if isinstance(value, str) else 0)
        self.places[path] = self.places[source]
        if source in self.written:
            self.written[path] = self.written[source]

        def inside(key: str | int, one: Any) -> Any:
            return self._copy(one, (*source, key), (*path, key), place, depth + 1)

        if isinstance(value, dict):
            self._letters += sum(map(len, value))
            return {key: inside(key, one) for key, one in value.items()}
        if isinstance(value, list):
            return [inside(index, one) for index, one in enumerate(value)]
        return value

    def _merge(self, closed: _Open, place: Place) -> None:
        """Expand the merge key: own keys take precedence, then those of the first mapping."""
        assert isinstance(closed.container, dict)
        named, at = closed.container.pop(_MERGE), (*closed.path, _MERGE)
        own = dict(closed.container)
        closed.container.clear()
        several = isinstance(named, list)
        sources = [(one, (*at, i)) for i, one in enumerate(named)] if several else [(named, at)]
        for mapping, source in sources:
            if not isinstance(mapping, dict):
                raise self.mistake(place, "a merge key (<<) takes a mapping or a list of mappings")
            for key, value in mapping.items():
                if key not in own and key not in closed.container:
                    inside, path = (*source, key), (*closed.path, key)
                    depth = len(self._stack) + 1
                    closed.container[key] = self._copy(value, inside, path, place, depth)
        closed.container.update(own)

    # --- where values go ------------------------------------------------------------------------

    def _count(self, place: Place, letters: int) -> None:
        self._nodes += 1
        self._letters += letters
        if self._nodes > MAX_NODES or self._letters > MAX_BYTES:
            what = f"{MAX_NODES} values" if self._nodes > MAX_NODES else "1 MiB of text"
            by = " with aliases expanded" if self._anchors else ""
            raise self.mistake(place, f"more than {what}{by}; is it the right file?")

    def _place_value(self, value: Any, place: Place, letters: int = 0) -> Path_:
        self._count(place, letters)
        path = self._next_path()
        self._add(value)
        self.places[path] = self._at(place)
        return path

    def _next_path(self) -> Path_:
        if not self._stack:
            return ()
        top = self._stack[-1]
        if isinstance(top.container, list):
            return (*top.path, len(top.container))
        assert top.key is not None
        return (*top.path, top.key)

    def _add(self, value: Any) -> None:
        top = self._stack[-1] if self._stack else None
        if top is None:
            self.value = value
        elif isinstance(top.container, list):
            top.container.append(value)
        else:
            assert top.key is not None
            top.container[top.key] = value
            top.key = None


def plain_value(text: str) -> Any:
    if text in _SPECIAL:
        return _SPECIAL[text]
    if _INT.match(text):
        return int(text) if len(text) < MOST_DIGITS else float(text)
    if _FLOAT.match(text):
        return float(text)
    found = _NON_FINITE.match(text)
    return float(found[1] + found[2]) if found else text
