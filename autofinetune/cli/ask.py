"""`autofinetune ask` and `tell`: for loops of others, which train without a train.py."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autofinetune import terminal
from autofinetune.cli.options import add_option
from autofinetune.cli.steer import steering_parser
from autofinetune.config.config import ASKED
from autofinetune.config.options import OPTIONS
from autofinetune.errors import UsageError
from autofinetune.run.asked import create, opened
from autofinetune.run.directories import existing_run
from autofinetune.run.overview import overview_of
from autofinetune.run.prior import with_prior
from autofinetune.run.records import as_json
from autofinetune.run.session import configured
from autofinetune.space import as_text
from autofinetune.store.paths import RunPaths
from autofinetune.visible import visible

EXIT_NO_TRIAL = 7
_AT_FIRST = (
    "param_file", "tuning_strategy", "strategy_options", "popsize", "round", "max_trials",
    "repeats", "seed", "schedule", "direction", "enqueue", "warm_start", "name",
)  # fmt: skip


def ask_command(argv: Sequence[str]) -> int:
    """Hand out a trial and return the exit code; 7 if there is none."""
    parser = steering_parser(
        "ask",
        "Hand out the next trial of a run that has no train.py: run it yourself, then tell its "
        "score by `autofinetune tell`. Given --param_file, a directory without a run begins one. "
        "Exit code 7: there is no trial now; the reason is printed.",
    )
    for name in _AT_FIRST:
        add_option(parser, OPTIONS[name])
    options = vars(parser.parse_args(argv))
    directory = Path(options["output_dir"])
    given = {name: options[name] for name in _AT_FIRST if options[name] is not None}
    is_new = not RunPaths(directory).journal.exists()
    if given.get("param_file") and is_new:
        _begin(directory, given)
    elif given and not given.get("param_file"):
        raise UsageError(
            f"--{next(iter(given))} is for the first `ask` of a run, with --param_file",
            "leave it out, or use: autofinetune set",
        )
    with opened(directory) as run:
        trial, reason = run.ask()
    if options["json"]:
        told: dict[str, Any] = {"trial": None, "state": _state(directory), "reason": reason}
        if trial is not None:
            params = dict(trial.params)
            told |= {"trial": trial.id, "round": trial.round, "params": params}
        print(as_json(told))
    elif trial is None:
        print(f"no trial: {reason}")
    else:
        words = (f"{name}={visible(as_text(value))}" for name, value in trial.params.items())
        print(f"trial {trial.id}: {' '.join(words)}")
    return 0 if trial is not None else EXIT_NO_TRIAL


def _begin(directory: Path, given: dict[str, Any]) -> None:
    options = {"evaluator": "fulltrail", **given, "gpu": "cpu", "executor": ASKED}
    config = configured(options)
    for sentence in config.space.notes:
        terminal.err(f"note: {visible(sentence)}")
    create(directory.absolute(), with_prior(config, options, terminal.err))


def _state(directory: Path) -> str:
    with existing_run(directory) as paths:
        return overview_of(paths).state.value


def tell_command(argv: Sequence[str]) -> int:
    """Take the score of a trial and return the exit code."""
    parser = steering_parser("tell", "Tell the score of a trial that `autofinetune ask` printed.")
    parser.add_argument("trial", type=int, help="its number")
    parser.add_argument("score", help="a number, or `failed`")
    options = parser.parse_args(argv)
    if options.score == "failed":
        score = None
    else:
        try:
            score = float(options.score)
        except ValueError:
            tip = "give a number, or `failed`"
            raise UsageError(f"{options.score!r:.60} is not a score", tip) from None
    with opened(Path(options.output_dir)) as run:
        trial = run.tell(options.trial, score)
        best = run.state.best
    if options.json:
        state = _state(Path(options.output_dir))
        told = {"trial": trial.id, "status": trial.status.value, "reason": trial.reason,
                "score": trial.score, "state": state,
                "best": None if best is None else best.id}  # fmt: skip
        print(as_json(told))
    else:
        how = trial.reason if trial.score is None else f"score {trial.score:.6g}"
        shown = "none" if best is None else f"{best.score:.6g} by trial {best.id}"
        print(f"trial {trial.id}: {trial.status.value} {how}; best {shown}")
    return 0
