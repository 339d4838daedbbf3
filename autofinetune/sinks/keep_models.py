"""Remove saved models that are no longer needed, according to `--keep_models`."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator

from autofinetune.config.config import Config
from autofinetune.core.events import Event, TrialEnded
from autofinetune.core.state import State
from autofinetune.store.copying import remove_tree
from autofinetune.store.paths import RunPaths

from .base import Sink
from .best_model import kept_trial


class KeepModels(Sink):
    """Keeps the best models, every model that may still be continued, and those in use.

    With the better-half rule the parents of a round are at most the best `popsize` trials of the
    rounds before it. Rounds may overlap, so the best trials before each round that is not yet
    fully created are kept. If members continue their own models, the best `popsize` trials and
    the newest trial of each member can be parents. With `--schedule=round` the results of a round
    count only when the round is complete, so twice as many are kept.
    Nothing is removed before best_model holds the complete model of the best trial, and nothing
    of a configuration that is still being repeated. Empty directories stay.

    Args:
        continues_models: whether trials continue models at all.
    """

    def __init__(self, config: Config, paths: RunPaths, *, continues_models: bool = True) -> None:
        self._keep = config.safety.kept_models
        self._members = config.popsize if continues_models else 0
        self._in_round = config.popsize * config.repeats
        self._open_round = 0  # the first round that is not fully created
        self._newest = 0  # how many trials of each member are kept
        if continues_models and config.members_have_models:
            self._newest = 1 if config.schedule == "async" else 2
        self._paths = paths
        self._is_due = False
        self._full: set[int] = set()  # finished trials whose models still exist
        self._newest_of: dict[int, list[int]] = {}  # finished trials of each member

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
        needed = set(itertools.islice(able, max(self._keep, self._newest * self._members)))
        if self._members and not self._newest:
            needed.update(self._better_half(state))
        waiting = [state.trials[number] for number in state.queued | state.running]
        needed |= {trial.parent for trial in waiting if trial.parent is not None}
        needed.update(*self._newest_of.values())
        for trial in [state.trials[number] for number in filter(state.is_settled, self._full)]:
            if trial.id in needed:
                continue
            model = self._paths.model(trial.round, trial.member)
            with self._paths.place_of(model.parent).opened(create=True) as here:
                with contextlib.suppress(OSError):
                    remove_tree(here / model.name)
                (here / model.name).mkdir(exist_ok=True)
            self._full.remove(trial.id)

    def _better_half(self, state: State) -> Iterator[int]:
        """Yield the trials that may be parents in a round that is not fully created."""
        while state.created_in(self._open_round) >= self._in_round:
            self._open_round += 1
        better: list[int] = []  # the rounds of trials that rank above
        for trial in state.ranked():
            if not trial.has_model:
                continue
            first = max(self._open_round, trial.round + 1)  # the first round it can be a parent of
            if sum(round_ < first for round_ in better) < self._members:
                yield trial.id
            better.append(trial.round)
            if sum(round_ < self._open_round for round_ in better) >= self._members:
                return

    def _best_is_safe(self, state: State) -> bool:
        """Return whether best_model is a complete copy of the best trial's model."""
        if state.best is None or not state.best.has_model:
            return False
        with self._paths.place.opened() as here:
            return kept_trial(self._paths, here) == state.best.id
