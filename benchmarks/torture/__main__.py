"""python -m benchmarks.torture [--only kills,yaml] [--quick] [--kills 2000] [--jobs 2]
                             [--seed 0] [--json FILE] [--markdown FILE]

Without options all parts with their long counts. A part whose tools are missing says so. With
`--json` the rows of earlier calls in that file are kept, and a part that is run again replaces its
row; `--markdown` writes the page from all of them (`--only=` with nothing behind it runs no part).
The exit code is 1 if anything was violated.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .page import duration, found, page
from .parts import ALL, NAMES, PARTS, Order
from .rows import Row, merged, read_rows, write_rows


def main() -> int:
    options = parse()
    order = Order(options.seed, options.jobs, options.quick)
    old = read_rows(options.json) if options.json else []
    new: list[Row] = []
    for part in PARTS:
        given = getattr(options, part.name.replace("-", "_"))
        count = part.count(options.quick) if given is None else given
        if part.name in options.only and count > 0:
            new.append(part.measure(count, order))
            show(new[-1])
            if options.json:  # after each part: what is done is done
                write_rows(options.json, merged(old, new, NAMES))
    if options.markdown:
        options.markdown.write_text(page(merged(old, new, NAMES), NAMES))
    return int(any(row.is_violated for row in new))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="benchmarks.torture",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", type=names, default=NAMES, metavar="PARTS")
    parser.add_argument("--quick", action="store_true", help="the counts for a change")
    for part in PARTS:
        counts = "all" if part.full == ALL else f"{part.quick:,} or {part.full:,}"
        parser.add_argument(
            f"--{part.name}", type=int, metavar="N", help=f"{part.counted} ({counts})"
        )
    parser.add_argument("--jobs", type=int, default=1, help="pieces at the same time, 1")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--markdown", type=Path, metavar="FILE")
    return parser.parse_args()


def names(text: str) -> list[str]:
    given = [name for name in text.split(",") if name]
    if unknown := [name for name in given if name not in NAMES]:
        raise argparse.ArgumentTypeError(f"{unknown[0]}: the parts are {', '.join(NAMES)}")
    return given


def show(row: Row) -> None:
    if row.skipped:
        print(f"{row.part}: not run, {row.skipped}", flush=True)
        return
    print(f"{row.part}: {row.done}; {found(row)}; {duration(row.seconds)}", flush=True)
    for example in row.examples:
        print(f"    {example}", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
