"""Reads files of W&B and NNI as these tools do: with PyYAML, which implements YAML 1.1.

In YAML 1.1 `yes`, `no`, `on` and `off` are booleans, `010` is 8, `0x10` is 16, `1_000` is 1000 and
`1:30` is 90, where YAML 1.2 has words and decimal numbers. But `1e-3` remains a number: for PyYAML
it is a word, which these tools reject where they need a number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .fields import short
from .yaml_file import Document, as_pyyaml_reads
from .yaml_values import Path_


def as_yaml_1_1(document: Document, note: Callable[[Path_, str], None]) -> Document:
    """Return the document with values read as by PyYAML; `note` is called for each changed value.

    `written` of the result holds the unquoted values that are words.
    """
    if not document.written:
        return document
    words: dict[Path_, str] = {}

    def reread(value: Any, path: Path_) -> Any:
        if isinstance(value, dict):
            return {key: reread(inner, (*path, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [reread(inner, (*path, index)) for index, inner in enumerate(value)]
        text = document.written.get(path)
        if text is None or type(value) not in (int, float, str):
            return value
        other = as_pyyaml_reads(text)
        if other is text:
            words[path] = text
        if isinstance(value, float):
            return value
        if (type(other), other) == (type(value), value):
            return value
        note(path, f"{text[:60]} is read as {short(other)}, as in YAML 1.1")
        return other

    return Document(document.source, reread(document.value, ()), document.places, words)
