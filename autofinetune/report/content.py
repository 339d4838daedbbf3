"""Everything that the page shows of one run, as plain data for JSON.

Texts that come from files of the run are on one line and without control characters; the page
shows them as text.
"""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from autofinetune.config.config import MOST_TRIALS, Config
from autofinetune.config.program import masked
from autofinetune.core.lineage import ancestors, chain_of, changes, effective_number
from autofinetune.core.state import State, Trial
from autofinetune.evaluators import Commands
from autofinetune.space import Parameter, Value, as_text
from autofinetune.store.paths import RunPaths
from autofinetune.visible import visible

from .axes import axis_of
from .curves import curves_of, progress_of
from .failures import failures_of, lost_of
from .history import History
from .model import surrogate_of
from .timeline import timeline_of


def content_of(history: History, page: Path) -> dict[str, Any]:
    """Return the content of a run for a page that will be the file `page`."""
    state, config, paths = history.state, history.config, history.paths
    return {
        **_head(history),
        "params": [axis_of(config.space, parameter) for parameter in config.space],
        "constants": [
            [visible(c.name), visible(as_text(c.value))] for c in config.space.constants
        ],
        "logs": _link_to(paths.root, page),
        "trials": _columns(history),
        "progress": progress_of(history),
        "curves": curves_of(history),
        "timeline": timeline_of(history),
        "lineage": _lineage(state),
        "surrogate": surrogate_of(state, config.space),
        "failures": failures_of(state, paths),
        "lost": lost_of(state),
        "commands": _commands(config, state, paths),
    }


def _head(history: History) -> dict[str, Any]:
    state, config = history.state, history.config
    best = state.best
    strategy = config.tuning_strategy
    options = ", ".join(
        f"{key}={as_text(value)}" for key, value in config.strategy_options.items()
    )
    return {
        "name": visible(config.name or history.paths.root.name),
        "run": visible(state.run),
        "dir": visible(history.paths.shown),
        "state": history.run_state.value,
        "why": visible(history.why),
        "created": history.created_at,
        "read": history.read_at,
        "active": state.active_seconds,
        "busy": state.busy_seconds,
        "direction": state.direction.value,
        "planned": None if config.planned == MOST_TRIALS else config.planned,
        "counts": {status.value: count for status, count in state.counts.items()},
        "repeats": config.repeats,
        "steps": history.endings[-1].steps if history.endings else 0,
        "strategy": visible(f"{strategy} ({options})" if options else strategy),
        "evaluator": visible(config.evaluator),
        "assessor": visible(config.assessor),
        "saved": state.spent.in_words(),
        "seed": config.seed,
        "slots": visible(str(config.gpu)),
        "script": visible(config.script),
        "best": None if best is None else {
            "trial": best.id,
            "score": best.score,
            "params": _texts(best.params),
        },
    }  # fmt: skip


def _texts(params: Mapping[str, Value]) -> list[list[str]]:
    return [[visible(name), visible(as_text(value))] for name, value in params.items()]


def _columns(history: History) -> dict[str, list[Any]]:
    """Return the table of trials by column; `values` has a column for each parameter.

    `order`, `at` and `steps` are how many trials had ended when this one had, after how many
    seconds of the run, and how many steps had been reported; None for a trial that has not ended.
    """
    trials = list(history.state.trials.values())
    ended = {ending.trial: (count, ending) for count, ending in enumerate(history.endings, 1)}
    endings = [ended.get(trial.id) for trial in trials]
    logs = _logs(history.paths, trials)
    return {
        "id": [t.id for t in trials],
        "round": [t.round for t in trials],
        "member": [t.member for t in trials],
        "state": [t.status.value for t in trials],
        "reason": [visible(t.reason or t.stop_reason) for t in trials],
        "score": [t.score for t in trials],
        "estimate": [t.estimate for t in trials],
        "seconds": [round(t.seconds, 3) if t.status.is_final else None for t in trials],
        "slot": [visible(str(t.where)) for t in trials],
        "attempts": [t.attempt for t in trials],
        "parent": [t.parent for t in trials],
        "log": logs,
        "order": [None if one is None else one[0] for one in endings],
        "at": [None if one is None else round(one[1].seconds, 3) for one in endings],
        "steps": [None if one is None else one[1].steps for one in endings],
        "values": [[_number(p, t.params) for t in trials] for p in history.config.space],
    }  # fmt: skip


def _number(parameter: Parameter, params: Mapping[str, Value]) -> float | None:
    """Return a value as a number on its axis; None if it is inactive or not of this space."""
    try:
        return parameter.as_number(params[parameter.name])
    except (KeyError, ValueError, AssertionError):
        return None


def _logs(paths: RunPaths, trials: Sequence[Trial]) -> list[str | None]:
    """Return the log of each trial by its path in the run; None if there is no such file."""
    there: dict[int, set[str]] = {}
    for round_ in {trial.round for trial in trials}:
        there[round_] = set()
        with (
            contextlib.suppress(OSError),
            paths.place_of(paths.round_dir(round_)).opened() as here,
            os.scandir(here) as entries,
        ):
            there[round_] = {one.name for one in entries if one.is_file(follow_symlinks=False)}
    names = RunPaths(Path())
    logs = [names.trial_log(trial.round, trial.member) for trial in trials]
    return [
        str(log) if log.name in there[trial.round] else None
        for log, trial in zip(logs, trials, strict=True)
    ]


def _link_to(root: Path, page: Path) -> str:
    """Return a relative URL of the run's directory, without the slash at its end."""
    relative = os.path.relpath(root, page.parent)
    return "./" + quote(relative, safe="/", encoding="utf-8", errors="surrogateescape")


def _lineage(state: State) -> dict[str, Any] | None:
    """Return the chain of the best model and the ancestors; None if no trial continues another."""
    if all(trial.parent is None for trial in state.trials.values()):
        return None
    shares = ancestors(state)
    chain = [] if state.best is None else chain_of(state, state.best)
    return {
        "chain": _steps(chain),
        "roots": dict(shares.most_common()),
        "effective": effective_number(shares),
        "of": _roots(state),
    }


def _roots(state: State) -> list[int]:
    """Return for each trial the one from scratch that its model descends from."""
    roots: dict[int, int] = {}
    for trial in state.trials.values():  # parents were created earlier
        roots[trial.id] = trial.id if trial.parent is None else roots[trial.parent]
    return list(roots.values())


def _steps(chain: Sequence[Trial]) -> list[dict[str, Any]]:
    before: Mapping[str, Value] = {}
    found = []
    for trial in chain:
        new = [
            [visible(name), visible(as_text(value)) if name in trial.params else "(none)"]
            for name, value in changes(before, trial.params).items()
        ]
        found.append(
            {"trial": trial.id, "round": trial.round, "score": trial.score, "changes": new}
        )
        before = trial.params
    return found


def _commands(config: Config, state: State, paths: RunPaths) -> list[list[str]]:
    """Return pairs of a purpose and a command; secrets among the user's words are masked."""
    found = []
    if paths.config.exists():
        again = f"{paths.shown}/{paths.config.name}"
        found.append(["repeat the whole run", f"autofinetune run {again} --output_dir=again"])
    best = state.best
    if best is None:
        return found
    if best.parent is not None:
        found.append(
            ["train the schedule of the best model", f"autofinetune replay {paths.shown}"]
        )
    parent = None if best.parent is None else state.trials[best.parent]
    words = masked(Commands(config, paths).command(best, parent))
    command = f"cd {shlex.quote(config.working_dir)} && {shlex.join(words)}"
    found.append(["the command of the best trial", command])
    return [[purpose, visible(command)] for purpose, command in found]
