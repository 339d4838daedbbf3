"""`autofinetune recipe refine`: set the thresholds of a recipe by the statistics of its data."""

from __future__ import annotations

import json
import tempfile
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from autofinetune.cli.options import Parser
from autofinetune.cli.words import note
from autofinetune.errors import EnvironmentProblem, UsageError
from autofinetune.space import parse_yaml
from autofinetune.store.directory import write_atomically
from autofinetune.terminal import err, tell

_SUFFIXES = (".yaml", ".yml", ".json")
_TEXT = (
    "Set the thresholds of the filters of a Data-Juicer recipe by the statistics of its data: "
    "mean -+ 3 standard deviations, or another rule. Data-Juicer computes the statistics and "
    "then processes the data by the refined recipe; with --stats, the recipe is only refined, and "
    "Data-Juicer is not needed."
)


def refine_command(argv: Sequence[str]) -> int:
    """Refine a recipe, show and write the result, process the data; return the exit code."""
    options = _options(argv)
    path, out, page = _paths(options)
    # Imported late: they load numpy.
    from autofinetune.recipe import installed
    from autofinetune.recipe.document import read_recipe
    from autofinetune.recipe.record import lines_of, notes_of, record_of
    from autofinetune.recipe.refine import How, changes_of, refine
    from autofinetune.recipe.rules import RULES
    from autofinetune.recipe.shares import shares_of
    from autofinetune.recipe.statistics import read_statistics

    rule = RULES[options.rule]
    how = How(rule, rule.checked(options.k), options.allow_widen, options.exact)
    recipe = read_recipe(path)
    if not options.stats:
        otherwise = "or give statistics that it wrote elsewhere: --stats=FILE"
        installed.check_installed("recipe refine without --stats", otherwise)
    table = installed.known_of(recipe, with_own=not options.stats)
    for sentence in notes_of(recipe, table):
        note(sentence)
    wanted = {stat for one in table.values() for t in one.thresholds.values() for stat in t.stats}
    if options.stats:
        statistics = read_statistics(Path(options.stats), wanted)
    else:
        err(f"Data-Juicer computes the statistics of the data of {path}")
        statistics = installed.analyzed(path, wanted)
    refined = refine(recipe, table, statistics, how)
    if how.exact:
        note("--exact gives floats even where an operator takes an int; a Data-Juicer that checks "
             "types refuses such a recipe")  # fmt: skip
    text = recipe.edited(changes_of(refined))
    shares = shares_of(refined, table, statistics)
    record = record_of(recipe, table, how, refined, shares, statistics.samples)
    for line in [] if options.json else lines_of(record):
        tell(line)
    if page is not None:
        from autofinetune.recipe.page import page_of

        _write(page, page_of(record, statistics))
    if out is not None:
        _write(out, _json_of(text, out) if out.suffix == ".json" else text)
    is_processed = not (options.stats or options.dry_run or options.no_process)
    if is_processed:
        with tempfile.TemporaryDirectory(prefix="autofinetune-") as folder:
            refined_recipe = out or Path(folder, path.name)
            if out is None:
                refined_recipe.write_text(text, encoding="utf-8")
            err(f"Data-Juicer processes the data by the refined recipe of {path}")
            installed.process(refined_recipe)
    if options.json:
        written = None if out is None else str(out)
        print(json.dumps({**record, "written": written, "is_processed": is_processed}))
    else:
        _tell_next(path, out, page, is_processed=is_processed)
    return 0


def _options(argv: Sequence[str]) -> Namespace:
    parser = Parser("recipe refine", description=_TEXT)
    add = parser.add_argument
    add("recipe", metavar="RECIPE", nargs="?", help="a recipe of Data-Juicer (YAML or JSON)")
    add("--config", metavar="RECIPE", help="the same")
    add(
        "--path_3sigma_recipe", "--path-3sigma-recipe", "--path_k_sigma_recipe",
        "--path-k-sigma-recipe", metavar="OUT", dest="out",
        help="write the refined recipe there (.yaml, .yml or .json)",
    )  # fmt: skip
    add(
        "--stats", metavar="FILE",
        help="statistics that Data-Juicer wrote: *_stats.jsonl, or overall.csv",
    )  # fmt: skip
    add(
        "--rule", choices=("sigma", "mad", "iqr", "quantile"), default="sigma",
        help="sigma (the default): mean -+ k standard deviations; mad: median -+ k * 1.4826 "
        "median absolute deviations; iqr: quartiles -+ k interquartile ranges; quantile: the "
        "quantiles k and 1 - k",
    )  # fmt: skip
    add("-k", type=float, help="default: 3 for sigma and mad, 1.5 for iqr, 0.005 for quantile")
    add(
        "--allow-widen", "--allow_widen", action="store_true",
        help="also replace bounds of the recipe that are tighter",
    )  # fmt: skip
    add(
        "--exact", action="store_true",
        help="the numbers of Data-Juicer's execute_hpo_3sigma.py: neither rounded nor limited",
    )  # fmt: skip
    add(
        "--dry-run", "--dry_run", action="store_true",
        help="only show the result: write no file, process no data",
    )  # fmt: skip
    add("--no-process", "--no_process", action="store_true", help="do not process the data")
    add("--page", metavar="FILE", help="write an HTML page with histograms and thresholds")
    add("--json", action="store_true", help="print one JSON object, for programs")
    options = parser.parse_args(argv)
    if options.exact and (options.rule != "sigma" or options.allow_widen):
        raise UsageError(
            "--exact is the sigma rule with nothing else", "leave out --rule and --allow-widen"
        )
    return options


def _paths(options: Namespace) -> tuple[Path, Path | None, Path | None]:
    """Return the recipe, and where the refined one and the page are written, if they are."""
    if (options.recipe is None) == (options.config is None):
        problem = "is given twice" if options.recipe else "is missing"
        raise UsageError(
            f"the recipe {problem}", "name one file: autofinetune recipe refine process.yaml"
        )
    path = Path(options.recipe or options.config)
    out = Path(options.out) if options.out else None
    page = Path(options.page) if options.page else None
    if out is not None and out.suffix not in _SUFFIXES:
        raise UsageError(f"{out} must end with {', '.join(_SUFFIXES)}", "give another name")
    for target in filter(None, (out, page)):
        if target.is_dir() or not target.parent.is_dir():
            problem = (
                "is a directory" if target.is_dir() else f"is in no directory {target.parent}"
            )
            raise UsageError(f"{target} {problem}", "name a file in a directory that exists")
        if target.exists() and path.exists() and target.samefile(path):
            raise UsageError(f"{target} is the recipe itself", "name another file")
    if page is not None and page.is_file():
        from autofinetune.recipe.page import BEGINNING

        with page.open("rb") as file:
            if file.read(len(BEGINNING)) != BEGINNING.encode():
                problem = f"{page} exists and is not a page of this command"
                raise UsageError(problem, "name another file, or remove it")
    return (path, None, None) if options.dry_run else (path, out, page)


def _json_of(text: str, out: Path) -> str:
    """Return a recipe as JSON."""
    value = parse_yaml(text.encode(), str(out), language="YAML").value
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _write(path: Path, text: str) -> None:
    try:
        write_atomically(path, text.encode())
    except OSError as error:
        problem = f"{path} cannot be written: {error.strerror or error}"
        raise EnvironmentProblem(problem, "choose another file") from None


def _tell_next(path: Path, out: Path | None, page: Path | None, *, is_processed: bool) -> None:
    """Tell what was written, and how to use it."""
    if out is not None:
        tell(f"refined recipe: {out}")
    if page is not None:
        tell(f"histograms: {page}")
    if not is_processed and out is not None:
        tell(f"To process the data by it: dj-process --config {out}")
    elif not is_processed:
        tell(f"To write the refined recipe: autofinetune recipe refine {path} "
             "--path_3sigma_recipe=OUT")  # fmt: skip
