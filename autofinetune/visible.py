"""Values as text, and untrusted text made safe to show by escaping control characters."""

from __future__ import annotations

import re
from typing import Any

# C0 and C1 controls, line separators, and marks that change the writing direction.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_BUT_LINES = re.compile(_CONTROL.pattern.replace("\x00-\x1f", "\x00-\x08\x0b-\x1f"))


def visible(text: str) -> str:
    """Return text as one line, with control characters as Python escapes, such as `\\x1b`."""
    return _CONTROL.sub(_escaped, text)


def visible_lines(text: str) -> str:
    """Return text with control characters escaped except line breaks and tabs."""
    return _BUT_LINES.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    return repr(found[0])[1:-1]


def counted(number: int, what: str) -> str:
    """Return a number with a noun, such as `1 trial` or `2 trials`."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def as_text(value: Any) -> str:
    """Return a value as text that train.py can read back exactly.

    Text stays as it is; anything else becomes its repr, such as `0.1`, `True` or `[1, 2]`.
    """
    return value if isinstance(value, str) else repr(value)
