"""The script of a trial of `autofinetune recipe search`: runs a recipe and reports its objective.

It writes the recipe with the trial's hyperparameters, which come as options `--op.arg=value`, to
the directory of the trial, processes a share of the data after another, and reports a score for
each. The processed data, the recipe and `scores.json` stay in that directory.
"""

from __future__ import annotations

import argparse
import functools
import json
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any


def main(argv: Sequence[str] | None = None) -> int:
    """Run one trial and return the exit code."""
    from autofinetune.errors import AutofinetuneError

    options, words = parser().parse_known_args(argv)
    signal.signal(signal.SIGTERM, _end)  # an exception, so that temporary files are removed
    try:
        _run(options, _hyperparameters(words))
    except AutofinetuneError as error:
        print(f"ERROR {error.message}", file=sys.__stderr__)
        return error.exit_code
    return 0


def _end(signum: int, frame: FrameType | None) -> None:
    sys.exit(128 + signum)


def parser() -> argparse.ArgumentParser:
    """Return the parser for all options except the hyperparameters."""
    found = argparse.ArgumentParser("recipe search", allow_abbrev=False)
    found.add_argument("--config", type=Path, required=True)
    found.add_argument("--objective", required=True)
    found.add_argument("--shares", type=_shares, default=(1.0,))
    found.add_argument("--full", type=int, default=100)
    found.add_argument("--saved_params_dir", type=Path, required=True)
    found.add_argument("--held_out", type=Path)
    found.add_argument("--good", type=Path)
    found.add_argument("--bad", type=Path)
    found.add_argument("--label")
    found.add_argument("--tokens", type=int)
    found.add_argument("--objective_command", dest="command")
    return found


def _shares(text: str) -> tuple[float, ...]:
    return tuple(map(float, text.split(",")))


def _hyperparameters(words: Sequence[str]) -> dict[str, Any]:
    from autofinetune.recipe.binding import read_word

    pairs = (word.removeprefix("--").partition("=") for word in words)
    return {name: read_word(text) for name, _, text in pairs}


def _run(options: argparse.Namespace, params: dict[str, Any]) -> None:
    from autofinetune.recipe.apart import apart
    from autofinetune.recipe.objectives.synergy import Synergy
    from autofinetune.recipe.process import Juicer, drop
    from autofinetune.trial import report

    synergy, folder = Synergy.of(options.objective), options.saved_params_dir
    recipe, export = _write_recipe(options.config, params, folder)
    with tempfile.TemporaryDirectory(prefix="data_juicer_") as scratch:
        juicer = Juicer(recipe, export, Path(scratch))
        settings = settings_of(options, juicer.text_key)
        for share in options.shares:
            is_last = share == options.shares[-1]
            place = export if is_last else folder / f"share_{share:g}" / export.name
            processed = juicer.run(share, place)
            scores = apart(functools.partial(synergy.scores, processed, settings))
            total = synergy.total(scores)
            _tell(folder, share, total, scores)
            if not is_last:
                drop(place)
            if len(options.shares) > 1:
                report.report_intermediate_result(total, step_of(share, options.full))
            if report.should_stop():
                return
    report.report_final_result(total)


def settings_of(options: argparse.Namespace, text_key: str) -> Any:
    """Return the settings of the objectives; options that are not given get their defaults."""
    from autofinetune.recipe.objectives import Settings

    names = ("held_out", "good", "bad", "label", "tokens", "command")
    given = {name: getattr(options, name) for name in names}
    return Settings(text_key, **{key: value for key, value in given.items() if value is not None})


def step_of(share: float, full: int) -> int:
    """Return the step of a report: all of the data is step `full`."""
    return max(1, round(share * full))


def _write_recipe(config: Path, params: dict[str, Any], folder: Path) -> tuple[Path, Path]:
    """Write the trial's recipe; return its path and that of the data."""
    from autofinetune.errors import UsageError
    from autofinetune.recipe.binding import changes
    from autofinetune.recipe.document import read_recipe

    found = read_recipe(config)
    try:
        text = found.edited(changes(params, found))
    except ValueError as error:
        raise UsageError(str(error)) from None
    folder.mkdir(parents=True, exist_ok=True)
    recipe = folder / f"recipe{config.suffix}"
    recipe.write_text(text, encoding="utf-8")
    exported = str(found.document.value.get("export_path") or "processed.jsonl")
    return recipe, folder / Path(exported).name


def _tell(folder: Path, share: float, total: float, scores: dict[str, float]) -> None:
    """Print the scores of a share, and keep the last ones in a file."""
    told = {"share": share, "objective": total, **scores}
    print(json.dumps(told), file=sys.__stdout__, flush=True)
    temporary = folder / "scores.json.part"
    temporary.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    temporary.replace(folder / "scores.json")


if __name__ == "__main__":
    # Nothing beside this file is a module for Data-Juicer.
    sys.path[:] = [
        path for path in sys.path if Path(path or ".").resolve() != Path(__file__).parent
    ]
    sys.exit(main())
