"""Values as text, and text of strangers fit to be shown: without control characters."""

from __future__ import annotations

import re
from typing import Any

# C0 and C1 controls, line separators, and the marks that turn the direction of writing.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_BUT_LINES = re.compile(_CONTROL.pattern.replace("\x00-\x1f", "\x00-\x08\x0b-\x1f"))


def visible(text: str) -> str:
    """One line: control characters as they are written in Python, `\\x1b` for escape."""
    return _CONTROL.sub(_escaped, text)


def visible_lines(text: str) -> str:
    """The same, but line breaks and tabs stay."""
    return _BUT_LINES.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    return repr(found[0])[1:-1]


def as_text(value: Any) -> str:
    """Return a value as train.py reads it back exactly: repr of floats, True, False and None.

    Lists and mappings become Python literals.
    """
    return value if isinstance(value, str) else repr(value)
