"""Evolution: of two drawn members of a population, the better has a child and the other leaves.

The population starts with `population_size` random members. Then two of them are drawn for each
candidate; the better one is copied, and exactly one of its active parameters is redrawn from its
whole range. The child joins the population with its result. The algorithm is that of NNI's
evolution tuner, after Real et al., "Large-Scale Evolution of Image Classifiers", ICML 2017.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple

import numpy as np

from .base import Candidate
from .options import OPTIMIZE_MODE, Option
from .turns import Array, Turns

_REDRAWS = 64  # at most, until a parameter has another value


class Member(NamedTuple):
    """A trial that may have children; the merit of a failed one is -inf."""

    candidate: Candidate
    merit: float


class Evolution(Turns):
    """Tournaments of two and a mutation of one parameter; see the module docstring."""

    OPTIONS: ClassVar[Mapping[str, Option]] = {
        **OPTIMIZE_MODE,
        "population_size": Option(32, "members of the population", 2, 99_999),
    }

    def _set_up(self) -> None:
        super()._set_up()
        self._members: list[Member] = []

    def _learn(self, candidate: Candidate, merit: float) -> None:
        self._members.append(Member(candidate, -np.inf if np.isnan(merit) else merit))

    def _point(self, round_: int, member: int, rng: np.random.Generator) -> Sequence[float]:
        pair = self._tournament(self._number)
        if pair is None:
            return self._fresh(lambda: rng.random(self.space.dim))
        return self._fresh(lambda: self._mutant(pair[0].candidate, rng))

    def _note(self, candidate: Candidate) -> None:
        pair = self._tournament(candidate.id)
        if pair is not None:
            self._members.remove(pair[1])

    def _tournament(self, number: int) -> tuple[Member, Member] | None:
        """Return winner and loser for the candidate of this number; None without a population."""
        if number < max(self.options["population_size"], len(self._given)):
            return None
        if len(self._members) < 2:
            return None  # the others are still running
        rng = np.random.default_rng([self.seed, number, 1])
        one, other = (self._members[i] for i in rng.choice(len(self._members), 2, replace=False))
        return (one, other) if one.merit >= other.merit else (other, one)

    def _mutant(self, parent: Candidate, rng: np.random.Generator) -> Array:
        active = [parameter.name in parent.params for parameter in self.space]
        # Parameters that the mutation activates are drawn from their whole range, too.
        point = np.where(active, parent.point, rng.random(self.space.dim))
        able = [
            place
            for place, parameter in enumerate(self.space)
            if active[place] and parameter.size != 1
        ]
        if able:
            place = int(rng.choice(able))
            parameter = self.space.parameters[place]
            for _ in range(_REDRAWS):
                point[place] = rng.random()
                if parameter.decode(float(point[place])) != parent.params[parameter.name]:
                    break
        return point
