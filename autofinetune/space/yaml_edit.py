"""Changes values in the text of a YAML or JSON file, which keeps its comments, order and layout.

Only the text of the changed values is replaced; a new key is added at the end of its mapping, in
the style of the others. The result is parsed again and compared with what was meant, so that no
unusual layout leads to a wrong file.
"""

from __future__ import annotations

import contextlib
import copy
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from autofinetune.errors import ConfigError

from .fields import short
from .yaml_file import LOADER, Document, as_pyyaml_reads, parse_yaml
from .yaml_values import Path_, plain_value

_PROPERTIES = re.compile(r"(?:[&!][^\s,\]}]*\s+)+")  # an anchor or a tag before a value
_WORD = re.compile(r"[A-Za-z_./][\w./-]*\Z", re.ASCII)


@dataclass
class _Node:
    """A value in the text, from character `start` to `end`; `is_flow` if it is in brackets."""

    kind: str  # scalar, mapping, sequence or alias
    start: int
    end: int
    column: int
    is_flow: bool = False
    is_block_text: bool = False  # a scalar after | or >
    keys: dict[str, _Node] = field(default_factory=dict)
    values: dict[str | int, _Node] = field(default_factory=dict)

    def last(self) -> _Node:
        """Return the value with which this one ends, itself unless it is an open collection."""
        if self.is_flow or not self.values:
            return self
        return list(self.values.values())[-1].last()


def edited(document: Document, changes: Mapping[Path_, Any]) -> str:
    """Return the text of a document with some values replaced or added.

    Args:
        document: as `parse_yaml` returned it.
        changes: the new values (plain data) by path. The parent of a new key must be a mapping, or
            empty (`key:`), which becomes one.

    Raises:
        ConfigError: a value cannot be changed alone, such as one that an alias refers to.
    """
    text = document.text
    root = _Composer(text).node()
    meant = copy.deepcopy(document.value)
    replaced: dict[tuple[int, int], str] = {}
    added: dict[Path_, dict[str, Any]] = {}
    for path, value in changes.items():
        node = _find(root, path)
        if node is not None:
            start = node.start
            if node.kind == "scalar" and (found := _PROPERTIES.match(text, start, node.end)):
                start = found.end()
            new = _as_text(value, text, is_quoted=text[start : start + 1] in ("'", '"'))
            if node.kind in ("mapping", "sequence") and not node.is_flow:
                new = f"  {new}"  # a list may stand no deeper than its key; a value must
            elif start == node.end and not text.endswith(" ", 0, start):
                new = f" {new}"
            replaced[start, node.last().end] = new
        else:
            added.setdefault(path[:-1], {})[str(path[-1])] = value
        _put(meant, path, value)
    for path, entries in added.items():
        where, new = _addition(text, root, path, entries)
        replaced[where] = new
    for (start, end), new in sorted(replaced.items(), reverse=True):
        text = text[:start] + new + text[end:]
    with contextlib.suppress(ConfigError):
        if parse_yaml(text.encode(), document.source).value == meant:
            return text
    why = "cannot be changed alone; write it without an alias (*) or a merge key (<<)"
    raise ConfigError(document.source, [f"{document.where(path)} {why}" for path in changes])


def _find(root: _Node, path: Path_) -> _Node | None:
    node: _Node | None = root
    for part in path:
        node = node.values.get(part) if node else None
    return node


def _put(value: Any, path: Path_, new: Any) -> None:
    for part in path[:-2]:
        value = value[part]
    if len(path) > 1:
        if value[path[-2]] is None:
            value[path[-2]] = {}
        value = value[path[-2]]
    value[path[-1]] = new


def _addition(
    text: str, root: _Node, path: Path_, entries: Mapping[str, Any]
) -> tuple[tuple[int, int], str]:
    """Return what to replace, and by what text, so that a mapping gets more entries."""
    node = _find(root, path)
    if node is None:  # it came with an alias or a merge key further up: found by the comparison
        return (0, 0), ""
    pairs = [f"{_as_text(key, text)}: {_as_text(value, text)}" for key, value in entries.items()]
    inside = ", ".join(pairs)
    if node.kind == "alias":
        return (node.start, node.end), f"{{<<: {text[node.start : node.end]}, {inside}}}"
    if node.kind == "scalar":
        parent = _find(root, path[:-1]) if path else None
        is_empty = node.start == node.end and text.endswith(":", 0, node.start)
        if is_empty and parent is not None and not parent.is_flow:
            key = parent.keys[str(path[-1])]
            return _lines(text, node.end, key.column + 2, pairs)
        return (node.start, node.end), f"{' ' * is_empty}{{{inside}}}"
    if node.is_flow:
        end = list(node.values.values())[-1].end if node.values else node.end - 1
        return (end, end), f"{', ' if node.values else ''}{inside}"
    last, first = node.last(), next(iter(node.keys.values()))
    if last.is_block_text:
        lines = "".join(f"{pair}{_line_end(text)}{' ' * first.column}" for pair in pairs)
        return (first.start, first.start), lines
    return _lines(text, last.end, first.column, pairs)


def _lines(text: str, after: int, indent: int, pairs: list[str]) -> tuple[tuple[int, int], str]:
    """Return pairs as lines of their own below the line of a character, whose comment stays."""
    found = re.compile(r"[\r\n]").search(text, after)
    end = found.start() if found else len(text)
    return (end, end), "".join(f"{_line_end(text)}{' ' * indent}{pair}" for pair in pairs)


def _line_end(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _is_json(text: str) -> bool:
    return text.lstrip()[:1] in ("{", "[")


def _as_text(value: Any, text: str, *, is_quoted: bool = False) -> str:
    """Return plain data as one line that YAML 1.1, YAML 1.2 and, in a JSON file, JSON read."""
    if isinstance(value, str):
        is_word = _WORD.match(value) and plain_value(value) is value
        if is_word and as_pyyaml_reads(value) is value and not (is_quoted or _is_json(text)):
            return str(value)
        if not value.isprintable():
            raise ConfigError("the new value", [f"{short(value)} has characters that are no text"])
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, float):
        if not math.isfinite(value):
            return ".nan" if math.isnan(value) else f"{'-' * (value < 0)}.inf"
        number = repr(float(value))
        # Without a point, PyYAML reads 1e-05 as text.
        return number if "e" not in number or "." in number else number.replace("e", ".0e")
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_as_text(one, text) for one in value)}]"
    if isinstance(value, Mapping):
        pairs = (f"{_as_text(key, text)}: {_as_text(one, text)}" for key, one in value.items())
        return f"{{{', '.join(pairs)}}}"
    return json.dumps(value)


class _Composer:
    """Builds nodes from the events of the parser; `parse_yaml` has limited their depth."""

    def __init__(self, text: str) -> None:
        self._events: Iterator[Any] = yaml.parse(text, LOADER)

    def node(self) -> _Node:
        """Return the next value; the first one is that of the document."""
        event = next(self._events)
        while isinstance(event, (yaml.StreamStartEvent, yaml.DocumentStartEvent)):
            event = next(self._events)
        if isinstance(event, (yaml.StreamEndEvent, yaml.DocumentEndEvent)):
            return _Node("scalar", 0, 0, 0)
        return self._node(event)

    def _node(self, event: Any) -> _Node:
        start, end = event.start_mark, event.end_mark
        node = _Node("scalar", start.index, end.index, start.column)
        if isinstance(event, yaml.AliasEvent):
            node.kind = "alias"
        elif isinstance(event, yaml.ScalarEvent):
            node.is_block_text = event.style in ("|", ">")
        elif isinstance(event, yaml.SequenceStartEvent):
            node.kind, node.is_flow = "sequence", bool(event.flow_style)
            while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
                node.values[len(node.values)] = self._node(event)
            node.end = _end(event)
        else:
            node.kind, node.is_flow = "mapping", bool(event.flow_style)
            while not isinstance(event := next(self._events), yaml.MappingEndEvent):
                node.keys[event.value] = self._node(event)
                node.values[event.value] = self._node(next(self._events))
            node.end = _end(event)
        return node


def _end(event: Any) -> int:
    index: int = event.end_mark.index
    return index
