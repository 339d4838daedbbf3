"""Files of W&B and NNI are read as by PyYAML, with notes on unusual values."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from autofinetune.space import load_space, parse_yaml
from autofinetune.space.formats import as_yaml_1_1
from autofinetune.space.yaml_values import Path_


def reread(text: str) -> tuple[Any, dict[Path_, str]]:
    """Return the value of a text, and the notes on it."""
    notes: dict[Path_, str] = {}
    document = as_yaml_1_1(parse_yaml(text.encode(), "a.yaml"), notes.__setitem__)
    return document.value, notes


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True), ("No", False), ("ON", True), ("off", False), ("010", 8), ("-010", -8),
        ("08", "08"), ("0x10", 16), ("0b11", 3), ("1_000", 1000), ("1:30", 90), ("1_0.5", 10.5),
        ("1:30.5", 90.5),
    ],
)  # fmt: skip
def test_what_yaml_1_2_reads_otherwise_is_told(text: str, value: object) -> None:
    found, notes = reread(f"a: {text}")
    assert (type(found["a"]), found["a"]) == (type(value), value)
    assert notes == {("a",): f"{text} is read as {value!r}, as in YAML 1.1"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("'yes'", "yes"), ('"010"', "010"), ("|-\n  yes", "yes"), ("1e-3", 1e-3), ("1E5", 1e5),
        ("10", 10), ("0", 0), ("y", "y"), ("2020-01-01", "2020-01-01"), ("0x_", "0x_"),
        ("1" + ":30" * 300 + ".5", "1" + ":30" * 300 + ".5"),
        ("0x" + "f" * 4000, "0x" + "f" * 4000),
        ("true", True), ("~", None), ("", None), ("9" * 30, int("9" * 30)), ("x", "x"), ("=", "="),
    ],
)  # fmt: skip
def test_what_both_read_alike_or_is_no_number_stays(text: str, value: object) -> None:
    found, notes = reread(f"a: {text}")
    assert (type(found["a"]), found["a"]) == (type(value), value)
    assert notes == {}


@given(st.text("0123456789_:.xbo+-aeEfnysYNO", min_size=1, max_size=8))
def test_words_and_whole_numbers_are_those_of_pyyaml(text: str) -> None:
    try:
        theirs = yaml.safe_load(f"a: {text}")["a"]
        ours = reread(f"a: {text}")[0]["a"]
    except Exception:  # no single plain value
        return
    if not isinstance(ours, float) and not isinstance(theirs, (float, datetime.date, type(None))):
        assert (type(ours), ours) == (type(theirs), theirs)


def test_it_reaches_into_lists_and_mappings() -> None:
    found, notes = reread("a: [1, {b: [no]}]")
    assert found == {"a": [1, {"b": [False]}]}
    assert list(notes) == [("a", 1, "b", 0)]


def test_a_sweep_is_read_so_and_our_own_file_is_not(tmp_path: Path) -> None:
    sweep, own = tmp_path / "sweep.yaml", tmp_path / "hparam.yaml"
    sweep.write_text("parameters:\n  x: {values: [on, 010]}\n")
    space = load_space(sweep)
    assert next(iter(space)).values() == [True, 8]
    assert space.notes == (
        f"{sweep}:2:16 on is read as True, as in YAML 1.1",
        f"{sweep}:2:20 010 is read as 8, as in YAML 1.1",
    )
    own.write_text("param_list:\n- {name: x, init_value: on, type: choice, choices: [on, 010]}\n")
    assert next(iter(load_space(own))).values() == ["on", 10]
