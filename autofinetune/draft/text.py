"""Writes a draft as a commented hparam.yaml."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from autofinetune.draft.entries import Draft, Entry, described
from autofinetune.draft.help_text import without_default
from autofinetune.draft.option import ScriptOption
from autofinetune.space import as_text, dump_yaml
from autofinetune.space.fields import one_line

_WIDTH = 98
_MOST_HELP = 70


def hparam_yaml(script: str, draft: Draft) -> str:
    """Return the text of the file; `draft` has at least one active entry."""
    lines = [
        f"# Hyperparameters of {one_line(script)} and where to search for them, drafted from its "
        "options.",
        "# Edit it: narrow what you know, delete what should not change, and add what is missing.",
        "# The first trial uses the init_values, which are the defaults of the script.",
        "param_list:",
    ]
    for entry in draft.active:
        lines += [f"  {line}" for line in _lines(entry)]
    inactive = [entry for entry in draft.entries if entry.inactive]
    if inactive:
        lines += ["", "  # Not searched. Remove the # in front of an entry to search it, too."]
        for entry in inactive:
            first, *others = _lines(entry)
            lines += ["", f"  {first}", *(f"  # {line}" for line in others)]
    lines += ["", *_left_out(draft.left_out)] if draft.left_out else []
    return "\n".join(lines) + "\n"


def _lines(entry: Entry) -> Iterator[str]:
    """Yield the comment and the lines of an entry."""
    yield f"# {comment(entry)}"
    start = "- "
    for key, value in described(entry).items():
        text = _flow(value) if isinstance(value, list) else dump_yaml([value])[2:].rstrip("\n")
        yield f"{start}{key}: {text}"
        start = "  "


def range_of(entry: Entry) -> str:
    """Return the range of an entry in words."""
    fields = entry.fields
    if "choices" in fields:
        return (
            f"{', '.join(map(as_text, fields['choices']))} (now {as_text(fields['init_value'])})"
        )
    scale = ", logarithmic" if fields.get("log") else ""
    low, high = as_text(fields["greater_than"]), as_text(fields["lower_than"])
    return f"{low} to {high}{scale} (now {as_text(fields['init_value'])})"


def _flow(values: Sequence[Any]) -> str:
    """Return a list on one line, with texts in quotes where a comma could be read as its end."""
    words = []
    for value in values:
        text = dump_yaml([value])[2:].rstrip("\n")
        words.append(text if re.fullmatch(r"[\w.+/-]+", text) else json.dumps(value))
    return f"[{', '.join(words)}]"


def comment(entry: Entry) -> str:
    """Return one line: what the option is, its default, and why this range or none."""
    option = entry.option
    text = one_line(without_default(" ".join(option.text.split())))
    text = text if len(text) <= _MOST_HELP else f"{text[: _MOST_HELP - 3].rstrip()}..."
    told = [text] if text else []
    if option.has_default:
        told.append(f"default {one_line(as_text(option.default))[:40]}")
    else:
        told.append("no default in the script")
    told += [why for why in (entry.inactive or entry.why,) if why]
    return "; ".join(told)


def _left_out(options: Sequence[tuple[ScriptOption, str]]) -> Iterator[str]:
    """Yield comment lines with the options that are left out, those with one reason together."""
    yield "# Left out:"
    reasons: dict[str, list[str]] = {}
    for option, why in options:
        reasons.setdefault(why, []).append(option.name)
    for why, names in reasons.items():
        text = one_line(f"{', '.join(names)}: {why}")
        yield from textwrap.wrap(
            text, _WIDTH, initial_indent="#   ", subsequent_indent="#     ",
            break_on_hyphens=False, break_long_words=False,
        )  # fmt: skip
