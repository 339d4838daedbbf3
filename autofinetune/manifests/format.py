"""What a format of manifests consists of; see `FORMATS` in this folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .file import File

Read = Callable[[File], dict[str, Any]]


@dataclass(frozen=True)
class Format:
    """A format, found by the keys of the file.

    Attributes:
        is_it: whether a file with this mapping at the top has the format.
        read: returns the options of a run, and adds mistakes and notes to the file.
        read_search: returns the options that concern the search, for a script that the file does
            not name; None if the format has no such use.
        is_yaml_1_1: whether the file is YAML 1.1, in which `yes` is true and `010` is 8.
    """

    is_it: Callable[[Mapping[str, Any]], bool]
    read: Read
    read_search: Read | None = None
    is_yaml_1_1: bool = False
