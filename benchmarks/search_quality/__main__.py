"""How good is the search? Runs it and its peers on many tasks and writes docs/search_quality.md.

    python -m benchmarks.search_quality run --yahpo=DIR --methods=pshe2,hazero,random \\
        --tasks=tuned --seeds=3 --trials=100 --jobs=2
    python -m benchmarks.search_quality report --yahpo=DIR [--methods=...] [--tasks=...]
    python -m benchmarks.search_quality doc --yahpo=DIR      docs/search_quality.md, with plots
    python -m benchmarks.search_quality record --cache=FILE --label=2026-12-31
    python -m benchmarks.search_quality confirm --before=DIR    after a change of the code
    python -m benchmarks.search_quality namesakes --yahpo=DIR    only its table of the tuners
    python -m benchmarks.search_quality bbob                 pure CMA-ES: hazero against cma
    python -m benchmarks.search_quality speed                seconds per suggestion
    python -m benchmarks.search_quality schedules --yahpo=DIR    async against round
    python -m benchmarks.search_quality scales --yahpo=DIR   fills scales.json
    python -m benchmarks.search_quality tables               fills tables/ with real trainings

`run` keeps every (task, method, seed) in a file (--cache) and runs only what is missing there and
in recorded/, on which the document rests, so it can be stopped and gone on with; `record` puts the
cells of the file into recorded/. This project's own methods are run again when their code changed;
a `--label=x` keeps a variant as `method@x`. Options of the strategies: `hazero:surrogate=off`.

--yahpo is a clone of https://github.com/slds-lmu/yahpo_data (or YAHPO_DATA); without it LCBench is
left out. --tasks takes patterns, `tuned`, `heldout`, or `lcbench:8` for the first eight.

Peers are in environments of their own: install peers.txt into one, and run the same command with
its python and the same --cache.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from . import (
    build_tables,
    cells,
    confirm,
    doc,
    methods,
    pure_cma,
    runner,
    scales,
    schedules,
    speed,
    tasks,
    text,
    yahpo,
)


def _words(value: str) -> list[str]:
    """Words between commas; `;` between several that have commas of their own."""
    return [word for word in value.split(";" if ";" in value else ",") if word]


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.search_quality",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "command",
        choices=[
            "run",
            "report",
            "record",
            "confirm",
            "doc",
            "namesakes",
            "bbob",
            "speed",
            "schedules",
            "scales",
            "tables",
        ],
    )
    parser.add_argument("--yahpo", type=Path, default=os.environ.get("YAHPO_DATA"))
    parser.add_argument("--cache", type=Path, default=Path("search_quality.jsonl"))
    parser.add_argument("--tasks", type=_words, default=["*"])
    parser.add_argument("--methods", type=_words, default=[])
    parser.add_argument("--seeds", type=int, default=3, help="how many, from --first-seed on")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--label", default="")
    parser.add_argument("--before", type=Path, help="a checkout of the code that was recorded")
    options = parser.parse_args()
    data = Path(options.yahpo) if options.yahpo else None
    if options.command == "bbob":
        doc.keep(options.cache, "Pure CMA-ES", pure_cma.run())
        return 0
    if options.command == "speed":
        doc.keep(options.cache, "Speed", speed.run())
        return 0
    if options.command == "tables":
        build_tables.make()
        return 0
    if options.command == "record":
        print(f"{cells.record(options.cache, options.label)} cells")
        return 0
    if data is None:
        print("no --yahpo=DIR and no YAHPO_DATA: the tasks of LCBench are left out")
    if options.command == "scales":
        scales.make(data)
        return 0
    chosen = tasks.select(options.tasks, data)
    if options.command == "schedules":
        if data is None:
            parser.error("schedules needs --yahpo=DIR: the lengths of trials are LCBench's")
        lcbench = [name for name in chosen if name.startswith(yahpo.FAMILY)]
        seeds = range(options.first_seed, options.first_seed + options.seeds)
        doc.keep(options.cache, "No rounds", schedules.run(data, lcbench, seeds))
        return 0
    if options.command == "confirm":
        if options.before is None:
            parser.error("confirm needs --before=DIR: a checkout of the code before the change")
        return 0 if confirm.run(options.before, data, chosen, options.seeds) else 1
    if options.command == "run":
        failed = runner.run(
            options.cache,
            data,
            chosen,
            options.methods or methods.NAMES,
            range(options.first_seed, options.first_seed + options.seeds),
            options.trials,
            options.jobs,
            options.label,
        )
        return 1 if failed else 0
    counts = [n for n in (25, 50, 100, 200) if n <= options.trials]
    if options.command == "doc":
        doc.write(options.cache, chosen, options.methods, counts)
        return 0
    if options.command == "namesakes":
        doc.write_namesakes(options.cache, chosen)
        return 0
    print(text.report(cells.current(options.cache), chosen, options.methods, counts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
