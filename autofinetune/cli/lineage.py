"""`autofinetune lineage` and `replay`: show the trials that led to a model, or repeat them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from autofinetune.cli.options import Parser
from autofinetune.cli.run import add_new_run, start_again
from autofinetune.cli.shown import add_run_and_trial, reader
from autofinetune.config.described import from_description
from autofinetune.core.lineage import ancestors, chain_of, changes, effective_number
from autofinetune.core.state import State, Trial
from autofinetune.core.status import Status
from autofinetune.errors import AllTrialsFailed
from autofinetune.run.again import replay_of
from autofinetune.run.directories import existing_run, read_run
from autofinetune.run.recorded import chosen, recorded_run
from autofinetune.run.records import as_json, lineage_record
from autofinetune.space import Value, as_text
from autofinetune.store.paths import RunPaths
from autofinetune.terminal import out, tell
from autofinetune.visible import visible


def lineage_command(argv: Sequence[str]) -> int:
    """Print the schedule of hyperparameters that led to a model and return the exit code."""
    parser = reader(
        "lineage", "Print the trials that led to the best model and what changed between them."
    )
    add_run_and_trial(parser, has_default=True)
    options = parser.parse_args(argv)
    with recorded_run(options.run) as run:
        trial = run.chosen(options.trial)
        if options.json:
            print(as_json(lineage_record(run, trial)), flush=True)
            return 0
        chain = chain_of(run.state, trial)
        out(f"trial {trial.id}, score {_score(trial)}: {len(chain)} trials from scratch")
        for row in table_of(chain):
            tell(row)
        _tell_ancestors(run.state)
    return 0


def replay_command(argv: Sequence[str]) -> int:
    """Train the schedule that led to a model from scratch and return the exit code."""
    parser = Parser(
        "replay",
        description="Train the trials that led to the best model again, one after another, "
        "starting from scratch, and compare the scores.",
    )
    add_run_and_trial(parser, has_default=True)
    add_new_run(parser)
    options = parser.parse_args(argv)
    state = read_state(options.run)
    chain = chain_of(state, chosen(state, options.trial))
    config = replay_of(from_description(state.config), chain)
    out(f"replaying trial {chain[-1].id} of {options.run}: {len(chain)} trials")
    code, paths = start_again(config, options.gpu, options.to)
    return code or _compare(chain, paths)


def read_state(directory: str) -> State:
    """Return the state of the run in `directory`; the errors are those of `existing_run`."""
    with existing_run(directory) as paths:
        return read_run(paths)


def table_of(chain: Sequence[Trial]) -> list[str]:
    """Return a heading and a line for each trial: its place, its score, and what changed."""
    rows = [("round", "member", "trial", "score", "hyperparameters that changed")]
    before: Mapping[str, Value] = {}
    for trial in chain:
        new = changes(before, trial.params)
        words = (f"{name}={'(none)' if name not in trial.params else visible(as_text(value))}"
                 for name, value in new.items())  # fmt: skip
        place = (str(trial.round), str(trial.member), str(trial.id))
        rows.append((*place, _score(trial), " ".join(words) or "-"))
        before = trial.params
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return [
        "  ".join(
            [*(cell.rjust(width) for cell, width in zip(row[:4], widths, strict=True)), row[4]]
        )
        for row in rows
    ]


def _score(trial: Trial) -> str:
    return trial.status.value if trial.score is None else repr(trial.score)


def _tell_ancestors(state: State) -> None:
    shares = ancestors(state)
    members = sum(shares.values())
    if members < 2:
        return
    number = effective_number(shares)
    beginnings = f"{len(shares)} trial{'s' if len(shares) != 1 else ''}"
    out(f"the {members} members descend from {beginnings} trained from scratch "
        f"(effective number {number:.1f})")  # fmt: skip
    if len(shares) == 1:
        out(
            "WARNING: the whole population descends from one trial; to keep more starting "
            "points, use a larger --popsize or longer training per trial (--warm_args)"
        )


def _compare(chain: Sequence[Trial], paths: RunPaths) -> int:
    """Print the replayed and the recorded score and return the exit code."""
    trials = read_state(str(paths.root)).trials
    last = trials[max(trials)]
    if len(trials) < len(chain) or last.status is not Status.COMPLETED:
        why = last.reason or "it saved no model to continue from"
        raise AllTrialsFailed(
            f"the replay ended at trial {last.id + 1} of {len(chain)}: {why}",
            f"see {paths.trial_log(last.round, last.member)}",
        )
    out(f"replayed score {_score(last)}, recorded score {_score(chain[-1])}")
    out(f"the model is in {RunPaths(paths.model(last.round, last.member)).shown}")
    return 0
