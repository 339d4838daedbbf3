"""Removes saved models that nobody can need any more, as `--keep_models` says."""

from __future__ import annotations

import itertools
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
        self._full: set[int] = set()  # trials that are over, whose models are still there
        self._newest_of: dict[int, list[int]] = {}  # trials that are over, of each member

    def handle(self, event: Event, state: State) -> None:
        if isinstance(event, TrialEnded) and self._keep is not None:
            self._is_due = True
            self._full.add(event.trial)
            own = self._newest_of.setdefault(state.trials[event.trial].member, [])
            own[:] = sorted([*own, event.trial])[-self._newest :] if self._newest else []

    def flush(self, state: State) -> None:
        if self._keep is None or not self._is_due or not self._best_is_safe(state):
            return
        self._is_due = False
        able = (trial.id for trial in state.ranked() if trial.has_model)
        needed = set(itertools.islice(able, max(self._keep, self._parents)))
        waiting = [state.trials[number] for number in state.queued | state.running]
        needed |= {trial.parent for trial in waiting if trial.parent is not None}
        needed.update(*self._newest_of.values())
        for trial in [state.trials[number] for number in self._full - needed]:
            model = self._paths.model(trial.round, trial.member)
            shutil.rmtree(model, ignore_errors=True)
            model.mkdir(parents=True, exist_ok=True)
            self._full.remove(trial.id)

    def _best_is_safe(self, state: State) -> bool:
        """Whether best_model.json, written with the digests of a whole copy, names the best."""
        if state.best is None or not state.best.has_model:
            return False
        try:
            manifest = json.loads(self._paths.best_model_manifest.read_bytes())
        except (OSError, ValueError):
            return False
        return bool(manifest.get("trial") == state.best.id and self._paths.best_model.is_dir())
