"""Remove saved models that are no longer needed, according to `--keep_models`."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterable, Set

from autofinetune.config.config import Config
from autofinetune.core.events import Event, TrialEnded
from autofinetune.core.state import State, Trial
from autofinetune.store.copying import remove_tree
from autofinetune.store.paths import RunPaths

from .base import Sink
from .best_model import kept_trial


class KeepModels(Sink):
    """Keeps the best models, every model that may still be continued, and those in use.

    Nothing is removed before best_model holds the complete model of the best trial, and nothing
    of a configuration that is still being repeated. Empty directories stay. `possible_parents`
    returns every trial that may still be continued.
    """

    def __init__(
        self, config: Config, paths: RunPaths, possible_parents: Callable[[State], Set[int]]
    ) -> None:
        self._keep = config.safety.kept_models
        self._possible_parents = possible_parents
        self._paths = paths
        self._is_due = False
        self._full: set[int] = set()  # ended trials whose models still exist

    def handle(self, event: Event, state: State) -> None:
        if isinstance(event, TrialEnded) and self._keep is not None:
            self._is_due = True
            self._full.add(event.trial)

    def flush(self, state: State) -> None:
        if self._keep is None or not self._is_due or not self._best_is_safe(state):
            return
        self._is_due = False
        settled = filter(state.is_settled, self._full)
        for trial in needless(state, settled, self._keep, self._possible_parents(state)):
            empty_model(self._paths, trial)
            self._full.remove(trial.id)

    def _best_is_safe(self, state: State) -> bool:
        """Return whether best_model is a complete copy of the best trial's model."""
        if state.best is None or not state.best.has_model:
            return False
        with self._paths.place.opened() as here:
            return kept_trial(self._paths, here) == state.best.id


def needless(state: State, ended: Iterable[int], keep: int, parents: Set[int]) -> list[Trial]:
    """Return those of the `ended` trials whose models are not needed any more.

    Needed are those of the best `keep` trials, of `parents`, which may still be continued, and of
    trials that waiting or running ones continue.
    """
    able = (trial.id for trial in state.ranked() if trial.has_model)
    needed = {*itertools.islice(able, keep), *parents}
    waiting = [state.trials[number] for number in state.queued | state.running]
    needed |= {trial.parent for trial in waiting if trial.parent is not None}
    return [state.trials[number] for number in ended if number not in needed]


def empty_model(paths: RunPaths, trial: Trial) -> None:
    """Remove what is in the model directory of a trial, as far as that is possible."""
    model = paths.model(trial.round, trial.member)
    with paths.place_of(model.parent).opened(create=True) as here:
        with contextlib.suppress(OSError):
            remove_tree(here / model.name)
        (here / model.name).mkdir(exist_ok=True)
