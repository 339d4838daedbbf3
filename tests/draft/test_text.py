"""The text of a drafted file."""

from __future__ import annotations

from typing import Any

from autofinetune.draft.entries import drafted
from autofinetune.draft.option import ScriptOption
from autofinetune.draft.text import hparam_yaml, range_of
from autofinetune.space import parse_yaml, read_space

OPTIONS = [
    ScriptOption("lr", kind="float", default=1e-3, text="the\n  rate (default: 0.001)"),
    ScriptOption("opt", kind="str", default="null", choices=("null", "a, b", "c: #d", "é\x1b")),
    ScriptOption("epochs", kind="int", default=3, text="long " * 40),
    ScriptOption("seed", kind="int", default=1),
    *(ScriptOption(f"path_{n}", kind="str", default="x") for n in range(30)),
]


def loaded(text: str) -> Any:
    return read_space(parse_yaml(text.encode(), "hparam.yaml"))


def test_the_file_loads_with_the_defaults_first() -> None:
    text = hparam_yaml("train\n.py", drafted(OPTIONS))
    space = loaded(text)
    assert space.init_params == {"lr": 1e-3, "opt": "null"}
    assert list(space.parameters[1].values()) == ["null", "a, b", "c: #d", "é\x1b"]
    assert "  # the rate; default 0.001; a tenth to ten times" in text
    assert "#   seed: a seed" in text
    assert max(map(len, text.splitlines())) < 180


def test_what_is_proposed_loads_once_its_marks_are_removed() -> None:
    head, _, tail = hparam_yaml("train.py", drafted(OPTIONS)).partition("  # Not searched.")
    proposed = tail.partition("# Left out")[0].partition("\n")[2]
    lines = [line.replace("  # -", "  -", 1).replace("  #   ", "    ", 1)
             for line in proposed.splitlines()]  # fmt: skip
    assert loaded(head + "\n".join(lines)).init_params["epochs"] == 3


def test_ranges_in_words() -> None:
    lr, opt = drafted(OPTIONS[:2]).active
    assert range_of(lr) == "0.0001 to 0.01, logarithmic (now 0.001)"
    assert range_of(opt).startswith("null, a, b, c: #d")
