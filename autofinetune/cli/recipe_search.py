"""`autofinetune recipe search`: search for the arguments of a Data-Juicer recipe."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from autofinetune.cli.detach import fork
from autofinetune.cli.options import Parser, divide, given_options, run_parser
from autofinetune.cli.run import run_source
from autofinetune.cli.words import note
from autofinetune.recipe.installed import check_installed
from autofinetune.recipe.objectives import OBJECTIVES, Settings
from autofinetune.recipe.search import Wanted, refuse_script, source_of_search

_USAGE = (
    "autofinetune recipe search --config=recipe.yaml --hpo_config=sweep.yaml --gpu=cpu:4 [options]"
)
_ABOUT = """
Every trial runs the recipe by Data-Juicer with other arguments, on data of its own directory, and
is scored by an objective. Hyperparameters of the sweep are called operator.argument, for instance
text_length_filter.min_len, or operator#2.argument for the second operator of that name.
All options of `autofinetune run` are options of this command, too: autofinetune run --help
"""


def search_command(argv: Sequence[str]) -> int:
    """Start a search over a recipe and return the exit code."""
    own, rest = _parser().parse_known_args(argv)
    parser = run_parser(_USAGE)
    given = given_options(parser, divide(parser, rest))
    refuse_script(given)
    check_installed("recipe search", "`recipe refine --stats` works without it")
    background = fork() if given.pop("detach", False) else None
    if isinstance(background, int):
        return background
    wanted = Wanted(own.config, own.hpo_config, own.objective, own.shares, _settings(own))
    return run_source(source_of_search(wanted, given, note), background)


def _settings(own: argparse.Namespace) -> Settings:
    names = ("held_out", "good", "bad", "label", "tokens", "command")
    given = {name: getattr(own, name) for name in names if getattr(own, name) is not None}
    return Settings(**given)


def _parser() -> Parser:
    names = ", ".join(OBJECTIVES)
    parser = Parser(
        "recipe search",
        usage=_USAGE,
        description=_ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--config", metavar="FILE", type=Path, required=True, help="the recipe of Data-Juicer")
    add("--hpo_config", "--hpo-config", metavar="FILE", type=Path, required=True,
        help="what to search: a sweep of W&B, also with sweep_name and sweep_max_count, or any "
        "other list of hyperparameters that `run` reads")  # fmt: skip
    add("--objective", metavar="SUM",
        help=f"what to optimize: {names}, or a sum such as 'quality_score + 0.5*kept', in which "
        "kept is the share of samples that stay (default: the metric of the sweep)")  # fmt: skip
    add("--objective_command", "--objective-command", metavar="CMD", dest="command",
        help="run this command with the path of the processed data as its last word; it prints or "
        "reports a number, the objective `command`")  # fmt: skip
    add("--shares", metavar="X,Y,1",
        help="score each trial on these shares of the data one after the other, so that an "
        "assessor can stop it (default: 1, or those at which the assessor judges)")  # fmt: skip
    add("--held_out", "--held-out", metavar="FILE", type=Path,
        help="good texts for model_loss, or labelled ones for downstream_task: JSON lines, or "
        "text with blank lines between")  # fmt: skip
    add(
        "--good",
        metavar="FILE",
        type=Path,
        help="good texts from which quality_score learns, with --bad (default: Python's manual)",
    )
    add("--bad", metavar="FILE", type=Path, help="bad texts (default: junk made of the manual)")
    add("--label", metavar="KEY", help="the field with the label, for downstream_task "
        "(default: label)")  # fmt: skip
    add(
        "--tokens",
        metavar="N",
        type=_count,
        help="train the model of model_loss on so many bytes (default: 200000)",
    )
    return parser


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be a whole number of at least 1")
    return number
