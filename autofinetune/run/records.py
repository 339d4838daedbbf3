"""Records of runs and trials for programs: plain data for JSON, documented in docs/json.md.

Fields are only ever added. Times are in seconds since 1970, durations in seconds, paths absolute.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from autofinetune.config.config import MOST_TRIALS
from autofinetune.core.history import PastAttempt
from autofinetune.core.lineage import ancestors, chain_of, changes, effective_number
from autofinetune.core.state import Trial
from autofinetune.core.status import Status
from autofinetune.run.again import Command, command_of
from autofinetune.run.models import best_model_of, state_of_model
from autofinetune.run.overview import Overview
from autofinetune.run.recorded import Recorded
from autofinetune.store.paths import RunPaths
from autofinetune.store.standing import Standing

SHARES = (0.1, 0.25, 0.5, 1.0)  # of the finished trials, where runs are compared


def as_json(record: object) -> str:
    """Return a record as JSON in ASCII on one line; a number that is not finite becomes null."""
    return json.dumps(_finite(record), allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


# --- runs ---------------------------------------------------------------------------------------


def status_record(found: Overview, stored: Standing | None) -> dict[str, Any]:
    """Return what `status --json` prints; `stored` is what is known of its store."""
    store = None if stored is None else dataclasses.asdict(stored)
    return {**dataclasses.asdict(found), "state": found.state.value, "store": store}


def run_record(found: Overview, paths: RunPaths) -> dict[str, Any]:
    """Return a run in one row, as `ls --json` prints it."""
    best = found.best
    return {
        "output_dir": str(paths.root),
        "run": found.run,
        "name": found.name,
        "state": found.state.value,
        "reason": found.reason,
        "direction": found.direction,
        "planned": None if found.max_trials == MOST_TRIALS else found.max_trials,
        "done": sum(n for status, n in found.counts.items() if Status(status).is_final),
        "counts": dict(found.counts),
        "best": None if best is None else dataclasses.asdict(best),
        "created_at": found.created_at,
        "last_event_at": found.last_event_at,
        "problem": "",
    }


def problem_record(output_dir: str, problem: str) -> dict[str, Any]:
    """Return the row of a run that cannot be read; all other fields are empty."""
    texts = dict.fromkeys(("run", "name"), "")
    unknown = dict.fromkeys(("state", "direction", "planned", "done", "counts", "best",
                             "created_at", "last_event_at"))  # fmt: skip
    return {"output_dir": output_dir, **texts, "reason": "", **unknown, "problem": problem}


def compared_record(run: Recorded, found: Overview) -> dict[str, Any]:
    """Return a run as `compare --json` prints it: its row, how it searched and advanced."""
    progress = run.history.progress
    counts = [math.ceil(share * len(progress)) for share in SHARES]
    return {
        **run_record(found, run.paths),
        "strategy": run.config.tuning_strategy,
        "evaluator": run.config.evaluator,
        "seed": run.config.seed,
        "seconds": run.state.active_seconds,
        "trial_seconds": run.state.busy_seconds,
        "progress": [
            {"share": share, "trials": count, "best": progress[count - 1] if count else None}
            for share, count in zip(SHARES, counts, strict=True)
        ],
    }


# --- trials -------------------------------------------------------------------------------------


def trial_record(
    run: Recorded, trial: Trial, curve: Sequence[tuple[int, float]]
) -> dict[str, Any]:
    """Return everything about a trial, as `show --json` prints it."""
    attempts = run.history.attempts[trial.id]
    last = attempts[-1] if attempts else None
    parent = None if trial.parent is None else run.state.trials[trial.parent]
    return {
        "trial": trial.id,
        "round": trial.round,
        "member": trial.member,
        "parent": trial.parent,
        "parent_model_state": None if parent is None else state_of_model(run.paths, parent),
        "status": trial.status.value,
        "reason": trial.reason,
        "score": trial.score,
        "estimate": trial.estimate,
        "rank": run.ranks.get(trial.id),
        "repeats": [one.id for one in run.repeats_of(trial)],
        "mean_score": run.mean_of(trial),
        "params": dict(trial.params),
        "changed": changed_params(run, trial),
        "slot": (last.slot or None) if last else None,
        "created_at": run.history.trial_created_at[trial.id],
        "started_at": last.started_at if last else None,
        "ended_at": last.ended_at if last and trial.status.is_final else None,
        "seconds": trial.seconds if trial.status.is_final else None,
        "attempts": [_attempt_record(one) for one in attempts],
        "curve": [[step, score] for step, score in curve],
        "model": str(run.paths.model(trial.round, trial.member)),
        "model_state": state_of_model(run.paths, trial),
        "log": str(run.paths.trial_log(trial.round, trial.member)),
        "notes": list(trial.notes),
    }


def changed_params(run: Recorded, trial: Trial) -> dict[str, dict[str, Any]]:
    """Return the hyperparameters that differ from those of the parent, as name: {from, to}.

    A key is missing where the hyperparameter is inactive; without a parent nothing has changed.
    """
    if trial.parent is None:
        return {}
    before = run.state.trials[trial.parent].params
    found: dict[str, dict[str, Any]] = {}
    for name in changes(before, trial.params):
        sides = (("from", before), ("to", trial.params))
        found[name] = {side: params[name] for side, params in sides if name in params}
    return found


def _attempt_record(one: PastAttempt) -> dict[str, Any]:
    return {
        "attempt": one.number,
        "slot": one.slot,
        "outcome": one.outcome,
        "reason": one.reason,
        "started_at": one.started_at,
        "ended_at": one.ended_at,
    }


def trial_records(run: Recorded) -> Iterator[dict[str, Any]]:
    """Yield the records of all trials by number."""
    curves = run.curves()
    for number in sorted(run.state.trials):
        yield trial_record(run, run.state.trials[number], curves.get(number, ()))


def lineage_record(run: Recorded, trial: Trial) -> dict[str, Any]:
    """Return the trials that led to a model, as `lineage --json` prints them."""
    shares = ancestors(run.state)
    fields = ("trial", "round", "member", "parent", "status", "score", "params", "changed")
    chain = (trial_record(run, one, ()) for one in chain_of(run.state, trial))
    return {
        "trial": trial.id,
        "schedule": [{name: record[name] for name in fields} for record in chain],
        "members": sum(shares.values()),
        "ancestors": {str(number): count for number, count in sorted(shares.items())},
        "effective_ancestors": effective_number(shares),
    }


def best_record(run: Recorded, trial: Trial, curve: Sequence[tuple[int, float]]) -> dict[str, Any]:
    """Return the best trial with its run and what trains it again, as `best --json` prints it."""
    command = command_of(run.config, run.paths, run.state, trial)
    model = best_model_of(run)
    return {
        **trial_record(run, trial, curve),
        "output_dir": str(run.paths.root),
        "run": run.state.run,
        "name": run.config.name,
        "state": run.run_state[0].value,
        "direction": run.config.direction.value,
        "best_model": None if model is None else str(model),
        "schedule": [one.id for one in chain_of(run.state, trial)],
        "command": again_text(run, trial, command),
        "argv": list(command.argv) if command else None,
        "env": dict(command.env) if command else None,
        "working_dir": run.config.working_dir,
        "is_masked": bool(command and command.is_masked),
    }


def again_text(run: Recorded, trial: Trial, command: Command | None) -> str:
    """Return the command that trains a trial again; for several processes, that is `rerun`."""
    if command is not None:
        return command.as_shell()
    return f"autofinetune rerun {run.paths.shown} {trial.id}"
