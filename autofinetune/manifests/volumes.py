"""The volumes of a container as directories of this machine, named by `--volume NAME=DIR`."""

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

# What may stand right before and after a path, so that it is not a part of a longer name.
_BEFORE = r"(?:(?<=\bfile://)|(?<![\w./~@%+*?\])}-]))"
_AFTER = r"(?=/|\Z|[\s\"'`:;,|&()<>=\]}])"


@dataclass(frozen=True)
class Mounts:
    """Where the mount paths of a container are on this machine, and the volumes of the others."""

    places: Mapping[str, Path]
    missing: Mapping[str, str] = field(default_factory=dict)

    def of(self, text: str) -> str:
        """The text with each path below a mount path as the path below its directory."""
        if not self.places:
            return text
        longest_first = sorted(self.places, key=len, reverse=True)
        pattern = f"{_BEFORE}({'|'.join(map(re.escape, longest_first))}){_AFTER}"

        def replaced(found: re.Match[str]) -> str:
            before = text[: found.start()]
            if before[-1:] in ("'", '"') and before.count(before[-1]) % 2 == 0:
                return found[0]  # the quote ends a word, of which this is the rest
            return str(self.places[found[1]])

        return re.sub(pattern, replaced, text)

    def option_for(self, text: str) -> str:
        """The option that would say where a path is, if it is in a volume without a directory."""
        inside = (name for path, name in self.missing.items() if f"{text}/".startswith(f"{path}/"))
        return next((f"--volume={shlex.quote(name)}=DIR" for name in inside), "")

    def unquotable(self) -> Path | None:
        """A directory that cannot stand in a line for a shell without quotes."""
        found = (place for place in self.places.values() if shlex.quote(str(place)) != str(place))
        return next(found, None)


def directories(given: Mapping[str, Any]) -> dict[str, Path]:
    """What `--volume` says: the directory of each volume or claim.

    Raises:
        UsageError: it is not of the form NAME=DIR, or there is no such directory.
    """
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
    """Each volume of a pod by name, with its claim, or its own name where it has none."""
    claims: dict[str, str] = {}
    for volume in pod.sections("volumes"):
        name = volume.text("name", needed="name the volume")
        claim = volume.section("persistentVolumeClaim").text("claimName")
        if name is not None:
            claims[name] = claim or name
    return claims


def read_mounts(container: Section, claims: Mapping[str, str]) -> Mounts:
    """The mounts of a container; each for which there is no directory is a note."""
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
            mount.note(
                "mountPath",
                f"{short(path)}: nothing is mounted here; --volume={shlex.quote(name)}=DIR names "
                "the directory to use instead",
            )
        elif plain:
            places[plain] = directory / inside if inside else directory
    return Mounts(places, missing)


def check_names(top: Section, claims: Sequence[Mapping[str, str]]) -> None:
    """Every name given by `--volume` must be one of a volume or claim."""
    known = sorted({name for one in claims for pair in one.items() for name in pair})
    for name in directories(top.file.given):
        if name not in known:
            there = f"it has: {', '.join(known)}" if known else "it has none"
            top.file.mistake((), f"--volume={name}=...: there is no volume {short(name)}; {there}")
