"""Grids of W&B sweeps: their order, their values and their end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autofinetune.space import load_space

from .helpers import mistakes, options_of


def grid(folder: Path, *parameters: str, run_cap: str = "") -> dict[str, Any]:
    lines = "".join(f"  {line}\n" for line in parameters)
    text = f"program: train.py\nmethod: grid\nmetric: {{name: x}}\n{run_cap}parameters:\n{lines}"
    return options_of(folder, text)


def values(options: dict[str, Any]) -> dict[str, list[object]]:
    space = load_space({"param_list": options["param_list"]})
    return {parameter.name: list(parameter.values()) for parameter in space}


def test_a_grid_is_sorted_by_name_and_has_an_end(tmp_path: Path) -> None:
    options = grid(tmp_path, "b: {values: [1, 2]}", "a: {min: 1, max: 3}",
                   "c: {parameters: {z: {value: 1}, y: {values: [x, w]}}}")  # fmt: skip
    assert values(options) == {"a": [1, 2, 3], "b": [1, 2], "c.y": ["x", "w"]}
    assert list(values(options)) == ["a", "b", "c.y"]
    assert options["max_trials"] == 12
    capped = grid(tmp_path, "b: {values: [1, 2]}", "a: {min: 1, max: 3}", run_cap="run_cap: 4\n")
    assert capped["max_trials"] == 4


def test_a_grid_without_an_end_is_told_at_its_place(tmp_path: Path) -> None:
    parameters = "".join(f"  {name}: {{min: 1, max: 200}}\n" for name in "abc")
    text = f"program: train.py\nmethod: grid\nmetric: {{name: x}}\nparameters:\n{parameters}"
    (one,) = mistakes(tmp_path, text)
    assert ":2:" in one
    assert one.endswith("8,000,000 combinations are too many; give run_cap")
    assert options_of(tmp_path, f"run_cap: 5\n{text}")["max_trials"] == 5


def test_steps_of_a_grid_begin_at_the_lower_bound(tmp_path: Path) -> None:
    options = grid(tmp_path, "a: {distribution: q_uniform, min: 2, max: 10, q: 5}",
                   "b: {distribution: q_uniform, min: 0.5, max: 3}")  # fmt: skip
    assert values(options) == {"a": [2, 7], "b": [0.5, 1.5, 2.5]}


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("{min: 0.0, max: 1.0}", "a: a grid needs values, whole numbers or q_uniform"),
        ("{distribution: normal}", "a: a grid needs values, whole numbers or q_uniform"),
        ("{distribution: q_uniform, min: 0, max: 1, q: 1e-9}", "a: a grid of 1000000000 values"),
        ("{distribution: q_uniform, min: 1, max: 0, q: 1}", "a: min (1.0) must be below"),
    ],
)
def test_a_grid_that_cannot_be(tmp_path: Path, spec: str, why: str) -> None:
    text = f"program: train.py\nmethod: grid\nmetric: {{}}\nparameters: {{a: {spec}}}\n"
    (found,) = mistakes(tmp_path, text)
    assert found.startswith("m.yaml:4:")
    assert why in found
