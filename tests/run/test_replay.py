"""A replay trains a chain of trials again, and nothing else."""

from __future__ import annotations

from autofinetune.core.trials import Trial
from autofinetune.run.replay import replay_of
from tests.helpers import config_of


def test_a_replay_has_a_round_for_each_trial_of_the_chain() -> None:
    chain = [Trial(3, 0, 1, {"lr": 0.1}, None), Trial(7, 1, 1, {"lr": 0.2}, 3)]
    config = config_of(popsize=4, round=9, max_trials=30, repeats=2, evaluator="fulltrail")
    replay = replay_of(config, chain)
    assert (replay.popsize, replay.round, replay.repeats, replay.planned) == (1, 2, 1, 2)
    assert replay.members_have_models
    assert replay.replayed == ({"lr": 0.1}, {"lr": 0.2})
    assert replay.space == config.space
