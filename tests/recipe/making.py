"""Recipes and statistics for tests."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from autofinetune.recipe.document import Recipe, read_recipe
from autofinetune.recipe.installed import known_of
from autofinetune.recipe.refine import How, Refined, refine
from autofinetune.recipe.rules import RULES
from autofinetune.recipe.statistics import Statistics, read_statistics

Columns: TypeAlias = Mapping[str, Sequence[Any]]


def recipe_of(folder: Path, process: str) -> Recipe:
    """Return a recipe with these lines in `process`."""
    path = folder / "recipe.yaml"
    path.write_text(f"dataset_path: data.jsonl\nprocess:\n{process}", encoding="utf-8")
    return read_recipe(path)


def write_stats(path: Path, columns: Columns) -> Path:
    """Write what Data-Juicer's Analyzer writes for samples with these statistics."""
    with path.open("w", encoding="utf-8") as file:
        for values in zip(*columns.values(), strict=True):
            stats = dict(zip(columns, values, strict=True))
            file.write(json.dumps({"__dj__stats__": stats, "__dj__meta__": {}}) + "\n")
    return path


def statistics_of(folder: Path, columns: Columns) -> Statistics:
    return read_statistics(write_stats(folder / "data_stats.jsonl", columns), list(columns))


def refined(
    folder: Path,
    process: str,
    columns: Columns,
    rule: str = "sigma",
    k: float | None = None,
    **more: bool,
) -> tuple[Recipe, list[Refined]]:
    """Return a recipe with these lines in `process`, and its thresholds by these statistics."""
    recipe = recipe_of(folder, process)
    how = How(RULES[rule], RULES[rule].checked(k), **more)
    return recipe, refine(recipe, known_of(recipe), statistics_of(folder, columns), how)
