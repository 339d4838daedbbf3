"""PBT: good members continue, and the worst ones copy good ones with small changes.

Each candidate is one step of one of `population_size` members. Before a step, the members are
ranked by the score of their last step. One of the worst ceil(fraction * population_size) members
continues a random one of the same number of best members instead of itself, with that member's
configuration, in which each parameter is redrawn with the probability `resample_probability` and
otherwise moved up or down: a continuous one by `factor` of its range, any other by one value. A
member whose step failed has nothing to continue and always does so. All others keep their
configuration.

The schedule is that of Jaderberg et al., "Population Based Training of Neural Networks", arXiv
1711.09846: no member waits for the others. The moves are those of NNI's PBT tuner. A member that
continues another one continues its model, if it saved one. If trials do not continue others, a
configuration that was tried before is moved to an untried one nearby.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple

import numpy as np

from autofinetune.space import Parameter

from .base import Candidate
from .options import OPTIMIZE_MODE, Option
from .turns import Array, Turns


class Step(NamedTuple):
    """The next step of a member: the trial it continues, and whether the parameters change."""

    member: int
    source: Candidate | None
    is_changed: bool


class PBT(Turns):
    """Asynchronous population based training; see the module docstring."""

    names_parents = True
    OPTIONS: ClassVar[Mapping[str, Option]] = {
        **OPTIMIZE_MODE,
        "population_size": Option(10, "members of the population", 1, 99_999),
        "factor": Option(0.2, "how far a continuous parameter moves, in its range", 0.0, 1.0),
        "resample_probability": Option(0.25, "how often it is drawn anew instead", 0.0, 1.0),
        "fraction": Option(0.2, "share of the members that follow others, or lead", 0.0, 0.5),
    }

    def _set_up(self) -> None:
        super()._set_up()
        size = self.options["population_size"]
        self._steps = dict.fromkeys(range(size), 0)  # steps asked so far, by member
        self._last: dict[int, Candidate] = {}  # the last finished step of each member
        self._merits: dict[int, float] = {}  # the result of that step, -inf if it failed
        self._at_work: dict[int, int] = {}  # the member of each candidate without a result
        self._saved: set[int] = set()  # last finished or running steps that saved a model

    def _note(self, candidate: Candidate) -> None:
        step = self._step(candidate.id)
        self._steps[step.member] += 1
        self._at_work[candidate.id] = step.member

    def model_saved(self, candidate: Candidate) -> None:
        self._saved.add(candidate.id)

    def _learn(self, candidate: Candidate, merit: float) -> None:
        member = self._at_work.pop(candidate.id)
        if member in self._last:
            self._saved.discard(self._last[member].id)
        self._last[member] = candidate
        self._merits[member] = -math.inf if math.isnan(merit) else merit

    def _next(self, member: int) -> Candidate:
        source = self._step(self._number).source
        is_own = self.allow_repeats and not self.inserted
        continues = is_own and source is not None and source.id in self._saved
        parent = source.id if continues and source is not None else None
        return dataclasses.replace(super()._next(member), parent=parent)

    def _point(self, round_: int, member: int, rng: np.random.Generator) -> Sequence[float]:
        step = self._step(self._number)
        if step.source is None:
            return self._fresh(lambda: rng.random(self.space.dim))
        source = np.array(step.source.point)
        if step.is_changed:
            return self._settled(self._changed(step.source, rng), rng)
        return self._settled(source, rng)

    def _settled(self, point: Array, rng: np.random.Generator) -> Sequence[float]:
        return point.tolist() if self.allow_repeats else self._untried(point, rng)

    def _step(self, number: int) -> Step:
        """Return the step of the candidate of this number, given the results so far."""
        busy = set(self._at_work.values())
        free = [member for member in self._steps if member not in busy] or list(self._steps)
        member = min(free, key=lambda member: self._steps[member])
        if member not in self._last:
            return Step(member, None, False)
        ranked = sorted(self._merits, key=lambda other: -self._merits[other])
        count = math.ceil(self.options["fraction"] * len(self._steps))
        # While few have results, no member may be both leader and follower.
        alive = [other for other in ranked if self._merits[other] > -math.inf]
        has_failed = member not in alive
        leaders = alive[: max(min(count, len(ranked) // 2), int(has_failed))]
        follows = has_failed or member in ranked[max(len(ranked) - count, len(ranked) // 2) :]
        if not follows or not leaders:
            return Step(member, None if has_failed else self._last[member], False)
        rng = np.random.default_rng([self.seed, number, 1])
        return Step(member, self._last[leaders[int(rng.integers(len(leaders)))]], True)

    def _changed(self, source: Candidate, rng: np.random.Generator) -> Array:
        point = rng.random(self.space.dim)  # newly active parameters: from their whole range
        for place, parameter in enumerate(self.space):
            if parameter.name in source.params:
                is_drawn = rng.random() < self.options["resample_probability"]
                moved = self._moved(parameter, source.point[place], bool(rng.random() < 0.5))
                point[place] = point[place] if is_drawn else moved
        return point

    def _moved(self, parameter: Parameter, u: float, up: bool) -> float:
        """Return a coordinate one step up or down, within the range."""
        if parameter.size is None:
            way = self.options["factor"] if up else -self.options["factor"]
            return float(min(max(u + way, 0.0), 1.0))
        if parameter.type_name == "choice":  # in the order in which its values are listed
            values = [parameter.encode(value) for value in parameter.values()]
            here = values.index(parameter.encode(parameter.decode(u)))
            return values[min(max(here + (1 if up else -1), 0), len(values) - 1)]
        beside = [v for v in parameter.neighbours(u) if (v > u) == up]
        return beside[0] if beside else u
