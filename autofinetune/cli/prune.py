"""`autofinetune prune`: free disk space by removing the models of trials that lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from autofinetune.cli.shown import add_run, reader, show
from autofinetune.config.option import kept_models
from autofinetune.errors import EnvironmentProblem, UsageError
from autofinetune.run.directories import known_config, locked_run, read_run
from autofinetune.run.models import Removal, prune


def prune_command(argv: Sequence[str]) -> int:
    """Remove models that are not needed any more and return the exit code."""
    parser = reader(
        "prune",
        "Free disk space: remove the models of all trials but the best. best_model stays and, "
        "unless the run is done, every model that a later trial may continue.",
    )
    add_run(parser)
    parser.add_argument("--dry-run", "--dry_run", action="store_true",
                        help="only say what would be removed")  # fmt: skip
    parser.add_argument("--keep", metavar="WHICH", default="best",
                        help="best, or top:K for the models of the best K trials "
                        "(default: %(default)s)")  # fmt: skip
    options = parser.parse_args(argv)
    keep = _kept(options.keep)
    with locked_run(options.run) as paths:
        config, state = known_config(paths), read_run(paths)
        done = prune(config, paths, state, keep, dry=options.dry_run)
    record = {
        "dry_run": options.dry_run,
        "removed": list(done.removed),
        "kept": done.kept,
        "freed_bytes": done.freed_bytes,
    }
    show(record, list(_lines(done, is_dry=options.dry_run)), is_json=options.json)
    if done.left:
        numbers = ", ".join(map(str, done.left))
        raise EnvironmentProblem(
            f"the models of these trials could not be removed: {numbers}",
            "check who owns their files",
        )
    return 0


def _kept(text: str) -> int:
    try:
        which = kept_models(text)
    except ValueError as error:
        raise UsageError(f"--keep={text[:60]} {error}", None) from None
    if which == "all":
        raise UsageError("--keep=all would remove nothing", "use --keep=best or --keep=top:K")
    return int(which.partition(":")[2] or 1)


def _lines(done: Removal, *, is_dry: bool) -> Iterator[str]:
    count = len(done.removed)
    if not count:
        yield f"nothing to remove; {_models(done.kept)} kept"
        return
    verb = "would be removed" if is_dry else "removed"
    freed = f"{_size(done.freed_bytes)} {'would be ' if is_dry else ''}freed"
    yield f"{_models(count)} {verb}, {freed}; {_models(done.kept)} kept"
    numbers = ", ".join(map(str, done.removed[:20]))
    more = f" and {count - 20} more" if count > 20 else ""
    yield f"trial{'s' if count != 1 else ''} {numbers}{more}"


def _models(count: int) -> str:
    return f"{count} model{'s' if count != 1 else ''}"


def _size(count: int) -> str:
    value, unit = float(count), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            break
        value /= 1024
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
