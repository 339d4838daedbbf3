"""Saved models on disk: which are there, a copy of the best, and the removal of the others."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path

from autofinetune.config.config import Config
from autofinetune.core.run_state import RunState, run_state
from autofinetune.core.state import State, Trial
from autofinetune.errors import DiskFull, EnvironmentProblem, UsageError
from autofinetune.evaluators import EVALUATORS
from autofinetune.run.recorded import Recorded
from autofinetune.sinks.best_model import describe_files, kept_trial, manifest_of
from autofinetune.sinks.keep_models import empty_model, needless
from autofinetune.store.copying import copy_model, remove_tree
from autofinetune.store.directory import Place
from autofinetune.store.paths import RunPaths
from autofinetune.strategies import strategy_class
from autofinetune.world import NO_SPACE

NONE, SAVED, REMOVED = "none", "saved", "removed"
_TRIES = 3  # a tuner may replace best_model during a copy


def state_of_model(paths: RunPaths, trial: Trial) -> str | None:
    """Return whether the trial saved `none`, or its model is `saved` or `removed`.

    Return None while the trial has not ended.
    """
    if not trial.status.is_final:
        return None
    if not trial.has_model:
        return NONE
    return SAVED if _has_files(paths, trial) else REMOVED


def _has_files(paths: RunPaths, trial: Trial) -> bool:
    place = paths.place_of(paths.model(trial.round, trial.member))
    try:
        with place.opened() as here, os.scandir(here) as entries:
            return any(True for _ in entries)
    except OSError:
        return False


def removed_models(paths: RunPaths, state: State) -> frozenset[int]:
    """Return the trials that saved a model of which no file is left."""
    found = (n for n, one in state.trials.items() if state_of_model(paths, one) == REMOVED)
    return frozenset(found)


def best_model_of(run: Recorded) -> Path | None:
    """Return the path of best_model, or None if it is not the model of the best trial."""
    best = run.state.best
    if best is None or not run.paths.place.is_there():
        return None
    with run.paths.place.opened() as here:
        return run.paths.best_model if kept_trial(run.paths, here) == best.id else None


# --- a copy -------------------------------------------------------------------------------------


def copy_best(run: Recorded, target: Path) -> None:
    """Copy the model of the best trial to a new directory, which is then complete or absent.

    Missing parents of `target` are created; links on the way to the model are not followed.

    Raises:
        UsageError: there is no model, or `target` exists.
        EnvironmentProblem: it cannot be written, or the model was removed.
    """
    best = run.best
    if not best.has_model:
        raise UsageError(f"the best trial, {best.id}, saved no model", "there is nothing to copy")
    if os.path.lexists(target):
        raise UsageError(f"{target} exists", "name a directory that does not exist yet")
    partial = target.with_name(f".{target.name}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _copy(run, best, partial)
        # Never onto something that appeared meanwhile, which a rename would replace.
        if os.path.lexists(target):
            raise UsageError(f"{target} exists", "name a directory that does not exist yet")
        partial.rename(target)
    except (OSError, shutil.Error) as error:
        what = DiskFull if getattr(error, "errno", None) in NO_SPACE else EnvironmentProblem
        raise what(
            f"the model of trial {best.id} cannot be copied to {target}: {_why(error)}",
            "fix the cause and try again; nothing was left there",
        ) from None
    finally:
        with contextlib.suppress(OSError):
            remove_tree(partial)


def _why(error: OSError | shutil.Error) -> str:
    """Return the first reason; copying a tree raises a list of (source, target, reason)."""
    found = error.args[0] if isinstance(error, shutil.Error) and error.args else error
    return str(found[0][2]) if isinstance(found, list) and found else str(found)


def _copy(run: Recorded, best: Trial, partial: Path) -> None:
    """Copy best_model if it is complete, otherwise the trial's own model."""
    paths = run.paths
    for _ in range(_TRIES):
        with paths.place.opened() as here:
            manifest = manifest_of(paths, here)
            if kept_trial(paths, here) != best.id:
                break
            remove_tree(partial)
            try:
                with paths.place_of(paths.best_model).opened():  # raises if it is a link
                    copy_model(paths.best_model, partial)
            except (OSError, shutil.Error):
                if kept_trial(paths, here) == best.id and manifest_of(paths, here) == manifest:
                    raise
                continue  # it was replaced meanwhile
            if manifest.get("files") == describe_files(partial):
                return
    remove_tree(partial)
    model = paths.model(best.round, best.member)
    if not _has_files(paths, best):
        raise EnvironmentProblem(
            f"the model of trial {best.id} was removed or changed: it is neither in "
            f"{paths.best_model} nor in {model}",
            f"train it again: autofinetune rerun {paths.shown} {best.id}",
        )
    with paths.place_of(model).opened():  # raises if the path contains a link
        copy_model(model, partial)


# --- removal ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Removal:
    """Models that were removed or, in a dry run, would be; `left` could not be removed."""

    removed: tuple[int, ...]
    kept: int
    freed_bytes: int
    left: tuple[int, ...] = ()


def prune(config: Config, paths: RunPaths, state: State, keep: int, *, dry: bool) -> Removal:
    """Remove all models but those of the best `keep` trials and those that are still needed.

    Unless the run is done, a model that a later trial may continue is needed. The directory must
    be locked. best_model and empty directories stay. Raise UsageError if every model is needed.
    """
    is_done = run_state(state.end_reason, has_begun=True)[0] is RunState.DONE
    parents: Set[int] = frozenset()
    if not is_done:
        _refuse_if_any_is_needed(config, paths)
        parents = EVALUATORS[config.evaluator](config).possible_parents(state)
    ended = [trial.id for trial in state.trials.values() if trial.status.is_final]
    over = ended if is_done else list(filter(state.is_settled, ended))
    losers = [one for one in needless(state, over, keep, parents) if _has_files(paths, one)]
    there = sum(_has_files(paths, state.trials[number]) for number in ended)
    freed, left = 0, []
    for trial in losers:
        size = _size(paths.place_of(paths.model(trial.round, trial.member)))
        if not dry:
            empty_model(paths, trial)
            if _has_files(paths, trial):
                left.append(trial.id)
                continue
        freed += size
    removed = tuple(trial.id for trial in losers if trial.id not in left)
    return Removal(removed, there - len(removed), freed, tuple(left))


def _refuse_if_any_is_needed(config: Config, paths: RunPaths) -> None:
    continues = EVALUATORS[config.evaluator].continues_models and config.members_have_models
    if continues and not config.replayed and strategy_class(config.tuning_strategy).names_parents:
        raise UsageError(
            f"the run is not done, and {config.tuning_strategy} may still continue any model",
            f"finish it first: autofinetune resume {paths.shown}",
        )


def _size(place: Place) -> int:
    """Return the bytes that a directory takes on disk; links in it are not followed."""
    total = 0
    with place.opened() as here:
        for folder, inner, names in os.walk(here):
            for name in (*inner, *names):
                total += os.lstat(Path(folder, name)).st_blocks * 512
    return total
