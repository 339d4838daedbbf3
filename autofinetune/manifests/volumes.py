"""The volumes of a container, mapped to directories of this machine by `--volume NAME=DIR`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autofinetune.errors import Mistake, UsageError
from autofinetune.space.fields import short

from .reader import Section

# What may come directly before and after a path, so that it is not part of a longer name.
_BEFORE = r"(?:(?<=\bfile://)|(?<![\w./~@%+*?\])}-]))"
_AFTER = r"(?=/|\Z|[\s\"'`:;,|&()<>=\]}])"


@dataclass(frozen=True)
class Mounts:
    """The directories of a container's mount paths, and the volumes of paths without one."""

    places: Mapping[str, Path]
    missing: Mapping[str, str] = field(default_factory=dict)

    def of(self, text: str) -> str:
        """Replace each mount path in a text by its directory."""
        if not self.places:
            return text
        longest_first = sorted(self.places, key=len, reverse=True)
        pattern = f"{_BEFORE}({'|'.join(map(re.escape, longest_first))}){_AFTER}"

        def replaced(found: re.Match[str]) -> str:
            before = text[: found.start()]
            if before[-1:] in ("'", '"') and before.count(before[-1]) % 2 == 0:
                return found[0]  # the quote ends a word that the path continues
            return str(self.places[found[1]])

        return re.sub(pattern, replaced, text)

    def option_for(self, text: str) -> str:
        """Return the option that would map a path, if its volume has no directory; else empty."""
        inside = (name for path, name in self.missing.items() if f"{text}/".startswith(f"{path}/"))
        return next((f"--volume={shlex.quote(name)}=DIR" for name in inside), "")

    def unquotable(self) -> Path | None:
        """Return a directory that would need quotes in a shell line, or None."""
        found = (place for place in self.places.values() if shlex.quote(str(place)) != str(place))
        return next(found, None)


def directories(given: Mapping[str, Any]) -> dict[str, Path]:
    """Return the directory of each volume or claim in `--volume`; raise UsageError if wrong."""
    found: dict[str, Path] = {}
    for part in ",".join(given.get("volume") or ()).split(","):
        name, equals, directory = part.partition("=")
        if not part:
            continue
        if not (name and equals and directory):
            raise UsageError(Mistake("volume", "is not of the form NAME=DIR", part))
        place = Path(directory).expanduser().absolute()
        if not place.is_dir():
            raise UsageError(Mistake("volume", f": there is no directory {place}", part))
        found[name] = place
    return found


def read_volumes(pod: Section) -> dict[str, str]:
    """Return the claim of each volume of a pod by name; a volume without one has its name."""
    claims: dict[str, str] = {}
    for volume in pod.sections("volumes"):
        name = volume.text("name", needed="name the volume")
        claim = volume.section("persistentVolumeClaim").text("claimName")
        if name is not None:
            claims[name] = claim or name
    return claims


def read_mounts(container: Section, claims: Mapping[str, str]) -> Mounts:
    """Read the mounts of a container; add a note for each without a directory."""
    named = directories(container.file.given)
    places: dict[str, Path] = {}
    missing: dict[str, str] = {}
    for mount in container.sections("volumeMounts"):
        name = mount.text("name", needed="name the volume")
        path = mount.text("mountPath", needed="say where it is mounted")
        inside = mount.text("subPath")
        mount.no_effect("readOnly", "mountPropagation", "subPathExpr")
        mount.rest()
        if name is None or path is None:
            continue
        directory = named.get(name, named.get(claims.get(name, name)))
        plain = path.rstrip("/")
        if directory is None:
            missing[plain] = name
            option = f"--volume={shlex.quote(name)}=DIR sets the directory to use instead"
            mount.note("mountPath", f"{short(path)}: nothing is mounted here; {option}")
        elif plain:
            places[plain] = directory / inside if inside else directory
    return Mounts(places, missing)


def check_names(top: Section, claims: Sequence[Mapping[str, str]]) -> None:
    """Check that every name given by `--volume` is a volume or claim."""
    known = sorted({name for one in claims for pair in one.items() for name in pair})
    for name in directories(top.file.given):
        if name not in known:
            there = f"there are: {', '.join(known)}" if known else "there are none"
            top.file.mistake((), f"--volume={name}=...: there is no volume {short(name)}; {there}")
