"""Hides the values of options that look like secrets, wherever people may see them."""

from __future__ import annotations

import re
from collections.abc import Iterable

_SECRET = re.compile(r"token|secret|passw|credential|(?:^|[_.-])key$|apikey", re.IGNORECASE)
MASK = "***"


def masked(words: Iterable[str]) -> list[str]:
    """The words of a command with `--api_key=...` as `--api_key=***`.

    Only options that a person gave for train.py are passed here, never hyperparameters: a searched
    `token_dropout` is no secret.
    """
    return [_mask(word) for word in words]


def _mask(word: str) -> str:
    name, equals, _ = word.partition("=")
    return f"{name}={MASK}" if equals and _SECRET.search(name.lstrip("-")) else word
