"""YAML, and JSON as a part of it: plain data with line numbers, and nothing that surprises.

PyYAML's own loader reads `1e-5` as a string, `1:30` as 90, `no` as False, keeps the last of two
equal keys and follows aliases for ever. This one builds the data from the parser's events:
numbers are decimal, booleans are `true` and `false`, `null` and `~` are None, anything else is a
string; duplicate keys, aliases, tags and several documents are mistakes; size, depth and number
of nodes are bounded.
"""

from __future__ import annotations

import contextlib
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
# How JSON, unlike YAML, writes a character beyond 16 bits; a backslash before it is a pair itself.
_SURROGATES = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB]..)\\u([dD][c-fC-F]..)")
_NUMBERS = {f"tag:yaml.org,2002:{kind}" for kind in ("bool", "int", "float")}
_MOST_DIGITS = 400
_TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Document:
    """What a file says (dicts, lists, str, int, float, bool, None) and where it says it."""

    source: str
    value: Any
    places: dict[Path_, Place]
    written: Mapping[Path_, str] = field(default_factory=dict)
    """The text of every value without quotes, which may be read as a number or another word."""

    def where(self, path: Path_) -> str:
        """`file:line:column` of a value, or of the nearest one around it."""
        while path and path not in self.places:
            path = path[:-1]
        if path not in self.places:
            return self.source
        line, column = self.places[path]
        return f"{self.source}:{line}:{column}"


def read_yaml(path: Path) -> Document:
    """Read one YAML file.

    Raises:
        UsageError: the file cannot be read.
        ConfigError: it is not YAML as described above; names file, line and column.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
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
    """Like `read_yaml`, from bytes in memory.

    Args:
        at: where in its source a line and column of the text is, where it is a part of it.
        language: what to call it, `JSON` or `YAML`.
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
    """The boolean or number that PyYAML makes of a plain value; else the text itself."""
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
    """Plain data as YAML that `parse_yaml` reads back as the same data."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=99)


class _Dumper(yaml.SafeDumper):
    """Quotes every string that would be read back as something else, and never writes aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _quote_where_needed(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    # Line breaks other than \n get lost in PyYAML's plain and single-quoted strings.
    style = None if text.isprintable() and _plain_value(text) is text else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _quote_where_needed)


def _place_of(mark: yaml.Mark, text: str) -> Place:
    """Of a mistake; that of a text that ends too early is its end, not the line after it."""
    lines = text.splitlines() or [""]
    if mark.line < len(lines):
        return mark.line + 1, mark.column + 1
    return len(lines), len(lines[-1]) + 1


def _first_too_deep(text: str) -> Place | None:
    """Return where the first list or mapping below the allowed levels begins.

    The parser reads ahead of its events, and has a limit of its own in some versions; its mistake
    then comes before the events that would show the depth.
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
    """A list or mapping that is not closed yet."""

    container: list[Any] | dict[str, Any]
    path: Path_
    key: str | None = None
    seen: dict[str, int] = field(default_factory=dict)


class _Builder:
    """Turns parser events into data, iteratively, so that depth costs no recursion."""

    def __init__(self, source: str, at: Callable[[Place], Place]) -> None:
        self.source = source
        self._at = at
        self.value: Any = None
        self.places: dict[Path_, Place] = {}
        self.written: dict[Path_, str] = {}
        self._stack: list[_Open] = []
        self._documents = 0

    def mistake(self, place: Place, why: str) -> ConfigError:
        line, column = self._at(place)
        return ConfigError(self.source, [f"{self.source}:{line}:{column} {why}"])

    def take(self, event: Any) -> None:
        place = (event.start_mark.line + 1, event.start_mark.column + 1)
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise self.mistake(place, "a second document begins here; one file, one document")
        elif isinstance(event, yaml.AliasEvent):
            raise self.mistake(place, f"alias *{event.anchor} is not supported; write it out")
        elif isinstance(event, yaml.ScalarEvent):
            self._check_tag(event, place)
            self._scalar(event, place)
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            self._check_tag(event, place)
            self._open({} if isinstance(event, yaml.MappingStartEvent) else [], place)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            self._stack.pop()

    def _check_tag(self, event: Any, place: Place) -> None:
        if event.tag is not None and event.tag != "!":
            raise self.mistake(place, f"tag {event.tag!r} is not supported; write a plain value")

    def _scalar(self, event: Any, place: Place) -> None:
        plain = event.implicit[0] and not event.style  # "" from libyaml, None from Python
        top = self._stack[-1] if self._stack else None
        if top is not None and isinstance(top.container, dict) and top.key is None:
            self._key(top, event.value, place)
        elif plain:
            path = self._place_value(_plain_value(event.value), place)
            self.written[path] = event.value
        else:
            self._place_value(event.value, place)

    def _key(self, top: _Open, key: str, place: Place) -> None:
        if key == "<<":
            raise self.mistake(place, "merge keys (<<) are not supported; write the keys out")
        if key in top.seen:
            raise self.mistake(place, f"key {key!r} stands twice, first on line {top.seen[key]}")
        top.seen[key] = self._at(place)[0]
        top.key = key

    def _open(self, container: list[Any] | dict[str, Any], place: Place) -> None:
        if len(self._stack) >= MAX_DEPTH:
            raise self.mistake(place, _TOO_DEEP)
        top = self._stack[-1] if self._stack else None
        if top is not None and isinstance(top.container, dict) and top.key is None:
            raise self.mistake(place, "a key must be a plain word, not a list or a mapping")
        path = self._place_value(container, place)
        self._stack.append(_Open(container, path))

    def _place_value(self, value: Any, place: Place) -> Path_:
        if len(self.places) >= MAX_NODES:
            raise self.mistake(place, f"more than {MAX_NODES} values; is it the right file?")
        if not self._stack:
            path: Path_ = ()
            self.value = value
        else:
            path = self._add(self._stack[-1], value)
        self.places[path] = self._at(place)
        return path

    def _add(self, top: _Open, value: Any) -> Path_:
        if isinstance(top.container, list):
            top.container.append(value)
            return (*top.path, len(top.container) - 1)
        assert top.key is not None
        top.container[top.key] = value
        path, top.key = (*top.path, top.key), None
        return path


def _plain_value(text: str) -> Any:
    if text in _SPECIAL:
        return _SPECIAL[text]
    if _INT.match(text):
        return int(text) if len(text) < _MOST_DIGITS else float(text)
    if _FLOAT.match(text):
        return float(text)
    found = _NON_FINITE.match(text)
    return float(found[1] + found[2]) if found else text
