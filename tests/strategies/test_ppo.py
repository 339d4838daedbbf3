"""The policy, its gradient, and what each option of PPO does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from autofinetune.space import Space, load_space
from autofinetune.strategies import create_strategy
from autofinetune.strategies.policy import Episode, Policy, _advantages
from autofinetune.strategies.ppo import PARTS, PPO
from tests.helpers import conditional_space, space_of

OPTIONS: dict[str, Any] = {name: option.default for name, option in PPO.OPTIONS.items()}
ACTIONS = np.array([[0, 2, 1], [1, -1, 0], [1, 0, -1], [0, 1, 1]])


def policy() -> Policy:
    made = Policy([2, 3, 2], np.random.default_rng(0))
    rng = np.random.default_rng(1)
    for key, weight in made.weights.items():
        made.weights[key] = 0.5 * rng.standard_normal(weight.shape)
    return made


@pytest.mark.parametrize("clip", [0.05, 0.2, 5.0])
def test_the_gradient_is_that_of_the_loss(clip: float) -> None:
    made, rng = policy(), np.random.default_rng(2)
    taken = ACTIONS >= 0
    judged = [made.judge(actions) for actions in ACTIONS]
    old = np.array([episode.log_likely for episode in judged])
    old = np.where(taken, old + rng.normal(0, 0.2, old.shape), 0.0)
    values = np.array([episode.values for episode in judged]) + rng.normal(0, 0.2, old.shape)
    advantages = np.where(taken, rng.standard_normal(old.shape), 0.0)
    options = OPTIONS | {"ent_coef": 0.3, "vf_coef": 0.7, "cliprange": clip}
    _, gradient = made.loss(ACTIONS, old, values, advantages, options)
    for key, weight in made.weights.items():
        for place in [tuple(rng.integers(n) for n in weight.shape) for _ in range(6)]:
            around = []
            for step in (1e-6, -1e-6):
                made.weights[key] = weight.copy()
                made.weights[key][place] += step
                around.append(made.loss(ACTIONS, old, values, advantages, options)[0])
            made.weights[key] = weight
            slope = (around[0] - around[1]) / 2e-6
            assert gradient[key][place] == pytest.approx(slope, abs=1e-6)


def test_actions_come_as_often_as_they_are_likely() -> None:
    made, rng = policy(), np.random.default_rng(0)
    drawn = []
    for _ in range(3000):
        walk = made.start()
        drawn.append([made.act(walk, step, rng) for step in range(3)])
    for wanted in ([0, 0, 0], [1, 2, 1]):
        share = np.mean([actions == wanted for actions in drawn])
        likely = np.exp(made.judge(np.array(wanted)).log_likely.sum())
        assert share == pytest.approx(likely, abs=0.03)


def test_advantages_look_ahead_and_leave_out_what_was_not_taken() -> None:
    taken = np.array([[True, False, True]])
    values = np.array([[0.5, 9.0, 0.25]])
    found = _advantages(taken, values, np.array([1.0]), gamma=0.9, lam=0.5)
    last = 1.0 - 0.25
    assert found.tolist() == [[pytest.approx(0.9 * 0.25 - 0.5 + 0.45 * last), 0.0, last]]


def learned(**options: Any) -> dict[str, Any]:
    """Return the weights after some updates."""
    made = policy()
    scores = np.array([1.0, -1.0, 0.5, -0.5])
    for number in range(2):
        episodes: list[Episode] = [made.judge(actions) for actions in ACTIONS]
        made.learn(episodes, scores, OPTIONS | options, np.random.default_rng(number))
    return made.weights


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("epochs_per_update", 2), ("minibatch_size", 2), ("ent_coef", 0.5), ("lr", 0.01),
        ("vf_coef", 5.0), ("max_grad_norm", 0.01), ("gamma", 0.5), ("lam", 0.1),
        ("cliprange", 1e-4),
    ],
)  # fmt: skip
def test_every_option_changes_what_is_learned(option: str, value: float) -> None:
    one, other = learned(), learned(**{option: value})
    assert any((one[key] != other[key]).any() for key in one)


def layers() -> Space:
    entries = [
        {"name": f"layer{i}", "type": "choice", "choices": ["conv3", "conv5", "pool", "skip"]}
        for i in range(5)
    ]
    return load_space({"param_list": entries})


def score_of(params: Any) -> float:
    return float(sum(value == "pool" for value in params.values()))


@pytest.mark.slow
def test_it_learns_which_layers_are_good() -> None:
    late = []
    for seed in range(3):
        strategy = create_strategy(
            "PPOTuner", layers(), popsize=5, seed=seed,
            options={"lr": 0.02, "trials_per_update": 10},
        )  # fmt: skip
        scores = []
        for _ in range(30):
            for candidate in strategy.ask(5):
                scores.append(score_of(candidate.params))
                strategy.tell(candidate, scores[-1])
        late.append(np.mean(scores[75:]))
    assert np.mean(late) > 1.25 + 0.75  # the mean of random layers, and a wide margin


def test_the_policy_changes_once_enough_results_are_there() -> None:
    strategy = PPO(layers(), 4, 0, options={"trials_per_update": 6})
    first = strategy._policy.weights["W"]
    for number in range(1, 13):
        (candidate,) = strategy.ask(1)
        strategy.tell(candidate, None if number % 3 else score_of(candidate.params))
        changed = (strategy._policy.weights["W"] != first).any()
        assert changed == (number >= 6)
        assert strategy._updates == number // 6


def test_numbers_are_chosen_by_parts_of_their_range() -> None:
    strategy = PPO(space_of("float", "small", "choice"), 4, 0)
    assert strategy._policy.counts == [PARTS, 3, 2]
    points = np.array([candidate.point[0] for candidate in strategy.ask(400)])
    assert np.histogram(points, PARTS, (0, 1))[0].min() > 8
    conditional = PPO(conditional_space(), 4, 0)
    (candidate,) = conditional.ask(1)
    taken = conditional._chosen[candidate.id].actions
    assert (taken >= 0).tolist() == [p.name in candidate.params for p in conditional.space]
