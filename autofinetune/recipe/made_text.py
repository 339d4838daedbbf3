"""Text made on the spot: sentences of Python's documentation, and junk made of them.

Nothing is downloaded. The classifier of `quality_score` learns from it, and the demo and the
benchmark clean it. The text depends on the version of Python, everything else on the seed.
"""

from __future__ import annotations

import ast
import random
import re
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

_LEAST = 60  # characters of a clean text
_NO_PROSE = frozenset({"test", "tests", "idlelib", "encodings", "pydoc_data", "lib2to3", "msilib"})
_GREEK, _CYRILLIC, _HAN = range(0x3B1, 0x3CA), range(0x430, 0x450), range(0x4E00, 0x4F00)
_SIGNS = "{}[]()<>|/\\_-=+*&^%$#@~`;:.,!?0123456789"
_ENDS = ("Read more", "Click here", "Sign up now", "Share this", "All rights reserved")


def manual() -> list[str]:
    """Return the paragraphs of the language reference that `help()` shows, about 150 kB."""
    from pydoc_data.topics import topics  # half a megabyte

    return _distinct(p for name in sorted(topics) for p in _paragraphs(topics[name]))


def docstrings() -> list[str]:
    """Return the paragraphs of the docstrings of the standard library, about 700 kB."""
    root = Path(sysconfig.get_paths()["stdlib"])
    files = sorted({*root.glob("*.py"), *root.glob("*/*.py")})
    return _distinct(
        paragraph
        for file in files
        if _NO_PROSE.isdisjoint(file.relative_to(root).parts[:1])
        and "-packages" not in file.parent.name
        for text in _docstrings(file)
        for paragraph in _paragraphs(text)
    )


def _docstrings(file: Path) -> Iterator[str]:
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            yield ast.get_docstring(node) or ""


def _paragraphs(text: str) -> Iterator[str]:
    """Yield paragraphs of prose on one line each, without indented ones such as code."""
    for paragraph in re.split(r"\n\s*\n", text):
        lines = paragraph.strip("\n").splitlines()
        joined = " ".join(line.strip() for line in lines)
        is_plain = not any(line.startswith((" ", "\t", ">>>")) for line in lines)
        if is_plain and len(joined) >= _LEAST and joined[:1].isupper() and joined.endswith("."):
            yield joined


def _distinct(texts: Iterator[str]) -> list[str]:
    return list(dict.fromkeys(texts))


# --- junk ---------------------------------------------------------------------------------------


def repeated(rng: random.Random, clean: str) -> str:
    """Return a few words of a text again and again."""
    words = clean.split()
    start = rng.randrange(max(1, len(words) - 8))
    part = " ".join(words[start : start + rng.randint(1, 8)])
    return rng.choice([" ", ". ", "\n"]).join([part] * rng.randint(8, 60))


def garbage(rng: random.Random, clean: str) -> str:
    """Return a text in which many characters are signs and digits, as broken markup has them."""
    share = rng.uniform(0.15, 0.9)
    return "".join(rng.choice(_SIGNS) if rng.random() < share else c for c in clean)


def too_short(rng: random.Random, clean: str) -> str:
    """Return a few words, such as those of a button."""
    words = clean.split()[: rng.randint(1, 5)]
    return rng.choice([*_ENDS, " ".join(words), " ".join(words).upper()])


def too_long(rng: random.Random, clean: str) -> str:
    """Return a list of words in no order, without an end, as an index or a log has them."""
    words = clean.split()
    return " ".join(rng.choice(words) for _ in range(rng.randint(400, 2000)))


def other_alphabet(rng: random.Random, clean: str) -> str:
    """Return words of the same length in random letters of another alphabet."""
    letters = [chr(code) for code in rng.choice([_GREEK, _CYRILLIC, _HAN])]
    return re.sub(r"[^\W\d_]", lambda found: rng.choice(letters), clean)


JUNK: dict[str, Callable[[random.Random, str], str]] = {
    "repeated": repeated,
    "garbage": garbage,
    "too_short": too_short,
    "too_long": too_long,
    "other_alphabet": other_alphabet,
}
CLEAN = "clean"


def samples(
    clean: Sequence[str], count: int, junk_share: float, seed: int
) -> list[dict[str, str]]:
    """Return samples with their `text` and its `kind`, `clean` or a kind of junk, in any order.

    Args:
        clean: at least `count` texts.
        junk_share: the share of junk, 0 to 1, of all kinds equally.
    """
    rng = random.Random(seed)
    kinds = list(JUNK)
    found = []
    for place, text in enumerate(rng.sample(list(clean), count)):
        kind = CLEAN
        if place < junk_share * count:
            kind = kinds[place % len(kinds)]
            text = JUNK[kind](rng, text)
        found.append({"text": text, "kind": kind})
    rng.shuffle(found)
    return found
