"""One option of a script, as its source and its `--help` describe it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

Kind = Literal["float", "int", "bool", "str", ""]


class _Unknown:
    """The type of `UNKNOWN`."""

    def __repr__(self) -> str:
        return "unknown"


UNKNOWN: Final = _Unknown()
"""The value of an expression that only the running script can compute."""


@dataclass(frozen=True)
class ScriptOption:
    """An option of a script.

    Args:
        name: what stands after the dashes, as trials must write it.
        aliases: its other long names.
        kind: the type that the script gives its value; empty if that is unknown.
        default: its default value; None if it has none, `UNKNOWN` if it cannot be read.
        choices: the allowed values; empty if any is, or if they are unknown.
        text: its help text.
        obstacle: why a trial cannot set it with `--name=value`; empty if it can.
        is_required: whether the script refuses to start without it.
        command: the subcommand that it belongs to; empty for the script itself.
    """

    name: str
    aliases: tuple[str, ...] = ()
    kind: Kind = ""
    default: Any = None
    choices: tuple[Any, ...] = ()
    text: str = ""
    obstacle: str = ""
    is_required: bool = False
    command: str = ""

    @property
    def has_default(self) -> bool:
        """Whether the default is a known value other than None."""
        return self.default is not None and self.default is not UNKNOWN


FLAG = "it is a flag and takes no value"


def kind_of(value: object) -> Kind:
    """Return the kind of a value; empty for other types and None."""
    kinds: dict[type, Kind] = {float: "float", int: "int", bool: "bool", str: "str"}
    return kinds.get(type(value), "")
