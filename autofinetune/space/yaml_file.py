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
from typing import Any

import yaml

from autofinetune.errors import ConfigError, UsageError

from .yaml_values import (
    MAX_BYTES,
    MAX_DEPTH,
    MOST_DIGITS,
    TAG,
    TOO_DEEP,
    Builder,
    Path_,
    Place,
    plain_value,
)

# JSON, unlike YAML, escapes a character beyond 16 bits as two; escaped backslashes may precede it.
_SURROGATES = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB]..)\\u([dD][c-fC-F]..)")
_NUMBERS = {f"{TAG}{kind}" for kind in ("bool", "int", "float")}
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Document:
    """The data of a file (dict, list, str, int, float, bool, None) and the place of each value."""

    source: str
    value: Any
    places: dict[Path_, Place]
    written: Mapping[Path_, str] = field(default_factory=dict)
    """The text of every unquoted value, before it is read as a number, boolean or None."""
    text: str = ""

    def where(self, path: Path_) -> str:
        """Return `file:line:column` of a value, or of the innermost known value around it."""
        while path and path not in self.places:
            path = path[:-1]
        if path not in self.places:
            return self.source
        line, column = self.places[path]
        return f"{self.source}:{line}:{column}"


def read_named(path: Path, most: int) -> bytes:
    """Return at most `most` bytes of a file that the user named, which may be a pipe.

    A pipe that no process has opened for writing counts as empty. Raise OSError if it cannot be
    read, ValueError if the path contains a NUL.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        os.set_blocking(descriptor, True)
        return file.read(most)


def read_yaml(
    path: Path, *, tip: str | None = "give the path of a YAML file that lists the hyperparameters"
) -> Document:
    """Read one YAML file.

    Raise UsageError with the tip if it cannot be read, ConfigError if it is not YAML as above.
    """
    try:
        data = read_named(path, MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot read {path}: {why}", tip) from None
    return parse_yaml(data, str(path))


def parse_yaml(
    data: bytes,
    source: str,
    *,
    at: Callable[[Place], Place] = lambda place: place,
    language: str = "",
) -> Document:
    """Parse bytes like `read_yaml`; `language` is its name for messages, if not by the suffix.

    `at` maps a line and column of `data` to its place in the source, if it is a part of one.
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
    builder = Builder(source, at, as_pyyaml_reads)
    language = language or ("JSON" if source.endswith(".json") else "YAML")
    try:
        loader = LOADER(text)
        try:
            while loader.check_event():
                _take(loader.get_event(), builder)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        if mark and (deep := _first_too_deep(text[: mark.index])):
            raise builder.mistake(deep, TOO_DEEP) from None
        place = _place_of(mark, text) if mark else (1, 1)
        why = error.problem or error.context
        raise builder.mistake(place, f"not valid {language}: {why}") from None
    except (yaml.YAMLError, ValueError) as error:
        why = getattr(error, "reason", None) or "unreadable character"
        raise builder.mistake(_place_of_control(text), f"not valid {language}: {why}") from None
    builder.places.setdefault((), at((1, 1)))
    return Document(source, builder.value, builder.places, builder.written, text)


def _take(event: Any, builder: Builder) -> None:
    place = (event.start_mark.line + 1, event.start_mark.column + 1)
    if isinstance(event, yaml.DocumentStartEvent):
        builder.document(place)
    elif isinstance(event, yaml.AliasEvent):
        builder.alias(event.anchor or "", place)
    elif isinstance(event, yaml.ScalarEvent):
        is_plain = event.implicit[0] and not event.style  # "" from libyaml, None from Python
        builder.scalar(event.value, place, is_plain=is_plain, tag=event.tag, anchor=event.anchor)
    elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
        container: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
        builder.open(container, place, tag=event.tag, anchor=event.anchor)
    elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
        builder.close()


def _character(pair: re.Match[str]) -> str:
    units = bytes.fromhex(pair[2] + pair[3])
    return pair[1] + units.decode("utf-16-be")


def as_pyyaml_reads(text: str) -> Any:
    """Return the boolean or number that PyYAML reads from a plain value, or the text itself."""
    if len(text) > MOST_DIGITS:
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
    style = None if text.isprintable() and plain_value(text) is text else '"'
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
        for event in yaml.parse(text, LOADER):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:
                return event.start_mark.line + 1, event.start_mark.column + 1
    return None


def _place_of_control(text: str) -> Place:
    found = yaml.reader.Reader.NON_PRINTABLE.search(text)
    before = text[: found.start()] if found else ""
    return before.count("\n") + 1, len(before) - before.rfind("\n")
