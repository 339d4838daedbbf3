"""`autofinetune rerun`: train the configuration of one trial again and compare the scores."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from autofinetune.cli.options import Parser
from autofinetune.cli.run import add_new_run, start_again
from autofinetune.cli.shown import add_run_and_trial, number
from autofinetune.config.described import from_description
from autofinetune.core.state import Trial
from autofinetune.core.status import Status
from autofinetune.errors import UsageError
from autofinetune.run.again import rerun_of
from autofinetune.run.directories import existing_run, read_run
from autofinetune.run.recorded import chosen
from autofinetune.terminal import out

MOST_REPEATS = 10_000


def rerun_command(argv: Sequence[str]) -> int:
    """Train the configuration of one trial from scratch and return the exit code."""
    parser = Parser(
        "rerun",
        description="Train the configuration of one trial again from scratch, in a new run, and "
        "compare the scores with the recorded one.",
    )
    add_run_and_trial(parser)
    parser.add_argument("--repeats", default="1", metavar="N", help="how often (default: 1)")
    add_new_run(parser)
    options = parser.parse_args(argv)
    repeats = _repeats(options.repeats)
    with existing_run(options.run) as paths:
        state, shown = read_run(paths), paths.shown
    trial = chosen(state, options.trial)
    times = f"{repeats} times" if repeats > 1 else "once"
    out(f"training the configuration of trial {trial.id} of {shown} {times}, from scratch")
    if trial.parent is not None:
        out(f"note: trial {trial.id} continued the model of trial {trial.parent}; to train all "
            f"trials that led to it: autofinetune replay {shown} {trial.id}")  # fmt: skip
    config = rerun_of(from_description(state.config), trial, repeats)
    code, new = start_again(config, options.gpu, options.to)
    with existing_run(new.root) as paths:
        trials = list(read_run(paths).trials.values())
    for line in comparison(trial, trials):
        out(line)
    return code


def _repeats(text: str) -> int:
    is_number = text.isascii() and text.isdecimal() and len(text) < 9
    if not (is_number and 1 <= int(text) <= MOST_REPEATS):
        raise UsageError(
            f"--repeats={text[:60]} must be a whole number from 1 to {MOST_REPEATS}", None
        )
    return int(text)


def comparison(trial: Trial, again: Sequence[Trial]) -> Iterator[str]:
    """Yield lines that compare the new scores with the recorded one."""
    scores = [one.score for one in again if one.status is Status.COMPLETED]
    found = [score for score in scores if score is not None]
    if len(found) < len(again):
        yield f"{len(found)} of {len(again)} trials completed"
    if not found:
        return
    mean = statistics.fmean(found)
    if len(found) > 1:
        spread = statistics.stdev(found)
        yield f"new scores: mean {number(mean)}, standard deviation {number(spread)}, " \
              f"from {number(min(found))} to {number(max(found))}"  # fmt: skip
    else:
        yield f"new score {found[0]!r}"
    if trial.score is None:
        yield f"trial {trial.id} has no recorded score: {trial.reason or trial.status.value}"
        return
    line = f"recorded score {trial.score!r}, {_difference(trial.score - mean)}"
    if trial.status is Status.STOPPED:
        line += "; an assessor stopped it, so its training was shorter"
    yield line


def _difference(difference: float) -> str:
    if not difference:
        return "the same"
    return f"{number(abs(difference))} {'above' if difference > 0 else 'below'}"
