"""A manifest as a file: its document, its directory, and what is found while reading it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autofinetune.errors import ConfigError
from autofinetune.space import Document, Space, parse_yaml, read_space, read_yaml
from autofinetune.space.fields import Findings
from autofinetune.space.formats import as_yaml_1_1
from autofinetune.space.yaml_values import Path_, Place

_LINE_END = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


class File(Findings):
    """One manifest, opened as `read_manifest` says."""

    def __init__(
        self, path: Path, *, check_files: bool, given: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(read_yaml(path, tip=None))
        self.check_files = check_files
        self.given: Mapping[str, Any] = given or {}
        self.path = path
        self.tip: str | None = None
        """What to type instead."""
        self.remedies: list[str] = []
        """Command-line options, each of which replaces a wrong part of the file."""
        self.origins: dict[str, Path_] = {}
        """The places of options whose values are checked later."""
        self.folder = path.absolute().parent

    def inner(self, path: Path_, text: str) -> Document:
        """Parse the JSON that is text at `path`, with its places in the file."""
        line, column = self.document.places[path]
        lines = _LINE_END.split(self.document.text)
        first = lines[line - 1][column - 1 :] if line <= len(lines) else ""
        before: Place | None = None
        if first.startswith("|"):
            below = next(filter(str.strip, lines[line:]), "")
            before = line, len(below) - len(below.lstrip())
        elif first.lstrip("'\"").startswith(text):
            before = line - 1, column - 1 + first.index(text)

        def at(place: Place) -> Place:
            if before is None:  # its line breaks and quotes differ from those in the file
                return line, column
            return before[0] + place[0], before[1] + place[1]

        return parse_yaml(text.encode(), self.document.source, at=at, language="JSON")

    def as_yaml_1_1(self) -> None:
        """Read values as tools that use PyYAML do."""
        self.document = as_yaml_1_1(self.document, self.note)

    def needs_script(self) -> None:
        """Set the tip to give a script, as the file names none that can be run."""
        line = f"autofinetune train.py --param_file={self.path} --gpu=auto"
        self.tip = f"give the script first: {line}"

    def part(self, path: Path_, value: Any) -> Document:
        """Return the value at `path` as a separate document."""
        places = {
            place[len(path) :]: at
            for place, at in self.document.places.items()
            if place[: len(path)] == path
        }
        return Document(self.document.source, value, places)

    def space(self, document: Document) -> Space | None:
        """Return the search space of a document, or None after recording its mistakes."""
        try:
            space = read_space(document)
        except ConfigError as error:
            self.mistakes += error.mistakes
            return None
        self.notes += space.notes
        return space
