"""`autofinetune lineage` and `replay`: show the trials that led to a model, or repeat them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from autofinetune.cli.options import Parser
from autofinetune.cli.run import start
from autofinetune.config.config import Config
from autofinetune.config.described import from_description
from autofinetune.core.lineage import ancestors, chain_of, changes, effective_number
from autofinetune.core.state import State, Trial
from autofinetune.core.status import Status
from autofinetune.errors import AllTrialsFailed, UsageError
from autofinetune.executors import EXECUTORS
from autofinetune.run.directories import existing_run, read_run
from autofinetune.run.parts import make_parts
from autofinetune.run.preflight import check_is_there
from autofinetune.run.session import new_paths
from autofinetune.space import Value, as_text
from autofinetune.store.paths import RunPaths
from autofinetune.terminal import out, tell
from autofinetune.visible import visible


def lineage_command(argv: Sequence[str]) -> int:
    """Print the schedule of hyperparameters that led to a model and return the exit code."""
    parser = Parser(
        "lineage",
        description="Print the trials that led to the best model and what changed between them.",
    )
    _add_run_and_trial(parser)
    options = parser.parse_args(argv)
    state = read_state(options.run)
    chain = chain_of(state, _chosen(state, options.trial))
    out(f"trial {chain[-1].id}, score {_score(chain[-1])}: {len(chain)} trials from scratch")
    for row in table_of(chain):
        tell(row)
    _tell_ancestors(state)
    return 0


def replay_command(argv: Sequence[str]) -> int:
    """Train the schedule that led to a model from scratch and return the exit code."""
    parser = Parser(
        "replay",
        description="Train the trials that led to the best model again, one after another, "
        "starting from scratch, and compare the scores.",
    )
    _add_run_and_trial(parser)
    parser.add_argument("--output_dir", "--output-dir", dest="to", metavar="DIR",
                        help="where results go (default output_<time>)")  # fmt: skip
    parser.add_argument(
        "--gpu", metavar="IDS", help="slot to use (default: the first slot of the run)"
    )
    options = parser.parse_args(argv)
    state = read_state(options.run)
    chain = chain_of(state, _chosen(state, options.trial))
    config = replay_of(from_description(state.config), chain)
    if options.gpu:
        config = dataclasses.replace(config, gpu=options.gpu)
    check_is_there(config)
    out(f"replaying trial {chain[-1].id} of {options.run}: {len(chain)} trials")
    paths = new_paths(options.to)
    with EXECUTORS.load(config.executor)(config.gpu) as engine:
        code = start(make_parts(config, engine), paths, preflight=False)
    return code or _compare(chain, paths)


def replay_of(config: Config, chain: Sequence[Trial]) -> Config:
    """Return the configuration of a run that trains only this chain of trials, from scratch."""
    return dataclasses.replace(
        config,
        popsize=1,
        round=len(chain),
        max_trials=None,
        target_score=None,
        repeats=1,
        evaluator="populationbased",
        exploit="truncation",
        enqueued=(),
        earlier=(),
        replayed=tuple(trial.params for trial in chain),
    )


def _add_run_and_trial(parser: Parser) -> None:
    parser.add_argument("run", metavar="OUTPUT_DIR", help="the directory of a run")
    parser.add_argument("trial", nargs="?", metavar="TRIAL",
                        help="a number in trials.csv (default: the best trial)")  # fmt: skip


def read_state(directory: str) -> State:
    """Return the state of the run in `directory`; the errors are those of `existing_run`."""
    with existing_run(directory) as paths:
        return read_run(paths)


def _chosen(state: State, number: str | None) -> Trial:
    """Return the trial with this number, or the best one."""
    if number is None:
        if state.best is None:
            raise UsageError(
                "no trial of this run has completed, so there is no best model",
                "name a trial by its number in trials.csv",
            )
        return state.best
    is_number = number.isdecimal() and len(number) < 10
    trial = state.trials.get(int(number)) if is_number else None
    if trial is None:
        raise UsageError(
            f"this run has no trial {number[:60]!r}",
            f"give a number from 0 to {len(state.trials) - 1}, as in trials.csv"
            if state.trials
            else "it has not started any trial yet",
        )
    return trial


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
