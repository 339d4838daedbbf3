"""The data of one seed: its samples, their statistics and qualities, and the recipe for it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autofinetune.recipe.binding import changes
from autofinetune.recipe.document import Recipe, read_recipe
from autofinetune.recipe.installed import known_of, process
from autofinetune.recipe.made_text import CLEAN, docstrings, samples
from autofinetune.recipe.objectives.quality_score import GOOD, trained
from autofinetune.recipe.operators import LOWER
from autofinetune.recipe.statistics import Statistics, read_statistics

DEMO = Path(__file__).parents[2] / "demo" / "recipes"
EVERY = 10
_HUGE = 10**9
Values = Mapping[tuple[str | int, ...], Any]


@dataclass(frozen=True)
class Data:
    """Samples by column, `(n,)` each: `quality` is 0 to 1, `is_clean` what they really are."""

    texts: list[str]
    is_clean: NDArray[np.bool_]
    quality: NDArray[np.float64]
    statistics: Statistics
    recipe: Recipe

    def kept(self, values: Values) -> NDArray[np.bool_]:
        """Return which samples the recipe keeps with some values in place of its own.

        Its filters judge each sample by statistics that do not depend on the values, so those of
        one run are enough. `check` compares this with Data-Juicer itself.
        """
        kept = np.ones(len(self.texts), dtype=bool)
        for operator in self.recipe.operators:
            known = known_of(self.recipe)[operator.name]
            for threshold in known.thresholds.values():
                stat = known.stat(threshold, operator.arguments)
                path = operator.path(threshold.argument)
                bound = values.get(path, operator.arguments.get(threshold.argument))
                if stat is None or bound is None:
                    continue
                column = self.statistics.columns[stat].values
                kept &= column >= bound if threshold.side == LOWER else column <= bound
        return kept

    def values_of(self, params: Mapping[str, Any]) -> Values:
        return changes(params, self.recipe)


def held_out() -> list[str]:
    """Return clean texts that are in no data."""
    return docstrings()[::EVERY]


def data_of(seed: int, count: int, junk: float) -> Data:
    """Make the data of a seed; Data-Juicer computes its statistics."""
    clean = [text for place, text in enumerate(docstrings()) if place % EVERY]
    rows = samples(clean, count, junk, seed)
    texts = [row["text"] for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        recipe = write(Path(folder), rows)
        statistics = statistics_of(Path(folder, "recipe.yaml"), recipe)
    classifier = trained(None, None, "text")
    quality = classifier.probabilities(texts)[:, classifier.labels.index(GOOD)]
    is_clean = np.array([row["kind"] == CLEAN for row in rows])
    return Data(texts, is_clean, quality, statistics, recipe)


def statistics_of(path: Path, recipe: Recipe) -> Statistics:
    """Return the statistics of all samples: the recipe is run with bounds that keep everything."""
    bounds, wanted = {}, set()
    for operator in recipe.operators:
        for threshold in known_of(recipe)[operator.name].thresholds.values():
            bounds[operator.path(threshold.argument)] = 0 if threshold.side == LOWER else _HUGE
            wanted |= set(threshold.stats)
    path.write_text(recipe.edited(bounds), encoding="utf-8")
    process(path)
    return read_statistics(path.parent / "out" / "x_stats.jsonl", wanted)


def write(folder: Path, rows: list[dict[str, str]]) -> Recipe:
    """Write rows and the demo's recipe for them to a folder, and read the recipe."""
    lines = (json.dumps(row) + "\n" for row in rows)
    Path(folder, "data.jsonl").write_text("".join(lines), encoding="utf-8")
    demo = read_recipe(DEMO / "recipe.yaml")
    paths: Values = {
        ("dataset_path",): f"{folder}/data.jsonl",
        ("export_path",): f"{folder}/out/x.jsonl",
    }
    Path(folder, "recipe.yaml").write_text(demo.edited(paths), encoding="utf-8")
    return read_recipe(Path(folder, "recipe.yaml"))
