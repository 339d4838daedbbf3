"""Options in the output of `--help`, as several parsers write it."""

from __future__ import annotations

from typing import Any

import pytest

from autofinetune.draft.help_text import default_in, options_in, without_default
from autofinetune.draft.option import FLAG
from autofinetune.executors.local.ask_help import named_options

ARGPARSE = """\
usage: train.py [-h] [--lr LR] [--opt {sgd,adam}] [--amp]

A script with --no-such-option in its prose.

options:
  -h, --help            show this help message and exit
  -l LR, --lr LR        the rate (default: 0.1)
  --opt {sgd,adam}      which one
                        (default: sgd)
  --hidden-size HIDDEN_SIZE
                        units (default: 64)
  --amp                 use --fast math
  --ema, --no-ema       average (default: True)
"""
CLICK = """\
Usage: train.py [OPTIONS]

Options:
  -l, --lr FLOAT         the rate  [default: 0.1]
  --opt [sgd|adam]
  --flag / --no-flag
  --hidden-size INTEGER
  --help                 Show this message and exit.
"""
ABSL = """\
       USAGE: train.py [flags]
flags:

train.py:
  --hidden_size: units
    (default: '64')
    (an integer)
  --lr: the rate
    (default: '0.1')
    (a non-negative number)
  --opt: <sgd|adam>: which
    (default: 'sgd')
"""
FIRE = """\
FLAGS
    -l, --lr=LR
        Type: float
        Default: 0.1
        the rate
    --hidden_size=HIDDEN_SIZE
        Default: 64
"""
TYPER = """\
 Usage: train.py [OPTIONS]
╭─ Options ────────────────────────────────────────────────╮
│ *  --lr                      FLOAT    the rate [default: 0.1]│
│ --hidden-size                INTEGER  units [default: 64]    │
│ --bias           --no-bias            [default: bias]        │
╰──────────────────────────────────────────────────────────╯
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ARGPARSE, {"lr": ("float", 0.1), "opt": ("str", "sgd"), "hidden-size": ("int", 64)}),
        (CLICK, {"lr": ("float", 0.1), "opt": ("str", None), "hidden-size": ("int", None)}),
        (ABSL, {"lr": ("float", 0.1), "opt": ("str", "sgd"), "hidden_size": ("int", 64)}),
        (FIRE, {"lr": ("float", 0.1), "hidden_size": ("int", 64)}),
        (TYPER, {"lr": ("float", 0.1), "hidden-size": ("int", 64)}),
    ],
)
def test_types_and_defaults(text: str, expected: dict[str, tuple[str, Any]]) -> None:
    found = {name: one for name, one in options_in(text).items() if not one.obstacle}
    assert {name: (one.kind, one.default) for name, one in found.items()} == expected
    assert "the rate" in found["lr"].text
    if "opt" in found:
        assert found["opt"].choices == ("sgd", "adam")
    assert named_options(text) >= found.keys()  # which the check before a run knows, too


@pytest.mark.parametrize(
    ("text", "flags"), [(ARGPARSE, ["amp", "ema"]), (CLICK, ["flag"]), (TYPER, ["bias"])]
)
def test_flags(text: str, flags: list[str]) -> None:
    assert [name for name, one in options_in(text).items() if one.obstacle == FLAG] == flags


@pytest.mark.parametrize("text", ["", "training ...\n", "  --\n  ---\n", "usage:\n\n  -", "\0│"])
def test_other_output_has_no_options(text: str) -> None:
    assert options_in(text) == {}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("rate (default: 1e-4)", 1e-4), ("[default: 50 ticks]", 50), ("Default is True.", True),
        ("defaults to 'adam'", "adam"), ("nothing", None), ("(default: None)", None),
    ],
)  # fmt: skip
def test_defaults_in_a_text(text: str, value: object) -> None:
    assert default_in(text) == value


@pytest.mark.parametrize(
    "text",
    ["the rate (default: 0.1)", "the rate [default: 0.1]", "(float, default=0.1) the rate",
     "Type: float Default: 0.1 the rate", "<float> the rate", "the rate (type: int, default: 1)"],
)  # fmt: skip
def test_a_comment_repeats_no_default(text: str) -> None:
    assert without_default(text) == "the rate"
