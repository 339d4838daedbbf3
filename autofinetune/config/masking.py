"""Masking of option values that look like secrets, wherever they may be shown."""

from __future__ import annotations

import re
from collections.abc import Iterable

_SECRET = re.compile(r"token|secret|passw|credential|(?:^|[_.-])key$|apikey", re.IGNORECASE)
MASK = "***"


def masked(words: Iterable[str]) -> list[str]:
    """Return the words of a command with `--api_key=...` or `-key ...` as `--api_key=***`.

    Pass only the user's own options for train.py, never hyperparameters: a searched
    `token_dropout` is not a secret.
    """
    found: list[str] = []
    is_secret = False  # whether the next word is the value of a secret option
    for word in words:
        name, equals, _ = word.partition("=")
        names_secret = bool(_SECRET.search(name.lstrip("-")))
        if is_secret and not word.startswith("-"):
            found.append(MASK)
        else:
            found.append(f"{name}={MASK}" if equals and names_secret else word)
        is_secret = names_secret and not equals and word.startswith("-")
    return found
