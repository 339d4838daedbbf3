"""Reads the options in the output of `--help`, of argparse and of the other parsers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from autofinetune.draft.option import FLAG, Kind, ScriptOption, kind_of
from autofinetune.space.yaml_values import plain_value

_FRAME = re.compile(r"[│┃╭╮╰╯─━]")  # of rich, around the help of typer and tyro
# The second form is that of absl.
_ENTRY = re.compile(
    r" {0,12}\*? {0,4}(?:(?P<flag>--(?:\[no\])?[\w.-]+): (?P<what>.*)"
    r"|(?P<spec>-{1,2}[A-Za-z\[].*?)(?: {2,}(?P<text>.*))?)$"
)
_NAME = re.compile(r"--(?:\[no-?\])?([A-Za-z_][\w.-]*)")
# What repeats the default or the type, as argparse, click, Tap, fire and typer write it.
_REPEATED = re.compile(
    r" *[(\[](?:[\w: ]+, )?default[^()\[\]]*[)\]]|\b(?:Type|Default): \S+|^<\w+>", re.IGNORECASE
)
_DEFAULT = re.compile(
    r"[(\[]?\b(?:default(?:s)?(?: to| is| value(?: is)?)?)\s*[:=]?\s*"
    r"(\"[^\"]*\"|'[^']*'|[^\s()\[\],;]+)",
    re.IGNORECASE,
)
_CHOICES = re.compile(r"\{([^{}]*)\}|\[([\w.+-]+(?:\|[\w.+-]+)+)\]|<([\w.+-]+(?:\|[\w.+-]+)+)>")
_KINDS: Mapping[Kind, re.Pattern[str]] = {
    "int": re.compile(r"\b(INTEGER|INT|int|an integer|a positive integer)\b"),
    "float": re.compile(r"\b(FLOAT|float|a number|a non-negative number)\b"),
    "bool": re.compile(r"\b(BOOLEAN|BOOL|bool|true\|false)\b"),
    "str": re.compile(r"\b(TEXT|STR|str|PATH|DIR|FILE|DIRECTORY|PKL)\b"),
}


def options_in(help_text: str) -> dict[str, ScriptOption]:
    """Return the options that a help text describes, by their name.

    What it does not say is empty or None; a name stands in it as trials must write it.
    """
    found: dict[str, ScriptOption] = {}
    for spec, text in _entries(help_text):
        option = _option(spec, text)
        if option is not None:
            found.setdefault(option.name, option)
    return found


def _entries(help_text: str) -> Iterator[tuple[str, str]]:
    """Yield the head of each entry, such as `-b N, --batch N`, and its text on one line."""
    spec, text = "", ""
    is_usage = False
    for line in _FRAME.sub(" ", help_text).splitlines():
        is_usage = line.lower().startswith("usage:") or (is_usage and bool(line.strip()))
        entry = None if is_usage else _ENTRY.match(line)
        if entry:
            if spec:
                yield spec, text
            spec = (entry["spec"] or entry["flag"]).strip()
            text = (entry["text"] or entry["what"] or "").strip()
        elif not line.strip() or not line.startswith("  "):
            if spec and not line.startswith(" " * 2) and line.strip():
                yield spec, text
                spec, text = "", ""
        elif spec:
            text = f"{text} {line.strip()}".strip()
    if spec:
        yield spec, text


def _option(spec: str, text: str) -> ScriptOption | None:
    names = [name for name in _NAME.findall(spec) if not name.startswith("no-")]
    if not names or names[0] in ("help", "version"):
        return None
    value = _NAME.sub("", spec).replace("-", " ")
    choices = _choices(value) or _choices(text)
    default = default_in(text)
    is_flag = not re.search(r"[A-Za-z{<\[]", re.sub(r"(?<!\w)[A-Za-z](?!\w)", "", value, count=1)
                            if re.match(r"\s*-?[A-Za-z](,|\s|$)", spec) else value)  # fmt: skip
    is_flag = is_flag and "=" not in spec and not isinstance(default, (int, float, str))
    if is_flag and kind_in(text):
        is_flag = False  # absl writes the type below the text
    is_flag |= "[no" in spec or ", --no-" in spec or text.startswith("--no-")
    kind = kind_in(value) or kind_in(text) or kind_of(choices[0] if choices else default)
    return ScriptOption(
        names[0],
        tuple(names[1:]),
        kind,
        default,
        choices,
        text,
        FLAG if is_flag else "",
    )


def without_default(text: str) -> str:
    """Return a help text without `(default: ...)`."""
    text = text.replace("%(default)s", "").replace("%%", "%")
    return _REPEATED.sub("", text).strip()


def kind_in(text: str) -> Kind:
    """Return the kind that a placeholder such as FLOAT, or a sentence of absl, says."""
    for kind, pattern in _KINDS.items():
        if pattern.search(text):
            return kind
    return ""


def _choices(text: str) -> tuple[Any, ...]:
    found = _CHOICES.search(text)
    if found is None:
        return ()
    parts = re.split(r"[,|]", next(one for one in found.groups() if one is not None))
    values = [plain_value(part.strip().strip("'\"")) for part in parts]
    return tuple(values) if len(values) > 1 and "..." not in values else ()


def default_in(text: str) -> Any:
    """Return the value after the word `default` in a help text, or None."""
    found = _DEFAULT.search(text)
    if found is None:
        return None
    word = found[1].rstrip(".)")
    if word.startswith("%"):  # argparse puts it there
        return None
    if word[:1] in "\"'":
        word = word.strip("\"'")
    value = {"True": True, "False": False, "None": None}.get(word, word)
    return plain_value(value) if isinstance(value, str) else value
