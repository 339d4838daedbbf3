"""Population-based training in which a surrogate decides what is continued.

Whenever a member is due, one surrogate of all finished trials (`surrogate/chain_screen.py`)
compares three things: to train a new configuration from scratch, to continue a model with its own
hyperparameters, and to continue one of the best models with changed ones. Each counts by its log
expected improvement of the best merit, over the number of trials until then, the best of some:

    max over h of  log EI(after h more trials) - COST log h

Waiting and running trials count as if they went on up to the age of the oldest chain. So that
members differ, each demands another improvement (as in `population.py`).

The strategy of the run proposes the first starts and every second later one; the surrogate finds
the others, and the changes, among random points and points near those of good trials.

A trial may be continued several times, but only once with its own hyperparameters. A model that
many others beat at no higher age is left behind (`core/promising.py`).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from autofinetune.core.promising import KEPT, Scored, promising
from autofinetune.surrogate import Chains, ChainScreen

from .base import Candidate, Strategy
from .design import reflect
from .starts import Starts

Array = NDArray[np.float64]
COST = 0.5  # 1 was worse on the digits
FIRST = 10  # starts that the strategy of the run proposes
PARENTS = 3  # models for which changes are searched
HORIZONS = 6
DEMAND = 0.2  # the most improvement that a member looks for, in deviations
_LEAST_DEMAND = 0.05  # above 0, as a share of the largest
_TEMPERS = 5
_DRAWN = 80  # random points, and points near good ones
_BEST_NEAR = 5
_WIDTHS = (0.1, 0.1, 0.03)  # of the first points near good ones, and of two refinements
_SPREAD = 0.8
_KEEP_AXIS = (1.0, 0.5, 0.25)  # each point draws one: the probability of moving a coordinate


@dataclass(frozen=True)
class Model:
    """A finished trial with a model, its chain and its merit."""

    candidate: Candidate
    chain: Chains
    merit: float
    is_tried: bool = False
    """Whether its own hyperparameters were tried on, in vain."""

    @property
    def age(self) -> int:
        return int(self.chain.ages[0])


class _Choice(NamedTuple):
    value: float
    point: tuple[float, ...]
    parent: Model | None
    is_changed: bool


class ContinuedTraining(Starts):
    """Trains `popsize` members; see the module docstring and `Starts`."""

    def __init__(
        self, fresh: Strategy, popsize: int, schedule: str, rounds: int | None = None
    ) -> None:
        super().__init__(fresh, popsize, schedule, rounds)
        self._models: dict[int, Model] = {}  # those that may be continued, by trial
        self._screen = ChainScreen(fresh.space)
        self._over: set[int] = set()  # models in whose place a continued one has come
        self._count = 0  # starts
        self._scored: list[Scored] = []  # all learned trials with a score

    def _can_continue(self, trial: int) -> bool:
        return trial in self._models

    def _take(self, candidate: Candidate) -> None:
        super()._take(candidate)
        self._count += candidate.parent is None

    def _is_of_fresh(self, candidate: Candidate) -> bool:
        return self._is_turn_of_fresh

    @property
    def _is_turn_of_fresh(self) -> bool:
        """Whether a start would be one of the strategy of the run."""
        is_early = self._count < FIRST or not self._models
        return is_early or self._count % 2 == 0 or bool(self.fresh.inserted)

    # --- what happened --------------------------------------------------------------------------

    def _learn_all(self, results: Sequence[tuple[Candidate, float | None]]) -> None:
        for candidate, merit in results:
            if candidate.id in self._starts:
                self.fresh.tell(self._starts.pop(candidate.id), merit)
            chain = self._after(candidate)
            parent = None if candidate.parent is None else self._models[candidate.parent]
            is_changed = parent is not None and not _is_same(candidate, parent)
            before = parent.merit if parent else None
            self._screen.add(chain, math.nan if merit is None else merit, before, is_changed)
            has_model = self._has_saved(candidate) and merit is not None
            if parent and not is_changed and not has_model:
                self._models[parent.candidate.id] = dataclasses.replace(parent, is_tried=True)
            if merit is not None:
                self._scored.append(Scored(candidate.id, merit, int(chain.ages[0])))
                if has_model:
                    self._models[candidate.id] = Model(candidate, chain, merit)
        self._leave_behind([candidate for candidate, _ in results])

    def _leave_behind(self, learned: Sequence[Candidate]) -> None:
        """Forget the models that are not continued any more, unless a trial does so now."""
        for candidate in learned:
            parent = self._models.get(-1 if candidate.parent is None else candidate.parent)
            if parent and candidate.id in self._models and _is_same(candidate, parent):
                self._over.add(parent.candidate.id)
        kept = promising(self._scored, KEPT * self.popsize) - self._over
        needed = {candidate.parent for candidate in self._unlearned.values()}
        self._models = {
            trial: model for trial, model in self._models.items()
            if trial in needed or trial in kept
        }  # fmt: skip

    def _after(self, candidate: Candidate, trials: int = 1) -> Chains:
        """Return the chain of a candidate that is not learned, after so many trials."""
        parent = None if candidate.parent is None else self._models[candidate.parent]
        if parent and _is_same(candidate, parent):
            return parent.chain.continued(trials)
        before = parent.chain if parent else Chains.unborn(1, self._screen.features.width)
        return before.changed(self._features([candidate.point]), trials)

    def _features(self, points: Sequence[Sequence[float]] | Array) -> Array:
        return self._screen.features(np.array(points, dtype=float))

    # --- the next candidate ---------------------------------------------------------------------

    def _next(self, member: int) -> Candidate:
        if not self._models or self.fresh.inserted:
            return self._from_scratch(member)
        rng = np.random.default_rng([self.seed, self._number, 1])
        self._screen.begin(self._pending(), self.popsize)
        self._screen.demand(self._demand)
        left = self._trials_left(member)
        choices = [self._start(left, rng), *self._own(left), *self._change(rng)]
        best = max(choices, key=lambda choice: choice.value)
        if best.parent:
            own = best.parent.candidate
            params = self.space.decode(best.point) if best.is_changed else own.params
            return self._child(member, own, best.point, params)
        if self._is_turn_of_fresh:
            return self._from_scratch(member)
        params = self.space.decode(best.point)
        return Candidate(self._number, self._counts[member], member, best.point, params)

    def _pending(self) -> Chains:
        """Return the chains of all trials without a result, at the age of the oldest one."""
        found = []
        for candidate in self._unlearned.values():
            age = 0 if candidate.parent is None else self._models[candidate.parent].age
            found.append(self._after(candidate, max(1, self._oldest - age)))
        return Chains.unborn(0, self._screen.features.width).joined(*found)

    def _trials_left(self, member: int) -> int:
        """Return how many trials a chain may still get; without an end, as many as the oldest."""
        if self.rounds is None:
            return self._oldest
        return max(1, self.rounds - self._counts[member])

    @property
    def _oldest(self) -> int:
        return max(scored.age for scored in self._scored)

    @property
    def _demand(self) -> float:
        """The improvement that the next candidate seeks, in standard deviations of all scores."""
        cycle = max(_TEMPERS, self.popsize)
        demands = [0.0, *(DEMAND * np.geomspace(_LEAST_DEMAND, 1.0, cycle - 1))]
        return float(demands[self._number % cycle])

    def _start(self, left: int, rng: np.random.Generator) -> _Choice:
        """Return the best start for a chain that gets all trials that are left."""

        def value(points: Array) -> Array:
            unborn = Chains.unborn(len(points), self._screen.features.width)
            return self._screen.promise(unborn.changed(self._features(points), left))

        found = self._first_points(rng)
        values = value(found)
        for width in _WIDTHS[1:]:
            best = np.argsort(-values, kind="stable")[:_BEST_NEAR]
            more = _near(found[best[rng.integers(len(best), size=_DRAWN // 2)]], width, rng)
            found = np.vstack([found[best], more])
            values = np.append(values[best], value(more))
        top = int(np.argmax(values))
        value_of_top = float(values[top]) - COST * math.log(left)
        return _Choice(value_of_top, _as_point(found[top]), None, is_changed=True)

    def _own(self, left: int) -> list[_Choice]:
        """Return the best model to continue with its own hyperparameters, if there is any."""
        busy = {
            candidate.parent for candidate in self._unlearned.values()
            if candidate.parent is not None and _is_same(candidate, self._models[candidate.parent])
        }  # fmt: skip
        models = [
            model for trial, model in self._models.items()
            if trial not in busy and trial not in self._over and not model.is_tried
        ]  # fmt: skip
        if not models:
            return []
        chains = _chains(models)
        steps = np.unique(np.round(np.geomspace(1.0, left, HORIZONS)))
        values = np.max(
            [self._screen.promise(chains.continued(h)) - COST * math.log(h) for h in steps], axis=0
        )
        top = int(np.argmax(values))
        model = models[top]
        return [_Choice(float(values[top]), model.candidate.point, model, is_changed=False)]

    def _change(self, rng: np.random.Generator) -> list[_Choice]:
        """Return the best change for one more trial of one of the best models."""
        models = [model for trial, model in self._models.items() if trial not in self._over]
        if not models:
            return []
        chains = _chains(models)
        order = np.argsort(-self._screen.expected(chains), kind="stable")[:PARENTS]

        def value(rows: NDArray[np.intp], points: Array) -> Array:
            before, x = chains.take(rows), self._features(points)
            is_no_change = (x == before.x[:, 0]).all(1)
            return np.where(is_no_change, -np.inf, self._screen.promise(before.changed(x, 1)))

        found = self._first_points(rng)
        rows = np.full(len(found), order[0])
        values = value(rows, found)
        best = np.argsort(-values, kind="stable")[:_BEST_NEAR]
        found = np.tile(found[best], (len(order), 1))
        rows = np.repeat(order, len(best))
        values = value(rows, found)
        for width in _WIDTHS[1:]:
            best = np.argsort(-values, kind="stable")[:_BEST_NEAR]
            drawn = best[rng.integers(len(best), size=_DRAWN // 2)]
            more = _near(found[drawn], width, rng)
            values = np.append(values[best], value(rows[drawn], more))
            found, rows = np.vstack([found[best], more]), np.append(rows[best], rows[drawn])
        top = int(np.argmax(values))
        return [
            _Choice(float(values[top]), _as_point(found[top]), models[rows[top]], is_changed=True)
        ]

    def _first_points(self, rng: np.random.Generator) -> Array:
        """Return points from the whole cube and near those of good models, `(n, dim)`."""
        models = sorted(self._models.values(), key=lambda model: -model.merit)[:_BEST_NEAR]
        good = np.array([model.candidate.point for model in models])
        near = _near(good[rng.integers(len(good), size=_DRAWN)], _WIDTHS[0], rng)
        return np.vstack([rng.random((_DRAWN, self.space.dim)), near])


def _is_same(candidate: Candidate, parent: Model) -> bool:
    return candidate.params == parent.candidate.params


def _chains(models: Sequence[Model]) -> Chains:
    return models[0].chain.joined(*[model.chain for model in models[1:]])


def _as_point(point: Array) -> tuple[float, ...]:
    return tuple(float(u) for u in point)


def _near(points: Array, width: float, rng: np.random.Generator) -> Array:
    """Return a point near each of `points` `(n, dim)`, some of whose coordinates are moved."""
    count, dim = points.shape
    scale = width * np.exp(_SPREAD * rng.standard_normal((count, 1)))
    moved = rng.random((count, dim)) < rng.choice(_KEEP_AXIS, size=(count, 1))
    moved[np.arange(count), rng.integers(dim, size=count)] = True
    return np.asarray(reflect(points + scale * moved * rng.standard_normal((count, dim))))
