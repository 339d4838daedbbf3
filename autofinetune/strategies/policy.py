"""A recurrent policy over a sequence of choices, and its update by proximal policy optimisation.

Step t of an episode is hyperparameter t, and its action is one of `counts[t]`. The state is

    h_t = tanh(h_(t-1) W + E[previous action] + P_t),   h_0 = 0,

action k has the probability softmax_k(h_t V_k + b_k) among those of its step, and the value of the
state is h_t u + c. A skipped step leaves the state unchanged. The loss of a batch is

    -mean(min(r A, clip(r, 1 - e, 1 + e) A)) + vf_coef / 2 mean(max((v - R)^2, (v' - R)^2))
        - ent_coef mean(entropy)

over all steps taken, where r is the probability of the action divided by its probability when it
was chosen, v' is the value clipped to within e of the value at that time, and A and R come from
generalised advantage estimation with the score as the reward of the last step (Schulman et al.,
"Proximal Policy Optimization Algorithms", arXiv 1707.06347, equations 7 and 9 to 12; the clipped
value is that of OpenAI's ppo2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
HIDDEN = 32
_SMALL = 0.1  # standard deviation of the initial weights
_ADAM = (0.9, 0.999, 1e-5)


class Episode(NamedTuple):
    """One sequence of actions `(steps,)`, -1 for skipped steps, and the policy's view of them.

    `log_likely` and `values`, `(steps,)`, date from when the actions were chosen.
    """

    actions: NDArray[np.intp]
    log_likely: Array
    values: Array


@dataclass
class Walk:
    """A sequence in progress: the state, `(HIDDEN,)`, and the previous action."""

    state: Array
    token: int


class _Pass(NamedTuple):
    """The results of a forward pass for the backward one, `(batch, steps, ...)` each."""

    tokens: NDArray[np.intp]
    before: Array
    states: Array
    likely: list[Array]
    values: Array


class Policy:
    """The weights by name, and the state of Adam; step t has `counts[t]` actions."""

    def __init__(self, counts: Sequence[int], rng: np.random.Generator) -> None:
        self.counts = list(counts)
        self._first = np.cumsum([0, *self.counts])  # index of each step's first action among all
        total = int(self._first[-1])
        shapes = {
            "W": (HIDDEN, HIDDEN), "E": (total + 1, HIDDEN), "P": (len(self.counts), HIDDEN),
            "V": (HIDDEN, total), "b": (total,), "u": (HIDDEN,), "c": (1,),
        }  # fmt: skip
        self.weights = {key: _SMALL * rng.standard_normal(shape) for key, shape in shapes.items()}
        self.weights["V"] *= _SMALL  # nearly equal probabilities at first
        self._moments = {key: (np.zeros(s), np.zeros(s)) for key, s in shapes.items()}
        self._updates = 0

    # --- acting ---------------------------------------------------------------------------------

    def start(self) -> Walk:
        return Walk(np.zeros(HIDDEN), len(self.weights["b"]))

    def act(self, walk: Walk, step: int, rng: np.random.Generator) -> int:
        """Draw an action for this step by its probability and advance `walk`."""
        w = self.weights
        walk.state = np.tanh(walk.state @ w["W"] + w["E"][walk.token] + w["P"][step])
        part = slice(self._first[step], self._first[step + 1])
        likely = _softmax(walk.state @ w["V"][:, part] + w["b"][part])
        action = int(rng.choice(len(likely), p=likely))
        walk.token = int(self._first[step]) + action
        return action

    def judge(self, actions: NDArray[np.intp]) -> Episode:
        """Return an episode of actions `(steps,)`, as if they were chosen now."""
        done = self._forward(actions[None, :])
        log_likely = np.zeros(len(actions))
        for step in np.flatnonzero(actions >= 0):
            log_likely[step] = np.log(done.likely[step][0, actions[step]])
        return Episode(actions, log_likely, done.values[0])

    # --- learning -------------------------------------------------------------------------------

    def learn(
        self,
        episodes: Sequence[Episode],
        scores: Array,
        options: Mapping[str, Any],
        rng: np.random.Generator,
    ) -> None:
        """Take epochs of Adam on the loss of `episodes` with `scores` `(n,)`, by PPO's options."""
        actions = np.array([episode.actions for episode in episodes])
        old = np.array([episode.log_likely for episode in episodes])
        values = np.array([episode.values for episode in episodes])
        advantages = _advantages(actions >= 0, values, scores, options["gamma"], options["lam"])
        for _ in range(options["epochs_per_update"]):
            order = rng.permutation(len(episodes))
            for part in np.array_split(order, min(options["minibatch_size"], len(order))):
                batch = (actions[part], old[part], values[part], advantages[part])
                _, gradient = self.loss(*batch, options)
                self._descend(gradient, options["lr"], options["max_grad_norm"])

    def loss(
        self,
        actions: NDArray[np.intp],
        old: Array,
        old_values: Array,
        advantages: Array,
        options: Mapping[str, Any],
    ) -> tuple[float, dict[str, Array]]:
        """Return the loss of a batch, arrays `(n, steps)`, and its gradient by each weight."""
        taken = actions >= 0
        count = max(1, int(taken.sum()))
        returns = advantages + old_values
        spread = advantages[taken].std() + 1e-8
        advantages = np.where(taken, (advantages - advantages[taken].mean()) / spread, 0.0)
        clip, entropy_weight = options["cliprange"], options["ent_coef"]
        done = self._forward(actions)
        total = 0.0
        by_logits = []
        for step, likely in enumerate(done.likely):
            chosen = np.eye(self.counts[step])[np.maximum(actions[:, step], 0)]
            log_likely = np.log(likely)
            ratio = np.exp((log_likely * chosen).sum(1) - old[:, step])
            advantage, mask = advantages[:, step], taken[:, step] / count
            free, held = ratio * advantage, np.clip(ratio, 1 - clip, 1 + clip) * advantage
            entropy = -(likely * log_likely).sum(1)
            total -= float((mask * (np.minimum(free, held) + entropy_weight * entropy)).sum())
            by_log = -mask * np.where(free <= held, free, 0.0)
            by_entropy = entropy_weight * mask[:, None] * likely * (log_likely + entropy[:, None])
            by_logits.append(by_log[:, None] * (chosen - likely) + by_entropy)
        moved = done.values - old_values
        near = old_values + np.clip(moved, -clip, clip)
        far_off, near_off = (done.values - returns) ** 2, (near - returns) ** 2
        half = 0.5 * options["vf_coef"] * taken / count
        total += float((half * np.maximum(far_off, near_off)).sum())
        inside = np.where(np.abs(moved) < clip, near - returns, 0.0)
        by_value = 2 * half * np.where(far_off >= near_off, done.values - returns, inside)
        return total, self._backward(actions, done, by_logits, by_value)

    def _forward(self, actions: NDArray[np.intp]) -> _Pass:
        w = self.weights
        size, steps = actions.shape
        state = np.zeros((size, HIDDEN))
        token = np.full(size, len(w["b"]))
        tokens = np.empty((size, steps), dtype=np.intp)
        before, states = np.empty((size, steps, HIDDEN)), np.empty((size, steps, HIDDEN))
        likely = []
        for step in range(steps):
            taken = actions[:, step] >= 0
            tokens[:, step], before[:, step] = token, state
            new = np.tanh(state @ w["W"] + w["E"][token] + w["P"][step])
            state = np.where(taken[:, None], new, state)
            token = np.where(taken, self._first[step] + actions[:, step], token)
            states[:, step] = state
            part = slice(self._first[step], self._first[step + 1])
            likely.append(_softmax(state @ w["V"][:, part] + w["b"][part]))
        return _Pass(tokens, before, states, likely, states @ w["u"] + w["c"])

    def _backward(
        self, actions: NDArray[np.intp], done: _Pass, by_logits: list[Array], by_value: Array
    ) -> dict[str, Array]:
        w = self.weights
        gradient = {key: np.zeros_like(weight) for key, weight in w.items()}
        by_state = np.zeros((len(actions), HIDDEN))
        for step in reversed(range(len(self.counts))):
            state, taken = done.states[:, step], actions[:, step, None] >= 0
            part = slice(self._first[step], self._first[step + 1])
            gradient["V"][:, part] += state.T @ by_logits[step]
            gradient["b"][part] += by_logits[step].sum(0)
            gradient["u"] += by_value[:, step] @ state
            gradient["c"] += by_value[:, step].sum()
            by_state = by_state + by_logits[step] @ w["V"][:, part].T
            by_state = by_state + by_value[:, step, None] * w["u"]
            by_sum = np.where(taken, by_state * (1 - state**2), 0.0)
            gradient["W"] += done.before[:, step].T @ by_sum
            np.add.at(gradient["E"], done.tokens[:, step], by_sum)
            gradient["P"][step] += by_sum.sum(0)
            by_state = np.where(taken, by_sum @ w["W"].T, by_state)
        return gradient

    def _descend(self, gradient: Mapping[str, Array], rate: float, most: float) -> None:
        """Take a step of Adam (Kingma and Ba, 2015), with the gradient clipped to norm `most`."""
        norm = np.sqrt(sum(float((part**2).sum()) for part in gradient.values()))
        scale = min(1.0, most / (norm + 1e-6))
        self._updates += 1
        keep, keep_square, least = _ADAM
        for key, part in gradient.items():
            mean, square = self._moments[key]
            mean = keep * mean + (1 - keep) * scale * part
            square = keep_square * square + (1 - keep_square) * (scale * part) ** 2
            self._moments[key] = (mean, square)
            whole = mean / (1 - keep**self._updates)
            root = np.sqrt(square / (1 - keep_square**self._updates)) + least
            self.weights[key] = self.weights[key] - rate * whole / root


def _softmax(logits: Array) -> Array:
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(powers / powers.sum(-1, keepdims=True))


def _advantages(
    taken: NDArray[np.bool_], values: Array, scores: Array, gamma: float, lam: float
) -> Array:
    """Return generalised advantage estimates, `(n, steps)`, 0 where no step was taken."""
    found = np.zeros_like(values)
    value, advantage = np.zeros(len(scores)), np.zeros(len(scores))
    is_last = np.ones(len(scores), dtype=bool)
    for step in reversed(range(values.shape[1])):
        here = taken[:, step]
        reward = np.where(is_last, scores, 0.0)
        difference = reward + gamma * value - values[:, step]
        now = difference + gamma * lam * advantage
        advantage, value = np.where(here, now, advantage), np.where(here, values[:, step], value)
        found[:, step] = np.where(here, now, 0.0)
        is_last &= ~here
    return found
