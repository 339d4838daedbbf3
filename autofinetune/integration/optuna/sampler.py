"""A sampler of Optuna that chooses by a strategy of autofinetune."""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
import zlib
from collections.abc import Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from optuna.samplers import BaseSampler
from optuna.trial import TrialState

from autofinetune.errors import UsageError
from autofinetune.run.optuna_study import direction_of
from autofinetune.space import Space
from autofinetune.strategies import Candidate, Exhausted, known_name, strategy_class

from .follower import Follower
from .space import CHOSEN, StudySpace, joined_distributions, parameter_of, study_space

_NOT_KEPT = ("_lock", "_last", "_asks", "_read")
_FRESH_S = 0.5  # how long what was read a moment ago will do
_TRIES = 8  # to choose what no other worker chose at the same moment


class StrategySampler(BaseSampler):  # type: ignore[misc]  # Optuna has no types here
    """Samples by a strategy, such as `pshe2`, `hazero`, `tpe` or `gp`.

    All that it knows is in the study's trials, so that threads (`n_jobs`), several processes with
    one storage and a resumed study need nothing special. The space is that of all parameters
    that finished trials had, each with its newest range; what is not in it yet is sampled at
    random. Parameters that exist only for some values of a categorical one are recognized. Once
    every configuration of a finite space was tried, configurations are repeated, except by
    `grid` and `batch`, which stop the study.

    Args:
        name: one of `autofinetune strategies`.
        popsize: members of the population, at least 1; best as many as trials that run at once.
        seed: any integer >= 0, for the same search again; None takes a random one.
        options: settings of the strategy, as `autofinetune strategies` lists them.

    Raises:
        UsageError: the strategy or an option is unknown, or a value is not allowed.
    """

    def __init__(
        self, name: str = "pshe2", *, popsize: int = 5, seed: int | None = None, **options: object
    ) -> None:
        try:
            self._name = known_name(name)
            strategy_class(self._name).read_options(options)
        except UsageError as error:
            raise UsageError(error.mistake.worded(), error.tip) from None
        for word, number, least in (("popsize", popsize, 1), ("seed", seed, 0)):
            if number is not None and (not isinstance(number, Integral) or number < least):
                raise UsageError(f"{word}={number!r} must be a whole number of at least {least}")
        self._popsize = int(popsize)
        self._seed = secrets.randbits(31) if seed is None else int(seed)
        self._options = options
        self._set_up()

    def _set_up(self) -> None:
        self._lock = threading.Lock()
        self._last: tuple[Any, Follower] | None = None  # the storage and study, the last strategy
        self._asks = 0
        # What was read for the space of a trial: which one, after how many asks, when, all trials.
        self._read: tuple[Any, int, float, list[Any]] | None = None

    def __str__(self) -> str:
        return f"{type(self).__name__}({self._name})"

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is made again from the study."""
        own = self.__dict__.items()
        return {name: value for name, value in own if name not in _NOT_KEPT}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)
        self._set_up()

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:
        asks, trials = self._asks, study.get_trials(deepcopy=False)
        self._read = (_where(study, trial), asks, time.monotonic(), trials)
        return joined_distributions(_with_results(trials))

    def sample_relative(
        self, study: Any, trial: Any, search_space: Mapping[str, Any]
    ) -> dict[str, Any]:
        self._raise_error_if_multi_objective(study)
        if not search_space:
            return {}
        with self._lock:
            trials = self._others(study, trial)
            space = study_space(search_space, _with_results(trials))
            self._asks += 1
            try:
                candidate = self._choose(study, trial, trials, space)
            except Exhausted:
                candidate = None
                with contextlib.suppress(RuntimeError):  # only where Optuna runs the loop
                    study.stop()
        return space.values(candidate.params) if candidate else {}

    def sample_independent(
        self, study: Any, trial: Any, param_name: str, param_distribution: Any
    ) -> Any:
        """Sample at random, from the seed and the trial alone: no two workers draw the same."""
        self._raise_error_if_multi_objective(study)
        rng = np.random.default_rng([self._seed, trial.number, zlib.crc32(param_name.encode())])
        parameter = parameter_of(param_name, param_distribution)
        space = StudySpace({param_name: param_distribution}, Space((parameter,)))
        return space.values({param_name: parameter.decode(rng.random())})[param_name]

    def _choose(
        self, study: Any, trial: Any, trials: Sequence[Any], space: StudySpace
    ) -> Candidate | None:
        """Choose a candidate and note it in the trial, so that no other worker chooses it.

        Another worker may choose at the same moment. Each notes its choice and then looks, so
        that of two equal choices at least one is seen, and made again from another seed.
        """
        follower = self._follower(study, trials, space, self._seed)
        for _ in range(_TRIES):
            candidate = follower.ask(trial.number)
            if candidate is None:
                return None
            point = dict(zip((p.name for p in space.space), candidate.point, strict=True))
            study._storage.set_trial_system_attr(trial._trial_id, CHOSEN, point)
            trials = self._others(study, trial)
            if not _is_taken(candidate, follower, trials):
                return candidate
            self._last = None
            follower = self._follower(study, trials, space, self._seed + 1 + trial.number)
            self._last = None
        # All seeds agree, as at the best corner of a space: something else is tried, at random.
        study._storage.set_trial_system_attr(trial._trial_id, CHOSEN, {})
        return None

    def _others(self, study: Any, trial: Any) -> list[Any]:
        """Return all other trials; reading them is the slowest part of an ask, with a database."""
        read, self._read = self._read, None
        trials = None
        if read and read[:2] == (_where(study, trial), self._asks):
            trials = read[3] if time.monotonic() - read[2] < _FRESH_S else None
        trials = trials or study.get_trials(deepcopy=False)
        return [one for one in trials if one.number != trial.number]

    def _follower(
        self, study: Any, trials: Sequence[Any], space: StudySpace, seed: int
    ) -> Follower:
        """Return a strategy that knows the trials: the last one, unless it fits no more."""
        where = _where(study)
        if self._last and self._last[0] == where and self._last[1].space == space:
            follower = self._last[1]
            if follower.follow(trials):
                return follower
        follower = Follower(
            self._name,
            space,
            direction_of(study),
            popsize=self._popsize,
            seed=seed,
            options=self._options,
        )
        follower.follow(trials)
        self._last = (where, follower)
        return follower


def _where(study: Any, trial: Any = None) -> tuple[Any, ...]:
    return study._storage, study._study_id, None if trial is None else trial.number


def _with_results(trials: Sequence[Any]) -> list[Any]:
    ended = (TrialState.COMPLETE, TrialState.PRUNED)
    return [trial for trial in trials if trial.state in ended]


def _is_taken(candidate: Candidate, follower: Follower, trials: Sequence[Any]) -> bool:
    """Return whether another trial has the same configuration, as far as it is known.

    What a function suggests depends on the values so far only. So a candidate with all the values
    that an ended trial had repeats it, whatever else the candidate has. In a finite space the
    strategy itself decides whether to repeat a trial that it knows.
    """
    study, space = follower.space, follower.space.space
    is_finite = space.size is not None
    unknown = [one for one in trials if not (is_finite and one.number in follower.followed)]
    values, key = study.values(candidate.params), space.key(candidate.params)
    for one in unknown:
        if one.state.is_finished():
            if one.params and one.params.items() <= values.items():
                return True
        elif (point := study.point(one)) is not None and space.key(space.decode(point)) == key:
            return True
    return False
