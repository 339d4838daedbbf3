"""The `classArgs` of NNI's tuners, assessors and advisors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autofinetune.errors import did_you_mean
from autofinetune.options import Option
from autofinetune.space import Document, as_text
from autofinetune.space.fields import short
from autofinetune.space.yaml_values import Path_

from .reader import Section

DIRECTIONS = ("maximize", "minimize")


class Arguments:
    """The arguments of a section, flattened: NNI nests those of TPE in a mapping."""

    def __init__(self, section: Section, document: Document | None) -> None:
        self._label = section.label("classArgs")
        self._findings = section.file.within(document or section.file.document)
        self._inner: tuple[str, ...] = ()
        self.values: dict[str, Any] = dict(document.value) if document else {}
        inner = self.values.pop("tpe_args", None)
        if isinstance(inner, Mapping):
            self._inner = tuple(inner)
            self.values |= inner
        elif inner is not None:
            self.mistake("tpe_args", f"must be a mapping, found {short(inner)}")

    def mistake(self, name: str, why: str) -> None:
        self._findings.mistake(*self._told(name, why))

    def note(self, name: str, why: str) -> None:
        self._findings.note(*self._told(name, why))

    def _told(self, name: str, why: str) -> tuple[Path_, str]:
        path = ("tpe_args", name) if name in self._inner else (name,)
        label = ".".join((self._label, *path))[:200]
        return path, f"{label} {why}"

    def mode(self) -> str | None:
        """Take `optimize_mode`; return maximize or minimize, or None if it is not given."""
        mode = self.values.pop("optimize_mode", None)
        if mode is None:
            return None
        if isinstance(mode, str) and mode in DIRECTIONS:
            return mode
        self.mistake("optimize_mode", f"must be maximize or minimize, found {short(mode)}")
        return None

    def no_effect(self, name: str, why: str) -> None:
        """Drop a known argument that changes nothing, and add a note."""
        if self.values.pop(name, None) is not None:
            self.note(name, why)

    def checked(self, owner: str, options: Mapping[str, Option] | None) -> dict[str, str]:
        """Return the arguments of a plug-in by their given names; `options` None allows any."""
        known = by_any_name(options or {})
        found = {}
        for name, value in self.values.items():
            if value is None and name != "constant_liar_type":
                continue  # as if it were absent
            if options is not None and name not in known:
                guess = did_you_mean(name[:60], known)
                self.note(name, f"is not an argument of {owner} and not read{guess}")
                continue
            try:
                if options is not None:
                    known[name].read(value)
            except ValueError:
                self.mistake(name, f"must be {known[name].allowed}, found {short(value)}")
            found[name] = as_text(value)
        return found


def by_any_name(options: Mapping[str, Option]) -> dict[str, Option]:
    """Return options by each of their names, also those in other tools."""
    return {name: option for own, option in options.items() for name in (own, *option.also)}
