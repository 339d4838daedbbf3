"""Removes saved models that nobody can need any more, as `--keep_models` says."""

from __future__ import annotations

import json
import shutil

from autofinetune.config import Config
from autofinetune.events import Event, TrialEnded
from autofinetune.paths import RunPaths
from autofinetune.state import State

from .base import Sink


class KeepModels(Sink):
    """Keeps the best models, every model that may still be continued, and those in use.

    By the rule of the better half a round has at most `popsize` parents and takes the best ones
    first, so only the best `popsize` trials can be parents from now on. Where members go on with
    their own models the newest trial of each member can be one too. With a schedule of rounds the
    results of a round count once all of it is there, so what was best or newest before it can
    still be a parent: twice as many are kept. Nothing is removed before best_model is the complete
    model of the best trial. Directories stay, empty.

    Args:
        continues_models: whether trials continue models at all.
    """

    def __init__(self, config: Config, paths: RunPaths, *, continues_models: bool = True) -> None:
        self._keep = config.safety.kept_models
        self._parents = config.popsize if continues_models else 0
        self._newest = 0  # trials of each member
        if continues_models and config.members_have_models:
            self._newest = 1 if config.schedule == "async" else 2
            self._parents *= self._newest
        self._paths = paths
        self._is_due = False
        self._emptied: set[int] = set()

    def handle(self, event: Event, state: State) -> None:
        self._is_due |= isinstance(event, TrialEnded)

    def flush(self, state: State) -> None:
        if self._keep is None or not self._is_due or not self._best_is_safe(state):
            return
        self._is_due = False
        ranked = [trial for trial in state.ranked() if trial.has_model]
        needed = {trial.id for trial in ranked[: max(self._keep, self._parents)]}
        waiting = [state.trials[number] for number in state.queued | state.running]
        needed |= {trial.parent for trial in waiting if trial.parent is not None}
        needed |= self._newest_of_members(state)
        for trial in state.trials.values():
            if trial.status.is_final and trial.id not in needed | self._emptied:
                model = self._paths.model(trial.round, trial.member)
                shutil.rmtree(model, ignore_errors=True)
                model.mkdir(parents=True, exist_ok=True)
                self._emptied.add(trial.id)

    def _newest_of_members(self, state: State) -> set[int]:
        by_member: dict[int, list[int]] = {}
        for trial in state.trials.values():
            if trial.status.is_final and self._newest:
                by_member.setdefault(trial.member, []).append(trial.id)
        return {trial for own in by_member.values() for trial in sorted(own)[-self._newest :]}

    def _best_is_safe(self, state: State) -> bool:
        """Whether best_model.json, written with the digests of a whole copy, names the best."""
        if state.best is None or not state.best.has_model:
            return False
        try:
            manifest = json.loads(self._paths.best_model_manifest.read_bytes())
        except (OSError, ValueError):
            return False
        return bool(manifest.get("trial") == state.best.id and self._paths.best_model.is_dir())
