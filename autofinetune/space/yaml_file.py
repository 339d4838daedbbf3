"""Reads YAML, including JSON, as plain data with line numbers and without surprises.

PyYAML's own loader reads `1e-5` as a string, `1:30` as 90 and `no` as False, keeps the last of two
equal keys and expands aliases without limit. This loader builds the data from the parser's events:
numbers are decimal, booleans are `true` and `false`, `null` and `~` are None, anything else is a
string. The core tags (`!!float 1e-5`) are honoured, aliases and merge keys are expanded; duplicate
keys, other tags and multiple documents are mistakes. Size, depth and number of nodes are limited,
with every alias counted at its expanded size.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from autofinetune.errors import ConfigError, UsageError

Path_: TypeAlias = "tuple[str | int, ...]"
Place: TypeAlias = "tuple[int, int]"  # line and column, from 1
MAX_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_NODES = 20_000

_INT = re.compile(r"[+-]?[0-9]+\Z")
_FLOAT = re.compile(r"[+-]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][+-]?[0-9]+)?\Z")
_SPECIAL = {"null": None, "Null": None, "NULL": None, "~": None, "": None} | {
    word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False", "FALSE")
}
_NON_FINITE = re.compile(r"([+-]?)\.(inf|Inf|INF|nan|NaN|NAN)\Z")
# JSON, unlike YAML, escapes a character beyond 16 bits as two; escaped backslashes may precede it.
_SURROGATES = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB]..)\\u([dD][c-fC-F]..)")
_TAG = "tag:yaml.org,2002:"
_NUMBERS = {f"{_TAG}{kind}" for kind in ("bool", "int", "float")}
_SCALAR_TAGS = ("str", "int", "float", "bool", "null")
_MERGE = "<<"
_MOST_DIGITS = 400
_TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Document:
    """The data of a file (dict, list, str, int, float, bool, None) and the place of each value."""

    source: str
    value: Any
    places: dict[Path_, Place]
    written: Mapping[Path_, str] = field(default_factory=dict)
    """The text of every unquoted value, before it is read as a number, boolean or None."""

    def where(self, path: Path_) -> str:
        """Return `file:line:column` of a value, or of the innermost known value around it."""
        while path and path not in self.places:
            path = path[:-1]
        if path not in self.places:
            return self.source
        line, column = self.places[path]
        return f"{self.source}:{line}:{column}"


def read_named(path: Path, most: int) -> bytes:
    """Return at most `most` bytes of a file that the user named.

    It may be a pipe from the shell; one to which nobody writes is empty and not waited for.

    Raises:
        OSError: it cannot be read.
        ValueError: the path contains a NUL.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        os.set_blocking(descriptor, True)
        return file.read(most)


def read_yaml(path: Path) -> Document:
    """Read one YAML file.

    Raises:
        UsageError: the file cannot be read.
        ConfigError: the file is not YAML as described above; names file, line and column.
    """
    try:
        data = read_named(path, MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise UsageError(
            f"cannot read {path}: {getattr(error, 'strerror', None) or error}",
            "give the path of a YAML file that lists the hyperparameters",
        ) from None
    return parse_yaml(data, str(path))


def parse_yaml(
    data: bytes,
    source: str,
    *,
    at: Callable[[Place], Place] = lambda place: place,
    language: str = "",
) -> Document:
    """Parse bytes like `read_yaml`.

    Args:
        at: maps a line and column of `data` to its place in the source, if it is a part of one.
        language: the name for messages, `JSON` or `YAML`; by default from the suffix of `source`.
    """
    if len(data) > MAX_BYTES:
        raise ConfigError(source, [f"{source}:1:1 larger than 1 MiB; is it the right file?"])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        mistake = f"{source}:{line}:1 not UTF-8 text; save it as UTF-8"
        raise ConfigError(source, [mistake]) from None
    if text.lstrip()[:1] in ("{", "["):
        text = _SURROGATES.sub(_character, text)
    builder = _Builder(source, at)
    language = language or ("JSON" if source.endswith(".json") else "YAML")
    try:
        loader = _LOADER(text)
        try:
            while loader.check_event():
                builder.take(loader.get_event())
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        if mark and (deep := _first_too_deep(text[: mark.index])):
            raise builder.mistake(deep, _TOO_DEEP) from None
        place = _place_of(mark, text) if mark else (1, 1)
        why = error.problem or error.context
        raise builder.mistake(place, f"not valid {language}: {why}") from None
    except (yaml.YAMLError, ValueError) as error:
        why = getattr(error, "reason", None) or "unreadable character"
        raise builder.mistake(_place_of_control(text), f"not valid {language}: {why}") from None
    builder.places.setdefault((), at((1, 1)))
    return Document(source, builder.value, builder.places, builder.written)


def _character(pair: re.Match[str]) -> str:
    units = bytes.fromhex(pair[2] + pair[3])
    return pair[1] + units.decode("utf-16-be")


def as_pyyaml_reads(text: str) -> Any:
    """Return the boolean or number that PyYAML reads from a plain value, or the text itself."""
    if len(text) > _MOST_DIGITS:
        return text
    loader: Any = yaml.SafeLoader("")
    tag = loader.resolve(yaml.ScalarNode, text, (True, False))
    if tag not in _NUMBERS:
        return text
    try:
        return loader.construct_object(yaml.ScalarNode(tag, text))
    except (ValueError, OverflowError):  # such as 0x_, which looks like a number
        return text


def dump_yaml(value: Any) -> str:
    """Return plain data as YAML that `parse_yaml` reads back unchanged."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=99)


class _Dumper(yaml.SafeDumper):
    """Quotes every string that would otherwise be read back differently; writes no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _quote_where_needed(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    # PyYAML's plain and single-quoted strings lose line breaks other than \n.
    style = None if text.isprintable() and _plain_value(text) is text else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _quote_where_needed)


def _place_of(mark: yaml.Mark, text: str) -> Place:
    """Return the place of a mistake; for a truncated text its end, not the line after it."""
    lines = text.splitlines() or [""]
    if mark.line < len(lines):
        return mark.line + 1, mark.column + 1
    return len(lines), len(lines[-1]) + 1


def _first_too_deep(text: str) -> Place | None:
    """Return where the first list or mapping beyond the allowed depth begins.

    The parser reads ahead of its events, and in some versions has its own limit; it then fails
    before the events that show the depth.
    """
    depth = 0
    with contextlib.suppress(yaml.YAMLError):
        event: Any
        for event in yaml.parse(text, _LOADER):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                return event.start_mark.line + 1, event.start_mark.column + 1
    return None


def _place_of_control(text: str) -> Place:
    found = yaml.reader.Reader.NON_PRINTABLE.search(text)
    before = text[: found.start()] if found else ""
    return before.count("\n") + 1, len(before) - before.rfind("\n")


@dataclass
class _Open:
    """A list or mapping that is not closed yet; `merge` is the place of its merge key."""

    container: list[Any] | dict[str, Any]
    path: Path_
    anchor: str | None = None
    key: str | None = None
    seen: dict[str, int] = field(default_factory=dict)
    merge: Place | None = None


class _Builder:
    """Builds data from parser events iteratively, so that deep data needs no recursion."""

    def __init__(self, source: str, at: Callable[[Place], Place]) -> None:
        self.source = source
        self._at = at
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

    def take(self, event: Any) -> None:
        place = (event.start_mark.line + 1, event.start_mark.column + 1)
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise self.mistake(place, "a second document begins here; only one is allowed")
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event.anchor or "", place)
        elif isinstance(event, yaml.ScalarEvent):
            self._scalar(event, place)
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            is_mapping = isinstance(event, yaml.MappingStartEvent)
            self._check_tag(event, "map" if is_mapping else "seq", place)
            self._open({} if is_mapping else [], event.anchor, place)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            self._close()

    def _check_tag(self, event: Any, fitting: str, place: Place) -> None:
        if event.tag not in (None, "!", f"{_TAG}{fitting}"):
            raise self._wrong_tag(event.tag, place)

    def _wrong_tag(self, tag: str, place: Place) -> ConfigError:
        known = ", ".join(f"!!{name}" for name in (*_SCALAR_TAGS, "seq", "map"))
        shown = tag.replace(_TAG, "!!")[:60]
        return self.mistake(place, f"tag {shown!r} is not supported here; write a plain value, or "
                                   f"use one of: {known}")  # fmt: skip

    def _scalar(self, event: Any, place: Place) -> None:
        is_plain = event.implicit[0] and not event.style  # "" from libyaml, None from Python
        top = self._stack[-1] if self._stack else None
        if top is not None and isinstance(top.container, dict) and top.key is None:
            self._check_tag(event, "str", place)
            self._key(top, event.value, place, is_plain=is_plain)
            return
        value = _plain_value(event.value) if is_plain else event.value
        if event.tag not in (None, "!"):
            value = self._tagged(event.tag, event.value, place)
        path = self._place_value(value, place, len(event.value))
        if is_plain and event.tag is None:
            self.written[path] = event.value
        if event.anchor is not None:
            self._anchors[event.anchor], self._values[event.anchor] = path, value

    def _tagged(self, tag: str, text: str, place: Place) -> Any:
        """Return the value of a scalar with a type tag."""
        kind = tag.removeprefix(_TAG)
        if tag == kind or kind not in _SCALAR_TAGS:
            raise self._wrong_tag(tag, place)
        if kind == "str":
            return text
        value = _plain_value(text)
        if isinstance(value, str):
            value = as_pyyaml_reads(text)
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

    def _open(
        self, container: list[Any] | dict[str, Any], anchor: str | None, place: Place
    ) -> None:
        if len(self._stack) >= MAX_DEPTH:
            raise self.mistake(place, _TOO_DEEP)
        self._check_no_key(place)
        path = self._place_value(container, place)
        self._stack.append(_Open(container, path, anchor))
        if anchor is not None:  # no alias may refer to it before it is closed
            self._anchors[anchor] = path
            self._values.pop(anchor, None)

    def _check_no_key(self, place: Place) -> None:
        top = self._stack[-1] if self._stack else None
        if top is not None and isinstance(top.container, dict) and top.key is None:
            raise self.mistake(place, "a key must be a plain word, not a list, mapping or alias")

    def _close(self) -> None:
        closed = self._stack.pop()
        if closed.merge:
            self._merge(closed, closed.merge)
        if closed.anchor is not None and self._anchors[closed.anchor] == closed.path:
            self._values[closed.anchor] = closed.container

    # --- aliases and merge keys -----------------------------------------------------------------

    def _alias(self, anchor: str, place: Place) -> None:
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
            raise self.mistake(place, _TOO_DEEP)
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


def _plain_value(text: str) -> Any:
    if text in _SPECIAL:
        return _SPECIAL[text]
    if _INT.match(text):
        return int(text) if len(text) < _MOST_DIGITS else float(text)
    if _FLOAT.match(text):
        return float(text)
    found = _NON_FINITE.match(text)
    return float(found[1] + found[2]) if found else text
