"""The words after autofinetune's own options, which go to train.py."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from typing import Any

from autofinetune.visible import as_text

AS_TYPED = "--"
_IS_OPTION = re.compile(r"--?[A-Za-z_]")


def words(value: Any) -> tuple[str, ...]:
    """Read words for train.py from a line or a list; see `as_options`."""
    if isinstance(value, str):
        found = shlex.split(value)
    elif isinstance(value, (list, tuple)):
        found = [as_text(word) for word in value]
    else:
        needs = "options for train.py must be words or a list of words"
        raise ValueError(f"{needs}, found {value!r:.60}")
    return as_options(found)


def warm_words(value: Any) -> tuple[str, ...]:
    """Read `words`; their errors follow the option after a colon."""
    try:
        return words(value)
    except ValueError as error:
        raise ValueError(f": {error}") from None


def as_options(given: Iterable[str]) -> tuple[str, ...]:
    """Return `key value` pairs and `--key=value` words, all as `--key=value`.

    A `--key` without a value remains a flag. A first word in front of a `--key` is a subcommand of
    train.py and stays as it is. Options that are not such pairs, for instance `-c FILE` or
    `--layers 64 32`, leave all words as they were typed; a bare `--` in front does the same for
    any words and is kept as a mark. Elsewhere a bare `--` is dropped.
    A key without a value raises ValueError.
    """
    typed = tuple(given)
    if typed[:1] == (AS_TYPED,):
        return typed if len(typed) > 1 else ()
    rest = [word for word in typed if word != AS_TYPED]
    pairs = _as_pairs(rest)
    if pairs is not None:
        return pairs
    if any(map(_IS_OPTION.match, rest)):
        return tuple(rest)
    raise ValueError(
        f"{rest[-1]!r} after the options has no value; give options for train.py as pairs, such "
        "as max_seq_len 128, or put a bare -- in front of words that it takes as they are"
    )


def _as_pairs(given: Sequence[str]) -> tuple[str, ...] | None:
    found: list[str] = []
    rest = list(given)
    if len(rest) > 1 and re.match(r"[^-=][^=]*\Z", rest[0]) and rest[1].startswith("--"):
        found.append(rest.pop(0))
    while rest:
        word = rest.pop(0)
        is_option = word.startswith("--")
        if word.startswith("-") and not is_option:
            return None
        if "=" in word:
            found.append(word if is_option else f"--{word}")
        elif is_option and (not rest or rest[0].startswith("--")):
            found.append(word)
        elif not rest or _IS_OPTION.match(rest[0]) or word[:1].isdigit():
            return None
        else:
            found.append(f"--{word.removeprefix('--')}={rest.pop(0)}")
    return tuple(found)


def unmarked(words: Sequence[str]) -> Sequence[str]:
    """Return the words for train.py without the mark that they are as typed."""
    return words[1:] if tuple(words[:1]) == (AS_TYPED,) else words


def names_of(words: Iterable[str]) -> list[str]:
    """Return the names of the long options among words for train.py."""
    return [option_name(word) for word in words if word.startswith("--") and word != AS_TYPED]


def option_name(word: str) -> str:
    """Return the name in `--name=value` or `--name`."""
    return word.lstrip("-").partition("=")[0]
