"""The declaration of run options, and the readers of their values.

An option is declared as a field of `Config` or of one of its parts. The parser and its help, the
checks of single values, the keys of config.yaml, the arguments of `autofinetune.tune`, shell
completion and the tables in the documents are all derived from that declaration. `--help` loads
this module, so it imports nothing heavy.
"""

from __future__ import annotations

import dataclasses
import math
import os
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from autofinetune.errors import did_you_mean
from autofinetune.visible import as_text

MOST_NAME = 500  # characters
RETRY_REASONS = ("exit", "signal", "oom", "timeout", "no_result", "no_metric", "nan", "spawn",
                 "runner_lost")  # fmt: skip

STORES = ("s3", "gs", "sftp", "file", "aistore")

SEARCH = "what to search"
SCORE = "the score"
PLACES = "where to run"
TRIALS = "how trials train"
TIME = "how long"
FAILURES = "when things fail"
START = "at the start"
GROUPS = (SEARCH, SCORE, PLACES, TRIALS, TIME, FAILURES, START)

Reader = Callable[[Any], Any]
DEFAULT_RETRIES: Mapping[str, int] = {"runner_lost": 3}


# --- readers: parse text from the command line, or a value from a file --------------------------
# Each raises ValueError with the problem, worded to follow the option and its value.


def whole(least: int, most: int | None = None, note: str = "") -> Reader:
    """Read a whole number from `least` to `most`."""
    bounds = f"of at least {least}" if most is None else f"from {least} to {most}"
    limit = math.inf if most is None else most

    def read(value: Any) -> int:
        text = str(value)
        is_number = text.isascii() and text.removeprefix("-").isdigit() and len(text) < 30
        if isinstance(value, bool) or not is_number or not least <= int(text) <= limit:
            raise ValueError(f"must be a whole number {bounds}{note}")
        return int(text)

    return read


def number(*, least: float = -math.inf, is_above: bool = False, what: str = "a number") -> Reader:
    """Read a finite number of at least `least`, or above it if `is_above`."""

    def read(value: Any) -> float:
        try:
            found = math.nan if isinstance(value, bool) else float(str(value))
        except ValueError:
            found = math.nan
        if not math.isfinite(found) or found < least or (is_above and found == least):
            raise ValueError(f"must be {what}")
        return found

    return read


SECONDS = number(least=0, is_above=True, what="a number of seconds above 0")
GIGABYTES = number(least=0, what="a number of GiB of at least 0")


def one_of(*words: str) -> Reader:
    """Read one of the given words, ignoring case."""

    def read(value: Any) -> str:
        name = str(value).lower()
        if name not in words:
            raise ValueError(unknown(name, words))
        return name

    return read


def unknown(name: str, known: Iterable[str]) -> str:
    """Return the message about a name that is not among the known ones."""
    names = sorted(known)
    return f"is unknown; use one of: {', '.join(names)}{did_you_mean(name, names)}"


def text(value: Any) -> str:
    """Read any text."""
    if not isinstance(value, (str, int, float)) or isinstance(value, bool):
        raise ValueError("must be text")
    return str(value)


def store_url(value: Any) -> str:
    """Read the URL of a store: a scheme, and a place without `..`, query or password."""
    found = label(value).rstrip("/")
    scheme, _, place = found.partition("://")
    if found and (scheme not in STORES or not place.strip("/")):
        raise ValueError(f"must begin with {'://, '.join(STORES)}:// and name a place there")
    if re.match(r"[^/]*:[^/]*@", place):
        raise ValueError("must hold no password: it would be recorded with the run; docs/store.md "
                         "says where keys are read")  # fmt: skip
    if ".." in place.split("/") or re.search(r"[?#*\[\]]", place):
        raise ValueError("must be a plain URL, without `..` and without any of ?#*[]")
    if scheme == "file" and not place.startswith("/"):
        raise ValueError("must be an absolute path: file:///mnt/runs/one")
    return found


def file_name(value: Any) -> str:
    """Read the path of a file, and return it as an absolute path."""
    found = label(value)
    return os.path.abspath(os.path.expanduser(found)) if found else ""  # noqa: PTH100, PTH111


def label(value: Any) -> str:
    """Read text that fits on one line."""
    found = text(value)
    if len(found) > MOST_NAME or not found.isprintable():
        raise ValueError(f"must be a name of at most {MOST_NAME} printable characters")
    return found


def logs(value: Any) -> tuple[str, ...]:
    """Read names, a list or text with commas; `none` is no name."""
    found = value.split(",") if isinstance(value, str) else value
    if not isinstance(found, (list, tuple)) or not all(isinstance(one, str) for one in found):
        raise ValueError("must be names separated by commas")
    stripped = (one.strip() for one in found)
    return tuple(dict.fromkeys(one for one in stripped if one not in ("", "none")))


def flag(value: Any) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def pairs(value: Any) -> dict[str, str]:
    """Read `name=value,name=value`, or a mapping from a file."""
    if isinstance(value, Mapping):
        return {str(name): as_text(given) for name, given in value.items()}
    found = {}
    for part in str(value or "").replace(",", " ").split():
        name, equals, given = part.partition("=")
        if not (name and equals and given):
            raise ValueError(f"must be pairs; {part!r} is not of the form name=value")
        found[name] = given
    return found


def retries(value: Any) -> dict[str, int]:
    """Read `2` for every reason, or `oom:1,timeout:2`; `runner_lost` defaults to 3."""
    given = str(value)
    if isinstance(value, Mapping):
        given = ",".join(f"{kind}:{count}" for kind, count in value.items())
    if re.fullmatch(r"[0-9]{1,9}", given):
        return dict.fromkeys(RETRY_REASONS, int(given))
    found = dict(DEFAULT_RETRIES)
    for part in filter(None, given.split(",")):
        kind, _, count = part.partition(":")
        if kind not in RETRY_REASONS or not re.fullmatch(r"[0-9]{1,9}", count):
            raise ValueError(
                "must be a number, or pairs such as oom:1,timeout:2 of these reasons: "
                + ", ".join(RETRY_REASONS)
            )
        found[kind] = int(count)
    return found


def kept_models(value: Any) -> str:
    """Read `all`, `best` or `top:K`."""
    found = str(value)
    if not re.fullmatch(r"all|best|top:[1-9][0-9]{0,5}", found):
        raise ValueError("must be all, best, or top:K such as top:5")
    return found


def pattern(value: Any) -> str:
    """Read a regular expression with one group."""
    found = text(value)
    if len(found) > MOST_NAME:
        raise ValueError(f"must have at most {MOST_NAME} characters")
    try:
        groups = re.compile(found).groups
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"is not a regular expression: {error}") from None
    if found and groups != 1:
        raise ValueError(
            f"must have one group for the value, found {groups}; for example "
            r"'acc=([0-9.]+)'; write other groups as (?:...)"
        )
    return found


def command(value: Any) -> str:
    """Read a command as a shell would split it into words; it is run without a shell."""
    found = text(value)
    try:
        words = shlex.split(found)
    except ValueError as error:
        raise ValueError(f"cannot be split into words: {error}") from None
    if found and not (words and words[0]):
        raise ValueError("names no program")
    if "\0" in found:
        raise ValueError("must not contain a null character")
    return found


def preloaded(value: Any) -> str:
    """Read `auto`, `none` or module names."""
    found = text(value)
    return found.lower() if found.lower() in ("auto", "none") else found


@dataclass(frozen=True)
class RunOption:
    """One option of a run, with its `name` on the command line, in config.yaml and in Python.

    Args:
        metavar: the placeholder of its value in the help; empty for a flag.
        read: parses a value, or raises ValueError.
        unset: what it means not to give it; shown in place of the default.
        is_basic: whether the short help lists it.
        may_repeat: whether it may be given several times; its value is then a list.
    """

    metavar: str
    group: str
    text: str
    read: Reader
    default: Any = None
    unset: str = ""
    is_basic: bool = False
    may_repeat: bool = False
    name: str = ""

    @property
    def shown_default(self) -> str:
        """The default as it would be typed, or the meaning of leaving it out."""
        if self.default is None or self.unset:
            return self.unset
        if isinstance(self.default, Mapping):
            return ",".join(f"{key}:{value}" for key, value in self.default.items())
        if isinstance(self.default, tuple):
            return ",".join(self.default)
        value = getattr(self.default, "value", self.default)
        return f"{value:g}" if isinstance(value, float) else str(value)

    @property
    def help(self) -> str:
        """The text in `--help`."""
        default = "" if self.default is False else self.shown_default
        if default == "required":
            return f"{self.text} (required)"
        return f"{self.text} (default: {default})" if default else self.text


def option(
    metavar: str, group: str, text: str, read: Reader, default: Any = None, **more: Any
) -> Any:
    """Return a dataclass field that declares an option of a run; see `RunOption`."""
    declared = RunOption(metavar, group, text, read, default, **more)
    if declared.unset == "required":
        return dataclasses.field(metadata={"option": declared})
    if isinstance(default, Mapping):
        return dataclasses.field(default_factory=dict(default).copy, metadata={"option": declared})
    return dataclasses.field(default=default, metadata={"option": declared})


def options_of(part: type) -> list[RunOption]:
    """Return the options among the fields of a dataclass."""
    found = [(f.name, f.metadata.get("option")) for f in dataclasses.fields(part)]
    return [dataclasses.replace(one, name=name) for name, one in found if one is not None]
