"""Values as the tools read them whose files these are: W&B and NNI use PyYAML, that is YAML 1.1.

There `yes`, `no`, `on` and `off` are booleans, `010` is eight, `0x10` sixteen, `1_000` a thousand
and `1:30` ninety, where YAML 1.2 has words and decimal numbers. `1e-3` stays a number, though: to
PyYAML it is a word, which these tools refuse where they need a number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .fields import short
from .yaml_file import Document, Path_, as_pyyaml_reads


def as_yaml_1_1(document: Document, note: Callable[[Path_, str], None]) -> Document:
    """The document with such values read as PyYAML reads them; each is told to `note`.

    `written` of it are the words among what stands there without quotes.
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
