"""Masking of option values that look like secrets, wherever they may be shown."""

from __future__ import annotations

import re
from collections.abc import Iterable

_SECRET = re.compile(r"token|secret|passw|credential|(?:^|[_.-])key$|apikey", re.IGNORECASE)
MASK = "***"


def masked(words: Iterable[str]) -> list[str]:
    """Return the words of a command with `--api_key=...` as `--api_key=***`.

    Pass only the user's own options for train.py, never hyperparameters: a searched
    `token_dropout` is not a secret.
    """
    return [_mask(word) for word in words]


def _mask(word: str) -> str:
    name, equals, _ = word.partition("=")
    return f"{name}={MASK}" if equals and _SECRET.search(name.lstrip("-")) else word
