"""No control character reaches a terminal."""

from __future__ import annotations

import sys
import unicodedata

from autofinetune.visible import counted, visible, visible_lines


def test_text_without_control_characters_stays() -> None:
    text = "größe→é 日本 'a' \\n 🎉"
    assert visible(text) == visible_lines(text) == text


def test_control_characters_are_escaped_as_python_writes_them() -> None:
    assert visible("a\x1b[2J\n\t\r\x9b\u202e") == "a\\x1b[2J\\n\\t\\r\\x9b\\u202e"
    assert visible_lines("a\x1b\nb\tc\r") == "a\\x1b\nb\tc\\r"


def test_every_control_character_is_known() -> None:
    controls = [c for c in map(chr, range(sys.maxunicode)) if unicodedata.category(c) == "Cc"]
    assert all(visible(c) != c for c in controls)
    assert [c for c in controls if visible_lines(c) == c] == ["\t", "\n"]


def test_nouns_are_in_the_plural_unless_there_is_one() -> None:
    assert [counted(n, "trial") for n in (0, 1, 2)] == ["0 trials", "1 trial", "2 trials"]
