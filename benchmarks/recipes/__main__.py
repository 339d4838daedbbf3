"""Recipes that are refined or searched, beside the untouched one and beside random search.

    python -m benchmarks.recipes [--seeds=5] [--trials=50] [--samples=1500] [--junk=0.4]
        [--json=FILE] [--markdown=docs/recipe_search.md]
    python -m benchmarks.recipes --check [--seed=0]

It needs Data-Juicer and torch. A seed makes the data (docstrings of Python's standard library, of
which a share is replaced by junk), and seeds searches and models. The recipe and the space are
those of demo/recipes. `refine` takes the bounds of a rule from the statistics of the data; the
searches try the same number of recipes, the first of them the untouched one, by the objective
`quality_score + 0.5*kept` of all data. Each row is the mean over the seeds of the recipe that
a method ends with, and its 95 % interval by the bootstrap:

    objective     quality_score + 0.5*kept
    clean         the share of the kept samples that are clean text, which no method knows
    clean kept    the share of the clean samples that are kept
    loss          of the small model of `model_loss` on clean text that is in no data, in nats per
                  byte, trained on 200,000 bytes of what is kept; no method here looks at it

A filter's statistics do not depend on its thresholds, so Data-Juicer computes them once for each
seed, and the benchmark compares them with the thresholds itself. `--check` runs the best
recipes of a seed by Data-Juicer and compares the texts that stay.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from autofinetune.manifests import read_search
from autofinetune.recipe.objectives.model_loss import loss_of
from autofinetune.recipe.refine import How, changes_of, refine
from autofinetune.recipe.rules import RULES
from autofinetune.recipe.search import typed_space
from autofinetune.space import Document, Space, read_space, read_yaml
from autofinetune.strategies import create_strategy
from benchmarks.recipes.data import DEMO, Data, Values, data_of, held_out
from benchmarks.sklearn_search.figures import interval

WEIGHT = 0.5
TOKENS = 200_000
SEARCHES = {
    "random search": ("random", {}),
    "search, gp": ("gp", {"nu": "1.5"}),
    "search, tpe": ("tpe", {}),
    "search, pshe2": ("pshe2", {}),
}
BEGIN, END = "<!-- benchmark -->", "<!-- end -->"
METHODS = ("untouched", *(f"refine, {name}" for name in RULES), *SEARCHES)
COLUMNS = ("objective", "clean", "clean_kept", "loss")


def space_of(data: Data) -> Space:
    """Return the space of the demo's sweep, as `recipe search` reads it."""
    document = read_yaml(DEMO / "sweep.yaml")
    found = read_search(DEMO / "sweep.yaml")
    assert found is not None
    entries = typed_space(found.options["param_list"], data.recipe, document)
    return read_space(Document("sweep.yaml", {"param_list": entries}, {}))


def objective(data: Data, values: Values) -> float:
    kept = data.kept(values)
    quality = float(data.quality[kept].mean()) if kept.any() else 0.0
    return quality + WEIGHT * float(kept.mean())


def searched(data: Data, name: str, options: Mapping[str, str], trials: int, seed: int) -> Values:
    """Return the best values that a strategy finds."""
    space = space_of(data)
    strategy = create_strategy(name, space, popsize=5, seed=seed, options=options)
    strategy.enqueue([space.init_params])
    best, values = -1.0, {}
    for _ in range(trials):
        (candidate,) = strategy.ask(1)
        tried = data.values_of(candidate.params)
        score = objective(data, tried)
        strategy.tell(candidate, score)
        if score > best:
            best, values = score, dict(tried)
    return values


def recipes_of(data: Data, trials: int, seed: int) -> Iterable[tuple[str, Values]]:
    """Yield the name of each method and the values that it ends with."""
    from autofinetune.recipe.installed import known_of

    yield "untouched", {}
    for rule in RULES.values():
        found = refine(data.recipe, known_of(data.recipe), data.statistics, How(rule, rule.k))
        yield f"refine, {rule.name}", changes_of(found)
    for name, (strategy, options) in SEARCHES.items():
        yield name, searched(data, strategy, options, trials, seed)


def measured(data: Data, values: Values, seed: int, wanted: list[str]) -> dict[str, float]:
    kept = data.kept(values)
    texts = [text for text, stays in zip(data.texts, kept, strict=True) if stays]
    return {
        "objective": objective(data, values),
        "clean": float(data.is_clean[kept].mean()) if kept.any() else 0.0,
        "clean_kept": float(kept[data.is_clean].mean()),
        "kept": float(kept.mean()),
        "loss": loss_of(texts, wanted, TOKENS, seed),
    }


def table(results: list[dict[str, Any]]) -> str:
    lines = ["| recipe | objective | clean | clean kept | loss |", "|---|---|---|---|---|"]
    for name in METHODS:
        rows = [one for one in results if one["method"] == name]
        cells = [interval([row[column] for row in rows], 3) for column in COLUMNS]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def wins(results: list[dict[str, Any]]) -> str:
    """Return on how many seeds each search is better than random search."""
    by = {(one["method"], one["seed"]): one for one in results}
    seeds = sorted({one["seed"] for one in results})
    lines = [f"Better than random search, of {len(seeds)} seeds:", ""]
    for name in list(SEARCHES)[1:]:
        counts = []
        for column, sign in (("objective", 1), ("clean", 1), ("loss", -1)):
            pairs = ((by[name, seed], by["random search", seed]) for seed in seeds)
            count = sum(sign * (one[column] - other[column]) > 0 for one, other in pairs)
            counts.append(f"{column} {count}")
        lines.append(f"* {name}: {', '.join(counts)}")
    return "\n".join(lines)


def check(seed: int, given: argparse.Namespace) -> None:
    """Compare what the benchmark keeps with what Data-Juicer keeps, for each method."""
    import tempfile

    from autofinetune.recipe.installed import process
    from benchmarks.recipes.data import write

    data = data_of(seed, given.samples, given.junk)
    for name, values in recipes_of(data, given.trials, seed):
        with tempfile.TemporaryDirectory() as folder:
            recipe = write(Path(folder), [{"text": text} for text in data.texts])
            Path(folder, "recipe.yaml").write_text(recipe.edited(values), encoding="utf-8")
            process(Path(folder, "recipe.yaml"))
            exported = Path(folder, "out/x.jsonl").read_text(encoding="utf-8").splitlines()
        theirs = sorted(json.loads(line)["text"] for line in exported)
        kept = data.kept(values)
        ours = sorted(text for text, stays in zip(data.texts, kept, strict=True) if stays)
        verdict = "the same" if ours == theirs else f"{len(theirs)} by Data-Juicer: NOT the same"
        print(f"{name}: {len(ours)} samples stay, {verdict}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--samples", type=int, default=1500)
    parser.add_argument("--junk", type=float, default=0.4)
    parser.add_argument("--json", type=Path, help="results of each seed; what is in it is kept")
    parser.add_argument("--markdown", type=Path, help="a page with the marks for the table")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--seed", type=int, default=0, help="of --check")
    given = parser.parse_args()
    if given.check:
        check(given.seed, given)
        return
    results = json.loads(given.json.read_text()) if given.json and given.json.exists() else []
    wanted = held_out()
    for seed in range(given.seeds):
        known = {one["method"] for one in results if one["seed"] == seed}
        if known.issuperset(METHODS):
            continue
        data = data_of(seed, given.samples, given.junk)
        for name, values in recipes_of(data, given.trials, seed):
            if name not in known:
                found = measured(data, values, seed, wanted)
                results.append({"seed": seed, "method": name, **found})
                print(seed, name, found, flush=True)
                if given.json:
                    given.json.write_text(json.dumps(results, indent=1) + "\n")
    text = f"{table(results)}\n\n{wins(results)}"
    print(text)
    if given.markdown:
        before, _, rest = given.markdown.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        told = f"{before}{BEGIN}\n{text}\n{END}{after}"
        given.markdown.write_text(told, encoding="utf-8")


if __name__ == "__main__":
    main()
