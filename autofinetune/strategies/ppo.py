"""PPO: a recurrent policy that chooses one hyperparameter after the other and learns from scores.

It is meant for architecture search, with layer and input choices and hundreds of trials. Every
choice has one action per value; a number with more than 32 values has one per sixteenth of its
range. After every `trials_per_update` results, in order of arrival, the policy is trained on them
with `epochs_per_update` epochs of Adam, each split into `minibatch_size` parts (the number of
parts, as in NNI). A failed trial has the worst score so far. The equations are in `policy.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from autofinetune.space import Parameter, Value
from autofinetune.surrogate import standardized

from .base import Candidate
from .history import choose_in_order
from .options import OPTIMIZE_MODE, Option
from .policy import Episode, Policy
from .turns import Array, Turns

MOST_VALUES = 32  # a number with more values has one action per part of its range
PARTS = 16
_DRAWS = 8  # at most, until the policy chooses a new configuration


class PPO(Turns):
    """Proximal policy optimisation; see the module docstring."""

    OPTIONS: ClassVar[Mapping[str, Option]] = {
        **OPTIMIZE_MODE,
        "trials_per_update": Option(20, "results from which the policy learns at a time", 1),
        "epochs_per_update": Option(4, "how often it learns from each of them", 1, 10_000),
        "minibatch_size": Option(4, "steps an epoch", 1),
        "ent_coef": Option(0.0, "weight of the entropy", 0.0),
        "lr": Option(3e-4, "learning rate", 0.0, 1.0),
        "vf_coef": Option(0.5, "weight of the error of the value", 0.0),
        "max_grad_norm": Option(0.5, "longest gradient", 0.0),
        "gamma": Option(0.99, "discount a step", 0.0, 1.0),
        "lam": Option(0.95, "how far advantages look ahead", 0.0, 1.0),
        "cliprange": Option(0.2, "how far probabilities and values move at a time", 0.0),
    }

    def _set_up(self) -> None:
        super()._set_up()
        self._actions = [_Actions(parameter) for parameter in self.space]
        counts = [len(actions.coordinates) for actions in self._actions]
        self._policy = Policy(counts, np.random.default_rng([self.seed, 2**33]))
        self._updates = 0
        self._chosen: dict[int, Episode] = {}  # by candidate without a result
        self._batch: list[Episode] = []
        self._merits: list[float] = []

    def _point(self, round_: int, member: int, rng: np.random.Generator) -> Sequence[float]:
        for _ in range(_DRAWS):
            point = self._draw(rng)
            if not self._is_seen(point):
                break
        return self._untried(point, rng)

    def _draw(self, rng: np.random.Generator) -> Array:
        walk = self._policy.start()

        def choose(place: int, parameter: Parameter) -> float:
            action = self._policy.act(walk, place, rng)
            return self._actions[place].coordinate(action, rng)

        return choose_in_order(self.space, choose)

    def _note(self, candidate: Candidate) -> None:
        taken = [actions.find(candidate.params) for actions in self._actions]
        self._chosen[candidate.id] = self._policy.judge(np.array(taken))

    def _learn(self, candidate: Candidate, merit: float) -> None:
        self._batch.append(self._chosen.pop(candidate.id))
        self._merits.append(merit)
        if len(self._batch) < self.options["trials_per_update"]:
            return
        scores = standardized(np.array(self._merits))[-len(self._batch) :]
        rng = np.random.default_rng([self.seed, self._updates, 2**33])
        self._policy.learn(self._batch, scores, self.options, rng)
        self._batch = []
        self._updates += 1


class _Actions:
    """The actions of one parameter: its values if there are few, otherwise parts of its range."""

    def __init__(self, parameter: Parameter) -> None:
        self._parameter = parameter
        size = parameter.size
        self._is_part = parameter.type_name != "choice" and (size is None or size > MOST_VALUES)
        if self._is_part:
            self.coordinates = np.arange(PARTS) / PARTS
        else:
            values = parameter.values()
            self.coordinates = np.array([parameter.encode(value) for value in values])

    def coordinate(self, action: int, rng: np.random.Generator) -> float:
        """Return the coordinate of an action; within a part of the range it is drawn."""
        return float(self.coordinates[action] + self._is_part * rng.random() / PARTS)

    def find(self, params: Mapping[str, Value]) -> int:
        """Return the action that leads to a configuration, -1 if the parameter is inactive."""
        if self._parameter.name not in params:
            return -1
        u = self._parameter.encode(params[self._parameter.name])
        if self._is_part:
            return min(int(u * PARTS), PARTS - 1)
        return int(np.argmin(np.abs(self.coordinates - u)))
