"""Refine the recipes of repositories, and load the refined ones in Data-Juicer's own parser.

    AUTOFINETUNE_SOURCE=. PYTHON -m benchmarks.refined_recipes data-juicer data-juicer-hub \\
        [--page=docs/recipes.md]

PYTHON is that of the environment of requirements/recipes.txt; the arguments are folders with
checkouts of github.com/datajuicer/data-juicer and data-juicer-hub. Every YAML or JSON file with a
list `process` is a recipe. Their data is not at hand, so each statistic gets 500 made-up values in
its domain. A refined recipe must load where the original does, and each of its operators must pass
the types of its arguments, as they are in the operator's signature.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import io
import math
import os
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from autofinetune.errors import AutofinetuneError
from autofinetune.recipe.document import read_recipe
from autofinetune.recipe.operators import Known, domain, known
from autofinetune.recipe.refine import How, Refined, changes_of, refine
from autofinetune.recipe.rules import RULES
from autofinetune.recipe.spread import Column
from autofinetune.recipe.statistics import Statistics

_HOME = Path.cwd()
_IS_RECIPE = re.compile(r"^\s*[\"']?process[\"']?\s*:\s*($|#|\[)", re.MULTILINE)
_SAMPLES = 500
_BLOCK = re.compile(r"(<!-- refined recipes -->\n).*?(<!-- end -->)", re.DOTALL)


def made_up(table: Mapping[str, Known]) -> Statistics:
    """Return statistics for all thresholds of operators."""
    draw = np.random.default_rng(0)
    names = {s for one in table.values() for t in one.thresholds.values() for s in t.stats}
    columns = {}
    for name in sorted(names):
        low, high = domain(name)
        is_unit = math.isfinite(high)
        values = draw.beta(2, 5, _SAMPLES) if is_unit else draw.lognormal(5, 1, _SAMPLES)
        columns[name] = Column(values if low >= 0 or not is_unit else 2 * values - 1, None)
    return Statistics(_SAMPLES, columns)


def loaded(text: str, name: str) -> str:
    """Return why Data-Juicer does not load a recipe; empty if it does."""
    from data_juicer.config import init_configs

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_text(text, encoding="utf-8")
        os.chdir(folder)  # relative paths of the recipe lead there
        output = io.StringIO()
        try:
            with contextlib.redirect_stderr(output), contextlib.redirect_stdout(output):
                found = init_configs(["--config", str(path)], load_configs_only=True)
                for one in found.process:
                    ((operator, arguments),) = one.items()
                    parser = _parser(operator)
                    names = {action.dest for action in parser._actions}
                    given = {
                        argument: value
                        for argument, value in dict(arguments or {}).items()
                        if f"{operator}.{argument}" in names
                    }
                    parser.parse_object({operator: given})
        except (Exception, SystemExit) as error:
            is_exit = isinstance(error, SystemExit)
            lines = (output.getvalue() if is_exit else str(error)).strip().splitlines()
            return (lines[-1] if is_exit else lines[0]) if lines else type(error).__name__
        finally:
            os.chdir(_HOME)
    return ""


@functools.cache
def _parser(operator: str) -> Any:
    """Return a parser for the arguments of an operator, which are none if it is unknown."""
    from data_juicer.ops import OPERATORS
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(exit_on_error=False)
    if operator in OPERATORS.modules:
        found = OPERATORS.modules[operator]
        parser.add_class_arguments(found, operator, fail_untyped=False, instantiate=False)
    return parser


def recipes_in(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".yaml", ".yml", ".json") and path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            if _IS_RECIPE.search(text):
                yield path


def outcome(path: Path) -> tuple[str, list[Refined]]:
    """Return what became of a recipe, and its thresholds."""
    try:
        recipe = read_recipe(path)
        names = {operator.name for operator in recipe.operators}
        table = {name: one for name in names if (one := known(name))}
        found = refine(recipe, table, made_up(table), How(RULES["sigma"], RULES["sigma"].k))
        text = recipe.edited(changes_of(found))
    except AutofinetuneError as error:
        return f"refused: {error.message.splitlines()[-1].strip()}", []
    if after := loaded(text, path.name):
        if before := loaded(path.read_text(encoding="utf-8"), path.name):
            return f"the original does not load either: {before}", found
        return f"does not load, though the original does: {after}", found
    is_refined = any(one.is_changed for one in found)
    return "refined and loads" if is_refined else "loads, and nothing changes", found


def report(folders: Sequence[Path]) -> Iterator[str]:
    """Yield the counts, and each recipe that is not refined."""
    for folder in folders:
        thresholds: Counter[str] = Counter()
        results = {}
        for path in recipes_in(folder):
            results[path] = outcome(path)
            print(path, *results[path][:1], file=sys.__stderr__, flush=True)
        kinds = Counter(told.partition(":")[0] for told, _ in results.values())
        yield f"{folder.name}: {len(results)} recipes"
        for kind, often in kinds.most_common():
            yield f"  {often:3} {kind}"
        for path, (told, found) in results.items():
            thresholds.update(_kind(one) for one in found)
            if not told.startswith(("refined", "loads")):
                yield f"      {path.relative_to(folder)}: {_short(told, path)}"
        yield f"  {sum(thresholds.values())} thresholds"
        for kind, often in thresholds.most_common():
            yield f"  {often:5} {kind}"


def _kind(one: Refined) -> str:
    if one.is_changed:
        return "changed" if one.is_written else "added"
    return "unchanged: " + re.sub(r"-?\d[\d.e+-]*|such as .*,", "...", one.reason)


def _short(told: str, path: Path) -> str:
    return told.replace(f"{path}:", "line ").partition(": ")[2][:150]


def main() -> None:
    """Print the report, or put it into a page, too."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--page", type=Path)
    options = parser.parse_args()
    lines = []
    for line in report([folder.absolute() for folder in options.folders]):
        print(line, file=sys.__stdout__, flush=True)  # Data-Juicer replaces sys.stdout
        lines.append(line)
    text = "\n".join(lines)
    if options.page:
        names = " ".join(folder.name for folder in options.folders)
        block = f"```\n$ python -m benchmarks.refined_recipes {names}\n{text}\n```\n"
        before = options.page.read_text()
        options.page.write_text(_BLOCK.sub(lambda found: found[1] + block + found[2], before))


if __name__ == "__main__":
    main()
